/*
 * batch: what waits for the next commit and what is in the one under way. Order inside a batch: log epoch, nodes, sets,
 * notifications with flash first, an agreement behind them, then cursors, filters, evidence and retention.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/parts.h"

#define EVIDENCE_MAX 64u        /* texts waiting; more of the same within one commit is not more evidence */
#define OPS_MAX (STORE_BATCH_MAX + 2 * CONTROL_OPS_MAX)

enum kw_err
batch_init(struct core *c)
{
	c->ops = calloc(OPS_MAX, sizeof *c->ops);
	c->context = calloc(STORE_BATCH_MAX, sizeof *c->context);
	c->stored = calloc(STORE_BATCH_MAX, sizeof *c->stored);
	c->evidence = calloc(EVIDENCE_MAX, sizeof *c->evidence);
	return c->ops != NULL && c->context != NULL && c->stored != NULL && c->evidence != NULL ? KW_OK : KW_ENOMEM;
}

static struct pending *
pending_at(struct pending_ring *r, uint32_t i)
{
	return &r->at[(r->first + i) & (r->cap - 1)];
}

void
batch_free(struct core *c)
{
	for (int lane = 0; lane < KW_LANES; lane++) {
		struct pending_ring *r = &c->pending[lane];

		for (uint32_t i = 0; i < r->count; i++)
			blob_unref(&pending_at(r, i)->blob);
		free(r->at);
	}
	for (uint32_t i = 0; i < c->context_count; i++)
		blob_unref(&c->context[i].blob);
	for (uint32_t i = 0; i < c->evidence_count; i++)
		free(c->evidence[i]);
	free(c->ops);
	free(c->context);
	free(c->stored);
	free(c->evidence);
	free(c->dirty);
}

struct pending *
batch_add(struct core *c, enum lane lane)
{
	struct pending_ring *r = &c->pending[lane];
	struct pending *p;

	if (r->count == r->cap) {
		uint32_t cap = r->cap == 0 ? 64 : r->cap * 2;
		struct pending *more = malloc(cap * sizeof *more);

		if (more == NULL)
			return NULL;
		for (uint32_t i = 0; i < r->count; i++)
			more[i] = *pending_at(r, i);
		free(r->at);
		r->at = more;
		r->cap = cap;
		r->first = 0;
	}
	p = pending_at(r, r->count++);
	memset(p, 0, sizeof *p);
	return p;
}

void
batch_dirty(struct core *c, uint32_t node, struct core_time now)
{
	struct node_rec *n = c->audience.nodes[node];

	if (n->in_dirty_list)
		return;
	if (c->dirty_count == c->dirty_cap) {
		uint32_t cap = c->dirty_cap == 0 ? 64 : c->dirty_cap * 2;
		uint32_t *more = realloc(c->dirty, cap * sizeof *more);

		if (more == NULL)
			return; /* the next acknowledgement tries again */
		c->dirty = more;
		c->dirty_cap = cap;
	}
	if (c->dirty_count == 0)
		c->dirty_since_ms = now.mono_ms;
	n->in_dirty_list = true;
	c->dirty[c->dirty_count++] = node;
}

void
batch_evidence(struct core *c, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	if (c->evidence_count == EVIDENCE_MAX)
		return;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	c->evidence[c->evidence_count] = strdup(text);
	if (c->evidence[c->evidence_count] != NULL)
		c->evidence_count++;
}

static uint32_t
nodes_and_sets(struct core *c, struct store_op *ops)
{
	struct audience *a = &c->audience;
	uint32_t n = 0;

	for (; a->first_new_node < a->node_count && n < CONTROL_OPS_MAX / 2; n++) {
		uint32_t i = a->first_new_node++;

		ops[n] = (struct store_op){.kind = OP_NODE, .node = {{i}, a->nodes[i]->id}};
	}
	if (a->first_new_node < a->node_count)
		return n; /* sets name nodes: those first */
	for (; a->first_new_set < a->set_count && n < CONTROL_OPS_MAX; n++) {
		uint32_t i = a->first_new_set++;

		ops[n] = (struct store_op){.kind = OP_SET, .set = {{i}, a->sets[i].nodes, a->sets[i].count}};
	}
	return n;
}

/* Notifications, flash first; stops at the first whose audience does not stand in the store yet. */
static uint32_t
appends(struct core *c, struct store_op *ops)
{
	uint64_t bytes = 0;
	uint32_t n = 0;

	for (int lane = 0; lane < KW_LANES; lane++) {
		struct pending_ring *r = &c->pending[lane];

		while (r->count > 0 && n < c->limits.batch_appends && (n == 0 || bytes < c->limits.batch_bytes)) {
			struct pending *p = pending_at(r, 0);

			if (p->op.append.set.v >= c->audience.first_new_set)
				return n;
			ops[n] = p->op;
			ops[n].tag = n;
			c->context[n] = *p;
			bytes += p->bytes;
			r->first = (r->first + 1) & (r->cap - 1);
			r->count--;
			n++;
		}
	}
	return n;
}

static uint32_t
cursors(struct core *c, struct store_op *ops)
{
	uint32_t n = 0;

	while (c->dirty_count > 0 && n + KW_LANES + 1 < CONTROL_OPS_MAX / 2) {
		uint32_t no = c->dirty[--c->dirty_count];
		struct node_rec *node = c->audience.nodes[no];

		node->in_dirty_list = false;
		for (int i = 0; i < KW_LANES; i++) {
			if (!node->cursor_dirty[i])
				continue;
			node->cursor_dirty[i] = false;
			ops[n++] = (struct store_op){.kind = OP_CURSOR,
				.cursor = {{no}, (enum lane)i, {c->log_epoch, node->cursor[i]}}};
		}
		if (node->filters_dirty) {
			node->filters_dirty = false;
			ops[n++] = (struct store_op){.kind = OP_SUBSCRIBE, .subscribe = {{no}, &node->filters}};
		}
	}
	return n;
}

static uint32_t
evidences(struct core *c, struct store_op *ops)
{
	c->evidence_out = c->evidence_count;
	for (uint32_t i = 0; i < c->evidence_out; i++)
		ops[i] = (struct store_op){.kind = OP_EVIDENCE, .evidence = {span_str(c->evidence[i])}};
	return c->evidence_out;
}

/* An acknowledgement does not hurry: losing the newest few costs repeated deliveries. Before bodies are swept they are written. */
static bool
cursors_due(const struct core *c, struct core_time now)
{
	if (c->dirty_count == 0)
		return false;
	return c->service == SERVICE_STOPPING || c->sweep_due_count > 0 || now.mono_ms >= c->dirty_since_ms + CURSOR_FLUSH_MS;
}

static bool
wanted(const struct core *c, struct core_time now)
{
	for (int lane = 0; lane < KW_LANES; lane++)
		if (c->pending[lane].count > 0)
			return true;
	if (c->evidence_count > 0 || change_wants_batch(c) || c->purge_due || c->sweep_due_count > 0)
		return true;
	return cursors_due(c, now);
}

struct store_batch *
core_batch(struct core *c, struct core_time now)
{
	uint32_t n = 0;

	if (c->batch_out || c->service == SERVICE_LOST || !wanted(c, now))
		return NULL;
	n += change_ops_before(c, c->ops);
	n += nodes_and_sets(c, c->ops + n);
	c->context_count = appends(c, c->ops + n);
	n += c->context_count;
	if (change_install_fits(c))
		n += change_install_ops(c, c->ops + n);
	if (cursors_due(c, now))
		n += cursors(c, c->ops + n);
	n += evidences(c, c->ops + n);
	n += sweep_ops(c, c->ops + n);
	if (n == 0)
		return NULL;
	MUST(n <= OPS_MAX);
	c->batch = (struct store_batch){.ops = c->ops, .count = n, .now_ms = now.wall_ms};
	c->batch_out = true;
	return &c->batch;
}

/* ---- the answer ---- */

static void
answered(struct core *c, struct pending *p, struct session *s)
{
	MUST(c->pending_bytes >= p->bytes);
	c->pending_bytes -= p->bytes;
	if (s == NULL)
		return;
	MUST(s->in[p->op.append.lane].messages > 0 && s->in[p->op.append.lane].bytes >= p->bytes);
	s->in[p->op.append.lane].messages--;
	s->in[p->op.append.lane].bytes -= p->bytes;
}

static void
say_stored(struct core *c, struct session *s, const struct store_op *op)
{
	struct core_stored *item = &c->stored[c->stored_count];

	*item = (struct core_stored){.at = op->at, .index = op->index, .next = NO_ITEM};
	memcpy(item->id, op->append.id, KW_ID_LEN);
	if (s->stored_count++ == 0)
		s->first_stored = c->stored_count;
	else
		c->stored[s->last_stored].next = c->stored_count;
	s->last_stored = c->stored_count++;
}

static void
say_again(struct core *c, struct session *s, const struct store_op *op)
{
	struct core_effect *e = effect_add(c, EFFECT_STORED_AGAIN, s->conn);

	if (e == NULL)
		return;
	memcpy(e->again.id, op->append.id, KW_ID_LEN);
	e->again.at = op->at;
	e->again.commit = op->commit;
	e->again.index = op->index;
}

static void
hex(char *out, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void
conflict(struct core *c, const struct pending *p)
{
	char id[2 * KW_ID_LEN + 1], hash[2 * KW_HASH_LEN + 1];

	hex(id, p->op.append.id, KW_ID_LEN);
	hex(hash, p->op.append.frame_hash, KW_HASH_LEN);
	c->counters.conflicts++;
	batch_evidence(c, "conflict: %s offered other bytes, frame hash %s, under id %s, which stands at %u/%s/%llu", p->op.append.sender_id,
	               hash, id, p->op.at.log_epoch, lane_name(p->op.at.lane), (unsigned long long)p->op.at.number);
}

static void
append_answered(struct core *c, struct pending *p, const struct store_op *op, uint64_t commit_number, struct core_time now)
{
	struct session *s = session_alive(c, p->conn, p->generation);
	enum lane lane = op->append.lane;

	p->op = *op;
	answered(c, p, s);
	if (s != NULL && s->stage != STAGE_OPEN)
		s = NULL;
	switch (op->result) {
	case APPEND_STORED:
		MUST(op->at.number == c->tail[lane] + 1);
		c->tail[lane] = op->at.number;
		c->counters.stored++;
		if (op->append.sender.v != UINT32_MAX) {
			struct node_rec *n = c->audience.nodes[op->append.sender.v];

			n->has_last_stored = true;
			memcpy(n->last_stored, op->append.id, KW_ID_LEN);
		}
		sweep_appended(c, op->append.set.v, lane, op->at.number);
		delivery_committed(c, p, now);
		if (s != NULL)
			say_stored(c, s, op);
		break;
	case APPEND_DUPLICATE:
		c->counters.duplicates++;
		if (s != NULL && op->commit == commit_number)
			say_stored(c, s, op);
		else if (s != NULL)
			say_again(c, s, op);
		break;
	case APPEND_CONFLICT:
		conflict(c, p);
		if (s != NULL)
			effect_refuse(c, s->conn, CODE_CONFLICT, op->append.id, 0,
			              "another notification of yours has this id; both are kept as evidence");
		break;
	}
}

static void
stored_effects(struct core *c)
{
	for (uint32_t i = 0; i < c->context_count; i++) {
		struct session *s = session_alive(c, c->context[i].conn, c->context[i].generation);
		struct core_effect *e;

		if (s == NULL || s->stored_count == 0)
			continue;
		if (s->stage == STAGE_OPEN && (e = effect_add(c, EFFECT_STORED, s->conn)) != NULL) {
			e->stored.first = s->first_stored;
			e->stored.count = s->stored_count;
		}
		s->first_stored = s->last_stored = NO_ITEM;
		s->stored_count = 0;
	}
}

static void
all_done(struct core *c, struct store_batch *b, struct core_time now)
{
	uint64_t number = b->has_commit ? be64_get(b->commit + 4) : 0;
	uint32_t next = 0;

	if (b->has_commit) {
		c->has_commit = true;
		memcpy(c->commit, b->commit, sizeof c->commit);
		c->counters.commits++;
	}
	c->stored_count = 0;
	for (uint32_t i = 0; i < b->count; i++) {
		const struct store_op *op = &b->ops[i];

		if (op->kind == OP_APPEND && !op->append.entry)
			append_answered(c, &c->context[next++], op, number, now);
		else if (op->kind == OP_SWEEP || op->kind == OP_PURGE)
			sweep_done(c, op, true);
	}
	stored_effects(c);
}

/* Nothing of it happened: senders hear so, the rest is put in again. */
static void
none_done(struct core *c, struct store_batch *b, struct core_time now)
{
	uint32_t next = 0;

	for (uint32_t i = b->count; i-- > 0;) {
		const struct store_op *op = &b->ops[i];

		if (op->kind == OP_NODE)
			c->audience.first_new_node = op->node.node.v; /* the first one of the batch is met last */
		else if (op->kind == OP_SET)
			c->audience.first_new_set = op->set.set.v;
		else if (op->kind == OP_CURSOR) {
			c->audience.nodes[op->cursor.node.v]->cursor_dirty[op->cursor.lane] = true;
			batch_dirty(c, op->cursor.node.v, now);
		} else if (op->kind == OP_SUBSCRIBE) {
			c->audience.nodes[op->subscribe.node.v]->filters_dirty = true;
			batch_dirty(c, op->subscribe.node.v, now);
		} else if (op->kind == OP_SWEEP || op->kind == OP_PURGE)
			sweep_done(c, op, false);
	}
	for (; next < c->context_count; next++) {
		struct pending *p = &c->context[next];
		struct session *s = session_alive(c, p->conn, p->generation);

		answered(c, p, s);
		if (s != NULL && s->stage == STAGE_OPEN)
			effect_refuse(c, s->conn, CODE_STORE_FULL, p->op.append.id, 5000, "the broker's store has no room; offer it again later");
	}
}

void
core_committed(struct core *c, struct store_batch *b, enum kw_err err, struct core_time now)
{
	MUST(c->batch_out && b == &c->batch);
	c->batch_out = false;
	if (err != KW_OK && err != KW_EFULL) {
		change_stop(c, SERVICE_LOST, "the store is lost: nothing more is acknowledged");
		return;
	}
	if (err == KW_OK)
		all_done(c, b, now);
	else
		none_done(c, b, now);
	change_committed(c, b, err, now);
	for (uint32_t i = 0; i < c->context_count; i++)
		blob_unref(&c->context[i].blob);
	c->context_count = 0;
	if (err == KW_OK) {
		for (uint32_t i = 0; i < c->evidence_out; i++)
			free(c->evidence[i]);
		c->evidence_count -= c->evidence_out;
		memmove(c->evidence, c->evidence + c->evidence_out, c->evidence_count * sizeof *c->evidence);
	}
	c->evidence_out = 0;
}

void
core_store_lost(struct core *c)
{
	if (c->service != SERVICE_LOST)
		change_stop(c, SERVICE_LOST, "the store is lost: nothing more is acknowledged");
}

bool
core_quiet(const struct core *c)
{
	for (int lane = 0; lane < KW_LANES; lane++)
		if (c->pending[lane].count > 0)
			return false;
	return !c->batch_out && c->dirty_count == 0;
}

uint64_t
batch_wake_ms(const struct core *c)
{
	if (c->batch_out || c->dirty_count == 0)
		return UINT64_MAX;
	return c->dirty_since_ms + CURSOR_FLUSH_MS;
}
