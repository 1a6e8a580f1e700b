/* explained: see its header. */
#include "clients/cli/explained.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "certs/agreement_why.h"
#include "clients/cli/arrival.h"
#include "clients/cli/local.h"
#include "clients/cli/look.h"
#include "clients/cli/meant.h"
#include "clients/cli/notice.h"
#include "clients/cli/reasons.h"
#include "clients/cli/versions.h"
#include "clients/cli/when.h"

#define OTHERS_SHOWN 20u /* of those who did not get it */

struct explaining {
	const struct cli *c;
	const struct explained_ask *ask;
	json_t *trace;
	struct agreement *a;      /* the version that it was sent under */
	uint64_t now_ms;
};

/* ---- the agreement's reasons ---- */

static json_t *
reasons_of(const struct explaining *e, uint32_t node)
{
	struct reasons_ask ask = {.a = e->a, .topic = look_text(e->trace, "notification.topic"), .node = node,
		.sender = agreement_node(e->a, look_text(e->trace, "notification.sender")), .at_ms = look_number(e->trace, "notification.time_ms"), .german = e->c->german};

	return reasons_json(&ask);
}

static const json_t *
reader(const struct explaining *e, const char *node)
{
	json_t *one;
	size_t i;

	json_array_foreach(look_at(e->trace, "readers"), i, one)
		if (strcmp(look_text(one, "node"), node) == 0)
			return one;
	return NULL;
}

/* Why it went there, or did not: for each node of the agreement. */
static void
add_nodes(struct explaining *e)
{
	json_t *nodes = json_array();

	for (uint32_t i = 0; i < agreement_node_count(e->a); i++) {
		const char *id = agreement_node_id(e->a, i);
		const json_t *one = reader(e, id);
		json_t *reasons;

		if (e->ask->node != NULL && strcmp(e->ask->node, id) != 0)
			continue;
		reasons = reasons_of(e, i);
		json_array_append_new(nodes, json_pack("{s:s, s:b, s:s, s:O}", "node", id, "in_audience", one != NULL, "state", one != NULL ? look_text(one, "state") : "", "reasons",
		                      reasons_answer(reasons, "delivered")));
		json_decref(reasons);
	}
	json_object_set_new(e->trace, "nodes", nodes);
}

/* Each statement names its entry of the line by its place; here it gets the line of the text. */
static void
add_rule_lines(struct explaining *e)
{
	json_t *one;
	size_t i;

	json_array_foreach(look_at(e->trace, "about"), i, one) {
		uint32_t line;

		if (strcmp(look_text(one, "type"), "statement") != 0 || !json_is_integer(look_at(one, "rule")) || look_number(one, "agreement_version") != agreement_version(e->a))
			continue;
		line = agreement_entry_line(e->a, look_text(e->trace, "notification.topic"), (uint32_t)look_number(one, "rule"));
		json_object_set_new(one, "line", line > 0 ? json_integer(line) : json_null());
	}
}

/* ---- for people ---- */

static bool
names_others(const struct explaining *e)
{
	return json_array_size(look_at(e->trace, "notification.to")) > 0;
}

/* The line that made it so: the last one that speaks of reading. */
static void
put_reason(char *out, size_t size, const struct explaining *e, const json_t *node)
{
	const json_t *list = look_at(node, "reasons.reasons");
	const json_t *last = json_array_get(list, json_array_size(list) > 1 ? 1 : 0);

	if (!look_flag(node, "in_audience") && look_flag(node, "reasons.answer") && names_others(e))
		(void)snprintf(out, size, "%s", _("its sender named others"));
	else if (!look_flag(node, "in_audience") && strcmp(look_text(node, "node"), look_text(e->trace, "notification.sender")) == 0)
		(void)snprintf(out, size, "%s", _("sent it"));
	else if (look_number(last, "line") > 0)
		(void)snprintf(out, size, _("line %llu: %s"), (unsigned long long)look_number(last, "line"), look_text(last, "says"));
	else
		(void)snprintf(out, size, "%s", look_text(last, "says"));
}

static void
show_node(const struct explaining *e, const json_t *node)
{
	char line[1400], why[1200];
	enum cli_colour colour = CLI_DIM;
	const json_t *one = reader(e, look_text(node, "node"));
	const char *state = one != NULL ? broker_trace_state(one, &colour) : _("not sent to it");

	put_reason(why, sizeof why, e, node);
	(void)snprintf(line, sizeof line, "%s: %s; %s", look_text(node, "node"), state, why);
	cli_paragraph(e->c, colour, line);
}

static void
show_nodes(const struct explaining *e)
{
	json_t *one;
	size_t i, others = 0;

	(void)printf("\n");
	json_array_foreach(look_at(e->trace, "nodes"), i, one)
		if (look_flag(one, "in_audience"))
			show_node(e, one);
	json_array_foreach(look_at(e->trace, "nodes"), i, one)
		if (!look_flag(one, "in_audience") && others++ < OTHERS_SHOWN)
			show_node(e, one);
	if (others > OTHERS_SHOWN)
		cli_note(e->c, _("%zu more nodes did not get it; --json tells of all, --node of one."), others - OTHERS_SHOWN);
	json_array_foreach(look_at(e->trace, "readers"), i, one)
		if (e->ask->node == NULL || strcmp(e->ask->node, look_text(one, "node")) == 0)
			broker_trace_remedy(e->c, one);
	if (e->ask->node != NULL)
		json_array_foreach(look_at(e->trace, "nodes"), i, one)
			reasons_show_answer(e->c, look_at(one, "reasons"));
}

/* "nobody took it in time" … */
static const char *
cause_words(const char *cause)
{
	static const struct { const char *cause, *words; } all[] = {
		{"opened", N_("it must be taken on")}, {"moved", N_("by what somebody did")}, {"void", N_("what somebody did had no effect")},
		{"timeout", N_("its time ran out")}, {"handover_lapsed", N_("the hand-over was not taken in time")}, {"alarm", N_("the coordinator did not take it in time")},
		{"lapsed", N_("it expired")}, {"agreement", N_("another version of the agreement is in force")},
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(all[i].cause, cause) == 0)
			return gettext(all[i].words);
	return cause;
}

static const char *
state_words(const char *state)
{
	static const struct { const char *state, *words; } all[] = {
		{"offered", N_("it is the turn of")}, {"escalated", N_("all had their turn; it is with the coordinator")}, {"taken", N_("taken by")}, {"done", N_("done by")},
		{"recalled", N_("recalled; last with")}, {"lapsed", N_("lapsed; last with")},
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(all[i].state, state) == 0)
			return gettext(all[i].words);
	return state;
}

static void
show_statement(const struct explaining *e, const json_t *one)
{
	char line[768], at[WHEN_MAX], until[WHEN_MAX] = "", rule[64] = "";

	when_put(at, look_number(one, "time_ms"), e->now_ms);
	if (look_number(one, "until_ms") > 0)
		when_put(until, look_number(one, "until_ms"), e->now_ms);
	if (look_number(one, "line") > 0)
		(void)snprintf(rule, sizeof rule, _(", by line %llu"), (unsigned long long)look_number(one, "line"));
	(void)snprintf(line, sizeof line, until[0] != '\0' ? _("%s %s: %s %s until %s%s") : _("%s %s: %s %s%s%s"), at, cause_words(look_text(one, "cause")), state_words(look_text(one, "state")),
	               look_text(one, "owner"), until, rule);
	cli_paragraph(e->c, strcmp(look_text(one, "state"), "escalated") == 0 ? CLI_YELLOW : CLI_PLAIN, line);
}

/* Its case, as the log has it: what people did, and what the broker stated of it. */
static void
show_case(const struct explaining *e)
{
	json_t *one;
	bool begun = false;
	size_t i;

	json_array_foreach(look_at(e->trace, "about"), i, one) {
		const char *type = look_text(one, "type");
		char line[512], at[WHEN_MAX];

		if (strcmp(type, "delivered") == 0 || strcmp(type, "opened") == 0 || strcmp(type, "rejected") == 0)
			continue;
		if (!begun)
			(void)printf("\n");
		begun = true;
		if (strcmp(type, "statement") == 0) {
			show_statement(e, one);
			continue;
		}
		when_put(at, look_number(one, "time_ms"), e->now_ms);
		(void)snprintf(line, sizeof line, _("%s %s, by %s%s%s"), at, notice_kind(type), look_text(one, "sender"), look_text(one, "next_owner")[0] != '\0' ? _(", to ") : "",
		               look_text(one, "next_owner"));
		cli_paragraph(e->c, CLI_BOLD, line);
	}
}

static void
show_all(const struct explaining *e)
{
	if (look_flag(e->trace, "found"))
		broker_trace_show_itself(e->c, e->trace, e->now_ms);
	broker_trace_show_refusals(e->c, e->trace, e->now_ms);
	if (!look_flag(e->trace, "found"))
		return;
	if (e->a != NULL)
		show_nodes(e);
	else
		cli_warn(e->c, _("the version of the agreement that it was sent under is not known at the broker, so no rule can be named"));
	show_case(e);
}

/* ---- the commands ---- */

static enum kw_err
explain(struct explaining *e, struct broker_ask *b, struct kw_why *why)
{
	uint64_t further = e->ask->further > 0 ? e->ask->further : TRACE_FURTHER;
	enum kw_err err = broker_trace(&e->trace, b, e->ask->id, broker_trace_agreement(&e->ask->way), further, why);

	if (err != KW_OK || !look_flag(e->trace, "found"))
		return err;
	err = versions_ask(&e->a, b, (uint32_t)look_number(e->trace, "notification.agreement_version"), why);
	if (err == KW_EDENIED)
		return KW_OK;
	if (err == KW_OK && e->ask->node != NULL && agreement_node(e->a, e->ask->node) == AGREEMENT_NOBODY)
		return kw_refuse(why, KW_ENOTFOUND, "\"%.64s\" is no node of the agreement, version %u; \"kurzweg agreement check\" shows which there are", e->ask->node, agreement_version(e->a));
	if (err == KW_OK) {
		add_nodes(e);
		add_rule_lines(e);
	}
	return err;
}

enum cli_exit
explained_at_broker(const struct cli *c, const struct explained_ask *ask)
{
	struct explaining e = {.c = c, .ask = ask, .now_ms = clock_wall_ms()};
	struct broker_ask *b = NULL;
	enum cli_exit code = CLI_DONE;
	struct kw_why why;
	enum kw_err err;

	if (!broker_way_stands(c, &ask->way, &code))
		return code;
	if ((err = broker_way_open(&b, &ask->way, &why)) == KW_OK)
		err = explain(&e, b, &why);
	broker_ask_free(&b);
	if (err != KW_OK)
		code = err == KW_EINVAL ? cli_usage(c, "%s", why.text) : cli_fail(c, err, &why);
	else if (ask->json)
		code = cli_json(c, json_incref(e.trace));
	else
		show_all(&e);
	agreement_free(&e.a);
	json_decref(e.trace);
	return code;
}

/* ---- at the node ---- */

/* Of what it sent: why the broker refused it, or which line of the agreement made each reader one. */
static void
show_sent(const struct explaining *e)
{
	static const char *const lists[] = {"rejected", "missing", "delivered"};
	const char *state = look_text(e->trace, "state");
	char line[1400];

	if (strcmp(state, "refused") == 0) {
		(void)snprintf(line, sizeof line, _("The broker refused it: %s. Nobody has it."), look_text(e->trace, "reason"));
		cli_paragraph(e->c, CLI_RED, line);
	} else if (strcmp(state, "expired") == 0) {
		cli_paragraph(e->c, CLI_RED, _("It expired before the broker stored it. Nobody has it."));
	} else if (strcmp(state, "stored") != 0) {
		cli_paragraph(e->c, CLI_YELLOW, _("It waits in the outbox of this node and is sent as soon as the broker is reached."));
	}
	cli_field(e->c, _("sealed anew as"), CLI_PLAIN, look_text(e->trace, "sealed_anew_as"));
	for (size_t l = 0; e->a != NULL && l < sizeof lists / sizeof lists[0]; l++) {
		json_t *one;
		size_t i;

		json_array_foreach(look_at(e->trace, lists[l]), i, one) {
			const char *id = json_is_string(one) ? json_string_value(one) : look_text(one, "node");
			uint32_t node = agreement_node(e->a, id);
			struct reasons_ask ask = {.a = e->a, .topic = look_text(e->trace, "topic"), .node = node, .sender = AGREEMENT_NOBODY,
				.at_ms = when_parse_utc(look_text(e->trace, "created")), .german = e->c->german};
			json_t *reasons = node != AGREEMENT_NOBODY ? reasons_json(&ask) : NULL;
			const json_t *said = json_array_get(look_at(reasons_answer(reasons, "delivered"), "reasons"), 1);

			(void)snprintf(line, sizeof line, _("%s: %s; line %llu: %s"), id, l == 0 ? _("rejected it") : l == 1 ? _("not confirmed yet") : _("has it"),
			               (unsigned long long)look_number(said, "line"), look_text(said, "says"));
			cli_paragraph(e->c, l == 0 ? CLI_RED : l == 1 ? CLI_YELLOW : CLI_GREEN, line);
			json_decref(reasons);
		}
	}
}

/* The version that it was sent under, from the node; NULL: it does not keep it. */
static struct agreement *
version_at_node(kurzweg *k, const json_t *trace)
{
	struct agreement *a = NULL;
	char *text = NULL;
	json_t *doc;

	if (kurzweg_agreement(k, (uint32_t)look_number(trace, "agreement_version"), &text) != KURZWEG_OK)
		return NULL;
	doc = json_loads(text, 0, NULL);
	free(text);
	if (agreement_parse(&a, span_str(look_text(doc, "text")), NULL, NULL) != KW_OK)
		a = NULL;
	json_decref(doc);
	return a;
}

/* What the node itself knows: the way of what it sent, or how it took what came. */
enum cli_exit
explained_at_node(const struct cli *c, const struct explained_ask *ask, const char *socket)
{
	struct explaining e = {.c = c, .ask = ask, .now_ms = clock_wall_ms()};
	char room[KURZWEG_ID_SIZE], *text = NULL;
	const char *id;
	enum kurzweg_result r;
	enum cli_exit code;
	kurzweg *k;

	if (ask->node != NULL || ask->further > 0)
		return cli_usage(c, _("--node and --further with an ID are for the broker; say --control or --key too"));
	if ((k = local_open(c, socket, &code)) == NULL)
		return code;
	if ((id = meant(room, c, k, ask->id, MEANT_SENT_OR_CAME, &code)) != NULL) {
		r = kurzweg_trace(k, id, &text);
		code = r == KURZWEG_OK ? CLI_DONE : local_fail(c, k, r);
	}
	if (code == CLI_DONE) {
		e.trace = json_loads(text, 0, NULL);
		free(text);
		e.a = arrival_is(e.trace) ? NULL : version_at_node(k, e.trace);
	}
	kurzweg_close(&k);
	if (code == CLI_DONE && ask->json)
		code = cli_json(c, json_incref(e.trace));
	else if (code == CLI_DONE && arrival_is(e.trace))
		arrival_show(c, e.trace, e.now_ms);
	else if (code == CLI_DONE)
		show_sent(&e);
	agreement_free(&e.a);
	json_decref(e.trace);
	return code;
}
