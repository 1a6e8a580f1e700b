/* What "kurzweg top" shows, without a terminal: rows in their order, the filter, one node, and screens of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "clients/cli/standing.h"
#include "clients/cli/top_model.h"

#define HOSTILE "a\x1b[2J\x1b]0;x\x07" "b\r\nc\t\xe2\x80\xae" "d\xff"
#define NOW 1800000000000ull

static const struct cli plain = {.columns = 0};
static struct top_line lines[TOP_ROWS_MAX];

/* up for so many seconds; 0: away. waiting below 0: behind, nobody knows how much. */
static json_t *
node(const char *id, int up_s, int waiting, int oldest_s, int delivered)
{
	json_t *flash = json_pack("{s:i, s:b, s:i, s:i, s:i, s:i, s:i, s:i}", "waiting", waiting > 0 ? waiting : 0, "behind", waiting < 0, "oldest_unread_ms", oldest_s * 1000,
	                          "in_flight", 3, "window", 256, "cursor", 7, "newest", 9, "delivered", delivered);

	return json_pack("{s:s%, s:b, s:b, s:i, s:i, s:s%, s:s%, s:{s:o}}", "id", id, strlen(id), "in_agreement", 1, "connected", up_s > 0, "since_ms", up_s * 1000, "away_ms", 90000,
	                 "address", "127.0.0.1", (size_t)9, "software", "kurzweg-partner", (size_t)15, "lanes", "flash", flash);
}

static json_t *
status(json_t *nodes)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:{s:s, s:s}, s:[{s:s, s:f, s:i, s:i}], s:{s:f, s:i, s:i}, s:{s:i, s:i}, s:{s:i, s:i, s:i, s:i}, s:o}", "partnership", "musterstadt", "kind", "live",
	                 "state", "serving", "uptime_ms", 11000000, "agreement", "age", "good", "until", "2099-01-01T00:00:00Z", "lanes", "name", "flash", "rate", 1.5, "length", 40,
	                 "waiting_for_commit", 2, "commit", "per_second", 41.26, "took_us_median", 3140, "took_us_max", 12300, "cases", "open", 12, "overdue", 3, "store", "used_bytes", 1 << 30,
	                 "quota_bytes", 2000000000, "disk_free_bytes", 1000000000, "disk_bytes", 2000000000, "nodes", nodes);
}

static void
take(struct top *t, uint64_t mono_ms, json_t *o)
{
	assert_non_null(o);
	top_take(t, &plain, o, mono_ms, NOW);
	json_decref(o);
}

static struct top *
four(void)
{
	struct top *t = top_new();

	take(t, 1000, status(json_pack("[o, o, o, o]", node("police/one", 10, 0, 0, 100), node("city/two", 0, -1, 0, 0), node("school/three", 9000, 5, 30, 100), node("school/four", 100000, 50, 3, 100))));
	return t;
}

static size_t
screen(struct top *t, size_t rows, size_t columns)
{
	size_t n = top_lines(lines, t, &plain, rows, columns);

	assert_in_range(n, 1, rows);
	for (size_t i = 0; i < n; i++) {
		assert_true(cli_width(lines[i].text) <= columns);
		assert_int_equal(text_unclean_at(span_str(lines[i].text), TEXT_LINE), SIZE_MAX);
	}
	return n;
}

/* The names of the nodes in their order, as in "two three". */
static void
assert_order(struct top *t, const char *wanted)
{
	static const char *const names[] = {"police/one", "city/two", "school/three", "school/four"};
	size_t n = screen(t, 30, 100);
	char got[256] = "";

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < 4; k++)
			if (strncmp(lines[i].text, names[k], strlen(names[k])) == 0 && strncmp(lines[i].text, "NODE", 4) != 0)
				(void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", got[0] != '\0' ? " " : "", strchr(names[k], '/') + 1);
	assert_string_equal(got, wanted);
}

static const char *
line_with(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strstr(lines[i].text, text) != NULL)
			return lines[i].text;
	fail_msg("no line has \"%s\"", text);
	return "";
}

static void
figures_stand_above_and_the_worst_first(void **state)
{
	struct top *t = four();
	size_t n = screen(t, 24, 80);

	(void)state;
	assert_int_equal(n, 24);
	assert_ptr_equal(strstr(lines[0].text, "Broker of musterstadt  serving  up 3h03"), lines[0].text);
	assert_non_null(strstr(lines[1].text, "- (1 of 2) 3 cases were taken by nobody in their turns"));
	assert_int_equal(lines[1].look, TOP_WARN);
	assert_string_equal(lines[2].text, "  coordinator."); /* whose move it is stands at the end, and is not cut */
	assert_int_equal(lines[2].look, TOP_WARN);
	assert_string_equal(lines[3].text, "nodes 3 of 4  cases 12 open, 3 overdue  store 1.0 GiB (53 %)  disk 954 MiB free");
	assert_string_equal(lines[4].text, "commits 41.3/s, sync 3.1 ms, longest 12 ms  queues 0 % in, 0 % out");
	assert_string_equal(line_with("flash ", n), "flash         1.5           40          2         55      30s");
	assert_string_equal(line_with("NODE", n), "NODE                      STATE      OLDEST  FLASH URGENT ROUTINE  FLIGHT  OUT/S");
	assert_string_equal(line_with("school/three", n), "school/three              up 2h30       30s      5      0       0       3      -");
	assert_int_equal(lines[23].look, TOP_HEAD);
	assert_ptr_equal(strstr(lines[23].text, "1-4 of 4  q end  s sort: state  r turn  / filter  a only wrong  Enter: one"), lines[23].text);
	take(t, 2000, json_pack("{s:s, s:{s:i, s:i, s:i, s:{s:s, s:i}}}", "state", "serving", "store", "used_bytes", 1 << 30, "quota_bytes", 2000000000, "disk_free_bytes", 1000000000, "fills",
	                        "what", "disk", "left_ms", 18000000));
	n = screen(t, 24, 80);
	assert_non_null(strstr(line_with("nodes 0 of 0", n), "  disk full in 5h00"));
	top_free(&t);
}

static void
keys_sort_turn_and_filter(void **state)
{
	struct top *t = four();

	(void)state;
	assert_order(t, "two four three one"); /* who is silent first, then by what waits */
	assert_int_equal(top_press(t, 's'), TOP_STAYS);
	assert_order(t, "four three two one"); /* unread */
	(void)top_press(t, 's');
	assert_order(t, "three four two one"); /* age; then by name: city before police */
	(void)top_press(t, 'r');
	assert_order(t, "one two four three");
	(void)top_press(t, 'r');
	(void)top_press(t, 's');
	(void)top_press(t, 's');
	assert_order(t, "two one four three"); /* by name */
	(void)top_press(t, 'a');
	assert_order(t, "two four three");
	(void)top_press(t, 'a');
	for (const char *p = "/SCHx"; *p != '\0'; p++)
		(void)top_press(t, (uint32_t)*p);
	assert_order(t, "");
	(void)top_press(t, TOP_KEY_RUBOUT);
	assert_order(t, "four three");
	(void)top_press(t, 'q'); /* is typed */
	assert_order(t, "");
	(void)top_press(t, TOP_KEY_RUBOUT);
	(void)top_press(t, TOP_KEY_ENTER);
	assert_order(t, "four three");
	assert_int_equal(top_press(t, '/'), TOP_STAYS);
	(void)top_press(t, TOP_KEY_ESCAPE);
	assert_order(t, "two one four three");
	assert_int_equal(top_press(t, 'u'), TOP_REFRESH);
	assert_int_equal(top_press(t, 'q'), TOP_ENDS);
	assert_int_equal(top_press(t, 3), TOP_ENDS);
	top_free(&t);
}

static const char *
chosen(struct top *t)
{
	size_t n = screen(t, 24, 80);

	for (size_t i = 0; i < n; i++)
		if (lines[i].chosen)
			return lines[i].text;
	return "";
}

static void
the_chosen_one_stays_chosen_and_is_shown_whole(void **state)
{
	struct top *t = four();
	size_t n;

	(void)state;
	assert_non_null(strstr(chosen(t), "city/two"));
	(void)top_press(t, TOP_KEY_DOWN);
	(void)top_press(t, 'j');
	assert_non_null(strstr(chosen(t), "school/three"));
	(void)top_press(t, 'r');
	assert_non_null(strstr(chosen(t), "school/three"));
	(void)top_press(t, TOP_KEY_ENTER);
	n = screen(t, 24, 80);
	assert_string_equal(line_with("node   ", n), "node         school/three");
	assert_string_equal(line_with("state  ", n), "state        up 2h30");
	assert_string_equal(line_with("flash            5", n), "flash            5     30s            7            9       3     256");
	(void)top_press(t, TOP_KEY_END);
	assert_non_null(strstr(line_with("node   ", screen(t, 24, 80)), "city/two"));
	take(t, 3000, status(json_pack("[o]", node("police/one", 10, 0, 0, 100)))); /* it is gone */
	assert_non_null(strstr(line_with("NODE  ", screen(t, 24, 80)), "STATE"));
	assert_int_equal(top_press(t, 'q'), TOP_ENDS);
	top_free(&t);
}

static void
rates_are_between_two_looks_at_one_connection(void **state)
{
	struct top *t = four();
	size_t n;

	(void)state;
	take(t, 3000, status(json_pack("[o, o, o]", node("police/one", 12, 0, 0, 125), node("school/three", 1, 5, 30, 300), node("school/new", 4, 0, 0, 100))));
	n = screen(t, 24, 80);
	assert_string_equal(line_with("police/one", n) + 75, " 12.5");
	assert_string_equal(line_with("school/three", n) + 75, "    -"); /* another connection */
	assert_string_equal(line_with("school/new", n) + 75, "    -");
	top_free(&t);
}

static void
many_are_scrolled_through(void **state)
{
	struct top *t = top_new();
	json_t *nodes = json_array();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		char id[32];

		(void)snprintf(id, sizeof id, "school/room-%04d", i);
		(void)json_array_append_new(nodes, node(id, 10, 0, 0, 0));
	}
	take(t, 1000, status(nodes));
	assert_non_null(strstr(line_with("1-16 of 1000", screen(t, 24, 80)), "q end"));
	(void)top_press(t, TOP_KEY_PAGE_DOWN);
	assert_non_null(strstr(chosen(t), "room-0016"));
	(void)top_press(t, TOP_KEY_END);
	assert_non_null(strstr(chosen(t), "room-0999"));
	assert_non_null(strstr(line_with("985-1000 of 1000", screen(t, 24, 80)), "q end"));
	(void)top_press(t, TOP_KEY_PAGE_UP);
	(void)top_press(t, TOP_KEY_UP);
	assert_non_null(strstr(chosen(t), "room-0982"));
	(void)top_press(t, TOP_KEY_HOME);
	(void)top_press(t, TOP_KEY_UP);
	assert_non_null(strstr(chosen(t), "room-0000"));
	assert_int_equal(top_lines_most(t), 1016);
	top_free(&t);
}

/* Whatever was written into names, whatever the size, before the first answer and without one. */
static void
every_size_of_a_terminal_holds_its_lines(void **state)
{
	struct top *t = top_new();

	(void)state;
	for (int turn = 0; turn < 4; turn++) {
		for (size_t rows = 1; rows < 40; rows += rows < 12 ? 1 : 7)
			for (size_t columns = 1; columns < 200; columns += columns < 30 ? 1 : 13)
				(void)screen(t, rows, columns);
		if (turn == 0)
			top_trouble(t, "nobody answers " HOSTILE);
		if (turn == 1)
			take(t, 1000, status(json_pack("[o, o]", node("police/w\xc3\xa4rter", 10, 4, 2, 1), json_pack("{s:s%, s:b, s:s%}", "id", "a\x1b[2Jb\tc\n", (size_t)9, "connected", 1, "software", "\x07x", (size_t)2))));
		if (turn == 2)
			(void)top_press(t, TOP_KEY_ENTER);
	}
	top_trouble(t, "nobody answers");
	assert_non_null(strstr(line_with("nobody answers", screen(t, 24, 80)), "! As of "));
	(void)screen(t, 1000, 1000);
	top_free(&t);
}

static void
words_for_sorting_are_known_by_name(void **state)
{
	enum top_sort s;

	(void)state;
	for (int i = 0; i < TOP_SORTS; i++) {
		assert_true(top_sort_of(&s, top_sort_name((enum top_sort)i)));
		assert_int_equal(s, i);
	}
	assert_false(top_sort_of(&s, "size"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_stand_above_and_the_worst_first), cmocka_unit_test(keys_sort_turn_and_filter),
		cmocka_unit_test(the_chosen_one_stays_chosen_and_is_shown_whole), cmocka_unit_test(rates_are_between_two_looks_at_one_connection),
		cmocka_unit_test(many_are_scrolled_through), cmocka_unit_test(every_size_of_a_terminal_holds_its_lines),
		cmocka_unit_test(words_for_sorting_are_known_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
