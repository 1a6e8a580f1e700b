/* What of the outbox goes next: lanes, windows, repeats, waits, and what each refusal means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clients/partner/core/sending.h"

static const struct lane_window wide[KW_LANES] = {{100, 1000000}, {100, 1000000}, {100, 1000000}};

static void
id_of(uint8_t id[KW_ID_LEN], uint64_t seq)
{
	memset(id, 0, KW_ID_LEN);
	memcpy(id, &seq, sizeof seq);
}

static void
offer(struct sending *s, enum lane lane, uint64_t seq, uint32_t bytes, uint64_t now)
{
	uint8_t id[KW_ID_LEN];

	id_of(id, seq);
	sending_offered(s, lane, seq, id, bytes, now);
}

static enum sending_fate
refuse(struct sending *s, uint64_t seq, enum wire_code code, uint32_t wait, uint64_t now)
{
	uint8_t id[KW_ID_LEN];

	id_of(id, seq);
	return sending_refused(s, id, code, wait, now);
}

static struct sending *
started(const struct lane_window *w)
{
	struct sending *s = NULL;

	assert_int_equal(sending_new(&s), KW_OK);
	sending_stop(s);
	if (w != NULL)
		sending_start(s, w);
	return s;
}

static bool
want(struct sending *s, enum lane *lane, uint64_t *after, uint64_t now)
{
	uint32_t bytes;

	return sending_want(s, lane, after, &bytes, now);
}

static void
nothing_goes_before_welcome(void **state)
{
	struct sending *s = started(NULL);
	enum lane lane;
	uint64_t after;

	(void)state;
	assert_false(want(s, &lane, &after, 0));
	sending_free(&s);
}

static void
a_higher_lane_goes_first(void **state)
{
	struct sending *s = started(wide);
	enum lane lane;
	uint64_t after;

	(void)state;
	assert_true(want(s, &lane, &after, 0));
	assert_int_equal(lane, LANE_FLASH);
	sending_empty(s, LANE_FLASH);
	assert_true(want(s, &lane, &after, 0));
	assert_int_equal(lane, LANE_URGENT);
	offer(s, LANE_URGENT, 5, 10, 0);
	sending_added(s, LANE_FLASH);
	assert_true(want(s, &lane, &after, 0));
	assert_int_equal(lane, LANE_FLASH);
	sending_free(&s);
}

static void
the_window_of_messages_and_bytes_is_kept(void **state)
{
	const struct lane_window narrow[KW_LANES] = {{2, 1000}, {9, 100}, {9, 9}};
	struct sending *s = started(narrow);
	enum lane lane;
	uint64_t after;
	uint32_t bytes;

	(void)state;
	offer(s, LANE_FLASH, 1, 10, 0);
	offer(s, LANE_FLASH, 2, 10, 0);
	assert_true(want(s, &lane, &after, 0));
	assert_int_equal(lane, LANE_URGENT); /* flash has two unanswered */
	offer(s, LANE_URGENT, 3, 60, 0);
	assert_true(sending_want(s, &lane, &after, &bytes, 0));
	assert_int_equal(lane, LANE_URGENT);
	assert_int_equal(bytes, 40);
	sending_full(s, LANE_URGENT);
	assert_true(sending_want(s, &lane, &after, &bytes, 0));
	assert_int_equal(lane, LANE_ROUTINE);
	assert_int_equal(bytes, UINT32_MAX); /* one may always go, however large */
	offer(s, LANE_ROUTINE, 4, 500, 0);
	assert_false(want(s, &lane, &after, 0));
	sending_free(&s);
}

static void
an_answer_makes_room(void **state)
{
	const struct lane_window one[KW_LANES] = {{1, 1000}, {1, 1000}, {1, 1000}};
	struct sending *s = started(one);
	uint8_t id[KW_ID_LEN];
	enum lane lane;
	uint64_t after;

	(void)state;
	offer(s, LANE_FLASH, 1, 10, 0);
	sending_empty(s, LANE_URGENT);
	sending_empty(s, LANE_ROUTINE);
	assert_false(want(s, &lane, &after, 0));
	id_of(id, 1);
	assert_true(sending_stored(s, id));
	assert_false(sending_stored(s, id));
	assert_true(want(s, &lane, &after, 0));
	assert_int_equal(after, 1);
	sending_free(&s);
}

/* [P-10] */
static void
after_a_reconnect_everything_unanswered_is_offered_again(void **state)
{
	struct sending *s = started(wide);
	enum lane lane;
	uint64_t after = 99;

	(void)state;
	offer(s, LANE_FLASH, 7, 10, 0);
	sending_stop(s);
	assert_false(want(s, &lane, &after, 0));
	sending_start(s, wide);
	assert_true(want(s, &lane, &after, 0));
	assert_int_equal(after, 0);
	assert_false(sending_unanswered(s, LANE_FLASH, 7));
	sending_free(&s);
}

static void
p11_slow_down_goes_back_to_the_refused_one_when_all_behind_it_is_answered(void **state)
{
	struct sending *s = started(wide);
	enum lane lane;
	uint64_t after;

	(void)state;
	sending_empty(s, LANE_URGENT);
	sending_empty(s, LANE_ROUTINE);
	offer(s, LANE_FLASH, 3, 10, 0);
	offer(s, LANE_FLASH, 4, 10, 0);
	assert_int_equal(sending_round(s, LANE_FLASH), 0);
	assert_int_equal(refuse(s, 3, CODE_SLOW_DOWN, 200, 1000), SENDING_AGAIN);
	assert_false(want(s, &lane, &after, 1200)); /* 4 was sent behind it: whatever its answer is, that comes first */
	assert_int_equal(sending_wake_ms(s), SENDING_ANSWER_MS);
	assert_int_equal(refuse(s, 4, CODE_SLOW_DOWN, 50, 1010), SENDING_AGAIN);
	assert_false(want(s, &lane, &after, 1199));
	assert_int_equal(sending_wake_ms(s), 1200);
	assert_true(want(s, &lane, &after, 1200));
	assert_int_equal(after, 2);
	assert_int_equal(sending_round(s, LANE_FLASH), 1);
	assert_int_equal(sending_round(s, LANE_URGENT), 0);
	offer(s, LANE_FLASH, 3, 10, 1200);
	assert_true(want(s, &lane, &after, 1200)); /* 4 again, behind it and without waiting */
	assert_int_equal(after, 3);
	assert_int_equal(sending_round(s, LANE_FLASH), 1);
	sending_free(&s);
}

static void
a_wait_of_one_lane_holds_no_other(void **state)
{
	struct sending *s = started(wide);
	enum lane lane;
	uint64_t after;

	(void)state;
	offer(s, LANE_ROUTINE, 3, 10, 0);
	assert_int_equal(refuse(s, 3, CODE_STORE_FULL, 30000, 0), SENDING_AGAIN);
	assert_true(want(s, &lane, &after, 1));
	assert_int_equal(lane, LANE_FLASH);
	sending_free(&s);
}

static void
each_code_has_its_fate(void **state)
{
	static const struct { enum wire_code code; enum sending_fate fate; } all[] = {
		{CODE_MALFORMED, SENDING_FOR_GOOD}, {CODE_DENIED, SENDING_FOR_GOOD}, {CODE_AUDIENCE, SENDING_FOR_GOOD},
		{CODE_EXPIRED, SENDING_FOR_GOOD}, {CODE_CONFLICT, SENDING_FOR_GOOD}, {CODE_CLOCK, SENDING_FOR_GOOD},
		{CODE_RELEASE, SENDING_FOR_GOOD}, {CODE_TOO_LARGE, SENDING_FOR_GOOD}, {CODE_SLOW_DOWN, SENDING_AGAIN},
		{CODE_STORE_FULL, SENDING_AGAIN}, {CODE_BEHIND, SENDING_AGAIN}, {CODE_NO_HELLO, SENDING_AGAIN},
		{CODE_AGREEMENT_UNKNOWN, SENDING_AGAIN}, {CODE_STOPPING, SENDING_AGAIN}, {CODE_AGREEMENT_OLD, SENDING_ANEW},
	};
	struct sending *s = started(wide);

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		sending_stop(s);
		sending_start(s, wide);
		offer(s, LANE_FLASH, i + 1, 10, 0);
		assert_int_equal(refuse(s, i + 1, all[i].code, 0, 0), all[i].fate);
		assert_int_equal(refuse(s, i + 1, all[i].code, 0, 0), SENDING_UNKNOWN);
	}
	sending_free(&s);
}

static void
a_broker_that_answers_nothing_is_noticed(void **state)
{
	struct sending *s = started(wide);

	(void)state;
	offer(s, LANE_FLASH, 1, 10, 500);
	assert_false(sending_stalled(s, 500 + SENDING_ANSWER_MS - 1));
	assert_true(sending_stalled(s, 500 + SENDING_ANSWER_MS));
	sending_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_goes_before_welcome),
		cmocka_unit_test(a_higher_lane_goes_first),
		cmocka_unit_test(the_window_of_messages_and_bytes_is_kept),
		cmocka_unit_test(an_answer_makes_room),
		cmocka_unit_test(after_a_reconnect_everything_unanswered_is_offered_again),
		cmocka_unit_test(p11_slow_down_goes_back_to_the_refused_one_when_all_behind_it_is_answered),
		cmocka_unit_test(a_wait_of_one_lane_holds_no_other),
		cmocka_unit_test(each_code_has_its_fate),
		cmocka_unit_test(a_broker_that_answers_nothing_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
