/*
 * test_broker_cases_random: the real core and some nodes that do what comes to their mind about many cases, while it falls over,
 * runs out of room, has its clock set and gets other agreements. Then every case is folded from the log as a node does it:
 * each statement must follow, nothing overdue may be unstated, and the core must know every case as the log has it.
 *
 *   KW_ROUNDS=40     worlds, each from a seed of its own
 *   KW_SEED=n        one world from this seed alone
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cases/case_agreement.h"
#include "cases/case_log.h"
#include "core_world.h"

enum { POLICE, ORDER, NIGHT, OFFICE, FIRE, HALL, NODES };
static const char *const ids[NODES] = {"a/police", "b/order", "c/night", "d/office", "e/fire", "f/hall"};

#define MINUTE 60000u
#define BODY 300u
#define CASES_MAX 24u
#define STEPS 300u
#define VERSIONS 4u

struct ride {
	struct world *w;
	uint64_t random;
	struct agreement *version[VERSIONS + 1]; /* by number */
	uint32_t newest;
	struct header opening[CASES_MAX];        /* of each case that was asked for */
	uint32_t asked;
	bool clock_was_set;
	uint32_t moves, restarts, failures;
};

static uint32_t
draw(struct ride *r, uint32_t below)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return (uint32_t)(r->random >> 33) % below;
}

/* ---- what happens ---- */

/* Its number under the agreement in force; AGREEMENT_NOBODY: it is out. Whoever was silent for long says hello again. */
static uint32_t
present(struct ride *r, uint32_t node)
{
	uint32_t at = agreement_node(core_agreement(r->w->core), ids[node]);
	struct wire_hello h = world_plain_hello();

	if (at == AGREEMENT_NOBODY)
		return at;
	for (int lane = 0; lane < KW_LANES; lane++) /* it has everything */
		h.cursor[lane] = (struct lane_cursor){core_log_epoch(r->w->core), r->w->tail[lane]};
	world_hello_as(r->w, node, at, &h, SEEN_NONE);
	return at;
}

static void
offer(struct ride *r, uint32_t node, const struct header *h, uint32_t body)
{
	world_offer(r->w, node, h, core_agreement(r->w->core)->count - 1, body);
}

static void
asks(struct ride *r)
{
	uint32_t node = draw(r, 3) == 0 ? POLICE : draw(r, NODES), at = present(r, node);
	struct header *h = &r->opening[r->asked];

	if (at == AGREEMENT_NOBODY || r->asked == CASES_MAX)
		return;
	world_header(r->w, h, at);
	h->type = draw(r, 2) == 0 ? TYPE_REQUEST : TYPE_NOTICE;
	h->lane = (enum lane)draw(r, KW_LANES);
	h->take_within_s = draw(r, 3) == 0 ? 20 + draw(r, 100) : 0;
	h->expires_ms = r->w->now.wall_ms + (draw(r, 4) == 0 ? 12 * MINUTE : 86400000);
	offer(r, node, h, BODY);
	r->asked++;
}

static void
moves(struct ride *r)
{
	static const enum notice_type kinds[] = {TYPE_TAKEN, TYPE_TAKEN, TYPE_TAKEN, TYPE_DECLINED, TYPE_DECLINED, TYPE_HANDED_OVER, TYPE_HANDED_OVER,
	                                         TYPE_RETURNED, TYPE_DONE, TYPE_REOPENED, TYPE_RECALL, TYPE_CANCEL};
	uint32_t node = draw(r, NODES), at = r->asked > 0 ? present(r, node) : AGREEMENT_NOBODY;
	const struct header *about;
	struct header h;

	if (at == AGREEMENT_NOBODY)
		return;
	about = &r->opening[draw(r, 4) == 0 ? draw(r, r->asked) : r->asked - 1 - draw(r, r->asked < 4 ? r->asked : 4)];
	world_header(r->w, &h, at);
	h.type = kinds[draw(r, draw(r, 5) == 0 ? 12 : 9)];
	h.lane = draw(r, 40) == 0 ? LANE_FLASH : about->lane;
	h.expires_ms = r->w->now.wall_ms + 86400000;
	h.about.set = true;
	memcpy(h.about.id, about->id, KW_ID_LEN);
	memcpy(h.about.frame_hash, about->id, KW_ID_LEN);
	h.about.frame_hash[KW_ID_LEN] = (uint8_t)(draw(r, 40) == 0 ? BODY + 1 : BODY);
	if (h.type == TYPE_HANDED_OVER)
		strcpy(h.next_owner, ids[draw(r, NODES)]);
	offer(r, node, &h, 10);
	if (draw(r, 10) == 0)
		offer(r, node, &h, 10);
	r->moves++;
}

/* One node less, or another line; nobody who is in it is out. */
static void
another_agreement(struct ride *r)
{
	const char *stay[NODES];
	uint32_t count = 0, out = draw(r, 2) == 0 ? draw(r, NODES) : NODES;
	struct agreement *a;
	struct core_install i;

	if (r->newest == VERSIONS)
		return;
	for (uint32_t n = 0; n < NODES; n++)
		if (n != out)
			stay[count++] = ids[n];
	a = r->version[++r->newest] = calloc(1, sizeof *a);
	assert_non_null(a);
	fake_agreement(a, r->newest, count, stay);
	a->topic = r->version[1]->topic;
	a->topic.on_change = draw(r, 2) == 0 ? ON_CHANGE_MOVE : ON_CHANGE_KEEP;
	a->topic.has_responsible = draw(r, 5) != 0;
	a->line_count = a->topic.has_responsible ? 1 + draw(r, 3) : 0;
	for (uint32_t n = 0, first = draw(r, count); n < a->line_count; n++)
		a->line[n] = (first + n) % count;
	a->coordinator = draw(r, count);
	i = world_install(r->w, a);
	world_settle(r->w);
	assert_int_equal(core_install(r->w->core, &i, r->w->now, NULL), KW_OK);
	for (int lane = 0; lane < KW_LANES; lane++)
		blob_unref(&i.entries[lane]);
	r->w->fail_next = KW_OK;
	world_pass(r->w, 1000); /* behind a commit without room nothing is tried for a moment */
	r->w->earlier[r->w->earlier_count++] = r->version[r->newest - 1];
	r->w->agreement = *a;
}

static void
step(struct ride *r)
{
	struct world *w = r->w;

	world_forget(w);
	switch (draw(r, 20)) {
	case 0: case 1:
		asks(r);
		break;
	case 2: case 3:
		world_pass(w, draw(r, 2) == 0 ? draw(r, 2000) : draw(r, 2 * MINUTE));
		break;
	case 4:
		(void)world_commit(w);
		break;
	case 5:
		core_tick(w->core, w->now);
		world_drain(w);
		break;
	case 6:
		if (draw(r, 3) != 0)
			break;
		world_restart(w);
		r->restarts++;
		break;
	case 7:
		if (draw(r, 3) == 0) {
			w->fail_next = KW_EFULL;
			r->failures += world_commit(w);
			w->fail_next = KW_OK;
		}
		break;
	case 8:
		if (draw(r, 10) == 0)
			another_agreement(r);
		break;
	case 9:
		if (draw(r, 20) == 0) {
			w->now.wall_ms += draw(r, 2) == 0 ? 900000 : -(uint64_t)900000;
			r->clock_was_set = true;
		}
		break;
	default:
		moves(r);
	}
}

/* ---- what a node makes of the log ---- */

struct node { const struct ride *ride; const struct header *opening; };

static const struct agreement *
version_of(const void *self, uint32_t version)
{
	const struct ride *r = ((const struct node *)self)->ride;

	return version <= r->newest ? r->version[version] : NULL;
}

static uint32_t
number(const char *id)
{
	for (uint32_t n = 0; n < NODES; n++)
		if (strcmp(ids[n], id) == 0)
			return n;
	return CASE_NOBODY;
}

static uint32_t
actor_of(const void *self, const struct agreement *a, uint32_t node)
{
	(void)self;
	return node != AGREEMENT_NOBODY ? number(a->id[node]) : CASE_NOBODY;
}

static const char *
id_of(const void *self, uint32_t actor)
{
	(void)self;
	return actor < NODES ? ids[actor] : "";
}

static bool
reads(const void *self, uint32_t actor)
{
	const struct node *n = self;
	const struct agreement *a = version_of(self, n->opening->agreement_version);

	return actor < NODES && strcmp(ids[actor], n->opening->sender) != 0 && agreement_node(a, ids[actor]) != AGREEMENT_NOBODY;
}

static bool
entry_of(struct case_log_entry *out, const struct world_entry *e, const struct header *opening)
{
	const struct header *h = world_log_header(e);
	const struct broker_entry *b = world_log_entry(e);

	memset(out, 0, sizeof *out);
	out->number = e->at.number;
	if (e->at.lane != opening->lane)
		return false;
	if (h != NULL) {
		out->move = (struct case_move){.actor = number(h->sender), .to = number(h->next_owner), .version = h->agreement_version};
		return memcmp(h->about.id, opening->id, KW_ID_LEN) == 0 && case_move_of(&out->move.kind, h->type);
	}
	if (b == NULL || b->kind != ENTRY_CASE || memcmp(b->of_case.id, opening->id, KW_ID_LEN) != 0 || b->of_case.lane != opening->lane)
		return false;
	out->is_statement = true;
	out->statement = (struct case_statement){
		.cause = b->of_case.cause, .state = b->of_case.state, .time_ms = b->time_ms, .upto = b->of_case.upto, .until_ms = b->of_case.until_ms,
		.entries = b->of_case.entries, .alarms = b->of_case.alarms, .version = b->version, .in_force = b->of_case.in_force,
		.owner = number(b->of_case.owner), .next = number(b->of_case.next), .rule = b->of_case.rule,
	};
	return true;
}

static bool
is_told(const struct ride *r, const struct world_entry *e, uint32_t actor)
{
	for (uint32_t i = 0; i < r->w->set[e->op.set.v].count; i++)
		if (strcmp(r->w->node[r->w->set[e->op.set.v].nodes[i].v], ids[actor]) == 0)
			return true;
	return false;
}

/* Whoever takes part behind a statement, and is a node then, gets it. */
static void
all_are_told(const struct ride *r, uint64_t seed, const struct world_entry *e, const struct kw_case *c)
{
	for (uint32_t i = 0; i < c->party_count; i++)
		if (agreement_node(r->version[world_log_entry(e)->of_case.in_force], ids[c->party[i]]) != AGREEMENT_NOBODY && !is_told(r, e, c->party[i]))
			fail_msg("KW_SEED=%llu: %s takes part and does not hear number %llu", (unsigned long long)seed, ids[c->party[i]], (unsigned long long)e->at.number);
}

/* Each alarm is repeated in lane flash. */
static void
alarms_are_in_flash(const struct ride *r, uint64_t seed, const struct header *opening)
{
	uint32_t own = 0, copies = 0;

	for (uint32_t i = 0; i < r->w->log_count; i++) {
		const struct broker_entry *b = world_log_entry(&r->w->log[i]);

		if (b == NULL || b->kind != ENTRY_CASE || memcmp(b->of_case.id, opening->id, KW_ID_LEN) != 0)
			continue;
		own += b->of_case.cause == CAUSE_ALARM && r->w->log[i].at.lane == opening->lane;
		copies += b->of_case.cause == CAUSE_ALARM && r->w->log[i].at.lane == LANE_FLASH;
	}
	if (own != copies)
		fail_msg("KW_SEED=%llu: %u alarms, %u of them in lane flash", (unsigned long long)seed, own, copies);
}

/* Answers whether the case came into being; *stands is how the log has it. */
static bool
fold(struct kw_case *stands, const struct ride *r, uint64_t seed, const struct header *opening)
{
	struct case_opening o = {.lane = opening->lane, .sender = number(opening->sender), .version = opening->agreement_version, .expires_ms = opening->expires_ms};
	struct node node = {r, opening};
	struct case_context context = {.topic = opening->topic, .sender = o.sender, .take_within_s = opening->take_within_s, .self = &node,
	                               .version = version_of, .actor = actor_of, .id = id_of, .reads = reads};
	struct case_rules rules = case_rules_of(&context);
	static struct case_log l;

	memcpy(o.id, opening->id, KW_ID_LEN);
	for (uint32_t i = 0; i < r->w->log_count; i++) {
		const struct world_entry *e = &r->w->log[i];
		const struct header *h = world_log_header(e);
		struct case_log_entry x;

		if (o.number == 0) {
			if (h == NULL || memcmp(h->id, opening->id, KW_ID_LEN) != 0)
				continue;
			if (!case_opened_by(h, agreement_topic(r->version[h->agreement_version], h->topic)))
				return false;
			o.number = e->at.number;
			memcpy(o.frame_hash, e->op.frame_hash, KW_HASH_LEN);
			assert_int_equal(case_log_open(&l, &o, &rules), CASE_V_OK);
		} else if (entry_of(&x, e, opening)) {
			assert_int_equal(case_log_add(&l, &x, &rules), CASE_LOG_ADDED);
			if (l.parted.verdict != CASE_V_OK || l.stopped != CASE_V_OK)
				fail_msg("KW_SEED=%llu: number %llu of lane %s: %s%s", (unsigned long long)seed, (unsigned long long)x.number, lane_name(opening->lane),
				         case_verdict_name(l.parted.verdict), l.stopped != CASE_V_OK ? ", and it waits" : "");
			if (l.now.stated == x.number) /* it holds: nobody came in since it was made */
				all_are_told(r, seed, e, &l.now);
		}
	}
	if (o.number == 0)
		return false;
	*stands = l.now;
	return true;
}

static void
check(const struct ride *r, uint64_t seed, uint32_t by_state[CASE_LAPSED + 1])
{
	uint32_t here[CASE_LAPSED + 1] = {0};
	struct core_case_counts n;

	core_case_counts(r->w->core, &n);
	for (uint32_t i = 0; i < r->asked; i++) {
		uint64_t now = r->w->now.wall_ms;
		struct kw_case c;

		if (!fold(&c, r, seed, &r->opening[i]))
			continue;
		alarms_are_in_flash(r, seed, &r->opening[i]);
		here[c.state]++;
		by_state[c.state]++;
		if (case_deadline_ms(&c) == 0)
			fail_msg("KW_SEED=%llu: a case that changed is not stated", (unsigned long long)seed);
		if (!r->clock_was_set && case_deadline_ms(&c) < now - 10)
			fail_msg("KW_SEED=%llu: a case is overdue for %llu ms", (unsigned long long)seed, (unsigned long long)(now - case_deadline_ms(&c)));
	}
	for (int s = CASE_WAITING; s <= CASE_LAPSED; s++)
		if (n.by_state[s] != here[s])
			fail_msg("KW_SEED=%llu: the core knows %u cases that are %s, the log has %u", (unsigned long long)seed, n.by_state[s],
			         case_state_name((enum case_state)s), here[s]);
}

static void
ride(uint64_t seed, uint32_t by_state[CASE_LAPSED + 1], uint32_t totals[4])
{
	struct ride r = {.random = seed * 0x9E3779B97F4A7C15u + 1, .newest = 1};
	struct agreement *first;

	r.w = calloc(1, sizeof *r.w);
	assert_non_null(r.w);
	world_begin(r.w, NODES, ids);
	r.w->agreement.topic.has_responsible = draw(&r, 5) != 0;
	r.w->agreement.topic.on_change = draw(&r, 2) == 0 ? ON_CHANGE_MOVE : ON_CHANGE_KEEP;
	r.w->agreement.line[0] = ORDER;
	r.w->agreement.line[1] = NIGHT;
	r.w->agreement.line_count = r.w->agreement.topic.has_responsible ? 2 : 0;
	r.w->agreement.coordinator = OFFICE;
	first = r.version[1] = calloc(1, sizeof *first);
	assert_non_null(first);
	*first = r.w->agreement;
	for (uint32_t i = 0; i < STEPS; i++)
		step(&r);
	world_forget(r.w);
	world_settle(r.w);
	world_pass(r.w, 2 * MINUTE); /* what waits for somebody's return has waited */
	check(&r, seed, by_state);
	world_restart(r.w);
	world_forget(r.w);
	world_pass(r.w, 2 * MINUTE);
	check(&r, seed, (uint32_t[CASE_LAPSED + 1]){0});
	totals[0] += r.asked, totals[1] += r.moves, totals[2] += r.restarts, totals[3] += r.failures;
	world_end(r.w);
	free(r.w);
	for (uint32_t v = 1; v <= r.newest; v++)
		free(r.version[v]);
}

static void
every_statement_follows_and_nothing_overdue_is_left_whatever_happens(void **state)
{
	const char *one = getenv("KW_SEED"), *rounds = getenv("KW_ROUNDS");
	uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1, count = one != NULL ? 1 : rounds != NULL ? strtoull(rounds, NULL, 10) : 40;
	uint32_t by_state[CASE_LAPSED + 1] = {0}, totals[4] = {0};

	(void)state;
	for (uint64_t seed = first; seed < first + count; seed++)
		ride(seed, by_state, totals);
	print_message("%u asked for, %u moves, %u starts, %u commits without room; at the end", totals[0], totals[1], totals[2], totals[3]);
	for (int s = CASE_OFFERED; s <= CASE_LAPSED; s++) {
		print_message(" %u %s", by_state[s], case_state_name((enum case_state)s));
		assert_true(one != NULL || by_state[s] > 0);
	}
	print_message("\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_statement_follows_and_nothing_overdue_is_left_whatever_happens)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
