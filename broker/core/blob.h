/*
 * blob: one notification's bytes, shared by all who still need them. The core counts references and reads the few words
 * below; what lies behind them (a ZeroMQ message, a buffer) is the driver's, who embeds this struct. One thread.
 */
#ifndef KW_BROKER_BLOB_H
#define KW_BROKER_BLOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct blob {
	uint32_t refs;
	void (*gone)(struct blob *b);  /* called when the last reference went */
	struct span head;              /* magic .. signature; of an entry: all of it */
	struct span body;              /* empty: gone, or an entry */
	uint8_t *wraps;                /* in the set's order; of what was read back for one reader: its own alone */
	uint32_t wraps_len;
	const char *topic;             /* NULL where nobody asked for it, and of a void */
	uint64_t expires_ms;
	bool receipt;                  /* does not expire for delivery */
	bool recalled;                 /* its sender took it back */
	bool entry;                    /* the broker's own */
};

static inline struct blob *
blob_ref(struct blob *b)
{
	b->refs++;
	return b;
}

/* NULL and &NULL are fine. */
static inline void
blob_unref(struct blob **b)
{
	if (b == NULL || *b == NULL)
		return;
	MUST((*b)->refs > 0);
	if (--(*b)->refs == 0)
		(*b)->gone(*b);
	*b = NULL;
}

/* Bytes that a window counts. */
static inline uint32_t
blob_bytes(const struct blob *b)
{
	return (uint32_t)(b->head.len + b->body.len);
}

#endif
