/* load_idle: what a connection costs the broker in memory of its own while nothing happens on it. */
#include <stdio.h>

#include "load_figures.h"
#include "load_node.h"
#include "load_runs.h"

#define OPEN_NS 120000000000ull
#define ALONE_S 10u
#define AT_ONCE 100u /* handshakes under way; more would only queue */

/* All of them welcomed; afterwards nothing moves, so the last look tells. */
static void
open_crowd(struct load *l, const struct target *t, struct load_node **nodes, uint32_t count)
{
	uint64_t deadline = load_ns() + OPEN_NS;

	for (uint32_t i = 0; i < count; i++) {
		char id[KW_NODE_MAX + 1];

		(void)snprintf(id, sizeof id, LOAD_CROWD, i);
		nodes[i] = load_node_open(l, t, id, ROLE_READER, FROM_TAIL, (struct load_handler){0});
		if (i >= AT_ONCE)
			load_node_await(nodes[i - AT_ONCE], deadline);
	}
	for (uint32_t i = 0; i < count; i++)
		load_node_await(nodes[i], deadline);
}

/* Of one core, in percent, while nothing but signs of life is said. */
static double
quiet_percent(struct load *l, const struct target *t, uint32_t seconds)
{
	struct usage used = load_usage(t->pid);
	uint64_t from = load_ns(), until = from + seconds * 1000000000ull;

	if (seconds == 0)
		return 0;
	while (load_ns() < until)
		load_turn(l, until, UINT64_MAX);
	used = load_usage_since(t->pid, used);
	return 100.0 * (double)(used.main_ns + used.io_ns + used.rest_ns) / (double)(load_ns() - from);
}

void
run_idle(struct load *l, const struct wishes *w)
{
	struct load_node **nodes = load_memory(w->readers, sizeof(struct load_node *));

	for (uint32_t t = 0; t < w->target_count; t++) {
		double alone = quiet_percent(l, &w->targets[t], w->seconds < ALONE_S ? w->seconds : ALONE_S), seconds;
		struct usage before = load_usage(w->targets[t].pid), after;
		uint64_t from = load_ns();

		open_crowd(l, &w->targets[t], nodes, w->readers);
		seconds = (double)(load_ns() - from) / 1e9;
		after = load_usage(w->targets[t].pid);
		load_print(json_pack("{s:s,s:s,s:i,s:f,s:I,s:f,s:f,s:f}", "run", "idle", "target", w->targets[t].name, "connections", w->readers, "kib_each",
		                     (double)(after.anon_kib - before.anon_kib) / w->readers, "kib_before", (json_int_t)before.anon_kib, "connects_per_second",
		                     w->readers / seconds, "cpu_percent_alone", alone, "cpu_percent", quiet_percent(l, &w->targets[t], w->seconds)));
		for (uint32_t i = 0; i < w->readers; i++)
			load_node_close(&nodes[i]);
	}
	free(nodes);
}
