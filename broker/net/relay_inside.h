/* relay_inside: what relay.c (in) and outgoing.c (out) share. */
#ifndef KW_BROKER_RELAY_INSIDE_H
#define KW_BROKER_RELAY_INSIDE_H

#include "broker/net/outgoing.h"
#include "broker/net/relay.h"

struct relay {
	struct relay_parts parts;
	struct outgoing out;
	uint64_t started_ms;
	uint64_t sizes_asked_ms;
	void *admin_self;
	relay_admin admin;
	struct {
		bool under_way;
		struct agreement *next;       /* ours until the chain has it */
		struct buf text, sigs;
		struct relay_done done;
	} install;
	struct relay_done epoch_done;
};

void relay_answers(struct relay *r);          /* drains core_next */
void relay_read_failed(struct relay *r, const struct kw_why *why); /* a store that cannot be read is lost as one that cannot be written */
void relay_installed(struct relay *r);
void relay_install_failed(struct relay *r);
void relay_epoch_begun(struct relay *r);

#endif
