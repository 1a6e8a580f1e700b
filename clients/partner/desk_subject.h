/*
 * desk_subject: what a data-protection officer asks of a node: where somebody is spoken of in what came here, which no broker can tell, and what
 * this node has seen of the broker's log, for who checks the broker's. As desk.h: on the daemon's one thread.
 */
#ifndef KW_PARTNER_DESK_SUBJECT_H
#define KW_PARTNER_DESK_SUBJECT_H

#include "clients/partner/desk.h"

/*
 * Searches the contents of the inbox behind after_seq for term, letter case apart (A to Z and the Latin letters with marks), a bounded part a
 * call: {"term","hits":[{"seq","id","topic","sender","type","created_ms","received_ms"}…],"after":N,"more":B,"gone":N}. gone: notifications
 * whose content is no longer here, so that nobody can tell. No text of a notification is in it. Recorded in the audit trail before.
 */
KW_MUST_USE enum kw_err desk_subject(json_t **out, struct node *n, const char *term, uint64_t after_seq, const char *as, const char *reason, struct kw_why *why);

/* {"form":"kurzweg-seen-1","node","partnership","made_ms","log_epoch","agreements":[…],"commits":[{"number","hash"} or {"number","record"}…]}, ascending. */
KW_MUST_USE enum kw_err desk_seen(json_t **out, struct node *n, struct kw_why *why);

#endif
