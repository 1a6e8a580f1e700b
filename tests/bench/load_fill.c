/*
 * load_fill: a backlog without waiting for it: the store's own code writes it while the broker is stopped, under the broker's own key, for
 * audiences that the broker has met (run_first). Frames are really sealed, but few, and used again under new ids: nobody opens these.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "broker/store/store_lmdb.h"
#include "load_figures.h"
#include "load_node.h"
#include "load_runs.h"
#include "proto/seal.h"

#define FEW 10u               /* of all are for LOAD_FEW_READER alone */
#define TEMPLATES 64u
#define DEADLINE_NS 60000000000ull
#define DAY_MS (24ull * 3600 * 1000)
#define FOLD 100000u          /* more than a broker takes in the second between two marks of how far cases are folded (broker/core/cases.c) */

/* ---- the first one of each topic ---- */

static void
count_answers(void *self, uint32_t count)
{
	*(uint32_t *)self += count;
}

void
run_first(struct load *l, const struct wishes *w)
{
	static const char *const topics[] = {LOAD_TOPIC, LOAD_FEW_TOPIC};
	uint32_t answered = 0;
	struct load_node *n = load_node_open(l, &w->targets[0], LOAD_PUBLISHER, ROLE_PUBLISHER, FROM_TAIL,
	                                     (struct load_handler){.self = &answered, .stored = count_answers});
	uint64_t deadline = load_ns() + DEADLINE_NS;

	load_node_await(n, deadline);
	for (uint32_t i = 0; i < 2; i++) {
		struct pool_wish wish = {.sender = LOAD_PUBLISHER, .topic = topics[i], .lane = LANE_ROUTINE, .count = 1, .payload_len = w->bytes, .frame_len = w->frame};
		struct pool p;

		load_pool_make(&p, l, &wish);
		load_node_publish(n, &p.at[0]);
		while (answered <= i)
			load_turn(l, deadline, deadline);
		load_pool_free(&p);
	}
	load_node_close(&n);
}

/* ---- all the others ---- */

struct fill {
	node_no nodes[3];             /* publisher, reader, few reader */
	bool known[3];
	set_no sets[2];               /* of the reader alone, of the few reader alone */
	bool has_set[2];
	struct secret_keys *keys;
};

static void
on_state(void *self, uint32_t log_epoch, const uint64_t start[KW_LANES], const uint64_t tail[KW_LANES], bool has_commit,
         const uint8_t commit[WIRE_COMMIT_LEN])
{
	(void)self, (void)log_epoch, (void)start, (void)tail, (void)has_commit, (void)commit;
}

static void
on_epoch(void *self, uint32_t log_epoch, const uint64_t start[KW_LANES])
{
	(void)self, (void)log_epoch, (void)start;
}

static enum kw_err
on_agreement(void *self, uint32_t version, struct span text, struct span sigs, const uint64_t before[KW_LANES], struct kw_why *why)
{
	(void)self, (void)version, (void)text, (void)sigs, (void)before, (void)why;
	return KW_OK;
}

static enum kw_err
on_node(void *self, node_no node, const char *id)
{
	static const char *const ids[3] = {LOAD_PUBLISHER, LOAD_READER, LOAD_FEW_READER};
	struct fill *f = self;

	for (int i = 0; i < 3; i++)
		if (strcmp(id, ids[i]) == 0) {
			f->nodes[i] = node;
			f->known[i] = true;
		}
	return KW_OK;
}

static enum kw_err
on_set(void *self, set_no set, const node_no *nodes, uint32_t count)
{
	struct fill *f = self;

	for (int i = 0; i < 2; i++)
		if (count == 1 && f->known[i + 1] && nodes[0].v == f->nodes[i + 1].v) {
			f->sets[i] = set;
			f->has_set[i] = true;
		}
	return KW_OK;
}

static void
on_cursor(void *self, node_no node, enum lane lane, struct lane_cursor cursor)
{
	(void)self, (void)node, (void)lane, (void)cursor;
}

static void
on_last_stored(void *self, node_no node, const uint8_t id[KW_ID_LEN])
{
	(void)self, (void)node, (void)id;
}

static enum kw_err
on_subscribe(void *self, node_no node, uint32_t count, const char *const *filters)
{
	(void)self, (void)node, (void)count, (void)filters;
	return KW_OK;
}

static void
on_swept(void *self, enum lane lane, set_no set, uint64_t upto)
{
	(void)self, (void)lane, (void)set, (void)upto;
}

static void
sign(void *self, const struct commit *c, uint8_t out[WIRE_COMMIT_LEN])
{
	commit_encode(out, c, secret_keys_sign(((struct fill *)self)->keys));
}

static struct store *
open_store(struct fill *f, const struct load *l, const char *path)
{
	struct store_lmdb_config config = {.path = path, .partnership = agreement_partnership(l->agreement), .signer = {f, sign}};
	struct store_load load = {.self = f, .state = on_state, .epoch = on_epoch, .agreement = on_agreement, .node = on_node, .set = on_set,
	                          .cursor = on_cursor, .last_stored = on_last_stored, .subscribe = on_subscribe, .swept = on_swept};
	struct store *s;
	struct kw_why why;

	f->keys = load_keys(l, agreement_broker(l->agreement)->name, KEY_BROKER);
	load_must(store_lmdb_open(&s, &config, &load, &why), &why);
	if (!f->known[0] || !f->has_set[0] || !f->has_set[1])
		load_fail("the store in %s does not know the audiences yet", path);
	return s;
}

static void
fill_op(struct store_op *op, const struct fill *f, const struct pool *p, uint32_t i, bool few)
{
	uint64_t now = clock_wall_ms();
	uint8_t random[10];
	struct op_append *a = &op->append;
	struct frame frame;
	struct kw_why why;

	load_must(frame_parse(&frame, p->at[i % p->count].frame, FRAME_WHOLE, &why), &why);
	*op = (struct store_op){.kind = OP_APPEND};
	*a = (struct op_append){
		.lane = LANE_ROUTINE, .set = f->sets[few ? 1 : 0], .sender = f->nodes[0], .sender_id = LOAD_PUBLISHER, .expires_ms = now + DAY_MS,
		.body_until_ms = now + DAY_MS, .proof_until_ms = now + 730 * DAY_MS, .head = frame.head, .body = frame.body, .wraps = p->at[i % p->count].wraps,
	};
	randombytes_buf(random, sizeof random);
	kw_id_make(a->id, now, random);
	seal_frame_hash(a->frame_hash, &frame);
}

/* The mark as a broker writes it: behind what stood before this batch, so that a start finds what came since. */
static bool
fold_op(struct store_op *op, uint64_t routine, uint64_t *folded)
{
	if (routine < *folded + FOLD)
		return false;
	*op = (struct store_op){.kind = OP_FOLDED};
	op->folded.upto[LANE_ROUTINE] = *folded = routine;
	return true;
}

void
run_fill(struct load *l, const struct wishes *w)
{
	struct store_op *ops = load_memory(STORE_BATCH_MAX, sizeof *ops);
	struct pool_wish wish = {.sender = LOAD_PUBLISHER, .topic = LOAD_TOPIC, .lane = LANE_ROUTINE, .count = TEMPLATES, .payload_len = w->bytes, .frame_len = w->frame};
	uint32_t done = 0, few = 0;
	uint64_t from = load_ns(), routine = 0, folded = 0;
	struct fill f = {0};
	struct pool p;
	struct store *s = open_store(&f, l, w->store);
	struct kw_why why;

	load_pool_make(&p, l, &wish);
	while (done < w->messages) {
		struct store_batch b = {.ops = ops, .now_ms = clock_wall_ms()};

		b.count = fold_op(&ops[0], routine, &folded);
		for (; b.count < STORE_BATCH_MAX && done < w->messages; b.count++, done++) {
			bool for_few = few < FEW && done >= (uint64_t)w->messages * few / FEW; /* spread over the whole */

			few += for_few;
			fill_op(&ops[b.count], &f, &p, done, for_few);
		}
		load_must(s->ops->commit(s, &b, &why), &why);
		routine = ops[b.count - 1].at.number;
	}
	s->ops->close(s);
	load_print(json_pack("{s:s,s:s,s:i,s:i,s:f}", "run", "fill", "target", "kurzweg", "messages", w->messages, "few", few, "per_second",
	                     w->messages / ((double)(load_ns() - from) / 1e9)));
	secret_keys_free(&f.keys);
	load_pool_free(&p);
	free(ops);
}
