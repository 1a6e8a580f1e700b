/*
 * events: the newest lines of the broker's log, kept in memory for operators who ask (docs/protocol.md [O-5]). Any thread adds, as
 * base/log's sink; the main thread asks.
 */
#ifndef KW_BROKER_EVENTS_H
#define KW_BROKER_EVENTS_H

#include "base/err.h"
#include "base/log.h"
#include "base/span.h"

#define EVENTS_MAX 4096u             /* lines kept */
#define EVENTS_BYTES_MAX (1u << 20)  /* of them together */
#define EVENTS_PAGE 256u             /* lines in one answer */
#define EVENTS_RUN_LEN 16            /* hex digits: which run of the broker counts so */
#define EVENTS_PEER_MAX 128

struct events;

KW_MUST_USE enum kw_err events_new(struct events **out); /* KW_ENOMEM; KW_EIO: no random numbers */
void events_free(struct events **e);
void events_take(void *self, const struct log_line *line); /* a log_sink; self is the struct events */

struct events_ask {
	char run[EVENTS_RUN_LEN + 1];    /* "": none. Of another run than this one: after is not looked at */
	uint64_t after;                  /* lines with higher numbers */
	uint64_t last;                   /* 0: all; else of those asked for the newest so many, where after is 0 */
	uint64_t since_ms;
	enum log_level level;            /* and worse */
	char peer[EVENTS_PEER_MAX + 1];  /* ""; else lines whose first field is peer= or by= with exactly this */
};

/* {"run":"…","after":0,"last":10,"since_ms":…,"level":"warning","peer":"police/control-room"}, each key may be left out. KW_EPROTO, KW_EINVAL, KW_ELIMIT. */
KW_MUST_USE enum kw_err events_ask_read(struct events_ask *out, struct span text, struct kw_why *why);

/*
 * Appends the page's JSON: run; newest and oldest, the numbers of what is kept; oldest_ms; after, behind which the next page goes on; more; missed, how many lines
 * behind the asked-for after are not kept any more; and events, each with number, time_ms, time, level, code and fields. KW_ENOMEM.
 */
KW_MUST_USE enum kw_err events_put(struct buf *out, struct events *e, const struct events_ask *ask);

#endif
