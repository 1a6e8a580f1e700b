/*
 * handout: a copy of store and audit trail, handed out piece by piece to who makes a backup, while the broker serves. docs/protocol.md [O-8].
 *
 * The store copies itself into a pipe, in a thread of its own; the main thread takes from the pipe what is there when it is asked, and waits for
 * nothing. So the copy goes as fast as it is taken, and one that nobody takes any more ends: the pipe is closed. The trail's files follow, as far as
 * they stood when the copy was begun.
 */
#ifndef KW_BROKER_HANDOUT_H
#define KW_BROKER_HANDOUT_H

#include "backup/steps.h"
#include "base/err.h"
#include "base/span.h"
#include "broker/net/relay.h"

struct handout;

/* Appends the answer to begin. r's parts are borrowed. KW_ESTATE: the store cannot; KW_EIO, KW_EFULL, KW_ENOMEM. */
KW_MUST_USE enum kw_err handout_begin(struct handout **out, struct buf *answer, const struct relay *r, uint64_t wall_ms, uint64_t mono_ms, struct kw_why *why);
/* Appends one byte, an enum backup_piece, and the bytes. KW_ESTATE: out of turn, or another backup's; nothing changed. Else it failed, and is over. */
KW_MUST_USE enum kw_err handout_next(struct buf *answer, struct handout *h, const struct backup_ask *a, uint64_t mono_ms, struct kw_why *why);
/* Tells the log what became of it; from now on it only waits for its thread. */
KW_MUST_USE enum kw_err handout_end(struct handout *h, const struct backup_ask *a, uint64_t mono_ms, struct kw_why *why);
uint64_t handout_bytes(const struct handout *h); /* handed out so far */
/* Ends what nobody asks for any more, and frees what is over; *h is NULL then. */
void handout_tick(struct handout **h, uint64_t mono_ms);
void handout_free(struct handout **h); /* also in the middle; accepts &NULL. Waits until the copy has met that nobody reads */

#endif
