/* node_release: drafts on their way to release: kept, answered, released, ended. */
#include "clients/partner/node_release.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "clients/partner/release.h"

#define LOOKED_AT_MOST 1024u
#define REPLACED_MOST 64u
#define ANSWERS_MOST 1024u
#define WARN_AGAIN_MS 3600000u
#define APPROVAL_ROOM 1536u /* bytes of one approval in what is released, and more */

static uint64_t
proof_until(const struct node *n, const char *topic)
{
	const struct agreement_topic *t = agreement_topic(node_agreement(n), topic);

	return n->wall_ms + (t != NULL ? t->keep_proof_ms : 730ull * 24 * 3600 * 1000);
}

static void
partner_of(char out[KW_NODE_MAX + 1], const char *node)
{
	memcpy(out, node, strlen(node) + 1);
	out[strcspn(out, "/")] = '\0';
}

struct ids { uint8_t (*ids)[KW_ID_LEN]; uint32_t count, most; };

static void
take_id(void *self, const uint8_t id[KW_ID_LEN])
{
	struct ids *l = self;

	if (l->count < l->most)
		memcpy(l->ids[l->count++], id, KW_ID_LEN);
}

/* ---- a draft begins ---- */

/* The row of the inbox that is this draft of author's partner; an id alone is nobody's. KW_ENOTFOUND. */
static enum kw_err
find_draft(uint64_t *seq, struct node *n, const struct about *draft, const char *author, struct kw_why *why)
{
	struct inbox_query q = {.has_id = true};
	struct in_stored row;
	struct header h;
	struct frame f;
	enum kw_err err;

	memcpy(q.id, draft->id, KW_ID_LEN);
	for (uint64_t after = 0; (err = pstore_in_next(&row, n->store, &q, after, why)) == KW_OK; after = row.seq) {
		if (row.type != TYPE_DRAFT || memcmp(row.frame_hash, draft->frame_hash, KW_HASH_LEN) != 0 || frame_parse(&f, row.head, FRAME_EITHER, NULL) != KW_OK ||
		    header_decode(&h, f.header, NULL) != KW_OK || !node_same_partner(h.sender, author))
			continue;
		*seq = row.seq;
		return KW_OK;
	}
	return err;
}

/* The row of the inbox is shown as one that has a later version. */
static enum kw_err
mark_replaced(struct node *n, const uint8_t id[KW_ID_LEN], const char *author, struct kw_why *why)
{
	struct about draft = {.set = true};
	struct pstore_draft d;
	uint64_t seq;
	enum kw_err err = pstore_draft_get(&d, n->store, id, why);

	if (err != KW_OK)
		return err;
	memcpy(draft.id, id, KW_ID_LEN);
	memcpy(draft.frame_hash, d.frame_hash, KW_HASH_LEN);
	if ((err = find_draft(&seq, n, &draft, author, why)) != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	n->change.inbox = true;
	return pstore_in_mark(n->store, seq, false, true, why);
}

/* The draft that it is about, and every other open one about the same. */
static enum kw_err
replace_others(struct node *n, const struct header *h, struct kw_why *why)
{
	uint8_t found[REPLACED_MOST][KW_ID_LEN];
	struct ids l = {found, 0, REPLACED_MOST};
	char partner[KW_NODE_MAX + 1];
	enum kw_err err;

	if (!h->about.set)
		return KW_OK;
	partner_of(partner, h->sender);
	if ((err = pstore_drafts_about(n->store, h->about.id, partner, take_id, &l, why)) != KW_OK)
		return err;
	for (uint32_t i = 0; i < l.count; i++) {
		if (memcmp(found[i], h->id, KW_ID_LEN) == 0)
			continue;
		if ((err = pstore_draft_set(n->store, found[i], DRAFT_REPLACED, h->id, n->wall_ms, why)) != KW_OK || (err = mark_replaced(n, found[i], h->sender, why)) != KW_OK)
			return err;
	}
	return KW_OK;
}

static enum kw_err
begin(struct node *n, const struct header *h, const uint8_t frame_hash[KW_HASH_LEN], struct span content, bool mine, struct kw_why *why)
{
	struct pstore_draft d = {
		.mine = mine, .author = h->sender, .topic = h->topic, .created_ms = h->created_ms, .expires_ms = h->expires_ms, .not_before_ms = h->not_before_ms,
		.has_about = h->about.set,
	};
	enum kw_err err;

	memcpy(d.id, h->id, KW_ID_LEN);
	memcpy(d.frame_hash, frame_hash, KW_HASH_LEN);
	memcpy(d.about, h->about.id, KW_ID_LEN);
	release_text_hash(d.text_hash, h->payload_type, content);
	if ((err = pstore_draft_add(n->store, &d, n->wall_ms, proof_until(n, h->topic), why)) != KW_OK)
		return err == KW_EEXISTS ? KW_OK : err;
	return replace_others(n, h, why);
}

enum kw_err
node_release_begin(struct node *n, const struct header *h, struct span content, struct kw_why *why)
{
	const struct agreement *a = node_agreement(n);
	uint32_t *nodes = calloc(agreement_node_count(a), sizeof *nodes), count;
	struct out_row row;
	enum kw_err err;

	if (nodes == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the approvers");
	count = agreement_approvers(nodes, a, h->topic, agreement_node(a, n->id));
	free(nodes);
	if (count > KW_APPROVALS_MAX) /* nodes; of each partner one approves */
		count = KW_APPROVALS_MAX;
	if ((err = pstore_out_find(&row, n->store, h->id, why)) != KW_OK)
		return err;
	if (row.frame.len + (size_t)count * APPROVAL_ROOM + 8192 > KW_FRAME_MAX)
		return kw_refuse(why, KW_ELIMIT, "sealed it has %zu bytes, which leaves no room for the approvals of %u; shorten it", row.frame.len, count);
	if (content.len + (size_t)count * APPROVAL_ROOM + 8192 > KW_OPENED_MAX)
		return kw_refuse(why, KW_ELIMIT, "it has %zu bytes, which leaves no room for the approvals of %u; shorten it", content.len, count);
	node_alarm_clear(n, "draft_refused");
	node_alarm_clear(n, "draft_expired");
	return begin(n, h, row.frame_hash, content, true, why);
}

/* ---- what came ---- */

static enum kw_err
refuse_it(bool *refused, struct reading *r)
{
	*refused = true;
	r->step = STEP_RELEASE;
	return KW_OK;
}

/* Is it about this draft, outside and inside, and about this text? */
static enum kw_err
check_answer(const struct reading *r, const struct pstore_draft *d, struct kw_why *why)
{
	struct receipt_payload *p = calloc(1, sizeof *p);
	const struct about *about = &r->header.about;
	const char *what = notice_type_name(r->header.type);
	enum kw_err err;

	if (p == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a receipt");
	if ((err = receipt_decode(p, buf_span(&r->payload), why)) != KW_OK)
		;
	else if (r->frame.body.len > KW_APPROVAL_BODY_MAX) /* it must go into what is released */
		err = kw_refuse(why, KW_ELIMIT, "%s: its sealed body has %zu bytes, at most %u are allowed", what, r->frame.body.len, KW_APPROVAL_BODY_MAX);
	else if (r->header.to_count != 1 || strcmp(r->header.to[0], d->author) != 0)
		err = kw_refuse(why, KW_EDENIED, "%s: it is not to the author of the draft, %s, alone", what, d->author);
	else if (memcmp(about->frame_hash, d->frame_hash, KW_HASH_LEN) != 0)
		err = kw_refuse(why, KW_EDENIED, "%s: it names another draft under this id", what);
	else if (p->count != 1 || memcmp(p->items[0].id, about->id, KW_ID_LEN) != 0 || memcmp(p->items[0].frame_hash, about->frame_hash, KW_HASH_LEN) != 0)
		err = kw_refuse(why, KW_EDENIED, "%s: it names another draft inside than outside", what);
	else if (!p->has_text_hash || memcmp(p->text_hash, d->text_hash, KW_HASH_LEN) != 0)
		err = kw_refuse(why, KW_EDENIED, "%s: it is for another text", what);
	else if (node_same_partner(r->header.sender, d->author))
		err = kw_refuse(why, KW_EDENIED, "%s: %s is of the author's own partner", what, r->header.sender);
	else if (r->header.type == TYPE_REFUSED && p->reason[0] == '\0')
		err = kw_refuse(why, KW_EDENIED, "%s: it says no reason", what);
	free(p);
	return err;
}

enum kw_err
node_release_answered(struct node *n, const uint8_t draft[KW_ID_LEN], const struct pstore_answer *a, struct kw_why *why)
{
	struct pstore_draft d;
	char id[37];
	bool open, mine;
	enum kw_err err = pstore_draft_get(&d, n->store, draft, why);

	if (err != KW_OK)
		return err;
	kw_id_text(id, draft);
	open = d.state == DRAFT_OPEN;
	mine = d.mine;
	n->release_due = n->release_due || (mine && open);
	n->release_warn_ms = 0; /* what is new is told of */
	if (!a->approved && mine)
		node_alarm(n, "draft_refused", "%s refused the draft %s on %s%s; \"kurzweg release list --all\" tells why", a->node, id, d.topic,
		           d.state == DRAFT_RELEASED ? ", which is released already" : "");
	if ((err = pstore_answer_add(n->store, draft, a, why)) != KW_OK || a->approved || !open)
		return err;
	return pstore_draft_set(n->store, draft, DRAFT_REFUSED, NULL, n->wall_ms, why);
}

static enum kw_err
answer_came(bool *refused, struct node *n, struct reading *r, struct kw_why *why)
{
	struct pstore_answer a = {.node = r->header.sender, .approved = r->header.type == TYPE_APPROVED, .at_ms = r->header.created_ms};
	struct pstore_draft d;
	enum kw_err err = pstore_draft_get(&d, n->store, r->header.about.id, why);

	memcpy(a.receipt, r->header.id, KW_ID_LEN);
	if (err == KW_ENOTFOUND && r->header.to_count == 1 && strcmp(r->header.to[0], n->id) == 0) {
		(void)kw_refuse(&r->why, KW_EDENIED, "%s: it is about no draft of this node", notice_type_name(r->header.type));
		return refuse_it(refused, r);
	}
	if (err != KW_OK) /* of a draft that this node was not sent */
		return err == KW_ENOTFOUND ? KW_OK : err;
	err = check_answer(r, &d, &r->why);
	if (err == KW_ENOMEM) {
		*why = r->why;
		return err;
	}
	return err != KW_OK ? refuse_it(refused, r) : node_release_answered(n, r->header.about.id, &a, why);
}

/* Of each draft one, whatever its author does. */
static enum kw_err
released_came(bool *refused, struct node *n, struct reading *r, struct kw_why *why)
{
	const struct header *h = &r->header;
	struct pstore_draft d;
	enum kw_err err = pstore_released_add(n->store, h->about.id, h->id, r->corrects.set ? r->corrects.id : NULL, proof_until(n, h->topic), why);

	if (err == KW_EEXISTS) {
		(void)kw_refuse(&r->why, KW_EDENIED, "its draft was released before, so this is the same once more");
		return refuse_it(refused, r);
	}
	if (err != KW_OK || (err = pstore_draft_get(&d, n->store, h->about.id, why)) != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	return pstore_draft_set(n->store, h->about.id, DRAFT_RELEASED, h->id, n->wall_ms, why);
}

enum kw_err
node_release_came(bool *refused, struct node *n, struct reading *r, struct kw_why *why)
{
	if (!r->whole)
		return KW_OK;
	if (r->header.type == TYPE_DRAFT)
		return begin(n, &r->header, r->frame_hash, buf_span(&r->payload), false, why);
	if (r->header.type == TYPE_RELEASED)
		return released_came(refused, n, r, why);
	return answer_came(refused, n, r, why);
}

/* ---- release ---- */

struct approval { struct buf head, plain; }; /* plain: content key and body */

struct releasing {
	struct header header, draft_header;
	struct pstore_draft draft;
	struct buf draft_head, content;
	struct buf bytes;
	uint32_t answers;
	uint8_t receipts[ANSWERS_MOST][KW_ID_LEN];
	char from[ANSWERS_MOST][KW_NODE_MAX + 1]; /* beside them: whose they are */
	char topic[KW_TOPIC_MAX + 1];
	struct approval approvals[KW_APPROVALS_MAX];
	struct release_word words[KW_APPROVALS_MAX];
	uint32_t count;
	struct release checked;
};

static void
take_approved(void *self, const struct pstore_answer *a)
{
	struct releasing *g = self;

	if (!a->approved || g->answers == ANSWERS_MOST)
		return;
	memcpy(g->from[g->answers], a->node, strlen(a->node) + 1);
	memcpy(g->receipts[g->answers++], a->receipt, KW_ID_LEN);
}

/* Copies: the row's bytes go when the store is asked for others. */
static enum kw_err
load_draft(struct releasing *g, struct node *n, struct kw_why *why)
{
	struct out_row row;
	struct frame f;
	enum kw_err err = pstore_out_find(&row, n->store, g->draft.id, why);

	if (err != KW_OK)
		return err == KW_ENOTFOUND ? kw_refuse(why, err, "it is not in the outbox any more") : err;
	if (frame_parse(&f, row.frame, FRAME_EITHER, NULL) != KW_OK || header_decode(&g->draft_header, f.header, NULL) != KW_OK)
		return kw_refuse(why, KW_ESTATE, "it cannot be read in the outbox any more; publish it again");
	buf_put_span(&g->draft_head, f.head);
	return KW_OK;
}

/* One that does not open ends itself alone. */
static enum kw_err
load_content(struct releasing *g, struct node *n, struct kw_why *why)
{
	struct out_row row;
	enum kw_err err = pstore_out_find(&row, n->store, g->draft.id, why);

	if (err != KW_OK || (err = sealer_open(&g->content, n->sealer, row.id, row.payload, why)) == KW_OK || err == KW_ENOMEM)
		return err;
	return kw_refuse(why, KW_ESTATE, "its content does not open here any more; publish it again");
}

/* One that counts under the agreement in force, and of each partner one; what does not count any more is passed by. */
static enum kw_err
add_approval(struct releasing *g, struct node *n, const uint8_t receipt[KW_ID_LEN], struct kw_why *why)
{
	const struct release_draft d = {&g->draft_header, g->draft.frame_hash, g->draft.text_hash};
	const struct agreement *a = node_agreement(n);
	struct approval *at = &g->approvals[g->count];
	struct inbox_query q = {.has_id = true, .receipts = true};
	struct release_word word;
	struct in_stored row;
	struct frame f;
	struct kw_why said;
	enum kw_err err;

	memcpy(q.id, receipt, KW_ID_LEN);
	if ((err = pstore_in_next(&row, n->store, &q, 0, why)) != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	*at = (struct approval){BUF_INIT(KW_HEAD_MAX), BUF_INIT(KW_BODY_MAX + 64)};
	if (frame_parse(&f, row.head, FRAME_EITHER, NULL) != KW_OK)
		return KW_OK;
	buf_put_span(&at->head, f.head);
	if (sealer_open(&at->plain, n->sealer, row.id, row.proof, NULL) != KW_OK || at->plain.len <= KW_KEY_LEN || !buf_ok(&at->head))
		goto pass;
	if (release_approval(&word, &d, a, buf_span(&at->head), span_of(at->plain.p + KW_KEY_LEN, at->plain.len - KW_KEY_LEN), at->plain.p, &said) != KW_OK) {
		if (n->mono_ms >= n->release_warn_ms) {
			log_event(LOG_WARNING, "release.approval_does_not_count", "why=\"%s\"", said.text);
			n->release_warned = true;
		}
		goto pass;
	}
	for (uint32_t i = 0; i < g->count; i++)
		if (node_same_partner(g->words[i].node, word.node))
			goto pass;
	g->words[g->count++] = word;
	return KW_OK;
pass:
	buf_free(&at->head);
	buf_free(&at->plain);
	return KW_OK;
}

static bool
has_approved(const struct releasing *g, const char *node, bool checked)
{
	for (uint32_t k = 0; k < (checked ? g->count : g->answers); k++)
		if (node_same_partner(checked ? g->words[k].node : g->from[k], node))
			return true;
	return false;
}

/* KW_EAGAIN: not all have approved. checked: by approvals that count; else by their names alone, before anything is opened. */
static enum kw_err
all_approved(struct releasing *g, struct node *n, bool checked, struct kw_why *why)
{
	const struct agreement *a = node_agreement(n);
	uint32_t *nodes = calloc(agreement_node_count(a), sizeof *nodes), count;
	enum kw_err err = KW_OK;

	if (nodes == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the approvers");
	count = agreement_approvers(nodes, a, g->topic, agreement_node(a, n->id));
	if (count == 0)
		err = KW_EAGAIN;
	for (uint32_t i = 0; i < count && err == KW_OK; i++)
		if (!has_approved(g, agreement_node_id(a, nodes[i]), checked))
			err = KW_EAGAIN;
	free(nodes);
	return err;
}

static enum kw_err
encode(struct releasing *g, struct kw_why *why)
{
	struct release_payload *p = calloc(1, sizeof *p);
	enum kw_err err;

	if (p == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a release");
	p->content = buf_span(&g->content);
	p->draft = buf_span(&g->draft_head);
	p->count = g->count;
	for (uint32_t i = 0; i < g->count; i++) {
		const struct buf *plain = &g->approvals[i].plain;

		p->approvals[i].head = buf_span(&g->approvals[i].head);
		p->approvals[i].body = span_of(plain->p + KW_KEY_LEN, plain->len - KW_KEY_LEN);
		p->approvals[i].key = plain->p;
	}
	if ((err = release_encode(&g->bytes, p)) == KW_ELIMIT)
		err = kw_refuse(why, err, "with the approvals it has more than %u bytes, or one of them has; shorten the text", KW_OPENED_MAX);
	else if (err != KW_OK)
		err = kw_refuse(why, err, "out of memory for a release");
	free(p);
	return err;
}

static void
write_header(struct releasing *g, const struct node *n)
{
	const struct header *d = &g->draft_header;
	struct header *h = &g->header;

	memcpy(h->topic, d->topic, sizeof h->topic);
	memcpy(h->sender, n->id, sizeof h->sender);
	memcpy(h->partnership, agreement_partnership(node_agreement(n)), strlen(agreement_partnership(node_agreement(n))) + 1);
	h->mode = agreement_mode(node_agreement(n));
	h->lane = d->lane;
	h->type = TYPE_RELEASED;
	h->payload_type = d->payload_type;
	h->created_ms = n->wall_ms;
	h->expires_ms = d->expires_ms;
	h->not_before_ms = d->not_before_ms;
	h->confirm_at_once = d->confirm_at_once;
	h->about.set = true;
	memcpy(h->about.id, d->id, KW_ID_LEN);
	memcpy(h->about.frame_hash, g->draft.frame_hash, KW_HASH_LEN);
}

/* Asks itself what every reader will ask, then seals; draft and outbox change together, so it is done once. */
static enum kw_err
seal_release(struct releasing *g, struct node *n, struct kw_why *why)
{
	struct sealing in = node_sealing(n, &g->header);
	uint8_t id[KW_ID_LEN];
	uint64_t seq;
	enum kw_err err;

	write_header(g, n);
	if ((err = encode(g, why)) != KW_OK || (err = release_check(&g->checked, &g->header, buf_span(&g->bytes), node_agreement(n), n->wall_ms, why)) != KW_OK)
		return err;
	in.payload = buf_span(&g->bytes);
	if ((err = node_seal(&seq, n, &in, why)) != KW_OK)
		return err;
	memcpy(id, g->header.id, KW_ID_LEN);
	log_event(LOG_NOTICE, "release.sealed", "approvals=%u", g->count);
	return pstore_draft_set(n->store, g->draft_header.id, DRAFT_RELEASED, id, n->wall_ms, why);
}

static void
releasing_free(struct releasing *g)
{
	for (uint32_t i = 0; i < KW_APPROVALS_MAX; i++) {
		buf_free(&g->approvals[i].head);
		buf_free(&g->approvals[i].plain);
	}
	buf_free(&g->draft_head);
	buf_free(&g->content);
	buf_free(&g->bytes);
	free(g);
}

static bool
ends_everything(enum kw_err err)
{
	return err == KW_EFULL || err == KW_EIO || err == KW_ECORRUPT || err == KW_ENOMEM;
}

static enum kw_err
try_release(struct node *n, const struct pstore_draft *d, struct kw_why *why)
{
	struct releasing *g = calloc(1, sizeof *g);
	struct kw_why said = {{0}};
	char id[37];
	enum kw_err err;

	if (g == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a release");
	g->draft = *d; /* topic and author lie in the store's memory: taken from the header below */
	g->draft_head = BUF_INIT(KW_HEAD_MAX);
	g->content = BUF_INIT(KW_OPENED_MAX + 64);
	g->content.secret = true;
	g->bytes = BUF_INIT(KW_OPENED_MAX);
	g->bytes.secret = true;
	(void)snprintf(g->topic, sizeof g->topic, "%s", d->topic);
	if ((err = pstore_answers(n->store, d->id, take_approved, g, &said)) != KW_OK || (err = all_approved(g, n, false, &said)) != KW_OK)
		goto free_all;
	if ((err = load_draft(g, n, &said)) != KW_OK)
		goto free_all;
	g->draft.topic = g->draft_header.topic;
	g->draft.author = g->draft_header.sender;
	for (uint32_t i = 0; i < g->answers && g->count < KW_APPROVALS_MAX && err == KW_OK; i++)
		err = add_approval(g, n, g->receipts[i], &said);
	if (err == KW_OK && (err = all_approved(g, n, true, &said)) == KW_OK && (err = load_content(g, n, &said)) == KW_OK)
		err = seal_release(g, n, &said);
free_all:
	kw_id_text(id, g->draft.id);
	releasing_free(g);
	if (err == KW_EAGAIN)
		return KW_OK;
	if (ends_everything(err))
		*why = said;
	else if (err != KW_OK) { /* it stays open: tried again, until its time is over */
		node_alarm(n, "release_failed", "the draft %s is approved by all and cannot be released: %s", id, said.text);
		n->release_failed = true;
		err = KW_OK;
	}
	return err;
}

/* Its author is told, wherever it ended. */
static enum kw_err
expire(struct node *n, const struct pstore_draft *d, struct kw_why *why)
{
	char text[37];

	kw_id_text(text, d->id);
	if (d->mine)
		node_alarm(n, "draft_expired", "the draft %s on %s expired before all had approved it, and goes to nobody; publish it again if it still matters", text, d->topic);
	return pstore_draft_set(n->store, d->id, DRAFT_EXPIRED, NULL, n->wall_ms, why);
}

static enum kw_err
look_at(struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct pstore_draft d;
	enum kw_err err = pstore_draft_get(&d, n->store, id, why);

	if (err != KW_OK || d.state != DRAFT_OPEN)
		return err;
	if (d.expires_ms <= n->wall_ms)
		return expire(n, &d, why);
	if (!d.mine || d.not_before_ms > n->wall_ms || node_may_publish(n, NULL) != KW_OK)
		return KW_OK;
	return try_release(n, &d, why);
}

enum kw_err
node_release_step(struct node *n, struct kw_why *why)
{
	struct ids l = {.most = LOOKED_AT_MOST};
	enum kw_err err;

	if (!n->release_due)
		return KW_OK;
	n->release_due = false;
	if ((l.ids = calloc(l.most, sizeof *l.ids)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the drafts");
	n->release_failed = n->release_warned = false;
	if ((err = pstore_drafts_due(n->store, n->wall_ms, l.most, take_id, &l, why)) != KW_OK)
		goto free_ids;
	if (l.count > 0)
		err = node_tx(n, why);
	for (uint32_t i = 0; i < l.count && err == KW_OK; i++)
		err = look_at(n, l.ids[i], why);
	if (err == KW_OK && !n->release_failed)
		node_alarm_clear(n, "release_failed");
	if (n->release_warned)
		n->release_warn_ms = n->mono_ms + WARN_AGAIN_MS;
free_ids:
	free(l.ids);
	return err;
}

/* ---- the outbox ---- */

enum kw_err
node_release_closed(struct node *n, const struct header *h, const uint8_t *replacement, bool left, struct kw_why *why)
{
	struct pstore_draft d;
	struct out_row row;
	enum kw_err err;

	if (left || (h->type != TYPE_DRAFT && h->type != TYPE_RELEASED))
		return KW_OK;
	if ((err = pstore_draft_get(&d, n->store, h->type == TYPE_DRAFT ? h->id : h->about.id, why)) != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	if (h->type == TYPE_RELEASED)
		return d.has_other && memcmp(d.other, h->id, KW_ID_LEN) == 0 ? pstore_draft_set(n->store, d.id, DRAFT_FAILED, NULL, n->wall_ms, why) : KW_OK;
	if (replacement == NULL && d.state == DRAFT_OPEN && d.expires_ms <= n->wall_ms)
		return expire(n, &d, why);
	if (replacement == NULL)
		return d.state == DRAFT_OPEN ? pstore_draft_set(n->store, d.id, DRAFT_FAILED, NULL, n->wall_ms, why) : KW_OK;
	if ((err = pstore_out_find(&row, n->store, replacement, why)) != KW_OK)
		return err;
	return pstore_draft_rename(n->store, h->id, replacement, row.frame_hash, row.created_ms, why);
}

enum kw_err
node_release_is_open(bool *open, struct node *n, const uint8_t draft[KW_ID_LEN], struct kw_why *why)
{
	struct pstore_draft d;
	enum kw_err err = pstore_draft_get(&d, n->store, draft, why);

	*open = err != KW_OK || d.state == DRAFT_OPEN;
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
node_release_again(struct node *n, const struct header *released, struct kw_why *why)
{
	struct pstore_draft d;
	enum kw_err err = pstore_draft_get(&d, n->store, released->about.id, why);

	if (err != KW_OK || d.state != DRAFT_RELEASED)
		return err == KW_ENOTFOUND ? KW_OK : err;
	n->release_due = true;
	return pstore_draft_set(n->store, d.id, DRAFT_OPEN, NULL, n->wall_ms, why);
}

/* ---- recalls and corrections ---- */

enum kw_err
node_release_recalled(struct node *n, const struct about *about, const char *sender, struct kw_why *why)
{
	struct pstore_draft d;
	enum kw_err err = pstore_draft_get(&d, n->store, about->id, why);

	if (err != KW_OK || d.state != DRAFT_OPEN || memcmp(d.frame_hash, about->frame_hash, KW_HASH_LEN) != 0 || !node_same_partner(d.author, sender))
		return err == KW_ENOTFOUND ? KW_OK : err;
	return pstore_draft_set(n->store, d.id, DRAFT_WITHDRAWN, NULL, n->wall_ms, why);
}

/* Of the outbox or the inbox, and of sender's partner; what merely has its id stays. */
static enum kw_err
erase_draft(struct node *n, const struct about *draft, const char *sender, struct kw_why *why)
{
	struct out_row out;
	uint64_t seq;
	enum kw_err err = pstore_out_find(&out, n->store, draft->id, why);

	if (err == KW_OK && out.type == TYPE_DRAFT && memcmp(out.frame_hash, draft->frame_hash, KW_HASH_LEN) == 0 && node_same_partner(n->id, sender))
		err = pstore_out_erase(n->store, out.seq, why);
	if (err != KW_OK && err != KW_ENOTFOUND)
		return err;
	if ((err = find_draft(&seq, n, draft, sender, why)) != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	return pstore_in_erase(n->store, seq, "recalled", why);
}

/* The draft of what head is, where it was released. */
static enum kw_err
erase_draft_of(struct node *n, struct span head, struct kw_why *why)
{
	struct header h;
	struct frame f;

	if (frame_parse(&f, head, FRAME_EITHER, NULL) != KW_OK || header_decode(&h, f.header, NULL) != KW_OK || h.type != TYPE_RELEASED)
		return KW_OK;
	return erase_draft(n, &h.about, h.sender, why);
}

enum kw_err
node_release_erase(struct node *n, uint64_t seq, struct kw_why *why)
{
	struct in_stored row;
	enum kw_err err = pstore_in_get(&row, n->store, seq, why);

	return err == KW_OK ? erase_draft_of(n, row.head, why) : err;
}

enum kw_err
node_release_erase_own(struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct out_row row;
	enum kw_err err = pstore_out_find(&row, n->store, id, why);

	return err == KW_OK ? erase_draft_of(n, row.frame, why) : err;
}

enum kw_err
node_release_corrected(struct node *n, uint64_t seq, const struct header *h, const uint8_t frame_hash[KW_HASH_LEN], struct kw_why *why)
{
	struct inbox_query q = {.has_id = true, .with_payload = true};
	struct buf payload = BUF_INIT(KW_OPENED_MAX + 64);
	struct release *release;
	struct in_stored row;
	enum kw_err err = pstore_released_correcting(q.id, n->store, h->id, why);

	if (err == KW_OK)
		err = pstore_in_next(&row, n->store, &q, 0, why);
	if (err != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	if ((release = calloc(1, sizeof *release)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a release");
	payload.secret = true;
	if (sealer_open(&payload, n->sealer, row.id, row.payload, NULL) == KW_OK && release_read(release, buf_span(&payload), NULL) == KW_OK && release->draft.about.set &&
	    memcmp(release->draft.about.frame_hash, frame_hash, KW_HASH_LEN) == 0 && node_same_partner(release->draft.sender, h->sender))
		err = pstore_in_mark(n->store, seq, false, true, why);
	buf_free(&payload);
	free(release);
	return err;
}
