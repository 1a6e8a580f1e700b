/*
 * rival_runs: the scenarios of bench_rival, the same as bench_load's of these names, with the same lines of JSON. A run makes a stream of its own
 * on the server and removes it again, so that none finds what another left.
 */
#ifndef KW_BENCH_RIVAL_RUNS_H
#define KW_BENCH_RIVAL_RUNS_H

#include "rival_net.h"

#define RIVAL_TARGETS_MAX 8u
#define RIVAL_CLIENTS_MAX 20000u

struct rival_target { const struct rival_protocol *protocol; uint16_t port; int pid; };

struct rival_wishes { /* of the command line */
	const char *certificate;
	struct rival_target targets[RIVAL_TARGETS_MAX];
	uint32_t target_count;
	uint32_t rounds, messages, bytes, flight, pace, publishers, readers;
	uint32_t seconds;                /* rate, many: nothing is sent after so many, 0: no such limit; idle: so long it watches */
};

void rival_rate(struct rival_net *net, const struct rival_wishes *w);  /* publishers to readers, so many in flight of all of them; "many" where there are several publishers */
void rival_paced(struct rival_net *net, const struct rival_wishes *w); /* one to one at a pace, each as late as it was against its time */
void rival_fan(struct rival_net *net, const struct rival_wishes *w);   /* one to many: time to the last, deliveries a second */
void rival_idle(struct rival_net *net, const struct rival_wishes *w);  /* memory and processor of connections that are logged in and silent */

#endif
