/* test_cap: CAP files in and out, ours and other people's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/xmlschemas.h>

#include "payload_files.h"
#include "proto/payload.h"

#define SHARED "../shared/cap/"
#define ROOM (16u * 1024u * 1024u)

static const char simple[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	"<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">\n"
	"<identifier>kw-1</identifier><sender>lage@musterstadt.example</sender><sent>2026-12-01T10:00:00+01:00</sent>\n"
	"<status>Actual</status><msgType>Alert</msgType><scope>Public</scope>\n"
	"<info><language>de</language><category>Met</category><event>Hochwasser</event><urgency>Immediate</urgency>\n"
	"<severity>Severe</severity><certainty>Observed</certainty><expires>2026-12-01T16:00:00+01:00</expires>\n"
	"<headline>Hochwasser am Neckar</headline><instruction>Keller meiden.</instruction>\n"
	"<area><areaDesc>Altstadt</areaDesc><polygon>49.1,8.1 49.2,8.1 49.2,8.2 49.1,8.1</polygon></area></info>\n"
	"</alert>\n";

static void
a_simple_alert_is_imported_and_shown_in_brief(void **state)
{
	struct buf bytes = BUF_INIT(ROOM), warnings = BUF_INIT(ROOM);
	struct payload_brief brief;
	struct kw_why why = {""};

	(void)state;
	assert_int_equal(cap_import(&bytes, &warnings, span_str(simple), &why), KW_OK);
	assert_int_equal(warnings.len, 0);
	assert_int_equal(payload_check(PAYLOAD_ALERT, buf_span(&bytes), &why), KW_OK);
	assert_int_equal(payload_brief(&brief, PAYLOAD_ALERT, buf_span(&bytes), "de", &why), KW_OK);
	assert_string_equal(brief.headline, "Hochwasser am Neckar");
	assert_string_equal(brief.severity, "Severe");
	assert_string_equal(brief.area, "Altstadt");
	assert_string_equal(brief.what_to_do, "Keller meiden.");
	assert_string_equal(brief.cap_id, "lage@musterstadt.example,kw-1,2026-12-01T10:00:00+01:00");
	assert_string_equal(brief.msg_type, "Alert");
	assert_int_equal(brief.until_ms, 1796137200000);
	buf_free(&bytes);
	buf_free(&warnings);
}

/* ---- there and back ---- */

static xmlSchemaValidCtxt *validator; /* NULL where the OASIS schema is absent */
static xmlSchema *schema;

static int
open_schema(void **state)
{
	char path[1024];
	const char *root = getenv("KW_SOURCE_DIR");
	xmlSchemaParserCtxt *parser;
	struct buf there = BUF_INIT(ROOM);

	(void)state;
	if (!file_read(&there, SHARED "schema/cap12.xsd")) {
		print_message("skipped: no OASIS schema beside the source; exports are not validated\n");
		return 0;
	}
	buf_free(&there);
	(void)snprintf(path, sizeof path, "%s/" SHARED "schema/cap12.xsd", root != NULL ? root : ".");
	parser = xmlSchemaNewParserCtxt(path);
	schema = xmlSchemaParse(parser);
	xmlSchemaFreeParserCtxt(parser);
	validator = schema != NULL ? xmlSchemaNewValidCtxt(schema) : NULL;
	return validator != NULL ? 0 : -1;
}

static int
close_schema(void **state)
{
	(void)state;
	xmlSchemaFreeValidCtxt(validator);
	xmlSchemaFree(schema);
	xmlCleanupParser();
	return 0;
}

static void
is_valid_cap_1_2(const char *what, struct span xml)
{
	xmlDoc *doc = xmlReadMemory((const char *)xml.p, (int)xml.len, NULL, NULL, XML_PARSE_NONET);

	assert_non_null(doc);
	if (validator != NULL && xmlSchemaValidateDoc(validator, doc) != 0)
		fail_msg("%s: the export is not valid", what);
	xmlFreeDoc(doc);
}

/* Import, export, validate, import: the same bytes; the same by way of JSON; and it can be shown. */
static void
goes_there_and_back(const char *what, struct span xml, struct buf *warnings)
{
	struct buf bytes = BUF_INIT(ROOM), exported = BUF_INIT(ROOM), again = BUF_INIT(ROOM), noted = BUF_INIT(ROOM);
	struct buf json = BUF_INIT(ROOM), by_json = BUF_INIT(ROOM), text = BUF_INIT(ROOM);
	struct payload_brief brief;
	struct kw_why why = {""};

	if (cap_import(&bytes, warnings, xml, &why) != KW_OK)
		fail_msg("%s: %s", what, why.text);
	if (cap_export(&exported, buf_span(&bytes), &why) != KW_OK)
		fail_msg("%s: %s", what, why.text);
	is_valid_cap_1_2(what, buf_span(&exported));
	if (cap_import(&again, &noted, buf_span(&exported), &why) != KW_OK)
		fail_msg("%s, exported: %s", what, why.text);
	if (noted.len > 0)
		fail_msg("%s, exported, had to be mended: %s", what, buf_text(&noted));
	assert_true(span_eq(buf_span(&again), buf_span(&bytes)));
	assert_int_equal(payload_to_json(&json, PAYLOAD_ALERT, buf_span(&bytes), true, &why), KW_OK);
	assert_int_equal(payload_from_json(&by_json, PAYLOAD_ALERT, buf_span(&json), &why), KW_OK);
	assert_true(span_eq(buf_span(&by_json), buf_span(&bytes)));
	assert_int_equal(payload_brief(&brief, PAYLOAD_ALERT, buf_span(&bytes), "de", &why), KW_OK);
	assert_true(brief.headline[0] != '\0' && brief.cap_id[0] != '\0');
	assert_int_equal(payload_to_text(&text, PAYLOAD_ALERT, buf_span(&bytes), "de", true, &why), KW_OK);
	assert_true(text.len > 50);
	buf_free(&bytes);
	buf_free(&exported);
	buf_free(&again);
	buf_free(&noted);
	buf_free(&json);
	buf_free(&by_json);
	buf_free(&text);
}

static void
real_file(const char *path, struct span xml)
{
	struct buf warnings = BUF_INIT(ROOM);

	goes_there_and_back(path, xml, &warnings);
	if (warnings.len > 0)
		print_message("%s: %s", path, buf_text(&warnings));
	buf_free(&warnings);
}

/* [Y-4], [Y-8] */
static void
every_real_file_is_imported_and_comes_back_the_same(void **state)
{
	(void)state;
	if (files_each(SHARED "real-1.2", real_file) + files_each(SHARED "real-1.1", real_file) == 0) {
		print_message("skipped: no real CAP files beside the source\n");
		skip();
	}
}

/* [Y-4], [Y-8] */
static void
every_example_is_imported_without_a_warning(void **state)
{
	static const char *const examples[] = {"flood-neckar", "ordnance-evacuation", "missing-child", "all-clear"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct buf xml = BUF_INIT(ROOM), warnings = BUF_INIT(ROOM);
		char path[128];

		(void)snprintf(path, sizeof path, "examples/%s.cap.xml", examples[i]);
		assert_true(file_read(&xml, path));
		goes_there_and_back(path, buf_span(&xml), &warnings);
		assert_int_equal(warnings.len, 0);
		buf_free(&xml);
		buf_free(&warnings);
	}
}

static void
reject_one(const char *path, struct span xml)
{
	struct buf bytes = BUF_INIT(ROOM);
	struct kw_why why = {""};

	buf_put_str(&bytes, "before");
	if (cap_import(&bytes, NULL, xml, &why) == KW_OK)
		fail_msg("%s was taken", path);
	print_message("%s: %s\n", path, why.text);
	assert_memory_equal(why.text, "line ", 5);
	assert_int_equal(bytes.len, 6);
	buf_free(&bytes);
}

static void
every_file_to_be_rejected_is_rejected_with_its_line(void **state)
{
	(void)state;
	if (files_each(SHARED "reject", reject_one) == 0) {
		print_message("skipped: no CAP files to reject beside the source\n");
		skip();
	}
}

static void
examples_made_fresh_stay_valid_and_keep_their_references(void **state)
{
	static const char command[] = "d=$(mktemp -d) && cd \"${KW_SOURCE_DIR:-.}\" && examples/fresh --at 2030-01-02T03:04:05+00:00 --to \"$d\" examples/flood-neckar.cap.xml "
	                              "examples/all-clear.cap.xml && cat \"$d/all-clear.cap.xml\" && rm -r \"$d\"";
	struct buf xml = BUF_INIT(ROOM), bytes = BUF_INIT(ROOM), json = BUF_INIT(ROOM);
	struct kw_why why = {""};
	char chunk[4096];
	size_t n;
	FILE *f = popen(command, "r");

	(void)state;
	assert_non_null(f);
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_put(&xml, chunk, n);
	assert_int_equal(pclose(f), 0);
	if (cap_import(&bytes, NULL, buf_span(&xml), &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_int_equal(payload_to_json(&json, PAYLOAD_ALERT, buf_span(&bytes), false, &why), KW_OK);
	assert_non_null(strstr(buf_text(&json), "\"sent\":\"2030-01-02T04:04:05+01:00\""));
	assert_non_null(strstr(buf_text(&json), ",musterstadt-2026-hochwasser-017,2030-01-02T04:04:05+01:00\""));
	assert_non_null(strstr(buf_text(&json), "\"expires\":\"2030-01-02T09:34:05+01:00\""));
	buf_free(&xml);
	buf_free(&bytes);
	buf_free(&json);
}

/* ---- what is mended, and what is not ---- */

/* simple with the first from replaced by to; free it. */
static char *
changed(const char *from, const char *to)
{
	const char *at = strstr(simple, from);
	struct buf text = BUF_INIT(ROOM);

	assert_non_null(at);
	buf_put(&text, simple, (size_t)(at - simple));
	buf_put_str(&text, to);
	buf_put_str(&text, at + strlen(from));
	assert_non_null(buf_text(&text));
	return (char *)text.p;
}

/* [Y-7] */
static void
slips_of_real_files_are_mended_with_a_warning(void **state)
{
	static const struct {
		const char *from, *to, *warning, *then; /* then: what the JSON holds */
	} cases[] = {
		{"Observed", "Very Likely", "read as Likely", "\"certainty\":\"Likely\""},
		{"Observed", "observed", "letters were put right", "\"certainty\":\"Observed\""},
		{"<certainty>Observed</certainty>", "", "certainty is absent and was taken as Unknown", "\"certainty\":\"Unknown\""},
		{"<category>Met</category>", "", "category is absent and was taken as Other", "\"category\":[\"Other\"]"},
		{"2026-12-01T10:00:00+01:00", "2026-12-01T09:00:00Z", "CAP's form", "\"sent\":\"2026-12-01T09:00:00-00:00\""},
		{"2026-12-01T16:00:00+01:00", "2026-12-01T16:00:00.250+01:00", "CAP's form", "\"expires\":\"2026-12-01T16:00:00+01:00\""},
		{"2026-12-01T16:00:00+01:00", "2026-12-01 16:00+0100", "CAP's form", "\"expires\":\"2026-12-01T16:00:00+01:00\""},
		{"49.1,8.1 49.2,8.1 49.2,8.2 49.1,8.1", "49.1,8.1 49.2,8.1 49.2,8.2", "polygon was closed", "49.2,8.2 49.1,8.1\""},
		{"49.1,8.1 49.2,8.1 49.2,8.2 49.1,8.1", "\n 49.1, 8.1\n49.2,8.1\t49.2,8.2 49.1,8.1 ", "", "\"49.1,8.1 49.2,8.1 49.2,8.2 49.1,8.1\""},
		{"49.1,8.1 49.2,8.1 49.2,8.2 49.1,8.1", "1,179.5 2,180.25 1,180.25 1,179.5", "turned by 360", "1,179.5 2,-179.75 1,-179.75 1,179.5"},
		{"49.1,8.1 49.2,8.1 49.2,8.2 49.1,8.1", "49.12345678901234567,8.1 49.2,8.1 49.2,8.2 49.12345678901234567,8.1", "9 decimals", "49.123456789,8.1 "},
		{"<polygon>49.1,8.1 49.2,8.1 49.2,8.2 49.1,8.1</polygon>", "<polygon/><circle/>", "", "\"areaDesc\":\"Altstadt\"}"},
		{"<language>de</language>", "<language>de_DE</language>", "the form de-DE", "\"language\":\"de-DE\""},
		{"<language>de</language>", "<language></language>", "", "\"info\":[{\"category\""},
		{"Keller meiden.", "Keller\xE2\x80\x8B meiden.", "invisible", "Keller meiden."},
		{"Keller meiden.", "<b>Keller</b> meiden.", "only their text", "Keller meiden."},
		{"Keller meiden.", "<![CDATA[Keller <br/> & mehr]]>", "", "Keller <br/> & mehr"},
		{"Keller meiden.", "Keller&lt;br/&gt;&amp;quot;", "", "Keller<br/>&quot;"},
		{"<area>", "<web>www.example.org/a</web><area>", "https:// was put", "\"web\":\"https://www.example.org/a\""},
		{"<area>", "<web>siehe Aushang</web><area>", "was dropped", "\"instruction\":\"Keller meiden.\",\"area\""},
		{"<area>", "<mood>bad</mood><area>", "mood: is no element of CAP", "\"instruction\":\"Keller meiden.\",\"area\""},
		{"<area>", "<x:event xmlns:x=\"urn:x\">bad</x:event><area>", "event: is no element of CAP", "\"event\":\"Hochwasser\""},
		{"<area>", "<resource><resourceDesc>Karte</resourceDesc></resource><area>", "no mimeType", "application/octet-stream"},
		{"<area>", "<resource><resourceDesc>K</resourceDesc><mimeType>a/b</mimeType><size>4 kB</size></resource><area>", "no whole number", "\"mimeType\":\"a/b\"}"},
		{"<area>", "<eventCode>SAME=FLW</eventCode><area>", "", "{\"valueName\":\"SAME\",\"value\":\"FLW\"}"},
		{"<area>", "<parameter><valueName>a</valueName><value/></parameter><area>", "", "\"parameter\":[{\"valueName\":\"a\"}]"},
		{"<info>", "<references>lage@musterstadt.example,kw-1,2026-11-01T10:00:00+01:00 a@b,old,2026-11-01T10:00:00+01:00 a@b,new,2026-12-02T10:00:00+01:00</references><info>",
		 "a later one was dropped", "\"references\":\"a@b,old,2026-11-01T10:00:00+01:00\""},
		{"urn:oasis:names:tc:emergency:cap:1.2", "http://www.incident.com/cap/1.0", "", "\"identifier\":\"kw-1\""},
		{"urn:oasis:names:tc:emergency:cap:1.2", "urn:oasis:names:tc:emergency:cap:1.1", "", "\"identifier\":\"kw-1\""},
		{"</alert>", "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo/></Signature></alert>", "signature was not checked", "kw-1"},
		{"encoding=\"UTF-8\"", "encoding=\"ISO-8859-1\"", "", "kw-1"},
		{"<?xml", "\xEF\xBB\xBF<?xml", "", "kw-1"},
		{"<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "", "", "kw-1"},
		{"<?xml", "\r\n\n <?xml", "", "kw-1"},
		{"?>", "?><!-- <!DOCTYPE x> > -->", "", "kw-1"},
		{"Keller meiden.", "<![CDATA[<!DOCTYPE x>]]>", "", "<!DOCTYPE x>"},
		{"Keller meiden.", "a&#13;&#10;b\r\nc\td", "", "a\\r\\nb\\nc\\td"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *xml = changed(cases[i].from, cases[i].to);
		struct buf bytes = BUF_INIT(ROOM), warnings = BUF_INIT(ROOM), json = BUF_INIT(ROOM);
		struct kw_why why = {""};

		if (cap_import(&bytes, &warnings, span_str(xml), &why) != KW_OK)
			fail_msg("%s: %s", cases[i].to, why.text);
		assert_int_equal(payload_to_json(&json, PAYLOAD_ALERT, buf_span(&bytes), false, &why), KW_OK);
		if (strstr(buf_text(&json), cases[i].then) == NULL)
			fail_msg("%s: became %s", cases[i].to, buf_text(&json));
		if ((cases[i].warning[0] == '\0') != (warnings.len == 0) || strstr(buf_text(&warnings), cases[i].warning) == NULL)
			fail_msg("%s: warned \"%s\"", cases[i].to, buf_text(&warnings));
		goes_there_and_back(cases[i].to, span_str(xml), NULL);
		buf_free(&bytes);
		buf_free(&warnings);
		buf_free(&json);
		free(xml);
	}
}

static void
refused(const char *xml, size_t len, const char *part)
{
	struct buf bytes = BUF_INIT(ROOM);
	struct kw_why why = {""};

	buf_put_str(&bytes, "before");
	if (cap_import(&bytes, NULL, span_of(xml, len), &why) == KW_OK)
		fail_msg("taken, although: %s", part);
	if (strstr(why.text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, part);
	assert_int_equal(bytes.len, 6);
	buf_free(&bytes);
}

static void
what_has_no_clear_meaning_is_refused_with_line_and_element(void **state)
{
	static const struct {
		const char *from, *to, *part;
	} cases[] = {
		{"<scope>Public</scope>", "", "line 2: Alert.scope: is missing"},
		{"<scope>Public</scope>", "<scope/>", "line 4: Alert.scope: is missing"},
		{"<scope>Public</scope>", "<scope>Secret</scope>", "line 4: <scope>: \"Secret\" is none of its values"},
		{"<certainty>Observed</certainty>", "<certainty/>", "line 6: Alert.info[0].certainty: is missing"},
		{"<event>Hochwasser</event>", "", "line 5: Alert.info[0].event: is missing"},
		{"<event>Hochwasser</event>", "<event>a</event><event>b</event>", "line 5: <event>: stands there twice"},
		{"<identifier>kw-1</identifier>", "<identifier>kw 1</identifier>", "line 3: Alert.identifier"},
		{"2026-12-01T10:00:00+01:00", "2026-12-01T10:00:00", "line 3: Alert.sent: \"2026-12-01T10:00:00\" is no time"},
		{"2026-12-01T10:00:00+01:00", "2026-02-30T10:00:00+01:00", "line 3: Alert.sent"},
		{"49.1,8.1 49.2,8.1 49.2,8.2 49.1,8.1", "91,8.1 49.2,8.1 49.2,8.2 91,8.1", "line 8: Alert.info[0].area[0].polygon[0]: \"91,8.1"},
		{"49.1,8.1 49.2,8.1 49.2,8.2 49.1,8.1", "49.1,8.1 49.2,8.1", "line 8: Alert.info[0].area[0].polygon[0]: \"49.1,8.1 49.2,8.1\" has fewer than 4"},
		{"<area>", "<area/>\n<area>\n<areaDesc>x</areaDesc><polygon/>\n<polygon>1,1</polygon></area><area>", "line 11: Alert.info[0].area[0].polygon[0]"},
		{"Keller meiden.", "Keller\xE2\x80\xAE meiden.", "line 7: Alert.info[0].instruction: byte 6 is no clean text"},
		{"<area>", "<senderName>x\xE2\x81\xA6y</senderName><area>", "line 8: Alert.info[0].sender_name: byte 1 is no clean text"},
		{"Keller meiden.", "Keller\xFF", "no well-formed XML"},
		{"Keller meiden.", "Keller&nbsp;", "line 7: no well-formed XML"},
		{"Keller meiden.", "Keller&#1;", "line 7: no well-formed XML"},
		{"</alert>", "", "no well-formed XML"},

		{"<area>", "<resource><resourceDesc>K</resourceDesc><mimeType>a/b</mimeType><derefUri>*</derefUri></resource><area>", "line 8: <derefUri>: is no base64"},
		{"<area>", "<parameter>a</parameter><area>", "line 8: <parameter>: must be NAME=VALUE"},
		{"<msgType>Alert</msgType>", "<msgType>Update</msgType>", "Alert.references: is missing"},
		{"<msgType>Alert</msgType>", "<msgType>Update</msgType><references>lage@musterstadt.example,kw-1,2026-11-01T10:00:00+01:00</references>", "refers to itself"},
		{" xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"", "", "line 2: <alert> is not of CAP"},
		{"cap:1.2", "cap:2.0", "line 2: <alert> is not of CAP"},
		{"<alert", "<!DOCTYPE alert><alert", "line 2: a document type definition"},
		{"encoding=\"UTF-8\"", "encoding=\"UTF-7\"", "line 1: the encoding \"UTF-7\" is not read"},
		{"encoding=\"UTF-8\"", "encoding=\"IBM037\"", "line 1: the encoding"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *xml = changed(cases[i].from, cases[i].to);

		refused(xml, strlen(xml), cases[i].part);
		free(xml);
	}
}

static void
lines_are_counted_from_the_files_first_one(void **state)
{
	char *xml = changed("<scope>Public</scope>", ""), shifted[4096];

	(void)state;
	(void)snprintf(shifted, sizeof shifted, "\n \n%s", xml);
	refused(shifted, strlen(shifted), "line 4: Alert.scope: is missing");
	free(xml);
}

static void
an_alerts_references_can_be_asked_for(void **state)
{
	struct cap_references *refs = calloc(1, sizeof *refs);
	struct buf bytes = BUF_INIT(ROOM), many = BUF_INIT(ROOM), xml = BUF_INIT(ROOM);
	struct kw_why why = {""};

	(void)state;
	assert_non_null(refs);
	assert_true(file_read(&xml, "examples/all-clear.cap.xml"));
	assert_int_equal(cap_import(&bytes, NULL, buf_span(&xml), &why), KW_OK);
	assert_int_equal(cap_references(refs, buf_span(&bytes), &why), KW_OK);
	assert_int_equal(refs->count, 1);
	assert_string_equal(refs->ids[0], "fuehrungs-und-lagezentrum@polizei.musterstadt.example,musterstadt-2026-hochwasser-017,2026-12-01T04:12:00+01:00");
	buf_reset(&bytes);
	buf_put_str(&many, "<msgType>Cancel</msgType><references>");
	for (unsigned i = 0; i < CAP_REFERENCES_MAX + 1; i++)
		buf_printf(&many, "%s a,%u,2026-01-01T00:00:00+01:00\n", i == 0 ? "" : " ", i);
	buf_put_str(&many, "</references>");
	{
		char *changed_xml = changed("<msgType>Alert</msgType>", buf_text(&many));

		assert_int_equal(cap_import(&bytes, NULL, span_str(changed_xml), &why), KW_OK);
		free(changed_xml);
	}
	assert_int_equal(cap_references(refs, buf_span(&bytes), &why), KW_ELIMIT);
	assert_string_equal(why.text, "Alert.references: more than 64 alerts are referred to");
	buf_reset(&bytes);
	assert_int_equal(cap_import(&bytes, NULL, span_str(simple), &why), KW_OK);
	assert_int_equal(cap_references(refs, buf_span(&bytes), &why), KW_OK);
	assert_int_equal(refs->count, 0);
	buf_free(&bytes);
	buf_free(&many);
	buf_free(&xml);
	free(refs);
}

static void
an_alert_that_finds_no_room_is_refused_and_not_cut(void **state)
{
	struct buf bytes = BUF_INIT(16);
	struct kw_why why = {""};

	(void)state;
	assert_int_equal(cap_import(&bytes, NULL, span_str(simple), &why), KW_ELIMIT);
	assert_memory_equal(why.text, "the alert has ", 14);
	assert_non_null(strstr(why.text, " bytes, more than there is room for"));
	buf_free(&bytes);
}

/* A reference that no alert's own name could be. */
static void
a_reference_has_at_most_255_bytes(void **state)
{
	struct cap_references *refs = calloc(1, sizeof *refs);

	(void)state;
	assert_non_null(refs);
	for (int len = 255; len <= 256; len++) {
		static const char time[] = ",2026-01-01T00:00:00+01:00";
		int id = len - 2 - (int)strlen(time);
		struct buf bytes = BUF_INIT(ROOM), about = BUF_INIT(ROOM);
		struct kw_why why = {""};
		char *xml;

		buf_printf(&about, "<msgType>Cancel</msgType><references>a,%0*d%s</references>", id, 0, time);
		xml = changed("<msgType>Alert</msgType>", buf_text(&about));
		assert_int_equal(cap_import(&bytes, NULL, span_str(xml), &why), KW_OK);
		assert_int_equal(cap_references(refs, buf_span(&bytes), &why), len == 255 ? KW_OK : KW_ELIMIT);
		assert_string_equal(why.text, len == 255 ? "" : "Alert.references: \"a,00000000000000000000000000000000000000000000000000000000000000…\" has 256 bytes, at most 255 are allowed");
		free(xml);
		buf_free(&bytes);
		buf_free(&about);
	}
	free(refs);
}

static void
latin_1_keeps_its_umlauts_and_its_quotes(void **state)
{
	static const char xml[] =
		"<?xml version='1.0' encoding='iso-8859-1'?><alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'><identifier>a</identifier><sender>b</sender>"
		"<sent>2026-12-01T10:00:00+01:00</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope><note>\xDC" "bung \x84x\x93</note></alert>";
	struct buf bytes = BUF_INIT(ROOM);
	struct payload_brief brief;
	struct kw_why why = {""};

	(void)state;
	assert_int_equal(cap_import(&bytes, NULL, span_str(xml), &why), KW_OK);
	assert_int_equal(payload_brief(&brief, PAYLOAD_ALERT, buf_span(&bytes), "", &why), KW_OK);
	assert_string_equal(brief.headline, "Übung „x“");
	buf_free(&bytes);
}

/* ---- hostile files ---- */

static unsigned opened;

static xmlParserInput *
count_opened(const char *url, const char *id, xmlParserCtxt *ctxt)
{
	(void)url;
	(void)id;
	(void)ctxt;
	opened++;
	return NULL;
}

/* [Y-6] */
static void
a_file_that_asks_for_others_opens_none(void **state)
{
	xmlExternalEntityLoader before = xmlGetExternalEntityLoader();
	static const char *const asks[] = {
		"<?xml-stylesheet href=\"http://127.0.0.1:1/x.xsl\" type=\"text/xsl\"?><alert",
		"<?xml-model href=\"file:///etc/passwd\"?><alert xmlns:xi=\"http://www.w3.org/2001/XInclude\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
		"xsi:schemaLocation=\"urn:x file:///etc/passwd\" ",
	};
	struct buf bytes = BUF_INIT(ROOM), xee = BUF_INIT(ROOM);
	struct kw_why why = {""};

	(void)state;
	xmlSetExternalEntityLoader(count_opened);
	opened = 0;
	if (file_read(&xee, SHARED "reject/xee.cap"))
		refused((const char *)xee.p, xee.len, "line 3: a document type definition");
	for (size_t i = 0; i < 2; i++) {
		char *xml = changed("<alert", asks[i]);

		if (cap_import(&bytes, NULL, span_str(xml), &why) != KW_OK)
			fail_msg("%s", why.text);
		free(xml);
	}
	{
		char *xml = changed("Keller meiden.", "<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"file:///etc/passwd\" parse=\"text\"/>");

		buf_reset(&bytes);
		assert_int_equal(cap_import(&bytes, NULL, span_str(xml), &why), KW_OK);
		assert_null(memmem(bytes.p, bytes.len, "root:", 5));
		free(xml);
	}
	assert_int_equal(opened, 0);
	xmlSetExternalEntityLoader(before);
	buf_free(&bytes);
	buf_free(&xee);
}

static void
a_file_that_would_grow_is_refused_before_it_does(void **state)
{
	static const char laughs[] = "<?xml version=\"1.0\"?>\n<!DOCTYPE lolz [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">"
	                             "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]><alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">&c;</alert>";
	struct buf xml = BUF_INIT(32u * 1024u * 1024u);

	(void)state;
	refused(laughs, sizeof laughs - 1, "line 2: a document type definition");
	buf_put_str(&xml, simple);
	while (xml.len < 9u * 1024u * 1024u)
		buf_put_str(&xml, "<!-- padding padding padding padding padding padding padding -->");
	refused((const char *)xml.p, xml.len, "at most 8388608 are read");
	buf_free(&xml);
}

static void
a_file_too_deep_too_wide_or_with_a_huge_tag_is_refused(void **state)
{
	struct buf xml = BUF_INIT(32u * 1024u * 1024u);

	(void)state;
	buf_put_str(&xml, "<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">");
	for (unsigned i = 0; i < 40; i++)
		buf_put_str(&xml, "<a>");
	refused((const char *)xml.p, xml.len, "nested deeper than 32");
	xml.len = 0;
	for (unsigned i = 0; i < 210000; i++)
		buf_put_str(&xml, "<a/>");
	refused((const char *)xml.p, xml.len, "more than 100000 elements");
	xml.len = 0;
	buf_put_str(&xml, "<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">");
	for (unsigned i = 0; i < 110000; i++)
		buf_put_str(&xml, "<a/>");
	refused((const char *)xml.p, xml.len, "more than 100000 elements");
	xml.len = 0;
	buf_put_str(&xml, "<alert ");
	for (unsigned i = 0; i < 1000; i++)
		buf_printf(&xml, "a%u='>' ", i);
	buf_put_str(&xml, ">");
	refused((const char *)xml.p, xml.len, "a tag longer than 8192");
	buf_free(&xml);
}

static void
a_file_of_no_text_is_refused(void **state)
{
	static const char zero[] = "<alert>\n\0</alert>", utf16[] = "\xFF\xFE<\0a\0";

	(void)state;
	refused("", 0, "empty");
	refused(zero, sizeof zero - 1, "line 2: a zero byte");
	refused(utf16, sizeof utf16 - 1, "line 1: a zero byte");
	refused("hello", 5, "line 1: no well-formed XML");
	refused("<a", 2, "line 1: no well-formed XML");
	refused("<!-- ", 5, "line 1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_simple_alert_is_imported_and_shown_in_brief),
		cmocka_unit_test(every_real_file_is_imported_and_comes_back_the_same),
		cmocka_unit_test(every_example_is_imported_without_a_warning),
		cmocka_unit_test(every_file_to_be_rejected_is_rejected_with_its_line),
		cmocka_unit_test(examples_made_fresh_stay_valid_and_keep_their_references),
		cmocka_unit_test(slips_of_real_files_are_mended_with_a_warning),
		cmocka_unit_test(what_has_no_clear_meaning_is_refused_with_line_and_element),
		cmocka_unit_test(lines_are_counted_from_the_files_first_one),
		cmocka_unit_test(an_alerts_references_can_be_asked_for),
		cmocka_unit_test(a_reference_has_at_most_255_bytes),
		cmocka_unit_test(an_alert_that_finds_no_room_is_refused_and_not_cut),
		cmocka_unit_test(latin_1_keeps_its_umlauts_and_its_quotes),
		cmocka_unit_test(a_file_that_asks_for_others_opens_none),
		cmocka_unit_test(a_file_that_would_grow_is_refused_before_it_does),
		cmocka_unit_test(a_file_too_deep_too_wide_or_with_a_huge_tag_is_refused),
		cmocka_unit_test(a_file_of_no_text_is_refused),
	};

	return cmocka_run_group_tests(tests, open_schema, close_schema);
}
