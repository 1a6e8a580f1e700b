/* zone: TZif tables and the rule at their end; see RFC 8536 and POSIX's TZ. */
#include "certs/zone.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/text.h"

#define TABLES "/usr/share/zoneinfo"
#define TABLE_MAX (64u * 1024u)
#define CHANGES_MAX 2000u
#define TYPES_MAX 256u
#define RULE_MAX 128u
#define HEAD_LEN 44u
#define DAY_S 86400
#define OFFSET_MAX_S (26 * 3600 - 1)    /* RFC 8536: beyond -25 h .. +26 h nothing is */
#define RULE_HOURS_MAX 167              /* a change may lie a week off its day: RFC 8536, 3.3.1 */
#define LATEST_S (1ll << 55)            /* what 64 bits of milliseconds hold */

/* One change of a year: "M3.5.0/2", "J60/2" or "59/2". */
enum day_form { DAY_OF_MONTH_WEEK, DAY_WITHOUT_LEAP, DAY_FROM_ZERO };
struct change {
	enum day_form form;
	int month, week, day;               /* day: 0..6 from Sunday in the first form, of the year in the others */
	int32_t at_s;                       /* local time, may pass a day both ways */
};

/* What holds after the table's last change: "CET-1CEST,M3.5.0,M10.5.0/3". */
struct tail {
	bool there, has_summer;
	int32_t normal_s, summer_s;         /* ahead of UTC */
	struct change begin, end;           /* of summer time */
};

struct zone {
	uint32_t change_count;
	int64_t at[CHANGES_MAX];
	uint8_t type[CHANGES_MAX];
	int32_t offset_s[TYPES_MAX];
	struct tail tail;
};

/* ---- the rule at the end ---- */

static bool
take_number(int *out, const char **at, int lo, int hi)
{
	int v = 0;

	if (**at < '0' || **at > '9')
		return false;
	for (unsigned digits = 0; **at >= '0' && **at <= '9'; ++*at) {
		if (++digits > 3)
			return false;
		v = v * 10 + (**at - '0');
	}
	*out = v;
	return v >= lo && v <= hi;
}

/* "EST", "<+0330>": at least three characters. */
static bool
take_name(const char **at)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	size_t len;

	if (**at == '<') {
		len = strspn(++*at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-");
		*at += len;
		return len >= 3 && *(*at)++ == '>';
	}
	len = strspn(*at, letters);
	*at += len;
	return len >= 3;
}

/* "[+-]hh[:mm[:ss]]" */
static bool
take_time(int32_t *out_s, const char **at, int hours_max)
{
	int sign = 1, hours, minutes = 0, seconds = 0;

	if (**at == '+' || **at == '-')
		sign = *(*at)++ == '-' ? -1 : 1;
	if (!take_number(&hours, at, 0, hours_max))
		return false;
	if (**at == ':' && (++*at, !take_number(&minutes, at, 0, 59)))
		return false;
	if (**at == ':' && (++*at, !take_number(&seconds, at, 0, 59)))
		return false;
	*out_s = sign * (hours * 3600 + minutes * 60 + seconds);
	return true;
}

static bool
take_change(struct change *out, const char **at)
{
	out->at_s = 2 * 3600;
	if (*(*at)++ != ',')
		return false;
	if (**at == 'M') {
		++*at;
		out->form = DAY_OF_MONTH_WEEK;
		if (!take_number(&out->month, at, 1, 12) || *(*at)++ != '.')
			return false;
		if (!take_number(&out->week, at, 1, 5) || *(*at)++ != '.')
			return false;
		if (!take_number(&out->day, at, 0, 6))
			return false;
	} else if (**at == 'J') {
		++*at;
		out->form = DAY_WITHOUT_LEAP;
		if (!take_number(&out->day, at, 1, 365))
			return false;
	} else {
		out->form = DAY_FROM_ZERO;
		if (!take_number(&out->day, at, 0, 365))
			return false;
	}
	if (**at != '/')
		return true;
	++*at;
	return take_time(&out->at_s, at, RULE_HOURS_MAX);
}

/* POSIX counts west of Greenwich; here it is how far local time is ahead. */
static bool
parse_tail(struct tail *out, const char *text)
{
	struct tail t = {.there = true};
	int32_t west;

	if (!take_name(&text) || !take_time(&west, &text, 24))
		return false;
	t.normal_s = -west;
	t.summer_s = t.normal_s + 3600;
	if (*text != '\0') {
		t.has_summer = true;
		if (!take_name(&text))
			return false;
		if (*text != ',' && *text != '\0') {
			if (!take_time(&west, &text, 24))
				return false;
			t.summer_s = -west;
		}
		if (!take_change(&t.begin, &text) || !take_change(&t.end, &text) || *text != '\0')
			return false;
	}
	*out = t;
	return true;
}

static bool
is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days since 1970 on which the change of that year lies. */
static int64_t
change_day(const struct change *c, int64_t year)
{
	int64_t first, day;

	if (c->form == DAY_FROM_ZERO)
		return text_civil_days(year, 1, 1) + c->day;
	if (c->form == DAY_WITHOUT_LEAP)
		return text_civil_days(year, 1, 1) + c->day - 1 + (is_leap(year) && c->day >= 60);
	first = text_civil_days(year, c->month, 1);
	day = first + ((c->day - (first + 4)) % 7 + 7) % 7 + 7 * (c->week - 1); /* 1970-01-01 was a Thursday, 4 */
	if (day >= (c->month == 12 ? text_civil_days(year + 1, 1, 1) : text_civil_days(year, c->month + 1, 1)))
		day -= 7;
	return day;
}

static int64_t
year_of(int64_t unix_s)
{
	int64_t year = 1970 + unix_s / (146097ll * DAY_S) * 400 + unix_s % (146097ll * DAY_S) / (365 * DAY_S);

	while (text_civil_days(year, 1, 1) * DAY_S > unix_s)
		year--;
	while (text_civil_days(year + 1, 1, 1) * DAY_S <= unix_s)
		year++;
	return year;
}

/* The last change that is not later decides; where one summer ends as the next begins, it goes on. */
static int32_t
tail_offset(const struct tail *t, int64_t unix_s)
{
	int64_t last = INT64_MIN, year;
	bool summer = false;

	if (!t->has_summer)
		return t->normal_s;
	year = year_of(unix_s);
	for (int64_t y = year - 1; y <= year + 1; y++) {
		int64_t begin = change_day(&t->begin, y) * DAY_S + t->begin.at_s - t->normal_s;
		int64_t end = change_day(&t->end, y) * DAY_S + t->end.at_s - t->summer_s;

		if (end <= unix_s && end > last) {
			last = end;
			summer = false;
		}
		if (begin <= unix_s && begin >= last) {
			last = begin;
			summer = true;
		}
	}
	return summer ? t->summer_s : t->normal_s;
}

/* ---- the table ---- */

struct counts {
	uint32_t ut, standard, leap, changes, types, letters;
};

static bool
take_counts(struct counts *out, struct cursor *c)
{
	const uint8_t *head = cursor_take(c, HEAD_LEN - 24);

	if (head == NULL || memcmp(head, "TZif", 4) != 0 || head[4] < '2')
		return false;
	out->ut = cursor_u32(c);
	out->standard = cursor_u32(c);
	out->leap = cursor_u32(c);
	out->changes = cursor_u32(c);
	out->types = cursor_u32(c);
	out->letters = cursor_u32(c);
	if (c->bad || out->leap != 0 || out->changes > CHANGES_MAX || out->types == 0 || out->types > TYPES_MAX)
		return false;
	return out->letters <= TABLE_MAX && out->ut <= TYPES_MAX && out->standard <= TYPES_MAX;
}

static bool
take_changes(struct zone *z, const struct counts *n, struct cursor *c)
{
	for (uint32_t i = 0; i < n->changes; i++) {
		z->at[i] = (int64_t)cursor_u64(c);
		if (i > 0 && z->at[i] <= z->at[i - 1])
			return false;
	}
	for (uint32_t i = 0; i < n->changes; i++) {
		z->type[i] = cursor_u8(c);
		if (z->type[i] >= n->types)
			return false;
	}
	z->change_count = n->changes;
	for (uint32_t i = 0; i < n->types; i++) {
		z->offset_s[i] = (int32_t)cursor_u32(c);
		(void)cursor_take(c, 2); /* summer time or not, and the place of its letters */
		if (z->offset_s[i] > OFFSET_MAX_S || z->offset_s[i] < -OFFSET_MAX_S)
			return false;
	}
	return cursor_take(c, n->letters + n->standard + n->ut) != NULL;
}

/* A line of its own; an empty one says that nothing is known of later times. */
static bool
take_tail(struct zone *z, struct cursor *c)
{
	size_t len = cursor_left(c);
	const uint8_t *text = cursor_take(c, len);
	char line[RULE_MAX];

	if (text == NULL || len < 2 || len - 2 >= sizeof line || text[0] != '\n' || text[len - 1] != '\n')
		return false;
	memcpy(line, text + 1, len - 2);
	line[len - 2] = '\0';
	return len == 2 || (strlen(line) == len - 2 && parse_tail(&z->tail, line));
}

enum kw_err
zone_parse(struct zone **out, struct span table, struct kw_why *why)
{
	struct cursor c = cursor_over(table);
	struct counts old, n;
	struct zone *z = calloc(1, sizeof *z);

	if (z == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory while reading a time zone");
	if (take_counts(&old, &c)) /* the times of 32 bits, for older readers: skipped */
		(void)cursor_take(&c, (size_t)old.changes * 5 + (size_t)old.types * 6 + old.letters + old.standard + old.ut);
	else
		c.bad = true;
	if (c.bad || !take_counts(&n, &c) || !take_changes(z, &n, &c) || !take_tail(z, &c)) {
		free(z);
		return kw_refuse(why, KW_EPROTO, "its table is damaged or of an unknown kind; install the package tzdata anew");
	}
	*out = z;
	return KW_OK;
}

void
zone_free(struct zone **z)
{
	if (z == NULL)
		return;
	free(*z);
	*z = NULL;
}

/* "Europe/Berlin", "Etc/GMT+1": words that no path can be made of. */
static bool
is_zone_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= ZONE_NAME_MAX || name[len - 1] == '/')
		return false;
	for (size_t i = 0; i < len; i++) {
		bool letter = (name[i] >= 'A' && name[i] <= 'Z') || (name[i] >= 'a' && name[i] <= 'z');

		if (!letter && ((i == 0 || name[i - 1] == '/') || strchr("0123456789+-_/", name[i]) == NULL))
			return false;
	}
	return true;
}

enum kw_err
zone_read(struct zone **out, const char *name, struct kw_why *why)
{
	struct buf table = BUF_INIT(TABLE_MAX);
	char path[sizeof TABLES + 1 + ZONE_NAME_MAX];
	enum kw_err err;

	if (!is_zone_name(name))
		return kw_refuse(why, KW_EINVAL, "the time zone \"%.60s\" is no name of one; write it as Europe/Berlin", name);
	(void)snprintf(path, sizeof path, TABLES "/%s", name);
	err = fs_read(&table, path, NULL);
	if (err != KW_OK)
		(void)kw_refuse(why, err = KW_ENOTFOUND, "this machine has no table of the time zone \"%s\", which would be %s; write a zone as Europe/Berlin, or install the package tzdata",
		                name, path);
	else if ((err = zone_parse(out, buf_span(&table), why)) != KW_OK)
		kw_why_prefix(why, kw_translate("the time zone \"%s\""), name);
	buf_free(&table);
	return err;
}

/* ---- questions ---- */

int32_t
zone_offset(const struct zone *z, int64_t unix_s)
{
	uint32_t low = 0, high = z->change_count;

	while (low < high) { /* how many changes are not later */
		uint32_t middle = low + (high - low) / 2;

		if (z->at[middle] <= unix_s)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == z->change_count && z->tail.there)
		return tail_offset(&z->tail, unix_s);
	return z->offset_s[low == 0 ? 0 : z->type[low - 1]];
}

struct local_time
zone_local(const struct zone *z, uint64_t unix_ms)
{
	int64_t unix_s = (int64_t)(unix_ms / 1000), local, day, second;

	MUST(unix_s < LATEST_S);
	local = unix_s + zone_offset(z, unix_s);
	day = local / DAY_S - (local % DAY_S < 0);
	second = local - day * DAY_S;
	return (struct local_time){.day = day, .weekday = (uint8_t)(((day + 3) % 7 + 7) % 7), .minute = (uint16_t)(second / 60)};
}

uint64_t
zone_next_minute(const struct zone *z, uint64_t unix_ms)
{
	int64_t local = (int64_t)(unix_ms / 1000) + zone_offset(z, (int64_t)(unix_ms / 1000));

	return (unix_ms / 1000 + (uint64_t)(60 - (local % 60 + 60) % 60)) * 1000;
}
