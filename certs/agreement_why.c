/* agreement_why: see its header. */
#include "certs/agreement_why.h"

#include <string.h>

#include "certs/agreement_parts.h"

static_assert(AGREEMENT_ENTRIES_MAX >= RESPONSIBLE_MAX, "all that can name a node");

static bool
is_deputy(const struct responsible *r, uint32_t node)
{
	for (uint32_t i = 0; i < r->deputy_count; i++)
		if (r->deputies[i] == node)
			return true;
	return false;
}

static void
find_entries(struct agreement_why *out, const struct agreement *a, const struct topic_rule *t, const char *topic, uint32_t node, uint64_t at_ms)
{
	struct agreement_turn turns[AGREEMENT_LINE_MAX];
	uint32_t n = agreement_line(turns, a, topic, at_ms), rule = t->line_count;
	struct hours_when when = calendar_when(a, at_ms);

	for (uint32_t i = 0; i < n; i++)
		if (turns[i].node == node && !turns[i].last_resort)
			rule = turns[i].rule;
	for (uint32_t i = 0; i < t->line_count; i++) {
		const struct responsible *r = &t->line[i];

		if (r->node != node && !is_deputy(r, node))
			continue;
		out->entries[out->entry_count++] = (struct agreement_entry){.line = (uint32_t)r->line, .deputy = r->node != node,
			.hours = hours_at(&r->hours, &when), .area = area_holds(&r->area, topic), .first = i == rule};
	}
}

void
agreement_why(struct agreement_why *out, const struct agreement *a, const char *topic, uint32_t node, uint64_t at_ms)
{
	const struct topic_rule *t = agreement_rule(a, topic);
	const struct partner *p;

	MUST(node < a->node_count);
	p = &a->partners[a->nodes[node].partner];
	*out = (struct agreement_why){.purpose = "", .partner_line = (uint32_t)p->line, .purposes_line = (uint32_t)p->purposes_line, .civil = p->kind == KIND_CIVIL,
		.coordinator_line = (uint32_t)a->coordinator_line, .coordinator = node == a->coordinator};
	if (t == NULL)
		return;
	out->topic = &t->view;
	out->publish_line = t->at.publish;
	out->receive_line = t->at.receive;
	out->purpose_line = t->at.purpose;
	out->lane_line = t->at.lane;
	out->approve_line = t->at.approve;
	out->onward_line = t->at.onward;
	out->purpose = t->purpose;
	out->barred = t->barred[a->nodes[node].partner] != 0;
	out->reads = rule_may_read(a, t, node);
	out->publishes = rule_may_publish(a, t, node);
	out->takes = rule_may_take(a, t, node);
	out->approves = rule_must_approve(a, t, node);
	out->onward = rule_onward(a, t, node);
	find_entries(out, a, t, topic, node, at_ms);
}

uint32_t
agreement_entry_line(const struct agreement *a, const char *topic, uint32_t rule)
{
	const struct topic_rule *t = agreement_rule(a, topic);

	return t != NULL && rule < t->line_count ? (uint32_t)t->line[rule].line : 0;
}

struct span
agreement_line_text(const struct agreement *a, uint32_t line)
{
	const char *at = (const char *)a->text.p, *end = at + a->text.len;

	for (uint32_t i = 1; i < line && at < end; i++) {
		const char *next = memchr(at, '\n', (size_t)(end - at));

		at = next != NULL ? next + 1 : end;
	}
	if (line == 0 || at >= end)
		return span_of(NULL, 0);
	if (memchr(at, '\n', (size_t)(end - at)) != NULL)
		end = memchr(at, '\n', (size_t)(end - at));
	while (at < end && (*at == ' ' || *at == '\r'))
		at++;
	while (end > at && (end[-1] == ' ' || end[-1] == '\r'))
		end--;
	return span_of(at, (size_t)(end - at));
}
