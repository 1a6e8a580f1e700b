/* The thread that commits: one batch at a time, answers in order, and an end that finishes what was given. */
#include "store_world.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/store/commit_thread.h"

/* A store that answers when it is let. */
struct gated {
	struct store base;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open;
	uint32_t commits;
	enum kw_err answer;
};

static enum kw_err
gated_commit(struct store *s, struct store_batch *b, struct kw_why *why)
{
	struct gated *g = (struct gated *)(void *)s;
	enum kw_err err;

	(void)pthread_mutex_lock(&g->lock);
	while (!g->open)
		(void)pthread_cond_wait(&g->changed, &g->lock);
	g->commits++;
	err = g->answer;
	(void)pthread_mutex_unlock(&g->lock);
	b->has_commit = err == KW_OK;
	return err == KW_OK ? KW_OK : kw_refuse(why, err, "as told");
}

static const struct store_ops gated_ops = {.commit = gated_commit};

struct place { struct gated g; struct commit_thread *t; struct store_op op; struct store_batch b; };

static int
start(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	assert_non_null(p);
	p->g.base.ops = &gated_ops;
	(void)pthread_mutex_init(&p->g.lock, NULL);
	(void)pthread_cond_init(&p->g.changed, NULL);
	p->b = (struct store_batch){.ops = &p->op, .count = 1};
	assert_int_equal(commit_thread_start(&p->t, &p->g.base), KW_OK);
	*state = p;
	return 0;
}

static void
let(struct place *p, bool open, enum kw_err answer)
{
	(void)pthread_mutex_lock(&p->g.lock);
	p->g.open = open;
	p->g.answer = answer;
	(void)pthread_cond_signal(&p->g.changed);
	(void)pthread_mutex_unlock(&p->g.lock);
}

static int
stop(void **state)
{
	struct place *p = *state;

	let(p, true, KW_OK);
	commit_thread_stop(&p->t);
	(void)pthread_cond_destroy(&p->g.changed);
	(void)pthread_mutex_destroy(&p->g.lock);
	free(p);
	return 0;
}

static bool
readable(struct commit_thread *t, int wait_ms)
{
	struct pollfd fd = {.fd = commit_thread_fd(t), .events = POLLIN};

	return poll(&fd, 1, wait_ms) == 1;
}

static void
one_batch_at_a_time_and_the_descriptor_says_when(void **state)
{
	struct place *p = *state;
	struct store_batch other = p->b;
	struct committed c;

	assert_false(commit_thread_take(p->t, &c));
	assert_true(commit_thread_give(p->t, &p->b));
	assert_false(commit_thread_give(p->t, &other));
	assert_false(readable(p->t, 0));
	assert_false(commit_thread_take(p->t, &c));
	let(p, true, KW_OK);
	assert_true(readable(p->t, 10000));
	assert_false(commit_thread_give(p->t, &other)); /* until the answer was taken */
	assert_true(commit_thread_take(p->t, &c));
	assert_ptr_equal(c.batch, &p->b);
	assert_int_equal(c.err, KW_OK);
	assert_true(c.batch->has_commit);
	assert_false(readable(p->t, 0));
	assert_false(commit_thread_take(p->t, &c));
	assert_true(commit_thread_give(p->t, &other));
	assert_true(readable(p->t, 10000));
	assert_true(commit_thread_take(p->t, &c));
	assert_ptr_equal(c.batch, &other);
}

static void
what_is_carried_is_answered_on_return(void **state)
{
	struct place *p = *state;
	struct committed c;

	let(p, true, KW_OK);
	assert_true(commit_thread_carry(p->t, &p->b));
	assert_false(commit_thread_carry(p->t, &p->b)); /* until the answer was taken */
	assert_false(commit_thread_give(p->t, &p->b));
	assert_true(commit_thread_take(p->t, &c));
	assert_ptr_equal(c.batch, &p->b);
	assert_int_equal(c.err, KW_OK);
	assert_false(commit_thread_take(p->t, &c));
	let(p, true, KW_EFULL);
	assert_true(commit_thread_carry(p->t, &p->b));
	assert_true(commit_thread_take(p->t, &c));
	assert_int_equal(c.err, KW_EFULL);
	assert_string_equal(c.why.text, "as told");
}

static void
give_and_take(struct place *p)
{
	struct committed c;

	assert_true(commit_thread_give(p->t, &p->b));
	assert_true(readable(p->t, 10000));
	assert_true(commit_thread_take(p->t, &c));
}

/* The loop has others to answer: it does not wait for a disk that takes long. */
static void
nothing_is_carried_while_the_disk_is_slow(void **state)
{
	struct place *p = *state;
	struct timespec slow = {.tv_nsec = 50 * 1000 * 1000};
	uint32_t given = 0;
	struct committed c;

	assert_true(commit_thread_give(p->t, &p->b));
	(void)nanosleep(&slow, NULL); /* that is what it takes */
	let(p, true, KW_OK);
	assert_true(readable(p->t, 10000));
	assert_true(commit_thread_take(p->t, &c));
	assert_false(commit_thread_carry(p->t, &p->b));
	for (; given < 1000 && !commit_thread_carry(p->t, &p->b); given++)
		give_and_take(p);
	assert_in_range(given, 2, 999); /* it has been quick for a while */
}

static void
nothing_is_carried_while_another_is_under_way(void **state)
{
	struct place *p = *state;
	struct store_batch other = p->b;
	struct committed c;

	assert_true(commit_thread_give(p->t, &p->b));
	assert_false(commit_thread_carry(p->t, &other));
	let(p, true, KW_OK);
	assert_true(readable(p->t, 10000));
	assert_true(commit_thread_take(p->t, &c));
	assert_ptr_equal(c.batch, &p->b);
	commit_thread_finish(p->t);
	assert_false(commit_thread_carry(p->t, &other));
}

static void
a_failure_comes_back_with_its_sentence(void **state)
{
	struct place *p = *state;
	struct committed c;

	let(p, true, KW_EFULL);
	assert_true(commit_thread_give(p->t, &p->b));
	assert_true(readable(p->t, 10000));
	assert_true(commit_thread_take(p->t, &c));
	assert_int_equal(c.err, KW_EFULL);
	assert_string_equal(c.why.text, "as told");
	let(p, true, KW_OK);
	assert_true(commit_thread_give(p->t, &p->b));
	assert_true(readable(p->t, 10000));
	assert_true(commit_thread_take(p->t, &c));
	assert_int_equal(c.err, KW_OK);
	assert_string_equal(c.why.text, "");
}

static void *
let_later(void *self)
{
	let(self, true, KW_OK);
	return NULL;
}

static void
finish_waits_for_what_was_given(void **state)
{
	struct place *p = *state;
	struct committed c;
	pthread_t later;

	assert_true(commit_thread_give(p->t, &p->b));
	assert_int_equal(pthread_create(&later, NULL, let_later, p), 0);
	commit_thread_finish(p->t);
	(void)pthread_join(later, NULL);
	assert_int_equal(p->g.commits, 1);
	assert_true(readable(p->t, 0));
	assert_true(commit_thread_take(p->t, &c));
	assert_int_equal(c.err, KW_OK);
	assert_false(commit_thread_give(p->t, &p->b)); /* it has ended */
	commit_thread_finish(p->t);
}

static void
stop_with_work_under_way_finishes_it(void **state)
{
	struct place *p = *state;
	pthread_t later;

	assert_true(commit_thread_give(p->t, &p->b));
	assert_int_equal(pthread_create(&later, NULL, let_later, p), 0);
	commit_thread_stop(&p->t);
	(void)pthread_join(later, NULL);
	assert_null(p->t);
	assert_int_equal(p->g.commits, 1);
	commit_thread_stop(&p->t); /* nothing */
}

/* With the store on disk: one thread commits while another reads, and what is read was committed. */
static void
reading_and_committing_go_on_side_by_side(void **state)
{
	struct world *w = world_make(true);
	struct commit_thread *t;
	struct committed c;
	set_no set = {0};
	uint64_t seen = 0, answered = 0;

	(void)state;
	assert_int_equal(commit_thread_start(&t, w->s), KW_OK);
	for (uint32_t round = 0; round < 40; round++) {
		for (uint32_t i = 0; i < 20; i++)
			world_append(w, LANE_FLASH, 0, 1, round * 20 + i);
		w->b.now_ms = w->now;
		assert_true(commit_thread_give(t, &w->b));
		do {
			struct store_entry e[64];
			struct store_sizes sizes;
			uint8_t record[WIRE_COMMIT_LEN], path[KW_PATH_MAX][KW_HASH_LEN], hash[KW_HASH_LEN];
			uint32_t count, len;
			uint64_t tail;

			assert_int_equal(w->s->ops->read(w->s, LANE_FLASH, &set, 1, seen, e, 64, UINT64_MAX, &count, &tail, &w->why), KW_OK);
			assert_true(tail >= answered && tail % 20 == 0);
			for (uint32_t i = 0; i < count; i++)
				assert_int_equal(e[i].at.number, ++seen);
			w->s->ops->read_done(w->s);
			w->s->ops->sizes(w->s, &sizes);
			assert_true(sizes.entries[LANE_FLASH] >= seen);
			if (answered > 0) {
				assert_int_equal(w->s->ops->proof(w->s, round, 3, record, path, &len, &w->why), KW_OK);
				assert_int_equal(w->s->ops->commit_hash(w->s, round, hash), KW_OK);
			}
		} while (!readable(t, 0));
		assert_true(commit_thread_take(t, &c));
		assert_int_equal(c.err, KW_OK);
		answered = w->ops[19].at.number;
		w->b.ops = NULL;
	}
	assert_int_equal(answered, 800);
	commit_thread_stop(&t);
	world_free(w);
}

/* A store that was lost answers so again and again, and nobody waits for ever. */
static void
a_lost_store_goes_on_answering(void **state)
{
	struct world *w = world_make(false);
	struct commit_thread *t;
	struct committed c;

	(void)state;
	store_memory_fail(w->s, 2, KW_EIO);
	assert_int_equal(commit_thread_start(&t, w->s), KW_OK);
	world_append(w, LANE_FLASH, 0, 1, 1);
	for (int i = 0; i < 4; i++) {
		assert_true(commit_thread_give(t, &w->b));
		assert_true(readable(t, 10000));
		assert_true(commit_thread_take(t, &c));
		assert_int_equal(c.err, i == 0 ? KW_OK : KW_EIO);
	}
	commit_thread_stop(&t);
	world_free(w);
}

#define T(f) {#f, f, start, stop, NULL}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_batch_at_a_time_and_the_descriptor_says_when),
		T(what_is_carried_is_answered_on_return),
		T(nothing_is_carried_while_the_disk_is_slow),
		T(nothing_is_carried_while_another_is_under_way),
		T(a_failure_comes_back_with_its_sentence),
		T(finish_waits_for_what_was_given),
		T(stop_with_work_under_way_finishes_it),
		{"reading_and_committing_go_on_side_by_side", reading_and_committing_go_on_side_by_side, NULL, NULL, NULL},
		{"a_lost_store_goes_on_answering", a_lost_store_goes_on_answering, NULL, NULL, NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
