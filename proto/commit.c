/* commit: record, leaf and tree of the broker's log (docs/protocol.md [L-3], [L-4]; the tree's shape is RFC 6962's, section 2.1). */
#include "proto/commit.h"

#include <string.h>

#include "proto/seal.h"

#define RECORD_LEN (WIRE_COMMIT_LEN - KW_SIG_LEN)
#define LEAF_TAG 0u
#define NODE_TAG 1u

static const char magic[4] = {'K', 'W', 'C', '1'};

void
commit_encode(uint8_t out[WIRE_COMMIT_LEN], const struct commit *c, const uint8_t sign_secret[64])
{
	memcpy(out, magic, sizeof magic);
	be64_put(out + 4, c->number);
	be64_put(out + 12, c->time_ms);
	memcpy(out + 20, c->previous, KW_HASH_LEN);
	be32_put(out + 52, c->count);
	memcpy(out + 56, c->root, KW_HASH_LEN);
	MUST(seal_sign(out + RECORD_LEN, LABEL_SIGN_COMMIT, span_of(out, RECORD_LEN), sign_secret)); /* short: needs no memory */
}

enum kw_err
commit_decode(struct commit *out, const uint8_t in[WIRE_COMMIT_LEN], struct kw_why *why)
{
	uint64_t number = be64_get(in + 4);
	uint32_t count = be32_get(in + 52);

	if (memcmp(in, magic, sizeof magic) != 0)
		return kw_refuse(why, KW_EPROTO, "a commit does not begin with KWC1");
	if (number == 0)
		return kw_refuse(why, KW_EPROTO, "a commit has number 0, they begin at 1");
	if (number > INT64_MAX)
		return kw_refuse(why, KW_EPROTO, "a commit has number %llu; no log gets so far", (unsigned long long)number);
	if (count == 0)
		return kw_refuse(why, KW_EPROTO, "commit %llu holds no entry", (unsigned long long)number);
	out->number = number;
	out->time_ms = be64_get(in + 12);
	memcpy(out->previous, in + 20, KW_HASH_LEN);
	out->count = count;
	memcpy(out->root, in + 56, KW_HASH_LEN);
	return KW_OK;
}

bool
commit_verify(const uint8_t in[WIRE_COMMIT_LEN], const uint8_t broker_pk[KW_KEY_LEN])
{
	return seal_verify(in + RECORD_LEN, LABEL_SIGN_COMMIT, span_of(in, RECORD_LEN), broker_pk);
}

void
commit_hash(uint8_t out[KW_HASH_LEN], const uint8_t in[WIRE_COMMIT_LEN])
{
	struct span part = span_of(in, RECORD_LEN);

	seal_hash(out, NULL, LABEL_COMMIT, &part, 1);
}

void
commit_leaf(uint8_t out[KW_HASH_LEN], const struct leaf *l)
{
	uint8_t head[1 + 4 + 1 + 8 + 1];
	size_t sender_len = strlen(l->sender);
	struct span parts[4];

	MUST(sender_len <= UINT8_MAX);
	head[0] = LEAF_TAG;
	be32_put(head + 1, l->at.log_epoch);
	head[5] = (uint8_t)l->at.lane;
	be64_put(head + 6, l->at.number);
	head[14] = (uint8_t)sender_len;
	parts[0] = span_of(head, sizeof head);
	parts[1] = span_of(l->sender, sender_len);
	parts[2] = span_of(l->id, KW_ID_LEN);
	parts[3] = span_of(l->frame_hash, KW_HASH_LEN);
	seal_hash(out, NULL, LABEL_COMMIT, parts, 4);
}

static void
join(uint8_t out[KW_HASH_LEN], const uint8_t left[KW_HASH_LEN], const uint8_t right[KW_HASH_LEN])
{
	static const uint8_t tag = NODE_TAG;
	struct span parts[3] = {{&tag, 1}, {left, KW_HASH_LEN}, {right, KW_HASH_LEN}};

	seal_hash(out, NULL, LABEL_COMMIT, parts, 3);
}

/* The largest power of two below n. */
static uint32_t
split(uint32_t n)
{
	uint32_t k = 1;

	while (k < n - k)
		k *= 2;
	return k;
}

void
commit_root(uint8_t out[KW_HASH_LEN], const uint8_t (*leaves)[KW_HASH_LEN], uint32_t n)
{
	uint8_t left[KW_HASH_LEN], right[KW_HASH_LEN];
	uint32_t k;

	MUST(n >= 1);
	if (n == 1) {
		memcpy(out, leaves[0], KW_HASH_LEN);
		return;
	}
	k = split(n);
	commit_root(left, leaves, k);
	commit_root(right, leaves + k, n - k);
	join(out, left, right);
}

uint32_t
commit_path(uint8_t (*path)[KW_HASH_LEN], const uint8_t (*leaves)[KW_HASH_LEN], uint32_t n, uint32_t index)
{
	uint32_t k, len;

	MUST(index < n);
	if (n == 1)
		return 0;
	k = split(n);
	if (index < k) {
		len = commit_path(path, leaves, k, index);
		commit_root(path[len], leaves + k, n - k);
	} else {
		len = commit_path(path, leaves + k, n - k, index - k);
		commit_root(path[len], leaves, k);
	}
	MUST(len < KW_PATH_MAX);
	return len + 1;
}

/* Level by level, pairs joined, an odd last one taken up as it is: the same tree as the recursive one of RFC 6962. */
size_t
commit_tree_len(uint32_t n)
{
	size_t len = n;

	while (n > 1) {
		n = n / 2 + n % 2;
		len += n;
	}
	return len;
}

void
commit_tree_build(uint8_t (*tree)[KW_HASH_LEN], uint32_t n)
{
	while (n > 1) {
		uint8_t(*above)[KW_HASH_LEN] = tree + n;

		for (uint32_t i = 0; i + 1 < n; i += 2)
			join(above[i / 2], tree[i], tree[i + 1]);
		if (n % 2 != 0)
			memcpy(above[n / 2], tree[n - 1], KW_HASH_LEN);
		tree = above;
		n = n / 2 + n % 2;
	}
}

uint32_t
commit_tree_path(uint8_t (*path)[KW_HASH_LEN], const uint8_t (*tree)[KW_HASH_LEN], uint32_t n, uint32_t index)
{
	uint32_t len = 0;

	MUST(index < n);
	while (n > 1) {
		uint32_t sibling = index ^ 1u;

		if (sibling < n)
			memcpy(path[len++], tree[sibling], KW_HASH_LEN);
		tree += n;
		index /= 2;
		n = n / 2 + n % 2;
	}
	return len;
}

/* Walks down first to learn on which side the leaf lies at each level, then up along the path. */
static bool
fold(uint8_t out[KW_HASH_LEN], uint32_t n, uint32_t index, const uint8_t leaf[KW_HASH_LEN],
     const uint8_t (*path)[KW_HASH_LEN], uint32_t path_len)
{
	uint8_t below[KW_HASH_LEN];
	uint32_t k;

	if (n == 1) {
		memcpy(out, leaf, KW_HASH_LEN);
		return path_len == 0;
	}
	if (path_len == 0)
		return false;
	k = split(n);
	if (!fold(below, index < k ? k : n - k, index < k ? index : index - k, leaf, path, path_len - 1))
		return false;
	if (index < k)
		join(out, below, path[path_len - 1]);
	else
		join(out, path[path_len - 1], below);
	return true;
}

bool
commit_path_holds(const uint8_t root[KW_HASH_LEN], uint32_t n, uint32_t index, const uint8_t leaf[KW_HASH_LEN],
                  const uint8_t (*path)[KW_HASH_LEN], uint32_t path_len)
{
	uint8_t found[KW_HASH_LEN];

	if (n == 0 || index >= n || path_len > KW_PATH_MAX)
		return false;
	if (!fold(found, n, index, leaf, path, path_len))
		return false;
	return memcmp(found, root, KW_HASH_LEN) == 0;
}
