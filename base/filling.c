/* filling: see its header. */
#include "base/filling.h"

#define EVERY_MS 30000u
#define LEAST_MS 300000u /* a burst of a minute is no way that it goes on */

static const struct filling_sample *
sample(const struct filling *f, uint32_t i)
{
	return &f->samples[(f->first + i) % FILLING_SAMPLES];
}

void
filling_note(struct filling *f, uint64_t mono_ms, uint64_t used, uint64_t free)
{
	if (f->count > 0 && mono_ms - sample(f, f->count - 1)->at_ms < EVERY_MS)
		return;
	if (f->count == FILLING_SAMPLES)
		f->first = (f->first + 1) % FILLING_SAMPLES;
	else
		f->count++;
	f->samples[(f->first + f->count - 1) % FILLING_SAMPLES] = (struct filling_sample){mono_ms, used, free};
}

static void
earlier(struct filling_left *out, enum filling_what what, uint64_t room, uint64_t grown, uint64_t in_ms)
{
	double left = (double)room * (double)in_ms / (double)grown;
	uint64_t left_ms = left < 1e15 ? (uint64_t)left : UINT64_MAX;

	if (out->what == FILLING_NOTHING || left_ms < out->left_ms)
		*out = (struct filling_left){what, left_ms};
}

void
filling_look(struct filling_left *out, const struct filling *f, uint64_t quota)
{
	const struct filling_sample *a, *b;
	uint64_t most = quota - quota / 5;

	*out = (struct filling_left){FILLING_NOTHING, 0};
	if (f->count < 2)
		return;
	a = sample(f, 0);
	b = sample(f, f->count - 1);
	if (b->at_ms - a->at_ms < LEAST_MS)
		return;
	if (quota > 0 && b->used > a->used)
		earlier(out, FILLING_QUOTA, most > b->used ? most - b->used : 0, b->used - a->used, b->at_ms - a->at_ms);
	if (b->free > 0 && a->free > b->free)
		earlier(out, FILLING_DISK, b->free, a->free - b->free, b->at_ms - a->at_ms);
}
