/* receipts: a list of batches, one for each sender, topic and lane that waits. */
#include "clients/partner/core/receipts.h"

#include <stdlib.h>
#include <string.h>

struct batch {
	struct batch *next;
	uint64_t due_ms;     /* beside next: all are asked for it twice a turn */
	char sender[KW_NODE_MAX + 1];
	char topic[KW_TOPIC_MAX + 1];
	enum lane lane;
	uint32_t count;
	uint64_t seqs[KW_RECEIPTS_MAX];
};

struct receipts {
	struct batch *first;
	struct batch **end;  /* full batches keep their order */
	uint64_t count;
};

enum kw_err
receipts_new(struct receipts **out)
{
	*out = calloc(1, sizeof **out);
	if (*out == NULL)
		return KW_ENOMEM;
	(*out)->end = &(*out)->first;
	return KW_OK;
}

void
receipts_forget(struct receipts *r)
{
	while (r->first != NULL) {
		struct batch *b = r->first;

		r->first = b->next;
		free(b);
	}
	r->end = &r->first;
	r->count = 0;
}

void
receipts_free(struct receipts **r)
{
	if (r == NULL || *r == NULL)
		return;
	receipts_forget(*r);
	free(*r);
	*r = NULL;
}

static struct batch *
find(struct receipts *r, const struct receipt_due *due)
{
	for (struct batch *b = r->first; b != NULL; b = b->next)
		if (b->lane == due->lane && b->count < KW_RECEIPTS_MAX && strcmp(b->sender, due->sender) == 0 && strcmp(b->topic, due->topic) == 0)
			return b;
	return NULL;
}

static struct batch *
append(struct receipts *r, const struct receipt_due *due)
{
	struct batch *b = calloc(1, sizeof *b);

	if (b == NULL)
		return NULL;
	memcpy(b->sender, due->sender, sizeof b->sender);
	memcpy(b->topic, due->topic, sizeof b->topic);
	b->lane = due->lane;
	b->due_ms = UINT64_MAX;
	*r->end = b;
	r->end = &b->next;
	return b;
}

enum kw_err
receipts_add(struct receipts *r, const struct receipt_due *due, uint64_t now_ms)
{
	uint64_t at = due->lane == LANE_FLASH || due->at_once ? now_ms : now_ms + RECEIPTS_WAIT_MS;
	struct batch *b = find(r, due);

	if (b == NULL && (b = append(r, due)) == NULL)
		return KW_ENOMEM;
	b->seqs[b->count++] = due->seq;
	r->count++;
	if (at < b->due_ms)
		b->due_ms = at;
	if (b->count == KW_RECEIPTS_MAX)
		b->due_ms = now_ms;
	return KW_OK;
}

uint32_t
receipts_take(struct receipts *r, uint64_t seqs[KW_RECEIPTS_MAX], uint64_t now_ms)
{
	for (struct batch **at = &r->first; *at != NULL; at = &(*at)->next) {
		struct batch *b = *at;
		uint32_t count = b->count;

		if (b->due_ms > now_ms)
			continue;
		memcpy(seqs, b->seqs, count * sizeof seqs[0]);
		*at = b->next;
		if (r->end == &b->next)
			r->end = at;
		r->count -= count;
		free(b);
		return count;
	}
	return 0;
}

uint64_t
receipts_wake_ms(const struct receipts *r)
{
	uint64_t wake = UINT64_MAX;

	for (const struct batch *b = r->first; b != NULL; b = b->next)
		if (b->due_ms < wake)
			wake = b->due_ms;
	return wake;
}

uint64_t
receipts_count(const struct receipts *r)
{
	return r->count;
}
