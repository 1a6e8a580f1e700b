/* pstore_in: the inbox. */
#include <string.h>

#include "clients/partner/pstore_parts.h"

#define IN_COLUMNS "seq, id, frame_hash, head, payload, lane, received_ms, rejected, bare, outdated, cancelled, superseded, mark, reason, receipt, at_once, topic, type, proof, opened"
#define IN_BOUNDS "seq > ?1 AND seq <= ?4 AND received_ms >= ?2"

enum kw_err
pstore_in_add(uint64_t *seq, struct pstore *s, const struct in_new *i, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT INTO inbox(seq, id, sender, topic, type, lane, epoch, number, at_epoch, at_number, received_ms, frame_hash, cap_hash,"
	                                " rejected, bare, outdated, mark, reason, receipt, at_once, content_until_ms, proof_until_ms, head, payload, about, proof, awaits_recall)"
	                                " VALUES(?27, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)", why);
	const struct header *h = i->header;
	enum kw_err err;

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	if ((err = pstore_bind_seq(s, q, 27, s->in_highest, pstore_in_newest, why)) != KW_OK)
		return err;
	if (h != NULL) {
		pstore_blob(q, 1, span_of(h->id, KW_ID_LEN));
		pstore_text(q, 2, h->sender);
		pstore_text(q, 3, h->topic);
		pstore_u64(q, 4, (uint64_t)h->type);
		pstore_u64(q, 6, h->sender_epoch > INT64_MAX ? INT64_MAX : h->sender_epoch);
	}
	pstore_u64(q, 5, (uint64_t)i->lane);
	pstore_u64(q, 7, i->number > INT64_MAX ? 0 : i->number);
	pstore_u64(q, 8, i->at.log_epoch);
	pstore_u64(q, 9, i->at.number > INT64_MAX ? INT64_MAX : i->at.number);
	pstore_u64(q, 10, i->received_ms);
	pstore_blob(q, 11, span_of(i->frame_hash, i->frame_hash != NULL ? KW_HASH_LEN : 0));
	pstore_blob(q, 12, span_of(i->cap_hash, i->cap_hash != NULL ? KW_HASH_LEN : 0));
	pstore_u64(q, 13, i->rejected);
	pstore_u64(q, 14, i->bare);
	pstore_u64(q, 15, i->outdated);
	pstore_text(q, 16, i->mark != NULL ? i->mark : "");
	pstore_text(q, 17, i->reason != NULL ? i->reason : "");
	pstore_u64(q, 18, (uint64_t)i->receipt);
	pstore_u64(q, 19, i->receipt_at_once);
	pstore_u64(q, 20, i->content_until_ms);
	pstore_u64(q, 21, i->proof_until_ms);
	(void)sqlite3_bind_blob64(q, 22, i->head.p != NULL ? i->head.p : (const uint8_t *)"", i->head.len, SQLITE_STATIC);
	pstore_blob(q, 23, i->payload);
	pstore_blob(q, 24, span_of(h != NULL ? h->about.id : NULL, h != NULL && h->about.set ? KW_ID_LEN : 0));
	pstore_blob(q, 25, i->proof);
	pstore_u64(q, 26, i->awaits_recall);
	if ((err = pstore_run(s, q, why)) != KW_OK)
		return err;
	*seq = (uint64_t)sqlite3_last_insert_rowid(s->db);
	return KW_OK;
}

enum kw_err
pstore_in_known(struct in_known *out, struct pstore *s, const char *sender, const uint8_t id[KW_ID_LEN], const uint8_t frame_hash[KW_HASH_LEN],
                struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT seq, frame_hash, bare FROM inbox WHERE sender = ? AND id = ? AND rejected = 0", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_text(q, 1, sender);
	pstore_blob(q, 2, span_of(id, KW_ID_LEN));
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	out->seq = pstore_col_u64(q, 0);
	out->same_frame = span_eq(pstore_col_blob(q, 1), span_of(frame_hash, KW_HASH_LEN));
	out->bare = pstore_col_u64(q, 2) != 0;
	(void)sqlite3_reset(q);
	return KW_OK;
}

/* A statement of one number. */
static enum kw_err
one_number(uint64_t *out, struct pstore *s, sqlite3_stmt *q, struct kw_why *why)
{
	enum kw_err err = pstore_row(s, q, why);

	if (err != KW_OK)
		return err;
	*out = pstore_col_u64(q, 0);
	(void)sqlite3_reset(q);
	return KW_OK;
}

enum kw_err
pstore_in_original(uint64_t *seq, struct pstore *s, const char *partner, const struct about *about, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT seq FROM inbox WHERE id = ?1 AND frame_hash = ?2 AND rejected = 0 AND"
	                                " substr(sender, 1, length(?3) + 1) = ?3 || '/'", why);

	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(about->id, KW_ID_LEN));
	pstore_blob(q, 2, span_of(about->frame_hash, KW_HASH_LEN));
	pstore_text(q, 3, partner);
	return one_number(seq, s, q, why);
}

enum kw_err
pstore_in_mark(struct pstore *s, uint64_t seq, bool cancelled, bool superseded, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE inbox SET cancelled = max(cancelled, ?), superseded = max(superseded, ?) WHERE seq = ?", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, cancelled);
	pstore_u64(q, 2, superseded);
	pstore_u64(q, 3, seq);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_in_set_mark(struct pstore *s, uint64_t seq, const char *mark, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE inbox SET mark = ? WHERE seq = ?", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_text(q, 1, mark);
	pstore_u64(q, 2, seq);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_in_by_number(uint64_t *seq, struct pstore *s, const char *sender, enum lane lane, uint64_t epoch, uint64_t number, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT seq FROM inbox WHERE sender = ? AND lane = ? AND epoch = ? AND number = ? AND number > 0 ORDER BY seq LIMIT 1", why);

	if (q == NULL)
		return KW_EIO;
	pstore_text(q, 1, sender);
	pstore_u64(q, 2, (uint64_t)lane);
	pstore_u64(q, 3, epoch);
	pstore_u64(q, 4, number);
	return one_number(seq, s, q, why);
}

static void
read_row(struct in_stored *out, sqlite3_stmt *q)
{
	struct span id = pstore_col_blob(q, 1), hash = pstore_col_blob(q, 2);

	memset(out, 0, sizeof *out);
	out->seq = pstore_col_u64(q, 0);
	if (id.len == KW_ID_LEN)
		memcpy(out->id, id.p, KW_ID_LEN);
	if (hash.len == KW_HASH_LEN)
		memcpy(out->frame_hash, hash.p, KW_HASH_LEN);
	out->head = pstore_col_blob(q, 3);
	out->payload = pstore_col_blob(q, 4);
	out->lane = (enum lane)pstore_col_u64(q, 5);
	out->received_ms = pstore_col_u64(q, 6);
	out->rejected = pstore_col_u64(q, 7) != 0;
	out->bare = pstore_col_u64(q, 8) != 0;
	out->outdated = pstore_col_u64(q, 9) != 0;
	out->cancelled = pstore_col_u64(q, 10) != 0;
	out->superseded = pstore_col_u64(q, 11) != 0;
	out->mark = pstore_col_text(q, 12);
	out->reason = pstore_col_text(q, 13);
	out->receipt = (enum receipt_state)pstore_col_u64(q, 14);
	out->receipt_at_once = pstore_col_u64(q, 15) != 0;
	out->topic = pstore_col_text(q, 16);
	out->type = (uint32_t)pstore_col_u64(q, 17);
	out->proof = pstore_col_blob(q, 18);
	out->opened = pstore_col_u64(q, 19) != 0;
}

static enum kw_err
one_row(struct in_stored *out, struct pstore *s, sqlite3_stmt *q, struct kw_why *why)
{
	enum kw_err err = pstore_row(s, q, why);

	if (err == KW_OK)
		read_row(out, q);
	return err;
}

enum kw_err
pstore_in_next(struct in_stored *out, struct pstore *s, const struct inbox_query *query, uint64_t after_seq, struct kw_why *why)
{
	/* A question for one id has an index of its own, so have the rejected; a void is bookkeeping and shown to nobody. */
	static const char by_id[] = "SELECT " IN_COLUMNS " FROM inbox WHERE seq = (SELECT min(seq) FROM inbox WHERE id = ?3 AND rejected = 0 AND " IN_BOUNDS ")";
	static const char rejected_by_id[] = "SELECT " IN_COLUMNS " FROM inbox WHERE seq = (SELECT min(seq) FROM inbox WHERE id = ?3 AND rejected = 1 AND " IN_BOUNDS ")";
	static const char accepted[] = "SELECT " IN_COLUMNS " FROM inbox WHERE " IN_BOUNDS " AND rejected = 0 AND"
	                               " (?3 OR (type NOT BETWEEN 8 AND 17 AND type NOT IN (6, 18))) ORDER BY seq LIMIT 1";
	static const char rejected[] = "SELECT " IN_COLUMNS " FROM inbox WHERE " IN_BOUNDS " AND rejected = 1 ORDER BY seq LIMIT 1";
	const char *sql = query->has_id ? (query->rejected ? rejected_by_id : by_id) : query->rejected ? rejected : accepted;
	sqlite3_stmt *q = pstore_sql(s, sql, why);

	_Static_assert(TYPE_VOID == 6 && TYPE_DELIVERED == 8 && TYPE_REJECTED == 17 && TYPE_REOPENED == 18, "the numbers in the statement");
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, after_seq > INT64_MAX ? INT64_MAX : after_seq);
	pstore_u64(q, 2, query->since_ms > INT64_MAX ? INT64_MAX : query->since_ms);
	if (query->has_id)
		pstore_blob(q, 3, span_of(query->id, KW_ID_LEN));
	else if (!query->rejected)
		pstore_u64(q, 3, query->receipts);
	pstore_u64(q, 4, query->until_seq == 0 || query->until_seq > INT64_MAX ? INT64_MAX : query->until_seq);
	return one_row(out, s, q, why);
}

enum kw_err
pstore_in_ids(struct pstore *s, const uint8_t after[KW_ID_LEN], uint32_t limit, bool (*each)(void *self, const uint8_t id[KW_ID_LEN]), void *self, struct kw_why *why)
{
	return pstore_each_id(s, pstore_sql(s, "SELECT id FROM inbox WHERE rejected = 0 AND id > ? ORDER BY id LIMIT ?", why), after, limit, each, self, why);
}

enum kw_err
pstore_in_get(struct in_stored *out, struct pstore *s, uint64_t seq, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " IN_COLUMNS " FROM inbox WHERE seq = ?", why);

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, seq);
	return one_row(out, s, q, why);
}

enum kw_err
pstore_in_about(struct in_stored *out, struct pstore *s, const uint8_t id[KW_ID_LEN], uint64_t before_seq, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " IN_COLUMNS " FROM inbox WHERE about = ? AND seq < ? AND rejected = 0 AND type BETWEEN 2 AND 4 ORDER BY seq DESC LIMIT 1", why);

	_Static_assert(TYPE_UPDATE == 2 && TYPE_CANCEL == 3 && TYPE_RECALL == 4, "the numbers in the statement");
	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(id, KW_ID_LEN));
	pstore_u64(q, 2, before_seq > INT64_MAX ? INT64_MAX : before_seq);
	return one_row(out, s, q, why);
}

enum kw_err
pstore_in_erase(struct pstore *s, uint64_t seq, const char *mark, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE inbox SET payload = NULL, cap_hash = NULL, bare = 1, cancelled = 1, awaits_recall = 0, mark = ? WHERE seq = ?", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_text(q, 1, mark);
	pstore_u64(q, 2, seq);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_in_awaiting_recall(struct pstore *s, uint32_t limit, void (*each)(void *self, uint64_t seq), void *self, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT seq FROM inbox WHERE awaits_recall = 1 ORDER BY seq LIMIT ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, limit);
	while ((err = pstore_row(s, q, why)) == KW_OK)
		each(self, pstore_col_u64(q, 0));
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_in_awaits_no_recall(struct pstore *s, uint64_t seq, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE inbox SET awaits_recall = 0 WHERE seq = ?", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, seq);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_in_due(struct pstore *s, void (*each)(void *self, const struct in_stored *row), void *self, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " IN_COLUMNS " FROM inbox WHERE receipt = 1 ORDER BY seq", why);
	struct in_stored row;
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	while ((err = one_row(&row, s, q, why)) == KW_OK)
		each(self, &row);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_in_receipt_said(struct pstore *s, uint64_t seq, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE inbox SET receipt = 2 WHERE seq = ? AND receipt = 1", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, seq);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_in_opened(struct pstore *s, uint64_t seq, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE inbox SET opened = 1 WHERE seq = ?", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, seq);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_in_newest(uint64_t *seq, struct pstore *s, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT ifnull(max(seq), 0) FROM inbox", why);

	return q != NULL ? one_number(seq, s, q, why) : KW_EIO;
}

enum kw_err
pstore_by_cap(struct about *out, struct pstore *s, const uint8_t cap_hash[KW_HASH_LEN], struct kw_why *why)
{
	/* Refused ones never reached anybody; the newest of several is meant. */
	sqlite3_stmt *q = pstore_sql(s, "SELECT id, frame_hash FROM outbox WHERE cap_hash = ?1 AND state < 2 UNION ALL"
	                                " SELECT id, frame_hash FROM inbox WHERE cap_hash = ?1 AND rejected = 0 LIMIT 1", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(cap_hash, KW_HASH_LEN));
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	memset(out, 0, sizeof *out);
	out->set = true;
	err = pstore_col_exact(out->id, KW_ID_LEN, q, 0, why);
	if (err == KW_OK)
		err = pstore_col_exact(out->frame_hash, KW_HASH_LEN, q, 1, why);
	(void)sqlite3_reset(q);
	return err;
}
