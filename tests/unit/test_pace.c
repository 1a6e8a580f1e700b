/* What was in the last minute: how many commits, how long they took; and how long a store has until it is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/filling.h"
#include "broker/net/pace.h"

#define MIB (1ull << 20)

static void
commits_of_the_last_minute_are_counted_and_older_ones_are_not(void **state)
{
	struct pace_look look;
	struct pace p;

	(void)state;
	pace_begin(&p, 5000);
	pace_look(&look, &p, 5000);
	assert_int_equal(look.over_ms + look.count + look.median_us + look.max_us, 0);
	for (uint64_t ms = 5000; ms < 125000; ms += 100) /* ten a second for two minutes */
		pace_note(&p, ms, 1000);
	pace_look(&look, &p, 125000);
	assert_in_range(look.over_ms, 60000, 70000);
	assert_int_equal(look.count, look.over_ms / 100);
	pace_look(&look, &p, 125000 + 70000); /* nothing since */
	assert_int_equal(look.count, 0);
	assert_int_equal(look.max_us, 0);
	pace_note(&p, 10000000, 7); /* after a long rest nothing of before counts */
	pace_look(&look, &p, 10000001);
	assert_int_equal(look.count, 1);
	assert_int_equal(look.max_us, 7);
}

static void
soon_after_the_start_the_time_is_shorter(void **state)
{
	struct pace_look look;
	struct pace p;

	(void)state;
	pace_begin(&p, 1000000);
	for (int i = 0; i < 30; i++)
		pace_note(&p, 1000000, 100);
	pace_look(&look, &p, 1003000);
	assert_int_equal(look.over_ms, 3000);
	assert_int_equal(look.count, 30);
}

/* Whatever it is, the middle is told to a tenth and the longest to the microsecond. */
static void
the_middle_is_told_to_a_tenth(void **state)
{
	(void)state;
	for (uint64_t us = 0; us < 100000000; us += us / 7 + 1) {
		struct pace_look look;
		struct pace p;

		pace_begin(&p, 0);
		for (int i = 0; i < 6; i++)
			pace_note(&p, 10, us);
		pace_note(&p, 10, us * 3);
		pace_note(&p, 10, us / 3);
		pace_look(&look, &p, 20);
		assert_int_equal(look.max_us, us * 3);
		assert_in_range(look.median_us, us - us / 8, us + us / 8);
	}
	for (uint64_t us = UINT64_MAX; us > UINT32_MAX; us /= 16) { /* a machine that slept */
		struct pace_look look;
		struct pace p;

		pace_begin(&p, 0);
		pace_note(&p, 10, us);
		pace_look(&look, &p, 20);
		assert_int_equal(look.max_us, UINT32_MAX);
	}
}

static void
the_middle_is_never_more_than_the_longest(void **state)
{
	(void)state;
	for (uint64_t us = 0; us < 100000000; us += us / 7 + 1) {
		struct pace_look look;
		struct pace p;

		pace_begin(&p, 0);
		pace_note(&p, 10, us);
		pace_look(&look, &p, 20);
		assert_in_range(look.median_us, us - us / 8, look.max_us);
	}
}

static void
a_clock_that_is_behind_the_newest_slot_still_counts(void **state)
{
	struct pace_look look;
	struct pace p;

	(void)state;
	pace_begin(&p, 100000);
	pace_note(&p, 100000, 5);
	pace_note(&p, 90000, 5);
	pace_look(&look, &p, 100000);
	assert_int_equal(look.count, 2);
}

/* From begin on, each half minute: it grows by so much, the disk loses so much. */
static void
watch(struct filling *f, uint64_t minutes, uint64_t used, uint64_t grows, uint64_t free, uint64_t loses)
{
	for (uint64_t i = 0; i <= 2 * minutes; i++)
		filling_note(f, 1000 + i * 30000, used + i * grows, free - i * loses);
}

static void
the_limit_that_comes_first_is_told_with_the_time_until_then(void **state)
{
	struct filling_left left;
	struct filling f = {0};

	(void)state;
	watch(&f, 10, 100 * MIB, 1 * MIB, 10000 * MIB, 1 * MIB); /* two a minute: 120 now, 800 is where routine is refused */
	filling_look(&left, &f, 1000 * MIB);
	assert_int_equal(left.what, FILLING_QUOTA);
	assert_int_equal(left.left_ms, (800 - 120) / 2 * 60000);
	f = (struct filling){0};
	watch(&f, 10, 100 * MIB, 1 * MIB, 220 * MIB, 1 * MIB);
	filling_look(&left, &f, 1000 * MIB);
	assert_int_equal(left.what, FILLING_DISK);
	assert_int_equal(left.left_ms, 200 / 2 * 60000);
	filling_look(&left, &f, 0); /* no quota */
	assert_int_equal(left.what, FILLING_DISK);
	f = (struct filling){0};
	watch(&f, 10, 900 * MIB, 1, 0, 0); /* it is there, and the store is in memory */
	filling_look(&left, &f, 1000 * MIB);
	assert_int_equal(left.what, FILLING_QUOTA);
	assert_int_equal(left.left_ms, 0);
}

static void
what_shrinks_stands_still_or_was_not_watched_for_long_tells_nothing(void **state)
{
	struct filling_left left;
	struct filling f = {0};

	(void)state;
	filling_look(&left, &f, 1000 * MIB);
	assert_int_equal(left.what, FILLING_NOTHING);
	watch(&f, 4, 100 * MIB, 50 * MIB, 10000 * MIB, 500 * MIB); /* a burst */
	filling_look(&left, &f, 1000 * MIB);
	assert_int_equal(left.what, FILLING_NOTHING);
	f = (struct filling){0};
	watch(&f, 10, 100 * MIB, 0, 10000 * MIB, 0);
	filling_look(&left, &f, 1000 * MIB);
	assert_int_equal(left.what, FILLING_NOTHING);
	f = (struct filling){0};
	for (uint64_t i = 0; i < 100; i++) /* retention makes room */
		filling_note(&f, i * 30000, (500 - i) * MIB, (500 + i) * MIB);
	filling_look(&left, &f, 1000 * MIB);
	assert_int_equal(left.what, FILLING_NOTHING);
}

static void
only_the_last_hour_counts(void **state)
{
	struct filling_left left;
	struct filling f = {0};

	(void)state;
	watch(&f, 60, 0, 10 * MIB, 100000 * MIB, 10 * MIB);
	for (uint64_t i = 0; i < 1000; i++) /* as often as one likes */
		filling_note(&f, 1000 + 3600000 + i, 1200 * MIB, 98800 * MIB);
	for (uint64_t i = 1; i <= 130; i++)
		filling_note(&f, 1000 + 3600000 + i * 30000, 1200 * MIB, 98800 * MIB);
	filling_look(&left, &f, 10000 * MIB);
	assert_int_equal(left.what, FILLING_NOTHING);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commits_of_the_last_minute_are_counted_and_older_ones_are_not),
		cmocka_unit_test(soon_after_the_start_the_time_is_shorter),
		cmocka_unit_test(the_middle_is_never_more_than_the_longest),
		cmocka_unit_test(the_middle_is_told_to_a_tenth),
		cmocka_unit_test(a_clock_that_is_behind_the_newest_slot_still_counts),
		cmocka_unit_test(the_limit_that_comes_first_is_told_with_the_time_until_then),
		cmocka_unit_test(what_shrinks_stands_still_or_was_not_watched_for_long_tells_nothing),
		cmocka_unit_test(only_the_last_hour_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
