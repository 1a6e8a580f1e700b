/*
 * agreement_fixture: a partnership's keys and text for tests. In a text %name stands for the public line of that key; keys
 * are made at the first use, live, of the kind that the table in agreement_fixture.c says.
 */
#ifndef KW_TESTS_AGREEMENT_FIXTURE_H
#define KW_TESTS_AGREEMENT_FIXTURE_H

#include "certs/agreement.h"

extern const char fixture_text[]; /* a good agreement of four partners, %names in it */

int fixture_make_keys(void **state);  /* cmocka group set-up: sodium_init and all keys */
int fixture_free_keys(void **state);
const struct secret_keys *fixture_key(const char *name);

/* text with the first find replaced (fails the test when it is not there; NULL: nothing is replaced), then all %names. */
void fixture_expand(struct buf *out, const char *text, const char *find, const char *replace);
/* Parsed; fails the test with the sentence when it is refused. */
struct agreement *fixture_agreement(const char *text, const char *find, const char *replace);

#endif
