/* rival_net: TLS and waiting. */
#include "rival_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "load_base.h"

#define HOST "127.0.0.1"
#define EVENTS_MAX 256
#define READ_BYTES 16384u               /* one TLS record */
#define TAKE_BYTES (1u << 20)           /* of one connection in one go; then the others have their turn */
#define PATIENCE_S 30                   /* for a connection and its TLS */
#define GREETING_MAX 4096u

struct link {
	struct rival r;                 /* first: a rival of ours is its link */
	int fd;
	SSL *ssl;
	struct buf in;
	size_t sent;                    /* of r.out */
	bool blocked;                   /* what is in r.out waits for room */
};

struct rival_net {
	SSL_CTX *tls;
	int epoll;
	uint32_t count;
};

/* OpenSSL's own word for it, and only the first: what follows are its consequences. */
static _Noreturn void
fail_tls(const struct link *l, const char *what)
{
	unsigned long code = ERR_get_error();

	load_fail("%s: %s: %s", l->r.protocol->name, what, code != 0 ? ERR_reason_error_string(code) : errno != 0 ? strerror(errno) : "the server closed");
}

static struct link *
link_of(struct rival *r)
{
	return (struct link *)r;
}

struct rival_net *
rival_net_new(const char *certificate)
{
	struct rival_net *net = load_memory(1, sizeof *net);

	net->tls = SSL_CTX_new(TLS_client_method());
	net->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (net->tls == NULL || net->epoll < 0)
		load_fail("TLS cannot be initialised");
	if (SSL_CTX_set_min_proto_version(net->tls, TLS1_3_VERSION) != 1) /* the same for all */
		load_fail("this OpenSSL has no TLS 1.3");
	if (SSL_CTX_load_verify_locations(net->tls, certificate, NULL) != 1)
		load_fail("%s holds no certificate", certificate);
	SSL_CTX_set_verify(net->tls, SSL_VERIFY_PEER, NULL);
	(void)SSL_CTX_set_mode(net->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	load_sleep_sharply();
	return net;
}

void
rival_net_free(struct rival_net **net)
{
	MUST((*net)->count == 0);
	SSL_CTX_free((*net)->tls);
	(void)close((*net)->epoll);
	free(*net);
	*net = NULL;
}

/* ---- connecting ---- */

static void
connect_tcp(struct link *l, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct timeval patience = {PATIENCE_S, 0};
	int yes = 1;

	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || inet_pton(AF_INET, HOST, &to.sin_addr) != 1 || setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0 ||
	    setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
	    setsockopt(l->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 || connect(l->fd, (const struct sockaddr *)&to, sizeof to) != 0)
		load_fail("%s cannot be reached on port %u: %s", l->r.protocol->name, port, strerror(errno));
}

/* One line, byte by byte: what stands behind it is TLS already. */
static void
take_greeting(struct link *l)
{
	char line[GREETING_MAX];
	size_t len = 0;

	while (len < sizeof line && recv(l->fd, line + len, 1, 0) == 1)
		if (line[len++] == '\n')
			return;
	load_fail("%s did not say what it says first", l->r.protocol->name);
}

static void
connect_tls(struct link *l, SSL_CTX *tls)
{
	l->ssl = SSL_new(tls);
	if (l->ssl == NULL || SSL_set_fd(l->ssl, l->fd) != 1 || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(l->ssl), HOST) != 1)
		load_fail("out of memory");
	errno = 0;
	ERR_clear_error();
	if (SSL_connect(l->ssl) != 1)
		fail_tls(l, "no TLS");
	if (fcntl(l->fd, F_SETFL, O_NONBLOCK) != 0)
		load_fail("fcntl: %s", strerror(errno));
}

struct rival *
rival_net_open(struct rival_net *net, const struct rival_protocol *p, uint16_t port, enum rival_role role, const char *run, const char *name,
               struct rival_handler on)
{
	struct link *l = load_memory(1, sizeof *l);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = l};

	rival_init(&l->r, p, role, run, name, on);
	l->in = BUF_INIT(SIZE_MAX);
	connect_tcp(l, port);
	if (p->greeted)
		take_greeting(l);
	connect_tls(l, net->tls);
	if (epoll_ctl(net->epoll, EPOLL_CTL_ADD, l->fd, &event) != 0)
		load_fail("epoll: %s", strerror(errno));
	net->count++;
	p->begin(&l->r);
	rival_net_send(net, &l->r);
	return &l->r;
}

void
rival_net_close(struct rival_net *net, struct rival **r)
{
	struct link *l = *r != NULL ? link_of(*r) : NULL;

	if (l == NULL)
		return;
	(void)SSL_shutdown(l->ssl);
	SSL_free(l->ssl);
	(void)close(l->fd);
	buf_free(&l->in);
	rival_free(&l->r);
	free(l);
	net->count--;
	*r = NULL;
}

/* ---- bytes ---- */

static void
want_room(struct rival_net *net, struct link *l, bool room)
{
	struct epoll_event event = {.events = EPOLLIN | (room ? (uint32_t)EPOLLOUT : 0u), .data.ptr = l};

	if (l->blocked == room)
		return;
	l->blocked = room;
	if (epoll_ctl(net->epoll, EPOLL_CTL_MOD, l->fd, &event) != 0)
		load_fail("epoll: %s", strerror(errno));
}

void
rival_net_send(struct rival_net *net, struct rival *r)
{
	struct link *l = link_of(r);

	if (!buf_ok(&r->out))
		load_fail("out of memory");
	while (l->sent < r->out.len) {
		size_t n;

		errno = 0;
		ERR_clear_error();
		if (SSL_write_ex(l->ssl, r->out.p + l->sent, r->out.len - l->sent, &n) != 1) {
			if (SSL_get_error(l->ssl, 0) != SSL_ERROR_WANT_WRITE)
				fail_tls(l, "cannot be written to");
			want_room(net, l, true);
			return;
		}
		l->sent += n;
	}
	buf_reset(&r->out);
	l->sent = 0;
	want_room(net, l, false);
}

static void
fill(struct link *l)
{
	size_t n, before = l->in.len;

	while (l->in.len - before < TAKE_BYTES) {
		uint8_t *room = buf_reserve(&l->in, READ_BYTES);

		if (room == NULL)
			load_fail("out of memory");
		errno = 0;
		ERR_clear_error();
		if (SSL_read_ex(l->ssl, room, READ_BYTES, &n) != 1) {
			if (SSL_get_error(l->ssl, 0) != SSL_ERROR_WANT_READ)
				fail_tls(l, "cannot be read from");
			return;
		}
		buf_commit(&l->in, n);
	}
}

/* true: there may be more, which epoll would not tell of, since TLS has it already. */
static bool
take(struct rival_net *net, struct link *l)
{
	size_t before = l->in.len, used;
	struct kw_why why;
	bool more;

	fill(l);
	more = l->in.len - before >= TAKE_BYTES;
	load_must(rival_take(&l->r, buf_span(&l->in), &used, &why), &why);
	if (used > 0 && used < l->in.len)
		memmove(l->in.p, l->in.p + used, l->in.len - used);
	l->in.len -= used;
	rival_net_send(net, &l->r);
	return more;
}

void
rival_net_turn(struct rival_net *net, uint64_t until_ns, uint64_t deadline_ns)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t now = load_ns(), end = until_ns < deadline_ns ? until_ns : deadline_ns, wait = end <= now ? 0 : end - now;
	struct timespec t = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
	int n;

	if (now >= deadline_ns)
		load_fail("the run was not over in time: something was lost, or this machine is very slow");
	n = epoll_pwait2(net->epoll, events, EVENTS_MAX, &t, NULL);
	if (n < 0 && errno != EINTR)
		load_fail("waiting: %s", strerror(errno));
	for (int i = 0; i < n; i++)
		while (take(net, events[i].data.ptr))
			continue;
}
