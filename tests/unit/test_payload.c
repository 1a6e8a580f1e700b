/* test_payload: the rules of the schemas, each on both sides of its limit; bytes that cheat; and how payloads are shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "payload_full.h"
#include "proto/payload.h"
#include "proto/payload_parts.h"
#include "proto/payload_values.h"

#define ROOM (16u * 1024u * 1024u)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *
full_of(enum payload_type type)
{
	for (size_t i = 0; i < COUNT(full); i++)
		if (full[i].type == type)
			return full[i].json;
	fail_msg("payload_full.h lacks a schema");
	return NULL;
}

/* The schema's full text with the first from replaced by to; says "ok" or why it is refused. */
static void
judge(char out[KW_WHY_MAX], enum payload_type type, const char *from, const char *to)
{
	const char *text = full_of(type), *at = strstr(text, from);
	struct buf json = BUF_INIT(ROOM), bytes = BUF_INIT(ROOM);
	struct kw_why why = {""};

	if (at == NULL)
		fail_msg("\"%s\" is not in the text", from);
	buf_put(&json, text, (size_t)(at - text));
	buf_put_str(&json, to);
	buf_put_str(&json, at + strlen(from));
	(void)snprintf(out, KW_WHY_MAX, "%s", payload_from_json(&bytes, type, buf_span(&json), &why) == KW_OK ? "ok" : why.text);
	buf_free(&json);
	buf_free(&bytes);
}

struct rule {
	const char *from, *to, *says;
};

static void
follow(enum payload_type type, const struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char said[KW_WHY_MAX];

		judge(said, type, rules[i].from, rules[i].to);
		if (strstr(said, rules[i].says) == NULL)
			fail_msg("%s -> %s: \"%s\" does not say \"%s\"", rules[i].from, rules[i].to, said, rules[i].says);
	}
}

/* [Y-2], [Y-5] */
static void
an_alerts_head_follows_cap_section_3(void **state)
{
	static const struct rule rules[] = {
		{"\"identifier\":\"kw-2\",", "", "Alert.identifier"},
		{"\"kw-2\"", "\"kw 2\"", "Alert.identifier: \"kw 2\" must not"},
		{"\"kw-2\"", "\"kw,2\"", "Alert.identifier"},
		{"\"kw-2\"", "\"kw<2\"", "Alert.identifier"},
		{"\"kw-2\"", "\"kw&2\"", "Alert.identifier"},
		{"\"kw-2\"", "\"kw>2;ü\"", "ok"},
		{"\"sender\":\"lage@musterstadt.example\"", "\"sender\":\"a b\"", "Alert.sender"},
		{"\"sent\":\"2026-12-01T10:00:00+01:00\",", "", "Alert.sent: is missing"},
		{"\"sent\":\"2026-12-01T10:00:00+01:00\"", "\"sent\":\"2026-12-01T09:00:00Z\"", "Alert.sent: \"2026-12-01T09:00:00Z\" is no time"},
		{"\"sent\":\"2026-12-01T10:00:00+01:00\"", "\"sent\":\"2026-12-01T10:00:00.5+01:00\"", "Alert.sent"},
		{"\"sent\":\"2026-12-01T10:00:00+01:00\"", "\"sent\":\"2026-12-01T10:00:00,01:00\"", "Alert.sent"},
		{"\"sent\":\"2026-12-01T10:00:00+01:00\"", "\"sent\":\"2026-12-01T09:00:00-00:00\"", "ok"},
		{"\"status\":\"Actual\",", "", "Alert.status: is missing, must be one of Actual, Exercise, System, Test, Draft"},
		{"\"status\":\"Actual\"", "\"status\":\"Unspecified\"", "Alert.status: is missing"},
		{"\"msgType\":\"Update\",", "", "Alert.msgType: is missing"},
		{"\"scope\":\"Restricted\",", "", "Alert.scope: is missing"},
		{"\"scope\":\"Restricted\"", "\"scope\":\"Public\"", "Alert.restriction: may stand only with the scope Restricted"},
		{"\"scope\":\"Restricted\",\"restriction\":\"Partner\"", "\"scope\":\"Private\"", "ok"},
		{"\"scope\":\"Restricted\",\"restriction\":\"Partner\",\"addresses\":\"a@b \\\"c d\\\"\"", "\"scope\":\"Private\"", "Alert.addresses: is missing"},
		{"\"a@b \\\"c d\\\"\"", "\"a@b \\\"c d\"", "Alert.addresses: has a double quote that is never closed"},
		{"\"incidents\":\"neckar\"", "\"incidents\":\"\\\"neckar\"", "Alert.incidents"},
		{"\"K2\"", "\"\"", "Alert.code: is missing"},
	};

	(void)state;
	follow(PAYLOAD_ALERT, rules, COUNT(rules));
}

static void
references_name_earlier_alerts_of_others(void **state)
{
#define REFERENCE "lage@musterstadt.example,kw-1,2026-12-01T09:00:00+01:00"
	static const struct rule rules[] = {
		{REFERENCE, "", "Alert.references: is missing"},
		{"\"msgType\":\"Update\"", "\"msgType\":\"Alert\"", "ok"},
		{REFERENCE, "a,b", "\"a,b\" is no reference"},
		{REFERENCE, ",b,2026-12-01T09:00:00+01:00", "is no reference"},
		{REFERENCE, "a,,2026-12-01T09:00:00+01:00", "is no reference"},
		{REFERENCE, "a,b,2026-12-01T09:00:00Z", "is no reference"},
		{REFERENCE, "a,b,2026-13-01T09:00:00+01:00", "is no time"},
		{REFERENCE, "lage@musterstadt.example,kw-2,2026-11-01T09:00:00+01:00", "refers to itself"},
		{REFERENCE, "lage@musterstadt.example,kw-20,2026-11-01T09:00:00+01:00", "ok"},
		{REFERENCE, "a,b,2026-12-01T10:00:01+01:00", "was sent later"},
		{REFERENCE, "a,b,2026-12-01T10:00:00+01:00", "ok"},
		{REFERENCE, "a,b,2026-12-01T09:30:00+00:00", "was sent later"},
		{REFERENCE, REFERENCE " a,b,2026-12-01T10:00:00+01:00\\n c,d,2026-12-01T08:00:00-00:00", "ok"},
		{REFERENCE, REFERENCE " a,b", "is no reference"},
	};

	(void)state;
	follow(PAYLOAD_ALERT, rules, COUNT(rules));
}

/* [Y-5] */
static void
an_info_follows_cap_section_3(void **state)
{
	static const struct rule rules[] = {
		{"\"language\":\"de-DE\"", "\"language\":\"de_DE\"", "Alert.info[0].language"},
		{"\"language\":\"de-DE\"", "\"language\":\"deutschland\"", "Alert.info[0].language"},
		{"\"language\":\"de-DE\",", "", "ok"},
		{"\"category\":[\"Met\",\"Safety\"],", "", "Alert.info[0].category: is missing"},
		{"[\"Met\",\"Safety\"]", "[\"Met\",\"Unspecified\"]", "Alert.info[0].category: is missing"},
		{"\"event\":\"Hochwasser\",", "", "Alert.info[0].event: is missing"},
		{"[\"Avoid\",\"None\"]", "[\"Unspecified\"]", "Alert.info[0].responseType"},
		{"\"urgency\":\"Immediate\",", "", "Alert.info[0].urgency"},
		{"\"severity\":\"Severe\",", "", "Alert.info[0].severity"},
		{"\"certainty\":\"Observed\",", "", "Alert.info[0].certainty"},
		{"\"certainty\":\"Observed\"", "\"certainty\":\"Very Likely\"", "none of its values"},
		{"\"expires\":\"2026-12-01T16:00:00+01:00\"", "\"expires\":\"2026-12-01T09:59:59+01:00\"", "Alert.info[0].expires: 2026-12-01T09:59:59+01:00 lies before sent"},
		{"\"expires\":\"2026-12-01T16:00:00+01:00\"", "\"expires\":\"2026-12-01T10:00:00+01:00\"", "ok"},
		{"\"expires\":\"2026-12-01T16:00:00+01:00\"", "\"expires\":\"2026-12-01T10:30:00+02:00\"", "lies before sent"},
		{"\"expires\":\"2026-12-01T16:00:00+01:00\",", "", "ok"},
		{"\"onset\":\"2026-12-01T11:00:00+01:00\"", "\"onset\":\"bald\"", "Alert.info[0].onset"},
		{"\"effective\":\"2026-12-01T10:00:00+01:00\"", "\"effective\":\"jetzt\"", "Alert.info[0].effective"},
		{"https://musterstadt.example/", "musterstadt.example", "Alert.info[0].web"},
		{"https://musterstadt.example/", "https://musterstadt.example/a b", "Alert.info[0].web"},
		{"\"valueName\":\"pegel\",", "", "Alert.info[0].parameter[0].valueName: is missing"},
		{",\"value\":\"4.85\"", "", "ok"},
		{"\"valueName\":\"profile:DE-BBK-EVENTCODE\",", "", "Alert.info[0].eventCode[0].valueName"},
	};

	(void)state;
	follow(PAYLOAD_ALERT, rules, COUNT(rules));
}

static void
resources_and_areas_follow_cap_section_3(void **state)
{
#define POLYGON "49.1,8.1 49.2,8.1 49.2,8.2 49.1,8.1"
	static const struct rule rules[] = {
		{"\"resourceDesc\":\"Karte\",", "", "Alert.info[0].resource[0].resourceDesc: is missing"},
		{"\"image/png\"", "\"png\"", "Alert.info[0].resource[0].mimeType"},
		{"\"image/png\"", "\"image/\"", "Alert.info[0].resource[0].mimeType"},
		{"\"size\":\"3\"", "\"size\":\"9223372036854775807\"", "ok"},
		{"\"size\":\"3\"", "\"size\":\"9223372036854775808\"", "Alert.info[0].resource[0].size: is over the limit of 9223372036854775807"},
		{",\"derefUri\":\"AAEC\"", "", "Alert.info[0].resource[0].uri"},
		{"\"uri\":\"karte.png\",\"derefUri\":\"AAEC\"", "\"uri\":\"https://a.example/karte.png\"", "ok"},
		{"\"AAEC\"", "\"AAE\"", "ok"},
		{"\"AAEC\"", "\"AAE?\"", "derefUri: is no base64"},
		{"\"areaDesc\":\"Mitte\",", "", "Alert.info[0].area[0].areaDesc: is missing"},
		{POLYGON, "49.1,8.1 49.2,8.1 49.1,8.1", "Alert.info[0].area[0].polygon[0]: \"49.1,8.1 49.2,8.1 49.1,8.1\" has fewer than 4 points"},
		{POLYGON, "49.1,8.1 49.2,8.1 49.2,8.2 49.1,8.2", "is not closed"},
		{POLYGON, "49.10,8.1 49.2,8.1 49.2,8.2 49.1,8.100", "ok"},
		{POLYGON, "90,180 -90,-180 49.2,8.2 +90,180", "ok"},
		{POLYGON, "91,8.1 49.2,8.1 49.2,8.2 91,8.1", "latitude outside"},
		{POLYGON, "90.000001,8.1 49.2,8.1 49.2,8.2 90.000001,8.1", "latitude outside"},
		{POLYGON, "49.1,8.1 49.2,-180.1 49.2,8.2 49.1,8.1", "longitude outside"},
		{POLYGON, "49.1,8.1 NaN,8.1 49.2,8.2 49.1,8.1", "must be pairs"},
		{POLYGON, "49.1,8.1 4e1,8.1 49.2,8.2 49.1,8.1", "must be pairs"},
		{POLYGON, "49.1,8.1,0 49.2,8.1,0 49.2,8.2,0 49.1,8.1,0", "must be pairs"},
		{POLYGON, "49.1,8.1  49.2,8.1 49.2,8.2 49.1,8.1", "must be pairs"},
		{POLYGON, POLYGON " ", "must be pairs"},
		{POLYGON, "", "polygon[0]"},
		{"49.1,8.1 2.5", "49.1,8.1", "Alert.info[0].area[0].circle[0]"},
		{"49.1,8.1 2.5", "49.1,8.1 -1", "radius outside"},
		{"49.1,8.1 2.5", "49.1,8.1 0", "ok"},
		{"49.1,8.1 2.5", "49.1,8.1 20039", "radius outside"},
		{"49.1,8.1 2.5", "49.1,8.1 2.5 km", "circle[0]"},
		{"\"altitude\":\"300\",", "", "Alert.info[0].area[0].ceiling: stands without altitude"},
		{"\"400.5\"", "\"299.9\"", "lower than the altitude"},
		{"\"400.5\"", "\"300\"", "ok"},
		{"\"400.5\"", "\"hoch\"", "Alert.info[0].area[0].ceiling"},
		{"\"300\"", "\"300ft\"", "Alert.info[0].area[0].altitude"},
		{"\"valueName\":\"bezirk\",", "", "Alert.info[0].area[0].geocode[0].valueName"},
	};

	(void)state;
	follow(PAYLOAD_ALERT, rules, COUNT(rules));
}

/* [Y-9] */
static void
requests_reports_and_documents_say_how_to_judge_and_handle_them(void **state)
{
	static const struct rule report[] = {
		{"\"category\":\"Security\",", "", "Report.category: is missing"},
		{"\"severity\":\"Minor\",", "", "Report.severity: is missing"},
		{"\"subject\":\"Einbruch\",", "", "Report.subject: is missing"},
		{"," GRADING, "", "Report.grading: is missing"},
		{"," HANDLING, "", "Report.handling: is missing"},
		{"\"source\":\"Reliable\",", "", "Report.grading.source"},
		{"\"content\":\"Confirmed\",", "", "Report.grading.content"},
		{"\"completeness\":\"Partial\",", "", "Report.grading.completeness"},
		{",\"asOf\":\"2026-12-01T10:00:00+01:00\"", "", "Report.grading.asOf: is missing"},
		{"\"mark\":\"Sensitive\"", "\"mark\":\"VsNfd\"", "Report.handling.mark: VsNfd: Kurzweg is not approved"},
		{"\"mark\":\"Sensitive\",", "", "Report.handling.mark: is missing"},
		{"\"danger-prevention\"", "\"Danger Prevention\"", "Report.handling.purpose"},
		{"\"onward\":\"WithConsent\"", "\"onward\":\"Free\"", "Report.handling.onward: may not be Free for the mark Sensitive"},
		{",\"deleteBy\":\"2026-12-31T00:00:00+01:00\"", "", "Report.handling.deleteBy: is missing; the mark Sensitive"},
		{"\"mark\":\"Sensitive\",\"purpose\":\"danger-prevention\",\"legalBasis\":\"PolG\",\"onward\":\"WithConsent\",\"deleteBy\":\"2026-12-31T00:00:00+01:00\"",
		 "\"mark\":\"Internal\",\"purpose\":\"x\",\"onward\":\"Free\"", "ok"},
		{"49.4118", "90", "ok"},
		{"49.4118", "90.5", "Report.place.position.latitude: 90.5 lies outside"},
		{"49.4118", "91", "Report.place.position.latitude: 91 lies outside"},
		{"-8.69051234567", "-180.01", "Report.place.position.longitude: -180.01 lies outside"},
		{"\"082210000000\"", "\"08221\"", "Report.place.areaCode"},
		{PLACE, "\"place\":{}", "Report.place: says nothing"},
		{PLACE ",", "", "ok"},
		{"\"observedAt\":\"2026-12-01T10:00:00+01:00\"", "\"observedAt\":\"gestern\"", "Report.observedAt"},
		{"\"language\":\"de\"", "\"language\":\"-\"", "Report.language"},
		{"\"onward\":\"WithConsent\",", "", "Report.handling.onward: is missing"},
	};
	static const struct rule request[] = {
		{"\"kind\":\"Presence\",", "", "Request.kind: is missing"},
		{"\"subject\":\"Ruhestörung\",", "", "Request.subject: is missing"},
		{"," GRADING, "", "ok"},
		{"," HANDLING, "", "Request.handling: is missing"},
		{"\"neededBy\":\"2026-12-01T11:00:00+01:00\"", "\"neededBy\":\"gleich\"", "Request.neededBy"},
		{"\"language\":\"de\"", "\"language\":\"-\"", "Request.language"},
	};
	static const struct rule document[] = {
		{"\"title\":\"Plan\",", "", "Document.title: is missing"},
		{"\"plan.pdf\"", "\"../plan.pdf\"", "Document.fileName"},
		{"\"plan.pdf\"", "\".bashrc\"", "Document.fileName"},
		{"\"plan.pdf\"", "\"a\\\\b\"", "Document.fileName"},
		{"\"plan.pdf\"", "\"\"", "ok"},
		{"\"application/pdf\"", "\"pdf\"", "Document.mediaType"},
		{"\"language\":\"de\"", "\"language\":\"-\"", "Document.language"},
		{",\"content\":\"JVBERi0=\"", "", "Document.content: is missing"},
		{"," GRADING, "", "Document.grading: is missing"},
		{"," HANDLING, "", "Document.handling: is missing"},
	};

	(void)state;
	follow(PAYLOAD_REPORT, report, COUNT(report));
	follow(PAYLOAD_REQUEST, request, COUNT(request));
	follow(PAYLOAD_DOCUMENT, document, COUNT(document));
}

/* [Y-10] */
static void
feedback_is_three_answers_and_nothing_else(void **state)
{
	static const struct rule rules[] = {
		{"\"confirmed\":\"Yes\",", "", "Feedback.confirmed: is missing, must be one of Yes, No"},
		{"\"acted\":\"Yes\",", "", "Feedback.acted: is missing"},
		{",\"stillActing\":\"No\"", "", "Feedback.stillActing: is missing"},
		{"\"acted\":\"Yes\",\"stillActing\":\"No\"", "\"acted\":\"No\",\"stillActing\":\"Yes\"", "Feedback.stillActing: is Yes, but acted is No"},
		{"\"acted\":\"Yes\",\"stillActing\":\"No\"", "\"acted\":\"Yes\",\"stillActing\":\"Yes\"", "ok"},
		{"\"confirmed\":\"Yes\"", "\"confirmed\":\"No\"", "ok"},
	};
	const ProtobufCMessageDescriptor *desc = payload_schema(PAYLOAD_FEEDBACK);

	(void)state;
	follow(PAYLOAD_FEEDBACK, rules, COUNT(rules));
	assert_int_equal(desc->n_fields, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(desc->fields[i].type, PROTOBUF_C_TYPE_ENUM);
}

static void
statements_and_notes_are_complete(void **state)
{
	static const struct rule statement[] = {
		{"\"issuer\":\"Stadt\",", "", "Statement.issuer: is missing"},
		{"{\"language\":\"de\",\"headline\":\"H\",\"body\":\"B\"},{\"language\":\"en\",\"headline\":\"h\",\"body\":\"b\"}", "", "Statement.text: is missing"},
		{"\"language\":\"en\"", "\"language\":\"de\"", "Statement.text[1].language: de is there twice"},
		{"\"language\":\"en\",", "", "Statement.text[1].language: is missing"},
		{",\"body\":\"b\"", "", "Statement.text[1].body: is missing"},
		{"\"headline\":\"H\",", "", "Statement.text[0].headline: is missing"},
		{"https://musterstadt.example/", "/presse", "Statement.web"},
		{"\"notBefore\":\"2026-12-01T10:00:00+01:00\"", "\"notBefore\":\"10 Uhr\"", "Statement.notBefore"},
	};
	static const struct rule note[] = {
		{"\"text\":\"Übergabe\\nan die Nachtschicht\",", "", "Note.text: is missing"},
		{"\"language\":\"de\"", "\"language\":\"-\"", "Note.language"},
	};

	(void)state;
	follow(PAYLOAD_STATEMENT, statement, COUNT(statement));
	follow(PAYLOAD_NOTE, note, COUNT(note));
}

static void
a_statement_has_at_most_64_languages(void **state)
{
	(void)state;
	for (unsigned count = 64; count <= 65; count++) {
		struct buf json = BUF_INIT(1u << 16), bytes = BUF_INIT(1u << 16);
		struct kw_why why = {""};
		enum kw_err err;

		buf_put_str(&json, "{\"issuer\":\"I\",\"text\":[");
		for (unsigned i = 0; i < count; i++)
			buf_printf(&json, "%s{\"language\":\"%c%c\",\"headline\":\"h\",\"body\":\"b\"}", i == 0 ? "" : ",", 'a' + i / 26, 'a' + i % 26);
		buf_put_str(&json, "]}");
		err = payload_from_json(&bytes, PAYLOAD_STATEMENT, buf_span(&json), &why);
		assert_int_equal(err, count == 64 ? KW_OK : KW_EINVAL);
		assert_string_equal(why.text, count == 64 ? "" : "Statement.text: has 65 languages, at most 64 are allowed");
		buf_free(&json);
		buf_free(&bytes);
	}
}

/* ---- bytes that cheat ---- */

static void
bytes_refused(enum payload_type type, const void *p, size_t len, const char *part)
{
	struct kw_why why = {""};

	if (payload_check(type, span_of(p, len), &why) == KW_OK)
		fail_msg("taken, although: %s", part);
	if (strstr(why.text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, part);
}

/* [Y-1] */
static void
bytes_that_cheat_are_refused(void **state)
{
	static const uint8_t enum_99[] = {0x08, 99, 0x10, 1, 0x18, 2}, unknown[] = {0x08, 1, 0x10, 1, 0x18, 2, 0x20, 1};
	static const uint8_t twice[] = {0x08, 1, 0x08, 2, 0x10, 1, 0x18, 2}, order[] = {0x10, 1, 0x08, 1, 0x18, 2};
	static const uint8_t zero[] = {0x08, 0, 0x10, 1, 0x18, 2}, cut[] = {0x0A, 5, 'a'}, bad_utf8[] = {0x0A, 1, 0xFF}, nul[] = {0x0A, 3, 'a', 0, 'b'};
	static const uint8_t bidi[] = {0x0A, 4, 'a', 0xE2, 0x80, 0xAE};
	uint8_t nan_place[2 + 2 + 9] = {0x2A, 11, 0x12, 9, 0x09};
	double not_a_number = NAN;

	(void)state;
	bytes_refused(PAYLOAD_FEEDBACK, enum_99, sizeof enum_99, "99 is none of its values");
	bytes_refused(PAYLOAD_FEEDBACK, unknown, sizeof unknown, "unknown");
	bytes_refused(PAYLOAD_FEEDBACK, twice, sizeof twice, "twice");
	bytes_refused(PAYLOAD_FEEDBACK, order, sizeof order, "ascend");
	bytes_refused(PAYLOAD_FEEDBACK, zero, sizeof zero, "default");
	bytes_refused(PAYLOAD_NOTE, cut, sizeof cut, "beyond the end");
	bytes_refused(PAYLOAD_NOTE, bad_utf8, sizeof bad_utf8, "Note.text: byte 0");
	bytes_refused(PAYLOAD_NOTE, nul, sizeof nul, "Note.text: byte 1");
	bytes_refused(PAYLOAD_NOTE, bidi, sizeof bidi, "Note.text: byte 1");
	memcpy(nan_place + 5, &not_a_number, 8);
	bytes_refused(PAYLOAD_REQUEST, nan_place, sizeof nan_place, "Request.place.position.latitude: not a finite number");
	bytes_refused(PAYLOAD_NOTE, "", 0, "empty");
	bytes_refused(PAYLOAD_NONE, "x", 1, "no schema");
	bytes_refused((enum payload_type)99, "x", 1, "no schema");
}

/* [Y-1] */
static void
size_and_number_of_fields_have_limits(void **state)
{
	struct buf many = BUF_INIT(ROOM);
	uint8_t *large = calloc(1, KW_OPENED_MAX + 1);

	(void)state;
	assert_non_null(large);
	bytes_refused(PAYLOAD_NOTE, large, KW_OPENED_MAX + 1, "at most 8388608");
	for (uint32_t i = 0; i <= PAYLOAD_FIELDS_MAX; i++)
		buf_put(&many, "\x72", 2); /* info, empty */
	bytes_refused(PAYLOAD_ALERT, many.p, many.len, "more than 65536 fields");
	bytes_refused(PAYLOAD_ALERT, many.p, many.len - 2, "Alert.identifier");
	buf_reset(&many);
	buf_put(&many, "\x72\x84\x80\x04\x12\x80\x80\x04", 8); /* an info of 65,536 categories in one list */
	for (uint32_t i = 0; i < PAYLOAD_FIELDS_MAX; i++)
		buf_put_u8(&many, 1);
	bytes_refused(PAYLOAD_ALERT, many.p, many.len, "Alert.info[0].category: more than 65536 fields in all");
	buf_free(&many);
	free(large);
}

static void
every_truncation_and_every_flipped_bit_of_an_alert_does_no_harm(void **state)
{
	struct buf bytes = BUF_INIT(ROOM), json = BUF_INIT(ROOM);
	struct kw_why why = {""};

	(void)state;
	assert_int_equal(payload_from_json(&bytes, PAYLOAD_ALERT, span_str(full_of(PAYLOAD_ALERT)), &why), KW_OK);
	for (size_t len = 0; len < bytes.len; len++)
		(void)!payload_check(PAYLOAD_ALERT, span_of(bytes.p, len), &why);
	for (size_t bit = 0; bit < bytes.len * 8; bit++) {
		bytes.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		buf_reset(&json);
		if (payload_check(PAYLOAD_ALERT, buf_span(&bytes), &why) == KW_OK) { /* then it is a whole alert, only another one */
			struct buf again = BUF_INIT(ROOM);

			assert_int_equal(payload_to_json(&json, PAYLOAD_ALERT, buf_span(&bytes), false, &why), KW_OK);
			assert_int_equal(payload_from_json(&again, PAYLOAD_ALERT, buf_span(&json), &why), KW_OK);
			assert_true(span_eq(buf_span(&again), buf_span(&bytes)));
			buf_free(&again);
		}
		bytes.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	buf_free(&bytes);
	buf_free(&json);
}

/* ---- single values ---- */

static void
times_are_real_days_and_reach_across_offsets(void **state)
{
	int64_t ms;

	(void)state;
	assert_true(value_time(&ms, "1970-01-01T00:00:00+00:00") && ms == 0);
	assert_true(value_time(&ms, "2026-12-01T16:00:00+01:00") && ms == 1796137200000);
	assert_true(value_time(&ms, "2026-12-01T10:00:00-05:00") && ms == 1796137200000);
	assert_true(value_time(&ms, "2024-02-29T23:59:59-00:00") && ms == 1709251199000);
	assert_true(value_time(NULL, "2026-12-01T16:00:00+14:00"));
	assert_false(value_time(NULL, "2026-12-01T16:00:00+14:01"));
	assert_false(value_time(NULL, "2025-02-29T00:00:00+00:00"));
	assert_false(value_time(NULL, "2100-02-29T00:00:00+00:00"));
	assert_false(value_time(NULL, "2026-12-01T24:00:00+00:00"));
	assert_false(value_time(NULL, "2026-12-01T23:59:60+00:00"));
	assert_false(value_time(NULL, "2026-00-01T00:00:00+00:00"));
	assert_false(value_time(NULL, "2026-12-01T00:00:00+00:00 "));
	assert_false(value_time(NULL, ""));
}

static void
languages_types_and_addresses_have_their_grammar(void **state)
{
	(void)state;
	assert_true(value_language("de") && value_language("de-LS") && value_language("sr-Latn-RS") && value_language("x-abc12345"));
	assert_false(value_language("") || value_language("de-") || value_language("-de") || value_language("d1") || value_language("abcdefghi") || value_language("de-abcdefghi"));
	assert_true(value_mime("image/svg+xml") && value_mime("text/html; charset=utf-8"));
	assert_false(value_mime("image") || value_mime("/png") || value_mime("image/png/x") || value_mime("ima ge/png"));
	assert_true(value_uri_absolute("https://a.example/?a=b&c=%20#d") && value_uri_absolute("mailto:a@b") && value_uri_absolute("https://ä.example/"));
	assert_false(value_uri_absolute("//a/b") || value_uri_absolute("1http://a") || value_uri_absolute("https:") || value_uri_absolute("http://a/%2") || value_uri_absolute("http://a/#b#c") ||
	             value_uri_absolute("http://a/\"") || value_uri_absolute("http://a/<") || value_uri_absolute("https://a.ex]ample/"));
	assert_true(value_purpose("danger-prevention"));
	assert_false(value_purpose("") || value_purpose("Danger") || value_purpose("a b"));
}

/* ---- receipts and voids ---- */

static void
receipts_come_back_as_they_were(void **state)
{
	static struct receipt_payload r, back;
	struct buf bytes = BUF_INIT(ROOM);
	struct kw_why why = {""};

	(void)state;
	assert_int_equal(receipt_encode(&bytes, &r), KW_OK);
	memset(&back, 0xFF, sizeof back);
	assert_int_equal(receipt_decode(&back, buf_span(&bytes), &why), KW_OK);
	assert_memory_equal(&back, &r, sizeof r);
	r.count = KW_RECEIPTS_MAX;
	for (uint32_t i = 0; i < r.count; i++) {
		memset(r.items[i].id, (int)i, KW_ID_LEN);
		memset(r.items[i].frame_hash, (int)~i, KW_HASH_LEN);
		r.items[i].at_ms = i * 1000ull;
	}
	memset(r.reason, 'r', sizeof r.reason - 1);
	memset(r.as, 'a', sizeof r.as - 1);
	buf_reset(&bytes);
	assert_int_equal(receipt_encode(&bytes, &r), KW_OK);
	assert_int_equal(payload_check(PAYLOAD_RECEIPT, buf_span(&bytes), &why), KW_OK);
	assert_int_equal(receipt_decode(&back, buf_span(&bytes), &why), KW_OK);
	assert_memory_equal(&back, &r, sizeof r);
	buf_free(&bytes);
}

static void
receipts_over_their_limits_are_refused(void **state)
{
	static const struct rule rules[] = {
		{"AAECAwQFBgcICQoLDA0ODw==", "AAECAwQFBgcICQoLDA0O", "Receipt.items[0].id: has 15 bytes, must have 16"},
		{"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AAEC", "Receipt.items[0].frameHash: has 3 bytes, must have 32"},
	};
	struct buf many = BUF_INIT(ROOM);
	char text[520] = "\"", said[KW_WHY_MAX];

	(void)state;
	follow(PAYLOAD_RECEIPT, rules, COUNT(rules));
	memset(text + 1, 'x', 511);
	memcpy(text + 512, "\"", 2);
	judge(said, PAYLOAD_RECEIPT, "\"weil\"", text);
	assert_string_equal(said, "ok");
	memcpy(text + 512, "x\"", 3);
	judge(said, PAYLOAD_RECEIPT, "\"weil\"", text);
	assert_string_equal(said, "Receipt.reason: has 512 bytes, at most 511 are allowed");
	for (unsigned i = 0; i <= KW_RECEIPTS_MAX; i++)
		buf_put(&many, "\x0A\x00", 2);
	bytes_refused(PAYLOAD_RECEIPT, many.p, many.len, "has 257, at most 256");
	buf_free(&many);
}

static void
a_void_gives_each_reader_its_number_and_only_one(void **state)
{
	const struct void_number numbers[] = {{"police/control-room", 7}, {"city/public-order", UINT64_MAX}}, two[] = {{"a/b", 1}, {"a/b", 2}}, none[] = {{"a/b", 0}}, nobody[] = {{"a b", 1}};
	struct buf bytes = BUF_INIT(ROOM);
	struct kw_why why = {""};
	uint64_t number = 5;

	(void)state;
	assert_int_equal(void_encode(&bytes, numbers, 2, "verlesen"), KW_OK);
	assert_int_equal(void_decode(&number, buf_span(&bytes), "city/public-order", &why), KW_OK);
	assert_true(number == UINT64_MAX);
	assert_int_equal(void_decode(&number, buf_span(&bytes), "police/control-room", &why), KW_OK);
	assert_int_equal(number, 7);
	assert_int_equal(void_decode(&number, buf_span(&bytes), "youth-house/office", &why), KW_ENOTFOUND);
	assert_int_equal(number, 7);
	buf_reset(&bytes);
	assert_int_equal(void_encode(&bytes, two, 2, NULL), KW_OK);
	assert_int_equal(void_decode(&number, buf_span(&bytes), "a/b", &why), KW_EINVAL);
	buf_reset(&bytes);
	assert_int_equal(void_encode(&bytes, none, 1, ""), KW_OK);
	bytes_refused(PAYLOAD_VOID, bytes.p, bytes.len, "Void.numbers[0].number: is missing");
	buf_reset(&bytes);
	assert_int_equal(void_encode(&bytes, nobody, 1, ""), KW_OK);
	bytes_refused(PAYLOAD_VOID, bytes.p, bytes.len, "Void.numbers[0].node");
	buf_free(&bytes);
}

/* ---- how payloads are shown ---- */

/* Freed by the next call. */
static const char *
shown(enum payload_type type, const char *json, const char *language, bool german)
{
	static struct buf text;
	struct buf bytes = BUF_INIT(ROOM);
	struct kw_why why = {""};

	buf_free(&text);
	text = BUF_INIT(ROOM);
	if (json == NULL)
		return NULL;
	if (payload_from_json(&bytes, type, span_str(json), &why) != KW_OK || payload_to_text(&text, type, buf_span(&bytes), language, german, &why) != KW_OK)
		fail_msg("%s", why.text);
	buf_free(&bytes);
	return buf_text(&text);
}

static const char two_languages[] =
	"{\"identifier\":\"kw-3\",\"sender\":\"s\",\"sent\":\"2026-12-01T10:00:00+01:00\",\"status\":\"Exercise\",\"msgType\":\"Alert\",\"scope\":\"Public\","
	"\"info\":[{\"language\":\"de-DE\",\"category\":[\"Met\"],\"event\":\"Hochwasser\",\"urgency\":\"Immediate\",\"severity\":\"Severe\",\"certainty\":\"Observed\","
	"\"expires\":\"2026-12-01T16:00:00+01:00\",\"headline\":\"Wasser\\nSchwere: gering\",\"instruction\":\"Erstens\\nZweitens\","
	"\"area\":[{\"areaDesc\":\"Mitte\"},{\"areaDesc\":\"West\"},{\"areaDesc\":\"Mitte\"}]},"
	"{\"category\":[\"Met\"],\"event\":\"Flood\",\"urgency\":\"Immediate\",\"severity\":\"Severe\",\"certainty\":\"Observed\",\"expires\":\"2026-12-01T17:00:00+01:00\"}]}";

static void
an_alert_is_shown_in_the_language_asked_for(void **state)
{
	const char *text;

	(void)state;
	text = shown(PAYLOAD_ALERT, two_languages, "de", true);
	assert_true(strncmp(text, "*** ÜBUNG ***\nWasser Schwere: gering\n", 38) == 0); /* a headline cannot begin a line of its own */
	assert_non_null(strstr(text, "\nSchwere:          schwer\n"));
	assert_null(strstr(text, "\nSchwere: gering"));
	assert_non_null(strstr(text, "\nGebiet:           Mitte; West; Mitte\n"));
	assert_non_null(strstr(text, "Was tun:          Erstens\n                  Zweitens\n"));
	assert_non_null(strstr(text, "Auch auf:         en-US\n"));
	assert_null(strstr(text, "Flood"));
	text = shown(PAYLOAD_ALERT, two_languages, "en", false);
	assert_true(strncmp(text, "*** EXERCISE ***\nFlood\n", 23) == 0);
	assert_non_null(strstr(text, "\nSeverity:         severe\n"));
	assert_non_null(strstr(text, "Also in:          de-DE\n"));
	text = shown(PAYLOAD_ALERT, two_languages, "fr", false);
	assert_non_null(strstr(text, "Wasser"));
	(void)shown(PAYLOAD_ALERT, NULL, NULL, false);
}

static void
times_are_shown_on_the_machines_own_clock(void **state)
{
	(void)state;
	assert_int_equal(setenv("TZ", "UTC-3", 1), 0);
	tzset();
	assert_non_null(strstr(shown(PAYLOAD_ALERT, two_languages, "de", true), "Gilt bis:         01.12.2026 18:00:00\n"));
	assert_int_equal(unsetenv("TZ"), 0);
	tzset();
	(void)shown(PAYLOAD_ALERT, NULL, NULL, false);
}

static void
every_schema_can_be_shown_in_both_languages_without_a_field_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(full); i++) {
		assert_true(strlen(shown(full[i].type, full[i].json, "de", true)) > 10);
		for (int german = 0; german < 2; german++) {
			const char *text = shown(full[i].type, full[i].json, "de", german != 0);

			for (const char *p = text; p != NULL; p = strchr(p, '\n') != NULL ? strchr(p, '\n') + 1 : NULL)
				if (p[0] >= 'a' && p[0] <= 'z' && strcspn(p, ":") < strcspn(p, " "))
					fail_msg("a label is missing: %.40s", p);
		}
	}
	assert_non_null(strstr(shown(PAYLOAD_REPORT, full_of(PAYLOAD_REPORT), "de", true), "*** besondere Kategorien personenbezogener Daten ***"));
	(void)shown(PAYLOAD_ALERT, NULL, NULL, false);
}

static void
brief_of(struct payload_brief *out, enum payload_type type, const char *json, const char *language)
{
	struct buf bytes = BUF_INIT(ROOM);
	struct kw_why why = {""};

	if (payload_from_json(&bytes, type, span_str(json), &why) != KW_OK || payload_brief(out, type, buf_span(&bytes), language, &why) != KW_OK)
		fail_msg("%s", why.text);
	buf_free(&bytes);
}

static void
a_brief_holds_what_a_list_shows(void **state)
{
	struct payload_brief b;

	(void)state;
	brief_of(&b, PAYLOAD_ALERT, two_languages, "de");
	assert_string_equal(b.headline, "Wasser Schwere: gering");
	assert_string_equal(b.area, "Mitte; West");
	assert_string_equal(b.what_to_do, "Erstens Zweitens");
	assert_true(b.until_ms == 1796140800000); /* the later one of both infos */
	brief_of(&b, PAYLOAD_ALERT, two_languages, "en-GB");
	assert_string_equal(b.headline, "Flood");
	assert_string_equal(b.area, "");
	brief_of(&b, PAYLOAD_REQUEST, full_of(PAYLOAD_REQUEST), "de");
	assert_string_equal(b.headline, "Ruhestörung");
	assert_string_equal(b.area, "Neckarwiese");
	assert_string_equal(b.what_to_do, "laut");
	brief_of(&b, PAYLOAD_STATEMENT, full_of(PAYLOAD_STATEMENT), "en");
	assert_string_equal(b.headline, "h");
	brief_of(&b, PAYLOAD_REPORT, full_of(PAYLOAD_REPORT), "");
	assert_string_equal(b.severity, "Minor");
}

static void
it_is_told_until_when_readers_may_keep_it(void **state)
{
	static const enum payload_type have[] = {PAYLOAD_REQUEST, PAYLOAD_REPORT, PAYLOAD_DOCUMENT};
	struct buf bytes = BUF_INIT(ROOM);
	struct payload_brief b;

	(void)state;
	for (size_t i = 0; i < COUNT(have); i++) {
		brief_of(&b, have[i], full_of(have[i]), "");
		assert_true(b.delete_by_ms == 1798671600000); /* 2026-12-31T00:00:00+01:00 */
		buf_reset(&bytes);
		assert_int_equal(payload_from_json(&bytes, have[i], span_str(full_of(have[i])), NULL), KW_OK);
		assert_true(payload_delete_by_ms(have[i], buf_span(&bytes)) == b.delete_by_ms);
		assert_true(payload_delete_by_ms(have[i], span_of(bytes.p, bytes.len - 1)) == 0);
	}
	brief_of(&b, PAYLOAD_ALERT, two_languages, "de");
	assert_true(b.delete_by_ms == 0);
	assert_true(payload_delete_by_ms(PAYLOAD_NOTE, buf_span(&bytes)) == 0);
	buf_free(&bytes);
}

static void
a_brief_is_cut_at_whole_characters(void **state)
{
	char json[2000], text[1201] = "";
	struct payload_brief b;

	(void)state;
	for (unsigned shift = 0; shift < 2; shift++) {
		memset(text, 'x', shift);
		for (size_t i = shift; i + 2 < sizeof text; i += 2)
			memcpy(text + i, "ü", 3);
		(void)snprintf(json, sizeof json, "{\"text\":\"%s\"}", text);
		brief_of(&b, PAYLOAD_NOTE, json, "");
		assert_in_range(strlen(b.headline), 250, 255);
		assert_string_equal(b.headline + strlen(b.headline) - 3, "…");
		assert_memory_equal(b.headline + strlen(b.headline) - 5, "ü", 2);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alerts_head_follows_cap_section_3),
		cmocka_unit_test(references_name_earlier_alerts_of_others),
		cmocka_unit_test(an_info_follows_cap_section_3),
		cmocka_unit_test(resources_and_areas_follow_cap_section_3),
		cmocka_unit_test(requests_reports_and_documents_say_how_to_judge_and_handle_them),
		cmocka_unit_test(feedback_is_three_answers_and_nothing_else),
		cmocka_unit_test(statements_and_notes_are_complete),
		cmocka_unit_test(a_statement_has_at_most_64_languages),
		cmocka_unit_test(bytes_that_cheat_are_refused),
		cmocka_unit_test(size_and_number_of_fields_have_limits),
		cmocka_unit_test(every_truncation_and_every_flipped_bit_of_an_alert_does_no_harm),
		cmocka_unit_test(times_are_real_days_and_reach_across_offsets),
		cmocka_unit_test(languages_types_and_addresses_have_their_grammar),
		cmocka_unit_test(receipts_come_back_as_they_were),
		cmocka_unit_test(receipts_over_their_limits_are_refused),
		cmocka_unit_test(a_void_gives_each_reader_its_number_and_only_one),
		cmocka_unit_test(an_alert_is_shown_in_the_language_asked_for),
		cmocka_unit_test(times_are_shown_on_the_machines_own_clock),
		cmocka_unit_test(every_schema_can_be_shown_in_both_languages_without_a_field_name),
		cmocka_unit_test(a_brief_holds_what_a_list_shows),
		cmocka_unit_test(it_is_told_until_when_readers_may_keep_it),
		cmocka_unit_test(a_brief_is_cut_at_whole_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
