/* cmd_release: statements that several must approve: a list of the drafts, and approving or refusing one. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "clients/cli/cases.h"
#include "clients/cli/commands.h"
#include "clients/cli/look.h"
#include "clients/cli/when.h"
#include "proto/seal.h"

struct release_options {
	const char *socket, *as, *reason, *text;
	bool all, json;
};

static json_t *
ask_list(const struct cli *c, kurzweg *k, bool all, enum cli_exit *code)
{
	char *text = NULL;
	enum kurzweg_result r = kurzweg_releases(k, all, &text);

	return cases_json(c, k, r, text, code);
}

/* ---- list ---- */

static const char *
state_word(const json_t *d)
{
	static const struct { const char *state, *word; } words[] = {
		{"open", N_("waits for approval")}, {"released", N_("released")},     {"refused", N_("refused")},
		{"replaced", N_("replaced")},       {"expired", N_("expired")},       {"withdrawn", N_("recalled by its author")},
		{"failed", N_("could not be sent")},
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(look_text(d, "state"), words[i].state) == 0)
			return _(words[i].word);
	return look_text(d, "state");
}

static enum cli_colour
state_colour(const json_t *d)
{
	const char *state = look_text(d, "state");

	if (look_flag(d, "your_turn"))
		return CLI_BOLD;
	if (strcmp(state, "open") == 0)
		return CLI_YELLOW;
	return strcmp(state, "released") == 0 ? CLI_GREEN : strcmp(state, "refused") == 0 || strcmp(state, "failed") == 0 ? CLI_RED : CLI_DIM;
}

static void
missing_text(struct buf *out, const json_t *d)
{
	json_t *one;
	size_t i;

	json_array_foreach(look_at(d, "missing"), i, one)
		buf_printf(out, "%s%s", i > 0 ? ", " : "", json_string_value(one));
}

static void
show_answers(const struct cli *c, const json_t *list, const char *label, enum cli_colour colour, uint64_t now_ms)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *as = look_text(one, "as"), *reason = look_text(one, "reason");
		struct buf line = BUF_INIT(4096);
		char at[WHEN_MAX];

		when_put(at, look_number(one, "at_ms"), now_ms);
		buf_printf(&line, "%s%s%s%s, %s", look_text(one, "node"), as[0] != '\0' ? " (" : "", as, as[0] != '\0' ? ")" : "", at);
		if (reason[0] != '\0')
			buf_printf(&line, ": %s", reason);
		cli_field(c, label, colour, cli_text(&line));
		buf_free(&line);
	}
}

static void
show_draft(const struct cli *c, const json_t *d, uint64_t now_ms)
{
	const char *headline = look_text(d, "headline");
	struct buf missing = BUF_INIT(4096);
	char line[512], at[WHEN_MAX];

	cli_paragraph(c, CLI_BOLD, headline[0] != '\0' ? headline : look_text(d, "topic"));
	cases_reason(c, d);
	(void)snprintf(line, sizeof line, "%s%s", state_word(d), look_flag(d, "your_turn") ? _(": YOURS TO APPROVE OR REFUSE") : "");
	cli_field(c, _("state"), state_colour(d), line);
	missing_text(&missing, d);
	cli_field(c, _("missing"), CLI_YELLOW, cli_text(&missing));
	buf_free(&missing);
	show_answers(c, look_at(d, "approved"), _("approved by"), CLI_GREEN, now_ms);
	show_answers(c, look_at(d, "refused"), _("refused by"), CLI_RED, now_ms);
	when_put(at, look_number(d, "created_ms"), now_ms);
	(void)snprintf(line, sizeof line, _("%s on %s, %s"), look_text(d, "author"), look_text(d, "topic"), at);
	cli_field(c, _("author"), CLI_PLAIN, line);
	if (look_number(d, "not_before_ms") != 0) {
		when_put_until(at, look_number(d, "not_before_ms"), now_ms);
		cli_field(c, _("not before"), CLI_PLAIN, at);
	}
	when_put_until(at, look_number(d, "expires_ms"), now_ms);
	cli_field(c, _("expires"), CLI_PLAIN, at);
	cli_field(c, _("draft"), CLI_PLAIN, look_text(d, "id"));
	cli_field(c, _("text hash"), CLI_PLAIN, look_text(d, "text_hash"));
	cli_field(c, _("released as"), CLI_PLAIN, look_text(d, "released_as"));
	cli_field(c, _("replaced by"), CLI_PLAIN, look_text(d, "replaced_by"));
	(void)printf("\n");
}

static enum cli_exit
run_list(struct cli *c, const void *options)
{
	const struct release_options *o = options;
	enum cli_exit code = CLI_DONE;
	kurzweg *k = local_open(c, o->socket, &code);
	json_t *all, *one;
	size_t i;

	if (k == NULL)
		return code;
	all = ask_list(c, k, o->all, &code);
	kurzweg_close(&k);
	if (all == NULL)
		return code;
	if (o->json)
		return cli_json(c, all);
	json_array_foreach(json_object_get(all, "drafts"), i, one)
		show_draft(c, one, clock_wall_ms());
	if (json_array_size(json_object_get(all, "drafts")) == 0)
		cli_note(c, "%s", o->all ? _("No draft is known here.") : _("No draft waits for approval."));
	json_decref(all);
	return code;
}

/* ---- answers ---- */

/* A whole id, or a piece of 4 characters or more that one draft alone begins or ends with. */
static bool
draft_id(char id[KURZWEG_ID_SIZE], const struct cli *c, kurzweg *k, const char *word, enum cli_exit *code)
{
	const char *found = NULL;
	json_t *all, *one;
	size_t i, count = 0;

	if (strlen(word) == KURZWEG_ID_SIZE - 1) { /* whether it is one says the node */
		memcpy(id, word, KURZWEG_ID_SIZE);
		return true;
	}
	if (strlen(word) < KW_ID_PIECE_MIN || strlen(word) >= KURZWEG_ID_SIZE) {
		*code = cli_usage(c, _("\"%s\" is no draft: give its id, or at least 4 characters of its beginning or end"), word);
		return false;
	}
	if ((all = ask_list(c, k, true, code)) == NULL)
		return false;
	json_array_foreach(json_object_get(all, "drafts"), i, one) {
		if (!kw_id_meant(look_text(one, "id"), word))
			continue;
		found = look_text(one, "id");
		count++;
	}
	if (count == 1 && strlen(found) == KURZWEG_ID_SIZE - 1)
		memcpy(id, found, KURZWEG_ID_SIZE);
	else
		*code = cli_usage(c, count == 0 ? _("no draft begins or ends with \"%s\"; \"kurzweg release list --all\" shows them") : _("several drafts begin or end with \"%s\"; give more of the id"),
		                  word);
	json_decref(all);
	return count == 1;
}

static enum cli_exit
answer(const struct cli *c, const struct release_options *o, bool refuse)
{
	struct kurzweg_approval a = KURZWEG_APPROVAL_INIT;
	char id[KURZWEG_ID_SIZE], receipt[KURZWEG_ID_SIZE];
	enum cli_exit code = CLI_DONE;
	kurzweg *k = local_open(c, o->socket, &code);
	enum kurzweg_result r;

	if (k == NULL)
		return code;
	if (!draft_id(id, c, k, c->args[0], &code))
		goto close_node;
	a.id = id;
	a.refuse = refuse;
	a.reason = o->reason;
	a.as = o->as;
	a.text_hash = o->text;
	r = kurzweg_approve(k, &a, receipt);
	if (r != KURZWEG_OK)
		code = local_fail(c, k, r);
	else if (receipt[0] == '\0')
		cli_note(c, "%s", _("This node said so before."));
	else if (refuse)
		cli_note(c, "%s", _("Refused, with the reason, to the author and the other approvers; nobody else gets the draft."));
	else
		cli_note(c, "%s", _("Approved; it goes to all readers when everybody who must has approved it."));
close_node:
	kurzweg_close(&k);
	return code;
}

static enum cli_exit
run_approve(struct cli *c, const void *options)
{
	return answer(c, options, false);
}

static enum cli_exit
run_refuse(struct cli *c, const void *options)
{
	const struct release_options *o = options;

	return o->reason == NULL ? cli_usage(c, _("whoever refuses says why: --reason TEXT")) : answer(c, o, true);
}

#define ROW_AS {"as", 0, CLI_TEXT, offsetof(struct release_options, as), N_("NAME"), N_("who does it: \"Duty officer 3\""), 0, 0}

static const struct cli_option list_table[] = {
	{"all", 0, CLI_FLAG, offsetof(struct release_options, all), NULL, N_("also those that are over"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct release_options, json), NULL, N_("as JSON, for programs"), 0, 0},
	CLI_SOCKET(struct release_options, socket),
	CLI_NO_MORE,
};
static const struct cli_option approve_table[] = {
	ROW_AS,
	{"text", 0, CLI_TEXT, offsetof(struct release_options, text), N_("HASH"), N_("the text hash that was looked at; another text is not approved"), 0, 0},
	CLI_SOCKET(struct release_options, socket),
	CLI_NO_MORE,
};
static const struct cli_option refuse_table[] = {
	ROW_AS,
	{"reason", 0, CLI_TEXT, offsetof(struct release_options, reason), N_("TEXT"), N_("why; must be given"), 0, 0},
	CLI_SOCKET(struct release_options, socket),
	CLI_NO_MORE,
};

const struct cli_command cmd_release_list = {
	"release", "list", NULL, 0, 0, N_("drafts that wait for approval: yours to approve, and your own"),
	N_("Who has approved, who is missing, since when and until when. Every approver sees the same text hash."), list_table, run_list,
};
const struct cli_command cmd_approve = {
	"approve", NULL, N_("ID"), 1, 1, N_("approve a draft, so that all readers may get it"),
	N_("ID is the draft's id, or 4 characters or more of its beginning or end. What is approved is exactly the text that\n"
	   "\"kurzweg inbox ID\" shows, with its embargo; a changed text is another draft and must be approved anew."),
	approve_table, run_approve,
};
const struct cli_command cmd_refuse = {
	"refuse", NULL, N_("ID"), 1, 1, N_("refuse a draft: it ends, and nobody else gets it"),
	N_("ID is the draft's id, or 4 characters or more of its beginning or end. Author and other approvers get the reason."), refuse_table, run_refuse,
};
