/* when: see its header. */
#include "clients/cli/when.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "clients/cli/cli.h"

#define DAY_S 86400
#define FAR_MS (60ull * DAY_S * 1000) /* nobody counts the days to then */
#define DURATION_MAX_MS (3650ull * DAY_S * 1000)

static void
local(struct tm *out, uint64_t ms)
{
	time_t s = (time_t)(ms / 1000);

	if (localtime_r(&s, out) == NULL)
		memset(out, 0, sizeof *out);
}

/* Days between two local dates; noon to noon, so that a day of 23 hours counts. */
static long
days_apart(const struct tm *from, const struct tm *to)
{
	struct tm a = {.tm_year = from->tm_year, .tm_mon = from->tm_mon, .tm_mday = from->tm_mday, .tm_hour = 12, .tm_isdst = -1};
	struct tm b = {.tm_year = to->tm_year, .tm_mon = to->tm_mon, .tm_mday = to->tm_mday, .tm_hour = 12, .tm_isdst = -1};
	double s = difftime(mktime(&b), mktime(&a));

	return (long)((s + (s >= 0 ? DAY_S / 2 : -DAY_S / 2)) / DAY_S);
}

static void
put(char out[WHEN_MAX], uint64_t ms, uint64_t now_ms, bool with_seconds)
{
	struct tm then, now;
	char clock[16];
	long days;

	if (ms == 0) {
		(void)snprintf(out, WHEN_MAX, "-");
		return;
	}
	local(&then, ms);
	local(&now, now_ms);
	days = days_apart(&now, &then);
	(void)strftime(clock, sizeof clock, with_seconds && days == 0 ? "%H:%M:%S" : "%H:%M", &then);
	if (days == 0)
		(void)snprintf(out, WHEN_MAX, "%s", clock);
	else if (days == 1)
		(void)snprintf(out, WHEN_MAX, _("tomorrow %s"), clock);
	else if (days == -1)
		(void)snprintf(out, WHEN_MAX, _("yesterday %s"), clock);
	else
		(void)snprintf(out, WHEN_MAX, _("%04d-%02d-%02d %s"), then.tm_year + 1900, then.tm_mon + 1, then.tm_mday, clock);
}

void
when_put(char out[WHEN_MAX], uint64_t ms, uint64_t now_ms)
{
	put(out, ms, now_ms, true);
}

void
when_put_short(char out[WHEN_MAX], uint64_t ms, uint64_t now_ms)
{
	put(out, ms, now_ms, false);
}

void
when_put_date(char out[WHEN_MAX], uint64_t ms)
{
	struct tm then;
	char clock[16];

	local(&then, ms);
	(void)strftime(clock, sizeof clock, "%H:%M:%S", &then);
	(void)snprintf(out, WHEN_MAX, _("%04d-%02d-%02d %s"), then.tm_year + 1900, then.tm_mon + 1, then.tm_mday, clock);
}

void
when_put_until(char out[WHEN_MAX], uint64_t ms, uint64_t now_ms)
{
	char at[WHEN_MAX], span[TEXT_TIME_MAX];

	put(at, ms, now_ms, false);
	text_put_duration(span, ms > now_ms ? ms - now_ms : now_ms - ms);
	if (ms == 0 || (ms > now_ms ? ms - now_ms : now_ms - ms) > FAR_MS)
		(void)snprintf(out, WHEN_MAX, "%.48s", at);
	else
		(void)snprintf(out, WHEN_MAX, ms > now_ms ? _("%.48s (in %s)") : _("%.48s (%s ago)"), at, span);
}

uint64_t
when_parse_utc(const char *text)
{
	uint64_t ms;

	return text_time_ms(&ms, text, "", NULL) == KW_OK ? ms : 0;
}

/* "22:15" on now's day, or days later; false: it is none. */
static bool
parse_clock(uint64_t *out, const char *text, uint64_t now_ms, int days)
{
	int hour, minute, end = 0;
	struct tm day;
	time_t s;

	if (sscanf(text, "%2d:%2d%n", &hour, &minute, &end) != 2 || text[end] != '\0' || strspn(text, "0123456789:") != strlen(text) || hour > 23 ||
	    minute > 59)
		return false;
	local(&day, now_ms);
	day.tm_mday += days; /* and not 24 hours: the clocks may change in between */
	day.tm_hour = hour;
	day.tm_min = minute;
	day.tm_sec = 0;
	day.tm_isdst = -1;
	s = mktime(&day);
	if (s < 0)
		return false;
	*out = (uint64_t)s * 1000;
	return true;
}

static enum kw_err
parse(uint64_t *out, const char *text, uint64_t now_ms, bool after, const char *what, struct kw_why *why)
{
	uint64_t ms;

	if (parse_clock(&ms, text, now_ms, 0)) {
		if (after ? ms <= now_ms : ms > now_ms)
			(void)parse_clock(&ms, text, now_ms, after ? 1 : -1);
		*out = ms;
		return KW_OK;
	}
	if (text_duration_ms(&ms, text, 0, DURATION_MAX_MS, what, NULL) == KW_OK) {
		*out = after ? now_ms + ms : ms < now_ms ? now_ms - ms : 0;
		return KW_OK;
	}
	if (text_time_ms(&ms, text, what, NULL) == KW_OK) {
		*out = ms;
		return KW_OK;
	}
	return kw_refuse(why, KW_EINVAL, "%s is \"%.64s\", must be a time as 22:15 or 2026-12-01T22:15:00+01:00, or a duration as 90s, 10m, 2h or 3d", what, text);
}

enum kw_err
when_parse_before(uint64_t *out, const char *text, uint64_t now_ms, const char *what, struct kw_why *why)
{
	return parse(out, text, now_ms, false, what, why);
}

enum kw_err
when_parse_after(uint64_t *out, const char *text, uint64_t now_ms, const char *what, struct kw_why *why)
{
	return parse(out, text, now_ms, true, what, why);
}
