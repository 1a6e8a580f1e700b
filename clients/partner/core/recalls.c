/* recalls: see its header. */
#include "clients/partner/core/recalls.h"

bool
recalls_full(const struct recalls *r)
{
	return r->count == RECALLS_MOST;
}

void
recalls_forget(struct recalls *r)
{
	r->count = 0;
}

void
recalls_await(struct recalls *r, uint64_t seq, uint64_t now_ms)
{
	if (recalls_full(r))
		return;
	r->at[r->count].seq = seq;
	r->at[r->count++].since_ms = now_ms;
}

void
recalls_came(struct recalls *r, uint64_t seq)
{
	for (uint32_t i = 0; i < r->count; i++) {
		if (r->at[i].seq != seq)
			continue;
		r->at[i] = r->at[--r->count];
		return;
	}
}

void
recalls_again(struct recalls *r, uint64_t now_ms)
{
	for (uint32_t i = 0; i < r->count; i++)
		r->at[i].since_ms = now_ms;
}

uint64_t
recalls_missing(struct recalls *r, uint64_t now_ms)
{
	for (uint32_t i = 0; i < r->count; i++) {
		uint64_t seq = r->at[i].seq;

		if (now_ms < r->at[i].since_ms + RECALLS_WAIT_MS)
			continue;
		r->at[i] = r->at[--r->count];
		return seq;
	}
	return 0;
}
