/* cmd_agreement_simulate: what a draft would have changed, by the headers of past traffic, so that a committee decides with figures. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "clients/cli/agreement_file.h"
#include "clients/cli/commands.h"
#include "clients/cli/headers_file.h"
#include "clients/cli/simulation.h"

#define TOPICS_SHOWN 20u
#define MOVES_SHOWN 20u
#define GAPS_SHOWN 5u
#define GAP_TEXT_MAX (2 * TEXT_TIME_MAX + 8)

struct simulate_options {
	const char *headers, *from, *to, *agreement;
	bool json;
};

struct run {
	const struct cli *c;
	const struct simulate_options *o;
	struct agreement *old, *draft;
	struct simulation sim;
	struct headers_file_info info;
	uint64_t from_ms, to_ms;    /* what was looked at */
};

/* ---- reading ---- */

static enum kw_err
read_agreements(struct run *r, struct kw_why *why)
{
	const char *old = r->o->agreement != NULL ? r->o->agreement : AGREEMENT_DEFAULT_PATH;
	enum kw_err err;

	if ((err = agreement_file_read(&r->draft, r->c->args[0], NULL, why)) != KW_OK || (err = agreement_file_read(&r->old, old, NULL, why)) != KW_OK)
		return err;
	if (strcmp(agreement_partnership(r->old), agreement_partnership(r->draft)) == 0 && agreement_mode(r->old) == agreement_mode(r->draft))
		return KW_OK;
	return kw_refuse(why, KW_EINVAL, "the agreements are of different partnerships, or one is for exercises: \"%s\" and \"%s\"", agreement_partnership(r->old),
	                 agreement_partnership(r->draft));
}

static enum kw_err
read_times(uint64_t *from_ms, uint64_t *to_ms, const struct run *r, struct kw_why *why)
{
	enum kw_err err;

	*from_ms = 0;
	*to_ms = UINT64_MAX;
	if (r->o->from != NULL && (err = agreement_time(from_ms, r->draft, r->o->from, "--from", why)) != KW_OK)
		return err;
	if (r->o->to != NULL && (err = agreement_time(to_ms, r->draft, r->o->to, "--to", why)) != KW_OK)
		return err;
	return *from_ms < *to_ms ? KW_OK : kw_refuse(why, KW_EINVAL, "--from must lie before --to");
}

static enum kw_err
add(void *self, const struct header *h, uint64_t time_ms, struct kw_why *why)
{
	struct run *r = self;

	if (strcmp(h->partnership, agreement_partnership(r->draft)) != 0 || h->mode != agreement_mode(r->draft))
		return kw_refuse(why, KW_EINVAL, "the headers are those of \"%s\"%s, the draft is for \"%s\"%s", h->partnership, h->mode == MODE_EXERCISE ? kw_translate(" (exercise)") : "",
		                 agreement_partnership(r->draft), agreement_mode(r->draft) == MODE_EXERCISE ? kw_translate(" (exercise)") : "");
	return simulation_add(&r->sim, h, time_ms, why);
}

static enum kw_err
simulate(struct run *r, struct kw_why *why)
{
	uint64_t from_ms, to_ms;
	enum kw_err err;

	if ((err = read_agreements(r, why)) != KW_OK || (err = read_times(&from_ms, &to_ms, r, why)) != KW_OK)
		return err;
	if (simulation_begin(&r->sim, r->old, r->draft, from_ms, to_ms) != KW_OK)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	if ((err = headers_file_read(&r->info, r->o->headers, add, r, why)) != KW_OK)
		return err;
	r->from_ms = from_ms > r->info.from_ms ? from_ms : r->info.from_ms;
	r->to_ms = to_ms < r->info.to_ms ? to_ms : r->info.to_ms;
	if (r->from_ms == 0)
		r->from_ms = r->sim.earliest_ms;
	simulation_finish(&r->sim, r->from_ms, r->to_ms);
	return KW_OK;
}

/* ---- as JSON ---- */

static json_t *
pair(uint64_t old, uint64_t draft)
{
	return json_pack("{s:I, s:I}", "old", (json_int_t)old, "draft", (json_int_t)draft);
}

static json_t *
figures_json(const struct sim_figures f[SIM_SIDES])
{
	return json_pack("{s:o, s:o, s:o, s:o}", "accepted", pair(f[SIM_OLD].accepted, f[SIM_DRAFT].accepted), "refused",
	                 pair(f[SIM_OLD].refused, f[SIM_DRAFT].refused), "to_take", pair(f[SIM_OLD].to_take, f[SIM_DRAFT].to_take), "coordinator",
	                 pair(f[SIM_OLD].coordinator, f[SIM_DRAFT].coordinator));
}

static json_t *
gap_json(const struct sim_gap *g)
{
	if (g->to_ms == 0)
		return json_null();
	return json_pack("{s:I, s:I}", "from_ms", (json_int_t)g->from_ms, "to_ms", (json_int_t)g->to_ms);
}

static json_t *
topics_json(const struct simulation *s)
{
	json_t *list = json_array();

	for (const struct sim_topic *t = s->topics; t != NULL; t = t->hh.next) {
		json_t *o = json_pack("{s:s, s:I, s:o, s:I, s:o, s:o}", "topic", t->topic, "count", (json_int_t)t->count, "figures", figures_json(t->of), "moved",
		                      (json_int_t)t->moved, "longest_gap_old", gap_json(&t->gap[SIM_OLD]), "longest_gap_draft", gap_json(&t->gap[SIM_DRAFT]));

		if (t->refusal != NULL)
			json_object_set_new(o, "refusal", json_pack("{s:s, s:s, s:I}", "text", t->refusal, "sender", t->refused_sender, "time_ms", (json_int_t)t->refused_ms));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *
members_json(const struct sim_member *first)
{
	json_t *list = json_array();

	for (const struct sim_member *m = first; m != NULL; m = m->hh.next)
		json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "id", m->id, "gets", pair(m->gets[SIM_OLD], m->gets[SIM_DRAFT]), "first",
		                                      pair(m->first[SIM_OLD], m->first[SIM_DRAFT])));
	return list;
}

static json_t *
moves_json(const struct simulation *s)
{
	json_t *list = json_array();

	for (const struct sim_move *m = s->moves; m != NULL; m = m->hh.next)
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s, s:I}", "old", m->from, "draft", m->to, "count", (json_int_t)m->count, "topic", m->topic,
		                                      "time_ms", (json_int_t)m->time_ms));
	return list;
}

static enum cli_exit
show_json(const struct run *r)
{
	const struct simulation *s = &r->sim;

	return cli_json(r->c, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "old_version", (json_int_t)agreement_version(r->old), "draft_version",
	                                (json_int_t)agreement_version(r->draft), "from_ms", (json_int_t)r->from_ms, "to_ms", (json_int_t)r->to_ms, "notifications",
	                                (json_int_t)s->count, "other_headers", (json_int_t)s->others, "outside", (json_int_t)s->outside, "figures",
	                                figures_json(s->of), "partners", members_json(s->partners), "nodes", members_json(s->nodes), "topics", topics_json(s), "moves",
	                                moves_json(s)));
}

/* ---- for people ---- */

static void
change_cell(struct cli_table *t, uint64_t old, uint64_t draft)
{
	if (old == draft)
		cli_table_cell(t, CLI_DIM, "=");
	else
		cli_table_cell(t, CLI_YELLOW, "%+lld", (long long)draft - (long long)old);
}

static void
figure_row(struct cli_table *t, const char *what, uint64_t old, uint64_t draft)
{
	cli_table_cell(t, CLI_PLAIN, "%s", what);
	cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)old);
	cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)draft);
	change_cell(t, old, draft);
}

static void
show_figures(const struct run *r)
{
	const struct sim_figures *old = &r->sim.of[SIM_OLD], *draft = &r->sim.of[SIM_DRAFT];
	struct cli_table *t = cli_table_new(4);
	char from[TEXT_TIME_MAX], to[TEXT_TIME_MAX];

	agreement_put_time(from, r->draft, r->from_ms, r->c->german);
	agreement_put_time(to, r->draft, r->to_ms, r->c->german);
	(void)printf(ngettext("%s%llu notification from %s to %s%s, under version %u and under the draft, version %u\n\n",
	                      "%s%llu notifications from %s to %s%s, under version %u and under the draft, version %u\n\n", r->sim.count),
	             cli_colour(r->c, CLI_BOLD), (unsigned long long)r->sim.count, from, to, cli_colour(r->c, CLI_PLAIN), agreement_version(r->old),
	             agreement_version(r->draft));
	cli_table_cell(t, CLI_PLAIN, "%s", "");
	cli_table_cell(t, CLI_PLAIN, "%s", _("now"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("draft"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("change"));
	figure_row(t, _("may be sent"), old->accepted, draft->accepted);
	figure_row(t, _("must be taken on"), old->to_take, draft->to_take);
	figure_row(t, _("falls to the coordinator at once"), old->coordinator, draft->coordinator);
	cli_table_print(r->c, t, true);
}

static void
show_members(const struct run *r)
{
	struct cli_table *t = cli_table_new(7);

	(void)printf("\n");
	cli_table_cell(t, CLI_PLAIN, "%s", _("node"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("gets now"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("draft"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("change"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("first now"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("draft"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("change"));
	for (const struct sim_member *m = r->sim.nodes; m != NULL; m = m->hh.next) {
		figure_row(t, m->id, m->gets[SIM_OLD], m->gets[SIM_DRAFT]);
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)m->first[SIM_OLD]);
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)m->first[SIM_DRAFT]);
		change_cell(t, m->first[SIM_OLD], m->first[SIM_DRAFT]);
	}
	cli_table_print(r->c, t, true);
}

static void
show_topics(const struct run *r)
{
	struct cli_table *t = cli_table_new(7);
	uint32_t shown = 0, all = HASH_COUNT(r->sim.topics);

	(void)printf("\n");
	cli_table_cell(t, CLI_PLAIN, "%s", _("topic"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("sent"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("refused by draft"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("another first"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("coordinator now"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("draft"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("change"));
	for (const struct sim_topic *m = r->sim.topics; m != NULL && shown < TOPICS_SHOWN; m = m->hh.next, shown++) {
		cli_table_cell(t, CLI_PLAIN, "%s", m->topic);
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)m->count);
		cli_table_cell(t, m->of[SIM_DRAFT].refused > 0 ? CLI_RED : CLI_DIM, "%llu", (unsigned long long)m->of[SIM_DRAFT].refused);
		cli_table_cell(t, m->moved > 0 ? CLI_YELLOW : CLI_DIM, "%llu", (unsigned long long)m->moved);
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)m->of[SIM_OLD].coordinator);
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)m->of[SIM_DRAFT].coordinator);
		change_cell(t, m->of[SIM_OLD].coordinator, m->of[SIM_DRAFT].coordinator);
	}
	cli_table_shrink(t, 0);
	cli_table_print(r->c, t, true);
	if (all > shown)
		(void)printf(_("and %u more topics; --json tells all\n"), all - shown);
}

static const char *
who(const char *first)
{
	return first[0] != '\0' ? first : _("nobody had to");
}

static void
show_moves(const struct run *r)
{
	struct cli_table *t = cli_table_new(4);
	uint32_t shown = 0;
	char when[TEXT_TIME_MAX];

	(void)printf("\n");
	cli_table_cell(t, CLI_PLAIN, "%s", _("first now"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("first under the draft"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("how often"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("as"));
	for (const struct sim_move *m = r->sim.moves; m != NULL && shown < MOVES_SHOWN; m = m->hh.next, shown++) {
		agreement_put_time(when, r->draft, m->time_ms, r->c->german);
		cli_table_cell(t, CLI_PLAIN, "%s", who(m->from));
		cli_table_cell(t, CLI_YELLOW, "%s", who(m->to));
		cli_table_cell(t, CLI_PLAIN, "%llu", (unsigned long long)m->count);
		cli_table_cell(t, CLI_DIM, "%s, %s", when, m->topic);
	}
	cli_table_shrink(t, 3);
	cli_table_print(r->c, t, true);
}

static void
show_refusals(const struct run *r)
{
	uint32_t shown = 0;
	char when[TEXT_TIME_MAX], label[2 * TEXT_TIME_MAX + KW_TOPIC_MAX + KW_NODE_MAX];

	for (const struct sim_topic *t = r->sim.topics; t != NULL && shown < TOPICS_SHOWN; t = t->hh.next) {
		if (t->refusal == NULL)
			continue;
		agreement_put_time(when, r->draft, t->refused_ms, r->c->german);
		(void)snprintf(label, sizeof label, _("%s, %s by %s:"), when, t->topic, t->refused_sender);
		(void)printf("\n");
		if (shown++ == 0)
			cli_paragraph(r->c, CLI_BOLD, _("Refused by the draft, though it may be sent now"));
		cli_paragraph(r->c, CLI_RED, label);
		cli_paragraph(r->c, CLI_PLAIN, t->refusal);
	}
}

/* "Su 2026-12-06 22:00, 8 h 00 min" */
static void
put_gap(char out[GAP_TEXT_MAX], const struct run *r, const struct sim_gap *g)
{
	char from[TEXT_TIME_MAX], span[TEXT_TIME_MAX];

	agreement_put_time(from, r->draft, g->from_ms, r->c->german);
	text_put_duration(span, g->to_ms - g->from_ms);
	if (g->to_ms == 0)
		(void)snprintf(out, GAP_TEXT_MAX, "%s", _("never"));
	else if (g->from_ms == r->from_ms && g->to_ms == r->to_ms)
		(void)snprintf(out, GAP_TEXT_MAX, "%s", _("always"));
	else
		(void)snprintf(out, GAP_TEXT_MAX, "%s, %s", from, span);
}

static uint64_t
weight(const struct sim_topic *t)
{
	uint64_t old = t->gap[SIM_OLD].to_ms - t->gap[SIM_OLD].from_ms, draft = t->gap[SIM_DRAFT].to_ms - t->gap[SIM_DRAFT].from_ms;

	return old > draft ? old : draft;
}

/* The topics with the longest times in which nobody but the coordinator was there; ties by topic order. */
static void
show_gaps(const struct run *r)
{
	const struct sim_topic *top[GAPS_SHOWN] = {NULL};
	struct cli_table *t = cli_table_new(3);
	char text[GAP_TEXT_MAX];
	size_t n = 0;

	for (const struct sim_topic *m = r->sim.topics; m != NULL; m = m->hh.next) {
		size_t at = n < GAPS_SHOWN ? n++ : GAPS_SHOWN;

		while (at > 0 && weight(top[at - 1]) < weight(m)) {
			if (at < GAPS_SHOWN)
				top[at] = top[at - 1];
			at--;
		}
		if (at < GAPS_SHOWN)
			top[at] = m;
	}
	cli_table_cell(t, CLI_PLAIN, "%s", _("longest time with nobody but the coordinator"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("now"));
	cli_table_cell(t, CLI_PLAIN, "%s", _("draft"));
	for (size_t i = 0; i < n && weight(top[i]) > 0; i++) {
		cli_table_cell(t, CLI_PLAIN, "%s", top[i]->topic);
		put_gap(text, r, &top[i]->gap[SIM_OLD]);
		cli_table_cell(t, CLI_PLAIN, "%s", text);
		put_gap(text, r, &top[i]->gap[SIM_DRAFT]);
		cli_table_cell(t, CLI_PLAIN, "%s", text);
	}
	(void)printf("\n");
	cli_table_print(r->c, t, true);
}

static void
show_text(const struct run *r)
{
	show_figures(r);
	if (r->sim.count == 0) {
		cli_note(r->c, "%s", _("Nothing was sent in that time, so there is nothing to compare."));
		return;
	}
	show_members(r);
	show_topics(r);
	if (r->sim.moves != NULL)
		show_moves(r);
	show_refusals(r);
	show_gaps(r);
	cli_note(r->c, "%s", _("From headers alone; nobody's content was read. Whoever is first has it offered first, and may decline."));
}

static enum cli_exit
run_simulate(struct cli *c, const void *options)
{
	struct run r = {.c = c, .o = options};
	enum cli_exit code = CLI_DONE;
	struct kw_why why;
	enum kw_err err;

	if (r.o->headers == NULL)
		return cli_usage(c, "%s", _("--headers FILE is missing: what \"kurzweg broker headers\" wrote"));
	err = simulate(&r, &why);
	if (err != KW_OK)
		code = cli_fail(c, err, &why);
	else if (r.o->json)
		code = show_json(&r);
	else
		show_text(&r);
	simulation_end(&r.sim);
	agreement_free(&r.old);
	agreement_free(&r.draft);
	return code;
}

static const struct cli_option simulate_table[] = {
	{"headers", 0, CLI_TEXT, offsetof(struct simulate_options, headers), N_("FILE"), N_("what \"kurzweg broker headers\" wrote; - is standard input"), 0, 0},
	{"from", 0, CLI_TEXT, offsetof(struct simulate_options, from), N_("TIME"), N_("since then, as \"2026-12-06 03:10\" in the partnership's zone; all of FILE if not given"), 0, 0},
	{"to", 0, CLI_TEXT, offsetof(struct simulate_options, to), N_("TIME"), N_("before then"), 0, 0},
	{"agreement", 'a', CLI_TEXT, offsetof(struct simulate_options, agreement), N_("FILE"), N_("what is in force, instead of /etc/kurzweg/agreement.yaml"), 0, 0},
	{"json", 0, CLI_FLAG, offsetof(struct simulate_options, json), NULL, N_("as JSON"), 0, 0},
	CLI_NO_MORE,
};

const struct cli_command cmd_agreement_simulate = {
	"agreement", "simulate", N_("DRAFT"), 1, 1, N_("run the headers of past traffic against a draft, and count what would change"),
	N_("Each notification of that time is judged by the agreement in force and by the draft: may it be sent, who gets it, who is the\n"
	   "first to take it on, what falls to the coordinator. It needs no content, only what \"kurzweg broker headers\" wrote."),
	simulate_table, run_simulate,
};
