/* load_node: the node protocol from the node's side, without a node's store. */
#include "load_node.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <zmq.h>

#include "proto/commit.h"
#include "proto/seal.h"

#define BEAT_NS (KW_BEAT_MS / 2 * 1000000ull)
#define VERIFY_EVERY 256u                  /* of so many answers one is verified as a node verifies each: 60 us */
/* As a node asks for (clients/partner/node_link.c). */
static const struct lane_window windows[KW_LANES] = {{512, 8u << 20}, {256, 1u << 20}, {256, 1u << 19}};

struct load_node {
	struct load *load;
	const struct target *target;
	char id[KW_NODE_MAX + 1];
	enum load_role role;
	enum load_from from;
	struct load_handler on;
	uint8_t curve_pk[KW_KEY_LEN], curve_sk[KW_KEY_LEN];
	void *socket;                      /* NULL: it went away */
	int fd;
	uint32_t welcomes;                 /* a node that begins at the tail says hello twice: it must be told first where that is */
	bool ready;
	uint32_t log_epoch;
	uint64_t got[KW_LANES];            /* newest number delivered */
	bool unacked;
	const struct notice **published;   /* not answered yet: a ring of published_room */
	uint32_t published_room, published_first, published_count;
	uint32_t answers;
	uint64_t sent_ns;
	struct buf control;
};

/* ---- sending ---- */

static void
send_frames(struct load_node *n, struct span control, struct span frame)
{
	int more = frame.len > 0 ? ZMQ_SNDMORE : 0;

	if (zmq_send(n->socket, control.p, control.len, ZMQ_DONTWAIT | more) < 0 ||
	    (more != 0 && zmq_send(n->socket, frame.p, frame.len, ZMQ_DONTWAIT) < 0))
		load_fail("%s cannot send to %s: %s", n->id, n->target->name, zmq_strerror(errno));
}

static void
send_message(struct load_node *n, const struct wire_msg *m)
{
	buf_reset(&n->control);
	if (wire_encode(&n->control, m) != KW_OK)
		load_fail("out of memory");
	send_frames(n, buf_span(&n->control), span_of(NULL, 0));
	n->sent_ns = load_ns();
}

static void
say_hello(struct load_node *n)
{
	struct wire_msg m = {.kind = WIRE_HELLO};
	struct wire_hello *h = &m.hello;

	if (n->target->bare) {
		send_frames(n, span_of(n->role == ROLE_READER ? "r" : "p", 1), span_of(NULL, 0));
		return;
	}
	h->protocol = 1;
	h->sender_epoch = 1;
	h->agreement_version = agreement_version(n->load->agreement);
	memcpy(h->agreement_hash, agreement_hash(n->load->agreement), KW_HASH_LEN);
	(void)snprintf(h->software, sizeof h->software, "bench_load");
	for (int lane = 0; lane < KW_LANES; lane++) {
		if (n->got[lane] > 0)
			h->cursor[lane] = (struct lane_cursor){n->log_epoch, n->got[lane]};
		h->window[lane] = windows[lane];
	}
	send_message(n, &m);
}

static void
acknowledge(struct load_node *n)
{
	struct wire_msg m = {.kind = WIRE_ACK};

	n->unacked = false;
	if (n->target->bare) {
		send_frames(n, span_of("a", 1), span_of(NULL, 0));
		return;
	}
	for (int lane = 0; lane < KW_LANES; lane++)
		m.ack.cursor[lane] = (struct lane_cursor){n->got[lane] > 0 ? n->log_epoch : 0, n->got[lane]};
	send_message(n, &m);
}

void
load_node_beat(struct load_node *n, uint64_t now_ns)
{
	struct wire_msg m = {.kind = WIRE_BEAT};

	if (n->target->bare || !n->ready || now_ns - n->sent_ns < BEAT_NS)
		return;
	send_message(n, &m);
	load_node_take(n); /* sending may have eaten the descriptor's word that something came */
}

static void
remember(struct load_node *n, const struct notice *notice)
{
	if (n->published_count == n->published_room) {
		uint32_t room = n->published_room == 0 ? 256 : 2 * n->published_room;
		const struct notice **more = load_memory(room, sizeof *more);

		for (uint32_t i = 0; i < n->published_count; i++)
			more[i] = n->published[(n->published_first + i) % n->published_room];
		free(n->published);
		n->published = more;
		n->published_room = room;
		n->published_first = 0;
	}
	n->published[(n->published_first + n->published_count++) % n->published_room] = notice;
}

static const struct notice *
answered(struct load_node *n)
{
	const struct notice *oldest;

	if (n->published_count == 0)
		load_fail("%s got more answers than it published", n->id);
	oldest = n->published[n->published_first];
	n->published_first = (n->published_first + 1) % n->published_room;
	n->published_count--;
	return oldest;
}

void
load_node_publish(struct load_node *n, const struct notice *notice)
{
	remember(n, notice);
	send_frames(n, notice->control, notice->frame);
	n->sent_ns = load_ns();
}

/* ---- receiving ---- */

/* [P-7] What a node does with each item of an answer; here with one of many, so that a wrong proof does not stay unseen. */
static void
verify(struct load_node *n, const struct wire_stored *s, const struct wire_stored_item *i, const struct notice *notice)
{
	uint8_t hash[KW_HASH_LEN], leaf[KW_HASH_LEN];
	struct commit c;
	struct frame f;
	struct kw_why why;

	load_must(commit_decode(&c, s->commit, &why), &why);
	load_must(frame_parse(&f, notice->frame, FRAME_WHOLE, &why), &why);
	seal_frame_hash(hash, &f);
	commit_leaf(leaf, &(struct leaf){i->at, n->id, notice->id, hash});
	if (!commit_verify(s->commit, agreement_broker(n->load->agreement)->sign_pk) ||
	    !commit_path_holds(c.root, c.count, i->index, leaf, (const void *)i->path, i->path_len))
		load_fail("the proof in commit %llu does not hold", (unsigned long long)c.number);
}

static void
on_stored(struct load_node *n, const struct wire_stored *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		const struct notice *notice = answered(n);

		if (memcmp(notice->id, s->items[i].id, KW_ID_LEN) != 0)
			load_fail("%s got an answer for another notification than its oldest", n->id);
		if (n->answers++ % VERIFY_EVERY == 0)
			verify(n, s, &s->items[i], notice);
	}
	if (n->on.stored != NULL)
		n->on.stored(n->on.self, s->count);
}

static void
on_welcome(struct load_node *n, const struct wire_welcome *w)
{
	n->welcomes++;
	n->log_epoch = w->log_epoch;
	if (n->from == FROM_TAIL && n->welcomes == 1) {
		memcpy(n->got, w->tail, sizeof n->got);
		say_hello(n);
		return;
	}
	n->ready = true;
}

static void
on_deliver(struct load_node *n, const struct wire_deliver *d, struct span frame)
{
	struct load_delivery got = {d->at.lane, d->at.number, frame, span_of(d->wrap, d->has_wrap ? KW_WRAP_LEN : 0)};

	if (!n->ready && n->from == FROM_TAIL)
		return; /* of the session before the second hello */
	if (d->at.number <= n->got[d->at.lane])
		load_fail("%s got number %llu of lane %s behind %llu", n->id, (unsigned long long)d->at.number, lane_name(d->at.lane),
		          (unsigned long long)n->got[d->at.lane]);
	n->got[d->at.lane] = d->at.number;
	n->unacked = true;
	if (d->mark == MARK_WHOLE && n->on.delivered != NULL)
		n->on.delivered(n->on.self, n, &got);
	else if (d->mark == MARK_ENTRY && n->on.entry != NULL)
		n->on.entry(n->on.self, n, &got);
	else if (d->mark != MARK_ENTRY && d->mark != MARK_WHOLE)
		load_fail("%s got a bare head (%s)", n->id, wire_mark_name(d->mark));
}

static void
on_control(struct load_node *n, struct span control, struct span frame)
{
	struct wire_msg m;
	struct kw_why why;

	load_must(wire_decode(&m, control, &why), &why);
	switch (m.kind) {
	case WIRE_WELCOME:
		on_welcome(n, &m.welcome);
		break;
	case WIRE_STORED:
		on_stored(n, &m.stored);
		break;
	case WIRE_DELIVER:
		on_deliver(n, &m.deliver, frame);
		break;
	case WIRE_REFUSED:
		load_fail("%s is refused (%s): %s", n->id, wire_code_name(m.refused.code), m.refused.text);
	case WIRE_BEAT:
		break;
	default:
		load_fail("%s got a message of kind %d", n->id, m.kind);
	}
	wire_msg_clear(&m);
}

/* A bare target answers "w" to the first word, then 4 bytes for so many published; and hands frames on behind some bytes. */
static void
on_bare(struct load_node *n, struct span control, struct span frame)
{
	struct load_delivery got = {.frame = frame};

	if (frame.len > 0) {
		n->unacked = true;
		if (n->on.delivered != NULL)
			n->on.delivered(n->on.self, n, &got);
	} else if (control.len == 4) {
		for (uint32_t i = be32_get(control.p); i > 0; i--)
			(void)answered(n);
		if (n->on.stored != NULL)
			n->on.stored(n->on.self, be32_get(control.p));
	} else {
		n->ready = true;
	}
}

static bool
take_one(struct load_node *n, zmq_msg_t *control, zmq_msg_t *frame)
{
	struct span first, second = {NULL, 0};

	if (zmq_msg_recv(control, n->socket, ZMQ_DONTWAIT) < 0)
		return false;
	if (zmq_msg_more(control)) {
		if (zmq_msg_recv(frame, n->socket, ZMQ_DONTWAIT) < 0 || zmq_msg_more(frame))
			load_fail("%s got half a message, or more than one", n->id);
		second = span_of(zmq_msg_data(frame), zmq_msg_size(frame));
	}
	first = span_of(zmq_msg_data(control), zmq_msg_size(control));
	if (n->target->bare)
		on_bare(n, first, second);
	else
		on_control(n, first, second);
	return true;
}

void
load_node_take(struct load_node *n)
{
	zmq_msg_t control, frame;

	(void)zmq_msg_init(&control);
	(void)zmq_msg_init(&frame);
	do {
		while (take_one(n, &control, &frame))
			continue;
		if (!n->unacked)
			break;
		acknowledge(n);
	} while (true); /* sending may have eaten the word that more came: look again */
	(void)zmq_msg_close(&control);
	(void)zmq_msg_close(&frame);
}

/* ---- beginning and end ---- */

static bool
set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static void
take_keys(struct load_node *n)
{
	struct secret_keys *keys;

	if (n->target->bare) {
		(void)crypto_box_keypair(n->curve_pk, n->curve_sk);
		return;
	}
	keys = load_keys(n->load, n->id, KEY_NODE);
	memcpy(n->curve_pk, secret_keys_public(keys)->curve_pk, sizeof n->curve_pk);
	memcpy(n->curve_sk, secret_keys_curve(keys), sizeof n->curve_sk);
	secret_keys_free(&keys);
}

static bool
set_keys(const struct load_node *n)
{
	return zmq_setsockopt(n->socket, ZMQ_CURVE_SERVERKEY, n->target->curve_pk, KW_KEY_LEN) == 0 &&
	       zmq_setsockopt(n->socket, ZMQ_CURVE_PUBLICKEY, n->curve_pk, KW_KEY_LEN) == 0 &&
	       zmq_setsockopt(n->socket, ZMQ_CURVE_SECRETKEY, n->curve_sk, KW_KEY_LEN) == 0;
}

static void
connect_and_greet(struct load_node *n)
{
	struct load *l = n->load;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = n};
	size_t size = sizeof n->fd;

	n->socket = zmq_socket(l->zmq, ZMQ_DEALER);
	if (n->socket == NULL || !set_int(n->socket, ZMQ_RCVHWM, 0) || !set_int(n->socket, ZMQ_SNDHWM, 0) || !set_int(n->socket, ZMQ_LINGER, 0) ||
	    !set_int(n->socket, ZMQ_HANDSHAKE_IVL, 30000) || !set_keys(n) || zmq_connect(n->socket, n->target->endpoint) != 0 ||
	    zmq_getsockopt(n->socket, ZMQ_FD, &n->fd, &size) != 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, n->fd, &event) != 0)
		load_fail("%s cannot connect to %s: %s", n->id, n->target->endpoint, zmq_strerror(errno));
	l->nodes[l->node_count++] = n;
	say_hello(n);
	load_node_take(n);
}

struct load_node *
load_node_open(struct load *l, const struct target *t, const char *id, enum load_role role, enum load_from from, struct load_handler on)
{
	struct load_node *n = load_memory(1, sizeof *n);

	n->load = l;
	n->target = t;
	n->role = role;
	n->from = from;
	n->on = on;
	n->control = BUF_INIT(KW_CONTROL_MAX);
	(void)snprintf(n->id, sizeof n->id, "%s", id);
	take_keys(n);
	connect_and_greet(n);
	return n;
}

bool load_node_ready(const struct load_node *n) { return n->ready; }
const char *load_node_id(const struct load_node *n) { return n->id; }

void
load_node_await(struct load_node *n, uint64_t deadline_ns)
{
	while (!n->ready)
		load_turn(n->load, deadline_ns, deadline_ns);
}

void
load_node_leave(struct load_node *n)
{
	struct load *l = n->load;

	if (n->socket == NULL)
		return;
	for (uint32_t i = 0; i < l->node_count; i++)
		if (l->nodes[i] == n) {
			l->nodes[i] = l->nodes[--l->node_count];
			break;
		}
	(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, n->fd, NULL); /* ZeroMQ closes it later, at a time of its own */
	(void)zmq_close(n->socket);
	n->socket = NULL;
	n->ready = n->unacked = false;
}

void
load_node_return(struct load_node *n)
{
	MUST(n->socket == NULL && n->published_count == 0);
	n->from = FROM_CURSORS;
	connect_and_greet(n);
}

void
load_node_close(struct load_node **node)
{
	struct load_node *n = *node;

	if (n == NULL)
		return;
	load_node_leave(n);
	buf_free(&n->control);
	free(n->published);
	sodium_memzero(n->curve_sk, sizeof n->curve_sk);
	free(n);
	*node = NULL;
}
