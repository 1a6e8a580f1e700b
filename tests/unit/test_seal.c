/* Suite 1: the vectors to the last byte, and everything a broker or a sender might try instead. [S-n] is docs/protocol.md. */
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

/* Every value on the way to the commitment, each from the vector's own inputs. */
static void
check_values_between(const json_t *out, const uint8_t hedge[32], const uint8_t random[32], const struct frame *f, struct span payload)
{
	struct buf padded = BUF_INIT(KW_BODY_MAX);
	uint8_t ctx[32], key[32], v[32];

	step_context(ctx, f->to_ephemeral);
	must_be(out, "context", ctx, 32);
	assert_int_equal(step_pad(&padded, PADDED_PLAIN, payload), KW_OK);
	must_be(out, "padded_payload", padded.p, padded.len);
	step_content_key(key, hedge, random, ctx, buf_span(&padded));
	must_be(out, "content_key", key, 32);
	step_commitment(v, key, ctx);
	must_be(out, "commitment", v, 32);
	step_body_hash(v, f->body);
	must_be(out, "body_hash", v, 32);
	seal_frame_hash(v, f);
	must_be(out, "frame_hash", v, 32);
	buf_free(&padded);
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
		must_be(out, "content_key", key, 32);
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
	check_values_between(out, hedge, rc.p, &f, span_of(payload.p, payload.len));
	assert_int_equal(sealed.wraps.len, n * KW_WRAP_LEN);
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

/* [S-6] and everything on the way to it */
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

/* What a lying sender can do and a broker cannot: sign whatever the frame now holds. */
static void
sign_again(const struct frame *f)
{
	uint8_t *sig = w.sealed.frame.p + (f->signature - w.sealed.frame.p);

	assert_true(seal_sign(sig, LABEL_SIGN_NOTIFICATION, f->signed_part, w.sign_sk));
}

/* [S-12] The signature finds every flipped bit first. Here it is made anew each time, so that the checks behind it are seen to hold. */
static void
what_was_flipped_and_signed_again_is_refused_by_the_checks_behind(void **state)
{
	struct buf *b = &w.sealed.frame;
	struct kw_why why;
	struct frame f;

	(void)state;
	assert_int_equal(frame_parse(&f, buf_span(b), FRAME_WHOLE, &why), KW_OK);
	for (size_t at = (size_t)(f.header.p - b->p); at < (size_t)(f.signature - b->p); at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			b->p[at] ^= (uint8_t)(1u << bit);
			sign_again(&f);
			assert_int_equal(seal_check_signature(&f, w.sign_pk, &why), KW_OK);
			assert_int_equal(reads(buf_span(b), wrap_of(&w.sealed, 0), 0), KW_ECRYPTO);
			b->p[at] ^= (uint8_t)(1u << bit);
		}
	}
	sign_again(&f);
	assert_int_equal(reads(buf_span(b), wrap_of(&w.sealed, 0), 0), KW_OK);
}

static void
a_flipped_body_with_a_fitting_hash_does_not_open(void **state)
{
	struct buf payload = BUF_INIT(KW_OPENED_MAX);
	struct kw_why why;
	struct frame f;
	uint8_t key[32];
	uint64_t n;

	(void)state;
	assert_int_equal(frame_parse(&f, buf_span(&w.sealed.frame), FRAME_WHOLE, &why), KW_OK);
	assert_int_equal(seal_open_wrap(&n, key, w.opener[0], &f, wrap_of(&w.sealed, 0), &why), KW_OK);
	for (size_t bit = 0; bit < f.body.len * 8; bit++) {
		uint8_t *at = w.sealed.frame.p + (f.body.p - w.sealed.frame.p) + bit / 8;

		*at ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(seal_check_body_hash(&f, &why), KW_ECRYPTO);
		assert_int_equal(seal_open_body(&payload, key, &f, &why), KW_ECRYPTO);
		*at ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(payload.len, 0);
	key[31] ^= 1;
	assert_int_equal(seal_open_body(&payload, key, &f, &why), KW_ECRYPTO);
	buf_free(&payload);
}

/* [S-3] Same sender, same ephemeral key, same readers: only the header differs, and nothing fits under the other one. */
static void
another_header_does_not_fit_even_when_signed(void **state)
{
	struct buf *b = &w.sealed.frame;
	uint8_t random[32] = {4};
	struct sealed other;
	struct kw_why why;
	struct frame f;

	(void)state;
	assert_int_equal(seal_notification(&other, w.sender, w.local, random, span_str("hEader"), span_str("Hochwasser"), true, w.sign_sk,
	                                   w.readers, 2, &why), KW_OK);
	assert_int_equal(other.frame.len, b->len);
	memcpy(b->p + 8, "hEader", 6);
	assert_int_equal(reads(buf_span(b), wrap_of(&w.sealed, 0), 0), KW_ECRYPTO);
	assert_int_equal(frame_parse(&f, buf_span(b), FRAME_WHOLE, &why), KW_OK);
	sign_again(&f);
	assert_int_equal(seal_check_signature(&f, w.sign_pk, &why), KW_OK);
	assert_int_equal(reads(buf_span(b), wrap_of(&w.sealed, 0), 0), KW_ECRYPTO);
	assert_int_equal(reads(buf_span(b), wrap_of(&other, 0), 0), KW_ECRYPTO);
	sealed_free(&other);
}

/* [S-11] */
static void
a_bare_head_gives_its_number(void **state)
{
	struct kw_why why;
	struct frame f;
	uint64_t n = 0;

	(void)state;
	assert_int_equal(frame_parse(&f, buf_span(&w.sealed.frame), FRAME_WHOLE, &why), KW_OK);
	assert_int_equal(frame_parse(&f, f.head, FRAME_BARE, &why), KW_OK);
	assert_int_equal(seal_check_signature(&f, w.sign_pk, &why), KW_OK);
	assert_int_equal(seal_open_wrap(&n, NULL, w.opener[1], &f, wrap_of(&w.sealed, 1), &why), KW_OK);
	assert_int_equal(n, 8);
}

static void
another_readers_wrap_does_not_open(void **state)
{
	(void)state;
	assert_int_equal(reads(buf_span(&w.sealed.frame), wrap_of(&w.sealed, 1), 0), KW_ECRYPTO);
	assert_int_equal(reads(buf_span(&w.sealed.frame), wrap_of(&w.sealed, 0), 1), KW_ECRYPTO);
}

static void
a_wrap_opens_for_the_node_it_names_alone_though_the_key_is_the_same(void **state)
{
	struct seal_opener *renamed;
	struct kw_why why;
	struct frame f;
	uint64_t n;

	(void)state;
	assert_int_equal(seal_opener_new(&renamed, "city/public-orders", w.pk[0], w.sk[0], 1), KW_OK);
	assert_int_equal(frame_parse(&f, buf_span(&w.sealed.frame), FRAME_WHOLE, &why), KW_OK);
	assert_int_equal(seal_open_wrap(&n, NULL, renamed, &f, wrap_of(&w.sealed, 0), &why), KW_ECRYPTO);
	seal_opener_free(&renamed);
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

/* [S-9] A sender that commits to the first key and wraps another for the second reader; the frame is signed and all else holds. */
static void
two_content_keys_are_found_by_one_of_the_readers(void **state)
{
	uint8_t ctx[32], keys[2][32], pair[32], wrap_key[32], eph_pk[32], eph_sk[32], wraps[2][KW_WRAP_LEN];
	static const uint8_t nonce[24];
	struct kw_why why;
	struct frame f;
	uint64_t n;

	(void)state;
	crypto_box_keypair(eph_pk, eph_sk);
	randombytes_buf(keys, sizeof keys);
	memcpy(w.sealed.frame.p + 8 + strlen("header"), eph_pk, 32);
	assert_int_equal(frame_parse(&f, buf_span(&w.sealed.frame), FRAME_WHOLE, &why), KW_OK);
	step_context(ctx, f.to_ephemeral);
	for (unsigned committed = 0; committed < 2; committed++) {
		step_commitment(w.sealed.frame.p + (f.commitment - w.sealed.frame.p), keys[committed], ctx);
		sign_again(&f);
		assert_int_equal(seal_check_signature(&f, w.sign_pk, &why), KW_OK);
		for (unsigned i = 0; i < 2; i++) {
			uint8_t plain[40] = {0};

			memcpy(plain, keys[i], 32);
			assert_true(step_pair(pair, eph_sk, w.pk[i], eph_pk, w.pk[i]));
			step_wrap_key(wrap_key, pair, ctx, f.commitment, w.readers[i].node);
			crypto_aead_xchacha20poly1305_ietf_encrypt(wraps[i], NULL, plain, sizeof plain, NULL, 0, NULL, nonce, wrap_key);
		}
		assert_int_equal(seal_open_wrap(&n, NULL, w.opener[committed], &f, span_of(wraps[committed], KW_WRAP_LEN), &why), KW_OK);
		assert_int_equal(seal_open_wrap(&n, NULL, w.opener[!committed], &f, span_of(wraps[!committed], KW_WRAP_LEN), &why), KW_ECRYPTO);
		assert_non_null(strstr(why.text, "committed"));
	}
}

static void
weak_ephemeral_and_reader_keys_are_refused(void **state)
{
	/* the points of small order in every form of 255 bits: RFC 7748 lets a receiver take those past the prime too */
	static const char *const weak[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	struct sealed other;
	uint8_t random[32] = {2};
	struct kw_why why;
	struct frame f;
	uint64_t n;

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof weak / sizeof weak[0]; i++) {
		uint8_t point[32];
		struct seal_reader r = {"city/public-order", point, 1};

		assert_true(text_hex(point, sizeof point, weak[i / 2]));
		point[31] |= (uint8_t)(i % 2 << 7); /* the bit that X25519 does not look at */
		memcpy(w.sealed.frame.p + 8 + strlen("header"), point, 32);
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
a_signing_key_of_small_order_signs_nothing(void **state)
{
	/* under the neutral element as key, R = neutral element and S = 0 would hold for every text */
	static const uint8_t neutral[32] = {1};
	uint8_t sig[64] = {1};

	(void)state;
	assert_false(seal_verify(sig, LABEL_SIGN_NOTIFICATION, span_str("any"), neutral));
	assert_false(seal_verify(sig, LABEL_SIGN_NOTIFICATION, span_str("any"), w.sign_pk));
	memset(sig, 0, sizeof sig);
	assert_false(seal_verify(sig, LABEL_SIGN_NOTIFICATION, span_str("any"), w.sign_pk));
}

/* [S-4], [S-5] */
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
	sealed_free(&two);
	/* random source, clock and counter all stand still, as after a restart of a copied machine */
	seal_sender_free(&b);
	assert_int_equal(seal_sender_new(&b, w.local, stuck, 5, 1), KW_OK);
	assert_memory_equal(seal_sender_public(a), seal_sender_public(b), 32);
	assert_int_equal(seal_notification(&two, b, w.local, stuck, span_str("h"), span_str("two"), true, w.sign_sk, w.readers, 2, &why), KW_OK);
	assert_memory_not_equal(one.frame.p + 8 + 1 + 32, two.frame.p + 8 + 1 + 32, 32);
	sealed_free(&two);
	/* another machine's local secret is enough for another ephemeral key */
	seal_sender_free(&b);
	assert_int_equal(seal_sender_new(&b, w.sign_pk, stuck, 5, 1), KW_OK);
	assert_memory_not_equal(seal_sender_public(a), seal_sender_public(b), 32);
	sealed_free(&one);
	seal_sender_free(&a);
	seal_sender_free(&b);
}

/* Opens a padded payload of the test's own making, sealed under a content key of the test. *taken: memory the payload took. */
static enum kw_err
opens_padded_taking(size_t *taken, struct span padded)
{
	uint8_t ctx[32], k[32] = {9}, key[32];
	struct buf body = BUF_INIT(KW_FRAME_MAX * 2), payload = BUF_INIT(KW_OPENED_MAX);
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
	*taken = payload.cap;
	assert_true(err == KW_OK || payload.len == 0);
	buf_free(&body);
	buf_free(&payload);
	return err;
}

static enum kw_err
opens_padded(struct span padded)
{
	size_t taken;

	return opens_padded_taking(&taken, padded);
}

/* The same with a compressed content. */
static enum kw_err
opens_packed(size_t *taken, struct span packed)
{
	struct buf padded = BUF_INIT(KW_BODY_MAX);
	enum kw_err err;

	assert_int_equal(step_pad(&padded, PADDED_ZSTD, packed), KW_OK);
	err = opens_padded_taking(taken, buf_span(&padded));
	buf_free(&padded);
	return err;
}

/* [S-7] */
static void
padding_of_another_size_or_with_stray_bits_or_length_is_refused(void **state)
{
	uint8_t padded[512] = {0};

	(void)state;
	be32_put(padded + 1, 3);
	assert_int_equal(opens_padded(span_of(padded, 256)), KW_OK);
	assert_int_equal(opens_padded(span_of(padded, 255)), KW_ECRYPTO);
	assert_int_equal(opens_padded(span_of(padded, 272)), KW_ECRYPTO); /* three bytes pad to 256 */
	for (size_t at = PADDED_HEAD + 3; at < 256; at++) {
		padded[at] = 1;
		assert_int_equal(opens_padded(span_of(padded, 256)), KW_ECRYPTO);
		padded[at] = 0;
	}
	padded[0] = 2;
	assert_int_equal(opens_padded(span_of(padded, 256)), KW_ECRYPTO);
	padded[0] = 0;
	be32_put(padded + 1, 252);
	assert_int_equal(opens_padded(span_of(padded, 256)), KW_ECRYPTO);
	be32_put(padded + 1, UINT32_MAX);
	assert_int_equal(opens_padded(span_of(padded, 256)), KW_ECRYPTO);
	be32_put(padded + 1, 251);
	assert_int_equal(opens_padded(span_of(padded, 256)), KW_OK);
	assert_int_equal(opens_padded(span_of(padded, 272)), KW_ECRYPTO);
}

/* [S-8] What it claims decides before anything is taken; the largest content itself opens. */
static void
a_compressed_bomb_is_refused_by_its_size(void **state)
{
	uint8_t *zeros = calloc(1, KW_OPENED_MAX + 1u), packed[8192];
	size_t n, taken;

	(void)state;
	assert_non_null(zeros);
	n = ZSTD_compress(packed, sizeof packed, zeros, KW_OPENED_MAX + 1u, 3);
	assert_false(ZSTD_isError(n));
	assert_int_equal(opens_packed(&taken, span_of(packed, n)), KW_ELIMIT);
	assert_int_equal(taken, 0);
	n = ZSTD_compress(packed, sizeof packed, zeros, KW_OPENED_MAX, 3);
	assert_false(ZSTD_isError(n));
	assert_int_equal(opens_packed(&taken, span_of(packed, n)), KW_OK);
	free(zeros);
}

/* A zstd frame whose header claims one size and whose single run-length block gives another: RFC 8878, section 3.1.1. */
static size_t
lying_zstd(uint8_t out[13], uint32_t claims, uint32_t gives)
{
	static const uint8_t start[5] = {0x28, 0xB5, 0x2F, 0xFD, 0xA0}; /* single segment, size in 4 bytes */
	uint32_t block = gives << 3 | 1u << 1 | 1u;

	memcpy(out, start, sizeof start);
	for (unsigned i = 0; i < 4; i++)
		out[5 + i] = (uint8_t)(claims >> 8 * i);
	for (unsigned i = 0; i < 3; i++)
		out[9 + i] = (uint8_t)(block >> 8 * i);
	out[12] = 'x';
	return 13;
}

static void
compressed_content_gives_what_it_claims_or_is_refused(void **state)
{
	uint8_t packed[64];
	size_t n, taken;

	(void)state;
	n = lying_zstd(packed, 1000, 1000);
	assert_int_equal(opens_packed(&taken, span_of(packed, n)), KW_OK);
	n = lying_zstd(packed, 1000, 100000);
	assert_int_equal(opens_packed(&taken, span_of(packed, n)), KW_ECRYPTO);
	assert_true(taken <= 4096);
	n = lying_zstd(packed, 1000, 999);
	assert_int_equal(opens_packed(&taken, span_of(packed, n)), KW_ECRYPTO);
	n = lying_zstd(packed, KW_OPENED_MAX + 1u, 1000);
	assert_int_equal(opens_packed(&taken, span_of(packed, n)), KW_ELIMIT);
	assert_int_equal(taken, 0);
	n = lying_zstd(packed, UINT32_MAX, 1000);
	assert_int_equal(opens_packed(&taken, span_of(packed, n)), KW_ELIMIT);
	n = lying_zstd(packed, 1000, 1000);
	assert_int_equal(opens_packed(&taken, span_of(packed, n + 1)), KW_ECRYPTO); /* something behind it */
	assert_int_equal(opens_packed(&taken, span_of(packed, n - 1)), KW_ECRYPTO);
	assert_int_equal(ZSTD_compress(packed + n, sizeof packed - n, "", 0, 3), 9); /* a second frame that adds nothing */
	assert_int_equal(opens_packed(&taken, span_of(packed, n + 9)), KW_ECRYPTO);
}

static void
content_is_compressed_where_that_makes_it_smaller_and_where_it_may(void **state)
{
	static const char *const sentence = "Wer am Neckar wohnt, bringt Fahrzeuge aus den Tiefgaragen. ";
	struct buf text = BUF_INIT(65536);
	uint8_t random[32] = {8}, noise[2000];
	struct sealed s;
	struct kw_why why;

	(void)state;
	while (text.len < 2000)
		buf_put_str(&text, sentence);
	randombytes_buf(noise, sizeof noise);
	for (unsigned i = 0; i < 3; i++) {
		struct span content = i < 2 ? buf_span(&text) : span_of(noise, sizeof noise);
		struct frame f;

		assert_int_equal(seal_notification(&s, w.sender, w.local, random, span_str("h"), content, i != 1, w.sign_sk, w.readers, 2, &why),
		                 KW_OK);
		assert_int_equal(frame_parse(&f, buf_span(&s.frame), FRAME_WHOLE, &why), KW_OK);
		assert_int_equal(f.body.len, (i == 0 ? 256 : seal_padded_len(content.len)) + 16);
		sealed_free(&s);
	}
	buf_free(&text);
}

static void
what_is_no_plain_zstd_frame_is_refused(void **state)
{
	static const uint8_t skippable[12] = {0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 'x', 'x', 'x', 'x'};
	static const uint8_t old[12] = {0x27, 0xB5, 0x2F, 0xFD};
	ZSTD_CCtx *c = ZSTD_createCCtx();
	uint8_t packed[256];
	size_t n, taken;

	(void)state;
	assert_int_equal(opens_packed(&taken, span_of(skippable, sizeof skippable)), KW_ECRYPTO);
	assert_int_equal(opens_packed(&taken, span_of(old, sizeof old)), KW_ECRYPTO);
	assert_int_equal(opens_packed(&taken, span_of(old, 3)), KW_ECRYPTO);
	assert_int_equal(opens_packed(&taken, span_of(old, 0)), KW_ECRYPTO);
	assert_non_null(c);
	assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0)));
	n = ZSTD_compress2(c, packed, sizeof packed, "Hochwasser", 10);
	assert_false(ZSTD_isError(n));
	assert_int_equal(opens_packed(&taken, span_of(packed, n)), KW_ECRYPTO); /* does not tell its size */
	assert_int_equal(taken, 0);
	ZSTD_freeCCtx(c);
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
	noise = calloc(1, KW_OPENED_MAX + 1); /* which would compress to next to nothing */
	assert_non_null(noise);
	assert_int_equal(seal_notification(&s, w.sender, w.local, random, span_str("h"), span_of(noise, KW_OPENED_MAX + 1), true, w.sign_sk, w.readers, 2,
	                                   &why), KW_ELIMIT);
	assert_string_equal(why.text, "the payload has 8388609 bytes, at most 8388608 are allowed");
	free(noise);
}

/* [S-7], [S-8] Contents of every size and texture come back as they were. */
static void
whatever_is_sealed_opens_to_the_same(void **state)
{
	uint8_t *content = malloc(70000), random[32] = {5};
	struct kw_why why;

	(void)state;
	assert_non_null(content);
	for (unsigned i = 0; i < 60; i++) {
		struct buf opened = BUF_INIT(KW_OPENED_MAX);
		size_t len = i < 10 ? i : randombytes_uniform(i < 40 ? 1200 : 70000);
		struct sealed s;
		struct frame f;
		uint8_t key[32];
		uint64_t n;

		randombytes_buf(content, len);
		if (i % 2 == 0)
			memset(content + len / 8, 'a', len - len / 8);
		assert_int_equal(seal_notification(&s, w.sender, w.local, random, span_str("h"), span_of(content, len), i % 3 != 0, w.sign_sk,
		                                   w.readers, 2, &why), KW_OK);
		assert_int_equal(frame_parse(&f, buf_span(&s.frame), FRAME_WHOLE, &why), KW_OK);
		assert_true(f.body.len <= seal_padded_len(len) + 16);
		assert_int_equal(seal_open_wrap(&n, key, w.opener[0], &f, wrap_of(&s, 0), &why), KW_OK);
		assert_int_equal(seal_open_body(&opened, key, &f, &why), KW_OK);
		assert_true(span_eq(buf_span(&opened), span_of(content, len)));
		buf_free(&opened);
		sealed_free(&s);
	}
	free(content);
}

/* [S-10] Opener 0 keeps two pairs: the least recently used goes, and nothing of it stays. */
static void
the_pair_used_longest_ago_is_wiped_from_the_readers_cache(void **state)
{
	uint8_t random[32] = {6}, pair[3][32], eph[3][32];
	struct seal_sender *s[3];
	struct sealed sealed[3];
	struct kw_why why;
	struct frame f;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(seal_sender_new(&s[i], w.local, random, 1, 100 + i), KW_OK);
		assert_int_equal(seal_notification(&sealed[i], s[i], w.local, random, span_str("h"), span_str("p"), true, w.sign_sk, w.readers, 2,
		                                   &why), KW_OK);
		assert_int_equal(frame_parse(&f, buf_span(&sealed[i].frame), FRAME_WHOLE, &why), KW_OK);
		memcpy(eph[i], f.ephemeral, 32);
		assert_true(step_pair(pair[i], w.sk[0], eph[i], eph[i], w.pk[0]));
	}
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(reads(buf_span(&sealed[i].frame), wrap_of(&sealed[i], 0), 0), KW_OK);
	assert_true(step_opener_holds(w.opener[0], pair[0]) && step_opener_holds(w.opener[0], pair[1]));
	assert_int_equal(reads(buf_span(&sealed[0].frame), wrap_of(&sealed[0], 0), 0), KW_OK); /* now 1 was used longest ago */
	assert_int_equal(reads(buf_span(&sealed[2].frame), wrap_of(&sealed[2], 0), 0), KW_OK);
	assert_true(step_opener_holds(w.opener[0], pair[0]) && step_opener_holds(w.opener[0], pair[2]));
	assert_false(step_opener_holds(w.opener[0], pair[1]));
	assert_false(step_opener_holds(w.opener[0], eph[1]));
	assert_int_equal(reads(buf_span(&sealed[1].frame), wrap_of(&sealed[1], 0), 0), KW_OK);
	for (unsigned i = 0; i < 3; i++) {
		sealed_free(&sealed[i]);
		seal_sender_free(&s[i]);
	}
}

/* One sender's key within its hour, more readers' keys than it keeps: it begins again and stays right. */
static void
more_reader_keys_than_the_sender_keeps_are_sealed_to_all_the_same(void **state)
{
	uint8_t random[32] = {7}, (*pk)[32] = calloc(KW_NODES_MAX, 32), sk[32];
	struct seal_reader *many = calloc(KW_NODES_MAX, sizeof *many);
	struct sealed s;
	struct kw_why why;

	(void)state;
	assert_non_null(pk);
	assert_non_null(many);
	for (unsigned i = 0; i < KW_NODES_MAX; i++) {
		memset(sk, 0, sizeof sk);
		be32_put(sk + 4, i + 1);
		assert_int_equal(crypto_scalarmult_base(pk[i], sk), 0);
		many[i] = (struct seal_reader){"city/public-order", pk[i], i + 1};
	}
	/* two keys stand there already, from the world */
	assert_int_equal(seal_notification(&s, w.sender, w.local, random, span_str("h"), span_str("p"), true, w.sign_sk, many, KW_NODES_MAX, &why),
	                 KW_OK);
	assert_int_equal(s.wraps.len, KW_NODES_MAX * KW_WRAP_LEN);
	assert_true(step_sender_pairs(w.sender) <= KW_NODES_MAX);
	for (unsigned i = 0; i < KW_NODES_MAX; i += 819) {
		struct seal_opener *o;
		struct frame f;
		uint64_t n;

		memset(sk, 0, sizeof sk);
		be32_put(sk + 4, i + 1);
		assert_int_equal(seal_opener_new(&o, "city/public-order", pk[i], sk, 1), KW_OK);
		assert_int_equal(frame_parse(&f, buf_span(&s.frame), FRAME_WHOLE, &why), KW_OK);
		assert_int_equal(seal_open_wrap(&n, NULL, o, &f, wrap_of(&s, i), &why), KW_OK);
		assert_int_equal(n, i + 1);
		seal_opener_free(&o);
	}
	sealed_free(&s);
	assert_int_equal(seal_notification(&s, w.sender, w.local, random, span_str("h"), span_str("p"), true, w.sign_sk, w.readers, 2, &why), KW_OK);
	assert_int_equal(reads(buf_span(&s.frame), wrap_of(&s, 0), 0), KW_OK);
	sealed_free(&s);
	free(many);
	free(pk);
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

/* [S-13] */
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
	for (size_t bit = 0; bit < out.len * 8; bit++) {
		out.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(seal_unstore(&back, w.local, span_str("id-1"), buf_span(&out), &why), KW_ECORRUPT);
		out.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(back.len, 0);
	buf_reset(&out);
	assert_int_equal(seal_store(&out, w.local, nonce, span_str("id-1"), span_of(NULL, 0)), KW_OK);
	assert_int_equal(seal_unstore(&back, w.local, span_str("id-1"), buf_span(&out), &why), KW_OK);
	assert_int_equal(back.len, 0);
	buf_free(&out);
	buf_free(&back);
}

/* [S-1] */
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

static void
a_piece_means_an_id_by_its_beginning_its_end_or_what_lists_show_of_it(void **state)
{
	static const char id[] = "01a22f11-98c7-7b86-8ef3-6a66b880aa75";

	(void)state;
	assert_true(kw_id_meant(id, "01a2"));
	assert_true(kw_id_meant(id, "01A22F11-98c7"));
	assert_true(kw_id_meant(id, "aa75"));
	assert_true(kw_id_meant(id, "8ef3-6A66B880AA75"));
	assert_true(kw_id_meant(id, "b880aa75"));
	assert_true(kw_id_meant(id, "B880"));
	assert_true(kw_id_meant(id, "b880aa7"));
	assert_true(kw_id_meant(id, id));
	assert_false(kw_id_meant(id, "a75"));
	assert_false(kw_id_meant(id, "b88"));
	assert_false(kw_id_meant(id, "98c7"));
	assert_false(kw_id_meant(id, "880aa7"));
	assert_false(kw_id_meant(id, ""));
	assert_false(kw_id_meant(id, "01a22f11-98c7-7b86-8ef3-6a66b880aa751"));
	assert_false(kw_id_meant("", "01a2"));
}

#define ATTACK(f) cmocka_unit_test_setup_teardown(f, world_make, world_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(padme_sizes_are_the_vectors),
		cmocka_unit_test(every_value_of_every_vector_is_reproduced),
		cmocka_unit_test(a_piece_means_an_id_by_its_beginning_its_end_or_what_lists_show_of_it),
		ATTACK(every_flipped_bit_of_frame_and_wrap_is_refused),
		ATTACK(every_truncation_and_one_byte_more_is_refused),
		ATTACK(what_was_flipped_and_signed_again_is_refused_by_the_checks_behind),
		ATTACK(a_flipped_body_with_a_fitting_hash_does_not_open),
		ATTACK(another_header_does_not_fit_even_when_signed),
		ATTACK(a_bare_head_gives_its_number),
		ATTACK(another_readers_wrap_does_not_open),
		ATTACK(a_wrap_opens_for_the_node_it_names_alone_though_the_key_is_the_same),
		ATTACK(wraps_and_bodies_do_not_move_between_notifications),
		ATTACK(two_content_keys_are_found_by_one_of_the_readers),
		ATTACK(weak_ephemeral_and_reader_keys_are_refused),
		ATTACK(a_signature_of_another_kind_or_key_or_with_s_plus_l_does_not_hold),
		ATTACK(a_signing_key_of_small_order_signs_nothing),
		ATTACK(a_broken_random_source_alone_breaks_nothing),
		ATTACK(padding_of_another_size_or_with_stray_bits_or_length_is_refused),
		ATTACK(a_compressed_bomb_is_refused_by_its_size),
		ATTACK(compressed_content_gives_what_it_claims_or_is_refused),
		ATTACK(what_is_no_plain_zstd_frame_is_refused),
		ATTACK(content_is_compressed_where_that_makes_it_smaller_and_where_it_may),
		ATTACK(a_body_of_the_largest_size_goes_and_one_more_is_refused),
		ATTACK(whatever_is_sealed_opens_to_the_same),
		ATTACK(the_pair_used_longest_ago_is_wiped_from_the_readers_cache),
		ATTACK(more_reader_keys_than_the_sender_keeps_are_sealed_to_all_the_same),
		ATTACK(many_ephemeral_keys_do_not_grow_the_readers_cache),
		ATTACK(what_is_stored_opens_under_its_own_id_alone),
		cmocka_unit_test(labels_are_distinct_and_ids_read_back),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("seal", tests, NULL, NULL);
}
