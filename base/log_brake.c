/* log_brake: a table of a second, emptied at the next. */
#include "base/log_brake.h"

#include <stdio.h>
#include <string.h>

static struct log_held
all_held_from(struct log_brake *b, uint32_t first)
{
	struct log_held sum = {.lines = 0};

	for (uint32_t i = first; i <= LOG_BRAKE_PEERS; i++) {
		sum.lines += b->peer[i].held.lines;
		b->peer[i].held.lines = 0;
	}
	return sum;
}

bool
log_brake_over(struct log_brake *b, uint64_t second, struct log_held *out)
{
	if (second == b->second)
		return false;
	for (uint32_t i = 0; b->holds && i <= LOG_BRAKE_PEERS; i++) {
		if (b->peer[i].held.lines == 0)
			continue;
		if (b->told++ == LOG_BRAKE_TOLD) {
			*out = all_held_from(b, i);
			return true;
		}
		*out = b->peer[i].held;
		b->peer[i].held.lines = 0;
		return true;
	}
	b->second = second;
	b->holds = false;
	b->lines = b->count = b->told = 0;
	b->peer[LOG_BRAKE_PEERS].lines = 0;
	return false;
}

static uint32_t
place_of(struct log_brake *b, const char *name, bool by_code)
{
	struct log_held *h;

	for (uint32_t i = 0; i < b->count; i++)
		if (b->peer[i].held.by_code == by_code && strncmp(b->peer[i].held.name, name, LOG_BRAKE_NAME - 1) == 0)
			return i;
	if (b->count == LOG_BRAKE_PEERS)
		return LOG_BRAKE_PEERS;
	h = &b->peer[b->count].held;
	(void)snprintf(h->name, sizeof h->name, "%s", name);
	h->by_code = by_code;
	h->lines = 0;
	b->peer[b->count].lines = 0;
	return b->count++;
}

bool
log_brake_lets(struct log_brake *b, const char *name, bool by_code)
{
	uint32_t i = place_of(b, name, by_code);

	if (b->peer[i].lines < b->each && b->lines < b->all) {
		b->peer[i].lines++;
		b->lines++;
		return true;
	}
	b->peer[i].held.lines++;
	b->holds = true;
	return false;
}
