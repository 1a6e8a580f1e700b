/* case_oracle: see case_oracle.h. */
#include "case_oracle.h"

#include <string.h>

static bool
in(uint32_t nodes, uint32_t actor)
{
	return actor < 32 && (nodes >> actor & 1) != 0;
}

static bool
is_open(const struct case_oracle *o)
{
	return o->state != CASE_DONE && o->state != CASE_RECALLED && o->state != CASE_LAPSED;
}

/* Whom the line of any hour names. Without a line it is the coordinator alone, who does not count as one. */
static uint32_t
line_of(const struct case_world *w, uint32_t version)
{
	const struct case_world_version *v = &w->v[version];
	uint32_t nodes = 0;

	for (uint32_t i = 0; i < v->day_count; i++)
		nodes |= 1u << v->day[i].actor;
	for (uint32_t i = 0; i < v->night_count; i++)
		nodes |= 1u << v->night[i].actor;
	return v->open_to_readers ? nodes & ~(1u << v->coordinator) : nodes;
}

static void
nobody_has_it(struct case_oracle *o)
{
	o->state = CASE_WAITING;
	o->owner = o->coordinator;
	o->next = o->from = CASE_NOBODY;
	o->until_ms = o->alarm_ms = 0;
	o->rule = ENTRY_NO_RULE;
}

static void
close_as(struct case_oracle *o, enum case_state state)
{
	o->state = state;
	o->next = CASE_NOBODY;
	o->until_ms = o->alarm_ms = 0;
	o->rule = ENTRY_NO_RULE;
}

struct case_oracle
case_oracle_open(const struct case_world *w, const struct case_opening *op)
{
	struct case_oracle o = {.coordinator = w->v[op->version].coordinator, .sender = op->sender, .line = line_of(w, op->version), .version = op->version,
	                   .in_force = op->version, .newest = op->version, .entries = 1, .expires_ms = op->expires_ms, .upto = op->number,
	                   .changed = op->number, .said_from = op->number, .first = CASE_NOBODY};

	nobody_has_it(&o);
	return o;
}

/* ---- moves ---- */

static bool
may_take(const struct case_oracle *o, const struct case_world *w, uint32_t actor)
{
	if (in(o->line, actor) || actor == o->coordinator)
		return true;
	return w->v[o->version].open_to_readers && actor != o->sender && in(w->readers, actor);
}

static enum case_verdict
of_what_is_closed(const struct case_oracle *o, const struct case_world *w, const struct case_move *m)
{
	bool last = m->actor == o->owner || m->actor == o->sender || m->actor == o->coordinator;

	if (o->state == CASE_DONE && m->kind == MOVE_REOPEN)
		return last ? CASE_V_OK : CASE_V_NOT_YOURS;
	if (o->state == CASE_DONE && m->kind == MOVE_RECALL)
		return in(w->recallers, m->actor) ? CASE_V_OK : CASE_V_NOT_SENDERS;
	return CASE_V_CLOSED;
}

static enum case_verdict
of_what_somebody_has(const struct case_oracle *o, const struct case_move *m)
{
	bool answers = m->kind == MOVE_TAKE || m->kind == MOVE_DECLINE;

	if (answers && m->actor == o->next)
		return CASE_V_OK;
	if (m->actor != o->owner)
		return CASE_V_TAKEN_BY;
	if (!answers)
		return CASE_V_OK;
	return m->kind == MOVE_TAKE ? CASE_V_ALREADY_YOURS : CASE_V_USE_RETURN;
}

static enum case_verdict
of_what_nobody_has(const struct case_oracle *o, const struct case_world *w, const struct case_move *m)
{
	bool turn = o->state == CASE_OFFERED && o->owner == m->actor;

	if (m->kind == MOVE_TAKE)
		return turn || may_take(o, w, m->actor) ? CASE_V_OK : CASE_V_NOT_YOURS;
	if (m->kind != MOVE_DECLINE)
		return CASE_V_NOT_TAKEN;
	if (m->actor == o->coordinator && (!turn || w->v[o->version].open_to_readers))
		return CASE_V_NOBODY_LEFT;
	if (turn)
		return CASE_V_OK;
	if (!in(o->line, m->actor))
		return CASE_V_NOT_YOURS;
	return in(o->tried, m->actor) ? CASE_V_ALREADY_DECLINED : CASE_V_OK;
}

static enum case_verdict
may_get_it(const struct case_oracle *o, const struct case_world *w, const struct case_move *m)
{
	if (m->to == m->actor)
		return CASE_V_TO_SELF;
	if (!in(w->v[m->version].nodes, m->to) || !(in(o->line | w->readers, m->to) || m->to == o->coordinator))
		return CASE_V_NOT_A_READER;
	return in(o->gave, m->to) ? CASE_V_CIRCLE : CASE_V_OK;
}

static enum case_verdict
verdict(const struct case_oracle *o, const struct case_world *w, const struct case_move *m)
{
	bool ends = m->kind == MOVE_DONE || m->kind == MOVE_RECALL;
	enum case_verdict v;

	if (!is_open(o))
		v = of_what_is_closed(o, w, m);
	else if (m->kind == MOVE_RECALL)
		v = in(w->recallers, m->actor) ? CASE_V_OK : CASE_V_NOT_SENDERS;
	else if (m->kind == MOVE_REOPEN)
		v = CASE_V_STILL_OPEN;
	else
		v = o->state == CASE_TAKEN ? of_what_somebody_has(o, m) : of_what_nobody_has(o, w, m);
	if (v == CASE_V_OK && o->moves >= CASE_MOVES_MAX && !ends && (m->kind != MOVE_TAKE || o->state == CASE_TAKEN))
		return CASE_V_TOO_MANY_MOVES;
	return v == CASE_V_OK && m->kind == MOVE_HAND_OVER ? may_get_it(o, w, m) : v;
}

static void
decline(struct case_oracle *o, uint32_t actor)
{
	if (o->state == CASE_TAKEN) {
		o->next = CASE_NOBODY;
		o->until_ms = 0;
		return;
	}
	o->tried |= 1u << actor;
	if (o->first == actor)
		o->first = CASE_NOBODY;
	if (o->state == CASE_OFFERED && o->owner == actor)
		nobody_has_it(o);
}

static void
effect(struct case_oracle *o, const struct case_world *w, const struct case_move *m)
{
	uint32_t before = o->state == CASE_TAKEN ? o->owner : CASE_NOBODY;

	switch (m->kind) {
	case MOVE_TAKE:
		close_as(o, CASE_TAKEN);
		o->gave |= before != CASE_NOBODY ? 1u << before : 0;
		o->owner = m->actor;
		o->from = before;
		o->first = CASE_NOBODY;
		break;
	case MOVE_DECLINE:
		decline(o, m->actor);
		break;
	case MOVE_HAND_OVER:
		o->next = m->to;
		o->until_ms = 0;
		break;
	case MOVE_RETURN:
		o->tried |= 1u << m->actor;
		o->gave |= 1u << m->actor;
		o->first = in(w->v[m->version].nodes, o->from) ? o->from : CASE_NOBODY;
		nobody_has_it(o);
		break;
	case MOVE_REOPEN:
		o->first = o->owner;
		o->tried = o->gave = o->alarms = 0;
		nobody_has_it(o);
		break;
	case MOVE_DONE:
	case MOVE_RECALL:
		close_as(o, m->kind == MOVE_DONE ? CASE_DONE : CASE_RECALLED);
		break;
	case MOVE_COUNT:
		break;
	}
}

enum case_verdict
case_oracle_move(struct case_oracle *o, const struct case_world *w, const struct case_move *m)
{
	enum case_verdict v = verdict(o, w, m);

	if (v == CASE_V_OK) {
		effect(o, w, m);
		o->changed = m->number;
		o->told = false;
	}
	o->upto = o->moved = m->number;
	o->entries++;
	o->moves++;
	o->newest = m->version > o->newest ? m->version : o->newest;
	return v;
}

/* ---- turns ---- */

static const struct case_turn *
line_at(const struct case_world *w, uint32_t version, uint64_t at_ms, uint32_t *count)
{
	const struct case_world_version *v = &w->v[version];
	bool day = at_ms % CASE_DAY_MS < CASE_DAY_MS / 2;

	*count = day ? v->day_count : v->night_count;
	return day ? v->day : v->night;
}

static void
turn_for(struct case_oracle *o, const struct case_world *w, uint32_t actor, uint64_t at_ms, uint64_t *within_ms)
{
	uint32_t count;
	const struct case_turn *line = line_at(w, o->version, at_ms, &count);

	o->owner = actor;
	o->rule = ENTRY_NO_RULE;
	*within_ms = w->v[o->version].spare_ms;
	for (uint32_t i = count; i-- > 0;)
		if (line[i].actor == actor) {
			o->rule = line[i].rule;
			*within_ms = line[i].take_within_ms;
		}
}

/* CASE_NOBODY: only the coordinator is left, at the end. */
static uint32_t
first_with_a_turn(const struct case_oracle *o, const struct case_world *w, uint64_t at_ms)
{
	uint32_t able = w->v[o->in_force].nodes & ~o->tried, first = CASE_NOBODY, count;
	const struct case_turn *line = line_at(w, o->version, at_ms, &count);
	bool another = false;

	for (uint32_t i = count; i-- > 0;) {
		if (!in(able, line[i].actor))
			continue;
		first = line[i].actor;
		another |= first != o->coordinator;
		if (!another)
			first = CASE_NOBODY; /* nobody comes behind it */
	}
	return first;
}

static void
whose_turn(struct case_oracle *o, const struct case_world *w, uint64_t at_ms)
{
	uint32_t nodes = w->v[o->in_force].nodes, turn = first_with_a_turn(o, w, at_ms), wish = o->first;
	uint64_t within_ms;

	o->first = CASE_NOBODY;
	if (in(nodes, wish) && (wish != o->coordinator || turn != CASE_NOBODY))
		turn = wish;
	else if (w->v[o->version].open_to_readers && in(nodes & ~o->tried, o->coordinator))
		turn = o->coordinator;
	o->state = turn == CASE_NOBODY ? CASE_ESCALATED : CASE_OFFERED;
	turn_for(o, w, turn == CASE_NOBODY ? o->coordinator : turn, at_ms, &within_ms);
	o->until_ms = at_ms + within_ms;
	if (o->state == CASE_ESCALATED)
		o->alarm_ms = within_ms < 60000 ? 60000 : within_ms > 3600000 ? 3600000 : within_ms;
}

/* ---- statements ---- */

static bool
under_another(struct case_oracle *o, const struct case_world *w, uint32_t in_force)
{
	const struct case_world_version *now = &w->v[in_force];
	bool gone = !in(now->nodes, o->owner), held = o->state == CASE_TAKEN, changed = w->v[o->version].offer_anew;
	bool coordinators = o->owner == o->coordinator && !held;

	o->in_force = in_force;
	if (changed) {
		o->version = in_force;
		o->coordinator = now->coordinator;
		o->line = line_of(w, in_force);
		o->tried = 0;
		if (!held || gone || !may_take(o, w, o->owner))
			nobody_has_it(o);
	} else {
		if (!in(now->nodes, o->coordinator)) {
			o->coordinator = now->coordinator;
			changed = true;
			if (coordinators)
				nobody_has_it(o);
		}
		if (gone && !coordinators) {
			o->tried |= 1u << o->owner;
			nobody_has_it(o);
			changed = true;
		}
	}
	if (o->next != CASE_NOBODY && !in(now->nodes, o->next)) {
		o->next = CASE_NOBODY;
		o->until_ms = 0;
		changed = true;
	}
	return changed;
}

static enum case_cause
time_out(struct case_oracle *o, uint64_t now_ms)
{
	if (o->state == CASE_OFFERED) {
		o->tried |= 1u << o->owner;
		nobody_has_it(o);
		return CAUSE_TIMEOUT;
	}
	if (o->state == CASE_ESCALATED) {
		o->alarms++;
		o->until_ms = now_ms + o->alarm_ms;
		return CAUSE_ALARM;
	}
	o->next = CASE_NOBODY;
	o->until_ms = 0;
	return CAUSE_HANDOVER_LAPSED;
}

/* 0: there is nothing to state. */
static enum case_cause
becomes(struct case_oracle *o, const struct case_world *w, uint64_t now_ms, uint32_t in_force)
{
	enum case_cause cause = 0;
	uint64_t within_ms;

	if (is_open(o) && now_ms >= o->expires_ms) {
		close_as(o, CASE_LAPSED);
		o->in_force = in_force;
		return CAUSE_LAPSED;
	}
	if (is_open(o) && in_force > o->in_force && under_another(o, w, in_force))
		cause = CAUSE_AGREEMENT;
	o->in_force = in_force;
	if (cause == 0 && !o->said)
		cause = CAUSE_OPENED;
	if (cause == 0 && o->until_ms != 0 && now_ms >= o->until_ms)
		cause = time_out(o, now_ms);
	if (cause == 0 && !o->told)
		cause = CAUSE_MOVED;
	if (cause == 0 && o->moved > o->said_from)
		cause = CAUSE_VOID;
	if (o->state == CASE_WAITING) {
		whose_turn(o, w, now_ms);
	} else if (o->state == CASE_TAKEN && o->next != CASE_NOBODY && o->until_ms == 0) {
		struct case_oracle there = *o;

		turn_for(&there, w, o->next, now_ms, &within_ms);
		o->until_ms = now_ms + within_ms;
	}
	return cause;
}

bool
case_oracle_states(struct case_statement *out, const struct case_oracle *o, const struct case_world *w, uint64_t now_ms, uint32_t in_force)
{
	struct case_oracle after = *o;
	uint64_t at_ms = now_ms > o->said_ms ? now_ms : o->said_ms;

	*out = (struct case_statement){.time_ms = at_ms, .upto = o->upto, .entries = o->entries};
	out->cause = becomes(&after, w, at_ms, in_force > o->in_force ? in_force : o->in_force);
	out->state = after.state;
	out->until_ms = after.until_ms;
	out->alarms = after.alarms;
	out->version = after.version;
	out->in_force = after.in_force;
	out->owner = after.owner;
	out->next = after.next;
	out->rule = after.rule;
	return out->cause != 0;
}

enum case_verdict
case_oracle_statement(struct case_oracle *o, const struct case_world *w, const struct case_statement *s, uint64_t number)
{
	bool stale = s->upto < o->changed;
	struct case_statement mine;
	struct case_oracle after = *o;

	if (s->upto >= number || s->upto > o->upto || (s->upto == o->upto && s->entries != o->entries))
		return CASE_V_PARTED_UNDUE;
	if (!stale) {
		if (s->time_ms < o->said_ms || s->in_force < o->in_force || (s->upto == o->upto && s->in_force < o->newest))
			return CASE_V_PARTED_UNDUE;
		if (!case_oracle_states(&mine, o, w, s->time_ms, s->in_force))
			return CASE_V_PARTED_UNDUE;
		if (mine.cause != s->cause || mine.state != s->state || mine.until_ms != s->until_ms || mine.alarms != s->alarms || mine.version != s->version ||
		    mine.owner != s->owner || mine.next != s->next || mine.rule != s->rule)
			return CASE_V_PARTED_UNDUE;
		(void)becomes(&after, w, s->time_ms, s->in_force);
		after.said = after.told = true;
		after.changed = number;
		after.said_from = s->upto;
		after.said_ms = s->time_ms;
	}
	after.upto = number;
	after.entries++;
	*o = after;
	return stale ? CASE_V_STALE : CASE_V_OK;
}

/* ---- the comparison ---- */

static uint32_t
marked(const struct kw_case *c, uint8_t flag)
{
	uint32_t nodes = 0;

	for (uint32_t i = 0; i < c->party_count; i++)
		nodes |= c->party[i] < 32 && (c->flags[i] & flag) != 0 ? 1u << c->party[i] : 0;
	return nodes;
}

const char *
case_oracle_differs(const struct case_oracle *o, const struct kw_case *c)
{
	if (o->state != c->state)
		return "by the oracle its state is another";
	if (o->owner != c->owner || o->coordinator != c->coordinator)
		return "by the oracle its owner is another";
	if (o->next != c->next || o->from != c->giver || o->first != c->wish)
		return "by the oracle another is next, gave it, or is wished for";
	if (o->until_ms != c->until_ms || o->alarm_ms != c->alarm_ms)
		return "by the oracle it has another limit";
	if (o->rule != c->rule || o->version != c->version || o->in_force != c->in_force || o->newest != c->newest)
		return "by the oracle it stands under another rule or version";
	if (o->moves != c->moves || o->alarms != c->alarms || o->entries != c->entries || o->upto != c->upto || o->changed != c->changed)
		return "by the oracle it counts otherwise";
	if (is_open(o) && (marked(c, PARTY_LINE) != o->line || marked(c, PARTY_TRIED) != o->tried || marked(c, PARTY_GAVE) != o->gave))
		return "by the oracle others were tried, gave it, or are in its line";
	return NULL;
}
