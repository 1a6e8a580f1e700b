/* broker_subject: batches with every kind of operation, and a hash over all that the store tells at its start and when it is read. */
#include "tests/crash/subject.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_world.h"

#define NUMBERS_A_STEP 16u   /* notification n was appended in step n / 16 */
#define NODES 4u
#define SETS 6u
#define STEP_MS 40000u
#define BIG 70000u
#define READ_AT_ONCE 64u
#define COMMITS_LOOKED_FOR 600u
#define JOURNAL_BYTES (256u << 10)   /* gone through again and again; some batches are larger than it */
#define APPLY_AFTER_MS 2u

static const char *const names[NODES] = {"police/control-room", "city/public-order", "city/crime-prevention", "youth-house/office"};
static const node_no all_nodes[NODES] = {{0}, {1}, {2}, {3}};

struct broker { struct world w; uint8_t big[BIG]; char texts[64]; struct wire_subscribe filters; char filter[2][KW_TOPIC_MAX + 1]; uint8_t bytes[STORE_CASE_MAX]; };

static void
close_broker(void **self)
{
	struct broker *b = *self;

	if (b != NULL)
		world_close(&b->w);
	free(b);
	*self = NULL;
}

static enum kw_err
open_broker(void **self, const char *folder, struct kw_why *why)
{
	struct broker *b = calloc(1, sizeof *b);
	enum kw_err err;

	if (b == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	*self = b;
	b->w.on_disk = true;
	b->w.partnership = "musterstadt";
	b->w.journal_bytes = JOURNAL_BYTES;
	b->w.apply_after_ms = APPLY_AFTER_MS;
	if (snprintf(b->w.path, sizeof b->w.path, "%s/store", folder) >= (int)sizeof b->w.path)
		return kw_refuse(why, KW_ELIMIT, "%s is too long a path", folder);
	for (size_t i = 0; i < BIG; i++)
		b->big[i] = (uint8_t)(i * 131 + i / 251);
	err = world_open(&b->w);
	if (err != KW_OK)
		*why = b->w.why;
	return err;
}

/* ---- the work ---- */

/* Some need pages of their own in LMDB. */
static struct span
body_of(const struct broker *b, uint32_t n)
{
	return n % 5 == 2 ? span_of(b->big + n % 97, 3000 + n * 7919u % (BIG - 4000)) : span_of(b->big + n % 89, 200 + n % 700);
}

static void
append(struct broker *b, uint32_t n, uint32_t set)
{
	struct store_op *op = world_append(&b->w, (enum lane)(n % KW_LANES), set, n % NODES, n);

	op->append.body = body_of(b, n);
	op->append.expires_ms = b->w.now + 10 * 60000;
	op->append.body_until_ms = b->w.now + 8 * 60000;
	op->append.proof_until_ms = b->w.now + 25 * 60000;
	op->append.receipt = n % 11 == 0;
}

static void
begin_partnership(struct broker *b)
{
	for (uint32_t i = 0; i < NODES; i++) {
		struct store_op *op = world_op(&b->w, OP_NODE);

		op->node.node.v = i;
		op->node.id = names[i];
	}
	for (uint32_t i = 0; i < SETS; i++) {
		struct store_op *op = world_op(&b->w, OP_SET);

		op->set.set.v = i;
		op->set.nodes = all_nodes;
		op->set.count = i % (NODES + 1);
	}
}

static void
change_agreement(struct broker *b, uint32_t n)
{
	struct store_op *op = world_op(&b->w, OP_AGREEMENT);

	(void)snprintf(b->texts, sizeof b->texts, "version %u", 1 + n / 10);
	op->agreement.version = 1 + n / 10;
	op->agreement.text = span_str(b->texts);
	op->agreement.sigs = span_str("mayor and prosecutor signed");
}

static void
subscribe(struct broker *b, uint32_t n)
{
	struct store_op *op = world_op(&b->w, OP_SUBSCRIBE);

	(void)snprintf(b->filter[0], sizeof b->filter[0], "alert/%u", n);
	(void)snprintf(b->filter[1], sizeof b->filter[1], "request/%u/#", n % 7);
	b->filters = (struct wire_subscribe){n % 3, b->filter};
	op->subscribe.node.v = n % NODES;
	op->subscribe.filters = &b->filters;
}

static void
one_case(struct broker *b, uint32_t n)
{
	struct store_op *op = world_op(&b->w, OP_CASE);

	be32_put(op->one_case.id, 1 + n % 20);
	memset(b->bytes, (int)(n & 0xFF), sizeof b->bytes);
	op->one_case.bytes = span_of(b->bytes, n % 9 == 4 ? 0 : 20 + n * 61 % 2000);
}

static void
work_of_readers(struct broker *b, uint32_t n)
{
	struct store_op *op = world_op(&b->w, OP_CURSOR);

	op->cursor.node.v = n % NODES;
	op->cursor.lane = (enum lane)(n % KW_LANES);
	op->cursor.cursor = (struct lane_cursor){1, n / 2};
	if (n % 3 != 0)
		return;
	op = world_op(&b->w, OP_SWEEP);
	op->sweep.lane = (enum lane)(n / 3 % KW_LANES);
	op->sweep.set.v = n % SETS;
	op->sweep.upto = n / 2;
	op->sweep.limit = 30;
}

static void
seldom(struct broker *b, uint32_t n)
{
	struct store_op *op;

	if (n % 10 == 3)
		change_agreement(b, n);
	if (n % 13 == 5)
		subscribe(b, n);
	if (n % 25 == 7)
		world_op(&b->w, OP_LOG_EPOCH)->log_epoch.epoch = 2 + n / 25;
	if (n % 8 == 2)
		world_op(&b->w, OP_EVIDENCE)->evidence.bytes = span_of(b->big, 100 + n * 37 % 5000);
	if (n % 4 == 1)
		one_case(b, n);
	if (n % 6 == 2) {
		op = world_op(&b->w, OP_FOLDED);
		for (unsigned lane = 0; lane < KW_LANES; lane++)
			op->folded.upto[lane] = n + lane;
	}
	if (n % 7 == 3 && n > 1) {
		uint32_t of = (n - 1) * NUMBERS_A_STEP;

		op = world_op(&b->w, OP_RECALL);
		op->recall.sender.v = of % NODES;
		be32_put(op->recall.id, of);
		op->recall.id[15] = 1;
	}
	if (n % 2 == 0)
		world_op(&b->w, OP_PURGE)->purge.limit = 40;
}

static enum kw_err
step_broker(void *self, uint32_t n, struct kw_why *why)
{
	struct broker *b = self;
	uint32_t first;
	enum kw_err err;

	b->w.b = (struct store_batch){.ops = b->w.ops};
	b->w.now = WORLD_NOW + (uint64_t)n * STEP_MS;
	if (n == 1)
		begin_partnership(b);
	first = b->w.b.count;
	for (uint32_t i = 0; i < 1 + n % 9; i++)
		append(b, n * NUMBERS_A_STEP + i, i % SETS);
	if (n % 6 == 0)
		world_append(&b->w, LANE_URGENT, n % SETS, BROKERS, n * NUMBERS_A_STEP + 15);
	if (n % 4 == 0)
		append(b, (n - 1) * NUMBERS_A_STEP, 0); /* once more */
	if (n % 5 == 0) {
		append(b, n * NUMBERS_A_STEP + 14, 0);
		b->w.ops[b->w.b.count - 1].append.if_known = true;
	}
	work_of_readers(b, n);
	seldom(b, n);
	err = world_commit(&b->w);
	if (err != KW_OK) {
		*why = b->w.why;
		return err;
	}
	if (b->w.ops[first].result != APPEND_STORED || (n % 4 == 0 && b->w.ops[first + 1 + n % 9 + (n % 6 == 0)].result != APPEND_DUPLICATE))
		return kw_refuse(why, KW_ESTATE, "step %u was answered with something else than stored and duplicate", n);
	return KW_OK;
}

/* ---- what is there ---- */

static void
take(crypto_generichash_state *h, const void *p, size_t n)
{
	(void)crypto_generichash_update(h, p, n);
}

static void
take_span(crypto_generichash_state *h, struct span s)
{
	uint64_t len = s.len;

	take(h, &len, sizeof len);
	if (s.len > 0)
		take(h, s.p, s.len);
}

static bool
whole(const struct broker *b, const struct store_entry *e)
{
	uint32_t n = be32_get(e->entry ? e->head.p : e->id);

	if (e->head.len != 64 + n % 32 || be32_get(e->head.p) != n)
		return false;
	if (e->body.len > 0 && !span_eq(e->body, body_of(b, n)))
		return false;
	return e->wraps.len == 0 || e->wraps.len == 2 * KW_WRAP_LEN;
}

static void
take_entry(crypto_generichash_state *h, const struct store_entry *e)
{
	const uint64_t numbers[] = {e->at.log_epoch, (uint64_t)e->at.lane, e->at.number, e->set.v, e->commit, e->entry, e->receipt, e->recalled, e->expires_ms, e->sender.v};

	take(h, numbers, sizeof numbers);
	take(h, e->id, KW_ID_LEN);
	take_span(h, e->head);
	take_span(h, e->body);
	take_span(h, e->wraps);
}

/* A commit's proof and the answer that a second copy would get. */
static enum kw_err
take_proof(struct broker *b, crypto_generichash_state *h, const struct store_entry *e, struct kw_why *why)
{
	uint8_t record[WIRE_COMMIT_LEN], path[32][KW_HASH_LEN];
	struct store_found found;
	uint32_t len = 0;
	enum kw_err err = b->w.s->ops->find(b->w.s, e->sender, e->id, &found, why);

	if (err != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	if (found.at.number != e->at.number || found.at.lane != e->at.lane)
		return kw_refuse(why, KW_ECORRUPT, "an id leads to another place");
	err = b->w.s->ops->proof(b->w.s, found.commit, found.index, record, path, &len, why);
	if (err != KW_OK)
		return err;
	take(h, record, sizeof record);
	take(h, path, (size_t)len * KW_HASH_LEN);
	return KW_OK;
}

static enum kw_err
take_lane(struct broker *b, crypto_generichash_state *h, enum lane lane, struct kw_why *why)
{
	static const set_no sets[SETS] = {{0}, {1}, {2}, {3}, {4}, {5}};
	struct store_entry found[READ_AT_ONCE], copy[READ_AT_ONCE];
	uint32_t count = READ_AT_ONCE;
	uint64_t after = 0, tail;
	enum kw_err err = KW_OK;

	while (err == KW_OK && count == READ_AT_ONCE) {
		err = b->w.s->ops->read(b->w.s, lane, sets, SETS, after, found, READ_AT_ONCE, UINT64_MAX, &count, &tail, why);
		for (uint32_t i = 0; err == KW_OK && i < count; i++) {
			if (found[i].at.number <= after || !whole(b, &found[i]))
				err = kw_refuse(why, KW_ECORRUPT, "lane %d, number %llu is not whole", (int)lane, (unsigned long long)found[i].at.number);
			after = found[i].at.number;
			take_entry(h, &found[i]);
			copy[i] = found[i];
		}
		b->w.s->ops->read_done(b->w.s);
		for (uint32_t i = 0; err == KW_OK && i < count; i++)
			err = copy[i].entry ? KW_OK : take_proof(b, h, &copy[i], why);
	}
	take(h, &tail, sizeof tail);
	return err;
}

static void
take_commits(struct broker *b, crypto_generichash_state *h)
{
	uint8_t hash[KW_HASH_LEN];
	uint64_t number = 0;

	for (uint64_t i = 1; i < COMMITS_LOOKED_FOR; i++)
		if (b->w.s->ops->commit_hash(b->w.s, i, hash) == KW_OK) {
			take(h, hash, sizeof hash);
			number = i;
		}
	take(h, &number, sizeof number);
}

static enum kw_err
hash_broker(void *self, uint8_t out[SUBJECT_HASH], struct kw_why *why)
{
	struct broker *b = self;
	crypto_generichash_state h;
	struct store_sizes sizes;
	enum kw_err err = b->w.s->ops->scrub(b->w.s, 1000000, why);

	(void)crypto_generichash_init(&h, NULL, 0, SUBJECT_HASH);
	take(&h, &b->w.heard, sizeof b->w.heard);
	for (unsigned lane = 0; err == KW_OK && lane < KW_LANES; lane++)
		err = take_lane(b, &h, (enum lane)lane, why);
	take_commits(b, &h);
	b->w.s->ops->sizes(b->w.s, &sizes);
	take(&h, sizes.entries, sizeof sizes.entries);
	(void)crypto_generichash_final(&h, out, SUBJECT_HASH);
	return err;
}

const struct subject broker_subject = {"broker", open_broker, step_broker, hash_broker, close_broker};
