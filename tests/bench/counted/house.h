/*
 * house: a broker as the daemon has it, from the gate to the store, with an agreement and the nodes that speak to it. Nodes are played, and say
 * what is asked of them; or they are real ones (clients/partner), which live here too. Batches are committed at once and by the same thread.
 */
#ifndef KW_BENCH_HOUSE_H
#define KW_BENCH_HOUSE_H

#include "../load_pool.h"
#include "broker/net/relay.h"
#include "clients/partner/node.h"
#include "proto/wire.h"

#define HOUSE_FAN 100u
enum { POLICE, ORDER, DESK, FAN, NODES = FAN + HOUSE_FAN };

enum house_counts { COUNTS_NOTHING, COUNTS_BROKER, COUNTS_NODE };

struct house_node {
	char id[KW_NODE_MAX + 1];
	uint32_t peer;
	struct lane_cursor got[KW_LANES];
	uint32_t stored, delivered, entries; /* since house_begin_pool */
	bool unacked;
	struct node *real;                   /* NULL: it is played */
	struct partner_config config;
};

struct house {
	char folder[256];
	enum house_counts counts;            /* whose turns; COUNTS_NODE: of counted_node */
	uint32_t counted_node;
	struct secret_keys *haus;
	struct agreement *agreement;
	struct agreement_chain *chain;
	struct core *core;
	struct store *store;
	struct commit_thread *commits;
	struct gate *gate;
	struct relay *relay;
	struct house_node nodes[NODES];
	struct load load;                    /* for who seals */
	const struct pool *pool;             /* what is sent, in its order; NULL: it is not compared */
	struct buf control;
};

/* The store is the real one in the folder, or one in memory, which has no thread. Everybody has said hello. */
void house_open(struct house *h, const char *name, bool on_disk);
void house_close(struct house *h);
void house_make_real(struct house *h, uint32_t node); /* a real node instead of the played one, with what it keeps in the folder */
void house_begin_pool(struct house *h, const struct pool *p);
void house_say(struct house *h, uint32_t node, const struct notice *n);
/* Turns of all until nobody has anything to say. */
void house_settle(struct house *h);

#endif
