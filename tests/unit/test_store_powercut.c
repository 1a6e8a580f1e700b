/*
 * A power cut at any moment: every write and sync of the store is written down, and disks are built as a cut would leave them: all that
 * was synced, and of what was not any part, in any order, torn at any sector. The real code opens each; what was answered must stand.
 */
#include "store_world.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS_MAX 20000u
#define SECTOR 512u

enum event_kind { EVENT_WRITE, EVENT_WRITE_THROUGH, EVENT_SYNC, EVENT_SIZE, EVENT_ANSWERED };
struct event { enum event_kind kind; unsigned file; off_t at; size_t len; uint8_t *bytes; uint64_t answered; };

#define FILES 2u
static const char *const files[FILES] = {"data.mdb", "journal"};

static struct {
	bool on;
	bool deaf;                /* syncs do nothing: then the test must fail */
	ino_t inode[FILES];
	pthread_mutex_t lock;     /* the store writes in two threads */
	struct event *events;
	uint32_t count;
} tape = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- what stands in front of the C library ---- */

/* Which one; FILES: none of them. */
static unsigned
which(int fd)
{
	unsigned file = 0;
	struct stat st;

	if (!tape.on || fstat(fd, &st) != 0)
		return FILES;
	while (file < FILES && st.st_ino != tape.inode[file])
		file++;
	return file;
}

static void
note(enum event_kind kind, unsigned file, off_t at, const void *bytes, size_t len, uint64_t answered)
{
	struct event *e;

	(void)pthread_mutex_lock(&tape.lock);
	if (tape.count == EVENTS_MAX)
		abort();
	e = &tape.events[tape.count++];
	*e = (struct event){.kind = kind, .file = file, .at = at, .len = len, .answered = answered};
	if (bytes != NULL) {
		if ((e->bytes = malloc(len + 1)) == NULL)
			abort();
		memcpy(e->bytes, bytes, len);
	}
	(void)pthread_mutex_unlock(&tape.lock);
}

static void
note_write(int fd, const void *p, size_t n, off_t at)
{
	bool through = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;

	if (which(fd) < FILES)
		note(through && !tape.deaf ? EVENT_WRITE_THROUGH : EVENT_WRITE, which(fd), at, p, n, 0);
}

__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	note_write(fd, p, n, at);
	return (ssize_t)syscall(SYS_pwrite64, fd, p, n, at);
}

__attribute__((visibility("default"))) ssize_t writev(int fd, const struct iovec *v, int n);
ssize_t
writev(int fd, const struct iovec *v, int n)
{
	if (which(fd) < FILES) {
		off_t at = lseek(fd, 0, SEEK_CUR);

		for (int i = 0; i < n; i++) {
			note_write(fd, v[i].iov_base, v[i].iov_len, at);
			at += (off_t)v[i].iov_len;
		}
	}
	return (ssize_t)syscall(SYS_writev, fd, v, n);
}

__attribute__((visibility("default"))) int fdatasync(int fd);
int
fdatasync(int fd)
{
	int rc = (int)syscall(SYS_fdatasync, fd);

	if (which(fd) < FILES && !tape.deaf)
		note(EVENT_SYNC, which(fd), 0, NULL, 0, 0);
	return rc;
}

__attribute__((visibility("default"))) int fallocate(int fd, int mode, off_t at, off_t len);
int
fallocate(int fd, int mode, off_t at, off_t len)
{
	if (which(fd) < FILES)
		note(EVENT_SIZE, which(fd), at + len, NULL, 0, 0);
	return (int)syscall(SYS_fallocate, fd, mode, at, len);
}

/* ---- disks ---- */

static uint64_t rng = 88172645463325252ull;

static uint64_t
dice(uint64_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng % below;
}

struct disk { uint8_t *p; size_t size, room; };

static void
put(struct disk *d, const struct event *e, size_t from, size_t to)
{
	size_t end = (size_t)e->at + to;

	assert_true(end <= d->room);
	memcpy(d->p + e->at + from, e->bytes + from, to - from);
	if (end > d->size)
		d->size = end;
}

/* Whole, not at all, or some of its sectors. */
static void
perhaps(struct disk *d, const struct event *e)
{
	uint64_t how = dice(3);

	if (how == 0)
		return;
	for (size_t at = 0; at < e->len; at += SECTOR)
		if (how == 1 || dice(2) == 0)
			put(d, e, at, at + SECTOR < e->len ? at + SECTOR : e->len);
}

/* The disk after a cut just as event cut was under way; *answered is what the users had been told by then. */
static void
cut_at(struct disk d[FILES], const struct disk start[FILES], uint32_t cut, uint64_t *answered)
{
	uint32_t synced[FILES] = {0};

	for (unsigned k = 0; k < FILES; k++) {
		memcpy(d[k].p, start[k].p, start[k].size);
		memset(d[k].p + start[k].size, 0, d[k].room - start[k].size);
		d[k].size = start[k].size;
	}
	*answered = 0;
	for (uint32_t i = 0; i < cut; i++)
		if (tape.events[i].kind == EVENT_SYNC)
			synced[tape.events[i].file] = i;
	for (uint32_t i = 0; i <= cut && i < tape.count; i++) {
		const struct event *e = &tape.events[i];
		struct disk *on = &d[e->file];

		switch (e->kind) {
		case EVENT_WRITE:
			if (i < synced[e->file])
				put(on, e, 0, e->len);
			else
				perhaps(on, e);
			break;
		case EVENT_WRITE_THROUGH:
			if (i < cut)
				put(on, e, 0, e->len);
			else
				perhaps(on, e);
			break;
		case EVENT_SIZE:
			if ((i < synced[e->file] || dice(2) == 0) && (size_t)e->at > on->size)
				on->size = (size_t)e->at;
			break;
		case EVENT_ANSWERED:
			if (i < cut)
				*answered = e->answered;
			break;
		case EVENT_SYNC:
			break;
		}
	}
}

/* ---- the test ---- */

static void
look_at_file(const struct world *w, unsigned file, struct disk *start)
{
	char path[128];
	struct stat st;
	int fd;

	world_file(w, files[file], path);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	*start = (struct disk){.p = malloc((size_t)st.st_size + 1), .size = (size_t)st.st_size, .room = (size_t)st.st_size};
	assert_int_equal(read(fd, start->p, start->size), st.st_size);
	assert_int_equal(close(fd), 0);
	tape.inode[file] = st.st_ino;
}

static uint64_t
run_and_record(struct world *w, struct disk start[FILES])
{
	uint64_t n = 0;

	for (unsigned k = 0; k < FILES; k++)
		look_at_file(w, k, &start[k]);
	tape.on = true;
	for (uint32_t round = 0; round < 120; round++) {
		uint32_t size = 1 + round % 7;

		for (uint32_t i = 0; i < size; i++)
			world_append(w, LANE_FLASH, i % 3, 1, (uint32_t)n++);
		w->now += 40000;
		world_op(w, OP_PURGE)->purge.limit = 4;
		world_must_commit(w);
		note(EVENT_ANSWERED, 0, 0, NULL, 0, n);
	}
	tape.on = false;
	return n;
}

/* How many of the answered ones stand, and nothing is there in part. */
static bool
holds(struct world *cut, uint64_t answered, bool strict)
{
	static struct store_entry e[512];
	set_no sets[3] = {{0}, {1}, {2}};
	uint32_t count;
	uint64_t tail;

	if (world_open(cut) != KW_OK) {
		if (strict)
			fail_msg("%s", cut->why.text);
		return false;
	}
	if (cut->s->ops->read(cut->s, LANE_FLASH, sets, 3, 0, e, 512, UINT64_MAX, &count, &tail, &cut->why) != KW_OK) {
		if (strict)
			fail_msg("%s", cut->why.text);
		world_close(cut);
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(e[i].at.number, i + 1);
		assert_int_equal(be32_get(e[i].id), i);
	}
	cut->s->ops->read_done(cut->s);
	assert_int_equal(count, tail);
	if (count >= answered) { /* and it goes on from there */
		world_append(cut, LANE_FLASH, 0, 1, 100000);
		world_must_commit(cut);
		assert_int_equal(cut->ops[0].at.number, count + 1);
	}
	world_close(cut);
	return count >= answered;
}

/* A disk that nothing was synced to may end whoever reads it: in a process of its own. */
static bool
holds_apart(struct world *cut, uint64_t answered)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL);
		(void)signal(SIGBUS, SIG_DFL);
		_exit(holds(cut, answered, false) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
write_disk(const struct disk *d, const char *folder, const char *name)
{
	static const uint8_t zeros[4096];
	char path[256];
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)d->size), 0);
	for (size_t at = 0; at < d->size; at += 4096) /* the holes stay holes: faster */
		if (memcmp(d->p + at, zeros, d->size - at < 4096 ? d->size - at : 4096) != 0)
			assert_true(pwrite(fd, d->p + at, d->size - at < 4096 ? d->size - at : 4096, (off_t)at) > 0);
	assert_int_equal(close(fd), 0);
}

static uint32_t
losses(bool deaf, uint32_t cuts)
{
	struct world *w = world_make(true), cut = {.on_disk = true, .partnership = "musterstadt", .now = WORLD_NOW};
	struct disk start[FILES], d[FILES];
	char path[256];
	uint32_t lost = 0;

	world_close(w);
	w->journal_bytes = cut.journal_bytes = 64u << 10; /* gone through several times */
	w->apply_after_ms = cut.apply_after_ms = 3;
	world_file(w, "journal", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(world_open(w), KW_OK);
	tape.events = calloc(EVENTS_MAX, sizeof *tape.events);
	assert_non_null(tape.events);
	tape.count = 0;
	tape.deaf = deaf;
	(void)run_and_record(w, start);
	for (unsigned k = 0; k < FILES; k++) {
		d[k] = (struct disk){.p = malloc(32u << 20), .room = 32u << 20};
		assert_non_null(d[k].p);
	}
	assert_true(tape.count > 500);
	(void)snprintf(cut.path, sizeof cut.path, "%s/cut", w->path);
	for (uint32_t i = 0; i < cuts; i++) {
		static const char *const leftovers[] = {"mark", "lock.mdb"};
		uint64_t answered;

		cut_at(d, start, (uint32_t)dice(tape.count), &answered);
		(void)mkdir(cut.path, 0700);
		for (size_t k = 0; k < 2; k++) {
			(void)snprintf(path, sizeof path, "%s/%s", cut.path, leftovers[k]);
			(void)unlink(path);
		}
		for (unsigned k = 0; k < FILES; k++)
			write_disk(&d[k], cut.path, files[k]);
		cut.now = w->now;
		lost += deaf ? !holds_apart(&cut, answered) : !holds(&cut, answered, true);
	}
	for (uint32_t i = 0; i < tape.count; i++)
		free(tape.events[i].bytes);
	free(tape.events);
	for (unsigned k = 0; k < FILES; k++) {
		free(start[k].p);
		free(d[k].p);
	}
	world_free(w);
	return lost;
}

static void
p7_what_was_answered_survives_a_power_cut_at_any_moment(void **state)
{
	(void)state;
	assert_int_equal(losses(false, 250), 0);
}

/* A crash test that passes without syncs tests nothing. */
static void
without_syncs_the_same_test_finds_losses(void **state)
{
	uint32_t lost;

	(void)state;
	lost = losses(true, 60);
	print_message("%u of 60 cuts lost something\n", lost);
	assert_true(lost > 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(p7_what_was_answered_survives_a_power_cut_at_any_moment),
		cmocka_unit_test(without_syncs_the_same_test_finds_losses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
