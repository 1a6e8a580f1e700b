/* reasons: see its header. */
#include "clients/cli/reasons.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "certs/agreement_why.h"
#include "clients/cli/look.h"

#define LINE_SHOWN 160u /* bytes of a line of the text */

struct reasoning {
	const struct reasons_ask *ask;
	struct agreement_why why;
	json_t *reasons;
};

/* ---- what is said ---- */

static json_t *
line_json(const struct agreement *a, uint32_t line)
{
	struct span s = agreement_line_text(a, line);
	char text[LINE_SHOWN + 8];
	const uint8_t *key = s.len == 0 ? NULL : memmem(s.p, s.len, "key: \"kw", strlen("key: \"kw")); /* nobody reads keys here */
	size_t len = key != NULL ? (size_t)(key - s.p) : s.len;

	if (len > LINE_SHOWN) {
		len = LINE_SHOWN;
		while (len > 0 && (s.p[len] & 0xC0) == 0x80)
			len--;
	}
	memcpy(text, len > 0 ? (const char *)s.p : "", len);
	(void)strcpy(text + len, len < s.len ? "…" : "");
	return json_string(text);
}

static void say(struct reasoning *r, uint32_t line, const char *fmt, ...) KW_PRINTF(3, 4);

static void
say(struct reasoning *r, uint32_t line, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	json_array_append_new(r->reasons, json_pack("{s:o, s:o, s:s}", "line", line > 0 ? json_integer(line) : json_null(), "text", line_json(r->ask->a, line), "says", text));
}

static json_t *
answer_json(struct reasoning *r, const char *question, bool answer, const char *says, const char *change)
{
	json_t *reasons = r->reasons;

	r->reasons = json_array();
	return json_pack("{s:s, s:b, s:s, s:o, s:s}", "question", question, "answer", answer, "says", says, "reasons", reasons, "change", change);
}

static const char *
partner(const struct reasoning *r)
{
	return agreement_node_partner(r->ask->a, r->ask->node);
}

static const char *
id(const struct reasoning *r)
{
	return agreement_node_id(r->ask->a, r->ask->node);
}

static void
say_topic(struct reasoning *r)
{
	say(r, r->why.topic->line, _("the filter \"%s\" decides alone: of all that match it stands first"), r->why.topic->filter);
}

/* ---- would it be delivered? ---- */

static bool
is_in_audience(const struct reasoning *r)
{
	const struct reasons_ask *q = r->ask;
	uint32_t *nodes = cli_memory(agreement_node_count(q->a) * sizeof *nodes), count = 0;
	bool found = false;

	if (agreement_audience(nodes, &count, q->a, q->topic, q->sender, NULL, 0, NULL) == KW_OK)
		for (uint32_t i = 0; i < count; i++)
			found |= nodes[i] == q->node;
	free(nodes);
	return found;
}

static void
say_reading(struct reasoning *r)
{
	const struct agreement_why *w = &r->why;

	if (w->reads && w->civil)
		say(r, w->receive_line, _("\"receive\" means %s, which has committed to the topic's purpose \"%s\" (line %u)"), partner(r), w->purpose, w->purposes_line);
	else if (w->reads)
		say(r, w->receive_line, _("\"receive\" means %s"), partner(r));
	else if (w->barred && w->purpose[0] == '\0')
		say(r, w->receive_line, _("\"receive\" means %s, but the topic names no purpose, and a civil partner reads only what it has committed to"), partner(r));
	else if (w->barred)
		say(r, w->purposes_line > 0 ? w->purposes_line : w->partner_line, _("\"receive\" (line %u) means %s, but it has not committed to the topic's purpose \"%s\""), w->receive_line,
		    partner(r), w->purpose);
	else
		say(r, w->receive_line, _("\"receive\" does not mean %s"), partner(r));
}

static void
say_duty(struct reasoning *r)
{
	const struct agreement_why *w = &r->why;

	if (!w->topic->has_responsible)
		return;
	for (uint32_t i = 0; i < w->entry_count; i++)
		say(r, w->entries[i].line, _("it stands in the line that is responsible, which has everything from the start"));
	if (w->coordinator)
		say(r, w->coordinator_line, _("it is the coordinator, who has everything that somebody must take on"));
}

static void
put_change(char *out, size_t size, const struct reasoning *r, bool gets)
{
	const struct agreement_why *w = &r->why;

	if (gets)
		(void)snprintf(out, size, _("To change that, the steering committee signs a version in which \"receive\" (line %u) does not mean %s%s."), w->receive_line, partner(r),
		               w->topic->has_responsible && (w->entry_count > 0 || w->coordinator) ? _(" and it is responsible for nothing there") : "");
	else if (w->barred && w->purpose[0] == '\0')
		(void)snprintf(out, size, _("To change that, the steering committee signs a version in which the topic (line %u) has a \"purpose\" that %s has committed to."), w->topic->line,
		               partner(r));
	else if (w->barred)
		(void)snprintf(out, size, _("To change that, %s commits to \"%s\", and the steering committee signs a version that says so in its \"purposes\" (line %u)."), partner(r),
		               w->purpose, w->purposes_line > 0 ? w->purposes_line : w->partner_line);
	else
		(void)snprintf(out, size, _("To change that, the steering committee signs a version in which \"receive\" (line %u) means %s."), w->receive_line, partner(r));
}

static json_t *
delivered_json(struct reasoning *r)
{
	const struct reasons_ask *q = r->ask;
	char says[512], change[768] = "";
	bool gets = is_in_audience(r);

	say_topic(r);
	if (q->node == q->sender) {
		(void)snprintf(says, sizeof says, _("%s would not be sent it: it is its own."), id(r));
		return answer_json(r, "delivered", false, says, "");
	}
	say_reading(r);
	say_duty(r);
	if (r->why.approves)
		say(r, r->why.approve_line, _("it must approve before others read it, so it gets the drafts of other partners"));
	else if (r->why.topic->has_release && gets)
		say(r, r->why.approve_line, _("it gets what is released, when all have approved, and no draft"));
	if (!gets && r->why.onward)
		say(r, r->why.onward_line, _("\"onward\" names it: who takes a case on may forward it to there"));
	put_change(change, sizeof change, r, gets);
	(void)snprintf(says, sizeof says, gets ? _("%s would be sent it.") : _("%s would not be sent it."), id(r));
	return answer_json(r, "delivered", gets, says, change);
}

/* ---- may it publish? ---- */

/* The same question that sender, broker and readers ask of a real one. */
static enum kw_err
may_publish(const struct reasoning *r, struct kw_why *why)
{
	const struct reasons_ask *q = r->ask;
	const struct agreement_topic *t = r->why.topic;
	struct header h = {.mode = agreement_mode(q->a), .agreement_version = agreement_version(q->a), .type = t->has_release ? TYPE_DRAFT : TYPE_NOTICE,
		.lane = q->has_lane ? q->lane : t->lane, .created_ms = q->at_ms, .expires_ms = q->at_ms + t->keep_content_ms, .payload_type = t->schema};

	(void)snprintf(h.partnership, sizeof h.partnership, "%s", agreement_partnership(q->a));
	(void)snprintf(h.sender, sizeof h.sender, "%s", id(r));
	(void)snprintf(h.topic, sizeof h.topic, "%s", q->topic);
	memcpy(h.agreement_hash, agreement_hash(q->a), KW_HASH_LEN);
	return agreement_may_send(NULL, NULL, q->a, &h, q->node, q->at_ms, why);
}

static json_t *
publish_json(struct reasoning *r)
{
	const struct agreement_why *w = &r->why;
	char says[KW_WHY_MAX + 256], change[512] = "";
	struct kw_why why;
	enum kw_err err = may_publish(r, &why);

	if (w->publishes)
		say(r, w->publish_line, _("\"publish\" means %s"), partner(r));
	else
		say(r, w->publish_line, _("\"publish\" does not mean %s"), partner(r));
	if (w->lane_line > 0)
		say(r, w->lane_line, _("\"lane\" allows %s and what is lower"), lane_name(w->topic->lane));
	else
		say(r, w->topic->line, _("the topic names no \"lane\", which allows %s and what is lower"), lane_name(w->topic->lane));
	if (w->topic->has_release && w->publishes)
		say(r, w->approve_line, _("what is published there is a draft until all who must have approved it"));
	if (err == KW_OK)
		(void)snprintf(says, sizeof says, _("%s may publish there."), id(r));
	else
		(void)snprintf(says, sizeof says, _("%s may not publish there: %s."), id(r), why.text);
	if (!w->publishes)
		(void)snprintf(change, sizeof change, _("To change that, the steering committee signs a version in which \"publish\" (line %u) means %s."), w->publish_line, partner(r));
	else if (err == KW_OK)
		(void)snprintf(change, sizeof change, _("To change that, the steering committee signs a version in which \"publish\" (line %u) does not mean %s."), w->publish_line, partner(r));
	return answer_json(r, "publish", err == KW_OK, says, change);
}

/* ---- is it responsible? ---- */

static void
say_entries(struct reasoning *r)
{
	const struct agreement_why *w = &r->why;

	for (uint32_t i = 0; i < w->entry_count; i++) {
		const struct agreement_entry *e = &w->entries[i];

		if (!e->area)
			say(r, e->line, _("the entry names it, but \"area\" does not take the topic in"));
		else if (!e->hours)
			say(r, e->line, _("the entry names it, but its \"hours\" are others"));
		else if (!e->first)
			say(r, e->line, _("the entry names it too; its turn comes from an earlier one"));
		else
			say(r, e->line, e->deputy ? _("the entry names it as deputy, and its hours count then") : _("the entry names it, and its hours count then"));
	}
	if (w->coordinator)
		say(r, w->coordinator_line, _("it is the coordinator, whose turn comes when all others had theirs"));
	if (w->entry_count == 0 && !w->coordinator && w->topic->has_responsible)
		say(r, w->topic->line, _("no entry of \"responsible\" names it"));
	else if (!w->topic->has_responsible)
		say(r, w->topic->line, w->takes ? _("nobody stands under \"responsible\": every reader may take on what is sent with a time to take it on")
		                                : _("nobody stands under \"responsible\", and it is no reader"));
}

static json_t *
responsible_json(struct reasoning *r)
{
	const struct reasons_ask *q = r->ask;
	struct agreement_turn turns[AGREEMENT_LINE_MAX];
	uint32_t n = agreement_line(turns, q->a, q->topic, q->at_ms), turn = 0;
	char says[512], at[TEXT_TIME_MAX], within[TEXT_TIME_MAX];

	agreement_put_time(at, q->a, q->at_ms, q->german);
	for (uint32_t i = 0; i < n && turn == 0; i++)
		if (turns[i].node == q->node)
			turn = i + 1;
	say_entries(r);
	if (turn > 0) {
		text_put_duration(within, turns[turn - 1].take_within_ms);
		(void)snprintf(says, sizeof says, _("At %s %s has turn %u of %u, for %s."), at, id(r), turn, n, within);
	} else {
		(void)snprintf(says, sizeof says, _("At %s %s is not responsible."), at, id(r));
	}
	return answer_json(r, "responsible", turn > 0, says, "");
}

static json_t *
approve_json(struct reasoning *r)
{
	char says[512];

	if (r->why.approves)
		say(r, r->why.approve_line, _("\"approve\" means %s; one of its nodes is enough, and none for what is its own"), partner(r));
	else
		say(r, r->why.approve_line, _("\"approve\" does not mean %s"), partner(r));
	(void)snprintf(says, sizeof says, r->why.approves ? _("%s is asked to release what others publish there.") : _("%s is not asked to release what is published there."), id(r));
	return answer_json(r, "approve", r->why.approves, says, "");
}

/* ---- the whole ---- */

static json_t *
no_topic_json(struct reasoning *r)
{
	say(r, 0, _("no filter under \"topics\" takes it in, and what no line allows is refused"));
	return answer_json(r, "delivered", false, _("Nobody may publish on it, and nobody reads it."), _("To change that, the steering committee signs a version with a topic for it."));
}

json_t *
reasons_json(const struct reasons_ask *ask)
{
	struct reasoning r = {.ask = ask, .reasons = json_array()};
	json_t *answers = json_array(), *whole;
	char at[TEXT_TIME_MAX];

	agreement_why(&r.why, ask->a, ask->topic, ask->node, ask->at_ms);
	text_put_time_utc(at, ask->at_ms);
	if (r.why.topic == NULL) {
		json_array_append_new(answers, no_topic_json(&r));
	} else {
		json_array_append_new(answers, delivered_json(&r));
		json_array_append_new(answers, publish_json(&r));
		json_array_append_new(answers, responsible_json(&r));
		if (r.why.topic->has_release)
			json_array_append_new(answers, approve_json(&r));
	}
	json_decref(r.reasons);
	whole = json_pack("{s:s, s:s, s:I, s:s, s:s, s:o}", "topic", ask->topic, "node", id(&r), "version", (json_int_t)agreement_version(ask->a), "kind",
	                  agreement_mode(ask->a) == MODE_LIVE ? "live" : "exercise", "at", at, "answers", answers);
	json_object_set_new(whole, "filter", r.why.topic != NULL ? json_string(r.why.topic->filter) : json_null());
	json_object_set_new(whole, "line", r.why.topic != NULL ? json_integer(r.why.topic->line) : json_null());
	return whole;
}

const json_t *
reasons_answer(const json_t *reasons, const char *question)
{
	json_t *one;
	size_t i;

	json_array_foreach(look_at(reasons, "answers"), i, one)
		if (strcmp(look_text(one, "question"), question) == 0)
			return one;
	return NULL;
}

/* Behind blanks, as wide as the terminal. */
static void
show_indented(const struct cli *c, enum cli_colour colour, size_t indent, const char *text)
{
	struct buf out = BUF_INIT(1u << 16);

	if (text[0] == '\0')
		return;
	cli_put_wrapped(&out, text, c->columns, indent, indent);
	(void)printf("%*s%s%s%s\n", (int)indent, "", cli_colour(c, colour), cli_text(&out), cli_colour(c, CLI_PLAIN));
	buf_free(&out);
}

static bool
shown_before(const json_t *reasons, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (look_number(json_array_get(reasons, k), "line") == look_number(json_array_get(reasons, i), "line"))
			return true;
	return false;
}

void
reasons_show_answer(const struct cli *c, const json_t *answer)
{
	char text[1200];
	json_t *one;
	size_t i;

	cli_paragraph(c, look_flag(answer, "answer") ? CLI_GREEN : CLI_YELLOW, look_text(answer, "says"));
	json_array_foreach(look_at(answer, "reasons"), i, one) {
		if (look_number(one, "line") > 0)
			(void)snprintf(text, sizeof text, _("line %llu: %s"), (unsigned long long)look_number(one, "line"), look_text(one, "says"));
		else
			(void)snprintf(text, sizeof text, "%s", look_text(one, "says"));
		show_indented(c, CLI_PLAIN, 2, text);
		if (!shown_before(look_at(answer, "reasons"), i))
			show_indented(c, CLI_DIM, 4, look_text(one, "text"));
	}
	if (look_text(answer, "change")[0] != '\0')
		cli_paragraph(c, CLI_PLAIN, look_text(answer, "change"));
}

void
reasons_show(const struct cli *c, const json_t *reasons)
{
	json_t *one;
	size_t i;

	json_array_foreach(look_at(reasons, "answers"), i, one) {
		if (i > 0)
			(void)printf("\n");
		reasons_show_answer(c, one);
	}
}
