/* core_world: see its header. */
#include "core_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the agreement's questions ---- */

void
fake_agreement(struct agreement *a, uint32_t version, uint32_t count, const char *const *ids)
{
	memset(a, 0, sizeof *a);
	a->version = version;
	a->hash[0] = (uint8_t)version;
	a->count = count;
	strcpy(a->broker.name, "haus");
	a->topic = (struct agreement_topic){.filter = "#", .keep_content_ms = 14ull * 86400000, .keep_proof_ms = 730ull * 86400000};
	for (uint32_t i = 0; i < count; i++) {
		a->id[i] = ids[i];
		memcpy(a->key[i].curve_pk, ids[i], strlen(ids[i]) < KW_KEY_LEN ? strlen(ids[i]) : KW_KEY_LEN);
	}
}

uint32_t agreement_version(const struct agreement *a) { return a->version; }
const uint8_t *agreement_hash(const struct agreement *a) { return a->hash; }
uint32_t agreement_node_count(const struct agreement *a) { return a->count; }
const char *agreement_node_id(const struct agreement *a, uint32_t node) { return a->id[node]; }
const struct public_key *agreement_node_key(const struct agreement *a, uint32_t node) { return &a->key[node]; }
const struct public_key *agreement_broker(const struct agreement *a) { return &a->broker; }

uint32_t
agreement_node(const struct agreement *a, const char *id)
{
	for (uint32_t i = 0; i < a->count; i++)
		if (strcmp(a->id[i], id) == 0)
			return i;
	return AGREEMENT_NOBODY;
}

const struct agreement_topic *
agreement_topic(const struct agreement *a, const char *topic)
{
	return strcmp(topic, "nowhere") == 0 ? NULL : &a->topic;
}

bool
agreement_is_responsible(const struct agreement *a, const char *topic, uint32_t node)
{
	(void)topic;
	(void)node;
	return a->topic.has_responsible;
}

enum kw_err
agreement_may_send(uint32_t *nodes, uint32_t *count, const struct agreement *a, const struct header *h, uint32_t sender,
                   uint64_t now_ms, struct kw_why *why)
{
	(void)now_ms;
	if (strcmp(h->topic, "denied") == 0 || strcmp(h->topic, "nowhere") == 0)
		return kw_refuse(why, KW_EDENIED, "nobody may send on %s", h->topic);
	if (memcmp(h->agreement_hash, a->hash, KW_HASH_LEN) != 0)
		return kw_refuse(why, KW_ENOTFOUND, "another text of version %u", a->version);
	*count = 0;
	for (uint32_t i = 0; i < a->count; i++) {
		bool named = h->to_count == 0;

		for (uint32_t k = 0; k < h->to_count; k++)
			named = named || strcmp(h->to[k], a->id[i]) == 0;
		if (i != sender && named)
			nodes[(*count)++] = i;
	}
	return *count > 0 ? KW_OK : kw_refuse(why, KW_EDENIED, "nobody reads it");
}

/* ---- blobs ---- */

struct test_blob { struct blob b; struct world *w; char topic[KW_TOPIC_MAX + 1]; uint8_t bytes[]; };

static void
gone(struct blob *b)
{
	struct test_blob *t = (struct test_blob *)(void *)b;

	t->w->blobs_alive--;
	free(t);
}

static struct blob *
blob_make(struct world *w, uint32_t head, uint32_t body, uint32_t wraps, const char *topic)
{
	struct test_blob *t = calloc(1, sizeof *t + head + body + wraps);

	assert_non_null(t);
	t->b = (struct blob){.refs = 1, .gone = gone, .head = span_of(t->bytes, head), .body = span_of(t->bytes + head, body),
	                     .wraps = t->bytes + head + body, .wraps_len = wraps};
	if (topic != NULL) {
		strcpy(t->topic, topic);
		t->b.topic = t->topic;
	}
	t->w = w;
	w->blobs_alive++;
	return &t->b;
}

/* ---- the world ---- */

void
world_begin(struct world *w, uint32_t nodes, const char *const *ids)
{
	world_begin_with(w, nodes, ids, &core_limits_default);
}

void
world_begin_with(struct world *w, uint32_t nodes, const char *const *ids, const struct core_limits *limits)
{
	memset(w, 0, sizeof *w);
	w->limits = *limits;
	w->limits.conns_max = 64;
	w->now = (struct core_time){1000000, 1800000000000ull};
	w->log = calloc(200000, sizeof *w->log);
	w->log_epoch = 1;
	assert_non_null(w->log);
	fake_agreement(&w->agreement, 1, nodes, ids);
	assert_int_equal(core_new(&w->core, &w->limits), KW_OK);
	assert_int_equal(core_start(w->core, NULL, w->now), KW_OK);
	struct core_install i = world_install(w, &w->agreement);

	assert_int_equal(core_install(w->core, &i, w->now, NULL), KW_OK);
	for (int lane = 0; lane < KW_LANES; lane++)
		blob_unref(&i.entries[lane]);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_INSTALLED, CORE_NO_CONN), 1);
	world_forget(w);
}

void
world_end(struct world *w)
{
	world_forget(w);
	core_free(&w->core);
	for (uint32_t i = 0; i < w->log_count; i++)
		blob_unref(&w->log[i].blob);
	free(w->log);
	assert_int_equal(w->blobs_alive, 0);
}

static void
keep(struct world *w, const struct core_effect *e)
{
	assert_true(w->said_count < WORLD_SAID);
	w->said[w->said_count] = *e;
	if (e->kind == EFFECT_REFUSED)
		strncpy(w->text[w->said_count], e->refused.text, 199);
	if (e->kind == EFFECT_DELIVER)
		blob_unref(&w->said[w->said_count].deliver.blob);
	w->said_count++;
}

void
world_drain(struct world *w)
{
	struct core_effect e;

	while (core_next(w->core, &e))
		keep(w, &e);
}

static struct world_entry *
known(struct world *w, const struct op_append *a)
{
	for (uint32_t i = 0; i < w->log_count; i++)
		if (w->log[i].op.sender.v == a->sender.v && memcmp(w->log[i].op.id, a->id, KW_ID_LEN) == 0)
			return &w->log[i];
	return NULL;
}

static void
append(struct world *w, struct store_op *op, uint32_t *index)
{
	struct op_append *a = &op->append;
	struct world_entry *before = a->entry || w->log_count > 5000 ? NULL : known(w, a), *e;

	if (before != NULL) {
		op->result = memcmp(before->op.frame_hash, a->frame_hash, KW_HASH_LEN) == 0 ? APPEND_DUPLICATE : APPEND_CONFLICT;
		op->at = before->at;
		op->commit = before->commit;
		op->index = before->index;
		return;
	}
	e = &w->log[w->log_count++];
	e->op = *a;
	e->blob = blob_make(w, (uint32_t)a->head.len, (uint32_t)a->body.len, (uint32_t)a->wraps.len, NULL);
	if (a->head.len > 0)
		memcpy((uint8_t *)(uintptr_t)e->blob->head.p, a->head.p, a->head.len);
	if (a->wraps.len > 0)
		memcpy(e->blob->wraps, a->wraps.p, a->wraps.len);
	op->result = APPEND_STORED;
	op->at = e->at = (struct position){w->log_epoch, a->lane, ++w->tail[a->lane]};
	op->commit = e->commit = w->commits + 1;
	op->index = e->index = (*index)++;
}

static void
do_batch(struct world *w, struct store_batch *b)
{
	uint32_t index = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		struct store_op *op = &b->ops[i];

		switch (op->kind) {
		case OP_APPEND: append(w, op, &index); break;
		case OP_CURSOR:
			if (op->cursor.cursor.number > w->cursor[op->cursor.node.v][op->cursor.lane])
				w->cursor[op->cursor.node.v][op->cursor.lane] = op->cursor.cursor.number;
			break;
		case OP_AGREEMENT: w->agreements++; break;
		case OP_EVIDENCE: w->evidence++; break;
		case OP_LOG_EPOCH: w->log_epoch = op->log_epoch.epoch; w->epochs++; break;
		case OP_SUBSCRIBE: w->subscribes++; break;
		case OP_PURGE: w->purges++; op->done = 0; break;
		case OP_SWEEP: w->sweeps++; w->swept_upto = op->sweep.upto; op->done = 1; op->at.number = op->sweep.upto; break;
		case OP_NODE:
		case OP_SET: break;
		}
	}
	b->has_commit = index > 0;
	if (index > 0) {
		w->commits++;
		memset(b->commit, 0, sizeof b->commit);
		be64_put(b->commit + 4, w->commits);
	}
}

bool
world_commit(struct world *w)
{
	return world_commit_then(w, 0);
}

bool
world_commit_then(struct world *w, uint32_t deliveries)
{
	struct store_batch *b = core_batch(w->core, w->now);
	enum kw_err err = w->fail_next;

	if (b == NULL)
		return false;
	w->batches++;
	w->fail_next = KW_OK;
	if (err == KW_OK)
		do_batch(w, b);
	(void)world_deliver(w, deliveries);
	core_committed(w->core, b, err, w->now);
	world_drain(w);
	return true;
}

static void
answer_read(struct world *w, const struct core_effect *e)
{
	struct core_read_entry page[256];
	struct store_entry found[256];
	uint32_t n = 0;
	bool more = false;

	for (uint32_t i = 0; i < w->log_count; i++) {
		struct world_entry *x = &w->log[i];
		uint32_t place;
		bool in = false;

		if (x->op.lane != e->read.lane || x->at.number <= e->read.after)
			continue;
		for (uint32_t k = 0; k < e->read.set_count; k++)
			in = in || e->read.sets[k].v == x->op.set.v;
		if (!in)
			continue;
		if (n == e->read.max_entries) {
			more = true;
			break;
		}
		found[n] = (struct store_entry){.at = x->at, .set = x->op.set, .commit = x->commit, .entry = x->op.entry,
			.receipt = x->op.receipt, .expires_ms = x->op.expires_ms, .head = x->blob->head, .body = x->blob->body};
		page[n].entry = &found[n];
		place = core_wrap_place(w->core, e->conn, x->op.set);
		page[n].blob = blob_make(w, (uint32_t)x->blob->head.len, (uint32_t)x->blob->body.len,
		                         !x->op.entry && place != CORE_NO_CONN ? KW_WRAP_LEN : 0, NULL);
		page[n].blob->expires_ms = x->op.expires_ms;
		page[n].blob->receipt = x->op.receipt;
		page[n].blob->entry = x->op.entry;
		n++;
	}
	w->reads++;
	w->read_entries += n;
	core_read(w->core, e->conn, e->read.generation, e->read.lane, page, n, !more, w->tail[e->read.lane], w->now);
}

uint32_t
world_deliver(struct world *w, uint32_t max)
{
	struct core_effect e;
	uint32_t n = 0;

	for (; n < max && core_deliver(w->core, &e, w->now); n++) {
		if (e.kind == EFFECT_READ)
			answer_read(w, &e);
		else
			keep(w, &e);
	}
	return n;
}

void
world_settle(struct world *w)
{
	bool more = true;

	world_drain(w);
	while (more) {
		more = world_commit(w);
		more = world_deliver(w, UINT32_MAX) > 0 || more;
		world_drain(w);
	}
}

void
world_pass(struct world *w, uint64_t ms)
{
	uint64_t end = w->now.mono_ms + ms;

	while (w->now.mono_ms < end) {
		uint64_t wake = core_wake_ms(w->core), step;

		if (wake <= w->now.mono_ms)
			wake = w->now.mono_ms + 1;
		step = (wake < end ? wake : end) - w->now.mono_ms;
		w->now.mono_ms += step;
		w->now.wall_ms += step;
		core_tick(w->core, w->now);
		world_settle(w);
	}
}

struct wire_hello
world_plain_hello(void)
{
	struct wire_hello h;

	memset(&h, 0, sizeof h);
	h.protocol = 1;
	strcpy(h.software, "test 1");
	h.agreement_version = 1;
	for (int i = 0; i < KW_LANES; i++)
		h.window[i] = (struct lane_window){1000, 1u << 20};
	return h;
}

void
world_hello_as(struct world *w, uint32_t conn, uint32_t node, const struct wire_hello *h, enum core_seen seen)
{
	(void)core_heard(w->core, conn, w->now);
	core_hello(w->core, conn, node, h, seen, w->now);
	world_drain(w);
}

void
world_hello(struct world *w, uint32_t conn, uint32_t node)
{
	struct wire_hello h = world_plain_hello();

	world_hello_as(w, conn, node, &h, SEEN_NONE);
}

void
world_header(struct world *w, struct header *h, uint32_t node)
{
	const struct agreement *a = core_agreement(w->core);

	memset(h, 0, sizeof *h);
	be64_put(h->id + 8, ++w->next_id);
	strcpy(h->partnership, "musterstadt");
	h->mode = MODE_LIVE;
	h->agreement_version = a->version;
	memcpy(h->agreement_hash, a->hash, KW_HASH_LEN);
	strcpy(h->sender, a->id[node]);
	strcpy(h->topic, "alert/flood");
	h->lane = LANE_ROUTINE;
	h->created_ms = w->now.wall_ms;
	h->expires_ms = w->now.wall_ms + 3600000;
	h->type = TYPE_NOTICE;
}

void
world_offer(struct world *w, uint32_t conn, const struct header *h, uint32_t wraps, uint32_t body)
{
	struct blob *b = blob_make(w, 200, body, wraps * KW_WRAP_LEN, h->topic);
	uint8_t hash[KW_HASH_LEN] = {0};
	struct core_publication p = {.header = h, .frame_hash = hash, .blob = b};

	memcpy(hash, h->id, KW_ID_LEN);
	hash[KW_ID_LEN] = (uint8_t)body; /* other bytes, other hash */
	for (uint32_t i = 0; i < wraps; i++)
		memset(b->wraps + i * KW_WRAP_LEN, (int)i, KW_WRAP_LEN);
	(void)core_heard(w->core, conn, w->now);
	core_publish(w->core, conn, &p, w->now);
	blob_unref(&b);
	world_drain(w);
}

uint64_t
world_publish(struct world *w, uint32_t conn, uint32_t node, const struct world_publish *p)
{
	struct header h;

	world_header(w, &h, node);
	h.lane = p->lane;
	if (p->topic != NULL)
		strcpy(h.topic, p->topic);
	world_offer(w, conn, &h, core_agreement(w->core)->count - 1, p->body != 0 ? p->body : 100);
	return w->next_id;
}

void
world_ack(struct world *w, uint32_t conn, enum lane lane, uint64_t number)
{
	struct wire_ack ack;

	memset(&ack, 0, sizeof ack);
	ack.cursor[lane] = (struct lane_cursor){core_log_epoch(w->core), number};
	(void)core_heard(w->core, conn, w->now);
	core_ack(w->core, conn, &ack, w->now);
	world_drain(w);
}

struct core_install
world_install(struct world *w, const struct agreement *next)
{
	struct core_install i = {.next = next, .text = span_str("text"), .sigs = span_str("sigs")};

	for (int lane = 0; lane < KW_LANES; lane++) {
		i.entries[lane] = blob_make(w, 80, 0, 0, NULL);
		i.entries[lane]->entry = true;
		i.entries[lane]->expires_ms = UINT64_MAX;
	}
	return i;
}

void
world_forget(struct world *w)
{
	w->said_count = 0;
}

uint32_t
world_count(const struct world *w, enum effect_kind kind, uint32_t conn)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->said_count; i++)
		n += w->said[i].kind == kind && w->said[i].conn == conn;
	return n;
}

const struct core_effect *
world_find(const struct world *w, enum effect_kind kind, uint32_t conn, uint32_t nth)
{
	for (uint32_t i = 0; i < w->said_count; i++)
		if (w->said[i].kind == kind && w->said[i].conn == conn && nth-- == 0)
			return &w->said[i];
	fail_msg("the core did not say what the test waits for");
	return NULL;
}

bool
world_refused(const struct world *w, uint32_t conn, enum wire_code code)
{
	for (uint32_t i = w->said_count; i-- > 0;)
		if (w->said[i].kind == EFFECT_REFUSED && w->said[i].conn == conn)
			return w->said[i].refused.code == code;
	return false;
}
