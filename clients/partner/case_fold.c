/* case_fold: see its header. */
#include "clients/partner/case_fold.h"

#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"

/* ---- what the machine asks ---- */

static const struct agreement *
version_of(const void *self, uint32_t version)
{
	return agreement_chain_get(((const struct case_fold *)self)->chain, version);
}

static uint32_t
actor_of(const void *self, const struct agreement *a, uint32_t node)
{
	const struct case_fold *f = self;

	return node != AGREEMENT_NOBODY ? actors_number(f->actors, agreement_node_id(a, node)) : CASE_NOBODY;
}

static const char *
id_of(const void *self, uint32_t actor)
{
	return actors_id(((const struct case_fold *)self)->actors, actor);
}

/* The audience of its notification, by the version that it names. */
static void
find_readers(struct case_fold *f)
{
	const struct agreement *a = agreement_chain_get(f->chain, f->header.agreement_version);
	uint32_t count = 0;
	uint32_t *nodes = a != NULL ? calloc(agreement_node_count(a), sizeof *nodes) : NULL;

	f->readers_known = true;
	if (nodes == NULL)
		return;
	if (agreement_may_send(nodes, &count, a, &f->header, agreement_node(a, f->header.sender), f->header.created_ms, NULL) != KW_OK)
		count = 0;
	for (uint32_t i = 0; i < count; i++)
		nodes[i] = actor_of(f, a, nodes[i]);
	f->readers = nodes;
	f->reader_count = count;
}

static bool
reads(const void *self, uint32_t actor)
{
	struct case_fold *f = (struct case_fold *)(uintptr_t)self; /* what is found once is kept */

	if (!f->readers_known)
		find_readers(f);
	for (uint32_t i = 0; i < f->reader_count; i++)
		if (f->readers[i] == actor)
			return true;
	return false;
}

/* ---- reading ---- */

static enum kw_err
read_row(struct case_fold *f, const struct pstore_case *row, struct kw_why *why)
{
	struct frame frame;

	memcpy(f->id, row->id, KW_ID_LEN);
	f->at = row->at;
	f->sent = row->sent;
	f->told = row->told;
	f->parted_before = row->parted;
	memcpy(f->now.frame_hash, row->frame_hash, KW_HASH_LEN);
	if (frame_parse(&frame, row->head, FRAME_EITHER, NULL) != KW_OK || header_decode(&f->header, frame.header, NULL) != KW_OK)
		return kw_refuse(why, KW_ECORRUPT, "the notification of a case cannot be read any more in the node's store; restore it from a copy");
	f->since_ms = f->header.created_ms;
	return KW_OK;
}

static bool
read_statement(struct fold_entry *out, struct case_log_entry *e, const struct case_fold *f, struct span bytes)
{
	struct broker_entry b;

	if (entry_decode(&b, bytes, NULL) != KW_OK || b.kind != ENTRY_CASE)
		return false;
	e->is_statement = true;
	e->statement = (struct case_statement){
		.cause = b.of_case.cause, .state = b.of_case.state, .time_ms = b.time_ms, .upto = b.of_case.upto, .until_ms = b.of_case.until_ms,
		.entries = b.of_case.entries, .alarms = b.of_case.alarms, .version = b.version, .in_force = b.of_case.in_force,
		.owner = actors_number(f->actors, b.of_case.owner), .next = actors_number(f->actors, b.of_case.next), .rule = b.of_case.rule,
	};
	out->at_ms = b.time_ms;
	out->cause = b.of_case.cause;
	out->state = b.of_case.state;
	out->until_ms = b.of_case.until_ms;
	out->upto = b.of_case.upto;
	out->version = b.version;
	memcpy(out->actor, b.of_case.owner, sizeof out->actor);
	memcpy(out->next, b.of_case.next, sizeof out->next);
	return true;
}

struct gathering { struct case_fold *fold; struct case_log_entry *log; uint32_t cap; struct kw_why *why; };

static bool
more_room(struct gathering *g)
{
	uint32_t cap = g->cap == 0 ? 16 : g->cap * 2;
	struct fold_entry *entries = realloc(g->fold->entries, cap * sizeof *entries);
	struct case_log_entry *log;

	if (entries == NULL)
		return false;
	g->fold->entries = entries;
	if ((log = realloc(g->log, cap * sizeof *log)) == NULL)
		return false;
	g->log = log;
	g->cap = cap;
	return true;
}

static enum kw_err
gather(void *self, const struct pstore_case_entry *row)
{
	struct gathering *g = self;
	struct case_fold *f = g->fold;
	struct case_log_entry *e;
	struct fold_entry *out;

	if (row->at.number <= f->at.number)
		return KW_OK; /* from before its notification: none of its own */
	if (f->count == g->cap && !more_room(g))
		return kw_refuse(g->why, KW_ENOMEM, "out of memory for a case");
	out = &f->entries[f->count];
	e = &g->log[f->count];
	memset(out, 0, sizeof *out);
	memset(e, 0, sizeof *e);
	e->number = row->at.number;
	out->at = row->at;
	out->type = row->type;
	if (row->type == 0) {
		f->count += read_statement(out, e, f, row->statement);
		return KW_OK;
	}
	if (!case_move_of(&e->move.kind, row->type))
		return KW_OK;
	e->move.number = row->at.number;
	e->move.actor = actors_number(f->actors, row->actor);
	e->move.to = actors_number(f->actors, row->next);
	e->move.version = row->version;
	out->at_ms = row->at_ms;
	out->version = row->version;
	memcpy(out->receipt, row->receipt, KW_ID_LEN);
	memcpy(out->actor, row->actor, strlen(row->actor) + 1);
	memcpy(out->next, row->next, strlen(row->next) + 1);
	f->count++;
	return KW_OK;
}

/* ---- folding ---- */

/* The case as a statement says it stands, for the moves behind what it was made from. */
static void
stand(struct kw_case *c, const struct case_statement *s, uint64_t number)
{
	c->state = (uint8_t)s->state;
	c->owner = s->owner;
	c->next = s->next;
	c->version = s->version;
	c->in_force = s->in_force;
	c->upto = c->changed = s->upto < number ? s->upto : number; /* whatever a broker claims */
}

static bool
is_closed(uint8_t state)
{
	return state == CASE_DONE || state == CASE_RECALLED || state == CASE_LAPSED;
}

static bool
counts(const struct fold_entry *e)
{
	return e->verdict == CASE_V_OK || e->verdict == CASE_V_ALREADY_YOURS;
}

static bool
is_member(const struct case_terms *t, uint32_t actor)
{
	for (uint32_t i = 0; i < t->member_count && i < CASE_PARTIES_MAX; i++)
		if (t->members[i] == actor)
			return true;
	return false;
}

bool
fold_may_take(const struct case_fold *f, uint32_t version, uint32_t actor, bool unknown)
{
	struct case_terms t;

	if (!f->rules.terms(&t, f->rules.ctx, version))
		return unknown;
	return is_member(&t, actor) || t.coordinator == actor || (t.open_to_readers && f->rules.reads(f->rules.ctx, actor));
}

/* Where by the moves that came here somebody has it, or had it when it was closed, and by the statement another one does: that one came too late. */
static enum case_verdict
too_late(const struct case_fold *f, const struct kw_case *c, const struct case_statement *s)
{
	if (s->cause == CAUSE_AGREEMENT) /* [M-18] who has it keeps it where it may take */
		return c->state == CASE_TAKEN && s->state < CASE_TAKEN && fold_may_take(f, s->version, c->owner, false) ? CASE_V_NOT_YOURS : CASE_V_OK;
	if (c->state != CASE_TAKEN && !is_closed(c->state))
		return CASE_V_OK;
	if (s->owner == c->owner && (s->state == CASE_TAKEN || is_closed((uint8_t)s->state)))
		return CASE_V_OK;
	return s->state == CASE_TAKEN || is_closed(c->state) ? CASE_V_TAKEN_BY : is_closed((uint8_t)s->state) ? CASE_V_CLOSED : CASE_V_NOT_YOURS;
}

/* c is how it stood there by the moves that came here; the statement covers those of [from, to) up to its own. */
static void
correct(struct case_fold *f, const struct case_log_entry *log, uint32_t from, uint32_t to, const struct kw_case *c)
{
	const struct case_statement *s = &log[to].statement;
	enum case_verdict late = too_late(f, c, s);

	for (uint32_t i = from; i < to; i++) {
		struct fold_entry *e = &f->entries[i];

		if (log[i].is_statement || log[i].number > s->upto || !counts(e))
			continue;
		if (late != CASE_V_OK && e->type == TYPE_TAKEN && log[i].move.actor == c->owner)
			e->verdict = late;
		else if (s->cause == CAUSE_VOID && e->verdict == CASE_V_OK) /* [M-11] nothing before it did anything */
			e->verdict = CASE_V_NOT_YOURS;
	}
}

struct covered { uint64_t upto; uint32_t entries; }; /* by a statement, as it says; by the opening: the notification */

/* All entries that the statement at `to` was made from came here but its newest one. */
static bool
misses_the_newest(const struct case_log_entry *log, uint32_t to, struct covered before)
{
	const struct case_statement *s = &log[to].statement;
	uint64_t last = 0;
	uint32_t here = 0;

	for (uint32_t i = 0; i < to && log[i].number <= s->upto; i++)
		if (log[i].number > before.upto) {
			last = log[i].number;
			here++;
		}
	return last < s->upto && s->entries > before.entries && s->entries - before.entries == here + 1;
}

/* Who has it now took it behind all that came here: of hand-overs behind the last one to it, none was to somebody who may get it. */
static void
correct_taken_last(struct case_fold *f, const struct case_log_entry *log, uint32_t from, uint32_t to, const struct kw_case *after)
{
	const struct case_statement *s = &log[to].statement;
	uint32_t given = to;

	for (uint32_t i = from; i < to; i++)
		if (!log[i].is_statement && log[i].number <= s->upto && counts(&f->entries[i]) && log[i].move.kind == MOVE_HAND_OVER && log[i].move.to == s->owner)
			given = i;
	for (uint32_t i = given + 1; i < to && after->state == CASE_TAKEN; i++)
		if (!log[i].is_statement && log[i].number <= s->upto && counts(&f->entries[i]) && log[i].move.kind == MOVE_HAND_OVER && log[i].move.actor == after->owner)
			f->entries[i].verdict = CASE_V_NOT_A_READER;
}

/*
 * Whom it was being handed over to has it by the statement, and that take did not come here, for it was made by somebody who did not know who had
 * it. Where it may have stood before them, nothing counts that the giver did behind the hand-over.
 */
static void
correct_given_away(struct case_fold *f, const struct case_log_entry *log, uint32_t from, uint32_t to, const struct kw_case *before, const struct kw_case *after,
                   struct covered covered)
{
	const struct case_statement *s = &log[to].statement;
	uint32_t giver = before->state == CASE_TAKEN ? before->owner : CASE_NOBODY;
	bool given = giver != CASE_NOBODY && before->next == s->owner;

	if ((s->state != CASE_TAKEN && !is_closed((uint8_t)s->state)) || s->owner == CASE_NOBODY)
		return;
	for (uint32_t i = from; i < to; i++)
		if (!log[i].is_statement && log[i].number <= s->upto && log[i].move.kind == MOVE_TAKE && log[i].move.actor == s->owner)
			return;
	if (s->state == CASE_TAKEN && misses_the_newest(log, to, covered)) {
		correct_taken_last(f, log, from, to, after);
		return;
	}
	for (uint32_t i = from; i < to; i++) {
		const struct case_move *m = &log[i].move;
		struct fold_entry *e = &f->entries[i];

		if (log[i].is_statement || log[i].number > s->upto || !counts(e))
			continue;
		if (given && m->actor == giver && (m->kind == MOVE_HAND_OVER || m->kind == MOVE_RETURN || m->kind == MOVE_DONE))
			e->verdict = CASE_V_TAKEN_BY;
		else if (m->kind == MOVE_HAND_OVER && m->to == s->owner) {
			giver = m->actor;
			given = true;
		}
	}
}

/* Who has it goes on having it, and is not handing it over as the moves here would say: the latest hand-overs were to somebody who may not get it. */
static void
correct_hand_overs(struct case_fold *f, const struct case_log_entry *log, uint32_t from, uint32_t to, const struct kw_case *after)
{
	const struct case_statement *s = &log[to].statement;

	if ((s->cause != CAUSE_MOVED && s->cause != CAUSE_VOID) || s->state != CASE_TAKEN || after->state != CASE_TAKEN || s->owner != after->owner)
		return;
	for (uint32_t i = to; i-- > from;) {
		const struct case_move *m = &log[i].move;
		struct fold_entry *e = &f->entries[i];

		if (log[i].is_statement || log[i].number > s->upto || !counts(e) || m->kind != MOVE_HAND_OVER || m->actor != s->owner)
			continue;
		if (m->to == s->next)
			return;
		e->verdict = CASE_V_NOT_A_READER;
	}
}

/* By what came here: it had its turn since the last opening, or said no. */
static bool
was_tried(const struct case_fold *f, const struct case_log_entry *log, uint32_t before, uint32_t actor)
{
	bool tried = false, turn = false;

	for (uint32_t i = 0; i < before; i++) {
		const struct fold_entry *e = &f->entries[i];

		if (log[i].is_statement) {
			tried = tried || (turn && log[i].statement.owner != actor && log[i].statement.state < CASE_TAKEN);
			turn = log[i].statement.state == CASE_OFFERED && log[i].statement.owner == actor;
		} else if (counts(e) && e->type == TYPE_REOPENED) {
			tried = turn = false;
		} else if (counts(e) && (e->type == TYPE_DECLINED || e->type == TYPE_RETURNED) && log[i].move.actor == actor) {
			tried = true;
		}
	}
	return tried;
}

/* True also where that version is not known here. */
static bool
in_line(const struct case_fold *f, uint32_t version, uint32_t actor)
{
	struct case_terms t;

	return !f->rules.terms(&t, f->rules.ctx, version) || is_member(&t, actor);
}

static void
set(struct kw_case *c, enum case_state state, uint32_t owner, uint32_t next)
{
	c->state = (uint8_t)state;
	c->owner = owner;
	c->next = next;
}

static enum case_verdict
take_perhaps(struct kw_case *c, uint32_t actor)
{
	if (c->state == CASE_TAKEN && c->next != actor)
		return c->owner == actor ? CASE_V_ALREADY_YOURS : CASE_V_TAKEN_BY;
	set(c, CASE_TAKEN, actor, CASE_NOBODY);
	return CASE_V_OK;
}

static enum case_verdict
decline_perhaps(const struct case_fold *f, struct kw_case *c, const struct case_log_entry *log, uint32_t i)
{
	uint32_t actor = log[i].move.actor;

	if (c->state == CASE_TAKEN && c->next != actor)
		return c->owner == actor ? CASE_V_USE_RETURN : CASE_V_TAKEN_BY;
	if (c->state == CASE_TAKEN) {
		c->next = CASE_NOBODY;
		return CASE_V_OK;
	}
	if (c->state == CASE_OFFERED && c->owner == actor) {
		set(c, CASE_WAITING, CASE_NOBODY, CASE_NOBODY);
		return CASE_V_OK;
	}
	if (was_tried(f, log, i, actor))
		return CASE_V_ALREADY_DECLINED;
	return in_line(f, c->version, actor) ? CASE_V_OK : CASE_V_NOT_YOURS;
}

static enum case_verdict
owners_perhaps(struct kw_case *c, const struct case_move *m)
{
	if (c->state != CASE_TAKEN)
		return CASE_V_NOT_TAKEN;
	if (c->owner != m->actor)
		return CASE_V_TAKEN_BY;
	if (m->kind == MOVE_HAND_OVER)
		c->next = m->to;
	else if (m->kind == MOVE_RETURN)
		set(c, CASE_WAITING, CASE_NOBODY, CASE_NOBODY);
	else
		set(c, CASE_DONE, m->actor, CASE_NOBODY);
	return CASE_V_OK;
}

/* A move where it is not known who may make it: by the opening's agreement, which counts no more, or which is not here. */
static enum case_verdict
move_perhaps(const struct case_fold *f, struct kw_case *c, const struct case_log_entry *log, uint32_t i)
{
	const struct case_move *m = &log[i].move;

	if (m->kind == MOVE_REOPEN && !is_closed(c->state))
		return CASE_V_STILL_OPEN;
	if (c->state == CASE_RECALLED || c->state == CASE_LAPSED || (c->state == CASE_DONE && m->kind != MOVE_REOPEN && m->kind != MOVE_RECALL))
		return CASE_V_CLOSED;
	switch (m->kind) {
	case MOVE_TAKE:
		return take_perhaps(c, m->actor);
	case MOVE_DECLINE:
		return decline_perhaps(f, c, log, i);
	case MOVE_REOPEN:
		set(c, CASE_WAITING, CASE_NOBODY, CASE_NOBODY);
		return CASE_V_OK;
	case MOVE_RECALL:
		c->state = CASE_RECALLED;
		return CASE_V_OK;
	default:
		return owners_perhaps(c, m);
	}
}

/* The moves of [from, to) up to that number, in order. */
static void
judge(struct case_fold *f, struct kw_case *c, const struct case_log_entry *log, uint32_t from, uint32_t to, uint64_t upto, bool opened)
{
	for (uint32_t i = from; i < to; i++) {
		struct fold_entry *e = &f->entries[i];

		if (log[i].is_statement || log[i].number > upto)
			continue;
		if (opened && c->version == f->header.agreement_version)
			e->verdict = case_move(c, &log[i].move, &f->rules);
		else
			e->verdict = move_perhaps(f, c, log, i);
	}
}

/* Whether the statement was made of what stood in the one before, and of no move that did not come here: a time ran out, or only who has the case may change it. */
static bool
made_of_known(const struct kw_case *before, const struct case_statement *s)
{
	switch (s->cause) {
	case CAUSE_TIMEOUT:
	case CAUSE_ALARM:
	case CAUSE_HANDOVER_LAPSED:
		return true;
	case CAUSE_AGREEMENT:
	case CAUSE_LAPSED:
		return before->state == CASE_TAKEN && before->next == CASE_NOBODY;
	default:
		return false;
	}
}

/* [M-9] What such a statement changes is void where a move that counts came between it and what it was made from. */
static bool
is_stale(struct case_fold *f, const struct kw_case *before, const struct case_log_entry *log, uint32_t from, uint32_t at, bool opened)
{
	const struct case_statement *s = &log[at].statement;
	struct kw_case c = *before;
	bool stale = false;

	if (!made_of_known(&c, s))
		return false;
	judge(f, &c, log, from, at, UINT64_MAX, opened);
	for (uint32_t i = from; i < at; i++)
		stale = stale || (!log[i].is_statement && log[i].number > s->upto && f->entries[i].verdict == CASE_V_OK);
	return stale;
}

/*
 * What each move did: by the statement before it, the moves since then that came here, and the statement that covers it. A statement says how the
 * case stood behind the entry that it was made from, so what came in between is judged from there.
 */
static void
judge_moves(struct case_fold *f, const struct case_log_entry *log, struct kw_case c, bool opened)
{
	struct covered covered = {f->at.number, 1};
	struct kw_case before;
	uint32_t since = 0;

	for (uint32_t i = 0; i < f->count; i++) {
		const struct case_statement *s = &log[i].statement;

		if (!log[i].is_statement || is_stale(f, &c, log, since, i, opened))
			continue;
		before = c;
		judge(f, &c, log, since, i, s->upto, opened);
		correct(f, log, since, i, &c);
		correct_given_away(f, log, since, i, &before, &c, covered);
		correct_hand_overs(f, log, since, i, &c);
		stand(&c, s, log[i].number);
		covered = (struct covered){s->upto, s->entries};
		while (since < i && log[since].number <= s->upto)
			since++;
	}
	judge(f, &c, log, since, f->count, UINT64_MAX, opened);
}

static void
believe(struct case_fold *f, const struct case_log_entry *log)
{
	struct kw_case *c = &f->now;

	f->believed = true;
	c->party_count = 0;
	for (uint32_t i = 0; i < f->count; i++) {
		const struct case_statement *s = &log[i].statement;

		f->entries[i].folded = true;
		c->upto = log[i].number;
		if (!log[i].is_statement)
			continue;
		c->state = (uint8_t)s->state;
		c->owner = s->owner;
		c->next = s->next;
		c->version = s->version;
		c->until_ms = s->until_ms;
		c->rule = s->rule;
		c->alarms = s->alarms;
		c->stated = log[i].number;
		c->stated_upto = s->upto;
		f->since_ms = s->time_ms;
	}
}

/*
 * How many of them nothing of others' can be missing before. What others did comes in the log's order, but an own move is known as soon as it is
 * answered, while what stands before it may still be on its way; what comes behind it says that it is not.
 */
static uint32_t
sure_entries(const struct case_fold *f, const struct case_log_entry *log, uint32_t me)
{
	uint32_t count = f->count;

	while (count > 0 && !log[count - 1].is_statement && log[count - 1].move.actor == me)
		count--;
	return count;
}

/* Where the log of a party stops, and whether it parted. */
static void
find_stop(struct case_fold *f, struct case_log *l, const struct case_log_entry *log, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		MUST(case_log_add(l, &log[i], &f->rules) == CASE_LOG_ADDED); /* they come in order */
	f->stopped = l->stopped;
	f->parted = l->parted;
}

/*
 * How many of count nothing of one's own can be missing before, while an own move waits for its answer: it may stand in the log already, before what
 * others did. A statement that holds was made of all there is up to its upto.
 */
static uint32_t
sure_of_own(const struct case_fold *f, const struct case_log_entry *log, uint32_t count, uint32_t me, uint64_t stop)
{
	uint64_t proven = 0;
	uint32_t sure = 0;

	for (uint32_t i = 0; i < count && log[i].number < stop; i++)
		if (log[i].is_statement && log[i].statement.upto > proven && (f->parted.verdict == CASE_V_OK || log[i].number < f->parted.number))
			proven = log[i].statement.upto;
	while (sure < count && (log[sure].is_statement || log[sure].move.actor == me || log[sure].number <= proven))
		sure++;
	return sure;
}

/* In order, up to there; what each did is kept. */
static void
walk(struct case_fold *f, const struct case_log_entry *log, uint32_t count, uint64_t stop)
{
	for (uint32_t i = 0; i < count && log[i].number < stop; i++) {
		struct fold_entry *e = &f->entries[i];

		e->folded = true;
		if (!log[i].is_statement) {
			e->verdict = case_move(&f->now, &log[i].move, &f->rules);
			continue;
		}
		e->verdict = f->parted.verdict != CASE_V_OK && log[i].number >= f->parted.number ? f->parted.verdict
		                                                                                : case_entry(&f->now, &log[i].statement, log[i].number, &f->rules);
		if (e->verdict == CASE_V_OK)
			f->since_ms = log[i].statement.time_ms;
		else if (e->verdict != CASE_V_STALE)
			case_pass(&f->now, log[i].number);
	}
}

static enum kw_err
fold_all(struct case_fold *f, const struct fold_with *with, const struct case_log_entry *log, struct kw_why *why)
{
	struct case_opening o = {.lane = f->at.lane, .number = f->at.number, .version = f->header.agreement_version, .expires_ms = f->header.expires_ms};
	uint32_t me = actors_number(f->actors, with->node), sure = sure_entries(f, log, me);
	uint64_t stop;
	bool own_waits;
	enum kw_err err = pstore_out_moves(&own_waits, with->store, f->id, why);
	struct case_log *l = err == KW_OK ? calloc(1, sizeof *l) : NULL;

	if (err != KW_OK)
		return err;
	if (l == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a case");
	o.sender = actors_number(f->actors, f->header.sender);
	memcpy(o.id, f->id, KW_ID_LEN);
	memcpy(o.frame_hash, f->now.frame_hash, KW_HASH_LEN);
	if (case_log_open(l, &o, &f->rules) != CASE_V_OK || !case_is_party(&l->now, me)) {
		f->now = l->now;
		judge_moves(f, log, l->base, l->base.state != 0);
		if (f->now.state == 0) /* of a version from before this node's agreement */
			f->now = (struct kw_case){.state = CASE_WAITING, .owner = CASE_NOBODY, .next = CASE_NOBODY, .sender = o.sender, .version = o.version, .rule = ENTRY_NO_RULE};
		believe(f, log);
	} else {
		f->now = l->now;
		find_stop(f, l, log, sure);
		stop = l->stopped == CASE_V_OK ? UINT64_MAX : l->stopped_at;
		if (own_waits)
			sure = sure_of_own(f, log, sure, me, stop);
		walk(f, log, sure, stop);
		f->ahead = f->now;
		for (uint32_t i = sure; i < f->count; i++)
			if (!log[i].is_statement)
				(void)case_move(&f->ahead, &log[i].move, &f->rules);
	}
	free(l);
	return KW_OK;
}

enum kw_err
case_fold(struct case_fold *f, const struct fold_with *with, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct gathering g = {.fold = f, .why = why};
	struct pstore_case row;
	enum kw_err err;

	memset(f, 0, sizeof *f);
	f->actors = with->actors;
	f->chain = with->chain;
	if ((err = pstore_case_get(&row, with->store, id, why)) != KW_OK || (err = read_row(f, &row, why)) != KW_OK)
		return err;
	f->context = (struct case_context){
		.topic = f->header.topic, .sender = actors_number(f->actors, f->header.sender), .take_within_s = f->header.take_within_s, .self = f,
		.version = version_of, .actor = actor_of, .id = id_of, .reads = reads,
	};
	f->rules = case_rules_of(&f->context);
	if ((err = pstore_case_entries(with->store, id, gather, &g, why)) == KW_OK)
		err = fold_all(f, with, g.log, why);
	free(g.log);
	return err;
}

void
case_fold_free(struct case_fold *f)
{
	free(f->entries);
	free(f->readers);
	f->entries = NULL;
	f->readers = NULL;
}

const char *
fold_id(const struct case_fold *f, uint32_t actor)
{
	return actors_id(f->actors, actor);
}

const struct fold_entry *
fold_move(const struct case_fold *f, const uint8_t receipt[KW_ID_LEN])
{
	for (uint32_t i = 0; i < f->count; i++)
		if (f->entries[i].type != 0 && memcmp(f->entries[i].receipt, receipt, KW_ID_LEN) == 0)
			return &f->entries[i];
	return NULL;
}

bool
fold_is_stated(const struct case_fold *f, uint64_t number)
{
	return f->now.stated_upto >= number;
}
