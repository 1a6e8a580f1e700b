/*
 * cases: who has what matter (docs/protocol.md section 10). What was committed is folded, in the log's order; what follows
 * from it is stated in an entry of the broker's own; how cases stand is written beside the log about once a second, with how
 * far it is folded, so that a start folds again only what came behind.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "broker/core/case_rules.h"
#include "broker/core/parts.h"

#define CASES_FLUSH_MS 1000u
#define CASES_A_BATCH 400u
#define RECALLS_A_BATCH 64u
#define STATE_A_TICK 256u
#define AGAIN_MS 5000u               /* a statement that found no room */
#define BACK_MS 5000u                /* what a node had ready it has sent by then */
#define START_HOLD_MS 60000u
#define CLOSED_KEEP_MS (30ull * 24 * 3600 * 1000)

enum kw_err
cases_init(struct core *c)
{
	c->snapshots = malloc((size_t)CASES_A_BATCH * CASE_SNAPSHOT_MAX);
	return c->snapshots != NULL ? book_init(&c->book) : KW_ENOMEM;
}

void
cases_free(struct core *c)
{
	rules_forget(c);
	book_free(&c->book);
	free(c->snapshots);
	free(c->recalls);
}

void
core_knows(struct core *c, struct core_versions versions)
{
	c->versions = versions;
}

/* Out of memory where the log has gone on: what is in it is folded again at the next start. */
static void
lost(struct core *c)
{
	change_stop(c, SERVICE_LOST, "out of memory for the log's cases; start again: nothing that was acknowledged is lost");
}

/* The lists of its audience's open cases are there. */
static bool
has_lists(struct core *c, uint32_t set)
{
	struct set_rec *s = &c->audience.sets[set];

	if (s->cases != NULL)
		return true;
	s->cases = malloc(KW_LANES * sizeof *s->cases);
	for (int lane = 0; s->cases != NULL && lane < KW_LANES; lane++)
		link_init(&s->cases[lane]);
	return s->cases != NULL;
}

/* ---- what a publication means for cases ---- */

bool
cases_concern(const struct header *h, const struct agreement_topic *topic)
{
	enum case_move_kind kind;

	return case_move_of(&kind, h->type) || case_opened_by(h, topic);
}

struct case_note *
cases_note(const struct core *c, const struct header *h, const struct agreement_topic *topic)
{
	size_t len = strlen(h->topic) + 1;
	struct case_note *n = calloc(1, sizeof *n + len);

	if (n == NULL)
		return NULL;
	n->type = h->type;
	n->opens = case_opened_by(h, topic);
	n->version = h->agreement_version;
	n->expires_ms = h->expires_ms;
	n->take_within_s = h->take_within_s;
	n->to = rules_node(c, h->next_owner);
	memcpy(n->about, h->about.id, KW_ID_LEN);
	memcpy(n->topic, h->topic, len);
	return n;
}

/* ---- judging ---- */

static enum wire_code
judge_opening(struct core *c, const struct header *h, const struct agreement_topic *topic, uint32_t set, uint32_t sender, struct core_time now,
              struct kw_why *why)
{
	struct case_opening o = {.lane = h->lane, .number = 1, .sender = sender, .version = h->agreement_version, .expires_ms = h->expires_ms};
	struct case_view view;
	struct case_rules rules = rules_for(&view, c, h->topic, set, sender, h->take_within_s);
	uint64_t needs = agreement_line_ms(c->agreement, h->topic, h->take_within_s, now.wall_ms);
	char text[TEXT_TIME_MAX];
	struct kw_case k;

	if (c->book.open_count >= c->limits.cases_open) {
		(void)kw_refuse(why, KW_EFULL, "%u cases are open, no more are kept; have some of them done first", c->book.open_count);
		return CODE_DENIED;
	}
	if (case_open(&k, &o, &rules) == CASE_V_TOO_MANY_PARTIES) {
		(void)kw_refuse(why, KW_EDENIED, "the line of %s names more nodes than the %u that can take part in a case; have the agreement shortened", topic->filter,
		                CASE_PARTIES_MAX);
		return CODE_DENIED;
	}
	if (h->expires_ms >= now.wall_ms + needs)
		return 0;
	text_put_duration(text, needs);
	(void)kw_refuse(why, KW_EDENIED, "it would expire before all who are responsible for %s had their turn, which takes %s; let it live longer", h->topic, text);
	return CODE_DENIED;
}

static bool
opens(const struct pending *p, const uint8_t id[KW_ID_LEN])
{
	return p->note != NULL && p->note->opens && memcmp(p->op.append.id, id, KW_ID_LEN) == 0;
}

static bool
opening_waits(const struct core *c, const uint8_t id[KW_ID_LEN])
{
	for (int lane = 0; lane < KW_LANES; lane++)
		for (uint32_t i = 0; i < c->pending[lane].count; i++)
			if (opens(&c->pending[lane].at[(c->pending[lane].first + i) & (c->pending[lane].cap - 1)], id))
				return true;
	for (uint32_t i = 0; i < c->context_count; i++)
		if (opens(&c->context[i], id))
			return true;
	return false;
}

/* No case of this id is in the book: a recall may be of what is none, and everything else is about nothing. */
static enum wire_code
judge_stray(const struct core *c, const struct header *h, enum case_move_kind kind, struct kw_why *why)
{
	if (opening_waits(c, h->about.id)) {
		(void)kw_refuse(why, KW_EAGAIN, "the notification of this case is on its way into the log");
		return CODE_SLOW_DOWN;
	}
	if (kind == MOVE_RECALL)
		return 0;
	(void)kw_refuse(why, KW_ENOTFOUND, "there is no case of this id: it never was one, or was closed long ago");
	return CODE_DENIED;
}

/*
 * Everybody who folds the case from its beginning must get it: the agreement sees to line and coordinator where topic and lane are the
 * case's. Its sender is named by whoever moves; a recall goes to the readers alone, and the sender's partner knows of it.
 */
static bool
reaches_all(const struct core *c, const struct header *h, const struct case_rec *r, uint32_t set, uint32_t sender, enum case_move_kind kind, struct kw_why *why)
{
	const struct node_rec *asked = c->audience.nodes[r->k.sender];

	if (h->lane != r->k.lane)
		(void)kw_refuse(why, KW_EDENIED, "the case stands in lane %s, and its moves too, not in lane %s", lane_name((enum lane)r->k.lane), lane_name(h->lane));
	else if (strcmp(h->topic, r->topic) != 0)
		(void)kw_refuse(why, KW_EDENIED, "the case is one of topic %s, and its moves too, not of topic %s", r->topic, h->topic);
	else if (memcmp(h->about.frame_hash, r->k.frame_hash, KW_HASH_LEN) != 0)
		(void)kw_refuse(why, KW_EDENIED, "it names a notification of this id with other bytes than the one that opened the case");
	else if (kind != MOVE_RECALL && sender != r->k.sender && agreement_is_concerned(c->agreement, r->topic, asked->under_agreement) &&
	         audience_place(&c->audience.sets[set], r->k.sender) == NO_NODE)
		(void)kw_refuse(why, KW_EDENIED, "%s asked for this, and would not hear of it; name it among the readers", asked->id);
	else
		return true;
	return false;
}

/*
 * What by the committed state is void for sure does not go into the log: it would say nothing to anybody. While other moves
 * of the case are on their way the log decides. A recall of what is closed still takes the content back.
 */
static enum wire_code
judge_move(struct core *c, const struct header *h, enum case_move_kind kind, uint32_t set, uint32_t sender, struct kw_why *why)
{
	struct case_move m = {.kind = kind, .actor = sender, .to = rules_node(c, h->next_owner), .version = h->agreement_version};
	struct case_rec *r = book_find(&c->book, h->about.id);
	struct case_view view;
	struct case_rules rules;
	enum case_verdict v;

	if (r == NULL)
		return judge_stray(c, h, kind, why);
	if (!reaches_all(c, h, r, set, sender, kind, why))
		return CODE_DENIED;
	rules = rules_of(&view, c, r);
	v = case_would(&r->k, &m, &rules);
	if (v == CASE_V_OK || r->waiting > 0 || (v == CASE_V_CLOSED && kind == MOVE_RECALL))
		return 0;
	(void)case_refuse(why, v, &r->k, rules_id(c, r->k.owner));
	return CODE_DENIED;
}

enum wire_code
cases_judge(struct core *c, const struct header *h, const struct agreement_topic *topic, uint32_t set, uint32_t sender, struct core_time now,
            struct kw_why *why)
{
	enum case_move_kind kind;

	if (case_opened_by(h, topic))
		return judge_opening(c, h, topic, set, sender, now, why);
	return case_move_of(&kind, h->type) ? judge_move(c, h, kind, set, sender, why) : 0;
}

void
cases_accepted(struct core *c, struct case_note *n)
{
	struct case_rec *r = n->opens ? NULL : book_find(&c->book, n->about);

	if (r == NULL)
		return;
	n->counted = true;
	r->waiting++;
}

void
cases_answered(struct core *c, struct case_note *n)
{
	struct case_rec *r = n->counted ? book_find(&c->book, n->about) : NULL;

	n->counted = false;
	if (r != NULL && r->waiting > 0)
		r->waiting--;
}

/* ---- folding ---- */

/* When a turn or the case's life is over; UINT64_MAX: never. */
static uint64_t
limit_of(const struct kw_case *k)
{
	if (!case_is_open(k))
		return UINT64_MAX;
	return k->until_ms != 0 && k->until_ms < k->expires_ms ? k->until_ms : k->expires_ms;
}

/*
 * A turn is as long as its statement says, from when that was made, for its time is not the wall clock's where somebody set that while another
 * turn ran. What was stated before this start has the wall clock alone.
 */
static uint64_t
runs_out_ms(const struct case_rec *r, uint64_t limit, struct core_time now)
{
	if (limit == UINT64_MAX)
		return UINT64_MAX;
	if (limit == r->k.until_ms && r->said_ms != 0 && limit > r->k.stated_ms)
		return r->said_ms + (limit - r->k.stated_ms);
	return now.mono_ms + (limit > now.wall_ms ? limit - now.wall_ms : 0);
}

/* When the machine wants to be asked again, on the monotonic clock: a limit runs from when it was first known, whoever sets the wall clock. */
static void
set_due(struct core *c, struct case_rec *r, struct core_time now)
{
	uint64_t limit = limit_of(&r->k);

	if (limit != r->limit_ms) {
		r->limit_ms = limit;
		r->out_ms = runs_out_ms(r, limit, now);
		book_hold(&c->book, r, false);
	}
	if (r->held)
		return; /* overdue since the start: whatever else there is to state waits for its node too */
	if (r->stating)
		book_due(&c->book, r, UINT64_MAX);
	else
		book_due(&c->book, r, case_deadline_ms(&r->k) == 0 ? now.mono_ms : r->out_ms);
}

static void
sort_in(struct core *c, struct case_rec *r, uint64_t closed_ms)
{
	book_sort(&c->book, r, &c->audience.sets[r->set].cases[r->k.lane], closed_ms);
}

static void
changed(struct core *c, struct case_rec *r, struct core_time now)
{
	sort_in(c, r, now.wall_ms);
	book_dirty(&c->book, r, r->k.upto, now.mono_ms);
	set_due(c, r, now);
}

static void
opened(struct core *c, const struct case_note *n, const struct op_append *a, uint64_t number, struct core_time now)
{
	struct case_opening o = {.lane = a->lane, .number = number, .sender = a->sender.v, .version = n->version, .expires_ms = n->expires_ms};
	struct case_view view;
	struct case_rules rules = rules_for(&view, c, n->topic, a->set.v, a->sender.v, n->take_within_s);
	struct case_rec *r;
	struct kw_case k;

	memcpy(o.id, a->id, KW_ID_LEN);
	memcpy(o.frame_hash, a->frame_hash, KW_HASH_LEN);
	if (book_find(&c->book, a->id) != NULL)
		return; /* another sender's notification had this id: its case has it */
	if (case_open(&k, &o, &rules) != CASE_V_OK)
		return; /* judged before it was accepted */
	r = has_lists(c, a->set.v) ? book_add(&c->book, &k, n->topic, a->set.v, n->take_within_s) : NULL;
	if (r == NULL) {
		lost(c);
		return;
	}
	changed(c, r, now);
}

static void
recalled(struct core *c, const struct case_note *n, uint32_t sender)
{
	struct recall *more;

	if (c->recall_count == c->recall_cap) {
		uint32_t cap = c->recall_cap == 0 ? 16 : c->recall_cap * 2;

		more = realloc(c->recalls, cap * sizeof *more);
		if (more == NULL) {
			lost(c);
			return;
		}
		c->recalls = more;
		c->recall_cap = cap;
	}
	c->recalls[c->recall_count].sender = sender;
	memcpy(c->recalls[c->recall_count++].id, n->about, KW_ID_LEN);
}

static void
moved(struct core *c, const struct case_note *n, enum lane lane, uint32_t actor, uint64_t number, struct core_time now)
{
	struct case_rec *r = book_find(&c->book, n->about);
	struct case_move m = {.number = number, .actor = actor, .to = n->to, .version = n->version};
	struct case_view view;
	struct case_rules rules;

	if (r == NULL || lane != r->k.lane || number <= r->k.upto || !case_move_of(&m.kind, n->type))
		return;
	rules = rules_of(&view, c, r);
	(void)case_move(&r->k, &m, &rules);
	changed(c, r, now);
}

static void
stated(struct core *c, const struct broker_entry *e, uint64_t number, struct core_time now)
{
	struct case_rec *r = book_find(&c->book, e->of_case.id);
	struct case_statement s;
	struct case_view view;
	struct case_rules rules;
	enum case_verdict v;

	if (r == NULL || number <= r->k.upto)
		return;
	rules = rules_of(&view, c, r);
	statement_of(c, &s, e);
	v = case_entry(&r->k, &s, number, &rules); /* STALE: a move came in between, and another one follows */
	r->stating = false;
	if (v != CASE_V_OK && v != CASE_V_STALE) { /* it stands in the log all the same: every node counts it */
		batch_evidence(c, "case: the broker's own statement at %s/%llu does not follow (%s)", lane_name((enum lane)r->k.lane),
		               (unsigned long long)number, case_verdict_name(v));
		case_pass(&r->k, number);
		changed(c, r, now);
		book_due(&c->book, r, now.mono_ms + AGAIN_MS);
		return;
	}
	changed(c, r, now);
}

void
cases_committed(struct core *c, const struct pending *p, struct core_time now)
{
	const struct case_note *n = p->note;
	const struct op_append *a = &p->op.append;

	if (n == NULL || n->entry.kind == ENTRY_SUSPENSION)
		return;
	if (n->entry.kind == ENTRY_CASE) {
		if (n->entry.of_case.lane == a->lane)
			stated(c, &n->entry, p->op.at.number, now);
		return;
	}
	if (n->opens)
		opened(c, n, a, p->op.at.number, now);
	else
		moved(c, n, a->lane, a->sender.v, p->op.at.number, now);
	if (n->type == TYPE_RECALL)
		recalled(c, n, a->sender.v);
}

/* It found no room: the case is asked again later. */
void
cases_failed(struct core *c, const struct pending *p, struct core_time now)
{
	struct case_rec *r;

	if (p->note == NULL || p->note->entry.kind != ENTRY_CASE || p->note->entry.of_case.lane != p->op.append.lane)
		return;
	r = book_find(&c->book, p->note->entry.of_case.id);
	if (r == NULL)
		return;
	r->stating = false;
	book_due(&c->book, r, now.mono_ms + AGAIN_MS);
}

/* ---- stating ---- */

static void
forget_old(struct core *c, struct core_time now)
{
	for (int i = 0; i < 16 && !link_alone(&c->book.closed); i++) {
		struct case_rec *r = LINK_OF(c->book.closed.next, struct case_rec, closed);

		if (c->book.closed_count <= c->limits.cases_closed && now.wall_ms < r->closed_ms + CLOSED_KEEP_MS)
			return;
		if (r->stating || r->waiting > 0 || case_deadline_ms(&r->k) != UINT64_MAX)
			return; /* its end is to be stated first */
		if (c->forget_count == CASES_FORGET_MAX)
			return;
		memcpy(c->forget[c->forget_count++], r->k.id, KW_ID_LEN);
		book_remove(&c->book, r);
	}
}

void
cases_tick(struct core *c, struct core_time now)
{
	struct case_rec *r;

	if (c->service != SERVICE_SERVING)
		return;
	for (unsigned i = 0; i < STATE_A_TICK && (r = book_first_due(&c->book)) != NULL && r->due_ms <= now.mono_ms; i++) {
		struct core_effect *e = effect_add(c, EFFECT_STATE, CORE_NO_CONN);

		if (e == NULL)
			return;
		memcpy(e->state.id, r->k.id, KW_ID_LEN);
		book_hold(&c->book, r, false);
		book_due(&c->book, r, now.mono_ms + AGAIN_MS); /* until core_stated */
	}
	forget_old(c, now);
}

uint64_t
cases_wake_ms(const struct core *c)
{
	const struct case_rec *r = book_first_due(&c->book);

	return r != NULL && c->service == SERVICE_SERVING ? r->due_ms : UINT64_MAX;
}

bool
core_statement(struct core *c, const uint8_t id[KW_ID_LEN], struct broker_entry *out, struct core_time now)
{
	struct case_rec *r = book_find(&c->book, id);
	uint64_t wall = now.wall_ms;
	struct case_statement s;
	struct case_view view;
	struct case_rules rules;

	if (r == NULL || r->stating)
		return false;
	if (r->said_ms != 0 && wall < r->k.stated_ms + (now.mono_ms - r->said_ms))
		wall = r->k.stated_ms + (now.mono_ms - r->said_ms); /* set back: the case's own time goes on */
	if (r->limit_ms > wall && now.mono_ms >= r->out_ms)
		wall = r->limit_ms; /* it ran out on the monotonic clock, which nobody sets */
	else if (r->limit_ms <= wall && now.mono_ms < r->out_ms)
		wall = r->limit_ms - 1; /* and there it did not */
	rules = rules_of(&view, c, r);
	if (!case_wants(&s, &r->k, &rules, wall, agreement_version(c->agreement))) {
		set_due(c, r, now);
		return false;
	}
	statement_put(c, out, r, &s);
	r->said_ms = now.mono_ms;
	return true;
}

struct told { node_no nodes[2 * CASE_PARTIES_MAX]; uint32_t count; };

/* Everyone who takes part and is a node today, in the order of their numbers. */
static void
tell_parties(struct told *t, const struct core *c, const struct kw_case *k)
{
	for (uint32_t i = 0; i < k->party_count; i++) {
		uint32_t at = t->count;

		if (c->audience.nodes[k->party[i]]->under_agreement == AGREEMENT_NOBODY)
			continue;
		while (at > 0 && t->nodes[at - 1].v > k->party[i])
			at--;
		if (at > 0 && t->nodes[at - 1].v == k->party[i])
			continue;
		memmove(t->nodes + at + 1, t->nodes + at, (t->count - at) * sizeof t->nodes[0]);
		t->nodes[at] = (node_no){k->party[i]};
		t->count++;
	}
}

/* Those who take part now, and those who do once the statement holds: another agreement makes others responsible. */
static enum kw_err
audience_of(struct core *c, const struct case_rec *r, const struct broker_entry *e, uint32_t *set)
{
	struct told t = {.count = 0};
	struct kw_case after = r->k;
	struct case_statement s;
	struct case_view view;
	struct case_rules rules = rules_of(&view, c, r);

	statement_of(c, &s, e);
	tell_parties(&t, c, &r->k);
	if (s.cause == CAUSE_AGREEMENT && case_entry(&after, &s, after.upto + 1, &rules) == CASE_V_OK)
		tell_parties(&t, c, &after);
	return audience_intern(&c->audience, t.nodes, t.count, set);
}

void
core_stated(struct core *c, const struct broker_entry *e, struct blob *b, const uint8_t hash[KW_HASH_LEN], struct core_time now)
{
	struct case_rec *r = book_find(&c->book, e->of_case.id);
	const struct agreement_topic *t;
	uint64_t proof;
	uint32_t set;

	if (r == NULL || r->stating || c->service != SERVICE_SERVING || audience_of(c, r, e, &set) != KW_OK)
		return; /* it stays due */
	t = agreement_topic(c->agreement, r->topic);
	proof = now.wall_ms + (t != NULL ? t->keep_proof_ms : CLOSED_KEEP_MS);
	if (!batch_entry(c, (enum lane)r->k.lane, set, e, b, hash, proof))
		return;
	r->stating = true;
	book_due(&c->book, r, UINT64_MAX);
	if (e->of_case.cause == CAUSE_ALARM && r->k.lane != LANE_FLASH)
		(void)batch_entry(c, LANE_FLASH, set, e, b, hash, proof); /* the one in its own lane follows it */
}

/* ---- what the next batch takes ---- */

/* Since when the snapshot that is oldest lacks something; UINT64_MAX: none does. */
static uint64_t
dirty_since(const struct core *c)
{
	uint64_t since = UINT64_MAX;

	for (int lane = 0; lane < KW_LANES; lane++) {
		const struct case_rec *r = book_first_dirty(&c->book, (enum lane)lane);

		if (r != NULL && r->dirty_ms < since)
			since = r->dirty_ms;
	}
	return since;
}

uint64_t
cases_due_ms(const struct core *c)
{
	if (c->recall_count > 0)
		return 0;
	if (c->book.dirty_count == 0)
		return c->forget_count > 0 ? 0 : UINT64_MAX;
	return c->service == SERVICE_STOPPING ? 0 : dirty_since(c) + CASES_FLUSH_MS;
}

static struct store_op
recall_op(uint32_t sender, const uint8_t id[KW_ID_LEN])
{
	struct store_op op = {.kind = OP_RECALL, .recall = {.sender = {sender}}};

	memcpy(op.recall.id, id, KW_ID_LEN);
	return op;
}

/*
 * The first nodes of the sender's partner are as good as the sender itself: only what one of them sent is found. Of a node that has
 * left the agreement meanwhile it is only its own.
 */
static uint32_t
recall_ops(struct core *c, struct store_op *ops)
{
	uint32_t n = 0;

	while (c->recall_out < c->recall_count && n < RECALLS_A_BATCH) {
		const struct recall *r = &c->recalls[c->recall_out];
		uint32_t under = c->audience.nodes[r->sender]->under_agreement;
		uint32_t before = n;

		if (under == AGREEMENT_NOBODY)
			ops[n++] = recall_op(r->sender, r->id);
		for (uint32_t i = 0; under != AGREEMENT_NOBODY && i < c->audience.by_agreement_count && n < RECALLS_A_BATCH; i++)
			if (strcmp(agreement_node_partner(c->agreement, i), agreement_node_partner(c->agreement, under)) == 0)
				ops[n++] = recall_op(c->audience.by_agreement[i], r->id);
		if (n == RECALLS_A_BATCH && before > 0) {
			n = before; /* whole with the next batch */
			break;
		}
		c->recall_out++;
	}
	return n;
}

/* Those whose snapshot has been old for a second. */
static uint32_t
snapshot_ops(struct core *c, struct store_op *ops, struct core_time now)
{
	bool all = c->service == SERVICE_STOPPING;
	uint32_t n = 0;

	for (int lane = 0; lane < KW_LANES; lane++) {
		struct case_rec *r;

		while (n < CASES_A_BATCH && (r = book_first_dirty(&c->book, (enum lane)lane)) != NULL && (all || now.mono_ms >= r->dirty_ms + CASES_FLUSH_MS)) {
			uint8_t *bytes = c->snapshots + (size_t)n * CASE_SNAPSHOT_MAX;

			ops[n] = (struct store_op){.kind = OP_CASE};
			memcpy(ops[n].one_case.id, r->k.id, KW_ID_LEN);
			ops[n++].one_case.bytes = span_of(bytes, book_encode(bytes, r));
			book_clean(&c->book, r);
		}
	}
	return n;
}

static uint32_t
forget_ops(struct core *c, struct store_op *ops)
{
	uint32_t n = 0;

	for (; c->forget_out < c->forget_count; c->forget_out++) {
		ops[n] = (struct store_op){.kind = OP_CASE};
		memcpy(ops[n++].one_case.id, c->forget[c->forget_out], KW_ID_LEN);
	}
	return n;
}

/* How far all that stands in the log stands in snapshots too, once this batch is written. */
static bool
folded_op(struct core *c, struct store_op *op, struct core_time now)
{
	if (c->recall_out < c->recall_count || (now.mono_ms < c->folded_ms + CASES_FLUSH_MS && c->service != SERVICE_STOPPING))
		return false;
	for (int lane = 0; lane < KW_LANES; lane++) {
		const struct case_rec *r = book_first_dirty(&c->book, (enum lane)lane);

		c->folding[lane] = r != NULL ? r->dirty_from - 1 : c->tail[lane];
	}
	if (memcmp(c->folding, c->folded, sizeof c->folding) == 0)
		return false;
	*op = (struct store_op){.kind = OP_FOLDED};
	memcpy(op->folded.upto, c->folding, sizeof c->folding);
	c->folded_ms = now.mono_ms;
	return true;
}

uint32_t
cases_ops(struct core *c, struct store_op *ops, struct core_time now)
{
	uint32_t n = recall_ops(c, ops);

	c->forget_out = 0;
	n += snapshot_ops(c, ops + n, now);
	n += forget_ops(c, ops + n);
	c->folded_out = folded_op(c, ops + n, now);
	return n + c->folded_out;
}

void
cases_ops_done(struct core *c, const struct store_batch *b, bool ok, struct core_time now)
{
	for (uint32_t i = 0; i < b->count && !ok; i++) {
		struct case_rec *r = b->ops[i].kind == OP_CASE && b->ops[i].one_case.bytes.len > 0 ? book_find(&c->book, b->ops[i].one_case.id) : NULL;

		if (r != NULL)
			book_dirty(&c->book, r, r->dirty_from, now.mono_ms);
	}
	for (uint32_t i = 0; i < b->count && ok; i++)
		if (b->ops[i].kind == OP_RECALL && b->ops[i].done > 0)
			delivery_recalled(c, &b->ops[i].at);
	if (ok) {
		if (c->recall_out > 0)
			memmove(c->recalls, c->recalls + c->recall_out, (c->recall_count - c->recall_out) * sizeof *c->recalls);
		c->recall_count -= c->recall_out;
		memmove(c->forget, c->forget + c->forget_out, (c->forget_count - c->forget_out) * sizeof *c->forget);
		c->forget_count -= c->forget_out;
		if (c->folded_out)
			memcpy(c->folded, c->folding, sizeof c->folded);
	}
	c->recall_out = c->forget_out = 0;
	c->folded_out = false;
}

/* ---- the start ---- */

void
core_load_folded(struct core *c, const uint64_t upto[KW_LANES])
{
	memcpy(c->folded, upto, sizeof c->folded);
}

enum kw_err
core_load_case(struct core *c, const uint8_t id[KW_ID_LEN], struct span bytes, struct kw_why *why)
{
	struct case_kept *kept = calloc(1, sizeof *kept);
	struct case_rec *r;
	enum kw_err err;

	if (kept == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a case");
	err = book_decode(kept, bytes, why);
	if (err == KW_OK && (memcmp(kept->k.id, id, KW_ID_LEN) != 0 || kept->set >= c->audience.set_count || !rules_actors_known(c, &kept->k)))
		err = kw_refuse(why, KW_ECORRUPT, "a case in the store names an id, an audience or a node that is not there");
	if (err == KW_OK) {
		r = has_lists(c, kept->set) ? book_add(&c->book, &kept->k, kept->topic, kept->set, kept->take_within_s) : NULL;
		if (r == NULL)
			err = kw_refuse(why, KW_ENOMEM, "out of memory for a case");
		else
			sort_in(c, r, kept->closed_ms);
	}
	free(kept);
	return err;
}

uint64_t
core_folded(const struct core *c, enum lane lane)
{
	return c->folded[lane];
}

/* Whose line it is nobody could say: a store that has lost a version is damaged. */
static void
unknown_version(struct core *c, uint32_t version)
{
	change_stop(c, SERVICE_LOST, "cases stand under agreement version %u, which the store does not hold; restore it from a backup", version);
}

/* A record whose checksum holds and which was not written by this broker, or for another store. */
static bool
is_of_this_store(struct core *c, const struct core_log_entry *e)
{
	if (e->set.v < c->audience.set_count && (e->entry != NULL || e->sender.v < c->audience.node_count))
		return true;
	change_stop(c, SERVICE_LOST, "number %llu of lane %s is of a sender or for an audience that the store does not hold; restore it from a backup",
	            (unsigned long long)e->at.number, lane_name(e->at.lane));
	return false;
}

void
core_replay(struct core *c, const struct core_log_entry *e, struct core_time now)
{
	const struct agreement_topic *topic;
	struct case_note *note;
	struct pending p = {.op = {.kind = OP_APPEND, .at = e->at}};

	if (!is_of_this_store(c, e))
		return;
	p.op.append.lane = e->at.lane;
	p.op.append.set = e->set;
	p.op.append.sender = e->sender;
	if (e->entry != NULL) {
		if (e->entry->kind == ENTRY_CASE && e->entry->of_case.lane == e->at.lane)
			stated(c, e->entry, e->at.number, now);
		return;
	}
	memcpy(p.op.append.id, e->header->id, KW_ID_LEN);
	memcpy(p.op.append.frame_hash, e->frame_hash, KW_HASH_LEN);
	if (!rules_version_known(c, e->header->agreement_version)) {
		unknown_version(c, e->header->agreement_version);
		return;
	}
	topic = rules_topic(c, e->header->agreement_version, e->header->topic);
	if (topic == NULL || !cases_concern(e->header, topic))
		return;
	note = cases_note(c, e->header, topic);
	if (note == NULL) {
		lost(c);
		return;
	}
	p.note = note;
	cases_committed(c, &p, now);
	free(note);
}

struct start { struct core *c; struct core_time now; };

/* What ran out while the broker was away fires when its node had time to say what it had, and in a minute at the latest. */
static void
begin_clock(void *self, struct case_rec *r)
{
	struct start *s = self;

	if (!rules_version_known(s->c, r->k.version))
		unknown_version(s->c, r->k.version);
	r->limit_ms = r->out_ms = UINT64_MAX; /* it runs from now on */
	set_due(s->c, r, s->now);
	if (r->limit_ms == UINT64_MAX || r->limit_ms > s->now.wall_ms)
		return;
	book_hold(&s->c->book, r, true);
	book_due(&s->c->book, r, s->now.mono_ms + START_HOLD_MS);
}

void
core_replayed(struct core *c, struct core_time now)
{
	struct start s = {c, now};

	book_each(&c->book, begin_clock, &s);
	c->cases_hold_ms = now.mono_ms + START_HOLD_MS;
}

struct back { struct core *c; uint32_t node; struct core_time now; };

static void
let_go(void *self, struct case_rec *r)
{
	struct back *b = self;
	uint32_t whose = r->k.next != CASE_NOBODY ? r->k.next : r->k.owner;

	if (r->held && whose == b->node && r->due_ms > b->now.mono_ms + BACK_MS)
		book_due(&b->c->book, r, b->now.mono_ms + BACK_MS);
}

void
cases_node_back(struct core *c, uint32_t node, struct core_time now)
{
	struct back b = {c, node, now};

	if (now.mono_ms < c->cases_hold_ms && c->book.held_count > 0)
		book_each(&c->book, let_go, &b);
}

/* ---- another agreement ---- */

static void
look_again(void *self, struct case_rec *r)
{
	struct start *s = self;

	if (case_is_open(&r->k) && !r->stating && !r->held)
		book_due(&s->c->book, r, s->now.mono_ms);
}

void
cases_agreement(struct core *c, struct core_time now)
{
	struct start s = {c, now};

	rules_forget(c);
	book_each(&c->book, look_again, &s);
}

/* ---- questions ---- */

uint64_t
cases_body_needed(const struct set_rec *s, enum lane lane)
{
	if (s->cases == NULL || link_alone(&s->cases[lane]))
		return UINT64_MAX;
	return LINK_OF(s->cases[lane].next, struct case_rec, of_set)->k.opened;
}

static void
count_one(void *self, struct case_rec *r)
{
	struct core_case_counts *n = self;

	n->by_state[r->k.state]++;
	n->handing_over += r->k.state == CASE_TAKEN && r->k.next != CASE_NOBODY;
	n->unanswered += r->k.state == CASE_ESCALATED && r->k.alarms > 0;
}

struct taken { uint32_t node, count; };

static void
count_taken(void *self, struct case_rec *r)
{
	struct taken *t = self;

	t->count += r->k.state == CASE_TAKEN && r->k.owner == t->node;
}

uint32_t
core_cases_taken(const struct core *c, uint32_t i)
{
	struct taken t = {.node = i};

	book_each(&c->book, count_taken, &t);
	return t.count;
}

void
core_case_counts(const struct core *c, struct core_case_counts *out)
{
	memset(out, 0, sizeof *out);
	book_each(&c->book, count_one, out);
}
