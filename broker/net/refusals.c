/* refusals: see its header. */
#include "broker/net/refusals.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 64u

void
refusals_init(struct refusals *r, uint64_t now_ms)
{
	*r = (struct refusals){.since_ms = now_ms};
}

void
refusals_free(struct refusals *r)
{
	free(r->last);
	free(r->again);
	*r = (struct refusals){.since_ms = 0};
}

/* Room for one more; where there is none any more the oldest goes. */
static struct refusal *
place_for_good(struct refusals *r, uint64_t now_ms)
{
	if (r->count == r->room && r->room < REFUSALS_MAX) {
		uint32_t room = r->room == 0 ? ROOM_FIRST : r->room * 2;
		struct refusal *more = realloc(r->last, room * sizeof *more);

		if (more == NULL) {
			r->since_ms = now_ms + 1;
			return NULL;
		}
		r->last = more;
		r->room = room;
	}
	if (r->count < r->room)
		return &r->last[(r->first + r->count++) % r->room];
	r->since_ms = r->last[r->first].at_ms + 1;
	r->first = (r->first + 1) % r->room;
	return &r->last[(r->first + r->count - 1) % r->room];
}

/* The end of an id is random. */
static struct refusal *
place_again(struct refusals *r, const uint8_t id[KW_ID_LEN])
{
	if (r->again == NULL)
		r->again = calloc(REFUSALS_AGAIN_MAX, sizeof *r->again);
	return r->again == NULL ? NULL : &r->again[(id[KW_ID_LEN - 1] | (uint32_t)id[KW_ID_LEN - 2] << 8) % REFUSALS_AGAIN_MAX];
}

/* Cut between two characters. */
static void
put_cut(char *out, size_t size, const char *text)
{
	size_t len = strnlen(text, size);

	if (len == size)
		for (len = size - 1; len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80; len--)
			;
	memcpy(out, text, len);
	out[len] = '\0';
}

void
refusals_add(struct refusals *r, const char *sender, const uint8_t id[KW_ID_LEN], enum wire_code code, const char *text, const struct header *h, uint64_t now_ms)
{
	bool for_good = wire_code_for_good(code) || code == CODE_AGREEMENT_OLD;
	struct refusal *to = for_good ? place_for_good(r, now_ms) : place_again(r, id);
	uint32_t times = 1;

	if (to == NULL)
		return;
	if (!for_good && to->code == code && memcmp(to->id, id, KW_ID_LEN) == 0)
		times = to->times < UINT32_MAX ? to->times + 1 : to->times;
	*to = (struct refusal){.at_ms = now_ms, .times = times, .code = code, .has_header = h != NULL};
	memcpy(to->id, id, KW_ID_LEN);
	put_cut(to->sender, sizeof to->sender, sender);
	put_cut(to->text, sizeof to->text, text);
	if (h == NULL)
		return;
	to->type = h->type;
	to->lane = h->lane;
	put_cut(to->topic, sizeof to->topic, h->topic);
}

/* One after the other: those for good from the newest to the oldest, then the places of the others that hold one. */
const struct refusal *
refusals_next(const struct refusals *r, const struct refusal *after)
{
	uint32_t at = 0;

	if (after == NULL || (r->count > 0 && after >= r->last && after < r->last + r->room)) {
		uint32_t behind = after == NULL ? 0 : (r->first + r->count - 1 + r->room - (uint32_t)(after - r->last)) % r->room + 1;

		if (behind < r->count)
			return &r->last[(r->first + r->count - 1 - behind) % r->room];
	} else {
		at = (uint32_t)(after - r->again) + 1;
	}
	for (; r->again != NULL && at < REFUSALS_AGAIN_MAX; at++)
		if (r->again[at].times > 0)
			return &r->again[at];
	return NULL;
}
