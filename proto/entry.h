/*
 * entry: what the broker itself writes into a lane (docs/protocol.md [L-2], [L-6]): signed by its key under "sign case".
 *
 *   4 "KWE1"  1 kind  8 time in ms  4 agreement version  32 agreement hash  64 signature over all before it
 *
 * Big-endian. Broker and nodes share it; the only kind so far is an agreement's arrival. No I/O, no clock.
 */
#ifndef KW_PROTO_ENTRY_H
#define KW_PROTO_ENTRY_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/limits.h"

#define ENTRY_LEN (4 + 1 + 8 + 4 + KW_HASH_LEN + KW_SIG_LEN)

enum entry_kind { ENTRY_AGREEMENT = 1 };

struct broker_entry {
	enum entry_kind kind;
	uint64_t time_ms;
	uint32_t version;
	uint8_t agreement_hash[KW_HASH_LEN];
};

void entry_encode(uint8_t out[ENTRY_LEN], const struct broker_entry *e, const uint8_t sign_secret[64]); /* signs */
/* Shape alone: KW_EPROTO. */
KW_MUST_USE enum kw_err entry_decode(struct broker_entry *out, struct span in, struct kw_why *why);
/* in has passed entry_decode. */
KW_MUST_USE bool entry_verify(struct span in, const uint8_t broker_pk[KW_KEY_LEN]);
/* What stands as frame hash in its leaf: BLAKE2b-256 of the label "frame" and the bytes. */
void entry_hash(uint8_t out[KW_HASH_LEN], struct span in);

#endif
