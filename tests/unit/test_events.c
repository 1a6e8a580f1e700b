/* What the broker keeps of its log, and how an operator reads it: docs/protocol.md [O-5]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/json_memory.h"
#include "broker/net/events.h"
#include "shortage.h"

static int
set_up(void **state)
{
	struct events *e = NULL;

	assert_int_equal(events_new(&e), KW_OK);
	*state = e;
	return 0;
}

static int
tear_down(void **state)
{
	struct events *e = *state;

	events_free(&e);
	return 0;
}

static void
add(struct events *e, uint64_t wall_ms, enum log_level level, const char *code, const char *values)
{
	events_take(e, &(struct log_line){level, wall_ms, code, values});
}

static json_t *
ask(struct events *e, const char *request)
{
	struct buf out = BUF_INIT(1u << 20);
	struct events_ask a;
	struct kw_why why;
	json_t *page;

	assert_int_equal(events_ask_read(&a, span_str(request), &why), KW_OK);
	assert_int_equal(events_put(&out, e, &a), KW_OK);
	assert_true(out.len < 240u * 1024u);
	page = json_loadb((const char *)out.p, out.len, 0, NULL);
	assert_non_null(page);
	buf_free(&out);
	return page;
}

static uint64_t number(const json_t *o, const char *key) { return (uint64_t)json_integer_value(json_object_get(o, key)); }
static const json_t *row(const json_t *page, size_t i) { return json_array_get(json_object_get(page, "events"), i); }
static size_t rows(const json_t *page) { return json_array_size(json_object_get(page, "events")); }

static void
o5_events_come_in_their_order_a_page_at_a_time(void **state)
{
	uint64_t after = 0, seen = 0;
	bool more = true;

	for (unsigned i = 1; i <= 600; i++) {
		char values[32];

		(void)snprintf(values, sizeof values, "n=%u", i);
		add(*state, 1000 + i, LOG_NOTICE, "test.event", values);
	}
	while (more) {
		char request[64];
		json_t *page;

		(void)snprintf(request, sizeof request, "{\"after\":%llu}", (unsigned long long)after);
		page = ask(*state, request);
		assert_in_range(rows(page), 1, EVENTS_PAGE);
		for (size_t i = 0; i < rows(page); i++) {
			assert_int_equal(number(row(page, i), "number"), ++seen);
			assert_int_equal(number(row(page, i), "time_ms"), 1000 + seen);
			assert_string_equal(json_string_value(json_object_get(row(page, i), "code")), "test.event");
			assert_string_equal(json_string_value(json_object_get(row(page, i), "level")), "notice");
		}
		after = number(page, "after");
		more = json_is_true(json_object_get(page, "more"));
		assert_int_equal(number(page, "missed"), 0);
		json_decref(page);
	}
	assert_int_equal(seen, 600);
}

static void
o5_what_is_not_kept_any_more_is_told_by_its_number(void **state)
{
	json_t *page;

	for (unsigned i = 0; i < EVENTS_MAX + 100; i++)
		add(*state, i, LOG_NOTICE, "test.event", "n=1");
	page = ask(*state, "{}");
	assert_int_equal(number(page, "missed"), 100);
	assert_int_equal(number(page, "oldest"), 101);
	assert_int_equal(number(page, "newest"), EVENTS_MAX + 100);
	assert_int_equal(number(page, "oldest_ms"), 100);
	assert_int_equal(number(row(page, 0), "number"), 101);
	json_decref(page);
	page = ask(*state, "{\"after\":60}");
	assert_int_equal(number(page, "missed"), 40);
	json_decref(page);
	page = ask(*state, "{\"after\":100}");
	assert_int_equal(number(page, "missed"), 0);
	json_decref(page);
}

static void
o5_long_lines_are_kept_within_a_megabyte(void **state)
{
	static char values[1800];
	json_t *page;

	memset(values, 'v', sizeof values - 1);
	for (unsigned i = 0; i < EVENTS_MAX; i++)
		add(*state, i, LOG_NOTICE, "test.event", values);
	page = ask(*state, "{}");
	assert_in_range(EVENTS_MAX - number(page, "oldest") + 1, EVENTS_BYTES_MAX / 2000, EVENTS_BYTES_MAX / 1800);
	assert_true(json_is_true(json_object_get(page, "more")));
	json_decref(page);
}

static void
o5_level_time_and_who_select(void **state)
{
	json_t *page;

	add(*state, 10, LOG_ERROR, "store.full", "why=\"x\"");
	add(*state, 20, LOG_WARNING, "peer.malformed", "peer=police/control-room why=\"a peer=city/public-order b\"");
	add(*state, 30, LOG_WARNING, "peer.malformed", "peer=police/control why=\"x\"");
	add(*state, 40, LOG_NOTICE, "headers.read", "by=night-desk lane=flash");
	add(*state, 50, LOG_INFO, "session.begin", "peer=police/control-room");
	add(*state, 60, LOG_NOTICE, "broker.stopped", "");
	page = ask(*state, "{\"level\":\"warning\"}");
	assert_int_equal(rows(page), 3);
	assert_int_equal(number(page, "after"), 6); /* what was passed over is not looked at again */
	json_decref(page);
	page = ask(*state, "{\"peer\":\"police/control-room\"}");
	assert_int_equal(rows(page), 2);
	json_decref(page);
	page = ask(*state, "{\"peer\":\"city/public-order\"}"); /* what another wrote into a sentence is not who did it */
	assert_int_equal(rows(page), 0);
	json_decref(page);
	page = ask(*state, "{\"peer\":\"night-desk\"}");
	assert_int_equal(rows(page), 1);
	json_decref(page);
	page = ask(*state, "{\"since_ms\":40,\"level\":\"notice\"}");
	assert_int_equal(rows(page), 2);
	json_decref(page);
	page = ask(*state, "{\"last\":2,\"level\":\"warning\"}");
	assert_int_equal(rows(page), 2);
	assert_int_equal(number(row(page, 0), "number"), 2);
	json_decref(page);
	page = ask(*state, "{\"last\":100}");
	assert_int_equal(rows(page), 6);
	json_decref(page);
	page = ask(*state, "{\"last\":1,\"after\":3}"); /* whoever goes on misses nothing */
	assert_int_equal(rows(page), 3);
	json_decref(page);
}

static void
o5_numbers_of_another_run_count_for_nothing(void **state)
{
	char request[128];
	json_t *page;

	for (unsigned i = 0; i < 5; i++)
		add(*state, i, LOG_NOTICE, "test.event", "n=1");
	page = ask(*state, "{\"after\":3,\"run\":\"0123456789abcdef\"}");
	assert_int_equal(rows(page), 5);
	(void)snprintf(request, sizeof request, "{\"after\":3,\"run\":\"%s\"}", json_string_value(json_object_get(page, "run")));
	json_decref(page);
	page = ask(*state, request);
	assert_int_equal(rows(page), 2);
	json_decref(page);
	page = ask(*state, "{\"after\":9007199254740993}");
	assert_int_equal(rows(page), 5);
	json_decref(page);
}

static void
o5_nothing_yet_is_an_answer(void **state)
{
	json_t *page = ask(*state, "{\"last\":10}");

	assert_int_equal(rows(page) + number(page, "newest") + number(page, "after") + number(page, "missed") + number(page, "oldest_ms"), 0);
	assert_false(json_is_true(json_object_get(page, "more")));
	json_decref(page);
}

static const struct { const char *text, *sentence; } refusals[] = {
	{"", "no JSON object"}, {"[]", "no JSON object"}, {"{\"after\":1,\"after\":2}", "no JSON object"},
	{"{\"after\":-1}", "after must be a whole number"}, {"{\"last\":\"7\"}", "last must be a whole number"}, {"{\"since_ms\":1.5}", "since_ms must be a whole number"},
	{"{\"level\":\"fatal\"}", "level must be error, warning, notice, info or debug"}, {"{\"level\":3}", "level must be"},
	{"{\"peer\":7}", "peer must be a text"}, {"{\"run\":\"01234567890123456\"}", "run has 17 bytes, at most 16"}, {"{\"content\":true}", "the key \"content\" is not known"},
};

static void
o5_a_request_that_is_none_is_refused_by_name(void **state)
{
	static char large[4096];
	struct events_ask a;

	(void)state;
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		struct kw_why why = {{0}};

		assert_int_not_equal(events_ask_read(&a, span_str(refusals[i].text), &why), KW_OK);
		if (strstr(why.text, refusals[i].sentence) == NULL)
			fail_msg("%s gave \"%s\"", refusals[i].text, why.text);
	}
	memset(large, ' ', sizeof large);
	assert_int_equal(events_ask_read(&a, span_of(large, sizeof large), NULL), KW_ELIMIT);
}

static void
a_page_is_whole_or_refused(void **state)
{
	struct buf out = BUF_INIT(1u << 20);
	struct events_ask a = {.level = LOG_DEBUG};
	size_t whole;

	for (unsigned i = 0; i < 4; i++)
		add(*state, i, LOG_NOTICE, "test.event", "why=\"\\\"\"");
	assert_int_equal(events_put(&out, *state, &a), KW_OK);
	whole = out.len;
	for (unsigned n = 0; n == 0 || shortage.fired; n++) {
		enum kw_err err;

		buf_reset(&out);
		shortage.left = n;
		shortage.for_good = false;
		shortage.fired = false;
		shortage.counts = true;
		err = events_put(&out, *state, &a);
		shortage.counts = false;
		assert_true(err == KW_OK ? out.len == whole : err == KW_ENOMEM && out.len == 0);
	}
	buf_free(&out);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(o5_events_come_in_their_order_a_page_at_a_time),
		T(o5_what_is_not_kept_any_more_is_told_by_its_number),
		T(o5_long_lines_are_kept_within_a_megabyte),
		T(o5_level_time_and_who_select),
		T(o5_numbers_of_another_run_count_for_nothing),
		T(o5_nothing_yet_is_an_answer),
		T(o5_a_request_that_is_none_is_refused_by_name),
		T(a_page_is_whole_or_refused),
	};

	json_memory_watch(shortage_take);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
