/*
 * standing_fit: what of a status is shown on a terminal of so many lines. The verdict and what to do stand at the top, so whatever is too much below
 * them would push just that out of sight. Only counts here; nothing is printed.
 */
#ifndef KW_CLI_STANDING_FIT_H
#define KW_CLI_STANDING_FIT_H

#include <stdbool.h>
#include <stddef.h>

/* What gives way first stands first. */
enum fit_keep {
	FIT_FLOW,    /* how much went through: changes every second, helps nobody decide, and "kurzweg top" shows it */
	FIT_SETTING, /* what somebody set and can look up: fingerprint, configuration in force */
	FIT_STATE,   /* what one is asked for on the phone: agreement, disk, store, backup */
	FIT_WRONG,   /* what a sentence above is about */
	FIT_ALWAYS,  /* the verdict and the sentences */
};

struct fit_part {
	size_t lines;
	unsigned group;     /* an empty line stands between two shown parts of different groups */
	enum fit_keep keep; /* of two alike the one further down gives way first */
	bool shown;         /* set by fit */
};

struct fit_table {           /* stands below all parts, behind an empty line */
	size_t head, foot;   /* lines: above its rows; of "and N more", which stands where not all rows do */
	const size_t *lines; /* of each row, in the order in which they are shown */
	size_t rows, about;  /* something is wrong with the first about of them: before these FIT_FLOW and FIT_SETTING give way */
	bool more;           /* there are some that are no row here */
	size_t shown;        /* set by fit: so many rows, with the head if any */
	bool foot_shown;     /* set by fit */
};

/*
 * room: lines that there are; 0: not known, then all is shown. False: not even what must always be shown has room; then that is shown, and nothing else.
 */
bool fit(struct fit_part *parts, size_t count, struct fit_table *table, size_t room);

#endif
