/* lines: gate.h, zap.h and net.h over queues. */
#include "lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker/net/gate.h"
#include "broker/net/gate_table.h"
#include "broker/net/zap.h"
#include "clients/partner/net.h"
#include "clocks.h"
#include "dice.h"
#include "papers.h"
#include "trace.h"

#define CONNECT_TIMEOUT_MS 8000u
#define GRID_MS 8u /* messages arrive by its beat, so that a turn finds several, as under load; each turn costs its reader a transaction */
#define STRIKES 3
#define STRIKE_MS 60000u
#define EVENTS_MAX 4

struct packet { uint64_t at; uint64_t order; struct buf control, frame; bool has_frame; };
struct pipe { struct packet *p; uint32_t head, count, room; uint64_t last; };

struct line {
	struct line *next;
	int who;
	uint64_t number;                /* behind the routing id */
	bool near_open, far_open;       /* as the node, as the broker sees it */
	bool connecting;
	uint64_t opens_at;              /* connecting */
	enum net_event events[EVENTS_MAX];
	uint64_t event_at[EVENTS_MAX];
	uint32_t event_count;
	uint64_t fin_at;                /* the node's end of it, once near is closed */
	struct pipe up, down;
};

struct road { bool stalled[2]; uint32_t delay, usual; };

struct net { struct line *line; uint8_t key[KW_KEY_LEN]; struct packet held; };

struct gate {
	struct gate_table table;
	const struct agreement *agreement;
	uint64_t version;
	int hwm;
	struct gate_counters counters;
};

struct zap { const struct agreement *agreement; };

static struct {
	struct lines_watch watch;
	struct dice dice;
	struct road roads[WHO_COUNT];
	struct line *lines;             /* newest first */
	struct line *over;              /* what nothing can happen on any more; somebody may still hold them */
	struct gate *gate;              /* NULL: nobody listens */
	struct zap *zap;
	uint64_t numbers, orders;
	uint32_t queued_most;
	struct packet liars;            /* what the liar heard last */
} all;

/* ---- pipes ---- */

static void
packet_free(struct packet *p)
{
	buf_free(&p->control);
	buf_free(&p->frame);
}

static uint32_t
travel_ms(const struct road *r)
{
	return r->delay + dice_below(&all.dice, r->delay / 2 + 2);
}

static void
pipe_put(struct pipe *q, const struct road *r, struct span control, struct span frame, bool has_frame)
{
	struct packet *p;
	uint64_t at = clocks_true() + travel_ms(r);

	if (q->count == q->room) {
		uint32_t room = q->room * 2 + 16;
		struct packet *more = calloc(room, sizeof *more);

		MUST(more != NULL);
		for (uint32_t i = 0; i < q->count; i++)
			more[i] = q->p[(q->head + i) % q->room];
		free(q->p);
		q->p = more;
		q->room = room;
		q->head = 0;
	}
	at += GRID_MS - at % GRID_MS;
	if (at < q->last)
		at = q->last;
	q->last = at;
	p = &q->p[(q->head + q->count++) % q->room];
	*p = (struct packet){.at = at, .order = all.orders++, .control = BUF_INIT(SIZE_MAX), .frame = BUF_INIT(SIZE_MAX), .has_frame = has_frame};
	buf_put_span(&p->control, control);
	buf_put_span(&p->frame, frame);
	MUST(buf_ok(&p->control) && buf_ok(&p->frame));
}

static struct packet *
pipe_first(struct pipe *q)
{
	return q->count > 0 ? &q->p[q->head] : NULL;
}

static struct packet
pipe_take(struct pipe *q)
{
	struct packet p = q->p[q->head];

	q->head = (q->head + 1) % q->room;
	q->count--;
	return p;
}

/* What is behind the first few never arrives. */
static void
pipe_cut(struct pipe *q, uint32_t keep)
{
	for (; q->count > keep; q->count--)
		packet_free(&q->p[(q->head + q->count - 1) % q->room]);
}

static void
pipe_free(struct pipe *q)
{
	pipe_cut(q, 0);
	free(q->p);
	*q = (struct pipe){0};
}

/* ---- lines ---- */

static void
wake_node(int who, uint64_t at)
{
	if (all.watch.wake_node != NULL)
		all.watch.wake_node(all.watch.self, who, at);
}

static void
tell_node(struct line *l, enum net_event e, uint64_t at)
{
	if (l->event_count == EVENTS_MAX)
		return;
	l->event_at[l->event_count] = at;
	l->events[l->event_count++] = e;
	wake_node(l->who, at);
}

static bool
is_over(const struct line *l)
{
	return !l->near_open && !l->far_open && !l->connecting && l->event_count == 0 && l->up.count == 0 && l->down.count == 0;
}

/* Each message and each wait looks through all lines, and a run has hundreds one after the other. */
static void
put_aside_what_is_over(void)
{
	struct line **at = &all.lines, *l;

	while ((l = *at) != NULL) {
		if (!is_over(l)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		l->next = all.over;
		all.over = l;
	}
}

static struct line *
line_new(int who)
{
	struct line *l = calloc(1, sizeof *l);

	MUST(l != NULL);
	put_aside_what_is_over();
	l->who = who;
	l->number = ++all.numbers;
	l->next = all.lines;
	all.lines = l;
	return l;
}

/* The attempt's end: nobody there, not let in, or up. */
static void
settle(struct line *l)
{
	const struct road *r = &all.roads[l->who];
	uint64_t now = clocks_true();
	struct peer peer = {.role = PEER_UNKNOWN};

	if (!l->connecting || now < l->opens_at)
		return;
	if (r->stalled[WAY_UP] || r->stalled[WAY_DOWN]) {
		if (now < l->opens_at + CONNECT_TIMEOUT_MS) {
			wake_node(l->who, l->opens_at + CONNECT_TIMEOUT_MS);
			return;
		}
		l->connecting = false;
		tell_node(l, NET_LOST, now);
		return;
	}
	l->connecting = false;
	if (all.zap != NULL && all.zap->agreement != NULL)
		peer = agreement_peer(all.zap->agreement, secret_keys_public(papers_keys(l->who))->curve_pk);
	if (all.gate == NULL) {
		tell_node(l, NET_LOST, now);
	} else if (peer.role == PEER_UNKNOWN) {
		tell_node(l, NET_TURNED_AWAY, now);
	} else {
		l->near_open = l->far_open = true;
		tell_node(l, NET_CONNECTED, now);
	}
}

/* Whether the broker's machine still takes it for a connection. */
static bool
far_end(struct line *l)
{
	if (l->far_open && !l->near_open && l->fin_at != 0 && clocks_true() >= l->fin_at && !all.roads[l->who].stalled[WAY_UP])
		l->far_open = false;
	return l->far_open;
}

static void
line_gone(struct line *l, bool told)
{
	uint32_t up = l->up.count, down = l->down.count;

	if (!l->far_open && !l->near_open && !l->connecting)
		return;
	pipe_cut(&l->up, up > 0 ? dice_below(&all.dice, up + 1) : 0);
	pipe_cut(&l->down, down > 0 ? dice_below(&all.dice, down + 1) : 0);
	l->far_open = false;
	if (told && (l->near_open || l->connecting)) {
		l->near_open = l->connecting = false;
		tell_node(l, NET_LOST, clocks_true() + travel_ms(&all.roads[l->who]));
	}
}

static struct line *
open_line_of(int who)
{
	for (struct line *l = all.lines; l != NULL; l = l->next)
		if (l->who == who && l->near_open && l->far_open)
			return l;
	return NULL;
}

void
lines_begin(uint64_t seed, const struct lines_watch *watch)
{
	memset(&all, 0, sizeof all);
	all.watch = *watch;
	all.dice = dice_of(seed, 2000);
	for (int i = 0; i < WHO_COUNT; i++)
		all.roads[i].delay = all.roads[i].usual = dice_between(&all.dice, 1, 12);
}

static void
lines_free(struct line **lines)
{
	for (struct line *l = *lines, *next; l != NULL; l = next) {
		next = l->next;
		pipe_free(&l->up);
		pipe_free(&l->down);
		free(l);
	}
	*lines = NULL;
}

void
lines_end(void)
{
	lines_free(&all.lines);
	lines_free(&all.over);
	packet_free(&all.liars);
	all.liars = (struct packet){0};
}

void
lines_broker_gone(bool rude)
{
	for (struct line *l = all.lines; l != NULL; l = l->next)
		line_gone(l, !rude);
}

void
lines_node_goes(int who, bool rude)
{
	for (struct line *l = all.lines; l != NULL; l = l->next)
		if (l->who == who && (l->near_open || l->connecting)) {
			uint32_t up = l->up.count;

			pipe_cut(&l->up, up > 0 ? dice_below(&all.dice, up + 1) : 0);
			pipe_cut(&l->down, 0);
			l->near_open = l->connecting = false;
			l->event_count = 0;
			l->fin_at = rude ? 0 : l->up.last + 1;
			if (!rude && l->fin_at < clocks_true())
				l->fin_at = clocks_true();
		}
}

static uint64_t
due_of(const struct pipe *q)
{
	return q->count > 0 ? q->p[q->head].at : UINT64_MAX;
}

void
lines_stall(int who, enum way way, bool on)
{
	uint64_t now = clocks_true();

	all.roads[who].stalled[way] = on;
	if (on)
		return;
	for (struct line *l = all.lines; l != NULL; l = l->next) {
		if (l->who != who)
			continue;
		if (due_of(&l->up) != UINT64_MAX)
			all.watch.wake_broker(all.watch.self, due_of(&l->up) > now ? due_of(&l->up) : now);
		if (due_of(&l->down) != UINT64_MAX || l->connecting)
			wake_node(who, due_of(&l->down) > now && due_of(&l->down) != UINT64_MAX ? due_of(&l->down) : now);
	}
}

void
lines_slow(int who, uint32_t delay_ms)
{
	all.roads[who].delay = delay_ms > 0 ? delay_ms : all.roads[who].usual;
}

bool
lines_reset(int who)
{
	struct line *l = open_line_of(who);

	if (l == NULL)
		return false;
	line_gone(l, true);
	return true;
}

bool
lines_forget(int who, enum way gone)
{
	struct line *l = open_line_of(who);

	if (l == NULL)
		return false;
	if (gone == WAY_UP) {
		line_gone(l, false);
		return true;
	}
	l->near_open = false;
	pipe_cut(&l->down, 0);
	tell_node(l, NET_LOST, clocks_true());
	return true;
}

void
lines_heal(void)
{
	for (int i = 0; i < WHO_COUNT; i++) {
		lines_stall(i, WAY_UP, false);
		lines_stall(i, WAY_DOWN, false);
		lines_slow(i, 0);
	}
}

static struct line *first_due(void);

uint64_t
lines_due_up(void)
{
	struct line *l = first_due();

	return l != NULL ? pipe_first(&l->up)->at : UINT64_MAX;
}

uint64_t
lines_due_down(int who)
{
	uint64_t due = UINT64_MAX;

	for (struct line *l = all.lines; l != NULL; l = l->next) {
		if (l->who != who)
			continue;
		if (l->near_open && !all.roads[who].stalled[WAY_DOWN] && due_of(&l->down) < due)
			due = due_of(&l->down);
		if (l->event_count > 0 && l->event_at[0] < due)
			due = l->event_at[0];
		if (l->connecting && l->opens_at > clocks_true() && l->opens_at < due)
			due = l->opens_at;
	}
	return due;
}

uint32_t lines_queued_most(void) { return all.queued_most; }

/* ---- net.h ---- */

enum kw_err
net_new(struct net **out, struct kw_why *why)
{
	(void)why;
	*out = calloc(1, sizeof **out);
	MUST(*out != NULL);
	return KW_OK;
}

void
net_close(struct net *n)
{
	struct line *l = n->line;

	packet_free(&n->held);
	n->held = (struct packet){0};
	n->line = NULL;
	if (l == NULL)
		return;
	l->near_open = l->connecting = false;
	l->event_count = 0;
	pipe_cut(&l->down, 0);
	l->fin_at = l->up.last > clocks_true() ? l->up.last : clocks_true() + travel_ms(&all.roads[l->who]);
}

void
net_free(struct net **n)
{
	if (n == NULL || *n == NULL)
		return;
	net_close(*n);
	free(*n);
	*n = NULL;
}

static struct line *
open_to_broker(int who)
{
	struct line *l = line_new(who);

	l->connecting = true;
	l->opens_at = clocks_true() + 3 * (uint64_t)travel_ms(&all.roads[who]);
	wake_node(who, l->opens_at);
	return l;
}

enum kw_err
net_open(struct net *n, const char *endpoint, const uint8_t broker_pk[KW_KEY_LEN], const struct secret_keys *keys, struct kw_why *why)
{
	int who = papers_who(secret_keys_public(keys)->name);

	(void)endpoint;
	(void)broker_pk;
	(void)why;
	MUST(who >= 0);
	net_close(n);
	n->line = open_to_broker(who);
	return KW_OK;
}

void *net_socket(struct net *n) { return n->line; }
void *net_monitor(struct net *n) { return n->line; }
void *net_context(struct net *n) { (void)n; return NULL; }

static enum net_event
next_event(struct line *l)
{
	enum net_event e;

	settle(l);
	if (l->event_count == 0 || l->event_at[0] > clocks_true())
		return NET_NOTHING;
	e = l->events[0];
	l->event_count--;
	memmove(l->events, l->events + 1, l->event_count * sizeof l->events[0]);
	memmove(l->event_at, l->event_at + 1, l->event_count * sizeof l->event_at[0]);
	return e;
}

enum net_event
net_event(struct net *n)
{
	return n->line != NULL ? next_event(n->line) : NET_NOTHING;
}

static void
say_up(struct line *l, struct span control, struct span frame)
{
	if (all.watch.up != NULL)
		all.watch.up(all.watch.self, l->who, control, frame);
	if (!l->far_open)
		return; /* into the void, until somebody notices */
	pipe_put(&l->up, &all.roads[l->who], control, frame, frame.len > 0);
	if (!all.roads[l->who].stalled[WAY_UP])
		all.watch.wake_broker(all.watch.self, l->up.last);
}

enum kw_err
net_send(struct net *n, struct span control, struct span frame)
{
	if (n->line == NULL || !n->line->near_open)
		return KW_EAGAIN;
	say_up(n->line, control, frame);
	return KW_OK;
}

enum kw_err
net_receive(struct net_message *out, struct net *n)
{
	struct line *l = n->line;
	struct packet *p;

	packet_free(&n->held);
	n->held = (struct packet){0};
	if (l == NULL || !l->near_open || all.roads[l->who].stalled[WAY_DOWN])
		return KW_EAGAIN;
	p = pipe_first(&l->down);
	if (p == NULL || p->at > clocks_true())
		return KW_EAGAIN;
	n->held = pipe_take(&l->down);
	*out = (struct net_message){.control = buf_span(&n->held.control), .frame = buf_span(&n->held.frame), .has_frame = n->held.has_frame};
	return KW_OK;
}

/* ---- the liar's end ---- */

struct line *
lines_open_liar(int who)
{
	return open_to_broker(who);
}

bool
lines_is_up(struct line *l)
{
	while (next_event(l) != NET_NOTHING)
		continue;
	return l->near_open;
}

void
lines_say(struct line *l, struct span control, struct span frame)
{
	if (l->near_open)
		say_up(l, control, frame);
}

bool
lines_hear(struct line *l, struct wire_msg *m, struct span *frame)
{
	packet_free(&all.liars);
	all.liars = (struct packet){0};
	while (pipe_first(&l->down) != NULL && pipe_first(&l->down)->at <= clocks_true() && l->near_open) {
		all.liars = pipe_take(&l->down);
		*frame = buf_span(&all.liars.frame);
		if (wire_decode(m, buf_span(&all.liars.control), NULL) == KW_OK)
			return true;
		packet_free(&all.liars);
		all.liars = (struct packet){0};
	}
	return false;
}

/* ---- zap.h ---- */

enum kw_err
zap_start(struct zap **out, void *context, struct kw_why *why)
{
	(void)context;
	(void)why;
	*out = calloc(1, sizeof **out);
	MUST(*out != NULL);
	all.zap = *out;
	return KW_OK;
}

void
zap_stop(struct zap **z)
{
	if (*z == all.zap)
		all.zap = NULL;
	free(*z);
	*z = NULL;
}

void zap_agreement(struct zap *z, const struct agreement *a) { z->agreement = a; }
uint64_t zap_turned_away(const struct zap *z) { (void)z; return 0; }

bool
zap_user_key(uint8_t key[KW_KEY_LEN], const char *user)
{
	(void)key;
	(void)user;
	return false;
}

/* ---- gate.h, with the real one's table ---- */

enum kw_err
gate_open(struct gate **out, const struct gate_config *config, struct kw_why *why)
{
	struct gate *g = calloc(1, sizeof *g);

	MUST(g != NULL && all.gate == NULL);
	if (gate_table_init(&g->table, config->conns_max) != KW_OK)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	g->hwm = config->send_hwm;
	all.gate = *out = g;
	return KW_OK;
}

void
gate_close(struct gate **gate)
{
	struct gate *g = *gate;

	if (g == NULL)
		return;
	gate_table_free(&g->table);
	if (all.gate == g)
		all.gate = NULL;
	free(g);
	*gate = NULL;
}

void *gate_socket(struct gate *g) { return g; }
void *gate_monitor(struct gate *g) { return g; }
void gate_monitor_receive(struct gate *g) { (void)g; }
long gate_wait_ms(const struct gate *g) { (void)g; return -1; }
const struct gate_counters *gate_counters(const struct gate *g) { return &g->counters; }
uint32_t gate_conn_count(const struct gate *g) { return g->table.count; }

void
gate_agreement(struct gate *g, const struct agreement *a)
{
	g->agreement = a;
	g->version++;
}

static void
routing_id(uint8_t id[5], const struct line *l)
{
	id[0] = 0;
	be32_put(id + 1, (uint32_t)l->number);
}

static struct line *
line_of(const struct gate_conn *c)
{
	for (struct line *l = all.lines; l != NULL; l = l->next)
		if (l->number == be32_get(c->id + 1))
			return l;
	return NULL;
}

static const struct peer *
peer_of(struct gate *g, struct gate_conn *c)
{
	if (c->version != g->version) {
		c->version = g->version;
		c->peer = (struct peer){.role = PEER_UNKNOWN};
		if (g->agreement != NULL)
			c->peer = agreement_peer(g->agreement, c->key);
		if (c->peer.name != NULL)
			(void)snprintf(c->name, sizeof c->name, "%s", c->peer.name);
	}
	return &c->peer;
}

/* The message that came first, over all connections. */
static struct line *
first_due(void)
{
	struct line *best = NULL;

	for (struct line *l = all.lines; l != NULL; l = l->next) {
		struct packet *p = pipe_first(&l->up), *b = best != NULL ? pipe_first(&best->up) : NULL;

		if (p == NULL || all.roads[l->who].stalled[WAY_UP])
			continue;
		if (b == NULL || p->at < b->at || (p->at == b->at && p->order < b->order))
			best = l;
	}
	return best;
}

static struct gate_conn *
conn_of(struct gate *g, struct line *l, uint64_t mono_ms, const struct gate_handler *h)
{
	uint32_t given_up = UINT32_MAX;
	struct gate_conn *c;
	uint8_t id[5];

	routing_id(id, l);
	c = gate_table_find(&g->table, span_of(id, sizeof id));
	if (c == NULL) {
		c = gate_table_add(&g->table, span_of(id, sizeof id), secret_keys_public(papers_keys(l->who))->curve_pk, &given_up);
		if (given_up != UINT32_MAX)
			h->drop(h->self, given_up);
	}
	if (c != NULL)
		gate_table_touch(&g->table, c, mono_ms);
	return c;
}

static void
hand_on(struct gate *g, struct line *l, struct packet *p, uint64_t mono_ms, const struct gate_handler *h)
{
	struct gate_conn *c = conn_of(g, l, mono_ms, h);
	struct gate_message m = {.fault = GATE_FINE};
	zmq_msg_t frame;

	g->counters.messages++;
	if (c == NULL || c->key_state->silent_until_ms > mono_ms) {
		g->counters.dropped++;
		return;
	}
	if (p->has_frame) {
		MUST(zmq_msg_init_size(&frame, p->frame.len) == 0);
		memcpy(zmq_msg_data(&frame), p->frame.p, p->frame.len);
		m.frame = &frame;
	}
	if (all.watch.arrived != NULL)
		all.watch.arrived(all.watch.self, l->who, l, buf_span(&p->control), buf_span(&p->frame));
	m.conn = c->number;
	m.peer = peer_of(g, c);
	m.control = buf_span(&p->control);
	if (m.control.len == 0 || m.control.len > KW_CONTROL_MAX)
		m.fault = GATE_EMPTY;
	h->on(h->self, &m);
	if (p->has_frame)
		(void)zmq_msg_close(&frame);
}

uint32_t
gate_receive(struct gate *g, uint32_t max, uint64_t mono_ms, const struct gate_handler *h)
{
	uint32_t n = 0;

	for (; n < max; n++) {
		struct line *l = first_due();
		struct packet p;

		if (l == NULL)
			break;
		if (pipe_first(&l->up)->at > clocks_true())
			break;
		p = pipe_take(&l->up);
		hand_on(g, l, &p, mono_ms, h);
		packet_free(&p);
	}
	return n;
}

enum gate_sent
gate_send(struct gate *g, uint32_t conn, struct span control, zmq_msg_t *frame)
{
	struct gate_conn *c = gate_table_at(&g->table, conn);
	struct span f = span_of(NULL, 0);
	struct line *l;

	if (c == NULL)
		return GATE_GONE;
	l = line_of(c);
	if (l == NULL || !far_end(l)) {
		gate_table_remove(&g->table, c);
		return GATE_GONE;
	}
	if ((int)l->down.count >= g->hwm) {
		log_peer(LOG_WARNING, "gate.not_reading", c->name, "address=%s", c->address);
		gate_table_remove(&g->table, c);
		return GATE_FULL;
	}
	if (frame != NULL)
		f = span_of(zmq_msg_data(frame), zmq_msg_size(frame));
	if (control.len == 0) {
		control = f;
		f = span_of(NULL, 0);
	}
	if (all.watch.down != NULL)
		all.watch.down(all.watch.self, l->who, l, control, f);
	if (l->near_open) {
		pipe_put(&l->down, &all.roads[l->who], control, f, f.len > 0);
		if (l->down.count > all.queued_most)
			all.queued_most = l->down.count;
		if (!all.roads[l->who].stalled[WAY_DOWN])
			wake_node(l->who, l->down.last);
	}
	if (frame != NULL) {
		(void)zmq_msg_close(frame);
		(void)zmq_msg_init(frame);
	}
	return GATE_SENT;
}

/* Operators in here read what they ask for, so nothing is owed to them. */
enum gate_sent
gate_answer(struct gate *g, uint32_t conn, struct span control)
{
	return gate_send(g, conn, control, NULL);
}

bool
gate_owes_enough(const struct gate *g, uint32_t conn)
{
	(void)g;
	(void)conn;
	return false;
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
	(void)g;
	(void)conn;
	return "";
}
