/*
 * store_lmdb_decide: what becomes of a batch, before anything is written: which appends are new, their numbers, what is recalled, and the signed
 * commit. Known is what stands in LMDB, in the journal before it (recent.h), and earlier in the batch itself.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/store/store_lmdb_parts.h"

struct deciding {
	struct store_lmdb *s;
	struct store_batch *b;
	struct recent_batch *r;
	struct log_state *next;
	uint32_t ops, leaf_count;
	uint64_t proof_until_ms;     /* of the latest entry of this commit */
};

/* ---- what is known ---- */

static void
answer(struct store_op *op, const struct store_found *f)
{
	op->result = memcmp(f->frame_hash, op->append.frame_hash, KW_HASH_LEN) == 0 ? APPEND_DUPLICATE : APPEND_CONFLICT;
	op->at = f->at;
	op->commit = f->commit;
	op->index = f->index;
}

/* An append with an id, or a recall. */
static bool
asks_for_id(const struct store_op *op, node_no *sender, const uint8_t **id)
{
	*sender = op->kind == OP_RECALL ? op->recall.sender : op->append.sender;
	*id = op->kind == OP_RECALL ? op->recall.id : op->append.id;
	return op->kind == OP_RECALL || (op->kind == OP_APPEND && op->append.sender.v != UINT32_MAX);
}

static void
take_found(struct known *k, struct store_op *op, const struct store_found *f)
{
	k->there = true;
	k->at = f->at;
	if (op->kind == OP_APPEND)
		answer(op, f);
}

/* What LMDB has by now is looked up behind what it had not, so that nothing falls between. */
static uint32_t
known_recently(struct store_lmdb *s, struct store_batch *b)
{
	uint32_t unknown = 0;
	const uint8_t *id;
	node_no sender;

	(void)pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < b->count; i++) {
		struct known *k = &s->known[i];
		const struct recent_entry *e;
		struct store_found f;

		k->there = false;
		if (!asks_for_id(&b->ops[i], &sender, &id))
			continue;
		e = recent_find(&s->recents, sender, id);
		if (e == NULL) {
			unknown++;
			continue;
		}
		f = recent_found(e);
		take_found(k, &b->ops[i], &f);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return unknown;
}

static enum kw_err
known_in_lmdb(struct store_lmdb *s, struct store_op *op, struct known *k, struct kw_why *why)
{
	struct id_record r;
	struct store_found f;
	const uint8_t *id;
	struct span value;
	node_no sender;
	struct key key;
	enum kw_err err;

	if (k->there || !asks_for_id(op, &sender, &id))
		return KW_OK;
	key = key_id(sender, id);
	err = record_get(&s->db, s->decider, T_IDS, &key, &value, why);
	if (err == KW_ENOTFOUND)
		return KW_OK;
	if (err != KW_OK)
		return err;
	if (!id_unpack(&r, value) || r.at.lane >= KW_LANES)
		return record_damaged(&s->db, T_IDS, key.bytes, key.len, why);
	f = (struct store_found){.at = r.at, .commit = r.commit, .index = r.index};
	memcpy(f.frame_hash, r.frame_hash, KW_HASH_LEN);
	take_found(k, op, &f);
	return KW_OK;
}

static enum kw_err
look_up(struct store_lmdb *s, struct store_batch *b, struct kw_why *why)
{
	enum kw_err err = KW_OK;
	int rc;

	if (known_recently(s, b) == 0)
		return KW_OK;
	if ((rc = mdb_txn_renew(s->decider)) != 0)
		return lmdb_failed(&s->db, rc, "beginning a commit", why);
	for (uint32_t i = 0; i < b->count && err == KW_OK; i++)
		err = known_in_lmdb(s, &b->ops[i], &s->known[i], why);
	mdb_txn_reset(s->decider);
	return err == KW_ENOTFOUND ? KW_ECORRUPT : err;
}

/* ---- operations ---- */

static void
put(struct deciding *d, const struct decided_op *op)
{
	decided_put(&d->r->record, op);
	d->ops++;
}

/* An id is forgotten before its head goes, because the head is what tells the id. */
static uint64_t
proof_until(const struct op_append *a)
{
	uint64_t ids = a->expires_ms >= NEVER_MS ? NEVER_MS : a->expires_ms + KW_ID_MEMORY_MS;

	return a->sender.v != UINT32_MAX && a->proof_until_ms < ids ? ids : a->proof_until_ms;
}

static void
append_new(struct deciding *d, struct store_op *op)
{
	const struct op_append *a = &op->append;
	struct decided_op out = {.kind = OP_APPEND, .append = {.lane = a->lane, .entry = a->entry, .receipt = a->receipt, .set = a->set, .sender = a->sender,
		.number = ++d->next->tail[a->lane], .expires_ms = a->expires_ms, .body_until_ms = a->body_until_ms, .proof_until_ms = proof_until(a),
		.id = a->id, .frame_hash = a->frame_hash, .head = a->head, .wraps = a->wraps, .body = a->body}};
	struct recent_entry *e = recent_batch_append(d->r, &out.append);

	op->result = APPEND_STORED;
	op->at = (struct position){d->next->log_epoch, a->lane, out.append.number};
	op->commit = e->commit = d->next->commit_number + 1;
	op->index = e->index = d->leaf_count++;
	e->log_epoch = d->next->log_epoch;
	commit_leaf(d->s->leaves[op->index], &(struct leaf){op->at, a->sender_id, a->id, a->frame_hash});
	if (out.append.proof_until_ms > d->proof_until_ms)
		d->proof_until_ms = out.append.proof_until_ms;
	put(d, &out);
}

static void
append(struct deciding *d, struct store_op *op, const struct known *k)
{
	const struct op_append *a = &op->append;
	const struct recent_entry *before;
	struct store_found f;

	MUST((unsigned)a->lane < KW_LANES && a->set.v < STORE_SETS_MAX);
	if (k->there)
		return;
	before = a->sender.v != UINT32_MAX ? recent_batch_find(d->r, a->sender, a->id) : NULL;
	if (before != NULL) {
		f = recent_found(before);
		answer(op, &f);
	} else if (a->if_known) {
		op->result = APPEND_ABSENT;
	} else {
		append_new(d, op);
	}
}

static void
recall(struct deciding *d, struct store_op *op, const struct known *k)
{
	const struct recent_entry *here = recent_batch_find(d->r, op->recall.sender, op->recall.id);
	struct position at = here != NULL ? recent_found(here).at : k->at;

	op->done = here != NULL || k->there;
	if (op->done == 0)
		return;
	op->at = at;
	recent_batch_recall(d->r, at.lane, at.number);
	put(d, &(struct decided_op){.kind = OP_RECALL, .recall = {at.lane, at.number}});
}

static void
set(struct deciding *d, const struct store_op *op)
{
	uint8_t *packed = d->s->packed;

	MUST(op->set.set.v < STORE_SETS_MAX && op->set.count <= STORE_NODES_MAX);
	for (uint32_t i = 0; i < op->set.count; i++)
		be32_put(packed + 4 * (size_t)i, op->set.nodes[i].v);
	put(d, &(struct decided_op){.kind = OP_SET, .set = {op->set.set, span_of(packed, 4 * (size_t)op->set.count)}});
}

static void
subscribe(struct deciding *d, const struct store_op *op)
{
	uint8_t *packed = d->s->packed;
	size_t len = 0;

	MUST(op->subscribe.filters->filter_count <= WIRE_FILTERS_MAX);
	for (uint32_t i = 0; i < op->subscribe.filters->filter_count; i++) {
		size_t n = strlen(op->subscribe.filters->filters[i]);

		MUST(n <= KW_TOPIC_MAX);
		packed[len++] = (uint8_t)n;
		memcpy(packed + len, op->subscribe.filters->filters[i], n);
		len += n;
	}
	put(d, &(struct decided_op){.kind = OP_SUBSCRIBE, .subscribe = {op->subscribe.node, span_of(packed, len)}});
}

static void
agreement(struct deciding *d, const struct store_op *op)
{
	struct decided_op out = {.kind = OP_AGREEMENT, .agreement = {.version = op->agreement.version, .text = op->agreement.text, .sigs = op->agreement.sigs}};

	memcpy(out.agreement.before, d->next->tail, sizeof out.agreement.before);
	put(d, &out);
}

static void
log_epoch(struct deciding *d, const struct store_op *op)
{
	struct decided_op out = {.kind = OP_LOG_EPOCH, .log_epoch = {.epoch = op->log_epoch.epoch}};

	MUST(op->log_epoch.epoch > d->next->log_epoch);
	d->next->log_epoch = op->log_epoch.epoch;
	for (int i = 0; i < KW_LANES; i++)
		out.log_epoch.start[i] = d->next->tail[i] + 1;
	put(d, &out);
}

/* Carried out by who writes LMDB: what is left over there goes on by itself, so here nothing is. */
static void
sweep(struct deciding *d, struct store_op *op)
{
	op->done = 0;
	op->at.lane = op->sweep.lane;
	op->at.number = op->sweep.upto;
	put(d, &(struct decided_op){.kind = OP_SWEEP, .sweep = {op->sweep.lane, op->sweep.set, op->sweep.upto, op->sweep.limit}});
}

static void
decide_op(struct deciding *d, struct store_op *op, const struct known *k)
{
	struct decided_op out = {.kind = op->kind};

	switch (op->kind) {
	case OP_APPEND: append(d, op, k); return;
	case OP_RECALL: recall(d, op, k); return;
	case OP_SET: set(d, op); return;
	case OP_SUBSCRIBE: subscribe(d, op); return;
	case OP_AGREEMENT: agreement(d, op); return;
	case OP_LOG_EPOCH: log_epoch(d, op); return;
	case OP_SWEEP: sweep(d, op); return;
	case OP_NODE:
		out.node.node = op->node.node;
		out.node.id = span_str(op->node.id);
		MUST(op->node.node.v < STORE_NODES_MAX && out.node.id.len > 0 && out.node.id.len <= KW_NODE_MAX);
		break;
	case OP_CURSOR:
		out.cursor.node = op->cursor.node;
		out.cursor.lane = op->cursor.lane;
		out.cursor.cursor = op->cursor.cursor;
		break;
	case OP_EVIDENCE:
		out.evidence.bytes = op->evidence.bytes;
		break;
	case OP_PURGE:
		op->done = 0;
		out.purge.limit = op->purge.limit;
		break;
	case OP_CASE:
		MUST(op->one_case.bytes.len <= STORE_CASE_MAX);
		out.one_case.id = op->one_case.id;
		out.one_case.bytes = op->one_case.bytes;
		break;
	case OP_FOLDED:
		memcpy(out.folded.upto, op->folded.upto, sizeof out.folded.upto);
		break;
	case OP_SUSPENSION:
		MUST(op->suspension.node.v < STORE_NODES_MAX && op->suspension.bytes.len > 0 && op->suspension.bytes.len <= STORE_SUSPENSION_MAX);
		out.suspension.node = op->suspension.node;
		out.suspension.bytes = op->suspension.bytes;
		break;
	}
	put(d, &out);
}

/* ---- the whole ---- */

/* The most that the record of it takes. */
static size_t
bytes_of(const struct store_batch *b)
{
	size_t n = JOURNAL_HEAD + 64 + WIRE_COMMIT_LEN + JOURNAL_PAGE;

	for (uint32_t i = 0; i < b->count; i++) {
		const struct store_op *op = &b->ops[i];

		n += 64;
		switch (op->kind) {
		case OP_APPEND: n += 96 + 2 * KW_HASH_LEN + op->append.head.len + op->append.wraps.len + op->append.body.len; break;
		case OP_NODE: n += KW_NODE_MAX; break;
		case OP_SET: n += 4 * (size_t)op->set.count; break;
		case OP_SUBSCRIBE: n += op->subscribe.filters->filter_count * (size_t)(1 + KW_TOPIC_MAX); break;
		case OP_AGREEMENT: n += op->agreement.text.len + op->agreement.sigs.len; break;
		case OP_EVIDENCE: n += op->evidence.bytes.len; break;
		case OP_CASE: n += op->one_case.bytes.len; break;
		case OP_SUSPENSION: n += op->suspension.bytes.len; break;
		case OP_CURSOR:
		case OP_LOG_EPOCH:
		case OP_PURGE:
		case OP_SWEEP:
		case OP_FOLDED:
		case OP_RECALL: break;
		}
	}
	return n;
}

static void
make_commit(struct deciding *d, struct decided_commit *out)
{
	struct store_lmdb *s = d->s;
	struct log_state *next = d->next;
	struct commit c = {.number = next->commit_number + 1, .time_ms = d->b->now_ms, .count = d->leaf_count};

	if (next->commit_number > 0)
		commit_hash(c.previous, next->commit);
	commit_root(c.root, (const uint8_t(*)[KW_HASH_LEN])s->leaves, d->leaf_count);
	s->signer.sign(s->signer.self, &c, next->commit);
	next->commit_number = d->r->commit_number = c.number;
	*out = (struct decided_commit){.there = true, .until_ms = d->proof_until_ms, .record = next->commit, .leaf_count = d->leaf_count,
	                               .leaves = (const uint8_t *)s->leaves};
}

static enum kw_err
room_to_decide(struct store_lmdb *s, const struct store_batch *b, uint32_t appends)
{
	if (b->count > s->known_room) {
		struct known *more = realloc(s->known, b->count * sizeof *more);

		if (more == NULL)
			return KW_ENOMEM;
		s->known = more;
		s->known_room = b->count;
	}
	if (appends > s->leaf_room) {
		void *more = realloc(s->leaves, (size_t)appends * sizeof *s->leaves);

		if (more == NULL)
			return KW_ENOMEM;
		s->leaves = more;
		s->leaf_room = appends;
	}
	return KW_OK;
}

enum kw_err
store_decide(struct store_lmdb *s, struct recent_batch **out, struct store_batch *b, struct log_state *next, struct kw_why *why)
{
	struct deciding d = {.s = s, .b = b, .next = next};
	struct decided_commit c = {.there = false};
	uint32_t appends = 0, recalls = 0;
	size_t most = bytes_of(b);
	enum kw_err err;

	for (uint32_t i = 0; i < b->count; i++) {
		appends += b->ops[i].kind == OP_APPEND;
		recalls += b->ops[i].kind == OP_RECALL;
	}
	d.r = recent_new(s->recents.seed, appends, recalls, most);
	if (d.r == NULL || room_to_decide(s, b, appends) != KW_OK || buf_reserve(&d.r->record, most) == NULL) {
		recent_free(&d.r);
		return kw_refuse(why, KW_ENOMEM, "out of memory at the store in %s", s->path);
	}
	if ((err = look_up(s, b, why)) != KW_OK) {
		recent_free(&d.r);
		return err;
	}
	buf_commit(&d.r->record, JOURNAL_HEAD);
	decided_begin(&d.r->record, b->now_ms);
	for (uint32_t i = 0; i < b->count; i++)
		decide_op(&d, &b->ops[i], &s->known[i]);
	if (d.leaf_count > 0)
		make_commit(&d, &c);
	decided_end(&d.r->record, JOURNAL_HEAD, d.ops, &c);
	MUST(buf_ok(&d.r->record)); /* bytes_of reserved it */
	recent_settle(d.r);
	b->has_commit = c.there;
	b->leaf_count = d.leaf_count;
	b->leaves = s->leaves;
	if (c.there)
		memcpy(b->commit, next->commit, WIRE_COMMIT_LEN);
	*out = d.r;
	return KW_OK;
}
