/* pstore: the file, its schema, its transactions, and the small tables. */
#include "clients/partner/pstore_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

#define SCHEMA_VERSION 8
#define CHECKED_PAGES 65536u /* a file of up to 256 MiB is looked through at every start; it takes well under a second */

static const char schema[] =
	"CREATE TABLE owner(partnership TEXT NOT NULL, node TEXT NOT NULL, mode INTEGER NOT NULL);"
	"CREATE TABLE value(key INTEGER PRIMARY KEY, v INTEGER NOT NULL);"
	"CREATE TABLE agreement(version INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, text BLOB NOT NULL, sigs BLOB);"
	"CREATE TABLE commits(epoch INTEGER, number INTEGER, hash BLOB NOT NULL, record BLOB, PRIMARY KEY(epoch, number)) WITHOUT ROWID;"
	"CREATE TABLE evidence(seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER, kind TEXT, text TEXT, a BLOB, b BLOB);"
	"CREATE TABLE cursor(lane INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, number INTEGER NOT NULL);"
	"CREATE TABLE reader(node TEXT, lane INTEGER, next INTEGER NOT NULL, PRIMARY KEY(node, lane)) WITHOUT ROWID;"
	"CREATE TABLE sender(node TEXT, lane INTEGER, epoch INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY(node, lane)) WITHOUT ROWID;"
	"CREATE TABLE gap(node TEXT, lane INTEGER, epoch INTEGER, first INTEGER, last INTEGER NOT NULL, since_ms INTEGER NOT NULL,"
	" PRIMARY KEY(node, lane, epoch, first)) WITHOUT ROWID;"
	"CREATE TABLE void(node TEXT, lane INTEGER, epoch INTEGER, number INTEGER, at_ms INTEGER, PRIMARY KEY(node, lane, epoch, number)) WITHOUT ROWID;"
	"CREATE TABLE outbox(seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, lane INTEGER NOT NULL, state INTEGER NOT NULL,"
	" type INTEGER NOT NULL, own INTEGER NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, confirm_by_ms INTEGER,"
	" content_until_ms INTEGER NOT NULL, proof_until_ms INTEGER NOT NULL, frame_hash BLOB NOT NULL, cap_hash BLOB, head_len INTEGER NOT NULL,"
	" reason TEXT, replacement BLOB, at_epoch INTEGER, at_number INTEGER, commit_no INTEGER, stored_ms INTEGER,"
	" wraps BLOB, payload BLOB, frame BLOB NOT NULL);"
	"CREATE INDEX outbox_waiting ON outbox(lane, seq) WHERE state = 0;"
	"CREATE INDEX outbox_expiry ON outbox(expires_ms) WHERE state = 0;"
	"CREATE INDEX outbox_state ON outbox(state);"
	"CREATE INDEX outbox_confirm ON outbox(confirm_by_ms) WHERE confirm_by_ms IS NOT NULL;"
	"CREATE INDEX outbox_content ON outbox(content_until_ms) WHERE payload IS NOT NULL;"
	"CREATE INDEX outbox_stored ON outbox(stored_ms) WHERE wraps IS NOT NULL;"
	"CREATE INDEX outbox_commit ON outbox(commit_no, at_number) WHERE commit_no IS NOT NULL;"
	"CREATE INDEX outbox_place ON outbox(at_number, lane) WHERE at_number IS NOT NULL;"
	"CREATE INDEX outbox_proof ON outbox(proof_until_ms);"
	"CREATE INDEX outbox_cap ON outbox(cap_hash) WHERE cap_hash IS NOT NULL;"
	"CREATE TABLE out_reader(seq INTEGER, node TEXT, number INTEGER NOT NULL, at_ms INTEGER, receipt BLOB, rejected_ms INTEGER, reason TEXT,"
	" PRIMARY KEY(seq, node)) WITHOUT ROWID;"
	"CREATE TABLE inbox(seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB, sender TEXT, topic TEXT, type INTEGER, lane INTEGER NOT NULL,"
	" epoch INTEGER, number INTEGER, at_epoch INTEGER, at_number INTEGER, received_ms INTEGER NOT NULL, frame_hash BLOB, cap_hash BLOB,"
	" rejected INTEGER NOT NULL, bare INTEGER NOT NULL, outdated INTEGER NOT NULL, cancelled INTEGER NOT NULL DEFAULT 0,"
	" superseded INTEGER NOT NULL DEFAULT 0, mark TEXT, reason TEXT, receipt INTEGER NOT NULL, at_once INTEGER NOT NULL,"
	" content_until_ms INTEGER NOT NULL, proof_until_ms INTEGER NOT NULL, head BLOB NOT NULL, payload BLOB);"
	"CREATE UNIQUE INDEX inbox_once ON inbox(sender, id) WHERE rejected = 0;"
	"CREATE INDEX inbox_id ON inbox(id);"
	"CREATE INDEX inbox_number ON inbox(sender, lane, epoch, number) WHERE number > 0;"
	"CREATE INDEX inbox_due ON inbox(seq) WHERE receipt = 1;"
	"CREATE INDEX inbox_rejected ON inbox(seq) WHERE rejected = 1;"
	"CREATE INDEX inbox_content ON inbox(content_until_ms) WHERE payload IS NOT NULL;"
	"CREATE INDEX inbox_proof ON inbox(proof_until_ms);"
	"CREATE INDEX inbox_cap ON inbox(cap_hash) WHERE cap_hash IS NOT NULL;"
	"CREATE TABLE handler(name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE set_aside(name TEXT, seq INTEGER, at_ms INTEGER, reason TEXT, PRIMARY KEY(name, seq)) WITHOUT ROWID;";

/* From version i + 1 to the next; a new file takes the same way. */
static const char *const steps[SCHEMA_VERSION - 1] = {
	"ALTER TABLE handler ADD COLUMN at INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE handler ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE spool(place TEXT PRIMARY KEY, id BLOB NOT NULL) WITHOUT ROWID;",
	"ALTER TABLE inbox ADD COLUMN about BLOB;"
	"CREATE INDEX inbox_about ON inbox(about) WHERE about IS NOT NULL;"
	"CREATE INDEX outbox_recall ON outbox(seq) WHERE type = 4;"
	"CREATE TABLE cases(id BLOB PRIMARY KEY, frame_hash BLOB NOT NULL, lane INTEGER NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL,"
	" sent INTEGER NOT NULL, head BLOB NOT NULL, told INTEGER NOT NULL, parted INTEGER NOT NULL, state INTEGER NOT NULL, owner TEXT NOT NULL,"
	" next TEXT NOT NULL, until_ms INTEGER NOT NULL, alarms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, proof_until_ms INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX cases_state ON cases(state, until_ms);"
	"CREATE INDEX cases_lane ON cases(lane, number);"
	"CREATE INDEX cases_proof ON cases(proof_until_ms);"
	"CREATE TABLE case_entry(id BLOB, number INTEGER, lane INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, actor TEXT NOT NULL,"
	" next TEXT NOT NULL, version INTEGER NOT NULL, at_ms INTEGER NOT NULL, receipt BLOB, statement BLOB, proof_until_ms INTEGER NOT NULL,"
	" PRIMARY KEY(id, number)) WITHOUT ROWID;"
	"CREATE INDEX case_entry_lane ON case_entry(lane, number);"
	"CREATE INDEX case_entry_proof ON case_entry(proof_until_ms);",
	"ALTER TABLE inbox ADD COLUMN proof BLOB;"
	"ALTER TABLE inbox ADD COLUMN opened INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE outbox ADD COLUMN proof BLOB;"
	"ALTER TABLE out_reader ADD COLUMN opened_ms INTEGER;"
	"ALTER TABLE out_reader ADD COLUMN opened_receipt BLOB;",
	"ALTER TABLE outbox ADD COLUMN answer_by_ms INTEGER;"
	"ALTER TABLE outbox ADD COLUMN late INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX outbox_answer ON outbox(answer_by_ms) WHERE answer_by_ms IS NOT NULL;"
	"CREATE INDEX outbox_forwarded ON outbox(seq) WHERE type = 20;",
	"CREATE TABLE draft(id BLOB PRIMARY KEY, frame_hash BLOB NOT NULL, mine INTEGER NOT NULL, author TEXT NOT NULL, topic TEXT NOT NULL, state INTEGER NOT NULL,"
	" text_hash BLOB NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, not_before_ms INTEGER NOT NULL, about BLOB, other BLOB,"
	" changed_ms INTEGER NOT NULL, proof_until_ms INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX draft_open ON draft(expires_ms) WHERE state = 0;"
	"CREATE INDEX draft_about ON draft(about) WHERE about IS NOT NULL;"
	"CREATE INDEX draft_proof ON draft(proof_until_ms);"
	"CREATE TABLE draft_answer(draft BLOB, node TEXT, approved INTEGER NOT NULL, receipt BLOB NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY(draft, node)) WITHOUT ROWID;"
	"CREATE TABLE released(draft BLOB PRIMARY KEY, id BLOB NOT NULL, corrects BLOB, proof_until_ms INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX released_corrects ON released(corrects) WHERE corrects IS NOT NULL;"
	"CREATE INDEX released_proof ON released(proof_until_ms);",
	"ALTER TABLE owner ADD COLUMN lock BLOB;",
	"ALTER TABLE inbox ADD COLUMN awaits_recall INTEGER NOT NULL DEFAULT 0; CREATE INDEX inbox_awaits_recall ON inbox(seq) WHERE awaits_recall = 1;",
};

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
create(struct pstore *s, const struct pstore_owner *owner, struct kw_why *why)
{
	sqlite3_stmt *q;
	enum kw_err err;

	if ((err = pstore_begin(s, why)) != KW_OK)
		return err;
	if ((err = simple(s, schema, why)) != KW_OK)
		goto roll_back;
	if ((err = simple(s, "PRAGMA user_version = 1", why)) != KW_OK)
		goto roll_back;
	err = KW_EIO;
	if ((q = pstore_sql(s, "INSERT INTO owner VALUES(?, ?, ?)", why)) == NULL)
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
	char now[64];
	enum kw_err err;

	if (version == SCHEMA_VERSION)
		return KW_OK;
	if ((err = pstore_begin(s, why)) != KW_OK)
		return err;
	for (uint64_t i = version; i < SCHEMA_VERSION; i++)
		if ((err = simple(s, steps[i - 1], why)) != KW_OK)
			goto roll_back;
	(void)snprintf(now, sizeof now, "PRAGMA user_version = %d", SCHEMA_VERSION);
	if ((err = simple(s, now, why)) != KW_OK)
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

static enum kw_err
set_up(struct pstore *s, const char *folder, const struct pstore_owner *owner, uint32_t pages_max, struct kw_why *why)
{
	char limit[64];
	uint64_t version, pages;
	enum kw_err err;

	if ((err = simple(s, "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;"
	                     "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;"
	                     "PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864;", why)) != KW_OK)
		return err;
	if (pages_max > 0) {
		(void)snprintf(limit, sizeof limit, "PRAGMA max_page_count = %u", pages_max);
		if ((err = simple(s, limit, why)) != KW_OK)
			return err;
	}
	if ((err = pragma_number(&version, s, "PRAGMA user_version", why)) != KW_OK)
		return err;
	if (version == 0 && (err = create(s, owner, why)) != KW_OK)
		return err;
	if (version == 0)
		version = 1;
	if (version > SCHEMA_VERSION)
		return kw_refuse(why, KW_ESTATE, "%s was written by a newer kurzweg-partner (schema %llu, known here: %d); install that one", folder,
		                 (unsigned long long)version, SCHEMA_VERSION);
	if ((err = pragma_number(&pages, s, "PRAGMA page_count", why)) != KW_OK)
		return err;
	if (pages <= CHECKED_PAGES && (err = check_whole(s, folder, why)) != KW_OK)
		return err;
	if ((err = check_owner(s, folder, owner, why)) != KW_OK)
		return err;
	return bring_up(s, version, why);
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
