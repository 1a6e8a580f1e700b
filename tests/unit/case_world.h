/*
 * case_world: a pretend agreement for the case machine: seven nodes, versions that differ, a line by day and one by night.
 * Time is in ms; a day has CASE_DAY_MS, its first half is day.
 */
#ifndef KW_TESTS_CASE_WORLD_H
#define KW_TESTS_CASE_WORLD_H

#include "cases/case_parts.h"

enum { SENDER, ANNA, BERT, CARLA /* coordinator */, READER, PARTNER /* the sender's */, STRANGER, CASE_ACTORS };

#define CASE_DAY_MS 100000u
#define CASE_NOON 0u
#define CASE_MIDNIGHT (CASE_DAY_MS / 2)
#define CASE_VERSIONS 16u

struct case_world_version {
	bool known;
	uint32_t coordinator;
	bool open_to_readers, offer_anew;
	uint64_t spare_ms;
	uint32_t nodes;                          /* a bit an actor */
	uint32_t day_count, night_count;
	struct case_turn day[CASE_PARTIES_MAX], night[CASE_PARTIES_MAX];
	uint32_t extra_members;                  /* actors from CASE_ACTORS on, in the line at no hour asked here */
};
struct case_world {
	struct case_world_version v[CASE_VERSIONS + 1];  /* v[1] is version 1 */
	uint32_t readers, recallers;             /* a bit an actor */
	struct case_rules rules;
};

/* By day Anna (rule 0, 10 s), Bert (rule 1, 20 s), Carla (5 s); by night Bert (rule 1), Carla. All versions alike. */
void case_world_begin(struct case_world *w);
struct case_opening case_world_opening(uint64_t number, uint64_t expires_ms);
struct case_move case_world_move(const struct kw_case *c, enum case_move_kind kind, uint32_t actor, uint32_t to);

/* Folds and insists. */
void case_world_moves(struct case_world *w, struct kw_case *c, enum case_move_kind kind, uint32_t actor, uint32_t to);
/* What the broker states at that time, folded; the statement is answered. */
struct case_statement case_world_states(struct case_world *w, struct kw_case *c, uint64_t now_ms, uint32_t in_force);

#endif
