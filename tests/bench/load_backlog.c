/*
 * load_backlog: a reader that has a long log before it. First one for whom ten of all are meant: how long until it has them. Then the one
 * for whom the rest is meant, while alerts are published at a pace: how fast it drains, how late the alerts are, and what memory that takes.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "load_figures.h"
#include "load_node.h"
#include "load_restart.h"
#include "load_runs.h"

#define FEW 11u                     /* the ten, and the first one that made their audience known */
#define DEADLINE_NS 180000000000ull
#define LOOK_NS 50000000ull
#define DRAIN_S 60u                 /* alerts for so long at most while it drains */
#define QUIET_S 3u                  /* and so long afterwards */

static void
count_delivery(void *self, struct load_node *n, const struct load_delivery *d)
{
	(void)n, (void)d;
	++*(uint32_t *)self;
}

/* From the new process until a publisher is welcomed; what listens earlier serves nobody. */
static void
start(struct load *l, struct target *t, uint32_t queued)
{
	const char *port = strrchr(t->endpoint, ':');
	struct load_started started;
	struct load_node *n;
	uint64_t listening, ready;

	load_restart(&started, t->name);
	listening = load_await_listening((uint16_t)(port != NULL ? load_number(port + 1, "port") : 0));
	n = load_node_open(l, t, LOAD_PUBLISHER, ROLE_PUBLISHER, FROM_START, (struct load_handler){0});
	load_node_await(n, load_ns() + DEADLINE_NS);
	ready = load_ns();
	t->pid = load_pid_of(t->name);
	load_print(json_pack("{s:s,s:s,s:i,s:f,s:f,s:I}", "run", "start", "target", t->name, "queued", (int)queued, "ms", load_ms(started.started_ns, ready),
	                     "listening_ms", load_ms(started.started_ns, listening), "anon_kib", (json_int_t)load_usage(t->pid).anon_kib));
	load_node_close(&n);
}

static void
ten_among_many(struct load *l, const struct target *t)
{
	uint64_t from = load_ns(), deadline = from + DEADLINE_NS;
	uint32_t got = 0;
	struct load_node *n = load_node_open(l, t, LOAD_FEW_READER, ROLE_READER, FROM_START, (struct load_handler){.self = &got, .delivered = count_delivery});

	while (got < FEW)
		load_turn(l, deadline, deadline);
	load_print(json_pack("{s:s,s:s,s:i,s:f}", "run", "few", "target", t->name, "messages", got, "ms", (double)(load_ns() - from) / 1e6));
	load_node_close(&n);
}

struct drain {
	struct load *load;
	const struct target *target;
	const struct pool *alerts;
	struct load_node *reader, *publisher;
	uint32_t drained;
	uint32_t sent, answered, delivered;
	uint64_t *due_ns, *late_ns;
	uint64_t kib_most;
};

static void
stored(void *self, uint32_t count)
{
	((struct drain *)self)->answered += count;
}

static void
delivered(void *self, struct load_node *n, const struct load_delivery *d)
{
	struct drain *r = self;

	if (d->lane == LANE_ROUTINE) {
		r->drained++;
		return;
	}
	if (r->delivered >= r->sent || !span_eq(d->frame, r->alerts->at[r->delivered].frame))
		load_fail("%s got something else than alert %u", load_node_id(n), r->delivered);
	r->late_ns[r->delivered] = load_ns() - r->due_ns[r->delivered];
	r->delivered++;
}

/* Alerts at the pace until so many have been drained (0: for QUIET_S); seconds. */
static double
go(struct drain *r, uint32_t first, uint32_t want, uint32_t pace)
{
	uint64_t from = load_ns(), every = 1000000000u / pace, deadline = from + DEADLINE_NS, look = from, now;
	uint32_t end = want > 0 ? pace * DRAIN_S : first + pace * QUIET_S;

	while (want > 0 ? r->drained < want : r->delivered < end) {
		uint64_t due = from + (uint64_t)(r->sent - first) * every;

		now = load_ns();
		if (r->sent == end || r->sent - r->answered == LOAD_WINDOW) {
			due = deadline;
		} else if (due <= now) {
			r->due_ns[r->sent] = due;
			load_node_publish(r->publisher, &r->alerts->at[r->sent++]);
			load_node_take(r->publisher);
			continue;
		}
		if (now >= look) {
			uint64_t kib = load_usage(r->target->pid).anon_kib;

			r->kib_most = kib > r->kib_most ? kib : r->kib_most;
			look = now + LOOK_NS;
		}
		load_turn(r->load, due < look ? due : look, deadline);
	}
	return (double)(load_ns() - from) / 1e9;
}

static void
finish_alerts(struct drain *r)
{
	uint64_t deadline = load_ns() + DEADLINE_NS;

	while (r->delivered < r->sent || r->answered < r->sent)
		load_turn(r->load, deadline, deadline);
}

static void
drain_with_alerts(struct load *l, const struct target *t, const struct wishes *w)
{
	struct pool_wish wish = {.sender = LOAD_PUBLISHER, .topic = LOAD_TOPIC, .lane = LANE_FLASH, .count = w->pace * (DRAIN_S + QUIET_S), .payload_len = w->bytes,
	                         .frame_len = w->frame};
	struct drain r = {.load = l, .target = t, .late_ns = load_memory(wish.count, sizeof *r.late_ns), .due_ns = load_memory(wish.count, sizeof *r.due_ns)};
	struct usage before = load_usage(t->pid), used, own;
	struct pool alerts;
	json_t *quiet, *busy;
	double seconds;
	uint32_t during;

	load_pool_make(&alerts, l, &wish);
	r.alerts = &alerts;
	r.publisher = load_node_open(l, t, LOAD_PUBLISHER, ROLE_PUBLISHER, FROM_TAIL, (struct load_handler){.self = &r, .stored = stored});
	load_node_await(r.publisher, load_ns() + DEADLINE_NS);
	used = load_usage(t->pid);
	own = load_usage(getpid());
	r.reader = load_node_open(l, t, LOAD_READER, ROLE_READER, FROM_START, (struct load_handler){.self = &r, .delivered = delivered});
	seconds = go(&r, 0, w->messages, w->pace);
	used = load_usage_since(t->pid, used);
	own = load_usage_since(getpid(), own);
	finish_alerts(&r);
	during = r.delivered;
	busy = during > 0 ? load_latency(r.late_ns, during) : json_null();
	(void)go(&r, during, 0, w->pace);
	finish_alerts(&r);
	quiet = load_latency(r.late_ns + during, r.delivered - during);
	load_print(json_pack("{s:s,s:s,s:i,s:f,s:o,s:o,s:I,s:I,s:o,s:o}", "run", "drain", "target", t->name, "messages", r.drained, "per_second",
	                     r.drained / seconds, "alerts_during_us", busy, "alerts_after_us", quiet, "kib_before", (json_int_t)before.anon_kib, "kib_most",
	                     (json_int_t)r.kib_most, "cpu_us", load_usage_each(used, r.drained), "own_cpu_us", load_usage_each(own, r.drained)));
	load_node_close(&r.publisher);
	load_node_close(&r.reader);
	load_pool_free(&alerts);
	free(r.late_ns);
	free(r.due_ns);
}

void
run_backlog(struct load *l, const struct wishes *w)
{
	struct target t = w->targets[0];

	for (uint32_t i = 0; i < w->starts; i++)
		start(l, &t, w->messages);
	ten_among_many(l, &t);
	drain_with_alerts(l, &t, w);
}
