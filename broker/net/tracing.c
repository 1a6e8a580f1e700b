/* tracing: see its header. */
#include "broker/net/tracing.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_ask.h"
#include "base/json_memory.h"
#include "base/text.h"
#include "broker/net/log_entry.h"
#include "broker/net/refusals.h"
#include "proto/seal.h"

#define ASK_MAX 1024u
#define SENDERS_A_PAGE 256u /* looked up at the price of a page of headers */
#define IDS_SHOWN 16u

/* ---- requests ---- */

static enum kw_err
take_key(struct trace_ask *a, const char *key, const json_t *v, struct kw_why *why)
{
	uint64_t number;
	enum kw_err err;

	if (strcmp(key, "id") == 0)
		return json_is_string(v) && kw_id_parse(a->id, json_string_value(v)) ? KW_OK : kw_refuse(why, KW_EINVAL, "id must be a notification's whole id");
	if (strcmp(key, "sender") == 0) {
		if (!json_is_string(v) || node_check(json_string_value(v), why) != KW_OK)
			return kw_refuse(why, KW_EINVAL, "sender must be a node's id, as partner/node");
		memcpy(a->sender, json_string_value(v), strlen(json_string_value(v)) + 1);
		return KW_OK;
	}
	if (strcmp(key, "lane") == 0)
		return json_is_string(v) && lane_of(&a->lane, json_string_value(v)) ? KW_OK : kw_refuse(why, KW_EINVAL, "lane must be flash, urgent or routine");
	if (strcmp(key, "after") == 0) {
		a->behind = true;
		return json_ask_number(&a->after, v, INT64_MAX, key, why);
	}
	if (strcmp(key, "readers_from") != 0)
		return kw_refuse(why, KW_EINVAL, "the key \"%.32s\" is not known in a request for a trace", key);
	if ((err = json_ask_number(&number, v, UINT32_MAX, key, why)) == KW_OK)
		a->readers_from = (uint32_t)number;
	return err;
}

static enum kw_err
load(json_t **doc, struct span text, struct kw_why *why)
{
	enum kw_err err = json_ask_load(doc, text, ASK_MAX, why);

	return err == KW_OK && json_object_get(*doc, "id") == NULL ? kw_refuse(why, KW_EINVAL, "the key \"id\" is missing") : err;
}

enum kw_err
trace_ask_read(struct trace_ask *out, struct span text, struct kw_why *why)
{
	json_t *doc = NULL, *v;
	const char *key;
	enum kw_err err = load(&doc, text, why);

	memset(out, 0, sizeof *out);
	json_object_foreach(doc, key, v)
		if (err == KW_OK)
			err = take_key(out, key, v, why);
	if (err == KW_OK && out->behind != (json_object_get(doc, "lane") != NULL))
		err = kw_refuse(why, KW_EINVAL, "lane and after go together");
	json_decref(doc);
	return err;
}

enum kw_err
explain_ask_read(struct explain_ask *out, struct span text, struct kw_why *why)
{
	json_t *doc = NULL;
	const char *piece;
	size_t len;
	enum kw_err err = load(&doc, text, why);

	memset(out, 0, sizeof *out);
	if (err == KW_OK) {
		piece = json_is_string(json_object_get(doc, "id")) ? json_string_value(json_object_get(doc, "id")) : "";
		len = strlen(piece);
		if (json_object_size(doc) != 1 || len < EXPLAIN_PIECE_MIN || len > 36 || strspn(piece, "0123456789abcdefABCDEF-") != len)
			err = kw_refuse(why, KW_EINVAL, "id must be a notification's id, or at least %u characters of its beginning or end, and nothing else is asked",
			                EXPLAIN_PIECE_MIN);
		for (size_t i = 0; err == KW_OK && i < len; i++)
			out->piece[i] = (char)tolower((unsigned char)piece[i]);
	}
	json_decref(doc);
	return err;
}

/* ---- what was refused ---- */

static bool
is_meant(const char *piece, const uint8_t id[KW_ID_LEN])
{
	size_t len = strlen(piece);
	char text[37];

	kw_id_text(text, id);
	return strncmp(text, piece, len) == 0 || strcmp(text + 36 - len, piece) == 0;
}

static json_t *
refusal_json(const struct refusal *r)
{
	char id[37], time[TEXT_TIME_MAX];
	json_t *o;

	kw_id_text(id, r->id);
	text_put_time_utc(time, r->at_ms);
	o = json_pack("{s:s, s:s, s:s, s:I, s:s, s:b, s:I, s:s}", "id", id, "sender", r->sender, "time", time, "time_ms", (json_int_t)r->at_ms, "code",
	              wire_code_name(r->code), "for_good", wire_code_for_good(r->code), "times", (json_int_t)r->times, "says", r->text);
	if (r->has_header) {
		json_object_set_new(o, "type", json_string(notice_type_name(r->type)));
		json_object_set_new(o, "lane", json_string(lane_name(r->lane)));
		json_object_set_new(o, "topic", json_string(r->topic));
	}
	return o;
}

static json_t *
refusals_json(const struct relay *r, const char *piece)
{
	json_t *list = json_array();

	for (const struct refusal *one = refusals_next(relay_refusals(r), NULL); one != NULL; one = refusals_next(relay_refusals(r), one))
		if (json_array_size(list) < TRACE_REFUSALS && is_meant(piece, one->id))
			json_array_append_new(list, refusal_json(one));
	return list;
}

/* ---- one notification ---- */

struct tracing {
	const struct relay_parts *parts;
	const struct trace_ask *ask;
	struct kw_why *why;
	struct store_found found;
	uint32_t sender;               /* its number */
	struct log_entry entry;
	set_no set;
	bool recalled;
};

/* The store finds by sender and id: so it is asked for each node that ever was, or for the one that is named. */
static enum kw_err
find_place(struct tracing *t)
{
	struct store *s = t->parts->store;
	uint32_t total = core_node_total(t->parts->core);

	for (t->sender = 0; t->sender < total; t->sender++) {
		struct core_node_info n;
		enum kw_err err;

		if (t->ask->sender[0] != '\0') {
			core_node_info(t->parts->core, t->sender, &n);
			if (strcmp(n.id, t->ask->sender) != 0)
				continue;
		}
		err = s->ops->find(s, (node_no){t->sender}, t->ask->id, &t->found, t->why);
		if (err != KW_ENOTFOUND)
			return err;
	}
	return KW_ENOTFOUND;
}

static enum kw_err
read_entry(struct tracing *t)
{
	struct store *s = t->parts->store;
	struct store_entry e;
	uint32_t count = 0;
	enum kw_err err = s->ops->heads(s, t->found.at.lane, t->found.at.number - 1, &e, 1, &count, t->why);

	if (err != KW_OK)
		return err;
	if (count == 0 || e.entry || memcmp(e.id, t->ask->id, KW_ID_LEN) != 0) {
		err = KW_ENOTFOUND; /* its head is gone, and only that it was here is known */
	} else {
		t->set = e.set;
		t->recalled = e.recalled;
		err = log_entry_read(&t->entry, &e, t->why);
	}
	s->ops->read_done(s);
	return err;
}

static json_t *
hex_json(const uint8_t *p, size_t len)
{
	char text[2 * WIRE_COMMIT_LEN + 1];

	MUST(len <= WIRE_COMMIT_LEN);
	text_put_hex(text, span_of(p, len));
	return json_string(text);
}

/* The commit and the path to it: whoever asks verifies them. */
static enum kw_err
commit_json(json_t **out, const struct tracing *t)
{
	uint8_t record[WIRE_COMMIT_LEN], path[KW_PATH_MAX][KW_HASH_LEN];
	uint32_t len = 0;
	json_t *list;
	enum kw_err err = t->parts->store->ops->proof(t->parts->store, t->found.commit, t->found.index, record, path, &len, t->why);

	*out = json_null();
	if (err == KW_ENOTFOUND)
		return KW_OK;
	if (err != KW_OK)
		return err;
	list = json_array();
	for (uint32_t i = 0; i < len; i++)
		json_array_append_new(list, hex_json(path[i], KW_HASH_LEN));
	*out = json_pack("{s:I, s:I, s:o, s:i, s:o}", "number", (json_int_t)t->found.commit, "time_ms", (json_int_t)be64_get(record + 12), "record",
	                 hex_json(record, sizeof record), "index", (int)t->found.index, "path", list);
	return KW_OK;
}

/* What keeps it from this reader, if anything does; the first that fits. */
static const char *
reader_state(const struct core_node_info *n, bool suspended, enum lane lane, uint64_t number)
{
	if (n->cursor[lane] >= number)
		return "passed";
	if (!n->in_agreement)
		return "left";
	if (suspended)
		return "suspended";
	if (n->conn == CORE_NO_CONN)
		return "away";
	if (n->lagging[lane])
		return "behind";
	return n->window[lane].messages > 0 && n->in_flight[lane] >= n->window[lane].messages ? "window" : "sent";
}

static json_t *
reader_json(const struct tracing *t, uint32_t node)
{
	enum lane lane = t->found.at.lane;
	uint64_t number = t->found.at.number, now = clock_mono_ms();
	struct core_suspension held;
	struct core_node_info n;
	json_t *o;

	core_node_info(t->parts->core, node, &n);
	o = json_pack("{s:s, s:s, s:b, s:I, s:I, s:b}", "node", n.id, "state", reader_state(&n, core_suspension(t->parts->core, node, &held), lane, number), "connected", n.conn != CORE_NO_CONN, "cursor",
	              (json_int_t)n.cursor[lane], "unacknowledged", (json_int_t)n.in_flight[lane], "subscribed",
	              core_node_wants(t->parts->core, node, t->entry.header.topic));
	if (n.conn != CORE_NO_CONN)
		json_object_set_new(o, "connected_ms", json_integer((json_int_t)(now - n.since_ms)));
	return o;
}

static void
put_readers(json_t *root, const struct tracing *t)
{
	const node_no *nodes = NULL;
	uint32_t count = core_set_nodes(t->parts->core, t->set, &nodes);
	json_t *list = json_array();

	for (uint32_t i = t->ask->readers_from; i < count && i - t->ask->readers_from < TRACE_READERS; i++)
		json_array_append_new(list, reader_json(t, nodes[i].v));
	json_object_set_new(root, "readers_total", json_integer(count));
	json_object_set_new(root, "readers_from", json_integer(t->ask->readers_from));
	json_object_set_new(root, "readers", list);
}

static enum kw_err
put_itself(json_t *root, const struct tracing *t)
{
	struct core_node_info n;
	json_t *commit, *row;
	enum kw_err err = commit_json(&commit, t);

	if (err != KW_OK)
		return err;
	core_node_info(t->parts->core, t->sender, &n);
	row = headers_row(&t->entry.header, &t->found.at, json_is_object(commit) ? (uint64_t)json_integer_value(json_object_get(commit, "time_ms")) : t->entry.header.created_ms);
	json_object_set_new(row, "log_epoch", json_integer(t->found.at.log_epoch));
	json_object_set_new(row, "frame_hash", hex_json(t->found.frame_hash, KW_HASH_LEN));
	json_object_set_new(row, "recalled", json_boolean(t->recalled));
	json_object_set_new(root, "notification", row);
	json_object_set_new(root, "commit", commit);
	json_object_set_new(root, "sender_connected", json_boolean(n.conn != CORE_NO_CONN));
	put_readers(root, t);
	json_object_set_new(root, "lane", json_string(lane_name(t->found.at.lane)));
	json_object_set_new(root, "after", json_integer((json_int_t)t->found.at.number));
	json_object_set_new(root, "tail", json_integer((json_int_t)core_tail(t->parts->core, t->found.at.lane)));
	return KW_OK;
}

/* ---- what came about it ---- */

static json_t *
statement_json(const struct broker_entry *e, const struct position *at)
{
	const struct entry_case *k = &e->of_case;
	char time[TEXT_TIME_MAX];

	text_put_time_utc(time, e->time_ms);
	return json_pack("{s:s, s:I, s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:I}", "type", "statement", "number", (json_int_t)at->number, "time", time, "time_ms",
	                 (json_int_t)e->time_ms, "cause", case_cause_name(k->cause), "state", case_state_name(k->state), "owner", k->owner, "next_owner", k->next, "until_ms",
	                 (json_int_t)k->until_ms, "agreement_version", (json_int_t)e->version, "rule",
	                 k->rule == ENTRY_NO_RULE ? json_null() : json_integer(k->rule), "alarms", (json_int_t)k->alarms);
}

static bool
is_about(const struct tracing *t, const struct log_entry *e)
{
	if (e->e.entry != NULL)
		return e->own.kind == ENTRY_CASE && e->own.of_case.lane == t->ask->lane && memcmp(e->own.of_case.id, t->ask->id, KW_ID_LEN) == 0;
	return e->header.about.set && memcmp(e->header.about.id, t->ask->id, KW_ID_LEN) == 0;
}

struct line { struct position at; uint64_t commit; bool entry; union { struct header header; struct broker_entry own; }; };

/* Copied out, so that the store's reader is free before it is asked for commits. */
static enum kw_err
copy_about(struct line *lines, uint32_t *found, uint64_t *after, bool *over, const struct tracing *t, struct store_entry *entries, struct log_entry *one)
{
	struct store *s = t->parts->store;
	uint32_t count = 0;
	enum kw_err err = s->ops->heads(s, t->ask->lane, t->ask->after, entries, HEADERS_PAGE, &count, t->why);

	if (err != KW_OK)
		return err;
	for (uint32_t i = 0; i < count && err == KW_OK; i++) {
		err = log_entry_read(one, &entries[i], t->why);
		if (err == KW_OK && is_about(t, one)) {
			struct line *l = &lines[(*found)++];

			*l = (struct line){.at = entries[i].at, .commit = entries[i].commit, .entry = entries[i].entry};
			if (l->entry)
				l->own = one->own;
			else
				l->header = one->header;
		}
		*after = entries[i].at.number;
	}
	*over = count < HEADERS_PAGE;
	s->ops->read_done(s);
	return err;
}

static enum kw_err
about_json(json_t *list, const struct tracing *t, const struct line *l)
{
	uint64_t ms;
	enum kw_err err;

	if (l->entry) {
		json_array_append_new(list, statement_json(&l->own, &l->at));
		return KW_OK;
	}
	ms = l->header.created_ms;
	err = t->parts->store->ops->commit_time(t->parts->store, l->commit, &ms);
	if (err != KW_OK && err != KW_ENOTFOUND)
		return kw_refuse(t->why, err, "commit %llu cannot be read", (unsigned long long)l->commit);
	json_array_append_new(list, headers_row(&l->header, &l->at, ms));
	return KW_OK;
}

static enum kw_err
put_about(json_t *root, const struct tracing *t)
{
	struct store_entry *entries = calloc(HEADERS_PAGE, sizeof *entries);
	struct line *lines = calloc(HEADERS_PAGE, sizeof *lines);
	struct log_entry *one = calloc(1, sizeof *one);
	json_t *list = json_array();
	uint64_t after = t->ask->after;
	uint32_t found = 0;
	bool over = true;
	enum kw_err err = entries != NULL && lines != NULL && one != NULL ? copy_about(lines, &found, &after, &over, t, entries, one) : KW_ENOMEM;

	for (uint32_t i = 0; i < found && err == KW_OK; i++)
		err = about_json(list, t, &lines[i]);
	json_object_set_new(root, "about", list);
	json_object_set_new(root, "after", json_integer((json_int_t)after));
	json_object_set_new(root, "more", json_boolean(!over));
	json_object_set_new(root, "tail", json_integer((json_int_t)core_tail(t->parts->core, t->ask->lane)));
	free(one);
	free(lines);
	free(entries);
	return err;
}

/* ---- the answer ---- */

/* Takes root. What found no memory is left out of what it was for, without a word: then nothing is answered. */
static enum kw_err
put_whole(struct buf *out, json_t *root)
{
	char *text = json_dumps(root, JSON_COMPACT);
	bool whole = text != NULL && !json_memory_was_short();

	json_decref(root);
	if (whole)
		buf_put_str(out, text);
	free(text);
	return whole && buf_ok(out) ? KW_OK : KW_ENOMEM;
}

static enum kw_err
spend(struct headers_budget *budget, uint32_t pages, struct kw_why *why)
{
	if (headers_spend(budget, pages < HEADERS_PAGES_A_SECOND ? pages : HEADERS_PAGES_A_SECOND))
		return KW_OK;
	return kw_refuse(why, KW_EAGAIN, "more than %u pages of headers were asked for in this second; ask again in the next", HEADERS_PAGES_A_SECOND);
}

static enum kw_err
over(struct buf *out, json_t *root, enum kw_err err, struct kw_why *why)
{
	if (err == KW_OK)
		err = put_whole(out, root);
	else
		json_decref(root);
	return err == KW_ENOMEM ? kw_refuse(why, KW_ENOMEM, "the broker is short of memory") : err;
}

enum kw_err
trace_put(struct buf *out, struct headers_budget *budget, const struct relay *r, const struct trace_ask *ask, struct kw_why *why)
{
	struct tracing t = {.parts = relay_parts_of(r), .ask = ask, .why = why};
	uint32_t pages = 1 + (ask->behind || ask->sender[0] != '\0' ? 0 : core_node_total(t.parts->core) / SENDERS_A_PAGE);
	enum kw_err err = spend(budget, pages, why);
	char id[37];
	json_t *root;

	if (err != KW_OK)
		return err;
	json_memory_begin();
	kw_id_text(id, ask->id);
	root = json_pack("{s:s}", "id", id);
	if (ask->behind) {
		err = put_about(root, &t);
	} else {
		if ((err = find_place(&t)) == KW_OK)
			err = read_entry(&t);
		json_object_set_new(root, "found", json_boolean(err == KW_OK));
		if (err == KW_OK)
			err = put_itself(root, &t);
		else if (err == KW_ENOTFOUND)
			err = KW_OK;
	}
	return over(out, root, err, why);
}

/* ---- pieces of ids ---- */

static void
add_id(json_t *ids, const uint8_t id[KW_ID_LEN])
{
	char text[37];
	json_t *one;
	size_t i;

	kw_id_text(text, id);
	json_array_foreach(ids, i, one)
		if (json_is_string(one) && strcmp(json_string_value(one), text) == 0)
			return;
	if (json_array_size(ids) < IDS_SHOWN)
		json_array_append_new(ids, json_string(text));
}

/* Among the newest of a lane. */
static enum kw_err
find_pieces(json_t *ids, const struct relay_parts *p, enum lane lane, const char *piece, struct store_entry *entries, struct kw_why *why)
{
	uint64_t tail = core_tail(p->core, lane), after = tail > TRACE_NEWEST ? tail - TRACE_NEWEST : 0;
	uint32_t count = HEADERS_PAGE;

	for (uint32_t pages = 0; count == HEADERS_PAGE && pages < TRACE_NEWEST / HEADERS_PAGE; pages++) {
		enum kw_err err = p->store->ops->heads(p->store, lane, after, entries, HEADERS_PAGE, &count, why);

		if (err != KW_OK)
			return err;
		for (uint32_t i = 0; i < count; i++) {
			if (!entries[i].entry && is_meant(piece, entries[i].id))
				add_id(ids, entries[i].id);
			after = entries[i].at.number;
		}
		p->store->ops->read_done(p->store);
	}
	return KW_OK;
}

enum kw_err
explain_put(struct buf *out, struct headers_budget *budget, const struct relay *r, const struct explain_ask *ask, struct kw_why *why)
{
	const struct relay_parts *p = relay_parts_of(r);
	bool piece = strlen(ask->piece) < 36;
	struct store_entry *entries;
	enum kw_err err = spend(budget, piece ? KW_LANES * TRACE_NEWEST / HEADERS_PAGE : 1, why);
	json_t *root, *ids;

	if (err != KW_OK)
		return err;
	json_memory_begin();
	ids = json_array();
	root = json_pack("{s:o, s:o, s:I}", "ids", ids, "refusals", refusals_json(r, ask->piece), "remembers_since_ms", (json_int_t)relay_refusals(r)->since_ms);
	for (const struct refusal *one = refusals_next(relay_refusals(r), NULL); one != NULL; one = refusals_next(relay_refusals(r), one))
		if (is_meant(ask->piece, one->id))
			add_id(ids, one->id);
	entries = piece ? calloc(HEADERS_PAGE, sizeof *entries) : NULL;
	if (piece && entries == NULL)
		err = KW_ENOMEM;
	for (int lane = 0; lane < KW_LANES && piece && err == KW_OK; lane++)
		err = find_pieces(ids, p, (enum lane)lane, ask->piece, entries, why);
	free(entries);
	return over(out, root, err, why);
}
