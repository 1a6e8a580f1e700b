/* events: a ring of lines, oldest out first. */
#include "broker/net/events.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/json_ask.h"
#include "base/json_memory.h"
#include "base/text.h"

#define ASK_MAX 2048u
#define ANSWER_MAX (160u * 1024u) /* what an answer's rows may be estimated at */

struct event { uint64_t wall_ms; enum log_level level; char *code; /* a zero behind it, then the fields; NULL: there was no memory */ };

struct events {
	pthread_mutex_t lock;
	char run[EVENTS_RUN_LEN + 1];
	uint64_t oldest, newest; /* numbers; none is kept where oldest > newest */
	size_t bytes;
	struct event ring[EVENTS_MAX];
};

static struct event *at(struct events *e, uint64_t number) { return &e->ring[number % EVENTS_MAX]; }
static const char *fields_of(const struct event *v) { return v->code + strlen(v->code) + 1; }

enum kw_err
events_new(struct events **out)
{
	uint8_t run[EVENTS_RUN_LEN / 2];
	struct events *e;

	if (getrandom(run, sizeof run, 0) != sizeof run)
		return KW_EIO;
	if ((e = calloc(1, sizeof *e)) == NULL)
		return KW_ENOMEM;
	(void)pthread_mutex_init(&e->lock, NULL);
	text_put_hex(e->run, span_of(run, sizeof run));
	e->oldest = 1;
	*out = e;
	return KW_OK;
}

static void
drop_oldest(struct events *e)
{
	struct event *v = at(e, e->oldest++);

	if (v->code != NULL)
		e->bytes -= strlen(v->code) + strlen(fields_of(v)) + 2;
	free(v->code);
	v->code = NULL;
}

void
events_free(struct events **events)
{
	struct events *e = *events;

	if (e == NULL)
		return;
	while (e->oldest <= e->newest)
		drop_oldest(e);
	(void)pthread_mutex_destroy(&e->lock);
	free(e);
	*events = NULL;
}

void
events_take(void *self, const struct log_line *line)
{
	struct events *e = self;
	size_t code = strlen(line->event) + 1, fields = strlen(line->values) + 1;
	char *text = code + fields <= EVENTS_BYTES_MAX ? malloc(code + fields) : NULL;

	(void)pthread_mutex_lock(&e->lock);
	while (e->oldest <= e->newest && (e->newest - e->oldest + 1 == EVENTS_MAX || e->bytes + code + fields > EVENTS_BYTES_MAX))
		drop_oldest(e);
	*at(e, ++e->newest) = (struct event){line->wall_ms, line->level, text};
	if (text != NULL) {
		memcpy(text, line->event, code);
		memcpy(text + code, line->values, fields);
		e->bytes += code + fields;
	}
	(void)pthread_mutex_unlock(&e->lock);
}

/* ---- the request ---- */

static enum kw_err
take_text(char *out, size_t max, const json_t *v, const char *key, struct kw_why *why)
{
	const char *text;
	enum kw_err err = json_ask_text(&text, v, key, why);

	if (err != KW_OK)
		return err;
	if (strlen(text) > max)
		return kw_refuse(why, KW_ELIMIT, "%s has %zu bytes, at most %zu are allowed", key, strlen(text), max);
	memcpy(out, text, strlen(text) + 1);
	return KW_OK;
}

static enum kw_err
take_key(struct events_ask *a, const char *key, const json_t *v, struct kw_why *why)
{
	if (strcmp(key, "run") == 0)
		return take_text(a->run, EVENTS_RUN_LEN, v, key, why);
	if (strcmp(key, "peer") == 0)
		return take_text(a->peer, EVENTS_PEER_MAX, v, key, why);
	if (strcmp(key, "after") == 0)
		return json_ask_number(&a->after, v, INT64_MAX, key, why);
	if (strcmp(key, "last") == 0)
		return json_ask_number(&a->last, v, INT64_MAX, key, why);
	if (strcmp(key, "since_ms") == 0)
		return json_ask_number(&a->since_ms, v, INT64_MAX, key, why);
	if (strcmp(key, "level") != 0)
		return kw_refuse(why, KW_EINVAL, "the key \"%.32s\" is not known in a request for events", key);
	if (!json_is_string(v) || !log_level_of(&a->level, json_string_value(v)))
		return kw_refuse(why, KW_EINVAL, "level must be error, warning, notice, info or debug");
	return KW_OK;
}

enum kw_err
events_ask_read(struct events_ask *out, struct span text, struct kw_why *why)
{
	const char *key;
	json_t *doc, *v;
	enum kw_err err = json_ask_load(&doc, text, ASK_MAX, why);

	*out = (struct events_ask){.level = LOG_DEBUG};
	if (err == KW_OK)
		json_object_foreach(doc, key, v)
			if ((err = take_key(out, key, v, why)) != KW_OK)
				break;
	json_decref(doc);
	return err;
}

/* ---- the answer; the lock is held ---- */

/* The first field alone says whom a line is about: what a peer wrote can stand in any other. */
static bool
is_about(const struct event *v, const char *peer)
{
	const char *fields = fields_of(v), *value = strncmp(fields, "peer=", 5) == 0 ? fields + 5 : strncmp(fields, "by=", 3) == 0 ? fields + 3 : NULL;
	size_t len = strlen(peer);

	return value != NULL && strncmp(value, peer, len) == 0 && (value[len] == '\0' || value[len] == ' ');
}

static bool
is_wanted(const struct event *v, const struct events_ask *ask)
{
	return v->code != NULL && v->level <= ask->level && v->wall_ms >= ask->since_ms && (ask->peer[0] == '\0' || is_about(v, ask->peer));
}

/* The number with which the answer begins. */
static uint64_t
find_start(struct events *e, const struct events_ask *ask, uint64_t after)
{
	uint64_t n = after + 1 > e->oldest ? after + 1 : e->oldest, wanted = 0;

	if (ask->last == 0 || after > 0)
		return n;
	for (uint64_t back = e->newest; back >= e->oldest && back > 0; back--)
		if (is_wanted(at(e, back), ask) && ++wanted == ask->last)
			return back;
	return e->oldest;
}

static json_t *
row_json(const struct event *v, uint64_t number)
{
	char time[TEXT_TIME_MAX];

	text_put_time_utc(time, v->wall_ms);
	return json_pack("{s:I, s:I, s:s, s:s, s:s, s:s}", "number", (json_int_t)number, "time_ms", (json_int_t)v->wall_ms, "time", time, "level",
	                 log_level_name(v->level), "code", v->code, "fields", fields_of(v));
}

static json_t *
page_json(struct events *e, const struct events_ask *ask)
{
	bool same = ask->run[0] == '\0' || strcmp(ask->run, e->run) == 0;
	uint64_t after = same && ask->after <= e->newest ? ask->after : 0, start = find_start(e, ask, after), n = start, missed = e->oldest > after + 1 ? e->oldest - after - 1 : 0;
	json_t *rows = json_array();
	size_t bytes = 0;

	for (; n <= e->newest && json_array_size(rows) < EVENTS_PAGE && bytes < ANSWER_MAX; n++) {
		const struct event *v = at(e, n);

		missed += v->code == NULL;
		if (!is_wanted(v, ask))
			continue;
		bytes += 200 + 2 * strlen(fields_of(v));
		json_array_append_new(rows, row_json(v, n));
	}
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:b, s:I, s:o}", "run", e->run, "newest", (json_int_t)e->newest, "oldest", (json_int_t)e->oldest, "oldest_ms",
	                 (json_int_t)(e->oldest <= e->newest ? at(e, e->oldest)->wall_ms : 0), "after", (json_int_t)(n - 1), "more", n <= e->newest, "missed",
	                 (json_int_t)missed, "events", rows);
}

enum kw_err
events_put(struct buf *out, struct events *e, const struct events_ask *ask)
{
	json_t *root;
	char *text;
	bool whole;

	json_memory_begin(); /* what finds none is left out of what it was for, without a word */
	(void)pthread_mutex_lock(&e->lock);
	root = page_json(e, ask);
	(void)pthread_mutex_unlock(&e->lock);
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	whole = text != NULL && !json_memory_was_short();
	if (whole)
		buf_put_str(out, text);
	free(text);
	return whole && buf_ok(out) ? KW_OK : KW_ENOMEM;
}
