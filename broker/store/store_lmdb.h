/*
 * store_lmdb: the store on LMDB 0.9.24, never WRITEMAP, MDB_NOTLS readers, own checksum on every record (XXH3, 16 bytes), map of
 * 64 GiB, quota of its own, and a journal in front of it.
 *
 * A batch is decided against what is known (store_lmdb_decide.c), appended to the journal and synced once (journal.h): then it is durable and
 * is answered. A thread of the store's own writes it to LMDB, with others in one transaction, when half of the journal is full, two seconds after
 * it came, or when somebody waits for it (store_lmdb_commit.c); until then reads find it in memory (recent.h). The next start writes to LMDB what the
 * journal holds beyond it before anything is told. A batch that the journal cannot hold goes straight to LMDB. Bodies that a batch sweeps before
 * the ones that brought them are in LMDB are never written there.
 *
 * open checks before LMDB may touch a page: a lock on the folder (KW_EEXISTS: another broker), owner, no network or FUSE
 * file system (KW_EDENIED, unless forced), file size against the last page of both metas (KW_ECORRUPT instead of SIGBUS).
 * Then a process of its own reads format, partnership, state, cursors, and the newest 1,000 records of what grows with the log, so
 * that a damaged page ends that process; the whole log is never walked. That much is enough after a kill or a power cut, which leave the
 * file as one of the last two commits made it. Every fifth start in a row without a clean end looks at every record.
 *
 * After a failed sync or write it is not: the system may keep pages as clean that never reached the disk. The store is lost then, the file
 * "mark" in the folder says so, and the next open copies the environment to a new file (mdb_env_copy2), checks every record of
 * the copy, syncs it and puts it in the old one's place. That takes as long as the log is large.
 *
 * The first start makes the file in a folder of its own and puts it in its place whole, so a power cut leaves no half store that is refused
 * ever after. Every start syncs what it finds before it reads: a killed broker's last commit may be seen and still be taken away.
 *
 * Files in the folder: data.mdb, journal, lock.mdb (LMDB's), lock (ours), mark. After a clean end data.mdb alone is the whole store. A data.mdb
 * that is put beside a newer journal is brought up to date by it, or refused where the journal does not reach back so far.
 *
 * Beyond 10,000 pieces of evidence no more are kept. The newest 10,000 commit records stay, without their leaves, when everything
 * in them is gone. An entry's head goes no earlier than its id: a keep.proof that ends before expires and ten minutes is made that long.
 */
#ifndef KW_BROKER_STORE_LMDB_H
#define KW_BROKER_STORE_LMDB_H

#include "broker/store/store.h"

struct store_lmdb_config {
	const char *path;            /* a folder, made if missing (0700) */
	const char *partnership;     /* written at the first start, compared at every later one */
	uint64_t quota_bytes;        /* 0: 80 % of what the disk has free at the start, at most the map */
	bool force_filesystem;
	uint64_t journal_bytes;      /* of a new one, a multiple of JOURNAL_PAGE; 0: 32 MiB, less on a small disk */
	uint64_t apply_after_ms;     /* what is in the journal is in LMDB then at the latest; 0: two seconds */
	struct store_signer signer;
	void (*working)(void);       /* called now and then while open takes long and goes on; may be NULL */
};

bool store_lmdb_is_there(const char *path); /* whether a store was begun in the folder */
KW_MUST_USE enum kw_err store_lmdb_open(struct store **out, const struct store_lmdb_config *config, const struct store_load *load,
                                        struct kw_why *why);
/* Another quota from now on, as quota_bytes above. Of a store that store_lmdb_open made; any thread. KW_EIO: the disk cannot be asked; nothing changed. */
KW_MUST_USE enum kw_err store_lmdb_quota(struct store *s, uint64_t quota_bytes, struct kw_why *why);

#endif
