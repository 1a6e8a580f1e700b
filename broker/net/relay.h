/*
 * relay: carries what comes in at the gate to the core, and what the core orders to gate, store and disk. The daemon's
 * middle; owns nothing but its own buffers. One thread.
 */
#ifndef KW_BROKER_RELAY_H
#define KW_BROKER_RELAY_H

#include "base/err.h"
#include "base/filling.h"
#include "broker/core/core.h"
#include "broker/net/audit_book.h"
#include "broker/net/gate.h"
#include "broker/net/pace.h"
#include "broker/net/zap.h"
#include "broker/store/commit_thread.h"
#include "broker/store/store.h"
#include "certs/agreement_chain.h"
#include "certs/keys.h"

struct relay;
struct refusals;

struct relay_parts {                 /* all borrowed */
	struct core *core;
	struct gate *gate;               /* NULL until the first agreement is in force: relay_open_gate */
	struct zap *zap;
	struct store *store;
	struct commit_thread *commits;
	struct agreement_chain *chain;
	const struct secret_keys *keys;
	struct audit_book *book;         /* NULL: nothing is recorded */
};

KW_MUST_USE enum kw_err relay_new(struct relay **out, const struct relay_parts *parts);
void relay_free(struct relay **r);
void relay_open_gate(struct relay *r, struct gate *gate);

struct core_time relay_now(void);
/* At most so many messages off the gate; true when there may be more. */
bool relay_receive(struct relay *r, uint32_t max);
/* Answers of the commit thread, what is next for it, time, and what is to be sent; at most so many deliveries. True: more waits. */
bool relay_carry(struct relay *r, uint32_t deliveries);
/* Milliseconds until relay_carry wants to be called although nothing came; -1: never. */
long relay_wait_ms(const struct relay *r);
bool relay_lost(const struct relay *r); /* the store: end with 74 */
bool relay_idle(const struct relay *r); /* nothing waits for a commit: a clean stop may end */

/*
 * Begins to install text and signatures (docs/protocol.md ). done is called once, now or from relay_carry, with KW_OK when
 * the version is in force, else with the sentence.
 */
struct relay_done { void *self; void (*call)(void *self, enum kw_err err, const char *sentence); };
void relay_install(struct relay *r, struct span text, struct span sigs, struct relay_done done);
void relay_new_epoch(struct relay *r, struct relay_done done);

/* ADMIN from an operator's connection: answers it. control.c gives the body. */
typedef void (*relay_admin)(void *self, uint32_t conn, const struct wire_admin *admin, bool operator);
void relay_on_admin(struct relay *r, void *self, relay_admin call);
void relay_send(struct relay *r, uint32_t conn, const struct wire_msg *m);
void relay_answer(struct relay *r, uint32_t conn, const struct wire_msg *m); /* to an operator: gate_answer */

const struct relay_parts *relay_parts_of(const struct relay *r);
uint64_t relay_started_ms(const struct relay *r); /* monotonic */
const struct pace *relay_pace(const struct relay *r);       /* of commits */
const struct filling *relay_filling(const struct relay *r); /* of the store and its disk */
const struct refusals *relay_refusals(const struct relay *r); /* what was refused lately: refusals.h */

#endif
