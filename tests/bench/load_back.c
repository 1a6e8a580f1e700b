/* load_back: a broker is ended and started again; until all readers are welcomed once more and have what is published then. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "load_figures.h"
#include "load_node.h"
#include "load_restart.h"
#include "load_runs.h"

#define OPEN_NS 300000000000ull
#define AT_ONCE 100u                    /* handshakes under way; more would only queue */

struct back {
	struct load *load;
	struct target target;           /* bench_peer's address and key are others each time */
	const struct pool *pool;
	struct load_node *publisher, **readers;
	uint32_t reader_count;
	uint32_t sent, answered;
	uint64_t deliveries;
};

static void
stored(void *self, uint32_t count)
{
	((struct back *)self)->answered += count;
}

static void
delivered(void *self, struct load_node *n, const struct load_delivery *d)
{
	struct back *b = self;

	if (b->sent == 0 || !span_eq(d->frame, b->pool->at[b->sent - 1].frame))
		load_fail("%s at %s got something else than notification %u", load_node_id(n), b->target.name, b->sent);
	if (++b->deliveries > (uint64_t)b->sent * b->reader_count)
		load_fail("%s delivered a notification more than once", b->target.name);
}

/* One more to all of them. */
static void
publish_to_all(struct back *b)
{
	uint64_t deadline = load_ns() + OPEN_NS;

	load_node_publish(b->publisher, &b->pool->at[b->sent++]);
	load_node_take(b->publisher);
	while (b->answered < b->sent || b->deliveries < (uint64_t)b->sent * b->reader_count)
		load_turn(b->load, deadline, deadline);
}

static void
open_all(struct back *b)
{
	uint64_t deadline = load_ns() + OPEN_NS;

	b->publisher = load_node_open(b->load, &b->target, LOAD_PUBLISHER, ROLE_PUBLISHER, FROM_TAIL, (struct load_handler){.self = b, .stored = stored});
	load_node_await(b->publisher, deadline);
	for (uint32_t i = 0; i < b->reader_count; i++) {
		char id[KW_NODE_MAX + 1];

		(void)snprintf(id, sizeof id, LOAD_FAN_READER, i);
		b->readers[i] = load_node_open(b->load, &b->target, id, ROLE_READER, FROM_TAIL, (struct load_handler){.self = b, .delivered = delivered});
		if (i >= AT_ONCE)
			load_node_await(b->readers[i - AT_ONCE], deadline);
	}
	for (uint32_t i = 0; i < b->reader_count; i++)
		load_node_await(b->readers[i], deadline);
}

static void
return_all(struct back *b)
{
	uint64_t deadline = load_ns() + OPEN_NS;

	load_node_return(b->publisher);
	load_node_await(b->publisher, deadline);
	for (uint32_t i = 0; i < b->reader_count; i++) {
		load_node_return(b->readers[i]);
		if (i >= AT_ONCE)
			load_node_await(b->readers[i - AT_ONCE], deadline);
	}
	for (uint32_t i = 0; i < b->reader_count; i++)
		load_node_await(b->readers[i], deadline);
}

/* A new bench_peer is another one: it has another key, and listens elsewhere. */
static uint64_t
await_listening(struct back *b, const struct load_started *started)
{
	const char *port;

	if (b->target.bare) {
		(void)snprintf(b->target.endpoint, sizeof b->target.endpoint, "%s", started->endpoint);
		if (!text_hex(b->target.curve_pk, KW_KEY_LEN, started->key))
			load_fail("%s has no key: %s", b->target.name, started->key);
	}
	port = strrchr(b->target.endpoint, ':');
	return load_await_listening((uint16_t)(port != NULL ? load_number(port + 1, "port") : 0));
}

static void
back_once(struct back *b)
{
	struct load_started started;
	uint64_t listening, back;

	publish_to_all(b); /* each has a place in the log */
	load_node_leave(b->publisher);
	for (uint32_t i = 0; i < b->reader_count; i++)
		load_node_leave(b->readers[i]);
	load_restart(&started, b->target.name);
	listening = await_listening(b, &started);
	return_all(b);
	back = load_ns();
	publish_to_all(b);
	load_print(json_pack("{s:s,s:s,s:i,s:f,s:f,s:f,s:f}", "run", "back", "target", b->target.name, "readers", (int)b->reader_count, "start_to_all_ms",
	                     load_ms(started.started_ns, load_ns()), "listening_to_all_ms", load_ms(listening, load_ns()), "start_to_listening_ms",
	                     load_ms(started.started_ns, listening), "listening_to_back_ms", load_ms(listening, back)));
}

void
run_back(struct load *l, const struct wishes *w)
{
	struct pool_wish wish = {.sender = LOAD_PUBLISHER, .topic = LOAD_FAN_TOPIC, .lane = LANE_FLASH, .count = 2 * w->rounds, .payload_len = w->bytes,
	                         .frame_len = w->frame};
	struct pool pool;

	load_pool_make(&pool, l, &wish);
	if (pool.audience_count != w->readers)
		load_fail("the agreement has %u readers of " LOAD_FAN_TOPIC ", not %u", pool.audience_count, w->readers);
	for (uint32_t t = 0; t < w->target_count; t++) {
		struct back b = {.load = l, .target = w->targets[t], .pool = &pool, .reader_count = w->readers,
		                 .readers = load_memory(w->readers, sizeof(struct load_node *))};

		open_all(&b);
		for (uint32_t round = 0; round < w->rounds; round++)
			back_once(&b);
		load_node_close(&b.publisher);
		for (uint32_t i = 0; i < b.reader_count; i++)
			load_node_close(&b.readers[i]);
		free(b.readers);
	}
	load_pool_free(&pool);
}
