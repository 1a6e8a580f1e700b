/* catchup: see its header. */
#include "clients/partner/core/catchup.h"

#include <string.h>

static bool
any_behind(const struct catchup *c)
{
	for (int i = 0; i < KW_LANES; i++)
		if (c->behind[i])
			return true;
	return false;
}

void
catchup_begin(struct catchup *c, const uint64_t tail[KW_LANES], const uint64_t cursor[KW_LANES], uint64_t now_ms)
{
	memset(c, 0, sizeof *c);
	for (int i = 0; i < KW_LANES; i++) {
		c->tail[i] = tail[i];
		c->behind[i] = cursor[i] < tail[i];
	}
	c->on = any_behind(c);
	c->end_ms = now_ms + CATCHUP_MOST_MS;
	c->quiet_ms = now_ms + CATCHUP_QUIET_MS;
}

void
catchup_delivered(struct catchup *c, enum lane lane, uint64_t number, uint64_t now_ms)
{
	c->quiet_ms = now_ms + CATCHUP_QUIET_MS;
	if (number >= c->tail[lane])
		c->behind[lane] = false;
	if (!any_behind(c) || (lane == LANE_FLASH && number > c->tail[lane]))
		c->end_ms = 0; /* a flash alert waits for nothing */
}

bool
catchup_lasts(const struct catchup *c, uint64_t now_ms)
{
	return c->on && now_ms < c->end_ms && now_ms < c->quiet_ms;
}

bool
catchup_over(struct catchup *c, uint64_t now_ms)
{
	bool over = c->on && !catchup_lasts(c, now_ms);

	if (over)
		c->on = false;
	return over;
}

uint64_t
catchup_wake_ms(const struct catchup *c)
{
	if (!c->on)
		return UINT64_MAX;
	return c->end_ms < c->quiet_ms ? c->end_ms : c->quiet_ms;
}
