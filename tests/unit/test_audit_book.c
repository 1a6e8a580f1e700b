/* The broker's audit trail: refusals bounded, strangers counted, operators recorded before they are answered (docs/protocol.md [U-13]) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "broker/net/audit_book.h"

#define NOW_MS 1796150000000ull
#define MINUTE BOOK_MINUTE_MS
#define START 5000u /* the monotonic clock's */

struct world { char folder[64]; struct secret_keys *keys; struct audit_book *book; };

static int
world_make(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct book_config config;
	struct kw_why why;

	assert_non_null(w);
	(void)snprintf(w->folder, sizeof w->folder, "/tmp/kw-book-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	assert_int_equal(secret_keys_new(&w->keys, KEY_BROKER, MODE_LIVE, "haus", &why), KW_OK);
	config = (struct book_config){w->folder, "musterstadt", w->keys, 1};
	assert_int_equal(audit_book_open(&w->book, &config, NOW_MS, &why), KW_OK);
	audit_book_tick(w->book, 0, NOW_MS, START);
	*state = w;
	return 0;
}

static int
world_end(void **state)
{
	struct world *w = *state;
	DIR *dir = opendir(w->folder);
	const struct dirent *e;
	char path[400];

	audit_book_close(&w->book, NOW_MS);
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		(void)snprintf(path, sizeof path, "%s/%s", w->folder, e->d_name);
		(void)unlink(path);
	}
	(void)closedir(dir);
	(void)rmdir(w->folder);
	secret_keys_free(&w->keys);
	free(w);
	return 0;
}

/* How many lines of the page have this text in them; its counts are summed. */
static uint32_t
lines_with(struct world *w, const char *text, uint64_t *sum)
{
	struct page_ask ask = {.place = 0};
	struct buf out = BUF_INIT(1u << 20);
	struct kw_why why;
	json_t *page, *one;
	uint32_t found = 0;
	size_t i;

	assert_int_equal(audit_book_page(&out, 1u << 20, w->book, &ask, NOW_MS, &why), KW_OK);
	page = json_loadb((const char *)out.p, out.len, 0, NULL);
	assert_non_null(page);
	*sum = 0;
	json_array_foreach(json_object_get(page, "lines"), i, one) {
		const char *line = json_string_value(one), *count = strstr(line, "\"count\":");

		if (strstr(line, text) == NULL)
			continue;
		found++;
		*sum += count != NULL ? strtoull(count + 8, NULL, 10) : 0;
	}
	json_decref(page);
	buf_free(&out);
	return found;
}

static void
a_peers_refusals_stand_one_by_one_up_to_a_limit_and_then_as_a_number(void **state)
{
	struct world *w = *state;
	const uint8_t id[KW_ID_LEN] = {1};
	uint64_t sum;

	for (int i = 0; i < 1000; i++)
		audit_book_refused(w->book, "police/control-room", CODE_DENIED, id, NOW_MS);
	audit_book_refused(w->book, "city/public-order", CODE_AUDIENCE, NULL, NOW_MS);
	audit_book_refused(w->book, "city/public-order", CODE_SLOW_DOWN, NULL, NOW_MS); /* to be tried again: no refusal */
	assert_int_equal(lines_with(w, "\"refused\"", &sum), BOOK_REFUSALS + 1);
	assert_int_equal(lines_with(w, "slow_down", &sum), 0);
	assert_int_equal(lines_with(w, "refused_more", &sum), 0);
	audit_book_tick(w->book, 0, NOW_MS, START + MINUTE);
	assert_int_equal(lines_with(w, "refused_more", &sum), 1);
	assert_int_equal(sum, 1000 - BOOK_REFUSALS);
	audit_book_refused(w->book, "police/control-room", CODE_DENIED, id, NOW_MS); /* the next minute */
	assert_int_equal(lines_with(w, "\"refused\"", &sum), BOOK_REFUSALS + 2);
}

static void
more_peers_than_there_are_places_for_are_counted_together(void **state)
{
	struct world *w = *state;
	uint64_t sum;
	char name[32];

	for (unsigned i = 0; i < BOOK_PEERS + 7; i++) {
		(void)snprintf(name, sizeof name, "police/n%u", i);
		audit_book_refused(w->book, name, CODE_MALFORMED, NULL, NOW_MS);
	}
	assert_int_equal(lines_with(w, "\"refused\"", &sum), BOOK_PEERS);
	audit_book_tick(w->book, 0, NOW_MS, START + MINUTE);
	assert_int_equal(lines_with(w, "\"others\"", &sum), 1);
	assert_int_equal(sum, 7);
}

static void
strangers_are_counted_by_the_minute(void **state)
{
	struct world *w = *state;
	uint64_t sum;

	audit_book_tick(w->book, 40, NOW_MS, START + MINUTE / 2);
	assert_int_equal(lines_with(w, "turned_away", &sum), 0);
	audit_book_tick(w->book, 42, NOW_MS, START + MINUTE);
	assert_int_equal(lines_with(w, "turned_away", &sum), 1);
	assert_int_equal(sum, 42);
	audit_book_tick(w->book, 42, NOW_MS, START + 2 * MINUTE);
	assert_int_equal(lines_with(w, "turned_away", &sum), 1);
}

/* [U-13] whatever text it is about, and however long nothing else happens */
static void
what_became_so_stands_there_and_is_synced_in_time(void **state)
{
	struct world *w = *state;
	uint64_t sum;
	char many[2000];

	memset(many, 'x', sizeof many - 1);
	many[sizeof many - 1] = '\0';
	many[3] = '\n';
	audit_book_event(w->book, "reload_refused", NULL, many, NOW_MS);
	assert_int_equal(lines_with(w, "xxx?xxx", &sum), 1);
	assert_true(audit_book_wait_ms(w->book, START) <= (long)TRAIL_SYNC_MS);
	audit_book_refused(w->book, "police/control-room", CODE_AGREEMENT_OLD, NULL, NOW_MS);
	audit_book_refused(w->book, "police/control-room", CODE_LANE, NULL, NOW_MS);
	assert_int_equal(lines_with(w, "\"refused\"", &sum), 2);
}

static void
what_an_operator_asks_for_is_recorded_or_refused(void **state)
{
	struct world *w = *state;
	struct audit_record r = {.event = "headers_read", .actor = "operator/night-desk"};
	struct rlimit was, none;
	struct kw_why why = {{0}};
	enum kw_err err;
	uint64_t sum;
	bool failing;

	assert_int_equal(audit_book_operator(w->book, &r, NOW_MS, &why), KW_OK);
	assert_int_equal(lines_with(w, "headers_read", &sum), 1);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none = was;
	none.rlim_cur = 1;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	err = audit_book_operator(w->book, &r, NOW_MS, &why);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(err, KW_EFULL);
	assert_non_null(audit_book_trouble(w->book, &failing));
	assert_true(failing);
	r.detail = "a\nb"; /* of what somebody typed: the disk is none the worse for it */
	assert_int_equal(audit_book_operator(w->book, &r, NOW_MS, &why), KW_EINVAL);
	r.detail = NULL;
	assert_int_equal(audit_book_operator(w->book, &r, NOW_MS, &why), KW_OK);
	assert_int_equal(lines_with(w, "headers_read", &sum), 2);
	assert_null(audit_book_trouble(w->book, &failing));
	assert_false(failing);
	r.detail = "a\nb";
	assert_int_equal(audit_book_operator(w->book, &r, NOW_MS, &why), KW_EINVAL);
	assert_null(audit_book_trouble(w->book, &failing));
	assert_int_equal(audit_book_operator(NULL, &r, NOW_MS, &why), KW_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_make, world_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_peers_refusals_stand_one_by_one_up_to_a_limit_and_then_as_a_number),
		TEST(more_peers_than_there_are_places_for_are_counted_together),
		TEST(strangers_are_counted_by_the_minute),
		TEST(what_became_so_stands_there_and_is_synced_in_time),
		TEST(what_an_operator_asks_for_is_recorded_or_refused),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
