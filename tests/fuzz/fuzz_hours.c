/*
 * Three lines of hours, as three who are responsible one after the other, and behind them a zone, a moment and some public holidays.
 * When hours hold is compared with another way to read them; the line stays as it is until the moment that is named, and is another then.
 */
#include <string.h>

#include "certs/agreement_parts.h"
#include "fuzz.h"

#define ENTRIES 3u
#define HOLIDAYS 4u
#define TOPIC "request/noise"
#define FIRST_MS 315532800000ull            /* 1980 */
#define SPAN_MS (220ull * 366 * DAY_MS)

/* ---- hours, read in another way: what is open in each minute of each kind of day and of the one behind it ---- */

#define HOLIDAY 7u
struct plan { bool names_holidays; uint8_t open[8][2 * MINUTES_A_DAY]; };

static unsigned
day_of(const char *two)
{
	const char *at = strstr("MoTuWeThFrSaSuPH", two);

	HOLDS(at != NULL, two);
	return (unsigned)(strstr("MoTuWeThFrSaSuPH", two) - "MoTuWeThFrSaSuPH") / 2;
}

/* "Mo,We-Fr,PH" into which of the eight. */
static void
days_of(bool days[8], char *text)
{
	char *save = NULL;

	memset(days, 0, 8 * sizeof *days);
	for (char *part = strtok_r(text, ",", &save); part != NULL; part = strtok_r(NULL, ",", &save)) {
		char first[3] = {part[0], part[1], '\0'};
		unsigned day = day_of(first), last = day;

		if (part[2] == '-')
			last = day_of(part + 3);
		days[day] = true;
		while (day != last)
			days[day = (day + 1) % 7] = true;
	}
}

static void
read_again(struct plan *p, const char *text)
{
	char copy[1024], *save = NULL;

	memset(p, 0, sizeof *p);
	(void)snprintf(copy, sizeof copy, "%s", text);
	for (char *rule = strtok_r(copy, ";", &save); rule != NULL; rule = strtok_r(NULL, ";", &save)) {
		char *word = rule + strspn(rule, " "), *times = strchr(word, ' '), *more = NULL;
		bool days[8];

		*times++ = '\0';
		days_of(days, word);
		p->names_holidays = p->names_holidays || days[HOLIDAY];
		for (char *range = strtok_r(times, ",", &more); range != NULL && range[0] != 'o'; range = strtok_r(NULL, ",", &more)) {
			unsigned from_h, from_m, to_h, to_m, from, to;

			HOLDS(sscanf(range, "%2u:%2u-%2u:%2u", &from_h, &from_m, &to_h, &to_m) == 4, range);
			from = from_h * 60 + from_m;
			to = to_h * 60 + to_m;
			for (unsigned m = from; m < (to <= from ? to + MINUTES_A_DAY : to); m++)
				for (unsigned day = 0; day < 8; day++)
					p->open[day][m] |= days[day];
		}
	}
}

static bool
open_then(const struct plan *p, const struct hours_when *w)
{
	unsigned today = w->holiday && p->names_holidays ? HOLIDAY : w->weekday;
	unsigned before = w->holiday_before && p->names_holidays ? HOLIDAY : (w->weekday + 6u) % 7;

	return p->open[today][w->minute] || p->open[before][w->minute + MINUTES_A_DAY];
}

static void
compare_at(const struct plan *p, const struct hours *h, const struct hours *again, unsigned minute)
{
	for (unsigned i = 0; i < 7 * 4; i++) {
		struct hours_when w = {.weekday = (uint8_t)(i % 7), .minute = (uint16_t)(minute % MINUTES_A_DAY), .holiday = i / 7 % 2, .holiday_before = i / 14};

		HOLDS(hours_at(h, &w) == open_then(p, &w), "hours are read two ways");
		HOLDS(hours_at(again, &w) == hours_at(h, &w), "hours that are written mean others");
	}
}

static bool
take_hours(struct hours *h, const char *text)
{
	struct buf written = BUF_INIT(4096);
	struct plan *p = malloc(sizeof *p);
	struct hours again;
	struct kw_why why = {""};

	if (p == NULL)
		abort();
	if (text[0] == '\0' || hours_parse(h, text, &why) != KW_OK) {
		HOLDS(text[0] == '\0' || why.text[0] != '\0', "refused without a sentence");
		free(p);
		return text[0] == '\0';
	}
	HOLDS(h->count >= 1 && h->count <= HOURS_MAX, text);
	hours_put(&written, h);
	HOLDS(buf_text(&written) != NULL && hours_parse(&again, buf_text(&written), &why) == KW_OK, why.text);
	read_again(p, text);
	compare_at(p, h, &again, 0);
	compare_at(p, h, &again, MINUTES_A_DAY - 1);
	for (uint32_t i = 0; i < h->count; i++)
		for (unsigned around = 0; around < 2; around++) {
			compare_at(p, h, &again, h->rule[i].from + around + MINUTES_A_DAY - 1);
			compare_at(p, h, &again, h->rule[i].to + around + MINUTES_A_DAY - 1);
		}
	buf_free(&written);
	free(p);
	return true;
}

/* ---- the line by the hours ---- */

static struct zone *
zone_of(uint8_t which)
{
	static const char *const names[] = {"Europe/Berlin", "Etc/UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Asia/Kathmandu",
	                                    "America/St_Johns", "Antarctica/Troll", "Africa/Monrovia"};
	static struct zone *known[sizeof names / sizeof names[0]];
	unsigned i = which % (sizeof names / sizeof names[0]);
	struct kw_why why = {""};

	if (known[i] == NULL)
		HOLDS(zone_read(&known[i], names[i], &why) == KW_OK, why.text);
	return known[i];
}

static uint32_t
line_then(struct agreement_turn turns[AGREEMENT_LINE_MAX], const struct agreement *a, uint64_t ms)
{
	struct hours_when w = calendar_when(a, ms);
	uint32_t n = agreement_line(turns, a, TOPIC, ms), at = 0;

	for (uint32_t i = 0; i < ENTRIES; i++)
		if (hours_at(&a->topics[0].line[i].hours, &w))
			HOLDS(at < n && turns[at++].node == i + 1, "it is open, and not in the line");
	HOLDS(at + 1 == n && turns[at].last_resort && turns[at].node == 0, "the line does not end with the coordinator");
	return n;
}

static bool
same_then(const struct agreement *a, uint64_t x, uint64_t y)
{
	struct agreement_turn at_x[AGREEMENT_LINE_MAX], at_y[AGREEMENT_LINE_MAX];
	uint32_t n = line_then(at_x, a, x);

	if (line_then(at_y, a, y) != n)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (at_x[i].node != at_y[i].node)
			return false;
	return true;
}

static void
ask_line(const struct agreement *a, uint64_t at)
{
	uint64_t until = agreement_line_until(a, TOPIC, at), last = until != UINT64_MAX ? until - 1 : at + 300 * DAY_MS;

	HOLDS(until > at, "a line that is over before it begins");
	HOLDS(until == UINT64_MAX || !same_then(a, at, until), "the line is to be another then, and is the same");
	for (unsigned i = 0; i <= 16; i++)
		HOLDS(same_then(a, at, at + (last - at) / 16 * i), "the line was to stay as it is");
	HOLDS(same_then(a, at, last), "the line was to stay as it is");
}

static void
ask_clock(const struct agreement *a, uint64_t at)
{
	char text[TEXT_TIME_MAX], again[TEXT_TIME_MAX], german[TEXT_TIME_MAX];
	uint64_t back, next = zone_next_minute(a->zone, at);
	struct kw_why why = {""};

	HOLDS(next > at && next - at <= 60000, "the next minute is not the next");
	agreement_put_time(text, a, at, false);
	agreement_put_time(german, a, at, true);
	HOLDS(strlen(text) == 19 && strcmp(text + 3, german + 3) == 0, text);
	HOLDS(agreement_time(&back, a, text + 3, "time", &why) == KW_OK, why.text);
	agreement_put_time(again, a, back, false);
	HOLDS(strcmp(again, text) == 0, "a time that is shown is read as another");
	(void)agreement_is_holiday(a, at);
}

static bool
line(char *out, size_t size, struct cursor *c)
{
	size_t n = 0;
	uint8_t byte = 0;

	while (cursor_left(c) > 0 && (byte = cursor_u8(c)) != '\n')
		if (n + 1 < size)
			out[n++] = (char)byte;
	out[n] = '\0';
	return strlen(out) == n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct cursor c = cursor_over(span_of(p, len));
	struct responsible entries[ENTRIES] = {{.node = 1}, {.node = 2}, {.node = 3}};
	struct topic_rule topic = {.filter = "#", .view = {.has_responsible = true}, .line = entries, .line_count = ENTRIES};
	int32_t holidays[HOLIDAYS];
	struct agreement a = {.topics = &topic, .topic_count = 1, .node_count = ENTRIES + 1, .holidays = holidays};
	bool fine = true;
	uint64_t at;

	for (uint32_t i = 0; i < ENTRIES; i++) {
		char text[1024];

		fine = line(text, sizeof text, &c) && take_hours(&entries[i].hours, text) && fine;
	}
	a.zone = zone_of(cursor_u8(&c));
	at = FIRST_MS + cursor_u64(&c) % SPAN_MS;
	for (int64_t day = zone_local(a.zone, at).day - 2; cursor_left(&c) > 0 && a.holiday_count < HOLIDAYS;)
		holidays[a.holiday_count++] = (int32_t)(day += 1 + cursor_u8(&c) / 16);
	if (!fine)
		return 0;
	ask_line(&a, at);
	ask_clock(&a, at);
	return 0;
}
