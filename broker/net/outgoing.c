/* outgoing: carries the core's effects out: answers, deliveries, pages of the log, commits. */
#include "broker/net/outgoing.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "broker/net/carrier.h"
#include "broker/net/case_entries.h"
#include "broker/net/relay_inside.h"
#include "proto/commit.h"

#define PAGE_MAX 256u
#define SIZES_EVERY_MS 1000u
#define ALONE_OPS 16u     /* of a batch that this loop itself carries to the disk */
#define SCRUB_RECORDS 64u /* each time: some millions a day */

enum kw_err
outgoing_init(struct outgoing *o)
{
	memset(o, 0, sizeof *o);
	o->control = BUF_INIT(KW_CONTROL_MAX + 1024u);
	o->delivery = BUF_INIT(1024u);
	o->items = calloc(WIRE_STORED_MAX, sizeof *o->items);
	o->entries = calloc(PAGE_MAX, sizeof *o->entries);
	if (o->items == NULL || o->entries == NULL) {
		outgoing_free(o);
		return KW_ENOMEM;
	}
	return KW_OK;
}

void
outgoing_free(struct outgoing *o)
{
	buf_free(&o->control);
	buf_free(&o->delivery);
	free(o->tree);
	free(o->items);
	free(o->entries);
	memset(o, 0, sizeof *o);
}

/* ---- sending ---- */

/* False: the connection is gone, and the core knows. */
static bool
send_bytes(struct relay *r, uint32_t conn, struct span control, zmq_msg_t *frame)
{
	if (r->parts.gate != NULL && gate_send(r->parts.gate, conn, control, frame) == GATE_SENT)
		return true;
	core_closed(r->parts.core, conn);
	return false;
}

/* What was to go must not be missing in the middle: the next session begins anew. */
static void
no_memory(struct relay *r, uint32_t conn, const char *what)
{
	log_event(LOG_ERROR, "broker.no_memory", "for=%s", what);
	core_closed(r->parts.core, conn);
	if (r->parts.gate != NULL)
		gate_forget(r->parts.gate, conn);
}

void
relay_send(struct relay *r, uint32_t conn, const struct wire_msg *m)
{
	struct outgoing *o = &r->out;

	buf_reset(&o->control);
	if (wire_encode(&o->control, m) != KW_OK) {
		no_memory(r, conn, "control");
		return;
	}
	if (send_bytes(r, conn, buf_span(&o->control), NULL))
		core_sent(r->parts.core, conn, relay_now());
}

void
relay_answer(struct relay *r, uint32_t conn, const struct wire_msg *m)
{
	struct outgoing *o = &r->out;

	buf_reset(&o->control);
	if (wire_encode(&o->control, m) != KW_OK)
		no_memory(r, conn, "answer");
	else if (gate_answer(r->parts.gate, conn, buf_span(&o->control)) != GATE_SENT)
		core_closed(r->parts.core, conn);
}

void
relay_send_shared(struct relay *r, uint32_t conn, zmq_msg_t *whole)
{
	if (send_bytes(r, conn, span_of(NULL, 0), whole))
		core_sent(r->parts.core, conn, relay_now());
	(void)zmq_msg_close(whole);
}

void
relay_remember(struct relay *r, uint32_t conn, enum wire_code code, const uint8_t id[KW_ID_LEN], const char *text)
{
	const char *sender = r->parts.gate != NULL ? gate_name(r->parts.gate, conn) : "?";
	const struct header *h = memcmp(r->heard.id, id, KW_ID_LEN) == 0 && strcmp(r->heard.sender, sender) == 0 ? &r->heard : NULL;

	refusals_add(&r->refusals, sender, id, code, text, h, clock_wall_ms());
}

void
relay_refusal_stands(struct relay *r, uint32_t conn, enum wire_code code, const uint8_t *id)
{
	if (r->parts.book != NULL && r->parts.gate != NULL)
		audit_book_refused(r->parts.book, gate_name(r->parts.gate, conn), code, id, clock_wall_ms());
}

static void
send_refused(struct relay *r, const struct core_effect *e)
{
	struct wire_msg m = {.kind = WIRE_REFUSED};

	m.refused.code = e->refused.code;
	m.refused.wait_ms = e->refused.wait_ms;
	m.refused.has_id = e->refused.has_id;
	memcpy(m.refused.id, e->refused.id, KW_ID_LEN);
	(void)strncpy(m.refused.text, e->refused.text, sizeof m.refused.text - 1);
	if (e->refused.has_id)
		relay_remember(r, e->conn, e->refused.code, e->refused.id, m.refused.text);
	relay_refusal_stands(r, e->conn, e->refused.code, e->refused.has_id ? e->refused.id : NULL);
	relay_send(r, e->conn, &m);
	if (e->refused.code == CODE_REPLACED && r->parts.gate != NULL)
		gate_in_use(r->parts.gate, e->conn, false); /* its place is anybody's who needs one */
}

static void
send_stored(struct relay *r, const struct core_effect *e)
{
	struct outgoing *o = &r->out;
	struct wire_msg m = {.kind = WIRE_STORED};
	uint32_t at = e->stored.first, left = e->stored.count;

	memcpy(m.stored.commit, o->commit, WIRE_COMMIT_LEN);
	m.stored.items = o->items;
	while (left > 0) {
		for (m.stored.count = 0; left > 0 && m.stored.count < WIRE_STORED_MAX; left--) {
			const struct core_stored *s = core_stored_item(r->parts.core, at);
			struct wire_stored_item *i = &o->items[m.stored.count++];

			memcpy(i->id, s->id, KW_ID_LEN);
			i->at = s->at;
			i->index = s->index;
			i->path_len = commit_tree_path(i->path, (const uint8_t (*)[KW_HASH_LEN])o->tree, o->leaf_count, s->index);
			at = s->next;
		}
		relay_send(r, e->conn, &m);
	}
}

static void
send_stored_again(struct relay *r, const struct core_effect *e)
{
	struct outgoing *o = &r->out;
	struct wire_msg m = {.kind = WIRE_STORED};
	struct core_effect refusal = {.kind = EFFECT_REFUSED, .conn = e->conn};
	struct kw_why why;

	m.stored.items = o->items;
	m.stored.count = 1;
	memcpy(o->items[0].id, e->again.id, KW_ID_LEN);
	o->items[0].at = e->again.at;
	o->items[0].index = e->again.index;
	if (r->parts.store->ops->proof(r->parts.store, e->again.commit, e->again.index, m.stored.commit, o->items[0].path,
	                               &o->items[0].path_len, &why) == KW_OK) {
		relay_send(r, e->conn, &m);
		return;
	}
	refusal.refused.code = CODE_EXPIRED;
	refusal.refused.has_id = true;
	refusal.refused.text = "it was stored once, and its proof is no longer kept";
	memcpy(refusal.refused.id, e->again.id, KW_ID_LEN);
	send_refused(r, &refusal);
}

static void
send_welcome(struct relay *r, uint32_t conn)
{
	struct wire_msg m = {.kind = WIRE_WELCOME};

	gate_in_use(r->parts.gate, conn, true);
	core_welcome(r->parts.core, conn, &m.welcome, relay_now());
	relay_send(r, conn, &m);
	log_peer(LOG_INFO, "session.begin", gate_name(r->parts.gate, conn), "address=%s", gate_address(r->parts.gate, conn));
}

static void
send_beat(struct relay *r, uint32_t conn)
{
	struct wire_msg m = {.kind = WIRE_BEAT};

	m.beat.has_commit = core_has_commit(r->parts.core);
	memcpy(m.beat.commit, core_commit(r->parts.core), WIRE_COMMIT_LEN);
	relay_send(r, conn, &m);
}

static void
say_service(const struct relay *r)
{
	enum service s = core_service(r->parts.core);

	log_event(s == SERVICE_SERVING || s == SERVICE_STOPPING ? LOG_NOTICE : LOG_ERROR, "broker.service", "state=%s why=\"%s\"", service_name(s),
	          core_service_why(r->parts.core));
}

void
relay_answers(struct relay *r)
{
	struct core_effect e;

	while (core_next(r->parts.core, &e)) {
		switch (e.kind) {
		case EFFECT_WELCOME: send_welcome(r, e.conn); break;
		case EFFECT_REFUSED: send_refused(r, &e); break;
		case EFFECT_STORED: send_stored(r, &e); break;
		case EFFECT_STORED_AGAIN: send_stored_again(r, &e); break;
		case EFFECT_BEAT: send_beat(r, e.conn); break;
		case EFFECT_DROP:
			log_peer(LOG_INFO, "session.end", gate_name(r->parts.gate, e.conn), "address=%s", gate_address(r->parts.gate, e.conn));
			gate_forget(r->parts.gate, e.conn);
			break;
		case EFFECT_INSTALLED: relay_installed(r); break;
		case EFFECT_INSTALL_FAILED: relay_install_failed(r); break;
		case EFFECT_EPOCH: relay_epoch_begun(r); break;
		case EFFECT_SERVICE: say_service(r); break;
		case EFFECT_SUSPENSION: relay_suspension_stands(r, e.suspension.stored, e.suspension.again); break;
		case EFFECT_SUSPENSION_AGAIN: relay_suspension_again(r, e.over.node); break;
		case EFFECT_SUSPENSION_OVER: relay_suspension_over(r, e.over.node); break;
		case EFFECT_STATE: case_entries_state(&r->parts, e.state.id); break;
		case EFFECT_DELIVER:
		case EFFECT_READ: MUST(false); break;
		}
	}
}

/* ---- delivering ---- */

static bool
differs_by_wrap_alone(const struct wire_deliver *a, const struct wire_deliver *b)
{
	return a->at.number == b->at.number && a->at.lane == b->at.lane && a->at.log_epoch == b->at.log_epoch && a->commit == b->commit &&
	       a->mark == b->mark && a->has_wrap && b->has_wrap;
}

/* In outgoing's memory until the next one. others: the entry has more readers. False: out of memory. */
static bool
delivery_control(struct outgoing *o, const struct wire_msg *m, bool others)
{
	const struct wire_deliver *d = &m->deliver;
	const uint8_t *wrap;

	if (o->wrap_at != 0 && differs_by_wrap_alone(&o->delivered, d)) {
		memcpy(o->delivery.p + o->wrap_at, d->wrap, KW_WRAP_LEN);
		return true;
	}
	o->wrap_at = 0;
	buf_reset(&o->delivery);
	if (wire_encode(&o->delivery, m) != KW_OK)
		return false;
	wrap = d->has_wrap && others ? memmem(o->delivery.p, o->delivery.len, d->wrap, KW_WRAP_LEN) : NULL;
	if (wrap != NULL) {
		o->wrap_at = (size_t)(wrap - o->delivery.p);
		o->delivered = *d;
	}
	return true;
}

static void
deliver(struct relay *r, struct core_effect *e)
{
	struct wire_msg m = {.kind = WIRE_DELIVER};
	struct blob *b = e->deliver.blob;
	bool whole = e->deliver.mark == MARK_WHOLE || e->deliver.mark == MARK_ENTRY;
	zmq_msg_t frame;

	m.deliver.at = e->deliver.at;
	m.deliver.commit = e->deliver.commit;
	m.deliver.mark = e->deliver.mark;
	m.deliver.has_wrap = e->deliver.has_wrap;
	if (m.deliver.has_wrap)
		memcpy(m.deliver.wrap, b->wraps + (size_t)e->deliver.wrap * KW_WRAP_LEN, KW_WRAP_LEN);
	if (!delivery_control(&r->out, &m, b->wraps_len > KW_WRAP_LEN)) {
		no_memory(r, e->conn, "control");
	} else if (!carrier_message(&frame, b, whole)) {
		no_memory(r, e->conn, "delivery"); /* it comes again with the next session */
	} else {
		(void)send_bytes(r, e->conn, buf_span(&r->out.delivery), &frame);
		(void)zmq_msg_close(&frame);
	}
	blob_unref(&e->deliver.blob);
}

static struct blob *
blob_for(struct relay *r, const struct core_effect *e, const struct store_entry *entry)
{
	uint32_t place = core_wrap_place(r->parts.core, e->conn, entry->set);
	const uint8_t *wrap = NULL;
	bool fresh = entry->receipt || entry->expires_ms > clock_wall_ms();

	if (place != CORE_NO_CONN && ((size_t)place + 1) * KW_WRAP_LEN <= entry->wraps.len)
		wrap = entry->wraps.p + (size_t)place * KW_WRAP_LEN;
	return carrier_of_stored(entry, fresh, wrap, e->read.want_topic);
}

void
relay_read_failed(struct relay *r, const struct kw_why *why)
{
	log_event(LOG_ERROR, "store.read_failed", "why=\"%s\"", why->text);
	core_store_lost(r->parts.core);
}

static void
read_page(struct relay *r, const struct core_effect *e)
{
	struct store *s = r->parts.store;
	struct core_read_entry page[PAGE_MAX];
	uint32_t max = e->read.max_entries < PAGE_MAX ? e->read.max_entries : PAGE_MAX;
	uint32_t count = 0, made = 0;
	uint64_t tail = core_tail(r->parts.core, e->read.lane), bytes = 0;
	struct kw_why why;

	if (e->read.set_count > 0) {
		if (s->ops->read(s, e->read.lane, e->read.sets, e->read.set_count, e->read.after, r->out.entries, max, e->read.max_bytes, &count,
		                 &tail, &why) != KW_OK) {
			relay_read_failed(r, &why);
			return;
		}
	}
	for (; made < count; made++) {
		page[made].entry = &r->out.entries[made];
		bytes += page[made].entry->head.len + page[made].entry->body.len + page[made].entry->wraps.len;
		page[made].blob = blob_for(r, e, page[made].entry);
		if (page[made].blob == NULL)
			break;
	}
	core_read(r->parts.core, e->conn, e->read.generation, e->read.lane, page, made, made == count && count < max && bytes < e->read.max_bytes,
	          tail, relay_now());
	if (e->read.set_count > 0)
		s->ops->read_done(s);
}

/* ---- commits ---- */

static bool
keep_tree(struct outgoing *o, const struct store_batch *b)
{
	size_t len = commit_tree_len(b->leaf_count);

	if (len > o->tree_room) {
		void *more = realloc(o->tree, len * sizeof *o->tree);

		if (more == NULL)
			return false;
		o->tree = more;
		o->tree_room = len;
	}
	memcpy(o->tree, b->leaves, b->leaf_count * sizeof *o->tree);
	commit_tree_build(o->tree, b->leaf_count);
	o->leaf_count = b->leaf_count;
	memcpy(o->commit, b->commit, sizeof o->commit);
	return true;
}

static void
take_answers(struct relay *r)
{
	struct committed c;

	while (commit_thread_take(r->parts.commits, &c)) {
		struct core_time now = relay_now();

		if (c.err == KW_OK && c.batch->has_commit && !keep_tree(&r->out, c.batch))
			c.err = kw_refuse(&c.why, KW_ENOMEM, "out of memory for a commit's paths");
		if (c.err == KW_EFULL)
			log_peer(LOG_ERROR, "store.full", NULL, "why=\"%s\"", c.why.text);
		else if (c.err != KW_OK)
			log_event(LOG_ERROR, "store.lost", "why=\"%s\"", c.why.text);
		if (c.err == KW_OK && c.batch->has_commit)
			pace_note(&r->pace, now.mono_ms, c.took_us);
		core_committed(r->parts.core, c.batch, c.err, now);
		relay_answers(r);
	}
}

/* What came alone is at its readers sooner so; with more of it the next batch fills while this one is written. */
static void
give_batch(struct relay *r)
{
	struct store_batch *b = core_batch(r->parts.core, relay_now());

	if (b == NULL)
		return;
	if (b->count <= ALONE_OPS && !b->waits && commit_thread_carry(r->parts.commits, b)) {
		take_answers(r);
		return;
	}
	MUST(commit_thread_give(r->parts.commits, b)); /* the core lets one out at a time */
}

static void
ask_sizes(struct relay *r, uint64_t now_ms)
{
	struct store_sizes sizes;
	struct kw_why why;
	enum kw_err err;

	if (r->sizes_asked_ms != 0 && now_ms - r->sizes_asked_ms < SIZES_EVERY_MS)
		return;
	r->sizes_asked_ms = now_ms;
	r->parts.store->ops->sizes(r->parts.store, &sizes);
	core_sizes(r->parts.core, &sizes);
	filling_note(&r->filling, now_ms, sizes.used_bytes, sizes.disk_free_bytes);
	err = r->parts.store->ops->scrub(r->parts.store, SCRUB_RECORDS, &why);
	if (err == KW_EIO)
		relay_read_failed(r, &why);
	else if (err != KW_OK)
		log_event(LOG_ERROR, "store.damaged", "why=\"%s\"", why.text);
}

bool
relay_carry(struct relay *r, uint32_t deliveries)
{
	struct core_time now = relay_now();
	struct core_effect e;
	uint32_t n = 0;

	ask_sizes(r, now.mono_ms);
	take_answers(r);
	core_tick(r->parts.core, now);
	relay_answers(r);
	give_batch(r);
	for (; n < deliveries && core_deliver(r->parts.core, &e, now); n++) {
		if (e.kind == EFFECT_READ) {
			read_page(r, &e);
			n += 15; /* a page costs about as much as so many deliveries */
		} else {
			deliver(r, &e);
		}
	}
	relay_answers(r);
	return n >= deliveries;
}

long
relay_wait_ms(const struct relay *r)
{
	uint64_t wake = core_wake_ms(r->parts.core), now = clock_mono_ms();

	if (wake == UINT64_MAX)
		return -1;
	return wake <= now ? 0 : wake - now > 60000 ? 60000 : (long)(wake - now);
}
