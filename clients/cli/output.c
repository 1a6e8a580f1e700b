/* output: ends, notes, colours, tables, JSON. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "clients/cli/cli.h"

#define SENTENCE_MAX (2 * KW_WHY_MAX)
#define COLUMNS_MAX 16
#define CELLS_MAX 1000000u

static const char *const sequences[] = {[CLI_PLAIN] = "\x1b[0m", [CLI_BOLD] = "\x1b[1m", [CLI_DIM] = "\x1b[2m", [CLI_RED] = "\x1b[31m",
                                        [CLI_GREEN] = "\x1b[32m", [CLI_YELLOW] = "\x1b[33m", [CLI_ALARM] = "\x1b[1;37;41m"};

const char *
cli_colour(const struct cli *c, enum cli_colour colour)
{
	return c->colour_out ? sequences[colour] : "";
}

void
cli_put_safe(struct buf *out, const char *text)
{
	struct span rest = span_str(text);

	while (rest.len > 0) {
		size_t clean = text_unclean_at(rest, TEXT_LINE);

		if (clean == SIZE_MAX)
			clean = rest.len;
		buf_put(out, rest.p, clean);
		rest = span_of(rest.p + clean, rest.len - clean);
		if (rest.len == 0)
			return;
		if (rest.len == 1 || rest.p[0] != '\r' || rest.p[1] != '\n') /* a line's end in the other fashion */
			buf_put_u8(out, '?');
		do /* the whole character, not each of its bytes */
			rest = span_of(rest.p + 1, rest.len - 1);
		while (rest.len > 0 && (rest.p[0] & 0xC0) == 0x80);
	}
}

_Noreturn static void
end_without_memory(void)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "kurzweg: %s\n", _("out of memory"));
	exit(CLI_FAILED);
}

void *
cli_memory(size_t size)
{
	void *p = malloc(size);

	if (p == NULL)
		end_without_memory();
	return p;
}

const char *
cli_text(struct buf *b)
{
	const char *text = buf_text(b);

	if (text == NULL)
		end_without_memory();
	return text;
}

/* A whole line on standard error, whatever stands in it. */
static void
say(const struct cli *c, enum cli_colour colour, const char *head, const char *text)
{
	struct buf line = BUF_INIT(4 * SENTENCE_MAX);

	if (c->aside != NULL) {
		buf_put_str(c->aside, c->aside->len > 0 ? " " : "");
		cli_put_safe(c->aside, text);
		return;
	}
	cli_put_safe(&line, text);
	(void)fflush(stdout); /* so that both come in their order where they go to one place */
	(void)fprintf(stderr, "%s%s%s%s\n", c->colour_err ? sequences[colour] : "", head, c->colour_err ? sequences[CLI_PLAIN] : "",
	              cli_text(&line));
	buf_free(&line);
}

void
cli_note(const struct cli *c, const char *fmt, ...)
{
	char text[SENTENCE_MAX];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	say(c, CLI_PLAIN, "", text);
}

void
cli_warn(const struct cli *c, const char *fmt, ...)
{
	char text[SENTENCE_MAX];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	say(c, CLI_YELLOW, _("warning: "), text);
}

void
cli_error(const struct cli *c, const char *sentence)
{
	say(c, CLI_RED, "kurzweg: ", sentence);
}

enum cli_exit
cli_usage(const struct cli *c, const char *fmt, ...)
{
	char text[SENTENCE_MAX];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	say(c, CLI_RED, "kurzweg: ", text);
	if (c->aside == NULL)
		(void)fprintf(stderr, _("\"kurzweg%s%s --help\" tells how it is used\n"), c->command != NULL ? " " : "", c->command != NULL ? c->command : "");
	return CLI_USAGE;
}

enum cli_exit
cli_fail(const struct cli *c, enum kw_err err, const struct kw_why *why)
{
	say(c, CLI_RED, "kurzweg: ", why->text[0] != '\0' ? why->text : kw_err_text(err));
	switch (err) {
	case KW_ETIMEOUT: return CLI_SILENT;
	case KW_EDENIED: case KW_ECRYPTO: return CLI_REFUSED;
	default: return CLI_FAILED;
	}
}

/* The character at p, which is whole and right, as JSON escapes it; answers its length. */
static size_t
put_escaped(struct buf *out, const uint8_t *p)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
	uint32_t v = n == 1 ? p[0] : p[0] & (0xFFu >> (n + 1));
	char text[16];

	for (size_t i = 1; i < n; i++)
		v = v << 6 | (p[i] & 0x3Fu);
	if (v < 0x10000)
		(void)snprintf(text, sizeof text, "\\u%04x", v);
	else
		(void)snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xD800 + ((v - 0x10000) >> 10), 0xDC00 + ((v - 0x10000) & 0x3FF));
	buf_put_str(out, text);
	return n;
}

enum cli_exit
cli_json_text(const struct cli *c, const char *json)
{
	struct span rest = span_str(json);
	struct buf line = BUF_INIT(SIZE_MAX / 2);
	bool written;

	while (rest.len > 0) {
		size_t clean = text_unclean_at(rest, TEXT_MULTILINE), n;

		n = clean == SIZE_MAX ? rest.len : clean;
		buf_put(&line, rest.p, n);
		if (clean != SIZE_MAX)
			n += put_escaped(&line, rest.p + n);
		rest = span_of(rest.p + n, rest.len - n);
	}
	buf_put_u8(&line, '\n');
	written = buf_text(&line) != NULL && fwrite(line.p, 1, line.len, stdout) == line.len;
	buf_free(&line);
	if (written)
		return CLI_DONE;
	say(c, CLI_RED, "kurzweg: ", _("the output could not be written"));
	return CLI_FAILED;
}

enum cli_exit
cli_json(const struct cli *c, json_t *value)
{
	char *text = value != NULL ? json_dumps(value, (c->colour_out ? JSON_INDENT(2) : JSON_COMPACT) | JSON_ENCODE_ANY) : NULL;
	enum cli_exit code = CLI_FAILED;

	json_decref(value);
	if (text != NULL)
		code = cli_json_text(c, text);
	else
		cli_error(c, _("out of memory"));
	free(text);
	return code;
}

/* ---- lines ---- */

/* How many bytes and characters of text go into room characters: to the last blank that fits, else as many as fit. */
static size_t
take_line(const char *text, size_t room)
{
	size_t line = strcspn(text, "\n"), at = 0, chars = 0, blank = 0;

	while (at < line && chars <= room) {
		if (text[at] == ' ' && at > 0)
			blank = at;
		if (chars == room)
			break;
		do
			at++;
		while (at < line && ((unsigned char)text[at] & 0xC0) == 0x80);
		chars++;
	}
	if (at == line)
		return line;
	return blank > 0 ? blank : at;
}

void
cli_put_wrapped(struct buf *out, const char *text, size_t width, size_t indent, size_t at)
{
	struct buf safe = BUF_INIT(16u << 20);
	const char *rest;

	cli_put_safe(&safe, text);
	rest = cli_text(&safe);
	while (*rest != '\0') {
		size_t n = width == 0 ? strcspn(rest, "\n") : take_line(rest, width > at ? width - at : 1);

		if (n == 0 && *rest != '\n')
			break;
		buf_put(out, rest, n);
		rest += n;
		rest += *rest == '\n' || *rest == ' ';
		if (*rest == '\0')
			break;
		buf_put_u8(out, '\n');
		for (size_t i = 0; i < indent; i++)
			buf_put_u8(out, ' ');
		at = indent;
	}
	buf_free(&safe);
}

/* With a line end. */
static void
put_paragraph(struct buf *out, const struct cli *c, enum cli_colour colour, const char *text, size_t indent)
{
	buf_put_str(out, colour != CLI_PLAIN ? cli_colour(c, colour) : "");
	cli_put_wrapped(out, text, c->columns, indent, indent);
	buf_put_str(out, colour != CLI_PLAIN ? cli_colour(c, CLI_PLAIN) : "");
	buf_put_u8(out, '\n');
}

static void
put_blanks(struct buf *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_put_u8(out, ' ');
}

/* On standard output; frees it. */
static void
print(struct buf *text)
{
	(void)fputs(cli_text(text), stdout);
	buf_free(text);
}

#define BELOW_LABEL 2

/* In characters: an id, a hash, an address, which whoever copies it wants in one piece. */
static size_t
longest_word(const char *text)
{
	size_t longest = 0, n = 0;

	for (; *text != '\0'; text++) {
		n = *text == ' ' || *text == '\n' ? 0 : n + (((unsigned char)*text & 0xC0) != 0x80);
		longest = n > longest ? n : longest;
	}
	return longest;
}

void
cli_put_field(struct buf *out, const struct cli *c, const char *label, enum cli_colour colour, const char *text)
{
	size_t width = cli_width(label), longest = longest_word(text);

	if (text[0] == '\0')
		return;
	buf_put_str(out, cli_colour(c, CLI_DIM));
	buf_put_str(out, label);
	buf_put_str(out, cli_colour(c, CLI_PLAIN));
	if (c->columns > 0 && longest + CLI_LABEL_WIDTH > c->columns && longest + BELOW_LABEL <= c->columns) { /* below it there is room for the whole word */
		buf_put_u8(out, '\n');
		put_blanks(out, BELOW_LABEL);
		put_paragraph(out, c, colour, text, BELOW_LABEL);
		return;
	}
	put_blanks(out, width < CLI_LABEL_WIDTH ? CLI_LABEL_WIDTH - width : 1);
	put_paragraph(out, c, colour, text, CLI_LABEL_WIDTH);
}

void
cli_field(const struct cli *c, const char *label, enum cli_colour colour, const char *text)
{
	struct buf lines = BUF_INIT(32u << 20);

	cli_put_field(&lines, c, label, colour, text);
	print(&lines);
}

void
cli_paragraph(const struct cli *c, enum cli_colour colour, const char *text)
{
	struct buf lines = BUF_INIT(32u << 20);

	put_paragraph(&lines, c, colour, text, 0);
	print(&lines);
}

/* Of one line; the sequences of cli_colour take no room. */
static size_t
shown_width(const char *line, size_t len)
{
	size_t width = 0;

	for (size_t i = 0; i < len; i++) {
		if (line[i] == '\x1b')
			while (i < len && line[i] != 'm')
				i++;
		else
			width += ((unsigned char)line[i] & 0xC0) != 0x80;
	}
	return width;
}

size_t
cli_lines(const char *text, size_t columns)
{
	size_t lines = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, "\n"), width = shown_width(text, len);

		lines += columns > 0 && width > columns ? (width + columns - 1) / columns : 1;
		text += len + (text[len] == '\n');
	}
	return lines;
}

/* ---- tables ---- */

struct cell { char *text; size_t width; enum cli_colour colour; };

struct cli_table {
	size_t columns, count, room, shrinks; /* shrinks: the column that may be cut; columns: none */
	bool failed;
	struct cell *cells;
};

struct cli_table *
cli_table_new(size_t columns)
{
	struct cli_table *t = calloc(1, sizeof *t);

	MUST(columns > 0 && columns <= COLUMNS_MAX);
	if (t != NULL)
		t->columns = t->shrinks = columns;
	return t;
}

/* Wide and combining characters are rare enough in what is shown here. */
size_t
cli_width(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xC0) != 0x80;
	return width;
}

static struct cell *
next_cell(struct cli_table *t)
{
	if (t->count == t->room) {
		size_t room = t->room == 0 ? 64 : 2 * t->room;
		struct cell *cells = room <= CELLS_MAX ? realloc(t->cells, room * sizeof *cells) : NULL;

		if (cells == NULL)
			return NULL;
		t->cells = cells;
		t->room = room;
	}
	return &t->cells[t->count];
}

void
cli_table_cell(struct cli_table *t, enum cli_colour colour, const char *fmt, ...)
{
	struct buf safe = BUF_INIT(4 * SENTENCE_MAX);
	char text[SENTENCE_MAX];
	struct cell *cell;
	va_list args;

	if (t == NULL || t->failed)
		return;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	cli_put_safe(&safe, text);
	cell = next_cell(t);
	if (cell == NULL || buf_text(&safe) == NULL || (cell->text = strdup(buf_text(&safe))) == NULL) {
		t->failed = true;
	} else {
		for (char *p = cell->text; *p != '\0'; p++)
			if (*p == '\n' || *p == '\t')
				*p = ' ';
		cell->width = cli_width(cell->text);
		cell->colour = colour;
		t->count++;
	}
	buf_free(&safe);
}

static void
put_row(struct buf *out, const struct cli *c, const struct cli_table *t, size_t row, const size_t *widths, bool head)
{
	for (size_t i = 0; i < t->columns && row * t->columns + i < t->count; i++) {
		const struct cell *cell = &t->cells[row * t->columns + i];
		enum cli_colour colour = head ? CLI_BOLD : cell->colour;
		bool last = i + 1 == t->columns;

		buf_put_str(out, colour != CLI_PLAIN ? cli_colour(c, colour) : "");
		buf_put_str(out, cell->text);
		buf_put_str(out, colour != CLI_PLAIN ? cli_colour(c, CLI_PLAIN) : "");
		put_blanks(out, last ? 0 : widths[i] - cell->width + 2);
	}
	buf_put_u8(out, '\n');
}

void
cli_table_shrink(struct cli_table *t, size_t column)
{
	if (t == NULL)
		return;
	MUST(column < t->columns);
	t->shrinks = column;
}

/* The first width characters of the cell, the last of them "…". */
static void
cut(struct cell *cell, size_t width)
{
	static const char more[] = "…";
	char *text, *end = cell->text;

	if (cell->width <= width)
		return;
	for (size_t n = 0; n + 1 < width; n++)
		do
			end++;
		while (((unsigned char)*end & 0xC0) == 0x80);
	*end = '\0';
	cell->width = width;
	if (asprintf(&text, "%s%s", cell->text, more) < 0)
		return; /* shorter by one character */
	free(cell->text);
	cell->text = text;
}

/* The other columns keep their widths; of this one at least NARROWEST characters stay. */
static void
shrink(const struct cli *c, struct cli_table *t, size_t *widths)
{
	enum { NARROWEST = 8 };
	size_t all = 0, over;

	for (size_t i = 0; i < t->columns; i++)
		all += widths[i] + (i + 1 < t->columns ? 2 : 0);
	if (t->shrinks == t->columns || c->columns == 0 || all <= c->columns)
		return;
	over = all - c->columns;
	if (widths[t->shrinks] <= NARROWEST)
		return;
	widths[t->shrinks] -= over < widths[t->shrinks] - NARROWEST ? over : widths[t->shrinks] - NARROWEST;
	for (size_t i = t->shrinks; i < t->count; i += t->columns)
		cut(&t->cells[i], widths[t->shrinks]);
}

static void
put_rows(struct buf *out, const struct cli *c, struct cli_table *t, bool head, void (*each)(struct buf *row))
{
	size_t widths[COLUMNS_MAX] = {0};

	if (t == NULL || t->failed)
		end_without_memory();
	for (size_t i = 0; i < t->count; i++)
		if (t->cells[i].width > widths[i % t->columns])
			widths[i % t->columns] = t->cells[i].width;
	shrink(c, t, widths);
	for (size_t row = 0; row * t->columns < t->count; row++) {
		put_row(out, c, t, row, widths, head && row == 0);
		if (each != NULL)
			each(out);
	}
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

void
cli_put_table(struct buf *out, const struct cli *c, struct cli_table *t, bool head)
{
	put_rows(out, c, t, head, NULL);
}

/* Row by row: a table may be longer than what is held at once. */
void
cli_table_print(const struct cli *c, struct cli_table *t, bool head)
{
	struct buf row = BUF_INIT(1u << 20);

	put_rows(&row, c, t, head, print);
}
