/* notice: what a person must not miss stands first, in words as well as in colour. */
#include "clients/cli/notice.h"

#include <langinfo.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "clients/cli/area_map.h"
#include "clients/cli/look.h"
#include "clients/cli/when.h"
#include "proto/payload_labels.h"

/* ---- safe ---- */

/* At most width characters of text on one line, the last "…" when it was cut. */
static void
put_cut(struct buf *out, const char *text, size_t width)
{
	struct buf safe = BUF_INIT(64u * 1024u);
	const char *p;
	size_t n = 0;

	cli_put_safe(&safe, text);
	p = cli_text(&safe);
	if (cli_width(p) <= width)
		width++; /* no room for "…" is needed */
	for (; *p != '\0' && n + 1 < width; n++)
		do
			buf_put_u8(out, *p == '\n' || *p == '\t' ? ' ' : (uint8_t)*p);
		while (((unsigned char)*++p & 0xC0) == 0x80);
	if (*p != '\0')
		buf_put_str(out, "…");
	buf_free(&safe);
}

#define WORD_WIDTH 8 /* of a lane or a severity, which are words that we know unless somebody lies */

/* The row with its texts made safe for a terminal, but for the content, which is so when it is printed; the caller's. */
static json_t *
clean(const json_t *row)
{
	json_t *out = json_copy((json_t *)(uintptr_t)row), *value;
	const char *key;
	void *next;

	json_object_foreach_safe(out, next, key, value) {
		struct buf safe = BUF_INIT(1u << 20);

		if (!json_is_string(value) || strcmp(key, "content") == 0)
			continue;
		if (strcmp(key, "lane") == 0 || strcmp(key, "severity") == 0)
			put_cut(&safe, json_string_value(value), WORD_WIDTH);
		else
			cli_put_safe(&safe, json_string_value(value));
		(void)json_object_set_new(out, key, json_string(cli_text(&safe)));
		buf_free(&safe);
	}
	return out;
}

/* ---- words ---- */

static bool
is_flash(const json_t *row)
{
	return strcmp(look_text(row, "lane"), "flash") == 0;
}

static enum cli_colour
lane_colour(const json_t *row)
{
	const char *lane = look_text(row, "lane");

	return is_flash(row) ? CLI_ALARM : strcmp(lane, "urgent") == 0 ? CLI_YELLOW : CLI_DIM;
}

static enum cli_colour
severity_colour(const json_t *row)
{
	const char *severity = look_text(row, "severity");

	if (strcmp(severity, "Extreme") == 0 || strcmp(severity, "Severe") == 0)
		return CLI_RED;
	return strcmp(severity, "Moderate") == 0 ? CLI_YELLOW : CLI_PLAIN;
}

static const char *
severity_word(const struct cli *c, const json_t *row)
{
	const char *severity = look_text(row, "severity");

	return severity[0] != '\0' ? word_of("Severity", severity, c->german) : "";
}

/* Until when it holds: what the alert itself says, else how long it is kept. */
static uint64_t
until_ms(const json_t *row)
{
	uint64_t until = look_number(row, "until_ms");

	return until != 0 ? until : look_number(row, "expires_ms");
}

static bool
is_rejected(const json_t *row)
{
	return look_flag(row, "rejected");
}

static bool
is_over(const json_t *row, uint64_t now_ms)
{
	return until_ms(row) != 0 && until_ms(row) <= now_ms;
}

/* Nobody need act on it any more. */
static bool
is_past(const json_t *row, uint64_t now_ms)
{
	return look_flag(row, "cancelled") || look_flag(row, "superseded") || is_over(row, now_ms);
}

const char *
notice_kind(const char *name)
{
	static const struct { const char *name, *word; } words[] = {
		{"notice", N_("notice")}, {"update", N_("update")}, {"cancel", N_("cancel")}, {"recall", N_("recall")}, {"request", N_("request")}, {"forwarded", N_("forwarded")},
		{"draft", N_("draft")}, {"released", N_("released")}, {"alert", N_("alert")}, {"report", N_("report")}, {"statement", N_("statement")}, {"feedback", N_("feedback")},
		{"document", N_("document")}, {"note", N_("note")},
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(words[i].name, name) == 0)
			return _(words[i].word);
	return name;
}

static const char *
mark_word(const char *mark)
{
	static const struct { const char *mark, *word; } words[] = {
		{"expired", N_("expired before it came")},
		{"late", N_("came late")},
		{"recalled", N_("recalled by its sender")},
		{"not subscribed", N_("not subscribed")},
		{"purged", N_("no longer kept")},
		{"equivocation", N_("its sender used one number for two notifications")},
		{"locked", N_("its content does not open here")},
		{"reason needed", N_("reason needed")},
		{"voided", N_("its sender had declared its number void")},
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(words[i].mark, mark) == 0)
			return _(words[i].word);
	return mark;
}

static void
add(char out[NOTICE_MARK_MAX], const char *word)
{
	size_t at = strlen(out);

	if (word[0] != '\0')
		(void)snprintf(out + at, NOTICE_MARK_MAX - at, "%s%s", at > 0 ? ", " : "", word);
}

void
notice_mark(char out[NOTICE_MARK_MAX], const struct cli *c, const json_t *row, uint64_t now_ms)
{
	const char *status = look_text(row, "status");

	out[0] = '\0';
	if (is_rejected(row)) {
		(void)snprintf(out, NOTICE_MARK_MAX, _("rejected: %s"), look_text(row, "reason"));
		return;
	}
	if (status[0] != '\0' && strcmp(status, "Actual") != 0)
		add(out, word_of("Status", status, c->german));
	if (look_flag(row, "cancelled"))
		add(out, _("cancelled"));
	else if (look_flag(row, "superseded"))
		add(out, _("updated by a later one"));
	else if (is_over(row, now_ms))
		add(out, _("over"));
	add(out, mark_word(look_text(row, "mark")));
	if (look_flag(row, "outdated"))
		add(out, _("today's agreement would not allow it to its sender"));
	if (look_flag(row, "bare") && look_text(row, "mark")[0] == '\0')
		add(out, _("content no longer kept"));
}

/* What it is called: its headline; without one, what it is. */
static const char *
title_of(const json_t *row)
{
	const char *headline = look_text(row, "headline");

	return headline[0] != '\0' ? headline : look_flag(row, "bare") || is_rejected(row) ? _("(no content)") : notice_kind(look_text(row, "type"));
}

/* "Cancels: ", "Updates: ": what it does to an earlier one, or says that it does: to one that never came here. */
const char *
notice_prefix(const json_t *row)
{
	const char *type = look_text(row, "type"), *msg_type = look_text(row, "msg_type");

	if (strcmp(type, "draft") == 0)
		return _("DRAFT: ");
	if (strcmp(type, "cancel") == 0 || strcmp(msg_type, "Cancel") == 0)
		return _("CANCELS: ");
	return strcmp(type, "update") == 0 || strcmp(msg_type, "Update") == 0 ? _("UPDATES: ") : "";
}

static void
print_cut(const struct cli *c, enum cli_colour colour, const char *text, size_t width)
{
	struct buf line = BUF_INIT(64u * 1024u);

	put_cut(&line, text, width);
	(void)printf("%s%s%s\n", colour != CLI_PLAIN ? cli_colour(c, colour) : "", cli_text(&line),
	             colour != CLI_PLAIN ? cli_colour(c, CLI_PLAIN) : "");
	buf_free(&line);
}

#define NUMBER_WIDTH 6 /* of the row's number and of what stands before the second line */

#define NOTICE_CASE_MAX 512

/* Beside times and words there is no room for a sentence: it goes below, and whole. */
bool
notice_is_narrow(const struct cli *c)
{
	return c->columns < 60;
}

/* Text that begins at column at, its further lines at indent. */
static void
print_beside(const struct cli *c, enum cli_colour colour, const char *text, size_t indent, size_t at)
{
	struct buf lines = BUF_INIT(64u * 1024u);

	cli_put_wrapped(&lines, text, c->columns, indent, at);
	(void)printf("%s%s%s\n", colour != CLI_PLAIN ? cli_colour(c, colour) : "", cli_text(&lines), colour != CLI_PLAIN ? cli_colour(c, CLI_PLAIN) : "");
	buf_free(&lines);
}

void
notice_rest(const struct cli *c, enum cli_colour colour, const char *text, size_t indent, size_t at)
{
	if (notice_is_narrow(c))
		print_beside(c, colour, text, indent, at);
	else
		print_cut(c, colour, text, c->columns > at + 4 ? c->columns - at : 4);
}

static void
print_second(const struct cli *c, enum cli_colour colour, const char *text)
{
	(void)printf("%*s", NUMBER_WIDTH, "");
	notice_rest(c, colour, text, NUMBER_WIDTH, NUMBER_WIDTH);
}

/* ---- what the broker states of a case ---- */

static bool
is_case(const json_t *row)
{
	return strcmp(look_text(row, "type"), "case") == 0;
}

/* "Case 3f9a01bc: offered to city/public-order until 22:15". */
static void
case_words(char out[NOTICE_CASE_MAX], const json_t *row, uint64_t now_ms)
{
	const char *id = look_text(row, "case.id"), *state = look_text(row, "case.state"), *owner = look_text(row, "case.owner"), *next = look_text(row, "case.next");
	const char *last = strlen(id) > 8 ? id + strlen(id) - 8 : id;
	char until[WHEN_MAX];

	when_put_short(until, look_number(row, "case.until_ms"), now_ms);
	if (strcmp(state, "offered") == 0)
		(void)snprintf(out, NOTICE_CASE_MAX, _("Case %s: offered to %s until %s"), last, owner, until);
	else if (strcmp(state, "escalated") == 0 && strcmp(look_text(row, "case.cause"), "opened") == 0) /* nobody else is responsible */
		(void)snprintf(out, NOTICE_CASE_MAX, _("Case %s: with the coordinator, %s"), last, owner);
	else if (strcmp(state, "escalated") == 0)
		(void)snprintf(out, NOTICE_CASE_MAX, _("Case %s: NOBODY HAS TAKEN IT, it is with the coordinator, %s"), last, owner);
	else if (strcmp(state, "taken") == 0 && next[0] != '\0')
		(void)snprintf(out, NOTICE_CASE_MAX, _("Case %s: %s hands it over to %s, until %s"), last, owner, next, until);
	else if (strcmp(state, "taken") == 0)
		(void)snprintf(out, NOTICE_CASE_MAX, _("Case %s: %s has it"), last, owner);
	else if (strcmp(state, "done") == 0)
		(void)snprintf(out, NOTICE_CASE_MAX, _("Case %s: done by %s"), last, owner);
	else if (strcmp(state, "recalled") == 0)
		(void)snprintf(out, NOTICE_CASE_MAX, _("Case %s: recalled by its sender"), last);
	else
		(void)snprintf(out, NOTICE_CASE_MAX, _("Case %s: expired while it was with %s"), last, owner);
}

static enum cli_colour
case_colour(const json_t *row)
{
	const char *state = look_text(row, "case.state");

	return strcmp(state, "escalated") == 0 ? CLI_RED : strcmp(state, "offered") == 0 ? CLI_BOLD : CLI_PLAIN;
}

/* ---- and of a node that an operator keeps out ---- */

static bool
is_suspension(const json_t *row)
{
	return strcmp(look_text(row, "type"), "suspension") == 0;
}

static void
suspension_words(char out[NOTICE_CASE_MAX], const json_t *row, uint64_t now_ms)
{
	const char *node = look_text(row, "suspension.node"), *by = look_text(row, "suspension.by");
	char until[WHEN_MAX];

	when_put_short(until, look_number(row, "suspension.until_ms"), now_ms);
	if (look_flag(row, "suspension.lifted"))
		(void)snprintf(out, NOTICE_CASE_MAX, _("%s is let in again by the operator %s"), node, by);
	else
		(void)snprintf(out, NOTICE_CASE_MAX, _("%s is SUSPENDED until %s by the operator %s: %s"), node, until, by, look_text(row, "suspension.reason"));
}

/* What the broker states, in one line; false: the row is a notification. */
static bool
statement_words(char out[NOTICE_CASE_MAX], const json_t *row, uint64_t now_ms)
{
	if (is_case(row))
		case_words(out, row, now_ms);
	else if (is_suspension(row))
		suspension_words(out, row, now_ms);
	else
		return false;
	return true;
}

static enum cli_colour
statement_colour(const json_t *row)
{
	return is_case(row) ? case_colour(row) : look_flag(row, "suspension.lifted") ? CLI_PLAIN : CLI_BOLD;
}

static void
statement_line(const struct cli *c, const json_t *row, uint64_t now_ms)
{
	char words[NOTICE_CASE_MAX], when[WHEN_MAX];
	size_t used;

	(void)statement_words(words, row, now_ms);
	when_put_short(when, look_number(row, "received_ms"), now_ms);
	(void)printf("%*llu  %s  ", NUMBER_WIDTH - 2, (unsigned long long)look_number(row, "seq"), when);
	used = notice_is_narrow(c) ? NUMBER_WIDTH : NUMBER_WIDTH + cli_width(when) + 2;
	print_beside(c, statement_colour(row), words, used, NUMBER_WIDTH + cli_width(when) + 2);
}

/* ---- list ---- */

static void
list_row(const struct cli *c, const json_t *row, uint64_t now_ms)
{
	const char *severity = severity_word(c, row), *lane = look_text(row, "lane");
	char when[WHEN_MAX], until[WHEN_MAX], mark[NOTICE_MARK_MAX], title[512], rest[1024];
	bool past = is_past(row, now_ms);
	size_t used;

	when_put_short(when, look_number(row, "received_ms"), now_ms);
	notice_mark(mark, c, row, now_ms);
	(void)printf("%*llu  ", NUMBER_WIDTH - 2, (unsigned long long)look_number(row, "seq"));
	(void)printf("%s  %s%s%s", when, cli_colour(c, past ? CLI_DIM : lane_colour(row)), lane, cli_colour(c, CLI_PLAIN));
	used = NUMBER_WIDTH + cli_width(when) + 2 + cli_width(lane) + 2;
	if (severity[0] != '\0') {
		(void)printf("  %s%s%s", cli_colour(c, past ? CLI_DIM : severity_colour(row)), severity, cli_colour(c, CLI_PLAIN));
		used += cli_width(severity) + 2;
	}
	(void)snprintf(title, sizeof title, "%s%s", notice_prefix(row), title_of(row));
	if (notice_is_narrow(c)) {
		(void)printf("\n");
		print_second(c, past ? CLI_DIM : CLI_BOLD, title);
	} else {
		(void)printf("  ");
		notice_rest(c, past ? CLI_DIM : CLI_BOLD, title, used, used);
	}
	when_put_short(until, until_ms(row), now_ms);
	if (mark[0] != '\0') {
		(void)snprintf(rest, sizeof rest, "%s  %s  %s", mark, look_text(row, "topic"), look_text(row, "sender"));
		print_second(c, is_rejected(row) ? CLI_RED : CLI_YELLOW, rest);
	} else {
		(void)snprintf(rest, sizeof rest, _("%s  from %s  until %s"), look_text(row, "topic"), look_text(row, "sender"), until);
		print_second(c, CLI_DIM, rest);
	}
}

static void
list_table(const struct cli *c, json_t *const *rows, size_t count, uint64_t now_ms)
{
	const char *const heads[] = {_("no."), _("received"), _("lane"), _("severity"), _("topic"), _("from"), _("until"), _("id"), _("mark"), _("headline")};
	struct cli_table *t = cli_table_new(sizeof heads / sizeof heads[0]);

	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
		cli_table_cell(t, CLI_PLAIN, "%s", heads[i]);
	for (size_t i = 0; i < count; i++) {
		char when[TEXT_TIME_MAX], until[TEXT_TIME_MAX] = "", mark[NOTICE_MARK_MAX], words[NOTICE_CASE_MAX];

		text_put_time_local(when, look_number(rows[i], "received_ms"));
		if (until_ms(rows[i]) != 0) /* a statement about a case has no end */
			text_put_time_local(until, until_ms(rows[i]));
		notice_mark(mark, c, rows[i], now_ms);
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)look_number(rows[i], "seq"));
		cli_table_cell(t, CLI_PLAIN, "%s", when);
		cli_table_cell(t, CLI_PLAIN, "%s", look_text(rows[i], "lane"));
		cli_table_cell(t, CLI_PLAIN, "%s", severity_word(c, rows[i]));
		cli_table_cell(t, CLI_PLAIN, "%s", look_text(rows[i], "topic"));
		cli_table_cell(t, CLI_PLAIN, "%s", look_text(rows[i], "sender"));
		cli_table_cell(t, CLI_PLAIN, "%s", until);
		cli_table_cell(t, CLI_PLAIN, "%s", look_text(rows[i], "id"));
		cli_table_cell(t, CLI_PLAIN, "%s", mark);
		if (statement_words(words, rows[i], now_ms))
			cli_table_cell(t, CLI_PLAIN, "%s", words);
		else
			cli_table_cell(t, CLI_PLAIN, "%s%s", notice_prefix(rows[i]), title_of(rows[i]));
	}
	cli_table_print(c, t, true);
}

void
notice_list(const struct cli *c, json_t *const *rows, size_t count, uint64_t now_ms)
{
	if (c->columns == 0) {
		list_table(c, rows, count, now_ms);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		json_t *row = clean(rows[i]);

		if (is_case(row) || is_suspension(row))
			statement_line(c, row, now_ms);
		else
			list_row(c, row, now_ms);
		json_decref(row);
	}
}

/* ---- news ---- */

/* "── FLASH  severe ─────── 03:12:07 ──": over the whole width of a terminal. */
static void
print_rule(const struct cli *c, const json_t *row, uint64_t now_ms)
{
	const char *severity = severity_word(c, row);
	char lane[16], when[WHEN_MAX], head[128];
	size_t used, i;

	(void)snprintf(lane, sizeof lane, "%s", look_text(row, "lane"));
	for (i = 0; lane[i] != '\0'; i++)
		if (lane[i] >= 'a' && lane[i] <= 'z')
			lane[i] = (char)(lane[i] - 'a' + 'A');
	when_put(when, look_number(row, "received_ms"), now_ms);
	(void)snprintf(head, sizeof head, "── %s%s%s ", lane, severity[0] != '\0' ? "  " : "", severity);
	used = cli_width(head) + cli_width(when) + 4;
	(void)printf("%s%s", cli_colour(c, lane_colour(row)), head);
	for (i = used; i < c->columns; i++)
		(void)printf("─");
	if (c->columns == 0 || used <= c->columns) /* else there is no room, and the time stands below too */
		(void)printf(" %s ──", when);
	(void)printf("%s\n", cli_colour(c, CLI_PLAIN));
}

static void
print_marks(const struct cli *c, const json_t *row, uint64_t now_ms)
{
	char mark[NOTICE_MARK_MAX], line[NOTICE_MARK_MAX + 8];

	notice_mark(mark, c, row, now_ms);
	if (mark[0] == '\0')
		return;
	(void)snprintf(line, sizeof line, "*** %s ***", mark);
	cli_paragraph(c, is_rejected(row) ? CLI_RED : CLI_YELLOW, line);
}

/* Who vouches for it: the node whose signature held, and the way it came. */
static void
print_origin(const struct cli *c, const json_t *row)
{
	char line[512];

	(void)snprintf(line, sizeof line, _("%s, on %s"), look_text(row, "sender"), look_text(row, "topic"));
	cli_field(c, _("Sender"), CLI_PLAIN, line);
}

static void
print_until(const struct cli *c, const json_t *row, uint64_t now_ms)
{
	char until[WHEN_MAX];

	if (look_number(row, "until_ms") == 0)
		return;
	when_put_until(until, look_number(row, "until_ms"), now_ms);
	cli_field(c, label_of("until", c->german), CLI_PLAIN, until);
}

/* The one that it cancels or updates, where it is here. */
static void
print_earlier(const struct cli *c, const json_t *earlier)
{
	char line[600];

	if (earlier == NULL)
		return;
	(void)snprintf(line, sizeof line, "%llu  %s", (unsigned long long)look_number(earlier, "seq"), title_of(earlier));
	cli_field(c, _("Concerns"), CLI_PLAIN, line);
}

static void
news_of_suspension(const struct cli *c, const json_t *row, uint64_t now_ms)
{
	char words[NOTICE_CASE_MAX];

	suspension_words(words, row, now_ms);
	cli_paragraph(c, statement_colour(row), words);
	(void)printf("\n");
	(void)fflush(stdout);
}

static void
news_of_case(const struct cli *c, const json_t *row, uint64_t now_ms)
{
	char words[NOTICE_CASE_MAX], more[96];

	case_words(words, row, now_ms);
	cli_paragraph(c, case_colour(row), words);
	print_origin(c, row);
	(void)snprintf(more, sizeof more, "kurzweg case show %s", look_text(row, "case.id"));
	cli_field(c, _("All of it"), CLI_DIM, more);
	(void)printf("\n");
	(void)fflush(stdout);
}

void
notice_news(const struct cli *c, const json_t *raw, const json_t *earlier, uint64_t now_ms)
{
	json_t *row = clean(raw);
	char title[512], more[96];

	if (c->bell && is_flash(row))
		(void)putchar('\a');
	print_rule(c, row, now_ms);
	if (is_case(row) || is_suspension(row)) {
		(is_case(row) ? news_of_case : news_of_suspension)(c, row, now_ms);
		json_decref(row);
		return;
	}
	print_marks(c, row, now_ms);
	(void)snprintf(title, sizeof title, "%s%s", notice_prefix(row), title_of(row));
	cli_paragraph(c, CLI_BOLD, title);
	print_earlier(c, earlier);
	cli_field(c, label_of("area", c->german), CLI_PLAIN, look_text(row, "area"));
	print_until(c, row, now_ms);
	print_origin(c, row);
	cli_field(c, label_of(strcmp(look_text(row, "schema"), "alert") == 0 ? "todo" : "description", c->german), CLI_BOLD, look_text(row, "what_to_do"));
	(void)snprintf(more, sizeof more, "kurzweg inbox %llu", (unsigned long long)look_number(row, "seq"));
	cli_field(c, _("All of it"), CLI_DIM, more);
	(void)printf("\n");
	(void)fflush(stdout);
	json_decref(row);
}

/* ---- whole ---- */

#define TEXT_INDENT 18 /* of payload_to_text's second column */
#define NARROW_INDENT 2

/* How many bytes of the line stand before its second column: a label with its colon, or blanks. 0: it has none. */
static size_t
label_bytes(const char *line)
{
	size_t at = 0;

	for (size_t n = 0; n < TEXT_INDENT && line[at] != '\0'; n++)
		do
			at++;
		while (((unsigned char)line[at] & 0xC0) == 0x80);
	if (line[at] == '\0' || line[at] == ' ' || line[at - 1] != ' ')
		return 0;
	for (size_t end = at; end > 0; end--)
		if (line[end - 1] != ' ')
			return line[end - 1] == ':' ? at : 0;
	return at;
}

/* Beside its label; on a narrow terminal below it. */
static void
print_labelled(const struct cli *c, const char *line, size_t label)
{
	bool below = c->columns > 0 && notice_is_narrow(c);
	size_t indent = below ? NARROW_INDENT : TEXT_INDENT, words = label;
	struct buf wrapped = BUF_INIT(64u << 20), safe = BUF_INIT(256);

	while (words > 0 && line[words - 1] == ' ')
		words--;
	buf_put(&safe, line, below ? words : label);
	buf_put_str(&wrapped, cli_text(&safe));
	if (below && words > 0 && cli_width(cli_text(&safe)) + 1 + cli_width(line + label) <= c->columns)
		buf_put_u8(&wrapped, ' '); /* there is room for both */
	else if (below)
		buf_printf(&wrapped, "%s%*s", words > 0 ? "\n" : "", (int)indent, "");
	cli_put_wrapped(&wrapped, line + label, c->columns, indent, indent);
	(void)printf("%s\n", cli_text(&wrapped));
	buf_free(&wrapped);
	buf_free(&safe);
}

/* Its lines are labelled already, but for the title and what stands before it; a long one is wrapped beside its label. */
static void
print_content(const struct cli *c, const char *text)
{
	bool head = true;

	while (*text != '\0') {
		size_t len = strcspn(text, "\n"), label;
		struct buf line = BUF_INIT(32u << 20);

		buf_put(&line, text, len);
		label = head ? 0 : label_bytes(cli_text(&line));
		if (label > 0)
			print_labelled(c, cli_text(&line), label);
		else
			cli_paragraph(c, head ? CLI_BOLD : CLI_PLAIN, cli_text(&line));
		head = head && strncmp(text, "***", 3) == 0;
		buf_free(&line);
		text += len + (text[len] == '\n');
	}
}

#define MAP_COLUMNS 32
#define MAP_LINES 8

/* Only on a terminal: in a file or a pipe the text is what counts. */
static void
print_map(const struct cli *c, const json_t *shapes)
{
	struct area_map_format f = {.columns = c->columns > MAP_COLUMNS ? MAP_COLUMNS : c->columns - 1, .lines = MAP_LINES,
	                            .unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0, .indent = ""};
	const char *label = _("Map:"); /* as payload_to_text has its own */
	char indent[TEXT_INDENT + 1];
	struct buf map = BUF_INIT(64u * 1024u);

	if (c->columns == 0 || shapes == NULL)
		return;
	if (c->columns >= MAP_COLUMNS + TEXT_INDENT) {
		(void)snprintf(indent, sizeof indent, "%*s", TEXT_INDENT, "");
		f.indent = indent;
	}
	f.room = c->columns - strlen(f.indent);
	area_map_put(&map, shapes, &f);
	if (map.len > 0 && f.indent == indent)
		(void)printf("\n%s%*s%s", label, (int)(TEXT_INDENT - cli_width(label)), "", cli_text(&map) + TEXT_INDENT);
	else if (map.len > 0)
		(void)printf("\n%s", cli_text(&map));
	buf_free(&map);
}

/* Which text it is, for who compares it by telephone; from when on; and whose approvals it brings. */
static void
print_release(const struct cli *c, const json_t *row, uint64_t now_ms)
{
	const char *hash = look_text(row, "text_hash");
	json_t *one;
	size_t i;

	cli_field(c, _("Text hash"), CLI_PLAIN, hash);
	if (look_number(row, "not_before_ms") != 0) {
		char until[WHEN_MAX];

		when_put_until(until, look_number(row, "not_before_ms"), now_ms);
		cli_field(c, _("Not before"), CLI_PLAIN, until);
	}
	json_array_foreach(look_at(row, "approved_by"), i, one) {
		char line[512], at[WHEN_MAX];

		when_put(at, look_number(one, "at_ms"), now_ms);
		(void)snprintf(line, sizeof line, "%s%s%s, %s", look_text(one, "node"), look_text(one, "as")[0] != '\0' ? ", " : "", look_text(one, "as"), at);
		cli_field(c, _("Approved by"), CLI_PLAIN, line);
	}
	if (strcmp(look_text(row, "type"), "draft") == 0 && !look_flag(row, "superseded") && !look_flag(row, "cancelled"))
		cli_field(c, _("To do"), CLI_BOLD, _("kurzweg approve ID, or kurzweg refuse ID --reason TEXT; nobody else has it yet"));
}

void
notice_whole(const struct cli *c, const json_t *raw, uint64_t now_ms)
{
	json_t *row = clean(raw);
	char created[WHEN_MAX], received[WHEN_MAX], expires[WHEN_MAX], line[3 * WHEN_MAX + 64];
	const char *kind, *schema;

	print_rule(c, row, now_ms);
	if (is_suspension(row)) {
		news_of_suspension(c, row, now_ms);
		json_decref(row);
		return;
	}
	print_marks(c, row, now_ms);
	print_origin(c, row);
	when_put(created, look_number(row, "created_ms"), now_ms);
	when_put(received, look_number(row, "received_ms"), now_ms);
	when_put_short(expires, look_number(row, "expires_ms"), now_ms);
	(void)snprintf(line, sizeof line, _("%s, received %s, kept until %s"), created, received, expires);
	cli_field(c, _("Published"), CLI_PLAIN, line); /* the content below has "Sent", "Identifier" and "Kind" of its own */
	cli_field(c, _("Id"), CLI_PLAIN, look_text(row, "id"));
	kind = notice_kind(look_text(row, "type"));
	schema = notice_kind(look_text(row, "schema"));
	(void)snprintf(line, sizeof line, schema[0] != '\0' && strcmp(kind, schema) != 0 ? "%s (%s)" : "%s", kind, schema);
	cli_field(c, _("Came as"), CLI_PLAIN, line);
	cli_field(c, _("Concerns"), CLI_PLAIN, look_text(row, "about"));
	print_release(c, row, now_ms);
	if (look_text(row, "content")[0] != '\0')
		(void)printf("\n");
	print_content(c, look_text(row, "content"));
	print_map(c, look_at(row, "shapes"));
	json_decref(row);
}
