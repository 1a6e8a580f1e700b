/* operators: wishes by dice. */
#include "operators.h"

#include "clocks.h"
#include "faults.h"
#include "house.h"
#include "suspensions.h"

#define MOST_MS (72ull * 3600 * 1000)
#define AGAIN_MS 1000u    /* "try again in a second" */
#define TRIES 5u
#define SAME_NODE 350u    /* of 1,000 wishes: about whom the last one was */
#define LET_IN 600u       /* of 1,000 suspensions end by a wish, if they last so long */
#define LET_IN_MS 500u
#define CALM_MS 130000u   /* so long behind the last fault somebody may still be out: cases must go on without who is */

uint32_t
operators_plan(struct fault_plan *out, uint64_t seed, uint64_t until_ms)
{
	struct dice d = dice_of(seed, 3100);
	uint32_t n = 0, who = dice_below(&d, WHO_NODES + 1);
	uint64_t at = 1000;

	while ((at += dice_between(&d, OPERATORS_EVERY_MS / 2, OPERATORS_EVERY_MS * 3 / 2)) < until_ms) {
		who = dice_permille(&d, SAME_NODE) ? who : dice_below(&d, WHO_NODES + 1);
		out[n++] = (struct fault_plan){FAULT_SUSPEND, at, dice_between(&d, 500, 30000), (uint32_t)dice_u64(&d), (int)who};
	}
	return n;
}

static uint64_t
how_long(struct dice *d)
{
	switch (dice_below(d, 16)) {
	case 0: return dice_below(d, 1000); /* too short */
	case 1: return MOST_MS + 1 + dice_below(d, 1000000);
	case 2: return MOST_MS;
	case 3:
	case 4:
	case 5: return 1000ull * dice_between(d, 600, 72 * 3600);
	case 6:
	case 7: return dice_between(d, 40000, 600000);
	case 8:
	case 9:
	case 10: return dice_between(d, 5000, 40000);
	default: return dice_between(d, 1000, 5000);
	}
}

static void
ask(struct sim *s, uint32_t i, enum suspension_act act, uint64_t tries)
{
	struct dice d = dice_of(s->options.seed, 4100000ull + s->plan[i].dice);
	struct suspensions_wish w = {s->plan[i].who, act, act == SUSPENSION_BEGUN ? how_long(&d) : 0};
	enum kw_err err = house_suspend(s->house, &w);

	s->counts.applied[FAULT_SUSPEND] += err == KW_OK;
	if (err == KW_EAGAIN && tries < TRIES)
		sim_at(s, clocks_true() + AGAIN_MS, EVENT_WISH, i, (tries + 1) << 1 | (act == SUSPENSION_LIFTED));
}

void operators_suspend(struct sim *s, uint32_t i) { ask(s, i, SUSPENSION_BEGUN, 0); }

void
operators_over(struct sim *s, uint32_t i)
{
	struct dice d = dice_of(s->options.seed, 4200000ull + s->plan[i].dice);

	if (!s->calm && dice_permille(&d, LET_IN))
		ask(s, i, SUSPENSION_LIFTED, 0);
}

void
operators_again(struct sim *s, uint32_t i, uint64_t tries)
{
	if (!s->calm)
		ask(s, i, (tries & 1) != 0 ? SUSPENSION_LIFTED : SUSPENSION_BEGUN, tries >> 1);
}

void
operators_end(struct sim *s)
{
	struct dice d = dice_of(s->options.seed, 3200);
	uint64_t after = dice_permille(&d, 400) ? dice_between(&d, CALM_MS * 3 / 4, CALM_MS) : dice_below(&d, CALM_MS / 4);

	if ((s->options.faults & (1u << FAULT_SUSPEND)) != 0 || suspensions_held(s->suspensions) != 0)
		sim_at(s, clocks_true() + after, EVENT_LET_IN, 0, 0);
}

void
operators_let_in(struct sim *s)
{
	uint32_t out = suspensions_held(s->suspensions) & sim_policy(s)->members;

	if (out == 0)
		return;
	(void)house_suspend(s->house, &(struct suspensions_wish){__builtin_ctz(out), SUSPENSION_LIFTED, 0});
	sim_at(s, clocks_true() + LET_IN_MS, EVENT_LET_IN, 0, 0);
}
