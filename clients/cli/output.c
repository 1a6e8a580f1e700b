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
                                        [CLI_GREEN] = "\x1b[32m", [CLI_YELLOW] = "\x1b[33m"};

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
		buf_put_u8(out, '?');
		do /* the whole character, not each of its bytes */
			rest = span_of(rest.p + 1, rest.len - 1);
		while (rest.len > 0 && (rest.p[0] & 0xC0) == 0x80);
	}
}

/* A whole line on standard error, whatever stands in it. */
static void
say(const struct cli *c, enum cli_colour colour, const char *head, const char *text)
{
	struct buf line = BUF_INIT(4 * SENTENCE_MAX);

	cli_put_safe(&line, text);
	(void)fflush(stdout); /* so that both come in their order where they go to one place */
	(void)fprintf(stderr, "%s%s%s%s\n", c->colour_err ? sequences[colour] : "", head, c->colour_err ? sequences[CLI_PLAIN] : "",
	              buf_text(&line) != NULL ? buf_text(&line) : text);
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

enum cli_exit
cli_usage(const struct cli *c, const char *fmt, ...)
{
	char text[SENTENCE_MAX];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	say(c, CLI_RED, "kurzweg: ", text);
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

enum cli_exit
cli_json(const struct cli *c, json_t *value)
{
	int wrong = value == NULL ? -1 : json_dumpf(value, stdout, (c->colour_out ? JSON_INDENT(2) : JSON_COMPACT) | JSON_ENCODE_ANY);

	json_decref(value);
	if (wrong == 0 && putchar('\n') != EOF)
		return CLI_DONE;
	say(c, CLI_RED, "kurzweg: ", _("the output could not be written"));
	return CLI_FAILED;
}

struct cell { char *text; size_t width; enum cli_colour colour; };

struct cli_table {
	size_t columns, count, room;
	bool failed;
	struct cell *cells;
};

struct cli_table *
cli_table_new(size_t columns)
{
	struct cli_table *t = calloc(1, sizeof *t);

	MUST(columns > 0 && columns <= COLUMNS_MAX);
	if (t != NULL)
		t->columns = columns;
	return t;
}

/* Characters, not bytes; wide and combining ones are rare enough in names. */
static size_t
width_of(const char *text)
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
		cell->width = width_of(cell->text);
		cell->colour = colour;
		t->count++;
	}
	buf_free(&safe);
}

static void
print_row(const struct cli *c, const struct cli_table *t, size_t row, const size_t *widths, bool head)
{
	for (size_t i = 0; i < t->columns && row * t->columns + i < t->count; i++) {
		const struct cell *cell = &t->cells[row * t->columns + i];
		enum cli_colour colour = head ? CLI_BOLD : cell->colour;
		bool last = i + 1 == t->columns;

		(void)printf("%s%s%s%*s", colour != CLI_PLAIN ? cli_colour(c, colour) : "", cell->text,
		             colour != CLI_PLAIN ? cli_colour(c, CLI_PLAIN) : "", last ? 0 : (int)(widths[i] - cell->width + 2), "");
	}
	(void)putchar('\n');
}

void
cli_table_print(const struct cli *c, struct cli_table *t, bool head)
{
	size_t widths[COLUMNS_MAX] = {0};

	if (t == NULL || t->failed)
		say(c, CLI_RED, "kurzweg: ", _("out of memory"));
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->count; i++)
		if (t->cells[i].width > widths[i % t->columns])
			widths[i % t->columns] = t->cells[i].width;
	for (size_t row = 0; row * t->columns < t->count; row++)
		print_row(c, t, row, widths, head && row == 0);
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}
