/*
 * case_oracle: how a case stands, told a second time. Written from docs/protocol.md section 10 and not from the machine: sets
 * of nodes are bits, nothing is looked up in a table, and there is no limit of parties. Where the two differ, one of them is wrong.
 */
#ifndef KW_TESTS_CASE_ORACLE_H
#define KW_TESTS_CASE_ORACLE_H

#include "case_world.h"

struct case_oracle {
	enum case_state state;
	uint32_t owner, next, from, first;    /* from: who handed it to the owner; first: who is wished for */
	uint32_t line, tried, gave;           /* a bit a node */
	uint32_t coordinator, sender;
	uint32_t version, in_force, newest;
	uint32_t moves, alarms, entries;
	uint16_t rule;
	uint64_t until_ms, alarm_ms, expires_ms, said_ms;
	uint64_t upto, changed, moved, said_from; /* numbers; said_from: what the newest statement was made from */
	bool said, told;                      /* it was stated once; nothing changed since */
};

struct case_oracle case_oracle_open(const struct case_world *w, const struct case_opening *o);
enum case_verdict case_oracle_move(struct case_oracle *o, const struct case_world *w, const struct case_move *m);
/* What there is to state then; false: nothing. */
bool case_oracle_states(struct case_statement *out, const struct case_oracle *o, const struct case_world *w, uint64_t now_ms, uint32_t in_force);
/* OK, STALE, and PARTED_UNDUE for whatever does not follow. */
enum case_verdict case_oracle_statement(struct case_oracle *o, const struct case_world *w, const struct case_statement *s, uint64_t number);
/* NULL: the machine says the same. */
const char *case_oracle_differs(const struct case_oracle *o, const struct kw_case *c);

#endif
