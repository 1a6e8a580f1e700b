/* spool_places: see its header. */
#include "clients/partner/spool_places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/partner/core/spooling.h"

#define NAMES_MOST 100u
#define NOTE_NAME_MAX (SPOOL_NAME_MAX + SPOOL_NOTE_MAX + 1)
#define READ_STEP 65536u

static enum kw_err
code_of(int said)
{
	switch (said) {
	case ENOENT:
		return KW_ENOTFOUND;
	case EACCES:
	case EPERM:
	case EROFS:
		return KW_EDENIED;
	case ENOSPC:
	case EDQUOT:
		return KW_EFULL;
	case ENOTDIR:
	case ELOOP:
		return KW_EINVAL;
	case ENOMEM:
		return KW_ENOMEM;
	default:
		return KW_EIO;
	}
}

/* ---- folders ---- */

static int
make_folder(int up, const char *name, mode_t mode)
{
	/*
	 * The daemon's own umask is closed; who may drop files may see what became of them. No mode is set afterwards: that would take back the set-group-ID
	 * bit which the folder has from the one above it, and setting that bit is what a hardened daemon may not.
	 */
	mode_t closed = umask(0);
	int failed = mkdirat(up, name, mode & 01777);

	(void)umask(closed);
	return failed != 0 ? -1 : openat(up, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int
enter(int up, const char *name, mode_t mode)
{
	int fd = openat(up, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && mode != 0)
		fd = make_folder(up, name, mode);
	return fd;
}

/* The folder at path below top, level by level; mode 0: it must be there, else it is made. -1: errno says why. */
static int
open_folder(int top, const char *path, mode_t mode)
{
	int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (fd >= 0 && *path != '\0') {
		size_t len = strcspn(path, "/");
		char name[SPOOL_NAME_MAX + 1];
		int next;

		if (len > SPOOL_NAME_MAX) {
			(void)close(fd);
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(name, path, len);
		name[len] = '\0';
		path += len + (path[len] == '/');
		next = enter(fd, name, mode);
		if (next < 0) {
			int said = errno;

			(void)close(fd);
			errno = said;
			return -1;
		}
		(void)close(fd);
		fd = next;
	}
	return fd;
}

static enum kw_err
may_write(int fd, const char *path, const char *name, struct kw_why *why)
{
	if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0)
		return KW_OK;
	return kw_refuse(why, code_of(errno), "the spool's folder %s%s cannot be written: %s; give the daemon's user the right to", path, name, strerror(errno));
}

static enum kw_err
open_own(int *out, const struct spool_places *p, const char *name, mode_t mode, const char *path, struct kw_why *why)
{
	*out = enter(p->root, name + 1, mode);
	if (*out < 0)
		return kw_refuse(why, code_of(errno), "the spool's folder %s%s cannot be opened or made: %s", path, name, strerror(errno));
	return may_write(*out, path, name, why);
}

enum kw_err
spool_places_open(struct spool_places *p, const char *path, struct kw_why *why)
{
	struct stat st;
	enum kw_err err = KW_OK;

	*p = SPOOL_PLACES_INIT;
	p->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->root < 0)
		return kw_refuse(why, code_of(errno), "the spool %s cannot be opened: %s", path, strerror(errno));
	if (fstat(p->root, &st) != 0)
		err = kw_refuse(why, KW_EIO, "the spool %s cannot be looked at: %s", path, strerror(errno));
	else
		err = may_write(p->root, path, "", why);
	if (err == KW_OK) {
		p->mode = st.st_mode & 07777;
		err = open_own(&p->taking, p, "/.taking", 0700, path, why);
	}
	if (err == KW_OK)
		err = open_own(&p->sent, p, "/sent", p->mode, path, why);
	if (err == KW_OK)
		err = open_own(&p->failed, p, "/failed", p->mode, path, why);
	if (err == KW_OK && (fstat(p->taking, &st) != 0 || st.st_uid != geteuid()))
		err = kw_refuse(why, KW_EDENIED, "%s/.taking belongs to somebody else; remove it, the daemon makes its own", path);
	if (err != KW_OK)
		spool_places_close(p);
	return err;
}

enum kw_err
spool_places_check(const char *path, struct kw_why *why)
{
	static const char *const names[] = {"/.taking", "/sent", "/failed"};
	int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum kw_err err;

	if (root < 0)
		return kw_refuse(why, code_of(errno), "the spool %s cannot be opened: %s", path, strerror(errno));
	err = may_write(root, path, "", why);
	for (size_t i = 0; i < 3 && err == KW_OK; i++) {
		int fd = enter(root, names[i] + 1, 0);

		if (fd < 0 && errno != ENOENT)
			err = kw_refuse(why, code_of(errno), "the spool's folder %s%s cannot be opened: %s", path, names[i], strerror(errno));
		if (fd < 0)
			continue;
		err = may_write(fd, path, names[i], why);
		(void)close(fd);
	}
	(void)close(root);
	return err;
}

void
spool_places_close(struct spool_places *p)
{
	int *all[4] = {&p->root, &p->taking, &p->sent, &p->failed};

	for (int i = 0; i < 4; i++) {
		if (*all[i] >= 0)
			(void)close(*all[i]);
		*all[i] = -1;
	}
}

/* ---- moving ---- */

/* Nothing that is there is replaced; file systems that cannot promise that are looked at first. */
static int
rename_new(int from, const char *name, int to, const char *as)
{
	struct stat st;

	if (renameat2(from, name, to, as, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (fstatat(to, as, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(from, name, to, as);
}

enum kw_err
spool_take(const struct spool_places *p, const char *folder, const char *name, struct kw_why *why)
{
	int from = open_folder(p->root, folder, 0), to = from >= 0 ? open_folder(p->taking, folder, 0700) : -1, said = errno;
	enum kw_err err = KW_OK;

	if (from < 0)
		err = kw_refuse(why, code_of(said), "the folder \"%.200s\" cannot be opened in the spool: %s", folder, strerror(said));
	else if (to < 0)
		err = kw_refuse(why, code_of(said), "the folder \"%.200s\" cannot be opened in the spool's %s: %s", folder, ".taking", strerror(said));
	else if (rename_new(from, name, to, name) == 0)
		err = KW_OK;
	else if (errno == ENOENT)
		err = KW_ENOTFOUND;
	else if (errno == EEXIST)
		err = KW_EEXISTS;
	else if (errno == EXDEV)
		err = kw_refuse(why, KW_EDENIED, "\"%.200s/%.200s\" lies on another file system than the spool, so it cannot be moved; the spool must be one", folder, name);
	else
		err = kw_refuse(why, code_of(errno), "\"%.200s/%.200s\" cannot be moved: %s; the daemon's user needs the right to write its folder", folder, name,
		                strerror(errno));
	if (from >= 0)
		(void)close(from);
	if (to >= 0)
		(void)close(to);
	return err;
}

static enum kw_err
read_all(struct buf *out, int fd, struct kw_why *why)
{
	for (;;) {
		size_t room = out->max - out->len < READ_STEP ? out->max - out->len : READ_STEP;
		uint8_t probe, *at = room > 0 ? buf_reserve(out, room) : &probe;
		ssize_t n;

		if (at == NULL)
			return kw_refuse(why, KW_ENOMEM, "out of memory for a file");
		n = read(fd, at, room > 0 ? room : 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return kw_refuse(why, KW_EIO, "it cannot be read: %s", strerror(errno));
		if (n == 0)
			return KW_OK;
		if (room == 0)
			return kw_refuse(why, KW_ELIMIT, "it is larger than %zu bytes", out->max);
		buf_commit(out, (size_t)n);
	}
}

static enum kw_err
read_file(struct buf *out, int folder, const char *name, struct kw_why *why)
{
	struct stat st;
	enum kw_err err;
	int fd;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return kw_refuse(why, code_of(errno), "it cannot be read: %s", strerror(errno));
	if (S_ISLNK(st.st_mode))
		return kw_refuse(why, KW_EINVAL, "it is a symbolic link; only files themselves are published");
	if (!S_ISREG(st.st_mode)) /* looked at before it is opened: opening a device may do something */
		return kw_refuse(why, KW_EINVAL, "it is no regular file; only files are published");
	fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return kw_refuse(why, code_of(errno), "it cannot be read: %s", strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		err = kw_refuse(why, KW_EINVAL, "it is no regular file; only files are published");
	else
		err = read_all(out, fd, why);
	(void)close(fd);
	return err;
}

enum kw_err
spool_read(struct buf *out, const struct spool_places *p, const char *folder, const char *name, struct kw_why *why)
{
	int fd = open_folder(p->taking, folder, 0);
	enum kw_err err;

	buf_reset(out);
	if (fd < 0)
		return kw_refuse(why, code_of(errno), "it cannot be read: %s", strerror(errno));
	err = read_file(out, fd, name, why);
	(void)close(fd);
	if (err != KW_OK)
		buf_reset(out);
	return err;
}

/* ---- where it ends ---- */

const char *
spool_note_of(enum spool_end end)
{
	return end == SPOOL_SENT ? ".id" : ".reason.txt";
}

static int
place_of(const struct spool_places *p, enum spool_end end)
{
	return end == SPOOL_SENT ? p->sent : p->failed;
}

/* One begins as the other: the rest was not written, or cannot be told a second time (warnings). Ids and sentences do not begin alike by chance. */
static bool
is_ours(struct span there, struct span note)
{
	size_t len = there.len < note.len ? there.len : note.len;

	return span_eq((struct span){there.p, len}, (struct span){note.p, len});
}

static int
write_whole(int fd, struct span note, mode_t mode)
{
	errno = 0;
	if (pwrite(fd, note.p, note.len, 0) == (ssize_t)note.len && fchmod(fd, mode & 0666) == 0 && fdatasync(fd) == 0)
		return 0;
	errno = errno != 0 ? errno : ENOSPC;
	return -1;
}

/* What a crash left of this note, however much of it, becomes the whole note. -1, EEXIST: it is somebody else's, and stays. */
static int
complete_note(int folder, const char *name, struct span note, mode_t mode)
{
	struct buf there = BUF_INIT(65536);
	int fd = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), done = -1, said = EEXIST;
	struct stat st;

	if (fd < 0)
		goto out;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
		goto out;
	if (read_all(&there, fd, NULL) != KW_OK || !is_ours(buf_span(&there), note))
		goto out;
	done = write_whole(fd, there.len < note.len ? note : buf_span(&there), mode);
	said = errno;
out:
	if (fd >= 0)
		(void)close(fd);
	buf_free(&there);
	errno = said;
	return done;
}

/* -1: errno says why; EEXIST: another note has that name. */
static int
write_note(int folder, const char *name, const char *text, mode_t mode)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), said;

	if (fd < 0)
		return errno == EEXIST ? complete_note(folder, name, span_str(text), mode) : -1;
	if (write_whole(fd, span_str(text), mode) == 0) {
		(void)close(fd);
		return 0;
	}
	said = errno;
	(void)close(fd);
	(void)unlinkat(folder, name, 0);
	errno = said;
	return -1;
}

/* One name. KW_EEXISTS: try another. */
static enum kw_err
settle_as(int from, const char *name, int to, const char *as, enum spool_end end, const char *note, mode_t mode)
{
	char note_name[NOTE_NAME_MAX];
	struct stat st;
	int said;

	(void)snprintf(note_name, sizeof note_name, "%s%s", as, spool_note_of(end));
	if (fstatat(to, as, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return KW_EEXISTS;
	}
	if (write_note(to, note_name, note, mode) != 0)
		return errno == EEXIST ? KW_EEXISTS : code_of(errno);
	if (rename_new(from, name, to, as) == 0)
		return KW_OK;
	said = errno;
	(void)unlinkat(to, note_name, 0);
	errno = said;
	return said == EEXIST ? KW_EEXISTS : code_of(said);
}

enum kw_err
spool_settle(const struct spool_places *p, enum spool_end end, const char *folder, const char *name, const char *note, uint64_t wall_ms, char as[256],
             struct kw_why *why)
{
	const char *place = end == SPOOL_SENT ? "sent" : "failed";
	int from = open_folder(p->taking, folder, 0), to = from >= 0 ? open_folder(place_of(p, end), folder, p->mode) : -1, said = errno;
	enum kw_err err = KW_EEXISTS;

	if (from < 0 || to < 0)
		err = kw_refuse(why, code_of(said), "the folder \"%.200s\" cannot be opened in the spool's %s: %s", folder, from < 0 ? ".taking" : place, strerror(said));
	for (uint32_t i = 0; from >= 0 && to >= 0 && i < NAMES_MOST && err == KW_EEXISTS; i++) {
		spool_name(as, name, wall_ms, i);
		err = settle_as(from, name, to, as, end, note, p->mode);
		if (err != KW_OK)
			(void)kw_refuse(why, err, "\"%.200s/%.200s\" cannot be moved to %s: %s", folder, name, place, strerror(errno));
	}
	if (from >= 0)
		(void)close(from);
	if (to >= 0)
		(void)close(to);
	return err;
}

/* ---- to the disk ---- */

static enum kw_err
sync_folder(int top, const char *folder, struct kw_why *why)
{
	int fd = open_folder(top, folder, 0), failed;

	if (fd < 0)
		return errno == ENOENT ? KW_OK : kw_refuse(why, code_of(errno), "the folder \"%.200s\" cannot be opened in the spool: %s", folder, strerror(errno));
	failed = fsync(fd);
	(void)close(fd);
	return failed == 0 || errno == EINVAL ? KW_OK : kw_refuse(why, KW_EIO, "the folder \"%.200s\" of the spool cannot be synced: %s", folder, strerror(errno));
}

enum kw_err
spool_sync_taken(const struct spool_places *p, const char *folder, struct kw_why *why)
{
	enum kw_err err = sync_folder(p->taking, folder, why);

	return err == KW_OK ? sync_folder(p->root, folder, why) : err;
}

enum kw_err
spool_sync_settled(const struct spool_places *p, enum spool_end end, const char *folder, struct kw_why *why)
{
	enum kw_err err = sync_folder(place_of(p, end), folder, why);

	return err == KW_OK ? sync_folder(p->taking, folder, why) : err;
}
