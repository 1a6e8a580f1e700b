/* test_case: the case machine, row by row and limit by limit (docs/protocol.md section 10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "case_world.h"

#define FAR 10000000u

static struct case_world w;
static struct kw_case c;

static int
opened(void **state)
{
	struct case_opening o = case_world_opening(5, FAR);

	(void)state;
	case_world_begin(&w);
	assert_int_equal(case_open(&c, &o, &w.rules), CASE_V_OK);
	return 0;
}

static enum case_verdict
tries(enum case_move_kind kind, uint32_t actor, uint32_t to)
{
	struct kw_case before = c;
	struct case_move m = case_world_move(&c, kind, actor, to);
	enum case_verdict would = case_would(&c, &m, &w.rules), v = case_move(&c, &m, &w.rules);

	assert_int_equal(v, would);
	assert_null(case_unsound(&c));
	if (v != CASE_V_OK) { /* a void move is counted, and nothing else */
		before.upto = before.moved = m.number;
		before.entries++;
		before.moves++;
		before.newest = m.version > before.newest ? m.version : before.newest;
		assert_memory_equal(&before, &c, sizeof c);
	}
	return v;
}

#define moves(kind, actor) case_world_moves(&w, &c, kind, actor, CASE_NOBODY)
#define states(now_ms) case_world_states(&w, &c, now_ms, 1)

static void
stands(enum case_state state, uint32_t owner, uint64_t until_ms)
{
	assert_string_equal(case_state_name((enum case_state)c.state), case_state_name(state));
	assert_int_equal(c.owner, owner);
	assert_int_equal(c.until_ms, until_ms);
}

static void
nothing_to_state(uint64_t now_ms)
{
	struct case_statement s;

	assert_false(case_wants(&s, &c, &w.rules, now_ms, 1));
}

/* ---- the table ---- */

static void
bring_to(enum case_state state)
{
	(void)opened(NULL);
	if (state == CASE_WAITING)
		return;
	(void)states(CASE_NOON);
	switch (state) {
	case CASE_OFFERED:
		return;
	case CASE_ESCALATED:
		moves(MOVE_DECLINE, BERT);
		moves(MOVE_DECLINE, ANNA);
		(void)states(CASE_NOON);
		return;
	case CASE_RECALLED:
		moves(MOVE_RECALL, SENDER);
		return;
	case CASE_LAPSED:
		(void)states(FAR);
		return;
	default:
		moves(MOVE_TAKE, ANNA);
		if (state == CASE_DONE)
			moves(MOVE_DONE, ANNA);
		else
			case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, BERT);
	}
}

static const char *
letter(enum case_verdict v)
{
	static const char *const letters[CASE_V_COUNT] = {
		[CASE_V_OK] = "+",       [CASE_V_ALREADY_YOURS] = "y", [CASE_V_ALREADY_DECLINED] = "d", [CASE_V_TAKEN_BY] = "t",
		[CASE_V_CLOSED] = "c",   [CASE_V_STILL_OPEN] = "o",    [CASE_V_NOT_TAKEN] = "n",        [CASE_V_USE_RETURN] = "r",
		[CASE_V_NOBODY_LEFT] = "l", [CASE_V_NOT_YOURS] = "-",  [CASE_V_NOT_SENDERS] = "s",
	};

	return letters[v] == NULL ? "?" : letters[v];
}

/* [M-4] */
static void
every_move_in_every_state_by_everybody(void **state)
{
	/* a letter each for sender, Anna, Bert, Carla the coordinator, a reader, the sender's partner, a stranger */
	static const struct { enum case_state state; const char *verdicts[MOVE_COUNT]; } want[] = {
		/*                take       decline    hand_over  return     done       reopen     recall */
		{CASE_WAITING,   {"-+++---", "-++l---", "nnnnnnn", "nnnnnnn", "nnnnnnn", "ooooooo", "+ssss+s"}},
		{CASE_OFFERED,   {"-+++---", "-++l---", "nnnnnnn", "nnnnnnn", "nnnnnnn", "ooooooo", "+ssss+s"}},
		{CASE_ESCALATED, {"-+++---", "-ddl---", "nnnnnnn", "nnnnnnn", "nnnnnnn", "ooooooo", "+ssss+s"}},
		{CASE_TAKEN,     {"ty+tttt", "tr+tttt", "t+ttttt", "t+ttttt", "t+ttttt", "ooooooo", "+ssss+s"}},
		{CASE_DONE,      {"ccccccc", "ccccccc", "ccccccc", "ccccccc", "ccccccc", "++-+---", "+ssss+s"}},
		{CASE_RECALLED,  {"ccccccc", "ccccccc", "ccccccc", "ccccccc", "ccccccc", "ccccccc", "ccccccc"}},
		{CASE_LAPSED,    {"ccccccc", "ccccccc", "ccccccc", "ccccccc", "ccccccc", "ccccccc", "ccccccc"}},
	};
	bool hit[64] = {false};

	(void)state;
	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
		for (enum case_move_kind k = 0; k < MOVE_COUNT; k++) {
			char got[CASE_ACTORS + 1] = "";

			for (uint32_t actor = 0; actor < CASE_ACTORS; actor++) {
				struct case_move m;

				bring_to(want[i].state);
				m = case_world_move(&c, k, actor, CARLA);
				hit[case_table_find(&case_table, &c, &m, &w.rules) - case_table.rows] = true;
				got[actor] = letter(tries(k, actor, CARLA))[0];
			}
			if (strcmp(got, want[i].verdicts[k]) != 0)
				fail_msg("%s while %s: got %s, want %s", case_move_name(k), case_state_name(want[i].state), got, want[i].verdicts[k]);
		}
	assert_true(case_table.count <= 64);
	for (uint32_t i = 0; i < case_table.count; i++)
		if (!hit[i])
			fail_msg("no case in this test meets row %u of the table", i);
}

static void
a_node_that_is_none_moves_nothing(void **state)
{
	(void)state;
	for (enum case_state s = CASE_WAITING; s <= CASE_LAPSED; s++)
		for (enum case_move_kind k = 0; k < MOVE_COUNT; k++) {
			bring_to(s);
			assert_int_equal(tries(k, CASE_NOBODY, BERT), CASE_V_NOT_YOURS);
		}
}

/* ---- opening and the line ---- */

/* [M-2] */
static void
a_new_case_is_the_coordinators_until_the_broker_says_whose_turn_it_is(void **state)
{
	struct case_statement s;

	(void)state;
	stands(CASE_WAITING, CARLA, 0);
	assert_int_equal(case_deadline_ms(&c), 0);
	s = states(CASE_NOON + 3);
	assert_int_equal(s.cause, CAUSE_OPENED);
	assert_int_equal(s.rule, 0);
	assert_int_equal(s.upto, 5);
	assert_int_equal(s.entries, 1);
	stands(CASE_OFFERED, ANNA, CASE_NOON + 10003);
	assert_int_equal(case_deadline_ms(&c), CASE_NOON + 10003);
	nothing_to_state(CASE_NOON + 10002);
}

/* [M-10] */
static void
the_line_is_the_one_of_the_hour(void **state)
{
	struct case_statement s;

	(void)state;
	s = states(CASE_MIDNIGHT);
	assert_int_equal(s.rule, 1);
	stands(CASE_OFFERED, BERT, CASE_MIDNIGHT + 20000);
	s = states(CASE_MIDNIGHT + 20000); /* still night: nobody else */
	stands(CASE_ESCALATED, CARLA, CASE_MIDNIGHT + 25000);
	(void)opened(NULL);
	(void)states(CASE_MIDNIGHT - 1);
	stands(CASE_OFFERED, ANNA, CASE_MIDNIGHT + 9999);
}

/* [M-10] */
static void
who_does_not_take_in_time_is_passed_and_at_last_it_climbs_to_the_coordinator(void **state)
{
	struct case_statement s;

	(void)state;
	(void)states(0);
	nothing_to_state(9999);
	s = states(10000);
	assert_int_equal(s.cause, CAUSE_TIMEOUT);
	stands(CASE_OFFERED, BERT, 30000);
	nothing_to_state(29999);
	s = states(30500); /* late by half a second, and it says so */
	assert_int_equal(s.cause, CAUSE_TIMEOUT);
	assert_int_equal(s.rule, ENTRY_NO_RULE);
	stands(CASE_ESCALATED, CARLA, 35500);
}

static void
the_coordinator_is_reminded_again_and_again(void **state)
{
	struct case_statement s;

	(void)state;
	bring_to(CASE_ESCALATED);
	stands(CASE_ESCALATED, CARLA, 5000);
	nothing_to_state(4999);
	s = states(5000);
	assert_int_equal(s.cause, CAUSE_ALARM);
	assert_int_equal(s.alarms, 1);
	stands(CASE_ESCALATED, CARLA, 5000 + CASE_ALARM_MIN_MS);
	nothing_to_state(5000 + CASE_ALARM_MIN_MS - 1);
	s = states(5000 + CASE_ALARM_MIN_MS);
	assert_int_equal(s.alarms, 2);
	stands(CASE_ESCALATED, CARLA, 5000 + 2 * CASE_ALARM_MIN_MS);
}

/* [M-12] */
static void
reminders_come_as_often_as_the_turn_is_long_but_between_a_minute_and_an_hour(void **state)
{
	static const struct { uint64_t turn, between; } t[] = {
		{1, 60000}, {59999, 60000}, {60000, 60000}, {60001, 60001}, {3599999, 3599999}, {3600000, 3600000}, {3600001, 3600000}, {86400000, 3600000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		(void)opened(NULL);
		w.v[1].day_count = w.v[1].night_count = 1;
		w.v[1].day[0] = w.v[1].night[0] = (struct case_turn){CARLA, 0, t[i].turn};
		(void)states(0);
		stands(CASE_ESCALATED, CARLA, t[i].turn);
		assert_int_equal(c.alarm_ms, t[i].between);
	}
}

static void
the_coordinator_has_its_turn_within_the_line_and_once_more_at_the_end(void **state)
{
	(void)state;
	w.v[1].day[0] = (struct case_turn){CARLA, 0, 1000};
	w.v[1].day[1] = (struct case_turn){ANNA, 1, 2000};
	w.v[1].day_count = 2;
	(void)states(0);
	stands(CASE_OFFERED, CARLA, 1000);
	moves(MOVE_DECLINE, CARLA); /* its turn is not the end of the line */
	(void)states(10);
	stands(CASE_OFFERED, ANNA, 2010);
	(void)states(2010);
	stands(CASE_ESCALATED, CARLA, 3010);
	assert_int_equal(tries(MOVE_DECLINE, CARLA, 0), CASE_V_NOBODY_LEFT);
}

static void
a_line_of_the_coordinator_alone_begins_at_its_end(void **state)
{
	(void)state;
	w.v[1].day[0] = (struct case_turn){CARLA, 0, 1000};
	w.v[1].day_count = 1;
	(void)states(0);
	stands(CASE_ESCALATED, CARLA, 1000);
	assert_int_equal(c.rule, 0);
}

static void
without_a_line_every_reader_may_take_and_then_it_is_the_coordinators(void **state)
{
	struct case_opening o = case_world_opening(5, FAR);

	(void)state;
	w.v[1].open_to_readers = true;
	w.v[1].day_count = w.v[1].night_count = 1;
	w.v[1].day[0] = w.v[1].night[0] = (struct case_turn){CARLA, ENTRY_NO_RULE, 3000};
	assert_int_equal(case_open(&c, &o, &w.rules), CASE_V_OK);
	(void)states(0);
	stands(CASE_OFFERED, CARLA, 3000);
	assert_int_equal(tries(MOVE_DECLINE, READER, 0), CASE_V_NOT_YOURS); /* it was not offered to it alone */
	assert_int_equal(tries(MOVE_DECLINE, CARLA, 0), CASE_V_NOBODY_LEFT);
	assert_int_equal(tries(MOVE_TAKE, STRANGER, 0), CASE_V_NOT_YOURS);
	assert_int_equal(tries(MOVE_TAKE, SENDER, 0), CASE_V_NOT_YOURS);
	assert_int_equal(states(3000).cause, CAUSE_TIMEOUT);
	stands(CASE_ESCALATED, CARLA, 6000);
	moves(MOVE_TAKE, READER);
	stands(CASE_TAKEN, READER, 0);
	assert_true(case_is_party(&c, READER));
	moves(MOVE_RETURN, READER);
	(void)states(6000);
	stands(CASE_ESCALATED, CARLA, 9000);
}

/* [M-1] */
static void
a_case_needs_room_for_its_parties(void **state)
{
	struct case_opening o = case_world_opening(5, FAR);

	(void)state;
	w.v[1].extra_members = CASE_PARTIES_MAX - 4; /* sender, coordinator, Anna, Bert */
	assert_int_equal(case_open(&c, &o, &w.rules), CASE_V_OK);
	assert_int_equal(c.party_count, CASE_PARTIES_MAX);
	w.v[1].extra_members++;
	assert_int_equal(case_open(&c, &o, &w.rules), CASE_V_TOO_MANY_PARTIES);
	w.v[1].extra_members = 200;
	assert_int_equal(case_open(&c, &o, &w.rules), CASE_V_TOO_MANY_PARTIES);
	w.v[1].known = false;
	assert_int_equal(case_open(&c, &o, &w.rules), CASE_V_UNKNOWN_AGREEMENT);
}

/* ---- taking and declining ---- */

static void
a_taken_case_has_no_limit_and_the_second_hears_who_was_first(void **state)
{
	struct kw_why why;

	(void)state;
	(void)states(0);
	moves(MOVE_TAKE, BERT); /* not its turn, and yet */
	stands(CASE_TAKEN, BERT, 0);
	assert_int_equal(tries(MOVE_TAKE, ANNA, 0), CASE_V_TAKEN_BY);
	assert_int_equal(case_refuse(&why, CASE_V_TAKEN_BY, &c, "police/control"), KW_ESTATE);
	assert_string_equal(why.text, "police/control has taken this case; ask there whether it is to be handed over");
	assert_int_equal(tries(MOVE_TAKE, BERT, 0), CASE_V_ALREADY_YOURS);
	assert_int_equal(states(1).cause, CAUSE_MOVED);
	nothing_to_state(FAR - 1);
}

static void
who_declines_is_passed_over_also_before_its_turn(void **state)
{
	(void)state;
	(void)states(0);
	moves(MOVE_DECLINE, BERT);
	stands(CASE_OFFERED, ANNA, 10000);
	assert_int_equal(states(1).cause, CAUSE_MOVED);
	stands(CASE_OFFERED, ANNA, 10000); /* its time runs on */
	moves(MOVE_DECLINE, ANNA);
	stands(CASE_WAITING, CARLA, 0);
	(void)states(2);
	stands(CASE_ESCALATED, CARLA, 5002);
	assert_int_equal(tries(MOVE_DECLINE, BERT, 0), CASE_V_ALREADY_DECLINED);
	moves(MOVE_TAKE, BERT); /* after all */
	stands(CASE_TAKEN, BERT, 0);
}

/* ---- handing over and returning ---- */

static void
taken_by(uint32_t actor)
{
	(void)states(0);
	moves(MOVE_TAKE, actor);
	(void)states(0);
}

/* [M-6] */
static void
until_the_next_one_takes_it_the_giver_stays_the_owner(void **state)
{
	struct case_statement s;

	(void)state;
	taken_by(ANNA);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, BERT);
	stands(CASE_TAKEN, ANNA, 0);
	s = states(100);
	assert_int_equal(s.next, BERT);
	stands(CASE_TAKEN, ANNA, 20100); /* Bert's own time by the line of the hour */
	moves(MOVE_TAKE, BERT);
	stands(CASE_TAKEN, BERT, 0);
	assert_int_equal(c.next, CASE_NOBODY);
	assert_int_equal(c.giver, ANNA);
}

static void
a_hand_over_lapses_or_is_declined_and_nothing_was_lost(void **state)
{
	(void)state;
	taken_by(ANNA);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, READER);
	(void)states(100);
	stands(CASE_TAKEN, ANNA, 7100); /* in no line: the topic's time */
	nothing_to_state(7099);
	assert_int_equal(states(7100).cause, CAUSE_HANDOVER_LAPSED);
	stands(CASE_TAKEN, ANNA, 0);
	assert_int_equal(tries(MOVE_TAKE, READER, 0), CASE_V_TAKEN_BY);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, BERT);
	moves(MOVE_DECLINE, BERT);
	stands(CASE_TAKEN, ANNA, 0);
	assert_int_equal(c.next, CASE_NOBODY);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, BERT);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, CARLA); /* the second replaces the first */
	assert_int_equal(tries(MOVE_TAKE, BERT, 0), CASE_V_TAKEN_BY);
	moves(MOVE_TAKE, CARLA);
}

static void
a_second_hand_over_has_its_own_time(void **state)
{
	(void)state;
	taken_by(ANNA);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, BERT);
	(void)states(100);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, READER);
	stands(CASE_TAKEN, ANNA, 0);
	(void)states(200);
	stands(CASE_TAKEN, ANNA, 7200);
}

/* [M-6] */
static void
it_is_not_handed_to_oneself_nor_to_who_cannot_read_it_nor_in_a_circle(void **state)
{
	(void)state;
	taken_by(ANNA);
	assert_int_equal(tries(MOVE_HAND_OVER, ANNA, ANNA), CASE_V_TO_SELF);
	assert_int_equal(tries(MOVE_HAND_OVER, ANNA, STRANGER), CASE_V_NOT_A_READER);
	assert_int_equal(tries(MOVE_HAND_OVER, ANNA, SENDER), CASE_V_NOT_A_READER);
	assert_int_equal(tries(MOVE_HAND_OVER, ANNA, CASE_NOBODY), CASE_V_NOT_A_READER);
	w.v[1].nodes &= ~(1u << READER);
	assert_int_equal(tries(MOVE_HAND_OVER, ANNA, READER), CASE_V_NOT_A_READER);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, BERT);
	moves(MOVE_TAKE, BERT);
	assert_int_equal(tries(MOVE_HAND_OVER, BERT, ANNA), CASE_V_CIRCLE);
	case_world_moves(&w, &c, MOVE_HAND_OVER, BERT, CARLA);
	moves(MOVE_TAKE, CARLA);
	assert_int_equal(tries(MOVE_HAND_OVER, CARLA, ANNA), CASE_V_CIRCLE);
	assert_int_equal(tries(MOVE_HAND_OVER, CARLA, BERT), CASE_V_CIRCLE);
}

static void
who_offered_it_in_vain_may_still_be_given_it_back(void **state)
{
	(void)state;
	taken_by(ANNA);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, READER);
	moves(MOVE_DECLINE, READER); /* Anna never gave it away */
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, BERT);
	moves(MOVE_TAKE, BERT);
	case_world_moves(&w, &c, MOVE_HAND_OVER, BERT, READER);
	moves(MOVE_TAKE, READER);
	stands(CASE_TAKEN, READER, 0);
}

/* [M-7] */
static void
a_return_goes_to_the_giver_and_without_one_to_the_next_in_line(void **state)
{
	struct case_statement s;

	(void)state;
	taken_by(ANNA);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, READER);
	moves(MOVE_TAKE, READER);
	moves(MOVE_RETURN, READER);
	stands(CASE_WAITING, CARLA, 0);
	s = states(500);
	assert_int_equal(s.rule, 0);
	stands(CASE_OFFERED, ANNA, 10500);
	moves(MOVE_TAKE, ANNA);
	moves(MOVE_RETURN, ANNA); /* it came by no hand-over now */
	(void)states(600);
	stands(CASE_OFFERED, BERT, 20600);
	assert_int_equal(tries(MOVE_RETURN, ANNA, 0), CASE_V_NOT_TAKEN);
}

static void
a_return_to_one_who_is_no_longer_there_goes_to_the_line(void **state)
{
	(void)state;
	taken_by(ANNA);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, READER);
	moves(MOVE_TAKE, READER);
	w.v[1].nodes &= ~(1u << ANNA);
	moves(MOVE_RETURN, READER);
	assert_int_equal(c.wish, CASE_NOBODY);
	(void)states(500);
	stands(CASE_OFFERED, BERT, 20500);
}

static void
a_giver_outside_the_line_gets_its_turn_back_too(void **state)
{
	struct case_statement s;

	(void)state;
	taken_by(ANNA);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, READER);
	moves(MOVE_TAKE, READER);
	case_world_moves(&w, &c, MOVE_HAND_OVER, READER, BERT);
	moves(MOVE_TAKE, BERT);
	moves(MOVE_RETURN, BERT);
	s = states(500);
	assert_int_equal(s.rule, ENTRY_NO_RULE);
	stands(CASE_OFFERED, READER, 7500);
	moves(MOVE_TAKE, READER); /* of no line, but it is its turn */
	stands(CASE_TAKEN, READER, 0);
}

/* [M-5] */
static void
no_hand_over_to_one_party_too_many(void **state)
{
	(void)state;
	taken_by(ANNA);
	for (uint32_t i = 0; c.party_count < CASE_PARTIES_MAX; i++)
		case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, CASE_ACTORS + i);
	assert_int_equal(tries(MOVE_HAND_OVER, ANNA, CASE_ACTORS + 100), CASE_V_TOO_MANY_PARTIES);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, CASE_ACTORS);
}

/* ---- closing and opening again ---- */

static void
done_is_done_until_sender_owner_or_coordinator_open_it_again(void **state)
{
	static const uint32_t may[] = {SENDER, ANNA, CARLA};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		(void)opened(NULL);
		(void)states(0);
		(void)states(10000); /* Anna let her turn pass, and took it after all */
		moves(MOVE_TAKE, ANNA);
		moves(MOVE_DONE, ANNA);
		stands(CASE_DONE, ANNA, 0);
		assert_int_equal(states(10001).state, CASE_DONE);
		nothing_to_state(FAR + 1); /* closed cases do not lapse */
		assert_int_equal(case_deadline_ms(&c), UINT64_MAX);
		moves(MOVE_REOPEN, may[i]);
		stands(CASE_WAITING, CARLA, 0);
		(void)states(10002);
		stands(CASE_OFFERED, ANNA, 20002); /* the last owner first, whatever was before */
		(void)states(20002);
		stands(CASE_OFFERED, BERT, 40002);
	}
}

static void
opening_again_forgets_who_gave_it_away(void **state)
{
	(void)state;
	taken_by(ANNA);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, BERT);
	moves(MOVE_TAKE, BERT);
	moves(MOVE_DONE, BERT);
	moves(MOVE_REOPEN, SENDER);
	moves(MOVE_TAKE, BERT);
	case_world_moves(&w, &c, MOVE_HAND_OVER, BERT, ANNA);
}

static void
a_recalled_case_is_closed_for_good_whoever_had_it(void **state)
{
	(void)state;
	taken_by(ANNA);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, BERT);
	(void)states(1);
	moves(MOVE_RECALL, PARTNER);
	stands(CASE_RECALLED, ANNA, 0);
	assert_int_equal(c.next, CASE_NOBODY);
	assert_int_equal(states(2).cause, CAUSE_MOVED);
	nothing_to_state(FAR);
}

static void
what_expires_open_lapses_and_is_told(void **state)
{
	static const enum case_state open[] = {CASE_WAITING, CASE_OFFERED, CASE_ESCALATED, CASE_TAKEN};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct case_statement s;
		struct case_opening o = case_world_opening(5, 2000);

		bring_to(open[i]);
		c.expires_ms = o.expires_ms;
		if (open[i] != CASE_WAITING) {
			if (c.changed != c.stated)
				(void)states(1999);
			nothing_to_state(1999);
			assert_int_equal(case_deadline_ms(&c), 2000);
		}
		s = states(2000);
		assert_int_equal(s.cause, CAUSE_LAPSED);
		assert_int_equal(s.state, CASE_LAPSED);
		assert_int_equal(c.next, CASE_NOBODY);
		nothing_to_state(FAR);
	}
}

/* ---- limits ---- */

/* [M-8] */
static void
behind_the_last_move_it_can_only_be_taken_done_or_recalled(void **state)
{
	(void)state;
	taken_by(ANNA);
	while (c.moves < CASE_MOVES_MAX - 1)
		(void)tries(MOVE_TAKE, STRANGER, 0);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, BERT); /* the thousandth */
	assert_int_equal(c.moves, CASE_MOVES_MAX);
	assert_int_equal(tries(MOVE_TAKE, BERT, 0), CASE_V_TOO_MANY_MOVES);
	assert_int_equal(tries(MOVE_RETURN, ANNA, 0), CASE_V_TOO_MANY_MOVES);
	assert_int_equal(tries(MOVE_HAND_OVER, ANNA, CARLA), CASE_V_TOO_MANY_MOVES);
	moves(MOVE_DONE, ANNA);
	assert_int_equal(tries(MOVE_REOPEN, ANNA, 0), CASE_V_TOO_MANY_MOVES);
	moves(MOVE_RECALL, SENDER);
	(void)opened(NULL);
	(void)states(0);
	while (c.moves < CASE_MOVES_MAX)
		(void)tries(MOVE_TAKE, STRANGER, 0);
	assert_int_equal(tries(MOVE_DECLINE, ANNA, 0), CASE_V_TOO_MANY_MOVES);
	moves(MOVE_TAKE, ANNA); /* nobody had it: it must not be lost */
	moves(MOVE_DONE, ANNA);
}

/* ---- statements ---- */

/* [M-9] */
static void
a_move_that_came_first_makes_a_statement_void(void **state)
{
	struct case_statement s;
	struct kw_case before;

	(void)state;
	(void)states(0);
	assert_true(case_wants(&s, &c, &w.rules, 10000, 1)); /* Anna's time is out */
	moves(MOVE_TAKE, ANNA);                              /* but her move stands before it in the log */
	before = c;
	assert_int_equal(case_entry(&c, &s, c.upto + 1, &w.rules), CASE_V_STALE);
	before.upto++;
	before.entries++;
	assert_memory_equal(&before, &c, sizeof c);
	s = states(10001);
	assert_int_equal(s.cause, CAUSE_MOVED);
	stands(CASE_TAKEN, ANNA, 0);
}

static void
a_void_move_does_not_hold_up_a_statement(void **state)
{
	struct case_statement s;

	(void)state;
	(void)states(0);
	assert_true(case_wants(&s, &c, &w.rules, 10000, 1));
	assert_int_equal(tries(MOVE_TAKE, STRANGER, 0), CASE_V_NOT_YOURS);
	assert_int_equal(case_entry(&c, &s, c.upto + 1, &w.rules), CASE_V_OK);
	stands(CASE_OFFERED, BERT, 30000);
	assert_int_equal(states(10000).cause, CAUSE_VOID); /* and the move is answered by the next */
	nothing_to_state(10000);
}

/* [M-11] */
static void
one_statement_says_everything_that_came_since(void **state)
{
	(void)state;
	moves(MOVE_TAKE, BERT);
	assert_int_equal(states(0).cause, CAUSE_OPENED);
	moves(MOVE_RETURN, BERT);
	(void)tries(MOVE_TAKE, STRANGER, 0);
	moves(MOVE_TAKE, BERT);
	assert_int_equal(states(1).cause, CAUSE_MOVED);
	nothing_to_state(2);
	(void)tries(MOVE_TAKE, STRANGER, 0);
	(void)tries(MOVE_TAKE, ANNA, 0);
	assert_int_equal(states(1).cause, CAUSE_VOID);
	nothing_to_state(2);
}

static void
the_same_statement_twice_is_stale(void **state)
{
	struct case_statement s = states(0);

	(void)state;
	assert_int_equal(case_entry(&c, &s, c.upto + 1, &w.rules), CASE_V_STALE);
	nothing_to_state(1);
}

/* [M-11] */
static void
the_broker_cannot_state_what_does_not_follow(void **state)
{
	struct case_statement good, s;
	struct kw_case before;
	uint64_t at;

	(void)state;
	(void)states(7);
	before = c;
	at = c.upto + 1;
	assert_true(case_wants(&good, &c, &w.rules, 10007, 1));
#define REFUSES(field, value, verdict)                                                                     \
	do {                                                                                               \
		s = good;                                                                                  \
		s.field = (value);                                                                         \
		assert_string_equal(case_verdict_name(case_entry(&c, &s, at, &w.rules)), verdict);         \
		assert_memory_equal(&before, &c, sizeof c);                                                \
	} while (0)
	REFUSES(time_ms, 10006, "parted_undue");        /* a millisecond before Anna's time is out */
	REFUSES(time_ms, 6, "parted_time");
	REFUSES(time_ms, CASE_MIDNIGHT, "parted_until");
	REFUSES(owner, CARLA, "parted_owner");
	REFUSES(state, CASE_ESCALATED, "parted_state");
	REFUSES(cause, CAUSE_MOVED, "parted_cause");
	REFUSES(next, BERT, "parted_next");
	REFUSES(rule, 0, "parted_rule");
	REFUSES(until_ms, good.until_ms + 1, "parted_until");
	REFUSES(alarms, 1, "parted_alarms");
	REFUSES(version, 2, "parted_version");
	REFUSES(in_force, 0, "parted_version");
	REFUSES(in_force, 99, "unknown_agreement");
	REFUSES(upto, at, "parted_number");
#undef REFUSES
	assert_int_equal(case_entry(&c, &good, at, &w.rules), CASE_V_OK);
}

static void
a_statement_counts_the_entries_it_was_made_from(void **state)
{
	struct case_statement s;

	(void)state;
	(void)states(0);
	assert_true(case_wants(&s, &c, &w.rules, 10000, 1));
	s.entries++;
	assert_int_equal(case_entry(&c, &s, c.upto + 5, &w.rules), CASE_V_MISSING);
	s.upto++;
	assert_int_equal(case_entry(&c, &s, c.upto + 5, &w.rules), CASE_V_MISSING);
	s.entries -= 2;
	s.upto--;
	assert_int_equal(case_entry(&c, &s, c.upto + 5, &w.rules), CASE_V_PARTED_NUMBER);
}

static void
behind_a_move_of_a_newer_agreement_none_states_an_older_one(void **state)
{
	struct case_statement s;
	struct case_move m = {.kind = MOVE_TAKE, .number = 7, .actor = ANNA, .to = CASE_NOBODY, .version = 2};

	(void)state;
	(void)states(0);
	assert_int_equal(case_move(&c, &m, &w.rules), CASE_V_OK);
	assert_true(case_wants(&s, &c, &w.rules, 1, 1));
	assert_int_equal(case_entry(&c, &s, 8, &w.rules), CASE_V_PARTED_VERSION);
	assert_true(case_wants(&s, &c, &w.rules, 1, 2));
	assert_int_equal(case_entry(&c, &s, 8, &w.rules), CASE_V_OK);
}

/* ---- another agreement ---- */

static void
keep_goes_on_under_the_version_it_was_opened_with(void **state)
{
	struct case_statement s;

	(void)state;
	(void)states(0);
	w.v[2].day[0] = (struct case_turn){READER, 0, 1000};
	assert_false(case_wants(&s, &c, &w.rules, 1, 2)); /* nothing of this case is otherwise */
	s = case_world_states(&w, &c, 10000, 2);
	assert_int_equal(s.cause, CAUSE_TIMEOUT);
	assert_int_equal(s.version, 1);
	assert_int_equal(s.in_force, 2);
	stands(CASE_OFFERED, BERT, 30000);
}

/* [M-18] */
static void
keep_passes_who_is_no_longer_there(void **state)
{
	(void)state;
	(void)states(0);
	w.v[2].nodes &= ~(1u << ANNA);
	assert_int_equal(case_world_states(&w, &c, 1, 2).cause, CAUSE_AGREEMENT);
	stands(CASE_OFFERED, BERT, 20001);
	moves(MOVE_TAKE, BERT);
	case_world_moves(&w, &c, MOVE_HAND_OVER, BERT, READER);
	(void)case_world_states(&w, &c, 2, 2);
	w.v[3].nodes &= ~(1u << READER);
	assert_int_equal(case_world_states(&w, &c, 3, 3).cause, CAUSE_AGREEMENT);
	stands(CASE_TAKEN, BERT, 0);
	w.v[4].nodes &= ~(1u << BERT | 1u << ANNA);
	assert_int_equal(case_world_states(&w, &c, 4, 4).cause, CAUSE_AGREEMENT);
	stands(CASE_ESCALATED, CARLA, 5004);
}

static void
there_is_always_a_coordinator(void **state)
{
	(void)state;
	bring_to(CASE_ESCALATED);
	w.v[2].nodes &= ~(1u << CARLA);
	w.v[2].coordinator = READER;
	assert_int_equal(case_world_states(&w, &c, 1, 2).cause, CAUSE_AGREEMENT);
	stands(CASE_ESCALATED, READER, 7001);
	assert_int_equal(c.coordinator, READER);
	assert_true(case_is_party(&c, READER));
	/* with a full list somebody makes room, but never one without whom the case cannot be */
	(void)opened(NULL);
	taken_by(CARLA);
	for (uint32_t i = 0; c.party_count < CASE_PARTIES_MAX; i++)
		case_world_moves(&w, &c, MOVE_HAND_OVER, CARLA, CASE_ACTORS + i);
	w.v[2].nodes &= ~(1u << CARLA);
	w.v[2].coordinator = READER;
	(void)case_world_states(&w, &c, 1, 2);
	stands(CASE_OFFERED, ANNA, 10001);
	assert_int_equal(c.coordinator, READER);
	assert_true(case_is_party(&c, SENDER));
}

/* [M-18] */
static void
move_offers_anew_under_the_new_version(void **state)
{
	struct case_statement s;

	(void)state;
	w.v[1].offer_anew = true;
	(void)states(0);
	(void)states(10000);
	stands(CASE_OFFERED, BERT, 30000);
	w.v[2].day[0] = (struct case_turn){READER, 0, 1000};
	w.v[2].coordinator = STRANGER;
	w.v[2].day_count = 2;
	s = case_world_states(&w, &c, 10001, 2);
	assert_int_equal(s.cause, CAUSE_AGREEMENT);
	assert_int_equal(s.version, 2);
	stands(CASE_OFFERED, READER, 11001);
	assert_int_equal(c.coordinator, STRANGER);
	assert_true(case_is_party(&c, ANNA)); /* who was told before still is */
	assert_int_equal(tries(MOVE_TAKE, ANNA, 0), CASE_V_NOT_YOURS);
	(void)case_world_states(&w, &c, 11001, 2);
	stands(CASE_OFFERED, BERT, 31001); /* whose turn had run out under the old one */
}

static void
move_leaves_a_taken_case_with_who_may_have_it_under_the_new_one(void **state)
{
	(void)state;
	w.v[1].offer_anew = w.v[2].offer_anew = true;
	taken_by(BERT);
	assert_int_equal(case_world_states(&w, &c, 1, 2).cause, CAUSE_AGREEMENT);
	stands(CASE_TAKEN, BERT, 0);
	assert_int_equal(c.version, 2);
	w.v[3].day_count = w.v[3].night_count = 1;
	w.v[3].day[0] = w.v[3].night[0] = (struct case_turn){ANNA, 0, 1000};
	assert_int_equal(case_world_states(&w, &c, 2, 3).cause, CAUSE_AGREEMENT);
	stands(CASE_OFFERED, ANNA, 1002);
}

/* ---- snapshots ---- */

static void
a_case_comes_back_from_its_bytes(void **state)
{
	uint8_t bytes[CASE_CODE_MAX + 1] = {0};
	struct kw_case back;

	(void)state;
	for (enum case_state s = CASE_WAITING; s <= CASE_LAPSED; s++) {
		size_t len;

		bring_to(s);
		len = case_encode(bytes, &c);
		assert_true(len < 250);
		assert_int_equal(case_decode(&back, span_of(bytes, len), NULL), KW_OK);
		assert_memory_equal(&back, &c, sizeof c);
		for (size_t cut = 0; cut <= len + 1; cut++)
			if (cut != len)
				assert_int_equal(case_decode(&back, span_of(bytes, cut), NULL), KW_ECORRUPT);
	}
}

static void
the_fullest_case_fits_and_one_more_party_is_refused(void **state)
{
	uint8_t bytes[CASE_CODE_MAX + 5] = {0};
	struct kw_case back;
	struct case_opening o = case_world_opening(5, FAR);

	(void)state;
	w.v[1].extra_members = CASE_PARTIES_MAX - 4;
	assert_int_equal(case_open(&c, &o, &w.rules), CASE_V_OK);
	assert_int_equal(case_encode(bytes, &c), CASE_CODE_MAX);
	assert_int_equal(case_decode(&back, span_of(bytes, CASE_CODE_MAX), NULL), KW_OK);
	bytes[1 + KW_ID_LEN + KW_HASH_LEN + 3]++;
	assert_int_equal(case_decode(&back, span_of(bytes, CASE_CODE_MAX + 5), NULL), KW_ECORRUPT);
}

/* What a flipped bit leaves is refused, or it is a case that holds together: never half of one. */
static void
flipped_bits_give_no_case_that_cannot_be(void **state)
{
	uint8_t bytes[CASE_CODE_MAX];
	size_t len, refused = 0;

	(void)state;
	bring_to(CASE_TAKEN);
	len = case_encode(bytes, &c);
	for (size_t bit = 0; bit < len * 8; bit++) {
		struct kw_case back;

		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		if (case_decode(&back, span_of(bytes, len), NULL) != KW_OK)
			refused++;
		else
			assert_null(case_unsound(&back));
		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	assert_true(refused > 200); /* state, flags, owner, parties, counts, form */
}

/* ---- words ---- */

static void
every_verdict_has_a_word_and_every_void_move_a_sentence(void **state)
{
	(void)state;
	for (enum case_verdict v = 0; v < CASE_V_COUNT; v++) {
		struct kw_why why = {""};

		assert_string_not_equal(case_verdict_name(v), "?");
		assert_int_equal(case_verdict_parted(v), strncmp(case_verdict_name(v), "parted_", 7) == 0);
		assert_int_not_equal(case_refuse(&why, v, &c, "city/desk"), KW_OK);
		assert_true(strlen(why.text) > 20);
	}
	assert_string_equal(case_verdict_name(CASE_V_COUNT), "?");
	assert_false(case_verdict_parted(CASE_V_COUNT));
	assert_string_equal(case_move_name(MOVE_COUNT), "?");
}

/* [M-4] */
static void
the_protocol_shows_the_table_as_it_is(void **state)
{
	struct buf table = BUF_INIT(1u << 16);
	char path[4096], line[8192];
	struct span rest;
	FILE *f;

	(void)state;
	case_table_print(&table);
	rest = buf_span(&table);
	(void)snprintf(path, sizeof path, "%s/docs/protocol.md", getenv("KW_SOURCE_DIR") != NULL ? getenv("KW_SOURCE_DIR") : ".");
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f) != NULL && strncmp(line, "| move |", 8) != 0)
		;
	assert_non_null(fgets(line, sizeof line, f)); /* the rule below the heading */
	while (rest.len > 0) {
		size_t len = (size_t)((const uint8_t *)memchr(rest.p, '\n', rest.len) - rest.p) + 1;

		assert_non_null(fgets(line, sizeof line, f));
		assert_int_equal(strlen(line), len);
		assert_memory_equal(line, rest.p, len);
		rest = span_of(rest.p + len, rest.len - len);
	}
	assert_non_null(fgets(line, sizeof line, f));
	assert_string_equal(line, "\n");
	(void)fclose(f);
	buf_free(&table);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup(name, opened)
	const struct CMUnitTest tests[] = {
		T(every_move_in_every_state_by_everybody),
		T(a_node_that_is_none_moves_nothing),
		T(a_new_case_is_the_coordinators_until_the_broker_says_whose_turn_it_is),
		T(the_line_is_the_one_of_the_hour),
		T(who_does_not_take_in_time_is_passed_and_at_last_it_climbs_to_the_coordinator),
		T(the_coordinator_is_reminded_again_and_again),
		T(reminders_come_as_often_as_the_turn_is_long_but_between_a_minute_and_an_hour),
		T(the_coordinator_has_its_turn_within_the_line_and_once_more_at_the_end),
		T(a_line_of_the_coordinator_alone_begins_at_its_end),
		T(without_a_line_every_reader_may_take_and_then_it_is_the_coordinators),
		T(a_case_needs_room_for_its_parties),
		T(a_taken_case_has_no_limit_and_the_second_hears_who_was_first),
		T(who_declines_is_passed_over_also_before_its_turn),
		T(until_the_next_one_takes_it_the_giver_stays_the_owner),
		T(a_hand_over_lapses_or_is_declined_and_nothing_was_lost),
		T(a_second_hand_over_has_its_own_time),
		T(it_is_not_handed_to_oneself_nor_to_who_cannot_read_it_nor_in_a_circle),
		T(who_offered_it_in_vain_may_still_be_given_it_back),
		T(a_return_goes_to_the_giver_and_without_one_to_the_next_in_line),
		T(a_return_to_one_who_is_no_longer_there_goes_to_the_line),
		T(a_giver_outside_the_line_gets_its_turn_back_too),
		T(no_hand_over_to_one_party_too_many),
		T(done_is_done_until_sender_owner_or_coordinator_open_it_again),
		T(opening_again_forgets_who_gave_it_away),
		T(a_recalled_case_is_closed_for_good_whoever_had_it),
		T(what_expires_open_lapses_and_is_told),
		T(behind_the_last_move_it_can_only_be_taken_done_or_recalled),
		T(a_move_that_came_first_makes_a_statement_void),
		T(a_void_move_does_not_hold_up_a_statement),
		T(one_statement_says_everything_that_came_since),
		T(the_same_statement_twice_is_stale),
		T(the_broker_cannot_state_what_does_not_follow),
		T(a_statement_counts_the_entries_it_was_made_from),
		T(behind_a_move_of_a_newer_agreement_none_states_an_older_one),
		T(keep_goes_on_under_the_version_it_was_opened_with),
		T(keep_passes_who_is_no_longer_there),
		T(there_is_always_a_coordinator),
		T(move_offers_anew_under_the_new_version),
		T(move_leaves_a_taken_case_with_who_may_have_it_under_the_new_one),
		T(a_case_comes_back_from_its_bytes),
		T(the_fullest_case_fits_and_one_more_party_is_refused),
		T(flipped_bits_give_no_case_that_cannot_be),
		T(every_verdict_has_a_word_and_every_void_move_a_sentence),
		T(the_protocol_shows_the_table_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
