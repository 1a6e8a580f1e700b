/*
 * load: what the parts of bench_load share: whom it talks to, time, waiting, and giving up. A load program has no caller to answer to:
 * what goes wrong ends it with one sentence and exit code 1, since a figure of a run that was not whole is worse than none.
 */
#ifndef KW_BENCH_LOAD_H
#define KW_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "certs/agreement.h"

/* Whom a run is measured against: a Kurzweg broker, or one of bench_peer's, which know no hello, no rights and no log. */
struct target {
	char name[32];
	char endpoint[160];
	bool bare;                       /* bench_peer's few words instead of the node protocol */
	uint8_t curve_pk[KW_KEY_LEN];
	int pid;                         /* of the process measured, 0: not known */
};

struct load_node;
struct load {
	void *zmq;
	int epoll;
	const char *folder;              /* agreement.yaml and the nodes' keys, "police/desk" in police-desk.key */
	struct agreement *agreement;
	struct load_node **nodes;        /* those that are open */
	uint32_t node_count;
	uint64_t looked_ns;              /* when signs of life were last looked after */
};

void load_begin(struct load *l, const char *folder);
void load_end(struct load *l);       /* its nodes are closed before */

_Noreturn void load_fail(const char *fmt, ...) KW_PRINTF(1, 2);
void load_must(enum kw_err err, const struct kw_why *why);
void *load_memory(size_t count, size_t size); /* zeroed; ends the program when there is none */

uint64_t load_ns(void);              /* monotonic */
/*
 * Waits until something came for a node or until_ns is over, and hands on all that is there to the nodes' handlers. deadline_ns: a run that is
 * not whole by then ends the program.
 */
void load_turn(struct load *l, uint64_t until_ns, uint64_t deadline_ns);

/* What the system counts for a process; all zero where pid is 0. */
struct usage {
	uint64_t main_ns, io_ns, rest_ns; /* processor time of its first thread, of ZeroMQ's, of all others */
	uint64_t anon_kib;                /* RssAnon */
};
struct usage load_usage(int pid);
struct usage load_usage_since(int pid, struct usage before); /* times as differences, memory as it is */

#endif
