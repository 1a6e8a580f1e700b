/* inbox: kurzweg_next. The node sends rows ahead, so that reading a long inbox asks it seldom. */
#include <stdlib.h>
#include <string.h>

#include "clients/lib/parts.h"

#define ROWS_AHEAD 64

static enum kurzweg_result
check_query(kurzweg *k, const struct kurzweg_query *q)
{
	static const char *const contents[] = {"json", "cap", "text"};

	if (q == NULL || q->size != sizeof *q)
		return fail(k, KURZWEG_USAGE, "kurzweg_next wants a query begun with KURZWEG_QUERY_INIT", "kurzweg_next verlangt eine Anfrage, die mit KURZWEG_QUERY_INIT begonnen wurde");
	if (q->after_seq > INT64_MAX || q->since_ms > INT64_MAX)
		return fail(k, KURZWEG_USAGE, "after_seq or since_ms is too large", "after_seq oder since_ms ist zu groß");
	for (size_t i = 0; q->content != NULL && i < sizeof contents / sizeof contents[0]; i++)
		if (strcmp(q->content, contents[i]) == 0)
			return KURZWEG_OK;
	return q->content == NULL ? KURZWEG_OK : fail(k, KURZWEG_USAGE, "there is no content \"%.32s\"; it is json, cap or text", "einen Inhalt \"%.32s\" gibt es nicht; es gibt json, cap und text", q->content);
}

/* Without its place: what two calls must have in common to share rows. */
static json_t *
question(const kurzweg *k, const struct kurzweg_query *q)
{
	json_t *ask = json_pack("{s:s, s:s, s:I, s:b, s:b, s:s, s:i}", "language", k->language, "verb", "inbox", "since_ms", (json_int_t)q->since_ms, "rejected", (int)q->rejected, "receipts",
	                        (int)q->receipts, "content", q->content != NULL ? q->content : "none", "limit", ROWS_AHEAD);

	if (ask != NULL && set_text(ask, "as", q->as) && set_text(ask, "reason", q->reason) && (q->topic == NULL || json_object_set_new(ask, "topic", json_string(q->topic)) == 0) &&
	    (q->id == NULL || json_object_set_new(ask, "id", json_string(q->id)) == 0))
		return ask;
	json_decref(ask);
	return NULL;
}

static void
forget_rows(kurzweg *k)
{
	json_decref(k->rows);
	free(k->rows_of);
	k->rows = NULL;
	k->rows_of = NULL;
	k->row = 0;
}

/* Asks for what stands behind q->after_seq, and takes ask. KURZWEG_NOTHING: nothing yet, or a signal came. */
static enum kurzweg_result
fetch_rows(kurzweg *k, struct kurzweg_query *q, uint64_t wait_ms, json_t *ask, char *rows_of)
{
	json_t *result = NULL, *rows, *after;
	char code[16];
	enum kurzweg_result r;

	forget_rows(k);
	if (json_object_set_new(ask, "after_seq", json_integer((json_int_t)q->after_seq)) != 0 ||
	    json_object_set_new(ask, "wait_ms", json_integer((json_int_t)wait_ms)) != 0) {
		json_decref(ask);
		ask = NULL;
	}
	r = ask_node(k, &(struct asking){.ask = ask, .wait_ms = wait_ms, .repeat = true, .ends_at_signal = true}, &result, code);
	if (r != KURZWEG_OK)
		return r;
	rows = json_object_get(result, "rows");
	after = json_object_get(result, "after");
	if (!json_is_array(rows) || !json_is_integer(after)) {
		json_decref(result);
		return fail(k, KURZWEG_FAILED, "the node's answer has no rows", "der Antwort des Knotens fehlen die Zeilen");
	}
	k->rows = json_incref(rows);
	k->rows_of = strdup(rows_of);
	k->rows_from = q->after_seq;
	k->rows_after = (uint64_t)json_integer_value(after);
	json_decref(result);
	if (json_array_size(k->rows) == 0)
		q->after_seq = k->rows_after;
	return json_array_size(k->rows) > 0 ? KURZWEG_OK : KURZWEG_NOTHING;
}

/* ---- showing one ---- */

static const char *
text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text != NULL ? text : "";
}

static uint64_t
number_of(const json_t *row, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(row, key));

	return v > 0 ? (uint64_t)v : 0;
}

static bool
is_set(const json_t *row, const char *key)
{
	return json_is_true(json_object_get(row, key));
}

static bool
show_content(kurzweg *k, struct kurzweg_notification *n, const json_t *content)
{
	n->content = "";
	if (json_is_string(content)) {
		n->content = json_string_value(content);
		n->content_len = json_string_length(content);
	} else if (content != NULL && !json_is_null(content)) {
		if ((k->shown_content = json_dumps(content, JSON_COMPACT)) == NULL)
			return false;
		n->content = k->shown_content;
		n->content_len = strlen(k->shown_content);
	}
	return true;
}

static enum kurzweg_result
show(kurzweg *k, json_t *row)
{
	struct kurzweg_notification *n = &k->notification;

	json_decref(k->shown);
	free(k->shown_json);
	free(k->shown_content);
	k->shown = json_incref(row);
	k->shown_content = NULL;
	k->shown_json = json_dumps(row, JSON_COMPACT);
	*n = (struct kurzweg_notification){
		.seq = number_of(row, "seq"),
		.id = text_of(row, "id"),
		.topic = text_of(row, "topic"),
		.sender = text_of(row, "sender"),
		.lane = text_of(row, "lane"),
		.type = text_of(row, "type"),
		.schema = text_of(row, "schema"),
		.created_ms = number_of(row, "created_ms"),
		.expires_ms = number_of(row, "expires_ms"),
		.received_ms = number_of(row, "received_ms"),
		.about = text_of(row, "about"),
		.headline = text_of(row, "headline"),
		.status = text_of(row, "status"),
		.severity = text_of(row, "severity"),
		.area = text_of(row, "area"),
		.what_to_do = text_of(row, "what_to_do"),
		.until_ms = number_of(row, "until_ms"),
		.mark = text_of(row, "mark"),
		.reason = text_of(row, "reason"),
		.bare = is_set(row, "bare"),
		.cancelled = is_set(row, "cancelled"),
		.superseded = is_set(row, "superseded"),
		.outdated = is_set(row, "outdated"),
		.content_form = text_of(row, "content_form"),
		.json = k->shown_json,
	};
	if (k->shown_json == NULL || !show_content(k, n, json_object_get(row, "content")))
		return fail(k, KURZWEG_FAILED, "out of memory", "der Arbeitsspeicher reicht nicht");
	return KURZWEG_OK;
}

/* The next of the rows that are here. */
static enum kurzweg_result
take_row(kurzweg *k, struct kurzweg_query *q, const struct kurzweg_notification **out)
{
	json_t *row = json_array_get(k->rows, k->row);
	uint64_t seq = number_of(row, "seq");
	enum kurzweg_result r;

	if (seq <= q->after_seq) {
		forget_rows(k);
		return fail(k, KURZWEG_FAILED, "the node's answer is not in order", "die Antwort des Knotens ist nicht in der richtigen Reihenfolge");
	}
	if ((r = show(k, row)) != KURZWEG_OK)
		return r;
	k->row++;
	q->after_seq = k->rows_from = k->row < json_array_size(k->rows) || k->rows_after < seq ? seq : k->rows_after;
	*out = &k->notification;
	return KURZWEG_OK;
}

enum kurzweg_result
kurzweg_next(kurzweg *k, struct kurzweg_query *q, uint64_t timeout_ms, const struct kurzweg_notification **out)
{
	uint64_t now = now_ms(), end = timeout_ms < UINT64_MAX - now ? now + timeout_ms : UINT64_MAX;
	enum kurzweg_result r;

	if (k == NULL || out == NULL)
		return KURZWEG_USAGE;
	*out = NULL;
	if ((r = check_query(k, q)) != KURZWEG_OK)
		return r;
	for (;;) {
		uint64_t left = end > now ? end - now : 0;
		json_t *ask = question(k, q);
		char *rows_of = ask != NULL ? json_dumps(ask, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

		if (rows_of != NULL && k->rows_of != NULL && strcmp(rows_of, k->rows_of) == 0 && k->rows_from == q->after_seq && k->row < json_array_size(k->rows)) {
			json_decref(ask);
			free(rows_of);
			return take_row(k, q, out);
		}
		if (rows_of == NULL) {
			json_decref(ask);
			return fail(k, KURZWEG_USAGE, "topic or id is not UTF-8, or memory is short", "Thema oder Kennung ist nicht UTF-8, oder es fehlt an Arbeitsspeicher");
		}
		r = fetch_rows(k, q, left < WAIT_MS ? left : WAIT_MS, ask, rows_of);
		free(rows_of);
		now = now_ms();
		if (r == KURZWEG_OK)
			return take_row(k, q, out);
		if (r != KURZWEG_NOTHING || k->socket == NULL /* a signal */ || now >= end)
			return r;
	}
}
