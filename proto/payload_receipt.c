/* payload_receipt: the payloads that programs write for programs, receipts and voids. */
#include <string.h>

#include "proto/payload.h"
#include "proto/payload_check.h"

static void
put_number(struct buf *out, const ProtobufCFieldDescriptor *f, uint64_t v)
{
	if (v != 0)
		wire_put_number(out, f, v);
}

static void
put_text(struct buf *out, const ProtobufCFieldDescriptor *f, const char *text)
{
	if (text != NULL && text[0] != '\0')
		wire_put_bytes(out, f, span_str(text));
}

/* Field number n of desc; our schemas number without gaps from 1. */
static const ProtobufCFieldDescriptor *
field(const ProtobufCMessageDescriptor *desc, unsigned n)
{
	MUST(n >= 1 && n <= desc->n_fields && desc->fields[n - 1].id == n);
	return &desc->fields[n - 1];
}

enum kw_err
receipt_encode(struct buf *out, const struct receipt_payload *r)
{
	const ProtobufCMessageDescriptor *desc = &kurzweg__receipt__descriptor, *item = &kurzweg__receipt_item__descriptor;

	MUST(r->count <= KW_RECEIPTS_MAX);
	for (uint32_t i = 0; i < r->count; i++) {
		struct buf inner = BUF_INIT(256);

		wire_put_bytes(&inner, field(item, 1), span_of(r->items[i].id, KW_ID_LEN));
		wire_put_bytes(&inner, field(item, 2), span_of(r->items[i].frame_hash, KW_HASH_LEN));
		put_number(&inner, field(item, 3), r->items[i].at_ms);
		if (!buf_ok(&inner))
			out->failed = true;
		else
			wire_put_bytes(out, field(desc, 1), buf_span(&inner));
		buf_free(&inner);
	}
	put_text(out, field(desc, 2), r->reason);
	put_text(out, field(desc, 3), r->as);
	if (r->has_text_hash)
		wire_put_bytes(out, field(desc, 4), span_of(r->text_hash, KW_HASH_LEN));
	return buf_ok(out) ? KW_OK : KW_ENOMEM;
}

static void
take_receipt(struct receipt_payload *out, const Kurzweg__Receipt *r)
{
	memset(out, 0, sizeof *out);
	out->count = (uint32_t)r->n_items;
	for (size_t i = 0; i < r->n_items; i++) {
		memcpy(out->items[i].id, r->items[i]->id.data, KW_ID_LEN);
		memcpy(out->items[i].frame_hash, r->items[i]->frame_hash.data, KW_HASH_LEN);
		out->items[i].at_ms = r->items[i]->at_ms;
	}
	memcpy(out->reason, r->reason, strlen(r->reason) + 1);
	memcpy(out->as, r->as, strlen(r->as) + 1);
	out->has_text_hash = r->text_hash.len == KW_HASH_LEN;
	if (out->has_text_hash)
		memcpy(out->text_hash, r->text_hash.data, KW_HASH_LEN);
}

enum kw_err
receipt_decode(struct receipt_payload *out, struct span in, struct kw_why *why)
{
	struct capped memory;
	ProtobufCMessage *msg;
	enum kw_err err;

	if ((err = payload_open_checked(&msg, &memory, PAYLOAD_RECEIPT, in, why)) != KW_OK)
		return err;
	take_receipt(out, (const Kurzweg__Receipt *)msg);
	payload_close(msg, &memory);
	return err;
}

enum kw_err
void_encode(struct buf *out, const struct void_number *numbers, size_t n, const char *reason)
{
	const ProtobufCMessageDescriptor *desc = &kurzweg__void__descriptor, *item = &kurzweg__void_number__descriptor;

	MUST(n > 0);
	for (size_t i = 0; i < n; i++) {
		struct buf inner = BUF_INIT(256);

		put_text(&inner, field(item, 1), numbers[i].node);
		put_number(&inner, field(item, 2), numbers[i].number);
		if (!buf_ok(&inner))
			out->failed = true;
		else
			wire_put_bytes(out, field(desc, 1), buf_span(&inner));
		buf_free(&inner);
	}
	put_text(out, field(desc, 2), reason);
	return buf_ok(out) ? KW_OK : KW_ENOMEM;
}

/* Two numbers for one reader would let the sender choose later which gap it explains. */
static enum kw_err
find_number(uint64_t *number, const Kurzweg__Void *v, const char *node, struct kw_why *why)
{
	uint64_t found = 0;

	for (size_t i = 0; i < v->n_numbers; i++) {
		if (strcmp(v->numbers[i]->node, node) != 0)
			continue;
		if (found != 0)
			return kw_refuse(why, KW_EINVAL, "Void.numbers[%zu].node: %s stands there twice", i, node);
		found = v->numbers[i]->number;
	}
	if (found == 0)
		return kw_refuse(why, KW_ENOTFOUND, "Void.numbers: none is for %s", node);
	*number = found;
	return KW_OK;
}

enum kw_err
void_decode(uint64_t *number, struct span in, const char *node, struct kw_why *why)
{
	struct capped memory;
	ProtobufCMessage *msg;
	enum kw_err err;

	if ((err = payload_open_checked(&msg, &memory, PAYLOAD_VOID, in, why)) != KW_OK)
		return err;
	err = find_number(number, (const Kurzweg__Void *)msg, node, why);
	payload_close(msg, &memory);
	return err;
}
