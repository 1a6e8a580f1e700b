/* handed: public lines as people hand them over, by mail, on paper or on a stick, and the fingerprints they read aloud. */
#ifndef KW_CLI_HANDED_H
#define KW_CLI_HANDED_H

#include "certs/keys.h"

/*
 * A public line from word: the line itself, a file that holds it, or "-" for standard input. One that a mail program broke over several
 * lines is put together again; its signature tells whether that was right. KW_EDENIED: it is a secret, which is not shown
 * and of which nothing is kept. KW_EPROTO, KW_EINVAL, KW_ECRYPTO: cut short, changed, no line at all.
 */
KW_MUST_USE enum kw_err handed_line(struct public_key *out, char line[KEY_LINE_MAX], const char *word, struct kw_why *why);

/* The same of the line itself alone. */
KW_MUST_USE enum kw_err handed_text(struct public_key *out, char line[KEY_LINE_MAX], const char *text, struct kw_why *why);

/* What was said on the phone and what is; blanks and case do not matter. */
bool handed_same_fingerprint(const char *said, const char *is);

#endif
