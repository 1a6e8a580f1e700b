/* gate_listen: bind, unbind, and how many descriptors are in use. */
#include "broker/net/gate_listen.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "base/log.h"
#include "base/text.h"

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
		return kw_refuse(why, KW_EEXISTS, "listen: %s is taken by another program; choose another port or stop that program (\"ss -ltnp\" shows it)", endpoint);
	if (errno == EINVAL || errno == EPROTONOSUPPORT || errno == ENODEV)
		return kw_refuse(why, KW_EINVAL, "listen: \"%s\" is no address to listen on; write tcp://*:7411 or tcp://192.0.2.1:7411", endpoint);
	if (errno == EADDRNOTAVAIL)
		return kw_refuse(why, KW_EIO, "listen: %s is no address of this machine; \"ip address\" shows those that are, tcp://*:7411 is all of them", endpoint);
	if (errno == EACCES)
		return kw_refuse(why, KW_EDENIED, "listen: the port of %s is for root alone; choose one from 1024 on", endpoint);
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

static bool
is_port(const char *text)
{
	uint64_t port;

	return strcmp(text, "*") == 0 || text_u64(&port, text, 0, UINT16_MAX, "", NULL) == KW_OK;
}

/* As libzmq takes it with IPv6: "*" is every address of both kinds. *list is for freeaddrinfo; KW_ENOTFOUND: nothing in numbers; KW_EINVAL: no port. */
static enum kw_err
addresses_of(struct addrinfo **list, const char *endpoint)
{
	const struct addrinfo want = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	const char *at = endpoint + strlen("tcp://"), *colon = strrchr(at, ':');
	char host[128];

	if (colon == NULL || colon == at || !is_port(colon + 1))
		return KW_EINVAL;
	if (strcmp(colon + 1, "*") == 0 || strcmp(colon + 1, "0") == 0)
		return KW_ENOTFOUND;
	if (at[0] == '[' && colon[-1] == ']')
		(void)snprintf(host, sizeof host, "%.*s", (int)(colon - at - 2), at + 1);
	else
		(void)snprintf(host, sizeof host, "%.*s", (int)(colon - at), at);
	return getaddrinfo(strcmp(host, "*") == 0 ? "::" : host, colon + 1, &want, list) == 0 ? KW_OK : KW_ENOTFOUND;
}

enum kw_err
gate_listen_check(const char *endpoint, struct kw_why *why)
{
	struct addrinfo *list;
	enum kw_err err = strncmp(endpoint, "tcp://", 6) == 0 ? addresses_of(&list, endpoint) : KW_EINVAL;
	int fd, on = 1;

	errno = EINVAL;
	if (err != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : refuse(endpoint, why);
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 && bind(fd, list->ai_addr, list->ai_addrlen) != 0)
		err = refuse(endpoint, why);
	if (fd >= 0)
		(void)close(fd);
	freeaddrinfo(list);
	return err;
}

static void
stop_listening(struct gate_listen *l)
{
	for (uint32_t i = 0; i < l->count; i++)
		if (l->bound[i] && zmq_unbind(l->socket, l->at[i]) == 0)
			l->bound[i] = false;
	l->open = false;
	log_event(LOG_ERROR, "gate.few_descriptors", "in_use_max=%d what=\"no further connections until some of them end; raise LimitNOFILE, or look who opens so many\"",
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
