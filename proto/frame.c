/* frame: the fixed layout of a sealed notification; lengths first, then nothing but pointers. */
#include "proto/frame.h"

#include <string.h>

static const uint8_t magic[3] = {'K', 'W', 'Z'};
#define SUITE_1 '1'

static enum kw_err
parse_start(struct cursor *c, uint32_t *header_len, struct kw_why *why)
{
	const uint8_t *start = cursor_take(c, 4);

	if (start == NULL || memcmp(start, magic, sizeof magic) != 0)
		return kw_refuse(why, KW_EPROTO, "no notification: it does not begin with KWZ");
	if (start[3] != SUITE_1)
		return kw_refuse(why, KW_EPROTO, "suite 0x%02x at offset 3 is unknown, only 1 is; is this node's software too old?", start[3]);
	*header_len = cursor_u32(c);
	if (c->bad || *header_len < 1 || *header_len > KW_HEADER_MAX)
		return kw_refuse(why, KW_EPROTO, "header length %u at offset 4, must be 1 to %d", *header_len, KW_HEADER_MAX);
	return KW_OK;
}

static enum kw_err
parse_body(struct frame *out, struct cursor *c, enum frame_want want, struct kw_why *why)
{
	uint32_t len;

	if (cursor_left(c) == 0) {
		if (want == FRAME_WHOLE)
			return kw_refuse(why, KW_EPROTO, "the body is missing behind offset %zu", out->head.len);
		return KW_OK;
	}
	if (want == FRAME_BARE)
		return kw_refuse(why, KW_EPROTO, "a bare head ends at offset %zu, there are %zu bytes more", out->head.len, cursor_left(c));
	len = cursor_u32(c);
	if (c->bad || len < 1 || len > KW_BODY_MAX)
		return kw_refuse(why, KW_EPROTO, "body length %u at offset %zu, must be 1 to %u", len, out->head.len, KW_BODY_MAX);
	if (cursor_left(c) != len)
		return kw_refuse(why, KW_EPROTO, "the body has %zu bytes, its length says %u", cursor_left(c), len);
	out->body = span_of(cursor_take(c, len), len);
	out->has_body = true;
	return KW_OK;
}

enum kw_err
frame_parse(struct frame *out, struct span in, enum frame_want want, struct kw_why *why)
{
	struct cursor c = cursor_over(in);
	struct frame f = {.whole = in};
	uint32_t header_len = 0;
	const uint8_t *header;
	enum kw_err err;

	if (in.len > KW_FRAME_MAX)
		return kw_refuse(why, KW_EPROTO, "a notification of %zu bytes, at most %u are allowed", in.len, KW_FRAME_MAX);
	if ((err = parse_start(&c, &header_len, why)) != KW_OK)
		return err;
	header = cursor_take(&c, header_len);
	f.ephemeral = cursor_take(&c, KW_KEY_LEN);
	f.commitment = cursor_take(&c, KW_HASH_LEN);
	f.body_hash = cursor_take(&c, KW_HASH_LEN);
	f.signature = cursor_take(&c, KW_SIG_LEN);
	if (c.bad)
		return kw_refuse(why, KW_EPROTO, "a notification of %zu bytes is cut off before its signature ends", in.len);
	f.header = span_of(header, header_len);
	f.to_ephemeral = span_of(in.p, (size_t)(f.commitment - in.p));
	f.signed_part = span_of(in.p, (size_t)(f.signature - in.p));
	f.head = span_of(in.p, (size_t)(c.at - in.p));
	if ((err = parse_body(&f, &c, want, why)) != KW_OK)
		return err;
	*out = f;
	return KW_OK;
}
