/* text: numbers, durations, sizes and times as people write them; and which text may be shown. */
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MS_A_SECOND 1000ull
#define MS_A_MINUTE (60ull * MS_A_SECOND)
#define MS_AN_HOUR (60ull * MS_A_MINUTE)
#define MS_A_DAY (24ull * MS_AN_HOUR)

/* Digits at the start of text, without a leading zero; false: none, or past 64 bits. */
static bool
leading_number(uint64_t *out, const char **rest, const char *text)
{
	uint64_t v = 0;
	const char *at = text;

	if (*at < '0' || *at > '9' || (at[0] == '0' && at[1] >= '0' && at[1] <= '9'))
		return false;
	for (; *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	*rest = at;
	return true;
}

enum kw_err
text_u64(uint64_t *out, const char *text, uint64_t lo, uint64_t hi, const char *what, struct kw_why *why)
{
	const char *rest;
	uint64_t v;

	if (!leading_number(&v, &rest, text) || *rest != '\0')
		return kw_refuse(why, KW_EINVAL, "%s is \"%.40s\", must be a whole number from %llu to %llu", what, text,
		                 (unsigned long long)lo, (unsigned long long)hi);
	if (v < lo || v > hi)
		return kw_refuse(why, KW_ELIMIT, "%s is %llu, must be from %llu to %llu", what, (unsigned long long)v,
		                 (unsigned long long)lo, (unsigned long long)hi);
	*out = v;
	return KW_OK;
}

struct unit {
	const char *name;
	uint64_t size;
};

static enum kw_err
with_unit(uint64_t *out, const char *text, uint64_t lo, uint64_t hi, const struct unit *units, size_t n, const char *what,
          const char *example, struct kw_why *why)
{
	const char *rest;
	uint64_t v, size = 0;

	if (!leading_number(&v, &rest, text))
		return kw_refuse(why, KW_EINVAL, "%s is \"%.40s\", must be a number and a unit, as in %s", what, text, example);
	for (size_t i = 0; i < n; i++)
		if (strcmp(rest, units[i].name) == 0)
			size = units[i].size;
	if (size == 0)
		return kw_refuse(why, KW_EINVAL, "%s is \"%.40s\", must be a number and a unit, as in %s", what, text, example);
	if (v > UINT64_MAX / size || v * size < lo || v * size > hi)
		return kw_refuse(why, KW_ELIMIT, "%s is %.40s, outside of what is allowed here (%s)", what, text, example);
	*out = v * size;
	return KW_OK;
}

/* As it may be typed: the largest unit up to days that divides it. */
static void
put_typed(char out[32], uint64_t ms)
{
	static const struct unit units[] = {{"d", MS_A_DAY}, {"h", MS_AN_HOUR}, {"m", MS_A_MINUTE}, {"s", MS_A_SECOND}};
	size_t i = 0;

	while (i < 3 && ms % units[i].size != 0)
		i++;
	(void)snprintf(out, 32, "%llu%s", (unsigned long long)(ms / units[i].size), units[i].name);
}

enum kw_err
text_duration_ms(uint64_t *out, const char *text, uint64_t lo_ms, uint64_t hi_ms, const char *what, struct kw_why *why)
{
	static const struct unit units[] = {{"s", MS_A_SECOND}, {"m", MS_A_MINUTE}, {"h", MS_AN_HOUR},
	                                    {"d", MS_A_DAY}, {"w", 7 * MS_A_DAY}, {"y", 365 * MS_A_DAY}};
	char lo[32], hi[32], example[128];

	put_typed(lo, lo_ms);
	put_typed(hi, hi_ms);
	(void)snprintf(example, sizeof example, "90s, 10m, 2h, 14d, 2w or 2y, from %s to %s", lo, hi);
	return with_unit(out, text, lo_ms, hi_ms, units, sizeof units / sizeof units[0], what, example, why);
}

enum kw_err
text_bytes(uint64_t *out, const char *text, uint64_t lo, uint64_t hi, const char *what, struct kw_why *why)
{
	static const struct unit units[] = {{"", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}, {"TiB", 1ull << 40}};
	char example[120];

	(void)snprintf(example, sizeof example, "512, 64KiB, 10MiB, 2GiB or 1TiB, from %llu to %llu bytes", (unsigned long long)lo,
	               (unsigned long long)hi);
	return with_unit(out, text, lo, hi, units, sizeof units / sizeof units[0], what, example, why);
}

/* n digits at text[at]; -1: not digits. */
static int
digits(const char *text, size_t at, size_t n)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		char c = text[at + i];

		if (c < '0' || c > '9')
			return -1;
		v = v * 10 + (c - '0');
	}
	return v;
}

int64_t
text_civil_days(int64_t year, int month, int day)
{
	int64_t era, year_of_era, day_of_year, day_of_era;

	year -= month <= 2;
	era = year / 400;
	year_of_era = year - era * 400;
	day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

static int
month_days(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* ".5", ".50", ".500": to milliseconds; moves *rest behind them. False: a point without one to three digits. */
static bool
fraction_ms(uint64_t *ms, const char **rest)
{
	uint64_t unit = 100;
	const char *at = *rest;

	*ms = 0;
	if (*at != '.')
		return true;
	for (at++; *at >= '0' && *at <= '9' && unit > 0; at++, unit /= 10)
		*ms += (uint64_t)(*at - '0') * unit;
	if (unit == 100 || (*at >= '0' && *at <= '9'))
		return false;
	*rest = at;
	return true;
}

static bool
offset_minutes(int *out, const char *text)
{
	int hours, minutes;

	*out = 0;
	if (strcmp(text, "Z") == 0)
		return true;
	if ((text[0] != '+' && text[0] != '-') || strlen(text) != 6 || text[3] != ':')
		return false;
	hours = digits(text, 1, 2);
	minutes = digits(text, 4, 2);
	if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59)
		return false;
	*out = (text[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
	return true;
}

static bool
parse_time(uint64_t *out, const char *text)
{
	int year, month, day, hour, minute, second, offset;
	const char *rest;
	uint64_t ms;
	int64_t seconds;

	if (strlen(text) < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':')
		return false;
	year = digits(text, 0, 4);
	month = digits(text, 5, 2);
	day = digits(text, 8, 2);
	hour = digits(text, 11, 2);
	minute = digits(text, 14, 2);
	second = digits(text, 17, 2);
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > month_days(year, month))
		return false;
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
		return false;
	rest = text + 19;
	if (!fraction_ms(&ms, &rest) || !offset_minutes(&offset, rest))
		return false;
	seconds = text_civil_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - (int64_t)offset * 60;
	if (seconds < 0)
		return false;
	*out = (uint64_t)seconds * 1000 + ms;
	return true;
}

enum kw_err
text_time_ms(uint64_t *out, const char *text, const char *what, struct kw_why *why)
{
	uint64_t ms;

	if (!parse_time(&ms, text))
		return kw_refuse(why, KW_EINVAL, "%s is \"%.40s\", must be a time as 2026-12-01T00:00:00+01:00", what, text);
	*out = ms;
	return KW_OK;
}

enum kw_err
text_date(int32_t *out, const char *text, const char *what, struct kw_why *why)
{
	int year = -1, month = -1, day = -1;

	if (strlen(text) == 10 && text[4] == '-' && text[7] == '-') {
		year = digits(text, 0, 4);
		month = digits(text, 5, 2);
		day = digits(text, 8, 2);
	}
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > month_days(year, month))
		return kw_refuse(why, KW_EINVAL, "%s is \"%.40s\", must be a day of the calendar as 2026-12-25", what, text);
	*out = (int32_t)text_civil_days(year, month, day);
	return KW_OK;
}

/* Past the year 9999 a time is nobody's; the text would not fit its place. */
#define TIME_MS_MAX 253402300799999ull

void
text_put_time_utc(char out[TEXT_TIME_MAX], uint64_t ms)
{
	time_t seconds = (time_t)((ms < TIME_MS_MAX ? ms : TIME_MS_MAX) / 1000);
	struct tm tm;

	if (strftime(out, TEXT_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm)) == 0)
		(void)snprintf(out, TEXT_TIME_MAX, "(no time)");
}

static void
local_time(struct tm *tm, uint64_t ms)
{
	time_t seconds = (time_t)((ms < TIME_MS_MAX ? ms : TIME_MS_MAX) / 1000);

	if (localtime_r(&seconds, tm) == NULL)
		memset(tm, 0, sizeof *tm);
}

void
text_put_time_local(char out[TEXT_TIME_MAX], uint64_t ms)
{
	struct tm tm;

	local_time(&tm, ms);
	if (strftime(out, TEXT_TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		(void)snprintf(out, TEXT_TIME_MAX, "(no time)");
}

void
text_put_time_german(char out[TEXT_TIME_MAX], uint64_t ms)
{
	struct tm tm;

	local_time(&tm, ms);
	if (strftime(out, TEXT_TIME_MAX, "%d.%m.%Y %H:%M:%S", &tm) == 0)
		(void)snprintf(out, TEXT_TIME_MAX, "(keine Zeit)");
}

void
text_put_duration(char out[TEXT_TIME_MAX], uint64_t ms)
{
	unsigned long long s = ms / MS_A_SECOND, m = ms / MS_A_MINUTE, h = ms / MS_AN_HOUR, d = ms / MS_A_DAY;

	if (m == 0)
		(void)snprintf(out, TEXT_TIME_MAX, "%llu s", s);
	else if (h == 0)
		(void)snprintf(out, TEXT_TIME_MAX, "%llu min", m);
	else if (d == 0)
		(void)snprintf(out, TEXT_TIME_MAX, "%llu h %02llu min", h, m % 60);
	else
		(void)snprintf(out, TEXT_TIME_MAX, "%llu d %llu h", d, h % 24);
}

/* One UTF-8 character at p (RFC 3629, section 4); 0: broken. */
static size_t
utf8_decode(uint32_t *out, const uint8_t *p, size_t left)
{
	uint32_t v, lowest;
	size_t n;

	if (p[0] < 0x80) {
		*out = p[0];
		return 1;
	}
	if (p[0] >= 0xC2 && p[0] <= 0xDF) {
		n = 2;
		v = p[0] & 0x1Fu;
		lowest = 0x80;
	} else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
		n = 3;
		v = p[0] & 0x0Fu;
		lowest = 0x800;
	} else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
		n = 4;
		v = p[0] & 0x07u;
		lowest = 0x10000;
	} else {
		return 0;
	}
	if (n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		v = v << 6 | (p[i] & 0x3Fu);
	}
	if (v < lowest || v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF))
		return 0;
	*out = v;
	return n;
}

static bool
may_be_shown(uint32_t c, enum text_kind kind)
{
	static const struct {
		uint32_t from, to;
	} hidden[] = {{0x7F, 0x9F}, {0x200B, 0x200B}, {0x200E, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x2064},
	              {0x2066, 0x2069}, {0xFDD0, 0xFDEF}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F}};

	if (c < 0x20)
		return c == '\t' || (kind == TEXT_MULTILINE && (c == '\n' || c == '\r'));
	for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
		if (c >= hidden[i].from && c <= hidden[i].to)
			return false;
	return (c & 0xFFFE) != 0xFFFE;
}

/* Eight characters from 0x20 to 0x7E. With no bit 7 set an addition carries nothing over, and what borrows is out of range itself. */
static bool
eight_plain(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return ((v | (v + 0x0101010101010101ull) | (v - 0x2020202020202020ull)) & 0x8080808080808080ull) == 0;
}

size_t
text_unclean_at(struct span text, enum text_kind kind)
{
	size_t at = 0;

	while (at < text.len) {
		uint32_t c;
		size_t n;

		if (text.len - at >= 8 && eight_plain(text.p + at)) {
			at += 8;
			continue;
		}
		if (text.p[at] >= 0x20 && text.p[at] < 0x7F) { /* by far the most */
			at++;
			continue;
		}
		n = utf8_decode(&c, text.p + at, text.len - at);

		if (n == 0 || !may_be_shown(c, kind))
			return at;
		at += n;
	}
	return SIZE_MAX;
}

void
text_put_hex(char *out, struct span in)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < in.len; i++) {
		out[2 * i] = hex[in.p[i] >> 4];
		out[2 * i + 1] = hex[in.p[i] & 15];
	}
	out[2 * in.len] = '\0';
}

/* What a digit stands for, and one more; 0: it is none. A table, because each message of a node brings a key in hexadecimal. */
static const uint8_t hex_digit[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
	['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

bool
text_hex(uint8_t *out, size_t len, const char *text)
{
	if (strlen(text) != 2 * len)
		return false;
	for (size_t i = 0; i < 2 * len; i++)
		if (hex_digit[(uint8_t)text[i]] == 0)
			return false;
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)((hex_digit[(uint8_t)text[2 * i]] - 1u) << 4 | (hex_digit[(uint8_t)text[2 * i + 1]] - 1u));
	return true;
}

void
text_put_escaped(struct buf *out, struct span in, size_t max)
{
	for (size_t i = 0; i < in.len && i < max; i++) {
		uint8_t c = in.p[i];

		if (c < 0x20 || c > 0x7E || c == '"' || c == '\\')
			buf_printf(out, "\\x%02x", c);
		else
			buf_put_u8(out, c);
	}
}

#define NEAREST_LEN_MAX 64
#define NEAREST_FAR 3

/* Levenshtein distance; more than NEAREST_LEN_MAX bytes is far from everything. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[NEAREST_LEN_MAX + 1], a_len = strlen(a), b_len = strlen(b);

	if (a_len > NEAREST_LEN_MAX || b_len > NEAREST_LEN_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[b_len];
}

const char *
text_nearest(const char *wrong, const char *const *candidates, size_t n)
{
	const char *nearest = NULL;
	size_t least = NEAREST_FAR + 1, wrong_len = strlen(wrong);

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(wrong, candidates[i]);

		if (d < least && 2 * d <= wrong_len + 1) {
			least = d;
			nearest = candidates[i];
		}
	}
	return nearest;
}
