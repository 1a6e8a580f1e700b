/* chance: what the product takes for randomness (libsodium's), from a seed; and for signatures a stand-in that costs less. */
#ifndef KW_SIM_CHANCE_H
#define KW_SIM_CHANCE_H

#include <stdint.h>

void chance_begin(void);             /* before sodium_init, once */
void chance_seed(uint64_t seed);

#endif
