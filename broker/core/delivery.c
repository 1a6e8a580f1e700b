/*
 * delivery: what each reader has in flight and what waits for it (docs/protocol.md section 5).
 *
 * A reader that keeps up is live: what was just committed goes from memory into its ring. One whose ring is full, or who
 * came from behind, is not: when nothing waits in its ring and its window is open it asks for a page of the log, until a
 * page ends at the tail. The ring holds what was sent and not acknowledged, then what waits; only the latter holds bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/core/parts.h"

#define RING_FIRST 8u
#define LEAN_EVERY 16u           /* one turn in so many is for what would wait behind the rest */

static struct item *
at(struct out_lane *o, uint32_t i)
{
	return &o->items[(o->first + i) & (o->cap - 1)];
}

static bool
ring_room(struct out_lane *o)
{
	uint32_t cap = o->cap == 0 ? RING_FIRST : o->cap * 2;
	struct item *more;

	if (o->count < o->cap)
		return true;
	more = malloc(cap * sizeof *more);
	if (more == NULL)
		return false;
	for (uint32_t i = 0; i < o->count; i++)
		more[i] = *at(o, i);
	free(o->items);
	o->items = more;
	o->cap = cap;
	o->first = 0;
	return true;
}

static bool
window_open(struct out_lane *o, uint32_t bytes)
{
	if (o->sent == 0)
		return true; /* one may always go, however large */
	return o->sent < o->window.messages && o->unacked_bytes + bytes <= o->window.bytes;
}

/* Puts the lane into the list that it belongs to now. */
static void
schedule(struct core *c, struct session *s, enum lane lane)
{
	struct out_lane *o = &s->out[lane];
	bool waits = o->sent < o->count;

	if (waits && window_open(o, at(o, o->sent)->bytes)) {
		if (link_alone(&o->ready))
			link_append(&c->ready[lane], &o->ready);
	} else {
		link_remove(&o->ready);
	}
	if (!waits && !o->live && !o->reading && window_open(o, 0)) {
		if (link_alone(&o->behind))
			link_append(&c->behind[lane], &o->behind);
	} else {
		link_remove(&o->behind);
	}
}

void
delivery_begin(struct core *c, struct session *s, enum lane lane, uint64_t after, struct lane_window window)
{
	struct out_lane *o = &s->out[lane];

	link_init(&o->ready);
	link_init(&o->behind);
	o->queued = o->last_sent = after;
	o->window = window;
	o->live = after >= c->tail[lane];
	schedule(c, s, lane);
}

static void
forget_bytes(struct core *c, struct item *i)
{
	if (i->blob == NULL)
		return;
	MUST(c->queued_bytes >= i->bytes);
	c->queued_bytes -= i->bytes;
	blob_unref(&i->blob);
}

void
delivery_end(struct core *c, struct session *s)
{
	for (int lane = 0; lane < KW_LANES; lane++) {
		struct out_lane *o = &s->out[lane];

		link_remove(&o->ready);
		link_remove(&o->behind);
		for (uint32_t i = 0; i < o->count; i++)
			forget_bytes(c, at(o, i));
		free(o->items);
		o->items = NULL;
		o->cap = o->count = o->sent = o->first = 0;
		o->live = false;
	}
}

/* false: no memory; the reader is then behind, and reads the log later. */
static bool
put(struct core *c, struct out_lane *o, const struct item *item)
{
	if (!ring_room(o))
		return false;
	*at(o, o->count) = *item;
	at(o, o->count)->blob = blob_ref(item->blob);
	o->count++;
	o->queued = item->number;
	c->queued_bytes += item->bytes;
	return true;
}

static void
offer(struct core *c, struct session *s, enum lane lane, const struct item *item)
{
	struct out_lane *o = &s->out[lane];

	if (item->number <= o->queued)
		return; /* a page of the log held it already */
	if (!o->live)
		return;
	if (o->count - o->sent >= c->limits.queue_messages || c->queued_bytes + item->bytes > c->limits.queue_bytes ||
	    !put(c, o, item))
		o->live = false;
	schedule(c, s, lane);
}

void
delivery_committed(struct core *c, const struct pending *p, struct core_time now)
{
	const struct op_append *a = &p->op.append;
	const struct set_rec *set = &c->audience.sets[a->set.v];
	struct item item = {
		.number = p->op.at.number, .commit = p->op.commit, .since_ms = now.mono_ms, .blob = p->blob,
		.bytes = blob_bytes(p->blob), .log_epoch = p->op.at.log_epoch, .has_wrap = !a->entry,
	};

	for (uint32_t i = 0; i < set->count; i++) {
		struct session *s = session_open(c, c->audience.nodes[set->nodes[i].v]->conn);

		if (s == NULL)
			continue;
		item.wrap = i;
		offer(c, s, a->lane, &item);
	}
}

uint32_t
core_wrap_place(const struct core *c, uint32_t conn, set_no set)
{
	const struct session *s = session_open(c, conn);

	return s != NULL && set.v < c->audience.set_count ? audience_place(&c->audience.sets[set.v], s->node) : CORE_NO_CONN;
}

void
core_read(struct core *c, uint32_t conn, uint32_t generation, enum lane lane, const struct core_read_entry *entries,
          uint32_t count, bool complete, uint64_t tail, struct core_time now)
{
	struct session *s = session_alive(c, conn, generation);
	struct out_lane *o;
	uint32_t taken = 0;

	c->counters.reads++;
	if (s == NULL || s->stage != STAGE_OPEN)
		goto release;
	o = &s->out[lane];
	MUST(o->reading);
	o->reading = false;
	if (count == 0 && !complete)
		goto begin_anew;
	for (; taken < count; taken++) {
		const struct store_entry *e = entries[taken].entry;
		struct item item = {
			.number = e->at.number, .commit = e->commit, .since_ms = now.mono_ms, .blob = entries[taken].blob,
			.bytes = blob_bytes(entries[taken].blob), .log_epoch = e->at.log_epoch,
			.has_wrap = entries[taken].blob->wraps_len == KW_WRAP_LEN,
		};

		MUST(e->at.number > o->queued);
		if (!put(c, o, &item))
			break;
	}
	if (taken == 0 && count > 0)
		goto begin_anew;
	if (complete && taken == count) {
		if (tail > o->queued)
			o->queued = tail;
		o->live = tail >= c->tail[lane]; /* else something was committed since: once more */
	}
	schedule(c, s, lane);
	goto release;
begin_anew: /* short of memory: asking at once again would be a circle */
	session_end(c, s);
	(void)effect_add(c, EFFECT_DROP, conn);
release:
	for (uint32_t i = 0; i < count; i++) {
		struct blob *b = entries[i].blob;

		blob_unref(&b);
	}
}

void
delivery_ack(struct core *c, struct session *s, enum lane lane, uint64_t number)
{
	struct out_lane *o = &s->out[lane];

	while (o->sent > 0 && at(o, 0)->number <= number) {
		MUST(o->unacked_bytes >= at(o, 0)->bytes);
		o->unacked_bytes -= at(o, 0)->bytes;
		o->first = (o->first + 1) & (o->cap - 1);
		o->count--;
		o->sent--;
	}
	if (o->count == 0 && o->cap > RING_FIRST) { /* an idle reader holds nothing */
		free(o->items);
		o->items = NULL;
		o->cap = o->first = 0;
	}
	schedule(c, s, lane);
}

/* What was sent already has no bytes any more. */
static void
mark_recalled(struct out_lane *o, uint64_t number)
{
	uint32_t low = o->sent, high = o->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (at(o, middle)->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < o->count && at(o, low)->number == number)
		at(o, low)->blob->recalled = true;
}

/* At each open connection: as many as there are, whatever room there is for more. */
void
delivery_recalled(struct core *c, const struct position *where)
{
	for (struct link *l = c->heard.next; l != &c->heard; l = l->next) {
		struct session *s = LINK_OF(l, struct session, heard);

		if (s->stage == STAGE_OPEN)
			mark_recalled(&s->out[where->lane], where->number);
	}
}

bool
delivery_wants(const struct core *c, const struct node_rec *n, const char *topic)
{
	if (n->filters.filter_count == 0)
		return true;
	for (uint32_t i = 0; i < n->filters.filter_count; i++)
		if (filter_matches(n->filters.filters[i], topic))
			return true;
	return n->under_agreement != AGREEMENT_NOBODY && (agreement_is_responsible(c->agreement, topic, n->under_agreement) ||
	                                                  agreement_must_approve(c->agreement, topic, n->under_agreement));
}

static bool
subscribed(const struct core *c, const struct node_rec *n, const struct blob *b)
{
	return n->filters.filter_count == 0 || b->entry || b->receipt || b->topic == NULL || delivery_wants(c, n, b->topic);
}

static enum wire_mark
mark_of(const struct core *c, const struct node_rec *n, const struct blob *b, struct core_time now)
{
	if (b->entry)
		return MARK_ENTRY;
	if (b->recalled)
		return MARK_RECALLED;
	if (!b->receipt && b->expires_ms <= now.wall_ms)
		return MARK_EXPIRED;
	if (b->body.len == 0)
		return MARK_PURGED;
	return subscribed(c, n, b) ? MARK_WHOLE : MARK_NOT_SUBSCRIBED;
}

static void
deliver(struct core *c, struct session *s, enum lane lane, struct core_effect *out, struct core_time now)
{
	struct out_lane *o = &s->out[lane];
	struct item *i = at(o, o->sent);

	memset(out, 0, sizeof *out);
	out->kind = EFFECT_DELIVER;
	out->conn = s->conn;
	out->deliver.at = (struct position){i->log_epoch, lane, i->number};
	out->deliver.commit = i->commit;
	out->deliver.mark = mark_of(c, c->audience.nodes[s->node], i->blob, now);
	out->deliver.has_wrap = i->has_wrap;
	out->deliver.wrap = i->wrap;
	out->deliver.blob = blob_ref(i->blob);
	c->counters.delivered++;
	if (out->deliver.mark != MARK_WHOLE && out->deliver.mark != MARK_ENTRY)
		c->counters.delivered_bare++;
	c->counters.delivered_bytes += i->bytes;
	o->unacked_bytes += i->bytes;
	o->delivered++;
	o->last_sent = i->number;
	o->sent++;
	forget_bytes(c, i);
	session_spoke(c, s, now.mono_ms);
	link_remove(&o->ready); /* to the end of the list, if it has more */
	schedule(c, s, lane);
}

static void
ask_page(struct core *c, struct session *s, enum lane lane, struct core_effect *out)
{
	struct out_lane *o = &s->out[lane];
	const struct node_rec *n = c->audience.nodes[s->node];

	memset(out, 0, sizeof *out);
	out->kind = EFFECT_READ;
	out->conn = s->conn;
	out->read.generation = s->generation;
	out->read.lane = lane;
	out->read.sets = n->sets;
	out->read.set_count = n->set_count;
	out->read.after = o->queued;
	/* More than the window's room: a reader that acknowledges one by one shall not cost a page each. */
	out->read.max_entries = c->queued_bytes < c->limits.queue_bytes ? c->limits.page_entries : 1;
	out->read.max_bytes = c->limits.page_bytes;
	out->read.want_topic = n->filters.filter_count > 0;
	o->reading = true;
	link_remove(&o->behind);
}

/* The first of the lane's list: its turn, for whatever of its own goes first [D-2], also where the log is to be read for that. */
static void
serve_first(struct core *c, enum lane lane, struct core_effect *out, struct core_time now)
{
	struct session *s = LINK_OF(c->ready[lane].next, struct session, out[lane].ready);

	link_append(&c->ready[lane], &s->out[lane].ready);
	for (int higher = 0; higher < (int)lane; higher++) {
		if (!link_alone(&s->out[higher].ready)) {
			deliver(c, s, (enum lane)higher, out, now);
			return;
		}
		if (!link_alone(&s->out[higher].behind)) {
			ask_page(c, s, (enum lane)higher, out);
			return;
		}
	}
	deliver(c, s, lane, out, now);
}

/*
 * A higher lane before a lower one, what is in memory before what the log is read for. So that this keeps nobody waiting for ever
 * while others have ever more to get, now and then each of these lists in turn is the first to be asked.
 */
bool
core_deliver(struct core *c, struct core_effect *out, struct core_time now)
{
	const uint32_t lists = 2 * KW_LANES;
	uint32_t first = ++c->turns % LEAN_EVERY == 0 ? c->turns / LEAN_EVERY % lists : 0;

	for (uint32_t i = 0; i < lists; i++) {
		uint32_t list = (first + i) % lists;
		enum lane lane = (enum lane)(list / 2);

		if (list % 2 == 0 && !link_alone(&c->ready[lane])) {
			serve_first(c, lane, out, now);
			return true;
		}
		if (list % 2 == 1 && !link_alone(&c->behind[lane])) {
			ask_page(c, LINK_OF(c->behind[lane].next, struct session, out[lane].behind), lane, out);
			return true;
		}
	}
	return false;
}
