/*
 * case_book: the cases that the broker knows, found by id and by what is due next. Plain keeping: what happens to a case is
 * cases.c's to say. No I/O, no clock; memory grows with the cases, within the limits of the core.
 */
#ifndef KW_BROKER_CASE_BOOK_H
#define KW_BROKER_CASE_BOOK_H

#include "broker/core/list.h"
#include "cases/case.h"
#include "proto/topic.h"

#define CASE_NOT_DUE UINT32_MAX
#define CASE_SNAPSHOT_MAX (1u + 4u + 4u + 8u + 1u + KW_TOPIC_MAX + CASE_CODE_MAX)

struct case_rec {
	struct kw_case k;            /* its actors are node_no */
	struct case_rec *chain;      /* of its bucket */
	struct link of_set;          /* open ones of one audience and lane, oldest first */
	struct link dirty;           /* its snapshot is older than it; a list a lane, by dirty_from */
	struct link closed;          /* closed ones, longest ago first */
	uint64_t dirty_from;         /* number of the first entry that the snapshot lacks */
	uint64_t dirty_ms;           /* monotonic; since when */
	uint64_t due_ms;             /* monotonic; while it stands in the heap */
	uint64_t limit_ms;           /* wall clock: when its turn or its life is over; UINT64_MAX: never */
	uint64_t out_ms;             /* the same on the monotonic clock, from when it was first known */
	uint64_t said_ms;            /* monotonic: when its newest statement was made; 0: before this start */
	uint64_t closed_ms;          /* wall clock */
	uint32_t heap_at;            /* CASE_NOT_DUE: nothing is due */
	uint32_t set;                /* the audience of its notification */
	uint32_t take_within_s;      /* of its header */
	uint32_t waiting;            /* moves of it on their way into the log */
	bool stating;                /* a statement about it is on its way into the log */
	bool held;                   /* overdue at the start: its node, or a minute, comes first */
	char topic[];
};

struct case_book {
	struct case_rec **buckets;
	uint32_t bucket_count;
	uint32_t open_count, closed_count;
	struct case_rec **heap;      /* by due_ms, the earliest first */
	uint32_t heap_count, heap_cap;
	struct link dirty[KW_LANES], closed;
	uint32_t dirty_count, held_count;
};

KW_MUST_USE enum kw_err book_init(struct case_book *b);
void book_free(struct case_book *b);

struct case_rec *book_find(const struct case_book *b, const uint8_t id[KW_ID_LEN]); /* NULL: none */
/* Takes a copy of k, which is in no list yet; NULL: out of memory. */
struct case_rec *book_add(struct case_book *b, const struct kw_case *k, const char *topic, uint32_t set, uint32_t take_within_s);
void book_remove(struct case_book *b, struct case_rec *r); /* out of everything, and gone */

/* Counts it as open or closed, as it is now; closed_ms is when. */
void book_sort(struct case_book *b, struct case_rec *r, struct link *open_of_set, uint64_t closed_ms);
/* Its snapshot lacks what stands at from; nothing changes where it lacks more. */
void book_dirty(struct case_book *b, struct case_rec *r, uint64_t from, uint64_t mono_ms);
struct case_rec *book_first_dirty(const struct case_book *b, enum lane lane); /* NULL: every snapshot is new */
void book_hold(struct case_book *b, struct case_rec *r, bool held);
void book_clean(struct case_book *b, struct case_rec *r);

/* Due at due_ms, instead of when it was before; UINT64_MAX: not at all. There is always room: book_add took it. */
void book_due(struct case_book *b, struct case_rec *r, uint64_t due_ms);
struct case_rec *book_first_due(const struct case_book *b); /* NULL: nothing is due at any time */

/* Calls each for every case that is there; each must not add or remove any. */
void book_each(const struct case_book *b, void (*each)(void *self, struct case_rec *r), void *self);

/* A case with all that is kept of it. decode: KW_ECORRUPT; *topic is KW_TOPIC_MAX + 1 bytes. */
struct case_kept { struct kw_case k; uint32_t set, take_within_s; uint64_t closed_ms; char topic[KW_TOPIC_MAX + 1]; };
size_t book_encode(uint8_t out[CASE_SNAPSHOT_MAX], const struct case_rec *r);
KW_MUST_USE enum kw_err book_decode(struct case_kept *out, struct span in, struct kw_why *why);

#endif
