/* What the broker tells its operator is whole, or nothing, however little memory there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <zmq.h>

#include "base/json_memory.h"
#include "broker/net/relay_inside.h"
#include "broker/net/status.h"
#include "broker/net/zap.h"
#include "broker/store/store_memory.h"
#include "shortage.h"

static void sign(void *self, const struct commit *c, uint8_t out[WIRE_COMMIT_LEN]) { (void)self, (void)c; memset(out, 0, WIRE_COMMIT_LEN); }

static void *context;

/* A broker with three nodes that nobody has let in yet. */
static int
set_up(void **state)
{
	static const char *const ids[] = {"city/public-order", "police/control-room", "youth-house/office"};
	struct relay *r = calloc(1, sizeof *r);
	struct core_time now = {1000, 1800000000000ull};

	assert_non_null(r);
	context = zmq_ctx_new();
	assert_int_equal(zap_start(&r->parts.zap, context, NULL), KW_OK);
	assert_int_equal(core_new(&r->parts.core, &core_limits_default), KW_OK);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(core_load_node(r->parts.core, (node_no){i}, ids[i]), KW_OK);
	assert_int_equal(core_start(r->parts.core, NULL, now), KW_OK);
	assert_int_equal(store_memory_open(&r->parts.store, (struct store_signer){NULL, sign}, 1u << 30), KW_OK);
	*state = r;
	return 0;
}

static int
tear_down(void **state)
{
	struct relay *r = *state;

	r->parts.store->ops->close(r->parts.store);
	core_free(&r->parts.core);
	zap_stop(&r->parts.zap);
	(void)zmq_ctx_term(context);
	free(r);
	return 0;
}

/* The same but for what a second changes. */
static bool
as_whole(json_t *whole, struct span text)
{
	json_t *got = json_loadb((const char *)text.p, text.len, 0, NULL);
	bool same;

	(void)json_object_del(got, "uptime_ms");
	(void)json_object_del(got, "now_ms");
	same = json_equal(whole, got) != 0;
	json_decref(got);
	return same;
}

static void
it_is_whole_or_refused(void **state)
{
	static const struct status nothing_yet;
	struct buf out = BUF_INIT(1u << 20);
	const struct relay *r = *state;
	json_t *whole;

	assert_int_equal(status_put(&out, &nothing_yet, r, true, NULL, NULL), KW_OK);
	whole = json_loadb((const char *)out.p, out.len, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(whole, "nodes")), 3);
	assert_int_equal(json_object_del(whole, "uptime_ms"), 0);
	assert_int_equal(json_object_del(whole, "now_ms"), 0);
	for (int for_good = 0; for_good < 2; for_good++) {
		shortage.for_good = for_good != 0;
		for (unsigned n = 0; n == 0 || shortage.fired; n++) {
			enum kw_err err;

			buf_reset(&out);
			shortage.left = n;
			shortage.fired = false;
			shortage.counts = true;
			err = status_put(&out, &nothing_yet, r, true, NULL, NULL);
			shortage.counts = false;
			if (err == KW_OK && !as_whole(whole, buf_span(&out)))
				fail_msg("allocation %u: %.*s", n, (int)out.len, (const char *)out.p);
			if (err != KW_OK)
				assert_true(err == KW_ENOMEM && out.len == 0);
		}
	}
	json_decref(whole);
	buf_free(&out);
}

static json_t *
page_of(const struct relay *r, const char *ask, bool with_all)
{
	static const struct status nothing_yet;
	struct buf out = BUF_INIT(1u << 20);
	struct nodes_ask a;
	struct kw_why why;
	json_t *page = NULL;

	assert_int_equal(nodes_ask_read(&a, span_str(ask), &why), KW_OK);
	if (status_put(&out, &nothing_yet, r, with_all, &a, &why) == KW_OK)
		page = json_loadb((const char *)out.p, out.len, 0, NULL);
	buf_free(&out);
	return page;
}

static void
assert_page(const struct relay *r, const char *ask, size_t count, const char *first, json_int_t after, bool more)
{
	json_t *page = page_of(r, ask, false), *nodes = json_object_get(page, "nodes");

	assert_non_null(page);
	assert_int_equal(json_array_size(nodes), count);
	if (count > 0)
		assert_string_equal(json_string_value(json_object_get(json_array_get(nodes, 0), "id")), first);
	assert_int_equal(json_integer_value(json_object_get(page, "after")), after);
	assert_int_equal(json_integer_value(json_object_get(page, "nodes_total")), 3);
	assert_int_equal(json_is_true(json_object_get(page, "more")), more);
	json_decref(page);
}

static void
nodes_come_in_pages_that_go_on_where_the_last_one_ended(void **state)
{
	const struct relay *r = *state;
	json_t *all;

	assert_page(r, "{}", 3, "city/public-order", 3, false);
	assert_page(r, "{\"limit\":2}", 2, "city/public-order", 2, true);
	assert_page(r, "{\"limit\":2,\"after\":2}", 1, "youth-house/office", 3, false);
	assert_page(r, "{\"after\":3}", 0, NULL, 3, false);
	assert_page(r, "{\"after\":4000000000,\"limit\":160}", 0, NULL, 3, false);
	assert_page(r, "{\"limit\":0}", 0, NULL, 0, true);
	assert_page(r, "{\"node\":\"police/control-room\"}", 1, "police/control-room", 2, false);
	all = page_of(r, "{\"limit\":0}", true); /* of the status too */
	assert_int_equal(json_array_size(json_object_get(all, "nodes")), 0);
	assert_non_null(json_object_get(all, "lanes"));
	json_decref(all);
}

static void
a_request_for_nodes_is_whole_or_refused_by_its_key(void **state)
{
	static const struct { const char *text; enum kw_err err; const char *says; } cases[] = {
		{"no", KW_EPROTO, "no JSON object"}, {"[]", KW_EPROTO, "no JSON object"}, {"{\"limit\":1,\"limit\":2}", KW_EPROTO, "no JSON object"},
		{"{\"limit\":161}", KW_EINVAL, "limit must be a whole number of at most 160"}, {"{\"limit\":-1}", KW_EINVAL, "limit must"},
		{"{\"limit\":\"2\"}", KW_EINVAL, "limit must"}, {"{\"after\":4294967296}", KW_EINVAL, "after must"}, {"{\"after\":1.5}", KW_EINVAL, "after must"},
		{"{\"topic\":1}", KW_EINVAL, "the key \"topic\" is not known"}, {"{\"node\":\"\"}", KW_EINVAL, "node must"}, {"{\"node\":7}", KW_EINVAL, "node must"},
	};
	char long_text[2048], name[KW_NODE_MAX + 32];
	struct nodes_ask ask;
	struct kw_why why;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(nodes_ask_read(&ask, span_str(cases[i].text), &why), cases[i].err);
		if (strstr(why.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].text, why.text);
	}
	memset(long_text, ' ', sizeof long_text);
	assert_int_equal(nodes_ask_read(&ask, span_of(long_text, sizeof long_text), &why), KW_ELIMIT);
	for (size_t len = KW_NODE_MAX; len <= KW_NODE_MAX + 1; len++) { /* the longest name, and one letter more */
		(void)snprintf(name, sizeof name, "{\"node\":\"%0*d\"}", (int)len, 7);
		assert_int_equal(nodes_ask_read(&ask, span_str(name), &why), len == KW_NODE_MAX ? KW_OK : KW_EINVAL);
	}
}

static void
a_node_that_nobody_knows_is_refused(void **state)
{
	static const struct status nothing_yet;
	struct buf out = BUF_INIT(1u << 20);
	struct nodes_ask ask = {.node = "police/nobody"};
	struct kw_why why;

	assert_int_equal(status_put(&out, &nothing_yet, *state, false, &ask, &why), KW_ENOTFOUND);
	assert_string_equal(why.text, "no node \"police/nobody\" is known here");
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

/* 400 in short, and full pages with the longest names, fit what an answer may be. */
static void
the_longest_answers_fit_a_message(void **state)
{
	static const struct status nothing_yet;
	const struct relay *r = *state;
	struct buf out = BUF_INIT(KW_CONTROL_MAX - 64u);
	struct nodes_ask ask = {.limit = NODE_PAGE_MAX};
	char id[KW_NODE_MAX + 1];

	for (uint32_t i = 0; i < 500; i++) {
		(void)snprintf(id, sizeof id, "p/%0*u", KW_NODE_MAX - 2, i);
		assert_int_equal(core_load_node(r->parts.core, (node_no){3 + i}, id), KW_OK);
		for (int lane = 0; lane < KW_LANES; lane++)
			core_load_cursor(r->parts.core, (node_no){3 + i}, (enum lane)lane, (struct lane_cursor){1, 1000000000000000ull});
	}
	assert_int_equal(status_put(&out, &nothing_yet, r, true, NULL, NULL), KW_OK);
	buf_reset(&out);
	for (ask.after = 3; ask.after < 500; ask.after += NODE_PAGE_MAX) {
		buf_reset(&out);
		assert_int_equal(status_put(&out, &nothing_yet, r, true, &ask, NULL), KW_OK);
	}
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_whole_or_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nodes_come_in_pages_that_go_on_where_the_last_one_ended, set_up, tear_down),
		cmocka_unit_test(a_request_for_nodes_is_whole_or_refused_by_its_key),
		cmocka_unit_test_setup_teardown(a_node_that_nobody_knows_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_longest_answers_fit_a_message, set_up, tear_down),
	};

	json_memory_watch(shortage_take);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
