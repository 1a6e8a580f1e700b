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
	bool apart;                      /* rate, many: each publish leaves by itself, as at a pace; not together with those that may leave at the same time */
	uint32_t few;                    /* backlog: so many of all are for a reader of their own */
};

void rival_rate(struct rival_net *net, const struct rival_wishes *w);  /* publishers to readers, so many in flight of all; "many" where there are several */
void rival_paced(struct rival_net *net, const struct rival_wishes *w); /* one to one at a pace, each as late as it was against its time */
void rival_fan(struct rival_net *net, const struct rival_wishes *w);   /* one to many: time to the last, deliveries a second */
void rival_idle(struct rival_net *net, const struct rival_wishes *w);  /* memory and processor of connections that are logged in and silent */

void rival_back(struct rival_net *net, const struct rival_wishes *w);  /* the server is started again: until all readers are back */
void rival_backlog(struct rival_net *net, const struct rival_wishes *w); /* what is queued for a reader that was away: the start with it, and draining it */

#endif
