/*
 * scan: walks protobuf wire bytes before anything unpacks them, by the generated descriptor. protobuf-c copies unknown
 * fields (60 bytes of heap for 2 of input), takes the last of duplicates and recurses without limit; so nothing reaches
 * it that was not walked here. Seen by the codecs of proto/ alone.
 *
 * Refused, with the offset and the field's path: truncated or over-long varints (more than 10 bytes, or not shortest),
 * tag 0, wire types 3, 4, 6, 7, lengths beyond the end, unknown fields, fields out of ascending order, a singular field
 * twice, a wire type that is not the field's (packed where the descriptor says so), depth over SCAN_DEPTH_MAX, more
 * than max_fields fields in all, explicit default values of proto3 singular scalars (non canonical), enum values the
 * descriptor does not have, booleans other than 1, NaN and infinity, strings that are not clean multi-line text.
 */
#ifndef KW_PROTO_SCAN_H
#define KW_PROTO_SCAN_H

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "base/span.h"

#define SCAN_DEPTH_MAX 8

KW_MUST_USE enum kw_err scan_message(struct span in, const ProtobufCMessageDescriptor *desc, uint32_t max_fields,
                                     struct kw_why *why);

/* An allocator for protobuf-c that gives out at most limit bytes in all; unpack then fails as it does for lack of memory. */
struct capped {
	ProtobufCAllocator allocator; /* hand &c.allocator to unpack and free_unpacked */
	size_t left;
};
void capped_init(struct capped *c, size_t limit);

/* The same out of memory that is there: gives it out front to back, takes none back, fails when it is used up. p is aligned as malloc's. */
struct block {
	ProtobufCAllocator allocator;
	uint8_t *p;
	size_t at, cap;
};
void block_init(struct block *b, void *p, size_t cap);

#endif
