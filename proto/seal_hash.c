/* seal_hash: labels, hashes and signatures, and every derived value of suite 1 by name. */
#include "proto/seal_steps.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 4u

/* The one table of labels; each ends in a zero byte, which counts. */
static const struct {
	const char *bytes;
	size_t len;
} labels[LABEL_COUNT] = {
#define L(label, word) [label] = {"kurzweg1 " word, sizeof("kurzweg1 " word)}
	L(LABEL_CONTEXT, "context"),
	L(LABEL_FRAME, "frame"),
	L(LABEL_PAYLOAD, "payload"),
	L(LABEL_HEDGE, "hedge"),
	L(LABEL_EPHEMERAL, "ephemeral"),
	L(LABEL_CONTENT, "content"),
	L(LABEL_COMMIT, "commit"),
	L(LABEL_BODY, "body"),
	L(LABEL_PAIR, "pair"),
	L(LABEL_WRAP, "wrap"),
	L(LABEL_STORE, "store"),
	L(LABEL_BODY_HASH, "body hash"),
	L(LABEL_AUDIT, "audit"),
	L(LABEL_SIGN_NOTIFICATION, "sign notification"),
	L(LABEL_SIGN_AGREEMENT, "sign agreement"),
	L(LABEL_SIGN_COMMIT, "sign commit"),
	L(LABEL_SIGN_CASE, "sign case"),
	L(LABEL_SIGN_KEY, "sign key"),
	L(LABEL_SIGN_AUDIT, "sign audit"),
#undef L
};

struct span
label_bytes(enum label label)
{
	MUST((unsigned)label < LABEL_COUNT);
	return span_of(labels[label].bytes, labels[label].len);
}

void
seal_hash(uint8_t out[KW_HASH_LEN], const uint8_t *key, enum label label, const struct span *parts, size_t n)
{
	crypto_generichash_state state;
	struct span name = label_bytes(label);

	MUST(n <= PARTS_MAX);
	MUST(crypto_generichash_init(&state, key, key != NULL ? KW_KEY_LEN : 0, KW_HASH_LEN) == 0);
	MUST(crypto_generichash_update(&state, name.p, name.len) == 0);
	for (size_t i = 0; i < n; i++)
		MUST(crypto_generichash_update(&state, parts[i].p, parts[i].len) == 0);
	MUST(crypto_generichash_final(&state, out, KW_HASH_LEN) == 0);
	sodium_memzero(&state, sizeof state);
}

#define LABELLED_ON_STACK 8192u

/* label and bytes in one piece, since libsodium 1.0.18 signs one piece; *heap is to be freed. NULL: out of memory. */
static const uint8_t *
labelled(uint8_t stack[LABELLED_ON_STACK], uint8_t **heap, size_t *len, enum label label, struct span bytes)
{
	struct span name = label_bytes(label);
	uint8_t *p = stack;

	*heap = NULL;
	*len = name.len + bytes.len;
	if (*len > LABELLED_ON_STACK && (p = *heap = malloc(*len)) == NULL)
		return NULL;
	memcpy(p, name.p, name.len);
	if (bytes.len > 0)
		memcpy(p + name.len, bytes.p, bytes.len);
	return p;
}

bool
seal_sign(uint8_t sig[KW_SIG_LEN], enum label label, struct span bytes, const uint8_t secret[64])
{
	uint8_t stack[LABELLED_ON_STACK], *heap;
	size_t len;
	const uint8_t *p = labelled(stack, &heap, &len, label, bytes);
	bool signed_it = p != NULL && crypto_sign_detached(sig, NULL, p, len, secret) == 0;

	free(heap);
	return signed_it;
}

bool
seal_verify(const uint8_t sig[KW_SIG_LEN], enum label label, struct span bytes, const uint8_t pk[KW_KEY_LEN])
{
	uint8_t stack[LABELLED_ON_STACK], *heap;
	size_t len;
	const uint8_t *p = labelled(stack, &heap, &len, label, bytes);
	bool holds = p != NULL && crypto_sign_verify_detached(sig, p, len, pk) == 0;

	free(heap);
	return holds;
}

void
step_hedge(uint8_t out[32], const uint8_t local_secret[32])
{
	seal_hash(out, local_secret, LABEL_HEDGE, NULL, 0);
}

void
step_ephemeral(uint8_t secret[32], const uint8_t hedge[32], const uint8_t random[32], uint64_t clock_ns, uint64_t counter)
{
	uint8_t numbers[16];
	struct span parts[2] = {{random, 32}, {numbers, sizeof numbers}};

	be64_put(numbers, clock_ns);
	be64_put(numbers + 8, counter);
	seal_hash(secret, hedge, LABEL_EPHEMERAL, parts, 2);
}

void
step_context(uint8_t out[32], struct span to_ephemeral)
{
	seal_hash(out, NULL, LABEL_CONTEXT, &to_ephemeral, 1);
}

void
step_content_key(uint8_t out[32], const uint8_t hedge[32], const uint8_t random[32], const uint8_t ctx[32], struct span padded)
{
	uint8_t payload_hash[KW_HASH_LEN];
	struct span parts[3] = {{random, 32}, {ctx, 32}, {payload_hash, sizeof payload_hash}};

	seal_hash(payload_hash, NULL, LABEL_PAYLOAD, &padded, 1);
	seal_hash(out, hedge, LABEL_CONTENT, parts, 3);
	sodium_memzero(payload_hash, sizeof payload_hash);
}

void
step_commitment(uint8_t out[32], const uint8_t content_key[32], const uint8_t ctx[32])
{
	struct span part = {ctx, 32};

	seal_hash(out, content_key, LABEL_COMMIT, &part, 1);
}

void
step_body_key(uint8_t out[32], const uint8_t content_key[32], const uint8_t ctx[32])
{
	struct span part = {ctx, 32};

	seal_hash(out, content_key, LABEL_BODY, &part, 1);
}

void
step_body_hash(uint8_t out[32], struct span body)
{
	seal_hash(out, NULL, LABEL_BODY_HASH, &body, 1);
}

bool
step_pair(uint8_t out[32], const uint8_t secret[32], const uint8_t other_pk[32], const uint8_t ephemeral_pk[32],
          const uint8_t reader_pk[32])
{
	uint8_t shared[32];
	struct span parts[2] = {{ephemeral_pk, 32}, {reader_pk, 32}};

	if (crypto_scalarmult(shared, secret, other_pk) != 0)
		return false;
	seal_hash(out, shared, LABEL_PAIR, parts, 2);
	sodium_memzero(shared, sizeof shared);
	return true;
}

void
step_wrap_key(uint8_t out[32], const uint8_t pair[32], const uint8_t ctx[32], const uint8_t commitment[32], const char *node)
{
	struct span parts[3] = {{ctx, 32}, {commitment, 32}, span_str(node)};

	seal_hash(out, pair, LABEL_WRAP, parts, 3);
}

void
seal_frame_hash(uint8_t out[KW_HASH_LEN], const struct frame *f)
{
	seal_hash(out, NULL, LABEL_FRAME, &f->signed_part, 1);
}
