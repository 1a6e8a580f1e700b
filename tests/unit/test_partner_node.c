/* A whole node against a broker that the test plays: the ordinary way first, then one lie at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>
#include <zmq.h>

#include "agreement_fixture.h"
#include "base/clock.h"
#include "partner_world.h"
#include "proto/payload.h"

/* ---- a clock that goes on when a test says so (the linker's --wrap) ---- */

static uint64_t ahead_ms;

uint64_t __real_clock_mono_ms(void);
uint64_t __wrap_clock_mono_ms(void);

uint64_t
__wrap_clock_mono_ms(void)
{
	return __real_clock_mono_ms() + ahead_ms;
}

/* With a sign of life as often as the broker gives one, so that the connection holds. */
static void
pass(struct world *w, uint64_t ms)
{
	struct wire_msg beat = {.kind = WIRE_BEAT};

	for (uint64_t step; ms > 0; ms -= step) {
		step = ms < KW_BEAT_MS ? ms : KW_BEAT_MS;
		world_send(w, &beat, span_of(NULL, 0));
		world_steps(w, 3);
		ahead_ms += step;
		world_steps(w, 3);
	}
}

static enum outbox_state
state_of(struct world *w, const uint8_t id[KW_ID_LEN])
{
	enum outbox_state s;
	char reason[512];

	assert_int_equal(desk_outbox_state(&s, reason, w->node, id), KW_OK);
	return s;
}

static void
what_is_published_goes_out_sealed_and_is_believed_stored_with_its_proof(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	struct header h;
	struct frame f;
	struct kw_why why;

	world_up(w);
	assert_int_equal(world_publish(w, "alert/flood/mitte", id, &why), KW_OK);
	assert_int_equal(state_of(w, id), OUTBOX_WAITING);
	(void)world_expect(w, WIRE_PUBLISH);
	assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, &why), KW_OK);
	assert_int_equal(header_decode(&h, f.header, &why), KW_OK);
	assert_memory_equal(h.id, id, KW_ID_LEN);
	assert_string_equal(h.sender, "police/control-room");
	assert_int_equal(h.lane, LANE_FLASH);
	assert_int_equal(w->msg.publish.wraps.len, 3 * KW_WRAP_LEN); /* city, city, youth-house */
	assert_null(memmem(w->frame.p, w->frame.len, "Neckar", 6));
	world_store(w, NULL);
	world_steps(w, 20);
	assert_int_equal(state_of(w, id), OUTBOX_STORED);
}

static void
what_is_published_while_the_broker_is_away_waits_on_disk_and_goes_later(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	struct kw_why why;

	world_start(w);
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	world_stop(w);
	world_up(w);
	assert_int_equal(state_of(w, id), OUTBOX_WAITING);
	(void)world_expect(w, WIRE_PUBLISH);
	world_store(w, NULL);
	world_steps(w, 20);
	assert_int_equal(state_of(w, id), OUTBOX_STORED);
}

static void
spoil_path(struct wire_stored *s)
{
	s->items[0].at.number++;
}

static void
spoil_signature(struct wire_stored *s)
{
	s->commit[WIRE_COMMIT_LEN - 1] ^= 1;
}

static void
a_stored_without_a_proof_that_holds_is_not_believed_and_offered_again(void **state)
{
	struct world *w = *state;
	struct buf first = BUF_INIT(1u << 20);
	uint8_t id[KW_ID_LEN];
	struct kw_why why;

	world_up(w);
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	(void)world_expect(w, WIRE_PUBLISH);
	buf_put_span(&first, buf_span(&w->frame));
	world_store(w, spoil_path);
	world_steps(w, 10);
	assert_true(world_alarm_comes(w, "broker_lies"));
	assert_int_equal(state_of(w, id), OUTBOX_WAITING);
	w->has_last_stored = false;
	world_welcome(w);
	(void)world_expect(w, WIRE_PUBLISH); /* the same bytes again */
	assert_true(span_eq(buf_span(&first), buf_span(&w->frame)));
	buf_free(&first);
}

static void
a_commit_signed_by_somebody_else_is_not_believed(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	struct kw_why why;

	world_up(w);
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	(void)world_expect(w, WIRE_PUBLISH);
	world_store(w, spoil_signature);
	world_steps(w, 10);
	assert_true(world_alarm_comes(w, "broker_lies"));
	assert_int_equal(state_of(w, id), OUTBOX_WAITING);
}

/* [D-11] */
static void
an_alert_is_opened_committed_acknowledged_and_confirmed_at_once(void **state)
{
	struct world *w = *state;
	struct inbox_row row;
	struct given g;
	struct frame f;
	struct header h;

	world_up(w);
	world_steps(w, 5);
	world_seal(&g, w, LANE_FLASH, NULL);
	world_deliver(w, &g, MARK_WHOLE);
	assert_int_equal(world_expect(w, WIRE_ACK)->ack.cursor[LANE_FLASH].number, 1);
	assert_int_equal(world_inbox(w, false, &row, NULL), 1);
	assert_memory_equal(row.header.id, g.header.id, KW_ID_LEN);
	assert_false(row.bare);
	assert_int_equal(desk_newest_seq(w->node), row.seq);
	(void)world_expect(w, WIRE_PUBLISH);
	assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
	assert_int_equal(header_decode(&h, f.header, NULL), KW_OK);
	assert_int_equal(h.type, TYPE_DELIVERED);
	assert_memory_equal(h.about.id, g.header.id, KW_ID_LEN);
	assert_string_equal(h.to[0], "city/public-order");
	given_free(&g);
}

/* [D-4] */
static void
the_same_delivered_again_is_acknowledged_and_shown_once_also_after_a_restart(void **state)
{
	struct world *w = *state;
	struct given g;

	world_up(w);
	world_steps(w, 5);
	world_seal(&g, w, LANE_FLASH, NULL);
	world_deliver(w, &g, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	world_deliver_at(w, &g, MARK_WHOLE, 1);
	(void)world_expect(w, WIRE_ACK);
	world_deliver_at(w, &g, MARK_WHOLE, 2); /* replayed as if it were new */
	(void)world_expect(w, WIRE_ACK);
	world_deliver_at(w, &g, MARK_WHOLE, 1); /* a cursor only goes up */
	assert_int_equal(world_expect(w, WIRE_ACK)->ack.cursor[LANE_FLASH].number, 2);
	assert_int_equal(world_inbox(w, false, NULL, NULL), 1);
	assert_int_equal(world_inbox(w, true, NULL, NULL), 0);
	world_stop(w);
	world_start(w);
	world_welcome(w);
	world_steps(w, 5);
	assert_int_equal(w->msg.hello.cursor[LANE_FLASH].number, 2);
	world_deliver_at(w, &g, MARK_WHOLE, 3);
	(void)world_expect(w, WIRE_ACK);
	assert_int_equal(world_inbox(w, false, NULL, NULL), 1);
	given_free(&g);
}

/* [D-8] */
static void
one_dropped_in_the_middle_is_a_gap_until_it_comes(void **state)
{
	struct world *w = *state;
	struct given a, b, c;
	json_t *status;

	world_up(w);
	world_steps(w, 5);
	world_seal(&a, w, LANE_FLASH, NULL);
	world_seal(&b, w, LANE_FLASH, NULL);
	world_seal(&c, w, LANE_FLASH, NULL);
	world_deliver(w, &a, MARK_WHOLE);
	world_deliver(w, &c, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	world_steps(w, 10);
	status = desk_status(w->node);
	assert_int_equal(json_array_size(json_object_get(status, "gaps")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json_object_get(status, "gaps"), 0), "first")), 2);
	json_decref(status);
	world_deliver(w, &b, MARK_WHOLE);
	world_steps(w, 20);
	status = desk_status(w->node);
	assert_int_equal(json_array_size(json_object_get(status, "gaps")), 0);
	json_decref(status);
	assert_int_equal(world_inbox(w, false, NULL, NULL), 3);
	given_free(&a);
	given_free(&b);
	given_free(&c);
}

/* [D-7] */
static void
what_fails_a_check_is_put_aside_and_the_queue_moves_on(void **state)
{
	struct world *w = *state;
	struct given bad, good;
	char reason[512];

	world_up(w);
	world_steps(w, 5);
	world_seal(&bad, w, LANE_FLASH, NULL);
	bad.frame.p[bad.frame.len - 1] ^= 1;
	world_deliver(w, &bad, MARK_WHOLE);
	world_seal(&good, w, LANE_FLASH, NULL);
	world_deliver(w, &good, MARK_WHOLE);
	world_steps(w, 30);
	assert_int_equal(world_inbox(w, true, NULL, reason), 1);
	assert_true(reason[0] != '\0');
	assert_int_equal(world_inbox(w, false, NULL, NULL), 1);
	given_free(&bad);
	given_free(&good);
}

/* [D-8] */
static void
one_number_for_two_notifications_is_evidence_and_both_are_marked(void **state)
{
	struct world *w = *state;
	struct given a, b;
	struct header h;
	char reason[512];

	world_up(w);
	world_steps(w, 5);
	world_seal(&a, w, LANE_FLASH, NULL);
	world_header(&h, w, LANE_FLASH);
	world_seal_as(&b, w, "city/public-order", "city/public-order", 1, &h, buf_span(&w->alert));
	world_deliver(w, &a, MARK_WHOLE);
	world_deliver(w, &b, MARK_WHOLE);
	world_steps(w, 30);
	assert_int_equal(world_inbox(w, false, NULL, reason), 2);
	assert_string_equal(reason, "equivocation");
	assert_true(world_alarm_comes(w, "equivocation"));
	given_free(&a);
	given_free(&b);
}

static void
lower_epoch(struct header *h)
{
	h->sender_epoch = 999;
}

/* [D-9] */
static void
a_lower_sender_epoch_is_refused_by_name(void **state)
{
	struct world *w = *state;
	struct given a, b;
	char reason[512];

	world_up(w);
	world_steps(w, 5);
	world_seal(&a, w, LANE_FLASH, NULL);
	world_seal(&b, w, LANE_FLASH, lower_epoch);
	world_deliver(w, &a, MARK_WHOLE);
	world_deliver(w, &b, MARK_WHOLE);
	world_steps(w, 30);
	assert_int_equal(world_inbox(w, true, NULL, reason), 1);
	assert_non_null(strstr(reason, "epoch"));
	given_free(&a);
	given_free(&b);
}

/* [D-10] */
static void
what_the_broker_held_back_until_it_expired_is_an_alarm(void **state)
{
	struct world *w = *state;
	struct given g;
	char mark[512];

	world_up(w);
	world_steps(w, 20);
	world_seal(&g, w, LANE_FLASH, NULL);
	world_deliver(w, &g, MARK_EXPIRED);
	(void)world_expect(w, WIRE_ACK);
	assert_true(world_alarm_comes(w, "held_back"));
	assert_int_equal(world_inbox(w, false, NULL, mark), 1);
	assert_string_equal(mark, "held back");
	given_free(&g);
}

/* [K-6], [D-10] It was on its way to a reader with a slow line when its sender took it back. */
static void
what_was_recalled_before_it_came_is_no_alarm(void **state)
{
	struct world *w = *state;
	struct given g;
	char mark[512];

	world_up(w);
	world_steps(w, 20);
	world_seal(&g, w, LANE_FLASH, NULL);
	world_deliver(w, &g, MARK_RECALLED);
	(void)world_expect(w, WIRE_ACK);
	assert_int_equal(world_inbox(w, false, NULL, mark), 1);
	assert_string_equal(mark, "recalled");
	world_steps(w, 20);
	assert_false(world_alarm(w, "held_back"));
	given_free(&g);
}

#define A_RECALL_MAY_TAKE_MS 300000u

/* One of city/public-order's that the broker left out as recalled. */
static void
left_out(struct given *g, struct world *w)
{
	char mark[512];

	world_steps(w, 20);
	world_seal(g, w, LANE_FLASH, NULL);
	world_deliver(w, g, MARK_RECALLED);
	(void)world_expect(w, WIRE_ACK);
	assert_int_equal(world_inbox(w, false, NULL, mark), 1);
	assert_string_equal(mark, "recalled");
}

static void
is_missed(struct world *w)
{
	char mark[512];

	pass(w, A_RECALL_MAY_TAKE_MS - 30000);
	assert_false(world_alarm(w, "held_back"));
	pass(w, 60000);
	assert_true(world_alarm(w, "held_back"));
	assert_int_equal(world_inbox(w, false, NULL, mark), 1);
	assert_string_equal(mark, "held back");
}

static void
recall(struct world *w, const struct given *original)
{
	struct given g;
	struct header h;

	world_header(&h, w, LANE_FLASH);
	h.type = TYPE_RECALL;
	h.payload_type = PAYLOAD_NONE;
	h.about.set = true;
	memcpy(h.about.id, original->header.id, KW_ID_LEN);
	memcpy(h.about.frame_hash, original->frame_hash, KW_HASH_LEN);
	world_seal_as(&g, w, "city/public-order", "city/public-order", ++w->numbers[LANE_FLASH], &h, span_of(NULL, 0));
	world_deliver(w, &g, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	given_free(&g);
}

/* [D-10] */
static void
a_recall_that_never_comes_is_an_alarm(void **state)
{
	struct world *w = *state;
	struct given g;

	world_up(w);
	left_out(&g, w);
	is_missed(w);
	given_free(&g);
}

/* [D-10] */
static void
a_recall_that_never_comes_is_an_alarm_after_a_new_start_too(void **state)
{
	struct world *w = *state;
	struct given g;

	world_up(w);
	left_out(&g, w);
	pass(w, A_RECALL_MAY_TAKE_MS / 2);
	world_stop(w);
	world_up(w);
	is_missed(w);
	world_stop(w); /* it was told, and is not told at each start */
	world_up(w);
	pass(w, A_RECALL_MAY_TAKE_MS + 30000);
	assert_false(world_alarm(w, "held_back"));
	given_free(&g);
}

/* [D-10] */
static void
a_recall_that_comes_is_awaited_no_more_whatever_was_started_anew(void **state)
{
	struct world *w = *state;
	struct given g;
	char mark[512];

	world_up(w);
	left_out(&g, w);
	world_stop(w);
	world_up(w);
	recall(w, &g);
	pass(w, A_RECALL_MAY_TAKE_MS + 30000);
	world_stop(w);
	world_up(w);
	pass(w, A_RECALL_MAY_TAKE_MS + 30000);
	assert_false(world_alarm(w, "held_back"));
	assert_int_equal(world_inbox(w, false, NULL, mark), 2);
	given_free(&g);
}

/* ---- [O-9] ---- */

static void
send_suspension(struct world *w, enum suspension_act act, const char *node, uint64_t from_ms)
{
	struct broker_entry e = {.kind = ENTRY_SUSPENSION, .time_ms = clock_wall_ms(), .version = w->version};
	struct entry_suspension *s = &e.of_suspension;
	struct wire_msg m = {.kind = WIRE_DELIVER};
	uint8_t bytes[ENTRY_SUSPENSION_MAX];

	*s = (struct entry_suspension){.act = act, .from_ms = from_ms, .until_ms = from_ms + 3600000};
	(void)snprintf(s->node, sizeof s->node, "%s", node);
	(void)snprintf(s->by, sizeof s->by, "night-desk");
	(void)snprintf(s->reason, sizeof s->reason, "%s", act == SUSPENSION_BEGUN ? "its disk was stolen" : "");
	memcpy(e.agreement_hash, w->agreement_hash, KW_HASH_LEN);
	m.deliver.at = (struct position){w->log_epoch, LANE_FLASH, ++w->tail[LANE_FLASH]};
	m.deliver.commit = 1;
	m.deliver.mark = MARK_ENTRY;
	world_send(w, &m, span_of(bytes, entry_suspension_encode(bytes, &e, secret_keys_sign(fixture_key("haus")))));
	world_steps(w, 20);
}

static size_t
suspended_count(const struct world *w)
{
	json_t *status = desk_status(w->node);
	size_t n = json_array_size(json_object_get(status, "suspended"));

	json_decref(status);
	return n;
}

static void
a_suspension_is_told_once_however_often_it_is_stated(void **state)
{
	struct world *w = *state;
	struct inbox_row row;
	uint64_t now = clock_wall_ms();

	world_up(w);
	world_steps(w, 5);
	send_suspension(w, SUSPENSION_BEGUN, "city/public-order", now);
	send_suspension(w, SUSPENSION_BEGUN, "city/public-order", now); /* for somebody who joined */
	assert_int_equal(suspended_count(w), 1);
	assert_int_equal(world_inbox(w, false, &row, NULL), 1);
	assert_true(row.of_suspension && !row.of_case && !row.header.about.set);
	assert_string_equal(row.entry.of_suspension.node, "city/public-order");
	assert_string_equal(row.header.topic, "");
	send_suspension(w, SUSPENSION_LIFTED, "city/public-order", now - 3600000);
	assert_int_equal(suspended_count(w), 0);
	assert_int_equal(world_inbox(w, false, NULL, NULL), 2);
}

/* Else a broker could fill the store with names. */
static void
a_suspension_of_who_is_no_node_is_passed(void **state)
{
	struct world *w = *state;

	world_up(w);
	world_steps(w, 5);
	send_suspension(w, SUSPENSION_BEGUN, "nobody/nowhere", clock_wall_ms());
	assert_int_equal(suspended_count(w), 0);
	assert_int_equal(world_inbox(w, false, NULL, NULL), 0);
	send_suspension(w, SUSPENSION_BEGUN, "city/public-order", clock_wall_ms()); /* and the lane goes on */
	assert_int_equal(suspended_count(w), 1);
}

/* [A-1], [D-5] */
static void
a_lane_waits_for_the_agreement_and_is_never_rejected_meanwhile(void **state)
{
	struct world *w = *state;
	struct given g, other;
	struct wire_msg *m;

	world_up(w);
	world_steps(w, 5);
	world_seal(&other, w, LANE_ROUTINE, NULL);
	world_next_version(w, NULL, NULL);
	world_seal(&g, w, LANE_FLASH, NULL);
	world_send_entry(w, LANE_FLASH);
	world_deliver(w, &g, MARK_WHOLE);
	m = world_expect(w, WIRE_AGREEMENT_GET);
	assert_int_equal(m->agreement_get.version, 2);
	world_deliver(w, &other, MARK_WHOLE); /* another lane does not wait */
	world_steps(w, 20);
	assert_int_equal(world_inbox(w, false, NULL, NULL), 1);
	assert_int_equal(world_inbox(w, true, NULL, NULL), 0);
	world_send_agreement(w);
	world_steps(w, 30);
	assert_int_equal(world_inbox(w, false, NULL, NULL), 2);
	assert_int_equal(world_inbox(w, true, NULL, NULL), 0);
	given_free(&g);
	given_free(&other);
}

static void
an_agreement_without_its_signatures_changes_nothing(void **state)
{
	struct world *w = *state;
	json_t *status;

	world_up(w);
	world_steps(w, 5);
	world_next_version(w, NULL, NULL);
	world_send_entry(w, LANE_FLASH);
	(void)world_expect(w, WIRE_AGREEMENT_GET);
	w->sigs.len /= 3; /* one signature, and half of the next */
	while (w->sigs.len > 0 && w->sigs.p[w->sigs.len - 1] != '\n')
		w->sigs.len--;
	world_send_agreement(w);
	world_steps(w, 20);
	assert_true(world_alarm_comes(w, "agreement_refused"));
	status = desk_status(w->node);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(status, "agreement"), "version")), 1);
	json_decref(status);
}

static void
refuse(struct world *w, const uint8_t id[KW_ID_LEN], enum wire_code code)
{
	struct wire_msg m = {.kind = WIRE_REFUSED, .refused = {.code = code, .has_id = true, .text = "because"}};

	memcpy(m.refused.id, id, KW_ID_LEN);
	world_send(w, &m, span_of(NULL, 0));
}

static void
under_a_newer_agreement_it_is_sealed_anew_and_the_old_numbers_are_voided(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	bool seen_new = false, seen_void = false;
	struct kw_why why;

	world_up(w);
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	(void)world_expect(w, WIRE_PUBLISH);
	world_next_version(w, NULL, NULL);
	world_send_entry(w, LANE_FLASH);
	world_send_agreement(w);
	world_steps(w, 20);
	refuse(w, id, CODE_AGREEMENT_OLD);
	for (int i = 0; i < 2; i++) {
		struct header h;
		struct frame f;

		(void)world_expect(w, WIRE_PUBLISH);
		assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
		assert_int_equal(header_decode(&h, f.header, NULL), KW_OK);
		assert_int_equal(h.agreement_version, 2);
		seen_new = seen_new || (h.type == TYPE_NOTICE && memcmp(h.id, id, KW_ID_LEN) != 0);
		seen_void = seen_void || (h.type == TYPE_VOID && memcmp(h.about.id, id, KW_ID_LEN) == 0);
		if (h.type == TYPE_NOTICE) {
			world_store(w, NULL);
			world_steps(w, 10);
		}
	}
	assert_true(seen_new && seen_void);
	assert_int_equal(state_of(w, id), OUTBOX_STORED); /* asked by the id that the publisher knows */
}

/* [P-3] The refusal overtakes the agreement: what it concerns waits for that one, not for the next connection. */
static void
what_is_refused_as_old_before_the_newer_agreement_is_here_waits_for_it(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	struct kw_why why;
	struct header h = {.agreement_version = 0};
	uint64_t until = clock_mono_ms() + 10000;

	world_up(w);
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	(void)world_expect(w, WIRE_PUBLISH);
	world_next_version(w, NULL, NULL);
	refuse(w, id, CODE_AGREEMENT_OLD);
	(void)world_expect(w, WIRE_AGREEMENT_GET);
	world_send_agreement(w);
	while (h.agreement_version != 2 && clock_mono_ms() < until) {
		struct frame f;

		(void)world_expect(w, WIRE_PUBLISH);
		assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
		assert_int_equal(header_decode(&h, f.header, NULL), KW_OK);
		if (h.agreement_version == 1)
			refuse(w, id, CODE_AGREEMENT_OLD);
	}
	assert_int_equal(h.agreement_version, 2);
}

static void
copy_of(struct buf *out, const struct buf *b)
{
	*out = BUF_INIT(KW_AGREEMENT_MAX);
	buf_put_span(out, buf_span(b));
	assert_true(buf_ok(out));
}

/* Of the versions on the way to the one in force none decides: this node may have been taken out and have come back. */
static void
what_is_sealed_anew_waits_for_the_version_in_force(void **state)
{
	struct world *w = *state;
	struct wire_msg second = {.kind = WIRE_AGREEMENT};
	struct buf text, sigs;
	uint8_t id[KW_ID_LEN];
	struct kw_why why;
	struct header h = {.agreement_version = 0};
	uint64_t until = clock_mono_ms() + 10000;

	world_start(w);
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	world_next_version(w, "publish: [police, city], receive: [police, city, civil]", "publish: [city], receive: [police, city, civil]");
	copy_of(&text, &w->text);
	copy_of(&sigs, &w->sigs);
	world_next_version(w, "publish: [city], receive: [police, city, civil]", "publish: [police, city], receive: [police, city, civil]");
	world_welcome(w);
	(void)world_expect(w, WIRE_PUBLISH);
	second.agreement = (struct wire_agreement){2, 0, (uint32_t)text.len, buf_span(&text), buf_span(&sigs)};
	world_send(w, &second, span_of(NULL, 0));
	refuse(w, id, CODE_AGREEMENT_OLD);
	world_steps(w, 20);
	world_send_agreement(w);
	while (h.agreement_version != 3 && clock_mono_ms() < until) {
		struct frame f;

		(void)world_expect(w, WIRE_PUBLISH);
		assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
		assert_int_equal(header_decode(&h, f.header, NULL), KW_OK);
		if (h.agreement_version != 3)
			refuse(w, id, CODE_AGREEMENT_OLD);
	}
	assert_int_equal(h.type, TYPE_NOTICE);
	assert_int_equal(state_of(w, id), OUTBOX_WAITING);
	buf_free(&text);
	buf_free(&sigs);
}

/* [P-9] */
static void
what_is_refused_for_good_says_why_and_voids_its_numbers(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	enum outbox_state s;
	char reason[512];
	struct header h;
	struct frame f;
	struct kw_why why;

	world_up(w);
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	(void)world_expect(w, WIRE_PUBLISH);
	refuse(w, id, CODE_DENIED);
	(void)world_expect(w, WIRE_PUBLISH);
	assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
	assert_int_equal(header_decode(&h, f.header, NULL), KW_OK);
	assert_int_equal(h.type, TYPE_VOID);
	assert_int_equal(desk_outbox_state(&s, reason, w->node, id), KW_OK);
	assert_int_equal(s, OUTBOX_REFUSED);
	assert_non_null(strstr(reason, "because"));
	refuse(w, h.id, CODE_DENIED); /* a void that is refused is not voided in turn */
	assert_false(world_comes(w, WIRE_PUBLISH, 20));
}

static void
next_header(struct header *h, struct world *w)
{
	struct frame f;

	(void)world_expect(w, WIRE_PUBLISH);
	assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
	assert_int_equal(header_decode(h, f.header, NULL), KW_OK);
}

/* [P-9] Whoever may not read there any more is told nothing; the others still miss their numbers. */
static void
a_void_under_a_newer_agreement_goes_to_those_who_still_read_there(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	struct header h;
	struct kw_why why;

	world_up(w);
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	(void)world_expect(w, WIRE_PUBLISH);
	refuse(w, id, CODE_DENIED);
	next_header(&h, w);
	assert_int_equal(h.type, TYPE_VOID);
	assert_int_equal(h.to_count, 3);
	world_next_version(w, "publish: [police, city], receive: [police, city, civil]", "publish: [police, city], receive: [police, city]");
	world_send_entry(w, LANE_FLASH);
	world_send_agreement(w);
	world_steps(w, 20);
	refuse(w, h.id, CODE_AGREEMENT_OLD);
	do
		next_header(&h, w);
	while (memcmp(h.about.id, id, KW_ID_LEN) != 0); /* the first void's own number is voided too */
	assert_int_equal(h.type, TYPE_VOID);
	assert_int_equal(h.agreement_version, 2);
	assert_int_equal(h.to_count, 2);
	assert_string_equal(h.to[0], "city/crime-prevention");
	assert_string_equal(h.to[1], "city/public-order");
}

static void
two_commits_of_one_number_stop_publishing_with_evidence(void **state)
{
	struct wire_msg beat = {.kind = WIRE_BEAT, .beat = {.has_commit = true}};
	uint8_t root[KW_HASH_LEN] = {1}, id[KW_ID_LEN];
	struct world *w = *state;
	struct kw_why why;
	json_t *status;

	world_up(w);
	world_steps(w, 5);
	world_next_commit(w, root);
	memcpy(beat.beat.commit, w->record, WIRE_COMMIT_LEN);
	world_send(w, &beat, span_of(NULL, 0));
	world_steps(w, 10);
	w->commit.number = 0;
	root[0] = 2;
	memset(w->commit.previous, 0, KW_HASH_LEN);
	world_next_commit(w, root);
	memcpy(beat.beat.commit, w->record, WIRE_COMMIT_LEN);
	world_send(w, &beat, span_of(NULL, 0));
	world_steps(w, 20);
	assert_true(world_alarm_comes(w, "fork"));
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_ESTATE);
	status = desk_status(w->node);
	assert_int_equal(json_array_size(json_object_get(status, "evidence")), 1);
	json_decref(status);
	world_stop(w);
	world_start(w); /* it does not forget */
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_ESTATE);
	assert_int_equal(node_resume(w->node, &why), KW_OK); /* until somebody says so */
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	assert_int_equal(node_resume(w->node, &why), KW_ESTATE);
}

static void
a_partner_that_saw_another_commit_shows_the_fork(void **state)
{
	struct wire_msg beat = {.kind = WIRE_BEAT, .beat = {.has_commit = true}};
	struct world *w = *state;
	uint8_t root[KW_HASH_LEN] = {1};
	struct header h;
	struct given g;

	world_up(w);
	world_steps(w, 5);
	world_next_commit(w, root);
	memcpy(beat.beat.commit, w->record, WIRE_COMMIT_LEN);
	world_send(w, &beat, span_of(NULL, 0));
	world_steps(w, 10);
	world_header(&h, w, LANE_FLASH);
	h.seen.number = 1;
	memset(h.seen.hash, 9, KW_HASH_LEN);
	world_seal_as(&g, w, "city/public-order", "city/public-order", 1, &h, buf_span(&w->alert));
	world_deliver(w, &g, MARK_WHOLE);
	world_steps(w, 20);
	assert_true(world_alarm_comes(w, "fork"));
	assert_int_equal(world_inbox(w, false, NULL, NULL), 1); /* it goes on reading */
	given_free(&g);
}

static void
a_broker_from_an_old_backup_is_not_worked_with(void **state)
{
	struct world *w = *state;
	struct given g;

	world_up(w);
	world_steps(w, 5);
	world_seal(&g, w, LANE_FLASH, NULL);
	world_deliver(w, &g, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	world_stop(w);
	w->tail[LANE_FLASH] = 0;
	world_start(w);
	world_welcome(w);
	world_steps(w, 20);
	assert_true(world_alarm_comes(w, "behind"));
	given_free(&g);
}

/* [C-9] */
static void
a_node_restored_from_a_copy_begins_a_new_sender_epoch(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	struct header first, second;
	struct frame f;
	struct kw_why why;

	world_up(w);
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	(void)world_expect(w, WIRE_PUBLISH);
	assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
	assert_int_equal(header_decode(&first, f.header, NULL), KW_OK);
	world_store(w, NULL);
	world_steps(w, 20);
	world_stop(w);
	w->last_stored[3] ^= 1; /* the broker remembers one that this store never held */
	world_start(w);
	world_welcome(w);
	world_steps(w, 20);
	assert_true(world_alarm_comes(w, "restored"));
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	(void)world_expect(w, WIRE_PUBLISH);
	assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
	assert_int_equal(header_decode(&second, f.header, NULL), KW_OK);
	assert_true(second.sender_epoch > first.sender_epoch);
}

static void
after_a_new_log_epoch_the_stored_ones_are_offered_again(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	struct buf first = BUF_INIT(1u << 20);
	struct kw_why why;

	world_up(w);
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	(void)world_expect(w, WIRE_PUBLISH);
	buf_put_span(&first, buf_span(&w->frame));
	world_store(w, NULL);
	world_steps(w, 20);
	world_stop(w);
	w->log_epoch = 2; /* restored from before all that, and opened anew */
	memset(&w->commit, 0, sizeof w->commit);
	w->has_last_stored = false;
	w->tail[LANE_FLASH] = 0;
	world_start(w);
	world_welcome(w);
	(void)world_expect(w, WIRE_PUBLISH);
	assert_true(span_eq(buf_span(&first), buf_span(&w->frame)));
	world_store(w, NULL);
	world_steps(w, 20);
	assert_int_equal(state_of(w, id), OUTBOX_STORED);
	assert_false(world_alarm(w, "fork"));
	buf_free(&first);
}

static void
c11_what_expired_before_the_new_log_epoch_stays_stored_and_its_number_is_voided(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	struct header h;
	struct frame f;
	struct kw_why why;
	struct desk_publish p = {.topic = "alert/flood", .payload_type = PAYLOAD_ALERT, .payload = buf_span(&w->alert), .type = TYPE_NOTICE};

	world_up(w);
	p.expires_ms = clock_wall_ms() + 2000;
	assert_int_equal(desk_publish(w->node, &p, id, &why), KW_OK);
	(void)world_expect(w, WIRE_PUBLISH);
	world_store(w, NULL);
	while (clock_wall_ms() <= p.expires_ms)
		world_steps(w, 1);
	assert_int_equal(state_of(w, id), OUTBOX_STORED);
	world_stop(w);
	w->log_epoch = 2;
	memset(&w->commit, 0, sizeof w->commit);
	w->has_last_stored = false;
	w->tail[LANE_FLASH] = 0;
	world_start(w);
	world_welcome(w);
	do { /* offered before it was looked at, or not */
		(void)world_expect(w, WIRE_PUBLISH);
		assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
		assert_int_equal(header_decode(&h, f.header, NULL), KW_OK);
		refuse(w, h.id, CODE_EXPIRED);
	} while (h.type != TYPE_VOID);
	assert_memory_equal(h.about.id, id, KW_ID_LEN);
	assert_int_equal(state_of(w, id), OUTBOX_STORED);
	assert_false(world_alarm(w, "publish_refused"));
}

static void
confirmations_count_only_from_readers_and_about_what_was_sent(void **state)
{
	struct world *w = *state;
	struct receipt_payload *p = calloc(1, sizeof *p);
	struct buf payload = BUF_INIT(KW_BODY_MAX);
	uint8_t id[KW_ID_LEN];
	uint32_t confirmed, readers;
	struct about about;
	struct header h;
	struct given g;
	char reason[512];
	struct kw_why why;

	world_up(w);
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	(void)world_expect(w, WIRE_PUBLISH);
	world_store(w, NULL);
	world_steps(w, 10);
	kw_id_text(reason, id);
	assert_int_equal(desk_find(w->node, reason, &about, &why), KW_OK);
	for (int forged = 1; forged >= 0; forged--) {
		world_header(&h, w, LANE_FLASH);
		(void)snprintf(h.topic, sizeof h.topic, "alert/flood");
		(void)snprintf(h.to[0], sizeof h.to[0], "police/control-room");
		h.to_count = 1;
		h.type = TYPE_DELIVERED;
		h.payload_type = PAYLOAD_RECEIPT;
		h.about = about;
		p->count = 1;
		memcpy(p->items[0].id, about.id, KW_ID_LEN);
		memcpy(p->items[0].frame_hash, about.frame_hash, KW_HASH_LEN);
		p->items[0].frame_hash[0] ^= (uint8_t)forged;
		p->items[0].at_ms = clock_wall_ms();
		buf_reset(&payload);
		assert_int_equal(receipt_encode(&payload, p), KW_OK);
		world_seal_as(&g, w, "city/public-order", "city/public-order", ++w->numbers[LANE_FLASH], &h, buf_span(&payload));
		world_deliver(w, &g, MARK_WHOLE);
		(void)world_expect(w, WIRE_ACK);
		given_free(&g);
		assert_int_equal(desk_confirmations(&confirmed, &readers, w->node, id), KW_OK);
		assert_int_equal(readers, 3);
		assert_int_equal(confirmed, forged ? 0 : 1);
	}
	assert_int_equal(world_inbox(w, true, NULL, reason), 1);
	assert_non_null(strstr(reason, "receipt"));
	buf_free(&payload);
	free(p);
}

static void
local(struct header *h)
{
	(void)snprintf(h->topic, sizeof h->topic, "alert/local/fire");
}

static void
cancel(struct world *w, const char *sender, const struct given *original)
{
	struct header h;
	struct given g;

	world_header(&h, w, LANE_FLASH);
	local(&h);
	h.type = TYPE_CANCEL;
	h.about.set = true;
	memcpy(h.about.id, original->header.id, KW_ID_LEN);
	memcpy(h.about.frame_hash, original->frame_hash, KW_HASH_LEN);
	world_seal_as(&g, w, sender, sender, 1, &h, buf_span(&w->alert));
	world_deliver(w, &g, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	given_free(&g);
}

static bool
first_row(void *self, const struct inbox_row *row)
{
	*(bool *)self = row->cancelled;
	return false;
}

static bool
first_is_cancelled(struct world *w)
{
	struct inbox_query q = {.limit = 1};
	bool cancelled = false;

	assert_int_equal(desk_inbox(w->node, &q, first_row, &cancelled, NULL), KW_OK);
	return cancelled;
}

static void
only_the_first_senders_partner_cancels(void **state)
{
	struct world *w = *state;
	char reason[512];
	struct given g;

	world_up(w);
	world_steps(w, 5);
	world_seal(&g, w, LANE_FLASH, local);
	world_deliver(w, &g, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	cancel(w, "youth-house/office", &g); /* may publish there, but did not send that one */
	assert_int_equal(world_inbox(w, true, NULL, reason), 1);
	assert_non_null(strstr(reason, "only the first sender's partner"));
	assert_false(first_is_cancelled(w));
	cancel(w, "city/crime-prevention", &g); /* another node of the same partner may */
	assert_int_equal(world_inbox(w, true, NULL, NULL), 1);
	assert_int_equal(world_inbox(w, false, NULL, NULL), 2);
	assert_true(first_is_cancelled(w));
	given_free(&g);
}

static void
a_full_store_acknowledges_nothing_and_goes_on_when_there_is_room(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	enum kw_err err = KW_OK;
	struct kw_why why;
	struct given g;

	w->config.store_pages_max = 120;
	world_up(w);
	world_steps(w, 5);
	for (int i = 0; i < 500 && err == KW_OK; i++)
		err = world_publish(w, "alert/flood", id, &why);
	assert_int_equal(err, KW_EFULL);
	assert_int_not_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	for (int i = 0; i < 30 && !world_alarm(w, "store_full"); i++) {
		world_seal(&g, w, LANE_FLASH, NULL);
		world_deliver(w, &g, MARK_WHOLE);
		given_free(&g);
		world_steps(w, 3);
	}
	assert_true(world_alarm_comes(w, "store_full"));
	world_stop(w);
	w->config.store_pages_max = 100000;
	world_start(w);
	world_welcome(w);
	assert_true(w->msg.hello.cursor[LANE_FLASH].number < w->tail[LANE_FLASH]); /* what did not fit was not acknowledged */
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
}

static void
what_is_published_in_a_batch_stands_whole_or_not_at_all(void **state)
{
	struct world *w = *state;
	uint8_t a[KW_ID_LEN], b[KW_ID_LEN], c[KW_ID_LEN];
	enum outbox_state s;
	char reason[512];
	struct kw_why why;

	world_start(w);
	assert_int_equal(node_batch_begin(w->node, &why), KW_OK);
	assert_int_equal(world_publish(w, "alert/flood", a, &why), KW_OK);
	assert_int_equal(world_publish(w, "weather/rain", b, &why), KW_EDENIED); /* one that is refused takes no other with it */
	assert_int_equal(world_publish(w, "alert/flood", b, &why), KW_OK);
	assert_int_equal(node_batch_end(w->node, &why), KW_OK);
	assert_int_equal(node_batch_begin(w->node, &why), KW_OK);
	assert_int_equal(world_publish(w, "alert/flood", c, &why), KW_OK);
	world_stop(w); /* ends within the batch */
	world_start(w);
	assert_int_equal(desk_outbox_state(&s, reason, w->node, a), KW_OK);
	assert_int_equal(desk_outbox_state(&s, reason, w->node, b), KW_OK);
	assert_int_equal(desk_outbox_state(&s, reason, w->node, c), KW_ENOTFOUND);
}

/* [D-12] */
static void
what_nobody_confirms_in_time_is_shown_with_who_is_missing(void **state)
{
	struct world *w = *state;
	uint64_t until = clock_mono_ms() + 10000;
	uint8_t id[KW_ID_LEN];
	size_t late = 0, missing = 0;
	struct kw_why why;

	world_start(w);
	assert_int_equal(world_publish(w, "alert/quick/now", id, &why), KW_OK);
	while (late == 0 && clock_mono_ms() < until) {
		json_t *status = desk_status(w->node), *list = json_object_get(status, "unconfirmed");

		late = json_array_size(list);
		missing = json_array_size(json_object_get(json_array_get(list, 0), "missing"));
		json_decref(status);
		world_steps(w, 1);
	}
	assert_int_equal(late, 1);
	assert_int_equal(missing, 3);
}

/* [N-9] */
static void
a_trace_tells_when_it_was_stored_and_by_whom_it_was_confirmed(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN], other[KW_ID_LEN] = {0};
	struct kw_why why;
	json_t *t = NULL;

	world_up(w);
	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	(void)world_expect(w, WIRE_PUBLISH);
	world_store(w, NULL);
	world_steps(w, 20);
	assert_int_equal(desk_trace(&t, w->node, id, "", &why), KW_OK);
	assert_string_equal(json_string_value(json_object_get(t, "state")), "stored");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(t, "stored"), "commit")), 1);
	assert_int_equal(json_array_size(json_object_get(t, "missing")), 3);
	assert_string_equal(json_string_value(json_object_get(t, "headline")), "Hochwasser am Neckar: Uferstraße ab 5:30 Uhr gesperrt, Keller räumen");
	assert_non_null(strstr(json_string_value(json_object_get(t, "cap")), ",musterstadt-2026-hochwasser-017,"));
	json_decref(t);
	assert_int_equal(desk_trace(&t, w->node, other, "", &why), KW_ENOTFOUND);
}

static void
an_alert_is_found_again_by_its_cap_identifier_which_is_not_on_disk(void **state)
{
	struct world *w = *state;
	struct payload_brief *brief = calloc(1, sizeof *brief);
	struct about about;
	char command[256];
	struct given g;
	struct kw_why why;

	world_up(w);
	world_steps(w, 5);
	world_seal(&g, w, LANE_FLASH, NULL);
	world_deliver(w, &g, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	assert_int_equal(payload_brief(brief, PAYLOAD_ALERT, buf_span(&w->alert), "", &why), KW_OK);
	assert_true(brief->cap_id[0] != '\0');
	assert_int_equal(desk_find(w->node, brief->cap_id, &about, &why), KW_OK);
	assert_memory_equal(about.id, g.header.id, KW_ID_LEN);
	assert_int_equal(desk_find(w->node, "nobody,nothing,never", &about, &why), KW_ENOTFOUND);
	world_stop(w); /* nothing of the content lies readable in the store */
	(void)snprintf(command, sizeof command, "! grep -rqE 'Neckar|%.20s' %s/state", brief->headline, w->folder);
	assert_int_equal(system(command), 0);
	free(brief);
	given_free(&g);
}

/* [C-1] */
static void
a_broker_without_the_key_of_the_agreement_gets_nothing(void **state)
{
	struct world *w = *state;
	uint8_t pk[32], sk[32];
	char endpoint[128];
	uint64_t until = clock_mono_ms() + 20000;
	bool told = false;

	(void)crypto_box_keypair(pk, sk);
	memcpy(endpoint, w->endpoint, sizeof endpoint);
	assert_int_equal(zmq_unbind(w->router, endpoint), 0);
	assert_int_equal(zmq_setsockopt(w->router, ZMQ_CURVE_SECRETKEY, sk, 32), 0);
	for (int i = 0; i < 100 && zmq_bind(w->router, endpoint) != 0; i++)
		(void)zmq_poll(NULL, 0, 20);
	world_start(w);
	while (!told && clock_mono_ms() < until) {
		assert_false(world_comes(w, WIRE_HELLO, 10));
		told = world_alarm(w, "key_mismatch");
	}
	assert_true(told);
}

static void
publishing_what_the_broker_would_refuse_is_refused_here(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	struct kw_why why;
	struct desk_publish p = {.topic = "alert/flood", .payload_type = PAYLOAD_ALERT, .payload = buf_span(&w->alert), .type = TYPE_NOTICE};

	world_start(w);
	assert_int_equal(world_publish(w, "weather/rain", id, &why), KW_EDENIED);
	assert_int_not_equal(world_publish(w, "alert/#", id, &why), KW_OK);
	p.expires_ms = clock_wall_ms() - 1;
	assert_int_equal(desk_publish(w->node, &p, id, &why), KW_EINVAL);
	assert_non_null(strstr(why.text, "expired already"));
	p.expires_ms = clock_wall_ms() + 400ull * 24 * 3600 * 1000;
	assert_int_equal(desk_publish(w->node, &p, id, &why), KW_ELIMIT);
	p.expires_ms = clock_wall_ms() + 1000000;
	p.payload = span_str("no alert");
	assert_int_not_equal(desk_publish(w->node, &p, id, &why), KW_OK);
	p.payload = buf_span(&w->alert);
	p.type = TYPE_CANCEL;
	assert_int_equal(desk_publish(w->node, &p, id, &why), KW_EINVAL);
	p.about.set = true;
	assert_int_equal(desk_publish(w->node, &p, id, &why), KW_EDENIED);
	w->config.outbox_max = 0;
	p.type = TYPE_NOTICE;
	p.about.set = false;
	assert_int_equal(desk_publish(w->node, &p, id, &why), KW_EFULL);
}

/* [D-2] What was already sent of a lower lane lies before an alert on the line, however slow that is. */
static void
lower_lanes_ask_for_little_at_once(void **state)
{
	struct world *w = *state;

	world_up(w);
	for (int lane = LANE_FLASH; lane < KW_LANES; lane++)
		assert_true(w->msg.hello.window[lane].messages >= 128 && w->msg.hello.window[lane].bytes > KW_FRAME_MAX);
	assert_true(w->msg.hello.window[LANE_URGENT].bytes + w->msg.hello.window[LANE_ROUTINE].bytes <= 3u << 19);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(lower_lanes_ask_for_little_at_once),
		T(a_suspension_is_told_once_however_often_it_is_stated),
		T(a_suspension_of_who_is_no_node_is_passed),
		T(what_is_published_goes_out_sealed_and_is_believed_stored_with_its_proof),
		T(what_is_published_while_the_broker_is_away_waits_on_disk_and_goes_later),
		T(a_stored_without_a_proof_that_holds_is_not_believed_and_offered_again),
		T(a_commit_signed_by_somebody_else_is_not_believed),
		T(an_alert_is_opened_committed_acknowledged_and_confirmed_at_once),
		T(the_same_delivered_again_is_acknowledged_and_shown_once_also_after_a_restart),
		T(one_dropped_in_the_middle_is_a_gap_until_it_comes),
		T(what_fails_a_check_is_put_aside_and_the_queue_moves_on),
		T(one_number_for_two_notifications_is_evidence_and_both_are_marked),
		T(a_lower_sender_epoch_is_refused_by_name),
		T(what_the_broker_held_back_until_it_expired_is_an_alarm),
		T(what_was_recalled_before_it_came_is_no_alarm),
		T(a_recall_that_never_comes_is_an_alarm),
		T(a_recall_that_never_comes_is_an_alarm_after_a_new_start_too),
		T(a_recall_that_comes_is_awaited_no_more_whatever_was_started_anew),
		T(a_lane_waits_for_the_agreement_and_is_never_rejected_meanwhile),
		T(an_agreement_without_its_signatures_changes_nothing),
		T(under_a_newer_agreement_it_is_sealed_anew_and_the_old_numbers_are_voided),
		T(what_is_refused_as_old_before_the_newer_agreement_is_here_waits_for_it),
		T(what_is_sealed_anew_waits_for_the_version_in_force),
		T(what_is_refused_for_good_says_why_and_voids_its_numbers),
		T(a_void_under_a_newer_agreement_goes_to_those_who_still_read_there),
		T(two_commits_of_one_number_stop_publishing_with_evidence),
		T(a_partner_that_saw_another_commit_shows_the_fork),
		T(a_broker_from_an_old_backup_is_not_worked_with),
		T(a_node_restored_from_a_copy_begins_a_new_sender_epoch),
		T(after_a_new_log_epoch_the_stored_ones_are_offered_again),
		T(c11_what_expired_before_the_new_log_epoch_stays_stored_and_its_number_is_voided),
		T(confirmations_count_only_from_readers_and_about_what_was_sent),
		T(only_the_first_senders_partner_cancels),
		T(a_full_store_acknowledges_nothing_and_goes_on_when_there_is_room),
		T(what_is_published_in_a_batch_stands_whole_or_not_at_all),
		T(what_nobody_confirms_in_time_is_shown_with_who_is_missing),
		T(a_trace_tells_when_it_was_stored_and_by_whom_it_was_confirmed),
		T(an_alert_is_found_again_by_its_cap_identifier_which_is_not_on_disk),
		T(a_broker_without_the_key_of_the_agreement_gets_nothing),
		T(publishing_what_the_broker_would_refuse_is_refused_here),
	};

	return cmocka_run_group_tests(tests, fixture_make_keys, fixture_free_keys);
}
