/* What a broker remembers of refusals, and what an operator may ask of one notification: docs/protocol.md [O-6], [O-7]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker/net/refusals.h"
#include "broker/net/tracing.h"

static void
add(struct refusals *r, uint32_t n, enum wire_code code, uint64_t at_ms)
{
	uint8_t id[KW_ID_LEN] = {0};

	id[KW_ID_LEN - 1] = (uint8_t)n;
	id[KW_ID_LEN - 2] = (uint8_t)(n >> 8);
	refusals_add(r, "police/control-room", id, code, "no", NULL, at_ms);
}

static void
the_newest_are_remembered_and_what_went_is_said(void **state)
{
	const struct refusal *one = NULL;
	struct refusals r;
	uint32_t count = 0;

	(void)state;
	refusals_init(&r, 1000);
	assert_null(refusals_next(&r, NULL));
	for (uint32_t i = 0; i < REFUSALS_MAX; i++)
		add(&r, i, CODE_DENIED, 2000 + i);
	assert_int_equal(r.since_ms, 1000); /* none went yet */
	for (uint32_t i = 0; i < 100; i++)
		add(&r, REFUSALS_MAX + i, CODE_AUDIENCE, 10000 + i);
	assert_int_equal(r.since_ms, 2000 + 99 + 1);
	while ((one = refusals_next(&r, one)) != NULL) {
		assert_int_equal(one->code, count < 100 ? CODE_AUDIENCE : CODE_DENIED);
		assert_int_equal(one->at_ms, count < 100 ? 10099 - count : 2000 + REFUSALS_MAX - 1 - (count - 100));
		count++;
	}
	assert_int_equal(count, REFUSALS_MAX);
	refusals_free(&r);
}

static void
what_is_tried_again_is_counted_and_pushes_nothing_out(void **state)
{
	const struct refusal *one;
	struct refusals r;

	(void)state;
	refusals_init(&r, 1000);
	add(&r, 7, CODE_DENIED, 1500);
	for (uint32_t i = 0; i < 10 * REFUSALS_MAX; i++)
		add(&r, 9, CODE_SLOW_DOWN, 2000 + i);
	one = refusals_next(&r, NULL);
	assert_int_equal(one->code, CODE_DENIED);
	one = refusals_next(&r, one);
	assert_int_equal(one->code, CODE_SLOW_DOWN);
	assert_int_equal(one->times, 10 * REFUSALS_MAX);
	assert_null(refusals_next(&r, one));
	assert_int_equal(r.since_ms, 1000);
	refusals_free(&r);
}

static void
long_texts_are_cut_between_two_characters(void **state)
{
	static const uint8_t id[KW_ID_LEN];
	char text[512] = "x";
	struct refusals r;
	struct header h = {.type = TYPE_NOTICE, .lane = LANE_FLASH};

	(void)state;
	for (size_t i = 0; i < 200; i++)
		(void)strcat(text, "ü");
	for (size_t i = 0; i < 100; i++)
		(void)strcat(h.topic, "ä");
	refusals_init(&r, 1);
	refusals_add(&r, "a/b", id, CODE_DENIED, text, &h, 2);
	assert_int_equal(strlen(refusals_next(&r, NULL)->text) % 2, 1);
	assert_true(strlen(refusals_next(&r, NULL)->text) > REFUSAL_TEXT_MAX - 4);
	assert_int_equal(strlen(refusals_next(&r, NULL)->topic) % 2, 0);
	refusals_free(&r);
}

#define ID "019b0000-0000-7000-8000-000000000001"

static const struct { const char *text, *sentence; } refused[] = {
	{"", "no JSON object"}, {"[]", "no JSON object"}, {"{}", "the key \"id\" is missing"}, {"{\"id\":7}", "a notification's whole id"},
	{"{\"id\":\"019b\"}", "a notification's whole id"}, {"{\"id\":\"" ID "\",\"id\":\"" ID "\"}", "no JSON object"},
	{"{\"id\":\"" ID "\",\"after\":7}", "lane and after go together"}, {"{\"id\":\"" ID "\",\"lane\":\"flash\"}", "lane and after go together"},
	{"{\"id\":\"" ID "\",\"lane\":\"fast\",\"after\":7}", "lane must be flash, urgent or routine"}, {"{\"id\":\"" ID "\",\"sender\":\"police\"}", "sender must be a node's id"},
	{"{\"id\":\"" ID "\",\"readers_from\":-1}", "readers_from must be a whole number"}, {"{\"id\":\"" ID "\",\"readers_from\":4294967296}", "readers_from must be a whole number"},
	{"{\"id\":\"" ID "\",\"lane\":\"flash\",\"after\":\"7\"}", "after must be a whole number"}, {"{\"id\":\"" ID "\",\"body\":true}", "the key \"body\" is not known"},
};

static void
a_request_is_read_whole_or_refused_by_name(void **state)
{
	static char large[2048];
	struct trace_ask a;
	struct explain_ask e;

	(void)state;
	assert_int_equal(trace_ask_read(&a, span_str("{\"id\":\"" ID "\",\"sender\":\"police/control-room\",\"readers_from\":256}"), NULL), KW_OK);
	assert_true(!a.behind && a.readers_from == 256 && a.id[0] == 0x01 && a.id[15] == 1);
	assert_string_equal(a.sender, "police/control-room");
	assert_int_equal(trace_ask_read(&a, span_str("{\"id\":\"" ID "\",\"lane\":\"urgent\",\"after\":17}"), NULL), KW_OK);
	assert_true(a.behind && a.lane == LANE_URGENT && a.after == 17);
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		struct kw_why why = {{0}};

		assert_int_not_equal(trace_ask_read(&a, span_str(refused[i].text), &why), KW_OK);
		if (strstr(why.text, refused[i].sentence) == NULL)
			fail_msg("%s gave \"%s\"", refused[i].text, why.text);
	}
	memset(large, ' ', sizeof large);
	assert_int_equal(trace_ask_read(&a, span_of(large, sizeof large), NULL), KW_ELIMIT);
	assert_int_equal(explain_ask_read(&e, span_str("{\"id\":\"A1B2\"}"), NULL), KW_OK);
	assert_string_equal(e.piece, "a1b2");
	assert_int_equal(explain_ask_read(&e, span_str("{\"id\":\"a1b\"}"), NULL), KW_EINVAL);
	assert_int_equal(explain_ask_read(&e, span_str("{\"id\":\"xyzw\"}"), NULL), KW_EINVAL);
	assert_int_equal(explain_ask_read(&e, span_str("{\"id\":\"" ID "0\"}"), NULL), KW_EINVAL);
	assert_int_equal(explain_ask_read(&e, span_str("{\"id\":\"a1b2\",\"more\":1}"), NULL), KW_EINVAL);
	assert_int_equal(explain_ask_read(&e, span_str("{\"id\":7}"), NULL), KW_EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_are_remembered_and_what_went_is_said),
		cmocka_unit_test(what_is_tried_again_is_counted_and_pushes_nothing_out),
		cmocka_unit_test(long_texts_are_cut_between_two_characters),
		cmocka_unit_test(a_request_is_read_whole_or_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
