/*
 * agreement_gaps: what a topic's responsible allows and probably does not mean: hours and areas that nobody has, entries that
 * change nothing, hours in which two have it. Each is told with the smallest example.
 *
 * Two tables are enough for all of it. Slices: every set of entries whose hours hold together at some minute of the week, or of
 * a public holiday and the day behind it. Kinds: every set of entries whose areas hold together on some topic that this
 * filter decides about.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "certs/agreement_parts.h"

#define SLICES_MAX 1024u
#define KINDS_MAX 256u
#define SAMPLES_MAX 4096u
#define TOLD_MAX 8u             /* holes of one topic; the rest is of their kind */
#define BOUNDS_MAX (1u + 2u * HOURS_MAX * RESPONSIBLE_MAX)
#define ANY_DAY INT64_MIN
#define ELSEWHERE "elsewhere"   /* stands for whatever no area names */
static_assert(RESPONSIBLE_MAX <= 64, "a set of entries is a word of 64 bits");

struct slice {
	uint64_t on;                /* the entries whose hours hold */
	int64_t day;                /* the first such: a holiday or the day behind it; ANY_DAY: in every week */
	uint8_t weekday;
	uint16_t minute;
	uint32_t minutes;           /* of every week */
};

struct kind {
	uint64_t holds;             /* the entries whose area holds */
	char topic[KW_TOPIC_MAX + 1];
};

struct look {
	struct reading *r;
	uint32_t bound_count, slice_count, kind_count, samples;
	uint16_t bounds[BOUNDS_MAX];    /* minutes of the day at which anything may change, sorted; the first is 0 */
	struct slice slices[SLICES_MAX];
	struct kind kinds[KINDS_MAX];
};

/* ---- slices ---- */

static void
add_bound(struct look *l, unsigned minute)
{
	uint32_t at = 0;

	if (minute == MINUTES_A_DAY)
		return;
	while (at < l->bound_count && l->bounds[at] < minute)
		at++;
	if (at < l->bound_count && l->bounds[at] == minute)
		return;
	memmove(&l->bounds[at + 1], &l->bounds[at], (l->bound_count++ - at) * sizeof l->bounds[0]);
	l->bounds[at] = (uint16_t)minute;
}

static void
add_slice(struct look *l, const struct slice *s)
{
	for (uint32_t i = 0; i < l->slice_count; i++) {
		if (l->slices[i].on != s->on)
			continue;
		l->slices[i].minutes += s->minutes;
		return;
	}
	if (l->slice_count < SLICES_MAX)
		l->slices[l->slice_count++] = *s;
}

static void
slice_day(struct look *l, int64_t day, unsigned weekday, bool holiday, bool holiday_before)
{
	const struct topic_rule *t = l->r->t;

	for (uint32_t i = 0; i < l->bound_count; i++) {
		struct hours_when when = {.weekday = (uint8_t)weekday, .minute = l->bounds[i], .holiday = holiday, .holiday_before = holiday_before};
		unsigned end = i + 1 < l->bound_count ? l->bounds[i + 1] : MINUTES_A_DAY;
		struct slice s = {.day = day, .weekday = (uint8_t)weekday, .minute = l->bounds[i], .minutes = day == ANY_DAY ? end - l->bounds[i] : 0};

		for (uint32_t k = 0; k < t->line_count; k++)
			s.on |= (uint64_t)hours_at(&t->line[k].hours, &when) << k;
		add_slice(l, &s);
	}
}

static void
cut_slices(struct look *l)
{
	const struct agreement *a = l->r->a;
	const struct topic_rule *t = l->r->t;

	add_bound(l, 0);
	for (uint32_t i = 0; i < t->line_count; i++)
		for (uint32_t k = 0; k < t->line[i].hours.count; k++) {
			add_bound(l, t->line[i].hours.rule[k].from);
			add_bound(l, t->line[i].hours.rule[k].to);
		}
	for (unsigned weekday = 0; weekday < 7; weekday++)
		slice_day(l, ANY_DAY, weekday, false, false);
	for (uint32_t i = 0; i < a->holiday_count; i++) {
		int64_t day = a->holidays[i];

		slice_day(l, day, (unsigned)((day + 3) % 7), true, calendar_holiday(a, day - 1)); /* 1970-01-01, day 0, was a Thursday */
		if (!calendar_holiday(a, day + 1))
			slice_day(l, day + 1, (unsigned)((day + 4) % 7), false, true);
	}
}

/* ---- kinds of topics ---- */

static void
add_kind(struct look *l, const char *topic)
{
	const struct topic_rule *t = l->r->t;
	uint64_t holds = 0;

	l->samples++;
	if (agreement_rule(l->r->a, topic) != t) /* one that stands before it decides */
		return;
	for (uint32_t i = 0; i < t->line_count; i++)
		holds |= (uint64_t)area_holds(&t->line[i].area, topic) << i;
	for (uint32_t i = 0; i < l->kind_count; i++)
		if (l->kinds[i].holds == holds)
			return;
	if (l->kind_count == KINDS_MAX)
		return;
	l->kinds[l->kind_count].holds = holds;
	(void)snprintf(l->kinds[l->kind_count++].topic, KW_TOPIC_MAX + 1, "%s", topic);
}

/*
 * The filter with every wildcard filled in: names[level] where it is not NULL, else ELSEWHERE; # becomes as many levels as
 * reach to deepest. False: it would be too long.
 */
static bool
fill(char out[KW_TOPIC_MAX + 1], const char *filter, const char *const names[KW_LEVELS_MAX + 1], uint32_t deepest)
{
	size_t n = 0;

	for (uint32_t level = 1; level <= KW_LEVELS_MAX; level++) {
		size_t len = strcspn(filter, "/");
		bool rest = len == 1 && *filter == '#', any = rest || (len == 1 && *filter == '+');
		const char *word = !any ? filter : names[level] != NULL ? names[level] : ELSEWHERE;
		size_t word_len = any ? strlen(word) : len;

		if (rest && level > deepest)
			break;
		if (n + (n > 0) + word_len > KW_TOPIC_MAX)
			return false;
		if (n > 0)
			out[n++] = '/';
		memcpy(out + n, word, word_len);
		n += word_len;
		if (rest)
			continue;
		filter += len;
		if (*filter++ == '\0')
			break;
	}
	out[n] = '\0';
	return n > 0;
}

/* The levels at which some area asks for a name. */
static uint32_t
named_levels(const struct topic_rule *t)
{
	uint32_t levels = 0;

	for (uint32_t i = 0; i < t->line_count; i++)
		if (t->line[i].area.level > 0)
			levels |= 1u << t->line[i].area.level;
	return levels;
}

static uint32_t
deepest_of(uint32_t levels)
{
	uint32_t level = KW_LEVELS_MAX;

	while (level > 0 && (levels & 1u << level) == 0)
		level--;
	return level;
}

static void
try_names(struct look *l, const char *names[KW_LEVELS_MAX + 1], uint32_t deepest)
{
	char topic[KW_TOPIC_MAX + 1];
	uint32_t levels = 1;

	for (const char *at = l->r->t->filter; *at != '\0'; at++)
		levels += *at == '/';
	for (uint32_t depth = 1; depth <= (deepest > levels ? deepest : levels) + 1 && depth <= KW_LEVELS_MAX; depth++)
		if (fill(topic, l->r->t->filter, names, depth))
			add_kind(l, topic);
}

/* Every name at this level, and none; then the same at the next. At most one call for each of the 16 levels is open. */
static void
try_levels(struct look *l, const char *names[KW_LEVELS_MAX + 1], uint32_t level, uint32_t levels)
{
	const struct topic_rule *t = l->r->t;

	if (l->samples >= SAMPLES_MAX)
		return;
	if (level > KW_LEVELS_MAX) {
		try_names(l, names, deepest_of(levels));
		return;
	}
	names[level] = NULL;
	try_levels(l, names, level + 1, levels);
	if ((levels & 1u << level) == 0)
		return;
	for (uint32_t i = 0; i < t->line_count; i++)
		for (uint32_t k = 0; t->line[i].area.level == level && k < t->line[i].area.count; k++) {
			names[level] = t->line[i].area.names[k];
			try_levels(l, names, level + 1, levels);
		}
	names[level] = NULL;
}

/* ---- what is told ---- */

/* "Sunday 03:10", "Friday 2026-12-25 03:10" */
static void
put_when(char out[64], const struct slice *s)
{
	const char *const days[] = {kw_translate("Monday"), kw_translate("Tuesday"), kw_translate("Wednesday"), kw_translate("Thursday"),
	                            kw_translate("Friday"), kw_translate("Saturday"), kw_translate("Sunday")};
	char date[TEXT_TIME_MAX] = "";

	if (s->day != ANY_DAY)
		text_put_time_utc(date, (uint64_t)s->day * DAY_MS);
	(void)snprintf(out, 64, "%s %.10s%s%02u:%02u", days[s->weekday], date, s->day != ANY_DAY ? " " : "", s->minute / 60u, s->minute % 60u);
}

/* True: told, or nothing to tell. */
static bool
tell_hole(struct look *l, const struct kind *kind)
{
	const struct agreement *a = l->r->a;
	const struct slice *first = NULL;
	char when[64], long_[TEXT_TIME_MAX], text[2 * KW_TOPIC_MAX + 300];
	uint32_t minutes = 0;

	for (uint32_t i = 0; i < l->slice_count; i++) {
		if ((l->slices[i].on & kind->holds) != 0)
			continue;
		if (first == NULL || (first->day != ANY_DAY && l->slices[i].day == ANY_DAY))
			first = &l->slices[i];
		minutes += l->slices[i].minutes;
	}
	if (first == NULL)
		return false;
	put_when(when, first);
	text_put_duration(long_, minutes * 60000ull);
	if (minutes == MINUTES_A_WEEK)
		(void)snprintf(text, sizeof text, kw_translate("a hole: at any hour, %s: nobody, falls to %s"), kind->topic, a->nodes[a->coordinator].id);
	else if (minutes > 0)
		(void)snprintf(text, sizeof text, kw_translate("a hole in the hours: %s, %s: nobody, falls to %s (%s a week)"), when, kind->topic,
		               a->nodes[a->coordinator].id, long_);
	else
		(void)snprintf(text, sizeof text, kw_translate("a hole in the hours of public holidays: %s, %s: nobody, falls to %s"), when, kind->topic,
		               a->nodes[a->coordinator].id);
	reading_warn(l->r, l->r->t->line[0].line, text);
	return true;
}

static void
tell_holes(struct look *l)
{
	uint32_t told = 0;

	for (uint32_t i = 0; i < l->kind_count && told < TOLD_MAX; i++)
		told += tell_hole(l, &l->kinds[i]);
}

/* One of the area's names that no topic has which this filter decides about; who decides, if somebody does. */
static bool
is_dead_name(struct look *l, uint32_t level, const char *name, const struct topic_rule **decides)
{
	const char *names[KW_LEVELS_MAX + 1] = {NULL};
	struct area area = {.level = level, .count = 1, .names = calloc(1, sizeof *area.names)};
	char topic[KW_TOPIC_MAX + 1];
	bool dead = true;

	*decides = NULL;
	if (area.names == NULL)
		return false;
	(void)snprintf(area.names[0], AREA_NAME_LEN, "%s", name);
	names[level] = name;
	for (uint32_t depth = 1; depth <= level + 1 && depth <= KW_LEVELS_MAX && dead; depth++) {
		const struct topic_rule *t = fill(topic, l->r->t->filter, names, depth) && area_holds(&area, topic) ? agreement_rule(l->r->a, topic) : NULL;

		dead = t != l->r->t;
		if (t != NULL)
			*decides = t;
	}
	free(area.names);
	return dead;
}

static void
tell_dead_names(struct look *l, const struct responsible *entry)
{
	const struct topic_rule *decides, *by = NULL;
	const char *dead = NULL;
	char text[KW_TOPIC_MAX + 300];
	uint32_t n = 0;

	for (uint32_t i = 0; i < entry->area.count; i++) {
		if (!is_dead_name(l, entry->area.level, entry->area.names[i], &decides))
			continue;
		dead = dead != NULL ? dead : entry->area.names[i];
		by = by != NULL ? by : decides;
		n++;
	}
	if (n == 0)
		return;
	if (by != NULL)
		(void)snprintf(text, sizeof text, kw_translate("%s in area is never asked for here, since %s in line %u stands before it and decides"), dead, by->filter,
		               by->view.line);
	else
		(void)snprintf(text, sizeof text, kw_translate("%s in area is never asked for here, since no topic of this filter has it as level %u"), dead, entry->area.level);
	reading_warn(l->r, entry->line, text);
	if (n == entry->area.count)
		reading_warn(l->r, entry->line, kw_translate("so this line of responsible can never match"));
}

/* Somebody of entry e is in no line before it, at this hour and on this kind of topic. */
static bool
adds_somebody(const struct topic_rule *t, uint32_t e, uint64_t active)
{
	const struct responsible *r = &t->line[e];

	for (uint32_t k = 0; k <= r->deputy_count; k++) {
		uint32_t node = k == 0 ? r->node : r->deputies[k - 1];
		bool there = false;

		for (uint32_t i = 0; i < e && !there; i++) {
			there = (active & 1ull << i) != 0 && t->line[i].node == node;
			for (uint32_t m = 0; m < t->line[i].deputy_count && !there; m++)
				there = (active & 1ull << i) != 0 && t->line[i].deputies[m] == node;
		}
		if (!there)
			return true;
	}
	return false;
}

static void
tell_idle(struct look *l, uint32_t e)
{
	const struct topic_rule *t = l->r->t;
	bool on = false, adds = false, met = false;

	for (uint32_t i = 0; i < l->slice_count; i++) {
		if ((l->slices[i].on & 1ull << e) == 0)
			continue;
		on = true;
		for (uint32_t k = 0; k < l->kind_count && !adds; k++) {
			if ((l->kinds[k].holds & 1ull << e) == 0)
				continue;
			met = true;
			adds = adds_somebody(t, e, l->slices[i].on & l->kinds[k].holds);
		}
	}
	if (!on)
		reading_warn(l->r, t->line[e].line, kw_translate("this line of responsible can never match: its hours are on public holidays alone, and \"holidays\" lists none"));
	else if (t->line[e].hours.names_holidays && l->r->a->holiday_count == 0)
		reading_warn(l->r, t->line[e].line, kw_translate("PH in its hours is no day at all, since \"holidays\" lists none"));
	if (on && met && !adds)
		reading_warn(l->r, t->line[e].line, kw_translate("this line of responsible changes nothing: whenever it matches, all whom it names are in lines before it"));
}

/* Hours of both that meet and do not lie in one another: perhaps only a boundary was meant. */
static void
tell_overlap(struct look *l, uint32_t e, uint32_t f)
{
	const struct topic_rule *t = l->r->t;
	const struct slice *both = NULL;
	const struct kind *kind = NULL;
	bool e_alone = false, f_alone = false;
	char when[64], text[KW_TOPIC_MAX + 2 * KW_NODE_MAX + 200];

	if (t->line[e].hours.count == 0 || t->line[f].hours.count == 0 || t->line[e].node == t->line[f].node)
		return;
	for (uint32_t i = 0; i < l->slice_count; i++) {
		bool e_on = (l->slices[i].on & 1ull << e) != 0, f_on = (l->slices[i].on & 1ull << f) != 0;

		if (e_on && f_on && both == NULL)
			both = &l->slices[i];
		e_alone |= e_on && !f_on;
		f_alone |= f_on && !e_on;
	}
	for (uint32_t k = 0; k < l->kind_count && kind == NULL; k++)
		if ((l->kinds[k].holds & 1ull << e) != 0 && (l->kinds[k].holds & 1ull << f) != 0)
			kind = &l->kinds[k];
	if (both == NULL || kind == NULL || !e_alone || !f_alone)
		return;
	put_when(when, both);
	(void)snprintf(text, sizeof text, kw_translate("hours that overlap: %s, %s: %s first, then %s as well"), when, kind->topic, l->r->a->nodes[t->line[e].node].id,
	               l->r->a->nodes[t->line[f].node].id);
	reading_warn(l->r, t->line[f].line, text);
}

static void
tell_entries(struct look *l)
{
	const struct topic_rule *t = l->r->t;

	for (uint32_t i = 0; i < t->line_count; i++) {
		tell_dead_names(l, &t->line[i]);
		tell_idle(l, i);
		for (uint32_t k = 0; k < i; k++)
			tell_overlap(l, k, i);
	}
}

/* Topics that this filter takes in and one before it decides about, although neither takes in the other. */
static void
tell_crossing(struct reading *r)
{
	char both[KW_TOPIC_MAX + 1], text[3 * KW_TOPIC_MAX + 100];

	for (const struct topic_rule *before = r->a->topics; before < r->t; before++) {
		if (!filters_overlap(before->filter, r->t->filter) || filter_covers(r->t->filter, before->filter) || !agreement_intersect(both, before->filter, r->t->filter))
			continue;
		(void)snprintf(text, sizeof text, kw_translate("topics of %s are not decided here, since %s in line %u stands before it"), both,
		               before->filter, before->view.line);
		reading_warn(r, r->t->line[0].line, text);
	}
}

void
reading_gaps(struct reading *r)
{
	const char *names[KW_LEVELS_MAX + 1] = {NULL};
	struct look *l;

	if (r->warnings == NULL || r->t->line_count == 0 || (l = calloc(1, sizeof *l)) == NULL)
		return;
	l->r = r;
	cut_slices(l);
	try_levels(l, names, 1, named_levels(r->t));
	tell_holes(l);
	tell_entries(l);
	tell_crossing(r);
	free(l);
}
