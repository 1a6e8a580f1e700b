/*
 * handler_input: what a handler's program is given: the notification on standard input, and its environment, KURZWEG_* and
 * nothing of the daemon's own. Every value is one line of clean text, at most HANDLER_VALUE_MAX bytes.
 */
#ifndef KW_PARTNER_HANDLER_INPUT_H
#define KW_PARTNER_HANDLER_INPUT_H

#include <stdbool.h>

#include "clients/partner/config.h"
#include "clients/partner/desk.h"

#define HANDLER_VALUE_MAX 1000u
#define HANDLER_ENV_MAX 48

/* How a program ends that was run for a case: 0, it is told; these; all else is a failure. */
#define HANDLER_TAKES 10
#define HANDLER_DECLINES 11 /* its standard error says why */
/* How it ends when another attempt is of no use. */
#define HANDLER_NEVER 12

struct handler_about { /* the run */
	const char *node, *name;
	enum handler_form form;
	uint32_t attempt;   /* from 1 */
	bool repeat;        /* it may have seen the notification before */
};

struct handler_input {
	struct buf content;
	size_t count;
	char *env[HANDLER_ENV_MAX + 1]; /* ends with NULL */
};

/* KW_ELIMIT, KW_EINVAL …: the content cannot be shown in that form; KW_ENOMEM. Free it in any case. */
KW_MUST_USE enum kw_err handler_input_make(struct handler_input *out, const struct inbox_row *row, const struct handler_about *run, struct kw_why *why);
void handler_input_free(struct handler_input *in);

#endif
