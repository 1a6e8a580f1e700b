/*
 * bench_cases: what cases cost the broker, without a network: the core, the store on disk with its syncs, and every statement
 * signed. How many cases a second are asked for, taken and done, each step durable before the next; the memory of an open
 * case; and from the moment a turn is over to the statement that gives the next one its turn, on disk and on its way to all.
 *
 *   bench_cases [FOLDER [OPEN]]     a folder on the disk to be measured (default: a new one in /var/tmp), default 100,000 open cases
 */
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "broker/core/core.h"
#include "broker/store/store_lmdb.h"
#include "certs/keys.h"
#include "proto/entry.h"
#include "proto/payload.h"

#define RUNS 5
#define WINDOW 256u            /* cases under way at once */
#define HEAD_LEN 400u
#define BODY_LEN 400u
#define HOUR 3600000u

enum { POLICE, ORDER, DESK, NODES };
static const char *const ids[NODES] = {"police/control-room", "city/public-order", "city/desk"};

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
	"  - {id: city, kind: city, nodes: [{id: public-order, key: \"%s\"}, {id: desk, key: \"%s\"}]}\n"
	"topics:\n"
	"  - filter: \"request/#\"\n"
	"    schema: request\n"
	"    publish: [\"*\"]\n"
	"    receive: [police, city]\n"
	"    responsible: [{who: city/public-order, take_within: 1h}, {who: police/control-room, take_within: 1h}]\n";

struct bench {
	struct core *core;
	struct store *store;
	struct agreement *agreement;
	struct secret_keys *haus;
	int64_t ahead_ms;            /* of the clocks: time that is not waited for */
	uint64_t next_id;
	uint64_t entries, statements;
};

static void
must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench_cases: %s\n", what);
	exit(1);
}

static struct core_time
now_of(const struct bench *b)
{
	return (struct core_time){clock_mono_ms() + (uint64_t)b->ahead_ms, clock_wall_ms() + (uint64_t)b->ahead_ms};
}

/* ---- what travels ---- */

struct bytes { struct blob b; uint8_t all[]; };

static void
gone(struct blob *b)
{
	free((struct bytes *)(void *)b);
}

static struct blob *
blob_of(uint32_t head, uint32_t body, uint32_t wraps)
{
	struct bytes *s = calloc(1, sizeof *s + head + body + wraps);

	must(s != NULL, "out of memory");
	s->b = (struct blob){.refs = 1, .gone = gone, .head = span_of(s->all, head), .body = span_of(s->all + head, body),
	                     .wraps = s->all + head + body, .wraps_len = wraps};
	return &s->b;
}

static void
state(struct bench *b, const uint8_t id[KW_ID_LEN])
{
	uint8_t bytes[ENTRY_CASE_MAX], hash[KW_HASH_LEN];
	struct broker_entry e;
	struct blob *s;
	size_t len;

	if (!core_statement(b->core, id, &e, now_of(b)))
		return;
	len = entry_case_encode(bytes, &e, secret_keys_sign(b->haus));
	entry_hash(hash, span_of(bytes, len));
	s = blob_of((uint32_t)len, 0, 0);
	memcpy((void *)(uintptr_t)s->head.p, bytes, len);
	s->entry = true;
	core_stated(b->core, &e, s, hash, now_of(b));
	blob_unref(&s);
	b->statements++;
}

static void
effects(struct bench *b)
{
	struct core_effect e;

	while (core_next(b->core, &e)) {
		if (e.kind == EFFECT_STATE)
			state(b, e.state.id);
		if (e.kind == EFFECT_REFUSED)
			must(false, e.refused.text);
	}
}

/* All that is delivered is received and acknowledged at once. */
static void
deliver(struct bench *b)
{
	struct wire_ack ack[NODES] = {0};
	struct core_effect e;

	while (core_deliver(b->core, &e, now_of(b))) {
		must(e.kind == EFFECT_DELIVER, "a reader fell behind");
		ack[e.conn].cursor[e.deliver.at.lane] = (struct lane_cursor){e.deliver.at.log_epoch, e.deliver.at.number};
		blob_unref(&e.deliver.blob);
	}
	for (uint32_t n = 0; n < NODES; n++) {
		(void)core_heard(b->core, n, now_of(b));
		core_ack(b->core, n, &ack[n], now_of(b));
	}
	effects(b);
}

static bool
commit(struct bench *b)
{
	struct store_batch *batch;
	struct kw_why why;
	enum kw_err err;

	core_tick(b->core, now_of(b));
	effects(b);
	batch = core_batch(b->core, now_of(b));
	if (batch == NULL)
		return false;
	err = b->store->ops->commit(b->store, batch, &why);
	must(err == KW_OK, why.text);
	b->entries += batch->leaf_count;
	core_committed(b->core, batch, err, now_of(b));
	effects(b);
	deliver(b);
	return true;
}

static void
offer(struct bench *b, uint32_t node, const struct header *h, uint32_t body)
{
	struct blob *s = blob_of(HEAD_LEN, body, (NODES - 1) * KW_WRAP_LEN);
	uint8_t hash[KW_HASH_LEN] = {0};
	struct core_publication p = {.header = h, .frame_hash = hash, .blob = s};

	memcpy(hash, h->id, KW_ID_LEN);
	(void)core_heard(b->core, node, now_of(b));
	core_publish(b->core, node, &p, now_of(b));
	blob_unref(&s);
	effects(b);
}

static struct header
header_of(struct bench *b, uint32_t node, enum notice_type type)
{
	uint64_t now = now_of(b).wall_ms;
	struct header h = {.mode = MODE_LIVE, .agreement_version = 1, .lane = LANE_URGENT, .type = type, .created_ms = now, .expires_ms = now + 14ull * 24 * HOUR};

	be64_put(h.id + 8, ++b->next_id);
	strcpy(h.partnership, "musterstadt");
	strcpy(h.sender, ids[node]);
	strcpy(h.topic, "request/noise");
	h.payload_type = PAYLOAD_REQUEST;
	memcpy(h.agreement_hash, agreement_hash(b->agreement), KW_HASH_LEN);
	return h;
}

static void
ask(struct bench *b, uint8_t id[KW_ID_LEN])
{
	struct header h = header_of(b, POLICE, TYPE_REQUEST);

	memcpy(id, h.id, KW_ID_LEN);
	offer(b, POLICE, &h, BODY_LEN);
}

static void
move(struct bench *b, enum notice_type type, const uint8_t id[KW_ID_LEN])
{
	struct header h = header_of(b, ORDER, type);

	h.about.set = true;
	h.payload_type = PAYLOAD_RECEIPT;
	memcpy(h.about.id, id, KW_ID_LEN);
	memcpy(h.about.frame_hash, id, KW_ID_LEN);
	memcpy(h.to[0], ids[POLICE], strlen(ids[POLICE]) + 1);
	h.to_count = 1;
	offer(b, ORDER, &h, 0);
}

/* ---- the partnership ---- */

static void
sign(void *self, const struct commit *c, uint8_t out[WIRE_COMMIT_LEN])
{
	commit_encode(out, c, secret_keys_sign(((struct bench *)self)->haus));
}

static struct secret_keys *
key(enum key_kind kind, const char *name)
{
	struct secret_keys *k;
	struct kw_why why;

	must(secret_keys_new(&k, kind, MODE_LIVE, name, &why) == KW_OK, why.text);
	return k;
}

/* Each has everything up to here. */
static void
all_say_hello(struct bench *b)
{
	for (uint32_t n = 0; n < NODES; n++) {
		struct wire_hello h = {.protocol = 1, .software = "bench", .agreement_version = 1};

		for (int lane = 0; lane < KW_LANES; lane++) {
			h.window[lane] = (struct lane_window){1000, 8u << 20};
			h.cursor[lane] = (struct lane_cursor){1, core_tail(b->core, (enum lane)lane)};
		}
		(void)core_heard(b->core, n, now_of(b));
		core_hello(b->core, n, agreement_node(b->agreement, ids[n]), &h, SEEN_NONE, now_of(b));
	}
	effects(b);
}

static void
leap(struct bench *b, int64_t ms)
{
	b->ahead_ms += ms;
	all_say_hello(b); /* who was silent for so long was given up */
}

static void
begin(struct bench *b, const char *path)
{
	struct secret_keys *mayor = key(KEY_STEERING, "mayor"), *node[NODES];
	struct store_lmdb_config config = {.path = path, .partnership = "musterstadt", .signer = {b, sign}};
	const uint64_t start[KW_LANES] = {1, 1, 1}, tail[KW_LANES] = {0};
	uint8_t none[WIRE_COMMIT_LEN] = {0};
	char all[8192];
	struct kw_why why;

	b->haus = key(KEY_BROKER, "haus");
	for (int n = 0; n < NODES; n++)
		node[n] = key(KEY_NODE, ids[n]);
	(void)snprintf(all, sizeof all, text, secret_keys_line(mayor), secret_keys_line(b->haus), secret_keys_line(node[POLICE]),
	               secret_keys_line(node[ORDER]), secret_keys_line(node[DESK]));
	must(agreement_parse(&b->agreement, span_str(all), NULL, &why) == KW_OK, why.text);
	for (int n = 0; n < NODES; n++)
		secret_keys_free(&node[n]);
	secret_keys_free(&mayor);
	must(store_lmdb_open(&b->store, &config, NULL, &why) == KW_OK, why.text);
	must(core_new(&b->core, &core_limits_default) == KW_OK, "out of memory");
	core_load_state(b->core, 1, start, tail, false, none);
	must(core_start(b->core, b->agreement, now_of(b)) == KW_OK, "out of memory");
	all_say_hello(b);
}

static void
end(struct bench *b, const char *folder)
{
	static const char *const names[] = {"data.mdb", "lock.mdb", "lock", "mark"};
	char file[512];

	core_free(&b->core);
	b->store->ops->close(b->store);
	agreement_free(&b->agreement);
	secret_keys_free(&b->haus);
	for (size_t i = 0; folder != NULL && i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(file, sizeof file, "%s/%s", folder, names[i]);
		(void)unlink(file);
	}
	if (folder != NULL)
		(void)rmdir(folder);
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof *v, by_value);
	return v[n / 2];
}

static double
cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* ---- the figures ---- */

/* Asked for, offered, taken, done: six entries, each step committed before the next; so many at once. */
static uint32_t
lives(struct bench *b, uint32_t at_once)
{
	uint8_t id[WINDOW][KW_ID_LEN];

	for (uint32_t i = 0; i < at_once; i++)
		ask(b, id[i]);
	while (commit(b))
		;
	for (uint32_t i = 0; i < at_once; i++)
		move(b, TYPE_TAKEN, id[i]);
	while (commit(b))
		;
	for (uint32_t i = 0; i < at_once; i++)
		move(b, TYPE_DONE, id[i]);
	while (commit(b))
		;
	return at_once;
}

static void
rate(struct bench *b, uint32_t at_once)
{
	double cases[RUNS], entries[RUNS], cpu[RUNS];

	for (int run = 0; run < RUNS; run++) {
		uint64_t from = clock_wall_ns(), ns, entries_from = b->entries;
		double cpu_from = cpu_us();
		uint32_t n = 0;

		do {
			n += lives(b, at_once);
			ns = clock_wall_ns() - from;
		} while (ns < 1000000000ull);
		cases[run] = n * 1e9 / (double)ns;
		entries[run] = (double)(b->entries - entries_from) * 1e9 / (double)ns;
		cpu[run] = (cpu_us() - cpu_from) / n;
	}
	printf("cases asked for, taken and done, %3u at once: %7.0f a second, %7.0f entries a second, %6.1f us of processor each\n", at_once,
	       median(cases, RUNS), median(entries, RUNS), median(cpu, RUNS));
}

/* The store's map of its file is not among it. */
static size_t
memory(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* Opens so many, and looks what each takes. */
static void
open_many(struct bench *b, uint32_t want)
{
	uint8_t id[KW_ID_LEN];
	size_t before;
	uint64_t from;

	while (commit(b))
		;
	before = memory();
	for (uint32_t i = 0; i < want; i++) {
		ask(b, id);
		if (i % WINDOW == WINDOW - 1)
			while (commit(b))
				;
	}
	while (commit(b))
		;
	leap(b, 2000); /* snapshots are written */
	while (commit(b))
		;
	printf("an open case takes %zu bytes of memory, with %u of them\n", (memory() - before) / want, want);
	from = clock_wall_ns();
	for (int i = 0; i < 1000; i++)
		core_tick(b->core, now_of(b));
	printf("while nothing is due a tick with %u open cases takes %.2f us\n", want, (double)(clock_wall_ns() - from) / 1e6);
}

/* Turns that are over at the same moment, until the next one's turn stands on disk and is on its way to all who take part. */
static void
escalate(struct bench *b, uint32_t cases)
{
	double first[RUNS], all[RUNS];

	for (int run = 0; run < RUNS; run++) {
		uint8_t id[KW_ID_LEN];
		uint64_t from, statements;

		for (uint32_t i = 0; i < cases; i++) {
			ask(b, id);
			if (i % WINDOW == WINDOW - 1)
				while (commit(b))
					;
		}
		while (commit(b))
			;
		leap(b, HOUR);
		statements = b->statements;
		from = clock_wall_ns();
		must(commit(b), "nothing was due");
		first[run] = (double)(clock_wall_ns() - from) / 1e6;
		while (b->statements < statements + cases)
			must(commit(b), "too little was due");
		while (commit(b))
			;
		all[run] = (double)(clock_wall_ns() - from) / 1e6;
		for (int more = 0; more < 2; more++) { /* they climb to the coordinator, and lie there */
			leap(b, HOUR);
			while (commit(b))
				;
		}
	}
	printf("from the end of a turn to the next one's, %5u at the same moment: the first %.1f ms, all %.1f ms\n", cases,
	       median(first, RUNS), median(all, RUNS));
}

int
main(int argc, char **argv)
{
	char made[] = "/var/tmp/kurzweg-bench-XXXXXX";
	const char *path = argc > 1 ? argv[1] : mkdtemp(made);
	uint32_t open = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 100000;
	static struct bench b;

	if (path == NULL || open == 0 || sodium_init() < 0)
		return 1;
	begin(&b, path);
	rate(&b, 1);
	rate(&b, 16);
	rate(&b, WINDOW);
	escalate(&b, 1);
	escalate(&b, 1000);
	open_many(&b, open);
	rate(&b, WINDOW);
	end(&b, argc > 1 ? NULL : path);
	return 0;
}
