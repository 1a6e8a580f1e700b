/* session: hello and welcome, who is heard, signs of life (docs/protocol.md section 1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/parts.h"

#define EPOCHS_AHEAD 1000u /* of this broker's that a node may have seen, where one old copy after the other was put in its place */

struct session *
session_get(const struct core *c, uint32_t conn)
{
	return conn < c->limits.conns_max ? c->sessions[conn] : NULL;
}

struct session *
session_open(const struct core *c, uint32_t conn)
{
	struct session *s = session_get(c, conn);

	return s != NULL && s->stage == STAGE_OPEN ? s : NULL;
}

struct session *
session_alive(const struct core *c, uint32_t conn, uint32_t generation)
{
	struct session *s = session_get(c, conn);

	return s != NULL && s->generation == generation ? s : NULL;
}

void
session_put_off(struct session *s, enum lane lane, uint32_t round)
{
	struct in_lane *in = &s->in[lane];

	if (!in->put_off || round > in->round)
		in->round = round;
	in->put_off = true;
}

/* Takes an open session out of what is delivered to; it stays known in another stage, or goes. */
static void
close_down(struct core *c, struct session *s, enum core_stage stage)
{
	if (s->stage != STAGE_OPEN)
		return;
	s->stage = stage;
	delivery_end(c, s);
	link_remove(&s->spoke);
	if (c->audience.nodes[s->node]->conn == s->conn) {
		c->audience.nodes[s->node]->conn = CORE_NO_CONN;
		c->audience.nodes[s->node]->left_ms = s->heard_ms;
	}
	MUST(c->open_count > 0);
	c->open_count--;
}

void
session_end(struct core *c, struct session *s)
{
	close_down(c, s, STAGE_REPLACED);
	link_remove(&s->heard);
	c->sessions[s->conn] = NULL;
	free(s);
}

void
session_revoke(struct core *c, struct session *s)
{
	close_down(c, s, STAGE_REVOKED);
}

void
session_end_all(struct core *c, enum wire_code code, const char *text)
{
	for (uint32_t i = 0; i < c->limits.conns_max; i++) {
		struct session *s = session_open(c, i);

		if (s == NULL)
			continue;
		effect_refuse(c, i, code, NULL, 0, "%s", text);
		session_end(c, s);
		(void)effect_add(c, EFFECT_DROP, i);
	}
}

void
core_closed(struct core *c, uint32_t conn)
{
	struct session *s = session_get(c, conn);

	if (s != NULL)
		session_end(c, s);
}

enum core_stage
core_heard(struct core *c, uint32_t conn, struct core_time now)
{
	struct session *s = session_get(c, conn);

	if (s == NULL)
		return STAGE_NO_HELLO;
	if (s->stage == STAGE_OPEN) { /* the others end when their time is up, heard or not */
		s->heard_ms = now.mono_ms;
		link_append(&c->heard, &s->heard);
	}
	return s->stage;
}

void
session_spoke(struct core *c, struct session *s, uint64_t mono_ms)
{
	s->sent_ms = mono_ms;
	link_append(&c->spoke, &s->spoke);
}

void
core_sent(struct core *c, uint32_t conn, struct core_time now)
{
	struct session *s = session_open(c, conn);

	if (s != NULL)
		session_spoke(c, s, now.mono_ms);
}

/* [C-11] A cursor of an older epoch counts up to where its successor began. */
static uint64_t
effective(const struct core *c, struct lane_cursor cursor, enum lane lane)
{
	for (uint32_t i = 0; i < c->epoch_count; i++)
		if (c->epochs[i].number > cursor.log_epoch) {
			uint64_t last = c->epochs[i].start[lane] - 1;

			return cursor.number < last ? cursor.number : last;
		}
	return cursor.number;
}

/* A node that has not heard of this log epoch yet names commits of the one before, whose numbers are used again. */
static bool
names_older_epoch(const struct core *c, const struct wire_hello *h)
{
	for (int i = 0; i < KW_LANES; i++)
		if (h->cursor[i].log_epoch == 0 || h->cursor[i].log_epoch >= c->log_epoch)
			return false;
	return true;
}

/* [C-11] What a new log epoch must go beyond. Who lies takes it no great step further: there are four thousand million numbers. */
static void
hear_epoch(struct core *c, const struct wire_hello *h)
{
	for (int i = 0; i < KW_LANES; i++) {
		uint32_t epoch = h->cursor[i].log_epoch;

		if (epoch > c->log_epoch && epoch - c->log_epoch > EPOCHS_AHEAD)
			epoch = c->log_epoch + EPOCHS_AHEAD;
		if (epoch > c->epoch_heard)
			c->epoch_heard = epoch;
	}
}

/* [C-10] Says what shows that this broker lost what it had, or that there are two of it. */
static bool
is_behind(struct core *c, const char *id, const struct wire_hello *h)
{
	if (h->seen.number > core_commit_number(c) && !names_older_epoch(c, h)) {
		change_stop(c, SERVICE_BEHIND, "node %s has seen commit %llu, the newest one here is %llu", id,
		            (unsigned long long)h->seen.number, (unsigned long long)core_commit_number(c));
		return true;
	}
	for (int i = 0; i < KW_LANES; i++) {
		const struct lane_cursor *k = &h->cursor[i];

		if (k->log_epoch < c->log_epoch || (k->log_epoch == c->log_epoch && k->number <= c->tail[i]))
			continue;
		change_stop(c, SERVICE_BEHIND, "node %s is at number %llu of log epoch %u in lane %s, the log here ends at %llu of epoch %u",
		            id, (unsigned long long)k->number, k->log_epoch, lane_name((enum lane)i), (unsigned long long)c->tail[i],
		            c->log_epoch);
		return true;
	}
	return false;
}

static bool
is_fork(struct core *c, const char *id, const struct wire_hello *h, enum core_seen seen)
{
	char theirs[2 * KW_HASH_LEN + 1];

	if (seen != SEEN_OTHER || names_older_epoch(c, h))
		return false;
	for (int i = 0; i < KW_HASH_LEN; i++)
		(void)snprintf(theirs + 2 * i, 3, "%02x", h->seen.hash[i]);
	batch_evidence(c, "fork: node %s saw commit %llu with hash %s; the log here has another one under that number", id,
	               (unsigned long long)h->seen.number, theirs);
	change_stop(c, SERVICE_FORK, "node %s has seen another commit %llu than the one in the log here: two histories", id,
	            (unsigned long long)h->seen.number);
	return true;
}

static bool
same_filters(const struct wire_subscribe *a, uint32_t count, char (*filters)[KW_TOPIC_MAX + 1])
{
	if (a->filter_count != count)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (strcmp(a->filters[i], filters[i]) != 0)
			return false;
	return true;
}

enum kw_err
session_filters(struct node_rec *n, uint32_t count, char (*filters)[KW_TOPIC_MAX + 1])
{
	char (*copy)[KW_TOPIC_MAX + 1] = NULL;

	if (count > 0) {
		copy = malloc(count * sizeof *copy);
		if (copy == NULL)
			return KW_ENOMEM;
		memcpy(copy, filters, count * sizeof *copy);
	}
	free(n->filters.filters);
	n->filters.filters = copy;
	n->filters.filter_count = count;
	return KW_OK;
}

static void
take_filters(struct core *c, uint32_t node, uint32_t count, char (*filters)[KW_TOPIC_MAX + 1], struct core_time now)
{
	struct node_rec *n = c->audience.nodes[node];

	if (same_filters(&n->filters, count, filters) || session_filters(n, count, filters) != KW_OK)
		return;
	n->filters_dirty = true;
	batch_dirty(c, node, now);
}

static struct lane_window
smaller(struct lane_window theirs, struct lane_window ours)
{
	struct lane_window w;

	w.messages = theirs.messages < ours.messages ? theirs.messages : ours.messages;
	w.bytes = theirs.bytes < ours.bytes ? theirs.bytes : ours.bytes;
	if (w.messages == 0)
		w.messages = 1; /* one at a time is the least that moves */
	return w;
}

/* [C-5] The newest connection has it; the older one hears so and is ignored until its time is up. */
static void
replace(struct core *c, uint32_t conn, uint32_t node)
{
	struct session *same = session_get(c, conn);
	struct session *older = session_open(c, c->audience.nodes[node]->conn);

	if (older != NULL && older != same) {
		effect_refuse(c, older->conn, CODE_REPLACED, NULL, 0, "another connection of this node said hello; this one is not heard any more");
		close_down(c, older, STAGE_REPLACED);
	}
	if (same != NULL)
		session_end(c, same);
}

static struct session *
begin(struct core *c, uint32_t conn, uint32_t node, const struct wire_hello *h, struct core_time now)
{
	struct session *s = calloc(1, sizeof *s);
	struct node_rec *n = c->audience.nodes[node];

	if (s == NULL)
		return NULL;
	s->conn = conn;
	s->generation = ++c->next_generation;
	s->node = node;
	s->stage = STAGE_OPEN;
	s->since_ms = s->heard_ms = now.mono_ms;
	s->first_stored = s->last_stored = NO_ITEM;
	memcpy(s->software, h->software, sizeof s->software);
	link_init(&s->heard);
	link_init(&s->spoke);
	link_append(&c->heard, &s->heard);
	session_spoke(c, s, now.mono_ms);
	c->sessions[conn] = s;
	c->open_count++;
	n->conn = conn;
	for (int i = 0; i < KW_LANES; i++) {
		enum lane lane = (enum lane)i;
		uint64_t at = effective(c, h->cursor[i], lane);

		if (at < n->birth[i])
			at = n->birth[i]; /* [K-4] */
		if (at > n->cursor[i]) {
			n->cursor[i] = at;
			n->cursor_dirty[i] = true;
			batch_dirty(c, node, now);
		}
		delivery_begin(c, s, lane, at, smaller(h->window[i], c->limits.deliver[i]));
	}
	return s;
}

void
core_hello(struct core *c, uint32_t conn, uint32_t node, const struct wire_hello *h, enum core_seen seen, struct core_time now)
{
	uint32_t no;

	MUST(conn < c->limits.conns_max);
	MUST(node < c->audience.by_agreement_count);
	c->counters.hellos++;
	no = c->audience.by_agreement[node];
	if (c->service == SERVICE_STOPPING) {
		effect_refuse(c, conn, CODE_STOPPING, NULL, 1000, "the broker is stopping");
		return;
	}
	if (h->protocol != 1) {
		effect_refuse(c, conn, CODE_MALFORMED, NULL, 0, "protocol %u is not spoken here, only 1", h->protocol);
		return;
	}
	if (suspend_keeps_out(c, no)) { /* [O-11] whatever it says of the log counts for nothing */
		suspend_refuse(c, conn, no, now);
		return;
	}
	hear_epoch(c, h);
	if (c->service == SERVICE_SERVING && !is_behind(c, c->audience.nodes[no]->id, h))
		(void)is_fork(c, c->audience.nodes[no]->id, h, seen);
	if (c->service != SERVICE_SERVING) {
		effect_refuse(c, conn, CODE_BEHIND, NULL, 0, "%s; the operator must open a new log epoch", c->service_why);
		return;
	}
	replace(c, conn, no);
	if (begin(c, conn, no, h, now) == NULL) {
		effect_refuse(c, conn, CODE_SLOW_DOWN, NULL, 1000, "the broker has no memory for another session");
		return;
	}
	take_filters(c, no, h->filter_count, h->filters, now);
	cases_node_back(c, no, now);
	(void)effect_add(c, EFFECT_WELCOME, conn);
}

void
core_subscribe(struct core *c, uint32_t conn, const struct wire_subscribe *filters, struct core_time now)
{
	struct session *s = session_open(c, conn);

	if (s != NULL)
		take_filters(c, s->node, filters->filter_count, filters->filters, now);
}

void
core_welcome(const struct core *c, uint32_t conn, struct wire_welcome *out, struct core_time now)
{
	const struct session *s = session_open(c, conn);
	const struct node_rec *n;

	MUST(s != NULL);
	n = c->audience.nodes[s->node];
	memset(out, 0, sizeof *out);
	out->log_epoch = c->log_epoch;
	out->has_commit = c->has_commit;
	memcpy(out->commit, c->commit, sizeof out->commit);
	out->has_last_stored = n->has_last_stored;
	memcpy(out->last_stored, n->last_stored, KW_ID_LEN);
	out->agreement_version = agreement_version(c->agreement);
	memcpy(out->agreement_hash, agreement_hash(c->agreement), KW_HASH_LEN);
	out->now_ms = now.wall_ms;
	for (int i = 0; i < KW_LANES; i++) {
		out->epoch_start[i] = c->epochs[c->epoch_count - 1].start[i];
		out->tail[i] = c->tail[i];
		out->cursor[i] = (struct lane_cursor){c->log_epoch, s->out[i].queued};
		out->window[i] = c->limits.publish[i];
	}
}

void
core_ack(struct core *c, uint32_t conn, const struct wire_ack *ack, struct core_time now)
{
	struct session *s = session_open(c, conn);
	struct node_rec *n;

	if (s == NULL)
		return;
	n = c->audience.nodes[s->node];
	c->counters.acks++;
	for (int i = 0; i < KW_LANES; i++) {
		uint64_t number = ack->cursor[i].number;

		if (number == 0)
			continue;
		if (number > s->out[i].last_sent && number > n->cursor[i]) {
			effect_refuse(c, conn, CODE_MALFORMED, NULL, 0, "ack names number %llu in lane %s, the newest one sent is %llu",
			              (unsigned long long)number, lane_name((enum lane)i), (unsigned long long)s->out[i].last_sent);
			return;
		}
		delivery_ack(c, s, (enum lane)i, number);
		if (number <= n->cursor[i])
			continue; /* [D-3] it only goes up */
		n->cursor[i] = number;
		n->cursor_dirty[i] = true;
		batch_dirty(c, s->node, now);
	}
}

void
session_tick(struct core *c, struct core_time now)
{
	while (!link_alone(&c->heard)) {
		struct session *s = LINK_OF(c->heard.next, struct session, heard);
		uint32_t conn = s->conn;

		if (s->heard_ms + KW_SILENT_MS > now.mono_ms)
			break;
		session_end(c, s);
		(void)effect_add(c, EFFECT_DROP, conn);
	}
	while (!link_alone(&c->spoke)) {
		struct session *s = LINK_OF(c->spoke.next, struct session, spoke);

		if (s->sent_ms + KW_BEAT_MS > now.mono_ms)
			break;
		(void)effect_add(c, EFFECT_BEAT, s->conn);
		session_spoke(c, s, now.mono_ms);
	}
}

uint64_t
session_wake_ms(const struct core *c)
{
	uint64_t wake = UINT64_MAX;

	if (!link_alone(&c->heard))
		wake = LINK_OF(c->heard.next, struct session, heard)->heard_ms + KW_SILENT_MS;
	if (!link_alone(&c->spoke)) {
		uint64_t beat = LINK_OF(c->spoke.next, struct session, spoke)->sent_ms + KW_BEAT_MS;

		wake = beat < wake ? beat : wake;
	}
	return wake;
}
