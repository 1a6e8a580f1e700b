/* seal_opener: the reader's side, step by step; what fails first is said. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "proto/seal_steps.h"

#define AEAD_TAG crypto_aead_xchacha20poly1305_ietf_ABYTES

static const uint8_t zero_nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];

struct cached_pair {
	uint8_t ephemeral[KW_KEY_LEN];
	uint8_t key[KW_KEY_LEN];
	uint64_t used; /* 0: free */
};

struct seal_opener { /* all of it in guarded memory */
	char node[KW_NODE_MAX + 1];
	uint8_t seal_pk[KW_KEY_LEN];
	uint8_t seal_sk[KW_KEY_LEN];
	uint64_t clock; /* counts uses, for the least recently used */
	size_t cap;
	struct cached_pair pairs[];
};

enum kw_err
seal_opener_new(struct seal_opener **out, const char *node, const uint8_t seal_pk[KW_KEY_LEN], const uint8_t seal_sk[KW_KEY_LEN], size_t cap)
{
	struct seal_opener *o;

	MUST(cap >= 1 && cap <= KW_NODES_MAX);
	MUST(strlen(node) <= KW_NODE_MAX);
	o = sodium_malloc(sizeof *o + cap * sizeof o->pairs[0]);
	if (o == NULL)
		return KW_ENOMEM;
	memset(o, 0, sizeof *o + cap * sizeof o->pairs[0]);
	memcpy(o->node, node, strlen(node) + 1);
	memcpy(o->seal_pk, seal_pk, KW_KEY_LEN);
	memcpy(o->seal_sk, seal_sk, KW_KEY_LEN);
	o->cap = cap;
	*out = o;
	return KW_OK;
}

void
seal_opener_free(struct seal_opener **o)
{
	if (o == NULL || *o == NULL)
		return;
	sodium_free(*o);
	*o = NULL;
}

const uint8_t *
seal_opener_key(const struct seal_opener *o)
{
	return o->seal_pk;
}

/* The pair key with an ephemeral key: from the cache, or made in the least recently used place. NULL: all-zero result. */
static const uint8_t *
pair_key(struct seal_opener *o, const uint8_t ephemeral[KW_KEY_LEN])
{
	struct cached_pair *oldest = &o->pairs[0];

	o->clock++;
	for (size_t i = 0; i < o->cap; i++) {
		struct cached_pair *p = &o->pairs[i];

		if (p->used != 0 && memcmp(p->ephemeral, ephemeral, KW_KEY_LEN) == 0) {
			p->used = o->clock;
			return p->key;
		}
		if (p->used < oldest->used)
			oldest = p;
	}
	sodium_memzero(oldest, sizeof *oldest);
	if (!step_pair(oldest->key, o->seal_sk, ephemeral, ephemeral, o->seal_pk))
		return NULL;
	memcpy(oldest->ephemeral, ephemeral, KW_KEY_LEN);
	oldest->used = o->clock;
	return oldest->key;
}

bool
step_opener_holds(const struct seal_opener *o, const uint8_t bytes[32])
{
	return memmem(o->pairs, o->cap * sizeof o->pairs[0], bytes, 32) != NULL;
}

enum kw_err
seal_check_signature(const struct frame *f, const uint8_t sender_pk[KW_KEY_LEN], struct kw_why *why)
{
	if (!seal_verify(f->signature, LABEL_SIGN_NOTIFICATION, f->signed_part, sender_pk))
		return kw_refuse(why, KW_ECRYPTO, "the sender's signature does not hold");
	return KW_OK;
}

enum kw_err
seal_check_body_hash(const struct frame *f, struct kw_why *why)
{
	uint8_t hash[KW_HASH_LEN];

	MUST(f->has_body);
	step_body_hash(hash, f->body);
	if (sodium_memcmp(hash, f->body_hash, KW_HASH_LEN) != 0)
		return kw_refuse(why, KW_ECRYPTO, "the body is not the one that was signed");
	return KW_OK;
}

enum kw_err
seal_check_key(const uint8_t content_key[KW_KEY_LEN], const struct frame *f, struct kw_why *why)
{
	uint8_t ctx[32], commitment[32];

	step_context(ctx, f->to_ephemeral);
	step_commitment(commitment, content_key, ctx);
	if (sodium_memcmp(commitment, f->commitment, sizeof commitment) != 0)
		return kw_refuse(why, KW_ECRYPTO, "the content key is not the one that was committed to");
	return KW_OK;
}

enum kw_err
seal_open_wrap(uint64_t *number, uint8_t *key_out, struct seal_opener *o, const struct frame *f, struct span wrap, struct kw_why *why)
{
	uint8_t ctx[32], key[32], commitment[32], plain[KW_KEY_LEN + 8];
	const uint8_t *pair;
	enum kw_err err = KW_OK;

	if (wrap.len != KW_WRAP_LEN)
		return kw_refuse(why, KW_ECRYPTO, "the wrap has %zu bytes, must have %d", wrap.len, KW_WRAP_LEN);
	if ((pair = pair_key(o, f->ephemeral)) == NULL)
		return kw_refuse(why, KW_ECRYPTO, "the sender's ephemeral key is weak (small order)");
	step_context(ctx, f->to_ephemeral);
	step_wrap_key(key, pair, ctx, f->commitment, o->node);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, wrap.p, wrap.len, NULL, 0, zero_nonce, key) != 0) {
		err = kw_refuse(why, KW_ECRYPTO, "the wrap does not open: it was not made by this sender for %s and this notification", o->node);
		goto wipe;
	}
	step_commitment(commitment, plain, ctx);
	if (sodium_memcmp(commitment, f->commitment, KW_HASH_LEN) != 0) {
		err = kw_refuse(why, KW_ECRYPTO, "the content key is not the one that the sender committed to: readers were given different ones");
		goto wipe;
	}
	*number = be64_get(plain + KW_KEY_LEN);
	if (key_out != NULL)
		memcpy(key_out, plain, KW_KEY_LEN);
wipe:
	sodium_memzero(plain, sizeof plain);
	sodium_memzero(key, sizeof key);
	return err;
}

/* libzstd also reads frames that carry no content, and those of its old versions; a sender makes neither. */
static bool
is_zstd_frame(struct span in)
{
	static const uint8_t magic[4] = {0x28, 0xB5, 0x2F, 0xFD}; /* RFC 8878, section 3.1.1 */

	return in.len >= sizeof magic && memcmp(in.p, magic, sizeof magic) == 0;
}

/* zstd says how much it will be before anything is taken; a frame that does not say, or says too much, is refused. */
static enum kw_err
decompress(struct buf *payload, struct span in, struct kw_why *why)
{
	unsigned long long len;
	uint8_t *at;
	size_t n, room;

	if (!is_zstd_frame(in))
		return kw_refuse(why, KW_ECRYPTO, "the content says that it is compressed, but is no zstd frame");
	len = ZSTD_getFrameContentSize(in.p, in.len);
	if (len == ZSTD_CONTENTSIZE_ERROR || len == ZSTD_CONTENTSIZE_UNKNOWN)
		return kw_refuse(why, KW_ECRYPTO, "the compressed content does not tell its size");
	if (len > KW_OPENED_MAX)
		return kw_refuse(why, KW_ELIMIT, "the content would have %llu bytes when opened, at most %u are allowed", len, KW_OPENED_MAX);
	if (ZSTD_findFrameCompressedSize(in.p, in.len) != in.len)
		return kw_refuse(why, KW_ECRYPTO, "something stands behind the compressed content");
	room = len > 0 ? (size_t)len : 1;
	if ((at = buf_reserve(payload, room)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a content of %llu bytes", len);
	n = ZSTD_decompress(at, room, in.p, in.len);
	if (ZSTD_isError(n) || n != len)
		return kw_refuse(why, KW_ECRYPTO, "the compressed content is damaged");
	buf_commit(payload, n);
	return KW_OK;
}

static enum kw_err
unpad(struct buf *payload, struct span padded, struct kw_why *why)
{
	uint8_t stray = 0;
	uint32_t len;

	if (padded.len < PADDED_MIN || padded.len != step_padme(padded.len))
		return kw_refuse(why, KW_ECRYPTO, "the content is padded to %zu bytes, which is no size of the padding", padded.len);
	if (padded.p[0] != PADDED_PLAIN && padded.p[0] != PADDED_ZSTD)
		return kw_refuse(why, KW_ECRYPTO, "the content's form %u is unknown", padded.p[0]);
	len = be32_get(padded.p + 1);
	if (len > padded.len - PADDED_HEAD)
		return kw_refuse(why, KW_ECRYPTO, "the content's length %u passes its padding", len);
	if (seal_padded_len(len) != padded.len)
		return kw_refuse(why, KW_ECRYPTO, "the content of %u bytes is padded to %zu, must be %zu", len, padded.len, seal_padded_len(len));
	for (size_t i = PADDED_HEAD + len; i < padded.len; i++)
		stray |= padded.p[i];
	if (stray != 0)
		return kw_refuse(why, KW_ECRYPTO, "the padding is not all zeros");
	if (padded.p[0] == PADDED_ZSTD)
		return decompress(payload, span_of(padded.p + PADDED_HEAD, len), why);
	buf_put(payload, padded.p + PADDED_HEAD, len);
	return buf_ok(payload) ? KW_OK : kw_refuse(why, KW_ENOMEM, "out of memory for a content of %u bytes", len);
}

enum kw_err
seal_open_body(struct buf *payload, const uint8_t content_key[KW_KEY_LEN], const struct frame *f, struct kw_why *why)
{
	struct buf padded = BUF_INIT(KW_BODY_MAX);
	uint8_t ctx[32], key[32], *at;
	enum kw_err err;

	MUST(f->has_body);
	if (f->body.len < AEAD_TAG + PADDED_MIN)
		return kw_refuse(why, KW_ECRYPTO, "the body has %zu bytes, must have at least %u", f->body.len, AEAD_TAG + PADDED_MIN);
	padded.secret = true;
	if ((at = buf_reserve(&padded, f->body.len - AEAD_TAG)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a body of %zu bytes", f->body.len);
	step_context(ctx, f->to_ephemeral);
	step_body_key(key, content_key, ctx);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(at, NULL, NULL, f->body.p, f->body.len, NULL, 0, zero_nonce, key) != 0) {
		err = kw_refuse(why, KW_ECRYPTO, "the body does not open under its content key");
		goto wipe;
	}
	buf_commit(&padded, f->body.len - AEAD_TAG);
	err = unpad(payload, buf_span(&padded), why);
wipe:
	sodium_memzero(key, sizeof key);
	buf_free(&padded);
	return err;
}
