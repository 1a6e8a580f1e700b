/* store_lmdb_commit: one batch, one LMDB transaction, one signed commit; all of it or nothing. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker/store/store_lmdb_parts.h"

/* ---- appends ---- */

/* KW_OK and *known: the id has been here, the answer is written. */
static enum kw_err
look_up_id(struct work *w, struct store_op *op, const struct key *key, bool *known)
{
	struct id_record r;
	struct span value;
	enum kw_err err = record_get(&w->s->db, w->txn, T_IDS, key, &value, w->why);

	*known = false;
	if (err == KW_ENOTFOUND)
		return KW_OK;
	if (err != KW_OK)
		return err;
	if (!id_unpack(&r, value))
		return record_damaged(&w->s->db, T_IDS, key->bytes, key->len, w->why);
	*known = true;
	op->result = memcmp(r.frame_hash, op->append.frame_hash, KW_HASH_LEN) == 0 ? APPEND_DUPLICATE : APPEND_CONFLICT;
	op->at = r.at;
	op->commit = r.commit;
	op->index = r.index;
	return KW_OK;
}

static enum kw_err
put_head_and_body(struct work *w, const struct head_record *h, const struct op_append *a, uint64_t number)
{
	const struct lmdb *db = &w->s->db;
	struct key key = key_of_u64(number);
	uint8_t fixed[HEAD_FIXED_LEN], wraps_len[BODY_FIXED_LEN];
	struct span head[2] = {{fixed, sizeof fixed}, a->head};
	struct span body[3] = {{wraps_len, sizeof wraps_len}, a->wraps, a->body};
	enum kw_err err;

	head_pack(fixed, h);
	err = record_put(db, w->txn, T_HEADS + a->lane, &key, head, 2, PUT_LAST, w->why);
	if (err != KW_OK || (a->wraps.len == 0 && a->body.len == 0))
		return err;
	be32_put(wraps_len, (uint32_t)a->wraps.len);
	return record_put(db, w->txn, T_BODIES + a->lane, &key, body, 3, PUT_LAST, w->why);
}

static enum kw_err
put_id(struct work *w, const struct store_op *op, const struct key *key)
{
	struct id_record r = {.at = op->at, .commit = op->commit, .index = op->index};
	uint8_t packed[ID_RECORD_LEN] = {0};
	struct span part = span_of(packed, sizeof packed);

	memcpy(r.frame_hash, op->append.frame_hash, KW_HASH_LEN);
	id_pack(packed, &r);
	return record_put(&w->s->db, w->txn, T_IDS, key, &part, 1, PUT_ANYWHERE, w->why);
}

/* An id is forgotten before its head goes, because the head is what tells the id. */
static uint64_t
proof_until(const struct op_append *a, bool has_id)
{
	uint64_t ids = a->expires_ms >= NEVER_MS ? NEVER_MS : a->expires_ms + KW_ID_MEMORY_MS;

	return has_id && a->proof_until_ms < ids ? ids : a->proof_until_ms;
}

static enum kw_err
do_append(struct work *w, struct store_op *op)
{
	const struct op_append *a = &op->append;
	bool has_id = a->sender.v != UINT32_MAX, known = false;
	struct key id = key_id(a->sender, a->id), index;
	struct head_record h = {.set = a->set, .sender = a->sender, .log_epoch = w->next.log_epoch, .entry = a->entry, .receipt = a->receipt,
	                        .expires_ms = a->expires_ms, .body_until_ms = a->body_until_ms, .proof_until_ms = proof_until(a, has_id)};
	enum kw_err err;

	MUST((unsigned)a->lane < KW_LANES && a->set.v < STORE_SETS_MAX);
	if (has_id && ((err = look_up_id(w, op, &id, &known)) != KW_OK || known))
		return err;
	op->result = a->if_known ? APPEND_ABSENT : APPEND_STORED;
	if (a->if_known)
		return KW_OK;
	op->at = (struct position){w->next.log_epoch, a->lane, ++w->next.tail[a->lane]};
	op->commit = h.commit = w->next.commit_number + 1;
	op->index = h.index = w->leaf_count++;
	memcpy(h.id, a->id, KW_ID_LEN);
	commit_leaf(w->s->leaves[op->index], &(struct leaf){op->at, a->sender_id, a->id, a->frame_hash});
	w->next.entries[a->lane]++;
	if (h.proof_until_ms > w->proof_until_ms)
		w->proof_until_ms = h.proof_until_ms;
	index = key_index(a->lane, a->set, op->at.number);
	if ((err = put_head_and_body(w, &h, a, op->at.number)) != KW_OK)
		return err;
	if ((err = record_put(&w->s->db, w->txn, T_INDEX, &index, NULL, 0, PUT_ANYWHERE, w->why)) != KW_OK)
		return err;
	if (has_id && (err = put_id(w, op, &id)) != KW_OK)
		return err;
	return keep_due(w, &h, a->lane, op->at.number, a->wraps.len > 0 || a->body.len > 0 ? 0 : DUE_BODY);
}

/* ---- the other operations ---- */

static enum kw_err
do_node(struct work *w, const struct store_op *op)
{
	struct key key = key_of_u32(op->node.node.v);
	struct span part = span_str(op->node.id);

	MUST(op->node.node.v < STORE_NODES_MAX && part.len > 0 && part.len <= KW_NODE_MAX);
	return record_put(&w->s->db, w->txn, T_NODES, &key, &part, 1, PUT_ANYWHERE, w->why);
}

static enum kw_err
do_set(struct work *w, const struct store_op *op)
{
	struct key key = key_of_u32(op->set.set.v);
	struct buf b = BUF_INIT(STORE_NODES_MAX * 4u);
	enum kw_err err = KW_ENOMEM;
	struct span part;

	MUST(op->set.set.v < STORE_SETS_MAX && op->set.count <= STORE_NODES_MAX);
	for (uint32_t i = 0; i < op->set.count; i++)
		buf_put_u32(&b, op->set.nodes[i].v);
	part = buf_span(&b);
	if (buf_ok(&b))
		err = record_put(&w->s->db, w->txn, T_SETS, &key, &part, 1, PUT_ANYWHERE, w->why);
	else
		(void)kw_refuse(w->why, KW_ENOMEM, "out of memory at the store in %s", w->s->path);
	buf_free(&b);
	return err;
}

static enum kw_err
do_cursor(struct work *w, const struct store_op *op)
{
	struct key key = key_cursor(op->cursor.node, op->cursor.lane);
	uint8_t packed[12] = {0};
	struct span part = span_of(packed, sizeof packed), old;
	enum kw_err err = record_get(&w->s->db, w->txn, T_CURSORS, &key, &old, w->why);

	if (err != KW_OK && err != KW_ENOTFOUND)
		return err;
	if (err == KW_OK && old.len != sizeof packed)
		return record_damaged(&w->s->db, T_CURSORS, key.bytes, key.len, w->why);
	if (err == KW_OK && be64_get(old.p + 4) > op->cursor.cursor.number)
		return KW_OK;
	if (err == KW_OK && be64_get(old.p + 4) == op->cursor.cursor.number && be32_get(old.p) >= op->cursor.cursor.log_epoch)
		return KW_OK;
	be32_put(packed, op->cursor.cursor.log_epoch);
	be64_put(packed + 4, op->cursor.cursor.number);
	return record_put(&w->s->db, w->txn, T_CURSORS, &key, &part, 1, PUT_ANYWHERE, w->why);
}

static enum kw_err
do_subscribe(struct work *w, const struct store_op *op)
{
	struct key key = key_of_u32(op->subscribe.node.v);
	uint8_t packed[WIRE_FILTERS_MAX * (1 + KW_TOPIC_MAX)];
	size_t len = 0;
	struct span part;

	MUST(op->subscribe.filters->filter_count <= WIRE_FILTERS_MAX);
	for (uint32_t i = 0; i < op->subscribe.filters->filter_count; i++) {
		size_t n = strlen(op->subscribe.filters->filters[i]);

		MUST(n <= KW_TOPIC_MAX);
		packed[len++] = (uint8_t)n;
		memcpy(packed + len, op->subscribe.filters->filters[i], n);
		len += n;
	}
	part = span_of(packed, len);
	return record_put(&w->s->db, w->txn, T_SUBS, &key, &part, 1, PUT_ANYWHERE, w->why);
}

static enum kw_err
do_agreement(struct work *w, const struct store_op *op)
{
	struct key key = key_of_u32(op->agreement.version);
	uint8_t fixed[8 * KW_LANES + 4];
	struct span parts[3] = {{fixed, sizeof fixed}, op->agreement.text, op->agreement.sigs};

	for (unsigned i = 0; i < KW_LANES; i++)
		be64_put(fixed + 8 * i, w->next.tail[i]);
	be32_put(fixed + 8 * KW_LANES, (uint32_t)op->agreement.text.len);
	return record_put(&w->s->db, w->txn, T_AGREEMENTS, &key, parts, 3, PUT_ANYWHERE, w->why);
}

static enum kw_err
do_log_epoch(struct work *w, const struct store_op *op)
{
	struct key key = key_of_u32(op->log_epoch.epoch);
	uint8_t packed[8 * KW_LANES] = {0};
	struct span part = span_of(packed, sizeof packed);

	MUST(op->log_epoch.epoch > w->next.log_epoch);
	w->next.log_epoch = op->log_epoch.epoch;
	for (unsigned i = 0; i < KW_LANES; i++)
		be64_put(packed + 8 * i, w->next.tail[i] + 1);
	return record_put(&w->s->db, w->txn, T_EPOCHS, &key, &part, 1, PUT_ANYWHERE, w->why);
}

static enum kw_err
do_evidence(struct work *w, const struct store_op *op)
{
	struct key key;
	uint8_t time[8];
	struct span parts[2] = {{time, sizeof time}, op->evidence.bytes};

	if (w->next.evidence >= STORE_EVIDENCE_MAX) {
		log_peer(LOG_WARNING, "store.evidence_full", "kept=%u", STORE_EVIDENCE_MAX);
		return KW_OK;
	}
	key = key_of_u64(++w->next.evidence);
	be64_put(time, w->now_ms);
	return record_put(&w->s->db, w->txn, T_EVIDENCE, &key, parts, 2, PUT_ANYWHERE, w->why);
}

static enum kw_err
do_case(struct work *w, const struct store_op *op)
{
	struct key key = key_case(op->one_case.id);

	MUST(op->one_case.bytes.len <= STORE_CASE_MAX);
	if (op->one_case.bytes.len == 0)
		return record_delete(&w->s->db, w->txn, T_CASES, &key, false, w->why);
	return record_put(&w->s->db, w->txn, T_CASES, &key, &op->one_case.bytes, 1, PUT_ANYWHERE, w->why);
}

static enum kw_err
do_folded(struct work *w, const struct store_op *op)
{
	struct key key = key_word("folded");
	uint8_t packed[8 * KW_LANES] = {0};
	struct span part = span_of(packed, sizeof packed);

	for (unsigned i = 0; i < KW_LANES; i++)
		be64_put(packed + 8 * i, op->folded.upto[i]);
	return record_put(&w->s->db, w->txn, T_META, &key, &part, 1, PUT_ANYWHERE, w->why);
}

static enum kw_err
do_op(struct work *w, struct store_op *op)
{
	switch (op->kind) {
	case OP_APPEND: return do_append(w, op);
	case OP_NODE: return do_node(w, op);
	case OP_SET: return do_set(w, op);
	case OP_CURSOR: return do_cursor(w, op);
	case OP_SUBSCRIBE: return do_subscribe(w, op);
	case OP_AGREEMENT: return do_agreement(w, op);
	case OP_LOG_EPOCH: return do_log_epoch(w, op);
	case OP_EVIDENCE: return do_evidence(w, op);
	case OP_PURGE: return keep_purge(w, op);
	case OP_SWEEP: return keep_sweep(w, op);
	case OP_CASE: return do_case(w, op);
	case OP_FOLDED: return do_folded(w, op);
	case OP_RECALL: return keep_recall(w, op);
	}
	MUST(false);
	return KW_EINVAL;
}

/* ---- the commit ---- */

/* The newest id of each sender, once a batch: the last append of a sender is met first. */
static enum kw_err
put_last_stored(struct work *w, const struct store_batch *b)
{
	uint64_t *seen = w->s->senders_seen;
	enum kw_err err;

	memset(seen, 0, sizeof w->s->senders_seen);
	for (uint32_t i = b->count; i-- > 0;) {
		const struct store_op *op = &b->ops[i];
		struct span part = span_of(op->append.id, KW_ID_LEN);
		struct key key;

		if (op->kind != OP_APPEND || op->result != APPEND_STORED || op->append.sender.v >= STORE_NODES_MAX)
			continue;
		if ((seen[op->append.sender.v / 64] >> (op->append.sender.v % 64) & 1u) != 0)
			continue;
		seen[op->append.sender.v / 64] |= 1ull << (op->append.sender.v % 64);
		key = key_last(op->append.sender);
		if ((err = record_put(&w->s->db, w->txn, T_META, &key, &part, 1, PUT_ANYWHERE, w->why)) != KW_OK)
			return err;
	}
	return KW_OK;
}

static enum kw_err
put_commit(struct work *w, struct store_batch *b)
{
	struct store_lmdb *s = w->s;
	const uint8_t(*leaves)[KW_HASH_LEN] = (const uint8_t(*)[KW_HASH_LEN])s->leaves;
	struct commit c = {.number = w->next.commit_number + 1, .time_ms = b->now_ms, .count = w->leaf_count};
	struct key key = key_of_u64(c.number);
	uint8_t until[8];
	struct span parts[3];
	enum kw_err err;

	if (w->next.commit_number > 0)
		commit_hash(c.previous, w->next.commit);
	commit_root(c.root, leaves, w->leaf_count);
	s->signer.sign(s->signer.self, &c, w->next.commit);
	w->next.commit_number = c.number;
	be64_put(until, w->proof_until_ms);
	parts[0] = span_of(until, sizeof until);
	parts[1] = span_of(w->next.commit, WIRE_COMMIT_LEN);
	parts[2] = span_of(s->leaves, (size_t)w->leaf_count * KW_HASH_LEN);
	if ((err = record_put(&s->db, w->txn, T_COMMITS, &key, parts, 3, PUT_LAST, w->why)) != KW_OK)
		return err;
	return put_last_stored(w, b);
}

static enum kw_err
put_state(struct work *w)
{
	struct key key = key_word("state");
	uint8_t packed[STATE_LEN] = {0};
	struct span part = span_of(packed, sizeof packed);

	state_pack(packed, &w->next);
	return record_put(&w->s->db, w->txn, T_META, &key, &part, 1, PUT_ANYWHERE, w->why);
}

static enum kw_err
do_batch(struct work *w, struct store_batch *b)
{
	enum kw_err err;

	for (uint32_t i = 0; i < b->count; i++)
		if ((err = do_op(w, &b->ops[i])) != KW_OK)
			return err;
	if (w->leaf_count > 0 && (err = put_commit(w, b)) != KW_OK)
		return err;
	return put_state(w);
}

static enum kw_err
leaves_for(struct store_lmdb *s, const struct store_batch *b, struct kw_why *why)
{
	uint32_t want = 0;
	void *more;

	for (uint32_t i = 0; i < b->count; i++)
		want += b->ops[i].kind == OP_APPEND;
	if (want <= s->leaf_room)
		return KW_OK;
	more = realloc(s->leaves, (size_t)want * sizeof *s->leaves);
	if (more == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory at the store in %s", s->path);
	s->leaves = more;
	s->leaf_room = want;
	return KW_OK;
}

static enum kw_err
lose(struct store_lmdb *s, enum kw_err err)
{
	s->lost = true;
	files_mark_lost(&s->files);
	return err;
}

enum kw_err
store_lmdb_commit(struct store *base, struct store_batch *b, struct kw_why *why)
{
	struct store_lmdb *s = lmdb_of(base);
	struct work w = {.s = s, .next = s->state, .now_ms = b->now_ms, .why = why};
	enum kw_err err;
	int rc;

	b->has_commit = false;
	b->leaf_count = 0;
	b->leaves = NULL;
	if (s->lost)
		return kw_refuse(why, KW_EIO, "the store in %s failed before and takes nothing more; start the broker again, it then checks the store", s->path);
	if ((err = leaves_for(s, b, why)) != KW_OK)
		return lose(s, err);
	if ((err = room_for(s, b, why)) != KW_OK)
		return err == KW_EFULL ? err : lose(s, err);
	rc = mdb_txn_begin(s->db.env, NULL, 0, &w.txn);
	if (rc != 0)
		return lose(s, lmdb_failed(&s->db, rc, "beginning a commit", why));
	err = do_batch(&w, b);
	if (err != KW_OK) {
		mdb_txn_abort(w.txn);
		return err == KW_EFULL ? err : lose(s, err == KW_ENOTFOUND ? KW_ECORRUPT : err);
	}
	rc = mdb_txn_commit(w.txn); /* syncs; whatever it answers but 0 is never tried again */
	if (rc != 0) {
		(void)lmdb_failed(&s->db, rc, "committing", why);
		return lose(s, KW_EIO);
	}
	s->state = w.next;
	b->has_commit = w.leaf_count > 0;
	b->leaf_count = w.leaf_count;
	b->leaves = s->leaves;
	if (b->has_commit)
		memcpy(b->commit, w.next.commit, WIRE_COMMIT_LEN);
	return KW_OK;
}
