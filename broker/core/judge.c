/* judge: may this notification go into the log? (docs/protocol.md section 2.) Cheapest question first; verifies no signature. */
#include <stdlib.h>
#include <string.h>

#include "broker/core/parts.h"

struct judged { enum wire_code code; uint32_t wait_ms; struct kw_why why; };

static bool
no(struct judged *j, enum wire_code code, uint32_t wait_ms)
{
	j->code = code;
	j->wait_ms = wait_ms;
	return false;
}

static bool
service_takes(const struct core *c, struct judged *j)
{
	switch (c->service) {
	case SERVICE_SERVING:
		break;
	case SERVICE_STOPPING:
		(void)kw_refuse(&j->why, KW_ESTATE, "the broker is stopping");
		return no(j, CODE_STOPPING, 1000);
	default:
		(void)kw_refuse(&j->why, KW_ESTATE, "%s; the operator must open a new log epoch", c->service_why);
		return no(j, CODE_BEHIND, 0);
	}
	if (c->install_state != CHANGE_NONE) {
		(void)kw_refuse(&j->why, KW_EAGAIN, "another agreement is coming into force");
		return no(j, CODE_SLOW_DOWN, 50);
	}
	return true;
}

/* [P-11] */
static bool
nothing_comes_first(struct in_lane *in, enum lane lane, uint32_t round, struct judged *j)
{
	if (in->put_off && round <= in->round) {
		(void)kw_refuse(&j->why, KW_EAGAIN, "what was sent before it in lane %s was put off and comes first", lane_name(lane));
		return no(j, CODE_SLOW_DOWN, 50);
	}
	in->put_off = false;
	return true;
}

/* [P-1], [P-3] */
static bool
sender_and_version(const struct core *c, const struct session *s, const struct header *h, struct judged *j)
{
	const char *own = c->audience.nodes[s->node]->id;
	uint32_t in_force = agreement_version(c->agreement);

	if (strcmp(h->sender, own) != 0) {
		(void)kw_refuse(&j->why, KW_EDENIED, "the header names %s as sender, this is the connection of %s", h->sender, own);
		return no(j, CODE_DENIED, 0);
	}
	if (h->agreement_version < in_force) {
		(void)kw_refuse(&j->why, KW_EDENIED, "sealed under agreement version %u, version %u is in force: seal it anew",
		                h->agreement_version, in_force);
		return no(j, CODE_AGREEMENT_OLD, 0);
	}
	if (h->agreement_version > in_force) {
		(void)kw_refuse(&j->why, KW_EDENIED, "sealed under agreement version %u, here version %u is in force", h->agreement_version, in_force);
		return no(j, CODE_AGREEMENT_UNKNOWN, 5000);
	}
	return true;
}

/* [P-4] */
static bool
times(const struct header *h, struct core_time now, struct judged *j)
{
	if (h->created_ms > now.wall_ms + KW_CLOCK_SKEW_MS) {
		(void)kw_refuse(&j->why, KW_EDENIED, "created %llu s ahead of the broker's clock, at most %llu are allowed: set the node's clock",
		                (unsigned long long)((h->created_ms - now.wall_ms) / 1000), (unsigned long long)(KW_CLOCK_SKEW_MS / 1000));
		return no(j, CODE_CLOCK, 0);
	}
	if (h->expires_ms <= now.wall_ms) {
		(void)kw_refuse(&j->why, KW_EDENIED, "expired %llu s ago", (unsigned long long)((now.wall_ms - h->expires_ms) / 1000));
		return no(j, CODE_EXPIRED, 0);
	}
	return true;
}

/* [P-5] */
static bool
flow(const struct core *c, const struct session *s, const struct header *h, uint32_t bytes, struct judged *j)
{
	const struct in_lane *in = &s->in[h->lane];
	const struct lane_window *w = &c->limits.publish[h->lane];
	uint64_t used = c->sizes.used_bytes, quota = c->sizes.quota_bytes;

	if (in->messages >= w->messages || (in->messages > 0 && in->bytes + bytes > w->bytes)) {
		(void)kw_refuse(&j->why, KW_EFULL, "%u publishes in lane %s are unanswered, at most %u messages and %u bytes may be",
		                in->messages, lane_name(h->lane), w->messages, w->bytes);
		return no(j, CODE_SLOW_DOWN, 100);
	}
	if (c->pending_bytes + bytes > (1u + (h->lane == LANE_FLASH) + (in->messages == 0)) * c->limits.pending_bytes) {
		(void)kw_refuse(&j->why, KW_EFULL, "the broker has %llu bytes waiting for the disk", (unsigned long long)c->pending_bytes);
		return no(j, CODE_SLOW_DOWN, 200);
	}
	if ((h->lane == LANE_ROUTINE && used >= quota - quota / 5) || (h->lane == LANE_URGENT && used >= quota - quota / 10)) {
		if (quota == 0)
			return true;
		(void)kw_refuse(&j->why, KW_EFULL, "the broker's store is at %llu %% of its quota: lane %s is closed from %d %% on",
		                (unsigned long long)(used / (quota / 100 + 1)), lane_name(h->lane), h->lane == LANE_ROUTINE ? 80 : 90);
		return no(j, CODE_STORE_FULL, 30000);
	}
	return true;
}

/* */
static bool
must_be_released(enum notice_type type)
{
	return type == TYPE_NOTICE || type == TYPE_REQUEST || type == TYPE_UPDATE || type == TYPE_CANCEL || type == TYPE_FORWARDED;
}

/* [P-2] */
static bool
rights(const struct core *c, const struct session *s, const struct header *h, uint32_t wraps_len, uint32_t *count,
       const struct agreement_topic **topic, struct core_time now, struct judged *j)
{
	uint32_t sender = c->audience.nodes[s->node]->under_agreement;

	*topic = agreement_topic(c->agreement, h->topic);
	if (*topic != NULL && (*topic)->has_release && must_be_released(h->type)) {
		(void)kw_refuse(&j->why, KW_EDENIED, "what is on %s must be released by its approvers first; a \"%s\" goes to nobody there", h->topic, notice_type_name(h->type));
		return no(j, CODE_RELEASE, 0);
	}
	if (agreement_may_send(c->scratch_nodes, count, c->agreement, h, sender, now.wall_ms, &j->why) != KW_OK)
		return no(j, CODE_DENIED, 0);
	MUST(*topic != NULL && *count <= KW_NODES_MAX);
	if (wraps_len != *count * KW_WRAP_LEN) {
		(void)kw_refuse(&j->why, KW_EDENIED, "%u bytes of wraps, the audience of %u wants %u", wraps_len, *count, *count * KW_WRAP_LEN);
		return no(j, CODE_AUDIENCE, 0);
	}
	return true;
}

struct place { uint32_t node, wrap; };

static int
by_node(const void *x, const void *y)
{
	uint32_t a = ((const struct place *)x)->node, b = ((const struct place *)y)->node;

	return a < b ? -1 : a > b;
}

/*
 * Wraps come in the order of node ids, sets stand in the order of the broker's own numbers. Where a node joined later the
 * two differ, and the wraps are put into the set's order once.
 */
static enum kw_err
arrange(struct blob *b, struct place *places, uint32_t count)
{
	uint8_t *copy;

	qsort(places, count, sizeof *places, by_node);
	copy = malloc(b->wraps_len);
	if (copy == NULL)
		return KW_ENOMEM;
	memcpy(copy, b->wraps, b->wraps_len);
	for (uint32_t i = 0; i < count; i++)
		memcpy(b->wraps + (size_t)i * KW_WRAP_LEN, copy + (size_t)places[i].wrap * KW_WRAP_LEN, KW_WRAP_LEN);
	free(copy);
	return KW_OK;
}

/*
 * Sets are kept for ever, and a sender may name as many as its readers have subsets. One that makes many of them gets no more than a
 * third of what there is, and the broker's own entries always find room.
 */
static bool
may_make_set(const struct core *c, const struct node_rec *sender, uint32_t count)
{
	const struct audience *a = &c->audience;
	uint32_t sets = c->limits.sets_max > a->set_count ? c->limits.sets_max - a->set_count : 0;
	uint64_t members = c->limits.members_max > a->members ? c->limits.members_max - a->members : 0;

	return sender->sets_made < sets / 2 && sender->members_made + count <= members / 2;
}

static enum kw_err
intern_for(struct core *c, struct node_rec *sender, const node_no *nodes, uint32_t count, uint32_t *set)
{
	enum kw_err err;

	if (audience_is_known(&c->audience, nodes, count))
		return audience_intern(&c->audience, nodes, count, set);
	if (!may_make_set(c, sender, count))
		return KW_EFULL;
	err = audience_intern(&c->audience, nodes, count, set);
	if (err == KW_OK) {
		sender->sets_made++;
		sender->members_made += count;
	}
	return err;
}

static enum kw_err
intern(struct core *c, struct blob *b, struct node_rec *sender, uint32_t count, uint32_t *set)
{
	struct place *places = malloc((count + 1) * sizeof *places);
	node_no *nodes = malloc((count + 1) * sizeof *nodes);
	enum kw_err err = KW_ENOMEM;
	bool sorted = true;

	if (places == NULL || nodes == NULL)
		goto free_both;
	for (uint32_t i = 0; i < count; i++) {
		places[i] = (struct place){c->audience.by_agreement[c->scratch_nodes[i]], i};
		sorted = sorted && (i == 0 || places[i - 1].node < places[i].node);
	}
	err = sorted ? KW_OK : arrange(b, places, count);
	for (uint32_t i = 0; i < count; i++)
		nodes[i] = (node_no){places[i].node};
	if (err == KW_OK)
		err = intern_for(c, sender, nodes, count, set);
free_both:
	free(places);
	free(nodes);
	return err;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* refusal: by the rules of cases, and only to be told if it does not stand in the log; NULL: none. */
static void
accept(struct core *c, struct session *s, const struct core_publication *p, uint32_t set, const struct agreement_topic *topic,
       const char *refusal, struct core_time now)
{
	const struct header *h = p->header;
	bool concerns = refusal == NULL && cases_concern(h, topic);
	struct case_note *note = concerns ? cases_note(c, h, topic) : NULL;
	char *kept = refusal != NULL ? strdup(refusal) : NULL;
	bool ready = (!concerns || note != NULL) && (refusal == NULL || kept != NULL);
	struct pending *wait = ready ? batch_add(c, h->lane) : NULL;
	struct op_append *a;

	if (wait == NULL) {
		free(note);
		free(kept);
		session_put_off(s, h->lane, p->round);
		effect_refuse(c, s->conn, CODE_SLOW_DOWN, h->id, 1000, "the broker is short of memory");
		return;
	}
	p->blob->expires_ms = h->expires_ms;
	p->blob->receipt = notice_type_is_receipt(h->type);
	p->blob->entry = false;
	wait->conn = s->conn;
	wait->generation = s->generation;
	wait->round = p->round;
	wait->blob = blob_ref(p->blob);
	wait->note = note;
	wait->refusal = kept;
	if (note != NULL)
		cases_accepted(c, note);
	wait->bytes = blob_bytes(p->blob) + p->blob->wraps_len;
	wait->op.kind = OP_APPEND;
	a = &wait->op.append;
	a->lane = h->lane;
	a->set = (set_no){set};
	a->sender = (node_no){s->node};
	a->sender_id = c->audience.nodes[s->node]->id;
	memcpy(a->id, h->id, KW_ID_LEN);
	memcpy(a->frame_hash, p->frame_hash, KW_HASH_LEN);
	a->receipt = p->blob->receipt;
	a->if_known = refusal != NULL;
	a->expires_ms = h->expires_ms;
	a->body_until_ms = earlier(h->expires_ms, h->created_ms + topic->keep_content_ms);
	a->proof_until_ms = now.wall_ms + topic->keep_proof_ms;
	a->head = p->blob->head;
	a->body = p->blob->body;
	a->wraps = span_of(p->blob->wraps, p->blob->wraps_len);
	c->pending_bytes += wait->bytes;
	s->in[h->lane].messages++;
	s->in[h->lane].taken++;
	s->in[h->lane].bytes += wait->bytes;
}

bool
core_asks_known(const struct core *c, uint32_t conn, const struct header *h, struct core_time now, node_no *sender)
{
	const struct session *s = session_open(c, conn);

	if (s == NULL || c->service != SERVICE_SERVING || strcmp(h->sender, c->audience.nodes[s->node]->id) != 0)
		return false;
	*sender = (node_no){s->node};
	return h->agreement_version < agreement_version(c->agreement) || h->expires_ms <= now.wall_ms;
}

static void
answer_known(struct core *c, const struct session *s, const struct core_publication *p)
{
	const struct header *h = p->header;

	if (memcmp(p->known->frame_hash, p->frame_hash, KW_HASH_LEN) == 0) {
		c->counters.duplicates++;
		batch_say_again(c, s, h->id, &p->known->at, p->known->commit, p->known->index);
		return;
	}
	batch_conflict(c, h->sender, h->id, p->frame_hash, &p->known->at);
	effect_refuse(c, s->conn, CODE_CONFLICT, h->id, 0, BATCH_CONFLICT_TEXT);
}

/* Sets are never given back, so waiting would not help. */
static void
refuse_audience(struct core *c, struct session *s, const struct core_publication *p, enum kw_err err)
{
	if (err == KW_EFULL) {
		effect_refuse(c, s->conn, CODE_AUDIENCE, p->header->id, 0,
		              "the broker knows too many different audiences, or too many of yours, to keep another one; name one that you used before");
		return;
	}
	session_put_off(s, p->header->lane, p->round);
	effect_refuse(c, s->conn, CODE_SLOW_DOWN, p->header->id, 1000, "the broker is short of memory");
}

void
core_publish(struct core *c, uint32_t conn, const struct core_publication *p, struct core_time now)
{
	struct session *s = session_open(c, conn);
	const struct header *h = p->header;
	const struct agreement_topic *topic;
	uint32_t bytes = blob_bytes(p->blob) + p->blob->wraps_len;
	uint32_t count = 0, set;
	enum wire_code code;
	struct judged j;
	enum kw_err err;

	j.why.text[0] = '\0';
	if (s == NULL && c->service != SERVICE_BEHIND && c->service != SERVICE_FORK) {
		effect_refuse(c, conn, CODE_NO_HELLO, h->id, 0, "say hello first");
		return;
	}
	if (p->known != NULL && s != NULL && service_takes(c, &j)) {
		answer_known(c, s, p);
		return;
	}
	if (!service_takes(c, &j) || !nothing_comes_first(&s->in[h->lane], h->lane, p->round, &j) || !sender_and_version(c, s, h, &j) ||
	    !times(h, now, &j) || !flow(c, s, h, bytes, &j) || !rights(c, s, h, p->blob->wraps_len, &count, &topic, now, &j)) {
		if (s != NULL && !wire_code_for_good(j.code) && j.code != CODE_AGREEMENT_OLD)
			session_put_off(s, h->lane, p->round);
		effect_refuse(c, conn, j.code, h->id, j.wait_ms, "%s", j.why.text);
		return;
	}
	err = intern(c, p->blob, c->audience.nodes[s->node], count, &set);
	if (err != KW_OK) {
		refuse_audience(c, s, p, err);
		return;
	}
	code = cases_judge(c, h, topic, set, s->node, now, &j.why);
	if (code == CODE_SLOW_DOWN) {
		session_put_off(s, h->lane, p->round);
		effect_refuse(c, conn, code, h->id, 50, "%s", j.why.text);
		return;
	}
	accept(c, s, p, set, topic, code != 0 ? j.why.text : NULL, now);
}

void
core_put_off(struct core *c, uint32_t conn, enum lane lane, uint32_t round)
{
	struct session *s = session_open(c, conn);

	if (s != NULL)
		session_put_off(s, lane, round);
}
