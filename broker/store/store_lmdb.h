/*
 * store_lmdb: the store on LMDB 0.9.24, never WRITEMAP, MDB_NOTLS readers, own checksum on every record (keyed BLAKE2b,
 * 16 bytes), map of 64 GiB, quota of its own.
 *
 * open checks before LMDB may touch a page: a lock on the folder (KW_EEXISTS: another broker), file size against the last
 * page of both metas (KW_ECORRUPT instead of SIGBUS), no network or FUSE file system (unless forced), format version and
 * the partnership's name. After an unclean end (a mark that a clean close removes) it copies the environment to a new
 * file (mdb_env_copy2), syncs and renames it, and checks every checksum of state, cursors and the newest 1,000 heads.
 */
#ifndef KW_BROKER_STORE_LMDB_H
#define KW_BROKER_STORE_LMDB_H

#include "broker/store/store.h"

struct store_lmdb_config {
	const char *path;            /* a folder, made if missing (0700) */
	const char *partnership;     /* written at the first start, compared at every later one */
	uint64_t quota_bytes;        /* 0: 80 % of what the disk has free at the start, at most the map */
	bool force_filesystem;
	struct store_signer signer;
};

KW_MUST_USE enum kw_err store_lmdb_open(struct store **out, const struct store_lmdb_config *config, const struct store_load *load,
                                        struct kw_why *why);

#endif
