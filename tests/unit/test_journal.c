/* The journal by itself: what was appended is read again, in order, up to the first place where nothing follows; damage is told from an end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/store/journal.h"

#define BYTES (16u * JOURNAL_PAGE)
#define SEED 0x5EEDull

struct place { char folder[64], path[80]; struct journal *j; struct journal_place start; struct kw_why why; };

static int
make(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	assert_non_null(p);
	strcpy(p->folder, "/tmp/kw-journal-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	(void)snprintf(p->path, sizeof p->path, "%s/journal", p->folder);
	assert_int_equal(journal_open(&p->j, p->folder, BYTES, true, SEED, &p->start, &p->why), KW_OK);
	*state = p;
	return 0;
}

static int
unmake(void **state)
{
	struct place *p = *state;

	journal_close(&p->j);
	(void)unlink(p->path);
	assert_int_equal(rmdir(p->folder), 0);
	free(p);
	return 0;
}

static enum kw_err
again_from(struct place *p, const struct journal_place *from)
{
	journal_close(&p->j);
	return journal_open(&p->j, p->folder, BYTES, true, SEED, from, &p->why);
}

/* A record of len bytes that says n, at once. */
static uint64_t
append(struct place *p, uint32_t n, size_t len)
{
	struct buf b = BUF_INIT(BYTES + JOURNAL_PAGE);
	uint64_t at;

	assert_true(len >= 4);
	assert_non_null(buf_reserve(&b, JOURNAL_HEAD + len));
	memset(b.p, (int)(n & 0xFF), JOURNAL_HEAD + len);
	buf_commit(&b, JOURNAL_HEAD + len);
	be32_put(b.p + JOURNAL_HEAD, n);
	at = journal_place_for(p->j, b.len);
	if (at != JOURNAL_NO_ROOM) {
		assert_int_equal(journal_append(p->j, &b, at, &p->why), KW_OK);
		assert_int_equal(b.len, JOURNAL_HEAD + len);
		journal_advance(p->j, &b, at);
	}
	buf_free(&b);
	return at;
}

/* The next one says n. */
static void
reads(struct place *p, uint32_t n, size_t len)
{
	struct buf b = BUF_INIT(BYTES);

	assert_int_equal(journal_read(p->j, &b, &p->why), KW_OK);
	assert_int_equal(b.len, JOURNAL_HEAD + len);
	assert_int_equal(be32_get(b.p + JOURNAL_HEAD), n);
	for (size_t i = JOURNAL_HEAD + 4; i < b.len; i++)
		assert_int_equal(b.p[i], n & 0xFF);
	buf_free(&b);
}

static enum kw_err
read_on(struct place *p)
{
	struct buf b = BUF_INIT(BYTES);
	enum kw_err err = journal_read(p->j, &b, &p->why);

	buf_free(&b);
	return err;
}

static void
flip(const struct place *p, uint64_t at, uint8_t bits)
{
	int fd = open(p->path, O_RDWR);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= bits;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	assert_int_equal(close(fd), 0);
}

/* ---- what is read again ---- */

static void
an_empty_one_holds_nothing(void **state)
{
	struct place *p = *state;
	struct stat st;

	assert_int_equal(read_on(p), KW_ENOTFOUND);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_size, BYTES);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void
records_come_back_in_order_each_on_pages_of_its_own(void **state)
{
	struct place *p = *state;

	assert_int_equal(append(p, 1, 100), 0);
	assert_int_equal(append(p, 2, JOURNAL_PAGE - JOURNAL_HEAD), JOURNAL_PAGE);
	assert_int_equal(append(p, 3, JOURNAL_PAGE - JOURNAL_HEAD + 1), 2 * JOURNAL_PAGE);
	assert_int_equal(append(p, 4, 4), 4 * JOURNAL_PAGE);
	assert_int_equal(journal_used(p->j), 5 * JOURNAL_PAGE);
	assert_int_equal(again_from(p, &p->start), KW_OK);
	reads(p, 1, 100);
	reads(p, 2, JOURNAL_PAGE - JOURNAL_HEAD);
	reads(p, 3, JOURNAL_PAGE - JOURNAL_HEAD + 1);
	reads(p, 4, 4);
	assert_int_equal(read_on(p), KW_ENOTFOUND);
	assert_int_equal(journal_used(p->j), 5 * JOURNAL_PAGE);
	assert_int_equal(append(p, 5, 4), 5 * JOURNAL_PAGE); /* and it goes on there */
}

static void
only_what_is_not_applied_is_read(void **state)
{
	struct place *p = *state;
	struct journal_place after;

	(void)append(p, 1, 100);
	(void)append(p, 2, 100);
	after = journal_next(p->j);
	(void)append(p, 3, 100);
	assert_int_equal(again_from(p, &after), KW_OK);
	reads(p, 3, 100);
	assert_int_equal(read_on(p), KW_ENOTFOUND);
}

/* Many times round, with records of every length, applied some way behind, and read again at each step. */
static void
it_goes_round_and_round(void **state)
{
	struct place *p = *state;
	struct journal_place applied = p->start, ends[4000];
	size_t lens[4000];
	uint32_t first = 0, n = 0;

	for (uint32_t step = 0; step < 3000; step++) {
		size_t len = 4 + (step * 7919u) % (3 * JOURNAL_PAGE);

		while (n - first > 1 + step % 5) {
			applied = ends[first++];
			journal_applied(p->j, &applied);
		}
		while (append(p, n, len) == JOURNAL_NO_ROOM) {
			assert_true(first < n);
			applied = ends[first++];
			journal_applied(p->j, &applied);
		}
		lens[n] = len;
		ends[n++] = journal_next(p->j);
		if (step % 37 != 0)
			continue;
		assert_int_equal(again_from(p, &applied), KW_OK);
		for (uint32_t i = first; i < n; i++)
			reads(p, i, lens[i]);
		assert_int_equal(read_on(p), KW_ENOTFOUND);
	}
	assert_true(ends[n - 1].number == n);
}

static void
what_counts_is_never_written_over(void **state)
{
	struct place *p = *state;
	struct journal_place first;
	uint32_t n = 0;

	assert_true(journal_holds(p->j, BYTES / 2) && !journal_holds(p->j, BYTES / 2 + 1));
	while (append(p, n, 4) != JOURNAL_NO_ROOM)
		if (++n == 1)
			first = journal_next(p->j);
	assert_int_equal(n, BYTES / JOURNAL_PAGE);
	assert_int_equal(journal_used(p->j), BYTES);
	journal_applied(p->j, &first);
	assert_int_equal(append(p, n, JOURNAL_PAGE), JOURNAL_NO_ROOM); /* two pages */
	assert_int_equal(append(p, n, 4), 0);
	assert_int_equal(append(p, n, 4), JOURNAL_NO_ROOM);
	assert_int_equal(again_from(p, &first), KW_OK);
	for (uint32_t i = 1; i <= n; i++)
		reads(p, i, 4);
	assert_int_equal(read_on(p), KW_ENOTFOUND);
}

/* ---- ends and damage ---- */

static void
a_torn_last_record_is_the_end_whatever_byte_is_torn(void **state)
{
	struct place *p = *state;

	(void)append(p, 1, 60);
	(void)append(p, 2, 60);
	for (uint64_t i = 0; i < JOURNAL_HEAD + 60; i++) {
		flip(p, JOURNAL_PAGE + i, (uint8_t)(1u << (i % 8)));
		assert_int_equal(again_from(p, &p->start), KW_OK);
		reads(p, 1, 60);
		assert_int_equal(read_on(p), KW_ENOTFOUND);
		flip(p, JOURNAL_PAGE + i, (uint8_t)(1u << (i % 8)));
	}
	assert_int_equal(again_from(p, &p->start), KW_OK);
	reads(p, 1, 60);
	reads(p, 2, 60);
}

static void
a_damaged_record_before_a_good_one_is_damage(void **state)
{
	struct place *p = *state;

	(void)append(p, 1, 60);
	(void)append(p, 2, 60);
	(void)append(p, 3, 60);
	flip(p, JOURNAL_PAGE + JOURNAL_HEAD + 7, 4);
	assert_int_equal(again_from(p, &p->start), KW_OK);
	reads(p, 1, 60);
	assert_int_equal(read_on(p), KW_ECORRUPT);
	assert_non_null(strstr(p->why.text, "restore both"));
}

/* An older LMDB file beside it: where what it lacks still stands, it is read; where it was written over, nothing is guessed. */
static void
an_older_place_is_caught_up_with_or_refused(void **state)
{
	struct place *p = *state;
	struct journal_place applied;

	for (uint32_t i = 0; i < 12; i++) {
		(void)append(p, i, 4);
		applied = journal_next(p->j);
		journal_applied(p->j, &applied);
	}
	assert_int_equal(again_from(p, &p->start), KW_OK);
	for (uint32_t i = 0; i < 12; i++)
		reads(p, i, 4);
	assert_int_equal(read_on(p), KW_ENOTFOUND);
	for (uint32_t i = 12; i < 20; i++) {
		(void)append(p, i, 4);
		applied = journal_next(p->j);
		journal_applied(p->j, &applied);
	}
	assert_int_equal(again_from(p, &p->start), KW_OK);
	assert_int_equal(read_on(p), KW_ECORRUPT);
}

static void
another_stores_journal_is_not_read(void **state)
{
	struct place *p = *state;

	(void)append(p, 1, 60);
	journal_close(&p->j);
	assert_int_equal(journal_open(&p->j, p->folder, BYTES, true, SEED + 1, &p->start, &p->why), KW_OK);
	assert_int_equal(read_on(p), KW_ENOTFOUND);
}

static void
what_is_no_journal_is_refused(void **state)
{
	struct place *p = *state;
	struct journal_place beyond = {.at = BYTES + JOURNAL_PAGE};

	assert_int_equal(truncate(p->path, BYTES - 1), 0);
	assert_int_equal(again_from(p, &p->start), KW_ECORRUPT);
	assert_int_equal(truncate(p->path, 0), 0);
	assert_int_equal(again_from(p, &p->start), KW_ECORRUPT);
	assert_int_equal(truncate(p->path, BYTES), 0);
	assert_int_equal(again_from(p, &beyond), KW_OK); /* a larger one's: from its beginning */
	assert_int_equal(unlink(p->path), 0);
	assert_int_equal(symlink("/dev/zero", p->path), 0);
	assert_int_not_equal(again_from(p, &p->start), KW_OK);
	assert_int_equal(unlink(p->path), 0);
	journal_close(&p->j);
	assert_int_equal(journal_open(&p->j, p->folder, BYTES, false, SEED, &p->start, &p->why), KW_ECORRUPT); /* not made where it must be there */
	assert_non_null(strstr(p->why.text, "is missing"));
	assert_int_equal(again_from(p, &beyond), KW_OK); /* made anew: from its beginning */
	assert_int_equal(append(p, 1, 4), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, make, unmake)
	const struct CMUnitTest tests[] = {
		T(an_empty_one_holds_nothing),
		T(records_come_back_in_order_each_on_pages_of_its_own),
		T(only_what_is_not_applied_is_read),
		T(it_goes_round_and_round),
		T(what_counts_is_never_written_over),
		T(a_torn_last_record_is_the_end_whatever_byte_is_torn),
		T(a_damaged_record_before_a_good_one_is_damage),
		T(an_older_place_is_caught_up_with_or_refused),
		T(another_stores_journal_is_not_read),
		T(what_is_no_journal_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
