/*
 * load_node: one node's connection as the node protocol wants it (docs/protocol.md): a DEALER with its CURVE key, hello, publish, what was
 * stored, what is delivered and its acknowledgement, signs of life. To a bare target it says bench_peer's few words instead.
 */
#ifndef KW_BENCH_LOAD_NODE_H
#define KW_BENCH_LOAD_NODE_H

#include "load.h"
#include "load_pool.h"
#include "proto/wire.h"

#define LOAD_WINDOW 256u /* so many publishes may be unanswered in any lane; who is at it waits, and what waits counts as late */

struct load_delivery { enum lane lane; uint64_t number; struct span frame, wrap; };

/* Called by load_turn and by whatever sends. stored: so many were answered, in the order in which they were published. */
struct load_handler {
	void *self;
	void (*stored)(void *self, uint32_t count);
	void (*delivered)(void *self, struct load_node *n, const struct load_delivery *d);
	void (*entry)(void *self, struct load_node *n, const struct load_delivery *d); /* the broker's own; its bytes are the frame */
};

enum load_from { FROM_TAIL /* what comes from now on */, FROM_START /* all that the log has */, FROM_CURSORS /* what it has not had yet */ };
enum load_role { ROLE_PUBLISHER, ROLE_READER }; /* a bare target wants to know; a node is what it does */

/* Connects; the handler may be called from now on. load_node_ready: it was welcomed. */
struct load_node *load_node_open(struct load *l, const struct target *t, const char *id, enum load_role role, enum load_from from,
                                 struct load_handler on);
bool load_node_ready(const struct load_node *n);
void load_node_await(struct load_node *n, uint64_t deadline_ns); /* until it is */
void load_node_leave(struct load_node *n);                   /* its connection ends; it still knows what it had */
void load_node_return(struct load_node *n);                  /* and comes back with that */
void load_node_close(struct load_node **n);
const char *load_node_id(const struct load_node *n);

void load_node_publish(struct load_node *n, const struct notice *notice);
void load_node_take(struct load_node *n);                    /* all that has come, and acknowledges it */
void load_node_beat(struct load_node *n, uint64_t now_ns);

#endif
