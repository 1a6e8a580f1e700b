/*
 * source: asks one broker or one node how it stands, and remembers the answer for a second, so that whoever asks the exporter
 * more often costs nobody anything. One thread; an answer is waited for SOURCE_TIMEOUT_MS at most.
 */
#ifndef KW_EXPORTER_SOURCE_H
#define KW_EXPORTER_SOURCE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

#define SOURCE_TIMEOUT_MS 5000u /* Prometheus itself waits 10 s if nobody says otherwise */
#define SOURCE_FRESH_MS 1000u

struct source_way {                      /* all borrowed; exactly one of control, key and socket */
	const char *control;             /* the broker's socket on this machine */
	const char *key, *broker, *agreement; /* an operator's key; the broker's endpoint (NULL: the agreement's first); the agreement's file */
	const char *socket;              /* the node's socket on this machine */
	bool nodes;                      /* a line for each of the broker's nodes too */
};

struct source;

/* Asks nobody yet; reads key and agreement. The refusals of reading them, KW_EINVAL: an endpoint that is none. */
KW_MUST_USE enum kw_err source_open(struct source **out, const struct source_way *way, struct kw_why *why);
void source_close(struct source **s);

/* The text for Prometheus, also where nobody answered; borrowed until the next call. KW_ENOMEM: none. */
KW_MUST_USE enum kw_err source_text(struct span *out, struct source *s);
const char *source_trouble(const struct source *s); /* why the last answer failed, "" when it did not */

#endif
