/*
 * cli: what every command of kurzweg shares: one table of options that feeds both the parser and --help, exit codes, output
 * that fits terminal or pipe, questions, passphrases.
 *
 * To add a command: a cmd_*.c that defines its struct cli_command, its name in commands.h, a row in main.c, the source in
 * CMakeLists.txt, the German for its sentences in po/de.po, and its page in docs/man with a row in kurzweg.1.scd.
 */
#ifndef KW_CLI_H
#define KW_CLI_H

#include <libintl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "base/span.h"

#define _(text) gettext(text)
#define N_(text) (text) /* in a table; translated where it is shown */

enum cli_exit {
	CLI_DONE = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_SILENT = 3,  /* nobody answered */
	CLI_REFUSED = 4, /* by a rule, a right, a signature: the sentence says what to do */
};

#define CLI_ARGS_MAX 64

struct cli { /* what a command is told of its surroundings */
	const char *command;   /* "agreement sign" */
	bool colour_out;       /* standard output is a terminal that shows colours */
	bool colour_err;
	bool terminal;         /* somebody is there to answer: input and error output are terminals */
	bool german;
	bool bell;             /* standard output is a terminal: it can be rung */
	size_t columns;        /* of that terminal; 0: a pipe or a file, where no line is cut or wrapped */
	size_t rows;           /* of that terminal; 0: a pipe or a file, or it does not say */
	const char *args[CLI_ARGS_MAX]; /* the words that are no options; as many as the command's table allows */
	size_t arg_count;
	struct buf *aside;     /* not NULL: why something went wrong is put here, and not on standard error */
};

/* ---- commands and options ---- */

enum cli_kind {
	CLI_FLAG,      /* bool */
	CLI_TEXT,      /* const char * */
	CLI_NUMBER,    /* uint64_t, lo..hi */
	CLI_DURATION,  /* uint64_t milliseconds, lo..hi: "90s", "10m", "2h", "14d" */
	CLI_TIME,      /* uint64_t Unix milliseconds, from RFC 3339 */
	CLI_TEXTS,     /* struct cli_texts: may be given several times, all others once */
};

#define CLI_TEXTS_MAX 64
struct cli_texts {
	const char *text[CLI_TEXTS_MAX];
	size_t count;
};

struct cli_option {
	const char *name;  /* without dashes; NULL ends the table */
	char letter;       /* 0: none */
	enum cli_kind kind;
	size_t at;         /* offsetof the command's struct of options */
	const char *value; /* N_("FILE"); NULL for a flag */
	const char *help;  /* N_("…") */
	uint64_t lo, hi;   /* numbers and durations */
};
#define CLI_NO_MORE {NULL, 0, CLI_FLAG, 0, NULL, NULL, 0, 0}

#define CLI_OPTIONS_MAX 48        /* of one command */
#define CLI_OPTIONS_SIZE 2048     /* bytes of its struct, zeroed before the parser fills it */

struct cli_command {
	const char *name;                  /* "agreement" */
	const char *sub;                   /* "sign"; NULL: the name alone is the command */
	const char *args;                  /* N_("FILE"), as in the usage line; NULL: none */
	size_t args_min, args_max;
	const char *help;                  /* N_("one line") */
	const char *more;                  /* N_("the rest of --help"); may be NULL */
	const struct cli_option *options;  /* NULL: none but --help */
	enum cli_exit (*run)(struct cli *c, const void *options);
};

/* Parses argv behind the command's words into options (CLI_OPTIONS_SIZE bytes) and c's args; false: *code is how to end. */
bool cli_parse(struct cli *c, const struct cli_command *command, int argc, char **argv, void *options, enum cli_exit *code);
/* --help, in lines as wide as the terminal is, but never too long to be read; 80 characters into a pipe. */
void cli_help(const struct cli *c, const struct cli_command *command);
void cli_help_row(const struct cli *c, const char *left, size_t room, const char *text); /* left gets room characters, or a line of its own */
void cli_help_prose(const struct cli *c, const char *text); /* broken anew, but for lines that begin with a blank, as examples do */

/* ---- ends ---- */

/* Prints why and answers the exit code that err stands for. */
enum cli_exit cli_fail(const struct cli *c, enum kw_err err, const struct kw_why *why);
void cli_error(const struct cli *c, const char *sentence); /* the sentence alone */
/* One sentence on standard error, and CLI_USAGE with the way to --help. */
enum cli_exit cli_usage(const struct cli *c, const char *fmt, ...) KW_PRINTF(2, 3);

/* ---- output ---- */

/* On standard error, for people: hints, summaries beside what a pipe takes. */
void cli_note(const struct cli *c, const char *fmt, ...) KW_PRINTF(2, 3);
void cli_warn(const struct cli *c, const char *fmt, ...) KW_PRINTF(2, 3);

enum cli_colour { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_RED, CLI_GREEN, CLI_YELLOW, CLI_ALARM /* white on red */ };
/* The sequence that begins a colour on standard output, "" where it shows none; CLI_PLAIN ends it. */
const char *cli_colour(const struct cli *c, enum cli_colour colour);

/* What others wrote, made safe for a terminal: controls and invisible characters become '?'. out is grown. */
void cli_put_safe(struct buf *out, const char *text);

/* What was gathered. Where memory ran out the tool ends here, with that sentence: an answer with holes would be taken for the whole one. */
const char *cli_text(struct buf *b);
/* The same for JSON, which is built of many pieces: malloc() that never answers NULL. What it gave is freed by free(). */
void *cli_memory(size_t size);

/* Prints value as JSON and a line end, indented on a terminal; value is freed, NULL is out of memory. */
enum cli_exit cli_json(const struct cli *c, json_t *value);
/* The same of a text that is JSON already, as it stands. In both what a terminal might obey stands as \u…, which is the same JSON. */
enum cli_exit cli_json_text(const struct cli *c, const char *json);

/* Characters, not bytes. */
size_t cli_width(const char *text);

/*
 * Appends text, made safe, in lines of at most width characters (0: as long as they are), broken between words; every line
 * but the first begins with indent blanks, which count. at: how many characters stand before the first. No line end at the end.
 */
void cli_put_wrapped(struct buf *out, const char *text, size_t width, size_t indent, size_t at);

/* On standard output: "label   text", the text wrapped beside the label; nothing when text is empty. */
#define CLI_LABEL_WIDTH 15
void cli_field(const struct cli *c, const char *label, enum cli_colour colour, const char *text);
void cli_put_field(struct buf *out, const struct cli *c, const char *label, enum cli_colour colour, const char *text);
void cli_paragraph(const struct cli *c, enum cli_colour colour, const char *text); /* over the whole width */

/* How many lines a terminal of so many columns shows of a text with cli_colour in it; 0 columns: the text's own. */
size_t cli_lines(const char *text, size_t columns);

/* A table: a head, rows, columns as wide as their widest cell; cells are copied and made safe. */
struct cli_table;
struct cli_table *cli_table_new(size_t columns);
void cli_table_cell(struct cli_table *t, enum cli_colour colour, const char *fmt, ...) KW_PRINTF(3, 4); /* from left to right, row by row */
/* On a terminal the cells of this column are cut with "…" until the rows fit; else nothing is cut. */
void cli_table_shrink(struct cli_table *t, size_t column);
/* head: the first row is one. Frees t. Where memory ran out for a cell the tool ends here too, and no row is shown. */
void cli_table_print(const struct cli *c, struct cli_table *t, bool head);
void cli_put_table(struct buf *out, const struct cli *c, struct cli_table *t, bool head); /* the same, of a table that out holds whole */

/* ---- questions ---- */

/* Yes or no on the terminal; no without one. */
bool cli_confirm(const struct cli *c, const char *question);

/*
 * A line that somebody types at the terminal, without blanks around it; usual (may be NULL), shown in brackets, where nothing is typed.
 * KW_EDENIED: the input ended. KW_ELIMIT: more than room - 1 bytes. Ask only where c->terminal.
 */
KW_MUST_USE enum kw_err cli_ask(char *out, size_t room, const struct cli *c, const char *question, const char *usual, struct kw_why *why);

/*
 * A passphrase: the first line of file (private, as a key is) or of the descriptor fd, else asked for on the terminal with
 * echo off, twice where it is a new one. *out is in sodium_malloc memory, for sodium_free. Rows for a table of options:
 * CLI_PASSPHRASE(struct options, passphrase), whose member is a struct cli_passphrase.
 */
struct cli_passphrase {
	const char *file;
	const char *fd;
};
/* NOLINTBEGIN(bugprone-macro-parentheses): a member has none */
#define CLI_PASSPHRASE(type, member)                                                                                        \
	{"passphrase-file", 0, CLI_TEXT, offsetof(type, member.file), N_("FILE"), N_("the passphrase is FILE's first line"), 0, 0}, \
	{"passphrase-fd", 0, CLI_TEXT, offsetof(type, member.fd), N_("N"), N_("the passphrase is read from descriptor N"), 0, 0}
/* NOLINTEND(bugprone-macro-parentheses) */
KW_MUST_USE enum kw_err cli_passphrase(char **out, const struct cli *c, const struct cli_passphrase *from, const char *question, bool is_new,
                                       struct kw_why *why);

/* "/usr/bin" of the running program, to find what lies beside it; NULL: unknown. */
const char *cli_program_folder(void);

#endif
