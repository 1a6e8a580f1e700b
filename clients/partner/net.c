/* net: sockets, options, monitor events. */
#include "clients/partner/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/log.h"
#include "proto/limits.h"

#define LINGER_MS 500
#define NO_RECONNECT_MS (24 * 3600 * 1000) /* every attempt is a socket of its own, closed long before */

struct net {
	void *context;
	void *socket;
	void *monitor;
	uint64_t attempts;
	bool greeted;      /* TCP stands: what fails now is the handshake */
	bool connected;
	zmq_msg_t frames[2];
	bool held;         /* frames are initialised */
};

enum kw_err
net_new(struct net **out, struct kw_why *why)
{
	struct net *n = calloc(1, sizeof *n);

	if (n == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the connection");
	n->context = zmq_ctx_new();
	if (n->context == NULL) {
		free(n);
		return kw_refuse(why, KW_EIO, "ZeroMQ cannot start: %s", zmq_strerror(errno));
	}
	*out = n;
	return KW_OK;
}

static void
drop_frames(struct net *n)
{
	if (!n->held)
		return;
	(void)zmq_msg_close(&n->frames[0]);
	(void)zmq_msg_close(&n->frames[1]);
	n->held = false;
}

void
net_close(struct net *n)
{
	drop_frames(n);
	if (n->socket != NULL)
		(void)zmq_socket_monitor(n->socket, NULL, 0);
	if (n->monitor != NULL)
		(void)zmq_close(n->monitor);
	if (n->socket != NULL)
		(void)zmq_close(n->socket);
	n->socket = n->monitor = NULL;
	n->greeted = n->connected = false;
}

void
net_free(struct net **n)
{
	if (n == NULL || *n == NULL)
		return;
	net_close(*n);
	(void)zmq_ctx_term((*n)->context);
	free(*n);
	*n = NULL;
}

static int
set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof value);
}

/*
 * A finite RCVHWM lets a reset abort the process, heartbeats too; signs of life are messages of our own. So do ZMQ_IMMEDIATE, and a
 * RECONNECT_IVL of -1, when a connection is lost while what came by it is read: libzmq 4.3.4 then takes the rest away between two frames.
 */
static int
set_options(void *s, const uint8_t broker_pk[KW_KEY_LEN], const struct secret_keys *keys)
{
	int64_t most = KW_MESSAGE_MAX;

	return set_int(s, ZMQ_RCVHWM, 0) | set_int(s, ZMQ_SNDHWM, 4096) | set_int(s, ZMQ_LINGER, LINGER_MS) |
	       set_int(s, ZMQ_RECONNECT_IVL, NO_RECONNECT_MS) | set_int(s, ZMQ_HANDSHAKE_IVL, 5000) | set_int(s, ZMQ_CONNECT_TIMEOUT, 8000) |
	       set_int(s, ZMQ_TCP_KEEPALIVE, 1) | set_int(s, ZMQ_TCP_KEEPALIVE_IDLE, 30) | set_int(s, ZMQ_TCP_KEEPALIVE_INTVL, 10) |
	       set_int(s, ZMQ_TCP_KEEPALIVE_CNT, 3) | set_int(s, ZMQ_TCP_MAXRT, 30000) | set_int(s, ZMQ_IPV6, 1) |
	       zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &most, sizeof most) | zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, broker_pk, KW_KEY_LEN) |
	       zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, secret_keys_public(keys)->curve_pk, KW_KEY_LEN) |
	       zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, secret_keys_curve(keys), KW_KEY_LEN);
}

static enum kw_err
open_monitor(struct net *n, struct kw_why *why)
{
	char name[64];

	(void)snprintf(name, sizeof name, "inproc://link-%llu", (unsigned long long)++n->attempts);
	/*
	 * Never ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: libzmq sends it also for one altered byte in a message, and sending it overwrites the
	 * errno by which libzmq knows that the connection has to be closed; it then stands unread until the silence is noticed.
	 */
	if (zmq_socket_monitor(n->socket, name, ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_CONNECT_RETRIED |
	                       ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) != 0)
		return kw_refuse(why, KW_EIO, "the connection cannot be watched: %s", zmq_strerror(errno));
	if ((n->monitor = zmq_socket(n->context, ZMQ_PAIR)) == NULL)
		return kw_refuse(why, KW_EIO, "the connection cannot be watched: %s", zmq_strerror(errno));
	(void)set_int(n->monitor, ZMQ_LINGER, 0);
	if (zmq_connect(n->monitor, name) != 0)
		return kw_refuse(why, KW_EIO, "the connection cannot be watched: %s", zmq_strerror(errno));
	return KW_OK;
}

enum kw_err
net_open(struct net *n, const char *endpoint, const uint8_t broker_pk[KW_KEY_LEN], const struct secret_keys *keys, struct kw_why *why)
{
	enum kw_err err = KW_EIO;

	net_close(n);
	if ((n->socket = zmq_socket(n->context, ZMQ_DEALER)) == NULL)
		return kw_refuse(why, KW_EIO, "no socket: %s", zmq_strerror(errno));
	if (set_options(n->socket, broker_pk, keys) != 0) {
		err = kw_refuse(why, KW_EIO, "a socket option is refused: %s", zmq_strerror(errno));
		goto close_all;
	}
	if ((err = open_monitor(n, why)) != KW_OK)
		goto close_all;
	if (zmq_connect(n->socket, endpoint) != 0) {
		err = kw_refuse(why, KW_EINVAL, "the endpoint %.200s cannot be used: %s", endpoint, zmq_strerror(errno));
		goto close_all;
	}
	return KW_OK;
close_all:
	net_close(n);
	return err;
}

void *
net_socket(struct net *n)
{
	return n->socket;
}

void *
net_monitor(struct net *n)
{
	return n->monitor;
}

void *
net_context(struct net *n)
{
	return n->context;
}

/* A monitor's message: 16-bit event and 32-bit value in the machine's order, then a frame with the address. */
static bool
next_raw(struct net *n, uint16_t *event, uint32_t *value)
{
	zmq_msg_t msg;
	bool fine;

	(void)zmq_msg_init(&msg);
	if (zmq_msg_recv(&msg, n->monitor, ZMQ_DONTWAIT) < 0) {
		(void)zmq_msg_close(&msg);
		return false;
	}
	fine = zmq_msg_size(&msg) == 6;
	if (fine) {
		memcpy(event, zmq_msg_data(&msg), 2);
		memcpy(value, (const uint8_t *)zmq_msg_data(&msg) + 2, 4);
	}
	while (zmq_msg_more(&msg) && zmq_msg_recv(&msg, n->monitor, ZMQ_DONTWAIT) >= 0)
		continue;
	(void)zmq_msg_close(&msg);
	return fine;
}

static enum net_event
meaning(struct net *n, uint16_t event, uint32_t value)
{
	switch (event) {
	case ZMQ_EVENT_CONNECTED:
		n->greeted = true;
		return NET_NOTHING;
	case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
		n->connected = true;
		return NET_CONNECTED;
	case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
		return value >= 400 && value < 500 ? NET_TURNED_AWAY : NET_LOST;
	case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
		return NET_HANDSHAKE;
	default:
		return n->greeted && !n->connected ? NET_HANDSHAKE : NET_LOST;
	}
}

enum net_event
net_event(struct net *n)
{
	uint16_t event;
	uint32_t value;

	while (n->monitor != NULL && next_raw(n, &event, &value)) {
		enum net_event e = meaning(n, event, value);

		if (e != NET_NOTHING)
			return e;
	}
	return NET_NOTHING;
}

enum kw_err
net_send(struct net *n, struct span control, struct span frame)
{
	if (n->socket == NULL)
		return KW_EAGAIN;
	if (zmq_send(n->socket, control.p, control.len, ZMQ_DONTWAIT | (frame.len > 0 ? ZMQ_SNDMORE : 0)) < 0)
		return KW_EAGAIN;
	/* The first frame was taken, so libzmq takes the rest of the message too. */
	if (frame.len > 0 && zmq_send(n->socket, frame.p, frame.len, ZMQ_DONTWAIT) < 0)
		return KW_EIO;
	return KW_OK;
}

enum kw_err
net_receive(struct net_message *out, struct net *n)
{
	int count = 1;

	drop_frames(n);
	if (n->socket == NULL)
		return KW_EAGAIN;
	(void)zmq_msg_init(&n->frames[0]);
	(void)zmq_msg_init(&n->frames[1]);
	n->held = true;
	if (zmq_msg_recv(&n->frames[0], n->socket, ZMQ_DONTWAIT) < 0)
		return KW_EAGAIN;
	memset(out, 0, sizeof *out);
	if (zmq_msg_more(&n->frames[0])) {
		if (zmq_msg_recv(&n->frames[1], n->socket, ZMQ_DONTWAIT) < 0)
			return KW_EIO;
		count = 2;
	}
	while (count == 2 && zmq_msg_more(&n->frames[1])) {
		out->malformed = true;
		if (zmq_msg_recv(&n->frames[1], n->socket, ZMQ_DONTWAIT) < 0)
			return KW_EIO;
	}
	out->control = span_of(zmq_msg_data(&n->frames[0]), zmq_msg_size(&n->frames[0]));
	out->has_frame = count == 2;
	if (out->has_frame)
		out->frame = span_of(zmq_msg_data(&n->frames[1]), zmq_msg_size(&n->frames[1]));
	return KW_OK;
}
