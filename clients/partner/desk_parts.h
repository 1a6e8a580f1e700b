/* desk_parts: what the files of desk share, and nobody else. */
#ifndef KW_PARTNER_DESK_PARTS_H
#define KW_PARTNER_DESK_PARTS_H

#include "clients/partner/node_parts.h"
#include "proto/payload.h"

/* desk.c: what was begun ends here, unless a batch does it; undone where err says so. */
KW_MUST_USE enum kw_err desk_end(struct node *n, enum kw_err err, struct kw_why *why);
/* desk.c: fills about; what updates and cancels is this partner's own. */
KW_MUST_USE enum kw_err take_about(struct header *h, struct node *n, const struct desk_publish *p, struct kw_why *why);
/* desk.c: what of the inbox or the outbox has this id; KW_ENOTFOUND without a sentence. */
KW_MUST_USE enum kw_err desk_find_id(struct about *about, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why);
/* desk_status.c: what it says, from the content that is kept for a second sealing; nothing where that is gone. */
void desk_brief(struct payload_brief *out, const struct node *n, const struct out_row *row, const struct header *h, const char *language);
/* desk_release.c: makes a draft of a header on a topic with release. not_before_ms: the content's own embargo, or 0. */
KW_MUST_USE enum kw_err release_prepare(struct header *h, struct node *n, const struct desk_publish *p, uint64_t not_before_ms, struct kw_why *why);

#endif
