/*
 * frame: the fixed layout of a sealed notification, parsed by hand (docs/protocol.md [S-2]).
 *
 *   4 "KWZ1"  4 header length  h header  32 ephemeral  32 commitment  32 body hash  64 signature  4 body length  n body
 *
 * head = everything before the body's length; a bare head is delivered where the body is gone.
 */
#ifndef KW_PROTO_FRAME_H
#define KW_PROTO_FRAME_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/limits.h"

struct frame { /* spans into the bytes given */
	struct span whole;
	struct span head;        /* magic .. signature */
	struct span header;      /* the protobuf bytes */
	struct span signed_part; /* magic .. body hash: what the signature and the frame hash cover */
	struct span to_ephemeral;/* magic .. ephemeral: what ctx covers */
	const uint8_t *ephemeral;   /* 32 */
	const uint8_t *commitment;  /* 32 */
	const uint8_t *body_hash;   /* 32 */
	const uint8_t *signature;   /* 64 */
	bool has_body;           /* false: a bare head */
	struct span body;
};

enum frame_want { FRAME_WHOLE, FRAME_BARE, FRAME_EITHER };

/* KW_EPROTO names offset, value and limit: magic, suite, header length 1..KW_HEADER_MAX, body length 1..KW_BODY_MAX, nothing left over. */
KW_MUST_USE enum kw_err frame_parse(struct frame *out, struct span in, enum frame_want want, struct kw_why *why);

#endif
