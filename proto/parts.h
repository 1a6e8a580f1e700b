/*
 * parts: an agreement's text in parts of KW_PART_LEN bytes, as it travels (docs/protocol.md, [O-2]): cut by who has it, put together by
 * who asks. Who puts together holds no more than what came, whatever the first part says of the whole.
 */
#ifndef KW_PROTO_PARTS_H
#define KW_PROTO_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/limits.h"

uint32_t part_count(size_t total);                     /* how many a text of that length has; 0 of nothing */
struct span part_cut(struct span text, uint32_t part); /* part < part_count(text.len) */
bool part_is_last(uint32_t part, size_t total);

/* Whether a part can be what it says: within the limits, as long as a part at its place is, signatures with the last alone. KW_EPROTO. */
KW_MUST_USE enum kw_err part_check(uint32_t part, size_t total, struct span text, struct span sigs, struct kw_why *why);

struct parts {                      /* {0}: nothing is collected */
	uint32_t total;             /* bytes of the whole; 0: nothing came yet */
	uint32_t next;              /* the part that is awaited */
	struct buf text, sigs;
};

/*
 * Takes the next of one text; it passed part_check. KW_OK: it is whole. KW_EAGAIN: p->next is awaited. KW_EEXISTS: it was here already, and
 * nothing changed. Else all that came is dropped: KW_EPROTO, it is of another whole or a part between is missing; KW_ENOMEM.
 */
KW_MUST_USE enum kw_err parts_take(struct parts *p, uint32_t part, size_t total, struct span text, struct span sigs, struct kw_why *why);
void parts_drop(struct parts *p);

#endif
