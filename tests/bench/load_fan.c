/* load_fan: one notification to many readers, one after the other and a stream of them. */
#include <stdio.h>

#include "load_figures.h"
#include "load_node.h"
#include "load_runs.h"

#define ROUND_NS 120000000000ull
#define OPEN_NS 60000000000ull

struct fan;
struct fan_reader { struct fan *fan; struct load_node *node; uint32_t delivered; uint32_t place; };

struct fan {
	struct load *load;
	const struct pool *pool;
	const struct target *target;
	struct load_node *publisher;
	struct fan_reader *readers;
	uint32_t reader_count;
	uint32_t sent, answered;
	uint64_t deliveries;
};

static void
stored(void *self, uint32_t count)
{
	((struct fan *)self)->answered += count;
}

static void
delivered(void *self, struct load_node *n, const struct load_delivery *d)
{
	struct fan_reader *r = self;
	struct fan *f = r->fan;
	const struct notice *notice = &f->pool->at[r->delivered];
	struct span wrap = span_of(notice->wraps.p + (size_t)r->place * KW_WRAP_LEN, KW_WRAP_LEN);

	if (r->delivered >= f->sent || !span_eq(d->frame, notice->frame) || (!f->target->bare && !span_eq(d->wrap, wrap)))
		load_fail("%s at %s got something else than notification %u", load_node_id(n), f->target->name, r->delivered);
	if (!f->target->bare && r->delivered == 0 && r->place == 0)
		load_pool_open(f->pool, 0, f->load, load_node_id(n), d->frame, d->wrap);
	r->delivered++;
	f->deliveries++;
}

static void
open_all(struct fan *f, struct load *l, const struct target *t, const struct pool *p, uint32_t readers)
{
	uint64_t deadline = load_ns() + OPEN_NS;

	*f = (struct fan){.load = l, .pool = p, .target = t, .reader_count = readers, .readers = load_memory(readers, sizeof *f->readers)};
	for (uint32_t i = 0; i < readers; i++) {
		struct fan_reader *r = &f->readers[i];
		char id[KW_NODE_MAX + 1];

		(void)snprintf(id, sizeof id, LOAD_FAN_READER, i);
		*r = (struct fan_reader){.fan = f, .place = load_pool_place(p, l, id)};
		r->node = load_node_open(l, t, id, ROLE_READER, FROM_TAIL, (struct load_handler){.self = r, .delivered = delivered});
	}
	for (uint32_t i = 0; i < readers; i++)
		load_node_await(f->readers[i].node, deadline);
	f->publisher = load_node_open(l, t, LOAD_PUBLISHER, ROLE_PUBLISHER, FROM_TAIL, (struct load_handler){.self = f, .stored = stored});
	load_node_await(f->publisher, deadline);
}

static void
close_all(struct fan *f)
{
	load_node_close(&f->publisher);
	for (uint32_t i = 0; i < f->reader_count; i++)
		load_node_close(&f->readers[i].node);
	free(f->readers);
}

/* Until all so far sent and more, with so many in flight, have come to all; seconds. */
static double
go(struct fan *f, uint32_t more, uint32_t flight)
{
	uint64_t from = load_ns(), deadline = from + ROUND_NS, want = (uint64_t)(f->sent + more) * f->reader_count;
	uint32_t end = f->sent + more;

	while (f->answered < end || f->deliveries < want) {
		uint64_t over = f->deliveries / f->reader_count;
		bool any = false;

		if (f->answered < over)
			over = f->answered;
		for (; f->sent < end && f->sent - over < flight; any = true)
			load_node_publish(f->publisher, &f->pool->at[f->sent++]);
		if (any)
			load_node_take(f->publisher);
		load_turn(f->load, deadline, deadline);
	}
	return (double)(load_ns() - from) / 1e9;
}

/* Single ones first: an alert meets a quiet broker more often than a busy one. */
static void
round_of(struct fan *f, uint32_t messages, uint32_t flight)
{
	uint32_t singles = messages / 4 > 0 ? messages / 4 : 1;
	uint64_t *last = load_memory(singles, sizeof *last);
	struct usage before;
	double seconds;

	for (uint32_t i = 0; i < singles; i++)
		last[i] = (uint64_t)(go(f, 1, 1) * 1e9);
	before = load_usage(f->target->pid);
	seconds = go(f, messages - singles, flight);
	load_print(json_pack("{s:s,s:s,s:i,s:i,s:I,s:o,s:f,s:o}", "run", "fan", "target", f->target->name, "frame", (int)f->pool->at[0].frame.len, "readers",
	                     (int)f->reader_count, "anon_kib", (json_int_t)load_usage(f->target->pid).anon_kib, "last_us",
	                     load_latency(last, singles), "deliveries_per_second", (messages - singles) * f->reader_count / seconds, "cpu_us",
	                     load_usage_each(load_usage_since(f->target->pid, before), (double)(messages - singles) * f->reader_count)));
	free(last);
}

void
run_fan(struct load *l, const struct wishes *w)
{
	struct fan f[LOAD_TARGETS_MAX];
	struct pool_wish wish = {.sender = LOAD_PUBLISHER, .topic = LOAD_FAN_TOPIC, .lane = LANE_FLASH, .count = w->messages * w->rounds, .payload_len = w->bytes, .frame_len = w->frame};
	struct pool pool;

	load_pool_make(&pool, l, &wish);
	if (pool.audience_count != w->readers)
		load_fail("the agreement has %u readers of " LOAD_FAN_TOPIC ", not %u", pool.audience_count, w->readers);
	for (uint32_t t = 0; t < w->target_count; t++)
		open_all(&f[t], l, &w->targets[t], &pool, w->readers);
	for (uint32_t round = 0; round < w->rounds; round++)
		for (uint32_t t = 0; t < w->target_count; t++)
			round_of(&f[t], w->messages, w->flight);
	for (uint32_t t = 0; t < w->target_count; t++)
		close_all(&f[t]);
	load_pool_free(&pool);
}
