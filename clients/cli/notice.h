/*
 * notice: how a notification of the inbox is shown: a line or two of a list, as news, or whole. From the row as JSON, as
 * libkurzweg gives it (struct kurzweg_notification's json). What its sender wrote is made safe for a terminal.
 */
#ifndef KW_CLI_NOTICE_H
#define KW_CLI_NOTICE_H

#include "clients/cli/cli.h"

/* What stands to be seen before anything of it is believed: "", or "cancelled", "updated", "over", "rejected: …", in words. */
#define NOTICE_MARK_MAX 640
void notice_mark(char out[NOTICE_MARK_MAX], const struct cli *c, const json_t *row, uint64_t now_ms);

/* What a notification's type or schema is called by people; what has no such word stays as it is. */
const char *notice_kind(const char *name);

/* "CANCELS: ", "UPDATES: ", "DRAFT: ": what stands before a title; "": nothing. */
const char *notice_prefix(const json_t *row);

/* What a list says of one besides its title stands below it, or beside it, as far as there is room; on a terminal as narrow as a telephone all of it, in lines of its own. */
bool notice_is_narrow(const struct cli *c);
/* text, made safe, on the line that has at columns already: cut where the terminal ends, or on a narrow one in further lines from column indent on. */
void notice_rest(const struct cli *c, enum cli_colour colour, const char *text, size_t indent, size_t at);

/* The rows of a list: two lines each on a terminal, a table's row each with the id in a pipe. */
void notice_list(const struct cli *c, json_t *const *rows, size_t count, uint64_t now_ms);

/*
 * Something new: lane and severity first, then what, where, until when, from whom, and what to do. Rings for flash.
 * earlier: the row that it is about; NULL: none, or not here.
 */
void notice_news(const struct cli *c, const json_t *row, const json_t *earlier, uint64_t now_ms);

/* Whole; the row's content is "text". */
void notice_whole(const struct cli *c, const json_t *row, uint64_t now_ms);

#endif
