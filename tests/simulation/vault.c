/* vault: a store in memory, and a journal of what made it. */
#include "vault.h"

#include <stdlib.h>
#include <string.h>

#include "broker/store/store_memory.h"

struct journal { struct store_batch batch; uint8_t *bytes; }; /* ops with all that they point to, in one piece */

struct node_kept { node_no no; char id[KW_NODE_MAX + 1]; bool has_last; uint8_t last[KW_ID_LEN]; uint32_t filters; char (*filter)[KW_TOPIC_MAX + 1]; bool subscribed; uint8_t suspended[STORE_SUSPENSION_MAX]; size_t suspended_len; };
struct set_kept { set_no no; uint32_t count; node_no *nodes; };
struct agreement_kept { uint32_t version; uint64_t before[KW_LANES]; struct buf text, sigs; };
struct case_kept { uint8_t id[KW_ID_LEN]; struct buf bytes; };
struct cursor_kept { node_no node; enum lane lane; struct lane_cursor at; };
struct swept_kept { enum lane lane; set_no set; uint64_t upto; };
struct epoch_kept { uint32_t epoch; uint64_t start[KW_LANES]; };

struct vault {
	struct store base;
	struct store *inner;
	struct store_signer signer;
	struct journal *journal;
	uint64_t batches, room;
	struct node_kept *nodes; uint32_t node_count;
	struct set_kept *sets; uint32_t set_count;
	struct agreement_kept *agreements; uint32_t agreement_count;
	struct case_kept *cases; uint32_t case_count;
	struct cursor_kept *cursors; uint32_t cursor_count;
	struct swept_kept *swept; uint32_t swept_count;
	struct epoch_kept *epochs; uint32_t epoch_count;
	uint64_t folded[KW_LANES], tail[KW_LANES];
	bool has_commit;
	uint8_t commit[WIRE_COMMIT_LEN];
	enum kw_err fail;
	bool fail_lands, fail_read, full;
	void (*logged)(void *self, const struct store_batch *b);
	void *logged_self;
};

static struct vault *
vault_of(struct store *s)
{
	return (struct vault *)(void *)s;
}

static void *
grown(void *old, size_t count, size_t each)
{
	void *p = realloc(old, count * each + 1);

	MUST(p != NULL);
	return p;
}

/* ---- the journal ---- */

static size_t
op_size(const struct store_op *op)
{
	switch (op->kind) {
	case OP_APPEND: return op->append.head.len + op->append.body.len + op->append.wraps.len + strlen(op->append.sender_id) + 1;
	case OP_NODE: return strlen(op->node.id) + 1;
	case OP_SET: return (size_t)op->set.count * sizeof(node_no) + 16;
	case OP_SUBSCRIBE: return sizeof(struct wire_subscribe) + (size_t)op->subscribe.filters->filter_count * (KW_TOPIC_MAX + 1) + 32;
	case OP_AGREEMENT: return op->agreement.text.len + op->agreement.sigs.len;
	case OP_EVIDENCE: return op->evidence.bytes.len;
	case OP_CASE: return op->one_case.bytes.len;
	case OP_SUSPENSION: return op->suspension.bytes.len;
	case OP_CURSOR:
	case OP_LOG_EPOCH:
	case OP_PURGE:
	case OP_SWEEP:
	case OP_FOLDED:
	case OP_RECALL: break;
	}
	return 0;
}

static void *
copied(uint8_t **at, const void *p, size_t len)
{
	void *to = *at;

	if (len > 0)
		memcpy(to, p, len);
	*at += len;
	return to;
}

static struct span
copied_span(uint8_t **at, struct span s)
{
	return span_of(copied(at, s.p, s.len), s.len);
}

static void
aligned(uint8_t **at)
{
	*at = (uint8_t *)(((uintptr_t)*at + 15) & ~(uintptr_t)15);
}

static void
op_copy(struct store_op *op, uint8_t **at)
{
	switch (op->kind) {
	case OP_APPEND:
		op->append.head = copied_span(at, op->append.head);
		op->append.body = copied_span(at, op->append.body);
		op->append.wraps = copied_span(at, op->append.wraps);
		op->append.sender_id = copied(at, op->append.sender_id, strlen(op->append.sender_id) + 1);
		break;
	case OP_NODE:
		op->node.id = copied(at, op->node.id, strlen(op->node.id) + 1);
		break;
	case OP_SET:
		aligned(at);
		op->set.nodes = copied(at, op->set.nodes, op->set.count * sizeof(node_no));
		break;
	case OP_SUBSCRIBE: {
		struct wire_subscribe s = *op->subscribe.filters, *to;

		aligned(at);
		to = copied(at, &s, sizeof s);
		to->filters = copied(at, s.filters, (size_t)s.filter_count * (KW_TOPIC_MAX + 1));
		op->subscribe.filters = to;
		break;
	}
	case OP_AGREEMENT:
		op->agreement.text = copied_span(at, op->agreement.text);
		op->agreement.sigs = copied_span(at, op->agreement.sigs);
		break;
	case OP_EVIDENCE:
		op->evidence.bytes = copied_span(at, op->evidence.bytes);
		break;
	case OP_CASE:
		op->one_case.bytes = copied_span(at, op->one_case.bytes);
		break;
	case OP_SUSPENSION:
		op->suspension.bytes = copied_span(at, op->suspension.bytes);
		break;
	case OP_CURSOR:
	case OP_LOG_EPOCH:
	case OP_PURGE:
	case OP_SWEEP:
	case OP_FOLDED:
	case OP_RECALL:
		break;
	}
}

/* A batch that points to nothing of the caller's. */
static struct journal
journal_of(const struct store_batch *b)
{
	size_t size = b->count * sizeof *b->ops;
	struct journal j = {.batch = *b};
	uint8_t *at;

	for (uint32_t i = 0; i < b->count; i++)
		size += op_size(&b->ops[i]);
	j.bytes = at = malloc(size + 64);
	MUST(at != NULL);
	j.batch.ops = copied(&at, b->ops, b->count * sizeof *b->ops);
	for (uint32_t i = 0; i < b->count; i++)
		op_copy(&j.batch.ops[i], &at);
	return j;
}

/* ---- what the store in memory forgets ---- */

static struct node_kept *
node_of(struct vault *d, node_no no)
{
	for (uint32_t i = 0; i < d->node_count; i++)
		if (d->nodes[i].no.v == no.v)
			return &d->nodes[i];
	MUST(!"a node that was never told");
	return NULL;
}

static void
keep_append(struct vault *d, const struct store_op *op)
{
	if (op->result != APPEND_STORED)
		return;
	d->tail[op->at.lane] = op->at.number;
	if (op->append.sender.v == UINT32_MAX)
		return;
	node_of(d, op->append.sender)->has_last = true;
	memcpy(node_of(d, op->append.sender)->last, op->append.id, KW_ID_LEN);
}

static void
keep_cursor(struct vault *d, const struct store_op *op)
{
	for (uint32_t i = 0; i < d->cursor_count; i++) {
		struct cursor_kept *c = &d->cursors[i];

		if (c->node.v != op->cursor.node.v || c->lane != op->cursor.lane)
			continue;
		if (op->cursor.cursor.number > c->at.number)
			c->at = op->cursor.cursor;
		return;
	}
	d->cursors = grown(d->cursors, d->cursor_count + 1, sizeof *d->cursors);
	d->cursors[d->cursor_count++] = (struct cursor_kept){op->cursor.node, op->cursor.lane, op->cursor.cursor};
}

static void
keep_swept(struct vault *d, const struct store_op *op)
{
	for (uint32_t i = 0; i < d->swept_count; i++)
		if (d->swept[i].lane == op->sweep.lane && d->swept[i].set.v == op->sweep.set.v) {
			d->swept[i].upto = op->at.number;
			return;
		}
	d->swept = grown(d->swept, d->swept_count + 1, sizeof *d->swept);
	d->swept[d->swept_count++] = (struct swept_kept){op->sweep.lane, op->sweep.set, op->at.number};
}

static void
keep_subscription(struct vault *d, const struct store_op *op)
{
	struct node_kept *n = node_of(d, op->subscribe.node);
	const struct wire_subscribe *f = op->subscribe.filters;

	free(n->filter);
	n->subscribed = true;
	n->filters = f->filter_count;
	n->filter = grown(NULL, f->filter_count, sizeof *n->filter);
	if (f->filter_count > 0)
		memcpy(n->filter, f->filters, f->filter_count * sizeof *n->filter);
}

static void
keep_bytes(struct buf *b, struct span s)
{
	buf_free(b);
	*b = BUF_INIT(SIZE_MAX);
	buf_put_span(b, s);
	MUST(buf_ok(b));
}

static void
keep_suspension(struct vault *d, const struct store_op *op)
{
	for (uint32_t i = 0; i < d->node_count; i++)
		if (d->nodes[i].no.v == op->suspension.node.v) {
			memcpy(d->nodes[i].suspended, op->suspension.bytes.p, op->suspension.bytes.len);
			d->nodes[i].suspended_len = op->suspension.bytes.len;
		}
}

static void
keep_case(struct vault *d, const struct store_op *op)
{
	uint32_t i = 0;

	while (i < d->case_count && memcmp(d->cases[i].id, op->one_case.id, KW_ID_LEN) != 0)
		i++;
	if (op->one_case.bytes.len == 0) {
		if (i == d->case_count)
			return;
		buf_free(&d->cases[i].bytes);
		d->cases[i] = d->cases[--d->case_count];
		return;
	}
	if (i == d->case_count) {
		d->cases = grown(d->cases, ++d->case_count, sizeof *d->cases);
		d->cases[i] = (struct case_kept){.bytes = BUF_INIT(SIZE_MAX)};
		memcpy(d->cases[i].id, op->one_case.id, KW_ID_LEN);
	}
	keep_bytes(&d->cases[i].bytes, op->one_case.bytes);
}

static void
keep_op(struct vault *d, const struct store_op *op)
{
	switch (op->kind) {
	case OP_APPEND: keep_append(d, op); break;
	case OP_NODE:
		d->nodes = grown(d->nodes, d->node_count + 1, sizeof *d->nodes);
		d->nodes[d->node_count] = (struct node_kept){.no = op->node.node};
		(void)strncpy(d->nodes[d->node_count++].id, op->node.id, KW_NODE_MAX);
		break;
	case OP_SET:
		d->sets = grown(d->sets, d->set_count + 1, sizeof *d->sets);
		d->sets[d->set_count] = (struct set_kept){op->set.set, op->set.count, grown(NULL, op->set.count, sizeof(node_no))};
		memcpy(d->sets[d->set_count++].nodes, op->set.nodes, op->set.count * sizeof(node_no));
		break;
	case OP_CURSOR: keep_cursor(d, op); break;
	case OP_SUBSCRIBE: keep_subscription(d, op); break;
	case OP_AGREEMENT:
		d->agreements = grown(d->agreements, d->agreement_count + 1, sizeof *d->agreements);
		d->agreements[d->agreement_count] = (struct agreement_kept){.version = op->agreement.version};
		memcpy(d->agreements[d->agreement_count].before, d->tail, sizeof d->tail);
		keep_bytes(&d->agreements[d->agreement_count].text, op->agreement.text);
		keep_bytes(&d->agreements[d->agreement_count++].sigs, op->agreement.sigs);
		break;
	case OP_LOG_EPOCH:
		d->epochs = grown(d->epochs, d->epoch_count + 1, sizeof *d->epochs);
		d->epochs[d->epoch_count] = (struct epoch_kept){.epoch = op->log_epoch.epoch};
		for (int i = 0; i < KW_LANES; i++)
			d->epochs[d->epoch_count].start[i] = d->tail[i] + 1;
		d->epoch_count++;
		break;
	case OP_SWEEP: keep_swept(d, op); break;
	case OP_CASE: keep_case(d, op); break;
	case OP_SUSPENSION: keep_suspension(d, op); break;
	case OP_FOLDED: memcpy(d->folded, op->folded.upto, sizeof d->folded); break;
	case OP_EVIDENCE:
	case OP_PURGE:
	case OP_RECALL: break;
	}
}

static enum kw_err
put_down(struct vault *d, struct store_batch *b, struct kw_why *why)
{
	enum kw_err err = d->inner->ops->commit(d->inner, b, why);

	if (err != KW_OK)
		return err;
	for (uint32_t i = 0; i < b->count; i++)
		keep_op(d, &b->ops[i]);
	if (b->has_commit) {
		d->has_commit = true;
		memcpy(d->commit, b->commit, WIRE_COMMIT_LEN);
	}
	return KW_OK;
}

static void
write_journal(struct vault *d, const struct store_batch *b)
{
	if (d->batches == d->room) {
		d->room = d->room * 2 + 64;
		d->journal = grown(d->journal, d->room, sizeof *d->journal);
	}
	d->journal[d->batches++] = journal_of(b);
}

/* ---- a store's operations ---- */

static bool
appends(const struct store_batch *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		if (b->ops[i].kind == OP_APPEND)
			return true;
	return false;
}

static enum kw_err
commit(struct store *s, struct store_batch *b, struct kw_why *why)
{
	struct vault *d = vault_of(s);
	enum kw_err fail = d->fail;

	d->fail = KW_OK;
	if (d->full && appends(b))
		return kw_refuse(why, KW_EFULL, "the pretend disk is full");
	if (fail != KW_OK && !d->fail_lands)
		return kw_refuse(why, fail, "the pretend disk fails as it was told to");
	write_journal(d, b);
	MUST(put_down(d, b, why) == KW_OK);
	if (d->logged != NULL)
		d->logged(d->logged_self, b);
	return fail != KW_OK ? kw_refuse(why, fail, "the pretend disk fails as it was told to, behind the write") : KW_OK;
}

static bool
unreadable(struct vault *d)
{
	bool was = d->fail_read;

	d->fail_read = false;
	return was;
}

static enum kw_err
read_entries(struct store *s, enum lane lane, const set_no *sets, uint32_t set_count, uint64_t after, struct store_entry *out,
             uint32_t max_entries, uint64_t max_bytes, uint32_t *count, uint64_t *tail, struct kw_why *why)
{
	struct vault *d = vault_of(s);

	if (unreadable(d))
		return kw_refuse(why, KW_EIO, "the pretend disk cannot be read");
	return d->inner->ops->read(d->inner, lane, sets, set_count, after, out, max_entries, max_bytes, count, tail, why);
}

static void
read_done(struct store *s)
{
	vault_of(s)->inner->ops->read_done(vault_of(s)->inner);
}

static enum kw_err
heads(struct store *s, enum lane lane, uint64_t after, struct store_entry *out, uint32_t max, uint32_t *count, struct kw_why *why)
{
	return vault_of(s)->inner->ops->heads(vault_of(s)->inner, lane, after, out, max, count, why);
}

static enum kw_err
proof(struct store *s, uint64_t number, uint32_t index, uint8_t record[WIRE_COMMIT_LEN], uint8_t (*path)[KW_HASH_LEN], uint32_t *path_len,
      struct kw_why *why)
{
	return vault_of(s)->inner->ops->proof(vault_of(s)->inner, number, index, record, path, path_len, why);
}

static enum kw_err
find(struct store *s, node_no sender, const uint8_t id[KW_ID_LEN], struct store_found *out, struct kw_why *why)
{
	if (unreadable(vault_of(s)))
		return kw_refuse(why, KW_EIO, "the pretend disk cannot be read");
	return vault_of(s)->inner->ops->find(vault_of(s)->inner, sender, id, out, why);
}

static enum kw_err
hash_of(struct store *s, uint64_t number, uint8_t hash[KW_HASH_LEN])
{
	return vault_of(s)->inner->ops->commit_hash(vault_of(s)->inner, number, hash);
}

static enum kw_err
time_of(struct store *s, uint64_t number, uint64_t *ms)
{
	return vault_of(s)->inner->ops->commit_time(vault_of(s)->inner, number, ms);
}

static void
sizes(struct store *s, struct store_sizes *out)
{
	vault_of(s)->inner->ops->sizes(vault_of(s)->inner, out);
	out->disk_full = vault_of(s)->full;
}

static enum kw_err
scrub(struct store *s, uint32_t most, struct kw_why *why)
{
	return vault_of(s)->inner->ops->scrub(vault_of(s)->inner, most, why);
}

static void
close_nothing(struct store *s)
{
	(void)s;
}

static const struct store_ops ops = {
	.commit = commit, .read = read_entries, .read_done = read_done, .heads = heads, .proof = proof, .find = find,
	.commit_hash = hash_of, .commit_time = time_of, .sizes = sizes, .scrub = scrub, .close = close_nothing,
};

/* ---- the disk ---- */

static void
begin(struct vault *d)
{
	MUST(store_memory_open(&d->inner, d->signer, 0) == KW_OK);
	d->epochs = grown(NULL, 1, sizeof *d->epochs);
	d->epochs[0] = (struct epoch_kept){.epoch = 1, .start = {1, 1, 1}};
	d->epoch_count = 1;
}

struct vault *
vault_new(struct store_signer signer)
{
	struct vault *d = calloc(1, sizeof *d);

	MUST(d != NULL);
	d->base.ops = &ops;
	d->signer = signer;
	begin(d);
	return d;
}

static void
forget(struct vault *d)
{
	d->inner->ops->close(d->inner);
	for (uint32_t i = 0; i < d->node_count; i++)
		free(d->nodes[i].filter);
	for (uint32_t i = 0; i < d->set_count; i++)
		free(d->sets[i].nodes);
	for (uint32_t i = 0; i < d->agreement_count; i++) {
		buf_free(&d->agreements[i].text);
		buf_free(&d->agreements[i].sigs);
	}
	for (uint32_t i = 0; i < d->case_count; i++)
		buf_free(&d->cases[i].bytes);
	free(d->nodes);
	free(d->sets);
	free(d->agreements);
	free(d->cases);
	free(d->cursors);
	free(d->swept);
	free(d->epochs);
}

static void
journal_cut(struct vault *d, uint64_t keep)
{
	while (d->batches > keep)
		free(d->journal[--d->batches].bytes);
}

void
vault_free(struct vault **at)
{
	struct vault *d = *at;

	if (d == NULL)
		return;
	forget(d);
	journal_cut(d, 0);
	free(d->journal);
	free(d);
	*at = NULL;
}

struct store *vault_store(struct vault *d) { return &d->base; }
bool vault_is_new(const struct vault *d) { return d->batches == 0; }
uint64_t vault_batches(const struct vault *d) { return d->batches; }

void
vault_watch(struct vault *d, void (*logged)(void *self, const struct store_batch *b), void *self)
{
	d->logged = logged;
	d->logged_self = self;
}

void
vault_back_to(struct vault *d, uint64_t batches)
{
	struct vault fresh = {.base = d->base, .signer = d->signer, .journal = d->journal, .batches = d->batches, .room = d->room,
	                      .logged = d->logged, .logged_self = d->logged_self};

	forget(d);
	*d = fresh;
	begin(d);
	journal_cut(d, batches);
	for (uint64_t i = 0; i < d->batches; i++) {
		MUST(put_down(d, &d->journal[i].batch, NULL) == KW_OK);
		if (d->logged != NULL)
			d->logged(d->logged_self, &d->journal[i].batch);
	}
}

bool
vault_has(const struct vault *d, const char *sender, const uint8_t id[KW_ID_LEN])
{
	struct store_found found;
	struct kw_why why;

	for (uint32_t i = 0; i < d->node_count; i++)
		if (strcmp(d->nodes[i].id, sender) == 0)
			return d->inner->ops->find(d->inner, d->nodes[i].no, id, &found, &why) == KW_OK;
	return false;
}

void
vault_fail_next(struct vault *d, enum kw_err with, bool lands)
{
	d->fail = with;
	d->fail_lands = lands;
}

void vault_fail_read(struct vault *d) { d->fail_read = true; }
void vault_full(struct vault *d, bool full) { d->full = full; }

static enum kw_err
tell_node(const struct node_kept *n, const struct store_load *load)
{
	return load->node(load->self, n->no, n->id);
}

static enum kw_err
tell_subscription(const struct node_kept *n, const struct store_load *load)
{
	const char *filters[WIRE_FILTERS_MAX];

	for (uint32_t i = 0; i < n->filters; i++)
		filters[i] = n->filter[i];
	return n->subscribed ? load->subscribe(load->self, n->no, n->filters, filters) : KW_OK;
}

/* In store.h's order; what has none of its own goes by its number. */
enum kw_err
vault_tell(struct vault *d, const struct store_load *load, struct kw_why *why)
{
	const struct epoch_kept *e = &d->epochs[d->epoch_count - 1];
	enum kw_err err = KW_OK;

	d->fail = KW_OK;
	d->fail_read = false;
	load->state(load->self, e->epoch, e->start, d->tail, d->has_commit, d->commit);
	for (uint32_t i = 0; i < d->epoch_count; i++)
		load->epoch(load->self, d->epochs[i].epoch, d->epochs[i].start);
	for (uint32_t i = 0; err == KW_OK && i < d->agreement_count; i++)
		err = load->agreement(load->self, d->agreements[i].version, buf_span(&d->agreements[i].text), buf_span(&d->agreements[i].sigs), d->agreements[i].before, why);
	for (uint32_t i = 0; err == KW_OK && i < d->node_count; i++)
		err = tell_node(&d->nodes[i], load);
	for (uint32_t i = 0; err == KW_OK && i < d->set_count; i++)
		err = load->set(load->self, d->sets[i].no, d->sets[i].nodes, d->sets[i].count);
	for (uint32_t i = 0; i < d->cursor_count; i++)
		load->cursor(load->self, d->cursors[i].node, d->cursors[i].lane, d->cursors[i].at);
	for (uint32_t i = 0; i < d->node_count; i++)
		if (d->nodes[i].has_last)
			load->last_stored(load->self, d->nodes[i].no, d->nodes[i].last);
	for (uint32_t i = 0; err == KW_OK && i < d->node_count; i++)
		err = tell_subscription(&d->nodes[i], load);
	for (uint32_t i = 0; i < d->swept_count; i++)
		load->swept(load->self, d->swept[i].lane, d->swept[i].set, d->swept[i].upto);
	load->folded(load->self, d->folded);
	for (uint32_t i = 0; err == KW_OK && i < d->case_count; i++)
		err = load->one_case(load->self, d->cases[i].id, buf_span(&d->cases[i].bytes), why);
	for (uint32_t i = 0; err == KW_OK && i < d->node_count; i++)
		if (d->nodes[i].suspended_len > 0)
			err = load->suspension(load->self, d->nodes[i].no, span_of(d->nodes[i].suspended, d->nodes[i].suspended_len), why);
	return err;
}
