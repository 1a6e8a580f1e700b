/* agreement_hours: the hours in which somebody is responsible, "Mo-Fr 06:00-12:00,13:00-22:00; Sa,Su,PH 08:00-20:00". */
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

/* "Mo", "Fr-Mo", "PH"; a day named twice is refused. */
static bool
take_some_days(uint8_t *days, const char **at)
{
	unsigned first, last;

	if (strncmp(*at, "PH", 2) == 0) {
		*at += 2;
		if ((*days & HOLIDAY_BIT) != 0)
			return false;
		*days |= (uint8_t)HOLIDAY_BIT;
		return true;
	}
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
			return true;
	}
}

/* "Mo,We,Fr-Su,PH" */
static bool
take_days(uint8_t *days, const char **at)
{
	*days = 0;
	while (take_some_days(days, at)) {
		if (**at != ',')
			return true;
		++*at;
	}
	return false;
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
take_range(struct hours_rule *out, const char **at)
{
	if (!take_minute(&out->from, at) || *(*at)++ != '-')
		return false;
	return take_minute(&out->to, at) && out->from < MINUTES_A_DAY && out->to > 0 && out->from != out->to;
}

static enum kw_err
refuse_form(const char *text, struct kw_why *why)
{
	return kw_refuse(why, KW_EINVAL, "hours is \"%.80s\", must be days and times as \"Mo-Su 06:00-22:00\" or \"Mo-Fr 08:00-12:00,13:00-16:00; Sa,Su,PH 10:00-14:00\", "
	                 "with Mo Tu We Th Fr Sa Su, and PH or \"PH off\" for public holidays; leave it out for always", text);
}

/* Days and their ranges; "PH off". off: holidays were so ruled out. */
static enum kw_err
take_rule(struct hours *h, bool *off, const char **at, const char *text, struct kw_why *why)
{
	uint8_t days;

	if (!take_days(&days, at) || *(*at)++ != ' ')
		return refuse_form(text, why);
	if (strncmp(*at, "off", 3) == 0) {
		*at += 3;
		if (days != HOLIDAY_BIT || h->names_holidays)
			return kw_refuse(why, KW_EINVAL, "hours is \"%.80s\", but \"off\" is only for \"PH off\", once; leave other days out", text);
		*off = h->names_holidays = true;
		return KW_OK;
	}
	for (;; ++*at) {
		if (h->count == HOURS_MAX)
			return kw_refuse(why, KW_ELIMIT, "hours \"%.80s\" has more than %u ranges of time; write them shorter, or make two entries of it", text, HOURS_MAX);
		if (!take_range(&h->rule[h->count], at))
			return refuse_form(text, why);
		h->rule[h->count++].days = days;
		if (**at != ',' || (*at)[1] < '0' || (*at)[1] > '9')
			break;
	}
	if ((days & HOLIDAY_BIT) == 0)
		return KW_OK;
	h->names_holidays = true;
	return *off ? kw_refuse(why, KW_EINVAL, "hours is \"%.80s\", which has times for PH and \"PH off\"; keep one", text) : KW_OK;
}

enum kw_err
hours_parse(struct hours *out, const char *text, struct kw_why *why)
{
	struct hours h = {0};
	const char *at = text;
	bool off = false;
	enum kw_err err;

	for (;;) {
		if ((err = take_rule(&h, &off, &at, text, why)) != KW_OK)
			return err;
		if (*at == '\0')
			break;
		if (strncmp(at, "; ", 2) != 0)
			return kw_refuse(why, KW_EINVAL, "hours is \"%.80s\", but behind a rule may stand only \"; \" and the next", text);
		at += 2;
	}
	if (h.count == 0)
		return kw_refuse(why, KW_EINVAL, "hours is \"%.80s\", which names no time at all; write the other days too, as \"Mo-Su 00:00-24:00; PH off\"", text);
	*out = h;
	return KW_OK;
}

/* The rules' days that such a day counts as. */
static unsigned
day_bit(const struct hours *h, unsigned weekday, bool holiday)
{
	return holiday && h->names_holidays ? HOLIDAY_BIT : 1u << weekday;
}

/* What began the day before runs on over midnight, whatever day it is then. */
bool
hours_at(const struct hours *h, const struct hours_when *when)
{
	unsigned today = day_bit(h, when->weekday, when->holiday), yesterday = day_bit(h, (when->weekday + 6u) % 7, when->holiday_before);

	MUST(when->weekday < 7 && when->minute < MINUTES_A_DAY);
	for (uint32_t i = 0; i < h->count; i++) {
		const struct hours_rule *r = &h->rule[i];
		bool over_midnight = r->to <= r->from;

		if ((r->days & today) != 0 && when->minute >= r->from && (over_midnight || when->minute < r->to))
			return true;
		if ((r->days & yesterday) != 0 && over_midnight && when->minute < r->to)
			return true;
	}
	return h->count == 0;
}

/* "Mo-Fr,Su,PH": two days that follow each other stand alone, more are a range. */
static void
put_days(struct buf *out, unsigned days)
{
	const char *between = "";

	for (unsigned day = 0; day < 7; day++) {
		unsigned last = day;

		if ((days & 1u << day) == 0)
			continue;
		while (last < 6 && (days & 1u << (last + 1)) != 0)
			last++;
		buf_printf(out, "%s%s", between, day_words[day]);
		if (last > day)
			buf_printf(out, "%s%s", last > day + 1 ? "-" : ",", day_words[last]);
		between = ",";
		day = last;
	}
	if ((days & HOLIDAY_BIT) != 0)
		buf_printf(out, "%sPH", between);
}

void
hours_put(struct buf *out, const struct hours *h)
{
	unsigned all = 0;

	for (uint32_t i = 0; i < h->count; i++) {
		const struct hours_rule *r = &h->rule[i];
		bool same_days = i > 0 && r->days == r[-1].days;

		buf_put_str(out, i == 0 ? "" : same_days ? "," : "; ");
		if (!same_days) {
			put_days(out, r->days);
			buf_put_u8(out, ' ');
		}
		buf_printf(out, "%02u:%02u-%02u:%02u", r->from / 60u, r->from % 60u, r->to / 60u, r->to % 60u);
		all |= r->days;
	}
	if (h->names_holidays && (all & HOLIDAY_BIT) == 0)
		buf_put_str(out, "; PH off");
}
