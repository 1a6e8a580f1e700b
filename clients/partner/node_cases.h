/* node_cases: what the log says of cases. Inside of the node, as node_parts. */
#ifndef KW_PARTNER_NODE_CASES_H
#define KW_PARTNER_NODE_CASES_H

#include "clients/partner/case_fold.h"
#include "clients/partner/node_parts.h"

/*
 * A notification stands at that place of the log: delivered and verified as far as its signature, or an own one whose proof has
 * come; said again, also at a new place in a new log epoch, it does no harm. What opens no case and moves none is passed by.
 */
KW_MUST_USE enum kw_err node_case_heard(struct node *n, const struct header *h, const uint8_t frame_hash[KW_HASH_LEN], struct span head,
                                        const struct position *at, struct kw_why *why);
/* A statement of the broker's, its signature verified. bytes: the whole entry. */
KW_MUST_USE enum kw_err node_case_stated(struct node *n, const struct broker_entry *b, struct span bytes, const struct position *at, struct kw_why *why);
/* A move of this node's that waited was refused or ran out: what came behind it meanwhile counts now. Nothing where h moves no case. */
KW_MUST_USE enum kw_err node_case_given_up(struct node *n, const struct header *h, struct kw_why *why);
/* What this node recalled is gone from its own outbox too. */
KW_MUST_USE enum kw_err node_erase_own(struct node *n, const struct about *about, struct kw_why *why);
struct fold_with node_fold_with(struct node *n);

#endif
