/*
 * simulation: the headers of past traffic judged by two agreements, the one in force and a draft, and counted: who would have
 * got what, who would have been first to take it on, what would have fallen to the coordinator, and for how long nobody else
 * would have been there. No content is needed for any of it. Pure; no clock, no output.
 */
#ifndef KW_CLI_SIMULATION_H
#define KW_CLI_SIMULATION_H

#include <uthash.h>

#include "certs/agreement.h"

enum sim_side { SIM_OLD, SIM_DRAFT, SIM_SIDES };

struct sim_figures {
	uint64_t accepted, refused;
	uint64_t to_take;           /* of the accepted ones: a case */
	uint64_t coordinator;       /* of those: nobody stood before the coordinator */
};

struct sim_member { /* a node, or a partner, which gets a notification once however many of its nodes do */
	char id[KW_NODE_MAX + 1];
	uint64_t gets[SIM_SIDES];
	uint64_t first[SIM_SIDES];  /* it would have been the first to take it on */
	uint64_t counted[SIM_SIDES]; /* the last notification that was counted here */
	UT_hash_handle hh;
};

struct sim_gap { uint64_t from_ms, to_ms; }; /* nobody but the coordinator; both 0: never */

struct sim_topic {
	char topic[KW_TOPIC_MAX + 1];
	uint64_t count;
	struct sim_figures of[SIM_SIDES];
	uint64_t moved;             /* another would have been first */
	struct sim_gap gap[SIM_SIDES]; /* the longest; by simulation_gaps */
	char *refusal;              /* why the draft refuses what the other accepts: the first one's sentence; NULL: nothing */
	char refused_sender[KW_NODE_MAX + 1];
	uint64_t refused_ms;
	UT_hash_handle hh;
};

struct sim_move { /* the same pair of first ones */
	char key[2 * (KW_NODE_MAX + 1) + 2];
	const char *from, *to;      /* node ids; "": nothing was to be taken on there */
	uint64_t count;
	char topic[KW_TOPIC_MAX + 1]; /* the earliest example */
	uint64_t time_ms;
	UT_hash_handle hh;
};

#define SIM_TOPICS_MAX 100000u
#define SIM_GAP_TOPICS_MAX 200u     /* looked through for gaps: those with the most that must be taken on */

struct simulation {
	const struct agreement *agreement[SIM_SIDES];
	uint64_t from_ms, to_ms;    /* what lies outside is left out */
	uint64_t count;             /* notifications that were judged */
	uint64_t earliest_ms;       /* of those */
	uint64_t others;            /* receipts, moves, notes */
	uint64_t outside;
	struct sim_figures of[SIM_SIDES];
	struct sim_member *nodes, *partners;
	struct sim_topic *topics;
	struct sim_move *moves;
	uint32_t *audience;         /* room for either's nodes */
};

/* Both agreements are borrowed. KW_ENOMEM. */
KW_MUST_USE enum kw_err simulation_begin(struct simulation *s, const struct agreement *old, const struct agreement *draft, uint64_t from_ms, uint64_t to_ms);
void simulation_end(struct simulation *s);

/* One header that the broker stored at time_ms. KW_ELIMIT: too many different topics; KW_ENOMEM. */
KW_MUST_USE enum kw_err simulation_add(struct simulation *s, const struct header *h, uint64_t time_ms, struct kw_why *why);

/* When all are added: sorts topics, members and moves by their weight, and looks for the longest gaps between from_ms and to_ms. */
void simulation_finish(struct simulation *s, uint64_t from_ms, uint64_t to_ms);

#endif
