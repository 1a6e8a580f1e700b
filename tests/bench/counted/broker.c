/*
 * broker: what a notification costs the broker from its publish to its delivery and the acknowledgement, and what retention and LMDB take of it
 * later: gate, codec, core, store and its journal, all as the daemon has them. Batches are committed at once and by the same thread, and LMDB gets
 * them when it is asked to, so that every run does the same.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "../load_pool.h"
#include "base/clock.h"
#include "broker/net/gate.h"
#include "broker/net/relay.h"
#include "broker/store/store_lmdb.h"
#include "counted.h"
#include "proto/commit.h"
#include "proto/payload.h"
#include "proto/seal.h"

#define FRAME_LEN 800u
#define AT_ONCE 64u              /* published in one turn, and one commit */
#define ROUNDS 32u               /* of one cycle, which ends with retention and all of it in LMDB */
#define MS_APPLIED 120u          /* of the pretended time, between two transactions of LMDB */
#define FAN 100u
#define FAN_AT_ONCE 16u
#define CASES 64u

/* ---- the commit thread, without a thread ---- */

struct commit_thread { struct store *store; bool answered; struct committed answer; };

bool
commit_thread_give(struct commit_thread *t, struct store_batch *batch)
{
	if (t->answered)
		return false;
	t->answer = (struct committed){.batch = batch};
	t->answer.err = t->store->ops->commit(t->store, batch, &t->answer.why);
	t->answered = true;
	return true;
}

bool
commit_thread_take(struct commit_thread *t, struct committed *out)
{
	if (!t->answered)
		return false;
	*out = t->answer;
	t->answered = false;
	return true;
}

/* ---- the house ---- */

enum { POLICE, ORDER, DESK, NODES_FIRST_FAN, NODES = NODES_FIRST_FAN + FAN };

struct house {
	struct secret_keys *haus;
	struct agreement *agreement;
	struct agreement_chain *chain;
	struct core *core;
	struct store *store;
	struct commit_thread commits;
	struct gate *gate;
	struct relay *relay;
	struct node { char id[KW_NODE_MAX + 1]; uint32_t peer; struct lane_cursor got[KW_LANES]; uint32_t stored, delivered; bool unacked; } nodes[NODES];
	struct load load;            /* for who seals */
	const struct pool *pool;     /* what is sent */
	struct buf control;
	uint64_t applied_ms;
};

static void
sign(void *self, const struct commit *c, uint8_t out[WIRE_COMMIT_LEN])
{
	commit_encode(out, c, secret_keys_sign(((struct house *)self)->haus));
}

static struct secret_keys *
new_key(enum key_kind kind, const char *name)
{
	struct secret_keys *k;
	struct kw_why why;

	load_must(secret_keys_new(&k, kind, MODE_LIVE, name, &why), &why);
	return k;
}

/* A node's key, in its file for who seals, and known to the network. */
static void
put_node(struct house *h, struct buf *text, uint32_t n, const char *id)
{
	char path[512], name[KW_NODE_MAX + 1];
	struct secret_keys *k = new_key(KEY_NODE, id);
	struct kw_why why;

	(void)snprintf(h->nodes[n].id, sizeof h->nodes[n].id, "%s", id);
	(void)snprintf(name, sizeof name, "%s", id);
	*strchr(name, '/') = '-';
	(void)snprintf(path, sizeof path, "%s/%s.key", counted_folder(), name);
	load_must(secret_keys_write(k, path, NULL, &why), &why);
	h->nodes[n].peer = net_peer(secret_keys_public(k)->curve_pk);
	buf_put_str(text, n > NODES_FIRST_FAN ? ", " : "");
	buf_put_str(text, "{id: ");
	buf_put_str(text, strchr(id, '/') + 1);
	buf_put_str(text, ", key: \"");
	buf_put_str(text, secret_keys_line(k));
	buf_put_str(text, "\"}");
	secret_keys_free(&k);
}

static void
put_line(struct buf *text, const char *before, const struct secret_keys *k, const char *after)
{
	buf_put_str(text, before);
	buf_put_str(text, secret_keys_line(k));
	buf_put_str(text, after);
}

static void
make_agreement(struct house *h)
{
	struct buf text = BUF_INIT(KW_AGREEMENT_MAX);
	struct secret_keys *mayor = new_key(KEY_STEERING, "mayor");
	char id[KW_NODE_MAX + 1];
	struct kw_why why;

	put_line(&text, "partnership: musterstadt\nversion: 1\nvalid: {from: 2020-01-01T00:00:00+01:00, until: 2099-12-01T00:00:00+01:00}\nkind: live\n"
	                "steering: {threshold: 1, members: [{name: mayor, key: \"", mayor, "\"}]}\n");
	put_line(&text, "broker: {name: haus, endpoints: [\"tcp://127.0.0.1:7411\"], key: \"", h->haus, "\"}\n");
	buf_put_str(&text, "coordinator: desk/office\npartners:\n  - {id: police, kind: police, nodes: [");
	put_node(h, &text, POLICE, "police/control-room");
	buf_put_str(&text, "]}\n  - {id: city, kind: city, nodes: [");
	put_node(h, &text, ORDER, "city/public-order");
	buf_put_str(&text, "]}\n  - {id: desk, kind: justice, nodes: [");
	put_node(h, &text, DESK, "desk/office");
	buf_put_str(&text, "]}\n  - {id: fan, kind: justice, nodes: [");
	for (uint32_t i = 0; i < FAN; i++) {
		(void)snprintf(id, sizeof id, "fan/n%03u", i);
		put_node(h, &text, NODES_FIRST_FAN + i, id);
	}
	buf_put_str(&text, "]}\ntopics:\n"
	                   "  - {filter: \"alert/#\", schema: note, publish: [police], receive: [city], lane: flash}\n"
	                   "  - {filter: \"fan/#\", schema: note, publish: [police], receive: [fan], lane: flash}\n"
	                   "  - {filter: \"case/#\", schema: note, publish: [police], receive: [city, desk], lane: urgent,\n"
	                   "     responsible: [{who: city/public-order, take_within: 1h}, {who: desk/office, take_within: 1h}]}\n");
	if (!buf_ok(&text))
		load_fail("out of memory");
	load_must(agreement_parse(&h->agreement, buf_span(&text), NULL, &why), &why);
	buf_free(&text);
	secret_keys_free(&mayor);
}

static void
make_broker(struct house *h)
{
	char path[512];
	struct store_lmdb_config config = {.path = path, .partnership = "musterstadt", .quota_bytes = 4ull << 30, .journal_bytes = 16u << 20,
	                                   .apply_after_ms = UINT32_MAX, .signer = {h, sign}};
	const char *endpoint = "tcp://127.0.0.1:7411";
	struct gate_config door = {.curve_secret = secret_keys_curve(h->haus), .endpoints = &endpoint, .endpoint_count = 1, .conns_max = 8192, .send_hwm = 8192};
	const uint64_t start[KW_LANES] = {1, 1, 1}, tail[KW_LANES] = {0};
	uint8_t none[WIRE_COMMIT_LEN] = {0};
	struct relay_parts parts;
	struct kw_why why = {"out of memory"};

	(void)snprintf(path, sizeof path, "%s/store", counted_folder());
	load_must(store_lmdb_open(&h->store, &config, NULL, &why), &why);
	h->commits.store = h->store;
	load_must(core_new(&h->core, &core_limits_default), &why);
	core_load_state(h->core, 1, start, tail, false, none);
	load_must(core_start(h->core, h->agreement, relay_now()), &why);
	core_replayed(h->core, relay_now());
	load_must(agreement_chain_new(&h->chain), &why);
	parts = (struct relay_parts){.core = h->core, .store = h->store, .commits = &h->commits, .chain = h->chain, .keys = h->haus};
	load_must(relay_new(&h->relay, &parts), &why);
	load_must(gate_open(&h->gate, &door, &why), &why);
	relay_open_gate(h->relay, h->gate);
}

static void
close_house(struct house *h)
{
	gate_close(&h->gate);
	relay_free(&h->relay);
	core_free(&h->core);
	h->store->ops->close(h->store);
	agreement_chain_free(&h->chain);
	agreement_free(&h->agreement);
	secret_keys_free(&h->haus);
	buf_free(&h->control);
}

/* ---- what the nodes say and hear: not counted ---- */

static void
say(struct house *h, const struct node *n, const struct wire_msg *m)
{
	buf_reset(&h->control);
	if (wire_encode(&h->control, m) != KW_OK)
		load_fail("out of memory");
	net_come(n->peer, buf_span(&h->control), span_of(NULL, 0));
}

static void
say_hello(struct house *h, const struct node *n)
{
	struct wire_msg m = {.kind = WIRE_HELLO};

	m.hello = (struct wire_hello){.protocol = 1, .software = "counts", .sender_epoch = 1, .agreement_version = 1};
	memcpy(m.hello.agreement_hash, agreement_hash(h->agreement), KW_HASH_LEN);
	for (int lane = 0; lane < KW_LANES; lane++)
		m.hello.window[lane] = (struct lane_window){1024, 8u << 20};
	say(h, n, &m);
}

static void
acknowledge(struct house *h, struct node *n)
{
	struct wire_msg m = {.kind = WIRE_ACK};

	if (!n->unacked)
		return;
	n->unacked = false;
	memcpy(m.ack.cursor, n->got, sizeof n->got);
	say(h, n, &m);
}

/* Each comes once, in its order, bit by bit. */
static void
look_at_delivery(struct house *h, struct node *n, const struct wire_deliver *d, struct span frame)
{
	n->got[d->at.lane] = (struct lane_cursor){d->at.log_epoch, d->at.number};
	n->unacked = true;
	if (d->mark == MARK_WHOLE && !span_eq(frame, h->pool->at[n->delivered].frame))
		load_fail("%s got something else than notification %u", n->id, n->delivered);
	if (d->mark != MARK_WHOLE && d->mark != MARK_ENTRY)
		load_fail("%s got a bare head", n->id);
	if (d->mark == MARK_WHOLE)
		n->delivered++;
}

static void
look(struct house *h, const struct net_sent *s)
{
	struct node *n = &h->nodes[s->peer];
	struct wire_msg m;
	struct kw_why why;

	load_must(wire_decode(&m, s->control, &why), &why);
	if (m.kind == WIRE_REFUSED)
		load_fail("%s is refused: %s", n->id, m.refused.text);
	if (m.kind == WIRE_STORED)
		n->stored += m.stored.count;
	if (m.kind == WIRE_DELIVER)
		look_at_delivery(h, n, &m.deliver, s->frame);
	wire_msg_clear(&m);
}

/* ---- the broker's turns: what is counted ---- */

static void
turn(struct house *h)
{
	bool more;

	counted_on();
	do {
		more = relay_receive(h->relay, 512);
		more = relay_carry(h->relay, 1024) || more || h->commits.answered;
	} while (more);
	counted_off();
}

/* Until the nodes have nothing to say to what they heard. */
static void
settle(struct house *h)
{
	bool any = true;

	while (any) {
		turn(h);
		for (uint32_t i = 0; net_sent(i) != NULL; i++)
			look(h, net_sent(i));
		net_forget();
		any = false;
		for (uint32_t i = 0; i < NODES; i++) {
			any = any || h->nodes[i].unacked;
			acknowledge(h, &h->nodes[i]);
		}
	}
}

/*
 * LMDB gets everything that the journal holds, in one transaction. The store's thread goes on by itself with retention that is left over when 200 ms
 * have passed since its last one, at a moment that the scheduler chooses: so no more than MS_APPLIED pass without this.
 */
static void
apply(struct house *h)
{
	struct store_op op = {.kind = OP_PURGE, .purge = {400}};
	struct store_batch b = {.ops = &op, .count = 1, .now_ms = clock_wall_ms(), .waits = true};
	struct kw_why why;

	counted_on();
	load_must(h->store->ops->commit(h->store, &b, &why), &why);
	counted_off();
	h->applied_ms = clock_mono_ms();
}

static void
pass(struct house *h, uint32_t ms)
{
	counted_pass(ms);
	settle(h);
	if (clock_mono_ms() - h->applied_ms >= MS_APPLIED)
		apply(h);
}

/* So long that retention is done with what it had to do. */
static void
end_cycle(struct house *h)
{
	apply(h);
	for (uint32_t ms = 0; ms < 3000; ms += MS_APPLIED)
		pass(h, MS_APPLIED);
}

static void
publish(struct house *h, const struct pool *p, uint32_t i)
{
	net_come(h->nodes[POLICE].peer, p->at[i].control, p->at[i].frame);
}

static void
begin_pool(struct house *h, const struct pool *p)
{
	h->pool = p;
	for (uint32_t i = 0; i < NODES; i++)
		h->nodes[i].stored = h->nodes[i].delivered = 0;
}

/* ---- the figures ---- */

/* Every cycle is sealed anew, so each is sent once. */
static void
relay_cycle(struct house *h, const struct pool_wish *wish, uint32_t at_once, uint32_t first_reader, uint32_t readers)
{
	struct pool p;

	load_pool_make(&p, &h->load, wish);
	begin_pool(h, &p);
	for (uint32_t i = 0; i < p.count; i++) {
		publish(h, &p, i);
		if ((i + 1) % at_once != 0)
			continue;
		pass(h, at_once == 1 ? 1 : 3);
	}
	end_cycle(h);
	for (uint32_t i = first_reader; i < first_reader + readers; i++)
		if (h->nodes[i].delivered != p.count)
			load_fail("%s got %u of %u", h->nodes[i].id, h->nodes[i].delivered, p.count);
	if (h->nodes[POLICE].stored != p.count)
		load_fail("%u of %u were stored", h->nodes[POLICE].stored, p.count);
	load_pool_free(&p);
}

/* The second cycle: the first one warms up, and leaves what retention of the second has to do. */
static void
relayed(struct house *h)
{
	struct pool_wish wish = {.sender = "police/control-room", .topic = "alert/fire", .lane = LANE_ROUTINE, .count = ROUNDS * AT_ONCE, .frame_len = FRAME_LEN};

	relay_cycle(h, &wish, AT_ONCE, ORDER, 1);
	counted_end("", 1);
	relay_cycle(h, &wish, AT_ONCE, ORDER, 1);
	counted_end("relay", wish.count);
}

static void
relayed_singly(struct house *h)
{
	struct pool_wish wish = {.sender = "police/control-room", .topic = "alert/fire", .lane = LANE_FLASH, .count = 256, .frame_len = FRAME_LEN};

	relay_cycle(h, &wish, 1, ORDER, 1);
	counted_end("relay.single", wish.count);
}

static void
fanned_out(struct house *h)
{
	struct pool_wish wish = {.sender = "police/control-room", .topic = "fan/fire", .lane = LANE_FLASH, .count = 4 * FAN_AT_ONCE, .payload_len = 300};

	relay_cycle(h, &wish, FAN_AT_ONCE, NODES_FIRST_FAN, FAN);
	counted_end("", 1);
	relay_cycle(h, &wish, FAN_AT_ONCE, NODES_FIRST_FAN, FAN);
	counted_end("fan.100", wish.count);
}

void
count_broker(void)
{
	struct house *h = load_memory(1, sizeof *h);

	h->control = BUF_INIT(KW_CONTROL_MAX);
	h->haus = new_key(KEY_BROKER, "haus");
	make_agreement(h);
	h->load = (struct load){.folder = counted_folder(), .agreement = h->agreement};
	make_broker(h);
	for (uint32_t i = 0; i < NODES; i++)
		say_hello(h, &h->nodes[i]);
	settle(h);
	counted_end("", 1);
	relayed(h);
	relayed_singly(h);
	fanned_out(h);
	close_house(h);
	free(h);
}
