/*
 * store_lmdb_copy: the store as one file's bytes, taken while it serves. First LMDB takes what the journal holds, then LMDB copies a snapshot of
 * itself. It is copied as it lies (not compacted): page after page, written from the map by the kernel, so that a page that the disk cannot read is an
 * error and no signal; a compacting copy walks the tree in this process, and refuses a file that has lost a page.
 */
#include <errno.h>

#include "broker/store/store_lmdb_parts.h"

enum kw_err
store_lmdb_copy(struct store *base, int fd, struct kw_why *why)
{
	struct store_lmdb *s = lmdb_of(base);
	int rc;

	if (!store_follow_upto(s))
		return store_lost(s, why);
	rc = mdb_env_copyfd2(s->db.env, fd, 0);
	if (rc == 0)
		return KW_OK;
	if (rc == EPIPE)
		return kw_refuse(why, KW_ESTATE, "nobody reads the copy any more");
	return lmdb_failed(&s->db, rc, "copying", why);
}
