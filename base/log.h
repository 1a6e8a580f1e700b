/*
 * log: one line an event, key=value, to standard error.
 *
 *   2026-12-01T02:03:04.567Z warning peer.malformed peer=police/control-room why="a frame is empty or too large"
 *
 * Where systemd's journal reads there ($JOURNAL_STREAM, sd-daemon(3)) a line begins with its priority instead, "<4>warning …": the
 * journal has times of its own. docs/events.md lists every code.
 *
 * No line is waited for. Where nobody takes lines any more (a full pipe, a terminal that was stopped) they are counted, and
 * told by "log.lost lines=N" once there is room again. Payload, secrets and passphrases are never given to it. Any thread.
 */
#ifndef KW_BASE_LOG_H
#define KW_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum log_level {
	LOG_ERROR,   /* somebody must act now */
	LOG_WARNING, /* should be looked at */
	LOG_NOTICE,  /* what an operator did, and changes of state */
	LOG_INFO,    /* the ordinary course of things */
	LOG_DEBUG,
};
const char *log_level_name(enum log_level level);
bool log_level_of(enum log_level *out, const char *name); /* false: none is called so */

void log_set_level(enum log_level level); /* LOG_NOTICE unless set; call before the threads start */

/*
 * event is a stable dotted code, always a literal. fmt is "key=%s key=\"%s\" key=%u": of conversions it may have %s, %c, %d, %i, %u and %x, with l, ll, or z.
 * What %s brings is made safe: in quotes '"' and '\' get a '\' before them; without quotes blanks, '"' and '=' become '?', as does
 * everywhere what may not be shown. So no peer can forge a line or a field, or reach a terminal. errno stays what it was.
 */
void log_event(enum log_level level, const char *event, const char *fmt, ...) KW_PRINTF(3, 4);

/* The same with what errno says appended (" errno=ENOSPC"). Returns err, so that a failure is logged and returned in one line. */
enum kw_err log_sys(enum kw_err err, const char *event, const char *fmt, ...) KW_PRINTF(3, 4);

/*
 * What a peer caused: as log_event with "peer=" as the first field, and at most LOG_PEER_LINES a second of each peer, LOG_PEERS_LINES of all.
 * peer NULL: of nobody in particular; no field then, and the code itself is what is held back. When the second is over, "log.held_back" tells whose
 * lines were left out and how many: before the next line of anybody, or by log_tick.
 */
#define LOG_PEER_LINES 10u
#define LOG_PEERS_LINES 100u
void log_peer(enum log_level level, const char *event, const char *peer, const char *fmt, ...) KW_PRINTF(4, 5);

/* The same of somebody who is not let in, by address; counted apart, so that strangers cannot hide what partners do. */
#define LOG_STRANGER_LINES 5u
#define LOG_STRANGERS_LINES 20u
void log_stranger(enum log_level level, const char *event, const char *address, const char *fmt, ...) KW_PRINTF(4, 5);

/* Something was held back or lost: milliseconds until log_tick can tell of it, at most 1,000; -1: nothing was. */
long log_wait_ms(void);
void log_tick(void);

/* One event as it was written. All borrowed for the call. */
struct log_line {
	enum log_level level;
	uint64_t wall_ms;
	const char *event;
	const char *values; /* "key=value key=\"value\"", valid UTF-8 that may be shown; "" where there are none */
};

/* Gets every line too, also those that are lost for standard error. Called in the lines' order, one at a time, by any thread; it may not log. */
typedef void (*log_sink)(void *self, const struct log_line *line);
void log_set_sink(log_sink sink, void *self); /* NULL: none; no call is under way when this returns */

#endif
