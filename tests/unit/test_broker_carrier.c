/* What of a notification the broker looks at when it asks a reader's filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "broker/net/carrier.h"

static struct header
header_of(enum notice_type type)
{
	struct header h = {.mode = MODE_LIVE, .agreement_version = 1, .lane = LANE_URGENT, .type = type, .created_ms = 1796112000000, .expires_ms = 1796112600000,
	                   .payload_type = type == TYPE_VOID ? PAYLOAD_VOID : PAYLOAD_REPORT, .sender_epoch = 1};

	randombytes_buf(h.id, sizeof h.id);
	strcpy(h.partnership, "musterstadt");
	strcpy(h.sender, "city/public-order");
	strcpy(h.topic, "report/noise");
	h.about.set = type == TYPE_VOID;
	return h;
}

/* A frame that parses: nothing here verifies a signature or opens anything. */
static void
frame_of(struct buf *out, const struct header *h)
{
	struct buf header = BUF_INIT(KW_HEADER_MAX);
	uint8_t junk[32 * 3 + 64];

	*out = BUF_INIT(1u << 16);
	assert_int_equal(header_encode(&header, h, NULL), KW_OK);
	buf_put_str(out, "KWZ1");
	buf_put_u32(out, (uint32_t)header.len);
	buf_put_span(out, buf_span(&header));
	randombytes_buf(junk, sizeof junk);
	buf_put(out, junk, sizeof junk);
	buf_put_u32(out, 4);
	buf_put_str(out, "body");
	assert_true(buf_ok(out));
	buf_free(&header);
}

/* As it came from its sender, and as it is read from the log. */
static void
asks_filters(bool *published, bool *stored, enum notice_type type)
{
	struct header h = header_of(type);
	struct store_entry e = {.at = {1, LANE_URGENT, 1}};
	struct buf bytes;
	struct frame f;
	struct blob *b;
	zmq_msg_t m;

	frame_of(&bytes, &h);
	assert_int_equal(zmq_msg_init_size(&m, bytes.len), 0);
	memcpy(zmq_msg_data(&m), bytes.p, bytes.len);
	b = carrier_of_publish(&m, span_of(NULL, 0), &h, &f);
	assert_non_null(b);
	*published = b->topic != NULL;
	assert_true(!*published || strcmp(b->topic, h.topic) == 0);
	blob_unref(&b);
	(void)zmq_msg_close(&m);
	assert_int_equal(frame_parse(&f, buf_span(&bytes), FRAME_WHOLE, NULL), KW_OK);
	e.head = f.head;
	e.body = f.body;
	b = carrier_of_stored(&e, true, NULL, true);
	assert_non_null(b);
	*stored = b->topic != NULL;
	assert_true(!*stored || strcmp(b->topic, h.topic) == 0);
	blob_unref(&b);
	buf_free(&bytes);
}

static void
filters_are_asked_for_a_notice_and_not_for_a_void(void **state)
{
	bool published, stored;

	(void)state;
	asks_filters(&published, &stored, TYPE_NOTICE);
	assert_true(published && stored);
	asks_filters(&published, &stored, TYPE_VOID); /* its reader misses the numbers in it, whatever it subscribes to */
	assert_true(!published && !stored);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_are_asked_for_a_notice_and_not_for_a_void),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
