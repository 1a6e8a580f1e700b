/* Responsibility: who has a matter at which hour, in which order, and what the text may not say of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "agreement_fixture.h"
#include "base/text.h"
#include "certs/agreement_parts.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MINUTE_MS (60ull * 1000)

/* What the fixture's topic request/noise/# says of responsibility, and the lines that take its place. */
static const char two_entries[] =
	"      - {who: city/public-order, hours: \"Mo-Su 06:00-22:00\", take_within: 10m}\n"
	"      - {who: police/control-room, take_within: 5m}\n";

static struct agreement *
with_line(const char *entries)
{
	return fixture_agreement(fixture_text, two_entries, entries);
}

static uint64_t
ms(const char *time)
{
	uint64_t out = 0;

	assert_int_equal(text_time_ms(&out, time, "time", NULL), KW_OK);
	return out;
}

/* "city/public-order 0, police/control-room 1, city/crime-prevention 2": nodes and rules; a deputy has a + behind its rule. */
static void
assert_line_on(const struct agreement *a, const char *topic, const char *time, const char *expected)
{
	struct agreement_turn turns[AGREEMENT_LINE_MAX];
	uint32_t n = agreement_line(turns, a, topic, ms(time));
	char text[2000] = "";

	for (uint32_t i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s %u%s", i > 0 ? ", " : "", agreement_node_id(a, turns[i].node), turns[i].rule,
		         turns[i].deputy ? "+" : "");
	if (strcmp(text, expected) != 0)
		fail_msg("%s at %s\n gave \"%s\"\n not  \"%s\"", topic, time, text, expected);
}

static void
assert_line(const struct agreement *a, const char *time, const char *expected)
{
	assert_line_on(a, "request/noise/west", time, expected);
}

/* [A-6] */
static void
the_line_is_who_matches_in_order_and_at_last_the_coordinator(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct agreement_turn turns[AGREEMENT_LINE_MAX];

	(void)state;
	assert_line(a, "2026-12-08T12:00:00+01:00", "city/public-order 0, police/control-room 1, city/crime-prevention 2");
	assert_line(a, "2026-12-08T22:00:00+01:00", "police/control-room 1, city/crime-prevention 2");
	assert_int_equal(agreement_line(turns, a, "request/noise/west", ms("2026-12-08T12:00:00+01:00")), 3);
	assert_int_equal(turns[0].take_within_ms, 10 * MINUTE_MS);
	assert_int_equal(turns[1].take_within_ms, 5 * MINUTE_MS);
	assert_int_equal(turns[2].take_within_ms, 15 * MINUTE_MS);
	assert_line_on(a, "alert/fire", "2026-12-08T12:00:00+01:00", "city/crime-prevention 0");
	assert_line_on(a, "weather", "2026-12-08T12:00:00+01:00", "");
	assert_line_on(a, "request/noise/#", "2026-12-08T12:00:00+01:00", "");
	agreement_free(&a);
}

static void
each_is_followed_by_its_deputies_and_stands_once(void **state)
{
	struct agreement *a = with_line("      - {who: city/public-order, hours: \"Mo-Su 06:00-22:00\", deputies: [city/crime-prevention, police/control-room], take_within: 10m}\n"
	                                "      - {who: police/control-room, deputies: [city/public-order], take_within: 5m}\n");

	(void)state;
	assert_line(a, "2026-12-08T12:00:00+01:00", "city/public-order 0, city/crime-prevention 0+, police/control-room 0+");
	assert_line(a, "2026-12-08T23:00:00+01:00", "police/control-room 1, city/public-order 1+, city/crime-prevention 2");
	agreement_free(&a);
}

static void
a_topic_can_say_once_how_long_everybody_has(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, "    responsible:\n      - {who: city/public-order, hours: \"Mo-Su 06:00-22:00\", take_within: 10m}\n"
	                                        "      - {who: police/control-room, take_within: 5m}\n",
	                                        "    take_within: 7m\n    responsible:\n      - {who: city/public-order, take_within: 10m}\n      - {who: police/control-room}\n");
	struct agreement_turn turns[AGREEMENT_LINE_MAX];

	(void)state;
	assert_int_equal(agreement_line(turns, a, "request/noise/west", ms("2026-12-08T12:00:00+01:00")), 3);
	assert_int_equal(turns[0].take_within_ms, 10 * MINUTE_MS);
	assert_int_equal(turns[1].take_within_ms, 7 * MINUTE_MS);
	agreement_free(&a);
	a = fixture_agreement(fixture_text, "topics:\n", "coordinator_within: 40m\ntopics:\n");
	assert_int_equal(agreement_line(turns, a, "request/noise/west", ms("2026-12-08T12:00:00+01:00")), 3);
	assert_int_equal(turns[2].take_within_ms, 40 * MINUTE_MS);
	agreement_free(&a);
}

static void
an_area_is_a_level_of_the_topic(void **state)
{
	struct agreement *a = with_line("      - {who: city/public-order, area: {level: 3, is: [mitte, west]}, take_within: 10m}\n"
	                                "      - {who: police/control-room, area: {level: 4, is: [\"08111000\"]}, take_within: 5m}\n");

	(void)state;
	assert_line_on(a, "request/noise/west", "2026-12-08T12:00:00+01:00", "city/public-order 0, city/crime-prevention 2");
	assert_line_on(a, "request/noise/mitte/08111000", "2026-12-08T12:00:00+01:00", "city/public-order 0, police/control-room 1, city/crime-prevention 2");
	assert_line_on(a, "request/noise/east/08111000/x", "2026-12-08T12:00:00+01:00", "police/control-room 1, city/crime-prevention 2");
	assert_line_on(a, "request/noise/wes", "2026-12-08T12:00:00+01:00", "city/crime-prevention 2");
	assert_line_on(a, "request/noise/west-end", "2026-12-08T12:00:00+01:00", "city/crime-prevention 2");
	assert_line_on(a, "request/noise", "2026-12-08T12:00:00+01:00", "city/crime-prevention 2");
	agreement_free(&a);
}


/* ---- hours, day by day ---- */

/* Who is first at each of these times: D the day's entry, N the night's, H the one of public holidays, . the coordinator. */
struct moment {
	const char *time;
	char first;
};

static void
assert_first(const struct agreement *a, const struct moment *moments, size_t n, const char *letters)
{
	for (size_t i = 0; i < n; i++) {
		struct agreement_turn turns[AGREEMENT_LINE_MAX];
		uint32_t count = agreement_line(turns, a, "request/noise/west", ms(moments[i].time));
		char got = count > 0 && turns[0].rule < strlen(letters) ? letters[turns[0].rule] : '.';

		if (got != moments[i].first)
			fail_msg("%s: %c, not %c", moments[i].time, got, moments[i].first);
	}
}

static void
hours_are_local_on_both_sides_of_a_clock_change(void **state)
{
	struct agreement *a = with_line("      - {who: city/public-order, hours: \"Mo-Su 06:00-22:00\", take_within: 10m}\n"
	                                "      - {who: police/control-room, hours: \"Mo-Su 22:00-06:00\", take_within: 5m}\n");
	static const struct moment moments[] = {
		{"2027-03-27T04:59:59Z", 'N'}, {"2027-03-27T05:00:00Z", 'D'}, {"2027-03-27T20:59:59Z", 'D'}, {"2027-03-27T21:00:00Z", 'N'},
		/* 02:00 becomes 03:00: that night lasts seven hours */
		{"2027-03-28T00:59:59Z", 'N'}, {"2027-03-28T01:00:00Z", 'N'}, {"2027-03-28T03:59:59Z", 'N'}, {"2027-03-28T04:00:00Z", 'D'}, {"2027-03-28T19:59:59Z", 'D'},
		{"2027-03-28T20:00:00Z", 'N'},
		/* 03:00 becomes 02:00: that one nine */
		{"2027-10-30T19:59:59Z", 'D'}, {"2027-10-30T20:00:00Z", 'N'}, {"2027-10-31T00:30:00Z", 'N'}, {"2027-10-31T01:30:00Z", 'N'}, {"2027-10-31T04:59:59Z", 'N'},
		{"2027-10-31T05:00:00Z", 'D'},
		/* long ago and far ahead, with the rules of then */
		{"2020-07-01T03:59:59Z", 'N'}, {"2020-07-01T04:00:00Z", 'D'}, {"2199-07-01T04:00:00Z", 'D'}, {"2199-07-01T03:59:59Z", 'N'}, {"2199-01-01T05:00:00Z", 'D'},
	};

	(void)state;
	assert_first(a, moments, COUNT(moments), "DN");
	agreement_free(&a);
}

static void
an_hour_that_the_clocks_skip_is_nobodys_and_one_that_comes_twice_is_held_twice(void **state)
{
	struct agreement *a = with_line("      - {who: city/public-order, hours: \"Su 02:15-02:45\", take_within: 10m}\n");
	static const struct moment moments[] = {
		{"2027-03-28T00:59:59Z", '.'}, {"2027-03-28T01:00:00Z", '.'}, {"2027-03-28T01:15:00Z", '.'}, {"2027-03-28T01:44:59Z", '.'},
		{"2027-10-31T00:14:59Z", '.'}, {"2027-10-31T00:15:00Z", 'D'}, {"2027-10-31T00:44:59Z", 'D'}, {"2027-10-31T00:45:00Z", '.'},
		{"2027-10-31T01:14:59Z", '.'}, {"2027-10-31T01:15:00Z", 'D'}, {"2027-10-31T01:44:59Z", 'D'}, {"2027-10-31T01:45:00Z", '.'},
		{"2027-11-07T01:15:00Z", 'D'},
	};

	(void)state;
	assert_first(a, moments, COUNT(moments), "D");
	agreement_free(&a);
}

static void
a_leap_day_is_a_day_as_any(void **state)
{
	struct agreement *a = with_line("      - {who: city/public-order, hours: \"Tu 22:00-06:00\", take_within: 10m}\n"
	                                "      - {who: police/control-room, hours: \"We 06:00-22:00\", take_within: 5m}\n");
	static const struct moment moments[] = { /* 2028-02-29 is a Tuesday */
		{"2028-02-29T21:59:59+01:00", '.'}, {"2028-02-29T22:00:00+01:00", 'D'}, {"2028-02-29T23:59:59+01:00", 'D'}, {"2028-03-01T00:00:00+01:00", 'D'},
		{"2028-03-01T05:59:59+01:00", 'D'}, {"2028-03-01T06:00:00+01:00", 'N'}, {"2028-03-01T22:00:00+01:00", '.'},
		{"2027-03-02T22:00:00+01:00", 'D'}, {"2100-03-02T22:00:00+01:00", 'D'}, {"2100-03-03T06:00:00+01:00", 'N'},
	};

	(void)state;
	assert_first(a, moments, COUNT(moments), "DN");
	agreement_free(&a);
}

#define HOLIDAYS "holidays: [2026-12-25, 2026-12-26, 2027-03-28, 2027-10-31]\n"

static struct agreement *
with_holidays(const char *entries)
{
	struct buf text = BUF_INIT(1u << 16);
	struct agreement *a;
	const char *at = strstr(fixture_text, two_entries);

	assert_non_null(at);
	buf_put_str(&text, HOLIDAYS);
	buf_put(&text, fixture_text, (size_t)(at - fixture_text));
	buf_put_str(&text, entries);
	buf_put_str(&text, at + strlen(two_entries));
	a = fixture_agreement(buf_text(&text), NULL, NULL);
	buf_free(&text);
	return a;
}

static void
an_entry_that_names_holidays_goes_by_them_and_any_other_by_the_weekday(void **state)
{
	struct agreement *a = with_holidays("      - {who: city/public-order, hours: \"Mo-Fr 08:00-18:00; Sa 10:00-14:00; PH 11:00-12:00\", take_within: 10m}\n"
	                                    "      - {who: police/control-room, hours: \"Mo-Fr 08:00-18:00\", take_within: 5m}\n");
	static const struct moment moments[] = {
		{"2026-12-24T08:00:00+01:00", 'D'}, /* Thursday */
		{"2026-12-25T08:00:00+01:00", 'N'}, /* Friday, a holiday: the first names PH, the second does not */
		{"2026-12-25T11:00:00+01:00", 'D'}, {"2026-12-25T11:59:59+01:00", 'D'}, {"2026-12-25T12:00:00+01:00", 'N'}, {"2026-12-25T18:00:00+01:00", '.'},
		{"2026-12-26T10:00:00+01:00", '.'}, {"2026-12-26T11:00:00+01:00", 'D'}, /* Saturday, a holiday */
		{"2026-12-27T11:00:00+01:00", '.'}, /* Sunday, none */
		{"2027-03-28T11:00:00+02:00", 'D'}, {"2027-03-28T10:59:59+02:00", '.'}, /* a holiday on a Sunday on which the clocks go forward */
		{"2027-10-31T11:00:00+01:00", 'D'}, {"2027-10-31T12:00:00+01:00", '.'},
	};

	(void)state;
	assert_first(a, moments, COUNT(moments), "DN");
	assert_true(agreement_is_holiday(a, ms("2026-12-24T23:00:00Z")));
	assert_false(agreement_is_holiday(a, ms("2026-12-24T22:59:59Z")));
	assert_false(agreement_is_holiday(a, ms("2026-12-26T23:00:00Z")));
	agreement_free(&a);
}

static void
a_night_belongs_to_the_day_on_which_it_begins(void **state)
{
	struct agreement *a = with_holidays("      - {who: city/public-order, hours: \"Mo-Su 22:00-06:00; PH off\", take_within: 10m}\n"
	                                    "      - {who: police/control-room, hours: \"PH 22:00-06:00\", take_within: 5m}\n");
	static const struct moment moments[] = {
		{"2026-12-24T23:00:00+01:00", 'D'}, {"2026-12-25T05:59:59+01:00", 'D'}, /* begun on Thursday, runs into the holiday */
		{"2026-12-25T06:00:00+01:00", '.'}, {"2026-12-25T22:00:00+01:00", 'N'}, {"2026-12-26T05:59:59+01:00", 'N'}, {"2026-12-26T23:00:00+01:00", 'N'},
		{"2026-12-27T05:59:59+01:00", 'N'}, /* begun on the holiday, runs into the Sunday */
		{"2026-12-27T22:00:00+01:00", 'D'},
		/* the night of the clock change is the Saturday's; its end lies on the holiday */
		{"2027-03-27T22:00:00+01:00", 'D'}, {"2027-03-28T01:59:59+01:00", 'D'}, {"2027-03-28T03:00:00+02:00", 'D'}, {"2027-03-28T05:59:59+02:00", 'D'},
		{"2027-03-28T06:00:00+02:00", '.'}, {"2027-03-28T22:00:00+02:00", 'N'}, {"2027-03-29T05:59:59+02:00", 'N'}, {"2027-03-29T06:00:00+02:00", '.'},
		{"2027-10-30T22:00:00+02:00", 'D'}, {"2027-10-31T02:30:00+02:00", 'D'}, {"2027-10-31T02:30:00+01:00", 'D'}, {"2027-10-31T05:59:59+01:00", 'D'},
		{"2027-10-31T06:00:00+01:00", '.'}, {"2027-10-31T22:00:00+01:00", 'N'},
	};

	(void)state;
	assert_first(a, moments, COUNT(moments), "DN");
	agreement_free(&a);
}

static void
another_place_has_another_time(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, "topics:\n", "time_zone: America/New_York\ntopics:\n");
	static const struct moment moments[] = {
		{"2026-12-08T10:59:59Z", 'N'}, {"2026-12-08T11:00:00Z", 'D'}, {"2026-12-09T02:59:59Z", 'D'}, {"2026-12-09T03:00:00Z", 'N'},
		{"2027-03-14T09:59:59Z", 'N'}, {"2027-03-14T10:00:00Z", 'D'}, /* its clocks go forward two weeks before Berlin's */
	};

	(void)state;
	assert_string_equal(agreement_time_zone(a), "America/New_York");
	assert_first(a, moments, COUNT(moments), "DN");
	agreement_free(&a);
	a = fixture_agreement(fixture_text, NULL, NULL);
	assert_string_equal(agreement_time_zone(a), "Europe/Berlin");
	agreement_free(&a);
}

/* The line of each minute over two years, as a slow and plain reckoning by glibc has it. */
static void
every_minute_of_two_years_is_as_a_plain_reckoning_has_it(void **state)
{
	struct agreement *a = with_holidays("      - {who: city/public-order, hours: \"Mo-Fr 07:30-12:00,13:15-18:00; Sa 09:00-13:00; PH off\", take_within: 10m}\n"
	                                    "      - {who: police/control-room, hours: \"Fr-Su 21:45-04:30\", take_within: 5m}\n");
	static const char *const holidays[] = {"2026-12-25", "2026-12-26", "2027-03-28", "2027-10-31"};

	(void)state;
	assert_int_equal(setenv("TZ", "Europe/Berlin", 1), 0);
	tzset();
	for (time_t at = (time_t)(ms("2026-06-01T00:00:00Z") / 1000), end = (time_t)(ms("2028-06-01T00:00:00Z") / 1000); at < end; at += 60) {
		struct agreement_turn turns[AGREEMENT_LINE_MAX];
		struct tm tm;
		char date[16];
		bool holiday = false, day, night;
		int minute;
		uint32_t count, expected;

		assert_non_null(localtime_r(&at, &tm));
		(void)strftime(date, sizeof date, "%Y-%m-%d", &tm);
		for (size_t i = 0; i < COUNT(holidays); i++)
			holiday |= strcmp(date, holidays[i]) == 0;
		minute = tm.tm_hour * 60 + tm.tm_min;
		day = !holiday && ((tm.tm_wday >= 1 && tm.tm_wday <= 5 && ((minute >= 450 && minute < 720) || (minute >= 795 && minute < 1080))) ||
		                   (tm.tm_wday == 6 && minute >= 540 && minute < 780));
		night = (minute >= 1305 && (tm.tm_wday == 5 || tm.tm_wday == 6 || tm.tm_wday == 0)) || (minute < 270 && (tm.tm_wday == 6 || tm.tm_wday == 0 || tm.tm_wday == 1));
		count = agreement_line(turns, a, "request/noise/west", (uint64_t)at * 1000);
		expected = 1u + day + night;
		if (count != expected || (day && turns[0].rule != 0) || (!day && night && turns[0].rule != 1))
			fail_msg("%s %02d:%02d: %u in the line, not %u", date, tm.tm_hour, tm.tm_min, count, expected);
	}
	agreement_free(&a);
}

static void
the_line_stays_the_same_until_it_is_said_to_change(void **state)
{
	struct agreement *a = with_holidays("      - {who: city/public-order, hours: \"Mo-Fr 06:00-22:00; PH off\", take_within: 10m}\n"
	                                    "      - {who: police/control-room, take_within: 5m}\n");
	static const char *const untils[][2] = {
		{"2026-12-08T12:00:00+01:00", "2026-12-08T22:00:00+01:00"}, {"2026-12-08T21:59:59.999+01:00", "2026-12-08T22:00:00+01:00"},
		{"2026-12-08T22:00:00+01:00", "2026-12-09T06:00:00+01:00"}, {"2026-12-11T23:00:00+01:00", "2026-12-14T06:00:00+01:00"},
		{"2026-12-24T22:00:00+01:00", "2026-12-28T06:00:00+01:00"}, {"2027-03-26T22:30:00+01:00", "2027-03-29T06:00:00+02:00"},
		{"2027-10-29T22:30:00+02:00", "2027-11-01T06:00:00+01:00"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(untils); i++) {
		uint64_t until = agreement_line_until(a, "request/noise/west", ms(untils[i][0]));
		char text[TEXT_TIME_MAX];

		text_put_time_utc(text, until);
		if (until != ms(untils[i][1]))
			fail_msg("%s: %s", untils[i][0], text);
	}
	assert_true(agreement_line_until(a, "alert/fire", ms("2026-12-08T12:00:00+01:00")) == UINT64_MAX);
	assert_true(agreement_line_until(a, "nothing", ms("2026-12-08T12:00:00+01:00")) == UINT64_MAX);
	assert_true(agreement_line_until(a, "request/noise/west", UINT64_MAX) == UINT64_MAX);
	agreement_free(&a);
	a = with_line("      - {who: city/public-order, hours: \"Mo-Su 00:00-24:00\", take_within: 10m}\n");
	assert_true(agreement_line_until(a, "request/noise/west", ms("2026-12-08T12:00:00+01:00")) == UINT64_MAX);
	agreement_free(&a);
	a = with_line("      - {who: city/public-order, hours: \"Su 02:00-03:00\", take_within: 10m}\n"); /* the clocks skip this hour */
	assert_int_equal(agreement_line_until(a, "request/noise/west", ms("2027-03-27T12:00:00+01:00")), ms("2027-04-04T02:00:00+02:00"));
	assert_int_equal(agreement_line_until(a, "request/noise/west", ms("2027-10-31T02:59:00+02:00")), ms("2027-10-31T03:00:00+01:00"));
	agreement_free(&a);
}

static void
times_are_written_and_read_as_the_place_has_them(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	static const char *const times[][2] = {
		{"2026-12-06 03:10", "2026-12-06T03:10:00+01:00"}, {"2027-07-01 00:00", "2027-07-01T00:00:00+02:00"}, {"2027-03-28 01:59", "2027-03-28T01:59:00+01:00"},
		{"2027-03-28 02:30", "2027-03-28T03:30:00+02:00"} /* skipped */, {"2027-03-28 03:00", "2027-03-28T03:00:00+02:00"},
		{"2027-10-31 02:30", "2027-10-31T02:30:00+02:00"} /* the first of two */, {"2027-10-31 03:00", "2027-10-31T03:00:00+01:00"},
		{"2027-10-31T02:30:00+01:00", "2027-10-31T02:30:00+01:00"}, {"2028-02-29 12:00", "2028-02-29T12:00:00+01:00"},
	};
	static const char *const wrong[] = {"", "now", "2026-12-06", "2026-12-06 3:10", "2026-12-06 24:00", "2026-12-06 03:60", "2027-02-29 12:00", "2026-12-06T03:10",
	                                    "2026-12-06 03:10:00", "1970-01-01 00:00", "2026-12-06 03:10 ", "2026-13-06 03:10"};
	char text[TEXT_TIME_MAX];
	struct kw_why why;

	(void)state;
	for (size_t i = 0; i < COUNT(times); i++) {
		uint64_t at = 0;

		if (agreement_time(&at, a, times[i][0], "--at", &why) != KW_OK || at != ms(times[i][1]))
			fail_msg("%s", times[i][0]);
	}
	for (size_t i = 0; i < COUNT(wrong); i++) {
		uint64_t at = 7;

		if (agreement_time(&at, a, wrong[i], "--at", &why) != KW_EINVAL || at != 7)
			fail_msg("accepted: %s", wrong[i]);
		assert_non_null(strstr(why.text, "--at is \""));
	}
	agreement_put_time(text, a, ms("2026-12-06T02:10:59Z"), false);
	assert_string_equal(text, "Su 2026-12-06 03:10");
	agreement_put_time(text, a, ms("2027-07-06T22:00:00Z"), true);
	assert_string_equal(text, "Mi 2027-07-07 00:00");
	agreement_free(&a);
}

static void
holidays_have_their_hours_in_every_form(void **state)
{
	static const struct {
		const char *hours;
		bool weekday, holiday, behind; /* Friday at 11:00; a holiday on it; a usual Friday at 01:00 behind a holiday */
	} cases[] = {
		{"PH 10:00-14:00", false, true, false}, {"Mo-Su 10:00-14:00", true, true, false}, {"Mo-Su 10:00-14:00; PH off", true, false, false},
		{"PH off; Mo-Su 10:00-14:00", true, false, false}, {"Mo-Fr,PH 10:00-14:00", true, true, false}, {"PH,Mo-Th 10:00-14:00", false, true, false},
		{"PH 22:00-02:00", false, false, true}, {"Th 22:00-02:00", false, false, true}, {"Th 22:00-02:00; PH off", false, false, false},
		{"Mo-Fr 08:00-10:00,10:30-12:00", true, true, false}, {"Mo-Fr 08:00-10:00,11:30-12:00; PH 11:00-11:01,23:00-02:00", false, true, true},
	};
	static const char *const wrong[] = {"PH", "PH off; PH off", "PH off; PH 10:00-12:00", "PH 10:00-12:00; PH off", "Mo off", "Mo,PH off", "PH,PH 10:00-12:00", "PH-Mo 10:00-12:00",
	                                    "Mo-PH 10:00-12:00", "PH off, Mo 10:00-12:00", "Mo 10:00-12:00,", "Mo 10:00-12:00,,13:00-14:00", "Mo ,10:00-12:00", "PH off ", "PH of", "PH off",
	                                    "Mo 10:00-12:00, 13:00-14:00"};
	struct hours h;
	struct kw_why why;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct hours_when friday = {.weekday = 4, .minute = 660}, holiday = friday, behind = {.weekday = 4, .minute = 60, .holiday_before = true};

		holiday.holiday = true;
		assert_int_equal(hours_parse(&h, cases[i].hours, &why), KW_OK);
		if (hours_at(&h, &friday) != cases[i].weekday || hours_at(&h, &holiday) != cases[i].holiday || hours_at(&h, &behind) != cases[i].behind)
			fail_msg("%s: %d %d %d", cases[i].hours, hours_at(&h, &friday), hours_at(&h, &holiday), hours_at(&h, &behind));
	}
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (hours_parse(&h, wrong[i], &why) != KW_EINVAL || strstr(why.text, "hours is \"") == NULL)
			fail_msg("accepted: %s", wrong[i]);
}

static void
hours_are_written_as_short_as_they_can_be(void **state)
{
	static const char *const hours[][2] = {
		{"Mo,Tu,We 06:00-07:00", "Mo-We 06:00-07:00"}, {"Mo,Tu 06:00-07:00", "Mo,Tu 06:00-07:00"}, {"Sa-Mo 06:00-07:00", "Mo,Sa,Su 06:00-07:00"},
		{"Mo 06:00-07:00; Mo 08:00-09:00", "Mo 06:00-07:00,08:00-09:00"}, {"PH off; Mo-Su 22:00-06:00", "Mo-Su 22:00-06:00; PH off"},
		{"PH,Su 06:00-24:00", "Su,PH 06:00-24:00"},
	};
	struct hours h, again;

	(void)state;
	for (size_t i = 0; i < COUNT(hours); i++) {
		struct buf out = BUF_INIT(1000);

		assert_int_equal(hours_parse(&h, hours[i][0], NULL), KW_OK);
		hours_put(&out, &h);
		assert_string_equal(buf_text(&out), hours[i][1]);
		assert_int_equal(hours_parse(&again, buf_text(&out), NULL), KW_OK);
		assert_int_equal(again.names_holidays, h.names_holidays);
		buf_free(&out);
	}
}

/* ---- who else ---- */

static void
whom_the_lines_name_at_any_hour_is_known(void **state)
{
	struct agreement *a = with_line("      - {who: city/public-order, hours: \"Mo 06:00-07:00\", area: {level: 3, is: [west]}, take_within: 10m}\n"
	                                "      - {who: police/control-room, hours: \"PH 06:00-07:00\", deputies: [city/public-order], take_within: 5m}\n");
	uint32_t nodes[AGREEMENT_LINE_MAX];

	(void)state;
	assert_int_equal(agreement_line_nodes(nodes, a, "request/noise/east"), 3);
	assert_string_equal(agreement_node_id(a, nodes[0]), "city/crime-prevention");
	assert_string_equal(agreement_node_id(a, nodes[1]), "city/public-order");
	assert_string_equal(agreement_node_id(a, nodes[2]), "police/control-room");
	assert_int_equal(agreement_line_nodes(nodes, a, "alert/fire"), 1);
	assert_int_equal(agreement_line_nodes(nodes, a, "nothing"), 0);
	assert_true(agreement_may_take(a, "request/noise/west", agreement_node(a, "police/control-room")));
	assert_true(agreement_may_take(a, "request/noise/west", agreement_node(a, "city/crime-prevention")));
	assert_false(agreement_may_take(a, "request/noise/west", agreement_node(a, "youth-house/office")));
	assert_false(agreement_may_take(a, "request/noise/west", AGREEMENT_NOBODY));
	assert_true(agreement_may_take(a, "alert/fire", agreement_node(a, "youth-house/office")));
	assert_false(agreement_may_take(a, "alert/fire", agreement_node(a, "shelter/desk")));
	assert_true(agreement_may_take(a, "alert/flood/x", agreement_node(a, "city/crime-prevention")));
	assert_false(agreement_may_take(a, "alert/flood/x", agreement_node(a, "city/public-order")));
	assert_false(agreement_may_take(a, "nothing", agreement_node(a, "city/crime-prevention")));
	agreement_free(&a);
}

static void
deputies_are_in_the_audience_and_responsible(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, "{id: control-room, key: \"%police/control-room\"}",
	                                        "{id: control-room, key: \"%police/control-room\"}, {id: second, key: \"%police/second\"}");
	uint32_t nodes[16], count;

	(void)state;
	assert_false(agreement_is_responsible(a, "request/noise/west", agreement_node(a, "police/second")));
	agreement_free(&a);
	{
		struct buf text;
		struct kw_why why;
		const char *find = "take_within: 5m}\n";
		struct buf edited = BUF_INIT(1u << 16);
		const char *at = strstr(fixture_text, find);

		buf_put(&edited, fixture_text, (size_t)(at - fixture_text));
		buf_put_str(&edited, "deputies: [police/second], take_within: 5m}\n");
		buf_put_str(&edited, at + strlen(find));
		fixture_expand(&text, buf_text(&edited), "{id: control-room, key: \"%police/control-room\"}",
		               "{id: control-room, key: \"%police/control-room\"}, {id: second, key: \"%police/second\"}");
		assert_int_equal(agreement_parse(&a, buf_span(&text), NULL, &why), KW_OK);
		buf_free(&text);
		buf_free(&edited);
	}
	assert_true(agreement_is_responsible(a, "request/noise/west", agreement_node(a, "police/second")));
	assert_int_equal(agreement_audience(nodes, &count, a, "request/noise/west", agreement_node(a, "youth-house/office"),
	                                    (const char[1][KW_NODE_MAX + 1]){"police/control-room"}, 1, NULL), KW_OK);
	assert_int_equal(count, 4);
	assert_string_equal(agreement_node_id(a, nodes[3]), "police/second");
	agreement_free(&a);
}

static void
who_must_acknowledge_is_asked_partner_by_partner(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, "lane: flash,", "lane: flash, acknowledge: {by: [police, city, civil], within: 30m},");
	uint32_t nodes[16];

	(void)state;
	assert_int_equal(agreement_topic(a, "alert/fire")->acknowledge_within_ms, 30 * MINUTE_MS);
	assert_int_equal(agreement_acknowledgers(nodes, a, "alert/fire", AGREEMENT_NOBODY), 4); /* shelter does not read it */
	assert_string_equal(agreement_node_partner(a, nodes[0]), "city");
	assert_string_equal(agreement_node_partner(a, nodes[1]), "city");
	assert_string_equal(agreement_node_partner(a, nodes[2]), "police");
	assert_string_equal(agreement_node_partner(a, nodes[3]), "youth-house");
	assert_int_equal(agreement_acknowledgers(nodes, a, "alert/fire", agreement_node(a, "city/public-order")), 2);
	assert_string_equal(agreement_node_partner(a, nodes[0]), "police");
	assert_int_equal(agreement_acknowledgers(nodes, a, "alert/flood/x", AGREEMENT_NOBODY), 0);
	assert_int_equal(agreement_topic(a, "alert/flood/x")->acknowledge_within_ms, 0);
	assert_int_equal(agreement_acknowledgers(nodes, a, "nothing", AGREEMENT_NOBODY), 0);
	assert_int_equal(agreement_approvers(nodes, a, "statement/x", AGREEMENT_NOBODY), 3);
	assert_string_equal(agreement_node_partner(a, nodes[0]), "city");
	assert_string_equal(agreement_node_partner(a, nodes[2]), "police");
	assert_int_equal(agreement_approvers(nodes, a, "alert/fire", AGREEMENT_NOBODY), 0);
	assert_int_equal(agreement_approvers(nodes, a, "statement/x", agreement_node(a, "city/public-order")), 1);
	assert_string_equal(agreement_node_partner(a, nodes[0]), "police");
	assert_true(agreement_must_approve(a, "statement/x", agreement_node(a, "city/public-order")));
	assert_false(agreement_must_approve(a, "statement/x", agreement_node(a, "youth-house/office")));
	assert_false(agreement_must_approve(a, "alert/fire", agreement_node(a, "city/public-order")));
	agreement_free(&a);
}

static void
what_happens_at_a_change_and_who_may_get_it_onward_is_said(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, "receive: [police], lane: routine", "receive: [police], purpose: care, on_change: move, onward: [civil, city], lane: routine");

	(void)state;
	assert_int_equal(agreement_topic(a, "x/report")->on_change, ON_CHANGE_MOVE);
	assert_true(agreement_topic(a, "x/report")->has_onward);
	assert_true(agreement_onward(a, "x/report", agreement_node(a, "shelter/desk")));
	assert_true(agreement_onward(a, "x/report", agreement_node(a, "city/public-order")));
	assert_false(agreement_onward(a, "x/report", agreement_node(a, "youth-house/office"))); /* has not committed to the purpose */
	assert_false(agreement_onward(a, "x/report", agreement_node(a, "police/control-room")));
	assert_false(agreement_onward(a, "x/report", AGREEMENT_NOBODY));
	assert_int_equal(agreement_topic(a, "alert/fire")->on_change, ON_CHANGE_KEEP);
	assert_false(agreement_topic(a, "alert/fire")->has_onward);
	assert_false(agreement_onward(a, "alert/fire", agreement_node(a, "shelter/desk")));
	agreement_free(&a);
}

static void
a_holiday_that_goes_is_told_as_one_that_comes(void **state)
{
	struct agreement *old = with_holidays(two_entries), *next = fixture_agreement(fixture_text, "topics:\n", "holidays: [2026-12-25, 2026-12-27]\ntopics:\n");
	struct buf out = BUF_INIT(1u << 16);

	(void)state;
	assert_int_equal(agreement_diff(&out, old, next, false), KW_OK);
	assert_string_equal(buf_text(&out), "- 2026-12-26 is no public holiday any more\n- 2027-03-28 is no public holiday any more\n- 2027-10-31 is no public holiday any more\n"
	                                    "+ 2026-12-27 becomes a public holiday\n");
	agreement_free(&old);
	agreement_free(&next);
	buf_free(&out);
}

/* ---- refusals ---- */

static const struct refusal {
	const char *find, *replace, *sentence;
} refusals[] = {
	{"topics:\n", "time_zone: Berlin\ntopics:\n", "line 16: this machine has no table of the time zone \"Berlin\", which would be /usr/share/zoneinfo/Berlin; write a zone as Europe/Berlin"},
	{"topics:\n", "time_zone: ../../etc/passwd\ntopics:\n", "line 16: the time zone \"../../etc/passwd\" is no name of one; write it as Europe/Berlin"},
	{"topics:\n", "time_zone: \"\"\ntopics:\n", "line 16: \"time_zone\" of the agreement is empty"},
	{"topics:\n", "time_zone: [Europe/Berlin]\ntopics:\n", "line 16: \"time_zone\" of the agreement is a list, as [a, b], must be one value"},
	{"topics:\n", "holidays: 2026-12-25\ntopics:\n", "line 16: \"holidays\" of the agreement is \"2026-12-25\", must be a list"},
	{"topics:\n", "holidays: []\ntopics:\n", "line 16: \"holidays\" of the agreement is empty"},
	{"topics:\n", "holidays: [2026-12-25,\n  25.12.2026]\ntopics:\n", "line 17: the holiday is \"25.12.2026\", must be a day of the calendar as 2026-12-25"},
	{"topics:\n", "holidays: [2027-02-29]\ntopics:\n", "line 16: the holiday is \"2027-02-29\", must be a day"},
	{"topics:\n", "holidays: [1969-12-31]\ntopics:\n", "line 16: the holiday is \"1969-12-31\""},
	{"topics:\n", "holidays: [[2027-02-28]]\ntopics:\n", "line 16: the holiday is \"\""},
	{"topics:\n", "holidays: [2027-05-01, 2026-12-25, 2027-05-01]\ntopics:\n", "line 16: the holiday 2027-05-01 stands here twice; keep one"},
	{"topics:\n", "coordinator_within: 0s\ntopics:\n", "line 16: coordinator_within is 0s"},
	{"topics:\n", "coordinator_within: 2d\ntopics:\n", "line 16: coordinator_within is 2d"},
	{"take_within: 5m", "take_within: 5m, deputies: [police/control-room]", "line 26: police/control-room is its own deputy; name another node, or nobody"},
	{"take_within: 5m", "take_within: 5m, deputies: [city/public-order, city/public-order]", "line 26: the deputy city/public-order stands here twice; keep one"},
	{"take_within: 5m", "take_within: 5m, deputies: [city/public-oder]", "line 26: \"city/public-oder\" is to be responsible for topic request/noise/# but is no node of this agreement, did you mean \"city/public-order\"?"},
	{"take_within: 5m", "take_within: 5m, deputies: [youth-house/office]", "line 26: youth-house/office is to be responsible for topic request/noise/# but may not read it; add it to \"receive\""},
	{"take_within: 5m", "take_within: 5m, deputies: []", "line 26: \"deputies\" of a line of responsible is empty"},
	{"take_within: 5m", "take_within: 5m, deputies: [a, b, c, d, e]", "line 26: 5 deputies, at most 4 are allowed"},
	{"take_within: 5m", "take_within: 5m, area: west", "line 26: \"area\" of a line of responsible is \"west\", must be keys with values"},
	{"take_within: 5m", "take_within: 5m, area: {is: [west]}", "line 26: area lacks \"level\""},
	{"take_within: 5m", "take_within: 5m, area: {level: 3}", "line 26: area lacks \"is\""},
	{"take_within: 5m", "take_within: 5m, area: {level: 0, is: [west]}", "line 26: level is 0, must be from 1 to 16"},
	{"take_within: 5m", "take_within: 5m, area: {level: 17, is: [west]}", "line 26: level is 17, must be from 1 to 16"},
	{"take_within: 5m", "take_within: 5m, area: {level: 3, is: [west/end]}", "line 26: \"west/end\" in area cannot be a level of a topic; write one as mitte"},
	{"take_within: 5m", "take_within: 5m, area: {level: 3, is: [\"+\"]}", "line 26: \"+\" in area cannot be a level of a topic"},
	{"take_within: 5m", "take_within: 5m, area: {level: 3, is: [\"\"]}", "line 26: \"\" in area cannot be a level of a topic"},
	{"take_within: 5m", "take_within: 5m, area: {level: 3, is: [west, west]}", "line 26: \"west\" stands twice in area; keep one"},
	{"take_within: 5m", "take_within: 5m, area: {level: 3, is: [a123456789b123456789c123456789d123456789e123456789f123456789g123]}", "line 26: the area's name has 64 bytes, at most 63 are allowed"},
	{"take_within: 5m", "take_within: 5m, area: {level: 3, is: [west], not: [east]}", "line 26: unknown key \"not\" in area"},
	{"{who: police/control-room, take_within: 5m}", "{who: police/control-room}", "line 26: a line of responsible lacks \"take_within\", how long it may take to take the matter on, as 10m; write it here, or once for the topic"},
	{"keep: {content: 2y}", "take_within: 5m", "line 28: take_within of topic +/report is for the lines of \"responsible\", but there are none; add them, or delete it"},
	{"keep: {content: 2y}", "on_change: stay", "line 28: on_change is \"stay\", must be one of: keep, move"},
	{"keep: {content: 2y}", "onward: [shelter]", "line 28: topic +/report names civil partners as readers but no purpose"},
	{"keep: {content: 2y}", "onward: [fun]", "line 28: \"fun\" in \"onward\" of topic +/report is no partner's id and no kind of partners"},
	{"keep: {content: 2y}", "purpose: fun, onward: [shelter]", "line 28: shelter is to read topic +/report but has not committed to its purpose \"fun\""},
	{"release: {approve: [police, city]}", "release: {approve: [police, city]}, onward: [justice]", "line 27: topic statement/# has \"release\", and what waits for release goes to nobody else; delete \"onward\""},
	{"keep: {content: 2y}", "acknowledge: {by: [police]}", "line 28: acknowledge of topic +/report lacks \"within\", how long the answers may take, as 30m"},
	{"keep: {content: 2y}", "acknowledge: {within: 30m}", "line 28: acknowledge lacks \"by\""},
	{"keep: {content: 2y}", "acknowledge: {by: [city], within: 30m}", "line 28: city is to acknowledge on topic +/report but may not read it; add it to \"receive\""},
	{"keep: {content: 2y}", "acknowledge: {by: [civil], within: 30m}", "line 28: nobody who is to acknowledge on topic +/report may read it"},
	{"keep: {content: 2y}", "acknowledge: {by: [police], within: 15d}", "line 28: within is 15d"},
	{"keep: {content: 2y}", "acknowledge: {by: [police], within: 0s}", "line 28: within is 0s"},
	{"keep: {content: 2y}", "reason: always", "line 28: reason is \"always\", must be one of: optional, required"},
	{"keep: {content: 2y}", "acknowledge: [police]", "line 28: \"acknowledge\" of topic +/report is a list, as [a, b], must be keys with values"},
	{"keep: {content: 2y}", "acknowledge: {by: [police], within: 30m, of: 2}", "line 28: unknown key \"of\" in acknowledge"},
};

static void
every_wrong_value_has_its_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refusals); i++) {
		struct agreement *a = NULL;
		struct kw_why why = {{0}};
		struct buf text;
		enum kw_err err;

		fixture_expand(&text, fixture_text, refusals[i].find, refusals[i].replace);
		err = agreement_parse(&a, buf_span(&text), NULL, &why);
		buf_free(&text);
		if (err == KW_OK)
			fail_msg("accepted: %s", refusals[i].replace);
		assert_null(a);
		if (strstr(why.text, refusals[i].sentence) != why.text)
			fail_msg("%s\n  gave \"%s\"\n  not  \"%s\"", refusals[i].replace, why.text, refusals[i].sentence);
	}
}

static void
a_calendar_has_at_most_1000_holidays(void **state)
{
	(void)state;
	for (unsigned count = 1000; count <= 1001; count++) {
		struct buf days = BUF_INIT(1u << 16), text;
		struct agreement *a = NULL;
		struct kw_why why = {{0}};

		buf_put_str(&days, "holidays: [");
		for (unsigned i = 0; i < count; i++) /* of months with 28 days, so that each is one */
			buf_printf(&days, "%s%u-%02u-%02u", i == 0 ? "" : ", ", 2026 + i / 336, 1 + i / 28 % 12, 1 + i % 28);
		buf_put_str(&days, "]\ntopics:\n");
		fixture_expand(&text, fixture_text, "topics:\n", buf_text(&days));
		assert_int_equal(agreement_parse(&a, buf_span(&text), NULL, &why), count == 1000 ? KW_OK : KW_ELIMIT);
		assert_string_equal(why.text, count == 1000 ? "" : "line 16: 1001 holidays, at most 1000 are allowed; those of the time in which the agreement is valid are enough");
		agreement_free(&a);
		buf_free(&text);
		buf_free(&days);
	}
}

static void
an_area_has_at_most_256_names(void **state)
{
	(void)state;
	for (unsigned count = 256; count <= 257; count++) {
		struct buf area = BUF_INIT(1u << 14), text;
		struct agreement *a = NULL;
		struct kw_why why = {{0}};

		buf_put_str(&area, "take_within: 5m, area: {level: 3, is: [");
		for (unsigned i = 0; i < count; i++)
			buf_printf(&area, "%sn%u", i == 0 ? "" : ", ", i);
		buf_put_str(&area, "]}");
		fixture_expand(&text, fixture_text, "take_within: 5m", buf_text(&area));
		assert_int_equal(agreement_parse(&a, buf_span(&text), NULL, &why), count == 256 ? KW_OK : KW_ELIMIT);
		assert_string_equal(why.text, count == 256 ? "" : "line 26: 257 names in area, at most 256 are allowed; make two lines of responsible of it");
		agreement_free(&a);
		buf_free(&text);
		buf_free(&area);
	}
}

/* ---- what is told ---- */

struct told {
	const char *before, *entries;
	const char *lines; /* what is told of this topic, all of it */
};

#define W "line 25: topic request/noise/#: "
#define X "line 26: topic request/noise/#: "

static const struct told tellings[] = {
	{"", "      - {who: city/public-order, take_within: 10m}\n", ""},
	{"", "      - {who: city/public-order, hours: \"Mo-Su 06:00-22:00\", take_within: 10m}\n      - {who: police/control-room, hours: \"Mo-Su 22:00-06:00\", take_within: 10m}\n", ""},
	{"", "      - {who: city/public-order, hours: \"Mo-Su 03:30-03:10\", area: {level: 3, is: [west]}, take_within: 10m}\n"
	     "      - {who: police/control-room, area: {level: 3, is: [mitte]}, take_within: 10m}\n",
	 W "a hole: at any hour, request/noise: nobody, falls to city/crime-prevention\n"
	 W "a hole in the hours: Monday 03:10, request/noise/west: nobody, falls to city/crime-prevention (2 h 20 min a week)\n"},
	{"", "      - {who: city/public-order, hours: \"Mo-Sa 00:00-24:00; Su 00:00-03:10,04:00-24:00\", take_within: 10m}\n",
	 W "a hole in the hours: Sunday 03:10, request/noise: nobody, falls to city/crime-prevention (50 min a week)\n"},
	{"holidays: [2026-12-25]\n", "      - {who: city/public-order, hours: \"Mo-Su 00:00-24:00; PH 10:00-12:00\", take_within: 10m}\n",
	 W "a hole in the hours of public holidays: Friday 2026-12-25 00:00, request/noise: nobody, falls to city/crime-prevention\n"},
	{"holidays: [2026-12-25]\n", "      - {who: city/public-order, hours: \"Mo-Su 22:00-06:00; PH off\", take_within: 10m}\n      - {who: police/control-room, hours: \"Mo-Su,PH 06:00-22:00\", take_within: 10m}\n",
	 W "a hole in the hours of public holidays: Friday 2026-12-25 22:00, request/noise: nobody, falls to city/crime-prevention\n"},
	{"holidays: [2026-12-25]\n", "      - {who: city/public-order, take_within: 10m}\n", "line 1: holidays: they change nothing, since no \"hours\" name PH\n"},
	{"", "      - {who: city/public-order, hours: \"PH 10:00-12:00\", take_within: 10m}\n      - {who: police/control-room, take_within: 10m}\n",
	 W "this line of responsible can never match: its hours are on public holidays alone, and \"holidays\" lists none\n"},
	{"", "      - {who: city/public-order, hours: \"Mo-Su 00:00-24:00; PH off\", take_within: 10m}\n", W "PH in its hours is no day at all, since \"holidays\" lists none\n"},
	{"", "      - {who: city/public-order, take_within: 10m}\n      - {who: police/control-room, take_within: 10m}\n      - {who: city/public-order, hours: \"Mo 06:00-07:00\", take_within: 10m}\n",
	 "line 27: topic request/noise/#: this line of responsible changes nothing: whenever it matches, all whom it names are in lines before it\n"},
	{"", "      - {who: city/public-order, deputies: [police/control-room], take_within: 10m}\n      - {who: police/control-room, deputies: [city/public-order], take_within: 10m}\n",
	 X "this line of responsible changes nothing: whenever it matches, all whom it names are in lines before it\n"},
	{"", "      - {who: city/public-order, hours: \"Mo 06:00-07:00\", take_within: 10m}\n      - {who: police/control-room, take_within: 10m}\n      - {who: city/public-order, hours: \"Mo 06:30-07:30\", take_within: 10m}\n", ""},
	{"", "      - {who: city/public-order, area: {level: 3, is: [west]}, take_within: 10m}\n      - {who: police/control-room, area: {level: 2, is: [noise, music]}, take_within: 10m}\n",
	 X "music in area is never asked for here, since no topic of this filter has it as level 2\n"},
	{"", "      - {who: city/public-order, take_within: 10m}\n      - {who: police/control-room, area: {level: 2, is: [music]}, take_within: 10m}\n",
	 X "music in area is never asked for here, since no topic of this filter has it as level 2\n" X "so this line of responsible can never match\n"},
	{"", "      - {who: city/public-order, hours: \"Mo-Su 06:00-22:00\", take_within: 10m}\n      - {who: police/control-room, hours: \"Mo-Su 21:30-06:00\", take_within: 10m}\n",
	 X "hours that overlap: Monday 21:30, request/noise: city/public-order first, then police/control-room as well\n"},
	{"", "      - {who: city/public-order, hours: \"Mo-Su 06:00-22:00\", take_within: 10m}\n      - {who: police/control-room, hours: \"Mo-Su 00:00-24:00\", take_within: 10m}\n", ""},
	{"", "      - {who: city/public-order, hours: \"Mo-Su 06:00-22:00\", area: {level: 3, is: [west]}, take_within: 10m}\n"
	     "      - {who: police/control-room, hours: \"Mo-Su 21:30-06:00\", area: {level: 3, is: [mitte]}, take_within: 10m}\n      - {who: police/control-room, take_within: 1m}\n", ""},
};

static void
what_is_allowed_and_probably_not_meant_is_told_with_its_smallest_example(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(tellings); i++) {
		struct buf text, whole = BUF_INIT(1u << 16), warnings = BUF_INIT(1u << 16), told = BUF_INIT(1u << 16);
		struct agreement *a = NULL;
		struct kw_why why = {{0}};
		const char *at = strstr(fixture_text, two_entries);
		unsigned shift = tellings[i].before[0] != '\0';

		buf_put(&whole, fixture_text, (size_t)(at - fixture_text));
		buf_put_str(&whole, tellings[i].entries);
		buf_put_str(&whole, at + strlen(two_entries));
		fixture_expand(&text, buf_text(&whole), NULL, NULL);
		buf_reset(&whole);
		buf_put_str(&whole, tellings[i].before);
		buf_put_span(&whole, buf_span(&text));
		if (agreement_parse(&a, buf_span(&whole), &warnings, &why) != KW_OK)
			fail_msg("%s", why.text);
		for (const char *line = buf_text(&warnings); *line != '\0'; line = strchr(line, '\n') + 1) {
			unsigned number = (unsigned)strtoul(line + 5, NULL, 10);

			if (strstr(line, "does not read it") != NULL && strstr(line, "does not read it") < strchr(line, '\n'))
				continue;
			if (number > 1) /* the line before them is counted out */
				buf_printf(&told, "line %u", number - shift);
			else
				buf_printf(&told, "line 1");
			buf_put(&told, strstr(line, ": "), (size_t)(strchr(line, '\n') + 1 - strstr(line, ": ")));
		}
		if (strcmp(buf_text(&told), tellings[i].lines) != 0)
			fail_msg("%s gave\n%snot\n%s", tellings[i].entries, buf_text(&told), tellings[i].lines);
		agreement_free(&a);
		buf_free(&text);
		buf_free(&whole);
		buf_free(&warnings);
		buf_free(&told);
	}
}

static void
a_topic_before_that_takes_some_away_is_told(void **state)
{
	static const char *const befores[][2] = {
		{"  - {filter: \"request/noise/west/#\", schema: request, publish: [police], receive: [city]}\n",
		 "west in area is never asked for here, since request/noise/west/# in line 17 stands before it and decides\n"},
		{"  - {filter: \"request/+/west\", schema: request, publish: [police], receive: [city]}\n",
		 "topics of request/noise/west are not decided here, since request/+/west in line 17 stands before it\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(befores); i++) {
		struct buf text, whole = BUF_INIT(1u << 16), warnings = BUF_INIT(1u << 16);
		struct agreement *a = NULL;
		const char *at = strstr(fixture_text, two_entries), *topics = strstr(fixture_text, "topics:\n") + 8;

		buf_put(&whole, fixture_text, (size_t)(topics - fixture_text));
		buf_put_str(&whole, befores[i][0]);
		buf_put(&whole, topics, (size_t)(at - topics));
		buf_put_str(&whole, "      - {who: city/public-order, area: {level: 3, is: [mitte, west]}, take_within: 10m}\n      - {who: police/control-room, take_within: 10m}\n");
		buf_put_str(&whole, at + strlen(two_entries));
		fixture_expand(&text, buf_text(&whole), NULL, NULL);
		assert_int_equal(agreement_parse(&a, buf_span(&text), &warnings, NULL), KW_OK);
		if (strstr(buf_text(&warnings), befores[i][1]) == NULL)
			fail_msg("%s", buf_text(&warnings));
		agreement_free(&a);
		buf_free(&text);
		buf_free(&whole);
		buf_free(&warnings);
	}
}

static void
more_than_there_is_room_for_is_said_to_be_left_out(void **state)
{
	struct buf text, entries = BUF_INIT(1u << 16), warnings = BUF_INIT(4000);
	struct agreement *a = NULL;

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		buf_printf(&entries, "      - {who: city/public-order, hours: \"PH 06:00-07:00\", take_within: 10s}\n");
	fixture_expand(&text, fixture_text, two_entries, buf_text(&entries));
	assert_int_equal(agreement_parse(&a, buf_span(&text), &warnings, NULL), KW_OK);
	assert_non_null(strstr(buf_text(&warnings), "what follows is left out, mend this first\n"));
	assert_true(warnings.len < 4000);
	agreement_free(&a);
	buf_free(&text);
	buf_free(&entries);
	buf_free(&warnings);
}

/* A partner of so many nodes, all of them responsible: one entry for five, with four deputies. */
static enum kw_err
parse_many(struct agreement **a, unsigned count, struct kw_why *why)
{
	struct buf nodes = BUF_INIT(1u << 18), line = BUF_INIT(1u << 16), edited = BUF_INIT(1u << 18), text;
	const char *at = strstr(fixture_text, "topics:\n");
	enum kw_err err;

	buf_put_str(&nodes, "  - {id: many, kind: fire, nodes: [");
	for (unsigned i = 0; i < count; i++) {
		struct secret_keys *keys = NULL;
		char name[32];

		snprintf(name, sizeof name, "many/n%u", i);
		assert_int_equal(secret_keys_new(&keys, KEY_NODE, MODE_LIVE, name, why), KW_OK);
		buf_printf(&nodes, "%s{id: n%u, key: \"%s\"}", i > 0 ? ", " : "", i, secret_keys_line(keys));
		secret_keys_free(&keys);
		buf_printf(&line, i % 5 == 0 ? "%s{who: many/n%u, take_within: 10s, deputies: [" : "%smany/n%u", i % 5 > 1 ? ", " : i > 0 && i % 5 == 0 ? ", " : "", i);
		if (i % 5 == 4 || i + 1 == count)
			buf_put_str(&line, i % 5 == 0 ? "city/public-order]}" : "]}");
	}
	buf_put(&edited, fixture_text, (size_t)(at - fixture_text));
	buf_printf(&edited, "%s]}\ntopics:\n  - {filter: many, schema: note, publish: [city], receive: [fire, city], responsible: [%s]}\n", buf_text(&nodes), buf_text(&line));
	buf_put_str(&edited, at + 8);
	fixture_expand(&text, buf_text(&edited), NULL, NULL);
	err = agreement_parse(a, buf_span(&text), NULL, why);
	buf_free(&nodes);
	buf_free(&line);
	buf_free(&edited);
	buf_free(&text);
	return err;
}

static void
the_lines_of_a_topic_name_so_many_nodes_and_no_more(void **state)
{
	struct agreement_turn turns[AGREEMENT_LINE_MAX];
	uint32_t nodes[AGREEMENT_LINE_MAX];
	struct agreement *a = NULL;
	struct kw_why why = {{0}};

	(void)state;
	if (parse_many(&a, AGREEMENT_LINE_MAX - 1, &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_int_equal(agreement_line(turns, a, "many", ms("2027-01-01T00:00:00Z")), AGREEMENT_LINE_MAX);
	assert_int_equal(agreement_line_nodes(nodes, a, "many"), AGREEMENT_LINE_MAX);
	assert_string_equal(agreement_node_id(a, turns[AGREEMENT_LINE_MAX - 1].node), "city/crime-prevention");
	assert_string_equal(agreement_node_id(a, turns[AGREEMENT_LINE_MAX - 2].node), "many/n22");
	agreement_free(&a);
	assert_int_equal(parse_many(&a, AGREEMENT_LINE_MAX, &why), KW_ELIMIT);
	assert_non_null(strstr(why.text, "the lines of topic many name 25 nodes with deputies and coordinator, at most 24 are allowed; make two topics of it"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_is_who_matches_in_order_and_at_last_the_coordinator),
		cmocka_unit_test(each_is_followed_by_its_deputies_and_stands_once),
		cmocka_unit_test(a_topic_can_say_once_how_long_everybody_has),
		cmocka_unit_test(an_area_is_a_level_of_the_topic),
		cmocka_unit_test(hours_are_local_on_both_sides_of_a_clock_change),
		cmocka_unit_test(an_hour_that_the_clocks_skip_is_nobodys_and_one_that_comes_twice_is_held_twice),
		cmocka_unit_test(a_leap_day_is_a_day_as_any),
		cmocka_unit_test(an_entry_that_names_holidays_goes_by_them_and_any_other_by_the_weekday),
		cmocka_unit_test(a_night_belongs_to_the_day_on_which_it_begins),
		cmocka_unit_test(another_place_has_another_time),
		cmocka_unit_test(every_minute_of_two_years_is_as_a_plain_reckoning_has_it),
		cmocka_unit_test(the_line_stays_the_same_until_it_is_said_to_change),
		cmocka_unit_test(times_are_written_and_read_as_the_place_has_them),
		cmocka_unit_test(holidays_have_their_hours_in_every_form),
		cmocka_unit_test(hours_are_written_as_short_as_they_can_be),
		cmocka_unit_test(whom_the_lines_name_at_any_hour_is_known),
		cmocka_unit_test(deputies_are_in_the_audience_and_responsible),
		cmocka_unit_test(who_must_acknowledge_is_asked_partner_by_partner),
		cmocka_unit_test(what_happens_at_a_change_and_who_may_get_it_onward_is_said),
		cmocka_unit_test(a_holiday_that_goes_is_told_as_one_that_comes),
		cmocka_unit_test(every_wrong_value_has_its_sentence),
		cmocka_unit_test(a_calendar_has_at_most_1000_holidays),
		cmocka_unit_test(an_area_has_at_most_256_names),
		cmocka_unit_test(what_is_allowed_and_probably_not_meant_is_told_with_its_smallest_example),
		cmocka_unit_test(a_topic_before_that_takes_some_away_is_told),
		cmocka_unit_test(the_lines_of_a_topic_name_so_many_nodes_and_no_more),
		cmocka_unit_test(more_than_there_is_room_for_is_said_to_be_left_out),
	};

	return cmocka_run_group_tests(tests, fixture_make_keys, fixture_free_keys);
}
