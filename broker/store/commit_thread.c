/* commit_thread: one thread that carries one batch at a time to the store, and a descriptor that says when it is answered. */
#include "broker/store/commit_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define CARRY_US 1000u   /* a disk that took longer of late is not waited for by who has other things to do */

enum stage { STAGE_IDLE, STAGE_GIVEN, STAGE_CARRIED, STAGE_ANSWERED };

struct commit_thread {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int fd;
	/* under the lock; answer and usual_us are the carrier's own between IDLE and ANSWERED */
	enum stage stage;
	bool ending;
	bool joined;
	struct committed answer;
	uint64_t usual_us;                 /* what a commit took of late */
};

static void
say_answered(int fd)
{
	static const uint64_t one = 1;

	while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
		continue;
}

static uint64_t
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void
commit(struct commit_thread *t)
{
	uint64_t begun = now_us();

	t->answer.why.text[0] = '\0';
	t->answer.err = t->store->ops->commit(t->store, t->answer.batch, &t->answer.why);
	t->answer.took_us = now_us() - begun;
	t->usual_us = (t->usual_us * 7 + t->answer.took_us) / 8;
}

static void *
run(void *self)
{
	struct commit_thread *t = self;

	(void)prctl(PR_SET_NAME, "commit");
	(void)pthread_mutex_lock(&t->lock);
	for (;;) {
		while (t->stage != STAGE_GIVEN && !t->ending)
			(void)pthread_cond_wait(&t->changed, &t->lock);
		if (t->stage != STAGE_GIVEN)
			break;
		(void)pthread_mutex_unlock(&t->lock);
		commit(t);
		(void)pthread_mutex_lock(&t->lock);
		t->stage = STAGE_ANSWERED;
		say_answered(t->fd);
	}
	(void)pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* Signals are the main thread's. */
static int
start_without_signals(struct commit_thread *t)
{
	sigset_t all, before;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&t->thread, NULL, run, t);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

enum kw_err
commit_thread_start(struct commit_thread **out, struct store *s)
{
	struct commit_thread *t = calloc(1, sizeof *t);

	if (t == NULL)
		return KW_ENOMEM;
	t->store = s;
	t->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->fd < 0)
		goto free_thread;
	if (pthread_mutex_init(&t->lock, NULL) != 0)
		goto close_fd;
	if (pthread_cond_init(&t->changed, NULL) != 0)
		goto destroy_lock;
	if (start_without_signals(t) != 0)
		goto destroy_cond;
	*out = t;
	return KW_OK;
destroy_cond:
	(void)pthread_cond_destroy(&t->changed);
destroy_lock:
	(void)pthread_mutex_destroy(&t->lock);
close_fd:
	(void)close(t->fd);
free_thread:
	free(t);
	return KW_ENOMEM;
}

void
commit_thread_finish(struct commit_thread *t)
{
	if (t->joined)
		return;
	(void)pthread_mutex_lock(&t->lock);
	t->ending = true;
	(void)pthread_cond_signal(&t->changed);
	(void)pthread_mutex_unlock(&t->lock);
	(void)pthread_join(t->thread, NULL);
	t->joined = true;
}

void
commit_thread_stop(struct commit_thread **t)
{
	if (*t == NULL)
		return;
	commit_thread_finish(*t);
	(void)pthread_cond_destroy(&(*t)->changed);
	(void)pthread_mutex_destroy(&(*t)->lock);
	(void)close((*t)->fd);
	free(*t);
	*t = NULL;
}

int
commit_thread_fd(const struct commit_thread *t)
{
	return t->fd;
}

bool
commit_thread_give(struct commit_thread *t, struct store_batch *batch)
{
	bool given = false;

	(void)pthread_mutex_lock(&t->lock);
	if (t->stage == STAGE_IDLE && !t->ending) {
		t->answer.batch = batch;
		t->stage = STAGE_GIVEN;
		given = true;
		(void)pthread_cond_signal(&t->changed);
	}
	(void)pthread_mutex_unlock(&t->lock);
	return given;
}

bool
commit_thread_carry(struct commit_thread *t, struct store_batch *batch)
{
	bool mine;

	(void)pthread_mutex_lock(&t->lock);
	mine = t->stage == STAGE_IDLE && !t->ending && t->usual_us < CARRY_US;
	if (mine)
		t->stage = STAGE_CARRIED;
	(void)pthread_mutex_unlock(&t->lock);
	if (!mine)
		return false;
	t->answer.batch = batch;
	commit(t);
	(void)pthread_mutex_lock(&t->lock);
	t->stage = STAGE_ANSWERED;
	(void)pthread_mutex_unlock(&t->lock);
	return true;
}

bool
commit_thread_take(struct commit_thread *t, struct committed *out)
{
	bool taken = false;
	uint64_t count;

	(void)pthread_mutex_lock(&t->lock);
	if (t->stage == STAGE_ANSWERED) {
		*out = t->answer;
		t->stage = STAGE_IDLE;
		taken = true;
		while (read(t->fd, &count, sizeof count) < 0 && errno == EINTR)
			continue;
	}
	(void)pthread_mutex_unlock(&t->lock);
	return taken;
}
