/* rival_runs: the scenarios that need nothing but who publishes and who reads (rival_work). */
#include "rival_runs.h"

#include <unistd.h>

#include "load_figures.h"
#include "rival_work.h"

#define ROUND_NS WORK_ROUND_NS
#define UNANSWERED_MAX 256u              /* at a pace; as many as a node of Kurzweg may have */

void
rival_rate(struct rival_net *net, const struct rival_wishes *wish)
{
	for (uint32_t round = 0; round < wish->rounds; round++)
		for (uint32_t t = 0; t < wish->target_count; t++) {
			const struct rival_target *target = &wish->targets[t];
			struct usage before, own;
			struct work w;
			double seconds;

			work_open(&w, net, target, wish, wish->publishers, wish->readers);
			before = load_usage(target->pid);
			own = load_usage(getpid());
			seconds = work_go(&w, wish->messages, wish->flight, wish->seconds);
			load_print(json_pack("{s:s,s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:f,s:o,s:o}", "run", wish->apart ? "apart" : wish->publishers > 1 ? "many" : "rate",
			                     "target", target->protocol->name, "bytes", (int)wish->bytes,
			                     "frame", (int)wish->bytes, "flight", (int)wish->flight, "publishers", (int)wish->publishers, "readers",
			                     (int)wish->readers, "messages", (int)work_sent(&w), "per_second", work_sent(&w) / seconds, "cpu_us",
			                     load_usage_each(load_usage_since(target->pid, before), work_sent(&w)), "own_cpu_us",
			                     load_usage_each(load_usage_since(getpid(), own), work_sent(&w))));
			work_close(&w);
		}
}

/* ---- at a pace ---- */

/* Each has its time, whatever became of those before it: who is late is counted late for all that waits behind. */
static void
go_paced(struct work *w, uint32_t messages, uint32_t pace)
{
	uint64_t from = load_ns() + 1000000, deadline = from + ROUND_NS, every = 1000000000u / pace;
	struct work_publisher *p = &w->publishers[0];

	p->end = messages;
	for (uint32_t i = 0; i < messages; i++)
		w->due_ns[i] = from + i * every;
	while (!work_over(w)) {
		uint32_t before = p->sent;

		while (p->sent < messages && p->sent - p->answered < UNANSWERED_MAX && w->due_ns[p->sent] <= load_ns())
			work_publish(p);
		if (p->sent > before)
			rival_net_send(w->net, p->r);
		rival_net_turn(w->net, p->sent < messages && p->sent - p->answered < UNANSWERED_MAX ? w->due_ns[p->sent] : deadline, deadline);
	}
}

void
rival_paced(struct rival_net *net, const struct rival_wishes *wish)
{
	uint64_t *late = load_memory(wish->messages, sizeof *late), *due = load_memory(wish->messages, sizeof *due);

	for (uint32_t round = 0; round < wish->rounds; round++)
		for (uint32_t t = 0; t < wish->target_count; t++) {
			struct work w;

			work_open(&w, net, &wish->targets[t], wish, 1, 1);
			w.late_ns = late;
			w.due_ns = due;
			go_paced(&w, wish->messages, wish->pace);
			load_print(json_pack("{s:s,s:s,s:i,s:i,s:o}", "run", "paced", "target", w.target->protocol->name, "bytes", (int)wish->bytes, "pace",
			                     (int)wish->pace, "us", load_latency(late, wish->messages)));
			work_close(&w);
		}
	free(late);
	free(due);
}

/* ---- to many ---- */

/* Single ones first: an alert meets a quiet broker more often than a busy one. */
static void
round_of(struct work *w, uint32_t messages, uint32_t flight)
{
	uint32_t singles = messages / 4 > 0 ? messages / 4 : 1;
	uint64_t *last = load_memory(singles, sizeof *last);
	double deliveries = (double)(messages - singles) * w->reader_count, seconds;
	struct usage before;

	for (uint32_t i = 0; i < singles; i++)
		last[i] = (uint64_t)(work_go(w, 1, 1, 0) * 1e9);
	before = load_usage(w->target->pid);
	seconds = work_go(w, messages - singles, flight, 0);
	load_print(json_pack("{s:s,s:s,s:i,s:i,s:I,s:o,s:f,s:o}", "run", "fan", "target", w->target->protocol->name, "bytes", (int)w->bytes, "readers",
	                     (int)w->reader_count, "anon_kib", (json_int_t)load_usage(w->target->pid).anon_kib, "last_us", load_latency(last, singles),
	                     "deliveries_per_second", deliveries / seconds, "cpu_us", load_usage_each(load_usage_since(w->target->pid, before), deliveries)));
	free(last);
}

void
rival_fan(struct rival_net *net, const struct rival_wishes *wish)
{
	struct work w[RIVAL_TARGETS_MAX];

	for (uint32_t t = 0; t < wish->target_count; t++)
		work_open(&w[t], net, &wish->targets[t], wish, 1, wish->readers);
	for (uint32_t round = 0; round < wish->rounds; round++)
		for (uint32_t t = 0; t < wish->target_count; t++)
			round_of(&w[t], wish->messages, wish->flight);
	for (uint32_t t = 0; t < wish->target_count; t++)
		work_close(&w[t]);
}

/* ---- silent ones ---- */

/* Of one core, in percent, while nothing is said. */
static double
quiet_percent(struct rival_net *net, const struct rival_target *t, uint32_t seconds)
{
	struct usage used = load_usage(t->pid);
	uint64_t from = load_ns(), until = from + seconds * 1000000000ull;

	if (seconds == 0)
		return 0;
	while (load_ns() < until)
		rival_net_turn(net, until, UINT64_MAX);
	used = load_usage_since(t->pid, used);
	return 100.0 * (double)(used.main_ns + used.io_ns + used.rest_ns) / (double)(load_ns() - from);
}

static void
idle_at(struct rival_net *net, const struct rival_target *t, const struct rival_wishes *wish)
{
	struct work w = {.net = net, .target = t};
	struct rival **all = load_memory(wish->readers, sizeof(struct rival *));
	double alone = quiet_percent(net, t, wish->seconds), connecting;
	struct usage before = load_usage(t->pid), open;
	uint64_t from = load_ns();

	for (uint32_t i = 0; i < wish->readers; i++)
		all[i] = work_open_one(&w, RIVAL_IDLE, "idle", "i", i, (struct rival_handler){0});
	connecting = (double)(load_ns() - from) / 1e9;
	open = load_usage(t->pid);
	load_print(json_pack("{s:s,s:s,s:i,s:f,s:I,s:f,s:f,s:f}", "run", "idle", "target", t->protocol->name, "connections", (int)wish->readers, "kib_each",
	                     ((double)open.anon_kib - (double)before.anon_kib) / wish->readers, "kib_before", (json_int_t)before.anon_kib,
	                     "connects_per_second", wish->readers / connecting, "cpu_percent_alone", alone, "cpu_percent",
	                     quiet_percent(net, t, wish->seconds)));
	for (uint32_t i = 0; i < wish->readers; i++)
		rival_net_close(net, &all[i]);
	free(all);
}

void
rival_idle(struct rival_net *net, const struct rival_wishes *wish)
{
	for (uint32_t t = 0; t < wish->target_count; t++)
		idle_at(net, &wish->targets[t], wish);
}
