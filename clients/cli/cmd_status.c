/* cmd_status: how things stand at the node of this machine, or at the broker. */

#include "base/clock.h"
#include "clients/cli/broker_look.h"
#include "clients/cli/commands.h"
#include "clients/cli/local.h"
#include "clients/cli/standing.h"

struct status_options {
	const char *socket;
	struct broker_way way;
	uint64_t timeout_ms;
	bool json, check;
};

#define TIMEOUT_MS 10000u

static enum kw_err
ask_broker(json_t **out, const struct status_options *o, struct kw_why *why)
{
	struct broker_ask *b = NULL;
	enum kw_err err = broker_way_open(&b, &o->way, why);

	if (err == KW_OK)
		err = broker_look_status(out, b, o->timeout_ms != 0 ? o->timeout_ms : TIMEOUT_MS, why);
	broker_ask_free(&b);
	return err;
}

static enum cli_exit
broker_status(const struct cli *c, const struct status_options *o)
{
	enum cli_exit code = CLI_DONE;
	json_t *status = NULL;
	struct kw_why why;
	enum kw_err err;

	if ((err = ask_broker(&status, o, &why)) != KW_OK)
		return cli_fail(c, err, &why);
	if (o->json)
		return cli_json(c, status);
	if (o->check)
		code = (enum cli_exit)standing_broker_check(c, status, clock_wall_ms());
	else
		standing_broker(c, status, clock_wall_ms(), o->way.key == NULL);
	json_decref(status);
	return code;
}

static enum cli_exit
node_status(const struct cli *c, const struct status_options *o)
{
	enum cli_exit code;
	json_t *status;
	kurzweg *k;

	if ((k = local_open(c, o->socket, &code)) == NULL)
		return code;
	kurzweg_set_timeout(k, o->timeout_ms != 0 ? (uint32_t)o->timeout_ms : TIMEOUT_MS);
	status = local_status(c, k, &code);
	kurzweg_close(&k);
	if (status == NULL)
		return code;
	if (o->json)
		return cli_json(c, status);
	if (o->check)
		code = (enum cli_exit)standing_node_check(c, status, clock_wall_ms());
	else
		standing_node(c, status, clock_wall_ms());
	json_decref(status);
	return o->check ? code : CLI_DONE;
}

static enum cli_exit
show(const struct cli *c, const struct status_options *o)
{
	enum cli_exit code;

	if (o->check && o->json)
		return cli_usage(c, _("--check is one line for monitoring, --json is for programs; give one"));
	if (o->way.agreement != NULL && o->way.key == NULL)
		return cli_usage(c, _("--agreement says which key a broker over the network must hold; give the operator's --key FILE too"));
	if ((o->way.key != NULL) + (o->way.control != NULL) + (o->socket != NULL) > 1)
		return cli_usage(c, _("--socket asks the node, --control the broker on this machine, --key one over the network; give one"));
	if (!broker_way_stands(c, &o->way, &code))
		return code;
	if (o->way.key != NULL || o->way.control != NULL || local_only_a_broker_is_here(o->socket))
		return broker_status(c, o);
	return node_status(c, o);
}

static enum cli_exit
run_status(struct cli *c, const void *options)
{
	const struct status_options *o = options;
	struct buf said = BUF_INIT(1u << 16);
	enum cli_exit code;

	if (!o->check)
		return show(c, o);
	c->aside = &said;
	code = show(c, o);
	c->aside = NULL;
	if (said.len > 0)
		code = (enum cli_exit)standing_check_failed(code, cli_text(&said));
	buf_free(&said);
	return code;
}

static const struct cli_option status_table[] = {
	CLI_SOCKET(struct status_options, socket),
	CLI_BROKER_WAY(struct status_options, way),
	{"agreement", 'a', CLI_TEXT, offsetof(struct status_options, way.agreement), N_("FILE"), N_("where the broker's key stands, instead of /etc/kurzweg/agreement.yaml"), 0, 0},
	{"timeout", 0, CLI_DURATION, offsetof(struct status_options, timeout_ms), N_("DURATION"), N_("how long an answer is waited for, 10s if not given"), 1000, 600000},
	{"check", 0, CLI_FLAG, offsetof(struct status_options, check), NULL, N_("one line for monitoring, and its exit codes"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct status_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_status = {
	"status", NULL, NULL, 0, 0, N_("say how things stand, what is wrong and what to do about it"),
	N_("Without options that of the node on this machine. --control is for whoever runs the broker, --key for an operator\n"
	   "elsewhere. Ends with 0 whatever the state is; --json is for programs that watch it.\n"
	   "\n"
	   "--check is for monitoring (Nagios, Icinga, Checkmk and their like) and ends by their convention, not by this tool's:\n"
	   "0 OK, 1 WARNING (something is to be looked at), 2 CRITICAL (something does not work, or nobody answers), 3 UNKNOWN (it\n"
	   "could not be asked: wrong usage, no right to, no key)."),
	status_table, run_status,
};
