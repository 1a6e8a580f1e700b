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
stand(struct kw_case *c, const struct case_statement *s)
{
	c->state = (uint8_t)s->state;
	c->owner = s->owner;
	c->next = s->next;
	c->version = s->version;
	c->in_force = s->in_force;
	c->upto = c->changed = s->upto;
}

/* Whoever took it, by what is seen from here, and does not have it by the statement that covers the move, came too late. */
static void
correct(struct case_fold *f, const struct case_log_entry *log, uint32_t from, uint32_t to, const struct kw_case *c)
{
	const struct case_statement *s = &log[to].statement;
	bool closed = s->state == CASE_DONE || s->state == CASE_RECALLED || s->state == CASE_LAPSED;

	if (c->state != CASE_TAKEN || s->cause == CAUSE_AGREEMENT || (s->owner == c->owner && (closed || s->state == CASE_TAKEN)))
		return;
	for (uint32_t i = from; i < to; i++) {
		struct fold_entry *e = &f->entries[i];
		bool counted = e->verdict == CASE_V_OK || e->verdict == CASE_V_ALREADY_YOURS;

		if (e->type == TYPE_TAKEN && log[i].move.actor == c->owner && log[i].number <= s->upto && counted)
			e->verdict = s->state == CASE_TAKEN ? CASE_V_TAKEN_BY : closed ? CASE_V_CLOSED : CASE_V_NOT_YOURS;
	}
}

/* A move where it is not known who may make it: by the opening's agreement, which counts no more, or which is not here. */
static enum case_verdict
move_perhaps(struct kw_case *c, enum notice_type type, uint32_t actor)
{
	bool closed = c->state == CASE_DONE || c->state == CASE_RECALLED || c->state == CASE_LAPSED, taken = c->state == CASE_TAKEN;

	if (type == TYPE_REOPENED)
		return c->state == CASE_DONE ? CASE_V_OK : closed ? CASE_V_CLOSED : CASE_V_STILL_OPEN;
	if (type == TYPE_RECALL || type == TYPE_CANCEL)
		return CASE_V_OK;
	if (closed)
		return CASE_V_CLOSED;
	if (type == TYPE_TAKEN || type == TYPE_DECLINED) {
		if (taken && c->next != actor)
			return c->owner != actor ? CASE_V_TAKEN_BY : type == TYPE_TAKEN ? CASE_V_ALREADY_YOURS : CASE_V_USE_RETURN;
	} else if (!taken || c->owner != actor) {
		return taken ? CASE_V_TAKEN_BY : CASE_V_NOT_TAKEN;
	}
	if (type == TYPE_TAKEN) {
		c->state = CASE_TAKEN;
		c->owner = actor;
		c->next = CASE_NOBODY;
	}
	return CASE_V_OK;
}

static void
judge(struct case_fold *f, struct kw_case *c, const struct case_log_entry *log, uint32_t i, bool opened)
{
	struct fold_entry *e = &f->entries[i];

	if (opened && c->version == f->header.agreement_version)
		e->verdict = case_move(c, &log[i].move, &f->rules);
	else
		e->verdict = move_perhaps(c, e->type, log[i].move.actor);
}

/* What each move did, by the statement before it, the moves since then that came here, and the statement that covers it. */
static void
judge_moves(struct case_fold *f, const struct case_log_entry *log, struct kw_case c, bool opened)
{
	uint32_t since = 0;

	for (uint32_t i = 0; i < f->count; i++) {
		if (!log[i].is_statement) {
			judge(f, &c, log, i, opened);
			continue;
		}
		correct(f, log, since, i, &c);
		stand(&c, &log[i].statement);
		for (uint32_t k = since; k < i; k++)
			if (log[k].number > log[i].statement.upto)
				judge(f, &c, log, k, opened);
		c.upto = log[i].number;
		since = i + 1;
	}
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
		c->until_ms = s->until_ms;
		c->rule = s->rule;
		c->alarms = s->alarms;
		c->stated = log[i].number;
		c->stated_upto = s->upto;
		f->since_ms = s->time_ms;
	}
}

/* Where the log of a party stops, and whether it parted. */
static void
find_stop(struct case_fold *f, struct case_log *l, const struct case_log_entry *log)
{
	for (uint32_t i = 0; i < f->count; i++)
		MUST(case_log_add(l, &log[i], &f->rules) == CASE_LOG_ADDED); /* they come in order */
	f->stopped = l->stopped;
	f->parted = l->parted;
}

/* In order, up to there; what each did is kept. */
static void
walk(struct case_fold *f, const struct case_log_entry *log, uint64_t stop)
{
	for (uint32_t i = 0; i < f->count && log[i].number < stop; i++) {
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
	struct case_log *l = calloc(1, sizeof *l);

	if (l == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a case");
	o.sender = actors_number(f->actors, f->header.sender);
	memcpy(o.id, f->id, KW_ID_LEN);
	memcpy(o.frame_hash, f->now.frame_hash, KW_HASH_LEN);
	if (case_log_open(l, &o, &f->rules) != CASE_V_OK || !case_is_party(&l->now, actors_number(f->actors, with->node))) {
		f->now = l->now;
		judge_moves(f, log, l->base, l->base.state != 0);
		if (f->now.state == 0) /* of a version from before this node's agreement */
			f->now = (struct kw_case){.state = CASE_WAITING, .owner = CASE_NOBODY, .next = CASE_NOBODY, .sender = o.sender, .rule = ENTRY_NO_RULE};
		believe(f, log);
	} else {
		f->now = l->now;
		find_stop(f, l, log);
		walk(f, log, l->stopped == CASE_V_OK ? UINT64_MAX : l->stopped_at);
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
