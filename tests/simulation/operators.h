/* operators: who suspends nodes and lets them in again, while everything else goes wrong. */
#ifndef KW_SIM_OPERATORS_H
#define KW_SIM_OPERATORS_H

#include "sim.h"

struct fault_plan;

#define OPERATORS_EVERY_MS 6000u /* a wish, about */
#define OPERATORS_ROOM(until_ms) ((until_ms) / (OPERATORS_EVERY_MS / 2) + 2)
uint32_t operators_plan(struct fault_plan *out, uint64_t seed, uint64_t until_ms); /* returns how many; out: room for OPERATORS_ROOM */
void operators_suspend(struct sim *s, uint32_t i);       /* what the plan says there */
void operators_over(struct sim *s, uint32_t i);          /* its time is over: perhaps who is out is let in */
void operators_again(struct sim *s, uint32_t i, uint64_t tries); /* EVENT_WISH: what the broker could not take just then */
void operators_end(struct sim *s);                       /* no more wishes; after a while they let in whoever is still out */
void operators_let_in(struct sim *s);                    /* EVENT_LET_IN */

#endif
