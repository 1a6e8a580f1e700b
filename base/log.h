/*
 * log: one line an event, key=value, to standard error (systemd's journal reads it there).
 *
 *   2026-12-01T02:03:04.567Z warning frame.too_long peer=police/control-room len=400000 max=327680
 *
 * Values are escaped, so no peer can forge a line or reach a terminal. Payload, secrets and passphrases are never given
 * to it. Lines caused by peers go through log_peer(), which counts what it holds back. Any thread.
 */
#ifndef KW_BASE_LOG_H
#define KW_BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level); /* LOG_NOTICE unless set; call before the threads start */

/* event is a stable dotted code; fmt gives "key=value key=value", each value without blanks or in quotes made by the caller. */
void log_event(enum log_level level, const char *event, const char *fmt, ...) KW_PRINTF(3, 4);

/* The same with what errno says appended (" errno=ENOSPC"). Returns err, so that a failure is logged and returned in one line. */
enum kw_err log_sys(enum kw_err err, const char *event, const char *fmt, ...) KW_PRINTF(3, 4);

/* As log_event, at most 10 lines a second over all peers; what was held back is told in the next line as "held_back=N". */
void log_peer(enum log_level level, const char *event, const char *fmt, ...) KW_PRINTF(3, 4);

#endif
