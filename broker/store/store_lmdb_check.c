/*
 * store_lmdb_check: reads a store in a process of its own before the broker opens it. Checksums find what is wrong inside a record; a
 * damaged page of the tree itself can end whoever reads it, and then that process alone ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/store/store_lmdb_parts.h"

#define NEWEST_HEADS 1000u
#define COPY_FOLDER "recovered"
#define WORKING_EVERY_MS 5000

/* Every record of the table, or the newest most of them. */
static enum kw_err
check_table(const struct lmdb *db, MDB_txn *txn, enum table t, uint32_t most, struct kw_why *why)
{
	MDB_cursor *c;
	MDB_val k, data;
	enum kw_err err = KW_OK;
	int rc = mdb_cursor_open(txn, db->dbi[t], &c);

	if (rc != 0)
		return lmdb_failed(db, rc, table_name(t), why);
	for (uint32_t n = 0; err == KW_OK && n < most; n++) {
		struct span value;

		rc = mdb_cursor_get(c, &k, &data, MDB_PREV);
		if (rc != 0)
			break;
		if (record_is_format(t, &k))
			continue;
		err = record_check(db, t, &k, &data, &value, why);
	}
	mdb_cursor_close(c);
	if (err == KW_OK && rc != 0 && rc != MDB_NOTFOUND)
		return lmdb_failed(db, rc, table_name(t), why);
	return err;
}

/* The newest head is not beyond the tail, and the newest commit is the one that the state names. */
static enum kw_err
check_state(const struct lmdb *db, MDB_txn *txn, struct kw_why *why)
{
	struct log_state st;
	struct commit_record c;
	struct span value;
	struct key key;
	enum kw_err err = load_state(db, txn, &st, why);

	for (unsigned lane = 0; err == KW_OK && lane < KW_LANES; lane++) {
		key = key_of_u64(st.tail[lane] + 1);
		err = record_get(db, txn, T_HEADS + lane, &key, &value, why);
		if (err == KW_OK)
			return record_damaged(db, T_HEADS + lane, key.bytes, key.len, why);
		err = err == KW_ENOTFOUND ? KW_OK : err;
	}
	if (err != KW_OK || st.commit_number == 0)
		return err;
	key = key_of_u64(st.commit_number);
	err = record_get(db, txn, T_COMMITS, &key, &value, why);
	if (err == KW_ENOTFOUND || (err == KW_OK && (!commit_unpack(&c, value) || memcmp(c.record, st.commit, WIRE_COMMIT_LEN) != 0)))
		return record_damaged(db, T_COMMITS, key.bytes, key.len, why);
	return err;
}

/* A page that is named free and is not would be written over: at least what LMDB's list says must be possible. */
static enum kw_err
check_free_pages(const struct lmdb *db, MDB_txn *txn, struct kw_why *why)
{
	MDB_cursor *c;
	MDB_val k, data;
	MDB_envinfo info;
	bool ok = true;
	int rc = mdb_cursor_open(txn, FREE_DBI, &c);

	if (rc != 0)
		return lmdb_failed(db, rc, "free pages", why);
	(void)mdb_env_info(db->env, &info);
	while (ok && (rc = mdb_cursor_get(c, &k, &data, MDB_NEXT)) == 0) {
		uint64_t n, page, above = (uint64_t)info.me_last_pgno + 1;

		ok = k.mv_size == sizeof n && data.mv_size >= sizeof n && data.mv_size % sizeof n == 0;
		if (!ok)
			break;
		memcpy(&n, data.mv_data, sizeof n);
		ok = n <= data.mv_size / sizeof n - 1;
		for (uint64_t i = 1; ok && i <= n; i++, above = page) { /* falling, each once */
			memcpy(&page, (const char *)data.mv_data + i * sizeof page, sizeof page);
			ok = page < above && page >= 2;
		}
	}
	mdb_cursor_close(c);
	if (ok && rc == MDB_NOTFOUND)
		return KW_OK;
	return lmdb_failed(db, ok ? rc : MDB_CORRUPTED, "free pages", why);
}

static enum kw_err
check_records(const struct lmdb *db, MDB_txn *txn, bool whole, struct kw_why *why)
{
	enum kw_err err = check_state(db, txn, why);

	if (err == KW_OK)
		err = check_free_pages(db, txn, why);
	for (unsigned t = 0; err == KW_OK && t < T_COUNT; t++) {
		bool grows = (t >= T_HEADS && t <= T_DUE) || t == T_COMMITS || t == T_EVIDENCE;

		err = check_table(db, txn, t, whole || !grows ? UINT32_MAX : NEWEST_HEADS, why);
	}
	return err;
}

static enum kw_err
check_folder(const char *folder, const char *partnership, bool whole, struct kw_why *why)
{
	struct lmdb db;
	MDB_txn *txn = NULL;
	uint64_t needed;
	enum kw_err err = files_check_sizes(folder, &needed, why);
	int rc;

	if (err != KW_OK || (err = env_open(&db, folder, false, needed, why)) != KW_OK)
		return err;
	if ((err = env_format(&db, partnership, why)) == KW_OK)
		err = env_tables(&db, why);
	if (err == KW_OK && (rc = mdb_txn_begin(db.env, NULL, MDB_RDONLY, &txn)) != 0)
		err = lmdb_failed(&db, rc, "checking", why);
	if (err == KW_OK)
		err = format_read(&db, txn, partnership, why);
	if (err == KW_OK)
		err = check_records(&db, txn, whole, why);
	if (txn != NULL)
		mdb_txn_abort(txn);
	env_close(&db);
	return err;
}

/* ---- the process apart ---- */

struct job { const char *folder; const char *partnership; const char *copy; bool whole; };
typedef enum kw_err (*job_fn)(const struct job *job, struct kw_why *why);

struct verdict { enum kw_err err; struct kw_why why; };

/* Nothing that stands still, as on a disk that answers no more, uses the processor. */
static bool
has_moved(clockid_t used, struct timespec *before)
{
	struct timespec now;
	bool moved;

	if (clock_gettime(used, &now) != 0)
		return false;
	moved = now.tv_sec != before->tv_sec || now.tv_nsec != before->tv_nsec;
	*before = now;
	return moved;
}

static void
wait_for_word(pid_t pid, int from, void (*working)(void))
{
	struct pollfd word = {.fd = from, .events = POLLIN};
	struct timespec before = {.tv_sec = 0};
	clockid_t used;

	if (working == NULL || clock_getcpuclockid(pid, &used) != 0)
		return;
	while (poll(&word, 1, WORKING_EVERY_MS) == 0)
		if (has_moved(used, &before))
			working();
}

static enum kw_err
await(pid_t pid, int from, const char *folder, struct kw_why *why)
{
	struct verdict v;
	size_t got = 0;
	ssize_t n;
	int status;

	while (got < sizeof v && ((n = read(from, (char *)&v + got, sizeof v - got)) > 0 || (n < 0 && errno == EINTR)))
		got += n > 0 ? (size_t)n : 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (got == sizeof v && WIFEXITED(status)) {
		if (v.err != KW_OK)
			(void)kw_refuse(why, v.err, "%s", v.why.text);
		return v.err;
	}
	return kw_refuse(why, KW_ECORRUPT, "the store in %s is damaged: reading it ended with signal %d; restore the folder from the last backup", folder,
	                 WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static enum kw_err
do_apart(job_fn fn, const struct job *job, void (*working)(void), struct kw_why *why)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	struct verdict v = {.err = KW_OK};
	enum kw_err err;
	int pipes[2];
	pid_t pid, broker = getpid();

	if (pipe2(pipes, O_CLOEXEC) != 0)
		return kw_refuse(why, KW_EIO, "the store in %s cannot be checked: %s", job->folder, strerror(errno));
	pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != broker)
			_exit(1); /* it would hold the folder's lock while the next broker wants to start */
		for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
			(void)signal(fatal[i], SIG_DFL); /* whatever our parent does about them, it is not to be done twice */
		v.err = fn(job, &v.why);
		_exit(write(pipes[1], &v, sizeof v) == (ssize_t)sizeof v ? 0 : 1);
	}
	(void)close(pipes[1]);
	if (pid < 0) {
		err = kw_refuse(why, KW_EIO, "the store in %s cannot be checked: %s", job->folder, strerror(errno));
	} else {
		wait_for_word(pid, pipes[0], working);
		err = await(pid, pipes[0], job->folder, why);
	}
	(void)close(pipes[0]);
	return err;
}

static enum kw_err
check_job(const struct job *job, struct kw_why *why)
{
	return check_folder(job->folder, job->partnership, job->whole, why);
}

enum kw_err
check_apart(const char *folder, const char *partnership, bool whole, void (*working)(void), struct kw_why *why)
{
	struct job job = {.folder = folder, .partnership = partnership, .whole = whole};

	return do_apart(check_job, &job, working, why);
}

/* ---- recovery ---- */

static enum kw_err
copy_job(const struct job *job, struct kw_why *why)
{
	struct lmdb db;
	uint64_t needed;
	enum kw_err err = files_check_sizes(job->folder, &needed, why);
	int rc;

	if (err != KW_OK || (err = env_open(&db, job->folder, false, needed, why)) != KW_OK)
		return err;
	rc = mdb_env_copy2(db.env, job->copy, 0);
	env_close(&db);
	if (rc != 0)
		return lmdb_failed(&db, rc, "copying", why);
	return check_folder(job->copy, job->partnership, true, why);
}

static void
remove_copy(const char *copy)
{
	char path[PATH_MAX];

	for (int i = 0; i < 2; i++)
		if (snprintf(path, sizeof path, "%s/%s", copy, i == 0 ? "data.mdb" : "lock.mdb") < (int)sizeof path)
			(void)unlink(path);
	(void)rmdir(copy);
}

static bool
sync_path(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = fsync(fd) == 0;
	(void)close(fd);
	return ok;
}

static enum kw_err
put_in_place(const char *folder, const char *copy, struct kw_why *why)
{
	char from[PATH_MAX], to[PATH_MAX];

	if (snprintf(from, sizeof from, "%s/data.mdb", copy) >= (int)sizeof from || snprintf(to, sizeof to, "%s/data.mdb", folder) >= (int)sizeof to)
		return kw_refuse(why, KW_ELIMIT, "%s is too long a path", folder);
	if (!sync_path(from, O_RDONLY))
		return kw_refuse(why, KW_EIO, "%s cannot be synced: %s; look at the disk", from, strerror(errno));
	if (rename(from, to) != 0 || !sync_path(folder, O_RDONLY | O_DIRECTORY))
		return kw_refuse(why, KW_EIO, "%s cannot be put in the place of %s: %s", from, to, strerror(errno));
	return KW_OK;
}

enum kw_err
copy_begin(char copy[PATH_MAX], const char *folder, struct kw_why *why)
{
	if (snprintf(copy, PATH_MAX, "%s/" COPY_FOLDER, folder) >= PATH_MAX)
		return kw_refuse(why, KW_ELIMIT, "%s is too long a path", folder);
	remove_copy(copy);
	if (mkdir(copy, 0700) != 0)
		return kw_refuse(why, KW_EIO, "%s cannot be made: %s", copy, strerror(errno));
	return KW_OK;
}

enum kw_err
copy_end(const char *folder, const char *copy, enum kw_err err, struct kw_why *why)
{
	if (err == KW_OK)
		err = put_in_place(folder, copy, why);
	remove_copy(copy);
	return err;
}

enum kw_err
recover_copy(const char *folder, const char *partnership, void (*working)(void), struct kw_why *why)
{
	char copy[PATH_MAX];
	struct job job = {.folder = folder, .partnership = partnership, .copy = copy};
	enum kw_err err = copy_begin(copy, folder, why);

	if (err != KW_OK)
		return err;
	log_event(LOG_WARNING, "store.recover", "path=\"%s\"", folder);
	return copy_end(folder, copy, do_apart(copy_job, &job, working, why), why);
}
