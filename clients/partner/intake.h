/*
 * intake: content as people and agency systems have it, CAP or JSON, made into what desk.h publishes. The local socket and
 * the spool share it, so that a file means the same whichever way it came.
 */
#ifndef KW_PARTNER_INTAKE_H
#define KW_PARTNER_INTAKE_H

#include "clients/partner/desk.h"

enum intake_form { INTAKE_JSON, INTAKE_CAP };

struct intake { /* all borrowed; texts need not be checked before */
	const char *topic;
	enum intake_form form;
	struct span content;
	const char *type;            /* "notice", "update", "cancel", "request"; NULL: as the content says */
	const char *about;           /* an id, or CAP's sender,identifier,sent; NULL: as an alert's references say */
	const char *lane;            /* NULL: the topic's */
	uint32_t to_count;
	char (*to)[KW_NODE_MAX + 1];
	uint64_t expires_ms;         /* 0: as the content says */
	bool confirm_at_once;
	uint64_t not_before_ms;      /* where it must be released: its embargo; 0: as the content says */
	uint32_t take_within_s;      /* somebody must take it within; 0: as the agreement says */
	const char *actor, *as, *reason; /* as desk_publish has them */
};

/*
 * As desk_publish, which it ends in; within a batch too. An alert's msgType says its type (Alert: notice, Update, Cancel),
 * its references what it is about: the newest of them that this node knows. KW_EDENIED also for Ack, Error and Draft, for an
 * Actual alert in an exercise, and for a type that contradicts the file. warnings (may be NULL) gets a line for each thing that
 * was mended or that the sender should know, in the program's language.
 */
KW_MUST_USE enum kw_err intake_publish(struct node *n, const struct intake *in, uint8_t id[KW_ID_LEN], struct buf *warnings, struct kw_why *why);

#endif
