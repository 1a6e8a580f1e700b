/*
 * A node's real store on a pretend disk: power cuts and kills at any moment, also while it starts and while it ends, writes and syncs
 * that fail, a disk without room. What was committed is there, whole; of what was not there is nothing, or all of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "clients/partner/pstore.h"
#include "tests/simulation/sim_vfs.h"

#define TURNS_MAX 4096u /* transactions of one store */
#define PAYLOAD_MAX 20000u

static const struct pstore_owner owner = {"musterstadt", "police/control-room", MODE_LIVE};

enum fate { NEVER, PERHAPS, COMMITTED }; /* of a transaction: it was not committed, nobody knows, it was */

struct bench {
	uint64_t rng;
	struct sim_disk *disk;
	struct sim_vfs *vfs;
	char folder[64]; /* a real one, for the lock; what SQLite writes below it is on the pretend disk */
	uint32_t turns;
	uint32_t opened; /* the first of the opening that runs */
	uint8_t fate[TURNS_MAX];
	uint32_t size[TURNS_MAX]; /* rows */
	uint32_t commits, refusals;
	char wrong[KW_WHY_MAX]; /* what the oracle found, "": nothing */
};

static uint64_t
roll(void *self, uint64_t n)
{
	uint64_t *x = self;

	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x % n;
}

static struct sim_dice
dice_of(struct bench *b)
{
	return (struct sim_dice){roll, &b->rng};
}

static struct bench *
bench_new(uint64_t seed)
{
	struct bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	b->rng = seed * 0x9E3779B97F4A7C15ull + 1;
	b->disk = sim_disk_new(dice_of(b));
	b->vfs = sim_vfs_new(b->disk, dice_of(b));
	(void)snprintf(b->folder, sizeof b->folder, "/tmp/kw-simvfs-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	return b;
}

static void
bench_free(struct bench *b)
{
	char lock[128];

	(void)snprintf(lock, sizeof lock, "%s/lock", b->folder);
	(void)unlink(lock);
	assert_int_equal(rmdir(b->folder), 0); /* nothing else was written to the real disk */
	sim_vfs_free(&b->vfs);
	sim_disk_free(&b->disk);
	free(b);
}

/* ---- what the store is made to keep ---- */

static struct span
payload_of(uint8_t room[PAYLOAD_MAX], uint32_t turn, uint32_t row)
{
	uint32_t len = 1 + (turn * 7919u + row * 104729u) % PAYLOAD_MAX;

	if ((turn + row) % 4 != 0)
		len = len % 300 + 1;
	for (uint32_t i = 0; i < len; i++)
		room[i] = (uint8_t)(turn * 31u + row * 17u + i);
	return span_of(room, len);
}

static struct header
header_of(uint32_t turn, uint32_t row)
{
	struct header h = {.lane = LANE_URGENT, .type = TYPE_NOTICE, .sender_epoch = 5, .created_ms = 1000, .expires_ms = 100000, .payload_type = PAYLOAD_ALERT};

	be32_put(h.id, turn);
	be32_put(h.id + 4, row);
	(void)snprintf(h.sender, sizeof h.sender, "city/public-order");
	(void)snprintf(h.topic, sizeof h.topic, "alert/flood");
	return h;
}

static enum kw_err
add_row(struct pstore *s, uint32_t turn, uint32_t row, bool out, struct kw_why *why)
{
	static uint8_t room[PAYLOAD_MAX];
	struct header h = header_of(turn, row);
	uint8_t hash[KW_HASH_LEN];
	struct span payload = payload_of(room, turn, row);
	struct out_reader reader = {"city/public-order", turn};
	struct in_new in = {.header = &h, .frame_hash = hash, .head = span_str("head"), .lane = h.lane, .number = turn, .received_ms = 2000, .payload = payload,
	                    .receipt = RECEIPT_DUE, .content_until_ms = 50000, .proof_until_ms = 90000};
	struct out_new on = {.header = &h, .frame_hash = hash, .frame = span_str("headbody"), .head_len = 4, .wraps = span_str("wraps"), .payload = payload,
	                     .confirm_by_ms = 5000, .content_until_ms = 50000, .proof_until_ms = 90000};
	uint64_t seq;

	memset(hash, (int)(turn % 251u), sizeof hash);
	return out ? pstore_out_add(&seq, s, &on, &reader, 1, why) : pstore_in_add(&seq, s, &in, why);
}

/* One transaction: some rows in inbox and outbox and its own number as a value. */
static enum kw_err
one_turn(struct bench *b, struct pstore *s, struct kw_why *why)
{
	uint32_t turn = b->turns++, rows = 1 + (uint32_t)roll(&b->rng, 4);
	enum kw_err err;

	assert_true(b->turns < TURNS_MAX);
	b->size[turn] = rows;
	b->fate[turn] = NEVER;
	if ((err = pstore_begin(s, why)) != KW_OK)
		return err;
	for (uint32_t i = 0; i < rows && err == KW_OK; i++)
		err = add_row(s, turn, i, i % 2 == 0, why);
	if (err == KW_OK)
		err = pstore_set_value(s, VALUE_SENDER_EPOCH, turn, why);
	if (err == KW_OK) {
		b->fate[turn] = PERHAPS;
		err = pstore_commit(s, why);
	}
	if (err != KW_OK)
		pstore_rollback(s);
	return err;
}

/* One that failed as it was committed may come back after a crash until the same opening has committed another, which takes its place. */
static void
turn_committed(struct bench *b)
{
	for (uint32_t t = b->opened; t + 1 < b->turns; t++)
		if (b->fate[t] == PERHAPS)
			b->fate[t] = NEVER;
	b->fate[b->turns - 1] = COMMITTED;
	b->commits++;
}

/* ---- the oracle ---- */

static bool
is_wrong(struct bench *b, const char *what, uint32_t turn)
{
	if (b->wrong[0] == '\0')
		(void)snprintf(b->wrong, sizeof b->wrong, "transaction %u of %u: %s", turn, b->turns, what);
	return false;
}

static bool
row_counts(struct bench *b, uint32_t seen[TURNS_MAX], const uint8_t id[KW_ID_LEN], struct span payload)
{
	static uint8_t room[PAYLOAD_MAX];
	uint32_t turn = be32_get(id), row = be32_get(id + 4);

	if (turn >= b->turns)
		return is_wrong(b, "was never begun", turn);
	if (!span_eq(payload, payload_of(room, turn, row)))
		return is_wrong(b, "another content than was given", turn);
	seen[turn]++;
	return true;
}

static bool
count_rows(struct bench *b, struct pstore *s, uint32_t seen[TURNS_MAX])
{
	struct inbox_query all = {.limit = 1000, .with_payload = true};
	struct in_stored in;
	struct out_row out;
	struct kw_why why;
	enum kw_err err = KW_OK;

	for (uint64_t seq = 0; err == KW_OK; seq = in.seq)
		if ((err = pstore_in_next(&in, s, &all, seq, &why)) == KW_OK && !row_counts(b, seen, in.id, in.payload))
			return false;
	if (err != KW_ENOTFOUND)
		return is_wrong(b, why.text, 0);
	err = KW_OK;
	for (uint64_t seq = 0; err == KW_OK; seq = out.seq)
		if ((err = pstore_out_next(&out, s, LANE_URGENT, seq, &why)) == KW_OK && !row_counts(b, seen, out.id, out.payload))
			return false;
	return err == KW_ENOTFOUND || is_wrong(b, why.text, 0);
}

static bool
judge(struct bench *b, struct pstore *s)
{
	uint32_t seen[TURNS_MAX] = {0}, newest = 0;
	uint64_t value;
	struct kw_why why;

	if (!count_rows(b, s, seen))
		return false;
	for (uint32_t t = 0; t < b->turns; t++) {
		if (seen[t] != 0 && seen[t] != b->size[t])
			return is_wrong(b, "stands there in part", t);
		if (seen[t] == 0 && b->fate[t] == COMMITTED)
			return is_wrong(b, "was committed and is gone", t);
		if (seen[t] != 0 && b->fate[t] == NEVER)
			return is_wrong(b, "was not committed and is there", t);
		b->fate[t] = seen[t] != 0 ? COMMITTED : NEVER;
		newest = seen[t] != 0 ? t : newest;
	}
	if (pstore_value(&value, s, VALUE_SENDER_EPOCH, &why) != KW_OK)
		return is_wrong(b, why.text, newest);
	return value == newest || is_wrong(b, "value and rows are of different transactions", newest);
}

/* Starts the store again on a disk without faults; false: it is wrong. */
static struct pstore *
recover(struct bench *b)
{
	struct pstore *s = NULL;
	struct kw_why why;

	if (pstore_open(&s, b->folder, &owner, 0, &why) != KW_OK) {
		(void)is_wrong(b, why.text, b->turns);
		return NULL;
	}
	if (judge(b, s))
		return s;
	pstore_close(&s);
	return NULL;
}

/* ---- rounds ---- */

static void
work(struct bench *b, struct pstore *s)
{
	uint32_t turns = 1 + (uint32_t)roll(&b->rng, 6);
	struct kw_why why;

	b->opened = b->turns;
	for (uint32_t i = 0; i < turns; i++) {
		if (roll(&b->rng, 5) == 0 && pstore_scour(s, &why) != KW_OK)
			b->refusals++;
		if (one_turn(b, s, &why) == KW_OK)
			turn_committed(b);
		else
			b->refusals++;
	}
}

static void
order_fault(struct bench *b)
{
	static const unsigned ops[] = {SIM_WRITE, SIM_SYNC, SIM_READ, SIM_TRUNCATE, SIM_REMOVE, SIM_WRITE | SIM_SYNC};
	bool for_ever = roll(&b->rng, 4) == 0;

	if (roll(&b->rng, 6) == 0)
		sim_disk_room(b->disk, b->folder, 100000 + roll(&b->rng, 400000));
	else
		sim_disk_fail(b->disk, b->folder, ops[roll(&b->rng, 6)], 1 + roll(&b->rng, 30), for_ever, roll(&b->rng, 3) == 0 ? KW_EFULL : KW_EIO);
}

/*
 * The machine falls over in the middle of some write, sync or deletion: while the store is opened after the fall before, or while it
 * works, or as it closes. False: something is wrong.
 */
static bool
crash_round(struct bench *b, bool faults)
{
	struct pstore *s = NULL;
	struct kw_why why;

	if (faults)
		order_fault(b);
	sim_disk_halt_at(b->disk, b->folder, 1 + roll(&b->rng, roll(&b->rng, 3) == 0 ? 12 : 80));
	if (pstore_open(&s, b->folder, &owner, 0, &why) == KW_OK)
		work(b, s);
	else
		b->refusals++;
	if (roll(&b->rng, 3) == 0)
		pstore_close(&s); /* tidily, as far as it comes */
	sim_disk_halt(b->disk, b->folder);
	pstore_close(&s);
	sim_disk_mend(b->disk, b->folder);
	sim_disk_crash(b->disk, b->folder, roll(&b->rng, 5) == 0 ? SIM_KILLED : SIM_POWER_CUT);
	return true;
}

static bool
rounds_hold(struct bench *b, uint32_t rounds, bool faults)
{
	for (uint32_t i = 0; i < rounds; i++) {
		struct pstore *s;

		crash_round(b, faults);
		if (roll(&b->rng, 3) == 0)
			continue; /* falls over again before anybody looks */
		if ((s = recover(b)) == NULL)
			return false;
		work(b, s);
		pstore_close(&s);
	}
	return true;
}

static uint32_t
seeds_that_fail(uint64_t first, uint32_t seeds, uint32_t rounds, bool faults, bool deaf)
{
	uint32_t failed = 0, commits = 0, refusals = 0;
	struct sim_disk_counts all = {0}, c;

	for (uint64_t seed = first; seed < first + seeds; seed++) {
		struct bench *b = bench_new(seed);

		sim_disk_deaf(b->disk, deaf);
		if (!rounds_hold(b, rounds, faults)) {
			failed++;
			if (!deaf)
				print_error("seed %llu: %s\n", (unsigned long long)seed, b->wrong);
		}
		c = sim_disk_counts(b->disk);
		commits += b->commits;
		refusals += b->refusals;
		all.crashes += c.crashes;
		all.failed += c.failed;
		all.lost += c.lost;
		all.torn += c.torn;
		bench_free(b);
	}
	print_message("%u commits, %u refusals, %llu crashes, %llu faults; %llu writes lost, %llu torn\n", commits, refusals, (unsigned long long)all.crashes,
	              (unsigned long long)all.failed, (unsigned long long)all.lost, (unsigned long long)all.torn);
	if (!deaf) /* without traffic and without faults nothing was shown */
		assert_true(commits > seeds * rounds && all.crashes == (uint64_t)seeds * rounds && all.torn > seeds && all.failed >= (uint64_t)seeds * rounds / 2);
	return failed;
}

static uint32_t
times(uint32_t n)
{
	const char *more = getenv("KW_SIM_VFS_TIMES");

	return more != NULL ? n * (uint32_t)strtoul(more, NULL, 10) : n;
}

static void
what_was_committed_survives_power_cuts_at_any_moment(void **state)
{
	(void)state;
	assert_int_equal(seeds_that_fail(1, times(6), 20, false, false), 0);
}

static void
and_writes_and_syncs_that_fail_before(void **state)
{
	(void)state;
	assert_int_equal(seeds_that_fail(1001, times(6), 20, true, false), 0);
}

/* A crash test that passes without syncs tests nothing. */
static void
on_a_disk_that_syncs_nothing_the_same_test_fails(void **state)
{
	uint32_t failed;

	(void)state;
	failed = seeds_that_fail(2001, 6, 20, false, true);
	print_message("%u of 6 seeds found out\n", failed);
	assert_true(failed >= 5);
}

/* ---- the disk alone ---- */

static void
put(struct bench *b, const char *path, const char *text, bool sync)
{
	struct sim_file *f;

	assert_int_equal(sim_disk_open(&f, b->disk, path, true), KW_OK);
	assert_int_equal(sim_file_write(f, 0, text, strlen(text)), KW_OK);
	if (sync)
		assert_int_equal(sim_file_sync(f), KW_OK);
	sim_file_close(&f);
}

static bool
holds(struct bench *b, const char *path, const char *text)
{
	char got[64] = "";
	size_t len = 0;
	struct sim_file *f;

	if (sim_disk_open(&f, b->disk, path, false) != KW_OK)
		return false;
	assert_int_equal(sim_file_read(f, 0, got, sizeof got - 1, &len), KW_OK);
	sim_file_close(&f);
	return len == strlen(text) && memcmp(got, text, len) == 0;
}

static void
a_power_cut_takes_what_was_not_synced_sometimes_and_nothing_else(void **state)
{
	uint32_t old = 0, fresh = 0;
	struct bench *b = bench_new(7);

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		put(b, "/n/a", "old", true);
		assert_int_equal(sim_disk_sync_folder(b->disk, "/n/a"), KW_OK);
		put(b, "/m/a", "old", false); /* another machine's */
		put(b, "/n/a", "new", false);
		sim_disk_crash(b->disk, "/n", SIM_POWER_CUT);
		old += holds(b, "/n/a", "old");
		fresh += holds(b, "/n/a", "new");
		assert_true(holds(b, "/m/a", "old"));
	}
	assert_int_equal(old + fresh, 100);
	assert_true(old > 10 && fresh > 10);
	bench_free(b);
}

static void
a_kill_takes_nothing_and_a_name_is_safe_with_its_folder_alone(void **state)
{
	uint32_t there = 0;
	struct bench *b = bench_new(8);

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		put(b, "/n/a", "x", true);
		sim_disk_crash(b->disk, "/n", SIM_KILLED);
		assert_true(holds(b, "/n/a", "x"));
		sim_disk_crash(b->disk, "/n", SIM_POWER_CUT);
		there += sim_disk_is_there(b->disk, "/n/a", NULL);
		(void)sim_disk_remove(b->disk, "/n/a");
		assert_int_equal(sim_disk_sync_folder(b->disk, "/n/b"), KW_OK);
	}
	assert_true(there > 10 && there < 90);
	bench_free(b);
}

static void
after_a_sync_that_failed_the_next_one_saves_nothing(void **state)
{
	uint32_t lost = 0;
	struct bench *b = bench_new(9);
	struct sim_file *f;

	(void)state;
	put(b, "/n/a", "old", true);
	assert_int_equal(sim_disk_sync_folder(b->disk, "/n/a"), KW_OK);
	for (uint32_t i = 0; i < 100; i++) {
		put(b, "/n/a", "old", true);
		put(b, "/n/a", "new", false);
		assert_int_equal(sim_disk_open(&f, b->disk, "/n/a", false), KW_OK);
		sim_disk_fail(b->disk, "/n/a", SIM_SYNC, 1, false, KW_EIO);
		assert_int_equal(sim_file_sync(f), KW_EIO);
		assert_int_equal(sim_file_sync(f), KW_OK);
		sim_file_close(&f);
		sim_disk_mend(b->disk, "/n/a");
		sim_disk_crash(b->disk, "/n", SIM_POWER_CUT);
		lost += holds(b, "/n/a", "old");
	}
	assert_true(lost > 10 && lost < 90);
	bench_free(b);
}

static void
what_was_opened_before_a_crash_changes_nothing_behind_it(void **state)
{
	struct bench *b = bench_new(10);
	struct sim_file *f;

	(void)state;
	put(b, "/n/a", "old", true);
	assert_int_equal(sim_disk_open(&f, b->disk, "/n/a", false), KW_OK);
	sim_disk_crash(b->disk, "/n", SIM_KILLED);
	assert_true(sim_file_dead(f));
	assert_int_equal(sim_file_write(f, 0, "new", 3), KW_EIO);
	assert_int_equal(sim_file_truncate(f, 0), KW_EIO);
	assert_int_equal(sim_file_sync(f), KW_EIO);
	assert_true(holds(b, "/n/a", "old"));
	sim_file_close(&f);
	bench_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_power_cut_takes_what_was_not_synced_sometimes_and_nothing_else),
		cmocka_unit_test(a_kill_takes_nothing_and_a_name_is_safe_with_its_folder_alone),
		cmocka_unit_test(after_a_sync_that_failed_the_next_one_saves_nothing),
		cmocka_unit_test(what_was_opened_before_a_crash_changes_nothing_behind_it),
		cmocka_unit_test(what_was_committed_survives_power_cuts_at_any_moment),
		cmocka_unit_test(and_writes_and_syncs_that_fail_before),
		cmocka_unit_test(on_a_disk_that_syncs_nothing_the_same_test_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
