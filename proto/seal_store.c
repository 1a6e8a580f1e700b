/* seal_store: what lies in a node's own files, sealed under its local secret. */
#include <sodium.h>
#include <string.h>

#include "proto/seal_steps.h"

#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN crypto_aead_xchacha20poly1305_ietf_ABYTES

enum kw_err
seal_store(struct buf *out, const uint8_t local_secret[KW_KEY_LEN], const uint8_t nonce[24], struct span id, struct span plain)
{
	uint8_t key[KW_KEY_LEN];
	uint8_t *at = buf_reserve(out, NONCE_LEN + plain.len + TAG_LEN);

	if (at == NULL)
		return KW_ENOMEM;
	seal_hash(key, local_secret, LABEL_STORE, NULL, 0);
	memcpy(at, nonce, NONCE_LEN);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(at + NONCE_LEN, NULL, plain.p, plain.len, id.p, id.len, NULL, nonce, key);
	sodium_memzero(key, sizeof key);
	buf_commit(out, NONCE_LEN + plain.len + TAG_LEN);
	return KW_OK;
}

enum kw_err
seal_unstore(struct buf *out, const uint8_t local_secret[KW_KEY_LEN], struct span id, struct span sealed, struct kw_why *why)
{
	uint8_t key[KW_KEY_LEN], *at;
	size_t len;
	int failed;

	if (sealed.len < NONCE_LEN + TAG_LEN)
		return kw_refuse(why, KW_ECORRUPT, "a stored content of %zu bytes is cut off", sealed.len);
	len = sealed.len - NONCE_LEN - TAG_LEN;
	if ((at = buf_reserve(out, len > 0 ? len : 1)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a content of %zu bytes", len);
	seal_hash(key, local_secret, LABEL_STORE, NULL, 0);
	failed = crypto_aead_xchacha20poly1305_ietf_decrypt(at, NULL, NULL, sealed.p + NONCE_LEN, sealed.len - NONCE_LEN, id.p, id.len,
	                                                    sealed.p, key);
	sodium_memzero(key, sizeof key);
	if (failed != 0)
		return kw_refuse(why, KW_ECORRUPT, "a stored content does not open: the file was changed, or belongs to another node's key");
	buf_commit(out, len);
	return KW_OK;
}
