/* load_many: many publishers at once, to one reader or to many. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "load_figures.h"
#include "load_node.h"
#include "load_runs.h"

#define ROUND_NS 120000000000ull
#define OPEN_NS 60000000000ull
#define TAG_LEN 8u

struct many;
struct many_publisher {
	struct many *many;
	struct load_node *node;
	struct pool pool;
	uint32_t sent, end, answered;
	uint64_t deliveries;             /* of what it sent, to all readers together */
};
struct many_reader { struct many *many; struct load_node *node; uint32_t *next; /* by publisher */ };

/* Which notification a delivered frame is: its last bytes, a cipher's tag, are like no other's. */
struct place { uint32_t publisher, number; bool taken; };

struct many {
	struct load *load;
	const struct target *target;
	struct many_publisher *publishers;
	struct many_reader *readers;
	uint32_t publisher_count, reader_count;
	struct place *places;            /* a hash table, at most half full */
	uint32_t place_mask;
};

static uint32_t
place_of(const struct many *m, struct span frame)
{
	uint64_t tag;

	memcpy(&tag, frame.p + frame.len - TAG_LEN, sizeof tag);
	return (uint32_t)tag & m->place_mask;
}

static void
remember(struct many *m, uint32_t publisher, uint32_t number)
{
	uint32_t i = place_of(m, m->publishers[publisher].pool.at[number].frame);

	while (m->places[i].taken)
		i = (i + 1) & m->place_mask;
	m->places[i] = (struct place){publisher, number, true};
}

static const struct place *
find(const struct many *m, struct span frame)
{
	for (uint32_t i = place_of(m, frame); m->places[i].taken; i = (i + 1) & m->place_mask) {
		const struct place *p = &m->places[i];

		if (span_eq(frame, m->publishers[p->publisher].pool.at[p->number].frame))
			return p;
	}
	return NULL;
}

static void
stored(void *self, uint32_t count)
{
	((struct many_publisher *)self)->answered += count;
}

/* Everything comes, once, in its publisher's order, bit by bit. */
static void
delivered(void *self, struct load_node *n, const struct load_delivery *d)
{
	struct many_reader *r = self;
	struct many *m = r->many;
	const struct place *p = find(m, d->frame);

	if (p == NULL || p->number != r->next[p->publisher] || p->number >= m->publishers[p->publisher].sent)
		load_fail("%s at %s got something else than what came next", load_node_id(n), m->target->name);
	if (!m->target->bare && r == m->readers && p->publisher == 0 && p->number == 0)
		load_pool_open(&m->publishers[0].pool, 0, m->load, load_node_id(n), d->frame, d->wrap);
	r->next[p->publisher]++;
	m->publishers[p->publisher].deliveries++;
}

static void
seal_all(struct many *m, const struct wishes *w)
{
	uint32_t all = 0, room = 2;

	for (uint32_t i = 0; i < m->publisher_count; i++) {
		struct many_publisher *p = &m->publishers[i];
		char id[KW_NODE_MAX + 1];
		struct pool_wish wish = {.sender = id, .topic = w->readers > 1 ? LOAD_ALL_TOPIC : LOAD_LONE_TOPIC, .lane = LANE_ROUTINE,
		                         .count = w->messages / m->publisher_count + 1, .payload_len = w->bytes, .frame_len = w->frame};

		(void)snprintf(id, sizeof id, LOAD_MANY, i);
		load_pool_make(&p->pool, m->load, &wish);
		if (p->pool.audience_count != w->readers)
			load_fail("the agreement has %u readers of %s, not %u", p->pool.audience_count, wish.topic, w->readers);
		all += wish.count;
	}
	while (room < 2 * all)
		room *= 2;
	m->places = load_memory(room, sizeof *m->places);
	m->place_mask = room - 1;
	for (uint32_t i = 0; i < m->publisher_count; i++)
		for (uint32_t k = 0; k < m->publishers[i].pool.count; k++)
			remember(m, i, k);
}

static void
open_all(struct many *m, const struct target *t)
{
	uint64_t deadline = load_ns() + OPEN_NS;
	char id[KW_NODE_MAX + 1];

	m->target = t;
	for (uint32_t i = 0; i < m->reader_count; i++) {
		struct many_reader *r = &m->readers[i];

		(void)snprintf(id, sizeof id, m->reader_count > 1 ? LOAD_ALL_READER : LOAD_READER, i);
		*r = (struct many_reader){.many = m, .next = load_memory(m->publisher_count, sizeof *r->next)};
		r->node = load_node_open(m->load, t, id, ROLE_READER, FROM_TAIL, (struct load_handler){.self = r, .delivered = delivered});
	}
	for (uint32_t i = 0; i < m->reader_count; i++)
		load_node_await(m->readers[i].node, deadline);
	for (uint32_t i = 0; i < m->publisher_count; i++) {
		struct many_publisher *p = &m->publishers[i];

		(void)snprintf(id, sizeof id, LOAD_MANY, i);
		p->many = m;
		p->sent = p->answered = 0;
		p->deliveries = 0;
		p->node = load_node_open(m->load, t, id, ROLE_PUBLISHER, FROM_TAIL, (struct load_handler){.self = p, .stored = stored});
	}
	for (uint32_t i = 0; i < m->publisher_count; i++)
		load_node_await(m->publishers[i].node, deadline);
}

static void
close_all(struct many *m)
{
	for (uint32_t i = 0; i < m->publisher_count; i++)
		load_node_close(&m->publishers[i].node);
	for (uint32_t i = 0; i < m->reader_count; i++) {
		load_node_close(&m->readers[i].node);
		free(m->readers[i].next);
	}
}

static bool
all_over(const struct many *m)
{
	for (uint32_t i = 0; i < m->publisher_count; i++) {
		const struct many_publisher *p = &m->publishers[i];

		if (p->answered < p->end || p->deliveries < (uint64_t)p->end * m->reader_count)
			return false;
	}
	return true;
}

static void
publish_more(struct many_publisher *p, uint32_t flight)
{
	uint64_t all = p->deliveries / p->many->reader_count;
	uint32_t over = p->answered < all ? p->answered : (uint32_t)all, before = p->sent;

	while (p->sent < p->end && p->sent - over < flight)
		load_node_publish(p->node, &p->pool.at[p->sent++]);
	if (p->sent > before)
		load_node_take(p->node);
}

/* In flight is what was published and is not both answered and delivered to all; each publisher has its share of that. */
static double
go(struct many *m, uint32_t messages, uint32_t flight, uint32_t seconds)
{
	uint64_t from = load_ns(), deadline = from + ROUND_NS, stop = seconds > 0 ? from + seconds * 1000000000ull : deadline;
	uint32_t each = flight > m->publisher_count ? flight / m->publisher_count : 1;

	for (uint32_t i = 0; i < m->publisher_count; i++)
		m->publishers[i].end = messages / m->publisher_count + (i < messages % m->publisher_count);
	while (!all_over(m)) {
		for (uint32_t i = 0; i < m->publisher_count; i++)
			publish_more(&m->publishers[i], each);
		load_turn(m->load, stop, deadline);
		if (load_ns() >= stop) {
			for (uint32_t i = 0; i < m->publisher_count; i++)
				m->publishers[i].end = m->publishers[i].sent;
			stop = deadline;
		}
	}
	return (double)(load_ns() - from) / 1e9;
}

void
run_many(struct load *l, const struct wishes *w)
{
	struct many m = {.load = l, .publisher_count = w->publishers, .reader_count = w->readers};

	m.publishers = load_memory(w->publishers, sizeof *m.publishers);
	m.readers = load_memory(w->readers, sizeof *m.readers);
	seal_all(&m, w);
	for (uint32_t t = 0; t < w->target_count; t++) {
		struct usage before, own;
		uint32_t sent = 0;
		double seconds;

		open_all(&m, &w->targets[t]);
		before = load_usage(w->targets[t].pid);
		own = load_usage(getpid());
		seconds = go(&m, w->messages, w->flight, w->seconds);
		for (uint32_t i = 0; i < m.publisher_count; i++)
			sent += m.publishers[i].sent;
		load_print(json_pack("{s:s,s:s,s:i,s:i,s:i,s:i,s:i,s:f,s:o,s:o}", "run", "many", "target", w->targets[t].name, "frame",
		                     (int)m.publishers[0].pool.at[0].frame.len, "flight", (int)w->flight, "publishers", (int)w->publishers, "readers", (int)w->readers,
		                     "messages", (int)sent, "per_second", sent / seconds, "cpu_us", load_usage_each(load_usage_since(w->targets[t].pid, before), sent),
		                     "own_cpu_us", load_usage_each(load_usage_since(getpid(), own), sent)));
		close_all(&m);
	}
	for (uint32_t i = 0; i < m.publisher_count; i++)
		load_pool_free(&m.publishers[i].pool);
	free(m.publishers);
	free(m.readers);
	free(m.places);
}
