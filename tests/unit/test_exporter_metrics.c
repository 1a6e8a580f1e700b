/* test_exporter_metrics: what Prometheus is told, from answers as broker and node give them, and from answers with holes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "clients/exporter/metrics.h"

static const char broker[] =
	"{\"software\": \"kurzweg-broker 0.1.0\", \"partnership\": \"musterstadt\", \"kind\": \"live\", \"state\": \"store_full\", \"uptime_ms\": 1500,"
	" \"agreement\": {\"version\": 4, \"until\": \"2027-12-01T00:00:00Z\"},"
	" \"store\": {\"used_bytes\": 18446744073, \"disk_full\": true, \"fills\": null},"
	" \"commit\": {\"took_us_median\": 250, \"took_us_max\": 1750000},"
	" \"lanes\": [{\"name\": \"flash\", \"tail\": 7, \"length\": 3, \"waiting_for_commit\": 0}, {\"name\": \"urgent\", \"tail\": 9007199254740, \"length\": 1}],"
	" \"queues\": {\"publish_bytes\": {\"used\": 50, \"limit\": 200}, \"cases\": {\"used\": 1, \"limit\": 0}},"
	" \"cases\": {\"waiting\": 1, \"offered\": 2, \"escalated\": 3, \"taken\": 4, \"done\": 5, \"open\": 10, \"overdue\": 3},"
	" \"counters\": {\"stored\": 12, \"refused\": {\"denied\": 3, \"expired\": 0}}}";

static const char nodes[] =
	"[{\"id\": \"police/control-room\", \"in_agreement\": true, \"connected\": true, \"lanes\": {\"flash\": {\"behind\": false, \"oldest_unread_ms\": null}}},"
	" {\"id\": \"city/office\", \"in_agreement\": true, \"connected\": false, \"lanes\": {\"flash\": {\"behind\": true, \"oldest_unread_ms\": 90500}}},"
	" {\"id\": \"gone/away\", \"in_agreement\": false, \"connected\": false, \"lanes\": {}}]";

static const char node[] =
	"{\"software\": \"kurzweg-partner 0.1.0\", \"partnership\": \"mu\\\"st\\\\er\\nstadt\", \"agreement\": {\"version\": 4, \"kind\": \"exercise\", \"until\": null},"
	" \"link\": {\"state\": \"ready\", \"clock_ahead_s\": -3, \"failures\": 0}, \"stopped\": false,"
	" \"outbox\": {\"waiting\": 2, \"limit\": 100, \"oldest\": \"2026-12-01T02:03:04.500Z\"},"
	" \"alarms\": [{\"code\": \"undelivered\", \"text\": \"SECRET TOPIC alert/x\", \"times\": 2}], \"unconfirmed\": [{\"topic\": \"alert/x\"}]}";

static char *
told(enum metrics_of of, const char *status, const char *list)
{
	struct buf out = BUF_INIT(1u << 20);
	json_t *s = status != NULL ? json_loads(status, 0, NULL) : NULL, *l = list != NULL ? json_loads(list, 0, NULL) : NULL;
	char *text;

	assert_true((status == NULL || s != NULL) && (list == NULL || l != NULL));
	assert_int_equal(metrics_put(&out, of, s, l, 0.25), KW_OK);
	text = strdup(buf_text(&out));
	assert_non_null(text);
	buf_free(&out);
	json_decref(s);
	json_decref(l);
	return text;
}

#define SAYS(text, line) assert_non_null(strstr(text, line "\n"))
#define SILENT(text, word) assert_null(strstr(text, word))

static void
a_broker_is_told_in_base_units(void **state)
{
	char *text = told(METRICS_BROKER, broker, nodes);

	(void)state;
	SAYS(text, "kurzweg_up 1");
	SAYS(text, "kurzweg_ask_duration_seconds 0.250000");
	SAYS(text, "kurzweg_broker_info{software=\"kurzweg-broker 0.1.0\",partnership=\"musterstadt\",kind=\"live\"} 1");
	SAYS(text, "kurzweg_broker_state{state=\"serving\"} 0");
	SAYS(text, "kurzweg_broker_state{state=\"store_full\"} 1");
	SAYS(text, "kurzweg_broker_uptime_seconds 1.5");
	SAYS(text, "kurzweg_store_used_bytes 18446744073");
	SAYS(text, "kurzweg_store_disk_full 1");
	SAYS(text, "kurzweg_commit_median_seconds 0.00025");
	SAYS(text, "kurzweg_commit_max_seconds 1.75");
	SAYS(text, "# TYPE kurzweg_notifications_stored_total counter");
	SAYS(text, "kurzweg_notifications_stored_total 12");
	SAYS(text, "kurzweg_log_entries_total{lane=\"urgent\"} 9007199254740");
	SAYS(text, "kurzweg_refused_total{code=\"denied\"} 3");
	SAYS(text, "kurzweg_cases{state=\"taken\"} 4");
	SAYS(text, "kurzweg_cases_overdue 3");
	SAYS(text, "kurzweg_queue_fill_ratio{queue=\"publish_bytes\"} 0.25");
	SAYS(text, "kurzweg_agreement_until_timestamp_seconds 1827619200");
	free(text);
}

static void
nodes_are_counted_and_those_of_no_agreement_left_out(void **state)
{
	char *text = told(METRICS_BROKER, broker, nodes);

	(void)state;
	SAYS(text, "kurzweg_nodes{state=\"connected\"} 1");
	SAYS(text, "kurzweg_nodes{state=\"away\"} 1");
	SAYS(text, "kurzweg_node_connected{node=\"city/office\"} 0");
	SAYS(text, "kurzweg_node_behind{node=\"city/office\",lane=\"flash\"} 1");
	SAYS(text, "kurzweg_node_oldest_unread_seconds{node=\"city/office\",lane=\"flash\"} 90.5");
	SILENT(text, "gone/away");
	SILENT(text, "oldest_unread_seconds{node=\"police");
	free(text);
	text = told(METRICS_BROKER, broker, NULL);
	SILENT(text, "kurzweg_node");
	free(text);
}

static void
what_an_answer_does_not_hold_is_not_told_as_nothing(void **state)
{
	char *text = told(METRICS_BROKER, broker, NULL);

	(void)state;
	SILENT(text, "kurzweg_store_quota_bytes");
	SILENT(text, "kurzweg_store_full_in_seconds");
	SILENT(text, "kurzweg_store_last_backup_timestamp_seconds");
	SILENT(text, "kurzweg_commit_waiting{lane=\"urgent\"}");
	SILENT(text, "queue=\"cases\"");
	SILENT(text, "state=\"done\"");
	free(text);
	text = told(METRICS_BROKER, NULL, NULL);
	SAYS(text, "kurzweg_up 0");
	SILENT(text, "kurzweg_broker");
	SILENT(text, "kurzweg_agreement");
	free(text);
}

static void
a_node_is_told_without_topics_and_texts(void **state)
{
	char *text = told(METRICS_NODE, node, NULL);

	(void)state;
	SAYS(text, "kurzweg_partner_info{software=\"kurzweg-partner 0.1.0\",partnership=\"mu\\\"st\\\\er\\nstadt\",kind=\"exercise\"} 1");
	SAYS(text, "kurzweg_partner_link_up 1");
	SAYS(text, "kurzweg_partner_clock_ahead_seconds -3");
	SAYS(text, "kurzweg_partner_stopped 0");
	SAYS(text, "kurzweg_partner_outbox_oldest_timestamp_seconds 1796090584.5");
	SAYS(text, "kurzweg_partner_alarm_times{code=\"undelivered\"} 2");
	SAYS(text, "kurzweg_partner_alarms 1");
	SAYS(text, "kurzweg_partner_unconfirmed 1");
	SILENT(text, "alert/x");
	SILENT(text, "kurzweg_agreement_until");
	free(text);
}

/* Every name once, with its help and its type right before its first line. */
static void
each_name_has_one_head(void **state)
{
	char *text = told(METRICS_BROKER, broker, nodes), *line, *rest;
	char last[128] = "", seen[128][128];
	size_t count = 0;

	(void)state;
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		char name[128];

		if (sscanf(line, "# HELP %127s", name) == 1) {
			for (size_t i = 0; i < count; i++)
				assert_string_not_equal(seen[i], name);
			assert_true(count < 128);
			(void)strcpy(seen[count++], name);
			(void)strcpy(last, name);
		} else if (line[0] != '#') {
			assert_int_equal(sscanf(line, "%127[a-z_]", name), 1);
			assert_string_equal(name, last);
		}
	}
	assert_true(count > 20);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_broker_is_told_in_base_units),
		cmocka_unit_test(nodes_are_counted_and_those_of_no_agreement_left_out),
		cmocka_unit_test(what_an_answer_does_not_hold_is_not_told_as_nothing),
		cmocka_unit_test(a_node_is_told_without_topics_and_texts),
		cmocka_unit_test(each_name_has_one_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
