/* agreement_hours: the hours in which somebody is responsible, "Mo-Fr 06:00-22:00; Sa,Su 08:00-20:00". */
#include <string.h>

#include "certs/agreement_parts.h"

static const char *const day_words[] = {"Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"};

static bool
take_day(unsigned *day, const char **at)
{
	for (unsigned i = 0; i < 7; i++) {
		if (strncmp(*at, day_words[i], 2) != 0)
			continue;
		*day = i;
		*at += 2;
		return true;
	}
	return false;
}

/* "Mo", "Mo-Fr", "Fr-Mo", "Mo,We,Fr-Su"; a day named twice is refused. */
static bool
take_days(uint8_t *days, const char **at)
{
	unsigned first, last;

	*days = 0;
	for (;;) {
		if (!take_day(&first, at))
			return false;
		last = first;
		if (**at == '-') {
			++*at;
			if (!take_day(&last, at))
				return false;
		}
		for (unsigned day = first;; day = (day + 1) % 7) {
			if ((*days & 1u << day) != 0)
				return false;
			*days |= (uint8_t)(1u << day);
			if (day == last)
				break;
		}
		if (**at != ',')
			return true;
		++*at;
	}
}

/* "06:00", at most "24:00", in minutes. */
static bool
take_minute(uint16_t *out, const char **at)
{
	const char *p = *at;
	unsigned minute;

	for (unsigned i = 0; i < 5; i++)
		if (i == 2 ? p[i] != ':' : p[i] < '0' || p[i] > '9')
			return false;
	if (p[3] > '5')
		return false;
	minute = (unsigned)((p[0] - '0') * 10 + (p[1] - '0')) * 60 + (unsigned)((p[3] - '0') * 10 + (p[4] - '0'));
	if (minute > MINUTES_A_DAY)
		return false;
	*out = (uint16_t)minute;
	*at += 5;
	return true;
}

static bool
take_rule(struct hours_rule *out, const char **at)
{
	if (!take_days(&out->days, at) || *(*at)++ != ' ')
		return false;
	if (!take_minute(&out->from, at) || *(*at)++ != '-')
		return false;
	return take_minute(&out->to, at) && out->from < MINUTES_A_DAY && out->to > 0 && out->from != out->to;
}

enum kw_err
hours_parse(struct hours *out, const char *text, struct kw_why *why)
{
	struct hours h = {0};
	const char *at = text;

	for (;;) {
		if (h.count == HOURS_MAX)
			return kw_refuse(why, KW_ELIMIT, "hours \"%.80s\" has more than %u rules", text, HOURS_MAX);
		if (!take_rule(&h.rule[h.count], &at))
			return kw_refuse(why, KW_EINVAL, "hours is \"%.80s\", must be days and times as \"Mo-Su 06:00-22:00\" or \"Mo-Fr 08:00-16:00; Sa,Su 10:00-14:00\", "
			                 "with Mo Tu We Th Fr Sa Su; leave it out for always", text);
		h.count++;
		if (*at == '\0')
			break;
		if (strncmp(at, "; ", 2) != 0)
			return kw_refuse(why, KW_EINVAL, "hours is \"%.80s\", but behind a rule may stand only \"; \" and the next", text);
		at += 2;
	}
	*out = h;
	return KW_OK;
}

static bool
rule_at(const struct hours_rule *r, unsigned day, unsigned minute)
{
	unsigned yesterday = (day + 6) % 7;

	if (r->to > r->from)
		return (r->days & 1u << day) != 0 && minute >= r->from && minute < r->to;
	if ((r->days & 1u << day) != 0 && minute >= r->from)
		return true;
	return (r->days & 1u << yesterday) != 0 && minute < r->to;
}

bool
hours_at(const struct hours *h, uint32_t minute_of_week)
{
	MUST(minute_of_week < MINUTES_A_WEEK);
	for (uint32_t i = 0; i < h->count; i++)
		if (rule_at(&h->rule[i], minute_of_week / MINUTES_A_DAY, minute_of_week % MINUTES_A_DAY))
			return true;
	return h->count == 0;
}
