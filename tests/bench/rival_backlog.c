/*
 * rival_backlog: much that was published while its reader was away, and a few of it for another who was away too. The server is started again with all
 * of that; the few come; then the many, while messages are published at a pace on a stream of their own: how fast it drains, how late those are, and what
 * memory the server has meanwhile.
 */
#include <unistd.h>

#include "load_figures.h"
#include "load_restart.h"
#include "rival_work.h"

#define FILL_FLIGHT 1024u
#define UNANSWERED_MAX 256u
#define DEADLINE_NS 1800000000000ull
#define LOOK_NS 50000000ull
#define DRAIN_S 60u                 /* alerts for so long at most while it drains */
#define QUIET_S 3u                  /* and so long afterwards */

struct backlog {
	struct work many, few, alerts;
	uint64_t kib_most;
	int pid;
};

static const char *
name_of(const struct backlog *b)
{
	return b->many.target->protocol->name;
}

struct moments { uint64_t started, listening, ready; };

/* All leave; the publishers come back. From the new process until they are logged in; what answers later serves nobody before. */
static struct moments
restart(struct backlog *b)
{
	struct load_started started;
	struct moments m;

	work_leave(&b->many);
	work_leave(&b->few);
	load_restart(&started, name_of(b));
	m.started = started.started_ns;
	m.listening = load_await_listening(b->many.target->port);
	work_return_publishers(&b->many);
	work_return_publishers(&b->few);
	m.ready = load_ns();
	b->pid = load_pid_of(name_of(b));
	return m;
}

/*
 * The few lie between the many, spread over the whole. Before, the server is started again: a server that only thinks that a reader is still there
 * hands it the first ones, and they come later, in another order, or never.
 */
static void
fill(struct backlog *b, uint32_t many, uint32_t few)
{
	uint64_t from;

	(void)restart(b);
	from = load_ns();
	for (uint32_t i = 0; i < few; i++) {
		work_fill(&b->many, many / few + (i < many % few), FILL_FLIGHT);
		work_fill(&b->few, 1, 1);
	}
	load_print(json_pack("{s:s,s:s,s:i,s:f}", "run", "fill", "target", name_of(b), "messages", (int)(many + few), "per_second",
	                     (many + few) / (load_ms(from, load_ns()) / 1e3)));
}

static void
start(struct backlog *b, uint32_t queued)
{
	struct moments m = restart(b);

	load_print(json_pack("{s:s,s:s,s:i,s:f,s:f,s:I}", "run", "start", "target", name_of(b), "queued", (int)queued, "ms", load_ms(m.started, m.ready),
	                     "listening_ms", load_ms(m.started, m.listening), "anon_kib", (json_int_t)load_usage(b->pid).anon_kib));
}

static void
take_few(struct backlog *b)
{
	uint64_t from = load_ns(), deadline = from + DEADLINE_NS;

	rival_net_return(b->few.net, b->few.readers[0].r, b->few.target->port);
	while (b->few.publishers[0].deliveries < b->few.publishers[0].end)
		rival_net_turn(b->few.net, deadline, deadline);
	load_print(json_pack("{s:s,s:s,s:i,s:f}", "run", "few", "target", name_of(b), "messages", (int)b->few.publishers[0].end, "ms", load_ms(from, load_ns())));
}

static void
look(struct backlog *b, uint64_t *next, uint64_t now)
{
	uint64_t kib;

	if (now < *next)
		return;
	kib = load_usage(b->pid).anon_kib;
	b->kib_most = kib > b->kib_most ? kib : b->kib_most;
	*next = now + LOOK_NS;
}

/* Alerts at the pace, from the first one on, until all of the many have come (drains) or until the last one has. */
static double
go(struct backlog *b, bool drains, uint32_t pace)
{
	struct work_publisher *a = &b->alerts.publishers[0];
	const struct work_publisher *m = &b->many.publishers[0];
	uint64_t from = load_ns(), every = 1000000000u / pace, deadline = from + DEADLINE_NS, next_look = from;
	uint32_t first = a->sent, end = first + pace * (drains ? DRAIN_S : QUIET_S);

	while (drains ? m->deliveries < m->end : a->deliveries < end) {
		uint64_t now = load_ns(), due = from + (uint64_t)(a->sent - first) * every;

		if (a->sent == end || a->sent - a->answered == UNANSWERED_MAX) {
			due = deadline;
		} else if (due <= now) {
			b->alerts.due_ns[a->sent] = due;
			work_publish(a);
			rival_net_send(b->alerts.net, a->r);
			continue;
		}
		look(b, &next_look, now);
		rival_net_turn(b->alerts.net, due < next_look ? due : next_look, deadline);
	}
	return (double)(load_ns() - from) / 1e9;
}

static void
finish_alerts(struct backlog *b)
{
	struct work_publisher *a = &b->alerts.publishers[0];
	uint64_t deadline = load_ns() + DEADLINE_NS;

	while (a->answered < a->sent || a->deliveries < a->sent)
		rival_net_turn(b->alerts.net, deadline, deadline);
}

static void
drain(struct backlog *b, const struct rival_wishes *wish)
{
	uint32_t room = wish->pace * (DRAIN_S + QUIET_S), during;
	uint64_t kib_before = load_usage(b->pid).anon_kib;
	struct usage used, own;
	json_t *busy, *quiet;
	double seconds;

	work_open(&b->alerts, b->many.net, b->many.target, wish, 1, 1);
	b->alerts.due_ns = load_memory(room, sizeof *b->alerts.due_ns);
	b->alerts.late_ns = load_memory(room, sizeof *b->alerts.late_ns);
	used = load_usage(b->pid);
	own = load_usage(getpid());
	rival_net_return(b->many.net, b->many.readers[0].r, b->many.target->port);
	seconds = go(b, true, wish->pace);
	used = load_usage_since(b->pid, used);
	own = load_usage_since(getpid(), own);
	finish_alerts(b);
	during = b->alerts.publishers[0].sent;
	busy = during > 0 ? load_latency(b->alerts.late_ns, during) : json_null();
	(void)go(b, false, wish->pace);
	finish_alerts(b);
	quiet = load_latency(b->alerts.late_ns + during, b->alerts.publishers[0].sent - during);
	load_print(json_pack("{s:s,s:s,s:i,s:f,s:o,s:o,s:I,s:I,s:o,s:o}", "run", "drain", "target", name_of(b), "messages", (int)b->many.publishers[0].end, "per_second",
	                     b->many.publishers[0].end / seconds, "alerts_during_us", busy, "alerts_after_us", quiet, "kib_before", (json_int_t)kib_before,
	                     "kib_most", (json_int_t)b->kib_most, "cpu_us", load_usage_each(used, b->many.publishers[0].end),
	                     "own_cpu_us", load_usage_each(own, b->many.publishers[0].end)));
	free(b->alerts.due_ns);
	free(b->alerts.late_ns);
	work_close(&b->alerts);
}

void
rival_backlog(struct rival_net *net, const struct rival_wishes *wish)
{
	if (wish->messages <= wish->few)
		load_fail("--messages %u: more than the few, %u", wish->messages, wish->few);
	for (uint32_t t = 0; t < wish->target_count; t++) {
		struct backlog b = {0};

		work_open(&b.many, net, &wish->targets[t], wish, 1, 1);
		work_open(&b.few, net, &wish->targets[t], wish, 1, 1);
		fill(&b, wish->messages - wish->few, wish->few);
		for (uint32_t round = 0; round < wish->rounds; round++)
			start(&b, wish->messages);
		take_few(&b);
		drain(&b, wish);
		work_close(&b.few);
		work_close(&b.many);
	}
}
