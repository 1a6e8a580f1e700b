/*
 * case_log: a party's own fold of one case (docs/protocol.md section 10). Entries come in any order: others' by delivery,
 * one's own at the position that "stored" names. They are kept sorted and folded again from where nothing can be missing
 * any more. A statement is folded only when all it was made from is here; so a broker that tells the truth is never
 * accused, whatever is late, and one that does not is found out, with the statement as evidence.
 *
 * What was proven complete is folded for good and forgotten, so a log stays small; a node's store keeps the entries.
 * Pure, no allocation. An alarm's copy in lane flash (its statement names the case's own lane) is not an entry of the case.
 */
#ifndef KW_CASES_CASE_LOG_H
#define KW_CASES_CASE_LOG_H

#include "cases/case.h"

#define CASE_LOG_MAX 64u   /* entries behind what is proven complete */

struct case_log_entry {
	uint64_t number;
	bool is_statement;
	struct case_move move;            /* else; its number is set by case_log_add */
	struct case_statement statement;
};

struct case_parted { /* the first statement that does not follow; all later ones are passed over */
	enum case_verdict verdict;        /* CASE_V_OK: never parted. MISSING: the broker withheld what it stated from */
	uint64_t number;                  /* where it stands */
	struct case_statement says;
	struct case_statement follows;    /* what the agreement makes of the same entries at the same time; cause 0: nothing */
};

struct case_log {
	struct kw_case base;              /* folded for good, up to base.upto */
	struct kw_case now;               /* with everything that is here and can be folded */
	enum case_verdict stopped;        /* OK; MISSING: something is late; UNKNOWN_AGREEMENT: a version is */
	uint64_t stopped_at;              /* number of the statement that waits */
	struct case_parted parted;
	uint32_t count;
	struct case_log_entry tail[CASE_LOG_MAX + 1]; /* by number; one more, for it may be what the others wait for */
};

KW_MUST_USE enum case_verdict case_log_open(struct case_log *l, const struct case_opening *o, const struct case_rules *r);

enum case_log_added {
	CASE_LOG_ADDED,
	CASE_LOG_AGAIN,     /* it is here already */
	CASE_LOG_OLD,       /* from before what was folded for good: known already, or else begin anew from the entries in store */
	CASE_LOG_CONFLICT,  /* another entry stands at that number: one position with two contents is evidence */
};
/*
 * Adds and folds. When more than CASE_LOG_MAX entries wait for one that does not come, it is given up as withheld (parted, MISSING)
 * and the fold goes on without that statement. So many with no statement behind them are folded for good as they are; the
 * one that was late all the same is then OLD.
 */
KW_MUST_USE enum case_log_added case_log_add(struct case_log *l, const struct case_log_entry *e, const struct case_rules *r);
/* A version of the agreement has come. */
void case_log_again(struct case_log *l, const struct case_rules *r);
/*
 * [C-11] A new log epoch began in the case's lane at this number: what stood there before is gone from the log. False:
 * some of it is folded for good already; begin anew from the entries in store.
 */
KW_MUST_USE bool case_log_cut(struct case_log *l, uint64_t from, const struct case_rules *r);

#endif
