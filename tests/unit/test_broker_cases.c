/* The broker's side of cases (docs/protocol.md section 10): it folds its log, states what follows, and forgets nothing by falling over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core_world.h"

/* police sends; the line is order, then night; office is the coordinator. */
enum { POLICE, ORDER, NIGHT, OFFICE, NODES };
static const char *const ids[NODES] = {"a/police", "b/order", "c/night", "d/office"};
#define MINUTE 60000u
#define BODY 300u

static void
begin_with(struct world *w, const struct core_limits *limits)
{
	world_begin_with(w, NODES, ids, limits);
	w->agreement.topic.has_responsible = true;
	w->agreement.line[0] = ORDER;
	w->agreement.line[1] = NIGHT;
	w->agreement.line_count = 2;
	w->agreement.coordinator = OFFICE;
	for (uint32_t i = 0; i < NODES; i++)
		world_hello(w, i, i);
	world_forget(w);
}

static int
begin(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	begin_with(w, &core_limits_default);
	*state = w;
	return 0;
}

static int
end(void **state)
{
	struct world *w = *state;

	world_end(w);
	free(w);
	return 0;
}

/* Whoever was silent for half a minute is given up by the broker: it says hello again. */
static void
be_there(struct world *w, uint32_t node)
{
	world_hello(w, node, node);
	world_settle(w);
}

/* POLICE asks for something in lane urgent; the id is left in id. */
static void
ask(struct world *w, uint8_t id[KW_ID_LEN])
{
	struct header h;

	world_header(w, &h, POLICE);
	h.type = TYPE_REQUEST;
	h.lane = LANE_URGENT;
	h.expires_ms = w->now.wall_ms + 86400000;
	memcpy(id, h.id, KW_ID_LEN);
	be_there(w, POLICE);
	world_offer(w, POLICE, &h, NODES - 1, BODY);
	world_settle(w);
	world_pass(w, 10);
}

static void
move_header(struct world *w, uint32_t node, enum notice_type type, const uint8_t id[KW_ID_LEN], const char *next, struct header *h)
{
	world_header(w, h, node);
	h->type = type;
	h->lane = LANE_URGENT;
	h->about.set = true;
	memcpy(h->about.id, id, KW_ID_LEN);
	memcpy(h->about.frame_hash, id, KW_ID_LEN); /* as world_offer makes it */
	h->about.frame_hash[KW_ID_LEN] = (uint8_t)BODY;
	if (next != NULL)
		strcpy(h->next_owner, next);
}

static void
send_move(struct world *w, uint32_t node, enum notice_type type, const uint8_t id[KW_ID_LEN], const char *next, struct header *out)
{
	struct header h;

	move_header(w, node, type, id, next, &h);
	if (out != NULL)
		*out = h;
	world_offer(w, node, &h, NODES - 1, 10);
}

static void
move(struct world *w, uint32_t node, enum notice_type type, const uint8_t id[KW_ID_LEN], const char *next)
{
	be_there(w, node);
	send_move(w, node, type, id, next, NULL);
	world_settle(w);
	world_pass(w, 10);
}

static void
stands(struct world *w, const uint8_t id[KW_ID_LEN], enum case_state state, uint32_t owner, enum case_cause cause)
{
	const struct broker_entry *e = world_stated(w, id);

	assert_non_null(e);
	assert_int_equal(e->of_case.state, state);
	assert_string_equal(e->of_case.owner, ids[owner]);
	assert_int_equal(e->of_case.cause, cause);
}

/* [M-9] */
static void
a_request_is_offered_to_the_first_of_the_line_with_a_time(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	stands(w, id, CASE_OFFERED, ORDER, CAUSE_OPENED);
	assert_true(world_stated(w, id)->of_case.until_ms > w->now.wall_ms);
	assert_true(world_stated(w, id)->of_case.until_ms <= w->now.wall_ms + MINUTE);
	assert_int_equal(world_entries(w, id, LANE_URGENT), 1);
	for (uint32_t i = 0; i < NODES; i++) /* everyone concerned hears it, the sender too */
		assert_true(world_count(w, EFFECT_DELIVER, i) >= 1);
}

/* [M-1] */
static void
what_is_no_request_on_a_topic_without_a_line_opens_nothing(void **state)
{
	struct world *w = *state;
	struct core_case_counts n;

	w->agreement.topic.has_responsible = false;
	w->agreement.line_count = 0;
	(void)world_publish(w, POLICE, POLICE, &(struct world_publish){.lane = LANE_URGENT});
	world_settle(w);
	world_pass(w, 2 * MINUTE);
	core_case_counts(w->core, &n);
	for (int s = 0; s <= CASE_LAPSED; s++)
		assert_int_equal(n.by_state[s], 0);
	assert_int_equal(w->case_writes, 0);
}

static void
a_take_is_stated_and_a_second_one_is_void_and_told_so(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	send_move(w, ORDER, TYPE_TAKEN, id, NULL, NULL);
	send_move(w, NIGHT, TYPE_TAKEN, id, NULL, NULL); /* in the same commit: the log's order decides */
	world_settle(w);
	world_pass(w, 10);
	stands(w, id, CASE_TAKEN, ORDER, CAUSE_MOVED);
	assert_int_equal(world_stated(w, id)->of_case.until_ms, 0);
	assert_int_equal(world_stated(w, id)->of_case.entries, 4);
	world_pass(w, 60 * MINUTE); /* taken: nothing more is due */
	stands(w, id, CASE_TAKEN, ORDER, CAUSE_MOVED);
	assert_int_equal(world_entries(w, id, LANE_URGENT), 2);
}

static const char *
refusal(const struct world *w, uint32_t node)
{
	for (uint32_t i = w->said_count; i-- > 0;)
		if (w->said[i].kind == EFFECT_REFUSED && w->said[i].conn == node)
			return w->text[i];
	return "";
}

static void
refuses(struct world *w, uint32_t node, enum notice_type type, const uint8_t id[KW_ID_LEN], const char *next, const char *why)
{
	uint32_t before = w->log_count;

	be_there(w, node);
	world_forget(w);
	send_move(w, node, type, id, next, NULL);
	world_settle(w);
	world_pass(w, 10);
	assert_true(world_refused(w, node, CODE_DENIED));
	assert_non_null(strstr(refusal(w, node), why));
	assert_int_equal(w->log_count, before);
}

/* [M-19] */
static void
what_would_be_void_for_sure_is_refused_and_says_who_has_it(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	refuses(w, POLICE, TYPE_TAKEN, id, NULL, "not this node's to decide: it is with b/order");
	refuses(w, OFFICE, TYPE_DECLINED, id, NULL, "nobody stands behind the coordinator");
	refuses(w, ORDER, TYPE_DONE, id, NULL, "take it first");
	move(w, ORDER, TYPE_TAKEN, id, NULL);
	refuses(w, NIGHT, TYPE_TAKEN, id, NULL, "b/order has taken this case");
	refuses(w, ORDER, TYPE_TAKEN, id, NULL, "yours already");
	refuses(w, ORDER, TYPE_HANDED_OVER, id, ids[ORDER], "to its own owner");
	refuses(w, ORDER, TYPE_HANDED_OVER, id, "e/nobody", "cannot read it");
	refuses(w, NIGHT, TYPE_RECALL, id, NULL, "only the sender's partner");
	move(w, ORDER, TYPE_HANDED_OVER, id, ids[NIGHT]);
	move(w, NIGHT, TYPE_TAKEN, id, NULL);
	refuses(w, NIGHT, TYPE_HANDED_OVER, id, ids[ORDER], "gave it away before");
	move(w, NIGHT, TYPE_DONE, id, NULL);
	refuses(w, ORDER, TYPE_TAKEN, id, NULL, "closed (done); its last owner was c/night");
	stands(w, id, CASE_DONE, NIGHT, CAUSE_MOVED);
	id[0] ^= 1;
	refuses(w, ORDER, TYPE_TAKEN, id, NULL, "no case of this id");
}

/* [M-3] */
static void
a_move_in_another_lane_or_about_other_bytes_is_refused_and_touches_nothing(void **state)
{
	struct world *w = *state;
	struct broker_entry before;
	struct header h;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	before = *world_stated(w, id);
	for (int i = 0; i < 2; i++) {
		be_there(w, ORDER);
		world_header(w, &h, ORDER);
		h.type = TYPE_TAKEN;
		h.lane = i == 0 ? LANE_FLASH : LANE_URGENT;
		h.about.set = true;
		memcpy(h.about.id, id, KW_ID_LEN);
		memcpy(h.about.frame_hash, id, KW_ID_LEN);
		h.about.frame_hash[KW_ID_LEN] = (uint8_t)(i == 0 ? BODY : BODY + 1);
		world_forget(w);
		world_offer(w, ORDER, &h, NODES - 1, 10);
		world_settle(w);
		assert_true(world_refused(w, ORDER, CODE_DENIED));
		assert_non_null(strstr(refusal(w, ORDER), i == 0 ? "lane urgent" : "other bytes"));
	}
	world_pass(w, 10);
	assert_memory_equal(&world_stated(w, id)->of_case, &before.of_case, sizeof before.of_case);
	move(w, ORDER, TYPE_TAKEN, id, NULL);
	stands(w, id, CASE_TAKEN, ORDER, CAUSE_MOVED);
}

/* [M-3] */
static void
a_move_on_another_topic_or_past_the_sender_is_refused(void **state)
{
	struct world *w = *state;
	struct header h;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	for (int i = 0; i < 3; i++) {
		be_there(w, ORDER);
		move_header(w, ORDER, TYPE_TAKEN, id, NULL, &h);
		if (i == 0)
			strcpy(h.topic, "alert/fire");
		strcpy(h.to[0], i == 2 ? ids[POLICE] : ids[NIGHT]);
		h.to_count = i > 0;
		world_forget(w);
		world_offer(w, ORDER, &h, i > 0 ? 1 : NODES - 1, 10);
		world_settle(w);
		assert_int_equal(world_refused(w, ORDER, CODE_DENIED), i < 2);
		assert_true(i == 2 || strstr(refusal(w, ORDER), i == 0 ? "of topic alert/flood" : "a/police asked for this") != NULL);
	}
	world_pass(w, 10);
	stands(w, id, CASE_TAKEN, ORDER, CAUSE_MOVED);
}

/* [M-19] */
static void
a_recall_of_what_is_closed_still_takes_the_content_back(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	uint32_t before;

	ask(w, id);
	move(w, POLICE, TYPE_CANCEL, id, NULL);
	stands(w, id, CASE_RECALLED, ORDER, CAUSE_MOVED);
	assert_int_equal(w->recalls, 0);
	before = w->log_count;
	world_forget(w);
	move(w, POLICE, TYPE_RECALL, id, NULL);
	assert_false(world_refused(w, POLICE, CODE_DENIED));
	assert_int_equal(w->log_count, before + 2); /* the recall, and that it changed nothing */
	assert_true(w->recalls > 0);
	stands(w, id, CASE_RECALLED, ORDER, CAUSE_VOID);
}

/* [M-19] */
static void
moves_said_in_one_breath_are_judged_by_the_log_alone(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	send_move(w, ORDER, TYPE_TAKEN, id, NULL, NULL);
	send_move(w, ORDER, TYPE_DONE, id, NULL, NULL); /* by what is committed nobody has taken it yet */
	world_settle(w);
	world_pass(w, 10);
	stands(w, id, CASE_DONE, ORDER, CAUSE_MOVED);
}

/* [M-19] */
static void
a_recall_right_behind_its_notification_waits_for_it(void **state)
{
	struct world *w = *state;
	struct header h, recall;

	world_header(w, &h, POLICE);
	h.type = TYPE_REQUEST;
	h.lane = LANE_URGENT;
	h.expires_ms = w->now.wall_ms + 86400000;
	world_offer(w, POLICE, &h, NODES - 1, BODY);
	send_move(w, POLICE, TYPE_RECALL, h.id, NULL, &recall);
	assert_true(world_refused(w, POLICE, CODE_SLOW_DOWN));
	world_settle(w);
	w->round++;
	world_offer(w, POLICE, &recall, NODES - 1, 10);
	world_settle(w);
	world_pass(w, 10);
	stands(w, h.id, CASE_RECALLED, OFFICE, CAUSE_OPENED);
}

/* [M-12] */
static void
nobody_answers_and_it_climbs_to_the_coordinator_who_is_reminded_in_flash(void **state)
{
	struct world *w = *state;
	struct core_case_counts n;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	world_pass(w, MINUTE);
	stands(w, id, CASE_OFFERED, NIGHT, CAUSE_TIMEOUT);
	world_pass(w, MINUTE);
	stands(w, id, CASE_ESCALATED, OFFICE, CAUSE_TIMEOUT);
	assert_int_equal(world_entries(w, id, LANE_FLASH), 0);
	world_pass(w, MINUTE + 100);
	stands(w, id, CASE_ESCALATED, OFFICE, CAUSE_ALARM);
	assert_int_equal(world_entries(w, id, LANE_FLASH), 1);
	core_case_counts(w->core, &n);
	assert_int_equal(n.unanswered, 1);
	world_pass(w, 3 * MINUTE); /* repeated, never silent */
	assert_true(world_entries(w, id, LANE_FLASH) >= 3);
	move(w, OFFICE, TYPE_TAKEN, id, NULL);
	stands(w, id, CASE_TAKEN, OFFICE, CAUSE_MOVED);
	move(w, OFFICE, TYPE_DONE, id, NULL);
	stands(w, id, CASE_DONE, OFFICE, CAUSE_MOVED);
	core_case_counts(w->core, &n);
	assert_int_equal(n.by_state[CASE_DONE], 1);
	assert_int_equal(n.unanswered, 0);
}

static void
a_decline_goes_to_the_next_at_once(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	move(w, ORDER, TYPE_DECLINED, id, NULL);
	stands(w, id, CASE_OFFERED, NIGHT, CAUSE_MOVED);
}

static void
a_hand_over_counts_when_the_other_takes_it(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	move(w, ORDER, TYPE_TAKEN, id, NULL);
	move(w, ORDER, TYPE_HANDED_OVER, id, ids[NIGHT]);
	stands(w, id, CASE_TAKEN, ORDER, CAUSE_MOVED);
	assert_string_equal(world_stated(w, id)->of_case.next, ids[NIGHT]);
	world_pass(w, 2 * MINUTE);
	stands(w, id, CASE_TAKEN, ORDER, CAUSE_HANDOVER_LAPSED);
	move(w, ORDER, TYPE_HANDED_OVER, id, ids[NIGHT]);
	move(w, NIGHT, TYPE_TAKEN, id, NULL);
	stands(w, id, CASE_TAKEN, NIGHT, CAUSE_MOVED);
}

/* [M-2] */
static void
a_case_that_expires_open_lapses(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	move(w, ORDER, TYPE_TAKEN, id, NULL);
	world_pass(w, 86400000);
	stands(w, id, CASE_LAPSED, ORDER, CAUSE_LAPSED);
}

/* [M-1] */
static void
one_that_would_expire_before_its_line_is_through_is_refused(void **state)
{
	struct world *w = *state;
	struct header h;

	world_header(w, &h, POLICE);
	h.type = TYPE_REQUEST;
	h.lane = LANE_URGENT;
	h.expires_ms = w->now.wall_ms + 3 * MINUTE - 1; /* order, night, office: a minute each */
	world_offer(w, POLICE, &h, NODES - 1, BODY);
	world_settle(w);
	assert_true(world_refused(w, POLICE, CODE_DENIED));
	h.expires_ms++;
	h.id[0] ^= 1;
	world_forget(w);
	world_offer(w, POLICE, &h, NODES - 1, BODY);
	world_settle(w);
	assert_false(world_refused(w, POLICE, CODE_DENIED));
}

/* [M-17] The same owner and the same limit, whenever the broker fell over. */
static void
a_new_start_finds_the_same_owner_and_the_same_limit(void **state)
{
	static const enum notice_type story[] = {TYPE_TAKEN, TYPE_HANDED_OVER, TYPE_TAKEN, TYPE_RETURNED, TYPE_TAKEN, TYPE_DONE, TYPE_REOPENED};
	static const uint32_t who[] = {ORDER, ORDER, NIGHT, NIGHT, ORDER, ORDER, POLICE};
	struct world *w = *state;
	struct broker_entry before;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	for (size_t i = 0; i < sizeof story / sizeof story[0]; i++) {
		if (i % 2 == 0)
			world_pass(w, 1500); /* snapshots are written; otherwise the log tells it */
		before = *world_stated(w, id);
		world_restart(w);
		for (uint32_t n = 0; n < NODES; n++)
			world_hello(w, n, n);
		world_settle(w);
		world_pass(w, 10);
		assert_memory_equal(&world_stated(w, id)->of_case, &before.of_case, sizeof before.of_case);
		move(w, who[i], story[i], id, story[i] == TYPE_HANDED_OVER ? ids[NIGHT] : NULL);
		assert_int_not_equal(world_stated(w, id)->of_case.cause, CAUSE_VOID);
	}
	stands(w, id, CASE_OFFERED, ORDER, CAUSE_MOVED);
	assert_true(w->replayed > 0);
}

/* Its checksum held, what it says cannot be: a damaged store is not served. */
static void
a_log_that_names_what_the_store_does_not_hold_is_not_served(void **state)
{
	struct world *w = *state;
	struct world_entry *e = NULL;
	struct op_append whole;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	for (uint32_t i = 0; i < w->log_count; i++)
		if (!w->log[i].op.entry && memcmp(w->log[i].op.id, id, KW_ID_LEN) == 0)
			e = &w->log[i];
	assert_non_null(e);
	whole = e->op;
	e->op.set.v = w->sets;
	world_restart(w);
	assert_int_equal(core_service(w->core), SERVICE_LOST);
	e->op = whole;
	e->op.sender.v = w->nodes;
	world_restart(w);
	assert_int_equal(core_service(w->core), SERVICE_LOST);
	assert_non_null(strstr(core_service_why(w->core), "restore it from a backup"));
	e->op = whole;
	world_restart(w);
	assert_int_equal(core_service(w->core), SERVICE_SERVING);
}

static void
an_end_that_was_not_stated_before_the_fall_is_stated_in_its_time(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	move(w, ORDER, TYPE_TAKEN, id, NULL);
	send_move(w, ORDER, TYPE_DONE, id, NULL, NULL);
	world_settle(w);
	core_tick(w->core, w->now);
	world_drain(w);
	w->fail_next = KW_EFULL;
	assert_true(world_commit(w));
	world_pass(w, 1500); /* its snapshot is written before there is room for the statement */
	stands(w, id, CASE_TAKEN, ORDER, CAUSE_MOVED);
	world_restart(w);
	be_there(w, ORDER);
	world_pass(w, 1000);
	stands(w, id, CASE_DONE, ORDER, CAUSE_MOVED);
	assert_true(world_stated(w, id)->time_ms <= w->now.wall_ms);
}

static void
a_start_folds_only_what_came_behind_the_snapshots(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	uint32_t first;

	for (int i = 0; i < 20; i++)
		ask(w, id);
	world_pass(w, 2500);
	(void)world_publish(w, POLICE, POLICE, &(struct world_publish){.lane = LANE_FLASH}); /* any batch carries it */
	world_settle(w);
	world_restart(w);
	first = w->replayed;
	assert_true(first < 10);
}

/* [M-17] */
static void
what_ran_out_while_the_broker_was_away_waits_for_its_node_or_a_minute(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	w->now.wall_ms += 10 * MINUTE;
	w->now.mono_ms += 10 * MINUTE;
	world_restart(w);
	world_pass(w, 1000);
	stands(w, id, CASE_OFFERED, ORDER, CAUSE_OPENED); /* overdue, and nothing fires */
	for (uint32_t n = 0; n < NODES; n++)
		world_hello(w, n, n);
	move(w, ORDER, TYPE_TAKEN, id, NULL); /* it had said so all along */
	world_pass(w, 2 * MINUTE);
	stands(w, id, CASE_TAKEN, ORDER, CAUSE_MOVED);
	ask(w, id);
	w->now.wall_ms += 10 * MINUTE;
	w->now.mono_ms += 10 * MINUTE;
	world_restart(w);
	world_pass(w, 59000);
	stands(w, id, CASE_OFFERED, ORDER, CAUSE_OPENED);
	world_pass(w, 2000);
	stands(w, id, CASE_OFFERED, NIGHT, CAUSE_TIMEOUT);
}

/* [M-16] */
static void
a_wall_clock_that_jumps_fires_nothing(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	w->now.wall_ms += 3600000;
	world_pass(w, 30000);
	stands(w, id, CASE_OFFERED, ORDER, CAUSE_OPENED);
	w->now.wall_ms -= 2 * 3600000;
	world_pass(w, 31000);
	stands(w, id, CASE_OFFERED, NIGHT, CAUSE_TIMEOUT);
}

static void
a_statement_without_room_is_made_again(void **state)
{
	struct world *w = *state;
	struct header h;

	world_header(w, &h, POLICE);
	h.type = TYPE_REQUEST;
	h.lane = LANE_URGENT;
	h.expires_ms = w->now.wall_ms + 86400000;
	world_offer(w, POLICE, &h, NODES - 1, 300);
	world_settle(w);
	core_tick(w->core, w->now);
	world_drain(w);
	w->fail_next = KW_EFULL;
	assert_true(world_commit(w));
	assert_null(world_stated(w, h.id));
	world_pass(w, 6000);
	stands(w, h.id, CASE_OFFERED, ORDER, CAUSE_OPENED);
}

/* world_pass looks at every step that the core does not ask for a turn in which it can do nothing. */
static void
snapshots_without_room_cost_no_turns(void **state)
{
	struct world *w = *state;
	uint8_t id[2][KW_ID_LEN];
	uint32_t writes;

	ask(w, id[0]);
	world_pass(w, 100);
	ask(w, id[1]);
	writes = w->case_writes;
	w->stuffed = true;
	world_pass(w, 5000);
	assert_int_equal(w->case_writes, writes);
	w->stuffed = false;
	world_pass(w, 5000);
	assert_true(w->case_writes >= writes + 2);
}

static void
the_same_move_again_is_stored_once_and_moves_nothing_twice(void **state)
{
	struct world *w = *state;
	struct header h;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	send_move(w, ORDER, TYPE_TAKEN, id, NULL, &h);
	world_settle(w);
	world_pass(w, 10);
	move(w, ORDER, TYPE_RETURNED, id, NULL);
	stands(w, id, CASE_OFFERED, NIGHT, CAUSE_MOVED);
	world_forget(w);
	world_offer(w, ORDER, &h, NODES - 1, 10); /* its answer was lost on the way */
	world_settle(w);
	world_pass(w, 10);
	assert_int_equal(world_count(w, EFFECT_STORED_AGAIN, ORDER), 1);
	stands(w, id, CASE_OFFERED, NIGHT, CAUSE_MOVED);
}

/* [M-19] */
static void
what_is_offered_again_is_stored_even_if_it_would_be_refused_by_now(void **state)
{
	struct world *w = *state;
	struct header opening, taken;

	world_header(w, &opening, POLICE);
	opening.type = TYPE_REQUEST;
	opening.lane = LANE_URGENT;
	opening.expires_ms = w->now.wall_ms + 3 * MINUTE; /* just long enough for its line */
	world_offer(w, POLICE, &opening, NODES - 1, BODY);
	world_settle(w);
	world_pass(w, 10);
	send_move(w, ORDER, TYPE_TAKEN, opening.id, NULL, &taken);
	world_settle(w);
	world_pass(w, 10);
	world_restart(w); /* the answers were lost on the way */
	be_there(w, POLICE);
	be_there(w, ORDER);
	world_forget(w);
	world_offer(w, POLICE, &opening, NODES - 1, BODY);
	world_offer(w, ORDER, &taken, NODES - 1, 10); /* ORDER has it by now */
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_STORED_AGAIN, POLICE), 1);
	assert_int_equal(world_count(w, EFFECT_STORED_AGAIN, ORDER), 1);
	stands(w, opening.id, CASE_TAKEN, ORDER, CAUSE_MOVED);
}

static void
a_recall_closes_the_case_and_takes_the_body(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	move(w, POLICE, TYPE_RECALL, id, NULL);
	stands(w, id, CASE_RECALLED, ORDER, CAUSE_MOVED);
	assert_true(w->recalls >= 1);
}

/* [K-6] */
static void
what_waits_for_a_reader_goes_bare_once_it_is_recalled(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();
	uint8_t id[KW_ID_LEN];
	uint64_t first = w->tail[LANE_URGENT] + 1;

	h.window[LANE_URGENT].messages = 1;
	world_hello_as(w, NIGHT, NIGHT, &h, SEEN_NONE);
	world_settle(w);
	world_ack(w, NIGHT, LANE_URGENT, w->tail[LANE_URGENT]);
	ask(w, id);
	ask(w, id); /* which waits behind the first */
	move(w, POLICE, TYPE_RECALL, id, NULL);
	world_forget(w);
	for (uint64_t upto = first; upto <= w->tail[LANE_URGENT]; upto++) {
		world_ack(w, NIGHT, LANE_URGENT, upto);
		world_settle(w);
	}
	assert_true(world_count(w, EFFECT_DELIVER, NIGHT) > 2);
	for (uint32_t i = 0; i < world_count(w, EFFECT_DELIVER, NIGHT); i++) {
		const struct core_effect *e = world_find(w, EFFECT_DELIVER, NIGHT, i);

		assert_int_equal(e->deliver.mark == MARK_RECALLED, e->deliver.at.lane == LANE_URGENT && e->deliver.at.number == first + 2);
	}
}

/* [M-20] */
static void
the_body_of_an_open_case_stays(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	for (uint32_t n = 1; n < NODES; n++)
		for (int lane = 0; lane < KW_LANES; lane++)
			world_ack(w, n, (enum lane)lane, w->tail[lane]);
	world_pass(w, 5000);
	assert_true(w->swept_upto < w->tail[LANE_URGENT] || w->sweeps == 0);
	move(w, ORDER, TYPE_TAKEN, id, NULL);
	move(w, ORDER, TYPE_DONE, id, NULL);
	for (uint32_t n = 0; n < NODES; n++)
		world_ack(w, n, LANE_URGENT, w->tail[LANE_URGENT]);
	world_pass(w, 5000);
	assert_true(w->sweeps > 0);
}

/* [M-20] */
static void
closed_cases_are_forgotten_after_a_month(void **state)
{
	struct world *w = *state;
	struct core_case_counts n;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	move(w, ORDER, TYPE_TAKEN, id, NULL);
	move(w, ORDER, TYPE_DONE, id, NULL);
	world_pass(w, 2000);
	assert_true(w->kept_count == 1 && w->kept[0].len > 0);
	w->now.wall_ms += 31ull * 86400000;
	w->now.mono_ms += 31ull * 86400000;
	for (uint32_t i = 0; i < NODES; i++)
		world_hello(w, i, i);
	world_pass(w, 5000);
	core_case_counts(w->core, &n);
	assert_int_equal(n.by_state[CASE_DONE], 0);
	assert_int_equal(w->kept[0].len, 0);
}

/* ---- another agreement ---- */

static struct agreement second, first;       /* they outlive the core */

static void
into_force(struct world *w, const struct agreement *next)
{
	struct core_install i = world_install(w, next);

	assert_int_equal(core_install(w->core, &i, w->now, NULL), KW_OK);
	for (int lane = 0; lane < KW_LANES; lane++)
		blob_unref(&i.entries[lane]);
	world_settle(w);
	first = w->agreement;
	w->agreement = *next;
	w->earlier[w->earlier_count++] = &first;
	world_pass(w, 10);
}

static struct agreement
like_the_first(const struct world *w, uint32_t count, const char *const *nodes)
{
	struct agreement a;

	fake_agreement(&a, 2, count, nodes);
	a.topic = w->agreement.topic;
	a.line[0] = ORDER;
	a.line[1] = NIGHT;
	a.line_count = 2;
	a.coordinator = OFFICE;
	return a;
}

/* [M-18] */
static void
another_agreement_lets_nobodys_time_run_out(void **state)
{
	struct world *w = *state;
	uint8_t offered[KW_ID_LEN], taken[KW_ID_LEN], escalated[KW_ID_LEN];
	uint64_t until;

	ask(w, escalated);
	move(w, ORDER, TYPE_DECLINED, escalated, NULL);
	move(w, NIGHT, TYPE_DECLINED, escalated, NULL);
	ask(w, taken);
	move(w, ORDER, TYPE_TAKEN, taken, NULL);
	ask(w, offered);
	until = world_stated(w, offered)->of_case.until_ms;
	world_pass(w, 5000);
	second = like_the_first(w, NODES, ids);
	into_force(w, &second);
	world_pass(w, 5000);
	stands(w, offered, CASE_OFFERED, ORDER, CAUSE_OPENED);
	stands(w, taken, CASE_TAKEN, ORDER, CAUSE_MOVED);
	stands(w, escalated, CASE_ESCALATED, OFFICE, CAUSE_MOVED);
	world_pass(w, until - w->now.wall_ms - 1);
	stands(w, offered, CASE_OFFERED, ORDER, CAUSE_OPENED);
	world_pass(w, 10);
	stands(w, offered, CASE_OFFERED, NIGHT, CAUSE_TIMEOUT);
}

static void
whoever_is_gone_has_its_case_no_more(void **state)
{
	static const char *const without_order[] = {"a/police", "c/night", "d/office"};
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	move(w, ORDER, TYPE_TAKEN, id, NULL);
	second = like_the_first(w, 3, without_order);
	second.line[0] = 1;
	second.line_count = 1;
	second.coordinator = 2;
	into_force(w, &second);
	stands(w, id, CASE_OFFERED, NIGHT, CAUSE_AGREEMENT);
}

/* The recall stands in the log before the agreement that leaves its sender out: the content goes all the same. */
static void
a_recall_counts_though_its_sender_leaves_with_the_same_commit(void **state)
{
	static const char *const without_police[] = {"b/order", "c/night", "d/office"};
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	be_there(w, POLICE);
	send_move(w, POLICE, TYPE_RECALL, id, NULL, NULL);
	second = like_the_first(w, 3, without_police);
	second.line[0] = 0;
	second.line[1] = 1;
	second.coordinator = 2;
	into_force(w, &second);
	stands(w, id, CASE_RECALLED, ORDER, CAUSE_MOVED);
	assert_int_equal(w->recalls, 1);
}

static bool
is_told(const struct world *w, const uint8_t id[KW_ID_LEN], uint32_t node)
{
	const struct broker_entry *e = world_stated(w, id);

	for (uint32_t i = w->log_count; i-- > 0;)
		if (w->log[i].op.entry && w->log[i].at.number > e->of_case.upto && w->log[i].op.lane == e->of_case.lane) {
			for (uint32_t k = 0; k < w->set[w->log[i].op.set.v].count; k++)
				if (strcmp(w->node[w->set[w->log[i].op.set.v].nodes[k].v], ids[node]) == 0)
					return true;
			return false;
		}
	return false;
}

/* [M-18] */
static void
whoever_another_agreement_makes_responsible_hears_of_it(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	w->agreement.line_count = 1;
	w->agreement.topic.on_change = ON_CHANGE_MOVE;
	ask(w, id);
	assert_false(is_told(w, id, NIGHT));
	second = like_the_first(w, NODES, ids);
	second.line[0] = NIGHT;
	second.line_count = 1;
	into_force(w, &second);
	stands(w, id, CASE_OFFERED, NIGHT, CAUSE_AGREEMENT);
	assert_true(is_told(w, id, NIGHT));
	assert_true(is_told(w, id, ORDER)); /* whose it was, too */
}

static void
a_start_under_another_agreement_folds_as_the_log_went(void **state)
{
	static const char *const without_night[] = {"a/police", "b/order", "d/office"};
	struct world *w = *state;
	struct broker_entry before;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	move(w, ORDER, TYPE_TAKEN, id, NULL);
	world_pass(w, 1500);
	move(w, ORDER, TYPE_HANDED_OVER, id, ids[NIGHT]); /* behind the snapshot */
	second = like_the_first(w, 3, without_night);
	second.line_count = 1;
	second.coordinator = 2;
	into_force(w, &second);
	stands(w, id, CASE_TAKEN, ORDER, CAUSE_AGREEMENT);
	assert_string_equal(world_stated(w, id)->of_case.next, "");
	before = *world_stated(w, id);
	world_restart(w);
	be_there(w, ORDER);
	world_pass(w, 2000);
	assert_memory_equal(&world_stated(w, id)->of_case, &before.of_case, sizeof before.of_case);
	assert_int_equal(world_entries(w, id, LANE_URGENT), 4);
}

/* ---- clocks and starts ---- */

/* [M-16] */
static void
a_wall_clock_that_was_set_ahead_takes_no_time_away_when_somebody_moves(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	w->now.wall_ms += 3600000;
	world_pass(w, 10000);
	move(w, NIGHT, TYPE_DECLINED, id, NULL); /* not its turn: it is passed over later */
	stands(w, id, CASE_OFFERED, ORDER, CAUSE_MOVED);
	world_pass(w, 40000);
	stands(w, id, CASE_OFFERED, ORDER, CAUSE_MOVED);
	world_pass(w, 10000);
	stands(w, id, CASE_ESCALATED, OFFICE, CAUSE_TIMEOUT);
}

/* [M-16] A turn that began while the clock stood wrong. */
static void
a_wall_clock_that_was_set_back_prolongs_no_turn_behind_the_one_that_ran(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	w->now.wall_ms -= 3600000;
	world_pass(w, 61000);
	stands(w, id, CASE_OFFERED, NIGHT, CAUSE_TIMEOUT);
	world_pass(w, 61000);
	stands(w, id, CASE_ESCALATED, OFFICE, CAUSE_TIMEOUT);
}

static void
a_turn_that_another_agreement_gives_is_whole(struct world *w, int64_t clock_jumps_ms, uint64_t later_ms)
{
	uint8_t id[KW_ID_LEN];

	w->agreement.topic.on_change = ON_CHANGE_MOVE;
	ask(w, id);
	w->now.wall_ms += (uint64_t)clock_jumps_ms;
	world_pass(w, later_ms);
	second = like_the_first(w, NODES, ids);
	into_force(w, &second);
	stands(w, id, CASE_OFFERED, ORDER, CAUSE_AGREEMENT);
	world_pass(w, 50000);
	stands(w, id, CASE_OFFERED, ORDER, CAUSE_AGREEMENT);
	world_pass(w, 11000);
	stands(w, id, CASE_OFFERED, NIGHT, CAUSE_TIMEOUT);
}

/* [M-16] */
static void
a_wall_clock_that_was_set_ahead_takes_no_time_away_from_a_turn_that_another_agreement_gives(void **state)
{
	a_turn_that_another_agreement_gives_is_whole(*state, 3600000, 10000);
}

/* [M-16] */
static void
a_wall_clock_that_was_set_back_takes_no_time_away_from_a_turn_that_another_agreement_gives(void **state)
{
	a_turn_that_another_agreement_gives_is_whole(*state, -3600000, 30000);
}

/* [M-17] */
static void
while_its_node_is_awaited_nobody_elses_move_ends_its_turn(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	ask(w, id);
	w->now.wall_ms += 10 * MINUTE;
	w->now.mono_ms += 10 * MINUTE;
	world_restart(w);
	world_pass(w, 1000);
	move(w, NIGHT, TYPE_DECLINED, id, NULL);
	world_pass(w, 10000);
	stands(w, id, CASE_OFFERED, ORDER, CAUSE_OPENED);
	move(w, ORDER, TYPE_TAKEN, id, NULL);
	stands(w, id, CASE_TAKEN, ORDER, CAUSE_MOVED);
}

static void
more_changes_than_a_batch_takes_are_written_one_batch_after_the_other(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	uint64_t behind;

	for (int i = 0; i < 450; i++) {
		struct header h;

		world_header(w, &h, POLICE);
		h.type = TYPE_REQUEST;
		h.lane = LANE_URGENT;
		h.expires_ms = w->now.wall_ms + 86400000;
		world_offer(w, POLICE, &h, NODES - 1, BODY);
	}
	world_settle(w);
	core_tick(w->core, w->now);
	world_settle(w);
	core_tick(w->core, w->now);
	world_settle(w);
	world_pass(w, 1100);
	assert_true(w->case_writes >= 450);
	for (int i = 0; i < 30; i++) { /* there is always a case that just changed */
		ask(w, id);
		world_pass(w, 100);
	}
	behind = w->tail[LANE_URGENT] - w->folded[LANE_URGENT];
	assert_true(behind < 40);
}

/* [M-20] */
static void
a_case_is_not_forgotten_before_its_end_is_stated(void **state)
{
	struct world *w = *state;
	struct core_limits limits = core_limits_default;
	struct core_case_counts n;
	uint8_t id[KW_ID_LEN];

	(void)end(state);
	w = *state = calloc(1, sizeof *w);
	limits.cases_closed = 0;
	world_begin_with(w, NODES, ids, &limits);
	w->agreement.topic.has_responsible = true;
	w->agreement.line[0] = ORDER;
	w->agreement.line_count = 1;
	w->agreement.coordinator = OFFICE;
	for (uint32_t i = 0; i < NODES; i++)
		world_hello(w, i, i);
	ask(w, id);
	move(w, ORDER, TYPE_TAKEN, id, NULL);
	move(w, ORDER, TYPE_DONE, id, NULL);
	world_pass(w, 2000);
	stands(w, id, CASE_DONE, ORDER, CAUSE_MOVED);
	core_case_counts(w->core, &n);
	assert_int_equal(n.by_state[CASE_DONE], 0);
}

static void
no_more_cases_are_opened_than_are_kept_until_one_is_done(void **state)
{
	struct world *w = *state;
	struct core_limits limits = core_limits_default;
	uint8_t one[KW_ID_LEN], other[KW_ID_LEN], more[KW_ID_LEN];
	uint32_t before;

	world_end(w);
	limits.cases_open = 2;
	begin_with(w, &limits);
	ask(w, one);
	ask(w, other);
	before = w->log_count;
	ask(w, more);
	assert_true(world_refused(w, POLICE, CODE_DENIED));
	assert_string_equal(refusal(w, POLICE), "2 cases are open, no more are kept; have some of them done first");
	assert_int_equal(w->log_count, before);
	move(w, ORDER, TYPE_TAKEN, one, NULL);
	move(w, ORDER, TYPE_DONE, one, NULL);
	ask(w, more);
	stands(w, more, CASE_OFFERED, ORDER, CAUSE_OPENED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_more_cases_are_opened_than_are_kept_until_one_is_done),
		TEST(a_request_is_offered_to_the_first_of_the_line_with_a_time),
		TEST(what_is_no_request_on_a_topic_without_a_line_opens_nothing),
		TEST(a_take_is_stated_and_a_second_one_is_void_and_told_so),
		TEST(what_would_be_void_for_sure_is_refused_and_says_who_has_it),
		TEST(a_move_in_another_lane_or_about_other_bytes_is_refused_and_touches_nothing),
		TEST(a_move_on_another_topic_or_past_the_sender_is_refused),
		TEST(a_recall_of_what_is_closed_still_takes_the_content_back),
		TEST(moves_said_in_one_breath_are_judged_by_the_log_alone),
		TEST(a_recall_right_behind_its_notification_waits_for_it),
		TEST(nobody_answers_and_it_climbs_to_the_coordinator_who_is_reminded_in_flash),
		TEST(a_decline_goes_to_the_next_at_once),
		TEST(a_hand_over_counts_when_the_other_takes_it),
		TEST(a_case_that_expires_open_lapses),
		TEST(one_that_would_expire_before_its_line_is_through_is_refused),
		TEST(a_new_start_finds_the_same_owner_and_the_same_limit),
		TEST(a_log_that_names_what_the_store_does_not_hold_is_not_served),
		TEST(an_end_that_was_not_stated_before_the_fall_is_stated_in_its_time),
		TEST(a_start_folds_only_what_came_behind_the_snapshots),
		TEST(what_ran_out_while_the_broker_was_away_waits_for_its_node_or_a_minute),
		TEST(a_wall_clock_that_jumps_fires_nothing),
		TEST(a_statement_without_room_is_made_again),
		TEST(snapshots_without_room_cost_no_turns),
		TEST(the_same_move_again_is_stored_once_and_moves_nothing_twice),
		TEST(what_is_offered_again_is_stored_even_if_it_would_be_refused_by_now),
		TEST(a_recall_closes_the_case_and_takes_the_body),
		TEST(what_waits_for_a_reader_goes_bare_once_it_is_recalled),
		TEST(the_body_of_an_open_case_stays),
		TEST(closed_cases_are_forgotten_after_a_month),
		TEST(another_agreement_lets_nobodys_time_run_out),
		TEST(whoever_is_gone_has_its_case_no_more),
		TEST(a_recall_counts_though_its_sender_leaves_with_the_same_commit),
		TEST(whoever_another_agreement_makes_responsible_hears_of_it),
		TEST(a_start_under_another_agreement_folds_as_the_log_went),
		TEST(a_wall_clock_that_was_set_ahead_takes_no_time_away_when_somebody_moves),
		TEST(a_wall_clock_that_was_set_back_prolongs_no_turn_behind_the_one_that_ran),
		TEST(a_wall_clock_that_was_set_ahead_takes_no_time_away_from_a_turn_that_another_agreement_gives),
		TEST(a_wall_clock_that_was_set_back_takes_no_time_away_from_a_turn_that_another_agreement_gives),
		TEST(while_its_node_is_awaited_nobody_elses_move_ends_its_turn),
		TEST(more_changes_than_a_batch_takes_are_written_one_batch_after_the_other),
		TEST(a_case_is_not_forgotten_before_its_end_is_stated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
