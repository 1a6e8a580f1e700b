/* sending: windows and order of the outbox, by lane. */
#include "clients/partner/core/sending.h"

#include <stdlib.h>
#include <string.h>

struct flight {
	uint64_t seq;
	uint64_t sent_ms;
	uint32_t bytes;
	uint8_t id[KW_ID_LEN];
};

struct lane_out {
	struct flight flights[SENDING_MOST];
	uint32_t count;
	uint64_t bytes;
	struct lane_window window;
	uint64_t offered;     /* everything up to it was offered, or is no longer waiting */
	uint64_t blocked_ms;  /* not before */
	bool may_have;        /* the store may hold more behind offered */
	bool full;            /* until an answer makes room */
	bool draining;        /* something was put off: nothing goes until all is answered that was sent behind it */
	uint32_t round;       /* of what goes next: how often the lane was begun again */
};

struct sending {
	struct lane_out lanes[KW_LANES];
	bool open;
};

enum kw_err
sending_new(struct sending **out)
{
	*out = calloc(1, sizeof **out);
	return *out != NULL ? KW_OK : KW_ENOMEM;
}

void
sending_free(struct sending **s)
{
	if (s == NULL)
		return;
	free(*s);
	*s = NULL;
}

void
sending_stop(struct sending *s)
{
	s->open = false;
	for (int i = 0; i < KW_LANES; i++) {
		struct lane_out *o = &s->lanes[i];

		o->count = 0;
		o->bytes = 0;
		o->offered = 0;
		o->blocked_ms = 0;
		o->may_have = true;
		o->full = false;
		o->draining = false;
		o->round = 0;
	}
}

void
sending_start(struct sending *s, const struct lane_window window[KW_LANES])
{
	sending_stop(s);
	s->open = true;
	for (int i = 0; i < KW_LANES; i++) {
		s->lanes[i].window = window[i];
		if (s->lanes[i].window.messages > SENDING_MOST)
			s->lanes[i].window.messages = SENDING_MOST;
		if (s->lanes[i].window.messages == 0)
			s->lanes[i].window.messages = 1;
	}
}

void
sending_added(struct sending *s, enum lane lane)
{
	s->lanes[lane].may_have = true;
}

static bool
lane_can(const struct lane_out *o, uint64_t now_ms)
{
	if (!o->may_have || o->full || o->draining || o->count >= o->window.messages || now_ms < o->blocked_ms)
		return false;
	return o->count == 0 || o->bytes < o->window.bytes;
}

bool
sending_want(struct sending *s, enum lane *lane, uint64_t *after_seq, uint32_t *bytes_free, uint64_t now_ms)
{
	for (int i = 0; s->open && i < KW_LANES; i++) {
		struct lane_out *o = &s->lanes[i];

		if (!lane_can(o, now_ms))
			continue;
		*lane = (enum lane)i;
		*after_seq = o->offered;
		*bytes_free = o->count == 0 ? UINT32_MAX : o->window.bytes - (uint32_t)o->bytes; /* one may always go */
		return true;
	}
	return false;
}

void
sending_offered(struct sending *s, enum lane lane, uint64_t seq, const uint8_t id[KW_ID_LEN], uint32_t bytes, uint64_t now_ms)
{
	struct lane_out *o = &s->lanes[lane];
	struct flight *f = &o->flights[o->count];

	MUST(o->count < SENDING_MOST);
	MUST(seq > o->offered);
	o->offered = seq;
	o->count++;
	o->bytes += bytes;
	f->seq = seq;
	f->sent_ms = now_ms;
	f->bytes = bytes;
	memcpy(f->id, id, KW_ID_LEN);
}

void
sending_skip(struct sending *s, enum lane lane, uint64_t seq)
{
	MUST(seq > s->lanes[lane].offered);
	s->lanes[lane].offered = seq;
}

void
sending_empty(struct sending *s, enum lane lane)
{
	s->lanes[lane].may_have = false;
}

void
sending_full(struct sending *s, enum lane lane)
{
	MUST(s->lanes[lane].count > 0);
	s->lanes[lane].full = true;
}

bool
sending_unanswered(const struct sending *s, enum lane lane, uint64_t seq)
{
	for (uint32_t i = 0; i < s->lanes[lane].count; i++)
		if (s->lanes[lane].flights[i].seq == seq)
			return true;
	return false;
}

/* Answers come nearly in order, so the search ends early. */
static bool
land(struct sending *s, const uint8_t id[KW_ID_LEN], struct flight *out, struct lane_out **lane)
{
	for (int i = 0; i < KW_LANES; i++) {
		struct lane_out *o = &s->lanes[i];

		for (uint32_t k = 0; k < o->count; k++) {
			if (memcmp(o->flights[k].id, id, KW_ID_LEN) != 0)
				continue;
			*out = o->flights[k];
			*lane = o;
			o->bytes -= out->bytes;
			o->count--;
			memmove(&o->flights[k], &o->flights[k + 1], (o->count - k) * sizeof o->flights[0]);
			o->full = false;
			return true;
		}
	}
	return false;
}

/* [P-11] */
static void
drained(struct lane_out *o)
{
	if (!o->draining || o->count > 0)
		return;
	o->draining = false;
	o->round++;
}

bool
sending_stored(struct sending *s, const uint8_t id[KW_ID_LEN])
{
	struct flight f;
	struct lane_out *o;

	if (!land(s, id, &f, &o))
		return false;
	drained(o);
	return true;
}

/* Back to it: what stands behind it in the lane and is unanswered is skipped when the lane is gone through again. */
static void
back_to(struct lane_out *o, uint64_t seq, uint32_t wait_ms, uint64_t now_ms)
{
	if (seq <= o->offered)
		o->offered = seq - 1;
	o->may_have = true;
	if (wait_ms < 50)
		wait_ms = 50; /* a broker that names no wait is not asked in a circle */
	if (now_ms + wait_ms > o->blocked_ms)
		o->blocked_ms = now_ms + wait_ms;
}

void
sending_back_to(struct sending *s, enum lane lane, uint64_t seq, uint32_t wait_ms, uint64_t now_ms)
{
	back_to(&s->lanes[lane], seq, wait_ms, now_ms);
}

enum sending_fate
sending_refused(struct sending *s, const uint8_t id[KW_ID_LEN], enum wire_code code, uint32_t wait_ms, uint64_t now_ms)
{
	struct flight f;
	struct lane_out *o;
	bool again;

	if (!land(s, id, &f, &o))
		return SENDING_UNKNOWN;
	again = code != CODE_AGREEMENT_OLD && !wire_code_for_good(code);
	o->draining = o->draining || again;
	drained(o);
	if (!again)
		return code == CODE_AGREEMENT_OLD ? SENDING_ANEW : SENDING_FOR_GOOD;
	back_to(o, f.seq, wait_ms, now_ms);
	return SENDING_AGAIN;
}

uint32_t
sending_round(const struct sending *s, enum lane lane)
{
	return s->lanes[lane].round;
}

uint32_t
sending_count(const struct sending *s, enum lane lane)
{
	return s->lanes[lane].count;
}

bool
sending_stalled(const struct sending *s, uint64_t now_ms)
{
	for (int i = 0; i < KW_LANES; i++)
		for (uint32_t k = 0; k < s->lanes[i].count; k++)
			if (now_ms >= s->lanes[i].flights[k].sent_ms + SENDING_ANSWER_MS)
				return true;
	return false;
}

uint64_t
sending_wake_ms(const struct sending *s)
{
	uint64_t wake = UINT64_MAX;

	for (int i = 0; s->open && i < KW_LANES; i++) {
		const struct lane_out *o = &s->lanes[i];

		if (o->may_have && !o->full && !o->draining && o->blocked_ms > 0 && o->blocked_ms < wake)
			wake = o->blocked_ms;
		if (o->count > 0 && o->flights[0].sent_ms + SENDING_ANSWER_MS < wake)
			wake = o->flights[0].sent_ms + SENDING_ANSWER_MS;
	}
	return wake;
}
