/* case_world: the answers of a pretend agreement, and short ways to bring a case somewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "case_world.h"

static bool
terms(struct case_terms *out, const void *ctx, uint32_t version)
{
	const struct case_world *w = ctx;
	const struct case_world_version *v = version <= CASE_VERSIONS ? &w->v[version] : NULL;
	uint32_t seen = 0;

	if (v == NULL || !v->known)
		return false;
	*out = (struct case_terms){.coordinator = v->coordinator, .open_to_readers = v->open_to_readers, .offer_anew = v->offer_anew,
	                           .take_within_ms = v->spare_ms};
	for (uint32_t i = 0; i < v->day_count + v->night_count; i++) {
		uint32_t actor = i < v->day_count ? v->day[i].actor : v->night[i - v->day_count].actor;

		if ((seen >> actor & 1) == 0 && (actor != v->coordinator || !v->open_to_readers))
			out->members[out->member_count++] = actor;
		seen |= 1u << actor;
	}
	for (uint32_t i = 0; i < v->extra_members; i++, out->member_count++)
		if (out->member_count < CASE_PARTIES_MAX)
			out->members[out->member_count] = CASE_ACTORS + i;
	return true;
}

static uint32_t
line(struct case_turn turns[CASE_PARTIES_MAX], const void *ctx, uint32_t version, uint64_t at_ms)
{
	const struct case_world *w = ctx;
	const struct case_world_version *v = &w->v[version];
	bool day = at_ms % CASE_DAY_MS < CASE_DAY_MS / 2;

	memcpy(turns, day ? v->day : v->night, sizeof v->day);
	return day ? v->day_count : v->night_count;
}

static bool
is_node(const void *ctx, uint32_t version, uint32_t actor)
{
	const struct case_world *w = ctx;

	return actor >= CASE_ACTORS || (w->v[version].nodes >> actor & 1) != 0;
}

static bool
reads(const void *ctx, uint32_t actor)
{
	const struct case_world *w = ctx;

	return actor >= CASE_ACTORS || (w->readers >> actor & 1) != 0;
}

static bool
may_recall(const void *ctx, uint32_t actor)
{
	const struct case_world *w = ctx;

	return actor < CASE_ACTORS && (w->recallers >> actor & 1) != 0;
}

void
case_world_begin(struct case_world *w)
{
	const struct case_turn anna = {ANNA, 0, 10000}, bert = {BERT, 1, 20000}, carla = {CARLA, ENTRY_NO_RULE, 5000};
	struct case_world_version v = {.known = true, .coordinator = CARLA, .spare_ms = 7000, .nodes = (1u << CASE_ACTORS) - 1,
	                               .day_count = 3, .day = {anna, bert, carla}, .night_count = 2, .night = {bert, carla}};

	memset(w, 0, sizeof *w);
	for (uint32_t i = 1; i <= CASE_VERSIONS; i++)
		w->v[i] = v;
	w->readers = 1u << ANNA | 1u << BERT | 1u << CARLA | 1u << READER;
	w->recallers = 1u << SENDER | 1u << PARTNER;
	w->rules = (struct case_rules){w, terms, line, is_node, reads, may_recall};
}

struct case_opening
case_world_opening(uint64_t number, uint64_t expires_ms)
{
	struct case_opening o = {.lane = LANE_ROUTINE, .number = number, .sender = SENDER, .version = 1, .expires_ms = expires_ms};

	memset(o.id, 0x11, sizeof o.id);
	memset(o.frame_hash, 0x22, sizeof o.frame_hash);
	return o;
}

struct case_move
case_world_move(const struct kw_case *c, enum case_move_kind kind, uint32_t actor, uint32_t to)
{
	return (struct case_move){.kind = kind, .number = c->upto + 1, .actor = actor, .to = to, .version = c->in_force};
}

void
case_world_moves(struct case_world *w, struct kw_case *c, enum case_move_kind kind, uint32_t actor, uint32_t to)
{
	struct case_move m = case_world_move(c, kind, actor, to);

	assert_string_equal(case_verdict_name(case_move(c, &m, &w->rules)), "ok");
	assert_null(case_unsound(c));
}

struct case_statement
case_world_states(struct case_world *w, struct kw_case *c, uint64_t now_ms, uint32_t in_force)
{
	struct case_statement s;

	assert_true(case_wants(&s, c, &w->rules, now_ms, in_force));
	assert_string_equal(case_verdict_name(case_entry(c, &s, c->upto + 1, &w->rules)), "ok");
	assert_null(case_unsound(c));
	return s;
}
