/*
 * lines: the pretend network between broker and nodes. Behind broker/net/gate.h, broker/net/zap.h and clients/partner/net.h stands no socket but a
 * queue each way for every connection, in order, with delay. Roads are what a fault meets: one a node, stalled in either direction.
 */
#ifndef KW_SIM_LINES_H
#define KW_SIM_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "proto/wire.h"

enum way { WAY_UP /* to the broker */, WAY_DOWN };

struct lines_watch { /* told of every message as it is handed over, before it travels; borrowed for the call. line: which connection */
	void *self;
	void (*up)(void *self, int who, struct span control, struct span frame);
	void (*arrived)(void *self, int who, const void *line, struct span control, struct span frame); /* the broker reads it now */
	void (*down)(void *self, int who, const void *line, struct span control, struct span frame);
	void (*wake_broker)(void *self, uint64_t at);
	void (*wake_node)(void *self, int who, uint64_t at);
};

void lines_begin(uint64_t seed, const struct lines_watch *watch);
void lines_end(void);

/* rude: the machine went, nobody hears of it; else what was open is reset. */
void lines_broker_gone(bool rude);
void lines_node_goes(int who, bool rude);  /* before its net is freed */
void lines_stall(int who, enum way way, bool on);
void lines_slow(int who, uint32_t delay_ms); /* 0: as it was */
bool lines_reset(int who);                  /* false: there is no connection */
bool lines_forget(int who, enum way gone);  /* one side takes the connection for lost, the other does not: WAY_UP the node's side is open */
void lines_heal(void);
uint64_t lines_due_up(void);                /* when the next message is at the broker; UINT64_MAX: none is on its way */
uint64_t lines_due_down(int who);           /* likewise at a node; also of what befalls its connection */
uint32_t lines_queued_most(void);           /* the longest queue to a node there ever was, in messages */

/* The liar's end: it has no node. */
struct line;
struct line *lines_open_liar(int who);
bool lines_is_up(struct line *l);
void lines_say(struct line *l, struct span control, struct span frame);
bool lines_hear(struct line *l, struct wire_msg *m, struct span *frame); /* m is to be cleared; frame lives until the next call */

#endif
