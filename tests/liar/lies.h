/*
 * lies: each changes one message of the broker on its way out, or swallows it, or says another one too. The liar holds the
 * broker's key, so that what it says is signed where a broker signs.
 */
#ifndef KW_TESTS_LIES_H
#define KW_TESTS_LIES_H

#include "broker/net/gate.h"
#include "certs/keys.h"
#include "proto/wire.h"

#define LIAR_NODES 16

struct saved { bool there; struct wire_deliver deliver; struct buf frame; };

struct liar {
	const struct secret_keys *keys;   /* the broker's */
	struct saved kept;                /* what a lie holds back */
	struct { char node[KW_NODE_MAX + 1]; struct saved saved; } last[LIAR_NODES]; /* the newest delivery to each, as the broker meant it */
	uint64_t forked_number;           /* the newest commit of the other history, */
	uint8_t forked_hash[KW_HASH_LEN]; /* and its hash */
};

struct outgoing_lie { /* one message that goes out now */
	struct liar *liar;
	const char *node;
	const char *arg;                  /* the lie's own, "" without */
	struct wire_msg *m;               /* changed in place */
	struct buf frame;                 /* empty: none */
	bool swallow;
	/* Sends another message to a node that is connected, now, before the one in hand. */
	void (*send)(void *self, const char *node, const struct wire_msg *m, struct span frame);
	void *self;
};

struct lie {
	const char *name;
	unsigned kinds;                   /* bits of enum wire_kind; 0: whatever goes out */
	bool (*tell)(struct outgoing_lie *o); /* false: not with this one */
	bool of_entries;                  /* about the broker's own entries, of which the others tell the truth */
};
const struct lie *lie_find(const char *name); /* NULL: there is none */
void liar_heard(struct liar *l, const char *node, const struct wire_deliver *d, struct span frame); /* an honest delivery */

#endif
