/*
 * bench_seal: what sealing and opening cost by themselves: one payload for audiences of several sizes, with the pair keys still to be
 * made and with all of them cached; a reader's whole walk, and its parts. Medians of several runs, one line each.
 *
 *   bench_seal [--json] [BYTES]     of a payload that does not compress, default 300; --json: for tests/bench/run
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "proto/seal.h"

#define COLD_RUNS 5
#define RUNS 101
#define HEADER_LEN 200u
#define PAYLOAD_MAX 200000u

struct bench {
	uint8_t local[32], sign_pk[32], sign_sk[64], header[HEADER_LEN], payload[PAYLOAD_MAX];
	size_t payload_len;
	bool json;
	uint8_t seal_pk[KW_NODES_MAX][32], seal_sk[KW_NODES_MAX][32];
	char names[KW_NODES_MAX][KW_NODE_MAX + 1];
	struct seal_reader readers[KW_NODES_MAX];
	uint64_t counter;
};

static double
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *v, size_t n)
{
	qsort(v, n, sizeof *v, by_value);
	return v[n / 2];
}

static void
must(enum kw_err err, const struct kw_why *why)
{
	if (err == KW_OK)
		return;
	fprintf(stderr, "bench_seal: %s\n", why->text);
	exit(1);
}

static struct seal_sender *
new_sender(struct bench *b)
{
	struct seal_sender *s = NULL;
	uint8_t random[32];

	randombytes_buf(random, sizeof random);
	must(seal_sender_new(&s, b->local, random, 1, b->counter++), &(struct kw_why){"no ephemeral key"});
	return s;
}

static double
seal_us(struct bench *b, struct sealed *out, struct seal_sender *s, size_t readers)
{
	struct kw_why why;
	uint8_t random[32];
	double from;

	randombytes_buf(random, sizeof random);
	from = now_us();
	must(seal_notification(out, s, b->local, random, span_of(b->header, HEADER_LEN), span_of(b->payload, b->payload_len), true, b->sign_sk,
	                       b->readers, readers, &why), &why);
	return now_us() - from;
}

static void
sealing(struct bench *b, size_t readers)
{
	double cold[COLD_RUNS], cached[RUNS];
	struct seal_sender *s = NULL;
	struct sealed out;
	size_t frame_len = 0;

	for (size_t i = 0; i < COLD_RUNS; i++) {
		seal_sender_free(&s);
		s = new_sender(b);
		cold[i] = seal_us(b, &out, s, readers);
		sealed_free(&out);
	}
	for (size_t i = 0; i < RUNS; i++) {
		cached[i] = seal_us(b, &out, s, readers);
		frame_len = out.frame.len;
		sealed_free(&out);
	}
	if (b->json)
		printf("{\"run\":\"seal\",\"target\":\"kurzweg\",\"bytes\":%zu,\"audience\":%zu,\"first_us\":%.1f,\"cached_us\":%.1f}\n", b->payload_len, readers,
		       median(cold, COLD_RUNS), median(cached, RUNS));
	else
		printf("seal for %4zu: %9.1f us the first time, %7.1f us with pair keys cached; frame of %zu bytes, wraps of %zu\n", readers,
		       median(cold, COLD_RUNS), median(cached, RUNS), frame_len, readers * (size_t)KW_WRAP_LEN);
	seal_sender_free(&s);
}

/* What a reader does with one notification from the parse to the opened payload; *check_us is its signature alone. */
static double
open_us(struct bench *b, struct seal_opener *o, const struct sealed *s, double *check_us)
{
	struct buf payload = BUF_INIT(KW_OPENED_MAX);
	struct kw_why why;
	struct frame f;
	uint8_t key[32];
	uint64_t number;
	double from = now_us(), check;

	must(frame_parse(&f, buf_span(&s->frame), FRAME_WHOLE, &why), &why);
	check = now_us();
	must(seal_check_signature(&f, b->sign_pk, &why), &why);
	*check_us = now_us() - check;
	must(seal_check_body_hash(&f, &why), &why);
	must(seal_open_wrap(&number, key, o, &f, span_of(s->wraps.p, KW_WRAP_LEN), &why), &why);
	must(seal_open_body(&payload, key, &f, &why), &why);
	from = now_us() - from;
	buf_free(&payload);
	return from;
}

static void
opening(struct bench *b)
{
	double cold[RUNS], cached[RUNS], check[RUNS];
	struct seal_opener *o;
	struct kw_why why = {"no opener"};

	must(seal_opener_new(&o, b->names[0], b->seal_pk[0], b->seal_sk[0], 256), &why);
	for (size_t i = 0; i < RUNS; i++) {
		struct seal_sender *s = new_sender(b);
		struct sealed out;

		(void)seal_us(b, &out, s, 1);
		cold[i] = open_us(b, o, &out, &check[i]);
		cached[i] = open_us(b, o, &out, &check[i]);
		sealed_free(&out);
		seal_sender_free(&s);
	}
	if (b->json)
		printf("{\"run\":\"open\",\"target\":\"kurzweg\",\"bytes\":%zu,\"first_us\":%.1f,\"cached_us\":%.1f,\"signature_us\":%.1f}\n", b->payload_len,
		       median(cold, RUNS), median(cached, RUNS), median(check, RUNS));
	else
		printf("open:          %9.1f us the first time, %7.1f us with the pair key cached, of which %.1f us are the signature\n",
		       median(cold, RUNS), median(cached, RUNS), median(check, RUNS));
	seal_opener_free(&o);
}

static bool
make(struct bench *b, const char *len)
{
	struct kw_why why;
	uint64_t n = 300;

	if (len != NULL && text_u64(&n, len, 0, PAYLOAD_MAX, "BYTES", &why) != KW_OK) {
		fprintf(stderr, "bench_seal: %s\n", why.text);
		return false;
	}
	b->payload_len = (size_t)n;
	randombytes_buf(b->local, sizeof b->local);
	randombytes_buf(b->header, sizeof b->header);
	randombytes_buf(b->payload, sizeof b->payload);
	crypto_sign_keypair(b->sign_pk, b->sign_sk);
	for (size_t i = 0; i < KW_NODES_MAX; i++) {
		crypto_box_keypair(b->seal_pk[i], b->seal_sk[i]);
		(void)snprintf(b->names[i], sizeof b->names[i], "partner-%04zu/control-room", i);
		b->readers[i] = (struct seal_reader){b->names[i], b->seal_pk[i], i + 1};
	}
	return true;
}

int
main(int argc, char **argv)
{
	static const size_t audiences[] = {1, 10, 100, 1000, KW_NODES_MAX};
	struct bench *b = calloc(1, sizeof *b);

	if (b == NULL || sodium_init() < 0)
		return 1;
	b->json = argc > 1 && strcmp(argv[1], "--json") == 0;
	argc -= b->json;
	argv += b->json;
	if (argc > 2)
		fprintf(stderr, "usage: bench_seal [--json] [BYTES]\n");
	if (argc > 2 || !make(b, argc > 1 ? argv[1] : NULL)) {
		free(b);
		return 2;
	}
	for (size_t i = 0; i < sizeof audiences / sizeof audiences[0]; i++)
		sealing(b, audiences[i]);
	opening(b);
	free(b);
	return 0;
}
