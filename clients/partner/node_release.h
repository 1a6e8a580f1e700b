/* node_release: drafts on their way to release (docs/protocol.md section 13). Inside of the node, as node_parts; each within the turn's transaction. */
#ifndef KW_PARTNER_NODE_RELEASE_H
#define KW_PARTNER_NODE_RELEASE_H

#include "clients/partner/node_parts.h"

/* A draft of this node was sealed: it waits for its approvals, and takes the place of those before it. KW_ELIMIT: no room for the approvals. */
KW_MUST_USE enum kw_err node_release_begin(struct node *n, const struct header *h, struct span content, struct kw_why *why);
/* A draft, an approval, a refusal or what was released has come and held. *refused: r->why says what does not fit. */
KW_MUST_USE enum kw_err node_release_came(bool *refused, struct node *n, struct reading *r, struct kw_why *why);
/* What is approved by all and past its embargo is released; what is past its time ends. */
KW_MUST_USE enum kw_err node_release_step(struct node *n, struct kw_why *why);

/* An answer of this node's own to a draft. */
KW_MUST_USE enum kw_err node_release_answered(struct node *n, const uint8_t draft[KW_ID_LEN], const struct pstore_answer *a, struct kw_why *why);
/* A row of the outbox was closed: sealed anew as replacement, or for good. left: it stays stored where it was. */
KW_MUST_USE enum kw_err node_release_closed(struct node *n, const struct header *h, const uint8_t *replacement, bool left, struct kw_why *why);
/* Does this draft still wait for approvals? What is over needs none under a newer agreement. */
KW_MUST_USE enum kw_err node_release_is_open(bool *open, struct node *n, const uint8_t draft[KW_ID_LEN], struct kw_why *why);
/* The broker wants what was released under a newer agreement: its draft is looked at again. */
KW_MUST_USE enum kw_err node_release_again(struct node *n, const struct header *released, struct kw_why *why);

/* A draft that sender recalled; another partner's it cannot. */
KW_MUST_USE enum kw_err node_release_recalled(struct node *n, const struct about *about, const char *sender, struct kw_why *why);
/* What was released and is recalled says the same as its draft, which goes too: by the row of the inbox, or by the id in the outbox. */
KW_MUST_USE enum kw_err node_release_erase(struct node *n, uint64_t seq, struct kw_why *why);
KW_MUST_USE enum kw_err node_release_erase_own(struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why);
/* The row seq came behind what corrects it. */
KW_MUST_USE enum kw_err node_release_corrected(struct node *n, uint64_t seq, const struct header *h, const uint8_t frame_hash[KW_HASH_LEN], struct kw_why *why);

#endif
