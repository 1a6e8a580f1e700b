/*
 * catchup: after a connection came up, until when a node is still being given what it missed (docs/protocol.md [D-13]). Pure. So
 * long nothing new is shown to handlers and to who follows the inbox: a correction that comes behind its original is to be seen
 * with it or before it. It ends as soon as each lane has come to where it ended at the welcome, when nothing more comes, when
 * something newer comes in the lane flash, and after ten seconds in any case.
 */
#ifndef KW_PARTNER_CATCHUP_H
#define KW_PARTNER_CATCHUP_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/header.h"

#define CATCHUP_MOST_MS 10000u
#define CATCHUP_QUIET_MS 250u /* what the log still holds may be meant for others */

struct catchup { /* zero: over */
	bool on;
	uint64_t tail[KW_LANES];
	bool behind[KW_LANES];
	uint64_t end_ms, quiet_ms;
};

/* tail: where each lane ends; cursor: how far this node has read. On the monotonic clock, as all times here. */
void catchup_begin(struct catchup *c, const uint64_t tail[KW_LANES], const uint64_t cursor[KW_LANES], uint64_t now_ms);
void catchup_delivered(struct catchup *c, enum lane lane, uint64_t number, uint64_t now_ms);
bool catchup_lasts(const struct catchup *c, uint64_t now_ms);
/* True once, when it has ended, or was ended. */
bool catchup_over(struct catchup *c, uint64_t now_ms);
uint64_t catchup_wake_ms(const struct catchup *c); /* UINT64_MAX: it does not last */

#endif
