/*
 * Any bytes as keys. What the first byte says: a public line; what a public line holds, which is then signed by a key of the target's
 * own; else a secret key's file, as it is or with the checksum that belongs to it, with a passphrase or without. What is taken reads one
 * way: written again it is the same line, or the same file.
 */
#include <sodium.h>
#include <string.h>

#include "certs/keys_parts.h"
#include "fuzz.h"
#include "proto/seal.h"
#include "without_disk.h"

#define BASE64 sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define TEXT_MAX 8192u
#define PASSPHRASE "four words nobody guesses"

enum { AS_LINE, AS_SIGNED, AS_FILE, AS_SUMMED, WAYS };

static void
same_key(const struct public_key *a, const struct public_key *b)
{
	HOLDS(a->kind == b->kind && a->mode == b->mode && strcmp(a->name, b->name) == 0, "the same line is another key");
	HOLDS(memcmp(a->sign_pk, b->sign_pk, KW_KEY_LEN) == 0, "the same line is another key");
}

static bool
a_line(const char *line)
{
	struct public_key k, again;
	char fingerprint[KEY_FINGERPRINT_MAX];
	struct kw_why why = {""};

	if (public_key_parse(&k, line, &why) != KW_OK) {
		HOLDS(why.text[0] != '\0', "refused without a sentence");
		return false;
	}
	public_key_fingerprint(fingerprint, line);
	HOLDS(strlen(fingerprint) == 39, fingerprint);
	for (int kind = KEY_NODE; kind <= KEY_STEERING; kind++)
		HOLDS((public_key_parse_as(&again, (enum key_kind)kind, line, &why) == KW_OK) == ((enum key_kind)kind == k.kind), "two kinds, or none");
	HOLDS(key_name_check(k.kind, k.name, &why) == KW_OK, why.text);
	HOLDS(!public_key_is_operator(&k) || strchr(k.name, '/') == NULL, k.name);
	return true;
}

/* kind, mode, name and keys as they come, but for the signing key: it is the target's, who signs. */
static void
a_signed_line(const uint8_t *p, size_t len, uint8_t which)
{
	static const char *const prefixes[] = {"kwnode1:", "kwbroker1:", "kwsteer1:"};
	static const uint8_t seed[crypto_sign_SEEDBYTES] = {7};
	const char *prefix = prefixes[which % 3];
	size_t skip = strlen(prefix), name_len = len > 2 ? p[2] : 0;
	uint8_t pk[KW_KEY_LEN], secret[64], bytes[512], sig[KW_SIG_LEN];
	char line[1024], written[KEY_LINE_MAX];
	struct public_key k;

	if (len < 3 + name_len + KW_KEY_LEN || skip + len > sizeof bytes - KW_SIG_LEN)
		return;
	(void)crypto_sign_seed_keypair(pk, secret, seed);
	memcpy(bytes, prefix, skip);
	memcpy(bytes + skip, p, len);
	memcpy(bytes + skip + 3 + name_len, pk, KW_KEY_LEN);
	if (!seal_sign(sig, LABEL_SIGN_KEY, span_of(bytes, skip + len), secret))
		abort();
	memcpy(bytes + skip + len, sig, sizeof sig);
	(void)snprintf(line, sizeof line, "%s", prefix);
	(void)sodium_bin2base64(line + skip, sizeof line - skip, bytes + skip, len + sizeof sig, BASE64);
	if (!a_line(line))
		return;
	HOLDS(public_key_parse(&k, line, NULL) == KW_OK && public_key_line(written, &k, secret, NULL) == KW_OK, line);
	HOLDS(strcmp(line, written) == 0, "a public line reads two ways");
}

static void
written_again(const struct secret_keys *k, bool locked)
{
	struct secret_keys *back = NULL;
	struct span file = disk_holds;
	struct kw_why why = {""};

	HOLDS(secret_keys_write(k, "/nowhere/of/the/target", locked ? PASSPHRASE : NULL, &why) == KW_OK, why.text);
	HOLDS(locked || span_eq(buf_span(&disk_written), file), "a key file reads two ways");
	disk_holds = buf_span(&disk_written);
	HOLDS(secret_keys_read(&back, secret_keys_public(k)->kind, "again", locked ? PASSPHRASE : NULL, &why) == KW_OK, why.text);
	HOLDS(strcmp(secret_keys_line(back), secret_keys_line(k)) == 0 && memcmp(secret_keys_sign(back), secret_keys_sign(k), 64) == 0, "another key");
	secret_keys_free(&back);
	buf_free(&disk_written);
	disk_holds = file;
}

static void
a_file(uint8_t how)
{
	enum key_kind expected = (enum key_kind)(how >> 3 & 3);
	const char *passphrase = how & 4 ? PASSPHRASE : NULL;
	struct secret_keys *k = NULL;
	struct public_key public;
	char line[KEY_LINE_MAX];
	struct kw_why why = {""};
	bool shown = secret_keys_read_public(&public, line, "key", &why) == KW_OK;

	HOLDS(shown || why.text[0] != '\0', "refused without a sentence");
	if (shown)
		HOLDS(a_line(line), line);
	why.text[0] = '\0';
	if (secret_keys_read(&k, expected, "key", passphrase, &why) != KW_OK) {
		HOLDS(why.text[0] != '\0' && k == NULL, "refused without a sentence");
		return;
	}
	HOLDS(shown, "taken, and not shown");
	same_key(secret_keys_public(k), &public);
	HOLDS(strcmp(secret_keys_line(k), line) == 0, line);
	HOLDS(expected == 0 || public.kind == expected, "of another kind");
	HOLDS(public.kind != KEY_STEERING || passphrase != NULL, "unlocked without a passphrase");
	written_again(k, public.kind == KEY_STEERING);
	secret_keys_free(&k);
}

static void
put_sum(struct buf *text)
{
	uint8_t hash[KW_HASH_LEN];
	char sum[64];

	(void)crypto_generichash(hash, sizeof hash, text->len > 0 ? text->p : NULL, text->len, NULL, 0);
	(void)sodium_bin2base64(sum, sizeof sum, hash, sizeof hash, BASE64);
	buf_printf(text, "checksum %s\n", sum);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct buf text = BUF_INIT(TEXT_MAX);

	if (sodium_init() < 0)
		abort();
	if (len == 0 || len > TEXT_MAX / 2)
		return 0;
	if (p[0] % WAYS == AS_SIGNED) {
		a_signed_line(p + 1, len - 1, p[0] >> 2);
		return 0;
	}
	buf_put(&text, p + 1, len - 1);
	if (p[0] % WAYS == AS_LINE) {
		if (buf_text(&text) != NULL)
			(void)a_line(buf_text(&text));
	} else {
		if (p[0] % WAYS == AS_SUMMED)
			put_sum(&text);
		disk_holds = buf_span(&text);
		a_file(p[0]);
	}
	buf_free(&text);
	return 0;
}
