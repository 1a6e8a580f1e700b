/*
 * clocks: the pretend time. One true clock that the driver turns, and for each actor a wall clock and a monotonic one that stand off
 * and drift from it. What the product reads through base/clock.h are those of the actor who is running.
 */
#ifndef KW_SIM_CLOCKS_H
#define KW_SIM_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCKS_MAX 16
#define CLOCKS_START_MS 1796112000000ull /* the true wall clock as a run begins: 1 December 2026, 08:00 UTC */

void clocks_begin(void);
void clocks_turn_to(uint64_t true_ms);      /* never back */
uint64_t clocks_true(void);                 /* since the run began */
void clocks_run_as(int who);
int clocks_running(void);

void clocks_drift(int who, int32_t ppm);
void clocks_jump(int who, int64_t ms);      /* the wall clock alone */
void clocks_set_right(int who);             /* the wall clock, as a time service does; the drift ends */
int64_t clocks_off_ms(int who);             /* the wall clock from the true one */
uint64_t clocks_true_at_mono(int who, uint64_t mono_ms); /* when who's monotonic clock shows this; UINT64_MAX stays so */

#endif
