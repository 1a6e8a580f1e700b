/* pace: see its header. */
#include "broker/net/pace.h"

#include <stdbool.h>
#include <string.h>

#define SLOT_MS 10000u

/* Four steps to a doubling: 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, … microseconds. */
static uint32_t
step_of(uint64_t us)
{
	uint32_t log, step;

	if (us < 4)
		return (uint32_t)us;
	log = 63u - (uint32_t)__builtin_clzll(us);
	step = 4 * (log - 1) + (uint32_t)(us >> (log - 2) & 3);
	return step < PACE_STEPS ? step : PACE_STEPS - 1;
}

/* The middle of a step. */
static uint32_t
us_of(uint32_t step)
{
	uint32_t log = step / 4 + 1;

	if (step < 8)
		return step;
	return ((4 + step % 4) << (log - 2)) + (1u << (log - 2)) / 2;
}

void
pace_begin(struct pace *p, uint64_t mono_ms)
{
	memset(p, 0, sizeof *p);
	p->begun_ms = mono_ms;
	p->slot = mono_ms / SLOT_MS;
}

void
pace_note(struct pace *p, uint64_t mono_ms, uint64_t took_us)
{
	uint64_t slot = mono_ms / SLOT_MS, late = slot > p->slot ? slot - p->slot : 0;
	uint32_t i;

	for (uint64_t n = 0; n < late && n < PACE_SLOTS; n++)
		memset(&p->slots[(slot - n) % PACE_SLOTS], 0, sizeof p->slots[0]);
	p->slot += late;
	i = (uint32_t)(p->slot % PACE_SLOTS);
	p->slots[i].count++;
	p->slots[i].by_step[step_of(took_us)]++;
	if (took_us > p->slots[i].max_us)
		p->slots[i].max_us = took_us < UINT32_MAX ? (uint32_t)took_us : UINT32_MAX;
}

static uint32_t
median(const struct pace *p, const bool *counts, uint32_t count)
{
	uint32_t below = 0;

	for (uint32_t step = 0; step < PACE_STEPS; step++) {
		for (uint32_t i = 0; i < PACE_SLOTS; i++)
			below += counts[i] ? p->slots[i].by_step[step] : 0;
		if (2 * (uint64_t)below >= count)
			return us_of(step);
	}
	return us_of(PACE_STEPS - 1);
}

void
pace_look(struct pace_look *out, const struct pace *p, uint64_t mono_ms)
{
	uint64_t slot = mono_ms / SLOT_MS, first = slot >= PACE_SLOTS - 1 ? slot - (PACE_SLOTS - 1) : 0;
	uint64_t from_ms = first * SLOT_MS > p->begun_ms ? first * SLOT_MS : p->begun_ms;
	bool counts[PACE_SLOTS] = {false};

	memset(out, 0, sizeof *out);
	out->over_ms = mono_ms > from_ms ? mono_ms - from_ms : 0;
	for (uint64_t n = first; n <= slot; n++) {
		uint32_t i = (uint32_t)(n % PACE_SLOTS);

		counts[i] = n <= p->slot && p->slot - n < PACE_SLOTS;
		if (!counts[i])
			continue;
		out->count += p->slots[i].count;
		if (p->slots[i].max_us > out->max_us)
			out->max_us = p->slots[i].max_us;
	}
	if (out->count > 0)
		out->median_us = median(p, counts, out->count);
	if (out->median_us > out->max_us) /* the middle of a step that the longest begins */
		out->median_us = out->max_us;
}
