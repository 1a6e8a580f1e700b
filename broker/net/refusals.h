/*
 * refusals: what was refused lately, so that an operator can be told why a notification stands in no log. In memory, bounded: the
 * newest REFUSALS_MAX of those for good, and of those to be tried again one for each place, with how often. Headers' words alone.
 */
#ifndef KW_BROKER_REFUSALS_H
#define KW_BROKER_REFUSALS_H

#include "base/err.h"
#include "proto/header.h"
#include "proto/wire.h"

#define REFUSALS_MAX 4096u
#define REFUSALS_AGAIN_MAX 1024u
#define REFUSAL_TEXT_MAX 240

struct refusal {
	uint64_t at_ms;                    /* wall clock; the last time */
	uint32_t times;                    /* the same again: to be tried again alone */
	enum wire_code code;
	uint8_t id[KW_ID_LEN];
	bool has_header;                   /* type, lane and topic are known */
	enum notice_type type;
	enum lane lane;
	char topic[96];                    /* cut */
	char sender[KW_NODE_MAX + 1];      /* whose key the connection had */
	char text[REFUSAL_TEXT_MAX];       /* cut */
};

struct refusals {
	struct refusal *last;              /* a ring of at most REFUSALS_MAX, as large as it was needed */
	uint32_t room, first, count;
	struct refusal *again;             /* REFUSALS_AGAIN_MAX places; NULL before the first */
	uint64_t since_ms;                 /* nothing for good is missing from then on */
};

void refusals_init(struct refusals *r, uint64_t now_ms);
void refusals_free(struct refusals *r);
/* h: of the notification with this id, or NULL. Where memory runs out one is not remembered, and since_ms says so. */
void refusals_add(struct refusals *r, const char *sender, const uint8_t id[KW_ID_LEN], enum wire_code code, const char *text, const struct header *h, uint64_t now_ms);
/* The newest first: after NULL the newest; NULL: none more. */
const struct refusal *refusals_next(const struct refusals *r, const struct refusal *after);

#endif
