/* Any bytes as an entry of the broker's own, and as a commit: what is taken is written again to the same bytes but for the signature. */
#include <sodium.h>
#include <string.h>

#include "fuzz.h"
#include "proto/commit.h"
#include "proto/entry.h"

static void
entries(struct span in, const uint8_t secret[64])
{
	uint8_t out[ENTRY_MAX];
	struct broker_entry e;
	struct kw_why why = {""};
	size_t len = ENTRY_LEN;

	if (entry_decode(&e, in, &why) != KW_OK) {
		HOLDS(why.text[0] != '\0', "refused without a sentence");
		return;
	}
	if (e.kind == ENTRY_CASE)
		len = entry_case_encode(out, &e, secret);
	else if (e.kind == ENTRY_SUSPENSION)
		len = entry_suspension_encode(out, &e, secret);
	else
		entry_encode(out, &e, secret);
	HOLDS(len == in.len && memcmp(out, in.p, len - KW_SIG_LEN) == 0, "an entry reads two ways");
	HOLDS(entry_decode(&e, span_of(out, len), &why) == KW_OK, why.text);
	HOLDS(entry_verify(span_of(out, len), secret + 32), "its own signature");
}

static void
commits(struct span in, const uint8_t secret[64])
{
	uint8_t out[WIRE_COMMIT_LEN];
	struct commit c;

	if (in.len != WIRE_COMMIT_LEN || commit_decode(&c, in.p, NULL) != KW_OK)
		return;
	commit_encode(out, &c, secret);
	HOLDS(memcmp(out, in.p, sizeof out - KW_SIG_LEN) == 0, "a commit reads two ways");
	HOLDS(commit_verify(out, secret + 32), "its own signature");
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static const uint8_t seed[crypto_sign_SEEDBYTES] = {7};
	uint8_t pk[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];

	if (sodium_init() < 0)
		abort();
	(void)crypto_sign_seed_keypair(pk, secret, seed);
	entries(span_of(p, len), secret);
	commits(span_of(p, len), secret);
	return 0;
}
