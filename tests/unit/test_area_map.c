/* What an alert's areas look like as characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "clients/cli/area_map.h"
#include "clients/cli/cli.h"

/* The caller frees it. */
static char *
drawn(const char *json, struct area_map_format format)
{
	json_t *shapes = json_loads(json, 0, NULL);
	struct buf out = BUF_INIT(1u << 20);
	char *text;

	assert_non_null(shapes);
	area_map_put(&out, shapes, &format);
	text = strdup(out.len > 0 ? cli_text(&out) : "");
	assert_non_null(text);
	buf_free(&out);
	json_decref(shapes);
	return text;
}

static const struct area_map_format ascii = {.columns = 12, .lines = 6, .unicode = false, .indent = "  ", .room = 0}, braille = {20, 6, true, "", 0};

static void
assert_drawn(const char *json, const struct area_map_format *format, const char *expected)
{
	char *text = drawn(json, *format);

	if (strcmp(text, expected) != 0)
		print_message("%s", text);
	assert_string_equal(text, expected);
	free(text);
}

static void
a_square_is_as_high_as_wide_with_its_scale_and_middle(void **state)
{
	(void)state;
	assert_drawn("[{\"polygon\": \"0,0 0,0.1 0.1,0.1 0.1,0 0,0\"}]", &ascii,
	             "  ###########\n"
	             "  ###########\n"
	             "  ###########\n"
	             "  ###########\n"
	             "  ###########\n"
	             "  ###########\n"
	             "  |--| 5 km  geo:0.05000,0.05000\n");
}

static void
two_places_are_two_and_what_a_border_leaves_out_is_empty(void **state)
{
	(void)state;
	assert_drawn("[{\"circle\": \"52.5,13.2 4\"}, {\"circle\": \"52.5,13.6 4\"}]", &ascii,
	             "  \n"
	             "   ##      ##\n"
	             "  |----| 20 km  geo:52.50000,13.40000\n");
	assert_drawn("[{\"polygon\": \"0,0 0,0.1 0.02,0.1 0.02,0.02 0.1,0.02 0.1,0 0,0\"}]", &ascii,
	             "  ###\n"
	             "  ###\n"
	             "  ###\n"
	             "  ###\n"
	             "  ###########\n"
	             "  ###########\n"
	             "  |--| 5 km  geo:0.05000,0.05000\n");
}

static void
both_sides_of_the_date_line_lie_together(void **state)
{
	(void)state;
	assert_drawn("[{\"polygon\": \"-17,179.9 -17,-179.9 -17.1,-179.9 -17.1,179.9 -17,179.9\"}]", &ascii,
	             "  ############\n"
	             "  ############\n"
	             "  ############\n"
	             "  ############\n"
	             "  |---| 10 km  geo:-17.05000,180.00000\n");
}

static void
what_is_smaller_than_a_dot_is_seen(void **state)
{
	(void)state;
	assert_drawn("[{\"circle\": \"52.516,13.377 0\"}]", &ascii,
	             "  #\n"
	             "  |--| 20 m  geo:52.51600,13.37700\n");
	assert_drawn("[{\"circle\": \"54,13.377 0\"}, {\"circle\": \"50,13.377 100\"}]", &braille,
	             "⠀⠀⠁⠀⠀\n"
	             "⠀⠀⠀⠀⠀\n"
	             "⠀⠀⠀⠀⠀\n"
	             "⠀⢀⣀⠀⠀\n"
	             "⣼⣿⣿⣿⡄\n"
	             "⠘⠿⠿⠟⠁\n"
	             "├─────────┤ 500 km  geo:51.55034,13.37700\n");
}

static void
what_is_no_shape_is_left_out(void **state)
{
	static const char *const none[] = {"[]", "{}", "[1, null, \"x\"]", "[{\"polygon\": \"0,0 0,1\"}]", "[{\"polygon\": \"91,0 0,1 1,1 91,0\"}]", "[{\"circle\": \"0,0\"}]",
	                                   "[{\"circle\": \"0,0 -1\"}]", "[{\"circle\": \"nan,0 1\"}]", "[{\"polygon\": 7}]"};

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		assert_drawn(none[i], &ascii, "");
	assert_drawn("[{\"circle\": \"0,0\"}, {\"circle\": \"52.516,13.377 0\"}]", &ascii, "  #\n  |--| 20 m  geo:52.51600,13.37700\n");
}

static void
what_does_not_fit_beside_the_scale_stands_below_it(void **state)
{
	static const char point[] = "[{\"circle\": \"52.516,13.377 0\"}]";
	struct area_map_format narrow = {8, 3, false, " ", 32};

	(void)state;
	assert_drawn(point, &narrow, " #\n |--| 20 m  geo:52.51600,13.37700\n");
	narrow.room = 31;
	assert_drawn(point, &narrow, " #\n |--| 20 m\n geo:52.51600,13.37700\n");
}

/* However large, however many: no line is wider than asked for, nor are there more. */
static void
the_whole_earth_fits(void **state)
{
	static const char *const all[] = {"[{\"circle\": \"0,0 20038\"}]", "[{\"circle\": \"90,180 20038\"}, {\"circle\": \"-90,-180 20038\"}]",
	                                  "[{\"polygon\": \"90,-180 90,180 -90,180 -90,-180 90,-180\"}]", "[{\"polygon\": \"90,0 -90,0 90,0 90,0\"}]",
	                                  "[{\"polygon\": \"0,-180 0,180 0,-180 0,-180\"}]"};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		for (int unicode = 0; unicode < 2; unicode++) {
			const struct area_map_format f = {8, 3, unicode == 1, "", 0};
			char *text = drawn(all[i], f), *line = text;
			size_t lines = 0;

			for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1, lines++) {
				*end = '\0';
				assert_true(text_unclean_at(span_str(line), TEXT_LINE) == SIZE_MAX);
				assert_true(cli_width(line) <= 8 || strstr(line, "geo:") != NULL);
			}
			assert_in_range(lines, 2, 4);
			free(text);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_square_is_as_high_as_wide_with_its_scale_and_middle),
		cmocka_unit_test(two_places_are_two_and_what_a_border_leaves_out_is_empty),
		cmocka_unit_test(both_sides_of_the_date_line_lie_together),
		cmocka_unit_test(what_is_smaller_than_a_dot_is_seen),
		cmocka_unit_test(what_is_no_shape_is_left_out),
		cmocka_unit_test(what_does_not_fit_beside_the_scale_stands_below_it),
		cmocka_unit_test(the_whole_earth_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
