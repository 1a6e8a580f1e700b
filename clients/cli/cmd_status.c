/* cmd_status: how things stand at the node of this machine, or at the broker. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "clients/cli/agreement_file.h"
#include "clients/cli/broker_ask.h"
#include "clients/cli/commands.h"
#include "clients/cli/local.h"
#include "clients/cli/standing.h"

struct status_options {
	const char *socket, *control, *broker, *key, *agreement;
	uint64_t timeout_ms;
	bool json;
};

#define TIMEOUT_MS 10000u

static enum kw_err
ask_broker(json_t **out, const struct status_options *o, struct kw_why *why)
{
	struct buf answer = BUF_INIT(KW_MESSAGE_MAX);
	struct broker_ask *b = NULL;
	enum kw_err err;

	if (o->key != NULL)
		err = broker_ask_operator(&b, o->broker, o->key, o->agreement != NULL ? o->agreement : AGREEMENT_DEFAULT_PATH, why);
	else
		err = broker_ask_control(&b, o->control != NULL ? o->control : BROKER_CONTROL_DEFAULT, why);
	if (err == KW_OK)
		err = broker_ask(&answer, b, ADMIN_STATUS, span_of(NULL, 0), span_of(NULL, 0), o->timeout_ms != 0 ? o->timeout_ms : TIMEOUT_MS, why);
	broker_ask_free(&b);
	if (err == KW_OK && (*out = json_loadb((const char *)answer.p, answer.len, 0, NULL)) == NULL)
		err = kw_refuse(why, KW_EPROTO, "what the broker answered is no JSON");
	buf_free(&answer);
	return err;
}

static enum cli_exit
broker_status(const struct cli *c, const struct status_options *o)
{
	json_t *status = NULL;
	struct kw_why why;
	enum kw_err err;

	if ((err = ask_broker(&status, o, &why)) != KW_OK)
		return cli_fail(c, err, &why);
	if (o->json)
		return cli_json(c, status);
	standing_broker(c, status, clock_wall_ms());
	json_decref(status);
	return CLI_DONE;
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
	standing_node(c, status, clock_wall_ms());
	json_decref(status);
	return CLI_DONE;
}

/* Nobody said which: on the broker's machine there is a broker and no node. */
static bool
only_a_broker_is_here(const struct status_options *o)
{
	const char *named = getenv("KURZWEG_SOCKET");

	return o->socket == NULL && (named == NULL || named[0] == '\0') && access(&LOCAL_SOCKET_DEFAULT[strlen("ipc://")], F_OK) != 0 &&
	       access(&BROKER_CONTROL_DEFAULT[strlen("ipc://")], F_OK) == 0;
}

static enum cli_exit
run_status(struct cli *c, const void *options)
{
	const struct status_options *o = options;

	if (o->broker != NULL && o->key == NULL)
		return cli_usage(c, _("--key FILE is missing: the operator's key to ask the broker at %s with"), o->broker);
	if (o->agreement != NULL && o->key == NULL)
		return cli_usage(c, _("--agreement says which key a broker over the network must hold; give the operator's --key FILE too"));
	if ((o->key != NULL) + (o->control != NULL) + (o->socket != NULL) > 1)
		return cli_usage(c, _("--socket asks the node, --control the broker on this machine, --key one over the network; give one"));
	if (o->key != NULL || o->control != NULL || only_a_broker_is_here(o))
		return broker_status(c, o);
	return node_status(c, o);
}

static const struct cli_option status_table[] = {
	CLI_SOCKET(struct status_options, socket),
	CLI_CONTROL(struct status_options, control),
	{"broker", 0, CLI_TEXT, offsetof(struct status_options, broker), N_("ENDPOINT"), N_("the broker over the network, tcp://HOST:PORT; the agreement's first if not given"), 0, 0},
	{"key", 'k', CLI_TEXT, offsetof(struct status_options, key), N_("FILE"), N_("the operator's key for that"), 0, 0},
	{"agreement", 'a', CLI_TEXT, offsetof(struct status_options, agreement), N_("FILE"), N_("where the broker's key stands, instead of /etc/kurzweg/agreement.yaml"), 0, 0},
	{"timeout", 0, CLI_DURATION, offsetof(struct status_options, timeout_ms), N_("DURATION"), N_("how long an answer is waited for, 10s if not given"), 1000, 600000},
	{"json", 0, CLI_FLAG, offsetof(struct status_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_status = {
	"status", NULL, NULL, 0, 0, N_("say how things stand, what is wrong and what to do about it"),
	N_("Without options that of the node on this machine. --control is for whoever runs the broker, --key for an operator\n"
	   "elsewhere. Ends with 0 whatever the state is; --json is for programs that watch it."),
	status_table, run_status,
};
