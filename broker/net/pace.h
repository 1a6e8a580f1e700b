/*
 * pace: how many commits there were in the last minute, and what they took, from counts in steps of a fifth: noting one costs an addition, however many
 * there are. Pure; one thread.
 */
#ifndef KW_BROKER_PACE_H
#define KW_BROKER_PACE_H

#include <stdint.h>

#define PACE_SLOTS 7u  /* of ten seconds: a minute, and the one under way */
#define PACE_STEPS 112u

struct pace {
	uint64_t begun_ms;
	uint64_t slot;           /* the newest one's number */
	struct { uint32_t count, max_us, by_step[PACE_STEPS]; } slots[PACE_SLOTS];
};

struct pace_look {
	uint64_t over_ms;        /* the time that the rest is about, a minute to 70 s, less after a start; 0: none yet */
	uint32_t count;
	uint32_t median_us;      /* to a tenth; 0 without any */
	uint32_t max_us;
};

void pace_begin(struct pace *p, uint64_t mono_ms);
void pace_note(struct pace *p, uint64_t mono_ms, uint64_t took_us);
void pace_look(struct pace_look *out, const struct pace *p, uint64_t mono_ms);

#endif
