/*
 * desk_release: what people here may ask about drafts, and the answers they give to them (docs/protocol.md section 13). As desk.h: on the
 * daemon's one thread.
 */
#ifndef KW_PARTNER_DESK_RELEASE_H
#define KW_PARTNER_DESK_RELEASE_H

#include "clients/partner/desk.h"

struct desk_answer { /* all borrowed */
	bool approve;                   /* else it is refused */
	uint8_t id[KW_ID_LEN];          /* of the draft */
	const char *reason;             /* refused: why, which must be given; NULL otherwise */
	const char *as;                 /* who at this partner, or NULL */
	const char *text_hash;          /* approve: the text that was looked at, 64 hexadecimal digits; NULL: the draft's */
};

/*
 * KW_OK: signed and on disk. KW_EEXISTS: this node said so before, nothing was sent. KW_ENOTFOUND: no such draft is here; KW_EDENIED: this
 * node may not, or it is another text; KW_ESTATE: the draft is over, or the partner answered already; KW_EINVAL, KW_ELIMIT: its own fields.
 */
KW_MUST_USE enum kw_err desk_answer(struct node *n, const struct desk_answer *a, uint8_t receipt[KW_ID_LEN], struct kw_why *why);

/*
 * [{"id","topic","author","headline","mine","state","text_hash","created_ms","expires_ms","not_before_ms","about","released_as","replaced_by",
 *   "approved":[{"partner","node","at_ms","as"}],"refused":[…,"reason"],"missing":["city"],"your_turn"}]: the open ones, the nearest expiry
 * first, or all, the newest change first. state: open, released, refused, replaced, expired, withdrawn, failed.
 */
KW_MUST_USE enum kw_err desk_releases(json_t **out, struct node *n, bool open, uint32_t limit, const char *language, struct kw_why *why);
/* One of them; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err desk_release(json_t **out, struct node *n, const uint8_t id[KW_ID_LEN], const char *language, struct kw_why *why);

#endif
