/* pstore_parts: what the files of pstore share: the connection, its statements, and reading columns. */
#ifndef KW_PARTNER_PSTORE_PARTS_H
#define KW_PARTNER_PSTORE_PARTS_H

#include <sqlite3.h>

#include "clients/partner/pstore.h"

#define PSTORE_STATEMENTS 256 /* a test asks everything of one store */

/* The store's version, what a new file begins with, and from version i + 1 to the next: older files come to the same tables and indexes. */
#define PSTORE_SCHEMA_VERSION 11
extern const char pstore_schema[];
extern const char *const pstore_schema_steps[PSTORE_SCHEMA_VERSION - 1];
/* When the next of a row's times is over: its content's as long as that is here, its proof's. One index holds the rows by it; to be written the same everywhere. */
#define PSTORE_NEXT_DUE "CASE WHEN payload IS NULL OR content_until_ms > proof_until_ms THEN proof_until_ms ELSE content_until_ms END"

struct pstore_statement { const char *sql; sqlite3_stmt *stmt; };

struct pstore {
	sqlite3 *db;
	int lock;
	bool open_transaction;
	uint64_t in_highest, out_highest; /* of rows that were the newest and are deleted; 0: none was. At least what stands in the file */
	struct pstore_statement cache[PSTORE_STATEMENTS]; /* by the address of the text, with open addressing */
};

/* The statement for sql (a literal, its address is its name), reset and without values; NULL: why is filled. */
sqlite3_stmt *pstore_sql(struct pstore *s, const char *sql, struct kw_why *why);
/* Runs a statement that gives no rows. */
KW_MUST_USE enum kw_err pstore_run(struct pstore *s, sqlite3_stmt *q, struct kw_why *why);
/* The next row: KW_OK, or KW_ENOTFOUND when there is none more (the statement is reset then). */
KW_MUST_USE enum kw_err pstore_row(struct pstore *s, sqlite3_stmt *q, struct kw_why *why);
/* What SQLite said, as our code and one sentence. */
KW_MUST_USE enum kw_err pstore_failed(struct pstore *s, int rc, struct kw_why *why);

KW_MUST_USE enum kw_err pstore_highest_load(struct pstore *s, struct kw_why *why);
/* Binds the number of a new row: SQLite's next, or the one behind highest where that is higher. */
KW_MUST_USE enum kw_err pstore_bind_seq(struct pstore *s, sqlite3_stmt *q, int i, uint64_t highest, enum kw_err (*newest)(uint64_t *, struct pstore *, struct kw_why *),
                                        struct kw_why *why);

void pstore_u64(sqlite3_stmt *q, int i, uint64_t v); /* numbers up to INT64_MAX; MUST */
void pstore_blob(sqlite3_stmt *q, int i, struct span b);   /* empty: NULL; borrowed until the statement ran */
void pstore_text(sqlite3_stmt *q, int i, const char *t);
uint64_t pstore_col_u64(sqlite3_stmt *q, int i);
struct span pstore_col_blob(sqlite3_stmt *q, int i);
const char *pstore_col_text(sqlite3_stmt *q, int i);       /* "" for NULL */
KW_MUST_USE enum kw_err pstore_col_exact(uint8_t *out, size_t len, sqlite3_stmt *q, int i, struct kw_why *why);

/* Of a statement with after and limit, whose rows are ids: pstore_out_ids and its like. q NULL: why is filled. */
KW_MUST_USE enum kw_err pstore_each_id(struct pstore *s, sqlite3_stmt *q, const uint8_t after[KW_ID_LEN], uint32_t limit, bool (*each)(void *self, const uint8_t id[KW_ID_LEN]),
                                       void *self, struct kw_why *why);

#endif
