/* keys_parts: the inside of a secret key, shared by the keys*.c files and by nobody else. */
#ifndef KW_CERTS_KEYS_PARTS_H
#define KW_CERTS_KEYS_PARTS_H

#include "certs/keys.h"

enum key_secret { SECRET_SIGN, SECRET_SEAL, SECRET_CURVE, SECRET_LOCAL, SECRET_COUNT };

struct secret_keys { /* in sodium_malloc memory, read-only once made */
	struct public_key public;
	char line[KEY_LINE_MAX];
	uint8_t sign[64];                            /* libsodium's form: seed and public key */
	uint8_t secret[SECRET_COUNT][KW_KEY_LEN];    /* zeros where the kind has none; SECRET_SIGN is the seed */
};

const char *key_kind_word(enum key_kind kind); /* "node", as in the file */
bool key_kind_has(enum key_kind kind, enum key_secret secret);
KW_MUST_USE enum kw_err key_name_check(enum key_kind kind, const char *name, struct kw_why *why);

/* Signs and writes the public line of k, whose fields are set. */
KW_MUST_USE enum kw_err public_key_line(char out[KEY_LINE_MAX], const struct public_key *k, const uint8_t sign_secret[64], struct kw_why *why);

/* Writable, zeroed; NULL: no guarded memory left. */
struct secret_keys *secret_keys_alloc(enum key_kind kind, enum kw_mode mode, const char *name);
/* From kind, mode, name and secrets to public keys and line; then k is read-only. */
KW_MUST_USE enum kw_err secret_keys_derive(struct secret_keys *k, struct kw_why *why);

#endif
