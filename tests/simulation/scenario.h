/*
 * scenario: a text of what happens and what must come of it, a line each, for people to read and kurzweg-sim to run (--scenario FILE).
 * Its language is told in tests/scenario/README.md; scenario_forms has every sentence that there is.
 */
#ifndef KW_SIM_SCENARIO_H
#define KW_SIM_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "papers.h"
#include "proto/entry.h"
#include "proto/limits.h"

#define SCENARIO_LINES_MAX 500u
#define SCENARIO_LABELS_MAX 64u
#define SCENARIO_LABEL_MAX 63u
#define SCENARIO_NAMES_MAX 4u

enum scenario_when {
	WHEN_EVENT,  /* it happens at that time */
	WHEN_WITHIN, /* it must be so at some moment from the line before on, at the latest at that time */
	WHEN_AT,     /* it must be so at that time */
	WHEN_NEVER,  /* it must not be so at any time */
};

enum scenario_verb {
	/* what happens */
	DO_PUBLISH, DO_ASK, DO_TRY_PUBLISH, DO_CRASH, DO_POWER, DO_START, DO_CUT, DO_MUTE, DO_DEAFEN, DO_JOIN, DO_RESET, DO_DEAD_LINE, DO_SLOW, DO_FAST, DO_CLOCK_AHEAD,
	DO_TAKE, DO_DECLINE, DO_HAND_OVER, DO_RETURN, DO_DONE, DO_REOPEN, DO_RECALL, DO_TRY_TAKE, /* moves of a case: scenario_cases.c */
	DO_LET_IN, DO_LEAVE_OUT, DO_TURN, DO_TAKE_URGENT, /* another agreement */
	DO_SUSPEND, DO_TRY_SUSPEND, DO_UNSUSPEND, /* operators */
	DO_COPY, DO_COME_BACK, /* the broker's store */
	DO_CLOCK_BACK, DO_DISK_FULL, DO_DISK_ROOM, DO_DISK_SYNC, DO_DISK_SYNC_LATE, DO_DISK_READ, DO_DISK_ONCE, DO_DISK_SLOW,
	/* what is so */
	IS_HERE, IS_BARE, IS_AT_NOBODY, IS_AT_ALL, IS_STORED, IS_CONFIRMED, IS_BEFORE, IS_ALARM, IS_NO_ALARM, IS_UP, IS_DOWN, IS_LINKED,
	IS_STATE, IS_STATE_WITH, IS_SHOWN, IS_HEARD_GOOD, IS_HEARD_VOID, IS_OUT, IS_TOLD_OUT,
};

struct scenario_line {
	uint32_t number; /* in the file */
	enum scenario_when when;
	uint64_t at_ms;
	enum scenario_verb verb;
	int who[SCENARIO_NAMES_MAX]; /* enum who */
	uint32_t who_count;
	uint32_t label[2]; /* into labels */
	uint64_t span_ms;
	enum case_state state;
	char word[KW_TOPIC_MAX + 1]; /* a topic or an alarm's code */
};

struct scenario {
	struct scenario_line lines[SCENARIO_LINES_MAX];
	uint32_t count;
	char labels[SCENARIO_LABELS_MAX][SCENARIO_LABEL_MAX + 1];
	uint32_t label_count;
};

/* name is the file's, for sentences: which line, which word, what may stand there. KW_EINVAL, KW_ELIMIT. */
KW_MUST_USE enum kw_err scenario_parse(struct scenario *out, const char *name, struct span text, struct kw_why *why);
const char *scenario_form(uint32_t i); /* "NODE publishes TOPIC LABEL" …; NULL: no more */

#endif
