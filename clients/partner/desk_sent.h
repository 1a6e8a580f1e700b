/* desk_sent: what this node sent, newest first, and how far each has come: for who has lost the id that publish printed. */
#ifndef KW_PARTNER_DESK_SENT_H
#define KW_PARTNER_DESK_SENT_H

#include <jansson.h>

#include "clients/partner/desk.h"

#define DESK_SENT_MOST 256u /* rows of one answer, whatever limit says */

struct sent_query { /* texts borrowed; NULL: not said */
	uint64_t before_seq;   /* rows with a lower seq; 0: from the newest on */
	uint64_t since_ms;     /* published at or after */
	const char *filter;    /* NULL: every topic */
	uint32_t limit;        /* 1.. */
	const char *language, *as, *reason;
};

/*
 * {"rows":[…],"before":N,"more":B}: of what desk_is_sent names and what was not sealed anew under another id. A bounded part: everything from before on was
 * looked at, and where there is more it may be called again with that. Each row has its head, the headline as long as its content is kept, and
 * "state": "waiting"|"stored"|"refused"|"expired" with its reason; "readers" and of them "delivered", "rejected", "opened"; "recalled"; "bare": what it said is gone;
 * "mark": "reason needed" where the agreement demands one and none was given, which hides the headline. A list of headlines is in the audit trail before it is answered.
 */
KW_MUST_USE enum kw_err desk_sent(json_t **out, struct node *n, const struct sent_query *q, struct kw_why *why);

#endif
