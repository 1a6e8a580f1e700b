/* store_lmdb_env: the LMDB environment, its tables, and the record that says whose it is. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "broker/store/store_lmdb_parts.h"

#define FORMAT_LEN (4u + 2u * 8u) /* and the partnership's name behind it */

/* LMDB does not tell where it maps the file; the kernel does. NULL where it cannot be asked: then lengths are believed. */
static const char *
find_map(int fd)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	const char *found = NULL;
	char line[512];
	struct stat st;

	if (maps == NULL)
		return NULL;
	while (found == NULL && fstat(fd, &st) == 0 && fgets(line, sizeof line, maps) != NULL) {
		uintptr_t from, to;
		unsigned major_no, minor_no;
		unsigned long long offset, inode;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*4s %llx %x:%x %llu", &from, &to, &offset, &major_no, &minor_no, &inode) != 6)
			continue;
		if (offset == 0 && inode == st.st_ino && major_no == major(st.st_dev) && minor_no == minor(st.st_dev))
			found = (const char *)from;
	}
	(void)fclose(maps);
	return found;
}

static int
try_map(struct lmdb *db, const char *folder, bool writing, uint64_t bytes)
{
	int rc;

	if ((rc = mdb_env_create(&db->env)) != 0)
		return rc;
	if ((rc = mdb_env_set_maxdbs(db->env, T_COUNT)) != 0)
		return rc;
	if ((rc = mdb_env_set_maxreaders(db->env, 16)) != 0)
		return rc;
	if ((rc = mdb_env_set_mapsize(db->env, bytes)) != 0)
		return rc;
	return mdb_env_open(db->env, folder, MDB_NOTLS | (writing ? 0u : (unsigned)MDB_RDONLY), 0600);
}

/* Where so much address space is not to be had (a limit, valgrind) a smaller map does, as long as the log fits in. */
enum kw_err
env_open(struct lmdb *db, const char *folder, bool writing, uint64_t needed_bytes, struct kw_why *why)
{
	int rc = ENOMEM, fd;

	*db = (struct lmdb){.path = folder};
	for (db->map_bytes = STORE_MAP_BYTES; db->map_bytes >= STORE_MAP_LEAST && db->map_bytes > needed_bytes; db->map_bytes /= 4) {
		rc = try_map(db, folder, writing, db->map_bytes);
		if (rc == 0)
			break;
		env_close(db);
		if (rc != ENOMEM && rc != EINVAL)
			break;
	}
	if (rc != 0)
		return lmdb_failed(db, rc, "opening", why);
	if (mdb_env_get_fd(db->env, &fd) == 0)
		db->map = find_map(fd);
	return KW_OK;
}

void
env_close(struct lmdb *db)
{
	if (db->env != NULL)
		mdb_env_close(db->env);
	db->env = NULL;
}

enum kw_err
env_tables(struct lmdb *db, struct kw_why *why)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return lmdb_failed(db, rc, "opening", why);
	for (unsigned t = 0; rc == 0 && t < T_COUNT; t++)
		rc = mdb_dbi_open(txn, table_name(t), 0, &db->dbi[t]);
	if (rc == 0) {
		rc = mdb_txn_commit(txn); /* keeps the handles; nothing is written */
		return rc == 0 ? KW_OK : lmdb_failed(db, rc, "opening", why);
	}
	mdb_txn_abort(txn);
	if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE)
		return kw_refuse(why, KW_ECORRUPT, "%s/data.mdb is not a store of a Kurzweg broker, or its tables are damaged; use another folder or restore this one from the last backup",
		                 db->path);
	return lmdb_failed(db, rc, "opening", why);
}

/* The table of the format alone, which every format has: whose the others are is not known yet. */
static enum kw_err
open_meta(struct lmdb *db, struct kw_why *why)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return lmdb_failed(db, rc, "opening", why);
	rc = mdb_dbi_open(txn, table_name(T_META), 0, &db->dbi[T_META]);
	if (rc == 0)
		return (rc = mdb_txn_commit(txn)) == 0 ? KW_OK : lmdb_failed(db, rc, "opening", why);
	mdb_txn_abort(txn);
	return rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE ? kw_refuse(why, KW_ECORRUPT, "%s/data.mdb is not a store of a Kurzweg broker; use another folder", db->path)
	                                                    : lmdb_failed(db, rc, "opening", why);
}

enum kw_err
env_format(struct lmdb *db, const char *partnership, struct kw_why *why)
{
	MDB_txn *txn;
	enum kw_err err = open_meta(db, why);
	int rc;

	if (err != KW_OK)
		return err;
	if ((rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn)) != 0)
		return lmdb_failed(db, rc, "opening", why);
	err = format_read(db, txn, partnership, why);
	mdb_txn_abort(txn);
	return err;
}

enum kw_err
format_write(struct lmdb *db, MDB_txn *txn, const char *partnership, struct kw_why *why)
{
	uint8_t fixed[FORMAT_LEN];
	struct span parts[2] = {{fixed, sizeof fixed}, span_str(partnership)};
	struct key key = key_word("format");
	enum kw_err err;

	be32_put(fixed, STORE_FORMAT);
	randombytes_buf(fixed + 4, sizeof fixed - 4);
	if ((err = record_put(db, txn, T_META, &key, parts, 2, PUT_ANYWHERE, why)) != KW_OK)
		return err;
	db->sum_seed = be64_get(fixed + 4);
	db->short_seed = be64_get(fixed + 12);
	return KW_OK;
}

enum kw_err
format_read(struct lmdb *db, MDB_txn *txn, const char *partnership, struct kw_why *why)
{
	struct key key = key_word("format");
	struct span value, name;
	struct cursor c;
	uint32_t version;
	enum kw_err err;

	err = record_get(db, txn, T_META, &key, &value, why);
	if (err == KW_ENOTFOUND)
		return kw_refuse(why, KW_ECORRUPT, "%s/data.mdb is not a store of a Kurzweg broker; use another folder", db->path);
	if (err != KW_OK)
		return err;
	c = cursor_over(value);
	version = cursor_u32(&c);
	if (version > STORE_FORMAT)
		return kw_refuse(why, KW_EINVAL, "%s/data.mdb was written by a newer kurzweg-broker (format %u, known here: %u), and nothing of it was changed; install that one, or restore a backup from before the upgrade",
		                 db->path, version, STORE_FORMAT);
	if (version < STORE_FORMAT)
		return kw_refuse(why, KW_EINVAL, "%s/data.mdb was written by an older kurzweg-broker (format %u, known here: %u) from before the first release, and nothing of it was changed; use that one, or another folder",
		                 db->path, version, STORE_FORMAT);
	db->sum_seed = cursor_u64(&c);
	db->short_seed = cursor_u64(&c);
	name = span_of(c.at, cursor_left(&c));
	if (c.bad)
		return record_damaged(db, T_META, key.bytes, key.len, why);
	if (!span_eq(name, span_str(partnership)))
		return kw_refuse(why, KW_EINVAL, "the store in %s belongs to the partnership %.*s, the agreement is that of %s; use another folder", db->path,
		                 (int)name.len, (const char *)name.p, partnership);
	return KW_OK;
}
