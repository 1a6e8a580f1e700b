/* test_json: payloads as JSON, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "payload_files.h"
#include "payload_full.h"
#include "proto/payload.h"
#include "proto/payload_parts.h"

#define ROOM (16u * 1024u * 1024u)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
refuses(enum payload_type type, const char *json, size_t len, const char *part)
{
	struct buf bytes = BUF_INIT(ROOM);
	struct kw_why why = {""};

	buf_put_str(&bytes, "before");
	if (payload_from_json(&bytes, type, span_of(json, len), &why) == KW_OK)
		fail_msg("taken, although: %s", part);
	if (strstr(why.text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, part);
	assert_int_equal(bytes.len, 6);
	buf_free(&bytes);
}

static void
refuses_text(enum payload_type type, const char *json, const char *part)
{
	refuses(type, json, strlen(json), part);
}

static void
takes(enum payload_type type, const char *json)
{
	struct buf bytes = BUF_INIT(ROOM);
	struct kw_why why = {""};

	if (payload_from_json(&bytes, type, span_str(json), &why) != KW_OK)
		fail_msg("%s: %s", json, why.text);
	buf_free(&bytes);
}

static void
every_field_is_set(const ProtobufCMessage *msg)
{
	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];

		if (field_count(msg, f) == 0)
			fail_msg("%s.%s is not set in payload_full.h", msg->descriptor->short_name, f->name);
		if (f->type == PROTOBUF_C_TYPE_MESSAGE)
			every_field_is_set(*(ProtobufCMessage *const *)field_at(msg, f, 0));
	}
}

/* [Y-3] */
static void
every_schema_survives_json_with_every_field_set(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(full); i++) {
		struct buf bytes = BUF_INIT(ROOM), json = BUF_INIT(ROOM), again = BUF_INIT(ROOM), pretty = BUF_INIT(ROOM);
		struct capped memory;
		ProtobufCMessage *msg;
		struct kw_why why = {""};

		if (payload_from_json(&bytes, full[i].type, span_str(full[i].json), &why) != KW_OK)
			fail_msg("%s", why.text);
		assert_int_equal(payload_open(&msg, &memory, full[i].type, buf_span(&bytes), &why), KW_OK);
		every_field_is_set(msg);
		payload_close(msg, &memory);
		assert_int_equal(payload_to_json(&json, full[i].type, buf_span(&bytes), false, &why), KW_OK);
		assert_string_equal(buf_text(&json), full[i].json);
		assert_int_equal(payload_to_json(&pretty, full[i].type, buf_span(&bytes), true, &why), KW_OK);
		assert_true(pretty.len > json.len);
		assert_int_equal(payload_from_json(&again, full[i].type, buf_span(&pretty), &why), KW_OK);
		assert_true(span_eq(buf_span(&again), buf_span(&bytes)));
		buf_free(&bytes);
		buf_free(&json);
		buf_free(&again);
		buf_free(&pretty);
	}
}

static void
every_example_in_json_is_valid(void **state)
{
	static const struct {
		enum payload_type type;
		const char *path;
	} examples[] = {
		{PAYLOAD_REQUEST, "examples/noise-request.json"},     {PAYLOAD_REPORT, "examples/break-in-report.json"},
		{PAYLOAD_STATEMENT, "examples/flood-statement.json"}, {PAYLOAD_FEEDBACK, "examples/welfare-feedback.json"},
		{PAYLOAD_NOTE, "examples/handover-note.json"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(examples); i++) {
		struct buf json = BUF_INIT(ROOM);

		assert_true(file_read(&json, examples[i].path));
		takes(examples[i].type, buf_text(&json));
		buf_free(&json);
	}
}

static void
names_of_the_schema_and_null_are_taken_as_protobuf_has_it(void **state)
{
	struct buf a = BUF_INIT(ROOM), b = BUF_INIT(ROOM);
	struct kw_why why = {""};

	(void)state;
	assert_int_equal(payload_from_json(&a, PAYLOAD_FEEDBACK, span_str("{\"confirmed\":1,\"acted\":\"Yes\",\"still_acting\":\"No\"}"), &why), KW_OK);
	assert_int_equal(payload_from_json(&b, PAYLOAD_FEEDBACK, span_str("{\"stillActing\":2,\"confirmed\":\"Yes\",\"acted\":1}"), &why), KW_OK);
	assert_true(span_eq(buf_span(&a), buf_span(&b)));
	takes(PAYLOAD_NOTE, "{\"text\":\"x\",\"language\":null}");
	takes(PAYLOAD_VOID, "{\"numbers\":[{\"node\":\"a/b\",\"number\":7}]}");
	buf_free(&a);
	buf_free(&b);
}

static void
keys_that_are_unknown_or_there_twice_are_refused_with_their_path(void **state)
{
	(void)state;
	refuses_text(PAYLOAD_NOTE, "{\"text\":\"x\",\"txet\":\"y\"}", "Note.txet: there is no such field");
	refuses_text(PAYLOAD_FEEDBACK, "{\"confirmed\":\"Yes\",\"acted\":\"Yes\",\"stillActing\":\"No\",\"note\":\"x\"}", "Feedback.note: there is no such field");
	refuses_text(PAYLOAD_NOTE, "{\"text\":\"x\",\n\"text\":\"y\"}", "line 2: Note.text: stands there twice");
	refuses_text(PAYLOAD_FEEDBACK, "{\"confirmed\":\"Yes\",\"acted\":\"Yes\",\"stillActing\":\"No\",\"still_acting\":\"No\"}", "still_acting: stands there twice, as stillActing");
	refuses_text(PAYLOAD_STATEMENT, "{\"issuer\":\"a\",\"text\":[{\"language\":\"de\",\"headline\":\"h\",\"body\":\"b\"},{\"language\":\"en\",\"body\":\"b\",\"body\":\"c\"}]}",
	             "Statement.text[1].body: stands there twice");
	refuses_text(PAYLOAD_STATEMENT, "{\"issuer\":\"a\",\"text\":[{\"language\":\"de\",\"x\":1}]}", "Statement.text[0].x: there is no such field");
}

static void
values_of_the_wrong_kind_are_refused_with_their_path(void **state)
{
	(void)state;
	refuses_text(PAYLOAD_NOTE, "[]", "Note: is a list, must be an object");
	refuses_text(PAYLOAD_NOTE, "{\"text\":5}", "Note.text: is a number, must be a text");
	refuses_text(PAYLOAD_STATEMENT, "{\"text\":\"x\"}", "Statement.text: is a text, must be a list");
	refuses_text(PAYLOAD_STATEMENT, "{\"text\":[null]}", "Statement.text[0]: is null, must be an object");
	refuses_text(PAYLOAD_STATEMENT, "{\"text\":[\"x\"]}", "Statement.text[0]: is a text, must be an object");
	refuses_text(PAYLOAD_FEEDBACK, "{\"confirmed\":true}", "Feedback.confirmed: is a truth value, must be a word");
	refuses_text(PAYLOAD_FEEDBACK, "{\"confirmed\":\"Maybe\"}", "Feedback.confirmed: \"Maybe\" is none of its values");
	refuses_text(PAYLOAD_FEEDBACK, "{\"confirmed\":99}", "Feedback.confirmed: 99 is none of its values");
	refuses_text(PAYLOAD_FEEDBACK, "{\"confirmed\":-1}", "Feedback.confirmed: -1 lies outside");
	refuses_text(PAYLOAD_DOCUMENT, "{\"content\":\"***\"}", "Document.content: is no base64");
	refuses_text(PAYLOAD_DOCUMENT, "{\"content\":\"QQ=\"}", "Document.content: is no base64");
	refuses_text(PAYLOAD_DOCUMENT, "{\"content\":\"QR==\"}", "Document.content: is no base64");
}

static void
numbers_are_taken_up_to_their_limit_and_not_beyond(void **state)
{
	(void)state;
	takes(PAYLOAD_VOID, "{\"numbers\":[{\"node\":\"a/b\",\"number\":\"18446744073709551615\"}]}");
	refuses_text(PAYLOAD_VOID, "{\"numbers\":[{\"node\":\"a/b\",\"number\":\"18446744073709551616\"}]}", "Void.numbers[0].number: 18446744073709551616 is over the limit");
	refuses_text(PAYLOAD_VOID, "{\"numbers\":[{\"node\":\"a/b\",\"number\":\"-1\"}]}", "is no whole number");
	refuses_text(PAYLOAD_VOID, "{\"numbers\":[{\"node\":\"a/b\",\"number\":\"\"}]}", "is no whole number");
	refuses_text(PAYLOAD_VOID, "{\"numbers\":[{\"node\":\"a/b\",\"number\":\"07\"}]}", "is no whole number");
	refuses_text(PAYLOAD_VOID, "{\"numbers\":[{\"node\":\"a/b\",\"number\":1.5}]}", "is a number, must be a whole number");
	refuses_text(PAYLOAD_REQUEST, "{\"place\":{\"position\":{\"latitude\":true}}}", "Request.place.position.latitude: is a truth value, must be a number");
	refuses_text(PAYLOAD_REQUEST, "{\"place\":{\"position\":{\"latitude\":\"91\"}}}", "Request"); /* a number in quotes is one; what is wrong is something else */
	refuses_text(PAYLOAD_REQUEST, "{\"place\":{\"position\":{\"latitude\":\"NaN\"}}}", "Request.place.position.latitude: \"NaN\" is no finite number");
	refuses_text(PAYLOAD_REQUEST, "{\"place\":{\"position\":{\"latitude\":\"1e999\"}}}", "is no finite number");
	refuses_text(PAYLOAD_REQUEST, "{\"place\":{\"position\":{\"accuracyM\":4294967296}}}", "accuracyM: 4294967296 lies outside of 0 to 4294967295");
	refuses_text(PAYLOAD_REQUEST, "{\"place\":{\"position\":{\"latitude\":NaN}}}", "no JSON");
}

static void
what_is_no_json_is_refused_with_its_line(void **state)
{
	static const char zero[] = "{\"text\":\"a\0b\"}";

	(void)state;
	refuses_text(PAYLOAD_NOTE, "", "no JSON");
	refuses_text(PAYLOAD_NOTE, "{\"text\":\"x\"", "line 1");
	refuses_text(PAYLOAD_NOTE, "{\"text\":\"x\"} {}", "no JSON");
	refuses_text(PAYLOAD_NOTE, "{\"text\":\"\xFF\"}", "no JSON");
	refuses_text(PAYLOAD_NOTE, "{\"text\":\"\\u0000\"}", "no JSON");
	refuses(PAYLOAD_NOTE, zero, sizeof zero - 1, "no JSON");
	refuses_text(PAYLOAD_NONE, "{}", "has no schema");
}

static void
text_that_hides_or_turns_is_refused_with_its_path(void **state)
{
	(void)state;
	refuses_text(PAYLOAD_NOTE, "{\"text\":\"a\\u202Eb\"}", "Note.text: byte 1 is no clean text");
	refuses_text(PAYLOAD_NOTE, "{\"text\":\"a\\u001bb\"}", "Note.text");
	refuses_text(PAYLOAD_STATEMENT, "{\"issuer\":\"a\",\"text\":[{\"language\":\"de\",\"headline\":\"h\",\"body\":\"b\"},{\"language\":\"en\",\"headline\":\"\\u2066h\",\"body\":\"b\"}]}",
	             "Statement.text[1].headline");
}

/* [Y-3] */
static void
depth_sixteen_is_walked_and_seventeen_refused(void **state)
{
	char deep[64];

	(void)state;
	memset(deep, '[', 17);
	deep[17] = '\0';
	refuses_text(PAYLOAD_NOTE, deep, "nested deeper than 16");
	deep[16] = '\0';
	refuses_text(PAYLOAD_NOTE, deep, "no JSON");
	takes(PAYLOAD_NOTE, "{\"text\":\"[[[[[[[[[[[[[[[[[[[[ \\\" [[[\"}"); /* brackets in texts do not nest */
}

static void
eight_mebibytes_are_the_limit(void **state)
{
	size_t len = KW_OPENED_MAX + 1;
	char *json = malloc(len);

	(void)state;
	assert_non_null(json);
	memset(json, ' ', len);
	refuses(PAYLOAD_NOTE, json, len, "at most 8388608");
	memcpy(json, "{\"text\":\"x\"}", 12);
	{
		struct buf bytes = BUF_INIT(ROOM);

		assert_int_equal(payload_from_json(&bytes, PAYLOAD_NOTE, span_of(json, len - 1), NULL), KW_OK);
		buf_free(&bytes);
	}
	free(json);
}

static void
what_finds_no_room_is_refused_and_not_cut(void **state)
{
	struct buf bytes = BUF_INIT(4);
	struct kw_why why = {""};

	(void)state;
	assert_int_equal(payload_from_json(&bytes, PAYLOAD_NOTE, span_str("{\"text\":\"four\"}"), &why), KW_ELIMIT);
	assert_string_equal(why.text, "the payload has 6 bytes, more than there is room for");
	buf_free(&bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_schema_survives_json_with_every_field_set),
		cmocka_unit_test(every_example_in_json_is_valid),
		cmocka_unit_test(names_of_the_schema_and_null_are_taken_as_protobuf_has_it),
		cmocka_unit_test(keys_that_are_unknown_or_there_twice_are_refused_with_their_path),
		cmocka_unit_test(values_of_the_wrong_kind_are_refused_with_their_path),
		cmocka_unit_test(numbers_are_taken_up_to_their_limit_and_not_beyond),
		cmocka_unit_test(what_is_no_json_is_refused_with_its_line),
		cmocka_unit_test(text_that_hides_or_turns_is_refused_with_its_path),
		cmocka_unit_test(depth_sixteen_is_walked_and_seventeen_refused),
		cmocka_unit_test(eight_mebibytes_are_the_limit),
		cmocka_unit_test(what_finds_no_room_is_refused_and_not_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
