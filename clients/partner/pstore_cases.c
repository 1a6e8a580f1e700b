/* pstore_cases: cases and their entries. */
#include <string.h>

#include "clients/partner/pstore_parts.h"

#define CASE_COLUMNS "id, frame_hash, lane, epoch, number, sent, head, told, parted, state, owner, next, until_ms, alarms, changed_ms"

enum kw_err
pstore_case_add(struct pstore *s, const struct pstore_case *c, uint64_t proof_until_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT OR IGNORE INTO cases VALUES(?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, '', 0, 0, ?, ?)", why);
	enum kw_err err;

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(c->id, KW_ID_LEN));
	pstore_blob(q, 2, span_of(c->frame_hash, KW_HASH_LEN));
	pstore_u64(q, 3, (uint64_t)c->at.lane);
	pstore_u64(q, 4, c->at.log_epoch);
	pstore_u64(q, 5, c->at.number);
	pstore_u64(q, 6, c->sent);
	pstore_blob(q, 7, c->head);
	pstore_u64(q, 8, (uint64_t)c->state);
	pstore_text(q, 9, c->owner);
	pstore_u64(q, 10, c->changed_ms);
	pstore_u64(q, 11, proof_until_ms);
	err = pstore_run(s, q, why);
	return err == KW_OK && sqlite3_changes(s->db) == 0 ? KW_EEXISTS : err;
}

static enum kw_err
read_case(struct pstore_case *out, sqlite3_stmt *q, struct kw_why *why)
{
	enum kw_err err;

	memset(out, 0, sizeof *out);
	if ((err = pstore_col_exact(out->id, KW_ID_LEN, q, 0, why)) != KW_OK || (err = pstore_col_exact(out->frame_hash, KW_HASH_LEN, q, 1, why)) != KW_OK)
		return err;
	out->at = (struct position){(uint32_t)pstore_col_u64(q, 3), (enum lane)pstore_col_u64(q, 2), pstore_col_u64(q, 4)};
	out->sent = pstore_col_u64(q, 5) != 0;
	out->head = pstore_col_blob(q, 6);
	out->told = pstore_col_u64(q, 7);
	out->parted = pstore_col_u64(q, 8) != 0;
	out->state = (enum case_state)pstore_col_u64(q, 9);
	out->owner = pstore_col_text(q, 10);
	out->next = pstore_col_text(q, 11);
	out->until_ms = pstore_col_u64(q, 12);
	out->alarms = (uint32_t)pstore_col_u64(q, 13);
	out->changed_ms = pstore_col_u64(q, 14);
	return KW_OK;
}

enum kw_err
pstore_case_get(struct pstore_case *out, struct pstore *s, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT " CASE_COLUMNS " FROM cases WHERE id = ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(id, KW_ID_LEN));
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	return read_case(out, q, why);
}

enum kw_err
pstore_case_set(struct pstore *s, const struct pstore_case *c, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "UPDATE cases SET told = ?, parted = ?, state = ?, owner = ?, next = ?, until_ms = ?, alarms = ?, changed_ms = ? WHERE id = ?", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, c->told);
	pstore_u64(q, 2, c->parted);
	pstore_u64(q, 3, (uint64_t)c->state);
	pstore_text(q, 4, c->owner);
	pstore_text(q, 5, c->next);
	pstore_u64(q, 6, c->until_ms > INT64_MAX ? INT64_MAX : c->until_ms);
	pstore_u64(q, 7, c->alarms);
	pstore_u64(q, 8, c->changed_ms);
	pstore_blob(q, 9, span_of(c->id, KW_ID_LEN));
	return pstore_run(s, q, why);
}

enum kw_err
pstore_cases(struct pstore *s, bool open, uint32_t limit, void (*each)(void *self, const uint8_t id[KW_ID_LEN]), void *self, struct kw_why *why)
{
	static const char all_cases[] = "SELECT id FROM cases ORDER BY changed_ms DESC, id LIMIT ?";
	static const char open_cases[] = "SELECT id FROM cases WHERE state <= 4 ORDER BY until_ms = 0, until_ms, id LIMIT ?";
	sqlite3_stmt *q = pstore_sql(s, open ? open_cases : all_cases, why);
	uint8_t id[KW_ID_LEN];
	enum kw_err err;

	_Static_assert(CASE_TAKEN == 4 && CASE_DONE == 5, "the number in the statement");
	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, limit);
	while ((err = pstore_row(s, q, why)) == KW_OK) {
		if ((err = pstore_col_exact(id, KW_ID_LEN, q, 0, why)) != KW_OK)
			break;
		each(self, id);
	}
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_case_counts(struct case_counts *out, struct pstore *s, const char *node, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT count(*), ifnull(sum(owner = ?1 OR next = ?1), 0), ifnull(sum(alarms > 0 AND state = 3), 0) FROM cases WHERE state <= 4", why);
	enum kw_err err;

	_Static_assert(CASE_ESCALATED == 3, "the number in the statement");
	if (q == NULL)
		return KW_EIO;
	pstore_text(q, 1, node);
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	*out = (struct case_counts){pstore_col_u64(q, 0), pstore_col_u64(q, 1), pstore_col_u64(q, 2)};
	(void)sqlite3_reset(q);
	return KW_OK;
}

enum kw_err
pstore_cases_overdue(bool *out, struct pstore *s, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT 1 FROM cases WHERE state = 3 AND alarms > 0 LIMIT 1", why);
	enum kw_err err;

	_Static_assert(CASE_ESCALATED == 3, "the number in the statement");
	if (q == NULL)
		return KW_EIO;
	err = pstore_row(s, q, why);
	*out = err == KW_OK;
	(void)sqlite3_reset(q);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

/* ---- entries ---- */

static enum kw_err
compare_entry(struct pstore *s, const struct pstore_case_entry *e, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT 1 FROM case_entry WHERE id = ? AND number = ? AND type = ? AND actor = ? AND next = ? AND receipt IS ? AND statement IS ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(e->id, KW_ID_LEN));
	pstore_u64(q, 2, e->at.number);
	pstore_u64(q, 3, (uint64_t)e->type);
	pstore_text(q, 4, e->actor);
	pstore_text(q, 5, e->next);
	pstore_blob(q, 6, span_of(e->receipt, e->type != 0 ? KW_ID_LEN : 0));
	pstore_blob(q, 7, e->statement);
	err = pstore_row(s, q, why);
	if (err == KW_OK)
		(void)sqlite3_reset(q);
	return err == KW_OK ? KW_EEXISTS : err == KW_ENOTFOUND ? KW_EDENIED : err;
}

enum kw_err
pstore_case_entry_add(struct pstore *s, const struct pstore_case_entry *e, uint64_t proof_until_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT OR IGNORE INTO case_entry VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", why);
	enum kw_err err;

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(e->id, KW_ID_LEN));
	pstore_u64(q, 2, e->at.number);
	pstore_u64(q, 3, (uint64_t)e->at.lane);
	pstore_u64(q, 4, e->at.log_epoch);
	pstore_u64(q, 5, (uint64_t)e->type);
	pstore_text(q, 6, e->actor);
	pstore_text(q, 7, e->next);
	pstore_u64(q, 8, e->version);
	pstore_u64(q, 9, e->at_ms > INT64_MAX ? INT64_MAX : e->at_ms);
	pstore_blob(q, 10, span_of(e->receipt, e->type != 0 ? KW_ID_LEN : 0));
	pstore_blob(q, 11, e->statement);
	pstore_u64(q, 12, proof_until_ms);
	if ((err = pstore_run(s, q, why)) != KW_OK || sqlite3_changes(s->db) > 0)
		return err;
	return compare_entry(s, e, why);
}

enum kw_err
pstore_case_entries(struct pstore *s, const uint8_t id[KW_ID_LEN], enum kw_err (*each)(void *self, const struct pstore_case_entry *e), void *self, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT lane, epoch, number, type, actor, next, version, at_ms, receipt, statement FROM case_entry WHERE id = ? ORDER BY number", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(id, KW_ID_LEN));
	while ((err = pstore_row(s, q, why)) == KW_OK) {
		struct span receipt = pstore_col_blob(q, 8);
		struct pstore_case_entry e = {
			.at = {(uint32_t)pstore_col_u64(q, 1), (enum lane)pstore_col_u64(q, 0), pstore_col_u64(q, 2)},
			.type = (enum notice_type)pstore_col_u64(q, 3), .actor = pstore_col_text(q, 4), .next = pstore_col_text(q, 5),
			.version = (uint32_t)pstore_col_u64(q, 6), .at_ms = pstore_col_u64(q, 7), .statement = pstore_col_blob(q, 9),
		};

		memcpy(e.id, id, KW_ID_LEN);
		if (receipt.len == KW_ID_LEN)
			memcpy(e.receipt, receipt.p, KW_ID_LEN);
		if ((err = each(self, &e)) != KW_OK)
			break;
	}
	(void)sqlite3_reset(q);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_case_statement(struct span *out, struct pstore *s, const uint8_t id[KW_ID_LEN], uint64_t number, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT statement FROM case_entry WHERE id = ? AND number = ?", why);
	enum kw_err err;

	*out = span_of(NULL, 0);
	if (q == NULL)
		return KW_EIO;
	pstore_blob(q, 1, span_of(id, KW_ID_LEN));
	pstore_u64(q, 2, number);
	if ((err = pstore_row(s, q, why)) == KW_OK)
		*out = pstore_col_blob(q, 0);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_cases_cut(struct pstore *s, enum lane lane, uint32_t log_epoch, uint64_t from, struct kw_why *why)
{
	static const char *const steps[] = {
		"DELETE FROM cases WHERE lane = ? AND number >= ? AND epoch < ?",
		"DELETE FROM case_entry WHERE lane = ? AND number >= ? AND epoch < ?",
		"UPDATE cases SET told = min(told, ?2 - 1) WHERE lane = ?1 AND ?3 > 0",
	};

	MUST(s->open_transaction);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		sqlite3_stmt *q = pstore_sql(s, steps[i], why);
		enum kw_err err;

		if (q == NULL)
			return KW_EIO;
		pstore_u64(q, 1, (uint64_t)lane);
		pstore_u64(q, 2, from > INT64_MAX ? INT64_MAX : from);
		pstore_u64(q, 3, log_epoch);
		if ((err = pstore_run(s, q, why)) != KW_OK)
			return err;
	}
	return KW_OK;
}
