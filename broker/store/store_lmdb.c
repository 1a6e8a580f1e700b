/* store_lmdb: opens and closes the store on LMDB; the work is in the files beside it. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "broker/store/store_lmdb_parts.h"

/* A store that a deep damage ends again and again is looked at as a whole after so many starts without a clean end. */
#define STARTS_BEFORE_WHOLE 5u
#define JOURNAL_BYTES (32ull << 20)
#define JOURNAL_LEAST (1ull << 20)
#define APPLY_AFTER_MS 2000u
#define REPLAY_BYTES (4ull << 20)  /* of records in one transaction */

static void
close_store(struct store *base)
{
	struct store_lmdb *s = lmdb_of(base);

	store_follow_end(s);
	if (s->reader != NULL)
		mdb_txn_abort(s->reader);
	if (s->asker != NULL)
		mdb_txn_abort(s->asker);
	if (s->decider != NULL)
		mdb_txn_abort(s->decider);
	env_close(&s->db);
	journal_close(&s->journal);
	files_close(&s->files, !s->lost);
	if (s->has_lock) {
		(void)pthread_cond_destroy(&s->applied_more);
		(void)pthread_cond_destroy(&s->work);
		(void)pthread_mutex_destroy(&s->growing);
		(void)pthread_mutex_destroy(&s->lock);
	}
	recent_clear(&s->recents);
	free(s->seen);
	free(s->known);
	free(s->leaves);
	free(s);
}

static enum kw_err
make_lock(struct store_lmdb *s, struct kw_why *why)
{
	pthread_condattr_t clock;

	if (pthread_condattr_init(&clock) != 0)
		return kw_refuse(why, KW_ENOMEM, "out of memory at the store in %s", s->path);
	(void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	if (pthread_mutex_init(&s->lock, NULL) != 0)
		goto no_mutex;
	if (pthread_mutex_init(&s->growing, NULL) != 0)
		goto no_growing;
	if (pthread_cond_init(&s->work, &clock) != 0)
		goto no_work;
	if (pthread_cond_init(&s->applied_more, &clock) != 0)
		goto no_applied;
	(void)pthread_condattr_destroy(&clock);
	s->has_lock = true;
	return KW_OK;
no_applied:
	(void)pthread_cond_destroy(&s->work);
no_work:
	(void)pthread_mutex_destroy(&s->growing);
no_growing:
	(void)pthread_mutex_destroy(&s->lock);
no_mutex:
	(void)pthread_condattr_destroy(&clock);
	return kw_refuse(why, KW_ENOMEM, "out of memory at the store in %s", s->path);
}

static const struct store_ops ops = {
	.commit = store_lmdb_commit,
	.read = store_lmdb_read,
	.read_done = store_lmdb_read_done,
	.heads = store_lmdb_heads,
	.proof = store_lmdb_proof,
	.find = store_lmdb_find,
	.commit_hash = store_lmdb_commit_hash,
	.commit_time = store_lmdb_commit_time,
	.sizes = store_lmdb_sizes,
	.scrub = store_lmdb_scrub,
	.copy = store_lmdb_copy,
	.format = STORE_FORMAT,
	.close = close_store,
};

/* The first start: tables, format, state and log epoch 1. The format comes with them, in one transaction. */
static enum kw_err
write_first(struct store_lmdb *s, const char *partnership, struct kw_why *why)
{
	struct log_state st = {.log_epoch = 1};
	uint8_t packed[STATE_LEN] = {0}, start[8 * KW_LANES] = {0};
	struct span state = span_of(packed, sizeof packed), epoch = span_of(start, sizeof start);
	struct key state_key = key_word("state"), epoch_key = key_of_u32(1);
	MDB_txn *txn;
	enum kw_err err = KW_OK;
	int rc = mdb_txn_begin(s->db.env, NULL, 0, &txn);

	if (rc != 0)
		return lmdb_failed(&s->db, rc, "making the store", why);
	for (unsigned t = 0; rc == 0 && t < T_COUNT; t++)
		rc = mdb_dbi_open(txn, table_name(t), MDB_CREATE, &s->db.dbi[t]);
	if (rc != 0)
		err = lmdb_failed(&s->db, rc, "making the store", why);
	if (err == KW_OK)
		err = format_write(&s->db, txn, partnership, why);
	state_pack(packed, &st);
	for (unsigned i = 0; i < KW_LANES; i++)
		be64_put(start + 8 * i, 1);
	if (err == KW_OK)
		err = record_put(&s->db, txn, T_META, &state_key, &state, 1, PUT_ANYWHERE, why);
	if (err == KW_OK)
		err = record_put(&s->db, txn, T_EPOCHS, &epoch_key, &epoch, 1, PUT_ANYWHERE, why);
	if (err != KW_OK) {
		mdb_txn_abort(txn);
		return err;
	}
	rc = mdb_txn_commit(txn);
	return rc == 0 ? KW_OK : lmdb_failed(&s->db, rc, "making the store", why);
}

/* A power cut in the middle leaves no half of it that the next start could not tell from damage. */
static enum kw_err
make_first(struct store_lmdb *s, const char *partnership, struct kw_why *why)
{
	char copy[PATH_MAX];
	enum kw_err err = copy_begin(copy, s->path, why);

	if (err != KW_OK)
		return err;
	err = env_open(&s->db, copy, true, 0, why);
	if (err == KW_OK)
		err = write_first(s, partnership, why);
	env_close(&s->db);
	return copy_end(s->path, copy, err, why);
}

/* An environment without a single table is one whose first start did not come to its end, at a broker that made it in its place. */
static bool
nothing_in_it(MDB_env *env)
{
	MDB_stat st;

	return mdb_env_stat(env, &st) == 0 && st.ms_entries == 0;
}

static enum kw_err
open_env(struct store_lmdb *s, const struct store_lmdb_config *config, struct kw_why *why)
{
	enum kw_err err;

	if (s->files.mark == MARK_LOST && !s->files.fresh && (err = recover_copy(s->path, config->partnership, config->working, why)) != KW_OK)
		return err;
	if (s->files.fresh && (err = make_first(s, config->partnership, why)) != KW_OK)
		return err;
	if ((err = env_open(&s->db, s->path, true, s->files.needed_bytes, why)) != KW_OK)
		return err;
	s->files.fresh = nothing_in_it(s->db.env);
	env_close(&s->db);
	if (s->files.fresh && (err = make_first(s, config->partnership, why)) != KW_OK)
		return err;
	if ((err = check_apart(s->path, config->partnership, s->files.starts >= STARTS_BEFORE_WHOLE, config->working, why)) != KW_OK)
		return err;
	if (s->files.starts >= STARTS_BEFORE_WHOLE)
		s->files.starts = 0;
	if ((err = env_open(&s->db, s->path, true, s->files.needed_bytes, why)) != KW_OK)
		return err;
	return env_tables(&s->db, why);
}

/* used: by the store already, which counts as free where the disk decides. */
static enum kw_err
take_quota(struct store_lmdb *s, uint64_t bytes, uint64_t used, struct kw_why *why)
{
	struct statvfs disk;

	if (bytes == 0) {
		if (statvfs(s->path, &disk) != 0)
			return kw_refuse(why, KW_EIO, "the disk of %s cannot be asked for its room", s->path);
		bytes = ((uint64_t)disk.f_bavail * disk.f_frsize + used) / 5 * 4;
	}
	s->quota_bytes = bytes < s->db.map_bytes / 10 * 9 ? bytes : s->db.map_bytes / 10 * 9;
	return KW_OK;
}

enum kw_err
store_lmdb_quota(struct store *store, uint64_t quota_bytes, struct kw_why *why)
{
	struct store_lmdb *s = (struct store_lmdb *)store;
	struct store_sizes sizes;

	store->ops->sizes(store, &sizes);
	return take_quota(s, quota_bytes, sizes.used_bytes, why);
}

/* Smaller where the disk is: it is no more than room to wait in. */
static enum kw_err
open_journal(struct store_lmdb *s, const struct store_lmdb_config *config, struct kw_why *why)
{
	uint64_t bytes = config->journal_bytes != 0 ? config->journal_bytes : JOURNAL_BYTES;

	while (config->journal_bytes == 0 && bytes > JOURNAL_LEAST && bytes > s->quota_bytes / 16)
		bytes /= 2;
	s->apply_after_ms = config->apply_after_ms != 0 ? config->apply_after_ms : APPLY_AFTER_MS;
	return journal_open(&s->journal, s->path, bytes, s->files.nothing_pending, s->db.sum_seed, &s->applied.journal, why);
}

static enum kw_err
replay_one(struct work *w, struct buf *record, struct kw_why *why)
{
	struct recent_batch *b;
	enum kw_err err = recent_of_record(&b, record);

	if (err == KW_ENOMEM)
		return kw_refuse(why, err, "out of memory at the store in %s", w->s->path);
	if (err != KW_OK)
		return kw_refuse(why, err, "a record of the journal in %s cannot be read; restore the folder from the last backup", w->s->path);
	err = store_apply(w, b);
	recent_free(&b);
	return err == KW_ENOTFOUND ? KW_ECORRUPT : err;
}

/* A few batches, as one transaction; the first one is read already. KW_ENOTFOUND: that was all there was. */
static enum kw_err
replay_some(struct store_lmdb *s, struct buf *record, struct kw_why *why)
{
	struct work w = {.s = s};
	struct journal_place after = s->applied.journal;
	enum kw_err err = store_apply_begin(&w, why), end;
	uint64_t bytes = 0;

	if (err != KW_OK)
		return err;
	while (err == KW_OK && bytes < REPLAY_BYTES) {
		bytes += record->len;
		after = journal_next(s->journal);
		if ((err = replay_one(&w, record, why)) == KW_OK)
			err = journal_read(s->journal, record, why);
	}
	end = store_apply_end(&w, &after, err == KW_ENOTFOUND ? KW_OK : err);
	return end != KW_OK ? end : err;
}

/*
 * What was acknowledged and LMDB has not yet. The mark of the last run stays until something is to be written: where the two files do not belong
 * together nothing is changed.
 */
static enum kw_err
replay(struct store_lmdb *s, struct kw_why *why)
{
	struct buf record = BUF_INIT(UINT32_MAX);
	enum kw_err err = journal_read(s->journal, &record, why);

	if (err == KW_OK || err == KW_ENOTFOUND) {
		enum kw_err marked = files_mark_running(&s->files, s->path, why);

		err = marked != KW_OK ? marked : err;
	}
	while (err == KW_OK) {
		if (s->working != NULL)
			s->working();
		err = replay_some(s, &record, why);
	}
	buf_free(&record);
	if (err == KW_EIO)
		files_mark_lost(&s->files);
	if (err != KW_ENOTFOUND)
		return err;
	journal_applied(s->journal, &s->applied.journal);
	return KW_OK;
}

static enum kw_err
begin_reader(MDB_txn **out, struct store_lmdb *s, struct kw_why *why)
{
	int rc = mdb_txn_begin(s->db.env, NULL, MDB_RDONLY, out);

	if (rc != 0)
		return lmdb_failed(&s->db, rc, "opening", why);
	mdb_txn_reset(*out);
	return KW_OK;
}

static enum kw_err
begin(struct store_lmdb *s, const struct store_lmdb_config *config, const struct store_load *load, struct kw_why *why)
{
	uint64_t last_page;
	struct stat st;
	int rc, fd;
	enum kw_err err = take_quota(s, config->quota_bytes, 0, why);

	if (err != KW_OK)
		return err;
	if ((rc = mdb_txn_begin(s->db.env, NULL, MDB_RDONLY, &s->reader)) != 0)
		return lmdb_failed(&s->db, rc, "opening", why);
	if ((err = format_read(&s->db, s->reader, config->partnership, why)) != KW_OK)
		return err;
	if ((err = load_state(&s->db, s->reader, &s->applied, why)) != KW_OK)
		return err;
	mdb_txn_reset(s->reader);
	if ((err = open_journal(s, config, why)) != KW_OK || (err = replay(s, why)) != KW_OK)
		return err;
	s->head = s->applied;
	if ((rc = mdb_txn_renew(s->reader)) != 0)
		return lmdb_failed(&s->db, rc, "opening", why);
	if (load != NULL && (err = load_all(&s->db, s->reader, load, why)) != KW_OK)
		return err;
	mdb_txn_reset(s->reader);
	if ((err = begin_reader(&s->asker, s, why)) != KW_OK || (err = begin_reader(&s->decider, s, why)) != KW_OK)
		return err;
	s->used_bytes = room_used(&s->db, &last_page);
	if (mdb_env_get_fd(s->db.env, &fd) == 0 && fstat(fd, &st) == 0)
		s->file_bytes = (uint64_t)st.st_size;
	return store_follow_begin(s, why);
}

enum kw_err
store_lmdb_open(struct store **out, const struct store_lmdb_config *config, const struct store_load *load, struct kw_why *why)
{
	struct store_lmdb *s;
	enum kw_err err;

	if (sodium_init() < 0)
		return kw_refuse(why, KW_ECRYPTO, "libsodium cannot be initialised");
	s = calloc(1, sizeof *s);
	if (s == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory at the store in %s", config->path);
	s->base.ops = &ops;
	s->signer = config->signer;
	s->working = config->working;
	s->files = (struct files){.lock_fd = -1, .mark_fd = -1};
	if (snprintf(s->path, sizeof s->path, "%s", config->path) >= (int)sizeof s->path) {
		err = kw_refuse(why, KW_ELIMIT, "%.100s… is too long a path", config->path);
		goto free_store;
	}
	recent_init(&s->recents);
	if ((err = make_lock(s, why)) != KW_OK)
		goto free_store;
	if ((err = files_open(&s->files, config, why)) != KW_OK)
		goto free_store;
	if ((err = open_env(s, config, why)) != KW_OK)
		goto free_store;
	if ((err = begin(s, config, load, why)) != KW_OK)
		goto free_store;
	*out = &s->base;
	return KW_OK;
free_store:
	s->lost = true; /* leaves the mark of the last run as it is */
	close_store(&s->base);
	return err;
}
