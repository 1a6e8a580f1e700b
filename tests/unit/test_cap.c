/* test_cap: CAP files in and out, ours and other people's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void
import_one(const char *path, struct span xml)
{
	struct buf bytes = BUF_INIT(ROOM), warnings = BUF_INIT(ROOM);
	struct payload_brief brief;
	struct kw_why why = {""};

	if (cap_import(&bytes, &warnings, xml, &why) != KW_OK)
		fail_msg("%s: %s", path, why.text);
	if (warnings.len > 0)
		print_message("%s: %s", path, buf_text(&warnings));
	if (payload_check(PAYLOAD_ALERT, buf_span(&bytes), &why) != KW_OK)
		fail_msg("%s: %s", path, why.text);
	assert_int_equal(payload_brief(&brief, PAYLOAD_ALERT, buf_span(&bytes), "de", &why), KW_OK);
	assert_true(brief.headline[0] != '\0');
	buf_free(&bytes);
	buf_free(&warnings);
}

static void
every_real_file_is_imported(void **state)
{
	(void)state;
	if (files_each(SHARED "real-1.2", import_one) + files_each(SHARED "real-1.1", import_one) == 0) {
		print_message("skipped: no real CAP files beside the source\n");
		skip();
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_simple_alert_is_imported_and_shown_in_brief),
		cmocka_unit_test(every_real_file_is_imported),
		cmocka_unit_test(every_file_to_be_rejected_is_rejected_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
