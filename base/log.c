/* log: lines to standard error, one write each, with a brake on what peers cause. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define LINE_MAX 2048
#define PEER_LINES_A_SECOND 10u

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};

/* The one state of the process that is shared: the line's level and the brake. */
static struct {
	pthread_mutex_t lock;
	enum log_level level;
	uint64_t second;
	unsigned lines;
	unsigned long held_back;
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_NOTICE};

void
log_set_level(enum log_level level)
{
	log_state.level = level;
}

static void
write_line(enum log_level level, const char *event, const char *values, const char *extra)
{
	char line[LINE_MAX], when[TEXT_TIME_MAX];
	uint64_t now = clock_wall_ms();
	int n;

	text_put_time_utc(when, now);
	when[strlen(when) - 1] = '\0'; /* the Z comes behind the milliseconds */
	n = snprintf(line, sizeof line - 1, "%s.%03uZ %s %s%s%s%s", when, (unsigned)(now % 1000), level_names[level], event,
	             values[0] != '\0' ? " " : "", values, extra);
	if (n < 0)
		return;
	if ((size_t)n > sizeof line - 2)
		n = (int)sizeof line - 2;
	for (int i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F)
			line[i] = '?';
	line[n] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n + 1) < 0)
		return; /* nowhere left to say so */
}

void
log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	char values[LINE_MAX];
	va_list args;

	if (level > log_state.level)
		return;
	va_start(args, fmt);
	(void)vsnprintf(values, sizeof values, fmt, args);
	va_end(args);
	write_line(level, event, values, "");
}

enum kw_err
log_sys(enum kw_err err, const char *event, const char *fmt, ...)
{
	char values[LINE_MAX], extra[128];
	const char *name = strerrorname_np(errno);
	va_list args;

	(void)snprintf(extra, sizeof extra, " errno=%s", name != NULL ? name : "?");
	va_start(args, fmt);
	(void)vsnprintf(values, sizeof values, fmt, args);
	va_end(args);
	write_line(LOG_ERROR, event, values, extra);
	return err;
}

/* True: the line may go; *held is what was held back before it. */
static bool
brake(unsigned long *held)
{
	uint64_t second = clock_mono_ms() / 1000;
	bool go;

	(void)pthread_mutex_lock(&log_state.lock);
	if (second != log_state.second) {
		log_state.second = second;
		log_state.lines = 0;
	}
	go = log_state.lines < PEER_LINES_A_SECOND;
	if (go) {
		log_state.lines++;
		*held = log_state.held_back;
		log_state.held_back = 0;
	} else {
		log_state.held_back++;
	}
	(void)pthread_mutex_unlock(&log_state.lock);
	return go;
}

void
log_peer(enum log_level level, const char *event, const char *fmt, ...)
{
	char values[LINE_MAX], extra[64] = "";
	unsigned long held = 0;
	va_list args;

	if (level > log_state.level || !brake(&held))
		return;
	va_start(args, fmt);
	(void)vsnprintf(values, sizeof values, fmt, args);
	va_end(args);
	if (held > 0)
		(void)snprintf(extra, sizeof extra, " held_back=%lu", held);
	write_line(level, event, values, extra);
}
