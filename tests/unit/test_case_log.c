/* test_case_log: a party's fold when entries come late, twice, in another order, never, or from a broker that lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "case_world.h"
#include "cases/case_log.h"

#define FAR 10000000u
#define ENTRIES_MAX 200

static struct case_world w;
static struct kw_case truth;                 /* the broker's fold of all of them */
static struct case_log_entry all[ENTRIES_MAX];
static uint32_t total;
static struct case_log l;

static int
opened(void **state)
{
	struct case_opening o = case_world_opening(5, FAR);

	(void)state;
	case_world_begin(&w);
	total = 0;
	assert_int_equal(case_open(&truth, &o, &w.rules), CASE_V_OK);
	assert_int_equal(case_log_open(&l, &o, &w.rules), CASE_V_OK);
	assert_memory_equal(&l.now, &truth, sizeof truth);
	return 0;
}

static struct case_log_entry *
append(uint64_t number)
{
	assert_true(total < ENTRIES_MAX);
	memset(&all[total], 0, sizeof all[0]);
	all[total].number = number;
	return &all[total++];
}

/* The log has other cases' entries too: numbers go up by more than one. */
static void
moves(enum case_move_kind kind, uint32_t actor, uint32_t to)
{
	struct case_log_entry *e = append(truth.upto + 3);

	e->move = case_world_move(&truth, kind, actor, to);
	e->move.number = e->number;
	(void)case_move(&truth, &e->move, &w.rules);
}

static void
put(const struct case_statement *s)
{
	struct case_log_entry *e = append(truth.upto + 2);

	e->is_statement = true;
	e->statement = *s;
	if (case_entry(&truth, s, e->number, &w.rules) > CASE_V_STALE && truth.upto < e->number)
		case_pass(&truth, e->number);
}

static struct case_statement
wants(uint64_t now_ms)
{
	struct case_statement s;

	assert_true(case_wants(&s, &truth, &w.rules, now_ms, 1));
	return s;
}

static void
states(uint64_t now_ms)
{
	struct case_statement s = wants(now_ms);

	put(&s);
}

static void
comes(uint32_t i)
{
	assert_int_equal(case_log_add(&l, &all[i], &w.rules), CASE_LOG_ADDED);
}

static void
agrees(void)
{
	assert_int_equal(l.parted.verdict, CASE_V_OK);
	assert_int_equal(l.stopped, CASE_V_OK);
	assert_int_equal(l.stopped_at, 0);
	assert_memory_equal(&l.now, &truth, sizeof truth);
}

/* Offered, taken, handed over, taken over, done; with a void move and a statement that was overtaken. */
static void
a_life(void)
{
	struct case_statement overtaken;

	states(0);
	states(10000);
	overtaken = wants(30000);
	moves(MOVE_TAKE, BERT, CASE_NOBODY);
	put(&overtaken);
	moves(MOVE_TAKE, ANNA, CASE_NOBODY);
	states(30001);
	moves(MOVE_HAND_OVER, BERT, ANNA);
	states(30002);
	moves(MOVE_TAKE, ANNA, CASE_NOBODY);
	states(30003);
	moves(MOVE_DONE, ANNA, CASE_NOBODY);
	states(30004);
}

static void
in_the_order_of_the_log_it_agrees_at_every_entry(void **state)
{
	(void)state;
	a_life();
	for (uint32_t i = 0; i < total; i++) {
		comes(i);
		assert_int_equal(l.now.upto, all[i].number);
		assert_true(l.count <= 3); /* what is proven complete is not kept */
	}
	agrees();
}

/* [M-13] */
static void
whatever_comes_late_it_waits_accuses_nobody_and_agrees_at_last(void **state)
{
	(void)state;
	for (uint32_t late = 0;; late++) {
		(void)opened(NULL);
		a_life();
		if (late == total)
			return;
		for (uint32_t i = 0; i < total; i++)
			if (i != late)
				comes(i);
		assert_int_equal(l.parted.verdict, CASE_V_OK);
		assert_true(late == total - 1 || l.stopped == CASE_V_MISSING);
		comes(late);
		agrees();
	}
}

static void
backwards_too(void **state)
{
	(void)state;
	a_life();
	for (uint32_t i = total; i > 0; i--)
		comes(i - 1);
	agrees();
}

static void
twice_is_once(void **state)
{
	struct case_log before;

	(void)state;
	a_life();
	for (uint32_t i = 0; i < total; i++) {
		enum case_log_added again;

		comes(i);
		before = l;
		for (uint32_t k = 0; k <= i; k++) {
			again = case_log_add(&l, &all[k], &w.rules);
			assert_true(again == CASE_LOG_AGAIN || again == CASE_LOG_OLD);
		}
		assert_memory_equal(&before, &l, sizeof l);
	}
}

static void
two_entries_at_one_number_are_told(void **state)
{
	struct case_log_entry other;

	(void)state;
	states(0);
	moves(MOVE_TAKE, ANNA, CASE_NOBODY);
	comes(0);
	comes(1);
	other = all[1];
	other.move.actor = BERT;
	assert_int_equal(case_log_add(&l, &other, &w.rules), CASE_LOG_CONFLICT);
	other = all[0];
	other.statement.time_ms++;
	assert_int_equal(case_log_add(&l, &other, &w.rules), CASE_LOG_CONFLICT);
	other = all[1];
	other.is_statement = true;
	assert_int_equal(case_log_add(&l, &other, &w.rules), CASE_LOG_CONFLICT);
	agrees();
}

static void
a_moves_number_is_where_it_stands(void **state)
{
	(void)state;
	states(0);
	moves(MOVE_TAKE, ANNA, CASE_NOBODY);
	all[1].move.number = 1;
	comes(0);
	comes(1);
	agrees();
}

/* [M-14] */
static void
a_statement_that_does_not_follow_is_named_and_the_own_fold_goes_on(void **state)
{
	struct case_statement lie;

	(void)state;
	states(0);
	lie = wants(10000);
	lie.owner = CARLA; /* past Bert, straight to the coordinator */
	put(&lie);
	moves(MOVE_TAKE, BERT, CASE_NOBODY);
	for (uint32_t i = 0; i < total; i++)
		comes(i);
	assert_string_equal(case_verdict_name(l.parted.verdict), "parted_owner");
	assert_int_equal(l.parted.number, all[1].number);
	assert_int_equal(l.parted.says.owner, CARLA);
	assert_int_equal(l.parted.follows.owner, BERT);
	assert_int_equal(l.now.state, CASE_TAKEN);
	assert_int_equal(l.now.owner, BERT);
	assert_int_equal(l.now.entries, 4);
}

static void
what_does_not_follow_is_counted_at_once(void **state)
{
	struct case_statement lie;

	(void)state;
	states(0);
	lie = wants(10000);
	lie.rule = 7;
	put(&lie);
	comes(0);
	comes(1);
	assert_int_equal(l.parted.number, all[1].number);
	assert_int_equal(l.now.entries, 3);
	assert_int_equal(l.now.upto, all[1].number);
}

static void
the_first_lie_is_the_one_named_whichever_came_first(void **state)
{
	struct case_statement lie;

	(void)state;
	states(0);
	lie = wants(10000);
	lie.rule = 7;
	put(&lie);
	lie.upto = all[1].number;
	lie.entries = 3;
	put(&lie);
	comes(0);
	comes(2);
	assert_int_equal(l.stopped, CASE_V_MISSING);
	comes(1);
	assert_int_equal(l.parted.number, all[1].number);
}

static void
a_count_that_leaves_out_a_move_is_a_lie(void **state)
{
	struct case_statement s;

	(void)state;
	states(0);
	moves(MOVE_TAKE, ANNA, CASE_NOBODY);
	s = wants(1);
	s.entries--;
	put(&s);
	for (uint32_t i = 0; i < 3; i++)
		comes(i);
	assert_string_equal(case_verdict_name(l.parted.verdict), "parted_number");
}

static void
a_count_is_wrong_whatever_void_moves_came_since(void **state)
{
	struct case_statement s;

	(void)state;
	states(0);
	moves(MOVE_TAKE, STRANGER, CASE_NOBODY);
	s = wants(10000);
	s.entries--;
	moves(MOVE_TAKE, STRANGER, CASE_NOBODY); /* behind what it was made from */
	put(&s);
	for (uint32_t i = 0; i < total; i++)
		comes(i);
	assert_string_equal(case_verdict_name(l.parted.verdict), "parted_number");
}

static void
the_first_statement_of_all_counts_the_notification(void **state)
{
	struct case_statement s;

	(void)state;
	s = wants(0);
	s.entries = 0;
	moves(MOVE_TAKE, STRANGER, CASE_NOBODY);
	put(&s);
	comes(0);
	comes(1);
	assert_string_equal(case_verdict_name(l.parted.verdict), "parted_number");
}

static void
a_statement_made_from_itself_is_a_lie_at_once(void **state)
{
	struct case_statement s;

	(void)state;
	states(0);
	s = wants(10000);
	s.upto = truth.upto + 2; /* where put places it */
	s.entries = 1000;
	put(&s);
	comes(0);
	comes(1);
	assert_string_equal(case_verdict_name(l.parted.verdict), "parted_number");
}

static void
a_number_where_nothing_stands_is_a_lie(void **state)
{
	struct case_statement s;

	(void)state;
	states(0);
	s = wants(10000);
	s.upto++;
	put(&s);
	comes(0);
	comes(1);
	assert_string_equal(case_verdict_name(l.parted.verdict), "parted_number");
}

/* [M-14] */
static void
what_never_comes_is_given_up_as_withheld_and_nothing_more_is_kept(void **state)
{
	(void)state;
	states(0);
	moves(MOVE_TAKE, ANNA, CASE_NOBODY); /* withheld */
	states(1);
	for (uint32_t i = 0; i < 100; i++)
		moves(MOVE_TAKE, BERT, CASE_NOBODY);
	comes(0);
	for (uint32_t i = 2; i < total; i++) {
		comes(i);
		assert_true(l.count <= CASE_LOG_MAX);
		assert_int_equal(l.parted.verdict, i < 2 + CASE_LOG_MAX - 1 ? CASE_V_OK : CASE_V_MISSING);
	}
	assert_int_equal(l.stopped, CASE_V_OK);
	assert_int_equal(l.parted.number, all[2].number);
	assert_int_equal(l.now.owner, BERT); /* as far as anybody here can know */
	assert_int_equal(l.now.entries, total);
	assert_int_equal(case_log_add(&l, &all[1], &w.rules), CASE_LOG_OLD);
}

static void
the_one_that_is_waited_for_may_come_last_of_all(void **state)
{
	(void)state;
	moves(MOVE_DECLINE, ANNA, CASE_NOBODY); /* comes last */
	states(0);
	while (total < CASE_LOG_MAX + 1)
		moves(MOVE_TAKE, STRANGER, CASE_NOBODY);
	for (uint32_t i = 1; i < total; i++)
		comes(i);
	assert_int_equal(l.count, CASE_LOG_MAX);
	assert_int_equal(l.stopped, CASE_V_MISSING);
	comes(0);
	agrees();
}

static void
the_first_statement_of_all_is_given_up_too(void **state)
{
	(void)state;
	moves(MOVE_DECLINE, ANNA, CASE_NOBODY); /* withheld */
	states(0);
	while (total < CASE_LOG_MAX + 2)
		moves(MOVE_TAKE, BERT, CASE_NOBODY);
	for (uint32_t i = 1; i < total; i++)
		comes(i);
	assert_int_equal(l.parted.verdict, CASE_V_MISSING);
	assert_int_equal(l.parted.number, all[1].number);
	assert_int_equal(l.stopped, CASE_V_OK);
	assert_int_equal(l.now.owner, BERT);
	assert_int_equal(l.now.upto, all[total - 1].number);
}

static void
what_was_given_up_is_waited_for_no_more_also_where_it_is_kept_still(void **state)
{
	uint32_t late;

	(void)state;
	states(0);
	while (total < 41)
		moves(MOVE_TAKE, STRANGER, CASE_NOBODY);
	late = total;
	moves(MOVE_DECLINE, BERT, CASE_NOBODY); /* withheld */
	states(1);
	while (total < CASE_LOG_MAX + 3)
		moves(MOVE_TAKE, STRANGER, CASE_NOBODY);
	for (uint32_t i = 0; i < total; i++)
		if (i != late)
			comes(i);
	assert_int_equal(l.parted.verdict, CASE_V_MISSING);
	assert_true(l.tail[0].number < all[late + 1].number); /* behind the half that was folded for good */
	assert_int_equal(l.stopped, CASE_V_OK);
	assert_int_equal(l.now.upto, all[total - 1].number);
}

static void
nothing_is_cut_off_that_was_held_against_the_broker(void **state)
{
	struct case_statement lie;

	(void)state;
	states(0);
	lie = wants(10000);
	lie.rule = 7;
	put(&lie);
	moves(MOVE_TAKE, STRANGER, CASE_NOBODY);
	for (uint32_t i = 0; i < total; i++)
		comes(i);
	assert_false(case_log_cut(&l, all[1].number, &w.rules));
	assert_true(case_log_cut(&l, all[1].number + 1, &w.rules));
	assert_int_equal(l.count, 2);
}

static void
one_that_is_late_behind_too_many_is_told_and_a_fold_from_the_store_agrees(void **state)
{
	struct case_opening o = case_world_opening(5, FAR);

	(void)state;
	states(0);
	for (uint32_t i = 0; i < 2 * CASE_LOG_MAX; i++) /* of one batch: the broker states them once, at the end */
		moves(MOVE_TAKE, i == 1 ? ANNA : BERT, CASE_NOBODY);
	states(1);
	comes(0);
	for (uint32_t i = 2; i < total - 1; i++)
		comes(i);
	assert_int_equal(l.parted.verdict, CASE_V_OK);
	assert_int_equal(case_log_add(&l, &all[1], &w.rules), CASE_LOG_OLD);
	assert_int_equal(case_log_open(&l, &o, &w.rules), CASE_V_OK);
	for (uint32_t i = 0; i < total; i++)
		comes(i);
	agrees();
}

static void
a_version_that_is_not_here_is_waited_for(void **state)
{
	struct case_statement s;

	(void)state;
	w.v[2].nodes &= ~(1u << ANNA);
	states(0);
	assert_true(case_wants(&s, &truth, &w.rules, 1, 2));
	put(&s);
	w.v[2].known = false;
	comes(0);
	comes(1);
	assert_int_equal(l.stopped, CASE_V_UNKNOWN_AGREEMENT);
	assert_int_equal(l.stopped_at, all[1].number);
	w.v[2].known = true;
	case_log_again(&l, &w.rules);
	agrees();
}

/* [M-15] */
static void
a_new_log_epoch_cuts_off_what_the_broker_lost(void **state)
{
	(void)state;
	states(0);
	moves(MOVE_DECLINE, ANNA, CASE_NOBODY);
	comes(0);
	comes(1);
	assert_true(case_log_cut(&l, all[1].number, &w.rules));
	assert_int_equal(l.now.owner, ANNA);
	assert_int_equal(l.now.upto, all[0].number);
	all[1].move.actor = BERT; /* the position is used anew */
	comes(1);
	assert_int_equal(l.now.owner, ANNA);
	assert_false(case_log_cut(&l, l.base.upto, &w.rules));
	assert_true(case_log_cut(&l, l.base.upto + 1, &w.rules));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup(name, opened)
	const struct CMUnitTest tests[] = {
		T(in_the_order_of_the_log_it_agrees_at_every_entry),
		T(whatever_comes_late_it_waits_accuses_nobody_and_agrees_at_last),
		T(backwards_too),
		T(twice_is_once),
		T(two_entries_at_one_number_are_told),
		T(a_moves_number_is_where_it_stands),
		T(what_does_not_follow_is_counted_at_once),
		T(the_first_statement_of_all_counts_the_notification),
		T(what_was_given_up_is_waited_for_no_more_also_where_it_is_kept_still),
		T(nothing_is_cut_off_that_was_held_against_the_broker),
		T(a_statement_that_does_not_follow_is_named_and_the_own_fold_goes_on),
		T(the_first_lie_is_the_one_named_whichever_came_first),
		T(a_count_that_leaves_out_a_move_is_a_lie),
		T(a_count_is_wrong_whatever_void_moves_came_since),
		T(a_statement_made_from_itself_is_a_lie_at_once),
		T(a_number_where_nothing_stands_is_a_lie),
		T(what_never_comes_is_given_up_as_withheld_and_nothing_more_is_kept),
		T(the_one_that_is_waited_for_may_come_last_of_all),
		T(the_first_statement_of_all_is_given_up_too),
		T(one_that_is_late_behind_too_many_is_told_and_a_fold_from_the_store_agrees),
		T(a_version_that_is_not_here_is_waited_for),
		T(a_new_log_epoch_cuts_off_what_the_broker_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
