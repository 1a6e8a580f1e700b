/* relay: the daemon's middle. Events up into the core, effects down to gate and store. */
#include "broker/net/relay.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "broker/net/carrier.h"
#include "broker/net/outgoing.h"
#include "broker/net/relay_inside.h"
#include "proto/entry.h"
#include "proto/parts.h"
#include "proto/seal.h"

struct core_time
relay_now(void)
{
	return (struct core_time){clock_mono_ms(), clock_wall_ms()};
}

enum kw_err
relay_new(struct relay **out, const struct relay_parts *parts)
{
	struct relay *r = calloc(1, sizeof *r);

	if (r == NULL)
		return KW_ENOMEM;
	r->parts = *parts;
	r->started_ms = clock_mono_ms();
	pace_begin(&r->pace, r->started_ms);
	refusals_init(&r->refusals, clock_wall_ms());
	if (outgoing_init(&r->out) != KW_OK) {
		free(r);
		return KW_ENOMEM;
	}
	*out = r;
	return KW_OK;
}

void
relay_free(struct relay **relay)
{
	struct relay *r = *relay;

	if (r == NULL)
		return;
	outgoing_free(&r->out);
	texts_free(&r->texts);
	refusals_free(&r->refusals);
	agreement_free(&r->install.next);
	buf_free(&r->install.text);
	buf_free(&r->install.sigs);
	free(r);
	*relay = NULL;
}

void
relay_open_gate(struct relay *r, struct gate *gate)
{
	r->parts.gate = gate;
	gate_agreement(gate, core_agreement(r->parts.core));
}

const struct relay_parts *relay_parts_of(const struct relay *r) { return &r->parts; }
uint64_t relay_started_ms(const struct relay *r) { return r->started_ms; }
const struct pace *relay_pace(const struct relay *r) { return &r->pace; }
const struct filling *relay_filling(const struct relay *r) { return &r->filling; }
const struct refusals *relay_refusals(const struct relay *r) { return &r->refusals; }
bool relay_idle(const struct relay *r) { return core_quiet(r->parts.core); }
bool relay_lost(const struct relay *r) { return core_service(r->parts.core) == SERVICE_LOST; }

void
relay_on_admin(struct relay *r, void *self, relay_admin call)
{
	r->admin_self = self;
	r->admin = call;
}

/* ---- in ---- */

static void
refuse(struct relay *r, uint32_t conn, enum wire_code code, const uint8_t *id, const char *text)
{
	struct wire_msg m = {.kind = WIRE_REFUSED};

	core_count_refused(r->parts.core, code);
	m.refused.code = code;
	m.refused.has_id = id != NULL;
	if (id != NULL)
		memcpy(m.refused.id, id, KW_ID_LEN);
	(void)strncpy(m.refused.text, text, sizeof m.refused.text - 1);
	if (id != NULL)
		relay_remember(r, conn, code, id, text);
	relay_refusal_stands(r, conn, code, id); /* while the connection still has its name */
	relay_send(r, conn, &m);
}

/* [C-4] */
static void
malformed(struct relay *r, uint32_t conn, const char *text)
{
	log_peer(LOG_WARNING, "peer.malformed", gate_name(r->parts.gate, conn), "why=\"%s\"", text);
	refuse(r, conn, CODE_MALFORMED, NULL, text);
	gate_strike(r->parts.gate, conn, clock_mono_ms());
}

static void
on_hello(struct relay *r, uint32_t conn, uint32_t node, const struct wire_hello *h, struct core_time now)
{
	enum core_seen seen = SEEN_NONE;
	uint8_t hash[KW_HASH_LEN];

	if (h->seen.number > 0 && r->parts.store->ops->commit_hash(r->parts.store, h->seen.number, hash) == KW_OK)
		seen = memcmp(hash, h->seen.hash, KW_HASH_LEN) == 0 ? SEEN_SAME : SEEN_OTHER;
	core_hello(r->parts.core, conn, node, h, seen, now);
}

/* False: the store could not be read; the core was told. */
static bool
look_up(struct relay *r, uint32_t conn, const struct header *h, struct store_found *found, bool *known, struct core_time now)
{
	struct store *s = r->parts.store;
	struct kw_why why;
	node_no sender;
	enum kw_err err;

	*known = false;
	if (!core_asks_known(r->parts.core, conn, h, now, &sender))
		return true;
	err = s->ops->find(s, sender, h->id, found, &why);
	*known = err == KW_OK;
	if (err == KW_OK || err == KW_ENOTFOUND)
		return true;
	relay_read_failed(r, &why);
	return false;
}

static void
on_publish(struct relay *r, const struct gate_message *m, struct span wraps, uint32_t round, struct core_time now)
{
	struct core_publication p;
	struct store_found found;
	bool known;
	uint8_t hash[KW_HASH_LEN];
	struct header *h = &r->heard;
	struct kw_why why;
	struct frame f;
	struct blob *b;

	if (m->frame == NULL) {
		malformed(r, m->conn, "publish without a sealed frame");
		return;
	}
	if (frame_parse(&f, span_of(zmq_msg_data(m->frame), zmq_msg_size(m->frame)), FRAME_WHOLE, &why) != KW_OK ||
	    header_decode(h, f.header, &why) != KW_OK) {
		malformed(r, m->conn, why.text);
		return;
	}
	b = carrier_of_publish(m->frame, wraps, h, &f);
	if (b == NULL) {
		core_put_off(r->parts.core, m->conn, h->lane, round);
		refuse(r, m->conn, CODE_SLOW_DOWN, h->id, "the broker is short of memory");
		return;
	}
	seal_frame_hash(hash, &f);
	if (look_up(r, m->conn, h, &found, &known, now)) {
		p = (struct core_publication){.header = h, .round = round, .frame_hash = hash, .blob = b, .known = known ? &found : NULL};
		core_publish(r->parts.core, m->conn, &p, now);
	}
	blob_unref(&b);
}

static void
on_agreement_get(struct relay *r, uint32_t conn, uint32_t version, uint32_t part)
{
	zmq_msg_t message;

	switch (texts_message(&r->texts, &message, r->parts.chain, version, part)) {
	case KW_OK: relay_send_shared(r, conn, &message); break;
	case KW_ENOTFOUND: refuse(r, conn, CODE_NOT_FOUND, NULL, "this version of the agreement is not known here"); break;
	case KW_EINVAL: malformed(r, conn, "a part of the agreement that lies behind its end"); break;
	default: refuse(r, conn, CODE_SLOW_DOWN, NULL, "the broker is short of memory"); break;
	}
}

static void
from_node(struct relay *r, const struct gate_message *m, const struct wire_msg *w)
{
	struct core *c = r->parts.core;
	struct core_time now = relay_now();
	enum core_stage stage = core_heard(c, m->conn, now);

	if (stage == STAGE_REPLACED)
		return;
	if (stage == STAGE_REVOKED) { /* out by one version and a node again by a later one, on the same connection: it begins anew */
		core_closed(c, m->conn);
		gate_in_use(r->parts.gate, m->conn, false);
		stage = STAGE_NO_HELLO;
	}
	if (m->frame != NULL && w->kind != WIRE_PUBLISH) {
		malformed(r, m->conn, "a sealed frame beside a control that takes none");
		return;
	}
	if (w->kind == WIRE_HELLO) {
		on_hello(r, m->conn, m->peer->node, &w->hello, now);
		return;
	}
	if (stage == STAGE_NO_HELLO && core_keeps_out(c, m->conn, m->peer->node, now))
		return;
	if (stage == STAGE_NO_HELLO && w->kind != WIRE_PUBLISH) { /* of a publish the core says more */
		refuse(r, m->conn, CODE_NO_HELLO, NULL, "say hello first");
		return;
	}
	switch (w->kind) {
	case WIRE_PUBLISH: on_publish(r, m, w->publish.wraps, w->publish.round, now); break;
	case WIRE_ACK: core_ack(c, m->conn, &w->ack, now); break;
	case WIRE_SUBSCRIBE: core_subscribe(c, m->conn, &w->subscribe, now); break;
	case WIRE_AGREEMENT_GET: on_agreement_get(r, m->conn, w->agreement_get.version, w->agreement_get.part); break;
	case WIRE_BEAT: break;
	case WIRE_ADMIN: refuse(r, m->conn, CODE_DENIED, NULL, "only an operator may ask this"); break;
	default: malformed(r, m->conn, "a message that only the broker sends"); break;
	}
}

static void
hear(struct relay *r, const struct gate_message *m)
{
	struct kw_why why;
	struct wire_msg w;

	if (m->peer->role == PEER_UNKNOWN) { /* */
		refuse(r, m->conn, CODE_DENIED, NULL, "this key is not in the agreement in force");
		core_closed(r->parts.core, m->conn);
		gate_in_use(r->parts.gate, m->conn, false);
		return;
	}
	if (m->fault != GATE_FINE) {
		malformed(r, m->conn, m->fault == GATE_FRAMES ? "a message has one or two frames" : "a frame is empty or too large");
		return;
	}
	if (wire_decode(&w, m->control, &why) != KW_OK) {
		malformed(r, m->conn, why.text);
		return;
	}
	if (m->peer->role == PEER_NODE)
		from_node(r, m, &w);
	else if (w.kind == WIRE_ADMIN && r->admin != NULL && m->frame == NULL)
		r->admin(r->admin_self, m->conn, &w.admin, true);
	else
		refuse(r, m->conn, CODE_DENIED, NULL, "an operator may ask for what is looked at, and nothing else");
	wire_msg_clear(&w);
}

/* Answered before the next message is taken: a connection's number may stand for another peer then. */
static void
on_message(void *self, const struct gate_message *m)
{
	hear(self, m);
	relay_answers(self);
}

static void
on_drop(void *self, uint32_t conn)
{
	struct relay *r = self;

	core_closed(r->parts.core, conn);
}

bool
relay_receive(struct relay *r, uint32_t max)
{
	struct gate_handler h = {r, on_message, on_drop};
	uint32_t n;

	if (r->parts.gate == NULL)
		return false;
	n = gate_receive(r->parts.gate, max, clock_mono_ms(), &h);
	return n == max;
}

/* ---- agreement and log epoch ---- */

static void
install_over(struct relay *r, enum kw_err err, const char *sentence)
{
	struct relay_done done = r->install.done;

	agreement_free(&r->install.next); /* NULL when the chain took it */
	buf_free(&r->install.text);
	buf_free(&r->install.sigs);
	r->install.under_way = false;
	if (done.call != NULL)
		done.call(done.self, err, sentence);
}

/* A version that is known, or not the next one, is for the chain to refuse: it keeps a rival as evidence. */
static enum kw_err
verify(struct relay *r, struct kw_why *why)
{
	const struct agreement *newest = agreement_chain_newest(r->parts.chain);
	struct span sigs = buf_span(&r->install.sigs);

	if (newest == NULL)
		return agreement_verify_first(r->install.next, sigs, why);
	if (agreement_version(r->install.next) != agreement_version(newest) + 1) {
		enum kw_err err = agreement_chain_add_next(r->parts.chain, &r->install.next, sigs, why);

		MUST(err != KW_OK);
		return err;
	}
	return agreement_verify_next(newest, r->install.next, sigs, why);
}

static enum kw_err
own_key_stands(const struct relay *r, struct kw_why *why)
{
	const struct public_key *theirs = agreement_broker(r->install.next), *ours = secret_keys_public(r->parts.keys);

	if (memcmp(theirs->curve_pk, ours->curve_pk, KW_KEY_LEN) == 0 && memcmp(theirs->sign_pk, ours->sign_pk, KW_KEY_LEN) == 0)
		return KW_OK;
	return kw_refuse(why, KW_EDENIED, "the agreement names another broker key (%s) than the one of this broker (%s)", theirs->name, ours->name);
}

static enum kw_err
begin_install(struct relay *r, struct kw_why *why)
{
	struct core_install i = {.next = r->install.next, .text = buf_span(&r->install.text), .sigs = buf_span(&r->install.sigs)};
	struct broker_entry e = {.kind = ENTRY_AGREEMENT, .time_ms = clock_wall_ms(), .version = agreement_version(i.next)};
	uint8_t bytes[ENTRY_LEN];
	enum kw_err err;
	struct blob *b;

	memcpy(e.agreement_hash, agreement_hash(i.next), KW_HASH_LEN);
	entry_encode(bytes, &e, secret_keys_sign(r->parts.keys));
	b = carrier_of_entry(span_of(bytes, sizeof bytes));
	if (b == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	for (int lane = 0; lane < KW_LANES; lane++) {
		i.entries[lane] = b;
		entry_hash(i.entry_hash[lane], span_of(bytes, sizeof bytes));
	}
	err = core_install(r->parts.core, &i, relay_now(), why);
	blob_unref(&b);
	return err;
}

void
relay_install(struct relay *r, struct span text, struct span sigs, struct relay_done done)
{
	struct kw_why why;
	enum kw_err err;

	if (r->install.under_way) {
		done.call(done.self, KW_ESTATE, "another version is coming into force just now: try again in a second");
		return;
	}
	r->install.under_way = true;
	r->install.done = done;
	r->install.text = BUF_INIT(KW_AGREEMENT_MAX);
	r->install.sigs = BUF_INIT(KW_SIGNATURES_TEXT_MAX);
	buf_put_span(&r->install.text, text);
	buf_put_span(&r->install.sigs, sigs);
	if (!buf_ok(&r->install.text) || !buf_ok(&r->install.sigs))
		err = kw_refuse(&why, KW_ELIMIT, "text has %zu bytes and signatures %zu, at most %u and %u are allowed", text.len, sigs.len,
		                KW_AGREEMENT_MAX, KW_SIGNATURES_TEXT_MAX);
	else
		err = agreement_parse_after(&r->install.next, buf_span(&r->install.text), agreement_chain_newest(r->parts.chain), NULL, &why);
	if (err == KW_OK)
		err = verify(r, &why);
	if (err == KW_OK)
		err = own_key_stands(r, &why);
	if (err == KW_OK)
		err = begin_install(r, &why);
	if (err != KW_OK)
		install_over(r, err, why.text);
}

void
relay_new_epoch(struct relay *r, struct relay_done done)
{
	struct kw_why why;
	enum kw_err err = core_new_epoch(r->parts.core, &why);

	if (err != KW_OK) {
		done.call(done.self, err, why.text);
		return;
	}
	r->epoch_done = done;
}

void
relay_installed(struct relay *r)
{
	const struct agreement *in_force = core_agreement(r->parts.core);
	bool first = agreement_chain_newest(r->parts.chain) == NULL;
	struct span sigs = buf_span(&r->install.sigs);
	char fingerprint[KEY_FINGERPRINT_MAX], version[16];
	struct kw_why why;
	enum kw_err err;

	agreement_fingerprint(fingerprint, in_force);
	(void)snprintf(version, sizeof version, "%u", agreement_version(in_force));
	err = first ? agreement_chain_add_first(r->parts.chain, &r->install.next, sigs, fingerprint, &why)
	            : agreement_chain_add_next(r->parts.chain, &r->install.next, sigs, &why);
	MUST(err == KW_OK); /* verified before it was committed */
	zap_agreement(r->parts.zap, in_force);
	if (r->parts.gate != NULL)
		gate_agreement(r->parts.gate, in_force);
	log_event(LOG_NOTICE, "agreement.in_force", "version=%u fingerprint=\"%s\"", agreement_version(in_force), fingerprint);
	audit_book_event(r->parts.book, "agreement", version, fingerprint, clock_wall_ms());
	install_over(r, KW_OK, "");
}

void
relay_install_failed(struct relay *r)
{
	install_over(r, KW_EFULL, "the store has no room: the version before stays in force");
}

void
relay_epoch_begun(struct relay *r)
{
	struct relay_done done = r->epoch_done;
	char epoch[16];

	(void)snprintf(epoch, sizeof epoch, "%u", core_log_epoch(r->parts.core));
	log_event(LOG_NOTICE, "broker.new_epoch", "log_epoch=%u", core_log_epoch(r->parts.core));
	audit_book_event(r->parts.book, "log_epoch", epoch, NULL, clock_wall_ms());
	r->epoch_done = (struct relay_done){NULL, NULL};
	if (done.call != NULL)
		done.call(done.self, KW_OK, "");
}
