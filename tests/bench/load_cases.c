/*
 * load_cases: matters that somebody must take on, through the whole broker: asked for, taken and done, with every statement signed, synced and
 * delivered to all four parties; what open ones cost; and how late the next one's turn comes when a turn is over.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "load_figures.h"
#include "load_node.h"
#include "load_runs.h"
#include "proto/entry.h"

#define RUN_NS 300000000000ull
#define OPEN_NS 30000000000ull
#define TURN_S 1u                    /* run_due: the shortest that there is */

enum { SENDER, FIRST, SECOND, COORDINATOR, PARTIES }; /* whose turn it is first, then, and at last */
static const char *const ids[PARTIES] = {LOAD_PUBLISHER, LOAD_READER, LOAD_FEW_READER, LOAD_COORDINATOR};

struct matter {
	bool offered, done;              /* the sender was told so */
	uint64_t until_ms[PARTIES];      /* of the newest statement that the party has */
};
struct place { uint8_t id[KW_ID_LEN]; uint32_t at; };

struct cases;
struct party { struct cases *cases; struct load_node *node; uint32_t delivered; };

struct cases {
	struct load *load;
	const struct target *target;
	struct party parties[PARTIES];
	struct pool opening, taking, closing; /* the last two of run_cases alone */
	struct matter *matters;          /* by the number in the pool */
	struct place *places;            /* by id */
	uint32_t sent, answered;         /* of opening; all rounds */
	uint32_t offered, done;          /* matters of which the sender was told so */
	uint32_t *moves;                 /* what FIRST published: matter * 2, + 1 where it closes */
	uint32_t move_count, moves_answered;
	uint64_t *late_ns;               /* run_due: how late the next turns came */
	uint32_t late_count;
};

static int
by_id(const void *a, const void *b)
{
	return memcmp(((const struct place *)a)->id, ((const struct place *)b)->id, KW_ID_LEN);
}

static struct matter *
matter_of(const struct cases *c, const uint8_t id[KW_ID_LEN])
{
	struct place wanted, *found;

	memcpy(wanted.id, id, KW_ID_LEN);
	found = bsearch(&wanted, c->places, c->opening.count, sizeof wanted, by_id);
	return found != NULL ? &c->matters[found->at] : NULL; /* NULL: of a run before this one */
}

/* ---- what comes ---- */

static void
sent_stored(void *self, uint32_t count)
{
	((struct party *)self)->cases->answered += count;
}

/* Who has taken it is done with it as soon as that is on disk. */
static void
move_stored(void *self, uint32_t count)
{
	struct cases *c = ((struct party *)self)->cases;

	for (; count > 0; count--) {
		uint32_t move = c->moves[c->moves_answered++];

		if (move % 2 != 0)
			continue;
		c->moves[c->move_count++] = move + 1;
		load_node_publish(c->parties[FIRST].node, &c->closing.at[move / 2]);
	}
}

/* FIRST gets what opens cases, in order and bit by bit, and takes each; the others get the moves as well. */
static void
delivered(void *self, struct load_node *n, const struct load_delivery *d)
{
	struct party *p = self;
	struct cases *c = p->cases;
	uint32_t i = p->delivered++;

	if (p != &c->parties[FIRST])
		return;
	if (i >= c->sent || !span_eq(d->frame, c->opening.at[i].frame))
		load_fail("%s got something else than matter %u", load_node_id(n), i);
	if (c->taking.count == 0)
		return;
	c->moves[c->move_count++] = 2 * i;
	load_node_publish(n, &c->taking.at[i]);
}

static void
look_at_turn(struct cases *c, const struct party *p, struct matter *m, const struct broker_entry *e)
{
	uint64_t *until_ms = &m->until_ms[p - c->parties], now_ns = clock_wall_ns(), due_ns = *until_ms * 1000000;

	if (c->late_ns != NULL && e->of_case.cause == CAUSE_TIMEOUT && strcmp(e->of_case.owner, load_node_id(p->node)) == 0)
		c->late_ns[c->late_count++] = now_ns > due_ns ? now_ns - due_ns : 0;
	*until_ms = e->of_case.until_ms;
}

static void
stated(void *self, struct load_node *n, const struct load_delivery *d)
{
	struct party *p = self;
	struct cases *c = p->cases;
	struct broker_entry e;
	struct matter *m;
	struct kw_why why;

	load_must(entry_decode(&e, d->frame, &why), &why);
	if (e.kind != ENTRY_CASE || e.of_case.lane != d->lane || (m = matter_of(c, e.of_case.id)) == NULL)
		return;
	look_at_turn(c, p, m, &e);
	if (p != &c->parties[SENDER])
		return;
	c->offered += !m->offered;
	m->offered = true;
	if (e.of_case.state != CASE_DONE)
		return;
	if (strcmp(e.of_case.owner, ids[FIRST]) != 0 || m->done)
		load_fail("%s is told that a matter is done by %s%s", load_node_id(n), e.of_case.owner, m->done ? ", again" : "");
	m->done = true;
	c->done++;
}

/* ---- beginning and end ---- */

static void
open_parties(struct cases *c)
{
	uint64_t deadline = load_ns() + OPEN_NS;

	for (int i = PARTIES - 1; i >= 0; i--) {
		struct party *p = &c->parties[i];
		struct load_handler on = {.self = p, .delivered = delivered, .entry = stated};

		on.stored = i == SENDER ? sent_stored : i == FIRST ? move_stored : NULL;
		p->cases = c;
		p->node = load_node_open(c->load, c->target, ids[i], ROLE_READER, FROM_TAIL, on);
		load_node_await(p->node, deadline);
	}
}

static void
begin(struct cases *c, struct load *l, const struct wishes *w, uint32_t count, uint32_t take_within_s)
{
	struct pool_wish wish = {.sender = LOAD_PUBLISHER, .topic = LOAD_CASE_TOPIC, .lane = LANE_URGENT, .count = count, .payload_len = w->bytes,
	                         .take_within_s = take_within_s};

	*c = (struct cases){.load = l, .target = &w->targets[0]};
	load_pool_make(&c->opening, l, &wish);
	c->matters = load_memory(count, sizeof *c->matters);
	c->places = load_memory(count, sizeof *c->places);
	for (uint32_t i = 0; i < count; i++) {
		memcpy(c->places[i].id, c->opening.at[i].id, KW_ID_LEN);
		c->places[i].at = i;
	}
	qsort(c->places, count, sizeof *c->places, by_id);
}

static void
prepare_moves(struct cases *c)
{
	struct pool_wish wish = {.sender = LOAD_READER, .topic = LOAD_CASE_TOPIC, .lane = LANE_URGENT, .count = c->opening.count,
	                         .payload_len = LOAD_MOVE_BYTES, .move = TYPE_TAKEN, .about = &c->opening};

	load_pool_make(&c->taking, c->load, &wish);
	wish.move = TYPE_DONE;
	load_pool_make(&c->closing, c->load, &wish);
	c->moves = load_memory(2 * (size_t)c->opening.count, sizeof *c->moves);
}

static void
end(struct cases *c)
{
	for (int i = 0; i < PARTIES; i++)
		load_node_close(&c->parties[i].node);
	load_pool_free(&c->opening);
	load_pool_free(&c->taking);
	load_pool_free(&c->closing);
	free(c->matters);
	free(c->places);
	free(c->moves);
}

/* Everybody has everything: what opens a case, and of its moves whatever is not his own. */
static void
await_all(struct cases *c, uint32_t moves_each)
{
	uint64_t deadline = load_ns() + RUN_NS;
	bool all;

	do {
		all = c->answered == c->sent && c->moves_answered == c->move_count;
		for (int i = 0; i < PARTIES; i++) {
			uint32_t each = (i != SENDER) + (i != FIRST ? moves_each : 0);

			if (c->parties[i].delivered > c->sent * each)
				load_fail("%s got %u, not %u", ids[i], c->parties[i].delivered, c->sent * each);
			all = all && c->parties[i].delivered == c->sent * each;
		}
		if (!all)
			load_turn(c->load, deadline, deadline);
	} while (!all);
}

/* Until the sender was told of so many more that they are done (offered); so many under way at once; seconds. */
static double
go(struct cases *c, const uint32_t *told, uint32_t more, uint32_t flight)
{
	uint64_t from = load_ns(), deadline = from + RUN_NS;
	uint32_t last = c->sent + more;

	while (*told < last) {
		bool any = false;

		for (; c->sent < last && c->sent - *told < flight; any = true)
			load_node_publish(c->parties[SENDER].node, &c->opening.at[c->sent++]);
		if (any)
			load_node_take(c->parties[SENDER].node);
		load_turn(c->load, deadline, deadline);
	}
	return (double)(load_ns() - from) / 1e9;
}

/* ---- the runs ---- */

void
run_cases(struct load *l, const struct wishes *w)
{
	const struct target *t = &w->targets[0];
	struct cases c;

	begin(&c, l, w, w->messages * w->rounds, 0);
	prepare_moves(&c);
	open_parties(&c);
	for (uint32_t round = 0; round < w->rounds; round++) {
		struct usage before = load_usage(t->pid);
		double seconds = go(&c, &c.done, w->messages, w->flight);

		await_all(&c, 2);
		load_print(json_pack("{s:s,s:s,s:i,s:i,s:f,s:o}", "run", "cases", "target", t->name, "flight", w->flight, "messages", w->messages,
		                     "per_second", w->messages / seconds, "cpu_us", load_usage_each(load_usage_since(t->pid, before), w->messages)));
	}
	end(&c);
}

static uint64_t
all_ns(struct usage u)
{
	return u.main_ns + u.io_ns + u.rest_ns;
}

void
run_open(struct load *l, const struct wishes *w)
{
	const struct target *t = &w->targets[0];
	struct usage before, quiet;
	uint64_t from, until;
	double seconds;
	struct cases c;

	begin(&c, l, w, w->messages, 0);
	open_parties(&c);
	before = load_usage(t->pid);
	seconds = go(&c, &c.offered, w->messages, w->flight);
	await_all(&c, 0);
	for (until = load_ns() + w->seconds * 1000000000ull; load_ns() < until;) /* snapshots are written */
		load_turn(l, until, until + RUN_NS);
	from = load_ns();
	quiet = load_usage(t->pid);
	for (until = from + w->seconds * 1000000000ull; load_ns() < until;)
		load_turn(l, until, until + RUN_NS);
	load_print(json_pack("{s:s,s:s,s:i,s:f,s:f,s:I,s:f}", "run", "open", "target", t->name, "messages", w->messages, "per_second",
	                     w->messages / seconds, "bytes_each", ((double)quiet.anon_kib - (double)before.anon_kib) * 1024 / w->messages, "anon_kib",
	                     (json_int_t)quiet.anon_kib, "quiet_cpu_percent",
	                     100.0 * (double)all_ns(load_usage_since(t->pid, quiet)) / (double)(load_ns() - from)));
	end(&c);
}

/* All that are opened go to the second, and from there to the coordinator. */
void
run_due(struct load *l, const struct wishes *w)
{
	const struct target *t = &w->targets[0];
	uint64_t every = 1000000000u / w->pace;
	struct cases c;

	begin(&c, l, w, w->messages * w->rounds, TURN_S);
	c.late_ns = load_memory(2 * (size_t)w->messages, sizeof *c.late_ns);
	open_parties(&c);
	for (uint32_t round = 0; round < w->rounds; round++) {
		uint64_t from = load_ns(), deadline = from + RUN_NS;

		c.late_count = 0;
		for (uint32_t i = 0; c.late_count < 2 * w->messages;) {
			uint64_t due = from + i * every;

			if (i == w->messages || c.sent - c.answered == LOAD_WINDOW) {
				due = deadline;
			} else if (due <= load_ns()) {
				load_node_publish(c.parties[SENDER].node, &c.opening.at[c.sent++]);
				load_node_take(c.parties[SENDER].node);
				i++;
				continue;
			}
			load_turn(l, due, deadline);
		}
		await_all(&c, 0);
		load_print(json_pack("{s:s,s:s,s:i,s:o}", "run", "due", "target", t->name, "pace", w->pace, "us", load_latency(c.late_ns, c.late_count)));
	}
	free(c.late_ns);
	end(&c);
}
