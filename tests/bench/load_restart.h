/*
 * load_restart: what is measured is ended and started again in the middle of a run. The program says on standard output that it wants that, as a line of
 * JSON among its figures; who started it (programs.py) does it and answers with a line on standard input.
 */
#ifndef KW_BENCH_LOAD_RESTART_H
#define KW_BENCH_LOAD_RESTART_H

#include "load_base.h"

struct load_started {
	uint64_t started_ns;             /* when the new process was begun, on load_ns's clock */
	char endpoint[160], key[80];     /* where it may have changed; else "" */
};

void load_restart(struct load_started *out, const char *target); /* returns as soon as the new process has begun: it may not listen yet */
int load_pid_of(const char *target);                             /* of the process that does the work; once it answers, it is known */
uint64_t load_await_listening(uint16_t port);                    /* when the loopback's port first took a connection */

#endif
