/* suspensions: wishes, entries, and what is left of each. */
#include "suspensions.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "broker/core/core.h"
#include "clients/partner/desk.h"
#include "clocks.h"
#include "house.h"
#include "trace.h"

#define BIT(who) (1u << (who))
#define MOST_MS (72ull * 3600 * 1000) /* [O-10] */
#define LEAST_MS 1000u
#define LATE_MS 1000u                 /* so long behind its end it may still be said */

struct kept { /* of a node, by the newest entry about it */
	bool known;
	enum suspension_act act;
	uint64_t from_ms, until_ms;   /* as it says */
	uint64_t before_ms;           /* how long those were that count together with it */
	bool holds;
	uint64_t over_ms;             /* by the clock that nobody sets: when it ends, or ended */
	uint32_t told;                /* under which version of the agreement it was stated last */
};

struct wish { bool on_way, stands; struct suspensions_wish ask; struct kept next; };

struct suspensions {
	struct sim *sim;
	struct kept of[WHO_NODES + 1];
	struct wish wish;             /* one at a time */
	uint64_t again_in;            /* which commit, of all, stated one again last; 0: none yet */
	bool restored;                /* how long somebody was kept out is not all in the log any more */
};

struct suspensions *
suspensions_new(struct sim *s)
{
	struct suspensions *x = calloc(1, sizeof *x);

	MUST(x != NULL);
	x->sim = s;
	return x;
}

void
suspensions_free(struct suspensions **x)
{
	free(*x);
	*x = NULL;
}

struct now { uint64_t wall, mono; };

static struct now
brokers_now(void)
{
	int who = clocks_running();
	struct now now;

	clocks_run_as(WHO_BROKER);
	now = (struct now){clock_wall_ms(), clock_mono_ms()};
	clocks_run_as(who);
	return now;
}

static bool
holds(const struct kept *k, uint64_t mono_ms)
{
	return k->holds && mono_ms < k->over_ms;
}

bool
suspensions_keeps_out(const struct suspensions *x, int who)
{
	if (who > WHO_NODES)
		return false;
	return (x->wish.on_way && x->wish.ask.who == who && x->wish.ask.act == SUSPENSION_BEGUN) || holds(&x->of[who], brokers_now().mono);
}

uint32_t
suspensions_held(const struct suspensions *x)
{
	uint32_t held = 0;

	for (int who = 0; who <= WHO_NODES; who++)
		held |= suspensions_keeps_out(x, who) ? BIT(who) : 0;
	return held;
}

/* ---- wishes ---- */

/* [O-10] How long those were that count together with one that begins now. */
static uint64_t
counted(const struct kept *k, struct now now)
{
	if (!k->known || holds(k, now.mono))
		return k->before_ms;
	if (now.wall > k->until_ms && now.wall - k->until_ms >= MOST_MS)
		return 0;
	return k->before_ms + (k->until_ms - k->from_ms);
}

/* What is to come of it: KW_OK with *next, or why not. */
static enum kw_err
judge(struct kept *next, const struct suspensions *x, const struct suspensions_wish *w, bool busy, struct now now)
{
	const struct kept *k = &x->of[w->who];
	bool out = holds(k, now.mono);

	*next = (struct kept){.known = true, .act = w->act, .before_ms = counted(k, now), .over_ms = now.mono + w->for_ms};
	next->from_ms = out && k->from_ms <= now.wall ? k->from_ms : now.wall;
	next->until_ms = now.wall + w->for_ms;
	if (busy || x->wish.on_way)
		return KW_EAGAIN;
	if ((sim_policy(x->sim)->members & BIT(w->who)) == 0)
		return KW_ENOTFOUND;
	if (w->act == SUSPENSION_LIFTED) {
		next->until_ms = now.wall < next->from_ms + MOST_MS ? now.wall : next->from_ms + MOST_MS;
		return out ? KW_OK : KW_ESTATE;
	}
	if (w->for_ms < LEAST_MS || w->for_ms > MOST_MS)
		return KW_ELIMIT;
	return next->before_ms + (next->until_ms - next->from_ms) <= MOST_MS ? KW_OK : KW_ELIMIT;
}

/*
 * One that holds was stated under an older version than the one in force, so it may be on its way again; or it has just come to the disk, and
 * the broker does not know yet.
 */
static bool
is_stating(const struct suspensions *x)
{
	if (x->again_in != 0 && x->again_in == x->sim->counts.commits && house_hears_of_commit(x->sim->house))
		return true;
	for (int who = 0; who <= WHO_NODES; who++)
		if (x->of[who].known && x->of[who].holds && x->of[who].told < house_version(x->sim->house))
			return true;
	return false;
}

void
suspensions_asked(struct suspensions *x, const struct suspensions_wish *w, bool busy, enum kw_err err, const struct kw_why *why)
{
	struct kept next;
	enum kw_err right = judge(&next, x, w, busy, brokers_now());

	trace("an operator %s %s for %llu ms: %s", w->act == SUSPENSION_BEGUN ? "suspends" : "lets in", papers_name(w->who), (unsigned long long)w->for_ms,
	      err == KW_OK ? "is on its way" : why->text);
	if (err == KW_OK)
		x->wish = (struct wish){.on_way = true, .ask = *w, .next = next};
	if (err == right || x->restored || (err == KW_EAGAIN && is_stating(x)))
		return;
	if (err == KW_OK)
		sim_broken(x->sim, "the broker takes the wish to %s %s for %llu ms, and it may not be: %s", w->act == SUSPENSION_BEGUN ? "suspend" : "let in",
		           papers_name(w->who), (unsigned long long)w->for_ms, kw_err_name(right));
	else
		sim_broken(x->sim, "the broker does not %s %s for %llu ms (%s), and is to answer %s", w->act == SUSPENSION_BEGUN ? "suspend" : "let in", papers_name(w->who),
		           (unsigned long long)w->for_ms, why->text, kw_err_name(right));
}

/* It was told: who was let in may be served from now on. */
void
suspensions_answered(struct suspensions *x, enum kw_err err)
{
	const struct wish *w = &x->wish;

	trace("the wish about %s %s", papers_name(w->ask.who), err == KW_OK ? "stands in the log" : "found no room");
	if (!w->on_way || w->stands != (err == KW_OK))
		sim_broken(x->sim, "the broker tells its operator that the wish about %s %s, and it %s", papers_name(w->ask.who), err == KW_OK ? "stands in the log" : "changed nothing",
		           w->stands ? "stands there" : "does not stand there");
	if (err == KW_OK && w->ask.act == SUSPENSION_LIFTED)
		x->of[w->ask.who].holds = false;
	x->wish.on_way = false;
}

/* ---- the log ---- */

static bool
as_wished(const struct suspensions *x, int who, const struct entry_suspension *e)
{
	const struct wish *w = &x->wish;

	return w->on_way && !w->stands && w->ask.who == who && w->ask.act == e->act && w->next.from_ms == e->from_ms && w->next.until_ms == e->until_ms;
}

/* [O-9] Behind another agreement, word by word and once. */
static bool
is_again(const struct kept *k, const struct entry_suspension *e, uint32_t version)
{
	return k->known && k->holds && e->act == SUSPENSION_BEGUN && k->from_ms == e->from_ms && k->until_ms == e->until_ms && version > k->told;
}

void
suspensions_logged(struct suspensions *x, const struct store_op *op)
{
	const struct entry_suspension *e;
	struct broker_entry b;
	struct kept *k;
	int who;

	MUST(entry_decode(&b, op->append.head, NULL) == KW_OK);
	if (b.kind != ENTRY_SUSPENSION)
		return;
	e = &b.of_suspension;
	who = papers_who(e->node);
	MUST(who >= 0 && who <= WHO_NODES);
	k = &x->of[who];
	if (!house_is_up(x->sim->house)) { /* an old copy tells it again */
		*k = (struct kept){.known = true, .act = e->act, .from_ms = e->from_ms, .until_ms = e->until_ms, .told = b.version};
		return;
	}
	if (!as_wished(x, who, e)) {
		if (is_again(k, e, b.version)) {
			trace("what holds of %s is stated again under version %u", papers_name(who), b.version);
			k->told = b.version;
			x->again_in = x->sim->counts.commits + 1;
		} else {
			sim_broken(x->sim, "the log says of %s what no operator wished", papers_name(who));
		}
		return;
	}
	x->wish.stands = true;
	if (e->act == SUSPENSION_BEGUN) {
		*k = x->wish.next;
		k->holds = true;
		k->told = b.version;
		x->sim->counts.suspended++;
	} else { /* out until that is told */
		x->wish.next.holds = k->holds;
		x->wish.next.over_ms = k->over_ms;
		*k = x->wish.next;
		x->sim->counts.let_in++;
	}
}

void
suspensions_restored(struct suspensions *x)
{
	memset(x->of, 0, sizeof x->of);
	x->restored = true;
}

/* ---- starts ---- */

void suspensions_broker_gone(struct suspensions *x) { x->wish.on_way = false; }

/* [O-12] Between two starts there is the wall clock alone, and never more than there was. */
void
suspensions_broker_started(struct suspensions *x)
{
	struct now now = brokers_now();

	for (int who = 0; who <= WHO_NODES; who++) {
		struct kept *k = &x->of[who];
		uint64_t left = k->until_ms > now.wall ? k->until_ms - now.wall : 0, whole = k->until_ms - k->from_ms;

		k->holds = k->known && k->act == SUSPENSION_BEGUN && left > 0;
		k->over_ms = now.mono + (left < whole ? left : whole);
	}
}

/* ---- what is said ---- */

/* [O-11] */
void
suspensions_hears(struct suspensions *x, int who, const struct wire_msg *m)
{
	bool so = m->kind == WIRE_REFUSED && m->refused.code == CODE_SUSPENDED, on_way = x->wish.on_way && x->wish.ask.who == who;
	uint64_t mono = brokers_now().mono;

	if (who > WHO_NODES)
		return;
	if (!suspensions_keeps_out(x, who)) {
		if (so && (!x->of[who].known || x->of[who].act != SUSPENSION_BEGUN || mono > x->of[who].over_ms + LATE_MS))
			sim_broken(x->sim, "the broker says to %s that it is suspended, and it is not", papers_name(who));
		return;
	}
	if (m->kind != WIRE_REFUSED)
		sim_broken(x->sim, "the broker serves %s, who is suspended, with a message of kind %d", papers_name(who), (int)m->kind);
	else if (!so && who < WHO_NODES && (sim_policy(x->sim)->members & BIT(who)) != 0) /* the liar's rubbish is answered as such; of who left the agreement nobody asks more */
		sim_broken(x->sim, "the broker refuses %s, who is suspended, for another reason: %s, %s", papers_name(who), wire_code_name(m->refused.code), m->refused.text);
	else if (so && !on_way && m->refused.wait_ms != x->of[who].over_ms - mono)
		sim_broken(x->sim, "the broker says to %s that it is suspended for %u ms more, and it is for %llu", papers_name(who), m->refused.wait_ms,
		           (unsigned long long)(x->of[who].over_ms - mono));
}

/* [O-9] As the log says, to who was there all the time. */
static bool
tells_right(const struct suspensions *x, int teller, char what[512])
{
	json_t *status, *one;
	uint32_t told = 0, right = 0;
	uint64_t wall;
	size_t i;

	clocks_run_as(teller);
	wall = clock_wall_ms();
	status = desk_status(x->sim->posts[teller].node);
	MUST(status != NULL);
	json_array_foreach(json_object_get(status, "suspended"), i, one)
		told |= BIT(papers_who(json_string_value(json_object_get(one, "node"))));
	json_decref(status);
	for (int who = 0; who <= WHO_NODES; who++)
		if (x->of[who].known && x->of[who].act == SUSPENSION_BEGUN && x->of[who].until_ms > wall)
			right |= BIT(who);
	if (told != right)
		(void)snprintf(what, 512, "%s tells that %x are suspended, and by the log it is %x", papers_name(teller), told, right);
	return told == right;
}

bool
suspensions_settled(struct suspensions *x, char what[512])
{
	uint32_t out = suspensions_held(x) & sim_policy(x->sim)->members;

	for (int who = 0; who <= WHO_NODES; who++)
		if ((out & BIT(who)) != 0) {
			(void)snprintf(what, 512, "%s is suspended and nobody lets it in", papers_name(who));
			return false;
		}
	for (int who = 0; who < WHO_NODES && !x->restored; who++)
		if (x->sim->posts[who].node != NULL && sim_stayed(x->sim, who, 1) && !tells_right(x, who, what))
			return false;
	return true;
}
