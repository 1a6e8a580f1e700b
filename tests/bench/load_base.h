/*
 * load_base: what every load program shares: giving up, memory, time, and what a process costs. A load program has no caller to answer to:
 * what goes wrong ends it with one sentence and exit code 1, since a figure of a run that was not whole is worse than none.
 */
#ifndef KW_BENCH_LOAD_BASE_H
#define KW_BENCH_LOAD_BASE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"

_Noreturn void load_fail(const char *fmt, ...) KW_PRINTF(1, 2);
void load_must(enum kw_err err, const struct kw_why *why);
void *load_memory(size_t count, size_t size); /* zeroed; ends the program when there is none */

uint64_t load_ns(void);              /* monotonic */
void load_sleep_sharply(void);       /* a wait ends when it is over, not up to 50 us later: paced sends shall leave when they are due */
uint32_t load_number(const char *text, const char *option); /* from 1 to 100,000,000, of the command line */

/* What the system counts for a process; all zero where pid is 0. */
struct usage {
	uint64_t main_ns, io_ns, rest_ns; /* processor time of its first thread, of ZeroMQ's, of all others */
	uint64_t anon_kib;                /* RssAnon */
};
struct usage load_usage(int pid);
struct usage load_usage_since(int pid, struct usage before); /* times as differences, memory as it is */

#endif
