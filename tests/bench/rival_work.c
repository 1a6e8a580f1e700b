/* rival_work: opening, publishing, comparing, closing. */
#include "rival_work.h"

#include <stdio.h>
#include <unistd.h>

#include "load_base.h"
#include "rival_body.h"

#define OPEN_NS 300000000000ull

static void
answered(void *self, struct rival *r, uint32_t count)
{
	struct work_publisher *p = self;

	p->answered += count;
	if (p->answered > p->sent)
		load_fail("%s answered more than was published", r->protocol->name);
}

static void
delivered(void *self, struct rival *r, struct span body)
{
	struct work_reader *reader = self;
	struct work *w = reader->work;
	uint32_t publisher, number;

	if (!rival_body_is(body, w->bytes, &publisher, &number) || publisher >= w->publisher_count || number >= w->publishers[publisher].sent)
		load_fail("%s delivered to %s what nobody published", r->protocol->name, r->name);
	if (w->returned && number < reader->next[publisher]) {
		w->delivered_again++;
		return;
	}
	if (number != reader->next[publisher])
		load_fail("%s delivered to %s something else than what came next", r->protocol->name, r->name);
	if (w->late_ns != NULL)
		w->late_ns[number] = load_ns() - w->due_ns[number];
	reader->next[publisher]++;
	w->publishers[publisher].deliveries++;
}

/* ---- opening and closing ---- */

void
work_await(struct work *w, const bool *what)
{
	uint64_t deadline = load_ns() + OPEN_NS;

	while (!*what)
		rival_net_turn(w->net, deadline, deadline);
}

static struct rival *
begin_one(struct work *w, enum rival_role role, const char *run, const char *letter, uint32_t i, struct rival_handler on)
{
	char name[RIVAL_NAME_MAX];

	(void)snprintf(name, sizeof name, "%s%u", letter, i);
	return rival_net_open(w->net, w->target->protocol, w->target->port, role, run, name, on);
}

struct rival *
work_open_one(struct work *w, enum rival_role role, const char *run, const char *letter, uint32_t i, struct rival_handler on)
{
	struct rival *r = begin_one(w, role, run, letter, i, on);

	work_await(w, &r->ready);
	return r;
}

static void
await_readers(struct work *w, uint32_t from)
{
	for (uint32_t i = from; i < w->reader_count; i++)
		work_await(w, &w->readers[i].r->ready);
}

static void
open_readers(struct work *w, const char *run)
{
	for (uint32_t i = 0; i < w->reader_count; i++) {
		struct work_reader *r = &w->readers[i];

		r->work = w;
		r->next = load_memory(w->publisher_count, sizeof *r->next);
		r->r = begin_one(w, RIVAL_READER, run, "r", i, (struct rival_handler){.self = r, .delivered = delivered});
		if (i >= WORK_AT_ONCE)
			work_await(w, &w->readers[i - WORK_AT_ONCE].r->ready);
	}
	await_readers(w, 0);
}

void
work_open(struct work *w, struct rival_net *net, const struct rival_target *t, const struct rival_wishes *wish, uint32_t publishers, uint32_t readers)
{
	char run[RIVAL_NAME_MAX];

	*w = (struct work){.net = net, .target = t, .bytes = wish->bytes, .publisher_count = publishers, .reader_count = readers, .apart = wish->apart};
	(void)snprintf(run, sizeof run, "kw%d-%llu", (int)getpid(), (unsigned long long)(load_ns() / 1000u));
	w->body = load_memory(1, wish->bytes);
	w->publishers = load_memory(publishers, sizeof *w->publishers);
	w->readers = load_memory(readers, sizeof *w->readers);
	for (uint32_t i = 0; i < publishers; i++) {
		struct work_publisher *p = &w->publishers[i];

		p->work = w;
		p->r = work_open_one(w, i == 0 ? RIVAL_OWNER : RIVAL_PUBLISHER, run, "p", i, (struct rival_handler){.self = p, .answered = answered});
	}
	open_readers(w, run);
}

static void
remove_one(struct work *w, struct rival *r)
{
	r->protocol->remove(r);
	rival_net_send(w->net, r);
}

static void
close_one(struct work *w, struct rival **r)
{
	work_await(w, &(*r)->removed);
	rival_net_close(w->net, r);
}

/* The owner's stream at last: others' queues hang on it. */
void
work_close(struct work *w)
{
	for (uint32_t i = 0; i < w->reader_count; i++)
		remove_one(w, w->readers[i].r);
	for (uint32_t i = 0; i < w->reader_count; i++) {
		close_one(w, &w->readers[i].r);
		free(w->readers[i].next);
	}
	for (uint32_t i = w->publisher_count; i-- > 0;) {
		remove_one(w, w->publishers[i].r);
		close_one(w, &w->publishers[i].r);
	}
	free(w->publishers);
	free(w->readers);
	free(w->body);
}

void
work_leave(struct work *w)
{
	for (uint32_t i = 0; i < w->publisher_count; i++)
		rival_net_leave(w->net, w->publishers[i].r);
	for (uint32_t i = 0; i < w->reader_count; i++)
		rival_net_leave(w->net, w->readers[i].r);
}

void
work_return_publishers(struct work *w)
{
	for (uint32_t i = 0; i < w->publisher_count; i++) {
		rival_net_return(w->net, w->publishers[i].r, w->target->port);
		work_await(w, &w->publishers[i].r->ready);
	}
}

void
work_return_readers(struct work *w)
{
	w->returned = true;
	for (uint32_t i = 0; i < w->reader_count; i++) {
		rival_net_return(w->net, w->readers[i].r, w->target->port);
		if (i >= WORK_AT_ONCE)
			work_await(w, &w->readers[i - WORK_AT_ONCE].r->ready);
	}
	await_readers(w, 0);
}

/* ---- publishing ---- */

void
work_publish(struct work_publisher *p)
{
	struct work *w = p->work;

	rival_body_put(w->body, w->bytes, (uint32_t)(p - w->publishers), p->sent++);
	p->r->protocol->publish(p->r, span_of(w->body, w->bytes));
	if (w->apart)
		rival_net_send(w->net, p->r);
}

uint32_t
work_sent(const struct work *w)
{
	uint32_t all = 0;

	for (uint32_t i = 0; i < w->publisher_count; i++)
		all += w->publishers[i].sent;
	return all;
}

/* What is not in flight any more: answered, and delivered to all. */
static uint32_t
over(const struct work_publisher *p)
{
	uint32_t all = (uint32_t)(p->deliveries / p->work->reader_count);

	return p->answered < all ? p->answered : all;
}

bool
work_over(const struct work *w)
{
	for (uint32_t i = 0; i < w->publisher_count; i++) {
		const struct work_publisher *p = &w->publishers[i];

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

static void
publish_up_to(struct work_publisher *p, uint32_t limit)
{
	if (p->sent == p->end || p->sent >= limit)
		return;
	while (p->sent < p->end && p->sent < limit)
		work_publish(p);
	rival_net_send(p->work->net, p->r);
}

double
work_go(struct work *w, uint32_t messages, uint32_t flight, uint32_t seconds)
{
	uint64_t from = load_ns(), deadline = from + WORK_ROUND_NS, stop = seconds > 0 ? from + seconds * 1000000000ull : deadline;
	uint32_t each = flight > w->publisher_count ? flight / w->publisher_count : 1;

	for (uint32_t i = 0; i < w->publisher_count; i++)
		w->publishers[i].end += messages / w->publisher_count + (i < messages % w->publisher_count);
	while (!work_over(w)) {
		for (uint32_t i = 0; i < w->publisher_count; i++)
			publish_up_to(&w->publishers[i], over(&w->publishers[i]) + each);
		rival_net_turn(w->net, stop, deadline);
		if (load_ns() >= stop) {
			stop_sending(w);
			stop = deadline;
		}
	}
	return (double)(load_ns() - from) / 1e9;
}

void
work_fill(struct work *w, uint32_t messages, uint32_t flight)
{
	struct work_publisher *p = &w->publishers[0];
	uint64_t deadline = load_ns() + WORK_FILL_NS;

	for (p->end += messages; p->answered < p->end; rival_net_turn(w->net, deadline, deadline))
		publish_up_to(p, p->answered + flight);
}
