/*
 * case_model: a broker, its log and four nodes around one case, with every choice that time, people and machines have. It
 * explores them all, breadth first, and holds every step to promises that are written down here once more, apart from the
 * machine:
 *
 *   one owner       at every position, and it changes hands only by those moves and turns that may change it
 *   nothing lost    open means: taken, or with a limit, or the broker has something to say; and if nobody does anything, it
 *                   climbs to an alarm or is told as lapsed
 *   nodes agree     with all entries a node stands where the broker stands; with some, in whatever order, it accuses nobody
 *   restart         snapshot and log give the same case again
 *   twice told      case_oracle.c, written from the protocol alone, says the same of every step
 *
 * A state is the broker's committed case, what waits for the commit, the time and the agreement in force. What a node does
 * not yet have changes nothing for anybody else, since nodes may move at any time and not only when it makes sense to
 * them; so deliveries and "stored" answers are explored at every commit, over all subsets of the newest entries and all
 * orders, instead of in the state. Moves that would be void are all tried for their verdict; one of them goes into the
 * log, for their effect there is the same.
 */
#ifndef KW_TESTS_CASE_MODEL_H
#define KW_TESTS_CASE_MODEL_H

#include "case_oracle.h"
#include "cases/case_log.h"

#define MODEL_EXPIRES_MS 70000u

/* Where a machine is broken on purpose. All NULL and false: the real one. */
struct case_mutant {
	const char *name;
	const struct case_table *table;                                   /* shared by broker and nodes, as the next two */
	void (*after_move)(struct kw_case *c, const struct case_move *m, enum case_verdict v);
	void (*after_entry)(struct kw_case *c, const struct case_statement *s);
	bool (*states)(struct case_statement *s, const struct kw_case *c); /* the broker alone; false: it says nothing */
	void (*recovers)(struct kw_case *c);                              /* what a restart makes of it */
	bool forgets_log;                                                 /* a restart reads the snapshot alone */
	bool folds_backwards;                                             /* the broker folds a commit from its end */
};

struct case_model {
	struct case_world *world;
	const struct case_mutant *mutant;
	uint32_t last_version;      /* of the agreement; 1: it does not change */
	uint32_t moves_before;      /* how often the case was moved already; then the count is part of a state */
	bool by_commits;            /* states are those between commits alone, and every commit of up to two entries leads from one to the next */
	uint32_t window;            /* newest entries that a node may lack, at most 5 */
	/* results */
	uint64_t states, edges, orders, closed;
	uint32_t depth;             /* steps from the opening to the states seen last */
	bool exhausted;             /* there were no more states */
	char fault[300];            /* "": every promise was kept */
};

void case_model_explore(struct case_model *m, uint64_t states_max);
/* One case after another from a seed, with nodes that act on what they see, up to that many steps. */
void case_model_walk(struct case_model *m, uint64_t seed, uint64_t steps);

#endif
