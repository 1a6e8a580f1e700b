/* rival_runs: who publishes, who reads, and what is measured meanwhile. */
#include "rival_runs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "load_figures.h"
#include "rival_body.h"

#define ROUND_NS 120000000000ull         /* a round that takes longer lost something */
#define OPEN_NS 120000000000ull
#define UNANSWERED_MAX 256u              /* at a pace; as many as a node of Kurzweg may have */

struct work;
struct publisher {
	struct work *work;
	struct rival *r;
	uint32_t sent, end;
	uint32_t answered;
	uint64_t deliveries;             /* of what it sent, to all readers together */
};
struct reader {
	struct work *work;
	struct rival *r;
	uint32_t *next;                  /* by publisher */
};

struct work {
	struct rival_net *net;
	const struct rival_target *target;
	uint32_t bytes;
	uint8_t *body;
	struct publisher *publishers;
	struct reader *readers;
	uint32_t publisher_count, reader_count;
	uint64_t *due_ns, *late_ns;      /* by number; NULL: not asked */
};

static void
answered(void *self, struct rival *r, uint32_t count)
{
	struct publisher *p = self;

	p->answered += count;
	if (p->answered > p->sent)
		load_fail("%s answered more than was published", r->protocol->name);
}

/* Everything comes, once, in its publisher's order, bit by bit. */
static void
delivered(void *self, struct rival *r, struct span body)
{
	struct reader *reader = self;
	struct work *w = reader->work;
	uint32_t publisher, number;

	if (!rival_body_is(body, w->bytes, &publisher, &number) || publisher >= w->publisher_count || number >= w->publishers[publisher].sent ||
	    number != reader->next[publisher])
		load_fail("%s delivered to %s something else than what came next", r->protocol->name, r->name);
	if (w->late_ns != NULL)
		w->late_ns[number] = load_ns() - w->due_ns[number];
	reader->next[publisher]++;
	w->publishers[publisher].deliveries++;
}

static void
await(struct work *w, const bool *what)
{
	uint64_t deadline = load_ns() + OPEN_NS;

	while (!*what)
		rival_net_turn(w->net, deadline, deadline);
}

static struct rival *
open_one(struct work *w, enum rival_role role, const char *run, const char *letter, uint32_t i, struct rival_handler on)
{
	char name[RIVAL_NAME_MAX];
	struct rival *r;

	(void)snprintf(name, sizeof name, "%s%u", letter, i);
	r = rival_net_open(w->net, w->target->protocol, w->target->port, role, run, name, on);
	await(w, &r->ready);
	return r;
}

/* Readers before the other publishers: nothing is sent before all can get it. */
static void
open_all(struct work *w, struct rival_net *net, const struct rival_target *t, const struct rival_wishes *wish, uint32_t publishers, uint32_t readers)
{
	char run[RIVAL_NAME_MAX];

	*w = (struct work){.net = net, .target = t, .bytes = wish->bytes, .publisher_count = publishers, .reader_count = readers};
	(void)snprintf(run, sizeof run, "kw%d-%llu", (int)getpid(), (unsigned long long)(load_ns() / 1000u));
	w->body = load_memory(1, wish->bytes);
	w->publishers = load_memory(publishers, sizeof *w->publishers);
	w->readers = load_memory(readers, sizeof *w->readers);
	for (uint32_t i = 0; i < publishers; i++) {
		struct publisher *p = &w->publishers[i];

		p->work = w;
		p->r = open_one(w, i == 0 ? RIVAL_OWNER : RIVAL_PUBLISHER, run, "p", i, (struct rival_handler){.self = p, .answered = answered});
	}
	for (uint32_t i = 0; i < readers; i++) {
		struct reader *r = &w->readers[i];

		r->work = w;
		r->next = load_memory(publishers, sizeof *r->next);
		r->r = open_one(w, RIVAL_READER, run, "r", i, (struct rival_handler){.self = r, .delivered = delivered});
	}
}

static void
close_one(struct work *w, struct rival **r)
{
	(*r)->protocol->remove(*r);
	rival_net_send(w->net, *r);
	await(w, &(*r)->removed);
	rival_net_close(w->net, r);
}

static void
close_all(struct work *w)
{
	for (uint32_t i = 0; i < w->reader_count; i++) {
		close_one(w, &w->readers[i].r);
		free(w->readers[i].next);
	}
	for (uint32_t i = w->publisher_count; i-- > 0;)
		close_one(w, &w->publishers[i].r);
	free(w->publishers);
	free(w->readers);
	free(w->body);
}

static void
publish_next(struct publisher *p)
{
	struct work *w = p->work;

	rival_body_put(w->body, w->bytes, (uint32_t)(p - w->publishers), p->sent++);
	p->r->protocol->publish(p->r, span_of(w->body, w->bytes));
}

/* What is not in flight any more: answered, and delivered to all. */
static uint32_t
over(const struct publisher *p)
{
	uint32_t all = (uint32_t)(p->deliveries / p->work->reader_count);

	return p->answered < all ? p->answered : all;
}

static bool
all_over(const struct work *w)
{
	for (uint32_t i = 0; i < w->publisher_count; i++) {
		const struct publisher *p = &w->publishers[i];

		if (p->answered < p->end || p->deliveries < (uint64_t)p->end * w->reader_count)
			return false;
	}
	return true;
}

static void
stop_sending(struct work *w)
{
	for (uint32_t i = 0; i < w->publisher_count; i++)
		w->publishers[i].end = w->publishers[i].sent;
}

/* Until so many more have come to all, or, where seconds is not 0, all that could be sent in that time has; how long it took. */
static double
go(struct work *w, uint32_t messages, uint32_t flight, uint32_t seconds)
{
	uint64_t from = load_ns(), deadline = from + ROUND_NS, stop = seconds > 0 ? from + seconds * 1000000000ull : deadline;
	uint32_t each = flight > w->publisher_count ? flight / w->publisher_count : 1;

	for (uint32_t i = 0; i < w->publisher_count; i++)
		w->publishers[i].end += messages / w->publisher_count + (i < messages % w->publisher_count);
	while (!all_over(w)) {
		for (uint32_t i = 0; i < w->publisher_count; i++) {
			struct publisher *p = &w->publishers[i];
			uint32_t limit = over(p) + each;

			if (p->sent == p->end || p->sent >= limit)
				continue;
			while (p->sent < p->end && p->sent < limit)
				publish_next(p);
			rival_net_send(w->net, p->r);
		}
		rival_net_turn(w->net, stop, deadline);
		if (load_ns() >= stop) {
			stop_sending(w);
			stop = deadline;
		}
	}
	return (double)(load_ns() - from) / 1e9;
}

static uint32_t
sent(const struct work *w)
{
	uint32_t all = 0;

	for (uint32_t i = 0; i < w->publisher_count; i++)
		all += w->publishers[i].sent;
	return all;
}

void
rival_rate(struct rival_net *net, const struct rival_wishes *wish)
{
	for (uint32_t round = 0; round < wish->rounds; round++)
		for (uint32_t t = 0; t < wish->target_count; t++) {
			const struct rival_target *target = &wish->targets[t];
			struct usage before, own;
			struct work w;
			double seconds;

			open_all(&w, net, target, wish, wish->publishers, wish->readers);
			before = load_usage(target->pid);
			own = load_usage(getpid());
			seconds = go(&w, wish->messages, wish->flight, wish->seconds);
			load_print(json_pack("{s:s,s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:f,s:o,s:o}", "run", wish->publishers > 1 ? "many" : "rate", "target", target->protocol->name, "bytes", (int)wish->bytes,
			                     "frame", (int)wish->bytes, "flight", (int)wish->flight, "publishers", (int)wish->publishers, "readers",
			                     (int)wish->readers, "messages", (int)sent(&w), "per_second", sent(&w) / seconds, "cpu_us",
			                     load_usage_each(load_usage_since(target->pid, before), sent(&w)), "own_cpu_us",
			                     load_usage_each(load_usage_since(getpid(), own), sent(&w))));
			close_all(&w);
		}
}

/* ---- at a pace ---- */

/* Each has its time, whatever became of those before it: who is late is counted late for all that waits behind. */
static void
go_paced(struct work *w, uint32_t messages, uint32_t pace)
{
	uint64_t from = load_ns() + 1000000, deadline = from + ROUND_NS, every = 1000000000u / pace;
	struct publisher *p = &w->publishers[0];

	p->end = messages;
	for (uint32_t i = 0; i < messages; i++)
		w->due_ns[i] = from + i * every;
	while (!all_over(w)) {
		uint32_t before = p->sent;

		while (p->sent < messages && p->sent - p->answered < UNANSWERED_MAX && w->due_ns[p->sent] <= load_ns())
			publish_next(p);
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

			open_all(&w, net, &wish->targets[t], wish, 1, 1);
			w.late_ns = late;
			w.due_ns = due;
			go_paced(&w, wish->messages, wish->pace);
			load_print(json_pack("{s:s,s:s,s:i,s:i,s:o}", "run", "paced", "target", w.target->protocol->name, "bytes", (int)wish->bytes, "pace",
			                     (int)wish->pace, "us", load_latency(late, wish->messages)));
			close_all(&w);
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
		last[i] = (uint64_t)(go(w, 1, 1, 0) * 1e9);
	before = load_usage(w->target->pid);
	seconds = go(w, messages - singles, flight, 0);
	load_print(json_pack("{s:s,s:s,s:i,s:i,s:o,s:f,s:o}", "run", "fan", "target", w->target->protocol->name, "bytes", (int)w->bytes, "readers",
	                     (int)w->reader_count, "last_us", load_latency(last, singles), "deliveries_per_second", deliveries / seconds, "cpu_us",
	                     load_usage_each(load_usage_since(w->target->pid, before), deliveries)));
	free(last);
}

void
rival_fan(struct rival_net *net, const struct rival_wishes *wish)
{
	for (uint32_t round = 0; round < wish->rounds; round++)
		for (uint32_t t = 0; t < wish->target_count; t++) {
			struct work w;

			open_all(&w, net, &wish->targets[t], wish, 1, wish->readers);
			round_of(&w, wish->messages, wish->flight);
			close_all(&w);
		}
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
		all[i] = open_one(&w, RIVAL_IDLE, "idle", "i", i, (struct rival_handler){0});
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
