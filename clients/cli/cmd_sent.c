/* cmd_sent: what this node sent: a list, with the ids that trace, recall and publish --update want, and how far each has come. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "clients/cli/cases.h"
#include "clients/cli/commands.h"
#include "clients/cli/local.h"
#include "clients/cli/look.h"
#include "clients/cli/notice.h"
#include "clients/cli/when.h"
#include "proto/topic.h"

#define LIST_MOST 100000u
#define LIST_USUAL 25u
#define PAGE_MOST 64u /* rows that are asked for at a time */
#define STATE_MAX 768

struct sent_options {
	const char *socket, *topic, *since, *as, *reason;
	uint64_t limit;
	bool json;
};

/* ---- reading it ---- */

/* The newest of them first, at most limit; left_off: there are others. NULL: *code is how to end, and it was said why. */
static json_t *
read_rows(const struct cli *c, kurzweg *k, struct kurzweg_sent_query *q, size_t limit, bool *left_off, enum cli_exit *code)
{
	json_t *rows = json_array();
	enum kurzweg_result r = KURZWEG_OK;

	*code = CLI_DONE;
	while (json_array_size(rows) < limit) {
		size_t missing = limit - json_array_size(rows);
		char *text = NULL;
		json_t *page;

		q->limit = missing < PAGE_MOST ? (uint32_t)missing : PAGE_MOST;
		if ((r = kurzweg_sent(k, q, &text)) == KURZWEG_NOTHING)
			break;
		if ((page = cases_json(c, k, r, text, code)) == NULL) {
			json_decref(rows);
			return NULL;
		}
		(void)json_array_extend(rows, json_object_get(page, "rows"));
		json_decref(page);
	}
	*left_off = r != KURZWEG_NOTHING && q->before_seq > 1;
	return rows;
}

/* ---- in words ---- */

/* "delivered to 3 of 4, opened at 2", and what else is to be known before anything is done about it. */
static enum cli_colour
how_far(char out[STATE_MAX], const json_t *row)
{
	unsigned long long readers = look_number(row, "readers"), delivered = look_number(row, "delivered"), opened = look_number(row, "opened"), rejected = look_number(row, "rejected");
	const char *state = look_text(row, "state");
	size_t len;

	if (strcmp(state, "refused") == 0) {
		(void)snprintf(out, STATE_MAX, _("refused: %s"), look_text(row, "reason"));
		return CLI_RED;
	}
	if (strcmp(state, "stored") != 0) {
		(void)snprintf(out, STATE_MAX, "%s", strcmp(state, "expired") == 0 ? _("expired before the broker stored it") : _("waits in the outbox"));
		return strcmp(state, "expired") == 0 ? CLI_RED : CLI_YELLOW;
	}
	if (look_flag(row, "recalled")) {
		(void)snprintf(out, STATE_MAX, "%s", _("recalled"));
		return CLI_YELLOW;
	}
	(void)snprintf(out, STATE_MAX, _("delivered to %llu of %llu"), delivered, readers);
	len = strlen(out);
	if (opened > 0)
		(void)snprintf(out + len, STATE_MAX - len, _(", opened at %llu"), opened);
	len = strlen(out);
	if (rejected > 0)
		(void)snprintf(out + len, STATE_MAX - len, _(", rejected by %llu"), rejected);
	return rejected > 0 ? CLI_RED : delivered == readers ? CLI_GREEN : CLI_YELLOW;
}

/* Why it has no title, before how far it is. */
static void
put_mark(struct buf *out, const json_t *row)
{
	if (strcmp(look_text(row, "mark"), "reason needed") == 0)
		buf_printf(out, "%s  ", _("reason needed"));
}

static void
put_title(struct buf *out, const json_t *row)
{
	const char *headline = look_text(row, "headline");

	buf_printf(out, "%s%s", notice_prefix(row), headline[0] != '\0' ? headline : look_text(row, "topic"));
}

/* Until when it holds: what it says itself, else how long it is kept. */
static uint64_t
until_ms(const json_t *row)
{
	uint64_t until = look_number(row, "until_ms");

	return until != 0 ? until : look_number(row, "expires_ms");
}

/* ---- showing it ---- */

#define INDENT 10u /* of the last 8 characters of an id, and two blanks */

static void
show_row(const struct cli *c, const json_t *row, uint64_t now_ms)
{
	const char *id = cases_short(look_text(row, "id")), *lane = look_text(row, "lane");
	char when[WHEN_MAX], until[WHEN_MAX], state[STATE_MAX];
	struct buf title = BUF_INIT(4096), rest = BUF_INIT(4096);
	enum cli_colour colour = how_far(state, row);
	bool over = look_flag(row, "recalled") || until_ms(row) <= now_ms;
	size_t used;

	when_put_short(when, look_number(row, "created_ms"), now_ms);
	when_put_short(until, until_ms(row), now_ms);
	put_title(&title, row);
	(void)printf("%s%s%s  %s  %s", cli_colour(c, CLI_BOLD), id, cli_colour(c, CLI_PLAIN), when, lane);
	used = cli_width(id) + 2 + cli_width(when) + 2 + cli_width(lane) + 2;
	if (notice_is_narrow(c)) {
		(void)printf("\n%*s", (int)INDENT, "");
		used = INDENT;
	} else {
		(void)printf("  ");
	}
	notice_rest(c, over ? CLI_DIM : CLI_BOLD, cli_text(&title), INDENT, used);
	put_mark(&rest, row);
	buf_printf(&rest, _("%s  until %s"), state, until);
	if (look_text(row, "headline")[0] != '\0') /* else it is the title; last, since what is too long is cut there */
		buf_printf(&rest, "  %s", look_text(row, "topic"));
	(void)printf("%*s", (int)INDENT, "");
	notice_rest(c, colour, cli_text(&rest), INDENT, INDENT);
	buf_free(&title);
	buf_free(&rest);
}

static void
show_table(const struct cli *c, const json_t *rows)
{
	const char *const heads[] = {_("published"), _("lane"), _("topic"), _("until"), _("id"), _("how far"), _("headline")};
	struct cli_table *t = cli_table_new(sizeof heads / sizeof heads[0]);

	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
		cli_table_cell(t, CLI_PLAIN, "%s", heads[i]);
	for (size_t i = json_array_size(rows); i-- > 0;) {
		const json_t *row = json_array_get(rows, i);
		char when[TEXT_TIME_MAX], until[TEXT_TIME_MAX], state[STATE_MAX];
		struct buf title = BUF_INIT(4096), far = BUF_INIT(4096);

		text_put_time_local(when, look_number(row, "created_ms"));
		text_put_time_local(until, until_ms(row));
		(void)how_far(state, row);
		put_mark(&far, row);
		buf_put_str(&far, state);
		put_title(&title, row);
		cli_table_cell(t, CLI_PLAIN, "%s", when);
		cli_table_cell(t, CLI_PLAIN, "%s", look_text(row, "lane"));
		cli_table_cell(t, CLI_PLAIN, "%s", look_text(row, "topic"));
		cli_table_cell(t, CLI_PLAIN, "%s", until);
		cli_table_cell(t, CLI_PLAIN, "%s", look_text(row, "id"));
		cli_table_cell(t, CLI_PLAIN, "%s", cli_text(&far));
		cli_table_cell(t, CLI_PLAIN, "%s", cli_text(&title));
		buf_free(&title);
		buf_free(&far);
	}
	cli_table_print(c, t, true);
}

/* Oldest first, so that the newest stands where the eye is. */
static enum cli_exit
show(const struct cli *c, const json_t *rows, bool json, bool left_off)
{
	enum cli_exit code = CLI_DONE;

	for (size_t i = json_array_size(rows); json && code == CLI_DONE && i-- > 0;) {
		char *text = json_dumps(json_array_get(rows, i), JSON_COMPACT);

		code = text != NULL ? cli_json_text(c, text) : CLI_FAILED;
		free(text);
	}
	if (json)
		return code;
	if (json_array_size(rows) == 0)
		cli_note(c, "%s", _("Nothing was sent."));
	else if (c->columns == 0)
		show_table(c, rows);
	for (size_t i = json_array_size(rows); c->columns > 0 && i-- > 0;)
		show_row(c, json_array_get(rows, i), clock_wall_ms());
	if (json_array_size(rows) > 0 && c->columns > 0)
		cli_note(c, "%s", _("Who has one of them: kurzweg trace ID"));
	if (left_off)
		cli_note(c, _("Those are the newest %zu; --limit and --since show others."), json_array_size(rows));
	return CLI_DONE;
}

/* ---- the command ---- */

static enum cli_exit
run_sent(struct cli *c, const void *options)
{
	const struct sent_options *o = options;
	struct kurzweg_sent_query q = KURZWEG_SENT_QUERY_INIT;
	size_t limit = o->limit != 0 ? (size_t)o->limit : o->json || o->since != NULL ? LIST_MOST : LIST_USUAL;
	bool left_off = false;
	enum cli_exit code;
	struct kw_why why;
	json_t *rows;
	kurzweg *k;

	if (o->topic != NULL && filter_check(o->topic, &why) != KW_OK)
		return cli_usage(c, "--topic: %s", why.text);
	if (o->since != NULL && when_parse_before(&q.since_ms, o->since, clock_wall_ms(), "--since", &why) != KW_OK)
		return cli_usage(c, "%s", why.text);
	q.topic = o->topic;
	q.as = o->as;
	q.reason = o->reason;
	if ((k = local_open(c, o->socket, &code)) == NULL)
		return code;
	rows = read_rows(c, k, &q, limit, &left_off, &code);
	kurzweg_close(&k);
	if (rows == NULL)
		return code;
	code = show(c, rows, o->json, left_off);
	json_decref(rows);
	return code;
}

static const struct cli_option sent_table[] = {
	{"topic", 't', CLI_TEXT, offsetof(struct sent_options, topic), N_("FILTER"), N_("those on these topics alone: alert/#, request/+/mitte"), 0, 0},
	{"since", 's', CLI_TEXT, offsetof(struct sent_options, since), N_("TIME"), N_("those published since: 2h, 22:15 or 2026-12-01T22:15:00+01:00"), 0, 0},
	{"limit", 'n', CLI_NUMBER, offsetof(struct sent_options, limit), N_("N"), N_("the newest N; 25 if not given, all with --since or --json"), 1, LIST_MOST},
	{"json", 0, CLI_FLAG, offsetof(struct sent_options, json), NULL, N_("a JSON object a line, with whole ids"), 0, 0},
	{"as", 0, CLI_TEXT, offsetof(struct sent_options, as), N_("NAME"), N_("who reads it"), 0, 0},
	{"reason", 0, CLI_TEXT, offsetof(struct sent_options, reason), N_("TEXT"), N_("why it is read, where the agreement demands it; kept sealed in this node's audit trail"), 0, 0},
	CLI_SOCKET(struct sent_options, socket),
	CLI_NO_MORE,
};

const struct cli_command cmd_sent = {
	"sent", NULL, NULL, 0, 0, N_("list what this node sent, the newest last, and how far it has come"),
	N_("Each with the last 8 characters of its id, which trace, recall and publish --update take as well as the whole.\n"
	   "  kurzweg sent --since 2h\n"
	   "  kurzweg trace b880aa75"), sent_table, run_sent,
};
