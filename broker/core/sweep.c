/* sweep: retention in small steps: bodies that everyone is past, and what is due by time (docs/protocol.md section 7). */
#include <stdlib.h>
#include <string.h>

#include "broker/core/parts.h"

#define DUE_MAX (sizeof ((struct core *)NULL)->sweep_due / sizeof ((struct core *)NULL)->sweep_due[0])

static void
enqueue(struct core *c, uint32_t set, enum lane lane)
{
	uint32_t at;

	if (c->sweep_count == c->sweep_cap) {
		uint32_t cap = c->sweep_cap == 0 ? 64 : c->sweep_cap * 2;
		void *more = malloc(cap * sizeof *c->sweeps);
		char *to = more;

		if (more == NULL)
			return; /* its bodies go by time, if not earlier */
		for (uint32_t i = 0; i < c->sweep_count; i++)
			memcpy(to + i * sizeof *c->sweeps, &c->sweeps[(c->sweep_first + i) & (c->sweep_cap - 1)], sizeof *c->sweeps);
		free(c->sweeps);
		c->sweeps = more;
		c->sweep_cap = cap;
		c->sweep_first = 0;
	}
	at = (c->sweep_first + c->sweep_count++) & (c->sweep_cap - 1);
	c->sweeps[at].set = set;
	c->sweeps[at].lane = lane;
	c->audience.sets[set].sweeping[lane] = true;
}

void
sweep_appended(struct core *c, uint32_t set, enum lane lane, uint64_t number)
{
	struct set_rec *s = &c->audience.sets[set];

	s->newest[lane] = number;
	c->sweep_appends++;
	if (!s->sweeping[lane])
		enqueue(c, set, lane);
}

/* The number that everyone of the set who is still in the agreement is past. */
static uint64_t
everyone_past(const struct core *c, const struct set_rec *s, enum lane lane)
{
	uint64_t least = s->newest[lane];

	for (uint32_t i = 0; i < s->count; i++) {
		const struct node_rec *n = c->audience.nodes[s->nodes[i].v];

		if (n->under_agreement != AGREEMENT_NOBODY && n->cursor[lane] < least)
			least = n->cursor[lane];
	}
	if (cases_body_needed(s, lane) <= least)
		least = cases_body_needed(s, lane) - 1;
	return least;
}

static void
look(struct core *c)
{
	uint32_t todo = c->sweep_count;
	uint64_t members = 0;

	while (todo-- > 0 && members < c->limits.members_a_tick && c->sweep_due_count < DUE_MAX) {
		uint32_t set = c->sweeps[c->sweep_first].set;
		enum lane lane = c->sweeps[c->sweep_first].lane;
		struct set_rec *s = &c->audience.sets[set];
		uint64_t upto = everyone_past(c, s, lane);

		members += s->count;
		c->sweep_first = (c->sweep_first + 1) & (c->sweep_cap - 1);
		c->sweep_count--;
		if (upto <= s->swept[lane]) {
			enqueue(c, set, lane);
			continue;
		}
		c->sweep_after = c->dirty_count;
		c->sweep_due[c->sweep_due_count].set = set;
		c->sweep_due[c->sweep_due_count].lane = lane;
		c->sweep_due[c->sweep_due_count++].upto = upto;
	}
}

void
sweep_tick(struct core *c, struct core_time now)
{
	if (now.mono_ms >= c->next_purge_ms) {
		c->purge_due = true;
		c->next_purge_ms = now.mono_ms + PURGE_EVERY_MS;
	}
	if (now.mono_ms < c->next_sweep_ms && c->sweep_appends < SWEEP_AFTER)
		return;
	c->sweep_appends = 0;
	c->next_sweep_ms = now.mono_ms + SWEEP_EVERY_MS;
	look(c);
}

/* Bodies go when the cursors that let them go are written: in this batch or before. */
uint32_t
sweep_ops(struct core *c, struct store_op *ops)
{
	uint32_t n = 0;

	if (c->purge_due)
		ops[n++] = (struct store_op){.kind = OP_PURGE, .purge = {c->limits.purge_records}};
	c->purge_due = false;
	while (c->sweep_due_count > 0 && c->sweep_after == 0 && n < 4) { /* a few a commit: retention never holds up a notification */
		c->sweep_due_count--;
		ops[n++] = (struct store_op){.kind = OP_SWEEP,
			.sweep = {c->sweep_due[c->sweep_due_count].lane, {c->sweep_due[c->sweep_due_count].set},
			          c->sweep_due[c->sweep_due_count].upto, c->limits.purge_records / 4}};
	}
	return n;
}

void
sweep_done(struct core *c, const struct store_op *op, bool ok)
{
	struct set_rec *s;

	if (op->kind == OP_PURGE) {
		if (!ok || op->done >= op->purge.limit)
			c->purge_due = ok; /* more is due: with the next commit; no room for it: when its time comes again */
		return;
	}
	s = &c->audience.sets[op->sweep.set.v];
	if (ok)
		s->swept[op->sweep.lane] = op->done < op->sweep.limit ? op->sweep.upto : op->at.number;
	s->sweeping[op->sweep.lane] = false;
	if (s->swept[op->sweep.lane] < s->newest[op->sweep.lane])
		enqueue(c, op->sweep.set.v, op->sweep.lane);
}

uint64_t
sweep_wake_ms(const struct core *c)
{
	if (c->sweep_count > 0 && c->next_sweep_ms < c->next_purge_ms)
		return c->next_sweep_ms;
	return c->next_purge_ms;
}

void
sweep_free(struct core *c)
{
	free(c->sweeps);
}
