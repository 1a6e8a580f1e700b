/* cmd_explain: why a notification would come or not, by the lines of the agreement; and why one that there is went where it went. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "clients/cli/broker_look.h"
#include "clients/cli/commands.h"
#include "clients/cli/explained.h"
#include "clients/cli/look.h"
#include "clients/cli/reasons.h"
#include "clients/cli/versions.h"
#include "clients/cli/when.h"
#include "proto/topic.h"

#define TIMEOUT_MS 10000u

struct explain_options {
	struct versions_from from;
	const char *topic, *node, *sender, *lane;
	uint64_t further;
	bool json;
};

/* ---- what would be ---- */

static enum kw_err
find_node(uint32_t *node, const struct agreement *a, const char *id, struct kw_why *why)
{
	enum kw_err err = node_check(id, why);

	if (err != KW_OK)
		return err;
	*node = agreement_node(a, id);
	if (*node != AGREEMENT_NOBODY)
		return KW_OK;
	return kw_refuse(why, KW_ENOTFOUND, "\"%s\" is no node of the agreement, version %u; \"kurzweg agreement check\" shows which there are", id, agreement_version(a));
}

/* What the node has heard; its times are texts. */
static json_t *
suspension_at_node(const struct cli *c, const struct explain_options *o)
{
	struct buf unsaid = BUF_INIT(64u * 1024u);
	struct cli quiet = *c;
	enum cli_exit code;
	json_t *status = NULL, *held = NULL, *one;
	kurzweg *k;
	size_t i;

	quiet.aside = &unsaid;
	if ((k = local_open(&quiet, o->from.socket, &code)) != NULL) {
		kurzweg_set_timeout(k, TIMEOUT_MS);
		status = local_status(&quiet, k, &code);
		kurzweg_close(&k);
	}
	json_array_foreach(look_at(status, "suspended"), i, one)
		if (held == NULL && strcmp(look_text(one, "node"), o->node) == 0)
			held = json_pack("{s:s, s:s, s:I, s:I}", "by", look_text(one, "by"), "reason", look_text(one, "reason"), "from_ms",
			                 (json_int_t)when_parse_utc(look_text(one, "from")), "until_ms", (json_int_t)when_parse_utc(look_text(one, "until")));
	json_decref(status);
	buf_free(&unsaid);
	return held;
}

/* The agreement is one thing; an operator may keep the node out meanwhile, which broker and nodes know. NULL: no, or nobody was asked. */
static json_t *
suspension_now(const struct cli *c, const struct explain_options *o)
{
	bool at_broker = o->from.way.control != NULL || o->from.way.key != NULL;
	struct broker_way way = o->from.way;
	struct broker_ask *b = NULL;
	json_t *node = NULL, *held = NULL;
	struct kw_why why;

	if (o->from.at != NULL || (!at_broker && o->from.socket == NULL))
		return NULL;
	if (!at_broker)
		return suspension_at_node(c, o);
	way.agreement = o->from.agreements.count > 0 ? o->from.agreements.text[0] : NULL;
	if (broker_way_open(&b, &way, &why) == KW_OK && broker_look_node(&node, b, o->node, TIMEOUT_MS, &why) == KW_OK)
		held = json_incref((json_t *)(uintptr_t)look_at(node, "suspended"));
	broker_ask_free(&b);
	json_decref(node);
	if (json_is_object(held))
		return held;
	json_decref(held);
	return NULL;
}

static void
show_suspension(const struct cli *c, const char *node, const json_t *held)
{
	char until[WHEN_MAX], line[512];

	when_put_until(until, look_number(held, "until_ms"), clock_wall_ms());
	(void)snprintf(line, sizeof line, _("%s is suspended until %s by the operator %s: %s. Until then it sends nothing, and what it is to get waits."), node, until,
	               look_text(held, "by"), look_text(held, "reason"));
	cli_paragraph(c, CLI_YELLOW, line);
}

static enum cli_exit
answer_topic(const struct cli *c, const struct explain_options *o, const struct versions *v)
{
	struct reasons_ask ask = {.topic = o->topic, .sender = AGREEMENT_NOBODY, .has_lane = o->lane != NULL, .german = c->german};
	char at[TEXT_TIME_MAX], title[KW_TOPIC_MAX + KW_NODE_MAX + TEXT_TIME_MAX + 64];
	struct kw_why why;
	enum kw_err err = versions_pick(&ask.a, &ask.at_ms, v, &o->from, c->german, &why);
	json_t *reasons, *held;

	if (err == KW_OK)
		err = find_node(&ask.node, ask.a, o->node, &why);
	if (err == KW_OK && o->sender != NULL)
		err = find_node(&ask.sender, ask.a, o->sender, &why);
	if (err != KW_OK)
		return err == KW_ENOTFOUND ? cli_fail(c, err, &why) : cli_usage(c, "%s", why.text);
	if (o->lane != NULL && !lane_of(&ask.lane, o->lane))
		return cli_usage(c, _("--lane is \"%s\", must be flash, urgent or routine"), o->lane);
	reasons = reasons_json(&ask);
	held = suspension_now(c, o);
	if (held != NULL && o->json)
		(void)json_object_set(reasons, "suspended", held);
	if (o->json) {
		json_decref(held);
		return cli_json(c, reasons);
	}
	agreement_put_time(at, ask.a, ask.at_ms, c->german);
	(void)snprintf(title, sizeof title, _("%s and %s at %s, version %u"), o->topic, o->node, at, agreement_version(ask.a));
	cli_paragraph(c, CLI_BOLD, title);
	reasons_show(c, reasons);
	if (held != NULL)
		show_suspension(c, o->node, held);
	json_decref(held);
	json_decref(reasons);
	return CLI_DONE;
}

static enum cli_exit
explain_topic(struct cli *c, const struct explain_options *o)
{
	struct versions v = {.count = 0};
	enum cli_exit code = CLI_DONE;
	struct kw_why why;

	if (o->topic == NULL || o->node == NULL)
		return cli_usage(c, _("give an ID, or --topic TOPIC and --node NODE"));
	if (topic_check(o->topic, &why) != KW_OK)
		return cli_usage(c, "%s", why.text);
	if (versions_find(&v, c, &o->from, &code))
		code = answer_topic(c, o, &v);
	versions_free(&v);
	return code;
}

/* ---- what was ---- */

static enum cli_exit
explain_id(struct cli *c, const struct explain_options *o)
{
	bool at_broker = o->from.way.control != NULL || o->from.way.key != NULL || o->from.way.broker != NULL;
	struct explained_ask ask = {.id = c->args[0], .node = o->node, .way = o->from.way, .further = o->further, .json = o->json};

	if (o->topic != NULL || o->sender != NULL || o->lane != NULL || o->from.at != NULL)
		return cli_usage(c, _("--topic, --sender, --lane and --at ask what would be, an ID what was; give one of them"));
	if (at_broker && o->from.socket != NULL)
		return cli_usage(c, _("--socket asks the node, --control the broker on this machine, --key one over the network; give one"));
	if (!at_broker)
		return explained_at_node(c, &ask, o->from.socket);
	if (o->from.agreements.count > 1)
		return cli_usage(c, _("one --agreement is enough: it says which key the broker must hold"));
	ask.way.agreement = o->from.agreements.count > 0 ? o->from.agreements.text[0] : NULL;
	return explained_at_broker(c, &ask);
}

/* ---- the command ---- */

static enum cli_exit
run_explain(struct cli *c, const void *options)
{
	const struct explain_options *o = options;

	return c->arg_count > 0 ? explain_id(c, o) : explain_topic(c, o);
}

static const struct cli_option explain_table[] = {
	{"topic", 't', CLI_TEXT, offsetof(struct explain_options, topic), N_("TOPIC"), N_("what would become of a notification on it"), 0, 0},
	{"node", 'n', CLI_TEXT, offsetof(struct explain_options, node), N_("NODE"), N_("at this node, as partner/node; with an ID: this reader alone, with all that the agreement says"), 0, 0},
	{"sender", 0, CLI_TEXT, offsetof(struct explain_options, sender), N_("NODE"), N_("sent by this one"), 0, 0},
	{"lane", 0, CLI_TEXT, offsetof(struct explain_options, lane), N_("LANE"), N_("published in this lane: flash, urgent or routine"), 0, 0},
	CLI_VERSIONS_FROM(struct explain_options, from),
	{"further", 0, CLI_NUMBER, offsetof(struct explain_options, further), N_("N"), N_("look at so many entries of the log behind it, 100000 if not given"), 1, 1000000000},
	{"json", 0, CLI_FLAG, offsetof(struct explain_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_explain = {
	"explain", NULL, N_("[ID]"), 0, 1, N_("tell why a notification comes, or does not, and which line of the agreement says so"),
	N_("With --topic and --node: what would be, now or with --at, from the agreement alone: asked of the same rules as broker and\n"
	   "nodes ask. Without --socket, --control and --key nobody is asked, and the file answers.\n"
	   "With an ID at the broker (--control or --key): why it was refused, or went to whom it went; at the node: what it knows of it."),
	explain_table, run_explain,
};
