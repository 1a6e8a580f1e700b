/*
 * service: tells systemd, where it started us, how far the daemon is and that it still turns (sd_notify(3)'s protocol, Type=notify). Elsewhere
 * nothing of this does anything. $NOTIFY_SOCKET names the socket; $WATCHDOG_USEC, when $WATCHDOG_PID is us, how long a daemon may be silent.
 */
#ifndef KW_BASE_SERVICE_H
#define KW_BASE_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* status: one line for "systemctl status", cut at 500 bytes. */
void service_starting(const char *status, ...) KW_PRINTF(1, 2);
void service_ready(const char *status, ...) KW_PRINTF(1, 2);    /* it serves; also the end of a reload */
void service_reloading(void);
void service_stopping(void);
/* Starting takes longer, and goes on: from now it may take another two minutes. */
void service_more_time(void);

/*
 * The daemon's own loop beats, at half of what systemd allows, so that a loop that hangs is ended and started again. Each beat brings the status
 * along. Without a watchdog the status alone is brought, twice a minute; without systemd there is nothing to do.
 */
struct service_beat {
	uint64_t every_ms;     /* 0: nothing to do */
	uint64_t due_ms;       /* on the monotonic clock; UINT64_MAX: never */
	bool watched;
};
void service_beat_begin(struct service_beat *b, uint64_t mono_ms);
bool service_beat_is_due(const struct service_beat *b, uint64_t mono_ms);
void service_beat(struct service_beat *b, uint64_t mono_ms, const char *status, ...) KW_PRINTF(3, 4);

#endif
