/*
 * entry: what the broker itself writes into a lane (docs/protocol.md [L-2], [L-6], [M-9]): signed by its key under "sign case".
 *
 *   4 "KWE1"  1 kind  8 time in ms  4 agreement version  32 agreement hash  …  64 signature over all before it
 *
 * Big-endian. Kind 1, an agreement's arrival, has nothing more. Kind 2, how a case stands, has before its signature:
 *
 *   1 cause  1 state  1 lane of the case  4 agreement in force  16 case id  32 frame hash of its notification
 *   8 number of that notification  8 number that was folded up to  4 entries folded  4 alarms  2 rule  8 until in ms
 *   1 + n owner  1 + n next owner (n = 0: nobody)
 *
 * Kind 3, a node's suspension ([O-9]), has before its signature:
 *
 *   1 act  8 from in ms  8 until in ms  1 + n node  1 + n who ordered it  1 + n reason (n = 0 where it is lifted)
 *
 * Broker and nodes share it. No I/O, no clock.
 */
#ifndef KW_PROTO_ENTRY_H
#define KW_PROTO_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/limits.h"
#include "proto/topic.h"

#define ENTRY_HEAD_LEN (4 + 1 + 8 + 4 + KW_HASH_LEN)
#define ENTRY_LEN (ENTRY_HEAD_LEN + KW_SIG_LEN) /* of kind 1 */
#define ENTRY_CASE_HEAD_LEN (ENTRY_HEAD_LEN + 3 + 4 + KW_ID_LEN + KW_HASH_LEN + 8 + 8 + 4 + 4 + 2 + 8)
#define ENTRY_CASE_MIN (ENTRY_CASE_HEAD_LEN + 2 + 3 + KW_SIG_LEN) /* the shortest node id is "a/b" */
#define ENTRY_CASE_MAX (ENTRY_CASE_HEAD_LEN + 2 + 2 * KW_NODE_MAX + KW_SIG_LEN)
#define ENTRY_SUSPENSION_HEAD_LEN (ENTRY_HEAD_LEN + 1 + 8 + 8)
#define ENTRY_SUSPENSION_MIN (ENTRY_SUSPENSION_HEAD_LEN + 3 + 3 + 1 + KW_SIG_LEN) /* lifted: "a/b", one letter, no reason */
#define ENTRY_SUSPENSION_MAX (ENTRY_SUSPENSION_HEAD_LEN + 3 + 2 * KW_NODE_MAX + KW_SUSPENSION_REASON_MAX + KW_SIG_LEN)
#define ENTRY_MAX (ENTRY_SUSPENSION_MAX > ENTRY_CASE_MAX ? ENTRY_SUSPENSION_MAX : ENTRY_CASE_MAX) /* of any kind */

enum entry_kind { ENTRY_AGREEMENT = 1, ENTRY_CASE = 2, ENTRY_SUSPENSION = 3 };

enum case_state {        /* wire format too */
	CASE_WAITING = 1,    /* nobody has it and the broker has not yet said whose turn it is: the coordinator's; never in an entry */
	CASE_OFFERED,        /* it is the owner's turn, until until_ms */
	CASE_ESCALATED,      /* all others had their turn: the coordinator's; an alarm at until_ms, and again */
	CASE_TAKEN,          /* the owner has it; where next is set, that one may take it over until until_ms */
	CASE_DONE,           /* by the owner */
	CASE_RECALLED,       /* by the sender's partner */
	CASE_LAPSED,         /* its notification expired first */
};

enum case_cause {        /* wire format: why the broker says how a case stands */
	CAUSE_OPENED = 1,
	CAUSE_MOVED,         /* somebody's move changed it */
	CAUSE_VOID,          /* moves came that changed nothing */
	CAUSE_TIMEOUT,       /* the one whose turn it was did not take it in time */
	CAUSE_HANDOVER_LAPSED,
	CAUSE_ALARM,         /* nor did the coordinator */
	CAUSE_LAPSED,
	CAUSE_AGREEMENT,     /* another agreement is in force, and this case stands otherwise under it */
};

#define ENTRY_NO_RULE 0xFFFFu /* by no entry of the line */

struct entry_case {
	enum case_cause cause;
	enum case_state state;
	enum lane lane;              /* of the case: an alarm's copy in lane flash is told from the case's own entry by it */
	uint32_t in_force;           /* the newest version of the agreement at this position; the line's stands in the head */
	uint8_t id[KW_ID_LEN];
	uint8_t frame_hash[KW_HASH_LEN];
	uint64_t opened;             /* its notification's number in the lane */
	uint64_t upto;               /* number of the newest entry of the case that this one was made from */
	uint32_t entries;            /* how many entries the case had up to there, its notification counted */
	uint32_t alarms;
	uint16_t rule;               /* index of the entry of the line, ENTRY_NO_RULE */
	uint64_t until_ms;           /* 0: no limit */
	char owner[KW_NODE_MAX + 1];
	char next[KW_NODE_MAX + 1];  /* "": nobody */
};

enum suspension_act { SUSPENSION_BEGUN = 1, SUSPENSION_LIFTED }; /* wire format */

struct entry_suspension {
	enum suspension_act act;
	uint64_t from_ms;            /* when the node's suspension began, whatever was said of it since */
	uint64_t until_ms;           /* at most KW_SUSPENDED_MAX_MS behind; lifted: the time at which it was */
	char node[KW_NODE_MAX + 1];
	char by[KW_NODE_MAX + 1];    /* the operator's name in the agreement; "control": who holds the broker's control socket */
	char reason[KW_SUSPENSION_REASON_MAX + 1]; /* "" where it is lifted, and never otherwise */
};
/* One line of clean text of 1 to KW_SUSPENSION_REASON_MAX bytes. */
KW_MUST_USE enum kw_err suspension_reason_check(struct span reason, struct kw_why *why);

struct broker_entry {
	enum entry_kind kind;
	uint64_t time_ms;
	uint32_t version;
	uint8_t agreement_hash[KW_HASH_LEN];
	union {
		struct entry_case of_case;             /* ENTRY_CASE */
		struct entry_suspension of_suspension; /* ENTRY_SUSPENSION */
	};
};

void entry_encode(uint8_t out[ENTRY_LEN], const struct broker_entry *e, const uint8_t sign_secret[64]); /* signs; ENTRY_AGREEMENT */
/* Signs; ENTRY_CASE, one that entry_decode would take (MUST). Returns the length. */
size_t entry_case_encode(uint8_t out[ENTRY_CASE_MAX], const struct broker_entry *e, const uint8_t sign_secret[64]);
size_t entry_suspension_encode(uint8_t out[ENTRY_SUSPENSION_MAX], const struct broker_entry *e, const uint8_t sign_secret[64]); /* likewise */
/* Shape alone, and what of a case or a suspension cannot be: KW_EPROTO. *out is whole or untouched. */
KW_MUST_USE enum kw_err entry_decode(struct broker_entry *out, struct span in, struct kw_why *why);
/* in has passed entry_decode. */
KW_MUST_USE bool entry_verify(struct span in, const uint8_t broker_pk[KW_KEY_LEN]);
/* What stands as frame hash in its leaf: BLAKE2b-256 of the label "frame" and the bytes. */
void entry_hash(uint8_t out[KW_HASH_LEN], struct span in);

const char *case_state_name(enum case_state s);  /* "waiting", "offered", … */
const char *case_cause_name(enum case_cause c);  /* "opened", "handover_lapsed", … */

#endif
