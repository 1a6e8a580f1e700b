/* What the broker tells its operator is whole, or nothing, however little memory there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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

	assert_int_equal(status_put(&out, &nothing_yet, r, true), KW_OK);
	whole = json_loadb((const char *)out.p, out.len, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(whole, "nodes")), 3);
	assert_int_equal(json_object_del(whole, "uptime_ms"), 0);
	for (int for_good = 0; for_good < 2; for_good++) {
		shortage.for_good = for_good != 0;
		for (unsigned n = 0; n == 0 || shortage.fired; n++) {
			enum kw_err err;

			buf_reset(&out);
			shortage.left = n;
			shortage.fired = false;
			shortage.counts = true;
			err = status_put(&out, &nothing_yet, r, true);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(it_is_whole_or_refused, set_up, tear_down)};

	json_memory_watch(shortage_take);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
