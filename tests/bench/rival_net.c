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
#include <time.h>
#include <unistd.h>

#include "load_base.h"

#define HOST "127.0.0.1"
#define EVENTS_MAX 256
#define READ_BYTES 16384u               /* one TLS record */
#define TAKE_BYTES (128u << 10)         /* of one connection in one go; then the others have their turn */

enum step { AWAY, CONNECTING, GREETING, SHAKING_HANDS, TALKING };

struct link {
	struct rival r;                 /* first: a rival of ours is its link */
	enum step step;
	bool returning;                 /* what it made on the server is still there */
	int fd;
	SSL *ssl;
	struct buf in;
	size_t sent;                    /* of r.out */
	bool blocked;                   /* what is in r.out waits for room; or the connection is not there yet */
	bool more;                      /* was not read to its end, which epoll would not tell of, since TLS has it already */
	struct link *next_more;
};

struct rival_net {
	SSL_CTX *tls;
	int epoll;
	uint32_t count;
	struct link *more;              /* those with more, newest first */
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
	while (l->step == TALKING && l->sent < r->out.len) {
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
	if (l->step != TALKING)
		return;
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

static void
take(struct rival_net *net, struct link *l)
{
	size_t before = l->in.len, used;
	struct kw_why why;

	fill(l);
	if (l->in.len - before >= TAKE_BYTES && !l->more) {
		l->more = true;
		l->next_more = net->more;
		net->more = l;
	}
	load_must(rival_take(&l->r, buf_span(&l->in), &used, &why), &why);
	if (used > 0 && used < l->in.len)
		memmove(l->in.p, l->in.p + used, l->in.len - used);
	l->in.len -= used;
	rival_net_send(net, &l->r);
}

static void
take_more(struct rival_net *net)
{
	struct link *l = net->more, *next;

	net->more = NULL;
	for (; l != NULL; l = next) {
		next = l->next_more;
		l->more = false;
		take(net, l);
	}
}

static void
forget_more(struct rival_net *net, struct link *l)
{
	struct link **at = &net->more;

	if (!l->more)
		return;
	while (*at != l)
		at = &(*at)->next_more;
	*at = l->next_more;
	l->more = false;
}

/* ---- connecting ---- */

static void
connect_tcp(struct rival_net *net, struct link *l, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = l};
	int yes = 1;

	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0 || inet_pton(AF_INET, HOST, &to.sin_addr) != 1 || setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0 ||
	    (connect(l->fd, (const struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS))
		load_fail("%s cannot be reached on port %u: %s", l->r.protocol->name, port, strerror(errno));
	if (epoll_ctl(net->epoll, EPOLL_CTL_ADD, l->fd, &event) != 0)
		load_fail("epoll: %s", strerror(errno));
	l->blocked = true;
	l->step = CONNECTING;
}

static void
must_be_connected(const struct link *l)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0)
		load_fail("%s cannot be reached: %s", l->r.protocol->name, strerror(error));
}

/* One line, byte by byte: what stands behind it is TLS already. false: its end is not there yet. */
static bool
take_greeting(struct link *l)
{
	uint8_t byte;
	ssize_t n;

	while ((n = recv(l->fd, &byte, 1, 0)) == 1) {
		if (byte == '\n')
			return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		load_fail("%s did not say what it says first", l->r.protocol->name);
	return false;
}

static void
begin_tls(struct link *l, SSL_CTX *tls)
{
	l->ssl = SSL_new(tls);
	if (l->ssl == NULL || SSL_set_fd(l->ssl, l->fd) != 1 || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(l->ssl), HOST) != 1)
		load_fail("out of memory");
}

/* false: the server's next words are not there yet. */
static bool
shake_hands(struct rival_net *net, struct link *l)
{
	int error;

	errno = 0;
	ERR_clear_error();
	if (SSL_connect(l->ssl) == 1)
		return true;
	error = SSL_get_error(l->ssl, 0);
	if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
		fail_tls(l, "no TLS");
	want_room(net, l, error == SSL_ERROR_WANT_WRITE);
	return false;
}

/* As far towards the first words as it goes now. */
static void
go_on(struct rival_net *net, struct link *l)
{
	if (l->step == CONNECTING) {
		must_be_connected(l);
		want_room(net, l, false);
		l->step = GREETING;
	}
	if (l->step == GREETING) {
		if (l->r.protocol->greeted && !take_greeting(l))
			return;
		begin_tls(l, net->tls);
		l->step = SHAKING_HANDS;
	}
	if (!shake_hands(net, l))
		return;
	l->step = TALKING;
	(l->returning ? l->r.protocol->again : l->r.protocol->begin)(&l->r);
	rival_net_send(net, &l->r);
}

struct rival *
rival_net_open(struct rival_net *net, const struct rival_protocol *p, uint16_t port, enum rival_role role, const char *run, const char *name,
               struct rival_handler on)
{
	struct link *l = load_memory(1, sizeof *l);

	rival_init(&l->r, p, role, run, name, on);
	l->in = BUF_INIT(SIZE_MAX);
	net->count++;
	connect_tcp(net, l, port);
	return &l->r;
}

void
rival_net_leave(struct rival_net *net, struct rival *r)
{
	struct link *l = link_of(r);

	if (l->step == AWAY)
		return;
	forget_more(net, l);
	if (l->step == TALKING)
		(void)SSL_shutdown(l->ssl);
	SSL_free(l->ssl);
	(void)close(l->fd);
	l->ssl = NULL;
	l->step = AWAY;
	l->sent = 0;
	buf_reset(&l->in);
	buf_reset(&r->out);
	r->ready = false;
}

void
rival_net_return(struct rival_net *net, struct rival *r, uint16_t port)
{
	struct link *l = link_of(r);

	MUST(l->step == AWAY);
	l->returning = true;
	connect_tcp(net, l, port);
}

void
rival_net_close(struct rival_net *net, struct rival **r)
{
	struct link *l = *r != NULL ? link_of(*r) : NULL;

	if (l == NULL)
		return;
	rival_net_leave(net, *r);
	buf_free(&l->in);
	rival_free(&l->r);
	free(l);
	net->count--;
	*r = NULL;
}

/* ---- waiting ---- */

void
rival_net_turn(struct rival_net *net, uint64_t until_ns, uint64_t deadline_ns)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t now = load_ns(), end = until_ns < deadline_ns ? until_ns : deadline_ns, wait = end <= now || net->more != NULL ? 0 : end - now;
	struct timespec t = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
	int n;

	if (now >= deadline_ns)
		load_fail("the run was not over in time: something was lost, or this machine is very slow");
	n = epoll_pwait2(net->epoll, events, EVENTS_MAX, &t, NULL);
	if (n < 0 && errno != EINTR)
		load_fail("waiting: %s", strerror(errno));
	for (int i = 0; i < n; i++)
		(((struct link *)events[i].data.ptr)->step == TALKING ? take : go_on)(net, events[i].data.ptr);
	take_more(net);
}
