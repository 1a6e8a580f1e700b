/*
 * top_model: what "kurzweg top" shows, without a terminal: rows, their order, the filter, the one that is looked at, and all of it as lines of text.
 * Pure but for memory, of which it ends the tool where there is none (cli_memory). What others wrote is made safe when it comes in.
 */
#ifndef KW_CLI_TOP_MODEL_H
#define KW_CLI_TOP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "clients/cli/cli.h"

#define TOP_COLUMNS_MAX 300u /* a wider or higher terminal shows no more */
#define TOP_ROWS_MAX 300u

enum top_sort { TOP_BY_NAME, TOP_BY_STATE, TOP_BY_WAITING, TOP_BY_AGE, TOP_BY_RATE, TOP_SORTS };
const char *top_sort_name(enum top_sort s); /* as options name it: "name", "state", … */
bool top_sort_of(enum top_sort *out, const char *name);

/* Keys that are no characters. */
enum top_key { TOP_KEY_UP = 0x110000, TOP_KEY_DOWN, TOP_KEY_PAGE_UP, TOP_KEY_PAGE_DOWN, TOP_KEY_HOME, TOP_KEY_END, TOP_KEY_ENTER, TOP_KEY_ESCAPE, TOP_KEY_RUBOUT };
enum top_did { TOP_STAYS, TOP_REFRESH /* ask the broker at once */, TOP_ENDS };

enum top_look { TOP_PLAIN, TOP_TITLE, TOP_HEAD, TOP_DIM, TOP_GOOD, TOP_WARN, TOP_ALARM };
struct top_line {
	enum top_look look;
	bool chosen;
	char text[4 * TOP_COLUMNS_MAX + 1];  /* UTF-8, no wider than was asked for, no control character */
};

struct top;
struct top *top_new(void);
void top_free(struct top **t);
void top_set(struct top *t, enum top_sort sort, const char *filter); /* filter NULL: none */

/* What the broker answered, with all its nodes (broker_look_status). mono_ms: when, for rates. */
void top_take(struct top *t, const struct cli *c, const json_t *status, uint64_t mono_ms, uint64_t wall_ms);
/* It did not answer: the sentence stands before all else until it does. */
void top_trouble(struct top *t, const char *sentence);
/* A character as Unicode has it, or one of top_key. */
enum top_did top_press(struct top *t, uint32_t key);

/* The screen, at most rows lines of at most columns characters, both at least 1; answers how many. rows 0: as many as it takes, for *out of as many
 * as top_lines_most says. */
size_t top_lines(struct top_line *out, struct top *t, const struct cli *c, size_t rows, size_t columns);
size_t top_lines_most(const struct top *t);

#endif
