/* trail: the writer. */
#include "audit/trail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/trail_aside.h"
#include "audit/trail_file.h"
#include "audit/trail_tail.h"
#include "base/fs.h"
#include "base/text.h"

#define SWEEP_AGAIN_MS (3600ull * 1000)
#define N(v) ((unsigned long long)(v))

struct trail {
	char *folder;
	char partnership[256];
	const struct secret_keys *keys;
	const struct audit_sealing *sealing;
	uint32_t keep_years;
	int lock, fd;
	uint32_t year;             /* of the file that is written to; 0: none yet */
	uint64_t size;             /* of it, as far as it is whole */
	bool half;                 /* behind that stands half a line, which could not be taken back yet */
	bool begun;                /* this start, or this file, has its first record */
	bool lost;                 /* a sync failed: what is on disk is not known any more */
	uint64_t number;           /* of the last record */
	uint8_t hash[KW_HASH_LEN]; /* of it */
	uint64_t signed_to;
	bool dirty;                /* something was written and not synced */
	uint64_t dirty_ms, unsigned_ms; /* monotonic, since when; 0: not yet seen by a tick */
	uint64_t look_ms, not_before_ms; /* monotonic: the next tick though nothing comes; none before that, since the last one failed */
	uint32_t swept_year;       /* old files were looked for in this year */
	bool sweep_failed;         /* and could not all be deleted; on the monotonic clock when that is tried again: */
	uint64_t sweep_again_ms;
	char kept[KW_WHY_MAX];     /* why; "" */
	struct { const char *event; char file[TRAIL_ASIDE_MAX], detail[AUDIT_TEXT_MAX + 1]; } found; /* what a start found, until it is recorded; event NULL: nothing */
	char damaged[KW_WHY_MAX];  /* what lies set aside; "" */
};

/* ---- the file ---- */

static enum kw_err
open_year(struct trail *t, uint32_t year, uint64_t size, struct kw_why *why)
{
	char path[TRAIL_PATH_MAX];
	enum kw_err err = trail_path(path, t->folder, year, why);
	int fd;

	if (err != KW_OK)
		return err;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return kw_refuse(why, errno == ENOSPC || errno == EDQUOT ? KW_EFULL : KW_EIO, "%s cannot be opened: %s", path, strerror(errno));
	if (ftruncate(fd, (off_t)size) != 0 || fs_sync(t->folder, NULL) != KW_OK) {
		(void)close(fd);
		return kw_refuse(why, KW_EIO, "%s cannot be written: %s", path, strerror(errno));
	}
	if (t->fd >= 0)
		(void)close(t->fd);
	t->fd = fd;
	t->year = year;
	t->size = size;
	t->half = false;
	return KW_OK;
}

static enum kw_err
take_back_half(struct trail *t, struct kw_why *why)
{
	t->half = ftruncate(t->fd, (off_t)t->size) != 0; /* O_APPEND: the next begins at the end, which is whole again */
	return t->half ? kw_refuse(why, KW_EIO, "the audit trail in %s cannot be written: %s", t->folder, strerror(errno)) : KW_OK;
}

/* Whole or not at all: what a full disk cut is taken back. */
static enum kw_err
put_line(struct trail *t, struct span line, struct kw_why *why)
{
	size_t done = 0;

	if (t->lost)
		return kw_refuse(why, KW_EIO, "the audit trail in %s could not be synced, and nobody knows what of it is on disk: look at the disk, then start again", t->folder);
	if (t->half && take_back_half(t, why) != KW_OK)
		return KW_EIO;
	while (done < line.len) {
		ssize_t n = write(t->fd, line.p + done, line.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int said = errno;

			(void)!take_back_half(t, NULL);
			return kw_refuse(why, said == ENOSPC || said == EDQUOT || said == EFBIG ? KW_EFULL : KW_EIO, "the audit trail in %s cannot be written: %s", t->folder, strerror(said));
		}
		done += (size_t)n;
	}
	t->size += line.len;
	t->dirty = true;
	return KW_OK;
}

/* ---- records and heads ---- */

static enum kw_err
sign(struct trail *t, uint64_t now_ms, struct kw_why *why)
{
	const struct public_key *mine = secret_keys_public(t->keys);
	struct audit_owner owner = {t->partnership, mine->name, (uint8_t)mine->mode};
	struct audit_head head = {.number = t->number, .time_ms = now_ms};
	struct buf line = BUF_INIT(1024);
	enum kw_err err;

	if (t->signed_to == t->number)
		return KW_OK;
	memcpy(head.hash, t->hash, KW_HASH_LEN);
	if (!audit_head_sign(&head, &owner, secret_keys_sign(t->keys)))
		return kw_refuse(why, KW_ENOMEM, "out of memory for the audit trail");
	err = audit_head_put(&line, &head, why);
	if (err == KW_OK)
		err = put_line(t, buf_span(&line), why);
	buf_free(&line);
	if (err == KW_OK) {
		t->signed_to = t->number;
		t->unsigned_ms = 0;
	}
	return err;
}

static enum kw_err
add(struct trail *t, const struct audit_record *r, uint64_t now_ms, struct kw_why *why)
{
	struct audit_record one = *r;
	struct buf line = BUF_INIT(AUDIT_LINE_MAX);
	uint8_t hash[KW_HASH_LEN];
	enum kw_err err;

	if (t->number - t->signed_to >= TRAIL_HEAD_RECORDS && (err = sign(t, now_ms, why)) != KW_OK)
		return err;
	one.number = t->number + 1;
	one.time_ms = now_ms;
	err = audit_record_put(&line, hash, &one, t->hash, t->sealing, secret_keys_local(t->keys), why);
	if (err == KW_OK)
		err = put_line(t, buf_span(&line), why);
	buf_free(&line);
	if (err != KW_OK)
		return err;
	t->number++;
	memcpy(t->hash, hash, KW_HASH_LEN);
	return KW_OK;
}

/* Who writes here: the first record of every file, and of every start. */
static enum kw_err
begin(struct trail *t, uint64_t now_ms, struct kw_why *why)
{
	struct audit_record r = {.event = "begin", .actor = "daemon", .object = t->partnership, .detail = secret_keys_line(t->keys)};
	enum kw_err err = add(t, &r, now_ms, why);

	t->begun = err == KW_OK;
	return err;
}

static enum kw_err
tell_found(struct trail *t, uint64_t now_ms, struct kw_why *why)
{
	struct audit_record r = {.event = t->found.event, .actor = "daemon", .object = t->found.file, .detail = t->found.detail};
	enum kw_err err;

	if (t->found.event == NULL)
		return KW_OK;
	err = add(t, &r, now_ms, why);
	if (err == KW_OK)
		t->found.event = NULL;
	return err;
}

/* ---- years ---- */

/* The last number of what goes, and its hash: what the file behind it has before its first record says so even where its own end cannot be read. */
static enum kw_err
last_of(struct tail *out, const struct trail *t, uint32_t year, uint32_t next, struct kw_why *why)
{
	char path[TRAIL_PATH_MAX];
	enum kw_err err = trail_path(path, t->folder, next, why);
	uint64_t first = 0;

	*out = (struct tail){.number = 0};
	if (err == KW_OK && (err = tail_first(&first, out->hash, path, why)) == KW_OK && first > 1) {
		out->number = first - 1;
		return KW_OK;
	}
	if (err == KW_OK || err == KW_ENOTFOUND)
		err = trail_path(path, t->folder, year, why);
	return err == KW_OK ? tail_read(out, path, t->partnership, secret_keys_public(t->keys), why) : err;
}

/* The record first, on disk and signed; then the file. A crash between does it once more. */
static enum kw_err
remove_year(struct trail *t, uint32_t year, uint32_t next, uint64_t now_ms, struct kw_why *why)
{
	char path[TRAIL_PATH_MAX], last[24], hash[2 * KW_HASH_LEN + 1];
	struct audit_record r = {.event = "years_removed", .actor = "daemon", .object = last, .detail = hash};
	struct tail tail;
	enum kw_err err = trail_path(path, t->folder, year, why);

	if (err == KW_OK)
		err = last_of(&tail, t, year, next, why);
	if (err != KW_OK) {
		kw_why_prefix(why, "%s", path);
		return err;
	}
	if (tail.number > 0) {
		(void)snprintf(last, sizeof last, "%llu", N(tail.number));
		text_put_hex(hash, span_of(tail.hash, KW_HASH_LEN));
		if ((err = add(t, &r, now_ms, why)) != KW_OK || (err = trail_head(t, now_ms, why)) != KW_OK)
			return err;
	}
	if (unlink(path) != 0)
		return kw_refuse(why, KW_EIO, "%s cannot be deleted: %s", path, strerror(errno));
	return fs_sync(t->folder, why);
}

static enum kw_err
remove_years(struct trail *t, uint64_t now_ms, struct kw_why *why)
{
	uint32_t over = t->year > t->keep_years ? t->year - t->keep_years : 0; /* what lies before this year goes */
	struct trail_years years;
	enum kw_err err = trail_years(&years, t->folder, why), first = trail_aside_remove(t->folder, over, why);

	if (err != KW_OK)
		return err;
	for (uint32_t i = 0; i + 1 < years.count && years.year[i] < over; i++) { /* one that stays keeps no other */
		struct kw_why own;

		if ((err = remove_year(t, years.year[i], years.year[i + 1], now_ms, &own)) == KW_OK || first != KW_OK)
			continue;
		first = err;
		*why = own;
	}
	return first;
}

/* What cannot be deleted keeps nobody from recording: it is told, and tried again. */
static void
sweep(struct trail *t, uint64_t now_ms)
{
	struct kw_why why;

	if (t->swept_year == t->year || !t->begun)
		return;
	t->kept[0] = '\0';
	t->sweep_failed = remove_years(t, now_ms, &why) != KW_OK;
	t->sweep_again_ms = 0;
	t->swept_year = t->year;
	if (t->sweep_failed)
		(void)snprintf(t->kept, sizeof t->kept, "%.420s; it should be gone, since its time is over", why.text);
}

static void
sweep_again(struct trail *t, uint64_t now_ms, uint64_t mono_ms)
{
	if (!t->sweep_failed)
		return;
	if (t->sweep_again_ms == 0)
		t->sweep_again_ms = mono_ms + SWEEP_AGAIN_MS;
	if (mono_ms < t->sweep_again_ms)
		return;
	t->swept_year = 0;
	sweep(t, now_ms);
}

/* A clock that is set back writes on in the newest year. */
static enum kw_err
turn_year(struct trail *t, uint64_t now_ms, struct kw_why *why)
{
	uint32_t year = trail_year_of(now_ms);
	enum kw_err err;

	if (year <= t->year)
		return KW_OK;
	if (t->year > 0 && t->begun && (err = trail_head(t, now_ms, why)) != KW_OK)
		return err;
	if ((err = open_year(t, year, 0, why)) != KW_OK)
		return err;
	t->begun = false;
	return KW_OK;
}

/* The file of this year, with the record that each file and each start begins with, and what the start found. */
static enum kw_err
make_ready(struct trail *t, uint64_t now_ms, struct kw_why *why)
{
	enum kw_err err = turn_year(t, now_ms, why);

	if (err == KW_OK && !t->begun)
		err = begin(t, now_ms, why);
	if (err == KW_OK)
		err = tell_found(t, now_ms, why);
	if (err == KW_OK)
		sweep(t, now_ms);
	return err;
}

/* ---- what is asked from outside ---- */

enum kw_err
trail_add(struct trail *t, const struct audit_record *r, uint64_t now_ms, struct kw_why *why)
{
	enum kw_err err = make_ready(t, now_ms, why);

	return err == KW_OK ? add(t, r, now_ms, why) : err;
}

enum kw_err
trail_sync(struct trail *t, struct kw_why *why)
{
	if (!t->dirty)
		return KW_OK;
	if (t->lost || fdatasync(t->fd) != 0) { /* the system may take it for written from now on: a second sync would say nothing */
		t->lost = true;
		return kw_refuse(why, KW_EIO, "the audit trail in %s could not be synced, and nobody knows what of it is on disk: look at the disk, then start again", t->folder);
	}
	t->dirty = false;
	t->dirty_ms = 0;
	return KW_OK;
}

enum kw_err
trail_head(struct trail *t, uint64_t now_ms, struct kw_why *why)
{
	enum kw_err err = sign(t, now_ms, why);

	return err == KW_OK ? trail_sync(t, why) : err;
}

static enum kw_err
tick(struct trail *t, uint64_t now_ms, uint64_t mono_ms, struct kw_why *why)
{
	enum kw_err err = make_ready(t, now_ms, why);

	if (err != KW_OK)
		return err;
	sweep_again(t, now_ms, mono_ms);
	if (t->signed_to < t->number && t->unsigned_ms == 0)
		t->unsigned_ms = mono_ms;
	if (t->dirty && t->dirty_ms == 0)
		t->dirty_ms = mono_ms;
	if (t->signed_to < t->number && mono_ms - t->unsigned_ms >= TRAIL_HEAD_MS)
		return trail_head(t, now_ms, why);
	return t->dirty && mono_ms - t->dirty_ms >= TRAIL_SYNC_MS ? trail_sync(t, why) : KW_OK;
}

enum kw_err
trail_tick(struct trail *t, uint64_t now_ms, uint64_t mono_ms, struct kw_why *why)
{
	enum kw_err err = tick(t, now_ms, mono_ms, why);

	t->look_ms = mono_ms + TRAIL_LOOK_MS;
	t->not_before_ms = err == KW_OK ? 0 : mono_ms + TRAIL_SYNC_MS; /* what fails is not tried all the time */
	return err;
}

uint64_t
trail_wake_ms(const struct trail *t)
{
	uint64_t sync = t->dirty ? (t->dirty_ms == 0 ? 0 : t->dirty_ms + TRAIL_SYNC_MS) : t->look_ms;
	uint64_t head = t->signed_to < t->number ? (t->unsigned_ms == 0 ? 0 : t->unsigned_ms + TRAIL_HEAD_MS) : t->look_ms;
	uint64_t first = sync < head ? sync : head;

	return first > t->not_before_ms ? first : t->not_before_ms;
}

const char *trail_trouble(const struct trail *t) { return t->damaged[0] != '\0' ? t->damaged : t->kept[0] != '\0' ? t->kept : NULL; }
uint64_t trail_number(const struct trail *t) { return t->number; }
const char *trail_folder(const struct trail *t) { return t->folder; }
const struct audit_sealing *trail_sealing(const struct trail *t) { return t->sealing; }

/* ---- begin and end ---- */

static void
found(struct trail *t, const char *event, const char *file, const char *detail)
{
	t->found.event = event;
	(void)snprintf(t->found.file, sizeof t->found.file, "%s", file);
	audit_text_fit(t->found.detail, detail); /* it may quote whatever stands in the file */
}

/* Changed once it had been signed: no crash does that. The file is kept as it is, for whoever looks into it, and another begins. */
static enum kw_err
set_aside(struct trail *t, const struct tail *tail, uint32_t year, struct kw_why *why)
{
	char name[TRAIL_ASIDE_MAX];
	enum kw_err err = trail_aside_rename(name, t->folder, year, why);

	if (err != KW_OK)
		return err;
	found(t, "damaged", name, tail->why);
	return open_year(t, year, 0, why);
}

/*
 * How the newest file goes on. What a crash leaves (half a line, or whatever stands where the last lines did not reach the disk) is cut off; more
 * than half a line is kept beside it.
 */
static enum kw_err
go_on(struct trail *t, const struct tail *tail, uint32_t year, struct kw_why *why)
{
	char name[TRAIL_ASIDE_MAX], detail[128];
	enum kw_err err;

	if (tail->why[0] == '\0')
		return open_year(t, year, tail->whole, why);
	if (tail->changed)
		return set_aside(t, tail, year, why);
	if (tail->torn) {
		found(t, "torn", "", "a line that was not whole was cut off at the start");
		return open_year(t, year, tail->whole, why);
	}
	err = trail_aside_copy(name, t->folder, year, tail->whole, why);
	if (err == KW_EFULL)
		return set_aside(t, tail, year, why);
	if (err != KW_OK)
		return err;
	(void)snprintf(detail, sizeof detail, "%llu bytes at the end, not signed yet, were no records: kept in that file and cut off at the start", N(tail->size - tail->whole));
	found(t, "torn", name, detail);
	return open_year(t, year, tail->whole, why);
}

/* What was set aside goes further than what stands here: nothing came behind it yet. */
static void
go_behind_aside(struct trail *t, struct tail *tail)
{
	char name[TRAIL_ASIDE_MAX];
	struct tail aside;

	trail_aside_end(&aside, name, t->folder, t->partnership, secret_keys_public(t->keys));
	if (aside.number <= tail->number)
		return;
	*tail = aside;
	found(t, "damaged", name, aside.why);
}

static enum kw_err
find_end(struct trail *t, struct kw_why *why)
{
	struct trail_years years;
	struct tail tail = {.number = 0};
	char path[TRAIL_PATH_MAX];
	enum kw_err err = trail_years(&years, t->folder, why);

	/* The newest may hold no whole record: then the one before it says how to go on. */
	for (uint32_t i = years.count; err == KW_OK && i > 0 && tail.number == 0; i--) {
		if ((err = trail_path(path, t->folder, years.year[i - 1], why)) != KW_OK ||
		    (err = tail_read(&tail, path, t->partnership, secret_keys_public(t->keys), why)) != KW_OK)
			return err;
		if (i == years.count)
			err = go_on(t, &tail, years.year[i - 1], why);
	}
	if (err != KW_OK)
		return err;
	go_behind_aside(t, &tail);
	t->number = tail.number;
	t->signed_to = tail.signed_to < tail.number ? tail.signed_to : tail.number;
	memcpy(t->hash, tail.hash, KW_HASH_LEN);
	return trail_aside_tell(t->damaged, t->folder, why);
}

enum kw_err
trail_open(struct trail **out, const struct trail_config *config, uint64_t now_ms, struct kw_why *why)
{
	struct trail *t = calloc(1, sizeof *t);
	enum kw_err err;

	if (t == NULL || (t->folder = strdup(config->folder)) == NULL) {
		free(t);
		return kw_refuse(why, KW_ENOMEM, "out of memory for the audit trail");
	}
	t->lock = t->fd = -1;
	t->keys = config->keys;
	t->sealing = config->sealing;
	t->keep_years = config->keep_years;
	(void)snprintf(t->partnership, sizeof t->partnership, "%s", config->partnership);
	if ((err = fs_folder(t->folder, why)) == KW_OK && (err = fs_lock(&t->lock, t->folder, why)) == KW_OK && (err = find_end(t, why)) == KW_OK &&
	    (err = make_ready(t, now_ms, why)) == KW_OK)
		err = trail_head(t, now_ms, why);
	if (err != KW_OK && err != KW_EFULL) { /* a full disk is told by whatever is to be recorded, and may have room by then */
		trail_close(&t, 0);
		return err;
	}
	*out = t;
	return KW_OK;
}

/* now_ms 0: as it stands. */
void
trail_close(struct trail **trail, uint64_t now_ms)
{
	struct trail *t = *trail;
	struct kw_why why;

	if (t == NULL)
		return;
	if (t->fd >= 0 && now_ms > 0)
		(void)!trail_head(t, now_ms, &why);
	if (t->fd >= 0)
		(void)close(t->fd);
	if (t->lock >= 0)
		(void)close(t->lock);
	free(t->folder);
	free(t);
	*trail = NULL;
}
