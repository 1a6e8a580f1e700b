/*
 * store_lmdb_files: the folder before LMDB sees it: who holds it, whose it is, on which file system, how the last run
 * ended, and whether data.mdb is as long as its own two meta pages say. LMDB asks none of this and ends in a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "broker/store/store_lmdb_parts.h"

/* LMDB's file format 1 on 64 bits, as far as lengths go: page header of 16 bytes, then the meta. */
#define META_AT 16u
#define META_LEN 136u
#define META_MAGIC 0xBEEFC0DEu
#define META_VERSION 1u
#define OFF_PAGE_SIZE 24u    /* inside the meta: md_pad of the first database */
#define OFF_ROOT_FREE 64u
#define OFF_ROOT_MAIN 112u
#define OFF_LAST_PAGE 120u
#define OFF_TXN 128u
#define PAGE_FLAG_META 0x08u
#define NO_PAGE UINT64_MAX

/* The running one ends in how many starts there were since the last clean end. */
static const char *const mark_words[] = {[MARK_CLEAN] = "clean\n", [MARK_RUNNING] = "run 0\n", [MARK_LOST] = "lost \n"};
#define MARK_DIGIT 4u
#define MARK_LEN 6u

static enum kw_err
path_in(char out[PATH_MAX], const char *folder, const char *name, struct kw_why *why)
{
	if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
		return kw_refuse(why, KW_ELIMIT, "%s is too long a path", folder);
	return KW_OK;
}

bool
store_lmdb_is_there(const char *path)
{
	char file[PATH_MAX];

	return path_in(file, path, "data.mdb", NULL) == KW_OK && access(file, F_OK) == 0;
}

static enum kw_err
check_file_system(const char *path, struct kw_why *why)
{
	static const struct { unsigned long magic; const char *name; } unfit[] = {
		{NFS_SUPER_MAGIC, "NFS"}, {FUSE_SUPER_MAGIC, "FUSE"}, {V9FS_MAGIC, "9p"}, {CIFS_SUPER_MAGIC, "CIFS"}, {SMB2_SUPER_MAGIC, "SMB"},
		{SMB_SUPER_MAGIC, "SMB"}, {CEPH_SUPER_MAGIC, "Ceph"}, {AFS_SUPER_MAGIC, "AFS"}, {CODA_SUPER_MAGIC, "Coda"}, {OCFS2_SUPER_MAGIC, "OCFS2"},
	};
	struct statfs st;

	if (statfs(path, &st) != 0)
		return kw_refuse(why, KW_EIO, "the file system of %s cannot be asked: %s", path, strerror(errno));
	for (size_t i = 0; i < sizeof unfit / sizeof unfit[0]; i++)
		if ((unsigned long)st.f_type == unfit[i].magic)
			return kw_refuse(why, KW_EDENIED, "%s lies on %s, where the store cannot be kept safely; use a folder on a local disk", path,
			                 unfit[i].name);
	return KW_OK;
}

/* KW_ENOTFOUND: there is none. */
static enum kw_err
check_data_file(const char *path, uint64_t *size, struct kw_why *why)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? KW_ENOTFOUND : kw_refuse(why, KW_EIO, "%s cannot be looked at: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return kw_refuse(why, KW_EDENIED, "%s is no regular file; the store does not follow links", path);
	if (st.st_uid != geteuid())
		return kw_refuse(why, KW_EDENIED, "%s belongs to user %u, and this program runs as %u; start it as that user, as its systemd unit does", path, (unsigned)st.st_uid,
		                 (unsigned)geteuid());
	*size = (uint64_t)st.st_size;
	return KW_OK;
}

/* ---- sizes ---- */

struct meta { uint32_t page_size; uint64_t root_free, root_main, last_page, txn; bool valid; };

static struct meta
read_meta(int fd, uint64_t at)
{
	uint8_t page[META_AT + META_LEN];
	struct meta m = {0};
	uint32_t magic, version;
	uint16_t flags;

	if (pread(fd, page, sizeof page, (off_t)at) != (ssize_t)sizeof page)
		return m;
	memcpy(&flags, page + 10, sizeof flags); /* LMDB writes in the machine's own order */
	memcpy(&magic, page + META_AT, sizeof magic);
	memcpy(&version, page + META_AT + 4, sizeof version);
	memcpy(&m.page_size, page + META_AT + OFF_PAGE_SIZE, sizeof m.page_size);
	memcpy(&m.root_free, page + META_AT + OFF_ROOT_FREE, sizeof m.root_free);
	memcpy(&m.root_main, page + META_AT + OFF_ROOT_MAIN, sizeof m.root_main);
	memcpy(&m.last_page, page + META_AT + OFF_LAST_PAGE, sizeof m.last_page);
	memcpy(&m.txn, page + META_AT + OFF_TXN, sizeof m.txn);
	m.valid = (flags & PAGE_FLAG_META) != 0 && magic == META_MAGIC && version == META_VERSION;
	if (m.page_size < 512 || m.page_size > 65536 || (m.page_size & (m.page_size - 1)) != 0)
		m.valid = false;
	if (m.last_page < 1 || m.last_page >= STORE_MAP_BYTES / 512)
		m.valid = false;
	return m;
}

/* Of the newer meta alone: LMDB leaves mixed numbers in the other one when writing it failed. */
static bool
roots_inside(const struct meta *m)
{
	return (m->root_free == NO_PAGE || m->root_free <= m->last_page) && (m->root_main == NO_PAGE || m->root_main <= m->last_page);
}

enum kw_err
files_check_sizes(const char *folder, uint64_t *needed_bytes, struct kw_why *why)
{
	char path[PATH_MAX];
	struct stat st;
	struct meta m[2] = {0};
	enum kw_err err = path_in(path, folder, "data.mdb", why);
	int fd;

	if (err != KW_OK)
		return err;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return kw_refuse(why, KW_EIO, "%s cannot be opened: %s", path, strerror(errno));
	if (fstat(fd, &st) != 0)
		err = kw_refuse(why, KW_EIO, "%s cannot be looked at: %s", path, strerror(errno));
	m[0] = read_meta(fd, 0);
	if (m[0].valid)
		m[1] = read_meta(fd, m[0].page_size);
	(void)close(fd);
	if (err != KW_OK)
		return err;
	if (!m[0].valid || !m[1].valid || m[0].page_size != m[1].page_size || !roots_inside(m[0].txn > m[1].txn ? &m[0] : &m[1]))
		return kw_refuse(why, KW_ECORRUPT, "%s is not a store of a Kurzweg broker, or its first pages are damaged; use another folder or restore this one from the last backup",
		                 path);
	*needed_bytes = ((m[0].last_page > m[1].last_page ? m[0].last_page : m[1].last_page) + 1) * m[0].page_size;
	if ((uint64_t)st.st_size < *needed_bytes)
		return kw_refuse(why, KW_ECORRUPT, "%s is cut off: %llu bytes long, %llu are needed; restore the folder from the last backup", path,
		                 (unsigned long long)st.st_size, (unsigned long long)*needed_bytes);
	return KW_OK;
}

/* ---- the mark ---- */

static enum kw_err
read_mark(const char *folder, struct files *f, bool *exists, struct kw_why *why)
{
	char path[PATH_MAX], text[MARK_LEN + 1] = "";
	enum kw_err err = path_in(path, folder, "mark", why);
	ssize_t n;
	int fd;

	if (err != KW_OK)
		return err;
	f->mark = MARK_RUNNING;
	*exists = false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? KW_OK : kw_refuse(why, KW_EIO, "%s cannot be opened: %s", path, strerror(errno));
	*exists = true;
	n = read(fd, text, MARK_LEN);
	(void)close(fd);
	if (n == (ssize_t)MARK_LEN && memcmp(text, mark_words[MARK_CLEAN], MARK_LEN) == 0)
		f->mark = MARK_CLEAN;
	else if (n == (ssize_t)MARK_LEN && memcmp(text, mark_words[MARK_RUNNING], MARK_DIGIT) == 0 && text[MARK_DIGIT] >= '0' && text[MARK_DIGIT] <= '9')
		f->starts = (unsigned)(text[MARK_DIGIT] - '0');
	else if (n == (ssize_t)MARK_LEN)
		f->mark = MARK_LOST; /* what is none of them is taken for the worst */
	return KW_OK;
}

/* In place, so that a full disk cannot prevent it. */
static bool
write_mark(int fd, enum mark mark, unsigned starts)
{
	char text[MARK_LEN];

	memcpy(text, mark_words[mark], MARK_LEN);
	if (mark == MARK_RUNNING)
		text[MARK_DIGIT] = (char)('0' + (starts < 9 ? starts : 9));
	if (pwrite(fd, text, MARK_LEN, 0) != (ssize_t)MARK_LEN)
		return false;
	return fsync(fd) == 0;
}

enum kw_err
files_mark_running(struct files *f, const char *folder, struct kw_why *why)
{
	char path[PATH_MAX];
	enum kw_err err = path_in(path, folder, "mark", why);

	if (err != KW_OK)
		return err;
	if (access(path, F_OK) != 0 && (err = fs_write(path, span_str(mark_words[MARK_RUNNING]), 0600, why)) != KW_OK)
		return err;
	f->mark_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (f->mark_fd < 0 || !write_mark(f->mark_fd, MARK_RUNNING, f->starts + 1))
		return kw_refuse(why, KW_EIO, "%s cannot be written: %s", path, strerror(errno));
	f->mark = MARK_RUNNING;
	return KW_OK;
}

void
files_mark_lost(struct files *f)
{
	if (f->mark_fd < 0 || f->mark == MARK_LOST)
		return;
	f->mark = MARK_LOST;
	if (!write_mark(f->mark_fd, MARK_LOST, 0))
		(void)log_sys(KW_EIO, "store.mark_failed", "mark=lost");
}

/* ---- open and close ---- */

static enum kw_err
look_at_folder(struct files *f, const struct store_lmdb_config *config, struct kw_why *why)
{
	char path[PATH_MAX];
	uint64_t size = 0;
	bool marked = false;
	enum kw_err err;

	if (!config->force_filesystem && (err = check_file_system(config->path, why)) != KW_OK)
		return err;
	if ((err = read_mark(config->path, f, &marked, why)) != KW_OK)
		return err;
	if ((err = path_in(path, config->path, "data.mdb", why)) != KW_OK)
		return err;
	err = check_data_file(path, &size, why);
	if (err != KW_OK && err != KW_ENOTFOUND)
		return err;
	f->nothing_pending = !marked || f->mark == MARK_CLEAN;
	if (size == 0 && marked)
		return kw_refuse(why, KW_ECORRUPT, "%s is missing or empty, although a store has been in this folder; restore the folder from the last backup",
		                 path);
	f->fresh = size == 0;
	if (f->fresh)
		return KW_OK;
	/* The last commit of a killed broker may be seen and not be on disk yet. */
	if ((err = fs_sync(path, why)) != KW_OK || (err = fs_sync(config->path, why)) != KW_OK)
		return err;
	return files_check_sizes(config->path, &f->needed_bytes, why);
}

enum kw_err
files_open(struct files *f, const struct store_lmdb_config *config, struct kw_why *why)
{
	enum kw_err err;

	*f = (struct files){.lock_fd = -1, .mark_fd = -1};
	if ((err = fs_folder(config->path, why)) != KW_OK)
		return err;
	if ((err = fs_lock(&f->lock_fd, config->path, why)) != KW_OK)
		return err;
	err = look_at_folder(f, config, why);
	if (err != KW_OK)
		files_close(f, false);
	return err;
}

void
files_close(struct files *f, bool clean)
{
	if (f->mark_fd >= 0) {
		if (clean && f->mark == MARK_RUNNING)
			(void)write_mark(f->mark_fd, MARK_CLEAN, 0);
		(void)close(f->mark_fd);
	}
	if (f->lock_fd >= 0)
		(void)close(f->lock_fd);
	f->mark_fd = f->lock_fd = -1;
}
