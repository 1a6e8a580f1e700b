/*
 * commit_thread: makes a store asynchronous. Batches go in at one end, answered ones come out at the other in the same
 * order; a descriptor becomes readable when there are some. While one batch is being synced the next one fills, so a
 * commit takes all that has come.
 */
#ifndef KW_BROKER_COMMIT_THREAD_H
#define KW_BROKER_COMMIT_THREAD_H

#include "broker/store/store.h"

struct commit_thread;
struct committed { struct store_batch *batch; enum kw_err err; struct kw_why why; uint64_t took_us; /* from the store's being asked to its answer, syncs and all */ };

KW_MUST_USE enum kw_err commit_thread_start(struct commit_thread **out, struct store *s); /* s is borrowed until stop */
void commit_thread_finish(struct commit_thread *t); /* waits for what was given; its answer may still be taken, nothing more given */
void commit_thread_stop(struct commit_thread **t);  /* the same, then frees; an answer not taken is dropped */
int commit_thread_fd(const struct commit_thread *t);
/* One batch at a time may be under way: false means busy, try again after the descriptor was readable. batch stays the caller's memory. */
bool commit_thread_give(struct commit_thread *t, struct store_batch *batch);
/*
 * The same by the calling thread itself, which saves two changes of thread where nothing else is to be done meanwhile: the answer is there when it
 * returns. False: busy, or a commit took a millisecond or more of late; give it then.
 */
bool commit_thread_carry(struct commit_thread *t, struct store_batch *batch);
bool commit_thread_take(struct commit_thread *t, struct committed *out);

#endif
