/* clocks: base/clock.h by pretend clocks. */
#include "clocks.h"

#include <string.h>

#include "base/clock.h"

#define MONO_START_MS 1000000ull

struct shown { uint64_t since; uint64_t wall, mono; int32_t ppm; }; /* what both showed at the true time since */

static struct { uint64_t now; int who; uint64_t reads; struct shown of[CLOCKS_MAX]; } all;

void
clocks_begin(void)
{
	memset(&all, 0, sizeof all);
	for (int i = 0; i < CLOCKS_MAX; i++) {
		all.of[i].wall = CLOCKS_START_MS;
		all.of[i].mono = MONO_START_MS + 77777ull * (uint64_t)i; /* machines that were started at different times */
	}
}

void
clocks_turn_to(uint64_t true_ms)
{
	if (true_ms > all.now)
		all.now = true_ms;
}

uint64_t clocks_true(void) { return all.now; }
void clocks_run_as(int who) { all.who = who; }
int clocks_running(void) { return all.who; }

static uint64_t
gone(const struct shown *s)
{
	int64_t t = (int64_t)(all.now - s->since);

	return (uint64_t)(t + t * s->ppm / 1000000);
}

static void
hold(int who)
{
	struct shown *s = &all.of[who];
	uint64_t t = gone(s);

	s->wall += t;
	s->mono += t;
	s->since = all.now;
}

void
clocks_drift(int who, int32_t ppm)
{
	hold(who);
	all.of[who].ppm = ppm;
}

void
clocks_jump(int who, int64_t ms)
{
	hold(who);
	all.of[who].wall += (uint64_t)ms;
}

void
clocks_set_right(int who)
{
	hold(who);
	all.of[who].wall = CLOCKS_START_MS + all.now;
	all.of[who].ppm = 0;
}

int64_t
clocks_off_ms(int who)
{
	return (int64_t)(all.of[who].wall + gone(&all.of[who]) - CLOCKS_START_MS - all.now);
}

uint64_t
clocks_true_at_mono(int who, uint64_t mono_ms)
{
	const struct shown *s = &all.of[who];
	int64_t left;

	if (mono_ms == UINT64_MAX)
		return UINT64_MAX;
	left = (int64_t)(mono_ms - s->mono);
	if (left <= 0)
		return s->since;
	return s->since + (uint64_t)(left - left * s->ppm / 1000000) + (s->ppm > 0 ? 0 : 1);
}

uint64_t clock_wall_ms(void) { return all.of[all.who].wall + gone(&all.of[all.who]); }
uint64_t clock_wall_ns(void) { return clock_wall_ms() * 1000000 + all.reads++ % 1000000; }
uint64_t clock_mono_ms(void) { return all.of[all.who].mono + gone(&all.of[all.who]); }
