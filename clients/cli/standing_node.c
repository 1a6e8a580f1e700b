/* standing_node: a partner's one screen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "clients/cli/look.h"
#include "clients/cli/standing.h"
#include "clients/cli/when.h"

#define DAY_MS 86400000ull

/* ---- what is wrong ---- */

static bool
has_alarm(const json_t *o, const char *code)
{
	json_t *alarm;
	size_t i;

	json_array_foreach(look_at(o, "alarms"), i, alarm)
		if (strcmp(look_text(alarm, "code"), code) == 0)
			return true;
	return false;
}

static void
judge_link(struct standing *s, const json_t *o)
{
	const char *endpoint = look_text(o, "link.endpoint");
	unsigned long long failures = look_number(o, "link.failures");

	if (look_flag(o, "stopped"))
		standing_fault(s, true, _("Two histories of the broker were met: nothing is published any more. Call the operator and the steering committee, and show them the "
		                          "evidence below."));
	if (strcmp(look_text(o, "link.state"), "ready") == 0 || has_alarm(o, "store_full") || has_alarm(o, "suspended")) /* the alarm says why it is down */
		return;
	if (failures > 0)
		standing_fault(s, true, _("The broker is not reached (%s, %llu attempts): nothing comes in, and what you publish waits in the outbox. Is the network up? Else call "
		                          "the operator."), endpoint, failures);
	else
		standing_fault(s, true, _("The link to the broker (%s) is being set up; until then nothing comes in, and what you publish waits in the outbox."), endpoint);
}

/* What to do about an alarm; its own text says what it is. "": the text says it too. */
static const char *
remedy(const char *code)
{
	static const struct { const char *code, *text; } remedies[] = {
		{"held_back", N_("Call the sender, and tell the operator and the steering committee: a broker must not do that.")},
		{"fork", N_("Call the operator and the steering committee; \"kurzweg status --json\" holds the evidence.")},
		{"broker_lies", N_("Call the operator and the steering committee; \"kurzweg status --json\" holds the evidence.")},
		{"equivocation", N_("Call the sender: its machine may have been copied or broken into.")},
		{"conflict", N_("Call the sender: its machine may have been copied or broken into.")},
		{"behind", N_("Call the operator: the broker's store was restored from an old copy.")},
		{"key_mismatch", N_("Call the operator before anything else: somebody may stand in between.")},
		{"turned_away", N_("Compare the fingerprint of your key with the operator's agreement by phone.")},
		{"silent_broker", N_("Call the operator if it lasts.")},
		{"broker_full", N_("Call the operator if it lasts.")},
		{"store_full", N_("Make room on this machine's disk.")},
		{"publish_refused", N_("\"kurzweg trace ID\" tells which; publish it anew where it still matters.")},
		{"rejected", N_("\"kurzweg trace ID\" tells which; call them where it matters.")},
	};

	for (size_t i = 0; i < sizeof remedies / sizeof remedies[0]; i++)
		if (strcmp(remedies[i].code, code) == 0)
			return _(remedies[i].text);
	return "";
}

/* What works all the same, and is to be looked at. */
static bool
is_minor(const char *code)
{
	return strcmp(code, "agreement_age") == 0 || strcmp(code, "restored") == 0 || strcmp(code, "audit_kept") == 0;
}

static void
judge_alarms(struct standing *s, const json_t *o)
{
	json_t *alarm;
	size_t i;

	json_array_foreach(look_at(o, "alarms"), i, alarm) {
		const char *code = look_text(alarm, "code"), *text = look_text(alarm, "text"), *todo = remedy(code);
		char since[WHEN_MAX];

		when_put(since, when_parse_utc(look_text(alarm, "since")), s->now_ms);
		standing_fault(s, !is_minor(code), "%s: %s%s%s", since, text, todo[0] != '\0' ? ". " : "", todo);
	}
}

/* Others that an operator keeps out: nothing of this node's own is wrong. */
static void
judge_suspended(struct standing *s, const json_t *o)
{
	json_t *other;
	size_t i;

	json_array_foreach(look_at(o, "suspended"), i, other) {
		char until[WHEN_MAX];

		if (strcmp(look_text(other, "node"), look_text(o, "node")) == 0)
			continue;
		when_put_until(until, when_parse_utc(look_text(other, "until")), s->now_ms);
		standing_fault(s, false, _("%s is suspended until %s by the operator %s: %s. It sends nothing and gets nothing until then; what is urgent tell its people in another way."),
		               look_text(other, "node"), until, look_text(other, "by"), look_text(other, "reason"));
	}
}

static void
put_names(char *out, size_t size, const json_t *list)
{
	json_t *name;
	size_t i;

	out[0] = '\0';
	json_array_foreach(list, i, name) {
		size_t at = strlen(out);

		(void)snprintf(out + at, size - at, "%s%s", i > 0 ? ", " : "", json_string_value(name) != NULL ? json_string_value(name) : "?");
	}
}

static void
judge_confirmations(struct standing *s, const json_t *o)
{
	json_t *late;
	size_t i;

	json_array_foreach(look_at(o, "unconfirmed"), i, late) {
		char since[WHEN_MAX], names[512];

		when_put(since, when_parse_utc(look_text(late, "since")), s->now_ms);
		put_names(names, sizeof names, look_at(late, "missing"));
		if (look_flag(late, "stored"))
			standing_fault(s, true, _("%s of yours is not confirmed by %s, due %s; call them (%s)."), look_text(late, "topic"), names, since, look_text(late, "id"));
		else
			standing_fault(s, true, _("%s of yours has not reached the broker yet, due %s; call them: %s (%s)."), look_text(late, "topic"), since, names,
			               look_text(late, "id"));
	}
}

static void
judge_gaps(struct standing *s, const json_t *o)
{
	json_t *gap;
	size_t i;

	json_array_foreach(look_at(o, "gaps"), i, gap) {
		unsigned long long first = look_number(gap, "first"), last = look_number(gap, "last");
		char since[WHEN_MAX];

		when_put(since, when_parse_utc(look_text(gap, "since")), s->now_ms);
		standing_fault(s, true, ngettext("%llu notification of %s in lane %s is missing since %s; ask them what they sent.",
		                                 "%llu notifications of %s in lane %s are missing since %s; ask them what they sent.", last - first + 1),
		               last - first + 1, look_text(gap, "sender"), look_text(gap, "lane"), since);
	}
}

static void
judge_rest(struct standing *s, const json_t *o)
{
	unsigned long long aside = look_number(o, "inbox.handlers_set_aside"), waiting = look_number(o, "outbox.waiting"), limit = look_number(o, "outbox.limit");

	if (aside > 0)
		standing_fault(s, false, ngettext("%llu notification was set aside, since its handler failed again and again; the daemon's log tells why.",
		                                  "%llu notifications were set aside, since their handlers failed again and again; the daemon's log tells why.", aside), aside);
	if (limit > 0 && waiting * 10 >= limit * 8)
		standing_fault(s, true, _("The outbox holds %llu of at most %llu notifications; then publishing is refused. Bring the link up, or raise limits.outbox."),
		               waiting, limit);
}

enum standing_check
standing_room(uint64_t left, uint64_t all)
{
	return left < all / 50 ? CHECK_CRITICAL : left < all / 10 ? CHECK_WARNING : CHECK_OK;
}

static void
judge_room(struct standing *s, const json_t *o)
{
	uint64_t all = look_number(o, "disk.bytes"), left = look_number(o, "disk.free_bytes"), left_ms = look_number(o, "disk.full_in_ms");
	char room[32], in[TEXT_TIME_MAX], rate[STANDING_RATE_MAX];
	enum standing_check judged;

	standing_put_rate(rate, json_is_integer(look_at(o, "disk.full_in_ms")), left_ms);
	if (all == 0 || has_alarm(o, "store_full"))
		return;
	standing_bytes(room, s->c, left);
	text_put_duration(in, left_ms);
	if (left_ms > 0 && left_ms < DAY_MS)
		standing_fault(s, left_ms < DAY_MS / 12, _("The disk of this node has %s left, which is enough for %s if it goes on as in the last hour; then it takes nothing more: make room "
		                                           "on this machine's disk."), room, in);
	else if ((judged = standing_room(left, all)) != CHECK_OK)
		standing_fault(s, judged == CHECK_CRITICAL, _("The disk of this node is %u %% full, %s are left%s: make room on this machine's disk."), (unsigned)(100 - left * 100 / all), room,
		               rate);
}

/* ---- the figures ---- */

static void
show_link(struct standing *s, const json_t *o)
{
	bool up = strcmp(look_text(o, "link.state"), "ready") == 0;
	char line[384], since[WHEN_MAX];

	when_put(since, when_parse_utc(look_text(o, "link.up_since")), s->now_ms);
	if (up)
		(void)snprintf(line, sizeof line, _("up since %s (%s)"), since, look_text(o, "link.endpoint"));
	else
		(void)snprintf(line, sizeof line, _("down (%s)"), look_text(o, "link.endpoint"));
	standing_fact(s, FIT_STATE, _("link"), up ? CLI_GREEN : CLI_RED, line);
}

static void
show_facts(struct standing *s, const json_t *o)
{
	char line[512], until[WHEN_MAX], oldest[WHEN_MAX], size[32], rate[STANDING_RATE_MAX];
	unsigned long long waiting = look_number(o, "outbox.waiting"), refused = look_number(o, "outbox.refused"), expired = look_number(o, "outbox.expired");

	when_put_until(until, when_parse_utc(look_text(o, "agreement.until")), s->now_ms);
	(void)snprintf(line, sizeof line, _("version %llu, until %s"), (unsigned long long)look_number(o, "agreement.version"), until);
	standing_fact(s, FIT_STATE, _("agreement"), CLI_PLAIN, line);
	standing_fact(s, FIT_SETTING, _("fingerprint"), CLI_PLAIN, look_text(o, "agreement.fingerprint"));
	when_put_until(oldest, when_parse_utc(look_text(o, "outbox.oldest")), s->now_ms);
	if (waiting > 0)
		(void)snprintf(line, sizeof line, _("%llu waiting, the oldest of %s; %llu stored, %llu refused, %llu expired"), waiting, oldest,
		               (unsigned long long)look_number(o, "outbox.stored"), refused, expired);
	else
		(void)snprintf(line, sizeof line, _("nothing waits; %llu stored, %llu refused, %llu expired"), (unsigned long long)look_number(o, "outbox.stored"), refused,
		               expired);
	standing_fact(s, FIT_STATE, _("outbox"), waiting > 0 || refused + expired > 0 ? CLI_YELLOW : CLI_PLAIN, line);
	(void)snprintf(line, sizeof line, _("%llu kept, receipts with them; %llu rejected, %llu bare heads; %llu came twice"),
	               (unsigned long long)look_number(o, "inbox.rows"), (unsigned long long)look_number(o, "inbox.rejected"),
	               (unsigned long long)look_number(o, "inbox.bare"), (unsigned long long)look_number(o, "inbox.duplicates"));
	standing_fact(s, FIT_STATE, _("inbox"), look_number(o, "inbox.rejected") > 0 ? CLI_YELLOW : CLI_PLAIN, line);
	standing_bytes(size, s->c, look_number(o, "store_bytes"));
	standing_fact(s, FIT_FLOW, _("store"), CLI_PLAIN, size);
	standing_bytes(size, s->c, look_number(o, "disk.free_bytes"));
	standing_put_rate(rate, json_is_integer(look_at(o, "disk.full_in_ms")), look_number(o, "disk.full_in_ms"));
	(void)snprintf(line, sizeof line, _("%s free%s"), size, rate);
	standing_fact(s, FIT_STATE, _("disk"), rate[0] != '\0' ? CLI_YELLOW : CLI_PLAIN, look_number(o, "disk.bytes") > 0 ? line : "");
	standing_show_backup(s, when_parse_utc(look_text(o, "backup.made")), look_number(o, "backup.bytes"));
}

static void
show_lanes(struct standing *s, const json_t *o)
{
	struct cli_table *t = cli_table_new(4);
	struct buf out = BUF_INIT(1u << 20);
	const char *name;
	json_t *lane;

	cli_table_cell(t, CLI_PLAIN, "%s", _("lane"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("read up to"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("sent, no answer yet"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("held for an agreement"));
	json_object_foreach((json_t *)(uintptr_t)look_at(o, "lanes"), name, lane) {
		cli_table_cell(t, CLI_PLAIN, "%s", name);
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)look_number(lane, "cursor"));
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)look_number(lane, "unanswered"));
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)look_number(lane, "held"));
	}
	cli_put_table(&out, s->c, t, true);
	standing_part(s, STANDING_LANES, FIT_FLOW, &out);
}

static void
put_evidence(struct buf *out, const struct standing *s, const json_t *e)
{
	char number[32], when[WHEN_MAX], line[1024];

	when_put(when, when_parse_utc(look_text(e, "at")), s->now_ms);
	(void)snprintf(line, sizeof line, "%s, %s: %s", look_text(e, "kind"), when, look_text(e, "text"));
	(void)snprintf(number, sizeof number, "%llu", (unsigned long long)look_number(e, "number"));
	cli_put_field(out, s->c, number, CLI_PLAIN, line);
}

/* The lines of each, for free(). */
static size_t *
evidence_lines(const struct standing *s, const json_t *list)
{
	size_t *lines = cli_memory((json_array_size(list) + 1) * sizeof *lines), i;
	json_t *e;

	json_array_foreach(list, i, e) {
		struct buf row = BUF_INIT(1u << 20);

		put_evidence(&row, s, e);
		lines[i] = cli_lines(cli_text(&row), s->c->columns);
		buf_free(&row);
	}
	return lines;
}

static void
say_kept(char out[256], size_t left, bool some)
{
	if (some)
		(void)snprintf(out, 256, _("and %zu more; --json tells all"), left);
	else
		(void)snprintf(out, 256, ngettext("%zu piece of evidence is kept; --json tells it", "%zu pieces of evidence are kept; --json tells them", left), left);
}

static void
print_evidence(const struct standing *s, const struct fit_table *fit, const json_t *list)
{
	struct buf out = BUF_INIT(8u << 20);
	char line[256];

	if (fit->shown > 0)
		(void)printf("\n%s%s%s\n", cli_colour(s->c, CLI_BOLD), _("evidence kept"), cli_colour(s->c, CLI_PLAIN));
	for (size_t i = 0; i < fit->shown; i++)
		put_evidence(&out, s, json_array_get(list, i));
	(void)fputs(cli_text(&out), stdout);
	buf_free(&out);
	say_kept(line, fit->rows - fit->shown, fit->shown > 0);
	if (fit->foot_shown && fit->shown == 0)
		(void)printf("\n");
	if (fit->foot_shown)
		cli_paragraph(s->c, CLI_PLAIN, line);
}

/* All that was gathered. Evidence is kept until somebody deletes the store, so it is shown apart and no fault for ever; the newest comes first. */
static void
show_all(struct standing *s, const json_t *o)
{
	const json_t *list = look_at(o, "evidence");
	size_t count = json_array_size(list), *lines = evidence_lines(s, list);
	struct fit_table fit = {.head = 1, .lines = lines, .rows = count, .about = look_flag(o, "stopped") ? count : 0};
	char line[256];

	say_kept(line, count, false);
	fit.foot = s->c->columns > 0 && cli_width(line) > s->c->columns ? 2 : 1;
	standing_show(s, &fit);
	print_evidence(s, &fit, list);
	standing_end(s);
	free(lines);
}

/* Answers title. */
static const char *
judge(struct standing *s, const json_t *status, char title[256])
{
	judge_link(s, status);
	judge_alarms(s, status);
	judge_suspended(s, status);
	judge_confirmations(s, status);
	judge_gaps(s, status);
	judge_rest(s, status);
	judge_room(s, status);
	standing_judge_backup(s, when_parse_utc(look_text(status, "backup.made")));
	standing_judge_config(s, status);
	(void)snprintf(title, 256, _("%s of %s%s"), look_text(status, "node"), look_text(status, "partnership"),
	               strcmp(look_text(status, "agreement.kind"), "exercise") == 0 ? _(" (EXERCISE)") : "");
	return title;
}

void
standing_node(const struct cli *c, const json_t *status, uint64_t now_ms)
{
	struct standing s = {.c = c, .now_ms = now_ms, .here = true};
	char title[256];

	standing_head(&s, judge(&s, status, title));
	show_link(&s, status);
	show_facts(&s, status);
	standing_show_clock(&s);
	standing_show_config(&s, status);
	show_lanes(&s, status);
	show_all(&s, status);
}

enum standing_check
standing_node_check(const struct cli *c, const json_t *o, uint64_t now_ms)
{
	struct standing s = {.c = c, .now_ms = now_ms};
	uint64_t limit = look_number(o, "outbox.limit"), until = when_parse_utc(look_text(o, "agreement.until"));
	char title[256], figures[1024], more[192];

	standing_figures(more, json_is_integer(look_at(o, "disk.full_in_ms")), "disk_full_in", look_number(o, "disk.full_in_ms"), when_parse_utc(look_text(o, "backup.made")), now_ms);
	(void)snprintf(figures, sizeof figures, "link=%d;;1:;0;1 outbox=%llu;;%llu;0;%llu unconfirmed=%zu;;0 gaps=%zu;;0 alarms=%zu set_aside=%llu;0 rejected=%lluc inbox=%lluc "
	               "store=%lluB disk_free=%lluB agreement_left=%llus%s", strcmp(look_text(o, "link.state"), "ready") == 0, (unsigned long long)look_number(o, "outbox.waiting"),
	               (unsigned long long)(limit * 8 / 10), (unsigned long long)limit, json_array_size(look_at(o, "unconfirmed")), json_array_size(look_at(o, "gaps")),
	               json_array_size(look_at(o, "alarms")), (unsigned long long)look_number(o, "inbox.handlers_set_aside"), (unsigned long long)look_number(o, "inbox.rejected"),
	               (unsigned long long)look_number(o, "inbox.newest"), (unsigned long long)look_number(o, "store_bytes"), (unsigned long long)look_number(o, "disk.free_bytes"),
	               (unsigned long long)(until > now_ms ? (until - now_ms) / 1000 : 0), more);
	return standing_check_line(&s, judge(&s, o, title), figures);
}
