/* [D-6] Each of a reader's checks with the lie that it is there for, and where it stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "agreement_fixture.h"
#include "clients/partner/reader.h"
#include "partner_world.h"
#include "proto/seal_steps.h"

struct desk { /* a reader, and one good delivery for it */
	struct world *w;
	struct agreement_chain *chain;
	struct seal_opener *opener;
	struct reader reader;
	struct given g;
	struct wire_deliver d;
};

static void
add_version(struct desk *k)
{
	struct agreement *a = NULL;
	struct kw_why why;
	enum kw_err err = agreement_parse(&a, buf_span(&k->w->text), NULL, &why);

	if (err == KW_OK && agreement_chain_newest(k->chain) == NULL)
		err = agreement_chain_add_first(k->chain, &a, buf_span(&k->w->sigs), NULL, &why);
	else if (err == KW_OK)
		err = agreement_chain_add_next(k->chain, &a, buf_span(&k->w->sigs), &why);
	if (err != KW_OK)
		fail_msg("%s", why.text);
}

static void
take(struct desk *k, const struct header *h, const char *signer, struct span payload)
{
	struct header copy = *h;
	char sender[KW_NODE_MAX + 1];

	given_free(&k->g);
	memcpy(sender, h->sender, sizeof sender);
	world_seal_as(&k->g, k->w, sender, signer, 7, &copy, payload);
	k->d = (struct wire_deliver){.at = {1, copy.lane, 1}, .commit = 1, .mark = MARK_WHOLE, .has_wrap = true};
	memcpy(k->d.wrap, k->g.wrap, KW_WRAP_LEN);
}

static int
set_up(void **state)
{
	struct desk *k = calloc(1, sizeof *k);
	const struct secret_keys *mine = fixture_key("police/control-room");
	void *w = NULL;
	struct header h;

	if (world_set_up(&w) != 0)
		return -1;
	k->w = w;
	assert_int_equal(agreement_chain_new(&k->chain), KW_OK);
	add_version(k);
	assert_int_equal(seal_opener_new(&k->opener, "police/control-room", secret_keys_public(mine)->seal_pk, secret_keys_seal(mine), 8), KW_OK);
	k->reader = (struct reader){"police/control-room", k->chain, k->opener, NULL, 0};
	world_header(&h, k->w, LANE_FLASH);
	take(k, &h, "city/public-order", buf_span(&k->w->alert));
	*state = k;
	return 0;
}

static int
tear_down(void **state)
{
	struct desk *k = *state;
	void *w = k->w;

	given_free(&k->g);
	seal_opener_free(&k->opener);
	agreement_chain_free(&k->chain);
	free(k);
	return world_tear_down(&w);
}

/* Reads the bytes; a good reading's number is checked here, all else by the caller. */
static struct reading
read_it(struct desk *k, struct span bytes)
{
	struct reading r;

	if (reader_head(&r, bytes, k->d.mark) == KW_OK)
		reader_check(&r, &k->reader, &k->d);
	return r;
}

static void
expect(struct desk *k, enum reader_verdict verdict, enum reader_step step, bool held)
{
	struct reading r = read_it(k, buf_span(&k->g.frame));

	if (r.verdict != verdict || r.step != step)
		fail_msg("verdict %d at %s: %s", (int)r.verdict, reader_step_name(r.step), r.why.text);
	assert_int_equal(r.signature_held, held);
	if (verdict != READER_FINE)
		assert_true(r.why.text[0] != '\0');
	assert_true(verdict == READER_FINE || !r.whole);
	reading_free(&r);
}

static void
a_good_one_opens_with_its_number(void **state)
{
	struct desk *k = *state;
	struct reading r = read_it(k, buf_span(&k->g.frame));

	assert_int_equal(r.verdict, READER_FINE);
	assert_true(r.has_number && r.whole && r.signature_held && !r.outdated);
	assert_int_equal(r.number, 7);
	assert_true(span_eq(buf_span(&r.payload), buf_span(&k->w->alert)));
	reading_free(&r);
}

static void
every_flipped_bit_is_refused(void **state)
{
	struct desk *k = *state;
	struct buf *b = &k->g.frame;

	expect(k, READER_FINE, STEP_ALL, true);
	for (size_t bit = 0; bit < b->len * 8; bit++) {
		struct reading r;

		b->p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		r = read_it(k, buf_span(b));
		if (r.verdict == READER_FINE)
			fail_msg("bit %zu", bit);
		assert_int_equal(r.payload.len, 0);
		reading_free(&r);
		b->p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
}

/* Makes the body's hash and the signature fit what the frame holds now, as only its sender can. */
static void
sign_again(struct buf *b, const struct frame *f)
{
	uint8_t hash[KW_HASH_LEN];

	step_body_hash(hash, f->body);
	memcpy(b->p + (f->body_hash - b->p), hash, sizeof hash);
	if (!seal_sign(b->p + (f->signature - b->p), LABEL_SIGN_NOTIFICATION, f->signed_part, secret_keys_sign(fixture_key("city/public-order"))))
		fail_msg("not signed");
}

/* The signature finds every flipped bit first. Here it is the sender's own each time, and still header, wrap and body fit no others. */
static void
every_flipped_bit_is_refused_though_its_sender_signed_it(void **state)
{
	struct desk *k = *state;
	struct buf *b = &k->g.frame;
	struct kw_why why;
	struct frame f;

	assert_int_equal(frame_parse(&f, buf_span(b), FRAME_WHOLE, &why), KW_OK);
	for (size_t i = (size_t)(f.header.p - b->p) * 8; i < b->len * 8; i++) {
		size_t at = i / 8;
		uint8_t bit = (uint8_t)(1u << i % 8);
		bool in_body = at >= (size_t)(f.body.p - b->p);
		struct reading r;

		if (at >= (size_t)(f.body_hash - b->p) && !in_body)
			continue; /* what is made anew, and the body's length */
		b->p[at] ^= bit;
		sign_again(b, &f);
		r = read_it(k, buf_span(b));
		if (r.verdict == READER_FINE || r.whole || r.payload.len > 0 || (in_body && r.step != STEP_BODY))
			fail_msg("bit %zu: verdict %d at %s", i, (int)r.verdict, reader_step_name(r.step));
		reading_free(&r);
		b->p[at] ^= bit;
	}
	sign_again(b, &f);
	expect(k, READER_FINE, STEP_ALL, true);
}

static void
every_truncation_and_one_byte_more_is_refused_by_its_size(void **state)
{
	struct desk *k = *state;
	struct buf more = BUF_INIT(KW_FRAME_MAX + 1);

	expect(k, READER_FINE, STEP_ALL, true);
	for (size_t len = 0; len < k->g.frame.len; len++) {
		struct reading r = read_it(k, span_of(k->g.frame.p, len));

		assert_int_equal(r.verdict, READER_REJECTED);
		assert_int_equal(r.step, STEP_SIZES);
		reading_free(&r);
	}
	buf_put_span(&more, buf_span(&k->g.frame));
	buf_put_u8(&more, 0);
	{
		struct reading r = read_it(k, buf_span(&more));

		assert_int_equal(r.step, STEP_SIZES);
		reading_free(&r);
	}
	buf_free(&more);
}

static void
every_flipped_bit_of_the_wrap_is_refused(void **state)
{
	struct desk *k = *state;

	for (size_t bit = 0; bit < KW_WRAP_LEN * 8; bit++) {
		k->d.wrap[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		expect(k, READER_REJECTED, STEP_WRAP, true);
		k->d.wrap[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
}

static void
a_wrap_that_is_missing_or_of_another_message_is_refused(void **state)
{
	struct desk *k = *state;
	struct given other;

	k->d.has_wrap = false;
	expect(k, READER_REJECTED, STEP_WRAP, true);
	k->d.has_wrap = true;
	world_seal(&other, k->w, LANE_FLASH, NULL);
	memcpy(k->d.wrap, other.wrap, KW_WRAP_LEN);
	expect(k, READER_REJECTED, STEP_WRAP, true);
	given_free(&other);
}

static void
another_lane_partnership_or_mode_is_refused_before_anything_dear(void **state)
{
	struct desk *k = *state;
	struct header h = k->g.header;

	k->d.at.lane = LANE_ROUTINE;
	expect(k, READER_REJECTED, STEP_PLACE, false);
	(void)snprintf(h.partnership, sizeof h.partnership, "anderstadt");
	take(k, &h, "city/public-order", buf_span(&k->w->alert));
	expect(k, READER_REJECTED, STEP_PLACE, false);
	world_header(&h, k->w, LANE_FLASH);
	h.mode = MODE_EXERCISE;
	take(k, &h, "city/public-order", buf_span(&k->w->alert));
	expect(k, READER_REJECTED, STEP_PLACE, false);
}

static void
a_version_to_come_is_held_and_another_text_of_a_known_one_refused(void **state)
{
	struct desk *k = *state;
	struct header h = k->g.header;

	h.agreement_version = 2;
	take(k, &h, "city/public-order", buf_span(&k->w->alert));
	expect(k, READER_HOLD, STEP_AGREEMENT, false);
	h.agreement_version = 1;
	h.agreement_hash[0] ^= 1;
	take(k, &h, "city/public-order", buf_span(&k->w->alert));
	expect(k, READER_REJECTED, STEP_AGREEMENT, false);
}

static void
a_sender_who_is_nobody_or_may_not_is_refused(void **state)
{
	struct desk *k = *state;
	struct header h = k->g.header;

	(void)snprintf(h.sender, sizeof h.sender, "shelter/desk");
	take(k, &h, "shelter/desk", buf_span(&k->w->alert));
	expect(k, READER_REJECTED, STEP_SENDER, false);
	(void)snprintf(h.sender, sizeof h.sender, "youth-house/office"); /* reads alerts, may not publish them */
	take(k, &h, "youth-house/office", buf_span(&k->w->alert));
	expect(k, READER_REJECTED, STEP_SENDER, false);
	world_header(&h, k->w, LANE_FLASH);
	(void)snprintf(h.topic, sizeof h.topic, "weather/rain");
	take(k, &h, "city/public-order", buf_span(&k->w->alert));
	expect(k, READER_REJECTED, STEP_SENDER, false);
}

static void
what_is_meant_for_others_is_refused(void **state)
{
	struct desk *k = *state;
	struct header h = k->g.header;

	(void)snprintf(h.to[0], sizeof h.to[0], "youth-house/office");
	h.to_count = 1;
	take(k, &h, "city/public-order", buf_span(&k->w->alert));
	expect(k, READER_REJECTED, STEP_AUDIENCE, false);
}

static void
a_signature_of_somebody_else_is_refused(void **state)
{
	struct desk *k = *state;
	struct header h = k->g.header;

	take(k, &h, "city/crime-prevention", buf_span(&k->w->alert)); /* a partner that re-signs another's */
	expect(k, READER_REJECTED, STEP_SIGNATURE, false);
}

static void
the_body_of_another_message_is_refused(void **state)
{
	struct desk *k = *state;
	struct given other;
	struct frame mine, theirs;
	struct buf mixed = BUF_INIT(KW_FRAME_MAX);
	struct reading r;

	world_seal(&other, k->w, LANE_FLASH, NULL);
	assert_int_equal(frame_parse(&mine, buf_span(&k->g.frame), FRAME_WHOLE, NULL), KW_OK);
	assert_int_equal(frame_parse(&theirs, buf_span(&other.frame), FRAME_WHOLE, NULL), KW_OK);
	buf_put_span(&mixed, mine.head);
	buf_put_u32(&mixed, (uint32_t)theirs.body.len);
	buf_put_span(&mixed, theirs.body);
	r = read_it(k, buf_span(&mixed));
	assert_int_equal(r.verdict, READER_REJECTED);
	assert_int_equal(r.step, STEP_BODY_HASH);
	reading_free(&r);
	buf_free(&mixed);
	given_free(&other);
}

static void
a_payload_that_is_no_alert_is_refused_with_its_number(void **state)
{
	struct desk *k = *state;
	struct header h = k->g.header;
	struct reading r;

	take(k, &h, "city/public-order", span_str("\xff\xff no protobuf"));
	r = read_it(k, buf_span(&k->g.frame));
	assert_int_equal(r.verdict, READER_REJECTED);
	assert_int_equal(r.step, STEP_PAYLOAD);
	assert_true(r.has_number && r.signature_held);
	reading_free(&r);
}

static void
a_bare_head_shows_its_number_and_nothing_else(void **state)
{
	struct desk *k = *state;
	struct frame f;
	struct reading r;

	assert_int_equal(frame_parse(&f, buf_span(&k->g.frame), FRAME_WHOLE, NULL), KW_OK);
	k->d.mark = MARK_EXPIRED;
	r = read_it(k, f.head);
	assert_int_equal(r.verdict, READER_FINE);
	assert_int_equal(r.number, 7);
	assert_false(r.whole);
	assert_int_equal(r.payload.len, 0);
	reading_free(&r);
	k->d.mark = MARK_WHOLE; /* a broker that drops the body must say so */
	r = read_it(k, f.head);
	assert_int_equal(r.step, STEP_SIZES);
	reading_free(&r);
}

/* */
static void
an_older_version_judges_its_own_and_what_the_newest_forbids_is_marked(void **state)
{
	struct desk *k = *state;
	struct reading r;

	world_next_version(k->w, "publish: [police, city]", "publish: [police]");
	add_version(k);
	r = read_it(k, buf_span(&k->g.frame));
	assert_int_equal(r.verdict, READER_FINE);
	assert_true(r.outdated);
	reading_free(&r);
	world_next_version(k->w, "publish: [police], receive: [police", "publish: [police, city], receive: [police");
	add_version(k);
	r = read_it(k, buf_span(&k->g.frame));
	assert_false(r.outdated);
	reading_free(&r);
}

static void
what_was_sealed_to_the_key_before_opens_while_that_is_kept(void **state)
{
	struct desk *k = *state;
	struct secret_keys *next = NULL;
	struct seal_opener *now = NULL;
	struct reading r;

	assert_int_equal(secret_keys_succeed(&next, fixture_key("police/control-room"), NULL), KW_OK);
	assert_int_equal(seal_opener_new(&now, "police/control-room", secret_keys_public(next)->seal_pk, secret_keys_seal(next), 8), KW_OK);
	k->reader = (struct reader){"police/control-room", k->chain, now, k->opener, 0};
	expect(k, READER_FINE, STEP_ALL, true);
	k->reader.before = NULL;
	r = read_it(k, buf_span(&k->g.frame));
	assert_int_equal(r.verdict, READER_REJECTED);
	assert_int_equal(r.step, STEP_WRAP);
	assert_non_null(strstr(r.why.text, "sealed to the key that police/control-room had in version 1"));
	reading_free(&r);
	k->reader.before = now;
	expect(k, READER_REJECTED, STEP_WRAP, true);
	seal_opener_free(&now);
	secret_keys_free(&next);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_good_one_opens_with_its_number),
		T(every_flipped_bit_is_refused),
		T(every_flipped_bit_is_refused_though_its_sender_signed_it),
		T(every_truncation_and_one_byte_more_is_refused_by_its_size),
		T(every_flipped_bit_of_the_wrap_is_refused),
		T(a_wrap_that_is_missing_or_of_another_message_is_refused),
		T(another_lane_partnership_or_mode_is_refused_before_anything_dear),
		T(a_version_to_come_is_held_and_another_text_of_a_known_one_refused),
		T(a_sender_who_is_nobody_or_may_not_is_refused),
		T(what_is_meant_for_others_is_refused),
		T(a_signature_of_somebody_else_is_refused),
		T(the_body_of_another_message_is_refused),
		T(a_payload_that_is_no_alert_is_refused_with_its_number),
		T(a_bare_head_shows_its_number_and_nothing_else),
		T(an_older_version_judges_its_own_and_what_the_newest_forbids_is_marked),
		T(what_was_sealed_to_the_key_before_opens_while_that_is_kept),
	};

	return cmocka_run_group_tests(tests, fixture_make_keys, fixture_free_keys);
}
