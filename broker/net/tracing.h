/*
 * tracing: the way of one notification, and what was refused, as JSON for an operator (docs/protocol.md [O-6], [O-7]). From signed headers,
 * cursors and what is remembered of refusals: no content, no wraps, nothing that is sealed. What it costs is bounded as that of headers.
 */
#ifndef KW_BROKER_TRACING_H
#define KW_BROKER_TRACING_H

#include "base/err.h"
#include "base/span.h"
#include "broker/net/headers.h"
#include "broker/net/relay.h"

#define TRACE_READERS 256u     /* of one answer */
#define TRACE_NEWEST 1024u     /* of each lane: where a piece of an id is looked for */
#define TRACE_REFUSALS 64u     /* of one answer */

struct trace_ask {
	uint8_t id[KW_ID_LEN];
	char sender[KW_NODE_MAX + 1];  /* "": whoever it was; the broker looks with all nodes */
	uint32_t readers_from;         /* the audience from here on */
	bool behind;                   /* what came about it, instead of itself: in lane, behind after */
	enum lane lane;
	uint64_t after;
};

/* {"id":"019b…","sender":"police/control-room","readers_from":0} or {"id":"019b…","lane":"urgent","after":17}, strictly. KW_EPROTO, KW_EINVAL, KW_ELIMIT. */
KW_MUST_USE enum kw_err trace_ask_read(struct trace_ask *out, struct span text, struct kw_why *why);
/* Appends the JSON, {"id":…,"found":false} where it is not in the log. KW_EAGAIN: the second's pages are used up. KW_EIO, KW_ECORRUPT: the store; KW_ENOMEM. */
KW_MUST_USE enum kw_err trace_put(struct buf *out, struct headers_budget *budget, const struct relay *r, const struct trace_ask *ask, struct kw_why *why);

#define EXPLAIN_PIECE_MIN 4u
struct explain_ask { char piece[37]; }; /* a whole id, or its beginning or end; lower case */
/* {"id":"019b…"}. KW_EPROTO, KW_EINVAL, KW_ELIMIT. */
KW_MUST_USE enum kw_err explain_ask_read(struct explain_ask *out, struct span text, struct kw_why *why);
/* What was refused under it, and of a piece the ids that it may stand for. The errors of trace_put. */
KW_MUST_USE enum kw_err explain_put(struct buf *out, struct headers_budget *budget, const struct relay *r, const struct explain_ask *ask, struct kw_why *why);

#endif
