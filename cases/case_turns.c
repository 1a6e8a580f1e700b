/* case_turns: what the broker has to state about a case, made the same way by the broker and by whoever checks it. */
#include <string.h>

#include "cases/case_parts.h"

static void
mark_tried(struct kw_case *c, uint32_t actor)
{
	uint32_t i = case_party(c, actor);

	if (i < CASE_PARTIES_MAX)
		c->flags[i] |= PARTY_TRIED;
}

static void
give_turn(struct kw_case *c, enum case_state state, const struct case_turn *t, uint64_t now_ms)
{
	c->state = (uint8_t)state;
	c->owner = t->actor;
	c->rule = t->rule;
	c->until_ms = now_ms + t->take_within_ms;
	c->alarm_ms = 0;
	if (state != CASE_ESCALATED)
		return;
	c->alarm_ms = CASE_ALARM_MAX_MS;
	if (t->take_within_ms < CASE_ALARM_MIN_MS)
		c->alarm_ms = CASE_ALARM_MIN_MS;
	else if (t->take_within_ms < CASE_ALARM_MAX_MS)
		c->alarm_ms = (uint32_t)t->take_within_ms;
}

struct line { struct case_turn turns[CASE_PARTIES_MAX]; uint32_t count; const struct case_rules *rules; uint32_t version; };

/* The actor's own turn where the line names it at this hour, one by no rule where it does not: seldom, so the terms are asked for only then. */
static struct case_turn
turn_of(const struct line *l, uint32_t actor)
{
	struct case_terms terms;

	for (uint32_t i = 0; i < l->count; i++)
		if (l->turns[i].actor == actor)
			return l->turns[i];
	MUST(l->rules->terms(&terms, l->rules->ctx, l->version)); /* it was known when the case came under it */
	return (struct case_turn){actor, ENTRY_NO_RULE, terms.take_within_ms};
}

static bool
has_turn_left(const struct kw_case *c, const struct case_rules *r, uint32_t actor)
{
	return case_is_party(c, actor) && !case_party_is(c, actor, PARTY_TRIED) && r->is_node(r->ctx, c->in_force, actor);
}

/* The first of the line that still has a turn; NULL where only the coordinator is left, whose turn is not one but the end. */
static const struct case_turn *
first_left(const struct line *l, const struct kw_case *c, const struct case_rules *r)
{
	const struct case_turn *first = NULL;

	for (uint32_t i = 0; i < l->count; i++) {
		const struct case_turn *t = &l->turns[i];

		if (!has_turn_left(c, r, t->actor))
			continue;
		if (first == NULL)
			first = t;
		if (t->actor != c->coordinator)
			return first;
	}
	return NULL;
}

/* Whose turn it is: who was wished for, then the line in order, and at last the coordinator. */
static void
offer(struct kw_case *c, const struct case_rules *r, const struct line *l, uint64_t now_ms)
{
	uint32_t wish = c->wish;
	const struct case_turn *t = first_left(l, c, r);
	struct case_turn at_last = turn_of(l, c->coordinator);

	c->wish = CASE_NOBODY;
	if (wish != CASE_NOBODY && case_is_party(c, wish) && r->is_node(r->ctx, c->in_force, wish) && (wish != c->coordinator || t != NULL)) {
		struct case_turn wished = turn_of(l, wish);

		give_turn(c, CASE_OFFERED, &wished, now_ms);
	} else if (c->open_to_readers && has_turn_left(c, r, c->coordinator)) { /* everybody's turn, in the coordinator's care */
		give_turn(c, CASE_OFFERED, &at_last, now_ms);
	} else if (t != NULL) {
		give_turn(c, CASE_OFFERED, t, now_ms);
	} else {
		give_turn(c, CASE_ESCALATED, &at_last, now_ms);
	}
}

/* Gives a turn where nobody has one, and a limit to a hand-over that has none yet. */
static void
settle(struct kw_case *c, const struct case_rules *r, uint64_t now_ms)
{
	struct line l;

	if (c->state != CASE_WAITING && (c->state != CASE_TAKEN || c->next == CASE_NOBODY || c->until_ms != 0))
		return;
	l.rules = r;
	l.version = c->version;
	l.count = r->line(l.turns, r->ctx, c->version, now_ms);
	MUST(l.count <= CASE_PARTIES_MAX);
	if (c->state == CASE_WAITING)
		offer(c, r, &l, now_ms);
	else
		c->until_ms = now_ms + turn_of(&l, c->next).take_within_ms;
}

static void
back_to_waiting(struct kw_case *c)
{
	c->state = CASE_WAITING;
	c->owner = c->coordinator;
	c->next = c->giver = CASE_NOBODY;
	c->until_ms = 0;
	c->rule = ENTRY_NO_RULE;
	c->alarm_ms = 0;
}

static void
hand_over_off(struct kw_case *c)
{
	c->next = CASE_NOBODY;
	c->until_ms = 0;
}

/* ---- another agreement ---- */

/* Who takes part from now on: those without whom the case cannot be, the new line, then who was told before, as far as there is room. */
static void
new_parties(struct kw_case *c, const struct case_terms *t)
{
	struct kw_case old = *c;

	c->party_count = 0;
	memset(c->party, 0, sizeof c->party);
	memset(c->flags, 0, sizeof c->flags);
	(void)case_party_add(c, c->sender, 0);
	(void)case_party_add(c, c->coordinator, 0);
	(void)case_party_add(c, c->owner, 0);
	if (c->next != CASE_NOBODY)
		(void)case_party_add(c, c->next, 0);
	if (c->wish != CASE_NOBODY)
		(void)case_party_add(c, c->wish, 0);
	for (uint32_t i = 0; i < t->member_count && i < CASE_PARTIES_MAX; i++)
		(void)case_party_add(c, t->members[i], PARTY_LINE); /* who finds no room has no turn */
	for (uint32_t i = 0; i < old.party_count; i++)
		(void)case_party_add(c, old.party[i], old.flags[i] & PARTY_GAVE);
}

/* on_change: move. Who has it and may have it under the new agreement keeps it; everything else is offered anew. */
static void
offer_anew(struct kw_case *c, const struct case_rules *r, const struct case_terms *t)
{
	c->version = c->in_force;
	c->coordinator = t->coordinator;
	c->open_to_readers = t->open_to_readers;
	if (c->state != CASE_TAKEN)
		back_to_waiting(c);
	new_parties(c, t);
	if (c->state != CASE_TAKEN)
		return;
	if (!r->is_node(r->ctx, c->in_force, c->owner) || !case_may_take(c, c->owner, r))
		back_to_waiting(c);
	else if (c->next != CASE_NOBODY && !r->is_node(r->ctx, c->in_force, c->next))
		hand_over_off(c);
}

/* There must be one: where no room is left, somebody whom the case does not need any more makes it. */
static void
replace_coordinator(struct kw_case *c, uint32_t coordinator)
{
	bool held = c->owner == c->coordinator && c->state != CASE_TAKEN;

	c->coordinator = coordinator;
	if (held)
		back_to_waiting(c);
	for (uint32_t i = c->party_count; !case_party_add(c, coordinator, 0); i--) {
		uint32_t actor = c->party[i - 1];

		MUST(i > 1); /* five of them cannot fill the room */
		if (actor != c->sender && actor != c->owner && actor != c->next && actor != c->giver && actor != c->wish) {
			c->party[i - 1] = coordinator;
			c->flags[i - 1] = 0;
			return;
		}
	}
}

/* on_change: keep. Goes on under the version it was opened with, among those who are still there. */
static bool
keep_on(struct kw_case *c, const struct case_rules *r, const struct case_terms *newest)
{
	bool changed = !r->is_node(r->ctx, c->in_force, c->coordinator);

	if (changed)
		replace_coordinator(c, newest->coordinator);
	if (c->state == CASE_WAITING)
		return changed;
	if (!r->is_node(r->ctx, c->in_force, c->owner)) {
		mark_tried(c, c->owner);
		back_to_waiting(c);
		return true;
	}
	if (c->next != CASE_NOBODY && !r->is_node(r->ctx, c->in_force, c->next)) {
		hand_over_off(c);
		return true;
	}
	return changed;
}

/* UNKNOWN_AGREEMENT leaves *changed alone. */
static enum case_verdict
under_agreement(bool *changed, struct kw_case *c, const struct case_rules *r, uint32_t in_force)
{
	struct case_terms own, newest;

	if (!r->terms(&newest, r->ctx, in_force) || !r->terms(&own, r->ctx, c->version))
		return CASE_V_UNKNOWN_AGREEMENT;
	c->in_force = in_force;
	*changed = true;
	if (own.offer_anew)
		offer_anew(c, r, &newest);
	else
		*changed = keep_on(c, r, &newest);
	return CASE_V_OK;
}

/* ---- what is due ---- */

static enum case_cause
time_is_out(struct kw_case *c)
{
	switch (c->state) {
	case CASE_OFFERED:
		mark_tried(c, c->owner);
		back_to_waiting(c);
		return CAUSE_TIMEOUT;
	case CASE_ESCALATED:
		c->alarms++;
		return CAUSE_ALARM;
	default:
		MUST(c->state == CASE_TAKEN);
		hand_over_off(c);
		return CAUSE_HANDOVER_LAPSED;
	}
}

/*
 * Makes of c what a statement at now_ms says; *cause 0: nothing is to be stated, and c is as it was or spoiled. Void moves
 * come last, so that some more of them never change what a statement that was due anyway says.
 */
static enum case_verdict
advance(enum case_cause *cause, struct kw_case *c, const struct case_rules *r, uint64_t now_ms, uint32_t in_force)
{
	bool by_agreement = false;
	enum case_verdict v;

	*cause = 0;
	if (case_is_open(c) && now_ms >= c->expires_ms) {
		c->state = CASE_LAPSED;
		c->next = CASE_NOBODY;
		c->until_ms = 0;
		c->rule = ENTRY_NO_RULE;
		c->alarm_ms = 0;
		*cause = CAUSE_LAPSED;
	}
	if (case_is_open(c) && in_force > c->in_force && (v = under_agreement(&by_agreement, c, r, in_force)) != CASE_V_OK)
		return v;
	if (in_force > c->in_force)
		c->in_force = in_force;
	if (*cause != 0)
		return CASE_V_OK;
	if (by_agreement)
		*cause = CAUSE_AGREEMENT;
	else if (c->stated == 0)
		*cause = CAUSE_OPENED;
	else if (c->until_ms != 0 && now_ms >= c->until_ms)
		*cause = time_is_out(c);
	else if (c->changed != c->stated)
		*cause = CAUSE_MOVED;
	else if (c->moved > c->stated_upto)
		*cause = CAUSE_VOID;
	if (*cause == CAUSE_ALARM)
		c->until_ms = now_ms + c->alarm_ms;
	settle(c, r, now_ms);
	return CASE_V_OK;
}

bool
case_wants(struct case_statement *out, const struct kw_case *c, const struct case_rules *r, uint64_t now_ms, uint32_t in_force)
{
	struct kw_case after = *c;
	enum case_cause cause;

	if (now_ms < c->stated_ms)
		now_ms = c->stated_ms;
	if (in_force < c->in_force)
		in_force = c->in_force;
	if (advance(&cause, &after, r, now_ms, in_force) != CASE_V_OK || cause == 0)
		return false;
	*out = (struct case_statement){
		.cause = cause, .state = (enum case_state)after.state, .time_ms = now_ms, .upto = c->upto, .until_ms = after.until_ms,
		.entries = c->entries, .alarms = after.alarms, .version = after.version, .in_force = after.in_force, .owner = after.owner,
		.next = after.next, .rule = after.rule,
	};
	return true;
}

uint64_t
case_deadline_ms(const struct kw_case *c)
{
	if (c->stated == 0 || c->changed != c->stated || c->moved > c->stated_upto)
		return 0;
	if (!case_is_open(c))
		return UINT64_MAX;
	return c->until_ms != 0 && c->until_ms < c->expires_ms ? c->until_ms : c->expires_ms;
}

/* ---- a statement in the log ---- */

static enum case_verdict
compare(const struct kw_case *mine, enum case_cause cause, const struct case_statement *s)
{
	if (cause == 0)
		return CASE_V_PARTED_UNDUE;
	if (mine->version != s->version)
		return CASE_V_PARTED_VERSION;
	if (cause != s->cause)
		return CASE_V_PARTED_CAUSE;
	if (mine->state != s->state)
		return CASE_V_PARTED_STATE;
	if (mine->owner != s->owner)
		return CASE_V_PARTED_OWNER;
	if (mine->next != s->next)
		return CASE_V_PARTED_NEXT;
	if (mine->rule != s->rule)
		return CASE_V_PARTED_RULE;
	if (mine->until_ms != s->until_ms)
		return CASE_V_PARTED_UNTIL;
	if (mine->alarms != s->alarms)
		return CASE_V_PARTED_ALARMS;
	return CASE_V_OK;
}

enum case_verdict
case_entry(struct kw_case *c, const struct case_statement *s, uint64_t number, const struct case_rules *r)
{
	struct kw_case after = *c;
	enum case_cause cause;
	enum case_verdict v;

	MUST(number > c->upto);
	if (s->upto >= number)
		return CASE_V_PARTED_NUMBER;
	if (s->upto > c->upto || (s->upto == c->upto && s->entries > c->entries))
		return CASE_V_MISSING;
	if (s->upto == c->upto && s->entries < c->entries)
		return CASE_V_PARTED_NUMBER;
	if (s->upto < c->changed) {
		case_pass(c, number);
		return CASE_V_STALE;
	}
	if (s->time_ms < c->stated_ms)
		return CASE_V_PARTED_TIME;
	if (s->in_force < c->in_force || (s->upto == c->upto && s->in_force < c->newest))
		return CASE_V_PARTED_VERSION;
	if ((v = advance(&cause, &after, r, s->time_ms, s->in_force)) != CASE_V_OK || (v = compare(&after, cause, s)) != CASE_V_OK)
		return v;
	after.stated = after.changed = number;
	after.stated_upto = s->upto;
	after.stated_ms = s->time_ms;
	*c = after;
	case_pass(c, number);
	return CASE_V_OK;
}

void
case_pass(struct kw_case *c, uint64_t number)
{
	MUST(number > c->upto);
	c->upto = number;
	c->entries++;
}
