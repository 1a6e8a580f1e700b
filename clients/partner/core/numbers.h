/*
 * numbers: what a sender's running number says to its reader (docs/protocol.md [D-8], [D-9]). Pure: what was known of this
 * sender in this lane goes in, what follows comes out; the store keeps both.
 */
#ifndef KW_PARTNER_NUMBERS_H
#define KW_PARTNER_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#define NUMBERS_MAX ((uint64_t)1 << 48) /* nobody counts so far; what names more is a lie */

struct numbers { /* of one sender and lane; all zero: nothing was ever seen */
	uint64_t epoch;      /* the highest seen */
	uint64_t next;       /* the number expected there */
};

enum number_place { /* what the store holds about a number below next: asked by the caller */
	PLACE_USED,          /* it came, with something */
	PLACE_GAP,           /* it did not come yet */
	PLACE_VOIDED,        /* the sender said that it will never come */
};

enum number_verdict {
	NUMBER_NEXT,         /* as expected */
	NUMBER_AHEAD,        /* gap_first..gap_last are missing now */
	NUMBER_FILLS,        /* it was missing and is no longer */
	NUMBER_TWICE,        /* came before with another id: evidence against the sender */
	NUMBER_VOID,         /* the sender had said it would never come */
	NUMBER_OLD_EPOCH,    /* [D-9]: refused */
	NUMBER_ABSURD,       /* 0, or beyond NUMBERS_MAX: refused */
};
const char *number_verdict_name(enum number_verdict v);

struct number_step {
	enum number_verdict verdict;
	struct numbers after;            /* what is known from now on; unchanged where refused */
	uint64_t gap_first, gap_last;    /* NUMBER_AHEAD */
	bool new_epoch;                  /* the sender began to count anew */
};

/* place: of (epoch, number), meant only where epoch is at most known.epoch; PLACE_USED for anything the store does not know of. */
struct number_step numbers_judge(struct numbers known, uint64_t epoch, uint64_t number, enum number_place place);

#endif
