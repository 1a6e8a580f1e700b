/*
 * rival_amqp: AMQP 0-9-1, as RabbitMQ speaks it. A fanout exchange; each reader a quorum queue of its own; publisher confirms, and one
 * acknowledgement for all that came together.
 */
#include <string.h>

#include "rival.h"

#define METHOD(class_, method_) ((uint32_t)(class_) << 16 | (method_))
enum {
	CONNECTION_START = METHOD(10, 10), CONNECTION_START_OK = METHOD(10, 11), CONNECTION_TUNE = METHOD(10, 30), CONNECTION_TUNE_OK = METHOD(10, 31),
	CONNECTION_OPEN = METHOD(10, 40), CONNECTION_OPEN_OK = METHOD(10, 41), CONNECTION_CLOSE = METHOD(10, 50),
	CHANNEL_OPEN = METHOD(20, 10), CHANNEL_OPEN_OK = METHOD(20, 11), CHANNEL_CLOSE = METHOD(20, 40),
	EXCHANGE_DECLARE = METHOD(40, 10), EXCHANGE_DECLARE_OK = METHOD(40, 11), EXCHANGE_DELETE = METHOD(40, 20), EXCHANGE_DELETE_OK = METHOD(40, 21),
	QUEUE_DECLARE = METHOD(50, 10), QUEUE_DECLARE_OK = METHOD(50, 11), QUEUE_BIND = METHOD(50, 20), QUEUE_BIND_OK = METHOD(50, 21),
	QUEUE_DELETE = METHOD(50, 40), QUEUE_DELETE_OK = METHOD(50, 41),
	BASIC_QOS = METHOD(60, 10), BASIC_QOS_OK = METHOD(60, 11), BASIC_CONSUME = METHOD(60, 20), BASIC_CONSUME_OK = METHOD(60, 21),
	BASIC_PUBLISH = METHOD(60, 40), BASIC_DELIVER = METHOD(60, 60), BASIC_ACK = METHOD(60, 80), BASIC_NACK = METHOD(60, 120),
	CONFIRM_SELECT = METHOD(85, 10), CONFIRM_SELECT_OK = METHOD(85, 11),
};
enum { FRAME_METHOD = 1, FRAME_HEADER, FRAME_BODY, FRAME_HEARTBEAT = 8 };

#define FRAME_END 0xCEu
#define HEAD_LEN 7u
#define FRAME_ROOM 8u                   /* head and end */
#define BASIC 60u
#define DURABLE 2u
#define DELIVERY_MODE 0x1000u           /* the one property that is set: */
#define PERSISTENT 2u
#define WINDOW 4096u                    /* publishes that may be unconfirmed */

struct amqp {
	bool made;                      /* exchange or queue */
	uint32_t frame_max;
	uint64_t published, lowest;     /* confirmed are all up to lowest */
	bool confirmed[WINDOW];         /* those behind it */
	uint64_t delivered, acknowledged; /* delivery tags */
	bool in_content;
	uint64_t content_left;
	struct buf content;             /* one that came in several */
};

/* ---- sending ---- */

struct method { size_t at; };           /* where its frame begins in r->out */

static struct method
frame_begin(struct rival *r, uint8_t kind, uint16_t channel)
{
	struct method m = {r->out.len};

	buf_put_u8(&r->out, kind);
	buf_put_u16(&r->out, channel);
	buf_put_u32(&r->out, 0);
	return m;
}

static struct method
method_begin(struct rival *r, uint32_t method)
{
	struct method m = frame_begin(r, FRAME_METHOD, method >> 16 == 10 ? 0 : 1);

	buf_put_u32(&r->out, method);
	return m;
}

static void
frame_end(struct rival *r, struct method m)
{
	if (buf_ok(&r->out))
		be32_put(r->out.p + m.at + 3, (uint32_t)(r->out.len - m.at - HEAD_LEN));
	buf_put_u8(&r->out, FRAME_END);
}

static void
put_short(struct rival *r, const char *text)
{
	buf_put_u8(&r->out, (uint8_t)strlen(text));
	buf_put_str(&r->out, text);
}

static void
put_long(struct rival *r, const char *text, size_t len)
{
	buf_put_u32(&r->out, (uint32_t)len);
	buf_put(&r->out, text, len);
}

static void
put_queue(struct rival *r)
{
	buf_put_u8(&r->out, (uint8_t)(strlen(r->run) + 1 + strlen(r->name)));
	buf_printf(&r->out, "%s-%s", r->run, r->name);
}

static void
begin(struct rival *r)
{
	struct amqp *s = r->state;

	s->content = BUF_INIT(RIVAL_UNIT_MAX);
	buf_put(&r->out, "AMQP\0\0\x09\x01", 8);
}

static void
again(struct rival *r)
{
	struct amqp *s = r->state;

	buf_free(&s->content);
	*s = (struct amqp){.made = true};
	begin(r);
}

static void
log_in(struct rival *r)
{
	struct method m = method_begin(r, CONNECTION_START_OK);

	buf_put_u32(&r->out, 0); /* no properties: nothing here depends on any */
	put_short(r, "PLAIN");
	put_long(r, "\0guest\0guest", 12);
	put_short(r, "en_US");
	frame_end(r, m);
}

/* Takes what the server offers, but for signs of life: nobody here goes away. */
static void
tune_and_open(struct rival *r, struct cursor c)
{
	struct amqp *s = r->state;
	uint16_t channels = cursor_u16(&c);
	struct method m = method_begin(r, CONNECTION_TUNE_OK);

	s->frame_max = cursor_u32(&c);
	buf_put_u16(&r->out, channels);
	buf_put_u32(&r->out, s->frame_max);
	buf_put_u16(&r->out, 0);
	frame_end(r, m);
	m = method_begin(r, CONNECTION_OPEN);
	put_short(r, "/");
	put_short(r, "");
	buf_put_u8(&r->out, 0);
	frame_end(r, m);
}

static void
open_channel(struct rival *r)
{
	struct method m = method_begin(r, CHANNEL_OPEN);

	put_short(r, "");
	frame_end(r, m);
}

static void
declare_exchange(struct rival *r)
{
	struct method m = method_begin(r, EXCHANGE_DECLARE);

	buf_put_u16(&r->out, 0);
	put_short(r, r->run);
	put_short(r, "fanout");
	buf_put_u8(&r->out, DURABLE);
	buf_put_u32(&r->out, 0);
	frame_end(r, m);
}

static void
select_confirms(struct rival *r)
{
	struct method m = method_begin(r, CONFIRM_SELECT);

	buf_put_u8(&r->out, 0);
	frame_end(r, m);
}

static void
declare_queue(struct rival *r)
{
	static const char arguments[] = "\x0Cx-queue-typeS\0\0\0\x06quorum";
	struct method m = method_begin(r, QUEUE_DECLARE);

	buf_put_u16(&r->out, 0);
	put_queue(r);
	buf_put_u8(&r->out, DURABLE);
	put_long(r, arguments, sizeof arguments - 1);
	frame_end(r, m);
}

static void
bind_queue(struct rival *r)
{
	struct method m = method_begin(r, QUEUE_BIND);

	buf_put_u16(&r->out, 0);
	put_queue(r);
	put_short(r, r->run);
	put_short(r, "");
	buf_put_u8(&r->out, 0);
	buf_put_u32(&r->out, 0);
	frame_end(r, m);
}

static void
set_prefetch(struct rival *r)
{
	struct method m = method_begin(r, BASIC_QOS);

	buf_put_u32(&r->out, 0);
	buf_put_u16(&r->out, RIVAL_PREFETCH);
	buf_put_u8(&r->out, 0);
	frame_end(r, m);
}

static void
consume(struct rival *r)
{
	struct method m = method_begin(r, BASIC_CONSUME);

	buf_put_u16(&r->out, 0);
	put_queue(r);
	put_short(r, "");
	buf_put_u8(&r->out, 0);
	buf_put_u32(&r->out, 0);
	frame_end(r, m);
}

static void
publish(struct rival *r, struct span body)
{
	struct amqp *s = r->state;
	size_t room = s->frame_max > FRAME_ROOM ? s->frame_max - FRAME_ROOM : SIZE_MAX;
	struct method m = method_begin(r, BASIC_PUBLISH);

	MUST(s->published - s->lowest < WINDOW);
	s->published++;
	buf_put_u16(&r->out, 0);
	put_short(r, r->run);
	put_short(r, "");
	buf_put_u8(&r->out, 0);
	frame_end(r, m);
	m = frame_begin(r, FRAME_HEADER, 1);
	buf_put_u16(&r->out, BASIC);
	buf_put_u16(&r->out, 0);
	buf_put_u64(&r->out, body.len);
	buf_put_u16(&r->out, DELIVERY_MODE);
	buf_put_u8(&r->out, PERSISTENT);
	frame_end(r, m);
	for (size_t at = 0, n; at < body.len; at += n) {
		n = body.len - at < room ? body.len - at : room;
		m = frame_begin(r, FRAME_BODY, 1);
		buf_put(&r->out, body.p + at, n);
		frame_end(r, m);
	}
}

static void
acknowledge(struct rival *r)
{
	struct amqp *s = r->state;
	struct method m;

	if (s->acknowledged == s->delivered)
		return;
	m = method_begin(r, BASIC_ACK);
	buf_put_u64(&r->out, s->delivered);
	buf_put_u8(&r->out, 1); /* and all before it */
	frame_end(r, m);
	s->acknowledged = s->delivered;
}

static void
remove_own(struct rival *r)
{
	bool reader = r->role == RIVAL_READER;
	struct method m;

	r->removed = !reader && r->role != RIVAL_OWNER;
	if (r->removed)
		return;
	m = method_begin(r, reader ? QUEUE_DELETE : EXCHANGE_DELETE);
	buf_put_u16(&r->out, 0);
	if (reader)
		put_queue(r);
	else
		put_short(r, r->run);
	buf_put_u8(&r->out, 0);
	frame_end(r, m);
}

/* ---- receiving ---- */

static enum kw_err
on_ack(struct rival *r, struct cursor c, struct kw_why *why)
{
	struct amqp *s = r->state;
	uint64_t tag = cursor_u64(&c), first = (cursor_u8(&c) & 1u) != 0 ? s->lowest + 1 : tag;
	uint32_t count = 0;

	if (!cursor_done(&c) || tag <= s->lowest || tag > s->published)
		return rival_odd(r, "a confirm for what was not published", why);
	for (uint64_t i = first; i <= tag; i++)
		if (!s->confirmed[i % WINDOW]) {
			s->confirmed[i % WINDOW] = true;
			count++;
		}
	for (; s->lowest < s->published && s->confirmed[(s->lowest + 1) % WINDOW]; s->lowest++)
		s->confirmed[(s->lowest + 1) % WINDOW] = false;
	rival_answered(r, count);
	return KW_OK;
}

static enum kw_err
on_close(struct rival *r, struct cursor c, struct kw_why *why)
{
	const uint8_t *text;
	uint8_t len;

	(void)cursor_u16(&c);
	len = cursor_u8(&c);
	text = cursor_take(&c, len);
	return text == NULL ? rival_odd(r, "a farewell that is cut", why) : rival_refused(r, span_of(text, len), why);
}

static enum kw_err
on_deliver(struct rival *r, struct cursor c, struct kw_why *why)
{
	struct amqp *s = r->state;
	uint64_t tag;

	(void)cursor_take(&c, cursor_u8(&c));
	tag = cursor_u64(&c);
	if (c.bad || tag != s->delivered + 1)
		return rival_odd(r, "a delivery out of its order", why);
	s->delivered = tag;
	s->in_content = true;
	return KW_OK;
}

static void
on_channel_open(struct rival *r)
{
	const struct amqp *s = r->state;

	switch (r->role) {
	case RIVAL_OWNER: (s->made ? select_confirms : declare_exchange)(r); break;
	case RIVAL_PUBLISHER: select_confirms(r); break;
	case RIVAL_READER: (s->made ? set_prefetch : declare_queue)(r); break;
	case RIVAL_IDLE: r->ready = true; break;
	}
}

static enum kw_err
on_method(struct rival *r, struct cursor c, struct kw_why *why)
{
	uint32_t method = cursor_u32(&c);

	switch (method) {
	case CONNECTION_START: log_in(r); break;
	case CONNECTION_TUNE: tune_and_open(r, c); break;
	case CONNECTION_OPEN_OK: open_channel(r); break;
	case CHANNEL_OPEN_OK: on_channel_open(r); break;
	case EXCHANGE_DECLARE_OK: select_confirms(r); break;
	case CONFIRM_SELECT_OK: r->ready = true; break;
	case QUEUE_DECLARE_OK: bind_queue(r); break;
	case QUEUE_BIND_OK: set_prefetch(r); break;
	case BASIC_QOS_OK: consume(r); break;
	case BASIC_CONSUME_OK: r->ready = true; break;
	case BASIC_ACK: return on_ack(r, c, why);
	case BASIC_NACK: return rival_refused(r, span_str("it could not take what was published"), why);
	case BASIC_DELIVER: return on_deliver(r, c, why);
	case EXCHANGE_DELETE_OK:
	case QUEUE_DELETE_OK: r->removed = true; break;
	case CONNECTION_CLOSE:
	case CHANNEL_CLOSE: return on_close(r, c, why);
	default: return rival_odd(r, "a method that nobody asked for", why);
	}
	return KW_OK;
}

static enum kw_err
on_header(struct rival *r, struct cursor c, struct kw_why *why)
{
	struct amqp *s = r->state;

	(void)cursor_u32(&c);
	s->content_left = cursor_u64(&c);
	if (c.bad || !s->in_content || s->content_left == 0 || s->content_left > RIVAL_UNIT_MAX)
		return rival_odd(r, "a message without its length", why);
	buf_reset(&s->content);
	return KW_OK;
}

static enum kw_err
on_body(struct rival *r, struct span part, struct kw_why *why)
{
	struct amqp *s = r->state;
	struct span body = part;

	if (!s->in_content || part.len > s->content_left)
		return rival_odd(r, "more of a message than it announced", why);
	s->content_left -= part.len;
	if (s->content_left > 0 || s->content.len > 0) {
		buf_put_span(&s->content, part);
		body = buf_span(&s->content);
	}
	if (s->content_left > 0)
		return KW_OK;
	s->in_content = false;
	rival_delivered(r, body);
	return KW_OK;
}

static enum kw_err
take(struct rival *r, struct span in, size_t *used, struct kw_why *why)
{
	struct span payload;
	uint32_t len;

	*used = 0;
	if (in.len >= 4 && memcmp(in.p, "AMQP", 4) == 0)
		return rival_refused(r, span_str("it speaks another version of the protocol"), why);
	if (in.len < HEAD_LEN)
		return KW_OK;
	len = be32_get(in.p + 3);
	if (len > RIVAL_UNIT_MAX)
		return rival_odd(r, "a length that is none", why);
	if (in.len - HEAD_LEN < (size_t)len + 1)
		return KW_OK;
	payload = span_of(in.p + HEAD_LEN, len);
	*used = HEAD_LEN + (size_t)len + 1;
	if (in.p[*used - 1] != FRAME_END)
		return rival_odd(r, "a frame without its end", why);
	switch (in.p[0]) {
	case FRAME_METHOD: return on_method(r, cursor_over(payload), why);
	case FRAME_HEADER: return on_header(r, cursor_over(payload), why);
	case FRAME_BODY: return on_body(r, payload, why);
	case FRAME_HEARTBEAT: return KW_OK;
	default: return rival_odd(r, "a frame of a kind that there is not", why);
	}
}

static void
clear(struct rival *r)
{
	buf_free(&((struct amqp *)r->state)->content);
}

const struct rival_protocol rival_amqp = {
	.name = "rabbitmq", .state_size = sizeof(struct amqp), .begin = begin, .again = again, .take = take, .publish = publish, .acknowledge = acknowledge,
	.remove = remove_own, .clear = clear,
};
