/*
 * test_payload_random: random changes to good files. Whatever is still taken must come through export, schema and JSON as
 * it is; whatever is refused must be refused in one sentence. The seed is fixed; KW_SEED and KW_ROUNDS choose others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxml/parser.h>
#include <libxml/xmlschemas.h>

#include "payload_files.h"
#include "payload_full.h"
#include "proto/payload.h"

#define ROOM (16u * 1024u * 1024u)
#define SEEDS_MAX 64
#define SEED_LEN_MAX 20000u

static struct buf seeds[SEEDS_MAX];
static size_t seed_count;
static xmlSchemaValidCtxt *validator;
static xmlSchema *schema;
static uint64_t random_state;

/* splitmix64: a few lines, good enough to choose places, and the same everywhere. */
static size_t
below(size_t n)
{
	uint64_t z = random_state += 0x9E3779B97F4A7C15u;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return n == 0 ? 0 : (size_t)((z ^ z >> 31) % n);
}

static void
keep_seed(const char *path, struct span content)
{
	(void)path;
	if (content.len > SEED_LEN_MAX || seed_count == SEEDS_MAX || memmem(content.p, content.len, "<alert", 6) == NULL)
		return;
	seeds[seed_count] = BUF_INIT(2 * SEED_LEN_MAX);
	buf_put_span(&seeds[seed_count++], content);
}

static void
put_changed(struct buf *out, struct span in)
{
	static const char *const words[] = {
		"<info>", "</info>", "<area/>", "<![CDATA[", "]]>", "<!--", "-->", "<!DOCTYPE a>", "&amp;", "&#0;", "&#x202E;", "'", "\"", ">", "<", "\n",
		"\xFF", "99999999999999999999", "-180.5,", "Z", "{", "[", "}", "]", "\\u0000", "1e999", "null", ",", ":", " ", "<references>a,b</references>",
	};
	size_t at = below(in.len + 1), skip = 0;

	buf_put(out, in.p, at);
	switch (below(4)) {
	case 0:
		buf_put_str(out, words[below(sizeof words / sizeof words[0])]);
		break;
	case 1:
		skip = below(200);
		break;
	case 2: {
		size_t from = below(in.len + 1), len = below(400);

		buf_put(out, in.p + from, len < in.len - from ? len : in.len - from);
		break;
	}
	default:
		if (at < in.len)
			buf_put_u8(out, in.p[at] ^ (uint8_t)(1u << below(8)));
		skip = 1;
	}
	skip = skip < in.len - at ? skip : in.len - at;
	buf_put(out, in.p + at + skip, in.len - at - skip);
}

static void
change(struct buf *out, struct span in)
{
	struct buf other = BUF_INIT(8 * SEED_LEN_MAX);

	buf_put_span(&other, in);
	for (size_t n = 1 + below(5); n > 0; n--) {
		buf_reset(out);
		put_changed(out, buf_span(&other));
		buf_reset(&other);
		buf_put_span(&other, buf_span(out));
	}
	buf_free(&other);
}

static void
is_valid(struct span xml)
{
	xmlDoc *doc = xmlReadMemory((const char *)xml.p, (int)xml.len, NULL, NULL, XML_PARSE_NONET);

	assert_non_null(doc);
	if (validator != NULL && xmlSchemaValidateDoc(validator, doc) != 0)
		fail_msg("the export is not valid: %.*s", (int)xml.len, (const char *)xml.p);
	xmlFreeDoc(doc);
}

/* exact: the bytes came from a CAP file, whose texts are trimmed already. */
static void
holds_together(enum payload_type type, struct span bytes, bool exact)
{
	struct buf json = BUF_INIT(ROOM), again = BUF_INIT(ROOM), xml = BUF_INIT(ROOM), text = BUF_INIT(ROOM);
	struct kw_why why = {""};

	assert_int_equal(payload_to_text(&text, type, bytes, "de", true, &why), KW_OK);
	assert_int_equal(payload_to_json(&json, type, bytes, false, &why), KW_OK);
	if (payload_from_json(&again, type, buf_span(&json), &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_true(span_eq(buf_span(&again), bytes));
	if (type == PAYLOAD_ALERT) {
		assert_int_equal(cap_export(&xml, bytes, &why), KW_OK);
		is_valid(buf_span(&xml));
		buf_reset(&again);
		if (cap_import(&again, NULL, buf_span(&xml), &why) != KW_OK)
			fail_msg("%s", why.text);
		assert_true(!exact || span_eq(buf_span(&again), bytes));
	}
	buf_free(&json);
	buf_free(&again);
	buf_free(&xml);
	buf_free(&text);
}

static size_t
rounds(void)
{
	const char *text = getenv("KW_ROUNDS");

	return text != NULL ? strtoul(text, NULL, 10) : 3000;
}

static void
changed_cap_files_are_taken_whole_or_refused_in_a_sentence(void **state)
{
	size_t taken = 0, refused = 0;

	(void)state;
	for (size_t i = rounds(); i > 0; i--) {
		struct buf xml = BUF_INIT(8 * SEED_LEN_MAX), bytes = BUF_INIT(ROOM), warnings = BUF_INIT(ROOM);
		struct kw_why why = {""};

		change(&xml, buf_span(&seeds[below(seed_count)]));
		if (cap_import(&bytes, &warnings, buf_span(&xml), &why) == KW_OK) {
			holds_together(PAYLOAD_ALERT, buf_span(&bytes), true);
			taken++;
		} else {
			assert_int_equal(bytes.len, 0);
			assert_true(strlen(why.text) > 10);
			refused++;
		}
		buf_free(&xml);
		buf_free(&bytes);
		buf_free(&warnings);
	}
	assert_true(taken > 0 && refused > 0); /* else nothing was tried */
}

static void
changed_json_is_taken_whole_or_refused_in_a_sentence(void **state)
{
	size_t taken = 0, refused = 0;

	(void)state;
	for (size_t i = rounds(); i > 0; i--) {
		const struct full *f = &full[below(sizeof full / sizeof full[0])];
		struct buf json = BUF_INIT(8 * SEED_LEN_MAX), bytes = BUF_INIT(ROOM);
		struct kw_why why = {""};

		change(&json, span_str(f->json));
		if (payload_from_json(&bytes, f->type, buf_span(&json), &why) == KW_OK) {
			holds_together(f->type, buf_span(&bytes), false);
			taken++;
		} else {
			assert_int_equal(bytes.len, 0);
			assert_true(strlen(why.text) > 10);
			refused++;
		}
		buf_free(&json);
		buf_free(&bytes);
	}
	assert_true(taken > 0 && refused > 0);
}

static void
changed_bytes_are_the_only_bytes_of_what_they_mean(void **state)
{
	size_t taken = 0;

	(void)state;
	for (size_t i = rounds(); i > 0; i--) {
		const struct full *f = &full[below(sizeof full / sizeof full[0])];
		struct buf good = BUF_INIT(ROOM), bytes = BUF_INIT(8 * SEED_LEN_MAX);
		struct kw_why why = {""};

		assert_int_equal(payload_from_json(&good, f->type, span_str(f->json), &why), KW_OK);
		change(&bytes, buf_span(&good));
		if (payload_check(f->type, buf_span(&bytes), &why) == KW_OK && bytes.len > 0) {
			holds_together(f->type, buf_span(&bytes), false);
			taken++;
		}
		buf_free(&good);
		buf_free(&bytes);
	}
	assert_true(taken > 0);
}

static int
set_up(void **state)
{
	const char *seed = getenv("KW_SEED"), *root = getenv("KW_SOURCE_DIR");
	xmlSchemaParserCtxt *parser;
	char path[1024];

	(void)state;
	random_state = seed != NULL ? strtoull(seed, NULL, 10) : 1;
	(void)files_each("examples", keep_seed);
	(void)files_each("../shared/cap/real-1.1", keep_seed);
	(void)files_each("../shared/cap/real-1.2", keep_seed);
	(void)snprintf(path, sizeof path, "%s/../shared/cap/schema/cap12.xsd", root != NULL ? root : ".");
	if (access(path, R_OK) != 0) {
		print_message("skipped: no OASIS schema beside the source; exports are not validated\n");
		return seed_count > 0 ? 0 : -1;
	}
	parser = xmlSchemaNewParserCtxt(path);
	schema = xmlSchemaParse(parser);
	xmlSchemaFreeParserCtxt(parser);
	validator = schema != NULL ? xmlSchemaNewValidCtxt(schema) : NULL;
	return validator != NULL && seed_count > 0 ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < seed_count; i++)
		buf_free(&seeds[i]);
	xmlSchemaFreeValidCtxt(validator);
	xmlSchemaFree(schema);
	xmlCleanupParser();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changed_cap_files_are_taken_whole_or_refused_in_a_sentence),
		cmocka_unit_test(changed_json_is_taken_whole_or_refused_in_a_sentence),
		cmocka_unit_test(changed_bytes_are_the_only_bytes_of_what_they_mean),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
