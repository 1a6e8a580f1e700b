/* house: see its header. */
#include "house.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "broker/store/store_lmdb.h"
#include "broker/store/store_memory.h"
#include "counted.h"
#include "played.h"
#include "proto/commit.h"

#define ENDPOINT "tcp://127.0.0.1:7411"

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

/* Counted as what comes in crowds is carried. */
bool
commit_thread_carry(struct commit_thread *t, struct store_batch *batch)
{
	(void)t;
	(void)batch;
	return false;
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

/* ---- the agreement ---- */

static struct secret_keys *
new_key(enum key_kind kind, const char *name)
{
	struct secret_keys *k;
	struct kw_why why;

	load_must(secret_keys_new(&k, kind, MODE_LIVE, name, &why), &why);
	return k;
}

static char *
path_in(const struct house *h, const char *name, const char *end)
{
	size_t len = strlen(h->folder) + strlen(name) + strlen(end) + 2;
	char *path = load_memory(1, len), *slash;

	(void)snprintf(path, len, "%s/%s%s", h->folder, name, end);
	slash = strchr(path + strlen(h->folder) + 1, '/');
	if (slash != NULL)
		*slash = '-';
	return path;
}

/* A node's key, in its file for who seals, and known to the network. */
static void
put_node(struct house *h, struct buf *text, uint32_t n, const char *id)
{
	struct house_node *node = &h->nodes[n];
	struct secret_keys *k = new_key(KEY_NODE, id);
	struct kw_why why;

	(void)snprintf(node->id, sizeof node->id, "%s", id);
	node->config.key = path_in(h, id, ".key");
	load_must(secret_keys_write(k, node->config.key, NULL, &why), &why);
	node->peer = played_peer(secret_keys_public(k)->curve_pk);
	buf_put_str(text, n > FAN ? ", {id: " : "{id: ");
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
write_text(struct house *h, struct buf *text, const struct secret_keys *mayor)
{
	char id[KW_NODE_MAX + 1];

	put_line(text, "partnership: musterstadt\nversion: 1\nvalid: {from: 2020-01-01T00:00:00+01:00, until: 2099-12-01T00:00:00+01:00}\nkind: live\n"
	               "steering: {threshold: 1, members: [{name: mayor, key: \"", mayor, "\"}]}\n");
	put_line(text, "broker: {name: haus, endpoints: [\"" ENDPOINT "\"], key: \"", h->haus, "\"}\n");
	buf_put_str(text, "coordinator: desk/office\npartners:\n  - {id: police, kind: police, nodes: [");
	put_node(h, text, POLICE, "police/control-room");
	buf_put_str(text, "]}\n  - {id: city, kind: city, nodes: [");
	put_node(h, text, ORDER, "city/public-order");
	buf_put_str(text, "]}\n  - {id: desk, kind: justice, nodes: [");
	put_node(h, text, DESK, "desk/office");
	buf_put_str(text, "]}\n  - {id: fan, kind: justice, nodes: [");
	for (uint32_t i = 0; i < HOUSE_FAN; i++) {
		(void)snprintf(id, sizeof id, "fan/n%03u", i);
		put_node(h, text, FAN + i, id);
	}
	buf_put_str(text, "]}\ntopics:\n"
	                  "  - {filter: \"alert/#\", schema: note, publish: [police], receive: [city], lane: flash}\n"
	                  "  - {filter: \"note/#\", schema: note, publish: [police], receive: [city], lane: routine}\n"
	                  "  - {filter: \"fan/#\", schema: note, publish: [police], receive: [fan], lane: flash}\n"
	                  "  - {filter: \"case/#\", schema: note, publish: [police], receive: [city, desk], lane: urgent,\n"
	                  "     responsible: [{who: city/public-order, take_within: 1h}, {who: desk/office, take_within: 1h}]}\n");
}

/* Parsed, and signed in its files for nodes that read it. */
static void
make_agreement(struct house *h)
{
	struct buf text = BUF_INIT(KW_AGREEMENT_MAX), sigs = BUF_INIT(KW_SIGNATURES_TEXT_MAX);
	struct secret_keys *mayor = new_key(KEY_STEERING, "mayor");
	char *path = path_in(h, "agreement.yaml", ""), *path_sig = path_in(h, "agreement.yaml.sig", "");
	struct kw_why why;

	write_text(h, &text, mayor);
	if (!buf_ok(&text))
		load_fail("out of memory");
	load_must(agreement_parse(&h->agreement, buf_span(&text), NULL, &why), &why);
	load_must(agreement_sign(&sigs, h->agreement, NULL, mayor, &why), &why);
	load_must(fs_write(path, buf_span(&text), 0644, &why), &why);
	load_must(fs_write(path_sig, buf_span(&sigs), 0644, &why), &why);
	buf_free(&text);
	buf_free(&sigs);
	free(path);
	free(path_sig);
	secret_keys_free(&mayor);
}

/* ---- the broker ---- */

static void
sign(void *self, const struct commit *c, uint8_t out[WIRE_COMMIT_LEN])
{
	commit_encode(out, c, secret_keys_sign(((struct house *)self)->haus));
}

static void
open_store(struct house *h, bool on_disk)
{
	char *path = path_in(h, "store", "");
	struct store_lmdb_config config = {.path = path, .partnership = "musterstadt", .quota_bytes = 4ull << 30, .journal_bytes = 16u << 20,
	                                   .apply_after_ms = UINT32_MAX, .signer = {h, sign}};
	struct kw_why why = {"out of memory"};

	load_must(on_disk ? store_lmdb_open(&h->store, &config, NULL, &why) : store_memory_open(&h->store, config.signer, config.quota_bytes), &why);
	free(path);
}

static void
make_broker(struct house *h)
{
	const char *endpoint = ENDPOINT;
	struct gate_config door = {.curve_secret = secret_keys_curve(h->haus), .endpoints = &endpoint, .endpoint_count = 1, .conns_max = 8192, .send_hwm = 8192};
	const uint64_t start[KW_LANES] = {1, 1, 1}, tail[KW_LANES] = {0};
	uint8_t none[WIRE_COMMIT_LEN] = {0};
	struct relay_parts parts;
	struct kw_why why = {"out of memory"};

	h->commits = load_memory(1, sizeof *h->commits);
	h->commits->store = h->store;
	load_must(core_new(&h->core, &core_limits_default), &why);
	core_load_state(h->core, 1, start, tail, false, none);
	load_must(core_start(h->core, h->agreement, relay_now()), &why);
	core_replayed(h->core, relay_now());
	load_must(agreement_chain_new(&h->chain), &why);
	parts = (struct relay_parts){.core = h->core, .store = h->store, .commits = h->commits, .chain = h->chain, .keys = h->haus};
	load_must(relay_new(&h->relay, &parts), &why);
	load_must(gate_open(&h->gate, &door, &why), &why);
	relay_open_gate(h->relay, h->gate);
}

/* ---- what played nodes say and hear ---- */

static void
say(struct house *h, const struct house_node *n, const struct wire_msg *m)
{
	buf_reset(&h->control);
	if (wire_encode(&h->control, m) != KW_OK)
		load_fail("out of memory");
	played_come(n->peer, buf_span(&h->control), span_of(NULL, 0));
}

static void
say_hello(struct house *h, const struct house_node *n)
{
	struct wire_msg m = {.kind = WIRE_HELLO};

	m.hello = (struct wire_hello){.protocol = 1, .software = "counts", .sender_epoch = 1, .agreement_version = 1};
	memcpy(m.hello.agreement_hash, agreement_hash(h->agreement), KW_HASH_LEN);
	for (int lane = 0; lane < KW_LANES; lane++)
		m.hello.window[lane] = (struct lane_window){1024, 8u << 20};
	say(h, n, &m);
}

static bool
acknowledge(struct house *h, struct house_node *n)
{
	struct wire_msg m = {.kind = WIRE_ACK};

	if (!n->unacked)
		return false;
	n->unacked = false;
	memcpy(m.ack.cursor, n->got, sizeof n->got);
	say(h, n, &m);
	return true;
}

/* Each comes once, in its order, bit by bit. */
static void
look_at_delivery(struct house *h, struct house_node *n, const struct wire_deliver *d, struct span frame)
{
	n->got[d->at.lane] = (struct lane_cursor){d->at.log_epoch, d->at.number};
	n->unacked = true;
	if (d->mark == MARK_WHOLE && h->pool != NULL && !span_eq(frame, h->pool->at[n->delivered].frame))
		load_fail("%s got something else than notification %u", n->id, n->delivered);
	if (d->mark != MARK_WHOLE && d->mark != MARK_ENTRY)
		load_fail("%s got a bare head", n->id);
	n->delivered += d->mark == MARK_WHOLE;
	n->entries += d->mark == MARK_ENTRY;
}

static void
look(struct house *h, const struct played_sent *s)
{
	struct house_node *n = &h->nodes[s->peer];
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

/* ---- turns ---- */

static void
broker_turn(struct house *h)
{
	bool more;

	if (h->counts == COUNTS_BROKER)
		counted_on();
	do {
		more = relay_receive(h->relay, 512);
		more = relay_carry(h->relay, 1024) || more || h->commits->answered;
	} while (more);
	(void)counted_off();
}

static bool
real_turn(struct house *h, uint32_t node)
{
	struct kw_why why;
	enum kw_err err;

	if (h->counts == COUNTS_NODE && h->counted_node == node)
		counted_on();
	err = node_turn(h->nodes[node].real, &why);
	(void)counted_off();
	load_must(err, &why);
	return played_reads(h->nodes[node].peer);
}

/* False: nobody has anything to say. */
static bool
nodes_turn(struct house *h)
{
	bool any = false;

	for (uint32_t i = 0; played_sent(i) != NULL; i++)
		if (h->nodes[played_sent(i)->peer].real != NULL)
			played_hand(played_sent(i));
		else
			look(h, played_sent(i));
	played_forget();
	for (uint32_t n = 0; n < NODES; n++) {
		bool more = h->nodes[n].real != NULL ? real_turn(h, n) : acknowledge(h, &h->nodes[n]);

		any = any || more;
	}
	return any || played_waits();
}

void
house_settle(struct house *h)
{
	do {
		broker_turn(h);
	} while (nodes_turn(h));
}

/* ---- beginning and end ---- */

void
house_open(struct house *h, const char *name, bool on_disk)
{
	memset(h, 0, sizeof *h);
	(void)snprintf(h->folder, sizeof h->folder, "%s/%s", counted_folder(), name);
	if (mkdir(h->folder, 0700) != 0)
		load_fail("%s cannot be made", h->folder);
	played_begin();
	h->control = BUF_INIT(KW_CONTROL_MAX);
	h->haus = new_key(KEY_BROKER, "haus");
	make_agreement(h);
	h->load = (struct load){.folder = h->folder, .agreement = h->agreement};
	open_store(h, on_disk);
	make_broker(h);
	for (uint32_t i = 0; i < NODES; i++)
		say_hello(h, &h->nodes[i]);
	house_settle(h);
}

/* Its hello takes the place of who was played. */
void
house_make_real(struct house *h, uint32_t node)
{
	struct house_node *n = &h->nodes[node];
	struct kw_why why;

	n->config.agreement = path_in(h, "agreement.yaml", "");
	n->config.state = path_in(h, n->id, "-state");
	n->config.outbox_max = 10000;
	load_must(node_open(&n->real, &n->config, &why), &why);
	house_settle(h);
}

void
house_close(struct house *h)
{
	for (uint32_t i = 0; i < NODES; i++) {
		node_close(&h->nodes[i].real);
		config_free(&h->nodes[i].config);
	}
	gate_close(&h->gate);
	relay_free(&h->relay);
	core_free(&h->core);
	h->store->ops->close(h->store);
	agreement_chain_free(&h->chain);
	agreement_free(&h->agreement);
	secret_keys_free(&h->haus);
	buf_free(&h->control);
	free(h->commits);
}

void
house_begin_pool(struct house *h, const struct pool *p)
{
	h->pool = p;
	for (uint32_t i = 0; i < NODES; i++)
		h->nodes[i].stored = h->nodes[i].delivered = h->nodes[i].entries = 0;
}

void
house_say(struct house *h, uint32_t node, const struct notice *n)
{
	played_come(h->nodes[node].peer, n->control, n->frame);
}
