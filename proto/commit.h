/*
 * commit: the broker's signed record of what it accepted, and the Merkle tree under it (docs/protocol.md [L-3], [L-4]).
 * Broker and nodes share it. Hashing and signing by proto/seal.h; no I/O, no clock.
 */
#ifndef KW_PROTO_COMMIT_H
#define KW_PROTO_COMMIT_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/wire.h"

struct commit {
	uint64_t number;
	uint64_t time_ms;
	uint8_t previous[KW_HASH_LEN];
	uint32_t count;
	uint8_t root[KW_HASH_LEN];
};

void commit_encode(uint8_t out[WIRE_COMMIT_LEN], const struct commit *c, const uint8_t sign_secret[64]); /* signs */
KW_MUST_USE enum kw_err commit_decode(struct commit *out, const uint8_t in[WIRE_COMMIT_LEN], struct kw_why *why); /* shape alone */
KW_MUST_USE bool commit_verify(const uint8_t in[WIRE_COMMIT_LEN], const uint8_t broker_pk[KW_KEY_LEN]);
void commit_hash(uint8_t out[KW_HASH_LEN], const uint8_t in[WIRE_COMMIT_LEN]);

struct leaf { struct position at; const char *sender; const uint8_t *id; const uint8_t *frame_hash; };
void commit_leaf(uint8_t out[KW_HASH_LEN], const struct leaf *l);

/* leaves: n hashes, n >= 1; scratch of the same size may be overwritten. */
void commit_root(uint8_t out[KW_HASH_LEN], const uint8_t (*leaves)[KW_HASH_LEN], uint32_t n);
/* The path of leaf index, from the leaf up; returns its length, at most KW_PATH_MAX. Hashes the whole tree: for single questions. */
uint32_t commit_path(uint8_t (*path)[KW_HASH_LEN], const uint8_t (*leaves)[KW_HASH_LEN], uint32_t n, uint32_t index);
/*
 * The whole tree, for many paths: an array of commit_tree_len(n) hashes whose first n are the leaves. build fills the rest, the
 * root is the last; path then only copies.
 */
size_t commit_tree_len(uint32_t n);
void commit_tree_build(uint8_t (*tree)[KW_HASH_LEN], uint32_t n);
uint32_t commit_tree_path(uint8_t (*path)[KW_HASH_LEN], const uint8_t (*tree)[KW_HASH_LEN], uint32_t n, uint32_t index);

KW_MUST_USE bool commit_path_holds(const uint8_t root[KW_HASH_LEN], uint32_t n, uint32_t index, const uint8_t leaf[KW_HASH_LEN],
                                   const uint8_t (*path)[KW_HASH_LEN], uint32_t path_len);

#endif
