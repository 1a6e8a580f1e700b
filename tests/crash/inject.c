/*
 * kw-inject: put in front of a program with LD_PRELOAD, it lets calls on one file fail from the moment when a trigger file appears.
 *
 *   KW_INJECT_PATH    what the file's path ends in, as broker/data.mdb
 *   KW_INJECT_CALL    fdatasync, fsync, pwrite or write
 *   KW_INJECT_ERROR   the number of errno
 *   KW_INJECT_WHEN    the trigger: fails while it is there; "once" in it: only the first time, then it is removed
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

static bool
is_the_file(int fd, const char *ends_in)
{
	char link[64], path[4096];
	ssize_t n;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	return (size_t)n >= strlen(ends_in) && strcmp(path + n - strlen(ends_in), ends_in) == 0;
}

static bool
fails(const char *call, int fd)
{
	const char *path = getenv("KW_INJECT_PATH"), *which = getenv("KW_INJECT_CALL"), *error = getenv("KW_INJECT_ERROR"), *when = getenv("KW_INJECT_WHEN");
	char text[8] = "";
	int trigger;

	if (path == NULL || which == NULL || error == NULL || when == NULL || strcmp(which, call) != 0 || !is_the_file(fd, path))
		return false;
	trigger = (int)syscall(SYS_openat, AT_FDCWD, when, O_RDONLY | O_CLOEXEC, 0);
	if (trigger < 0)
		return false;
	(void)!syscall(SYS_read, trigger, text, sizeof text - 1);
	(void)syscall(SYS_close, trigger);
	if (strcmp(text, "once") == 0)
		(void)syscall(SYS_unlinkat, AT_FDCWD, when, 0);
	errno = (int)strtol(error, NULL, 10);
	return true;
}

SHOWN int fdatasync(int fd);
int
fdatasync(int fd)
{
	return fails("fdatasync", fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

SHOWN int fsync(int fd);
int
fsync(int fd)
{
	return fails("fsync", fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

SHOWN ssize_t pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	return fails("pwrite", fd) ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, p, n, at);
}

SHOWN ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at);
ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return fails("pwrite", fd) ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, p, n, at);
}

SHOWN ssize_t write(int fd, const void *p, size_t n);
ssize_t
write(int fd, const void *p, size_t n)
{
	return fails("write", fd) ? -1 : (ssize_t)syscall(SYS_write, fd, p, n);
}
