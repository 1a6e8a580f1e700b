/*
 * case_fold: how one case stands, folded from the entries in this node's store by the machine that the broker uses too (docs/protocol.md
 * section 10). Nothing is kept between two folds but the store's rows: what a crash leaves there is what counts.
 *
 * A node that takes part from the opening checks every statement of the broker's. One that came later (the case was handed over to
 * it, or it took one that is open to all readers) did not get what was before; it believes the newest statement, and says so.
 */
#ifndef KW_PARTNER_CASE_FOLD_H
#define KW_PARTNER_CASE_FOLD_H

#include "cases/case_agreement.h"
#include "cases/case_log.h"
#include "certs/agreement_chain.h"
#include "clients/partner/actors.h"
#include "clients/partner/pstore.h"

struct fold_entry {
	struct position at;
	enum notice_type type;          /* of the move; 0: a statement */
	enum case_verdict verdict;      /* where it is folded */
	bool folded;                    /* false: something that stands before it is not here yet */
	uint64_t at_ms;                 /* by its author's clock */
	uint8_t receipt[KW_ID_LEN];     /* move */
	char actor[KW_NODE_MAX + 1];    /* move: who; statement: the owner */
	char next[KW_NODE_MAX + 1];
	enum case_cause cause;          /* statement, as the rest */
	enum case_state state;
	uint64_t until_ms;
	uint64_t upto;
	uint32_t version;
};

struct case_fold {
	uint8_t id[KW_ID_LEN];
	struct header header;           /* of its notification */
	bool sent;                      /* by this node */
	struct position at;
	uint64_t told;                  /* as the store has it: what people were told of, and that it parted */
	bool parted_before;
	struct kw_case now;             /* where believed: state, owner, next, version, until_ms, rule, alarms alone, and nobody as party */
	struct kw_case ahead;           /* not where believed: with own moves, too, behind which nothing came yet; for what may be done next */
	bool believed;
	enum case_verdict stopped;      /* OK, or why what came last is not folded yet */
	struct case_parted parted;
	uint64_t since_ms;              /* time of the newest statement that holds; before the first, of the notification */
	struct fold_entry *entries;     /* in the log's order */
	uint32_t count;
	/* for questions about it */
	struct case_rules rules;
	struct case_context context;
	struct actors *actors;
	const struct agreement_chain *chain;
	uint32_t *readers;              /* actors; lazily */
	uint32_t reader_count;
	bool readers_known;
};

struct fold_with { struct pstore *store; const struct agreement_chain *chain; struct actors *actors; const char *node; };

/* *out must not move while it is used; fold_free is due also after an error. KW_ENOTFOUND: no case of this id is here. */
KW_MUST_USE enum kw_err case_fold(struct case_fold *out, const struct fold_with *with, const uint8_t id[KW_ID_LEN], struct kw_why *why);
void case_fold_free(struct case_fold *f);

/* The id of an actor of it, "" for nobody. */
const char *fold_id(const struct case_fold *f, uint32_t actor);
/* NULL: no entry is this move. */
const struct fold_entry *fold_move(const struct case_fold *f, const uint8_t receipt[KW_ID_LEN]);
/* May take what nobody has, by that version's line, coordinator or readers; unknown: the answer where the version is not here. */
bool fold_may_take(const struct case_fold *f, uint32_t version, uint32_t actor, bool unknown);
/* A statement that holds was made from number or from behind it: what the move there did is known to everybody. */
bool fold_is_stated(const struct case_fold *f, uint64_t number);

#endif
