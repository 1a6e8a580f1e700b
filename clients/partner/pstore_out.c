/* pstore_out: the outbox and who confirmed what. */
#include <string.h>

#include "clients/partner/pstore_parts.h"

#define OUT_COLUMNS "seq, id, frame_hash, lane, state, type, created_ms, expires_ms, confirm_by_ms, frame, wraps, payload, reason, at_epoch, at_number," \
	" commit_no, stored_ms, replacement, own, proof, answer_by_ms, late"

static enum kw_err
seq_of(uint64_t *seq, struct pstore *s, const char *sql, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, sql, why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	*seq = pstore_col_u64(q, 0);
	(void)sqlite3_reset(q);
	return KW_OK;
}

enum kw_err
pstore_out_newest(uint64_t *seq, struct pstore *s, struct kw_why *why)
{
	return seq_of(seq, s, "SELECT ifnull(max(seq), 0) FROM outbox", why);
}

enum kw_err
pstore_out_oldest(uint64_t *seq, struct pstore *s, struct kw_why *why)
{
	return seq_of(seq, s, "SELECT ifnull(min(seq), 0) FROM outbox", why);
}

static enum kw_err
add_reader(struct pstore *s, uint64_t seq, const struct out_reader *r, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT INTO out_reader(seq, node, number) VALUES(?, ?, ?)", why);

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, seq);
	pstore_text(q, 2, r->node);
	pstore_u64(q, 3, r->number);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_out_add(uint64_t *seq, struct pstore *s, const struct out_new *o, const struct out_reader *readers, uint32_t count, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT INTO outbox(seq, id, lane, state, type, own, created_ms, expires_ms, confirm_by_ms, content_until_ms, proof_until_ms,"
	                                " frame_hash, cap_hash, head_len, wraps, payload, frame, answer_by_ms, moves) VALUES(?17, ?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?18)", why);
	enum kw_err err;

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	if ((err = pstore_bind_seq(s, q, 17, s->out_highest, pstore_out_newest, why)) != KW_OK)
		return err;
	pstore_blob(q, 1, span_of(o->header->id, KW_ID_LEN));
	pstore_u64(q, 2, (uint64_t)o->header->lane);
	pstore_u64(q, 3, (uint64_t)o->header->type);
	pstore_u64(q, 4, o->own);
	pstore_u64(q, 5, o->header->created_ms);
	pstore_u64(q, 6, o->header->expires_ms);
	if (o->confirm_by_ms > 0)
		pstore_u64(q, 7, o->confirm_by_ms);
	pstore_u64(q, 8, o->content_until_ms);
	pstore_u64(q, 9, o->proof_until_ms);
	pstore_blob(q, 10, span_of(o->frame_hash, KW_HASH_LEN));
	pstore_blob(q, 11, span_of(o->cap_hash, o->cap_hash != NULL ? KW_HASH_LEN : 0));
	pstore_u64(q, 12, o->head_len);
	pstore_blob(q, 13, o->wraps);
	pstore_blob(q, 14, o->payload);
	pstore_blob(q, 15, o->frame);
	if (o->answer_by_ms > 0)
		pstore_u64(q, 16, o->answer_by_ms);
	pstore_blob(q, 18, span_of(o->moves, o->moves != NULL ? KW_ID_LEN : 0));
	if ((err = pstore_run(s, q, why)) != KW_OK)
		return err;
	*seq = (uint64_t)sqlite3_last_insert_rowid(s->db);
	for (uint32_t i = 0; i < count; i++)
		if ((err = add_reader(s, *seq, &readers[i], why)) != KW_OK)
			return err;
	return KW_OK;
}

static enum kw_err
read_row(struct out_row *out, sqlite3_stmt *q, struct kw_why *why)
{
	enum kw_err err;

	memset(out, 0, sizeof *out);
	out->seq = pstore_col_u64(q, 0);
	if ((err = pstore_col_exact(out->id, KW_ID_LEN, q, 1, why)) != KW_OK)
		return err;
	if ((err = pstore_col_exact(out->frame_hash, KW_HASH_LEN, q, 2, why)) != KW_OK)
		return err;
	out->lane = (enum lane)pstore_col_u64(q, 3);
	out->state = (enum outbox_state)pstore_col_u64(q, 4);
	out->type = (enum notice_type)pstore_col_u64(q, 5);
	out->created_ms = pstore_col_u64(q, 6);
	out->expires_ms = pstore_col_u64(q, 7);
	out->confirm_by_ms = pstore_col_u64(q, 8);
	out->frame = pstore_col_blob(q, 9);
	out->wraps = pstore_col_blob(q, 10);
	out->payload = pstore_col_blob(q, 11);
	out->reason = pstore_col_text(q, 12);
	out->at = (struct position){(uint32_t)pstore_col_u64(q, 13), out->lane, pstore_col_u64(q, 14)};
	out->commit = pstore_col_u64(q, 15);
	out->stored_ms = pstore_col_u64(q, 16);
	out->has_replacement = sqlite3_column_type(q, 17) != SQLITE_NULL;
	out->own = pstore_col_u64(q, 18) != 0;
	out->proof = pstore_col_blob(q, 19);
	out->answer_by_ms = pstore_col_u64(q, 20);
	out->late = (uint32_t)pstore_col_u64(q, 21);
	return out->has_replacement ? pstore_col_exact(out->replacement, KW_ID_LEN, q, 17, why) : KW_OK;
}

/* The one row of a statement whose values are bound. Stays open, so that its spans live. */
static enum kw_err
one_row(struct out_row *out, struct pstore *s, sqlite3_stmt *q, struct kw_why *why)
{
	enum kw_err err = pstore_row(s, q, why);

	return err == KW_OK ? read_row(out, q, why) : err;
}

enum kw_err
pstore_out_next(struct out_row *out, struct pstore *s, enum lane lane, uint64_t after_seq, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " OUT_COLUMNS " FROM outbox WHERE state = 0 AND lane = ? AND seq > ? ORDER BY seq LIMIT 1", why);

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, (uint64_t)lane);
	pstore_u64(q, 2, after_seq);
	return one_row(out, s, q, why);
}

enum kw_err
pstore_out_get(struct out_row *out, struct pstore *s, uint64_t seq, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " OUT_COLUMNS " FROM outbox WHERE seq = ?", why);

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, seq);
	return one_row(out, s, q, why);
}

enum kw_err
pstore_out_find(struct out_row *out, struct pstore *s, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " OUT_COLUMNS " FROM outbox WHERE id = ?", why);

	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(id, KW_ID_LEN));
	return one_row(out, s, q, why);
}

enum kw_err
pstore_out_before(struct out_row *out, struct pstore *s, uint64_t before_seq, uint64_t from_seq, uint64_t since_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " OUT_COLUMNS " FROM outbox WHERE seq < ?1 AND seq >= ?2 AND created_ms >= ?3 AND type IN (1, 2, 3, 5, 20, 21, 22)"
	                                " AND replacement IS NULL ORDER BY seq DESC LIMIT 1", why);

	_Static_assert(TYPE_NOTICE == 1 && TYPE_UPDATE == 2 && TYPE_CANCEL == 3 && TYPE_REQUEST == 5 && TYPE_FORWARDED == 20 && TYPE_DRAFT == 21 && TYPE_RELEASED == 22,
	               "the numbers in the statement");
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, before_seq > INT64_MAX ? INT64_MAX : before_seq);
	pstore_u64(q, 2, from_seq > INT64_MAX ? INT64_MAX : from_seq);
	pstore_u64(q, 3, since_ms > INT64_MAX ? INT64_MAX : since_ms);
	return one_row(out, s, q, why);
}

enum kw_err
pstore_out_tally(struct out_tally *out, struct pstore *s, uint64_t seq, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT count(*), count(at_ms), sum(at_ms IS NULL AND rejected_ms IS NOT NULL), count(opened_ms) FROM out_reader WHERE seq = ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, seq);
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	*out = (struct out_tally){(uint32_t)pstore_col_u64(q, 0), (uint32_t)pstore_col_u64(q, 1), (uint32_t)pstore_col_u64(q, 2), (uint32_t)pstore_col_u64(q, 3)};
	(void)sqlite3_reset(q);
	return KW_OK;
}

enum kw_err
pstore_out_ids(struct pstore *s, const uint8_t after[KW_ID_LEN], uint32_t limit, bool (*each)(void *self, const uint8_t id[KW_ID_LEN]), void *self, struct kw_why *why)
{
	return pstore_each_id(s, pstore_sql(s, "SELECT id FROM outbox WHERE id > ? ORDER BY id LIMIT ?", why), after, limit, each, self, why);
}

enum kw_err
pstore_out_expired(struct out_row *out, struct pstore *s, enum lane lane, uint64_t after_seq, uint64_t now_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " OUT_COLUMNS " FROM outbox WHERE state = 0 AND lane = ? AND seq > ? AND expires_ms <= ? ORDER BY seq LIMIT 1", why);

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, (uint64_t)lane);
	pstore_u64(q, 2, after_seq);
	pstore_u64(q, 3, now_ms);
	return one_row(out, s, q, why);
}

enum kw_err
pstore_out_stored(struct pstore *s, uint64_t seq, const struct position *at, uint64_t commit, struct span proof, uint64_t now_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE outbox SET state = 1, at_epoch = ?, at_number = ?, commit_no = ?, stored_ms = ifnull(stored_ms, ?),"
	                                " proof = ifnull(proof, ?) WHERE seq = ?", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, at->log_epoch);
	pstore_u64(q, 2, at->number);
	pstore_u64(q, 3, commit);
	pstore_u64(q, 4, now_ms);
	pstore_blob(q, 5, proof);
	pstore_u64(q, 6, seq);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_out_at(uint64_t *seq, uint64_t *commit, struct pstore *s, const struct position *at, uint64_t but, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT seq, commit_no FROM outbox WHERE at_number = ? AND lane = ? AND at_epoch = ? AND seq <> ? LIMIT 1", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, at->number);
	pstore_u64(q, 2, (uint64_t)at->lane);
	pstore_u64(q, 3, at->log_epoch);
	pstore_u64(q, 4, but);
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	*seq = pstore_col_u64(q, 0);
	*commit = pstore_col_u64(q, 1);
	(void)sqlite3_reset(q);
	return KW_OK;
}

enum kw_err
pstore_out_close(struct pstore *s, uint64_t seq, enum outbox_state state, const char *reason, const uint8_t *replacement, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE outbox SET state = ?, reason = ?, replacement = ?, confirm_by_ms = NULL, answer_by_ms = NULL WHERE seq = ?", why);

	MUST(s->open_transaction);
	MUST(state == OUTBOX_REFUSED || state == OUTBOX_EXPIRED);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, (uint64_t)state);
	pstore_text(q, 2, reason);
	pstore_blob(q, 3, span_of(replacement, replacement != NULL ? KW_ID_LEN : 0));
	pstore_u64(q, 4, seq);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_out_moves(bool *waits, struct pstore *s, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT 1 FROM outbox WHERE moves = ? AND state = 0 LIMIT 1", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(id, KW_ID_LEN));
	err = pstore_row(s, q, why);
	if (err != KW_OK && err != KW_ENOTFOUND)
		return err;
	(void)sqlite3_reset(q);
	*waits = err == KW_OK;
	return KW_OK;
}

enum kw_err
pstore_out_reopen(struct pstore *s, uint64_t since_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE outbox SET state = 0 WHERE state = 1 AND stored_ms >= ? AND wraps IS NOT NULL", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, since_ms);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_out_leave(struct pstore *s, uint64_t seq, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE outbox SET state = 1 WHERE seq = ? AND commit_no IS NOT NULL", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, seq);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_out_readers(struct pstore *s, uint64_t seq, void (*each)(void *self, const struct out_confirm *c), void *self, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT node, number, at_ms, receipt, rejected_ms, reason, opened_ms, opened_receipt FROM out_reader WHERE seq = ? ORDER BY node", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, seq);
	while ((err = pstore_row(s, q, why)) == KW_OK) {
		struct out_confirm c = {.node = pstore_col_text(q, 0), .number = pstore_col_u64(q, 1), .at_ms = pstore_col_u64(q, 2),
		                        .rejected_ms = pstore_col_u64(q, 4), .reason = pstore_col_text(q, 5), .opened_ms = pstore_col_u64(q, 6)};
		struct span receipt = pstore_col_blob(q, 3), opened = pstore_col_blob(q, 7);

		if (receipt.len == KW_ID_LEN)
			memcpy(c.receipt, receipt.p, KW_ID_LEN);
		if (opened.len == KW_ID_LEN)
			memcpy(c.opened_receipt, opened.p, KW_ID_LEN);
		each(self, &c);
	}
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_out_confirm(struct pstore *s, uint64_t seq, const char *node, uint64_t at_ms, const uint8_t receipt[KW_ID_LEN], struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE out_reader SET receipt = ifnull(receipt, ?4), at_ms = ifnull(at_ms, ?3) WHERE seq = ?1 AND node = ?2", why);
	enum kw_err err;

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, seq);
	pstore_text(q, 2, node);
	pstore_u64(q, 3, at_ms);
	pstore_blob(q, 4, span_of(receipt, KW_ID_LEN));
	if ((err = pstore_run(s, q, why)) != KW_OK)
		return err;
	return sqlite3_changes(s->db) == 1 ? KW_OK : KW_ENOTFOUND;
}

enum kw_err
pstore_out_opened(struct pstore *s, uint64_t seq, const char *node, uint64_t at_ms, const uint8_t receipt[KW_ID_LEN], struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE out_reader SET opened_receipt = ifnull(opened_receipt, ?4), opened_ms = ifnull(opened_ms, ?3) WHERE seq = ?1 AND node = ?2", why);
	enum kw_err err;

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, seq);
	pstore_text(q, 2, node);
	pstore_u64(q, 3, at_ms);
	pstore_blob(q, 4, span_of(receipt, KW_ID_LEN));
	if ((err = pstore_run(s, q, why)) != KW_OK)
		return err;
	return sqlite3_changes(s->db) == 1 ? KW_OK : KW_ENOTFOUND;
}

enum kw_err
pstore_out_rejected(struct pstore *s, uint64_t seq, const char *node, uint64_t at_ms, const char *reason, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE out_reader SET rejected_ms = ?3, reason = ?4 WHERE seq = ?1 AND node = ?2 AND at_ms IS NULL", why);
	enum kw_err err;

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, seq);
	pstore_text(q, 2, node);
	pstore_u64(q, 3, at_ms);
	pstore_text(q, 4, reason);
	if ((err = pstore_run(s, q, why)) != KW_OK)
		return err;
	return sqlite3_changes(s->db) == 1 ? KW_OK : KW_ENOTFOUND;
}

enum kw_err
pstore_out_missing(uint32_t *missing, uint32_t *readers, struct pstore *s, uint64_t seq, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT count(*), sum(at_ms IS NULL) FROM out_reader WHERE seq = ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, seq);
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	*readers = (uint32_t)pstore_col_u64(q, 0);
	*missing = (uint32_t)pstore_col_u64(q, 1);
	(void)sqlite3_reset(q);
	return KW_OK;
}

enum kw_err
pstore_out_unconfirmed(struct pstore *s, uint64_t before_ms, uint32_t limit, void (*each)(void *self, const struct out_row *row), void *self,
                       struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " OUT_COLUMNS " FROM outbox o WHERE confirm_by_ms IS NOT NULL AND confirm_by_ms <= ? AND EXISTS"
	                                " (SELECT 1 FROM out_reader r WHERE r.seq = o.seq AND r.at_ms IS NULL) ORDER BY confirm_by_ms LIMIT ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, before_ms > INT64_MAX ? INT64_MAX : before_ms);
	pstore_u64(q, 2, limit);
	while ((err = pstore_row(s, q, why)) == KW_OK) {
		struct out_row row;

		if ((err = read_row(&row, q, why)) != KW_OK)
			break;
		each(self, &row);
	}
	(void)sqlite3_reset(q);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_out_awaited(struct pstore *s, uint32_t limit, void (*each)(void *self, const struct out_row *row), void *self, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " OUT_COLUMNS " FROM outbox WHERE seq IN (SELECT seq FROM outbox o WHERE confirm_by_ms IS NOT NULL AND late & 1 = 0 AND EXISTS"
	                                " (SELECT 1 FROM out_reader r WHERE r.seq = o.seq AND r.at_ms IS NULL))"
	                                " OR seq IN (SELECT seq FROM outbox WHERE answer_by_ms IS NOT NULL AND late & 2 = 0) LIMIT ?", why);
	enum kw_err err;

	_Static_assert(LATE_CONFIRM == 1 && LATE_ANSWER == 2 && LATE_SETTLED == 4, "the numbers in the statements");
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, limit);
	while ((err = pstore_row(s, q, why)) == KW_OK) {
		struct out_row row;

		if ((err = read_row(&row, q, why)) != KW_OK)
			break;
		each(self, &row);
	}
	(void)sqlite3_reset(q);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_out_looked_at(struct pstore *s, uint64_t seq, uint32_t late, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE outbox SET late = late | ? WHERE seq = ?", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, late);
	pstore_u64(q, 2, seq);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_out_unanswered(struct out_row *out, struct pstore *s, uint64_t after_seq, uint64_t now_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " OUT_COLUMNS " FROM outbox WHERE answer_by_ms IS NOT NULL AND late & 6 = 2 AND expires_ms > ? AND seq > ?"
	                                " ORDER BY seq LIMIT 1", why);

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, now_ms);
	pstore_u64(q, 2, after_seq);
	return one_row(out, s, q, why);
}

enum kw_err
pstore_out_any_unconfirmed(bool *out, struct pstore *s, uint64_t now_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT 1 FROM outbox o WHERE confirm_by_ms IS NOT NULL AND confirm_by_ms <= ?1 AND expires_ms > ?1 AND EXISTS"
	                                " (SELECT 1 FROM out_reader r WHERE r.seq = o.seq AND r.at_ms IS NULL) LIMIT 1", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, now_ms);
	err = pstore_row(s, q, why);
	*out = err == KW_OK;
	(void)sqlite3_reset(q);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

/* Of one lane: the log's order is a lane's, and each lane's last is found without a look at the others. */
static enum kw_err
last_of_lane(struct position *at, uint64_t *commit, uint8_t id[KW_ID_LEN], struct pstore *s, enum lane lane, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT at_epoch, at_number, commit_no, id FROM outbox WHERE lane = ? AND at_number IS NOT NULL ORDER BY at_epoch DESC,"
	                                " at_number DESC LIMIT 1", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, (uint64_t)lane);
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	*at = (struct position){(uint32_t)pstore_col_u64(q, 0), lane, pstore_col_u64(q, 1)};
	*commit = pstore_col_u64(q, 2);
	err = pstore_col_exact(id, KW_ID_LEN, q, 3, why);
	(void)sqlite3_reset(q);
	return err;
}

static bool
is_behind(const struct position *at, uint64_t commit, const struct position *newest, uint64_t newest_commit)
{
	if (at->log_epoch != newest->log_epoch)
		return at->log_epoch < newest->log_epoch;
	return commit != newest_commit ? commit < newest_commit : at->number < newest->number;
}

enum kw_err
pstore_out_last_stored(bool *has, uint8_t id[KW_ID_LEN], struct pstore *s, struct kw_why *why)
{
	struct position at, newest = {0};
	uint64_t commit, newest_commit = 0;
	uint8_t found[KW_ID_LEN];

	*has = false;
	for (int lane = 0; lane < KW_LANES; lane++) {
		enum kw_err err = last_of_lane(&at, &commit, found, s, (enum lane)lane, why);

		if (err == KW_ENOTFOUND)
			continue;
		if (err != KW_OK)
			return err;
		if (*has && is_behind(&at, commit, &newest, newest_commit))
			continue;
		newest = at;
		newest_commit = commit;
		memcpy(id, found, KW_ID_LEN);
		*has = true;
	}
	return KW_OK;
}

enum kw_err
pstore_out_waiting(uint64_t *count, struct pstore *s, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT count(*) FROM outbox WHERE state = 0", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	*count = pstore_col_u64(q, 0);
	(void)sqlite3_reset(q);
	return KW_OK;
}

enum kw_err
pstore_out_erase(struct pstore *s, uint64_t seq, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE outbox SET payload = NULL, wraps = NULL, cap_hash = NULL, frame = substr(frame, 1, head_len), late = late | 16 WHERE seq = ? AND state <> 0", why);

	_Static_assert(LATE_ERASED == 16, "the number in the statement");
	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, seq);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_out_recall(struct out_row *out, struct pstore *s, uint64_t before_seq, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " OUT_COLUMNS " FROM outbox WHERE type = 4 AND seq < ? ORDER BY seq DESC LIMIT 1", why);
	enum kw_err err;

	_Static_assert(TYPE_RECALL == 4, "the number in the statement");
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, before_seq > INT64_MAX ? INT64_MAX : before_seq);
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	return read_row(out, q, why);
}

enum kw_err
pstore_out_forwarded(struct out_row *out, struct pstore *s, uint64_t before_seq, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " OUT_COLUMNS " FROM outbox WHERE type = 20 AND seq < ? ORDER BY seq DESC LIMIT 1", why);
	enum kw_err err;

	_Static_assert(TYPE_FORWARDED == 20, "the number in the statement");
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, before_seq > INT64_MAX ? INT64_MAX : before_seq);
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	return read_row(out, q, why);
}
