/* entry: the broker's own entries, in one fixed layout. */
#include "proto/entry.h"

#include <string.h>

#include "proto/seal.h"

#define SIGNED_LEN (ENTRY_LEN - KW_SIG_LEN)

static const char magic[4] = {'K', 'W', 'E', '1'};

void
entry_encode(uint8_t out[ENTRY_LEN], const struct broker_entry *e, const uint8_t sign_secret[64])
{
	memcpy(out, magic, 4);
	out[4] = (uint8_t)e->kind;
	be64_put(out + 5, e->time_ms);
	be32_put(out + 13, e->version);
	memcpy(out + 17, e->agreement_hash, KW_HASH_LEN);
	MUST(seal_sign(out + SIGNED_LEN, LABEL_SIGN_CASE, span_of(out, SIGNED_LEN), sign_secret));
}

enum kw_err
entry_decode(struct broker_entry *out, struct span in, struct kw_why *why)
{
	if (in.len != ENTRY_LEN)
		return kw_refuse(why, KW_EPROTO, "a broker's entry has %zu bytes, must have %d", in.len, ENTRY_LEN);
	if (memcmp(in.p, magic, 4) != 0)
		return kw_refuse(why, KW_EPROTO, "a broker's entry does not begin with KWE1");
	if (in.p[4] != ENTRY_AGREEMENT)
		return kw_refuse(why, KW_EPROTO, "a broker's entry is of kind %u, which is not known here", in.p[4]);
	if (be32_get(in.p + 13) == 0)
		return kw_refuse(why, KW_EPROTO, "a broker's entry names version 0 of the agreement; versions begin at 1");
	out->kind = ENTRY_AGREEMENT;
	out->time_ms = be64_get(in.p + 5);
	out->version = be32_get(in.p + 13);
	memcpy(out->agreement_hash, in.p + 17, KW_HASH_LEN);
	return KW_OK;
}

bool
entry_verify(struct span in, const uint8_t broker_pk[KW_KEY_LEN])
{
	return in.len == ENTRY_LEN && seal_verify(in.p + SIGNED_LEN, LABEL_SIGN_CASE, span_of(in.p, SIGNED_LEN), broker_pk);
}

void
entry_hash(uint8_t out[KW_HASH_LEN], struct span in)
{
	seal_hash(out, NULL, LABEL_FRAME, &in, 1);
}
