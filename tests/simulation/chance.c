/* chance: randombytes by dice. */
#include "chance.h"

#include <sodium.h>
#include <string.h>

#include "dice.h"

static struct dice bytes;

static const char *name(void) { return "seeded"; }
static uint32_t next(void) { return (uint32_t)(dice_u64(&bytes) >> 32); }

static void
fill(void *const p, const size_t size)
{
	uint8_t *at = p;

	for (size_t i = 0; i < size; i += 8) {
		uint64_t v = dice_u64(&bytes);

		memcpy(at + i, &v, size - i < 8 ? size - i : 8);
	}
}

static struct randombytes_implementation seeded = {name, next, NULL, NULL, fill, NULL};

void
chance_begin(void)
{
	(void)randombytes_set_implementation(&seeded);
	chance_seed(0);
}

void
chance_seed(uint64_t seed)
{
	bytes = dice_of(seed, 1000);
}
