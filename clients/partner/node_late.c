/* node_late: see its header. */
#include "clients/partner/node_late.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "cases/case_agreement.h"
#include "proto/payload.h"

#define LOOKED_MOST 100u /* at rows for an alarm's end, of one turn */

/* ---- who has answered ---- */

static json_t *
time_json(uint64_t ms)
{
	char text[TEXT_TIME_MAX];

	text_put_time_utc(text, ms);
	return json_string(text);
}

static void
note_opened(void *self, const struct out_confirm *c)
{
	(void)json_object_set_new(self, c->node, json_integer((json_int_t)c->opened_ms));
}

/* Whoever takes or declines has read it. */
static enum kw_err
note_move(void *self, const struct pstore_case_entry *e)
{
	enum case_move_kind kind;

	if (e->type != 0 && case_move_of(&kind, e->type) && json_object_get(self, e->actor) == NULL)
		(void)json_object_set_new(self, e->actor, json_pack("{s:s, s:o}", "how", notice_type_name(e->type), "at", time_json(e->at_ms)));
	return KW_OK;
}

struct answers {
	const struct agreement *a;
	json_t *opened; /* node: when; every reader */
	json_t *moved;  /* node: {how, at} */
	json_t *answered, *missing;
};

static json_t *
answer_of(const struct answers *w, uint32_t node)
{
	const char *id = agreement_node_id(w->a, node), *partner = agreement_node_partner(w->a, node);
	json_int_t opened_ms = json_integer_value(json_object_get(w->opened, id));
	const json_t *moved = json_object_get(w->moved, id);

	if (opened_ms != 0)
		return json_pack("{s:s, s:s, s:s, s:o}", "partner", partner, "node", id, "how", "opened", "at", time_json((uint64_t)opened_ms));
	if (moved == NULL)
		return NULL;
	return json_pack("{s:s, s:s, s:O, s:O}", "partner", partner, "node", id, "how", json_object_get(moved, "how"), "at", json_object_get(moved, "at"));
}

/* Of each partner whose nodes got it the first node that answered; a partner's nodes stand beside each other. */
static void
sort_out(struct answers *w, const uint32_t *nodes, uint32_t count)
{
	for (uint32_t i = 0; i < count;) {
		const char *partner = agreement_node_partner(w->a, nodes[i]);
		json_t *answer = NULL;
		bool asked = false;

		for (; i < count && strcmp(agreement_node_partner(w->a, nodes[i]), partner) == 0; i++) {
			asked = asked || json_object_get(w->opened, agreement_node_id(w->a, nodes[i])) != NULL;
			if (answer == NULL)
				answer = answer_of(w, nodes[i]);
		}
		if (answer != NULL)
			(void)json_array_append_new(w->answered, answer);
		else if (asked)
			(void)json_array_append_new(w->missing, json_string(partner));
	}
}

enum kw_err
node_answers(json_t **out, struct node *n, uint64_t seq, const struct header *h, struct kw_why *why)
{
	const struct agreement *then = agreement_chain_get(n->chain, h->agreement_version), *a = then != NULL ? then : node_agreement(n);
	const struct agreement_topic *t = agreement_topic(a, h->topic);
	struct answers w = {.a = a};
	uint32_t *nodes;
	enum kw_err err;

	*out = NULL;
	if (t == NULL || t->acknowledge_within_ms == 0 || !answer_awaited(h->type))
		return KW_OK;
	if ((nodes = calloc(agreement_node_count(a), sizeof *nodes)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for those who must answer");
	w.opened = json_object();
	w.moved = json_object();
	w.answered = json_array();
	w.missing = json_array();
	if ((err = pstore_out_readers(n->store, seq, note_opened, w.opened, why)) == KW_OK &&
	    (err = pstore_case_entries(n->store, h->id, note_move, w.moved, why)) == KW_OK) {
		sort_out(&w, nodes, agreement_acknowledgers(nodes, a, h->topic, agreement_node(a, h->sender)));
		*out = json_pack("{s:I, s:o, s:O, s:O}", "within_ms", (json_int_t)t->acknowledge_within_ms, "until",
		                 time_json(h->created_ms + t->acknowledge_within_ms), "answered", w.answered, "missing", w.missing);
	}
	json_decref(w.opened);
	json_decref(w.moved);
	json_decref(w.answered);
	json_decref(w.missing);
	free(nodes);
	return err;
}

/* ---- telling ---- */

/* "a, b and 3 more": an alarm's text has its limit. */
static void
put_names(char *out, size_t size, const json_t *names)
{
	size_t used = 0, count = json_array_size(names);

	out[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		const char *name = json_string_value(json_array_get(names, i));

		if (used + strlen(name) + 24 > size) {
			(void)snprintf(out + used, size - used, " and %zu more", count - i);
			return;
		}
		used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "", name);
	}
}

/* What the agreement does not let this node say, the coordinator cannot be told; the alarm stands all the same. */
static enum kw_err
tell_coordinator(struct node *n, const struct header *about, const uint8_t frame_hash[KW_HASH_LEN], const char *text, struct kw_why *why)
{
	struct header h;
	struct sealing in = node_sealing(n, &h);
	struct buf payload = BUF_INIT(KW_BODY_MAX);
	json_t *note;
	char *dump;
	struct pstore_draft draft;
	struct kw_why said;
	uint64_t seq;
	enum kw_err err;

	if (about->type == TYPE_RECALL && (err = pstore_draft_get(&draft, n->store, about->about.id, why)) != KW_ENOTFOUND) /* of a draft: the same */
		return err;
	if (n->stopped || about->type == TYPE_NOTE || about->type == TYPE_DRAFT /* nobody else hears that there is one */ || strcmp(agreement_coordinator(node_agreement(n)), n->id) == 0)
		return KW_OK;
	note = json_pack("{s:s}", "text", text);
	dump = note != NULL ? json_dumps(note, JSON_COMPACT) : NULL;
	err = dump != NULL ? payload_from_json(&payload, PAYLOAD_NOTE, span_str(dump), why) : kw_refuse(why, KW_ENOMEM, "out of memory for a note");
	json_decref(note);
	free(dump);
	if (err != KW_OK)
		goto free_payload;
	node_begin_about(&h, n, about, about->lane, frame_hash);
	(void)snprintf(h.to[0], sizeof h.to[0], "%s", agreement_coordinator(node_agreement(n)));
	h.to_count = 1;
	h.type = TYPE_NOTE;
	h.payload_type = PAYLOAD_NOTE;
	in.payload = buf_span(&payload);
	in.own = true;
	err = node_seal(&seq, n, &in, &said);
	if (err == KW_EFULL || err == KW_EIO || err == KW_ECORRUPT || err == KW_ENOMEM) {
		*why = said;
	} else if (err != KW_OK) {
		log_peer(LOG_WARNING, "outbox.coordinator_not_told", NULL, "error=%s", kw_err_name(err));
		err = KW_OK;
	}
free_payload:
	buf_free(&payload);
	return err;
}

struct late { /* a row of the outbox, copied: telling asks the store for others */
	uint64_t seq;
	uint32_t looked_at;
	uint64_t confirm_by_ms, answer_by_ms;
	uint8_t frame_hash[KW_HASH_LEN];
	struct header header;
};

enum late_what { NOT_DELIVERED, NOT_ANSWERED };

/* In both languages: whoever reads the note has one of its own. */
static void
put_news(char *english, char *german, size_t size, enum late_what what, const struct header *h, const json_t *missing, uint64_t within_ms)
{
	char names[256], within[TEXT_TIME_MAX], id[37];

	kw_id_text(id, h->id);
	put_names(names, sizeof names, missing);
	text_put_duration(within, within_ms);
	switch (what) {
	case NOT_DELIVERED:
		(void)snprintf(english, size, "what %s published on %s (%s) has not reached %s within %s", h->sender, h->topic, id, names, within);
		(void)snprintf(german, size, "was %s auf %s veröffentlicht hat (%s), hat %s nicht innerhalb von %s erreicht", h->sender, h->topic, id, names, within);
		return;
	case NOT_ANSWERED:
		(void)snprintf(english, size, "what %s published on %s (%s) has not been answered by %s within %s", h->sender, h->topic, id, names, within);
		(void)snprintf(german, size, "was %s auf %s veröffentlicht hat (%s), hat %s nicht innerhalb von %s beantwortet", h->sender, h->topic, id, names, within);
		return;
	}
}

static enum kw_err
tell(struct node *n, const struct late *l, enum late_what what, const json_t *missing, uint64_t within_ms, struct kw_why *why)
{
	char english[960], german[960], note[2000];

	put_news(english, german, sizeof english, what, &l->header, missing, within_ms);
	node_alarm(n, what == NOT_DELIVERED ? "undelivered" : "unanswered", "%.500s", english);
	if (l->header.lane != LANE_FLASH)
		return KW_OK;
	(void)snprintf(note, sizeof note, "%s.\n%s.", english, german);
	return tell_coordinator(n, &l->header, l->frame_hash, note, why);
}

static void
add_missing(void *self, const struct out_confirm *c)
{
	if (c->at_ms == 0)
		(void)json_array_append_new(self, json_string(c->node));
}

/* ---- looking ---- */

static enum kw_err
take(struct late *out, const struct out_row *row, struct kw_why *why)
{
	struct frame f;

	*out = (struct late){.seq = row->seq, .looked_at = row->late, .confirm_by_ms = row->confirm_by_ms, .answer_by_ms = row->answer_by_ms};
	memcpy(out->frame_hash, row->frame_hash, KW_HASH_LEN);
	if (frame_parse(&f, row->frame, FRAME_EITHER, why) != KW_OK || header_decode(&out->header, f.header, why) != KW_OK)
		return kw_refuse(why, KW_ECORRUPT, "a notification in the outbox cannot be read any more; restore the store from a copy");
	return KW_OK;
}

static enum kw_err
look_confirmed(struct node *n, const struct late *l, struct kw_why *why)
{
	json_t *missing = json_array();
	char id[37];
	enum kw_err err = pstore_out_readers(n->store, l->seq, add_missing, missing, why);

	if (err == KW_OK && json_array_size(missing) > 0) {
		kw_id_text(id, l->header.id);
		log_event(LOG_WARNING, "outbox.unconfirmed", "id=%s missing=%zu", id, json_array_size(missing));
		err = tell(n, l, NOT_DELIVERED, missing, l->confirm_by_ms - l->header.created_ms, why);
	}
	json_decref(missing);
	return err == KW_OK ? pstore_out_looked_at(n->store, l->seq, LATE_CONFIRM, why) : err;
}

static enum kw_err
look_answered(struct node *n, const struct late *l, struct kw_why *why)
{
	uint32_t looked_at = LATE_ANSWER | LATE_SETTLED;
	json_t *answers, *missing;
	enum kw_err err = node_answers(&answers, n, l->seq, &l->header, why);

	if (err != KW_OK)
		return err;
	missing = json_object_get(answers, "missing");
	if (json_array_size(missing) > 0) {
		looked_at = LATE_ANSWER;
		err = tell(n, l, NOT_ANSWERED, missing, l->answer_by_ms - l->header.created_ms, why);
	}
	json_decref(answers);
	return err == KW_OK ? pstore_out_looked_at(n->store, l->seq, looked_at, why) : err;
}

static enum kw_err
look(struct node *n, uint64_t seq, struct kw_why *why)
{
	struct out_row row;
	struct late *l;
	enum kw_err err;

	if ((err = node_tx(n, why)) != KW_OK)
		return err;
	err = pstore_out_get(&row, n->store, seq, why);
	if (err == KW_ENOTFOUND || (err == KW_OK && (row.state == OUTBOX_REFUSED || row.state == OUTBOX_EXPIRED)))
		return KW_OK;
	if (err != KW_OK)
		return err;
	if ((l = calloc(1, sizeof *l)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for what is late");
	if ((err = take(l, &row, why)) == KW_OK && (l->looked_at & LATE_CONFIRM) == 0 && l->confirm_by_ms > 0 && l->confirm_by_ms <= n->wall_ms)
		err = look_confirmed(n, l, why);
	if (err == KW_OK && (l->looked_at & LATE_ANSWER) == 0 && l->answer_by_ms > 0 && l->answer_by_ms <= n->wall_ms)
		err = look_answered(n, l, why);
	free(l);
	return err;
}

enum kw_err
node_late_look(struct node *n, struct kw_why *why)
{
	uint64_t seq;
	enum kw_err err;

	while ((seq = confirmations_late(n->confirmations, n->wall_ms)) != 0)
		if ((err = look(n, seq, why)) != KW_OK)
			return err;
	return KW_OK;
}

static bool
alarm_stands(const struct node *n, const char *code)
{
	for (uint32_t i = 0; i < n->alarm_count; i++)
		if (strcmp(n->alarms[i].code, code) == 0)
			return true;
	return false;
}

static enum kw_err
settle(bool *settled, struct node *n, const struct late *l, struct kw_why *why)
{
	json_t *answers;
	enum kw_err err = node_answers(&answers, n, l->seq, &l->header, why);

	if (err != KW_OK)
		return err;
	*settled = json_array_size(json_object_get(answers, "missing")) == 0;
	json_decref(answers);
	if (!*settled)
		return KW_OK;
	if ((err = node_tx(n, why)) != KW_OK)
		return err;
	return pstore_out_looked_at(n->store, l->seq, LATE_SETTLED, why);
}

static enum kw_err
all_answered(bool *all, struct node *n, struct kw_why *why)
{
	struct late *l = calloc(1, sizeof *l);
	struct out_row row;
	uint64_t after = 0;
	enum kw_err err = KW_OK;

	if (l == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for what is late");
	*all = true;
	for (uint32_t i = 0; i < LOOKED_MOST && (err = pstore_out_unanswered(&row, n->store, after, n->wall_ms, why)) == KW_OK; i++) {
		bool settled;

		after = row.seq;
		if ((err = take(l, &row, why)) != KW_OK || (err = settle(&settled, n, l, why)) != KW_OK)
			break;
		*all = *all && settled;
	}
	if (err == KW_OK) /* there are more than were looked at */
		*all = false;
	free(l);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
node_late_over(struct node *n, struct kw_why *why)
{
	bool late = false, all = false;
	enum kw_err err;

	if (alarm_stands(n, "undelivered")) {
		if ((err = pstore_out_any_unconfirmed(&late, n->store, n->wall_ms, why)) != KW_OK)
			return err;
		if (!late)
			node_alarm_clear(n, "undelivered");
	}
	if (alarm_stands(n, "unanswered")) {
		if ((err = all_answered(&all, n, why)) != KW_OK)
			return err;
		if (all)
			node_alarm_clear(n, "unanswered");
	}
	return KW_OK;
}
