/*
 * sealed: who and why, sealed and opened under the owner's local secret. In a file of its own, so that a program that must hold no code that opens
 * anything, a broker's, does not link it.
 */
#include <sodium.h>
#include <string.h>

#include "audit/record_parts.h"
#include "base/text.h"
#include "proto/seal.h"

#define HEX (2 * KW_HASH_LEN)
#define BASE64 sodium_base64_VARIANT_ORIGINAL

static void
seal_place(uint8_t out[13], uint64_t number)
{
	memcpy(out, "audit", 5);
	be64_put(out + 5, number);
}

static enum kw_err
seal(struct buf *out, const struct audit_record *r, const uint8_t local_secret[KW_KEY_LEN], struct kw_why *why)
{
	struct buf plain = BUF_INIT(4 * PLAIN_MAX), sealed = BUF_INIT(8 * PLAIN_MAX), checked = BUF_INIT(4 * PLAIN_MAX);
	uint8_t salt[AUDIT_SALT_LEN], nonce[24], place[13], hash[KW_HASH_LEN];
	char hex[HEX + 1], *text;
	size_t len;
	enum kw_err err;

	if ((err = audit_put_text(&checked, "as", r->as, AUDIT_TEXT_MAX, why)) != KW_OK || (err = audit_put_text(&checked, "reason", r->reason, AUDIT_REASON_MAX, why)) != KW_OK)
		goto free_bufs;
	plain.secret = checked.secret = true;
	randombytes_buf(salt, sizeof salt);
	randombytes_buf(nonce, sizeof nonce);
	buf_put(&plain, salt, sizeof salt);
	audit_put_shown(&plain, r->as, r->reason);
	if (!buf_ok(&plain)) {
		err = kw_refuse(why, KW_ENOMEM, "out of memory for the audit trail");
		goto free_bufs;
	}
	audit_shown_hash(hash, salt, span_of(plain.p + AUDIT_SALT_LEN, plain.len - AUDIT_SALT_LEN));
	text_put_hex(hex, span_of(hash, KW_HASH_LEN));
	seal_place(place, r->number);
	err = seal_store(&sealed, local_secret, nonce, span_of(place, sizeof place), buf_span(&plain));
	if (err != KW_OK) {
		err = kw_refuse(why, KW_ENOMEM, "out of memory for the audit trail");
		goto free_bufs;
	}
	len = sodium_base64_encoded_len(sealed.len, BASE64);
	buf_printf(out, ",\"sealed_hash\":\"%s\",\"sealed\":\"", hex);
	if ((text = (char *)buf_reserve(out, len)) != NULL) {
		(void)sodium_bin2base64(text, len, sealed.p, sealed.len, BASE64);
		buf_commit(out, len - 1);
	}
	buf_put_u8(out, '"');
free_bufs:
	sodium_memzero(salt, sizeof salt);
	buf_free(&plain);
	buf_free(&sealed);
	buf_free(&checked);
	return err;
}

static enum kw_err
unseal(json_t **out, const struct audit_line *l, const uint8_t local_secret[KW_KEY_LEN], struct kw_why *why)
{
	struct buf plain = BUF_INIT(4 * PLAIN_MAX);
	uint8_t sealed[AUDIT_LINE_MAX], place[13];
	char salt[2 * AUDIT_SALT_LEN + 1];
	size_t len = 0;
	json_t *v = NULL;
	enum kw_err err;

	if (l->sealed == NULL)
		return KW_ENOTFOUND;
	if (sodium_base642bin(sealed, sizeof sealed, l->sealed, strlen(l->sealed), NULL, &len, NULL, BASE64) != 0)
		return kw_refuse(why, KW_ECORRUPT, "record %llu: what is sealed there is no base64", (unsigned long long)l->record.number);
	plain.secret = true;
	seal_place(place, l->record.number);
	err = seal_unstore(&plain, local_secret, span_of(place, sizeof place), span_of(sealed, len), why);
	if (err == KW_OK && plain.len > AUDIT_SALT_LEN)
		v = json_loadb((const char *)plain.p + AUDIT_SALT_LEN, plain.len - AUDIT_SALT_LEN, 0, NULL);
	if (err == KW_OK && v == NULL)
		err = kw_refuse(why, KW_ECORRUPT, "record %llu: what is sealed there cannot be read", (unsigned long long)l->record.number);
	if (err == KW_OK) {
		text_put_hex(salt, span_of(plain.p, AUDIT_SALT_LEN));
		if (json_object_set_new(v, "salt", json_string(salt)) != 0)
			err = kw_refuse(why, KW_ENOMEM, "out of memory for the audit trail");
	}
	buf_free(&plain);
	if (err == KW_OK)
		*out = v;
	else
		json_decref(v);
	return err;
}

const struct audit_sealing audit_sealing = {seal, unseal};
