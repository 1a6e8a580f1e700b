/* case_model: see case_model.h. */
#include "case_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PENDING_MAX 2u
#define WINDOW_MAX 5u

static void
fault(struct case_model *m, const char *what, const struct kw_case *c, const struct case_log_entry *e)
{
	if (m->fault[0] != '\0')
		return;
	(void)snprintf(m->fault, sizeof m->fault, "%s (entry %llu: %s %u to %u at %llu; before: %s, owner %u, next %u, until %llu)", what,
	               e == NULL ? 0 : (unsigned long long)e->number,
	               e == NULL ? "-" : e->is_statement ? case_cause_name(e->statement.cause) : case_move_name(e->move.kind),
	               e == NULL ? 0 : e->is_statement ? e->statement.owner : e->move.actor, e == NULL ? 0 : e->is_statement ? e->statement.next : e->move.to,
	               e == NULL || !e->is_statement ? 0 : (unsigned long long)e->statement.time_ms, case_state_name((enum case_state)c->state), c->owner,
	               c->next, (unsigned long long)c->until_ms);
}

/* ---- the machine, or what the mutant makes of it ---- */

static enum case_verdict
apply(const struct case_model *m, struct kw_case *c, const struct case_log_entry *e)
{
	const struct case_mutant *mu = m->mutant;
	enum case_verdict v;

	if (!e->is_statement) {
		v = case_move_by(mu->table != NULL ? mu->table : &case_table, c, &e->move, &m->world->rules);
		if (mu->after_move != NULL)
			mu->after_move(c, &e->move, v);
		return v;
	}
	v = case_entry(c, &e->statement, e->number, &m->world->rules);
	if (v == CASE_V_OK && mu->after_entry != NULL)
		mu->after_entry(c, &e->statement);
	return v;
}

static bool
broker_states(const struct case_model *m, struct case_statement *s, const struct kw_case *c, uint64_t now_ms, uint32_t in_force)
{
	return case_wants(s, c, &m->world->rules, now_ms, in_force) && (m->mutant->states == NULL || m->mutant->states(s, c));
}

/* Nodes run the real code; where the mutant sits in what both share, they would only agree in the error. */
static bool
nodes_are_real(const struct case_model *m)
{
	return m->mutant->table == NULL && m->mutant->after_move == NULL && m->mutant->after_entry == NULL;
}

/* ---- promises: one owner ---- */

static bool
nobodys(const struct kw_case *c)
{
	return c->state == CASE_WAITING || c->state == CASE_OFFERED || c->state == CASE_ESCALATED;
}

static bool
in_line(const struct case_model *m, uint32_t version, uint32_t actor)
{
	const struct case_world_version *v = &m->world->v[version];

	for (uint32_t i = 0; i < v->day_count; i++)
		if (v->day[i].actor == actor && !v->open_to_readers)
			return true;
	for (uint32_t i = 0; i < v->night_count; i++)
		if (v->night[i].actor == actor && !v->open_to_readers)
			return true;
	return false;
}

static bool
entitled(const struct case_model *m, const struct kw_case *c, uint32_t actor)
{
	bool reader = c->open_to_readers && actor != SENDER && (m->world->readers >> actor & 1) != 0;

	return actor == c->coordinator || in_line(m, c->version, actor) || reader || (c->state == CASE_OFFERED && c->owner == actor);
}

static bool
same_but_counts(struct kw_case a, struct kw_case b)
{
	a.upto = b.upto = a.moved = b.moved = a.entries = b.entries = 0;
	a.moves = b.moves = a.newest = b.newest = 0;
	return memcmp(&a, &b, sizeof a) == 0;
}

/* Who may take a case and came second takes part from then on, and nothing else changes. */
static bool
second_is_told(const struct case_model *m, struct kw_case before, const struct case_log_entry *e, enum case_verdict v)
{
	return (v == CASE_V_TAKEN_BY || v == CASE_V_CLOSED) && !e->is_statement && e->move.kind == MOVE_TAKE && entitled(m, &before, e->move.actor) && !case_is_party(&before, e->move.actor);
}

static struct kw_case
with_party(struct kw_case c, uint32_t actor)
{
	c.party[c.party_count] = actor;
	c.flags[c.party_count++] = 0;
	return c;
}

/* May this move have made after of before? */
static bool
move_was_right(const struct case_model *m, const struct kw_case *before, const struct case_move *mv, const struct kw_case *after)
{
	bool same_owner = after->owner == before->owner, by_owner = before->owner == mv->actor;

	switch (mv->kind) {
	case MOVE_TAKE:
		if (after->state != CASE_TAKEN || after->owner != mv->actor || after->next != CASE_NOBODY)
			return false;
		return nobodys(before) ? entitled(m, before, mv->actor) : before->state == CASE_TAKEN && before->next == mv->actor && !by_owner;
	case MOVE_DECLINE:
		if (before->state == CASE_TAKEN)
			return after->state == CASE_TAKEN && same_owner && before->next == mv->actor && after->next == CASE_NOBODY;
		if (after->state == CASE_WAITING && before->state == CASE_OFFERED)
			return by_owner && after->owner == after->coordinator && case_party_is(after, mv->actor, PARTY_TRIED);
		return after->state == before->state && same_owner && after->until_ms == before->until_ms && in_line(m, before->version, mv->actor);
	case MOVE_HAND_OVER:
		return before->state == CASE_TAKEN && by_owner && after->state == CASE_TAKEN && same_owner && after->next == mv->to && mv->to != mv->actor
		    && !case_party_is(before, mv->to, PARTY_GAVE);
	case MOVE_RETURN:
		return before->state == CASE_TAKEN && by_owner && after->state == CASE_WAITING && after->owner == after->coordinator;
	case MOVE_DONE:
		return before->state == CASE_TAKEN && by_owner && after->state == CASE_DONE && same_owner;
	case MOVE_REOPEN:
		return before->state == CASE_DONE && (by_owner || mv->actor == SENDER || mv->actor == before->coordinator) && after->state == CASE_WAITING;
	case MOVE_RECALL:
		return before->state != CASE_RECALLED && before->state != CASE_LAPSED && (m->world->recallers >> mv->actor & 1) != 0
		    && after->state == CASE_RECALLED && same_owner;
	case MOVE_COUNT:
		break;
	}
	return false;
}

/* Somebody of the line at that hour, the coordinator apart, who has not had a turn; before whom (CASE_NOBODY: anybody at all). */
static bool
somebody_left(const struct case_model *m, const struct kw_case *c, uint64_t at_ms, uint32_t before_whom)
{
	const struct case_world_version *v = &m->world->v[c->version];
	bool day = at_ms % CASE_DAY_MS < CASE_DAY_MS / 2;

	for (uint32_t i = 0; i < (day ? v->day_count : v->night_count); i++) {
		uint32_t actor = (day ? v->day : v->night)[i].actor;

		if (actor == before_whom)
			return false;
		if (actor != c->coordinator && !case_party_is(c, actor, PARTY_TRIED) && (m->world->v[c->in_force].nodes >> actor & 1) != 0)
			return true;
	}
	return false;
}

static bool
turn_was_right(const struct case_model *m, const struct kw_case *before, const struct case_statement *s, const struct kw_case *after)
{
	if (after->state == CASE_ESCALATED)
		return after->owner == after->coordinator && !somebody_left(m, after, s->time_ms, CASE_NOBODY);
	if (after->state != CASE_OFFERED)
		return false;
	if (after->owner == before->wish || (after->open_to_readers && after->owner == after->coordinator))
		return true;
	return in_line(m, after->version, after->owner) && !case_party_is(after, after->owner, PARTY_TRIED) && !somebody_left(m, after, s->time_ms, after->owner);
}

static bool
statement_was_right(const struct case_model *m, const struct kw_case *before, const struct case_statement *s, const struct kw_case *after)
{
	bool open = nobodys(before) || before->state == CASE_TAKEN;
	bool same = after->state == before->state && after->owner == before->owner;

	switch (s->cause) {
	case CAUSE_OPENED:
	case CAUSE_MOVED:
	case CAUSE_VOID:
		return before->state == CASE_WAITING ? turn_was_right(m, before, s, after) : same && after->next == before->next;
	case CAUSE_TIMEOUT:
		return before->state == CASE_OFFERED && s->time_ms >= before->until_ms && case_party_is(after, before->owner, PARTY_TRIED)
		    && turn_was_right(m, before, s, after);
	case CAUSE_HANDOVER_LAPSED:
		return before->state == CASE_TAKEN && same && s->time_ms >= before->until_ms && before->next != CASE_NOBODY && after->next == CASE_NOBODY;
	case CAUSE_ALARM:
		return before->state == CASE_ESCALATED && same && s->time_ms >= before->until_ms && after->alarms == before->alarms + 1;
	case CAUSE_LAPSED:
		return open && after->state == CASE_LAPSED && s->time_ms >= before->expires_ms;
	case CAUSE_AGREEMENT:
		if (!open || s->in_force <= before->in_force)
			return false;
		if (same && (m->world->v[s->in_force].nodes >> after->owner & 1) != 0 && (after->until_ms == before->until_ms || after->state == CASE_TAKEN))
			return true; /* its turn or its case still */
		return turn_was_right(m, before, s, after);
	}
	return false;
}

static void
check_step(struct case_model *m, const struct kw_case *before, const struct case_log_entry *e, enum case_verdict v, const struct kw_case *after)
{
	if (case_unsound(after) != NULL)
		fault(m, case_unsound(after), before, e);
	if (!case_is_party(after, after->owner))
		fault(m, "the owner is nobody", before, e);
	if (v != CASE_V_OK) {
		struct kw_case as_told = second_is_told(m, *before, e, v) ? with_party(*before, e->move.actor) : *before;

		if (!same_but_counts(as_told, *after))
			fault(m, "what is void changed something", before, e);
		return;
	}
	if (e->is_statement ? !statement_was_right(m, before, &e->statement, after) : !move_was_right(m, before, &e->move, after))
		fault(m, "it became what it must not become", before, e);
}

/* The same step by the other telling. */
static void
check_oracle(struct case_model *m, struct case_oracle *o, const struct kw_case *before, const struct case_log_entry *e, enum case_verdict v, const struct kw_case *after)
{
	enum case_verdict other = e->is_statement ? case_oracle_statement(o, m->world, &e->statement, e->number) : case_oracle_move(o, m->world, &e->move);

	if (other != v)
		fault(m, "by the oracle it ends otherwise", before, e);
	else if (case_oracle_differs(o, after) != NULL)
		fault(m, case_oracle_differs(o, after), before, e);
}

/* ---- promises: nothing lost ---- */

static void
check_not_lost(struct case_model *m, const struct kw_case *now, uint64_t now_ms, uint32_t in_force)
{
	struct kw_case c = *now;

	c.expires_ms = UINT64_MAX; /* that it lapses at last is not what saves it */
	for (uint32_t i = 0; i < 12; i++) {
		struct case_log_entry e = {.number = c.upto + 1, .is_statement = true};
		struct kw_case before = c;

		if (!case_is_open(&c) || (c.state == CASE_TAKEN && c.next == CASE_NOBODY && c.changed == c.stated))
			return;
		if (case_deadline_ms(&c) == UINT64_MAX)
			break;
		if (case_deadline_ms(&c) > now_ms)
			now_ms = case_deadline_ms(&c);
		if (!broker_states(m, &e.statement, &c, now_ms, in_force) || apply(m, &c, &e) != CASE_V_OK || case_unsound(&c) != NULL)
			break;
		if (e.statement.cause == CAUSE_ALARM && before.state == CASE_ESCALATED)
			return;
	}
	fault(m, "nobody has it, and nobody is ever told", now, NULL);
}

/* ---- promises: nodes agree ---- */

/* Only what is in use: most of a log is room. */
static void
log_copy(struct case_log *to, const struct case_log *from)
{
	memcpy(to, from, offsetof(struct case_log, tail) + from->count * sizeof from->tail[0]);
}

static bool
log_same(const struct case_log *a, const struct case_log *b)
{
	if (a->count != b->count || a->stopped != b->stopped || a->stopped_at != b->stopped_at)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (a->tail[i].number != b->tail[i].number)
			return false;
	return memcmp(&a->base, &b->base, sizeof a->base) == 0 && memcmp(&a->now, &b->now, sizeof a->now) == 0;
}

/* Every order in which these entries can come to a node that has all before them. */
static void
check_orders(struct case_model *m, const struct kw_case *base, const struct case_log_entry *e, uint32_t n, const struct kw_case *end)
{
	static struct case_log have[1u << WINDOW_MAX], next;
	static bool seen[1u << WINDOW_MAX];
	struct kw_case at = *base;

	memset(seen, 0, sizeof seen);
	memset(&have[0], 0, offsetof(struct case_log, tail));
	have[0].base = have[0].now = *base;
	seen[0] = true;
	for (uint32_t set = 0; set + 1 < 1u << n; set++)
		for (uint32_t i = 0; i < n; i++) {
			uint32_t with = set | 1u << i;

			if (with == set)
				continue;
			log_copy(&next, &have[set]);
			if (case_log_add(&next, &e[i], &m->world->rules) != CASE_LOG_ADDED)
				fault(m, "an entry found no place at a node", base, &e[i]);
			if (case_verdict_parted(next.parted.verdict) || next.parted.verdict == CASE_V_MISSING)
				fault(m, case_verdict_name(next.parted.verdict), base, &e[i]);
			if (seen[with] && !log_same(&next, &have[with]))
				fault(m, "a node stands otherwise by another order of arrival", base, &e[i]);
			if (!seen[with])
				log_copy(&have[with], &next);
			seen[with] = true;
			m->orders++;
			switch (case_log_add(&next, &e[i], &m->world->rules)) { /* twice is once */
			case CASE_LOG_AGAIN:
			case CASE_LOG_OLD:
				break;
			default:
				fault(m, "an entry that came twice counted twice", base, &e[i]);
			}
		}
	for (uint32_t i = 0; i < n; i++) { /* with all up to an entry it stands where the log stands */
		(void)apply(m, &at, &e[i]);
		if (have[(2u << i) - 1].stopped != CASE_V_OK || memcmp(&have[(2u << i) - 1].now, &at, sizeof at) != 0)
			fault(m, "a node that has everything stands otherwise than the log", base, &e[i]);
	}
	if (memcmp(&have[(1u << n) - 1].now, end, sizeof *end) != 0)
		fault(m, "a node that has everything stands otherwise than the broker", base, &e[n - 1]);
}

/* ---- promises: restart ---- */

static struct kw_case
restarted(struct case_model *m, const struct kw_case *snapshot, const struct case_log_entry *e, uint32_t n)
{
	uint8_t bytes[CASE_CODE_MAX];
	struct kw_case c = *snapshot;

	if (case_unsound(&c) != NULL || case_decode(&c, span_of(bytes, case_encode(bytes, snapshot)), NULL) != KW_OK) {
		fault(m, "a snapshot is not read again", snapshot, NULL);
		return c;
	}
	if (m->mutant->recovers != NULL)
		m->mutant->recovers(&c);
	for (uint32_t i = 0; i < n && !m->mutant->forgets_log; i++)
		(void)apply(m, &c, &e[i]);
	return c;
}

static void
check_restart(struct case_model *m, const struct kw_case *snapshot, const struct case_log_entry *e, uint32_t n, const struct kw_case *end)
{
	struct kw_case c = restarted(m, snapshot, e, n);

	if (memcmp(&c, end, sizeof c) != 0)
		fault(m, "after a restart the broker stands otherwise", snapshot, n > 0 ? &e[0] : NULL);
}

/* ---- states ---- */

struct state {
	struct kw_case base;                     /* everybody has everything up to here */
	struct kw_case c;                        /* and the broker has committed the tail */
	struct case_oracle o;                         /* what else is known of c */
	uint64_t now_ms;
	uint32_t in_force;
	uint32_t depth;                          /* steps from the opening */
	uint32_t tail_count, pending_count;
	struct case_log_entry tail[WINDOW_MAX], pending[PENDING_MAX];
};

struct queue { struct state *at; size_t first, count, room; };
struct seen { uint64_t (*slot)[2]; size_t room; };

static uint64_t
mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9E3779B97F4A7C15u;
	return h ^ (h >> 29) ^ (h << 17);
}

static uint64_t
rank(const uint64_t *sorted, uint32_t n, uint64_t v)
{
	uint64_t r = 1;

	for (uint32_t i = 0; i < n; i++)
		r += sorted[i] < v ? 1 : 0;
	return v == 0 ? 0 : r;
}

/* What matters of a state for all that can follow: numbers count by their order alone, entries by their difference. */
static void
fingerprint(const struct case_model *m, const struct state *s, uint64_t out[2])
{
	uint64_t numbers[6 + PENDING_MAX], sorted[6 + PENDING_MAX], words[100];
	uint32_t n = 0, k = 0, w = 0;
	const struct kw_case *c = &s->c;

	numbers[n++] = c->opened, numbers[n++] = c->upto, numbers[n++] = c->changed, numbers[n++] = c->moved;
	numbers[n++] = c->stated, numbers[n++] = c->stated_upto;
	for (uint32_t i = 0; i < s->pending_count; i++)
		if (s->pending[i].is_statement)
			numbers[n++] = s->pending[i].statement.upto;
	for (uint32_t i = 0; i < n; i++) {
		bool known = false;

		for (uint32_t j = 0; j < k; j++)
			known |= sorted[j] == numbers[i];
		if (!known)
			sorted[k++] = numbers[i];
	}
	for (uint32_t i = 0; i < n; i++)
		words[w++] = rank(sorted, k, numbers[i]);
	words[w++] = s->now_ms, words[w++] = s->in_force, words[w++] = c->stated_ms, words[w++] = c->until_ms;
	words[w++] = c->version, words[w++] = c->in_force, words[w++] = c->newest, words[w++] = c->alarms, words[w++] = c->alarm_ms;
	words[w++] = m->moves_before == 0 ? 0 : c->moves;
	words[w++] = c->coordinator, words[w++] = c->owner, words[w++] = c->next, words[w++] = c->giver, words[w++] = c->wish;
	words[w++] = c->rule, words[w++] = c->state, words[w++] = c->open_to_readers, words[w++] = s->pending_count;
	for (uint32_t i = 0; i < c->party_count; i++)
		words[w++] = (uint64_t)c->party[i] << 8 | c->flags[i];
	for (uint32_t i = 0; i < s->pending_count; i++) {
		const struct case_log_entry *e = &s->pending[i];
		const struct case_statement *t = &e->statement;

		if (e->is_statement) {
			words[w++] = 1000u + t->cause, words[w++] = t->state, words[w++] = t->time_ms, words[w++] = t->until_ms;
			words[w++] = c->entries - t->entries, words[w++] = t->alarms, words[w++] = t->version, words[w++] = t->in_force;
			words[w++] = t->owner, words[w++] = t->next, words[w++] = t->rule;
		} else {
			words[w++] = e->move.kind, words[w++] = e->move.actor, words[w++] = e->move.to, words[w++] = e->move.version;
		}
	}
	out[0] = 1, out[1] = 2;
	for (uint32_t i = 0; i < w; i++) {
		out[0] = mix(out[0], words[i]);
		out[1] = mix(out[1] + i, ~words[i]);
	}
	out[1] |= 1; /* 0 is an empty place */
}

/* Where it stands, or would stand. */
static uint64_t *
seen_slot(const struct seen *t, const uint64_t key[2])
{
	for (size_t i = key[0] & (t->room - 1);; i = (i + 1) & (t->room - 1))
		if ((t->slot[i][0] == key[0] && t->slot[i][1] == key[1]) || (t->slot[i][0] == 0 && t->slot[i][1] == 0))
			return t->slot[i];
}

static bool
is_new(const struct case_model *m, const struct seen *t, const struct state *s)
{
	uint64_t key[2];

	fingerprint(m, s, key);
	return seen_slot(t, key)[1] == 0;
}

static bool
seen_add(const struct case_model *m, struct seen *t, const struct state *s)
{
	uint64_t key[2], *slot;

	fingerprint(m, s, key);
	slot = seen_slot(t, key);
	if (slot[1] != 0)
		return false;
	slot[0] = key[0];
	slot[1] = key[1];
	return true;
}

struct exploration { struct case_model *m; struct queue q; struct seen seen; uint64_t states_max; };

static void commit_waits(struct exploration *x, const struct state *s);

static void
reach(struct exploration *x, const struct state *s)
{
	x->m->edges++;
	if (x->m->by_commits && s->pending_count > 0) {
		commit_waits(x, s); /* all that can be made of it, now */
		return;
	}
	if (x->m->states >= x->states_max || !seen_add(x->m, &x->seen, s))
		return;
	x->m->states++;
	if (s->c.state == CASE_LAPSED || s->c.state == CASE_RECALLED) {
		x->m->closed++;
		if (s->pending_count == 0 && s->c.changed == s->c.stated)
			return; /* closed for good and told: nothing follows any more but void moves */
	}
	if (x->q.first + x->q.count == x->q.room) {
		if (x->q.first > x->q.room / 2) {
			memmove(x->q.at, x->q.at + x->q.first, x->q.count * sizeof *x->q.at);
			x->q.first = 0;
		} else {
			x->q.room = x->q.room == 0 ? 1024 : x->q.room * 2;
			x->q.at = realloc(x->q.at, x->q.room * sizeof *x->q.at);
			MUST(x->q.at != NULL);
		}
	}
	x->q.at[x->q.first + x->q.count] = *s;
	x->m->depth = ++x->q.at[x->q.first + x->q.count++].depth;
}

/* ---- choices ---- */

static const struct { enum case_move_kind kind; uint32_t actor, to; } choices[] = {
	{MOVE_TAKE, ANNA, 0}, {MOVE_TAKE, BERT, 0}, {MOVE_TAKE, CARLA, 0}, {MOVE_TAKE, READER, 0}, {MOVE_TAKE, SENDER, 0},
	{MOVE_DECLINE, ANNA, 0}, {MOVE_DECLINE, BERT, 0}, {MOVE_DECLINE, CARLA, 0}, {MOVE_DECLINE, READER, 0}, {MOVE_DECLINE, SENDER, 0},
	{MOVE_HAND_OVER, ANNA, BERT}, {MOVE_HAND_OVER, ANNA, CARLA}, {MOVE_HAND_OVER, ANNA, ANNA}, {MOVE_HAND_OVER, ANNA, SENDER},
	{MOVE_HAND_OVER, BERT, ANNA}, {MOVE_HAND_OVER, BERT, CARLA}, {MOVE_HAND_OVER, CARLA, ANNA}, {MOVE_HAND_OVER, CARLA, BERT},
	{MOVE_HAND_OVER, READER, ANNA}, {MOVE_HAND_OVER, READER, CARLA}, {MOVE_HAND_OVER, SENDER, BERT},
	{MOVE_RETURN, ANNA, 0}, {MOVE_RETURN, BERT, 0}, {MOVE_RETURN, CARLA, 0}, {MOVE_RETURN, READER, 0}, {MOVE_RETURN, SENDER, 0},
	{MOVE_DONE, ANNA, 0}, {MOVE_DONE, BERT, 0}, {MOVE_DONE, CARLA, 0}, {MOVE_DONE, READER, 0}, {MOVE_DONE, SENDER, 0},
	{MOVE_REOPEN, ANNA, 0}, {MOVE_REOPEN, BERT, 0}, {MOVE_REOPEN, CARLA, 0}, {MOVE_REOPEN, SENDER, 0},
	{MOVE_RECALL, SENDER, 0}, {MOVE_RECALL, ANNA, 0},
};
#define CHOICES (sizeof choices / sizeof choices[0])

/* The fourth node: without a line it is a reader, else the coordinator's house is full with Anna, Bert, Carla and the sender. */
static bool
takes_part(const struct case_model *m, uint32_t actor, uint32_t in_force)
{
	if (actor == READER && !m->world->v[1].open_to_readers)
		return false;
	return (m->world->v[in_force].nodes >> actor & 1) != 0; /* the gate lets nobody else in */
}

static struct kw_case
folded(const struct case_model *m, const struct state *s, struct case_oracle *o)
{
	struct kw_case c = s->c;

	*o = s->o;
	for (uint32_t i = 0; i < s->pending_count; i++) {
		const struct case_log_entry *e = &s->pending[i];

		(void)apply(m, &c, e);
		(void)(e->is_statement ? case_oracle_statement(o, m->world, &e->statement, e->number) : case_oracle_move(o, m->world, &e->move));
	}
	return c;
}

static void
somebody_moves(struct exploration *x, const struct state *s)
{
	struct case_oracle o;
	struct kw_case end = folded(x->m, s, &o);
	bool one_void = false;

	for (size_t i = 0; i < CHOICES; i++) {
		struct case_log_entry e = {.number = end.upto + 1};
		struct kw_case after = end;
		struct case_oracle other = o;
		struct state next;
		enum case_verdict v;

		if (!takes_part(x->m, choices[i].actor, s->in_force))
			continue;
		e.move = (struct case_move){choices[i].kind, e.number, choices[i].actor, choices[i].to, s->in_force};
		v = apply(x->m, &after, &e);
		check_step(x->m, &end, &e, v, &after);
		check_oracle(x->m, &other, &end, &e, v, &after);
		if (v != CASE_V_OK && one_void)
			continue;
		one_void |= v != CASE_V_OK;
		next = *s;
		next.pending[next.pending_count++] = e;
		reach(x, &next);
	}
}

/* Whether there is something to state, the real machine and the oracle must agree. */
static void
check_says(struct case_model *m, const struct case_oracle *o, const struct kw_case *c, uint64_t now_ms, uint32_t in_force)
{
	struct case_statement a, b;

	if (case_wants(&a, c, &m->world->rules, now_ms, in_force) != case_oracle_states(&b, o, m->world, now_ms, in_force))
		fault(m, "by the oracle there is something else to state", c, NULL);
	if ((case_deadline_ms(c) <= now_ms || in_force > c->in_force) < case_oracle_states(&b, o, m->world, now_ms, in_force))
		fault(m, "there is something to state before its deadline", c, NULL);
}

static void
broker_makes_a_statement(struct exploration *x, const struct state *s)
{
	struct case_log_entry e = {.number = s->c.upto + 1 + s->pending_count, .is_statement = true};
	struct state next = *s;

	check_says(x->m, &s->o, &s->c, s->now_ms, s->in_force);
	if (!broker_states(x->m, &e.statement, &s->c, s->now_ms, s->in_force))
		return;
	next.pending[next.pending_count++] = e;
	reach(x, &next);
}

/* All that waits becomes part of the log; the broker folds it, and every node gets it, some day, in some order. */
static void
broker_commits(struct exploration *x, const struct state *s)
{
	struct case_model *m = x->m;
	struct state next = *s;
	struct case_log_entry window[WINDOW_MAX + PENDING_MAX];
	uint32_t n = 0, first = 0;
	bool fresh;

	for (uint32_t i = 0; i < s->pending_count; i++) {
		const struct case_log_entry *e = &s->pending[m->mutant->folds_backwards ? s->pending_count - 1 - i : i];
		struct case_log_entry placed = *e;
		struct kw_case before = next.c;
		enum case_verdict v;

		placed.number = placed.move.number = next.c.upto + 1;
		v = apply(m, &next.c, &placed);
		if (placed.is_statement && v != CASE_V_OK && v != CASE_V_STALE) {
			fault(m, case_verdict_name(v), &before, &placed);
			return;
		}
		check_step(m, &before, &placed, v, &next.c);
		check_oracle(m, &next.o, &before, &placed, v, &next.c);
	}
	check_restart(m, &s->c, s->pending, s->pending_count, &next.c);
	memcpy(window, s->tail, s->tail_count * sizeof window[0]);
	n = s->tail_count;
	memcpy(window + n, s->pending, s->pending_count * sizeof window[0]);
	n += s->pending_count;
	while (n - first > m->window)
		(void)apply(m, &next.base, &window[first++]);
	check_restart(m, &next.base, window + first, n - first, &next.c);
	next.tail_count = n - first;
	memcpy(next.tail, window + first, next.tail_count * sizeof window[0]);
	next.pending_count = 0;
	fresh = is_new(m, &x->seen, &next);
	if (fresh)
		check_not_lost(m, &next.c, s->now_ms, s->in_force);
	if (nodes_are_real(m) && m->fault[0] == '\0' && (fresh || !m->by_commits))
		check_orders(m, &next.base, window + first, n - first, &next.c);
	reach(x, &next);
}

static void
commit_waits(struct exploration *x, const struct state *s)
{
	if (s->pending_count < PENDING_MAX) {
		somebody_moves(x, s);
		broker_makes_a_statement(x, s);
	}
	if (s->pending_count > 0)
		broker_commits(x, s);
}

static void
broker_crashes(struct exploration *x, const struct state *s)
{
	struct state next = *s;

	next.pending_count = 0; /* nothing of it was answered; who wants may say it again */
	next.c = restarted(x->m, &s->base, s->tail, s->tail_count);
	if (case_oracle_differs(&s->o, &next.c) != NULL)
		fault(x->m, case_oracle_differs(&s->o, &next.c), &s->c, NULL);
	reach(x, &next);
}

/* To the next moment at which something is otherwise; the broker may sleep through it, and say it later. */
static void
time_passes(struct exploration *x, const struct state *s)
{
	struct state next = *s;
	uint64_t half = (s->now_ms / (CASE_DAY_MS / 2) + 1) * (CASE_DAY_MS / 2), limit = s->c.until_ms;

	next.now_ms = half;
	if (limit > s->now_ms && limit < next.now_ms)
		next.now_ms = limit;
	if (MODEL_EXPIRES_MS > s->now_ms && MODEL_EXPIRES_MS < next.now_ms)
		next.now_ms = MODEL_EXPIRES_MS;
	if (s->now_ms < MODEL_EXPIRES_MS)
		reach(x, &next);
}

static void
agreement_changes(struct exploration *x, const struct state *s)
{
	struct state next = *s;

	next.in_force++;
	if (s->in_force < x->m->last_version && s->pending_count == 0) /* it goes behind all that was accepted under the one before */
		reach(x, &next);
}

static void
begin(struct case_model *m, struct kw_case *c, struct case_oracle *other)
{
	struct case_opening o = case_world_opening(5, MODEL_EXPIRES_MS);

	MUST(case_open(c, &o, &m->world->rules) == CASE_V_OK);
	*other = case_oracle_open(m->world, &o);
	c->moves = other->moves = m->moves_before;
}

void
case_model_explore(struct case_model *m, uint64_t states_max)
{
	struct exploration x = {.m = m, .states_max = states_max, .seen.room = 1024};
	struct state s = {.in_force = 1};

	MUST(m->window >= PENDING_MAX && m->window <= WINDOW_MAX);
	while (x.seen.room < states_max * 2)
		x.seen.room *= 2;
	x.seen.slot = calloc(x.seen.room, sizeof x.seen.slot[0]);
	MUST(x.seen.slot != NULL);
	begin(m, &s.c, &s.o);
	s.base = s.c;
	reach(&x, &s);
	while (x.q.count > 0 && m->fault[0] == '\0' && m->states < states_max) {
		s = x.q.at[x.q.first++];
		x.q.count--;
		commit_waits(&x, &s);
		broker_crashes(&x, &s);
		time_passes(&x, &s);
		agreement_changes(&x, &s);
	}
	m->exhausted = x.q.count == 0 && m->fault[0] == '\0';
	free(x.q.at);
	free(x.seen.slot);
}

/* ---- walks ---- */

#define WALK_NODES 4u
#define WALK_LOG_MAX 3000u
#define WALK_PENDING_MAX 8u

struct walk {
	struct case_model *m;
	uint64_t random, now_ms;
	uint32_t in_force;
	struct kw_case c;
	struct case_oracle o;
	struct kw_case snapshot;                 /* what the store holds, and of which entry on the log must be read again */
	uint32_t snapshot_at;
	struct case_log_entry log[WALK_LOG_MAX]; /* entry i has number opened + 1 + i */
	uint32_t count;
	struct case_log_entry pending[WALK_PENDING_MAX];
	uint32_t pending_count;
	struct case_log node[WALK_NODES];
	bool has[WALK_NODES][WALK_LOG_MAX];
	uint32_t lacks[WALK_NODES];              /* everything before this entry has come */
};

static const uint32_t walk_actor[WALK_NODES] = {SENDER, ANNA, BERT, CARLA};

static uint32_t
draw(struct walk *w, uint32_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (uint32_t)(w->random >> 33) % below;
}

static void
walk_begin(struct walk *w)
{
	struct case_opening o = case_world_opening(5, MODEL_EXPIRES_MS * (1 + draw(w, 4)));

	w->now_ms = draw(w, CASE_DAY_MS);
	o.expires_ms += w->now_ms;
	w->in_force = 1;
	w->count = w->pending_count = w->snapshot_at = 0;
	MUST(case_open(&w->c, &o, &w->m->world->rules) == CASE_V_OK);
	w->o = case_oracle_open(w->m->world, &o);
	w->c.moves = w->o.moves = w->m->moves_before;
	w->snapshot = w->c;
	memset(w->has, 0, sizeof w->has);
	for (uint32_t i = 0; i < WALK_NODES; i++) {
		MUST(case_log_open(&w->node[i], &o, &w->m->world->rules) == CASE_V_OK);
		w->node[i].base = w->node[i].now = w->c;
		w->lacks[i] = 0;
	}
}

static void
walk_push(struct walk *w, struct case_log_entry e)
{
	if (w->pending_count < WALK_PENDING_MAX && w->count + WALK_PENDING_MAX < WALK_LOG_MAX)
		w->pending[w->pending_count++] = e;
}

/* What the node sees tells it what makes sense; people err, and machines are late. */
static void
walk_node_moves(struct walk *w)
{
	uint32_t i = draw(w, WALK_NODES);
	bool sense = draw(w, 4) != 0;
	struct case_move mv = {.number = UINT64_MAX, .actor = walk_actor[i], .version = w->in_force};

	if ((w->m->world->v[w->in_force].nodes >> mv.actor & 1) == 0)
		return;
	for (uint32_t tries = 0; tries < 20; tries++) {
		mv.kind = (enum case_move_kind)draw(w, draw(w, 40) == 0 ? MOVE_COUNT : MOVE_DONE);
		if (mv.kind < MOVE_RECALL && draw(w, 30) == 0)
			mv.kind = MOVE_DONE;
		mv.to = walk_actor[draw(w, WALK_NODES)];
		if (!sense || case_would(&w->node[i].now, &mv, &w->m->world->rules) == CASE_V_OK)
			break;
	}
	walk_push(w, (struct case_log_entry){.move = mv});
	if (draw(w, 10) == 0)
		walk_push(w, (struct case_log_entry){.move = mv}); /* and once more: not even that must matter */
}

static void
walk_commit(struct walk *w)
{
	struct kw_case before_all = w->c;

	if (draw(w, 3) != 0) { /* the snapshot of what the last commits changed goes with this one */
		w->snapshot = before_all;
		w->snapshot_at = w->count;
	}
	for (uint32_t i = 0; i < w->pending_count; i++) {
		struct case_log_entry *e = &w->log[w->count++];
		struct kw_case before = w->c;
		enum case_verdict v;

		*e = w->pending[i];
		e->number = e->move.number = w->c.upto + 1;
		v = apply(w->m, &w->c, e);
		if (e->is_statement && v != CASE_V_OK && v != CASE_V_STALE) {
			fault(w->m, case_verdict_name(v), &before, e);
			return;
		}
		check_step(w->m, &before, e, v, &w->c);
		check_oracle(w->m, &w->o, &before, e, v, &w->c);
	}
	w->pending_count = 0;
	check_not_lost(w->m, &w->c, w->now_ms, w->in_force);
}

static void
walk_crash(struct walk *w)
{
	struct kw_case c = restarted(w->m, &w->snapshot, w->log + w->snapshot_at, w->count - w->snapshot_at);

	if (memcmp(&c, &w->c, sizeof c) != 0)
		fault(w->m, "after a restart the broker stands otherwise", &w->c, NULL);
	w->pending_count = 0;
	w->c = c;
}

static void
walk_arrives(struct walk *w, uint32_t i, uint32_t at)
{
	struct case_log *l = &w->node[i];

	if (at >= w->count)
		return;
	if (case_log_add(l, &w->log[at], &w->m->world->rules) == CASE_LOG_CONFLICT)
		fault(w->m, "a node found another entry at the same number", &l->now, &w->log[at]);
	w->has[i][at] = true;
	while (w->lacks[i] < w->count && w->has[i][w->lacks[i]])
		w->lacks[i]++;
	if (l->parted.verdict != CASE_V_OK)
		fault(w->m, case_verdict_name(l->parted.verdict), &l->now, &w->log[at]);
	if (w->lacks[i] == w->count && (l->stopped != CASE_V_OK || memcmp(&l->now, &w->c, sizeof w->c) != 0))
		fault(w->m, "a node that has everything stands otherwise than the broker", &l->now, &w->log[at]);
}

/* Mostly in order, sometimes out of it, sometimes again. Nothing is later than a node can wait for. */
static void
walk_delivers(struct walk *w)
{
	uint32_t i = draw(w, WALK_NODES), first = w->lacks[i];

	if (draw(w, 20) == 0)
		walk_arrives(w, i, draw(w, first + 1)); /* what came long ago */
	else
		walk_arrives(w, i, first + (draw(w, 3) == 0 ? draw(w, 20) : 0));
}

static void
walk_step(struct walk *w)
{
	struct case_log_entry e = {.is_statement = true};
	uint64_t due = case_deadline_ms(&w->c);

	switch (draw(w, 16)) {
	case 0: case 1:
		walk_node_moves(w);
		break;
	case 2: case 3:
		check_says(w->m, &w->o, &w->c, w->now_ms, w->in_force);
		if (broker_states(w->m, &e.statement, &w->c, w->now_ms, w->in_force))
			walk_push(w, e);
		break;
	case 4: case 5:
		walk_commit(w);
		break;
	case 6:
		if (draw(w, 10) == 0)
			walk_crash(w);
		break;
	case 7:
		w->now_ms = draw(w, 4) == 0 && due != 0 && due != UINT64_MAX && due > w->now_ms ? due : w->now_ms + draw(w, 500);
		break;
	case 8:
		if (draw(w, 50) == 0 && w->in_force < w->m->last_version && w->pending_count == 0)
			w->in_force++;
		break;
	default:
		walk_delivers(w);
	}
}

/* The faults stop: what is on its way comes, and then all stand the same. */
static void
walk_drains(struct walk *w)
{
	walk_commit(w);
	for (uint32_t i = 0; i < WALK_NODES; i++) {
		while (w->lacks[i] < w->count && w->m->fault[0] == '\0')
			walk_arrives(w, i, w->lacks[i]);
		if (memcmp(&w->node[i].now, &w->c, sizeof w->c) != 0)
			fault(w->m, "when all has come, a node stands otherwise than the broker", &w->node[i].now, NULL);
	}
}

void
case_model_walk(struct case_model *m, uint64_t seed, uint64_t steps)
{
	struct walk *w = calloc(1, sizeof *w);
	bool fresh = true;

	MUST(w != NULL);
	w->m = m;
	w->random = seed * 0x9E3779B97F4A7C15u + 1;
	for (uint64_t i = 0; i < steps && m->fault[0] == '\0'; i++) {
		if (fresh)
			walk_begin(w);
		walk_step(w);
		m->edges++;
		fresh = w->count + WALK_PENDING_MAX >= WALK_LOG_MAX || (!case_is_open(&w->c) && draw(w, 30) == 0);
		if (!fresh)
			continue;
		m->closed++;
		walk_drains(w);
	}
	if (m->fault[0] == '\0')
		walk_drains(w);
	free(w);
}
