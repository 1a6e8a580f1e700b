/* What only the store on disk must do: come back as it was, notice every damage, and lose nothing that it answered. */
#include "store_world.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define ALL_SETS (const uint32_t[]){0, 1, 2, 3}, 4

/* ---- the disk fails when told to: these stand in front of the C library's for LMDB and the store alike ---- */

static int fail_sync, fail_write, fail_room; /* calls until the failing one; 0: never */
static int fail_with;

static bool
now_fails(int *counter)
{
	if (*counter == 0 || --*counter > 0)
		return false;
	errno = fail_with;
	return true;
}

__attribute__((visibility("default"))) int fdatasync(int fd);
int
fdatasync(int fd)
{
	return now_fails(&fail_sync) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	return now_fails(&fail_write) ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, p, n, at);
}

__attribute__((visibility("default"))) int fallocate(int fd, int mode, off_t at, off_t len);
int
fallocate(int fd, int mode, off_t at, off_t len)
{
	return now_fails(&fail_room) ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, len);
}

static int fail_put; /* LMDB finds its map full in the middle of a batch */

__attribute__((visibility("default"))) int mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags);
int
mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags)
{
	int (*real)(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *, unsigned);

	if (fail_put > 0 && --fail_put == 0)
		return MDB_MAP_FULL;
	*(void **)&real = dlsym(RTLD_NEXT, "mdb_put");
	return real(txn, dbi, key, data, flags);
}

/* A file system that says it is another one. */
static long pretend_magic;

__attribute__((visibility("default"))) int statfs(const char *path, struct statfs *out);
int
statfs(const char *path, struct statfs *out)
{
	long rc = syscall(SYS_statfs, path, out);

	if (pretend_magic != 0)
		out->f_type = pretend_magic;
	return (int)rc;
}

/* ---- helpers ---- */

static int
open_disk(void **state)
{
	fail_sync = fail_write = fail_room = 0;
	*state = world_make(true);
	return 0;
}

static int
close_it(void **state)
{
	fail_sync = fail_write = fail_room = 0;
	pretend_magic = 0;
	world_free(*state);
	return 0;
}

/* Something of everything. */
static void
fill(struct world *w)
{
	static struct wire_subscribe filters;
	static char texts[2][KW_TOPIC_MAX + 1] = {"alert/#", "request/noise/+"};
	static const node_no nodes[] = {{0}, {1}};
	static const char *const names[] = {"police/control-room", "city/public-order"};
	struct store_op *op;

	filters = (struct wire_subscribe){2, texts};
	for (uint32_t i = 0; i < 2; i++) {
		op = world_op(w, OP_NODE);
		op->node.node.v = i;
		op->node.id = names[i];
	}
	for (uint32_t i = 0; i < 4; i++) {
		op = world_op(w, OP_SET);
		op->set.set.v = i;
		op->set.nodes = nodes;
		op->set.count = i % 3;
	}
	for (uint32_t i = 0; i < 60; i++)
		world_append(w, (enum lane)(i % 3), i % 4, i % 2, i);
	op = world_op(w, OP_AGREEMENT);
	op->agreement.version = 1;
	op->agreement.text = span_str("version: 1");
	op->agreement.sigs = span_str("mayor signed");
	op = world_op(w, OP_CURSOR);
	op->cursor.node.v = 1;
	op->cursor.lane = LANE_URGENT;
	op->cursor.cursor = (struct lane_cursor){1, 15};
	op = world_op(w, OP_SUBSCRIBE);
	op->subscribe.node.v = 1;
	op->subscribe.filters = &filters;
	op = world_op(w, OP_EVIDENCE);
	op->evidence.bytes = span_str("two frames under one id");
	op = world_op(w, OP_SWEEP);
	op->sweep.lane = LANE_FLASH;
	op->sweep.set.v = 0;
	op->sweep.upto = 5;
	op->sweep.limit = 100;
	world_must_commit(w);
}

static void
reopen(struct world *w)
{
	world_close(w);
	if (world_open(w) != KW_OK)
		fail_msg("%s", w->why.text);
}

static void
must_refuse(struct world *w, enum kw_err err, const char *says)
{
	world_close(w);
	assert_int_equal(world_open(w), err);
	if (strstr(w->why.text, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", w->why.text, says);
}

/* ---- coming back ---- */

static void
everything_is_there_after_a_new_start(void **state)
{
	struct world *w = *state;
	uint8_t commit[WIRE_COMMIT_LEN];
	uint64_t numbers[64];
	struct store_op *op;

	fill(w);
	memcpy(commit, w->b.commit, sizeof commit);
	reopen(w);
	assert_int_equal(w->heard.log_epoch, 1);
	assert_int_equal(w->heard.epochs, 1);
	assert_int_equal(w->heard.start[0][2], 1);
	for (unsigned lane = 0; lane < KW_LANES; lane++)
		assert_int_equal(w->heard.tail[lane], 20);
	assert_true(w->heard.has_commit);
	assert_memory_equal(w->heard.commit, commit, sizeof commit);
	assert_int_equal(w->heard.agreements, 1);
	assert_string_equal(w->heard.text[0], "version: 1");
	for (unsigned lane = 0; lane < KW_LANES; lane++)
		assert_int_equal(w->heard.before[0][lane], 20); /* it came behind the batch's 60 entries */
	assert_string_equal(w->heard.sigs[0], "mayor signed");
	assert_int_equal(w->heard.nodes, 2);
	assert_string_equal(w->heard.node[1], "city/public-order");
	assert_int_equal(w->heard.sets, 4);
	assert_int_equal(w->heard.set_size[2], 2);
	assert_int_equal(w->heard.set_last[2], 1);
	assert_int_equal(w->heard.cursor[1][LANE_URGENT].number, 15);
	assert_int_equal(w->heard.cursor[1][LANE_URGENT].log_epoch, 1);
	assert_true(w->heard.has_last[0] && w->heard.has_last[1]);
	assert_int_equal(be32_get(w->heard.last[0]), 58);
	assert_int_equal(be32_get(w->heard.last[1]), 59);
	assert_int_equal(w->heard.filters[1], 2);
	assert_string_equal(w->heard.filter[1], "request/noise/+");
	assert_int_equal(w->heard.swept[LANE_FLASH][0], 5);
	assert_int_equal(world_read(w, LANE_FLASH, ALL_SETS, 0, 64, numbers), 20);
	op = world_append(w, LANE_FLASH, 3, 1, 3);
	world_append(w, LANE_FLASH, 0, 0, 1000);
	world_must_commit(w);
	assert_int_equal(op->result, APPEND_DUPLICATE);
	assert_int_equal(w->ops[1].at.number, 21);
	assert_int_equal(w->ops[1].commit, 2);
}

static void
d3_cursors_only_go_up(void **state)
{
	struct world *w = *state;
	static const uint64_t numbers[] = {5, 9, 7, 9, 0};

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		struct store_op *op = world_op(w, OP_CURSOR);

		op->cursor.node.v = 2;
		op->cursor.lane = LANE_ROUTINE;
		op->cursor.cursor = (struct lane_cursor){1, numbers[i]};
		world_must_commit(w);
	}
	reopen(w);
	assert_int_equal(w->heard.cursor[2][LANE_ROUTINE].number, 9);
}

static void
c11_a_new_log_epoch_begins_behind_all_tails(void **state)
{
	struct world *w = *state;

	fill(w);
	world_op(w, OP_LOG_EPOCH)->log_epoch.epoch = 2;
	world_append(w, LANE_FLASH, 0, 0, 500);
	world_must_commit(w);
	assert_int_equal(w->ops[1].at.log_epoch, 2);
	assert_int_equal(w->ops[1].at.number, 21);
	reopen(w);
	assert_int_equal(w->heard.log_epoch, 2);
	assert_int_equal(w->heard.epochs, 2);
	assert_int_equal(w->heard.epoch[1], 2);
	assert_int_equal(w->heard.start[1][LANE_FLASH], 21);
	assert_int_equal(w->heard.start[1][LANE_ROUTINE], 21);
	assert_int_equal(w->heard.tail[LANE_FLASH], 21);
}

static void
agreements_come_back_in_order_and_can_stop_the_start(void **state)
{
	struct world *w = *state;

	for (uint32_t version = 1; version <= 12; version++) {
		struct store_op *op = world_op(w, OP_AGREEMENT);
		char text[32];

		(void)snprintf(text, sizeof text, "version %u", version);
		op->agreement.version = version;
		op->agreement.text = span_str(text);
		op->agreement.sigs = span_str("x");
		world_must_commit(w);
	}
	reopen(w);
	assert_int_equal(w->heard.agreements, 12);
	for (uint32_t i = 0; i < 12; i++)
		assert_int_equal(w->heard.version[i], i + 1);
	assert_string_equal(w->heard.text[9], "version 10");
	w->heard.refuse_agreement = KW_ECRYPTO;
	must_refuse(w, KW_ECRYPTO, "version 1 is not liked");
	w->heard.refuse_agreement = KW_OK;
	assert_int_equal(world_open(w), KW_OK);
}

static void
a_new_set_of_filters_replaces_the_old(void **state)
{
	struct world *w = *state;
	struct wire_subscribe none = {0, NULL};

	fill(w);
	world_op(w, OP_SUBSCRIBE)->subscribe.filters = &none;
	w->ops[0].subscribe.node.v = 1;
	world_must_commit(w);
	reopen(w);
	assert_int_equal(w->heard.subs, 1);
	assert_int_equal(w->heard.filters[1], 0);
}

/* ---- the folder ---- */

static void
two_brokers_on_one_folder_are_refused(void **state)
{
	struct world *w = *state;
	struct world second = {.on_disk = true, .partnership = "musterstadt"};
	char pid[32];

	strcpy(second.path, w->path);
	assert_int_equal(world_open(&second), KW_EEXISTS);
	(void)snprintf(pid, sizeof pid, "process %ld", (long)getpid());
	assert_non_null(strstr(second.why.text, pid));
	fill(w); /* and the first one goes on */
}

static void
another_partnerships_folder_is_refused(void **state)
{
	struct world *w = *state;

	fill(w);
	w->partnership = "anderstadt";
	must_refuse(w, KW_EINVAL, "belongs to the partnership musterstadt");
	w->partnership = "musterstadt";
	assert_int_equal(world_open(w), KW_OK);
}

static void
a_folder_of_somebody_else_is_refused(void **state)
{
	struct world *w = *state;
	char data[128];

	if (geteuid() != 0) {
		print_message("skipped: only root can give a file away\n");
		skip();
	}
	world_close(w);
	world_file(w, "data.mdb", data);
	assert_int_equal(chown(data, 65534, 65534), 0);
	must_refuse(w, KW_EDENIED, "belongs to user 65534");
	assert_int_equal(chown(data, 0, 0), 0);
	assert_int_equal(chown(w->path, 65534, 65534), 0);
	must_refuse(w, KW_EDENIED, "belongs to user 65534");
}

static void
a_link_in_the_place_of_the_log_is_refused(void **state)
{
	struct world *w = *state;
	char data[128], away[128];

	world_close(w);
	world_file(w, "data.mdb", data);
	world_file(w, "away.mdb", away);
	assert_int_equal(rename(data, away), 0);
	assert_int_equal(symlink(away, data), 0);
	must_refuse(w, KW_EDENIED, "no regular file");
}

static void
write_over(const char *path, const void *bytes, size_t n, off_t at)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	assert_int_equal(close(fd), 0);
}

static void
a_network_file_system_is_refused_unless_forced(void **state)
{
	struct world *w = *state;

	pretend_magic = 0x6969;
	must_refuse(w, KW_EDENIED, "lies on NFS");
	pretend_magic = 0x65735546;
	must_refuse(w, KW_EDENIED, "use a folder on a local disk");
	w->force_filesystem = true;
	assert_int_equal(world_open(w), KW_OK);
	pretend_magic = 0;
}

static void
a_foreign_file_is_refused(void **state)
{
	struct world *w = *state;
	static char text[20000];
	char data[128];

	memset(text, 'x', sizeof text);
	world_close(w);
	world_file(w, "data.mdb", data);
	assert_int_equal(unlink(data), 0);
	write_over(data, text, sizeof text, 0);
	must_refuse(w, KW_ECORRUPT, "not a store of a Kurzweg broker");
}

static void
lmdb_of_another_program_is_refused_and_untouched(void **state)
{
	struct world *w = *state;
	char path[128];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_val k = {3, (void *)(uintptr_t)"key"};

	world_close(w);
	world_file(w, "data.mdb", path);
	assert_int_equal(unlink(path), 0);
	world_file(w, "mark", path);
	assert_int_equal(unlink(path), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(mdb_env_create(&env), 0);
		assert_int_equal(mdb_env_open(env, w->path, 0, 0600), 0);
		assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
		assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
		if (again)
			assert_int_equal(mdb_get(txn, dbi, &k, &(MDB_val){0}), 0);
		else
			assert_int_equal(mdb_put(txn, dbi, &k, &k, 0), 0);
		assert_int_equal(mdb_txn_commit(txn), 0);
		mdb_env_close(env);
		if (!again)
			must_refuse(w, KW_ECORRUPT, "not a store of a Kurzweg broker");
	}
}

static void
an_empty_or_missing_log_where_one_was_is_refused(void **state)
{
	struct world *w = *state;
	char data[128];

	fill(w);
	world_close(w);
	world_file(w, "data.mdb", data);
	assert_int_equal(truncate(data, 0), 0);
	must_refuse(w, KW_ECORRUPT, "missing or empty");
	assert_int_equal(unlink(data), 0);
	must_refuse(w, KW_ECORRUPT, "restore the folder from the last backup");
}

static void
a_start_that_was_cut_off_is_made_again(void **state)
{
	struct world *w = *state;
	char path[128];
	MDB_env *env;

	world_close(w);
	world_file(w, "data.mdb", path);
	assert_int_equal(unlink(path), 0);
	world_file(w, "mark", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mdb_env_create(&env), 0); /* as far as LMDB comes before the first commit */
	assert_int_equal(mdb_env_open(env, w->path, 0, 0600), 0);
	mdb_env_close(env);
	assert_int_equal(world_open(w), KW_OK);
	fill(w);
}

static void
a_log_cut_off_anywhere_is_refused_without_a_signal(void **state)
{
	struct world *w = *state;
	struct stat st;
	char data[128];
	off_t used;
	MDB_env *env;
	MDB_envinfo info;

	fill(w);
	world_close(w);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, w->path, 0, 0600), 0);
	assert_int_equal(mdb_env_info(env, &info), 0);
	mdb_env_close(env);
	used = ((off_t)info.me_last_pgno + 1) * 4096;
	world_file(w, "data.mdb", data);
	assert_int_equal(stat(data, &st), 0);
	assert_true(st.st_size >= used);
	assert_int_equal(truncate(data, used), 0); /* what is ahead of need may go */
	assert_int_equal(world_open(w), KW_OK);
	world_close(w);
	for (off_t len = used - 1; len > 0; len -= 1777) {
		assert_int_equal(truncate(data, len), 0);
		must_refuse(w, KW_ECORRUPT, len >= 4096 + 152 ? "is cut off" : "damaged");
	}
}

/* ---- damage ---- */

static void
flip_value(struct world *w, const char *table, bool last, size_t byte)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_cursor *c;
	MDB_val k, v;
	uint8_t *copy;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 32), 0);
	assert_int_equal(mdb_env_open(env, w->path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, table, 0, &dbi), 0);
	assert_int_equal(mdb_cursor_open(txn, dbi, &c), 0);
	assert_int_equal(mdb_cursor_get(c, &k, &v, last ? MDB_LAST : MDB_FIRST), 0);
	copy = malloc(v.mv_size);
	assert_non_null(copy);
	memcpy(copy, v.mv_data, v.mv_size);
	copy[byte % v.mv_size] ^= 0x10;
	v.mv_data = copy;
	assert_int_equal(mdb_cursor_put(c, &k, &v, MDB_CURRENT), 0);
	mdb_cursor_close(c);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	free(copy);
}

static void
a_flipped_bit_in_any_kind_of_record_is_refused_at_the_start(void **state)
{
	static const char *const tables[] = {
		"meta", "epochs", "heads.flash", "heads.urgent", "heads.routine", "bodies.flash", "bodies.urgent", "bodies.routine", "index", "ids",
		"due", "cursors", "sets", "nodes", "subs", "commits", "agreements", "evidence", "swept",
	};
	struct world *w = *state;

	fill(w);
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
		for (size_t byte = 0; byte < 24; byte += 5) {
			world_close(w);
			flip_value(w, tables[i], true, byte);
			assert_int_equal(world_open(w), KW_ECORRUPT);
			assert_non_null(strstr(w->why.text, "restore the folder from the last backup"));
			assert_non_null(strstr(w->why.text, tables[i]));
			flip_value(w, tables[i], true, byte);
			if (world_open(w) != KW_OK)
				fail_msg("%s: %s", tables[i], w->why.text);
		}
}

/* Beyond what the start looks at: found by who meets it, and never handed out. */
static void
a_flipped_bit_deep_in_the_log_is_reported_when_it_is_met(void **state)
{
	static const char *const tables[] = {"heads.flash", "bodies.flash", "index"};
	struct world *w = *state;
	struct store_entry e[8];
	set_no set = {0};
	uint32_t count;
	uint64_t tail;

	for (uint32_t i = 0; i < 2000; i++)
		world_append(w, LANE_FLASH, 0, 1, i);
	world_must_commit(w);
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		world_close(w);
		flip_value(w, tables[i], false, 3);
		assert_int_equal(world_open(w), KW_OK);
		assert_int_equal(w->s->ops->read(w->s, LANE_FLASH, &set, 1, 0, e, 8, UINT64_MAX, &count, &tail, &w->why), KW_ECORRUPT);
		assert_non_null(strstr(w->why.text, tables[i]));
		assert_int_equal(w->s->ops->read(w->s, LANE_FLASH, &set, 1, 1, e, 8, UINT64_MAX, &count, &tail, &w->why), KW_OK);
		assert_int_equal(count, 8);
		w->s->ops->read_done(w->s);
		world_close(w);
		flip_value(w, tables[i], false, 3);
		assert_int_equal(world_open(w), KW_OK);
	}
}

static void
a_damaged_commit_or_id_or_date_is_reported_when_it_is_met(void **state)
{
	struct world *w = *state;
	uint8_t record[WIRE_COMMIT_LEN], path[KW_PATH_MAX][KW_HASH_LEN], hash[KW_HASH_LEN];
	uint32_t len;

	for (uint32_t i = 0; i < 1200; i++) {
		world_append(w, LANE_FLASH, 0, 1, i);
		world_must_commit(w);
	}
	world_close(w);
	flip_value(w, "commits", false, 40);
	assert_int_equal(world_open(w), KW_OK);
	assert_int_equal(w->s->ops->proof(w->s, 1, 0, record, path, &len, &w->why), KW_ECORRUPT);
	assert_int_equal(w->s->ops->commit_hash(w->s, 1, hash), KW_ECORRUPT);
	world_close(w);
	flip_value(w, "ids", false, 30);
	assert_int_equal(world_open(w), KW_OK);
	world_append(w, LANE_FLASH, 0, 1, 0);
	assert_int_equal(world_commit(w), KW_ECORRUPT);
	world_append(w, LANE_FLASH, 0, 1, 5000);
	assert_int_equal(world_commit(w), KW_EIO); /* lost */
	world_close(w);
	flip_value(w, "ids", false, 30);
	must_refuse(w, KW_ECORRUPT, "commits"); /* it is marked as lost: the whole log is looked at now */
	flip_value(w, "commits", false, 40);
	assert_int_equal(world_open(w), KW_OK);
	world_close(w);
	flip_value(w, "due", false, 2);
	assert_int_equal(world_open(w), KW_OK);
	w->now += 3600000;
	world_op(w, OP_PURGE)->purge.limit = 10;
	assert_int_equal(world_commit(w), KW_ECORRUPT);
}

static void
a_scrub_comes_by_every_record_and_names_the_damaged_one(void **state)
{
	struct world *w = *state;
	uint32_t found = 0;

	for (uint32_t i = 0; i < 2000; i++)
		world_append(w, LANE_FLASH, 0, 1, i);
	world_must_commit(w);
	for (int i = 0; i < 200; i++)
		assert_int_equal(w->s->ops->scrub(w->s, 100, &w->why), KW_OK);
	world_close(w);
	flip_value(w, "heads.flash", false, 100);
	flip_value(w, "bodies.flash", false, 100);
	assert_int_equal(world_open(w), KW_OK);
	for (int i = 0; i < 300; i++) { /* 10,000 records, and somewhat more: each of the two is met twice or three times */
		enum kw_err err = w->s->ops->scrub(w->s, 100, &w->why);

		assert_true(err == KW_OK || (err == KW_ECORRUPT && strstr(w->why.text, ".flash") != NULL));
		found += err != KW_OK;
	}
	assert_in_range(found, 4, 6);
	world_append(w, LANE_FLASH, 0, 1, 9000); /* and it is nobody else's trouble */
	world_must_commit(w);
}

static void
the_fifth_start_in_a_row_without_a_clean_end_looks_at_all(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < 2000; i++)
		world_append(w, LANE_FLASH, 0, 1, i);
	world_must_commit(w);
	world_close(w);
	flip_value(w, "heads.flash", false, 100);
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(world_open(w) == KW_OK ? 0 : 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	must_refuse(w, KW_ECORRUPT, "heads.flash");
	must_refuse(w, KW_ECORRUPT, "heads.flash"); /* and stays so */
	flip_value(w, "heads.flash", false, 100);
	assert_int_equal(world_open(w), KW_OK);
}

/* Opens and reads all in a process of its own: 0 all as it was, 1 refused or reported, else how it ended. */
static int
look_apart(struct world *w)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct store_entry e[64];
		set_no sets[4] = {{0}, {1}, {2}, {3}};
		uint32_t count;
		uint64_t tail;
		int result = 0;

		(void)signal(SIGSEGV, SIG_DFL);
		(void)signal(SIGBUS, SIG_DFL);
		if (world_open(w) != KW_OK)
			_exit(w->why.text[0] != '\0' ? 1 : 9);
		for (unsigned lane = 0; lane < KW_LANES && result == 0; lane++) {
			if (w->s->ops->read(w->s, (enum lane)lane, sets, 4, 0, e, 64, UINT64_MAX, &count, &tail, &w->why) != KW_OK)
				_exit(w->why.text[0] != '\0' ? 1 : 9);
			for (uint32_t i = 0; i < count; i++)
				if (!world_whole(&e[i], (uint32_t)(3 * (e[i].at.number - 1) + lane)) && e[i].body.len > 0)
					result = 2; /* something else than was stored */
			if (count != 20)
				result = 3;
			w->s->ops->read_done(w->s);
		}
		w->s->ops->close(w->s);
		_exit(result);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void
no_flipped_bit_of_the_file_is_believed(void **state)
{
	struct world *w = *state;
	char data[128];
	uint32_t rng = 12345, refused = 0;
	off_t used = 0;
	MDB_env *env;
	MDB_envinfo info;

	fill(w);
	world_close(w);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, w->path, 0, 0600), 0);
	assert_int_equal(mdb_env_info(env, &info), 0);
	mdb_env_close(env);
	used = ((off_t)info.me_last_pgno + 1) * 4096;
	world_file(w, "data.mdb", data);
	assert_int_equal(look_apart(w), 0);
	for (int i = 0; i < 400; i++) {
		int fd = open(data, O_RDWR), result;
		uint8_t byte, bad;
		off_t at;

		rng = rng * 1664525u + 1013904223u;
		at = (off_t)((rng >> 3) % (uint64_t)used);
		if (i % 2 == 0)
			at = at / 4096 * 4096 + at % 64; /* page headers and what leads on from there */
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		bad = byte ^ (uint8_t)(1u << (rng & 7));
		assert_int_equal(pwrite(fd, &bad, 1, at), 1);
		result = look_apart(w);
		if (result > 1)
			fail_msg("bit %u of byte %lld: %d", rng & 7, (long long)at, result);
		refused += result == 1;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		assert_int_equal(close(fd), 0);
	}
	print_message("%u of 400 refused, the others changed nothing that is read\n", refused);
	assert_true(refused > 100);
	assert_int_equal(look_apart(w), 0);
}

/* ---- a failing disk ---- */

static void
is_lost_and_recovers(struct world *w)
{
	uint64_t numbers[64];
	char path[128];

	world_append(w, LANE_FLASH, 0, 0, 101);
	assert_int_equal(world_commit(w), KW_EIO); /* the disk would be fine again: it is not tried */
	assert_non_null(strstr(w->why.text, "start the broker again"));
	world_close(w);
	world_file(w, "mark", path);
	if (world_open(w) != KW_OK)
		fail_msg("%s", w->why.text);
	assert_true(w->heard.tail[LANE_FLASH] == 20 || w->heard.tail[LANE_FLASH] == 21);
	assert_true(world_read(w, LANE_FLASH, ALL_SETS, 0, 64, numbers) >= 20);
	world_file(w, "recovered", path);
	assert_int_not_equal(access(path, F_OK), 0);
	world_append(w, LANE_FLASH, 0, 0, 100);
	world_must_commit(w);
}

static void
a_failed_sync_loses_the_store_and_the_next_start_copies_it(void **state)
{
	struct world *w = *state;
	struct stat before, after;
	char data[128];

	fill(w);
	world_file(w, "data.mdb", data);
	assert_int_equal(stat(data, &before), 0);
	fail_sync = 1;
	fail_with = EIO;
	world_append(w, LANE_FLASH, 0, 0, 100);
	assert_int_equal(world_commit(w), KW_EIO);
	assert_int_equal(fail_sync, 0);
	is_lost_and_recovers(w);
	assert_int_equal(stat(data, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	reopen(w);
	assert_int_equal(stat(data, &before), 0);
	assert_int_equal(before.st_ino, after.st_ino); /* once */
}

static void
a_journal_that_finds_no_room_refuses_the_batch_alone(void **state)
{
	struct world *w = *state;

	fill(w);
	fail_write = 1;
	fail_with = ENOSPC;
	world_append(w, LANE_FLASH, 0, 0, 100);
	assert_int_equal(world_commit(w), KW_EFULL);
	assert_int_equal(fail_write, 0);
	world_append(w, LANE_FLASH, 0, 0, 100);
	world_must_commit(w);
	assert_int_equal(w->ops[0].at.number, 21);
}

static void
a_failed_write_to_the_journal_loses_the_store(void **state)
{
	struct world *w = *state;

	fill(w);
	fail_write = 1;
	fail_with = EIO;
	world_append(w, LANE_FLASH, 0, 0, 100);
	assert_int_equal(world_commit(w), KW_EIO);
	is_lost_and_recovers(w);
}

/* [P-7] What was answered stands in the journal, whatever becomes of LMDB behind that. */
static void
a_failed_write_to_lmdb_loses_the_store_and_nothing_of_it(void **state)
{
	struct world *w = *state;
	uint32_t failed = 0;

	for (int n = 1; n <= 4; n++) {
		world_free(w);
		*state = w = world_make(true);
		fill(w);
		world_settle(w);
		world_append(w, LANE_FLASH, 0, 0, 100);
		world_must_commit(w);
		fail_write = n + 1; /* the first one is the journal's */
		fail_with = ENOSPC;
		world_op(w, OP_PURGE);
		if (world_commit(w) != KW_OK) {
			fail_write = 0;
			failed++;
			world_append(w, LANE_FLASH, 0, 0, 101);
			assert_int_equal(world_commit(w), KW_EIO);
			reopen(w);
			assert_int_equal(w->heard.tail[LANE_FLASH], 21);
		}
		fail_write = 0;
	}
	assert_true(failed > 0);
}

static void
a_full_disk_refuses_the_batch_and_goes_on_when_there_is_room(void **state)
{
	struct world *w = *state;
	static uint8_t much[200000];
	uint32_t stored = 0;

	fail_room = 2;
	fail_with = ENOSPC;
	for (;;) {
		world_append(w, LANE_FLASH, 0, 1, stored)->append.body = span_of(much, sizeof much);
		if (world_commit(w) != KW_OK)
			break;
		assert_true(++stored < 500);
	}
	assert_non_null(strstr(w->why.text, "no room"));
	world_append(w, LANE_FLASH, 0, 1, stored)->append.body = span_of(much, sizeof much);
	world_must_commit(w);
	assert_int_equal(w->ops[0].at.number, stored + 1);
	reopen(w);
	assert_int_equal(w->heard.tail[LANE_FLASH], stored + 1);
}

/* [P-7] The same where LMDB itself says no, which it does not where there is room: at each of its records. */
static void
what_lmdb_refuses_behind_the_answer_is_there_after_the_next_start(void **state)
{
	struct world *w = *state;
	uint64_t tail = 20, commit = 1;
	uint32_t refused = 0;

	fill(w);
	world_settle(w);
	for (int n = 1; n < 20; n++) {
		world_op(w, OP_LOG_EPOCH)->log_epoch.epoch = w->log_epoch + 1;
		for (uint32_t i = 0; i < 2; i++)
			world_append(w, LANE_FLASH, i, 1, 1000 + 2 * (uint32_t)n + i);
		fail_put = n;
		world_must_commit(w);
		w->log_epoch++;
		assert_int_equal(w->ops[1].at.number, tail + 1);
		assert_int_equal(w->ops[1].at.log_epoch, w->log_epoch);
		assert_int_equal(w->ops[2].commit, ++commit);
		tail += 2;
		world_op(w, OP_PURGE);
		if (world_commit(w) != KW_OK) {
			refused++;
			fail_put = 0;
			world_append(w, LANE_FLASH, 0, 1, 5000);
			assert_int_equal(world_commit(w), KW_EIO);
			reopen(w);
			assert_int_equal(w->heard.tail[LANE_FLASH], tail);
			assert_int_equal(w->heard.log_epoch, w->log_epoch);
		}
		fail_put = 0;
	}
	assert_true(refused > 10);
	reopen(w);
	assert_int_equal(w->heard.tail[LANE_FLASH], tail);
}

/* ---- kill -9 ---- */

/* Appends for ever; says each position on the pipe once it was answered. */
static void
append_and_tell(struct world *w, int pipe_fd, uint32_t from)
{
	for (uint32_t n = from;; n += 8) {
		struct store_op *purge;

		for (uint32_t i = 0; i < 8; i++)
			world_append(w, (enum lane)(i % 3), i % 4, 1, n + i);
		purge = world_op(w, OP_PURGE);
		purge->purge.limit = 3;
		w->now += 60000;
		if (world_commit(w) != KW_OK)
			_exit(1);
		for (uint32_t i = 0; i < 8; i++) {
			uint64_t told[3] = {n + i, w->ops[i].at.lane, w->ops[i].at.number};

			if (write(pipe_fd, told, sizeof told) != (ssize_t)sizeof told)
				_exit(2);
		}
	}
}

static bool
stands(struct world *w, const uint64_t *told)
{
	struct store_entry e;
	set_no sets[4] = {{0}, {1}, {2}, {3}};
	uint32_t count;
	uint64_t tail;
	bool ok;

	if (w->s->ops->read(w->s, (enum lane)told[1], sets, 4, told[2] - 1, &e, 1, 1, &count, &tail, &w->why) != KW_OK)
		fail_msg("%s", w->why.text);
	ok = count == 1 && e.at.number == told[2] && be32_get(e.id) == told[0];
	w->s->ops->read_done(w->s);
	return ok;
}

static void
p7_what_was_answered_survives_kill_9(void **state)
{
	struct world *w = *state;
	uint32_t next = 0, answered = 0;

	world_close(w);
	for (int cycle = 0; cycle < 30; cycle++) {
		uint64_t told[3], deadline, last = 0;
		int pipes[2];
		pid_t pid;

		assert_int_equal(pipe(pipes), 0);
		pid = fork();
		if (pid == 0) {
			if (world_open(w) != KW_OK)
				_exit(3);
			append_and_tell(w, pipes[1], next);
		}
		assert_int_equal(close(pipes[1]), 0);
		assert_int_equal(read(pipes[0], told, sizeof told), sizeof told);
		deadline = clock_mono_ms() + 5 + (uint64_t)(cycle * 7) % 40;
		do
			assert_int_equal(read(pipes[0], told, sizeof told), sizeof told);
		while (clock_mono_ms() < deadline);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		w->now = WORLD_NOW;
		if (world_open(w) != KW_OK)
			fail_msg("cycle %d: %s", cycle, w->why.text);
		do { /* what was still in the pipe had been answered too */
			assert_true(stands(w, told));
			answered++;
			last = told[0];
		} while (read(pipes[0], told, sizeof told) == (ssize_t)sizeof told);
		assert_int_equal(close(pipes[0]), 0);
		next = (uint32_t)last + 100;
		world_close(w);
	}
	assert_true(answered > 30);
}

/* Opens the store in a process of its own that ends without closing it; answers its exit code, or kills it after so long. */
static int
start_apart(struct world *w, uint64_t kill_after_ms)
{
	uint64_t until = clock_mono_ms() + kill_after_ms;
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(world_open(w) == KW_OK ? 0 : 1);
	while (kill_after_ms > 0 && clock_mono_ms() < until)
		(void)usleep(500);
	if (kill_after_ms > 0)
		assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
a_start_that_is_killed_leaves_nobody_who_holds_the_folder(void **state)
{
	struct world *w = *state;

	for (uint32_t n = 0; n < 4000; n++) {
		world_append(w, LANE_ROUTINE, 0, 1, n);
		if (n % 500 == 499)
			world_must_commit(w);
	}
	world_close(w);
	for (int cycle = 0; cycle < 40; cycle++) { /* every fifth start reads the whole of it, in a process of its own */
		(void)start_apart(w, 2 + (uint64_t)(cycle * 7) % 40);
		assert_int_equal(start_apart(w, 0), 0);
	}
}

#define T(f) {#f, f, open_disk, close_it, NULL}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(everything_is_there_after_a_new_start),
		T(d3_cursors_only_go_up),
		T(c11_a_new_log_epoch_begins_behind_all_tails),
		T(agreements_come_back_in_order_and_can_stop_the_start),
		T(a_new_set_of_filters_replaces_the_old),
		T(two_brokers_on_one_folder_are_refused),
		T(another_partnerships_folder_is_refused),
		T(a_folder_of_somebody_else_is_refused),
		T(a_link_in_the_place_of_the_log_is_refused),
		T(a_network_file_system_is_refused_unless_forced),
		T(a_foreign_file_is_refused),
		T(lmdb_of_another_program_is_refused_and_untouched),
		T(an_empty_or_missing_log_where_one_was_is_refused),
		T(a_start_that_was_cut_off_is_made_again),
		T(a_log_cut_off_anywhere_is_refused_without_a_signal),
		T(a_flipped_bit_in_any_kind_of_record_is_refused_at_the_start),
		T(a_flipped_bit_deep_in_the_log_is_reported_when_it_is_met),
		T(a_damaged_commit_or_id_or_date_is_reported_when_it_is_met),
		T(a_scrub_comes_by_every_record_and_names_the_damaged_one),
		T(the_fifth_start_in_a_row_without_a_clean_end_looks_at_all),
		T(no_flipped_bit_of_the_file_is_believed),
		T(a_failed_sync_loses_the_store_and_the_next_start_copies_it),
		T(a_journal_that_finds_no_room_refuses_the_batch_alone),
		T(a_failed_write_to_the_journal_loses_the_store),
		T(a_failed_write_to_lmdb_loses_the_store_and_nothing_of_it),
		T(a_full_disk_refuses_the_batch_and_goes_on_when_there_is_room),
		T(what_lmdb_refuses_behind_the_answer_is_there_after_the_next_start),
		T(p7_what_was_answered_survives_kill_9),
		T(a_start_that_is_killed_leaves_nobody_who_holds_the_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
