/*
 * counted: what bench_counts' cases share. It runs under callgrind (tests/bench/counts), which counts the instructions between counted_on and
 * counted_off, and nothing else: what the program does to play the network, to make keys and to look at what came out is not in any figure. Time,
 * random numbers and keys are its own, the same in every run, and the network is a list in memory.
 */
#ifndef KW_BENCH_COUNTED_H
#define KW_BENCH_COUNTED_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/limits.h"

/* ---- counting (main.c) ---- */
void counted_on(void);
void counted_off(void);
/* What was counted since the last one stands under this name, and is the cost of so many units: messages, deliveries, … */
void counted_end(const char *name, uint32_t units);
const char *counted_folder(void);                 /* an empty one */

/* ---- time (main.c): base/clock.h is answered from here ---- */
void counted_pass(uint64_t ms);

/* ---- the network (net.c): libzmq's sockets are played, its messages are its own ---- */
uint32_t net_peer(const uint8_t curve_pk[KW_KEY_LEN]); /* who may speak; its number */
void net_come(uint32_t peer, struct span control, struct span frame); /* waits at the socket now; frame empty: none */
struct net_sent { uint32_t peer; struct span control, frame; };
/* What was sent to anybody, in order; until net_forget. NULL: that was all. */
const struct net_sent *net_sent(uint32_t i);
void net_forget(void);

/* ---- the cases ---- */
void count_broker(void);
void count_seal(void);

#endif
