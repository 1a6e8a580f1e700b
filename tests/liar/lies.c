/* lies: see its header. */
#include "lies.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "proto/commit.h"
#include "proto/entry.h"
#include "proto/frame.h"
#include "proto/header.h"

static void
keep(struct saved *s, const struct wire_deliver *d, struct span frame)
{
	buf_free(&s->frame);
	s->frame = BUF_INIT(KW_MESSAGE_MAX);
	buf_put_span(&s->frame, frame);
	s->deliver = *d;
	s->there = true;
}

void
liar_heard(struct liar *l, const char *node, const struct wire_deliver *d, struct span frame)
{
	size_t i = 0;

	while (i < LIAR_NODES - 1 && l->last[i].node[0] != '\0' && strcmp(l->last[i].node, node) != 0)
		i++;
	(void)snprintf(l->last[i].node, sizeof l->last[i].node, "%s", node);
	keep(&l->last[i].saved, d, frame);
}

/* What went to this node before; NULL: nothing yet. */
static const struct saved *
last_here(const struct outgoing_lie *o)
{
	for (size_t i = 0; i < LIAR_NODES; i++)
		if (strcmp(o->liar->last[i].node, o->node) == 0)
			return &o->liar->last[i].saved;
	return NULL;
}

/* The delivery of the same frame to another reader; NULL: none had it yet. */
static const struct saved *
same_elsewhere(const struct outgoing_lie *o)
{
	for (size_t i = 0; i < LIAR_NODES; i++)
		if (o->liar->last[i].saved.there && strcmp(o->liar->last[i].node, o->node) != 0 &&
		    span_eq(buf_span(&o->liar->last[i].saved.frame), buf_span(&o->frame)))
			return &o->liar->last[i].saved;
	return NULL;
}

static void
say(struct outgoing_lie *o, const char *node, const struct wire_deliver *d, struct span frame)
{
	struct wire_msg m = {.kind = WIRE_DELIVER, .deliver = *d};

	o->send(o->self, node, &m, frame);
}

static struct span
head_of(const struct buf *frame)
{
	struct frame f;

	return frame_parse(&f, buf_span(frame), FRAME_EITHER, NULL) == KW_OK ? f.head : buf_span(frame);
}

/* ---- a delivery that does not come, or not so ---- */

static bool
swallow(struct outgoing_lie *o)
{
	o->swallow = true;
	return true;
}

/* The first of two comes behind the second, each under its own number. */
static bool
turn_round(struct outgoing_lie *o)
{
	struct saved *k = &o->liar->kept;

	if (!k->there) {
		keep(k, &o->m->deliver, buf_span(&o->frame));
		return swallow(o);
	}
	say(o, o->node, &o->m->deliver, buf_span(&o->frame));
	say(o, o->node, &k->deliver, buf_span(&k->frame));
	k->there = false;
	return swallow(o);
}

static bool
hold_back(struct outgoing_lie *o)
{
	keep(&o->liar->kept, &o->m->deliver, buf_span(&o->frame));
	return swallow(o);
}

/* What was held back comes bare, as if it had expired by itself. */
static bool
let_go_expired(struct outgoing_lie *o)
{
	struct saved *k = &o->liar->kept;

	if (!k->there)
		return false;
	k->deliver.mark = MARK_EXPIRED;
	say(o, o->node, &k->deliver, head_of(&k->frame));
	k->there = false;
	return true;
}

static bool
bare(struct outgoing_lie *o, enum wire_mark mark)
{
	struct buf head = BUF_INIT(KW_MESSAGE_MAX);

	buf_put_span(&head, head_of(&o->frame));
	buf_free(&o->frame);
	o->frame = head;
	o->m->deliver.mark = mark;
	return true;
}

static bool as_expired(struct outgoing_lie *o) { return bare(o, MARK_EXPIRED); }
static bool as_purged(struct outgoing_lie *o) { return bare(o, MARK_PURGED); }
static bool as_not_subscribed(struct outgoing_lie *o) { return bare(o, MARK_NOT_SUBSCRIBED); }
static bool as_whole_without_body(struct outgoing_lie *o) { return bare(o, MARK_WHOLE); }

static bool
as_own_entry(struct outgoing_lie *o)
{
	o->m->deliver.mark = MARK_ENTRY;
	o->m->deliver.has_wrap = false;
	return true;
}

/* ---- a delivery that is changed ---- */

/* Another text of the same length in the frame's header: "from=to". */
static bool
exchange(struct outgoing_lie *o)
{
	const char *is = strchr(o->arg, '=');
	size_t len = is != NULL ? (size_t)(is - o->arg) : 0;
	uint8_t *at = len > 0 && strlen(is + 1) == len ? memmem(o->frame.p, o->frame.len, o->arg, len) : NULL;

	if (at == NULL)
		return false;
	memcpy(at, is + 1, len);
	return true;
}

static bool
flip_body(struct outgoing_lie *o)
{
	o->frame.p[o->frame.len - 1] ^= 1;
	return true;
}

static bool
flip_signature(struct outgoing_lie *o)
{
	struct frame f;

	if (frame_parse(&f, buf_span(&o->frame), FRAME_WHOLE, NULL) != KW_OK)
		return false;
	o->frame.p[f.signature - o->frame.p] ^= 1;
	return true;
}

static bool
cut_off(struct outgoing_lie *o)
{
	o->frame.len--;
	return true;
}

static bool
add_one(struct outgoing_lie *o)
{
	buf_put_u8(&o->frame, 0);
	return true;
}

static bool
without_wrap(struct outgoing_lie *o)
{
	o->m->deliver.has_wrap = false;
	return true;
}

static bool
take_wrap(struct outgoing_lie *o, const struct saved *of)
{
	if (of == NULL || !of->deliver.has_wrap)
		return false;
	memcpy(o->m->deliver.wrap, of->deliver.wrap, KW_WRAP_LEN);
	return true;
}

static bool wrap_of_another(struct outgoing_lie *o) { return take_wrap(o, last_here(o)); }
static bool wrap_of_another_reader(struct outgoing_lie *o) { return take_wrap(o, same_elsewhere(o)); }

/* This head, and the body of the notification before it. */
static bool
body_of_another(struct outgoing_lie *o)
{
	const struct saved *l = last_here(o);
	struct frame mine, other;
	struct buf mixed = BUF_INIT(KW_MESSAGE_MAX);

	if (l == NULL || frame_parse(&mine, buf_span(&o->frame), FRAME_WHOLE, NULL) != KW_OK ||
	    frame_parse(&other, buf_span(&l->frame), FRAME_WHOLE, NULL) != KW_OK)
		return false;
	buf_put_span(&mixed, mine.head);
	buf_put_u32(&mixed, (uint32_t)other.body.len);
	buf_put_span(&mixed, other.body);
	buf_free(&o->frame);
	o->frame = mixed;
	return true;
}

/* Once more under the next number. */
static bool
again(struct outgoing_lie *o)
{
	struct wire_deliver d = o->m->deliver;

	say(o, o->node, &d, buf_span(&o->frame));
	d.at.number++;
	say(o, o->node, &d, buf_span(&o->frame));
	return swallow(o);
}

/* The one before this takes its place, and this one the next. */
static bool
replay(struct outgoing_lie *o)
{
	const struct saved *l = last_here(o);
	struct wire_deliver d;

	if (l == NULL)
		return false;
	d = l->deliver;
	d.at = o->m->deliver.at;
	say(o, o->node, &d, buf_span(&l->frame));
	o->m->deliver.at.number++;
	return true;
}

/* What goes to this node goes to another one too, which is no reader of it. */
static bool
to_another_too(struct outgoing_lie *o)
{
	say(o, o->arg, &o->m->deliver, buf_span(&o->frame));
	return true;
}

/* ---- commits and proofs ---- */

/* Another history: this commit with another root, linked to the one before it of that history, and signed. */
static bool
fork_record(struct liar *l, uint8_t record[WIRE_COMMIT_LEN])
{
	struct commit c;

	if (commit_decode(&c, record, NULL) != KW_OK)
		return false;
	if (l->forked_number == c.number - 1)
		memcpy(c.previous, l->forked_hash, KW_HASH_LEN);
	c.root[0] ^= 0xFF;
	commit_encode(record, &c, secret_keys_sign(l->keys));
	l->forked_number = c.number;
	commit_hash(l->forked_hash, record);
	return true;
}

/* All of the broker's commits, as this node sees them, are of another history; what would show it by itself is not said. */
static bool
other_history(struct outgoing_lie *o)
{
	if (o->m->kind == WIRE_STORED)
		return swallow(o);
	if (o->m->kind == WIRE_WELCOME)
		return o->m->welcome.has_commit && fork_record(o->liar, o->m->welcome.commit);
	return o->m->beat.has_commit && fork_record(o->liar, o->m->beat.commit);
}

/* A second commit of the number that this node is shown. */
static bool
second_commit(struct outgoing_lie *o)
{
	struct wire_msg m = {.kind = WIRE_BEAT, .beat = {.has_commit = true}};

	memcpy(m.beat.commit, o->m->stored.commit, WIRE_COMMIT_LEN);
	if (!fork_record(o->liar, m.beat.commit))
		return false;
	o->send(o->self, o->node, o->m, span_of(NULL, 0));
	o->send(o->self, o->node, &m, span_of(NULL, 0));
	return swallow(o);
}

static bool
wrong_path(struct outgoing_lie *o)
{
	struct wire_stored_item *i = &o->m->stored.items[0];

	i->path_len = 1;
	randombytes_buf(i->path[0], KW_HASH_LEN);
	return true;
}

static bool
wrong_position(struct outgoing_lie *o)
{
	o->m->stored.items[0].at.number++;
	return true;
}

static bool
wrong_signature(struct outgoing_lie *o)
{
	o->m->stored.commit[WIRE_COMMIT_LEN - 1] ^= 1;
	return true;
}

static bool
signed_by_another(struct outgoing_lie *o)
{
	uint8_t pk[32], sk[64];
	struct commit c;

	if (commit_decode(&c, o->m->stored.commit, NULL) != KW_OK)
		return false;
	(void)crypto_sign_keypair(pk, sk);
	commit_encode(o->m->stored.commit, &c, sk);
	return true;
}

static bool
never_sent(struct outgoing_lie *o)
{
	randombytes_buf(o->m->stored.items[0].id, KW_ID_LEN);
	return true;
}

static bool
refused_after_all(struct outgoing_lie *o)
{
	struct wire_msg m = {.kind = WIRE_REFUSED, .refused = {.code = CODE_DENIED, .has_id = true, .text = "the broker says so"}};

	memcpy(m.refused.id, o->m->stored.items[0].id, KW_ID_LEN);
	o->send(o->self, o->node, &m, span_of(NULL, 0));
	return swallow(o);
}

/* ---- hello's answer, agreements, words ---- */

static bool
empty_log(struct outgoing_lie *o)
{
	memset(o->m->welcome.tail, 0, sizeof o->m->welcome.tail);
	o->m->welcome.has_commit = false;
	return true;
}

static bool
other_agreement(struct outgoing_lie *o)
{
	o->m->welcome.agreement_hash[0] ^= 1;
	return true;
}

static bool
forgets_last_stored(struct outgoing_lie *o)
{
	o->m->welcome.has_last_stored = false;
	return true;
}

static bool
strange_last_stored(struct outgoing_lie *o)
{
	o->m->welcome.has_last_stored = true;
	randombytes_buf(o->m->welcome.last_stored, KW_ID_LEN);
	return true;
}

static bool
an_hour_early(struct outgoing_lie *o)
{
	o->m->welcome.now_ms -= 3600000;
	return true;
}

/* One letter of the text is another. */
static bool
altered_agreement(struct outgoing_lie *o)
{
	uint8_t *at = memmem(o->m->agreement.text.p, o->m->agreement.text.len, "routine", 7);

	if (at == NULL)
		return false;
	memcpy(at, "urgent ", 7);
	return true;
}

/* All signatures but the first. */
static bool
unsigned_agreement(struct outgoing_lie *o)
{
	const uint8_t *end = memchr(o->m->agreement.sigs.p, '\n', o->m->agreement.sigs.len);

	if (end == NULL)
		return false;
	o->m->agreement.sigs.len = (size_t)(end - o->m->agreement.sigs.p) + 1;
	return true;
}

/* It has grown since the part before. */
static bool
larger_agreement(struct outgoing_lie *o)
{
	if (o->m->agreement.part != 1)
		return false;
	o->m->agreement.total += KW_PART_LEN;
	return true;
}

/* The first is followed by the third: one between is left out, and nobody could tell if the numbers were believed. */
static bool
part_left_out(struct outgoing_lie *o)
{
	if (o->m->agreement.part != 1)
		return false;
	o->m->agreement.part = 2;
	return true;
}

/* It never ends: what comes is always the first part. */
static bool
endless_agreement(struct outgoing_lie *o)
{
	if (o->m->agreement.part == 0)
		return false;
	o->m->agreement.part = 0;
	return true;
}

/* A total that no agreement may have, in the first part. */
static bool
huge_agreement(struct outgoing_lie *o)
{
	o->m->agreement.total = UINT32_MAX;
	return true;
}

/* A part that is a byte short. */
static bool
short_part(struct outgoing_lie *o)
{
	o->m->agreement.text.len--;
	return true;
}

/* "VERSION:FILE": that text with its signatures, which nobody asked for. */
static bool
unasked_agreement(struct outgoing_lie *o)
{
	struct buf text = BUF_INIT(KW_AGREEMENT_MAX), sigs = BUF_INIT(KW_SIGNATURES_TEXT_MAX);
	struct wire_msg m = {.kind = WIRE_AGREEMENT};
	const char *path = strchr(o->arg, ':');
	char name[4096];
	struct kw_why why;

	if (o->m->kind == WIRE_WELCOME || path == NULL)
		return false;
	(void)snprintf(name, sizeof name, "%s.sig", path + 1);
	if (fs_read(&text, path + 1, &why) != KW_OK || fs_read(&sigs, name, &why) != KW_OK)
		return false;
	m.agreement = (struct wire_agreement){(uint32_t)atoi(o->arg), 0, (uint32_t)text.len, buf_span(&text), buf_span(&sigs)}; /* of a text that fits one part */
	o->send(o->self, o->node, &m, span_of(NULL, 0));
	buf_free(&text);
	buf_free(&sigs);
	return true;
}

/* What the broker states of a case, changed and signed anew as it signs. */
static bool
state_otherwise(struct outgoing_lie *o, void (*change)(struct entry_case *c, const char *node))
{
	struct broker_entry e;
	uint8_t bytes[ENTRY_CASE_MAX];
	size_t len;

	if (entry_decode(&e, buf_span(&o->frame), NULL) != KW_OK || e.kind != ENTRY_CASE)
		return false;
	change(&e.of_case, o->node);
	len = entry_case_encode(bytes, &e, secret_keys_sign(o->liar->keys));
	buf_reset(&o->frame);
	buf_put(&o->frame, bytes, len);
	return buf_ok(&o->frame);
}

static void
to_whom_it_is_told(struct entry_case *c, const char *node)
{
	memset(c->owner, 0, sizeof c->owner);
	(void)snprintf(c->owner, sizeof c->owner, "%s", node);
}

static void
an_hour_longer(struct entry_case *c, const char *node)
{
	(void)node;
	c->until_ms += 3600000;
}

static bool other_owner(struct outgoing_lie *o) { return state_otherwise(o, to_whom_it_is_told); }
static bool longer_turn(struct outgoing_lie *o) { return state_otherwise(o, an_hour_longer); }

#define KIND(k) (1u << (k))
#define DELIVER KIND(WIRE_DELIVER)
#define STORED KIND(WIRE_STORED)
#define WELCOME KIND(WIRE_WELCOME)
#define AGREEMENT KIND(WIRE_AGREEMENT)

static const struct lie lies[] = {
	{"drop", DELIVER, swallow, false},
	{"turn_round", DELIVER, turn_round, false},
	{"hold_back", DELIVER, hold_back, false},
	{"let_go_expired", 0, let_go_expired, false},
	{"as_expired", DELIVER, as_expired, false},
	{"as_purged", DELIVER, as_purged, false},
	{"as_not_subscribed", DELIVER, as_not_subscribed, false},
	{"as_whole_without_body", DELIVER, as_whole_without_body, false},
	{"as_own_entry", DELIVER, as_own_entry, false},
	{"exchange", DELIVER, exchange, false},
	{"flip_body", DELIVER, flip_body, false},
	{"flip_signature", DELIVER, flip_signature, false},
	{"cut_off", DELIVER, cut_off, false},
	{"add_one", DELIVER, add_one, false},
	{"without_wrap", DELIVER, without_wrap, false},
	{"wrap_of_another", DELIVER, wrap_of_another, false},
	{"wrap_of_another_reader", DELIVER, wrap_of_another_reader, false},
	{"body_of_another", DELIVER, body_of_another, false},
	{"again", DELIVER, again, false},
	{"replay", DELIVER, replay, false},
	{"to_another_too", DELIVER, to_another_too, false},
	{"other_history", STORED | WELCOME | KIND(WIRE_BEAT), other_history, false},
	{"second_commit", STORED, second_commit, false},
	{"wrong_path", STORED, wrong_path, false},
	{"wrong_position", STORED, wrong_position, false},
	{"wrong_signature", STORED, wrong_signature, false},
	{"signed_by_another", STORED, signed_by_another, false},
	{"never_sent", STORED, never_sent, false},
	{"refused_after_all", STORED, refused_after_all, false},
	{"no_answer", STORED, swallow, false},
	{"empty_log", WELCOME, empty_log, false},
	{"other_agreement", WELCOME, other_agreement, false},
	{"forgets_last_stored", WELCOME, forgets_last_stored, false},
	{"strange_last_stored", WELCOME, strange_last_stored, false},
	{"an_hour_early", WELCOME, an_hour_early, false},
	{"altered_agreement", AGREEMENT, altered_agreement, false},
	{"unsigned_agreement", AGREEMENT, unsigned_agreement, false},
	{"larger_agreement", AGREEMENT, larger_agreement, false},
	{"part_left_out", AGREEMENT, part_left_out, false},
	{"endless_agreement", AGREEMENT, endless_agreement, false},
	{"huge_agreement", AGREEMENT, huge_agreement, false},
	{"short_part", AGREEMENT, short_part, false},
	{"unasked_agreement", 0, unasked_agreement, false},
	{"other_owner", DELIVER, other_owner, true},
	{"longer_turn", DELIVER, longer_turn, true},
	{"silence", 0, swallow, false},
};

const struct lie *
lie_find(const char *name)
{
	for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++)
		if (strcmp(lies[i].name, name) == 0)
			return &lies[i];
	return NULL;
}
