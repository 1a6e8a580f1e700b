/*
 * net: libzmq's sockets, played. The gate is the broker's own, and so are the messages' memory and its life (zmq_msg_init_size, _copy, _move,
 * _close); what is missing is threads, TCP and CURVE.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "../load_base.h"
#include "broker/net/zap.h"
#include "counted.h"

#define PEERS_MAX 256u
#define COME_MAX 2048u
#define SENT_MAX 8192u
#define CONTROLS_MAX (4u << 20)          /* bytes, of all controls that were sent */
#define ROUTING_LEN 5u

struct come { uint32_t peer; zmq_msg_t parts[2]; int count; };
struct sent { struct net_sent said; zmq_msg_t frame; };

static struct {
	char users[PEERS_MAX][ZAP_USER_LEN + 1];
	uint32_t peers;
	struct come come[COME_MAX];
	uint32_t come_first, come_count;
	int part;                        /* of the first that came: 0 is its routing id */
	struct sent *sent;
	uint32_t sent_count;
	int sending;                     /* parts of a message that is not whole yet */
	uint8_t controls[CONTROLS_MAX];
	size_t controls_len;
} net;

uint32_t
net_peer(const uint8_t curve_pk[KW_KEY_LEN])
{
	char *user = net.users[net.peers];

	if (net.peers == PEERS_MAX)
		load_fail("too many peers");
	user[0] = 'n';
	(void)sodium_bin2hex(user + 1, ZAP_USER_LEN, curve_pk, KW_KEY_LEN);
	return net.peers++;
}

static void
fill(zmq_msg_t *m, struct span s)
{
	if (zmq_msg_init_size(m, s.len) != 0)
		load_fail("out of memory");
	memcpy(zmq_msg_data(m), s.p, s.len);
}

void
net_come(uint32_t peer, struct span control, struct span frame)
{
	struct come *c = &net.come[net.come_count++];

	if (net.come_count > COME_MAX)
		load_fail("too much waits at the socket");
	*c = (struct come){.peer = peer, .count = frame.len > 0 ? 2 : 1};
	fill(&c->parts[0], control);
	if (frame.len > 0)
		fill(&c->parts[1], frame);
}

const struct net_sent *
net_sent(uint32_t i)
{
	return i < net.sent_count ? &net.sent[i].said : NULL;
}

void
net_forget(void)
{
	for (uint32_t i = 0; i < net.sent_count; i++)
		(void)zmq_msg_close(&net.sent[i].frame);
	net.sent_count = 0;
	net.controls_len = 0;
}

/* ---- receiving ---- */

int
zmq_msg_recv(zmq_msg_t *msg, void *socket, int flags)
{
	struct come *c = &net.come[net.come_first];
	uint8_t id[ROUTING_LEN] = {0};

	(void)socket;
	(void)flags;
	if (net.come_first == net.come_count) {
		net.come_first = net.come_count = 0;
		errno = EAGAIN;
		return -1;
	}
	if (net.part == 0) {
		be32_put(id + 1, c->peer + 1);
		(void)zmq_msg_close(msg);
		fill(msg, span_of(id, sizeof id));
	} else {
		(void)zmq_msg_move(msg, &c->parts[net.part - 1]);
	}
	if (net.part++ == c->count) {
		net.part = 0;
		net.come_first++;
	}
	return (int)zmq_msg_size(msg);
}

int
zmq_msg_more(const zmq_msg_t *msg)
{
	(void)msg;
	return net.part != 0;
}

const char *
zmq_msg_gets(const zmq_msg_t *msg, const char *property)
{
	(void)msg; /* asked of a message's last part, which is the last that was taken */
	return strcmp(property, "User-Id") == 0 ? net.users[net.come[net.come_first - 1].peer] : "127.0.0.1";
}

int
zmq_msg_get(const zmq_msg_t *msg, int property)
{
	(void)msg;
	return property == ZMQ_SRCFD ? 100 + (int)net.come[net.come_first - 1].peer : 0;
}

int
zmq_recv(void *socket, void *buf, size_t len, int flags)
{
	(void)socket;
	(void)buf;
	(void)len;
	(void)flags;
	errno = EAGAIN;
	return -1;
}

/* ---- sending ---- */

static void
sent_whole(void)
{
	net.sending = 0;
	net.sent_count++;
}

int
zmq_send(void *socket, const void *buf, size_t len, int flags)
{
	struct sent *s = &net.sent[net.sent_count];

	(void)socket;
	if (net.sent_count == SENT_MAX || len > CONTROLS_MAX - net.controls_len)
		load_fail("too much was sent");
	if (net.sending++ == 0) {
		s->said = (struct net_sent){.peer = be32_get((const uint8_t *)buf + 1) - 1};
		(void)zmq_msg_init(&s->frame);
		return (int)len;
	}
	s->said.control = span_of(net.controls + net.controls_len, len);
	memcpy(net.controls + net.controls_len, buf, len);
	net.controls_len += len;
	if ((flags & ZMQ_SNDMORE) == 0)
		sent_whole();
	return (int)len;
}

int
zmq_msg_send(zmq_msg_t *msg, void *socket, int flags)
{
	struct sent *s = &net.sent[net.sent_count];

	(void)socket;
	(void)flags;
	(void)zmq_msg_move(&s->frame, msg);
	s->said.frame = span_of(zmq_msg_data(&s->frame), zmq_msg_size(&s->frame));
	sent_whole();
	return (int)s->said.frame.len;
}

/* ---- sockets ---- */

void *
zmq_socket(void *context, int type)
{
	(void)context;
	(void)type;
	if (net.sent == NULL)
		net.sent = load_memory(SENT_MAX, sizeof *net.sent);
	return &net;
}

int zmq_close(void *socket) { (void)socket; return 0; }
int zmq_bind(void *socket, const char *endpoint) { (void)socket; (void)endpoint; return 0; }
int zmq_unbind(void *socket, const char *endpoint) { (void)socket; (void)endpoint; return 0; }
int zmq_connect(void *socket, const char *endpoint) { (void)socket; (void)endpoint; return 0; }
int zmq_socket_monitor(void *socket, const char *endpoint, int events) { (void)socket; (void)endpoint; (void)events; return 0; }
int zmq_setsockopt(void *socket, int option, const void *value, size_t len) { (void)socket; (void)option; (void)value; (void)len; return 0; }

/* The gate looks whether what keeps strangers out took: here nobody comes in but those of net_peer. */
int
zmq_getsockopt(void *socket, int option, void *value, size_t *len)
{
	int number = option == ZMQ_MECHANISM ? ZMQ_CURVE : 1;

	(void)socket;
	if (option == ZMQ_ZAP_DOMAIN || option == ZMQ_LAST_ENDPOINT) {
		(void)snprintf(value, *len, "%s", option == ZMQ_ZAP_DOMAIN ? ZAP_DOMAIN : "tcp://127.0.0.1:7411");
		return 0;
	}
	memcpy(value, &number, sizeof number);
	return 0;
}
