/* simulation: see its header. */
#include "clients/cli/simulation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP_STEPS_MAX 20000u
#define NOBODY_FIRST ""

enum kw_err
simulation_begin(struct simulation *s, const struct agreement *old, const struct agreement *draft, uint64_t from_ms, uint64_t to_ms)
{
	uint32_t most = agreement_node_count(old) > agreement_node_count(draft) ? agreement_node_count(old) : agreement_node_count(draft);

	*s = (struct simulation){.agreement = {old, draft}, .from_ms = from_ms, .to_ms = to_ms};
	s->audience = calloc(most, sizeof *s->audience);
	return s->audience != NULL ? KW_OK : KW_ENOMEM;
}

static void
free_members(struct sim_member **table)
{
	struct sim_member *next = *table;

	HASH_CLEAR(hh, *table);
	for (struct sim_member *m = next; m != NULL; m = next) {
		next = m->hh.next;
		free(m);
	}
}

void
simulation_end(struct simulation *s)
{
	struct sim_topic *next_topic = s->topics;
	struct sim_move *next_move = s->moves;

	free_members(&s->nodes);
	free_members(&s->partners);
	HASH_CLEAR(hh, s->topics);
	for (struct sim_topic *t = next_topic; t != NULL; t = next_topic) {
		next_topic = t->hh.next;
		free(t->refusal);
		free(t);
	}
	HASH_CLEAR(hh, s->moves);
	for (struct sim_move *m = next_move; m != NULL; m = next_move) {
		next_move = m->hh.next;
		free(m);
	}
	free(s->audience);
	memset(s, 0, sizeof *s);
}

/* ---- tables ---- */

static struct sim_member *
member(struct sim_member **table, const char *id)
{
	struct sim_member *m;

	HASH_FIND_STR(*table, id, m);
	if (m != NULL || (m = calloc(1, sizeof *m)) == NULL)
		return m;
	(void)strncpy(m->id, id, sizeof m->id - 1);
	HASH_ADD_STR(*table, id, m);
	return m;
}

static enum kw_err
topic_of(struct sim_topic **out, struct simulation *s, const char *topic, struct kw_why *why)
{
	struct sim_topic *t;

	HASH_FIND_STR(s->topics, topic, t);
	if (t == NULL) {
		if (HASH_COUNT(s->topics) >= SIM_TOPICS_MAX)
			return kw_refuse(why, KW_ELIMIT, "more than %u different topics; take the headers of fewer with --topic", SIM_TOPICS_MAX);
		if ((t = calloc(1, sizeof *t)) == NULL)
			return kw_refuse(why, KW_ENOMEM, "out of memory");
		(void)strncpy(t->topic, topic, sizeof t->topic - 1);
		HASH_ADD_STR(s->topics, topic, t);
	}
	*out = t;
	return KW_OK;
}

static enum kw_err
count_move(struct simulation *s, const char *from, const char *to, const struct header *h, uint64_t time_ms)
{
	char key[sizeof s->moves->key];
	struct sim_move *m;

	(void)snprintf(key, sizeof key, "%s>%s", from, to);
	HASH_FIND_STR(s->moves, key, m);
	if (m == NULL) {
		if ((m = calloc(1, sizeof *m)) == NULL)
			return KW_ENOMEM;
		memcpy(m->key, key, sizeof key);
		m->from = from;
		m->to = to;
		HASH_ADD_STR(s->moves, key, m);
	}
	if (m->count++ == 0 || time_ms < m->time_ms) {
		memcpy(m->topic, h->topic, sizeof m->topic);
		m->time_ms = time_ms;
	}
	return KW_OK;
}

/* ---- one notification under one agreement ---- */

struct verdict {
	bool accepted, to_take, coordinator;
	const char *first;          /* node id, the agreement's own memory; NOBODY_FIRST */
	struct kw_why why;
};

/* As if it had been sent under a: by its version, at a time at which it is valid. */
static enum kw_err
judge_right(uint32_t *audience, uint32_t *count, const struct agreement *a, const struct header *was, struct kw_why *why)
{
	uint32_t sender = agreement_node(a, was->sender);
	struct header h = *was;

	h.agreement_version = agreement_version(a);
	memcpy(h.agreement_hash, agreement_hash(a), KW_HASH_LEN);
	return agreement_may_send(audience, count, a, &h, sender, agreement_until_ms(a) - 1, why);
}

static void
judge_line(struct verdict *v, const struct agreement *a, const struct header *h, uint64_t time_ms)
{
	struct agreement_turn turns[AGREEMENT_LINE_MAX];
	bool opens = h->type == TYPE_NOTICE || h->type == TYPE_REQUEST;

	if (!opens || (h->take_within_s == 0 && !agreement_topic(a, h->topic)->has_responsible) || agreement_line(turns, a, h->topic, time_ms) == 0)
		return;
	v->to_take = true;
	v->coordinator = turns[0].last_resort;
	v->first = agreement_node_id(a, turns[0].node);
}

static enum kw_err
count_readers(struct simulation *s, enum sim_side side, uint32_t n)
{
	const struct agreement *a = s->agreement[side];

	for (uint32_t i = 0; i < n; i++) {
		struct sim_member *node = member(&s->nodes, agreement_node_id(a, s->audience[i]));
		struct sim_member *partner = member(&s->partners, agreement_node_partner(a, s->audience[i]));

		if (node == NULL || partner == NULL)
			return KW_ENOMEM;
		node->gets[side]++;
		partner->gets[side] += partner->counted[side] != s->count;
		partner->counted[side] = s->count;
	}
	return KW_OK;
}

static enum kw_err
count_first(struct simulation *s, enum sim_side side, const struct verdict *v)
{
	const struct agreement *a = s->agreement[side];
	struct sim_member *node, *partner;

	if (!v->to_take)
		return KW_OK;
	node = member(&s->nodes, v->first);
	partner = member(&s->partners, agreement_node_partner(a, agreement_node(a, v->first)));
	if (node == NULL || partner == NULL)
		return KW_ENOMEM;
	node->first[side]++;
	partner->first[side]++;
	return KW_OK;
}

static void
add_figures(struct sim_figures *f, const struct verdict *v)
{
	f->accepted += v->accepted;
	f->refused += !v->accepted;
	f->to_take += v->to_take;
	f->coordinator += v->coordinator;
}

static enum kw_err
judge(struct verdict *v, struct simulation *s, struct sim_topic *t, enum sim_side side, const struct header *h, uint64_t time_ms)
{
	uint32_t n = 0;
	enum kw_err err = KW_OK;

	memset(v, 0, sizeof *v);
	v->first = NOBODY_FIRST;
	v->accepted = judge_right(s->audience, &n, s->agreement[side], h, &v->why) == KW_OK;
	if (v->accepted) {
		judge_line(v, s->agreement[side], h, time_ms);
		err = count_readers(s, side, n);
	}
	add_figures(&s->of[side], v);
	add_figures(&t->of[side], v);
	return err == KW_OK ? count_first(s, side, v) : err;
}

static enum kw_err
keep_refusal(struct sim_topic *t, const struct verdict *v, const struct header *h, uint64_t time_ms)
{
	if (t->refusal != NULL && time_ms >= t->refused_ms)
		return KW_OK;
	free(t->refusal);
	t->refusal = strdup(v->why.text);
	memcpy(t->refused_sender, h->sender, sizeof t->refused_sender);
	t->refused_ms = time_ms;
	return t->refusal != NULL ? KW_OK : KW_ENOMEM;
}

static enum kw_err
compare(struct simulation *s, struct sim_topic *t, const struct header *h, uint64_t time_ms)
{
	struct verdict of[SIM_SIDES];
	enum kw_err err;

	if ((err = judge(&of[SIM_OLD], s, t, SIM_OLD, h, time_ms)) != KW_OK || (err = judge(&of[SIM_DRAFT], s, t, SIM_DRAFT, h, time_ms)) != KW_OK)
		return err;
	if (of[SIM_OLD].accepted && !of[SIM_DRAFT].accepted && (err = keep_refusal(t, &of[SIM_DRAFT], h, time_ms)) != KW_OK)
		return err;
	if (strcmp(of[SIM_OLD].first, of[SIM_DRAFT].first) == 0)
		return KW_OK;
	t->moved++;
	return count_move(s, of[SIM_OLD].first, of[SIM_DRAFT].first, h, time_ms);
}

enum kw_err
simulation_add(struct simulation *s, const struct header *h, uint64_t time_ms, struct kw_why *why)
{
	struct sim_topic *t = NULL;
	enum kw_err err;

	if (time_ms < s->from_ms || time_ms >= s->to_ms) {
		s->outside++;
		return KW_OK;
	}
	if ((h->type < TYPE_NOTICE || h->type > TYPE_RECALL) && h->type != TYPE_REQUEST) {
		s->others++;
		return KW_OK;
	}
	if ((err = topic_of(&t, s, h->topic, why)) != KW_OK)
		return err;
	s->earliest_ms = s->count == 0 || time_ms < s->earliest_ms ? time_ms : s->earliest_ms;
	s->count++;
	t->count++;
	if ((err = compare(s, t, h, time_ms)) != KW_OK)
		return kw_refuse(why, err, "out of memory");
	return KW_OK;
}

/* ---- gaps ---- */

/* The longest time in which the line of topic begins with the coordinator as the last resort. */
static void
find_gap(struct sim_gap *out, const struct agreement *a, const char *topic, uint64_t from_ms, uint64_t to_ms)
{
	uint64_t begun = 0, at = from_ms;

	for (uint32_t steps = 0; at < to_ms && steps < GAP_STEPS_MAX; steps++) {
		struct agreement_turn turns[AGREEMENT_LINE_MAX];
		uint64_t until = agreement_line_until(a, topic, at);
		bool gap = agreement_line(turns, a, topic, at) > 0 && turns[0].last_resort;

		if (until > to_ms)
			until = to_ms;
		begun = !gap ? 0 : begun != 0 ? begun : at;
		if (gap && until - begun > out->to_ms - out->from_ms)
			*out = (struct sim_gap){begun, until};
		at = until;
	}
}

static void
find_gaps(struct simulation *s, uint64_t from_ms, uint64_t to_ms)
{
	struct sim_topic *t, *next;
	uint32_t looked = 0;

	HASH_ITER(hh, s->topics, t, next) {
		if (looked == SIM_GAP_TOPICS_MAX || t->of[SIM_OLD].to_take + t->of[SIM_DRAFT].to_take == 0)
			return;
		looked++;
		for (int side = 0; side < SIM_SIDES; side++)
			if (t->of[side].to_take > 0)
				find_gap(&t->gap[side], s->agreement[side], t->topic, from_ms, to_ms);
	}
}

/* ---- order ---- */

static int
more(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

static int
by_duty(const struct sim_topic *a, const struct sim_topic *b)
{
	int order = more(a->of[SIM_OLD].to_take + a->of[SIM_DRAFT].to_take, b->of[SIM_OLD].to_take + b->of[SIM_DRAFT].to_take);

	if (order == 0)
		order = more(a->count, b->count);
	return order != 0 ? order : strcmp(a->topic, b->topic);
}

static int
by_id(const struct sim_member *a, const struct sim_member *b)
{
	return strcmp(a->id, b->id);
}

static int
by_count(const struct sim_move *a, const struct sim_move *b)
{
	int order = more(a->count, b->count);

	return order != 0 ? order : strcmp(a->key, b->key);
}

void
simulation_finish(struct simulation *s, uint64_t from_ms, uint64_t to_ms)
{
	HASH_SORT(s->topics, by_duty);
	HASH_SORT(s->nodes, by_id);
	HASH_SORT(s->partners, by_id);
	HASH_SORT(s->moves, by_count);
	find_gaps(s, from_ms, to_ms);
}
