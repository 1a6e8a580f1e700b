/*
 * pstore_copy: the store's file as it stands at one moment, while the node goes on writing. SQLite's log is emptied into the file; then a reader of
 * our own holds that state, and as long as it does SQLite writes behind the log alone and leaves the file as it is. So the file's own bytes are the copy.
 */
#include <stdlib.h>
#include <string.h>

#include "clients/partner/pstore_parts.h"

struct pstore_copy {
	sqlite3 *db;
	sqlite3_stmt *held;
	sqlite3_file *file;
	uint64_t bytes;
};

static enum kw_err
failed(const struct pstore_copy *c, int rc, struct kw_why *why)
{
	return kw_refuse(why, (rc & 0xFF) == SQLITE_NOMEM ? KW_ENOMEM : KW_EIO, "the node's store cannot be copied: %s", c->db != NULL ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc));
}

static int
size_of(uint64_t *out, sqlite3_file *file)
{
	sqlite3_int64 bytes = 0;
	int rc = file != NULL && file->pMethods != NULL ? file->pMethods->xFileSize(file, &bytes) : SQLITE_OK;

	*out = (uint64_t)bytes;
	return rc;
}

/* The state is held, and all of it stands in the file. */
static enum kw_err
hold(struct pstore_copy *c, struct kw_why *why)
{
	sqlite3_file *log = NULL;
	uint64_t log_bytes;
	int rc;

	if ((rc = sqlite3_exec(c->db, "BEGIN", NULL, NULL, NULL)) != SQLITE_OK || (rc = sqlite3_prepare_v2(c->db, "SELECT partnership FROM owner", -1, &c->held, NULL)) != SQLITE_OK)
		return failed(c, rc, why);
	if ((rc = sqlite3_step(c->held)) != SQLITE_ROW)
		return failed(c, rc, why);
	if ((rc = sqlite3_file_control(c->db, "main", SQLITE_FCNTL_FILE_POINTER, &c->file)) != SQLITE_OK || (rc = sqlite3_file_control(c->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log)) != SQLITE_OK)
		return failed(c, rc, why);
	if ((rc = size_of(&c->bytes, c->file)) != SQLITE_OK || (rc = size_of(&log_bytes, log)) != SQLITE_OK)
		return failed(c, rc, why);
	return log_bytes == 0 && c->bytes > 0 ? KW_OK : kw_refuse(why, KW_ESTATE, "the node's store is being written to by another program; end that one, then begin again");
}

enum kw_err
pstore_copy_begin(struct pstore_copy **out, struct pstore *s, struct kw_why *why)
{
	struct pstore_copy *c = calloc(1, sizeof *c);
	enum kw_err err;
	int rc;

	if (c == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a copy of the node's store");
	if ((err = pstore_scour(s, why)) != KW_OK)
		goto free_copy;
	rc = sqlite3_open_v2(sqlite3_db_filename(s->db, "main"), &c->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
	err = rc == SQLITE_OK ? hold(c, why) : failed(c, rc, why);
	if (err == KW_OK) {
		*out = c;
		return KW_OK;
	}
free_copy:
	pstore_copy_end(&c);
	return err;
}

uint64_t
pstore_copy_bytes(const struct pstore_copy *c)
{
	return c->bytes;
}

enum kw_err
pstore_copy_read(struct buf *out, struct pstore_copy *c, uint64_t place, size_t most, struct kw_why *why)
{
	size_t want = place < c->bytes ? (c->bytes - place < most ? (size_t)(c->bytes - place) : most) : 0;
	uint8_t *at;
	int rc;

	if (want == 0)
		return KW_OK;
	if ((at = buf_reserve(out, want)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a copy of the node's store");
	rc = c->file->pMethods->xRead(c->file, at, (int)want, (sqlite3_int64)place);
	if (rc != SQLITE_OK)
		return kw_refuse(why, KW_EIO, "the node's store cannot be read: %s (%d)", sqlite3_errstr(rc), rc);
	buf_commit(out, want);
	return KW_OK;
}

void
pstore_copy_end(struct pstore_copy **copy)
{
	struct pstore_copy *c = *copy;

	if (c == NULL)
		return;
	(void)sqlite3_finalize(c->held);
	if (c->db != NULL)
		(void)sqlite3_close(c->db);
	free(c);
	*copy = NULL;
}

uint32_t pstore_version(void) { return PSTORE_SCHEMA_VERSION; }
