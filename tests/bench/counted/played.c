/*
 * played: libzmq's sockets at the broker, and the node's connection (clients/partner/net.h). The gate is the broker's own, and so are its messages'
 * memory and life (zmq_msg_init_size, _copy, _move, _close); what is missing is threads, TCP and CURVE.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "../load_base.h"
#include "broker/net/zap.h"
#include "clients/partner/net.h"
#include "counted.h"
#include "played.h"

#define PEERS_MAX 256u
#define COME_MAX 2048u
#define SENT_MAX 8192u
#define CONTROLS_MAX (4u << 20)          /* bytes, of all controls that were sent */
#define ROUTING_LEN 5u

struct come { uint32_t peer; zmq_msg_t parts[2]; int count; };
struct sent { struct played_sent said; zmq_msg_t frame; };

struct net { /* a node's connection */
	uint32_t peer;
	bool open, told;                 /* that it is */
	struct queued { struct queued *next; size_t control_len, frame_len; uint8_t bytes[]; } *first, **last;
	struct queued *taken;            /* whose bytes the node looks at */
};

static struct {
	uint8_t keys[PEERS_MAX][KW_KEY_LEN];
	char users[PEERS_MAX][ZAP_USER_LEN + 1];
	struct net *nets[PEERS_MAX];
	uint32_t peers;
	struct come come[COME_MAX];
	uint32_t come_first, come_count;
	int part;                        /* of the first that came: 0 is its routing id */
	struct sent *sent;
	uint32_t sent_count;
	int sending;                     /* parts of a message that is not whole yet */
	uint8_t controls[CONTROLS_MAX];
	size_t controls_len;
} played;

void
played_begin(void)
{
	played.peers = 0;
	memset(played.nets, 0, sizeof played.nets);
}

uint32_t
played_peer(const uint8_t curve_pk[KW_KEY_LEN])
{
	char *user = played.users[played.peers];

	if (played.peers == PEERS_MAX)
		load_fail("too many peers");
	memcpy(played.keys[played.peers], curve_pk, KW_KEY_LEN);
	user[0] = 'n';
	(void)sodium_bin2hex(user + 1, ZAP_USER_LEN, curve_pk, KW_KEY_LEN);
	return played.peers++;
}

static void
fill(zmq_msg_t *m, struct span s)
{
	if (zmq_msg_init_size(m, s.len) != 0)
		load_fail("out of memory");
	memcpy(zmq_msg_data(m), s.p, s.len);
}

void
played_come(uint32_t peer, struct span control, struct span frame)
{
	struct come *c = &played.come[played.come_count++];

	if (played.come_count > COME_MAX)
		load_fail("too much waits at the socket");
	*c = (struct come){.peer = peer, .count = frame.len > 0 ? 2 : 1};
	fill(&c->parts[0], control);
	if (frame.len > 0)
		fill(&c->parts[1], frame);
}

bool
played_waits(void)
{
	return played.come_first < played.come_count;
}

const struct played_sent *
played_sent(uint32_t i)
{
	return i < played.sent_count ? &played.sent[i].said : NULL;
}

void
played_forget(void)
{
	for (uint32_t i = 0; i < played.sent_count; i++)
		(void)zmq_msg_close(&played.sent[i].frame);
	played.sent_count = 0;
	played.controls_len = 0;
}

/* ---- receiving ---- */

int
zmq_msg_recv(zmq_msg_t *msg, void *socket, int flags)
{
	struct come *c = &played.come[played.come_first];
	uint8_t id[ROUTING_LEN] = {0};

	(void)socket;
	(void)flags;
	if (played.come_first == played.come_count) {
		played.come_first = played.come_count = 0;
		errno = EAGAIN;
		return -1;
	}
	if (played.part == 0) {
		be32_put(id + 1, c->peer + 1);
		(void)zmq_msg_close(msg);
		fill(msg, span_of(id, sizeof id));
	} else {
		(void)zmq_msg_move(msg, &c->parts[played.part - 1]);
	}
	if (played.part++ == c->count) {
		played.part = 0;
		played.come_first++;
	}
	return (int)zmq_msg_size(msg);
}

int
zmq_msg_more(const zmq_msg_t *msg)
{
	(void)msg;
	return played.part != 0;
}

const char *
zmq_msg_gets(const zmq_msg_t *msg, const char *property)
{
	(void)msg; /* asked of a message's last part, which is the last that was taken */
	return strcmp(property, "User-Id") == 0 ? played.users[played.come[played.come_first - 1].peer] : "127.0.0.1";
}

int
zmq_msg_get(const zmq_msg_t *msg, int property)
{
	(void)msg;
	return property == ZMQ_SRCFD ? 100 + (int)played.come[played.come_first - 1].peer : 0;
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
	played.sending = 0;
	played.sent_count++;
}

int
zmq_send(void *socket, const void *buf, size_t len, int flags)
{
	struct sent *s = &played.sent[played.sent_count];

	(void)socket;
	if (played.sent_count == SENT_MAX || len > CONTROLS_MAX - played.controls_len)
		load_fail("too much was sent");
	if (played.sending++ == 0) {
		s->said = (struct played_sent){.peer = be32_get((const uint8_t *)buf + 1) - 1};
		(void)zmq_msg_init(&s->frame);
		return (int)len;
	}
	s->said.control = span_of(played.controls + played.controls_len, len);
	memcpy(played.controls + played.controls_len, buf, len);
	played.controls_len += len;
	if ((flags & ZMQ_SNDMORE) == 0)
		sent_whole();
	return (int)len;
}

int
zmq_msg_send(zmq_msg_t *msg, void *socket, int flags)
{
	struct sent *s = &played.sent[played.sent_count];

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
	if (played.sent == NULL)
		played.sent = load_memory(SENT_MAX, sizeof *played.sent);
	return &played;
}

int zmq_close(void *socket) { (void)socket; return 0; }
int zmq_bind(void *socket, const char *endpoint) { (void)socket; (void)endpoint; return 0; }
int zmq_unbind(void *socket, const char *endpoint) { (void)socket; (void)endpoint; return 0; }
int zmq_connect(void *socket, const char *endpoint) { (void)socket; (void)endpoint; return 0; }
int zmq_socket_monitor(void *socket, const char *endpoint, int events) { (void)socket; (void)endpoint; (void)events; return 0; }
int zmq_setsockopt(void *socket, int option, const void *value, size_t len) { (void)socket; (void)option; (void)value; (void)len; return 0; }

/* The gate looks whether what keeps strangers out took: here nobody comes in but those of played_peer. */
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

/* ---- the node's connection ---- */

enum kw_err
net_new(struct net **out, struct kw_why *why)
{
	(void)why;
	*out = load_memory(1, sizeof **out);
	(*out)->last = &(*out)->first;
	return KW_OK;
}

static void
drop_queue(struct net *n)
{
	free(n->taken);
	n->taken = NULL;
	while (n->first != NULL) {
		struct queued *q = n->first;

		n->first = q->next;
		free(q);
	}
	n->last = &n->first;
}

void
net_close(struct net *n)
{
	drop_queue(n);
	if (n->open)
		played.nets[n->peer] = NULL;
	n->open = false;
}

void
net_free(struct net **n)
{
	if (*n == NULL)
		return;
	net_close(*n);
	free(*n);
	*n = NULL;
}

enum kw_err
net_open(struct net *n, const char *endpoint, const uint8_t broker_curve_pk[KW_KEY_LEN], const struct secret_keys *keys, struct kw_why *why)
{
	(void)endpoint;
	(void)broker_curve_pk;
	(void)why;
	net_close(n);
	for (n->peer = 0; memcmp(played.keys[n->peer], secret_keys_public(keys)->curve_pk, KW_KEY_LEN) != 0; n->peer++)
		if (n->peer + 1 == played.peers)
			load_fail("a node has a key that nobody knows");
	n->open = true;
	n->told = false;
	played.nets[n->peer] = n;
	return KW_OK;
}

void *net_socket(struct net *n) { return n->open ? n : NULL; }
void *net_monitor(struct net *n) { return n->open ? n : NULL; }
void *net_context(struct net *n) { return n; }

enum net_event
net_event(struct net *n)
{
	if (!n->open || n->told)
		return NET_NOTHING;
	n->told = true;
	return NET_CONNECTED;
}

/* What is under way costs the node nothing. */
enum kw_err
net_send(struct net *n, struct span control, struct span frame)
{
	bool counts = counted_off();

	played_come(n->peer, control, frame);
	if (counts)
		counted_on();
	return KW_OK;
}

void
played_hand(const struct played_sent *s)
{
	struct net *n = played.nets[s->peer];
	struct queued *q = load_memory(1, sizeof *q + s->control.len + s->frame.len);

	if (n == NULL)
		load_fail("something was sent to a node that is not there");
	q->control_len = s->control.len;
	q->frame_len = s->frame.len;
	memcpy(q->bytes, s->control.p, s->control.len);
	if (s->frame.len > 0)
		memcpy(q->bytes + s->control.len, s->frame.p, s->frame.len);
	*n->last = q;
	n->last = &q->next;
}

enum kw_err
net_receive(struct net_message *out, struct net *n)
{
	bool counts = counted_off();
	struct queued *q = n->first;

	free(n->taken);
	n->taken = q;
	if (q != NULL) {
		n->first = q->next;
		if (n->first == NULL)
			n->last = &n->first;
		*out = (struct net_message){.control = span_of(q->bytes, q->control_len), .frame = span_of(q->bytes + q->control_len, q->frame_len),
		                            .has_frame = q->frame_len > 0};
	}
	if (counts)
		counted_on();
	return q != NULL ? KW_OK : KW_EAGAIN;
}

bool
played_reads(uint32_t peer)
{
	return played.nets[peer] != NULL && played.nets[peer]->first != NULL;
}
