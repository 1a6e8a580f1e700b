/*
 * headers: who sent what on which topic and when, as JSON for an operator, a page at a time (docs/protocol.md [O-3]). Signed
 * headers alone: no content, no wraps, nothing that is sealed.
 */
#ifndef KW_BROKER_HEADERS_H
#define KW_BROKER_HEADERS_H

#include <jansson.h>

#include "base/err.h"
#include "base/span.h"
#include "broker/net/relay.h"

#define HEADERS_PAGE 256u          /* entries looked at for one answer */
#define HEADERS_PAGES_A_SECOND 200u /* of all operators together, so that reading back does not hold up what is under way */

struct headers_budget { uint64_t second; uint32_t pages; };

struct headers_ask {
	enum lane lane;
	uint64_t after;                /* a number in the lane; 0: begin at from_ms */
	uint64_t from_ms, to_ms;       /* by the time at which the broker stored it; to_ms itself is left out */
	char topic[KW_TOPIC_MAX + 1];  /* a filter; "" takes in all */
	bool receipts;                 /* delivered, opened and rejected too */
};

/* So many pages of this second's; false: they are used up. */
bool headers_spend(struct headers_budget *budget, uint32_t pages);
/* What a signed header says, with its place and when it was stored; NULL: out of memory. */
json_t *headers_row(const struct header *h, const struct position *at, uint64_t stored_ms);

/* {"lane":"urgent","from_ms":…,"to_ms":…,"after":0,"topic":"request/#","receipts":false}, strictly. KW_EPROTO, KW_EINVAL, KW_ELIMIT. */
KW_MUST_USE enum kw_err headers_ask_read(struct headers_ask *out, struct span text, struct kw_why *why);

/* Appends the page's JSON. KW_EAGAIN: the second's pages are used up. KW_EIO, KW_ECORRUPT: the store; KW_ENOMEM. */
KW_MUST_USE enum kw_err headers_put(struct buf *out, struct headers_budget *budget, const struct relay *r, const struct headers_ask *ask,
                                    struct kw_why *why);

#endif
