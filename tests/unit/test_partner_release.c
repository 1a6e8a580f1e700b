/* Joint release at one node, its author or an approver, against partners who lie: what they say must neither end it nor touch what is not theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>
#include <sqlite3.h>

#include "agreement_fixture.h"
#include "base/clock.h"
#include "base/text.h"
#include "clients/partner/desk_cases.h"
#include "clients/partner/desk_release.h"
#include "clients/partner/release.h"
#include "partner_world.h"
#include "proto/payload.h"
#include "proto/seal_steps.h"

#define POLICE "police/control-room"
#define CITY "city/public-order"
#define PREVENTION "city/crime-prevention"
#define YOUTH "youth-house/office"
#define HOUR_MS 3600000ull

static const char release_topic[] = "topics:\n  - {filter: \"statement/#\", schema: statement, purpose: danger-prevention, publish: [police, city, civil],"
                                    " receive: [police, city, civil], lane: flash, deliver_within: 1s, release: {approve: [police, city]}}\n";

/* A node under an agreement with a topic that needs release. */
static void
up(struct world *w)
{
	world_up(w);
	world_next_version(w, "topics:\n", release_topic);
	world_send_entry(w, LANE_ROUTINE);
	(void)world_expect(w, WIRE_AGREEMENT_GET);
	world_send_agreement(w);
	(void)world_expect(w, WIRE_ACK);
}

static struct buf
statement(size_t body, char fill, const char *not_before)
{
	struct buf out = BUF_INIT(KW_OPENED_MAX), json = BUF_INIT(KW_OPENED_MAX);
	struct kw_why why;
	char *text = malloc(body + 1);

	assert_non_null(text);
	for (size_t i = 0; i < body; i++)
		text[i] = fill != '\0' ? fill : (char)(randombytes_uniform(2) == 0 ? 'a' + randombytes_uniform(26) : 'A' + randombytes_uniform(26));
	text[body] = '\0';
	buf_put_str(&json, "{\"issuer\":\"police\",\"text\":[{\"language\":\"en\",\"headline\":\"Flood\",\"body\":\"");
	buf_put_str(&json, text);
	buf_put_str(&json, "\"}]");
	if (not_before != NULL) {
		buf_put_str(&json, ",\"notBefore\":\"");
		buf_put_str(&json, not_before);
		buf_put_str(&json, "\"");
	}
	buf_put_str(&json, "}");
	if (payload_from_json(&out, PAYLOAD_STATEMENT, buf_span(&json), &why) != KW_OK)
		fail_msg("%s", why.text);
	buf_free(&json);
	free(text);
	return out;
}

/* ---- what others send ---- */

static void
header_on_topic(struct header *h, struct world *w, enum notice_type type)
{
	world_header(h, w, LANE_FLASH);
	(void)snprintf(h->topic, sizeof h->topic, "statement/flood");
	h->type = type;
	h->payload_type = PAYLOAD_STATEMENT;
}

static void
about(struct header *h, const struct header *draft, const uint8_t frame_hash[KW_HASH_LEN])
{
	h->about.set = true;
	memcpy(h->about.id, draft->id, KW_ID_LEN);
	memcpy(h->about.frame_hash, frame_hash, KW_HASH_LEN);
}

static uint64_t
next_number(struct world *w, const char *sender)
{
	static uint64_t others = 5000;

	return strcmp(sender, CITY) == 0 ? ++w->numbers[LANE_FLASH] : ++others;
}

static void
deliver(struct world *w, const struct given *g, enum wire_mark mark)
{
	world_deliver(w, g, mark);
	(void)world_expect(w, WIRE_ACK);
}

static void
draft_of(struct given *out, struct world *w, const char *sender, struct span text, uint64_t expires_ms)
{
	struct header h;

	header_on_topic(&h, w, TYPE_DRAFT);
	if (expires_ms > 0)
		h.expires_ms = expires_ms;
	world_seal_as(out, w, sender, sender, next_number(w, sender), &h, text);
}

/* About what has this header and hash: a receipt that names the same inside. */
static void
said(struct given *out, struct world *w, const char *sender, enum notice_type type, const char *to, const struct header *what, const uint8_t frame_hash[KW_HASH_LEN], struct span text)
{
	struct receipt_payload *p = calloc(1, sizeof *p);
	struct buf payload = BUF_INIT(KW_BODY_MAX);
	struct header h;

	assert_non_null(p);
	header_on_topic(&h, w, type);
	h.payload_type = PAYLOAD_RECEIPT;
	about(&h, what, frame_hash);
	if (to != NULL) {
		(void)snprintf(h.to[0], sizeof h.to[0], "%s", to);
		h.to_count = 1;
	}
	p->count = 1;
	memcpy(p->items[0].id, what->id, KW_ID_LEN);
	memcpy(p->items[0].frame_hash, frame_hash, KW_HASH_LEN);
	p->items[0].at_ms = clock_wall_ms();
	p->has_text_hash = text.len > 0;
	if (text.len > 0)
		release_text_hash(p->text_hash, PAYLOAD_STATEMENT, text);
	else
		(void)snprintf(p->reason, sizeof p->reason, "for no reason");
	assert_int_equal(receipt_encode(&payload, p), KW_OK);
	world_seal_as(out, w, sender, sender, next_number(w, sender), &h, buf_span(&payload));
	buf_free(&payload);
	free(p);
}

/* Its body again, compressed into a frame of empty blocks as well: it says the same, in more bytes. */
static void
stuff(struct given *g, const char *signer, unsigned blocks)
{
	const struct secret_keys *reader = fixture_key(POLICE);
	struct buf opened = BUF_INIT(KW_OPENED_MAX), packed = BUF_INIT(KW_BODY_MAX), padded = BUF_INIT(KW_BODY_MAX), whole = BUF_INIT(KW_FRAME_MAX);
	struct seal_opener *o = NULL;
	uint8_t key[KW_KEY_LEN], body_key[32], ctx[32], hash[KW_HASH_LEN], sig[KW_SIG_LEN], *at;
	static const uint8_t nonce[24], magic[5] = {0x28, 0xB5, 0x2F, 0xFD, 0xA0}; /* single segment, size in 4 bytes */
	struct frame f;
	uint64_t number;
	size_t signed_len, body_len;

	assert_int_equal(frame_parse(&f, buf_span(&g->frame), FRAME_WHOLE, NULL), KW_OK);
	assert_int_equal(seal_opener_new(&o, POLICE, secret_keys_public(reader)->seal_pk, secret_keys_seal(reader), 4), KW_OK);
	assert_int_equal(seal_open_wrap(&number, key, o, &f, span_of(g->wrap, KW_WRAP_LEN), NULL), KW_OK);
	assert_int_equal(seal_open_body(&opened, key, &f, NULL), KW_OK);
	buf_put(&packed, magic, sizeof magic);
	for (unsigned i = 0; i < 4; i++)
		buf_put_u8(&packed, (uint8_t)(opened.len >> 8 * i));
	for (unsigned i = 0; i < blocks; i++)
		buf_put(&packed, "\0\0\0", 3);
	for (unsigned i = 0; i < 3; i++)
		buf_put_u8(&packed, (uint8_t)((opened.len << 3 | 1u) >> 8 * i)); /* raw, the last */
	buf_put_span(&packed, buf_span(&opened));
	assert_int_equal(step_pad(&padded, PADDED_ZSTD, buf_span(&packed)), KW_OK);
	step_context(ctx, f.to_ephemeral);
	step_body_key(body_key, key, ctx);
	body_len = padded.len + 16;
	at = malloc(body_len);
	assert_non_null(at);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(at, NULL, padded.p, padded.len, NULL, 0, NULL, nonce, body_key);
	step_body_hash(hash, span_of(at, body_len));
	signed_len = f.head.len - KW_SIG_LEN;
	buf_put(&whole, f.head.p, signed_len - KW_HASH_LEN);
	buf_put(&whole, hash, KW_HASH_LEN);
	assert_true(seal_sign(sig, LABEL_SIGN_NOTIFICATION, buf_span(&whole), secret_keys_sign(fixture_key(signer))));
	buf_put(&whole, sig, KW_SIG_LEN);
	buf_put_u32(&whole, (uint32_t)body_len);
	buf_put(&whole, at, body_len);
	assert_true(buf_ok(&whole));
	buf_free(&g->frame);
	g->frame = whole;
	assert_int_equal(frame_parse(&f, buf_span(&g->frame), FRAME_WHOLE, NULL), KW_OK);
	seal_frame_hash(g->frame_hash, &f);
	free(at);
	seal_opener_free(&o);
	buf_free(&opened);
	buf_free(&packed);
	buf_free(&padded);
}

/* ---- what the node has ---- */

struct looking { uint8_t id[KW_ID_LEN]; bool found, whole; };

static bool
look(void *self, const struct inbox_row *row)
{
	struct looking *l = self;

	if (memcmp(row->header.id, l->id, KW_ID_LEN) == 0) {
		l->found = true;
		l->whole = row->payload.len > 0;
	}
	return true;
}

static bool
has_content(struct world *w, const uint8_t id[KW_ID_LEN])
{
	struct inbox_query q = {.limit = 1000, .with_payload = true};
	struct looking l = {.found = false};
	struct kw_why why;

	memcpy(l.id, id, KW_ID_LEN);
	if (desk_inbox(w->node, &q, look, &l, &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_true(l.found);
	return l.whole;
}

static json_t *
draft_json(struct world *w, const uint8_t id[KW_ID_LEN])
{
	json_t *one = NULL;
	struct kw_why why;

	if (desk_release(&one, w->node, id, "en", &why) != KW_OK)
		fail_msg("%s", why.text);
	return one;
}

/* Of the draft. */
static void
state_is(struct world *w, const uint8_t id[KW_ID_LEN], const char *state)
{
	json_t *one = draft_json(w, id);

	assert_string_equal(json_string_value(json_object_get(one, "state")), state);
	json_decref(one);
}

static enum kw_err
publish(struct world *w, struct span text, uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct desk_publish p = {.topic = "statement/flood", .payload_type = PAYLOAD_STATEMENT, .payload = text, .type = TYPE_NOTICE, .expires_ms = clock_wall_ms() + HOUR_MS};

	return desk_publish(w->node, &p, id, why);
}

/* The next that the node publishes, of this type; stored. */
static struct header
stored(struct world *w, enum notice_type type, uint8_t frame_hash[KW_HASH_LEN])
{
	struct header h;
	struct frame f;

	do {
		(void)world_expect(w, WIRE_PUBLISH);
		assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
		assert_int_equal(header_decode(&h, f.header, NULL), KW_OK);
		world_store(w, NULL);
	} while (h.type != type);
	seal_frame_hash(frame_hash, &f);
	world_steps(w, 5);
	return h;
}

/* ---- tests ---- */

/* The hostile one says that another's alert was the draft of what it recalls. */
static void
a_recall_takes_away_nothing_that_is_not_its_draft(void **state)
{
	struct world *w = *state;
	struct buf text = statement(20, 'a', NULL);
	struct given alert, draft, lie, recall;
	struct header h;

	up(w);
	world_seal(&alert, w, LANE_FLASH, NULL);
	deliver(w, &alert, MARK_WHOLE);
	draft_of(&draft, w, CITY, buf_span(&text), 0);
	deliver(w, &draft, MARK_WHOLE);
	for (int i = 0; i < 2; i++) {
		const struct given *victim = i == 0 ? &alert : &draft;

		header_on_topic(&h, w, TYPE_RELEASED);
		about(&h, &victim->header, victim->frame_hash);
		world_seal_as(&lie, w, YOUTH, YOUTH, next_number(w, YOUTH), &h, buf_span(&text));
		deliver(w, &lie, MARK_RECALLED);
		said(&recall, w, YOUTH, TYPE_RECALL, NULL, &lie.header, lie.frame_hash, span_of(NULL, 0));
		deliver(w, &recall, MARK_WHOLE);
		assert_true(has_content(w, victim->header.id));
		given_free(&lie);
		given_free(&recall);
	}
	state_is(w, draft.header.id, "open");
	/* its own partner's released takes its draft with it, of this text alone */
	header_on_topic(&h, w, TYPE_RELEASED);
	about(&h, &draft.header, draft.frame_hash);
	world_seal_as(&lie, w, PREVENTION, PREVENTION, next_number(w, PREVENTION), &h, buf_span(&text));
	deliver(w, &lie, MARK_RECALLED);
	said(&recall, w, PREVENTION, TYPE_RECALL, NULL, &lie.header, lie.frame_hash, span_of(NULL, 0));
	deliver(w, &recall, MARK_WHOLE);
	assert_false(has_content(w, draft.header.id));
	assert_true(has_content(w, alert.header.id));
	given_free(&lie);
	given_free(&recall);
	given_free(&alert);
	given_free(&draft);
	buf_free(&text);
}

/* */
static void
an_approval_that_is_stuffed_is_refused_and_ends_nothing(void **state)
{
	struct world *w = *state;
	struct buf text = statement(20, 'a', NULL);
	uint8_t id[KW_ID_LEN], hash[KW_HASH_LEN], ignored[KW_HASH_LEN];
	struct given g;
	struct header draft;
	char reason[512];
	struct kw_why why;

	up(w);
	if (publish(w, buf_span(&text), id, &why) != KW_OK)
		fail_msg("%s", why.text);
	draft = stored(w, TYPE_DRAFT, hash);
	said(&g, w, PREVENTION, TYPE_APPROVED, POLICE, &draft, hash, buf_span(&text));
	stuff(&g, PREVENTION, 3000);
	deliver(w, &g, MARK_WHOLE);
	world_steps(w, 20);
	assert_int_equal(world_inbox(w, true, NULL, reason), 1);
	assert_non_null(strstr(reason, "at most 4096 are allowed"));
	state_is(w, id, "open");
	given_free(&g);
	said(&g, w, CITY, TYPE_APPROVED, POLICE, &draft, hash, buf_span(&text));
	stuff(&g, CITY, 100); /* more than it needs, and not more than it may */
	deliver(w, &g, MARK_WHOLE);
	(void)stored(w, TYPE_RELEASED, ignored);
	state_is(w, id, "released");
	given_free(&g);
	buf_free(&text);
}

/* */
static void
an_answer_goes_to_the_author_alone(void **state)
{
	struct world *w = *state;
	struct buf text = statement(20, 'a', NULL);
	struct given draft, g;
	char reason[512];

	up(w);
	draft_of(&draft, w, YOUTH, buf_span(&text), 0);
	deliver(w, &draft, MARK_WHOLE);
	for (int wrong = 1; wrong >= 0; wrong--) {
		said(&g, w, CITY, TYPE_APPROVED, wrong ? POLICE : YOUTH, &draft.header, draft.frame_hash, buf_span(&text));
		deliver(w, &g, MARK_WHOLE);
		given_free(&g);
		assert_int_equal(world_inbox(w, true, NULL, reason), 1);
		assert_non_null(strstr(reason, "it is not to the author of the draft, " YOUTH ", alone"));
	}
	given_free(&draft);
	buf_free(&text);
}

/* What would leave no room for the approvals, sealed or opened, is refused at once, and goes out with no batch. */
static void
a_draft_that_leaves_no_room_is_not_sent(void **state)
{
	struct world *w = *state;
	struct buf opened = statement(KW_OPENED_MAX - 6000, 'a', NULL), small = statement(20, 'a', NULL);
	uint8_t id[KW_ID_LEN], first[KW_ID_LEN], hash[KW_HASH_LEN];
	struct header h;
	struct kw_why why;
	json_t *status;

	up(w);
	assert_int_equal(publish(w, buf_span(&opened), id, &why), KW_ELIMIT);
	assert_non_null(strstr(why.text, "leaves no room for the approvals of 2"));
	assert_int_equal(node_batch_begin(w->node, &why), KW_OK);
	assert_int_equal(publish(w, buf_span(&small), first, &why), KW_OK);
	for (size_t size = 370000;; size -= 2000) { /* the largest that can be sealed at all */
		struct buf sealed = statement(size, '\0', NULL);
		enum kw_err err = publish(w, buf_span(&sealed), id, &why);

		buf_free(&sealed);
		assert_int_equal(err, KW_ELIMIT);
		if (strstr(why.text, "sealed, the content would have") == NULL)
			break;
	}
	assert_non_null(strstr(why.text, "leaves no room"));
	assert_int_equal(publish(w, buf_span(&opened), id, &why), KW_ELIMIT);
	assert_int_equal(node_batch_end(w->node, &why), KW_OK);
	status = desk_status(w->node);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(status, "outbox"), "waiting")), 1);
	json_decref(status);
	h = stored(w, TYPE_DRAFT, hash);
	assert_memory_equal(h.id, first, KW_ID_LEN);
	assert_false(world_comes(w, WIRE_PUBLISH, 30));
	buf_free(&opened);
	buf_free(&small);
}

/* */
static void
another_partner_cannot_withdraw_a_draft(void **state)
{
	struct world *w = *state;
	struct buf text = statement(20, 'a', NULL);
	uint8_t id[KW_ID_LEN], hash[KW_HASH_LEN];
	struct given draft, g;
	struct header mine;
	struct kw_why why;

	up(w);
	if (publish(w, buf_span(&text), id, &why) != KW_OK)
		fail_msg("%s", why.text);
	mine = stored(w, TYPE_DRAFT, hash);
	said(&g, w, YOUTH, TYPE_RECALL, NULL, &mine, hash, span_of(NULL, 0));
	deliver(w, &g, MARK_WHOLE);
	state_is(w, id, "open");
	given_free(&g);
	/* nor does it matter which of draft and recall comes first */
	draft_of(&draft, w, CITY, buf_span(&text), 0);
	said(&g, w, CITY, TYPE_RECALL, NULL, &draft.header, draft.frame_hash, span_of(NULL, 0));
	deliver(w, &g, MARK_WHOLE);
	deliver(w, &draft, MARK_WHOLE);
	state_is(w, draft.header.id, "withdrawn");
	assert_false(has_content(w, draft.header.id));
	given_free(&draft);
	given_free(&g);
	buf_free(&text);
}

/* */
static void
a_draft_with_an_embargo_in_its_text_alone_is_refused(void **state)
{
	struct world *w = *state;
	struct buf text = statement(20, 'a', "2089-01-01T00:00:00+00:00");
	struct given draft;
	char reason[512];

	up(w);
	draft_of(&draft, w, CITY, buf_span(&text), 0);
	deliver(w, &draft, MARK_WHOLE);
	assert_int_equal(world_inbox(w, true, NULL, reason), 1);
	assert_non_null(strstr(reason, "its text names a later embargo than its header"));
	given_free(&draft);
	buf_free(&text);
}

static void
refuse(struct world *w, const uint8_t id[KW_ID_LEN], enum wire_code code)
{
	struct wire_msg m = {.kind = WIRE_REFUSED, .refused = {.code = code, .has_id = true, .text = "because"}};

	memcpy(m.refused.id, id, KW_ID_LEN);
	world_send(w, &m, span_of(NULL, 0));
}

/* The next that the node publishes, of this type; not answered. */
static struct header
offered(struct world *w, enum notice_type type)
{
	struct header h;
	struct frame f;

	do {
		(void)world_expect(w, WIRE_PUBLISH);
		assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
		assert_int_equal(header_decode(&h, f.header, NULL), KW_OK);
	} while (h.type != type);
	return h;
}

static void
wait_past(uint64_t ms)
{
	while (clock_wall_ms() <= ms)
		;
}

/* What is kept for a shorter time here is not a text that is still to be released, at approvers nor at its author. */
static void
a_short_keep_takes_no_draft_that_still_holds(void **state)
{
	struct world *w = *state;
	struct buf text = statement(20, 'a', NULL);
	uint8_t id[KW_ID_LEN], hash[KW_HASH_LEN], ignored[KW_HASH_LEN];
	struct given alert, draft, g;
	struct header mine;
	struct kw_why why;

	w->config.keep_content_ms = 1;
	up(w);
	if (publish(w, buf_span(&text), id, &why) != KW_OK)
		fail_msg("%s", why.text);
	mine = stored(w, TYPE_DRAFT, hash);
	world_seal(&alert, w, LANE_FLASH, NULL);
	deliver(w, &alert, MARK_WHOLE);
	draft_of(&draft, w, CITY, buf_span(&text), 0);
	deliver(w, &draft, MARK_WHOLE);
	wait_past(clock_wall_ms() + 1);
	world_stop(w); /* it sweeps at its start */
	world_up(w);
	world_steps(w, 10);
	assert_false(has_content(w, alert.header.id));
	assert_true(has_content(w, draft.header.id));
	said(&g, w, CITY, TYPE_APPROVED, POLICE, &mine, hash, buf_span(&text));
	deliver(w, &g, MARK_WHOLE);
	(void)stored(w, TYPE_RELEASED, ignored);
	given_free(&alert);
	given_free(&draft);
	given_free(&g);
	buf_free(&text);
}

/* */
static void
an_approval_that_was_refused_can_be_given_again(void **state)
{
	struct world *w = *state;
	struct buf text = statement(20, 'a', NULL);
	struct desk_answer a = {.approve = true};
	uint8_t receipt[KW_ID_LEN];
	struct given draft;
	struct header h;
	struct kw_why why;

	up(w);
	draft_of(&draft, w, CITY, buf_span(&text), 0);
	deliver(w, &draft, MARK_WHOLE);
	memcpy(a.id, draft.header.id, KW_ID_LEN);
	assert_int_equal(desk_answer(w->node, &a, receipt, &why), KW_OK);
	assert_int_equal(desk_answer(w->node, &a, receipt, &why), KW_EEXISTS);
	h = offered(w, TYPE_APPROVED);
	refuse(w, h.id, CODE_DENIED);
	world_steps(w, 10);
	if (desk_answer(w->node, &a, receipt, &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_int_equal(desk_answer(w->node, &a, receipt, &why), KW_EEXISTS);
	given_free(&draft);
	buf_free(&text);
}

/* The last one counts: the one before may be by a key that is gone. */
static void
an_approval_takes_the_place_of_the_one_before(void **state)
{
	struct world *w = *state;
	struct buf text = statement(20, 'a', NULL);
	struct desk_publish p = {.topic = "statement/flood", .payload_type = PAYLOAD_STATEMENT, .payload = buf_span(&text), .type = TYPE_NOTICE,
	                         .expires_ms = clock_wall_ms() + 2 * HOUR_MS, .not_before_ms = clock_wall_ms() + HOUR_MS};
	uint8_t id[KW_ID_LEN], hash[KW_HASH_LEN];
	struct given g = {.header = {.created_ms = 0}};
	struct header mine;
	struct kw_why why;
	json_t *one, *approved;

	up(w);
	if (desk_publish(w->node, &p, id, &why) != KW_OK)
		fail_msg("%s", why.text);
	mine = stored(w, TYPE_DRAFT, hash);
	for (int i = 0; i < 2; i++) {
		wait_past(g.header.created_ms);
		said(&g, w, CITY, TYPE_APPROVED, POLICE, &mine, hash, buf_span(&text));
		deliver(w, &g, MARK_WHOLE);
		given_free(&g);
	}
	one = draft_json(w, id);
	approved = json_object_get(one, "approved");
	assert_int_equal(json_array_size(approved), 1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(approved, 0), "at_ms")), g.header.created_ms);
	json_decref(one);
	buf_free(&text);
}

static void
in_store(const struct world *w, const char *sql)
{
	char path[256];
	sqlite3 *db = NULL;

	(void)snprintf(path, sizeof path, "%s/partner.db", w->config.state);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	(void)sqlite3_close(db);
}

static void
a_draft_that_does_not_open_ends_nothing_but_itself(void **state)
{
	struct world *w = *state;
	struct buf text = statement(20, 'a', NULL);
	uint8_t id[KW_ID_LEN], hash[KW_HASH_LEN], ignored[KW_HASH_LEN];
	struct given g;
	struct header mine;
	struct kw_why why;

	up(w);
	if (publish(w, buf_span(&text), id, &why) != KW_OK)
		fail_msg("%s", why.text);
	mine = stored(w, TYPE_DRAFT, hash);
	world_stop(w);
	in_store(w, "UPDATE outbox SET payload = CAST(payload || x'00' AS BLOB)");
	world_up(w);
	said(&g, w, CITY, TYPE_APPROVED, POLICE, &mine, hash, buf_span(&text));
	deliver(w, &g, MARK_WHOLE);
	world_steps(w, 20);
	assert_true(world_alarm_comes(w, "release_failed"));
	state_is(w, id, "open");
	world_stop(w);
	in_store(w, "UPDATE outbox SET payload = CAST(substr(payload, 1, length(payload) - 1) AS BLOB) WHERE payload IS NOT NULL");
	world_up(w);
	(void)stored(w, TYPE_RELEASED, ignored);
	assert_false(world_alarm(w, "release_failed"));
	given_free(&g);
	buf_free(&text);
}

/* */
static void
a_draft_that_expires_in_the_outbox_is_told_of(void **state)
{
	struct world *w = *state;
	struct buf text = statement(20, 'a', NULL);
	struct desk_publish p = {.topic = "statement/flood", .payload_type = PAYLOAD_STATEMENT, .payload = buf_span(&text), .type = TYPE_NOTICE};
	uint8_t id[KW_ID_LEN];
	struct kw_why why;

	up(w);
	p.expires_ms = clock_wall_ms() + 300;
	if (desk_publish(w->node, &p, id, &why) != KW_OK)
		fail_msg("%s", why.text);
	(void)offered(w, TYPE_DRAFT);
	wait_past(p.expires_ms);
	refuse(w, id, CODE_EXPIRED);
	world_steps(w, 10);
	state_is(w, id, "expired");
	assert_true(world_alarm_comes(w, "draft_expired"));
	buf_free(&text);
}

/* */
static void
what_a_draft_was_replaced_by_is_followed_when_that_is_sealed_anew(void **state)
{
	struct world *w = *state;
	struct buf text = statement(20, 'a', NULL), other = statement(20, 'b', NULL);
	struct desk_publish p = {.topic = "statement/flood", .payload_type = PAYLOAD_STATEMENT, .payload = buf_span(&other), .type = TYPE_UPDATE,
	                         .expires_ms = clock_wall_ms() + HOUR_MS, .about = {.set = true}};
	uint8_t first[KW_ID_LEN], second[KW_ID_LEN], hash[KW_HASH_LEN];
	char wanted[37];
	struct header h;
	struct kw_why why;
	json_t *one;

	up(w);
	if (publish(w, buf_span(&text), first, &why) != KW_OK)
		fail_msg("%s", why.text);
	(void)stored(w, TYPE_DRAFT, hash);
	memcpy(p.about.id, first, KW_ID_LEN);
	memcpy(p.about.frame_hash, hash, KW_HASH_LEN);
	if (desk_publish(w->node, &p, second, &why) != KW_OK)
		fail_msg("%s", why.text);
	(void)offered(w, TYPE_DRAFT);
	world_next_version(w, NULL, NULL);
	world_send_entry(w, LANE_ROUTINE);
	(void)world_expect(w, WIRE_AGREEMENT_GET);
	world_send_agreement(w);
	(void)world_expect(w, WIRE_ACK);
	refuse(w, second, CODE_AGREEMENT_OLD);
	h = offered(w, TYPE_DRAFT);
	assert_memory_not_equal(h.id, second, KW_ID_LEN);
	kw_id_text(wanted, h.id);
	one = draft_json(w, first);
	assert_string_equal(json_string_value(json_object_get(one, "replaced_by")), wanted);
	json_decref(one);
	buf_free(&text);
	buf_free(&other);
}

/* [C-11] */
static void
a_draft_that_was_released_is_not_sealed_anew(void **state)
{
	struct world *w = *state;
	struct buf text = statement(20, 'a', NULL);
	uint8_t id[KW_ID_LEN], hash[KW_HASH_LEN], ignored[KW_HASH_LEN];
	struct given g;
	struct header mine, h;
	struct kw_why why;

	up(w);
	if (publish(w, buf_span(&text), id, &why) != KW_OK)
		fail_msg("%s", why.text);
	mine = stored(w, TYPE_DRAFT, hash);
	said(&g, w, CITY, TYPE_APPROVED, POLICE, &mine, hash, buf_span(&text));
	deliver(w, &g, MARK_WHOLE);
	(void)stored(w, TYPE_RELEASED, ignored);
	world_stop(w);
	w->log_epoch = 2; /* restored from before all that */
	memset(&w->commit, 0, sizeof w->commit);
	w->has_last_stored = false;
	w->tail[LANE_FLASH] = 0;
	world_up(w);
	h = offered(w, TYPE_DRAFT);
	assert_memory_equal(h.id, id, KW_ID_LEN);
	world_next_version(w, NULL, NULL);
	world_send_entry(w, LANE_ROUTINE);
	(void)world_expect(w, WIRE_AGREEMENT_GET);
	world_send_agreement(w);
	(void)world_expect(w, WIRE_ACK);
	refuse(w, id, CODE_AGREEMENT_OLD);
	world_steps(w, 20);
	state_is(w, id, "released");
	given_free(&g);
	buf_free(&text);
}

/* Where the coordinator approves nothing it would hear of a draft by its recall. */
static void
a_late_recall_of_a_draft_is_told_to_nobody_else(void **state)
{
	struct world *w = *state;
	struct buf text = statement(20, 'a', NULL);
	struct desk_move m = {.type = TYPE_RECALL, .text = "for no reason"};
	uint8_t id[KW_ID_LEN], hash[KW_HASH_LEN], receipt[KW_ID_LEN];
	struct header h;
	struct frame f;
	struct kw_why why;

	up(w);
	if (publish(w, buf_span(&text), id, &why) != KW_OK)
		fail_msg("%s", why.text);
	(void)stored(w, TYPE_DRAFT, hash);
	memcpy(m.id, id, KW_ID_LEN);
	if (desk_move(w->node, &m, receipt, &why) != KW_OK)
		fail_msg("%s", why.text);
	h = stored(w, TYPE_RECALL, hash);
	wait_past(h.created_ms + 1000);
	while (world_comes(w, WIRE_PUBLISH, 100)) {
		assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
		assert_int_equal(header_decode(&h, f.header, NULL), KW_OK);
		assert_int_not_equal(h.type, TYPE_NOTE);
	}
	assert_true(world_alarm_comes(w, "undelivered"));
	buf_free(&text);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_recall_takes_away_nothing_that_is_not_its_draft),
		T(an_approval_that_is_stuffed_is_refused_and_ends_nothing),
		T(an_answer_goes_to_the_author_alone),
		T(a_draft_that_leaves_no_room_is_not_sent),
		T(another_partner_cannot_withdraw_a_draft),
		T(a_draft_with_an_embargo_in_its_text_alone_is_refused),
		T(a_short_keep_takes_no_draft_that_still_holds),
		T(an_approval_that_was_refused_can_be_given_again),
		T(an_approval_takes_the_place_of_the_one_before),
		T(a_draft_that_does_not_open_ends_nothing_but_itself),
		T(a_draft_that_expires_in_the_outbox_is_told_of),
		T(what_a_draft_was_replaced_by_is_followed_when_that_is_sealed_anew),
		T(a_draft_that_was_released_is_not_sealed_anew),
		T(a_late_recall_of_a_draft_is_told_to_nobody_else),
	};

	return cmocka_run_group_tests(tests, fixture_make_keys, fixture_free_keys);
}
