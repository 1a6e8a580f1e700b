/* Bytes from strangers at the doors of topics, controls and headers: taken whole, or refused in a sentence, and never half. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "proto/header.h"
#include "proto/wire.h"

/* ---- text ---- */

/* Eight characters are looked at together, so every byte in every place among them. */
static void
a_byte_that_may_not_be_shown_is_found_where_it_stands(void **state)
{
	(void)state;
	for (size_t len = 1; len <= 18; len++)
		for (size_t at = 0; at < len; at++)
			for (unsigned byte = 0; byte < 256; byte++) {
				bool shown = (byte >= 0x20 && byte < 0x7F) || byte == '\t', breaks = byte == '\n' || byte == '\r';
				uint8_t text[18];

				memset(text, at % 2 == 0 ? '~' : ' ', sizeof text); /* the last and the first that may */
				text[at] = (uint8_t)byte;
				assert_int_equal(text_unclean_at(span_of(text, len), TEXT_LINE), shown ? SIZE_MAX : at);
				assert_int_equal(text_unclean_at(span_of(text, len), TEXT_MULTILINE), shown || breaks ? SIZE_MAX : at);
			}
}

/* ---- topics and filters ---- */

static void
a_topic_is_clean_levels_and_nothing_else(void **state)
{
	static const struct { const char *topic, *says; } bad[] = {
		{"", "empty"}, {"/alert", "empty level"}, {"alert/", "empty level"}, {"alert//flood", "empty level"}, {"alert/../flood", "\"..\""}, {"./alert", "\".\""},
		{"alert/+", "wildcard +"}, {"alert/#", "wildcard #"}, {"al#ert", "wildcard #"}, {"alert/>", "'>'"}, {"alert/*", "'*'"}, {"alert\\flood", "'\\'"},
		{"$SYS/broker", "$"}, {"alert flood", "' '"}, {"alert\tflood", "blanks"}, {"alert\nflood", "byte 5"}, {"alert\xff", "byte 5"}, {"alert/\xe2\x80\xae", "byte 6"},
		{"alert/\xc0\xaf", "byte 6"}, {"\xed\xa0\x80", "byte 0"}, {"a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", "more than 16"},
	};
	char long_one[KW_TOPIC_MAX + 2];
	struct kw_why why;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (topic_check(bad[i].topic, &why) == KW_OK)
			fail_msg("taken: \"%s\"", bad[i].topic);
		if (strstr(why.text, bad[i].says) == NULL)
			fail_msg("\"%s\" does not say %s", why.text, bad[i].says);
	}
	memset(long_one, 'a', sizeof long_one);
	long_one[KW_TOPIC_MAX] = '\0';
	assert_int_equal(topic_check(long_one, &why), KW_OK);
	long_one[KW_TOPIC_MAX] = 'a';
	long_one[KW_TOPIC_MAX + 1] = '\0';
	assert_int_equal(topic_check(long_one, &why), KW_ELIMIT);
	assert_int_equal(topic_check("alert/hochwasser/m\xc3\xbchlenviertel", &why), KW_OK);
	assert_int_equal(topic_check("a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p", &why), KW_OK);
}

static void
wildcards_stand_for_whole_levels(void **state)
{
	static const char *const bad[] = {"alert+", "+alert/x", "alert/#/x", "alert#", "#x", "alert/+x", "", "/#", "$share/g/alert"};
	static const char *const good[] = {"#", "+", "alert/#", "+/flood/+", "alert/+/mitte", "+/#"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (filter_check(bad[i], NULL) == KW_OK)
			fail_msg("taken: \"%s\"", bad[i]);
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (filter_check(good[i], NULL) != KW_OK)
			fail_msg("refused: \"%s\"", good[i]);
}

static void
filters_match_as_mqtt_says(void **state)
{
	static const struct { const char *filter, *topic; bool matches; } cases[] = {
		{"#", "alert", true}, {"#", "alert/flood/mitte", true}, {"alert/#", "alert", true}, {"alert/#", "alert/flood", true}, {"alert/#", "alerts", false},
		{"alert/#", "request/alert", false}, {"+", "alert", true}, {"+", "alert/flood", false}, {"alert/+", "alert", false}, {"alert/+", "alert/flood", true},
		{"alert/+", "alert/flood/mitte", false}, {"+/flood/#", "alert/flood", true}, {"+/flood/#", "alert/fire", false}, {"alert/flood", "alert/flood", true},
		{"alert/flood", "alert/Flood", false}, {"alert/flood", "alert/flood/mitte", false}, {"alert/+/mitte", "alert/flood/mitte", true},
		{"alert/+/mitte", "alert/flood/mitte/nord", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (filter_matches(cases[i].filter, cases[i].topic) != cases[i].matches)
			fail_msg("\"%s\" and \"%s\"", cases[i].filter, cases[i].topic);
	assert_true(filter_covers("alert/#", "alert/+/mitte"));
	assert_false(filter_covers("alert/+", "alert/#"));
	assert_true(filters_overlap("alert/+", "+/flood"));
	assert_false(filters_overlap("alert/+", "request/#"));
}

/* ---- controls ---- */

static void
control_refused(const void *p, size_t len, const char *says)
{
	struct kw_why why = {""};
	struct wire_msg m;

	if (wire_decode(&m, span_of(p, len), &why) == KW_OK)
		fail_msg("taken, although: %s", says);
	if (strstr(why.text, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, says);
}

#define REFUSED(says, ...) \
	do { \
		const uint8_t bytes[] = {__VA_ARGS__}; \
		control_refused(bytes, sizeof bytes, says); \
	} while (0)

static void
controls_that_two_readers_might_take_differently_are_refused(void **state)
{
	(void)state;
	REFUSED("cut off", 0x80);                                         /* a tag that breaks off */
	REFUSED("longer than 64 bits", 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f);
	REFUSED("longer than 64 bits", 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01); /* of 11 bytes */
	REFUSED("shortest form", 0xc2, 0x80, 0x00, 0x00);                 /* 66 in three bytes */
	REFUSED("is none", 0x02, 0x00);                                   /* field 0 */
	REFUSED("unknown", 0xa0, 0x06, 0x01);                             /* field 100 */
	REFUSED("wire type 0", 0x40, 0x00);                               /* beat as a number */
	REFUSED("wire type 3", 0x43);                                     /* a group begins */
	REFUSED("wire type 4", 0x44);
	REFUSED("wire type 6", 0x46);
	REFUSED("wire type 7", 0x47);
	REFUSED("beyond the end", 0x42, 0x05, 0x00);
	REFUSED("beyond the end", 0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
	REFUSED("twice", 0x42, 0x00, 0x42, 0x00);
	REFUSED("ascend", 0x42, 0x00, 0x3a, 0x00);
	REFUSED("default value", 0x4a, 0x02, 0x08, 0x00);                 /* agreement_get of version 0, written out */
	REFUSED("2 messages", 0x42, 0x00, 0x4a, 0x00);
	REFUSED("unknown", 0x42, 0x02, 0x12, 0x00);                       /* within beat */
	REFUSED("does not fit 32 bits", 0x4a, 0x06, 0x08, 0xff, 0xff, 0xff, 0xff, 0x7f);
	control_refused("", 0, "0 bytes");
}

static void
controls_that_would_burst_are_refused_before_they_are_unpacked(void **state)
{
	struct buf b = BUF_INIT(KW_CONTROL_MAX + 64), inner = BUF_INIT(KW_CONTROL_MAX);

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_put(&inner, "\x0a\x00", 2); /* an empty cursor: 2 bytes here, dozens in memory */
	buf_put(&b, "\x3a\xc0\x9a\x0c", 4);
	buf_put_span(&b, buf_span(&inner));
	control_refused(b.p, b.len, "more than 4096 fields");
	while (b.len <= KW_CONTROL_MAX)
		buf_put_u8(&b, 0x42);
	control_refused(b.p, b.len, "must have 1 to");
	buf_reset(&b);
	for (int i = 0; i < 80000; i++)
		buf_put(&b, "\xa0\x06\x01", 3);
	control_refused(b.p, b.len, "unknown");
	buf_free(&b);
	buf_free(&inner);
}

/* Appends a field of bytes: its tag, their length, themselves. */
static void
put_field(struct buf *b, uint8_t tag, struct span bytes)
{
	size_t len = bytes.len;

	buf_put_u8(b, tag);
	for (; len >= 0x80; len >>= 7)
		buf_put_u8(b, (uint8_t)(len | 0x80));
	buf_put_u8(b, (uint8_t)len);
	buf_put_span(b, bytes);
}

/* The one message that it is, of what inner holds. */
static void
message_refused(uint8_t tag, struct buf *inner, const char *says)
{
	struct buf b = BUF_INIT(KW_CONTROL_MAX);

	put_field(&b, tag, buf_span(inner));
	assert_true(buf_ok(&b));
	control_refused(b.p, b.len, says);
	buf_free(&b);
	buf_reset(inner);
}

static void
parts_of_controls_keep_their_limits(void **state)
{
	static const uint8_t zeros[64];
	struct buf b = BUF_INIT(KW_CONTROL_MAX), item = BUF_INIT(KW_CONTROL_MAX), large = BUF_INIT(KW_CONTROL_MAX);

	(void)state;
	for (unsigned i = 0; i <= WIRE_FILTERS_MAX; i++)
		put_field(&b, 0x0a, span_str("a"));
	message_refused(0x5a, &b, "65 filters, at most 64 are allowed");

	for (unsigned i = 0; i < 65; i++)
		buf_put_u8(&large, 'x');
	buf_put(&b, "\x08\x01", 2);
	put_field(&b, 0x12, buf_span(&large));
	buf_put(&b, "\x18\x05\x28\x01", 4);
	put_field(&b, 0x32, span_of(zeros, 32));
	message_refused(0x0a, &b, "has 65 bytes, at most 64 are allowed");

	buf_put(&b, "\x08\x01\x12\x01x\x18\x05\x28\x01", 9); /* a hello that saw a commit and does not say which */
	put_field(&b, 0x32, span_of(zeros, 32));
	buf_put(&b, "\x38\x09", 2);
	message_refused(0x0a, &b, "seen_number and seen_hash must come together");

	for (unsigned i = 0; i < WIRE_COMMIT_LEN; i++)
		buf_put_u8(&item, 1);
	put_field(&b, 0x0a, buf_span(&item));
	message_refused(0x22, &b, "stored has 0 items, must have 1 to");

	put_field(&b, 0x0a, buf_span(&item)); /* a proof whose last step is cut */
	buf_reset(&item);
	put_field(&item, 0x0a, span_of("0123456789abcdef", 16));
	put_field(&item, 0x12, span_str("\x08\x01\x18\x01"));
	put_field(&item, 0x22, span_of(zeros, 31));
	put_field(&b, 0x12, buf_span(&item));
	message_refused(0x22, &b, "path has 31 bytes, must be at most");

	while (large.len <= KW_SIGNATURES_TEXT_MAX)
		buf_put_u8(&large, 'x');
	buf_put(&b, "\x08\x01\x12\x01x", 5);
	put_field(&b, 0x1a, buf_span(&large));
	buf_put(&b, "\x28\x01", 2);
	message_refused(0x52, &b, "the signatures have 49153 bytes, at most 49152 are allowed");
	REFUSED("cut off", 0x4a, 0x02, 0x08, 0x80); /* a number that its message ends within */
	buf_free(&b);
	buf_free(&item);
	buf_free(&large);
}

static void
sample(struct wire_msg *m, struct wire_stored_item items[2], char (*filters)[KW_TOPIC_MAX + 1], enum wire_kind kind)
{
	memset(m, 0, sizeof *m);
	m->kind = kind;
	switch (kind) {
	case WIRE_HELLO:
		m->hello = (struct wire_hello){.protocol = 1, .software = "x", .sender_epoch = 9, .has_last_stored = true, .agreement_version = 1, .filter_count = 1,
		                               .filters = filters};
		(void)snprintf(filters[0], sizeof filters[0], "alert/#");
		break;
	case WIRE_STORED:
		m->stored = (struct wire_stored){.count = 2, .items = items};
		for (uint32_t i = 0; i < 2; i++)
			items[i] = (struct wire_stored_item){.at = {1, LANE_URGENT, i + 1}, .index = i, .path_len = 1};
		break;
	case WIRE_DELIVER:
		m->deliver = (struct wire_deliver){.at = {1, LANE_FLASH, 7}, .commit = 3, .mark = MARK_EXPIRED, .has_wrap = true};
		break;
	case WIRE_REFUSED:
		m->refused = (struct wire_refused){.code = CODE_CLOCK, .has_id = true, .wait_ms = 5, .text = "no"};
		break;
	default:
		m->welcome = (struct wire_welcome){.log_epoch = 1, .has_commit = true, .agreement_version = 2, .now_ms = 99};
		break;
	}
}

/* Whatever a bit or a cut makes of a control: if it is taken it is written again to the same bytes, so nothing in it is read two ways. */
static void
every_flipped_bit_and_every_cut_of_a_control_is_refused_or_means_its_bytes(void **state)
{
	static const enum wire_kind kinds[] = {WIRE_HELLO, WIRE_WELCOME, WIRE_STORED, WIRE_REFUSED, WIRE_DELIVER};
	char (*filters)[KW_TOPIC_MAX + 1] = calloc(1, sizeof *filters);
	struct wire_stored_item *items = calloc(2, sizeof *items);
	uint32_t taken = 0;

	(void)state;
	for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
		struct buf b = BUF_INIT(KW_CONTROL_MAX), out = BUF_INIT(KW_CONTROL_MAX);
		struct wire_msg m;

		sample(&m, items, filters, kinds[k]);
		assert_int_equal(wire_encode(&b, &m), KW_OK);
		for (size_t bit = 0; bit < b.len * 8; bit++) {
			b.p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
			if (wire_decode(&m, buf_span(&b), NULL) == KW_OK) {
				buf_reset(&out);
				assert_int_equal(wire_encode(&out, &m), KW_OK);
				if (!span_eq(buf_span(&out), buf_span(&b)))
					fail_msg("kind %d, bit %zu reads two ways", (int)kinds[k], bit);
				wire_msg_clear(&m);
				taken++;
			}
			b.p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		}
		for (size_t len = 0; len < b.len; len++)
			assert_int_not_equal(wire_decode(&m, span_of(b.p, len), NULL), KW_OK);
		buf_free(&b);
		buf_free(&out);
	}
	assert_true(taken > 100); /* numbers and hashes have no wrong bits */
	free(items);
	free(filters);
}

/* ---- headers ---- */

static struct header
good_header(void)
{
	struct header h = {.partnership = "musterstadt", .mode = MODE_LIVE, .agreement_version = 3, .sender = "police/control-room", .sender_epoch = 5,
	                   .topic = "alert/flood", .to_count = 2, .to = {"city/public-order", "youth-house/office"}, .lane = LANE_FLASH, .created_ms = 1790000000000,
	                   .expires_ms = 1790000100000, .type = TYPE_UPDATE, .about = {.set = true}, .payload_type = PAYLOAD_ALERT, .seen = {.number = 4}};

	return h;
}

static void
header_refused(void (*spoil)(struct buf *b), const char *says)
{
	struct header h = good_header(), out;
	struct buf b = BUF_INIT(KW_HEADER_MAX * 2);
	struct kw_why why = {""};

	assert_int_equal(header_encode(&b, &h, &why), KW_OK);
	spoil(&b);
	if (header_decode(&out, buf_span(&b), &why) == KW_OK)
		fail_msg("taken, although: %s", says);
	if (strstr(why.text, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, says);
	buf_free(&b);
}

static void
exchange(struct buf *b, const char *from, const char *to)
{
	uint8_t *at = memmem(b->p, b->len, from, strlen(from));

	assert_non_null(at);
	memcpy(at, to, strlen(from));
}

static void one_more_field(struct buf *b) { buf_put(b, "\xa2\x06\x01x", 4); }
static void confirm_no(struct buf *b) { buf_put(b, "\x98\x01\x00", 3); }
static void confirm_twice(struct buf *b) { buf_put(b, "\x98\x01\x01\x98\x01\x01", 6); }
static void confirm_two(struct buf *b) { buf_put(b, "\x98\x01\x02", 3); }
static void bad_reader(struct buf *b) { exchange(b, "city/public-order", "zoo./public-order"); }
static void another_bad_reader(struct buf *b) { exchange(b, "youth-house/office", "city/public-order\x01"); }
static void bad_topic(struct buf *b) { exchange(b, "alert/flood", "alert/#lood"); }
static void bad_sender(struct buf *b) { exchange(b, "police/control-room", "police.control-room"); }
static void bad_partnership(struct buf *b) { exchange(b, "musterstadt", "muster\xe2\x80\xaet\xc3\xa4"); }
static void embargo(struct buf *b) { buf_put(b, "\xa0\x01\x01", 3); }
static void cut(struct buf *b) { b->len--; }
static void large(struct buf *b) { while (b->len <= KW_HEADER_MAX) buf_put_u8(b, 0); }

static void
headers_that_cheat_are_refused(void **state)
{
	(void)state;
	header_refused(one_more_field, "unknown");
	header_refused(confirm_no, "default value");
	header_refused(confirm_twice, "twice");
	header_refused(confirm_two, "no truth value");
	header_refused(bad_reader, "Header.to");
	header_refused(another_bad_reader, "Header.to");
	header_refused(embargo, "Header.not_before_ms may not stand for the type update");
	header_refused(bad_topic, "wildcard #");
	header_refused(bad_sender, "Header.sender");
	header_refused(bad_partnership, "clean text");
	header_refused(cut, "beyond the end");
	header_refused(large, "must have 1 to");
}

static void
decoding_refused(struct span in, const char *says)
{
	struct kw_why why = {""};
	struct header out;

	if (header_decode(&out, in, &why) == KW_OK)
		fail_msg("taken, although: %s", says);
	if (strstr(why.text, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, says);
}

static void
header_says(const struct header *h, const char *says)
{
	struct buf b = BUF_INIT(KW_HEADER_MAX);

	assert_int_equal(header_encode(&b, h, NULL), KW_OK);
	decoding_refused(buf_span(&b), says);
	buf_free(&b);
}

static void
readers_stand_in_order_once_and_are_not_too_many(void **state)
{
	struct buf b = BUF_INIT(KW_HEADER_MAX), more = BUF_INIT(KW_HEADER_MAX);
	struct header h = good_header();
	const uint8_t *last;

	(void)state;
	(void)snprintf(h.to[1], sizeof h.to[1], "%s", h.to[0]);
	header_says(&h, "Header.to is not sorted, or names city/public-order twice");
	(void)snprintf(h.to[0], sizeof h.to[0], "youth-house/office");
	header_says(&h, "Header.to is not sorted");
	h.to_count = KW_TO_MAX;
	for (unsigned i = 0; i < KW_TO_MAX; i++)
		(void)snprintf(h.to[i], sizeof h.to[i], "a/%02u", i);
	assert_int_equal(header_encode(&b, &h, NULL), KW_OK);
	last = memmem(b.p, b.len, "\x4a\x04" "a/63", 6);
	assert_non_null(last);
	buf_put(&more, b.p, (size_t)(last - b.p) + 6);
	buf_put(&more, "\x4a\x04" "a/64", 6);
	buf_put(&more, last + 6, b.len - (size_t)(last + 6 - b.p));
	decoding_refused(buf_span(&more), "Header.to names 65 nodes, at most 64 are allowed");
	buf_free(&more);
	buf_free(&b);
}

static void
an_embargo_ends_before_its_notification_and_a_commit_has_a_number(void **state)
{
	static const uint8_t hash[KW_HASH_LEN] = {1};
	struct header h = good_header();
	struct buf b = BUF_INIT(KW_HEADER_MAX);

	(void)state;
	h.type = TYPE_DRAFT;
	h.not_before_ms = h.expires_ms;
	header_says(&h, "does not lie before expires_ms");
	h.not_before_ms = 0;
	h.seen.number = 0;
	assert_int_equal(header_encode(&b, &h, NULL), KW_OK);
	buf_put(&b, "\x92\x01\x22\x12\x20", 5);
	buf_put(&b, hash, sizeof hash);
	decoding_refused(buf_span(&b), "Header.seen has number 0; commits begin at 1");
	buf_free(&b);
}

static void
numbers_beyond_all_logs_and_clocks_are_refused(void **state)
{
	struct buf b = BUF_INIT(KW_HEADER_MAX);
	struct header h, out;
	struct kw_why why;

	(void)state;
	for (int i = 0; i < 6; i++) {
		static const char *const says[] = {"sender_epoch", "sender_epoch", "seen", "created_ms", "created_ms", "expires_ms"};

		h = good_header();
		h.sender_epoch = i == 0 ? UINT64_MAX : i == 1 ? (uint64_t)INT64_MAX + 1 : h.sender_epoch;
		h.seen.number = i == 2 ? UINT64_MAX : h.seen.number;
		h.created_ms = i == 3 ? 1 : i == 4 ? UINT64_MAX - 1 : h.created_ms;
		h.expires_ms = i == 4 ? UINT64_MAX : i == 5 ? UINT64_MAX : h.expires_ms;
		buf_reset(&b);
		assert_int_equal(header_encode(&b, &h, &why), KW_OK);
		if (header_decode(&out, buf_span(&b), &why) == KW_OK)
			fail_msg("taken: case %d", i);
		assert_non_null(strstr(why.text, says[i]));
	}
	buf_free(&b);
}

/* False: refused. */
static bool
means_its_bytes(struct span in)
{
	struct buf out = BUF_INIT(KW_HEADER_MAX);
	struct header h;

	if (header_decode(&h, in, NULL) != KW_OK)
		return false;
	assert_int_equal(header_encode(&out, &h, NULL), KW_OK);
	if (!span_eq(buf_span(&out), in))
		fail_msg("%zu bytes read two ways", in.len);
	buf_free(&out);
	return true;
}

static void
every_flipped_bit_and_every_cut_of_a_header_is_refused_or_means_its_bytes(void **state)
{
	struct buf b = BUF_INIT(KW_HEADER_MAX);
	struct header h = good_header();
	uint32_t taken = 0;

	(void)state;
	assert_int_equal(header_encode(&b, &h, NULL), KW_OK);
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		b.p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		taken += means_its_bytes(buf_span(&b));
		b.p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	assert_true(taken > 100);
	taken = 0;
	for (size_t len = 0; len < b.len; len++)
		taken += means_its_bytes(span_of(b.p, len));
	assert_int_equal(taken, 2); /* without the newest commit, and without the payload type too: both may be left away */
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_byte_that_may_not_be_shown_is_found_where_it_stands),
		cmocka_unit_test(a_topic_is_clean_levels_and_nothing_else),
		cmocka_unit_test(wildcards_stand_for_whole_levels),
		cmocka_unit_test(filters_match_as_mqtt_says),
		cmocka_unit_test(controls_that_two_readers_might_take_differently_are_refused),
		cmocka_unit_test(controls_that_would_burst_are_refused_before_they_are_unpacked),
		cmocka_unit_test(parts_of_controls_keep_their_limits),
		cmocka_unit_test(every_flipped_bit_and_every_cut_of_a_control_is_refused_or_means_its_bytes),
		cmocka_unit_test(headers_that_cheat_are_refused),
		cmocka_unit_test(readers_stand_in_order_once_and_are_not_too_many),
		cmocka_unit_test(an_embargo_ends_before_its_notification_and_a_commit_has_a_number),
		cmocka_unit_test(numbers_beyond_all_logs_and_clocks_are_refused),
		cmocka_unit_test(every_flipped_bit_and_every_cut_of_a_header_is_refused_or_means_its_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
