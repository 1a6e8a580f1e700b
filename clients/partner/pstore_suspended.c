/* pstore_suspended: which nodes an operator suspended, the newest of each, as the broker's entries say. */
#include "clients/partner/pstore_parts.h"

enum kw_err
pstore_suspension_known(bool *known, struct pstore *s, const struct entry_suspension *e, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT 1 FROM suspension WHERE node = ? AND lifted = ? AND from_ms = ? AND until_ms = ? AND who = ? AND reason = ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_text(q, 1, e->node);
	pstore_u64(q, 2, e->act == SUSPENSION_LIFTED);
	pstore_u64(q, 3, e->from_ms <= INT64_MAX ? e->from_ms : INT64_MAX);
	pstore_u64(q, 4, e->until_ms <= INT64_MAX ? e->until_ms : INT64_MAX);
	pstore_text(q, 5, e->by);
	pstore_text(q, 6, e->reason);
	err = pstore_row(s, q, why);
	*known = err == KW_OK;
	(void)sqlite3_reset(q);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_suspension_set(struct pstore *s, const struct entry_suspension *e, struct span entry, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT OR REPLACE INTO suspension(node, lifted, from_ms, until_ms, who, reason, entry) VALUES(?, ?, ?, ?, ?, ?, ?)", why);

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	pstore_text(q, 1, e->node);
	pstore_u64(q, 2, e->act == SUSPENSION_LIFTED);
	pstore_u64(q, 3, e->from_ms <= INT64_MAX ? e->from_ms : INT64_MAX);
	pstore_u64(q, 4, e->until_ms <= INT64_MAX ? e->until_ms : INT64_MAX);
	pstore_text(q, 5, e->by);
	pstore_text(q, 6, e->reason);
	pstore_blob(q, 7, entry);
	return pstore_run(s, q, why);
}

enum kw_err
pstore_suspensions(struct pstore *s, uint64_t now_ms, void (*each)(void *self, const struct pstore_suspension *x), void *self, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT node, from_ms, until_ms, who, reason FROM suspension WHERE lifted = 0 AND until_ms > ? ORDER BY node", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, now_ms);
	while ((err = pstore_row(s, q, why)) == KW_OK) {
		struct pstore_suspension x = {pstore_col_text(q, 0), pstore_col_text(q, 3), pstore_col_text(q, 4), pstore_col_u64(q, 1), pstore_col_u64(q, 2)};

		each(self, &x);
	}
	return err == KW_ENOTFOUND ? KW_OK : err;
}
