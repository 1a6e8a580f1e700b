/* gate_listen: bind, unbind, and how many descriptors are in use. */
#include "broker/net/gate_listen.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

#include "base/log.h"

#define RESERVE 64 /* for the operator's connections, for what is opened now and then, and for those that come while we look */

static void
count_descriptors(struct gate_listen *l)
{
	struct rlimit files;
	int limit = INT_MAX, reserve = RESERVE;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < INT_MAX)
		limit = (int)files.rlim_cur;
	if (reserve > limit / 4)
		reserve = limit / 4;
	l->most = limit - reserve;
	l->resume = limit - 2 * reserve;
}

/* The lowest free number: the system gives them out from below, so about as many are in use. */
static int
descriptors_in_use(void)
{
	int fd = dup(STDERR_FILENO);

	if (fd == -1)
		return errno == EMFILE ? INT_MAX : 0;
	(void)close(fd);
	return fd;
}

static enum kw_err
refuse(const char *endpoint, struct kw_why *why)
{
	if (errno == EADDRINUSE)
		return kw_refuse(why, KW_EEXISTS, "listen: %s is taken by another program; choose another port or stop that program", endpoint);
	if (errno == EINVAL || errno == EPROTONOSUPPORT || errno == ENODEV)
		return kw_refuse(why, KW_EINVAL, "listen: \"%s\" is no address to listen on; write tcp://*:7411 or tcp://192.0.2.1:7411", endpoint);
	return kw_refuse(why, KW_EIO, "listen: %s: %s", endpoint, zmq_strerror(errno));
}

enum kw_err
gate_listen_open(struct gate_listen *l, void *socket, const char *const *endpoints, uint32_t count, struct kw_why *why)
{
	memset(l, 0, sizeof *l);
	l->socket = socket;
	count_descriptors(l);
	if (count > GATE_LISTEN_MAX)
		return kw_refuse(why, KW_EINVAL, "listen: %u addresses, at most %d are possible", count, GATE_LISTEN_MAX);
	for (uint32_t i = 0; i < count; i++) {
		size_t size = sizeof l->at[i];

		if (zmq_bind(socket, endpoints[i]) != 0 || zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, l->at[i], &size) != 0)
			return refuse(endpoints[i], why);
		l->bound[i] = true;
	}
	l->count = count;
	l->open = true;
	return KW_OK;
}

static void
stop_listening(struct gate_listen *l)
{
	for (uint32_t i = 0; i < l->count; i++)
		if (l->bound[i] && zmq_unbind(l->socket, l->at[i]) == 0)
			l->bound[i] = false;
	l->open = false;
	log_event(LOG_WARNING, "gate.few_descriptors", "in_use_max=%d what=\"no further connections until some of them end; raise LimitNOFILE, or look who opens so many\"",
	          l->most);
}

/* The listener before goes in libzmq's own time: what is still taken is tried again. */
static void
listen_again(struct gate_listen *l)
{
	l->open = true;
	for (uint32_t i = 0; i < l->count; i++) {
		if (!l->bound[i])
			l->bound[i] = zmq_bind(l->socket, l->at[i]) == 0;
		l->open = l->open && l->bound[i];
	}
	if (l->open)
		log_event(LOG_NOTICE, "gate.listens_again", "addresses=%u", l->count);
}

void
gate_listen_look(struct gate_listen *l)
{
	int in_use = descriptors_in_use();

	if (l->open && in_use >= l->most)
		stop_listening(l);
	else if (!l->open && in_use < l->resume)
		listen_again(l);
}

bool
gate_listen_is_open(const struct gate_listen *l)
{
	return l->open;
}
