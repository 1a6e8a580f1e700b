/* relay_inside: what relay.c (in) and outgoing.c (out) share. */
#ifndef KW_BROKER_RELAY_INSIDE_H
#define KW_BROKER_RELAY_INSIDE_H

#include "broker/net/outgoing.h"
#include "broker/net/refusals.h"
#include "broker/net/relay.h"
#include "broker/net/texts.h"

struct relay {
	struct relay_parts parts;
	struct outgoing out;
	struct texts texts;
	uint64_t started_ms;
	uint64_t sizes_asked_ms;
	struct pace pace;
	struct filling filling;
	struct header heard;             /* of the last publish; what is refused of it is remembered with its topic */
	struct refusals refusals;
	void *admin_self;
	relay_admin admin;
	struct {
		bool under_way;
		struct agreement *next;       /* ours until the chain has it */
		struct buf text, sigs;
		struct relay_done done;
	} install;
	struct relay_done epoch_done, suspend_done;
};

void relay_send_shared(struct relay *r, uint32_t conn, zmq_msg_t *whole); /* a control message that is encoded already; closes it */
void relay_remember(struct relay *r, uint32_t conn, enum wire_code code, const uint8_t id[KW_ID_LEN], const char *text); /* a refusal that is sent */
void relay_refusal_stands(struct relay *r, uint32_t conn, enum wire_code code, const uint8_t *id); /* in the audit trail; id NULL: of no notification */
void relay_answers(struct relay *r);          /* drains core_next */
void relay_read_failed(struct relay *r, const struct kw_why *why); /* a store that cannot be read is lost as one that cannot be written */
void relay_installed(struct relay *r);
void relay_install_failed(struct relay *r);
void relay_epoch_begun(struct relay *r);
void relay_suspension_stands(struct relay *r, bool stored, bool again);   /* suspending.c, as the next two */
void relay_suspension_again(struct relay *r, uint32_t node);
void relay_suspension_over(struct relay *r, uint32_t node);

#endif
