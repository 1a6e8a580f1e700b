/*
 * keys: who somebody is. Secret key files (mode 0600), public lines (kwnode1:…, kwbroker1:…, kwsteer1:…), fingerprints.
 *
 * A public line is the prefix and unpadded URL-safe base64 of: kind and mode byte, length and name, the public keys of the
 * kind, and the Ed25519 key's signature (label "sign key") over prefix and everything before it, so that nobody registers another's key.
 *   node, operator   sign, seal, curve        broker   sign, curve        steering   sign
 */
#ifndef KW_CERTS_KEYS_H
#define KW_CERTS_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/header.h"
#include "proto/limits.h"

enum key_kind { KEY_NODE = 1, KEY_BROKER, KEY_STEERING };

struct public_key { /* plain data; compared by memcmp of the fields that the kind has */
	enum key_kind kind;
	enum kw_mode mode;                  /* steering keys: MODE_LIVE always, they sign for both */
	char name[KW_NODE_MAX + 1];         /* node id, broker name, member name */
	uint8_t sign_pk[KW_KEY_LEN];
	uint8_t seal_pk[KW_KEY_LEN];        /* nodes */
	uint8_t curve_pk[KW_KEY_LEN];       /* nodes and brokers */
};

#define KEY_LINE_MAX 400
#define KEY_FINGERPRINT_MAX 64

/* Refuses another prefix, bad base64, wrong length, a name that is none, a signature that does not hold, a small-order key. */
KW_MUST_USE enum kw_err public_key_parse(struct public_key *out, const char *line, struct kw_why *why);
/* The same for a line that must be of one kind; the sentence says which kind it is instead. */
KW_MUST_USE enum kw_err public_key_parse_as(struct public_key *out, enum key_kind kind, const char *line, struct kw_why *why);
/* "7F3A 91C2 …": 8 groups of 4 hex digits, the first 128 bits of the line's hash. */
void public_key_fingerprint(char out[KEY_FINGERPRINT_MAX], const struct public_key *k, const char *line);

/* Secrets lie in sodium_malloc memory; wiped by secret_keys_free. sodium_init() was called before. */
struct secret_keys;
KW_MUST_USE enum kw_err secret_keys_new(struct secret_keys **out, enum key_kind kind, enum kw_mode mode, const char *name, struct kw_why *why);
void secret_keys_free(struct secret_keys **k);

const struct public_key *secret_keys_public(const struct secret_keys *k);
const char *secret_keys_line(const struct secret_keys *k);          /* the public line */
const uint8_t *secret_keys_sign(const struct secret_keys *k);       /* 64, libsodium's form */
const uint8_t *secret_keys_seal(const struct secret_keys *k);       /* 32, nodes */
const uint8_t *secret_keys_curve(const struct secret_keys *k);      /* 32, nodes and brokers */
const uint8_t *secret_keys_local(const struct secret_keys *k);      /* 32, L: nodes and brokers */

/*
 * The file: text lines "kurzweg secret key 1", kind, name, mode, base64 secrets, a checksum of all. A steering key is locked
 * by a passphrase (Argon2id, interactive limits at least; salt and limits in the file): passphrase is NULL for other kinds.
 * write refuses to overwrite (KW_EEXISTS). read refuses: readable by others, truncated, of another kind (expected 0: any),
 * wrong passphrase, checksum.
 */
KW_MUST_USE enum kw_err secret_keys_write(const struct secret_keys *k, const char *path, const char *passphrase, struct kw_why *why);
KW_MUST_USE enum kw_err secret_keys_read(struct secret_keys **out, enum key_kind expected, const char *path, const char *passphrase, struct kw_why *why);
/* For a daemon: path, or $CREDENTIALS_DIRECTORY/<file name of path> where that exists. */
KW_MUST_USE enum kw_err secret_keys_read_daemon(struct secret_keys **out, enum key_kind expected, const char *path, struct kw_why *why);

#endif
