/* A node's connection as a pure machine: waits, hello, beats, silence, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clients/partner/core/link.h"
#include "proto/limits.h"

static void
bring_up(struct link *l, uint64_t now)
{
	link_tick(l, now);
	assert_int_equal(link_next(l), LINK_OPEN);
	link_connected(l, now);
	assert_int_equal(link_next(l), LINK_SAY_HELLO);
	link_welcomed(l, now);
	assert_int_equal(l->state, LINK_READY);
}

static void
the_first_attempt_is_made_at_once_and_ends_ready(void **state)
{
	struct link l;

	(void)state;
	link_init(&l, 2, 1, 1000);
	bring_up(&l, 1000);
	assert_int_equal(link_next(&l), LINK_NOTHING);
}

static void
waits_double_up_to_thirty_seconds_and_never_pass_it(void **state)
{
	struct link l;
	uint64_t now = 0, most = LINK_WAIT_MIN_MS;

	(void)state;
	link_init(&l, 1, 7, now);
	for (int i = 0; i < 30; i++) {
		uint64_t wait;

		link_tick(&l, now);
		assert_int_equal(link_next(&l), LINK_OPEN);
		link_failed(&l, now);
		assert_int_equal(link_next(&l), LINK_CLOSE);
		wait = l.until_ms - now;
		assert_true(wait >= most / 2 && wait <= most);
		now = l.until_ms;
		most = most * 2 > LINK_WAIT_MAX_MS ? LINK_WAIT_MAX_MS : most * 2;
	}
}

static void
two_seeds_do_not_come_back_in_step(void **state)
{
	struct link a, b;
	int same = 0;

	(void)state;
	link_init(&a, 1, 1, 0);
	link_init(&b, 1, 2, 0);
	for (int i = 0; i < 20; i++) {
		link_tick(&a, a.until_ms);
		link_tick(&b, b.until_ms);
		(void)link_next(&a);
		(void)link_next(&b);
		link_failed(&a, 0);
		link_failed(&b, 0);
		(void)link_next(&a);
		(void)link_next(&b);
		same += a.until_ms == b.until_ms;
	}
	assert_true(same < 5);
}

static void
each_failure_takes_the_next_endpoint(void **state)
{
	struct link l;

	(void)state;
	link_init(&l, 3, 1, 0);
	for (uint32_t i = 0; i < 7; i++) {
		assert_int_equal(l.endpoint, i % 3);
		link_tick(&l, l.until_ms);
		(void)link_next(&l);
		link_failed(&l, l.until_ms);
		(void)link_next(&l);
	}
	link_endpoints(&l, 1);
	assert_int_equal(l.endpoint, 0);
}

static void
a_handshake_that_never_ends_is_given_up(void **state)
{
	struct link l;

	(void)state;
	link_init(&l, 1, 1, 0);
	link_tick(&l, 0);
	(void)link_next(&l);
	link_tick(&l, LINK_CONNECT_MS - 1);
	assert_int_equal(l.state, LINK_CONNECTING);
	link_tick(&l, LINK_CONNECT_MS);
	assert_int_equal(link_next(&l), LINK_CLOSE);
	assert_int_equal(l.state, LINK_WAITING);
}

static void
a_broker_that_never_says_welcome_is_given_up(void **state)
{
	struct link l;

	(void)state;
	link_init(&l, 1, 1, 0);
	link_tick(&l, 0);
	(void)link_next(&l);
	link_connected(&l, 100);
	assert_int_equal(link_next(&l), LINK_SAY_HELLO);
	link_tick(&l, 100 + KW_SILENT_MS);
	assert_int_equal(link_next(&l), LINK_CLOSE);
}

static void
a_beat_goes_after_ten_quiet_seconds_and_not_before(void **state)
{
	struct link l;

	(void)state;
	link_init(&l, 1, 1, 0);
	bring_up(&l, 0);
	link_heard(&l, 9000);
	link_tick(&l, KW_BEAT_MS - 1);
	assert_int_equal(link_next(&l), LINK_NOTHING);
	link_tick(&l, KW_BEAT_MS);
	assert_int_equal(link_next(&l), LINK_BEAT);
	link_sent(&l, 15000);
	link_tick(&l, 24999);
	assert_int_equal(link_next(&l), LINK_NOTHING);
	assert_int_equal(link_wake_ms(&l), 25000);
}

static void
a_silent_broker_is_given_up_after_thirty_seconds(void **state)
{
	struct link l;

	(void)state;
	link_init(&l, 1, 1, 0);
	bring_up(&l, 0);
	link_heard(&l, 5000);
	link_sent(&l, 34000);
	link_tick(&l, 34999);
	assert_int_equal(l.state, LINK_READY);
	link_tick(&l, 35000);
	assert_int_equal(link_next(&l), LINK_CLOSE);
	assert_int_equal(l.state, LINK_WAITING);
}

static void
two_daemons_with_one_key_do_not_throw_each_other_out_quickly(void **state)
{
	struct link l;

	(void)state;
	link_init(&l, 1, 1, 0);
	bring_up(&l, 0);
	assert_true(link_refused(&l, CODE_REPLACED, 0, 1000));
	assert_int_equal(link_next(&l), LINK_CLOSE);
	assert_true(l.until_ms >= 1000 + 5000);
}

static void
a_refusal_about_a_request_does_not_end_a_ready_connection(void **state)
{
	struct link l;

	(void)state;
	link_init(&l, 1, 1, 0);
	bring_up(&l, 0);
	assert_false(link_refused(&l, CODE_NOT_FOUND, 0, 10));
	assert_false(link_refused(&l, CODE_SLOW_DOWN, 100, 10));
	assert_int_equal(l.state, LINK_READY);
}

static void
what_was_ordered_for_a_lost_connection_is_not_carried_out(void **state)
{
	struct link l;

	(void)state;
	link_init(&l, 1, 1, 0);
	link_tick(&l, 0);
	(void)link_next(&l);
	link_connected(&l, 1); /* orders hello */
	link_failed(&l, 2);
	assert_int_equal(link_next(&l), LINK_CLOSE);
	assert_int_equal(link_next(&l), LINK_NOTHING);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_attempt_is_made_at_once_and_ends_ready),
		cmocka_unit_test(waits_double_up_to_thirty_seconds_and_never_pass_it),
		cmocka_unit_test(two_seeds_do_not_come_back_in_step),
		cmocka_unit_test(each_failure_takes_the_next_endpoint),
		cmocka_unit_test(a_handshake_that_never_ends_is_given_up),
		cmocka_unit_test(a_broker_that_never_says_welcome_is_given_up),
		cmocka_unit_test(a_beat_goes_after_ten_quiet_seconds_and_not_before),
		cmocka_unit_test(a_silent_broker_is_given_up_after_thirty_seconds),
		cmocka_unit_test(two_daemons_with_one_key_do_not_throw_each_other_out_quickly),
		cmocka_unit_test(a_refusal_about_a_request_does_not_end_a_ready_connection),
		cmocka_unit_test(what_was_ordered_for_a_lost_connection_is_not_carried_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
