/* tape: see the header. Calls go to the kernel directly; those that the C library makes of its own are asked from it. */
#include "tests/crash/tape.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EVENTS_MAX 400000u
#define FILES_MAX 4096u
#define PATH_LEN 512u
#define SHOWN __attribute__((visibility("default")))

struct tape {
	struct tape_event *events;   /* shared by the processes, as all of this */
	uint8_t *bytes;
	size_t room, used;
	uint32_t count, files, known;
	struct { dev_t dev; ino_t ino; uint32_t file; } open[FILES_MAX];
};

/* What runs: of the process, but for what children must see of one another. */
struct shared { _Atomic uint32_t calls; _Atomic bool failed; char call[24]; };
static struct tape *running;
static struct shared *shared;
static bool deaf, faulty;
static struct tape_fault fault;
static char folder_of_tape[PATH_LEN], folder_of_faults[PATH_LEN];

/* ---- the tape ---- */

static void *
shared_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct tape *
tape_new(size_t bytes)
{
	struct tape *t = shared_memory(sizeof *t);

	if (t == NULL)
		return NULL;
	t->events = shared_memory(EVENTS_MAX * sizeof *t->events);
	t->bytes = shared_memory(bytes);
	t->room = bytes;
	if (t->events == NULL || t->bytes == NULL)
		tape_free(&t);
	return t;
}

void
tape_free(struct tape **t)
{
	if (*t == NULL)
		return;
	if ((*t)->events != NULL)
		(void)munmap((*t)->events, EVENTS_MAX * sizeof *(*t)->events);
	if ((*t)->bytes != NULL)
		(void)munmap((*t)->bytes, (*t)->room);
	(void)munmap(*t, sizeof **t);
	*t = NULL;
}

uint32_t
tape_count(const struct tape *t)
{
	return t->count;
}

const struct tape_event *
tape_event(const struct tape *t, uint32_t i)
{
	return &t->events[i];
}

static void
give_up(const char *what)
{
	(void)fprintf(stderr, "tape: %s\n", what);
	abort();
}

/* Several threads of a store write at once. Held for an event, not for the call that it tells of: threads do not write to the same file. */
static pthread_mutex_t taking = PTHREAD_MUTEX_INITIALIZER;

static void *
keep(const void *p, size_t n)
{
	uint8_t *at;

	if (n > running->room - running->used)
		give_up("no room for more bytes");
	at = running->bytes + running->used;
	memcpy(at, p, n);
	running->used += (n + 15) / 16 * 16;
	return at;
}

static const char *
keep_name(const char *name)
{
	return name != NULL ? keep(name, strlen(name) + 1) : NULL;
}

/* What it points to is copied. */
static void
note(struct tape_event e)
{
	(void)pthread_mutex_lock(&taking);
	if (running->count == EVENTS_MAX)
		give_up("no room for more events");
	if (e.bytes != NULL)
		e.bytes = keep(e.bytes, e.len);
	e.name = keep_name(e.name);
	e.to = keep_name(e.to);
	running->events[running->count++] = e;
	(void)pthread_mutex_unlock(&taking);
}

static void
remember(int fd, uint32_t file)
{
	struct stat st;

	if (syscall(SYS_fstat, fd, &st) != 0)
		give_up("a file that was opened cannot be looked at");
	for (uint32_t i = 0; i < running->known; i++)
		if (running->open[i].dev == st.st_dev && running->open[i].ino == st.st_ino) { /* a number that is used again */
			running->open[i].file = file;
			return;
		}
	if (running->known == FILES_MAX)
		give_up("no room for more files");
	running->open[running->known].dev = st.st_dev;
	running->open[running->known].ino = st.st_ino;
	running->open[running->known++].file = file;
}

/* UINT32_MAX: none of the folder's. */
static uint32_t
file_of(int fd)
{
	struct stat st;

	if (running == NULL || syscall(SYS_fstat, fd, &st) != 0 || !S_ISREG(st.st_mode))
		return UINT32_MAX;
	for (uint32_t i = 0; i < running->known; i++)
		if (running->open[i].dev == st.st_dev && running->open[i].ino == st.st_ino)
			return running->open[i].file;
	return UINT32_MAX;
}

static uint32_t
file_named(const char *path)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	uint32_t file = fd >= 0 ? file_of(fd) : UINT32_MAX;

	if (fd >= 0)
		(void)syscall(SYS_close, fd);
	return file;
}

/* The part behind the folder, NULL where it lies elsewhere; "" is the folder. */
static const char *
below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	if (n == 0 || path == NULL || strncmp(path, folder, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return NULL;
	return path[n] == '/' ? path + n + 1 : path + n;
}

static const char *
recorded(const char *path)
{
	const char *name = running != NULL ? below(path, folder_of_tape) : NULL;
	size_t n = name != NULL ? strlen(name) : 0;

	if (name == NULL || strcmp(name, "lock.mdb") == 0 || (n > 9 && strcmp(name + n - 9, "/lock.mdb") == 0) || (n > 4 && strcmp(name + n - 4, "-shm") == 0))
		return NULL;
	return name;
}

static void
note_name(enum tape_kind kind, uint32_t file, const char *name, const char *to)
{
	note((struct tape_event){.kind = kind, .file = file, .name = name, .to = to});
}

static void
note_write(int fd, uint32_t file, const void *p, size_t n, uint64_t at)
{
	bool through = (syscall(SYS_fcntl, fd, F_GETFL) & O_DSYNC) != 0 && !deaf;

	note((struct tape_event){.kind = through ? TAPE_THROUGH : TAPE_WRITE, .file = file, .at = at, .len = n, .bytes = p});
}

void
tape_start(struct tape *t, const char *folder, const struct tape_known *known, uint32_t count, uint32_t files)
{
	t->used = 0;
	t->count = t->known = 0;
	t->files = files;
	(void)snprintf(folder_of_tape, sizeof folder_of_tape, "%s", folder);
	running = t;
	for (uint32_t i = 0; i < count; i++) {
		char path[2 * PATH_LEN];
		int fd;

		(void)snprintf(path, sizeof path, "%s/%s", folder, known[i].name);
		fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
		if (fd < 0) /* its folder is not there */
			continue;
		remember(fd, known[i].file);
		(void)syscall(SYS_close, fd);
	}
}

void
tape_stop(void)
{
	running = NULL;
}

void
tape_mark(uint64_t mark)
{
	if (running != NULL)
		note((struct tape_event){.kind = TAPE_MARK, .mark = mark});
}

void
tape_deaf(bool on)
{
	deaf = on;
}

/* ---- faults ---- */

void
tape_fail(const char *folder, const struct tape_fault *f)
{
	if (shared == NULL && (shared = shared_memory(sizeof *shared)) == NULL)
		give_up("no memory");
	shared->calls = 0;
	shared->failed = false;
	fault = *f;
	(void)snprintf(folder_of_faults, sizeof folder_of_faults, "%s", folder);
	faulty = true;
}

void
tape_fail_no_more(void)
{
	faulty = false;
}

uint32_t
tape_calls(void)
{
	return shared != NULL ? shared->calls : 0;
}

bool
tape_failed(const char **call)
{
	if (call != NULL)
		*call = shared->call;
	return shared->failed;
}

static bool
fd_is_below(int fd, char path[PATH_LEN])
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = syscall(SYS_readlink, link, path, PATH_LEN - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	return below(path, folder_of_faults) != NULL;
}

/* True: the call is to fail, errno says with what. *n, where it writes: it is to write so much and no more. */
static bool
counted_fails(const char *call, size_t *n)
{
	uint32_t now;

	if (fault.only != NULL && strcmp(fault.only, call) != 0)
		return false;
	now = ++shared->calls;
	if (fault.at == 0 || now < fault.at || (now > fault.at && !fault.forever))
		return false;
	if (fault.error == 0 && (n == NULL || *n < 2) && !shared->failed)
		return false;
	if (!shared->failed)
		(void)snprintf(shared->call, sizeof shared->call, "%s", call);
	if (fault.error == 0 && !shared->failed) {
		*n = *n > 1024 ? *n / 1024 * 512 : *n / 2;
		shared->failed = true;
		return false;
	}
	if (fault.error == 0 && n == NULL) /* a full disk: what does not write goes on */
		return false;
	shared->failed = true;
	errno = fault.error != 0 ? fault.error : ENOSPC;
	return true;
}

static bool
fd_fails(const char *call, int fd, size_t *n)
{
	char path[PATH_LEN];

	return faulty && fd_is_below(fd, path) && counted_fails(call, n);
}

static bool
path_fails(const char *call, const char *path)
{
	return faulty && below(path, folder_of_faults) != NULL && counted_fails(call, NULL);
}

/* ---- in front of the C library: names ---- */

static int
open_noted(const char *path, int flags, mode_t mode)
{
	const char *name = recorded(path);
	struct stat st;
	bool there = name == NULL || lstat(path, &st) == 0;
	uint32_t file;
	int fd;

	if (path_fails("open", path))
		return -1;
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (fd < 0 || name == NULL)
		return fd;
	if (!there && (flags & O_CREAT) != 0) {
		file = running->files++;
		note_name(TAPE_ENTRY, file, name, NULL);
		remember(fd, file);
	} else if ((flags & O_TRUNC) != 0 && (flags & O_ACCMODE) != O_RDONLY && (file = file_of(fd)) != UINT32_MAX) {
		note((struct tape_event){.kind = TAPE_SIZE, .file = file});
	}
	return fd;
}

SHOWN int open(const char *path, int flags, ...);
SHOWN int open64(const char *path, int flags, ...);

int
open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if ((flags & O_CREAT) != 0)
		mode = va_arg(args, mode_t);
	va_end(args);
	return open_noted(path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if ((flags & O_CREAT) != 0)
		mode = va_arg(args, mode_t);
	va_end(args);
	return open_noted(path, flags, mode);
}

SHOWN int mkostemp(char *path, int flags);
int
mkostemp(char *path, int flags)
{
	int (*real)(char *, int);
	int fd;

	if (path_fails("mkostemp", path))
		return -1;
	*(void **)&real = dlsym(RTLD_NEXT, "mkostemp");
	fd = real(path, flags);
	if (fd >= 0 && recorded(path) != NULL) {
		note_name(TAPE_ENTRY, running->files, recorded(path), NULL);
		remember(fd, running->files++);
	}
	return fd;
}

SHOWN int rename(const char *from, const char *to);
int
rename(const char *from, const char *to)
{
	int rc;

	if (path_fails("rename", from))
		return -1;
	rc = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
	if (rc == 0 && recorded(from) != NULL && recorded(to) != NULL)
		note_name(TAPE_MOVED, file_named(to), recorded(from), recorded(to));
	return rc;
}

SHOWN int unlink(const char *path);
int
unlink(const char *path)
{
	int rc;

	if (path_fails("unlink", path))
		return -1;
	rc = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	if (rc == 0 && recorded(path) != NULL)
		note_name(TAPE_GONE, 0, recorded(path), NULL);
	return rc;
}

SHOWN int mkdir(const char *path, mode_t mode);
int
mkdir(const char *path, mode_t mode)
{
	int rc;

	if (path_fails("mkdir", path))
		return -1;
	rc = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
	if (rc == 0 && recorded(path) != NULL)
		note_name(TAPE_FOLDER, 0, recorded(path), NULL);
	return rc;
}

SHOWN int rmdir(const char *path);
int
rmdir(const char *path)
{
	int rc;

	if (path_fails("rmdir", path))
		return -1;
	rc = (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
	if (rc == 0 && recorded(path) != NULL)
		note_name(TAPE_FOLDER_GONE, 0, recorded(path), NULL);
	return rc;
}

/* ---- in front of the C library: bytes and lengths ---- */

static ssize_t
pwrite_noted(int fd, const void *p, size_t n, off_t at)
{
	uint32_t file;
	ssize_t rc;

	if (fd_fails("pwrite", fd, &n))
		return -1;
	rc = (ssize_t)syscall(SYS_pwrite64, fd, p, n, at);
	if (rc > 0 && (file = file_of(fd)) != UINT32_MAX)
		note_write(fd, file, p, (size_t)rc, (uint64_t)at);
	return rc;
}

SHOWN ssize_t pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	return pwrite_noted(fd, p, n, at);
}

SHOWN ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at);
ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return pwrite_noted(fd, p, n, at);
}

SHOWN ssize_t write(int fd, const void *p, size_t n);
ssize_t
write(int fd, const void *p, size_t n)
{
	uint32_t file;
	ssize_t rc;

	if (fd_fails("write", fd, &n))
		return -1;
	rc = (ssize_t)syscall(SYS_write, fd, p, n);
	if (rc > 0 && (file = file_of(fd)) != UINT32_MAX)
		note_write(fd, file, p, (size_t)rc, (uint64_t)(syscall(SYS_lseek, fd, 0, SEEK_CUR) - rc));
	return rc;
}

/* Shorter by what the fault left of it. */
static ssize_t
writev_noted(int fd, const struct iovec *v, int count)
{
	uint32_t file;
	off_t at = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
	ssize_t rc = (ssize_t)syscall(SYS_writev, fd, v, count), left = rc;

	if (rc <= 0 || (file = file_of(fd)) == UINT32_MAX)
		return rc;
	for (int i = 0; i < count && left > 0; i++) {
		size_t n = v[i].iov_len < (size_t)left ? v[i].iov_len : (size_t)left;

		note_write(fd, file, v[i].iov_base, n, (uint64_t)at);
		at += (off_t)n;
		left -= (ssize_t)n;
	}
	return rc;
}

SHOWN ssize_t writev(int fd, const struct iovec *v, int count);
ssize_t
writev(int fd, const struct iovec *v, int count)
{
	size_t all = 0, n;

	for (int i = 0; i < count; i++)
		all += v[i].iov_len;
	n = all;
	if (fd_fails("writev", fd, &n))
		return -1;
	if (n < all)
		return write(fd, v[0].iov_base, v[0].iov_len < n ? v[0].iov_len : n);
	return writev_noted(fd, v, count);
}

static int
ftruncate_noted(int fd, off_t len)
{
	uint32_t file;
	int rc;

	if (fd_fails("ftruncate", fd, NULL))
		return -1;
	rc = (int)syscall(SYS_ftruncate, fd, len);
	if (rc == 0 && (file = file_of(fd)) != UINT32_MAX)
		note((struct tape_event){.kind = TAPE_SIZE, .file = file, .len = (uint64_t)len});
	return rc;
}

SHOWN int ftruncate(int fd, off_t len);
int
ftruncate(int fd, off_t len)
{
	return ftruncate_noted(fd, len);
}

SHOWN int ftruncate64(int fd, off64_t len);
int
ftruncate64(int fd, off64_t len)
{
	return ftruncate_noted(fd, len);
}

SHOWN int fallocate(int fd, int mode, off_t at, off_t len);
int
fallocate(int fd, int mode, off_t at, off_t len)
{
	uint32_t file;
	struct stat st;
	int rc;

	if (fd_fails("fallocate", fd, NULL))
		return -1;
	if (running != NULL && syscall(SYS_fstat, fd, &st) == 0 && st.st_size >= at + len)
		return 0;
	rc = running != NULL ? (int)syscall(SYS_ftruncate, fd, at + len) : (int)syscall(SYS_fallocate, fd, mode, at, len); /* a hole: less to carry about */
	if (rc == 0 && (file = file_of(fd)) != UINT32_MAX)
		note((struct tape_event){.kind = TAPE_GROW, .file = file, .len = (uint64_t)(at + len)});
	return rc;
}

/* ---- in front of the C library: syncs ---- */

static int
sync_noted(const char *call, long number, int fd)
{
	char link[64], path[PATH_LEN];
	uint32_t file = file_of(fd);
	struct stat st;
	ssize_t n;
	bool fails = fd_fails(call, fd, NULL);
	int rc = 0;

	if (fails && file != UINT32_MAX)
		note((struct tape_event){.kind = TAPE_SYNC_FAILED, .file = file});
	if (fails) {
		errno = fault.error != 0 ? fault.error : ENOSPC;
		return -1;
	}
	if (running == NULL)
		return (int)syscall(number, fd);
	/* The tape says what became of it; the machine's own disk need not work for that. */
	if (deaf)
		note((struct tape_event){.kind = TAPE_NO_SYNC, .file = file});
	if (deaf || syscall(SYS_fstat, fd, &st) != 0)
		return rc;
	if (file != UINT32_MAX) {
		note((struct tape_event){.kind = TAPE_SYNC, .file = file});
	} else if (S_ISDIR(st.st_mode)) {
		(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		n = syscall(SYS_readlink, link, path, PATH_LEN - 1);
		path[n > 0 ? n : 0] = '\0';
		if (recorded(path) != NULL)
			note_name(TAPE_FOLDER_SYNC, 0, recorded(path), NULL);
	}
	return rc;
}

SHOWN int fdatasync(int fd);
int
fdatasync(int fd)
{
	return sync_noted("fdatasync", SYS_fdatasync, fd);
}

SHOWN int fsync(int fd);
int
fsync(int fd)
{
	return sync_noted("fsync", SYS_fsync, fd);
}

/* ---- in front of the C library: what only fails ---- */

SHOWN ssize_t pread(int fd, void *p, size_t n, off_t at);
ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	return fd_fails("pread", fd, NULL) ? -1 : (ssize_t)syscall(SYS_pread64, fd, p, n, at);
}

SHOWN ssize_t pread64(int fd, void *p, size_t n, off64_t at);
ssize_t
pread64(int fd, void *p, size_t n, off64_t at)
{
	return fd_fails("pread", fd, NULL) ? -1 : (ssize_t)syscall(SYS_pread64, fd, p, n, at);
}

SHOWN ssize_t read(int fd, void *p, size_t n);
ssize_t
read(int fd, void *p, size_t n)
{
	return fd_fails("read", fd, NULL) ? -1 : (ssize_t)syscall(SYS_read, fd, p, n);
}

SHOWN int fstat(int fd, struct stat *st);
int
fstat(int fd, struct stat *st)
{
	return fd_fails("fstat", fd, NULL) ? -1 : (int)syscall(SYS_fstat, fd, st);
}

SHOWN int fstat64(int fd, struct stat64 *st);
int
fstat64(int fd, struct stat64 *st)
{
	return fd_fails("fstat", fd, NULL) ? -1 : (int)syscall(SYS_fstat, fd, st);
}

SHOWN int lstat(const char *path, struct stat *st);
int
lstat(const char *path, struct stat *st)
{
	return path_fails("lstat", path) ? -1 : (int)syscall(SYS_newfstatat, AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

SHOWN int stat(const char *path, struct stat *st);
int
stat(const char *path, struct stat *st)
{
	return path_fails("stat", path) ? -1 : (int)syscall(SYS_newfstatat, AT_FDCWD, path, st, 0);
}

SHOWN int stat64(const char *path, struct stat64 *st);
int
stat64(const char *path, struct stat64 *st)
{
	return path_fails("stat", path) ? -1 : (int)syscall(SYS_newfstatat, AT_FDCWD, path, st, 0);
}

SHOWN int access(const char *path, int mode);
int
access(const char *path, int mode)
{
	return path_fails("access", path) ? -1 : (int)syscall(SYS_faccessat, AT_FDCWD, path, mode);
}

SHOWN int statfs(const char *path, struct statfs *out);
int
statfs(const char *path, struct statfs *out)
{
	return path_fails("statfs", path) ? -1 : (int)syscall(SYS_statfs, path, out);
}

SHOWN int statvfs(const char *path, struct statvfs *out);
int
statvfs(const char *path, struct statvfs *out)
{
	int (*real)(const char *, struct statvfs *);

	if (path_fails("statvfs", path))
		return -1;
	*(void **)&real = dlsym(RTLD_NEXT, "statvfs");
	return real(path, out);
}

SHOWN int fchmod(int fd, mode_t mode);
int
fchmod(int fd, mode_t mode)
{
	return fd_fails("fchmod", fd, NULL) ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

SHOWN int flock(int fd, int how);
int
flock(int fd, int how)
{
	return fd_fails("flock", fd, NULL) ? -1 : (int)syscall(SYS_flock, fd, how);
}

SHOWN void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t from);
void *
mmap(void *at, size_t n, int prot, int flags, int fd, off_t from)
{
	if (fd >= 0 && fd_fails("mmap", fd, NULL))
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, from); /* NOLINT */
}

SHOWN void *mmap64(void *at, size_t n, int prot, int flags, int fd, off64_t from);
void *
mmap64(void *at, size_t n, int prot, int flags, int fd, off64_t from)
{
	if (fd >= 0 && fd_fails("mmap", fd, NULL))
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, from); /* NOLINT */
}

static int
fcntl_asked(int fd, int cmd, void *arg)
{
	bool locks = cmd == F_SETLK || cmd == F_SETLKW || cmd == F_GETLK;

	return locks && fd_fails("fcntl", fd, NULL) ? -1 : (int)syscall(SYS_fcntl, fd, cmd, arg);
}

SHOWN int fcntl(int fd, int cmd, ...);
int
fcntl(int fd, int cmd, ...)
{
	va_list args;
	void *arg;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	return fcntl_asked(fd, cmd, arg);
}

SHOWN int fcntl64(int fd, int cmd, ...);
int
fcntl64(int fd, int cmd, ...)
{
	va_list args;
	void *arg;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	return fcntl_asked(fd, cmd, arg);
}
