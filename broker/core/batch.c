/*
 * batch: what waits for the next commit and what is in the one under way. Order inside a batch: log epoch, nodes, sets,
 * notifications with flash first, an agreement behind them, then cursors, filters, evidence and retention. One that finds no room
 * fails as a whole, so the next one holds retention alone: what waits must not keep from going what would make room for it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/parts.h"

#define EVIDENCE_MAX 64u        /* texts waiting; more of the same within one commit is not more evidence */
#define OPS_MAX (STORE_BATCH_MAX + 2 * CONTROL_OPS_MAX + 1u)
#define SHARE 16u               /* one part in so many of each batch is a lower lane's, if it wants it */
#define ROOM_MS 500u            /* then what waits has its turn between two batches that make room */

enum kw_err
batch_init(struct core *c)
{
	c->ops = calloc(OPS_MAX, sizeof *c->ops);
	c->context = calloc(STORE_BATCH_MAX, sizeof *c->context);
	c->stored = calloc(STORE_BATCH_MAX, sizeof *c->stored);
	c->evidence = calloc(EVIDENCE_MAX, sizeof *c->evidence);
	c->filters_out = calloc(c->limits.cursors_a_batch, sizeof *c->filters_out);
	return c->ops != NULL && c->context != NULL && c->stored != NULL && c->evidence != NULL && c->filters_out != NULL ? KW_OK : KW_ENOMEM;
}

static struct pending *
pending_at(struct pending_ring *r, uint32_t i)
{
	return &r->at[(r->first + i) & (r->cap - 1)];
}

static void
pending_free(struct pending *p)
{
	blob_unref(&p->blob);
	free(p->note);
	free(p->refusal);
}

static void
forget_context(struct core *c)
{
	for (uint32_t i = 0; i < c->context_count; i++) {
		pending_free(&c->context[i]);
	}
	c->context_count = 0;
	while (c->filters_out_count > 0)
		free(c->filters_out[--c->filters_out_count].filters);
}

void
batch_free(struct core *c)
{
	for (int lane = 0; lane < KW_LANES; lane++) {
		struct pending_ring *r = &c->pending[lane];

		for (uint32_t i = 0; i < r->count; i++)
			pending_free(pending_at(r, i));
		free(r->at);
	}
	forget_context(c);
	for (uint32_t i = 0; i < c->evidence_count; i++)
		free(c->evidence[i]);
	free(c->ops);
	free(c->context);
	free(c->stored);
	free(c->evidence);
	free(c->filters_out);
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

bool
batch_entry(struct core *c, enum lane lane, uint32_t set, const struct broker_entry *e, struct blob *b, const uint8_t hash[KW_HASH_LEN],
            uint64_t proof_until_ms)
{
	struct case_note *note = calloc(1, sizeof *note + 1);
	struct pending *p = note != NULL ? batch_add(c, lane) : NULL;
	struct op_append *a;

	if (p == NULL) {
		free(note);
		return false;
	}
	note->entry = *e;
	b->expires_ms = UINT64_MAX;
	p->note = note;
	p->conn = CORE_NO_CONN;
	p->blob = blob_ref(b);
	p->bytes = blob_bytes(b);
	p->op.kind = OP_APPEND;
	a = &p->op.append;
	a->lane = lane;
	a->set = (set_no){set};
	a->sender = (node_no){UINT32_MAX};
	a->sender_id = agreement_broker(c->agreement)->name;
	memcpy(a->frame_hash, hash, KW_HASH_LEN);
	a->entry = true;
	a->expires_ms = a->body_until_ms = UINT64_MAX;
	a->proof_until_ms = proof_until_ms;
	a->head = b->head;
	c->pending_bytes += p->bytes;
	return true;
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

/* How many the lane may make of the batch, so that those below it get on too. */
static uint32_t
most_for(const struct core *c, int lane)
{
	uint32_t most = c->limits.batch_appends, share = most / SHARE;

	while (++lane < KW_LANES)
		most -= c->pending[lane].count < share ? c->pending[lane].count : share;
	return most;
}

/* Notifications, flash first; stops at the first whose audience does not stand in the store yet. By bytes, one of each lane always fits. */
static uint32_t
appends(struct core *c, struct store_op *ops)
{
	uint64_t bytes = 0;
	uint32_t n = 0;

	for (int lane = 0; lane < KW_LANES; lane++) {
		struct pending_ring *r = &c->pending[lane];
		uint32_t first = n, most = most_for(c, lane);

		while (r->count > 0 && n < most && (n == first || bytes < c->limits.batch_bytes)) {
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

/* NULL: out of memory; they stay to be written. */
static const struct wire_subscribe *
filters_of(struct core *c, const struct wire_subscribe *filters)
{
	struct wire_subscribe *copy = &c->filters_out[c->filters_out_count];

	*copy = (struct wire_subscribe){.filter_count = filters->filter_count};
	if (filters->filter_count > 0 && (copy->filters = malloc(filters->filter_count * sizeof *copy->filters)) == NULL)
		return NULL;
	if (filters->filter_count > 0)
		memcpy(copy->filters, filters->filters, filters->filter_count * sizeof *copy->filters);
	c->filters_out_count++;
	return copy;
}

/* Who has waited longest comes first. */
static uint32_t
cursors(struct core *c, struct store_op *ops)
{
	const struct wire_subscribe *filters;
	uint32_t n = 0, done = 0;

	while (done < c->dirty_count && n + KW_LANES + 1 <= c->limits.cursors_a_batch) {
		uint32_t no = c->dirty[done++];
		struct node_rec *node = c->audience.nodes[no];

		node->in_dirty_list = false;
		for (int i = 0; i < KW_LANES; i++) {
			if (!node->cursor_dirty[i])
				continue;
			node->cursor_dirty[i] = false;
			ops[n++] = (struct store_op){.kind = OP_CURSOR,
				.cursor = {{no}, (enum lane)i, {c->log_epoch, node->cursor[i]}}};
		}
		if (node->filters_dirty && (filters = filters_of(c, &node->filters)) != NULL) {
			node->filters_dirty = false;
			ops[n++] = (struct store_op){.kind = OP_SUBSCRIBE, .subscribe = {{no}, filters}};
		}
	}
	c->dirty_count -= done;
	c->sweep_after -= done < c->sweep_after ? done : c->sweep_after;
	if (done > 0)
		memmove(c->dirty, c->dirty + done, c->dirty_count * sizeof *c->dirty);
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
static uint64_t
cursors_due_ms(const struct core *c)
{
	if (c->dirty_count == 0)
		return UINT64_MAX;
	return c->service == SERVICE_STOPPING || c->sweep_due_count > 0 ? 0 : c->dirty_since_ms + CURSOR_FLUSH_MS;
}

/* From when on a batch would have something to do; UINT64_MAX: nothing is known. */
static uint64_t
wanted_ms(const struct core *c)
{
	uint64_t cursors = cursors_due_ms(c), cases = cases_due_ms(c);

	for (int lane = 0; lane < KW_LANES; lane++)
		if (c->pending[lane].count > 0)
			return 0;
	if (c->room_first || c->evidence_count > 0 || change_wants_batch(c) || c->purge_due || c->sweep_due_count > 0)
		return 0;
	return cursors < cases ? cursors : cases;
}

static uint32_t
all_that_waits(struct core *c, struct core_time now)
{
	uint32_t n = change_ops_before(c, c->ops);

	n += nodes_and_sets(c, c->ops + n);
	c->context_count = appends(c, c->ops + n);
	n += c->context_count;
	n += suspend_ops(c, c->ops + n);
	if (change_install_fits(c))
		n += change_install_ops(c, c->ops + n);
	if (now.mono_ms >= cursors_due_ms(c) || (c->context_count > 0 && c->dirty_count > 0 && now.mono_ms >= c->dirty_since_ms + CURSOR_ALONG_MS))
		n += cursors(c, c->ops + n);
	n += evidences(c, c->ops + n);
	n += sweep_ops(c, c->ops + n);
	return n + cases_ops(c, c->ops + n, now);
}

static uint32_t
what_makes_room(struct core *c)
{
	uint32_t n = cursors(c, c->ops);

	c->context_count = 0;
	c->purge_due = true;
	return n + sweep_ops(c, c->ops + n);
}

struct store_batch *
core_batch(struct core *c, struct core_time now)
{
	uint32_t n;

	if (now.mono_ms < batch_wake_ms(c))
		return NULL;
	n = c->room_first ? what_makes_room(c) : all_that_waits(c, now);
	if (n == 0) { /* short of memory */
		c->full_until_ms = now.mono_ms + FULL_REST_MS;
		return NULL;
	}
	c->room_out = c->room_first;
	MUST(n <= OPS_MAX);
	c->batch = (struct store_batch){.ops = c->ops, .count = n, .now_ms = now.wall_ms, .waits = c->room_out};
	c->batch_out = true;
	return &c->batch;
}

/* ---- the answer ---- */

static void
answered(struct core *c, struct pending *p, struct session *s)
{
	MUST(c->pending_bytes >= p->bytes);
	c->pending_bytes -= p->bytes;
	if (p->note != NULL)
		cases_answered(c, p->note);
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

void
batch_say_again(struct core *c, const struct session *s, const uint8_t id[KW_ID_LEN], const struct position *at, uint64_t commit, uint32_t index)
{
	struct core_effect *e = effect_add(c, EFFECT_STORED_AGAIN, s->conn);

	if (e == NULL)
		return;
	memcpy(e->again.id, id, KW_ID_LEN);
	e->again.at = *at;
	e->again.commit = commit;
	e->again.index = index;
}

static void
hex(char *out, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

void
batch_conflict(struct core *c, const char *sender, const uint8_t id[KW_ID_LEN], const uint8_t frame_hash[KW_HASH_LEN], const struct position *first)
{
	char id_text[2 * KW_ID_LEN + 1], hash[2 * KW_HASH_LEN + 1];

	hex(id_text, id, KW_ID_LEN);
	hex(hash, frame_hash, KW_HASH_LEN);
	c->counters.conflicts++;
	batch_evidence(c, "conflict: %s offered other bytes, frame hash %s, under id %s, which stands at %u/%s/%llu", sender, hash, id_text,
	               first->log_epoch, lane_name(first->lane), (unsigned long long)first->number);
}

static bool
is_suspension(const struct pending *p)
{
	return p->note != NULL && p->note->entry.kind == ENTRY_SUSPENSION;
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
		cases_committed(c, p, now);
		if (is_suspension(p))
			suspend_committed(c, now);
		if (s != NULL)
			say_stored(c, s, op);
		break;
	case APPEND_DUPLICATE:
		c->counters.duplicates++;
		if (s != NULL && op->commit == commit_number)
			say_stored(c, s, op);
		else if (s != NULL)
			batch_say_again(c, s, op->append.id, &op->at, op->commit, op->index);
		break;
	case APPEND_CONFLICT:
		batch_conflict(c, op->append.sender_id, op->append.id, op->append.frame_hash, &op->at);
		if (s != NULL)
			effect_refuse(c, s->conn, CODE_CONFLICT, op->append.id, 0, BATCH_CONFLICT_TEXT);
		break;
	case APPEND_ABSENT:
		if (s != NULL)
			effect_refuse(c, s->conn, CODE_DENIED, op->append.id, 0, "%s", p->refusal);
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

		if (op->kind == OP_APPEND && op->tag != UINT64_MAX)
			append_answered(c, &c->context[next++], op, number, now);
		else if (op->kind == OP_SWEEP || op->kind == OP_PURGE)
			sweep_done(c, op, true);
	}
	stored_effects(c);
}

static void
put_off(struct core *c, struct pending *p, struct core_time now)
{
	struct session *s = session_alive(c, p->conn, p->generation);

	answered(c, p, s);
	cases_failed(c, p, now);
	if (is_suspension(p))
		suspend_failed(c, now);
	if (s == NULL || s->stage != STAGE_OPEN)
		return;
	session_put_off(s, p->op.append.lane, p->round);
	effect_refuse(c, s->conn, CODE_STORE_FULL, p->op.append.id, 5000, "the broker's store has no room; offer it again later");
}

/* NULL: it is the broker's own. */
static struct failed *
failed_of(struct core *c, const struct pending *p)
{
	return p->conn != CORE_NO_CONN ? &c->audience.nodes[p->op.append.sender.v]->failed[p->op.append.lane] : NULL;
}

static void
note_failed(struct core *c, const struct pending *p)
{
	struct failed *f = failed_of(c, p);

	if (f != NULL && (p->generation != f->generation || p->round > f->round))
		*f = (struct failed){p->generation, p->round};
}

static bool
is_behind_failed(struct core *c, const struct pending *p)
{
	const struct failed *f = failed_of(c, p);

	return f != NULL && p->generation == f->generation && p->round <= f->round;
}

/*
 * [P-11] What was sent behind something that is put off now, and waits for the next batch, would get ahead of it. So would it where the
 * connection is gone: nobody hears of it then, and all of it comes again on the next one.
 */
static void
put_off_behind(struct core *c, enum lane lane, struct core_time now)
{
	struct pending_ring *r = &c->pending[lane];
	uint32_t kept = 0;

	for (uint32_t i = 0; i < r->count; i++) {
		struct pending *p = pending_at(r, i);

		if (is_behind_failed(c, p)) {
			put_off(c, p, now);
			pending_free(p);
		} else {
			*pending_at(r, kept++) = *p;
		}
	}
	r->count = kept;
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
	c->sweep_after = c->dirty_count;
	for (; next < c->context_count; next++) {
		note_failed(c, &c->context[next]);
		put_off(c, &c->context[next], now);
	}
	for (int lane = 0; lane < KW_LANES; lane++)
		put_off_behind(c, (enum lane)lane, now);
}

/*
 * What waits has its turn again when nothing more can be freed, when that takes long, or when it is a flash, which the quota does not
 * concern. Where all was tried that could be, a rest follows.
 */
static void
look_at_room(struct core *c, enum kw_err err, struct core_time now)
{
	bool none = err == KW_EFULL, more = c->purge_due || c->sweep_due_count > 0, rest = none;

	if (c->room_out) {
		c->room_first = !none && more && now.mono_ms < c->room_until_ms && c->pending[LANE_FLASH].count == 0;
		c->room_cut = !none && more && !c->room_first;
	} else {
		rest = none && c->full && !c->room_cut;
		c->room_first = c->full = none;
		c->room_until_ms = now.mono_ms + ROOM_MS + (rest ? FULL_REST_MS : 0);
	}
	c->full_until_ms = rest ? now.mono_ms + FULL_REST_MS : 0;
	c->room_out = false;
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
	if (!c->room_out) {
		cases_ops_done(c, b, err == KW_OK, now);
		change_committed(c, b, err, now);
	}
	look_at_room(c, err, now);
	forget_context(c);
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
	uint64_t wanted = wanted_ms(c);

	if (c->batch_out || c->service == SERVICE_LOST)
		return UINT64_MAX;
	return wanted > c->full_until_ms ? wanted : c->full_until_ms;
}
