/* standing: the verdict and the faults; what is wrong stands before all figures. */
#include "clients/cli/standing.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

#include "base/text.h"
#include "clients/cli/when.h"

void
standing_fault(struct standing *s, bool grave, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;

	s->grave += grave;
	s->minor += !grave;
	if (s->count == STANDING_FAULTS_MAX)
		return;
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	if (text == NULL)
		return;
	s->fault[s->count].grave = grave;
	s->fault[s->count++].text = text;
}

void
standing_drop(struct standing *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->fault[i].text);
	s->count = 0;
}

const char *
standing_worst(const struct standing *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->fault[i].grave)
			return s->fault[i].text;
	return s->count > 0 ? s->fault[0].text : NULL;
}

static void
put_faults(struct buf *out, const struct standing *s, bool grave)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->fault[i].grave != grave)
			continue;
		buf_put_str(out, cli_colour(s->c, grave ? CLI_RED : CLI_YELLOW));
		buf_put_str(out, grave ? "!" : "-");
		buf_put_str(out, cli_colour(s->c, CLI_PLAIN));
		buf_put_u8(out, ' ');
		cli_put_wrapped(out, s->fault[i].text, s->c->columns, 2, 2);
		buf_put_u8(out, '\n');
	}
}

static void
say_verdict(const struct standing *s, char out[160])
{
	if (s->grave > 0)
		(void)snprintf(out, 160, ngettext("%zu thing does not work", "%zu things do not work", s->grave), s->grave);
	else if (s->minor > 0)
		(void)snprintf(out, 160, ngettext("works; %zu thing to look at", "works; %zu things to look at", s->minor), s->minor);
	else
		(void)snprintf(out, 160, "%s", _("all is well"));
}

static enum cli_colour
verdict_colour(const struct standing *s)
{
	return s->grave > 0 ? CLI_ALARM : s->minor > 0 ? CLI_YELLOW : CLI_GREEN;
}

void
standing_head(struct standing *s, const char *title)
{
	struct buf out = BUF_INIT(8u << 20);
	char verdict[160];

	say_verdict(s, verdict);
	buf_put_str(&out, cli_colour(s->c, CLI_BOLD));
	cli_put_safe(&out, title);
	buf_put_str(&out, cli_colour(s->c, CLI_PLAIN));
	buf_put_str(&out, "  ");
	buf_put_str(&out, cli_colour(s->c, verdict_colour(s)));
	buf_put_str(&out, verdict);
	buf_put_str(&out, cli_colour(s->c, CLI_PLAIN));
	buf_put_u8(&out, '\n');
	put_faults(&out, s, true);
	put_faults(&out, s, false);
	if (s->grave + s->minor > s->count) {
		(void)snprintf(verdict, sizeof verdict, _("and %zu more; --json tells all"), s->grave + s->minor - s->count);
		buf_put_str(&out, "  ");
		buf_put_str(&out, verdict);
		buf_put_u8(&out, '\n');
	}
	standing_part(s, STANDING_HEAD, FIT_ALWAYS, &out);
	standing_drop(s);
}

/* ---- parts ---- */

void
standing_part(struct standing *s, enum standing_group group, enum fit_keep keep, struct buf *text)
{
	MUST(s->parts < STANDING_PARTS_MAX);
	s->part[s->parts] = (struct fit_part){.lines = cli_lines(cli_text(text), s->c->columns), .group = group, .keep = keep};
	s->text[s->parts++] = *text;
}

void
standing_fact(struct standing *s, enum fit_keep keep, const char *label, enum cli_colour colour, const char *text)
{
	struct buf out = BUF_INIT(1u << 20);

	if (text[0] == '\0')
		return;
	if (keep != FIT_FLOW && (colour == CLI_RED || colour == CLI_YELLOW))
		keep = FIT_WRONG;
	cli_put_field(&out, s->c, label, colour, text);
	standing_part(s, STANDING_FACTS, keep, &out);
}

/* The last line is the prompt's; of a terminal of one line nothing can be kept. */
static size_t
room_of(const struct cli *c)
{
	return c->rows > 1 ? c->rows - 1 : c->rows;
}

bool
standing_head_fits(const struct standing *s)
{
	return s->c->rows == 0 || s->parts == 0 || s->part[0].lines <= room_of(s->c);
}

void
standing_drop_parts(struct standing *s)
{
	for (size_t i = 0; i < s->parts; i++)
		buf_free(&s->text[i]);
	s->parts = 0;
}

void
standing_show(struct standing *s, struct fit_table *t)
{
	const struct fit_part *above = NULL;

	s->overflows = !fit(s->part, s->parts, t, room_of(s->c));
	for (size_t i = 0; i < s->parts; i++) {
		if (!s->part[i].shown)
			continue;
		(void)printf("%s%s", above != NULL && above->group != s->part[i].group ? "\n" : "", cli_text(&s->text[i]));
		above = &s->part[i];
	}
	standing_drop_parts(s);
}

void
standing_end(const struct standing *s)
{
	char verdict[160], line[320];

	if (!s->overflows)
		return;
	say_verdict(s, verdict);
	(void)snprintf(line, sizeof line, _("%s; it begins further up: kurzweg status | less"), verdict);
	cli_paragraph(s->c, verdict_colour(s), line);
}

/* ---- for monitoring ---- */

/* In one line, and without what ends the text of a plug-in's line. */
static void
put_plain(struct buf *out, const char *text)
{
	struct buf safe = BUF_INIT(1u << 16);

	cli_put_safe(&safe, text);
	for (const char *p = cli_text(&safe); *p != '\0'; p++)
		buf_put_u8(out, (uint8_t)(*p == '|' ? '/' : *p == '\n' || *p == '\t' ? ' ' : *p));
	buf_free(&safe);
}

static void
put_plain_faults(struct buf *out, const struct standing *s, bool grave, size_t *left)
{
	for (size_t i = 0; i < s->count && *left > 0; i++) {
		if (s->fault[i].grave != grave)
			continue;
		buf_put_str(out, " ");
		put_plain(out, s->fault[i].text);
		--*left;
	}
}

enum standing_check
standing_check_line(struct standing *s, const char *title, const char *figures)
{
	static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
	enum standing_check check = s->grave > 0 ? CHECK_CRITICAL : s->minor > 0 ? CHECK_WARNING : CHECK_OK;
	size_t most = 4, left = most;
	struct buf line = BUF_INIT(1u << 18);
	char verdict[160];

	say_verdict(s, verdict);
	put_plain(&line, title);
	buf_put_str(&line, ": ");
	buf_put_str(&line, verdict);
	buf_put_str(&line, s->grave + s->minor > 0 ? "." : "");
	put_plain_faults(&line, s, true, &left);
	put_plain_faults(&line, s, false, &left);
	if (s->grave + s->minor > most - left) {
		(void)snprintf(verdict, sizeof verdict, _(" And %zu more: \"kurzweg status\" tells all."), s->grave + s->minor - (most - left));
		buf_put_str(&line, verdict);
	}
	(void)printf("KURZWEG %s - %s | %s\n", words[check], cli_text(&line), figures);
	standing_drop(s);
	buf_free(&line);
	return check;
}

enum standing_check
standing_check_failed(enum cli_exit code, const char *sentence)
{
	struct buf line = BUF_INIT(1u << 16);
	enum standing_check check = code == CLI_SILENT ? CHECK_CRITICAL : CHECK_UNKNOWN;

	put_plain(&line, sentence);
	(void)printf("KURZWEG %s - %s\n", check == CHECK_CRITICAL ? "CRITICAL" : "UNKNOWN", cli_text(&line));
	buf_free(&line);
	return check;
}

/* ---- what broker and node have in common ---- */

#define DAY_MS 86400000ull
#define BACKUP_OLD_MS (8 * DAY_MS) /* one a week, and a day to spare */

void
standing_judge_backup(struct standing *s, uint64_t made_ms)
{
	char ago[TEXT_TIME_MAX];

	if (made_ms == 0 || s->now_ms < made_ms + BACKUP_OLD_MS)
		return;
	text_put_duration(ago, s->now_ms - made_ms);
	standing_fault(s, false, _("The last backup is %s old; see why none is made any more, or make one: \"kurzweg backup --to FOLDER\"."), ago);
}

void
standing_show_backup(struct standing *s, uint64_t made_ms, uint64_t bytes)
{
	char line[256], when[WHEN_MAX], ago[TEXT_TIME_MAX], size[32];
	bool old = made_ms != 0 && s->now_ms >= made_ms + BACKUP_OLD_MS;

	when_put_date(when, made_ms);
	text_put_duration(ago, s->now_ms > made_ms ? s->now_ms - made_ms : 0);
	standing_bytes(size, s->c, bytes);
	if (made_ms != 0)
		(void)snprintf(line, sizeof line, _("%s, %s ago, %s"), when, ago, size);
	else
		(void)snprintf(line, sizeof line, "%s", _("none was made of this store yet"));
	standing_fact(s, FIT_STATE, _("last backup"), old ? CLI_YELLOW : CLI_PLAIN, line);
}

bool
standing_clock_is_kept(void)
{
	struct timex now = {.modes = 0};

	return adjtimex(&now) >= 0 && (now.status & STA_UNSYNC) == 0;
}

void
standing_show_clock(struct standing *s)
{
	if (s->here && !standing_clock_is_kept())
		standing_fact(s, FIT_STATE, _("clock"), CLI_YELLOW, _("nobody keeps it right, says the kernel; see timedatectl"));
}

void
standing_put_rate(char out[STANDING_RATE_MAX], bool known, uint64_t left_ms)
{
	char in[TEXT_TIME_MAX];

	out[0] = '\0';
	if (!known || left_ms > 30 * DAY_MS)
		return;
	text_put_duration(in, left_ms);
	(void)snprintf(out, STANDING_RATE_MAX, _(", enough for %s at this rate"), in);
}

void
standing_figures(char out[192], bool fills, const char *name, uint64_t left_ms, uint64_t backup_ms, uint64_t now_ms)
{
	size_t at = 0;

	out[0] = '\0';
	if (fills)
		at = (size_t)snprintf(out, 96, " %.32s=%llus", name, (unsigned long long)left_ms / 1000);
	if (backup_ms != 0)
		(void)snprintf(out + at, 96, " backup_age=%llus", (unsigned long long)(now_ms > backup_ms ? (now_ms - backup_ms) / 1000 : 0));
}

/* ---- numbers ---- */

static void
say_decimal(char out[32], const struct cli *c, double n, int digits)
{
	char *point;

	(void)snprintf(out, 32, "%.*f", digits, n);
	if (c->german && (point = strchr(out, '.')) != NULL)
		*point = ',';
}

void
standing_decimal(char out[32], const struct cli *c, double n)
{
	say_decimal(out, c, n, n == 0 || n >= 100 ? 0 : n >= 1 ? 1 : 2);
}

void
standing_ms(char out[32], const struct cli *c, uint64_t us)
{
	char number[32];

	say_decimal(number, c, (double)us / 1000.0, us >= 10000 ? 0 : us >= 1000 ? 1 : 2);
	(void)snprintf(out, 32, "%.20s ms", number);
}

void
standing_bytes(char out[32], const struct cli *c, uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double n = (double)bytes;
	char number[32];
	size_t unit = 0;

	for (; n >= 1024 && unit + 1 < sizeof units / sizeof units[0]; unit++)
		n /= 1024;
	say_decimal(number, c, n, unit == 0 || n >= 100 ? 0 : 1);
	(void)snprintf(out, 32, "%.20s %s", number, units[unit]);
}
