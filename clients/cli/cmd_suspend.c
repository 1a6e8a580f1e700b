/* cmd_suspend: an operator keeps a node out for a while, or lets it in again. */
#include <stdlib.h>

#include "base/clock.h"
#include "clients/cli/broker_ask.h"
#include "clients/cli/commands.h"
#include "clients/cli/look.h"
#include "clients/cli/when.h"
#include "proto/entry.h"

#define WAIT_MS 30000u /* a commit on a slow disk */
#define FOR_MS (24ull * 3600 * 1000)

struct suspend_options {
	struct broker_way way;
	const char *reason;
	uint64_t for_ms, timeout_ms;
	bool json;
};

/* NULL: refused, and *code is how to end. */
static json_t *
ask(const struct cli *c, const struct suspend_options *o, enum admin_verb verb, json_t *request, enum cli_exit *code)
{
	struct buf answer = BUF_INIT(KW_MESSAGE_MAX);
	struct broker_ask *b = NULL;
	char *text = json_dumps(request, JSON_COMPACT);
	json_t *said = NULL;
	struct kw_why why;
	enum kw_err err = text != NULL ? broker_way_open(&b, &o->way, &why) : kw_refuse(&why, KW_ENOMEM, "out of memory");

	json_decref(request);
	if (err == KW_OK)
		err = broker_ask(&answer, b, verb, span_str(text), span_of(NULL, 0), o->timeout_ms != 0 ? o->timeout_ms : WAIT_MS, &why);
	if (err == KW_OK && (said = json_loadb((const char *)answer.p, answer.len, 0, NULL)) == NULL)
		said = json_object(); /* done, and no memory there to say more */
	broker_ask_free(&b);
	buf_free(&answer);
	free(text);
	if (err != KW_OK)
		*code = cli_fail(c, err, &why);
	return err == KW_OK ? said : NULL;
}

static void
warn(const struct cli *c, const json_t *said, const char *node)
{
	unsigned long long taken = look_number(said, "cases_taken");

	if (taken > 0)
		cli_warn(c, ngettext("%s has taken %llu case, which stays with it: call whoever should take it over, the sender can recall it.",
		                     "%s has taken %llu cases, which stay with it: call whoever should take them over, the senders can recall them.", taken), node, taken);
	if (look_flag(said, "coordinator"))
		cli_warn(c, _("%s is the coordinator: what nobody takes is with it, and it does not hear of it. Have somebody watch the cases that are open."), node);
}

/* Its members have no node of their own, so it is the operator who calls them; handlers of partners' nodes may tell them besides. */
static void
tell_committee(const struct cli *c, const json_t *said, const char *until)
{
	struct buf names = BUF_INIT(64u * 1024u);
	json_t *name;
	size_t i;

	json_array_foreach(look_at(said, "committee"), i, name)
		buf_printf(&names, "%s%s", i > 0 ? ", " : "", json_string_value(name) != NULL ? json_string_value(name) : "?");
	cli_note(c, _("Call the steering committee now (%s) and say: %s is suspended until %s, because: %s. For longer than 72 hours only its next version of the agreement "
	              "keeps the node out."), names.len > 0 ? cli_text(&names) : _("its members stand in the agreement"), c->args[0], until, look_text(said, "reason"));
	buf_free(&names);
}

static enum cli_exit
run_suspend(struct cli *c, const void *options)
{
	const struct suspend_options *o = options;
	enum cli_exit code = CLI_DONE;
	char until[WHEN_MAX];
	struct kw_why why;
	json_t *said;

	if (!broker_way_stands(c, &o->way, &code))
		return code;
	if (o->reason == NULL)
		return cli_usage(c, _("--reason TEXT is missing: all partners are told why a node is suspended"));
	if (suspension_reason_check(span_str(o->reason), &why) != KW_OK)
		return cli_usage(c, "%s", why.text);
	said = ask(c, o, ADMIN_SUSPEND, json_pack("{s:s, s:s, s:I}", "node", c->args[0], "reason", o->reason, "for_ms", (json_int_t)(o->for_ms != 0 ? o->for_ms : FOR_MS)), &code);
	if (said == NULL)
		return code;
	warn(c, said, c->args[0]);
	if (o->json)
		return cli_json(c, said);
	when_put_until(until, look_number(said, "until_ms"), clock_wall_ms());
	cli_note(c, _("%s is suspended until %s. Nothing is taken from it and nothing is delivered to it; what is meant for it waits. "
	              "All partners are told."), c->args[0], until);
	tell_committee(c, said, until);
	json_decref(said);
	return CLI_DONE;
}

static enum cli_exit
run_resume(struct cli *c, const void *options)
{
	const struct suspend_options *o = options;
	enum cli_exit code = CLI_DONE;
	json_t *said;

	if (!broker_way_stands(c, &o->way, &code) || (said = ask(c, o, ADMIN_RESUME, json_pack("{s:s}", "node", c->args[0]), &code)) == NULL)
		return code;
	if (o->json)
		return cli_json(c, said);
	cli_note(c, _("%s may come in again; its node does so by itself within half a minute. All partners are told."), c->args[0]);
	json_decref(said);
	return CLI_DONE;
}

#define WAY                                                                                                                                                \
	CLI_BROKER_WAY(struct suspend_options, way),                                                                                                       \
	{"agreement", 'a', CLI_TEXT, offsetof(struct suspend_options, way.agreement), N_("FILE"), N_("where the broker's key stands, instead of /etc/kurzweg/agreement.yaml"), 0, 0}, \
	{"timeout", 0, CLI_DURATION, offsetof(struct suspend_options, timeout_ms), N_("DURATION"), N_("how long an answer is waited for, 30s if not given"), 1000, 600000},       \
	{"json", 0, CLI_FLAG, offsetof(struct suspend_options, json), NULL, N_("as JSON"), 0, 0}

static const struct cli_option suspend_table[] = {
	{"reason", 'r', CLI_TEXT, offsetof(struct suspend_options, reason), N_("TEXT"), N_("why, for all partners to read: what is wrong with the machine, nothing about a person"), 0, 0},
	{"for", 0, CLI_DURATION, offsetof(struct suspend_options, for_ms), N_("DURATION"), N_("how long, 24h if not given, 72h at most"), 1000, KW_SUSPENDED_MAX_MS},
	WAY,
	CLI_NO_MORE,
};

static const struct cli_option resume_table[] = {
	WAY,
	CLI_NO_MORE,
};

const struct cli_command cmd_suspend = {
	"suspend", NULL, N_("NODE"), 1, 1, N_("keep a node out of the partnership for a while"),
	N_("For operators, when a node's machine or key may be in wrong hands. The broker takes nothing from it and delivers\n"
	   "nothing to it; what is meant for it waits, and matters go on to the next of the line when its turn is over. All\n"
	   "partners are told who suspended it, until when and why. It ends by itself, or with \"kurzweg resume\". A node that is\n"
	   "suspended already is so until the new time, at most 72 hours in all. Taking a node out for good is the committee's."),
	suspend_table, run_suspend,
};

const struct cli_command cmd_resume = {
	"resume", NULL, N_("NODE"), 1, 1, N_("let a suspended node in again"),
	N_("For operators. The node comes back by itself and gets what waited for it. All partners are told."), resume_table, run_resume,
};
