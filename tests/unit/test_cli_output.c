/* What the command line shows: nothing that others wrote moves a terminal, no line is wider than it, times are as people say them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "clients/cli/cli.h"
#include "clients/cli/notice.h"
#include "clients/cli/standing.h"
#include "clients/cli/when.h"

/* Each would do something to a terminal or to its reader's eye: colours, the title, the cursor, C1 controls, other reading directions. */
#define HOSTILE "a\x1b[2J\x1b]0;t\x07\x08\x7f\r\xc2\x9b" "31m\xc2\x90\xe2\x80\xae" "b\xe2\x80\x8b\xe2\x81\xa6\xf3\xa0\x81\x81\nc"
#define NOW 1795600000000ull

/* ---- what comes on standard output ---- */

static char *
capture(void (*show)(const struct cli *c, const void *of), const struct cli *c, const void *of)
{
	FILE *file = tmpfile();
	int before = dup(STDOUT_FILENO);
	char *text;
	long len;

	assert_non_null(file);
	assert_true(before >= 0);
	(void)fflush(stdout);
	assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
	show(c, of);
	(void)fflush(stdout);
	assert_true(dup2(before, STDOUT_FILENO) >= 0);
	(void)close(before);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	len = ftell(file);
	assert_true(len >= 0);
	text = calloc(1, (size_t)len + 1);
	assert_non_null(text);
	rewind(file);
	assert_int_equal(fread(text, 1, (size_t)len, file), (size_t)len);
	(void)fclose(file);
	return text;
}

static void
assert_clean(const char *text)
{
	size_t at = text_unclean_at(span_str(text), TEXT_MULTILINE);

	if (at != SIZE_MAX)
		fail_msg("byte %zu (0x%02x) of what was shown would be obeyed:\n%s", at, (unsigned char)text[at], text);
	assert_null(strchr(text, '\r'));
}

static void
assert_fits(const char *text, size_t columns)
{
	char line[4096];

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		assert_true(len < sizeof line);
		memcpy(line, text, len);
		line[len] = '\0';
		if (cli_width(line) > columns)
			fail_msg("%zu characters on a terminal of %zu: %s", cli_width(line), columns, line);
		text += len + (text[len] == '\n');
	}
}

/* ---- rows ---- */

/* Every text is hostile, but for those that only the node itself writes. */
static json_t *
hostile_row(void)
{
	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:b, s:b, s:s, s:s, s:s}", "seq", (json_int_t)7, "topic", HOSTILE,
	                 "sender", HOSTILE, "lane", HOSTILE, "type", HOSTILE, "schema", HOSTILE, "created_ms", (json_int_t)NOW, "expires_ms", (json_int_t)NOW + 1000,
	                 "received_ms", (json_int_t)NOW, "id", HOSTILE, "headline", HOSTILE, "status", HOSTILE, "severity", HOSTILE, "area", HOSTILE, "what_to_do", HOSTILE,
	                 "until_ms", (json_int_t)NOW + 1000, "mark", HOSTILE, "reason", HOSTILE, "rejected", 0, "bare", 0, "about", HOSTILE, "content_form", "text", "content",
	                 "Title " HOSTILE "\nSeverity:         " HOSTILE "\n");
}

static void
show_list(const struct cli *c, const void *of)
{
	json_t *row = (json_t *)(uintptr_t)of;

	notice_list(c, &row, 1, NOW);
}

static void
show_news(const struct cli *c, const void *of)
{
	notice_news(c, of, of, NOW);
}

static void
show_whole(const struct cli *c, const void *of)
{
	notice_whole(c, of, NOW);
}

static void
show_status(const struct cli *c, const void *of)
{
	standing_node(c, of, NOW);
}

static void
show_json(const struct cli *c, const void *of)
{
	assert_int_equal(cli_json_text(c, of), CLI_DONE);
}

/* ---- tests ---- */

static void
a_hostile_text_loses_what_a_terminal_would_obey_and_keeps_the_rest(void **state)
{
	struct buf out = BUF_INIT(4096);

	(void)state;
	cli_put_safe(&out, HOSTILE "\xff\xc3 Grüße, \xf0\x9f\x9a\x92");
	assert_non_null(buf_text(&out));
	assert_clean(buf_text(&out));
	assert_string_equal(buf_text(&out), "a?[2J?]0;t?????31m??b????c?? Grüße, 🚒");
	buf_free(&out);
}

static void
no_sender_moves_the_terminal_of_who_reads_the_inbox(void **state)
{
	static void (*const shows[])(const struct cli *, const void *) = {show_list, show_news, show_whole};

	(void)state;
	for (int rejected = 0; rejected < 2; rejected++)
		for (size_t i = 0; i < sizeof shows / sizeof shows[0]; i++)
			for (size_t columns = 0; columns <= 80; columns += 40) {
				struct cli c = {.columns = columns, .german = rejected == 1};
				json_t *row = hostile_row();
				char *text;

				(void)json_object_set_new(row, "rejected", json_boolean(rejected == 1));
				text = capture(shows[i], &c, row);
				assert_clean(text);
				assert_non_null(strchr(text, 'b')); /* something was shown */
				if (columns > 0)
					assert_fits(text, columns);
				free(text);
				json_decref(row);
			}
}

static void
no_peer_moves_the_terminal_of_who_asks_how_things_stand(void **state)
{
	json_t *status = json_pack("{s:s, s:s, s:{s:s, s:s}, s:[{s:s, s:s, s:s}], s:[{s:s, s:s, s:s, s:s, s:[s]}], s:[{s:s, s:s, s:I, s:I, s:s}], s:[{s:s, s:s, s:s, s:I}], s:{s:{s:I}}}",
	                           "node", HOSTILE, "partnership", HOSTILE, "link", "state", HOSTILE, "endpoint", HOSTILE, "alarms", "code", HOSTILE, "text", HOSTILE, "since", HOSTILE,
	                           "unconfirmed", "id", HOSTILE, "topic", HOSTILE, "since", HOSTILE, "lane", HOSTILE, "missing", HOSTILE, "gaps", "sender", HOSTILE, "lane", HOSTILE,
	                           "first", (json_int_t)1, "last", (json_int_t)2, "since", HOSTILE, "evidence", "kind", HOSTILE, "at", HOSTILE, "text", HOSTILE, "number", (json_int_t)1,
	                           "lanes", HOSTILE, "cursor", (json_int_t)1);
	struct cli c = {.columns = 80};
	char *text;

	(void)state;
	assert_non_null(status);
	text = capture(show_status, &c, status);
	assert_clean(text);
	assert_non_null(strchr(text, 'b'));
	free(text);
	json_decref(status);
}

/* A node at which all is well, with what wrong says instead. */
static json_t *
status_of(const char *wrong)
{
	json_t *status = json_loads("{\"node\":\"police/control-room\",\"partnership\":\"musterstadt\",\"agreement\":{\"version\":4,\"kind\":\"live\",\"fingerprint\":\"EA50 7AFB\","
	                            "\"until\":\"2027-12-01T00:00:00Z\"},\"link\":{\"state\":\"ready\",\"endpoint\":\"tcp://127.0.0.1:7411\",\"up_since\":\"2026-11-25T10:10:29Z\",\"failures\":0},"
	                            "\"lanes\":{\"flash\":{\"cursor\":12,\"unanswered\":0,\"held\":0}},\"outbox\":{\"waiting\":0,\"limit\":1000,\"stored\":2,\"refused\":0,\"expired\":0},"
	                            "\"inbox\":{\"rows\":3,\"rejected\":0,\"bare\":0,\"duplicates\":0,\"handlers_set_aside\":0},\"unconfirmed\":[],\"gaps\":[],\"alarms\":[],\"evidence\":[],"
	                            "\"stopped\":false,\"store_bytes\":172032}", 0, NULL);
	json_t *other = json_loads(wrong, 0, NULL);

	assert_non_null(status);
	assert_non_null(other);
	assert_int_equal(json_object_update_recursive(status, other), 0);
	json_decref(other);
	return status;
}

/* What is wrong stands behind the first line and says what to do; the blanks are one each. */
static void
assert_told(const char *wrong, const char *verdict, const char *sentence)
{
	struct cli c = {.columns = 0};
	json_t *status = status_of(wrong);
	char *text = capture(show_status, &c, status);

	if (strstr(text, verdict) == NULL || strstr(text, verdict) > strchr(text, '\n') || strstr(text, sentence) == NULL)
		fail_msg("neither \"%s\" nor \"%s\" in:\n%s", verdict, sentence, text);
	free(text);
	json_decref(status);
}

static void
status_says_first_what_is_wrong_and_what_to_do(void **state)
{
	(void)state;
	assert_told("{}", "all is well", "\nlink           up since ");
	assert_told("{\"link\":{\"state\":\"connecting\",\"failures\":3}}", "1 thing does not work",
	            "\n! The broker is not reached (tcp://127.0.0.1:7411, 3 attempts): nothing comes in, and what you publish waits in the outbox.");
	assert_told("{\"stopped\":true}", "1 thing does not work", "\n! Two histories of the broker were met: nothing is published any more. Call the operator");
	assert_told("{\"unconfirmed\":[{\"id\":\"0193a1b2\",\"topic\":\"alert/x\",\"since\":\"2026-11-25T10:10:29Z\",\"lane\":\"flash\",\"stored\":true,\"missing\":[\"a/b\",\"c/d\"]}]}",
	            "1 thing does not work", "\n! alert/x of yours is not confirmed by a/b, c/d, due ");
	assert_told("{\"unconfirmed\":[{\"id\":\"0193a1b2\",\"topic\":\"alert/x\",\"since\":\"2026-11-25T10:10:29Z\",\"lane\":\"flash\",\"stored\":false,\"missing\":[\"a/b\"]}]}",
	            "1 thing does not work", "\n! alert/x of yours has not reached the broker yet, due ");
	assert_told("{\"gaps\":[{\"sender\":\"a/b\",\"lane\":\"flash\",\"first\":7,\"last\":9,\"since\":\"2026-11-25T10:10:29Z\"}]}", "1 thing does not work",
	            "\n! 3 notifications of a/b in lane flash are missing since ");
	assert_told("{\"outbox\":{\"waiting\":800}}", "1 thing does not work", "\n! The outbox holds 800 of at most 1000 notifications; then publishing is refused.");
	assert_told("{\"inbox\":{\"handlers_set_aside\":2}}", "works; 1 thing to look at", "\n- 2 notifications were set aside, since their handlers failed again and again;");
	assert_told("{\"alarms\":[{\"code\":\"fork\",\"text\":\"two hashes for commit 8\",\"since\":\"2026-11-25T10:10:29Z\"}],\"inbox\":{\"handlers_set_aside\":1}}",
	            "1 thing does not work", "two hashes for commit 8. Call the operator and the steering committee; \"kurzweg status --json\" holds the evidence.");
	assert_told("{\"alarms\":[{\"code\":\"agreement_age\",\"text\":\"the agreement ends in 30 days\",\"since\":\"2026-11-25T10:10:29Z\"}]}", "works; 1 thing to look at",
	            "the agreement ends in 30 days\n");
	assert_told("{\"evidence\":[{\"number\":1,\"kind\":\"fork\",\"at\":\"2026-11-25T10:10:29Z\",\"text\":\"two hashes\"}]}", "all is well", "\nevidence kept\n1              fork, ");
	assert_told("{\"agreement\":{\"kind\":\"exercise\"}}", "police/control-room of musterstadt (EXERCISE)  all is well", "\n");
}

/* A broker at which all is well, with what wrong says instead. */
static json_t *
broker_of(const char *wrong)
{
	json_t *status = json_loads("{\"partnership\":\"musterstadt\",\"kind\":\"live\",\"state\":\"serving\",\"why\":\"\",\"now_ms\":1800000000000,\"agreement\":{\"age\":\"good\","
	                            "\"until\":\"2029-12-01T00:00:00Z\"},\"store\":{\"used_bytes\":1000,\"quota_bytes\":1000000,\"disk_free_bytes\":50000000000,\"disk_bytes\":100000000000,\"fills\":null},"
	                            "\"queues\":{\"publish_bytes\":{\"used\":0,\"limit\":100},\"connections\":{\"used\":1,\"limit\":100},\"cases\":{\"used\":0,\"limit\":100}},"
	                            "\"cases\":{\"open\":0,\"overdue\":0,\"unanswered\":0},\"commit\":{\"took_us_max\":4200},\"counters\":{\"refused\":{\"clock\":0}},"
	                            "\"nodes\":[{\"id\":\"police/control-room\",\"in_agreement\":true,\"connected\":true,\"lanes\":{}}]}", 0, NULL);
	json_t *other = json_loads(wrong, 0, NULL);

	assert_non_null(status);
	assert_non_null(other);
	assert_int_equal(json_object_update_recursive(status, other), 0);
	json_decref(other);
	return status;
}

static void
assert_warned(const char *wrong, enum standing_check check, const char *sentence)
{
	struct cli c = {.columns = 0};
	json_t *status = broker_of(wrong);
	struct standing s = {.c = &c, .now_ms = 1800000000000ull};

	standing_broker_judge(&s, status);
	assert_int_equal(s.grave > 0 ? CHECK_CRITICAL : s.minor > 0 ? CHECK_WARNING : CHECK_OK, check);
	if (sentence != NULL && (s.count == 0 || strstr(standing_worst(&s), sentence) == NULL))
		fail_msg("not \"%s\": %s", sentence, s.count > 0 ? standing_worst(&s) : "nothing");
	standing_drop(&s);
	json_decref(status);
}

static void
a_broker_warns_before_something_is_lost(void **state)
{
	(void)state;
	assert_warned("{}", CHECK_OK, NULL);
	assert_warned("{\"store\":{\"disk_free_bytes\":8000000000}}", CHECK_WARNING, "The disk under the store is 92 % full, 7.5 GiB are left: make room on the broker's disk.");
	assert_warned("{\"store\":{\"disk_free_bytes\":1000000000}}", CHECK_CRITICAL, "is 99 % full");
	assert_warned("{\"store\":{\"fills\":{\"what\":\"disk\",\"left_ms\":18000000}}}", CHECK_WARNING, "has 46.6 GiB left, which is enough for 5 h 00 min if it goes on as in the last hour");
	assert_warned("{\"store\":{\"fills\":{\"what\":\"disk\",\"left_ms\":6000000}}}", CHECK_CRITICAL, "enough for 1 h 40 min");
	assert_warned("{\"store\":{\"fills\":{\"what\":\"quota\",\"left_ms\":18000000}}}", CHECK_WARNING, "The store comes to 80 % of its quota in 5 h 00 min");
	assert_warned("{\"store\":{\"fills\":{\"what\":\"quota\",\"left_ms\":90000000}}}", CHECK_OK, NULL);
	assert_warned("{\"store\":{\"disk_free_bytes\":8000000000,\"fills\":{\"what\":\"disk\",\"left_ms\":270000000}}}", CHECK_WARNING,
	              "92 % full, 7.5 GiB are left, enough for 3 d 3 h at this rate: make room");
	assert_warned("{\"store\":{\"disk_free_bytes\":8000000000,\"fills\":{\"what\":\"disk\",\"left_ms\":27000000000}}}", CHECK_WARNING, "7.5 GiB are left: make room");
	assert_warned("{\"backup_ms\":1799400000000}", CHECK_OK, NULL); /* a week ago */
	assert_warned("{\"backup_ms\":1799222400000}", CHECK_WARNING, "The last backup is 9 d");
	assert_warned("{\"backup_ms\":null}", CHECK_OK, NULL);
	assert_warned("{\"queues\":{\"publish_bytes\":{\"used\":81}}}", CHECK_CRITICAL, "What waits to be written is at 81 % of its limit; then senders are told to wait. A commit took up to 4.2 ms");
	assert_warned("{\"queues\":{\"connections\":{\"used\":80}}}", CHECK_WARNING, "80 % of the connections are taken");
	assert_warned("{\"queues\":{\"cases\":{\"used\":95}}}", CHECK_WARNING, "95 % of the cases that may be open are");
	assert_warned("{\"cases\":{\"overdue\":1}}", CHECK_WARNING, "1 case was taken by nobody in its turn");
	assert_warned("{\"cases\":{\"overdue\":3,\"unanswered\":2}}", CHECK_CRITICAL, "2 cases wait at the coordinator, who has not answered in time; call the coordinator.");
	assert_warned("{\"now_ms\":1800000070000}", CHECK_WARNING, "This machine's clock and the broker's are 70 s apart; set the one that is wrong.");
	assert_warned("{\"now_ms\":1799999000000}", CHECK_CRITICAL, "1000 s apart");
	assert_warned("{\"counters\":{\"refused\":{\"clock\":2}}}", CHECK_WARNING, "2 notifications were refused, since their senders' clocks are far ahead");
	assert_warned("{\"agreement\":{\"age\":\"ends soon\"}}", CHECK_WARNING, "The agreement ends");
	assert_warned("{\"agreement\":{\"age\":\"over\"}}", CHECK_CRITICAL, "The agreement and its grace are over");
	assert_warned("{\"state\":\"fork\",\"why\":\"x\"}", CHECK_CRITICAL, "two histories were met: x");
	assert_warned("{\"nodes\":[{\"id\":\"a/b\",\"in_agreement\":true,\"connected\":true,\"lanes\":{\"flash\":{\"oldest_unread_ms\":660000}}}]}", CHECK_WARNING,
	              "a/b is connected and has acknowledged nothing for 11 min");
	assert_warned("{\"nodes\":[{\"id\":\"a/b\",\"in_agreement\":true,\"connected\":true},{\"id\":\"c/d\",\"in_agreement\":true,\"away_ms\":60000,\"lanes\":{\"urgent\":{\"behind\":true}}}]}",
	              CHECK_WARNING, "c/d is away since ");
}

static void
a_node_warns_before_its_disk_is_full(void **state)
{
	(void)state;
	assert_told("{\"disk\":{\"free_bytes\":8000000000,\"bytes\":100000000000}}", "works; 1 thing to look at", "\n- The disk of this node is 92 % full, 7.5 GiB are left");
	assert_told("{\"disk\":{\"free_bytes\":8000000000,\"bytes\":100000000000,\"full_in_ms\":3600000}}", "1 thing does not work", "enough for 1 h 00 min if it goes on");
}

static void
show_broker(const struct cli *c, const void *of)
{
	standing_broker(c, of, 1800000000000ull, false);
}

/* So many nodes, of which the first are away while something waits for them. */
static json_t *
broker_with(size_t nodes, size_t away, const char *wrong)
{
	json_t *status = broker_of(wrong), *list = json_array();

	for (size_t i = 0; i < nodes; i++) {
		char id[64];

		(void)snprintf(id, sizeof id, "district-%zu/control-room", i);
		json_array_append_new(list, json_pack("{s:s, s:b, s:b, s:I, s:{s:{s:b}}}", "id", id, "in_agreement", 1, "connected", (int)(i < nodes - away), "away_ms",
		                                      (json_int_t)60000, "lanes", "flash", "behind", (int)(i >= nodes - away)));
	}
	json_object_set_new(status, "nodes", list);
	return status;
}

#define TWELVE "{\"store\":{\"disk_free_bytes\":1000000000},\"agreement\":{\"age\":\"grace\"},\"audit\":{\"trouble\":\"the disk is full\",\"failing\":true},\"backup_ms\":1000,"                  \
               "\"queues\":{\"publish_bytes\":{\"used\":90},\"connections\":{\"used\":90},\"cases\":{\"used\":90}},\"cases\":{\"overdue\":4,\"unanswered\":2},"                      \
               "\"counters\":{\"refused\":{\"clock\":2}},\"now_ms\":1800000090000,\"config\":{\"refused\":\"line 3: store.quota: not a size\",\"file\":\"broker.yaml\"}}"

/* On every terminal: the verdict first; all of it in the height, with the prompt, unless not even the sentences have room. */
static void
a_broker_s_status_fits_the_terminal(void **state)
{
	static const struct { size_t nodes, away; const char *wrong; } brokers[] = {
		{0, 0, "{}"}, {4, 0, "{}"}, {30, 0, "{}"}, {1000, 0, "{}"}, {30, 1, "{}"}, {30, 12, "{}"}, {1000, 40, "{}"}, {4, 0, TWELVE}, {40, 9, TWELVE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof brokers / sizeof brokers[0]; i++)
		for (size_t rows = 2; rows <= 60; rows++)
			for (size_t columns = 40; columns <= 120; columns += 40) {
				struct cli c = {.columns = columns, .rows = rows, .colour_out = rows % 2 == 0};
				json_t *status = broker_with(brokers[i].nodes, brokers[i].away, brokers[i].wrong);
				char *text = capture(show_broker, &c, status);
				size_t lines = cli_lines(text, columns);

				assert_true(strncmp(text + (c.colour_out ? 4 : 0), "Broker of musterstadt", 21) == 0);
				if (lines > rows - 1 && strstr(text, "| less") == NULL)
					fail_msg("%zu lines on a terminal of %zu x %zu, %zu nodes:\n%s", lines, columns, rows, brokers[i].nodes, text);
				if (rows > 50 && columns >= 80)
					assert_null(strstr(text, "| less"));
				free(text);
				json_decref(status);
			}
}

static void
assert_shown(size_t nodes, size_t away, const char *wrong, size_t rows, const char *there, const char *not_there)
{
	struct cli c = {.columns = rows > 0 ? 80 : 0, .rows = rows};
	json_t *status = broker_with(nodes, away, wrong);
	char *text = capture(show_broker, &c, status);

	if (strstr(text, there) == NULL || (not_there != NULL && strstr(text, not_there) != NULL))
		fail_msg("not \"%s\", or \"%s\", in:\n%s", there, not_there != NULL ? not_there : "", text);
	free(text);
	json_decref(status);
}

static void
nodes_that_something_is_about_stand_first_and_the_rest_is_told_in_one_line(void **state)
{
	(void)state;
	assert_shown(1000, 0, "{}", 24, " more, all connected and nothing waiting: kurzweg nodes\n", "| less");
	assert_shown(5, 0, "{}", 12, "5 nodes, all connected and nothing waiting: kurzweg nodes\n", "flash");
	assert_shown(30, 2, "{}", 24, "\ndistrict-28/control-room  away, ", NULL); /* of 0..29, the last two */
	assert_shown(30, 12, "{}", 24, "30 nodes, 18 of them connected: kurzweg nodes\n", "all connected");
	assert_shown(30, 25, "{}", 40, " more; \"kurzweg nodes\" shows them\n", "all connected");
	assert_shown(30, 2, "{}", 0, "\ndistrict-0/control-room", "more"); /* a pipe: all, as they come */
	/* where the sentences have no room themselves, fewer nodes have one of their own, and nothing graver scrolls away for them */
	assert_shown(30, 12, "{\"store\":{\"disk_free_bytes\":8000000000},\"agreement\":{\"age\":\"over\"}}", 22, "\n- 5 more nodes are away, or read nothing, and something waits for them;", "| less");
	assert_shown(30, 12, "{\"store\":{\"disk_free_bytes\":8000000000},\"agreement\":{\"age\":\"over\"}}", 10, "\n- 11 more nodes are away, or read nothing, and something waits for them;", "| less");
	assert_shown(30, 12, "{\"agreement\":{\"age\":\"over\"}}", 0, "\n- 4 more nodes are away", "| less");
	assert_shown(1000, 2, "{}", 0, "\nand 998 more; \"kurzweg nodes\" shows them\n", "all connected");
}

static void
a_node_s_status_fits_the_terminal(void **state)
{
	(void)state;
	for (size_t rows = 2; rows <= 60; rows++)
		for (size_t kept = 0; kept <= 100; kept += 25) {
			struct cli c = {.columns = 80, .rows = rows};
			json_t *status = status_of(rows % 3 == 0 ? "{\"stopped\":true}" : "{}"), *list = json_array();
			char *text;

			for (size_t i = 0; i < kept; i++)
				json_array_append_new(list, json_pack("{s:I, s:s, s:s, s:s}", "number", (json_int_t)(kept - i), "kind", "equivocation", "at", "2026-11-25T10:10:29Z", "text",
				                                      "district-7/control-room sent two different notifications with the number 4711 in its lane flash"));
			json_object_set_new(status, "evidence", list);
			text = capture(show_status, &c, status);
			if (cli_lines(text, 80) > rows - 1 && strstr(text, "| less") == NULL)
				fail_msg("%zu lines on a terminal of %zu:\n%s", cli_lines(text, 80), rows, text);
			if (kept > 0 && rows == 24)
				assert_non_null(strstr(text, "--json tells"));
			free(text);
			json_decref(status);
		}
}

static void
lines_are_counted_as_a_terminal_shows_them(void **state)
{
	(void)state;
	assert_int_equal(cli_lines("", 80), 0);
	assert_int_equal(cli_lines("a\n\nb\n", 80), 3);
	assert_int_equal(cli_lines("12345678\n", 8), 1);
	assert_int_equal(cli_lines("123456789\n", 8), 2);
	assert_int_equal(cli_lines("\x1b[1;37;41m12345678\x1b[0m\nä ö ü ß.\n", 8), 2);
	assert_int_equal(cli_lines("12345678901234567\n", 8), 3);
	assert_int_equal(cli_lines("123456789\nx", 0), 2);
}

static void
json_keeps_every_character_and_shows_none_that_a_terminal_would_obey(void **state)
{
	json_t *row = json_pack("{s:s}", "text", HOSTILE " Grüße"), *again;
	char *json = json_dumps(row, JSON_COMPACT), *text;
	struct cli c = {.columns = 80};

	(void)state;
	assert_non_null(json);
	text = capture(show_json, &c, json);
	assert_clean(text);
	assert_non_null(strstr(text, "Grüße"));
	again = json_loads(text, 0, NULL);
	assert_non_null(again);
	assert_true(json_equal(row, again));
	json_decref(again);
	json_decref(row);
	free(json);
	free(text);
}

static void
a_long_text_is_broken_between_words_and_where_there_are_none_anywhere(void **state)
{
	static const char *const texts[] = {"one two three four five six seven", "Donaudampfschifffahrtsgesellschaftskapitän", "a\nbb\n\nccc", " ", "ä ö ü ß ä ö ü ß ä ö ü ß"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		for (size_t width = 8; width < 40; width++) {
			struct buf out = BUF_INIT(4096);

			cli_put_wrapped(&out, texts[i], width, 3, 3);
			assert_non_null(buf_text(&out));
			assert_fits(buf_text(&out), width);
			buf_free(&out);
		}
}

static void
assert_after(const char *text, const char *now, const char *then)
{
	uint64_t out, now_ms, then_ms;
	struct kw_why why;

	assert_int_equal(text_time_ms(&now_ms, now, "now", NULL), KW_OK);
	assert_int_equal(text_time_ms(&then_ms, then, "then", NULL), KW_OK);
	assert_int_equal(when_parse_after(&out, text, now_ms, "--expires", &why), KW_OK);
	if (out != then_ms)
		fail_msg("%s at %s is %lld s away from %s", text, now, (long long)(out - then_ms) / 1000, then);
}

static void
a_clock_time_is_the_next_of_it_also_where_the_clocks_change(void **state)
{
	uint64_t out, now_ms, then_ms;
	struct kw_why why;

	(void)state;
	assert_after("22:15", "2026-12-01T20:00:00+01:00", "2026-12-01T22:15:00+01:00");
	assert_after("6:00", "2026-12-01T20:00:00+01:00", "2026-12-02T06:00:00+01:00");
	assert_after("20:00", "2026-12-01T20:00:00+01:00", "2026-12-02T20:00:00+01:00");
	assert_after("12:00", "2026-10-24T23:00:00+02:00", "2026-10-25T12:00:00+01:00"); /* that day has 25 hours */
	assert_after("12:00", "2027-03-27T23:00:00+01:00", "2027-03-28T12:00:00+02:00");
	assert_after("90m", "2026-10-25T02:30:00+02:00", "2026-10-25T03:00:00+01:00");
	assert_after("2026-12-01T22:15:00Z", "2026-12-01T20:00:00+01:00", "2026-12-01T23:15:00+01:00");
	assert_int_equal(text_time_ms(&now_ms, "2026-10-25T11:00:00+01:00", "now", NULL), KW_OK);
	assert_int_equal(text_time_ms(&then_ms, "2026-10-24T12:00:00+02:00", "then", NULL), KW_OK);
	assert_int_equal(when_parse_before(&out, "12:00", now_ms, "--since", &why), KW_OK);
	assert_true(out == then_ms);
	for (size_t i = 0; i < 6; i++) {
		static const char *const none[] = {"", "24:00", "12:60", "12:", "tomorrow", "2026-13-01T00:00:00Z"};

		assert_int_equal(when_parse_after(&out, none[i], now_ms, "--expires", &why), KW_EINVAL);
		assert_non_null(strstr(why.text, "--expires"));
	}
}

static void
times_are_shown_by_day_and_how_far_they_are(void **state)
{
	char out[WHEN_MAX];
	uint64_t now;

	(void)state;
	assert_int_equal(text_time_ms(&now, "2026-12-01T20:00:05+01:00", "now", NULL), KW_OK);
	when_put(out, now, now);
	assert_string_equal(out, "20:00:05");
	when_put_short(out, now, now);
	assert_string_equal(out, "20:00");
	when_put(out, now + 10 * 3600000, now);
	assert_string_equal(out, "tomorrow 06:00");
	when_put(out, now - 24 * 3600000, now);
	assert_string_equal(out, "yesterday 20:00");
	when_put_until(out, now + 2 * 3600000 + 60000, now);
	assert_string_equal(out, "22:01 (in 2 h 01 min)");
	when_put_until(out, now - 60000, now);
	assert_string_equal(out, "19:59 (1 min ago)");
	when_put(out, 0, now);
	assert_string_equal(out, "-");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hostile_text_loses_what_a_terminal_would_obey_and_keeps_the_rest),
		cmocka_unit_test(no_sender_moves_the_terminal_of_who_reads_the_inbox),
		cmocka_unit_test(no_peer_moves_the_terminal_of_who_asks_how_things_stand),
		cmocka_unit_test(status_says_first_what_is_wrong_and_what_to_do),
		cmocka_unit_test(a_broker_warns_before_something_is_lost),
		cmocka_unit_test(a_node_warns_before_its_disk_is_full),
		cmocka_unit_test(a_broker_s_status_fits_the_terminal),
		cmocka_unit_test(nodes_that_something_is_about_stand_first_and_the_rest_is_told_in_one_line),
		cmocka_unit_test(a_node_s_status_fits_the_terminal),
		cmocka_unit_test(lines_are_counted_as_a_terminal_shows_them),
		cmocka_unit_test(json_keeps_every_character_and_shows_none_that_a_terminal_would_obey),
		cmocka_unit_test(a_long_text_is_broken_between_words_and_where_there_are_none_anywhere),
		cmocka_unit_test(a_clock_time_is_the_next_of_it_also_where_the_clocks_change),
		cmocka_unit_test(times_are_shown_by_day_and_how_far_they_are),
	};

	(void)setenv("TZ", "Europe/Berlin", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
