/* handling: see its header. */
#include "clients/partner/core/handling.h"

#include <stddef.h>
#include <string.h>

#include "base/err.h"

const char *
handling_state_name(enum handling_state s)
{
	static const char *const names[] = {"idle", "searching", "ready", "running", "out of time", "killed", "resting"};

	return (unsigned)s < sizeof names / sizeof names[0] ? names[s] : "?";
}

void
handling_init(struct handling *h, uint32_t attempts_max, uint64_t timeout_ms, uint64_t seq, uint64_t at, uint32_t failures)
{
	MUST(attempts_max > 0);
	*h = (struct handling){.state = HANDLING_BEHIND, .attempts_max = attempts_max, .timeout_ms = timeout_ms, .seq = seq};
	if (at <= seq)
		return;
	h->at = at;
	h->failures = failures;
	h->repeat = true;
}

enum handling_want
handling_want(struct handling *h, uint64_t now_ms)
{
	switch (h->state) {
	case HANDLING_CURRENT:
	case HANDLING_KILLED:
		return HANDLING_NOTHING;
	case HANDLING_BEHIND:
		return HANDLING_SEARCH;
	case HANDLING_READY:
		return HANDLING_RUN;
	case HANDLING_RESTING: /* it may have been cancelled meanwhile, or expired: it is looked for again */
		if (now_ms < h->due_ms)
			return HANDLING_NOTHING;
		h->state = HANDLING_BEHIND;
		return HANDLING_SEARCH;
	case HANDLING_RUNNING:
		if (now_ms < h->due_ms)
			return HANDLING_NOTHING;
		h->state = HANDLING_ENDING;
		h->due_ms = now_ms + HANDLING_TERM_MS;
		return HANDLING_TERM;
	case HANDLING_ENDING:
		if (now_ms < h->due_ms)
			return HANDLING_NOTHING;
		h->state = HANDLING_KILLED;
		return HANDLING_KILL;
	}
	return HANDLING_NOTHING;
}

uint64_t
handling_wake_ms(const struct handling *h)
{
	switch (h->state) {
	case HANDLING_BEHIND:
	case HANDLING_READY:
		return 0;
	case HANDLING_RUNNING:
	case HANDLING_ENDING:
	case HANDLING_RESTING:
		return h->due_ms;
	default:
		return UINT64_MAX;
	}
}

void
handling_news(struct handling *h)
{
	if (h->state == HANDLING_CURRENT)
		h->state = HANDLING_BEHIND;
}

void
handling_changed(struct handling *h, uint32_t attempts_max, uint64_t timeout_ms)
{
	MUST(attempts_max > 0);
	h->attempts_max = attempts_max;
	h->timeout_ms = timeout_ms;
	if (h->state == HANDLING_READY || h->state == HANDLING_RESTING)
		h->state = HANDLING_BEHIND;
}

/* What was being tried lies behind now: it was passed by, or is gone from the inbox. */
static void
advance(struct handling *h, uint64_t seq)
{
	if (seq > h->seq)
		h->seq = seq;
	if (h->at > h->seq)
		return;
	h->at = 0;
	h->failures = 0;
	h->repeat = false;
}

void
handling_passed(struct handling *h, uint64_t seq)
{
	MUST(h->state == HANDLING_BEHIND);
	advance(h, seq);
}

void
handling_reached(struct handling *h, uint64_t seq)
{
	MUST(h->state == HANDLING_BEHIND);
	advance(h, seq);
	h->state = HANDLING_CURRENT;
}

void
handling_found(struct handling *h, uint64_t at)
{
	MUST(h->state == HANDLING_BEHIND && at > h->seq);
	if (h->at != at) {
		h->failures = 0;
		h->repeat = false;
	}
	h->at = at;
	h->state = HANDLING_READY;
}

void
handling_gone(struct handling *h)
{
	MUST(h->state == HANDLING_READY);
	advance(h, h->at);
	h->state = HANDLING_BEHIND;
}

void
handling_started(struct handling *h, uint64_t now_ms)
{
	MUST(h->state == HANDLING_READY);
	h->state = HANDLING_RUNNING;
	h->due_ms = now_ms + h->timeout_ms;
}

static uint64_t
rest_ms(uint32_t failures)
{
	uint64_t ms = HANDLING_REST_MIN_MS;

	for (uint32_t i = 1; i < failures && ms < HANDLING_REST_MAX_MS; i++)
		ms *= 2;
	return ms < HANDLING_REST_MAX_MS ? ms : HANDLING_REST_MAX_MS;
}

enum handling_verdict
handling_ended(struct handling *h, bool well, bool fatal, uint64_t now_ms)
{
	MUST(h->at > h->seq);
	MUST(h->state != HANDLING_CURRENT && h->state != HANDLING_BEHIND && h->state != HANDLING_RESTING);
	if (!well && ++h->failures < h->attempts_max && !fatal) {
		h->repeat = true;
		h->state = HANDLING_RESTING;
		h->due_ms = now_ms + rest_ms(h->failures);
		return HANDLING_AGAIN;
	}
	advance(h, h->at);
	h->state = HANDLING_BEHIND;
	return well ? HANDLING_DONE : HANDLING_SET_ASIDE;
}

const char *
handling_skip(const struct handling_notice *n, bool want_alert, uint64_t wall_ms)
{
	if (n->outdated)
		return "the agreement in force would not allow it to its sender";
	if (want_alert && !n->alert)
		return "not an alert, and the handler takes CAP";
	if (n->cancelled)
		return "cancelled meanwhile; the cancel starts the handler by itself";
	if (n->expires_ms <= wall_ms)
		return "expired";
	if (strcmp(n->mark, "voided") == 0)
		return "its sender took the number back";
	if (n->bare)
		return "its content is gone or never came";
	return NULL;
}
