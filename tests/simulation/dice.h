/* dice: random numbers from a seed; each purpose has a stream of its own, so that leaving one event out moves no other. */
#ifndef KW_SIM_DICE_H
#define KW_SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice { uint64_t a, b; };

struct dice dice_of(uint64_t seed, uint64_t stream);
uint64_t dice_u64(struct dice *d);
uint32_t dice_below(struct dice *d, uint32_t n);                  /* 0 .. n - 1; n is not 0 */
uint32_t dice_between(struct dice *d, uint32_t least, uint32_t most);
bool dice_permille(struct dice *d, uint32_t n);

#endif
