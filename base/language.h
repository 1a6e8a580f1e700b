/*
 * language: in which of its languages a program's sentences are (kw_refuse, kw_translate). For a daemon, which speaks
 * English to its log and its asker's language to who asks. Main thread alone.
 */
#ifndef KW_BASE_LANGUAGE_H
#define KW_BASE_LANGUAGE_H

#include <stdbool.h>

/* English, whatever the environment says, with the other languages at hand: catalogues lie in ../share/locale beside the program. */
void language_start(void);

/* The language that the environment asks for, for what somebody at a terminal is told before the daemon's own work; and back to English. */
void language_ask(void);
void language_end(void);

/* "de", "de-DE", …: German from now on; everything else, and NULL: English. Without language_start it is always English. */
void language_use(const char *language);
bool language_is_german(const char *language);

#endif
