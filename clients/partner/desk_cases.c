/* desk_cases: cases as JSON. */
#include "clients/partner/desk_cases.h"

#include <stdlib.h>
#include <string.h>

#include "clients/partner/node_cases.h"
#include "proto/payload.h"

#define LIST_MOST 1000u

static json_t *
id_json(const uint8_t id[KW_ID_LEN])
{
	char text[37];

	kw_id_text(text, id);
	return json_string(text);
}

/* The payload of what this node sent or received, where it is still here. */
static bool
open_payload(struct buf *out, struct node *n, const uint8_t id[KW_ID_LEN])
{
	struct inbox_query q = {.has_id = true, .receipts = true};
	struct out_row sent;
	struct in_stored came;

	out->secret = true;
	memcpy(q.id, id, KW_ID_LEN);
	if (node_out_now(&sent, n, id, NULL) == KW_OK)
		return sent.payload.len > 0 && sealer_open(out, n->sealer, sent.id, sent.payload, NULL) == KW_OK;
	return pstore_in_next(&came, n->store, &q, 0, NULL) == KW_OK && came.payload.len > 0 && sealer_open(out, n->sealer, came.id, came.payload, NULL) == KW_OK;
}

/* ---- what may be done about it ---- */

static bool
may(const struct case_fold *f, enum case_move_kind kind, uint32_t me, const struct node *n)
{
	struct case_move m = {.kind = kind, .number = f->ahead.upto + 1, .actor = me, .to = CASE_NOBODY, .version = agreement_version(node_agreement(n))};

	if (kind != MOVE_HAND_OVER)
		return case_would(&f->ahead, &m, &f->rules) == CASE_V_OK;
	return f->ahead.state == CASE_TAKEN && f->ahead.owner == me;
}

static json_t *
can_json(const struct case_fold *f, const struct node *n)
{
	uint32_t me = actors_number(f->actors, n->id);
	json_t *can = json_array();

	for (int kind = 0; !f->believed && kind < MOVE_COUNT; kind++)
		if (may(f, (enum case_move_kind)kind, me, n))
			(void)json_array_append_new(can, json_string(case_move_name((enum case_move_kind)kind)));
	if (!f->believed || !case_is_open(&f->now))
		return can;
	if (f->now.state != CASE_TAKEN || f->now.next == me)
		(void)json_array_append_new(can, json_string("take"));
	if (f->now.next == me || (f->now.state == CASE_OFFERED && f->now.owner == me))
		(void)json_array_append_new(can, json_string("decline"));
	for (int kind = MOVE_HAND_OVER; kind <= MOVE_DONE && f->now.state == CASE_TAKEN && f->now.owner == me; kind++)
		(void)json_array_append_new(can, json_string(case_move_name((enum case_move_kind)kind)));
	return can;
}

/* ---- its log ---- */

static void
add_words(json_t *out, struct node *n, const struct fold_entry *e)
{
	struct buf payload = BUF_INIT(KW_OPENED_MAX + 64);
	struct receipt_payload *p = calloc(1, sizeof *p);

	if (p != NULL && open_payload(&payload, n, e->receipt) && receipt_decode(p, buf_span(&payload), NULL) == KW_OK) {
		(void)json_object_set_new(out, "as", json_string(p->as));
		(void)json_object_set_new(out, "text", json_string(p->reason));
	}
	free(p);
	buf_free(&payload);
}

static json_t *
entry_json(struct node *n, const struct fold_entry *e)
{
	const char *verdict = e->folded ? case_verdict_name(e->verdict) : "waits";
	enum case_move_kind kind = MOVE_TAKE;
	json_t *out;

	if (e->type == 0)
		return json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:I, s:s}", "number", (json_int_t)e->at.number, "at_ms", (json_int_t)e->at_ms, "cause",
		                 case_cause_name(e->cause), "state", case_state_name(e->state), "owner", e->actor, "next", e->next, "until_ms", (json_int_t)e->until_ms,
		                 "verdict", verdict);
	MUST(case_move_of(&kind, e->type));
	out = json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:o}", "number", (json_int_t)e->at.number, "at_ms", (json_int_t)e->at_ms, "move", case_move_name(kind), "by",
	                e->actor, "to", e->next, "verdict", verdict, "receipt", id_json(e->receipt));
	if (out != NULL)
		add_words(out, n, e);
	return out;
}

static json_t *
entries_json(struct node *n, const struct case_fold *f)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < f->count; i++)
		(void)json_array_append_new(list, entry_json(n, &f->entries[i]));
	return list;
}

/* ---- the whole ---- */

static void
add_brief(json_t *out, struct node *n, const struct case_fold *f, const char *language)
{
	struct buf payload = BUF_INIT(KW_OPENED_MAX + 64);
	struct payload_brief *b = calloc(1, sizeof *b);
	bool there = b != NULL && open_payload(&payload, n, f->id), hidden = there && desk_reason(n, f->header.topic, NULL, NULL) != KW_OK;

	if (b != NULL && (hidden || !there || payload_brief(b, f->header.payload_type, buf_span(&payload), language, NULL) != KW_OK))
		memset(b, 0, sizeof *b);
	(void)json_object_set_new(out, "mark", json_string(hidden ? DESK_REASON_NEEDED : ""));
	(void)json_object_set_new(out, "headline", json_string(b != NULL ? b->headline : ""));
	(void)json_object_set_new(out, "area", json_string(b != NULL ? b->area : ""));
	(void)json_object_set_new(out, "what_to_do", json_string(b != NULL ? b->what_to_do : ""));
	free(b);
	buf_free(&payload);
}

static json_t *
fold_json(struct node *n, const struct case_fold *f, bool whole, const char *language)
{
	const char *owner = fold_id(f, f->now.owner), *next = fold_id(f, f->now.next), *mark = "";
	bool mine = strcmp(owner, n->id) == 0, taken = f->now.state == CASE_TAKEN;
	bool turn = (mine && (f->now.state == CASE_OFFERED || f->now.state == CASE_ESCALATED)) || (taken && strcmp(next, n->id) == 0);
	json_t *out;

	if (f->stopped != CASE_V_OK)
		mark = case_verdict_name(f->stopped);
	out = json_pack("{s:o, s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:I, s:s, s:b, s:b, s:o, s:b, s:b, s:s}", "id", id_json(f->id), "topic", f->header.topic,
	                "sender", f->header.sender, "sent", f->sent, "lane", lane_name(f->at.lane), "state", case_state_name((enum case_state)f->now.state), "owner", owner,
	                "next", next, "until_ms", (json_int_t)f->now.until_ms, "since_ms", (json_int_t)f->since_ms, "alarms", (int)f->now.alarms, "expires_ms",
	                (json_int_t)f->header.expires_ms, "coordinator", agreement_coordinator(node_agreement(n)), "your_turn", turn, "yours", mine && taken, "can",
	                can_json(f, n), "believed", f->believed, "parted", f->parted.verdict != CASE_V_OK, "waits", mark);
	if (out == NULL)
		return NULL;
	add_brief(out, n, f, language);
	if (whole)
		(void)json_object_set_new(out, "entries", entries_json(n, f));
	return out;
}

enum kw_err
desk_case(json_t **out, struct node *n, const uint8_t id[KW_ID_LEN], bool whole, const char *language, struct kw_why *why)
{
	struct fold_with with = node_fold_with(n);
	struct case_fold *f = calloc(1, sizeof *f);
	char text[37];
	enum kw_err err;

	if (f == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a case");
	node_now(n);
	kw_id_text(text, id);
	err = case_fold(f, &with, id, why);
	if (err == KW_ENOTFOUND)
		(void)kw_refuse(why, err, "this node has no case %s; \"kurzweg case list --all\" shows those it has", text);
	if (err == KW_OK && (*out = fold_json(n, f, whole, language)) == NULL)
		err = kw_refuse(why, KW_ENOMEM, "out of memory for a case");
	case_fold_free(f);
	free(f);
	return err;
}

struct ids { uint8_t (*ids)[KW_ID_LEN]; uint32_t count; };

static void
add_id(void *self, const uint8_t id[KW_ID_LEN])
{
	struct ids *l = self;

	memcpy(l->ids[l->count++], id, KW_ID_LEN);
}

enum kw_err
desk_cases(json_t **out, struct node *n, bool open, uint32_t limit, const char *language, struct kw_why *why)
{
	struct ids l = {.count = 0};
	json_t *list = json_array();
	enum kw_err err;

	if (limit < 1 || limit > LIST_MOST)
		limit = LIST_MOST;
	l.ids = calloc(limit, sizeof *l.ids);
	if (list == NULL || l.ids == NULL)
		err = kw_refuse(why, KW_ENOMEM, "out of memory for the cases");
	else
		err = pstore_cases(n->store, open, limit, add_id, &l, why);
	for (uint32_t i = 0; i < l.count && err == KW_OK; i++) {
		json_t *one = NULL;

		if ((err = desk_case(&one, n, l.ids[i], false, language, why)) == KW_OK)
			(void)json_array_append_new(list, one);
	}
	free(l.ids);
	if (err == KW_OK)
		*out = list;
	else
		json_decref(list);
	return err;
}

json_t *
desk_cases_status(struct node *n)
{
	struct case_counts c;

	if (pstore_case_counts(&c, n->store, n->id, NULL) != KW_OK)
		return NULL;
	return json_pack("{s:I, s:I, s:I}", "open", (json_int_t)c.open, "mine", (json_int_t)c.mine, "overdue", (json_int_t)c.overdue);
}
