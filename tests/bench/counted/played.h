/*
 * played: the network between nodes and broker, as a list in memory: libzmq's sockets are played, and its messages are its own. One broker at a
 * time listens.
 */
#ifndef KW_BENCH_PLAYED_H
#define KW_BENCH_PLAYED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "proto/limits.h"

void played_begin(void);                                  /* nobody is known, nothing is on its way */
uint32_t played_peer(const uint8_t curve_pk[KW_KEY_LEN]); /* who may speak; its number, from 0 */
void played_come(uint32_t peer, struct span control, struct span frame); /* waits at the broker's socket now; frame empty: none */
bool played_waits(void);                                  /* something of that */

struct played_sent { uint32_t peer; struct span control, frame; };
/* What the broker sent to anybody, in order; until played_forget. NULL: that was all. */
const struct played_sent *played_sent(uint32_t i);
void played_forget(void);

/* To a real node, whose connection is played as well. */
void played_hand(const struct played_sent *s);
bool played_reads(uint32_t peer);                         /* it has something to read */

#endif
