/* load_rate: one publisher, one reader: how many a second, and how long each takes at a pace. */
#include <unistd.h>

#include "load_figures.h"
#include "load_node.h"
#include "load_runs.h"

#define ROUND_NS 120000000000ull /* a round that takes longer lost something */
#define OPEN_NS 30000000000ull

struct rate {
	struct load *load;
	const struct pool *pool;
	const struct target *target;
	struct load_node *publisher, *reader;
	uint32_t first;                  /* of the pool, in this round */
	uint32_t sent, answered, delivered, opened;
	uint64_t *late_ns;               /* by notification; NULL: not asked */
	uint64_t *due_ns;
};

static void
stored(void *self, uint32_t count)
{
	((struct rate *)self)->answered += count;
}

/* Everything comes, once, in order, bit by bit. */
static void
delivered(void *self, struct load_node *n, const struct load_delivery *d)
{
	struct rate *r = self;
	uint32_t i = r->first + r->delivered;

	if (r->delivered >= r->sent || !span_eq(d->frame, r->pool->at[i].frame) || (!r->target->bare && !span_eq(d->wrap, r->pool->at[i].wraps)))
		load_fail("%s at %s got something else than notification %u", load_node_id(n), r->target->name, i);
	if (r->late_ns != NULL)
		r->late_ns[r->delivered] = load_ns() - r->due_ns[r->delivered];
	r->delivered++;
	if (!r->target->bare && r->opened++ == 0)
		load_pool_open(r->pool, i, r->load, load_node_id(n), d->frame, d->wrap);
}

static void
open_both(struct rate *r, struct load *l, const struct target *t, const struct pool *p)
{
	uint64_t deadline = load_ns() + OPEN_NS;

	*r = (struct rate){.load = l, .pool = p, .target = t};
	r->reader = load_node_open(l, t, LOAD_READER, ROLE_READER, FROM_TAIL, (struct load_handler){.self = r, .delivered = delivered});
	load_node_await(r->reader, deadline);
	r->publisher = load_node_open(l, t, LOAD_PUBLISHER, ROLE_PUBLISHER, FROM_TAIL, (struct load_handler){.self = r, .stored = stored});
	load_node_await(r->publisher, deadline);
}

static void
close_both(struct rate *r)
{
	load_node_close(&r->publisher);
	load_node_close(&r->reader);
}

static void
publish_next(struct rate *r)
{
	load_node_publish(r->publisher, &r->pool->at[r->first + r->sent]);
	r->sent++;
}

static void
begin_round(struct rate *r, uint32_t first)
{
	r->first = first;
	r->sent = r->answered = r->delivered = 0;
}

/*
 * In flight is what was published and is not both answered and delivered. Where seconds is not 0 no more is sent when they are over; r->sent says
 * how much it was.
 */
static double
go(struct rate *r, uint32_t messages, uint32_t flight, uint32_t seconds)
{
	uint64_t from = load_ns(), deadline = from + ROUND_NS, stop = seconds > 0 ? from + seconds * 1000000000ull : deadline;

	while (r->answered < messages || r->delivered < messages) {
		uint32_t over = r->answered < r->delivered ? r->answered : r->delivered;
		bool any = false;

		for (; r->sent < messages && r->sent - over < flight; any = true)
			publish_next(r);
		if (any)
			load_node_take(r->publisher);
		load_turn(r->load, stop, deadline);
		if (load_ns() >= stop) {
			messages = r->sent;
			stop = deadline;
		}
	}
	return (double)(load_ns() - from) / 1e9;
}

void
run_rate(struct load *l, const struct wishes *w)
{
	struct rate r[LOAD_TARGETS_MAX];
	struct pool_wish wish = {.sender = LOAD_PUBLISHER, .topic = LOAD_TOPIC, .lane = LANE_ROUTINE, .count = w->messages * w->rounds, .payload_len = w->bytes, .frame_len = w->frame};
	struct pool pool;

	load_pool_make(&pool, l, &wish);
	for (uint32_t t = 0; t < w->target_count; t++)
		open_both(&r[t], l, &w->targets[t], &pool);
	for (uint32_t round = 0; round < w->rounds; round++)
		for (uint32_t t = 0; t < w->target_count; t++) {
			struct usage before = load_usage(w->targets[t].pid), own = load_usage(getpid());
			double seconds;

			begin_round(&r[t], round * w->messages);
			seconds = go(&r[t], w->messages, w->flight, w->seconds);
			load_print(json_pack("{s:s,s:s,s:i,s:i,s:i,s:i,s:f,s:o,s:o}", "run", "rate", "target", w->targets[t].name, "bytes", pool.payload_len, "frame",
			                     (int)pool.at[0].frame.len, "flight", w->flight, "messages", r[t].sent, "per_second", r[t].sent / seconds, "cpu_us",
			                     load_usage_each(load_usage_since(w->targets[t].pid, before), r[t].sent), "own_cpu_us",
			                     load_usage_each(load_usage_since(getpid(), own), r[t].sent)));
		}
	for (uint32_t t = 0; t < w->target_count; t++)
		close_both(&r[t]);
	load_pool_free(&pool);
}

/* ---- at a pace ---- */

/* Each has its time, whatever became of those before it: who is late is counted late for all that waits behind. */
static void
go_paced(struct rate *r, uint32_t messages, uint32_t pace)
{
	uint64_t from = load_ns() + 1000000, deadline = from + ROUND_NS, every = 1000000000u / pace;

	for (uint32_t i = 0; i < messages; i++)
		r->due_ns[i] = from + i * every;
	while (r->answered < messages || r->delivered < messages) {
		bool any = false;

		for (; r->sent < messages && r->sent - r->answered < LOAD_WINDOW && r->due_ns[r->sent] <= load_ns(); any = true)
			publish_next(r);
		if (any)
			load_node_take(r->publisher);
		load_turn(r->load, r->sent < messages && r->sent - r->answered < LOAD_WINDOW ? r->due_ns[r->sent] : deadline, deadline);
	}
}

void
run_paced(struct load *l, const struct wishes *w)
{
	struct rate r[LOAD_TARGETS_MAX];
	struct pool_wish wish = {.sender = LOAD_PUBLISHER, .topic = LOAD_TOPIC, .lane = LANE_FLASH, .count = w->messages * w->rounds, .payload_len = w->bytes, .frame_len = w->frame};
	uint64_t *late = load_memory(w->messages, sizeof *late), *due = load_memory(w->messages, sizeof *due);
	struct pool pool;

	load_pool_make(&pool, l, &wish);
	for (uint32_t t = 0; t < w->target_count; t++)
		open_both(&r[t], l, &w->targets[t], &pool);
	for (uint32_t round = 0; round < w->rounds; round++)
		for (uint32_t t = 0; t < w->target_count; t++) {
			begin_round(&r[t], round * w->messages);
			r[t].late_ns = late;
			r[t].due_ns = due;
			go_paced(&r[t], w->messages, w->pace);
			load_print(json_pack("{s:s,s:s,s:i,s:i,s:i,s:o}", "run", "paced", "target", w->targets[t].name, "bytes", pool.payload_len, "frame",
			                     (int)pool.at[0].frame.len, "pace", w->pace, "us",
			                     load_latency(late, w->messages)));
		}
	for (uint32_t t = 0; t < w->target_count; t++)
		close_both(&r[t]);
	load_pool_free(&pool);
	free(late);
	free(due);
}
