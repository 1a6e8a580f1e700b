/* fs: whole files, private files, atomic writes, and the lock on a state folder. */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define READ_STEP 65536u
#define LOCK_TRIES 100 /* of 10 ms each */

static enum kw_err
read_all(struct buf *out, int fd, const char *path, struct kw_why *why)
{
	for (;;) {
		size_t room = out->max - out->len < READ_STEP ? out->max - out->len : READ_STEP;
		uint8_t probe, *at;
		ssize_t n;

		if (room == 0) { /* full: the file must end here */
			n = read(fd, &probe, 1);
			if (n > 0)
				return kw_refuse(why, KW_ELIMIT, "%s is larger than %zu bytes", path, out->max);
		} else {
			if ((at = buf_reserve(out, room)) == NULL)
				return kw_refuse(why, KW_ENOMEM, "%s: out of memory", path);
			n = read(fd, at, room);
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return kw_refuse(why, KW_EIO, "%s cannot be read: %s", path, strerror(errno));
		if (n == 0)
			return KW_OK;
		buf_commit(out, (size_t)n);
	}
}

static enum kw_err
open_regular(int *fd, struct stat *st, const char *path, int flags, struct kw_why *why)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
	if (*fd < 0 && errno == ENOENT)
		return kw_refuse(why, KW_ENOTFOUND, "%s does not exist", path);
	if (*fd < 0 && errno == ELOOP)
		return kw_refuse(why, KW_EDENIED, "%s is a symbolic link; name the file itself", path);
	if (*fd < 0)
		return kw_refuse(why, errno == EACCES ? KW_EDENIED : KW_EIO, "%s cannot be opened: %s", path, strerror(errno));
	if (fstat(*fd, st) != 0 || !S_ISREG(st->st_mode)) {
		(void)close(*fd);
		*fd = -1;
		return kw_refuse(why, KW_EINVAL, "%s is no regular file", path);
	}
	return KW_OK;
}

enum kw_err
fs_read(struct buf *out, const char *path, struct kw_why *why)
{
	struct stat st;
	enum kw_err err;
	int fd;

	buf_reset(out);
	if (strcmp(path, "-") == 0) {
		err = read_all(out, STDIN_FILENO, "standard input", why);
	} else {
		if ((err = open_regular(&fd, &st, path, 0, why)) != KW_OK)
			return err;
		err = read_all(out, fd, path, why);
		(void)close(fd);
	}
	if (err != KW_OK)
		buf_reset(out);
	return err;
}

static enum kw_err
check_private(const struct stat *st, const char *path, struct kw_why *why)
{
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return kw_refuse(why, KW_EDENIED, "%s belongs to another user; make it yours with: chown %u %s", path, (unsigned)geteuid(), path);
	if ((st->st_mode & 077) == 0)
		return KW_OK;
	/* systemd's credentials belong to root and are readable by the service's group alone */
	if (st->st_uid == 0 && geteuid() != 0 && (st->st_mode & 037) == 0)
		return KW_OK;
	return kw_refuse(why, KW_EDENIED, "%s can be read by others (mode %04o); make it private with: chmod 600 %s", path,
	                 (unsigned)(st->st_mode & 07777), path);
}

enum kw_err
fs_read_private(struct buf *out, const char *path, struct kw_why *why)
{
	struct stat st;
	enum kw_err err;
	int fd;

	out->secret = true;
	buf_reset(out);
	if ((err = open_regular(&fd, &st, path, O_NOFOLLOW, why)) != KW_OK)
		return err;
	err = check_private(&st, path, why);
	if (err == KW_OK)
		err = read_all(out, fd, path, why);
	(void)close(fd);
	if (err != KW_OK)
		buf_reset(out);
	return err;
}

static enum kw_err
write_all(int fd, struct span bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.p, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ENOSPC || errno == EDQUOT ? KW_EFULL : KW_EIO;
		bytes.p += n;
		bytes.len -= (size_t)n;
	}
	return KW_OK;
}

/* The folder that path lies in; "." where it names none. */
static enum kw_err
folder_of(char folder[PATH_MAX], const char *path, struct kw_why *why)
{
	size_t len = strlen(path);
	const char *slash;

	while (len > 1 && path[len - 1] == '/')
		len--;
	slash = memrchr(path, '/', len);
	if (snprintf(folder, PATH_MAX, "%.*s", slash == NULL || slash == path ? 1 : (int)(slash - path), slash == NULL ? "." : path) >= PATH_MAX)
		return kw_refuse(why, KW_ELIMIT, "%s is too long a path", path);
	return KW_OK;
}

static enum kw_err
sync_folder_of(const char *path)
{
	char folder[PATH_MAX];
	int fd, failed;

	if (folder_of(folder, path, NULL) != KW_OK)
		return KW_EIO;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return KW_EIO;
	failed = fsync(fd);
	(void)close(fd);
	return failed != 0 ? KW_EIO : KW_OK;
}

/* Writes and syncs path.XXXXXX; its name is in temp, for the caller to rename or unlink. */
static enum kw_err
write_temporary(char temp[PATH_MAX], const char *path, struct span bytes, mode_t mode, struct kw_why *why)
{
	enum kw_err err;
	int fd;

	if (snprintf(temp, PATH_MAX, "%s.XXXXXX", path) >= PATH_MAX)
		return kw_refuse(why, KW_ELIMIT, "%s is too long a path", path);
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return kw_refuse(why, KW_EIO, "%s cannot be written: %s", path, strerror(errno));
	err = write_all(fd, bytes);
	if (err == KW_OK && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
		err = KW_EIO;
	if (err != KW_OK)
		(void)kw_refuse(why, err, "%s cannot be written: %s", path, strerror(errno));
	if (close(fd) != 0 && err == KW_OK)
		err = kw_refuse(why, KW_EIO, "%s cannot be written: %s", path, strerror(errno));
	if (err != KW_OK)
		(void)unlink(temp);
	return err;
}

enum kw_err
fs_write(const char *path, struct span bytes, mode_t mode, struct kw_why *why)
{
	char temp[PATH_MAX];
	enum kw_err err = write_temporary(temp, path, bytes, mode, why);

	if (err != KW_OK)
		return err;
	if (rename(temp, path) != 0) {
		err = kw_refuse(why, KW_EIO, "%s cannot be written: %s", path, strerror(errno));
		(void)unlink(temp);
		return err;
	}
	if (sync_folder_of(path) != KW_OK)
		return kw_refuse(why, KW_EIO, "the folder of %s cannot be synced: %s", path, strerror(errno));
	return KW_OK;
}

enum kw_err
fs_write_new(const char *path, struct span bytes, mode_t mode, struct kw_why *why)
{
	char temp[PATH_MAX];
	enum kw_err err = write_temporary(temp, path, bytes, mode, why);

	if (err != KW_OK)
		return err;
	if (link(temp, path) != 0)
		err = errno == EEXIST ? kw_refuse(why, KW_EEXISTS, "%s exists already and is not overwritten; move it away first", path)
		                      : kw_refuse(why, KW_EIO, "%s cannot be written: %s", path, strerror(errno));
	(void)unlink(temp);
	if (err == KW_OK && sync_folder_of(path) != KW_OK)
		return kw_refuse(why, KW_EIO, "the folder of %s cannot be synced: %s", path, strerror(errno));
	return err;
}

static enum kw_err
sync_opened(int fd, const char *path, struct kw_why *why)
{
	enum kw_err err = KW_OK;

	if (fsync(fd) != 0)
		err = kw_refuse(why, KW_EIO, "%s cannot be synced: %s; look at the disk", path, strerror(errno));
	(void)close(fd);
	return err;
}

enum kw_err
fs_sync(const char *path, struct kw_why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENOENT ? KW_OK : kw_refuse(why, KW_EIO, "%s cannot be opened: %s", path, strerror(errno));
	return sync_opened(fd, path, why);
}

/* What is missing on the disk cannot be worse than before when this ends in the middle. No room to do it: then it stays at the sync. */
static bool
write_again(int fd)
{
	uint8_t bytes[READ_STEP];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, bytes, sizeof bytes, at)) > 0) {
		if (pwrite(fd, bytes, (size_t)n, at) != n)
			return errno == ENOSPC || errno == EDQUOT;
		at += n;
	}
	return n == 0;
}

enum kw_err
fs_sync_again(const char *path, struct kw_why *why)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	enum kw_err err;

	if (fd < 0)
		return errno == ENOENT ? KW_OK : kw_refuse(why, KW_EIO, "%s cannot be opened: %s", path, strerror(errno));
	errno = ENOSPC; /* what a short write is for want of */
	if (write_again(fd))
		return sync_opened(fd, path, why);
	err = kw_refuse(why, KW_EIO, "%s cannot be written again: %s; look at the disk", path, strerror(errno));
	(void)close(fd);
	return err;
}

static enum kw_err
owned_by_another(const char *path, const struct stat *st, struct kw_why *why)
{
	return kw_refuse(why, KW_EDENIED, "the folder %s belongs to user %u, and this program runs as %u; start it as that user, as its systemd unit does", path, (unsigned)st->st_uid, (unsigned)geteuid());
}

enum kw_err
fs_folder(const char *path, struct kw_why *why)
{
	struct stat st;
	bool made = mkdir(path, 0700) == 0;

	if (!made && errno != EEXIST)
		return kw_refuse(why, KW_EIO, "the folder %s cannot be made: %s", path, strerror(errno));
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return kw_refuse(why, KW_EINVAL, "%s is no folder", path);
	if (st.st_uid != geteuid())
		return owned_by_another(path, &st, why);
	/* Its name must be on disk as what will stand in it; and whoever made it may have ended before. */
	if (sync_folder_of(path) != KW_OK && (made || errno == EIO))
		return kw_refuse(why, KW_EIO, "the folder of %s cannot be synced: %s", path, strerror(errno));
	return KW_OK;
}

/* Before it is made. */
static enum kw_err
may_make(const char *path, struct kw_why *why)
{
	char up[PATH_MAX];
	struct stat st;
	enum kw_err err = folder_of(up, path, why);

	if (err != KW_OK || (geteuid() == 0 && strncmp(path, "/var/lib/", 9) == 0))
		return err;
	if (stat(up, &st) != 0 && errno == ENOENT)
		return kw_refuse(why, KW_ENOTFOUND, "the folder %s is missing, and so is %s, where it would be made; make it with: install -d -m 0700 -o %u %s", path, up,
		                 (unsigned)geteuid(), path);
	if (access(up, W_OK | X_OK) != 0)
		return kw_refuse(why, KW_EDENIED, "the folder %s is missing and cannot be made: %s; make it as root with: install -d -m 0700 -o %u %s", path, strerror(errno),
		                 (unsigned)geteuid(), path);
	return KW_OK;
}

enum kw_err
fs_folder_check(const char *path, struct kw_why *why)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno == ENOENT ? may_make(path, why) : kw_refuse(why, errno == EACCES ? KW_EDENIED : KW_EIO, "%s cannot be looked at: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return kw_refuse(why, KW_EINVAL, "%s is no folder", path);
	if (geteuid() == 0)
		return KW_OK;
	if (st.st_uid != geteuid())
		return owned_by_another(path, &st, why);
	if (access(path, R_OK | W_OK | X_OK) != 0)
		return kw_refuse(why, KW_EDENIED, "the folder %s cannot be written: %s; give its owner the right to with: chmod u+rwx %s", path, strerror(errno), path);
	return KW_OK;
}

static enum kw_err
make_folder_of(const char *path, struct kw_why *why)
{
	char folder[PATH_MAX];
	enum kw_err err = folder_of(folder, path, why);

	if (err != KW_OK)
		return err;
	return access(folder, F_OK) == 0 ? KW_OK : fs_folder(folder, why);
}

/* Connecting tells: a socket file that nobody listens on refuses. 0, or errno. */
static int
reach(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd, failed;

	if (strlen(path) >= sizeof at.sun_path)
		return ENAMETOOLONG;
	memcpy(at.sun_path, path, strlen(path) + 1);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return errno;
	failed = connect(fd, (struct sockaddr *)&at, sizeof at) == 0 ? 0 : errno;
	(void)close(fd);
	return failed == EAGAIN ? 0 : failed; /* he has many to answer */
}

bool
fs_socket_answers(const char *path)
{
	return reach(path) == 0;
}

static enum kw_err
nobody_listens(const char *path, struct kw_why *why)
{
	int failed = reach(path);

	switch (failed) {
	case ECONNREFUSED:
	case ENOENT:
		return KW_OK;
	case 0:
		return kw_refuse(why, KW_EEXISTS, "another program listens on %s; stop that one first, or use another socket", path);
	case ENAMETOOLONG:
		return kw_refuse(why, KW_ELIMIT, "%s is too long a path for a socket", path);
	case EACCES:
		return kw_refuse(why, KW_EDENIED, "%s cannot be taken over: %s", path, strerror(failed));
	default:
		return kw_refuse(why, KW_EIO, "%s cannot be taken over: %s", path, strerror(failed));
	}
}

static enum kw_err
not_a_socket(const char *path, struct kw_why *why)
{
	return kw_refuse(why, KW_EINVAL, "%s is no socket and is left as it is; move it away, or use another socket", path);
}

enum kw_err
fs_socket_place(const char *path, struct kw_why *why)
{
	struct stat st;
	enum kw_err err = make_folder_of(path, why);

	if (err != KW_OK)
		return err;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? KW_OK : kw_refuse(why, KW_EIO, "%s cannot be looked at: %s", path, strerror(errno));
	return S_ISSOCK(st.st_mode) ? nobody_listens(path, why) : not_a_socket(path, why);
}

enum kw_err
fs_socket_check(const char *path, struct kw_why *why)
{
	char folder[PATH_MAX];
	struct stat st;
	enum kw_err err = folder_of(folder, path, why);

	if (err != KW_OK)
		return err;
	if (stat(folder, &st) != 0)
		return errno == ENOENT ? may_make(folder, why) : kw_refuse(why, errno == EACCES ? KW_EDENIED : KW_EIO, "%s cannot be looked at: %s", folder, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return kw_refuse(why, KW_EINVAL, "%s is no folder", folder);
	if (access(folder, W_OK | X_OK) != 0)
		return kw_refuse(why, KW_EDENIED, "no socket can be made in %s: %s; give the daemon's user the right to, or name another socket", folder, strerror(errno));
	return lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode) ? not_a_socket(path, why) : KW_OK;
}

/* A process that was killed may have one of its own that ends only just after it, and holds the lock until then. */
static bool
lock_soon(int fd)
{
	static const struct timespec rest = {.tv_nsec = 10 * 1000 * 1000};

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		(void)nanosleep(&rest, NULL);
	}
	return false;
}

enum kw_err
fs_lock(int *out, const char *folder, struct kw_why *why)
{
	char path[PATH_MAX], pid[24] = "";
	int fd, n;

	if (snprintf(path, sizeof path, "%s/lock", folder) >= (int)sizeof path)
		return kw_refuse(why, KW_ELIMIT, "%s is too long a path", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return kw_refuse(why, KW_EIO, "%s cannot be opened: %s", path, strerror(errno));
	if (!lock_soon(fd)) {
		ssize_t got = pread(fd, pid, sizeof pid - 1, 0);

		pid[got > 0 ? strspn(pid, "0123456789") : 0] = '\0';
		(void)close(fd);
		return kw_refuse(why, KW_EEXISTS, "%s is in use by process %s; stop that one first, or use another folder", folder,
		                 pid[0] != '\0' ? pid : "(unknown)");
	}
	n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
		(void)close(fd);
		return kw_refuse(why, KW_EIO, "%s cannot be written: %s", path, strerror(errno));
	}
	*out = fd;
	return KW_OK;
}
