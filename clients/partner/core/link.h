/*
 * link: when a node connects, to which endpoint, says hello, beats and gives up (docs/protocol.md section 1). Pure: events
 * and the monotonic time in, orders out by link_next, drained after every event. One thread.
 */
#ifndef KW_PARTNER_LINK_H
#define KW_PARTNER_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/wire.h"

enum link_state {
	LINK_WAITING,    /* until the next attempt */
	LINK_CONNECTING, /* TCP and CURVE */
	LINK_HELLO,      /* hello said, welcome awaited */
	LINK_READY,
};
const char *link_state_name(enum link_state s);

enum link_order {
	LINK_NOTHING,
	LINK_OPEN,       /* connect to endpoint link_endpoint() */
	LINK_CLOSE,      /* drop the connection */
	LINK_SAY_HELLO,
	LINK_BEAT,
};

#define LINK_WAIT_MIN_MS 250u
#define LINK_WAIT_MAX_MS 30000u
#define LINK_CONNECT_MS 10000u  /* TCP and handshake take no longer */

struct link {
	enum link_state state;
	uint32_t endpoints;      /* how many there are, 1 or more */
	uint32_t endpoint;       /* the one in use or next */
	uint32_t failures;       /* since the last welcome */
	uint64_t random;         /* jitter; seeded by the caller */
	uint64_t until_ms;       /* waiting: next attempt; connecting, hello: given up then */
	uint64_t heard_ms;
	uint64_t sent_ms;
	uint64_t ready_ms;       /* since when; ready only */
	enum link_order queue[4];
	uint32_t queued;
};

void link_init(struct link *l, uint32_t endpoints, uint64_t seed, uint64_t now_ms);
void link_endpoints(struct link *l, uint32_t endpoints); /* another agreement is in force */

void link_tick(struct link *l, uint64_t now_ms);
void link_connected(struct link *l, uint64_t now_ms);          /* the handshake held */
void link_failed(struct link *l, uint64_t now_ms);             /* refused, reset, handshake failed, or given up by the caller */
void link_heard(struct link *l, uint64_t now_ms);              /* any message */
void link_sent(struct link *l, uint64_t now_ms);               /* any message, hello and beat included */
void link_welcomed(struct link *l, uint64_t now_ms);
/* A refusal that is about the connection. True: the connection is given up; wait_ms is what the broker asked for. */
bool link_refused(struct link *l, enum wire_code code, uint32_t wait_ms, uint64_t now_ms);

enum link_order link_next(struct link *l);
uint64_t link_wake_ms(const struct link *l); /* when link_tick is due */

#endif
