/* service: datagrams to the socket that $NOTIFY_SOCKET names. */
#include "base/service.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define STATUS_MAX 500
#define STATUS_EVERY_MS 30000u
#define MORE_TIME_US 120000000ull

static void
tell(const char *text, int flags)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@'))
		return;
	len = strlen(path);
	if (len >= sizeof to.sun_path)
		return;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0'; /* an abstract name */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, text, strlen(text), flags | MSG_NOSIGNAL, (const struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	(void)close(fd);
}

/* A line of its own in the status would be a word of the protocol. */
static void tell_with(const char *word, int flags, const char *status, va_list args) __attribute__((format(printf, 3, 0)));

static void
tell_with(const char *word, int flags, const char *status, va_list args)
{
	char line[STATUS_MAX], text[STATUS_MAX + 128];

	(void)vsnprintf(line, sizeof line, status, args);
	for (char *c = line; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20)
			*c = '?';
	(void)snprintf(text, sizeof text, "%sSTATUS=%s", word, line);
	tell(text, flags);
}

void
service_starting(const char *status, ...)
{
	va_list args;

	va_start(args, status);
	tell_with("", 0, status, args);
	va_end(args);
}

void
service_ready(const char *status, ...)
{
	va_list args;

	va_start(args, status);
	tell_with("READY=1\n", 0, status, args);
	va_end(args);
}

void
service_reloading(void)
{
	struct timespec now = {.tv_sec = 0}; /* of the clock that systemd compares it with, which stands while the machine sleeps */
	char text[128];

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	(void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reading its configuration again",
	               (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
	tell(text, 0);
}

void
service_stopping(void)
{
	tell("STOPPING=1\nSTATUS=stopping", 0);
}

void
service_more_time(void)
{
	char text[64];

	(void)snprintf(text, sizeof text, "EXTEND_TIMEOUT_USEC=%llu", MORE_TIME_US);
	tell(text, 0);
}

/* A number and nothing else; 0: there is none. */
static uint64_t
number_in(const char *name)
{
	const char *text = getenv(name);
	unsigned long long n;
	char *end;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' ? n : 0;
}

void
service_beat_begin(struct service_beat *b, uint64_t mono_ms)
{
	uint64_t most_us = number_in("WATCHDOG_USEC");
	bool ours = getenv("WATCHDOG_PID") == NULL || number_in("WATCHDOG_PID") == (uint64_t)getpid();

	*b = (struct service_beat){.due_ms = UINT64_MAX};
	if (getenv("NOTIFY_SOCKET") == NULL)
		return;
	b->watched = ours && most_us > 0;
	b->every_ms = b->watched ? most_us / 2000 : STATUS_EVERY_MS;
	if (b->every_ms == 0)
		b->every_ms = 1;
	b->due_ms = mono_ms + b->every_ms;
}

bool
service_beat_is_due(const struct service_beat *b, uint64_t mono_ms)
{
	return mono_ms >= b->due_ms;
}

void
service_beat(struct service_beat *b, uint64_t mono_ms, const char *status, ...)
{
	va_list args;

	b->due_ms = mono_ms + b->every_ms;
	va_start(args, status);
	tell_with(b->watched ? "WATCHDOG=1\n" : "", MSG_DONTWAIT, status, args); /* a beat that finds no room is no reason to hang */
	va_end(args);
}
