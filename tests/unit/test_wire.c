/* Control messages: what is encoded reads back the same, and what is not whole is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire.h"

static struct buf bytes;

static int
clean(void **state)
{
	(void)state;
	buf_free(&bytes);
	bytes = BUF_INIT(KW_CONTROL_MAX);
	return 0;
}

static void
reads_back(struct wire_msg *back, const struct wire_msg *m)
{
	struct kw_why why = {{0}};

	buf_reset(&bytes);
	assert_int_equal(wire_encode(&bytes, m), KW_OK);
	if (wire_decode(back, buf_span(&bytes), &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_int_equal(back->kind, m->kind);
}

/* Every truncation and every flipped bit is refused or decodes to something whole; nothing crashes. */
static void
survives_damage(void)
{
	struct wire_msg m;
	struct kw_why why;

	for (size_t len = 0; len < bytes.len; len++)
		if (wire_decode(&m, span_of(bytes.p, len), &why) == KW_OK)
			wire_msg_clear(&m);
	for (size_t bit = 0; bit < bytes.len * 8; bit++) {
		bytes.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (wire_decode(&m, buf_span(&bytes), &why) == KW_OK)
			wire_msg_clear(&m);
		bytes.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void
a_hello_reads_back(void **state)
{
	static char filters[2][KW_TOPIC_MAX + 1] = {"alert/#", "request/+/west"};
	struct wire_msg back, m = {.kind = WIRE_HELLO, .hello = {.protocol = 1, .software = "kurzweg 0.1.0", .sender_epoch = 1795000000000,
		.has_last_stored = true, .agreement_version = 3, .seen = {.number = 9}, .cursor = {{1, 5}, {1, 0}, {2, 77}},
		.window = {{256, 1u << 20}, {256, 1u << 20}, {64, 1u << 20}}, .filter_count = 2, .filters = filters}};

	(void)state;
	memset(m.hello.last_stored, 1, KW_ID_LEN);
	memset(m.hello.agreement_hash, 2, KW_HASH_LEN);
	memset(m.hello.seen.hash, 3, KW_HASH_LEN);
	reads_back(&back, &m);
	assert_int_equal(back.hello.protocol, 1);
	assert_string_equal(back.hello.software, "kurzweg 0.1.0");
	assert_int_equal(back.hello.sender_epoch, 1795000000000);
	assert_true(back.hello.has_last_stored);
	assert_memory_equal(back.hello.last_stored, m.hello.last_stored, KW_ID_LEN);
	assert_int_equal(back.hello.seen.number, 9);
	assert_int_equal(back.hello.cursor[2].number, 77);
	assert_int_equal(back.hello.window[2].messages, 64);
	assert_int_equal(back.hello.filter_count, 2);
	assert_string_equal(back.hello.filters[1], "request/+/west");
	wire_msg_clear(&back);
	survives_damage();
}

static void
a_welcome_reads_back(void **state)
{
	struct wire_msg back, m = {.kind = WIRE_WELCOME, .welcome = {.log_epoch = 2, .epoch_start = {1, 1, 501}, .tail = {7, 0, 600},
		.cursor = {{2, 7}, {0, 0}, {1, 400}}, .has_commit = true, .agreement_version = 1, .window = {{1, 2}, {3, 4}, {5, 6}}, .now_ms = 5}};

	(void)state;
	memset(m.welcome.commit, 9, WIRE_COMMIT_LEN);
	reads_back(&back, &m);
	assert_int_equal(back.welcome.epoch_start[2], 501);
	assert_int_equal(back.welcome.tail[0], 7);
	assert_int_equal(back.welcome.cursor[2].number, 400);
	assert_false(back.welcome.has_last_stored);
	assert_memory_equal(back.welcome.commit, m.welcome.commit, WIRE_COMMIT_LEN);
	assert_int_equal(back.welcome.window[1].bytes, 4);
	wire_msg_clear(&back);
	survives_damage();
}

static void
a_publish_reads_back_and_half_a_wrap_is_refused(void **state)
{
	uint8_t wraps[3 * KW_WRAP_LEN] = {0};
	struct wire_msg back, m = {.kind = WIRE_PUBLISH, .publish = {span_of(wraps, sizeof wraps)}};
	struct kw_why why;

	(void)state;
	memset(wraps, 0x5A, sizeof wraps);
	reads_back(&back, &m);
	assert_true(span_eq(back.publish.wraps, m.publish.wraps));
	wire_msg_clear(&back);
	m.publish.wraps.len = KW_WRAP_LEN + 1;
	buf_reset(&bytes);
	assert_int_equal(wire_encode(&bytes, &m), KW_OK);
	assert_int_equal(wire_decode(&back, buf_span(&bytes), &why), KW_EPROTO);
	assert_non_null(strstr(why.text, "57 bytes"));
}

static void
a_full_stored_reads_back(void **state)
{
	static struct wire_stored_item items[WIRE_STORED_MAX];
	struct wire_msg back, m = {.kind = WIRE_STORED, .stored = {.count = WIRE_STORED_MAX, .items = items}};

	(void)state;
	for (uint32_t i = 0; i < WIRE_STORED_MAX; i++) {
		memset(items[i].id, (int)i, KW_ID_LEN);
		items[i].at = (struct position){1, (enum lane)(i % 3), i + 1};
		items[i].index = i;
		items[i].path_len = i % (KW_PATH_MAX + 1);
		memset(items[i].path, (int)i, (size_t)items[i].path_len * KW_HASH_LEN);
	}
	reads_back(&back, &m);
	assert_int_equal(back.stored.count, WIRE_STORED_MAX);
	for (uint32_t i = 0; i < WIRE_STORED_MAX; i++) {
		assert_memory_equal(back.stored.items[i].id, items[i].id, KW_ID_LEN);
		assert_int_equal(back.stored.items[i].path_len, items[i].path_len);
		assert_memory_equal(back.stored.items[i].path, items[i].path, (size_t)items[i].path_len * KW_HASH_LEN);
	}
	wire_msg_clear(&back);
}

static void
small_messages_read_back(void **state)
{
	struct wire_msg back;
	struct wire_msg refused = {.kind = WIRE_REFUSED, .refused = {.code = CODE_SLOW_DOWN, .has_id = true, .id = {4}, .wait_ms = 250,
		.text = "police/control-room sends faster than 1,000 a second; wait 250 ms"}};
	struct wire_msg deliver = {.kind = WIRE_DELIVER, .deliver = {.at = {1, LANE_ROUTINE, 12}, .commit = 3, .mark = MARK_EXPIRED,
		.has_wrap = true, .wrap = {8}}};
	struct wire_msg ack = {.kind = WIRE_ACK, .ack = {.cursor = {{1, 3}, {0, 0}, {1, 9}}}};
	struct wire_msg beat = {.kind = WIRE_BEAT};
	struct wire_msg get = {.kind = WIRE_AGREEMENT_GET, .agreement_get = {7, 2}};
	struct wire_msg text = {.kind = WIRE_AGREEMENT, .agreement = {7, 1, KW_PART_LEN + 14, span_str("partnership: x"), span_str("sig")}};
	struct wire_msg admin = {.kind = WIRE_ADMIN, .admin = {99, ADMIN_STATUS, {NULL, 0}, {NULL, 0}, 0, 0}};
	struct wire_msg show = {.kind = WIRE_ADMIN, .admin = {100, ADMIN_AGREEMENT, span_str("4"), {NULL, 0}, 3, 0}};
	struct wire_msg reply = {.kind = WIRE_ADMIN_REPLY, .admin_reply = {99, true, span_str("{}"), 0, 0, 0}};
	struct wire_msg shown = {.kind = WIRE_ADMIN_REPLY, .admin_reply = {100, true, span_str("end"), 3, 3 * KW_PART_LEN + 3, 4}};

	(void)state;
	reads_back(&back, &refused);
	assert_int_equal(back.refused.code, CODE_SLOW_DOWN);
	assert_string_equal(back.refused.text, refused.refused.text);
	wire_msg_clear(&back);
	reads_back(&back, &deliver);
	assert_int_equal(back.deliver.at.number, 12);
	assert_int_equal(back.deliver.mark, MARK_EXPIRED);
	assert_true(back.deliver.has_wrap);
	wire_msg_clear(&back);
	survives_damage();
	reads_back(&back, &ack);
	assert_int_equal(back.ack.cursor[2].number, 9);
	wire_msg_clear(&back);
	reads_back(&back, &beat);
	assert_false(back.beat.has_commit);
	wire_msg_clear(&back);
	reads_back(&back, &get);
	assert_int_equal(back.agreement_get.version, 7);
	assert_int_equal(back.agreement_get.part, 2);
	wire_msg_clear(&back);
	reads_back(&back, &text);
	assert_true(span_eq(back.agreement.text, text.agreement.text));
	assert_int_equal(back.agreement.part, 1);
	assert_int_equal(back.agreement.total, KW_PART_LEN + 14);
	wire_msg_clear(&back);
	reads_back(&back, &admin);
	assert_int_equal(back.admin.verb, ADMIN_STATUS);
	wire_msg_clear(&back);
	reads_back(&back, &reply);
	assert_true(back.admin_reply.ok);
	wire_msg_clear(&back);
	reads_back(&back, &show);
	assert_int_equal(back.admin.part, 3);
	wire_msg_clear(&back);
	reads_back(&back, &shown);
	assert_int_equal(back.admin_reply.part, 3);
	assert_int_equal(back.admin_reply.total, 3 * KW_PART_LEN + 3);
	assert_int_equal(back.admin_reply.version, 4);
	wire_msg_clear(&back);
}

static void
two_messages_in_one_control_are_refused(void **state)
{
	/* publish (field 3) with one wrap, then an empty beat (field 8) */
	uint8_t two[2 + 2 + KW_WRAP_LEN + 2] = {0x1A, 2 + KW_WRAP_LEN, 0x0A, KW_WRAP_LEN};
	struct wire_msg m;
	struct kw_why why;

	(void)state;
	two[sizeof two - 2] = 0x42;
	assert_int_equal(wire_decode(&m, span_of(two, sizeof two), &why), KW_EPROTO);
	assert_non_null(strstr(why.text, "2 messages"));
	assert_int_equal(wire_decode(&m, span_of(two, sizeof two - 2), &why), KW_OK);
	wire_msg_clear(&m);
	assert_int_equal(wire_decode(&m, span_of(two, 0), &why), KW_EPROTO);
}

static void
every_code_has_a_name(void **state)
{
	(void)state;
	for (int code = CODE_MALFORMED; code <= CODE_LAST; code++)
		assert_string_not_equal(wire_code_name((enum wire_code)code), "?");
	assert_true(wire_code_for_good(CODE_DENIED));
	assert_false(wire_code_for_good(CODE_STORE_FULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_hello_reads_back, clean, clean),
		cmocka_unit_test_setup_teardown(a_welcome_reads_back, clean, clean),
		cmocka_unit_test_setup_teardown(a_publish_reads_back_and_half_a_wrap_is_refused, clean, clean),
		cmocka_unit_test_setup_teardown(a_full_stored_reads_back, clean, clean),
		cmocka_unit_test_setup_teardown(small_messages_read_back, clean, clean),
		cmocka_unit_test_setup_teardown(two_messages_in_one_control_are_refused, clean, clean),
		cmocka_unit_test(every_code_has_a_name),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
