/*
 * test_case_model: every interleaving of moves, time-outs, commits, crashes and late arrivals around one case, see
 * case_model.h; and machines that are broken on purpose, each of which must be found out.
 *
 *   KW_CASE_STATES=250000     states to see in all, shared by the scenarios
 *   KW_CASE_STEPS=100000      steps of random walks in all
 *   KW_SEED=n                 one walk from this seed alone
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "case_model.h"

static const struct case_mutant real = {.name = "the real machine"};

struct scenario {
	const char *name;
	void (*set)(struct case_world *w);
	uint32_t last_version;
	uint32_t moves_before;
	uint32_t share;              /* of the states, in percent */
};

static void
plain(struct case_world *w)
{
	(void)w;
}

static void
anna_goes(struct case_world *w)
{
	w->v[2].nodes &= ~(1u << ANNA);
}

static void
coordinator_goes(struct case_world *w)
{
	w->v[2].nodes &= ~(1u << CARLA);
	w->v[2].coordinator = BERT;
}

static void
bert_alone_anew(struct case_world *w)
{
	w->v[1].offer_anew = true;
	w->v[2].day_count = 2;
	w->v[2].day[0] = w->v[2].day[1];
	w->v[2].day[1] = w->v[2].day[2];
}

static void
no_line(struct case_world *w)
{
	for (uint32_t v = 1; v <= CASE_VERSIONS; v++) {
		w->v[v].open_to_readers = true;
		w->v[v].day_count = w->v[v].night_count = 1;
		w->v[v].day[0] = w->v[v].night[0] = w->v[v].day[2];
	}
	w->readers = 1u << ANNA | 1u << CARLA | 1u << READER; /* with the sender, four */
}

static void
coordinator_first(struct case_world *w)
{
	struct case_turn t = w->v[1].day[0];

	w->v[1].day[0] = w->v[1].day[2];
	w->v[1].day[2] = t;
}

static void
sender_in_line(struct case_world *w)
{
	for (uint32_t v = 1; v <= CASE_VERSIONS; v++)
		w->v[v].day[0].actor = SENDER;
}

static const struct scenario scenarios[] = {
	{"a line by day and one by night", plain, 1, 0, 35},
	{"the sender in its own line", sender_in_line, 1, 0, 5},
	{"another agreement without Anna; keep", anna_goes, 2, 0, 15},
	{"another agreement without the coordinator; keep", coordinator_goes, 2, 0, 10},
	{"another agreement with Bert alone; move", bert_alone_anew, 2, 0, 15},
	{"no line, every reader may take", no_line, 1, 0, 10},
	{"the coordinator first in its own line", coordinator_first, 1, 0, 5},
	{"close to the last move", plain, 1, CASE_MOVES_MAX - 3, 5},
};
#define SCENARIOS (sizeof scenarios / sizeof scenarios[0])

static uint64_t
number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static struct case_model
model_of(struct case_world *w, const struct scenario *s, const struct case_mutant *mutant)
{
	case_world_begin(w);
	s->set(w);
	return (struct case_model){.world = w, .mutant = mutant, .last_version = s->last_version, .moves_before = s->moves_before, .window = 4};
}

static void
every_interleaving_keeps_every_promise(void **state)
{
	uint64_t all = number_of("KW_CASE_STATES", 250000), states = 0, edges = 0, orders = 0, closed = 0;

	(void)state;
	for (size_t i = 0; i < 2 * SCENARIOS; i++) { /* step by step, and less of it commit by commit, which reaches further */
		const struct scenario *s = &scenarios[i / 2];
		struct case_world w;
		struct case_model m = model_of(&w, s, &real);

		m.by_commits = i % 2 == 1;
		case_model_explore(&m, all * s->share / 100 * (m.by_commits ? 1 : 9) / 10);
		print_message("%s, by %s: %llu states up to %u deep, %llu ways between them, %llu closed, %llu arrivals%s\n", s->name,
		              m.by_commits ? "commits" : "steps", (unsigned long long)m.states, m.depth, (unsigned long long)m.edges,
		              (unsigned long long)m.closed, (unsigned long long)m.orders, m.exhausted ? "; there are no more" : "");
		if (m.fault[0] != '\0')
			fail_msg("%s: %s", s->name, m.fault);
		assert_true(m.closed > 0);
		states += m.states, edges += m.edges, orders += m.orders, closed += m.closed;
	}
	print_message("%llu states seen, %llu of them closed for good, %llu ways, %llu arrivals\n", (unsigned long long)states, (unsigned long long)closed,
	              (unsigned long long)edges, (unsigned long long)orders);
}

static void
random_walks_keep_every_promise(void **state)
{
	uint64_t steps = number_of("KW_CASE_STEPS", 100000), first = number_of("KW_SEED", 1), walked = 0, closed = 0;
	const uint64_t a_walk = 5000;

	(void)state;
	for (uint64_t seed = first; walked < steps; seed++) {
		struct case_world w;
		const struct scenario *s = &scenarios[seed % SCENARIOS];
		struct case_model m = model_of(&w, s, &real);

		case_model_walk(&m, seed, a_walk);
		if (m.fault[0] != '\0')
			fail_msg("KW_SEED=%llu, %s: %s", (unsigned long long)seed, s->name, m.fault);
		walked += m.edges, closed += m.closed;
		if (getenv("KW_SEED") != NULL)
			break;
	}
	print_message("%llu steps, %llu cases closed\n", (unsigned long long)walked, (unsigned long long)closed);
	assert_true(closed > 0);
}

/* ---- broken on purpose ---- */

static struct case_row broken_rows[64];
static struct case_table broken;

/* The real table with one row otherwise. */
static const struct case_table *
with_row(enum case_move_kind move, unsigned states, enum case_role by, struct case_row otherwise)
{
	uint32_t hits = 0;

	assert_true(case_table.count <= 64);
	for (uint32_t i = 0; i < case_table.count; i++) {
		broken_rows[i] = case_table.rows[i];
		if (broken_rows[i].move != move || broken_rows[i].states != states || broken_rows[i].by != by)
			continue;
		otherwise.move = move, otherwise.states = states, otherwise.by = by;
		broken_rows[i] = otherwise;
		hits++;
	}
	assert_int_equal(hits, 1);
	broken = (struct case_table){broken_rows, case_table.count};
	return &broken;
}

static void
found_out(struct case_mutant mutant)
{
	struct case_world w;
	struct case_model m = model_of(&w, &scenarios[0], &mutant);

	case_model_explore(&m, 30000);
	if (m.fault[0] == '\0')
		fail_msg("%s: %llu states, and nobody noticed", mutant.name, (unsigned long long)m.states);
	print_message("%s: after %llu states: %s\n", mutant.name, (unsigned long long)m.states, m.fault);
}

static void
a_take_that_robs_the_owner_is_found_out(void **state)
{
	(void)state;
	found_out((struct case_mutant){.name = "a second take wins", .table = with_row(MOVE_TAKE, IN(CASE_TAKEN), BY_ANYBODY,
		(struct case_row){.verdict = CASE_V_OK, .act = ACT_TAKE, .becomes = CASE_TAKEN})});
}

static void
a_return_that_closes_is_found_out(void **state)
{
	(void)state;
	found_out((struct case_mutant){.name = "what is returned counts as done", .table = with_row(MOVE_RETURN, IN(CASE_TAKEN), BY_OWNER,
		(struct case_row){.verdict = CASE_V_OK, .act = ACT_CLOSE, .becomes = CASE_DONE})});
}

static void
a_decline_by_anybody_is_found_out(void **state)
{
	(void)state;
	found_out((struct case_mutant){.name = "anybody may decline for the one whose turn it is", .table = with_row(MOVE_DECLINE, IN_NOBODYS, BY_ANYBODY,
		(struct case_row){.verdict = CASE_V_OK, .act = ACT_DECLINE, .becomes = CASE_WAITING})});
}

static void
a_take_of_what_is_closed_is_found_out(void **state)
{
	(void)state;
	found_out((struct case_mutant){.name = "a closed case is taken again", .table = with_row(MOVE_TAKE, IN_CLOSED, BY_ANYBODY,
		(struct case_row){.verdict = CASE_V_OK, .act = ACT_TAKE, .becomes = CASE_TAKEN})});
}

static void
hands_over_at_once(struct kw_case *c, const struct case_move *m, enum case_verdict v)
{
	if (v != CASE_V_OK || m->kind != MOVE_HAND_OVER)
		return;
	c->owner = c->next;
	c->next = CASE_NOBODY;
}

static void
a_hand_over_that_nobody_took_is_found_out(void **state)
{
	(void)state;
	found_out((struct case_mutant){.name = "a hand-over counts before it is taken", .after_move = hands_over_at_once});
}

static void
returns_to_nobody(struct kw_case *c, const struct case_move *m, enum case_verdict v)
{
	if (v == CASE_V_OK && m->kind == MOVE_RETURN)
		c->owner = m->actor;
}

static void
a_return_that_leaves_it_with_the_one_who_returned_is_found_out(void **state)
{
	(void)state;
	found_out((struct case_mutant){.name = "what is returned stays where it was", .after_move = returns_to_nobody});
}

static void
forgets_who_was_tried(struct kw_case *c, const struct case_statement *s)
{
	for (uint32_t i = 0; i < c->party_count && s->cause == CAUSE_TIMEOUT; i++)
		c->flags[i] &= (uint8_t)~PARTY_TRIED;
}

static void
a_line_that_goes_in_a_circle_is_found_out(void **state)
{
	(void)state;
	found_out((struct case_mutant){.name = "a time-out is forgotten", .after_entry = forgets_who_was_tried});
}

static bool
no_time_outs(struct case_statement *s, const struct kw_case *c)
{
	(void)c;
	return s->cause != CAUSE_TIMEOUT;
}

static void
a_broker_that_lets_time_pass_is_found_out(void **state)
{
	(void)state;
	found_out((struct case_mutant){.name = "the broker states no time-outs", .states = no_time_outs});
}

static bool
no_alarms(struct case_statement *s, const struct kw_case *c)
{
	(void)c;
	return s->cause != CAUSE_ALARM;
}

static void
a_broker_without_alarms_is_found_out(void **state)
{
	(void)state;
	found_out((struct case_mutant){.name = "the broker raises no alarm", .states = no_alarms});
}

static bool
passes_bert(struct case_statement *s, const struct kw_case *c)
{
	if (s->owner == BERT && s->state == CASE_OFFERED)
		s->owner = c->coordinator;
	return true;
}

static void
a_broker_that_passes_somebody_is_found_out(void **state)
{
	(void)state;
	found_out((struct case_mutant){.name = "the broker passes Bert", .states = passes_bert});
}

static bool
counts_no_void_moves(struct case_statement *s, const struct kw_case *c)
{
	if (s->cause == CAUSE_VOID)
		s->entries = c->entries - 1;
	return true;
}

static void
a_broker_that_leaves_out_an_entry_is_found_out(void **state)
{
	(void)state;
	found_out((struct case_mutant){.name = "the broker does not count a void move", .states = counts_no_void_moves});
}

static void
a_restart_without_the_log_is_found_out(void **state)
{
	(void)state;
	found_out((struct case_mutant){.name = "a restart reads the snapshot alone", .forgets_log = true});
}

static void
forgets_the_limit(struct kw_case *c)
{
	if (c->state == CASE_TAKEN)
		c->until_ms = 0;
}

static void
a_restart_that_forgets_a_limit_is_found_out(void **state)
{
	(void)state;
	found_out((struct case_mutant){.name = "a restart forgets the limit of a hand-over", .recovers = forgets_the_limit});
}

static void
a_fold_in_another_order_is_found_out(void **state)
{
	(void)state;
	found_out((struct case_mutant){.name = "the broker folds a commit backwards", .folds_backwards = true});
}

/* ---- every row of the table, broken one way after the other ---- */

static bool
is_found_out(const struct case_table *t)
{
	const struct case_mutant mutant = {.name = "a changed row", .table = t};

	for (size_t i = 0; i < SCENARIOS; i++) {
		struct case_world w;
		struct case_model m = model_of(&w, &scenarios[i], &mutant);

		case_model_explore(&m, 4000);
		if (m.fault[0] != '\0')
			return true;
	}
	return false;
}

/* To stay and to close both do no more than end a hand-over; and whose turn it is has taken it by the state alone. */
static bool
same_act(const struct case_row *row, enum case_act act)
{
	bool ends = act == ACT_STAY || act == ACT_CLOSE, own_turn = row->by == BY_OWNER && row->act == ACT_TAKE;

	return act == row->act || (ends && (row->act == ACT_STAY || row->act == ACT_CLOSE || own_turn));
}

static void
must_be_found_out(uint32_t at, struct case_row otherwise, uint32_t *tried)
{
	struct case_table t = {broken_rows, case_table.count};
	const struct case_row *row = &case_table.rows[at];

	memcpy(broken_rows, case_table.rows, case_table.count * sizeof broken_rows[0]);
	broken_rows[at] = otherwise;
	++*tried;
	if (!is_found_out(&t))
		fail_msg("row %u (%s, states %#x, by %d): verdict %s, act %d, becomes %d is not found out", at, case_move_name(row->move), row->states, row->by,
		         case_verdict_name(otherwise.verdict), otherwise.act, otherwise.becomes);
}

static void
every_row_that_is_changed_is_found_out(void **state)
{
	uint32_t tried = 0;

	(void)state;
	assert_true(case_table.count <= 64);
	for (uint32_t i = 0; i < case_table.count; i++) {
		const struct case_row row = case_table.rows[i];
		struct case_row other = row;

		if (row.verdict != CASE_V_OK) { /* it has an effect; it says something else */
			other = (struct case_row){row.move, row.states, row.by, CASE_V_OK, ACT_CLOSE, CASE_DONE};
			must_be_found_out(i, other, &tried);
			other = row;
			other.verdict = row.verdict == CASE_V_NOT_YOURS ? CASE_V_TAKEN_BY : CASE_V_NOT_YOURS;
			must_be_found_out(i, other, &tried);
			continue;
		}
		other.verdict = CASE_V_NOT_YOURS;
		other.act = ACT_NOTHING;
		other.becomes = 0;
		must_be_found_out(i, other, &tried);
		for (enum case_act act = ACT_TAKE; act < ACT_COUNT; act++) {
			other = row;
			other.act = act;
			if (!same_act(&row, act))
				must_be_found_out(i, other, &tried);
		}
		for (enum case_state becomes = CASE_WAITING; becomes <= CASE_LAPSED; becomes++) {
			other = row;
			other.becomes = becomes;
			if (becomes != row.becomes)
				must_be_found_out(i, other, &tried);
		}
	}
	print_message("%u changed rows, each found out\n", tried);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_take_that_robs_the_owner_is_found_out),
		cmocka_unit_test(a_return_that_closes_is_found_out),
		cmocka_unit_test(a_decline_by_anybody_is_found_out),
		cmocka_unit_test(a_take_of_what_is_closed_is_found_out),
		cmocka_unit_test(a_hand_over_that_nobody_took_is_found_out),
		cmocka_unit_test(a_return_that_leaves_it_with_the_one_who_returned_is_found_out),
		cmocka_unit_test(a_line_that_goes_in_a_circle_is_found_out),
		cmocka_unit_test(a_broker_that_lets_time_pass_is_found_out),
		cmocka_unit_test(a_broker_without_alarms_is_found_out),
		cmocka_unit_test(a_broker_that_passes_somebody_is_found_out),
		cmocka_unit_test(a_broker_that_leaves_out_an_entry_is_found_out),
		cmocka_unit_test(a_restart_without_the_log_is_found_out),
		cmocka_unit_test(a_restart_that_forgets_a_limit_is_found_out),
		cmocka_unit_test(a_fold_in_another_order_is_found_out),
		cmocka_unit_test(every_row_that_is_changed_is_found_out),
		cmocka_unit_test(every_interleaving_keeps_every_promise),
		cmocka_unit_test(random_walks_keep_every_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
