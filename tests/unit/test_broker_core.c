/* test_broker_core: the sentences of docs/protocol.md that the broker's core keeps, by their numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core_world.h"

static const char *const four[] = {"city/desk", "police/control", "school/office", "youth/house"};
enum { CITY, POLICE, SCHOOL, YOUTH };

static int
begin(void **state)
{
	struct world *w = malloc(sizeof *w);

	assert_non_null(w);
	world_begin(w, 4, four);
	*state = w;
	return 0;
}

static int
end(void **state)
{
	world_end(*state);
	free(*state);
	return 0;
}

static struct world_publish
in_lane(enum lane lane)
{
	return (struct world_publish){.lane = lane};
}

static void
publish_in(struct world *w, uint32_t conn, uint32_t node, enum lane lane)
{
	struct world_publish p = in_lane(lane);

	(void)world_publish(w, conn, node, &p);
}

static void
publish_to(struct world *w, uint32_t conn, uint32_t node, enum lane lane, uint32_t reader)
{
	struct header h;

	world_header(w, &h, node);
	h.lane = lane;
	h.to_count = 1;
	strcpy(h.to[0], four[reader]);
	world_offer(w, conn, &h, 1, 100);
}

/* ---- 1 connection ---- */

static void
c5_before_hello_nothing_is_heard(void **state)
{
	struct world *w = *state;

	assert_int_equal(core_heard(w->core, 1, w->now), STAGE_NO_HELLO);
	publish_in(w, 1, CITY, LANE_FLASH);
	assert_true(world_refused(w, 1, CODE_NO_HELLO));
	assert_false(world_commit(w));
}

static void
c5_a_second_hello_takes_the_session_over(void **state)
{
	struct world *w = *state;

	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	world_hello(w, 3, POLICE);
	assert_true(world_refused(w, 2, CODE_REPLACED));
	assert_int_equal(core_heard(w->core, 2, w->now), STAGE_REPLACED);
	publish_in(w, 1, CITY, LANE_URGENT);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 2), 0);
	assert_true(world_count(w, EFFECT_DELIVER, 3) >= 1);
	assert_int_equal(core_open_count(w->core), 2);
}

static void
c5_hello_again_on_the_same_connection_begins_anew(void **state)
{
	struct world *w = *state;

	world_hello(w, 1, CITY);
	world_hello(w, 1, CITY);
	assert_int_equal(world_count(w, EFFECT_WELCOME, 1), 2);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 0);
	assert_int_equal(core_open_count(w->core), 1);
}

static void
c6_beats_are_sent_and_silence_ends_the_session(void **state)
{
	struct world *w = *state;

	world_hello(w, 1, CITY);
	world_settle(w);
	world_forget(w);
	world_pass(w, 9999);
	assert_int_equal(world_count(w, EFFECT_BEAT, 1), 0);
	world_pass(w, 2);
	assert_int_equal(world_count(w, EFFECT_BEAT, 1), 1);
	world_pass(w, 30000);
	assert_int_equal(world_count(w, EFFECT_DROP, 1), 1);
	assert_int_equal(core_open_count(w->core), 0);
}

static void
c6_who_is_heard_stays(void **state)
{
	struct world *w = *state;

	world_hello(w, 1, CITY);
	for (int i = 0; i < 10; i++) {
		world_pass(w, 15000);
		assert_int_equal(core_heard(w->core, 1, w->now), STAGE_OPEN);
	}
	assert_int_equal(world_count(w, EFFECT_DROP, 1), 0);
}

static void
c7_another_protocol_is_refused(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();

	h.protocol = 2;
	world_hello_as(w, 1, CITY, &h, SEEN_NONE);
	assert_true(world_refused(w, 1, CODE_MALFORMED));
	assert_int_equal(core_heard(w->core, 1, w->now), STAGE_NO_HELLO);
}

static void
c8_welcome_tells_where_the_log_stands(void **state)
{
	struct world *w = *state;
	struct wire_welcome m;

	world_hello(w, 1, CITY);
	publish_in(w, 1, CITY, LANE_URGENT);
	world_settle(w);
	world_hello(w, 1, CITY);
	core_welcome(w->core, 1, &m, w->now);
	assert_int_equal(m.log_epoch, 1);
	assert_int_equal(m.epoch_start[LANE_URGENT], 1);
	assert_int_equal(m.tail[LANE_URGENT], 2); /* the agreement's arrival and the notification */
	assert_int_equal(m.tail[LANE_FLASH], 1);
	assert_true(m.has_commit);
	assert_true(m.has_last_stored);
	assert_int_equal(be64_get(m.last_stored + 8), w->next_id);
	assert_int_equal(m.agreement_version, 1);
	assert_int_equal(m.window[LANE_FLASH].messages, w->limits.publish[LANE_FLASH].messages);
	assert_int_equal(m.now_ms, w->now.wall_ms);
}

static void
c10_a_node_that_saw_a_newer_commit_stops_the_service(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();

	world_hello(w, 1, POLICE);
	h.seen.number = core_commit_number(w->core) + 1;
	world_hello_as(w, 2, CITY, &h, SEEN_NONE);
	assert_int_equal(core_service(w->core), SERVICE_BEHIND);
	assert_non_null(strstr(core_service_why(w->core), "city/desk"));
	assert_true(world_refused(w, 2, CODE_BEHIND));
	assert_true(world_refused(w, 1, CODE_BEHIND)); /* nobody is served */
	assert_int_equal(world_count(w, EFFECT_DROP, 1), 1);
	world_hello(w, 3, SCHOOL);
	assert_true(world_refused(w, 3, CODE_BEHIND));
	assert_int_equal(world_count(w, EFFECT_WELCOME, 3), 0);
	world_forget(w);
	publish_in(w, 1, POLICE, LANE_FLASH);
	assert_true(world_refused(w, 1, CODE_BEHIND));
}

static void
c10_the_commit_that_is_newest_here_is_not_newer(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();

	h.seen.number = core_commit_number(w->core);
	world_hello_as(w, 2, CITY, &h, SEEN_SAME);
	assert_int_equal(core_service(w->core), SERVICE_SERVING);
	assert_int_equal(world_count(w, EFFECT_WELCOME, 2), 1);
}

static void
c10_a_cursor_beyond_the_tail_stops_the_service(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();

	h.cursor[LANE_ROUTINE] = (struct lane_cursor){1, core_tail(w->core, LANE_ROUTINE) + 1};
	world_hello_as(w, 2, CITY, &h, SEEN_NONE);
	assert_int_equal(core_service(w->core), SERVICE_BEHIND);
}

static void
c10_two_hashes_for_one_commit_stop_it_with_evidence(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();

	h.seen.number = 1;
	world_hello_as(w, 2, CITY, &h, SEEN_OTHER);
	assert_int_equal(core_service(w->core), SERVICE_FORK);
	assert_true(world_refused(w, 2, CODE_BEHIND));
	world_settle(w);
	assert_int_equal(w->evidence, 1);
}

static void
c11_a_new_log_epoch_serves_again_and_counts_on(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();
	struct wire_welcome m;

	h.cursor[LANE_FLASH] = (struct lane_cursor){1, 99};
	world_hello_as(w, 2, CITY, &h, SEEN_NONE);
	assert_int_equal(core_new_epoch(w->core, NULL), KW_OK);
	world_settle(w);
	assert_int_equal(core_service(w->core), SERVICE_SERVING);
	assert_int_equal(core_log_epoch(w->core), 2);
	world_hello_as(w, 2, CITY, &h, SEEN_NONE);
	core_welcome(w->core, 2, &m, w->now);
	assert_int_equal(m.log_epoch, 2);
	assert_int_equal(m.epoch_start[LANE_FLASH], 2);
	assert_int_equal(m.cursor[LANE_FLASH].number, 1); /* 99 of epoch 1 counts up to where epoch 2 began */
	assert_int_equal(m.cursor[LANE_FLASH].log_epoch, 2);
}

/* The copy is from before the last new epoch: there must not be two of one number. */
static void
c11_a_new_log_epoch_goes_beyond_what_nodes_have_seen(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();

	h.cursor[LANE_FLASH] = (struct lane_cursor){5, 1};
	world_hello_as(w, 2, CITY, &h, SEEN_NONE);
	assert_int_equal(core_service(w->core), SERVICE_BEHIND);
	h.cursor[LANE_FLASH] = (struct lane_cursor){7, 1};
	world_hello_as(w, 3, POLICE, &h, SEEN_NONE); /* nobody is served, and heard all the same */
	assert_int_equal(core_new_epoch(w->core, NULL), KW_OK);
	world_settle(w);
	assert_int_equal(core_service(w->core), SERVICE_SERVING);
	assert_int_equal(core_log_epoch(w->core), 8);
}

static void
c11_whoever_lies_does_not_use_the_epochs_up(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();

	h.cursor[LANE_FLASH] = (struct lane_cursor){UINT32_MAX, 1};
	world_hello_as(w, 2, CITY, &h, SEEN_NONE);
	assert_int_equal(core_new_epoch(w->core, NULL), KW_OK);
	world_settle(w);
	assert_int_equal(core_service(w->core), SERVICE_SERVING);
	assert_int_equal(core_log_epoch(w->core), 1002);
}

static void
c11_a_node_of_the_epoch_before_may_name_commits_that_are_gone(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();

	for (int i = 0; i < KW_LANES; i++)
		h.cursor[i] = (struct lane_cursor){1, 0};
	h.seen.number = 99;
	world_hello_as(w, 2, CITY, &h, SEEN_NONE);
	assert_int_equal(core_service(w->core), SERVICE_BEHIND);
	assert_int_equal(core_new_epoch(w->core, NULL), KW_OK);
	world_settle(w);
	world_hello_as(w, 2, CITY, &h, SEEN_NONE); /* it lost nothing by the epoch that it does not know of */
	assert_int_equal(core_service(w->core), SERVICE_SERVING);
	h.seen.number = 1;
	world_hello_as(w, 2, CITY, &h, SEEN_OTHER);
	assert_int_equal(core_service(w->core), SERVICE_SERVING);
	h.cursor[LANE_FLASH].log_epoch = 2; /* now it knows */
	world_hello_as(w, 2, CITY, &h, SEEN_OTHER);
	assert_int_equal(core_service(w->core), SERVICE_FORK);
}

/* ---- 2 publishing ---- */

static void
p1_only_the_senders_own_connection_publishes(void **state)
{
	struct world *w = *state;

	world_hello(w, 1, CITY);
	publish_in(w, 1, POLICE, LANE_FLASH);
	assert_true(world_refused(w, 1, CODE_DENIED));
	assert_false(world_commit(w));
}

static void
p2_what_the_agreement_denies_is_denied(void **state)
{
	struct world *w = *state;
	struct world_publish p = {.lane = LANE_FLASH, .topic = "denied"};

	world_hello(w, 1, CITY);
	(void)world_publish(w, 1, CITY, &p);
	assert_true(world_refused(w, 1, CODE_DENIED));
	p.topic = "nowhere";
	(void)world_publish(w, 1, CITY, &p);
	assert_true(world_refused(w, 1, CODE_DENIED));
}

static void
p2_the_number_of_wraps_is_the_audiences(void **state)
{
	struct world *w = *state;
	struct header h;

	world_hello(w, 1, CITY);
	world_header(w, &h, CITY);
	world_offer(w, 1, &h, 2, 100);
	assert_true(world_refused(w, 1, CODE_AUDIENCE));
	world_offer(w, 1, &h, 4, 100);
	assert_true(world_refused(w, 1, CODE_AUDIENCE));
	world_offer(w, 1, &h, 3, 100);
	assert_true(world_commit(w));
}

/* [R-1] */
static void
p2_what_must_be_released_first_is_refused_as_such(void **state)
{
	static const enum notice_type types[] = {TYPE_NOTICE, TYPE_UPDATE, TYPE_CANCEL, TYPE_REQUEST, TYPE_FORWARDED};
	struct world *w = *state;
	struct header h;

	w->agreement.topic.has_release = true;
	world_hello(w, 1, CITY);
	world_header(w, &h, CITY);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		h.type = types[i];
		world_offer(w, 1, &h, 3, 100);
		assert_true(world_refused(w, 1, CODE_RELEASE));
	}
	h.type = TYPE_RELEASED;
	world_offer(w, 1, &h, 3, 100);
	assert_true(world_commit(w));
}

static void
p3_older_and_newer_agreements(void **state)
{
	struct world *w = *state;
	struct header h;

	world_hello(w, 1, CITY);
	world_header(w, &h, CITY);
	h.agreement_version = 2;
	world_offer(w, 1, &h, 3, 100);
	assert_true(world_refused(w, 1, CODE_AGREEMENT_UNKNOWN));
	w->round++;
	h.agreement_version = 0;
	world_offer(w, 1, &h, 3, 100);
	assert_true(world_refused(w, 1, CODE_AGREEMENT_OLD));
	h.agreement_version = 1;
	h.agreement_hash[5] ^= 1;
	world_offer(w, 1, &h, 3, 100);
	assert_true(world_refused(w, 1, CODE_DENIED));
}

static void
p4_only_the_future_counts_and_what_is_over_is_over(void **state)
{
	struct world *w = *state;
	struct header h;

	world_hello(w, 1, CITY);
	world_header(w, &h, CITY);
	h.created_ms = w->now.wall_ms + KW_CLOCK_SKEW_MS + 1;
	h.expires_ms = h.created_ms + 1000;
	world_offer(w, 1, &h, 3, 100);
	assert_true(world_refused(w, 1, CODE_CLOCK));
	h.created_ms = w->now.wall_ms - 3 * 86400000ull; /* waited in an outbox */
	h.expires_ms = w->now.wall_ms;
	world_offer(w, 1, &h, 3, 100);
	assert_true(world_refused(w, 1, CODE_EXPIRED));
	h.expires_ms = w->now.wall_ms + 1;
	world_forget(w);
	world_offer(w, 1, &h, 3, 100);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 0);
	world_header(w, &h, CITY);
	h.created_ms = w->now.wall_ms + KW_CLOCK_SKEW_MS;
	h.expires_ms = h.created_ms + 1000;
	world_offer(w, 1, &h, 3, 100);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 0);
}

static void
p5_beyond_the_window_a_sender_hears_slow_down(void **state)
{
	struct world *w = *state;
	uint32_t window = w->limits.publish[LANE_FLASH].messages;

	world_hello(w, 1, CITY);
	for (uint32_t i = 0; i < window; i++)
		publish_in(w, 1, CITY, LANE_FLASH);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 0);
	publish_in(w, 1, CITY, LANE_FLASH);
	assert_true(world_refused(w, 1, CODE_SLOW_DOWN));
	assert_true(world_find(w, EFFECT_REFUSED, 1, 0)->refused.wait_ms > 0);
	assert_true(world_find(w, EFFECT_REFUSED, 1, 0)->refused.has_id);
	publish_in(w, 1, CITY, LANE_ROUTINE); /* another lane has its own */
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 1);
	world_settle(w);
	w->round++;
	publish_in(w, 1, CITY, LANE_FLASH); /* answered ones do not count any more */
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 1);
}

/* A set once made is kept for ever. Whoever makes ever more of them shuts out neither others nor the agreement that removes it. */
static void
p5_a_sender_of_ever_new_audiences_leaves_room_for_others(void **state)
{
	static const char *const without_city[] = {"police/control", "school/office", "youth/house"};
	static struct agreement next;
	struct world *w = *state;
	struct core_limits limits = core_limits_default;
	struct core_install i;
	struct header h;

	limits.sets_max = 8;
	world_end(w);
	world_begin_with(w, 4, four, &limits);
	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	for (uint32_t subset = 1; subset < 8; subset++) {
		world_header(w, &h, CITY);
		for (uint32_t k = 0; k < 3; k++)
			if (subset >> k & 1)
				strcpy(h.to[h.to_count++], four[1 + k]);
		world_offer(w, 1, &h, h.to_count, 100);
		world_settle(w);
	}
	assert_true(world_refused(w, 1, CODE_AUDIENCE));
	assert_int_equal(world_count(w, EFFECT_STORED, 1), 2);
	publish_to(w, 1, CITY, LANE_ROUTINE, POLICE); /* one that is known */
	publish_to(w, 2, POLICE, LANE_ROUTINE, CITY);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_STORED, 1), 3);
	assert_int_equal(world_count(w, EFFECT_STORED, 2), 1);
	fake_agreement(&next, 2, 3, without_city);
	i = world_install(w, &next);
	assert_int_equal(core_install(w->core, &i, w->now, NULL), KW_OK);
	for (int lane = 0; lane < KW_LANES; lane++)
		blob_unref(&i.entries[lane]);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_INSTALLED, CORE_NO_CONN), 1);
}

/* What all have waiting together is bounded too. Those who fill it keep themselves out, and not who has nothing there. */
static void
p5_who_has_nothing_waiting_is_let_in_beside_those_who_have_much(void **state)
{
	struct world *w = *state;
	struct core_limits limits = core_limits_default;
	struct world_publish large = {.lane = LANE_ROUTINE, .body = 1000};

	limits.pending_bytes = 10000;
	world_end(w);
	world_begin_with(w, 4, four, &limits);
	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	for (int i = 0; i < 20; i++)
		(void)world_publish(w, 1, CITY, &large);
	assert_true(world_refused(w, 1, CODE_SLOW_DOWN));
	(void)world_publish(w, 2, POLICE, &large);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 2), 0);
	(void)world_publish(w, 2, POLICE, &large);
	assert_true(world_refused(w, 2, CODE_SLOW_DOWN)); /* one of each, while it is so */
	world_settle(w);
	w->round++;
	(void)world_publish(w, 1, CITY, &large);
	world_forget(w);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_STORED, 1), 1);
}

static void
p5_a_full_store_closes_lanes_from_below(void **state)
{
	struct world *w = *state;
	struct store_sizes sizes = {.used_bytes = 799, .quota_bytes = 1000};

	world_hello(w, 1, CITY);
	core_sizes(w->core, &sizes);
	publish_in(w, 1, CITY, LANE_ROUTINE);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 0);
	sizes.used_bytes = 800;
	core_sizes(w->core, &sizes);
	publish_in(w, 1, CITY, LANE_ROUTINE);
	assert_true(world_refused(w, 1, CODE_STORE_FULL));
	world_forget(w);
	publish_in(w, 1, CITY, LANE_URGENT);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 0);
	sizes.used_bytes = 900;
	core_sizes(w->core, &sizes);
	publish_in(w, 1, CITY, LANE_URGENT);
	assert_true(world_refused(w, 1, CODE_STORE_FULL));
	world_forget(w);
	publish_in(w, 1, CITY, LANE_FLASH);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 0);
}

static void
p6_the_same_again_is_stored_once_and_answered_twice(void **state)
{
	struct world *w = *state;
	struct header h;
	uint32_t before;

	world_hello(w, 1, CITY);
	world_header(w, &h, CITY);
	world_offer(w, 1, &h, 3, 100);
	world_settle(w);
	before = w->log_count;
	world_forget(w);
	world_offer(w, 1, &h, 3, 100);
	world_settle(w);
	assert_int_equal(w->log_count, before);
	assert_int_equal(world_find(w, EFFECT_STORED_AGAIN, 1, 0)->again.at.number, 2);
	assert_int_equal(world_find(w, EFFECT_STORED_AGAIN, 1, 0)->again.commit, 2);
}

static void
p6_the_same_twice_in_one_commit_is_answered_with_that_commit(void **state)
{
	struct world *w = *state;
	struct header h;

	world_hello(w, 1, CITY);
	world_header(w, &h, CITY);
	world_offer(w, 1, &h, 3, 100);
	world_offer(w, 1, &h, 3, 100);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_STORED_AGAIN, 1), 0);
	assert_int_equal(world_find(w, EFFECT_STORED, 1, 0)->stored.count, 2);
}

static void
p6_other_bytes_under_one_id_are_a_conflict(void **state)
{
	struct world *w = *state;
	struct header h;

	world_hello(w, 1, CITY);
	world_header(w, &h, CITY);
	world_offer(w, 1, &h, 3, 100);
	world_settle(w);
	world_offer(w, 1, &h, 3, 101);
	world_settle(w);
	assert_true(world_refused(w, 1, CODE_CONFLICT));
	assert_int_equal(w->evidence, 1);
}

static void
p6_what_was_stored_before_its_time_was_over_is_answered_so(void **state)
{
	struct world *w = *state;
	struct header h;

	world_hello(w, 1, CITY);
	world_header(w, &h, CITY);
	world_offer(w, 1, &h, 3, 100);
	world_settle(w);
	world_hello(w, 4, CITY); /* the answer was lost with the connection */
	w->now.wall_ms = h.expires_ms;
	world_forget(w);
	world_offer(w, 4, &h, 3, 100);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 4), 0);
	assert_int_equal(world_find(w, EFFECT_STORED_AGAIN, 4, 0)->again.at.number, 2);
	world_offer(w, 4, &h, 3, 101);
	world_settle(w);
	assert_true(world_refused(w, 4, CODE_CONFLICT));
	assert_int_equal(w->evidence, 1);
}

static void
p6_nobody_hears_so_of_what_another_sent(void **state)
{
	struct world *w = *state;
	struct header h;

	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	world_header(w, &h, CITY);
	world_offer(w, 1, &h, 3, 100);
	world_settle(w);
	w->now.wall_ms = h.expires_ms;
	world_forget(w);
	world_offer(w, 2, &h, 3, 100);
	assert_true(world_refused(w, 2, CODE_DENIED));
	strcpy(h.sender, w->agreement.id[POLICE]);
	world_offer(w, 2, &h, 3, 100);
	assert_true(world_refused(w, 2, CODE_EXPIRED));
	assert_int_equal(world_count(w, EFFECT_STORED_AGAIN, 2), 0);
}

static void
p7_nothing_leaves_before_the_commit(void **state)
{
	struct world *w = *state;
	struct store_batch *b;

	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	world_settle(w);
	world_forget(w);
	publish_in(w, 1, CITY, LANE_FLASH);
	b = core_batch(w->core, w->now);
	assert_non_null(b);
	(void)world_deliver(w, UINT32_MAX);
	world_drain(w);
	assert_int_equal(w->said_count, 0);
	assert_null(core_batch(w->core, w->now)); /* one at a time */
	core_committed(w->core, b, KW_EIO, w->now);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_STORED, 1), 0);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 2), 0);
	assert_int_equal(core_service(w->core), SERVICE_LOST);
	assert_null(core_batch(w->core, w->now));
}

static void
p7_stored_names_every_item_once(void **state)
{
	struct world *w = *state;
	const struct core_effect *e;
	uint32_t at;

	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	world_settle(w);
	for (int i = 0; i < 5; i++) {
		publish_in(w, 1, CITY, LANE_URGENT);
		publish_in(w, 2, POLICE, LANE_URGENT);
	}
	assert_true(world_commit(w));
	e = world_find(w, EFFECT_STORED, 1, 0);
	assert_int_equal(e->stored.count, 5);
	at = e->stored.first;
	for (uint32_t i = 0; i < 5; i++) {
		const struct core_stored *s = core_stored_item(w->core, at);

		assert_int_equal(s->at.number, 2 + 2 * i);
		assert_int_equal(s->index, 2 * i);
		at = s->next;
	}
	assert_int_equal(world_count(w, EFFECT_STORED, 1), 1);
	assert_int_equal(world_find(w, EFFECT_STORED, 2, 0)->stored.count, 5);
}

static void
p8_a_full_disk_is_said_and_goes_by(void **state)
{
	struct world *w = *state;

	world_hello(w, 1, CITY);
	world_settle(w);
	w->fail_next = KW_EFULL;
	publish_in(w, 1, CITY, LANE_FLASH); /* the first one to this audience: its set must come again */
	assert_true(world_commit(w));
	assert_true(world_refused(w, 1, CODE_STORE_FULL));
	assert_int_equal(core_service(w->core), SERVICE_SERVING);
	world_forget(w);
	w->round++;
	publish_in(w, 1, CITY, LANE_FLASH);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_STORED, 1), 1);
}

/* The order of a sender's lane holds, however much is under way when something of it is put off. */
static void
p11_what_was_sent_behind_something_put_off_is_put_off_too(void **state)
{
	struct world *w = *state;
	struct store_batch *b;

	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	world_settle(w);
	publish_in(w, 1, CITY, LANE_URGENT);
	b = core_batch(w->core, w->now);
	assert_non_null(b);
	publish_in(w, 1, CITY, LANE_URGENT);    /* waits for the next commit when this one fails */
	publish_in(w, 1, CITY, LANE_ROUTINE);
	publish_in(w, 2, POLICE, LANE_URGENT);
	core_committed(w->core, b, KW_EFULL, w->now);
	world_drain(w);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 2);
	publish_in(w, 1, CITY, LANE_URGENT);    /* was on its way */
	assert_true(world_refused(w, 1, CODE_SLOW_DOWN));
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 3);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 2), 0);
	assert_int_equal(world_count(w, EFFECT_STORED, 1), 1); /* routine */
	assert_int_equal(world_count(w, EFFECT_STORED, 2), 1);
	w->round++;
	for (int i = 0; i < 3; i++)
		publish_in(w, 1, CITY, LANE_URGENT);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 3);
	assert_int_equal(world_find(w, EFFECT_STORED, 1, 1)->stored.count, 3);
}

enum parting { CLOSED, TAKEN_OVER, SAID_AGAIN };

/* A commit fails that holds the first of three, when their connection is over in one way or another; then all are offered again. */
static void
part_in_the_middle(struct world *w, enum parting how)
{
	uint64_t urgent = w->tail[LANE_URGENT], routine = w->tail[LANE_ROUTINE];
	struct header h[3];
	struct store_batch *b;
	uint32_t next = 0;

	for (int i = 0; i < 3; i++) {
		world_header(w, &h[i], CITY);
		h[i].lane = LANE_URGENT;
	}
	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	world_settle(w);
	world_offer(w, 1, &h[0], 3, 100);
	b = core_batch(w->core, w->now);
	assert_non_null(b);
	world_offer(w, 1, &h[1], 3, 100);
	world_offer(w, 1, &h[2], 3, 100);
	publish_in(w, 1, CITY, LANE_ROUTINE);
	publish_in(w, 2, POLICE, LANE_URGENT);
	if (how == CLOSED)
		core_closed(w->core, 1);
	else
		world_hello(w, 3, CITY);
	for (int i = 0; how == SAID_AGAIN && i < 3; i++)
		world_offer(w, 3, &h[i], 3, 100);
	world_forget(w);
	core_committed(w->core, b, KW_EFULL, w->now);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 0); /* it is not there any more */
	if (how != SAID_AGAIN) {
		assert_int_equal(w->tail[LANE_URGENT], urgent + 1); /* another's */
		assert_int_equal(w->tail[LANE_ROUTINE], routine + 1);
		world_hello(w, 3, CITY);
		for (int i = 0; i < 3; i++)
			world_offer(w, 3, &h[i], 3, 100);
		world_settle(w);
	}
	for (uint32_t i = 0; i < w->log_count; i++)
		if (w->log[i].op.lane == LANE_URGENT && strcmp(w->log[i].op.sender_id, four[CITY]) == 0)
			assert_memory_equal(w->log[i].op.id, h[next++].id, KW_ID_LEN);
	assert_int_equal(next, 3);
	assert_int_equal(w->tail[LANE_URGENT], urgent + 4);
	assert_int_equal(w->tail[LANE_ROUTINE], routine + 1);
}

/* Nobody hears then that the first was put off, and it comes again on another connection: what was sent behind it must not stand before it. */
static void
p11_the_order_outlasts_the_connection_too(void **state)
{
	part_in_the_middle(*state, CLOSED);
}

static void
p11_nor_does_another_connection_turn_it_round(void **state)
{
	part_in_the_middle(*state, TAKEN_OVER);
}

static void
p11_what_was_offered_again_before_the_commit_failed_stays(void **state)
{
	part_in_the_middle(*state, SAID_AGAIN);
}

/* Sent in the round before, and refused only now: it neither ends the new round nor begins it again. */
static void
p11_a_round_that_is_over_does_not_disturb_the_next(void **state)
{
	struct world *w = *state;
	struct header h;

	world_hello(w, 1, CITY);
	world_header(w, &h, CITY);
	h.agreement_version = 2;
	world_offer(w, 1, &h, 3, 100);
	assert_true(world_refused(w, 1, CODE_AGREEMENT_UNKNOWN));
	w->round = 1;
	publish_in(w, 1, CITY, LANE_ROUTINE);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 1);
	world_offer(w, 1, &h, 3, 100); /* its turn again, and it is put off again */
	publish_in(w, 1, CITY, LANE_ROUTINE);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 3);
	w->round = 0;
	publish_in(w, 1, CITY, LANE_ROUTINE);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 4);
	world_hello(w, 1, CITY); /* a new session begins at nothing */
	publish_in(w, 1, CITY, LANE_ROUTINE);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 1), 4);
}

static void
a_full_store_is_made_room_in_whatever_else_waits(void **state)
{
	struct world *w = *state;
	struct header h;
	uint32_t batches, purges;

	world_hello(w, 1, CITY);
	world_header(w, &h, CITY);
	world_offer(w, 1, &h, 3, 100);
	world_settle(w);
	world_offer(w, 1, &h, 3, 101); /* a conflict: evidence wants to be kept */
	assert_true(world_commit(w));
	w->full = true;
	batches = w->batches;
	purges = w->purges;
	for (int second = 0; second < 60; second++) {
		w->round++;
		publish_in(w, 1, CITY, LANE_FLASH); /* the disk refuses each */
		world_pass(w, 1000);
	}
	assert_true(w->purges >= purges + 5); /* once in ten seconds, as ever */
	assert_true(w->batches < batches + 1000); /* and nobody turns in a circle */
	assert_int_equal(w->evidence, 0);
	w->full = false;
	world_pass(w, 2000);
	assert_int_equal(w->evidence, 1);
	w->round++;
	publish_in(w, 1, CITY, LANE_FLASH);
	world_forget(w);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_STORED, 1), 1);
}

/* world_pass looks at every step that the core does not ask for a turn in which it can do nothing. */
static void
a_disk_without_any_room_costs_no_turns(void **state)
{
	struct world *w = *state;
	uint32_t batches;

	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	publish_in(w, 1, CITY, LANE_FLASH);
	world_settle(w);
	world_pass(w, 3000);
	w->stuffed = true;
	publish_in(w, 1, CITY, LANE_FLASH);
	world_settle(w);
	assert_true(world_refused(w, 1, CODE_STORE_FULL));
	batches = w->batches;
	world_pass(w, 3000);
	world_ack(w, 2, LANE_FLASH, 2); /* a cursor waits too */
	for (int i = 0; i < 6; i++) {
		(void)core_heard(w->core, 1, w->now);
		(void)core_heard(w->core, 2, w->now);
		world_pass(w, 5000);
	}
	assert_true(w->batches < batches + 200);
	w->stuffed = false;
	world_pass(w, 15000);
	assert_int_equal(w->cursor[1][LANE_FLASH], 2);
}

/* More nodes acknowledge all the time than a batch has room for: each has its turn, and bodies are swept all the same. */
static void
d3_every_nodes_cursor_is_written_in_its_turn(void **state)
{
	struct world *w = *state;
	struct core_limits limits = core_limits_default;

	limits.cursors_a_batch = KW_LANES + 1;
	world_end(w);
	world_begin_with(w, 4, four, &limits);
	for (uint32_t node = 0; node < 4; node++)
		world_hello(w, node, node);
	for (int i = 0; i < 40; i++)
		publish_in(w, CITY, CITY, LANE_ROUTINE);
	world_settle(w);
	world_ack(w, POLICE, LANE_ROUTINE, 41);
	for (uint64_t n = 2; n < 40; n++) {
		world_ack(w, SCHOOL, LANE_ROUTINE, n);
		world_ack(w, YOUTH, LANE_ROUTINE, n);
		world_ack(w, CITY, LANE_ROUTINE, 1);
		w->now.mono_ms += 300;
		for (uint32_t node = 0; node < 4; node++)
			(void)core_heard(w->core, node, w->now);
		core_tick(w->core, w->now);
		(void)world_commit(w);
	}
	assert_int_equal(w->cursor[POLICE][LANE_ROUTINE], 41);
	assert_true(w->cursor[SCHOOL][LANE_ROUTINE] > 20);
	assert_true(w->cursor[YOUTH][LANE_ROUTINE] > 20);
	assert_true(w->sweeps > 0);
	assert_true(w->swept_upto > 20);
}

/* Millions of records may be due, at some hundred a commit: what waits has its turn in between. */
static void
making_room_does_not_keep_a_flash_waiting(void **state)
{
	struct world *w = *state;
	uint32_t steps = 0;

	world_hello(w, 1, CITY);
	world_settle(w);
	w->full = true;
	w->due = 10000000;
	publish_in(w, 1, CITY, LANE_ROUTINE);
	for (int i = 0; i < 20; i++) {
		(void)world_commit(w);
		w->now.mono_ms += 10;
	}
	w->full = false;
	world_forget(w);
	w->round++;
	publish_in(w, 1, CITY, LANE_FLASH);
	while (world_count(w, EFFECT_STORED, 1) == 0) {
		assert_true(++steps < 10);
		(void)world_commit(w);
		w->now.mono_ms += 10;
	}
	w->full = true;
	publish_in(w, 1, CITY, LANE_ROUTINE);
	assert_true(world_commit(w));
	w->full = false;
	world_forget(w);
	w->round++;
	publish_in(w, 1, CITY, LANE_ROUTINE); /* routine as well, if not at once */
	for (steps = 0; world_count(w, EFFECT_STORED, 1) == 0; steps++) {
		assert_true(steps < 200);
		(void)world_commit(w);
		w->now.mono_ms += 10;
	}
	w->due = 0;
}

static void
what_an_operator_asks_for_is_done_at_once(void **state)
{
	struct world *w = *state;
	struct agreement next = w->agreement;
	struct core_install i = world_install(w, &next);

	world_rests(w);
	next.version = 2;
	next.hash[0] = 2;
	assert_int_equal(core_install(w->core, &i, w->now, NULL), KW_OK);
	for (int lane = 0; lane < KW_LANES; lane++)
		blob_unref(&i.entries[lane]);
	assert_true(core_wake_ms(w->core) <= w->now.mono_ms);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_INSTALLED, CORE_NO_CONN), 1);
	world_rests(w);
	assert_int_equal(core_new_epoch(w->core, NULL), KW_OK);
	assert_true(core_wake_ms(w->core) <= w->now.mono_ms);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_EPOCH, CORE_NO_CONN), 1);
	world_rests(w);
}

static void
a_broker_that_is_stopping_takes_nothing_new_and_answers_for_what_it_took(void **state)
{
	struct world *w = *state;
	struct core_install i;
	struct agreement next;
	struct kw_why why;

	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	world_settle(w);
	publish_in(w, 1, CITY, LANE_URGENT);
	core_stopping(w->core);
	world_drain(w);
	assert_int_equal(core_service(w->core), SERVICE_STOPPING);
	assert_string_equal(service_name(core_service(w->core)), "stopping");
	publish_in(w, 1, CITY, LANE_URGENT);
	assert_true(world_refused(w, 1, CODE_STOPPING));
	world_hello(w, 3, CITY);
	assert_true(world_refused(w, 3, CODE_STOPPING));
	assert_int_equal(core_new_epoch(w->core, &why), KW_ESTATE);
	assert_non_null(strstr(why.text, "the broker does not serve: the broker is stopping"));
	fake_agreement(&next, 2, 4, four);
	i = world_install(w, &next);
	assert_int_equal(core_install(w->core, &i, w->now, &why), KW_ESTATE);
	for (int lane = 0; lane < KW_LANES; lane++)
		blob_unref(&i.entries[lane]);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_STORED, 1), 1);
	world_ack(w, 2, LANE_URGENT, w->tail[LANE_URGENT]);
	world_settle(w); /* an acknowledgement waits for nothing now */
	assert_true(core_quiet(w->core));
}

/* What a start is told must fit together: else the store is damaged. */
static void
a_start_is_told_of_everything_in_its_order_or_refuses(void **state)
{
	static const node_no up[] = {{0}, {1}}, down[] = {{1}, {0}}, twice[] = {{1}, {1}}, beyond[] = {{0}, {2}};
	static const uint8_t id[KW_ID_LEN];
	char long_filter[KW_TOPIC_MAX + 2];
	const char *filters[WIRE_FILTERS_MAX + 1];
	struct core *c = NULL;

	(void)state;
	memset(long_filter, 'a', sizeof long_filter - 1);
	long_filter[sizeof long_filter - 1] = '\0';
	for (unsigned i = 0; i <= WIRE_FILTERS_MAX; i++)
		filters[i] = "alert/#";
	assert_int_equal(core_new(&c, &core_limits_default), KW_OK);
	assert_int_equal(core_load_node(c, (node_no){1}, four[1]), KW_ECORRUPT);
	assert_int_equal(core_load_node(c, (node_no){0}, four[0]), KW_OK);
	assert_int_equal(core_load_node(c, (node_no){1}, four[1]), KW_OK);
	assert_int_equal(core_load_set(c, (set_no){1}, up, 2), KW_ECORRUPT);
	assert_int_equal(core_load_set(c, (set_no){0}, down, 2), KW_ECORRUPT);
	assert_int_equal(core_load_set(c, (set_no){0}, twice, 2), KW_ECORRUPT);
	assert_int_equal(core_load_set(c, (set_no){0}, beyond, 2), KW_ECORRUPT);
	assert_int_equal(core_load_set(c, (set_no){0}, up, 2), KW_OK);
	assert_int_equal(core_load_subscribe(c, (node_no){2}, 1, filters), KW_ECORRUPT);
	assert_int_equal(core_load_subscribe(c, (node_no){1}, WIRE_FILTERS_MAX + 1, filters), KW_ECORRUPT);
	assert_int_equal(core_load_subscribe(c, (node_no){1}, WIRE_FILTERS_MAX, filters), KW_OK);
	filters[1] = long_filter;
	assert_int_equal(core_load_subscribe(c, (node_no){1}, 2, filters), KW_ECORRUPT);
	core_load_cursor(c, (node_no){2}, LANE_URGENT, (struct lane_cursor){1, 1}); /* of nobody: nothing happens */
	core_load_last_stored(c, (node_no){2}, id);
	core_load_swept(c, LANE_URGENT, (set_no){1}, 1);
	core_free(&c);
}

static void
filters_that_are_being_written_stay_though_the_node_gives_others(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();
	char first[1][KW_TOPIC_MAX + 1] = {"alert/#"}, second[2][KW_TOPIC_MAX + 1] = {"report/#", "request/#"};
	struct wire_subscribe others = {.filter_count = 2, .filters = second};
	struct store_batch *b;
	uint32_t seen = 0;

	h.filter_count = 1;
	h.filters = first;
	world_hello_as(w, 1, CITY, &h, SEEN_NONE);
	publish_in(w, 1, CITY, LANE_FLASH);
	w->now.mono_ms += 2000;
	b = core_batch(w->core, w->now); /* the commit thread has it now */
	assert_non_null(b);
	core_subscribe(w->core, 1, &others, w->now);
	for (uint32_t i = 0; i < b->count; i++)
		if (b->ops[i].kind == OP_SUBSCRIBE) {
			assert_int_equal(b->ops[i].subscribe.filters->filter_count, 1);
			assert_string_equal(b->ops[i].subscribe.filters->filters[0], "alert/#");
			seen++;
		}
	assert_int_equal(seen, 1);
	core_committed(w->core, b, KW_EFULL, w->now);
	w->now.mono_ms += 2000;
	world_settle(w);
	assert_int_equal(w->subscribes, 1); /* the newest alone */
}

static void
a_flash_is_first_in_the_next_commit(void **state)
{
	struct world *w = *state;
	struct store_batch *b;

	world_hello(w, 1, CITY);
	world_settle(w);
	for (int i = 0; i < 10; i++)
		publish_in(w, 1, CITY, LANE_ROUTINE);
	publish_in(w, 1, CITY, LANE_FLASH);
	b = core_batch(w->core, w->now);
	for (uint32_t i = 0; i < b->count; i++)
		if (b->ops[i].kind == OP_APPEND) {
			assert_int_equal(b->ops[i].append.lane, LANE_FLASH);
			break;
		}
	core_committed(w->core, b, KW_EFULL, w->now);
	world_drain(w);
}

/* ---- 5 delivery ---- */

static void
d2_in_order_within_the_window_and_not_to_the_sender(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();

	h.window[LANE_URGENT].messages = 3;
	h.cursor[LANE_URGENT] = (struct lane_cursor){1, 1};
	world_hello(w, 1, CITY);
	world_hello_as(w, 2, POLICE, &h, SEEN_NONE);
	world_settle(w);
	world_forget(w);
	for (int i = 0; i < 10; i++)
		publish_in(w, 1, CITY, LANE_URGENT);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 1), 0);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 2), 3);
	world_ack(w, 2, LANE_URGENT, 3);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 2), 5);
	world_ack(w, 2, LANE_URGENT, 6);
	world_settle(w);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(world_find(w, EFFECT_DELIVER, 2, i)->deliver.at.number, 2 + i);
}

static void
d2_the_window_counts_bytes_and_lets_one_large_one_pass(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();
	struct world_publish p = {.lane = LANE_URGENT, .body = 5000};

	h.window[LANE_URGENT].bytes = 3000;
	h.cursor[LANE_URGENT] = (struct lane_cursor){1, 1};
	world_hello(w, 1, CITY);
	world_hello_as(w, 2, POLICE, &h, SEEN_NONE);
	world_settle(w);
	world_forget(w);
	(void)world_publish(w, 1, CITY, &p);
	(void)world_publish(w, 1, CITY, &p);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 2), 1);
	world_ack(w, 2, LANE_URGENT, 2);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 2), 2);
}

static void
d2_of_what_waits_flash_goes_first(void **state)
{
	struct world *w = *state;

	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	world_settle(w);
	world_forget(w);
	for (int i = 0; i < 50; i++)
		publish_in(w, 1, CITY, LANE_ROUTINE);
	publish_in(w, 1, CITY, LANE_FLASH);
	assert_true(world_commit(w));
	assert_int_equal(world_deliver(w, 1), 1);
	assert_int_equal(world_find(w, EFFECT_DELIVER, 2, 0)->deliver.at.lane, LANE_FLASH);
}

static void
begin_anew(struct world *w, uint32_t batch_appends)
{
	struct core_limits limits = core_limits_default;

	limits.batch_appends = batch_appends;
	world_end(w);
	world_begin_with(w, 4, four, &limits);
}

/* [D-2] Lanes do not wait for one another, however much there is of flash. */
static void
d2_a_stream_of_flash_leaves_the_other_lanes_a_share_of_each_commit(void **state)
{
	struct world *w = *state;

	begin_anew(w, 32);
	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	world_settle(w);
	for (int i = 0; i < 100; i++)
		publish_in(w, 1, CITY, LANE_FLASH);
	publish_in(w, 2, POLICE, LANE_ROUTINE);
	publish_in(w, 2, POLICE, LANE_URGENT);
	for (int commit = 0; commit < 2; commit++) {
		assert_true(world_commit(w));
		assert_int_equal(w->log[w->log_count - 1].op.lane == LANE_FLASH, commit > 0);
		for (int i = 0; i < 32; i++)
			publish_in(w, 1, CITY, LANE_FLASH);
	}
	assert_int_equal(w->tail[LANE_ROUTINE], 2); /* the agreement's entry is the first */
	assert_int_equal(w->tail[LANE_URGENT], 2);
	assert_int_equal(w->tail[LANE_FLASH], 1 + 30 + 32); /* a share that nobody wants is flash's too */
	world_settle(w);
}

/* One reader always has flash waiting. The others get theirs: lower lanes, and what is read back from the log. */
static void
d2_a_stream_of_flash_for_one_reader_holds_up_nobody_else(void **state)
{
	struct world *w = *state;
	uint64_t acked = 1;

	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	world_hello(w, 3, SCHOOL);
	publish_to(w, 1, CITY, LANE_FLASH, YOUTH);
	publish_to(w, 1, CITY, LANE_URGENT, YOUTH);
	publish_to(w, 1, CITY, LANE_ROUTINE, YOUTH);
	world_settle(w);
	for (int i = 0; i < 100; i++)
		publish_to(w, 1, CITY, LANE_FLASH, POLICE);
	publish_to(w, 1, CITY, LANE_ROUTINE, SCHOOL);
	assert_true(world_commit(w));
	world_hello(w, 4, YOUTH); /* comes from behind in each lane */
	world_forget(w);
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 8; i++)
			publish_to(w, 1, CITY, LANE_FLASH, POLICE);
		assert_true(world_commit(w));
		(void)world_deliver(w, 8);
		for (uint32_t i = 0; i < w->said_count; i++)
			if (w->said[i].kind == EFFECT_DELIVER && w->said[i].conn == 2 && w->said[i].deliver.at.lane == LANE_FLASH)
				acked = w->said[i].deliver.at.number;
		world_ack(w, 2, LANE_FLASH, acked);
	}
	assert_int_equal(world_count(w, EFFECT_DELIVER, 3), 1);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 4), 6); /* the agreement's entries, and one in each lane */
	assert_true(world_count(w, EFFECT_DELIVER, 2) > 700);
	world_settle(w);
}

/* One for whom no page can be read, for want of memory, begins anew and does not turn in a circle. */
static void
a_page_that_cannot_be_made_ends_the_session(void **state)
{
	struct world *w = *state;
	struct core_effect e;

	world_hello(w, 2, POLICE);
	assert_true(core_deliver(w->core, &e, w->now));
	assert_int_equal(e.kind, EFFECT_READ);
	core_read(w->core, 2, e.read.generation, e.read.lane, NULL, 0, false, 1, w->now);
	world_drain(w);
	assert_int_equal(world_count(w, EFFECT_DROP, 2), 1);
	assert_false(core_deliver(w->core, &e, w->now));
	assert_int_equal(core_heard(w->core, 2, w->now), STAGE_NO_HELLO);
}

static void
d2_a_reader_that_was_away_reads_the_log_in_pages_and_becomes_live(void **state)
{
	struct world *w = *state;
	uint32_t n = 300, got = 0;
	uint64_t reads;

	world_hello(w, 1, CITY);
	for (uint32_t i = 0; i < n; i++) {
		publish_in(w, 1, CITY, LANE_ROUTINE);
		(void)world_commit(w);
	}
	world_forget(w);
	world_hello(w, 2, POLICE);
	world_settle(w);
	for (uint32_t i = 0; i < 20 && got < n; i++) {
		got = 0;
		for (uint32_t k = 0; k < w->said_count; k++)
			if (w->said[k].kind == EFFECT_DELIVER && w->said[k].conn == 2 && w->said[k].deliver.at.lane == LANE_ROUTINE)
				assert_int_equal(w->said[k].deliver.at.number, ++got);
		world_ack(w, 2, LANE_ROUTINE, got);
		world_settle(w);
	}
	assert_int_equal(got, n + 1);
	assert_true(w->reads >= n / w->limits.page_entries);
	reads = w->reads;
	world_forget(w);
	publish_in(w, 1, CITY, LANE_ROUTINE);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 2), 1);
	assert_int_equal(w->reads, reads); /* straight from memory */
}

/* Also in the turns that are for what would wait behind the rest. */
static void
d2_what_is_read_from_the_log_in_pages_goes_in_the_order_of_lanes(void **state)
{
	struct world *w = *state;
	struct core_limits limits = core_limits_default;
	struct wire_hello h = world_plain_hello();
	uint32_t n = 800, flash = 0, routine = 0;

	limits.page_entries = 4; /* many pages, so that their ends and those turns meet */
	for (int i = 0; i < KW_LANES; i++)
		limits.deliver[i].messages = h.window[i].messages = 2 * n;
	world_end(w);
	world_begin_with(w, 4, four, &limits);
	world_hello(w, 1, CITY);
	for (uint32_t i = 0; i < n; i++) {
		publish_in(w, 1, CITY, LANE_FLASH);
		publish_in(w, 1, CITY, LANE_ROUTINE);
		(void)world_commit(w);
	}
	world_forget(w);
	world_hello_as(w, 2, POLICE, &h, SEEN_NONE);
	world_settle(w);
	for (uint32_t k = 0; k < w->said_count; k++) {
		if (w->said[k].kind != EFFECT_DELIVER || w->said[k].conn != 2)
			continue;
		flash += w->said[k].deliver.at.lane == LANE_FLASH;
		routine += w->said[k].deliver.at.lane == LANE_ROUTINE;
		assert_true(w->said[k].deliver.at.lane == LANE_FLASH || flash >= n);
	}
	assert_true(routine >= n);
}

static void
d2_a_reader_that_acknowledges_late_or_singly_is_served_all_the_same(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();
	uint64_t reads;

	world_hello(w, 1, CITY);
	for (uint32_t i = 0; i < 150; i++)
		publish_in(w, 1, CITY, LANE_URGENT);
	world_settle(w);
	h.window[LANE_URGENT].messages = 100;
	world_forget(w);
	world_hello_as(w, 2, POLICE, &h, SEEN_NONE);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 2), 100 + 2); /* the whole window, and two lanes' entries */
	reads = w->reads;
	for (uint64_t number = 1; number <= 51; number++) {
		world_ack(w, 2, LANE_URGENT, number);
		world_settle(w);
	}
	assert_int_equal(world_count(w, EFFECT_DELIVER, 2), 151 + 2);
	assert_true(w->reads - reads <= 2);
}

static void
d2_a_slow_reader_stops_only_itself(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();
	uint32_t total = w->limits.queue_messages + 100, slow = 0;

	h.window[LANE_ROUTINE].messages = 10;
	world_hello(w, 1, CITY);
	world_hello_as(w, 2, POLICE, &h, SEEN_NONE);
	world_hello(w, 3, SCHOOL);
	world_settle(w);
	world_forget(w);
	for (uint32_t i = 0; i < total; i++) {
		publish_in(w, 1, CITY, LANE_ROUTINE);
		world_settle(w);
		world_ack(w, 3, LANE_ROUTINE, w->tail[LANE_ROUTINE]);
	}
	assert_int_equal(world_count(w, EFFECT_DELIVER, 3), total);
	assert_true(world_count(w, EFFECT_DELIVER, 2) <= 10);
	for (uint64_t number = 2; number <= w->tail[LANE_ROUTINE]; number += 5) { /* then it reads on, without a hole */
		world_ack(w, 2, LANE_ROUTINE, number > 10 ? number - 5 : number);
		world_settle(w);
	}
	for (uint32_t i = 0; i < w->said_count; i++)
		if (w->said[i].kind == EFFECT_DELIVER && w->said[i].conn == 2)
			assert_int_equal(w->said[i].deliver.at.number, 2 + slow++);
	assert_true(slow >= total - 20);
}

static void
d2_nothing_is_lost_between_a_page_and_a_commit(void **state)
{
	struct world *w = *state;
	struct core_effect e;
	struct wire_hello h = world_plain_hello();

	h.cursor[LANE_URGENT] = (struct lane_cursor){1, 1};
	h.cursor[LANE_FLASH] = h.cursor[LANE_ROUTINE] = h.cursor[LANE_URGENT];
	world_hello(w, 1, CITY);
	world_settle(w);
	publish_in(w, 1, CITY, LANE_URGENT);
	world_settle(w);
	world_hello_as(w, 2, POLICE, &h, SEEN_NONE);
	assert_true(core_deliver(w->core, &e, w->now));
	assert_int_equal(e.kind, EFFECT_READ);
	publish_in(w, 1, CITY, LANE_URGENT); /* committed while the page was being read, and not in it */
	assert_true(world_commit(w));
	core_read(w->core, 2, e.read.generation, LANE_URGENT, NULL, 0, true, 2, w->now);
	world_forget(w);
	world_settle(w);
	assert_true(world_count(w, EFFECT_DELIVER, 2) >= 1);
	assert_int_equal(world_find(w, EFFECT_DELIVER, 2, 0)->deliver.at.number, 3);
}

/* With a commit that is made anyway, without one a second later; not with each of those that follow one another closely. */
static void
an_ack_travels_with_the_next_commit(void **state)
{
	struct world *w = *state;

	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	for (int i = 0; i < 5; i++)
		publish_in(w, 1, CITY, LANE_URGENT);
	world_settle(w);
	world_ack(w, 2, LANE_URGENT, 2);
	w->now.mono_ms += 49;
	publish_in(w, 1, CITY, LANE_URGENT);
	assert_true(world_commit(w));
	assert_int_equal(w->cursor[POLICE][LANE_URGENT], 0);
	w->now.mono_ms += 1;
	publish_in(w, 1, CITY, LANE_URGENT);
	assert_true(world_commit(w));
	assert_int_equal(w->cursor[POLICE][LANE_URGENT], 2);
	world_ack(w, 2, LANE_URGENT, 5);
	w->now.mono_ms += 999;
	assert_false(world_commit(w));
	w->now.mono_ms += 1;
	assert_true(world_commit(w));
	assert_int_equal(w->cursor[POLICE][LANE_URGENT], 5);
}

static void
publish_and_read(struct world *w, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		publish_in(w, CITY, CITY, LANE_URGENT);
		world_settle(w);
		for (uint32_t node = 0; node < 4; node++)
			world_ack(w, node, LANE_URGENT, core_tail(w->core, LANE_URGENT));
	}
	w->now.mono_ms += 100;
	core_tick(w->core, w->now);
	while (world_commit(w))
		continue;
}

/* Many come in less than a second: what everyone has goes sooner. */
static void
bodies_are_swept_sooner_when_many_come(void **state)
{
	struct world *w = *state;

	world_end(w);
	world_begin(w, 4, four);
	for (uint32_t node = 0; node < 4; node++)
		world_hello(w, node, node);
	world_pass(w, 2000);
	w->sweeps = 0;
	publish_and_read(w, 1000);
	assert_int_equal(w->sweeps, 0);
	publish_and_read(w, 24);
	assert_true(w->sweeps > 0);
	assert_true(w->swept_upto > 1000);
}

static void
d3_an_ack_only_goes_up_and_is_kept(void **state)
{
	struct world *w = *state;

	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	for (int i = 0; i < 5; i++)
		publish_in(w, 1, CITY, LANE_URGENT);
	world_settle(w);
	world_ack(w, 2, LANE_URGENT, 4);
	world_ack(w, 2, LANE_URGENT, 2);
	world_pass(w, 2000);
	assert_int_equal(w->cursor[POLICE][LANE_URGENT], 4);
	world_forget(w);
	world_ack(w, 2, LANE_URGENT, 7); /* never sent */
	assert_true(world_refused(w, 2, CODE_MALFORMED));
	world_pass(w, 2000);
	assert_int_equal(w->cursor[POLICE][LANE_URGENT], 4);
}

/* [K-2] */
static void
d1_what_expired_is_delivered_bare_and_receipts_whole(void **state)
{
	struct world *w = *state;
	struct header h;

	world_hello(w, 1, CITY);
	world_header(w, &h, CITY);
	h.expires_ms = w->now.wall_ms + 1000;
	world_offer(w, 1, &h, 3, 100);
	world_header(w, &h, CITY);
	h.expires_ms = w->now.wall_ms + 1000;
	h.type = TYPE_DELIVERED;
	world_offer(w, 1, &h, 3, 100);
	world_settle(w);
	world_pass(w, 2000);
	world_forget(w);
	world_hello(w, 2, POLICE);
	world_settle(w);
	for (uint32_t i = 0; i < w->said_count; i++) {
		const struct core_effect *e = &w->said[i];

		if (e->kind != EFFECT_DELIVER || e->deliver.at.lane != LANE_ROUTINE)
			continue;
		assert_int_equal(e->deliver.mark, e->deliver.at.number == 1 ? MARK_ENTRY : e->deliver.at.number == 2 ? MARK_EXPIRED : MARK_WHOLE);
		assert_int_equal(e->deliver.has_wrap, e->deliver.at.number > 1);
	}
	assert_int_equal(world_count(w, EFFECT_DELIVER, 2), 5); /* an entry in each lane, and both */
}

static void
d1_what_is_not_subscribed_comes_bare_unless_one_is_responsible(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();
	char filters[1][KW_TOPIC_MAX + 1] = {"request/#"};

	h.filter_count = 1;
	h.filters = filters;
	world_hello(w, 1, CITY);
	world_hello_as(w, 2, POLICE, &h, SEEN_NONE);
	world_settle(w);
	world_forget(w);
	publish_in(w, 1, CITY, LANE_FLASH);
	world_settle(w);
	world_pass(w, 1500);
	assert_int_equal(w->subscribes, 1);
	assert_int_equal(world_find(w, EFFECT_DELIVER, 2, 0)->deliver.mark, MARK_NOT_SUBSCRIBED);
	w->agreement.topic.has_responsible = true;
	publish_in(w, 1, CITY, LANE_FLASH);
	world_settle(w);
	assert_int_equal(world_find(w, EFFECT_DELIVER, 2, 1)->deliver.mark, MARK_WHOLE);
}

static void
an_audience_of_one_is_delivered_to_one_alone(void **state)
{
	struct world *w = *state;
	struct header h;

	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	world_hello(w, 3, SCHOOL);
	world_settle(w);
	world_forget(w);
	world_header(w, &h, CITY);
	h.to_count = 1;
	strcpy(h.to[0], four[SCHOOL]);
	world_offer(w, 1, &h, 1, 100);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 2), 0);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 3), 1);
	assert_int_equal(world_find(w, EFFECT_DELIVER, 3, 0)->deliver.wrap, 0);
}

/* ---- 6 agreement ---- */

static void
install(struct world *w, const struct agreement *next)
{
	struct core_install i = world_install(w, next);

	assert_int_equal(core_install(w->core, &i, w->now, NULL), KW_OK);
	for (int lane = 0; lane < KW_LANES; lane++)
		blob_unref(&i.entries[lane]);
}

static void
l6_a_new_version_is_an_entry_in_every_lane_behind_what_was_accepted(void **state)
{
	struct world *w = *state;
	struct agreement next;

	fake_agreement(&next, 2, 4, four);
	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	world_settle(w);
	world_forget(w);
	publish_in(w, 1, CITY, LANE_URGENT);
	install(w, &next);
	publish_in(w, 1, CITY, LANE_URGENT);
	assert_true(world_refused(w, 1, CODE_SLOW_DOWN)); /* it is on its way */
	assert_int_equal(agreement_version(core_agreement(w->core)), 1);
	world_settle(w);
	assert_int_equal(agreement_version(core_agreement(w->core)), 2);
	assert_int_equal(w->agreements, 2);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 1), 3); /* three entries */
	assert_int_equal(world_count(w, EFFECT_DELIVER, 2), 4);
	for (uint32_t i = 0; i < w->said_count; i++)
		if (w->said[i].kind == EFFECT_DELIVER && w->said[i].conn == 2 && w->said[i].deliver.at.lane == LANE_URGENT)
			assert_int_equal(w->said[i].deliver.mark, w->said[i].deliver.at.number == 2 ? MARK_WHOLE : MARK_ENTRY);
}

static void
p3_after_the_change_the_old_version_is_old(void **state)
{
	struct world *w = *state;
	struct agreement next;
	struct header h;

	fake_agreement(&next, 2, 4, four);
	world_hello(w, 1, CITY);
	world_header(w, &h, CITY);
	install(w, &next);
	world_settle(w);
	world_offer(w, 1, &h, 3, 100);
	assert_true(world_refused(w, 1, CODE_AGREEMENT_OLD));
}

static void
p6_what_was_stored_under_the_old_version_is_not_to_be_sealed_anew(void **state)
{
	struct world *w = *state;
	struct agreement next;
	struct header h;

	fake_agreement(&next, 2, 4, four);
	world_hello(w, 1, CITY);
	world_header(w, &h, CITY);
	world_offer(w, 1, &h, 3, 100);
	world_settle(w);
	install(w, &next);
	world_settle(w);
	world_hello(w, 4, CITY);
	world_forget(w);
	world_offer(w, 4, &h, 3, 100);
	assert_int_equal(world_count(w, EFFECT_REFUSED, 4), 0);
	assert_int_equal(world_find(w, EFFECT_STORED_AGAIN, 4, 0)->again.at.number, 2);
}

static void
a4_who_is_not_in_the_new_version_is_out(void **state)
{
	struct world *w = *state;
	static const char *const three[] = {"city/desk", "police/control", "youth/house"};
	struct agreement next;

	fake_agreement(&next, 2, 3, three);
	world_hello(w, 1, CITY);
	world_hello(w, 3, SCHOOL);
	world_settle(w);
	install(w, &next);
	world_settle(w);
	world_forget(w);
	publish_in(w, 1, CITY, LANE_FLASH);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 3), 0);
	assert_int_equal(core_heard(w->core, 3, w->now), STAGE_REVOKED);
	assert_int_equal(core_heard(w->core, 1, w->now), STAGE_OPEN);
}

static void
a4_a_node_with_another_key_is_out_too(void **state)
{
	struct world *w = *state;
	struct agreement next;

	fake_agreement(&next, 2, 4, four);
	next.key[SCHOOL].curve_pk[0] ^= 1;
	world_hello(w, 3, SCHOOL);
	install(w, &next);
	world_settle(w);
	assert_int_equal(core_heard(w->core, 3, w->now), STAGE_REVOKED);
}

static void
k4_a_new_node_begins_at_the_entry_that_brought_it(void **state)
{
	struct world *w = *state;
	static const char *const five[] = {"aid/post", "city/desk", "police/control", "school/office", "youth/house"};
	struct agreement next;
	const struct core_effect *e;

	fake_agreement(&next, 2, 5, five);
	world_hello(w, 1, CITY);
	for (int i = 0; i < 20; i++)
		publish_in(w, 1, CITY, LANE_URGENT);
	world_settle(w);
	install(w, &next);
	world_settle(w);
	world_forget(w);
	world_hello(w, 5, 0);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 5), KW_LANES);
	for (uint32_t i = 0; i < KW_LANES; i++) {
		e = world_find(w, EFFECT_DELIVER, 5, i);
		assert_int_equal(e->deliver.mark, MARK_ENTRY);
		assert_int_equal(e->deliver.at.number, w->tail[e->deliver.at.lane]);
	}
}

static void
wraps_stand_in_the_sets_order_when_a_node_joined_later(void **state)
{
	struct world *w = *state;
	static const char *const five[] = {"aid/post", "city/desk", "police/control", "school/office", "youth/house"};
	struct agreement next;
	const struct world_entry *e;

	fake_agreement(&next, 2, 5, five);
	install(w, &next);
	world_settle(w);
	world_hello(w, 1, 1); /* city, now the second */
	world_settle(w);
	world_forget(w);
	publish_in(w, 1, 1, LANE_URGENT); /* wraps: aid, police, school, youth, filled with 0 1 2 3 */
	world_settle(w);
	e = &w->log[w->log_count - 1];
	assert_int_equal(e->op.wraps.len, 4 * KW_WRAP_LEN);
	assert_int_equal(e->blob->wraps[0], 1);               /* police has the lowest number of the four */
	assert_int_equal(e->blob->wraps[3 * KW_WRAP_LEN], 0); /* aid the highest */
}

static void
a5_two_versions_at_once_are_refused(void **state)
{
	struct world *w = *state;
	struct agreement next, other;
	struct core_install i;
	struct kw_why why;

	fake_agreement(&next, 2, 4, four);
	fake_agreement(&other, 3, 4, four);
	install(w, &next);
	i = world_install(w, &other);
	assert_int_equal(core_install(w->core, &i, w->now, &why), KW_ESTATE);
	for (int lane = 0; lane < KW_LANES; lane++)
		blob_unref(&i.entries[lane]);
	world_settle(w);
}

static void
a5_no_room_for_a_version_leaves_the_old_one(void **state)
{
	struct world *w = *state;
	struct agreement next;

	fake_agreement(&next, 2, 4, four);
	install(w, &next);
	w->fail_next = KW_EFULL;
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_INSTALL_FAILED, CORE_NO_CONN), 1);
	assert_int_equal(agreement_version(core_agreement(w->core)), 1);
	install(w, &next);
	world_settle(w);
	assert_int_equal(agreement_version(core_agreement(w->core)), 2);
}

/* ---- 7 keeping ---- */

static void
k1_bodies_are_swept_when_everyone_is_past_them(void **state)
{
	struct world *w = *state;

	world_hello(w, 1, CITY);
	for (uint32_t i = 2; i <= 4; i++)
		world_hello(w, i, i - 1);
	publish_in(w, 1, CITY, LANE_FLASH);
	world_settle(w);
	world_ack(w, 2, LANE_FLASH, 2);
	world_ack(w, 3, LANE_FLASH, 2);
	world_pass(w, 5000);
	assert_true(w->swept_upto < 2);
	world_ack(w, 4, LANE_FLASH, 2);
	world_pass(w, 5000);
	assert_int_equal(w->swept_upto, 2);
}

static void
k1_who_left_the_agreement_counts_as_past(void **state)
{
	struct world *w = *state;
	static const char *const three[] = {"city/desk", "police/control", "school/office"};
	struct agreement next;

	fake_agreement(&next, 2, 3, three);
	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	world_hello(w, 3, SCHOOL);
	publish_in(w, 1, CITY, LANE_FLASH);
	world_settle(w);
	install(w, &next);
	world_settle(w);
	world_ack(w, 2, LANE_FLASH, 2);
	world_ack(w, 3, LANE_FLASH, 2);
	world_pass(w, 5000);
	assert_int_equal(w->swept_upto, 2);
}

static void
retention_by_time_runs_now_and_then(void **state)
{
	struct world *w = *state;

	world_pass(w, 35000);
	assert_in_range(w->purges, 3, 4);
}

static void
sessions_that_end_leave_nothing_behind(void **state)
{
	struct world *w = *state;

	world_hello(w, 1, CITY);
	world_hello(w, 2, POLICE);
	world_settle(w);
	for (int i = 0; i < 10; i++)
		publish_in(w, 1, CITY, LANE_URGENT);
	assert_true(world_commit(w));
	core_closed(w->core, 2); /* while ten wait for it */
	publish_in(w, 1, CITY, LANE_URGENT);
	core_closed(w->core, 1); /* while one waits for a commit */
	world_forget(w);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_STORED, 1), 0);
	world_hello(w, 1, POLICE); /* the number is another's now */
	world_settle(w);
	assert_int_equal(core_open_count(w->core), 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(c5_before_hello_nothing_is_heard),
		T(c5_a_second_hello_takes_the_session_over),
		T(c5_hello_again_on_the_same_connection_begins_anew),
		T(c6_beats_are_sent_and_silence_ends_the_session),
		T(c6_who_is_heard_stays),
		T(c7_another_protocol_is_refused),
		T(c8_welcome_tells_where_the_log_stands),
		T(c10_a_node_that_saw_a_newer_commit_stops_the_service),
		T(c10_the_commit_that_is_newest_here_is_not_newer),
		T(c10_a_cursor_beyond_the_tail_stops_the_service),
		T(c10_two_hashes_for_one_commit_stop_it_with_evidence),
		T(c11_a_new_log_epoch_serves_again_and_counts_on),
		T(c11_a_new_log_epoch_goes_beyond_what_nodes_have_seen),
		T(c11_whoever_lies_does_not_use_the_epochs_up),
		T(c11_a_node_of_the_epoch_before_may_name_commits_that_are_gone),
		T(p1_only_the_senders_own_connection_publishes),
		T(p2_what_the_agreement_denies_is_denied),
		T(p2_the_number_of_wraps_is_the_audiences),
		T(p2_what_must_be_released_first_is_refused_as_such),
		T(p3_older_and_newer_agreements),
		T(p3_after_the_change_the_old_version_is_old),
		T(p4_only_the_future_counts_and_what_is_over_is_over),
		T(p5_beyond_the_window_a_sender_hears_slow_down),
		T(p5_a_sender_of_ever_new_audiences_leaves_room_for_others),
		T(p5_who_has_nothing_waiting_is_let_in_beside_those_who_have_much),
		T(p5_a_full_store_closes_lanes_from_below),
		T(p6_the_same_again_is_stored_once_and_answered_twice),
		T(p6_the_same_twice_in_one_commit_is_answered_with_that_commit),
		T(p6_other_bytes_under_one_id_are_a_conflict),
		T(p6_what_was_stored_before_its_time_was_over_is_answered_so),
		T(p6_nobody_hears_so_of_what_another_sent),
		T(p6_what_was_stored_under_the_old_version_is_not_to_be_sealed_anew),
		T(p7_nothing_leaves_before_the_commit),
		T(p7_stored_names_every_item_once),
		T(p8_a_full_disk_is_said_and_goes_by),
		T(p11_what_was_sent_behind_something_put_off_is_put_off_too),
		T(p11_the_order_outlasts_the_connection_too),
		T(p11_nor_does_another_connection_turn_it_round),
		T(p11_what_was_offered_again_before_the_commit_failed_stays),
		T(p11_a_round_that_is_over_does_not_disturb_the_next),
		T(a_full_store_is_made_room_in_whatever_else_waits),
		T(a_disk_without_any_room_costs_no_turns),
		T(d3_every_nodes_cursor_is_written_in_its_turn),
		T(making_room_does_not_keep_a_flash_waiting),
		T(what_an_operator_asks_for_is_done_at_once),
		T(filters_that_are_being_written_stay_though_the_node_gives_others),
		T(a_flash_is_first_in_the_next_commit),
		T(d1_what_expired_is_delivered_bare_and_receipts_whole),
		T(d1_what_is_not_subscribed_comes_bare_unless_one_is_responsible),
		T(d2_in_order_within_the_window_and_not_to_the_sender),
		T(d2_the_window_counts_bytes_and_lets_one_large_one_pass),
		T(d2_of_what_waits_flash_goes_first),
		T(d2_a_stream_of_flash_leaves_the_other_lanes_a_share_of_each_commit),
		T(d2_a_stream_of_flash_for_one_reader_holds_up_nobody_else),
		T(a_page_that_cannot_be_made_ends_the_session),
		T(d2_a_reader_that_was_away_reads_the_log_in_pages_and_becomes_live),
		T(d2_what_is_read_from_the_log_in_pages_goes_in_the_order_of_lanes),
		T(d2_a_reader_that_acknowledges_late_or_singly_is_served_all_the_same),
		T(d2_a_slow_reader_stops_only_itself),
		T(d2_nothing_is_lost_between_a_page_and_a_commit),
		T(d3_an_ack_only_goes_up_and_is_kept),
		T(an_ack_travels_with_the_next_commit),
		T(bodies_are_swept_sooner_when_many_come),
		T(an_audience_of_one_is_delivered_to_one_alone),
		T(l6_a_new_version_is_an_entry_in_every_lane_behind_what_was_accepted),
		T(a4_who_is_not_in_the_new_version_is_out),
		T(a4_a_node_with_another_key_is_out_too),
		T(a5_two_versions_at_once_are_refused),
		T(a5_no_room_for_a_version_leaves_the_old_one),
		T(k1_bodies_are_swept_when_everyone_is_past_them),
		T(k1_who_left_the_agreement_counts_as_past),
		T(k4_a_new_node_begins_at_the_entry_that_brought_it),
		T(wraps_stand_in_the_sets_order_when_a_node_joined_later),
		T(retention_by_time_runs_now_and_then),
		T(sessions_that_end_leave_nothing_behind),
		T(a_broker_that_is_stopping_takes_nothing_new_and_answers_for_what_it_took),
		T(a_start_is_told_of_everything_in_its_order_or_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
