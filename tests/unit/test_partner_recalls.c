/* What was left out as recalled waits for its recall (clients/partner/core/recalls.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clients/partner/core/recalls.h"

/* [D-10] */
static void
a_recall_that_does_not_come_is_missed_once(void **state)
{
	struct recalls r = {0};

	(void)state;
	recalls_await(&r, 7, 1000);
	recalls_await(&r, 8, 2000);
	assert_int_equal(recalls_missing(&r, 1000 + RECALLS_WAIT_MS - 1), 0);
	assert_int_equal(recalls_missing(&r, 1000 + RECALLS_WAIT_MS), 7);
	assert_int_equal(recalls_missing(&r, 1000 + RECALLS_WAIT_MS), 0);
	assert_int_equal(recalls_missing(&r, 2000 + RECALLS_WAIT_MS), 8);
	assert_int_equal(r.count, 0);
}

static void
one_that_came_is_missed_no_more(void **state)
{
	struct recalls r = {0};

	(void)state;
	recalls_await(&r, 7, 0);
	recalls_await(&r, 8, 0);
	recalls_came(&r, 7);
	recalls_came(&r, 9);
	assert_int_equal(recalls_missing(&r, RECALLS_WAIT_MS), 8);
	assert_int_equal(recalls_missing(&r, UINT32_MAX), 0);
}

static void
the_wait_is_one_connections(void **state)
{
	struct recalls r = {0};

	(void)state;
	recalls_await(&r, 7, 0);
	recalls_again(&r, 200000);
	assert_int_equal(recalls_missing(&r, RECALLS_WAIT_MS), 0);
	assert_int_equal(recalls_missing(&r, 200000 + RECALLS_WAIT_MS), 7);
}

static void
what_finds_no_place_is_said_to_whoever_asks(void **state)
{
	struct recalls r = {0};

	(void)state;
	for (uint64_t seq = 1; seq <= RECALLS_MOST; seq++) {
		assert_false(recalls_full(&r));
		recalls_await(&r, seq, 0);
	}
	assert_true(recalls_full(&r));
	recalls_await(&r, 1000, 0);
	recalls_came(&r, 1);
	assert_false(recalls_full(&r));
	while (recalls_missing(&r, RECALLS_WAIT_MS) != 0)
		;
	assert_int_equal(r.count, 0);
	recalls_await(&r, 7, 0);
	recalls_forget(&r);
	assert_int_equal(recalls_missing(&r, UINT32_MAX), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recall_that_does_not_come_is_missed_once),
		cmocka_unit_test(one_that_came_is_missed_no_more),
		cmocka_unit_test(the_wait_is_one_connections),
		cmocka_unit_test(what_finds_no_place_is_said_to_whoever_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
