/*
 * Any bytes as what a sender padded, encrypted under a key that the reader has: flag, length, zeros and zstd frame are the sender's
 * word. What is taken is padded again to the same bytes where it came plain.
 */
#include <sodium.h>
#include <string.h>

#include "fuzz.h"
#include "proto/seal_steps.h"

#define HEADER "header"
#define HEAD_LEN (8 + sizeof HEADER - 1 + 3 * 32 + KW_SIG_LEN)

static void
sealed(struct buf *out, const uint8_t content_key[32], struct span padded)
{
	static const uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
	uint8_t zeros[3 * 32 + KW_SIG_LEN] = {0}, ctx[32], key[32], *at;
	unsigned long long len = 0;

	buf_put(out, "KWZ1", 4);
	buf_put_u32(out, sizeof HEADER - 1);
	buf_put(out, HEADER, sizeof HEADER - 1);
	buf_put(out, zeros, sizeof zeros);
	step_context(ctx, span_of(out->p, 8 + sizeof HEADER - 1 + 32));
	step_body_key(key, content_key, ctx);
	buf_put_u32(out, (uint32_t)padded.len + crypto_aead_xchacha20poly1305_ietf_ABYTES);
	if ((at = buf_reserve(out, padded.len + crypto_aead_xchacha20poly1305_ietf_ABYTES)) == NULL)
		abort();
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(at, &len, padded.p, padded.len, NULL, 0, NULL, nonce, key);
	buf_commit(out, len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static const uint8_t content_key[32] = {1};
	struct buf frame = BUF_INIT(KW_FRAME_MAX), payload = BUF_INIT(KW_OPENED_MAX), again = BUF_INIT(KW_BODY_MAX);
	struct kw_why why = {""};
	struct frame f;

	if (sodium_init() < 0)
		abort();
	if (len == 0 || len > KW_BODY_MAX - crypto_aead_xchacha20poly1305_ietf_ABYTES)
		return 0;
	sealed(&frame, content_key, span_of(p, len));
	HOLDS(frame_parse(&f, buf_span(&frame), FRAME_WHOLE, &why) == KW_OK && f.head.len == HEAD_LEN, why.text);
	if (seal_open_body(&payload, content_key, &f, &why) == KW_OK) {
		HOLDS(payload.len <= KW_OPENED_MAX, "larger than it may be");
		HOLDS(p[0] == PADDED_PLAIN || p[0] == PADDED_ZSTD, "an unknown flag");
		if (p[0] == PADDED_PLAIN)
			HOLDS(step_pad(&again, PADDED_PLAIN, buf_span(&payload)) == KW_OK && span_eq(buf_span(&again), span_of(p, len)), "padded in another way");
	} else {
		HOLDS(why.text[0] != '\0', "refused without a sentence");
	}
	buf_free(&frame);
	buf_free(&payload);
	buf_free(&again);
	return 0;
}
