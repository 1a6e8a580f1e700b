/* numbers: gaps, voids and lies in a sender's counting. */
#include "clients/partner/core/numbers.h"

const char *
number_verdict_name(enum number_verdict v)
{
	static const char *const names[] = {"next", "ahead", "fills", "equivocation", "voided", "epoch", "number"};

	return (unsigned)v < sizeof names / sizeof names[0] ? names[v] : "?";
}

static struct number_step
below(struct numbers known, enum number_place place)
{
	struct number_step s = {.after = known, .verdict = NUMBER_TWICE};

	if (place == PLACE_GAP)
		s.verdict = NUMBER_FILLS;
	else if (place == PLACE_VOIDED)
		s.verdict = NUMBER_VOID;
	return s;
}

static struct number_step
at_or_above(struct numbers known, uint64_t number)
{
	struct number_step s = {.after = known, .verdict = NUMBER_NEXT};

	s.after.next = number + 1;
	if (number == known.next)
		return s;
	s.verdict = NUMBER_AHEAD;
	s.gap_first = known.next;
	s.gap_last = number - 1;
	return s;
}

struct number_step
numbers_judge(struct numbers known, uint64_t epoch, uint64_t number, enum number_place place)
{
	struct number_step s = {.after = known};
	bool first = known.next == 0;

	if (number == 0 || number > NUMBERS_MAX) {
		s.verdict = NUMBER_ABSURD;
		return s;
	}
	if (!first && epoch < known.epoch) { /* what was missing from then may still come */
		s.verdict = place == PLACE_GAP ? NUMBER_FILLS : NUMBER_OLD_EPOCH;
		return s;
	}
	if (first || epoch > known.epoch) {
		s = at_or_above((struct numbers){epoch, 1}, number);
		s.new_epoch = !first;
		return s;
	}
	return number < known.next ? below(known, place) : at_or_above(known, number);
}
