/* restore: see its header. */
#include "backup/restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fs.h"

#define STEP (256u * 1024u)

/*
 * Whoever to belongs to may change what stands in it while root restores there. So all of it is reached by descriptors, no link is followed, and what is
 * given away is what was made here.
 */
struct place { const char *to; int fd; bool made; bool as_root; uid_t uid; gid_t gid; int lock; };

/* ---- reading what was kept ---- */

static ssize_t
read_some(int fd, uint8_t *step)
{
	ssize_t n;

	do
		n = read(fd, step, STEP);
	while (n < 0 && errno == EINTR);
	return n;
}

static enum kw_err
open_kept(int *fd, const char *path, struct kw_why *why)
{
	struct stat st;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*fd < 0 && errno == ENOENT)
		return kw_refuse(why, KW_ECORRUPT, "%s is missing, so the backup is not whole; use another one", path);
	if (*fd < 0 || fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		enum kw_err err = kw_refuse(why, KW_EIO, "%s cannot be read: %s", path, *fd < 0 ? strerror(errno) : "it is no regular file");

		if (*fd >= 0)
			(void)close(*fd);
		return err;
	}
	return KW_OK;
}

struct reading { const struct restore_progress *p; uint64_t before, of; uint8_t *step; };

/* Through one file, hashed; out -1: it goes nowhere. *said: errno of writing. */
static enum kw_err
run_through(const struct backup_file *f, int in, int out, const char *path, const struct reading *r, int *said, struct kw_why *why)
{
	crypto_generichash_state state;
	uint8_t hash[BACKUP_HASH_LEN];
	uint64_t bytes = 0;
	ssize_t n;

	(void)crypto_generichash_init(&state, NULL, 0, sizeof hash);
	while ((n = read_some(in, r->step)) > 0 && bytes <= f->bytes) {
		(void)crypto_generichash_update(&state, r->step, (size_t)n);
		bytes += (uint64_t)n;
		for (ssize_t done = 0, m; out >= 0 && done < n; done += m)
			if ((m = write(out, r->step + done, (size_t)(n - done))) <= 0) {
				if (m < 0 && errno == EINTR) {
					m = 0;
					continue;
				}
				*said = m == 0 ? EIO : errno;
				return KW_EIO;
			}
		if (r->p->call != NULL)
			r->p->call(r->p->self, r->before + bytes, r->of);
	}
	if (n < 0)
		return kw_refuse(why, KW_EIO, "%s cannot be read: %s; look at the disk that it lies on", path, strerror(errno));
	(void)crypto_generichash_final(&state, hash, sizeof hash);
	if (bytes < f->bytes)
		return kw_refuse(why, KW_ECORRUPT, "%s has %llu bytes, the manifest says %llu: the backup is damaged; use another one", path, (unsigned long long)bytes, (unsigned long long)f->bytes);
	if (bytes > f->bytes)
		return kw_refuse(why, KW_ECORRUPT, "%s has more than the %llu bytes that the manifest says: the backup is damaged; use another one", path, (unsigned long long)f->bytes);
	if (memcmp(hash, f->hash, sizeof hash) != 0)
		return kw_refuse(why, KW_ECORRUPT, "%s is not what was written there: its hash is not the manifest's, so the backup is damaged; use another one", path);
	return KW_OK;
}

static enum kw_err
check_one(const struct backup_file *f, const char *folder, const struct reading *r, struct kw_why *why)
{
	char path[PATH_MAX];
	int fd, said = 0;
	enum kw_err err = backup_path(path, folder, f->name, why);

	if (err != KW_OK || (err = open_kept(&fd, path, why)) != KW_OK)
		return err;
	err = run_through(f, fd, -1, path, r, &said, why);
	(void)close(fd);
	return err;
}

enum kw_err
restore_check(const struct manifest *m, const char *folder, const struct restore_progress *p, struct kw_why *why)
{
	struct reading r = {.p = p, .of = manifest_bytes(m), .step = malloc(STEP)};
	enum kw_err err = KW_OK;

	if (r.step == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	for (uint32_t i = 0; i < m->count && err == KW_OK; i++) {
		err = check_one(&m->files[i], folder, &r, why);
		r.before += m->files[i].bytes;
	}
	free(r.step);
	return err;
}

/* ---- the place ---- */

/* What may lie in a folder that counts as empty: locks, and what a disk's own folder has. */
static bool
is_nothing(const char *name)
{
	static const char *const nothing[] = {".", "..", "lock", "lock.mdb", "lost+found"};

	for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
		if (strcmp(name, nothing[i]) == 0)
			return true;
	return false;
}

static enum kw_err
check_empty(const struct place *p, struct kw_why *why)
{
	int fd = openat(p->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	enum kw_err err = KW_OK;

	if (dir == NULL) {
		err = kw_refuse(why, errno == EACCES ? KW_EDENIED : KW_EIO, "%s cannot be read: %s", p->to, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return err;
	}
	while (err == KW_OK && (e = readdir(dir)) != NULL) {
		if (is_nothing(e->d_name))
			continue;
		err = strcmp(e->d_name, RESTORE_UNDER_WAY) == 0
		          ? kw_refuse(why, KW_EEXISTS, "%s holds what a restore left that was interrupted; empty the folder, then restore again", p->to)
		          : kw_refuse(why, KW_EEXISTS, "%s is not empty, it holds %.64s; a backup is restored into an empty folder alone: move what is there away, and keep it until the restored one is known to be good", p->to,
		                      e->d_name);
	}
	(void)closedir(dir);
	return err;
}

static enum kw_err
check_room(const struct place *p, uint64_t bytes, struct kw_why *why)
{
	struct statvfs disk;
	uint64_t room;

	if (fstatvfs(p->fd, &disk) != 0)
		return kw_refuse(why, KW_EIO, "the disk of %s cannot be asked for its room: %s", p->to, strerror(errno));
	room = (uint64_t)(p->as_root ? disk.f_bfree : disk.f_bavail) * disk.f_frsize;
	if (room >= bytes)
		return KW_OK;
	return kw_refuse(why, KW_EFULL, "the disk of %s has room for %llu KiB and the backup has %llu KiB; nothing was changed: make room, or restore onto another disk", p->to,
	                 (unsigned long long)(room >> 10), (unsigned long long)((bytes >> 10) + 1));
}

/* The lock must lie in the very folder that was opened, under no other name. */
static enum kw_err
give_lock(const struct place *p, struct kw_why *why)
{
	struct stat held, there;

	if (fstat(p->lock, &held) != 0 || fstatat(p->fd, "lock", &there, AT_SYMLINK_NOFOLLOW) != 0 || held.st_dev != there.st_dev || held.st_ino != there.st_ino || held.st_nlink != 1)
		return kw_refuse(why, KW_EDENIED, "%s/lock was changed while it was taken; look who may write in %s", p->to, p->to);
	if (p->as_root && fchown(p->lock, p->uid, p->gid) != 0)
		return kw_refuse(why, KW_EIO, "%s/lock cannot be given to its owner: %s", p->to, strerror(errno));
	return KW_OK;
}

static enum kw_err
open_place(struct place *p, const char *to, struct kw_why *why)
{
	struct stat st;
	enum kw_err err;

	*p = (struct place){.to = to, .fd = -1, .lock = -1, .as_root = geteuid() == 0};
	p->made = mkdir(to, 0700) == 0;
	if (!p->made && errno != EEXIST)
		return kw_refuse(why, errno == EACCES || errno == EPERM ? KW_EDENIED : KW_EIO, "the folder %s cannot be made: %s", to, strerror(errno));
	p->fd = open(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (p->fd < 0 && (errno == EACCES || errno == EPERM))
		return kw_refuse(why, KW_EDENIED, "%s cannot be read: %s", to, strerror(errno));
	if (p->fd < 0 || fstat(p->fd, &st) != 0)
		return kw_refuse(why, KW_EINVAL, "%s is no folder", to);
	p->uid = st.st_uid;
	p->gid = st.st_gid;
	if (!p->as_root && st.st_uid != geteuid())
		return kw_refuse(why, KW_EDENIED, "%s belongs to user %u; restore as root, or as that user", to, (unsigned)st.st_uid);
	if ((err = fs_lock(&p->lock, to, why)) != KW_OK || (err = give_lock(p, why)) != KW_OK)
		return err;
	return check_empty(p, why);
}

static void
close_place(struct place *p)
{
	if (p->lock >= 0)
		(void)close(p->lock);
	if (p->fd >= 0)
		(void)close(p->fd);
	p->lock = p->fd = -1;
}

/* ---- placing ---- */

static enum kw_err
failed(const struct place *p, const char *name, int said, struct kw_why *why)
{
	if (said == ENOSPC || said == EDQUOT || said == EFBIG)
		return kw_refuse(why, KW_EFULL, "the disk of %s is full, and the backup is not whole there; nothing of it was left: make room, or restore onto another disk", p->to);
	return kw_refuse(why, KW_EIO, "%s/%s cannot be written: %s; nothing of the backup was left there", p->to, name, strerror(said));
}

static bool
give(const struct place *p, int fd)
{
	return !p->as_root || fchown(fd, p->uid, p->gid) == 0;
}

static const char *
last_of(const char *name)
{
	const char *slash = strchr(name, '/');

	return slash != NULL ? slash + 1 : name;
}

/* The folder that a name has before its slash; -1 and errno. To be closed where it is not p->fd. */
static int
folder_of(const struct place *p, const char *name, bool make)
{
	const char *slash = strchr(name, '/');
	char folder[BACKUP_NAME_MAX];
	bool made;
	int fd;

	if (slash == NULL)
		return p->fd;
	(void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - name), name);
	made = make && mkdirat(p->fd, folder, 0700) == 0;
	if (make && !made && errno != EEXIST)
		return -1;
	fd = openat(p->fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && made && !give(p, fd)) {
		int said = errno;

		(void)close(fd);
		errno = said;
		return -1;
	}
	return fd;
}

static void
close_folder(const struct place *p, int fd)
{
	if (fd >= 0 && fd != p->fd)
		(void)close(fd);
}

/* It is new. -1 and errno. */
static int
create(const struct place *p, const char *name)
{
	int folder = folder_of(p, name, true), fd, said;

	if (folder < 0)
		return -1;
	fd = openat(folder, last_of(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	said = errno;
	close_folder(p, folder);
	errno = said;
	return fd;
}

static enum kw_err
copy_one(const struct place *p, const struct backup_file *f, const char *folder, const struct reading *r, struct kw_why *why)
{
	char from[PATH_MAX];
	int in, out, said = 0;
	enum kw_err err;

	if ((err = backup_path(from, folder, f->name, why)) != KW_OK || (err = open_kept(&in, from, why)) != KW_OK)
		return err;
	out = create(p, f->name);
	if (out < 0)
		err = failed(p, f->name, errno, why);
	if (err == KW_OK)
		err = run_through(f, in, out, from, r, &said, why);
	if (err == KW_OK && (!give(p, out) || fsync(out) != 0))
		said = errno;
	if (out >= 0 && close(out) != 0 && said == 0)
		said = errno;
	(void)close(in);
	return said != 0 ? failed(p, f->name, said, why) : err;
}

/* On disk before anything else is. */
static enum kw_err
mark(const struct manifest *m, const struct place *p, struct kw_why *why)
{
	struct buf text = BUF_INIT(BACKUP_MANIFEST_MAX);
	enum kw_err err = manifest_text(&text, m, why);
	int fd, said = 0;

	if (err != KW_OK)
		goto free_text;
	fd = create(p, RESTORE_UNDER_WAY);
	if (fd < 0) {
		err = failed(p, RESTORE_UNDER_WAY, errno, why);
		goto free_text;
	}
	for (size_t done = 0; done < text.len && said == 0;) {
		ssize_t n = write(fd, text.p + done, text.len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			said = n == 0 ? EIO : errno;
	}
	if (said == 0 && (!give(p, fd) || fsync(fd) != 0))
		said = errno;
	if (close(fd) != 0 && said == 0)
		said = errno;
	if (said == 0 && fsync(p->fd) != 0)
		said = errno;
	if (said != 0)
		err = failed(p, RESTORE_UNDER_WAY, said, why);
free_text:
	buf_free(&text);
	return err;
}

static enum kw_err
sync_all(const struct manifest *m, const struct place *p, struct kw_why *why)
{
	int said = 0;

	for (uint32_t i = 0; i < m->count && said == 0; i++) {
		int fd = folder_of(p, m->files[i].name, false);

		if (fd < 0 || fsync(fd) != 0)
			said = errno;
		close_folder(p, fd);
	}
	return said == 0 ? KW_OK : failed(p, ".", said, why);
}

/* The name of a folder that was made must be on disk as what stands in it. */
static enum kw_err
sync_above(const struct place *p, struct kw_why *why)
{
	char above[PATH_MAX];
	size_t len = strlen(p->to);

	if (!p->made)
		return KW_OK;
	while (len > 1 && p->to[len - 1] == '/')
		len--;
	while (len > 0 && p->to[len - 1] != '/')
		len--;
	while (len > 1 && p->to[len - 1] == '/')
		len--;
	if (len >= sizeof above)
		return kw_refuse(why, KW_ELIMIT, "%.128s… is too long a path", p->to);
	memcpy(above, len > 0 ? p->to : ".", len > 0 ? len : 1);
	above[len > 0 ? len : 1] = '\0';
	return fs_sync(above, why);
}

static enum kw_err
mark_done(const struct place *p, struct kw_why *why)
{
	if (renameat(p->fd, RESTORE_UNDER_WAY, p->fd, RESTORE_DONE) != 0 || fsync(p->fd) != 0)
		return failed(p, RESTORE_DONE, errno, why);
	return sync_above(p, why);
}

static void
take_back(const struct manifest *m, const struct place *p)
{
	char folder[BACKUP_NAME_MAX];

	for (uint32_t i = 0; i < m->count; i++) {
		int fd = folder_of(p, m->files[i].name, false);

		if (fd >= 0)
			(void)unlinkat(fd, last_of(m->files[i].name), 0);
		close_folder(p, fd);
	}
	for (uint32_t i = 0; i < m->count; i++) {
		const char *slash = strchr(m->files[i].name, '/');

		if (slash == NULL)
			continue;
		(void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - m->files[i].name), m->files[i].name);
		(void)unlinkat(p->fd, folder, AT_REMOVEDIR);
	}
	(void)unlinkat(p->fd, RESTORE_DONE, 0);
	(void)unlinkat(p->fd, RESTORE_UNDER_WAY, 0);
}

static enum kw_err
copy_all(const struct manifest *m, const struct place *p, const char *folder, const struct restore_progress *progress, struct kw_why *why)
{
	struct reading r = {.p = progress, .of = manifest_bytes(m), .step = malloc(STEP)};
	enum kw_err err;

	if (r.step == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	err = mark(m, p, why);
	for (uint32_t i = 0; i < m->count && err == KW_OK; i++) {
		err = copy_one(p, &m->files[i], folder, &r, why);
		r.before += m->files[i].bytes;
	}
	free(r.step);
	if (err == KW_OK)
		err = sync_all(m, p, why);
	return err == KW_OK ? mark_done(p, why) : err;
}

enum kw_err
restore_place(const struct manifest *m, const char *folder, const char *to, const struct restore_progress *progress, struct kw_why *why)
{
	struct place p;
	enum kw_err err = open_place(&p, to, why);

	if (err == KW_OK && (err = check_room(&p, manifest_bytes(m), why)) == KW_OK && (err = copy_all(m, &p, folder, progress, why)) != KW_OK)
		take_back(m, &p);
	if (err != KW_OK && p.made) {
		if (p.lock >= 0)
			(void)unlinkat(p.fd, "lock", 0);
		(void)rmdir(to);
	}
	close_place(&p);
	return err;
}
