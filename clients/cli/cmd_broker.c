/* cmd_broker: what an operator tells the broker on this machine, over its control socket. */
#include "clients/cli/broker_ask.h"
#include "clients/cli/commands.h"

#define WAIT_MS 60000u /* a commit of a large agreement on a slow disk */

struct broker_options {
	const char *control;
	bool yes;
};

static enum cli_exit
tell(const struct cli *c, const struct broker_options *o, enum admin_verb verb, const char *done)
{
	struct buf answer = BUF_INIT(KW_MESSAGE_MAX);
	struct broker_ask *b = NULL;
	struct kw_why why;
	enum kw_err err = broker_ask_control(&b, o->control != NULL ? o->control : BROKER_CONTROL_DEFAULT, &why);

	if (err == KW_OK)
		err = broker_ask(&answer, b, verb, span_of(NULL, 0), span_of(NULL, 0), WAIT_MS, &why);
	broker_ask_free(&b);
	buf_free(&answer);
	if (err != KW_OK)
		return cli_fail(c, err, &why);
	cli_note(c, "%s", done);
	return CLI_DONE;
}

static enum cli_exit
run_stop(struct cli *c, const void *options)
{
	return tell(c, options, ADMIN_STOP, _("The broker stops; what it answered with \"stored\" is on its disk."));
}

static enum cli_exit
run_new_epoch(struct cli *c, const void *options)
{
	const struct broker_options *o = options;

	if (!o->yes && !c->terminal)
		return cli_usage(c, _("there is no terminal to ask on; read \"kurzweg broker new-epoch --help\", then say --yes"));
	if (!o->yes) {
		cli_note(c, _("A new log epoch is for a broker whose store came back from an old copy. The nodes offer again what the copy lacks;\n"
		              "evidence of two histories stays with the nodes. Where a newer store may still be found, do not do it: use that one."));
		if (!cli_confirm(c, _("Open a new log epoch?"))) {
			cli_note(c, _("Nothing was changed."));
			return CLI_REFUSED;
		}
	}
	return tell(c, o, ADMIN_NEW_EPOCH, _("A new log epoch is open; the nodes come back and offer what is missing."));
}

static const struct cli_option stop_table[] = {
	CLI_CONTROL(struct broker_options, control),
	CLI_NO_MORE,
};

static const struct cli_option epoch_table[] = {
	CLI_CONTROL(struct broker_options, control),
	{"yes", 'y', CLI_FLAG, offsetof(struct broker_options, yes), NULL, N_("do not ask"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_broker_new_epoch = {
	"broker", "new-epoch", NULL, 0, 0, N_("let a broker serve again whose store was restored from an old copy"),
	N_("A broker that is behind its nodes serves nobody, so that no position is given twice. This opens a new log\n"
	   "epoch: the nodes keep what they have, and offer again what they sent within the last seven days."),
	epoch_table, run_new_epoch,
};

const struct cli_command cmd_broker_stop = {
	"broker", "stop", NULL, 0, 0, N_("stop the broker on this machine"), NULL, stop_table, run_stop,
};
