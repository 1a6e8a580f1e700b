/* recent: see its header. */
#include "broker/store/recent.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* ---- a batch that is being made ---- */

struct recent_batch *
recent_new(uint64_t seed, uint32_t appends, uint32_t recalls, size_t bytes_max)
{
	struct recent_batch *b = calloc(1, sizeof *b);

	if (b == NULL)
		return NULL;
	b->record = BUF_INIT(bytes_max);
	b->room = appends;
	b->recall_room = recalls;
	b->seed = seed;
	for (b->buckets = 1; b->buckets < appends; b->buckets *= 2)
		continue;
	b->by_id = calloc(b->buckets, sizeof *b->by_id);
	b->entries = calloc((size_t)appends + 1, sizeof *b->entries);
	b->recalls = calloc((size_t)recalls + 1, sizeof *b->recalls);
	if (b->by_id == NULL || b->entries == NULL || b->recalls == NULL)
		recent_free(&b);
	return b;
}

void
recent_free(struct recent_batch **b)
{
	if (*b == NULL)
		return;
	buf_free(&(*b)->record);
	free((*b)->by_id);
	free((*b)->entries);
	free((*b)->recalls);
	free(*b);
	*b = NULL;
}

static uint64_t
hash_of(uint64_t seed, node_no sender, const uint8_t id[KW_ID_LEN])
{
	uint8_t in[4 + KW_ID_LEN];

	be32_put(in, sender.v);
	memcpy(in + 4, id, KW_ID_LEN);
	return XXH3_64bits_withSeed(in, sizeof in, seed);
}

static bool
is(const struct recent_entry *e, uint64_t hash, node_no sender, const uint8_t id[KW_ID_LEN])
{
	return e->hash == hash && e->a.sender.v == sender.v && memcmp(e->a.id, id, KW_ID_LEN) == 0;
}

struct recent_entry *
recent_batch_find(const struct recent_batch *b, node_no sender, const uint8_t id[KW_ID_LEN])
{
	uint64_t hash = hash_of(b->seed, sender, id);
	struct recent_entry *e = b->by_id[hash & (b->buckets - 1)];

	while (e != NULL && !is(e, hash, sender, id))
		e = e->next_in_batch;
	return e;
}

struct recent_entry *
recent_batch_append(struct recent_batch *b, const struct decided_append *a)
{
	struct recent_entry *e = &b->entries[b->count];
	struct recent_entry **bucket;

	MUST(b->count < b->room);
	b->count++;
	e->a = *a;
	if (a->sender.v == UINT32_MAX)
		return e;
	e->hash = hash_of(b->seed, a->sender, a->id);
	bucket = &b->by_id[e->hash & (b->buckets - 1)];
	e->next_in_batch = *bucket;
	*bucket = e;
	return e;
}

void
recent_batch_recall(struct recent_batch *b, enum lane lane, uint64_t number)
{
	MUST(b->recall_count < b->recall_room);
	b->recalls[b->recall_count++] = (struct recent_recall){.lane = lane, .number = number};
}

static struct span
decided_of(const struct buf *record)
{
	return span_of(record->p + JOURNAL_HEAD, record->len - JOURNAL_HEAD);
}

static void
keep_sweep(struct recent_batch *b, const struct decided_op *op)
{
	if (b->sweep_count < RECENT_SWEEPS_MAX)
		b->sweeps[b->sweep_count++] = (struct recent_sweep){op->sweep.lane, op->sweep.set, op->sweep.upto};
}

void
recent_settle(struct recent_batch *b)
{
	struct decided_reader r;
	struct decided_op op;
	uint32_t n = 0;

	MUST(decided_open(&r, decided_of(&b->record)));
	while (r.left > 0) {
		MUST(decided_next(&r, &op));
		if (op.kind == OP_SWEEP)
			keep_sweep(b, &op);
		if (op.kind != OP_APPEND)
			continue;
		MUST(n < b->count && (b->entries[n].a.number == 0 || b->entries[n].a.number == op.append.number)); /* 0: read, not made */
		b->entries[n++].a = op.append;
	}
	MUST(n == b->count && decided_close(&r, &b->commit));
}

static bool
count_appends(uint32_t *count, struct span decided)
{
	struct decided_commit c;
	struct decided_reader r;
	struct decided_op op;

	*count = 0;
	if (!decided_open(&r, decided))
		return false;
	while (r.left > 0) {
		if (!decided_next(&r, &op))
			return false;
		*count += op.kind == OP_APPEND;
	}
	return decided_close(&r, &c);
}

enum kw_err
recent_of_record(struct recent_batch **out, struct buf *record)
{
	struct recent_batch *b;
	uint32_t appends;

	if (record->len < JOURNAL_HEAD || !count_appends(&appends, decided_of(record)))
		return KW_ECORRUPT;
	if ((b = recent_new(0, appends, 0, record->max)) == NULL)
		return KW_ENOMEM;
	b->record = *record;
	*record = BUF_INIT(b->record.max);
	b->count = appends;
	recent_settle(b);
	*out = b;
	return KW_OK;
}

/* ---- the list ---- */

void
recent_init(struct recents *r)
{
	memset(r, 0, sizeof *r);
	randombytes_buf(&r->seed, sizeof r->seed);
}

static void
link_by_id(struct recents *r, struct recent_entry *e)
{
	struct recent_entry **bucket = &r->by_id[e->hash & (RECENT_BUCKETS - 1)];

	e->next_in_all = *bucket;
	e->to_it = bucket;
	if (*bucket != NULL)
		(*bucket)->to_it = &e->next_in_all;
	*bucket = e;
}

static void
unlink_by_id(struct recent_entry *e)
{
	*e->to_it = e->next_in_all;
	if (e->next_in_all != NULL)
		e->next_in_all->to_it = e->to_it;
}

static struct recent_recall **
recall_bucket(const struct recents *r, enum lane lane, uint64_t number)
{
	return (struct recent_recall **)(uintptr_t)&r->recalled[(number * KW_LANES + (uint64_t)lane) & (RECENT_FEW_BUCKETS - 1)];
}

static void
link_recall(struct recents *r, struct recent_recall *c)
{
	struct recent_recall **bucket = recall_bucket(r, c->lane, c->number);

	c->next = *bucket;
	c->to_it = bucket;
	if (*bucket != NULL)
		(*bucket)->to_it = &c->next;
	*bucket = c;
	r->recall_count++;
}

static void
unlink_recall(struct recents *r, struct recent_recall *c)
{
	*c->to_it = c->next;
	if (c->next != NULL)
		c->next->to_it = c->to_it;
	r->recall_count--;
}

static void
link_by_commit(struct recents *r, struct recent_batch *b)
{
	struct recent_batch **bucket = &r->by_commit[b->commit_number & (RECENT_FEW_BUCKETS - 1)];

	b->next_by_commit = *bucket;
	b->to_it = bucket;
	if (*bucket != NULL)
		(*bucket)->to_it = &b->next_by_commit;
	*bucket = b;
}

static void
unlink_by_commit(struct recent_batch *b)
{
	*b->to_it = b->next_by_commit;
	if (b->next_by_commit != NULL)
		b->next_by_commit->to_it = b->to_it;
}

enum kw_err
recent_reserve(struct recents *r, const struct recent_batch *b)
{
	uint32_t more[KW_LANES] = {0};

	for (uint32_t i = 0; i < b->count; i++)
		more[b->entries[i].a.lane]++;
	for (int lane = 0; lane < KW_LANES; lane++) {
		struct recent_lane *l = &r->lane[lane];
		uint32_t room = l->room == 0 ? 64 : l->room;
		struct recent_entry **at;

		if (l->first + l->count + more[lane] <= l->room)
			continue;
		if (l->count > 0)
			memmove(l->at, l->at + l->first, l->count * sizeof *l->at); /* what was dropped before them is room again */
		l->first = 0;
		while (room < 2 * (l->count + more[lane]))
			room *= 2;
		if (room == l->room)
			continue;
		if ((at = realloc(l->at, room * sizeof *at)) == NULL)
			return KW_ENOMEM;
		l->at = at;
		l->room = room;
	}
	return KW_OK;
}

static void
mark_recalled(struct recents *r, const struct recent_batch *b)
{
	for (uint32_t i = 0; i < b->recall_count; i++) {
		struct recent_entry *e = recent_at(r, b->recalls[i].lane, b->recalls[i].number);

		link_recall(r, &b->recalls[i]);
		if (e == NULL)
			continue;
		e->recalled = true;
		e->a.body = span_of(NULL, 0);
	}
}

void
recent_add(struct recents *r, struct recent_batch *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		struct recent_entry *e = &b->entries[i];
		struct recent_lane *l = &r->lane[e->a.lane];

		MUST(l->first + l->count < l->room);
		if (l->count == 0)
			l->first_number = e->a.number;
		MUST(e->a.number == l->first_number + l->count);
		l->at[l->first + l->count++] = e;
		if (e->a.sender.v != UINT32_MAX)
			link_by_id(r, e);
	}
	if (r->newest != NULL)
		r->newest->next = b;
	else
		r->oldest = b;
	r->newest = b;
	r->pages += b->pages;
	r->lmdb_bytes += b->lmdb_bytes;
	if (b->commit_number != 0)
		link_by_commit(r, b);
	mark_recalled(r, b);
}

static void
forget(struct recents *r, struct recent_batch *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		struct recent_entry *e = &b->entries[i];
		struct recent_lane *l = &r->lane[e->a.lane];

		MUST(l->count > 0 && l->at[l->first] == e);
		l->first++;
		l->first_number++;
		if (--l->count == 0)
			l->first = 0;
		if (e->a.sender.v != UINT32_MAX)
			unlink_by_id(e);
	}
	r->pages -= b->pages;
	r->lmdb_bytes -= b->lmdb_bytes;
	if (b->commit_number != 0)
		unlink_by_commit(b);
	b->next = r->dropped;
	r->dropped = b;
}

struct recent_batch *
recent_spare(struct recents *r)
{
	struct recent_batch *all = r->pins == 0 ? r->dropped : NULL;

	for (struct recent_batch *b = all; b != NULL; b = b->next)
		for (uint32_t i = 0; i < b->recall_count; i++)
			unlink_recall(r, &b->recalls[i]);
	if (all != NULL)
		r->dropped = NULL;
	return all;
}

void
recent_free_chain(struct recent_batch *b)
{
	while (b != NULL) {
		struct recent_batch *next = b->next;

		recent_free(&b);
		b = next;
	}
}

void
recent_drop(struct recents *r, const struct recent_batch *upto)
{
	struct recent_batch *b;
	bool last = false;

	while (!last) {
		b = r->oldest;
		MUST(b != NULL);
		last = b == upto;
		r->oldest = b->next;
		if (r->oldest == NULL)
			r->newest = NULL;
		forget(r, b);
	}
}

void
recent_clear(struct recents *r)
{
	MUST(r->pins == 0);
	if (r->newest != NULL)
		recent_drop(r, r->newest);
	recent_free_chain(recent_spare(r));
	for (int lane = 0; lane < KW_LANES; lane++) {
		free(r->lane[lane].at);
		r->lane[lane] = (struct recent_lane){.at = NULL};
	}
}

void recent_pin(struct recents *r) { r->pins++; }

void
recent_unpin(struct recents *r)
{
	MUST(r->pins > 0);
	r->pins--;
}

struct store_found
recent_found(const struct recent_entry *e)
{
	struct store_found f = {.at = {e->log_epoch, e->a.lane, e->a.number}, .commit = e->commit, .index = e->index};

	memcpy(f.frame_hash, e->a.frame_hash, KW_HASH_LEN);
	return f;
}

struct recent_entry *
recent_find(const struct recents *r, node_no sender, const uint8_t id[KW_ID_LEN])
{
	uint64_t hash = hash_of(r->seed, sender, id);
	struct recent_entry *e = r->by_id[hash & (RECENT_BUCKETS - 1)];

	while (e != NULL && !is(e, hash, sender, id))
		e = e->next_in_all;
	return e;
}

struct recent_entry *
recent_at(const struct recents *r, enum lane lane, uint64_t number)
{
	const struct recent_lane *l = &r->lane[lane];

	return number >= l->first_number && number - l->first_number < l->count ? l->at[l->first + (number - l->first_number)] : NULL;
}

const struct recent_batch *
recent_commit(const struct recents *r, uint64_t number)
{
	const struct recent_batch *b = r->by_commit[number & (RECENT_FEW_BUCKETS - 1)];

	while (b != NULL && b->commit_number != number)
		b = b->next_by_commit;
	return b;
}

bool
recent_recalls(const struct recents *r, enum lane lane, uint64_t number)
{
	const struct recent_recall *c = *recall_bucket(r, lane, number);

	while (c != NULL && (c->lane != lane || c->number != number))
		c = c->next;
	return c != NULL;
}
