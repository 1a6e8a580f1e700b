/* cmd_log: the broker's newest events, and new ones as they come, as the broker keeps them for whoever operates it. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "clients/cli/broker_ask.h"
#include "clients/cli/commands.h"
#include "clients/cli/look.h"
#include "clients/cli/when.h"

#define WAIT_MS 10000u
#define AGAIN_MS 1000   /* between two looks, and between two tries of a broker that is silent */
#define BEGIN_WITH 10   /* of --follow without --since, as tail does */
#define NAME_MAX_LEN 128
#define INDENT 4
#define ROOM_FOR_CODE 20

struct log_options {
	struct broker_way way;
	const char *since, *level, *peer;
	bool follow, json;
};

struct reading {
	const struct cli *c;
	const struct log_options *o;
	struct broker_ask *broker;
	uint64_t since_ms;
	char run[64];      /* of the broker, as its last answer said; "": nothing was heard yet */
	uint64_t after;
	bool silent;       /* and it was told */
};

/* ---- pages ---- */

static enum kw_err
ask_page(json_t **out, struct reading *r, struct kw_why *why)
{
	json_t *request = json_pack("{s:I, s:I, s:s}", "after", (json_int_t)r->after, "since_ms", (json_int_t)r->since_ms, "run", r->run);
	struct buf answer = BUF_INIT(KW_MESSAGE_MAX);
	enum kw_err err;
	char *text;

	if (r->o->level != NULL)
		json_object_set_new(request, "level", json_string(r->o->level));
	if (r->o->peer != NULL)
		json_object_set_new(request, "peer", json_string(r->o->peer));
	if (r->o->follow && r->o->since == NULL && r->run[0] == '\0')
		json_object_set_new(request, "last", json_integer(BEGIN_WITH));
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	err = r->broker == NULL ? broker_way_open(&r->broker, &r->o->way, why) : KW_OK;
	if (err == KW_OK)
		err = broker_ask(&answer, r->broker, ADMIN_EVENTS, span_str(text), span_of(NULL, 0), WAIT_MS, why);
	if (err == KW_OK && (*out = json_loadb((const char *)answer.p, answer.len, 0, NULL)) == NULL)
		err = kw_refuse(why, KW_EPROTO, "what the broker answered is no JSON");
	free(text);
	buf_free(&answer);
	return err;
}

static enum cli_colour
colour_of(const char *level)
{
	enum log_level l = LOG_ERROR;

	(void)log_level_of(&l, level);
	return l == LOG_ERROR ? CLI_RED : l == LOG_WARNING ? CLI_YELLOW : l == LOG_NOTICE ? CLI_BOLD : CLI_DIM;
}

static void
put_row(const struct cli *c, const json_t *row)
{
	char when[TEXT_TIME_MAX], head[64];
	struct buf text = BUF_INIT(1u << 20), lines = BUF_INIT(4u << 20), level = BUF_INIT(4096);
	size_t at;

	text_put_time_local(when, look_number(row, "time_ms"));
	cli_put_safe(&level, look_text(row, "level"));
	(void)snprintf(head, sizeof head, "%-7.16s", cli_text(&level));
	buf_put_str(&text, look_text(row, "code"));
	if (look_text(row, "fields")[0] != '\0')
		buf_put_str(&text, " ");
	buf_put_str(&text, look_text(row, "fields"));
	at = strlen(when) + 1 + strlen(head) + 1;
	if (c->columns > 0 && c->columns < at + ROOM_FOR_CODE) { /* below its time */
		buf_put_str(&lines, "\n    ");
		at = INDENT;
	}
	cli_put_wrapped(&lines, cli_text(&text), c->columns, INDENT, at);
	(void)printf("%s%s%s %s%s%s %s\n", cli_colour(c, CLI_DIM), when, cli_colour(c, CLI_PLAIN), cli_colour(c, colour_of(look_text(row, "level"))), head,
	             cli_colour(c, CLI_PLAIN), cli_text(&lines));
	buf_free(&level);
	buf_free(&lines);
	buf_free(&text);
}

static enum cli_exit
put_json(const struct cli *c, const json_t *row)
{
	char *text = json_dumps(row, JSON_COMPACT);
	enum cli_exit code = cli_json_text(c, text);

	free(text);
	return code;
}

/* What is not shown and why: silence must mean that nothing happened. */
static void
tell_missing(const struct reading *r, const json_t *page, bool first)
{
	uint64_t missed = look_number(page, "missed");

	if (missed == 0)
		return;
	if (!first)
		cli_warn(r->c, ngettext("%llu event is missing here: more came than the broker keeps. It is in the journal.",
		                        "%llu events are missing here: more came than the broker keeps. They are in the journal.", missed), (unsigned long long)missed);
	else if (!r->o->follow && look_number(page, "oldest_ms") >= r->since_ms)
		cli_note(r->c, ngettext("%llu older one is in the journal.", "%llu older ones are in the journal.", missed), (unsigned long long)missed);
}

static enum cli_exit
show_page(struct reading *r, const json_t *page)
{
	bool first = r->run[0] == '\0', again = !first && strcmp(r->run, look_text(page, "run")) != 0;
	enum cli_exit code = CLI_DONE;
	json_t *row;
	size_t i;

	if (r->silent)
		cli_note(r->c, _("The broker answers again."));
	if (again)
		cli_note(r->c, _("The broker was started again: its events begin anew."));
	r->silent = false;
	tell_missing(r, page, first || (again && r->after == 0));
	json_array_foreach(look_at(page, "events"), i, row) {
		if (!r->o->json)
			put_row(r->c, row);
		else if (code == CLI_DONE)
			code = put_json(r->c, row);
	}
	(void)snprintf(r->run, sizeof r->run, "%s", look_text(page, "run"));
	r->after = look_number(page, "after");
	if (code == CLI_DONE && (fflush(stdout) != 0 || ferror(stdout) != 0)) {
		cli_error(r->c, _("the output could not be written"));
		code = CLI_FAILED;
	}
	return code;
}

/* ---- until control-C ---- */

/* Nothing is in the middle of being written then: hold_signals. */
static void
end_here(int signal)
{
	(void)signal;
	_exit(CLI_DONE);
}

static void
hold_signals(int how)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(how, &set, NULL);
}

static void
end_by_signal(void)
{
	struct sigaction action = {.sa_handler = end_here};

	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

/* False: who read what is written is gone. */
static bool
pause_a_second(void)
{
	struct pollfd out = {STDOUT_FILENO, 0, 0};

	return poll(&out, 1, AGAIN_MS) <= 0;
}

/* A broker that is silent was there before, or it is not tried again. */
static bool
is_tried_again(struct reading *r, enum kw_err err)
{
	if (!r->o->follow || r->run[0] == '\0' || err != KW_ETIMEOUT)
		return false;
	if (!r->silent)
		cli_warn(r->c, _("The broker does not answer: nothing new is shown until it does."));
	r->silent = true;
	broker_ask_free(&r->broker);
	return true;
}

static enum cli_exit
read_on(struct reading *r)
{
	enum cli_exit code = CLI_DONE;
	bool goes_on = true;

	while (goes_on && code == CLI_DONE) {
		json_t *page = NULL;
		struct kw_why why;
		enum kw_err err = ask_page(&page, r, &why);
		bool more = false;

		if (err == KW_OK) {
			hold_signals(SIG_BLOCK);
			code = show_page(r, page);
			hold_signals(SIG_UNBLOCK);
			more = look_flag(page, "more");
			json_decref(page);
		} else if (!is_tried_again(r, err)) {
			return cli_fail(r->c, err, &why);
		}
		goes_on = more || (r->o->follow && code == CLI_DONE && pause_a_second());
	}
	return code;
}

/* ---- the command ---- */

static enum cli_exit
run_log(struct cli *c, const void *options)
{
	struct reading r = {.c = c, .o = options};
	enum cli_exit code = CLI_DONE;
	enum log_level level;
	struct kw_why why;

	if (!broker_way_stands(c, &r.o->way, &code))
		return code;
	if (r.o->since != NULL && when_parse_before(&r.since_ms, r.o->since, clock_wall_ms(), "--since", &why) != KW_OK)
		return cli_usage(c, "%s", why.text);
	if (r.o->level != NULL && !log_level_of(&level, r.o->level))
		return cli_usage(c, _("--level is \"%.32s\", must be error, warning, notice, info or debug"), r.o->level);
	if (r.o->peer != NULL && (r.o->peer[0] == '\0' || strlen(r.o->peer) > NAME_MAX_LEN || text_unclean_at(span_str(r.o->peer), TEXT_LINE) != SIZE_MAX))
		return cli_usage(c, _("--peer must be a node as police/control-room, an operator's name or an address"));
	if (r.o->follow)
		end_by_signal();
	code = read_on(&r);
	broker_ask_free(&r.broker);
	return code;
}

static const struct cli_option log_table[] = {
	{"follow", 'f', CLI_FLAG, offsetof(struct log_options, follow), NULL, N_("the last 10, then each new one as it comes, until control-C"), 0, 0},
	{"since", 0, CLI_TEXT, offsetof(struct log_options, since), N_("TIME"), N_("from then on; a time, or how long ago, as 2h"), 0, 0},
	{"level", 'l', CLI_TEXT, offsetof(struct log_options, level), N_("LEVEL"), N_("this level and worse: error, warning, notice, info, debug"), 0, 0},
	{"peer", 'p', CLI_TEXT, offsetof(struct log_options, peer), N_("NODE"), N_("what this node, operator or address did alone"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct log_options, json), NULL, N_("a JSON object a line, for programs"), 0, 0},
	CLI_BROKER_WAY(struct log_options, way),
	{"agreement", 'a', CLI_TEXT, offsetof(struct log_options, way.agreement), N_("FILE"), N_("where the broker's key stands, instead of /etc/kurzweg/agreement.yaml"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_log = {
	"log", NULL, NULL, 0, 0, N_("show the broker's events: who was turned away, what fails, what operators did"),
	N_("The broker keeps the newest 4,096 since its start, and only of the level that its configuration names under \"log\"; all of them\n"
	   "are in its journal (journalctl -u kurzweg-broker). docs/events.md says of each code what it means and what to do."),
	log_table, run_log,
};
