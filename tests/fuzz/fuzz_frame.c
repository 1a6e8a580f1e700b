/* Any bytes as a sealed frame: what is taken is whole, in its parts, with nothing left over. */
#include "fuzz.h"
#include "proto/frame.h"

static void
parts_fill_the_whole(const struct frame *f, const uint8_t *p, size_t len)
{
	HOLDS(f->whole.p == p && f->whole.len == len, "whole");
	HOLDS(f->head.p == p && f->head.len == 8 + f->header.len + 3 * 32 + KW_SIG_LEN, "head");
	HOLDS(f->header.p == p + 8 && f->header.len >= 1 && f->header.len <= KW_HEADER_MAX, "header");
	HOLDS(f->ephemeral == f->header.p + f->header.len && f->commitment == f->ephemeral + 32 && f->body_hash == f->commitment + 32, "fixed parts");
	HOLDS(f->signature == f->body_hash + 32 && f->signature + KW_SIG_LEN == p + f->head.len, "signature");
	HOLDS(f->to_ephemeral.p == p && f->to_ephemeral.p + f->to_ephemeral.len == f->commitment, "what the context covers");
	HOLDS(f->signed_part.p == p && f->signed_part.p + f->signed_part.len == f->signature, "what is signed");
	HOLDS(f->has_body ? f->body.p == p + f->head.len + 4 && f->head.len + 4 + f->body.len == len && f->body.len <= KW_BODY_MAX : f->head.len == len, "body");
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct frame f;
	struct kw_why why;
	enum kw_err whole = frame_parse(&f, span_of(p, len), FRAME_WHOLE, &why);
	enum kw_err bare;

	if (whole == KW_OK)
		parts_fill_the_whole(&f, p, len);
	bare = frame_parse(&f, span_of(p, len), FRAME_BARE, &why);
	HOLDS(whole != KW_OK || bare != KW_OK, "both whole and bare");
	if (frame_parse(&f, span_of(p, len), FRAME_EITHER, &why) == KW_OK) {
		HOLDS(f.has_body ? whole == KW_OK : bare == KW_OK, "either is one of both");
		parts_fill_the_whole(&f, p, len);
	} else {
		HOLDS(whole != KW_OK && bare != KW_OK, why.text);
	}
	return 0;
}
