/* decided: see its header. */
#include "broker/store/decided.h"

#include <string.h>

enum { FLAG_ENTRY = 1, FLAG_RECEIPT = 2 };

/* ---- writing ---- */

void
decided_begin(struct buf *b, uint64_t now_ms)
{
	buf_put_u64(b, now_ms);
	buf_put_u32(b, 0);
}

static void
put_bytes(struct buf *b, struct span s)
{
	buf_put_u32(b, (uint32_t)s.len);
	buf_put_span(b, s);
}

static void
put_numbers(struct buf *b, const uint64_t n[KW_LANES])
{
	for (int i = 0; i < KW_LANES; i++)
		buf_put_u64(b, n[i]);
}

static void
put_append(struct buf *b, const struct decided_append *a)
{
	buf_put_u8(b, (uint8_t)a->lane);
	buf_put_u8(b, (uint8_t)((a->entry ? FLAG_ENTRY : 0) | (a->receipt ? FLAG_RECEIPT : 0)));
	buf_put_u32(b, a->set.v);
	buf_put_u32(b, a->sender.v);
	buf_put_u64(b, a->number);
	buf_put_u64(b, a->expires_ms);
	buf_put_u64(b, a->body_until_ms);
	buf_put_u64(b, a->proof_until_ms);
	buf_put(b, a->id, KW_ID_LEN);
	buf_put(b, a->frame_hash, KW_HASH_LEN);
	put_bytes(b, a->head);
	put_bytes(b, a->wraps);
	put_bytes(b, a->body);
}

void
decided_put(struct buf *b, const struct decided_op *op)
{
	buf_put_u8(b, (uint8_t)op->kind);
	switch (op->kind) {
	case OP_APPEND:
		put_append(b, &op->append);
		break;
	case OP_NODE:
		buf_put_u32(b, op->node.node.v);
		put_bytes(b, op->node.id);
		break;
	case OP_SET:
		buf_put_u32(b, op->set.set.v);
		put_bytes(b, op->set.nodes);
		break;
	case OP_CURSOR:
		buf_put_u32(b, op->cursor.node.v);
		buf_put_u8(b, (uint8_t)op->cursor.lane);
		buf_put_u32(b, op->cursor.cursor.log_epoch);
		buf_put_u64(b, op->cursor.cursor.number);
		break;
	case OP_SUBSCRIBE:
		buf_put_u32(b, op->subscribe.node.v);
		put_bytes(b, op->subscribe.filters);
		break;
	case OP_AGREEMENT:
		buf_put_u32(b, op->agreement.version);
		put_numbers(b, op->agreement.before);
		put_bytes(b, op->agreement.text);
		put_bytes(b, op->agreement.sigs);
		break;
	case OP_LOG_EPOCH:
		buf_put_u32(b, op->log_epoch.epoch);
		put_numbers(b, op->log_epoch.start);
		break;
	case OP_EVIDENCE:
		put_bytes(b, op->evidence.bytes);
		break;
	case OP_PURGE:
		buf_put_u32(b, op->purge.limit);
		break;
	case OP_SWEEP:
		buf_put_u8(b, (uint8_t)op->sweep.lane);
		buf_put_u32(b, op->sweep.set.v);
		buf_put_u64(b, op->sweep.upto);
		buf_put_u32(b, op->sweep.limit);
		break;
	case OP_CASE:
		buf_put(b, op->one_case.id, KW_ID_LEN);
		put_bytes(b, op->one_case.bytes);
		break;
	case OP_FOLDED:
		put_numbers(b, op->folded.upto);
		break;
	case OP_RECALL:
		buf_put_u8(b, (uint8_t)op->recall.lane);
		buf_put_u64(b, op->recall.number);
		break;
	case OP_SUSPENSION:
		buf_put_u32(b, op->suspension.node.v);
		put_bytes(b, op->suspension.bytes);
		break;
	}
}

void
decided_end(struct buf *b, size_t begun, uint32_t ops, const struct decided_commit *c)
{
	buf_put_u8(b, c->there ? 1 : 0);
	if (c->there) {
		buf_put_u64(b, c->until_ms);
		buf_put(b, c->record, WIRE_COMMIT_LEN);
		buf_put_u32(b, c->leaf_count);
		buf_put(b, c->leaves, (size_t)c->leaf_count * KW_HASH_LEN);
	}
	if (buf_ok(b))
		be32_put(b->p + begun + 8, ops);
}

/* ---- reading ---- */

bool
decided_open(struct decided_reader *r, struct span bytes)
{
	*r = (struct decided_reader){.at = cursor_over(bytes)};
	r->now_ms = cursor_u64(&r->at);
	r->left = cursor_u32(&r->at);
	return !r->at.bad;
}

static struct span
take_bytes(struct cursor *c)
{
	uint32_t len = cursor_u32(c);
	const uint8_t *p = cursor_take(c, len);

	return span_of(p, p != NULL ? len : 0);
}

static enum lane
take_lane(struct cursor *c)
{
	uint8_t lane = cursor_u8(c);

	c->bad = c->bad || lane >= KW_LANES;
	return c->bad ? LANE_FLASH : (enum lane)lane;
}

static void
take_numbers(struct cursor *c, uint64_t n[KW_LANES])
{
	for (int i = 0; i < KW_LANES; i++)
		n[i] = cursor_u64(c);
}

static void
take_append(struct cursor *c, struct decided_append *a)
{
	uint8_t flags;

	a->lane = take_lane(c);
	flags = cursor_u8(c);
	a->entry = (flags & FLAG_ENTRY) != 0;
	a->receipt = (flags & FLAG_RECEIPT) != 0;
	c->bad = c->bad || (flags & ~(FLAG_ENTRY | FLAG_RECEIPT)) != 0;
	a->set.v = cursor_u32(c);
	a->sender.v = cursor_u32(c);
	a->number = cursor_u64(c);
	a->expires_ms = cursor_u64(c);
	a->body_until_ms = cursor_u64(c);
	a->proof_until_ms = cursor_u64(c);
	a->id = cursor_take(c, KW_ID_LEN);
	a->frame_hash = cursor_take(c, KW_HASH_LEN);
	a->head = take_bytes(c);
	a->wraps = take_bytes(c);
	a->body = take_bytes(c);
}

bool
decided_next(struct decided_reader *r, struct decided_op *out)
{
	struct cursor *c = &r->at;
	uint8_t kind = cursor_u8(c);

	MUST(r->left > 0);
	r->left--;
	if (c->bad || kind > OP_SUSPENSION)
		return false;
	memset(out, 0, sizeof *out);
	out->kind = (enum op_kind)kind;
	switch (out->kind) {
	case OP_APPEND:
		take_append(c, &out->append);
		break;
	case OP_NODE:
		out->node.node.v = cursor_u32(c);
		out->node.id = take_bytes(c);
		break;
	case OP_SET:
		out->set.set.v = cursor_u32(c);
		out->set.nodes = take_bytes(c);
		break;
	case OP_CURSOR:
		out->cursor.node.v = cursor_u32(c);
		out->cursor.lane = take_lane(c);
		out->cursor.cursor.log_epoch = cursor_u32(c);
		out->cursor.cursor.number = cursor_u64(c);
		break;
	case OP_SUBSCRIBE:
		out->subscribe.node.v = cursor_u32(c);
		out->subscribe.filters = take_bytes(c);
		break;
	case OP_AGREEMENT:
		out->agreement.version = cursor_u32(c);
		take_numbers(c, out->agreement.before);
		out->agreement.text = take_bytes(c);
		out->agreement.sigs = take_bytes(c);
		break;
	case OP_LOG_EPOCH:
		out->log_epoch.epoch = cursor_u32(c);
		take_numbers(c, out->log_epoch.start);
		break;
	case OP_EVIDENCE:
		out->evidence.bytes = take_bytes(c);
		break;
	case OP_PURGE:
		out->purge.limit = cursor_u32(c);
		break;
	case OP_SWEEP:
		out->sweep.lane = take_lane(c);
		out->sweep.set.v = cursor_u32(c);
		out->sweep.upto = cursor_u64(c);
		out->sweep.limit = cursor_u32(c);
		break;
	case OP_CASE:
		out->one_case.id = cursor_take(c, KW_ID_LEN);
		out->one_case.bytes = take_bytes(c);
		break;
	case OP_FOLDED:
		take_numbers(c, out->folded.upto);
		break;
	case OP_RECALL:
		out->recall.lane = take_lane(c);
		out->recall.number = cursor_u64(c);
		break;
	case OP_SUSPENSION:
		out->suspension.node.v = cursor_u32(c);
		out->suspension.bytes = take_bytes(c);
		break;
	}
	return !c->bad;
}

bool
decided_close(struct decided_reader *r, struct decided_commit *out)
{
	struct cursor *c = &r->at;

	uint8_t there = cursor_u8(c);

	MUST(r->left == 0);
	*out = (struct decided_commit){.there = there == 1};
	c->bad = c->bad || there > 1;
	if (out->there) {
		out->until_ms = cursor_u64(c);
		out->record = cursor_take(c, WIRE_COMMIT_LEN);
		out->leaf_count = cursor_u32(c);
		out->leaves = cursor_take(c, (size_t)out->leaf_count * KW_HASH_LEN);
		c->bad = c->bad || out->leaf_count == 0;
	}
	return cursor_done(c);
}
