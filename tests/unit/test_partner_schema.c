/* The tables of a node's store: a file of the first version comes to what a new one begins with, and keeps what it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "clients/partner/pstore.h"

#define TEXT_ROOM 65536

static const struct pstore_owner owner = {"musterstadt", "police/control-room", MODE_LIVE};

/* As the first version wrote it. */
static const char first_version[] =
	"PRAGMA journal_mode = WAL;"
	"CREATE TABLE owner(partnership TEXT NOT NULL, node TEXT NOT NULL, mode INTEGER NOT NULL);"
	"CREATE TABLE value(key INTEGER PRIMARY KEY, v INTEGER NOT NULL);"
	"CREATE TABLE agreement(version INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, text BLOB NOT NULL, sigs BLOB);"
	"CREATE TABLE commits(epoch INTEGER, number INTEGER, hash BLOB NOT NULL, record BLOB, PRIMARY KEY(epoch, number)) WITHOUT ROWID;"
	"CREATE TABLE evidence(seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER, kind TEXT, text TEXT, a BLOB, b BLOB);"
	"CREATE TABLE cursor(lane INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, number INTEGER NOT NULL);"
	"CREATE TABLE reader(node TEXT, lane INTEGER, next INTEGER NOT NULL, PRIMARY KEY(node, lane)) WITHOUT ROWID;"
	"CREATE TABLE sender(node TEXT, lane INTEGER, epoch INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY(node, lane)) WITHOUT ROWID;"
	"CREATE TABLE gap(node TEXT, lane INTEGER, epoch INTEGER, first INTEGER, last INTEGER NOT NULL, since_ms INTEGER NOT NULL,"
	" PRIMARY KEY(node, lane, epoch, first)) WITHOUT ROWID;"
	"CREATE TABLE void(node TEXT, lane INTEGER, epoch INTEGER, number INTEGER, at_ms INTEGER, PRIMARY KEY(node, lane, epoch, number)) WITHOUT ROWID;"
	"CREATE TABLE outbox(seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, lane INTEGER NOT NULL, state INTEGER NOT NULL,"
	" type INTEGER NOT NULL, own INTEGER NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, confirm_by_ms INTEGER,"
	" content_until_ms INTEGER NOT NULL, proof_until_ms INTEGER NOT NULL, frame_hash BLOB NOT NULL, cap_hash BLOB, head_len INTEGER NOT NULL,"
	" reason TEXT, replacement BLOB, at_epoch INTEGER, at_number INTEGER, commit_no INTEGER, stored_ms INTEGER,"
	" wraps BLOB, payload BLOB, frame BLOB NOT NULL);"
	"CREATE INDEX outbox_waiting ON outbox(lane, seq) WHERE state = 0;"
	"CREATE INDEX outbox_expiry ON outbox(expires_ms) WHERE state = 0;"
	"CREATE INDEX outbox_state ON outbox(state);"
	"CREATE INDEX outbox_confirm ON outbox(confirm_by_ms) WHERE confirm_by_ms IS NOT NULL;"
	"CREATE INDEX outbox_content ON outbox(content_until_ms) WHERE payload IS NOT NULL;"
	"CREATE INDEX outbox_stored ON outbox(stored_ms) WHERE wraps IS NOT NULL;"
	"CREATE INDEX outbox_commit ON outbox(commit_no, at_number) WHERE commit_no IS NOT NULL;"
	"CREATE INDEX outbox_place ON outbox(at_number, lane) WHERE at_number IS NOT NULL;"
	"CREATE INDEX outbox_proof ON outbox(proof_until_ms);"
	"CREATE INDEX outbox_cap ON outbox(cap_hash) WHERE cap_hash IS NOT NULL;"
	"CREATE TABLE out_reader(seq INTEGER, node TEXT, number INTEGER NOT NULL, at_ms INTEGER, receipt BLOB, rejected_ms INTEGER, reason TEXT,"
	" PRIMARY KEY(seq, node)) WITHOUT ROWID;"
	"CREATE TABLE inbox(seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB, sender TEXT, topic TEXT, type INTEGER, lane INTEGER NOT NULL,"
	" epoch INTEGER, number INTEGER, at_epoch INTEGER, at_number INTEGER, received_ms INTEGER NOT NULL, frame_hash BLOB, cap_hash BLOB,"
	" rejected INTEGER NOT NULL, bare INTEGER NOT NULL, outdated INTEGER NOT NULL, cancelled INTEGER NOT NULL DEFAULT 0,"
	" superseded INTEGER NOT NULL DEFAULT 0, mark TEXT, reason TEXT, receipt INTEGER NOT NULL, at_once INTEGER NOT NULL,"
	" content_until_ms INTEGER NOT NULL, proof_until_ms INTEGER NOT NULL, head BLOB NOT NULL, payload BLOB);"
	"CREATE UNIQUE INDEX inbox_once ON inbox(sender, id) WHERE rejected = 0;"
	"CREATE INDEX inbox_id ON inbox(id);"
	"CREATE INDEX inbox_number ON inbox(sender, lane, epoch, number) WHERE number > 0;"
	"CREATE INDEX inbox_due ON inbox(seq) WHERE receipt = 1;"
	"CREATE INDEX inbox_rejected ON inbox(seq) WHERE rejected = 1;"
	"CREATE INDEX inbox_content ON inbox(content_until_ms) WHERE payload IS NOT NULL;"
	"CREATE INDEX inbox_proof ON inbox(proof_until_ms);"
	"CREATE INDEX inbox_cap ON inbox(cap_hash) WHERE cap_hash IS NOT NULL;"
	"CREATE TABLE handler(name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE set_aside(name TEXT, seq INTEGER, at_ms INTEGER, reason TEXT, PRIMARY KEY(name, seq)) WITHOUT ROWID;"
	"PRAGMA user_version = 1;";

static const char first_rows[] =
	"INSERT INTO owner VALUES('musterstadt', 'police/control-room', 1);"
	"INSERT INTO value VALUES(0, 1234);"
	"INSERT INTO cursor VALUES(1, 2, 77);"
	"INSERT INTO handler VALUES('mail', 12);"
	"INSERT INTO sender VALUES('city/public-order', 1, 5, 8);"
	"INSERT INTO reader VALUES('city/public-order', 1, 9);"
	"INSERT INTO outbox(id, lane, state, type, own, created_ms, expires_ms, confirm_by_ms, content_until_ms, proof_until_ms, frame_hash, head_len, wraps,"
	" payload, frame) VALUES(zeroblob(16), 1, 0, 1, 0, 1000, 9000, 5000, 50000, 90000, zeroblob(32), 4, 'wraps', 'sealed', 'headbody');"
	"INSERT INTO out_reader(seq, node, number) VALUES(1, 'city/public-order', 8);"
	"INSERT INTO inbox(id, sender, topic, type, lane, epoch, number, at_epoch, at_number, received_ms, frame_hash, rejected, bare, outdated, mark, reason,"
	" receipt, at_once, content_until_ms, proof_until_ms, head, payload) VALUES(zeroblob(16), 'city/public-order', 'alert/flood', 1, 1, 5, 7, 2, 77, 2000,"
	" zeroblob(32), 0, 0, 0, '', '', 1, 0, 50000, 90000, 'head', 'kept');"
	"INSERT INTO outbox(seq, id, lane, state, type, own, created_ms, expires_ms, content_until_ms, proof_until_ms, frame_hash, head_len, frame)"
	" VALUES(6, x'66', 1, 2, 1, 0, 1000, 9000, 50000, 90000, zeroblob(32), 4, 'head');"
	"INSERT INTO inbox(seq, lane, received_ms, rejected, bare, outdated, receipt, at_once, content_until_ms, proof_until_ms, head)"
	" VALUES(8, 1, 2000, 0, 1, 0, 0, 0, 50000, 90000, 'head');"
	"DELETE FROM outbox WHERE seq = 6; DELETE FROM inbox WHERE seq = 8;"; /* the newest were swept */

struct place { char folder[64], file[96]; };

static int
set_up(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	(void)snprintf(p->folder, sizeof p->folder, "/tmp/kw-pschema-XXXXXX");
	if (mkdtemp(p->folder) == NULL)
		return -1;
	(void)snprintf(p->file, sizeof p->file, "%s/partner.db", p->folder);
	*state = p;
	return 0;
}

static void
empty(const char *folder)
{
	static const char *const files[] = {"partner.db", "partner.db-wal", "partner.db-shm", "lock"};
	char path[128];

	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		(void)unlink(path);
	}
}

static int
tear_down(void **state)
{
	struct place *p = *state;

	empty(p->folder);
	(void)rmdir(p->folder);
	free(p);
	return 0;
}

static sqlite3 *
open_file(const char *file)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	return db;
}

static void
write_first(const char *file)
{
	sqlite3 *db = open_file(file);

	assert_int_equal(sqlite3_exec(db, first_version, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, first_rows, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static struct pstore *
open_store(const char *folder)
{
	struct pstore *s = NULL;
	struct kw_why why;

	if (pstore_open(&s, folder, &owner, 0, &why) != KW_OK)
		fail_msg("%s", why.text);
	return s;
}

/* All but the order of the columns, for which nobody asks, and how inbox and outbox keep their highest number: another test has that. */
static const char *const kinds[] = {
	"SELECT t.name || ' without rowid: ' || t.wr || ', keeps its highest: ' || (m.sql LIKE '%AUTOINCREMENT%' AND t.name NOT IN ('inbox', 'outbox')) FROM pragma_table_list t JOIN sqlite_schema m"
	" ON m.name = t.name WHERE t.schema = 'main' ORDER BY t.name",
	"SELECT m.name || '.' || x.name || ' ' || x.type || ', not null: ' || x.\"notnull\" || ', default: ' || ifnull(x.dflt_value, 'none') || ', key: ' || x.pk"
	" FROM sqlite_schema m, pragma_table_xinfo(m.name) x WHERE m.type = 'table' ORDER BY m.name, x.name",
	"SELECT tbl_name || ': ' || type || ' ' || ifnull(sql, name) FROM sqlite_schema WHERE type <> 'table' ORDER BY tbl_name, name",
	"SELECT 'version ' || user_version FROM pragma_user_version",
};

static char *
structure(const char *file)
{
	sqlite3 *db = open_file(file);
	char *out = calloc(1, TEXT_ROOM);
	size_t len = 0;

	assert_non_null(out);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		sqlite3_stmt *q;
		int rows = 0;

		assert_int_equal(sqlite3_prepare_v2(db, kinds[i], -1, &q, NULL), SQLITE_OK);
		for (; len < TEXT_ROOM && sqlite3_step(q) == SQLITE_ROW; rows++)
			len += (size_t)snprintf(out + len, TEXT_ROOM - len, "%s\n", (const char *)sqlite3_column_text(q, 0));
		assert_true(rows > 0 && len < TEXT_ROOM);
		assert_int_equal(sqlite3_finalize(q), SQLITE_OK);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return out;
}

static void
an_older_file_comes_to_what_a_new_one_begins_with(void **state)
{
	struct place *p = *state;
	struct pstore *s = open_store(p->folder);
	char *made, *brought_up;

	pstore_close(&s);
	made = structure(p->file);
	empty(p->folder);
	write_first(p->file);
	s = open_store(p->folder);
	pstore_close(&s);
	brought_up = structure(p->file);
	assert_string_equal(brought_up, made);
	free(made);
	free(brought_up);
}

static void
is_as_before(struct pstore *s)
{
	struct lane_cursor cursors[KW_LANES];
	struct numbers known;
	enum number_place place;
	struct in_stored in;
	struct out_row out;
	struct desk_place at;
	uint64_t v;

	assert_int_equal(pstore_value(&v, s, VALUE_SENDER_EPOCH, NULL), KW_OK);
	assert_int_equal(v, 1234);
	assert_int_equal(pstore_cursors(cursors, s, NULL), KW_OK);
	assert_true(cursors[1].log_epoch == 2 && cursors[1].number == 77 && cursors[0].log_epoch == 0);
	assert_int_equal(pstore_handler_get(&at, s, "mail", NULL), KW_OK);
	assert_true(at.seq == 12 && at.at == 0 && at.failures == 0);
	assert_int_equal(pstore_sender(&known, &place, s, "city/public-order", LANE_URGENT, 5, 8, NULL), KW_OK);
	assert_true(known.epoch == 5 && known.next == 8);
	assert_int_equal(pstore_in_get(&in, s, 1, NULL), KW_OK);
	assert_true(span_eq(in.head, span_str("head")) && span_eq(in.payload, span_str("kept")) && in.receipt == RECEIPT_DUE && !in.opened && in.proof.len == 0);
	assert_int_equal(pstore_out_next(&out, s, LANE_URGENT, 0, NULL), KW_OK);
	assert_true(span_eq(out.frame, span_str("headbody")) && span_eq(out.wraps, span_str("wraps")) && span_eq(out.payload, span_str("sealed")));
	assert_true(out.answer_by_ms == 0 && out.late == 0 && out.proof.len == 0 && out.confirm_by_ms == 5000);
}

static void
an_older_file_keeps_what_it_has(void **state)
{
	struct place *p = *state;

	write_first(p->file);
	for (int i = 0; i < 2; i++) { /* brought up, and as it is then */
		struct pstore *s = open_store(p->folder);
		uint64_t number;

		is_as_before(s);
		assert_int_equal(pstore_begin(s, NULL), KW_OK);
		assert_int_equal(pstore_take_number(&number, s, "city/public-order", LANE_URGENT, NULL), KW_OK);
		assert_int_equal(number, 9);
		pstore_rollback(s);
		pstore_close(&s);
	}
}

static void
add(uint64_t *in, uint64_t *out, struct pstore *s, uint8_t n)
{
	struct header h = {.id = {n}, .lane = LANE_URGENT, .type = TYPE_NOTICE, .created_ms = 1000, .expires_ms = 9000, .sender = "city/public-order"};
	uint8_t hash[KW_HASH_LEN] = {n};
	struct position at = {1, LANE_URGENT, n};
	struct in_new row = {.header = &h, .frame_hash = hash, .head = span_str("head"), .lane = h.lane, .number = n, .received_ms = 2000,
	                     .content_until_ms = 50000, .proof_until_ms = 90000};
	struct out_new sent = {.header = &h, .frame_hash = hash, .frame = span_str("head"), .head_len = 4, .content_until_ms = 50000, .proof_until_ms = 90000};

	assert_int_equal(pstore_begin(s, NULL), KW_OK);
	assert_int_equal(pstore_in_add(in, s, &row, NULL), KW_OK);
	assert_int_equal(pstore_out_add(out, s, &sent, NULL, 0, NULL), KW_OK);
	assert_int_equal(pstore_out_stored(s, *out, &at, 1, span_str("proof"), 2000, NULL), KW_OK);
	assert_int_equal(pstore_commit(s, NULL), KW_OK);
}

static void
sweep(struct pstore *s, bool keep)
{
	uint32_t done;

	assert_int_equal(pstore_begin(s, NULL), KW_OK);
	assert_int_equal(pstore_sweep(&done, s, 90000, 100, NULL), KW_OK);
	assert_true(done > 0);
	if (keep)
		assert_int_equal(pstore_commit(s, NULL), KW_OK);
	else
		pstore_rollback(s);
}

/* From the number that was given last: nothing that was swept, before or behind a new start, gives its number to another. */
static void
goes_on_behind(struct place *p, uint64_t in, uint64_t out, uint8_t id)
{
	struct pstore *s = open_store(p->folder);
	uint64_t next_in, next_out;

	add(&next_in, &next_out, s, id);
	assert_true(next_in == in + 1 && next_out == out + 1);
	sweep(s, false);
	add(&next_in, &next_out, s, (uint8_t)(id + 1));
	assert_true(next_in == in + 2 && next_out == out + 2);
	sweep(s, true);
	add(&next_in, &next_out, s, (uint8_t)(id + 2));
	assert_true(next_in == in + 3 && next_out == out + 3);
	sweep(s, true);
	pstore_close(&s);
}

static void
no_number_of_a_row_is_given_twice(void **state)
{
	struct place *p = *state;

	goes_on_behind(p, 0, 0, 10);
	goes_on_behind(p, 3, 3, 20);
	empty(p->folder);
	write_first(p->file);
	goes_on_behind(p, 8, 6, 10);
	goes_on_behind(p, 11, 9, 20);
}

static size_t
bytes_of(uint8_t **out, const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	assert_non_null(f);
	*out = malloc(1u << 20);
	assert_non_null(*out);
	n = fread(*out, 1, 1u << 20, f);
	assert_true(n < 1u << 20);
	(void)fclose(f);
	return n;
}

/* One that has its own tables, of another journal mode too. */
static void
a_newer_file_is_refused_and_nothing_changes(void **state)
{
	struct place *p = *state;
	struct pstore *s = NULL;
	uint8_t *before, *after;
	size_t len;
	struct kw_why why;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(p->file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode = DELETE; CREATE TABLE later(x); INSERT INTO later VALUES(1); PRAGMA user_version = 12;", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	len = bytes_of(&before, p->file);
	assert_int_equal(pstore_open(&s, p->folder, &owner, 0, &why), KW_ESTATE);
	assert_non_null(strstr(why.text, "/partner.db was written by a newer kurzweg-partner (schema 12, known here: 11), and nothing of it was changed; install that one, or restore a backup from before the upgrade"));
	assert_int_equal(bytes_of(&after, p->file), len);
	assert_memory_equal(before, after, len);
	free(before);
	free(after);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_older_file_comes_to_what_a_new_one_begins_with),
		T(an_older_file_keeps_what_it_has),
		T(no_number_of_a_row_is_given_twice),
		T(a_newer_file_is_refused_and_nothing_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
