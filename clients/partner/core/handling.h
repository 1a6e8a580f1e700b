/*
 * handling: one handler's way through the inbox: what it is run for, when again, when it is given up. Pure; one struct a
 * handler. seq is the inbox's own counting; now_ms the monotonic clock unless a name says wall.
 *
 * The caller asks handling_want, does it, and says what came of it; nothing is wanted twice at once. What handling_ended and
 * handling_passed changed is the caller's to bring to disk before it runs anything again.
 */
#ifndef KW_PARTNER_HANDLING_H
#define KW_PARTNER_HANDLING_H

#include <stdbool.h>
#include <stdint.h>

#define HANDLING_REST_MIN_MS 1000u     /* after the first failure; doubles with each */
#define HANDLING_REST_MAX_MS 300000u
#define HANDLING_TERM_MS 5000u         /* from SIGTERM to SIGKILL */

enum handling_state {
	HANDLING_CURRENT,  /* through with everything that is there */
	HANDLING_BEHIND,   /* there may be something behind seq */
	HANDLING_READY,    /* a notification is found and to be run */
	HANDLING_RUNNING,
	HANDLING_ENDING,   /* out of time, SIGTERM said */
	HANDLING_KILLED,   /* SIGKILL said */
	HANDLING_RESTING,  /* failed; run again when its rest is over */
};
const char *handling_state_name(enum handling_state s);

enum handling_want {
	HANDLING_NOTHING,
	HANDLING_SEARCH,   /* look behind seq, then say handling_passed, handling_found or handling_reached */
	HANDLING_RUN,      /* run notification at, then say handling_started or handling_ended */
	HANDLING_TERM,     /* SIGTERM to its group; said once */
	HANDLING_KILL,     /* SIGKILL likewise */
};

struct handling {
	enum handling_state state;
	uint32_t attempts_max; /* 1 or more */
	uint64_t timeout_ms;   /* of one run */
	uint64_t seq;          /* through with everything up to it */
	uint64_t at;           /* the notification being tried; 0: none */
	uint32_t failures;     /* of it */
	bool repeat;           /* of it a run began earlier */
	uint64_t due_ms;       /* running, ending: out of time then; resting: run again then */
};

/* at: whose run had begun when the daemon ended, 0: none; it is found again by the search. */
void handling_init(struct handling *h, uint32_t attempts_max, uint64_t timeout_ms, uint64_t seq, uint64_t at, uint32_t failures);

enum handling_want handling_want(struct handling *h, uint64_t now_ms);
uint64_t handling_wake_ms(const struct handling *h); /* when something is wanted next by time alone; 0: at once; UINT64_MAX: never */

void handling_news(struct handling *h);                      /* the inbox grew */
/* What it is run for, or how often, is another now: what is not under way is looked for again. A run that is goes on to its end. */
void handling_changed(struct handling *h, uint32_t attempts_max, uint64_t timeout_ms);
void handling_passed(struct handling *h, uint64_t seq);      /* nothing for it up to seq; there may be more */
void handling_reached(struct handling *h, uint64_t seq);     /* nothing for it up to seq, which is the newest */
void handling_found(struct handling *h, uint64_t at);        /* the next for it */
void handling_gone(struct handling *h);                      /* what was to be run is not in the inbox any more */
void handling_started(struct handling *h, uint64_t now_ms);

enum handling_verdict { HANDLING_DONE, HANDLING_AGAIN, HANDLING_SET_ASIDE };
/* The run of at ended, or could not begin. fatal: trying again cannot help. With DONE and SET_ASIDE seq becomes at. */
enum handling_verdict handling_ended(struct handling *h, bool well, bool fatal, uint64_t now_ms);

/* Of a notification what decides whether it is run at all. */
struct handling_notice {
	bool bare, outdated, cancelled;
	bool alert;            /* its schema */
	const char *mark;
	uint64_t expires_ms;
};
/* Why it is not run, a few words for the log; NULL: it is. want_alert: the handler takes alerts alone. */
const char *handling_skip(const struct handling_notice *n, bool want_alert, uint64_t wall_ms);

#endif
