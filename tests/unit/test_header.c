/* The signed header: each type keeps its meaning on the way, and what is no header is refused with its field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/header.h"

static struct header
header_of(enum notice_type type)
{
	struct header h = {.partnership = "musterstadt", .mode = MODE_LIVE, .agreement_version = 1, .sender = "police/control-room", .sender_epoch = 1,
		.topic = "request/noise/west", .to_count = 1, .to = {"city/public-order"}, .lane = LANE_URGENT, .created_ms = 1800000000000ull, .expires_ms = 1800000060000ull,
		.type = type, .payload_type = PAYLOAD_RECEIPT};

	h.about.set = type != TYPE_NOTICE && type != TYPE_REQUEST && type != TYPE_AGREEMENT;
	if (type == TYPE_HANDED_OVER)
		strcpy(h.next_owner, "city/public-order");
	return h;
}

/* KW_OK and *out, or the sentence. */
static enum kw_err
over_the_wire(struct header *out, const struct header *h, struct kw_why *why)
{
	struct buf bytes = BUF_INIT(KW_HEADER_MAX);
	enum kw_err err;

	assert_int_equal(header_encode(&bytes, h, why), KW_OK);
	err = header_decode(out, buf_span(&bytes), why);
	buf_free(&bytes);
	return err;
}

static void
one_with_more_readers_named_than_it_has_room_for_is_refused(void **state)
{
	struct header h = header_of(TYPE_NOTICE);
	struct buf bytes = BUF_INIT(2 * KW_HEADER_MAX);
	struct kw_why why = {""};

	(void)state;
	h.to_count = KW_TO_MAX;
	for (uint32_t i = 0; i < KW_TO_MAX; i++)
		(void)snprintf(h.to[i], sizeof h.to[i], "partner/%0*u", KW_NODE_MAX - 8, i);
	assert_int_equal(header_encode(&bytes, &h, &why), KW_ELIMIT);
	assert_non_null(strstr(why.text, "bytes with 64 readers named, at most 4096 are allowed; name fewer, or send to all who may read the topic"));
	assert_int_equal(bytes.len, 0);
	for (uint32_t i = 0; i < KW_TO_MAX; i++) /* a number of them that fits by names of any length */
		h.to[i][30] = '\0';
	assert_int_equal(header_encode(&bytes, &h, &why), KW_OK);
	buf_free(&bytes);
}

static bool
same_bytes(const struct header *x, const struct header *y)
{
	struct buf a = BUF_INIT(KW_HEADER_MAX), b = BUF_INIT(KW_HEADER_MAX);
	bool same;

	assert_int_equal(header_encode(&a, x, NULL), KW_OK);
	assert_int_equal(header_encode(&b, y, NULL), KW_OK);
	same = span_eq(buf_span(&a), buf_span(&b));
	buf_free(&a);
	buf_free(&b);
	return same;
}

static void
every_type_comes_over_as_it_was_sent(void **state)
{
	static const char *const names[] = {"notice", "update", "cancel", "recall", "request", "void", "agreement", "delivered", "opened", "taken", "declined",
	                                    "handed_over", "returned", "done", "approved", "refused", "rejected", "reopened", "note", "forwarded", "draft", "released"};

	(void)state;
	for (unsigned type = TYPE_NOTICE; type <= TYPE_RELEASED; type++) {
		struct header h = header_of((enum notice_type)type), got;
		struct kw_why why;

		if (over_the_wire(&got, &h, &why) != KW_OK)
			fail_msg("%s: %s", names[type - 1], why.text);
		assert_int_equal(got.type, type);
		assert_true(same_bytes(&got, &h));
		assert_string_equal(notice_type_name((enum notice_type)type), names[type - 1]);
	}
	assert_int_equal(TYPE_RELEASED, 22);
	assert_string_equal(notice_type_name((enum notice_type)23), "?");
}

static void
unknown_types_are_refused(void **state)
{
	static const unsigned types[] = {0, 23, 24, 100, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct header h = header_of((enum notice_type)types[i]), got;
		struct kw_why why;

		assert_int_equal(over_the_wire(&got, &h, &why), KW_EPROTO);
		assert_non_null(strstr(why.text, "Header.type"));
	}
}

static void
what_is_about_another_says_which(void **state)
{
	(void)state;
	for (unsigned type = TYPE_NOTICE; type <= TYPE_RELEASED; type++) {
		struct header h = header_of((enum notice_type)type), got;
		struct kw_why why;

		if (type == TYPE_DRAFT) /* with or without: of a correction, or of something new */
			continue;
		h.about.set = !h.about.set;
		assert_int_equal(over_the_wire(&got, &h, &why), KW_EPROTO);
		assert_non_null(strstr(why.text, h.about.set ? "Header.about may not stand for the type" : "Header.about is missing for the type"));
	}
}

/* */
static void
a_receipt_says_what_became_of_another(void **state)
{
	(void)state;
	for (unsigned type = TYPE_NOTICE; type <= TYPE_RELEASED; type++) {
		bool expected = false;

		switch ((enum notice_type)type) {
		case TYPE_DELIVERED: case TYPE_OPENED: case TYPE_TAKEN: case TYPE_DECLINED: case TYPE_HANDED_OVER: case TYPE_RETURNED: case TYPE_DONE:
		case TYPE_APPROVED: case TYPE_REFUSED: case TYPE_REJECTED: case TYPE_REOPENED:
			expected = true;
			break;
		case TYPE_NOTICE: case TYPE_UPDATE: case TYPE_CANCEL: case TYPE_RECALL: case TYPE_REQUEST: case TYPE_VOID: case TYPE_AGREEMENT:
		case TYPE_NOTE: case TYPE_FORWARDED: case TYPE_DRAFT: case TYPE_RELEASED:
			break;
		}
		assert_int_equal(notice_type_is_receipt((enum notice_type)type), expected);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_comes_over_as_it_was_sent),
		cmocka_unit_test(unknown_types_are_refused),
		cmocka_unit_test(one_with_more_readers_named_than_it_has_room_for_is_refused),
		cmocka_unit_test(what_is_about_another_says_which),
		cmocka_unit_test(a_receipt_says_what_became_of_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
