/* node_moves: see node_parts.h. */
#include <string.h>

#include "cases/case_agreement.h"
#include "clients/partner/node_parts.h"
#include "proto/frame.h"

#define WAIT_MOST_MS (24ull * 3600 * 1000) /* since this log epoch was heard of: by then whoever opened the case was here, or does not come */

static bool
wait_is_over(const struct node *n)
{
	return n->wall_ms >= n->epoch_since_ms && n->wall_ms - n->epoch_since_ms >= WAIT_MOST_MS; /* a clock that was set back decides nothing */
}

/* The broker has it not, by all that came here, and it is not this node that offers it again, in front of the move. */
static enum kw_err
lacks_case(bool *lacks, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct pstore_case known;
	struct out_row own;
	enum kw_err err = pstore_case_get(&known, n->store, id, why);

	if (err == KW_ENOTFOUND && (err = pstore_out_find(&own, n->store, id, why)) == KW_ENOTFOUND) {
		*lacks = true;
		return KW_OK;
	}
	return err;
}

static void
keep(struct moves_waiting *w, uint64_t seq, const uint8_t about[KW_ID_LEN])
{
	for (uint32_t i = 0; i < w->count; i++)
		if (w->list[i].seq == seq)
			return;
	if (w->count == MOVES_WAITING_MAX) {
		if (w->rest == 0 || seq < w->rest)
			w->rest = seq;
		return;
	}
	w->list[w->count].seq = seq;
	memcpy(w->list[w->count++].about, about, KW_ID_LEN);
}

enum kw_err
node_move_waits(bool *waits, struct node *n, const struct out_row *row, struct kw_why *why)
{
	enum case_move_kind kind;
	struct header h;
	struct frame f;
	uint64_t seq = row->seq;
	bool lacks = false;
	enum kw_err err;

	*waits = false;
	if (frame_parse(&f, row->frame, FRAME_EITHER, NULL) != KW_OK || header_decode(&h, f.header, NULL) != KW_OK)
		return KW_OK;
	if (!h.about.set || !case_move_of(&kind, h.type) || kind == MOVE_RECALL)
		return KW_OK;
	if ((err = lacks_case(&lacks, n, h.about.id, why)) != KW_OK || !lacks || wait_is_over(n))
		return err;
	keep(&n->moves_waiting[h.lane], seq, h.about.id);
	*waits = true;
	return KW_OK;
}

void
node_moves_case_came(struct node *n, enum lane lane, const uint8_t id[KW_ID_LEN])
{
	struct moves_waiting *w = &n->moves_waiting[lane];
	uint64_t first = w->rest;
	uint32_t left = 0;

	for (uint32_t i = 0; i < w->count; i++)
		if (memcmp(w->list[i].about, id, KW_ID_LEN) != 0)
			w->list[left++] = w->list[i];
		else if (first == 0 || w->list[i].seq < first)
			first = w->list[i].seq;
	w->count = left;
	w->rest = 0;
	if (first != 0)
		sending_back_to(n->sending, lane, first, 0, n->mono_ms);
}

void
node_moves_look(struct node *n)
{
	if (!wait_is_over(n))
		return;
	for (int lane = 0; lane < KW_LANES; lane++) {
		struct moves_waiting *w = &n->moves_waiting[lane];
		uint64_t first = w->rest;

		if (w->count == 0)
			continue;
		for (uint32_t i = 0; i < w->count; i++)
			if (first == 0 || w->list[i].seq < first)
				first = w->list[i].seq;
		w->count = 0;
		w->rest = 0;
		sending_back_to(n->sending, (enum lane)lane, first, 0, n->mono_ms);
	}
}

bool
node_move_is_waiting(const struct node *n, const struct out_row *row)
{
	const struct moves_waiting *w = &n->moves_waiting[row->lane];

	for (uint32_t i = 0; i < w->count; i++)
		if (w->list[i].seq == row->seq)
			return true;
	return false;
}
