/* agreement_line: who is responsible at a time, in which order, and who else must or may come in. */
#include <string.h>

#include "certs/agreement_parts.h"

#define LOOK_AHEAD_MS (400 * DAY_MS)
#define MINUTE_MS (60ull * 1000)

/* The level-th level of the topic, from 1; its length, 0: it has fewer. */
static size_t
level_of(const char **level, const char *topic, uint32_t wanted)
{
	const char *at = topic;

	for (uint32_t i = 1; i < wanted; i++) {
		at += strcspn(at, "/");
		if (*at++ == '\0')
			return 0;
	}
	*level = at;
	return strcspn(at, "/");
}

bool
area_holds(const struct area *area, const char *topic)
{
	const char *level;
	size_t len;

	if (area->level == 0)
		return true;
	len = level_of(&level, topic, area->level);
	for (uint32_t i = 0; i < area->count; i++)
		if (len > 0 && strlen(area->names[i]) == len && memcmp(area->names[i], level, len) == 0)
			return true;
	return false;
}

static void
add_turn(struct agreement_turn *turns, uint32_t *n, struct agreement_turn turn)
{
	for (uint32_t i = 0; i < *n; i++)
		if (turns[i].node == turn.node)
			return;
	MUST(*n < AGREEMENT_LINE_MAX);
	turns[(*n)++] = turn;
}

static uint32_t
line_at(struct agreement_turn *turns, const struct agreement *a, const struct topic_rule *t, const char *topic, const struct hours_when *when)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->line_count; i++) {
		const struct responsible *r = &t->line[i];

		if (!hours_at(&r->hours, when) || !area_holds(&r->area, topic))
			continue;
		add_turn(turns, &n, (struct agreement_turn){.node = r->node, .rule = i, .take_within_ms = r->take_within_ms, .line = (uint32_t)r->line});
		for (uint32_t k = 0; k < r->deputy_count; k++)
			add_turn(turns, &n, (struct agreement_turn){.node = r->deputies[k], .rule = i, .take_within_ms = r->take_within_ms, .deputy = true, .line = (uint32_t)r->line});
	}
	add_turn(turns, &n, (struct agreement_turn){.node = a->coordinator, .rule = t->line_count, .take_within_ms = a->coordinator_within_ms, .last_resort = true});
	return n;
}

uint32_t
agreement_line(struct agreement_turn turns[AGREEMENT_LINE_MAX], const struct agreement *a, const char *topic, uint64_t at_ms)
{
	const struct topic_rule *t = agreement_rule(a, topic);
	struct hours_when when;

	if (t == NULL)
		return 0;
	when = calendar_when(a, at_ms);
	return line_at(turns, a, t, topic, &when);
}

uint64_t
agreement_coordinator_within_ms(const struct agreement *a)
{
	return a->coordinator_within_ms;
}

uint64_t
agreement_turn_ms(const struct agreement_topic *topic, const struct agreement_turn *turn, uint32_t take_within_s)
{
	if (topic == NULL || take_within_s == 0 || (topic->has_responsible && turn->last_resort))
		return turn->take_within_ms;
	return (uint64_t)take_within_s * 1000;
}

uint64_t
agreement_line_ms(const struct agreement *a, const char *topic, uint32_t take_within_s, uint64_t at_ms)
{
	const struct agreement_topic *t = agreement_topic(a, topic);
	struct agreement_turn turns[AGREEMENT_LINE_MAX];
	uint32_t n = agreement_line(turns, a, topic, at_ms);
	uint64_t sum_ms = 0;

	for (uint32_t i = 0; i < n; i++)
		sum_ms += agreement_turn_ms(t, &turns[i], take_within_s);
	return sum_ms;
}

/* ---- until when ---- */

/* The next moment at which some entry's hours may begin or end: a boundary of a range, or midnight. */
static uint64_t
next_boundary(const struct agreement *a, const struct topic_rule *t, uint64_t at_ms)
{
	uint64_t soon = zone_next_minute(a->zone, at_ms), then;
	uint32_t minute = zone_local(a->zone, at_ms).minute, next = MINUTES_A_DAY;

	for (uint32_t i = 0; i < t->line_count; i++)
		for (uint32_t k = 0; k < t->line[i].hours.count; k++) {
			const struct hours_rule *r = &t->line[i].hours.rule[k];

			if (r->from > minute && r->from < next)
				next = r->from;
			if (r->to > minute && r->to < next)
				next = r->to;
		}
	then = soon + (next - minute - 1) * MINUTE_MS;
	/* where clocks change on the way, minute by minute */
	return zone_offset(a->zone, (int64_t)(then / 1000)) == zone_offset(a->zone, (int64_t)(at_ms / 1000)) ? then : soon;
}

static bool
same_line(const struct agreement_turn *x, uint32_t x_count, const struct agreement_turn *y, uint32_t y_count)
{
	if (x_count != y_count)
		return false;
	for (uint32_t i = 0; i < x_count; i++)
		if (x[i].node != y[i].node || x[i].rule != y[i].rule)
			return false;
	return true;
}

uint64_t
agreement_line_until(const struct agreement *a, const char *topic, uint64_t at_ms)
{
	const struct topic_rule *t = agreement_rule(a, topic);
	struct agreement_turn now[AGREEMENT_LINE_MAX], then[AGREEMENT_LINE_MAX];
	uint32_t count, bounded = 0;
	struct hours_when when;

	for (uint32_t i = 0; t != NULL && i < t->line_count; i++)
		bounded += t->line[i].hours.count;
	if (bounded == 0 || at_ms > UINT64_MAX - 2 * LOOK_AHEAD_MS)
		return UINT64_MAX;
	when = calendar_when(a, at_ms);
	count = line_at(now, a, t, topic, &when);
	for (uint64_t at = next_boundary(a, t, at_ms); at < at_ms + LOOK_AHEAD_MS; at = next_boundary(a, t, at)) {
		when = calendar_when(a, at);
		if (!same_line(now, count, then, line_at(then, a, t, topic, &when)))
			return at;
	}
	return UINT64_MAX;
}

/* ---- whoever it may be ---- */

uint32_t
agreement_line_nodes(uint32_t nodes[AGREEMENT_LINE_MAX], const struct agreement *a, const char *topic)
{
	const struct topic_rule *t = agreement_rule(a, topic);
	uint32_t n = 0;

	for (uint32_t i = 0; t != NULL && i < a->node_count; i++) {
		if (!rule_in_line(a, t, i) && i != a->coordinator)
			continue;
		MUST(n < AGREEMENT_LINE_MAX);
		nodes[n++] = i;
	}
	return n;
}

bool
rule_names(const struct topic_rule *t, uint32_t node)
{
	for (uint32_t i = 0; i < t->line_count; i++) {
		if (t->line[i].node == node)
			return true;
		for (uint32_t k = 0; k < t->line[i].deputy_count; k++)
			if (t->line[i].deputies[k] == node)
				return true;
	}
	return false;
}

bool
rule_in_line(const struct agreement *a, const struct topic_rule *t, uint32_t node)
{
	return t->view.has_responsible && (node == a->coordinator || rule_names(t, node));
}

bool
agreement_is_responsible(const struct agreement *a, const char *topic, uint32_t node)
{
	const struct topic_rule *t = agreement_rule(a, topic);

	return t != NULL && node < a->node_count && rule_in_line(a, t, node);
}

bool
rule_may_take(const struct agreement *a, const struct topic_rule *t, uint32_t node)
{
	if (t->view.has_responsible)
		return node < a->node_count && rule_in_line(a, t, node);
	return node == a->coordinator || rule_may_read(a, t, node);
}

bool
agreement_may_take(const struct agreement *a, const char *topic, uint32_t node)
{
	const struct topic_rule *t = agreement_rule(a, topic);

	return t != NULL && rule_may_take(a, t, node);
}

bool
rule_onward(const struct agreement *a, const struct topic_rule *t, uint32_t node)
{
	return node < a->node_count && t->onward[a->nodes[node].partner] != 0;
}

bool
agreement_onward(const struct agreement *a, const char *topic, uint32_t node)
{
	const struct topic_rule *t = agreement_rule(a, topic);

	return t != NULL && rule_onward(a, t, node);
}

/* The nodes of the partners whose flag is set, but for one partner. */
static uint32_t
flagged(uint32_t *nodes, const struct agreement *a, const uint8_t *flags, uint32_t but)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < a->node_count; i++)
		if (flags[a->nodes[i].partner] != 0 && a->nodes[i].partner != but)
			nodes[n++] = i;
	return n;
}

uint32_t
agreement_acknowledgers(uint32_t *nodes, const struct agreement *a, const char *topic, uint32_t sender)
{
	const struct topic_rule *t = agreement_rule(a, topic);

	return t != NULL ? flagged(nodes, a, t->acknowledge, sender < a->node_count ? a->nodes[sender].partner : AGREEMENT_NOBODY) : 0;
}

uint32_t
agreement_approvers(uint32_t *nodes, const struct agreement *a, const char *topic, uint32_t author)
{
	const struct topic_rule *t = agreement_rule(a, topic);

	return t != NULL ? flagged(nodes, a, t->approve, author < a->node_count ? a->nodes[author].partner : AGREEMENT_NOBODY) : 0;
}

bool
rule_must_approve(const struct agreement *a, const struct topic_rule *t, uint32_t node)
{
	return node < a->node_count && t->approve[a->nodes[node].partner] != 0;
}

bool
agreement_must_approve(const struct agreement *a, const char *topic, uint32_t node)
{
	const struct topic_rule *t = agreement_rule(a, topic);

	return t != NULL && rule_must_approve(a, t, node);
}
