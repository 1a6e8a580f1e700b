/*
 * test_case_edges: the case machine where lines are odd and houses full: the sender in its own line, 32 parties, an agreement
 * that comes at the wrong moment, and cases that cannot be. Each was found by changing a line of the machine that nothing missed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "case_world.h"

#define FAR 10000000u
#define LAST (CASE_ACTORS + CASE_PARTIES_MAX - 5) /* of those in a full house who are in the line at no hour asked here */

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

static void
open_again(void)
{
	struct case_opening o = case_world_opening(5, FAR);

	assert_int_equal(case_open(&c, &o, &w.rules), CASE_V_OK);
}

static void
moves(enum case_move_kind kind, uint32_t actor)
{
	case_world_moves(&w, &c, kind, actor, CASE_NOBODY);
}

static void
hands_over(uint32_t from, uint32_t to)
{
	case_world_moves(&w, &c, MOVE_HAND_OVER, from, to);
	moves(MOVE_TAKE, to);
}

static void
states(uint64_t now_ms, uint32_t in_force)
{
	(void)case_world_states(&w, &c, now_ms, in_force);
}

static void
stands(enum case_state state, uint32_t owner, uint64_t until_ms)
{
	assert_string_equal(case_state_name((enum case_state)c.state), case_state_name(state));
	assert_int_equal(c.owner, owner);
	assert_int_equal(c.until_ms, until_ms);
}

static enum case_verdict
would(enum case_move_kind kind, uint32_t actor, uint32_t to)
{
	struct case_move m = case_world_move(&c, kind, actor, to);

	return case_would(&c, &m, &w.rules);
}

/* ---- opening ---- */

static void
a_case_is_its_notifications(void **state)
{
	struct case_opening o = case_world_opening(5, FAR);

	(void)state;
	o.lane = LANE_URGENT;
	o.sender = PARTNER;
	assert_int_equal(case_open(&c, &o, &w.rules), CASE_V_OK);
	assert_memory_equal(c.id, o.id, sizeof c.id);
	assert_memory_equal(c.frame_hash, o.frame_hash, sizeof c.frame_hash);
	assert_int_equal(c.lane, LANE_URGENT);
	assert_int_equal(c.sender, PARTNER);
	assert_int_equal(c.opened, 5);
}

/* [M-1] */
static void
a_line_of_as_many_as_a_case_holds_fits_if_the_sender_is_in_it(void **state)
{
	struct case_opening o = case_world_opening(5, FAR);

	(void)state;
	w.v[1].day[0].actor = SENDER;
	w.v[1].extra_members = CASE_PARTIES_MAX - 3; /* sender, Bert, Carla */
	assert_int_equal(case_open(&c, &o, &w.rules), CASE_V_OK);
	assert_int_equal(c.party_count, CASE_PARTIES_MAX);
	w.v[1].extra_members++;
	assert_int_equal(case_open(&c, &o, &w.rules), CASE_V_TOO_MANY_PARTIES);
}

/* ---- the sender in its own line ---- */

static void
sender_in_line(void)
{
	for (uint32_t v = 1; v <= CASE_VERSIONS; v++)
		w.v[v].day[1].actor = SENDER; /* Bert has the night */
	open_again();
	states(0, 1);
	stands(CASE_OFFERED, ANNA, 10000);
}

static void
what_the_sender_gave_comes_back_to_it(void **state)
{
	(void)state;
	sender_in_line();
	moves(MOVE_TAKE, SENDER);
	hands_over(SENDER, BERT);
	assert_int_equal(would(MOVE_HAND_OVER, BERT, SENDER), CASE_V_CIRCLE);
	moves(MOVE_RETURN, BERT);
	states(1, 1);
	stands(CASE_OFFERED, SENDER, 20001);
}

static void
opening_again_forgets_that_the_sender_gave_and_was_tried(void **state)
{
	(void)state;
	sender_in_line();
	moves(MOVE_TAKE, SENDER);
	hands_over(SENDER, BERT);
	moves(MOVE_DONE, BERT);
	moves(MOVE_REOPEN, SENDER);
	moves(MOVE_TAKE, BERT);
	assert_int_equal(would(MOVE_HAND_OVER, BERT, SENDER), CASE_V_OK);
}

static void
another_agreement_does_not_forget_that_the_sender_gave(void **state)
{
	(void)state;
	w.v[1].offer_anew = true;
	sender_in_line();
	moves(MOVE_TAKE, SENDER);
	hands_over(SENDER, BERT);
	states(1, 2);
	stands(CASE_TAKEN, BERT, 0);
	assert_int_equal(would(MOVE_HAND_OVER, BERT, SENDER), CASE_V_CIRCLE);
}

static void
a_hand_over_to_a_sender_that_left_is_off(void **state)
{
	(void)state;
	for (uint32_t move = 0; move < 2; move++) {
		(void)opened(NULL);
		w.v[1].offer_anew = move == 1;
		sender_in_line();
		moves(MOVE_TAKE, BERT);
		case_world_moves(&w, &c, MOVE_HAND_OVER, BERT, SENDER);
		states(1, 1);
		w.v[2].nodes &= ~(1u << SENDER);
		states(2, 2);
		stands(CASE_TAKEN, BERT, 0);
		assert_int_equal(c.next, CASE_NOBODY);
	}
}

/* ---- whose turn ---- */

/* [M-7] */
static void
what_the_coordinator_had_goes_to_it_first_only_where_somebody_is_left_behind_it(void **state)
{
	(void)state;
	states(0, 1);
	moves(MOVE_TAKE, CARLA);
	moves(MOVE_DONE, CARLA);
	moves(MOVE_REOPEN, SENDER);
	states(1, 1);
	stands(CASE_OFFERED, CARLA, 5001);
	moves(MOVE_DECLINE, CARLA);
	moves(MOVE_DECLINE, BERT);
	moves(MOVE_TAKE, CARLA);
	hands_over(CARLA, ANNA);
	moves(MOVE_RETURN, ANNA);
	states(2, 1);
	stands(CASE_ESCALATED, CARLA, 5002);
}

static void
who_is_of_the_line_may_be_handed_it_without_reading_the_topic(void **state)
{
	(void)state;
	w.readers &= ~(1u << BERT);
	states(0, 1);
	moves(MOVE_TAKE, ANNA);
	assert_int_equal(would(MOVE_HAND_OVER, ANNA, BERT), CASE_V_OK);
	w.readers &= ~(1u << READER);
	assert_int_equal(would(MOVE_HAND_OVER, ANNA, READER), CASE_V_NOT_A_READER);
}

static void
opening_again_begins_without_alarms(void **state)
{
	(void)state;
	moves(MOVE_DECLINE, ANNA);
	moves(MOVE_DECLINE, BERT);
	states(0, 1);
	states(5000, 1);
	assert_int_equal(c.alarms, 1);
	moves(MOVE_TAKE, CARLA);
	moves(MOVE_DONE, CARLA);
	moves(MOVE_REOPEN, CARLA);
	assert_int_equal(c.alarms, 0);
}

/* ---- another agreement ---- */

/* [M-18] */
static void
another_coordinator_leaves_a_running_turn_as_it_is(void **state)
{
	(void)state;
	states(0, 1);
	w.v[2].nodes &= ~(1u << CARLA);
	w.v[2].coordinator = READER;
	states(1000, 2);
	stands(CASE_OFFERED, ANNA, 10000);
	assert_int_equal(c.coordinator, READER);
}

static void
a_coordinator_that_went_while_it_held_the_case_was_not_tried_for_that(void **state)
{
	(void)state;
	moves(MOVE_DECLINE, ANNA);
	moves(MOVE_DECLINE, BERT);
	states(0, 1);
	stands(CASE_ESCALATED, CARLA, 5000);
	w.v[2].nodes &= ~(1u << CARLA);
	w.v[2].coordinator = READER;
	states(1, 2);
	stands(CASE_ESCALATED, READER, 7001);
	assert_false(case_party_is(&c, CARLA, PARTY_TRIED));
}

static void
a_hand_over_to_who_is_still_there_goes_on_under_the_new_agreement(void **state)
{
	(void)state;
	w.v[1].offer_anew = true;
	states(0, 1);
	moves(MOVE_TAKE, ANNA);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, BERT);
	states(1, 1);
	states(2, 2);
	stands(CASE_TAKEN, ANNA, 20001);
	assert_int_equal(c.next, BERT);
}

static void
a_hand_over_to_who_left_is_off_under_the_new_agreement(void **state)
{
	(void)state;
	w.v[1].offer_anew = true;
	states(0, 1);
	moves(MOVE_TAKE, ANNA);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, BERT);
	states(1, 1);
	w.v[2].nodes &= ~(1u << BERT);
	states(2, 2);
	stands(CASE_TAKEN, ANNA, 0);
	assert_int_equal(c.next, CASE_NOBODY);
}

static void
a_new_coordinator_outside_the_line_takes_part_in_what_is_taken(void **state)
{
	(void)state;
	w.v[1].offer_anew = true;
	states(0, 1);
	moves(MOVE_TAKE, ANNA);
	w.v[2].coordinator = STRANGER;
	states(1, 2);
	stands(CASE_TAKEN, ANNA, 0);
	assert_true(case_is_party(&c, STRANGER));
}

static void
where_the_new_agreement_has_no_line_every_reader_may_take(void **state)
{
	(void)state;
	w.v[1].offer_anew = true;
	states(0, 1);
	w.v[2].open_to_readers = true;
	w.v[2].day_count = w.v[2].night_count = 1;
	w.v[2].day[0] = w.v[2].night[0] = (struct case_turn){CARLA, ENTRY_NO_RULE, 3000};
	states(1, 2);
	stands(CASE_OFFERED, CARLA, 3001);
	assert_int_equal(would(MOVE_TAKE, READER, CASE_NOBODY), CASE_V_OK);
}

static void
those_who_take_part_under_the_new_agreement_are_those_and_no_more(void **state)
{
	static const uint32_t now[] = {PARTNER, CARLA, ANNA, BERT};
	struct case_opening o = case_world_opening(5, FAR);

	(void)state;
	w.v[1].offer_anew = true;
	o.sender = PARTNER; /* not the first of all numbers */
	assert_int_equal(case_open(&c, &o, &w.rules), CASE_V_OK);
	states(0, 1);
	states(1, 2);
	assert_int_equal(c.party_count, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(case_is_party(&c, now[i]));
}

static void
the_time_of_a_statement_never_goes_back(void **state)
{
	struct case_statement s;

	(void)state;
	states(500, 1);
	moves(MOVE_TAKE, BERT);
	assert_true(case_wants(&s, &c, &w.rules, 100, 1)); /* the clock was set back */
	assert_int_equal(s.time_ms, 500);
	assert_int_equal(case_entry(&c, &s, c.upto + 1, &w.rules), CASE_V_OK);
}

static void
a_statement_never_goes_back_to_an_older_agreement(void **state)
{
	struct case_statement s;

	(void)state;
	w.v[2].nodes &= ~(1u << ANNA);
	states(0, 1);
	states(1, 2);
	moves(MOVE_TAKE, BERT);
	assert_true(case_wants(&s, &c, &w.rules, 2, 1));
	assert_int_equal(s.in_force, 2);
	assert_int_equal(case_entry(&c, &s, c.upto + 1, &w.rules), CASE_V_OK);
}

/* ---- a full house ---- */

static void
full_house(void)
{
	for (uint32_t v = 1; v <= CASE_VERSIONS; v++)
		w.v[v].extra_members = CASE_PARTIES_MAX - 4; /* sender, coordinator, Anna, Bert */
	open_again();
	assert_int_equal(c.party_count, CASE_PARTIES_MAX);
	assert_int_equal(c.party[CASE_PARTIES_MAX - 1], LAST);
	states(0, 1);
}

static void
goes(uint32_t coordinator, uint32_t instead)
{
	w.v[2].nodes &= ~(1u << coordinator);
	w.v[2].coordinator = instead;
	states(1, 2);
	assert_int_equal(c.coordinator, instead);
	assert_true(case_is_party(&c, instead));
	assert_int_equal(c.party_count, CASE_PARTIES_MAX);
}

static void
the_new_coordinator_takes_nobodys_place_whom_the_case_needs(void **state)
{
	(void)state;
	full_house();
	moves(MOVE_TAKE, ANNA);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, LAST);
	goes(CARLA, READER);
	assert_int_equal(c.next, LAST);
	assert_true(case_is_party(&c, LAST));

	(void)opened(NULL);
	full_house();
	moves(MOVE_TAKE, LAST);
	hands_over(LAST, ANNA);
	goes(CARLA, READER);
	assert_int_equal(c.giver, LAST);
	assert_true(case_is_party(&c, LAST));

	(void)opened(NULL);
	full_house();
	moves(MOVE_TAKE, LAST);
	moves(MOVE_DONE, LAST);
	moves(MOVE_REOPEN, SENDER);
	goes(CARLA, READER);
	stands(CASE_OFFERED, LAST, 7001);
	assert_true(case_is_party(&c, LAST));

	(void)opened(NULL);
	full_house();
	moves(MOVE_TAKE, LAST);
	goes(CARLA, READER);
	stands(CASE_TAKEN, LAST, 0);
}

static void
the_new_coordinator_comes_in_without_marks_of_whose_place_it_has(void **state)
{
	(void)state;
	full_house();
	moves(MOVE_DECLINE, LAST);
	assert_true(case_party_is(&c, LAST, PARTY_TRIED));
	goes(CARLA, READER);
	assert_false(case_is_party(&c, LAST));
	assert_false(case_party_is(&c, READER, PARTY_TRIED | PARTY_LINE));
}

static void
who_is_wished_for_keeps_its_place_in_a_new_line(void **state)
{
	(void)state;
	w.v[1].offer_anew = true;
	states(0, 1);
	w.v[1].open_to_readers = false;
	moves(MOVE_TAKE, ANNA);
	hands_over(ANNA, READER);
	moves(MOVE_DONE, READER);
	moves(MOVE_REOPEN, SENDER); /* READER's first turn */
	w.v[2].extra_members = CASE_PARTIES_MAX;
	states(1, 2);
	stands(CASE_OFFERED, READER, 7001);
}

/* The new line alone fills the house, and LAST is the one for whom there would be no room. */
static void
a_new_line_without_room(uint32_t at_night)
{
	w.v[2].night_count = 3;
	w.v[2].night[2] = (struct case_turn){at_night, 2, 1000};
	assert_int_equal(w.v[2].extra_members, CASE_PARTIES_MAX - 4);
}

static void
who_has_it_and_who_is_next_keep_their_place_in_a_new_line(void **state)
{
	(void)state;
	w.v[1].offer_anew = true;
	full_house();
	moves(MOVE_TAKE, LAST);
	a_new_line_without_room(STRANGER);
	states(1, 2);
	stands(CASE_TAKEN, LAST, 0);

	(void)opened(NULL);
	w.v[1].offer_anew = true;
	full_house();
	moves(MOVE_TAKE, ANNA);
	case_world_moves(&w, &c, MOVE_HAND_OVER, ANNA, LAST);
	states(1, 1);
	a_new_line_without_room(STRANGER);
	states(2, 2);
	stands(CASE_TAKEN, ANNA, 7001);
	assert_int_equal(c.next, LAST);
	assert_true(case_is_party(&c, LAST));
}

/* ---- what cannot be ---- */

static void
a_case_that_cannot_be_is_told(void **state)
{
	static const struct { const char *why; size_t at; uint32_t value; } breaks[] = {
		{"its next owner cannot be one", offsetof(struct kw_case, next), ANNA},
		{"its next owner cannot be one", offsetof(struct kw_case, next), STRANGER},
		{"owner, coordinator or sender is no party", offsetof(struct kw_case, owner), STRANGER},
		{"owner, coordinator or sender is no party", offsetof(struct kw_case, coordinator), STRANGER},
		{"owner, coordinator or sender is no party", offsetof(struct kw_case, sender), STRANGER},
		{"its numbers are in disorder", offsetof(struct kw_case, entries), 0},
	};
	struct kw_case good;

	(void)state;
	states(0, 1);
	moves(MOVE_TAKE, ANNA);
	states(1, 1);
	good = c;
	for (size_t i = 0; i < sizeof breaks / sizeof breaks[0]; i++) {
		c = good;
		memcpy((uint8_t *)&c + breaks[i].at, &breaks[i].value, sizeof breaks[i].value);
		assert_string_equal(case_unsound(&c), breaks[i].why);
	}
	c = good;
	c.until_ms = 1;
	assert_string_equal(case_unsound(&c), "somebody has it, and yet there is a limit");
	c = good;
	c.state = CASE_OFFERED;
	assert_string_equal(case_unsound(&c), "nobody has it, and its turn has no limit");
	c.state = CASE_WAITING;
	assert_string_equal(case_unsound(&c), "nobody has it, and yet the coordinator is not its owner");
	c.state = 0;
	assert_string_equal(case_unsound(&c), "its state is none");
	c.state = CASE_LAPSED + 1;
	assert_string_equal(case_unsound(&c), "its state is none");
	c = good;
	c.party_count = CASE_PARTIES_MAX + 1;
	assert_string_equal(case_unsound(&c), "it has too many parties");
	for (int i = 0; i < 5; i++) {
		c = good;
		*(uint64_t *[]){&c.opened, &c.changed, &c.upto, &c.stated, &c.moved}[i] = (uint64_t[]){0, FAR, 1, c.changed + 1, c.upto + 1}[i];
		assert_string_equal(case_unsound(&c), "its numbers are in disorder");
	}
	c = good;
	c.opened = c.changed + 1;
	assert_string_equal(case_unsound(&c), "its numbers are in disorder");
}

static void
bytes_of_a_case_that_cannot_be_are_refused(void **state)
{
	enum { LANE = 1 + KW_ID_LEN + KW_HASH_LEN, READERS = LANE + 2, VERSION = LANE + 4 + 9 * 8, IN_FORCE = VERSION + 4, FIRST_PARTY = VERSION + 13 * 4 + 2 };
	uint8_t good[CASE_CODE_MAX], bytes[CASE_CODE_MAX];
	struct kw_case back;
	size_t len;

	(void)state;
	states(0, 1);
	len = case_encode(good, &c);
	assert_int_equal(be32_get(good + FIRST_PARTY), SENDER);
	for (int i = 0; i < 7; i++) {
		memcpy(bytes, good, len);
		switch (i) {
		case 0: bytes[LANE] = KW_LANES; break;
		case 1: bytes[READERS] = 2; break;
		case 2: be32_put(bytes + FIRST_PARTY + 2 * 5, CASE_NOBODY); break;
		case 3: be32_put(bytes + FIRST_PARTY + 3 * 5, CARLA); break; /* she is in it already */
		case 4: be32_put(bytes + VERSION, 0); break;
		case 5: be32_put(bytes + IN_FORCE, 0); break;
		default: bytes[FIRST_PARTY + 4] = 8; break;
		}
		assert_int_equal(case_decode(&back, span_of(bytes, len), NULL), KW_ECORRUPT);
	}
	assert_int_equal(case_decode(&back, span_of(good, len), NULL), KW_OK);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup(name, opened)
	const struct CMUnitTest tests[] = {
		T(a_case_is_its_notifications),
		T(a_line_of_as_many_as_a_case_holds_fits_if_the_sender_is_in_it),
		T(what_the_sender_gave_comes_back_to_it),
		T(opening_again_forgets_that_the_sender_gave_and_was_tried),
		T(another_agreement_does_not_forget_that_the_sender_gave),
		T(a_hand_over_to_a_sender_that_left_is_off),
		T(what_the_coordinator_had_goes_to_it_first_only_where_somebody_is_left_behind_it),
		T(who_is_of_the_line_may_be_handed_it_without_reading_the_topic),
		T(opening_again_begins_without_alarms),
		T(another_coordinator_leaves_a_running_turn_as_it_is),
		T(a_coordinator_that_went_while_it_held_the_case_was_not_tried_for_that),
		T(a_hand_over_to_who_is_still_there_goes_on_under_the_new_agreement),
		T(a_hand_over_to_who_left_is_off_under_the_new_agreement),
		T(a_new_coordinator_outside_the_line_takes_part_in_what_is_taken),
		T(where_the_new_agreement_has_no_line_every_reader_may_take),
		T(those_who_take_part_under_the_new_agreement_are_those_and_no_more),
		T(the_time_of_a_statement_never_goes_back),
		T(a_statement_never_goes_back_to_an_older_agreement),
		T(the_new_coordinator_takes_nobodys_place_whom_the_case_needs),
		T(the_new_coordinator_comes_in_without_marks_of_whose_place_it_has),
		T(who_is_wished_for_keeps_its_place_in_a_new_line),
		T(who_has_it_and_who_is_next_keep_their_place_in_a_new_line),
		T(a_case_that_cannot_be_is_told),
		T(bytes_of_a_case_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
