/*
 * store_lmdb_room: is there room for a batch? Asked before LMDB begins, because what it meets on a full disk in the
 * middle of a commit is an input error that loses the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <string.h>
#include <unistd.h>

#include "broker/store/store_lmdb_parts.h"

#define CHUNK_BYTES (16ull << 20)   /* the file grows by this, ahead of what is written */
#define RESERVE_BYTES (16ull << 20) /* left on the disk for what frees room: retention, cursors */
#define TRANSACTION_PAGES 256u      /* beside what each of its records takes */

uint64_t
room_used(const struct lmdb *db, uint64_t *last_page)
{
	MDB_txn *txn;
	MDB_cursor *c;
	MDB_val k, data;
	MDB_envinfo info;
	MDB_stat st;
	uint64_t free_pages = 0, pages;

	(void)mdb_env_info(db->env, &info);
	(void)mdb_env_stat(db->env, &st);
	pages = (uint64_t)info.me_last_pgno + 1;
	*last_page = info.me_last_pgno;
	if (mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn) != 0)
		return pages * st.ms_psize;
	if (mdb_cursor_open(txn, FREE_DBI, &c) == 0) {
		while (mdb_cursor_get(c, &k, &data, MDB_NEXT) == 0) {
			uint64_t n;

			memcpy(&n, data.mv_data, sizeof n);
			free_pages += n;
		}
		mdb_cursor_close(c);
	}
	mdb_txn_abort(txn);
	return (pages - (free_pages < pages ? free_pages : pages)) * st.ms_psize;
}

struct need { uint64_t bytes; uint64_t pages; bool growing; bool flash; };

uint64_t
room_retention_pages(const struct store_op *op)
{
	return op->kind == OP_PURGE ? op->purge.limit * 6ull : op->sweep.limit * 3ull;
}

/* bytes: what the records take. pages: the most that LMDB may write for them. flash: only the disk may refuse it [P-5]. */
static struct need
needs(const struct store_batch *b)
{
	struct need n = {.bytes = 0};

	for (uint32_t i = 0; i < b->count; i++) {
		const struct store_op *op = &b->ops[i];
		uint64_t bytes = 128;

		switch (op->kind) {
		case OP_APPEND:
			bytes = op->append.head.len + op->append.body.len + op->append.wraps.len + 512;
			n.growing = true;
			n.flash = n.flash || op->append.lane == LANE_FLASH;
			break;
		case OP_AGREEMENT: bytes = op->agreement.text.len + op->agreement.sigs.len + 128; n.growing = true; break;
		case OP_EVIDENCE: bytes = op->evidence.bytes.len + 128; n.growing = true; break;
		case OP_SET: bytes = op->set.count * 4ull + 128; break;
		case OP_PURGE:
		case OP_SWEEP: n.pages += room_retention_pages(op); bytes = 0; break;
		case OP_CASE: bytes = op->one_case.bytes.len + 128; break;
		case OP_SUSPENSION: bytes = op->suspension.bytes.len + 128; break;
		case OP_RECALL: bytes = KW_CONTROL_MAX; break; /* the wraps are written again */
		case OP_FOLDED:
		case OP_NODE:
		case OP_CURSOR:
		case OP_SUBSCRIBE:
		case OP_LOG_EPOCH: break;
		}
		n.bytes += bytes;
		n.pages += bytes / 2048 + 4;
	}
	return n;
}

void
room_note(struct recent_batch *r, const struct store_batch *b)
{
	struct need n = needs(b);

	r->pages = n.pages;
	r->lmdb_bytes = n.bytes;
}

/* What comes into LMDB meanwhile may count twice. */
uint64_t
room_used_in_all(struct store_lmdb *s)
{
	uint64_t last_page, bytes;

	(void)pthread_mutex_lock(&s->lock);
	bytes = s->recents.lmdb_bytes;
	(void)pthread_mutex_unlock(&s->lock);
	return bytes + room_used(&s->db, &last_page);
}

static enum kw_err
within_quota(struct store_lmdb *s, uint64_t bytes, struct kw_why *why)
{
	if (bytes <= s->quota_bytes && s->used_bytes <= s->quota_bytes - bytes)
		return KW_OK;
	s->used_bytes = room_used_in_all(s);
	if (bytes <= s->quota_bytes && s->used_bytes <= s->quota_bytes - bytes)
		return KW_OK;
	return kw_refuse(why, KW_EFULL, "the store in %s holds %llu of the %llu MiB it may; raise store.quota or shorten keep in the agreement", s->path,
	                 (unsigned long long)(s->used_bytes >> 20), (unsigned long long)(s->quota_bytes >> 20));
}

static bool
disk_has_less(const struct store_lmdb *s, uint64_t bytes)
{
	struct statvfs disk;

	return statvfs(s->path, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize < bytes;
}

void
room_disk(const struct store_lmdb *s, struct store_sizes *out)
{
	struct statvfs disk;

	if (statvfs(s->path, &disk) != 0)
		return;
	out->disk_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
	out->disk_bytes = (uint64_t)disk.f_blocks * disk.f_frsize;
	out->disk_full = out->disk_free_bytes < RESERVE_BYTES;
}

/* LMDB takes no more than its map, whatever the disk has; pages that are free again count as room. */
static bool
map_has_room(struct store_lmdb *s, uint64_t pages, uint64_t psize)
{
	uint64_t wanted = room_used_in_all(s) + pages * psize + RESERVE_BYTES;

	return wanted <= s->db.map_bytes;
}

/* Never shorter: the store's own thread may have gone further. Both threads come here, one at a time. */
static enum kw_err
grow(struct store_lmdb *s, uint64_t want, struct kw_why *why)
{
	struct stat st;
	int fd, rc;

	if (want <= s->file_bytes)
		return KW_OK;
	if ((rc = mdb_env_get_fd(s->db.env, &fd)) != 0)
		return lmdb_failed(&s->db, rc, "growing", why);
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size > s->file_bytes)
		s->file_bytes = (uint64_t)st.st_size;
	want = (want + CHUNK_BYTES - 1) / CHUNK_BYTES * CHUNK_BYTES;
	if (want <= s->file_bytes)
		return KW_OK;
	rc = fallocate(fd, 0, (off_t)s->file_bytes, (off_t)(want - s->file_bytes));
	if (rc != 0 && errno == EOPNOTSUPP)
		rc = ftruncate(fd, (off_t)want);
	if (rc != 0)
		return lmdb_failed(&s->db, errno, "growing", why);
	s->file_bytes = want;
	return KW_OK;
}

/* Makes the file longer ahead of need: a full disk shows here, where nothing is lost by it. */
static enum kw_err
extend(struct store_lmdb *s, uint64_t pages, bool growing, struct kw_why *why)
{
	uint64_t want, reserve = growing ? RESERVE_BYTES : RESERVE_BYTES / 4;
	MDB_envinfo info;
	enum kw_err err;
	MDB_stat st;

	(void)pthread_mutex_lock(&s->lock);
	pages += s->recents.pages; /* acknowledged already: LMDB must not meet a full disk with them */
	(void)pthread_mutex_unlock(&s->lock);
	(void)mdb_env_info(s->db.env, &info);
	(void)mdb_env_stat(s->db.env, &st);
	pages += TRANSACTION_PAGES;
	want = ((uint64_t)info.me_last_pgno + 1 + pages) * st.ms_psize;
	if (want > s->db.map_bytes && growing && !map_has_room(s, pages, st.ms_psize))
		return kw_refuse(why, KW_EFULL, "the store in %s has no room: its map of %llu MiB is full; shorten keep in the agreement", s->path,
		                 (unsigned long long)(s->db.map_bytes >> 20));
	if (want > s->db.map_bytes)
		want = s->db.map_bytes;
	if (disk_has_less(s, reserve))
		return kw_refuse(why, KW_EFULL, "the disk under %s has less than %llu MiB left; free some", s->path, (unsigned long long)(reserve >> 20));
	(void)pthread_mutex_lock(&s->growing);
	err = grow(s, want, why);
	(void)pthread_mutex_unlock(&s->growing);
	return err;
}

bool
room_for_pages(struct store_lmdb *s, uint64_t pages)
{
	return extend(s, pages, false, NULL) == KW_OK;
}

enum kw_err
room_for(struct store_lmdb *s, const struct store_batch *b, struct kw_why *why)
{
	struct need n = needs(b);
	enum kw_err err;

	if (n.growing && !n.flash && (err = within_quota(s, n.bytes, why)) != KW_OK)
		return err;
	if ((err = extend(s, n.pages, n.growing, why)) != KW_OK)
		return err;
	s->used_bytes += n.bytes;
	return KW_OK;
}
