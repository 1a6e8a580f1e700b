/* headers: see its header. */
#include "broker/net/headers.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_ask.h"
#include "base/json_memory.h"
#include "base/text.h"
#include "proto/frame.h"
#include "proto/seal.h"

#define ASK_MAX 2048u
#define ANSWER_MAX (160u * 1024u)     /* what an answer's rows may be estimated at */
#define SLACK_MS (3600ull * 1000)     /* a clock that is set back by less than this hides nothing */

/* ---- the request ---- */

static enum kw_err
take_key(struct headers_ask *a, const char *key, const json_t *v, struct kw_why *why)
{
	if (strcmp(key, "lane") == 0)
		return json_is_string(v) && lane_of(&a->lane, json_string_value(v)) ? KW_OK : kw_refuse(why, KW_EINVAL, "lane must be flash, urgent or routine");
	if (strcmp(key, "after") == 0)
		return json_ask_number(&a->after, v, INT64_MAX, key, why);
	if (strcmp(key, "from_ms") == 0)
		return json_ask_number(&a->from_ms, v, INT64_MAX, key, why);
	if (strcmp(key, "to_ms") == 0)
		return json_ask_number(&a->to_ms, v, INT64_MAX, key, why);
	if (strcmp(key, "receipts") == 0)
		return json_ask_flag(&a->receipts, v, key, why);
	if (strcmp(key, "topic") != 0)
		return kw_refuse(why, KW_EINVAL, "the key \"%.32s\" is not known in a request for headers", key);
	if (!json_is_string(v))
		return kw_refuse(why, KW_EINVAL, "topic must be a text");
	if (filter_check(json_string_value(v), why) != KW_OK)
		return KW_EINVAL;
	memcpy(a->topic, json_string_value(v), strlen(json_string_value(v)) + 1);
	return KW_OK;
}

static enum kw_err
take_keys(struct headers_ask *a, json_t *doc, struct kw_why *why)
{
	static const char *const wanted[] = {"lane", "from_ms", "to_ms"};
	const char *key;
	enum kw_err err;
	json_t *v;

	json_object_foreach(doc, key, v)
		if ((err = take_key(a, key, v, why)) != KW_OK)
			return err;
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		if (json_object_get(doc, wanted[i]) == NULL)
			return kw_refuse(why, KW_EINVAL, "the key \"%s\" is missing", wanted[i]);
	if (a->from_ms >= a->to_ms)
		return kw_refuse(why, KW_EINVAL, "from_ms must lie before to_ms");
	return KW_OK;
}

enum kw_err
headers_ask_read(struct headers_ask *out, struct span text, struct kw_why *why)
{
	json_t *doc;
	enum kw_err err = json_ask_load(&doc, text, ASK_MAX, why);

	memset(out, 0, sizeof *out);
	if (err == KW_OK)
		err = take_keys(out, doc, why);
	json_decref(doc);
	return err;
}

/* ---- the log ---- */

struct reading {
	const struct relay_parts *parts;
	const struct headers_ask *ask;
	struct kw_why *why;
	uint64_t commit, commit_ms;     /* the last one asked for: its entries stand together */
	json_t *rows;
	size_t bytes;                   /* estimated */
	uint64_t after;
	bool over;                      /* what comes behind is too late */
};

/* When the broker stored it. A commit that is no longer kept leaves the sender's own time. */
static enum kw_err
stored_at(uint64_t *ms, struct reading *r, uint64_t commit, uint64_t created_ms)
{
	enum kw_err err = KW_OK;

	if (commit != r->commit) {
		r->commit_ms = created_ms;
		err = r->parts->store->ops->commit_time(r->parts->store, commit, &r->commit_ms);
		r->commit = commit;
	}
	*ms = r->commit_ms;
	if (err == KW_OK || err == KW_ENOTFOUND)
		return KW_OK;
	r->commit = 0;
	return kw_refuse(r->why, err, "commit %llu cannot be read", (unsigned long long)commit);
}

static enum kw_err
header_of(struct header *out, const struct store_entry *e, struct kw_why *why)
{
	struct frame f;

	if (frame_parse(&f, e->head, FRAME_EITHER, why) != KW_OK || header_decode(out, f.header, why) != KW_OK)
		return kw_refuse(why, KW_ECORRUPT, "the store's entry %llu in lane %s cannot be read", (unsigned long long)e->at.number, lane_name(e->at.lane));
	return KW_OK;
}

/* The time of the first entry behind after; UINT64_MAX: there is none. Of the broker's own entries the commit tells it. */
static enum kw_err
probe(uint64_t *number, uint64_t *ms, struct reading *r, uint64_t after)
{
	const struct store *s = r->parts->store;
	struct store_entry e;
	uint32_t count = 0;
	uint64_t commit = 0;
	struct header h = {.created_ms = 0};
	enum kw_err err = s->ops->heads(r->parts->store, r->ask->lane, after, &e, 1, &count, r->why);

	if (err != KW_OK)
		return err;
	if (count > 0) {
		commit = e.commit;
		*number = e.at.number;
		if (!e.entry)
			err = header_of(&h, &e, r->why);
	}
	s->ops->read_done(r->parts->store);
	*ms = UINT64_MAX;
	if (err != KW_OK || count == 0)
		return err;
	return stored_at(ms, r, commit, h.created_ms);
}

/* The number behind which from_ms begins: the log's commits go up in time. */
static enum kw_err
find_start(uint64_t *after, struct reading *r)
{
	uint64_t lo = 0, hi = core_tail(r->parts->core, r->ask->lane), from_ms = r->ask->from_ms > SLACK_MS ? r->ask->from_ms - SLACK_MS : 0;

	while (lo < hi && from_ms > 0) {
		uint64_t middle = lo + (hi - lo) / 2, number = 0, ms;
		enum kw_err err = probe(&number, &ms, r, middle);

		if (err != KW_OK)
			return err;
		if (ms < from_ms)
			lo = number;
		else
			hi = middle;
	}
	*after = lo;
	return KW_OK;
}

/* ---- the answer ---- */

json_t *
headers_row(const struct header *h, const struct position *at, uint64_t stored_ms)
{
	char id[37], time[TEXT_TIME_MAX];
	json_t *o, *to = json_array();

	kw_id_text(id, h->id);
	text_put_time_utc(time, stored_ms);
	o = json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "lane", lane_name(at->lane), "number", (json_int_t)at->number, "time_ms",
	              (json_int_t)stored_ms, "time", time, "id", id, "type", notice_type_name(h->type), "topic", h->topic, "sender", h->sender, "payload",
	              payload_type_name(h->payload_type), "created_ms", (json_int_t)h->created_ms, "expires_ms", (json_int_t)h->expires_ms, "agreement_version",
	              (json_int_t)h->agreement_version);
	for (uint32_t i = 0; i < h->to_count; i++)
		json_array_append_new(to, json_string(h->to[i]));
	json_object_set_new(o, "to", to);
	if (h->take_within_s > 0)
		json_object_set_new(o, "take_within_s", json_integer((json_int_t)h->take_within_s));
	if (h->about.set) {
		kw_id_text(id, h->about.id);
		json_object_set_new(o, "about", json_string(id));
	}
	if (h->next_owner[0] != '\0')
		json_object_set_new(o, "next_owner", json_string(h->next_owner));
	return o;
}

static bool
is_wanted(const struct headers_ask *ask, const struct header *h)
{
	if (!ask->receipts && (h->type == TYPE_DELIVERED || h->type == TYPE_OPENED || h->type == TYPE_REJECTED))
		return false;
	return ask->topic[0] == '\0' || filter_matches(ask->topic, h->topic);
}

struct seen { struct header header; struct position at; uint64_t commit; bool entry; };

static enum kw_err
take_one(struct reading *r, const struct seen *s)
{
	uint64_t ms;
	enum kw_err err = stored_at(&ms, r, s->commit, s->header.created_ms);

	if (err != KW_OK)
		return err;
	if (ms > r->ask->to_ms + SLACK_MS) {
		r->over = true;
		return KW_OK;
	}
	r->after = s->at.number;
	if (s->entry || ms < r->ask->from_ms || ms >= r->ask->to_ms || !is_wanted(r->ask, &s->header))
		return KW_OK;
	r->bytes += 640 + 2 * strlen(s->header.topic) + s->header.to_count * (KW_NODE_MAX + 4u);
	return json_array_append_new(r->rows, headers_row(&s->header, &s->at, ms)) == 0 ? KW_OK : KW_ENOMEM;
}

/* What the page needs is copied out, so that the store's reader is free before it is asked for commits. */
static enum kw_err
copy_page(struct seen *page, uint32_t *count, struct reading *r, struct store_entry *entries)
{
	const struct store_ops *ops = r->parts->store->ops;
	enum kw_err err = ops->heads(r->parts->store, r->ask->lane, r->after, entries, HEADERS_PAGE, count, r->why);

	if (err != KW_OK)
		return err;
	for (uint32_t i = 0; i < *count && err == KW_OK; i++) {
		page[i] = (struct seen){.at = entries[i].at, .commit = entries[i].commit, .entry = entries[i].entry};
		if (!entries[i].entry)
			err = header_of(&page[i].header, &entries[i], r->why);
	}
	ops->read_done(r->parts->store);
	return err;
}

static enum kw_err
read_page(struct reading *r, struct seen *page, struct store_entry *entries)
{
	uint32_t count = 0;
	enum kw_err err = copy_page(page, &count, r, entries);

	for (uint32_t i = 0; i < count && err == KW_OK && !r->over && r->bytes < ANSWER_MAX; i++)
		err = take_one(r, &page[i]);
	r->over |= count == 0;
	return err;
}

static enum kw_err
answer(struct buf *out, const struct reading *r)
{
	const struct agreement *a = core_agreement(r->parts->core);
	json_t *root = json_pack("{s:s?, s:s?, s:s, s:I, s:b, s:O}", "partnership", a != NULL ? agreement_partnership(a) : NULL, "kind",
	                         a == NULL ? NULL : agreement_mode(a) == MODE_LIVE ? "live" : "exercise", "lane", lane_name(r->ask->lane), "after",
	                         (json_int_t)r->after, "more", !r->over, "headers", r->rows);
	char *text = json_dumps(root, JSON_COMPACT); /* it loses keys for which there is no memory, and says nothing */
	bool whole;

	json_decref(root);
	whole = text != NULL && !json_memory_was_short();
	if (whole)
		buf_put_str(out, text);
	free(text);
	return whole && buf_ok(out) ? KW_OK : KW_ENOMEM;
}

bool
headers_spend(struct headers_budget *b, uint32_t pages)
{
	uint64_t second = clock_mono_ms() / 1000;

	if (b->second != second)
		*b = (struct headers_budget){.second = second};
	if (b->pages + pages > HEADERS_PAGES_A_SECOND)
		return false;
	b->pages += pages;
	return true;
}

enum kw_err
headers_put(struct buf *out, struct headers_budget *budget, const struct relay *r, const struct headers_ask *ask, struct kw_why *why)
{
	struct reading reading = {.parts = relay_parts_of(r), .ask = ask, .why = why, .after = ask->after};
	struct store_entry *entries;
	struct seen *page;
	enum kw_err err = KW_OK;

	if (!headers_spend(budget, 1))
		return kw_refuse(why, KW_EAGAIN, "more than %u pages of headers were asked for in this second; ask again in the next", HEADERS_PAGES_A_SECOND);
	entries = calloc(HEADERS_PAGE, sizeof *entries);
	page = calloc(HEADERS_PAGE, sizeof *page);
	json_memory_begin();
	reading.rows = json_array();
	if (entries == NULL || page == NULL || reading.rows == NULL)
		err = KW_ENOMEM;
	if (err == KW_OK && ask->after == 0)
		err = find_start(&reading.after, &reading);
	if (err == KW_OK)
		err = read_page(&reading, page, entries);
	if (err == KW_OK)
		err = answer(out, &reading);
	json_decref(reading.rows);
	free(page);
	free(entries);
	return err == KW_ENOMEM ? kw_refuse(why, KW_ENOMEM, "the broker is short of memory") : err;
}
