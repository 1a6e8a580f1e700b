/* Until when a node that came back waits with showing what is new ([D-13]). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clients/partner/core/catchup.h"

#define NOW 1000000u

static const uint64_t nothing[KW_LANES] = {0}, tails[KW_LANES] = {5, 0, 9};

static void
who_has_all_waits_for_nothing(void **state)
{
	struct catchup c;

	(void)state;
	catchup_begin(&c, tails, tails, NOW);
	assert_false(catchup_lasts(&c, NOW));
	assert_false(catchup_over(&c, NOW));
	assert_true(catchup_wake_ms(&c) == UINT64_MAX);
}

static void
it_lasts_until_every_lane_has_come_to_its_end(void **state)
{
	struct catchup c;

	(void)state;
	catchup_begin(&c, tails, nothing, NOW);
	assert_true(catchup_lasts(&c, NOW));
	catchup_delivered(&c, LANE_FLASH, 5, NOW + 1);
	assert_true(catchup_lasts(&c, NOW + 1));
	catchup_delivered(&c, LANE_ROUTINE, 8, NOW + 2);
	assert_true(catchup_lasts(&c, NOW + 2));
	catchup_delivered(&c, LANE_ROUTINE, 9, NOW + 3);
	assert_false(catchup_lasts(&c, NOW + 3));
	assert_true(catchup_over(&c, NOW + 3));
	assert_false(catchup_over(&c, NOW + 3)); /* once */
}

static void
what_the_log_holds_for_others_is_not_waited_for(void **state)
{
	struct catchup c;

	(void)state;
	catchup_begin(&c, tails, nothing, NOW);
	catchup_delivered(&c, LANE_ROUTINE, 2, NOW + 200);
	assert_true(catchup_wake_ms(&c) == NOW + 200 + CATCHUP_QUIET_MS);
	assert_true(catchup_lasts(&c, NOW + 200 + CATCHUP_QUIET_MS - 1));
	assert_false(catchup_lasts(&c, NOW + 200 + CATCHUP_QUIET_MS));
	assert_true(catchup_over(&c, NOW + 200 + CATCHUP_QUIET_MS));
}

static void
a_new_flash_alert_ends_it_and_so_do_ten_seconds(void **state)
{
	struct catchup c;

	(void)state;
	catchup_begin(&c, tails, nothing, NOW);
	catchup_delivered(&c, LANE_FLASH, 4, NOW);
	assert_true(catchup_lasts(&c, NOW));
	catchup_delivered(&c, LANE_FLASH, 6, NOW); /* behind where the lane ended */
	assert_true(catchup_over(&c, NOW));
	catchup_begin(&c, tails, nothing, NOW);
	for (uint64_t at = NOW; at < NOW + CATCHUP_MOST_MS; at += 100)
		catchup_delivered(&c, LANE_ROUTINE, 1, at);
	assert_true(catchup_lasts(&c, NOW + CATCHUP_MOST_MS - 1));
	assert_true(catchup_over(&c, NOW + CATCHUP_MOST_MS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_all_waits_for_nothing),
		cmocka_unit_test(it_lasts_until_every_lane_has_come_to_its_end),
		cmocka_unit_test(what_the_log_holds_for_others_is_not_waited_for),
		cmocka_unit_test(a_new_flash_alert_ends_it_and_so_do_ten_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
