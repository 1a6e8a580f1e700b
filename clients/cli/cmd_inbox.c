/* cmd_inbox: what came to this node: a list, one whole, or each new one as it comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "clients/cli/commands.h"
#include "clients/cli/follow.h"
#include "clients/cli/local.h"
#include "clients/cli/look.h"
#include "clients/cli/notice.h"
#include "clients/cli/when.h"
#include "proto/seal.h"
#include "proto/topic.h"

#define LIST_MOST 100000u
#define LIST_USUAL 25u

struct inbox_options {
	const char *socket, *topic, *since, *as, *reason;
	uint64_t limit;
	bool follow, rejected, receipts, json, cap;
};

/* ---- a list ---- */

struct list { /* the newest rows, at most limit; a ring */
	json_t **rows;
	size_t limit, count, next;
	bool left_off;
};

static void
list_free(struct list *l)
{
	for (size_t i = 0; i < l->limit && l->rows != NULL; i++)
		json_decref(l->rows[i]);
	free(l->rows);
	l->rows = NULL;
}

static enum cli_exit
list_add(const struct cli *c, struct list *l, const char *json)
{
	json_t *row = json_loads(json, 0, NULL);

	if (row == NULL) {
		cli_error(c, _("out of memory"));
		return CLI_FAILED;
	}
	l->left_off |= l->count == l->limit;
	json_decref(l->rows[l->next]);
	l->rows[l->next] = row;
	l->next = (l->next + 1) % l->limit;
	l->count += l->count < l->limit;
	return CLI_DONE;
}

/* All that q wants from its place on. */
static enum cli_exit
list_read(const struct cli *c, kurzweg *k, struct list *l, struct kurzweg_query q)
{
	const struct kurzweg_notification *n;
	enum cli_exit code = CLI_DONE;
	enum kurzweg_result r;

	while (code == CLI_DONE && (r = kurzweg_next(k, &q, 0, &n)) == KURZWEG_OK)
		code = list_add(c, l, n->json);
	return code != CLI_DONE ? code : r == KURZWEG_NOTHING ? CLI_DONE : local_fail(c, k, r);
}

/* The newest stand at the end, so it looks there first and further back only where those are too few. */
static enum cli_exit
list_fill(const struct cli *c, kurzweg *k, struct list *l, const struct kurzweg_query *want, uint64_t newest)
{
	uint64_t window = 4 * l->limit;

	for (;;) {
		struct kurzweg_query q = *want;
		enum cli_exit code;

		q.after_seq = window < newest ? newest - window : 0;
		for (size_t i = 0; i < l->limit; i++) {
			json_decref(l->rows[i]);
			l->rows[i] = NULL;
		}
		l->count = l->next = 0;
		l->left_off = false;
		if ((code = list_read(c, k, l, q)) != CLI_DONE)
			return code;
		l->left_off |= q.after_seq > 0;
		if (l->count == l->limit || q.after_seq == 0)
			return CLI_DONE;
		window *= 8;
	}
}

/* Oldest first, as they came. */
static enum cli_exit
list_show(const struct cli *c, const struct list *l, bool json)
{
	size_t first = l->count < l->limit ? 0 : l->next;
	json_t **rows = calloc(l->count + 1, sizeof(json_t *));
	enum cli_exit code = CLI_DONE;

	if (rows == NULL) {
		cli_error(c, _("out of memory"));
		return CLI_FAILED;
	}
	for (size_t i = 0; i < l->count; i++)
		rows[i] = l->rows[(first + i) % l->limit];
	for (size_t i = 0; json && code == CLI_DONE && i < l->count; i++) {
		char *text = json_dumps(rows[i], JSON_COMPACT);

		code = text != NULL ? cli_json_text(c, text) : CLI_FAILED;
		free(text);
	}
	if (!json && l->count > 0)
		notice_list(c, rows, l->count, clock_wall_ms());
	else if (!json)
		cli_note(c, _("Nothing is there."));
	if (!json && l->count > 0 && c->columns > 0)
		cli_note(c, _("One of them whole: kurzweg inbox NUMBER"));
	if (!json && l->left_off)
		cli_note(c, _("Those are the newest %zu; --limit and --since show others."), l->count);
	free(rows);
	return code;
}

static enum cli_exit
run_list(const struct cli *c, kurzweg *k, const struct inbox_options *o, const struct kurzweg_query *want)
{
	size_t limit = o->limit != 0 ? (size_t)o->limit : o->json || o->since != NULL ? LIST_MOST : LIST_USUAL;
	struct list l = {.limit = limit, .rows = calloc(limit, sizeof(json_t *))};
	json_t *status;
	enum cli_exit code = CLI_FAILED;

	if (l.rows == NULL) {
		cli_error(c, _("out of memory"));
		return CLI_FAILED;
	}
	status = local_status(c, k, &code);
	if (status != NULL)
		code = list_fill(c, k, &l, want, look_number(status, "inbox.newest"));
	if (code == CLI_DONE)
		code = list_show(c, &l, o->json);
	json_decref(status);
	list_free(&l);
	return code;
}

/* ---- one ---- */

/* By its id, or by its number in the list, at most newest; among the rejected ones too. KURZWEG_NOTHING: there is none. */
static enum kurzweg_result
look_up(kurzweg *k, const char *word, uint64_t newest, const struct inbox_options *o, const char *content, const struct kurzweg_notification **out)
{
	uint64_t seq = 0;
	bool by_number = text_u64(&seq, word, 0, INT64_MAX, "", NULL) == KW_OK;
	enum kurzweg_result r = KURZWEG_NOTHING;

	if (by_number && (seq == 0 || seq > newest))
		return KURZWEG_NOTHING;
	for (int rejected = 0; rejected < 2 && r == KURZWEG_NOTHING; rejected++) {
		struct kurzweg_query q = KURZWEG_QUERY_INIT;

		q.id = by_number ? NULL : word;
		q.after_seq = by_number ? seq - 1 : 0;
		q.receipts = true;
		q.rejected = rejected == 1;
		q.content = content;
		q.as = o->as;
		q.reason = o->reason;
		r = kurzweg_next(k, &q, 0, out);
		if (r == KURZWEG_OK && by_number && (*out)->seq != seq)
			r = KURZWEG_NOTHING;
	}
	return r;
}

/* By its number, its id comes first: the node sends rows ahead, and what it sends with its content counts as read. */
static enum kurzweg_result
find(kurzweg *k, const char *word, uint64_t newest, const struct inbox_options *o, const char *content, const struct kurzweg_notification **out)
{
	char id[KURZWEG_ID_SIZE];
	uint64_t seq;
	enum kurzweg_result r;

	if (text_u64(&seq, word, 0, INT64_MAX, "", NULL) != KW_OK)
		return look_up(k, word, newest, o, content, out);
	if ((r = look_up(k, word, newest, o, NULL, out)) != KURZWEG_OK)
		return r;
	(void)snprintf(id, sizeof id, "%s", (*out)->id);
	r = id[0] != '\0' ? look_up(k, id, newest, o, content, out) : KURZWEG_NOTHING;
	return r == KURZWEG_NOTHING ? look_up(k, word, newest, o, content, out) : r; /* one that was rejected may have no id */
}

/*
 * The number of the one row that a piece of an id means: an id has 36 characters, and a list shows the last 8. 0: none, or several,
 * which *several tells.
 */
static uint64_t
of_piece(kurzweg *k, const char *piece, bool *several)
{
	struct kurzweg_query q = KURZWEG_QUERY_INIT;
	const struct kurzweg_notification *n;
	uint64_t seq = 0;

	*several = false;
	if (strlen(piece) < KW_ID_PIECE_MIN || strlen(piece) >= KURZWEG_ID_SIZE - 1)
		return 0;
	while (kurzweg_next(k, &q, 0, &n) == KURZWEG_OK) {
		if (!kw_id_meant(n->id, piece))
			continue;
		*several = seq != 0;
		if (*several)
			return 0;
		seq = n->seq;
	}
	return seq;
}

static enum kurzweg_result
find_meant(const struct cli *c, kurzweg *k, const char *word, uint64_t newest, const struct inbox_options *o, const char *content, const struct kurzweg_notification **out)
{
	bool is_number = strspn(word, "0123456789") == strlen(word), several;
	enum kurzweg_result r = KURZWEG_NOTHING;
	char number[24];
	uint64_t seq;

	if (is_number || strlen(word) == KURZWEG_ID_SIZE - 1)
		r = find(k, word, newest, o, content, out);
	if (r != KURZWEG_NOTHING || strlen(word) == KURZWEG_ID_SIZE - 1)
		return r;
	seq = of_piece(k, word, &several);
	if (several)
		cli_warn(c, _("several ids begin or end with \"%s\"; give more of it"), word);
	if (seq == 0)
		return KURZWEG_NOTHING;
	(void)snprintf(number, sizeof number, "%llu", (unsigned long long)seq);
	return find(k, number, newest, o, content, out);
}

static enum cli_exit
show_cap(const struct cli *c, const struct kurzweg_notification *n)
{
	if (n->content_len == 0) {
		cli_error(c, _("its content is no longer kept here, or never came"));
		return CLI_FAILED;
	}
	if (strcmp(n->schema, "alert") != 0)
		return cli_usage(c, _("it is no alert but of the schema \"%s\", and CAP is for alerts; --json gives it"), n->schema);
	return fwrite(n->content, 1, n->content_len, stdout) == n->content_len ? CLI_DONE : CLI_FAILED;
}

/* Whoever sent it hears that somebody has read it. */
static enum cli_exit
tell_opened(const struct cli *c, kurzweg *k, const struct inbox_options *o, const char *id)
{
	enum kurzweg_result r;

	(void)fflush(stdout);
	r = kurzweg_opened(k, id, o->as);
	return r == KURZWEG_OK ? CLI_DONE : local_fail(c, k, r);
}

static enum cli_exit
run_one(const struct cli *c, kurzweg *k, const struct inbox_options *o)
{
	const struct kurzweg_notification *n = NULL;
	char id[KURZWEG_ID_SIZE];
	enum kurzweg_result r;
	enum cli_exit code;
	json_t *row, *status = local_status(c, k, &code);

	if (status == NULL)
		return code;
	r = find_meant(c, k, c->args[0], look_number(status, "inbox.newest"), o, o->json ? "json" : o->cap ? "cap" : "text", &n);
	json_decref(status);

	if (r == KURZWEG_NOTHING) {
		char line[256];

		(void)snprintf(line, sizeof line, _("\"%.64s\" is not in the inbox of this node; \"kurzweg inbox\" lists what is, \"kurzweg sent\" what it sent"), c->args[0]);
		cli_error(c, line);
		return CLI_FAILED;
	}
	if (r != KURZWEG_OK)
		return local_fail(c, k, r);
	(void)snprintf(id, sizeof id, "%s", n->id);
	if (o->cap) {
		code = show_cap(c, n);
		return code == CLI_DONE ? tell_opened(c, k, o, id) : code;
	}
	row = json_loads(n->json, 0, NULL);
	if (row == NULL) {
		cli_error(c, _("out of memory"));
		return CLI_FAILED;
	}
	if (!o->json)
		notice_whole(c, row, clock_wall_ms());
	code = o->json ? cli_json(c, json_incref(row)) : CLI_DONE;
	json_decref(row);
	return code == CLI_DONE ? tell_opened(c, k, o, id) : code;
}

/* ---- the command ---- */

static bool
check(const struct cli *c, const struct inbox_options *o, enum cli_exit *code)
{
	bool one = c->arg_count > 0;

	*code = CLI_USAGE;
	if (one && (o->follow || o->topic != NULL || o->since != NULL || o->rejected || o->receipts || o->limit != 0))
		(void)cli_usage(c, _("one notification is shown by its id or number alone, with --json or --cap at most"));
	else if (o->cap && (!one || o->json))
		(void)cli_usage(c, _("--cap shows one alert as CAP; give its id or number, and no --json"));
	else if (o->as != NULL && !one)
		(void)cli_usage(c, _("--as says who reads one notification; give its id or number"));
	else if (o->follow && o->limit != 0)
		(void)cli_usage(c, _("--limit is for a list; --follow shows everything that comes"));
	else
		return true;
	return false;
}

static enum cli_exit
run_inbox(struct cli *c, const void *options)
{
	const struct inbox_options *o = options;
	struct kurzweg_query q = KURZWEG_QUERY_INIT;
	enum cli_exit code;
	struct kw_why why;
	kurzweg *k;

	if (!check(c, o, &code))
		return code;
	if (o->topic != NULL && filter_check(o->topic, &why) != KW_OK)
		return cli_usage(c, "--topic: %s", why.text);
	if (o->since != NULL && when_parse_before(&q.since_ms, o->since, clock_wall_ms(), "--since", &why) != KW_OK)
		return cli_usage(c, "%s", why.text);
	q.topic = o->topic;
	q.rejected = o->rejected;
	q.receipts = o->receipts;
	q.content = o->json ? "json" : NULL;
	q.as = o->as;
	q.reason = o->reason;
	if ((k = local_open(c, o->socket, &code)) == NULL)
		return code;
	if (c->arg_count > 0)
		code = run_one(c, k, o);
	else if (o->follow)
		code = follow(c, k, &q, o->json);
	else
		code = run_list(c, k, o, &q);
	kurzweg_close(&k);
	return code;
}

static const struct cli_option inbox_table[] = {
	{"follow", 'f', CLI_FLAG, offsetof(struct inbox_options, follow), NULL, N_("show each new one as it comes, until control-C"), 0, 0},
	{"topic", 't', CLI_TEXT, offsetof(struct inbox_options, topic), N_("FILTER"), N_("those on these topics alone: alert/#, request/+/mitte"), 0, 0},
	{"since", 's', CLI_TEXT, offsetof(struct inbox_options, since), N_("TIME"), N_("those received since: 2h, 22:15 or 2026-12-01T22:15:00+01:00"), 0, 0},
	{"limit", 'n', CLI_NUMBER, offsetof(struct inbox_options, limit), N_("N"), N_("the newest N; 25 if not given, all with --since or --json"), 1, LIST_MOST},
	{"rejected", 0, CLI_FLAG, offsetof(struct inbox_options, rejected), NULL, N_("those that did not pass the checks, and why"), 0, 0},
	{"receipts", 0, CLI_FLAG, offsetof(struct inbox_options, receipts), NULL, N_("the receipts of others too"), 0, 0},
	{"cap", 0, CLI_FLAG, offsetof(struct inbox_options, cap), NULL, N_("one alert as CAP 1.2"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct inbox_options, json), NULL, N_("a JSON object a line, with the whole content"), 0, 0},
	{"as", 0, CLI_TEXT, offsetof(struct inbox_options, as), N_("NAME"), N_("who reads it: \"Duty officer 3\"; its sender is told that it was opened"), 0, 0},
	{"reason", 0, CLI_TEXT, offsetof(struct inbox_options, reason), N_("TEXT"), N_("why it is read, where the agreement demands it; kept sealed in this node's audit trail"), 0, 0},
	CLI_SOCKET(struct inbox_options, socket),
	CLI_NO_MORE,
};

const struct cli_command cmd_inbox = {
	"inbox", NULL, N_("[ID-OR-NUMBER]"), 0, 1, N_("show what came to this node: a list, one whole, or each new one as it comes"),
	N_("ID-OR-NUMBER is a notification's id, 4 characters of it, or its number in the list of this node. A terminal shows the list in two\n"
	   "lines each, a pipe gets a table with the ids. --follow tells too when the link to the broker is lost."),
	inbox_table, run_inbox,
};
