/* sheet: see its header. libcsv parses; it is fed a byte at a time, so that we know where it is. */
#include "clients/cli/sheet.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include <csv.h>

#include "base/text.h"

#define CELLS_MAX 65536u

struct row {
	size_t line, first, count;     /* of its cells */
};

struct sheet {
	struct buf text;               /* of all cells, each with its zero */
	size_t cells[CELLS_MAX];       /* where each begins */
	size_t cell_count;
	struct row rows[SHEET_ROWS_MAX];
	size_t row_count;
	bool windows;
	size_t empty_line;
};

struct reading {
	struct sheet *sheet;
	size_t line;                   /* where the parser is */
	size_t row_line;               /* where the row began; 0: no byte of it yet */
	size_t first;                  /* the row's first cell */
	enum kw_err err;
	struct kw_why *why;
};

/* ---- which letters ---- */

static bool
is_utf8(struct span bytes)
{
	struct cursor c = cursor_over(bytes);

	while (cursor_left(&c) > 0) {
		uint8_t lead = cursor_u8(&c);
		unsigned more = lead < 0x80 ? 0 : lead >= 0xC2 && lead < 0xE0 ? 1 : lead >= 0xE0 && lead < 0xF0 ? 2 : lead >= 0xF0 && lead < 0xF5 ? 3 : 9;

		if (more == 9)
			return false;
		while (more-- > 0)
			if ((cursor_u8(&c) & 0xC0) != 0x80)
				return false;
	}
	return !c.bad;
}

static enum kw_err
from_windows(struct buf *out, struct span bytes, struct kw_why *why)
{
	iconv_t way = iconv_open("UTF-8", "WINDOWS-1252");
	char *in, *to;
	size_t left = bytes.len, room = 3 * bytes.len;
	enum kw_err err = KW_OK;

	if (way == (iconv_t)-1)
		return kw_refuse(why, KW_EPROTO, "the file is no UTF-8, and this machine knows no other letters; save it as \"CSV UTF-8\"");
	in = (char *)malloc(bytes.len);
	to = (char *)buf_reserve(out, room);
	if (in == NULL || to == NULL) {
		err = kw_refuse(why, KW_ENOMEM, "out of memory while reading a table");
	} else {
		char *at = in, *end = to;

		memcpy(in, bytes.p, bytes.len);
		if (iconv(way, &at, &left, &end, &room) == (size_t)-1)
			err = kw_refuse(why, KW_EPROTO, "byte %zu of the file is a letter neither of UTF-8 nor of Windows-1252; save it as \"CSV UTF-8\"", (size_t)(at - in) + 1);
		else
			buf_commit(out, (size_t)(end - to));
	}
	free(in);
	(void)iconv_close(way);
	return err;
}

/* ---- cells ---- */

static void
refuse(struct reading *r, enum kw_err err)
{
	if (r->err == KW_OK)
		r->err = err;
}

static void
on_cell(void *text, size_t len, void *data)
{
	struct reading *r = data;
	struct sheet *s = r->sheet;
	size_t column = s->cell_count - r->first + 1;
	struct span cell = span_of(text, len);

	if (r->err != KW_OK)
		return;
	if (column > SHEET_COLUMNS_MAX || s->cell_count == CELLS_MAX) {
		refuse(r, kw_refuse(r->why, KW_ELIMIT, "line %zu: more than %u columns, or more than %u fields in all", r->row_line, SHEET_COLUMNS_MAX, CELLS_MAX));
		return;
	}
	if (text_unclean_at(cell, TEXT_LINE) != SIZE_MAX || (len > 0 && (memchr(text, '\n', len) != NULL || memchr(text, '\r', len) != NULL))) {
		refuse(r, kw_refuse(r->why, KW_EPROTO, "line %zu, column %zu: the field holds a line end, or a character that is invisible or a control; write it anew, in one line",
		                    r->row_line, column));
		return;
	}
	s->cells[s->cell_count++] = s->text.len;
	buf_put(&s->text, text, len);
	buf_put_u8(&s->text, 0);
}

static void
on_row(int end, void *data)
{
	struct reading *r = data;
	struct sheet *s = r->sheet;
	bool empty = true;

	(void)end;
	for (size_t i = r->first; i < s->cell_count && empty && buf_ok(&s->text); i++)
		empty = s->text.p[s->cells[i]] == 0;
	if (empty) {
		if (s->empty_line == 0 && s->cell_count - r->first > 1)
			s->empty_line = r->row_line;
		s->cell_count = r->first;
	} else if (s->row_count == SHEET_ROWS_MAX) {
		refuse(r, kw_refuse(r->why, KW_ELIMIT, "line %zu: more than %u rows", r->row_line, SHEET_ROWS_MAX));
	} else {
		s->rows[s->row_count++] = (struct row){r->row_line, r->first, s->cell_count - r->first};
		r->first = s->cell_count;
	}
	r->row_line = 0;
}

/* What parts the fields: what stands most often in the first line, outside quotes. */
static unsigned char
find_delimiter(struct span text)
{
	static const unsigned char all[] = {';', ',', '\t'};
	size_t counts[sizeof all] = {0}, best = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.len && (quoted || (text.p[i] != '\n' && text.p[i] != '\r')); i++) {
		quoted ^= text.p[i] == '"';
		for (size_t k = 0; k < sizeof all && !quoted; k++)
			counts[k] += text.p[i] == all[k];
	}
	for (size_t k = 1; k < sizeof all; k++)
		if (counts[k] > counts[best])
			best = k;
	return all[best];
}

static enum kw_err
parse(struct reading *r, struct span text)
{
	struct csv_parser parser;
	bool after_cr = false;

	if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
		return kw_refuse(r->why, KW_ENOMEM, "out of memory while reading a table");
	csv_set_delim(&parser, find_delimiter(text));
	for (size_t i = 0; i < text.len && r->err == KW_OK; i++) {
		uint8_t byte = text.p[i];

		if (r->row_line == 0 && byte != '\n' && byte != '\r')
			r->row_line = r->line;
		if (csv_parse(&parser, text.p + i, 1, on_cell, on_row, r) != 1)
			refuse(r, csv_error(&parser) == CSV_ENOMEM ? kw_refuse(r->why, KW_ENOMEM, "out of memory while reading a table")
			          : kw_refuse(r->why, KW_EPROTO, "line %zu, column %zu: a quote stands where none may; a field in quotes has them around all of it, and each within it twice",
			                      r->line, r->sheet->cell_count - r->first + 1));
		r->line += byte == '\r' || (byte == '\n' && !after_cr);
		after_cr = byte == '\r';
	}
	if (r->err == KW_OK && csv_fini(&parser, on_cell, on_row, r) != 0)
		refuse(r, kw_refuse(r->why, KW_EPROTO, "line %zu, column %zu: a quote begins here that never ends", r->row_line, r->sheet->cell_count - r->first + 1));
	csv_free(&parser);
	return r->err;
}

enum kw_err
sheet_read(struct sheet **out, struct span bytes, struct kw_why *why)
{
	struct buf converted = BUF_INIT(3u * SHEET_BYTES_MAX);
	struct reading r = {.line = 1, .why = why};
	enum kw_err err = KW_OK;

	if (bytes.len > SHEET_BYTES_MAX)
		return kw_refuse(why, KW_ELIMIT, "the table has %zu bytes, at most %u are allowed", bytes.len, SHEET_BYTES_MAX);
	if (bytes.len >= 2 && ((bytes.p[0] == 0xFF && bytes.p[1] == 0xFE) || (bytes.p[0] == 0xFE && bytes.p[1] == 0xFF)))
		return kw_refuse(why, KW_EPROTO, "the file is UTF-16; save it as \"CSV UTF-8\"");
	if (bytes.len >= 4 && memcmp(bytes.p, "PK\3\4", 4) == 0)
		return kw_refuse(why, KW_EPROTO, "the file is a spreadsheet itself and no table as text; save it as \"CSV UTF-8\"");
	if (bytes.len >= 3 && memcmp(bytes.p, "\xEF\xBB\xBF", 3) == 0)
		bytes = span_of(bytes.p + 3, bytes.len - 3);
	if ((r.sheet = calloc(1, sizeof *r.sheet)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory while reading a table");
	r.sheet->text = BUF_INIT(4u * SHEET_BYTES_MAX);
	r.sheet->windows = !is_utf8(bytes);
	if (r.sheet->windows && (err = from_windows(&converted, bytes, why)) == KW_OK)
		bytes = buf_span(&converted);
	if (err == KW_OK)
		err = parse(&r, bytes);
	if (err == KW_OK && !buf_ok(&r.sheet->text))
		err = kw_refuse(why, KW_ENOMEM, "out of memory while reading a table");
	if (err == KW_OK && r.sheet->row_count == 0)
		err = kw_refuse(why, KW_EPROTO, "the table is empty");
	buf_free(&converted);
	if (err != KW_OK)
		sheet_free(&r.sheet);
	else
		*out = r.sheet;
	return err;
}

void
sheet_free(struct sheet **s)
{
	if (*s != NULL)
		buf_free(&(*s)->text);
	free(*s);
	*s = NULL;
}

size_t
sheet_empty_line(const struct sheet *s)
{
	return s->empty_line;
}

bool
sheet_was_windows(const struct sheet *s)
{
	return s->windows;
}

size_t
sheet_rows(const struct sheet *s)
{
	return s->row_count;
}

size_t
sheet_columns(const struct sheet *s, size_t row)
{
	MUST(row < s->row_count);
	return s->rows[row].count;
}

const char *
sheet_cell(const struct sheet *s, size_t row, size_t column)
{
	MUST(row < s->row_count);
	return column < s->rows[row].count ? (const char *)s->text.p + s->cells[s->rows[row].first + column] : "";
}

size_t
sheet_line(const struct sheet *s, size_t row)
{
	MUST(row < s->row_count);
	return s->rows[row].line;
}
