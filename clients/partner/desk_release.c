/* desk_release: see its header. */
#include "clients/partner/desk_release.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "clients/partner/desk_cases.h"
#include "clients/partner/desk_parts.h"
#include "clients/partner/node_release.h"
#include "proto/payload.h"
#include "proto/seal.h"

#define HASH_TEXT (2 * KW_HASH_LEN + 1)

static void
hash_text(char out[HASH_TEXT], const uint8_t hash[KW_HASH_LEN])
{
	for (int i = 0; i < KW_HASH_LEN; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

/* ---- publishing a draft ---- */

/* What is about a draft of ours is about what that draft corrects, or about what became of it. */
static enum kw_err
about_draft(bool *is_draft, struct header *h, struct node *n, const uint8_t asked[KW_ID_LEN], struct kw_why *why)
{
	struct pstore_draft d, before;
	struct out_row row;
	uint8_t id[KW_ID_LEN], target[KW_ID_LEN];
	enum kw_err err = node_out_now(&row, n, asked, why);

	memcpy(id, err == KW_OK ? row.id : asked, KW_ID_LEN);
	if ((err = pstore_draft_get(&d, n->store, id, why)) != KW_OK) {
		*is_draft = false;
		return err == KW_ENOTFOUND ? KW_OK : err;
	}
	*is_draft = d.mine;
	if (!d.mine)
		return KW_OK;
	h->about.set = true;
	memcpy(h->about.id, d.id, KW_ID_LEN);
	memcpy(h->about.frame_hash, d.frame_hash, KW_HASH_LEN);
	if (d.state == DRAFT_RELEASED && d.has_other)
		memcpy(target, d.other, KW_ID_LEN);
	else if (d.has_about && pstore_draft_get(&before, n->store, d.about, NULL) == KW_ENOTFOUND)
		memcpy(target, d.about, KW_ID_LEN); /* a correction of what was released stays one */
	else
		return KW_OK;
	*is_draft = false;
	memcpy(h->about.id, target, KW_ID_LEN);
	return KW_OK;
}

static enum kw_err
prepare_about(struct header *h, struct node *n, const struct desk_publish *p, struct kw_why *why)
{
	struct desk_publish about = *p;
	bool is_draft = false;
	enum kw_err err;

	if (p->type == TYPE_NOTICE)
		return take_about(h, n, p, why);
	if (!p->about.set)
		return kw_refuse(why, KW_EINVAL, "an update or cancel must name what it is about");
	if ((err = about_draft(&is_draft, h, n, p->about.id, why)) != KW_OK || is_draft)
		return err;
	if (h->about.set)
		memcpy(about.about.id, h->about.id, KW_ID_LEN);
	if (h->about.set && (err = desk_find_id(&about.about, n, about.about.id, why)) != KW_OK)
		return err;
	return take_about(h, n, &about, why);
}

enum kw_err
release_prepare(struct header *h, struct node *n, const struct desk_publish *p, uint64_t not_before_ms, struct kw_why *why)
{
	if (p->type == TYPE_CANCEL)
		return kw_refuse(why, KW_EDENIED, "a cancel has words of its own, which would have to be released; take it back with \"kurzweg recall\", or correct it by an update");
	if (p->type == TYPE_REQUEST)
		return kw_refuse(why, KW_EDENIED, "topics that need release take statements, no requests; publish it on another topic");
	if (p->to_count > 0)
		return kw_refuse(why, KW_EDENIED, "what is released goes to all who may read the topic; leave out to whom");
	if (p->take_within_s > 0)
		return kw_refuse(why, KW_EDENIED, "nobody takes on what is released; leave out within which time");
	h->type = TYPE_DRAFT;
	h->not_before_ms = p->not_before_ms > 0 ? p->not_before_ms : not_before_ms;
	if (h->not_before_ms < not_before_ms)
		return kw_refuse(why, KW_EINVAL, "the content names a later embargo than is asked for; give the same, or change the content");
	if (h->not_before_ms >= h->expires_ms)
		return kw_refuse(why, KW_EINVAL, "it expires before its embargo is over; set a later expiry or an earlier embargo");
	return prepare_about(h, n, p, why);
}

/* ---- answers ---- */

static enum kw_err
check_fields(const struct desk_answer *a, struct kw_why *why)
{
	size_t reason = a->reason != NULL ? strlen(a->reason) : 0;

	if (!a->approve && reason == 0)
		return kw_refuse(why, KW_EINVAL, "whoever refuses says why; give a reason");
	if (a->approve && reason > 0)
		return kw_refuse(why, KW_EINVAL, "an approval has no reason; refuse it, or leave the reason out");
	if (reason > DESK_MOVE_TEXT_MAX)
		return kw_refuse(why, KW_ELIMIT, "the reason has %zu bytes, at most %u are allowed", reason, DESK_MOVE_TEXT_MAX);
	if (a->as != NULL && strlen(a->as) > DESK_MOVE_AS_MAX)
		return kw_refuse(why, KW_ELIMIT, "the name of who does it has %zu bytes, at most %u are allowed", strlen(a->as), DESK_MOVE_AS_MAX);
	return KW_OK;
}

struct listed { char node[KW_NODE_MAX + 1]; bool approved; uint8_t receipt[KW_ID_LEN]; uint64_t at_ms; };
struct answers { struct listed *list; uint32_t count, most; };

static void
take_listed(void *self, const struct pstore_answer *a)
{
	struct answers *l = self;
	struct listed *one;

	if (l->count == l->most) {
		uint32_t most = l->most == 0 ? 16 : l->most * 2;
		struct listed *more = realloc(l->list, most * sizeof *more);

		if (more == NULL)
			return;
		l->list = more;
		l->most = most;
	}
	one = &l->list[l->count++];
	memset(one, 0, sizeof *one);
	(void)snprintf(one->node, sizeof one->node, "%s", a->node);
	memcpy(one->receipt, a->receipt, KW_ID_LEN);
	one->approved = a->approved;
	one->at_ms = a->at_ms;
}

/* By the agreement in force, with the key in it, and not given up here: else it can be said again. */
static enum kw_err
still_counts(bool *out, struct node *n, const char *topic, const struct listed *one, struct kw_why *why)
{
	const struct agreement *a = node_agreement(n);
	uint32_t node = agreement_node(a, one->node);
	struct inbox_query q = {.has_id = true, .receipts = true};
	struct out_row sent;
	struct in_stored came;
	struct span head = {NULL, 0};
	struct frame f;
	enum kw_err err;

	*out = false;
	if (node == AGREEMENT_NOBODY || !agreement_must_approve(a, topic, node))
		return KW_OK;
	memcpy(q.id, one->receipt, KW_ID_LEN);
	if (strcmp(one->node, n->id) == 0) {
		if ((err = node_out_now(&sent, n, one->receipt, why)) == KW_OK && sent.state != OUTBOX_REFUSED && sent.state != OUTBOX_EXPIRED)
			head = sent.frame;
	} else if ((err = pstore_in_next(&came, n->store, &q, 0, why)) == KW_OK) {
		head = came.head;
	}
	if (err != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	*out = head.len > 0 && frame_parse(&f, head, FRAME_EITHER, NULL) == KW_OK && seal_check_signature(&f, agreement_node_key(a, node)->sign_pk, NULL) == KW_OK;
	return KW_OK;
}

struct said { bool mine, mine_approved, partner; char by[KW_NODE_MAX + 1]; char refused_by[KW_NODE_MAX + 1]; };

static enum kw_err
look_said(struct said *s, struct node *n, const uint8_t draft[KW_ID_LEN], const char *topic, struct kw_why *why)
{
	struct answers l = {.list = NULL};
	enum kw_err err = pstore_answers(n->store, draft, take_listed, &l, why);

	for (uint32_t i = 0; i < l.count && err == KW_OK; i++) {
		const struct listed *one = &l.list[i];
		bool counts;

		if (!one->approved)
			(void)snprintf(s->refused_by, sizeof s->refused_by, "%s", one->node);
		if ((err = still_counts(&counts, n, topic, one, why)) != KW_OK || !counts)
			continue;
		if (strcmp(one->node, n->id) == 0) {
			s->mine = true;
			s->mine_approved = one->approved;
		} else if (node_same_partner(one->node, n->id)) {
			s->partner = true;
			(void)snprintf(s->by, sizeof s->by, "%s", one->node);
		}
	}
	free(l.list);
	return err;
}

static enum kw_err
check_state(const struct pstore_draft *d, const struct said *s, const struct node *n, struct kw_why *why)
{
	char id[37], other[37] = "?";

	kw_id_text(id, d->id);
	if (d->has_other)
		kw_id_text(other, d->other);
	switch (d->state) {
	case DRAFT_OPEN:
		if (d->expires_ms > n->wall_ms)
			return KW_OK;
		/* fall through */
	case DRAFT_EXPIRED:
		return kw_refuse(why, KW_ESTATE, "the draft %s has expired; its author must publish it again", id);
	case DRAFT_RELEASED:
		return kw_refuse(why, KW_ESTATE, "the draft %s was released already, as %s; only its author can take that back", id, other);
	case DRAFT_REFUSED:
		return kw_refuse(why, KW_ESTATE, "the draft %s was refused by %s and is over; its author must publish another", id, s->refused_by);
	case DRAFT_REPLACED:
		return kw_refuse(why, KW_ESTATE, "the draft %s was replaced by %s; look at that one", id, other);
	case DRAFT_WITHDRAWN:
		return kw_refuse(why, KW_ESTATE, "the draft %s was recalled by its author", id);
	default:
		return kw_refuse(why, KW_ESTATE, "the draft %s is over; its author must publish it again", id);
	}
}

static enum kw_err
check_text(const struct pstore_draft *d, const struct desk_answer *a, struct kw_why *why)
{
	char text[HASH_TEXT];

	hash_text(text, d->text_hash);
	if (a->text_hash == NULL || strcmp(a->text_hash, text) == 0)
		return KW_OK;
	return kw_refuse(why, KW_EDENIED, "the text of this draft is %s, not the one that was looked at; look again", text);
}

/* What was not seen here is not approved here. */
static enum kw_err
check_content(struct header *out, struct node *n, const struct pstore_draft *d, struct kw_why *why)
{
	struct inbox_query q = {.has_id = true};
	struct in_stored row;
	struct frame f;
	enum kw_err err;

	memcpy(q.id, d->id, KW_ID_LEN);
	if ((err = pstore_in_next(&row, n->store, &q, 0, why)) != KW_OK)
		return err == KW_ENOTFOUND ? kw_refuse(why, err, "the draft is not in the inbox of this node any more") : err;
	if (frame_parse(&f, row.head, FRAME_EITHER, why) != KW_OK || header_decode(out, f.header, why) != KW_OK)
		return kw_refuse(why, KW_ECORRUPT, "the draft cannot be read any more; restore the node's store from a copy");
	if (row.payload.len == 0)
		return kw_refuse(why, KW_ESTATE, "the content of the draft is not here any more, so nobody here can say what it says");
	if (row.outdated)
		return kw_refuse(why, KW_EDENIED, "today's agreement would not allow the draft to its author");
	return KW_OK;
}

struct answering {
	const struct desk_answer *answer;
	struct pstore_draft draft;
	struct header about, header;
	struct receipt_payload said;
	struct buf payload;
};

/* KW_EEXISTS: it is so. */
static enum kw_err
may_answer(struct answering *at, struct node *n, struct kw_why *why)
{
	const struct desk_answer *a = at->answer;
	const struct agreement *agreement = node_agreement(n);
	struct said s = {.mine = false};
	char id[37], topic[KW_TOPIC_MAX + 1];
	enum kw_err err = pstore_draft_get(&at->draft, n->store, a->id, why);

	kw_id_text(id, a->id);
	if (err == KW_ENOTFOUND)
		return kw_refuse(why, err, "this node has no draft %s; \"kurzweg release list --all\" shows those it has", id);
	if (err != KW_OK)
		return err;
	if (at->draft.mine || node_same_partner(at->draft.author, n->id))
		return kw_refuse(why, KW_EDENIED, "the draft %s is this partner's own, and nobody approves what is its own", id);
	if (!agreement_must_approve(agreement, at->draft.topic, agreement_node(agreement, n->id)))
		return kw_refuse(why, KW_EDENIED, "the agreement does not ask this node to approve what is on %s", at->draft.topic);
	(void)snprintf(topic, sizeof topic, "%s", at->draft.topic); /* the row's texts go when the store is asked for others */
	if ((err = look_said(&s, n, a->id, topic, why)) != KW_OK)
		return err;
	if (s.mine && s.mine_approved == a->approve && (a->approve || at->draft.state == DRAFT_REFUSED))
		return KW_EEXISTS;
	if ((err = check_state(&at->draft, &s, n, why)) != KW_OK)
		return err;
	if (a->approve && s.partner)
		return kw_refuse(why, KW_ESTATE, "%s has approved it already for this partner, and two nodes of one partner count once", s.by);
	if ((err = check_text(&at->draft, a, why)) != KW_OK)
		return err;
	return check_content(&at->about, n, &at->draft, why);
}

static void
write_receipt(struct answering *at, const struct node *n)
{
	struct header *h = &at->header;

	node_begin_about(h, n, &at->about, at->about.lane, at->draft.frame_hash);
	memcpy(h->to[0], at->about.sender, sizeof h->to[0]);
	h->to_count = 1;
	h->type = at->answer->approve ? TYPE_APPROVED : TYPE_REFUSED;
	h->payload_type = PAYLOAD_RECEIPT;
	memcpy(h->about.id, at->draft.id, KW_ID_LEN);
	at->said.count = 1;
	memcpy(at->said.items[0].id, at->draft.id, KW_ID_LEN);
	memcpy(at->said.items[0].frame_hash, at->draft.frame_hash, KW_HASH_LEN);
	at->said.items[0].at_ms = n->wall_ms;
	at->said.has_text_hash = true;
	memcpy(at->said.text_hash, at->draft.text_hash, KW_HASH_LEN);
	(void)snprintf(at->said.reason, sizeof at->said.reason, "%s", at->answer->reason != NULL ? at->answer->reason : "");
	(void)snprintf(at->said.as, sizeof at->said.as, "%s", at->answer->as != NULL ? at->answer->as : "");
}

static enum kw_err
seal_answer(struct answering *at, struct node *n, uint8_t receipt[KW_ID_LEN], struct kw_why *why)
{
	struct sealing in = node_sealing(n, &at->header);
	struct pstore_answer answer = {.node = n->id, .approved = at->answer->approve, .at_ms = n->wall_ms};
	uint64_t seq;
	enum kw_err err;

	if (receipt_encode(&at->payload, &at->said) != KW_OK)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a receipt");
	if ((err = payload_check(PAYLOAD_RECEIPT, buf_span(&at->payload), why)) != KW_OK || (err = node_tx(n, why)) != KW_OK)
		return err;
	in.payload = buf_span(&at->payload);
	in.own = true;
	err = node_seal(&seq, n, &in, why);
	memcpy(answer.receipt, at->header.id, KW_ID_LEN);
	memcpy(receipt, at->header.id, KW_ID_LEN);
	if (err == KW_OK)
		err = node_release_answered(n, at->answer->id, &answer, why);
	return desk_end(n, err, why);
}

enum kw_err
desk_answer(struct node *n, const struct desk_answer *a, uint8_t receipt[KW_ID_LEN], struct kw_why *why)
{
	struct answering *at = calloc(1, sizeof *at);
	enum kw_err err;

	if (at == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for an answer");
	node_now(n);
	at->answer = a;
	at->payload = BUF_INIT(KW_BODY_MAX);
	at->payload.secret = true;
	if ((err = check_fields(a, why)) == KW_OK && (err = may_answer(at, n, why)) == KW_OK && (err = node_may_publish(n, why)) == KW_OK) {
		write_receipt(at, n);
		err = seal_answer(at, n, receipt, why);
	}
	buf_free(&at->payload);
	free(at);
	return err;
}

/* ---- the list ---- */

/* What the receipt said, from the inbox, or from the outbox where it is this node's own. */
static void
said_in(struct receipt_payload *out, struct node *n, const uint8_t id[KW_ID_LEN])
{
	struct inbox_query q = {.has_id = true, .receipts = true};
	struct buf payload = BUF_INIT(KW_OPENED_MAX + 64);
	struct in_stored in;
	struct out_row sent;

	payload.secret = true;
	memset(out, 0, sizeof *out);
	memcpy(q.id, id, KW_ID_LEN);
	if (pstore_in_next(&in, n->store, &q, 0, NULL) == KW_OK) {
		if (sealer_open(&payload, n->sealer, in.id, in.payload, NULL) == KW_OK)
			(void)!receipt_decode(out, buf_span(&payload), NULL);
	} else if (node_out_now(&sent, n, id, NULL) == KW_OK && sealer_open(&payload, n->sealer, sent.id, sent.payload, NULL) == KW_OK) {
		(void)!receipt_decode(out, buf_span(&payload), NULL);
	}
	buf_free(&payload);
}

static json_t *
answer_json(struct node *n, const struct listed *one)
{
	struct receipt_payload *p = calloc(1, sizeof *p);
	char partner[KW_NODE_MAX + 1];
	json_t *out;

	if (p == NULL)
		return NULL;
	said_in(p, n, one->receipt);
	memcpy(partner, one->node, sizeof partner);
	partner[strcspn(partner, "/")] = '\0';
	out = json_pack("{s:s, s:s, s:I, s:s}", "partner", partner, "node", one->node, "at_ms", (json_int_t)one->at_ms, "as", p->as);
	if (!one->approved)
		(void)json_object_set_new(out, "reason", json_string(p->reason));
	free(p);
	return out;
}

/* Partners whose approval is still wanted, by the agreement in force. */
static json_t *
missing_json(bool *me, struct node *n, const struct pstore_draft *d, const struct answers *l)
{
	const struct agreement *a = node_agreement(n);
	uint32_t *nodes = calloc(agreement_node_count(a), sizeof *nodes), count = 0;
	const char *last = "";
	json_t *out = json_array();

	*me = false;
	if (nodes != NULL)
		count = agreement_approvers(nodes, a, d->topic, agreement_node(a, d->author));
	for (uint32_t i = 0; i < count; i++) {
		const char *partner = agreement_node_partner(a, nodes[i]);
		bool has = strcmp(last, partner) == 0; /* its nodes stand behind one another */

		last = partner;
		for (uint32_t k = 0; k < l->count && !has; k++)
			has = l->list[k].approved && node_same_partner(l->list[k].node, agreement_node_id(a, nodes[i])) &&
			      still_counts(&has, n, d->topic, &l->list[k], NULL) == KW_OK && has;
		if (has)
			continue;
		(void)json_array_append_new(out, json_string(partner));
		*me = *me || node_same_partner(agreement_node_id(a, nodes[i]), n->id);
	}
	free(nodes);
	return out;
}

static void
headline_of(struct payload_brief *out, struct node *n, const struct pstore_draft *d, const char *language)
{
	struct inbox_query q = {.has_id = true};
	struct buf payload = BUF_INIT(KW_OPENED_MAX + 64);
	enum payload_type schema = PAYLOAD_NONE;
	const struct agreement_topic *t = agreement_topic(node_agreement(n), d->topic);
	struct in_stored in;
	struct out_row sent;
	enum kw_err err;

	payload.secret = true;
	memset(out, 0, sizeof *out);
	memcpy(q.id, d->id, KW_ID_LEN);
	if (t != NULL)
		schema = t->schema;
	if (d->mine)
		err = pstore_out_find(&sent, n->store, d->id, NULL) == KW_OK ? sealer_open(&payload, n->sealer, sent.id, sent.payload, NULL) : KW_ENOTFOUND;
	else
		err = pstore_in_next(&in, n->store, &q, 0, NULL) == KW_OK ? sealer_open(&payload, n->sealer, in.id, in.payload, NULL) : KW_ENOTFOUND;
	if (err != KW_OK || payload_brief(out, schema, buf_span(&payload), language, NULL) != KW_OK)
		memset(out, 0, sizeof *out);
	buf_free(&payload);
}

static bool
set_id(json_t *out, const char *key, bool has, const uint8_t id[KW_ID_LEN])
{
	char text[37] = "";

	if (has)
		kw_id_text(text, id);
	return json_object_set_new(out, key, json_string(text)) == 0;
}

enum kw_err
desk_release(json_t **out, struct node *n, const uint8_t id[KW_ID_LEN], const char *language, struct kw_why *why)
{
	static const char *const states[] = {"open", "released", "refused", "replaced", "expired", "withdrawn", "failed"};
	struct answers l = {.list = NULL};
	struct payload_brief *brief;
	struct pstore_draft d;
	json_t *whole, *approved = json_array(), *refused = json_array(), *missing;
	char hash[HASH_TEXT], topic[KW_TOPIC_MAX + 1], author[KW_NODE_MAX + 1];
	bool open, hidden, me = false;
	enum kw_err err = pstore_draft_get(&d, n->store, id, why);

	if (err != KW_OK || (brief = calloc(1, sizeof *brief)) == NULL) {
		json_decref(approved);
		json_decref(refused);
		return err != KW_OK ? err : kw_refuse(why, KW_ENOMEM, "out of memory for a draft");
	}
	(void)snprintf(topic, sizeof topic, "%s", d.topic); /* the row's texts go when the store is asked for others */
	(void)snprintf(author, sizeof author, "%s", d.author);
	d.topic = topic;
	d.author = author;
	err = pstore_answers(n->store, id, take_listed, &l, why);
	for (uint32_t i = 0; i < l.count; i++)
		(void)json_array_append_new(l.list[i].approved ? approved : refused, answer_json(n, &l.list[i]));
	headline_of(brief, n, &d, language);
	hidden = brief->headline[0] != '\0' && desk_reason(n, d.topic, NULL, NULL) != KW_OK;
	if (hidden)
		memset(brief, 0, sizeof *brief);
	missing = missing_json(&me, n, &d, &l);
	free(l.list);
	if (d.state == DRAFT_OPEN && d.expires_ms <= n->wall_ms)
		d.state = DRAFT_EXPIRED;
	open = d.state == DRAFT_OPEN;
	hash_text(hash, d.text_hash);
	whole = json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:b}", "topic", d.topic, "author", d.author, "mark", hidden ? DESK_REASON_NEEDED : "", "headline", brief->headline, "mine", d.mine,
	                  "state", (unsigned)d.state < 7 ? states[d.state] : "?", "text_hash", hash, "created_ms", (json_int_t)d.created_ms, "expires_ms", (json_int_t)d.expires_ms,
	                  "not_before_ms", (json_int_t)d.not_before_ms, "approved", approved, "refused", refused, "missing", open ? missing : json_array(), "your_turn",
	                  open && me && !d.mine);
	if (!open)
		json_decref(missing);
	free(brief);
	if (err == KW_OK && (whole == NULL || !set_id(whole, "id", true, d.id) || !set_id(whole, "about", d.has_about, d.about) ||
	                     !set_id(whole, "released_as", d.has_other && d.state == DRAFT_RELEASED, d.other) ||
	                     !set_id(whole, "replaced_by", d.has_other && d.state == DRAFT_REPLACED, d.other)))
		err = kw_refuse(why, KW_ENOMEM, "out of memory for a draft");
	if (err != KW_OK) {
		json_decref(whole);
		return err;
	}
	*out = whole;
	return KW_OK;
}

struct ids { uint8_t (*ids)[KW_ID_LEN]; uint32_t count, most; };

static void
take_id(void *self, const uint8_t id[KW_ID_LEN])
{
	struct ids *l = self;

	if (l->count < l->most)
		memcpy(l->ids[l->count++], id, KW_ID_LEN);
}

enum kw_err
desk_releases(json_t **out, struct node *n, bool open, uint32_t limit, const char *language, struct kw_why *why)
{
	struct ids l = {calloc(limit > 0 ? limit : 1, KW_ID_LEN), 0, limit};
	json_t *list = json_array();
	enum kw_err err;

	node_now(n);
	if (l.ids == NULL)
		err = kw_refuse(why, KW_ENOMEM, "out of memory for the drafts");
	else
		err = pstore_drafts(n->store, open, limit, take_id, &l, why);
	for (uint32_t i = 0; i < l.count && err == KW_OK; i++) {
		json_t *one = NULL;

		if ((err = desk_release(&one, n, l.ids[i], language, why)) != KW_OK)
			break;
		if (open && strcmp(json_string_value(json_object_get(one, "state")), "open") != 0)
			json_decref(one);
		else
			(void)json_array_append_new(list, one);
	}
	free(l.ids);
	if (err == KW_OK)
		*out = list;
	else
		json_decref(list);
	return err;
}
