/* desk_arrival: see its header. */
#include "clients/partner/desk_arrival.h"

#include <string.h>

#include "base/text.h"
#include "clients/partner/node_parts.h"

struct arrival { struct node *n; json_t *row; uint64_t seq; };

static json_t *
time_json(uint64_t ms)
{
	char when[TEXT_TIME_MAX];

	if (ms == 0)
		return json_null();
	text_put_time_utc(when, ms);
	return json_string(when);
}

/* Each handler for such topics: through with it, at it, or not there yet. */
static json_t *
handlers_json(struct node *n, const struct inbox_row *row)
{
	json_t *list = json_array();

	for (uint32_t i = 0; !row->rejected && i < n->config->handler_count; i++) {
		const struct config_handler *h = &n->config->handlers[i];
		struct desk_place place = {.seq = 0};
		const char *state = "waits";

		if (!filter_matches(h->topic, row->header.topic) || desk_place(&place, n, h->name) != KW_OK)
			continue;
		if (place.seq >= row->seq)
			state = "through";
		else if (place.at == row->seq)
			state = place.failures > 0 ? "failed, is tried again" : "running";
		json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "name", h->name, "state", state, "failures", (json_int_t)(place.at == row->seq ? place.failures : 0)));
	}
	return list;
}

static bool
take(void *self, const struct inbox_row *row)
{
	struct arrival *a = self;
	const struct header *h = &row->header;
	char id[37];

	if (row->of_case || row->of_suspension)
		return true;
	kw_id_text(id, h->id);
	a->seq = row->seq;
	a->row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:b, s:s, s:s, s:b, s:b, s:b, s:b, s:o}", "id", id, "direction", "received", "sender", h->sender, "topic",
	                   h->topic, "type", notice_type_name(h->type), "lane", lane_name(row->lane), "agreement_version", (json_int_t)h->agreement_version, "created",
	                   time_json(h->created_ms), "expires", time_json(h->expires_ms), "received", time_json(row->received_ms), "rejected", row->rejected, "reason",
	                   row->reason != NULL ? row->reason : "", "mark", row->mark != NULL ? row->mark : "", "bare", row->bare, "outdated", row->outdated, "cancelled",
	                   row->cancelled, "superseded", row->superseded, "handlers", handlers_json(a->n, row));
	return false;
}

static enum kw_err
look(struct arrival *a, const uint8_t id[KW_ID_LEN], bool rejected, struct kw_why *why)
{
	struct inbox_query q = {.rejected = rejected, .receipts = !rejected, .has_id = true, .limit = 1};

	memcpy(q.id, id, KW_ID_LEN);
	return desk_inbox(a->n, &q, take, a, why);
}

enum kw_err
desk_arrival(json_t **out, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	static const char *const receipts[] = {[RECEIPT_NONE] = "none", [RECEIPT_DUE] = "due", [RECEIPT_SAID] = "said"};
	struct arrival a = {.n = n};
	struct in_stored stored;
	enum kw_err err = look(&a, id, false, why);

	if (err == KW_OK && a.seq == 0)
		err = look(&a, id, true, why);
	if (err == KW_OK && a.seq == 0)
		return KW_ENOTFOUND;
	if (err == KW_OK && a.row == NULL)
		err = kw_refuse(why, KW_ENOMEM, "out of memory for a trace");
	if (err == KW_OK)
		err = pstore_in_get(&stored, n->store, a.seq, why);
	if (err != KW_OK) {
		json_decref(a.row);
		return err;
	}
	(void)json_object_set_new(a.row, "receipt", json_string(receipts[stored.receipt]));
	(void)json_object_set_new(a.row, "opened", json_boolean(stored.opened));
	*out = a.row;
	return KW_OK;
}
