/* desk_receipts: who has read what, and the proofs of a notification's way for who was not there. As desk.h: on the daemon's one thread. */
#ifndef KW_PARTNER_DESK_RECEIPTS_H
#define KW_PARTNER_DESK_RECEIPTS_H

#include "clients/partner/desk.h"

/*
 * Somebody here has read the notification, or a program has handled it: its sender is told once by an "opened" receipt. as: who it
 * was, at most DESK_MOVE_AS_MAX bytes, or NULL. KW_OK also where there is nothing to tell: told before, put aside, content gone, a receipt,
 * nobody to be told. KW_ENOTFOUND: not in the inbox.
 */
KW_MUST_USE enum kw_err desk_opened(struct node *n, const uint8_t id[KW_ID_LEN], const char *as, struct kw_why *why);

/*
 * All that this node has to prove of a notification's way, as a bundle (docs/protocol.md section 12): its signed head, the broker's
 * commit with the path to it, the signed receipts, the broker's statements of its case, and the agreements with their signatures. No
 * content. KW_ENOTFOUND.
 */
KW_MUST_USE enum kw_err desk_bundle(json_t **out, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why);

/* Every version that the node keeps, oldest first: [{"text","signatures"}…]. */
json_t *desk_agreements(const struct node *n);

#endif
