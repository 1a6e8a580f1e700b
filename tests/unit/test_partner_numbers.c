/* A sender's running numbers, receipts in batches, deadlines of confirmations: the pure parts of the inbox's side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "clients/partner/core/confirmations.h"
#include "clients/partner/core/numbers.h"
#include "clients/partner/core/receipts.h"

static void
the_first_number_is_one_and_the_next_follows(void **state)
{
	struct number_step s = numbers_judge((struct numbers){0, 0}, 5, 1, PLACE_USED);

	(void)state;
	assert_int_equal(s.verdict, NUMBER_NEXT);
	assert_false(s.new_epoch);
	assert_int_equal(s.after.next, 2);
	s = numbers_judge(s.after, 5, 2, PLACE_USED);
	assert_int_equal(s.verdict, NUMBER_NEXT);
}

static void
a_number_ahead_names_the_gap(void **state)
{
	struct number_step s = numbers_judge((struct numbers){5, 3}, 5, 7, PLACE_USED);

	(void)state;
	assert_int_equal(s.verdict, NUMBER_AHEAD);
	assert_int_equal(s.gap_first, 3);
	assert_int_equal(s.gap_last, 6);
	assert_int_equal(s.after.next, 8);
	s = numbers_judge((struct numbers){0, 0}, 5, 4, PLACE_USED); /* the first ever seen, and three are missing */
	assert_int_equal(s.verdict, NUMBER_AHEAD);
	assert_int_equal(s.gap_last, 3);
}

static void
what_was_missing_fills_and_what_was_there_is_a_lie(void **state)
{
	(void)state;
	assert_int_equal(numbers_judge((struct numbers){5, 9}, 5, 4, PLACE_GAP).verdict, NUMBER_FILLS);
	assert_int_equal(numbers_judge((struct numbers){5, 9}, 5, 4, PLACE_USED).verdict, NUMBER_TWICE);
	assert_int_equal(numbers_judge((struct numbers){5, 9}, 5, 4, PLACE_VOIDED).verdict, NUMBER_VOID);
}

static void
a_higher_epoch_counts_anew_and_a_lower_one_is_refused(void **state)
{
	struct number_step s = numbers_judge((struct numbers){5, 9}, 6, 1, PLACE_USED);

	(void)state;
	assert_int_equal(s.verdict, NUMBER_NEXT);
	assert_true(s.new_epoch);
	assert_int_equal(s.after.epoch, 6);
	s = numbers_judge(s.after, 5, 9, PLACE_USED);
	assert_int_equal(s.verdict, NUMBER_OLD_EPOCH);
	assert_int_equal(s.after.epoch, 6);
	assert_int_equal(numbers_judge((struct numbers){6, 2}, 5, 4, PLACE_GAP).verdict, NUMBER_FILLS);
}

static void
zero_and_absurd_numbers_are_refused_and_change_nothing(void **state)
{
	const uint64_t bad[] = {0, NUMBERS_MAX + 1, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct number_step s = numbers_judge((struct numbers){5, 9}, 5, bad[i], PLACE_USED);

		assert_int_equal(s.verdict, NUMBER_ABSURD);
		assert_int_equal(s.after.next, 9);
	}
}

static struct receipt_due
due(uint64_t seq, const char *sender, enum lane lane, bool at_once)
{
	struct receipt_due d = {.seq = seq, .lane = lane, .at_once = at_once};

	(void)snprintf(d.sender, sizeof d.sender, "%s", sender);
	(void)snprintf(d.topic, sizeof d.topic, "alert/flood");
	return d;
}

/* [D-11] */
static void
flash_and_who_asked_are_confirmed_at_once_the_rest_within_a_minute(void **state)
{
	struct receipts *r = NULL;
	struct receipt_due a = due(1, "police/a", LANE_ROUTINE, false), b = due(2, "police/a", LANE_FLASH, false), c = due(3, "city/b", LANE_URGENT, true);
	uint64_t seqs[KW_RECEIPTS_MAX];

	(void)state;
	assert_int_equal(receipts_new(&r), KW_OK);
	assert_int_equal(receipts_add(r, &a, 1000), KW_OK);
	assert_int_equal(receipts_take(r, seqs, 1000), 0);
	assert_int_equal(receipts_add(r, &b, 1000), KW_OK);
	assert_int_equal(receipts_add(r, &c, 1000), KW_OK);
	assert_int_equal(receipts_take(r, seqs, 1000), 1);
	assert_int_equal(seqs[0], 2);
	assert_int_equal(receipts_take(r, seqs, 1000), 1);
	assert_int_equal(seqs[0], 3);
	assert_int_equal(receipts_take(r, seqs, 1000), 0);
	assert_true(receipts_wake_ms(r) < 1000 + 60000);
	assert_int_equal(receipts_take(r, seqs, receipts_wake_ms(r)), 1);
	assert_int_equal(receipts_wake_ms(r), UINT64_MAX);
	receipts_free(&r);
}

/* [D-11] */
static void
one_receipt_names_at_most_its_limit_of_one_sender_topic_and_lane(void **state)
{
	struct receipts *r = NULL;
	uint64_t seqs[KW_RECEIPTS_MAX];

	(void)state;
	assert_int_equal(receipts_new(&r), KW_OK);
	for (uint64_t i = 1; i <= KW_RECEIPTS_MAX + 5; i++) {
		struct receipt_due a = due(i, "police/a", LANE_ROUTINE, false), b = due(10000 + i, "police/b", LANE_ROUTINE, false);

		assert_int_equal(receipts_add(r, &a, 0), KW_OK);
		if (i < 3)
			assert_int_equal(receipts_add(r, &b, 0), KW_OK);
	}
	assert_int_equal(receipts_take(r, seqs, 0), KW_RECEIPTS_MAX); /* full: it does not wait */
	assert_int_equal(seqs[0], 1);
	assert_int_equal(seqs[KW_RECEIPTS_MAX - 1], KW_RECEIPTS_MAX);
	assert_int_equal(receipts_take(r, seqs, 0), 0);
	assert_int_equal(receipts_take(r, seqs, RECEIPTS_WAIT_MS), 2);
	assert_int_equal(receipts_take(r, seqs, RECEIPTS_WAIT_MS), 5);
	assert_int_equal(receipts_count(r), 0);
	receipts_free(&r);
}

static void
deadlines_come_in_the_order_of_time_and_each_once(void **state)
{
	struct confirmations *c = NULL;

	(void)state;
	assert_int_equal(confirmations_new(&c), KW_OK);
	for (uint64_t i = 1; i <= 100; i++)
		assert_int_equal(confirmations_add(c, i, (i * 37) % 101 * 10), KW_OK);
	for (uint64_t at = 10, seen = 0; at <= 1000; at += 10) {
		uint64_t seq = confirmations_late(c, at);

		assert_true(seq > 0);
		assert_int_equal((seq * 37) % 101 * 10, at);
		assert_int_equal(confirmations_late(c, at), 0);
		assert_int_equal(++seen, at / 10);
	}
	assert_int_equal(confirmations_wake_ms(c), UINT64_MAX);
	confirmations_free(&c);
}

static void
receipts_and_voids_await_no_confirmation(void **state)
{
	(void)state;
	assert_true(confirmation_awaited(TYPE_NOTICE));
	assert_true(confirmation_awaited(TYPE_CANCEL));
	assert_false(confirmation_awaited(TYPE_DELIVERED));
	assert_false(confirmation_awaited(TYPE_REJECTED));
	assert_false(confirmation_awaited(TYPE_VOID));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_number_is_one_and_the_next_follows),
		cmocka_unit_test(a_number_ahead_names_the_gap),
		cmocka_unit_test(what_was_missing_fills_and_what_was_there_is_a_lie),
		cmocka_unit_test(a_higher_epoch_counts_anew_and_a_lower_one_is_refused),
		cmocka_unit_test(zero_and_absurd_numbers_are_refused_and_change_nothing),
		cmocka_unit_test(flash_and_who_asked_are_confirmed_at_once_the_rest_within_a_minute),
		cmocka_unit_test(one_receipt_names_at_most_its_limit_of_one_sender_topic_and_lane),
		cmocka_unit_test(deadlines_come_in_the_order_of_time_and_each_once),
		cmocka_unit_test(receipts_and_voids_await_no_confirmation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
