/* payload_release: what a released carries around its content, written and read without copying it. */
#include <string.h>

#include "proto/payload.h"
#include "proto/payload_check.h"

static const ProtobufCFieldDescriptor *
field(const ProtobufCMessageDescriptor *desc, unsigned n)
{
	MUST(n >= 1 && n <= desc->n_fields && desc->fields[n - 1].id == n);
	return &desc->fields[n - 1];
}

/* Of tag, length and the bytes of one field: what they have at most. */
static size_t
room(size_t len)
{
	return len + 16;
}

static bool
fits(const struct buf *out, const struct release_payload *r)
{
	size_t len = out->len + room(r->content.len) + room(r->draft.len);

	for (uint32_t i = 0; i < r->count; i++) {
		if (r->approvals[i].head.len > KW_HEAD_MAX || r->approvals[i].body.len > KW_APPROVAL_BODY_MAX)
			return false;
		len += room(room(r->approvals[i].head.len) + room(r->approvals[i].body.len) + room(KW_KEY_LEN));
	}
	return len <= out->max;
}

enum kw_err
release_encode(struct buf *out, const struct release_payload *r)
{
	const ProtobufCMessageDescriptor *desc = &kurzweg__release__descriptor, *approval = &kurzweg__approval__descriptor;

	MUST(r->count >= 1 && r->count <= KW_APPROVALS_MAX);
	if (!fits(out, r))
		return KW_ELIMIT;
	wire_put_bytes(out, field(desc, 1), r->content);
	wire_put_bytes(out, field(desc, 2), r->draft);
	for (uint32_t i = 0; i < r->count; i++) {
		struct buf inner = BUF_INIT(KW_HEAD_MAX + KW_APPROVAL_BODY_MAX + 128);

		wire_put_bytes(&inner, field(approval, 1), r->approvals[i].head);
		wire_put_bytes(&inner, field(approval, 2), r->approvals[i].body);
		wire_put_bytes(&inner, field(approval, 3), span_of(r->approvals[i].key, KW_KEY_LEN));
		if (!buf_ok(&inner))
			out->failed = true;
		else
			wire_put_bytes(out, field(desc, 3), buf_span(&inner));
		buf_free(&inner);
	}
	return buf_ok(out) ? KW_OK : KW_ENOMEM;
}

/* The next field, all of which have a length. The bytes were scanned: they end where they must. */
static struct span
next_field(unsigned *number, struct cursor *c)
{
	uint64_t len = 0;
	unsigned shift = 0;
	uint8_t byte;

	*number = cursor_u8(c) >> 3; /* ours are below 16, so a tag is one byte */
	do {
		byte = cursor_u8(c);
		len |= (uint64_t)(byte & 0x7F) << shift;
		shift += 7;
	} while ((byte & 0x80) != 0 && shift < 35);
	return span_of(cursor_take(c, (size_t)len), (size_t)len);
}

enum kw_err
release_decode(struct release_payload *out, struct span in, struct kw_why *why)
{
	struct cursor c = cursor_over(in);
	enum kw_err err = payload_check(PAYLOAD_RELEASE, in, why);

	if (err != KW_OK)
		return err;
	memset(out, 0, sizeof *out);
	while (cursor_left(&c) > 0) {
		unsigned number, inner_number;
		struct span value = next_field(&number, &c);
		struct cursor inner = cursor_over(value);

		if (number == 1)
			out->content = value;
		else if (number == 2)
			out->draft = value;
		else {
			MUST(number == 3 && out->count < KW_APPROVALS_MAX);
			out->approvals[out->count].head = next_field(&inner_number, &inner);
			out->approvals[out->count].body = next_field(&inner_number, &inner);
			out->approvals[out->count].key = next_field(&inner_number, &inner).p;
			MUST(!inner.bad);
			out->count++;
		}
		MUST(!c.bad);
	}
	return KW_OK;
}

struct span
release_content(enum notice_type type, struct span payload)
{
	struct cursor c = cursor_over(payload);
	struct span content;
	unsigned number;

	if (type != TYPE_RELEASED || payload.len == 0)
		return payload;
	content = next_field(&number, &c);
	return number == 1 && !c.bad ? content : span_of(NULL, 0);
}
