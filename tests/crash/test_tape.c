/* The recorder itself: what several threads write at once is on the tape whole, each write with its own bytes and in its thread's order. */
#include "tests/crash/tape.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/crash/scratch.h"

#define THREADS 3u
#define WRITES 3000u
#define PAGE 512u

struct writer { pthread_t thread; int fd; uint8_t number; };

static void
fill(uint8_t page[PAGE], uint8_t writer, uint32_t n)
{
	for (uint32_t i = 0; i < PAGE; i++)
		page[i] = (uint8_t)(writer * 31u + n * 7u + i);
}

static void *
write_much(void *self)
{
	const struct writer *w = self;
	uint8_t page[PAGE];

	for (uint32_t n = 0; n < WRITES; n++) {
		fill(page, w->number, n);
		if (pwrite(w->fd, page, sizeof page, (off_t)n * PAGE) != PAGE)
			abort();
	}
	return NULL;
}

static void
what_threads_write_at_once_is_kept_apart(void **state)
{
	struct tape *t = tape_new(THREADS * WRITES * PAGE + (1u << 20));
	uint32_t met[THREADS] = {0}, file[THREADS];
	struct writer w[THREADS];
	char folder[64], path[96];
	uint8_t page[PAGE];

	(void)state;
	assert_non_null(t);
	assert_true(scratch_make(folder, sizeof folder));
	tape_start(t, folder, NULL, 0, 0);
	for (uint8_t i = 0; i < THREADS; i++) {
		(void)snprintf(path, sizeof path, "%s/%u", folder, i);
		w[i].number = i;
		w[i].fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert_true(w[i].fd >= 0);
		file[i] = tape_event(t, tape_count(t) - 1)->file;
	}
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&w[i].thread, NULL, write_much, &w[i]), 0);
	for (uint32_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(w[i].thread, NULL), 0);
		assert_int_equal(close(w[i].fd), 0);
	}
	tape_stop();
	assert_int_equal(tape_count(t), THREADS + THREADS * WRITES);
	for (uint32_t k = 0; k < tape_count(t); k++) {
		const struct tape_event *e = tape_event(t, k);
		uint8_t i = 0;

		if (e->kind != TAPE_WRITE)
			continue;
		while (i < THREADS && file[i] != e->file)
			i++;
		assert_true(i < THREADS);
		assert_int_equal(e->at, (uint64_t)met[i] * PAGE);
		fill(page, i, met[i]++);
		assert_memory_equal(e->bytes, page, PAGE);
	}
	tape_free(&t);
	scratch_empty(folder);
	(void)rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_threads_write_at_once_is_kept_apart)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
