/*
 * store_lmdb_keep: what goes when. Of every entry only the next thing due is written down; when it has come, the one
 * after it is: body, then the id, then head and all. A commit's leaves go when the last of its entries may; that date is written down
 * when its first entry goes.
 */
#include <string.h>

#include "broker/store/store_lmdb_parts.h"

#define DAY_MS (24ull * 3600 * 1000)

static enum kw_err
put_due(struct work *w, uint64_t at_ms, enum due_kind kind, enum lane lane, uint64_t number)
{
	struct key key = key_due(at_ms, kind, lane, number);

	if (at_ms >= NEVER_MS)
		return KW_OK;
	return record_put(&w->s->db, w->txn, T_DUE, &key, NULL, 0, PUT_ANYWHERE, w->why);
}

enum kw_err
keep_due(struct work *w, const struct head_record *h, enum lane lane, uint64_t number, enum due_kind after)
{
	bool has_id = h->sender.v != UINT32_MAX;

	if (after < DUE_BODY && h->body_until_ms < NEVER_MS)
		return put_due(w, h->body_until_ms, DUE_BODY, lane, number);
	if (after < DUE_ID && has_id && h->expires_ms < NEVER_MS)
		return put_due(w, h->expires_ms + KW_ID_MEMORY_MS, DUE_ID, lane, number);
	return put_due(w, h->proof_until_ms, DUE_HEAD, lane, number);
}

static enum kw_err
commit_of(struct work *w, uint64_t number, struct commit_record *r)
{
	struct key key = key_of_u64(number);
	struct span value;
	enum kw_err err = record_get(&w->s->db, w->txn, T_COMMITS, &key, &value, w->why);

	if (err == KW_ENOTFOUND || (err == KW_OK && !commit_unpack(r, value)))
		return record_damaged(&w->s->db, T_COMMITS, key.bytes, key.len, w->why);
	return err;
}

static enum kw_err
head_of(struct work *w, enum lane lane, uint64_t number, struct head_record *h)
{
	struct key key = key_of_u64(number);
	struct span value;
	enum kw_err err = record_get(&w->s->db, w->txn, T_HEADS + lane, &key, &value, w->why);

	if (err == KW_ENOTFOUND || (err == KW_OK && !head_unpack(h, value)))
		return record_damaged(&w->s->db, T_HEADS + lane, key.bytes, key.len, w->why);
	return err;
}

/* The wraps stay: a bare head still shows its number to who has not had it. */
static enum kw_err
drop_body(struct work *w, enum lane lane, uint64_t number)
{
	struct key key = key_of_u64(number);
	uint8_t wraps_len[BODY_FIXED_LEN];
	struct span value, wraps, body, parts[2];
	struct buf copy = BUF_INIT(KW_CONTROL_MAX);
	enum kw_err err = record_get(&w->s->db, w->txn, T_BODIES + lane, &key, &value, w->why);

	if (err == KW_ENOTFOUND)
		return KW_OK; /* swept */
	if (err != KW_OK)
		return err;
	if (!body_unpack(value, &wraps, &body))
		return record_damaged(&w->s->db, T_BODIES + lane, key.bytes, key.len, w->why);
	if (wraps.len == 0)
		return record_delete(&w->s->db, w->txn, T_BODIES + lane, &key, true, w->why);
	buf_put_span(&copy, wraps); /* writing moves what value points into */
	be32_put(wraps_len, (uint32_t)wraps.len);
	parts[0] = span_of(wraps_len, sizeof wraps_len);
	parts[1] = buf_span(&copy);
	if (buf_ok(&copy))
		err = record_put(&w->s->db, w->txn, T_BODIES + lane, &key, parts, 2, PUT_ANYWHERE, w->why);
	else
		err = kw_refuse(w->why, KW_ENOMEM, "out of memory at the store in %s", w->s->path);
	buf_free(&copy);
	return err;
}

static enum kw_err
drop_head(struct work *w, const struct head_record *h, enum lane lane, uint64_t number)
{
	struct key key = key_of_u64(number), index = key_index(lane, h->set, number);
	struct commit_record c = {0};
	enum kw_err err;

	if ((err = record_delete(&w->s->db, w->txn, T_BODIES + lane, &key, false, w->why)) != KW_OK)
		return err;
	if ((err = record_delete(&w->s->db, w->txn, T_INDEX, &index, true, w->why)) != KW_OK)
		return err;
	if (w->next.entries[lane] > 0)
		w->next.entries[lane]--;
	if ((err = record_delete(&w->s->db, w->txn, T_HEADS + lane, &key, true, w->why)) != KW_OK || h->index != 0)
		return err;
	if ((err = commit_of(w, h->commit, &c)) != KW_OK)
		return err;
	return put_due(w, c.until_ms, DUE_COMMIT, LANE_FLASH, h->commit);
}

/* The newest commits stay as records without leaves, looked at again each day. */
static enum kw_err
drop_commit(struct work *w, uint64_t number)
{
	struct key key = key_of_u64(number);
	uint8_t fixed[COMMIT_FIXED_LEN] = {0};
	struct span part = span_of(fixed, sizeof fixed);
	struct commit_record c = {0};
	enum kw_err err = commit_of(w, number, &c);

	if (err != KW_OK)
		return err;
	if (number + STORE_COMMITS_KEPT <= w->next.commit_number)
		return record_delete(&w->s->db, w->txn, T_COMMITS, &key, true, w->why);
	if (c.leaf_count > 0) {
		be64_put(fixed, c.until_ms);
		memcpy(fixed + 8, c.record, WIRE_COMMIT_LEN);
		if ((err = record_put(&w->s->db, w->txn, T_COMMITS, &key, &part, 1, PUT_ANYWHERE, w->why)) != KW_OK)
			return err;
	}
	return put_due(w, w->now_ms + DAY_MS, DUE_COMMIT, LANE_FLASH, number);
}

static enum kw_err
carry_out(struct work *w, enum due_kind kind, enum lane lane, uint64_t number)
{
	struct head_record h = {0};
	struct key id;
	enum kw_err err;

	if (kind == DUE_COMMIT)
		return drop_commit(w, number);
	if ((err = head_of(w, lane, number, &h)) != KW_OK)
		return err;
	h.head = span_of(NULL, 0); /* goes away under the changes below */
	switch (kind) {
	case DUE_BODY:
		err = drop_body(w, lane, number);
		break;
	case DUE_ID:
		id = key_id(h.sender, h.id);
		err = record_delete(&w->s->db, w->txn, T_IDS, &id, true, w->why);
		break;
	case DUE_HEAD:
		return drop_head(w, &h, lane, number);
	case DUE_COMMIT:
		break;
	}
	return err != KW_OK ? err : keep_due(w, &h, lane, number, kind);
}

/* The first thing due; KW_ENOTFOUND: nothing is, yet. */
static enum kw_err
first_due(struct work *w, struct key *key)
{
	const struct lmdb *db = &w->s->db;
	MDB_cursor *c;
	MDB_val k, data;
	struct span value;
	enum kw_err err;
	int rc = mdb_cursor_open(w->txn, db->dbi[T_DUE], &c);

	if (rc != 0)
		return lmdb_failed(db, rc, "due", w->why);
	rc = mdb_cursor_get(c, &k, &data, MDB_FIRST);
	if (rc == MDB_NOTFOUND)
		err = KW_ENOTFOUND;
	else if (rc != 0)
		err = lmdb_failed(db, rc, "due", w->why);
	else
		err = record_check(db, T_DUE, &k, &data, &value, w->why);
	if (err == KW_OK) {
		key->len = (uint32_t)k.mv_size;
		memcpy(key->bytes, k.mv_data, k.mv_size);
		if (be64_get(key->bytes) > w->now_ms / 1000)
			err = KW_ENOTFOUND;
	}
	mdb_cursor_close(c);
	return err;
}

enum kw_err
keep_purge(struct work *w, struct store_op *op)
{
	struct key key = {0};
	enum kw_err err;

	for (op->done = 0; op->done < op->purge.limit; op->done++) {
		if ((err = first_due(w, &key)) != KW_OK)
			return err == KW_ENOTFOUND ? KW_OK : err;
		if (key.bytes[8] < DUE_BODY || key.bytes[8] > DUE_COMMIT || key.bytes[9] >= KW_LANES)
			return record_damaged(&w->s->db, T_DUE, key.bytes, key.len, w->why);
		if ((err = record_delete(&w->s->db, w->txn, T_DUE, &key, true, w->why)) != KW_OK)
			return err;
		err = carry_out(w, (enum due_kind)key.bytes[8], (enum lane)key.bytes[9], be64_get(key.bytes + 10));
		if (err != KW_OK)
			return err;
	}
	return KW_OK;
}

/* ---- sweeping ---- */

/* The set's first entry behind after; KW_ENOTFOUND: none up to upto. */
static enum kw_err
next_of_set(struct work *w, MDB_cursor *c, const struct store_op *op, uint64_t after, uint64_t *number)
{
	struct key from = key_index(op->sweep.lane, op->sweep.set, after + 1);
	MDB_val k = {.mv_size = from.len, .mv_data = from.bytes}, data;
	struct span value;
	enum kw_err err;
	int rc = mdb_cursor_get(c, &k, &data, MDB_SET_RANGE);

	if (rc == MDB_NOTFOUND)
		return KW_ENOTFOUND;
	if (rc != 0)
		return lmdb_failed(&w->s->db, rc, "index", w->why);
	if ((err = record_check(&w->s->db, T_INDEX, &k, &data, &value, w->why)) != KW_OK)
		return err;
	if (memcmp(k.mv_data, from.bytes, 5) != 0)
		return KW_ENOTFOUND;
	*number = be64_get((const uint8_t *)k.mv_data + 5);
	return *number > op->sweep.upto ? KW_ENOTFOUND : KW_OK;
}

static enum kw_err
sweep_bodies(struct work *w, struct store_op *op, uint64_t *upto)
{
	enum lane lane = op->sweep.lane;
	MDB_cursor *c;
	enum kw_err err = KW_OK;
	int rc = mdb_cursor_open(w->txn, w->s->db.dbi[T_INDEX], &c);

	if (rc != 0)
		return lmdb_failed(&w->s->db, rc, "index", w->why);
	while (op->done < op->sweep.limit) {
		struct key body;
		uint64_t number = 0;

		if ((err = next_of_set(w, c, op, *upto, &number)) != KW_OK)
			break;
		body = key_of_u64(number);
		if ((err = record_delete(&w->s->db, w->txn, T_BODIES + lane, &body, false, w->why)) != KW_OK)
			break;
		*upto = number;
		op->done++;
	}
	mdb_cursor_close(c);
	if (err == KW_ENOTFOUND)
		*upto = op->sweep.upto;
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
keep_sweep(struct work *w, struct store_op *op)
{
	struct key key = key_swept(op->sweep.lane, op->sweep.set);
	uint8_t packed[8] = {0};
	struct span old, part = span_of(packed, sizeof packed);
	uint64_t upto = 0;
	enum kw_err err = record_get(&w->s->db, w->txn, T_SWEPT, &key, &old, w->why);

	if (err != KW_OK && err != KW_ENOTFOUND)
		return err;
	if (err == KW_OK && old.len != sizeof packed)
		return record_damaged(&w->s->db, T_SWEPT, key.bytes, key.len, w->why);
	if (err == KW_OK)
		upto = be64_get(old.p);
	op->done = 0;
	op->at.lane = op->sweep.lane;
	op->at.number = upto;
	if (upto >= op->sweep.upto)
		return KW_OK;
	if ((err = sweep_bodies(w, op, &upto)) != KW_OK)
		return err;
	op->at.number = upto;
	be64_put(packed, upto);
	return record_put(&w->s->db, w->txn, T_SWEPT, &key, &part, 1, PUT_ANYWHERE, w->why);
}

/* ---- recall ---- */

static enum kw_err
mark_recalled(struct work *w, enum lane lane, uint64_t number)
{
	struct key key = key_of_u64(number);
	uint8_t fixed[HEAD_FIXED_LEN];
	struct buf copy = BUF_INIT(KW_HEAD_MAX);
	struct head_record h = {0};
	struct span parts[2];
	struct span value;
	enum kw_err err = record_get(&w->s->db, w->txn, T_HEADS + lane, &key, &value, w->why);

	if (err == KW_ENOTFOUND)
		return KW_OK; /* it went between the batch that recalls it and now */
	if (err == KW_OK && !head_unpack(&h, value))
		return record_damaged(&w->s->db, T_HEADS + lane, key.bytes, key.len, w->why);
	if (err != KW_OK || h.recalled)
		return err;
	h.recalled = true;
	head_pack(fixed, &h);
	buf_put_span(&copy, h.head); /* writing moves what it points into */
	parts[0] = span_of(fixed, sizeof fixed);
	parts[1] = buf_span(&copy);
	if (buf_ok(&copy))
		err = record_put(&w->s->db, w->txn, T_HEADS + lane, &key, parts, 2, PUT_ANYWHERE, w->why);
	else
		err = kw_refuse(w->why, KW_ENOMEM, "out of memory at the store in %s", w->s->path);
	buf_free(&copy);
	return err;
}

enum kw_err
keep_recall(struct work *w, enum lane lane, uint64_t number)
{
	enum kw_err err = drop_body(w, lane, number);

	return err == KW_OK ? mark_recalled(w, lane, number) : err;
}
