/* Sentences [L-3] and [L-4]: what a broker signed can be shown to anybody, and nothing else can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "proto/commit.h"

#define LEAVES_MAX 70

static uint8_t leaves[LEAVES_MAX][KW_HASH_LEN];
static uint8_t pk[KW_KEY_LEN], sk[64];

static int
make(void **state)
{
	uint8_t seed[32] = {7};

	(void)state;
	assert_true(sodium_init() >= 0);
	crypto_sign_seed_keypair(pk, sk, seed);
	for (unsigned i = 0; i < LEAVES_MAX; i++)
		memset(leaves[i], (int)i + 1, KW_HASH_LEN);
	return 0;
}

static void
every_leaf_of_every_tree_has_a_path_that_holds(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= LEAVES_MAX; n++) {
		uint8_t root[KW_HASH_LEN];

		commit_root(root, (const uint8_t(*)[KW_HASH_LEN])leaves, n);
		for (uint32_t i = 0; i < n; i++) {
			uint8_t path[KW_PATH_MAX][KW_HASH_LEN];
			const uint8_t(*p)[KW_HASH_LEN] = (const uint8_t(*)[KW_HASH_LEN])path;
			uint32_t len = commit_path(path, (const uint8_t(*)[KW_HASH_LEN])leaves, n, i);

			assert_true(commit_path_holds(root, n, i, leaves[i], p, len));
			assert_false(commit_path_holds(root, n, i, leaves[(i + 1) % LEAVES_MAX], p, len));
			if (n > 1) {
				assert_false(commit_path_holds(root, n, i, leaves[i], p, len - 1));
				assert_false(commit_path_holds(root, n, (i + 1) % n, leaves[i], p, len));
				path[len - 1][0] ^= 1;
				assert_false(commit_path_holds(root, n, i, leaves[i], p, len));
			}
		}
		assert_false(commit_path_holds(root, n, n, leaves[0], NULL, 0));
	}
}

static void
the_tree_built_once_gives_the_same_root_and_paths(void **state)
{
	static uint8_t tree[4 * LEAVES_MAX][KW_HASH_LEN];
	const uint8_t(*t)[KW_HASH_LEN] = (const uint8_t(*)[KW_HASH_LEN])tree;

	(void)state;
	for (uint32_t n = 1; n <= LEAVES_MAX; n++) {
		uint8_t root[KW_HASH_LEN], a[KW_PATH_MAX][KW_HASH_LEN], b[KW_PATH_MAX][KW_HASH_LEN];

		memcpy(tree, leaves, (size_t)n * KW_HASH_LEN);
		commit_tree_build(tree, n);
		commit_root(root, (const uint8_t(*)[KW_HASH_LEN])leaves, n);
		assert_memory_equal(tree[commit_tree_len(n) - 1], root, KW_HASH_LEN);
		for (uint32_t i = 0; i < n; i++) {
			uint32_t len = commit_path(a, (const uint8_t(*)[KW_HASH_LEN])leaves, n, i);

			assert_int_equal(commit_tree_path(b, t, n, i), len);
			assert_memory_equal(a, b, (size_t)len * KW_HASH_LEN);
		}
	}
}

static void
a_leaf_cannot_pass_for_an_inner_node(void **state)
{
	uint8_t root[KW_HASH_LEN], as_leaf[KW_HASH_LEN];
	const uint8_t(*l)[KW_HASH_LEN] = (const uint8_t(*)[KW_HASH_LEN])leaves;

	(void)state;
	commit_root(root, l, 2);
	commit_root(as_leaf, (const uint8_t(*)[KW_HASH_LEN])root, 1);
	assert_memory_equal(root, as_leaf, KW_HASH_LEN); /* a tree of one is its leaf: so the count is signed too */
	assert_false(commit_path_holds(root, 2, 0, root, l, 0));
}

static void
a_signed_commit_reads_back_and_every_flipped_bit_breaks_it(void **state)
{
	struct commit c = {.number = 42, .time_ms = 1795000000000, .count = 3}, back;
	uint8_t bytes[WIRE_COMMIT_LEN];
	struct kw_why why;

	(void)state;
	memset(c.previous, 0xAA, KW_HASH_LEN);
	memset(c.root, 0xBB, KW_HASH_LEN);
	commit_encode(bytes, &c, sk);
	assert_int_equal(commit_decode(&back, bytes, &why), KW_OK);
	assert_int_equal(back.number, c.number);
	assert_int_equal(back.time_ms, c.time_ms);
	assert_memory_equal(back.previous, c.previous, KW_HASH_LEN);
	assert_int_equal(back.count, c.count);
	assert_memory_equal(back.root, c.root, KW_HASH_LEN);
	assert_true(commit_verify(bytes, pk));
	for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(commit_verify(bytes, pk));
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void
an_empty_or_numberless_commit_is_refused(void **state)
{
	struct commit c = {.number = 1, .count = 0}, back;
	uint8_t bytes[WIRE_COMMIT_LEN];
	struct kw_why why;

	(void)state;
	commit_encode(bytes, &c, sk);
	assert_int_equal(commit_decode(&back, bytes, &why), KW_EPROTO);
	c = (struct commit){.number = 0, .count = 1};
	commit_encode(bytes, &c, sk);
	assert_int_equal(commit_decode(&back, bytes, &why), KW_EPROTO);
	bytes[0] = 'X';
	assert_int_equal(commit_decode(&back, bytes, &why), KW_EPROTO);
}

static void
each_field_of_a_leaf_changes_it(void **state)
{
	uint8_t id[KW_ID_LEN] = {1}, hash[KW_HASH_LEN] = {2}, id2[KW_ID_LEN] = {3}, hash2[KW_HASH_LEN] = {4};
	const struct leaf base = {{1, LANE_FLASH, 9}, "a/b", id, hash};
	struct leaf other[6] = {base, base, base, base, base, base};
	uint8_t first[KW_HASH_LEN], second[KW_HASH_LEN];

	(void)state;
	other[0].at.log_epoch = 2;
	other[1].at.lane = LANE_URGENT;
	other[2].at.number = 10;
	other[3].sender = "a/c";
	other[4].id = id2;
	other[5].frame_hash = hash2;
	commit_leaf(first, &base);
	for (size_t i = 0; i < 6; i++) {
		commit_leaf(second, &other[i]);
		assert_memory_not_equal(first, second, KW_HASH_LEN);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_leaf_of_every_tree_has_a_path_that_holds),
		cmocka_unit_test(the_tree_built_once_gives_the_same_root_and_paths),
		cmocka_unit_test(a_leaf_cannot_pass_for_an_inner_node),
		cmocka_unit_test(a_signed_commit_reads_back_and_every_flipped_bit_breaks_it),
		cmocka_unit_test(an_empty_or_numberless_commit_is_refused),
		cmocka_unit_test(each_field_of_a_leaf_changes_it),
	};

	return cmocka_run_group_tests_name("commit", tests, make, NULL);
}
