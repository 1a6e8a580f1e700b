/*
 * store: the broker's memory: three logs with heads and bodies apart, an index by audience, cursors, ids, commits,
 * agreements. A table of operations with several bodies: LMDB (store_lmdb.h), memory (store_memory.h), and later others.
 *
 * One batch is one transaction and one commit: all of it is durable when store_commit returns KW_OK, or none of it ever
 * counts. Numbers are given by the store, in the order of the batch. store_commit is called by one thread at a time (the
 * commit thread); store_read and the other questions by another one thread at the same time, and see committed data alone.
 *
 * What can be read is durable. OP_PURGE and OP_SWEEP may be carried out behind the batch's answer, by the store itself and whole: done is 0
 * then, and at of a sweep its upto; unless the batch waits for them.
 *
 * KW_EIO, KW_ECORRUPT, KW_ENOMEM from store_commit: the store is lost. It is not tried again; nothing more is acknowledged,
 * the process ends with code 74 and recovers from disk at its next start. KW_EFULL (quota or disk): nothing of the
 * batch happened, the next batch may be tried. The quota is for batches that append and hold no flash entry: flash goes on until the
 * disk itself is full [P-5], and what frees room always passes.
 */
#ifndef KW_BROKER_STORE_H
#define KW_BROKER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/commit.h"
#include "proto/header.h"
#include "proto/wire.h"

/*
 * Nodes have numbers of the broker's own, given once by first appearance and never reused, so that they outlive versions
 * of the agreement. An audience set is a sorted list of such numbers, kept once and named by its own number.
 */
typedef struct { uint32_t v; } node_no;
typedef struct { uint32_t v; } set_no;

#define STORE_NODES_MAX 65536u
#define STORE_SETS_MAX 65536u
#define STORE_BATCH_MAX 1000u    /* appends of one batch: LMDB transactions stay small */
#define STORE_CASE_MAX 4096u     /* bytes of one case */
#define STORE_SUSPENSION_MAX 1024u /* bytes of what is known of a node's suspensions */

enum op_kind {
	OP_APPEND,     /* a notification, or the broker's own entry */
	OP_NODE,       /* a new node number */
	OP_SET,        /* a new audience set; before the appends that use it */
	OP_CURSOR,     /* node's cursor in a lane, only upwards (a lower one is ignored) */
	OP_SUBSCRIBE,  /* node's filters */
	OP_AGREEMENT,  /* text and signatures of a version; the tails at that moment are kept with it */
	OP_LOG_EPOCH,  /* a new log epoch begins behind all lanes' tails */
	OP_EVIDENCE,   /* bytes kept for somebody to look at */
	OP_PURGE,      /* one bounded step of retention: everything due at now_ms, at most limit records */
	OP_SWEEP,      /* bodies of lane and set up to number: everyone in the set is past them; at most limit records */
	OP_CASE,       /* a case as it stands, under its id; no bytes: it is forgotten */
	OP_FOLDED,     /* all that the log says of cases up to these numbers stands in what OP_CASE wrote */
	OP_RECALL,     /* the sender's notification with this id loses its body now, and is marked */
	OP_SUSPENSION, /* what is known of a node's suspensions; takes the place of what was */
};

struct op_append {
	enum lane lane;
	set_no set;
	node_no sender;              /* of an entry of the broker's own: v = UINT32_MAX, never deduplicated */
	const char *sender_id;       /* for the leaf: node id, or the broker's name */
	uint8_t id[KW_ID_LEN];
	uint8_t frame_hash[KW_HASH_LEN];
	bool receipt;                /* its head does not expire for delivery */
	bool entry;                  /* the broker's own: head holds its bytes, no body, no wraps */
	bool if_known;               /* the answer where it stands already; nothing is written where it does not */
	uint64_t expires_ms;
	uint64_t body_until_ms;      /* min of expires and keep.content */
	uint64_t proof_until_ms;     /* head and receipt go then */
	struct span head;            /* borrowed until the batch is answered, as all spans here */
	struct span body;
	struct span wraps;           /* audience * KW_WRAP_LEN, in the set's order */
};

enum append_result { APPEND_STORED, APPEND_DUPLICATE, APPEND_CONFLICT, APPEND_ABSENT /* if_known alone */ };

struct store_op {
	enum op_kind kind;
	uint64_t tag;                /* the caller's; not touched */
	union {
		struct op_append append;
		struct { node_no node; const char *id; } node;
		struct { set_no set; const node_no *nodes; uint32_t count; } set;
		struct { node_no node; enum lane lane; struct lane_cursor cursor; } cursor;
		struct { node_no node; const struct wire_subscribe *filters; } subscribe;
		struct { uint32_t version; struct span text; struct span sigs; } agreement;
		struct { uint32_t epoch; } log_epoch;
		struct { struct span bytes; } evidence;
		struct { uint32_t limit; } purge;
		struct { enum lane lane; set_no set; uint64_t upto; uint32_t limit; } sweep;
		struct { uint8_t id[KW_ID_LEN]; struct span bytes; } one_case;   /* at most STORE_CASE_MAX */
		struct { uint64_t upto[KW_LANES]; } folded;
		struct { node_no sender; uint8_t id[KW_ID_LEN]; } recall;
		struct { node_no node; struct span bytes; } suspension;          /* 1 to STORE_SUSPENSION_MAX */
	};
	/* answers, written by store_commit */
	enum append_result result;
	struct position at;          /* append: its own, or the first one's when a duplicate */
	uint64_t commit;             /* append: the commit that holds it (this one, or the first one's) */
	uint32_t index;              /* append: its leaf */
	uint64_t done;               /* purge, sweep: records handled; limit means there is more. sweep: at.number = handled up to.
	                              * recall: 1, and at says where it stands; 0: no such notification is known (any more) */
};

struct store_batch {
	struct store_op *ops;
	uint32_t count;
	uint64_t now_ms;             /* wall clock; the commit's time */
	bool waits;                  /* it is answered when its OP_PURGE and OP_SWEEP are done, and tells what they did */
	/* answers */
	bool has_commit;             /* false: nothing was appended, no commit record was made */
	uint8_t commit[WIRE_COMMIT_LEN];
	uint32_t leaf_count;
	uint8_t (*leaves)[KW_HASH_LEN]; /* leaf hashes in order, for the paths; the store's memory until the next store_commit */
};

struct store_signer { void *self; void (*sign)(void *self, const struct commit *c, uint8_t out[WIRE_COMMIT_LEN]); };

struct store_entry { /* one entry as read back; spans live until store_read_done */
	struct position at;
	set_no set;
	uint64_t commit;
	bool entry;
	bool receipt;
	bool recalled;
	uint64_t expires_ms;
	uint8_t id[KW_ID_LEN];
	node_no sender;
	struct span head;
	struct span body;            /* empty: gone */
	struct span wraps;           /* empty: gone */
};

/* Where a sender's notification stands, and what it was. */
struct store_found { struct position at; uint64_t commit; uint32_t index; uint8_t frame_hash[KW_HASH_LEN]; };

struct store_sizes {
	uint64_t used_bytes;
	uint64_t quota_bytes;
	uint64_t disk_free_bytes;    /* for who is not root; and of how many. 0 and 0: not known, or there is no disk */
	uint64_t disk_bytes;
	uint64_t entries[KW_LANES];
	bool disk_full;              /* whatever the quota says */
};

struct store;
struct store_ops {
	enum kw_err (*commit)(struct store *s, struct store_batch *b, struct kw_why *why);
	/*
	 * Entries of lane that stand in any of sets (ascending), number > after, in order, until max_entries or max_bytes (always
	 * at least one). Writes count; *tail is the lane's newest number in the same snapshot: count less than asked and less
	 * bytes means the reader is at the tail.
	 */
	enum kw_err (*read)(struct store *s, enum lane lane, const set_no *sets, uint32_t set_count, uint64_t after,
	                    struct store_entry *out, uint32_t max_entries, uint64_t max_bytes, uint32_t *count, uint64_t *tail,
	                    struct kw_why *why);
	void (*read_done)(struct store *s);
	/* The same for everything in the lane, whatever its audience: heads alone, body and wraps stay empty. Also ends with read_done. */
	enum kw_err (*heads)(struct store *s, enum lane lane, uint64_t after, struct store_entry *out, uint32_t max_entries, uint32_t *count,
	                     struct kw_why *why);
	/* A stored item again, for a duplicate's answer: the commit's bytes and the leaf's path. KW_ENOTFOUND: purged. */
	enum kw_err (*proof)(struct store *s, uint64_t commit, uint32_t index, uint8_t record[WIRE_COMMIT_LEN],
	                     uint8_t (*path)[KW_HASH_LEN], uint32_t *path_len, struct kw_why *why);
	/* A notification by its sender and id, as an append of it would be answered. KW_ENOTFOUND: it never came, or is forgotten. */
	enum kw_err (*find)(struct store *s, node_no sender, const uint8_t id[KW_ID_LEN], struct store_found *out, struct kw_why *why);
	/* The hash of a commit by number; KW_ENOTFOUND: not kept, or newer than all. And its own time. */
	enum kw_err (*commit_hash)(struct store *s, uint64_t number, uint8_t hash[KW_HASH_LEN]);
	enum kw_err (*commit_time)(struct store *s, uint64_t number, uint64_t *ms);
	void (*sizes)(struct store *s, struct store_sizes *out);
	/*
	 * Looks for damage in the next few records, at most so many, round and round through the whole store: for the reading thread,
	 * about once a second. KW_ECORRUPT names the record, the next call goes on behind it; nothing else is changed by it. KW_EIO: the
	 * store is lost, as if store_commit had said so: what it does by itself failed.
	 */
	enum kw_err (*scrub)(struct store *s, uint32_t most, struct kw_why *why);
	/*
	 * Writes a copy of everything that could be read when it was called, and perhaps of what came in between, into fd as one file's bytes, while all
	 * else goes on: for any thread but those above, as long as the disk and fd take. Until it returns no room in the store is used again. KW_ESTATE:
	 * nobody reads at the other end of fd any more; KW_EIO, KW_ENOMEM: it cannot be read, and the store stays as it is. NULL: this store cannot.
	 */
	enum kw_err (*copy)(struct store *s, int fd, struct kw_why *why);
	uint32_t format;             /* of what it writes; 0: it has none */
	void (*close)(struct store *s);
};
struct store { const struct store_ops *ops; };

/*
 * What a broker needs to know at its start, told once by open, by callbacks in this order; all spans borrowed for the
 * call. Memory of the caller's grows with nodes, sets and versions, never with the backlog.
 */
struct store_load {
	void *self;
	void (*state)(void *self, uint32_t log_epoch, const uint64_t epoch_start[KW_LANES], const uint64_t tail[KW_LANES],
	              bool has_commit, const uint8_t commit[WIRE_COMMIT_LEN]);
	void (*epoch)(void *self, uint32_t log_epoch, const uint64_t start[KW_LANES]); /* every one, oldest first */
	/* Oldest first; before: the lanes' tails when OP_AGREEMENT was met, so that what follows them came under this version. */
	enum kw_err (*agreement)(void *self, uint32_t version, struct span text, struct span sigs, const uint64_t before[KW_LANES], struct kw_why *why);
	enum kw_err (*node)(void *self, node_no node, const char *id);
	enum kw_err (*set)(void *self, set_no set, const node_no *nodes, uint32_t count);
	void (*cursor)(void *self, node_no node, enum lane lane, struct lane_cursor cursor);
	void (*last_stored)(void *self, node_no node, const uint8_t id[KW_ID_LEN]);
	enum kw_err (*subscribe)(void *self, node_no node, uint32_t count, const char *const *filters);
	void (*swept)(void *self, enum lane lane, set_no set, uint64_t upto); /* OP_SWEEP has been here */
	void (*folded)(void *self, const uint64_t upto[KW_LANES]);           /* OP_FOLDED, zeros before the first; may be NULL, as the next */
	enum kw_err (*one_case)(void *self, const uint8_t id[KW_ID_LEN], struct span bytes, struct kw_why *why);
	enum kw_err (*suspension)(void *self, node_no node, struct span bytes, struct kw_why *why); /* may be NULL too */
};

#endif
