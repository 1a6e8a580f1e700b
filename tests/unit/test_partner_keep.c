/* What keep says is deleted stands in no file of the node: looked for byte by byte, as whoever steals the disk would. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>
#include <sqlite3.h>

#include "agreement_fixture.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "clients/partner/pstore.h"
#include "partner_world.h"
#include "proto/payload.h"

#define WINDOW 32u /* so many bytes of it in a row, beginning anywhere at a multiple of as many, and it is found */

static bool
file_holds(const char *path, struct span bytes)
{
	struct buf all = BUF_INIT(64u << 20);
	bool found = false;
	struct kw_why why;

	if (fs_read(&all, path, &why) != KW_OK)
		fail_msg("%s", why.text);
	for (size_t at = 0; !found && at + WINDOW <= bytes.len; at += WINDOW)
		found = memmem(all.p, all.len, bytes.p + at, WINDOW) != NULL;
	buf_free(&all);
	return found;
}

/* Any of it in any file of the folder. */
static bool
folder_holds(const char *folder, struct span bytes)
{
	DIR *d = opendir(folder);
	bool found = false;
	char path[512];

	assert_non_null(d);
	assert_true(bytes.len >= WINDOW);
	for (struct dirent *e; !found && (e = readdir(d)) != NULL;) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		if (e->d_name[0] != '.' && strcmp(e->d_name, "lock") != 0)
			found = file_holds(path, bytes);
	}
	(void)closedir(d);
	return found;
}

static bool
any_held(const char *folder, struct span *each, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (folder_holds(folder, each[i]))
			return true;
	return false;
}

/* ---- the store alone ---- */

#define ROWS 12u
static const struct pstore_owner owner = {"musterstadt", "police/control-room", MODE_LIVE};
static const size_t sizes[] = {40, 900, 3000, 20000, 70000, 260000}; /* within one page, over several, and the largest body */

struct place {
	char folder[64];
	struct pstore *s;
	struct buf in[ROWS], out[ROWS]; /* what was kept for each */
};

static int
set_up(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	if (p == NULL)
		return -1;
	(void)snprintf(p->folder, sizeof p->folder, "/tmp/kw-keep-XXXXXX");
	if (mkdtemp(p->folder) == NULL || pstore_open(&p->s, p->folder, &owner, 0, NULL) != KW_OK)
		return -1;
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	static const char *const files[] = {"partner.db", "partner.db-wal", "partner.db-shm", "lock"};
	struct place *p = *state;
	char path[128];

	pstore_close(&p->s);
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", p->folder, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(p->folder);
	for (size_t i = 0; i < ROWS; i++) {
		buf_free(&p->in[i]);
		buf_free(&p->out[i]);
	}
	free(p);
	return 0;
}

static struct span
random_bytes(struct buf *b, size_t len)
{
	*b = BUF_INIT(1u << 20);
	randombytes_buf(buf_reserve(b, len), len);
	buf_commit(b, len);
	return buf_span(b);
}

/* Every second one is kept longer. */
static void
add_rows(struct place *p)
{
	const struct out_reader readers[] = {{"city/public-order", 1}};
	const struct position at = {1, LANE_URGENT, 4};
	uint64_t seq;

	assert_int_equal(pstore_begin(p->s, NULL), KW_OK);
	for (uint64_t i = 0; i < ROWS; i++) {
		struct header h = {.lane = LANE_URGENT, .type = TYPE_NOTICE, .sender_epoch = 5, .created_ms = 1000, .expires_ms = 100000, .payload_type = PAYLOAD_ALERT,
		                   .sender = "city/public-order", .topic = "alert/flood"};
		uint8_t hash[KW_HASH_LEN] = {(uint8_t)i};
		uint64_t until = i % 2 == 0 ? 50000 : 90000;
		struct in_new in = {.header = &h, .frame_hash = hash, .head = span_str("head"), .lane = h.lane, .number = i + 1, .received_ms = 2000,
		                    .payload = random_bytes(&p->in[i], sizes[i / 2]), .content_until_ms = until, .proof_until_ms = until + 1000000};
		struct out_new out = {.header = &h, .frame_hash = hash, .frame = random_bytes(&p->out[i], sizes[i / 2]), .head_len = 0, .wraps = span_str("wraps"),
		                      .payload = span_str("sealed"), .content_until_ms = until, .proof_until_ms = until + 1000000};

		memcpy(h.id, &i, sizeof i);
		assert_int_equal(pstore_in_add(&seq, p->s, &in, NULL), KW_OK);
		assert_int_equal(pstore_out_add(&seq, p->s, &out, readers, 1, NULL), KW_OK);
		assert_int_equal(pstore_out_stored(p->s, seq, &at, 1, span_str("proof"), 2000, NULL), KW_OK);
	}
	assert_int_equal(pstore_commit(p->s, NULL), KW_OK);
}

static void
sweep(struct place *p, uint64_t now_ms)
{
	uint32_t done;

	assert_int_equal(pstore_begin(p->s, NULL), KW_OK);
	assert_int_equal(pstore_sweep(&done, p->s, now_ms, 500, NULL), KW_OK);
	assert_true(done > 0);
	assert_int_equal(pstore_commit(p->s, NULL), KW_OK);
}

static void
after_sweep_and_scour_no_file_holds_any_of_it_and_the_rest_is_whole(void **state)
{
	struct place *p = *state;

	add_rows(p);
	for (size_t i = 0; i < ROWS; i++)
		assert_true(folder_holds(p->folder, buf_span(&p->in[i])) && folder_holds(p->folder, buf_span(&p->out[i])));
	sweep(p, 60000);
	assert_int_equal(pstore_scour(p->s, NULL), KW_OK);
	for (size_t i = 0; i < ROWS; i++) {
		assert_int_equal(folder_holds(p->folder, buf_span(&p->in[i])), i % 2 == 1);
		assert_int_equal(folder_holds(p->folder, buf_span(&p->out[i])), i % 2 == 1);
	}
	for (uint64_t seq = 1; seq <= ROWS; seq++) {
		struct in_stored row;

		assert_int_equal(pstore_in_get(&row, p->s, seq, NULL), KW_OK);
		assert_int_equal(row.payload.len, seq % 2 == 0 ? p->in[seq - 1].len : 0);
	}
	sweep(p, 95000);
	assert_int_equal(pstore_scour(p->s, NULL), KW_OK);
	for (size_t i = 0; i < ROWS; i++)
		assert_false(folder_holds(p->folder, buf_span(&p->in[i])) || folder_holds(p->folder, buf_span(&p->out[i])));
}

static void
while_another_program_reads_the_file_it_says_so_and_goes_on_afterwards(void **state)
{
	struct place *p = *state;
	sqlite3 *other = NULL;
	struct kw_why why;
	char path[128];

	add_rows(p);
	(void)snprintf(path, sizeof path, "%s/partner.db", p->folder);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN; SELECT count(*) FROM inbox", NULL, NULL, NULL), SQLITE_OK);
	sweep(p, 60000);
	assert_int_equal(pstore_scour(p->s, &why), KW_ESTATE);
	assert_non_null(strstr(why.text, "another program"));
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	assert_int_equal(pstore_scour(p->s, NULL), KW_OK);
	assert_false(folder_holds(p->folder, buf_span(&p->in[0])));
}

/* ---- a whole node ---- */

/* The sealed contents that lie in the node's store, as another program reads them. */
static size_t
contents(struct buf *out, size_t most, const char *folder, const char *sql)
{
	sqlite3_stmt *q;
	sqlite3 *db;
	size_t count = 0;
	char path[128];

	(void)snprintf(path, sizeof path, "%s/partner.db", folder);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
	for (; count < most && sqlite3_step(q) == SQLITE_ROW; count++) {
		out[count] = BUF_INIT(1u << 20);
		buf_put(&out[count], sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0));
	}
	(void)sqlite3_finalize(q);
	(void)sqlite3_close(db);
	return count;
}

static void
copy(const char *from, const char *to)
{
	char command[512];

	(void)snprintf(command, sizeof command, "rm -rf %s && cp -a %s %s", to, from, to);
	assert_int_equal(system(command), 0);
}

static void
a_node_that_was_killed_deletes_what_is_due_from_all_its_files(void **state)
{
	struct world *w = *state;
	struct buf held[4];
	struct span each[4];
	uint64_t until = clock_mono_ms() + 30000;
	char folder[128], aside[128];
	uint8_t id[KW_ID_LEN];
	struct given g;
	size_t count;

	(void)snprintf(folder, sizeof folder, "%s/state", w->folder);
	(void)snprintf(aside, sizeof aside, "%s/aside", w->folder);
	w->config.keep_content_ms = 1;
	world_up(w);
	assert_int_equal(world_publish(w, "alert/flood/mitte", id, NULL), KW_OK);
	(void)world_expect(w, WIRE_PUBLISH);
	world_store(w, NULL);
	world_seal(&g, w, LANE_FLASH, NULL);
	world_deliver(w, &g, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	world_steps(w, 20);
	count = contents(held, 2, folder, "SELECT payload FROM inbox WHERE payload IS NOT NULL UNION ALL SELECT payload FROM outbox WHERE payload IS NOT NULL");
	assert_int_equal(count, 2);
	assert_int_equal(contents(&held[2], 1, folder, "SELECT substr(frame, head_len + 1) FROM outbox WHERE payload IS NOT NULL"), 1);
	for (size_t i = 0; i < 3; i++) {
		each[i] = buf_span(&held[i]);
		assert_true(folder_holds(folder, each[i]));
	}
	copy(folder, aside); /* as kill -9 leaves it, with all that was written last */
	world_stop(w);
	copy(aside, folder);
	world_start(w);
	while (any_held(folder, each, 3)) {
		assert_true(clock_mono_ms() < until);
		world_steps(w, 1);
	}
	for (size_t i = 0; i < 3; i++)
		buf_free(&held[i]);
	given_free(&g);
}

/* ---- what the content itself says ---- */

static uint64_t
kept_until(const char *folder, const char *table, const uint8_t id[KW_ID_LEN])
{
	sqlite3_stmt *q;
	sqlite3 *db;
	uint64_t until;
	char path[160], sql[128];

	(void)snprintf(path, sizeof path, "%s/state/partner.db", folder);
	(void)snprintf(sql, sizeof sql, "SELECT content_until_ms FROM %s WHERE id = ?", table);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
	(void)sqlite3_bind_blob(q, 1, id, KW_ID_LEN, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	until = (uint64_t)sqlite3_column_int64(q, 0);
	(void)sqlite3_finalize(q);
	(void)sqlite3_close(db);
	return until;
}

static void
report(struct buf *out, uint64_t delete_by_ms)
{
	char when[TEXT_TIME_MAX], json[1024];
	struct kw_why why;

	text_put_time_utc(when, delete_by_ms);
	when[strlen(when) - 1] = '\0'; /* without its Z */
	(void)snprintf(json, sizeof json, "{\"category\":\"Security\",\"severity\":\"Minor\",\"subject\":\"Einbruch\",\"description\":\"Tür\",\"language\":\"de\",\"grading\":{\"source\":\"Reliable\",\"content\":\"Confirmed\","
	               "\"completeness\":\"Partial\",\"asOf\":\"2026-11-01T00:00:00+01:00\"},\"handling\":{\"mark\":\"Internal\",\"purpose\":\"danger-prevention\","
	               "\"onward\":\"Forbidden\",\"deleteBy\":\"%s+00:00\"}}", when);
	*out = BUF_INIT(4096);
	if (payload_from_json(out, PAYLOAD_REPORT, span_str(json), &why) != KW_OK)
		fail_msg("%s", why.text);
}

static void
receive(struct world *w, struct buf *payload, uint8_t id[KW_ID_LEN])
{
	struct header h;
	struct given g;

	world_header(&h, w, LANE_URGENT);
	(void)snprintf(h.topic, sizeof h.topic, "report/break-in");
	h.payload_type = PAYLOAD_REPORT;
	world_seal_as(&g, w, "city/public-order", "city/public-order", ++w->numbers[LANE_URGENT], &h, buf_span(payload));
	world_deliver(w, &g, MARK_WHOLE);
	(void)world_expect(w, WIRE_ACK);
	memcpy(id, h.id, KW_ID_LEN);
	given_free(&g);
}

/* [K-5] */
static void
content_goes_at_the_earliest_of_what_topic_node_and_the_content_itself_say(void **state)
{
	static const uint64_t hour_ms = 3600000;
	static const struct { uint64_t delete_by, keep, least; } all[] = { /* hours from now; the topic's keep is 48 */
		{1, 0, 1}, {72, 0, 48}, {3, 2, 2}, {2, 3, 2},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		uint64_t now = clock_wall_ms() / 1000 * 1000, delete_by = now + all[i].delete_by * hour_ms, until = now + all[i].least * hour_ms, got;
		struct desk_publish p = {.topic = "report/break-in", .payload_type = PAYLOAD_REPORT, .type = TYPE_NOTICE};
		uint8_t id[KW_ID_LEN];
		struct header h;
		struct frame f;
		struct buf payload;
		struct kw_why why;

		if (i > 0)
			world_stop(w);
		w->config.keep_content_ms = all[i].keep * hour_ms;
		world_up(w);
		report(&payload, delete_by);
		p.payload = buf_span(&payload);
		if (desk_publish(w->node, &p, id, &why) != KW_OK)
			fail_msg("%s", why.text);
		(void)world_expect(w, WIRE_PUBLISH);
		assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, NULL), KW_OK);
		assert_int_equal(header_decode(&h, f.header, NULL), KW_OK);
		assert_true(h.expires_ms <= delete_by); /* so that the broker has it no longer either */
		world_store(w, NULL);
		got = kept_until(w->folder, "outbox", id);
		assert_in_range(got, until, until + (all[i].least == all[i].delete_by ? 0 : 60000));
		receive(w, &payload, id);
		got = kept_until(w->folder, "inbox", id);
		assert_in_range(got, until, until + (all[i].least == all[i].delete_by ? 0 : 60000));
		buf_free(&payload);
	}
}

static void
what_readers_would_have_to_delete_at_once_is_not_published_and_goes_when_it_comes(void **state)
{
	struct desk_publish p = {.topic = "report/break-in", .payload_type = PAYLOAD_REPORT, .type = TYPE_NOTICE};
	struct world *w = *state;
	uint64_t until = clock_mono_ms() + 30000;
	struct inbox_row last;
	uint8_t id[KW_ID_LEN];
	struct buf payload;
	struct kw_why why;

	world_up(w);
	report(&payload, clock_wall_ms() - 60000);
	p.payload = buf_span(&payload);
	assert_int_equal(desk_publish(w->node, &p, id, &why), KW_EINVAL);
	assert_non_null(strstr(why.text, "deleteBy"));
	receive(w, &payload, id);
	world_stop(w);
	world_start(w); /* which looks for what is due at once */
	do {
		assert_true(clock_mono_ms() < until);
		world_steps(w, 1);
		assert_int_equal(world_inbox(w, false, &last, NULL), 1);
	} while (last.payload.len > 0);
	buf_free(&payload);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(after_sweep_and_scour_no_file_holds_any_of_it_and_the_rest_is_whole),
		T(while_another_program_reads_the_file_it_says_so_and_goes_on_afterwards),
		cmocka_unit_test_setup_teardown(a_node_that_was_killed_deletes_what_is_due_from_all_its_files, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(content_goes_at_the_earliest_of_what_topic_node_and_the_content_itself_say, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(what_readers_would_have_to_delete_at_once_is_not_published_and_goes_when_it_comes, world_set_up, world_tear_down),
	};

	return cmocka_run_group_tests(tests, fixture_make_keys, fixture_free_keys);
}
