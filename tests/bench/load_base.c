/* load_base: giving up, memory, time, and what a process costs. */
#include "load_base.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/text.h"

void
load_fail(const char *fmt, ...)
{
	va_list args;

	(void)fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, fmt);
	(void)vfprintf(stderr, fmt, args);
	va_end(args);
	(void)fprintf(stderr, "\n");
	exit(1);
}

void
load_must(enum kw_err err, const struct kw_why *why)
{
	if (err != KW_OK)
		load_fail("%s", why->text);
}

void *
load_memory(size_t count, size_t size)
{
	void *p = calloc(count > 0 ? count : 1, size);

	if (p == NULL)
		load_fail("out of memory");
	return p;
}

uint64_t
load_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void
load_sleep_sharply(void)
{
	(void)prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);
}

uint32_t
load_number(const char *text, const char *option)
{
	uint64_t v;
	struct kw_why why;

	load_must(text_u64(&v, text, 1, 100000000, option, &why), &why);
	return (uint32_t)v;
}

/* ---- what a process costs ---- */

static bool
first_line(char *out, size_t room, const char *path)
{
	FILE *f = fopen(path, "re");
	bool got = f != NULL && fgets(out, (int)room, f) != NULL;

	if (f != NULL)
		(void)fclose(f);
	return got;
}

static void
add_thread(struct usage *u, int pid, const char *tid)
{
	char path[128], line[128], name[64];
	unsigned long long ns;

	(void)snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, tid);
	if (!first_line(line, sizeof line, path) || sscanf(line, "%llu", &ns) != 1)
		return;
	(void)snprintf(path, sizeof path, "/proc/%d/task/%s/comm", pid, tid);
	if (atoi(tid) == pid)
		u->main_ns += ns;
	else if (first_line(name, sizeof name, path) && strncmp(name, "ZMQbg/IO", 8) == 0)
		u->io_ns += ns;
	else
		u->rest_ns += ns;
}

struct usage
load_usage(int pid)
{
	struct usage u = {0};
	struct dirent *e;
	char path[128], line[256];
	FILE *status;
	DIR *tasks;

	if (pid == 0)
		return u;
	(void)snprintf(path, sizeof path, "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks != NULL && (e = readdir(tasks)) != NULL)
		if (e->d_name[0] != '.')
			add_thread(&u, pid, e->d_name);
	if (tasks != NULL)
		(void)closedir(tasks);
	(void)snprintf(path, sizeof path, "/proc/%d/status", pid);
	status = fopen(path, "re");
	while (status != NULL && fgets(line, sizeof line, status) != NULL)
		if (strncmp(line, "RssAnon:", 8) == 0)
			u.anon_kib = strtoull(line + 8, NULL, 10);
	if (status != NULL)
		(void)fclose(status);
	return u;
}

struct usage
load_usage_since(int pid, struct usage before)
{
	struct usage u = load_usage(pid);

	u.main_ns -= before.main_ns;
	u.io_ns -= before.io_ns;
	u.rest_ns -= before.rest_ns;
	return u;
}
