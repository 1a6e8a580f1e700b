/* What a file in the spool is by its name, when it is whole, and what it is called in the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "clients/partner/core/spooling.h"

#define NOON 1795780800000ull /* 2026-11-27T12:00:00Z */

static void
the_name_says_what_it_is(void **state)
{
	static const struct { const char *name; enum spool_kind kind; } names[] = {
		{"flood.cap.xml", SPOOL_CAP}, {"FLOOD.CAP.XML", SPOOL_CAP}, {"a b.json", SPOOL_JSON}, {"x.JSON", SPOOL_JSON}, {".cap.xml", SPOOL_IGNORED},
		{"flood.xml", SPOOL_UNKNOWN}, {"json", SPOOL_UNKNOWN}, {"readme.txt", SPOOL_UNKNOWN}, {"cap.xml", SPOOL_UNKNOWN}, {"", SPOOL_IGNORED},
		{".flood.json", SPOOL_IGNORED}, {"flood.json~", SPOOL_IGNORED}, {"flood.json.part", SPOOL_IGNORED}, {"flood.json.tmp", SPOOL_IGNORED},
		{"flood.json.filepart", SPOOL_IGNORED}, {"flood.json.PART", SPOOL_IGNORED}, {"tmp", SPOOL_UNKNOWN}, {"a.tmp.json", SPOOL_JSON},
	};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (spool_kind_of(names[i].name) != names[i].kind)
			fail_msg("%s is taken for %d", names[i].name, (int)spool_kind_of(names[i].name));
}

static void
its_own_folders_are_those_at_the_top_alone(void **state)
{
	(void)state;
	assert_true(spool_is_own("sent"));
	assert_true(spool_is_own("failed"));
	assert_false(spool_is_own("alert/sent"));
	assert_false(spool_is_own("sent/alert"));
	assert_false(spool_is_own("alert"));
	assert_false(spool_is_own(""));
}

static void
a_name_that_is_taken_gets_the_time_and_then_a_number_before_its_ending(void **state)
{
	char out[SPOOL_NAME_MAX + 1];

	(void)state;
	spool_name(out, "flood.cap.xml", NOON + 7, 0);
	assert_string_equal(out, "flood.cap.xml");
	spool_name(out, "flood.cap.xml", NOON + 7, 1);
	assert_string_equal(out, "flood-20261127T120000007Z.cap.xml");
	spool_name(out, "flood.cap.xml", NOON + 7, 2);
	assert_string_equal(out, "flood-20261127T120000007Z-2.cap.xml");
	spool_name(out, "flood.json", NOON, 1);
	assert_string_equal(out, "flood-20261127T120000000Z.json");
	spool_name(out, "flood", NOON, 1);
	assert_string_equal(out, "flood-20261127T120000000Z");
}

static void
a_long_name_is_cut_at_a_whole_character_so_that_its_note_fits(void **state)
{
	char name[SPOOL_NAME_MAX + 1], out[SPOOL_NAME_MAX + 1], first[SPOOL_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i + 2 < 246; i += 2)
		memcpy(name + i, "\xC3\xBC", 3); /* ü */
	memcpy(name + 244, "x.json", 7);
	for (uint32_t n = 0; n < 100; n++) {
		size_t len;

		spool_name(out, name, NOON, n);
		len = strlen(out);
		assert_true(len + SPOOL_NOTE_MAX <= SPOOL_NAME_MAX);
		assert_true(len > 200);
		assert_string_equal(out + len - 5, ".json");
		for (size_t i = 0; i < len; i++) /* no half of a character */
			if ((unsigned char)out[i] == 0xC3)
				assert_int_equal((unsigned char)out[i + 1], 0xBC);
		if (n == 1)
			memcpy(first, out, sizeof first);
		if (n > 1)
			assert_string_not_equal(out, first);
	}
}

static void
a_file_is_whole_when_its_own_time_lies_two_seconds_back(void **state)
{
	struct spool_look look = {1, 100, (int64_t)NOON * 1000000};

	(void)state;
	assert_false(spool_quiet(&look, NOON, NULL, 0, 0));
	assert_false(spool_quiet(&look, NOON + SPOOL_QUIET_MS - 1, NULL, 0, 0));
	assert_true(spool_quiet(&look, NOON + SPOOL_QUIET_MS, NULL, 0, 0));
}

static void
where_the_clocks_contradict_each_other_what_was_seen_counts(void **state)
{
	struct spool_look look = {1, 100, (int64_t)(NOON + 3600000) * 1000000}, other = look;

	(void)state;
	assert_false(spool_quiet(&look, NOON, &look, 5000, 5000 + SPOOL_QUIET_MS - 1));
	assert_true(spool_quiet(&look, NOON, &look, 5000, 5000 + SPOOL_QUIET_MS));
	other.size++;
	assert_false(spool_quiet(&look, NOON, &other, 5000, 500000));
	other = look;
	other.file++; /* another file under the same name */
	assert_false(spool_quiet(&look, NOON, &other, 5000, 500000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_name_says_what_it_is),
		cmocka_unit_test(its_own_folders_are_those_at_the_top_alone),
		cmocka_unit_test(a_name_that_is_taken_gets_the_time_and_then_a_number_before_its_ending),
		cmocka_unit_test(a_long_name_is_cut_at_a_whole_character_so_that_its_note_fits),
		cmocka_unit_test(a_file_is_whole_when_its_own_time_lies_two_seconds_back),
		cmocka_unit_test(where_the_clocks_contradict_each_other_what_was_seen_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
