/* A node against a broker, or a partner, that lies in one way: what the node says of it, and that it goes on. */
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
#include "clients/partner/pstore.h"
#include "partner_world.h"
#include "proto/entry.h"
#include "proto/parts.h"
#include "proto/payload.h"

#define HOUR_MS (3600ull * 1000)

/* ---- looking at the node ---- */

/* How many in a list of status, and a text of its newest (or NULL). */
static size_t
listed(struct world *w, const char *list, const char *key, char text[512])
{
	json_t *status = desk_status(w->node), *array = json_object_get(status, list);
	size_t count = json_array_size(array);
	const char *s = key != NULL && count > 0 ? json_string_value(json_object_get(json_array_get(array, 0), key)) : NULL;

	if (text != NULL)
		(void)snprintf(text, 512, "%s", s != NULL ? s : "");
	json_decref(status);
	return count;
}

static void
expect_alarm(struct world *w, const char *code, const char *says)
{
	json_t *status = desk_status(w->node), *a;
	const char *text = NULL;
	size_t i;

	json_array_foreach(json_object_get(status, "alarms"), i, a)
		if (strcmp(json_string_value(json_object_get(a, "code")), code) == 0)
			text = json_string_value(json_object_get(a, "text"));
	if (text == NULL)
		fail_msg("there is no alarm %s", code);
	if (strstr(text, says) == NULL)
		fail_msg("the alarm %s does not say \"%s\": %s", code, says, text);
	json_decref(status);
}

static enum outbox_state
state_of(struct world *w, const uint8_t id[KW_ID_LEN])
{
	enum outbox_state s;
	char reason[512];

	assert_int_equal(desk_outbox_state(&s, reason, w->node, id), KW_OK);
	return s;
}

/* A good one still comes through: whatever the lie was, it ended nothing. */
static void
expect_alive(struct world *w)
{
	uint32_t before = world_inbox(w, false, NULL, NULL);
	struct given g;

	world_seal(&g, w, LANE_FLASH, NULL);
	world_deliver(w, &g, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	assert_int_equal(world_inbox(w, false, NULL, NULL), before + 1);
	given_free(&g);
}

static void
up_and_quiet(struct world *w)
{
	world_up(w);
	world_steps(w, 5);
}

static void
deliver_as(struct world *w, const char *sender, const char *signer, uint64_t number, struct header *h, struct span payload)
{
	struct given g;

	world_seal_as(&g, w, sender, signer, number, h, payload);
	world_deliver(w, &g, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	given_free(&g);
}

/* ---- the broker: commits and proofs ---- */

static void
beat(struct world *w)
{
	struct wire_msg m = {.kind = WIRE_BEAT, .beat = {.has_commit = true}};

	memcpy(m.beat.commit, w->record, WIRE_COMMIT_LEN);
	world_send(w, &m, span_of(NULL, 0));
	world_steps(w, 10);
}

static void
a_commit_number_that_no_log_reaches_is_a_lie(void **state)
{
	struct world *w = *state;
	uint8_t root[KW_HASH_LEN] = {1};

	up_and_quiet(w);
	w->commit.number = UINT64_MAX - 1;
	world_next_commit(w, root);
	beat(w);
	expect_alarm(w, "broker_lies", "18446744073709551615");
	memset(&w->commit, 0, sizeof w->commit);
	world_welcome(w);
	expect_alive(w);
}

/* What the node published, stored at a position that the lie chooses, with a path that holds. */
static void
store_at(struct world *w, struct position at)
{
	struct wire_stored_item item = {.at = at};
	struct wire_msg m = {.kind = WIRE_STORED, .stored = {.count = 1, .items = &item}};
	uint8_t hash[KW_HASH_LEN], leaf[KW_HASH_LEN];
	struct header h;
	struct frame f;
	struct leaf l;

	assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
	assert_int_equal(header_decode(&h, f.header, NULL), KW_OK);
	seal_frame_hash(hash, &f);
	memcpy(item.id, h.id, KW_ID_LEN);
	l = (struct leaf){at, h.sender, h.id, hash};
	commit_leaf(leaf, &l);
	world_next_commit(w, leaf);
	memcpy(m.stored.commit, w->record, WIRE_COMMIT_LEN);
	world_send(w, &m, span_of(NULL, 0));
	world_steps(w, 20);
}

static void
publish(struct world *w, uint8_t id[KW_ID_LEN])
{
	struct kw_why why;

	assert_int_equal(world_publish(w, "alert/flood", id, &why), KW_OK);
	(void)world_expect(w, WIRE_PUBLISH);
}

static void
a_position_that_no_log_reaches_is_a_lie(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	up_and_quiet(w);
	publish(w, id);
	store_at(w, (struct position){1, LANE_FLASH, UINT64_MAX});
	expect_alarm(w, "broker_lies", "cannot be");
	assert_int_equal(state_of(w, id), OUTBOX_WAITING);
}

static void
a_stored_in_a_log_epoch_that_was_never_opened_is_a_lie(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];

	up_and_quiet(w);
	publish(w, id);
	store_at(w, (struct position){8, LANE_FLASH, 1}); /* its commits would be compared with nobody's */
	expect_alarm(w, "broker_lies", "cannot be");
	assert_int_equal(state_of(w, id), OUTBOX_WAITING);
}

static void
a_second_place_for_what_was_stored_is_evidence(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	char kind[512];
	json_t *t = NULL;
	struct kw_why why;

	up_and_quiet(w);
	publish(w, id);
	store_at(w, (struct position){1, LANE_FLASH, 1});
	assert_int_equal(state_of(w, id), OUTBOX_STORED);
	store_at(w, (struct position){1, LANE_FLASH, 9});
	expect_alarm(w, "broker_lies", "two places");
	assert_int_equal(listed(w, "evidence", "kind", kind), 1);
	assert_string_equal(kind, "order");
	assert_int_equal(desk_trace(&t, w->node, id, "", &why), KW_OK); /* the first proof stays */
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json_object_get(t, "stored"), "position"), "number")), 1);
	json_decref(t);
}

static void
one_place_for_two_notifications_is_evidence(void **state)
{
	struct world *w = *state;
	uint8_t a[KW_ID_LEN], b[KW_ID_LEN];
	char kind[512];

	up_and_quiet(w);
	publish(w, a);
	store_at(w, (struct position){1, LANE_FLASH, 1});
	publish(w, b);
	store_at(w, (struct position){1, LANE_FLASH, 1});
	expect_alarm(w, "broker_lies", "one place");
	assert_int_equal(listed(w, "evidence", "kind", kind), 1);
	assert_string_equal(kind, "order");
	assert_int_equal(state_of(w, b), OUTBOX_WAITING);
}

/* ---- the broker: deliveries ---- */

static void
out_of_order_is_a_gap(void **state)
{
	struct world *w = *state;
	struct given a, b;

	up_and_quiet(w);
	world_seal(&a, w, LANE_FLASH, NULL);
	world_seal(&b, w, LANE_FLASH, NULL);
	world_deliver_at(w, &b, MARK_WHOLE, 2);
	world_deliver_at(w, &a, MARK_WHOLE, 1);
	(void)world_expect(w, WIRE_ACK);
	world_steps(w, 10);
	assert_int_equal(listed(w, "gaps", NULL, NULL), 1);
	world_deliver_at(w, &a, MARK_WHOLE, 3);
	world_steps(w, 10);
	assert_int_equal(listed(w, "gaps", NULL, NULL), 0);
	assert_int_equal(world_inbox(w, false, NULL, NULL), 2);
	given_free(&a);
	given_free(&b);
}

static void
an_hour_ago(struct header *h)
{
	h->created_ms -= HOUR_MS;
}

static void
what_is_marked_expired_and_is_not_is_withheld(void **state)
{
	struct world *w = *state;
	struct given g;
	char mark[512];

	up_and_quiet(w);
	world_seal(&g, w, LANE_FLASH, an_hour_ago); /* before this node was connected */
	world_deliver(w, &g, MARK_EXPIRED);
	(void)world_expect(w, WIRE_ACK);
	assert_int_equal(world_inbox(w, false, NULL, mark), 1);
	assert_string_equal(mark, "withheld");
	expect_alarm(w, "withheld", "city/public-order");
	given_free(&g);
}

static void
over_for_half_an_hour(struct header *h)
{
	h->created_ms -= HOUR_MS;
	h->expires_ms = h->created_ms + HOUR_MS / 2;
}

static void
what_expired_while_this_node_was_away_is_no_alarm(void **state)
{
	struct world *w = *state;
	struct given g;
	char mark[512];

	up_and_quiet(w);
	world_seal(&g, w, LANE_FLASH, over_for_half_an_hour);
	world_deliver(w, &g, MARK_EXPIRED);
	(void)world_expect(w, WIRE_ACK);
	assert_int_equal(world_inbox(w, false, NULL, mark), 1);
	assert_string_equal(mark, "expired");
	assert_int_equal(listed(w, "alarms", NULL, NULL), 0);
	given_free(&g);
}

static void
what_is_subscribed_and_comes_as_if_it_were_not_is_withheld(void **state)
{
	struct world *w = *state;
	static char filters[1][KW_TOPIC_MAX + 1] = {"alert/storm"};
	struct given g;
	char mark[512];

	w->config.filters = calloc(1, sizeof filters[0]);
	memcpy(w->config.filters, filters, sizeof filters);
	w->config.filter_count = 1;
	up_and_quiet(w);
	world_seal(&g, w, LANE_FLASH, an_hour_ago);
	world_deliver(w, &g, MARK_NOT_SUBSCRIBED);
	(void)world_expect(w, WIRE_ACK);
	assert_int_equal(world_inbox(w, false, NULL, mark), 1);
	assert_string_equal(mark, "withheld");
	expect_alarm(w, "withheld", "not subscribed to");
	given_free(&g);
}

static void
on_another_topic(struct header *h)
{
	an_hour_ago(h);
	(void)snprintf(h->topic, sizeof h->topic, "alert/fire");
}

static void
what_is_not_subscribed_comes_bare_without_an_alarm(void **state)
{
	struct world *w = *state;
	struct given g;
	char mark[512];

	w->config.filters = calloc(1, KW_TOPIC_MAX + 1);
	memcpy(w->config.filters[0], "alert/storm", 12);
	w->config.filter_count = 1;
	up_and_quiet(w);
	world_seal(&g, w, LANE_FLASH, on_another_topic);
	world_deliver(w, &g, MARK_NOT_SUBSCRIBED);
	(void)world_expect(w, WIRE_ACK);
	assert_int_equal(world_inbox(w, false, NULL, mark), 1);
	assert_string_equal(mark, "not subscribed");
	assert_int_equal(listed(w, "alarms", NULL, NULL), 0);
	given_free(&g);
}

static void
a_void(struct header *h)
{
	on_another_topic(h);
	h->type = TYPE_VOID;
	h->payload_type = PAYLOAD_VOID;
	h->about.set = true;
}

/* Its numbers are missed, whatever is subscribed to. */
static void
a_void_is_withheld_where_it_comes_bare_as_not_subscribed(void **state)
{
	struct world *w = *state;
	struct given g;

	w->config.filters = calloc(1, KW_TOPIC_MAX + 1);
	memcpy(w->config.filters[0], "alert/storm", 12);
	w->config.filter_count = 1;
	up_and_quiet(w);
	world_seal(&g, w, LANE_FLASH, a_void);
	world_deliver(w, &g, MARK_NOT_SUBSCRIBED);
	(void)world_expect(w, WIRE_ACK);
	assert_true(world_alarm(w, "withheld"));
	given_free(&g);
}

static void
a_body_that_went_before_this_node_had_it_is_withheld(void **state)
{
	struct world *w = *state;
	struct given g;
	char mark[512];

	up_and_quiet(w);
	world_seal(&g, w, LANE_FLASH, an_hour_ago);
	world_deliver(w, &g, MARK_PURGED);
	(void)world_expect(w, WIRE_ACK);
	assert_int_equal(world_inbox(w, false, NULL, mark), 1);
	assert_string_equal(mark, "withheld");
	expect_alarm(w, "withheld", "old copy");
	given_free(&g);
}

static void
a_notification_that_comes_as_the_brokers_own_entry_is_a_lie(void **state)
{
	struct world *w = *state;
	struct wire_msg m = {.kind = WIRE_DELIVER};
	struct given g;

	up_and_quiet(w);
	world_seal(&g, w, LANE_FLASH, NULL);
	m.deliver.at = (struct position){1, LANE_FLASH, ++w->tail[LANE_FLASH]};
	m.deliver.commit = 1;
	m.deliver.mark = MARK_ENTRY;
	world_send(w, &m, buf_span(&g.frame));
	(void)world_expect(w, WIRE_ACK);
	expect_alarm(w, "broker_lies", "not signed by the broker");
	expect_alive(w);
	assert_int_equal(listed(w, "gaps", NULL, NULL), 1); /* and its number is missing */
	given_free(&g);
}

static void
send_entry(struct world *w, uint8_t kind, const char *signer, const uint8_t hash[KW_HASH_LEN])
{
	struct broker_entry e = {.kind = ENTRY_AGREEMENT, .time_ms = clock_wall_ms(), .version = w->version};
	struct wire_msg m = {.kind = WIRE_DELIVER};
	uint8_t bytes[ENTRY_LEN];

	memcpy(e.agreement_hash, hash, KW_HASH_LEN);
	entry_encode(bytes, &e, secret_keys_sign(fixture_key(signer)));
	bytes[4] = kind;
	assert_true(seal_sign(bytes + ENTRY_LEN - KW_SIG_LEN, LABEL_SIGN_CASE, span_of(bytes, ENTRY_LEN - KW_SIG_LEN), secret_keys_sign(fixture_key(signer))));
	m.deliver.at = (struct position){1, LANE_FLASH, ++w->tail[LANE_FLASH]};
	m.deliver.commit = 1;
	m.deliver.mark = MARK_ENTRY;
	world_send(w, &m, span_of(bytes, sizeof bytes));
	(void)world_expect(w, WIRE_ACK);
}

static void
an_entry_signed_by_another_key_is_a_lie(void **state)
{
	struct world *w = *state;

	up_and_quiet(w);
	send_entry(w, ENTRY_AGREEMENT, "city/public-order", w->agreement_hash);
	expect_alarm(w, "broker_lies", "not signed by the broker");
	expect_alive(w);
}

static void
an_entry_of_a_kind_to_come_is_passed(void **state)
{
	struct world *w = *state;

	up_and_quiet(w);
	send_entry(w, 9, "haus", w->agreement_hash);
	assert_int_equal(listed(w, "alarms", NULL, NULL), 0);
	expect_alive(w);
}

static void
an_entry_that_names_another_text_is_evidence(void **state)
{
	struct world *w = *state;
	uint8_t other[KW_HASH_LEN] = {7};
	char kind[512];

	up_and_quiet(w);
	send_entry(w, ENTRY_AGREEMENT, "haus", other);
	expect_alarm(w, "agreement_refused", "another text of version 1");
	assert_int_equal(listed(w, "evidence", "kind", kind), 1);
	assert_string_equal(kind, "agreement");
}

static void
what_was_had_long_ago_is_a_replay_and_no_evidence_against_its_sender(void **state)
{
	struct world *w = *state;
	struct pstore_owner owner = {"musterstadt", "police/control-room", MODE_LIVE};
	struct pstore *s = NULL;
	struct given g;
	uint32_t done;
	char reason[512];
	struct kw_why why;

	up_and_quiet(w);
	world_seal(&g, w, LANE_FLASH, NULL);
	world_deliver(w, &g, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	world_stop(w);
	assert_int_equal(pstore_open(&s, w->config.state, &owner, 0, &why), KW_OK); /* ten years later nothing of it is kept */
	assert_int_equal(pstore_begin(s, &why), KW_OK);
	assert_int_equal(pstore_sweep(&done, s, clock_wall_ms() + 10 * 366 * 24 * HOUR_MS, 1000, &why), KW_OK);
	assert_true(done > 0);
	assert_int_equal(pstore_commit(s, &why), KW_OK);
	pstore_close(&s);
	world_start(w);
	world_welcome(w);
	world_steps(w, 5);
	assert_int_equal(world_inbox(w, false, NULL, NULL), 0);
	world_deliver(w, &g, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	assert_int_equal(world_inbox(w, false, NULL, NULL), 0);
	assert_int_equal(world_inbox(w, true, NULL, reason), 1);
	assert_non_null(strstr(reason, "replay"));
	assert_false(world_alarm(w, "equivocation"));
	assert_int_equal(listed(w, "evidence", NULL, NULL), 0);
	given_free(&g);
}

static void
what_waits_for_an_agreement_does_not_fill_the_memory(void **state)
{
	struct world *w = *state;
	struct buf large = BUF_INIT(KW_BODY_MAX);
	uint8_t block[1024];
	struct header h;
	struct given g;

	while (large.len < 250 * 1024) { /* does not get smaller when compressed */
		randombytes_buf(block, sizeof block);
		buf_put(&large, block, sizeof block);
	}
	up_and_quiet(w);
	world_header(&h, w, LANE_FLASH);
	h.agreement_version = 2;
	world_seal_as(&g, w, "city/public-order", "city/public-order", 1, &h, buf_span(&large));
	for (int i = 0; i < 90 && !world_alarm(w, "broker_lies"); i++) {
		world_deliver(w, &g, MARK_WHOLE);
		world_steps(w, 1);
	}
	expect_alarm(w, "broker_lies", "more than this node's window allows");
	given_free(&g);
	buf_free(&large);
}

/* ---- the broker: agreement and words ---- */

static void
send_text(struct world *w, uint32_t version, const struct buf *text, const struct buf *sigs)
{
	struct wire_msg m = {.kind = WIRE_AGREEMENT, .agreement = {version, 0, (uint32_t)text->len, buf_span(text), buf_span(sigs)}};

	world_send(w, &m, span_of(NULL, 0));
	world_steps(w, 20);
}

static void
copy(struct buf *out, const struct buf *in)
{
	*out = BUF_INIT(KW_AGREEMENT_MAX);
	buf_put_span(out, buf_span(in));
}

static void
a_second_successor_is_evidence_though_nobody_asked_for_it(void **state)
{
	struct world *w = *state;
	struct buf first, first_sigs, text, sigs;
	uint32_t version;
	char kind[512];

	up_and_quiet(w);
	copy(&first, &w->text);
	copy(&first_sigs, &w->sigs);
	world_next_version(w, "publish: [police, city]", "publish: [police]");
	send_text(w, 2, &w->text, &w->sigs);
	copy(&text, &w->text);
	copy(&sigs, &w->sigs);
	version = w->version;
	buf_free(&w->text); /* another road from version 1, signed as well */
	w->text = first;
	w->version = 1;
	world_next_version(w, "publish: [police, city]", "publish: [city]");
	send_text(w, 2, &w->text, &w->sigs);
	expect_alarm(w, "agreement_refused", "second successor");
	assert_int_equal(listed(w, "evidence", "kind", kind), 1);
	assert_string_equal(kind, "agreement");
	send_text(w, 2, &w->text, &w->sigs); /* said again it is the same */
	assert_int_equal(listed(w, "evidence", NULL, NULL), 1);
	assert_int_equal(version, 2);
	buf_free(&first_sigs);
	buf_free(&text);
	buf_free(&sigs);
}

/* The broker's next version, of three parts: a comment is signed with the rest. */
static void
next_version_of_parts(struct world *w, const char *said)
{
	struct buf longer = BUF_INIT(KW_AGREEMENT_MAX);

	buf_printf(&longer, "topics: # %s", said);
	while (longer.len < 2 * KW_PART_LEN + 1000)
		buf_put_str(&longer, "\n# what fills a part and more of them");
	world_next_version(w, "topics:", buf_text(&longer));
	assert_int_equal(part_count(w->text.len), 3);
	buf_free(&longer);
}

static void
send_part(struct world *w, uint32_t part)
{
	struct wire_msg m = {.kind = WIRE_AGREEMENT, .agreement = {w->version, part, (uint32_t)w->text.len, part_cut(buf_span(&w->text), part), {NULL, 0}}};

	if (part_is_last(part, w->text.len))
		m.agreement.sigs = buf_span(&w->sigs);
	world_send(w, &m, span_of(NULL, 0));
}

static void
expect_asked(struct world *w, uint32_t version, uint32_t part)
{
	const struct wire_msg *m = world_expect(w, WIRE_AGREEMENT_GET);

	assert_int_equal(m->agreement_get.version, version);
	assert_int_equal(m->agreement_get.part, part);
}

static uint32_t
version_of(struct world *w)
{
	json_t *status = desk_status(w->node);
	uint32_t version = (uint32_t)json_integer_value(json_object_get(json_object_get(status, "agreement"), "version"));

	json_decref(status);
	return version;
}

/* */
static void
parts_are_asked_for_one_by_one_and_anew_on_a_new_connection(void **state)
{
	struct world *w = *state;

	up_and_quiet(w);
	next_version_of_parts(w, "long");
	world_send_entry(w, LANE_FLASH);
	expect_asked(w, 2, 0);
	send_part(w, 0);
	expect_asked(w, 2, 1);
	send_part(w, 1);
	send_part(w, 1); /* said again it is nothing */
	expect_asked(w, 2, 2);
	assert_false(world_comes(w, WIRE_AGREEMENT_GET, 10));
	for (int i = 0; i < 3; i++) {
		assert_true(zmq_send(w->router, w->peer, w->peer_len, ZMQ_SNDMORE) >= 0);
		assert_true(zmq_send(w->router, "gibberish", 9, 0) >= 0);
	}
	world_welcome(w); /* it has given the connection up, and what came on it */
	expect_asked(w, 2, 0);
	assert_int_equal(version_of(w), 1);
	for (uint32_t part = 0; part < 3; part++) {
		send_part(w, part);
		if (part < 2)
			expect_asked(w, 2, part + 1);
	}
	world_steps(w, 30);
	assert_int_equal(version_of(w), 2);
	assert_false(world_alarm(w, "agreement_refused"));
}

static void
parts_that_nobody_asked_for_are_passed_over(void **state)
{
	struct world *w = *state;

	up_and_quiet(w);
	next_version_of_parts(w, "long");
	send_part(w, 1);
	send_part(w, 2);
	w->version = 3; /* not the next one */
	send_part(w, 0);
	w->version = 2;
	assert_false(world_comes(w, WIRE_AGREEMENT_GET, 30));
	assert_false(world_alarm(w, "agreement_refused"));
	assert_int_equal(version_of(w), 1);
}

/* One part of it is enough to see that it is another text; the rest is asked for, since it may be evidence. */
static void
a_second_successor_of_many_parts_is_evidence_too(void **state)
{
	struct world *w = *state;
	struct buf first, before;
	char kind[512];

	up_and_quiet(w);
	copy(&first, &w->text);
	next_version_of_parts(w, "here");
	copy(&before, &w->text);
	for (uint32_t part = 0; part < 3; part++) {
		send_part(w, part);
		if (part < 2)
			expect_asked(w, 2, part + 1);
	}
	world_steps(w, 30);
	assert_int_equal(version_of(w), 2);
	send_part(w, 0); /* said again it is the same */
	assert_false(world_comes(w, WIRE_AGREEMENT_GET, 20));
	buf_free(&w->text);
	w->text = first;
	w->version = 1;
	next_version_of_parts(w, "elsewhere");
	assert_false(span_eq(buf_span(&w->text), buf_span(&before)));
	for (uint32_t part = 0; part < 3; part++) {
		send_part(w, part);
		if (part < 2)
			expect_asked(w, 2, part + 1);
	}
	world_steps(w, 30);
	expect_alarm(w, "agreement_refused", "second successor");
	assert_int_equal(listed(w, "evidence", "kind", kind), 1);
	assert_string_equal(kind, "agreement");
	buf_free(&before);
}

static void
a_broker_that_went_back_to_an_older_agreement_is_an_alarm(void **state)
{
	struct world *w = *state;
	uint8_t first[KW_HASH_LEN];

	up_and_quiet(w);
	memcpy(first, w->agreement_hash, KW_HASH_LEN);
	world_next_version(w, NULL, NULL);
	world_send_agreement(w);
	world_steps(w, 20);
	assert_false(world_alarm(w, "agreement_behind"));
	world_stop(w);
	world_start(w);
	w->version = 1;
	memcpy(w->agreement_hash, first, KW_HASH_LEN);
	world_welcome(w);
	world_steps(w, 10);
	expect_alarm(w, "agreement_behind", "version 1");
}

static void
a_broker_that_speaks_gibberish_is_an_alarm(void **state)
{
	struct wire_msg m = {.kind = WIRE_BEAT};
	struct world *w = *state;

	up_and_quiet(w);
	for (int i = 0; i < 3; i++) {
		assert_true(zmq_send(w->router, w->peer, w->peer_len, ZMQ_SNDMORE) >= 0);
		assert_true(zmq_send(w->router, "gibberish", 9, 0) >= 0);
	}
	world_send(w, &m, span_of(NULL, 0));
	world_steps(w, 20);
	expect_alarm(w, "gibberish", "cannot be read");
	world_welcome(w);
	expect_alive(w);
}

/* ---- the sender ---- */

static void
absurd_epoch(struct header *h)
{
	h->sender_epoch = UINT64_MAX;
}

static void
a_sender_epoch_beyond_all_clocks_is_refused(void **state)
{
	struct world *w = *state;
	struct given g;

	up_and_quiet(w);
	world_seal(&g, w, LANE_FLASH, absurd_epoch);
	world_deliver(w, &g, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	assert_int_equal(world_inbox(w, true, NULL, NULL), 1);
	assert_int_equal(world_inbox(w, false, NULL, NULL), 0);
	w->numbers[LANE_FLASH] = 0;
	expect_alive(w);
	given_free(&g);
}

static void
numbers_that_nobody_counts_to_are_refused_by_name(void **state)
{
	static const uint64_t numbers[] = {0, UINT64_MAX, (uint64_t)1 << 50};
	struct world *w = *state;
	char reason[512];

	up_and_quiet(w);
	for (uint32_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		struct header h;

		world_header(&h, w, LANE_FLASH);
		deliver_as(w, "city/public-order", "city/public-order", numbers[i], &h, buf_span(&w->alert));
		assert_int_equal(world_inbox(w, true, NULL, reason), i + 1);
		assert_non_null(strstr(reason, "is no running number"));
	}
	expect_alive(w); /* 1 is still the next */
	assert_int_equal(listed(w, "gaps", NULL, NULL), 0);
}

static void
a_void_that_cannot_be_read_is_put_aside(void **state)
{
	struct world *w = *state;
	struct header h;
	char reason[512];

	up_and_quiet(w);
	world_header(&h, w, LANE_FLASH);
	h.type = TYPE_VOID;
	h.payload_type = PAYLOAD_VOID;
	h.about.set = true;
	deliver_as(w, "city/public-order", "city/public-order", 1, &h, span_str("\xff\xff"));
	assert_int_equal(world_inbox(w, true, NULL, reason), 1);
	assert_non_null(strstr(reason, "Void"));
}

static void
a_void_takes_nothing_back_that_came(void **state)
{
	struct void_number one = {"police/control-room", 1};
	struct world *w = *state;
	struct buf payload = BUF_INIT(4096);
	struct inbox_row row;
	struct header h;
	char mark[512];

	up_and_quiet(w);
	expect_alive(w); /* number 1 */
	assert_int_equal(void_encode(&payload, &one, 1, "never mind"), KW_OK);
	world_header(&h, w, LANE_FLASH);
	h.type = TYPE_VOID;
	h.payload_type = PAYLOAD_VOID;
	h.about.set = true;
	deliver_as(w, "city/public-order", "city/public-order", ++w->numbers[LANE_FLASH], &h, buf_span(&payload));
	assert_int_equal(world_inbox(w, false, &row, mark), 1);
	assert_string_equal(mark, "");
	assert_int_equal(row.header.type, TYPE_NOTICE);
	expect_alive(w);
	buf_free(&payload);
}

static void
a_receipt_that_holds_no_receipt_is_put_aside(void **state)
{
	struct world *w = *state;
	struct header h;
	char reason[512];

	up_and_quiet(w);
	world_header(&h, w, LANE_FLASH);
	h.type = TYPE_DELIVERED;
	h.about.set = true;
	(void)snprintf(h.to[0], sizeof h.to[0], "police/control-room");
	h.to_count = 1;
	deliver_as(w, "city/public-order", "city/public-order", 1, &h, buf_span(&w->alert)); /* it calls itself an alert */
	assert_int_equal(world_inbox(w, true, NULL, reason), 1);
	assert_non_null(strstr(reason, "schema"));
	h.payload_type = PAYLOAD_RECEIPT;
	randombytes_buf(h.id, KW_ID_LEN);
	deliver_as(w, "city/public-order", "city/public-order", 2, &h, buf_span(&w->alert)); /* it calls itself a receipt, and is none */
	assert_int_equal(world_inbox(w, true, NULL, reason), 2);
	assert_non_null(strstr(reason, "Receipt"));
	h.type = TYPE_NOTICE;
	h.about.set = false;
	randombytes_buf(h.id, KW_ID_LEN);
	deliver_as(w, "city/public-order", "city/public-order", 3, &h, buf_span(&w->alert)); /* a notice that calls its content a receipt */
	assert_int_equal(world_inbox(w, true, NULL, reason), 3);
	assert_non_null(strstr(reason, "schema"));
}

static void
in_an_hour(struct header *h)
{
	h->created_ms += HOUR_MS;
}

static void
a_clock_that_lies_is_marked_and_loses_nothing(void **state)
{
	struct world *w = *state;
	struct given early, late;
	char mark[512];

	up_and_quiet(w);
	world_seal(&early, w, LANE_FLASH, in_an_hour);
	world_deliver(w, &early, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	assert_int_equal(world_inbox(w, false, NULL, mark), 1);
	assert_string_equal(mark, "clock");
	world_seal(&late, w, LANE_FLASH, over_for_half_an_hour);
	world_deliver(w, &late, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	assert_int_equal(world_inbox(w, false, NULL, mark), 2);
	assert_string_equal(mark, "late");
	given_free(&early);
	given_free(&late);
}

static void
another_text_under_a_known_id_is_a_conflict(void **state)
{
	struct world *w = *state;
	struct header h;
	char reason[512];

	up_and_quiet(w);
	world_header(&h, w, LANE_FLASH);
	deliver_as(w, "city/public-order", "city/public-order", 1, &h, buf_span(&w->alert));
	deliver_as(w, "city/public-order", "city/public-order", 2, &h, buf_span(&w->alert)); /* sealed anew: other bytes */
	assert_int_equal(world_inbox(w, false, NULL, NULL), 1);
	assert_int_equal(world_inbox(w, true, NULL, reason), 1);
	assert_non_null(strstr(reason, "conflict"));
	expect_alarm(w, "conflict", "city/public-order");
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_commit_number_that_no_log_reaches_is_a_lie),
		T(a_position_that_no_log_reaches_is_a_lie),
		T(a_stored_in_a_log_epoch_that_was_never_opened_is_a_lie),
		T(a_second_place_for_what_was_stored_is_evidence),
		T(one_place_for_two_notifications_is_evidence),
		T(out_of_order_is_a_gap),
		T(what_is_marked_expired_and_is_not_is_withheld),
		T(what_expired_while_this_node_was_away_is_no_alarm),
		T(what_is_subscribed_and_comes_as_if_it_were_not_is_withheld),
		T(what_is_not_subscribed_comes_bare_without_an_alarm),
		T(a_void_is_withheld_where_it_comes_bare_as_not_subscribed),
		T(a_body_that_went_before_this_node_had_it_is_withheld),
		T(a_notification_that_comes_as_the_brokers_own_entry_is_a_lie),
		T(an_entry_signed_by_another_key_is_a_lie),
		T(an_entry_of_a_kind_to_come_is_passed),
		T(an_entry_that_names_another_text_is_evidence),
		T(what_was_had_long_ago_is_a_replay_and_no_evidence_against_its_sender),
		T(what_waits_for_an_agreement_does_not_fill_the_memory),
		T(a_second_successor_is_evidence_though_nobody_asked_for_it),
		T(a_second_successor_of_many_parts_is_evidence_too),
		T(parts_are_asked_for_one_by_one_and_anew_on_a_new_connection),
		T(parts_that_nobody_asked_for_are_passed_over),
		T(a_broker_that_went_back_to_an_older_agreement_is_an_alarm),
		T(a_broker_that_speaks_gibberish_is_an_alarm),
		T(a_sender_epoch_beyond_all_clocks_is_refused),
		T(numbers_that_nobody_counts_to_are_refused_by_name),
		T(a_void_that_cannot_be_read_is_put_aside),
		T(a_void_takes_nothing_back_that_came),
		T(a_receipt_that_holds_no_receipt_is_put_aside),
		T(a_clock_that_lies_is_marked_and_loses_nothing),
		T(another_text_under_a_known_id_is_a_conflict),
	};

	return cmocka_run_group_tests(tests, fixture_make_keys, fixture_free_keys);
}
