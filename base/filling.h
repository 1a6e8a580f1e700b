/*
 * filling: how long a store has until it is full, from how it grew in the last hour. What shrinks, stands still, or was not watched for five minutes
 * tells nothing. Pure; one thread.
 */
#ifndef KW_BASE_FILLING_H
#define KW_BASE_FILLING_H

#include <stdint.h>

#define FILLING_SAMPLES 121u /* one each half a minute */

struct filling {
	uint32_t count, first;   /* a ring */
	struct filling_sample { uint64_t at_ms, used, free; } samples[FILLING_SAMPLES];
};

enum filling_what { FILLING_NOTHING, FILLING_QUOTA, FILLING_DISK };
struct filling_left {
	enum filling_what what;  /* which limit comes first: 80 % of the quota, from where on routine is refused, or the disk's end */
	uint64_t left_ms;        /* until then, if it goes on so; 0: it is there */
};

/* used: bytes of the store. free: bytes of the disk under it, 0: there is none. As often as one likes. */
void filling_note(struct filling *f, uint64_t mono_ms, uint64_t used, uint64_t free);
void filling_look(struct filling_left *out, const struct filling *f, uint64_t quota); /* 0: no quota */

#endif
