/*
 * seal: suite 1. Sealing at the sender, opening at the reader; no transport, no clock, no randomness of its own.
 *
 * Every value between is reproduced by tests/vectors/suite1.json. H(k, …) is BLAKE2b-256 keyed with k; labels are
 * "kurzweg1 " + word + zero byte; numbers are 64-bit big-endian.
 */
#ifndef KW_PROTO_SEAL_H
#define KW_PROTO_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/frame.h"
#include "proto/limits.h"

enum label { /* one table, in seal_hash.c; distinct */
	LABEL_CONTEXT, LABEL_FRAME, LABEL_PAYLOAD, LABEL_HEDGE, LABEL_EPHEMERAL, LABEL_CONTENT, LABEL_COMMIT, LABEL_BODY,
	LABEL_PAIR, LABEL_WRAP, LABEL_STORE, LABEL_BODY_HASH, LABEL_AUDIT,
	LABEL_SIGN_NOTIFICATION, LABEL_SIGN_AGREEMENT, LABEL_SIGN_COMMIT, LABEL_SIGN_CASE, LABEL_SIGN_KEY, LABEL_SIGN_AUDIT,
	LABEL_COUNT
};
struct span label_bytes(enum label label); /* with its final zero */

/* BLAKE2b-256 of label and up to four parts; key may be NULL (unkeyed) or 32 bytes. */
void seal_hash(uint8_t out[KW_HASH_LEN], const uint8_t *key, enum label label, const struct span *parts, size_t n);

/* Ed25519 over label and bytes. secret is libsodium's 64-byte form. false: out of memory (bytes beyond 8 KiB only). */
KW_MUST_USE bool seal_sign(uint8_t sig[KW_SIG_LEN], enum label label, struct span bytes, const uint8_t secret[64]);
KW_MUST_USE bool seal_verify(const uint8_t sig[KW_SIG_LEN], enum label label, struct span bytes, const uint8_t pk[KW_KEY_LEN]);

/* Padmé of at least 256, for 1-byte flag + 4-byte length + payload. */
size_t seal_padded_len(size_t payload_len);

/*
 * The sender's ephemeral key with its pair keys: made once, used for an hour at most, then freed (wiped).
 * random: 32 fresh random bytes; clock_ns and counter make it hold although the random source is broken.
 */
struct seal_sender;
KW_MUST_USE enum kw_err seal_sender_new(struct seal_sender **out, const uint8_t local_secret[KW_KEY_LEN],
                                        const uint8_t random[32], uint64_t clock_ns, uint64_t counter);
void seal_sender_free(struct seal_sender **s);
const uint8_t *seal_sender_public(const struct seal_sender *s); /* 32 */

struct seal_reader { /* one of the audience, in its order */
	const char *node;
	const uint8_t *seal_pk;  /* 32 */
	uint64_t number;         /* the sender's running number for this reader and lane */
};

struct sealed { /* frame and wraps; n * KW_WRAP_LEN bytes in the audience's order. Free with sealed_free(). */
	struct buf frame;
	struct buf wraps;
	uint8_t frame_hash[KW_HASH_LEN];
};
void sealed_free(struct sealed *s);

/*
 * Seals payload (at most KW_OPENED_MAX; compressed with zstd where that makes the padded length smaller, never when
 * compress is false) under header for readers. random: 32 fresh bytes. KW_ELIMIT: the body would pass KW_BODY_MAX (says
 * both numbers). KW_ECRYPTO: a reader's key gives the all-zero result (names the node). Pair keys are cached in s by
 * reader key, up to KW_NODES_MAX.
 */
KW_MUST_USE enum kw_err seal_notification(struct sealed *out, struct seal_sender *s, const uint8_t local_secret[KW_KEY_LEN],
                                          const uint8_t random[32], struct span header, struct span payload, bool compress,
                                          const uint8_t sign_secret[64], const struct seal_reader *readers, size_t n,
                                          struct kw_why *why);

/* A reader's side. Caches pair keys by ephemeral key: cap of them, the least recently used goes first and is wiped. */
struct seal_opener;
KW_MUST_USE enum kw_err seal_opener_new(struct seal_opener **out, const char *node, const uint8_t seal_pk[KW_KEY_LEN],
                                        const uint8_t seal_sk[KW_KEY_LEN], size_t cap);
void seal_opener_free(struct seal_opener **o);
const uint8_t *seal_opener_key(const struct seal_opener *o); /* its seal_pk, 32 */

void seal_frame_hash(uint8_t out[KW_HASH_LEN], const struct frame *f);

/* The steps of a reader's check, in the order of docs/protocol.md [D-6]; each stops at the first failure with KW_ECRYPTO and says which. */
KW_MUST_USE enum kw_err seal_check_signature(const struct frame *f, const uint8_t sender_pk[KW_KEY_LEN], struct kw_why *why);
KW_MUST_USE enum kw_err seal_check_body_hash(const struct frame *f, struct kw_why *why); /* wants has_body */

/*
 * Opens the wrap alone: all a bare head allows. *number is written on KW_OK; key_out (32 bytes, may be NULL) receives the
 * content key, to be wiped by the caller. The commitment is checked here, before any body is decrypted.
 */
KW_MUST_USE enum kw_err seal_open_wrap(uint64_t *number, uint8_t *key_out, struct seal_opener *o, const struct frame *f,
                                       struct span wrap, struct kw_why *why);

/* For who has a content key not from its own wrap but from a file that somebody gave it: is it the one that was signed? KW_ECRYPTO. */
KW_MUST_USE enum kw_err seal_check_key(const uint8_t content_key[KW_KEY_LEN], const struct frame *f, struct kw_why *why);

/*
 * Body under the content key: decrypts, checks padding and length, decompresses; appends to payload, whose max of
 * KW_OPENED_MAX is enough and which the caller marks secret if wanted. KW_ECRYPTO; KW_ELIMIT for more than KW_OPENED_MAX.
 */
KW_MUST_USE enum kw_err seal_open_body(struct buf *payload, const uint8_t content_key[KW_KEY_LEN], const struct frame *f,
                                       struct kw_why *why);

/* For what lies in a node's own files: XChaCha20-Poly1305 under H(L, "store"), random 24-byte nonce first, id as associated data. */
KW_MUST_USE enum kw_err seal_store(struct buf *out, const uint8_t local_secret[KW_KEY_LEN], const uint8_t nonce[24],
                                   struct span id, struct span plain);
KW_MUST_USE enum kw_err seal_unstore(struct buf *out, const uint8_t local_secret[KW_KEY_LEN], struct span id, struct span sealed,
                                     struct kw_why *why);

/* UUIDv7 (RFC 9562 section 5.7) from the time and 10 random bytes; and its text form, 36 characters and a zero. */
void kw_id_make(uint8_t out[KW_ID_LEN], uint64_t now_ms, const uint8_t random[10]);
void kw_id_text(char out[37], const uint8_t id[KW_ID_LEN]);
KW_MUST_USE bool kw_id_parse(uint8_t out[KW_ID_LEN], const char *text);
/* Does piece, of a person's, mean this id (its text form)? It begins or ends so, or its short form does, which is the last 8 characters and all that lists show of it. */
#define KW_ID_PIECE_MIN 4
bool kw_id_meant(const char *id, const char *piece);

#endif
