/* store_lmdb_read: the reading thread's questions. Each has a short read transaction of its own. */
#include <stdlib.h>
#include <string.h>

#include "broker/store/store_lmdb_parts.h"

#define SCAN_FACTOR 4u  /* below so many heads per set, looking at the heads themselves is cheaper than asking each set */

/* ---- what one entry is ---- */

static void
from_head(struct store_entry *out, enum lane lane, uint64_t number, const struct head_record *h)
{
	*out = (struct store_entry){.at = {h->log_epoch, lane, number}, .set = h->set, .commit = h->commit, .entry = h->entry, .receipt = h->receipt,
	                            .recalled = h->recalled, .expires_ms = h->expires_ms, .sender = h->sender, .head = h->head};
	memcpy(out->id, h->id, KW_ID_LEN);
}

static enum kw_err
fill(const struct lmdb *db, MDB_txn *txn, enum lane lane, uint64_t number, struct span head, struct store_entry *out, struct kw_why *why)
{
	struct key key = key_of_u64(number);
	struct head_record h;
	struct span value;
	enum kw_err err;

	if (!head_unpack(&h, head))
		return record_damaged(db, T_HEADS + lane, key.bytes, key.len, why);
	from_head(out, lane, number, &h);
	if (h.entry)
		return KW_OK;
	err = record_get(db, txn, T_BODIES + lane, &key, &value, why);
	if (err == KW_ENOTFOUND)
		return KW_OK;
	if (err == KW_OK && !body_unpack(value, &out->wraps, &out->body))
		return record_damaged(db, T_BODIES + lane, key.bytes, key.len, why);
	return err;
}

/* ---- by the sets' index: the streams of all sets, merged ---- */

struct stream { uint64_t number; set_no set; };

static void
sift(struct stream *heap, uint32_t n, uint32_t at)
{
	for (;;) {
		uint32_t least = at;
		struct stream t;

		for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < n; child++)
			if (heap[child].number < heap[least].number)
				least = child;
		if (least == at)
			return;
		t = heap[at];
		heap[at] = heap[least];
		heap[least] = t;
		at = least;
	}
}

/* The set's next entry behind after; KW_ENOTFOUND: none. */
static enum kw_err
advance(const struct lmdb *db, MDB_cursor *c, enum lane lane, struct stream *s, uint64_t after, struct kw_why *why)
{
	struct key from = key_index(lane, s->set, after + 1);
	MDB_val k = {.mv_size = from.len, .mv_data = from.bytes}, data;
	struct span value;
	enum kw_err err;
	int rc = mdb_cursor_get(c, &k, &data, MDB_SET_RANGE);

	if (rc == MDB_NOTFOUND)
		return KW_ENOTFOUND;
	if (rc != 0)
		return lmdb_failed(db, rc, "index", why);
	if ((err = record_check(db, T_INDEX, &k, &data, &value, why)) != KW_OK)
		return err;
	if (memcmp(k.mv_data, from.bytes, 5) != 0)
		return KW_ENOTFOUND;
	s->number = be64_get((const uint8_t *)k.mv_data + 5);
	return KW_OK;
}

struct page { /* what is being read, and into what */
	const struct lmdb *db;
	MDB_txn *txn;
	enum lane lane;
	const set_no *sets;
	uint32_t set_count;
	struct store_entry *out;
	uint32_t max_entries, count;
	uint64_t max_bytes, bytes;
	struct kw_why *why;
};

static bool
page_open(const struct page *p)
{
	return p->count < p->max_entries && p->bytes < p->max_bytes;
}

static void
taken(struct page *p)
{
	const struct store_entry *e = &p->out[p->count++];

	p->bytes += e->head.len + e->body.len + e->wraps.len;
}

static enum kw_err
take_indexed(struct page *p, const struct stream *s)
{
	struct key key = key_of_u64(s->number);
	struct store_entry *e = &p->out[p->count];
	struct span head;
	enum kw_err err = record_get(p->db, p->txn, T_HEADS + p->lane, &key, &head, p->why);

	if (err == KW_ENOTFOUND)
		return record_damaged(p->db, T_HEADS + p->lane, key.bytes, key.len, p->why);
	if (err != KW_OK)
		return err;
	if ((err = fill(p->db, p->txn, p->lane, s->number, head, e, p->why)) != KW_OK)
		return err;
	if (e->set.v != s->set.v)
		return record_damaged(p->db, T_HEADS + p->lane, key.bytes, key.len, p->why);
	taken(p);
	return KW_OK;
}

static enum kw_err
merge(struct page *p, MDB_cursor *c, struct stream *heap, uint64_t after)
{
	uint32_t n = 0;
	enum kw_err err;

	for (uint32_t i = 0; i < p->set_count; i++) {
		heap[n] = (struct stream){.set = p->sets[i]};
		err = advance(p->db, c, p->lane, &heap[n], after, p->why);
		if (err != KW_OK && err != KW_ENOTFOUND)
			return err;
		n += err == KW_OK;
	}
	for (uint32_t i = n / 2; i-- > 0;)
		sift(heap, n, i);
	while (n > 0 && page_open(p)) {
		if ((err = take_indexed(p, &heap[0])) != KW_OK)
			return err;
		err = advance(p->db, c, p->lane, &heap[0], heap[0].number, p->why);
		if (err != KW_OK && err != KW_ENOTFOUND)
			return err;
		if (err == KW_ENOTFOUND)
			heap[0] = heap[--n];
		sift(heap, n, 0);
	}
	return KW_OK;
}

static enum kw_err
by_index(struct page *p, uint64_t after)
{
	struct stream few[64], *heap = few;
	MDB_cursor *c;
	enum kw_err err;
	int rc;

	if (p->set_count > sizeof few / sizeof few[0] && (heap = malloc(p->set_count * sizeof *heap)) == NULL)
		return kw_refuse(p->why, KW_ENOMEM, "out of memory at the store in %s", p->db->path);
	rc = mdb_cursor_open(p->txn, p->db->dbi[T_INDEX], &c);
	if (rc != 0) {
		err = lmdb_failed(p->db, rc, "index", p->why);
	} else {
		err = merge(p, c, heap, after);
		mdb_cursor_close(c);
	}
	if (heap != few)
		free(heap);
	return err;
}

/* ---- by the heads themselves ---- */

static bool
wanted(const struct page *p, set_no set)
{
	uint32_t lo = 0, hi = p->set_count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (p->sets[mid].v == set.v)
			return true;
		if (p->sets[mid].v < set.v)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static enum kw_err
by_heads(struct page *p, uint64_t after)
{
	struct key from = key_of_u64(after + 1);
	MDB_val k = {.mv_size = from.len, .mv_data = from.bytes}, data;
	MDB_cursor *c;
	enum kw_err err = KW_OK;
	int rc = mdb_cursor_open(p->txn, p->db->dbi[T_HEADS + p->lane], &c);

	if (rc != 0)
		return lmdb_failed(p->db, rc, "heads", p->why);
	for (rc = mdb_cursor_get(c, &k, &data, MDB_SET_RANGE); err == KW_OK && rc == 0 && page_open(p); rc = mdb_cursor_get(c, &k, &data, MDB_NEXT)) {
		struct head_record h;
		struct span head;

		if ((err = record_check(p->db, T_HEADS + p->lane, &k, &data, &head, p->why)) != KW_OK)
			break;
		if (!head_unpack(&h, head))
			err = record_damaged(p->db, T_HEADS + p->lane, k.mv_data, k.mv_size, p->why);
		else if (wanted(p, h.set)) {
			err = fill(p->db, p->txn, p->lane, be64_get(k.mv_data), head, &p->out[p->count], p->why);
			if (err == KW_OK)
				taken(p);
		}
	}
	mdb_cursor_close(c);
	if (err == KW_OK && rc != 0 && rc != MDB_NOTFOUND)
		return lmdb_failed(p->db, rc, "heads", p->why);
	return err;
}

/* ---- what is not in LMDB yet ---- */

struct recently { uint32_t count; uint64_t tail; }; /* entries in seen; the lane's newest there, 0: none */

static void
from_recent(struct store_entry *out, const struct recent_entry *e)
{
	*out = (struct store_entry){.at = {e->log_epoch, e->a.lane, e->a.number}, .set = e->a.set, .commit = e->commit, .entry = e->a.entry, .receipt = e->a.receipt,
	                            .recalled = e->recalled, .expires_ms = e->a.expires_ms, .sender = e->a.sender, .head = e->a.head};
	memcpy(out->id, e->a.id, KW_ID_LEN);
	if (!e->a.entry) {
		out->body = e->a.body;
		out->wraps = e->a.wraps;
	}
}

/* Looked at before LMDB is, so that nothing falls between; what is in both is taken from there. p without sets: everything. */
static enum kw_err
look_recently(struct store_lmdb *s, struct recently *r, const struct page *p, uint64_t after)
{
	const struct recent_lane *l = &s->recents.lane[p->lane];
	struct store_entry *more;

	*r = (struct recently){.count = 0};
	if (p->max_entries > s->seen_room) {
		if ((more = realloc(s->seen, p->max_entries * sizeof *more)) == NULL)
			return kw_refuse(p->why, KW_ENOMEM, "out of memory at the store in %s", s->path);
		s->seen = more;
		s->seen_room = p->max_entries;
	}
	(void)pthread_mutex_lock(&s->lock);
	recent_pin(&s->recents);
	s->pinned = true;
	r->tail = l->count > 0 ? l->first_number + l->count - 1 : 0;
	for (uint64_t n = after < l->first_number ? l->first_number : after + 1; after < r->tail && n <= r->tail && r->count < p->max_entries; n++) {
		const struct recent_entry *e = recent_at(&s->recents, p->lane, n);

		if (p->sets == NULL || wanted(p, e->a.set))
			from_recent(&s->seen[r->count++], e);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return KW_OK;
}

static void
let_go(struct store_lmdb *s)
{
	struct recent_batch *spare;

	if (!s->pinned)
		return;
	(void)pthread_mutex_lock(&s->lock);
	recent_unpin(&s->recents);
	s->pinned = false;
	spare = recent_spare(&s->recents);
	(void)pthread_mutex_unlock(&s->lock);
	recent_free_chain(spare);
}

/* [K-6] What is recalled in the journal stands whole in LMDB's snapshot, also where LMDB went on since: what was dropped since the pin is still known. */
static void
take_back_recalled(struct store_lmdb *s, struct page *p)
{
	(void)pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < p->count && s->recents.recall_count > 0; i++) {
		if (!recent_recalls(&s->recents, p->lane, p->out[i].at.number))
			continue;
		p->out[i].recalled = true;
		p->out[i].body = span_of(NULL, 0);
	}
	(void)pthread_mutex_unlock(&s->lock);
}

static void
add_recent(struct store_lmdb *s, struct page *p, const struct recently *r, uint64_t lmdb_tail)
{
	take_back_recalled(s, p);
	for (uint32_t i = 0; i < r->count && page_open(p); i++) {
		if (s->seen[i].at.number <= lmdb_tail)
			continue;
		p->out[p->count] = s->seen[i];
		taken(p);
	}
}

enum kw_err
store_lmdb_read(struct store *base, enum lane lane, const set_no *sets, uint32_t set_count, uint64_t after, struct store_entry *out,
                uint32_t max_entries, uint64_t max_bytes, uint32_t *count, uint64_t *tail, struct kw_why *why)
{
	struct store_lmdb *s = lmdb_of(base);
	struct page p = {.db = &s->db, .txn = s->reader, .lane = lane, .sets = sets, .set_count = set_count, .out = out, .max_entries = max_entries,
	                 .max_bytes = max_bytes > 0 ? max_bytes : 1, .why = why};
	struct recently r;
	struct log_state st;
	enum kw_err err = look_recently(s, &r, &p, after);
	int rc;

	if (err != KW_OK)
		return err;
	if ((rc = mdb_txn_renew(s->reader)) != 0) {
		err = lmdb_failed(&s->db, rc, "reading", why);
		goto end_read;
	}
	if ((err = load_state(&s->db, s->reader, &st, why)) != KW_OK)
		goto end_read;
	*count = 0;
	*tail = st.tail[lane] > r.tail ? st.tail[lane] : r.tail;
	if (after < st.tail[lane] && max_entries > 0 && set_count > 0) {
		err = (st.tail[lane] - after) / SCAN_FACTOR < set_count ? by_heads(&p, after) : by_index(&p, after);
		if (err != KW_OK)
			goto end_read;
	}
	if (set_count > 0)
		add_recent(s, &p, &r, st.tail[lane]);
	*count = p.count;
	return KW_OK;
end_read:
	store_lmdb_read_done(base);
	return err;
}

void
store_lmdb_read_done(struct store *base)
{
	struct store_lmdb *s = lmdb_of(base);

	mdb_txn_reset(s->reader);
	let_go(s);
}

static enum kw_err
every_head(struct page *p, uint64_t after)
{
	struct key from = key_of_u64(after + 1);
	MDB_val k = {.mv_size = from.len, .mv_data = from.bytes}, data;
	MDB_cursor *c;
	enum kw_err err = KW_OK;
	int rc = mdb_cursor_open(p->txn, p->db->dbi[T_HEADS + p->lane], &c);

	if (rc != 0)
		return lmdb_failed(p->db, rc, "heads", p->why);
	for (rc = mdb_cursor_get(c, &k, &data, MDB_SET_RANGE); rc == 0 && p->count < p->max_entries; rc = mdb_cursor_get(c, &k, &data, MDB_NEXT)) {
		struct head_record h;
		struct span head;

		if ((err = record_check(p->db, T_HEADS + p->lane, &k, &data, &head, p->why)) != KW_OK)
			break;
		if (!head_unpack(&h, head)) {
			err = record_damaged(p->db, T_HEADS + p->lane, k.mv_data, k.mv_size, p->why);
			break;
		}
		from_head(&p->out[p->count++], p->lane, be64_get(k.mv_data), &h);
	}
	mdb_cursor_close(c);
	if (err == KW_OK && rc != 0 && rc != MDB_NOTFOUND)
		return lmdb_failed(p->db, rc, "heads", p->why);
	return err;
}

enum kw_err
store_lmdb_heads(struct store *base, enum lane lane, uint64_t after, struct store_entry *out, uint32_t max_entries, uint32_t *count,
                 struct kw_why *why)
{
	struct store_lmdb *s = lmdb_of(base);
	struct page p = {.db = &s->db, .txn = s->reader, .lane = lane, .out = out, .max_entries = max_entries, .max_bytes = UINT64_MAX, .why = why};
	struct log_state st;
	struct recently r;
	enum kw_err err = look_recently(s, &r, &p, after);
	int rc;

	if (err != KW_OK)
		return err;
	if ((rc = mdb_txn_renew(s->reader)) != 0)
		err = lmdb_failed(&s->db, rc, "reading", why);
	if (err == KW_OK && (err = load_state(&s->db, s->reader, &st, why)) == KW_OK)
		err = every_head(&p, after);
	if (err != KW_OK) {
		store_lmdb_read_done(base);
		return err;
	}
	add_recent(s, &p, &r, st.tail[lane]);
	for (uint32_t i = 0; i < p.count; i++)
		p.out[i].body = p.out[i].wraps = span_of(NULL, 0);
	*count = p.count;
	return KW_OK;
}

/* ---- single questions ---- */

/* False: LMDB is to be asked. The tree is hashed without the lock. */
static bool
recent_proof(struct store_lmdb *s, uint64_t commit, uint32_t index, uint8_t record[WIRE_COMMIT_LEN], uint8_t (*path)[KW_HASH_LEN], uint32_t *path_len)
{
	const struct recent_batch *b;
	struct recent_batch *spare;
	bool found;

	(void)pthread_mutex_lock(&s->lock);
	b = recent_commit(&s->recents, commit);
	found = b != NULL && index < b->commit.leaf_count;
	if (found)
		recent_pin(&s->recents);
	(void)pthread_mutex_unlock(&s->lock);
	if (!found)
		return false;
	memcpy(record, b->commit.record, WIRE_COMMIT_LEN);
	*path_len = commit_path(path, (const void *)b->commit.leaves, b->commit.leaf_count, index);
	(void)pthread_mutex_lock(&s->lock);
	recent_unpin(&s->recents);
	spare = recent_spare(&s->recents);
	(void)pthread_mutex_unlock(&s->lock);
	recent_free_chain(spare);
	return true;
}

static bool
found_recently(struct store_lmdb *s, node_no sender, const uint8_t id[KW_ID_LEN], struct store_found *out)
{
	const struct recent_entry *e;

	(void)pthread_mutex_lock(&s->lock);
	e = recent_find(&s->recents, sender, id);
	if (e != NULL)
		*out = recent_found(e);
	(void)pthread_mutex_unlock(&s->lock);
	return e != NULL;
}

enum kw_err
store_lmdb_proof(struct store *base, uint64_t commit, uint32_t index, uint8_t record[WIRE_COMMIT_LEN], uint8_t (*path)[KW_HASH_LEN],
                 uint32_t *path_len, struct kw_why *why)
{
	struct store_lmdb *s = lmdb_of(base);
	struct key key = key_of_u64(commit);
	struct span value;
	struct commit_record c = {0};
	enum kw_err err;
	int rc;

	if (recent_proof(s, commit, index, record, path, path_len))
		return KW_OK;
	rc = mdb_txn_renew(s->asker);
	if (rc != 0)
		return lmdb_failed(&s->db, rc, "asking for a commit", why);
	err = record_get(&s->db, s->asker, T_COMMITS, &key, &value, why);
	if (err == KW_OK && !commit_unpack(&c, value))
		err = record_damaged(&s->db, T_COMMITS, key.bytes, key.len, why);
	if (err == KW_ENOTFOUND || (err == KW_OK && index >= c.leaf_count))
		err = kw_refuse(why, KW_ENOTFOUND, "the proof of commit %llu is no longer kept", (unsigned long long)commit);
	if (err == KW_OK) {
		memcpy(record, c.record, WIRE_COMMIT_LEN);
		*path_len = commit_path(path, (const void *)c.leaves, c.leaf_count, index);
	}
	mdb_txn_reset(s->asker);
	return err;
}

enum kw_err
store_lmdb_find(struct store *base, node_no sender, const uint8_t id[KW_ID_LEN], struct store_found *out, struct kw_why *why)
{
	struct store_lmdb *s = lmdb_of(base);
	struct key key = key_id(sender, id);
	struct id_record r;
	struct span value;
	enum kw_err err;
	int rc;

	if (found_recently(s, sender, id, out))
		return KW_OK;
	rc = mdb_txn_renew(s->asker);
	if (rc != 0)
		return lmdb_failed(&s->db, rc, "asking for an id", why);
	err = record_get(&s->db, s->asker, T_IDS, &key, &value, why);
	if (err == KW_OK && !id_unpack(&r, value))
		err = record_damaged(&s->db, T_IDS, key.bytes, key.len, why);
	if (err == KW_OK) {
		*out = (struct store_found){.at = r.at, .commit = r.commit, .index = r.index};
		memcpy(out->frame_hash, r.frame_hash, KW_HASH_LEN);
	}
	mdb_txn_reset(s->asker);
	return err;
}

static enum kw_err
read_commit(struct store_lmdb *s, uint64_t number, uint8_t record[WIRE_COMMIT_LEN])
{
	struct key key = key_of_u64(number);
	const struct recent_batch *b;
	struct commit_record c;
	struct span value;
	enum kw_err err;
	int rc;

	(void)pthread_mutex_lock(&s->lock);
	b = recent_commit(&s->recents, number);
	if (b != NULL)
		memcpy(record, b->commit.record, WIRE_COMMIT_LEN);
	(void)pthread_mutex_unlock(&s->lock);
	if (b != NULL)
		return KW_OK;
	rc = mdb_txn_renew(s->asker);
	if (rc != 0)
		return lmdb_failed(&s->db, rc, "asking for a commit", NULL);
	err = record_get(&s->db, s->asker, T_COMMITS, &key, &value, NULL);
	if (err == KW_OK && !commit_unpack(&c, value))
		err = KW_ECORRUPT;
	if (err == KW_OK)
		memcpy(record, c.record, WIRE_COMMIT_LEN);
	mdb_txn_reset(s->asker);
	return err;
}

enum kw_err
store_lmdb_commit_hash(struct store *base, uint64_t number, uint8_t hash[KW_HASH_LEN])
{
	uint8_t record[WIRE_COMMIT_LEN];
	enum kw_err err = read_commit(lmdb_of(base), number, record);

	if (err == KW_OK)
		commit_hash(hash, record);
	return err;
}

enum kw_err
store_lmdb_commit_time(struct store *base, uint64_t number, uint64_t *ms)
{
	uint8_t record[WIRE_COMMIT_LEN];
	struct commit c;
	enum kw_err err = read_commit(lmdb_of(base), number, record);

	if (err == KW_OK && (err = commit_decode(&c, record, NULL)) == KW_OK)
		*ms = c.time_ms;
	return err;
}

void
store_lmdb_sizes(struct store *base, struct store_sizes *out)
{
	struct store_lmdb *s = lmdb_of(base);
	struct log_state st = {0};

	*out = (struct store_sizes){.used_bytes = room_used_in_all(s), .quota_bytes = s->quota_bytes};
	room_disk(s, out);
	if (mdb_txn_renew(s->asker) != 0)
		return;
	if (load_state(&s->db, s->asker, &st, NULL) == KW_OK)
		memcpy(out->entries, st.entries, sizeof out->entries);
	mdb_txn_reset(s->asker);
	(void)pthread_mutex_lock(&s->lock); /* what LMDB took meanwhile counts twice for this moment */
	for (int lane = 0; lane < KW_LANES; lane++)
		out->entries[lane] += s->recents.lane[lane].count;
	(void)pthread_mutex_unlock(&s->lock);
	(void)mdb_reader_check(s->db.env, &(int){0});
}
