/*
 * node: the partner's daemon but for the local side. It wires the pure core, the store, the reader, the sealer and the
 * connection, and runs the loop. What local socket, handlers and spool need hangs itself into that loop here, and asks
 * through desk.h. One thread; nothing of this may be called from another.
 */
#ifndef KW_PARTNER_NODE_H
#define KW_PARTNER_NODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "clients/partner/config.h"

struct node;

/* Reads agreement and key, opens the store, pins or continues the agreement. config is borrowed for the node's life. */
KW_MUST_USE enum kw_err node_open(struct node **out, const struct partner_config *config, struct kw_why *why);
void node_close(struct node **n);

/*
 * Somebody looked at the evidence of a fork and trusts the broker again: commits seen so far are forgotten, publishing goes
 * on. The evidence stays. KW_ESTATE: no fork was met.
 */
KW_MUST_USE enum kw_err node_resume(struct node *n, struct kw_why *why);

/*
 * Until node_stop, or an error that only a restart mends (KW_EIO, KW_ECORRUPT of the store, KW_ENOMEM).
 */
KW_MUST_USE enum kw_err node_run(struct node *n, struct kw_why *why);
void node_stop(struct node *n);

/* ---- what may change while it runs; between two turns of the loop, so from a poller. config itself is changed by whoever owns it ---- */
/* Whether the agreement's file at path may follow what is known here. Nothing changes. */
KW_MUST_USE enum kw_err node_agreement_fits(struct node *n, const char *path, struct kw_why *why);
/* Takes it, if it is the next version: in force when this returns. An error of the store ends the loop, as any other does. */
KW_MUST_USE enum kw_err node_agreement_take(struct node *n, const char *path, struct kw_why *why);
/* Says hello anew, with the filters that config has now. */
void node_resubscribe(struct node *n);
KW_MUST_USE enum kw_err node_limit_store(struct node *n, uint32_t pages_max, struct kw_why *why);
/* One turn of that loop, waiting at most so long: for a test that plays the broker in the same thread. */
KW_MUST_USE enum kw_err node_step(struct node *n, uint32_t wait_ms_max, struct kw_why *why);
/*
 * The same without any waiting, also for pollers, and when the loop wants its next turn although nothing comes, on the monotonic clock: for who
 * drives nodes by a clock of his own.
 */
KW_MUST_USE enum kw_err node_turn(struct node *n, struct kw_why *why);
uint64_t node_wake_ms(struct node *n);

/* ---- for local socket, handlers, spool ---- */
struct node_poller {
	void *socket;                                    /* a ZeroMQ socket, or NULL: */
	int fd;
	short events;                                    /* ZMQ_POLLIN, … */
	void (*ready)(void *self, short events);
	void *self;
};
#define NODE_POLLERS_MAX 256
/* *handle names it; KW_ELIMIT: too many. A poller may remove itself or others while it is called. */
KW_MUST_USE enum kw_err node_add_poller(int *handle, struct node *n, const struct node_poller *p);
void node_remove_poller(struct node *n, int handle);

struct node_timer { /* asked before every wait, on the monotonic clock; UINT64_MAX: not now */
	uint64_t (*wake_ms)(void *self);
	void (*fire)(void *self, uint64_t mono_ms);      /* only when it is due */
	void *self;
};
#define NODE_TIMERS_MAX 8
KW_MUST_USE enum kw_err node_add_timer(struct node *n, const struct node_timer *t);

/* After each commit that changed what people see: new rows in the inbox, marks on old ones, or answers for the outbox. */
struct node_change { bool inbox; bool outbox; bool cases; };
#define NODE_LISTENERS_MAX 8
KW_MUST_USE enum kw_err node_on_committed(struct node *n, void (*call)(void *self, struct node_change change), void *self);

/*
 * Several desk_publish, desk_keep_place … as one transaction: they are on disk when node_batch_end said KW_OK, and none
 * of them is otherwise. Without a batch each is on disk when it returns.
 */
KW_MUST_USE enum kw_err node_batch_begin(struct node *n, struct kw_why *why);
KW_MUST_USE enum kw_err node_batch_end(struct node *n, struct kw_why *why);
void node_batch_undo(struct node *n); /* instead of the end: nothing of it happened */

/* What somebody should look at: told once in the log, shown in status until it is over. code is stable and short. */
void node_alarm(struct node *n, const char *code, const char *fmt, ...) KW_PRINTF(3, 4);
void node_alarm_clear(struct node *n, const char *code);
const char *node_alarm_text(struct node *n, const char *code); /* NULL: there is none */

/* What status shows under key, a new reference or NULL. */
#define NODE_REPORTS_MAX 8
KW_MUST_USE enum kw_err node_add_report(struct node *n, const char *key, json_t *(*report)(void *self), void *self);

void *node_zmq_context(struct node *n); /* the one of the process */
const struct partner_config *node_config(const struct node *n);
const char *node_id(const struct node *n);
const char *node_link_word(const struct node *n); /* how the connection to the broker stands: "ready", "waiting" … */
uint64_t node_mono_ms(const struct node *n); /* of this turn of the loop */

#endif
