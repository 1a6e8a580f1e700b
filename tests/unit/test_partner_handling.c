/* When a handler is run: in order, one at a time, again with growing rests, given up in the end, asked to end when it is out of time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clients/partner/core/handling.h"

#define TIMEOUT 60000u

static struct handling
fresh(void)
{
	struct handling h;

	handling_init(&h, 3, TIMEOUT, 10, 0, 0);
	return h;
}

/* The search finds at, and it runs from now on. */
static void
runs(struct handling *h, uint64_t at, uint64_t now)
{
	assert_int_equal(handling_want(h, now), HANDLING_SEARCH);
	handling_found(h, at);
	assert_int_equal(handling_want(h, now), HANDLING_RUN);
	handling_started(h, now);
	assert_int_equal(handling_want(h, now), HANDLING_NOTHING);
}

static void
it_looks_runs_and_goes_on_behind_what_was_done(void **state)
{
	struct handling h = fresh();

	(void)state;
	runs(&h, 12, 100);
	assert_false(h.repeat);
	assert_int_equal(handling_ended(&h, true, false, 200), HANDLING_DONE);
	assert_int_equal(h.seq, 12);
	assert_int_equal(h.at, 0);
	runs(&h, 13, 200);
	assert_int_equal(handling_ended(&h, true, false, 300), HANDLING_DONE);
	assert_int_equal(handling_want(&h, 300), HANDLING_SEARCH);
	handling_reached(&h, 40);
	assert_int_equal(h.seq, 40);
	assert_int_equal(handling_want(&h, 1000000), HANDLING_NOTHING);
	assert_true(handling_wake_ms(&h) == UINT64_MAX);
	handling_news(&h);
	assert_int_equal(handling_want(&h, 1000000), HANDLING_SEARCH);
}

static void
news_while_it_runs_do_not_start_it_twice(void **state)
{
	struct handling h = fresh();

	(void)state;
	runs(&h, 12, 100);
	handling_news(&h);
	assert_int_equal(handling_want(&h, 101), HANDLING_NOTHING);
	assert_int_equal(h.at, 12);
}

static void
a_failure_is_tried_again_after_rests_that_double_up_to_five_minutes(void **state)
{
	static const uint64_t rests[] = {1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000, 256000, 300000, 300000};
	struct handling h;
	uint64_t now = 5000;

	(void)state;
	handling_init(&h, 1000, TIMEOUT, 10, 0, 0);
	for (size_t i = 0; i < sizeof rests / sizeof rests[0]; i++) {
		runs(&h, 11, now);
		assert_true(h.repeat == (i > 0));
		assert_int_equal(handling_ended(&h, false, false, now), HANDLING_AGAIN);
		assert_int_equal(handling_wake_ms(&h), now + rests[i]);
		assert_int_equal(handling_want(&h, now + rests[i] - 1), HANDLING_NOTHING);
		assert_int_equal(h.seq, 10);
		now += rests[i];
	}
}

static void
after_the_last_attempt_it_is_set_aside_and_the_next_one_counts_anew(void **state)
{
	struct handling h = fresh();

	(void)state;
	for (uint64_t now = 0; now < 200000; now += 100000) {
		runs(&h, 11, now);
		assert_int_equal(handling_ended(&h, false, false, now), HANDLING_AGAIN);
	}
	runs(&h, 11, 300000);
	assert_int_equal(handling_ended(&h, false, false, 300000), HANDLING_SET_ASIDE);
	assert_int_equal(h.seq, 11);
	runs(&h, 12, 300000); /* without a rest */
	assert_false(h.repeat);
	assert_int_equal(h.failures, 0);
	assert_int_equal(handling_ended(&h, false, false, 300000), HANDLING_AGAIN);
}

static void
what_no_attempt_can_mend_is_set_aside_at_once(void **state)
{
	struct handling h = fresh();

	(void)state;
	assert_int_equal(handling_want(&h, 0), HANDLING_SEARCH);
	handling_found(&h, 11);
	assert_int_equal(handling_ended(&h, false, true, 0), HANDLING_SET_ASIDE);
	assert_int_equal(h.seq, 11);
}

static void
one_attempt_means_one(void **state)
{
	struct handling h;

	(void)state;
	handling_init(&h, 1, TIMEOUT, 0, 0, 0);
	runs(&h, 1, 0);
	assert_int_equal(handling_ended(&h, false, false, 0), HANDLING_SET_ASIDE);
}

static void
out_of_time_it_is_asked_to_end_once_and_killed_once(void **state)
{
	struct handling h = fresh();

	(void)state;
	runs(&h, 11, 1000);
	assert_int_equal(handling_wake_ms(&h), 1000 + TIMEOUT);
	assert_int_equal(handling_want(&h, 1000 + TIMEOUT - 1), HANDLING_NOTHING);
	assert_int_equal(handling_want(&h, 1000 + TIMEOUT), HANDLING_TERM);
	assert_int_equal(handling_want(&h, 1000 + TIMEOUT), HANDLING_NOTHING);
	assert_int_equal(handling_wake_ms(&h), 1000 + TIMEOUT + HANDLING_TERM_MS);
	assert_int_equal(handling_want(&h, 1000 + TIMEOUT + HANDLING_TERM_MS), HANDLING_KILL);
	assert_int_equal(handling_want(&h, UINT64_MAX), HANDLING_NOTHING);
	assert_true(handling_wake_ms(&h) == UINT64_MAX);
	assert_int_equal(handling_ended(&h, false, false, 100000), HANDLING_AGAIN);
}

static void
a_run_that_a_crash_interrupted_is_a_repeat_and_counts_its_failures_on(void **state)
{
	struct handling h;

	(void)state;
	handling_init(&h, 3, TIMEOUT, 10, 12, 2);
	runs(&h, 12, 0);
	assert_true(h.repeat);
	assert_int_equal(handling_ended(&h, false, false, 0), HANDLING_SET_ASIDE);
}

static void
what_a_crash_interrupted_and_is_gone_since_leaves_no_trace_on_the_next(void **state)
{
	struct handling h;

	(void)state;
	handling_init(&h, 3, TIMEOUT, 10, 12, 2);
	runs(&h, 13, 0);
	assert_false(h.repeat);
	assert_int_equal(h.failures, 0);
	handling_init(&h, 3, TIMEOUT, 10, 12, 2);
	assert_int_equal(handling_want(&h, 0), HANDLING_SEARCH);
	handling_passed(&h, 12); /* cancelled meanwhile */
	assert_int_equal(h.at, 0);
	runs(&h, 13, 0);
	assert_false(h.repeat);
	handling_init(&h, 3, TIMEOUT, 10, 10, 2); /* done already: an old mark means nothing */
	assert_int_equal(h.at, 0);
}

static void
what_vanished_between_search_and_run_is_passed_by(void **state)
{
	struct handling h = fresh();

	(void)state;
	assert_int_equal(handling_want(&h, 0), HANDLING_SEARCH);
	handling_found(&h, 11);
	handling_gone(&h);
	assert_int_equal(h.seq, 11);
	assert_int_equal(handling_want(&h, 0), HANDLING_SEARCH);
}

static void
a_long_search_goes_on_where_it_stopped_and_never_back(void **state)
{
	struct handling h = fresh();

	(void)state;
	assert_int_equal(handling_want(&h, 0), HANDLING_SEARCH);
	handling_passed(&h, 266);
	assert_int_equal(handling_wake_ms(&h), 0);
	assert_int_equal(handling_want(&h, 0), HANDLING_SEARCH);
	handling_reached(&h, 200);
	assert_int_equal(h.seq, 266);
}

static void
what_nobody_should_act_on_any_more_is_not_run(void **state)
{
	const struct handling_notice fine = {.mark = "", .alert = true, .expires_ms = 2000};
	struct handling_notice n = fine;

	(void)state;
	assert_null(handling_skip(&n, false, 1999));
	assert_null(handling_skip(&n, true, 1999));
	assert_non_null(handling_skip(&n, false, 2000));
	n.alert = false;
	assert_null(handling_skip(&n, false, 0));
	assert_non_null(handling_skip(&n, true, 0));
	n = fine;
	n.bare = true;
	assert_non_null(handling_skip(&n, false, 0));
	n = fine;
	n.outdated = true;
	assert_non_null(handling_skip(&n, false, 0));
	n = fine;
	n.cancelled = true;
	assert_non_null(handling_skip(&n, false, 0));
	n = fine;
	n.mark = "voided";
	assert_non_null(handling_skip(&n, false, 0));
	n.mark = "clock"; /* a sender's clock that is off hides no alert */
	assert_null(handling_skip(&n, false, 0));
	n.mark = "equivocation";
	assert_null(handling_skip(&n, false, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_looks_runs_and_goes_on_behind_what_was_done),
		cmocka_unit_test(news_while_it_runs_do_not_start_it_twice),
		cmocka_unit_test(a_failure_is_tried_again_after_rests_that_double_up_to_five_minutes),
		cmocka_unit_test(after_the_last_attempt_it_is_set_aside_and_the_next_one_counts_anew),
		cmocka_unit_test(what_no_attempt_can_mend_is_set_aside_at_once),
		cmocka_unit_test(one_attempt_means_one),
		cmocka_unit_test(out_of_time_it_is_asked_to_end_once_and_killed_once),
		cmocka_unit_test(a_run_that_a_crash_interrupted_is_a_repeat_and_counts_its_failures_on),
		cmocka_unit_test(what_a_crash_interrupted_and_is_gone_since_leaves_no_trace_on_the_next),
		cmocka_unit_test(what_vanished_between_search_and_run_is_passed_by),
		cmocka_unit_test(a_long_search_goes_on_where_it_stopped_and_never_back),
		cmocka_unit_test(what_nobody_should_act_on_any_more_is_not_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
