/*
 * core_world: the broker's core in a bottle, for tests: a clock that the test turns, an agreement that the test writes, a
 * store in a few arrays, and everything the core said kept in order.
 */
#ifndef KW_TESTS_CORE_WORLD_H
#define KW_TESTS_CORE_WORLD_H

#include "broker/core/core.h"

#define WORLD_NODES 16
#ifndef WORLD_SAID /* a target that looks often wants less to clear */
#define WORLD_SAID 20000
#define WORLD_LOG 200000
#endif

/* Stands in for certs' agreement: everybody may send everything to everybody, except on "denied". */
struct agreement {
	uint32_t version;
	uint8_t hash[KW_HASH_LEN];
	uint32_t count;
	const char *id[WORLD_NODES];      /* sorted */
	struct public_key key[WORLD_NODES];
	struct public_key broker;
	struct agreement_topic topic;     /* release and responsible are the test's to set */
	uint32_t line[WORLD_NODES], line_count; /* with responsible: whose turn it is, one after the other */
	uint32_t coordinator;
	uint64_t take_within_ms;          /* of everyone; a minute unless set */
};
void fake_agreement(struct agreement *a, uint32_t version, uint32_t count, const char *const *ids);

struct world_entry {
	struct op_append op;              /* its spans point into blob */
	struct position at;
	uint64_t commit;
	uint32_t index;
	struct blob *blob;
};

struct world {
	struct core *core;
	struct core_limits limits;
	struct core_time now;
	struct agreement agreement;
	const struct agreement *earlier[8];   /* other versions that the broker's store has */
	uint32_t earlier_count;
	struct core_effect said[WORLD_SAID];  /* in order; texts are copied into text */
	char text[WORLD_SAID][200];
	uint32_t said_count;
	/* the store */
	struct world_entry *log;
	uint32_t log_count;
	uint64_t tail[KW_LANES];
	uint64_t commits;
	uint32_t log_epoch;
	struct { uint32_t number; uint64_t start[KW_LANES]; } epoch[32]; /* behind the first */
	uint64_t cursor[WORLD_NODES][KW_LANES];
	uint32_t agreements, evidence, sweeps, purges, recalls, subscribes, epochs, batches;
	uint64_t swept_upto;
	uint64_t due;                     /* records that OP_PURGE finds */
	uint64_t reads, read_entries;
	enum kw_err fail_next;
	bool full;                        /* no room for entries, evidence and agreements */
	bool stuffed;                     /* no room for anything, not even for what would make some */
	uint64_t next_id;
	uint32_t round; /* of what is published next [P-11] */
	uint32_t blobs_alive;
	/* what the store has of nodes, audiences and cases, for world_restart */
	char node[WORLD_NODES][KW_NODE_MAX + 1];
	uint32_t nodes;
	struct { node_no nodes[WORLD_NODES]; uint32_t count; } set[256];
	uint32_t sets;
	struct { uint8_t id[KW_ID_LEN]; uint8_t bytes[1024]; size_t len; } kept[512];
	uint32_t kept_count, case_writes;
	struct { uint8_t bytes[STORE_SUSPENSION_MAX]; size_t len; } suspended[WORLD_NODES];
	uint64_t folded[KW_LANES];
	uint32_t replayed;
};

void world_begin(struct world *w, uint32_t nodes, const char *const *ids); /* agreement version 1 in force */
void world_begin_with(struct world *w, uint32_t nodes, const char *const *ids, const struct core_limits *limits);
void world_end(struct world *w);
void world_drain(struct world *w);        /* what the core says, without commits or deliveries */
bool world_commit(struct world *w);       /* one batch, if there is one, and what the core says to it */
bool world_commit_then(struct world *w, uint32_t deliveries); /* the core hears of it only after so many deliveries */
void world_settle(struct world *w);       /* commits and deliveries until nothing is left */
uint32_t world_deliver(struct world *w, uint32_t max);
void world_pass(struct world *w, uint64_t ms); /* time, in steps the core asked for */
void world_rests(struct world *w);        /* some turns, until the core asks for none now: one that goes on asking would burn a processor */

void world_hello_as(struct world *w, uint32_t conn, uint32_t node, const struct wire_hello *h, enum core_seen seen);
void world_hello(struct world *w, uint32_t conn, uint32_t node); /* fresh, wide windows */
struct wire_hello world_plain_hello(void);

struct world_publish { enum lane lane; const char *topic; struct header *header; uint32_t wraps; uint32_t body; };
/* node's notification on conn; what is not said is usual. Answers its id's number. */
uint64_t world_publish(struct world *w, uint32_t conn, uint32_t node, const struct world_publish *p);
void world_header(struct world *w, struct header *h, uint32_t node);
void world_offer(struct world *w, uint32_t conn, const struct header *h, uint32_t wraps, uint32_t body);
void world_ack(struct world *w, uint32_t conn, enum lane lane, uint64_t number);
struct core_install world_install(struct world *w, const struct agreement *next);
/* kill -9 and a new start from what was committed; nobody is connected. */
void world_restart(struct world *w);
/* The broker's newest entry about the case in its own lane, NULL: none; and how many there are in a lane. */
const struct broker_entry *world_stated(const struct world *w, const uint8_t id[KW_ID_LEN]);
const struct header *world_log_header(const struct world_entry *e);       /* NULL: an entry of the broker's own, or of a test's */
const struct broker_entry *world_log_entry(const struct world_entry *e);  /* NULL: no statement */
uint32_t world_entries(const struct world *w, const uint8_t id[KW_ID_LEN], enum lane lane);

void world_forget(struct world *w);       /* what was said so far */
uint32_t world_count(const struct world *w, enum effect_kind kind, uint32_t conn);
const struct core_effect *world_find(const struct world *w, enum effect_kind kind, uint32_t conn, uint32_t nth);
bool world_refused(const struct world *w, uint32_t conn, enum wire_code code); /* the last refusal to conn */

#endif
