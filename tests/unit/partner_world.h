/*
 * partner_world: a node of police/control-room with the real code, and a broker played by the test in the same thread: it
 * holds the broker's real keys, so that it can lie in one way at a time.
 */
#ifndef KW_TESTS_PARTNER_WORLD_H
#define KW_TESTS_PARTNER_WORLD_H

#include "clients/partner/config.h"
#include "clients/partner/desk.h"
#include "clients/partner/node.h"
#include "proto/commit.h"
#include "proto/seal.h"
#include "proto/wire.h"

struct world {
	char folder[64];
	struct partner_config config;
	struct node *node;
	void *context, *router;
	char endpoint[128];
	uint8_t peer[256];          /* the node's routing id */
	size_t peer_len;
	struct buf control, frame;  /* of the last message */
	struct wire_msg msg;
	bool has_msg;
	struct commit commit;       /* the newest */
	uint8_t record[WIRE_COMMIT_LEN];
	uint64_t tail[KW_LANES];
	uint32_t log_epoch;
	bool has_last_stored;
	uint8_t last_stored[KW_ID_LEN];
	uint64_t numbers[KW_LANES]; /* city/public-order's for police/control-room */
	struct buf text, sigs;      /* of the agreement that the broker has in force */
	uint32_t version;
	uint8_t agreement_hash[KW_HASH_LEN];
	struct buf alert;           /* a payload */
	struct seal_sender *ephemeral;
};

int world_set_up(void **state);
int world_tear_down(void **state);

void world_start(struct world *w);               /* opens the node */
void world_stop(struct world *w);                /* closes it; what is on disk stays */
void world_steps(struct world *w, int n);
/* Turns until a message of that kind comes; others are dropped. Fails the test after ten seconds. */
struct wire_msg *world_expect(struct world *w, enum wire_kind kind);
bool world_comes(struct world *w, enum wire_kind kind, int steps); /* within so many turns */
void world_send(struct world *w, const struct wire_msg *m, struct span frame);
void world_welcome(struct world *w);             /* hello is awaited and answered */
void world_up(struct world *w);                  /* started and welcomed */

/* A commit of one leaf over the frame that the node published, and the stored message about it; cheat may spoil it. */
void world_store(struct world *w, void (*cheat)(struct wire_stored *s));
void world_next_commit(struct world *w, const uint8_t root[KW_HASH_LEN]);

struct given { struct buf frame; uint8_t wrap[KW_WRAP_LEN]; struct header header; uint8_t frame_hash[KW_HASH_LEN]; };
/* A notice of city/public-order about alert/storm in the lane, with the next running number; change (may be NULL) edits the header. */
void world_seal(struct given *out, struct world *w, enum lane lane, void (*change)(struct header *h));
void world_seal_as(struct given *out, struct world *w, const char *sender, const char *signer, uint64_t number, struct header *h, struct span payload);
void given_free(struct given *g);
void world_header(struct header *h, struct world *w, enum lane lane);
void world_deliver(struct world *w, const struct given *g, enum wire_mark mark); /* at the lane's next position */
void world_deliver_at(struct world *w, const struct given *g, enum wire_mark mark, uint64_t number);

/* The agreement's next version, with find replaced, becomes the broker's; nothing is sent. */
void world_next_version(struct world *w, const char *find, const char *replace);
void world_send_agreement(struct world *w);
void world_send_entry(struct world *w, enum lane lane);

enum kw_err world_publish(struct world *w, const char *topic, uint8_t id[KW_ID_LEN], struct kw_why *why);
uint32_t world_inbox(struct world *w, bool rejected, struct inbox_row *last, char reason[512]); /* how many */
bool world_alarm(struct world *w, const char *code);
bool world_alarm_comes(struct world *w, const char *code); /* now, or within ten seconds of the node's turns */

#endif
