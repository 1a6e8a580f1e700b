/* seal_sender: the sender's ephemeral key with its pair keys, and a notification sealed under it. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "proto/seal_steps.h"

#define ZSTD_LEVEL 3
#define PAIRS_FIRST 16u

struct pair {
	uint8_t reader_pk[KW_KEY_LEN];
	uint8_t key[KW_KEY_LEN];
};

struct seal_sender { /* in guarded memory, as are the pairs' keys */
	uint8_t ephemeral_sk[KW_KEY_LEN];
	uint8_t ephemeral_pk[KW_KEY_LEN];
	struct pair *pairs; /* sorted by reader_pk */
	size_t count;
	size_t cap;
};

enum kw_err
seal_sender_new(struct seal_sender **out, const uint8_t local_secret[KW_KEY_LEN], const uint8_t random[32], uint64_t clock_ns,
                uint64_t counter)
{
	struct seal_sender *s = sodium_malloc(sizeof *s);
	uint8_t hedge[KW_KEY_LEN];
	enum kw_err err = KW_OK;

	if (s == NULL)
		return KW_ENOMEM;
	memset(s, 0, sizeof *s);
	step_hedge(hedge, local_secret);
	step_ephemeral(s->ephemeral_sk, hedge, random, clock_ns, counter);
	sodium_memzero(hedge, sizeof hedge);
	if (crypto_scalarmult_base(s->ephemeral_pk, s->ephemeral_sk) != 0)
		err = KW_ECRYPTO;
	if (err == KW_OK)
		*out = s;
	else
		seal_sender_free(&s);
	return err;
}

void
seal_sender_free(struct seal_sender **s)
{
	if (s == NULL || *s == NULL)
		return;
	sodium_free((*s)->pairs); /* wipes */
	sodium_free(*s);
	*s = NULL;
}

const uint8_t *
seal_sender_public(const struct seal_sender *s)
{
	return s->ephemeral_pk;
}

size_t
step_sender_pairs(const struct seal_sender *s)
{
	return s->count;
}

/* Where reader_pk stands, or would stand. */
static size_t
pair_place(const struct seal_sender *s, const uint8_t reader_pk[KW_KEY_LEN])
{
	size_t lo = 0, hi = s->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(s->pairs[mid].reader_pk, reader_pk, KW_KEY_LEN) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static enum kw_err
pairs_grow(struct seal_sender *s)
{
	size_t cap = s->cap == 0 ? PAIRS_FIRST : s->cap * 2;
	struct pair *pairs;

	if (s->count < s->cap)
		return KW_OK;
	if ((pairs = sodium_allocarray(cap, sizeof *pairs)) == NULL)
		return KW_ENOMEM;
	if (s->count > 0)
		memcpy(pairs, s->pairs, s->count * sizeof *pairs);
	sodium_free(s->pairs);
	s->pairs = pairs;
	s->cap = cap;
	return KW_OK;
}

/* The pair key with a reader, made at the first wish. *out is borrowed until the next call. */
static enum kw_err
pair_key(const uint8_t **out, struct seal_sender *s, const struct seal_reader *r, struct kw_why *why)
{
	size_t place = pair_place(s, r->seal_pk);
	enum kw_err err;

	if (place < s->count && memcmp(s->pairs[place].reader_pk, r->seal_pk, KW_KEY_LEN) == 0) {
		*out = s->pairs[place].key;
		return KW_OK;
	}
	if (s->count == KW_NODES_MAX) { /* keys were replaced many times within the hour: begin again */
		sodium_memzero(s->pairs, s->cap * sizeof *s->pairs);
		s->count = 0;
		place = 0;
	}
	if ((err = pairs_grow(s)) != KW_OK)
		return kw_refuse(why, err, "out of memory for the key shared with %s", r->node);
	memmove(&s->pairs[place + 1], &s->pairs[place], (s->count - place) * sizeof *s->pairs);
	s->count++;
	memcpy(s->pairs[place].reader_pk, r->seal_pk, KW_KEY_LEN);
	if (!step_pair(s->pairs[place].key, s->ephemeral_sk, r->seal_pk, s->ephemeral_pk, r->seal_pk)) {
		memmove(&s->pairs[place], &s->pairs[place + 1], (s->count - place - 1) * sizeof *s->pairs);
		s->count--;
		return kw_refuse(why, KW_ECRYPTO, "the sealing key of %s is weak (small order); its owner must make a new one", r->node);
	}
	*out = s->pairs[place].key;
	return KW_OK;
}

/* Padmé: the last floor(log2 floor(log2 len)) + 1 bits … of the length are rounded up, so that it tells little of its value. */
size_t
step_padme(size_t len)
{
	unsigned exponent = 0, mantissa = 0, last;
	size_t mask;

	if (len < 2)
		return len;
	while (len >> (exponent + 1) != 0)
		exponent++;
	while (exponent >> mantissa != 0)
		mantissa++;
	if (mantissa >= exponent)
		return len;
	last = exponent - mantissa;
	mask = ((size_t)1 << last) - 1;
	return (len + mask) & ~mask;
}

size_t
seal_padded_len(size_t payload_len)
{
	size_t len = step_padme(payload_len + PADDED_HEAD);

	return len < PADDED_MIN ? PADDED_MIN : len;
}

enum kw_err
step_pad(struct buf *out, enum padded_flag flag, struct span content)
{
	size_t len = seal_padded_len(content.len);
	uint8_t *at = buf_reserve(out, len);

	if (at == NULL)
		return KW_ENOMEM;
	at[0] = (uint8_t)flag;
	be32_put(at + 1, (uint32_t)content.len);
	if (content.len > 0)
		memcpy(at + PADDED_HEAD, content.p, content.len);
	memset(at + PADDED_HEAD + content.len, 0, len - PADDED_HEAD - content.len);
	buf_commit(out, len);
	return KW_OK;
}

/* Compressed where that makes the padded length smaller: otherwise nothing is gained and a length might tell something. */
static enum kw_err
padded_payload(struct buf *out, struct span payload, bool compress)
{
	struct buf packed = BUF_INIT(KW_OPENED_MAX);
	size_t room, n;
	enum kw_err err;

	if (!compress || seal_padded_len(payload.len) == PADDED_MIN)
		return step_pad(out, PADDED_PLAIN, payload);
	packed.secret = true;
	room = ZSTD_compressBound(payload.len);
	packed.max = room;
	if (buf_reserve(&packed, room) == NULL) {
		buf_free(&packed);
		return KW_ENOMEM;
	}
	n = ZSTD_compress(packed.p, room, payload.p, payload.len, ZSTD_LEVEL);
	if (!ZSTD_isError(n) && seal_padded_len(n) < seal_padded_len(payload.len))
		err = step_pad(out, PADDED_ZSTD, span_of(packed.p, n));
	else
		err = step_pad(out, PADDED_PLAIN, payload);
	buf_free(&packed);
	return err;
}

static enum kw_err
wrap_all(struct buf *out, struct seal_sender *s, const uint8_t ctx[32], const uint8_t commitment[32], const uint8_t content_key[32],
         const struct seal_reader *readers, size_t n, struct kw_why *why)
{
	static const uint8_t zero_nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
	uint8_t plain[KW_KEY_LEN + 8], key[KW_KEY_LEN];
	enum kw_err err = KW_OK;

	memcpy(plain, content_key, KW_KEY_LEN);
	for (size_t i = 0; i < n && err == KW_OK; i++) {
		const uint8_t *pair = NULL;
		uint8_t *at = buf_reserve(out, KW_WRAP_LEN);

		if (at == NULL) {
			err = kw_refuse(why, KW_ENOMEM, "out of memory for %zu wraps", n);
			break;
		}
		if ((err = pair_key(&pair, s, &readers[i], why)) != KW_OK)
			break;
		be64_put(plain + KW_KEY_LEN, readers[i].number);
		step_wrap_key(key, pair, ctx, commitment, readers[i].node);
		(void)crypto_aead_xchacha20poly1305_ietf_encrypt(at, NULL, plain, sizeof plain, NULL, 0, NULL, zero_nonce, key);
		buf_commit(out, KW_WRAP_LEN);
	}
	sodium_memzero(plain, sizeof plain);
	sodium_memzero(key, sizeof key);
	return err;
}

/* Everything of the frame behind the ephemeral key. */
static enum kw_err
finish_frame(struct sealed *out, const uint8_t ctx[32], const uint8_t commitment[32], const uint8_t content_key[32], struct span padded,
             const uint8_t sign_secret[64], struct kw_why *why)
{
	static const uint8_t zero_nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
	size_t body_len = padded.len + crypto_aead_xchacha20poly1305_ietf_ABYTES;
	struct buf *f = &out->frame;
	size_t head_at = f->len;
	struct span signed_part;
	uint8_t key[KW_KEY_LEN], *at;

	at = buf_reserve(f, 2 * KW_HASH_LEN + KW_SIG_LEN + 4 + body_len);
	if (at == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a body of %zu bytes", body_len);
	memcpy(at, commitment, KW_HASH_LEN);
	step_body_key(key, content_key, ctx);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(at + 2 * KW_HASH_LEN + KW_SIG_LEN + 4, NULL, padded.p, padded.len, NULL, 0, NULL,
	                                                 zero_nonce, key);
	sodium_memzero(key, sizeof key);
	be32_put(at + 2 * KW_HASH_LEN + KW_SIG_LEN, (uint32_t)body_len);
	step_body_hash(at + KW_HASH_LEN, span_of(at + 2 * KW_HASH_LEN + KW_SIG_LEN + 4, body_len));
	signed_part = span_of(f->p, head_at + 2 * KW_HASH_LEN);
	if (!seal_sign(at + 2 * KW_HASH_LEN, LABEL_SIGN_NOTIFICATION, signed_part, sign_secret))
		return kw_refuse(why, KW_ENOMEM, "out of memory for a signature");
	seal_hash(out->frame_hash, NULL, LABEL_FRAME, &signed_part, 1);
	buf_commit(f, 2 * KW_HASH_LEN + KW_SIG_LEN + 4 + body_len);
	return KW_OK;
}

enum kw_err
seal_notification(struct sealed *out, struct seal_sender *s, const uint8_t local_secret[KW_KEY_LEN], const uint8_t random[32],
                  struct span header, struct span payload, bool compress, const uint8_t sign_secret[64],
                  const struct seal_reader *readers, size_t n, struct kw_why *why)
{
	struct buf padded = BUF_INIT(KW_OPENED_MAX + KW_OPENED_MAX / 8);
	uint8_t hedge[32], ctx[32], content_key[32], commitment[32];
	enum kw_err err;

	MUST(header.len >= 1 && header.len <= KW_HEADER_MAX);
	MUST(n >= 1 && n <= KW_NODES_MAX);
	out->frame = BUF_INIT(KW_FRAME_MAX);
	out->wraps = BUF_INIT(KW_NODES_MAX * KW_WRAP_LEN);
	if (payload.len > KW_OPENED_MAX)
		return kw_refuse(why, KW_ELIMIT, "the payload has %zu bytes, at most %u are allowed", payload.len, KW_OPENED_MAX);
	padded.secret = true;
	if (padded_payload(&padded, payload, compress) != KW_OK) {
		err = kw_refuse(why, KW_ENOMEM, "out of memory for a payload of %zu bytes", payload.len);
		goto wipe;
	}
	if (padded.len + crypto_aead_xchacha20poly1305_ietf_ABYTES > KW_BODY_MAX) {
		err = kw_refuse(why, KW_ELIMIT, "sealed, the content would have %zu bytes, at most %u are allowed; shorten it, or send a part as a document",
		                padded.len + crypto_aead_xchacha20poly1305_ietf_ABYTES, KW_BODY_MAX);
		goto wipe;
	}
	buf_put(&out->frame, "KWZ1", 4);
	buf_put_u32(&out->frame, (uint32_t)header.len);
	buf_put_span(&out->frame, header);
	buf_put(&out->frame, s->ephemeral_pk, KW_KEY_LEN);
	if (!buf_ok(&out->frame)) {
		err = kw_refuse(why, KW_ENOMEM, "out of memory for a notification");
		goto wipe;
	}
	step_context(ctx, buf_span(&out->frame));
	step_hedge(hedge, local_secret);
	step_content_key(content_key, hedge, random, ctx, buf_span(&padded));
	step_commitment(commitment, content_key, ctx);
	if ((err = finish_frame(out, ctx, commitment, content_key, buf_span(&padded), sign_secret, why)) != KW_OK)
		goto wipe;
	err = wrap_all(&out->wraps, s, ctx, commitment, content_key, readers, n, why);
wipe:
	sodium_memzero(hedge, sizeof hedge);
	sodium_memzero(content_key, sizeof content_key);
	buf_free(&padded);
	if (err != KW_OK)
		sealed_free(out);
	return err;
}

void
sealed_free(struct sealed *s)
{
	buf_free(&s->frame);
	buf_free(&s->wraps);
}
