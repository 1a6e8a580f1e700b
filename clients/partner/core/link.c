/* link: the connection's states, and the waits between attempts. */
#include "clients/partner/core/link.h"

#include <string.h>

#include "proto/limits.h"

const char *
link_state_name(enum link_state s)
{
	static const char *const names[] = {"waiting", "connecting", "hello", "ready"};

	return (unsigned)s < sizeof names / sizeof names[0] ? names[s] : "?";
}

/* splitmix64: good enough to keep many nodes from coming back in step. */
static uint64_t
draw(struct link *l)
{
	uint64_t z = (l->random += 0x9E3779B97F4A7C15u);

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

static void
order(struct link *l, enum link_order o)
{
	MUST(l->queued < sizeof l->queue / sizeof l->queue[0]);
	l->queue[l->queued++] = o;
}

void
link_init(struct link *l, uint32_t endpoints, uint64_t seed, uint64_t now_ms)
{
	MUST(endpoints > 0);
	memset(l, 0, sizeof *l);
	l->endpoints = endpoints;
	l->random = seed;
	l->until_ms = now_ms;
}

void
link_endpoints(struct link *l, uint32_t endpoints)
{
	MUST(endpoints > 0);
	l->endpoints = endpoints;
	l->endpoint %= endpoints;
}

/* Between half of the doubled wait and all of it, so that nodes which lost the same broker do not return together. */
static uint64_t
wait_ms(struct link *l)
{
	uint64_t most = LINK_WAIT_MAX_MS;

	if (l->failures < 7)
		most = (uint64_t)LINK_WAIT_MIN_MS << l->failures;
	if (most > LINK_WAIT_MAX_MS)
		most = LINK_WAIT_MAX_MS;
	return most / 2 + draw(l) % (most / 2 + 1);
}

static void
give_up(struct link *l, uint64_t least_ms, uint64_t now_ms)
{
	uint64_t wait = wait_ms(l);

	if (l->state == LINK_WAITING)
		return;
	l->queued = 0; /* what was ordered for that connection has no receiver any more */
	order(l, LINK_CLOSE);
	l->state = LINK_WAITING;
	l->until_ms = now_ms + (wait > least_ms ? wait : least_ms);
	l->failures++;
	l->endpoint = (l->endpoint + 1) % l->endpoints;
}

void
link_failed(struct link *l, uint64_t now_ms)
{
	give_up(l, 0, now_ms);
}

void
link_connected(struct link *l, uint64_t now_ms)
{
	if (l->state != LINK_CONNECTING)
		return;
	l->state = LINK_HELLO;
	l->until_ms = now_ms + KW_SILENT_MS;
	l->heard_ms = l->sent_ms = now_ms;
	order(l, LINK_SAY_HELLO);
}

void
link_welcomed(struct link *l, uint64_t now_ms)
{
	if (l->state != LINK_HELLO)
		return;
	l->state = LINK_READY;
	l->failures = 0;
	l->heard_ms = l->ready_ms = now_ms;
}

void
link_heard(struct link *l, uint64_t now_ms)
{
	l->heard_ms = now_ms;
}

void
link_sent(struct link *l, uint64_t now_ms)
{
	l->sent_ms = now_ms;
}

bool
link_refused(struct link *l, enum wire_code code, uint32_t least_ms, uint64_t now_ms)
{
	switch (code) {
	case CODE_REPLACED: /* two daemons under one key: they must not throw each other out in a fast circle */
	case CODE_DENIED:
	case CODE_BEHIND:
		give_up(l, least_ms > LINK_WAIT_MAX_MS / 6 ? least_ms : LINK_WAIT_MAX_MS / 6, now_ms);
		return true;
	case CODE_SUSPENDED: /* an operator may lift it at any time: asked for again soon, and at its end at the latest */
		give_up(l, least_ms < LINK_WAIT_MAX_MS ? least_ms : LINK_WAIT_MAX_MS, now_ms);
		return true;
	case CODE_NO_HELLO:
	case CODE_STOPPING:
		give_up(l, least_ms, now_ms);
		return true;
	default:
		break;
	}
	if (l->state != LINK_HELLO)
		return false;
	give_up(l, least_ms, now_ms); /* whatever it was, there will be no welcome */
	return true;
}

void
link_tick(struct link *l, uint64_t now_ms)
{
	switch (l->state) {
	case LINK_WAITING:
		if (now_ms < l->until_ms)
			return;
		l->state = LINK_CONNECTING;
		l->until_ms = now_ms + LINK_CONNECT_MS;
		order(l, LINK_OPEN);
		return;
	case LINK_CONNECTING:
	case LINK_HELLO:
		if (now_ms >= l->until_ms)
			give_up(l, 0, now_ms);
		return;
	case LINK_READY:
		if (now_ms >= l->heard_ms + KW_SILENT_MS) {
			give_up(l, 0, now_ms);
			return;
		}
		if (now_ms < l->sent_ms + KW_BEAT_MS)
			return;
		l->sent_ms = now_ms;
		order(l, LINK_BEAT);
		return;
	}
}

enum link_order
link_next(struct link *l)
{
	enum link_order o;

	if (l->queued == 0)
		return LINK_NOTHING;
	o = l->queue[0];
	l->queued--;
	memmove(l->queue, l->queue + 1, l->queued * sizeof l->queue[0]);
	return o;
}

uint64_t
link_wake_ms(const struct link *l)
{
	uint64_t silent, beat;

	if (l->state != LINK_READY)
		return l->until_ms;
	silent = l->heard_ms + KW_SILENT_MS;
	beat = l->sent_ms + KW_BEAT_MS;
	return silent < beat ? silent : beat;
}
