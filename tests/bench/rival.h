/*
 * rival: one connection to another broker, spoken as that broker's own protocol wants it, without a network: bytes in, bytes out. Each
 * protocol is a file of its own behind struct rival_protocol; rival_net carries the bytes over TLS, the runs of bench_rival decide what is said.
 *
 * All do the same work: a publisher's notification is answered by the server when it has done what it does before it answers; each reader gets
 * every notification once, in order, and acknowledges it, with one word for all that came together where the protocol knows such a word.
 */
#ifndef KW_BENCH_RIVAL_H
#define KW_BENCH_RIVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define RIVAL_NAME_MAX 32u
#define RIVAL_UNIT_MAX (16u << 20)      /* bytes of one unit of any protocol; a server that announces more is not believed */
#define RIVAL_PREFETCH 512u             /* so much may lie at a reader unacknowledged, where the protocol asks for a number: twice the largest window */

enum rival_role {
	RIVAL_OWNER,                    /* a publisher, and the one who makes what the run needs on the server: it comes first */
	RIVAL_PUBLISHER,
	RIVAL_READER,                   /* gets all that is published once it is ready */
	RIVAL_IDLE,                     /* logs in and is silent */
};

struct rival;
struct rival_handler {
	void *self;
	void (*answered)(void *self, struct rival *r, uint32_t count);    /* so many more of its publishes */
	void (*delivered)(void *self, struct rival *r, struct span body); /* borrowed */
};

struct rival_protocol {
	const char *name;
	bool greeted;                   /* the server says one line before TLS begins */
	size_t state_size;              /* of r->state, zeroed at the beginning */
	void (*begin)(struct rival *r); /* TLS stands: the first words */
	void (*again)(struct rival *r); /* the same on a new connection of one that was here before, not ready yet: what it made on the server stands */
	/*
	 * Takes one unit from the front of in; *used is 0 when it is not all there, or when the protocol asks for no more before it is called
	 * again. Calls the handlers. KW_EPROTO: no server of this protocol says that; KW_EDENIED: it refuses, in its own words.
	 */
	enum kw_err (*take)(struct rival *r, struct span in, size_t *used, struct kw_why *why);
	void (*publish)(struct rival *r, struct span body);
	void (*acknowledge)(struct rival *r); /* all that was delivered and is not acknowledged yet, if any */
	void (*remove)(struct rival *r);      /* what it made on the server; r->removed follows, at once where nothing is to be awaited */
	void (*clear)(struct rival *r);       /* memory of the state's own; NULL: none */
};

extern const struct rival_protocol rival_redis, rival_redis_xread, rival_nats, rival_mqtt, rival_amqp;

struct rival {
	const struct rival_protocol *protocol;
	enum rival_role role;
	char run[RIVAL_NAME_MAX];       /* how the stream, exchange or topic is called */
	char name[RIVAL_NAME_MAX];      /* this connection's own, unlike that of any other */
	struct rival_handler on;
	struct buf out;                 /* to be sent; who sends empties it */
	void *state;                    /* the protocol's */
	bool ready;                     /* may publish; will be delivered to */
	bool removed;
};

/* The protocol of that name, NULL for none; and all their names, with commas. */
const struct rival_protocol *rival_by_name(const char *name);
#define RIVAL_NAMES "redis, redis-xread, nats, mosquitto, rabbitmq"

void rival_init(struct rival *r, const struct rival_protocol *p, enum rival_role role, const char *run, const char *name, struct rival_handler on);
void rival_free(struct rival *r);

/* All whole units at the front of in; *used says how much they were. What is owed for them is in r->out afterwards. */
KW_MUST_USE enum kw_err rival_take(struct rival *r, struct span in, size_t *used, struct kw_why *why);

/* For the protocols. */
void rival_answered(struct rival *r, uint32_t count);
void rival_delivered(struct rival *r, struct span body);
/* The line at the front of in without its end, and how much it takes; false: no end yet. */
bool rival_line(struct span in, struct span *line, size_t *used);
/* "redis refused: ERR …", with what can be shown of the server's own words. */
enum kw_err rival_refused(const struct rival *r, struct span words, struct kw_why *why);
enum kw_err rival_odd(const struct rival *r, const char *what, struct kw_why *why); /* "redis sent what its protocol does not know: …" */

#endif
