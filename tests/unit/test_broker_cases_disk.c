/*
 * test_broker_cases_disk: the broker's core on its real store is killed at any moment, again and again. What it had committed of
 * cases is there afterwards with the same owner and the same limit; and snapshots with what the log has behind them give
 * byte for byte what the whole log gives.
 *
 *   KW_ROUNDS=12     kills
 *   KW_SEED=n        what the nodes do; the moments are the clock's
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/clock.h"
#include "broker/core/parts.h"
#include "broker/net/case_entries.h"
#include "broker/store/store_lmdb.h"
#include "proto/seal.h"

enum { POLICE, ORDER, NIGHT, DESK, NODES };
static const char *const ids[NODES] = {"police/control-room", "city/public-order", "city/night", "city/desk"};

static const char text[] =
	"partnership: musterstadt\n"
	"version: 1\n"
	"valid: {from: 2020-01-01T00:00:00+01:00, until: 2099-12-01T00:00:00+01:00}\n"
	"kind: live\n"
	"steering: {threshold: 1, members: [{name: mayor, key: \"%s\"}]}\n"
	"broker: {name: haus, endpoints: [\"tcp://127.0.0.1:7411\"], key: \"%s\"}\n"
	"coordinator: city/desk\n"
	"partners:\n"
	"  - {id: police, kind: police, nodes: [{id: control-room, key: \"%s\"}]}\n"
	"  - {id: city, kind: city, nodes: [{id: public-order, key: \"%s\"}, {id: night, key: \"%s\"}, {id: desk, key: \"%s\"}]}\n"
	"topics:\n"
	"  - filter: \"request/#\"\n"
	"    schema: request\n"
	"    publish: [\"*\"]\n"
	"    receive: [police, city]\n"
	"    responsible: [{who: city/public-order, take_within: 1h}, {who: city/night, take_within: 1s}]\n";

static struct agreement *agreement;
static struct secret_keys *haus;
static char folder[] = "/var/tmp/kurzweg-cases-XXXXXX";

/* ---- one broker: what a start makes of the folder ---- */

struct broker { struct core *core; struct store *store; bool snapshots; };

static void
sign(void *self, const struct commit *c, uint8_t out[WIRE_COMMIT_LEN])
{
	(void)self;
	commit_encode(out, c, secret_keys_sign(haus));
}

static const struct agreement *
version_of(const void *self, uint32_t version)
{
	(void)self;
	return version == 1 ? agreement : NULL;
}

static void
on_state(void *self, uint32_t log_epoch, const uint64_t start[KW_LANES], const uint64_t tail[KW_LANES], bool has_commit, const uint8_t commit[WIRE_COMMIT_LEN])
{
	core_load_state(((struct broker *)self)->core, log_epoch, start, tail, has_commit, commit);
}

static void
on_epoch(void *self, uint32_t log_epoch, const uint64_t start[KW_LANES])
{
	assert_int_equal(core_load_epoch(((struct broker *)self)->core, log_epoch, start), KW_OK);
}

static enum kw_err
on_node(void *self, node_no node, const char *id)
{
	return core_load_node(((struct broker *)self)->core, node, id);
}

static enum kw_err
on_set(void *self, set_no set, const node_no *nodes, uint32_t count)
{
	return core_load_set(((struct broker *)self)->core, set, nodes, count);
}

static void
on_cursor(void *self, node_no node, enum lane lane, struct lane_cursor cursor)
{
	core_load_cursor(((struct broker *)self)->core, node, lane, cursor);
}

static void
on_last_stored(void *self, node_no node, const uint8_t id[KW_ID_LEN])
{
	core_load_last_stored(((struct broker *)self)->core, node, id);
}

static enum kw_err
on_subscribe(void *self, node_no node, uint32_t count, const char *const *filters)
{
	return core_load_subscribe(((struct broker *)self)->core, node, count, filters);
}

static void
on_swept(void *self, enum lane lane, set_no set, uint64_t upto)
{
	core_load_swept(((struct broker *)self)->core, lane, set, upto);
}

static void
on_folded(void *self, const uint64_t upto[KW_LANES])
{
	if (((struct broker *)self)->snapshots)
		core_load_folded(((struct broker *)self)->core, upto);
}

static enum kw_err
on_case(void *self, const uint8_t id[KW_ID_LEN], struct span bytes, struct kw_why *why)
{
	return ((struct broker *)self)->snapshots ? core_load_case(((struct broker *)self)->core, id, bytes, why) : KW_OK;
}

static struct relay_parts
parts_of(const struct broker *b)
{
	return (struct relay_parts){.core = b->core, .store = b->store, .keys = haus};
}

/* snapshots: false folds the whole log. */
static void
broker_start(struct broker *b, bool snapshots)
{
	struct store_lmdb_config config = {.path = folder, .partnership = "musterstadt", .signer = {NULL, sign}};
	struct store_load load = {b, on_state, on_epoch, NULL, on_node, on_set, on_cursor, on_last_stored, on_subscribe, on_swept, on_folded, on_case, NULL};
	struct relay_parts parts;
	struct kw_why why = {""};

	b->snapshots = snapshots;
	assert_int_equal(core_new(&b->core, &core_limits_default), KW_OK);
	core_knows(b->core, (struct core_versions){NULL, version_of});
	if (store_lmdb_open(&b->store, &config, &load, &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_int_equal(core_start(b->core, agreement, relay_now()), KW_OK);
	parts = parts_of(b);
	if (case_entries_replay(&parts, &why) != KW_OK)
		fail_msg("%s", why.text);
}

static void
broker_end(struct broker *b)
{
	core_free(&b->core);
	b->store->ops->close(b->store);
}

/* ---- its life, in a process of its own ---- */

struct life { struct broker b; uint64_t random, reported[KW_LANES]; int out; };

static uint32_t
draw(struct life *l, uint32_t below)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return (uint32_t)(l->random >> 33) % below;
}

struct bytes { struct blob b; uint8_t all[]; };

static void
gone(struct blob *b)
{
	free((struct bytes *)(void *)b);
}

/* A frame that parses; the broker verifies no signature and opens nothing. */
static struct blob *
frame_of(const struct header *h, uint8_t hash[KW_HASH_LEN])
{
	static const char body[] = "what only its readers can open";
	struct buf header = BUF_INIT(KW_HEADER_MAX), whole = BUF_INIT(1u << 16);
	uint8_t junk[32 * 3 + 64];
	struct bytes *s;
	struct frame f;

	assert_int_equal(header_encode(&header, h, NULL), KW_OK);
	buf_put_str(&whole, "KWZ1");
	buf_put_u32(&whole, (uint32_t)buf_span(&header).len);
	buf_put(&whole, buf_span(&header).p, buf_span(&header).len);
	randombytes_buf(junk, sizeof junk);
	buf_put(&whole, junk, sizeof junk);
	buf_put_u32(&whole, sizeof body);
	buf_put(&whole, body, sizeof body);
	s = calloc(1, sizeof *s + buf_span(&whole).len + NODES * KW_WRAP_LEN);
	assert_non_null(s);
	memcpy(s->all, buf_span(&whole).p, buf_span(&whole).len);
	assert_int_equal(frame_parse(&f, span_of(s->all, buf_span(&whole).len), FRAME_WHOLE, NULL), KW_OK);
	seal_frame_hash(hash, &f);
	s->b = (struct blob){.refs = 1, .gone = gone, .head = f.head, .body = f.body, .wraps = s->all + buf_span(&whole).len, .wraps_len = (NODES - 1) * KW_WRAP_LEN};
	buf_free(&header);
	buf_free(&whole);
	return &s->b;
}

static void
effects(struct life *l)
{
	struct relay_parts parts = parts_of(&l->b);
	struct core_effect e;

	while (core_next(l->b.core, &e))
		if (e.kind == EFFECT_STATE)
			case_entries_state(&parts, e.state.id);
}

static void
offer(struct life *l, uint32_t node, const struct header *h)
{
	uint8_t hash[KW_HASH_LEN];
	struct blob *s = frame_of(h, hash);
	struct core_publication p = {.header = h, .frame_hash = hash, .blob = s};

	(void)core_heard(l->b.core, node, relay_now());
	core_publish(l->b.core, node, &p, relay_now());
	blob_unref(&s);
	effects(l);
}

static struct header
header_of(uint32_t node, enum notice_type type)
{
	uint64_t now = clock_wall_ms();
	struct header h = {.mode = MODE_LIVE, .agreement_version = 1, .lane = LANE_URGENT, .type = type, .created_ms = now, .expires_ms = now + 86400000,
	                   .payload_type = type == TYPE_REQUEST ? PAYLOAD_REQUEST : PAYLOAD_RECEIPT};

	randombytes_buf(h.id, sizeof h.id);
	strcpy(h.partnership, "musterstadt");
	strcpy(h.sender, ids[node]);
	strcpy(h.topic, "request/noise");
	h.sender_epoch = 1;
	memcpy(h.agreement_hash, agreement_hash(agreement), KW_HASH_LEN);
	return h;
}

struct pick { struct life *l; uint32_t seen; struct case_rec *r; };

static void
maybe(void *self, struct case_rec *r)
{
	struct pick *p = self;

	if (draw(p->l, ++p->seen) == 0)
		p->r = r;
}

static void
somebody_does_something(struct life *l)
{
	static const enum notice_type kinds[] = {TYPE_TAKEN, TYPE_TAKEN, TYPE_HANDED_OVER, TYPE_RETURNED, TYPE_DECLINED, TYPE_DONE, TYPE_REOPENED, TYPE_RECALL};
	struct pick p = {l, 0, NULL};
	uint32_t node = draw(l, NODES);
	struct header h;

	book_each(&l->b.core->book, maybe, &p);
	if (p.r == NULL || draw(l, 6) == 0) {
		h = header_of(POLICE, TYPE_REQUEST);
		offer(l, POLICE, &h);
		return;
	}
	if (draw(l, 2) == 0 && p.r->k.state == CASE_TAKEN)
		node = agreement_node(agreement, l->b.core->audience.nodes[p.r->k.next != CASE_NOBODY ? p.r->k.next : p.r->k.owner]->id);
	for (uint32_t n = 0; n < NODES; n++) /* from a number of the agreement to one of here */
		if (strcmp(agreement_node_id(agreement, node), ids[n]) == 0) {
			node = n;
			break;
		}
	h = header_of(node, kinds[draw(l, draw(l, 4) == 0 ? 8 : 5)]);
	h.about.set = true;
	memcpy(h.about.id, p.r->k.id, KW_ID_LEN);
	memcpy(h.about.frame_hash, p.r->k.frame_hash, KW_HASH_LEN);
	strcpy(h.to[h.to_count++], ids[node == POLICE ? ORDER : POLICE]);
	if (h.type == TYPE_HANDED_OVER)
		strcpy(h.next_owner, ids[draw(l, NODES)]);
	offer(l, node, &h);
}

static void
report(void *self, struct case_rec *r)
{
	struct life *l = self;

	if (r->k.upto > l->reported[r->k.lane])
		MUST(write(l->out, &r->k, sizeof r->k) == (ssize_t)sizeof r->k); /* below PIPE_BUF: whole or not at all */
}

/* Committed means synced: from here on a kill must not take it away. */
static bool
commit(struct life *l)
{
	struct core *c = l->b.core;
	struct store_batch *batch;
	struct kw_why why;
	enum kw_err err;

	core_tick(c, relay_now());
	effects(l);
	batch = core_batch(c, relay_now());
	if (batch == NULL)
		return false;
	err = l->b.store->ops->commit(l->b.store, batch, &why);
	MUST(err == KW_OK);
	core_committed(c, batch, err, relay_now());
	effects(l);
	book_each(&c->book, report, l);
	for (int lane = 0; lane < KW_LANES; lane++)
		l->reported[lane] = core_tail(c, (enum lane)lane);
	return true;
}

/* Nobody listens to what is delivered: nodes say hello anew with all that there is. */
static void
hello(struct life *l)
{
	for (uint32_t n = 0; n < NODES; n++) {
		struct wire_hello h = {.protocol = 1, .software = "test", .agreement_version = 1};

		for (int lane = 0; lane < KW_LANES; lane++)
			h.cursor[lane] = (struct lane_cursor){core_log_epoch(l->b.core), core_tail(l->b.core, (enum lane)lane)};
		(void)core_heard(l->b.core, n, relay_now());
		core_hello(l->b.core, n, agreement_node(agreement, ids[n]), &h, SEEN_NONE, relay_now());
	}
	effects(l);
}

static void
live(uint64_t seed, int out)
{
	struct life l = {.random = seed * 0x9E3779B97F4A7C15u + 1, .out = out};

	broker_start(&l.b, true);
	for (int lane = 0; lane < KW_LANES; lane++)
		l.reported[lane] = core_tail(l.b.core, (enum lane)lane);
	for (;;) {
		hello(&l);
		for (uint32_t i = draw(&l, 6); i > 0; i--)
			somebody_does_something(&l);
		(void)commit(&l);
	}
}

/* ---- what is left ---- */

#define CASES_MAX 20000u
#define MORE_ROUNDS 8u
struct known { struct kw_case k; };
static struct known *told; /* the newest that the broker told of each case before it was killed */
static uint32_t told_count;

static struct kw_case *
told_of(const uint8_t id[KW_ID_LEN])
{
	for (uint32_t i = 0; i < told_count; i++)
		if (memcmp(told[i].k.id, id, KW_ID_LEN) == 0)
			return &told[i].k;
	return NULL;
}

static void
hear(const struct kw_case *k)
{
	struct kw_case *before = told_of(k->id);

	if (before == NULL) {
		assert_true(told_count < CASES_MAX);
		before = &told[told_count++].k;
	}
	*before = *k;
}

static void
run_and_kill(uint64_t seed, uint32_t after_ms)
{
	uint64_t end = clock_mono_ms() + after_ms, give_up = clock_mono_ms() + 60000;
	struct kw_case k;
	bool heard = false;
	int pipes[2], status;
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)close(pipes[0]);
		live(seed, pipes[1]);
		_exit(1);
	}
	(void)close(pipes[1]);
	while (clock_mono_ms() < end || !heard) { /* it must have said something: a start may take long here */
		struct pollfd p = {.fd = pipes[0], .events = POLLIN};

		assert_true(clock_mono_ms() < give_up);
		if (poll(&p, 1, 10) == 1) {
			assert_int_equal(read(pipes[0], &k, sizeof k), sizeof k);
			hear(&k);
			heard = true;
		}
	}
	assert_int_equal(kill(child, SIGKILL), 0);
	while (read(pipes[0], &k, sizeof k) == (ssize_t)sizeof k)
		hear(&k);
	(void)close(pipes[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

struct comparison { const struct core *other; uint32_t cases; };

static void
same_in_other(void *self, struct case_rec *r)
{
	struct comparison *c = self;
	const struct case_rec *other = book_find(&c->other->book, r->k.id);

	assert_non_null(other);
	assert_memory_equal(&other->k, &r->k, sizeof r->k);
	assert_string_equal(other->topic, r->topic);
	assert_int_equal(other->set, r->set);
	c->cases++;
}

static void
what_was_told_is_there(const struct core *c)
{
	for (uint32_t i = 0; i < told_count; i++) {
		const struct kw_case *before = &told[i].k;
		const struct case_rec *r = book_find(&c->book, before->id);

		assert_non_null(r);
		assert_true(r->k.upto >= before->upto);
		if (r->k.upto == before->upto)
			assert_memory_equal(&r->k, before, sizeof *before);
	}
}

static void
killed_at_any_moment_it_has_the_same_owners_and_limits(void **state)
{
	const char *rounds = getenv("KW_ROUNDS"), *seed = getenv("KW_SEED");
	uint64_t first = seed != NULL ? strtoull(seed, NULL, 10) : 1, count = rounds != NULL ? strtoull(rounds, NULL, 10) : 12;
	uint64_t skipped = 0;

	(void)state;
	/* Snapshots come a second after what they hold: where a sync takes long none may have come, so there are more rounds, each longer. */
	for (uint64_t round = 0; round < count || (skipped == 0 && round < count + MORE_ROUNDS); round++) {
		uint32_t most_ms = round >= count ? 2000 * (uint32_t)(round - count + 1) : round % 3 == 2 ? 3000 : 600;
		struct comparison c = {.cases = 0};
		struct broker with, whole;
		uint32_t cases;

		run_and_kill(first + round, 50 + randombytes_uniform(most_ms));
		broker_start(&with, true);
		what_was_told_is_there(with.core);
		skipped += core_folded(with.core, LANE_URGENT);
		cases = with.core->book.open_count + with.core->book.closed_count;
		with.store->ops->close(with.store); /* one at a time has the folder; the core stays to be compared */
		broker_start(&whole, false);
		c.other = with.core;
		book_each(&whole.core->book, same_in_other, &c);
		assert_int_equal(c.cases, cases);
		core_free(&with.core);
		broker_end(&whole);
	}
	assert_true(skipped > 0); /* snapshots were of use */
	print_message("%u cases told of, %llu kills\n", told_count, (unsigned long long)count);
}

/* ---- the folder, and whose keys ---- */

static struct secret_keys *
key(enum key_kind kind, const char *name)
{
	struct secret_keys *k;

	assert_int_equal(secret_keys_new(&k, kind, MODE_LIVE, name, NULL), KW_OK);
	return k;
}

static int
begin(void **state)
{
	struct secret_keys *mayor, *node[NODES];
	struct kw_why why = {""};
	char all[8192];

	(void)state;
	if (sodium_init() < 0 || mkdtemp(folder) == NULL)
		return -1;
	told = calloc(CASES_MAX, sizeof *told);
	mayor = key(KEY_STEERING, "mayor");
	haus = key(KEY_BROKER, "haus");
	for (int n = 0; n < NODES; n++)
		node[n] = key(KEY_NODE, ids[n]);
	(void)snprintf(all, sizeof all, text, secret_keys_line(mayor), secret_keys_line(haus), secret_keys_line(node[POLICE]), secret_keys_line(node[ORDER]),
	               secret_keys_line(node[NIGHT]), secret_keys_line(node[DESK]));
	if (agreement_parse(&agreement, span_str(all), NULL, &why) != KW_OK)
		fail_msg("%s", why.text);
	for (int n = 0; n < NODES; n++)
		secret_keys_free(&node[n]);
	secret_keys_free(&mayor);
	return told != NULL ? 0 : -1;
}

static int
end(void **state)
{
	static const char *const names[] = {"data.mdb", "lock.mdb", "lock", "mark", "journal"};
	char file[256];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(file, sizeof file, "%s/%s", folder, names[i]);
		(void)unlink(file);
	}
	agreement_free(&agreement);
	secret_keys_free(&haus);
	free(told);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(killed_at_any_moment_it_has_the_same_owners_and_limits)};

	return cmocka_run_group_tests(tests, begin, end);
}
