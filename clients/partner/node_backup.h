/*
 * node_backup: a copy of the node's store and audit trail, handed out piece by piece to who makes a backup, while the node goes on. docs/protocol.md [N-19].
 * And what a node does that finds itself restored from one.
 */
#ifndef KW_PARTNER_NODE_BACKUP_H
#define KW_PARTNER_NODE_BACKUP_H

#include "backup/steps.h"
#include "base/span.h"

struct node;

/* Appends the answer as JSON. as, reason: of who asks. KW_ESTATE: one is being made, or a step out of turn; KW_EIO, KW_EFULL, KW_ENOMEM. */
KW_MUST_USE enum kw_err node_backup_ask(struct buf *out, struct node *n, const struct backup_ask *a, const char *as, const char *reason, struct kw_why *why);
void node_backup_tick(struct node *n); /* gives up what nobody asks for any more */
void node_backup_drop(struct node *n);

/* Before the store is opened: whether it was restored; a restore that was interrupted is refused (KW_ESTATE). */
KW_MUST_USE enum kw_err node_restored_look(struct node *n, struct kw_why *why);
/* With the store open: another sender epoch, so that no number is used twice, whatever was sent behind the backup; and the alarm. */
KW_MUST_USE enum kw_err node_restored_begin(struct node *n, struct kw_why *why);
/* With the trail open: recorded there, and the mark goes. Where it cannot be recorded, the next start does all of it again. */
void node_restored_told(struct node *n);

#endif
