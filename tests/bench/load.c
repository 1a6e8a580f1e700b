/* load: beginning, waiting and end of what bench_load talks through. */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "base/fs.h"
#include "load_node.h"

#define SOCKETS_MAX 16384
#define EVENTS_MAX 256
#define LOOK_EVERY_NS 1000000000ull

void
load_begin(struct load *l, const char *folder)
{
	struct buf text = BUF_INIT(KW_AGREEMENT_MAX);
	char path[512];
	struct kw_why why;

	memset(l, 0, sizeof *l);
	l->folder = folder;
	load_sleep_sharply();
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
