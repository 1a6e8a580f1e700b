/* sim: the events, in the order of their times. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "clocks.h"
#include "faults.h"
#include "house.h"
#include "liar.h"
#include "lines.h"
#include "oracle.h"
#include "case_books.h"
#include "operators.h"
#include "people.h"
#include "posts.h"
#include "suspensions.h"
#include "tests/simulation/sim_vfs.h"
#include "trace.h"

#define STEP_MS 900u          /* from one burst to the next, about */
#define BURST 6u              /* steps in one, about */
#define FIRST_STEP_MS 2000u
#define DRAIN_MS 600000u      /* when the faults stopped, all is settled within this */
#define LOOK_MS 1000u
#define SPIN 100000u

/* ---- the heap of events ---- */

static bool
before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
swap(struct event *a, struct event *b)
{
	struct event t = *a;

	*a = *b;
	*b = t;
}

void
sim_at(struct sim *s, uint64_t at, enum event_kind kind, uint32_t a, uint64_t b)
{
	uint32_t i = s->event_count++;

	if (s->event_count > s->event_room) {
		s->event_room = s->event_room * 2 + 256;
		s->events = realloc(s->events, s->event_room * sizeof *s->events);
		MUST(s->events != NULL);
	}
	s->events[i] = (struct event){at, s->orders++, kind, a, b};
	for (; i > 0 && before(&s->events[i], &s->events[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&s->events[i], &s->events[(i - 1) / 2]);
}

static struct event
next_event(struct sim *s)
{
	struct event e = s->events[0];
	uint32_t i = 0;

	s->events[0] = s->events[--s->event_count];
	for (;;) {
		uint32_t least = i, l = 2 * i + 1;

		if (l < s->event_count && before(&s->events[l], &s->events[least]))
			least = l;
		if (l + 1 < s->event_count && before(&s->events[l + 1], &s->events[least]))
			least = l + 1;
		if (least == i)
			return e;
		swap(&s->events[i], &s->events[least]);
		i = least;
	}
}

/* ---- what others ask of the driver ---- */

void sim_wake_broker(struct sim *s, uint64_t at) { if (house_is_up(s->house)) house_wake(s->house, at); }

void
sim_wake_node(struct sim *s, int who, uint64_t at)
{
	struct post *p = &s->posts[who];

	if (who >= WHO_NODES || p->node == NULL || at >= p->turn_at)
		return;
	p->turn_at = at;
	sim_at(s, at, EVENT_NODE_TURN, (uint32_t)who, at);
}

const struct policy *sim_policy(const struct sim *s) { return &s->papers[s->paper_count - 1].policy; }

const struct policy *
sim_policy_of(const struct sim *s, uint32_t version)
{
	return version >= 1 && version <= s->paper_count ? &s->papers[version - 1].policy : NULL;
}

bool
sim_stayed(const struct sim *s, int who, uint32_t since)
{
	for (uint32_t v = since; v <= s->paper_count; v++)
		if ((sim_policy_of(s, v)->members & (1u << who)) == 0)
			return false;
	return true;
}

bool
sim_was_taken_out(const struct sim *s, int who)
{
	for (uint32_t v = 1; v < s->paper_count; v++)
		if ((sim_policy_of(s, v)->members & (1u << who)) != 0 && !sim_stayed(s, who, v))
			return true;
	return false;
}

void
sim_broken(struct sim *s, const char *fmt, ...)
{
	va_list args;

	if (s->broken)
		return;
	s->broken = true;
	va_start(args, fmt);
	(void)vsnprintf(s->what, sizeof s->what, fmt, args);
	va_end(args);
	trace("BROKEN: %s", s->what);
}

static void watch_up(void *self, int who, struct span c, struct span f) { oracle_up(((struct sim *)self)->oracle, who, c, f); }

static void
watch_arrived(void *self, int who, const void *line, struct span c, struct span f)
{
	oracle_arrived(((struct sim *)self)->oracle, who, line, c, f);
}

static void
watch_down(void *self, int who, const void *line, struct span c, struct span f)
{
	oracle_down(((struct sim *)self)->oracle, who, line, c, f);
}

static void
watch_log(void *self, const struct store_batch *b)
{
	struct sim *s = self;

	for (uint32_t i = 0; i < b->count; i++)
		if (b->ops[i].kind == OP_APPEND && b->ops[i].result == APPEND_STORED && b->ops[i].append.entry)
			suspensions_logged(s->suspensions, &b->ops[i]);
	books_logged(s->books, b);
	oracle_logged(s->oracle, b);
}

static void wake_broker(void *self, uint64_t at) { sim_wake_broker(self, at); }
static void wake_node(void *self, int who, uint64_t at) { sim_wake_node(self, who, at); }

/* ---- a run ---- */

static void
take_event(struct sim *s, const struct event *e)
{
	int who = (int)e->a;

	switch (e->kind) {
	case EVENT_STEP:
		people_act(s, e->a);
		break;
	case EVENT_FAULT:
		faults_begin(s, e->a);
		break;
	case EVENT_FAULT_OVER:
		faults_over(s, e->a);
		break;
	case EVENT_BROKER_TURN:
		if (house_planned(s->house, e->b))
			house_turn(s->house);
		break;
	case EVENT_NODE_TURN:
		if (s->posts[who].turn_at != e->b)
			break; /* another one was planned before it */
		s->posts[who].turn_at = UINT64_MAX;
		post_turn(s, who);
		break;
	case EVENT_SYNC:
		clocks_run_as(WHO_BROKER);
		house_sync(s->house, e->b);
		break;
	case EVENT_ANSWER:
		house_answer(s->house, e->b);
		break;
	case EVENT_BROKER_START:
		house_start(s->house);
		break;
	case EVENT_NODE_START:
		post_start(s, who);
		break;
	case EVENT_OPERATOR:
		house_new_epoch(s->house);
		house_install(s->house);
		break;
	case EVENT_LIAR:
		liar_turn(s->liar);
		break;
	case EVENT_WISH:
		operators_again(s, e->a, e->b);
		break;
	case EVENT_LET_IN:
		operators_let_in(s);
		break;
	}
}

void
sim_run_until(struct sim *s, uint64_t end)
{
	while (!s->broken && s->event_count > 0 && s->events[0].at <= end) {
		struct event e = next_event(s);

		s->at_once = e.at <= clocks_true() ? s->at_once + 1 : 0;
		if (s->at_once > SPIN)
			sim_broken(s, "%u events within one millisecond: something goes round in a circle", SPIN);
		clocks_turn_to(e.at);
		take_event(s, &e);
	}
	clocks_turn_to(end);
}

static uint64_t
plan_steps(struct sim *s)
{
	struct dice d = dice_of(s->options.seed, 5000);
	uint64_t at = FIRST_STEP_MS;
	uint32_t begun = 0;

	s->bursts = calloc(s->options.steps + 2, sizeof *s->bursts);
	MUST(s->bursts != NULL);
	for (uint32_t i = 0; i < s->options.steps; i++) {
		if (dice_below(&d, BURST) != 0) {
			at += dice_below(&d, 12);
		} else {
			s->burst_count += i - begun >= BURST;
			s->bursts[s->burst_count] = at += dice_between(&d, 1, 2 * STEP_MS);
			begun = i;
		}
		if (s->options.steps_left_out[i] == 0)
			sim_at(s, at, EVENT_STEP, i, 0);
	}
	return at;
}

static bool
settled(struct sim *s, char what[512])
{
	if (s->epoch_due) {
		(void)snprintf(what, 512, "the new log epoch does not begin");
		return false;
	}
	if (!oracle_settled(s->oracle, what) || !books_settled(s->books, what) || !suspensions_settled(s->suspensions, what))
		return false;
	if (!house_quiet(s->house)) {
		(void)snprintf(what, 512, "the broker is not at rest");
		return false;
	}
	return true;
}

void
sim_drain(struct sim *s)
{
	uint64_t begun = clocks_true();
	char what[512];

	faults_end(s);
	books_calm(s->books);
	while (!s->broken && !settled(s, what)) {
		if (clocks_true() - begun >= DRAIN_MS) {
			sim_broken(s, "%u s after the last fault: %s", DRAIN_MS / 1000, what);
			return;
		}
		sim_run_until(s, clocks_true() + LOOK_MS);
		books_go_on(s->books);
	}
	s->counts.drain_ms = clocks_true() - begun;
}

static uint64_t
sector_dice(void *self, uint64_t n)
{
	return dice_u64(self) % n;
}

void
sim_begin(struct sim *s)
{
	struct lines_watch watch = {s, watch_up, watch_arrived, watch_down, wake_broker, wake_node};

	clocks_begin();
	trace_names(papers_name);
	chance_seed(s->options.seed);
	s->net = dice_of(s->options.seed, 6000);
	s->lives = dice_of(s->options.seed, 7000);
	lines_begin(s->options.seed, &watch);
	s->sectors = dice_of(s->options.seed, 8000);
	s->disk = sim_disk_new((struct sim_dice){sector_dice, &s->sectors});
	s->vfs = sim_vfs_new(s->disk, (struct sim_dice){sector_dice, &s->sectors});
	s->oracle = oracle_new(s);
	s->books = books_new(s);
	s->suspensions = suspensions_new(s);
	s->liar = liar_new(s);
	if ((s->options.faults & (1u << FAULT_LIAR)) != 0)
		sim_at(s, FIRST_STEP_MS, EVENT_LIAR, 0, 0);
	clocks_run_as(WHO_DRIVER);
	papers_write(&s->papers[s->paper_count++], NULL, &policy_first);
	s->house = house_new(s);
	vault_watch(house_vault(s->house), watch_log, s);
	house_start(s->house);
	for (int who = 0; who < WHO_NODES; who++)
		if ((policy_first.members & (1u << who)) != 0) {
			post_begin(s, who, &s->papers[0]);
			post_start(s, who);
		}
}

void
sim_end(struct sim_result *out, struct sim *s)
{
	s->counts.pretend_ms = clocks_true();
	*out = (struct sim_result){.failed = s->broken, .planned_faults = s->plan_count, .counts = s->counts};
	(void)snprintf(out->what, sizeof out->what, "%s", s->what);
	for (int who = 0; who < WHO_NODES; who++)
		if (s->posts[who].member)
			post_end(s, who);
	sim_vfs_free(&s->vfs);
	sim_disk_free(&s->disk);
	house_free(&s->house);
	lines_end();
	oracle_free(&s->oracle);
	books_free(&s->books);
	suspensions_free(&s->suspensions);
	liar_free(&s->liar);
	s->paper_count += s->has_next;
	while (s->paper_count > 0)
		papers_free(&s->papers[--s->paper_count]);
	free(s->plan);
	free(s->bursts);
	free(s->events);
}

void
sim_run(struct sim_result *out, const struct sim_options *o)
{
	struct sim s = {.options = *o};
	uint64_t end;

	sim_begin(&s);
	end = plan_steps(&s);
	faults_plan(&s, end);
	sim_run_until(&s, end + 1);
	sim_drain(&s);
	sim_end(out, &s);
}
