/* cases: what the commands about cases share: the one that is meant, and how it stands in words. Cases are JSON as libkurzweg gives them. */
#ifndef KW_CLI_CASES_H
#define KW_CLI_CASES_H

#include "clients/cli/cli.h"
#include "clients/cli/local.h"

/*
 * The id that word means: a whole one, or the beginning or end, of at least 4 characters, of one case of this node alone. False: *code is
 * how to end, and it was said why.
 */
bool cases_id(char id[KURZWEG_ID_SIZE], const struct cli *c, kurzweg *k, const char *word, enum cli_exit *code);
/* Parses what the library gave, and frees it; NULL: *code as above. */
json_t *cases_json(const struct cli *c, kurzweg *k, enum kurzweg_result r, char *text, enum cli_exit *code);

#define CASES_WORDS_MAX 512
/* Whose move it is, until when: "your turn: take or decline it within 4:32". colour: how urgent that is. */
enum cli_colour cases_stands(char out[CASES_WORDS_MAX], const json_t *one, uint64_t now_ms);
/* "4:32", "1:04:32", "-0:12"; "" without a limit. */
#define CASES_LEFT_MAX 32
void cases_left(char out[CASES_LEFT_MAX], uint64_t until_ms, uint64_t now_ms);
const char *cases_short(const char *id); /* its last 8 characters */
/* Where its headline is withheld for want of a reason: that, and what to type. Of a draft as well. */
void cases_reason(const struct cli *c, const json_t *one);
/* What happened, of an entry of its log; "": nothing for people. */
void cases_entry(char out[CASES_WORDS_MAX], const json_t *entry);

#endif
