/*
 * keys: who somebody is. Secret key files (mode 0600), public lines (kwnode1:…, kwbroker1:…, kwsteer1:…), fingerprints.
 *
 * A public line is the prefix and unpadded URL-safe base64 of: kind and mode byte, length and name, the public keys of the
 * kind, and the Ed25519 key's signature (label "sign key") over prefix and everything before it, so that nobody registers another's key.
 *   node, operator   sign, seal, curve        broker   sign, curve        steering   sign
 * An operator's key is of the node kind; a plain name ("night-desk") tells it from a node's ("police/control-room"), so that
 * neither can ever stand for the other.
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
	char name[KW_NODE_MAX + 1];         /* node id, or the plain name of an operator, a broker, a committee member */
	uint8_t sign_pk[KW_KEY_LEN];
	uint8_t seal_pk[KW_KEY_LEN];        /* nodes */
	uint8_t curve_pk[KW_KEY_LEN];       /* nodes and brokers */
};

#define KEY_LINE_MAX 400       /* bytes with the final zero */
#define KEY_FINGERPRINT_MAX 64

const char *key_kind_title(enum key_kind kind); /* "a node's key", "a broker's key", "a steering key", in the program's language */
bool public_key_is_operator(const struct public_key *k);

/* Refuses another prefix, bad base64, wrong length, a name that is none, a signature that does not hold, a small-order key. */
KW_MUST_USE enum kw_err public_key_parse(struct public_key *out, const char *line, struct kw_why *why);
/* The same for a line that must be of one kind; the sentence says which kind it is instead. */
KW_MUST_USE enum kw_err public_key_parse_as(struct public_key *out, enum key_kind kind, const char *line, struct kw_why *why);
/* "7F3A 91C2 …": 8 groups of 4 hex digits, the first 128 bits of the BLAKE2b-256 of the line, which was parsed before. */
void public_key_fingerprint(char out[KEY_FINGERPRINT_MAX], const char *line);

/* Secrets lie in sodium_malloc memory; wiped by secret_keys_free. sodium_init() was called before. */
struct secret_keys;
KW_MUST_USE enum kw_err secret_keys_new(struct secret_keys **out, enum key_kind kind, enum kw_mode mode, const char *name, struct kw_why *why);
/* A successor of a node's key: the same name and mode, and its L, so that what the node keeps on disk stays readable; all else is new. */
KW_MUST_USE enum kw_err secret_keys_succeed(struct secret_keys **out, const struct secret_keys *old, struct kw_why *why);
void secret_keys_free(struct secret_keys **k);

const struct public_key *secret_keys_public(const struct secret_keys *k);
const char *secret_keys_line(const struct secret_keys *k);          /* the public line */
const uint8_t *secret_keys_sign(const struct secret_keys *k);       /* 64, libsodium's form */
const uint8_t *secret_keys_seal(const struct secret_keys *k);       /* 32, nodes */
const uint8_t *secret_keys_curve(const struct secret_keys *k);      /* 32, nodes and brokers */
const uint8_t *secret_keys_local(const struct secret_keys *k);      /* 32, L: nodes and brokers */

/*
 * The file: text lines, "kurzweg secret key 1", then kind, mode, name, public, the secrets in base64 and a checksum of all.
 * A steering key's secret is locked by a passphrase; the lock's salt and limits stand in the file.
 */
enum key_lock { /* what one guess at the passphrase costs (Argon2id) */
	KEY_LOCK_INTERACTIVE,   /* 64 MiB, 2 passes */
	KEY_LOCK_MODERATE,      /* 256 MiB, 3 passes: what secret_keys_write takes */
	KEY_LOCK_SENSITIVE,     /* 1 GiB, 4 passes */
};
#define KEY_PASSPHRASE_MIN 8   /* bytes */
#define KEY_PASSPHRASE_MAX 1024

/*
 * passphrase: for steering keys, and NULL for all others. KW_EEXISTS: path is there already and stays as it is.
 * KW_EINVAL: the passphrase is too short or too long. KW_ENOMEM: no room for the lock.
 */
KW_MUST_USE enum kw_err secret_keys_write(const struct secret_keys *k, const char *path, const char *passphrase, struct kw_why *why);
KW_MUST_USE enum kw_err secret_keys_write_locked(const struct secret_keys *k, const char *path, const char *passphrase, enum key_lock lock,
                                                 struct kw_why *why);

/*
 * expected 0: any kind. KW_EDENIED: readable by others, a wrong passphrase, none for a steering key. KW_EINVAL: of another
 * kind (says which), no key file at all. KW_ECORRUPT: cut short, or the checksum does not hold. passphrase: not looked at
 * where the file is not locked.
 */
KW_MUST_USE enum kw_err secret_keys_read(struct secret_keys **out, enum key_kind expected, const char *path, const char *passphrase, struct kw_why *why);
/* For a daemon: path, or $CREDENTIALS_DIRECTORY/<file name of path> where that exists. */
KW_MUST_USE enum kw_err secret_keys_read_daemon(struct secret_keys **out, enum key_kind expected, const char *path, struct kw_why *why);
/* What the file says of itself without its passphrase; line may be NULL. The same refusals, but for the passphrase's. */
KW_MUST_USE enum kw_err secret_keys_read_public(struct public_key *out, char line[KEY_LINE_MAX], const char *path, struct kw_why *why);

#endif
