/* Suite 1: the vectors to the last byte, and everything a broker or a sender might try instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <sodium.h>
#include <zstd.h>

#include "base/text.h"
#include "proto/seal_steps.h"

struct hex {
	uint8_t *p;
	size_t len;
};

static struct hex
from_hex(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	struct hex h = {NULL, 0};

	assert_non_null(text);
	h.len = strlen(text) / 2;
	h.p = malloc(h.len + 1);
	assert_non_null(h.p);
	assert_true(text_hex(h.p, h.len, text));
	return h;
}

static void
must_be(const json_t *out, const char *key, const void *p, size_t len)
{
	struct hex h = from_hex(out, key);

	if (h.len != len || memcmp(h.p, p, len) != 0)
		fail_msg("%s differs from the vector", key);
	free(h.p);
}

static uint64_t
number(const json_t *o, const char *key)
{
	return strtoull(json_string_value(json_object_get(o, key)), NULL, 10);
}

static json_t *
vectors(void)
{
	char path[4096];
	json_error_t error;
	json_t *v;

	(void)snprintf(path, sizeof path, "%s/tests/vectors/suite1.json", getenv("KW_SOURCE_DIR") != NULL ? getenv("KW_SOURCE_DIR") : ".");
	v = json_load_file(path, 0, &error);
	assert_non_null(v);
	return v;
}

static void
padme_sizes_are_the_vectors(void **state)
{
	json_t *v = vectors(), *row;
	size_t i;

	(void)state;
	assert_true(json_array_size(json_object_get(v, "padme")) > 5);
	json_array_foreach(json_object_get(v, "padme"), i, row)
		assert_int_equal(step_padme((size_t)json_integer_value(json_array_get(row, 0))), json_integer_value(json_array_get(row, 1)));
	json_decref(v);
}

static void
check_wraps(const json_t *out, const struct frame *f, const struct sealed *sealed, struct span payload)
{
	json_t *wrap;
	size_t i;

	json_array_foreach(json_object_get(out, "wraps"), i, wrap) {
		struct hex pk = from_hex(wrap, "seal_public"), sk = from_hex(wrap, "seal_secret");
		struct buf opened = BUF_INIT(KW_OPENED_MAX);
		struct seal_opener *o;
		uint8_t pair[32], key[32], ctx[32];
		struct kw_why why;
		uint64_t n;

		must_be(wrap, "wrap", sealed->wraps.p + i * KW_WRAP_LEN, KW_WRAP_LEN);
		assert_true(step_pair(pair, sk.p, f->ephemeral, f->ephemeral, pk.p));
		must_be(wrap, "pair", pair, 32);
		step_context(ctx, f->to_ephemeral);
		step_wrap_key(key, pair, ctx, f->commitment, json_string_value(json_object_get(wrap, "node")));
		must_be(wrap, "wrap_key", key, 32);
		assert_int_equal(seal_opener_new(&o, json_string_value(json_object_get(wrap, "node")), pk.p, sk.p, 4), KW_OK);
		assert_int_equal(seal_open_wrap(&n, key, o, f, span_of(sealed->wraps.p + i * KW_WRAP_LEN, KW_WRAP_LEN), &why), KW_OK);
		assert_int_equal(n, json_integer_value(json_object_get(wrap, "number")));
		assert_int_equal(seal_open_body(&opened, key, f, &why), KW_OK);
		assert_true(span_eq(buf_span(&opened), payload));
		buf_free(&opened);
		seal_opener_free(&o);
		free(pk.p);
		free(sk.p);
	}
}

static void
check_case(const json_t *c)
{
	const json_t *in = json_object_get(c, "in"), *out = json_object_get(c, "out"), *wrap;
	struct hex local = from_hex(in, "local_secret"), re = from_hex(in, "random_ephemeral"), rc = from_hex(in, "random_content"),
	           seed = from_hex(in, "sign_seed"), header = from_hex(in, "header"), payload = from_hex(in, "payload");
	struct seal_reader readers[16];
	struct hex keys[16];
	struct seal_sender *s;
	struct sealed sealed;
	struct frame f;
	struct kw_why why;
	uint8_t pk[32], sk[64], v[32], hedge[32];
	size_t n = json_array_size(json_object_get(out, "wraps")), i;

	step_hedge(hedge, local.p);
	must_be(out, "hedge", hedge, 32);
	step_ephemeral(v, hedge, re.p, number(in, "clock_ns"), number(in, "counter"));
	must_be(out, "ephemeral_secret", v, 32);
	crypto_sign_seed_keypair(pk, sk, seed.p);
	must_be(out, "sign_public", pk, 32);
	json_array_foreach(json_object_get(out, "wraps"), i, wrap) {
		keys[i] = from_hex(wrap, "seal_public");
		readers[i] = (struct seal_reader){json_string_value(json_object_get(wrap, "node")), keys[i].p,
		                                  (uint64_t)json_integer_value(json_object_get(wrap, "number"))};
	}
	assert_int_equal(seal_sender_new(&s, local.p, re.p, number(in, "clock_ns"), number(in, "counter")), KW_OK);
	must_be(out, "ephemeral_public", seal_sender_public(s), 32);
	assert_int_equal(seal_notification(&sealed, s, local.p, rc.p, span_of(header.p, header.len), span_of(payload.p, payload.len), false, sk,
	                                   readers, n, &why), KW_OK);
	must_be(out, "frame", sealed.frame.p, sealed.frame.len);
	must_be(out, "frame_hash", sealed.frame_hash, 32);
	assert_int_equal(frame_parse(&f, buf_span(&sealed.frame), FRAME_WHOLE, &why), KW_OK);
	step_context(v, f.to_ephemeral);
	must_be(out, "context", v, 32);
	must_be(out, "commitment", f.commitment, 32);
	must_be(out, "body_hash", f.body_hash, 32);
	must_be(out, "signature", f.signature, 64);
	assert_int_equal(seal_check_signature(&f, pk, &why), KW_OK);
	assert_int_equal(seal_check_body_hash(&f, &why), KW_OK);
	check_wraps(out, &f, &sealed, span_of(payload.p, payload.len));
	sealed_free(&sealed);
	seal_sender_free(&s);
	for (i = 0; i < n; i++)
		free(keys[i].p);
	free(local.p), free(re.p), free(rc.p), free(seed.p), free(header.p), free(payload.p);
}

static void
every_value_of_every_vector_is_reproduced(void **state)
{
	json_t *v = vectors(), *c;
	size_t i;

	(void)state;
	assert_true(json_array_size(json_object_get(v, "cases")) >= 6);
	json_array_foreach(json_object_get(v, "cases"), i, c)
		check_case(c);
	json_decref(v);
}

/* A world of one sender and two readers for the attacks. */
struct world {
	uint8_t local[32], sign_pk[32], sign_sk[64];
	uint8_t pk[2][32], sk[2][32];
	struct seal_sender *sender;
	struct seal_opener *opener[2];
	struct seal_reader readers[2];
	struct sealed sealed;
};

static struct world w;

static int
world_make(void **state)
{
	uint8_t random[32];
	struct kw_why why;

	(void)state;
	memset(&w, 0, sizeof w);
	randombytes_buf(w.local, sizeof w.local);
	crypto_sign_keypair(w.sign_pk, w.sign_sk);
	randombytes_buf(random, sizeof random);
	assert_int_equal(seal_sender_new(&w.sender, w.local, random, 1, 1), KW_OK);
	for (unsigned i = 0; i < 2; i++) {
		crypto_box_keypair(w.pk[i], w.sk[i]);
		w.readers[i] = (struct seal_reader){i == 0 ? "city/public-order" : "police/control-room", w.pk[i], 7 + i};
		assert_int_equal(seal_opener_new(&w.opener[i], w.readers[i].node, w.pk[i], w.sk[i], 2), KW_OK);
	}
	assert_int_equal(seal_notification(&w.sealed, w.sender, w.local, random, span_str("header"), span_str("Hochwasser"), true, w.sign_sk,
	                                   w.readers, 2, &why), KW_OK);
	return 0;
}

static int
world_end(void **state)
{
	(void)state;
	sealed_free(&w.sealed);
	seal_sender_free(&w.sender);
	seal_opener_free(&w.opener[0]);
	seal_opener_free(&w.opener[1]);
	return 0;
}

/* The reader's whole walk; what it refuses first. */
static enum kw_err
reads(struct span frame, struct span wrap, unsigned reader)
{
	struct buf payload = BUF_INIT(KW_OPENED_MAX);
	struct kw_why why;
	struct frame f;
	uint8_t key[32];
	uint64_t n;
	enum kw_err err;

	if ((err = frame_parse(&f, frame, FRAME_WHOLE, &why)) == KW_OK && (err = seal_check_signature(&f, w.sign_pk, &why)) == KW_OK &&
	    (err = seal_check_body_hash(&f, &why)) == KW_OK && (err = seal_open_wrap(&n, key, w.opener[reader], &f, wrap, &why)) == KW_OK)
		err = seal_open_body(&payload, key, &f, &why);
	buf_free(&payload);
	return err;
}

static struct span
wrap_of(const struct sealed *s, unsigned i)
{
	return span_of(s->wraps.p + i * KW_WRAP_LEN, KW_WRAP_LEN);
}

static void
every_flipped_bit_of_frame_and_wrap_is_refused(void **state)
{
	struct buf *f = &w.sealed.frame;

	(void)state;
	assert_int_equal(reads(buf_span(f), wrap_of(&w.sealed, 0), 0), KW_OK);
	for (size_t bit = 0; bit < f->len * 8; bit++) {
		f->p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(reads(buf_span(f), wrap_of(&w.sealed, 0), 0), KW_OK);
		f->p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t bit = 0; bit < KW_WRAP_LEN * 8; bit++) {
		w.sealed.wraps.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(reads(buf_span(f), wrap_of(&w.sealed, 0), 0), KW_OK);
		w.sealed.wraps.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(reads(buf_span(f), wrap_of(&w.sealed, 0), 0), KW_OK);
}

static void
every_truncation_and_one_byte_more_is_refused(void **state)
{
	struct buf *f = &w.sealed.frame;

	(void)state;
	for (size_t len = 0; len < f->len; len++)
		assert_int_not_equal(reads(span_of(f->p, len), wrap_of(&w.sealed, 0), 0), KW_OK);
	buf_put_u8(f, 0);
	assert_int_equal(reads(buf_span(f), wrap_of(&w.sealed, 0), 0), KW_EPROTO);
	for (size_t len = 0; len < KW_WRAP_LEN; len++)
		assert_int_not_equal(reads(span_of(f->p, f->len - 1), span_of(w.sealed.wraps.p, len), 0), KW_OK);
}

static void
another_readers_wrap_does_not_open(void **state)
{
	(void)state;
	assert_int_equal(reads(buf_span(&w.sealed.frame), wrap_of(&w.sealed, 1), 0), KW_ECRYPTO);
	assert_int_equal(reads(buf_span(&w.sealed.frame), wrap_of(&w.sealed, 0), 1), KW_ECRYPTO);
}

static void
wraps_and_bodies_do_not_move_between_notifications(void **state)
{
	uint8_t random[32] = {1};
	struct sealed other;
	struct kw_why why;
	struct frame a, b;

	(void)state;
	assert_int_equal(seal_notification(&other, w.sender, w.local, random, span_str("header"), span_str("Entwarnung"), true, w.sign_sk,
	                                   w.readers, 2, &why), KW_OK);
	assert_int_equal(reads(buf_span(&other.frame), wrap_of(&w.sealed, 0), 0), KW_ECRYPTO);
	assert_int_equal(frame_parse(&a, buf_span(&w.sealed.frame), FRAME_WHOLE, &why), KW_OK);
	assert_int_equal(frame_parse(&b, buf_span(&other.frame), FRAME_WHOLE, &why), KW_OK);
	assert_int_equal(a.body.len, b.body.len);
	memcpy(other.frame.p + b.head.len + 4, a.body.p, a.body.len);
	assert_int_equal(reads(buf_span(&other.frame), wrap_of(&other, 0), 0), KW_ECRYPTO);
	sealed_free(&other);
}

static void
two_content_keys_under_one_commitment_are_found_by_one_of_the_readers(void **state)
{
	/* A sender that wraps another key for the second reader: made of the same steps, with one lie. */
	uint8_t ctx[32], key[32], pair[32], eph_pk[32], eph_sk[32], plain[40];
	static const uint8_t nonce[24];
	struct kw_why why;
	struct frame f;
	uint64_t n;

	(void)state;
	crypto_box_keypair(eph_pk, eph_sk);
	memcpy(w.sealed.frame.p + 8 + strlen("header"), eph_pk, 32);
	assert_int_equal(frame_parse(&f, buf_span(&w.sealed.frame), FRAME_WHOLE, &why), KW_OK);
	step_context(ctx, f.to_ephemeral);
	randombytes_buf(plain, sizeof plain);
	assert_true(step_pair(pair, eph_sk, w.pk[0], eph_pk, w.pk[0]));
	step_wrap_key(key, pair, ctx, f.commitment, w.readers[0].node);
	crypto_aead_xchacha20poly1305_ietf_encrypt(w.sealed.wraps.p, NULL, plain, sizeof plain, NULL, 0, NULL, nonce, key);
	assert_int_equal(seal_open_wrap(&n, NULL, w.opener[0], &f, wrap_of(&w.sealed, 0), &why), KW_ECRYPTO);
	assert_non_null(strstr(why.text, "committed"));
}

static void
weak_ephemeral_and_reader_keys_are_refused(void **state)
{
	static const uint8_t zero[32], order8[32] = {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
	                                             0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00};
	const uint8_t *weak[] = {zero, order8};
	struct sealed other;
	uint8_t random[32] = {2};
	struct kw_why why;
	struct frame f;
	uint64_t n;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct seal_reader r = {"city/public-order", weak[i], 1};

		memcpy(w.sealed.frame.p + 8 + strlen("header"), weak[i], 32);
		assert_int_equal(frame_parse(&f, buf_span(&w.sealed.frame), FRAME_WHOLE, &why), KW_OK);
		assert_int_equal(seal_open_wrap(&n, NULL, w.opener[0], &f, wrap_of(&w.sealed, 0), &why), KW_ECRYPTO);
		assert_non_null(strstr(why.text, "weak"));
		assert_int_equal(seal_notification(&other, w.sender, w.local, random, span_str("h"), span_str("p"), true, w.sign_sk, &r, 1, &why),
		                 KW_ECRYPTO);
		assert_non_null(strstr(why.text, "city/public-order"));
	}
}

static void
a_signature_of_another_kind_or_key_or_with_s_plus_l_does_not_hold(void **state)
{
	static const uint8_t L[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
	uint8_t sig[64], pk[32], sk[64];
	struct kw_why why;
	struct frame f;
	unsigned carry = 0;

	(void)state;
	assert_int_equal(frame_parse(&f, buf_span(&w.sealed.frame), FRAME_WHOLE, &why), KW_OK);
	for (int label = LABEL_SIGN_NOTIFICATION; label <= LABEL_SIGN_KEY; label++) {
		assert_true(seal_sign(sig, (enum label)label, f.signed_part, w.sign_sk));
		assert_true(seal_verify(sig, LABEL_SIGN_NOTIFICATION, f.signed_part, w.sign_pk) == (label == LABEL_SIGN_NOTIFICATION));
	}
	crypto_sign_keypair(pk, sk);
	assert_int_equal(seal_check_signature(&f, pk, &why), KW_ECRYPTO);
	memcpy(sig, f.signature, 64);
	for (unsigned i = 0; i < 32; i++) {
		carry += (unsigned)sig[32 + i] + L[i];
		sig[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	assert_false(seal_verify(sig, LABEL_SIGN_NOTIFICATION, f.signed_part, w.sign_pk));
}

static void
a_broken_random_source_alone_breaks_nothing(void **state)
{
	static const uint8_t stuck[32];
	struct seal_sender *a, *b;
	struct sealed one, two;
	struct kw_why why;

	(void)state;
	assert_int_equal(seal_sender_new(&a, w.local, stuck, 5, 1), KW_OK);
	assert_int_equal(seal_sender_new(&b, w.local, stuck, 5, 2), KW_OK);
	assert_memory_not_equal(seal_sender_public(a), seal_sender_public(b), 32);
	assert_int_equal(seal_notification(&one, a, w.local, stuck, span_str("h"), span_str("one"), true, w.sign_sk, w.readers, 2, &why), KW_OK);
	assert_int_equal(seal_notification(&two, a, w.local, stuck, span_str("h"), span_str("two"), true, w.sign_sk, w.readers, 2, &why), KW_OK);
	/* the commitment is a function of the content key: other commitment, other key */
	assert_memory_not_equal(one.frame.p + 8 + 1 + 32, two.frame.p + 8 + 1 + 32, 32);
	sealed_free(&one);
	sealed_free(&two);
	seal_sender_free(&a);
	seal_sender_free(&b);
}

/* Seals a padded payload of the test's own making, with a valid key, commitment and signature. */
static enum kw_err
opens_padded(struct span padded)
{
	uint8_t ctx[32], k[32] = {9}, key[32];
	struct buf body = BUF_INIT(KW_FRAME_MAX * 2), payload = BUF_INIT(KW_OPENED_MAX + 1);
	static const uint8_t nonce[24];
	struct kw_why why;
	struct frame f;
	uint8_t *at;
	enum kw_err err;

	assert_int_equal(frame_parse(&f, buf_span(&w.sealed.frame), FRAME_WHOLE, &why), KW_OK);
	step_context(ctx, f.to_ephemeral);
	step_body_key(key, k, ctx);
	at = buf_reserve(&body, padded.len + 16);
	assert_non_null(at);
	crypto_aead_xchacha20poly1305_ietf_encrypt(at, NULL, padded.p, padded.len, NULL, 0, NULL, nonce, key);
	f.body = span_of(at, padded.len + 16);
	err = seal_open_body(&payload, k, &f, &why);
	buf_free(&body);
	buf_free(&payload);
	return err;
}

static void
padding_of_another_size_or_with_stray_bits_or_length_is_refused(void **state)
{
	uint8_t padded[512] = {0};

	(void)state;
	be32_put(padded + 1, 3);
	assert_int_equal(opens_padded(span_of(padded, 256)), KW_OK);
	assert_int_equal(opens_padded(span_of(padded, 255)), KW_ECRYPTO);
	assert_int_equal(opens_padded(span_of(padded, 272)), KW_ECRYPTO); /* three bytes pad to 256 */
	padded[255] = 1;
	assert_int_equal(opens_padded(span_of(padded, 256)), KW_ECRYPTO);
	padded[255] = 0;
	padded[0] = 2;
	assert_int_equal(opens_padded(span_of(padded, 256)), KW_ECRYPTO);
	padded[0] = 0;
	be32_put(padded + 1, 252);
	assert_int_equal(opens_padded(span_of(padded, 256)), KW_ECRYPTO);
}

static void
a_compressed_bomb_is_refused_by_its_size(void **state)
{
	size_t len = KW_OPENED_MAX + 1;
	uint8_t *zeros = calloc(1, len), packed[8192], padded[8192] = {PADDED_ZSTD};
	size_t n, padded_len;

	(void)state;
	assert_non_null(zeros);
	n = ZSTD_compress(packed, sizeof packed, zeros, len, 3);
	assert_false(ZSTD_isError(n));
	padded_len = seal_padded_len(n);
	be32_put(padded + 1, (uint32_t)n);
	memcpy(padded + PADDED_HEAD, packed, n);
	assert_int_equal(opens_padded(span_of(padded, padded_len)), KW_ELIMIT);
	memset(padded + 1, 0, sizeof padded - 1);
	n = ZSTD_compress(packed, sizeof packed, zeros, KW_OPENED_MAX, 3);
	padded_len = seal_padded_len(n);
	be32_put(padded + 1, (uint32_t)n);
	memcpy(padded + PADDED_HEAD, packed, n);
	assert_int_equal(opens_padded(span_of(padded, padded_len)), KW_OK);
	free(zeros);
}

static void
a_body_of_the_largest_size_goes_and_one_more_is_refused(void **state)
{
	size_t most = 1;
	uint8_t *noise, random[32] = {3};
	struct sealed s;
	struct kw_why why;

	(void)state;
	while (seal_padded_len(most + 1) + 16 <= KW_BODY_MAX)
		most++;
	noise = malloc(most + 1);
	assert_non_null(noise);
	randombytes_buf(noise, most + 1);
	assert_int_equal(seal_notification(&s, w.sender, w.local, random, span_str("h"), span_of(noise, most), true, w.sign_sk, w.readers, 2, &why),
	                 KW_OK);
	sealed_free(&s);
	assert_int_equal(seal_notification(&s, w.sender, w.local, random, span_str("h"), span_of(noise, most + 1), true, w.sign_sk, w.readers, 2,
	                                   &why), KW_ELIMIT);
	assert_non_null(strstr(why.text, "262144"));
	free(noise);
}

static void
many_ephemeral_keys_do_not_grow_the_readers_cache(void **state)
{
	struct kw_why why;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		uint8_t random[32] = {(uint8_t)i};
		struct seal_sender *s;
		struct sealed sealed;

		assert_int_equal(seal_sender_new(&s, w.local, random, 1, i), KW_OK);
		assert_int_equal(seal_notification(&sealed, s, w.local, random, span_str("h"), span_str("p"), true, w.sign_sk, w.readers, 2, &why),
		                 KW_OK);
		assert_int_equal(reads(buf_span(&sealed.frame), wrap_of(&sealed, 0), 0), KW_OK);
		sealed_free(&sealed);
		seal_sender_free(&s);
	}
	assert_int_equal(reads(buf_span(&w.sealed.frame), wrap_of(&w.sealed, 0), 0), KW_OK);
}

static void
what_is_stored_opens_under_its_own_id_alone(void **state)
{
	struct buf out = BUF_INIT(4096), back = BUF_INIT(4096);
	uint8_t nonce[24] = {1};
	struct kw_why why;

	(void)state;
	assert_int_equal(seal_store(&out, w.local, nonce, span_str("id-1"), span_str("content")), KW_OK);
	assert_int_equal(seal_unstore(&back, w.local, span_str("id-1"), buf_span(&out), &why), KW_OK);
	assert_true(span_eq(buf_span(&back), span_str("content")));
	buf_reset(&back);
	assert_int_equal(seal_unstore(&back, w.local, span_str("id-2"), buf_span(&out), &why), KW_ECORRUPT);
	assert_int_equal(seal_unstore(&back, w.sign_pk, span_str("id-1"), buf_span(&out), &why), KW_ECORRUPT);
	for (size_t len = 0; len < out.len; len++)
		assert_int_equal(seal_unstore(&back, w.local, span_str("id-1"), span_of(out.p, len), &why), KW_ECORRUPT);
	buf_free(&out);
	buf_free(&back);
}

static void
labels_are_distinct_and_ids_read_back(void **state)
{
	uint8_t id[16], back[16], random[10];
	char text[37];

	(void)state;
	for (int a = 0; a < LABEL_COUNT; a++)
		for (int b = 0; b < a; b++)
			assert_false(span_eq(label_bytes((enum label)a), label_bytes((enum label)b)));
	randombytes_buf(random, sizeof random);
	kw_id_make(id, 1795000000000, random);
	assert_int_equal(id[6] >> 4, 7);
	assert_int_equal(id[8] >> 6, 2);
	kw_id_text(text, id);
	assert_true(kw_id_parse(back, text));
	assert_memory_equal(id, back, 16);
	text[8] = '0';
	assert_false(kw_id_parse(back, text));
}

#define ATTACK(f) cmocka_unit_test_setup_teardown(f, world_make, world_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(padme_sizes_are_the_vectors),
		cmocka_unit_test(every_value_of_every_vector_is_reproduced),
		ATTACK(every_flipped_bit_of_frame_and_wrap_is_refused),
		ATTACK(every_truncation_and_one_byte_more_is_refused),
		ATTACK(another_readers_wrap_does_not_open),
		ATTACK(wraps_and_bodies_do_not_move_between_notifications),
		ATTACK(two_content_keys_under_one_commitment_are_found_by_one_of_the_readers),
		ATTACK(weak_ephemeral_and_reader_keys_are_refused),
		ATTACK(a_signature_of_another_kind_or_key_or_with_s_plus_l_does_not_hold),
		ATTACK(a_broken_random_source_alone_breaks_nothing),
		ATTACK(padding_of_another_size_or_with_stray_bits_or_length_is_refused),
		ATTACK(a_compressed_bomb_is_refused_by_its_size),
		ATTACK(a_body_of_the_largest_size_goes_and_one_more_is_refused),
		ATTACK(many_ephemeral_keys_do_not_grow_the_readers_cache),
		ATTACK(what_is_stored_opens_under_its_own_id_alone),
		cmocka_unit_test(labels_are_distinct_and_ids_read_back),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("seal", tests, NULL, NULL);
}
