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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redis_reader_gets_entries_however_they_are_cut),
		cmocka_unit_test(redis_publisher_counts_answers),
		cmocka_unit_test(redis_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
