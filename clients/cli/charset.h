/*
 * charset: everything is UTF-8 inside. A terminal that is not (a locale with ISO 8859-1, say) gets its own letters, and signs
 * that look alike for those that it has not: quotes, lines, "...". What goes into a pipe or a file stays UTF-8.
 */
#ifndef KW_CLI_CHARSET_H
#define KW_CLI_CHARSET_H

/* Once, behind setlocale and before anything is said. Where it cannot be done the terminal gets UTF-8 all the same. */
void charset_start(void);

#endif
