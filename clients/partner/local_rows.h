/* local_rows: rows of the inbox as the local socket shows them. */
#ifndef KW_PARTNER_LOCAL_ROWS_H
#define KW_PARTNER_LOCAL_ROWS_H

#include "clients/partner/local_ask.h"

struct rows {
	uint32_t count;
	uint64_t after;   /* everything up to here was looked at */
	bool more;        /* there is more behind it */
};

/*
 * Appends {"rows":[…],"after":N,"more":B} to out. Looks at a bounded part of the inbox behind a->query.after_seq, so that it may find
 * nothing although there is something behind: then more is set. KW_ESTATE: after_seq is of a store that this one is not.
 */
KW_MUST_USE enum kw_err rows_put(struct buf *out, struct rows *r, struct node *n, const struct ask *a, struct kw_why *why);

#endif
