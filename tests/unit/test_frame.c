/* The layout of a sealed notification: every limit from both sides. Links the pure library alone. [S-2] is docs/protocol.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/frame.h"

#define FIXED (3u * 32u + KW_SIG_LEN) /* ephemeral, commitment, body hash, signature */

/* A frame with these lengths said and given; its bytes count up, so that a span in the wrong place shows. */
static struct buf
made(uint32_t header_says, size_t header_has, uint32_t body_says, size_t body_has)
{
	struct buf b = BUF_INIT(2 * KW_FRAME_MAX);

	buf_put(&b, "KWZ1", 4);
	buf_put_u32(&b, header_says);
	for (size_t i = 0; i < header_has + FIXED; i++)
		buf_put_u8(&b, (uint8_t)i);
	buf_put_u32(&b, body_says);
	for (size_t i = 0; i < body_has; i++)
		buf_put_u8(&b, (uint8_t)~i);
	assert_true(buf_ok(&b));
	return b;
}

static enum kw_err
parses(uint32_t header_says, size_t header_has, uint32_t body_says, size_t body_has, const char *sentence)
{
	struct buf b = made(header_says, header_has, body_says, body_has);
	struct kw_why why = {""};
	struct frame f;
	enum kw_err err = frame_parse(&f, buf_span(&b), FRAME_WHOLE, &why);

	if (sentence != NULL && strstr(why.text, sentence) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", sentence, why.text);
	buf_free(&b);
	return err;
}

static void
every_part_stands_where_the_layout_says(void **state)
{
	struct buf b = made(5, 5, 7, 7);
	struct frame f;

	(void)state;
	assert_int_equal(frame_parse(&f, buf_span(&b), FRAME_WHOLE, NULL), KW_OK);
	assert_true(f.whole.p == b.p && f.whole.len == b.len);
	assert_true(f.header.p == b.p + 8 && f.header.len == 5);
	assert_true(f.ephemeral == b.p + 13);
	assert_true(f.to_ephemeral.p == b.p && f.to_ephemeral.len == 13 + 32);
	assert_true(f.commitment == b.p + 45);
	assert_true(f.body_hash == b.p + 77);
	assert_true(f.signed_part.p == b.p && f.signed_part.len == 109);
	assert_true(f.signature == b.p + 109);
	assert_true(f.head.p == b.p && f.head.len == 173);
	assert_true(f.has_body && f.body.p == b.p + 177 && f.body.len == 7);
	buf_free(&b);
}

static void
lengths_at_their_limits_pass_and_one_beyond_is_refused(void **state)
{
	(void)state;
	assert_int_equal(parses(1, 1, 1, 1, NULL), KW_OK);
	assert_int_equal(parses(0, 0, 1, 1, "header length 0 at offset 4, must be 1 to 4096"), KW_EPROTO);
	assert_int_equal(parses(KW_HEADER_MAX, KW_HEADER_MAX, 1, 1, NULL), KW_OK);
	assert_int_equal(parses(KW_HEADER_MAX + 1, KW_HEADER_MAX + 1, 1, 1, "4097"), KW_EPROTO);
	assert_int_equal(parses(UINT32_MAX, 1, 1, 1, "4294967295"), KW_EPROTO);
	assert_int_equal(parses(1, 1, 0, 0, "body length 0 at offset 169"), KW_EPROTO);
	assert_int_equal(parses(1, 1, KW_BODY_MAX, KW_BODY_MAX, NULL), KW_OK);
	assert_int_equal(parses(1, 1, KW_BODY_MAX + 1, KW_BODY_MAX + 1, "must be 1 to 262144"), KW_EPROTO);
	assert_int_equal(parses(KW_HEADER_MAX, KW_HEADER_MAX, KW_BODY_MAX, KW_BODY_MAX, NULL), KW_OK);
	assert_int_equal(parses(KW_HEADER_MAX, KW_HEADER_MAX, KW_BODY_MAX, KW_BODY_MAX + 1, "at most"), KW_EPROTO);
	assert_int_equal(parses(1, 1, UINT32_MAX, 1, "4294967295"), KW_EPROTO);
}

static void
a_length_that_says_other_than_is_there_is_refused(void **state)
{
	(void)state;
	assert_int_equal(parses(5, 5, 8, 7, "the body has 7 bytes, its length says 8"), KW_EPROTO);
	assert_int_equal(parses(5, 5, 6, 7, "the body has 7 bytes, its length says 6"), KW_EPROTO);
	assert_int_equal(parses(4096, 5, 7, 7, "cut off before its signature ends"), KW_EPROTO);
}

static void
another_magic_or_suite_is_refused_by_name(void **state)
{
	struct buf b = made(5, 5, 7, 7);
	struct kw_why why;
	struct frame f;

	(void)state;
	for (unsigned suite = 0; suite < 256; suite++) {
		b.p[3] = (uint8_t)suite;
		assert_int_equal(frame_parse(&f, buf_span(&b), FRAME_WHOLE, &why), suite == '1' ? KW_OK : KW_EPROTO);
		assert_true(suite == '1' || strstr(why.text, "suite 0x") != NULL);
	}
	b.p[3] = '1';
	for (unsigned at = 0; at < 3; at++) {
		b.p[at] ^= 0x20;
		assert_int_equal(frame_parse(&f, buf_span(&b), FRAME_WHOLE, &why), KW_EPROTO);
		b.p[at] ^= 0x20;
	}
	buf_free(&b);
}

/* [S-11] */
static void
a_bare_head_is_taken_where_it_is_wanted_and_nowhere_else(void **state)
{
	struct buf b = made(5, 5, 7, 7);
	struct span whole = buf_span(&b), bare = span_of(b.p, 173);
	struct frame f;

	(void)state;
	assert_int_equal(frame_parse(&f, bare, FRAME_BARE, NULL), KW_OK);
	assert_false(f.has_body);
	assert_int_equal(f.body.len, 0);
	assert_int_equal(frame_parse(&f, bare, FRAME_EITHER, NULL), KW_OK);
	assert_false(f.has_body);
	assert_int_equal(frame_parse(&f, bare, FRAME_WHOLE, NULL), KW_EPROTO);
	assert_int_equal(frame_parse(&f, whole, FRAME_BARE, NULL), KW_EPROTO);
	assert_int_equal(frame_parse(&f, whole, FRAME_EITHER, NULL), KW_OK);
	assert_true(f.has_body);
	buf_free(&b);
}

/* Each in memory of its own length, so that the sanitizer sees a read behind the end. */
static void
every_truncation_is_refused_and_leaves_the_result_alone(void **state)
{
	struct buf b = made(5, 5, 7, 7);
	struct frame f, before;

	(void)state;
	memset(&f, 0xA5, sizeof f);
	memcpy(&before, &f, sizeof f);
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *copy = malloc(len + (len == 0));

		assert_non_null(copy);
		memcpy(copy, b.p, len);
		assert_int_equal(frame_parse(&f, span_of(copy, len), FRAME_WHOLE, NULL), KW_EPROTO);
		if (len != 173)
			assert_int_equal(frame_parse(&f, span_of(copy, len), FRAME_EITHER, NULL), KW_EPROTO);
		assert_memory_equal(&f, &before, sizeof f);
		free(copy);
	}
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_part_stands_where_the_layout_says),
		cmocka_unit_test(lengths_at_their_limits_pass_and_one_beyond_is_refused),
		cmocka_unit_test(a_length_that_says_other_than_is_there_is_refused),
		cmocka_unit_test(another_magic_or_suite_is_refused_by_name),
		cmocka_unit_test(a_bare_head_is_taken_where_it_is_wanted_and_nowhere_else),
		cmocka_unit_test(every_truncation_is_refused_and_leaves_the_result_alone),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
