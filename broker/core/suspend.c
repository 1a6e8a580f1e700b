/*
 * suspend: nodes that an operator keeps out for a while (docs/protocol.md [O-9] to [O-12]). It narrows and never widens: who is suspended has no
 * session, and whatever is meant for it waits in the log.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "broker/core/case_rules.h"
#include "broker/core/parts.h"

#define FORM 2u
#define FORM_BEFORE 1u           /* without the version; read alone */
#define AGAIN_MS 1000u           /* until what may not be stated now is tried again */
#define AGAIN_FAILED_MS 60000u   /* or found no room */
#define PROOF_MS (730ull * 24 * 3600 * 1000)

enum { FLAG_LIFTED = 1 };

struct suspension {
	bool holds;
	bool lifted;                         /* its end was an operator's */
	uint64_t from_ms, until_ms;          /* wall clock, of the newest one; its end where that is over */
	uint64_t over_ms;                    /* monotonic: when it ends by itself */
	uint64_t before_ms;                  /* how long those took that count together with it [O-10] */
	uint32_t told;                       /* under which version of the agreement it was stated last; 0: a store of before does not say */
	char by[KW_NODE_MAX + 1];
	char reason[KW_SUSPENSION_REASON_MAX + 1];
};

/* ---- as the store keeps it: form, flags, from, until, before, version, and with a length byte each: by, reason ---- */

static_assert(2 + 3 * 8 + 4 + 2 + KW_NODE_MAX + KW_SUSPENSION_REASON_MAX <= SUSPENSION_BYTES_MAX && SUSPENSION_BYTES_MAX <= STORE_SUSPENSION_MAX, "it fits");

static size_t
text_put(uint8_t *out, const char *text)
{
	size_t len = strlen(text);

	out[0] = (uint8_t)len;
	memcpy(out + 1, text, len);
	return 1 + len;
}

static size_t
pack(uint8_t out[SUSPENSION_BYTES_MAX], const struct suspension *s)
{
	size_t len = 2 + 3 * 8 + 4;

	out[0] = FORM;
	out[1] = s->lifted ? FLAG_LIFTED : 0;
	be64_put(out + 2, s->from_ms);
	be64_put(out + 10, s->until_ms);
	be64_put(out + 18, s->before_ms);
	be32_put(out + 26, s->told);
	len += text_put(out + len, s->by);
	return len + text_put(out + len, s->reason);
}

static void
text_get(char *out, size_t room, struct cursor *c)
{
	uint8_t len = cursor_u8(c);
	const uint8_t *p = cursor_take(c, len);

	c->bad = c->bad || len >= room;
	if (c->bad)
		return;
	memcpy(out, p, len);
	out[len] = '\0';
}

static bool
unpack(struct suspension *s, struct span bytes)
{
	struct cursor c = cursor_over(bytes);
	uint8_t form = cursor_u8(&c), flags = cursor_u8(&c);

	s->lifted = flags == FLAG_LIFTED;
	s->from_ms = cursor_u64(&c);
	s->until_ms = cursor_u64(&c);
	s->before_ms = cursor_u64(&c);
	s->told = form == FORM ? cursor_u32(&c) : 0;
	text_get(s->by, sizeof s->by, &c);
	text_get(s->reason, sizeof s->reason, &c);
	return cursor_done(&c) && (form == FORM || form == FORM_BEFORE) && flags <= FLAG_LIFTED && s->until_ms >= s->from_ms && s->until_ms - s->from_ms <= KW_SUSPENDED_MAX_MS &&
	       s->before_ms <= KW_SUSPENDED_MAX_MS;
}

/* ---- what there is ---- */

bool
suspend_keeps_out(const struct core *c, uint32_t node)
{
	const struct node_rec *n = c->audience.nodes[node];

	return (n->suspension != NULL && n->suspension->holds) || (c->suspend.way != SUSPEND_NONE && c->suspend.node == node && c->suspend.entry.of_suspension.act == SUSPENSION_BEGUN);
}

/* What it is told: of one that is on its way into the log too. */
void
suspend_refuse(struct core *c, uint32_t conn, uint32_t node, struct core_time now)
{
	const struct suspension *s = c->audience.nodes[node]->suspension;
	bool on_its_way = c->suspend.way != SUSPEND_NONE && c->suspend.node == node && c->suspend.entry.of_suspension.act == SUSPENSION_BEGUN && !c->suspend.again;
	const struct entry_suspension *e = &c->suspend.entry.of_suspension;
	uint64_t until = on_its_way ? e->until_ms : s->until_ms, left = until > now.wall_ms ? until - now.wall_ms : 0;
	char when[TEXT_TIME_MAX];

	if (!on_its_way)
		left = s->over_ms > now.mono_ms ? s->over_ms - now.mono_ms : 0;
	text_put_time_utc(when, until);
	effect_refuse(c, conn, CODE_SUSPENDED, NULL, left < KW_SUSPENDED_MAX_MS ? (uint32_t)left : (uint32_t)KW_SUSPENDED_MAX_MS, "suspended until %s by the operator %s: %s", when,
	              on_its_way ? e->by : s->by, on_its_way ? e->reason : s->reason);
}

static void
set_wake(struct core *c)
{
	c->suspend.wake_ms = UINT64_MAX;
	c->suspend.held_count = 0;
	for (uint32_t i = 0; i < c->audience.node_count; i++) {
		const struct suspension *s = c->audience.nodes[i]->suspension;

		if (s == NULL || !s->holds)
			continue;
		c->suspend.held_count++;
		if (s->over_ms < c->suspend.wake_ms)
			c->suspend.wake_ms = s->over_ms;
	}
}

/* [O-9] Who came with the agreement in force has not heard of one that was stated before it. */
static uint32_t
to_be_stated_again(const struct core *c)
{
	for (uint32_t i = 0; i < c->audience.node_count; i++) {
		const struct node_rec *n = c->audience.nodes[i];

		if (n->suspension != NULL && n->suspension->holds && n->under_agreement != AGREEMENT_NOBODY && n->suspension->told < agreement_version(c->agreement))
			return i;
	}
	return NO_NODE;
}

static void
state_again(struct core *c, struct core_time now)
{
	uint32_t node = c->agreement != NULL && c->suspend.held_count > 0 ? to_be_stated_again(c) : NO_NODE;
	struct core_effect *e;

	c->suspend.again_ms = node == NO_NODE ? UINT64_MAX : now.mono_ms + AGAIN_MS;
	if (node == NO_NODE || c->service != SERVICE_SERVING || c->suspend.way != SUSPEND_NONE || c->install_state != CHANGE_NONE)
		return;
	if ((e = effect_add(c, EFFECT_SUSPENSION_AGAIN, CORE_NO_CONN)) != NULL)
		e->over.node = node;
}

void
suspend_installed(struct core *c)
{
	c->suspend.again_ms = 0;
}

static void
end_what_is_over(struct core *c, struct core_time now)
{
	if (now.mono_ms < c->suspend.wake_ms)
		return;
	for (uint32_t i = 0; i < c->audience.node_count; i++) {
		struct suspension *s = c->audience.nodes[i]->suspension;
		struct core_effect *e;

		if (s == NULL || !s->holds || s->over_ms > now.mono_ms)
			continue;
		s->holds = false;
		if ((e = effect_add(c, EFFECT_SUSPENSION_OVER, CORE_NO_CONN)) != NULL)
			e->over.node = i;
	}
	set_wake(c);
}

void
suspend_tick(struct core *c, struct core_time now)
{
	if (now.mono_ms >= c->suspend.again_ms)
		state_again(c, now);
	end_what_is_over(c, now);
}

uint64_t
suspend_wake_ms(const struct core *c)
{
	return c->suspend.wake_ms < c->suspend.again_ms ? c->suspend.wake_ms : c->suspend.again_ms;
}

void
suspend_free(struct node_rec *n)
{
	free(n->suspension);
	n->suspension = NULL;
}

/* ---- the start ---- */

enum kw_err
core_load_suspension(struct core *c, node_no node, struct span bytes, struct kw_why *why)
{
	struct suspension read = {.holds = false}, *s;

	if (node.v >= c->audience.node_count || !unpack(&read, bytes))
		return kw_refuse(why, KW_ECORRUPT, "what the store has of a suspension cannot be read, or is of a node that is not there");
	s = malloc(sizeof *s);
	if (s == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a suspension");
	*s = read;
	free(c->audience.nodes[node.v]->suspension);
	c->audience.nodes[node.v]->suspension = s;
	return KW_OK;
}

/* Between two starts there is the wall clock alone; one that was set back makes it no longer than it was meant to be. */
void
suspend_start(struct core *c, struct core_time now)
{
	for (uint32_t i = 0; i < c->audience.node_count; i++) {
		struct suspension *s = c->audience.nodes[i]->suspension;

		if (s == NULL || s->lifted || s->until_ms <= now.wall_ms)
			continue;
		s->holds = true;
		s->over_ms = now.mono_ms + (now.wall_ms > s->from_ms ? s->until_ms - now.wall_ms : s->until_ms - s->from_ms);
	}
	set_wake(c);
	suspend_installed(c);
}

/* ---- an operator's wish ---- */

static uint64_t
smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * [O-10] How long those took that count together with one that begins now. A rest as long as the longest suspension makes them count no more;
 * of a clock that was set back nobody rests.
 */
static uint64_t
counted_before(const struct suspension *s, uint64_t wall_ms)
{
	if (s == NULL)
		return 0;
	if (s->holds)
		return s->before_ms;
	if (wall_ms > s->until_ms && wall_ms - s->until_ms >= KW_SUSPENDED_MAX_MS)
		return 0;
	return smaller(s->before_ms + (s->until_ms - s->from_ms), KW_SUSPENDED_MAX_MS);
}

static enum kw_err
wish_to_suspend(struct entry_suspension *e, const struct suspension *s, const struct core_suspend *ask, uint64_t wall_ms, struct kw_why *why)
{
	uint64_t before = counted_before(s, wall_ms), most;
	char text[TEXT_TIME_MAX], last[TEXT_TIME_MAX];
	enum kw_err err = suspension_reason_check(ask->reason, why);

	if (err != KW_OK)
		return err;
	if (ask->for_ms < CORE_SUSPEND_MIN_MS || ask->for_ms > KW_SUSPENDED_MAX_MS)
		return kw_refuse(why, KW_ELIMIT, "a node is suspended for 1 second to 72 hours; for longer the committee leaves it out of the next agreement");
	e->from_ms = s != NULL && s->holds && s->from_ms <= wall_ms ? s->from_ms : wall_ms;
	most = e->from_ms + (KW_SUSPENDED_MAX_MS - before);
	e->until_ms = wall_ms + ask->for_ms;
	if (e->until_ms > most && s != NULL && (s->holds || before > 0)) {
		text_put_duration(text, before + (wall_ms - e->from_ms));
		text_put_time_utc(last, most > wall_ms ? most : wall_ms);
		return kw_refuse(why, KW_ELIMIT, "%s was suspended for %s already, which counts until it has been in for 72 hours: it may be until %s at most; for longer the "
		                 "committee leaves it out of the next agreement", ask->node, text, last);
	}
	memcpy(e->reason, ask->reason.p, ask->reason.len);
	return KW_OK;
}

static enum kw_err
wish_to_lift(struct entry_suspension *e, const struct suspension *s, const struct core_suspend *ask, uint64_t wall_ms, struct kw_why *why)
{
	if (s == NULL || !s->holds)
		return kw_refuse(why, KW_ESTATE, "%s is not suspended", ask->node);
	e->from_ms = s->from_ms <= wall_ms ? s->from_ms : wall_ms;
	e->until_ms = smaller(wall_ms, e->from_ms + KW_SUSPENDED_MAX_MS);
	return KW_OK;
}

static void
under(struct broker_entry *b, const struct agreement *a)
{
	b->version = agreement_version(a);
	memcpy(b->agreement_hash, agreement_hash(a), KW_HASH_LEN);
}

enum kw_err
core_suspend(struct core *c, const struct core_suspend *ask, struct broker_entry *out, struct core_time now, struct kw_why *why)
{
	struct broker_entry b = {.kind = ENTRY_SUSPENSION, .time_ms = now.wall_ms};
	struct entry_suspension *e = &b.of_suspension;
	uint32_t node = rules_node(c, ask->node);
	const struct suspension *s;
	enum kw_err err;

	if (c->service != SERVICE_SERVING)
		return kw_refuse(why, KW_ESTATE, "the broker does not serve: %s", c->service_why);
	end_what_is_over(c, now); /* [O-12] to the millisecond, also where no tick came in between */
	if (c->suspend.way != SUSPEND_NONE || c->install_state != CHANGE_NONE)
		return kw_refuse(why, KW_EAGAIN, "another suspension, or another agreement, is on its way into the log: try again in a second");
	if (node == CASE_NOBODY || c->audience.nodes[node]->under_agreement == AGREEMENT_NOBODY)
		return kw_refuse(why, KW_ENOTFOUND, "%s is no node of the agreement in force; \"kurzweg nodes\" lists them", ask->node);
	MUST(strlen(ask->by) <= KW_NODE_MAX);
	s = c->audience.nodes[node]->suspension;
	*e = (struct entry_suspension){.act = ask->act};
	memcpy(e->node, c->audience.nodes[node]->id, sizeof e->node);
	memcpy(e->by, ask->by, strlen(ask->by));
	err = ask->act == SUSPENSION_BEGUN ? wish_to_suspend(e, s, ask, now.wall_ms, why) : wish_to_lift(e, s, ask, now.wall_ms, why);
	if (err != KW_OK)
		return err;
	under(&b, c->agreement);
	*out = b;
	return KW_OK;
}

bool
core_suspension_again(struct broker_entry *out, const struct core *c, uint32_t node, struct core_time now)
{
	const struct suspension *s = c->audience.nodes[node]->suspension;
	struct broker_entry b = {.kind = ENTRY_SUSPENSION, .time_ms = now.wall_ms};
	struct entry_suspension *e = &b.of_suspension;

	if (s == NULL || !s->holds || c->suspend.way != SUSPEND_NONE)
		return false;
	*e = (struct entry_suspension){.act = SUSPENSION_BEGUN, .from_ms = s->from_ms, .until_ms = s->until_ms};
	memcpy(e->node, c->audience.nodes[node]->id, sizeof e->node);
	memcpy(e->by, s->by, sizeof e->by);
	memcpy(e->reason, s->reason, sizeof e->reason);
	under(&b, c->agreement);
	*out = b;
	return true;
}

/* All nodes of the agreement in force; [L-6] does the same. */
static enum kw_err
audience_of_all(struct core *c, uint32_t *set)
{
	uint32_t n = c->audience.by_agreement_count, count = 0;
	node_no *nodes = calloc(n + 1, sizeof *nodes);
	enum kw_err err;

	if (nodes == NULL)
		return KW_ENOMEM;
	for (uint32_t i = 0; i < c->audience.node_count; i++)
		if (c->audience.nodes[i]->under_agreement != AGREEMENT_NOBODY)
			nodes[count++] = (node_no){i};
	MUST(count == n);
	err = audience_intern(&c->audience, nodes, count, set);
	free(nodes);
	return err;
}

/* Made before the log has it, so that nothing can fail behind the commit. */
static struct suspension *
next_of(const struct core *c, uint32_t node, const struct broker_entry *b, bool again, struct core_time now)
{
	const struct suspension *old = c->audience.nodes[node]->suspension;
	const struct entry_suspension *e = &b->of_suspension;
	struct suspension *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	if (old != NULL)
		*s = *old;
	s->told = b->version;
	if (again)
		return s;
	s->before_ms = counted_before(old, now.wall_ms);
	s->from_ms = e->from_ms;
	s->until_ms = e->until_ms;
	s->holds = e->act == SUSPENSION_BEGUN;
	s->lifted = !s->holds;
	s->over_ms = now.mono_ms + (e->until_ms > now.wall_ms ? e->until_ms - now.wall_ms : 0);
	if (s->holds) {
		memcpy(s->by, e->by, sizeof s->by);
		memcpy(s->reason, e->reason, sizeof s->reason);
	}
	return s;
}

enum kw_err
core_suspended(struct core *c, const struct broker_entry *b, bool again, struct blob *blob, const uint8_t hash[KW_HASH_LEN], struct core_time now, struct kw_why *why)
{
	uint32_t node = rules_node(c, b->of_suspension.node), set;
	struct session *s;
	enum kw_err err = audience_of_all(c, &set);

	MUST(c->suspend.way == SUSPEND_NONE && node != CASE_NOBODY);
	if (err != KW_OK)
		return kw_refuse(why, err, "no room for the audience of all nodes");
	c->suspend.next = next_of(c, node, b, again, now);
	if (c->suspend.next == NULL || !batch_entry(c, LANE_FLASH, set, b, blob, hash, now.wall_ms + PROOF_MS)) {
		free(c->suspend.next);
		c->suspend.next = NULL;
		return kw_refuse(why, KW_ENOMEM, "the broker is short of memory");
	}
	c->suspend.way = SUSPEND_WAITS;
	c->suspend.node = node;
	c->suspend.entry = *b;
	c->suspend.again = again;
	s = session_open(c, c->audience.nodes[node]->conn);
	if (b->of_suspension.act == SUSPENSION_BEGUN && s != NULL) { /* at once: nothing more is taken of it, whatever the disk does */
		uint32_t conn = s->conn;

		suspend_refuse(c, conn, node, now);
		session_end(c, s);
		(void)effect_add(c, EFFECT_DROP, conn);
	}
	return KW_OK;
}

/* In the batch that takes the entry. */
uint32_t
suspend_ops(struct core *c, struct store_op *ops)
{
	if (c->suspend.way != SUSPEND_WAITS)
		return 0;
	for (uint32_t i = 0; i < c->context_count; i++)
		if (c->context[i].note != NULL && c->context[i].note->entry.kind == ENTRY_SUSPENSION) {
			c->suspend.way = SUSPEND_UNDER_WAY;
			ops[0] = (struct store_op){.kind = OP_SUSPENSION, .suspension = {{c->suspend.node}, span_of(c->suspend.bytes, pack(c->suspend.bytes, c->suspend.next))}};
			return 1;
		}
	return 0;
}

static void
answer(struct core *c, bool stored, struct core_time now)
{
	struct core_effect *e = effect_add(c, EFFECT_SUSPENSION, CORE_NO_CONN);

	c->suspend.way = SUSPEND_NONE;
	c->suspend.next = NULL;
	MUST(e != NULL); /* who asked waits; a new start tells how it stands too */
	e->suspension.stored = stored;
	e->suspension.again = c->suspend.again;
	set_wake(c);
	if (c->suspend.again_ms != UINT64_MAX)
		c->suspend.again_ms = now.mono_ms + (stored ? 0 : AGAIN_FAILED_MS);
}

void
suspend_committed(struct core *c, struct core_time now)
{
	struct node_rec *n = c->audience.nodes[c->suspend.node];

	MUST(c->suspend.way == SUSPEND_UNDER_WAY);
	if (c->suspend.again && n->suspension != NULL) /* it may have ended meanwhile */
		c->suspend.next->holds = n->suspension->holds;
	free(n->suspension);
	n->suspension = c->suspend.next;
	answer(c, true, now);
}

void
suspend_failed(struct core *c, struct core_time now)
{
	free(c->suspend.next);
	answer(c, false, now);
}

const struct broker_entry *
core_suspension_entry(const struct core *c)
{
	return &c->suspend.entry;
}

/* ---- questions ---- */

bool
core_suspension(const struct core *c, uint32_t i, struct core_suspension *out)
{
	const struct suspension *s = c->audience.nodes[i]->suspension;

	if (s == NULL || !s->holds)
		return false;
	*out = (struct core_suspension){.from_ms = s->from_ms, .until_ms = s->until_ms, .by = s->by, .reason = s->reason};
	return true;
}

uint32_t
core_suspension_count(const struct core *c)
{
	return c->suspend.held_count;
}

bool
core_keeps_out(struct core *c, uint32_t conn, uint32_t node, struct core_time now)
{
	uint32_t no = c->audience.by_agreement[node];

	MUST(node < c->audience.by_agreement_count);
	if (!suspend_keeps_out(c, no))
		return false;
	suspend_refuse(c, conn, no, now);
	return true;
}
