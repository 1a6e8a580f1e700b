/* store_lmdb_scrub: a few records at a time, round and round, so that damage shows while the last backup still is a good one. */
#include <string.h>

#include "broker/store/store_lmdb_parts.h"

/* Where the last call stopped, or the first one behind it. */
static int
resume(struct store_lmdb *s, MDB_cursor *c, MDB_val *k, MDB_val *data)
{
	int rc;

	if (s->scrub_key.len == 0)
		return mdb_cursor_get(c, k, data, MDB_FIRST);
	*k = (MDB_val){.mv_size = s->scrub_key.len, .mv_data = s->scrub_key.bytes};
	rc = mdb_cursor_get(c, k, data, MDB_SET_RANGE);
	if (rc == 0 && k->mv_size == s->scrub_key.len && memcmp(k->mv_data, s->scrub_key.bytes, k->mv_size) == 0)
		rc = mdb_cursor_get(c, k, data, MDB_NEXT);
	return rc;
}

static void
next_table(struct store_lmdb *s)
{
	s->scrub_table = (s->scrub_table + 1) % T_COUNT;
	s->scrub_key.len = 0;
}

/* At most *most records of the table in turn. */
static enum kw_err
scrub_table(struct store_lmdb *s, uint32_t *most, struct kw_why *why)
{
	MDB_val k, data;
	MDB_cursor *c;
	enum kw_err err = KW_OK;
	int rc = mdb_cursor_open(s->asker, s->db.dbi[s->scrub_table], &c);

	if (rc != 0)
		return lmdb_failed(&s->db, rc, table_name(s->scrub_table), why);
	for (rc = resume(s, c, &k, &data); err == KW_OK && rc == 0 && *most > 0; rc = mdb_cursor_get(c, &k, &data, MDB_NEXT)) {
		struct span value;

		(*most)--;
		if (k.mv_size > sizeof s->scrub_key.bytes) {
			err = record_damaged(&s->db, s->scrub_table, k.mv_data, sizeof s->scrub_key.bytes, why);
			rc = MDB_NOTFOUND; /* its place cannot be noted: on with the next table */
			break;
		}
		s->scrub_key.len = (uint32_t)k.mv_size;
		memcpy(s->scrub_key.bytes, k.mv_data, k.mv_size);
		if (record_is_format(s->scrub_table, &k))
			continue;
		err = record_check(&s->db, s->scrub_table, &k, &data, &value, why);
		if (err != KW_OK)
			break;
	}
	mdb_cursor_close(c);
	if (rc != 0)
		next_table(s);
	if (err == KW_OK && rc != 0 && rc != MDB_NOTFOUND)
		return lmdb_failed(&s->db, rc, table_name(s->scrub_table), why);
	return err;
}

enum kw_err
store_lmdb_scrub(struct store *base, uint32_t most, struct kw_why *why)
{
	struct store_lmdb *s = lmdb_of(base);
	enum kw_err err = store_lost(s, why);
	int rc;

	if (err != KW_OK)
		return KW_EIO;
	if ((rc = mdb_txn_renew(s->asker)) != 0)
		return lmdb_failed(&s->db, rc, "scrubbing", why);
	for (unsigned i = 0; i < T_COUNT && most > 0 && err == KW_OK; i++)
		err = scrub_table(s, &most, why);
	mdb_txn_reset(s->asker);
	return err;
}
