/* wire_encode: plain messages to protobuf bytes. What is encoded is ours: limits are promises here, not input. */
#include "proto/wire.h"

#include <string.h>

#include "kurzweg/wire.pb-c.h"

static ProtobufCBinaryData
bytes_of(const void *p, size_t len)
{
	union { /* the generated struct wants a pointer it may free; packing only reads it */
		const void *in;
		uint8_t *out;
	} u = {.in = p};

	return (ProtobufCBinaryData){len, u.out};
}

static char *
text_of(const char *text)
{
	union {
		const char *in;
		char *out;
	} u = {.in = text};

	return u.out;
}

static enum kw_err
pack(struct buf *out, const Kurzweg__Control *c)
{
	size_t len = kurzweg__control__get_packed_size(c);
	uint8_t *at = buf_reserve(out, len);

	if (at == NULL)
		return KW_ENOMEM;
	buf_commit(out, kurzweg__control__pack(c, at));
	return KW_OK;
}

struct lanes { /* the generated form of three cursors and three windows */
	Kurzweg__LaneCursor cursor[KW_LANES], *cursor_at[KW_LANES];
	Kurzweg__LaneWindow window[KW_LANES], *window_at[KW_LANES];
};

static void
lanes_fill(struct lanes *l, const struct lane_cursor *cursor, const struct lane_window *window)
{
	for (size_t i = 0; i < KW_LANES; i++) {
		kurzweg__lane_cursor__init(&l->cursor[i]);
		kurzweg__lane_window__init(&l->window[i]);
		l->cursor[i].log_epoch = cursor[i].log_epoch;
		l->cursor[i].number = cursor[i].number;
		if (window != NULL) {
			l->window[i].messages = window[i].messages;
			l->window[i].bytes = window[i].bytes;
		}
		l->cursor_at[i] = &l->cursor[i];
		l->window_at[i] = &l->window[i];
	}
}

static enum kw_err
encode_hello(struct buf *out, Kurzweg__Control *c, const struct wire_hello *h)
{
	Kurzweg__Hello m = KURZWEG__HELLO__INIT;
	char *filters[WIRE_FILTERS_MAX];
	struct lanes lanes;

	MUST(h->filter_count <= WIRE_FILTERS_MAX);
	lanes_fill(&lanes, h->cursor, h->window);
	for (uint32_t i = 0; i < h->filter_count; i++)
		filters[i] = text_of(h->filters[i]);
	m.protocol = h->protocol;
	m.software = text_of(h->software);
	m.sender_epoch = h->sender_epoch;
	if (h->has_last_stored)
		m.last_stored = bytes_of(h->last_stored, KW_ID_LEN);
	m.agreement_version = h->agreement_version;
	m.agreement_hash = bytes_of(h->agreement_hash, KW_HASH_LEN);
	m.seen_number = h->seen.number;
	if (h->seen.number != 0)
		m.seen_hash = bytes_of(h->seen.hash, KW_HASH_LEN);
	m.n_cursor = KW_LANES;
	m.cursor = lanes.cursor_at;
	m.n_window = KW_LANES;
	m.window = lanes.window_at;
	m.n_filters = h->filter_count;
	m.filters = filters;
	c->hello = &m;
	return pack(out, c);
}

static enum kw_err
encode_welcome(struct buf *out, Kurzweg__Control *c, const struct wire_welcome *w)
{
	Kurzweg__Welcome m = KURZWEG__WELCOME__INIT;
	uint64_t start[KW_LANES], tail[KW_LANES];
	struct lanes lanes;

	lanes_fill(&lanes, w->cursor, w->window);
	memcpy(start, w->epoch_start, sizeof start);
	memcpy(tail, w->tail, sizeof tail);
	m.log_epoch = w->log_epoch;
	m.n_epoch_start = KW_LANES;
	m.epoch_start = start;
	m.n_tail = KW_LANES;
	m.tail = tail;
	m.n_cursor = KW_LANES;
	m.cursor = lanes.cursor_at;
	if (w->has_commit)
		m.commit = bytes_of(w->commit, WIRE_COMMIT_LEN);
	if (w->has_last_stored)
		m.last_stored = bytes_of(w->last_stored, KW_ID_LEN);
	m.agreement_version = w->agreement_version;
	m.agreement_hash = bytes_of(w->agreement_hash, KW_HASH_LEN);
	m.n_window = KW_LANES;
	m.window = lanes.window_at;
	m.now_ms = w->now_ms;
	c->welcome = &m;
	return pack(out, c);
}

static void
position_fill(Kurzweg__LogPosition *m, const struct position *at)
{
	kurzweg__log_position__init(m);
	m->log_epoch = at->log_epoch;
	m->lane = at->lane;
	m->number = at->number;
}

static enum kw_err
encode_stored(struct buf *out, Kurzweg__Control *c, const struct wire_stored *s)
{
	Kurzweg__Stored m = KURZWEG__STORED__INIT;
	Kurzweg__StoredItem item[WIRE_STORED_MAX], *item_at[WIRE_STORED_MAX];
	Kurzweg__LogPosition at[WIRE_STORED_MAX];

	MUST(s->count >= 1 && s->count <= WIRE_STORED_MAX);
	for (uint32_t i = 0; i < s->count; i++) {
		const struct wire_stored_item *from = &s->items[i];

		MUST(from->path_len <= KW_PATH_MAX);
		kurzweg__stored_item__init(&item[i]);
		position_fill(&at[i], &from->at);
		item[i].id = bytes_of(from->id, KW_ID_LEN);
		item[i].at = &at[i];
		item[i].index = from->index;
		item[i].path = bytes_of(from->path, (size_t)from->path_len * KW_HASH_LEN);
		item_at[i] = &item[i];
	}
	m.commit = bytes_of(s->commit, WIRE_COMMIT_LEN);
	m.n_items = s->count;
	m.items = item_at;
	c->stored = &m;
	return pack(out, c);
}

static enum kw_err
encode_refused(struct buf *out, Kurzweg__Control *c, const struct wire_refused *r)
{
	Kurzweg__Refused m = KURZWEG__REFUSED__INIT;

	m.code = r->code;
	if (r->has_id)
		m.id = bytes_of(r->id, KW_ID_LEN);
	m.wait_ms = r->wait_ms;
	m.text = text_of(r->text);
	c->refused = &m;
	return pack(out, c);
}

static enum kw_err
encode_deliver(struct buf *out, Kurzweg__Control *c, const struct wire_deliver *d)
{
	Kurzweg__Deliver m = KURZWEG__DELIVER__INIT;
	Kurzweg__LogPosition at;

	position_fill(&at, &d->at);
	m.at = &at;
	m.commit = d->commit;
	m.mark = d->mark;
	if (d->has_wrap)
		m.wrap = bytes_of(d->wrap, KW_WRAP_LEN);
	c->deliver = &m;
	return pack(out, c);
}

static enum kw_err
encode_ack(struct buf *out, Kurzweg__Control *c, const struct wire_ack *a)
{
	Kurzweg__Ack m = KURZWEG__ACK__INIT;
	struct lanes lanes;

	lanes_fill(&lanes, a->cursor, NULL);
	m.n_cursor = KW_LANES;
	m.cursor = lanes.cursor_at;
	c->ack = &m;
	return pack(out, c);
}

static enum kw_err
encode_subscribe(struct buf *out, Kurzweg__Control *c, const struct wire_subscribe *s)
{
	Kurzweg__Subscribe m = KURZWEG__SUBSCRIBE__INIT;
	char *filters[WIRE_FILTERS_MAX];

	MUST(s->filter_count <= WIRE_FILTERS_MAX);
	for (uint32_t i = 0; i < s->filter_count; i++)
		filters[i] = text_of(s->filters[i]);
	m.n_filters = s->filter_count;
	m.filters = filters;
	c->subscribe = &m;
	return pack(out, c);
}

static enum kw_err
encode_small(struct buf *out, Kurzweg__Control *c, const struct wire_msg *msg)
{
	Kurzweg__Publish publish = KURZWEG__PUBLISH__INIT;
	Kurzweg__Beat beat = KURZWEG__BEAT__INIT;
	Kurzweg__AgreementGet get = KURZWEG__AGREEMENT_GET__INIT;

	if (msg->kind == WIRE_PUBLISH) {
		publish.wraps = bytes_of(msg->publish.wraps.p, msg->publish.wraps.len);
		publish.round = msg->publish.round;
		c->publish = &publish;
	} else if (msg->kind == WIRE_BEAT) {
		if (msg->beat.has_commit)
			beat.commit = bytes_of(msg->beat.commit, WIRE_COMMIT_LEN);
		c->beat = &beat;
	} else {
		get.version = msg->agreement_get.version;
		get.part = msg->agreement_get.part;
		c->agreement_get = &get;
	}
	return pack(out, c);
}

static enum kw_err
encode_texts(struct buf *out, Kurzweg__Control *c, const struct wire_msg *msg)
{
	Kurzweg__AgreementText text = KURZWEG__AGREEMENT_TEXT__INIT;
	Kurzweg__Admin admin = KURZWEG__ADMIN__INIT;
	Kurzweg__AdminReply reply = KURZWEG__ADMIN_REPLY__INIT;

	if (msg->kind == WIRE_AGREEMENT) {
		text.version = msg->agreement.version;
		text.text = bytes_of(msg->agreement.text.p, msg->agreement.text.len);
		text.sigs = bytes_of(msg->agreement.sigs.p, msg->agreement.sigs.len);
		text.part = msg->agreement.part;
		text.total = msg->agreement.total;
		c->agreement = &text;
	} else if (msg->kind == WIRE_ADMIN) {
		admin.request = msg->admin.request;
		admin.verb = msg->admin.verb;
		admin.text = bytes_of(msg->admin.text.p, msg->admin.text.len);
		admin.sigs = bytes_of(msg->admin.sigs.p, msg->admin.sigs.len);
		admin.part = msg->admin.part;
		admin.total = msg->admin.total;
		c->admin = &admin;
	} else {
		reply.request = msg->admin_reply.request;
		reply.ok = msg->admin_reply.ok;
		reply.text = bytes_of(msg->admin_reply.text.p, msg->admin_reply.text.len);
		reply.part = msg->admin_reply.part;
		reply.total = msg->admin_reply.total;
		reply.version = msg->admin_reply.version;
		c->admin_reply = &reply;
	}
	return pack(out, c);
}

enum kw_err
wire_encode(struct buf *out, const struct wire_msg *m)
{
	Kurzweg__Control c = KURZWEG__CONTROL__INIT;

	switch (m->kind) {
	case WIRE_HELLO:
		return encode_hello(out, &c, &m->hello);
	case WIRE_WELCOME:
		return encode_welcome(out, &c, &m->welcome);
	case WIRE_STORED:
		return encode_stored(out, &c, &m->stored);
	case WIRE_REFUSED:
		return encode_refused(out, &c, &m->refused);
	case WIRE_DELIVER:
		return encode_deliver(out, &c, &m->deliver);
	case WIRE_ACK:
		return encode_ack(out, &c, &m->ack);
	case WIRE_SUBSCRIBE:
		return encode_subscribe(out, &c, &m->subscribe);
	case WIRE_PUBLISH:
	case WIRE_BEAT:
	case WIRE_AGREEMENT_GET:
		return encode_small(out, &c, m);
	case WIRE_AGREEMENT:
	case WIRE_ADMIN:
	case WIRE_ADMIN_REPLY:
		return encode_texts(out, &c, m);
	}
	MUST(false && "a kind of wire_msg");
	return KW_EINVAL;
}
