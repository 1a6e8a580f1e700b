/*
 * counted: what bench_counts' cases share. It runs under callgrind (tests/bench/counts), which counts the instructions between counted_on and
 * counted_off, and nothing else: what the program does to play the network, to make keys and to look at what came out is not in any figure. Time,
 * random numbers and keys are its own, the same in every run, and the network is a list in memory.
 */
#ifndef KW_BENCH_COUNTED_H
#define KW_BENCH_COUNTED_H

#include <stdbool.h>
#include <stdint.h>

/* ---- counting (main.c): one thread; what others do is counted all the time ---- */
void counted_on(void);
bool counted_off(void);                           /* whether it was on */
/* What was counted since the last one stands under this name, and is the cost of so many units: messages, deliveries, … */
void counted_end(const char *name, uint32_t units);
void counted_forget(void);                        /* it stands nowhere: that was warming up */
const char *counted_folder(void);                 /* an empty one */

/* ---- time (main.c): base/clock.h is answered from here ---- */
void counted_pass(uint64_t ms);

/* ---- the cases ---- */
void count_broker(void);
void count_nodes(void);
void count_seal(void);

#endif
