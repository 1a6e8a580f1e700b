/* program: whether a handler's program could be started, and the sentence for one that could not. */
#ifndef KW_PARTNER_PROGRAM_H
#define KW_PARTNER_PROGRAM_H

#include "base/err.h"

/* Could it be started by us now? KW_ENOTFOUND, KW_EDENIED, KW_EINVAL with a sentence. */
KW_MUST_USE enum kw_err program_check(const char *program, struct kw_why *why);

/* The refusal for a program that exec did not start; said: the errno of that. */
enum kw_err program_not_started(const char *program, int said, struct kw_why *why);

#endif
