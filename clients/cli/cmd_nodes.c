/* cmd_nodes: the partners' nodes as the broker sees them: all in a table, or one with all that is known of it. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "clients/cli/broker_look.h"
#include "clients/cli/commands.h"
#include "clients/cli/look.h"
#include "clients/cli/standing.h"
#include "clients/cli/when.h"

#define TIMEOUT_MS 10000u
#define WIDE 110 /* columns that have room for software and address */

struct nodes_options {
	struct broker_way way;
	uint64_t timeout_ms;
	bool away, json;
};

static const char *const lanes[] = {"flash", "urgent", "routine"};

static const json_t *
lane_of_node(const json_t *node, size_t lane)
{
	char path[32];

	(void)snprintf(path, sizeof path, "lanes.%s", lanes[lane]);
	return look_at(node, path);
}

/* "since 03:12", "away, 02:50", "away", "suspended until 22:15", "left out". */
static enum cli_colour
put_state(char out[WHEN_MAX + 32], const json_t *node, uint64_t now_ms)
{
	bool up = look_flag(node, "connected"), member = look_flag(node, "in_agreement");
	uint64_t ms = look_number(node, up ? "since_ms" : "away_ms");
	char when[WHEN_MAX];

	when_put_short(when, now_ms - ms, now_ms);
	if (!member)
		(void)snprintf(out, WHEN_MAX + 32, "%s", _("left out"));
	else if (look_number(node, "suspended_until_ms") > 0) {
		when_put_short(when, look_number(node, "suspended_until_ms"), now_ms);
		(void)snprintf(out, WHEN_MAX + 32, _("suspended until %s"), when);
	} else if (up)
		(void)snprintf(out, WHEN_MAX + 32, _("since %s"), when);
	else if (ms > 0)
		(void)snprintf(out, WHEN_MAX + 32, _("away, %s"), when);
	else
		(void)snprintf(out, WHEN_MAX + 32, "%s", _("away"));
	return !member ? CLI_DIM : up ? CLI_GREEN : CLI_YELLOW;
}

/* "0", "12", "over 12" where more of the log waits, "some" where nobody knows how much; with how old the oldest is. */
static void
lane_cell(struct cli_table *t, const json_t *lane)
{
	uint64_t waiting = look_number(lane, "waiting"), oldest = look_number(lane, "oldest_unread_ms");
	char text[96], age[TEXT_TIME_MAX];

	if (look_flag(lane, "behind"))
		(void)snprintf(text, sizeof text, waiting > 0 ? _("over %llu") : _("some"), (unsigned long long)waiting);
	else
		(void)snprintf(text, sizeof text, "%llu", (unsigned long long)waiting);
	text_put_duration(age, oldest);
	if (oldest >= 1000)
		(void)snprintf(text + strlen(text), sizeof text - strlen(text), ", %s", age);
	cli_table_cell(t, waiting > 0 || look_flag(lane, "behind") ? CLI_YELLOW : CLI_DIM, "%s", text);
}

static void
show_all(const struct cli *c, const json_t *list, uint64_t now_ms)
{
	bool wide = c->columns == 0 || c->columns >= WIDE;
	struct cli_table *t = cli_table_new(wide ? 7 : 5);
	json_t *node;
	size_t i;

	cli_table_cell(t, CLI_PLAIN, "%s", _("node"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("connected"));
	for (i = 0; i < KW_LANES; i++)
		cli_table_cell(t, CLI_PLAIN, "%s", lanes[i]);
	if (wide) {
		cli_table_cell(t, CLI_PLAIN, "%s", _("from"));
		cli_table_cell(t, CLI_PLAIN, "%s", _("software"));
	}
	json_array_foreach(list, i, node) {
		char state[WHEN_MAX + 32];
		enum cli_colour colour = put_state(state, node, now_ms);

		cli_table_cell(t, CLI_PLAIN, "%s", look_text(node, "id"));
		cli_table_cell(t, colour, "%s", state);
		for (size_t lane = 0; lane < KW_LANES; lane++)
			lane_cell(t, lane_of_node(node, lane));
		if (wide) {
			cli_table_cell(t, CLI_DIM, "%s", look_text(node, "address"));
			cli_table_cell(t, CLI_DIM, "%s", look_text(node, "software"));
		}
	}
	cli_table_shrink(t, 0);
	cli_table_print(c, t, true);
}

static void
show_lanes(const struct cli *c, const json_t *node)
{
	struct cli_table *t = cli_table_new(6);

	(void)printf("\n");
	cli_table_cell(t, CLI_PLAIN, "%s", _("lane"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("unread"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("read up to"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("newest"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("in flight"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("sent by it"));
	for (size_t i = 0; i < KW_LANES; i++) {
		const json_t *lane = lane_of_node(node, i);

		cli_table_cell(t, CLI_PLAIN, "%s", lanes[i]);
		lane_cell(t, lane);
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)look_number(lane, "cursor"));
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)look_number(lane, "newest"));
		if (look_flag(node, "connected"))
			cli_table_cell(t, CLI_PLAIN, _("%llu of %llu"), (unsigned long long)look_number(lane, "in_flight"), (unsigned long long)look_number(lane, "window"));
		else
			cli_table_cell(t, CLI_DIM, "-");
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)look_number(lane, "taken"));
	}
	cli_table_print(c, t, true);
}

static void
show_one(const struct cli *c, const json_t *node, uint64_t now_ms)
{
	char text[WHEN_MAX + 32];
	enum cli_colour colour = put_state(text, node, now_ms);

	cli_field(c, _("node"), CLI_BOLD, look_text(node, "id"));
	cli_field(c, _("connected"), colour, text);
	if (json_is_object(look_at(node, "suspended"))) {
		cli_field(c, _("suspended by"), CLI_YELLOW, look_text(node, "suspended.by"));
		cli_field(c, _("reason"), CLI_PLAIN, look_text(node, "suspended.reason"));
	}
	cli_field(c, _("from"), CLI_PLAIN, look_text(node, "address"));
	cli_field(c, _("software"), CLI_PLAIN, look_text(node, "software"));
	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)look_number(node, "filters"));
	cli_field(c, _("filters"), CLI_PLAIN, look_number(node, "filters") > 0 ? text : _("none: all that is meant for it"));
	show_lanes(c, node);
}

static bool
is_shown(const struct nodes_options *o, const json_t *node)
{
	return !o->away || (look_flag(node, "in_agreement") && !look_flag(node, "connected"));
}

static enum cli_exit
show(const struct cli *c, const struct nodes_options *o, json_t *nodes)
{
	uint64_t now_ms = clock_wall_ms();
	json_t *list, *node;
	size_t i;

	if (c->arg_count > 0 && o->json)
		return cli_json(c, nodes);
	if (c->arg_count > 0) {
		show_one(c, nodes, now_ms);
		json_decref(nodes);
		return CLI_DONE;
	}
	list = json_array();
	json_array_foreach(nodes, i, node)
		if (is_shown(o, node))
			(void)json_array_append(list, node);
	json_decref(nodes);
	if (o->json)
		return cli_json(c, json_pack("{s:o}", "nodes", list));
	show_all(c, list, now_ms);
	json_decref(list);
	return CLI_DONE;
}

static enum cli_exit
run_nodes(struct cli *c, const void *options)
{
	const struct nodes_options *o = options;
	uint64_t timeout_ms = o->timeout_ms != 0 ? o->timeout_ms : TIMEOUT_MS;
	struct broker_ask *b = NULL;
	json_t *nodes = NULL;
	enum cli_exit code;
	struct kw_why why;
	enum kw_err err;

	if (!broker_way_stands(c, &o->way, &code))
		return code;
	err = broker_way_open(&b, &o->way, &why);
	if (err == KW_OK)
		err = c->arg_count > 0 ? broker_look_node(&nodes, b, c->args[0], timeout_ms, &why) : broker_look_nodes(&nodes, b, timeout_ms, &why);
	broker_ask_free(&b);
	return err == KW_OK ? show(c, o, nodes) : cli_fail(c, err, &why);
}

static const struct cli_option nodes_table[] = {
	CLI_BROKER_WAY(struct nodes_options, way),
	{"agreement", 'a', CLI_TEXT, offsetof(struct nodes_options, way.agreement), N_("FILE"), N_("where the broker's key stands, instead of /etc/kurzweg/agreement.yaml"), 0, 0},
	{"away", 0, CLI_FLAG, offsetof(struct nodes_options, away), NULL, N_("only those that are not connected"), 0, 0},
	{"timeout", 0, CLI_DURATION, offsetof(struct nodes_options, timeout_ms), N_("DURATION"), N_("how long an answer is waited for, 10s if not given"), 1000, 600000},
	{"json", 0, CLI_FLAG, offsetof(struct nodes_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_nodes = {
	"nodes", NULL, N_("[NODE]"), 0, 1, N_("show the partners' nodes as the broker sees them, or one of them"),
	N_("For who runs the broker, on its machine or with an operator's key: who is connected since when, who is away, what\n"
	   "waits for each unread, lane by lane, and how old the oldest of it is."),
	nodes_table, run_nodes,
};
