/*
 * recent: what is in the journal and not in LMDB yet, so that it can be read all the same: batches in the order in which they were decided,
 * their entries by lane and number and by sender and id, their commits, and what they recall.
 *
 * A batch belongs to who made it until recent_add; from then on to this list. What is dropped because LMDB has it stays in memory as long as
 * somebody reads (recent_pin), and its recalls stay known for who has an older snapshot of LMDB; then recent_spare gives it away, to be freed
 * without the lock. All calls but those on a batch that is not in the list are made under one lock of the caller's.
 */
#ifndef KW_BROKER_RECENT_H
#define KW_BROKER_RECENT_H

#include "broker/store/decided.h"
#include "broker/store/journal.h"

#define RECENT_BUCKETS 8192u
#define RECENT_FEW_BUCKETS 1024u
#define RECENT_SWEEPS_MAX 8u      /* of one batch that are kept in mind */

struct recent_entry {
	struct decided_append a;     /* points into the batch's record; its body is empty once it is recalled */
	uint64_t commit;
	uint32_t index;              /* among the commit's leaves */
	uint32_t log_epoch;
	bool recalled;
	uint64_t hash;               /* of sender and id; of a notification, a broker's own entry is not found by them */
	struct recent_entry *next_in_batch, *next_in_all, **to_it;
};

struct recent_recall { enum lane lane; uint64_t number; struct recent_recall *next, **to_it; };

struct recent_sweep { enum lane lane; set_no set; uint64_t upto; };

struct recent_batch {
	struct recent_batch *next;
	struct buf record;           /* JOURNAL_HEAD bytes and what was decided */
	struct journal_place after;  /* once it is in the journal: what follows it */
	uint64_t made_ms;            /* monotonic */
	struct recent_entry *entries;
	uint32_t count, room;
	struct recent_entry **by_id; /* the batch's own, buckets a power of two */
	uint32_t buckets;
	uint64_t seed;
	struct recent_recall *recalls;
	uint32_t recall_count, recall_room;
	struct recent_sweep sweeps[RECENT_SWEEPS_MAX]; /* bodies that go, as far as there is room */
	uint32_t sweep_count;
	uint64_t commit_number;      /* 0: it has none */
	struct recent_batch *next_by_commit, **to_it;
	struct decided_commit commit;
	struct store_batch *asked;   /* not NULL: somebody waits until LMDB has it, and for what its retention did */
	uint64_t pages, lmdb_bytes;  /* the most that LMDB writes for it; what it then keeps */
};

struct recent_lane { struct recent_entry **at; uint32_t first, count, room; uint64_t first_number; };

struct recents {
	struct recent_batch *oldest, *newest;
	struct recent_batch *dropped; /* still read by somebody */
	uint32_t pins;
	struct recent_lane lane[KW_LANES];
	struct recent_entry *by_id[RECENT_BUCKETS];
	struct recent_recall *recalled[RECENT_FEW_BUCKETS]; /* of dropped ones too */
	uint32_t recall_count;
	struct recent_batch *by_commit[RECENT_FEW_BUCKETS];
	uint64_t seed;               /* of the hashes, so that nobody chooses ids that meet in one bucket */
	uint64_t pages, lmdb_bytes;  /* sums of the batches' */
};

/* ---- a batch that is being made ---- */

/* For so many appends and recalls at most; the list's seed. NULL: out of memory. */
struct recent_batch *recent_new(uint64_t seed, uint32_t appends, uint32_t recalls, size_t bytes_max);
void recent_free(struct recent_batch **b);
struct recent_entry *recent_batch_find(const struct recent_batch *b, node_no sender, const uint8_t id[KW_ID_LEN]);
/* The next entry of the batch; a points to what outlives it until recent_settle. */
struct recent_entry *recent_batch_append(struct recent_batch *b, const struct decided_append *a);
void recent_batch_recall(struct recent_batch *b, enum lane lane, uint64_t number);
/* The record is whole: entries and commit point into it from now on. */
void recent_settle(struct recent_batch *b);
/* From a record that was read, which is taken over, as it would be after recent_settle. KW_ENOMEM; KW_ECORRUPT: no such record. */
KW_MUST_USE enum kw_err recent_of_record(struct recent_batch **out, struct buf *record);

/* ---- the list, under the lock ---- */

void recent_init(struct recents *r);

/* Room for the batch's entries, so that recent_add cannot fail; before it is written. */
KW_MUST_USE enum kw_err recent_reserve(struct recents *r, const struct recent_batch *b);
void recent_add(struct recents *r, struct recent_batch *b);
/* The oldest ones, up to this one, are in LMDB. */
void recent_drop(struct recents *r, const struct recent_batch *upto);
/* What was dropped and nobody reads: a chain by next, the caller's from now on, for recent_free_chain. */
struct recent_batch *recent_spare(struct recents *r);
void recent_free_chain(struct recent_batch *b);
void recent_clear(struct recents *r);

void recent_pin(struct recents *r);
void recent_unpin(struct recents *r);

struct store_found recent_found(const struct recent_entry *e); /* as the store tells where it stands */
struct recent_entry *recent_find(const struct recents *r, node_no sender, const uint8_t id[KW_ID_LEN]);
struct recent_entry *recent_at(const struct recents *r, enum lane lane, uint64_t number);
const struct recent_batch *recent_commit(const struct recents *r, uint64_t number);
bool recent_recalls(const struct recents *r, enum lane lane, uint64_t number); /* one that a snapshot of LMDB may have whole */

#endif
