/*
 * options: what the daemons' options have in common: argp, which reads and explains them in the language of whoever types,
 * --help, --usage and --version. Every sentence of a table, and the text above it, stands in N_() and in po/. Main thread alone.
 */
#ifndef KW_BASE_OPTIONS_H
#define KW_BASE_OPTIONS_H

#include <argp.h>

#define N_(text) (text) /* in a table; translated where it is shown */

struct options_program {
	const struct argp_option *table;
	argp_parser_t take;
	const char *above, *below; /* the options in --help; below may be NULL */
	const char *version;       /* "kurzweg-broker 0.1.0" */
	int wrong;                 /* how to end when an option is wrong, which is said here */
};

/* Reads argv into input. --help and the like end the program with 0. 0, or an errno. */
int options_read(const struct options_program *p, int argc, char **argv, void *input);

#endif
