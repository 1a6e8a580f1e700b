/* gate: the ROUTER socket, its connections, and the brakes on who misuses it. */
#include "broker/net/gate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "broker/core/list.h"
#include "broker/net/gate_heard.h"
#include "broker/net/gate_listen.h"
#include "broker/net/gate_table.h"
#include "broker/net/zap.h"
#include "proto/limits.h"

#define ZMQ_ZAP_ENFORCE_DOMAIN_OPTION 93 /* kept out of Debian's header, known to its library */
#define STRIKES 3
#define STRIKE_MS 60000u
#define MONITOR_ADDRESS "inproc://kurzweg.gate.monitor"

struct gate {
	void *socket, *monitor;
	const struct agreement *agreement;
	uint64_t version;                /* of the agreement, for what connections remember */
	struct gate_table table;
	struct gate_listen listen;
	struct gate_heard heard;
	struct gate_counters counters;
};

static bool
set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool
set_options(void *socket, const struct gate_config *config)
{
	int64_t largest = KW_MESSAGE_MAX;

	return set_int(socket, ZMQ_RCVHWM, 0) && set_int(socket, ZMQ_SNDHWM, config->send_hwm) &&
	       set_int(socket, ZMQ_ROUTER_MANDATORY, 1) && set_int(socket, ZMQ_HANDSHAKE_IVL, 5000) && set_int(socket, ZMQ_LINGER, 0) &&
	       set_int(socket, ZMQ_BACKLOG, 512) && set_int(socket, ZMQ_TCP_MAXRT, 30000) && set_int(socket, ZMQ_TCP_KEEPALIVE, 1) &&
	       set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, 30) && set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, 10) &&
	       set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, 3) && set_int(socket, ZMQ_IPV6, 1) && set_int(socket, ZMQ_CURVE_SERVER, 1) &&
	       zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0 &&
	       zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, config->curve_secret, KW_KEY_LEN) == 0;
}

/* Without all three libzmq lets every key in: set, and read back. */
static bool
enforces_zap(void *socket)
{
	char domain[64] = "";
	size_t size = sizeof domain;
	int mechanism = 0, enforced = 0;
	size_t int_size = sizeof mechanism;

	if (zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN)) != 0)
		return false;
	if (!set_int(socket, ZMQ_ZAP_ENFORCE_DOMAIN_OPTION, 1))
		return false;
	if (zmq_getsockopt(socket, ZMQ_ZAP_DOMAIN, domain, &size) != 0 || strcmp(domain, ZAP_DOMAIN) != 0)
		return false;
	if (zmq_getsockopt(socket, ZMQ_MECHANISM, &mechanism, &int_size) != 0 || mechanism != ZMQ_CURVE)
		return false;
	int_size = sizeof enforced;
	return zmq_getsockopt(socket, ZMQ_ZAP_ENFORCE_DOMAIN_OPTION, &enforced, &int_size) == 0 && enforced == 1;
}

/* libzmq makes routing ids from rand(): a peer that could guess the next one would bring the process down. */
static bool
seed(void)
{
	unsigned value;

	if (getrandom(&value, sizeof value, 0) != sizeof value)
		return false;
	srand(value);
	return true;
}

static void *
open_monitor(void *context, void *socket)
{
	void *monitor;

	/* Never ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: see gate_heard.h. */
	if (zmq_socket_monitor(socket, MONITOR_ADDRESS, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED) != 0)
		return NULL;
	monitor = zmq_socket(context, ZMQ_PAIR);
	if (monitor != NULL && (!set_int(monitor, ZMQ_LINGER, 0) || zmq_connect(monitor, MONITOR_ADDRESS) != 0)) {
		(void)zmq_close(monitor);
		monitor = NULL;
	}
	return monitor;
}

enum kw_err
gate_open(struct gate **out, const struct gate_config *config, struct kw_why *why)
{
	struct gate *g = calloc(1, sizeof *g);
	enum kw_err err;

	if (g == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the gate");
	err = gate_table_init(&g->table, config->conns_max);
	if (err == KW_OK)
		err = gate_heard_init(&g->heard);
	if (err != KW_OK) {
		(void)kw_refuse(why, err, "out of memory for %u connections", config->conns_max);
		goto free_gate;
	}
	err = KW_EIO;
	if (!seed()) {
		(void)kw_refuse(why, err, "no random numbers from the system");
		goto free_gate;
	}
	g->socket = zmq_socket(config->zmq_context, ZMQ_ROUTER);
	if (g->socket == NULL || !set_options(g->socket, config)) {
		(void)kw_refuse(why, err, "the ROUTER socket cannot be set up: %s", zmq_strerror(errno));
		goto free_gate;
	}
	if (!enforces_zap(g->socket)) {
		err = kw_refuse(why, KW_EDENIED, "this libzmq does not enforce authentication (ZMQ_ZAP_DOMAIN and option 93): it would let strangers in");
		goto free_gate;
	}
	g->monitor = open_monitor(config->zmq_context, g->socket);
	if (g->monitor == NULL) {
		(void)kw_refuse(why, err, "the socket's monitor does not start: %s", zmq_strerror(errno));
		goto free_gate;
	}
	err = gate_listen_open(&g->listen, g->socket, config->endpoints, config->endpoint_count, why);
	if (err != KW_OK)
		goto free_gate;
	*out = g;
	return KW_OK;
free_gate:
	gate_close(&g);
	return err;
}

void
gate_close(struct gate **gate)
{
	struct gate *g = *gate;

	if (g == NULL)
		return;
	if (g->socket != NULL)
		(void)zmq_close(g->socket);
	if (g->monitor != NULL)
		(void)zmq_close(g->monitor);
	gate_table_free(&g->table);
	gate_heard_free(&g->heard);
	free(g);
	*gate = NULL;
}

void *gate_socket(struct gate *g) { return g->socket; }
void *gate_monitor(struct gate *g) { return g->monitor; }
const struct gate_counters *gate_counters(const struct gate *g) { return &g->counters; }
uint32_t gate_conn_count(const struct gate *g) { return g->table.count; }

void
gate_agreement(struct gate *g, const struct agreement *a)
{
	g->agreement = a;
	g->version++;
}

/* ---- receiving ---- */

struct parts { zmq_msg_t id, control, frame, spill; int frames; zmq_msg_t *last; const char *user; };

/* Takes one whole message off the socket. false: none there. User-Id is read from the last frame: the first may lack it. */
static bool
take(struct gate *g, struct parts *p)
{
	zmq_msg_t *last = &p->spill;

	p->frames = 0;
	p->user = NULL;
	if (zmq_msg_recv(&p->id, g->socket, ZMQ_DONTWAIT) < 0)
		return false;
	for (bool more = zmq_msg_more(&p->id) != 0; more; more = zmq_msg_more(last) != 0) {
		last = p->frames == 0 ? &p->control : p->frames == 1 ? &p->frame : &p->spill;
		if (zmq_msg_recv(last, g->socket, 0) < 0)
			return false;
		p->frames++;
	}
	p->last = last;
	if (p->frames > 0)
		p->user = zmq_msg_gets(last, "User-Id");
	return true;
}

static const struct peer *
peer_of(struct gate *g, struct gate_conn *c)
{
	if (c->version != g->version) {
		c->version = g->version;
		c->peer = (struct peer){.role = PEER_UNKNOWN};
		if (g->agreement != NULL)
			c->peer = agreement_peer(g->agreement, c->key);
		/* Names are remembered for the time after: an agreement may go, the connection stays. */
		if (c->peer.name != NULL)
			(void)snprintf(c->name, sizeof c->name, "%s", c->peer.name);
	}
	return &c->peer;
}

/* An IPv4 peer of an IPv6 socket is shown as what it is. */
static void
keep_address(struct gate_conn *c, const char *address)
{
	static const char mapped[] = "::ffff:";

	if (address == NULL)
		return;
	if (strncmp(address, mapped, strlen(mapped)) == 0)
		address += strlen(mapped);
	(void)snprintf(c->address, sizeof c->address, "%s", address);
}

/* The connection behind a message, made if new; NULL: the message is dropped. */
static struct gate_conn *
conn_of(struct gate *g, const struct parts *p, uint64_t mono_ms, const struct gate_handler *h)
{
	struct span id = span_of(zmq_msg_data((zmq_msg_t *)(uintptr_t)&p->id), zmq_msg_size(&p->id));
	struct gate_conn *c;
	uint32_t given_up = UINT32_MAX;
	uint8_t key[KW_KEY_LEN];

	if (p->user == NULL || !zap_user_key(key, p->user)) {
		g->counters.no_user++;
		return NULL;
	}
	c = gate_table_find(&g->table, id);
	if (c != NULL && memcmp(c->key, key, KW_KEY_LEN) != 0) { /* another peer under the same routing id */
		uint32_t number = c->number;

		gate_table_remove(&g->table, c);
		h->drop(h->self, number);
		c = NULL;
	}
	if (c == NULL) {
		c = gate_table_add(&g->table, id, key, &given_up);
		if (given_up != UINT32_MAX)
			h->drop(h->self, given_up);
		if (c == NULL)
			return NULL;
		if (id.len != 5 || id.p[0] != 0)
			g->counters.odd_routing_ids++;
		keep_address(c, zmq_msg_gets(p->last, "Peer-Address"));
		gate_heard_message(&g->heard, zmq_msg_get(p->last, ZMQ_SRCFD));
	}
	gate_table_touch(&g->table, c, mono_ms);
	return c;
}

static void
hand_on(struct gate *g, struct parts *p, uint64_t mono_ms, const struct gate_handler *h)
{
	struct gate_conn *c = conn_of(g, p, mono_ms, h);
	struct gate_message m = {.fault = GATE_FINE};

	g->counters.messages++;
	if (c == NULL || c->key_state->silent_until_ms > mono_ms) {
		g->counters.dropped++;
		return;
	}
	m.conn = c->number;
	m.peer = peer_of(g, c);
	m.control = span_of(zmq_msg_data(&p->control), zmq_msg_size(&p->control));
	m.frame = p->frames == 2 ? &p->frame : NULL;
	if (p->frames != 1 && p->frames != 2)
		m.fault = GATE_FRAMES;
	else if (m.control.len == 0 || m.control.len > KW_CONTROL_MAX || (m.frame != NULL && zmq_msg_size(m.frame) == 0))
		m.fault = GATE_EMPTY;
	h->on(h->self, &m);
}

uint32_t
gate_receive(struct gate *g, uint32_t max, uint64_t mono_ms, const struct gate_handler *h)
{
	struct parts p;
	uint32_t n = 0;

	(void)zmq_msg_init(&p.id);
	(void)zmq_msg_init(&p.control);
	(void)zmq_msg_init(&p.frame);
	(void)zmq_msg_init(&p.spill);
	for (; n < max && take(g, &p); n++)
		hand_on(g, &p, mono_ms, h);
	(void)zmq_msg_close(&p.id);
	(void)zmq_msg_close(&p.control);
	(void)zmq_msg_close(&p.frame);
	(void)zmq_msg_close(&p.spill);
	return n;
}

void
gate_monitor_receive(struct gate *g)
{
	uint8_t event[16] = {0}, address[512];
	uint16_t kind;
	int32_t fd;

	while (zmq_recv(g->monitor, event, sizeof event, ZMQ_DONTWAIT) >= 0) {
		memcpy(&kind, event, sizeof kind); /* in the machine's order */
		memcpy(&fd, event + sizeof kind, sizeof fd);
		if (kind == ZMQ_EVENT_ACCEPTED)
			gate_heard_accepted(&g->heard, fd);
		else if (gate_heard_ended(&g->heard, fd))
			g->counters.handshakes_failed++;
		(void)zmq_recv(g->monitor, address, sizeof address, ZMQ_DONTWAIT);
	}
	gate_listen_look(&g->listen);
}

long
gate_wait_ms(const struct gate *g)
{
	return gate_listen_is_open(&g->listen) ? -1 : GATE_LISTEN_AGAIN_MS;
}

/* ---- sending ---- */

enum gate_sent
gate_send(struct gate *g, uint32_t conn, struct span control, zmq_msg_t *frame)
{
	struct gate_conn *c = gate_table_at(&g->table, conn);
	bool full;

	if (c == NULL)
		return GATE_GONE;
	if (zmq_send(g->socket, c->id, c->id_len, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
	    (control.len == 0 || zmq_send(g->socket, control.p, control.len, (frame != NULL ? ZMQ_SNDMORE : 0) | ZMQ_DONTWAIT) >= 0) &&
	    (frame == NULL || zmq_msg_send(frame, g->socket, ZMQ_DONTWAIT) >= 0))
		return GATE_SENT;
	full = errno == EAGAIN;
	if (full)
		log_peer(LOG_WARNING, "gate.not_reading", c->name, "address=%s", c->address);
	gate_table_remove(&g->table, c);
	return full ? GATE_FULL : GATE_GONE;
}

bool
gate_owes_enough(const struct gate *g, uint32_t conn)
{
	const struct gate_conn *c = gate_table_at(&g->table, conn);

	return c != NULL && owed_bytes(c->key_state->owed) >= GATE_OWED_MAX;
}

enum gate_sent
gate_answer(struct gate *g, uint32_t conn, struct span control)
{
	struct gate_conn *c = gate_table_at(&g->table, conn);
	enum gate_sent sent;
	zmq_msg_t whole;

	if (c == NULL)
		return GATE_GONE;
	if (c->key_state->owed == NULL)
		c->key_state->owed = owed_new();
	if (c->key_state->owed == NULL || owed_message(&whole, c->key_state->owed, control) != KW_OK) {
		gate_table_remove(&g->table, c);
		return GATE_FULL;
	}
	sent = gate_send(g, conn, span_of(NULL, 0), &whole);
	(void)zmq_msg_close(&whole);
	return sent;
}

void
gate_strike(struct gate *g, uint32_t conn, uint64_t mono_ms)
{
	struct gate_conn *c = gate_table_at(&g->table, conn);
	struct gate_key *k;

	g->counters.malformed++;
	if (c == NULL)
		return;
	k = c->key_state;
	if (k->strikes == 0 || mono_ms - k->first_strike_ms >= STRIKE_MS) {
		k->strikes = 0;
		k->first_strike_ms = mono_ms;
	}
	if (++k->strikes < STRIKES)
		return;
	k->strikes = 0;
	k->silent_until_ms = mono_ms + STRIKE_MS;
	log_peer(LOG_WARNING, "gate.silenced", c->name, "address=%s strikes=%d for_s=%u", c->address, STRIKES, STRIKE_MS / 1000);
}

void
gate_in_use(struct gate *g, uint32_t conn, bool in_use)
{
	struct gate_conn *c = gate_table_at(&g->table, conn);

	if (c != NULL)
		gate_table_in_use(&g->table, c, in_use);
}

void
gate_forget(struct gate *g, uint32_t conn)
{
	struct gate_conn *c = gate_table_at(&g->table, conn);

	if (c != NULL)
		gate_table_remove(&g->table, c);
}

const char *
gate_name(const struct gate *g, uint32_t conn)
{
	const struct gate_conn *c = gate_table_at(&g->table, conn);

	return c != NULL ? c->name : "?";
}

const char *
gate_address(const struct gate *g, uint32_t conn)
{
	const struct gate_conn *c = gate_table_at(&g->table, conn);

	return c != NULL ? c->address : "";
}
