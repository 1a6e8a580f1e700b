/* test_keys: public lines, secret key files, and everything that they refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/fs.h"
#include "certs/keys.h"
#include "proto/seal.h"

#define BASE64 sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define PASSPHRASE "correct horse battery"

static char folder[64];
static char path[128];

static int
make_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/kurzweg-keys.XXXXXX");
	if (sodium_init() < 0 || mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof path, "%s/some.key", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static int
remove_file(void **state)
{
	(void)state;
	(void)unlink(path);
	return 0;
}

static struct secret_keys *
new_key(enum key_kind kind, enum kw_mode mode, const char *name)
{
	struct secret_keys *k = NULL;
	struct kw_why why = {{0}};

	if (secret_keys_new(&k, kind, mode, name, &why) != KW_OK)
		fail_msg("%s", why.text);
	return k;
}

static void
assert_says(const struct kw_why *why, const char *part)
{
	if (strstr(why->text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why->text, part);
}

static void
assert_same_secrets(const struct secret_keys *a, const struct secret_keys *b)
{
	assert_string_equal(secret_keys_line(a), secret_keys_line(b));
	assert_memory_equal(secret_keys_sign(a), secret_keys_sign(b), 64);
	if (secret_keys_public(a)->kind == KEY_STEERING)
		return;
	assert_memory_equal(secret_keys_curve(a), secret_keys_curve(b), 32);
	assert_memory_equal(secret_keys_local(a), secret_keys_local(b), 32);
	if (secret_keys_public(a)->kind == KEY_NODE)
		assert_memory_equal(secret_keys_seal(a), secret_keys_seal(b), 32);
}

static void
a_public_line_says_what_the_key_is(void **state)
{
	static const struct { enum key_kind kind; enum kw_mode mode; const char *name, *prefix; bool operator; } all[] = {
		{KEY_NODE, MODE_LIVE, "police/control-room", "kwnode1:", false},
		{KEY_NODE, MODE_EXERCISE, "night-desk", "kwnode1:", true},
		{KEY_BROKER, MODE_EXERCISE, "haus", "kwbroker1:", false},
		{KEY_STEERING, MODE_LIVE, "mayor", "kwsteer1:", false},
		{KEY_NODE, MODE_LIVE, "abcdefghijklmnopqrstuvwxyz-1234/abcdefghijklmnopqrstuvwxyz-1234", "kwnode1:", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct secret_keys *k = new_key(all[i].kind, all[i].mode, all[i].name);
		const struct public_key *is = secret_keys_public(k);
		struct public_key read;
		struct kw_why why = {{0}};

		assert_int_equal(strncmp(secret_keys_line(k), all[i].prefix, strlen(all[i].prefix)), 0);
		assert_true(strlen(secret_keys_line(k)) < KEY_LINE_MAX);
		if (public_key_parse(&read, secret_keys_line(k), &why) != KW_OK)
			fail_msg("%s", why.text);
		assert_int_equal(read.kind, all[i].kind);
		assert_int_equal(read.mode, all[i].mode);
		assert_string_equal(read.name, all[i].name);
		assert_memory_equal(read.sign_pk, is->sign_pk, 32);
		assert_memory_equal(read.seal_pk, is->seal_pk, 32);
		assert_memory_equal(read.curve_pk, is->curve_pk, 32);
		assert_int_equal(public_key_is_operator(&read), all[i].operator);
		secret_keys_free(&k);
		assert_null(k);
	}
}

static void
the_secrets_fit_the_public_keys(void **state)
{
	struct secret_keys *k = new_key(KEY_NODE, MODE_LIVE, "city/public-order");
	const struct public_key *p = secret_keys_public(k);
	uint8_t pk[32];

	(void)state;
	assert_int_equal(crypto_scalarmult_base(pk, secret_keys_seal(k)), 0);
	assert_memory_equal(pk, p->seal_pk, 32);
	assert_int_equal(crypto_scalarmult_base(pk, secret_keys_curve(k)), 0);
	assert_memory_equal(pk, p->curve_pk, 32);
	assert_memory_equal(secret_keys_sign(k) + 32, p->sign_pk, 32);
	assert_memory_not_equal(secret_keys_seal(k), secret_keys_curve(k), 32);
	assert_memory_not_equal(secret_keys_local(k), secret_keys_curve(k), 32);
	secret_keys_free(&k);
}

static void
no_two_keys_are_the_same(void **state)
{
	struct secret_keys *a = new_key(KEY_NODE, MODE_LIVE, "a/b"), *b = new_key(KEY_NODE, MODE_LIVE, "a/b");

	(void)state;
	assert_string_not_equal(secret_keys_line(a), secret_keys_line(b));
	assert_memory_not_equal(secret_keys_local(a), secret_keys_local(b), 32);
	secret_keys_free(&a);
	secret_keys_free(&b);
}

static void
a_successor_is_new_but_for_name_mode_and_what_the_disk_is_locked_with(void **state)
{
	struct secret_keys *old = new_key(KEY_NODE, MODE_EXERCISE, "police/control-room"), *next = NULL;

	(void)state;
	assert_int_equal(secret_keys_succeed(&next, old, NULL), KW_OK);
	assert_string_equal(secret_keys_public(next)->name, "police/control-room");
	assert_int_equal(secret_keys_public(next)->mode, MODE_EXERCISE);
	assert_memory_equal(secret_keys_local(next), secret_keys_local(old), 32);
	assert_memory_not_equal(secret_keys_sign(next), secret_keys_sign(old), 32);
	assert_memory_not_equal(secret_keys_seal(next), secret_keys_seal(old), 32);
	assert_memory_not_equal(secret_keys_curve(next), secret_keys_curve(old), 32);
	assert_string_not_equal(secret_keys_line(next), secret_keys_line(old));
	secret_keys_free(&old);
	secret_keys_free(&next);
}

static void
a_steering_key_signs_for_both_kinds_and_so_is_live(void **state)
{
	struct secret_keys *k = new_key(KEY_STEERING, MODE_EXERCISE, "mayor");

	(void)state;
	assert_int_equal(secret_keys_public(k)->mode, MODE_LIVE);
	secret_keys_free(&k);
}

static void
a_name_that_is_none_is_refused(void **state)
{
	static const struct { enum key_kind kind; const char *name; } all[] = {
		{KEY_NODE, "Police/control-room"}, {KEY_NODE, "police/"}, {KEY_NODE, "/x"}, {KEY_NODE, "a/b/c"}, {KEY_NODE, ""}, {KEY_NODE, "1a"},
		{KEY_BROKER, "a/b"}, {KEY_BROKER, "ha us"}, {KEY_STEERING, "may/or"}, {KEY_STEERING, "m\xc3\xa4yor"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct secret_keys *k = NULL;
		struct kw_why why = {{0}};

		assert_int_equal(secret_keys_new(&k, all[i].kind, MODE_LIVE, all[i].name, &why), KW_EINVAL);
		assert_null(k);
		assert_true(why.text[0] != '\0');
	}
}

static void
every_changed_character_of_a_line_is_refused(void **state)
{
	struct secret_keys *k = new_key(KEY_NODE, MODE_LIVE, "a/b");
	char line[KEY_LINE_MAX];
	struct public_key out;
	size_t len = strlen(secret_keys_line(k));

	(void)state;
	for (size_t i = 0; i < len; i++) {
		(void)snprintf(line, sizeof line, "%s", secret_keys_line(k));
		line[i] = line[i] == 'A' ? 'B' : 'A';
		assert_int_not_equal(public_key_parse(&out, line, NULL), KW_OK);
	}
	secret_keys_free(&k);
}

/* libsodium's decoder takes bytes beyond ASCII for the digit '_'. */
static void
a_line_has_one_spelling(void **state)
{
	struct secret_keys *k = new_key(KEY_NODE, MODE_LIVE, "a/b");
	char line[KEY_LINE_MAX];
	struct public_key out;
	unsigned met = 0;

	(void)state;
	while (strchr(secret_keys_line(k), '_') == NULL) {
		secret_keys_free(&k);
		k = new_key(KEY_NODE, MODE_LIVE, "a/b");
	}
	for (size_t i = 0; i < strlen(secret_keys_line(k)); i++)
		for (unsigned other = 0x80; other <= 0xFF && secret_keys_line(k)[i] == '_'; other++, met++) {
			(void)snprintf(line, sizeof line, "%s", secret_keys_line(k));
			line[i] = (char)other;
			assert_int_equal(public_key_parse(&out, line, NULL), KW_EPROTO);
		}
	assert_true(met > 0);
	secret_keys_free(&k);
}

static void
every_truncated_line_is_refused(void **state)
{
	struct secret_keys *k = new_key(KEY_BROKER, MODE_LIVE, "haus");
	char line[KEY_LINE_MAX];
	struct public_key out;

	(void)state;
	for (size_t len = strlen(secret_keys_line(k)); len-- > 0;) {
		(void)snprintf(line, sizeof line, "%.*s", (int)len, secret_keys_line(k));
		assert_int_not_equal(public_key_parse(&out, line, NULL), KW_OK);
	}
	secret_keys_free(&k);
}

static void
a_line_with_more_behind_it_is_refused(void **state)
{
	struct secret_keys *k = new_key(KEY_BROKER, MODE_LIVE, "haus");
	char line[2 * KEY_LINE_MAX];
	struct public_key out;
	struct kw_why why = {{0}};

	(void)state;
	(void)snprintf(line, sizeof line, "%s ", secret_keys_line(k));
	assert_int_equal(public_key_parse(&out, line, &why), KW_EPROTO);
	(void)snprintf(line, sizeof line, "%sAAAA", secret_keys_line(k));
	assert_int_not_equal(public_key_parse(&out, line, &why), KW_OK);
	memset(line, 'A', sizeof line);
	memcpy(line, "kwnode1:", 8);
	line[sizeof line - 1] = '\0';
	assert_int_equal(public_key_parse(&out, line, &why), KW_ELIMIT);
	assert_says(&why, "399 bytes");
	secret_keys_free(&k);
}

static void
a_line_of_another_kind_is_refused_and_says_which_it_is(void **state)
{
	struct secret_keys *k = new_key(KEY_BROKER, MODE_LIVE, "haus");
	struct public_key out = {.kind = KEY_STEERING};
	struct kw_why why = {{0}};

	(void)state;
	assert_int_equal(public_key_parse_as(&out, KEY_NODE, secret_keys_line(k), &why), KW_EINVAL);
	assert_says(&why, "this is a broker's key, that of \"haus\", but a node's key must stand here");
	assert_int_equal(out.kind, KEY_STEERING);
	assert_int_equal(public_key_parse_as(&out, KEY_BROKER, secret_keys_line(k), &why), KW_OK);
	assert_int_equal(public_key_parse(&out, "ssh-ed25519 AAAA", &why), KW_EINVAL);
	assert_says(&why, "kwnode1:");
	assert_int_equal(public_key_parse(&out, "kurzweg secret key 1\nkind node\n", &why), KW_EINVAL);
	assert_says(&why, "kurzweg key show");
	secret_keys_free(&k);
}

/* A node's line, signed as it ought to be by its own key, with one X25519 key replaced. */
static enum kw_err
parse_forged(const uint8_t seal_pk[32], const uint8_t curve_pk[32], uint8_t mode, struct kw_why *why)
{
	uint8_t bytes[8 + 3 + 3 + 96 + 64] = "kwnode1:\1\1\3a/b", pk[32], sk[64];
	char line[KEY_LINE_MAX] = "kwnode1:";
	struct public_key out;

	assert_int_equal(crypto_sign_keypair(pk, sk), 0);
	bytes[9] = mode;
	memcpy(bytes + 14, pk, 32);
	memcpy(bytes + 46, seal_pk, 32);
	memcpy(bytes + 78, curve_pk, 32);
	assert_true(seal_sign(bytes + 110, LABEL_SIGN_KEY, span_of(bytes, 110), sk));
	(void)sodium_bin2base64(line + 8, sizeof line - 8, bytes + 8, sizeof bytes - 8, BASE64);
	return public_key_parse(&out, line, why);
}

static void
a_weak_key_is_refused_although_it_is_signed(void **state)
{
	static const uint8_t weak[][32] = {
		{0}, {1},
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
		 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
		{0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, /* the key 3, written as 2^255 - 16 */
	};
	uint8_t good[2][32], high[32], sk[32];
	struct kw_why why = {{0}};

	(void)state;
	assert_int_equal(crypto_box_keypair(good[0], sk), 0);
	assert_int_equal(crypto_box_keypair(good[1], sk), 0);
	assert_int_equal(parse_forged(good[0], good[1], MODE_LIVE, &why), KW_OK);
	for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++) {
		assert_int_equal(parse_forged(weak[i], good[1], MODE_LIVE, &why), KW_ECRYPTO);
		assert_says(&why, "sealing key of \"a/b\"");
		assert_int_equal(parse_forged(good[0], weak[i], MODE_LIVE, &why), KW_ECRYPTO);
		assert_says(&why, "transport key of \"a/b\"");
	}
	memcpy(high, good[0], 32);
	high[31] |= 0x80;
	assert_int_equal(parse_forged(high, good[1], MODE_LIVE, &why), KW_ECRYPTO);
	assert_int_equal(parse_forged(good[0], good[1], 3, &why), KW_EPROTO);
}

static void
a_fingerprint_is_eight_groups_and_follows_the_line(void **state)
{
	struct secret_keys *a = new_key(KEY_NODE, MODE_LIVE, "a/b"), *b = new_key(KEY_NODE, MODE_LIVE, "a/b");
	char of_a[KEY_FINGERPRINT_MAX], again[KEY_FINGERPRINT_MAX], of_b[KEY_FINGERPRINT_MAX];

	(void)state;
	public_key_fingerprint(of_a, secret_keys_line(a));
	public_key_fingerprint(again, secret_keys_line(a));
	public_key_fingerprint(of_b, secret_keys_line(b));
	assert_string_equal(of_a, again);
	assert_string_not_equal(of_a, of_b);
	assert_int_equal(strlen(of_a), 39);
	for (size_t i = 0; i < 39; i++)
		assert_non_null(strchr(i % 5 == 4 ? " " : "0123456789ABCDEF", of_a[i]));
	public_key_fingerprint(of_a, "kwnode1:"); /* BLAKE2b-256 of these eight bytes */
	assert_string_equal(of_a, "1C6C B56E 7A59 75D3 4C69 F243 4AEE 01BC");
	secret_keys_free(&a);
	secret_keys_free(&b);
}

static void
a_written_key_is_read_back_and_private(void **state)
{
	static const struct { enum key_kind kind; const char *name, *passphrase; } all[] = {
		{KEY_NODE, "police/control-room", NULL}, {KEY_BROKER, "haus", NULL}, {KEY_STEERING, "mayor", PASSPHRASE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct secret_keys *k = new_key(all[i].kind, MODE_LIVE, all[i].name), *read = NULL;
		struct public_key public;
		char line[KEY_LINE_MAX];
		struct kw_why why = {{0}};
		struct stat st;

		assert_int_equal(secret_keys_write_locked(k, path, all[i].passphrase, KEY_LOCK_INTERACTIVE, &why), KW_OK);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		if (secret_keys_read(&read, all[i].kind, path, all[i].passphrase, &why) != KW_OK)
			fail_msg("%s", why.text);
		assert_same_secrets(k, read);
		assert_int_equal(secret_keys_read_public(&public, line, path, &why), KW_OK); /* no passphrase */
		assert_string_equal(line, secret_keys_line(k));
		assert_string_equal(public.name, all[i].name);
		secret_keys_free(&read);
		secret_keys_free(&k);
		assert_int_equal(unlink(path), 0);
	}
}

static void
an_existing_file_is_never_overwritten(void **state)
{
	struct secret_keys *a = new_key(KEY_BROKER, MODE_LIVE, "haus"), *b = new_key(KEY_BROKER, MODE_LIVE, "haus"), *read = NULL;
	struct kw_why why = {{0}};

	(void)state;
	assert_int_equal(secret_keys_write(a, path, NULL, &why), KW_OK);
	assert_int_equal(secret_keys_write(b, path, NULL, &why), KW_EEXISTS);
	assert_says(&why, path);
	assert_int_equal(secret_keys_read(&read, KEY_BROKER, path, NULL, &why), KW_OK);
	assert_same_secrets(a, read);
	secret_keys_free(&a);
	secret_keys_free(&b);
	secret_keys_free(&read);
}

static void
a_file_that_others_may_read_is_refused_with_the_remedy(void **state)
{
	struct secret_keys *k = new_key(KEY_BROKER, MODE_LIVE, "haus"), *read = NULL;
	static const mode_t open_to[] = {0640, 0604, 0620, 0601};
	struct kw_why why = {{0}};

	(void)state;
	assert_int_equal(secret_keys_write(k, path, NULL, &why), KW_OK);
	for (size_t i = 0; i < sizeof open_to / sizeof open_to[0]; i++) {
		assert_int_equal(chmod(path, open_to[i]), 0);
		assert_int_equal(secret_keys_read(&read, KEY_BROKER, path, NULL, &why), KW_EDENIED);
		assert_says(&why, "chmod 600");
	}
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(secret_keys_read(&read, KEY_BROKER, path, NULL, &why), KW_OK);
	secret_keys_free(&read);
	secret_keys_free(&k);
}

static void
a_file_of_another_kind_is_refused_and_says_which_it_is(void **state)
{
	struct secret_keys *k = new_key(KEY_NODE, MODE_LIVE, "police/control-room"), *read = NULL;
	struct kw_why why = {{0}};

	(void)state;
	assert_int_equal(secret_keys_write(k, path, NULL, &why), KW_OK);
	assert_int_equal(secret_keys_read(&read, KEY_BROKER, path, NULL, &why), KW_EINVAL);
	assert_says(&why, "is a node's key, that of \"police/control-room\", but a broker's key is wanted here");
	assert_null(read);
	assert_int_equal(secret_keys_read(&read, 0, path, NULL, &why), KW_OK);
	secret_keys_free(&read);
	secret_keys_free(&k);
}

/* The file of a key, which is then as text says. */
static void
read_text(struct buf *text)
{
	*text = BUF_INIT(8192);
	assert_int_equal(fs_read(text, path, NULL), KW_OK);
	assert_int_equal(unlink(path), 0);
}

static void
every_truncated_file_is_refused(void **state)
{
	struct secret_keys *k = new_key(KEY_NODE, MODE_LIVE, "a/b"), *read = NULL;
	struct kw_why why = {{0}};
	struct buf text;

	(void)state;
	assert_int_equal(secret_keys_write(k, path, NULL, &why), KW_OK);
	read_text(&text);
	for (size_t len = 0; len < text.len; len++) {
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		assert_int_equal(fchmod(fileno(f), 0600), 0);
		assert_int_equal(fwrite(text.p, 1, len, f), len);
		assert_int_equal(fclose(f), 0);
		assert_int_not_equal(secret_keys_read(&read, KEY_NODE, path, NULL, &why), KW_OK);
		if (len > 0)
			assert_says(&why, "cut short");
		assert_null(read);
	}
	buf_free(&text);
	secret_keys_free(&k);
}

static void
every_flipped_bit_of_a_file_is_refused(void **state)
{
	struct secret_keys *k = new_key(KEY_BROKER, MODE_LIVE, "haus"), *read = NULL;
	struct kw_why why = {{0}};
	struct buf text;

	(void)state;
	assert_int_equal(secret_keys_write(k, path, NULL, &why), KW_OK);
	read_text(&text);
	for (size_t i = 0; i < text.len; i++) {
		text.p[i] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(fs_write(path, buf_span(&text), 0600, &why), KW_OK);
		assert_int_not_equal(secret_keys_read(&read, KEY_BROKER, path, NULL, &why), KW_OK);
		assert_null(read);
		text.p[i] ^= (uint8_t)(1u << i % 8);
	}
	buf_free(&text);
	secret_keys_free(&k);
}

/* Writes text with find replaced and the checksum made anew: what somebody with an editor and patience makes. */
static void
rewrite(const struct buf *from, const char *find, const char *replace)
{
	struct buf out = BUF_INIT(8192);
	const char *text = (const char *)from->p, *at, *sum;
	uint8_t hash[32];
	char base64[64];

	at = memmem(text, from->len, find, strlen(find));
	sum = memmem(text, from->len, "checksum ", 9);
	assert_non_null(at);
	buf_put(&out, text, (size_t)(at - text));
	buf_put_str(&out, replace);
	buf_put(&out, at + strlen(find), (size_t)(sum - at) - strlen(find));
	(void)crypto_generichash(hash, sizeof hash, out.p, out.len, NULL, 0);
	buf_printf(&out, "checksum %s\n", sodium_bin2base64(base64, sizeof base64, hash, sizeof hash, BASE64));
	assert_int_equal(fs_write(path, buf_span(&out), 0600, NULL), KW_OK);
	buf_free(&out);
}

static void
a_file_that_contradicts_itself_is_refused_although_its_checksum_holds(void **state)
{
	static const char *const changes[][2] = {
		{"kind node", "kind broker"}, {"mode live", "mode exercise"}, {"name a/b", "name a/c"}, {"mode live\n", ""}, {"\nseal ", "\nsail "},
		{"\nlocal ", "\nlocal A"}, {"\nsign ", "\nmore x\nsign "}, {"kind node", "kind  node"},
	};
	struct secret_keys *k = new_key(KEY_NODE, MODE_LIVE, "a/b"), *other = new_key(KEY_NODE, MODE_LIVE, "a/b"), *read = NULL;
	struct kw_why why = {{0}};
	struct buf text;

	(void)state;
	assert_int_equal(secret_keys_write(k, path, NULL, &why), KW_OK);
	read_text(&text);
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		rewrite(&text, changes[i][0], changes[i][1]);
		assert_int_equal(secret_keys_read(&read, KEY_NODE, path, NULL, &why), KW_ECORRUPT);
		assert_says(&why, path);
	}
	rewrite(&text, secret_keys_line(k), secret_keys_line(other));
	assert_int_equal(secret_keys_read(&read, KEY_NODE, path, NULL, &why), KW_ECORRUPT);
	assert_says(&why, "do not belong to the public line");
	rewrite(&text, "kurzweg secret key 1", "kurzweg secret key 2");
	assert_int_equal(secret_keys_read(&read, KEY_NODE, path, NULL, &why), KW_EINVAL);
	assert_null(read);
	rewrite(&text, "mode live", "mode live"); /* the rewriting itself harms nothing */
	assert_int_equal(secret_keys_read(&read, KEY_NODE, path, NULL, &why), KW_OK);
	secret_keys_free(&read);
	buf_free(&text);
	secret_keys_free(&k);
	secret_keys_free(&other);
}

static void
a_file_that_is_none_is_refused(void **state)
{
	struct secret_keys *read = NULL;
	struct kw_why why = {{0}};

	(void)state;
	assert_int_equal(secret_keys_read(&read, KEY_NODE, path, NULL, &why), KW_ENOTFOUND);
	assert_int_equal(fs_write(path, span_str("kwnode1:AAAA\n"), 0600, &why), KW_OK);
	assert_int_equal(secret_keys_read(&read, KEY_NODE, path, NULL, &why), KW_EINVAL);
	assert_says(&why, "public line");
	assert_int_equal(fs_write(path, span_str("-----BEGIN PRIVATE KEY-----\n"), 0600, &why), KW_OK);
	assert_int_equal(secret_keys_read(&read, KEY_NODE, path, NULL, &why), KW_EINVAL);
	assert_says(&why, "no secret key file");
}

static void
a_steering_key_opens_with_its_passphrase_alone(void **state)
{
	struct secret_keys *k = new_key(KEY_STEERING, MODE_LIVE, "mayor"), *read = NULL;
	struct kw_why why = {{0}};
	struct buf text;

	(void)state;
	assert_int_equal(secret_keys_write_locked(k, path, PASSPHRASE, KEY_LOCK_INTERACTIVE, &why), KW_OK);
	assert_int_equal(secret_keys_read(&read, KEY_STEERING, path, NULL, &why), KW_EDENIED);
	assert_says(&why, "its passphrase is wanted");
	assert_int_equal(secret_keys_read(&read, KEY_STEERING, path, PASSPHRASE "x", &why), KW_EDENIED);
	assert_says(&why, "the passphrase is wrong");
	assert_null(read);
	read_text(&text);
	assert_null(memmem(text.p, text.len, "\nsign ", 6));
	rewrite(&text, "\nmode live", "\nmode live");
	assert_int_equal(secret_keys_read(&read, KEY_STEERING, path, PASSPHRASE, &why), KW_OK);
	secret_keys_free(&read);
	buf_free(&text);
	secret_keys_free(&k);
}

static void
the_secret_of_a_lock_is_bound_to_its_public_line(void **state)
{
	struct secret_keys *k = new_key(KEY_STEERING, MODE_LIVE, "mayor"), *other = new_key(KEY_STEERING, MODE_LIVE, "mayor"), *read = NULL;
	struct kw_why why = {{0}};
	struct buf text;

	(void)state;
	assert_int_equal(secret_keys_write_locked(k, path, PASSPHRASE, KEY_LOCK_INTERACTIVE, &why), KW_OK);
	read_text(&text);
	rewrite(&text, secret_keys_line(k), secret_keys_line(other));
	assert_int_equal(secret_keys_read(&read, KEY_STEERING, path, PASSPHRASE, &why), KW_EDENIED);
	assert_null(read);
	buf_free(&text);
	secret_keys_free(&k);
	secret_keys_free(&other);
}

static void
a_lock_outside_its_limits_is_refused_before_it_is_tried(void **state)
{
	static const char *const locks[] = {"argon2id 1 67108864 ", "argon2id 17 67108864 ", "argon2id 2 67108863 ", "argon2id 2 1073741825 ",
	                                    "argon2id 2 99999999999999999999 ", "argon2i 2 67108864 ", "argon2id 2 67108864 x"};
	struct secret_keys *k = new_key(KEY_STEERING, MODE_LIVE, "mayor"), *read = NULL;
	struct kw_why why = {{0}};
	struct buf text;

	(void)state;
	assert_int_equal(secret_keys_write_locked(k, path, PASSPHRASE, KEY_LOCK_INTERACTIVE, &why), KW_OK);
	read_text(&text);
	for (size_t i = 0; i < sizeof locks / sizeof locks[0]; i++) {
		rewrite(&text, "argon2id 2 67108864 ", locks[i]);
		assert_int_not_equal(secret_keys_read(&read, KEY_STEERING, path, PASSPHRASE, &why), KW_OK);
		assert_null(strstr(why.text, "passphrase"));
		assert_null(read);
	}
	buf_free(&text);
	secret_keys_free(&k);
}

static void
a_passphrase_too_short_or_too_long_is_refused(void **state)
{
	struct secret_keys *k = new_key(KEY_STEERING, MODE_LIVE, "mayor");
	char longer[KEY_PASSPHRASE_MAX + 2];
	struct kw_why why = {{0}};

	(void)state;
	assert_int_equal(secret_keys_write(k, path, "1234567", &why), KW_EINVAL);
	memset(longer, 'a', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(secret_keys_write(k, path, longer, &why), KW_ELIMIT);
	assert_int_not_equal(access(path, F_OK), 0);
	secret_keys_free(&k);
}

static void
the_usual_lock_is_the_moderate_one(void **state)
{
	struct secret_keys *k = new_key(KEY_STEERING, MODE_LIVE, "mayor");
	struct kw_why why = {{0}};
	struct buf text;

	(void)state;
	assert_int_equal(secret_keys_write(k, path, PASSPHRASE, &why), KW_OK);
	read_text(&text);
	assert_non_null(memmem(text.p, text.len, "\nlock argon2id 3 268435456 ", 27));
	buf_free(&text);
	secret_keys_free(&k);
}

static void
a_daemon_takes_its_key_from_the_credentials_where_it_is(void **state)
{
	struct secret_keys *k = new_key(KEY_BROKER, MODE_LIVE, "haus"), *read = NULL;
	struct kw_why why = {{0}};
	char deep[4097];

	(void)state;
	assert_int_equal(secret_keys_write(k, path, NULL, &why), KW_OK);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
	if (secret_keys_read_daemon(&read, KEY_BROKER, "/etc/kurzweg/some.key", &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_same_secrets(k, read);
	secret_keys_free(&read);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/nowhere", 1), 0);
	assert_int_equal(secret_keys_read_daemon(&read, KEY_BROKER, path, &why), KW_OK);
	secret_keys_free(&read);
	memset(deep, 'd', sizeof deep - 1);
	deep[sizeof deep - 1] = '\0';
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", deep, 1), 0);
	assert_int_equal(secret_keys_read_daemon(&read, KEY_BROKER, "/etc/kurzweg/some.key", &why), KW_ELIMIT);
	assert_string_equal(why.text, "$CREDENTIALS_DIRECTORY with the name of /etc/kurzweg/some.key is too long a path");
	assert_null(read);
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	assert_int_equal(secret_keys_read_daemon(&read, KEY_NODE, path, &why), KW_EINVAL);
	secret_keys_free(&k);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, remove_file)
	const struct CMUnitTest tests[] = {
		TEST(a_public_line_says_what_the_key_is),
		TEST(the_secrets_fit_the_public_keys),
		TEST(no_two_keys_are_the_same),
		TEST(a_successor_is_new_but_for_name_mode_and_what_the_disk_is_locked_with),
		TEST(a_steering_key_signs_for_both_kinds_and_so_is_live),
		TEST(a_name_that_is_none_is_refused),
		TEST(every_changed_character_of_a_line_is_refused),
		TEST(a_line_has_one_spelling),
		TEST(every_truncated_line_is_refused),
		TEST(a_line_with_more_behind_it_is_refused),
		TEST(a_line_of_another_kind_is_refused_and_says_which_it_is),
		TEST(a_weak_key_is_refused_although_it_is_signed),
		TEST(a_fingerprint_is_eight_groups_and_follows_the_line),
		TEST(a_written_key_is_read_back_and_private),
		TEST(an_existing_file_is_never_overwritten),
		TEST(a_file_that_others_may_read_is_refused_with_the_remedy),
		TEST(a_file_of_another_kind_is_refused_and_says_which_it_is),
		TEST(every_truncated_file_is_refused),
		TEST(every_flipped_bit_of_a_file_is_refused),
		TEST(a_file_that_contradicts_itself_is_refused_although_its_checksum_holds),
		TEST(a_file_that_is_none_is_refused),
		TEST(a_steering_key_opens_with_its_passphrase_alone),
		TEST(the_secret_of_a_lock_is_bound_to_its_public_line),
		TEST(a_lock_outside_its_limits_is_refused_before_it_is_tried),
		TEST(a_passphrase_too_short_or_too_long_is_refused),
		TEST(the_usual_lock_is_the_moderate_one),
		TEST(a_daemon_takes_its_key_from_the_credentials_where_it_is),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
