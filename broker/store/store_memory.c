/* store_memory: the store's contract in plain arrays. Looks at everything where the one on disk has an index: small and obvious. */
#include "broker/store/store_memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FOR_RECORD 512u /* what an entry costs beside its bytes, about as on disk */

struct kept {
	struct store_entry e;
	struct buf head, body, wraps;
	uint8_t frame_hash[KW_HASH_LEN];
	uint32_t index;
	bool has_id;                 /* remembered */
	bool gone;
	uint64_t body_until_ms, proof_until_ms;
};

struct kept_commit { uint8_t record[WIRE_COMMIT_LEN]; uint32_t count; uint8_t (*leaves)[KW_HASH_LEN]; uint64_t until_ms; };
struct kept_cursor { uint32_t node; enum lane lane; struct lane_cursor at; };

struct store_memory {
	struct store base;
	struct store_signer signer;
	pthread_mutex_t lock;        /* between commit and the questions; held from read to read_done */
	uint64_t quota, used;
	uint32_t fail_after;
	enum kw_err fail_with;
	bool lost;
	uint32_t log_epoch;
	struct kept *log[KW_LANES];
	uint32_t *marks[KW_LANES];   /* the end of each one's id: close together, since all of them are looked through for one */
	uint64_t tail[KW_LANES], room[KW_LANES], entries[KW_LANES];
	struct kept_commit *commits;
	uint64_t commit_count, commit_room;
	struct kept_cursor *cursors;
	size_t cursor_count;
	struct { enum lane lane; uint32_t set; uint64_t upto; } *swept;
	size_t swept_count;
	uint8_t (*leaves)[KW_HASH_LEN];
};

static struct store_memory *
memory_of(struct store *s)
{
	return (struct store_memory *)(void *)s;
}

/* For tests and simulations: there is nothing to be done without memory. */
static void *
grown(void *old, size_t count, size_t each)
{
	void *p = realloc(old, count * each + 1);

	MUST(p != NULL);
	return p;
}

static void
keep(struct buf *b, struct span s)
{
	*b = BUF_INIT(SIZE_MAX);
	buf_put_span(b, s);
	MUST(buf_ok(b));
}

static uint64_t
cost(const struct op_append *a)
{
	return a->head.len + a->body.len + a->wraps.len + ROOM_FOR_RECORD;
}

/* ---- appends ---- */

static uint32_t
mark_of(const uint8_t *id)
{
	return be32_get(id + KW_ID_LEN - 4);
}

static struct kept *
find_id(struct store_memory *m, node_no sender, const uint8_t *id)
{
	uint32_t mark = mark_of(id);

	for (unsigned lane = 0; lane < KW_LANES; lane++)
		for (uint64_t i = m->tail[lane]; i-- > 0;) {
			struct kept *k = &m->log[lane][i];

			if (m->marks[lane][i] == mark && k->has_id && k->e.sender.v == sender.v && memcmp(k->e.id, id, KW_ID_LEN) == 0)
				return k;
		}
	return NULL;
}

static void
do_append(struct store_memory *m, struct store_op *op, uint32_t *leaf_count)
{
	const struct op_append *a = &op->append;
	bool has_id = a->sender.v != UINT32_MAX;
	struct kept *k = has_id ? find_id(m, a->sender, a->id) : NULL;
	uint64_t number;

	if (k != NULL) {
		op->result = memcmp(k->frame_hash, a->frame_hash, KW_HASH_LEN) == 0 ? APPEND_DUPLICATE : APPEND_CONFLICT;
		op->at = k->e.at;
		op->commit = k->e.commit;
		op->index = k->index;
		return;
	}
	op->result = APPEND_ABSENT;
	if (a->if_known)
		return;
	if (m->tail[a->lane] == m->room[a->lane]) {
		m->room[a->lane] = m->room[a->lane] * 2 + 64;
		m->log[a->lane] = grown(m->log[a->lane], m->room[a->lane], sizeof *m->log[a->lane]);
		m->marks[a->lane] = grown(m->marks[a->lane], m->room[a->lane], sizeof *m->marks[a->lane]);
	}
	number = ++m->tail[a->lane];
	m->entries[a->lane]++;
	k = &m->log[a->lane][number - 1];
	op->result = APPEND_STORED;
	op->at = (struct position){m->log_epoch, a->lane, number};
	op->commit = m->commit_count + 1;
	op->index = (*leaf_count)++;
	*k = (struct kept){.e = {.at = op->at, .set = a->set, .commit = op->commit, .entry = a->entry, .receipt = a->receipt, .expires_ms = a->expires_ms,
	                         .sender = a->sender}, .index = op->index, .has_id = has_id, .body_until_ms = a->body_until_ms,
	                   .proof_until_ms = a->proof_until_ms};
	if (has_id && k->proof_until_ms < a->expires_ms + KW_ID_MEMORY_MS)
		k->proof_until_ms = a->expires_ms + KW_ID_MEMORY_MS; /* as on disk: the id goes first */
	memcpy(k->e.id, a->id, KW_ID_LEN);
	m->marks[a->lane][number - 1] = mark_of(a->id);
	memcpy(k->frame_hash, a->frame_hash, KW_HASH_LEN);
	keep(&k->head, a->head);
	keep(&k->body, a->body);
	keep(&k->wraps, a->wraps);
	m->used += cost(a);
	commit_leaf(m->leaves[op->index], &(struct leaf){op->at, a->sender_id, a->id, a->frame_hash});
}

static void
do_commit(struct store_memory *m, struct store_batch *b, uint32_t leaf_count)
{
	struct commit c = {.number = m->commit_count + 1, .time_ms = b->now_ms, .count = leaf_count};
	struct kept_commit *k;

	if (m->commit_count > 0)
		commit_hash(c.previous, m->commits[m->commit_count - 1].record);
	commit_root(c.root, (const uint8_t(*)[KW_HASH_LEN])m->leaves, leaf_count);
	if (m->commit_count == m->commit_room) {
		m->commit_room = m->commit_room * 2 + 64;
		m->commits = grown(m->commits, m->commit_room, sizeof *m->commits);
	}
	k = &m->commits[m->commit_count++];
	*k = (struct kept_commit){.count = leaf_count, .leaves = grown(NULL, leaf_count, KW_HASH_LEN)};
	memcpy(k->leaves, m->leaves, (size_t)leaf_count * KW_HASH_LEN);
	for (uint32_t i = 0; i < b->count; i++) {
		const struct store_op *op = &b->ops[i];

		if (op->kind == OP_APPEND && op->result == APPEND_STORED && m->log[op->append.lane][op->at.number - 1].proof_until_ms > k->until_ms)
			k->until_ms = m->log[op->append.lane][op->at.number - 1].proof_until_ms;
	}
	m->signer.sign(m->signer.self, &c, k->record);
	memcpy(b->commit, k->record, WIRE_COMMIT_LEN);
	b->has_commit = true;
	b->leaf_count = leaf_count;
	b->leaves = m->leaves;
}

/* ---- retention ---- */

static void
drop(struct store_memory *m, struct buf *b)
{
	m->used -= b->len < m->used ? b->len : m->used;
	buf_free(b);
}

static bool
due(uint64_t at_ms, uint64_t now_ms)
{
	return at_ms / 1000 + (at_ms % 1000 != 0) <= now_ms / 1000;
}

/* One thing of one entry; true when something went. */
static bool
purge_one(struct store_memory *m, struct kept *k, uint64_t now_ms)
{
	if (k->gone)
		return false;
	if (k->body.len > 0 && due(k->body_until_ms, now_ms)) {
		drop(m, &k->body);
		return true;
	}
	if (k->has_id && k->e.expires_ms < UINT64_MAX - KW_ID_MEMORY_MS && due(k->e.expires_ms + KW_ID_MEMORY_MS, now_ms)) {
		k->has_id = false;
		return true;
	}
	if (!due(k->proof_until_ms, now_ms))
		return false;
	k->gone = true;
	m->entries[k->e.at.lane]--;
	drop(m, &k->head);
	drop(m, &k->body);
	drop(m, &k->wraps);
	m->used -= ROOM_FOR_RECORD < m->used ? ROOM_FOR_RECORD : m->used;
	return true;
}

static void
do_purge(struct store_memory *m, struct store_op *op, uint64_t now_ms)
{
	op->done = 0;
	for (unsigned lane = 0; lane < KW_LANES; lane++)
		for (uint64_t i = 0; i < m->tail[lane]; i++)
			while (op->done < op->purge.limit && purge_one(m, &m->log[lane][i], now_ms))
				op->done++;
	for (uint64_t i = 0; i < m->commit_count && op->done < op->purge.limit; i++)
		if (m->commits[i].count > 0 && due(m->commits[i].until_ms, now_ms)) {
			m->commits[i].count = 0;
			op->done++;
		}
}

static uint64_t *
swept_upto(struct store_memory *m, enum lane lane, set_no set)
{
	for (size_t i = 0; i < m->swept_count; i++)
		if (m->swept[i].lane == lane && m->swept[i].set == set.v)
			return &m->swept[i].upto;
	m->swept = grown(m->swept, m->swept_count + 1, sizeof *m->swept);
	m->swept[m->swept_count].lane = lane;
	m->swept[m->swept_count].set = set.v;
	m->swept[m->swept_count].upto = 0;
	return &m->swept[m->swept_count++].upto;
}

static void
do_sweep(struct store_memory *m, struct store_op *op)
{
	enum lane lane = op->sweep.lane;
	uint64_t *upto = swept_upto(m, lane, op->sweep.set);

	op->done = 0;
	op->at.lane = lane;
	for (uint64_t n = *upto + 1; n <= op->sweep.upto && n <= m->tail[lane] && op->done < op->sweep.limit; n++) {
		struct kept *k = &m->log[lane][n - 1];

		if (k->gone || k->e.set.v != op->sweep.set.v)
			continue;
		drop(m, &k->body);
		drop(m, &k->wraps);
		*upto = n;
		op->done++;
	}
	if (op->done < op->sweep.limit && *upto < op->sweep.upto)
		*upto = op->sweep.upto;
	op->at.number = *upto;
}

static void
do_recall(struct store_memory *m, struct store_op *op)
{
	struct kept *k = find_id(m, op->recall.sender, op->recall.id);

	op->done = 0;
	if (k == NULL)
		return;
	op->done = 1;
	op->at = k->e.at;
	k->e.recalled = true;
	drop(m, &k->body);
}

static void
do_cursor(struct store_memory *m, const struct store_op *op)
{
	struct kept_cursor *c;

	for (size_t i = 0; i < m->cursor_count; i++) {
		c = &m->cursors[i];
		if (c->node != op->cursor.node.v || c->lane != op->cursor.lane)
			continue;
		if (op->cursor.cursor.number > c->at.number)
			c->at = op->cursor.cursor;
		return;
	}
	m->cursors = grown(m->cursors, m->cursor_count + 1, sizeof *m->cursors);
	m->cursors[m->cursor_count++] = (struct kept_cursor){op->cursor.node.v, op->cursor.lane, op->cursor.cursor};
}

/* ---- the operations ---- */

static enum kw_err
may(struct store_memory *m, const struct store_batch *b, struct kw_why *why)
{
	uint64_t bytes = 0;
	bool flash = false;

	if (m->lost)
		return kw_refuse(why, KW_EIO, "the store in memory failed before and takes nothing more");
	if (m->fail_after > 0 && --m->fail_after == 0) {
		m->lost = m->fail_with != KW_EFULL;
		return kw_refuse(why, m->fail_with, "the store in memory fails as it was told to");
	}
	for (uint32_t i = 0; i < b->count; i++)
		if (b->ops[i].kind == OP_APPEND) {
			bytes += cost(&b->ops[i].append);
			flash = flash || b->ops[i].append.lane == LANE_FLASH;
		}
	if (m->quota > 0 && !flash && bytes > 0 && m->used + bytes > m->quota)
		return kw_refuse(why, KW_EFULL, "the store in memory holds %llu of %llu bytes", (unsigned long long)m->used, (unsigned long long)m->quota);
	return KW_OK;
}

static enum kw_err
commit(struct store *s, struct store_batch *b, struct kw_why *why)
{
	struct store_memory *m = memory_of(s);
	uint32_t leaf_count = 0;
	enum kw_err err;

	b->has_commit = false;
	b->leaf_count = 0;
	b->leaves = NULL;
	(void)pthread_mutex_lock(&m->lock);
	err = may(m, b, why);
	if (err == KW_OK)
		m->leaves = grown(m->leaves, b->count, KW_HASH_LEN);
	for (uint32_t i = 0; err == KW_OK && i < b->count; i++) {
		struct store_op *op = &b->ops[i];

		switch (op->kind) {
		case OP_APPEND: do_append(m, op, &leaf_count); break;
		case OP_CURSOR: do_cursor(m, op); break;
		case OP_LOG_EPOCH: MUST(op->log_epoch.epoch > m->log_epoch); m->log_epoch = op->log_epoch.epoch; break;
		case OP_PURGE: do_purge(m, op, b->now_ms); break;
		case OP_SWEEP: do_sweep(m, op); break;
		case OP_RECALL: do_recall(m, op); break;
		case OP_NODE:
		case OP_SET:
		case OP_SUBSCRIBE:
		case OP_AGREEMENT:
		case OP_EVIDENCE:
		case OP_CASE:
		case OP_SUSPENSION:
		case OP_FOLDED: break; /* told again by open alone, and nothing survives close */
		}
	}
	if (err == KW_OK && leaf_count > 0)
		do_commit(m, b, leaf_count);
	(void)pthread_mutex_unlock(&m->lock);
	return err;
}

static bool
in_sets(set_no set, const set_no *sets, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (sets[i].v == set.v)
			return true;
	return false;
}

/* Keeps the lock until read_done on KW_OK: the spans point into what a commit may free. */
static enum kw_err
read_entries(struct store *s, enum lane lane, const set_no *sets, uint32_t set_count, uint64_t after, struct store_entry *out,
             uint32_t max_entries, uint64_t max_bytes, uint32_t *count, uint64_t *tail, struct kw_why *why)
{
	struct store_memory *m = memory_of(s);
	uint64_t bytes = 0;

	(void)why;
	(void)pthread_mutex_lock(&m->lock);
	*count = 0;
	*tail = m->tail[lane];
	for (uint64_t n = after + 1; n <= m->tail[lane] && *count < max_entries && (*count == 0 || bytes < max_bytes); n++) {
		const struct kept *k = &m->log[lane][n - 1];
		struct store_entry *e = &out[*count];

		if (k->gone || !in_sets(k->e.set, sets, set_count))
			continue;
		*e = k->e;
		e->head = buf_span(&k->head);
		e->body = buf_span(&k->body);
		e->wraps = buf_span(&k->wraps);
		bytes += e->head.len + e->body.len + e->wraps.len;
		(*count)++;
	}
	return KW_OK;
}

static void
read_done(struct store *s)
{
	(void)pthread_mutex_unlock(&memory_of(s)->lock);
}

static enum kw_err
heads(struct store *s, enum lane lane, uint64_t after, struct store_entry *out, uint32_t max_entries, uint32_t *count, struct kw_why *why)
{
	struct store_memory *m = memory_of(s);

	(void)why;
	(void)pthread_mutex_lock(&m->lock);
	*count = 0;
	for (uint64_t n = after + 1; n <= m->tail[lane] && *count < max_entries; n++) {
		const struct kept *k = &m->log[lane][n - 1];

		if (k->gone)
			continue;
		out[*count] = k->e;
		out[(*count)++].head = buf_span(&k->head);
	}
	return KW_OK;
}

static enum kw_err
proof(struct store *s, uint64_t number, uint32_t index, uint8_t record[WIRE_COMMIT_LEN], uint8_t (*path)[KW_HASH_LEN], uint32_t *path_len,
      struct kw_why *why)
{
	struct store_memory *m = memory_of(s);
	enum kw_err err = KW_OK;

	(void)pthread_mutex_lock(&m->lock);
	if (number == 0 || number > m->commit_count || index >= m->commits[number - 1].count) {
		err = kw_refuse(why, KW_ENOTFOUND, "the proof of commit %llu is no longer kept", (unsigned long long)number);
	} else {
		const struct kept_commit *k = &m->commits[number - 1];

		memcpy(record, k->record, WIRE_COMMIT_LEN);
		*path_len = commit_path(path, (const uint8_t(*)[KW_HASH_LEN])k->leaves, k->count, index);
	}
	(void)pthread_mutex_unlock(&m->lock);
	return err;
}

static enum kw_err
find(struct store *s, node_no sender, const uint8_t id[KW_ID_LEN], struct store_found *out, struct kw_why *why)
{
	struct store_memory *m = memory_of(s);
	const struct kept *k;

	(void)why;
	(void)pthread_mutex_lock(&m->lock);
	k = find_id(m, sender, id);
	if (k != NULL) {
		*out = (struct store_found){.at = k->e.at, .commit = k->e.commit, .index = k->index};
		memcpy(out->frame_hash, k->frame_hash, KW_HASH_LEN);
	}
	(void)pthread_mutex_unlock(&m->lock);
	return k != NULL ? KW_OK : KW_ENOTFOUND;
}

static enum kw_err
hash_of(struct store *s, uint64_t number, uint8_t hash[KW_HASH_LEN])
{
	struct store_memory *m = memory_of(s);
	enum kw_err err = KW_ENOTFOUND;

	(void)pthread_mutex_lock(&m->lock);
	if (number > 0 && number <= m->commit_count) {
		commit_hash(hash, m->commits[number - 1].record);
		err = KW_OK;
	}
	(void)pthread_mutex_unlock(&m->lock);
	return err;
}

static enum kw_err
time_of(struct store *s, uint64_t number, uint64_t *ms)
{
	struct store_memory *m = memory_of(s);
	enum kw_err err = KW_ENOTFOUND;
	struct commit c;

	(void)pthread_mutex_lock(&m->lock);
	if (number > 0 && number <= m->commit_count && (err = commit_decode(&c, m->commits[number - 1].record, NULL)) == KW_OK)
		*ms = c.time_ms;
	(void)pthread_mutex_unlock(&m->lock);
	return err;
}

static void
sizes(struct store *s, struct store_sizes *out)
{
	struct store_memory *m = memory_of(s);

	(void)pthread_mutex_lock(&m->lock);
	*out = (struct store_sizes){.used_bytes = m->used, .quota_bytes = m->quota > 0 ? m->quota : UINT64_MAX};
	memcpy(out->entries, m->entries, sizeof out->entries);
	(void)pthread_mutex_unlock(&m->lock);
}

static enum kw_err
scrub(struct store *s, uint32_t most, struct kw_why *why)
{
	(void)s;
	(void)most;
	(void)why;
	return KW_OK;
}

static void
close_memory(struct store *s)
{
	struct store_memory *m = memory_of(s);

	for (unsigned lane = 0; lane < KW_LANES; lane++) {
		for (uint64_t i = 0; i < m->tail[lane]; i++) {
			buf_free(&m->log[lane][i].head);
			buf_free(&m->log[lane][i].body);
			buf_free(&m->log[lane][i].wraps);
		}
		free(m->log[lane]);
		free(m->marks[lane]);
	}
	for (uint64_t i = 0; i < m->commit_count; i++)
		free(m->commits[i].leaves);
	free(m->commits);
	free(m->cursors);
	free(m->swept);
	free(m->leaves);
	(void)pthread_mutex_destroy(&m->lock);
	free(m);
}

static const struct store_ops ops = {
	.commit = commit, .read = read_entries, .read_done = read_done, .heads = heads, .proof = proof, .find = find,
	.commit_hash = hash_of, .commit_time = time_of, .sizes = sizes, .scrub = scrub, .close = close_memory,
};

enum kw_err
store_memory_open(struct store **out, struct store_signer signer, uint64_t quota_bytes)
{
	struct store_memory *m = calloc(1, sizeof *m);

	if (m == NULL)
		return KW_ENOMEM;
	if (pthread_mutex_init(&m->lock, NULL) != 0) {
		free(m);
		return KW_ENOMEM;
	}
	m->base.ops = &ops;
	m->signer = signer;
	m->quota = quota_bytes;
	m->log_epoch = 1;
	*out = &m->base;
	return KW_OK;
}

void
store_memory_fail(struct store *s, uint32_t fail_after, enum kw_err with)
{
	struct store_memory *m = memory_of(s);

	m->fail_after = fail_after;
	m->fail_with = with;
}
