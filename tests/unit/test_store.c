/* One battery over both stores, on disk and in memory: the contract of broker/store/store.h and sections 4 and 7 of docs/protocol.md. */
#include "store_world.h"

#include <string.h>

#define ALL_SETS (const uint32_t[]){0, 1, 2, 3}, 4

static int
open_disk(void **state)
{
	*state = world_make(true);
	return 0;
}

static int
open_memory(void **state)
{
	*state = world_make(false);
	return 0;
}

static int
close_it(void **state)
{
	world_free(*state);
	return 0;
}

static void
step(struct world *w, uint64_t ms)
{
	w->now += ms;
}

/* Purges until nothing more is due; how many records it handled. */
static uint64_t
purge(struct world *w, uint32_t limit)
{
	uint64_t all = 0, done;

	do {
		struct store_op *op = world_op(w, OP_PURGE);

		op->purge.limit = limit;
		world_must_commit(w);
		done = op->done;
		all += done;
	} while (done == limit);
	return all;
}

static struct store_entry
entry_at(struct world *w, enum lane lane, uint64_t number, bool *found)
{
	struct store_entry e = {0};
	set_no sets[64];
	uint32_t count;
	uint64_t tail;

	for (uint32_t i = 0; i < 64; i++)
		sets[i].v = i;
	assert_int_equal(w->s->ops->read(w->s, lane, sets, 64, number - 1, &e, 1, 1, &count, &tail, &w->why), KW_OK);
	*found = count == 1 && e.at.number == number;
	if (*found) { /* lengths alone outlive read_done */
		e.head.p = e.body.p = e.wraps.p = NULL;
	}
	w->s->ops->read_done(w->s);
	return e;
}

/* ---- numbers and commits ---- */

static void
l1_numbers_go_up_by_one_in_each_lane(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < 9; i++)
		world_append(w, (enum lane)(i % 3), 0, 1, i);
	world_must_commit(w);
	world_append(w, LANE_URGENT, 0, 1, 9);
	world_must_commit(w);
	assert_int_equal(w->ops[0].at.number, 4);
	assert_int_equal(w->ops[0].at.lane, LANE_URGENT);
	assert_int_equal(w->ops[0].at.log_epoch, 1);
	assert_int_equal(w->ops[0].commit, 2);
	assert_int_equal(w->ops[0].index, 0);
	assert_int_equal(w->ops[0].result, APPEND_STORED);
	assert_int_equal(w->ops[7].at.number, 3);
	assert_int_equal(w->ops[7].commit, 1);
	assert_int_equal(w->ops[7].index, 7);
}

static void
l3_commits_are_signed_and_linked(void **state)
{
	struct world *w = *state;
	uint8_t before[KW_HASH_LEN] = {0}, hash[KW_HASH_LEN];
	uint64_t ms;

	for (uint32_t n = 1; n <= 5; n++) {
		struct commit c;

		for (uint32_t i = 0; i < n; i++)
			world_append(w, LANE_FLASH, 0, 1, n * 10 + i);
		world_must_commit(w);
		assert_true(w->b.has_commit);
		assert_int_equal(w->b.leaf_count, n);
		assert_true(commit_verify(w->b.commit, world_pk));
		assert_int_equal(commit_decode(&c, w->b.commit, NULL), KW_OK);
		assert_int_equal(c.number, n);
		assert_int_equal(c.count, n);
		assert_int_equal(c.time_ms, w->now);
		assert_memory_equal(c.previous, before, KW_HASH_LEN);
		commit_root(hash, (const uint8_t(*)[KW_HASH_LEN])w->b.leaves, n);
		assert_memory_equal(c.root, hash, KW_HASH_LEN);
		commit_hash(before, w->b.commit);
		assert_int_equal(w->s->ops->commit_hash(w->s, n, hash), KW_OK);
		assert_memory_equal(hash, before, KW_HASH_LEN);
		assert_int_equal(w->s->ops->commit_time(w->s, n, &ms), KW_OK);
		assert_int_equal(ms, w->now);
	}
	assert_int_equal(w->s->ops->commit_time(w->s, 6, &ms), KW_ENOTFOUND);
	assert_int_equal(w->s->ops->commit_hash(w->s, 6, hash), KW_ENOTFOUND);
	assert_int_equal(w->s->ops->commit_hash(w->s, 0, hash), KW_ENOTFOUND);
}

static void
p6_what_stands_there_is_found_by_its_sender_and_id(void **state)
{
	struct world *w = *state;
	struct store_found found;
	uint8_t id[KW_ID_LEN];

	for (uint32_t i = 0; i < 5; i++)
		world_append(w, LANE_URGENT, 0, 1, i);
	world_must_commit(w);
	for (uint32_t i = 0; i < 5; i++) {
		const struct store_op *op = &w->ops[i];

		assert_int_equal(w->s->ops->find(w->s, op->append.sender, op->append.id, &found, &w->why), KW_OK);
		assert_memory_equal(&found.at, &op->at, sizeof found.at);
		assert_int_equal(found.commit, 1);
		assert_int_equal(found.index, i);
		assert_memory_equal(found.frame_hash, op->append.frame_hash, KW_HASH_LEN);
	}
	memcpy(id, w->ops[0].append.id, KW_ID_LEN);
	assert_int_equal(w->s->ops->find(w->s, (node_no){2}, id, &found, &w->why), KW_ENOTFOUND);
	id[KW_ID_LEN - 1] ^= 1;
	assert_int_equal(w->s->ops->find(w->s, (node_no){1}, id, &found, &w->why), KW_ENOTFOUND);
}

static void
a_batch_without_appends_makes_no_commit(void **state)
{
	struct world *w = *state;
	struct store_op *op = world_op(w, OP_CURSOR);

	op->cursor.node.v = 3;
	op->cursor.lane = LANE_URGENT;
	op->cursor.cursor = (struct lane_cursor){1, 7};
	world_must_commit(w);
	assert_false(w->b.has_commit);
	assert_int_equal(w->b.leaf_count, 0);
}

static void
l4_every_stored_item_can_be_proven_again(void **state)
{
	struct world *w = *state;
	uint8_t record[WIRE_COMMIT_LEN], path[KW_PATH_MAX][KW_HASH_LEN], leaf[KW_HASH_LEN];
	uint32_t len;

	for (uint32_t i = 0; i < 37; i++)
		world_append(w, LANE_ROUTINE, 0, 1, i);
	world_must_commit(w);
	for (uint32_t i = 0; i < 37; i++) {
		const struct op_append *a = &w->ops[i].append;
		struct commit c;

		assert_int_equal(w->s->ops->proof(w->s, 1, i, record, path, &len, &w->why), KW_OK);
		assert_int_equal(commit_decode(&c, record, NULL), KW_OK);
		commit_leaf(leaf, &(struct leaf){w->ops[i].at, a->sender_id, a->id, a->frame_hash});
		assert_true(commit_path_holds(c.root, 37, i, leaf, (const uint8_t(*)[KW_HASH_LEN])path, len));
	}
	assert_int_equal(w->s->ops->proof(w->s, 1, 37, record, path, &len, &w->why), KW_ENOTFOUND);
	assert_int_equal(w->s->ops->proof(w->s, 2, 0, record, path, &len, &w->why), KW_ENOTFOUND);
	assert_string_not_equal(w->why.text, "");
}

/* ---- duplicates ---- */

static void
p6_a_duplicate_gets_the_first_answer(void **state)
{
	struct world *w = *state;

	world_append(w, LANE_FLASH, 0, 1, 1);
	world_append(w, LANE_URGENT, 0, 1, 2);
	world_must_commit(w);
	world_append(w, LANE_FLASH, 0, 1, 3);
	world_append(w, LANE_URGENT, 0, 1, 2);
	world_append(w, LANE_FLASH, 0, 1, 3);
	world_must_commit(w);
	assert_int_equal(w->ops[1].result, APPEND_DUPLICATE);
	assert_int_equal(w->ops[1].at.number, 1);
	assert_int_equal(w->ops[1].at.lane, LANE_URGENT);
	assert_int_equal(w->ops[1].commit, 1);
	assert_int_equal(w->ops[1].index, 1);
	assert_int_equal(w->ops[2].result, APPEND_DUPLICATE); /* of one in the same batch */
	assert_int_equal(w->ops[2].at.number, 2);
	assert_int_equal(w->ops[2].commit, 2);
	assert_int_equal(w->ops[2].index, 0);
	assert_int_equal(w->b.leaf_count, 1);
}

static void
p6_duplicates_alone_make_no_commit(void **state)
{
	struct world *w = *state;

	world_append(w, LANE_FLASH, 0, 1, 1);
	world_must_commit(w);
	world_append(w, LANE_FLASH, 0, 1, 1);
	world_must_commit(w);
	assert_false(w->b.has_commit);
}

static void
p6_who_only_asks_hears_whether_it_stands_and_stores_nothing(void **state)
{
	struct world *w = *state;
	uint64_t numbers[8];

	world_append(w, LANE_FLASH, 0, 1, 1);
	world_must_commit(w);
	world_append(w, LANE_FLASH, 0, 1, 1)->append.if_known = true;
	world_append(w, LANE_FLASH, 0, 1, 2)->append.if_known = true;
	world_must_commit(w);
	assert_int_equal(w->ops[0].result, APPEND_DUPLICATE);
	assert_int_equal(w->ops[0].at.number, 1);
	assert_int_equal(w->ops[1].result, APPEND_ABSENT);
	assert_false(w->b.has_commit);
	world_append(w, LANE_FLASH, 0, 1, 3)->append.if_known = true;
	world_append(w, LANE_FLASH, 0, 1, 2);
	world_must_commit(w);
	assert_int_equal(w->ops[0].result, APPEND_ABSENT);
	assert_int_equal(w->ops[1].result, APPEND_STORED);
	assert_int_equal(w->ops[1].at.number, 2);
	assert_int_equal(w->b.leaf_count, 1);
	assert_int_equal(world_read(w, LANE_FLASH, ALL_SETS, 0, 8, numbers), 2);
}

static void
p6_other_bytes_under_a_known_id_are_a_conflict(void **state)
{
	struct world *w = *state;
	uint64_t numbers[8];

	world_append(w, LANE_FLASH, 0, 1, 1);
	world_must_commit(w);
	world_append(w, LANE_URGENT, 0, 1, 1)->append.frame_hash[0] ^= 1;
	world_must_commit(w);
	assert_int_equal(w->ops[0].result, APPEND_CONFLICT);
	assert_int_equal(w->ops[0].at.lane, LANE_FLASH);
	assert_int_equal(w->ops[0].at.number, 1);
	assert_int_equal(world_read(w, LANE_URGENT, ALL_SETS, 0, 8, numbers), 0);
}

static void
the_same_id_of_another_sender_is_another_notification(void **state)
{
	struct world *w = *state;

	world_append(w, LANE_FLASH, 0, 1, 1);
	world_append(w, LANE_FLASH, 0, 2, 1);
	world_must_commit(w);
	assert_int_equal(w->ops[1].result, APPEND_STORED);
	assert_int_equal(w->ops[1].at.number, 2);
}

static void
the_brokers_own_entries_are_never_duplicates(void **state)
{
	struct world *w = *state;
	bool found;
	struct store_entry e;

	world_append(w, LANE_FLASH, 0, BROKERS, 1);
	world_append(w, LANE_FLASH, 0, BROKERS, 1);
	world_must_commit(w);
	assert_int_equal(w->ops[1].result, APPEND_STORED);
	e = entry_at(w, LANE_FLASH, 2, &found);
	assert_true(found && e.entry && e.sender.v == BROKERS && e.body.len == 0 && e.wraps.len == 0 && e.head.len == 65);
}

/* ---- reading ---- */

static void
d2_a_reader_gets_its_audiences_in_order(void **state)
{
	struct world *w = *state;
	uint64_t numbers[64];

	for (uint32_t i = 0; i < 40; i++)
		world_append(w, LANE_FLASH, i % 4, 1, i);
	world_append(w, LANE_URGENT, 1, 1, 100);
	world_must_commit(w);
	assert_int_equal(world_read(w, LANE_FLASH, (const uint32_t[]){1, 3}, 2, 0, 64, numbers), 20);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(numbers[i], 2 * i + 2);
	assert_int_equal(world_read(w, LANE_FLASH, (const uint32_t[]){2}, 1, 7, 3, numbers), 3);
	assert_int_equal(numbers[0], 11);
	assert_int_equal(numbers[2], 19);
	assert_int_equal(world_read(w, LANE_FLASH, ALL_SETS, 0, 64, numbers), 40);
	assert_int_equal(numbers[39], 40);
	assert_int_equal(world_read(w, LANE_FLASH, ALL_SETS, 40, 64, numbers), 0);
	assert_int_equal(world_read(w, LANE_FLASH, ALL_SETS, 4000, 64, numbers), 0);
	assert_int_equal(world_read(w, LANE_FLASH, (const uint32_t[]){7}, 1, 0, 64, numbers), 0);
	assert_int_equal(world_read(w, LANE_ROUTINE, ALL_SETS, 0, 64, numbers), 0);
}

static void
many_audiences_read_the_same_as_few(void **state)
{
	struct world *w = *state;
	uint32_t sets[64], n = 0;
	uint64_t numbers[300];

	for (uint32_t i = 0; i < 256; i++)
		world_append(w, LANE_ROUTINE, (i * 37) % 128, 1, i);
	world_must_commit(w);
	for (uint32_t i = 0; i < 64; i++)
		sets[i] = 2 * i;
	assert_int_equal(n = world_read(w, LANE_ROUTINE, sets, 64, 0, 300, numbers), 128);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(numbers[i], 2 * i + 1);
	assert_int_equal(n = world_read(w, LANE_ROUTINE, sets, 64, 200, 300, numbers), 28); /* close to the tail: the other way to look */
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(numbers[i], 201 + 2 * i);
}

static void
what_was_stored_is_read_back_whole(void **state)
{
	struct world *w = *state;
	struct store_entry e[50];
	set_no set = {5};
	uint32_t count;
	uint64_t tail;

	for (uint32_t i = 0; i < 50; i++)
		world_append(w, LANE_URGENT, 5, 1, i)->append.receipt = i % 2;
	world_must_commit(w);
	assert_int_equal(w->s->ops->read(w->s, LANE_URGENT, &set, 1, 0, e, 50, UINT64_MAX, &count, &tail, &w->why), KW_OK);
	assert_int_equal(count, 50);
	assert_int_equal(tail, 50);
	for (uint32_t i = 0; i < 50; i++) {
		assert_true(world_whole(&e[i], i));
		assert_int_equal(e[i].commit, 1);
		assert_int_equal(e[i].set.v, 5);
		assert_int_equal(e[i].sender.v, 1);
		assert_int_equal(e[i].receipt, i % 2);
		assert_int_equal(e[i].expires_ms, w->now + 3600000);
		assert_memory_equal(e[i].id, w->ops[i].append.id, KW_ID_LEN);
	}
	w->s->ops->read_done(w->s);
}

static void
a_read_stops_at_its_bytes_but_gives_at_least_one(void **state)
{
	struct world *w = *state;
	struct store_entry e[20];
	set_no set = {0};
	uint32_t count;
	uint64_t tail, bytes = 0;

	for (uint32_t i = 0; i < 20; i++)
		world_append(w, LANE_FLASH, 0, 1, i);
	world_must_commit(w);
	assert_int_equal(w->s->ops->read(w->s, LANE_FLASH, &set, 1, 0, e, 20, 1, &count, &tail, &w->why), KW_OK);
	assert_int_equal(count, 1);
	w->s->ops->read_done(w->s);
	assert_int_equal(w->s->ops->read(w->s, LANE_FLASH, &set, 1, 0, e, 20, 2000, &count, &tail, &w->why), KW_OK);
	for (uint32_t i = 0; i < count; i++)
		bytes += e[i].head.len + e[i].body.len + e[i].wraps.len;
	assert_true(count > 1 && count < 20 && bytes >= 2000);
	assert_int_equal(tail, 20);
	w->s->ops->read_done(w->s);
}

/* ---- retention ---- */

static void
k1_the_body_goes_at_its_time_and_the_wraps_stay(void **state)
{
	struct world *w = *state;
	struct store_entry e;
	bool found;

	world_append(w, LANE_FLASH, 0, 1, 1);
	world_must_commit(w);
	step(w, 1800000 - 1000);
	assert_int_equal(purge(w, 10), 0);
	e = entry_at(w, LANE_FLASH, 1, &found);
	assert_true(found && e.body.len > 0);
	step(w, 1000);
	assert_int_equal(purge(w, 10), 1);
	e = entry_at(w, LANE_FLASH, 1, &found);
	assert_true(found && e.body.len == 0 && e.wraps.len == 2 * KW_WRAP_LEN && e.head.len == 65);
	assert_int_equal(purge(w, 10), 0);
}

static void
k3_an_id_is_remembered_until_expiry_and_ten_minutes(void **state)
{
	struct world *w = *state;
	bool found;

	world_append(w, LANE_FLASH, 0, 1, 1);
	world_must_commit(w);
	step(w, 3600000 + 600000 - 1000);
	(void)purge(w, 10);
	world_append(w, LANE_FLASH, 0, 1, 1);
	world_must_commit(w);
	assert_int_equal(w->ops[0].result, APPEND_DUPLICATE);
	step(w, 1000);
	assert_int_equal(purge(w, 10), 1);
	world_append(w, LANE_FLASH, 0, 1, 1);
	world_must_commit(w);
	assert_int_equal(w->ops[0].result, APPEND_STORED);
	assert_int_equal(w->ops[0].at.number, 2);
	(void)entry_at(w, LANE_FLASH, 1, &found);
	assert_true(found);
}

static void
k1_head_and_proof_go_at_keep_proof_and_numbers_go_on(void **state)
{
	struct world *w = *state;
	struct store_sizes sizes;
	uint8_t record[WIRE_COMMIT_LEN], path[KW_PATH_MAX][KW_HASH_LEN], hash[KW_HASH_LEN];
	uint64_t numbers[8];
	uint32_t len;

	world_append(w, LANE_FLASH, 0, 1, 1);
	world_append(w, LANE_FLASH, 0, 1, 2)->append.proof_until_ms += 3600000;
	world_must_commit(w);
	step(w, 7 * 24 * 3600000ull);
	(void)purge(w, 3);
	assert_int_equal(world_read(w, LANE_FLASH, ALL_SETS, 0, 8, numbers), 1);
	assert_int_equal(numbers[0], 2);
	assert_int_equal(w->s->ops->proof(w->s, 1, 0, record, path, &len, &w->why), KW_OK);
	step(w, 3600000);
	(void)purge(w, 3);
	assert_int_equal(world_read(w, LANE_FLASH, ALL_SETS, 0, 8, numbers), 0);
	assert_int_equal(w->s->ops->proof(w->s, 1, 0, record, path, &len, &w->why), KW_ENOTFOUND);
	assert_int_equal(w->s->ops->commit_hash(w->s, 1, hash), KW_OK); /* [L-5] */
	w->s->ops->sizes(w->s, &sizes);
	assert_int_equal(sizes.entries[LANE_FLASH], 0);
	world_append(w, LANE_FLASH, 0, 1, 3);
	world_must_commit(w);
	assert_int_equal(w->ops[0].at.number, 3);
}

static void
what_never_expires_stays(void **state)
{
	struct world *w = *state;
	struct store_op *op = world_append(w, LANE_FLASH, 0, BROKERS, 1);
	bool found;

	op->append.expires_ms = op->append.body_until_ms = op->append.proof_until_ms = UINT64_MAX;
	world_must_commit(w);
	step(w, 40ull * 365 * 24 * 3600000);
	assert_int_equal(purge(w, 10), 0);
	(void)entry_at(w, LANE_FLASH, 1, &found);
	assert_true(found);
}

static void
a_purge_stops_at_its_limit_and_goes_on(void **state)
{
	struct world *w = *state;
	struct store_op *op;

	for (uint32_t i = 0; i < 25; i++)
		world_append(w, (enum lane)(i % 3), 0, 1, i);
	world_must_commit(w);
	step(w, 1800000);
	op = world_op(w, OP_PURGE);
	op->purge.limit = 10;
	world_must_commit(w);
	assert_int_equal(op->done, 10);
	assert_int_equal(purge(w, 10), 15);
}

static void
k1_a_sweep_takes_bodies_and_wraps_of_one_audience_up_to_a_number(void **state)
{
	struct world *w = *state;
	struct store_op *op;
	struct store_entry e;
	bool found;

	for (uint32_t i = 0; i < 30; i++)
		world_append(w, LANE_URGENT, i % 3, 1, i);
	world_must_commit(w);
	op = world_op(w, OP_SWEEP);
	op->sweep.lane = LANE_URGENT;
	op->sweep.set.v = 1;
	op->sweep.upto = 20; /* 2, 5, … 20: seven */
	op->sweep.limit = 4;
	world_must_commit(w);
	assert_int_equal(op->done, 4);
	assert_int_equal(op->at.number, 11);
	op = world_op(w, OP_SWEEP);
	op->sweep.lane = LANE_URGENT;
	op->sweep.set.v = 1;
	op->sweep.upto = 21;
	op->sweep.limit = 4;
	world_must_commit(w);
	assert_int_equal(op->done, 3);
	assert_int_equal(op->at.number, 21);
	for (uint64_t n = 1; n <= 30; n++) {
		bool gone = n % 3 == 2 && n <= 20;

		e = entry_at(w, LANE_URGENT, n, &found);
		assert_true(found && e.head.len > 0);
		assert_int_equal(e.body.len == 0, gone);
		assert_int_equal(e.wraps.len == 0, gone);
	}
	step(w, 1800000);
	assert_true(purge(w, 100) >= 23); /* their times come all the same */
}

static void
a_sweep_below_the_last_one_does_nothing(void **state)
{
	struct world *w = *state;
	struct store_op *op;

	world_append(w, LANE_FLASH, 0, 1, 1);
	world_append(w, LANE_FLASH, 0, 1, 2);
	world_must_commit(w);
	for (uint64_t upto = 2; upto > 0; upto--) {
		op = world_op(w, OP_SWEEP);
		op->sweep.upto = upto;
		op->sweep.limit = 10;
		world_must_commit(w);
		assert_int_equal(op->at.number, 2);
		assert_int_equal(op->done, upto == 2 ? 2 : 0);
	}
}

/* ---- room ---- */

static void
a_batch_beyond_the_quota_changes_nothing(void **state)
{
	struct world *w = *state;
	static uint8_t much[200000];
	uint64_t numbers[8];
	uint32_t stored = 0;
	enum kw_err err = KW_OK;

	world_close(w);
	w->quota = 3u << 20;
	assert_int_equal(world_open(w), KW_OK);
	for (uint32_t i = 0; i < 40; i++) {
		world_append(w, LANE_ROUTINE, 0, 1, i)->append.body = span_of(much, sizeof much);
		if ((err = world_commit(w)) != KW_OK)
			break;
		stored++;
	}
	assert_int_equal(err, KW_EFULL);
	assert_true(stored > 5 && stored < 16);
	assert_string_not_equal(w->why.text, "");
	assert_int_equal(world_read(w, LANE_ROUTINE, ALL_SETS, stored, 8, numbers), 0);
	for (uint32_t i = 0; i < stored; i++) { /* what frees room still passes, and then there is room */
		struct store_op *op = world_op(w, OP_SWEEP);

		op->sweep.lane = LANE_ROUTINE;
		op->sweep.upto = stored;
		op->sweep.limit = 100;
	}
	world_must_commit(w);
	for (uint32_t i = 0; i < 3; i++) {
		world_append(w, LANE_ROUTINE, 0, 1, 100 + i)->append.body = span_of(much, sizeof much);
		world_must_commit(w);
		assert_int_equal(w->ops[0].at.number, stored + 1 + i);
		assert_int_equal(w->ops[0].commit, stored + 1 + i);
	}
}

static void
p5_flash_passes_the_quota(void **state)
{
	struct world *w = *state;
	static uint8_t much[200000];

	world_close(w);
	w->quota = 1u << 20;
	assert_int_equal(world_open(w), KW_OK);
	for (uint32_t i = 0; i < 20; i++) {
		world_append(w, LANE_FLASH, 0, 1, i)->append.body = span_of(much, sizeof much);
		world_must_commit(w);
	}
	world_append(w, LANE_URGENT, 0, 1, 100);
	assert_int_equal(world_commit(w), KW_EFULL);
	world_append(w, LANE_URGENT, 0, 1, 100);
	world_append(w, LANE_FLASH, 0, 1, 101); /* is not held up by what it travels with */
	world_must_commit(w);
}

static void
sizes_tell_entries_and_use(void **state)
{
	struct world *w = *state;
	struct store_sizes before, after;

	w->s->ops->sizes(w->s, &before);
	for (uint32_t i = 0; i < 100; i++)
		world_append(w, i < 60 ? LANE_FLASH : LANE_ROUTINE, 0, 1, i);
	world_must_commit(w);
	w->s->ops->sizes(w->s, &after);
	assert_int_equal(after.entries[LANE_FLASH], 60);
	assert_int_equal(after.entries[LANE_URGENT], 0);
	assert_int_equal(after.entries[LANE_ROUTINE], 40);
	assert_true(after.used_bytes > before.used_bytes + 100 * 400);
	assert_true(after.quota_bytes > after.used_bytes);
}

/* ---- the two against one another ---- */

static uint32_t seed;

static uint32_t
dice(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

static void
random_batch(struct world *w)
{
	uint32_t appends = dice(12);
	struct store_op *op;

	for (uint32_t i = 0; i < appends; i++) {
		bool own = dice(15) == 0;

		op = world_append(w, (enum lane)dice(3), dice(20), own ? BROKERS : dice(3), dice(150));
		op->append.expires_ms = w->now + dice(200) * 100000ull;
		op->append.body_until_ms = op->append.expires_ms - dice(50) * 1000ull;
		op->append.proof_until_ms = dice(20) == 0 ? UINT64_MAX : op->append.expires_ms + dice(400) * 100000ull;
		op->append.frame_hash[5] = dice(10) == 0;
		op->append.receipt = dice(4) == 0;
	}
	if (dice(40) == 0)
		world_op(w, OP_LOG_EPOCH)->log_epoch.epoch = ++w->log_epoch;
	if (w->b.ops == w->ops)
		world_must_commit(w);
}

/* In a batch of its own, so that it is answered when it is done. */
static void
random_retention(struct world *w)
{
	struct store_op *op;

	if (dice(3) == 0) {
		op = world_op(w, OP_SWEEP);
		op->sweep.lane = (enum lane)dice(3);
		op->sweep.set.v = dice(20);
		op->sweep.upto = dice(400);
		op->sweep.limit = 1 + dice(20);
	}
	if (dice(3) == 0)
		world_op(w, OP_PURGE)->purge.limit = 100000;
	if (w->b.ops == w->ops)
		world_must_commit(w);
}

static void
same_answers(const struct world *a, const struct world *b)
{
	assert_int_equal(a->b.has_commit, b->b.has_commit);
	if (a->b.has_commit)
		assert_memory_equal(a->b.commit, b->b.commit, WIRE_COMMIT_LEN);
	for (uint32_t i = 0; i < a->b.count; i++) {
		const struct store_op *x = &a->ops[i], *y = &b->ops[i];

		if (x->kind != OP_APPEND && x->kind != OP_SWEEP)
			continue;
		assert_int_equal(x->at.number, y->at.number);
		assert_int_equal(x->at.lane, y->at.lane);
		if (x->kind == OP_SWEEP) {
			assert_int_equal(x->done, y->done);
			continue;
		}
		assert_int_equal(x->result, y->result);
		assert_int_equal(x->at.log_epoch, y->at.log_epoch);
		assert_int_equal(x->commit, y->commit);
		assert_int_equal(x->index, y->index);
	}
}

static void
same_reads(struct world *a, struct world *b)
{
	static struct store_entry ea[64], eb[64];
	set_no sets[20];
	uint32_t n = 0, ca, cb, max = 1 + dice(64);
	uint64_t ta, tb, after = dice(500), bytes = dice(3) == 0 ? dice(20000) : UINT64_MAX;
	enum lane lane = (enum lane)dice(3);

	for (uint32_t i = 0; i < 20; i++)
		if (dice(3) == 0)
			sets[n++].v = i;
	assert_int_equal(a->s->ops->read(a->s, lane, sets, n, after, ea, max, bytes, &ca, &ta, &a->why), KW_OK);
	assert_int_equal(b->s->ops->read(b->s, lane, sets, n, after, eb, max, bytes, &cb, &tb, &b->why), KW_OK);
	assert_int_equal(ca, cb);
	assert_int_equal(ta, tb);
	for (uint32_t i = 0; i < ca; i++) {
		assert_int_equal(ea[i].at.number, eb[i].at.number);
		assert_int_equal(ea[i].at.log_epoch, eb[i].at.log_epoch);
		assert_int_equal(ea[i].commit, eb[i].commit);
		assert_int_equal(ea[i].set.v, eb[i].set.v);
		assert_int_equal(ea[i].sender.v, eb[i].sender.v);
		assert_int_equal(ea[i].entry, eb[i].entry);
		assert_int_equal(ea[i].receipt, eb[i].receipt);
		assert_memory_equal(ea[i].id, eb[i].id, KW_ID_LEN);
		assert_true(span_eq(ea[i].head, eb[i].head));
		assert_true(span_eq(ea[i].body, eb[i].body));
		assert_true(span_eq(ea[i].wraps, eb[i].wraps));
	}
	a->s->ops->read_done(a->s);
	b->s->ops->read_done(b->s);
}

static void
same_proofs(struct world *a, struct world *b, uint64_t commit, uint32_t index)
{
	uint8_t ra[WIRE_COMMIT_LEN], rb[WIRE_COMMIT_LEN], pa[KW_PATH_MAX][KW_HASH_LEN], pb[KW_PATH_MAX][KW_HASH_LEN];
	uint32_t la = 0, lb = 0;
	enum kw_err err = a->s->ops->proof(a->s, commit, index, ra, pa, &la, &a->why);

	assert_int_equal(b->s->ops->proof(b->s, commit, index, rb, pb, &lb, &b->why), err);
	assert_int_equal(la, lb);
	if (err == KW_OK) {
		assert_memory_equal(ra, rb, WIRE_COMMIT_LEN);
		assert_memory_equal(pa, pb, (size_t)la * KW_HASH_LEN);
	}
}

static void
random_work_is_answered_the_same_on_disk_and_in_memory(void **state)
{
	struct world *disk = world_make(true), *memory = world_make(false);
	uint64_t stored = 0, standing = 0;

	(void)state;
	for (uint32_t round = 0; round < 400; round++) {
		uint32_t before = round * 7919 + 1;
		struct store_sizes a, b;

		seed = before;
		random_batch(disk);
		seed = before;
		random_batch(memory);
		same_answers(disk, memory);
		stored += disk->b.leaf_count;
		before = seed;
		random_retention(disk);
		seed = before;
		random_retention(memory);
		same_answers(disk, memory);
		for (int i = 0; i < 3; i++)
			same_reads(disk, memory);
		same_proofs(disk, memory, 1 + dice(round + 1), dice(8));
		disk->s->ops->sizes(disk->s, &a);
		memory->s->ops->sizes(memory->s, &b);
		assert_memory_equal(a.entries, b.entries, sizeof a.entries);
		standing = a.entries[0] + a.entries[1] + a.entries[2];
		disk->now = memory->now += dice(600) * 1000ull;
		if (round % 50 == 49) {
			world_close(disk);
			assert_int_equal(world_open(disk), KW_OK);
		}
	}
	assert_true(standing > 50 && stored > standing + 200); /* retention has been at work, and not on all */
	world_free(disk);
	world_free(memory);
}

/* ---- cases and recall ---- */

static void
a_recalled_notification_loses_its_body_and_keeps_its_wraps(void **state)
{
	struct world *w = *state;
	struct store_op *op, *first = world_append(w, LANE_URGENT, 1, 3, 7);
	uint8_t id[KW_ID_LEN];
	struct store_entry e;
	bool found;

	memcpy(id, first->append.id, sizeof id);
	world_append(w, LANE_URGENT, 1, 3, 8);
	world_must_commit(w);
	op = world_op(w, OP_RECALL);
	op->recall.sender.v = 3;
	memcpy(op->recall.id, id, sizeof id);
	world_must_commit(w);
	assert_int_equal(op->done, 1);
	assert_int_equal(op->at.lane, LANE_URGENT);
	assert_int_equal(op->at.number, 1);
	e = entry_at(w, LANE_URGENT, 1, &found);
	assert_true(found && e.recalled && e.body.len == 0 && e.wraps.len == 2 * KW_WRAP_LEN && e.head.len > 0);
	e = entry_at(w, LANE_URGENT, 2, &found);
	assert_true(found && !e.recalled && e.body.len > 0);
	op = world_op(w, OP_RECALL); /* again: the same */
	op->recall.sender.v = 3;
	memcpy(op->recall.id, id, sizeof id);
	world_must_commit(w);
	assert_int_equal(op->done, 1);
	step(w, 1800000);
	assert_true(purge(w, 100) >= 1); /* what is due of it comes all the same */
}

static void
a_recall_by_another_sender_or_of_an_unknown_id_does_nothing(void **state)
{
	struct world *w = *state;
	struct store_op *op, *first = world_append(w, LANE_FLASH, 1, 3, 7);
	uint8_t id[KW_ID_LEN];
	struct store_entry e;
	bool found;

	memcpy(id, first->append.id, sizeof id);
	world_must_commit(w);
	op = world_op(w, OP_RECALL);
	op->recall.sender.v = 4;
	memcpy(op->recall.id, id, sizeof id);
	world_must_commit(w);
	assert_int_equal(op->done, 0);
	op = world_op(w, OP_RECALL);
	op->recall.sender.v = 3;
	memset(op->recall.id, 9, KW_ID_LEN);
	world_must_commit(w);
	assert_int_equal(op->done, 0);
	e = entry_at(w, LANE_FLASH, 1, &found);
	assert_true(found && !e.recalled && e.body.len > 0);
}

static void
the_heads_of_a_lane_are_read_whatever_their_audience(void **state)
{
	struct world *w = *state;
	struct store_entry e[8];
	uint32_t count;

	for (uint32_t i = 0; i < 10; i++)
		world_append(w, LANE_ROUTINE, i % 3, 1, i);
	world_append(w, LANE_FLASH, 0, 1, 99);
	world_must_commit(w);
	assert_int_equal(w->s->ops->heads(w->s, LANE_ROUTINE, 2, e, 5, &count, &w->why), KW_OK);
	assert_int_equal(count, 5);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(e[i].at.number, 3 + i);
		assert_int_equal(e[i].set.v, (2 + i) % 3);
		assert_true(e[i].head.len > 0 && e[i].body.len == 0 && e[i].wraps.len == 0);
	}
	w->s->ops->read_done(w->s);
	assert_int_equal(w->s->ops->heads(w->s, LANE_ROUTINE, 10, e, 5, &count, &w->why), KW_OK);
	assert_int_equal(count, 0);
	w->s->ops->read_done(w->s);
}

static struct store_op *
put_case(struct world *w, uint8_t id, struct span bytes)
{
	struct store_op *op = world_op(w, OP_CASE);

	memset(op->one_case.id, id, KW_ID_LEN);
	op->one_case.bytes = bytes;
	return op;
}

static void
cases_and_how_far_the_log_is_folded_are_told_at_the_next_start(void **state)
{
	static uint8_t bytes[STORE_CASE_MAX];
	struct world *w = *state;
	struct store_op *op;

	memset(bytes, 5, sizeof bytes);
	put_case(w, 1, span_of(bytes, 10));
	put_case(w, 2, span_of(bytes, sizeof bytes));
	put_case(w, 3, span_of(bytes, 1));
	op = world_op(w, OP_FOLDED);
	op->folded.upto[LANE_FLASH] = 3;
	op->folded.upto[LANE_ROUTINE] = UINT64_MAX - 1;
	world_must_commit(w);
	put_case(w, 1, span_of(bytes, 11));
	put_case(w, 3, span_of(NULL, 0));
	put_case(w, 4, span_of(NULL, 0)); /* never was there */
	world_must_commit(w);
	world_close(w);
	assert_int_equal(world_open(w), KW_OK);
	assert_int_equal(w->heard.cases, 2);
	assert_int_equal(w->heard.case_id[0][0], 1);
	assert_int_equal(w->heard.case_len[0], 11);
	assert_int_equal(w->heard.case_id[1][0], 2);
	assert_int_equal(w->heard.case_len[1], sizeof bytes);
	assert_int_equal(w->heard.folded[LANE_FLASH], 3);
	assert_int_equal(w->heard.folded[LANE_URGENT], 0);
	assert_true(w->heard.folded[LANE_ROUTINE] == UINT64_MAX - 1);
}

/* [O-12] */
static void
what_is_known_of_suspensions_is_told_at_the_next_start(void **state)
{
	static uint8_t first[STORE_SUSPENSION_MAX], second[3] = {9};
	struct world *w = *state;
	struct store_op *op;

	memset(first, 7, sizeof first);
	op = world_op(w, OP_SUSPENSION);
	op->suspension.node.v = 5;
	op->suspension.bytes = span_of(first, sizeof first);
	op = world_op(w, OP_SUSPENSION);
	op->suspension.node.v = 70000 % STORE_NODES_MAX;
	op->suspension.bytes = span_of(first, 1);
	world_must_commit(w);
	op = world_op(w, OP_SUSPENSION);
	op->suspension.node.v = 5;
	op->suspension.bytes = span_of(second, sizeof second);
	world_must_commit(w);
	world_close(w);
	assert_int_equal(world_open(w), KW_OK);
	assert_int_equal(w->heard.suspensions, 2);
	assert_int_equal(w->heard.suspension[0].node, 5);
	assert_int_equal(w->heard.suspension[0].len, sizeof second);
	assert_int_equal(w->heard.suspension[0].first, 9);
	assert_int_equal(w->heard.suspension[1].node, 70000 % STORE_NODES_MAX);
	assert_int_equal(w->heard.suspension[1].len, 1);
}

#define BOTH(f) \
	{"disk: " #f, f, open_disk, close_it, NULL}, {"memory: " #f, f, open_memory, close_it, NULL}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(l1_numbers_go_up_by_one_in_each_lane),
		BOTH(l3_commits_are_signed_and_linked),
		BOTH(a_batch_without_appends_makes_no_commit),
		BOTH(l4_every_stored_item_can_be_proven_again),
		BOTH(p6_a_duplicate_gets_the_first_answer),
		BOTH(p6_what_stands_there_is_found_by_its_sender_and_id),
		BOTH(p6_duplicates_alone_make_no_commit),
		BOTH(p6_who_only_asks_hears_whether_it_stands_and_stores_nothing),
		BOTH(p6_other_bytes_under_a_known_id_are_a_conflict),
		BOTH(the_same_id_of_another_sender_is_another_notification),
		BOTH(the_brokers_own_entries_are_never_duplicates),
		BOTH(d2_a_reader_gets_its_audiences_in_order),
		BOTH(many_audiences_read_the_same_as_few),
		BOTH(what_was_stored_is_read_back_whole),
		BOTH(a_read_stops_at_its_bytes_but_gives_at_least_one),
		BOTH(k1_the_body_goes_at_its_time_and_the_wraps_stay),
		BOTH(k3_an_id_is_remembered_until_expiry_and_ten_minutes),
		BOTH(k1_head_and_proof_go_at_keep_proof_and_numbers_go_on),
		BOTH(what_never_expires_stays),
		BOTH(a_purge_stops_at_its_limit_and_goes_on),
		BOTH(k1_a_sweep_takes_bodies_and_wraps_of_one_audience_up_to_a_number),
		BOTH(a_sweep_below_the_last_one_does_nothing),
		BOTH(a_batch_beyond_the_quota_changes_nothing),
		BOTH(p5_flash_passes_the_quota),
		BOTH(sizes_tell_entries_and_use),
		BOTH(a_recalled_notification_loses_its_body_and_keeps_its_wraps),
		BOTH(a_recall_by_another_sender_or_of_an_unknown_id_does_nothing),
		BOTH(the_heads_of_a_lane_are_read_whatever_their_audience),
		cmocka_unit_test_setup_teardown(cases_and_how_far_the_log_is_folded_are_told_at_the_next_start, open_disk, close_it),
		cmocka_unit_test_setup_teardown(what_is_known_of_suspensions_is_told_at_the_next_start, open_disk, close_it),
		cmocka_unit_test(random_work_is_answered_the_same_on_disk_and_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
