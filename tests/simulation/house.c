/* house: the broker in the bottle; and broker/store/commit_thread.h without a thread. */
#include "house.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/net/case_entries.h"
#include "broker/net/loading.h"
#include "broker/net/relay.h"
#include "broker/net/suspending.h"
#include "case_books.h"
#include "clocks.h"
#include "lines.h"
#include "oracle.h"
#include "posts.h"
#include "trace.h"

#define MESSAGES_A_TURN 512u
#define DELIVERIES_A_TURN 1024u
#define CONNS_MAX 32u

struct house {
	struct sim *sim;
	struct vault *disk;
	struct core *core;
	struct agreement_chain *chain;
	struct commit_thread *commits;
	struct zap *zap;
	struct relay *relay;
	struct gate *gate;
	uint64_t life;               /* counts the starts */
	uint64_t turn_at;
	uint64_t slow_until;         /* its disk is */
	bool up, installing, installing_first, narrow;
};

/* ---- commits ---- */

enum stage { STAGE_IDLE, STAGE_GIVEN, STAGE_SYNCED, STAGE_ANSWERED };

struct commit_thread { struct store *store; enum stage stage; struct committed answer; };

static struct house *running; /* commit_thread.h has no place for it */

enum kw_err
commit_thread_start(struct commit_thread **out, struct store *s)
{
	struct commit_thread *t = calloc(1, sizeof *t);

	MUST(t != NULL);
	t->store = s;
	*out = t;
	return KW_OK;
}

void
commit_thread_stop(struct commit_thread **t)
{
	free(*t);
	*t = NULL;
}

void commit_thread_finish(struct commit_thread *t) { (void)t; }
int commit_thread_fd(const struct commit_thread *t) { (void)t; return -1; }

static uint64_t
disk_takes_ms(struct house *h)
{
	uint64_t now = clocks_true();

	if (now < h->slow_until)
		return h->slow_until - now;
	return dice_permille(&h->sim->net, 30) ? dice_between(&h->sim->net, 50, 400) : dice_between(&h->sim->net, 1, 15);
}

bool
commit_thread_give(struct commit_thread *t, struct store_batch *batch)
{
	struct house *h = running;

	if (t->stage != STAGE_IDLE)
		return false;
	t->stage = STAGE_GIVEN;
	t->answer = (struct committed){.batch = batch};
	if (!h->installing_first)
		sim_at(h->sim, clocks_true() + disk_takes_ms(h), EVENT_SYNC, 0, h->life);
	return true;
}

/* The disk takes its time here, and the loop does not wait for it. */
bool
commit_thread_carry(struct commit_thread *t, struct store_batch *batch)
{
	(void)t;
	(void)batch;
	return false;
}

bool
commit_thread_take(struct commit_thread *t, struct committed *out)
{
	if (t->stage != STAGE_ANSWERED)
		return false;
	*out = t->answer;
	t->stage = STAGE_IDLE;
	return true;
}

static void
write_down(struct house *h)
{
	struct commit_thread *t = h->commits;

	t->answer.err = t->store->ops->commit(t->store, t->answer.batch, &t->answer.why);
	t->stage = STAGE_SYNCED;
	h->sim->counts.commits += t->answer.err == KW_OK && t->answer.batch->has_commit;
	trace("disk: %u operations, %u entries%s%s", t->answer.batch->count, t->answer.batch->has_commit ? t->answer.batch->leaf_count : 0,
	      t->answer.err != KW_OK ? ": " : "", t->answer.err != KW_OK ? t->answer.why.text : "");
}

void
house_sync(struct house *h, uint64_t life)
{
	if (!h->up || life != h->life)
		return;
	write_down(h);
	sim_at(h->sim, clocks_true() + dice_below(&h->sim->net, 3), EVENT_ANSWER, 0, life);
}

void
house_answer(struct house *h, uint64_t life)
{
	if (!h->up || life != h->life)
		return;
	h->commits->stage = STAGE_ANSWERED;
	house_wake(h, clocks_true());
}

/* ---- start and end ---- */

static void
sign_commit(void *self, const struct commit *c, uint8_t out[WIRE_COMMIT_LEN])
{
	(void)self;
	commit_encode(out, c, secret_keys_sign(papers_keys(WHO_BROKER)));
}

struct house *
house_new(struct sim *s)
{
	struct house *h = calloc(1, sizeof *h);

	MUST(h != NULL);
	h->sim = s;
	h->turn_at = UINT64_MAX;
	h->disk = vault_new((struct store_signer){NULL, sign_commit});
	return h;
}

static void
take_apart(struct house *h)
{
	gate_close(&h->gate);
	if (h->commits != NULL)
		commit_thread_stop(&h->commits);
	relay_free(&h->relay);
	zap_stop(&h->zap);
	core_free(&h->core);
	agreement_chain_free(&h->chain);
	h->up = h->installing = false;
	h->turn_at = UINT64_MAX;
}

void
house_free(struct house **h)
{
	if (*h == NULL)
		return;
	take_apart(*h);
	vault_free(&(*h)->disk);
	free(*h);
	*h = NULL;
}

bool house_is_up(const struct house *h) { return h->up; }
bool house_hears_of_commit(const struct house *h) { return h->commits != NULL && (h->commits->stage == STAGE_SYNCED || h->commits->stage == STAGE_ANSWERED); }
struct vault *house_vault(struct house *h) { return h->disk; }
void house_is_slow(struct house *h, uint64_t until) { h->slow_until = until; }
bool house_is_lost(const struct house *h) { return h->relay == NULL || relay_lost(h->relay); }
bool house_is_narrow(const struct house *h) { return h->narrow; }
bool house_quiet(const struct house *h) { return h->up && relay_idle(h->relay); }

/* What the broker has in force is what counts, however it came to it. */
static void
look_at_version(struct house *h)
{
	struct sim *s = h->sim;

	if (!s->has_next || agreement_version(agreement_chain_newest(h->chain)) < s->papers[s->paper_count].version)
		return;
	s->has_next = false;
	s->paper_count++;
	s->counts.agreements++;
	s->agreed_batches = vault_batches(h->disk);
	trace("version %u is in force", s->paper_count);
	posts_agreement(s);
}

static void
installed(void *self, enum kw_err err, const char *sentence)
{
	struct house *h = self;

	h->installing = false;
	if (err != KW_OK)
		trace("agreement not installed: %s", sentence);
	else
		look_at_version(h);
}

void
house_install(struct house *h)
{
	const struct paper *p = &h->sim->papers[h->sim->paper_count];

	if (!h->up || h->installing || !h->sim->has_next)
		return;
	clocks_run_as(WHO_BROKER);
	h->installing = true;
	relay_install(h->relay, buf_span(&p->text), buf_span(&p->sigs), (struct relay_done){h, installed});
	house_wake(h, clocks_true());
}

static void
suspension_stands(void *self, enum kw_err err, const char *sentence)
{
	(void)sentence;
	suspensions_answered(((struct house *)self)->sim->suspensions, err);
}

enum kw_err
house_suspend(struct house *h, const struct suspensions_wish *w)
{
	struct suspending_ask ask = {.for_ms = w->for_ms};
	struct kw_why why;
	enum kw_err err;

	if (!h->up)
		return KW_EAGAIN;
	clocks_run_as(WHO_BROKER);
	(void)snprintf(ask.node, sizeof ask.node, "%s", papers_name(w->who));
	if (w->act == SUSPENSION_BEGUN)
		(void)snprintf(ask.reason, sizeof ask.reason, "an operator of the simulation says so");
	err = relay_suspend(h->relay, w->act, &ask, "control", (struct relay_done){h, suspension_stands}, &why);
	suspensions_asked(h->sim->suspensions, w, h->installing, err, &why);
	house_wake(h, clocks_true());
	return err;
}

uint32_t
house_version(const struct house *h)
{
	return h->up && core_agreement(h->core) != NULL ? agreement_version(core_agreement(h->core)) : 0;
}

#define OPERATOR_MS 2000u

static void
epoch_begun(void *self, enum kw_err err, const char *sentence)
{
	struct house *h = self;

	trace("new log epoch%s%s", err != KW_OK ? " does not begin: " : "", sentence);
	h->sim->epoch_due = h->sim->epoch_due && err != KW_OK;
}

void
house_back_to(struct house *h, uint64_t batches)
{
	MUST(!h->up);
	trace("a copy of the store comes back: %llu batches of %llu", (unsigned long long)batches, (unsigned long long)vault_batches(h->disk));
	h->sim->epoch_due = h->sim->restored = true;
	books_restored(h->sim->books, false);
	suspensions_restored(h->sim->suspensions);
	oracle_restoring(h->sim->oracle);
	vault_back_to(h->disk, batches);
	books_restored(h->sim->books, true);
	oracle_restored(h->sim->oracle);
}

void
house_new_epoch(struct house *h)
{
	if (!h->sim->epoch_due)
		return;
	clocks_run_as(WHO_BROKER);
	if (h->up && !h->installing) {
		relay_new_epoch(h->relay, (struct relay_done){h, epoch_begun});
		house_wake(h, clocks_true());
	}
	sim_at(h->sim, clocks_true() + OPERATOR_MS, EVENT_OPERATOR, 0, 0);
}

/* A stop at the first start is none of the faults: the operator is still there. */
static void
install_first(struct house *h)
{
	const struct paper *p = &h->sim->papers[0];

	h->installing = h->installing_first = true;
	relay_install(h->relay, buf_span(&p->text), buf_span(&p->sigs), (struct relay_done){h, installed});
	for (int i = 0; i < 10 && h->installing; i++) {
		(void)relay_carry(h->relay, 0);
		if (h->commits->stage == STAGE_GIVEN) {
			write_down(h);
			h->commits->stage = STAGE_ANSWERED;
		}
	}
	MUST(!h->installing && h->commits->stage == STAGE_IDLE);
	h->installing_first = false;
}

static void
open_gate(struct house *h)
{
	struct gate_config config = {.conns_max = CONNS_MAX};
	struct kw_why why;

	for (int lane = 0; lane < KW_LANES; lane++)
		config.send_hwm += (int)(2 * core_limits_default.deliver[lane].messages);
	MUST(gate_open(&h->gate, &config, &why) == KW_OK);
	relay_open_gate(h->relay, h->gate);
}

/* Every other seed has a broker of little windows, queues and pages: what a busy house meets in a year then happens in a minute. */
static void
narrow(struct core_limits *l, uint64_t seed)
{
	struct dice d = dice_of(seed, 8000);

	if (dice_permille(&d, 500))
		return;
	for (int lane = 0; lane < KW_LANES; lane++) {
		l->publish[lane].messages = dice_between(&d, 2, 12);
		l->deliver[lane].messages = dice_between(&d, 1, 12);
	}
	l->queue_messages = dice_between(&d, 1, 8);
	l->page_entries = dice_between(&d, 1, 6);
	l->batch_appends = dice_between(&d, 3, 15);
}

void
house_start(struct house *h)
{
	struct core_limits limits = core_limits_default;
	struct loading into;
	struct store_load load;
	struct relay_parts parts;
	struct kw_why why = {{0}};
	bool fresh = vault_is_new(h->disk);

	if (h->up)
		return;
	clocks_run_as(WHO_BROKER);
	running = h;
	h->life++;
	h->sim->counts.broker_starts++;
	limits.conns_max = CONNS_MAX;
	narrow(&limits, h->sim->options.seed);
	h->narrow = limits.deliver[LANE_FLASH].messages < core_limits_default.deliver[LANE_FLASH].messages;
	MUST(core_new(&h->core, &limits) == KW_OK && agreement_chain_new(&h->chain) == KW_OK);
	into = (struct loading){h->core, h->chain, NULL};
	load = loading_begin(&into);
	if (vault_tell(h->disk, &load, &why) != KW_OK) {
		sim_broken(h->sim, "the broker does not start on what it committed: %s", why.text);
		return;
	}
	MUST(core_start(h->core, agreement_chain_newest(h->chain), relay_now()) == KW_OK);
	suspensions_broker_started(h->sim->suspensions);
	MUST(zap_start(&h->zap, NULL, &why) == KW_OK && commit_thread_start(&h->commits, vault_store(h->disk)) == KW_OK);
	parts = (struct relay_parts){h->core, NULL, h->zap, vault_store(h->disk), h->commits, h->chain, papers_keys(WHO_BROKER), NULL};
	MUST(relay_new(&h->relay, &parts) == KW_OK);
	if (case_entries_replay(relay_parts_of(h->relay), &why) != KW_OK) {
		sim_broken(h->sim, "the broker does not read its own log again: %s", why.text);
		return;
	}
	if (fresh)
		install_first(h);
	zap_agreement(h->zap, agreement_chain_newest(h->chain));
	open_gate(h);
	h->up = true;
	look_at_version(h);
	trace("broker up, version %u", agreement_version(agreement_chain_newest(h->chain)));
	house_wake(h, clocks_true());
	if (h->sim->has_next) /* while all that waited for the broker comes at once */
		sim_at(h->sim, clocks_true() + dice_between(&h->sim->lives, 10, 400), EVENT_OPERATOR, 0, 0);
	house_new_epoch(h); /* before it serves somebody who knows no better: what it wrote then, others would take for what they have */
}

void
house_crash(struct house *h, bool rude)
{
	if (!h->up)
		return;
	clocks_run_as(WHO_BROKER);
	if (h->commits->stage == STAGE_GIVEN && dice_permille(&h->sim->lives, 500))
		write_down(h);
	trace("broker falls over%s, a batch is %s", rude ? " with its machine" : "",
	      h->commits->stage == STAGE_GIVEN ? "lost" : h->commits->stage == STAGE_SYNCED ? "on disk and not answered" : "nowhere");
	lines_broker_gone(rude);
	suspensions_broker_gone(h->sim->suspensions);
	take_apart(h);
}

/* ---- turns ---- */

void
house_wake(struct house *h, uint64_t at)
{
	if (at >= h->turn_at)
		return;
	h->turn_at = at;
	sim_at(h->sim, at, EVENT_BROKER_TURN, 0, at);
}

bool
house_planned(struct house *h, uint64_t at)
{
	if (h->turn_at != at)
		return false; /* another one was planned before it */
	h->turn_at = UINT64_MAX;
	return true;
}

static void
plan_next(struct house *h, bool more)
{
	long wait = more ? 0 : relay_wait_ms(h->relay);
	uint64_t now = clocks_true(), at = now;

	if (wait > 0)
		at = clocks_true_at_mono(WHO_BROKER, relay_now().mono_ms + (uint64_t)wait);
	if (wait >= 0)
		house_wake(h, more || at > now ? at : now + 1);
	if (lines_due_up() != UINT64_MAX)
		house_wake(h, lines_due_up() > now ? lines_due_up() : now);
}

/* A second old copy may have the very epoch that was begun behind the first. */
static void
look_at_service(struct house *h)
{
	enum service at = core_service(relay_parts_of(h->relay)->core);

	if (!h->sim->restored || h->sim->epoch_due || (at != SERVICE_BEHIND && at != SERVICE_FORK))
		return;
	trace("the operator sees that the broker serves nobody");
	h->sim->epoch_due = true;
	sim_at(h->sim, clocks_true() + OPERATOR_MS, EVENT_OPERATOR, 0, 0);
}

void
house_turn(struct house *h)
{
	bool more;

	if (!h->up)
		return;
	clocks_run_as(WHO_BROKER);
	h->sim->counts.turns++;
	oracle_broker_turn(h->sim->oracle);
	more = relay_receive(h->relay, MESSAGES_A_TURN);
	more = relay_carry(h->relay, DELIVERIES_A_TURN) || more;
	if (relay_lost(h->relay)) { /* exit code 74: started again */
		trace("the store is lost");
		house_crash(h, false);
		sim_at(h->sim, clocks_true() + dice_between(&h->sim->lives, 200, 3000), EVENT_BROKER_START, 0, 0);
		return;
	}
	look_at_service(h);
	plan_next(h, more);
}
