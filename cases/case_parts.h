/* case_parts: the inside of the case machine, shared by the case*.c files and by the tests that break it on purpose. */
#ifndef KW_CASES_CASE_PARTS_H
#define KW_CASES_CASE_PARTS_H

#include "cases/case.h"

enum case_role {
	BY_OWNER,
	BY_NEXT,          /* who is to take it over */
	BY_LAST,          /* the coordinator, behind whom nobody stands: not where it is its turn within the line */
	BY_TRIED,         /* of the line, and had its turn or passed it already */
	BY_LINE,          /* of the line of any hour */
	BY_TAKER,         /* case_may_take */
	BY_SENDER,
	BY_COORDINATOR,
	BY_SENDERS,       /* of the sender's partner */
	BY_ANYBODY,
	ROLE_COUNT
};

enum case_act {
	ACT_NOTHING,
	ACT_TAKE,         /* the actor is the owner; who handed it over is remembered */
	ACT_DECLINE,      /* tried, and the coordinator's until the broker says whose turn it is */
	ACT_SKIP,         /* tried: passed over when its turn would come */
	ACT_STAY,         /* the hand-over is off */
	ACT_HAND_OVER,    /* the one named may take it over */
	ACT_GIVE_BACK,    /* to the giver if there is one, else to the line */
	ACT_CLOSE,
	ACT_REOPEN,       /* all marks are off, first turn for the last owner */
	ACT_COUNT
};

#define IN(state) (1u << (state))
#define IN_NOBODYS (IN(CASE_WAITING) | IN(CASE_OFFERED) | IN(CASE_ESCALATED))
#define IN_OPEN (IN_NOBODYS | IN(CASE_TAKEN))
#define IN_CLOSED (IN(CASE_DONE) | IN(CASE_RECALLED) | IN(CASE_LAPSED))

struct case_row {
	enum case_move_kind move;
	unsigned states;               /* IN(…) */
	enum case_role by;
	enum case_verdict verdict;     /* OK: act and becomes hold; else the move is void */
	enum case_act act;
	enum case_state becomes;       /* 0: stays */
};
struct case_table { const struct case_row *rows; uint32_t count; };
extern const struct case_table case_table;

/* The first row that fits; every move in every state by anybody has one. */
const struct case_row *case_table_find(const struct case_table *t, const struct kw_case *c, const struct case_move *m, const struct case_rules *r);
enum case_verdict case_move_by(const struct case_table *t, struct kw_case *c, const struct case_move *m, const struct case_rules *r);

uint32_t case_party(const struct kw_case *c, uint32_t actor);      /* its place, CASE_PARTIES_MAX: none */
bool case_party_add(struct kw_case *c, uint32_t actor, uint8_t flag); /* false: no room */
bool case_party_is(const struct kw_case *c, uint32_t actor, uint8_t flag);

#endif
