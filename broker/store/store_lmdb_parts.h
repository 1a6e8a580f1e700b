/*
 * store_lmdb_parts: what the files of the LMDB store share: tables, keys, records with their checksums. Nobody else includes it.
 *
 * Every table is a named database with fixed-length keys (big-endian numbers, at most 20 bytes, no DUPSORT):
 *
 *   meta        word                       format: version, checksum keys, partnership; state: struct log_state; last and a node's number: the
 *                                          id of it that was stored last (here because every commit writes this page anyway);
 *                                          folded: what OP_FOLDED gave; suspended and a node's number: what OP_SUSPENSION gave
 *   epochs      epoch                      first number of each lane
 *   heads.LANE  number                     what is known of an entry, and its head's bytes
 *   bodies.LANE number                     wraps and body; without the body once it went, gone once everyone is past it
 *   index       lane set number            nothing
 *   ids         sender id                  where it stands, its frame hash
 *   due         second kind lane number    nothing; the next thing alone that is to happen to an entry or a commit
 *   cursors     node lane                  epoch, number
 *   sets, nodes, subs                      by number
 *   commits     number                     until when it is kept, the signed record and its leaves
 *   agreements  version                    tail of each lane before it, text and signatures
 *   evidence    running number             time and bytes
 *   swept       lane set                   number up to which OP_SWEEP has been
 *   cases       id                         a case as OP_CASE gave it
 *
 * A value begins with its checksum: XXH3 with a seed of the store's own, 16 bytes, over table, key and the rest; where the value is
 * nothing (index, due) 8 bytes. It finds damage and what was written to another place; against who writes to the disk on purpose
 * stand the signatures. The format's own checksum is BLAKE2b in every format, so that each broker can tell which one it has before it.
 */
#ifndef KW_BROKER_STORE_LMDB_PARTS_H
#define KW_BROKER_STORE_LMDB_PARTS_H

#include <lmdb.h>
#include <limits.h>
#include <pthread.h>

#include "broker/store/recent.h"
#include "broker/store/store_lmdb.h"

#define STORE_FORMAT 4u              /* of data.mdb and of the journal beside it, which has no number of its own: what changes there changes this */
#define STORE_MAP_BYTES (64ull << 30)
#define STORE_MAP_LEAST (1ull << 30)
#define STORE_EVIDENCE_MAX 10000u    /* the first ones are kept: nobody washes them out by making more */
#define STORE_COMMITS_KEPT 10000u    /* newest commit records, whatever their entries' proof says: [L-5] */
#define SUM_LEN 16u
#define FREE_DBI 0                   /* LMDB's own list of free pages */
#define SHORT_SUM_LEN 8u
#define NEVER_MS (UINT64_MAX / 2)    /* times from here on mean never */

enum table {
	T_META, T_EPOCHS, T_HEADS, T_HEADS_URGENT, T_HEADS_ROUTINE, T_BODIES, T_BODIES_URGENT, T_BODIES_ROUTINE, T_INDEX, T_IDS, T_DUE,
	T_CURSORS, T_SETS, T_NODES, T_SUBS, T_COMMITS, T_AGREEMENTS, T_EVIDENCE, T_SWEPT, T_CASES,
	T_COUNT
};

enum due_kind { DUE_BODY = 1, DUE_ID, DUE_HEAD, DUE_COMMIT }; /* in the order in which they happen to an entry */

struct lmdb { /* an open environment and what records need */
	MDB_env *env;
	MDB_dbi dbi[T_COUNT];
	uint64_t sum_seed, short_seed;
	const char *path;        /* the folder, for sentences */
	const char *map;         /* where data.mdb is mapped */
	uint64_t map_bytes;
};

struct log_state {
	uint32_t log_epoch;
	uint64_t tail[KW_LANES];
	uint64_t entries[KW_LANES];  /* heads that stand */
	uint64_t evidence;
	uint64_t commit_number;      /* 0: none yet */
	uint8_t commit[WIRE_COMMIT_LEN];
	struct journal_place journal; /* of the first record that is not in LMDB */
};

struct key { uint8_t bytes[24]; uint32_t len; };
struct key key_of_u32(uint32_t v);
struct key key_of_u64(uint64_t v);
struct key key_index(enum lane lane, set_no set, uint64_t number);
struct key key_id(node_no sender, const uint8_t id[KW_ID_LEN]);
struct key key_case(const uint8_t id[KW_ID_LEN]);
struct key key_due(uint64_t ms, enum due_kind kind, enum lane lane, uint64_t number); /* the second at which ms is over */
struct key key_cursor(node_no node, enum lane lane);
struct key key_swept(enum lane lane, set_no set);
struct key key_word(const char *word);
struct key key_last(node_no node);
bool key_is_last(struct span key, node_no *node);
struct key key_suspension(node_no node);
bool key_is_suspension(struct span key, node_no *node);

const char *table_name(enum table t);
uint32_t table_key_len(enum table t); /* 0: any */

/* What LMDB answered, as our error with a sentence that tells what to do. rc is not 0. */
enum kw_err lmdb_failed(const struct lmdb *db, int rc, const char *doing, struct kw_why *why);
/* A record does not say what it must: KW_ECORRUPT with the advice to restore. */
enum kw_err record_damaged(const struct lmdb *db, enum table t, const void *key, size_t key_len, struct kw_why *why);

/* The value without checksum; points into the map until the transaction ends or, when that writes, until its next change. KW_ENOTFOUND, KW_ECORRUPT. */
KW_MUST_USE enum kw_err record_get(const struct lmdb *db, MDB_txn *txn, enum table t, const struct key *key, struct span *value,
                                   struct kw_why *why);
/* Checks one met by a cursor. */
KW_MUST_USE enum kw_err record_check(const struct lmdb *db, enum table t, const MDB_val *key, const MDB_val *data, struct span *value,
                                     struct kw_why *why);
/* The one record whose checksum has a key of its own: format_read has looked at it. */
bool record_is_format(enum table t, const MDB_val *key);
/* append: the key is higher than all others of the table. At most 4 parts. */
enum put_how { PUT_ANYWHERE, PUT_LAST };
KW_MUST_USE enum kw_err record_put(const struct lmdb *db, MDB_txn *txn, enum table t, const struct key *key, const struct span *parts,
                                   unsigned count, enum put_how how, struct kw_why *why);
KW_MUST_USE enum kw_err record_delete(const struct lmdb *db, MDB_txn *txn, enum table t, const struct key *key, bool must_exist,
                                      struct kw_why *why);

/* ---- layouts ---- */

#define STATE_LEN (4u + 3u * 8u + 3u * 8u + 8u + 8u + WIRE_COMMIT_LEN + 8u + 8u + JOURNAL_SUM)
void state_pack(uint8_t out[STATE_LEN], const struct log_state *st);
KW_MUST_USE bool state_unpack(struct log_state *st, struct span in);

struct head_record {
	set_no set;
	node_no sender;
	uint64_t commit;
	uint32_t index;
	uint32_t log_epoch;
	bool entry, receipt, recalled;
	uint8_t id[KW_ID_LEN];
	uint64_t expires_ms, body_until_ms, proof_until_ms;
	struct span head;
};
#define HEAD_FIXED_LEN (4u + 4u + 8u + 4u + 4u + 1u + KW_ID_LEN + 3u * 8u)
void head_pack(uint8_t out[HEAD_FIXED_LEN], const struct head_record *h);
KW_MUST_USE bool head_unpack(struct head_record *h, struct span in);

#define BODY_FIXED_LEN 4u /* length of the wraps; the body is the rest */
KW_MUST_USE bool body_unpack(struct span in, struct span *wraps, struct span *body);

#define COMMIT_FIXED_LEN (8u + WIRE_COMMIT_LEN) /* until, record; the leaves are the rest, none once the proof is gone */
struct commit_record { uint64_t until_ms; const uint8_t *record; const uint8_t *leaves; uint32_t leaf_count; };
KW_MUST_USE bool commit_unpack(struct commit_record *r, struct span in);

struct id_record { struct position at; uint64_t commit; uint32_t index; uint8_t frame_hash[KW_HASH_LEN]; };
#define ID_RECORD_LEN (1u + 4u + 8u + 8u + 4u + KW_HASH_LEN)
void id_pack(uint8_t out[ID_RECORD_LEN], const struct id_record *r);
KW_MUST_USE bool id_unpack(struct id_record *r, struct span in);

/* ---- opening (store_lmdb_files.c, store_lmdb_check.c, store_lmdb_load.c) ---- */

enum mark { MARK_CLEAN, MARK_RUNNING, MARK_LOST };

struct files { int lock_fd; int mark_fd; enum mark mark; unsigned starts; /* since the last clean end */ bool fresh; bool nothing_pending; /* it never ran, or ended cleanly */ uint64_t needed_bytes; };
/* Lock, file system, owner, marks, sizes: all that can be asked before LMDB touches a page. On KW_OK the lock is held. */
KW_MUST_USE enum kw_err files_open(struct files *f, const struct store_lmdb_config *config, struct kw_why *why);
KW_MUST_USE enum kw_err files_check_sizes(const char *folder, uint64_t *needed_bytes, struct kw_why *why); /* both metas against the file's length */
KW_MUST_USE enum kw_err files_mark_running(struct files *f, const char *folder, struct kw_why *why);
void files_mark_lost(struct files *f);
void files_close(struct files *f, bool clean);

KW_MUST_USE enum kw_err env_open(struct lmdb *db, const char *folder, bool writing, uint64_t needed_bytes, struct kw_why *why);
KW_MUST_USE enum kw_err env_format(struct lmdb *db, const char *partnership, struct kw_why *why); /* before env_tables, where another program may have written it */
KW_MUST_USE enum kw_err env_tables(struct lmdb *db, struct kw_why *why); /* those that are there */
void env_close(struct lmdb *db);
KW_MUST_USE enum kw_err format_read(struct lmdb *db, MDB_txn *txn, const char *partnership, struct kw_why *why);
KW_MUST_USE enum kw_err format_write(struct lmdb *db, MDB_txn *txn, const char *partnership, struct kw_why *why);

/* In a process of its own, so that a damaged page ends that one. whole: every record. The copy is checked so and takes the store's place. */
KW_MUST_USE enum kw_err check_apart(const char *folder, const char *partnership, bool whole, void (*working)(void), struct kw_why *why);
KW_MUST_USE enum kw_err recover_copy(const char *folder, const char *partnership, void (*working)(void), struct kw_why *why);
/*
 * A new data.mdb is made in a folder of its own within folder, and takes its place whole and synced, or not at all. begin makes that folder,
 * empty; end takes what became of it, leaves data.mdb in its place where that was KW_OK, and removes the rest.
 */
KW_MUST_USE enum kw_err copy_begin(char copy[PATH_MAX], const char *folder, struct kw_why *why);
KW_MUST_USE enum kw_err copy_end(const char *folder, const char *copy, enum kw_err err, struct kw_why *why);

KW_MUST_USE enum kw_err load_state(const struct lmdb *db, MDB_txn *txn, struct log_state *out, struct kw_why *why);
KW_MUST_USE enum kw_err load_all(const struct lmdb *db, MDB_txn *txn, const struct store_load *load, struct kw_why *why);

/* ---- the store ---- */

#define LEFT_MAX 64u
#define SWEPT_SLOTS 64u

/* What retention did within a transaction, and what it left over. Of who writes to LMDB. */
struct applying {
	struct recent_sweep swept[SWEPT_SLOTS]; /* by lane and set: what the batches of this transaction sweep, upto 0: none known */
	struct store_batch *asked;   /* by whom it was asked for and waited for; NULL: nobody */
	uint32_t asked_at;
	struct left { struct store_op op; uint64_t now_ms; } left[LEFT_MAX];
	uint32_t left_count;
};

struct known { bool there; struct position at; }; /* of an operation that names an id: where that stands already */

struct store_lmdb {
	struct store base;
	struct lmdb db;
	struct files files;
	char path[PATH_MAX];
	struct store_signer signer;
	_Atomic uint64_t quota_bytes;
	uint64_t apply_after_ms;
	void (*working)(void);       /* while it is opened; may be NULL */
	/* the committing thread's */
	struct log_state head;       /* as the journal leaves it */
	uint64_t used_bytes;         /* never less than what is used */
	MDB_txn *decider;            /* reset between batches */
	struct known *known;
	uint32_t known_room;
	uint8_t (*leaves)[KW_HASH_LEN];
	uint32_t leaf_room;
	uint8_t packed[4u * STORE_NODES_MAX];
	/* of who writes to LMDB: the store's own thread, or the committing one while that has nothing to do */
	struct log_state applied;
	struct applying applying;
	uint64_t senders_seen[STORE_NODES_MAX / 64];
	/* of who holds growing */
	pthread_mutex_t growing;
	uint64_t file_bytes;
	/* under the lock */
	pthread_mutex_t lock;
	pthread_cond_t work;         /* for the store's own thread */
	pthread_cond_t applied_more; /* from it */
	bool has_lock;
	struct journal *journal;
	struct recents recents;
	bool lost, ending, wanted;   /* wanted: somebody waits for what is in the journal to be in LMDB */
	bool busy, apart;            /* the store's own thread writes to LMDB; it is to leave that alone */
	uint64_t left_due_ms;
	struct kw_why lost_why;      /* by what */
	enum kw_err lost_err;
	pthread_t follower;
	bool following;              /* of who opened the store */
	/* the reading thread's */
	MDB_txn *reader;             /* reset between reads */
	MDB_txn *asker;
	struct store_entry *seen;    /* what a read met that is not in LMDB yet */
	uint32_t seen_room;
	bool pinned;
	enum table scrub_table;
	struct key scrub_key;        /* the last one looked at; length 0: none of this table yet */
};

struct work { /* one transaction under way */
	struct store_lmdb *s;
	MDB_txn *txn;
	struct log_state next;
	struct recent_sweep *swept;  /* SWEPT_SLOTS; NULL: none */
	uint32_t leaf_count;         /* of the batch that is written */
	uint64_t now_ms;             /* its time */
	void (*kept)(void *self, const struct store_op *op, bool more, uint64_t now_ms); /* may be NULL: what retention did, and whether there is more */
	void *kept_self;
	struct kw_why *why;
};

/* Makes of a batch what the journal carries, and its answers; next becomes how the log stands behind it. Nothing is written. KW_ENOMEM, KW_EIO, KW_ECORRUPT. */
KW_MUST_USE enum kw_err store_decide(struct store_lmdb *s, struct recent_batch **out, struct store_batch *b, struct log_state *next, struct kw_why *why);

/* One transaction: begin, then batches and what was left over, then end, with what became of them; after: what the journal is applied up to. */
struct recent_sweep *store_apply_slot(struct recent_sweep swept[SWEPT_SLOTS], enum lane lane, set_no set);
KW_MUST_USE enum kw_err store_apply_begin(struct work *w, struct kw_why *why);
KW_MUST_USE enum kw_err store_apply(struct work *w, const struct recent_batch *b);
KW_MUST_USE enum kw_err store_apply_retention(struct work *w, const struct store_op *op);
KW_MUST_USE enum kw_err store_apply_end(struct work *w, const struct journal_place *after, enum kw_err err);

/* The thread that follows the journal. end: everything is in LMDB, unless the store is lost. */
KW_MUST_USE enum kw_err store_follow_begin(struct store_lmdb *s, struct kw_why *why);
void store_follow_end(struct store_lmdb *s);
KW_MUST_USE enum kw_err store_lost(struct store_lmdb *s, struct kw_why *why); /* KW_OK: it is not */
bool store_follow_upto(struct store_lmdb *s); /* waits until what is in the journal now is in LMDB; false: the store is lost */

enum kw_err store_lmdb_commit(struct store *base, struct store_batch *b, struct kw_why *why);
enum kw_err store_lmdb_read(struct store *base, enum lane lane, const set_no *sets, uint32_t set_count, uint64_t after,
                            struct store_entry *out, uint32_t max_entries, uint64_t max_bytes, uint32_t *count, uint64_t *tail,
                            struct kw_why *why);
void store_lmdb_read_done(struct store *base);
enum kw_err store_lmdb_heads(struct store *base, enum lane lane, uint64_t after, struct store_entry *out, uint32_t max_entries, uint32_t *count,
                             struct kw_why *why);
enum kw_err store_lmdb_proof(struct store *base, uint64_t commit, uint32_t index, uint8_t record[WIRE_COMMIT_LEN],
                             uint8_t (*path)[KW_HASH_LEN], uint32_t *path_len, struct kw_why *why);
enum kw_err store_lmdb_find(struct store *base, node_no sender, const uint8_t id[KW_ID_LEN], struct store_found *out, struct kw_why *why);
enum kw_err store_lmdb_commit_hash(struct store *base, uint64_t number, uint8_t hash[KW_HASH_LEN]);
enum kw_err store_lmdb_commit_time(struct store *base, uint64_t number, uint64_t *ms);
void store_lmdb_sizes(struct store *base, struct store_sizes *out);
enum kw_err store_lmdb_scrub(struct store *base, uint32_t most, struct kw_why *why);
enum kw_err store_lmdb_copy(struct store *base, int fd, struct kw_why *why);

/* Room for a batch: quota and disk (store_lmdb_room.c). KW_EFULL with the sentence. */
KW_MUST_USE enum kw_err room_for(struct store_lmdb *s, const struct store_batch *b, struct kw_why *why);
void room_note(struct recent_batch *r, const struct store_batch *b); /* what LMDB will need for it */
uint64_t room_retention_pages(const struct store_op *op); /* the most that one step of it writes */
bool room_for_pages(struct store_lmdb *s, uint64_t pages); /* beside all that is on its way to LMDB; for who writes to it */
uint64_t room_used_in_all(struct store_lmdb *s); /* and what is on its way there */
uint64_t room_used(const struct lmdb *db, uint64_t *last_page); /* walks the list of free pages */
void room_disk(const struct store_lmdb *s, struct store_sizes *out); /* what it says of the disk */

/* Retention (store_lmdb_keep.c). */
KW_MUST_USE enum kw_err keep_due(struct work *w, const struct head_record *h, enum lane lane, uint64_t number, enum due_kind after);
KW_MUST_USE enum kw_err keep_purge(struct work *w, struct store_op *op);
KW_MUST_USE enum kw_err keep_sweep(struct work *w, struct store_op *op);
KW_MUST_USE enum kw_err keep_recall(struct work *w, enum lane lane, uint64_t number); /* KW_OK also where it is gone by now */

static inline struct store_lmdb *
lmdb_of(struct store *base)
{
	return (struct store_lmdb *)(void *)base;
}

#endif
