/* A broker's store of another program's format is refused and not touched; and a copy taken while it is used holds all that was answered. */
#include "store_world.h"

#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "broker/store/store_lmdb_parts.h"

static int
set_up(void **state)
{
	struct world *w = world_make(true);

	assert_non_null(w);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	world_free(*state);
	return 0;
}

static void
fill(struct world *w, uint32_t from, uint32_t count)
{
	for (uint32_t n = from; n < from + count; n++)
		(void)world_append(w, LANE_URGENT, 0, 0, n);
	world_must_commit(w);
}

static void
begin(struct world *w)
{
	struct store_op *op = world_op(w, OP_NODE);
	static const node_no nodes[] = {{0}};

	op->node.node = (node_no){0};
	op->node.id = "police/control-room";
	op = world_op(w, OP_SET);
	op->set.set = (set_no){0};
	op->set.nodes = nodes;
	op->set.count = 1;
	world_must_commit(w);
}

/* How many of the lane stand there. */
static uint32_t
count(struct world *w)
{
	static const uint32_t sets[] = {0};
	uint64_t out[64];

	return world_read(w, LANE_URGENT, sets, 1, 0, 64, out);
}

/* The store says that it is of that format; one_less: a table is not there, as in a format that has others. */
static void
become(struct world *w, uint32_t version, bool one_less)
{
	struct key key = key_word("format");
	struct kw_why why;
	struct span value, part;
	uint8_t bytes[256];
	struct lmdb db;
	MDB_txn *txn;

	assert_int_equal(env_open(&db, w->path, true, 0, &why), KW_OK);
	assert_int_equal(env_tables(&db, &why), KW_OK);
	assert_int_equal(mdb_txn_begin(db.env, NULL, 0, &txn), 0);
	assert_int_equal(record_get(&db, txn, T_META, &key, &value, &why), KW_OK);
	assert_true(value.len <= sizeof bytes);
	memcpy(bytes, value.p, value.len);
	be32_put(bytes, version);
	part = span_of(bytes, value.len);
	assert_int_equal(record_put(&db, txn, T_META, &key, &part, 1, PUT_ANYWHERE, &why), KW_OK);
	if (one_less)
		assert_int_equal(mdb_drop(txn, db.dbi[T_CASES], 1), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	env_close(&db);
}

static void
read_file(struct buf *out, struct world *w, const char *name)
{
	char path[128];
	struct kw_why why;

	world_file(w, name, path);
	*out = BUF_INIT(256u << 20);
	assert_int_equal(fs_read(out, path, &why), KW_OK);
}

static void
refused_untouched(struct world *w, const char *says)
{
	static const char *const names[] = {"data.mdb", "journal", "mark"};
	struct buf before[3], after;

	for (size_t i = 0; i < 3; i++)
		read_file(&before[i], w, names[i]);
	assert_int_equal(world_open(w), KW_EINVAL);
	if (strstr(w->why.text, says) == NULL)
		fail_msg("%s", w->why.text);
	for (size_t i = 0; i < 3; i++) {
		read_file(&after, w, names[i]);
		assert_true(span_eq(buf_span(&before[i]), buf_span(&after)));
		buf_free(&after);
		buf_free(&before[i]);
	}
}

static void
a_newer_format_is_refused_and_nothing_changes(void **state)
{
	struct world *w = *state;

	begin(w);
	fill(w, 1, 20);
	world_close(w);
	become(w, STORE_FORMAT + 1, false);
	refused_untouched(w, "/data.mdb was written by a newer kurzweg-broker (format 5, known here: 4), and nothing of it was changed; install that one, or restore a backup from before the upgrade");
	become(w, STORE_FORMAT, false); /* the newer one is taken back */
	assert_int_equal(world_open(w), KW_OK);
	assert_int_equal(count(w), 20);
	world_close(w);
	become(w, STORE_FORMAT + 7, true);
	refused_untouched(w, "(format 11, known here: 4)");
}

static void
an_older_format_is_refused_and_nothing_changes(void **state)
{
	struct world *w = *state;

	begin(w);
	world_close(w);
	become(w, STORE_FORMAT - 1, true);
	refused_untouched(w, "/data.mdb was written by an older kurzweg-broker (format 3, known here: 4) from before the first release, and nothing of it was changed");
}

/* ---- a copy ---- */

/* The copy alone in the place of all that was there. */
static void
put_copy_in_place(struct world *w, const char *copy)
{
	static const char *const gone[] = {"journal", "mark", "lock.mdb"};
	char path[128];

	for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
		world_file(w, gone[i], path);
		assert_int_equal(unlink(path), 0);
	}
	world_file(w, "data.mdb", path);
	assert_int_equal(rename(copy, path), 0);
}

static void
a_copy_holds_what_the_journal_alone_has(void **state)
{
	struct world *w = *state;
	struct kw_why why;
	char copy[128];
	int fd;

	world_close(w);
	w->apply_after_ms = 3600u * 1000u;
	assert_int_equal(world_open(w), KW_OK);
	begin(w);
	fill(w, 1, 20);
	world_file(w, "copy", copy);
	fd = open(copy, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	if (w->s->ops->copy(w->s, fd, &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_int_equal(close(fd), 0);
	fill(w, 21, 5); /* it goes on, and this is not in it */
	assert_int_equal(count(w), 25);
	world_close(w);
	put_copy_in_place(w, copy);
	if (world_open(w) != KW_OK)
		fail_msg("%s", w->why.text);
	assert_int_equal(count(w), 20);
	fill(w, 26, 3); /* and it serves */
	assert_int_equal(count(w), 23);
}

static void
a_copy_that_nobody_reads_ends_and_harms_nothing(void **state)
{
	struct world *w = *state;
	struct kw_why why;
	int pipes[2];

	(void)signal(SIGPIPE, SIG_IGN);
	begin(w);
	fill(w, 1, 20);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(close(pipes[0]), 0);
	assert_int_equal(w->s->ops->copy(w->s, pipes[1], &why), KW_ESTATE);
	assert_int_equal(close(pipes[1]), 0);
	fill(w, 21, 5);
	assert_int_equal(count(w), 25);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_newer_format_is_refused_and_nothing_changes),
		T(an_older_format_is_refused_and_nothing_changes),
		T(a_copy_holds_what_the_journal_alone_has),
		T(a_copy_that_nobody_reads_ends_and_harms_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
