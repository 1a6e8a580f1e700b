/* case_log: entries sorted by number, folded from what is proven complete. */
#include "cases/case_log.h"

#include <string.h>

#include "cases/case_parts.h"

static uint32_t
entries_upto(const struct case_log *l, uint64_t number)
{
	uint32_t n = l->base.entries;

	for (uint32_t i = 0; i < l->count && l->tail[i].number <= number; i++)
		n++;
	return n;
}

/* What the machine says to a statement, once it is known whether all it was made from is here. */
static enum case_verdict
judge(const struct case_log *l, struct kw_case *c, const struct case_log_entry *e, const struct case_rules *r)
{
	const struct case_statement *s = &e->statement;
	uint32_t here = entries_upto(l, s->upto);
	enum case_verdict v;

	if (s->upto >= l->base.upto && s->upto < e->number) {
		if (here < s->entries)
			return CASE_V_MISSING;
		if (here > s->entries)
			return CASE_V_PARTED_NUMBER;
	}
	v = case_entry(c, s, e->number, r);
	return v == CASE_V_MISSING ? CASE_V_PARTED_NUMBER : v; /* nothing is missing, and yet it names a number where nothing stands */
}

static void
part(struct case_log *l, const struct case_log_entry *e, enum case_verdict v, const struct case_rules *r)
{
	l->parted = (struct case_parted){.verdict = v, .number = e->number, .says = e->statement};
	(void)case_wants(&l->parted.follows, &l->now, r, e->statement.time_ms, e->statement.in_force);
}

static bool
holds(enum case_verdict v)
{
	return v == CASE_V_OK || v == CASE_V_STALE;
}

static bool
is_passed(const struct case_log *l, const struct case_log_entry *e)
{
	return l->parted.verdict != CASE_V_OK && e->number >= l->parted.number;
}

/* Folds the tail; answers up to where it is proven complete. */
static uint64_t
fold(struct case_log *l, const struct case_rules *r)
{
	uint64_t proven = l->base.upto;

	l->now = l->base;
	l->stopped = CASE_V_OK;
	l->stopped_at = 0;
	for (uint32_t i = 0; i < l->count; i++) {
		const struct case_log_entry *e = &l->tail[i];
		enum case_verdict v;

		if (!e->is_statement) {
			(void)case_move(&l->now, &e->move, r);
			continue;
		}
		if (is_passed(l, e)) {
			case_pass(&l->now, e->number);
			continue;
		}
		v = judge(l, &l->now, e, r);
		if (holds(v)) {
			if (e->statement.upto > proven)
				proven = e->statement.upto;
			continue;
		}
		if (v == CASE_V_MISSING || v == CASE_V_UNKNOWN_AGREEMENT) {
			l->stopped = v;
			l->stopped_at = e->number;
			break;
		}
		part(l, e, v, r);
		case_pass(&l->now, e->number);
	}
	return proven;
}

/* Folds the first n of the tail for good. They were folded before, each as it is now. */
static void
settle(struct case_log *l, uint32_t n, const struct case_rules *r)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct case_log_entry *e = &l->tail[i];

		if (!e->is_statement)
			(void)case_move(&l->base, &e->move, r);
		else if (is_passed(l, e) || !holds(case_entry(&l->base, &e->statement, e->number, r)))
			case_pass(&l->base, e->number);
	}
	l->count -= n;
	memmove(l->tail, l->tail + n, l->count * sizeof l->tail[0]);
}

static void
refold(struct case_log *l, const struct case_rules *r)
{
	uint64_t proven = fold(l, r);
	uint32_t n = 0;

	while (n < l->count && l->tail[n].number <= proven)
		n++;
	settle(l, n, r);
}

/* No room: what waits is not waited for any longer, and the older half is folded for good. */
static void
make_room(struct case_log *l, const struct case_rules *r)
{
	for (uint32_t i = 0; i < l->count && l->parted.verdict == CASE_V_OK && l->stopped != CASE_V_OK; i++)
		if (l->tail[i].number == l->stopped_at)
			part(l, &l->tail[i], l->stopped, r);
	settle(l, CASE_LOG_MAX / 2, r);
	refold(l, r);
}

enum case_verdict
case_log_open(struct case_log *l, const struct case_opening *o, const struct case_rules *r)
{
	enum case_verdict v;

	memset(l, 0, sizeof *l);
	v = case_open(&l->base, o, r);
	l->now = l->base;
	return v;
}

static bool
same_move(const struct case_move *a, const struct case_move *b)
{
	return a->kind == b->kind && a->actor == b->actor && a->to == b->to && a->version == b->version;
}

static bool
same_statement(const struct case_statement *a, const struct case_statement *b)
{
	return a->cause == b->cause && a->state == b->state && a->time_ms == b->time_ms && a->upto == b->upto && a->until_ms == b->until_ms
	    && a->entries == b->entries && a->alarms == b->alarms && a->version == b->version && a->in_force == b->in_force
	    && a->owner == b->owner && a->next == b->next && a->rule == b->rule;
}

static bool
same(const struct case_log_entry *a, const struct case_log_entry *b)
{
	if (a->is_statement != b->is_statement)
		return false;
	return a->is_statement ? same_statement(&a->statement, &b->statement) : same_move(&a->move, &b->move);
}

enum case_log_added
case_log_add(struct case_log *l, const struct case_log_entry *e, const struct case_rules *r)
{
	uint32_t at = 0;

	if (e->number <= l->base.upto)
		return CASE_LOG_OLD;
	while (at < l->count && l->tail[at].number < e->number)
		at++;
	if (at < l->count && l->tail[at].number == e->number)
		return same(&l->tail[at], e) ? CASE_LOG_AGAIN : CASE_LOG_CONFLICT;
	memmove(l->tail + at + 1, l->tail + at, (l->count - at) * sizeof l->tail[0]);
	l->tail[at] = *e;
	l->tail[at].move.number = e->number;
	l->count++;
	refold(l, r);
	if (l->count > CASE_LOG_MAX)
		make_room(l, r);
	return CASE_LOG_ADDED;
}

void
case_log_again(struct case_log *l, const struct case_rules *r)
{
	refold(l, r);
}

bool
case_log_cut(struct case_log *l, uint64_t from, const struct case_rules *r)
{
	if (from <= l->base.upto || (l->parted.verdict != CASE_V_OK && l->parted.number >= from))
		return false;
	while (l->count > 0 && l->tail[l->count - 1].number >= from)
		l->count--;
	refold(l, r);
	return true;
}
