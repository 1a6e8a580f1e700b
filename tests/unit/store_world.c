/* store_world: see the header. */
#include "store_world.h"

#include <dirent.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint8_t world_pk[KW_KEY_LEN], world_sk[64];

static uint8_t body[600], wraps[3 * KW_WRAP_LEN];

static void
sign(void *self, const struct commit *c, uint8_t out[WIRE_COMMIT_LEN])
{
	(void)self;
	commit_encode(out, c, world_sk);
}

struct store_signer
world_signer(void)
{
	uint8_t seed[32] = {9};

	assert_true(sodium_init() >= 0);
	crypto_sign_seed_keypair(world_pk, world_sk, seed);
	return (struct store_signer){NULL, sign};
}

/* ---- what open tells ---- */

static void
on_state(void *self, uint32_t log_epoch, const uint64_t *start, const uint64_t *tail, bool has_commit, const uint8_t *commit)
{
	struct heard *h = self;

	(void)start;
	h->log_epoch = log_epoch;
	memcpy(h->tail, tail, sizeof h->tail);
	h->has_commit = has_commit;
	memcpy(h->commit, commit, WIRE_COMMIT_LEN);
}

static void
on_epoch(void *self, uint32_t log_epoch, const uint64_t *start)
{
	struct heard *h = self;

	assert_true(h->epochs < 32);
	h->epoch[h->epochs] = log_epoch;
	memcpy(h->start[h->epochs++], start, sizeof h->start[0]);
}

static enum kw_err
on_agreement(void *self, uint32_t version, struct span text, struct span sigs, const uint64_t before[KW_LANES], struct kw_why *why)
{
	struct heard *h = self;

	if (h->refuse_agreement != KW_OK)
		return kw_refuse(why, h->refuse_agreement, "version %u is not liked", version);
	assert_true(h->agreements < 64 && text.len < 64 && sigs.len < 64);
	h->version[h->agreements] = version;
	memcpy(h->before[h->agreements], before, sizeof h->before[0]);
	memcpy(h->text[h->agreements], text.p, text.len);
	memcpy(h->sigs[h->agreements++], sigs.p, sigs.len);
	return KW_OK;
}

static enum kw_err
on_node(void *self, node_no node, const char *id)
{
	struct heard *h = self;

	assert_true(node.v == h->nodes && node.v < 64);
	strcpy(h->node[h->nodes++], id);
	return KW_OK;
}

static enum kw_err
on_set(void *self, set_no set, const node_no *nodes, uint32_t count)
{
	struct heard *h = self;

	assert_true(set.v == h->sets && set.v < 64);
	h->set_size[h->sets] = count;
	h->set_last[h->sets++] = count > 0 ? nodes[count - 1].v : UINT32_MAX;
	return KW_OK;
}

static void
on_cursor(void *self, node_no node, enum lane lane, struct lane_cursor cursor)
{
	((struct heard *)self)->cursor[node.v][lane] = cursor;
}

static void
on_last(void *self, node_no node, const uint8_t *id)
{
	((struct heard *)self)->has_last[node.v] = true;
	memcpy(((struct heard *)self)->last[node.v], id, KW_ID_LEN);
}

static enum kw_err
on_subscribe(void *self, node_no node, uint32_t count, const char *const *filters)
{
	struct heard *h = self;

	h->subs++;
	h->filters[node.v] = count;
	if (count > 0)
		strcpy(h->filter[node.v], filters[count - 1]);
	return KW_OK;
}

static void
on_swept(void *self, enum lane lane, set_no set, uint64_t upto)
{
	((struct heard *)self)->swept[lane][set.v] = upto;
}

static void
on_folded(void *self, const uint64_t upto[KW_LANES])
{
	memcpy(((struct heard *)self)->folded, upto, KW_LANES * sizeof *upto);
}

static enum kw_err
on_case(void *self, const uint8_t id[KW_ID_LEN], struct span bytes, struct kw_why *why)
{
	struct heard *h = self;

	(void)why;
	assert_true(h->cases < 64);
	memcpy(h->case_id[h->cases], id, KW_ID_LEN);
	h->case_len[h->cases] = bytes.len;
	h->case_first[h->cases++] = bytes.p[0];
	return KW_OK;
}

static enum kw_err
on_suspension(void *self, node_no node, struct span bytes, struct kw_why *why)
{
	struct heard *h = self;

	(void)why;
	assert_true(h->suspensions < sizeof h->suspension / sizeof h->suspension[0]);
	h->suspension[h->suspensions].node = node.v;
	h->suspension[h->suspensions].len = bytes.len;
	h->suspension[h->suspensions++].first = bytes.p[0];
	return KW_OK;
}

/* ---- the store ---- */

enum kw_err
world_open(struct world *w)
{
	enum kw_err refuse = w->heard.refuse_agreement;
	struct store_load load = {.self = &w->heard, .state = on_state, .epoch = on_epoch, .agreement = on_agreement, .node = on_node, .set = on_set,
	                          .cursor = on_cursor, .last_stored = on_last, .subscribe = on_subscribe, .swept = on_swept,
	                          .folded = on_folded, .one_case = on_case, .suspension = on_suspension};
	struct store_lmdb_config config = {.path = w->path, .partnership = w->partnership, .quota_bytes = w->quota,
	                                   .force_filesystem = w->force_filesystem, .journal_bytes = w->journal_bytes, .apply_after_ms = w->apply_after_ms,
	                                   .signer = world_signer()};

	memset(&w->heard, 0, sizeof w->heard);
	w->heard.refuse_agreement = refuse;
	memset(&w->why, 0, sizeof w->why);
	if (w->on_disk)
		return store_lmdb_open(&w->s, &config, &load, &w->why);
	return store_memory_open(&w->s, world_signer(), w->quota);
}

struct world *
world_make(bool on_disk)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	w->on_disk = on_disk;
	w->partnership = "musterstadt";
	w->now = WORLD_NOW;
	w->log_epoch = 1;
	strcpy(w->path, "/tmp/kw-store-XXXXXX");
	assert_non_null(mkdtemp(w->path));
	if (world_open(w) != KW_OK)
		fail_msg("%s", w->why.text);
	return w;
}

void
world_close(struct world *w)
{
	if (w->s != NULL)
		w->s->ops->close(w->s);
	w->s = NULL;
}

static void
remove_all(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char inner[512];

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
		if (unlink(inner) != 0)
			remove_all(inner);
	}
	if (d != NULL)
		(void)closedir(d);
	(void)rmdir(path);
}

void
world_free(struct world *w)
{
	world_close(w);
	remove_all(w->path);
	free(w);
}

void
world_file(const struct world *w, const char *name, char out[128])
{
	(void)snprintf(out, 128, "%s/%s", w->path, name);
}

struct store_op *
world_op(struct world *w, enum op_kind kind)
{
	struct store_op *op;

	if (w->b.ops != w->ops)
		w->b = (struct store_batch){.ops = w->ops};
	assert_true(w->b.count < WORLD_OPS);
	op = &w->ops[w->b.count++];
	*op = (struct store_op){.kind = kind, .tag = w->b.count};
	return op;
}

struct store_op *
world_append(struct world *w, enum lane lane, uint32_t set, uint32_t sender, uint32_t n)
{
	struct store_op *op = world_op(w, OP_APPEND);
	struct op_append *a = &op->append;
	uint8_t *own = w->bytes[w->b.count - 1];

	for (size_t i = 0; i < sizeof body && body[1] == 0; i++)
		body[i] = (uint8_t)(i * 7);
	memset(wraps, 0x5A, sizeof wraps);
	memset(own, (int)(n & 0xFF), 96);
	be32_put(own, n);
	*a = (struct op_append){.lane = lane, .set = {set}, .sender = {sender}, .sender_id = sender == BROKERS ? "broker" : "police/control-room"};
	be32_put(a->id, n);
	a->id[15] = 1;
	be32_put(a->frame_hash, n);
	a->frame_hash[31] = 2;
	a->entry = sender == BROKERS;
	if (a->entry)
		memset(a->id, 0, KW_ID_LEN);
	a->expires_ms = w->now + 3600000;
	a->body_until_ms = w->now + 1800000;
	a->proof_until_ms = w->now + 7 * 24 * 3600000ull;
	a->head = span_of(own, 64 + n % 32);
	if (!a->entry) {
		a->body = span_of(body, 300 + n % 300);
		a->wraps = span_of(wraps, 2 * KW_WRAP_LEN);
	}
	return op;
}

bool
world_whole(const struct store_entry *e, uint32_t n)
{
	if (e->head.len != 64 + n % 32 || be32_get(e->head.p) != n)
		return false;
	return e->entry || (span_eq(e->body, span_of(body, 300 + n % 300)) && span_eq(e->wraps, span_of(wraps, 2 * KW_WRAP_LEN)));
}

enum kw_err
world_commit(struct world *w)
{
	enum kw_err err;
	struct store_op *ops = w->b.ops;

	w->b.now_ms = w->now;
	w->b.waits = !w->hurry;
	memset(&w->why, 0, sizeof w->why);
	err = w->s->ops->commit(w->s, &w->b, &w->why);
	assert_ptr_equal(ops, w->ops);
	w->b.ops = NULL;
	return err;
}

void
world_must_commit(struct world *w)
{
	if (world_commit(w) != KW_OK)
		fail_msg("%s", w->why.text);
}

void
world_settle(struct world *w)
{
	if (w->b.ops == w->ops)
		world_must_commit(w);
	world_op(w, OP_PURGE); /* at most nothing; a batch of retention alone is answered when it is done */
	world_must_commit(w);
}

uint32_t
world_read(struct world *w, enum lane lane, const uint32_t *sets, uint32_t set_count, uint64_t after, uint32_t max, uint64_t *out)
{
	struct store_entry *found = calloc(max, sizeof *found);
	set_no nos[64];
	uint32_t count;
	uint64_t tail;

	assert_true(set_count <= 64);
	for (uint32_t i = 0; i < set_count; i++)
		nos[i].v = sets[i];
	if (w->s->ops->read(w->s, lane, nos, set_count, after, found, max, UINT64_MAX, &count, &tail, &w->why) != KW_OK)
		fail_msg("%s", w->why.text);
	for (uint32_t i = 0; i < count; i++)
		out[i] = found[i].at.number;
	w->s->ops->read_done(w->s);
	free(found);
	return count;
}
