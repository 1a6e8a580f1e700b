/* cmd_move: what people do with a case: take, decline, hand over, return, done, reopen, note; and recall, of any notification. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "clients/cli/cases.h"
#include "clients/cli/commands.h"
#include "clients/cli/look.h"
#include "clients/cli/meant.h"
#include "clients/cli/when.h"

#define WAIT_USUAL_MS 20000u

struct move_options {
	const char *socket, *as, *reason, *note, *outcome, *to;
	uint64_t timeout_ms;
	bool no_wait;
};

/* How it stands now, as one line on standard error. */
static void
tell_how_it_stands(const struct cli *c, kurzweg *k, const char *id)
{
	char *text = NULL, stands[CASES_WORDS_MAX];
	json_t *one;

	if (kurzweg_case(k, id, &text) != KURZWEG_OK)
		return;
	one = json_loads(text, 0, NULL);
	free(text);
	(void)cases_stands(stands, one, clock_wall_ms());
	if (strcmp(look_text(one, "state"), "taken") == 0 || strcmp(look_text(one, "state"), "done") == 0)
		cli_note(c, "%s: %s.", cases_short(id), stands);
	json_decref(one);
}

static enum cli_exit
wait_for_fate(const struct cli *c, const struct move_options *o, kurzweg *k, const char *id, const char *receipt)
{
	enum kurzweg_result r;

	if (o->no_wait)
		return CLI_DONE;
	r = kurzweg_move_wait(k, receipt, o->timeout_ms != 0 ? o->timeout_ms : WAIT_USUAL_MS);
	if (r == KURZWEG_OK) {
		tell_how_it_stands(c, k, id);
		return CLI_DONE;
	}
	if (r != KURZWEG_SILENT)
		return local_fail(c, k, r);
	cli_warn(c, "%s", kurzweg_error(k));
	cli_note(c, "%s", _("It is signed and on this machine's disk, and goes on by itself; \"kurzweg case show\" tells what became of it."));
	return CLI_SILENT;
}

static enum cli_exit
move(const struct cli *c, const struct move_options *o, const char *what, const char *text, bool is_case)
{
	struct kurzweg_move m = KURZWEG_MOVE_INIT;
	char room[KURZWEG_ID_SIZE], receipt[KURZWEG_ID_SIZE];
	enum cli_exit code = CLI_DONE;
	kurzweg *k = local_open(c, o->socket, &code);
	const char *id = NULL;
	enum kurzweg_result r;

	if (k == NULL)
		return code;
	if (!is_case)
		id = meant(room, c, k, c->args[0], MEANT_SENT, &code);
	else if (cases_id(room, c, k, c->args[0], &code))
		id = room;
	if (id == NULL)
		goto close_node;
	m.id = id;
	m.move = what;
	m.to = o->to;
	m.text = text;
	m.as = o->as;
	r = kurzweg_move(k, &m, receipt);
	if (r != KURZWEG_OK)
		code = local_fail(c, k, r);
	else if (receipt[0] == '\0')
		cli_note(c, _("It is so already: %s is this node's."), cases_short(id));
	else
		code = wait_for_fate(c, o, k, id, receipt);
close_node:
	kurzweg_close(&k);
	return code;
}

static enum cli_exit
run_take(struct cli *c, const void *options)
{
	const struct move_options *o = options;

	return move(c, o, "take", o->note, true);
}

static enum cli_exit
run_decline(struct cli *c, const void *options)
{
	const struct move_options *o = options;

	return o->reason == NULL ? cli_usage(c, _("whoever declines says why: --reason TEXT")) : move(c, o, "decline", o->reason, true);
}

static enum cli_exit
run_hand_over(struct cli *c, const void *options)
{
	const struct move_options *o = options;

	return o->to == NULL ? cli_usage(c, _("to whom? Give --to PARTNER/NODE")) : move(c, o, "hand_over", o->note, true);
}

static enum cli_exit
run_forward(struct cli *c, const void *options)
{
	const struct move_options *o = options;

	return o->to == NULL ? cli_usage(c, _("to whom? Give --to PARTNER/NODE")) : move(c, o, "forward", o->note, true);
}

static enum cli_exit
run_return(struct cli *c, const void *options)
{
	const struct move_options *o = options;

	return move(c, o, "return", o->note, true);
}

static enum cli_exit
run_done(struct cli *c, const void *options)
{
	const struct move_options *o = options;

	return o->outcome == NULL ? cli_usage(c, _("how did it end? Give --outcome TEXT")) : move(c, o, "done", o->outcome, true);
}

static enum cli_exit
run_reopen(struct cli *c, const void *options)
{
	const struct move_options *o = options;

	return move(c, o, "reopen", o->note, true);
}

static enum cli_exit
run_note(struct cli *c, const void *options)
{
	return move(c, options, "note", c->args[1], true);
}

static enum cli_exit
run_recall(struct cli *c, const void *options)
{
	const struct move_options *o = options;

	return o->reason == NULL ? cli_usage(c, _("whoever recalls says why: --reason TEXT")) : move(c, o, "recall", o->reason, false);
}

#define ROW_AS {"as", 0, CLI_TEXT, offsetof(struct move_options, as), N_("NAME"), N_("who does it: \"Duty officer 3\""), 0, 0}
#define ROW_NOTE {"note", 0, CLI_TEXT, offsetof(struct move_options, note), N_("TEXT"), N_("a remark for the others of the case"), 0, 0}
#define ROW_REASON {"reason", 0, CLI_TEXT, offsetof(struct move_options, reason), N_("TEXT"), N_("why; must be given"), 0, 0}
#define ROWS_REST                                                                                                                                   \
	{"no-wait", 0, CLI_FLAG, offsetof(struct move_options, no_wait), NULL, N_("do not wait until the log has decided"), 0, 0},                  \
	{"timeout", 0, CLI_DURATION, offsetof(struct move_options, timeout_ms), N_("DURATION"), N_("how long to wait for that, 20s if not given"), 1, 3600000}, \
	CLI_SOCKET(struct move_options, socket), CLI_NO_MORE

static const struct cli_option plain_table[] = {ROW_AS, ROW_NOTE, ROWS_REST};
static const struct cli_option reason_table[] = {ROW_AS, ROW_REASON, ROWS_REST};
static const struct cli_option note_table[] = {ROW_AS, ROWS_REST};
static const struct cli_option hand_over_table[] = {
	{"to", 0, CLI_TEXT, offsetof(struct move_options, to), N_("NODE"), N_("to whom; it stays yours until that one takes it"), 0, 0}, ROW_AS, ROW_NOTE, ROWS_REST,
};
static const struct cli_option forward_table[] = {
	{"to", 0, CLI_TEXT, offsetof(struct move_options, to), N_("NODE"), N_("to whom; the agreement must name it under \"onward\""), 0, 0}, ROW_AS, ROW_NOTE, ROWS_REST,
};
static const struct cli_option done_table[] = {
	{"outcome", 0, CLI_TEXT, offsetof(struct move_options, outcome), N_("TEXT"), N_("how it ended; must be given"), 0, 0}, ROW_AS, ROWS_REST,
};

#define MORE_ID N_("ID is the case's id as \"kurzweg case list\" shows it, 4 characters of it, or its number in the inbox.\nEnds with 0 when it counts, with 4 and who has the case when it does not.")

const struct cli_command cmd_take = {"take", NULL, N_("ID"), 1, 1, N_("take a case: it is this node's from then on"), MORE_ID, plain_table, run_take};
const struct cli_command cmd_decline = {"decline", NULL, N_("ID"), 1, 1, N_("decline a case: it goes on to the next of the line"), MORE_ID, reason_table, run_decline};
const struct cli_command cmd_hand_over = {"hand-over", NULL, N_("ID"), 1, 1, N_("hand a case over; it stays yours until the other takes it"), MORE_ID, hand_over_table,
                                          run_hand_over};
const struct cli_command cmd_forward = {"forward", NULL, N_("ID"), 1, 1, N_("send a case's notification on to somebody who does not read its topic"), MORE_ID,
                                        forward_table, run_forward};
const struct cli_command cmd_return = {"return", NULL, N_("ID"), 1, 1, N_("give a case back to whom it came from, or to the next of the line"), MORE_ID, plain_table,
                                       run_return};
const struct cli_command cmd_done = {"done", NULL, N_("ID"), 1, 1, N_("close a case with its outcome"), MORE_ID, done_table, run_done};
const struct cli_command cmd_reopen = {"reopen", NULL, N_("ID"), 1, 1, N_("open a case again that was done"), MORE_ID, plain_table, run_reopen};
const struct cli_command cmd_note = {"note", NULL, N_("ID TEXT"), 2, 2, N_("say or ask something to all who take part in a case"), MORE_ID, note_table, run_note};
const struct cli_command cmd_recall = {
	"recall", NULL, N_("ID"), 1, 1, N_("take a notification back: its content is deleted at every reader"),
	N_("ID is the id that \"kurzweg publish\" printed, or 8 characters or more of its end. What people have read they have\n"
	   "read; \"kurzweg recall-status ID\" tells whose node has confirmed that the content is deleted."),
	reason_table, run_recall,
};

/* ---- how far a recall has come ---- */

struct recall_options { const char *socket; bool json; };

static void
show_missing(const struct cli *c, const json_t *recall, uint64_t now_ms)
{
	json_t *one;
	size_t i;

	json_array_foreach(look_at(recall, "delivered"), i, one) {
		char line[256], at[WHEN_MAX];

		when_put(at, when_parse_utc(look_text(one, "at")), now_ms);
		(void)snprintf(line, sizeof line, _("%s has deleted it, %s"), look_text(one, "node"), at);
		cli_paragraph(c, CLI_GREEN, line);
	}
	json_array_foreach(look_at(recall, "missing"), i, one) {
		char line[256];

		(void)snprintf(line, sizeof line, _("%s has not confirmed yet"), json_string_value(one));
		cli_paragraph(c, CLI_YELLOW, line);
	}
	json_array_foreach(look_at(recall, "rejected"), i, one) {
		char line[256];

		(void)snprintf(line, sizeof line, _("%s rejected the recall"), look_text(one, "node"));
		cli_paragraph(c, CLI_RED, line);
	}
}

static enum cli_exit
run_recall_status(struct cli *c, const void *options)
{
	const struct recall_options *o = options;
	enum cli_exit code = CLI_DONE;
	kurzweg *k = local_open(c, o->socket, &code);
	char room[KURZWEG_ID_SIZE], *text = NULL;
	const char *id;
	enum kurzweg_result r;
	json_t *all;

	if (k == NULL)
		return code;
	if ((id = meant(room, c, k, c->args[0], MEANT_SENT_OR_CAME, &code)) == NULL) {
		kurzweg_close(&k);
		return code;
	}
	r = kurzweg_recalls(k, id, &text);
	if ((all = cases_json(c, k, r, text, &code)) != NULL) {
		if (o->json)
			code = cli_json(c, json_incref(json_object_get(all, "recalls")));
		else
			show_missing(c, json_array_get(json_object_get(all, "recalls"), 0), clock_wall_ms());
		json_decref(all);
	}
	kurzweg_close(&k);
	return code;
}

static const struct cli_option recall_status_table[] = {
	{"json", 0, CLI_FLAG, offsetof(struct recall_options, json), NULL, N_("as JSON, for programs"), 0, 0},
	CLI_SOCKET(struct recall_options, socket),
	CLI_NO_MORE,
};

const struct cli_command cmd_recall_status = {
	"recall-status", NULL, N_("ID"), 1, 1, N_("tell whose node has confirmed that what was recalled is deleted"), N_("ID is a notification's id, or 4 characters or more of its beginning or end."), recall_status_table, run_recall_status,
};
