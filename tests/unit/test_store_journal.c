/* The store before and behind its own thread: what stands in the journal alone is read as what LMDB has, and comes back; and decided batches as bytes. */
#include "store_world.h"

#include <dlfcn.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "decided_example.h"

#define NEVER_BY_ITSELF (24ull * 3600 * 1000)

static uint64_t bytes_read;

__attribute__((visibility("default"))) ssize_t pread(int fd, void *p, size_t n, off_t at);
ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	ssize_t got = (ssize_t)syscall(SYS_pread64, fd, p, n, at);

	bytes_read += got > 0 ? (uint64_t)got : 0;
	return got;
}

static struct world *settle_behind_snapshot;

__attribute__((visibility("default"))) int mdb_txn_renew(MDB_txn *txn);
int
mdb_txn_renew(MDB_txn *txn)
{
	struct world *w = settle_behind_snapshot;
	int (*real)(MDB_txn *), rc;

	*(void **)&real = dlsym(RTLD_NEXT, "mdb_txn_renew");
	rc = real(txn);
	settle_behind_snapshot = NULL;
	if (w != NULL)
		world_settle(w);
	return rc;
}

static uint64_t records_put;

__attribute__((visibility("default"))) int mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags);
int
mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags)
{
	int (*real)(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *, unsigned);

	*(void **)&real = dlsym(RTLD_NEXT, "mdb_put");
	records_put++;
	return real(txn, dbi, key, data, flags);
}

/* What is committed stays in the journal until somebody waits for it. */
static int
open_lazy(void **state)
{
	struct world *w = world_make(true);

	world_close(w);
	w->apply_after_ms = NEVER_BY_ITSELF;
	assert_int_equal(world_open(w), KW_OK);
	*state = w;
	return 0;
}

static int
close_it(void **state)
{
	world_free(*state);
	return 0;
}

static void
leave_a_small_journal_to_be_made(struct world *w)
{
	char path[128];

	world_close(w);
	w->journal_bytes = 64u << 10;
	world_file(w, "journal", path);
	assert_int_equal(unlink(path), 0);
}

static void
begin_anew_with_a_small_journal(struct world *w)
{
	leave_a_small_journal_to_be_made(w);
	assert_int_equal(world_open(w), KW_OK);
}

static struct store_entry
entry_at(struct world *w, enum lane lane, uint64_t number)
{
	static struct store_entry e[1];
	set_no sets[4] = {{0}, {1}, {2}, {3}};
	uint32_t count;
	uint64_t tail;

	assert_int_equal(w->s->ops->read(w->s, lane, sets, 4, number - 1, e, 1, UINT64_MAX, &count, &tail, &w->why), KW_OK);
	assert_int_equal(count, 1);
	assert_int_equal(e[0].at.number, number);
	return e[0]; /* until world_read_done */
}

static void
copy_file(const struct world *w, const char *name, const char *to)
{
	char from[128], command[300];

	world_file(w, name, from);
	(void)snprintf(command, sizeof command, "cp '%s' '%s/%s'", from, w->path, to);
	assert_int_equal(system(command), 0);
}

static void
rename_file(const struct world *w, const char *from, const char *to)
{
	char a[128], b[128];

	world_file(w, from, a);
	world_file(w, to, b);
	assert_int_equal(rename(a, b), 0);
}

/* ---- reading ---- */

static void
a_page_goes_from_lmdb_into_the_journal_and_misses_nothing(void **state)
{
	struct world *w = *state;
	const uint32_t two[] = {0, 1};
	uint64_t numbers[64];
	uint32_t n = 0;

	for (uint32_t round = 0; round < 4; round++) {
		for (uint32_t i = 0; i < 10; i++, n++)
			world_append(w, LANE_FLASH, n % 3, 1, n);
		if (round % 2 == 0)
			world_settle(w);
		else
			world_must_commit(w);
	}
	assert_int_equal(world_read(w, LANE_FLASH, two, 2, 0, 64, numbers), 27);
	for (uint32_t i = 0; i < 27; i++)
		assert_int_equal(numbers[i], i / 2 * 3 + i % 2 + 1);
	assert_int_equal(world_read(w, LANE_FLASH, two, 2, 29, 64, numbers), 7);
	assert_int_equal(numbers[0], 31);
	assert_int_equal(world_read(w, LANE_FLASH, two, 2, 10, 5, numbers), 5);
	assert_int_equal(numbers[4], 17);
	assert_int_equal(world_read(w, LANE_FLASH, two, 2, 40, 64, numbers), 0);
}

static void
what_is_read_stays_while_lmdb_takes_it(void **state)
{
	struct world *w = *state;
	struct store_entry e;

	world_append(w, LANE_URGENT, 0, 1, 7);
	world_must_commit(w);
	e = entry_at(w, LANE_URGENT, 1);
	world_settle(w);
	assert_true(world_whole(&e, 7)); /* not freed under the reader */
	w->s->ops->read_done(w->s);
	e = entry_at(w, LANE_URGENT, 1);
	assert_true(world_whole(&e, 7));
	w->s->ops->read_done(w->s);
}

/* [P-7] [K-6] As soon as the recall is answered, wherever the content stands. */
static void
what_lmdb_has_is_bare_when_the_journal_recalls_it(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	struct store_entry e;
	struct store_op *op;

	memcpy(id, world_append(w, LANE_URGENT, 0, 1, 7)->append.id, sizeof id);
	world_settle(w);
	op = world_op(w, OP_RECALL);
	op->recall.sender.v = 1;
	memcpy(op->recall.id, id, sizeof id);
	world_must_commit(w);
	assert_int_equal(op->done, 1);
	for (int settled = 0; settled < 2; settled++) {
		e = entry_at(w, LANE_URGENT, 1);
		assert_true(e.recalled && e.body.len == 0 && e.wraps.len > 0);
		w->s->ops->read_done(w->s);
		if (settled == 0)
			world_settle(w);
	}
}

/* The same where LMDB takes the recall just behind the reader's snapshot, which has the content whole, and the list has forgotten it. */
static void
a_recall_that_lmdb_takes_behind_the_snapshot_is_seen(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	struct store_entry e;
	struct store_op *op;

	memcpy(id, world_append(w, LANE_URGENT, 0, 1, 7)->append.id, sizeof id);
	world_settle(w);
	op = world_op(w, OP_RECALL);
	op->recall.sender.v = 1;
	memcpy(op->recall.id, id, sizeof id);
	world_must_commit(w);
	settle_behind_snapshot = w;
	e = entry_at(w, LANE_URGENT, 1);
	assert_null(settle_behind_snapshot);
	assert_true(e.recalled && e.body.len == 0 && e.wraps.len > 0);
	w->s->ops->read_done(w->s);
}

static void
questions_are_answered_from_the_journal(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN], record[WIRE_COMMIT_LEN], path[KW_PATH_MAX][KW_HASH_LEN], hash[KW_HASH_LEN];
	struct store_found found;
	struct store_sizes sizes;
	struct commit c;
	uint32_t len;
	uint64_t ms;

	for (uint32_t i = 0; i < 5; i++)
		memcpy(id, world_append(w, LANE_ROUTINE, 0, 1, i)->append.id, sizeof id);
	world_must_commit(w);
	assert_int_equal(w->s->ops->find(w->s, (node_no){1}, id, &found, &w->why), KW_OK);
	assert_int_equal(found.at.number, 5);
	assert_int_equal(found.index, 4);
	assert_int_equal(w->s->ops->find(w->s, (node_no){2}, id, &found, &w->why), KW_ENOTFOUND);
	assert_int_equal(w->s->ops->proof(w->s, 1, 4, record, path, &len, &w->why), KW_OK);
	assert_memory_equal(record, w->b.commit, WIRE_COMMIT_LEN);
	assert_int_equal(commit_decode(&c, record, NULL), KW_OK);
	assert_true(commit_path_holds(c.root, 5, 4, w->b.leaves[4], (const void *)path, len));
	assert_int_equal(w->s->ops->commit_hash(w->s, 1, hash), KW_OK);
	assert_int_equal(w->s->ops->commit_time(w->s, 1, &ms), KW_OK);
	assert_int_equal(ms, w->now);
	w->s->ops->sizes(w->s, &sizes);
	assert_int_equal(sizes.entries[LANE_ROUTINE], 5);
}

/* ---- deciding ---- */

static void
what_stands_in_the_journal_alone_is_known(void **state)
{
	struct world *w = *state;

	world_append(w, LANE_FLASH, 0, 1, 1);
	world_append(w, LANE_FLASH, 0, 1, 1);
	world_must_commit(w);
	assert_int_equal(w->ops[0].result, APPEND_STORED);
	assert_int_equal(w->ops[1].result, APPEND_DUPLICATE);
	world_append(w, LANE_FLASH, 0, 1, 1);
	world_append(w, LANE_FLASH, 0, 1, 1)->append.frame_hash[0] ^= 1;
	world_append(w, LANE_FLASH, 0, 1, 2)->append.if_known = true;
	world_append(w, LANE_FLASH, 0, 1, 1)->append.if_known = true;
	world_must_commit(w);
	assert_int_equal(w->ops[0].result, APPEND_DUPLICATE);
	assert_int_equal(w->ops[0].at.number, 1);
	assert_int_equal(w->ops[0].commit, 1);
	assert_int_equal(w->ops[1].result, APPEND_CONFLICT);
	assert_int_equal(w->ops[2].result, APPEND_ABSENT);
	assert_int_equal(w->ops[3].result, APPEND_DUPLICATE);
	assert_false(w->b.has_commit);
}

static void
retention_beside_appends_goes_on_by_itself(void **state)
{
	struct world *w = *state;
	struct store_op *op;

	for (uint32_t i = 0; i < 20; i++)
		world_append(w, LANE_FLASH, 0, 1, i);
	world_settle(w);
	world_append(w, LANE_FLASH, 0, 1, 100);
	op = world_op(w, OP_SWEEP);
	op->sweep.lane = LANE_FLASH;
	op->sweep.upto = 20;
	op->sweep.limit = 3;
	w->hurry = true;
	world_must_commit(w);
	w->hurry = false;
	assert_int_equal(op->done, 0);
	assert_int_equal(op->at.number, 20);
	for (int i = 0; i < 8; i++)
		world_settle(w); /* each goes on with what was left over */
	for (uint32_t i = 1; i <= 20; i++) {
		struct store_entry e = entry_at(w, LANE_FLASH, i);

		assert_int_equal(e.body.len, 0);
		w->s->ops->read_done(w->s);
	}
	assert_true(entry_at(w, LANE_FLASH, 21).body.len > 0);
	w->s->ops->read_done(w->s);
}

static void
append_twenty(struct world *w, uint32_t set, uint32_t from)
{
	for (uint32_t i = 0; i < 20; i++)
		world_append(w, LANE_FLASH, set, 1, from + i);
	world_must_commit(w);
}

static void
sweep_all(struct world *w, uint32_t set, uint64_t upto)
{
	struct store_op *op = world_op(w, OP_SWEEP);

	op->sweep.lane = LANE_FLASH;
	op->sweep.set.v = set;
	op->sweep.upto = upto;
	op->sweep.limit = 100;
	w->hurry = true;
	world_must_commit(w);
	w->hurry = false;
}

/* Its readers were quicker than the store's own thread: nothing is written to go again. */
static void
a_body_that_goes_before_lmdb_has_it_is_not_written(void **state)
{
	struct world *w = *state;
	uint64_t whole, bare;

	append_twenty(w, 0, 0);
	records_put = 0;
	world_settle(w);
	whole = records_put;
	append_twenty(w, 0, 100);
	append_twenty(w, 1, 200);
	sweep_all(w, 0, 40);
	records_put = 0;
	world_settle(w);
	bare = records_put - whole; /* the others are whole */
	assert_true(bare + 20 <= whole + 2); /* the sweep has a record of its own */
	for (uint32_t i = 1; i <= 60; i++) {
		struct store_entry e = entry_at(w, LANE_FLASH, i);

		assert_true(e.head.len > 0);
		assert_int_equal(e.body.len > 0, i > 40);
		assert_int_equal(e.wraps.len > 0, i > 40);
		w->s->ops->read_done(w->s);
	}
}

static void
a_batch_that_the_journal_cannot_hold_goes_straight_to_lmdb(void **state)
{
	struct world *w = *state;
	static uint8_t much[200000];
	uint64_t numbers[8];

	begin_anew_with_a_small_journal(w);
	for (uint32_t i = 0; i < 3; i++) {
		world_append(w, LANE_URGENT, 0, 1, 2 * i);
		world_must_commit(w);
		world_append(w, LANE_URGENT, 0, 1, 2 * i + 1)->append.body = span_of(much, sizeof much);
		world_must_commit(w);
		assert_int_equal(w->ops[0].at.number, 2 * i + 2);
		assert_int_equal(w->ops[0].commit, 2 * i + 2);
	}
	assert_int_equal(world_read(w, LANE_URGENT, (const uint32_t[]){0}, 1, 0, 8, numbers), 6);
	world_close(w);
	assert_int_equal(world_open(w), KW_OK);
	assert_int_equal(w->heard.tail[LANE_URGENT], 6);
	assert_int_equal(world_read(w, LANE_URGENT, (const uint32_t[]){0}, 1, 0, 8, numbers), 6);
}

static void
more_than_the_journal_holds_waits_for_lmdb(void **state)
{
	struct world *w = *state;
	uint64_t numbers[1024];

	begin_anew_with_a_small_journal(w);
	for (uint32_t i = 0; i < 300; i++) {
		world_append(w, LANE_URGENT, 0, 1, i);
		world_must_commit(w);
	}
	assert_int_equal(world_read(w, LANE_URGENT, (const uint32_t[]){0}, 1, 0, 1024, numbers), 300);
}

/* ---- files that do not belong together ---- */

static void
an_older_data_file_beside_its_journal_is_brought_up_to_date(void **state)
{
	struct world *w = *state;

	world_append(w, LANE_FLASH, 0, 1, 1);
	world_settle(w);
	copy_file(w, "data.mdb", "older");
	for (uint32_t i = 2; i < 10; i++) {
		world_append(w, LANE_FLASH, 0, 1, i);
		world_must_commit(w);
	}
	world_close(w);
	rename_file(w, "older", "data.mdb");
	assert_int_equal(world_open(w), KW_OK);
	assert_int_equal(w->heard.tail[LANE_FLASH], 9);
}

static void
a_data_file_that_its_journal_has_left_behind_is_refused(void **state)
{
	struct world *w = *state;
	char path[128];

	begin_anew_with_a_small_journal(w);
	world_append(w, LANE_FLASH, 0, 1, 1);
	world_settle(w);
	copy_file(w, "data.mdb", "older");
	for (uint32_t i = 2; i < 100; i++) {
		world_append(w, LANE_FLASH, 0, 1, i);
		world_must_commit(w);
	}
	world_close(w);
	rename_file(w, "older", "data.mdb");
	assert_int_equal(world_open(w), KW_ECORRUPT);
	assert_non_null(strstr(w->why.text, "does not follow from it"));
	world_file(w, "journal", path);
	assert_int_equal(unlink(path), 0); /* somebody wants the older state: it is one */
	assert_int_equal(world_open(w), KW_OK);
	assert_int_equal(w->heard.tail[LANE_FLASH], 1);
}

/* [P-7] Nobody can say what stood there. */
static void
a_journal_that_is_missing_after_an_unclean_end_is_not_made_anew(void **state)
{
	struct world *w = *state;
	char path[128];
	int status;
	pid_t pid;

	world_close(w);
	pid = fork();
	if (pid == 0) {
		if (world_open(w) == KW_OK) {
			world_append(w, LANE_FLASH, 0, 1, 1);
			_exit(world_commit(w) == KW_OK ? 0 : 1);
		}
		_exit(2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	rename_file(w, "journal", "aside");
	assert_int_equal(world_open(w), KW_ECORRUPT);
	assert_non_null(strstr(w->why.text, "is missing"));
	rename_file(w, "aside", "journal");
	assert_int_equal(world_open(w), KW_OK);
	assert_int_equal(w->heard.tail[LANE_FLASH], 1);
	world_file(w, "aside", path);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void
a_smaller_journal_takes_the_place_of_a_larger_one(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < 40; i++) {
		world_append(w, LANE_FLASH, 0, 1, i);
		world_must_commit(w);
	}
	leave_a_small_journal_to_be_made(w);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(world_open(w), KW_OK);
		assert_int_equal(w->heard.tail[LANE_FLASH], 40);
		world_close(w);
	}
	assert_int_equal(world_open(w), KW_OK);
}

/* [C-10] A second history of its own making would be the worst. */
static void
an_older_data_file_is_not_replayed_over_what_went_past_the_journal(void **state)
{
	struct world *w = *state;
	static uint8_t much[200000];

	begin_anew_with_a_small_journal(w);
	world_append(w, LANE_FLASH, 0, 1, 1);
	world_settle(w);
	copy_file(w, "data.mdb", "older");
	world_append(w, LANE_ROUTINE, 0, 1, 2)->append.body = span_of(much, sizeof much);
	world_must_commit(w);
	world_append(w, LANE_FLASH, 0, 1, 3);
	world_must_commit(w);
	world_close(w);
	rename_file(w, "older", "data.mdb");
	assert_int_equal(world_open(w), KW_ECORRUPT);
	assert_non_null(strstr(w->why.text, "does not follow from it"));
}

/* What a partner may choose does not look like a record, however long it says it is: a start reads the file once. */
static void
content_that_looks_like_records_holds_up_no_start(void **state)
{
	struct world *w = *state;
	static uint8_t much[1 << 20];

	for (size_t at = 0; at + 8 <= sizeof much; at += 8)
		memcpy(much + at, "KWJ1\x00\x7F\xFF\x00", 8);
	for (uint32_t i = 0; i < 7; i++) {
		world_append(w, LANE_FLASH, 0, 1, i)->append.body = span_of(much, sizeof much);
		world_must_commit(w);
	}
	world_close(w);
	bytes_read = 0;
	assert_int_equal(world_open(w), KW_OK);
	assert_int_equal(w->heard.tail[LANE_FLASH], 7);
	assert_true(bytes_read > 0 && bytes_read < 4 * (16u << 20)); /* the journal's 16 MiB a few times at most, not for each page of it */
}

/* A backup needs data.mdb alone, once everything is in it. */
static void
a_clean_end_leaves_everything_in_the_data_file(void **state)
{
	struct world *w = *state;
	char path[128];

	for (uint32_t i = 0; i < 10; i++)
		world_append(w, LANE_FLASH, 0, 1, i);
	world_must_commit(w);
	world_close(w);
	world_file(w, "journal", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(world_open(w), KW_OK);
	assert_int_equal(w->heard.tail[LANE_FLASH], 10);
}

/* ---- decided batches as bytes ---- */

static void
put_one_of_each(struct buf *b, size_t *begun)
{
	*begun = b->len;
	decided_example(b, 0, true);
	assert_true(buf_ok(b));
}

static bool
reads_whole(struct span bytes, uint32_t *kinds)
{
	struct decided_reader r;
	struct decided_commit c;
	struct decided_op op;

	*kinds = 0;
	if (!decided_open(&r, bytes))
		return false;
	while (r.left > 0) {
		if (!decided_next(&r, &op))
			return false;
		*kinds |= 1u << op.kind;
	}
	return decided_close(&r, &c);
}

static void
what_was_decided_is_read_again(void **state)
{
	struct buf b = BUF_INIT(65536), again = BUF_INIT(65536);
	struct decided_reader r;
	struct decided_commit c;
	struct decided_op op;
	size_t begun, second;
	uint32_t kinds, count = 0;

	(void)state;
	put_one_of_each(&b, &begun);
	assert_true(reads_whole(buf_span(&b), &kinds));
	assert_int_equal(kinds, (1u << (OP_SUSPENSION + 1)) - 1);
	second = again.len;
	assert_true(decided_open(&r, buf_span(&b)));
	decided_begin(&again, r.now_ms);
	for (; r.left > 0; count++) {
		assert_true(decided_next(&r, &op));
		decided_put(&again, &op);
	}
	assert_true(decided_close(&r, &c));
	decided_end(&again, second, count, &c);
	assert_true(span_eq(buf_span(&b), buf_span(&again)));
	buf_free(&b);
	buf_free(&again);
}

static void
nothing_cut_short_or_too_long_is_taken_for_whole(void **state)
{
	struct buf b = BUF_INIT(65536);
	uint32_t kinds;
	size_t begun;

	(void)state;
	put_one_of_each(&b, &begun);
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *exact = malloc(len + 1); /* so that a sanitizer sees a step too far */

		assert_non_null(exact);
		memcpy(exact, b.p, len);
		assert_false(reads_whole(span_of(exact, len), &kinds));
		free(exact);
	}
	buf_put_u8(&b, 0);
	assert_false(reads_whole(buf_span(&b), &kinds));
	buf_free(&b);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_lazy, close_it)
	const struct CMUnitTest tests[] = {
		T(a_page_goes_from_lmdb_into_the_journal_and_misses_nothing),
		T(what_is_read_stays_while_lmdb_takes_it),
		T(what_lmdb_has_is_bare_when_the_journal_recalls_it),
		T(questions_are_answered_from_the_journal),
		T(what_stands_in_the_journal_alone_is_known),
		T(retention_beside_appends_goes_on_by_itself),
		T(a_body_that_goes_before_lmdb_has_it_is_not_written),
		T(a_batch_that_the_journal_cannot_hold_goes_straight_to_lmdb),
		T(more_than_the_journal_holds_waits_for_lmdb),
		T(an_older_data_file_beside_its_journal_is_brought_up_to_date),
		T(a_data_file_that_its_journal_has_left_behind_is_refused),
		T(a_journal_that_is_missing_after_an_unclean_end_is_not_made_anew),
		T(a_smaller_journal_takes_the_place_of_a_larger_one),
		T(an_older_data_file_is_not_replayed_over_what_went_past_the_journal),
		T(content_that_looks_like_records_holds_up_no_start),
		T(a_recall_that_lmdb_takes_behind_the_snapshot_is_seen),
		T(a_clean_end_leaves_everything_in_the_data_file),
		cmocka_unit_test(what_was_decided_is_read_again),
		cmocka_unit_test(nothing_cut_short_or_too_long_is_taken_for_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
