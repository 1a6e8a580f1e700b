/* clock: the two clocks, read at the edge only; cores are told the time. */
#ifndef KW_BASE_CLOCK_H
#define KW_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_wall_ms(void); /* Unix time; may jump */
uint64_t clock_wall_ns(void);
uint64_t clock_mono_ms(void); /* for waiting; includes suspend (CLOCK_BOOTTIME) */

#endif
