/* what shows that a text was released, with each lie in turn and where it is found. */
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
#include "clients/partner/release.h"
#include "proto/seal.h"

#define NOW 1800000000000ull
#define AUTHOR "police/control-room"
#define CITY "city/public-order"
#define YOUTH "youth-house/office"
#define RULE "publish: [police, city], receive: [\"*\"], release: {approve: [police, city]}"
#define THREE "purpose: danger-prevention, publish: [police, city], receive: [police, city, youth-house], release: {approve: [police, city, youth-house]}"

enum lie {
	NOTHING,
	/* the whole */
	NO_RELEASED, TOO_EARLY, EMBARGO_BY_THE_CLOCK, EMBARGO_IN_THE_TEXT, NO_STATEMENT, OTHER_TEXT,
	/* its draft */
	DRAFT_IS_A_NOTICE, DRAFT_OF_AN_EXERCISE, DRAFT_OF_OTHERS, DRAFT_BY_A_COLLEAGUE, DRAFT_ON_ANOTHER_TOPIC, DRAFT_WITH_ANOTHER_EMBARGO, DRAFT_FOR_LONGER, ANOTHER_DRAFT,
	DRAFT_SIGNED_BY_ANOTHER,
	/* an approval */
	A_REFUSAL, APPROVAL_TO_OTHERS, APPROVAL_OF_AN_EXERCISE, APPROVAL_OF_OTHERS, APPROVAL_ON_ANOTHER_TOPIC, APPROVAL_OF_ANOTHER_DRAFT, APPROVAL_OF_ANOTHER_FRAME, APPROVAL_BY_NOBODY,
	APPROVAL_BY_WHO_IS_NOT_ASKED, APPROVAL_BY_A_COLLEAGUE, APPROVAL_BY_THE_AUTHOR, APPROVAL_SIGNED_BY_ANOTHER, BODY_OF_ANOTHER, KEY_OF_ANOTHER, ANOTHER_DRAFT_INSIDE, TWO_DRAFTS_INSIDE,
	ANOTHER_TEXT_INSIDE, NO_TEXT_INSIDE,
	/* all of them */
	ONE_MISSING, ONE_TWICE, TWO_OF_ONE_PARTNER, NOT_UNDER_THIS_AGREEMENT, NOBODY_TO_ASK,
	LIES
};

struct made { /* a frame, and the key that opens it */
	struct header header;
	struct buf head, body;
	uint8_t key[KW_KEY_LEN], frame_hash[KW_HASH_LEN];
};

static void
made_free(struct made *m)
{
	buf_free(&m->head);
	buf_free(&m->body);
}

static void
seal(struct made *out, const char *signer, struct span payload)
{
	static uint64_t counter;
	struct seal_sender *s = NULL;
	struct seal_opener *o = NULL;
	struct buf header = BUF_INIT(KW_HEADER_MAX);
	const struct secret_keys *reader = fixture_key(AUTHOR);
	struct seal_reader readers[1] = {{AUTHOR, secret_keys_public(reader)->seal_pk, 1}};
	struct sealed sealed;
	struct frame f;
	struct kw_why why;
	uint8_t random[32];
	uint64_t number;

	memset(random, 7, sizeof random);
	assert_int_equal(header_encode(&header, &out->header, NULL), KW_OK);
	counter++;
	assert_int_equal(seal_sender_new(&s, secret_keys_local(reader), random, counter, counter), KW_OK);
	if (seal_notification(&sealed, s, secret_keys_local(reader), random, buf_span(&header), payload, true, secret_keys_sign(fixture_key(signer)), readers, 1, &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_int_equal(frame_parse(&f, buf_span(&sealed.frame), FRAME_WHOLE, NULL), KW_OK);
	assert_int_equal(seal_opener_new(&o, AUTHOR, secret_keys_public(reader)->seal_pk, secret_keys_seal(reader), 4), KW_OK);
	assert_int_equal(seal_open_wrap(&number, out->key, o, &f, buf_span(&sealed.wraps), NULL), KW_OK);
	out->head = BUF_INIT(KW_HEAD_MAX);
	out->body = BUF_INIT(KW_BODY_MAX);
	buf_put_span(&out->head, f.head);
	buf_put_span(&out->body, f.body);
	memcpy(out->frame_hash, sealed.frame_hash, KW_HASH_LEN);
	sealed_free(&sealed);
	seal_opener_free(&o);
	seal_sender_free(&s);
	buf_free(&header);
}

static struct header
header_of(const struct agreement *a, enum notice_type type, const char *sender)
{
	static uint8_t id;
	struct header h = {.mode = MODE_LIVE, .agreement_version = 1, .sender_epoch = 1, .topic = "statement/flood", .lane = LANE_ROUTINE, .created_ms = NOW,
	                   .expires_ms = NOW + 3600000, .type = type, .payload_type = PAYLOAD_STATEMENT};

	strcpy(h.partnership, agreement_partnership(a));
	strcpy(h.sender, sender);
	memset(h.id, ++id, KW_ID_LEN);
	return h;
}

static struct buf
statement(const char *body)
{
	struct buf out = BUF_INIT(1u << 16);
	char json[512];

	(void)snprintf(json, sizeof json, "{\"issuer\":\"police\",\"text\":[{\"language\":\"en\",\"headline\":\"Flood\",\"body\":\"%s\"%s}", body,
	               strchr(body, ']') != NULL ? "" : "}]");
	assert_int_equal(payload_from_json(&out, PAYLOAD_STATEMENT, span_str(json), NULL), KW_OK);
	return out;
}

struct scene {
	enum lie lie;
	const struct agreement *a;
	struct buf text;
	struct made draft, other_draft, approvals[3];
	uint32_t count;
	struct header header;
	uint64_t now_ms;
};

static void
make_draft(struct scene *s)
{
	struct header *h = &s->draft.header;
	const char *signer = AUTHOR;

	*h = header_of(s->a, TYPE_DRAFT, AUTHOR);
	h->created_ms = NOW - 60000;
	if (s->lie == TOO_EARLY || s->lie == EMBARGO_BY_THE_CLOCK)
		h->not_before_ms = NOW + 900000;
	if (s->lie == DRAFT_IS_A_NOTICE)
		h->type = TYPE_NOTICE;
	if (s->lie == DRAFT_OF_AN_EXERCISE)
		h->mode = MODE_EXERCISE;
	if (s->lie == DRAFT_OF_OTHERS)
		strcpy(h->partnership, "elsewhere");
	if (s->lie == DRAFT_BY_A_COLLEAGUE)
		strcpy(h->sender, CITY);
	if (s->lie == DRAFT_ON_ANOTHER_TOPIC)
		strcpy(h->topic, "statement/fire");
	if (s->lie == DRAFT_WITH_ANOTHER_EMBARGO)
		h->not_before_ms = NOW - 1;
	if (s->lie == DRAFT_FOR_LONGER)
		h->expires_ms++;
	if (s->lie == DRAFT_SIGNED_BY_ANOTHER || s->lie == DRAFT_BY_A_COLLEAGUE)
		signer = CITY;
	seal(&s->draft, signer, buf_span(&s->text));
	s->other_draft.header = header_of(s->a, TYPE_DRAFT, AUTHOR);
	seal(&s->other_draft, AUTHOR, buf_span(&s->text));
}

/* The lie is told in the second of them, so that the first is found to hold. */
static void
make_approval(struct scene *s, const char *by)
{
	struct made *m = &s->approvals[s->count];
	struct receipt_payload *p = calloc(1, sizeof *p);
	enum lie lie = s->count == 1 ? s->lie : NOTHING;
	struct buf payload = BUF_INIT(4096), other = statement("Another text");
	struct header *h = &m->header;
	const char *signer = by;

	assert_non_null(p);
	*h = header_of(s->a, lie == A_REFUSAL ? TYPE_REFUSED : TYPE_APPROVED, by);
	h->payload_type = PAYLOAD_RECEIPT;
	h->to_count = 1;
	strcpy(h->to[0], AUTHOR);
	h->about.set = true;
	memcpy(h->about.id, s->draft.header.id, KW_ID_LEN);
	memcpy(h->about.frame_hash, s->draft.frame_hash, KW_HASH_LEN);
	p->count = lie == TWO_DRAFTS_INSIDE ? 2 : 1;
	memcpy(p->items[0].id, h->about.id, KW_ID_LEN);
	memcpy(p->items[0].frame_hash, h->about.frame_hash, KW_HASH_LEN);
	p->items[1] = p->items[0];
	p->items[0].at_ms = NOW;
	p->has_text_hash = lie != NO_TEXT_INSIDE;
	release_text_hash(p->text_hash, PAYLOAD_STATEMENT, lie == ANOTHER_TEXT_INSIDE ? buf_span(&other) : buf_span(&s->text));
	strcpy(p->as, "Press office");
	if (lie == APPROVAL_TO_OTHERS)
		strcpy(h->to[0], CITY);
	if (lie == APPROVAL_OF_AN_EXERCISE)
		h->mode = MODE_EXERCISE;
	if (lie == APPROVAL_OF_OTHERS)
		strcpy(h->partnership, "elsewhere");
	if (lie == APPROVAL_ON_ANOTHER_TOPIC)
		strcpy(h->topic, "statement/fire");
	if (lie == APPROVAL_OF_ANOTHER_DRAFT)
		memcpy(h->about.id, s->other_draft.header.id, KW_ID_LEN);
	if (lie == APPROVAL_OF_ANOTHER_FRAME)
		memcpy(h->about.frame_hash, s->other_draft.frame_hash, KW_HASH_LEN);
	if (lie == ANOTHER_DRAFT_INSIDE)
		memcpy(p->items[0].frame_hash, s->other_draft.frame_hash, KW_HASH_LEN);
	if (lie == APPROVAL_BY_NOBODY)
		strcpy(h->sender, "police/second"); /* has a key, and no place in this agreement */
	if (lie == APPROVAL_BY_WHO_IS_NOT_ASKED)
		strcpy(h->sender, "shelter/desk");
	if (lie == APPROVAL_BY_THE_AUTHOR)
		strcpy(h->sender, AUTHOR);
	if (lie == APPROVAL_SIGNED_BY_ANOTHER)
		signer = AUTHOR;
	if (lie == APPROVAL_BY_THE_AUTHOR || lie == APPROVAL_BY_WHO_IS_NOT_ASKED || lie == APPROVAL_BY_NOBODY)
		signer = h->sender;
	assert_int_equal(receipt_encode(&payload, p), KW_OK);
	seal(m, signer, buf_span(&payload));
	s->count++;
	buf_free(&payload);
	buf_free(&other);
	free(p);
}

static void
make_header(struct scene *s)
{
	struct header *h = &s->header;

	*h = header_of(s->a, s->lie == NO_RELEASED ? TYPE_NOTICE : TYPE_RELEASED, AUTHOR);
	h->about.set = true;
	memcpy(h->about.id, (s->lie == ANOTHER_DRAFT ? &s->other_draft : &s->draft)->header.id, KW_ID_LEN);
	memcpy(h->about.frame_hash, s->draft.frame_hash, KW_HASH_LEN);
	if (s->lie != DRAFT_WITH_ANOTHER_EMBARGO)
		h->not_before_ms = s->draft.header.not_before_ms;
	if (s->lie == EMBARGO_BY_THE_CLOCK)
		h->created_ms = NOW + 900000;
}

static void
write_payload(struct buf *out, const struct scene *s)
{
	struct release_payload *p = calloc(1, sizeof *p);
	struct buf other = statement("Another text");

	assert_non_null(p);
	p->content = s->lie == NO_STATEMENT ? span_str("\xff") : s->lie == OTHER_TEXT ? buf_span(&other) : buf_span(&s->text);
	p->draft = buf_span(&s->draft.head);
	p->count = s->count;
	for (uint32_t i = 0; i < s->count; i++) {
		const struct made *m = &s->approvals[i];

		p->approvals[i].head = buf_span(&m->head);
		p->approvals[i].body = buf_span(i == 1 && s->lie == BODY_OF_ANOTHER ? &s->approvals[0].body : &m->body);
		p->approvals[i].key = i == 1 && s->lie == KEY_OF_ANOTHER ? s->approvals[0].key : m->key;
	}
	assert_int_equal(release_encode(out, p), KW_OK);
	buf_free(&other);
	free(p);
}

static const char *
rule_for(enum lie lie)
{
	return lie == NOBODY_TO_ASK ? "purpose: danger-prevention, publish: [city], receive: [police, city, youth-house], release: {approve: [police]}"
	       : lie == NOT_UNDER_THIS_AGREEMENT ? "purpose: danger-prevention, publish: [police, city], receive: [police, city, youth-house], release: {approve: [police, city]}"
	                                         : THREE;
}

static enum kw_err
told(struct release *out, enum lie lie, struct kw_why *why)
{
	struct agreement *a = fixture_agreement(fixture_text, RULE, rule_for(lie));
	struct scene *s = calloc(1, sizeof *s);
	struct buf payload = BUF_INIT(KW_OPENED_MAX);
	enum kw_err err;

	assert_non_null(s);
	s->lie = lie;
	s->a = a;
	s->text = statement(lie == EMBARGO_IN_THE_TEXT ? "The river rises.\"}],\"notBefore\":\"2089-01-01T00:00:00+00:00\",\"occasion\":\"flood" : "The river rises.");
	s->now_ms = NOW;
	make_draft(s);
	make_approval(s, CITY);
	if (lie != ONE_MISSING)
		make_approval(s, lie == ONE_TWICE ? CITY : lie == TWO_OF_ONE_PARTNER ? "city/crime-prevention" : lie == APPROVAL_BY_A_COLLEAGUE ? AUTHOR : YOUTH);
	make_header(s);
	write_payload(&payload, s);
	err = release_check(out, &s->header, buf_span(&payload), a, s->now_ms, why);
	if (err == KW_OK) {
		struct release *read = calloc(1, sizeof *read);

		assert_non_null(read);
		assert_true(span_eq(out->content, buf_span(&s->text)));
		assert_true(span_eq(release_content(TYPE_RELEASED, buf_span(&payload)), buf_span(&s->text)));
		assert_int_equal(release_read(read, buf_span(&payload), why), KW_OK);
		assert_int_equal(read->count, out->count);
		assert_memory_equal(read->words, out->words, sizeof read->words);
		free(read);
	}
	for (uint32_t i = 0; i < s->count; i++)
		made_free(&s->approvals[i]);
	made_free(&s->draft);
	made_free(&s->other_draft);
	buf_free(&s->text);
	buf_free(&payload);
	agreement_free(&a);
	free(s);
	return err;
}

static void
what_all_approved_is_released(void **state)
{
	struct release *r = calloc(1, sizeof *r);
	struct kw_why why = {{0}};

	(void)state;
	assert_non_null(r);
	if (told(r, NOTHING, &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_int_equal(r->count, 2);
	assert_string_equal(r->words[0].node, CITY);
	assert_string_equal(r->words[1].node, YOUTH);
	assert_string_equal(r->words[1].as, "Press office");
	free(r);
}

static void
each_lie_about_a_release_is_found(void **state)
{
	static const char *const found[LIES] = {
		[NO_RELEASED] = "a \"notice\" is nothing that was released",
		[TOO_EARLY] = "it was released 900 s before its embargo is over",
		[EMBARGO_BY_THE_CLOCK] = "its embargo is over only in 900 s by this machine's clock",
		[EMBARGO_IN_THE_TEXT] = "its text names a later embargo than its header, by",
		[NO_STATEMENT] = "Statement: a number is cut off",
		[OTHER_TEXT] = "the approval of " CITY " is for another text",
		[DRAFT_IS_A_NOTICE] = "its draft is of type \"notice\"",
		[DRAFT_OF_AN_EXERCISE] = "its draft says exercise, but the agreement is live",
		[DRAFT_OF_OTHERS] = "its draft is from the partnership \"elsewhere\"",
		[DRAFT_BY_A_COLLEAGUE] = "its draft was sent by " CITY ", and it by " AUTHOR,
		[DRAFT_ON_ANOTHER_TOPIC] = "its draft stands on another topic",
		[DRAFT_WITH_ANOTHER_EMBARGO] = "it has another embargo than its draft",
		[DRAFT_FOR_LONGER] = "it holds until another time than its draft",
		[ANOTHER_DRAFT] = "it is about another draft than the one that it brings",
		[DRAFT_SIGNED_BY_ANOTHER] = "signature",
		[A_REFUSAL] = "is of type \"refused\"",
		[APPROVAL_TO_OTHERS] = "the approval of " YOUTH " is not to the author alone",
		[APPROVAL_OF_AN_EXERCISE] = "the approval of " YOUTH " is from exercise",
		[APPROVAL_OF_OTHERS] = "is from the partnership \"elsewhere\"",
		[APPROVAL_ON_ANOTHER_TOPIC] = "stands on another topic",
		[APPROVAL_OF_ANOTHER_DRAFT] = "the approval of " YOUTH " is about another draft",
		[APPROVAL_OF_ANOTHER_FRAME] = "the approval of " YOUTH " is about another draft",
		[APPROVAL_BY_NOBODY] = "police/second, which is no node of the agreement",
		[APPROVAL_BY_WHO_IS_NOT_ASKED] = "shelter/desk, which is not asked",
		[APPROVAL_BY_A_COLLEAGUE] = "of the author's own partner",
		[APPROVAL_BY_THE_AUTHOR] = "of the author's own partner",
		[APPROVAL_SIGNED_BY_ANOTHER] = "signature",
		[BODY_OF_ANOTHER] = "body",
		[KEY_OF_ANOTHER] = "key",
		[ANOTHER_DRAFT_INSIDE] = "the approval of " YOUTH " names another draft inside than outside",
		[TWO_DRAFTS_INSIDE] = "the approval of " YOUTH " names another draft inside than outside",
		[ANOTHER_TEXT_INSIDE] = "the approval of " YOUTH " is for another text",
		[NO_TEXT_INSIDE] = "the approval of " YOUTH " is for another text",
		[ONE_MISSING] = "the approval of youth-house is missing",
		[ONE_TWICE] = "two of its approvals are from one partner, city",
		[TWO_OF_ONE_PARTNER] = "two of its approvals are from one partner, city",
		[NOT_UNDER_THIS_AGREEMENT] = YOUTH ", which is not asked",
		[NOBODY_TO_ASK] = "nobody but its author is to approve",
	};
	struct release *r = calloc(1, sizeof *r);

	(void)state;
	assert_non_null(r);
	for (enum lie lie = NOTHING + 1; lie < LIES; lie++) {
		struct kw_why why = {{0}};

		if (told(r, lie, &why) == KW_OK)
			fail_msg("lie %d was believed", (int)lie);
		if (strstr(why.text, found[lie]) == NULL)
			fail_msg("lie %d: \"%s\", not \"%s\"", (int)lie, why.text, found[lie]);
	}
	free(r);
}

/* What is larger than it may be is said to be so: no want of memory, which would end the program. */
static void
an_approval_or_a_whole_that_is_too_large_is_no_want_of_memory(void **state)
{
	struct release_payload *p = calloc(1, sizeof *p);
	static uint8_t large[KW_APPROVAL_BODY_MAX + 1], key[KW_KEY_LEN];
	struct buf bytes = BUF_INIT(KW_OPENED_MAX), small = BUF_INIT(2 * KW_APPROVAL_BODY_MAX);

	(void)state;
	assert_non_null(p);
	p->content = span_str("x");
	p->draft = span_str("x");
	p->count = 2;
	for (int i = 0; i < 2; i++) {
		p->approvals[i].head = span_str("x");
		p->approvals[i].body = span_of(large, KW_APPROVAL_BODY_MAX);
		p->approvals[i].key = key;
	}
	assert_int_equal(release_encode(&small, p), KW_ELIMIT);
	assert_int_equal(release_encode(&bytes, p), KW_OK);
	p->approvals[1].body.len++;
	assert_int_equal(release_encode(&bytes, p), KW_ELIMIT);
	buf_free(&bytes);
	buf_free(&small);
	free(p);
}

/* */
static void
one_text_has_one_hash_and_another_another(void **state)
{
	struct buf a = statement("one"), b = statement("one"), c = statement("two");
	uint8_t x[KW_HASH_LEN], y[KW_HASH_LEN];

	(void)state;
	release_text_hash(x, PAYLOAD_STATEMENT, buf_span(&a));
	release_text_hash(y, PAYLOAD_STATEMENT, buf_span(&b));
	assert_memory_equal(x, y, sizeof x);
	release_text_hash(y, PAYLOAD_STATEMENT, buf_span(&c));
	assert_memory_not_equal(x, y, sizeof x);
	release_text_hash(y, PAYLOAD_NOTE, buf_span(&a));
	assert_memory_not_equal(x, y, sizeof x);
	buf_free(&a);
	buf_free(&b);
	buf_free(&c);
}

/* Bytes that nobody made: no crash, no approval. */
static void
every_truncation_and_flipped_bit_of_what_was_released_is_refused_or_the_same(void **state)
{
	struct release_payload *p = calloc(1, sizeof *p);
	struct buf text = statement("x"), bytes = BUF_INIT(1u << 16);
	uint8_t key[KW_KEY_LEN] = {1};

	(void)state;
	assert_non_null(p);
	p->content = buf_span(&text);
	p->draft = span_str("draft");
	p->count = 2;
	for (int i = 0; i < 2; i++) {
		p->approvals[i].head = span_str("head");
		p->approvals[i].body = span_str("body");
		p->approvals[i].key = key;
	}
	assert_int_equal(release_encode(&bytes, p), KW_OK);
	for (size_t n = 0; n < bytes.len; n++) {
		(void)!release_decode(p, span_of(bytes.p, n), NULL);
		for (int bit = 0; bit < 8; bit++) {
			bytes.p[n] ^= (uint8_t)(1 << bit);
			if (release_decode(p, buf_span(&bytes), NULL) == KW_OK)
				assert_true(p->count >= 1 && p->content.len > 0 && p->draft.len > 0 && p->approvals[p->count - 1].key != NULL);
			bytes.p[n] ^= (uint8_t)(1 << bit);
		}
	}
	buf_free(&text);
	buf_free(&bytes);
	free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_all_approved_is_released),
		cmocka_unit_test(each_lie_about_a_release_is_found),
		cmocka_unit_test(an_approval_or_a_whole_that_is_too_large_is_no_want_of_memory),
		cmocka_unit_test(one_text_has_one_hash_and_another_another),
		cmocka_unit_test(every_truncation_and_flipped_bit_of_what_was_released_is_refused_or_the_same),
	};

	return cmocka_run_group_tests(tests, fixture_make_keys, fixture_free_keys);
}
