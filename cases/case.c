/* case: opening, moves, and the questions people ask. Whose turn it is: case_turns.c. */
#include "cases/case.h"

#include <string.h>

#include "cases/case_parts.h"

const char *
case_move_name(enum case_move_kind m)
{
	static const char *const names[MOVE_COUNT] = {"take", "decline", "hand_over", "return", "done", "reopen", "recall"};

	return (unsigned)m < MOVE_COUNT ? names[m] : "?";
}

const char *
case_verdict_name(enum case_verdict v)
{
	static const char *const names[CASE_V_COUNT] = {
#define X(name, word) word,
		CASE_VERDICTS(X)
#undef X
	};

	return (unsigned)v < CASE_V_COUNT ? names[v] : "?";
}

bool
case_verdict_parted(enum case_verdict v)
{
	return v >= CASE_V_PARTED_NUMBER && v < CASE_V_COUNT;
}

/* ---- parties ---- */

uint32_t
case_party(const struct kw_case *c, uint32_t actor)
{
	for (uint32_t i = 0; i < c->party_count; i++)
		if (c->party[i] == actor)
			return i;
	return CASE_PARTIES_MAX;
}

bool
case_party_add(struct kw_case *c, uint32_t actor, uint8_t flag)
{
	uint32_t i = case_party(c, actor);

	if (i == CASE_PARTIES_MAX) {
		if (c->party_count == CASE_PARTIES_MAX)
			return false;
		i = c->party_count++;
		c->party[i] = actor;
		c->flags[i] = 0;
	}
	c->flags[i] |= flag;
	return true;
}

bool
case_party_is(const struct kw_case *c, uint32_t actor, uint8_t flag)
{
	uint32_t i = case_party(c, actor);

	return i < CASE_PARTIES_MAX && (c->flags[i] & flag) != 0;
}

bool
case_is_party(const struct kw_case *c, uint32_t actor)
{
	return case_party(c, actor) < CASE_PARTIES_MAX;
}

bool
case_is_open(const struct kw_case *c)
{
	return (IN(c->state) & IN_OPEN) != 0;
}

bool
case_may_take(const struct kw_case *c, uint32_t actor, const struct case_rules *r)
{
	if (actor == c->coordinator || case_party_is(c, actor, PARTY_LINE))
		return true;
	return c->open_to_readers && actor != c->sender && r->reads(r->ctx, actor);
}

/* ---- opening ---- */

enum case_verdict
case_open(struct kw_case *c, const struct case_opening *o, const struct case_rules *r)
{
	struct case_terms t;
	struct kw_case n;

	if (!r->terms(&t, r->ctx, o->version))
		return CASE_V_UNKNOWN_AGREEMENT;
	memset(&n, 0, sizeof n); /* equal cases are equal bytes */
	memcpy(n.id, o->id, sizeof n.id);
	memcpy(n.frame_hash, o->frame_hash, sizeof n.frame_hash);
	n.opened = n.upto = n.changed = n.stated_upto = o->number;
	n.expires_ms = o->expires_ms;
	n.version = n.in_force = n.newest = o->version;
	n.entries = 1;
	n.sender = o->sender;
	n.coordinator = n.owner = t.coordinator;
	n.next = n.giver = n.wish = CASE_NOBODY;
	n.rule = ENTRY_NO_RULE;
	n.state = CASE_WAITING;
	n.lane = (uint8_t)o->lane;
	n.open_to_readers = t.open_to_readers;
	(void)case_party_add(&n, o->sender, 0);
	(void)case_party_add(&n, t.coordinator, 0);
	if (t.member_count > CASE_PARTIES_MAX)
		return CASE_V_TOO_MANY_PARTIES;
	for (uint32_t i = 0; i < t.member_count; i++)
		if (!case_party_add(&n, t.members[i], PARTY_LINE))
			return CASE_V_TOO_MANY_PARTIES;
	*c = n;
	return CASE_V_OK;
}

/* ---- moves ---- */

static void
mark(struct kw_case *c, uint32_t actor, uint8_t flags)
{
	uint32_t i = case_party(c, actor);

	if (i < CASE_PARTIES_MAX)
		c->flags[i] |= flags;
	if (c->wish == actor)
		c->wish = CASE_NOBODY;
}

/* Nobody has it and nobody's turn is known: the coordinator's. */
static void
to_coordinator(struct kw_case *c)
{
	c->owner = c->coordinator;
	c->next = c->giver = CASE_NOBODY;
}

static enum case_verdict
may_be_next(const struct kw_case *c, const struct case_move *m, const struct case_rules *r)
{
	if (m->to == m->actor)
		return CASE_V_TO_SELF;
	if (m->to == CASE_NOBODY || !r->is_node(r->ctx, m->version, m->to))
		return CASE_V_NOT_A_READER;
	if (m->to != c->coordinator && !case_party_is(c, m->to, PARTY_LINE) && !r->reads(r->ctx, m->to))
		return CASE_V_NOT_A_READER;
	if (case_party_is(c, m->to, PARTY_GAVE))
		return CASE_V_CIRCLE;
	return CASE_V_OK;
}

static enum case_verdict
take(struct kw_case *c, uint32_t actor)
{
	bool over = c->state == CASE_TAKEN;
	uint32_t giver = over ? c->owner : CASE_NOBODY;

	if (!case_party_add(c, actor, 0))
		return CASE_V_TOO_MANY_PARTIES;
	if (over)
		mark(c, giver, PARTY_GAVE);
	c->owner = actor;
	c->next = c->wish = CASE_NOBODY;
	c->giver = giver;
	return CASE_V_OK;
}

static void
give_back(struct kw_case *c, const struct case_move *m, const struct case_rules *r)
{
	uint32_t giver = c->giver;

	mark(c, c->owner, PARTY_TRIED | PARTY_GAVE);
	to_coordinator(c);
	if (giver != CASE_NOBODY && r->is_node(r->ctx, m->version, giver))
		c->wish = giver;
}

static void
reopen(struct kw_case *c)
{
	for (uint32_t i = 0; i < c->party_count; i++)
		c->flags[i] &= PARTY_LINE;
	c->wish = c->owner;
	c->alarms = 0;
	to_coordinator(c);
}

static enum case_verdict
act(struct kw_case *c, enum case_act what, const struct case_move *m, const struct case_rules *r)
{
	enum case_verdict v = CASE_V_OK;

	switch (what) {
	case ACT_TAKE:
		v = take(c, m->actor);
		break;
	case ACT_DECLINE:
		mark(c, m->actor, PARTY_TRIED);
		to_coordinator(c);
		break;
	case ACT_SKIP:
		mark(c, m->actor, PARTY_TRIED);
		break;
	case ACT_HAND_OVER:
		if ((v = may_be_next(c, m, r)) != CASE_V_OK)
			break;
		if (!case_party_add(c, m->to, 0))
			v = CASE_V_TOO_MANY_PARTIES;
		else
			c->next = m->to;
		break;
	case ACT_GIVE_BACK:
		give_back(c, m, r);
		break;
	case ACT_STAY:
	case ACT_CLOSE:
		c->next = CASE_NOBODY;
		break;
	case ACT_REOPEN:
		reopen(c);
		break;
	case ACT_NOTHING:
	case ACT_COUNT:
		MUST(false && "an effective move does something");
	}
	return v;
}

/* At the limit the to and fro ends, but not the case: it can still be taken by somebody, and be closed. */
static bool
counts_still(const struct kw_case *c, enum case_move_kind kind)
{
	return c->moves < CASE_MOVES_MAX || kind == MOVE_DONE || kind == MOVE_RECALL || (kind == MOVE_TAKE && c->state != CASE_TAKEN);
}

/* *c may be spoiled where the answer is not OK. */
static enum case_verdict
change(const struct case_table *t, struct kw_case *c, const struct case_move *m, const struct case_rules *r)
{
	const struct case_row *row = case_table_find(t, c, m, r);
	enum case_verdict v;

	if (row->verdict != CASE_V_OK)
		return row->verdict;
	if (!counts_still(c, m->kind))
		return CASE_V_TOO_MANY_MOVES;
	if ((v = act(c, row->act, m, r)) != CASE_V_OK)
		return v;
	if (row->becomes != 0) { /* a limit and the rule behind it belong to a turn that is over now */
		c->state = (uint8_t)row->becomes;
		c->until_ms = 0;
		c->rule = ENTRY_NO_RULE;
		c->alarm_ms = 0;
	}
	c->changed = m->number;
	return CASE_V_OK;
}

enum case_verdict
case_move_by(const struct case_table *t, struct kw_case *c, const struct case_move *m, const struct case_rules *r)
{
	struct kw_case after = *c;
	enum case_verdict v;

	MUST(m->number > c->upto);
	MUST((unsigned)m->kind < MOVE_COUNT);
	v = change(t, &after, m, r);
	if (v == CASE_V_OK)
		*c = after;
	else if ((v == CASE_V_TAKEN_BY || v == CASE_V_CLOSED) && m->kind == MOVE_TAKE && case_may_take(c, m->actor, r)) /* who came second hears who was first */
		(void)case_party_add(c, m->actor, 0);
	c->upto = c->moved = m->number;
	if (m->version > c->newest)
		c->newest = m->version;
	c->entries++;
	c->moves++;
	return v;
}

enum case_verdict
case_move(struct kw_case *c, const struct case_move *m, const struct case_rules *r)
{
	return case_move_by(&case_table, c, m, r);
}

enum case_verdict
case_would(const struct kw_case *c, const struct case_move *m, const struct case_rules *r)
{
	struct kw_case after = *c;

	return change(&case_table, &after, m, r);
}

/* ---- words ---- */

static const char *
state_word(const struct kw_case *c)
{
	switch (c->state) {
	case CASE_WAITING:   return kw_translate("waiting");
	case CASE_OFFERED:   return kw_translate("offered");
	case CASE_ESCALATED: return kw_translate("escalated");
	case CASE_TAKEN:     return kw_translate("taken");
	case CASE_DONE:      return kw_translate("done");
	case CASE_RECALLED:  return kw_translate("recalled");
	case CASE_LAPSED:    return kw_translate("lapsed");
	default:             return "?";
	}
}

enum kw_err
case_refuse(struct kw_why *why, enum case_verdict v, const struct kw_case *c, const char *owner)
{
	switch (v) {
	case CASE_V_ALREADY_YOURS:
		return kw_refuse(why, KW_ESTATE, "this case is yours already; nothing is to be done");
	case CASE_V_ALREADY_DECLINED:
		return kw_refuse(why, KW_ESTATE, "this case was declined here already, or its time ran out; take it if you want it after all");
	case CASE_V_TAKEN_BY:
		return kw_refuse(why, KW_ESTATE, "%s has taken this case; ask there whether it is to be handed over", owner);
	case CASE_V_CLOSED:
		return kw_refuse(why, KW_ESTATE, "this case is closed (%s); its last owner was %s", state_word(c), owner);
	case CASE_V_STILL_OPEN:
		return kw_refuse(why, KW_ESTATE, "this case is open and with %s; there is nothing to reopen", owner);
	case CASE_V_NOT_TAKEN:
		return kw_refuse(why, KW_ESTATE, "nobody has taken this case yet, it is with %s; take it first", owner);
	case CASE_V_USE_RETURN:
		return kw_refuse(why, KW_ESTATE, "this case is yours and can no longer be declined; return it, or hand it over");
	case CASE_V_NOBODY_LEFT:
		return kw_refuse(why, KW_ESTATE, "nobody stands behind the coordinator, who cannot decline; take the case and hand it over");
	case CASE_V_NOT_YOURS:
		return kw_refuse(why, KW_EDENIED, "this case is not this node's to decide: it is with %s, and the agreement names others for its topic", owner);
	case CASE_V_NOT_SENDERS:
		return kw_refuse(why, KW_EDENIED, "only the sender's partner can recall this case; decline it, or say that it is done");
	case CASE_V_TO_SELF:
		return kw_refuse(why, KW_EDENIED, "a case cannot be handed over to its own owner; name another node");
	case CASE_V_NOT_A_READER:
		return kw_refuse(why, KW_EDENIED, "whoever is to take this case over cannot read it; name one of its readers, or of those responsible for its topic");
	case CASE_V_CIRCLE:
		return kw_refuse(why, KW_ESTATE, "whoever is to take this case over gave it away before; return it, or name another node");
	case CASE_V_TOO_MANY_MOVES:
		return kw_refuse(why, KW_ELIMIT, "this case was moved %u times; now it can only be taken where nobody has it, done or recalled", CASE_MOVES_MAX);
	case CASE_V_TOO_MANY_PARTIES:
		return kw_refuse(why, KW_ELIMIT, "this case has %u parties and can have no more; name one of them", CASE_PARTIES_MAX);
	default:
		return kw_refuse(why, KW_ESTATE, "this case is with %s (%s)", owner, state_word(c));
	}
}

const char *
case_unsound(const struct kw_case *c)
{
	bool nobodys = c->state < CASE_TAKEN;

	if (c->state < CASE_WAITING || c->state > CASE_LAPSED)
		return "its state is none";
	if (c->party_count > CASE_PARTIES_MAX)
		return "it has too many parties";
	if (!case_is_party(c, c->owner) || !case_is_party(c, c->coordinator) || !case_is_party(c, c->sender))
		return "owner, coordinator or sender is no party";
	if (c->next != CASE_NOBODY && (c->state != CASE_TAKEN || c->next == c->owner || !case_is_party(c, c->next)))
		return "its next owner cannot be one";
	if ((c->state == CASE_WAITING || c->state == CASE_ESCALATED) && c->owner != c->coordinator)
		return "nobody has it, and yet the coordinator is not its owner";
	if ((c->state == CASE_OFFERED || c->state == CASE_ESCALATED) != (c->until_ms != 0 && nobodys))
		return "nobody has it, and its turn has no limit";
	if (!nobodys && c->until_ms != 0 && c->next == CASE_NOBODY)
		return "somebody has it, and yet there is a limit";
	if (c->opened == 0 || c->opened > c->changed || c->changed > c->upto || c->stated > c->changed || c->moved > c->upto || c->entries == 0)
		return "its numbers are in disorder";
	return NULL;
}
