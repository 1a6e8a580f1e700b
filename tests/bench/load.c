/* load: time, waiting, what a process costs, and giving up. */
#include "load.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "base/fs.h"
#include "load_node.h"

#define SOCKETS_MAX 4096
#define EVENTS_MAX 256
#define LOOK_EVERY_NS 1000000000ull

void
load_fail(const char *fmt, ...)
{
	va_list args;

	(void)fprintf(stderr, "bench_load: ");
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
load_begin(struct load *l, const char *folder)
{
	struct buf text = BUF_INIT(KW_AGREEMENT_MAX);
	char path[512];
	struct kw_why why;

	memset(l, 0, sizeof *l);
	l->folder = folder;
	(void)prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul); /* paced sends shall leave when they are due */
	(void)snprintf(path, sizeof path, "%s/agreement.yaml", folder);
	load_must(fs_read(&text, path, &why), &why);
	load_must(agreement_parse(&l->agreement, buf_span(&text), NULL, &why), &why);
	buf_free(&text);
	l->nodes = load_memory(SOCKETS_MAX, sizeof(struct load_node *));
	l->zmq = zmq_ctx_new();
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->zmq == NULL || l->epoll < 0 || zmq_ctx_set(l->zmq, ZMQ_MAX_SOCKETS, SOCKETS_MAX) != 0)
		load_fail("ZeroMQ does not start: %s", zmq_strerror(errno));
}

void
load_end(struct load *l)
{
	MUST(l->node_count == 0);
	(void)zmq_ctx_term(l->zmq);
	(void)close(l->epoll);
	agreement_free(&l->agreement);
	free(l->nodes);
}

static void
look_after(struct load *l, uint64_t now)
{
	if (now - l->looked_ns < LOOK_EVERY_NS)
		return;
	l->looked_ns = now;
	for (uint32_t i = 0; i < l->node_count; i++)
		load_node_beat(l->nodes[i], now);
}

void
load_turn(struct load *l, uint64_t until_ns, uint64_t deadline_ns)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t now = load_ns(), wait;
	struct timespec t;
	int n;

	if (now >= deadline_ns)
		load_fail("the run was not over in time: something was lost, or this machine is very slow");
	look_after(l, now);
	wait = until_ns <= now ? 0 : until_ns - now < LOOK_EVERY_NS ? until_ns - now : LOOK_EVERY_NS;
	t = (struct timespec){(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
	n = epoll_pwait2(l->epoll, events, EVENTS_MAX, &t, NULL);
	if (n < 0 && errno != EINTR)
		load_fail("waiting: %s", strerror(errno));
	for (int i = 0; i < n; i++)
		load_node_take(events[i].data.ptr);
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
