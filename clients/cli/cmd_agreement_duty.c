/* cmd_agreement_duty: who is responsible for a topic at a time, now, then or in future, under the version that counts then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "clients/cli/agreement_file.h"
#include "clients/cli/commands.h"
#include "clients/cli/versions.h"
#include "proto/topic.h"

struct duty_options {
	struct versions_from from;
	bool json;
};

struct duty { /* one question */
	const struct cli *c;
	const struct duty_options *o;
	const char *topic;
	const struct agreement *a;  /* the version that counts at at_ms */
	uint64_t at_ms;
};

/* ---- as JSON ---- */

static json_t *
turn_json(const struct agreement *a, const struct agreement_turn *t, uint64_t from_ms, bool any_reader)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:o, s:b}", "node", agreement_node_id(a, t->node), "partner", agreement_node_partner(a, t->node), "title",
	                 agreement_node_title(a, t->node), "deputy", t->deputy, "coordinator", t->last_resort, "take_within_ms", (json_int_t)t->take_within_ms, "from_ms",
	                 (json_int_t)from_ms, "line", t->line > 0 ? json_integer(t->line) : json_null(), "any_reader_may_take", any_reader);
}

static json_t *
nodes_json(const struct agreement *a, const uint32_t *nodes, uint32_t n)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(agreement_node_id(a, nodes[i])));
	return list;
}

static json_t *
acknowledge_json(const struct duty *d, const struct agreement_topic *rule)
{
	uint32_t *nodes = calloc(agreement_node_count(d->a), sizeof *nodes), n;
	json_t *o;

	if (nodes == NULL || rule->acknowledge_within_ms == 0) {
		free(nodes);
		return json_null();
	}
	n = agreement_acknowledgers(nodes, d->a, d->topic, AGREEMENT_NOBODY);
	o = json_pack("{s:I, s:o}", "within_ms", (json_int_t)rule->acknowledge_within_ms, "nodes", nodes_json(d->a, nodes, n));
	free(nodes);
	return o;
}

static enum cli_exit
show_json(const struct duty *d, const struct agreement_turn *turns, uint32_t n)
{
	const struct agreement_topic *rule = agreement_topic(d->a, d->topic);
	uint64_t until = agreement_line_until(d->a, d->topic, d->at_ms), from_ms = d->at_ms;
	char local[TEXT_TIME_MAX], utc[TEXT_TIME_MAX];
	json_t *list = json_array();

	agreement_put_time(local, d->a, d->at_ms, d->c->german);
	text_put_time_utc(utc, d->at_ms);
	for (uint32_t i = 0; i < n; i++) {
		json_array_append_new(list, turn_json(d->a, &turns[i], from_ms, !rule->has_responsible));
		from_ms += turns[i].take_within_ms;
	}
	return cli_json(d->c, json_pack("{s:s, s:I, s:s, s:s, s:s, s:b, s:I, s:s, s:I, s:b, s:s, s:o, s:o, s:o}", "topic", d->topic, "at_ms", (json_int_t)d->at_ms, "at", utc,
	                                "local", local, "time_zone", agreement_time_zone(d->a), "holiday", agreement_is_holiday(d->a, d->at_ms), "version",
	                                (json_int_t)agreement_version(d->a), "filter", rule->filter, "line", (json_int_t)rule->line, "has_responsible", rule->has_responsible,
	                                "on_change", rule->on_change == ON_CHANGE_MOVE ? "move" : "keep", "turns", list, "same_until_ms",
	                                until == UINT64_MAX ? json_null() : json_integer((json_int_t)until), "acknowledge", acknowledge_json(d, rule)));
}

/* ---- for people ---- */

static void
turn_row(struct cli_table *t, const struct duty *d, const struct agreement_turn *turn, uint32_t number, const char *who, uint64_t from_ms)
{
	char from[TEXT_TIME_MAX], within[TEXT_TIME_MAX];

	agreement_put_time(from, d->a, from_ms, d->c->german);
	text_put_duration(within, turn->take_within_ms);
	cli_table_cell(t, CLI_PLAIN, "%u", number);
	cli_table_cell(t, turn->last_resort ? CLI_YELLOW : CLI_PLAIN, "%s", agreement_node_id(d->a, turn->node));
	cli_table_cell(t, CLI_PLAIN, "%s", agreement_node_title(d->a, turn->node));
	cli_table_cell(t, CLI_PLAIN, "%s", from);
	cli_table_cell(t, CLI_PLAIN, "%s", within);
	if (turn->last_resort)
		cli_table_cell(t, CLI_PLAIN, "%s", _("coordinator, at last"));
	else if (turn->deputy)
		cli_table_cell(t, CLI_PLAIN, _("line %u, deputy of %s"), turn->line, who);
	else
		cli_table_cell(t, CLI_PLAIN, _("line %u"), turn->line);
}

static void
say_more(const struct duty *d, const struct agreement_turn *turns, uint32_t n)
{
	const struct agreement_topic *rule = agreement_topic(d->a, d->topic);
	uint64_t until = agreement_line_until(d->a, d->topic, d->at_ms);
	char text[TEXT_TIME_MAX];

	if (!rule->has_responsible)
		cli_note(d->c, _("Topics of %s (line %u) name nobody under \"responsible\": only what is sent with a time to take it on must be taken, and every reader may."), rule->filter,
		         rule->line);
	else if (turns[0].last_resort)
		cli_warn(d->c, _("nobody is responsible then; it falls to the coordinator at once"));
	else if (!turns[n - 1].last_resort)
		cli_note(d->c, _("Where none of them takes it, the coordinator %s has it, who stands among them already."), agreement_coordinator(d->a));
	if (until != UINT64_MAX) {
		agreement_put_time(text, d->a, until, d->c->german);
		cli_note(d->c, _("The same until %s."), text);
	}
	if (rule->acknowledge_within_ms > 0) {
		text_put_duration(text, rule->acknowledge_within_ms);
		cli_note(d->c, _("Several must answer within %s; --json tells who."), text);
	}
	if (d->at_ms >= agreement_grace_until_ms(d->a)) {
		agreement_put_time(text, d->a, agreement_until_ms(d->a), d->c->german);
		cli_warn(d->c, _("version %u ends on %s and so does its grace: nobody can publish then, unless another version follows"), agreement_version(d->a), text);
	}
}

static enum cli_exit
show_text(const struct duty *d, const struct agreement_turn *turns, uint32_t n)
{
	struct cli_table *t = cli_table_new(6);
	uint64_t from_ms = d->at_ms;
	char at[TEXT_TIME_MAX];
	const char *who = "";

	agreement_put_time(at, d->a, d->at_ms, d->c->german);
	(void)printf(_("%s%s%s at %s%s (%s), version %u\n"), cli_colour(d->c, CLI_BOLD), d->topic, cli_colour(d->c, CLI_PLAIN), at,
	             agreement_is_holiday(d->a, d->at_ms) ? _(", a public holiday") : "", agreement_time_zone(d->a), agreement_version(d->a));
	cli_table_cell(t, CLI_PLAIN, "%s", _("turn"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("node"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("partner"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("from"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("has"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("because"));
	for (uint32_t i = 0; i < n; i++) {
		if (!turns[i].deputy)
			who = agreement_node_id(d->a, turns[i].node);
		turn_row(t, d, &turns[i], i + 1, who, from_ms);
		from_ms += turns[i].take_within_ms;
	}
	cli_table_shrink(t, 2);
	cli_table_print(d->c, t, true);
	say_more(d, turns, n);
	return CLI_DONE;
}

static enum cli_exit
answer(struct duty *d, const struct versions *v)
{
	struct agreement_turn turns[AGREEMENT_LINE_MAX];
	struct kw_why why;
	enum kw_err err = versions_pick(&d->a, &d->at_ms, v, &d->o->from, d->c->german, &why);
	uint32_t n;

	if (err != KW_OK)
		return err == KW_EINVAL ? cli_usage(d->c, "%s", why.text) : cli_fail(d->c, err, &why);
	n = agreement_line(turns, d->a, d->topic, d->at_ms);
	if (n == 0)
		return cli_fail(d->c, agreement_file_no_topic(d->a, d->topic, &why), &why);
	return d->o->json ? show_json(d, turns, n) : show_text(d, turns, n);
}

static enum cli_exit
run_duty(struct cli *c, const void *options)
{
	struct duty d = {.c = c, .o = options, .topic = c->args[0]};
	struct versions v = {.count = 0};
	enum cli_exit code = CLI_DONE;
	struct kw_why why;

	if (topic_check(d.topic, &why) != KW_OK)
		return cli_usage(c, "%s", why.text);
	if (versions_find(&v, c, &d.o->from, &code))
		code = answer(&d, &v);
	versions_free(&v);
	return code;
}

static const struct cli_option duty_table[] = {
	CLI_VERSIONS_FROM(struct duty_options, from),
	{"json", 0, CLI_FLAG, offsetof(struct duty_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_agreement_who_is_responsible = {
	"agreement", "who-is-responsible", N_("TOPIC"), 1, 1, N_("list who has to take on a matter on TOPIC, in their order"),
	N_("The answer is for now, or for the past or the future with --at. With --socket the node, with --control or with --key the\n"
	   "broker is asked for the version that was valid then. A version counts from its \"from\" on, at the node from when it came."),
	duty_table, run_duty,
};
