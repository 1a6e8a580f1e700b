/* Local time of a place: what glibc says of four hundred years, and what no table may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/text.h"
#include "certs/zone.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct zone *
zone(const char *name)
{
	struct zone *z = NULL;
	struct kw_why why = {{0}};

	if (zone_read(&z, name, &why) != KW_OK)
		fail_msg("%s", why.text);
	return z;
}

static uint64_t
ms(const char *time)
{
	uint64_t out = 0;

	assert_int_equal(text_time_ms(&out, time, "time", NULL), KW_OK);
	return out;
}

static void
compare(const struct zone *z, const char *name, time_t at)
{
	struct tm tm;

	assert_non_null(localtime_r(&at, &tm));
	if (zone_offset(z, at) != tm.tm_gmtoff)
		fail_msg("%s at %lld: %d, glibc says %ld", name, (long long)at, zone_offset(z, at), tm.tm_gmtoff);
}

/* Every seven hours and some, and around each change of the clocks second by second. */
static void
four_hundred_years_are_as_glibc_has_them(void **state)
{
	static const char *const names[] = {"Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
	                                    "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia", "Antarctica/Troll", "Asia/Gaza", "UTC", "Etc/GMT+1"};
	const int64_t begin = text_civil_days(1900, 1, 1) * 86400, end = text_civil_days(2300, 1, 1) * 86400;

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct zone *z = zone(names[i]);
		int32_t last = 0;

		assert_int_equal(setenv("TZ", names[i], 1), 0);
		tzset();
		for (int64_t at = begin; at < end; at += 7 * 3600 + 7) {
			compare(z, names[i], at);
			if (zone_offset(z, at) != last) {
				int64_t low = at - 4 * 3600 - 7, high = at;

				while (high - low > 1) {
					int64_t middle = low + (high - low) / 2;

					if (zone_offset(z, middle) == last)
						low = middle;
					else
						high = middle;
				}
				compare(z, names[i], low);
				compare(z, names[i], high);
				last = zone_offset(z, at);
			}
		}
		zone_free(&z);
		assert_null(z);
	}
}

static void
assert_local(const struct zone *z, const char *time, const char *date, unsigned weekday, unsigned minute)
{
	struct local_time is = zone_local(z, ms(time));
	int32_t day;

	assert_int_equal(text_date(&day, date, "day", NULL), KW_OK);
	if (is.day != day || is.weekday != weekday || is.minute != minute)
		fail_msg("%s: day %lld, weekday %u, %02u:%02u", time, (long long)is.day, is.weekday, is.minute / 60, is.minute % 60);
}

static void
clocks_go_forward_and_back_to_the_second(void **state)
{
	struct zone *z = zone("Europe/Berlin");

	(void)state;
	assert_local(z, "2027-03-28T00:59:59Z", "2027-03-28", 6, 119);
	assert_local(z, "2027-03-28T01:00:00Z", "2027-03-28", 6, 180); /* 02:00 to 03:00 there is not */
	assert_local(z, "2027-10-31T00:00:00Z", "2027-10-31", 6, 120);
	assert_local(z, "2027-10-31T00:59:59Z", "2027-10-31", 6, 179);
	assert_local(z, "2027-10-31T01:00:00Z", "2027-10-31", 6, 120); /* and once more */
	assert_local(z, "2027-10-31T02:00:00Z", "2027-10-31", 6, 180);
	assert_local(z, "2028-02-28T23:00:00Z", "2028-02-29", 1, 0);
	assert_local(z, "2028-02-29T23:00:00Z", "2028-03-01", 2, 0);
	assert_local(z, "2026-12-31T22:59:59Z", "2026-12-31", 3, 1439);
	assert_local(z, "2026-12-31T23:00:00Z", "2027-01-01", 4, 0);
	assert_local(z, "2100-02-28T23:00:00Z", "2100-03-01", 0, 0); /* no leap year */
	assert_local(z, "1970-01-01T00:00:00Z", "1970-01-01", 3, 60);
	zone_free(&z);
	z = zone("America/New_York");
	assert_local(z, "2027-01-01T04:59:59Z", "2026-12-31", 3, 1439);
	zone_free(&z);
}

static void
the_latest_time_of_all_has_an_answer(void **state)
{
	struct zone *z = zone("Europe/Berlin");

	(void)state;
	assert_true(zone_local(z, UINT64_MAX).minute < 1440);
	zone_free(&z);
}

static void
a_minute_ends_where_the_next_begins(void **state)
{
	struct zone *z = zone("Europe/Berlin");

	(void)state;
	assert_int_equal(zone_next_minute(z, ms("2027-03-28T00:59:59.999Z")), ms("2027-03-28T01:00:00Z"));
	assert_int_equal(zone_next_minute(z, ms("2027-03-28T01:00:00Z")), ms("2027-03-28T01:01:00Z"));
	zone_free(&z);
	z = zone("Africa/Monrovia"); /* 44 min 30 s behind until 1972 */
	assert_int_equal(zone_next_minute(z, ms("1971-01-01T00:00:00Z")), ms("1971-01-01T00:00:30Z"));
	zone_free(&z);
}

static void
what_is_no_name_of_a_zone_is_refused(void **state)
{
	static const struct {
		const char *name;
		enum kw_err err;
		const char *sentence;
	} names[] = {
		{"", KW_EINVAL, "is no name of one"}, {"/etc/passwd", KW_EINVAL, "is no name of one"}, {"../passwd", KW_EINVAL, "is no name of one"},
		{"Europe/../../passwd", KW_EINVAL, "is no name of one"}, {"Europe//Berlin", KW_EINVAL, "is no name of one"}, {"Europe/", KW_EINVAL, "is no name of one"},
		{"Europe/.Berlin", KW_EINVAL, "is no name of one"}, {"Europe Berlin", KW_EINVAL, "is no name of one"},
		{"Europe/Berlin-where-the-river-flows-and-the-bridges-stand", KW_EINVAL, "is no name of one"},
		{"Europe/Musterstadt", KW_ENOTFOUND, "no table of the time zone \"Europe/Musterstadt\""}, {"Europe", KW_ENOTFOUND, "no table of the time zone \"Europe\""},
		{"zone1970.tab", KW_EINVAL, "is no name of one"}, {"tzdata", KW_ENOTFOUND, "install the package tzdata"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct zone *z = NULL;
		struct kw_why why = {{0}};
		enum kw_err err = zone_read(&z, names[i].name, &why);

		if (err != names[i].err || strstr(why.text, names[i].sentence) == NULL)
			fail_msg("\"%s\" gave %s, \"%s\"", names[i].name, kw_err_name(err), why.text);
		assert_null(z);
	}
}

/* A table of no changes and one type, with this rule at its end. */
static struct buf
table_of(const char *rule)
{
	struct buf b = BUF_INIT(1000);

	for (unsigned version = 0; version < 2; version++) {
		buf_put_str(&b, "TZif2");
		buf_put(&b, (const uint8_t[15]){0}, 15);
		for (unsigned i = 0; i < 4; i++)
			buf_put_u32(&b, 0);
		buf_put_u32(&b, 1);
		buf_put_u32(&b, 4);
		buf_put(&b, (const uint8_t[6]){0}, 6);
		buf_put(&b, "UTC", 4);
	}
	buf_printf(&b, "\n%s\n", rule);
	assert_true(buf_ok(&b));
	return b;
}

static void
the_rule_at_the_end_is_read_in_every_form(void **state)
{
	static const char *const rules[] = {
		"CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "<+0330>-3:30", "NZST-12NZDT,M9.5.0,M4.1.0/3", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
		"IST-2IDT,M3.4.4/26,M10.5.0", "XXX3EDT4,0/0,J365/23", "ABC-1DEF,J60/0,J300", "ABC-1DEF,59/0,299/12:34:56", "EET-2EEST,M3.4.4/50,M10.4.4/50",
		"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "ABC12DEF,M11.1.6/167,M2.1.0/-167",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rules); i++) {
		struct buf table = table_of(rules[i]);
		struct zone *z = NULL;
		struct kw_why why = {{0}};

		if (zone_parse(&z, buf_span(&table), &why) != KW_OK)
			fail_msg("%s: %s", rules[i], why.text);
		assert_int_equal(setenv("TZ", rules[i], 1), 0);
		tzset();
		for (int64_t year = 1970; year < 2110; year++)
			for (int64_t at = text_civil_days(year, 1, 20) * 86400, end = text_civil_days(year, 12, 10) * 86400; at < end; at += 3 * 3600 + 1800)
				compare(z, rules[i], at);
		zone_free(&z);
		buf_free(&table);
	}
}

static void
summer_that_never_ends_goes_on_over_new_year(void **state)
{
	struct buf table = table_of("XXX3EDT4,0/0,J365/23");
	struct zone *z = NULL;

	(void)state;
	assert_int_equal(zone_parse(&z, buf_span(&table), NULL), KW_OK);
	for (int64_t at = text_civil_days(2026, 12, 30) * 86400; at < text_civil_days(2027, 1, 3) * 86400; at += 600)
		assert_int_equal(zone_offset(z, at), -4 * 3600);
	zone_free(&z);
	buf_free(&table);
}

static void
a_rule_that_is_none_is_refused(void **state)
{
	static const char *const rules[] = {
		"X1", "CET", "CET-", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M0.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0",
		"CET-1CEST,M3.0.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,M3.5.0,M10.5.0/168", "CET-1CEST,M3.5.0,M10.5.0/3x", "CET-1CEST,J0,J300", "CET-1CEST,J366,J300",
		"CET-1CEST,366,300", "CET-25", "CET-1:60", "<+01-1", "<>-1", "CET-1CEST,M3.5.0,M10.5.0\nCET-1", "CET-1111111111111111",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rules); i++) {
		struct buf table = table_of(rules[i]);
		struct zone *z = NULL;

		if (zone_parse(&z, buf_span(&table), NULL) != KW_EPROTO)
			fail_msg("accepted: %s", rules[i]);
		assert_null(z);
		buf_free(&table);
	}
}

/* Deterministic: the same damage at every run. */
static void
no_damage_of_a_table_crashes(void **state)
{
	struct buf table = BUF_INIT(1u << 16);
	uint32_t seed = 1;

	(void)state;
	assert_int_equal(fs_read(&table, "/usr/share/zoneinfo/Europe/Berlin", NULL), KW_OK);
	for (size_t len = 0; len < table.len; len++) {
		struct zone *z = NULL;

		assert_int_equal(zone_parse(&z, span_of(table.p, len), NULL), KW_EPROTO);
	}
	for (unsigned i = 0; i < 20000; i++) {
		size_t at = (seed = seed * 1664525u + 1013904223u) % table.len;
		uint8_t old = table.p[at];
		struct zone *z = NULL;

		table.p[at] ^= (uint8_t)(1u << (seed >> 24) % 8);
		if (zone_parse(&z, buf_span(&table), NULL) == KW_OK)
			(void)zone_local(z, 1800000000000ull + (uint64_t)seed * 1000);
		zone_free(&z);
		table.p[at] = old;
	}
	buf_free(&table);
}

static void
leap_seconds_and_old_tables_are_refused(void **state)
{
	struct buf table = table_of("UTC0");
	struct zone *z = NULL;

	(void)state;
	assert_int_equal(zone_parse(&z, buf_span(&table), NULL), KW_OK);
	zone_free(&z);
	table.p[44 + 10 + 31] = 1; /* a leap second in the second head */
	assert_int_equal(zone_parse(&z, buf_span(&table), NULL), KW_EPROTO);
	table.p[44 + 10 + 31] = 0;
	table.p[4] = 0; /* version 1: times of 32 bits alone */
	assert_int_equal(zone_parse(&z, buf_span(&table), NULL), KW_EPROTO);
	buf_free(&table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_hundred_years_are_as_glibc_has_them),
		cmocka_unit_test(clocks_go_forward_and_back_to_the_second),
		cmocka_unit_test(the_latest_time_of_all_has_an_answer),
		cmocka_unit_test(a_minute_ends_where_the_next_begins),
		cmocka_unit_test(what_is_no_name_of_a_zone_is_refused),
		cmocka_unit_test(the_rule_at_the_end_is_read_in_every_form),
		cmocka_unit_test(summer_that_never_ends_goes_on_over_new_year),
		cmocka_unit_test(a_rule_that_is_none_is_refused),
		cmocka_unit_test(no_damage_of_a_table_crashes),
		cmocka_unit_test(leap_seconds_and_old_tables_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
