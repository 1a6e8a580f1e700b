/* pstore: the file, its schema, its transactions, and the small tables. */
#include "clients/partner/pstore_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

#define PAGES_ANY 1073741823u /* as many as SQLite knows */
#define CHECKED_PAGES 65536u /* a file of up to 256 MiB is looked through at every start; it takes well under a second */

enum kw_err
pstore_failed(struct pstore *s, int rc, struct kw_why *why)
{
	switch (rc & 0xFF) {
	case SQLITE_FULL:
		return kw_refuse(why, KW_EFULL, "the node's store is full: the disk has no room left, or the store reached its limit; free some and it goes on");
	case SQLITE_NOMEM:
		return kw_refuse(why, KW_ENOMEM, "out of memory in the node's store");
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return kw_refuse(why, KW_ECORRUPT, "the node's store is damaged: %s; restore it from a copy", s->db != NULL ? sqlite3_errmsg(s->db) : "?");
	default:
		return kw_refuse(why, KW_EIO, "the node's store failed: %s (%d)", s->db != NULL ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc), rc);
	}
}

/* The place of sql in the cache, or the free one for it. */
static struct pstore_statement *
place_of(struct pstore *s, const char *sql)
{
	size_t i = (size_t)((uintptr_t)sql * 0x9E3779B97F4A7C15ull >> 32);

	for (size_t tries = 0; tries < PSTORE_STATEMENTS; tries++, i++) {
		struct pstore_statement *c = &s->cache[i % PSTORE_STATEMENTS];

		if (c->sql == sql || c->sql == NULL)
			return c;
	}
	MUST(false && "more statements than PSTORE_STATEMENTS");
	return NULL;
}

sqlite3_stmt *
pstore_sql(struct pstore *s, const char *sql, struct kw_why *why)
{
	struct pstore_statement *c = place_of(s, sql);
	int rc;

	if (c->sql != NULL) {
		(void)sqlite3_reset(c->stmt);
		(void)sqlite3_clear_bindings(c->stmt);
		return c->stmt;
	}
	rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &c->stmt, NULL);
	if (rc != SQLITE_OK) {
		enum kw_err err = pstore_failed(s, rc, why);

		MUST(err != KW_OK);
		return NULL;
	}
	c->sql = sql;
	return c->stmt;
}

/* After some errors SQLite ends a transaction by itself; what follows must not count alone. */
static enum kw_err
refuse_ended(struct kw_why *why)
{
	return kw_refuse(why, KW_EFULL, "the node's store had no room left within this transaction, so nothing of it counts; free some and try again");
}

enum kw_err
pstore_run(struct pstore *s, sqlite3_stmt *q, struct kw_why *why)
{
	enum kw_err err;
	int rc;

	if (s->open_transaction && sqlite3_get_autocommit(s->db))
		return refuse_ended(why);
	rc = sqlite3_step(q);
	err = rc == SQLITE_DONE || rc == SQLITE_ROW ? KW_OK : pstore_failed(s, rc, why);
	(void)sqlite3_reset(q);
	return err;
}

enum kw_err
pstore_row(struct pstore *s, sqlite3_stmt *q, struct kw_why *why)
{
	int rc = sqlite3_step(q);
	enum kw_err err;

	if (rc == SQLITE_ROW)
		return KW_OK;
	err = rc == SQLITE_DONE ? KW_ENOTFOUND : pstore_failed(s, rc, why);
	(void)sqlite3_reset(q);
	return err;
}

void
pstore_u64(sqlite3_stmt *q, int i, uint64_t v)
{
	MUST(v <= INT64_MAX);
	(void)sqlite3_bind_int64(q, i, (sqlite3_int64)v);
}

void
pstore_blob(sqlite3_stmt *q, int i, struct span b)
{
	if (b.len == 0)
		(void)sqlite3_bind_null(q, i);
	else
		(void)sqlite3_bind_blob64(q, i, b.p, b.len, SQLITE_STATIC);
}

void
pstore_text(sqlite3_stmt *q, int i, const char *t)
{
	(void)sqlite3_bind_text(q, i, t, -1, SQLITE_STATIC);
}

uint64_t
pstore_col_u64(sqlite3_stmt *q, int i)
{
	return (uint64_t)sqlite3_column_int64(q, i);
}

struct span
pstore_col_blob(sqlite3_stmt *q, int i)
{
	const void *p = sqlite3_column_blob(q, i);

	return span_of(p, (size_t)sqlite3_column_bytes(q, i));
}

const char *
pstore_col_text(sqlite3_stmt *q, int i)
{
	const char *t = (const char *)sqlite3_column_text(q, i);

	return t != NULL ? t : "";
}

enum kw_err
pstore_col_exact(uint8_t *out, size_t len, sqlite3_stmt *q, int i, struct kw_why *why)
{
	struct span b = pstore_col_blob(q, i);

	if (b.len != len)
		return kw_refuse(why, KW_ECORRUPT, "the node's store is damaged: a value has %zu bytes, must have %zu; restore it from a copy", b.len, len);
	memcpy(out, b.p, len);
	return KW_OK;
}

enum kw_err
pstore_each_id(struct pstore *s, sqlite3_stmt *q, const uint8_t after[KW_ID_LEN], uint32_t limit, bool (*each)(void *self, const uint8_t id[KW_ID_LEN]), void *self,
               struct kw_why *why)
{
	uint8_t id[KW_ID_LEN];
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(after, KW_ID_LEN));
	pstore_u64(q, 2, limit);
	while ((err = pstore_row(s, q, why)) == KW_OK)
		if ((err = pstore_col_exact(id, KW_ID_LEN, q, 0, why)) != KW_OK || !each(self, id))
			break;
	(void)sqlite3_reset(q);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_bind_seq(struct pstore *s, sqlite3_stmt *q, int i, uint64_t highest, enum kw_err (*newest)(uint64_t *, struct pstore *, struct kw_why *), struct kw_why *why)
{
	uint64_t there = 0;
	enum kw_err err;

	if (highest == 0)
		return KW_OK; /* bound to nothing: the next */
	if ((err = newest(&there, s, why)) != KW_OK)
		return err;
	pstore_u64(q, i, (there > highest ? there : highest) + 1);
	return KW_OK;
}

static enum kw_err
simple(struct pstore *s, const char *sql, struct kw_why *why)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? KW_OK : pstore_failed(s, rc, why);
}

/* What is run again and again, without being compiled each time. */
static enum kw_err
step(struct pstore *s, const char *sql, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, sql, why);
	int rc;

	if (q == NULL)
		return KW_EIO;
	rc = sqlite3_step(q);
	(void)sqlite3_reset(q);
	return rc == SQLITE_DONE ? KW_OK : pstore_failed(s, rc, why);
}

/* A row that is still open would keep the old snapshot. */
static void
reset_all(struct pstore *s)
{
	for (size_t i = 0; i < PSTORE_STATEMENTS; i++)
		if (s->cache[i].sql != NULL && sqlite3_stmt_busy(s->cache[i].stmt))
			(void)sqlite3_reset(s->cache[i].stmt);
}

enum kw_err
pstore_begin(struct pstore *s, struct kw_why *why)
{
	enum kw_err err;

	MUST(!s->open_transaction);
	if ((err = step(s, "BEGIN IMMEDIATE", why)) != KW_OK)
		return err;
	s->open_transaction = true;
	return KW_OK;
}

enum kw_err
pstore_commit(struct pstore *s, struct kw_why *why)
{
	enum kw_err err;

	MUST(s->open_transaction);
	reset_all(s);
	if (sqlite3_get_autocommit(s->db))
		return refuse_ended(why);
	if ((err = step(s, "COMMIT", why)) != KW_OK)
		return err;
	s->open_transaction = false;
	return KW_OK;
}

void
pstore_rollback(struct pstore *s)
{
	if (!s->open_transaction)
		return;
	reset_all(s);
	if (!sqlite3_get_autocommit(s->db)) /* SQLite rolls back by itself after some errors */
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	s->open_transaction = false;
}

enum kw_err
pstore_scour(struct pstore *s, struct kw_why *why)
{
	int rc;

	MUST(!s->open_transaction);
	reset_all(s);
	rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if (rc == SQLITE_OK)
		return KW_OK;
	if ((rc & 0xFF) == SQLITE_BUSY || (rc & 0xFF) == SQLITE_LOCKED)
		return kw_refuse(why, KW_ESTATE, "another program has the node's store open, so what was deleted still stands in partner.db-wal; end that program");
	return pstore_failed(s, rc, why);
}

enum kw_err
pstore_mark(struct pstore *s, struct kw_why *why)
{
	MUST(s->open_transaction);
	if (sqlite3_get_autocommit(s->db))
		return refuse_ended(why);
	return step(s, "SAVEPOINT mark", why);
}

enum kw_err
pstore_mark_keep(struct pstore *s, struct kw_why *why)
{
	return step(s, "RELEASE mark", why);
}

void
pstore_mark_undo(struct pstore *s)
{
	reset_all(s);
	(void)sqlite3_exec(s->db, "ROLLBACK TO mark; RELEASE mark", NULL, NULL, NULL);
}

bool
pstore_in_transaction(const struct pstore *s)
{
	return s->open_transaction;
}

static enum kw_err
pragma_number(uint64_t *out, struct pstore *s, const char *sql, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, sql, why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	*out = pstore_col_u64(q, 0);
	(void)sqlite3_reset(q);
	return KW_OK;
}

static enum kw_err
name_version(struct pstore *s, struct kw_why *why)
{
	char now[64];

	(void)snprintf(now, sizeof now, "PRAGMA user_version = %d", PSTORE_SCHEMA_VERSION);
	return simple(s, now, why);
}

static enum kw_err
create(struct pstore *s, const struct pstore_owner *owner, struct kw_why *why)
{
	sqlite3_stmt *q;
	enum kw_err err;

	if ((err = pstore_begin(s, why)) != KW_OK)
		return err;
	if ((err = simple(s, pstore_schema, why)) != KW_OK)
		goto roll_back;
	if ((err = name_version(s, why)) != KW_OK)
		goto roll_back;
	err = KW_EIO;
	if ((q = pstore_sql(s, "INSERT INTO owner(partnership, node, mode) VALUES(?, ?, ?)", why)) == NULL)
		goto roll_back;
	pstore_text(q, 1, owner->partnership);
	pstore_text(q, 2, owner->node);
	pstore_u64(q, 3, (uint64_t)owner->mode);
	if ((err = pstore_run(s, q, why)) != KW_OK)
		goto roll_back;
	if ((err = pstore_commit(s, why)) == KW_OK)
		return KW_OK;
roll_back:
	pstore_rollback(s);
	return err;
}

/* Whole or not at all, like everything. */
static enum kw_err
bring_up(struct pstore *s, uint64_t version, struct kw_why *why)
{
	enum kw_err err;

	if (version == PSTORE_SCHEMA_VERSION)
		return KW_OK;
	if ((err = pstore_begin(s, why)) != KW_OK)
		return err;
	for (uint64_t i = version; i < PSTORE_SCHEMA_VERSION; i++)
		if ((err = simple(s, pstore_schema_steps[i - 1], why)) != KW_OK)
			goto roll_back;
	if ((err = name_version(s, why)) != KW_OK)
		goto roll_back;
	if ((err = pstore_commit(s, why)) == KW_OK)
		return KW_OK;
roll_back:
	pstore_rollback(s);
	return err;
}

static enum kw_err
check_owner(struct pstore *s, const char *folder, const struct pstore_owner *owner, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT partnership, node, mode FROM owner", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err == KW_ENOTFOUND ? kw_refuse(why, KW_ECORRUPT, "%s: the store names no owner; restore it from a copy", folder) : err;
	if (strcmp(pstore_col_text(q, 0), owner->partnership) != 0 || strcmp(pstore_col_text(q, 1), owner->node) != 0 ||
	    pstore_col_u64(q, 2) != (uint64_t)owner->mode)
		err = kw_refuse(why, KW_EDENIED, "%s belongs to %s of the partnership %s (%s), but key and agreement say %s of %s (%s); give each node a state folder of its own",
		                folder, pstore_col_text(q, 1), pstore_col_text(q, 0), pstore_col_u64(q, 2) == MODE_LIVE ? "live" : "exercise", owner->node,
		                owner->partnership, owner->mode == MODE_LIVE ? "live" : "exercise");
	(void)sqlite3_reset(q);
	return err;
}

static enum kw_err
check_whole(struct pstore *s, const char *folder, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "PRAGMA quick_check(1)", why);
	enum kw_err err;

	if (q == NULL)
		return KW_ECORRUPT;
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err == KW_ENOTFOUND ? KW_ECORRUPT : err;
	if (strcmp(pstore_col_text(q, 0), "ok") != 0)
		err = kw_refuse(why, KW_ECORRUPT, "%s: the store is damaged: %s; restore it from a copy", folder, pstore_col_text(q, 0));
	(void)sqlite3_reset(q);
	return err;
}

enum kw_err
pstore_limit(struct pstore *s, uint32_t pages_max, struct kw_why *why)
{
	char limit[64];

	(void)snprintf(limit, sizeof limit, "PRAGMA max_page_count = %u", pages_max > 0 ? pages_max : PAGES_ANY);
	return simple(s, limit, why);
}

/* Asked before anything is set: a file of a newer program stays as it is, its log beside it too. */
static enum kw_err
check_version(uint64_t *version, struct pstore *s, const char *folder, struct kw_why *why)
{
	enum kw_err err = pragma_number(version, s, "PRAGMA user_version", why);

	if (err != KW_OK || *version <= PSTORE_SCHEMA_VERSION)
		return err;
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return kw_refuse(why, KW_ESTATE, "%s/partner.db was written by a newer kurzweg-partner (schema %llu, known here: %d), and nothing of it was changed; install that one, or restore a backup from before the upgrade",
	                 folder, (unsigned long long)*version, PSTORE_SCHEMA_VERSION);
}

static enum kw_err
set_up(struct pstore *s, const char *folder, const struct pstore_owner *owner, uint32_t pages_max, struct kw_why *why)
{
	uint64_t version, pages;
	enum kw_err err;

	if ((err = check_version(&version, s, folder, why)) != KW_OK)
		return err;
	if ((err = simple(s, "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;"
	                     "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;"
	                     "PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864;", why)) != KW_OK)
		return err;
	if (pages_max > 0 && (err = pstore_limit(s, pages_max, why)) != KW_OK)
		return err;
	if (version == 0 && (err = create(s, owner, why)) != KW_OK)
		return err;
	if (version == 0)
		version = PSTORE_SCHEMA_VERSION;
	if ((err = pragma_number(&pages, s, "PRAGMA page_count", why)) != KW_OK)
		return err;
	if (pages <= CHECKED_PAGES && (err = check_whole(s, folder, why)) != KW_OK)
		return err;
	if ((err = check_owner(s, folder, owner, why)) != KW_OK)
		return err;
	err = bring_up(s, version, why);
	return err == KW_OK ? pstore_highest_load(s, why) : err;
}

bool
pstore_is_there(const char *folder)
{
	char path[4096];

	return snprintf(path, sizeof path, "%s/partner.db", folder) < (int)sizeof path && access(path, F_OK) == 0;
}

/* SQLite takes up whatever stands whole in its log, synced or not. */
static enum kw_err
settle(const char *folder, struct kw_why *why)
{
	static const struct { const char *name; enum kw_err (*sync)(const char *path, struct kw_why *why); } all[] = {
		{"partner.db", fs_sync}, {"partner.db-journal", fs_sync_again}, {"partner.db-wal", fs_sync_again}, {".", fs_sync}};
	char path[4096];
	enum kw_err err = KW_OK;

	for (size_t i = 0; err == KW_OK && i < sizeof all / sizeof all[0]; i++) {
		if (snprintf(path, sizeof path, "%s/%s", folder, all[i].name) >= (int)sizeof path)
			return kw_refuse(why, KW_EINVAL, "state: the path has more than %zu bytes", sizeof path - 21);
		err = all[i].sync(path, why);
	}
	return err;
}

enum kw_err
pstore_open(struct pstore **out, const char *folder, const struct pstore_owner *owner, uint32_t pages_max, struct kw_why *why)
{
	struct pstore *s = calloc(1, sizeof *s);
	char path[4096];
	enum kw_err err;
	int rc;

	if (s == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the node's store");
	s->lock = -1;
	if (snprintf(path, sizeof path, "%s/partner.db", folder) >= (int)sizeof path) {
		err = kw_refuse(why, KW_EINVAL, "state: the path has more than %zu bytes", sizeof path - 12);
		goto close_store;
	}
	if ((err = fs_folder(folder, why)) != KW_OK)
		goto close_store;
	if ((err = fs_lock(&s->lock, folder, why)) != KW_OK)
		goto close_store;
	if ((err = settle(folder, why)) != KW_OK)
		goto close_store;
	rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
	if (rc != SQLITE_OK) {
		err = pstore_failed(s, rc, why);
		goto close_store;
	}
	(void)sqlite3_extended_result_codes(s->db, 1);
	/* Else a statement whose plan might depend on a bound value is compiled anew for each value. */
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_QPSG, 1, NULL);
	if ((err = set_up(s, folder, owner, pages_max, why)) != KW_OK)
		goto close_store;
	*out = s;
	return KW_OK;
close_store:
	pstore_close(&s);
	return err;
}

void
pstore_close(struct pstore **s)
{
	if (s == NULL || *s == NULL)
		return;
	pstore_rollback(*s);
	for (size_t i = 0; i < PSTORE_STATEMENTS; i++)
		(void)sqlite3_finalize((*s)->cache[i].stmt);
	if ((*s)->db != NULL)
		(void)sqlite3_close((*s)->db);
	if ((*s)->lock >= 0)
		(void)close((*s)->lock);
	free(*s);
	*s = NULL;
}
