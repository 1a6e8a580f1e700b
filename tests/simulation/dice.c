/* dice: xoroshiro128+, begun by splitmix64. */
#include "dice.h"

static uint64_t
mixed(uint64_t *at)
{
	uint64_t z = *at += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

struct dice
dice_of(uint64_t seed, uint64_t stream)
{
	uint64_t at = seed, from = mixed(&at) ^ (stream * 0xd1342543de82ef95ull);
	struct dice d = {mixed(&from), 0};

	d.b = mixed(&from) | 1;
	return d;
}

static uint64_t
turned(uint64_t v, unsigned by)
{
	return (v << by) | (v >> (64 - by));
}

uint64_t
dice_u64(struct dice *d)
{
	uint64_t out = d->a + d->b, t = d->a ^ d->b;

	d->a = turned(d->a, 24) ^ t ^ (t << 16);
	d->b = turned(t, 37);
	return out;
}

uint32_t
dice_below(struct dice *d, uint32_t n)
{
	return (uint32_t)(((dice_u64(d) >> 32) * n) >> 32);
}

uint32_t
dice_between(struct dice *d, uint32_t least, uint32_t most)
{
	return least + dice_below(d, most - least + 1);
}

bool
dice_permille(struct dice *d, uint32_t n)
{
	return dice_below(d, 1000) < n;
}
