/* store_lmdb_apply: what was decided, written to LMDB: several batches in one transaction, all of them or none. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker/store/store_lmdb_parts.h"

/* Never so where the journal's own sums hold: then this LMDB file is another one's. */
static enum kw_err
does_not_follow(const struct work *w)
{
	return kw_refuse(w->why, KW_ECORRUPT, "the journal in %s does not follow from data.mdb; restore both from the last backup", w->s->path);
}

/* ---- appends ---- */

struct recent_sweep *
store_apply_slot(struct recent_sweep swept[SWEPT_SLOTS], enum lane lane, set_no set)
{
	return &swept[(set.v * KW_LANES + (unsigned)lane) % SWEPT_SLOTS];
}

/* Everyone was past it before it came here: its body, written now, would go again in the same transaction. */
static bool
swept_already(const struct work *w, const struct decided_append *a)
{
	const struct recent_sweep *s;

	if (w->swept == NULL)
		return false;
	s = store_apply_slot(w->swept, a->lane, a->set);
	return s->lane == a->lane && s->set.v == a->set.v && a->number <= s->upto;
}

static enum kw_err
put_head_and_body(struct work *w, const struct head_record *h, const struct decided_append *a, bool with_body)
{
	const struct lmdb *db = &w->s->db;
	struct key key = key_of_u64(a->number);
	uint8_t fixed[HEAD_FIXED_LEN], wraps_len[BODY_FIXED_LEN];
	struct span head[2] = {{fixed, sizeof fixed}, a->head};
	struct span body[3] = {{wraps_len, sizeof wraps_len}, a->wraps, a->body};
	enum kw_err err;

	head_pack(fixed, h);
	err = record_put(db, w->txn, T_HEADS + a->lane, &key, head, 2, PUT_LAST, w->why);
	if (err != KW_OK || !with_body)
		return err;
	be32_put(wraps_len, (uint32_t)a->wraps.len);
	return record_put(db, w->txn, T_BODIES + a->lane, &key, body, 3, PUT_LAST, w->why);
}

static enum kw_err
put_id(struct work *w, const struct head_record *h, const struct decided_append *a)
{
	struct key key = key_id(a->sender, a->id);
	struct id_record r = {.at = {h->log_epoch, a->lane, a->number}, .commit = h->commit, .index = h->index};
	uint8_t packed[ID_RECORD_LEN] = {0};
	struct span part = span_of(packed, sizeof packed);

	memcpy(r.frame_hash, a->frame_hash, KW_HASH_LEN);
	id_pack(packed, &r);
	return record_put(&w->s->db, w->txn, T_IDS, &key, &part, 1, PUT_ANYWHERE, w->why);
}

static enum kw_err
do_append(struct work *w, const struct decided_append *a)
{
	bool has_id = a->sender.v != UINT32_MAX;
	bool with_body = (a->wraps.len > 0 || a->body.len > 0) && !swept_already(w, a);
	struct head_record h = {.set = a->set, .sender = a->sender, .commit = w->next.commit_number + 1, .index = w->leaf_count++, .log_epoch = w->next.log_epoch,
	                        .entry = a->entry, .receipt = a->receipt, .expires_ms = a->expires_ms, .body_until_ms = a->body_until_ms,
	                        .proof_until_ms = a->proof_until_ms};
	struct key index = key_index(a->lane, a->set, a->number);
	enum kw_err err;

	if (a->number != w->next.tail[a->lane] + 1)
		return does_not_follow(w);
	w->next.tail[a->lane] = a->number;
	w->next.entries[a->lane]++;
	memcpy(h.id, a->id, KW_ID_LEN);
	if ((err = put_head_and_body(w, &h, a, with_body)) != KW_OK)
		return err;
	if ((err = record_put(&w->s->db, w->txn, T_INDEX, &index, NULL, 0, PUT_ANYWHERE, w->why)) != KW_OK)
		return err;
	if (has_id && (err = put_id(w, &h, a)) != KW_OK)
		return err;
	return keep_due(w, &h, a->lane, a->number, with_body ? 0 : DUE_BODY);
}

/* ---- the other operations ---- */

static enum kw_err
put_one(struct work *w, enum table t, const struct key *key, struct span value)
{
	return record_put(&w->s->db, w->txn, t, key, &value, 1, PUT_ANYWHERE, w->why);
}

static enum kw_err
do_cursor(struct work *w, const struct decided_op *op)
{
	struct key key = key_cursor(op->cursor.node, op->cursor.lane);
	const struct lane_cursor *c = &op->cursor.cursor;
	uint8_t packed[12] = {0};
	struct span old;
	enum kw_err err = record_get(&w->s->db, w->txn, T_CURSORS, &key, &old, w->why);

	if (err != KW_OK && err != KW_ENOTFOUND)
		return err;
	if (err == KW_OK && old.len != sizeof packed)
		return record_damaged(&w->s->db, T_CURSORS, key.bytes, key.len, w->why);
	if (err == KW_OK && be64_get(old.p + 4) > c->number)
		return KW_OK;
	if (err == KW_OK && be64_get(old.p + 4) == c->number && be32_get(old.p) >= c->log_epoch)
		return KW_OK;
	be32_put(packed, c->log_epoch);
	be64_put(packed + 4, c->number);
	return put_one(w, T_CURSORS, &key, span_of(packed, sizeof packed));
}

static void
pack_numbers(uint8_t out[8 * KW_LANES], const uint64_t n[KW_LANES])
{
	for (unsigned i = 0; i < KW_LANES; i++)
		be64_put(out + 8 * i, n[i]);
}

static enum kw_err
do_agreement(struct work *w, const struct decided_op *op)
{
	struct key key = key_of_u32(op->agreement.version);
	uint8_t fixed[8 * KW_LANES + 4];
	struct span parts[3] = {{fixed, sizeof fixed}, op->agreement.text, op->agreement.sigs};

	pack_numbers(fixed, op->agreement.before);
	be32_put(fixed + 8 * KW_LANES, (uint32_t)op->agreement.text.len);
	return record_put(&w->s->db, w->txn, T_AGREEMENTS, &key, parts, 3, PUT_ANYWHERE, w->why);
}

static enum kw_err
do_log_epoch(struct work *w, const struct decided_op *op)
{
	struct key key = key_of_u32(op->log_epoch.epoch);
	uint8_t packed[8 * KW_LANES] = {0};

	if (op->log_epoch.epoch <= w->next.log_epoch)
		return does_not_follow(w);
	w->next.log_epoch = op->log_epoch.epoch;
	pack_numbers(packed, op->log_epoch.start);
	return put_one(w, T_EPOCHS, &key, span_of(packed, sizeof packed));
}

static enum kw_err
do_evidence(struct work *w, const struct decided_op *op)
{
	struct key key;
	uint8_t time[8];
	struct span parts[2] = {{time, sizeof time}, op->evidence.bytes};

	if (w->next.evidence >= STORE_EVIDENCE_MAX) {
		log_peer(LOG_WARNING, "store.evidence_full", NULL, "kept=%u", STORE_EVIDENCE_MAX);
		return KW_OK;
	}
	key = key_of_u64(++w->next.evidence);
	be64_put(time, w->now_ms);
	return record_put(&w->s->db, w->txn, T_EVIDENCE, &key, parts, 2, PUT_ANYWHERE, w->why);
}

static enum kw_err
do_case(struct work *w, const struct decided_op *op)
{
	struct key key = key_case(op->one_case.id);

	if (op->one_case.bytes.len == 0)
		return record_delete(&w->s->db, w->txn, T_CASES, &key, false, w->why);
	return put_one(w, T_CASES, &key, op->one_case.bytes);
}

static enum kw_err
do_folded(struct work *w, const struct decided_op *op)
{
	struct key key = key_word("folded");
	uint8_t packed[8 * KW_LANES] = {0};

	pack_numbers(packed, op->folded.upto);
	return put_one(w, T_META, &key, span_of(packed, sizeof packed));
}

/* What is left over when its limit is reached goes on by itself, unless somebody waits for the answer and asks again. */
static enum kw_err
do_retention(struct work *w, const struct decided_op *op)
{
	struct store_op keep = {.kind = op->kind};
	enum kw_err err;
	bool more;

	if (op->kind == OP_PURGE) {
		keep.purge.limit = op->purge.limit;
		err = keep_purge(w, &keep);
		more = keep.done >= op->purge.limit;
	} else {
		keep.sweep.lane = op->sweep.lane;
		keep.sweep.set = op->sweep.set;
		keep.sweep.upto = op->sweep.upto;
		keep.sweep.limit = op->sweep.limit;
		err = keep_sweep(w, &keep);
		more = keep.done >= op->sweep.limit;
	}
	if (err == KW_OK && w->kept != NULL)
		w->kept(w->kept_self, &keep, more, w->now_ms);
	return err;
}

static enum kw_err
do_op(struct work *w, const struct decided_op *op)
{
	struct key key;

	switch (op->kind) {
	case OP_APPEND: return do_append(w, &op->append);
	case OP_NODE:
		key = key_of_u32(op->node.node.v);
		return put_one(w, T_NODES, &key, op->node.id);
	case OP_SET:
		key = key_of_u32(op->set.set.v);
		return put_one(w, T_SETS, &key, op->set.nodes);
	case OP_SUBSCRIBE:
		key = key_of_u32(op->subscribe.node.v);
		return put_one(w, T_SUBS, &key, op->subscribe.filters);
	case OP_CURSOR: return do_cursor(w, op);
	case OP_AGREEMENT: return do_agreement(w, op);
	case OP_LOG_EPOCH: return do_log_epoch(w, op);
	case OP_EVIDENCE: return do_evidence(w, op);
	case OP_PURGE:
	case OP_SWEEP: return do_retention(w, op);
	case OP_CASE: return do_case(w, op);
	case OP_FOLDED: return do_folded(w, op);
	case OP_RECALL: return keep_recall(w, op->recall.lane, op->recall.number);
	case OP_SUSPENSION:
		key = key_suspension(op->suspension.node);
		return put_one(w, T_META, &key, op->suspension.bytes);
	}
	MUST(false);
	return KW_EINVAL;
}

/* ---- batches ---- */

/* The newest id of each sender: its last append is met first. */
static enum kw_err
remember_last(struct work *w, const struct recent_batch *b)
{
	uint64_t *seen = w->s->senders_seen;

	memset(seen, 0, sizeof w->s->senders_seen);
	for (uint32_t i = b->count; i-- > 0;) {
		const struct decided_append *a = &b->entries[i].a;
		struct key key;
		enum kw_err err;

		if (a->sender.v >= STORE_NODES_MAX || (seen[a->sender.v / 64] >> (a->sender.v % 64) & 1u) != 0)
			continue;
		seen[a->sender.v / 64] |= 1ull << (a->sender.v % 64);
		key = key_last(a->sender);
		if ((err = put_one(w, T_META, &key, span_of(a->id, KW_ID_LEN))) != KW_OK)
			return err;
	}
	return KW_OK;
}

static enum kw_err
put_commit(struct work *w, const struct decided_commit *c)
{
	struct key key = key_of_u64(w->next.commit_number + 1);
	uint8_t until[8];
	struct span parts[3] = {{until, sizeof until}, span_of(c->record, WIRE_COMMIT_LEN), span_of(c->leaves, (size_t)c->leaf_count * KW_HASH_LEN)};
	uint8_t previous[KW_HASH_LEN] = {0};
	struct commit said;

	if (w->next.commit_number > 0)
		commit_hash(previous, w->next.commit);
	if (c->leaf_count != w->leaf_count || commit_decode(&said, c->record, NULL) != KW_OK || said.number != w->next.commit_number + 1 ||
	    memcmp(said.previous, previous, sizeof previous) != 0)
		return does_not_follow(w);
	be64_put(until, c->until_ms);
	w->next.commit_number++;
	memcpy(w->next.commit, c->record, WIRE_COMMIT_LEN);
	return record_put(&w->s->db, w->txn, T_COMMITS, &key, parts, 3, PUT_LAST, w->why);
}

enum kw_err
store_apply(struct work *w, const struct recent_batch *b)
{
	struct span all = buf_span(&b->record);
	struct decided_reader r;
	struct decided_commit c;
	struct decided_op op;
	enum kw_err err;

	w->leaf_count = 0;
	if (!decided_open(&r, span_of(all.p + JOURNAL_HEAD, all.len - JOURNAL_HEAD)))
		return does_not_follow(w);
	w->now_ms = r.now_ms;
	while (r.left > 0) {
		if (!decided_next(&r, &op))
			return does_not_follow(w);
		if ((err = do_op(w, &op)) != KW_OK)
			return err;
	}
	if (!decided_close(&r, &c))
		return does_not_follow(w);
	if (c.there && ((err = put_commit(w, &c)) != KW_OK || (err = remember_last(w, b)) != KW_OK))
		return err;
	return KW_OK;
}

enum kw_err
store_apply_retention(struct work *w, const struct store_op *op)
{
	struct decided_op again = {.kind = op->kind};

	if (op->kind == OP_PURGE) {
		again.purge.limit = op->purge.limit;
	} else {
		again.sweep.lane = op->sweep.lane;
		again.sweep.set = op->sweep.set;
		again.sweep.upto = op->sweep.upto;
		again.sweep.limit = op->sweep.limit;
	}
	return do_retention(w, &again);
}

enum kw_err
store_apply_begin(struct work *w, struct kw_why *why)
{
	int rc = mdb_txn_begin(w->s->db.env, NULL, 0, &w->txn);

	w->why = why;
	w->next = w->s->applied;
	return rc == 0 ? KW_OK : lmdb_failed(&w->s->db, rc, "beginning a commit", why);
}

enum kw_err
store_apply_end(struct work *w, const struct journal_place *after, enum kw_err err)
{
	struct key key = key_word("state");
	uint8_t packed[STATE_LEN] = {0};
	int rc;

	w->next.journal = *after;
	state_pack(packed, &w->next);
	if (err == KW_OK)
		err = put_one(w, T_META, &key, span_of(packed, sizeof packed));
	if (err != KW_OK) {
		mdb_txn_abort(w->txn);
		return err == KW_ENOTFOUND ? KW_ECORRUPT : err;
	}
	rc = mdb_txn_commit(w->txn); /* syncs; whatever it answers but 0 is never tried again */
	if (rc != 0) {
		(void)lmdb_failed(&w->s->db, rc, "committing", w->why);
		return KW_EIO;
	}
	w->s->applied = w->next;
	return KW_OK;
}
