/*
 * Bytes as the life of one case: moves of anybody, time, other agreements, and a broker that states what follows, or lies once. A node
 * hears of it late, twice, in another order, and of some agreements last of all. A broker that told the truth is never accused, and both
 * have the case alike in the end; whatever was said, a case always holds together and is kept and read again as it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/span.h"
#include "cases/case_log.h"
#include "fuzz.h"
#include "tests/unit/case_world.h"

enum { ENTRIES_MAX = 60, VERSIONS = 4 };

struct life {
	struct case_world brokers, nodes;       /* the agreements that each of them knows */
	struct kw_case truth;
	struct case_log log;
	struct case_log_entry said[ENTRIES_MAX];
	bool told[ENTRIES_MAX];
	uint32_t count;
	uint64_t now_ms, number;
	uint32_t in_force;
	bool lied;
};

static void
sound(const struct kw_case *c)
{
	uint8_t bytes[CASE_CODE_MAX], again[CASE_CODE_MAX];
	struct kw_case back;
	struct kw_why why = {""};
	const char *what = case_unsound(c);
	size_t len;

	HOLDS(what == NULL, what);
	len = case_encode(bytes, c);
	HOLDS(case_decode(&back, span_of(bytes, len), &why) == KW_OK, why.text);
	HOLDS(case_encode(again, &back) == len && memcmp(again, bytes, len) == 0, "a case is kept as another");
	HOLDS(case_is_open(c) == case_is_open(&back), "a case is kept as another");
}

static void
begin(struct life *l, struct cursor *in)
{
	struct case_opening o = case_world_opening(1, 40 * CASE_DAY_MS);

	memset(l, 0, sizeof *l);
	case_world_begin(&l->brokers);
	for (uint32_t v = 1; v <= VERSIONS; v++) {
		struct case_world_version *w = &l->brokers.v[v];
		uint8_t how = cursor_u8(in), who = cursor_u8(in);

		w->offer_anew = how & 1;
		w->nodes &= v == 1 ? ~0u : ~(1u << who % CASE_ACTORS);
		w->coordinator = (how & 6) == 6 && v > 1 ? BERT : CARLA;
		if (w->coordinator == BERT)
			w->day[2].actor = w->night[1].actor = CARLA;
		w->nodes |= 1u << w->coordinator;
		w->open_to_readers = v == 1 && (how & 0x18) == 0x18;
		if (w->open_to_readers) {
			w->day_count = w->night_count = 1;
			w->day[0] = w->night[0] = (struct case_turn){CARLA, ENTRY_NO_RULE, 5000};
		}
	}
	l->nodes = l->brokers;
	l->nodes.rules.ctx = &l->nodes;
	l->brokers.rules.ctx = &l->brokers;
	for (uint32_t v = 2; v <= VERSIONS; v++)
		l->nodes.v[v].known = cursor_u8(in) & 1;
	l->in_force = 1;
	l->number = 1;
	HOLDS(case_open(&l->truth, &o, &l->brokers.rules) == CASE_V_OK, "it does not open");
	HOLDS(case_log_open(&l->log, &o, &l->nodes.rules) == CASE_V_OK, "it does not open");
	sound(&l->truth);
}

static void
say(struct life *l, const struct case_log_entry *e)
{
	l->said[l->count] = *e;
	l->said[l->count].number = l->number;
	l->said[l->count++].move.number = l->number;
}

static void
moves(struct life *l, struct cursor *in)
{
	uint8_t what = cursor_u8(in), who = cursor_u8(in);
	struct case_log_entry e = {.move = {.kind = (enum case_move_kind)(what % MOVE_COUNT), .actor = who % CASE_ACTORS,
	                                    .to = what >= 200 ? CASE_NOBODY : who / CASE_ACTORS % CASE_ACTORS, .version = l->in_force}};
	enum case_verdict would, is;

	if (l->count == ENTRIES_MAX)
		return;
	l->number += 1 + (who >= 240);
	e.move.number = l->number;
	would = case_would(&l->truth, &e.move, &l->brokers.rules);
	is = case_move(&l->truth, &e.move, &l->brokers.rules);
	HOLDS(would == is, "it was to end otherwise");
	HOLDS(!case_verdict_parted(is) && case_verdict_name(is)[0] != '?', "a verdict that a move cannot have");
	sound(&l->truth);
	say(l, &e);
}

static void
spoil(struct case_statement *s, uint8_t how)
{
	switch (how % 10) {
	case 0: s->owner = how / 10 % CASE_ACTORS; break;
	case 1: s->state = (enum case_state)(CASE_WAITING + how / 10 % (CASE_LAPSED + 1)); break;
	case 2: s->time_ms += how; break;
	case 3: s->time_ms -= how; break;
	case 4: s->upto += how / 10 % 3 - 1u; break;
	case 5: s->until_ms += how; break;
	case 6: s->entries++; break;
	case 7: s->alarms++; break;
	case 8: s->cause = (enum case_cause)(CAUSE_OPENED + how / 10 % CAUSE_AGREEMENT); break;
	default: s->rule++;
	}
}

static void
broker_states(struct life *l, uint8_t lie)
{
	struct case_log_entry e = {.is_statement = true};
	struct case_statement before;

	if (l->count == ENTRIES_MAX || !case_wants(&e.statement, &l->truth, &l->brokers.rules, l->now_ms, l->in_force))
		return;
	l->number++;
	HOLDS(case_entry(&l->truth, &e.statement, l->number, &l->brokers.rules) == CASE_V_OK, "what it wants does not follow");
	sound(&l->truth);
	before = e.statement;
	if (lie >= 224 && !l->lied)
		spoil(&e.statement, lie);
	l->lied = l->lied || memcmp(&before, &e.statement, sizeof before) != 0;
	say(l, &e);
}

static void
tell(struct life *l, uint32_t which)
{
	enum case_log_added added;

	if (which >= l->count)
		return;
	added = case_log_add(&l->log, &l->said[which], &l->nodes.rules);
	HOLDS(added == (l->told[which] ? CASE_LOG_AGAIN : CASE_LOG_ADDED) || (added == CASE_LOG_OLD && l->told[which]), "added otherwise");
	l->told[which] = true;
	sound(&l->log.now);
	sound(&l->log.base);
	HOLDS(l->lied || l->log.parted.verdict == CASE_V_OK, "a broker that tells the truth is accused");
}

static void
step(struct life *l, struct cursor *in)
{
	static const uint32_t steps[] = {0, 100, 5000, 5001, 10000, 20000, CASE_DAY_MS / 2, 10 * CASE_DAY_MS};
	uint8_t what = cursor_u8(in);

	switch (what % 8) {
	case 0: case 1: moves(l, in); break;
	case 2: l->now_ms += steps[what / 8 % 8]; break;
	case 3: case 4: broker_states(l, what); break;
	case 5: case 6: tell(l, cursor_u8(in) % ENTRIES_MAX); break;
	default:
		if (what >= 128)
			l->in_force += l->in_force < VERSIONS;
		else {
			l->nodes.v[1 + what / 8 % VERSIONS].known = true;
			case_log_again(&l->log, &l->nodes.rules);
			sound(&l->log.now);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static struct life life;
	struct life *l = &life;
	struct cursor in = cursor_over(span_of(p, len));
	uint8_t a[CASE_CODE_MAX], b[CASE_CODE_MAX];
	size_t n;

	(void)setenv("CMOCKA_TEST_ABORT", "1", 0);
	begin(l, &in);
	while (cursor_left(&in) > 0)
		step(l, &in);
	for (uint32_t v = 1; v <= VERSIONS; v++)
		l->nodes.v[v].known = true;
	case_log_again(&l->log, &l->nodes.rules);
	for (uint32_t i = 0; i < l->count; i++)
		if (!l->told[i])
			tell(l, i);
	if (l->lied)
		return 0;
	HOLDS(l->log.stopped == CASE_V_OK, "everything is here, and it waits");
	n = case_encode(a, &l->truth);
	HOLDS(case_encode(b, &l->log.now) == n && memcmp(a, b, n) == 0, "node and broker have the case otherwise");
	return 0;
}
