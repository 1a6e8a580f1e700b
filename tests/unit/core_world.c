/* core_world: see its header. */
#include "core_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
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

const char *agreement_coordinator(const struct agreement *a) { return a->id[a->coordinator]; }

const char *
agreement_node_partner(const struct agreement *a, uint32_t node)
{
	static char partner[2][KW_NODE_MAX + 1];
	static unsigned turn;
	char *out = partner[turn++ % 2];

	(void)snprintf(out, sizeof partner[0], "%.*s", (int)strcspn(a->id[node], "/"), a->id[node]);
	return out;
}

uint32_t
agreement_line(struct agreement_turn turns[AGREEMENT_LINE_MAX], const struct agreement *a, const char *topic, uint64_t at_ms)
{
	uint64_t within = a->take_within_ms != 0 ? a->take_within_ms : 60000;
	uint32_t n = 0;

	(void)topic;
	(void)at_ms;
	for (uint32_t i = 0; i < a->line_count; i++)
		turns[n++] = (struct agreement_turn){.node = a->line[i], .rule = i, .take_within_ms = within};
	turns[n++] = (struct agreement_turn){.node = a->coordinator, .rule = a->line_count, .take_within_ms = within, .last_resort = true};
	return n;
}

uint64_t
agreement_coordinator_within_ms(const struct agreement *a)
{
	return a->take_within_ms != 0 ? a->take_within_ms : 60000;
}

uint64_t
agreement_turn_ms(const struct agreement_topic *topic, const struct agreement_turn *turn, uint32_t take_within_s)
{
	return topic == NULL || take_within_s == 0 || (topic->has_responsible && turn->last_resort) ? turn->take_within_ms : (uint64_t)take_within_s * 1000;
}

uint64_t
agreement_line_ms(const struct agreement *a, const char *topic, uint32_t take_within_s, uint64_t at_ms)
{
	struct agreement_turn turns[AGREEMENT_LINE_MAX];
	uint32_t n = agreement_line(turns, a, topic, at_ms);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += agreement_turn_ms(&a->topic, &turns[i], take_within_s);
	return sum;
}

uint32_t
agreement_line_nodes(uint32_t nodes[AGREEMENT_LINE_MAX], const struct agreement *a, const char *topic)
{
	(void)topic;
	memcpy(nodes, a->line, a->line_count * sizeof *nodes);
	nodes[a->line_count] = a->coordinator;
	return a->line_count + 1;
}

bool
agreement_is_responsible(const struct agreement *a, const char *topic, uint32_t node)
{
	(void)topic;
	(void)node;
	return a->topic.has_responsible;
}

bool
agreement_must_approve(const struct agreement *a, const char *topic, uint32_t node)
{
	(void)topic;
	(void)node;
	return a->topic.has_release;
}

bool
agreement_is_concerned(const struct agreement *a, const char *topic, uint32_t node)
{
	(void)topic;
	return node < a->count;
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

struct test_blob { struct blob b; struct world *w; char topic[KW_TOPIC_MAX + 1]; struct header header; struct broker_entry entry; uint8_t bytes[]; };

static struct test_blob *
blob_at(const uint8_t *head)
{
	return (struct test_blob *)(uintptr_t)(head - offsetof(struct test_blob, bytes));
}


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

static const struct agreement *
known_version(const void *self, uint32_t version)
{
	const struct world *w = self;

	for (uint32_t i = 0; i < w->earlier_count; i++)
		if (w->earlier[i]->version == version)
			return w->earlier[i];
	return version == w->agreement.version ? &w->agreement : NULL;
}

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
	w->log = calloc(WORLD_LOG, sizeof *w->log);
	w->log_epoch = 1;
	assert_non_null(w->log);
	fake_agreement(&w->agreement, 1, nodes, ids);
	assert_int_equal(core_new(&w->core, &w->limits), KW_OK);
	core_knows(w->core, (struct core_versions){w, known_version});
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

/* What the broker would sign: the entry itself lies behind the bytes. */
static void
state(struct world *w, const uint8_t id[KW_ID_LEN])
{
	struct broker_entry e;
	struct blob *b;
	uint8_t hash[KW_HASH_LEN] = {1};

	if (!core_statement(w->core, id, &e, w->now))
		return;
	b = blob_make(w, 150, 0, 0, NULL);
	b->entry = true;
	blob_at(b->head.p)->entry = e;
	core_stated(w->core, &e, b, hash, w->now);
	blob_unref(&b);
}

void
world_drain(struct world *w)
{
	struct core_effect e;

	while (core_next(w->core, &e)) {
		keep(w, &e);
		if (e.kind == EFFECT_STATE)
			state(w, e.state.id);
	}
}

static struct world_entry *
entry_of(struct world *w, node_no sender, const uint8_t id[KW_ID_LEN])
{
	for (uint32_t i = 0; i < w->log_count; i++)
		if (w->log[i].op.sender.v == sender.v && memcmp(w->log[i].op.id, id, KW_ID_LEN) == 0)
			return &w->log[i];
	return NULL;
}

static void
append(struct world *w, struct store_op *op, uint32_t *index)
{
	struct op_append *a = &op->append;
	struct world_entry *before = a->entry || w->log_count > 5000 ? NULL : entry_of(w, a->sender, a->id), *e;

	if (before != NULL) {
		op->result = memcmp(before->op.frame_hash, a->frame_hash, KW_HASH_LEN) == 0 ? APPEND_DUPLICATE : APPEND_CONFLICT;
		op->at = before->at;
		op->commit = before->commit;
		op->index = before->index;
		return;
	}
	op->result = APPEND_ABSENT;
	if (a->if_known)
		return;
	assert_true(w->log_count < WORLD_LOG);
	e = &w->log[w->log_count++];
	e->op = *a;
	e->blob = blob_make(w, (uint32_t)a->head.len, (uint32_t)a->body.len, (uint32_t)a->wraps.len, NULL);
	if (a->head.len >= 150) {
		blob_at(e->blob->head.p)->header = blob_at(a->head.p)->header;
		blob_at(e->blob->head.p)->entry = blob_at(a->head.p)->entry;
	}
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
keep_case(struct world *w, const struct store_op *op)
{
	uint32_t i = 0;

	w->case_writes++;
	while (i < w->kept_count && memcmp(w->kept[i].id, op->one_case.id, KW_ID_LEN) != 0)
		i++;
	assert_true(i < 512 && op->one_case.bytes.len <= sizeof w->kept[i].bytes);
	if (i == w->kept_count)
		w->kept_count++;
	memcpy(w->kept[i].id, op->one_case.id, KW_ID_LEN);
	if (op->one_case.bytes.len > 0)
		memcpy(w->kept[i].bytes, op->one_case.bytes.p, op->one_case.bytes.len);
	w->kept[i].len = op->one_case.bytes.len;
}

static void
new_epoch(struct world *w, uint32_t number)
{
	assert_true(w->epochs < sizeof w->epoch / sizeof w->epoch[0]);
	w->log_epoch = w->epoch[w->epochs].number = number;
	for (int lane = 0; lane < KW_LANES; lane++)
		w->epoch[w->epochs].start[lane] = w->tail[lane] + 1;
	w->epochs++;
}

static void
do_recall(struct world *w, struct store_op *op)
{
	w->recalls++;
	op->done = 0;
	for (uint32_t i = 0; i < w->log_count; i++)
		if (!w->log[i].op.entry && memcmp(w->log[i].op.id, op->recall.id, KW_ID_LEN) == 0 && w->log[i].op.sender.v == op->recall.sender.v) {
			op->done = 1;
			op->at = w->log[i].at;
		}
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
		case OP_LOG_EPOCH: new_epoch(w, op->log_epoch.epoch); break;
		case OP_SUBSCRIBE: w->subscribes++; break;
		case OP_PURGE:
			w->purges++;
			op->done = w->due < op->purge.limit ? w->due : op->purge.limit;
			w->due -= op->done;
			break;
		case OP_SWEEP: w->sweeps++; w->swept_upto = op->sweep.upto; op->done = 1; op->at.number = op->sweep.upto; break;
		case OP_RECALL: do_recall(w, op); break;
		case OP_NODE: strcpy(w->node[w->nodes++], op->node.id); break;
		case OP_SET:
			assert_true(w->sets < 256);
			memcpy(w->set[w->sets].nodes, op->set.nodes, op->set.count * sizeof *op->set.nodes);
			w->set[w->sets++].count = op->set.count;
			break;
		case OP_CASE: keep_case(w, op); break;
		case OP_FOLDED: memcpy(w->folded, op->folded.upto, sizeof w->folded); break;
		case OP_SUSPENSION:
			memcpy(w->suspended[op->suspension.node.v].bytes, op->suspension.bytes.p, op->suspension.bytes.len);
			w->suspended[op->suspension.node.v].len = op->suspension.bytes.len;
			break;
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

static bool
no_room_for(const struct world *w, const struct store_batch *b)
{
	for (uint32_t i = 0; i < b->count && w->full && !w->stuffed; i++)
		if (b->ops[i].kind == OP_APPEND || b->ops[i].kind == OP_EVIDENCE || b->ops[i].kind == OP_AGREEMENT)
			return true;
	return w->stuffed;
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
	assert_true(w->batches < 1000000);
	if (no_room_for(w, b))
		err = KW_EFULL;
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
		world_rests(w);
	}
}

void
world_rests(struct world *w)
{
	unsigned turns = 0;

	do {
		core_tick(w->core, w->now);
		world_settle(w);
		assert_true(++turns < 20);
	} while (core_service(w->core) != SERVICE_LOST && core_wake_ms(w->core) <= w->now.mono_ms);
}

/* ---- a new start ---- */

static void
replay(struct world *w)
{
	for (uint32_t i = 0; i < w->log_count; i++) {
		const struct world_entry *x = &w->log[i];
		const struct test_blob *t = x->blob->head.len >= 150 ? blob_at(x->blob->head.p) : NULL;
		struct core_log_entry e = {.at = x->at, .set = x->op.set, .sender = x->op.sender, .frame_hash = x->op.frame_hash};

		if (t == NULL || x->at.number <= core_folded(w->core, x->op.lane))
			continue;
		if (x->op.entry)
			e.entry = &t->entry;
		else
			e.header = &t->header;
		w->replayed++;
		core_replay(w->core, &e, w->now);
	}
	core_replayed(w->core, w->now);
}

void
world_restart(struct world *w)
{
	uint64_t start[KW_LANES] = {1, 1, 1};
	uint8_t commit[WIRE_COMMIT_LEN] = {0};

	core_free(&w->core);
	assert_int_equal(core_new(&w->core, &w->limits), KW_OK);
	core_knows(w->core, (struct core_versions){w, known_version});
	be64_put(commit + 4, w->commits);
	core_load_state(w->core, w->log_epoch, start, w->tail, w->commits > 0, commit);
	assert_int_equal(core_load_epoch(w->core, 1, start), KW_OK);
	for (uint32_t i = 0; i < w->epochs; i++)
		assert_int_equal(core_load_epoch(w->core, w->epoch[i].number, w->epoch[i].start), KW_OK);
	for (uint32_t i = 0; i < w->nodes; i++)
		assert_int_equal(core_load_node(w->core, (node_no){i}, w->node[i]), KW_OK);
	for (uint32_t i = 0; i < w->sets; i++)
		assert_int_equal(core_load_set(w->core, (set_no){i}, w->set[i].nodes, w->set[i].count), KW_OK);
	core_load_folded(w->core, w->folded);
	for (uint32_t i = 0; i < w->kept_count; i++)
		if (w->kept[i].len > 0)
			assert_int_equal(core_load_case(w->core, w->kept[i].id, span_of(w->kept[i].bytes, w->kept[i].len), NULL), KW_OK);
	for (uint32_t i = 0; i < w->nodes; i++)
		if (w->suspended[i].len > 0)
			assert_int_equal(core_load_suspension(w->core, (node_no){i}, span_of(w->suspended[i].bytes, w->suspended[i].len), NULL), KW_OK);
	assert_int_equal(core_start(w->core, &w->agreement, w->now), KW_OK);
	replay(w);
}

const struct broker_entry *
world_stated(const struct world *w, const uint8_t id[KW_ID_LEN])
{
	for (uint32_t i = w->log_count; i-- > 0;) {
		const struct world_entry *x = &w->log[i];

		if (x->op.entry && x->blob->head.len >= 150 && memcmp(blob_at(x->blob->head.p)->entry.of_case.id, id, KW_ID_LEN) == 0 &&
		    blob_at(x->blob->head.p)->entry.of_case.lane == x->op.lane)
			return &blob_at(x->blob->head.p)->entry;
	}
	return NULL;
}

const struct header *
world_log_header(const struct world_entry *e)
{
	return !e->op.entry && e->blob->head.len >= 150 ? &blob_at(e->blob->head.p)->header : NULL;
}

const struct broker_entry *
world_log_entry(const struct world_entry *e)
{
	return e->op.entry && e->blob->head.len >= 150 ? &blob_at(e->blob->head.p)->entry : NULL;
}

uint32_t
world_entries(const struct world *w, const uint8_t id[KW_ID_LEN], enum lane lane)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->log_count; i++)
		n += w->log[i].op.entry && w->log[i].op.lane == lane && w->log[i].blob->head.len >= 150 &&
		     memcmp(blob_at(w->log[i].blob->head.p)->entry.of_case.id, id, KW_ID_LEN) == 0;
	return n;
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
	struct core_publication p = {.header = h, .round = w->round, .frame_hash = hash, .blob = b};
	const struct world_entry *e;
	struct store_found found;
	node_no sender;

	blob_at(b->head.p)->header = *h;
	memcpy(hash, h->id, KW_ID_LEN);
	hash[KW_ID_LEN] = (uint8_t)body; /* other bytes, other hash */
	for (uint32_t i = 0; i < wraps; i++)
		memset(b->wraps + i * KW_WRAP_LEN, (int)i, KW_WRAP_LEN);
	(void)core_heard(w->core, conn, w->now);
	if (core_asks_known(w->core, conn, h, w->now, &sender) && (e = entry_of(w, sender, h->id)) != NULL) {
		found = (struct store_found){.at = e->at, .commit = e->commit, .index = e->index};
		memcpy(found.frame_hash, e->op.frame_hash, KW_HASH_LEN);
		p.known = &found;
	}
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
