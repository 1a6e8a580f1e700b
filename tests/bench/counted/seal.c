/* seal: what a notification costs its sender to seal, for audiences of several sizes, and a reader to open. */
#include <sodium.h>
#include <stdio.h>

#include "../load_base.h"
#include "counted.h"
#include "proto/seal.h"

#define RUNS 20u
#define READERS_MAX 100u
#define HEADER_LEN 200u
#define PAYLOAD_LEN 300u

struct sealing {
	uint8_t local[32], sign_pk[32], sign_sk[64], header[HEADER_LEN], payload[PAYLOAD_LEN];
	uint8_t seal_pk[READERS_MAX][32], seal_sk[READERS_MAX][32];
	char names[READERS_MAX][KW_NODE_MAX + 1];
	struct seal_reader readers[READERS_MAX];
	struct seal_sender *sender;
	struct sealed out;
};

static void
make(struct sealing *b)
{
	uint8_t random[32];

	randombytes_buf(b->local, sizeof b->local);
	randombytes_buf(b->header, sizeof b->header);
	randombytes_buf(b->payload, sizeof b->payload);
	randombytes_buf(random, sizeof random);
	(void)crypto_sign_keypair(b->sign_pk, b->sign_sk);
	for (uint32_t i = 0; i < READERS_MAX; i++) {
		(void)crypto_box_keypair(b->seal_pk[i], b->seal_sk[i]);
		(void)snprintf(b->names[i], sizeof b->names[i], "partner-%04u/control-room", i);
		b->readers[i] = (struct seal_reader){b->names[i], b->seal_pk[i], i + 1};
	}
	load_must(seal_sender_new(&b->sender, b->local, random, 1, 1), &(struct kw_why){"no ephemeral key"});
}

static void
seal(struct sealing *b, uint32_t readers)
{
	uint8_t random[32];
	struct kw_why why;

	randombytes_buf(random, sizeof random);
	sealed_free(&b->out);
	counted_on();
	load_must(seal_notification(&b->out, b->sender, b->local, random, span_of(b->header, HEADER_LEN), span_of(b->payload, PAYLOAD_LEN), true, b->sign_sk,
	                            b->readers, readers, &why), &why);
	(void)counted_off();
}

/* From the parse to the opened payload. */
static void
open_once(struct sealing *b, struct seal_opener *o)
{
	struct buf payload = BUF_INIT(KW_OPENED_MAX);
	uint8_t key[32];
	uint64_t number;
	struct kw_why why;
	struct frame f;

	counted_on();
	load_must(frame_parse(&f, buf_span(&b->out.frame), FRAME_WHOLE, &why), &why);
	load_must(seal_check_signature(&f, b->sign_pk, &why), &why);
	load_must(seal_check_body_hash(&f, &why), &why);
	load_must(seal_open_wrap(&number, key, o, &f, span_of(b->out.wraps.p, KW_WRAP_LEN), &why), &why);
	load_must(seal_open_body(&payload, key, &f, &why), &why);
	(void)counted_off();
	if (number != 1 || !span_eq(buf_span(&payload), span_of(b->payload, PAYLOAD_LEN)))
		load_fail("something else was opened than was sealed");
	buf_free(&payload);
}

/* The first time a pair key is made for each reader. */
static void
sealing(struct sealing *b)
{
	static const struct { uint32_t readers; const char *name; } audiences[] = {{1, "seal.1"}, {10, "seal.10"}, {100, "seal.100"}};

	seal(b, READERS_MAX);
	counted_end("seal.100.first", 1);
	for (size_t a = 0; a < sizeof audiences / sizeof audiences[0]; a++) {
		for (uint32_t i = 0; i < RUNS; i++)
			seal(b, audiences[a].readers);
		counted_end(audiences[a].name, RUNS);
	}
}

static void
opening(struct sealing *b)
{
	struct seal_opener *o;
	struct kw_why why = {"no opener"};

	load_must(seal_opener_new(&o, b->names[0], b->seal_pk[0], b->seal_sk[0], 256), &why);
	seal(b, 1);
	counted_forget();
	open_once(b, o);
	counted_end("open.first", 1);
	for (uint32_t i = 0; i < RUNS; i++)
		open_once(b, o);
	counted_end("open", RUNS);
	seal_opener_free(&o);
}

void
count_seal(void)
{
	struct sealing *b = load_memory(1, sizeof *b);

	make(b);
	sealing(b);
	opening(b);
	sealed_free(&b->out);
	seal_sender_free(&b->sender);
	free(b);
}
