/* pstore_numbers: running numbers, our own and others', and what is missing of them. */
#include "clients/partner/pstore_parts.h"

/* RETURNING would collect the rows in a table of their own first. */
enum kw_err
pstore_take_number(uint64_t *out, struct pstore *s, const char *reader, enum lane lane, struct kw_why *why)
{
	static const char *const steps[] = {
		"INSERT INTO reader VALUES(?, ?, 2) ON CONFLICT(node, lane) DO UPDATE SET next = next + 1",
		"SELECT next - 1 FROM reader WHERE node = ? AND lane = ?",
	};
	sqlite3_stmt *q = NULL;
	enum kw_err err;

	MUST(s->open_transaction);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		if ((q = pstore_sql(s, steps[i], why)) == NULL)
			return KW_EIO;
		pstore_text(q, 1, reader);
		pstore_u64(q, 2, (uint64_t)lane);
		if ((err = i == 0 ? pstore_run(s, q, why) : pstore_row(s, q, why)) != KW_OK)
			return err;
	}
	*out = pstore_col_u64(q, 0);
	(void)sqlite3_reset(q);
	return KW_OK;
}

enum kw_err
pstore_forget_numbers(struct pstore *s, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "DELETE FROM reader", why);

	MUST(s->open_transaction);
	return q != NULL ? pstore_run(s, q, why) : KW_EIO;
}

static void
bind_place(sqlite3_stmt *q, const char *sender, enum lane lane, uint64_t epoch, uint64_t number)
{
	pstore_text(q, 1, sender);
	pstore_u64(q, 2, (uint64_t)lane);
	pstore_u64(q, 3, epoch);
	pstore_u64(q, 4, number);
}

/* The gap that holds number; KW_ENOTFOUND. */
static enum kw_err
gap_around(uint64_t *first, uint64_t *last, uint64_t *since, struct pstore *s, const char *sender, enum lane lane, uint64_t epoch, uint64_t number,
           struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT first, last, since_ms FROM gap WHERE node = ? AND lane = ? AND epoch = ? AND first <= ?"
	                                " ORDER BY first DESC LIMIT 1", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	bind_place(q, sender, lane, epoch, number);
	if ((err = pstore_row(s, q, why)) != KW_OK)
		return err;
	*first = pstore_col_u64(q, 0);
	*last = pstore_col_u64(q, 1);
	*since = pstore_col_u64(q, 2);
	(void)sqlite3_reset(q);
	return *last >= number ? KW_OK : KW_ENOTFOUND;
}

static enum kw_err
is_void(bool *out, struct pstore *s, const char *sender, enum lane lane, uint64_t epoch, uint64_t number, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT 1 FROM void WHERE node = ? AND lane = ? AND epoch = ? AND number = ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	bind_place(q, sender, lane, epoch, number);
	err = pstore_row(s, q, why);
	*out = err == KW_OK;
	(void)sqlite3_reset(q);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
pstore_sender(struct numbers *known, enum number_place *place, struct pstore *s, const char *sender, enum lane lane, uint64_t epoch, uint64_t number,
              struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT epoch, next FROM sender WHERE node = ? AND lane = ?", why);
	uint64_t first, last, since;
	bool voided;
	enum kw_err err;

	*known = (struct numbers){0, 0};
	*place = PLACE_USED;
	if (q == NULL)
		return KW_EIO;
	if (epoch > INT64_MAX || number > INT64_MAX)
		return KW_OK; /* refused by its size alone */
	pstore_text(q, 1, sender);
	pstore_u64(q, 2, (uint64_t)lane);
	err = pstore_row(s, q, why);
	if (err != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	*known = (struct numbers){pstore_col_u64(q, 0), pstore_col_u64(q, 1)};
	(void)sqlite3_reset(q);
	if (epoch > known->epoch || (epoch == known->epoch && number >= known->next))
		return KW_OK;
	if ((err = is_void(&voided, s, sender, lane, epoch, number, why)) != KW_OK)
		return err;
	err = voided ? KW_ENOTFOUND : gap_around(&first, &last, &since, s, sender, lane, epoch, number, why);
	if (err == KW_OK)
		*place = PLACE_GAP;
	else if (voided)
		*place = PLACE_VOIDED;
	return err == KW_ENOTFOUND ? KW_OK : err;
}

static enum kw_err
gap_put(struct pstore *s, const char *sender, enum lane lane, uint64_t epoch, uint64_t first, uint64_t last, uint64_t since, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT OR REPLACE INTO gap VALUES(?, ?, ?, ?, ?, ?)", why);

	if (q == NULL)
		return KW_EIO;
	bind_place(q, sender, lane, epoch, first);
	pstore_u64(q, 5, last);
	pstore_u64(q, 6, since);
	return pstore_run(s, q, why);
}

/* Takes number out of the gap that holds it: what is left of it on either side stays. */
static enum kw_err
gap_fill(struct pstore *s, const char *sender, enum lane lane, uint64_t epoch, uint64_t number, struct kw_why *why)
{
	uint64_t first, last, since;
	sqlite3_stmt *q;
	enum kw_err err = gap_around(&first, &last, &since, s, sender, lane, epoch, number, why);

	if (err != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	if ((q = pstore_sql(s, "DELETE FROM gap WHERE node = ? AND lane = ? AND epoch = ? AND first = ?", why)) == NULL)
		return KW_EIO;
	bind_place(q, sender, lane, epoch, first);
	if ((err = pstore_run(s, q, why)) != KW_OK)
		return err;
	if (first < number && (err = gap_put(s, sender, lane, epoch, first, number - 1, since, why)) != KW_OK)
		return err;
	return number < last ? gap_put(s, sender, lane, epoch, number + 1, last, since, why) : KW_OK;
}

/* Numbers that were voided before they came are no gap: they leave the new one again. */
static enum kw_err
gap_leave_out_voids(struct pstore *s, const char *sender, enum lane lane, uint64_t epoch, uint64_t first, uint64_t last, struct kw_why *why)
{
	for (uint64_t from = first; from <= last;) {
		sqlite3_stmt *q = pstore_sql(s, "SELECT number FROM void WHERE node = ? AND lane = ? AND epoch = ? AND number >= ? ORDER BY number LIMIT 1", why);
		uint64_t number;
		enum kw_err err;

		if (q == NULL)
			return KW_EIO;
		bind_place(q, sender, lane, epoch, from);
		if ((err = pstore_row(s, q, why)) != KW_OK)
			return err == KW_ENOTFOUND ? KW_OK : err;
		number = pstore_col_u64(q, 0);
		(void)sqlite3_reset(q);
		if (number > last)
			return KW_OK;
		if ((err = gap_fill(s, sender, lane, epoch, number, why)) != KW_OK)
			return err;
		from = number + 1;
	}
	return KW_OK;
}

enum kw_err
pstore_sender_step(struct pstore *s, const char *sender, enum lane lane, uint64_t epoch, uint64_t number, const struct number_step *step, uint64_t now_ms,
                   struct kw_why *why)
{
	sqlite3_stmt *q;
	enum kw_err err;

	MUST(s->open_transaction);
	if (step->verdict == NUMBER_FILLS)
		return gap_fill(s, sender, lane, epoch, number, why);
	if (step->verdict != NUMBER_NEXT && step->verdict != NUMBER_AHEAD)
		return KW_OK;
	if ((q = pstore_sql(s, "INSERT OR REPLACE INTO sender VALUES(?, ?, ?, ?)", why)) == NULL)
		return KW_EIO;
	bind_place(q, sender, lane, step->after.epoch, step->after.next);
	if ((err = pstore_run(s, q, why)) != KW_OK || step->verdict == NUMBER_NEXT)
		return err;
	if ((err = gap_put(s, sender, lane, epoch, step->gap_first, step->gap_last, now_ms, why)) != KW_OK)
		return err;
	return gap_leave_out_voids(s, sender, lane, epoch, step->gap_first, step->gap_last, why);
}

enum kw_err
pstore_void(struct pstore *s, const char *sender, enum lane lane, uint64_t epoch, uint64_t number, uint64_t now_ms, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "INSERT OR IGNORE INTO void VALUES(?, ?, ?, ?, ?)", why);
	struct numbers known;
	enum number_place place;
	enum kw_err err;

	MUST(s->open_transaction);
	if (q == NULL)
		return KW_EIO;
	if (number == 0 || number > NUMBERS_MAX || epoch > INT64_MAX)
		return KW_OK;
	if ((err = pstore_sender(&known, &place, s, sender, lane, epoch, number, why)) != KW_OK)
		return err;
	if (place == PLACE_USED && (epoch < known.epoch || (epoch == known.epoch && number < known.next)))
		return KW_OK; /* it came after all: what came, counts */
	bind_place(q, sender, lane, epoch, number);
	pstore_u64(q, 5, now_ms);
	if ((err = pstore_run(s, q, why)) != KW_OK)
		return err;
	return gap_fill(s, sender, lane, epoch, number, why);
}

enum kw_err
pstore_gaps(struct pstore *s, uint32_t limit, void (*each)(void *self, const struct pstore_gap *g), void *self, struct kw_why *why)
{
	sqlite3_stmt *q = pstore_sql(s, "SELECT node, lane, epoch, first, last, since_ms FROM gap ORDER BY since_ms LIMIT ?", why);
	enum kw_err err;

	if (q == NULL)
		return KW_EIO;
	pstore_u64(q, 1, limit);
	while ((err = pstore_row(s, q, why)) == KW_OK) {
		struct pstore_gap g = {pstore_col_text(q, 0), (enum lane)pstore_col_u64(q, 1), pstore_col_u64(q, 2), pstore_col_u64(q, 3),
		                       pstore_col_u64(q, 4), pstore_col_u64(q, 5)};

		each(self, &g);
	}
	return err == KW_ENOTFOUND ? KW_OK : err;
}
