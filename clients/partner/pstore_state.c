/* pstore_state: values, agreements, commits, evidence, cursors, handlers, retention and counts. */
#include <string.h>

#include "clients/partner/pstore_parts.h"

#define COMMITS_KEPT 10000u

enum kw_err
pstore_value(uint64_t *out, struct pstore *s, enum pstore_value v, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT v FROM value WHERE key = ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, (uint64_t)v);
	err = pstore_row(s, q, why);
	if (err == KW_ENOTFOUND) {
		*out = 0;
		return KW_OK;
	}
	if (err != KW_OK)
		return err;
	*out = pstore_col_u64(q, 0);
	(void)sqlite3_reset(q);
	return KW_OK;
}

enum kw_err
pstore_set_value(struct pstore *s, enum pstore_value v, uint64_t to, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT OR REPLACE INTO value VALUES(?, ?)", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, (uint64_t)v);
	pstore_u64(q, 2, to);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_lock(bool *has, uint8_t out[KW_HASH_LEN], struct pstore *s, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT lock FROM owner", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	*has = sqlite3_column_type(q, 0) != SQLITE_NULL;
	if (*has)
		err = pstore_col_exact(out, KW_HASH_LEN, q, 0, why);
	(void)sqlite3_reset(q);
	return err;
}

enum kw_err
pstore_set_lock(struct pstore *s, const uint8_t lock[KW_HASH_LEN], struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE owner SET lock = ?", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(lock, KW_HASH_LEN));
	return pstore_run(s, q, why);
}

enum kw_err
pstore_any_sealed(uint8_t id[KW_ID_LEN], struct span *sealed, struct pstore *s, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT id, payload FROM inbox WHERE payload IS NOT NULL UNION ALL SELECT id, payload FROM outbox WHERE payload IS NOT NULL LIMIT 1", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	*sealed = pstore_col_blob(q, 1);
	return pstore_col_exact(id, KW_ID_LEN, q, 0, why);
}

enum kw_err
pstore_agreement_add(struct pstore *s, uint32_t version, struct span text, struct span sigs, uint64_t now_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT INTO agreement VALUES(?, ?, ?, ?)", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, version);
	pstore_u64(q, 2, now_ms);
	pstore_blob(q, 3, text);
	pstore_blob(q, 4, sigs);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_agreement_came(uint64_t *ms, struct pstore *s, uint32_t version, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT at_ms FROM agreement WHERE version = ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, version);
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	*ms = pstore_col_u64(q, 0);
	(void)sqlite3_reset(q);
	return KW_OK;
}

enum kw_err
pstore_agreements(struct pstore *s, enum kw_err (*each)(void *self, struct span text, struct span sigs, struct kw_why *why), void *self,
                  struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT text, sigs FROM agreement ORDER BY version", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	while ((err = pstore_row(s, q, why)) == KW_OK)
		if ((err = each(self, pstore_col_blob(q, 0), pstore_col_blob(q, 1), why)) != KW_OK)
			break;
	(void)sqlite3_reset(q);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_commit_get(struct pstore_seen *out, struct pstore *s, uint32_t log_epoch, uint64_t number, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT hash, record FROM commits WHERE epoch = ? AND number = ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	memset(out, 0, sizeof *out);
	pstore_u64(q, 1, log_epoch);
	pstore_u64(q, 2, number);
	err = pstore_row(s, q, why);
	if (err == KW_ENOTFOUND)
		return KW_OK;
	if (err != KW_OK)
		return err;
	out->known = true;
	out->commit.number = number;
	out->heard = sqlite3_column_type(q, 1) == SQLITE_NULL;
	out->has_record = !out->heard;
	err = pstore_col_exact(out->commit.hash, KW_HASH_LEN, q, 0, why);
	if (err == KW_OK && out->has_record)
		err = pstore_col_exact(out->record, WIRE_COMMIT_LEN, q, 1, why);
	(void)sqlite3_reset(q);
	return err;
}

enum kw_err
pstore_commit_add(struct pstore *s, uint32_t log_epoch, const struct commit_seen *c, const uint8_t *record, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT OR REPLACE INTO commits VALUES(?, ?, ?, ?)", why);
	enum kw_err err;

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, log_epoch);
	pstore_u64(q, 2, c->number);
	pstore_blob(q, 3, span_of(c->hash, KW_HASH_LEN));
	pstore_blob(q, 4, span_of(record, record != NULL ? WIRE_COMMIT_LEN : 0));
	if ((err = pstore_run(s, q, why)) != KW_OK || c->number <= COMMITS_KEPT)
		return err;
	if ((q = pstore_sql(s, "DELETE FROM commits WHERE epoch = ? AND number < ?", why)) == NULL)
		return KW_EIO;
	pstore_u64(q, 1, log_epoch);
	pstore_u64(q, 2, record != NULL ? c->number - COMMITS_KEPT : 0); /* hearsay pushes nothing out */
	return pstore_run(s, q, why);
}

enum kw_err
pstore_commits_forget(struct pstore *s, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "DELETE FROM commits", why);

	MUST(s->open_transaction);
	return q != NULL ? pstore_run(s, q, why) : KW_EIO;
}

enum kw_err
pstore_commits(struct pstore *s, uint32_t log_epoch, void (*each)(void *self, uint64_t number, const uint8_t hash[KW_HASH_LEN], struct span record), void *self, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT number, hash, record FROM commits WHERE epoch = ? ORDER BY number", why);
	uint8_t hash[KW_HASH_LEN];
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, log_epoch);
	while ((err = pstore_row(s, q, why)) == KW_OK) {
		if ((err = pstore_col_exact(hash, KW_HASH_LEN, q, 1, why)) != KW_OK)
			break;
		each(self, pstore_col_u64(q, 0), hash, span_of(sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2)));
	}
	(void)sqlite3_reset(q);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_commit_newest(struct commit_seen *out, struct pstore *s, uint32_t log_epoch, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT number, hash FROM commits WHERE epoch = ? AND record IS NOT NULL ORDER BY number DESC LIMIT 1", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	memset(out, 0, sizeof *out);
	pstore_u64(q, 1, log_epoch);
	err = pstore_row(s, q, why);
	if (err == KW_ENOTFOUND)
		return KW_OK;
	if (err != KW_OK)
		return err;
	out->number = pstore_col_u64(q, 0);
	err = pstore_col_exact(out->hash, KW_HASH_LEN, q, 1, why);
	(void)sqlite3_reset(q);
	return err;
}

enum kw_err
pstore_evidence_add(struct pstore *s, const char *kind, const char *text, struct span a, struct span b, uint64_t now_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT INTO evidence(at_ms, kind, text, a, b) SELECT ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM evidence) < 10000", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, now_ms);
	pstore_text(q, 2, kind);
	pstore_text(q, 3, text);
	pstore_blob(q, 4, a);
	pstore_blob(q, 5, b);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_evidence(struct pstore *s, uint32_t newest, void (*each)(void *self, const struct pstore_evidence *e), void *self, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT seq, at_ms, kind, text FROM evidence ORDER BY seq DESC LIMIT ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, newest);
	while ((err = pstore_row(s, q, why)) == KW_OK) {
		struct pstore_evidence e = {pstore_col_u64(q, 0), pstore_col_u64(q, 1), pstore_col_text(q, 2), pstore_col_text(q, 3)};

		each(self, &e);
	}
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_cursors(struct lane_cursor out[KW_LANES], struct pstore *s, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT lane, epoch, next FROM sender WHERE node = ''", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	memset(out, 0, KW_LANES * sizeof out[0]);
	while ((err = pstore_row(s, q, why)) == KW_OK) {
		uint64_t lane = pstore_col_u64(q, 0);

		if (lane < KW_LANES)
			out[lane] = (struct lane_cursor){(uint32_t)pstore_col_u64(q, 1), pstore_col_u64(q, 2)};
	}
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_set_cursor(struct pstore *s, enum lane lane, struct lane_cursor to, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT OR REPLACE INTO sender VALUES('', ?, ?, ?)", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, (uint64_t)lane);
	pstore_u64(q, 2, to.log_epoch);
	pstore_u64(q, 3, to.number);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_handler_get(struct desk_place *out, struct pstore *s, const char *handler, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT seq, at, failures FROM handler WHERE name = ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_text(q, 1, handler);
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	*out = (struct desk_place){pstore_col_u64(q, 0), pstore_col_u64(q, 1), (uint32_t)pstore_col_u64(q, 2)};
	(void)sqlite3_reset(q);
	return KW_OK;
}

enum kw_err
pstore_handler_put(struct pstore *s, const char *handler, const struct desk_place *place, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT INTO handler VALUES(?1, ?2, ?3, ?4) ON CONFLICT(name) DO UPDATE SET seq = max(seq, ?2), at = ?3,"
	                                " failures = ?4", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_text(q, 1, handler);
	pstore_u64(q, 2, place->seq);
	pstore_u64(q, 3, place->at);
	pstore_u64(q, 4, place->failures);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_set_aside(struct pstore *s, const char *handler, uint64_t seq, const char *reason, uint64_t now_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT OR REPLACE INTO set_aside VALUES(?, ?, ?, ?)", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_text(q, 1, handler);
	pstore_u64(q, 2, seq);
	pstore_u64(q, 3, now_ms);
	pstore_text(q, 4, reason);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_spool_put(struct pstore *s, const char *place, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT OR REPLACE INTO spool VALUES(?, ?)", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_text(q, 1, place);
	pstore_blob(q, 2, span_of(id, KW_ID_LEN));
	return pstore_run(s, q, why);
}

enum kw_err
pstore_spool_get(uint8_t id[KW_ID_LEN], struct pstore *s, const char *place, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT id FROM spool WHERE place = ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_text(q, 1, place);
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	err = pstore_col_exact(id, KW_ID_LEN, q, 0, why);
	(void)sqlite3_reset(q);
	return err;
}

enum kw_err
pstore_spool_forget(struct pstore *s, const char *place, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "DELETE FROM spool WHERE ?1 IS NULL OR place = ?1", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_text(q, 1, place);
	return pstore_run(s, q, why);
}

/* What is due of each kind: a row whose content goes is due later then, one whose proof's time is over goes itself. So none is met twice for nothing. */
#define DUE " WHERE " PSTORE_NEXT_DUE " <= ?1"
#define DUE_FIRST " ORDER BY " PSTORE_NEXT_DUE ", seq LIMIT ?2"
#define INBOX_DUE "SELECT seq FROM inbox" DUE DUE_FIRST
#define OUTBOX_DUE "SELECT seq FROM outbox" DUE " AND state <> 0" DUE_FIRST

static enum kw_err
sweep_step(uint32_t *done, struct pstore *s, const char *sql, uint64_t now_ms, uint32_t limit, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, sql, why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, now_ms);
	pstore_u64(q, 2, limit);
	if ((err = pstore_run(s, q, why)) != KW_OK)
		return err;
	*done += (uint32_t)sqlite3_changes(s->db);
	return KW_OK;
}

enum kw_err
pstore_highest_load(struct pstore *s, struct kw_why *why)
{
	enum kw_err err = pstore_value(&s->in_highest, s, VALUE_IN_HIGHEST, why);

	return err == KW_OK ? pstore_value(&s->out_highest, s, VALUE_OUT_HIGHEST, why) : err;
}

/* Deletes rows, and keeps the number of the newest if that is one of them. */
static enum kw_err
sweep_rows(uint32_t *done, struct pstore *s, const char *sql, enum pstore_value highest, uint64_t *kept, enum kw_err (*newest)(uint64_t *, struct pstore *, struct kw_why *),
           uint64_t now_ms, uint32_t limit, struct kw_why *why)
{
	uint64_t before, after;
	enum kw_err err;

	if ((err = newest(&before, s, why)) != KW_OK || (err = sweep_step(done, s, sql, now_ms, limit, why)) != KW_OK || (err = newest(&after, s, why)) != KW_OK)
		return err;
	if (after == before || before <= *kept)
		return KW_OK;
	*kept = before; /* a rollback may leave it: a number that is passed over does no harm */
	return pstore_set_value(s, highest, before, why);
}

enum kw_err
pstore_sweep(uint32_t *done, struct pstore *s, uint64_t now_ms, uint32_t limit, struct kw_why *why)
{
	uint64_t week_ago = now_ms > KW_OUTBOX_KEEP_MS ? now_ms - KW_OUTBOX_KEEP_MS : 0;
	enum kw_err err;

	MUST(s->open_transaction);
	*done = 0;
	/* Whoever sends rubbish does not fill the disk with it: the newest 10,000 of what was rejected are enough to see what it is. */
	if ((err = sweep_step(done, s, "DELETE FROM inbox WHERE seq IN (SELECT seq FROM inbox WHERE rejected = 1 AND ?1 > 0 ORDER BY seq DESC"
	                               " LIMIT ?2 OFFSET 10000)", now_ms, limit, why)) != KW_OK)
		return err;
	/* Content: heads stay for the proof. What still waits in the outbox is expired first, by the sender's rules. */
	if ((err = sweep_step(done, s, "UPDATE inbox SET payload = NULL, bare = 1, mark = CASE WHEN mark = '' THEN 'purged' ELSE mark END WHERE proof_until_ms > ?1"
	                               " AND seq IN (" INBOX_DUE ")", now_ms, limit, why)) != KW_OK)
		return err;
	if ((err = sweep_step(done, s, "UPDATE outbox SET payload = NULL, wraps = NULL, frame = substr(frame, 1, head_len) WHERE proof_until_ms > ?1"
	                               " AND seq IN (" OUTBOX_DUE ")", now_ms, limit, why)) != KW_OK)
		return err;
	if ((err = sweep_step(done, s, "UPDATE outbox SET wraps = NULL, frame = substr(frame, 1, head_len) WHERE seq IN"
	                               " (SELECT seq FROM outbox WHERE wraps IS NOT NULL AND stored_ms <= ? AND state <> 0 LIMIT ?)", week_ago, limit, why)) != KW_OK)
		return err;
	if ((err = sweep_step(done, s, "DELETE FROM out_reader WHERE seq IN (SELECT seq FROM outbox WHERE proof_until_ms <= ?1 AND seq IN (" OUTBOX_DUE "))", now_ms,
	                      limit, why)) != KW_OK)
		return err;
	if ((err = sweep_rows(done, s, "DELETE FROM outbox WHERE proof_until_ms <= ?1 AND seq IN (" OUTBOX_DUE ")", VALUE_OUT_HIGHEST, &s->out_highest, pstore_out_newest,
	                      now_ms, limit, why)) != KW_OK)
		return err;
	if ((err = sweep_rows(done, s, "DELETE FROM inbox WHERE proof_until_ms <= ?1 AND seq IN (" INBOX_DUE ")", VALUE_IN_HIGHEST, &s->in_highest, pstore_in_newest,
	                      now_ms, limit, why)) != KW_OK)
		return err;
	if ((err = sweep_step(done, s, "DELETE FROM case_entry WHERE (id, number) IN (SELECT id, number FROM case_entry WHERE proof_until_ms <= ? LIMIT ?)", now_ms, limit,
	                      why)) != KW_OK)
		return err;
	if ((err = sweep_step(done, s, "DELETE FROM draft_answer WHERE draft IN (SELECT id FROM draft WHERE proof_until_ms <= ? LIMIT ?)", now_ms, limit, why)) != KW_OK ||
	    (err = sweep_step(done, s, "DELETE FROM draft WHERE id IN (SELECT id FROM draft WHERE proof_until_ms <= ? LIMIT ?)", now_ms, limit, why)) != KW_OK ||
	    (err = sweep_step(done, s, "DELETE FROM released WHERE draft IN (SELECT draft FROM released WHERE proof_until_ms <= ? LIMIT ?)", now_ms, limit, why)) != KW_OK)
		return err;
	return sweep_step(done, s, "DELETE FROM cases WHERE id IN (SELECT id FROM cases WHERE proof_until_ms <= ? LIMIT ?)", now_ms, limit, why);
}

static enum kw_err
count(uint64_t *out, struct pstore *s, const char *sql, struct kw_why *why)
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

enum kw_err
pstore_counts(struct pstore_counts *out, struct pstore *s, struct kw_why *why)
{
	const struct { uint64_t *to; const char *sql; } all[] = {
		{&out->out_waiting, "SELECT count(*) FROM outbox WHERE state = 0"},
		{&out->out_stored, "SELECT (SELECT count(*) FROM outbox) - (SELECT count(*) FROM outbox WHERE state = 0) - (SELECT count(*) FROM outbox WHERE state >= 2)"},
		{&out->out_refused, "SELECT count(*) FROM outbox WHERE state >= 2 AND state = 2"},
		{&out->out_expired, "SELECT count(*) FROM outbox WHERE state >= 2 AND state = 3"},
		{&out->out_oldest_ms, "SELECT ifnull(min(created_ms), 0) FROM outbox WHERE state = 0"},
		{&out->in_total, "SELECT count(*) FROM inbox"},
		{&out->in_rejected, "SELECT count(*) FROM inbox WHERE rejected = 1"},
		{&out->in_bare, "SELECT count(*) FROM inbox WHERE bare = 1 AND rejected = 0"},
		{&out->in_newest, "SELECT ifnull(max(seq), 0) FROM inbox"},
		{&out->gaps, "SELECT ifnull(sum(last - first + 1), 0) FROM gap"},
		{&out->evidence, "SELECT count(*) FROM evidence"},
		{&out->handlers_set_aside, "SELECT count(*) FROM set_aside"},
		{&out->bytes, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"},
	};

	memset(out, 0, sizeof *out);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		enum kw_err err = count(all[i].to, s, all[i].sql, why);

		if (err != KW_OK)
			return err;
	}
	return KW_OK;
}
