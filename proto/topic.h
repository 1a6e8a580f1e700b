/*
 * topic: names and filters of topics, as MQTT 5 section 4.7 has them, narrowed: 1..255 bytes of clean UTF-8
 * text, at most KW_LEVELS_MAX levels, no empty level (so no leading, trailing or double '/'), no level "." or "..",
 * no white space, no '$' at the start, none of "*>\\" anywhere (other systems' wildcards and file names).
 * Pure; any thread.
 */
#ifndef KW_PROTO_TOPIC_H
#define KW_PROTO_TOPIC_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/limits.h"

KW_MUST_USE enum kw_err topic_check(const char *topic, struct kw_why *why);   /* a name: no '+', no '#' */
KW_MUST_USE enum kw_err filter_check(const char *filter, struct kw_why *why); /* '+' a whole level; '#' the last level */

/* Both checked before. "a/#" matches "a" too (section 4.7.1.2). */
bool filter_matches(const char *filter, const char *topic);

/* True when every topic that inner matches is matched by outer too: then inner, standing later, is never reached. */
bool filter_covers(const char *outer, const char *inner);

/* True when some topic is matched by both. */
bool filters_overlap(const char *a, const char *b);

/* "partner/node": two names of [a-z0-9-], each 1..31 bytes, beginning with a letter. */
KW_MUST_USE enum kw_err node_check(const char *node, struct kw_why *why);
bool node_same_partner(const char *a, const char *b); /* two nodes, checked before, of one partner */
KW_MUST_USE enum kw_err name_check(const char *name, const char *what, struct kw_why *why); /* one such name */

enum lane { LANE_FLASH, LANE_URGENT, LANE_ROUTINE };
const char *lane_name(enum lane lane);                  /* "flash", "urgent", "routine" */
bool lane_of(enum lane *out, const char *name);

#endif
