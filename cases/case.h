/*
 * case: who has a matter. The machine that the broker and every node fold the same log entries into (docs/protocol.md
 * section 10): moves, which are receipts of the nodes, and statements, which are the broker's own signed entries. What a
 * move does is decided by the log's order and this table alone; whose turn it is, by the agreement, the time that the
 * statement names, and nothing else. A statement is never believed: the machine makes it again and compares.
 *
 *   case_open     the notification                 case_wants     what the broker has to state now
 *   case_move     a receipt at its position        case_entry     a statement at its position
 *
 * At every position a case has exactly one owner: who has taken it, whose turn it is, or the coordinator.
 *
 * Pure: no I/O, clock, allocation or cryptography. Nodes are numbers that the caller gives (actors), stable over all
 * versions of the agreement; CASE_NOBODY is none. One thread a case.
 */
#ifndef KW_CASES_CASE_H
#define KW_CASES_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/entry.h"
#include "proto/header.h"

#define CASE_NOBODY UINT32_MAX
#define CASE_PARTIES_MAX 32u          /* sender, coordinator, everyone the line can name, and who came by hand-over */
#define CASE_MOVES_MAX 1000u          /* effective or not; behind them only a take of what nobody has, done and recall count */
#define CASE_ALARM_MIN_MS 60000u      /* the coordinator is reminded after its own take_within, but within these */
#define CASE_ALARM_MAX_MS 3600000u

enum case_move_kind { MOVE_TAKE, MOVE_DECLINE, MOVE_HAND_OVER, MOVE_RETURN, MOVE_DONE, MOVE_REOPEN, MOVE_RECALL, MOVE_COUNT };
const char *case_move_name(enum case_move_kind m);       /* "take", "hand_over", … */

/* How a move or statement ended. A void move changes nothing but the count, and who is told where it came second; a parted statement nothing at all. */
#define CASE_VERDICTS(X)                                                                                    \
	X(OK, "ok")                             /* it changed the case */                                       \
	/* void moves */                                                                                        \
	X(ALREADY_YOURS, "already_yours")       /* no mistake of anybody's: the case is with whoever asked */   \
	X(ALREADY_DECLINED, "already_declined")                                                                 \
	X(TAKEN_BY, "taken_by")                 /* somebody else has it */                                      \
	X(CLOSED, "closed")                                                                                     \
	X(STILL_OPEN, "still_open")             /* nothing to reopen */                                         \
	X(NOT_TAKEN, "not_taken")               /* take it first */                                             \
	X(USE_RETURN, "use_return")             /* the owner cannot decline any more */                         \
	X(NOBODY_LEFT, "nobody_left")           /* the coordinator cannot decline */                            \
	X(NOT_YOURS, "not_yours")               /* not in the line, or not the one who may */                   \
	X(NOT_SENDERS, "not_senders")           /* only the sender's partner recalls */                         \
	X(TO_SELF, "to_self")                                                                                   \
	X(NOT_A_READER, "not_a_reader")         /* the one named cannot read it */                              \
	X(CIRCLE, "circle")                     /* the one named gave it away before */                         \
	X(TOO_MANY_MOVES, "too_many_moves")                                                                     \
	X(TOO_MANY_PARTIES, "too_many_parties") /* case_open too: no case can be opened */                      \
	/* statements */                                                                                        \
	X(STALE, "stale")                       /* overtaken by a move in the log: void, and no fault */        \
	X(MISSING, "missing")                   /* made from entries that are not here (yet) */                 \
	X(UNKNOWN_AGREEMENT, "unknown_agreement") /* of a version that is not here: ask for it; nothing changed */ \
	X(PARTED_NUMBER, "parted_number")       /* from here on: the broker states what does not follow */      \
	X(PARTED_TIME, "parted_time")           /* earlier than its own statement before */                     \
	X(PARTED_UNDUE, "parted_undue")         /* there was nothing to state, or a time was not out yet */     \
	X(PARTED_CAUSE, "parted_cause")                                                                         \
	X(PARTED_VERSION, "parted_version")                                                                     \
	X(PARTED_STATE, "parted_state")                                                                         \
	X(PARTED_OWNER, "parted_owner")                                                                         \
	X(PARTED_NEXT, "parted_next")                                                                           \
	X(PARTED_RULE, "parted_rule")                                                                           \
	X(PARTED_UNTIL, "parted_until")                                                                         \
	X(PARTED_ALARMS, "parted_alarms")

enum case_verdict {
#define X(name, word) CASE_V_##name,
	CASE_VERDICTS(X)
#undef X
	CASE_V_COUNT
};
const char *case_verdict_name(enum case_verdict v);      /* "taken_by"; "?" for a number that is none */
bool case_verdict_parted(enum case_verdict v);

enum { PARTY_LINE = 1, /* the line names it at some hour */ PARTY_TRIED = 2, /* declined, returned, or its time ran out */
       PARTY_GAVE = 4  /* had it and gave it away: it does not come back by hand-over */ };

struct kw_case { /* plain data, to be read by everybody and written by this module */
	uint8_t id[KW_ID_LEN];
	uint8_t frame_hash[KW_HASH_LEN];
	uint64_t opened;                 /* numbers in the case's lane: of its notification */
	uint64_t upto;                   /* of the newest entry folded */
	uint64_t changed;                /* of the newest entry that changed it: a statement made from before it is stale */
	uint64_t moved;                  /* of the newest move, void ones too; 0: none */
	uint64_t stated;                 /* of the newest statement that held; 0: none */
	uint64_t stated_upto;            /* what that one was made from */
	uint64_t stated_ms;              /* its time */
	uint64_t until_ms;               /* 0: none */
	uint64_t expires_ms;
	uint32_t version;                /* of the agreement: whose line counts */
	uint32_t in_force;               /* the newest that a statement named */
	uint32_t newest;                 /* the newest that a move named: a statement made behind it cannot name an older one */
	uint32_t entries;                /* folded, the notification counted */
	uint32_t moves;
	uint32_t alarms;
	uint32_t alarm_ms;               /* between alarms; escalated only */
	uint32_t sender, coordinator;
	uint32_t owner;                  /* of a closed case: whose it was */
	uint32_t next;                   /* is to take it over; CASE_NOBODY as the next two */
	uint32_t giver;                  /* who handed it to the owner: a return goes there */
	uint32_t wish;                   /* whose turn it is next, before the line */
	uint16_t rule;                   /* index of the entry of the line that it is offered by; ENTRY_NO_RULE */
	uint8_t state;                   /* enum case_state */
	uint8_t lane;                    /* enum lane */
	bool open_to_readers;            /* no line: every reader may take */
	uint8_t party_count;
	uint8_t flags[CASE_PARTIES_MAX];
	uint32_t party[CASE_PARTIES_MAX]; /* who gets every entry of the case; sender and coordinator first at the opening */
};
static_assert(sizeof(struct kw_case) < 400, "100,000 open cases fit into 40 MB");

/* ---- what the machine asks of the agreement ---- */
struct case_turn { uint32_t actor; uint16_t rule; uint64_t take_within_ms; };

struct case_terms {
	uint32_t coordinator;
	bool open_to_readers;            /* a topic without "responsible" */
	bool offer_anew;                 /* on_change: move */
	uint64_t take_within_ms;         /* for whom the line does not name at that hour */
	uint32_t member_count;           /* everyone that the line of any hour names */
	uint32_t members[CASE_PARTIES_MAX];
};

struct case_rules { /* about one case's topic and notification; the answers never change for the same question */
	const void *ctx;
	/* false: the version is not known here. More members than fit: member_count says how many, the machine refuses. */
	bool (*terms)(struct case_terms *out, const void *ctx, uint32_t version);
	/* The line at that time, in order, each actor once, the coordinator among them; returns how many. version is known. */
	uint32_t (*line)(struct case_turn turns[CASE_PARTIES_MAX], const void *ctx, uint32_t version, uint64_t at_ms);
	bool (*is_node)(const void *ctx, uint32_t version, uint32_t actor);  /* of that agreement */
	bool (*reads)(const void *ctx, uint32_t actor);       /* is in the audience of the case's notification */
	bool (*may_recall)(const void *ctx, uint32_t actor);  /* is of the sender's partner */
};

/* ---- entries ---- */
struct case_opening {
	uint8_t id[KW_ID_LEN];
	uint8_t frame_hash[KW_HASH_LEN];
	enum lane lane;
	uint64_t number;
	uint32_t sender;
	uint32_t version;                /* of the agreement that the header names */
	uint64_t expires_ms;
};
/* OK, TOO_MANY_PARTIES or UNKNOWN_AGREEMENT; *c is written on OK alone. */
KW_MUST_USE enum case_verdict case_open(struct kw_case *c, const struct case_opening *o, const struct case_rules *r);

struct case_move {
	enum case_move_kind kind;
	uint64_t number;                 /* beyond c->upto (MUST), as for statements */
	uint32_t actor;
	uint32_t to;                     /* MOVE_HAND_OVER; CASE_NOBODY: a name that is no node's */
	uint32_t version;                /* of the agreement that its header names, the one in force when the broker took it */
};
/* Folds it. Everything but OK is void. */
enum case_verdict case_move(struct kw_case *c, const struct case_move *m, const struct case_rules *r);
/* What it would be here and now, for who wants to refuse or to warn before the log decides; changes nothing. */
enum case_verdict case_would(const struct kw_case *c, const struct case_move *m, const struct case_rules *r);

struct case_statement {
	enum case_cause cause;
	enum case_state state;
	uint64_t time_ms;
	uint64_t upto;
	uint64_t until_ms;
	uint32_t entries, alarms;
	uint32_t version, in_force;
	uint32_t owner, next;
	uint16_t rule;
};
/*
 * What the broker has to state at now_ms while version in_force of the agreement is in force; false: nothing. One statement
 * says everything: moves since the last, a turn that ran out and whose it is next. now_ms is the wall clock; a caller whose
 * waiting runs on another clock gives what is later, the wall or until_ms. Earlier than the last statement counts as that.
 */
bool case_wants(struct case_statement *out, const struct kw_case *c, const struct case_rules *r, uint64_t now_ms, uint32_t in_force);
/* When case_wants will have something if nothing comes: 0 at once, UINT64_MAX never. */
uint64_t case_deadline_ms(const struct kw_case *c);

/*
 * Folds a statement that stands at number. OK: it is what follows, and the case stands as it says. STALE: void. The rest
 * leaves the case as it was, not even counted, so that it can be folded when what is missing has come.
 */
enum case_verdict case_entry(struct kw_case *c, const struct case_statement *s, uint64_t number, const struct case_rules *r);
/* Goes on without believing it: counts the statement as an entry and nothing else. */
void case_pass(struct kw_case *c, uint64_t number);

/* ---- questions ---- */
bool case_is_open(const struct kw_case *c);
bool case_is_party(const struct kw_case *c, uint32_t actor);
/* May take while nobody has: the line of any hour and the coordinator; every reader but the sender where there is no line. */
bool case_may_take(const struct kw_case *c, uint32_t actor, const struct case_rules *r);
/* NULL: holds together. Otherwise what cannot be, for a log line: one owner, and a limit where nobody has taken it. */
const char *case_unsound(const struct kw_case *c);

/*
 * A void move's sentence: who has it and what to do. owner is the id of whoever has it. Returns KW_ESTATE, or KW_EDENIED
 * where it was never the asker's to do.
 */
enum kw_err case_refuse(struct kw_why *why, enum case_verdict v, const struct kw_case *c, const char *owner);

/* ---- the table: what the machine does and nothing else ---- */
/* A line a row: "take | waiting offered escalated | line | taken". docs/protocol.md shows it, and a test compares. */
void case_table_print(struct buf *out);

/* ---- snapshots (case_code.c) ---- */
#define CASE_CODE_MAX 339u
/* Returns the length. The same case gives the same bytes. */
size_t case_encode(uint8_t out[CASE_CODE_MAX], const struct kw_case *c);
/* KW_ECORRUPT: no such bytes were ever written: another form, lengths that do not fit, or a case that cannot be. */
KW_MUST_USE enum kw_err case_decode(struct kw_case *out, struct span in, struct kw_why *why);

#endif
