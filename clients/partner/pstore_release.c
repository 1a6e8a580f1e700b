/* pstore_release: drafts, what was said about them, and what was released. */
#include <string.h>

#include "clients/partner/pstore_parts.h"

#define DRAFT_COLUMNS "id, frame_hash, mine, author, topic, state, text_hash, created_ms, expires_ms, not_before_ms, about, other, changed_ms"

_Static_assert(DRAFT_OPEN == 0 && DRAFT_RELEASED == 1, "the numbers in the statements");

enum kw_err
pstore_draft_add(struct pstore *s, const struct pstore_draft *d, uint64_t now_ms, uint64_t proof_until_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT OR IGNORE INTO draft VALUES(?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, NULL, ?, ?)", why);
	enum kw_err err;

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(d->id, KW_ID_LEN));
	pstore_blob(q, 2, span_of(d->frame_hash, KW_HASH_LEN));
	pstore_u64(q, 3, d->mine);
	pstore_text(q, 4, d->author);
	pstore_text(q, 5, d->topic);
	pstore_blob(q, 6, span_of(d->text_hash, KW_HASH_LEN));
	pstore_u64(q, 7, d->created_ms);
	pstore_u64(q, 8, d->expires_ms);
	pstore_u64(q, 9, d->not_before_ms);
	pstore_blob(q, 10, span_of(d->about, d->has_about ? KW_ID_LEN : 0));
	pstore_u64(q, 11, now_ms);
	pstore_u64(q, 12, proof_until_ms);
	err = pstore_run(s, q, why);
	return err == KW_OK && sqlite3_changes(s->db) == 0 ? KW_EEXISTS : err;
}

static bool
optional_id(uint8_t out[KW_ID_LEN], sqlite3_stmt *q, int i)
{
	struct span b = pstore_col_blob(q, i);

	if (b.len != KW_ID_LEN)
		return false;
	memcpy(out, b.p, KW_ID_LEN);
	return true;
}

enum kw_err
pstore_draft_get(struct pstore_draft *out, struct pstore *s, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " DRAFT_COLUMNS " FROM draft WHERE id = ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(id, KW_ID_LEN));
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	memset(out, 0, sizeof *out);
	if ((err = pstore_col_exact(out->id, KW_ID_LEN, q, 0, why)) != KW_OK || (err = pstore_col_exact(out->frame_hash, KW_HASH_LEN, q, 1, why)) != KW_OK ||
	    (err = pstore_col_exact(out->text_hash, KW_HASH_LEN, q, 6, why)) != KW_OK)
		return err;
	out->mine = pstore_col_u64(q, 2) != 0;
	out->author = pstore_col_text(q, 3);
	out->topic = pstore_col_text(q, 4);
	out->state = (enum draft_state)pstore_col_u64(q, 5);
	out->created_ms = pstore_col_u64(q, 7);
	out->expires_ms = pstore_col_u64(q, 8);
	out->not_before_ms = pstore_col_u64(q, 9);
	out->has_about = optional_id(out->about, q, 10);
	out->has_other = optional_id(out->other, q, 11);
	out->changed_ms = pstore_col_u64(q, 12);
	return KW_OK;
}

enum kw_err
pstore_draft_set(struct pstore *s, const uint8_t id[KW_ID_LEN], enum draft_state state, const uint8_t *other, uint64_t now_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE draft SET state = ?, other = ?, changed_ms = ? WHERE id = ?", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, (uint64_t)state);
	pstore_blob(q, 2, span_of(other, other != NULL ? KW_ID_LEN : 0));
	pstore_u64(q, 3, now_ms);
	pstore_blob(q, 4, span_of(id, KW_ID_LEN));
	return pstore_run(s, q, why);
}

static enum kw_err
name_anew(struct pstore *s, const char *sql, const uint8_t id[KW_ID_LEN], const uint8_t to[KW_ID_LEN], struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, sql, why);

	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(to, KW_ID_LEN));
	pstore_blob(q, 2, span_of(id, KW_ID_LEN));
	return pstore_run(s, q, why);
}

enum kw_err
pstore_draft_rename(struct pstore *s, const uint8_t id[KW_ID_LEN], const uint8_t to[KW_ID_LEN], const uint8_t frame_hash[KW_HASH_LEN], uint64_t created_ms,
                    struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "DELETE FROM draft_answer WHERE draft = ?", why);
	enum kw_err err;

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(id, KW_ID_LEN));
	if ((err = pstore_run(s, q, why)) != KW_OK)
		return err;
	if ((q = pstore_sql(s, "UPDATE draft SET id = ?, frame_hash = ?, created_ms = ? WHERE id = ?", why)) == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(to, KW_ID_LEN));
	pstore_blob(q, 2, span_of(frame_hash, KW_HASH_LEN));
	pstore_u64(q, 3, created_ms);
	pstore_blob(q, 4, span_of(id, KW_ID_LEN));
	if ((err = pstore_run(s, q, why)) != KW_OK)
		return err;
	return (err = name_anew(s, "UPDATE draft SET about = ? WHERE about = ?", id, to, why)) != KW_OK ? err : name_anew(s, "UPDATE draft SET other = ? WHERE other = ?", id, to, why);
}

static enum kw_err
each_id(struct pstore *s, sqlite3_stmt *q, void (*each)(void *self, const uint8_t id[KW_ID_LEN]), void *self, struct kw_why *why)
{
	uint8_t id[KW_ID_LEN];
	enum kw_err err;

	while ((err = pstore_row(s, q, why)) == KW_OK) {
		if ((err = pstore_col_exact(id, KW_ID_LEN, q, 0, why)) != KW_OK)
			break;
		each(self, id);
	}
	(void)sqlite3_reset(q);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_drafts(struct pstore *s, bool open, uint32_t limit, void (*each)(void *self, const uint8_t id[KW_ID_LEN]), void *self, struct kw_why *why)
{
	static const char all_drafts[] = "SELECT id FROM draft ORDER BY changed_ms DESC, id LIMIT ?";
	static const char open_drafts[] = "SELECT id FROM draft WHERE state = 0 ORDER BY expires_ms, id LIMIT ?";
	sqlite3_stmt *q = pstore_sql(s, open ? open_drafts : all_drafts, why);

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, limit);
	return each_id(s, q, each, self, why);
}

enum kw_err
pstore_drafts_due(struct pstore *s, uint64_t now_ms, uint32_t limit, void (*each)(void *self, const uint8_t id[KW_ID_LEN]), void *self, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT id FROM draft WHERE state = 0 AND (mine = 1 OR expires_ms <= ?) ORDER BY expires_ms, id LIMIT ?", why);

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, now_ms);
	pstore_u64(q, 2, limit);
	return each_id(s, q, each, self, why);
}

enum kw_err
pstore_drafts_about(struct pstore *s, const uint8_t about[KW_ID_LEN], const char *partner, void (*each)(void *self, const uint8_t id[KW_ID_LEN]), void *self,
                    struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT id FROM draft WHERE (id = ?1 OR about = ?1) AND state = 0 AND substr(author, 1, length(?2) + 1) = ?2 || '/'", why);

	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(about, KW_ID_LEN));
	pstore_text(q, 2, partner);
	return each_id(s, q, each, self, why);
}

enum kw_err
pstore_answer_add(struct pstore *s, const uint8_t draft[KW_ID_LEN], const struct pstore_answer *a, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT INTO draft_answer VALUES(?, ?, ?, ?, ?) ON CONFLICT(draft, node) DO UPDATE SET approved = excluded.approved,"
	                                " receipt = excluded.receipt, at_ms = excluded.at_ms WHERE draft_answer.approved >= excluded.approved", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(draft, KW_ID_LEN));
	pstore_text(q, 2, a->node);
	pstore_u64(q, 3, a->approved);
	pstore_blob(q, 4, span_of(a->receipt, KW_ID_LEN));
	pstore_u64(q, 5, a->at_ms > INT64_MAX ? INT64_MAX : a->at_ms);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_answers(struct pstore *s, const uint8_t draft[KW_ID_LEN], void (*each)(void *self, const struct pstore_answer *a), void *self, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT node, approved, receipt, at_ms FROM draft_answer WHERE draft = ? ORDER BY at_ms, node", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(draft, KW_ID_LEN));
	while ((err = pstore_row(s, q, why)) == KW_OK) {
		struct pstore_answer a = {.node = pstore_col_text(q, 0), .approved = pstore_col_u64(q, 1) != 0, .at_ms = pstore_col_u64(q, 3)};

		if ((err = pstore_col_exact(a.receipt, KW_ID_LEN, q, 2, why)) != KW_OK)
			break;
		each(self, &a);
	}
	(void)sqlite3_reset(q);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_released_add(struct pstore *s, const uint8_t draft[KW_ID_LEN], const uint8_t id[KW_ID_LEN], const uint8_t *corrects, uint64_t proof_until_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT OR IGNORE INTO released VALUES(?, ?, ?, ?)", why);
	enum kw_err err;

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(draft, KW_ID_LEN));
	pstore_blob(q, 2, span_of(id, KW_ID_LEN));
	pstore_blob(q, 3, span_of(corrects, corrects != NULL ? KW_ID_LEN : 0));
	pstore_u64(q, 4, proof_until_ms);
	err = pstore_run(s, q, why);
	return err == KW_OK && sqlite3_changes(s->db) == 0 ? KW_EEXISTS : err;
}

enum kw_err
pstore_released_correcting(uint8_t id[KW_ID_LEN], struct pstore *s, const uint8_t corrects[KW_ID_LEN], struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT max(id) FROM released WHERE corrects = ?", why); /* ORDER BY would set up a sorter, even for none */
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(corrects, KW_ID_LEN));
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	err = sqlite3_column_type(q, 0) == SQLITE_NULL ? KW_ENOTFOUND : pstore_col_exact(id, KW_ID_LEN, q, 0, why);
	(void)sqlite3_reset(q);
	return err;
}
