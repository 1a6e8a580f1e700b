/*
 * seal_steps: the values between, shared by the files of seal and checked one by one against tests/vectors/suite1.json.
 * Nobody else includes this.
 */
#ifndef KW_PROTO_SEAL_STEPS_H
#define KW_PROTO_SEAL_STEPS_H

#include "proto/seal.h"

#define PADDED_MIN 256u
#define PADDED_HEAD 5u /* flag and length */
enum padded_flag { PADDED_PLAIN = 0, PADDED_ZSTD = 1 };

void step_hedge(uint8_t out[32], const uint8_t local_secret[32]);
void step_ephemeral(uint8_t secret[32], const uint8_t hedge[32], const uint8_t random[32], uint64_t clock_ns, uint64_t counter);
void step_content_key(uint8_t out[32], const uint8_t hedge[32], const uint8_t random[32], const uint8_t ctx[32], struct span padded);
void step_context(uint8_t out[32], struct span to_ephemeral);
void step_commitment(uint8_t out[32], const uint8_t content_key[32], const uint8_t ctx[32]);
void step_body_key(uint8_t out[32], const uint8_t content_key[32], const uint8_t ctx[32]);
void step_body_hash(uint8_t out[32], struct span body);
/* false: the all-zero result, refused */
KW_MUST_USE bool step_pair(uint8_t out[32], const uint8_t secret[32], const uint8_t other_pk[32], const uint8_t ephemeral_pk[32],
                           const uint8_t reader_pk[32]);
void step_wrap_key(uint8_t out[32], const uint8_t pair[32], const uint8_t ctx[32], const uint8_t commitment[32], const char *node);
size_t step_padme(size_t len); /* the Padmé size of len, without the minimum */
/* Appends flag, length, content and zeros. KW_ENOMEM. */
KW_MUST_USE enum kw_err step_pad(struct buf *out, enum padded_flag flag, struct span content);
size_t step_sender_pairs(const struct seal_sender *s); /* pair keys kept, at most KW_NODES_MAX */
/* Whether these bytes, an ephemeral key or a pair key, stand anywhere in the cache's memory: what was evicted must not. */
bool step_opener_holds(const struct seal_opener *o, const uint8_t bytes[32]);

#endif
