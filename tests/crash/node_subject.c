/* node_subject: a node's transactions with rows of every table, and a hash over every row that the file holds. */
#include "tests/crash/subject.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/partner/pstore_parts.h"

#define BIG 70000u
#define NUMBERS_A_STEP 16u
#define NOW_MS 1800000000000ull
#define STEP_MS 40000u
#define PAGES_BEFORE_CHECKPOINT "150" /* not 2000 as the product, so that checkpoints and new rounds of the log come often */

static const struct pstore_owner owner = {"musterstadt", "police/control-room", MODE_LIVE};
static const char *const readers[] = {"city/public-order", "youth-house/office", "city/crime-prevention"};

struct node_store { struct pstore *s; uint8_t big[BIG]; uint64_t now, out, in; };

static void
close_node(void **self)
{
	struct node_store *n = *self;

	if (n != NULL)
		pstore_close(&n->s);
	free(n);
	*self = NULL;
}

static enum kw_err
open_node(void **self, const char *folder, struct kw_why *why)
{
	struct node_store *n = calloc(1, sizeof *n);
	char path[256];
	enum kw_err err;

	if (n == NULL || sodium_init() < 0)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	*self = n;
	for (size_t i = 0; i < BIG; i++)
		n->big[i] = (uint8_t)(i * 131 + i / 251);
	(void)snprintf(path, sizeof path, "%s/store", folder);
	if ((err = pstore_open(&n->s, path, &owner, 0, why)) != KW_OK)
		return err;
	(void)sqlite3_exec(n->s->db, "PRAGMA wal_autocheckpoint = " PAGES_BEFORE_CHECKPOINT, NULL, NULL, NULL);
	return KW_OK;
}

/* ---- the work: each part answers the first error ---- */

static struct header
header_of(const struct node_store *n, uint32_t number, const char *sender)
{
	struct header h = {.lane = (enum lane)(number % KW_LANES), .type = TYPE_NOTICE, .sender_epoch = 5, .created_ms = n->now, .expires_ms = n->now + 600000,
	                   .payload_type = PAYLOAD_ALERT};

	be32_put(h.id, number);
	h.id[15] = 1;
	(void)snprintf(h.sender, sizeof h.sender, "%s", sender);
	(void)snprintf(h.topic, sizeof h.topic, "alert/flood/%u", number % 7);
	return h;
}

static struct span
payload_of(const struct node_store *n, uint32_t number)
{
	return number % 7 == 3 ? span_of(n->big + number % 97, 3000 + number * 7919u % (BIG - 4000)) : span_of(n->big + number % 89, 100 + number % 700);
}

static enum kw_err
publish(struct node_store *n, uint32_t number, struct kw_why *why)
{
	struct header h = header_of(n, number, owner.node);
	uint8_t hash[KW_HASH_LEN] = {(uint8_t)number, 1};
	struct out_reader to[3];
	struct out_new row = {.header = &h, .frame_hash = hash, .frame = payload_of(n, number + 1), .head_len = 60, .wraps = span_of(n->big, 200), .payload = payload_of(n, number),
	                      .confirm_by_ms = number % 3 == 0 ? n->now + 60000 : 0, .answer_by_ms = number % 5 == 0 ? n->now + 90000 : 0,
	                      .content_until_ms = n->now + 500000, .proof_until_ms = n->now + 1500000, .own = number % 4 == 0};

	for (uint32_t i = 0; i < 3; i++) {
		enum kw_err err = pstore_take_number(&to[i].number, n->s, readers[i], h.lane, why);

		if (err != KW_OK)
			return err;
		to[i].node = readers[i];
	}
	return pstore_out_add(&n->out, n->s, &row, to, 3, why);
}

static enum kw_err
deliver(struct node_store *n, uint32_t number, struct kw_why *why)
{
	struct header h = header_of(n, number, readers[0]);
	uint8_t hash[KW_HASH_LEN] = {(uint8_t)number, 2};
	struct numbers known;
	enum number_place place;
	struct number_step step;
	uint64_t counted = number + 1;
	struct in_new row = {.header = &h, .frame_hash = hash, .head = span_of(n->big + 7, 300), .lane = h.lane, .number = counted, .received_ms = n->now,
	                     .payload = payload_of(n, number), .receipt = RECEIPT_DUE, .receipt_at_once = number % 2 == 0, .content_until_ms = n->now + 500000,
	                     .proof_until_ms = n->now + 1500000, .at = {1, h.lane, number}};
	enum kw_err err = pstore_sender(&known, &place, n->s, readers[0], h.lane, 5, counted, why);

	if (err != KW_OK)
		return err;
	step = numbers_judge(known, 5, counted, place);
	if ((err = pstore_sender_step(n->s, readers[0], h.lane, 5, counted, &step, n->now, why)) != KW_OK)
		return err;
	if ((err = pstore_in_add(&n->in, n->s, &row, why)) != KW_OK)
		return err;
	return pstore_set_cursor(n->s, h.lane, (struct lane_cursor){1, number}, why);
}

/* What the broker and readers say of what was published. */
static enum kw_err
answers(struct node_store *n, uint32_t k, struct kw_why *why)
{
	struct position at = {1, LANE_URGENT, k};
	uint8_t record[WIRE_COMMIT_LEN] = {(uint8_t)k}, receipt[KW_ID_LEN] = {(uint8_t)k};
	struct commit_seen seen = {.number = k, .hash = {(uint8_t)k}};
	enum kw_err err;

	if ((err = pstore_out_stored(n->s, n->out, &at, k, span_of(n->big, 400), n->now, why)) != KW_OK)
		return err;
	if (k % 3 == 0 && (err = pstore_out_confirm(n->s, n->out, readers[k % 3], n->now, receipt, why)) != KW_OK)
		return err;
	if (k % 7 == 0 && (err = pstore_out_opened(n->s, n->out, readers[1], n->now, receipt, why)) != KW_OK)
		return err;
	if (k % 11 == 0 && (err = pstore_out_close(n->s, n->out, OUTBOX_REFUSED, "not in the agreement", NULL, why)) != KW_OK)
		return err;
	return pstore_commit_add(n->s, 1, &seen, k % 4 != 0 ? record : NULL, why);
}

static enum kw_err
one_case(struct node_store *n, uint32_t k, struct kw_why *why)
{
	struct pstore_case c = {.at = {1, LANE_URGENT, k}, .sent = k % 2 == 0, .head = span_of(n->big, 200), .state = (enum case_state)1, .owner = readers[k % 3], .next = "",
	                        .until_ms = n->now + 1000, .changed_ms = n->now};
	struct pstore_case_entry e = {.at = {1, LANE_URGENT, k + 1}, .type = (enum notice_type)5, .actor = readers[0], .next = "", .version = 1, .at_ms = n->now,
	                              .statement = span_of(n->big, 300)};
	enum kw_err err;

	be32_put(c.id, k);
	memcpy(e.id, c.id, KW_ID_LEN);
	if ((err = pstore_case_add(n->s, &c, n->now + 1500000, why)) != KW_OK)
		return err;
	if ((err = pstore_case_entry_add(n->s, &e, n->now + 1500000, why)) != KW_OK)
		return err;
	c.state = (enum case_state)2;
	c.alarms = k % 3;
	return pstore_case_set(n->s, &c, why);
}

static enum kw_err
one_draft(struct node_store *n, uint32_t k, struct kw_why *why)
{
	struct pstore_draft d = {.mine = k % 2 == 0, .author = owner.node, .topic = "statement/press", .created_ms = n->now, .expires_ms = n->now + 90000};
	struct pstore_answer a = {.node = readers[k % 3], .approved = k % 5 != 0, .at_ms = n->now};
	enum kw_err err;

	be32_put(d.id, k);
	if ((err = pstore_draft_add(n->s, &d, n->now, n->now + 1500000, why)) != KW_OK)
		return err;
	if ((err = pstore_answer_add(n->s, d.id, &a, why)) != KW_OK)
		return err;
	if (k % 3 == 0 && (err = pstore_draft_set(n->s, d.id, DRAFT_RELEASED, d.id, n->now, why)) != KW_OK)
		return err;
	return pstore_released_add(n->s, d.id, d.id, NULL, n->now + 1500000, why);
}

static enum kw_err
small_tables(struct node_store *n, uint32_t k, struct kw_why *why)
{
	struct desk_place place = {k, k + 1, k % 3};
	uint8_t id[KW_ID_LEN] = {(uint8_t)k};
	char name[32];
	enum kw_err err = pstore_set_value(n->s, (enum pstore_value)(k % VALUE_STOPPED), k, why);

	(void)snprintf(name, sizeof name, "spool/%u.json", k % 9);
	if (err == KW_OK && k % 10 == 3)
		err = pstore_agreement_add(n->s, 1 + k / 10, span_of(n->big, 2000), span_of(n->big, 90), n->now, why);
	if (err == KW_OK && k % 6 == 1)
		err = pstore_evidence_add(n->s, "fork", "two frames", span_of(n->big, 500), span_of(n->big, 600), n->now, why);
	if (err == KW_OK && k % 4 == 2)
		err = pstore_handler_put(n->s, "mail", &place, why);
	if (err == KW_OK && k % 12 == 2)
		err = pstore_set_aside(n->s, "mail", k, "exit code 1", n->now, why);
	if (err == KW_OK && k % 9 < 5)
		err = pstore_spool_put(n->s, name, id, why);
	if (err == KW_OK && k % 9 >= 5)
		err = pstore_spool_forget(n->s, k % 9 == 8 ? NULL : name, why);
	if (err == KW_OK && k % 8 == 4)
		err = pstore_void(n->s, readers[0], LANE_URGENT, 5, 5000000 + k, n->now, why);
	return err;
}

/* What is begun and undone within a transaction must leave nothing. */
static enum kw_err
undone(struct node_store *n, uint32_t k, struct kw_why *why)
{
	uint64_t out = n->out;
	enum kw_err err = pstore_mark(n->s, why);

	if (err != KW_OK)
		return err;
	err = publish(n, k * NUMBERS_A_STEP + 15, why);
	if (err == KW_OK)
		pstore_mark_undo(n->s);
	n->out = out;
	return err;
}

static enum kw_err
do_all(struct node_store *n, uint32_t k, struct kw_why *why)
{
	uint32_t done;
	enum kw_err err = KW_OK;

	for (uint32_t i = 0; err == KW_OK && i < 1 + k % 3; i++)
		err = publish(n, k * NUMBERS_A_STEP + i, why);
	for (uint32_t i = 0; err == KW_OK && i < k % 4; i++)
		err = deliver(n, k * NUMBERS_A_STEP + 8 + i, why);
	if (err == KW_OK && k % 5 == 0)
		err = undone(n, k, why);
	if (err == KW_OK)
		err = answers(n, k, why);
	if (err == KW_OK && k % 4 > 0 && k % 3 == 1)
		err = pstore_in_receipt_said(n->s, n->in, why);
	if (err == KW_OK && k % 5 == 1)
		err = one_case(n, k, why);
	if (err == KW_OK && k % 5 == 2)
		err = one_draft(n, k, why);
	if (err == KW_OK)
		err = small_tables(n, k, why);
	return err == KW_OK ? pstore_sweep(&done, n->s, n->now, 50, why) : err;
}

static enum kw_err
step_node(void *self, uint32_t k, struct kw_why *why)
{
	struct node_store *n = self;
	struct kw_why said;
	enum kw_err err;

	n->now = NOW_MS + (uint64_t)k * STEP_MS;
	if (k % 9 == 7)
		(void)!pstore_scour(n->s, &said); /* whatever it says: it leaves everything right, and is tried again */
	if ((err = pstore_begin(n->s, why)) != KW_OK)
		return err;
	if ((err = do_all(n, k, why)) == KW_OK)
		err = pstore_commit(n->s, why);
	if (err != KW_OK)
		pstore_rollback(n->s);
	return err;
}

/* ---- what is there ---- */

static void
take_row(crypto_generichash_state *h, sqlite3_stmt *q)
{
	for (int i = 0; i < sqlite3_column_count(q); i++) {
		int type = sqlite3_column_type(q, i), len;
		const void *p = sqlite3_column_blob(q, i); /* of a number its text */

		len = sqlite3_column_bytes(q, i);
		(void)crypto_generichash_update(h, (const uint8_t *)&type, sizeof type);
		(void)crypto_generichash_update(h, (const uint8_t *)&len, sizeof len);
		if (len > 0)
			(void)crypto_generichash_update(h, p, (size_t)len);
	}
}

static int
take_rows(sqlite3 *db, const char *sql, crypto_generichash_state *h)
{
	sqlite3_stmt *q;
	int rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);

	while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		take_row(h, q);
		rc = SQLITE_OK;
	}
	(void)sqlite3_finalize(q);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int
take_tables(sqlite3 *db, crypto_generichash_state *h)
{
	sqlite3_stmt *q;
	int rc = sqlite3_prepare_v2(db, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name", -1, &q, NULL);

	while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		char sql[128];

		(void)snprintf(sql, sizeof sql, "SELECT '%s', * FROM %s", sqlite3_column_text(q, 0), sqlite3_column_text(q, 0));
		rc = take_rows(db, sql, h);
	}
	(void)sqlite3_finalize(q);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Every index against its table too, which the start does not do. */
static bool
sound(sqlite3 *db)
{
	sqlite3_stmt *q;
	bool ok = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW &&
	          strcmp((const char *)sqlite3_column_text(q, 0), "ok") == 0;

	(void)sqlite3_finalize(q);
	return ok;
}

static enum kw_err
hash_node(void *self, uint8_t out[SUBJECT_HASH], struct kw_why *why)
{
	struct node_store *n = self;
	crypto_generichash_state h;
	int rc;

	(void)crypto_generichash_init(&h, NULL, 0, SUBJECT_HASH);
	if ((rc = take_rows(n->s->db, "SELECT type, name, sql FROM sqlite_master ORDER BY type, name", &h)) == SQLITE_OK)
		rc = take_tables(n->s->db, &h);
	if (rc != SQLITE_OK)
		return kw_refuse(why, KW_ECORRUPT, "the file cannot be read: %s", sqlite3_errstr(rc));
	if (!sound(n->s->db))
		return kw_refuse(why, KW_ECORRUPT, "the file is not sound");
	(void)crypto_generichash_final(&h, out, SUBJECT_HASH);
	return KW_OK;
}

const struct subject node_subject = {"node", open_node, step_node, hash_node, close_node};
