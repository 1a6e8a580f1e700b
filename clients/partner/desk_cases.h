/*
 * desk_cases: what people here may ask about cases, and the moves they make (docs/protocol.md section 10). As desk.h: on the daemon's
 * one thread.
 */
#ifndef KW_PARTNER_DESK_CASES_H
#define KW_PARTNER_DESK_CASES_H

#include "clients/partner/desk.h"

struct desk_move { /* all borrowed */
	enum notice_type type;          /* taken, declined, handed_over, returned, done, reopened; note; recall */
	uint8_t id[KW_ID_LEN];          /* of the case; recall: of any notification of this node's partner */
	const char *to;                 /* handed_over: a node; NULL otherwise */
	const char *text;               /* declined, recall: the reason, which must be given; note: what it says; else a remark, or NULL */
	const char *as;                 /* who at this partner does it, "Duty officer 3"; NULL: not said */
};
#define DESK_MOVE_TEXT_MAX 500u     /* bytes; a note's 2000 */
#define DESK_MOVE_AS_MAX 120u
#define DESK_NOTE_MAX 2000u

/*
 * KW_OK: sealed and on disk; the log decides whether it counts, and desk_move_fate tells. What cannot count as far as this node
 * knows is refused here: KW_ESTATE, KW_EDENIED with who has it; KW_ENOTFOUND: no case of this id is here; KW_EINVAL, KW_ELIMIT: its
 * own fields. KW_EEXISTS: it is so already, nothing was sent.
 */
KW_MUST_USE enum kw_err desk_move(struct node *n, const struct desk_move *m, uint8_t receipt[KW_ID_LEN], struct kw_why *why);
/* KW_OK: it counts; KW_EAGAIN: not known yet, with what it waits for; KW_ESTATE, KW_EDENIED: it does not, with who has it; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err desk_move_fate(struct node *n, const uint8_t receipt[KW_ID_LEN], struct kw_why *why);

/* Which moves are known by name: "take", "decline", "hand_over", "return", "done", "reopen", "note", "recall", "forward". */
bool desk_move_type(enum notice_type *out, const char *name);

/*
 * {"id","topic","sender","sent","headline","area","what_to_do","lane","state","owner","next","until_ms","since_ms","alarms","expires_ms",
 *  "coordinator","your_turn","yours","can":["take",…],"believed","parted","waits"}; whole: with "entries", the log of it.
 * KW_ENOTFOUND.
 */
KW_MUST_USE enum kw_err desk_case(json_t **out, struct node *n, const uint8_t id[KW_ID_LEN], bool whole, const char *language, struct kw_why *why);
/* A list of these: the open ones, the nearest limit first, or all, the newest change first. */
KW_MUST_USE enum kw_err desk_cases(json_t **out, struct node *n, bool open, uint32_t limit, const char *language, struct kw_why *why);
/* [{…}]: how each recall of it that this node sent has come along, as desk_trace tells, the newest first. KW_ENOTFOUND: it sent none. */
KW_MUST_USE enum kw_err desk_recalls(json_t **out, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why);
/* {"open","mine","overdue"} for status; NULL: the store cannot be read. */
json_t *desk_cases_status(struct node *n);

#endif
