/* agreement_calendar: the partnership's time zone, public holidays, and what time it is there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "certs/agreement_parts.h"
#include "config/yaml_want.h"

#define DEFAULT_ZONE "Europe/Berlin"
#define WITHIN_DEFAULT_MS (15ull * 60 * 1000)
#define WITHIN_MIN_MS 1000ull

static enum kw_err
parse_zone(struct agreement *a, const struct yaml_node *root, struct kw_why *why)
{
	const char *name = DEFAULT_ZONE;
	size_t line = yaml_line(root);
	enum kw_err err = yaml_may_text(&name, &line, root, "time_zone", kw_translate("the agreement"), why);

	if (err != KW_OK)
		return err;
	if ((err = zone_read(&a->zone, name, why)) != KW_OK) {
		kw_why_prefix(why, "line %zu", line);
		return err;
	}
	(void)snprintf(a->time_zone, sizeof a->time_zone, "%s", name);
	return KW_OK;
}

static int
by_day(const void *x, const void *y)
{
	int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;

	return (a > b) - (a < b);
}

static enum kw_err
parse_holidays(struct agreement *a, const struct yaml_node *root, struct kw_why *why)
{
	const struct yaml_node *list;
	enum kw_err err = yaml_may(&list, root, "holidays", YAML_LIST, kw_translate("the agreement"), why);

	if (err != KW_OK || list == NULL)
		return err;
	if (yaml_count(list) > HOLIDAYS_MAX)
		return kw_refuse(why, KW_ELIMIT, "line %zu: %zu holidays, at most %u are allowed; those of the time in which the agreement is valid are enough",
		                 yaml_line(list), yaml_count(list), HOLIDAYS_MAX);
	a->holidays = calloc(yaml_count(list), sizeof *a->holidays);
	if (a->holidays == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory while reading the agreement");
	for (size_t i = 0; i < yaml_count(list); i++) {
		const struct yaml_node *item = yaml_item(list, i);
		int32_t day;

		if ((err = text_date(&day, yaml_kind(item) == YAML_SCALAR ? yaml_text(item) : "", kw_translate("the holiday"), why)) != KW_OK) {
			kw_why_prefix(why, "line %zu", yaml_line(item));
			return err;
		}
		for (uint32_t k = 0; k < a->holiday_count; k++)
			if (a->holidays[k] == day)
				return kw_refuse(why, KW_EINVAL, "line %zu: the holiday %s stands here twice; keep one", yaml_line(item), yaml_text(item));
		a->holidays[a->holiday_count++] = day;
	}
	qsort(a->holidays, a->holiday_count, sizeof *a->holidays, by_day);
	return KW_OK;
}

enum kw_err
agreement_parse_calendar(struct agreement *a, const struct yaml_node *root, struct kw_why *why)
{
	enum kw_err err;

	if ((err = parse_zone(a, root, why)) != KW_OK)
		return err;
	if ((err = parse_holidays(a, root, why)) != KW_OK)
		return err;
	a->coordinator_within_ms = WITHIN_DEFAULT_MS;
	return yaml_may_duration(&a->coordinator_within_ms, root, "coordinator_within", WITHIN_MIN_MS, DAY_MS, kw_translate("the agreement"), why);
}

/* ---- questions ---- */

bool
calendar_holiday(const struct agreement *a, int64_t day)
{
	int32_t key = (int32_t)day;

	if (a->holiday_count == 0 || day < INT32_MIN || day > INT32_MAX)
		return false;
	return bsearch(&key, a->holidays, a->holiday_count, sizeof *a->holidays, by_day) != NULL;
}

struct hours_when
calendar_when(const struct agreement *a, uint64_t at_ms)
{
	struct local_time now = zone_local(a->zone, at_ms);

	return (struct hours_when){.weekday = now.weekday, .minute = now.minute, .holiday = calendar_holiday(a, now.day),
	                           .holiday_before = calendar_holiday(a, now.day - 1)};
}

const char *
agreement_time_zone(const struct agreement *a)
{
	return a->time_zone;
}

bool
agreement_is_holiday(const struct agreement *a, uint64_t at_ms)
{
	return calendar_holiday(a, zone_local(a->zone, at_ms).day);
}

void
agreement_put_time(char out[TEXT_TIME_MAX], const struct agreement *a, uint64_t ms, bool german)
{
	static const char *const days[2][7] = {{"Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"}, {"Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"}};
	char text[TEXT_TIME_MAX];
	int64_t local_s = (int64_t)(ms / 1000) + zone_offset(a->zone, (int64_t)(ms / 1000));

	text_put_time_utc(text, local_s > 0 ? (uint64_t)local_s * 1000 : 0); /* 2026-12-06T03:10:00Z */
	(void)snprintf(out, TEXT_TIME_MAX, "%s %.10s %.5s", days[german][zone_local(a->zone, ms).weekday], text, strlen(text) > 16 ? text + 11 : "");
}

/* Both offsets that the zone has about that time are tried, the earlier moment first. */
enum kw_err
agreement_time(uint64_t *out, const struct agreement *a, const char *text, const char *what, struct kw_why *why)
{
	char utc[TEXT_TIME_MAX] = "";
	uint64_t local_ms = 0;
	int32_t before, behind;
	int64_t s;

	if (text_time_ms(out, text, what, NULL) == KW_OK)
		return KW_OK;
	if (strlen(text) == 16 && text[10] == ' ')
		(void)snprintf(utc, sizeof utc, "%.10sT%s:00Z", text, text + 11);
	if (text_time_ms(&local_ms, utc, what, NULL) != KW_OK || local_ms < 2 * DAY_MS)
		return kw_refuse(why, KW_EINVAL, "%s is \"%.40s\", must be a time of the partnership's own zone as \"2026-12-06 03:10\", or one with its offset as 2026-12-06T03:10:00+01:00",
		                 what, text);
	s = (int64_t)(local_ms / 1000);
	before = zone_offset(a->zone, s - (int64_t)(DAY_MS / 1000));
	behind = zone_offset(a->zone, s + (int64_t)(DAY_MS / 1000));
	if (s - before + zone_offset(a->zone, s - before) == s)
		s -= before;
	else if (s - behind + zone_offset(a->zone, s - behind) == s)
		s -= behind;
	else
		s -= before; /* skipped: as a clock shows it that was not set forward yet */
	*out = (uint64_t)s * 1000;
	return KW_OK;
}
