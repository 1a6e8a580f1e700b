/*
 * store_lmdb_commit: a batch is decided, appended to the journal and synced: then it is durable, and can be read (recent.h). A thread of
 * the store's own writes to LMDB what the journal holds, in few large transactions: when half of the journal is full, when the oldest has waited
 * long enough, or when somebody waits for it.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"
#include "broker/store/store_lmdb_parts.h"

#define RETENTION_EVERY_MS 200u  /* between two transactions that only go on with what was left over */
#define LEFT_AT_ONCE 32u

static enum kw_err
lose(struct store_lmdb *s, enum kw_err err, const struct kw_why *why)
{
	(void)pthread_mutex_lock(&s->lock);
	if (!s->lost)
		s->lost_err = err;
	if (!s->lost && why != NULL)
		s->lost_why = *why;
	s->lost = true;
	files_mark_lost(&s->files);
	(void)pthread_cond_broadcast(&s->applied_more);
	(void)pthread_cond_signal(&s->work);
	(void)pthread_mutex_unlock(&s->lock);
	return err;
}

/* ---- writing to LMDB ---- */

/* What retention did: for who waits for it, or to go on with. */
static void
kept(void *self, const struct store_op *op, bool more, uint64_t now_ms)
{
	struct applying *a = self;
	struct store_batch *b = a->asked;

	if (b == NULL) {
		if (more && a->left_count < LEFT_MAX) /* beyond that it is asked for again at the next start, if not before */
			a->left[a->left_count++] = (struct left){*op, now_ms};
		return;
	}
	while (a->asked_at < b->count && b->ops[a->asked_at].kind != OP_PURGE && b->ops[a->asked_at].kind != OP_SWEEP)
		a->asked_at++;
	MUST(a->asked_at < b->count);
	b->ops[a->asked_at].done = op->done;
	b->ops[a->asked_at++].at = op->at;
}

/*
 * What is left over goes on, step by step, and only where there is room: what cannot go on now does so later. Steps of one transaction are cheap
 * together, so it takes as many as do not hold up what comes behind them.
 */
static enum kw_err
go_on_with_left(struct work *w, struct applying *a)
{
	uint64_t pages = 0;
	enum kw_err err = KW_OK;

	a->asked = NULL;
	for (uint32_t n = 0; n < LEFT_AT_ONCE && a->left_count > 0 && err == KW_OK; n++) {
		struct left left = a->left[0];

		pages += room_retention_pages(&left.op);
		if (!room_for_pages(w->s, pages))
			break;
		memmove(a->left, a->left + 1, --a->left_count * sizeof a->left[0]);
		w->now_ms = left.now_ms;
		err = store_apply_retention(w, &left.op);
	}
	return err;
}

/* Those that go on until they are through. Two that share a place: the later one stays, the other's bodies are written and swept. */
static void
note_sweeps(struct recent_sweep swept[SWEPT_SLOTS], const struct recent_batch *first, const struct recent_batch *last)
{
	memset(swept, 0, SWEPT_SLOTS * sizeof swept[0]);
	for (const struct recent_batch *b = first; b != NULL; b = b == last ? NULL : b->next)
		for (uint32_t i = 0; i < b->sweep_count && b->asked == NULL; i++)
			*store_apply_slot(swept, b->sweeps[i].lane, b->sweeps[i].set) = b->sweeps[i];
}

/* [first, last], NULL: none; and what retention has left over. */
static enum kw_err
apply(struct store_lmdb *s, const struct recent_batch *first, const struct recent_batch *last, const struct journal_place *after, struct kw_why *why)
{
	struct work w = {.s = s, .swept = s->applying.swept, .kept = kept, .kept_self = &s->applying};
	enum kw_err err = store_apply_begin(&w, why);

	if (err != KW_OK)
		return err;
	note_sweeps(s->applying.swept, first, last);
	for (const struct recent_batch *b = first; b != NULL && err == KW_OK; b = b == last ? NULL : b->next) {
		s->applying.asked = b->asked;
		s->applying.asked_at = 0;
		err = store_apply(&w, b);
	}
	if (err == KW_OK)
		err = go_on_with_left(&w, &s->applying);
	return store_apply_end(&w, after, err);
}

/* ---- the thread ---- */

/* When what waits is to be written, on the monotonic clock; 0: now; UINT64_MAX: nothing waits. Under the lock. */
static uint64_t
due_ms(const struct store_lmdb *s)
{
	uint64_t due = UINT64_MAX;

	if (s->apart)
		return due;
	if (s->recents.oldest != NULL)
		due = s->wanted || s->ending || journal_used(s->journal) >= journal_bytes(s->journal) / 2 ? 0 : s->recents.oldest->made_ms + s->apply_after_ms;
	if (s->applying.left_count > 0 && s->left_due_ms < due)
		due = s->ending ? due : s->left_due_ms;
	return due;
}

/* UINT64_MAX: until somebody calls. A condition knows no clock that goes on while the machine sleeps, so a length is waited for. */
static void
wait_for_work(struct store_lmdb *s, uint64_t ms)
{
	struct timespec t;

	if (ms == UINT64_MAX) {
		(void)pthread_cond_wait(&s->work, &s->lock);
		return;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(ms / 1000);
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	(void)pthread_cond_timedwait(&s->work, &s->lock, &t);
}

/* One transaction, begun and ended under the lock, and made without it. */
static void
apply_once(struct store_lmdb *s)
{
	const struct recent_batch *first = s->recents.oldest, *last = s->recents.newest;
	struct journal_place after = last != NULL ? last->after : s->applied.journal;
	struct recent_batch *spare = NULL;
	struct kw_why why = {""};
	enum kw_err err;

	s->busy = true;
	(void)pthread_mutex_unlock(&s->lock);
	err = apply(s, first, last, &after, &why);
	if (err != KW_OK)
		(void)lose(s, err == KW_EFULL ? KW_EIO : err, &why); /* it was answered already */
	(void)pthread_mutex_lock(&s->lock);
	s->busy = false;
	if (err == KW_OK && last != NULL) {
		recent_drop(&s->recents, last);
		journal_applied(s->journal, &after);
		spare = recent_spare(&s->recents);
	}
	s->left_due_ms = clock_mono_ms() + RETENTION_EVERY_MS;
	s->wanted = s->wanted && s->recents.oldest != NULL;
	(void)pthread_cond_broadcast(&s->applied_more);
	if (spare == NULL)
		return;
	(void)pthread_mutex_unlock(&s->lock);
	recent_free_chain(spare);
	(void)pthread_mutex_lock(&s->lock);
}

static void *
follow(void *self)
{
	struct store_lmdb *s = self;

	(void)prctl(PR_SET_NAME, "store");
	(void)pthread_mutex_lock(&s->lock);
	while (!s->lost) {
		uint64_t due = due_ms(s), now = clock_mono_ms();

		if (due == UINT64_MAX && s->ending)
			break;
		if (due > now)
			wait_for_work(s, due == UINT64_MAX ? due : due - now);
		else
			apply_once(s);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return NULL;
}

enum kw_err
store_follow_begin(struct store_lmdb *s, struct kw_why *why)
{
	sigset_t all, before;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
	rc = pthread_create(&s->follower, NULL, follow, s);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return kw_refuse(why, KW_ENOMEM, "no thread for the store in %s: %s", s->path, strerror(rc));
	s->following = true;
	return KW_OK;
}

void
store_follow_end(struct store_lmdb *s)
{
	if (!s->following)
		return;
	(void)pthread_mutex_lock(&s->lock);
	s->ending = true;
	(void)pthread_cond_signal(&s->work);
	(void)pthread_mutex_unlock(&s->lock);
	(void)pthread_join(s->follower, NULL);
	s->following = false;
}

/* ---- the commit ---- */

/* Everything in the journal is in LMDB. Under the lock; false: the store is lost. */
static bool
wait_for_all(struct store_lmdb *s)
{
	while (!s->lost && s->recents.oldest != NULL) {
		s->wanted = true;
		(void)pthread_cond_signal(&s->work);
		(void)pthread_cond_wait(&s->applied_more, &s->lock);
	}
	return !s->lost;
}

bool
store_follow_upto(struct store_lmdb *s)
{
	uint64_t next;
	bool good;

	(void)pthread_mutex_lock(&s->lock);
	next = journal_next(s->journal).number; /* what comes meanwhile is not waited for: under load there would be no end */
	while (!s->lost && s->recents.oldest != NULL && s->recents.oldest->after.number <= next) {
		s->wanted = true;
		(void)pthread_cond_signal(&s->work);
		(void)pthread_cond_wait(&s->applied_more, &s->lock);
	}
	good = !s->lost;
	(void)pthread_mutex_unlock(&s->lock);
	return good;
}

/* Where it goes in the journal, as soon as there is room. Under the lock; JOURNAL_NO_ROOM: the store is lost. */
static uint64_t
wait_for_place(struct store_lmdb *s, size_t len)
{
	uint64_t at;

	while ((at = journal_place_for(s->journal, len)) == JOURNAL_NO_ROOM && !s->lost) {
		s->wanted = true;
		(void)pthread_cond_signal(&s->work);
		(void)pthread_cond_wait(&s->applied_more, &s->lock);
	}
	return s->lost ? JOURNAL_NO_ROOM : at;
}

/* With what it was lost by. */
enum kw_err
store_lost(struct store_lmdb *s, struct kw_why *why)
{
	enum kw_err err;

	(void)pthread_mutex_lock(&s->lock);
	err = s->lost ? s->lost_err : KW_OK;
	if (s->lost && why != NULL)
		*why = s->lost_why;
	(void)pthread_mutex_unlock(&s->lock);
	return err;
}

/* Whether there is something that it is to wait for. */
static bool
waits_for_retention(const struct store_batch *b)
{
	for (uint32_t i = 0; b->waits && i < b->count; i++)
		if (b->ops[i].kind == OP_PURGE || b->ops[i].kind == OP_SWEEP)
			return true;
	return false;
}

/* The store's own thread has nothing to do, and begins nothing. False: the store is lost. */
static bool
step_aside(struct store_lmdb *s)
{
	bool good;

	(void)pthread_mutex_lock(&s->lock);
	good = wait_for_all(s);
	s->apart = good;
	while (s->busy)
		(void)pthread_cond_wait(&s->applied_more, &s->lock);
	good = good && !s->lost;
	(void)pthread_mutex_unlock(&s->lock);
	return good;
}

static void
step_back(struct store_lmdb *s, const struct journal_place *passed)
{
	(void)pthread_mutex_lock(&s->lock);
	if (passed != NULL)
		journal_passed(s->journal, passed);
	s->apart = false;
	(void)pthread_cond_signal(&s->work);
	(void)pthread_mutex_unlock(&s->lock);
}

/* More than the journal holds: straight into LMDB, when that has everything before it. */
static enum kw_err
commit_apart(struct store_lmdb *s, struct recent_batch *r, struct store_batch *b, struct kw_why *why)
{
	struct journal_place after;
	enum kw_err err;

	if (!step_aside(s))
		return store_lost(s, why);
	after = journal_pass(s->journal, &r->record);
	r->asked = waits_for_retention(b) ? b : NULL;
	err = apply(s, r, r, &after, why);
	step_back(s, err == KW_OK ? &after : NULL);
	return err; /* KW_EFULL too: nothing was answered yet, and nothing of it is in LMDB */
}

/* It is on disk: from here on it can be read. Who asked what retention did waits for it. */
static enum kw_err
published(struct store_lmdb *s, struct recent_batch *r, uint64_t at, struct kw_why *why)
{
	bool good = true, first, asked = r->asked != NULL;

	(void)pthread_mutex_lock(&s->lock);
	first = s->recents.oldest == NULL;
	journal_advance(s->journal, &r->record, at);
	r->after = journal_next(s->journal);
	r->made_ms = clock_mono_ms();
	recent_add(&s->recents, r);
	if (asked)
		good = wait_for_all(s);
	else if (first || journal_used(s->journal) >= journal_bytes(s->journal) / 2)
		(void)pthread_cond_signal(&s->work);
	(void)pthread_mutex_unlock(&s->lock);
	return good ? KW_OK : store_lost(s, why);
}

static enum kw_err
commit_in_journal(struct store_lmdb *s, struct recent_batch *r, uint64_t *at, struct kw_why *why)
{
	enum kw_err err;

	(void)pthread_mutex_lock(&s->lock);
	*at = wait_for_place(s, r->record.len);
	err = recent_reserve(&s->recents, r);
	(void)pthread_mutex_unlock(&s->lock);
	if (*at == JOURNAL_NO_ROOM)
		return store_lost(s, why);
	if (err != KW_OK)
		return kw_refuse(why, err, "out of memory at the store in %s", s->path);
	return journal_append(s->journal, &r->record, *at, why);
}

enum kw_err
store_lmdb_commit(struct store *base, struct store_batch *b, struct kw_why *why)
{
	struct store_lmdb *s = lmdb_of(base);
	struct log_state next = s->head;
	struct recent_batch *r;
	uint64_t at = JOURNAL_NO_ROOM;
	enum kw_err err;

	b->has_commit = false;
	b->leaf_count = 0;
	b->leaves = NULL;
	if (store_lost(s, NULL) != KW_OK)
		return kw_refuse(why, KW_EIO, "the store in %s failed before and takes nothing more; start the broker again, it then checks the store", s->path);
	if ((err = room_for(s, b, why)) != KW_OK)
		return err == KW_EFULL ? err : lose(s, err, why);
	if ((err = store_decide(s, &r, b, &next, why)) != KW_OK)
		return lose(s, err, why);
	room_note(r, b);
	if (!journal_holds(s->journal, r->record.len)) {
		err = commit_apart(s, r, b, why);
		recent_free(&r);
	} else {
		r->asked = waits_for_retention(b) ? b : NULL;
		err = commit_in_journal(s, r, &at, why);
		if (err == KW_OK)
			err = published(s, r, at, why);
		else
			recent_free(&r);
	}
	if (err == KW_OK)
		s->head = next;
	else
		b->has_commit = false;
	return err == KW_OK || err == KW_EFULL ? err : lose(s, err, why);
}
