/* cmd_case: the cases of this node: a list by their limits, one with its log, and the list as it changes. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "clients/cli/cases.h"
#include "clients/cli/commands.h"
#include "clients/cli/look.h"
#include "clients/cli/when.h"

struct case_options {
	const char *socket;
	bool all, mine, json;
};

static json_t *
ask_list(const struct cli *c, const struct case_options *o, kurzweg *k, enum cli_exit *code)
{
	char *text = NULL;
	enum kurzweg_result r = kurzweg_cases(k, o->all, &text);
	json_t *all = cases_json(c, k, r, text, code), *list, *some, *one;
	size_t i;

	if (all == NULL || !o->mine)
		return all;
	list = json_object_get(all, "cases");
	some = json_array();
	json_array_foreach(list, i, one)
		if (look_flag(one, "your_turn") || look_flag(one, "yours"))
			(void)json_array_append(some, one);
	(void)json_object_set_new(all, "cases", some);
	return all;
}

/* What, in the fewest words: the headline, or where that is gone, the topic. */
static const char *
title(const json_t *one)
{
	const char *headline = look_text(one, "headline");

	return headline[0] != '\0' ? headline : look_text(one, "topic");
}

/* Two lines each on a terminal, a table's row in a pipe. */
static void
show_list(const struct cli *c, const json_t *list, uint64_t now_ms)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		char stands[CASES_WORDS_MAX];
		enum cli_colour colour = cases_stands(stands, one, now_ms);
		struct buf line = BUF_INIT(4096);

		if (c->columns == 0) {
			buf_printf(&line, "%s\t%s\t%s\t", look_text(one, "id"), look_text(one, "topic"), stands);
			cli_put_safe(&line, title(one));
			(void)printf("%s\n", cli_text(&line));
		} else {
			buf_printf(&line, "%s%s%s  ", cli_colour(c, CLI_BOLD), cases_short(look_text(one, "id")), cli_colour(c, CLI_PLAIN));
			cli_put_wrapped(&line, title(one), c->columns, 10, 10);
			buf_printf(&line, "\n          %s", cli_colour(c, colour));
			cli_put_wrapped(&line, stands, c->columns, 10, 10);
			buf_printf(&line, "%s\n", cli_colour(c, CLI_PLAIN));
			(void)fputs(cli_text(&line), stdout);
		}
		buf_free(&line);
	}
}

static bool
is_my_turn(const json_t *list)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (look_flag(one, "your_turn"))
			return true;
	return false;
}

static enum cli_exit
run_list(struct cli *c, const void *options)
{
	const struct case_options *o = options;
	enum cli_exit code = CLI_DONE;
	kurzweg *k = local_open(c, o->socket, &code);
	json_t *all;

	if (k == NULL)
		return code;
	if ((all = ask_list(c, o, k, &code)) != NULL) {
		if (o->json)
			code = cli_json(c, json_incref(json_object_get(all, "cases")));
		else if (json_array_size(json_object_get(all, "cases")) == 0)
			cli_note(c, "%s", o->mine ? _("No case is this node's.") : o->all ? _("This node has no cases.") : _("No case is open."));
		else
			show_list(c, json_object_get(all, "cases"), clock_wall_ms());
		if (!o->json && c->columns > 0 && is_my_turn(json_object_get(all, "cases")))
			cli_note(c, "%s", _("To take one: kurzweg take ID. All of it: kurzweg case show ID"));
		json_decref(all);
	}
	kurzweg_close(&k);
	return code;
}

/* ---- one ---- */

static void
show_log(const struct cli *c, const json_t *entries, uint64_t now_ms)
{
	json_t *e;
	size_t i;

	json_array_foreach(entries, i, e) {
		char words[CASES_WORDS_MAX], at[WHEN_MAX];

		cases_entry(words, e);
		if (words[0] == '\0')
			continue;
		when_put(at, look_number(e, "at_ms"), now_ms);
		cli_field(c, at, CLI_PLAIN, words);
	}
}

/* "take, decline": as they are typed. */
static void
show_can(const struct cli *c, const json_t *one)
{
	struct buf line = BUF_INIT(512);
	json_t *word;
	size_t i;

	json_array_foreach(look_at(one, "can"), i, word)
		buf_printf(&line, "%s%s", i > 0 ? ", " : "", strcmp(json_string_value(word), "hand_over") == 0 ? "hand-over" : json_string_value(word));
	if (line.len > 0)
		cli_field(c, _("you can"), CLI_PLAIN, cli_text(&line));
	buf_free(&line);
}

static void
show_case(const struct cli *c, const json_t *one, uint64_t now_ms)
{
	char stands[CASES_WORDS_MAX], at[WHEN_MAX];
	enum cli_colour colour = cases_stands(stands, one, now_ms);

	cli_paragraph(c, CLI_BOLD, title(one));
	cli_paragraph(c, colour, stands);
	if (look_flag(one, "parted"))
		cli_paragraph(c, CLI_RED, _("The broker states something else than what follows from the log: call the others. \"kurzweg status\" has the evidence."));
	if (look_flag(one, "believed"))
		cli_paragraph(c, CLI_DIM, _("This node came into the case later: what was before is as the broker states it, and not checked here."));
	if (look_text(one, "waits")[0] != '\0')
		cli_paragraph(c, CLI_YELLOW, _("Something of its log has not come yet."));
	cli_field(c, _("id"), CLI_PLAIN, look_text(one, "id"));
	cli_field(c, _("topic"), CLI_PLAIN, look_text(one, "topic"));
	cli_field(c, _("from"), CLI_PLAIN, look_text(one, "sender"));
	cases_reason(c, one);
	cli_field(c, _("area"), CLI_PLAIN, look_text(one, "area"));
	cli_field(c, _("what to do"), CLI_PLAIN, look_text(one, "what_to_do"));
	when_put_until(at, look_number(one, "expires_ms"), now_ms);
	cli_field(c, _("expires"), CLI_PLAIN, at);
	show_can(c, one);
	show_log(c, look_at(one, "entries"), now_ms);
}

static enum cli_exit
run_show(struct cli *c, const void *options)
{
	const struct case_options *o = options;
	enum cli_exit code = CLI_DONE;
	kurzweg *k = local_open(c, o->socket, &code);
	char id[KURZWEG_ID_SIZE], *text = NULL;
	enum kurzweg_result r;
	json_t *one;

	if (k == NULL)
		return code;
	if (!cases_id(id, c, k, c->args[0], &code))
		goto close_node;
	r = kurzweg_case(k, id, &text);
	if ((one = cases_json(c, k, r, text, &code)) == NULL)
		goto close_node;
	if (o->json)
		code = cli_json(c, json_incref(one));
	else
		show_case(c, one, clock_wall_ms());
	json_decref(one);
close_node:
	kurzweg_close(&k);
	return code;
}

/* ---- as it changes ---- */

static volatile sig_atomic_t stopped;

static void
on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void
draw(const struct cli *c, const json_t *list, uint64_t now_ms)
{
	char at[WHEN_MAX];

	(void)fputs("\x1b[H\x1b[2J", stdout);
	when_put(at, now_ms, now_ms);
	(void)printf(ngettext("%s  %zu case   (Ctrl-C ends)\n\n", "%s  %zu cases   (Ctrl-C ends)\n\n", json_array_size(list)), at, json_array_size(list));
	show_list(c, list, now_ms);
	(void)fflush(stdout);
}

/* In a pipe a line for each case whenever something but the time has changed. */
static void
print_changes(const struct cli *c, const struct case_options *o, json_t **before, const json_t *list)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		json_t *alone, *old = json_object_get(*before, look_text(one, "id"));

		if (old != NULL && json_equal(old, one))
			continue;
		(void)json_object_set(*before, look_text(one, "id"), one);
		if (o->json) {
			char *dump = json_dumps(one, JSON_COMPACT);

			(void)printf("%s\n", dump != NULL ? dump : "");
			free(dump);
			continue;
		}
		alone = json_pack("[O]", one);
		show_list(c, alone, clock_wall_ms());
		json_decref(alone);
	}
	(void)fflush(stdout);
}

static enum cli_exit
run_watch(struct cli *c, const void *options)
{
	const struct case_options *o = options;
	struct sigaction action = {.sa_handler = on_signal};
	enum cli_exit code = CLI_DONE;
	kurzweg *k = local_open(c, o->socket, &code);
	json_t *before = json_object();

	if (k == NULL) {
		json_decref(before);
		return code;
	}
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	while (!stopped) {
		const struct timespec second = {1, 0};
		json_t *all = ask_list(c, o, k, &code);

		if (all == NULL)
			break;
		if (c->columns > 0 && !o->json)
			draw(c, json_object_get(all, "cases"), clock_wall_ms());
		else
			print_changes(c, o, &before, json_object_get(all, "cases"));
		json_decref(all);
		if (ferror(stdout))
			break;
		if (!stopped)
			(void)nanosleep(&second, NULL);
	}
	json_decref(before);
	kurzweg_close(&k);
	return stopped ? CLI_DONE : code;
}

static const struct cli_option list_table[] = {
	{"all", 'a', CLI_FLAG, offsetof(struct case_options, all), NULL, N_("closed ones too, the newest change first"), 0, 0},
	{"mine", 'm', CLI_FLAG, offsetof(struct case_options, mine), NULL, N_("those alone that are this node's, or whose next move is"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct case_options, json), NULL, N_("as JSON, for programs"), 0, 0},
	CLI_SOCKET(struct case_options, socket),
	CLI_NO_MORE,
};

static const struct cli_option show_table[] = {
	{"json", 0, CLI_FLAG, offsetof(struct case_options, json), NULL, N_("as JSON, for programs"), 0, 0},
	CLI_SOCKET(struct case_options, socket),
	CLI_NO_MORE,
};

const struct cli_command cmd_case_list = {
	"case", "list", NULL, 0, 0, N_("list the open cases of this node, the nearest limit first"),
	N_("A case is a matter that somebody must take. The list says whose move it is, and how long is left (minutes:seconds).\n"
	   "  kurzweg case list --mine\n"
	   "  kurzweg take 3f9a01bc --as \"Duty officer 3\""),
	list_table, run_list,
};

const struct cli_command cmd_case_show = {
	"case", "show", N_("ID"), 1, 1, N_("show a case with everything that happened to it"),
	N_("ID is the case's id as \"kurzweg case list\" shows it, 4 characters of it, or its number in the inbox."), show_table, run_show,
};

const struct cli_command cmd_case_watch = {
	"case", "watch", NULL, 0, 0, N_("show the cases as they change, until Ctrl-C"),
	N_("In a pipe each case is printed again when something about it changes."), list_table, run_watch,
};
