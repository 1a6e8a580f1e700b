/* desk_moves: the moves that people here make. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "clients/partner/desk_sending.h"
#include "clients/partner/node_parts.h"

static const struct { const char *name; enum notice_type type; } moves[] = {
	{"take", TYPE_TAKEN}, {"decline", TYPE_DECLINED}, {"hand_over", TYPE_HANDED_OVER}, {"return", TYPE_RETURNED}, {"done", TYPE_DONE},
	{"reopen", TYPE_REOPENED}, {"note", TYPE_NOTE}, {"recall", TYPE_RECALL}, {"forward", TYPE_FORWARDED},
};

bool
desk_move_type(enum notice_type *out, const char *name)
{
	for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++) {
		if (strcmp(moves[i].name, name) != 0)
			continue;
		*out = moves[i].type;
		return true;
	}
	return false;
}

/* ---- its own fields ---- */

static enum kw_err
check_fields(const struct desk_move *m, struct kw_why *why)
{
	size_t text = m->text != NULL ? strlen(m->text) : 0, most = m->type == TYPE_NOTE ? DESK_NOTE_MAX : DESK_MOVE_TEXT_MAX;

	if (text == 0 && m->type == TYPE_DECLINED)
		return kw_refuse(why, KW_EINVAL, "whoever declines says why; give a reason");
	if (text == 0 && m->type == TYPE_RECALL)
		return kw_refuse(why, KW_EINVAL, "whoever recalls says why; give a reason");
	if (text == 0 && m->type == TYPE_NOTE)
		return kw_refuse(why, KW_EINVAL, "the note is empty; say something");
	if (text > most)
		return kw_refuse(why, KW_ELIMIT, "the text has %zu bytes, at most %zu are allowed", text, most);
	if (m->as != NULL && strlen(m->as) > DESK_MOVE_AS_MAX)
		return kw_refuse(why, KW_ELIMIT, "the name of who does it has %zu bytes, at most %u are allowed", strlen(m->as), DESK_MOVE_AS_MAX);
	if (m->type == TYPE_HANDED_OVER || m->type == TYPE_FORWARDED)
		return m->to != NULL ? node_check(m->to, why) : kw_refuse(why, KW_EINVAL, "say to which node it shall go");
	return m->to == NULL ? KW_OK : kw_refuse(why, KW_EINVAL, "only a hand-over and a forward name a node");
}

/* ---- a recall: of any notification, to all who read it ---- */

/* The header of what this node's partner sent, and its hash. */
static enum kw_err
find_own(struct header *out, uint8_t frame_hash[KW_HASH_LEN], struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct inbox_query q = {.has_id = true};
	struct out_row sent;
	struct in_stored came;
	struct span head;
	struct frame f;
	char text[37];
	enum kw_err err = node_out_now(&sent, n, id, why);

	kw_id_text(text, id);
	if (err == KW_OK) {
		if (sent.state == OUTBOX_REFUSED || sent.state == OUTBOX_EXPIRED)
			return kw_refuse(why, KW_ESTATE, "%s never reached anybody, so there is nothing to recall", text);
		head = sent.frame;
		memcpy(frame_hash, sent.frame_hash, KW_HASH_LEN);
	} else {
		if (err != KW_ENOTFOUND)
			return err;
		memcpy(q.id, id, KW_ID_LEN);
		if ((err = pstore_in_next(&came, n->store, &q, 0, why)) != KW_OK)
			return err == KW_ENOTFOUND ? kw_refuse(why, err, "%s is neither in the inbox nor in the outbox of this node", text) : err;
		head = came.head;
		memcpy(frame_hash, came.frame_hash, KW_HASH_LEN);
	}
	if (frame_parse(&f, head, FRAME_EITHER, why) != KW_OK || header_decode(out, f.header, why) != KW_OK)
		return kw_refuse(why, KW_ECORRUPT, "%s cannot be read any more; restore the node's store from a copy", text);
	if (!node_same_partner(out->sender, n->id))
		return kw_refuse(why, KW_EDENIED, "%s was sent by %s; only the first sender's partner may recall it", text, out->sender);
	if (notice_type_is_receipt(out->type) || out->type == TYPE_VOID || out->type == TYPE_RECALL)
		return kw_refuse(why, KW_EINVAL, "%s is a \"%s\", which cannot be recalled", text, notice_type_name(out->type));
	return KW_OK;
}

/* Nobody else hears that there was a draft. */
static enum kw_err
name_approvers(struct header *h, const struct node *n, struct kw_why *why)
{
	const struct agreement *a = node_agreement(n);
	uint32_t *nodes = calloc(agreement_node_count(a), sizeof *nodes), count;

	if (nodes == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the approvers");
	count = agreement_approvers(nodes, a, h->topic, agreement_node(a, n->id));
	for (uint32_t i = 0; i < count; i++)
		sending_name(h, n, agreement_node_id(a, nodes[i]));
	free(nodes);
	if (count > KW_TO_MAX || h->to_count == 0)
		return kw_refuse(why, KW_ELIMIT, "its %u approvers' nodes cannot all be told, at most %d can; publish an update of it instead", count, KW_TO_MAX);
	return KW_OK;
}

/* Who publishes is told the draft's id, and means by it what everybody reads since. */
static enum kw_err
follow_release(struct header *about, uint8_t frame_hash[KW_HASH_LEN], struct node *n, struct kw_why *why)
{
	struct pstore_draft d;
	enum kw_err err = pstore_draft_get(&d, n->store, about->id, why);

	if (err != KW_OK || !d.mine || d.state != DRAFT_RELEASED || !d.has_other)
		return err == KW_ENOTFOUND ? KW_OK : err;
	return find_own(about, frame_hash, n, d.other, why);
}

static void
name_reader(struct header *h, const struct node *n, const char *id)
{
	const struct agreement *a = node_agreement(n);

	if (agreement_may_read(a, h->topic, agreement_node(a, id)))
		sending_name(h, n, id);
}

/* Who folds its case from the beginning: its sender, where a colleague recalls it, and the line that it went to, which may be another one today. */
static void
name_from_the_beginning(struct header *h, const struct node *n, const struct header *about)
{
	const struct agreement *then = agreement_chain_get(n->chain, about->agreement_version);
	const struct agreement_topic *t = then != NULL ? agreement_topic(then, about->topic) : NULL;
	uint32_t nodes[AGREEMENT_LINE_MAX], count = t != NULL && case_opened_by(about, t) ? agreement_line_nodes(nodes, then, about->topic) : 0;

	name_reader(h, n, about->sender);
	for (uint32_t i = 0; i < count && i < AGREEMENT_LINE_MAX; i++)
		name_reader(h, n, agreement_node_id(then, nodes[i]));
}

static enum kw_err
recall(struct sending_move *s, struct node *n, uint8_t receipt[KW_ID_LEN], struct kw_why *why)
{
	struct header *about = calloc(1, sizeof *about);
	uint8_t hash[KW_HASH_LEN];
	enum kw_err err;

	if (about == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a recall");
	if ((err = find_own(about, hash, n, s->move->id, why)) == KW_OK && about->type == TYPE_DRAFT)
		err = follow_release(about, hash, n, why);
	if (err == KW_OK) {
		sending_begin(s, n, about, about->lane, hash);
		for (uint32_t i = 0; i < about->to_count; i++)
			sending_name(&s->header, n, about->to[i]);
		if (about->to_count > 0)
			name_from_the_beginning(&s->header, n, about);
		if (about->type == TYPE_DRAFT && (err = name_approvers(&s->header, n, why)) != KW_OK)
			goto free_about;
		s->header.take_within_s = about->take_within_s; /* the line is among its readers then */
		s->header.confirm_at_once = true;
		err = about->to_count > 0 && s->header.to_count == 0 ? kw_refuse(why, KW_EDENIED, "none of those it went to is still in the agreement")
		                                                     : sending_seal(s, n, receipt, why);
	}
free_about:
	free(about);
	return err;
}

/* ---- a move of a case ---- */

static bool
is_coordinator(const struct case_fold *f, uint32_t actor)
{
	struct case_terms t;

	return f->rules.terms(&t, f->rules.ctx, f->now.version) && t.coordinator == actor;
}

static enum kw_err
reopen_believed(const struct case_fold *f, bool may, struct kw_why *why)
{
	const char *owner = fold_id(f, f->now.owner);

	if (case_is_open(&f->now))
		return case_refuse(why, CASE_V_STILL_OPEN, &f->now, owner);
	if (f->now.state != CASE_DONE)
		return case_refuse(why, CASE_V_CLOSED, &f->now, owner);
	return may ? KW_OK : case_refuse(why, CASE_V_NOT_YOURS, &f->now, owner);
}

/* Without the log of what was before, the node knows only who has it. */
static enum kw_err
would_believed(const struct case_fold *f, enum notice_type type, const struct node *n, struct kw_why *why)
{
	const char *owner = fold_id(f, f->now.owner);
	bool mine = strcmp(owner, n->id) == 0, next = strcmp(fold_id(f, f->now.next), n->id) == 0, offered = mine && f->now.state == CASE_OFFERED;
	bool owners = type == TYPE_DONE || type == TYPE_RETURNED || type == TYPE_HANDED_OVER;

	if (type == TYPE_REOPENED)
		return reopen_believed(f, mine || f->sent || is_coordinator(f, actors_number(f->actors, n->id)), why);
	if (!case_is_open(&f->now))
		return case_refuse(why, CASE_V_CLOSED, &f->now, owner);
	if (type == TYPE_TAKEN && f->now.state == CASE_TAKEN && mine)
		return KW_EEXISTS;
	if (f->now.state == CASE_TAKEN && !mine && !next)
		return case_refuse(why, CASE_V_TAKEN_BY, &f->now, owner);
	if (owners && f->now.state != CASE_TAKEN)
		return case_refuse(why, CASE_V_NOT_TAKEN, &f->now, owner);
	if (owners && !mine)
		return case_refuse(why, CASE_V_TAKEN_BY, &f->now, owner);
	if (type == TYPE_DECLINED && mine && f->now.state == CASE_TAKEN)
		return case_refuse(why, CASE_V_USE_RETURN, &f->now, owner);
	if ((type == TYPE_DECLINED && !next && !offered) || (type == TYPE_TAKEN && !next && !offered && !fold_may_take(f, f->now.version, actors_number(f->actors, n->id), true)))
		return case_refuse(why, CASE_V_NOT_YOURS, &f->now, owner);
	return KW_OK;
}

/* What the log would say of it, were it the next entry. */
static enum kw_err
would(const struct case_fold *f, const struct desk_move *m, const struct node *n, struct kw_why *why)
{
	struct case_move move = {.number = f->ahead.upto + 1, .version = agreement_version(node_agreement(n))};
	enum case_verdict v;

	if (!case_move_of(&move.kind, m->type))
		return KW_OK; /* a note */
	if (f->believed)
		return would_believed(f, m->type, n, why);
	move.actor = actors_number(f->actors, n->id);
	move.to = m->to != NULL && agreement_node(node_agreement(n), m->to) != AGREEMENT_NOBODY ? actors_number(f->actors, m->to) : CASE_NOBODY;
	v = case_would(&f->ahead, &move, &f->rules);
	if (v == CASE_V_OK)
		return KW_OK;
	return v == CASE_V_ALREADY_YOURS ? KW_EEXISTS : case_refuse(why, v, &f->ahead, fold_id(f, f->ahead.owner));
}

static enum kw_err
move_case(struct sending_move *s, struct node *n, uint8_t receipt[KW_ID_LEN], struct kw_why *why)
{
	const struct desk_move *m = s->move;
	struct fold_with with = node_fold_with(n);
	struct case_fold *f = calloc(1, sizeof *f);
	char id[37];
	enum kw_err err;

	if (f == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a case");
	kw_id_text(id, m->id);
	if ((err = case_fold(f, &with, m->id, why)) == KW_ENOTFOUND)
		(void)kw_refuse(why, err, "this node has no case %s; \"kurzweg case list --all\" shows those it has", id);
	if (err != KW_OK || (err = would(f, m, n, why)) != KW_OK)
		goto free_fold;
	if (m->type == TYPE_FORWARDED) {
		err = desk_forward(s, n, f, receipt, why);
		goto free_fold;
	}
	sending_begin(s, n, &f->header, f->at.lane, f->now.frame_hash);
	if (m->to != NULL)
		memcpy(s->header.next_owner, m->to, strlen(m->to) + 1);
	sending_name_parties(&s->header, n, f);
	err = sending_seal(s, n, receipt, why);
free_fold:
	case_fold_free(f);
	free(f);
	return err;
}

enum kw_err
desk_move(struct node *n, const struct desk_move *m, uint8_t receipt[KW_ID_LEN], struct kw_why *why)
{
	struct sending_move *s = calloc(1, sizeof *s);
	enum kw_err err;

	if (s == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a move");
	node_now(n);
	s->move = m;
	s->payload = BUF_INIT(KW_BODY_MAX);
	s->payload.secret = true;
	if ((err = check_fields(m, why)) == KW_OK && (err = node_may_publish(n, why)) == KW_OK)
		err = m->type == TYPE_RECALL ? recall(s, n, receipt, why) : move_case(s, n, receipt, why);
	buf_free(&s->payload);
	free(s);
	return err;
}

/* ---- what became of it ---- */

/* lost: it stands in a log epoch before, and this one did not take it. */
static enum kw_err
fate_in_log(struct node *n, const uint8_t receipt[KW_ID_LEN], const struct header *h, bool lost, struct kw_why *why)
{
	struct fold_with with = node_fold_with(n);
	struct case_fold *f = calloc(1, sizeof *f);
	const struct fold_entry *e;
	enum case_move_kind kind;
	enum kw_err err;

	if (f == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a case");
	err = case_fold(f, &with, h->about.id, why);
	if (err == KW_ENOTFOUND && lost && case_move_of(&kind, h->type) && kind != MOVE_RECALL) {
		err = kw_refuse(why, KW_ESTATE, "the broker came back from an old copy, and the case is not in its log any more");
		goto free_fold;
	}
	if (err == KW_ENOTFOUND || !case_move_of(&kind, h->type)) { /* a note, or a recall of what is no case: it is in the log, which is all */
		err = KW_OK;
		goto free_fold;
	}
	if (err != KW_OK || (kind == MOVE_RECALL && f->believed)) /* the content goes with it, and nobody tells a colleague of the sender's more */
		goto free_fold;
	e = fold_move(f, receipt);
	if (e == NULL || !e->folded || !fold_is_stated(f, e->at.number))
		err = kw_refuse(why, KW_EAGAIN, "it is in the log; the broker has not yet said how the case stands since then");
	else if (e->verdict != CASE_V_OK && e->verdict != CASE_V_ALREADY_YOURS)
		err = case_refuse(why, e->verdict, &f->now, fold_id(f, f->now.owner));
free_fold:
	case_fold_free(f);
	free(f);
	return err;
}

enum kw_err
desk_move_fate(struct node *n, const uint8_t receipt[KW_ID_LEN], struct kw_why *why)
{
	struct out_row row;
	struct header h;
	struct frame f;
	uint8_t now[KW_ID_LEN];
	char id[37];
	enum kw_err err = node_out_now(&row, n, receipt, why);

	kw_id_text(id, receipt);
	if (err == KW_ENOTFOUND)
		return kw_refuse(why, err, "%s was not sent by this node", id);
	if (err != KW_OK)
		return err;
	switch (row.state) {
	case OUTBOX_REFUSED:
		return kw_refuse(why, KW_EDENIED, "the broker refused it: %s", row.reason);
	case OUTBOX_EXPIRED:
		return kw_refuse(why, KW_EDENIED, "it expired before the broker stored it");
	case OUTBOX_WAITING:
		if (node_move_is_waiting(n, &row))
			return kw_refuse(why, KW_EAGAIN, "the broker came back from an old copy; it waits in the outbox of this node until the case is in the log again, a day at most");
		return kw_refuse(why, KW_EAGAIN, "it waits in the outbox of this node until the broker can be reached");
	case OUTBOX_STORED:
		break;
	}
	if (frame_parse(&f, row.frame, FRAME_EITHER, why) != KW_OK || header_decode(&h, f.header, why) != KW_OK)
		return kw_refuse(why, KW_ECORRUPT, "%s cannot be read in the outbox; restore the node's store from a copy", id);
	memcpy(now, row.id, KW_ID_LEN);
	return fate_in_log(n, now, &h, row.at.log_epoch < n->log_epoch, why);
}

/* ---- recalls that were sent ---- */

/* Of a draft that was released, both are meant. */
static bool
is_about(const struct out_row *row, const uint8_t id[KW_ID_LEN], const uint8_t released[KW_ID_LEN])
{
	struct header h;
	struct frame f;

	return frame_parse(&f, row->frame, FRAME_EITHER, NULL) == KW_OK && header_decode(&h, f.header, NULL) == KW_OK &&
	       (memcmp(h.about.id, id, KW_ID_LEN) == 0 || memcmp(h.about.id, released, KW_ID_LEN) == 0);
}

enum kw_err
desk_recalls(json_t **out, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	json_t *list = json_array();
	uint8_t recall[KW_ID_LEN], released[KW_ID_LEN];
	struct pstore_draft d;
	struct out_row row;
	char text[37];
	enum kw_err err;

	kw_id_text(text, id);
	memcpy(released, pstore_draft_get(&d, n->store, id, NULL) == KW_OK && d.state == DRAFT_RELEASED && d.has_other ? d.other : id, KW_ID_LEN);
	for (uint64_t before = UINT64_MAX; (err = pstore_out_recall(&row, n->store, before, why)) == KW_OK; before = row.seq) {
		json_t *trace = NULL;

		if (!is_about(&row, id, released))
			continue;
		memcpy(recall, row.id, KW_ID_LEN);
		if ((err = desk_trace(&trace, n, recall, "", why)) != KW_OK)
			break;
		(void)json_array_append_new(list, trace);
	}
	if (err == KW_ENOTFOUND)
		err = json_array_size(list) > 0 ? KW_OK : kw_refuse(why, KW_ENOTFOUND, "this node has not recalled %s; ask the node that did", text);
	if (err == KW_OK)
		*out = list;
	else
		json_decref(list);
	return err;
}
