/* What an operator may ask of the log's headers: docs/protocol.md [O-3]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/net/headers.h"

static void
a_request_is_read_whole(void **state)
{
	struct headers_ask a;

	(void)state;
	assert_int_equal(headers_ask_read(&a, span_str("{\"lane\":\"urgent\",\"from_ms\":5,\"to_ms\":9,\"after\":7,\"topic\":\"request/#\",\"receipts\":true}"), NULL), KW_OK);
	assert_int_equal(a.lane, LANE_URGENT);
	assert_int_equal(a.from_ms, 5);
	assert_int_equal(a.to_ms, 9);
	assert_int_equal(a.after, 7);
	assert_string_equal(a.topic, "request/#");
	assert_true(a.receipts);
	assert_int_equal(headers_ask_read(&a, span_str("{\"lane\":\"flash\",\"from_ms\":0,\"to_ms\":9}"), NULL), KW_OK);
	assert_true(a.after == 0 && a.topic[0] == '\0' && !a.receipts);
}

static const struct { const char *text, *sentence; } refusals[] = {
	{"", "no JSON object"},
	{"[]", "no JSON object"},
	{"{\"lane\":\"flash\",\"from_ms\":0,\"to_ms\":9", "no JSON object"},
	{"{\"lane\":\"flash\",\"lane\":\"flash\",\"from_ms\":0,\"to_ms\":9}", "no JSON object"},
	{"{\"lane\":\"fast\",\"from_ms\":0,\"to_ms\":9}", "lane must be flash, urgent or routine"},
	{"{\"from_ms\":0,\"to_ms\":9}", "the key \"lane\" is missing"},
	{"{\"lane\":\"flash\",\"to_ms\":9}", "the key \"from_ms\" is missing"},
	{"{\"lane\":\"flash\",\"from_ms\":0}", "the key \"to_ms\" is missing"},
	{"{\"lane\":\"flash\",\"from_ms\":9,\"to_ms\":9}", "from_ms must lie before to_ms"},
	{"{\"lane\":\"flash\",\"from_ms\":-1,\"to_ms\":9}", "from_ms must be a whole number"},
	{"{\"lane\":\"flash\",\"from_ms\":0,\"to_ms\":1.5}", "to_ms must be a whole number"},
	{"{\"lane\":\"flash\",\"from_ms\":0,\"to_ms\":9,\"after\":\"7\"}", "after must be a whole number"},
	{"{\"lane\":\"flash\",\"from_ms\":0,\"to_ms\":9,\"topic\":\"a/#/b\"}", "#"},
	{"{\"lane\":\"flash\",\"from_ms\":0,\"to_ms\":9,\"topic\":7}", "topic must be a text"},
	{"{\"lane\":\"flash\",\"from_ms\":0,\"to_ms\":9,\"receipts\":1}", "receipts must be true or false"},
	{"{\"lane\":\"flash\",\"from_ms\":0,\"to_ms\":9,\"bodies\":true}", "the key \"bodies\" is not known"},
};

static void
a_request_that_is_not_so_is_refused_by_name(void **state)
{
	static char large[4096];

	(void)state;
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		struct headers_ask a;
		struct kw_why why = {{0}};

		assert_int_not_equal(headers_ask_read(&a, span_str(refusals[i].text), &why), KW_OK);
		if (strstr(why.text, refusals[i].sentence) == NULL)
			fail_msg("%s gave \"%s\"", refusals[i].text, why.text);
	}
	memset(large, ' ', sizeof large);
	assert_int_equal(headers_ask_read(&(struct headers_ask){.after = 0}, span_of(large, sizeof large), NULL), KW_ELIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_read_whole),
		cmocka_unit_test(a_request_that_is_not_so_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
