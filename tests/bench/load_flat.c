/* load_flat: the same again and again, for who looks whether the broker's memory and files stay what they are (tests/bench/flat). */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "load_figures.h"
#include "load_node.h"
#include "load_runs.h"
#include "proto/seal.h"

#define OPEN_NS 30000000000ull
#define STALL_NS 60000000000ull      /* nothing moved for so long: something was lost */
#define POOL 4096u                   /* more than ever waits for its answer or its delivery */
#define LIFETIME_MS 60000u           /* so short that ids are forgotten while the run lasts */
#define KNOCK_MS 20000

/* ---- what is relayed ---- */

struct flat {
	struct pool pool;
	struct load_node *publisher, *reader;
	uint32_t sent, answered, delivered;
};

static void
stored(void *self, uint32_t count)
{
	((struct flat *)self)->answered += count;
}

static void
delivered(void *self, struct load_node *n, const struct load_delivery *d)
{
	struct flat *f = self;

	if (f->delivered >= f->sent || !span_eq(d->frame, f->pool.at[f->delivered % POOL].frame))
		load_fail("%s got something else than notification %u", load_node_id(n), f->delivered);
	f->delivered++;
}

/* The same notification as a new one: another id and time, and the broker cannot see that the signature is of the old. */
static void
renew(struct notice *n)
{
	struct buf header = BUF_INIT(KW_HEADER_MAX + 16);
	uint8_t random[10];
	struct header h;
	struct frame f;
	struct kw_why why;

	load_must(frame_parse(&f, n->frame, FRAME_WHOLE, &why), &why);
	load_must(header_decode(&h, f.header, &why), &why);
	randombytes_buf(random, sizeof random);
	h.created_ms = clock_wall_ms();
	h.expires_ms = h.created_ms + LIFETIME_MS;
	kw_id_make(h.id, h.created_ms, random);
	load_must(header_encode(&header, &h, &why), &why);
	if (header.len != f.header.len)
		load_fail("a header's length changed");
	memcpy((void *)(uintptr_t)f.header.p, header.p, header.len);
	memcpy(n->id, h.id, KW_ID_LEN);
	buf_free(&header);
}

static void
publish_next(struct flat *f)
{
	struct notice *n = &f->pool.at[f->sent % POOL];

	renew(n);
	load_node_publish(f->publisher, n);
	f->sent++;
}

/* Each has its time; who is late sends as fast as it may. */
static void
relay(struct flat *f, struct load *l, const struct wishes *w)
{
	uint64_t from = load_ns();

	while (f->answered < w->messages || f->delivered < w->messages) {
		uint64_t now = load_ns(), due = from + f->sent * 1000000000ull / w->pace;
		uint32_t over = f->answered < f->delivered ? f->answered : f->delivered;
		bool any = false;

		for (; f->sent < w->messages && f->sent - over < w->flight && due <= now; any = true) {
			publish_next(f);
			due = from + f->sent * 1000000000ull / w->pace;
		}
		if (any)
			load_node_take(f->publisher);
		load_turn(l, f->sent < w->messages && f->sent - over < w->flight ? due : now + STALL_NS, now + STALL_NS);
	}
}

void
run_flat(struct load *l, const struct wishes *w)
{
	struct pool_wish wish = {.sender = LOAD_PUBLISHER, .topic = LOAD_TOPIC, .lane = LANE_ROUTINE, .count = POOL, .payload_len = w->bytes, .frame_len = w->frame,
	                         .lifetime_ms = LIFETIME_MS};
	struct flat f = {.sent = 0};
	uint64_t from = load_ns();

	load_pool_make(&f.pool, l, &wish);
	f.reader = load_node_open(l, &w->targets[0], LOAD_READER, ROLE_READER, FROM_TAIL, (struct load_handler){.self = &f, .delivered = delivered});
	load_node_await(f.reader, load_ns() + OPEN_NS);
	f.publisher = load_node_open(l, &w->targets[0], LOAD_PUBLISHER, ROLE_PUBLISHER, FROM_TAIL, (struct load_handler){.self = &f, .stored = stored});
	load_node_await(f.publisher, load_ns() + OPEN_NS);
	relay(&f, l, w);
	load_print(json_pack("{s:s,s:i,s:i,s:f}", "run", "flat", "messages", f.delivered, "frame", (int)f.pool.at[0].frame.len, "seconds",
	                     (double)(load_ns() - from) / 1e9));
	load_node_close(&f.publisher);
	load_node_close(&f.reader);
	load_pool_free(&f.pool);
}

/* ---- who comes and goes ---- */

/* So many nodes at once, each welcomed and gone again. */
static void
visit(struct load *l, const struct target *t, uint32_t first, uint32_t count)
{
	struct load_node **nodes = load_memory(count, sizeof(struct load_node *));

	for (uint32_t i = 0; i < count; i++) {
		char id[KW_NODE_MAX + 1];

		(void)snprintf(id, sizeof id, LOAD_CROWD, first + i);
		nodes[i] = load_node_open(l, t, id, ROLE_READER, FROM_START, (struct load_handler){0});
	}
	for (uint32_t i = 0; i < count; i++)
		load_node_await(nodes[i], load_ns() + OPEN_NS);
	for (uint32_t i = 0; i < count; i++)
		load_node_close(&nodes[i]);
	free(nodes);
}

struct stranger { void *socket, *monitor; };

static bool
set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

/* A key that no agreement names, another each time. */
static void
knock(struct stranger *s, const struct load *l, const struct target *t, uint32_t number)
{
	uint8_t pk[KW_KEY_LEN], sk[KW_KEY_LEN];
	char name[64];

	(void)crypto_box_keypair(pk, sk);
	(void)snprintf(name, sizeof name, "inproc://stranger-%u", number);
	s->socket = zmq_socket(l->zmq, ZMQ_DEALER);
	s->monitor = zmq_socket(l->zmq, ZMQ_PAIR);
	if (s->socket == NULL || s->monitor == NULL || !set_int(s->socket, ZMQ_LINGER, 0) || !set_int(s->socket, ZMQ_RECONNECT_IVL, -1) ||
	    zmq_setsockopt(s->socket, ZMQ_CURVE_SERVERKEY, t->curve_pk, KW_KEY_LEN) != 0 || zmq_setsockopt(s->socket, ZMQ_CURVE_PUBLICKEY, pk, sizeof pk) != 0 ||
	    zmq_setsockopt(s->socket, ZMQ_CURVE_SECRETKEY, sk, sizeof sk) != 0 || !set_int(s->monitor, ZMQ_LINGER, 0) || !set_int(s->monitor, ZMQ_RCVTIMEO, KNOCK_MS) ||
	    zmq_socket_monitor(s->socket, name, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) != 0 || zmq_connect(s->monitor, name) != 0 ||
	    zmq_connect(s->socket, t->endpoint) != 0)
		load_fail("a stranger cannot connect to %s: %s", t->endpoint, zmq_strerror(errno));
}

static void
is_turned_away(struct stranger *s)
{
	uint8_t event[16] = {0};
	uint16_t kind;

	if (zmq_recv(s->monitor, event, sizeof event, 0) < 0)
		load_fail("a stranger hears nothing: %s", zmq_strerror(errno));
	memcpy(&kind, event, sizeof kind);
	if (kind != ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
		load_fail("a stranger was let in");
	(void)zmq_socket_monitor(s->socket, NULL, 0);
	(void)zmq_close(s->monitor);
	(void)zmq_close(s->socket);
}

static void
visit_as_strangers(const struct load *l, const struct target *t, uint32_t first, uint32_t count)
{
	struct stranger *s = load_memory(count, sizeof *s);

	for (uint32_t i = 0; i < count; i++)
		knock(&s[i], l, t, first + i);
	for (uint32_t i = 0; i < count; i++)
		is_turned_away(&s[i]);
	free(s);
}

/* In turns: so many nodes, then as many strangers; the nodes are those of the crowd, one after the other. */
void
run_doors(struct load *l, const struct wishes *w)
{
	uint64_t from = load_ns();
	uint32_t done = 0, node = 0;

	if (w->flight > w->readers)
		load_fail("doors wants as many nodes as come at once");
	for (bool known = true; done < w->messages; known = !known) {
		uint32_t count = w->messages - done < w->flight ? w->messages - done : w->flight;

		if (node + count > w->readers)
			node = 0;
		if (known)
			visit(l, &w->targets[0], node, count);
		else
			visit_as_strangers(l, &w->targets[0], done, count);
		node += known ? count : 0;
		done += count;
	}
	load_print(json_pack("{s:s,s:i,s:f}", "run", "doors", "connects", done, "seconds", (double)(load_ns() - from) / 1e9));
}
