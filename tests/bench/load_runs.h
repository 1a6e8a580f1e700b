/*
 * load_runs: the scenarios of bench_load, each with its own figures. Where there are several targets they take turns in every round, so that
 * a busy machine meets all of them alike; each prints one line of JSON for each target and round.
 */
#ifndef KW_BENCH_LOAD_RUNS_H
#define KW_BENCH_LOAD_RUNS_H

#include "load.h"

#define LOAD_TARGETS_MAX 4u

struct wishes { /* of the command line */
	struct target targets[LOAD_TARGETS_MAX];
	uint32_t target_count;
	uint32_t rounds, messages, bytes, flight, pace, readers, publishers;
	uint32_t frame;                  /* 0, or how long a sealed frame shall be: the payload is then what fits */
	uint32_t seconds;                /* rate, many: nothing is sent after so many, 0: no such limit; open, idle: so long they watch */
	uint32_t starts;                 /* backlog: the broker is started so many times before */
	const char *store;               /* fill: the broker's folder, while it is stopped */
};

void run_rate(struct load *l, const struct wishes *w);    /* publisher to one reader, so many in flight */
void run_paced(struct load *l, const struct wishes *w);   /* the same at a pace, each as late as it was against its time */
void run_fan(struct load *l, const struct wishes *w);     /* to many readers: time to the last, deliveries a second */
void run_many(struct load *l, const struct wishes *w);    /* many publishers at once, to one reader or to many */
void run_idle(struct load *l, const struct wishes *w);    /* memory of connections that said hello */
void run_back(struct load *l, const struct wishes *w);    /* the broker is started again: until all readers are back */
void run_first(struct load *l, const struct wishes *w);   /* one notification on each topic, so that the store knows their audiences */
void run_fill(struct load *l, const struct wishes *w);    /* a backlog, written by the store's own code */
void run_backlog(struct load *l, const struct wishes *w); /* ten among many, and draining with alerts between */
void run_cases(struct load *l, const struct wishes *w);   /* asked for, taken, done: how many a second */
void run_open(struct load *l, const struct wishes *w);    /* memory of open cases, and processor time while nothing is due */
void run_flat(struct load *l, const struct wishes *w);    /* publisher to one reader at a pace, whatever many */
void run_doors(struct load *l, const struct wishes *w);   /* nodes and strangers come and go */
void run_due(struct load *l, const struct wishes *w);     /* a turn is over: how late the next one's comes */

/* Who plays which part in the agreement that tests/bench/load makes. */
#define LOAD_PUBLISHER "police/control-room"
#define LOAD_READER "city/public-order"
#define LOAD_FEW_READER "court/office"
#define LOAD_FAN_READER "fan/n%u"     /* 0 … readers - 1 */
#define LOAD_MANY "many/n%u"         /* publish at once */
#define LOAD_ALL_READER "all/n%u"    /* of what they publish, where it is not one */
#define LOAD_CROWD "crowd/n%u"
#define LOAD_COORDINATOR "desk/office"
#define LOAD_TOPIC "alert/flood/mitte"
#define LOAD_FEW_TOPIC "few/flood/mitte"
#define LOAD_FAN_TOPIC "fan/flood/mitte"
#define LOAD_LONE_TOPIC "lone/flood/mitte"
#define LOAD_ALL_TOPIC "all/flood/mitte"
#define LOAD_CASE_TOPIC "case/noise/mitte" /* LOAD_READER's turn, then LOAD_FEW_READER's, then the coordinator's */

#endif
