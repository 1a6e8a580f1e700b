/* rival_body: a window that moves over random bytes made once; making and comparing costs a copy's time, for all servers alike. */
#include "rival_body.h"

#include <string.h>

#define MAGIC 0x6B77726976616C31ull     /* "kwrival1" */
#define STEP 61u

static uint8_t bytes[2 * RIVAL_BODY_MOST];

static const uint8_t *
window(uint32_t publisher, uint32_t number)
{
	if (bytes[0] == 0) {
		uint64_t x = MAGIC;

		for (size_t i = 0; i < sizeof bytes; i += sizeof x) { /* xorshift64: no secret, only nothing that compresses */
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			memcpy(bytes + i, &x, sizeof x);
		}
		bytes[0] = 1;
	}
	return bytes + ((uint64_t)publisher * 4099u + (uint64_t)number * STEP) % RIVAL_BODY_MOST;
}

void
rival_body_put(uint8_t *out, uint32_t len, uint32_t publisher, uint32_t number)
{
	MUST(len >= RIVAL_BODY_LEAST && len <= RIVAL_BODY_MOST);
	be64_put(out, MAGIC);
	be32_put(out + 8, publisher);
	be32_put(out + 12, number);
	memcpy(out + RIVAL_BODY_LEAST, window(publisher, number), len - RIVAL_BODY_LEAST);
}

bool
rival_body_is(struct span body, uint32_t len, uint32_t *publisher, uint32_t *number)
{
	if (body.len != len || len < RIVAL_BODY_LEAST || be64_get(body.p) != MAGIC)
		return false;
	*publisher = be32_get(body.p + 8);
	*number = be32_get(body.p + 12);
	return memcmp(body.p + RIVAL_BODY_LEAST, window(*publisher, *number), len - RIVAL_BODY_LEAST) == 0;
}
