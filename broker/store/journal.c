/* journal: see its header. */
#include "broker/store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/fs.h"

/* A record: magic, length of what it carries (32), number (64), sum of the one before (16), sum of all that (8), sum of the whole (16). */
#define MAGIC "KWJ1"
#define OFF_LEN 4u
#define OFF_NUMBER 8u
#define OFF_BEFORE 16u
#define OFF_HEAD_SUM 32u
#define OFF_SUM 40u

struct journal {
	int fd;
	char path[PATH_MAX];
	uint64_t bytes, seed;
	struct journal_place next;
	uint64_t free_from;          /* place of the oldest record that counts; next.at where none does */
	uint64_t used;
};

static uint64_t
paged(uint64_t len)
{
	return (len + JOURNAL_PAGE - 1) / JOURNAL_PAGE * JOURNAL_PAGE;
}

static enum kw_err
no_journal(const struct journal *j, struct kw_why *why)
{
	return kw_refuse(why, KW_ECORRUPT, "%s is missing, although this store was not ended cleanly and something of it may stand there alone; restore the folder from the last backup",
	                 j->path);
}

static enum kw_err
failed(const struct journal *j, const char *doing, struct kw_why *why)
{
	return kw_refuse(why, errno == ENOSPC || errno == EDQUOT ? KW_EFULL : KW_EIO, "%s cannot be %s: %s; look at the disk and the system's log", j->path, doing,
	                 strerror(errno));
}

/* ---- whole reads and writes ---- */

/* How much of it was written: all, or errno says why not. */
static size_t
write_at(int fd, const uint8_t *p, size_t len, uint64_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, p + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? EIO : errno;
			break;
		}
		done += (size_t)n;
	}
	return done;
}

static bool
read_at(int fd, uint8_t *p, size_t len, uint64_t at)
{
	while (len > 0) {
		ssize_t n = pread(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? EIO : errno;
			return false;
		}
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return true;
}

/* ---- making and opening ---- */

static enum kw_err
fill_with_zeros(const struct journal *j, int fd, uint64_t bytes, struct kw_why *why)
{
	static const uint8_t zeros[16 * JOURNAL_PAGE];

	for (uint64_t at = 0; at < bytes; at += sizeof zeros) {
		size_t len = bytes - at < sizeof zeros ? (size_t)(bytes - at) : sizeof zeros;

		if (write_at(fd, zeros, len, at) != len)
			return failed(j, "made", why);
	}
	return fsync(fd) == 0 ? KW_OK : failed(j, "made", why);
}

/* Whole under its name or not at all. */
static enum kw_err
make(const struct journal *j, const char *folder, uint64_t bytes, struct kw_why *why)
{
	char part[PATH_MAX];
	enum kw_err err;
	int fd;

	if (snprintf(part, sizeof part, "%s.part", j->path) >= (int)sizeof part)
		return kw_refuse(why, KW_ELIMIT, "%s is too long a path", folder);
	fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return failed(j, "made", why);
	err = fill_with_zeros(j, fd, bytes, why);
	(void)close(fd);
	if (err == KW_OK && rename(part, j->path) != 0)
		err = failed(j, "made", why);
	if (err != KW_OK) {
		(void)unlink(part);
		return err;
	}
	return fs_sync(folder, why);
}

static enum kw_err
find_or_make(struct journal *j, const char *folder, uint64_t bytes, bool may_make, struct kw_why *why)
{
	struct stat st;

	if (lstat(j->path, &st) == 0)
		return KW_OK;
	if (errno != ENOENT)
		return failed(j, "opened", why);
	return may_make ? make(j, folder, bytes, why) : no_journal(j, why);
}

static enum kw_err
begin(struct journal *j, struct kw_why *why)
{
	struct stat st;

	j->fd = open(j->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (j->fd < 0 || fstat(j->fd, &st) != 0)
		return failed(j, "opened", why);
	j->bytes = (uint64_t)st.st_size;
	if (!S_ISREG(st.st_mode) || j->bytes < JOURNAL_PAGE || j->bytes % JOURNAL_PAGE != 0 || j->next.at % JOURNAL_PAGE != 0)
		return kw_refuse(why, KW_ECORRUPT, "%s is not the journal of this store; restore the folder from the last backup", j->path);
	if (j->next.at > j->bytes)
		j->next.at = 0;
	j->free_from = j->next.at;
	/* What a killed broker wrote last may be seen and not be on disk yet. */
	return fsync(j->fd) == 0 ? KW_OK : failed(j, "synced", why);
}

enum kw_err
journal_open(struct journal **out, const char *folder, uint64_t bytes, bool may_make, uint64_t seed, const struct journal_place *next, struct kw_why *why)
{
	struct journal *j = calloc(1, sizeof *j);
	enum kw_err err;

	MUST(bytes >= JOURNAL_PAGE && bytes % JOURNAL_PAGE == 0);
	if (j == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the journal in %s", folder);
	j->fd = -1;
	j->seed = seed;
	j->next = *next;
	if (snprintf(j->path, sizeof j->path, "%s/journal", folder) >= (int)sizeof j->path)
		err = kw_refuse(why, KW_ELIMIT, "%s is too long a path", folder);
	else if ((err = find_or_make(j, folder, bytes, may_make, why)) == KW_OK)
		err = begin(j, why);
	if (err != KW_OK) {
		journal_close(&j);
		return err;
	}
	*out = j;
	return KW_OK;
}

void
journal_close(struct journal **j)
{
	if (*j == NULL)
		return;
	if ((*j)->fd >= 0)
		(void)close((*j)->fd);
	free(*j);
	*j = NULL;
}

/* ---- records ---- */

static uint64_t
head_sum(const struct journal *j, const uint8_t *record)
{
	return XXH3_64bits_withSeed(record, OFF_HEAD_SUM, j->seed);
}

static void
sum(uint8_t out[JOURNAL_SUM], const struct journal *j, const uint8_t *record, size_t len)
{
	XXH128_canonical_t packed;

	XXH128_canonicalFromHash(&packed, XXH3_128bits_withSeed(record + JOURNAL_HEAD, len - JOURNAL_HEAD, head_sum(j, record)));
	memcpy(out, packed.digest, JOURNAL_SUM);
}

/* Whole and whole only, and its number. KW_ENOTFOUND: none stands there. */
static enum kw_err
record_at(const struct journal *j, uint64_t at, struct buf *out, uint64_t *number, struct kw_why *why)
{
	uint8_t want[JOURNAL_SUM], *p;
	uint64_t len;

	buf_reset(out);
	if (at >= j->bytes || (p = buf_reserve(out, JOURNAL_PAGE)) == NULL)
		return at >= j->bytes ? KW_ENOTFOUND : kw_refuse(why, KW_ENOMEM, "out of memory for the journal");
	if (!read_at(j->fd, p, JOURNAL_PAGE, at))
		return failed(j, "read", why);
	len = (uint64_t)be32_get(p + OFF_LEN) + JOURNAL_HEAD;
	*number = be64_get(p + OFF_NUMBER);
	if (memcmp(p, MAGIC, 4) != 0 || be64_get(p + OFF_HEAD_SUM) != head_sum(j, p) || len > j->bytes - at)
		return KW_ENOTFOUND;
	buf_commit(out, len < JOURNAL_PAGE ? (size_t)len : JOURNAL_PAGE);
	if (len > JOURNAL_PAGE) {
		if ((p = buf_reserve(out, (size_t)len - JOURNAL_PAGE)) == NULL)
			return kw_refuse(why, KW_ENOMEM, "out of memory for the journal");
		if (!read_at(j->fd, p, (size_t)len - JOURNAL_PAGE, at + JOURNAL_PAGE))
			return failed(j, "read", why);
		buf_commit(out, (size_t)len - JOURNAL_PAGE);
	}
	sum(want, j, out->p, out->len);
	return memcmp(want, out->p + OFF_SUM, JOURNAL_SUM) == 0 ? KW_OK : KW_ENOTFOUND;
}

static bool
follows(const struct journal *j, const struct buf *record)
{
	return be64_get(record->p + OFF_NUMBER) == j->next.number && memcmp(record->p + OFF_BEFORE, j->next.before, JOURNAL_SUM) == 0;
}

static void
take(struct journal *j, uint64_t at, const struct buf *record)
{
	uint64_t end = at + paged(record->len);

	j->used += at < j->next.at ? j->bytes - j->next.at + end : end - j->next.at;
	j->next.number++;
	j->next.at = end;
	memcpy(j->next.before, record->p + OFF_SUM, JOURNAL_SUM);
}

/* Nothing follows: is that the end? */
static enum kw_err
nothing_later(const struct journal *j, struct buf *scratch, struct kw_why *why)
{
	uint64_t number = 0;

	for (uint64_t at = 0; at < j->bytes; at += JOURNAL_PAGE) {
		enum kw_err err = record_at(j, at, scratch, &number, why);

		if (err == KW_OK && number >= j->next.number)
			return kw_refuse(why, KW_ECORRUPT, "%s holds what is newer than data.mdb beside it and does not follow from it: one of the two is damaged, or comes from elsewhere; restore both from the last backup",
			                 j->path);
		if (err != KW_OK && err != KW_ENOTFOUND)
			return err;
	}
	return KW_ENOTFOUND;
}

enum kw_err
journal_read(struct journal *j, struct buf *out, struct kw_why *why)
{
	const uint64_t places[2] = {j->next.at, 0};
	uint64_t number;

	for (unsigned i = 0; i < 2; i++) {
		enum kw_err err = record_at(j, places[i], out, &number, why);

		if (err == KW_OK && follows(j, out)) {
			take(j, places[i], out);
			return KW_OK;
		}
		if (err != KW_OK && err != KW_ENOTFOUND)
			return err;
	}
	return nothing_later(j, out, why);
}

/* ---- appending ---- */

bool
journal_holds(const struct journal *j, size_t len)
{
	return paged(len) <= j->bytes / 2;
}

uint64_t
journal_place_for(const struct journal *j, size_t record_len)
{
	uint64_t len = paged(record_len);

	if (j->used > 0 && j->next.at <= j->free_from) /* wrapped: what counts lies behind */
		return j->free_from - j->next.at >= len ? j->next.at : JOURNAL_NO_ROOM;
	if (j->bytes - j->next.at >= len)
		return j->next.at;
	return (j->used == 0 ? j->bytes : j->free_from) >= len ? 0 : JOURNAL_NO_ROOM;
}

static void
seal_head(const struct journal *j, struct buf *record)
{
	memcpy(record->p, MAGIC, 4);
	be32_put(record->p + OFF_LEN, (uint32_t)(record->len - JOURNAL_HEAD));
	be64_put(record->p + OFF_NUMBER, j->next.number);
	memcpy(record->p + OFF_BEFORE, j->next.before, JOURNAL_SUM);
	be64_put(record->p + OFF_HEAD_SUM, head_sum(j, record->p));
	sum(record->p + OFF_SUM, j, record->p, record->len);
}

enum kw_err
journal_append(struct journal *j, struct buf *record, uint64_t at, struct kw_why *why)
{
	size_t len = record->len, pad = (size_t)(paged(len) - len), written;
	uint8_t *zeros;

	MUST(len > JOURNAL_HEAD && at % JOURNAL_PAGE == 0 && at < j->bytes && j->bytes - at >= len + pad);
	if ((zeros = buf_reserve(record, pad)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the journal");
	memset(zeros, 0, pad);
	seal_head(j, record);
	written = write_at(j->fd, record->p, len + pad, at);
	if (written < len + pad) {
		enum kw_err err = failed(j, "written", why);

		return written == 0 ? err : KW_EIO; /* a part of it might be taken for the whole */
	}
	if (fdatasync(j->fd) == 0)
		return KW_OK;
	(void)failed(j, "synced", why);
	return KW_EIO; /* whatever the reason: what became of it nobody knows */
}

struct journal_place
journal_pass(struct journal *j, struct buf *record)
{
	struct journal_place after = {.number = j->next.number + 1, .at = j->next.at};

	MUST(j->used == 0);
	seal_head(j, record);
	memcpy(after.before, record->p + OFF_SUM, JOURNAL_SUM);
	return after;
}

void
journal_passed(struct journal *j, const struct journal_place *after)
{
	j->next = *after;
	j->free_from = after->at;
}

void
journal_advance(struct journal *j, const struct buf *record, uint64_t at)
{
	take(j, at, record);
}

struct journal_place journal_next(const struct journal *j) { return j->next; }
uint64_t journal_used(const struct journal *j) { return j->used; }
uint64_t journal_bytes(const struct journal *j) { return j->bytes; }

void
journal_applied(struct journal *j, const struct journal_place *upto)
{
	if (upto->number == j->next.number)
		j->used = 0;
	else
		j->used = j->next.at > upto->at ? j->next.at - upto->at : j->bytes - upto->at + j->next.at;
	j->free_from = upto->at;
}
