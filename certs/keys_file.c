/*
 * keys_file: the secret key's file, a word and its value a line:
 *
 *   kurzweg secret key 1
 *   kind node | broker | steering
 *   mode live | exercise
 *   name police/control-room
 *   public kwnode1:…
 *   sign SECRET                    the kinds' secrets, base64: sign, seal, curve, local
 *   checksum HASH                  BLAKE2b-256 of all above
 *
 * A steering key has instead of its secret:
 *
 *   lock argon2id PASSES BYTES SALT
 *   locked SECRET                  XChaCha20-Poly1305 under the passphrase's key, zero nonce (the salt is new with every
 *                                  file), all above as associated data
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/fs.h"
#include "base/text.h"
#include "certs/key_text.h"
#include "certs/keys_parts.h"

#define FILE_MAX 4096u
#define FIRST_LINE "kurzweg secret key 1\n"
#define CHECKSUM_LINE (sizeof "checksum \n" - 1 + KEY_TEXT_LEN(KW_HASH_LEN))
#define SALT_LEN crypto_pwhash_argon2id_SALTBYTES
#define TAG_LEN crypto_aead_xchacha20poly1305_ietf_ABYTES
#define LOCKED_LEN (KW_KEY_LEN + TAG_LEN)

/* A file may ask for no less than the weakest lock and no more than the strongest. */
#define PASSES_MIN crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE
#define PASSES_MAX 16u
#define LOCK_BYTES_MIN crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE
#define LOCK_BYTES_MAX crypto_pwhash_argon2id_MEMLIMIT_SENSITIVE

static const char *const secret_words[SECRET_COUNT] = {"sign", "seal", "curve", "local"};

struct lock {
	uint64_t passes, bytes;
	uint8_t salt[SALT_LEN];
};

static void
put_base64(struct buf *out, const uint8_t *bytes, size_t len)
{
	char text[KEY_TEXT_LEN(LOCKED_LEN) + 1];

	key_text_put(text, sizeof text, bytes, len);
	buf_put_str(out, text);
	sodium_memzero(text, sizeof text);
}

static bool
get_base64(uint8_t *out, size_t len, const char *text)
{
	size_t n = 0;

	return strlen(text) == KEY_TEXT_LEN(len) && key_text_get(out, len, &n, text, strlen(text)) && n == len;
}

static enum kw_err
lock_key(uint8_t key[32], const struct lock *l, const char *passphrase, struct kw_why *why)
{
	if (crypto_pwhash_argon2id(key, 32, passphrase, strlen(passphrase), l->salt, l->passes, (size_t)l->bytes, crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0)
		return kw_refuse(why, KW_ENOMEM, "the lock of a steering key needs %llu MiB of memory, which are not there", (unsigned long long)(l->bytes >> 20));
	return KW_OK;
}

static enum kw_err
put_locked(struct buf *out, const struct secret_keys *k, const char *passphrase, enum key_lock lock, struct kw_why *why)
{
	static const struct { uint64_t passes, bytes; } costs[] = {
		[KEY_LOCK_INTERACTIVE] = {crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE, crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE},
		[KEY_LOCK_MODERATE] = {crypto_pwhash_argon2id_OPSLIMIT_MODERATE, crypto_pwhash_argon2id_MEMLIMIT_MODERATE},
		[KEY_LOCK_SENSITIVE] = {crypto_pwhash_argon2id_OPSLIMIT_SENSITIVE, crypto_pwhash_argon2id_MEMLIMIT_SENSITIVE},
	};
	static const uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
	struct lock l = {.passes = costs[lock].passes, .bytes = costs[lock].bytes};
	uint8_t key[32], locked[LOCKED_LEN];
	enum kw_err err;

	randombytes_buf(l.salt, sizeof l.salt);
	if ((err = lock_key(key, &l, passphrase, why)) != KW_OK)
		return err;
	buf_printf(out, "lock argon2id %llu %llu ", (unsigned long long)l.passes, (unsigned long long)l.bytes);
	put_base64(out, l.salt, sizeof l.salt);
	buf_put_str(out, "\n");
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(locked, NULL, k->secret[SECRET_SIGN], KW_KEY_LEN, out->p, out->len, NULL, nonce, key);
	sodium_memzero(key, sizeof key);
	buf_put_str(out, "locked ");
	put_base64(out, locked, sizeof locked);
	buf_put_str(out, "\n");
	return KW_OK;
}

static void
put_open(struct buf *out, const struct secret_keys *k)
{
	for (unsigned i = 0; i < SECRET_COUNT; i++) {
		if (!key_kind_has(k->public.kind, (enum key_secret)i))
			continue;
		buf_printf(out, "%s ", secret_words[i]);
		put_base64(out, k->secret[i], KW_KEY_LEN);
		buf_put_str(out, "\n");
	}
}

static enum kw_err
check_passphrase(const char *passphrase, struct kw_why *why)
{
	size_t len = strlen(passphrase);

	if (len < KEY_PASSPHRASE_MIN)
		return kw_refuse(why, KW_EINVAL, "the passphrase has %zu bytes, at least %d are wanted; take four words that nobody would guess together", len,
		                 KEY_PASSPHRASE_MIN);
	if (len > KEY_PASSPHRASE_MAX)
		return kw_refuse(why, KW_ELIMIT, "the passphrase has %zu bytes, at most %d are possible", len, KEY_PASSPHRASE_MAX);
	return KW_OK;
}

enum kw_err
secret_keys_write_locked(const struct secret_keys *k, const char *path, const char *passphrase, enum key_lock lock, struct kw_why *why)
{
	struct buf text = BUF_INIT(FILE_MAX);
	uint8_t hash[KW_HASH_LEN];
	enum kw_err err;

	MUST((passphrase != NULL) == (k->public.kind == KEY_STEERING));
	text.secret = true;
	if (passphrase != NULL && (err = check_passphrase(passphrase, why)) != KW_OK)
		return err;
	if (access(path, F_OK) == 0) /* before the dear lock; fs_write_new decides */
		return kw_refuse(why, KW_EEXISTS, "%s exists already and is not overwritten; move it away first", path);
	buf_printf(&text, FIRST_LINE "kind %s\nmode %s\nname %s\npublic %s\n", key_kind_word(k->public.kind),
	           k->public.mode == MODE_LIVE ? "live" : "exercise", k->public.name, k->line);
	if (passphrase == NULL)
		put_open(&text, k);
	else if ((err = put_locked(&text, k, passphrase, lock, why)) != KW_OK)
		goto free_text;
	(void)crypto_generichash(hash, sizeof hash, text.p, text.len, NULL, 0);
	buf_put_str(&text, "checksum ");
	put_base64(&text, hash, sizeof hash);
	buf_put_str(&text, "\n");
	err = buf_ok(&text) ? fs_write_new(path, buf_span(&text), 0600, why) : kw_refuse(why, KW_ENOMEM, "out of memory while writing %s", path);
free_text:
	buf_free(&text);
	return err;
}

enum kw_err
secret_keys_write(const struct secret_keys *k, const char *path, const char *passphrase, struct kw_why *why)
{
	return secret_keys_write_locked(k, path, passphrase, KEY_LOCK_MODERATE, why);
}

/* A key file, whole and unharmed; its lines are cut off one by one. */
struct file {
	struct buf text;      /* secret; a zero at the end of each line that was taken */
	size_t at, end;       /* end: where the checksum line begins */
	const char *path;
};

static enum kw_err
damaged(const struct file *f, const char *where, struct kw_why *why)
{
	return kw_refuse(why, KW_ECORRUPT, "%s is damaged at \"%s\"; take it from your copy, or make a new key", f->path, where);
}

/* The value behind "word " in the next line. */
static enum kw_err
take(const char **value, struct file *f, const char *word, struct kw_why *why)
{
	size_t len = strlen(word), left = f->end - f->at;
	char *line = (char *)f->text.p + f->at, *end = memchr(line, '\n', left);

	if (end == NULL || (size_t)(end - line) <= len || memcmp(line, word, len) != 0 || line[len] != ' ')
		return damaged(f, word, why);
	*end = '\0';
	if (strlen(line) != (size_t)(end - line))
		return damaged(f, word, why);
	f->at += (size_t)(end - line) + 1;
	*value = line + len + 1;
	return KW_OK;
}

static enum kw_err
check_whole(struct file *f, struct kw_why *why)
{
	size_t first = sizeof FIRST_LINE - 1, same = f->text.len < first ? f->text.len : first;
	const char *last;
	char sum[KEY_TEXT_LEN(KW_HASH_LEN) + 1];
	uint8_t is[KW_HASH_LEN], must_be[KW_HASH_LEN];

	if (f->text.len > 2 && f->text.p[0] == 'k' && f->text.p[1] == 'w')
		return kw_refuse(why, KW_EINVAL, "%s holds a public line; the secret key's file is wanted here", f->path);
	if (f->text.len == 0 || memcmp(f->text.p, FIRST_LINE, same) != 0)
		return kw_refuse(why, KW_EINVAL, "%s is no secret key file of this version (its first line is not \"%.*s\")", f->path, (int)first - 1, FIRST_LINE);
	if (f->text.len < first + CHECKSUM_LINE)
		return kw_refuse(why, KW_ECORRUPT, "%s is cut short; take it from your copy, or make a new key", f->path);
	f->end = f->text.len - CHECKSUM_LINE;
	last = (const char *)f->text.p + f->end;
	if (memcmp(last, "checksum ", 9) != 0 || last[CHECKSUM_LINE - 1] != '\n')
		return kw_refuse(why, KW_ECORRUPT, "%s is cut short or has something behind its last line; take it from your copy, or make a new key", f->path);
	memcpy(sum, last + 9, sizeof sum - 1);
	sum[sizeof sum - 1] = '\0';
	(void)crypto_generichash(is, sizeof is, f->text.p, f->end, NULL, 0);
	if (!get_base64(must_be, sizeof must_be, sum) || memcmp(is, must_be, sizeof is) != 0)
		return kw_refuse(why, KW_ECORRUPT, "%s was changed, its checksum does not hold; take it from your copy, or make a new key", f->path);
	f->at = first;
	return KW_OK;
}

/* kind, mode, name and public, which must say the same. */
static enum kw_err
take_public(struct public_key *out, const char **line, struct file *f, enum key_kind expected, struct kw_why *why)
{
	const char *kind, *mode, *name;
	enum kw_err err;

	if ((err = take(&kind, f, "kind", why)) != KW_OK || (err = take(&mode, f, "mode", why)) != KW_OK || (err = take(&name, f, "name", why)) != KW_OK
	    || (err = take(line, f, "public", why)) != KW_OK)
		return err;
	if ((err = public_key_parse(out, *line, why)) != KW_OK) {
		kw_why_prefix(why, "%s", f->path);
		return err;
	}
	if (strcmp(kind, key_kind_word(out->kind)) != 0)
		return damaged(f, "kind", why);
	if (strcmp(mode, out->mode == MODE_LIVE ? "live" : "exercise") != 0)
		return damaged(f, "mode", why);
	if (strcmp(name, out->name) != 0)
		return damaged(f, "name", why);
	if (expected != 0 && out->kind != expected)
		return kw_refuse(why, KW_EINVAL, "%s is %s, that of \"%s\", but %s is wanted here", f->path, key_kind_title(out->kind), out->name,
		                 key_kind_title(expected));
	return KW_OK;
}

static enum kw_err
take_lock(struct lock *l, struct file *f, struct kw_why *why)
{
	const char *value;
	char passes[24], bytes[24], salt[64];
	enum kw_err err;
	int n = 0;

	if ((err = take(&value, f, "lock", why)) != KW_OK)
		return err;
	if (sscanf(value, "argon2id %23s %23s %63s%n", passes, bytes, salt, &n) != 3 || value[n] != '\0' || !get_base64(l->salt, sizeof l->salt, salt))
		return damaged(f, "lock", why);
	if ((err = text_u64(&l->passes, passes, PASSES_MIN, PASSES_MAX, "the lock's passes", why)) != KW_OK
	    || (err = text_u64(&l->bytes, bytes, LOCK_BYTES_MIN, LOCK_BYTES_MAX, "the lock's bytes", why)) != KW_OK)
		kw_why_prefix(why, "%s", f->path);
	return err;
}

static enum kw_err
unlock(struct secret_keys *k, struct file *f, const char *passphrase, struct kw_why *why)
{
	static const uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
	struct lock l;
	uint8_t key[32], locked[LOCKED_LEN];
	const char *value;
	size_t above;
	enum kw_err err;

	if (passphrase == NULL)
		return kw_refuse(why, KW_EDENIED, "%s is locked, its passphrase is wanted", f->path);
	if ((err = take_lock(&l, f, why)) != KW_OK)
		return err;
	above = f->at;
	if ((err = take(&value, f, "locked", why)) != KW_OK)
		return err;
	if (!get_base64(locked, sizeof locked, value))
		return damaged(f, "locked", why);
	for (size_t i = 0; i < above; i++) /* as it was when it was locked: line ends, not zeros */
		if (f->text.p[i] == '\0')
			f->text.p[i] = '\n';
	if ((err = lock_key(key, &l, passphrase, why)) != KW_OK)
		return err;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(k->secret[SECRET_SIGN], NULL, NULL, locked, sizeof locked, f->text.p, above, nonce, key) != 0)
		err = kw_refuse(why, KW_EDENIED, "%s: the passphrase is wrong", f->path);
	sodium_memzero(key, sizeof key);
	return err;
}

static enum kw_err
take_open(struct secret_keys *k, struct file *f, struct kw_why *why)
{
	const char *value;
	enum kw_err err;

	for (unsigned i = 0; i < SECRET_COUNT; i++) {
		if (!key_kind_has(k->public.kind, (enum key_secret)i))
			continue;
		if ((err = take(&value, f, secret_words[i], why)) != KW_OK)
			return err;
		if (!get_base64(k->secret[i], KW_KEY_LEN, value))
			return damaged(f, secret_words[i], why);
	}
	return KW_OK;
}

static enum kw_err
take_secrets(struct secret_keys **out, const struct public_key *public, const char *line, struct file *f, const char *passphrase, struct kw_why *why)
{
	struct secret_keys *k = secret_keys_alloc(public->kind, public->mode, public->name);
	char said[KEY_LINE_MAX];
	enum kw_err err;

	if (k == NULL)
		return kw_refuse(why, KW_ENOMEM, "no guarded memory left for a secret key");
	(void)snprintf(said, sizeof said, "%s", line);
	err = public->kind == KEY_STEERING ? unlock(k, f, passphrase, why) : take_open(k, f, why);
	if (err == KW_OK && f->at != f->end)
		err = damaged(f, "checksum", why);
	if (err == KW_OK)
		err = secret_keys_derive(k, why);
	if (err == KW_OK && strcmp(k->line, said) != 0)
		err = kw_refuse(why, KW_ECORRUPT, "%s: the secrets do not belong to the public line in it; take it from your copy, or make a new key", f->path);
	if (err != KW_OK) {
		secret_keys_free(&k);
		return err;
	}
	*out = k;
	return KW_OK;
}

static enum kw_err
open_file(struct file *f, const char *path, struct kw_why *why)
{
	enum kw_err err;

	*f = (struct file){.text = BUF_INIT(FILE_MAX), .path = path};
	if ((err = fs_read_private(&f->text, path, why)) != KW_OK)
		return err;
	return check_whole(f, why);
}

enum kw_err
secret_keys_read(struct secret_keys **out, enum key_kind expected, const char *path, const char *passphrase, struct kw_why *why)
{
	struct public_key public;
	struct file f;
	const char *line;
	enum kw_err err = open_file(&f, path, why);

	if (err == KW_OK)
		err = take_public(&public, &line, &f, expected, why);
	if (err == KW_OK)
		err = take_secrets(out, &public, line, &f, passphrase, why);
	buf_free(&f.text);
	return err;
}

enum kw_err
secret_keys_read_public(struct public_key *out, char line[KEY_LINE_MAX], const char *path, struct kw_why *why)
{
	struct public_key public;
	struct file f;
	const char *text;
	enum kw_err err = open_file(&f, path, why);

	if (err == KW_OK)
		err = take_public(&public, &text, &f, 0, why);
	if (err == KW_OK) {
		*out = public;
		if (line != NULL)
			(void)snprintf(line, KEY_LINE_MAX, "%s", text);
	}
	buf_free(&f.text);
	return err;
}

enum kw_err
secret_keys_read_daemon(struct secret_keys **out, enum key_kind expected, const char *path, struct kw_why *why)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY"), *slash = strrchr(path, '/');
	struct buf there = BUF_INIT(4096);
	enum kw_err err;

	if (folder == NULL || folder[0] == '\0')
		return secret_keys_read(out, expected, path, NULL, why);
	buf_printf(&there, "%s/%s", folder, slash != NULL ? slash + 1 : path);
	if (buf_text(&there) == NULL)
		err = kw_refuse(why, KW_ELIMIT, "$CREDENTIALS_DIRECTORY with the name of %s is too long a path", path);
	else if (access(buf_text(&there), F_OK) == 0)
		err = secret_keys_read(out, expected, buf_text(&there), NULL, why);
	else
		err = secret_keys_read(out, expected, path, NULL, why);
	buf_free(&there);
	return err;
}
