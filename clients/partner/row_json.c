/* row_json: see its header. */
#include "clients/partner/row_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"
#include "base/language.h"
#include "clients/partner/release.h"
#include "proto/payload.h"
#include "proto/seal.h"

static bool
add_id(json_t *row, const char *key, const uint8_t id[KW_ID_LEN])
{
	char text[37];

	kw_id_text(text, id);
	return json_object_set_new(row, key, json_string(text)) == 0;
}

static json_t *
nodes_json(const struct header *h)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < h->to_count; i++)
		(void)json_array_append_new(list, json_string(h->to[i]));
	return list;
}

/* What the broker states of a case. */
static bool
add_case(json_t *row, const struct entry_case *c)
{
	json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:I, s:i}", "cause", case_cause_name(c->cause), "state", case_state_name(c->state), "owner", c->owner, "next", c->next,
	                        "until_ms", (json_int_t)c->until_ms, "alarms", (int)c->alarms);

	return add_id(out, "id", c->id) && json_object_set_new(row, "case", out) == 0;
}

/* And of a node that an operator keeps out, or lets in again. */
static bool
add_suspension(json_t *row, const struct entry_suspension *e)
{
	return json_object_set_new(row, "suspension", json_pack("{s:s, s:b, s:s, s:s, s:I, s:I}", "node", e->node, "lifted", e->act == SUSPENSION_LIFTED, "by", e->by, "reason", e->reason,
	                                                        "from_ms", (json_int_t)e->from_ms, "until_ms", (json_int_t)e->until_ms)) == 0;
}

static json_t *
hash_json(const uint8_t hash[KW_HASH_LEN])
{
	char text[2 * KW_HASH_LEN + 1];

	for (int i = 0; i < KW_HASH_LEN; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", hash[i]);
	return json_string(text);
}

static json_t *
words_json(const struct release *r)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < r->count; i++)
		(void)json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "node", r->words[i].node, "at_ms", (json_int_t)r->words[i].at_ms, "as", r->words[i].as));
	return list;
}

/* Of a draft and of what was released: which text it is, its embargo, and who approved it. */
static bool
add_release(json_t *out, const struct inbox_row *row)
{
	const struct header *h = &row->header;
	uint8_t hash[KW_HASH_LEN];
	struct release *r;
	bool good = true;

	if (row->of_case || (h->type != TYPE_DRAFT && h->type != TYPE_RELEASED))
		return true;
	if (json_object_set_new(out, "not_before_ms", json_integer((json_int_t)h->not_before_ms)) != 0)
		return false;
	if (row->payload.len == 0)
		return true;
	release_text_hash(hash, h->payload_type, row->payload);
	if (json_object_set_new(out, "text_hash", hash_json(hash)) != 0)
		return false;
	if (h->type != TYPE_RELEASED)
		return true;
	if ((r = calloc(1, sizeof *r)) == NULL)
		return false;
	if (release_read(r, row->whole, NULL) == KW_OK)
		good = json_object_set_new(out, "approved_by", words_json(r)) == 0;
	free(r);
	return good;
}

/* All but the content. NULL: memory is short. */
static json_t *
head_json(const struct inbox_row *row, const struct payload_brief *b)
{
	const struct header *h = &row->header;
	json_t *out = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "seq", (json_int_t)row->seq, "topic", h->topic, "sender", h->sender, "lane",
	                        lane_name(row->lane), "type", row->of_case ? "case" : row->of_suspension ? "suspension" : h->type == 0 ? "" : notice_type_name(h->type), "schema",
	                        h->payload_type == PAYLOAD_NONE ? "" : payload_type_name(h->payload_type), "created_ms", (json_int_t)h->created_ms, "expires_ms",
	                        (json_int_t)h->expires_ms, "received_ms", (json_int_t)row->received_ms);
	json_t *rest = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:o}", "headline", b->headline, "status", b->status, "msg_type",
	                         b->msg_type, "severity", b->severity, "area", b->area, "what_to_do", b->what_to_do, "until_ms", (json_int_t)b->until_ms, "mark", row->mark, "reason",
	                         row->rejected ? row->reason : "", "rejected", row->rejected, "bare", row->bare, "cancelled", row->cancelled, "superseded",
	                         row->superseded, "outdated", row->outdated, "to", nodes_json(h));

	if ((row->of_case && !add_case(out, &row->entry.of_case)) || (row->of_suspension && !add_suspension(out, &row->entry.of_suspension))) {
		json_decref(out);
		out = NULL;
	}
	if (!add_release(rest, row) || !add_id(out, "id", h->id) || (h->about.set && !add_id(out, "about", h->about.id)) || json_object_update(out, rest) != 0) {
		json_decref(out);
		out = NULL;
	}
	json_decref(rest);
	return out;
}

/* As a JSON text of its own. */
static void
put_text(struct buf *out, struct span text)
{
	json_t *v = json_stringn((const char *)text.p, text.len);
	char *dump = v != NULL ? json_dumps(v, JSON_ENCODE_ANY) : NULL;

	buf_put_str(out, dump != NULL ? dump : "null");
	free(dump);
	json_decref(v);
}

/* ,"content_form":…,"content":… — or ,"content_error":…, so that one that cannot be shown hides no other. */
static void
put_content(struct buf *out, const struct inbox_row *row, enum row_content form, const char *language)
{
	enum payload_type type = row->header.payload_type;
	struct buf content = BUF_INIT(ROW_JSON_MAX);
	struct kw_why why = {{0}};
	enum kw_err err;

	content.secret = true;
	if (form == CONTENT_TEXT)
		err = payload_to_text(&content, type, row->payload, language, language_is_german(language), &why);
	else if (form == CONTENT_CAP && type == PAYLOAD_ALERT)
		err = cap_export(&content, row->payload, &why);
	else
		err = payload_to_json(&content, type, row->payload, false, &why);
	if (err != KW_OK) {
		buf_put_str(out, ",\"content_error\":");
		put_text(out, span_str(why.text));
	} else if (form == CONTENT_TEXT || (form == CONTENT_CAP && type == PAYLOAD_ALERT)) {
		buf_put_str(out, form == CONTENT_TEXT ? ",\"content_form\":\"text\",\"content\":" : ",\"content_form\":\"cap\",\"content\":");
		put_text(out, buf_span(&content));
	} else {
		buf_put_str(out, ",\"content_form\":\"json\",\"content\":");
		buf_put_span(out, buf_span(&content));
	}
	buf_free(&content);
}

static void
add_shape(void *self, bool circle, const char *text)
{
	json_t *list = self;

	if (json_array_size(list) < ROW_SHAPES_MAX)
		(void)json_array_append_new(list, json_pack("{s:s}", circle ? "circle" : "polygon", text));
}

/* ,"shapes":[…]: what the text above has no words for. */
static void
put_shapes(struct buf *out, const struct inbox_row *row, const char *language)
{
	json_t *list = json_array();
	char *dump = NULL;

	if (payload_shapes(row->header.payload_type, row->payload, language, add_shape, list, NULL) == KW_OK && json_array_size(list) > 0)
		dump = json_dumps(list, JSON_COMPACT);
	if (dump != NULL)
		buf_printf(out, ",\"shapes\":%s", dump);
	free(dump);
	json_decref(list);
}

void
row_json_put(struct buf *out, const struct inbox_row *row, enum row_content content, const char *language)
{
	struct payload_brief brief = {.until_ms = 0};
	json_t *head;
	char *dump;

	json_memory_begin();
	if (row->payload.len > 0 && payload_brief(&brief, row->header.payload_type, row->payload, language, NULL) != KW_OK)
		memset(&brief, 0, sizeof brief);
	head = head_json(row, &brief);
	dump = head != NULL ? json_dumps(head, JSON_COMPACT) : NULL;
	json_decref(head);
	if (dump == NULL) {
		out->failed = true;
		return;
	}
	buf_put(out, dump, strlen(dump) - 1); /* without its last brace */
	free(dump);
	if (content != CONTENT_NONE && row->payload.len > 0)
		put_content(out, row, content, language);
	if (content == CONTENT_TEXT && row->payload.len > 0)
		put_shapes(out, row, language);
	buf_put_str(out, "}");
	if (json_memory_was_short())
		out->failed = true;
}
