/* trace: to standard output. */
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "clocks.h"

static bool on;
static const char *(*name_of)(int who);

void trace_to(bool to) { on = to; }
bool trace_on(void) { return on; }
void trace_names(const char *(*name)(int who)) { name_of = name; }

static void
begin(void)
{
	unsigned long long now = clocks_true();

	(void)printf("[%5llu.%03llu] %-22s ", now / 1000, now % 1000, name_of != NULL ? name_of(clocks_running()) : "");
}

void
trace(const char *fmt, ...)
{
	va_list args;

	if (!on)
		return;
	begin();
	va_start(args, fmt);
	(void)vprintf(fmt, args);
	va_end(args);
	(void)putchar('\n');
}

static void
line(enum log_level level, const char *event, const char *fmt, va_list args)
{
	static const char *const marks[] = {"error", "warning", "notice", "info", "debug"};

	begin();
	(void)printf("%s %s ", marks[level], event);
	(void)vprintf(fmt, args);
	(void)putchar('\n');
}

void log_set_level(enum log_level level) { (void)level; }

void
log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	va_list args;

	if (!on)
		return;
	va_start(args, fmt);
	line(level, event, fmt, args);
	va_end(args);
}

enum kw_err
log_sys(enum kw_err err, const char *event, const char *fmt, ...)
{
	va_list args;

	if (!on)
		return err;
	va_start(args, fmt);
	line(LOG_ERROR, event, fmt, args);
	va_end(args);
	return err;
}

void
log_peer(enum log_level level, const char *event, const char *peer, const char *fmt, ...)
{
	char all[1024];
	va_list args;

	if (!on)
		return;
	(void)snprintf(all, sizeof all, "%s%s%s", peer != NULL ? "peer=" : "", peer != NULL ? peer : "", peer != NULL ? " " : "");
	va_start(args, fmt);
	(void)vsnprintf(all + strlen(all), sizeof all - strlen(all), fmt, args);
	va_end(args);
	log_event(level, event, "%s", all);
}

void
log_stranger(enum log_level level, const char *event, const char *address, const char *fmt, ...)
{
	(void)level, (void)event, (void)address, (void)fmt; /* nobody is turned away here */
}

long log_wait_ms(void) { return -1; }
void log_tick(void) {}
void log_set_sink(log_sink sink, void *self) { (void)sink, (void)self; }
const char *log_level_name(enum log_level level) { (void)level; return ""; }
bool log_level_of(enum log_level *out, const char *name) { (void)out, (void)name; return false; }
