/*
 * wire_decode: protobuf bytes to plain messages. The bytes are scanned first; protobuf-c then unpacks into one block that
 * is a small multiple of the input, so that no message can make it take more.
 */
#include "proto/wire.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "kurzweg/wire.pb-c.h"
#include "proto/parts.h"
#include "proto/scan.h"

#define FIELDS_MAX 4096u     /* of the largest: stored with 128 items */
#define BLOCK_FIRST 4096u    /* the control itself and its one message */
#define BLOCK_A_FIELD 96u    /* an empty sub-message is 2 bytes of input, a struct and a pointer of memory */

static enum kw_err
want_bytes(uint8_t *out, size_t len, ProtobufCBinaryData in, const char *field, struct kw_why *why)
{
	if (in.len != len)
		return kw_refuse(why, KW_EPROTO, "%s has %zu bytes, must have %zu", field, in.len, len);
	memcpy(out, in.data, len);
	return KW_OK;
}

/* Absent, or exactly len bytes. */
static enum kw_err
want_bytes_or_none(bool *has, uint8_t *out, size_t len, ProtobufCBinaryData in, const char *field, struct kw_why *why)
{
	*has = in.len != 0;
	return *has ? want_bytes(out, len, in, field, why) : KW_OK;
}

static enum kw_err
want_cursors(struct lane_cursor out[KW_LANES], size_t n, Kurzweg__LaneCursor **in, struct kw_why *why)
{
	if (n != KW_LANES)
		return kw_refuse(why, KW_EPROTO, "cursor has %zu entries, must have one for each of %d lanes", n, KW_LANES);
	for (size_t i = 0; i < KW_LANES; i++)
		out[i] = (struct lane_cursor){in[i]->log_epoch, in[i]->number};
	return KW_OK;
}

static enum kw_err
want_windows(struct lane_window out[KW_LANES], size_t n, Kurzweg__LaneWindow **in, struct kw_why *why)
{
	if (n != KW_LANES)
		return kw_refuse(why, KW_EPROTO, "window has %zu entries, must have one for each of %d lanes", n, KW_LANES);
	for (size_t i = 0; i < KW_LANES; i++)
		out[i] = (struct lane_window){in[i]->messages, in[i]->bytes};
	return KW_OK;
}

static enum kw_err
want_position(struct position *out, const Kurzweg__LogPosition *in, struct kw_why *why)
{
	if (in == NULL)
		return kw_refuse(why, KW_EPROTO, "the position is missing");
	if (in->lane >= KW_LANES)
		return kw_refuse(why, KW_EPROTO, "lane is %u, there are %d", in->lane, KW_LANES);
	*out = (struct position){in->log_epoch, (enum lane)in->lane, in->number};
	return KW_OK;
}

/* out is the message's own array, freed with it also when a filter is refused. */
static enum kw_err
want_filters(char (**out)[KW_TOPIC_MAX + 1], struct wire_msg *msg, uint32_t *count, size_t n, char **in, struct kw_why *why)
{
	char (*filters)[KW_TOPIC_MAX + 1];

	if (n > WIRE_FILTERS_MAX)
		return kw_refuse(why, KW_EPROTO, "%zu filters, at most %d are allowed", n, WIRE_FILTERS_MAX);
	*out = NULL;
	*count = 0;
	if (n == 0)
		return KW_OK;
	filters = calloc(n, sizeof *filters);
	if (filters == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for %zu filters", n);
	msg->arrays = filters;
	for (size_t i = 0; i < n; i++) {
		enum kw_err err = filter_check(in[i], why);

		if (err != KW_OK)
			return err == KW_ENOMEM ? err : KW_EPROTO;
		memcpy(filters[i], in[i], strlen(in[i]) + 1);
	}
	*out = filters;
	*count = (uint32_t)n;
	return KW_OK;
}

static enum kw_err
want_text(char *out, size_t room, const char *in, const char *field, struct kw_why *why)
{
	size_t len = strlen(in);

	if (len >= room)
		return kw_refuse(why, KW_EPROTO, "%s has %zu bytes, at most %zu are allowed", field, len, room - 1);
	if (text_unclean_at(span_str(in), TEXT_LINE) != SIZE_MAX)
		return kw_refuse(why, KW_EPROTO, "%s holds characters that may not be shown", field);
	memcpy(out, in, len + 1);
	return KW_OK;
}

static enum kw_err
decode_hello(struct wire_msg *msg, const Kurzweg__Hello *m, struct kw_why *why)
{
	struct wire_hello *out = &msg->hello;
	enum kw_err err;
	bool has_hash;

	out->protocol = m->protocol;
	out->sender_epoch = m->sender_epoch;
	out->agreement_version = m->agreement_version;
	out->seen.number = m->seen_number;
	if ((err = want_text(out->software, sizeof out->software, m->software, "software", why)) != KW_OK)
		return err;
	if ((err = want_bytes_or_none(&out->has_last_stored, out->last_stored, KW_ID_LEN, m->last_stored, "last_stored", why)) != KW_OK)
		return err;
	if ((err = want_bytes(out->agreement_hash, KW_HASH_LEN, m->agreement_hash, "agreement_hash", why)) != KW_OK)
		return err;
	if ((err = want_bytes_or_none(&has_hash, out->seen.hash, KW_HASH_LEN, m->seen_hash, "seen_hash", why)) != KW_OK)
		return err;
	if (has_hash != (m->seen_number != 0))
		return kw_refuse(why, KW_EPROTO, "seen_number and seen_hash must come together");
	if ((err = want_cursors(out->cursor, m->n_cursor, m->cursor, why)) != KW_OK)
		return err;
	if ((err = want_windows(out->window, m->n_window, m->window, why)) != KW_OK)
		return err;
	return want_filters(&out->filters, msg, &out->filter_count, m->n_filters, m->filters, why);
}

static enum kw_err
decode_welcome(struct wire_welcome *out, const Kurzweg__Welcome *m, struct kw_why *why)
{
	enum kw_err err;

	if (m->n_epoch_start != KW_LANES || m->n_tail != KW_LANES)
		return kw_refuse(why, KW_EPROTO, "epoch_start and tail must have one number for each of %d lanes", KW_LANES);
	memcpy(out->epoch_start, m->epoch_start, sizeof out->epoch_start);
	memcpy(out->tail, m->tail, sizeof out->tail);
	out->log_epoch = m->log_epoch;
	out->agreement_version = m->agreement_version;
	out->now_ms = m->now_ms;
	if ((err = want_cursors(out->cursor, m->n_cursor, m->cursor, why)) != KW_OK)
		return err;
	if ((err = want_bytes_or_none(&out->has_commit, out->commit, WIRE_COMMIT_LEN, m->commit, "commit", why)) != KW_OK)
		return err;
	if ((err = want_bytes_or_none(&out->has_last_stored, out->last_stored, KW_ID_LEN, m->last_stored, "last_stored", why)) != KW_OK)
		return err;
	if ((err = want_bytes(out->agreement_hash, KW_HASH_LEN, m->agreement_hash, "agreement_hash", why)) != KW_OK)
		return err;
	return want_windows(out->window, m->n_window, m->window, why);
}

static enum kw_err
decode_stored_item(struct wire_stored_item *out, const Kurzweg__StoredItem *m, struct kw_why *why)
{
	enum kw_err err;

	if ((err = want_bytes(out->id, KW_ID_LEN, m->id, "id", why)) != KW_OK)
		return err;
	if ((err = want_position(&out->at, m->at, why)) != KW_OK)
		return err;
	if (m->path.len % KW_HASH_LEN != 0 || m->path.len / KW_HASH_LEN > KW_PATH_MAX)
		return kw_refuse(why, KW_EPROTO, "path has %zu bytes, must be at most %d hashes of %d", m->path.len, KW_PATH_MAX, KW_HASH_LEN);
	out->index = m->index;
	out->path_len = (uint32_t)(m->path.len / KW_HASH_LEN);
	if (m->path.len != 0)
		memcpy(out->path, m->path.data, m->path.len);
	return KW_OK;
}

static enum kw_err
decode_stored(struct wire_msg *msg, const Kurzweg__Stored *m, struct kw_why *why)
{
	struct wire_stored *out = &msg->stored;
	enum kw_err err = want_bytes(out->commit, WIRE_COMMIT_LEN, m->commit, "commit", why);

	if (err != KW_OK)
		return err;
	if (m->n_items < 1 || m->n_items > WIRE_STORED_MAX)
		return kw_refuse(why, KW_EPROTO, "stored has %zu items, must have 1 to %d", m->n_items, WIRE_STORED_MAX);
	out->count = (uint32_t)m->n_items;
	out->items = calloc(m->n_items, sizeof *out->items);
	if (out->items == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for %zu stored items", m->n_items);
	msg->arrays = out->items;
	for (size_t i = 0; i < m->n_items; i++)
		if ((err = decode_stored_item(&out->items[i], m->items[i], why)) != KW_OK)
			return err;
	return KW_OK;
}

static enum kw_err
decode_refused(struct wire_refused *out, const Kurzweg__Refused *m, struct kw_why *why)
{
	enum kw_err err;

	if (m->code < CODE_MALFORMED || m->code > CODE_LAST)
		return kw_refuse(why, KW_EPROTO, "code %u is unknown", m->code);
	out->code = (enum wire_code)m->code;
	out->wait_ms = m->wait_ms;
	if ((err = want_bytes_or_none(&out->has_id, out->id, KW_ID_LEN, m->id, "id", why)) != KW_OK)
		return err;
	return want_text(out->text, sizeof out->text, m->text, "text", why);
}

static enum kw_err
decode_deliver(struct wire_deliver *out, const Kurzweg__Deliver *m, struct kw_why *why)
{
	enum kw_err err = want_position(&out->at, m->at, why);

	if (err != KW_OK)
		return err;
	if (m->mark > MARK_ENTRY)
		return kw_refuse(why, KW_EPROTO, "mark %u is unknown", m->mark);
	out->commit = m->commit;
	out->mark = (enum wire_mark)m->mark;
	return want_bytes_or_none(&out->has_wrap, out->wrap, KW_WRAP_LEN, m->wrap, "wrap", why);
}

static struct span
span_from(ProtobufCBinaryData b)
{
	return span_of(b.data, b.len);
}

static enum kw_err
decode_publish(struct wire_msg *out, const Kurzweg__Publish *m, struct kw_why *why)
{
	if (m->wraps.len == 0 || m->wraps.len % KW_WRAP_LEN != 0)
		return kw_refuse(why, KW_EPROTO, "wraps have %zu bytes, must be %d for each reader", m->wraps.len, KW_WRAP_LEN);
	out->publish.wraps = span_from(m->wraps);
	out->publish.round = m->round;
	return KW_OK;
}

static enum kw_err
decode_agreement(struct wire_agreement *out, const Kurzweg__AgreementText *m, struct kw_why *why)
{
	*out = (struct wire_agreement){m->version, m->part, m->total, span_from(m->text), span_from(m->sigs)};
	return part_check(m->part, m->total, out->text, out->sigs, why);
}

static enum kw_err
decode_admin(struct wire_admin *out, const Kurzweg__Admin *m, struct kw_why *why)
{
	if (m->verb < ADMIN_STATUS || m->verb > ADMIN_AUDIT)
		return kw_refuse(why, KW_EPROTO, "request %u is unknown", m->verb);
	*out = (struct wire_admin){m->request, (enum admin_verb)m->verb, span_from(m->text), span_from(m->sigs), m->part, m->total};
	if (out->verb == ADMIN_INSTALL)
		return part_check(m->part, m->total, out->text, out->sigs, why);
	if (m->total != 0 || (m->part != 0 && out->verb != ADMIN_AGREEMENT))
		return kw_refuse(why, KW_EPROTO, "request %u has no parts", m->verb);
	return KW_OK;
}

static enum kw_err
decode_admin_reply(struct wire_admin_reply *out, const Kurzweg__AdminReply *m, struct kw_why *why)
{
	*out = (struct wire_admin_reply){m->request, m->ok, span_from(m->text), m->part, m->total, m->version};
	if (m->total != 0)
		return part_check(m->part, m->total, out->text, span_of(NULL, 0), why);
	if (m->part != 0)
		return kw_refuse(why, KW_EPROTO, "a part of nothing");
	return KW_OK;
}

static enum kw_err
decode_which(struct wire_msg *out, const Kurzweg__Control *c, struct kw_why *why)
{
	switch (out->kind) {
	case WIRE_HELLO:
		return decode_hello(out, c->hello, why);
	case WIRE_WELCOME:
		return decode_welcome(&out->welcome, c->welcome, why);
	case WIRE_PUBLISH:
		return decode_publish(out, c->publish, why);
	case WIRE_STORED:
		return decode_stored(out, c->stored, why);
	case WIRE_REFUSED:
		return decode_refused(&out->refused, c->refused, why);
	case WIRE_DELIVER:
		return decode_deliver(&out->deliver, c->deliver, why);
	case WIRE_ACK:
		return want_cursors(out->ack.cursor, c->ack->n_cursor, c->ack->cursor, why);
	case WIRE_BEAT:
		return want_bytes_or_none(&out->beat.has_commit, out->beat.commit, WIRE_COMMIT_LEN, c->beat->commit, "commit", why);
	case WIRE_AGREEMENT_GET:
		out->agreement_get.version = c->agreement_get->version;
		out->agreement_get.part = c->agreement_get->part;
		return KW_OK;
	case WIRE_AGREEMENT:
		return decode_agreement(&out->agreement, c->agreement, why);
	case WIRE_SUBSCRIBE:
		return want_filters(&out->subscribe.filters, out, &out->subscribe.filter_count, c->subscribe->n_filters,
		                    c->subscribe->filters, why);
	case WIRE_ADMIN:
		return decode_admin(&out->admin, c->admin, why);
	case WIRE_ADMIN_REPLY:
		return decode_admin_reply(&out->admin_reply, c->admin_reply, why);
	}
	return KW_EPROTO;
}

/* The kind is which member is there; exactly one must be. Members stand in the order of enum wire_kind. */
static enum kw_err
which_kind(enum wire_kind *out, const Kurzweg__Control *c, struct kw_why *why)
{
	const void *const members[] = {c->hello, c->welcome, c->publish, c->stored, c->refused, c->deliver, c->ack, c->beat,
	                               c->agreement_get, c->agreement, c->subscribe, c->admin, c->admin_reply};
	size_t found = 0;

	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		if (members[i] == NULL)
			continue;
		found++;
		*out = (enum wire_kind)(i + 1);
	}
	if (found != 1)
		return kw_refuse(why, KW_EPROTO, "a control holds %zu messages, must hold one", found);
	return KW_OK;
}

enum kw_err
wire_decode(struct wire_msg *out, struct span in, struct kw_why *why)
{
	struct block block;
	Kurzweg__Control *c;
	size_t fields_max, room;
	void *memory;
	enum kw_err err;

	if (in.len == 0 || in.len > KW_CONTROL_MAX)
		return kw_refuse(why, KW_EPROTO, "a control has %zu bytes, must have 1 to %u", in.len, KW_CONTROL_MAX);
	if ((err = scan_message(in, &kurzweg__control__descriptor, FIELDS_MAX, why)) != KW_OK)
		return err;
	fields_max = in.len / 2 < FIELDS_MAX ? in.len / 2 : FIELDS_MAX;
	room = BLOCK_FIRST + in.len + fields_max * BLOCK_A_FIELD;
	if ((memory = malloc(room)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a control of %zu bytes", in.len);
	memset(out, 0, sizeof *out);
	block_init(&block, memory, room);
	c = kurzweg__control__unpack(&block.allocator, in.len, in.p);
	if (c == NULL) {
		err = kw_refuse(why, KW_EPROTO, "a control of %zu bytes cannot be unpacked", in.len);
		goto free_block;
	}
	if ((err = which_kind(&out->kind, c, why)) != KW_OK)
		goto free_block;
	if ((err = decode_which(out, c, why)) != KW_OK)
		goto free_block;
	out->memory = memory;
	return KW_OK;
free_block:
	free(out->arrays);
	free(memory);
	memset(out, 0, sizeof *out);
	return err;
}

void
wire_msg_clear(struct wire_msg *m)
{
	free(m->arrays);
	free(m->memory);
	m->arrays = NULL;
	m->memory = NULL;
}
