/* What of a status is shown on a terminal of so many lines: never more than has room, never a sentence less, and what is about nothing wrong goes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "clients/cli/standing_fit.h"

#define NODES_MAX 1000
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { HEAD, AGREEMENT, FINGERPRINT, STORE, DISK, BACKUP, COMMITS, RUNNING, STORED, CONFIG, LANES, PARTS };

/* As a broker's: each fault is a sentence of two lines, facts are a line each. */
static void
begin(struct fit_part parts[PARTS], size_t faults)
{
	static const enum fit_keep keeps[PARTS] = {FIT_ALWAYS, FIT_STATE, FIT_SETTING, FIT_STATE, FIT_STATE, FIT_STATE, FIT_FLOW, FIT_FLOW, FIT_FLOW, FIT_SETTING, FIT_FLOW};

	for (size_t i = 0; i < PARTS; i++)
		parts[i] = (struct fit_part){.lines = 1, .group = i == HEAD ? 0 : i == LANES ? 2 : 1, .keep = keeps[i]};
	parts[HEAD].lines = 1 + 2 * faults;
	parts[LANES].lines = 4;
	if (faults > 0)
		parts[DISK].keep = FIT_WRONG;
}

static struct fit_table
nodes_of(size_t nodes, size_t about)
{
	static size_t lines[NODES_MAX];

	for (size_t i = 0; i < NODES_MAX; i++)
		lines[i] = 1;
	return (struct fit_table){.head = 1, .foot = 1, .lines = lines, .rows = nodes, .about = about < nodes ? about : nodes};
}

static size_t
lines_shown(const struct fit_part *parts, const struct fit_table *t)
{
	size_t lines = 0, table = (t->shown > 0 ? t->head : 0) + t->shown + (t->foot_shown ? t->foot : 0);
	unsigned group = parts[HEAD].group;

	for (size_t i = 0; i < PARTS; i++) {
		if (!parts[i].shown)
			continue;
		lines += parts[i].lines + (parts[i].group != group);
		group = parts[i].group;
	}
	return lines + table + (table > 0);
}

static size_t
parts_shown(const struct fit_part *parts, enum fit_keep keep)
{
	size_t n = 0;

	for (size_t i = 0; i < PARTS; i++)
		n += parts[i].keep == keep && parts[i].shown;
	return n;
}

/* What must hold of every answer. */
static void
look_at_it(size_t height, size_t nodes, size_t faults)
{
	size_t room = height > 0 ? height - 1 : 0, lines;
	struct fit_part parts[PARTS];
	struct fit_table t = nodes_of(nodes, faults);
	bool fits;

	begin(parts, faults);
	fits = fit(parts, PARTS, &t, room);
	lines = lines_shown(parts, &t);
	assert_true(parts[HEAD].shown);
	assert_true(t.shown <= t.rows);
	if (room == 0) {
		assert_true(fits);
		for (size_t i = 0; i < PARTS; i++)
			assert_true(parts[i].shown);
		assert_int_equal(t.shown, nodes);
		assert_false(t.foot_shown);
		return;
	}
	assert_int_equal(fits, parts[HEAD].lines <= room);
	if (!fits) {
		assert_int_equal(lines, parts[HEAD].lines); /* nothing pushes it up further */
		return;
	}
	if (lines > room)
		fail_msg("%zu lines on a terminal of %zu with %zu nodes and %zu faults", lines, height, nodes, faults);
	assert_true(t.shown == nodes || t.foot_shown || lines + 2 > room); /* that there are more is not kept quiet while there is room to say it */
	if (parts_shown(parts, FIT_FLOW) > 0) {
		assert_int_equal(parts_shown(parts, FIT_SETTING), 2);
		assert_true(t.shown >= t.about);
	}
	if (parts_shown(parts, FIT_SETTING) > 0)
		assert_int_equal(parts_shown(parts, FIT_STATE), faults > 0 ? 3 : 4);
	if (parts_shown(parts, FIT_STATE) > 0 && faults > 0)
		assert_true(parts[DISK].shown);
	if (nodes > 0 && t.shown < nodes && t.shown > 0)
		assert_true(lines + 1 > room); /* as many as have room */
}

/* ---- tests ---- */

static void
it_never_shows_more_than_has_room_nor_a_sentence_less(void **state)
{
	static const size_t nodes[] = {0, 1, 4, 5, 40, 1000}, faults[] = {0, 1, 2, 7, 12};

	(void)state;
	for (size_t height = 0; height <= 60; height++)
		for (size_t n = 0; n < COUNT(nodes); n++)
			for (size_t f = 0; f < COUNT(faults); f++)
				look_at_it(height, nodes[n], faults[f]);
}

/* Every height that people have, with what they then see. */
static void
what_is_seen_at_the_heights_that_people_have(void **state)
{
	static const struct { size_t height, nodes, faults, flow, setting, state, rows, foot; bool fits; } seen[] = {
		{24, 0, 0, 4, 2, 4, 0, 0, true},
		{24, 4, 0, 4, 2, 4, 4, 0, true}, /* all of it */
		{24, 40, 0, 4, 2, 4, 4, 1, true},
		{24, 1000, 0, 4, 2, 4, 4, 1, true},
		{24, 40, 1, 4, 2, 3, 2, 1, true},
		{24, 1000, 12, 0, 0, 0, 0, 0, false}, /* twelve sentences of two lines and the verdict are 25 */
		{10, 0, 0, 1, 2, 4, 0, 0, true},
		{10, 4, 0, 0, 1, 4, 0, 1, true},
		{10, 4, 1, 0, 0, 2, 0, 1, true}, /* and the disk, which it is about */
		{10, 1000, 12, 0, 0, 0, 0, 0, false},
		{50, 40, 0, 4, 2, 4, 30, 1, true},
		{50, 40, 12, 2, 2, 3, 12, 1, true},
		{50, 1000, 12, 2, 2, 3, 12, 1, true},
		{0, 1000, 12, 4, 2, 3, 1000, 0, true}, /* a pipe */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(seen); i++) {
		struct fit_table t = nodes_of(seen[i].nodes, seen[i].faults);
		struct fit_part parts[PARTS];
		bool fits;

		begin(parts, seen[i].faults);
		fits = fit(parts, PARTS, &t, seen[i].height > 0 ? seen[i].height - 1 : 0);
		if (fits != seen[i].fits || parts_shown(parts, FIT_FLOW) != seen[i].flow || parts_shown(parts, FIT_SETTING) != seen[i].setting ||
		    parts_shown(parts, FIT_STATE) != seen[i].state || t.shown != seen[i].rows || t.foot_shown != (seen[i].foot > 0))
			fail_msg("height %zu, %zu nodes, %zu faults: %zu %zu %zu, %zu rows, %d", seen[i].height, seen[i].nodes, seen[i].faults, parts_shown(parts, FIT_FLOW),
			         parts_shown(parts, FIT_SETTING), parts_shown(parts, FIT_STATE), t.shown, t.foot_shown);
	}
}

static void
rows_of_several_lines_and_those_that_are_not_here_count(void **state)
{
	static const size_t lines[] = {3, 1, 1};
	struct fit_part head = {.lines = 1, .keep = FIT_ALWAYS};
	struct fit_table t = {.head = 1, .foot = 1, .lines = lines, .rows = 3};

	(void)state;
	assert_true(fit(&head, 1, &t, 8)); /* verdict, blank, head, 3 + 1 + 1 */
	assert_int_equal(t.shown, 3);
	assert_false(t.foot_shown);
	t.more = true;
	assert_true(fit(&head, 1, &t, 8));
	assert_int_equal(t.shown, 2);
	assert_true(t.foot_shown);
	assert_true(fit(&head, 1, &t, 6)); /* the first has no room, so none is shown: they stand in order */
	assert_int_equal(t.shown, 0);
	assert_true(t.foot_shown);
	assert_true(fit(&head, 1, &t, 2));
	assert_false(t.foot_shown);
	t.foot = 2; /* a narrow terminal */
	assert_true(fit(&head, 1, &t, 3));
	assert_false(t.foot_shown);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_never_shows_more_than_has_room_nor_a_sentence_less),
		cmocka_unit_test(what_is_seen_at_the_heights_that_people_have),
		cmocka_unit_test(rows_of_several_lines_and_those_that_are_not_here_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
