/* clock: the two clocks. */
#include "base/clock.h"

#include <time.h>

static uint64_t
read_ns(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

uint64_t
clock_wall_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

uint64_t
clock_wall_ms(void)
{
	return clock_wall_ns() / 1000000;
}

uint64_t
clock_mono_ms(void)
{
	return read_ns(CLOCK_BOOTTIME) / 1000000;
}
