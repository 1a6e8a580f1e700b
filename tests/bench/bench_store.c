/*
 * bench_store: what the store on disk costs by itself. Appends a second, synced, in batches of several sizes; reading back; opening
 * with many entries queued; and 10 entries for one reader among all of them. Medians of several runs, one line each.
 *
 *   bench_store [FOLDER [ENTRIES]]     a folder on the disk to be measured (default: a new one in /var/tmp), default 1,000,000 entries
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "broker/store/store_lmdb.h"

#define HEAD_LEN 400u   /* with the body and one wrap: a sealed frame of 800 bytes */
#define BODY_LEN 400u
#define RUNS 5
#define NOW 1800000000000ull

static uint8_t sk[64], pk[32], head[HEAD_LEN], body[BODY_LEN], wraps[KW_WRAP_LEN];
static struct store_op ops[STORE_BATCH_MAX];
static uint32_t next_id;

static void
sign(void *self, const struct commit *c, uint8_t out[WIRE_COMMIT_LEN])
{
	(void)self;
	commit_encode(out, c, sk);
}

static struct store *
open_store(const char *path)
{
	struct store_lmdb_config config = {.path = path, .partnership = "bench", .signer = {NULL, sign}};
	struct store *s;
	struct kw_why why;

	if (store_lmdb_open(&s, &config, NULL, &why) == KW_OK)
		return s;
	fprintf(stderr, "bench_store: %s\n", why.text);
	exit(1);
}

static void
append(struct store *s, uint32_t count, uint32_t set, enum lane lane)
{
	struct store_batch b = {.ops = ops, .count = count, .now_ms = NOW};
	struct kw_why why;

	for (uint32_t i = 0; i < count; i++) {
		struct op_append *a = &ops[i].append;

		ops[i] = (struct store_op){.kind = OP_APPEND};
		*a = (struct op_append){.lane = lane, .set = {set}, .sender = {next_id % 4}, .sender_id = "police/control-room", .expires_ms = NOW + 86400000 + next_id,
		                        .body_until_ms = NOW + 86400000 + next_id, .proof_until_ms = NOW + 63072000000ull, .head = {head, HEAD_LEN},
		                        .body = {body, BODY_LEN}, .wraps = {wraps, KW_WRAP_LEN}};
		be64_put(a->id, next_id); /* ascending, as UUIDv7 is */
		be32_put(a->frame_hash, next_id++);
	}
	if (s->ops->commit(s, &b, &why) != KW_OK) {
		fprintf(stderr, "bench_store: %s\n", why.text);
		exit(1);
	}
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

static void
appends(struct store *s, uint32_t batch)
{
	double rate[RUNS], cpu[RUNS];

	for (int run = 0; run < RUNS; run++) {
		uint64_t from = clock_wall_ns(), ns;
		double cpu_from = cpu_us();
		uint32_t n = 0;

		do {
			append(s, batch, 1, LANE_ROUTINE);
			n += batch;
			ns = clock_wall_ns() - from;
		} while (ns < 1000000000ull);
		rate[run] = n * 1e9 / (double)ns;
		cpu[run] = (cpu_us() - cpu_from) / n;
	}
	printf("append, batches of %4u: %8.0f a second synced, %5.2f us of processor each\n", batch, median(rate, RUNS), median(cpu, RUNS));
}

static uint64_t
read_all(struct store *s, enum lane lane, uint32_t set, uint64_t *bytes)
{
	static struct store_entry e[256];
	set_no sets[1] = {{set}};
	uint64_t after = 0, tail, all = 0;
	uint32_t count;
	struct kw_why why;

	do {
		if (s->ops->read(s, lane, sets, 1, after, e, 256, UINT64_MAX, &count, &tail, &why) != KW_OK) {
			fprintf(stderr, "bench_store: %s\n", why.text);
			exit(1);
		}
		for (uint32_t i = 0; i < count; i++)
			*bytes += e[i].head.len + e[i].body.len + e[i].wraps.len;
		if (count > 0)
			after = e[count - 1].at.number;
		all += count;
		s->ops->read_done(s);
	} while (count == 256);
	return all;
}

static void
reads(struct store *s)
{
	double rate[RUNS], few[RUNS];
	uint64_t bytes = 0, all = 0, ten = 0;

	for (int run = 0; run < RUNS; run++) {
		uint64_t from = clock_wall_ns();

		all = read_all(s, LANE_ROUTINE, 1, &bytes);
		rate[run] = (double)all * 1e9 / (double)(clock_wall_ns() - from);
		from = clock_wall_ns();
		ten = read_all(s, LANE_ROUTINE, 2, &bytes);
		few[run] = (double)(clock_wall_ns() - from) / 1000;
	}
	printf("read back: %.0f a second of %llu; %llu for one reader among them in %.0f us\n", median(rate, RUNS), (unsigned long long)all,
	       (unsigned long long)ten, median(few, RUNS));
}

static void
opens(const char *path)
{
	double ms[RUNS];

	for (int run = 0; run < RUNS; run++) {
		uint64_t from = clock_wall_ns();
		struct store *s = open_store(path);

		ms[run] = (double)(clock_wall_ns() - from) / 1e6;
		s->ops->close(s);
	}
	printf("open: %.1f ms\n", median(ms, RUNS));
}

int
main(int argc, char **argv)
{
	char made[] = "/var/tmp/kurzweg-bench-XXXXXX", file[64];
	const char *path = argc > 1 ? argv[1] : mkdtemp(made);
	uint32_t want = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000000;
	static const uint32_t batches[] = {1, 64, 256, 1000};
	static const char *const names[] = {"data.mdb", "lock.mdb", "lock", "mark"};
	struct store_sizes sizes;
	struct store *s;

	if (path == NULL || sodium_init() < 0)
		return 1;
	(void)crypto_sign_keypair(pk, sk);
	randombytes_buf(head, sizeof head);
	randombytes_buf(body, sizeof body);
	s = open_store(path);
	for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++)
		appends(s, batches[i]);
	for (uint32_t i = 0; i < 10; i++) {
		append(s, 1, 2, LANE_ROUTINE);
		s->ops->sizes(s, &sizes);
		while (sizes.entries[LANE_ROUTINE] < want / 10 * (i + 1)) {
			append(s, STORE_BATCH_MAX, 1, LANE_ROUTINE);
			s->ops->sizes(s, &sizes);
		}
	}
	printf("%llu entries take %llu MiB\n", (unsigned long long)sizes.entries[LANE_ROUTINE], (unsigned long long)(sizes.used_bytes >> 20));
	reads(s);
	s->ops->close(s);
	opens(path);
	for (size_t i = 0; argc < 2 && i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(file, sizeof file, "%s/%s", path, names[i]);
		(void)unlink(file);
	}
	if (argc < 2)
		(void)rmdir(path);
	return 0;
}
