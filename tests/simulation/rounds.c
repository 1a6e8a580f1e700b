/* rounds: what is under way in each lane, in the order in which it was offered. */
#include "rounds.h"

#include <stdlib.h>
#include <string.h>

struct offered { uint8_t id[KW_ID_LEN]; bool put_off, again; };
struct way { struct offered *at; uint32_t count, room, round; }; /* of this round; what was answered otherwise is taken out */

struct rounds { struct sim *sim; struct way ways[WHO_NODES][KW_LANES]; };

struct rounds *
rounds_new(struct sim *s)
{
	struct rounds *r = calloc(1, sizeof *r);

	MUST(r != NULL);
	r->sim = s;
	return r;
}

void
rounds_free(struct rounds **r)
{
	for (int who = 0; *r != NULL && who < WHO_NODES; who++)
		for (int lane = 0; lane < KW_LANES; lane++)
			free((*r)->ways[who][lane].at);
	free(*r);
	*r = NULL;
}

void
rounds_hello(struct rounds *r, int who)
{
	for (int lane = 0; lane < KW_LANES; lane++)
		r->ways[who][lane].count = r->ways[who][lane].round = 0;
}

static struct offered *
offered_at(struct way *w, const uint8_t id[KW_ID_LEN])
{
	for (uint32_t i = w->count; i-- > 0;)
		if (memcmp(w->at[i].id, id, KW_ID_LEN) == 0)
			return &w->at[i];
	return NULL;
}

static struct offered *
offered_of(struct rounds *r, int who, const uint8_t id[KW_ID_LEN], struct way **way)
{
	for (int lane = 0; lane < KW_LANES; lane++) {
		struct offered *o = offered_at(&r->ways[who][lane], id);

		if (o == NULL)
			continue;
		*way = &r->ways[who][lane];
		return o;
	}
	return NULL;
}

static void
take_out(struct way *w, struct offered *o)
{
	uint32_t at = (uint32_t)(o - w->at);

	memmove(o, o + 1, (--w->count - at) * sizeof *o);
}

/* A round ends when all of it is answered; whatever was put off in it is offered in the next one. */
static bool
next_round(struct rounds *r, struct way *w, const struct rounds_offer *o)
{
	uint32_t unanswered = 0, put_off = 0;

	for (uint32_t i = 0; i < w->count; i++) {
		unanswered += !w->at[i].put_off;
		put_off += w->at[i].put_off;
	}
	if (o->round != w->round + 1 || unanswered > 0 || put_off == 0) {
		sim_broken(r->sim, "%s begins round %u of lane %s, with %u unanswered and %u put off in round %u", papers_name(o->who), o->round, lane_name(o->lane),
		           unanswered, put_off, w->round);
		return false;
	}
	w->round = o->round;
	w->count = 0;
	return true;
}

void
rounds_offered(struct rounds *r, const struct rounds_offer *o)
{
	struct way *w = &r->ways[o->who][o->lane];

	if (o->round != w->round && !next_round(r, w, o))
		return;
	if (offered_at(w, o->id) != NULL) {
		sim_broken(r->sim, "%s offers the same again in lane %s, in round %u as before", papers_name(o->who), lane_name(o->lane), o->round);
		return;
	}
	if (w->count == w->room) {
		w->room = w->room * 2 + 16;
		w->at = realloc(w->at, w->room * sizeof *w->at);
		MUST(w->at != NULL);
	}
	w->at[w->count] = (struct offered){.again = o->again};
	memcpy(w->at[w->count++].id, o->id, KW_ID_LEN);
}

void
rounds_stored(struct rounds *r, int who, const uint8_t id[KW_ID_LEN])
{
	struct way *w;
	struct offered *o = offered_of(r, who, id, &w);

	if (o == NULL)
		return;
	for (uint32_t i = 0; w->at + i < o && !o->again; i++)
		if (w->at[i].put_off)
			sim_broken(r->sim, "the broker stores what %s offered in lane %s behind something that it put off in round %u", papers_name(who),
			           lane_name((enum lane)(w - r->ways[who])), w->round);
	take_out(w, o);
}

void
rounds_refused(struct rounds *r, int who, const uint8_t id[KW_ID_LEN], enum wire_code code)
{
	struct way *w;
	struct offered *o = offered_of(r, who, id, &w);

	if (o == NULL)
		return;
	if (code == CODE_AGREEMENT_OLD || wire_code_for_good(code))
		take_out(w, o);
	else
		o->put_off = true;
}
