/*
 * node_audit: the node's own audit trail: what people and programs on this machine did with the partner's notifications, and why. It lies in
 * STATE/audit, apart from the store. docs/protocol.md section "Audit".
 */
#ifndef KW_PARTNER_NODE_AUDIT_H
#define KW_PARTNER_NODE_AUDIT_H

#include "audit/page.h"

struct node;

/*
 * Opens the trail and hangs it into n's loop; without it a node records nothing (tests). Its errors are trail_open's. Closed by node_audit_close,
 * after the loop ended and before node_close.
 */
KW_MUST_USE enum kw_err node_audit_open(struct node *n, struct kw_why *why);
void node_audit_close(struct node *n);

/*
 * Records what is about to be done: an action that a person asked for is not done when this fails, and the alarm "audit" tells of it until a record
 * stands again. synced: it is on disk when this returns; else within a second.
 */
KW_MUST_USE enum kw_err node_audit(struct node *n, const struct audit_record *r, bool synced, struct kw_why *why);
/* The same of what the node did by itself, which nothing can hold up: the alarm is all. */
void node_audit_note(struct node *n, const struct audit_record *r);

/* The verb "audit": a page, recorded before it is shown; as and reason: of who reads. KW_ESTATE: this node keeps no trail. */
KW_MUST_USE enum kw_err node_audit_page(struct buf *out, struct node *n, const struct page_ask *ask, const char *as, const char *reason, struct kw_why *why);

#endif
