/* keys: public lines, read with suspicion; their fingerprints; and new secret keys. */
#include "certs/keys.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "certs/key_text.h"
#include "certs/keys_parts.h"
#include "proto/seal.h"
#include "proto/topic.h"

#define BYTES_MAX (3u + KW_NODE_MAX + 3u * KW_KEY_LEN + KW_SIG_LEN)
#define PREFIX_MAX 10u
static_assert(PREFIX_MAX + (BYTES_MAX * 4 + 2) / 3 + 1 <= KEY_LINE_MAX, "the longest line fits");

static const struct kind {
	enum key_kind kind;
	const char *prefix, *word;
} kinds[] = {
	{KEY_NODE, "kwnode1:", "node"},
	{KEY_BROKER, "kwbroker1:", "broker"},
	{KEY_STEERING, "kwsteer1:", "steering"},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static const struct kind *
kind_of(enum key_kind kind)
{
	MUST(kind >= KEY_NODE && kind <= KEY_STEERING);
	return &kinds[kind - KEY_NODE];
}

const char *
key_kind_title(enum key_kind kind)
{
	switch (kind) {
	case KEY_NODE: return kw_translate("a node's key");
	case KEY_BROKER: return kw_translate("a broker's key");
	case KEY_STEERING: break;
	}
	return kw_translate("a steering key");
}

const char *
key_kind_word(enum key_kind kind)
{
	return kind_of(kind)->word;
}

bool
key_kind_has(enum key_kind kind, enum key_secret secret)
{
	switch (secret) {
	case SECRET_SIGN: return true;
	case SECRET_SEAL: return kind == KEY_NODE;
	case SECRET_CURVE: case SECRET_LOCAL: return kind != KEY_STEERING;
	case SECRET_COUNT: break;
	}
	return false;
}

enum kw_err
key_name_check(enum key_kind kind, const char *name, struct kw_why *why)
{
	if (kind == KEY_NODE && strchr(name, '/') != NULL)
		return node_check(name, why);
	return name_check(name, kw_translate("the key's name"), why);
}

bool
public_key_is_operator(const struct public_key *k)
{
	return k->kind == KEY_NODE && strchr(k->name, '/') == NULL;
}

enum kw_err
public_key_line(char out[KEY_LINE_MAX], const struct public_key *k, const uint8_t sign_secret[64], struct kw_why *why)
{
	const char *prefix = kind_of(k->kind)->prefix;
	struct buf bytes = BUF_INIT(PREFIX_MAX + BYTES_MAX);
	size_t skip = strlen(prefix);
	uint8_t sig[KW_SIG_LEN];
	enum kw_err err = KW_OK;

	buf_put_str(&bytes, prefix);
	buf_put_u8(&bytes, (uint8_t)k->kind);
	buf_put_u8(&bytes, (uint8_t)k->mode);
	buf_put_u8(&bytes, (uint8_t)strlen(k->name));
	buf_put_str(&bytes, k->name);
	buf_put(&bytes, k->sign_pk, KW_KEY_LEN);
	if (key_kind_has(k->kind, SECRET_SEAL))
		buf_put(&bytes, k->seal_pk, KW_KEY_LEN);
	if (key_kind_has(k->kind, SECRET_CURVE))
		buf_put(&bytes, k->curve_pk, KW_KEY_LEN);
	if (!buf_ok(&bytes) || !seal_sign(sig, LABEL_SIGN_KEY, buf_span(&bytes), sign_secret))
		err = kw_refuse(why, KW_ENOMEM, "out of memory while making a key");
	buf_put(&bytes, sig, sizeof sig);
	if (err == KW_OK && !buf_ok(&bytes))
		err = kw_refuse(why, KW_ENOMEM, "out of memory while making a key");
	if (err == KW_OK) {
		(void)snprintf(out, KEY_LINE_MAX, "%s", prefix);
		key_text_put(out + skip, KEY_LINE_MAX - skip, bytes.p + skip, bytes.len - skip);
	}
	buf_free(&bytes);
	return err;
}

/* Prefix and bytes of the line, in bytes; the kind that the prefix says. */
static enum kw_err
decode(const struct kind **kind, struct buf *bytes, const char *line, struct kw_why *why)
{
	size_t len = strnlen(line, KEY_LINE_MAX), n = 0, skip;
	uint8_t *at;

	*kind = NULL;
	for (size_t i = 0; i < KINDS; i++)
		if (strncmp(line, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			*kind = &kinds[i];
	if (*kind == NULL && strncmp(line, "kurzweg secret key", 18) == 0)
		return kw_refuse(why, KW_EINVAL, "this is a secret key file, which never leaves its machine; \"kurzweg key show FILE\" prints the line to hand over");
	if (*kind == NULL)
		return kw_refuse(why, KW_EINVAL, "\"%.16s\" does not begin a public key line; it must be kwnode1:…, kwbroker1:… or kwsteer1:…, as \"kurzweg key show\" prints it",
		                 line);
	if (len == KEY_LINE_MAX)
		return kw_refuse(why, KW_ELIMIT, "the public key line is longer than %d bytes; copy it again, alone", KEY_LINE_MAX - 1);
	skip = strlen((*kind)->prefix);
	buf_put(bytes, line, skip);
	at = buf_reserve(bytes, BYTES_MAX);
	if (at == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory while reading a key");
	if (!key_text_get(at, BYTES_MAX, &n, line + skip, len - skip))
		return kw_refuse(why, KW_EPROTO, "the public key line is no base64 behind \"%s\"; copy it again, whole", (*kind)->prefix);
	buf_commit(bytes, n);
	return KW_OK;
}

static enum kw_err
take_fields(struct public_key *k, const struct kind *kind, struct span signed_part, struct kw_why *why)
{
	struct cursor c = cursor_over(signed_part);
	const uint8_t *name, *sign_pk, *seal_pk, *curve_pk;
	uint8_t kind_byte, mode, name_len;

	(void)cursor_take(&c, strlen(kind->prefix));
	kind_byte = cursor_u8(&c);
	mode = cursor_u8(&c);
	name_len = cursor_u8(&c);
	name = cursor_take(&c, name_len);
	sign_pk = cursor_take(&c, KW_KEY_LEN);
	seal_pk = cursor_take(&c, key_kind_has(kind->kind, SECRET_SEAL) ? KW_KEY_LEN : 0);
	curve_pk = cursor_take(&c, key_kind_has(kind->kind, SECRET_CURVE) ? KW_KEY_LEN : 0);
	if (!cursor_done(&c) || name_len == 0 || name_len > KW_NODE_MAX || memchr(name, 0, name_len) != NULL)
		return kw_refuse(why, KW_EPROTO, "the public key line is cut short or changed; copy it again, whole");
	if (kind_byte != kind->kind)
		return kw_refuse(why, KW_EPROTO, "the public key line begins as %s and is none; copy it again, whole", key_kind_title(kind->kind));
	if (mode != MODE_LIVE && (mode != MODE_EXERCISE || kind->kind == KEY_STEERING))
		return kw_refuse(why, KW_EPROTO, "the public key line says neither live nor exercise; copy it again, whole");
	k->kind = kind->kind;
	k->mode = (enum kw_mode)mode;
	memcpy(k->name, name, name_len);
	memcpy(k->sign_pk, sign_pk, KW_KEY_LEN);
	if (key_kind_has(k->kind, SECRET_SEAL))
		memcpy(k->seal_pk, seal_pk, KW_KEY_LEN);
	if (key_kind_has(k->kind, SECRET_CURVE))
		memcpy(k->curve_pk, curve_pk, KW_KEY_LEN);
	return KW_OK;
}

/* An X25519 key that gives every secret the same result, or a second spelling of another key. */
static bool
is_weak_x25519(const uint8_t pk[KW_KEY_LEN])
{
	static const uint8_t any[KW_KEY_LEN] = {8};
	uint8_t out[KW_KEY_LEN];
	unsigned i = 1;

	if (pk[31] >= 0x80)
		return true;
	while (i < 31 && pk[i] == 0xFF)
		i++;
	if (i == 31 && pk[31] == 0x7F && pk[0] >= 0xED) /* 2^255 - 19 or more */
		return true;
	return crypto_scalarmult(out, any, pk) != 0;
}

static enum kw_err
check_keys(const struct public_key *k, struct kw_why *why)
{
	if (crypto_core_ed25519_is_valid_point(k->sign_pk) != 1)
		return kw_refuse(why, KW_ECRYPTO, "the signing key of \"%s\" is no sound key: its line was changed on the way, or the key was badly made; "
		                 "ask for it again", k->name);
	if (key_kind_has(k->kind, SECRET_SEAL) && is_weak_x25519(k->seal_pk))
		return kw_refuse(why, KW_ECRYPTO, "the sealing key of \"%s\" is no sound key: its line was changed on the way, or the key was badly made; "
		                 "ask for it again", k->name);
	if (key_kind_has(k->kind, SECRET_CURVE) && is_weak_x25519(k->curve_pk))
		return kw_refuse(why, KW_ECRYPTO, "the transport key of \"%s\" is no sound key: its line was changed on the way, or the key was badly made; "
		                 "ask for it again", k->name);
	return KW_OK;
}

static enum kw_err
parse_bytes(struct public_key *k, const struct kind *kind, struct span bytes, struct kw_why *why)
{
	struct span signed_part;
	enum kw_err err;

	if (bytes.len < KW_SIG_LEN)
		return kw_refuse(why, KW_EPROTO, "the public key line is cut short; copy it again, whole");
	signed_part = span_of(bytes.p, bytes.len - KW_SIG_LEN);
	if ((err = take_fields(k, kind, signed_part, why)) != KW_OK)
		return err;
	if ((err = key_name_check(k->kind, k->name, why)) != KW_OK)
		return err;
	if ((err = check_keys(k, why)) != KW_OK)
		return err;
	if (!seal_verify(signed_part.p + signed_part.len, LABEL_SIGN_KEY, signed_part, k->sign_pk))
		return kw_refuse(why, KW_ECRYPTO, "the public key line of \"%s\" is not signed by its own key: it was changed on the way, or is not theirs; "
		                 "ask for it again and compare the fingerprint by phone", k->name);
	return KW_OK;
}

enum kw_err
public_key_parse(struct public_key *out, const char *line, struct kw_why *why)
{
	struct public_key k = {.kind = KEY_NODE};
	struct buf bytes = BUF_INIT(PREFIX_MAX + BYTES_MAX);
	const struct kind *kind;
	enum kw_err err = decode(&kind, &bytes, line, why);

	if (err == KW_OK)
		err = parse_bytes(&k, kind, buf_span(&bytes), why);
	buf_free(&bytes);
	if (err == KW_OK)
		*out = k;
	return err;
}

enum kw_err
public_key_parse_as(struct public_key *out, enum key_kind kind, const char *line, struct kw_why *why)
{
	struct public_key k;
	enum kw_err err = public_key_parse(&k, line, why);

	if (err != KW_OK)
		return err;
	if (k.kind != kind)
		return kw_refuse(why, KW_EINVAL, "this is %s, that of \"%s\", but %s must stand here", key_kind_title(k.kind), k.name, key_kind_title(kind));
	*out = k;
	return KW_OK;
}

void
public_key_fingerprint(char out[KEY_FINGERPRINT_MAX], const char *line)
{
	uint8_t hash[KW_HASH_LEN];
	char *at = out;

	(void)crypto_generichash(hash, sizeof hash, (const uint8_t *)line, strlen(line), NULL, 0);
	for (unsigned i = 0; i < 16; i += 2)
		at += snprintf(at, 6, "%s%02X%02X", i > 0 ? " " : "", hash[i], hash[i + 1]);
}

struct secret_keys *
secret_keys_alloc(enum key_kind kind, enum kw_mode mode, const char *name)
{
	struct secret_keys *k = sodium_malloc(sizeof *k);

	if (k == NULL)
		return NULL;
	memset(k, 0, sizeof *k);
	k->public.kind = kind;
	k->public.mode = kind == KEY_STEERING ? MODE_LIVE : mode;
	(void)snprintf(k->public.name, sizeof k->public.name, "%s", name);
	return k;
}

enum kw_err
secret_keys_derive(struct secret_keys *k, struct kw_why *why)
{
	enum kw_err err;

	(void)crypto_sign_seed_keypair(k->public.sign_pk, k->sign, k->secret[SECRET_SIGN]);
	if (key_kind_has(k->public.kind, SECRET_SEAL))
		(void)crypto_scalarmult_base(k->public.seal_pk, k->secret[SECRET_SEAL]);
	if (key_kind_has(k->public.kind, SECRET_CURVE))
		(void)crypto_scalarmult_base(k->public.curve_pk, k->secret[SECRET_CURVE]);
	if ((err = public_key_line(k->line, &k->public, k->sign, why)) != KW_OK)
		return err;
	return sodium_mprotect_readonly(k) == 0 ? KW_OK : kw_refuse(why, KW_ENOMEM, "the memory of a secret key cannot be guarded");
}

/* local: L, or NULL for a new one. */
static enum kw_err
make_new(struct secret_keys **out, enum key_kind kind, enum kw_mode mode, const char *name, const uint8_t *local, struct kw_why *why)
{
	struct secret_keys *k = secret_keys_alloc(kind, mode, name);
	enum kw_err err;

	if (k == NULL)
		return kw_refuse(why, KW_ENOMEM, "no guarded memory left for a secret key");
	for (unsigned i = 0; i < SECRET_COUNT; i++)
		if (key_kind_has(kind, (enum key_secret)i))
			randombytes_buf(k->secret[i], KW_KEY_LEN);
	if (local != NULL)
		memcpy(k->secret[SECRET_LOCAL], local, KW_KEY_LEN);
	if ((err = secret_keys_derive(k, why)) != KW_OK) {
		secret_keys_free(&k);
		return err;
	}
	*out = k;
	return KW_OK;
}

enum kw_err
secret_keys_new(struct secret_keys **out, enum key_kind kind, enum kw_mode mode, const char *name, struct kw_why *why)
{
	enum kw_err err = key_name_check(kind, name, why);

	return err == KW_OK ? make_new(out, kind, mode, name, NULL, why) : err;
}

enum kw_err
secret_keys_succeed(struct secret_keys **out, const struct secret_keys *old, struct kw_why *why)
{
	MUST(old->public.kind == KEY_NODE);
	return make_new(out, KEY_NODE, old->public.mode, old->public.name, old->secret[SECRET_LOCAL], why);
}

void
secret_keys_free(struct secret_keys **k)
{
	if (*k != NULL)
		sodium_free(*k); /* wipes */
	*k = NULL;
}

const struct public_key *
secret_keys_public(const struct secret_keys *k)
{
	return &k->public;
}

const char *
secret_keys_line(const struct secret_keys *k)
{
	return k->line;
}

const uint8_t *
secret_keys_sign(const struct secret_keys *k)
{
	return k->sign;
}

const uint8_t *
secret_keys_seal(const struct secret_keys *k)
{
	MUST(key_kind_has(k->public.kind, SECRET_SEAL));
	return k->secret[SECRET_SEAL];
}

const uint8_t *
secret_keys_curve(const struct secret_keys *k)
{
	MUST(key_kind_has(k->public.kind, SECRET_CURVE));
	return k->secret[SECRET_CURVE];
}

const uint8_t *
secret_keys_local(const struct secret_keys *k)
{
	MUST(key_kind_has(k->public.kind, SECRET_LOCAL));
	return k->secret[SECRET_LOCAL];
}
