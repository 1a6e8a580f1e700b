/* cmd_agreement_duty: who is responsible for a topic at a time, now, then or in future, under the version that counts then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "clients/cli/agreement_file.h"
#include "clients/cli/broker_ask.h"
#include "clients/cli/commands.h"
#include "clients/cli/local.h"
#include "clients/cli/look.h"
#include "proto/topic.h"

#define WAIT_MS 10000u

struct duty_options {
	const char *at;
	struct cli_texts agreements;
	struct broker_way way;
	const char *socket;
	bool json;
};

struct duty { /* one question */
	const struct cli *c;
	const struct duty_options *o;
	const char *topic;
	const struct agreement *a;  /* the version that counts at at_ms */
	uint64_t at_ms;
};

/* ---- which version ---- */

struct versions {
	struct agreement *all[CLI_TEXTS_MAX];
	uint64_t since_ms[CLI_TEXTS_MAX];  /* from when on it counts */
	size_t count;
};

static void
free_versions(struct versions *v)
{
	for (size_t i = 0; i < v->count; i++)
		agreement_free(&v->all[i]);
	v->count = 0;
}

static const struct agreement *
oldest(const struct versions *v)
{
	const struct agreement *found = v->all[0];

	for (size_t i = 1; i < v->count; i++)
		if (agreement_version(v->all[i]) < agreement_version(found))
			found = v->all[i];
	return found;
}

/* It counts from its "from" on, or from when it came, where that is known and later. */
static void
take_version(struct versions *v, struct agreement *a, uint64_t came_ms)
{
	v->since_ms[v->count] = agreement_from_ms(a) > came_ms ? agreement_from_ms(a) : came_ms;
	v->all[v->count++] = a;
}

/* The newest that counts at at_ms; NULL: all begin later. */
static const struct agreement *
version_at(const struct versions *v, uint64_t at_ms)
{
	const struct agreement *found = NULL;

	for (size_t i = 0; i < v->count; i++)
		if (v->since_ms[i] <= at_ms && (found == NULL || agreement_version(v->all[i]) > agreement_version(found)))
			found = v->all[i];
	return found;
}

/* They must be of one partnership, or the answer would be about another town. */
static enum kw_err
check_same(const struct versions *v, struct kw_why *why)
{
	for (size_t i = 1; i < v->count; i++) {
		if (strcmp(agreement_partnership(v->all[0]), agreement_partnership(v->all[i])) != 0 || agreement_mode(v->all[0]) != agreement_mode(v->all[i]))
			return kw_refuse(why, KW_EINVAL, "the agreements are of different partnerships, or one is for exercises: \"%s\" and \"%s\"",
			                 agreement_partnership(v->all[0]), agreement_partnership(v->all[i]));
		for (size_t k = 0; k < i; k++)
			if (agreement_version(v->all[k]) == agreement_version(v->all[i]))
				return kw_refuse(why, KW_EINVAL, "version %u is named twice", agreement_version(v->all[i]));
	}
	return KW_OK;
}

static enum kw_err
read_files(struct versions *v, const struct duty_options *o, struct kw_why *why)
{
	static const char *const default_path[] = {AGREEMENT_DEFAULT_PATH};
	const char *const *paths = o->agreements.count > 0 ? o->agreements.text : default_path;
	size_t n = o->agreements.count > 0 ? o->agreements.count : 1;

	for (size_t i = 0; i < n; i++) {
		struct agreement *a = NULL;
		enum kw_err err = agreement_file_read(&a, paths[i], NULL, why);

		if (err != KW_OK)
			return err;
		take_version(v, a, 0);
	}
	return check_same(v, why);
}

static enum kw_err
ask_version(struct agreement **out, struct broker_ask *b, uint32_t version, struct kw_why *why)
{
	struct buf text = BUF_INIT(KW_AGREEMENT_MAX);
	char number[16] = "";
	enum kw_err err;

	if (version > 0)
		(void)snprintf(number, sizeof number, "%u", version);
	err = broker_ask(&text, b, ADMIN_AGREEMENT, span_str(number), span_of(NULL, 0), WAIT_MS, why);
	if (err == KW_OK)
		err = agreement_parse(out, buf_span(&text), NULL, why);
	buf_free(&text);
	return err;
}

/* From the newest back to the one that counted at the time asked for. */
static enum kw_err
ask_broker(struct versions *v, const struct duty_options *o, struct kw_why *why)
{
	struct broker_way way = o->way;
	struct broker_ask *b = NULL;
	uint64_t at_ms = clock_wall_ms();
	uint32_t version = 0;
	enum kw_err err;

	way.agreement = o->agreements.count > 0 ? o->agreements.text[0] : NULL;
	err = broker_way_open(&b, &way, why);
	while (err == KW_OK && v->count < CLI_TEXTS_MAX) {
		struct agreement *a = NULL;

		if ((err = ask_version(&a, b, version, why)) != KW_OK)
			break;
		version = agreement_version(a) - 1;
		take_version(v, a, 0);
		if (o->at != NULL && v->count == 1)
			err = agreement_time(&at_ms, a, o->at, "--at", why);
		if (version == 0 || version_at(v, at_ms) != NULL)
			break;
	}
	broker_ask_free(&b);
	return err;
}

/* One that the node keeps; came_ms: when it got it. KW_ENOTFOUND: it began with a later one. */
static enum kw_err
ask_node_version(struct agreement **out, uint64_t *came_ms, kurzweg *k, uint32_t version, struct kw_why *why)
{
	char *text = NULL;
	enum kurzweg_result r = kurzweg_agreement(k, version, &text);
	json_t *doc;
	enum kw_err err;

	if (r == KURZWEG_REFUSED && version > 0)
		return KW_ENOTFOUND;
	if (r != KURZWEG_OK)
		return kw_refuse(why, r == KURZWEG_SILENT ? KW_ETIMEOUT : r == KURZWEG_REFUSED ? KW_EDENIED : KW_EIO, "%s", kurzweg_error(k));
	doc = json_loads(text, 0, NULL);
	free(text);
	*came_ms = look_number(doc, "came_ms");
	err = agreement_parse(out, span_str(look_text(doc, "text")), NULL, why);
	json_decref(doc);
	return err;
}

/* The first version that a node has was there before the node was: it counts from its "from" on. */
static enum kw_err
ask_node(struct versions *v, const struct duty_options *o, kurzweg *k, struct kw_why *why)
{
	uint64_t at_ms = clock_wall_ms(), came_ms = 0;
	uint32_t version = 0;
	enum kw_err err = KW_OK;

	while (err == KW_OK && v->count < CLI_TEXTS_MAX) {
		struct agreement *a = NULL;

		if ((err = ask_node_version(&a, &came_ms, k, version, why)) != KW_OK)
			break;
		version = agreement_version(a) - 1;
		take_version(v, a, came_ms);
		if (o->at != NULL && v->count == 1)
			err = agreement_time(&at_ms, a, o->at, "--at", why);
		if (version == 0 || version_at(v, at_ms) != NULL)
			break;
	}
	if (v->count > 0 && (version == 0 || err == KW_ENOTFOUND))
		v->since_ms[v->count - 1] = agreement_from_ms(v->all[v->count - 1]);
	return err == KW_ENOTFOUND && v->count > 0 ? KW_OK : err;
}

static enum kw_err
find_version(struct duty *d, const struct versions *v, struct kw_why *why)
{
	char from[TEXT_TIME_MAX];
	enum kw_err err;

	d->at_ms = clock_wall_ms();
	if (d->o->at != NULL && (err = agreement_time(&d->at_ms, v->all[0], d->o->at, "--at", why)) != KW_OK)
		return err;
	d->a = version_at(v, d->at_ms);
	if (d->a != NULL)
		return KW_OK;
	agreement_put_time(from, oldest(v), agreement_from_ms(oldest(v)), d->c->german);
	return kw_refuse(why, KW_ENOTFOUND, "version %u is valid from %s on, and no older one is known here; name it with --agreement FILE as well, or ask the node or the broker with --socket or --control",
	                 agreement_version(oldest(v)), from);
}

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
	enum kw_err err = find_version(d, v, &why);
	uint32_t n;

	if (err != KW_OK)
		return err == KW_EINVAL ? cli_usage(d->c, "%s", why.text) : cli_fail(d->c, err, &why);
	n = agreement_line(turns, d->a, d->topic, d->at_ms);
	if (n == 0)
		return cli_fail(d->c, KW_EDENIED, (kw_refuse(&why, KW_EDENIED, "no topic of the agreement matches \"%s\", so nobody may publish or read it", d->topic), &why));
	return d->o->json ? show_json(d, turns, n) : show_text(d, turns, n);
}

/* False: *code is how to end. */
static bool
find_versions(struct versions *v, const struct duty *d, enum cli_exit *code)
{
	const struct duty_options *o = d->o;
	bool over_broker = o->way.control != NULL || o->way.key != NULL || o->way.broker != NULL;
	kurzweg *k = NULL;
	struct kw_why why;
	enum kw_err err;

	if (over_broker && !broker_way_stands(d->c, &o->way, code))
		return false;
	if (o->socket != NULL && (over_broker || o->agreements.count > 0)) {
		*code = cli_usage(d->c, _("--socket asks the node; without --agreement, --control and --key"));
		return false;
	}
	if (o->socket != NULL && (k = local_open(d->c, o->socket, code)) == NULL)
		return false;
	err = k != NULL ? ask_node(v, o, k, &why) : over_broker ? ask_broker(v, o, &why) : read_files(v, o, &why);
	kurzweg_close(&k);
	if (err != KW_OK)
		*code = err == KW_EINVAL && (over_broker || o->socket != NULL) ? cli_usage(d->c, "%s", why.text) : cli_fail(d->c, err, &why);
	return err == KW_OK;
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
	if (find_versions(&v, &d, &code))
		code = answer(&d, &v);
	free_versions(&v);
	return code;
}

static const struct cli_option duty_table[] = {
	{"at", 0, CLI_TEXT, offsetof(struct duty_options, at), N_("TIME"), N_("then, as \"2026-12-06 03:10\" in the partnership's zone, or with its offset; now if not given"), 0, 0},
	{"agreement", 'a', CLI_TEXTS, offsetof(struct duty_options, agreements), N_("FILE"), N_("instead of /etc/kurzweg/agreement.yaml; several versions: the one that is valid then answers"), 0, 0},
	{"socket", 0, CLI_TEXT, offsetof(struct duty_options, socket), N_("ENDPOINT"), N_("ask the node there, which keeps every version that it had"), 0, 0},
	CLI_BROKER_WAY(struct duty_options, way),
	{"json", 0, CLI_FLAG, offsetof(struct duty_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_agreement_who_is_responsible = {
	"agreement", "who-is-responsible", N_("TOPIC"), 1, 1, N_("list who has to take on a matter on TOPIC, in their order"),
	N_("The answer is for now, or for the past or the future with --at. With --socket the node, with --control or with --key the\n"
	   "broker is asked for the version that was valid then. A version counts from its \"from\" on, at the node from when it came."),
	duty_table, run_duty,
};
