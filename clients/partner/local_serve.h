/* local_serve: what is answered to a request of the local socket. */
#ifndef KW_PARTNER_LOCAL_SERVE_H
#define KW_PARTNER_LOCAL_SERVE_H

#include "clients/partner/local_ask.h"

/*
 * Appends the result, one JSON object. KW_EAGAIN (inbox, state, fate and meant alone): nothing yet; with *again there may be something at the next look, else
 * when the node's inbox or outbox changed. over: the asker's time is over, so that this is the last look. Every other error has its sentence.
 */
KW_MUST_USE enum kw_err serve(struct buf *out, struct node *n, struct ask *a, bool over, bool *again, struct kw_why *why);

#endif
