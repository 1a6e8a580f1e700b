/* sheet: a table that a spreadsheet saved as CSV, read strictly: every refusal names line and column. */
#ifndef KW_CLI_SHEET_H
#define KW_CLI_SHEET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/span.h"

#define SHEET_BYTES_MAX (4u << 20)
#define SHEET_ROWS_MAX 8192u
#define SHEET_COLUMNS_MAX 64u

struct sheet;

/*
 * bytes: UTF-8, with or without a byte order mark, or Windows-1252 (which holds all of ISO 8859-1's letters), as German spreadsheets save it;
 * which of the two, the bytes tell. Fields are parted by ";", "," or a tab, whichever stands most often in the first line. Fields in quotes
 * may hold all of these. Rows that are empty are left out; blanks around a field too. KW_EPROTO: no CSV, UTF-16, a field with a control or
 * invisible character. KW_ELIMIT: too large.
 */
KW_MUST_USE enum kw_err sheet_read(struct sheet **out, struct span bytes, struct kw_why *why);
void sheet_free(struct sheet **s);

/* The first line that has fields, all of them empty; 0: none. Spreadsheets write such rows, and so does whoever takes a file for full. */
size_t sheet_empty_line(const struct sheet *s);
bool sheet_was_windows(const struct sheet *s);         /* taken for Windows-1252, since it is no UTF-8 */
size_t sheet_rows(const struct sheet *s);              /* the first, with the columns' names, among them */
size_t sheet_columns(const struct sheet *s, size_t row);
const char *sheet_cell(const struct sheet *s, size_t row, size_t column); /* "" behind the row's end */
size_t sheet_line(const struct sheet *s, size_t row);  /* of the file, from 1 */

#endif
