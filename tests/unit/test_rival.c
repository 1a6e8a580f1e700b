/* test_rival: the other brokers' protocols of tests/bench: whatever way their bytes are cut, and what they refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/bench/rival.h"

struct heard { uint32_t answered, delivered; struct buf bodies; };

static void
answered(void *self, struct rival *r, uint32_t count)
{
	(void)r;
	((struct heard *)self)->answered += count;
}

static void
delivered(void *self, struct rival *r, struct span body)
{
	struct heard *h = self;

	(void)r;
	h->delivered++;
	buf_put_span(&h->bodies, body);
	buf_put_u8(&h->bodies, '|');
}

/* What of it was taken, piece by piece of so many bytes. */
static enum kw_err
feed(struct rival *r, struct span bytes, size_t piece, struct kw_why *why)
{
	struct buf in = BUF_INIT(1u << 24);
	enum kw_err err = KW_OK;

	for (size_t at = 0; at < bytes.len && err == KW_OK; at += piece) {
		size_t used, n = bytes.len - at < piece ? bytes.len - at : piece;

		buf_put(&in, bytes.p + at, n);
		err = rival_take(r, buf_span(&in), &used, why);
		memmove(in.p, in.p + used, in.len - used);
		in.len -= used;
	}
	if (err == KW_OK)
		assert_int_equal(in.len, 0); /* all of it was whole */
	buf_free(&in);
	return err;
}

static void
begin(struct rival *r, struct heard *h, const struct rival_protocol *p, enum rival_role role)
{
	*h = (struct heard){.bodies = BUF_INIT(1u << 24)};
	rival_init(r, p, role, "run", "me", (struct rival_handler){h, answered, delivered});
	p->begin(r);
	assert_false(r->ready);
}

static void
end(struct rival *r, struct heard *h)
{
	buf_free(&h->bodies);
	rival_free(r);
}

/* On a new connection, as rival_net does it. */
static void
come_back(struct rival *r)
{
	buf_reset(&r->out);
	r->ready = false;
	r->protocol->again(r);
}

/* What it said since it was last asked. */
static const char *
said(struct rival *r)
{
	static char text[4096];

	assert_true(buf_ok(&r->out) && r->out.len < sizeof text);
	memcpy(text, r->out.p, r->out.len);
	text[r->out.len] = '\0';
	buf_reset(&r->out);
	return text;
}

static void
good(struct rival *r, const char *bytes, size_t piece)
{
	struct kw_why why = {""};

	if (feed(r, span_str(bytes), piece, &why) != KW_OK)
		fail_msg("%s", why.text);
}

static void
bad(const struct rival_protocol *p, enum rival_role role, struct span bytes, enum kw_err expected, const char *sentence)
{
	for (size_t piece = 1; piece <= bytes.len; piece += bytes.len > 1 ? bytes.len - 1 : 1) {
		struct kw_why why = {""};
		struct heard h;
		struct rival r;

		begin(&r, &h, p, role);
		assert_int_equal(feed(&r, bytes, piece, &why), expected);
		assert_string_equal(why.text, sentence);
		end(&r, &h);
	}
}

/* ---- Redis ---- */

static const char redis_read[] = "*11\r\n$10\r\nXREADGROUP\r\n$5\r\nGROUP\r\n$2\r\nme\r\n$2\r\nme\r\n$5\r\nCOUNT\r\n$3\r\n256\r\n$5\r\nBLOCK\r\n$1\r\n0\r\n"
                                 "$7\r\nSTREAMS\r\n$3\r\nrun\r\n$1\r\n>\r\n";

static void
redis_reader_gets_entries_however_they_are_cut(void **state)
{
	static const char entries[] = "*1\r\n*2\r\n$3\r\nrun\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nb\r\n$5\r\nhello\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nb\r\n$4\r\n\r\n*9\r\n";
	char expected[512];

	(void)state;
	(void)snprintf(expected, sizeof expected, "*5\r\n$4\r\nXACK\r\n$3\r\nrun\r\n$2\r\nme\r\n$3\r\n1-0\r\n$3\r\n1-1\r\n%s", redis_read);
	for (size_t piece = 1; piece < sizeof entries; piece++) {
		struct heard h;
		struct rival r;
		char *asked;

		begin(&r, &h, &rival_redis, RIVAL_READER);
		assert_string_equal(said(&r), "*6\r\n$6\r\nXGROUP\r\n$6\r\nCREATE\r\n$3\r\nrun\r\n$2\r\nme\r\n$1\r\n$\r\n$8\r\nMKSTREAM\r\n");
		good(&r, "+OK\r\n", piece);
		assert_true(r.ready);
		assert_string_equal(said(&r), redis_read);
		good(&r, entries, piece);
		assert_int_equal(h.delivered, 2);
		assert_string_equal(buf_text(&h.bodies), "hello|\r\n*9|");
		asked = strdup(said(&r));
		if (piece == sizeof entries - 1)
			assert_string_equal(asked, expected);
		assert_string_equal(strstr(asked, "*11\r\n"), redis_read); /* asks for more once, at the end */
		free(asked);
		good(&r, ":2\r\n", piece);
		end(&r, &h);
	}
}

static void
redis_reader_by_itself_asks_for_what_is_behind_its_last(void **state)
{
	static const char entries[] = "*1\r\n*2\r\n$3\r\nrun\r\n*1\r\n*2\r\n$3\r\n1-7\r\n*2\r\n$1\r\nb\r\n$5\r\nhello\r\n";
	static const char read[] = "*8\r\n$5\r\nXREAD\r\n$5\r\nCOUNT\r\n$3\r\n256\r\n$5\r\nBLOCK\r\n$1\r\n0\r\n$7\r\nSTREAMS\r\n$3\r\nrun\r\n$3\r\n";
	char expected[256];
	struct heard h;
	struct rival r;

	(void)state;
	begin(&r, &h, &rival_redis_xread, RIVAL_READER);
	assert_string_equal(said(&r), "*1\r\n$4\r\nPING\r\n");
	good(&r, "+PONG\r\n", 1);
	(void)snprintf(expected, sizeof expected, "%s0-0\r\n", read);
	assert_string_equal(said(&r), expected);
	good(&r, entries, 1);
	assert_string_equal(buf_text(&h.bodies), "hello|");
	(void)snprintf(expected, sizeof expected, "%s1-7\r\n", read);
	assert_string_equal(said(&r), expected);
	end(&r, &h);
}

static void
redis_publisher_counts_answers(void **state)
{
	struct heard h;
	struct rival r;

	(void)state;
	begin(&r, &h, &rival_redis, RIVAL_OWNER);
	assert_string_equal(said(&r), "*1\r\n$4\r\nPING\r\n");
	good(&r, "+PONG\r\n", 1);
	assert_true(r.ready);
	rival_redis.publish(&r, span_str("hello"));
	assert_string_equal(said(&r), "*5\r\n$4\r\nXADD\r\n$3\r\nrun\r\n$1\r\n*\r\n$1\r\nb\r\n$5\r\nhello\r\n");
	good(&r, "$3\r\n1-0\r\n$3\r\n1-1\r\n", 1);
	assert_int_equal(h.answered, 2);
	rival_redis.remove(&r);
	assert_false(r.removed);
	good(&r, ":1\r\n", 1);
	assert_true(r.removed);
	end(&r, &h);
}

static void
redis_refusals(void **state)
{
	(void)state;
	bad(&rival_redis, RIVAL_OWNER, span_str("-NOAUTH Authentication required.\r\n"), KW_EDENIED, "redis refused: NOAUTH Authentication required.");
	bad(&rival_redis, RIVAL_READER, span_str("-ERR \x1b[2J\r\n"), KW_EDENIED, "redis refused: ERR \\x1b[2J");
	bad(&rival_redis, RIVAL_OWNER, span_str("hello\r\n"), KW_EPROTO, "redis sent what its protocol does not know: a line that begins with no letter of RESP");
	bad(&rival_redis, RIVAL_OWNER, span_str("*2\r\n"), KW_EPROTO, "redis sent what its protocol does not know: an array that nobody asked for");
	bad(&rival_redis, RIVAL_OWNER, span_str("$-1\r\n"), KW_EPROTO, "redis sent what its protocol does not know: a length that is none");
	bad(&rival_redis, RIVAL_READER, span_str("$99999999\r\n"), KW_EPROTO, "redis sent what its protocol does not know: a length that is none");
	bad(&rival_redis, RIVAL_READER, span_str("+OK\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"), KW_EPROTO,
	    "redis sent what its protocol does not know: an answer that is no stream's entries");
}

static void
redis_coming_back_makes_nothing_anew(void **state)
{
	static const char cut[] = "*1\r\n*2\r\n$3\r\nrun\r\n*1\r\n*2\r\n$3\r\n1-7\r\n*2\r\n$1\r\nb\r\n$5\r\nhe";
	struct heard h;
	struct rival r;

	(void)state;
	begin(&r, &h, &rival_redis, RIVAL_READER);
	good(&r, "+OK\r\n", 1);
	{
		struct kw_why why;
		size_t used;

		assert_int_equal(rival_take(&r, span_str(cut), &used, &why), KW_OK);
	}
	come_back(&r);
	assert_string_equal(said(&r), "*1\r\n$4\r\nPING\r\n");
	good(&r, "+PONG\r\n", 1);
	assert_true(r.ready);
	assert_string_equal(said(&r), redis_read); /* no acknowledgement of what was cut off */
	end(&r, &h);
}

/* It takes connections before it has read its log, and says so to each word. */
static void
redis_is_asked_again_while_it_loads(void **state)
{
	static const char loading[] = "-LOADING Redis is loading the dataset in memory\r\n";
	struct kw_why why;
	struct heard h;
	struct rival r;

	(void)state;
	begin(&r, &h, &rival_redis, RIVAL_READER);
	buf_reset(&r.out);
	good(&r, loading, 1);
	assert_non_null(strstr(said(&r), "XGROUP"));
	good(&r, "+OK\r\n", 1);
	come_back(&r);
	buf_reset(&r.out);
	good(&r, loading, 1);
	assert_string_equal(said(&r), "*1\r\n$4\r\nPING\r\n");
	assert_false(r.ready);
	good(&r, "+PONG\r\n", 1);
	assert_true(r.ready);
	assert_int_equal(feed(&r, span_str(loading), 1, &why), KW_EDENIED);
	end(&r, &h);
}

/* ---- NATS ---- */

static void
nats_publisher_makes_the_stream_and_counts_answers(void **state)
{
	static const char make[] = "{\"name\":\"run\",\"subjects\":[\"run\"],\"storage\":\"file\",\"retention\":\"limits\",\"num_replicas\":1}";
	char expected[256];
	struct heard h;
	struct rival r;

	(void)state;
	begin(&r, &h, &rival_nats, RIVAL_OWNER);
	assert_non_null(strstr(said(&r), "SUB _INBOX.run.me 1\r\nPING\r\n"));
	good(&r, "INFO {\"x\":1}\r\nPING\r\nPONG\r\n", 1);
	(void)snprintf(expected, sizeof expected, "PONG\r\nPUB $JS.API.STREAM.CREATE.run _INBOX.run.me %zu\r\n%s\r\n", strlen(make), make);
	assert_string_equal(said(&r), expected);
	assert_false(r.ready);
	good(&r, "MSG _INBOX.run.me 1 14\r\n{\"config\":{}}\n\r\n", 1);
	assert_true(r.ready);
	rival_nats.publish(&r, span_str("hello"));
	assert_string_equal(said(&r), "PUB run _INBOX.run.me 5\r\nhello\r\n");
	good(&r, "MSG _INBOX.run.me 1 9\r\n{\"seq\":1}\r\nMSG _INBOX.run.me 1 9\r\n{\"seq\":2}\r\n", 1);
	assert_int_equal(h.answered, 2);
	rival_nats.remove(&r);
	assert_string_equal(said(&r), "PUB $JS.API.STREAM.DELETE.run _INBOX.run.me 0\r\n\r\n");
	good(&r, "MSG _INBOX.run.me 1 16\r\n{\"success\":true}\r\n", 1);
	assert_true(r.removed);
	end(&r, &h);
}

static void
nats_reader_acknowledges_the_newest(void **state)
{
	static const char messages[] = "MSG deliver.run.me 2 $JS.ACK.run.me.1 5\r\nhello\r\nMSG deliver.run.me 2 $JS.ACK.run.me.2 4\r\n\r\nMS\r\n";

	(void)state;
	for (size_t piece = 1; piece < sizeof messages; piece++) {
		struct heard h;
		struct rival r;

		begin(&r, &h, &rival_nats, RIVAL_READER);
		good(&r, "PONG\r\n", piece);
		assert_non_null(strstr(said(&r), "PUB $JS.API.CONSUMER.DURABLE.CREATE.run.me _INBOX.run.me "));
		good(&r, "MSG _INBOX.run.me 1 2\r\n{}\r\n", piece);
		assert_true(r.ready);
		good(&r, messages, piece);
		assert_string_equal(buf_text(&h.bodies), "hello|\r\nMS|");
		assert_string_equal(piece == sizeof messages - 1 ? said(&r) : strstr(said(&r), "PUB $JS.ACK.run.me.2"), "PUB $JS.ACK.run.me.2 4\r\n+ACK\r\n");
		end(&r, &h);
	}
}

static void
nats_refusals(void **state)
{
	(void)state;
	bad(&rival_nats, RIVAL_OWNER, span_str("-ERR 'Authorization Violation'\r\n"), KW_EDENIED, "nats refused: 'Authorization Violation'");
	bad(&rival_nats, RIVAL_OWNER, span_str("PONG\r\nMSG _INBOX.run.me 1 30\r\n{\"error\":{\"description\":\"no\"}}\r\n"), KW_EDENIED,
	    "nats refused: {\\x22error\\x22:{\\x22description\\x22:\\x22no\\x22}}");
	bad(&rival_nats, RIVAL_OWNER, span_str("PONG\r\nMSG _INBOX.run.me 1 0\r\n\r\n"), KW_EDENIED, "nats refused: ");
	bad(&rival_nats, RIVAL_READER, span_str("MSG a 2 5\r\nhello\r\n"), KW_EPROTO, "nats sent what its protocol does not know: a delivery that cannot be acknowledged");
	bad(&rival_nats, RIVAL_READER, span_str("MSG a 2 r 99999999\r\n"), KW_EPROTO, "nats sent what its protocol does not know: a message without its length");
	bad(&rival_nats, RIVAL_READER, span_str("MSG a\r\n"), KW_EPROTO, "nats sent what its protocol does not know: a message without its length");
	bad(&rival_nats, RIVAL_READER, span_str("HELLO\r\n"), KW_EPROTO, "nats sent what its protocol does not know: a line that begins with no word of it");
}

static void
nats_coming_back_makes_nothing_anew(void **state)
{
	struct heard h;
	struct rival r;

	(void)state;
	for (int reader = 0; reader < 2; reader++) {
		begin(&r, &h, &rival_nats, reader ? RIVAL_READER : RIVAL_OWNER);
		good(&r, "PONG\r\nMSG _INBOX.run.me 1 2\r\n{}\r\n", 1);
		assert_true(r.ready);
		come_back(&r);
		assert_int_equal(strstr(said(&r), "SUB deliver.run.me 2\r\n") != NULL, reader);
		good(&r, "PONG\r\n", 1);
		assert_true(r.ready);
		assert_string_equal(said(&r), "");
		end(&r, &h);
	}
}

/* ---- MQTT ---- */

#define BYTES(text_) span_of(text_, sizeof text_ - 1)
#define CONNACK_GOOD "\x20\x02\x00\x00"

static void
good_bytes(struct rival *r, struct span bytes, size_t piece)
{
	struct kw_why why = {""};

	if (feed(r, bytes, piece, &why) != KW_OK)
		fail_msg("%s", why.text);
}

static void
said_is(struct rival *r, struct span expected)
{
	assert_int_equal(r->out.len, expected.len);
	assert_memory_equal(r->out.p, expected.p, expected.len);
	buf_reset(&r->out);
}

static void
mqtt_reader_subscribes_and_acknowledges_each(void **state)
{
	struct span messages = BYTES("\x32\x0c\x00\x03run\x00\x05hello\x32\x07\x00\x03run\x00\x06");

	(void)state;
	for (size_t piece = 1; piece <= messages.len; piece++) {
		struct heard h;
		struct rival r;

		begin(&r, &h, &rival_mqtt, RIVAL_READER);
		said_is(&r, BYTES("\x10\x12\x00\x04MQTT\x04\x00\x00\x00\x00\x06run-me"));
		good_bytes(&r, BYTES(CONNACK_GOOD), piece);
		assert_false(r.ready);
		said_is(&r, BYTES("\x82\x08\x00\x01\x00\x03run\x01"));
		good_bytes(&r, BYTES("\x90\x03\x00\x01\x01"), piece);
		assert_true(r.ready);
		good_bytes(&r, messages, piece);
		assert_string_equal(buf_text(&h.bodies), "hello||");
		said_is(&r, BYTES("\x40\x02\x00\x05\x40\x02\x00\x06"));
		end(&r, &h);
	}
}

static void
mqtt_publisher_counts_answers_in_their_order(void **state)
{
	char body[200];
	struct heard h;
	struct rival r;

	(void)state;
	memset(body, 'x', sizeof body);
	begin(&r, &h, &rival_mqtt, RIVAL_OWNER);
	buf_reset(&r.out);
	good_bytes(&r, BYTES(CONNACK_GOOD), 1);
	assert_true(r.ready);
	rival_mqtt.publish(&r, span_of(body, sizeof body));
	assert_int_equal(r.out.len, 3 + 7 + sizeof body);
	assert_memory_equal(r.out.p, "\x32\xcf\x01\x00\x03run\x00\x01", 10); /* a length of two bytes */
	rival_mqtt.publish(&r, span_str(""));
	good_bytes(&r, BYTES("\x40\x02\x00\x01\x40\x02\x00\x02"), 1);
	assert_int_equal(h.answered, 2);
	end(&r, &h);
}

static void
mqtt_refusals(void **state)
{
	(void)state;
	bad(&rival_mqtt, RIVAL_OWNER, BYTES("\x20\x02\x00\x05"), KW_EDENIED, "mosquitto refused: not authorised");
	bad(&rival_mqtt, RIVAL_READER, BYTES(CONNACK_GOOD "\x90\x03\x00\x01\x80"), KW_EDENIED,
	    "mosquitto refused: it does not grant the subscription with QoS 1");
	bad(&rival_mqtt, RIVAL_OWNER, BYTES("\x20\x02\x00\x63"), KW_EPROTO, "mosquitto sent what its protocol does not know: a CONNACK that is none");
	bad(&rival_mqtt, RIVAL_OWNER, BYTES(CONNACK_GOOD "\x40\x02\x00\x01"), KW_EPROTO,
	    "mosquitto sent what its protocol does not know: a PUBACK for another message than the oldest");
	bad(&rival_mqtt, RIVAL_READER, BYTES(CONNACK_GOOD "\x30\x07\x00\x03run\x00\x06"), KW_EPROTO,
	    "mosquitto sent what its protocol does not know: a message without QoS 1");
	bad(&rival_mqtt, RIVAL_READER, BYTES(CONNACK_GOOD "\x32\x03\x00\x03r"), KW_EPROTO,
	    "mosquitto sent what its protocol does not know: a message without QoS 1");
	bad(&rival_mqtt, RIVAL_OWNER, BYTES("\xf0\x00"), KW_EPROTO, "mosquitto sent what its protocol does not know: a packet of a kind that nobody asked for");
	bad(&rival_mqtt, RIVAL_OWNER, BYTES("\x20\xff\xff\xff\xff\x01"), KW_EPROTO, "mosquitto sent what its protocol does not know: a length that is none");
	bad(&rival_mqtt, RIVAL_OWNER, BYTES("\x20\xff\xff\xff\x7f"), KW_EPROTO, "mosquitto sent what its protocol does not know: a length that is none");
}

static void
mqtt_coming_back_counts_anew(void **state)
{
	struct heard h;
	struct rival r;

	(void)state;
	begin(&r, &h, &rival_mqtt, RIVAL_OWNER);
	good_bytes(&r, BYTES(CONNACK_GOOD), 1);
	rival_mqtt.publish(&r, span_str("x"));
	come_back(&r);
	said_is(&r, BYTES("\x10\x12\x00\x04MQTT\x04\x02\x00\x00\x00\x06run-me"));
	good_bytes(&r, BYTES(CONNACK_GOOD), 1);
	assert_true(r.ready);
	rival_mqtt.publish(&r, span_str("y"));
	good_bytes(&r, BYTES("\x40\x02\x00\x01"), 1);
	assert_int_equal(h.answered, 1);
	end(&r, &h);
}

/* ---- AMQP ---- */

#define FRAME(kind_, channel_, len_, payload_) kind_ "\x00" channel_ "\x00\x00\x00" len_ payload_ "\xce"
#define METHOD_0(len_, payload_) FRAME("\x01", "\x00", len_, payload_)
#define METHOD_1(len_, payload_) FRAME("\x01", "\x01", len_, payload_)
#define LOGGED_IN METHOD_0("\x04", "\x00\x0a\x00\x0a") METHOD_0("\x0c", "\x00\x0a\x00\x1e\x07\xff\x00\x00\x00\x0c\x00\x3c") METHOD_0("\x05", "\x00\x0a\x00\x29\x00")
#define CHANNEL_OPENED METHOD_1("\x04", "\x00\x14\x00\x0b")
#define CONSUMING METHOD_1("\x04", "\x00\x32\x00\x0b") METHOD_1("\x04", "\x00\x32\x00\x15") METHOD_1("\x04", "\x00\x3c\x00\x0b") METHOD_1("\x04", "\x00\x3c\x00\x15")
#define DELIVER(tag_) METHOD_1("\x14", "\x00\x3c\x00\x3c\x01" "c\x00\x00\x00\x00\x00\x00\x00" tag_ "\x00\x03run\x00")
#define HEADER(len_) FRAME("\x02", "\x01", "\x0f", "\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00" len_ "\x10\x00\x02")
#define BODY(len_, text_) FRAME("\x03", "\x01", len_, text_)

static void
amqp_reader_acknowledges_all_at_once(void **state)
{
	struct span messages = BYTES(DELIVER("\x01") HEADER("\x05") BODY("\x05", "hello") DELIVER("\x02") HEADER("\x06") BODY("\x04", "in t") BODY("\x02", "wo"));
	struct span queue = BYTES("\x06run-me\x02\x00\x00\x00\x18\x0cx-queue-typeS\x00\x00\x00\x06quorum\xce");
	struct span ack = BYTES(METHOD_1("\x0d", "\x00\x3c\x00\x50\x00\x00\x00\x00\x00\x00\x00\x02\x01"));

	(void)state;
	for (size_t piece = 1; piece <= messages.len; piece++) {
		struct heard h;
		struct rival r;

		begin(&r, &h, &rival_amqp, RIVAL_READER);
		said_is(&r, BYTES("AMQP\x00\x00\x09\x01"));
		good_bytes(&r, BYTES(LOGGED_IN CHANNEL_OPENED), piece);
		assert_non_null(memmem(r.out.p, r.out.len, queue.p, queue.len));
		good_bytes(&r, BYTES(CONSUMING), piece);
		assert_true(r.ready);
		buf_reset(&r.out);
		good_bytes(&r, messages, piece);
		assert_string_equal(buf_text(&h.bodies), "hello|in two|");
		assert_true(r.out.len >= ack.len);
		assert_memory_equal(r.out.p + r.out.len - ack.len, ack.p, ack.len);
		end(&r, &h);
	}
}

/* Confirms come in any order, one by one or all up to one. */
static void
amqp_publisher_counts_confirms(void **state)
{
	struct heard h;
	struct rival r;

	(void)state;
	begin(&r, &h, &rival_amqp, RIVAL_PUBLISHER);
	good_bytes(&r, BYTES(LOGGED_IN CHANNEL_OPENED METHOD_1("\x04", "\x00\x55\x00\x0b")), 1);
	assert_true(r.ready);
	buf_reset(&r.out);
	rival_amqp.publish(&r, span_str("hello")); /* the server takes frames of 12 bytes: two of body */
	said_is(&r, BYTES(METHOD_1("\x0c", "\x00\x3c\x00\x28\x00\x00\x03run\x00\x00") HEADER("\x05") BODY("\x04", "hell") BODY("\x01", "o")));
	for (int i = 0; i < 4; i++)
		rival_amqp.publish(&r, span_str("x"));
	good_bytes(&r, BYTES(METHOD_1("\x0d", "\x00\x3c\x00\x50\x00\x00\x00\x00\x00\x00\x00\x03\x00")), 1);
	assert_int_equal(h.answered, 1);
	good_bytes(&r, BYTES(METHOD_1("\x0d", "\x00\x3c\x00\x50\x00\x00\x00\x00\x00\x00\x00\x04\x01")), 1);
	assert_int_equal(h.answered, 4);
	good_bytes(&r, BYTES(METHOD_1("\x0d", "\x00\x3c\x00\x50\x00\x00\x00\x00\x00\x00\x00\x05\x01")), 1);
	assert_int_equal(h.answered, 5);
	end(&r, &h);
}

/* Neither queue nor exchange is declared once more; tags are counted from the beginning. */
static void
amqp_coming_back_makes_nothing_anew(void **state)
{
	struct span messages = BYTES(DELIVER("\x01") HEADER("\x05") BODY("\x05", "hello"));
	struct span declare = BYTES("\x00\x32\x00\x0a"), exchange = BYTES("\x00\x28\x00\x0a");
	struct heard h;
	struct rival r;

	(void)state;
	begin(&r, &h, &rival_amqp, RIVAL_READER);
	good_bytes(&r, BYTES(LOGGED_IN CHANNEL_OPENED CONSUMING), 1);
	good_bytes(&r, messages, 1);
	come_back(&r);
	good_bytes(&r, BYTES(LOGGED_IN CHANNEL_OPENED), 1);
	assert_null(memmem(r.out.p, r.out.len, declare.p, declare.len));
	good_bytes(&r, BYTES(METHOD_1("\x04", "\x00\x3c\x00\x0b") METHOD_1("\x04", "\x00\x3c\x00\x15")), 1);
	assert_true(r.ready);
	good_bytes(&r, messages, 1);
	assert_int_equal(h.delivered, 2);
	end(&r, &h);
	begin(&r, &h, &rival_amqp, RIVAL_OWNER);
	come_back(&r);
	good_bytes(&r, BYTES(LOGGED_IN CHANNEL_OPENED METHOD_1("\x04", "\x00\x55\x00\x0b")), 1);
	assert_null(memmem(r.out.p, r.out.len, exchange.p, exchange.len));
	assert_true(r.ready);
	end(&r, &h);
}

static void
amqp_refusals(void **state)
{
	(void)state;
	bad(&rival_amqp, RIVAL_OWNER, BYTES("AMQP\x00\x00\x09\x02"), KW_EDENIED, "rabbitmq refused: it speaks another version of the protocol");
	bad(&rival_amqp, RIVAL_OWNER, BYTES(METHOD_0("\x0a", "\x00\x0a\x00\x32\x01\x94\x03NO!")), KW_EDENIED, "rabbitmq refused: NO!");
	bad(&rival_amqp, RIVAL_OWNER, BYTES(METHOD_0("\x09", "\x00\x0a\x00\x32\x01\x94\x03NO")), KW_EPROTO,
	    "rabbitmq sent what its protocol does not know: a farewell that is cut");
	bad(&rival_amqp, RIVAL_OWNER, BYTES(METHOD_1("\x0d", "\x00\x3c\x00\x78\x00\x00\x00\x00\x00\x00\x00\x01\x00")), KW_EDENIED,
	    "rabbitmq refused: it could not take what was published");
	bad(&rival_amqp, RIVAL_OWNER, BYTES(METHOD_1("\x0d", "\x00\x3c\x00\x50\x00\x00\x00\x00\x00\x00\x00\x01\x00")), KW_EPROTO,
	    "rabbitmq sent what its protocol does not know: a confirm for what was not published");
	bad(&rival_amqp, RIVAL_READER, BYTES(DELIVER("\x02")), KW_EPROTO, "rabbitmq sent what its protocol does not know: a delivery out of its order");
	bad(&rival_amqp, RIVAL_READER, BYTES(BODY("\x01", "x")), KW_EPROTO, "rabbitmq sent what its protocol does not know: more of a message than it announced");
	bad(&rival_amqp, RIVAL_READER, BYTES(HEADER("\x05")), KW_EPROTO, "rabbitmq sent what its protocol does not know: a message without its length");
	bad(&rival_amqp, RIVAL_OWNER, BYTES("\x01\x00\x00\x7f\x00\x00\x00"), KW_EPROTO, "rabbitmq sent what its protocol does not know: a length that is none");
	bad(&rival_amqp, RIVAL_OWNER, BYTES("\x01\x00\x00\x00\x00\x00\x01xx"), KW_EPROTO, "rabbitmq sent what its protocol does not know: a frame without its end");
	bad(&rival_amqp, RIVAL_OWNER, BYTES("\x05\x00\x00\x00\x00\x00\x00\xce"), KW_EPROTO,
	    "rabbitmq sent what its protocol does not know: a frame of a kind that there is not");
	bad(&rival_amqp, RIVAL_OWNER, BYTES(METHOD_0("\x04", "\x00\x0a\x00\x01")), KW_EPROTO, "rabbitmq sent what its protocol does not know: a method that nobody asked for");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redis_reader_gets_entries_however_they_are_cut),
		cmocka_unit_test(redis_reader_by_itself_asks_for_what_is_behind_its_last),
		cmocka_unit_test(redis_publisher_counts_answers),
		cmocka_unit_test(redis_refusals),
		cmocka_unit_test(redis_coming_back_makes_nothing_anew),
		cmocka_unit_test(redis_is_asked_again_while_it_loads),
		cmocka_unit_test(nats_publisher_makes_the_stream_and_counts_answers),
		cmocka_unit_test(nats_reader_acknowledges_the_newest),
		cmocka_unit_test(nats_refusals),
		cmocka_unit_test(nats_coming_back_makes_nothing_anew),
		cmocka_unit_test(mqtt_reader_subscribes_and_acknowledges_each),
		cmocka_unit_test(mqtt_publisher_counts_answers_in_their_order),
		cmocka_unit_test(mqtt_refusals),
		cmocka_unit_test(mqtt_coming_back_counts_anew),
		cmocka_unit_test(amqp_reader_acknowledges_all_at_once),
		cmocka_unit_test(amqp_publisher_counts_confirms),
		cmocka_unit_test(amqp_refusals),
		cmocka_unit_test(amqp_coming_back_makes_nothing_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
