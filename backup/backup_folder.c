/* backup_folder: see its header. */
#include "backup/backup_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

struct backup_folder {
	char to[PATH_MAX], part[PATH_MAX];
	int fd;                              /* of the file being written; -1: none */
	crypto_generichash_state hash;
	uint64_t bytes;
	struct backup_file files[BACKUP_FILES_MAX]; /* count of them are begun */
	uint32_t count;
};

static enum kw_err
failed(const struct backup_folder *f, const char *what, int said, struct kw_why *why)
{
	if (said == ENOSPC || said == EDQUOT || said == EFBIG)
		return kw_refuse(why, KW_EFULL, "the disk of %s is full after %llu MiB, and the backup is not whole; nothing of it was kept: make room, or name a folder on another disk", f->to,
		                 (unsigned long long)(f->bytes >> 20));
	return kw_refuse(why, KW_EIO, "%s cannot be written: %s; nothing of the backup was kept", what, strerror(said));
}

static bool
is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static enum kw_err
set_paths(struct backup_folder *f, const char *to, struct kw_why *why)
{
	size_t len = strlen(to);

	while (len > 1 && to[len - 1] == '/')
		len--;
	if (len == 0 || strcmp(to, "/") == 0)
		return kw_refuse(why, KW_EINVAL, "--to is \"%.64s\", must be the name of a new folder", to);
	if (len + sizeof ".part" >= sizeof f->to)
		return kw_refuse(why, KW_ELIMIT, "%.128s… is too long a path", to);
	memcpy(f->to, to, len);
	f->to[len] = '\0';
	(void)snprintf(f->part, sizeof f->part, "%s.part", f->to);
	return KW_OK;
}

static enum kw_err
make(struct backup_folder *f, struct kw_why *why)
{
	if (is_there(f->to))
		return kw_refuse(why, KW_EEXISTS, "%s is there already; a backup is always a new folder, so name another", f->to);
	if (mkdir(f->part, 0700) == 0)
		return KW_OK;
	if (errno == EEXIST)
		return kw_refuse(why, KW_EEXISTS, "%s is there: a backup is being written there, or one was interrupted; where none runs, remove that folder", f->part);
	if (errno == ENOENT)
		return kw_refuse(why, KW_ENOTFOUND, "the folder in which %s would stand does not exist; make it first", f->to);
	if (errno == EACCES || errno == EPERM || errno == EROFS)
		return kw_refuse(why, KW_EDENIED, "%s may not be made there: %s; name a folder that you may write to", f->to, strerror(errno));
	return failed(f, f->part, errno, why);
}

enum kw_err
backup_folder_begin(struct backup_folder **out, const char *to, struct kw_why *why)
{
	struct backup_folder *f = calloc(1, sizeof *f);
	enum kw_err err;

	if (f == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	f->fd = -1;
	if ((err = set_paths(f, to, why)) == KW_OK)
		err = make(f, why);
	if (err != KW_OK) {
		free(f); /* what lies there is not ours */
		return err;
	}
	*out = f;
	return KW_OK;
}

/* The folder that a name has before its slash, made where it is not there yet. */
static enum kw_err
make_folder_of(struct backup_folder *f, const char *name, struct kw_why *why)
{
	const char *slash = strchr(name, '/');
	char folder[BACKUP_NAME_MAX], path[PATH_MAX];
	enum kw_err err;

	if (slash == NULL)
		return KW_OK;
	(void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - name), name);
	if ((err = backup_path(path, f->part, folder, why)) != KW_OK)
		return err;
	return mkdir(path, 0700) == 0 || errno == EEXIST ? KW_OK : failed(f, path, errno, why);
}

enum kw_err
backup_folder_file(struct backup_folder *f, const char *name, struct kw_why *why)
{
	char path[PATH_MAX];
	enum kw_err err;

	MUST(f->fd < 0);
	if (!backup_name_stands(name) || f->count == BACKUP_FILES_MAX)
		return kw_refuse(why, KW_EPROTO, "the daemon names a file \"%.64s\" that has no place in a backup", name);
	if ((err = make_folder_of(f, name, why)) != KW_OK || (err = backup_path(path, f->part, name, why)) != KW_OK)
		return err;
	f->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0)
		return failed(f, path, errno, why);
	f->files[f->count] = (struct backup_file){.bytes = 0};
	(void)snprintf(f->files[f->count++].name, BACKUP_NAME_MAX, "%s", name);
	(void)crypto_generichash_init(&f->hash, NULL, 0, BACKUP_HASH_LEN);
	return KW_OK;
}

enum kw_err
backup_folder_put(struct backup_folder *f, struct span bytes, struct kw_why *why)
{
	struct backup_file *file = &f->files[f->count - 1];
	size_t done = 0;

	MUST(f->fd >= 0);
	while (done < bytes.len) {
		ssize_t n = write(f->fd, bytes.p + done, bytes.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return failed(f, file->name, n == 0 ? EIO : errno, why);
		done += (size_t)n;
	}
	(void)crypto_generichash_update(&f->hash, bytes.p, bytes.len);
	file->bytes += bytes.len;
	f->bytes += bytes.len;
	return KW_OK;
}

enum kw_err
backup_folder_file_end(struct backup_folder *f, struct kw_why *why)
{
	struct backup_file *file = &f->files[f->count - 1];
	int fd = f->fd, said;

	MUST(fd >= 0);
	(void)crypto_generichash_final(&f->hash, file->hash, sizeof file->hash);
	said = fsync(fd) == 0 ? 0 : errno;
	if (close(fd) != 0 && said == 0)
		said = errno;
	f->fd = -1;
	return said == 0 ? KW_OK : failed(f, file->name, said, why);
}

uint64_t
backup_folder_bytes(const struct backup_folder *f)
{
	return f->bytes;
}

/* ---- its end ---- */

static enum kw_err
write_manifest(struct backup_folder *f, struct manifest *m, struct kw_why *why)
{
	struct buf text = BUF_INIT(BACKUP_MANIFEST_MAX);
	char path[PATH_MAX];
	enum kw_err err;

	memcpy(m->files, f->files, sizeof f->files);
	m->count = f->count;
	if ((err = backup_path(path, f->part, BACKUP_MANIFEST, why)) == KW_OK && (err = manifest_text(&text, m, why)) == KW_OK)
		err = fs_write(path, buf_span(&text), 0600, why);
	buf_free(&text);
	return err == KW_EFULL ? failed(f, path, ENOSPC, why) : err;
}

static enum kw_err
sync_folders(const struct backup_folder *f, struct kw_why *why)
{
	for (uint32_t i = 0; i < f->count; i++) {
		const char *slash = strchr(f->files[i].name, '/');
		char path[PATH_MAX];
		enum kw_err err;

		if (slash == NULL)
			continue;
		if (snprintf(path, sizeof path, "%s/%.*s", f->part, (int)(slash - f->files[i].name), f->files[i].name) >= (int)sizeof path)
			return kw_refuse(why, KW_ELIMIT, "%.128s… is too long a path", f->part);
		if ((err = fs_sync(path, why)) != KW_OK)
			return err;
	}
	return fs_sync(f->part, why);
}

static enum kw_err
sync_above(const struct backup_folder *f, struct kw_why *why)
{
	char parent[PATH_MAX];
	char *slash;

	(void)snprintf(parent, sizeof parent, "%s", f->to);
	slash = strrchr(parent, '/');
	if (slash == NULL)
		return fs_sync(".", why);
	slash[slash == parent ? 1 : 0] = '\0';
	return fs_sync(parent, why);
}

/* Where the file system knows no such rename, what was looked at a moment ago must do. A name that may be gone after a power cut is taken back. */
static enum kw_err
put_in_place(const struct backup_folder *f, struct kw_why *why)
{
	enum kw_err err;

	if (renameat2(AT_FDCWD, f->part, AT_FDCWD, f->to, RENAME_NOREPLACE) != 0 && (errno != EINVAL || is_there(f->to) || rename(f->part, f->to) != 0))
		return kw_refuse(why, errno == EEXIST ? KW_EEXISTS : KW_EIO, "%s cannot get its name: %s; nothing of the backup was kept", f->to, strerror(errno));
	if ((err = sync_above(f, why)) != KW_OK)
		(void)rename(f->to, f->part);
	return err;
}

enum kw_err
backup_folder_finish(struct backup_folder **folder, struct manifest *m, struct kw_why *why)
{
	struct backup_folder *f = *folder;
	enum kw_err err = KW_OK;

	MUST(f->fd < 0);
	if (f->count == 0)
		err = kw_refuse(why, KW_EPROTO, "the daemon gave no file, which makes no backup; nothing was kept of it");
	if (err != KW_OK || (err = write_manifest(f, m, why)) != KW_OK || (err = sync_folders(f, why)) != KW_OK || (err = put_in_place(f, why)) != KW_OK) {
		backup_folder_give_up(folder);
		return err;
	}
	free(f);
	*folder = NULL;
	return KW_OK;
}

void
backup_folder_give_up(struct backup_folder **folder)
{
	struct backup_folder *f = *folder;
	char path[PATH_MAX];

	if (f == NULL)
		return;
	if (f->fd >= 0)
		(void)close(f->fd);
	for (uint32_t i = 0; i < f->count; i++)
		if (backup_path(path, f->part, f->files[i].name, NULL) == KW_OK)
			(void)unlink(path);
	if (backup_path(path, f->part, BACKUP_MANIFEST, NULL) == KW_OK)
		(void)unlink(path);
	for (uint32_t i = 0; i < f->count; i++) {
		const char *slash = strchr(f->files[i].name, '/');

		if (slash != NULL && snprintf(path, sizeof path, "%s/%.*s", f->part, (int)(slash - f->files[i].name), f->files[i].name) < (int)sizeof path)
			(void)rmdir(path);
	}
	(void)rmdir(f->part);
	free(f);
	*folder = NULL;
}
