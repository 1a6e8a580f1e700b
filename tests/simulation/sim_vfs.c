/* sim_vfs: what SQLite asks of a file system, answered by sim_disk. */
#include "tests/simulation/sim_vfs.h"

#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#define LOCKS SQLITE_SHM_NLOCK
#define SECTOR_SIZE 4096 /* as SQLite says of Unix disks */

struct region { struct region *next; int number; uint8_t *p; };
struct handle;

/* What connections to one file share; files of before a crash share nothing with those of after it. */
struct shared {
	struct shared *next;
	struct handle *handles;
	int locked[5]; /* how many connections hold that lock: SQLITE_LOCK_SHARED … SQLITE_LOCK_EXCLUSIVE */
	struct region *regions;
	int shm_shared[LOCKS], shm_exclusive[LOCKS];
};

struct handle { /* SQLite's memory */
	sqlite3_file base;
	struct sim_vfs *v;
	struct sim_file *file;
	struct shared *shared;
	struct handle *next;
	char *path;
	bool folder_due; /* the first sync of a journal makes its name safe, too */
	bool delete_at_close;
	int lock;
	unsigned shm_shared, shm_exclusive; /* bits */
};

struct sim_vfs {
	sqlite3_vfs base;
	struct sim_disk *disk;
	struct sim_dice dice;
	struct shared *shared;
};

static int
code(enum kw_err err, int io)
{
	return err == KW_OK ? SQLITE_OK : err == KW_EFULL ? SQLITE_FULL : io;
}

/* ---- files ---- */

static struct handle *
handle_of(sqlite3_file *f)
{
	return (struct handle *)(void *)f;
}

static void
shared_join(struct handle *h)
{
	struct shared *s = h->v->shared;

	while (s != NULL && (sim_file_dead(s->handles->file) || sim_file_which(s->handles->file) != sim_file_which(h->file)))
		s = s->next;
	if (s == NULL) {
		MUST((s = calloc(1, sizeof *s)) != NULL);
		s->next = h->v->shared;
		h->v->shared = s;
	}
	h->shared = s;
	h->next = s->handles;
	s->handles = h;
}

static void
regions_drop(struct shared *s)
{
	struct region *r;

	while ((r = s->regions) != NULL) {
		s->regions = r->next;
		free(r->p);
		free(r);
	}
}

static void
shared_leave(struct handle *h)
{
	struct shared *s = h->shared, **at = &h->v->shared;
	struct handle **mine = &s->handles;

	while (*mine != h)
		mine = &(*mine)->next;
	*mine = h->next;
	if (s->handles != NULL)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	regions_drop(s);
	free(s);
}

static int
file_close(sqlite3_file *f)
{
	struct handle *h = handle_of(f);

	shared_leave(h);
	if (h->delete_at_close && h->path != NULL && !sim_file_dead(h->file) && sim_disk_remove(h->v->disk, h->path) != KW_OK)
		h->delete_at_close = false; /* it stays behind, as it would */
	sim_file_close(&h->file);
	free(h->path);
	h->path = NULL;
	return SQLITE_OK;
}

static int
file_read(sqlite3_file *f, void *to, int len, sqlite3_int64 at)
{
	size_t got = 0;

	if (sim_file_read(handle_of(f)->file, (uint64_t)at, to, (size_t)len, &got) != KW_OK)
		return SQLITE_IOERR_READ;
	if (got == (size_t)len)
		return SQLITE_OK;
	memset((uint8_t *)to + got, 0, (size_t)len - got);
	return SQLITE_IOERR_SHORT_READ;
}

static int
file_write(sqlite3_file *f, const void *from, int len, sqlite3_int64 at)
{
	return code(sim_file_write(handle_of(f)->file, (uint64_t)at, from, (size_t)len), SQLITE_IOERR_WRITE);
}

static int
file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return code(sim_file_truncate(handle_of(f)->file, (uint64_t)size), SQLITE_IOERR_TRUNCATE);
}

static int
file_sync(sqlite3_file *f, int flags)
{
	struct handle *h = handle_of(f);

	(void)flags;
	if (sim_file_sync(h->file) != KW_OK)
		return SQLITE_IOERR_FSYNC;
	if (h->folder_due) { /* SQLite's own does not look how this ended either: a name may be lost that was taken for safe */
		enum kw_err ignored = sim_disk_sync_folder(h->v->disk, h->path);

		(void)ignored;
		h->folder_due = false;
	}
	return SQLITE_OK;
}

static int
file_size(sqlite3_file *f, sqlite3_int64 *size)
{
	struct handle *h = handle_of(f);

	if (sim_file_dead(h->file) || (h->path != NULL && sim_disk_halted(h->v->disk, h->path)))
		return SQLITE_IOERR_FSTAT;
	*size = (sqlite3_int64)sim_file_size(h->file);
	return SQLITE_OK;
}

/* ---- locks: what sqlite3.h says of xLock ---- */

static bool
others_hold(const struct handle *h, int from)
{
	for (int level = from; level <= SQLITE_LOCK_EXCLUSIVE; level++)
		if (h->shared->locked[level] - (h->lock == level) > 0)
			return true;
	return false;
}

static void
lock_is(struct handle *h, int level)
{
	if (h->lock > SQLITE_LOCK_NONE)
		h->shared->locked[h->lock]--;
	h->lock = level;
	if (level > SQLITE_LOCK_NONE)
		h->shared->locked[level]++;
}

static int
file_lock(sqlite3_file *f, int level)
{
	struct handle *h = handle_of(f);

	if (sim_file_dead(h->file))
		return SQLITE_IOERR_LOCK;
	if (level <= h->lock)
		return SQLITE_OK;
	if (level == SQLITE_LOCK_SHARED && others_hold(h, SQLITE_LOCK_PENDING))
		return SQLITE_BUSY;
	if (level == SQLITE_LOCK_RESERVED && others_hold(h, SQLITE_LOCK_RESERVED))
		return SQLITE_BUSY;
	if (level == SQLITE_LOCK_EXCLUSIVE && others_hold(h, SQLITE_LOCK_RESERVED))
		return SQLITE_BUSY;
	if (level == SQLITE_LOCK_EXCLUSIVE && others_hold(h, SQLITE_LOCK_SHARED)) {
		lock_is(h, SQLITE_LOCK_PENDING);
		return SQLITE_BUSY;
	}
	lock_is(h, level);
	return SQLITE_OK;
}

static int
file_unlock(sqlite3_file *f, int level)
{
	struct handle *h = handle_of(f);

	if (level < h->lock)
		lock_is(h, level);
	return SQLITE_OK;
}

static int
file_check_reserved(sqlite3_file *f, int *held)
{
	const struct shared *s = handle_of(f)->shared;

	*held = s->locked[SQLITE_LOCK_RESERVED] + s->locked[SQLITE_LOCK_PENDING] + s->locked[SQLITE_LOCK_EXCLUSIVE] > 0;
	return SQLITE_OK;
}

static int
file_control(sqlite3_file *f, int op, void *arg)
{
	(void)f;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int
file_sector_size(sqlite3_file *f)
{
	(void)f;
	return SECTOR_SIZE;
}

static int
file_traits(sqlite3_file *f)
{
	(void)f;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- shared memory of WAL mode ---- */

static int
shm_map(sqlite3_file *f, int number, int size, int extend, void volatile **out)
{
	struct shared *s = handle_of(f)->shared;
	struct region *r = s->regions;

	while (r != NULL && r->number != number)
		r = r->next;
	if (r == NULL && extend) {
		MUST((r = calloc(1, sizeof *r)) != NULL);
		MUST((r->p = calloc(1, (size_t)size)) != NULL);
		r->number = number;
		r->next = s->regions;
		s->regions = r;
	}
	*out = r != NULL ? r->p : NULL;
	return SQLITE_OK;
}

static int
shm_unlock(struct handle *h, unsigned mask, bool exclusive)
{
	for (int i = 0; i < LOCKS; i++) {
		if ((mask & (1u << i)) == 0)
			continue;
		if (exclusive && (h->shm_exclusive & (1u << i)) != 0)
			h->shared->shm_exclusive[i]--;
		if (!exclusive && (h->shm_shared & (1u << i)) != 0)
			h->shared->shm_shared[i]--;
	}
	if (exclusive)
		h->shm_exclusive &= ~mask;
	else
		h->shm_shared &= ~mask;
	return SQLITE_OK;
}

static int
shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	struct handle *h = handle_of(f);
	bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
	unsigned mask = ((1u << n) - 1u) << offset, mine = exclusive ? h->shm_exclusive : h->shm_shared;

	if ((flags & SQLITE_SHM_UNLOCK) != 0)
		return shm_unlock(h, mask, exclusive);
	for (int i = offset; i < offset + n; i++) {
		unsigned bit = 1u << i;

		if (h->shared->shm_exclusive[i] - ((h->shm_exclusive & bit) != 0) > 0)
			return SQLITE_BUSY;
		if (exclusive && h->shared->shm_shared[i] - ((h->shm_shared & bit) != 0) > 0)
			return SQLITE_BUSY;
	}
	for (int i = offset; i < offset + n; i++)
		if ((mine & (1u << i)) == 0)
			*(exclusive ? &h->shared->shm_exclusive[i] : &h->shared->shm_shared[i]) += 1;
	*(exclusive ? &h->shm_exclusive : &h->shm_shared) |= mask;
	return SQLITE_OK;
}

static void
shm_barrier(sqlite3_file *f)
{
	(void)f;
}

static int
shm_unmap(sqlite3_file *f, int delete)
{
	struct handle *h = handle_of(f);

	(void)shm_unlock(h, (1u << LOCKS) - 1u, true);
	(void)shm_unlock(h, (1u << LOCKS) - 1u, false);
	if (delete && h->shared->handles == h && h->next == NULL)
		regions_drop(h->shared);
	return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_check_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_traits,
	.xShmMap = shm_map,
	.xShmLock = shm_lock,
	.xShmBarrier = shm_barrier,
	.xShmUnmap = shm_unmap,
};

/* ---- names and the rest ---- */

static struct sim_vfs *
vfs_of(sqlite3_vfs *v)
{
	return v->pAppData;
}

static int
vfs_open(sqlite3_vfs *base, sqlite3_filename name, sqlite3_file *f, int flags, int *out_flags)
{
	static const int journals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
	struct handle *h = handle_of(f);
	enum kw_err err;

	memset(h, 0, sizeof *h);
	h->v = vfs_of(base);
	if ((err = sim_disk_open(&h->file, h->v->disk, name, (flags & SQLITE_OPEN_CREATE) != 0)) != KW_OK)
		return code(err, SQLITE_CANTOPEN);
	if (name != NULL)
		MUST((h->path = strdup(name)) != NULL);
	h->folder_due = name != NULL && (flags & SQLITE_OPEN_CREATE) != 0 && (flags & journals) != 0;
	h->delete_at_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
	shared_join(h);
	h->base.pMethods = &methods;
	if (out_flags != NULL)
		*out_flags = flags;
	return SQLITE_OK;
}

static int
vfs_delete(sqlite3_vfs *base, const char *name, int sync_folder)
{
	struct sim_vfs *v = vfs_of(base);
	enum kw_err err = sim_disk_remove(v->disk, name);

	if (err == KW_ENOTFOUND)
		return SQLITE_IOERR_DELETE_NOENT;
	if (err != KW_OK)
		return SQLITE_IOERR_DELETE;
	return !sync_folder || sim_disk_sync_folder(v->disk, name) == KW_OK ? SQLITE_OK : SQLITE_IOERR_DIR_FSYNC;
}

/* A file without a byte does not exist, says SQLite's own. */
static int
vfs_access(sqlite3_vfs *base, const char *name, int flags, int *yes)
{
	uint64_t size = 0;

	*yes = sim_disk_is_there(vfs_of(base)->disk, name, &size) && (flags != SQLITE_ACCESS_EXISTS || size > 0);
	return sim_disk_halted(vfs_of(base)->disk, name) ? SQLITE_IOERR_ACCESS : SQLITE_OK;
}

static int
vfs_full_path(sqlite3_vfs *base, const char *name, int room, char *out)
{
	size_t len = strlen(name);

	(void)base;
	if (len >= (size_t)room)
		return SQLITE_CANTOPEN;
	memcpy(out, name, len + 1);
	return SQLITE_OK;
}

static int
vfs_random(sqlite3_vfs *base, int len, char *out)
{
	struct sim_dice dice = vfs_of(base)->dice;

	for (int i = 0; i < len; i++)
		out[i] = (char)dice.below(dice.self, 256);
	return len;
}

static int
vfs_sleep(sqlite3_vfs *base, int us)
{
	(void)base;
	return us;
}

static int
vfs_time(sqlite3_vfs *base, sqlite3_int64 *julian_ms)
{
	(void)base;
	*julian_ms = 212700000000000; /* some day in 2028 */
	return SQLITE_OK;
}

static int
vfs_last_error(sqlite3_vfs *base, int room, char *out)
{
	(void)base;
	if (room > 0)
		out[0] = '\0';
	return 0;
}

struct sim_vfs *
sim_vfs_new(struct sim_disk *d, struct sim_dice dice)
{
	struct sim_vfs *v = calloc(1, sizeof *v);

	MUST(v != NULL);
	v->disk = d;
	v->dice = dice;
	v->base = (sqlite3_vfs){
		.iVersion = 2,
		.szOsFile = sizeof(struct handle),
		.mxPathname = 255,
		.zName = "simulated",
		.pAppData = v,
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full_path,
		.xRandomness = vfs_random,
		.xSleep = vfs_sleep,
		.xGetLastError = vfs_last_error,
		.xCurrentTimeInt64 = vfs_time,
	};
	MUST(sqlite3_vfs_register(&v->base, 1) == SQLITE_OK);
	sqlite3_randomness(0, NULL);
	return v;
}

void
sim_vfs_free(struct sim_vfs **v)
{
	if (v == NULL || *v == NULL)
		return;
	MUST((*v)->shared == NULL);
	MUST(sqlite3_vfs_unregister(&(*v)->base) == SQLITE_OK);
	sqlite3_randomness(0, NULL); /* the next numbers are real ones again */
	free(*v);
	*v = NULL;
}
