/* Nodes that an operator keeps out: docs/protocol.md [O-9] to [O-13], by the broker's core. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core_world.h"

/* In cases police asks; the line is order, then night; office is the coordinator. */
enum { POLICE, ORDER, NIGHT, OFFICE, NODES };
static const char *const ids[NODES] = {"a/police", "b/order", "c/night", "d/office"};
#define SECOND 1000u
#define MINUTE (60u * SECOND)
#define HOUR (60ull * MINUTE)
#define MOST KW_SUSPENDED_MAX_MS

static int
begin(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	world_begin(w, NODES, ids);
	w->agreement.coordinator = OFFICE;
	for (uint32_t i = 0; i < NODES; i++)
		world_hello(w, i, i);
	world_forget(w);
	*state = w;
	return 0;
}

static int
end(void **state)
{
	struct world *w = *state;

	world_end(w);
	free(w);
	return 0;
}

/* ---- what an operator may ask ---- */

struct said { enum kw_err err; struct kw_why why; };

static void
gone(struct blob *b)
{
	free(b->wraps);
	free(b);
}

static struct said
wish(struct world *w, enum suspension_act act, const char *node, const char *reason, uint64_t for_ms)
{
	struct core_suspend ask = {.act = act, .node = node, .by = "night-desk", .reason = span_str(reason), .for_ms = for_ms};
	static uint8_t bytes[8] = "entry";
	uint8_t hash[KW_HASH_LEN] = {2};
	struct said s = {.err = KW_OK};
	struct broker_entry e;
	struct blob *b;

	if ((s.err = core_suspend(w->core, &ask, &e, w->now, &s.why)) != KW_OK)
		return s;
	b = calloc(1, sizeof *b);
	assert_non_null(b);
	*b = (struct blob){.refs = 1, .gone = gone, .head = span_of(bytes, sizeof bytes), .entry = true};
	s.err = core_suspended(w->core, &e, false, b, hash, w->now, &s.why);
	blob_unref(&b);
	return s;
}

static void
suspend(struct world *w, uint32_t node, uint64_t for_ms)
{
	assert_int_equal(wish(w, SUSPENSION_BEGUN, ids[node], "its disk was stolen", for_ms).err, KW_OK);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_SUSPENSION, CORE_NO_CONN), 1);
	assert_true(world_find(w, EFFECT_SUSPENSION, CORE_NO_CONN, 0)->suspension.stored);
}

static void
resume(struct world *w, uint32_t node)
{
	assert_int_equal(wish(w, SUSPENSION_LIFTED, ids[node], "", 0).err, KW_OK);
	world_settle(w);
}

static bool
is_suspended(const struct world *w, uint32_t node)
{
	struct core_suspension s;

	return core_suspension(w->core, node, &s);
}

static uint64_t
until(const struct world *w, uint32_t node)
{
	struct core_suspension s;

	assert_true(core_suspension(w->core, node, &s));
	return s.until_ms;
}

/* ---- [O-9], [O-11]: out at once, in again at the end ---- */

static void
who_is_suspended_hears_so_and_is_out_before_the_log_has_it(void **state)
{
	struct world *w = *state;
	const struct core_effect *e;

	assert_int_equal(wish(w, SUSPENSION_BEGUN, ids[ORDER], "its disk was stolen", HOUR).err, KW_OK);
	world_drain(w); /* nothing is committed yet */
	assert_true(world_refused(w, ORDER, CODE_SUSPENDED));
	e = world_find(w, EFFECT_REFUSED, ORDER, 0);
	assert_int_equal(e->refused.wait_ms, HOUR);
	assert_non_null(strstr(w->text[e - w->said], "by the operator night-desk: its disk was stolen"));
	assert_int_equal(world_count(w, EFFECT_DROP, ORDER), 1);
	world_forget(w);
	world_hello(w, 8, ORDER);
	assert_true(world_refused(w, 8, CODE_SUSPENDED));
	assert_int_equal(world_count(w, EFFECT_WELCOME, 8), 0);
	assert_true(core_keeps_out(w->core, 8, ORDER, w->now));
	assert_false(core_keeps_out(w->core, 9, NIGHT, w->now));
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_SUSPENSION, CORE_NO_CONN), 1);
	assert_int_equal(w->tail[LANE_FLASH], 2); /* the agreement's arrival, and this */
	assert_true(world_log_entry(&w->log[w->log_count - 1]) == NULL && w->log[w->log_count - 1].op.entry);
}

static void
everybody_else_gets_the_entry_and_the_suspended_one_later(void **state)
{
	struct world *w = *state;

	suspend(w, ORDER, HOUR);
	for (uint32_t i = 0; i < NODES; i++)
		assert_int_equal(world_count(w, EFFECT_DELIVER, i), i == ORDER ? 0 : KW_LANES + 1); /* three arrivals of the agreement, and this */
	world_publish(w, POLICE, POLICE, &(struct world_publish){.lane = LANE_URGENT});
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_DELIVER, NIGHT), KW_LANES + 2);
	assert_int_equal(world_count(w, EFFECT_DELIVER, ORDER), 0);
	resume(w, ORDER);
	world_forget(w);
	world_hello(w, 8, ORDER);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_WELCOME, 8), 1);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 8), KW_LANES + 1 + 1 + 1); /* and both entries, and what waited */
	world_publish(w, 8, ORDER, &(struct world_publish){.lane = LANE_URGENT});
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_STORED, 8), 1);
}

static void
what_it_says_of_the_log_stops_nobody(void **state)
{
	struct world *w = *state;
	struct wire_hello h = world_plain_hello();

	suspend(w, ORDER, HOUR);
	h.seen.number = 1000000;
	h.cursor[LANE_FLASH] = (struct lane_cursor){900, 1000000};
	world_hello_as(w, 8, ORDER, &h, SEEN_OTHER);
	assert_true(world_refused(w, 8, CODE_SUSPENDED));
	assert_int_equal(core_service(w->core), SERVICE_SERVING);
	assert_int_equal(w->evidence, 0);
}

static void
it_ends_by_itself_on_the_clock_that_nobody_sets(void **state)
{
	struct world *w = *state;

	suspend(w, ORDER, HOUR);
	w->now.wall_ms -= 10 * HOUR; /* set back: it becomes no longer by it */
	world_pass(w, HOUR - SECOND);
	assert_true(is_suspended(w, ORDER));
	world_hello(w, 8, ORDER);
	assert_true(world_refused(w, 8, CODE_SUSPENDED));
	assert_true(world_find(w, EFFECT_REFUSED, 8, 0)->refused.wait_ms <= SECOND);
	world_pass(w, 2 * SECOND);
	assert_false(is_suspended(w, ORDER));
	assert_int_equal(world_count(w, EFFECT_SUSPENSION_OVER, CORE_NO_CONN), 1);
	assert_int_equal(world_find(w, EFFECT_SUSPENSION_OVER, CORE_NO_CONN, 0)->over.node, ORDER);
	assert_int_equal(core_suspension_count(w->core), 0);
	world_hello(w, 8, ORDER);
	assert_int_equal(world_count(w, EFFECT_WELCOME, 8), 1);
	world_rests(w);
}

/* ---- [O-12]: a new start ---- */

static void
a_new_start_forgets_no_suspension(void **state)
{
	struct world *w = *state;
	uint64_t was;

	suspend(w, ORDER, HOUR);
	was = until(w, ORDER);
	world_restart(w);
	assert_int_equal(until(w, ORDER), was);
	assert_int_equal(core_suspension_count(w->core), 1);
	world_forget(w);
	world_hello(w, 1, ORDER);
	assert_true(world_refused(w, 1, CODE_SUSPENDED));
	w->now.wall_ms -= 10 * HOUR; /* between two starts somebody set the clock back: it gets no longer than it was meant to be */
	world_restart(w);
	world_pass(w, HOUR + SECOND);
	assert_false(is_suspended(w, ORDER));
}

static void
what_is_over_or_lifted_stays_so_after_a_new_start(void **state)
{
	struct world *w = *state;

	suspend(w, ORDER, HOUR);
	resume(w, ORDER);
	world_forget(w);
	suspend(w, NIGHT, MINUTE);
	world_pass(w, 2 * MINUTE);
	world_restart(w);
	assert_false(is_suspended(w, ORDER) || is_suspended(w, NIGHT));
	assert_int_equal(core_suspension_count(w->core), 0);
	world_hello(w, 1, ORDER);
	assert_int_equal(world_count(w, EFFECT_WELCOME, 1), 1);
}

static void
a_store_without_room_suspends_nobody(void **state)
{
	struct world *w = *state;

	w->stuffed = true;
	assert_int_equal(wish(w, SUSPENSION_BEGUN, ids[ORDER], "its disk was stolen", HOUR).err, KW_OK);
	world_commit(w); /* the audience first */
	world_pass(w, SECOND);
	assert_int_equal(world_count(w, EFFECT_SUSPENSION, CORE_NO_CONN), 1);
	assert_false(world_find(w, EFFECT_SUSPENSION, CORE_NO_CONN, 0)->suspension.stored);
	assert_false(is_suspended(w, ORDER));
	w->stuffed = false;
	world_hello(w, 8, ORDER);
	assert_int_equal(world_count(w, EFFECT_WELCOME, 8), 1);
	world_forget(w);
	suspend(w, ORDER, HOUR); /* and the next wish is taken */
	assert_true(is_suspended(w, ORDER));
}

/* ---- [O-10]: for how long ---- */

static void
a_wish_is_refused_in_one_sentence(void **state)
{
	static char long_reason[KW_SUSPENSION_REASON_MAX + 2];
	const struct { const char *node, *reason; uint64_t for_ms; enum kw_err err; const char *sentence; } refused[] = {
		{"e/nobody", "why", HOUR, KW_ENOTFOUND, "e/nobody is no node of the agreement in force"},
		{"", "why", HOUR, KW_ENOTFOUND, "is no node of the agreement in force"},
		{"b/order", "", HOUR, KW_EINVAL, "a reason is missing"},
		{"b/order", long_reason, HOUR, KW_ELIMIT, "the reason has 201 bytes, at most 200 are allowed"},
		{"b/order", "two\nlines", HOUR, KW_EINVAL, "the reason has at byte 4 what is no text of one line"},
		{"b/order", "a\tb", HOUR, KW_EINVAL, "the reason has at byte 2"},
		{"b/order", "\x1b[2J", HOUR, KW_EINVAL, "the reason has at byte 1"},
		{"b/order", "\xff", HOUR, KW_EINVAL, "the reason has at byte 1"},
		{"b/order", "why", MOST + 1, KW_ELIMIT, "a node is suspended for 1 second to 72 hours"},
		{"b/order", "why", SECOND - 1, KW_ELIMIT, "a node is suspended for 1 second to 72 hours"},
	};
	struct world *w = *state;
	struct said s;

	memset(long_reason, 'r', KW_SUSPENSION_REASON_MAX + 1);
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		s = wish(w, SUSPENSION_BEGUN, refused[i].node, refused[i].reason, refused[i].for_ms);
		assert_int_equal(s.err, refused[i].err);
		assert_non_null(strstr(s.why.text, refused[i].sentence));
	}
	s = wish(w, SUSPENSION_LIFTED, ids[ORDER], "", 0);
	assert_int_equal(s.err, KW_ESTATE);
	assert_non_null(strstr(s.why.text, "b/order is not suspended"));
	assert_false(is_suspended(w, ORDER));
	assert_int_equal(w->tail[LANE_FLASH], 1);
	long_reason[KW_SUSPENSION_REASON_MAX] = '\0';
	assert_int_equal(wish(w, SUSPENSION_BEGUN, ids[ORDER], long_reason, MOST).err, KW_OK);
	s = wish(w, SUSPENSION_BEGUN, ids[NIGHT], "why", HOUR);
	assert_int_equal(s.err, KW_EAGAIN);
	assert_non_null(strstr(s.why.text, "is on its way into the log"));
	world_settle(w);
	assert_int_equal(until(w, ORDER), w->now.wall_ms + MOST);
}

static void
a_suspension_is_replaced_but_never_beyond_72_hours_from_its_beginning(void **state)
{
	struct world *w = *state;
	uint64_t first = w->now.wall_ms;
	struct core_suspension s;
	struct said said;

	suspend(w, ORDER, 2 * HOUR);
	world_pass(w, HOUR);
	world_forget(w);
	suspend(w, ORDER, 10 * HOUR);
	assert_true(core_suspension(w->core, ORDER, &s));
	assert_int_equal(s.from_ms, first);
	assert_int_equal(s.until_ms, w->now.wall_ms + 10 * HOUR);
	said = wish(w, SUSPENSION_BEGUN, ids[ORDER], "again", MOST);
	assert_int_equal(said.err, KW_ELIMIT);
	assert_non_null(strstr(said.why.text, "b/order was suspended for 1 h 00 min already"));
	assert_non_null(strstr(said.why.text, "the committee leaves it out of the next agreement"));
	world_forget(w);
	suspend(w, ORDER, first + MOST - w->now.wall_ms);
	assert_int_equal(until(w, ORDER), first + MOST);
	world_forget(w);
	suspend(w, ORDER, HOUR); /* shorter than it was */
	world_pass(w, HOUR + SECOND);
	assert_false(is_suspended(w, ORDER));
}

/* [O-12] It ends by the clock, and not when somebody looks at it. */
static void
a_wish_at_the_moment_when_a_suspension_is_over_replaces_none(void **state)
{
	struct world *w = *state;
	struct core_suspension s;
	uint64_t first = w->now.wall_ms;

	suspend(w, ORDER, HOUR);
	world_forget(w);
	w->now.wall_ms += HOUR;
	w->now.mono_ms += HOUR;
	assert_int_equal(wish(w, SUSPENSION_LIFTED, ids[ORDER], "", 0).err, KW_ESTATE);
	suspend(w, ORDER, 2 * HOUR);
	assert_int_equal(world_count(w, EFFECT_SUSPENSION_OVER, CORE_NO_CONN), 1);
	assert_true(core_suspension(w->core, ORDER, &s));
	assert_int_equal(s.from_ms, first + HOUR);
	assert_int_equal(wish(w, SUSPENSION_BEGUN, ids[ORDER], "again", MOST - HOUR + 1).err, KW_ELIMIT); /* the first one counts */
}

static void
suspensions_count_together_until_the_node_was_in_for_72_hours(void **state)
{
	struct world *w = *state;
	struct said said;

	suspend(w, ORDER, 40 * HOUR);
	world_pass(w, 40 * HOUR + SECOND);
	said = wish(w, SUSPENSION_BEGUN, ids[ORDER], "again", 33 * HOUR);
	assert_int_equal(said.err, KW_ELIMIT);
	world_restart(w); /* which does not make it forget */
	assert_int_equal(wish(w, SUSPENSION_BEGUN, ids[ORDER], "again", 33 * HOUR).err, KW_ELIMIT);
	world_forget(w);
	suspend(w, ORDER, 32 * HOUR);
	world_pass(w, 31 * HOUR);
	world_forget(w);
	resume(w, ORDER);
	world_pass(w, 71 * HOUR);
	assert_int_equal(wish(w, SUSPENSION_BEGUN, ids[ORDER], "again", 2 * HOUR).err, KW_ELIMIT);
	world_forget(w);
	suspend(w, ORDER, MINUTE);
	world_pass(w, MINUTE + SECOND);
	world_pass(w, 71 * HOUR); /* it begins anew behind each */
	assert_int_equal(wish(w, SUSPENSION_BEGUN, ids[ORDER], "again", 2 * HOUR).err, KW_ELIMIT);
	world_pass(w, HOUR);
	world_forget(w);
	suspend(w, ORDER, MOST);
}

static void
a_node_that_left_the_agreement_is_none_to_suspend(void **state)
{
	static const char *const left[] = {"a/police", "c/night", "d/office"};
	struct world *w = *state;
	struct agreement next;
	struct core_install i;

	suspend(w, ORDER, HOUR);
	fake_agreement(&next, 2, 3, left);
	next.coordinator = 2;
	i = world_install(w, &next);
	assert_int_equal(core_install(w->core, &i, w->now, NULL), KW_OK);
	assert_int_equal(wish(w, SUSPENSION_BEGUN, ids[NIGHT], "why", HOUR).err, KW_EAGAIN);
	for (int lane = 0; lane < KW_LANES; lane++)
		blob_unref(&i.entries[lane]);
	world_settle(w);
	assert_int_equal(wish(w, SUSPENSION_BEGUN, ids[ORDER], "why", HOUR).err, KW_ENOTFOUND);
	assert_int_equal(wish(w, SUSPENSION_BEGUN, ids[NIGHT], "why", HOUR).err, KW_OK);
	world_settle(w);
	w->agreement = next; /* what a new start finds */
}

/* ---- [O-9]: who comes meanwhile ---- */

static void
install(struct world *w, struct agreement *next)
{
	struct core_install i = world_install(w, next);

	assert_int_equal(core_install(w->core, &i, w->now, NULL), KW_OK);
	for (int lane = 0; lane < KW_LANES; lane++)
		blob_unref(&i.entries[lane]);
	world_settle(w);
	world_pass(w, 10);
}

/* What the broker does with the effect; false: the core does not want it now. */
static bool
state_again(struct world *w, uint32_t node)
{
	static uint8_t bytes[8] = "again";
	uint8_t hash[KW_HASH_LEN] = {3};
	struct broker_entry e;
	struct blob *b;

	if (!core_suspension_again(&e, w->core, node, w->now))
		return false;
	assert_string_equal(e.of_suspension.node, ids[node]);
	assert_string_equal(e.of_suspension.by, "night-desk");
	assert_string_equal(e.of_suspension.reason, "its disk was stolen");
	b = calloc(1, sizeof *b);
	assert_non_null(b);
	*b = (struct blob){.refs = 1, .gone = gone, .head = span_of(bytes, sizeof bytes), .entry = true};
	assert_int_equal(core_suspended(w->core, &e, true, b, hash, w->now, NULL), KW_OK);
	blob_unref(&b);
	return true;
}

static void
what_holds_is_stated_again_behind_another_agreement_and_nothing_else_changes(void **state)
{
	static const char *const more[] = {"a/police", "b/order", "c/night", "d/office", "e/new"};
	struct world *w = *state;
	struct agreement next;
	uint64_t was;

	suspend(w, ORDER, HOUR);
	was = until(w, ORDER);
	assert_int_equal(world_count(w, EFFECT_SUSPENSION_AGAIN, CORE_NO_CONN), 0);
	world_pass(w, 10 * MINUTE);
	w->now.wall_ms += 30 * MINUTE; /* set ahead: its end is that of the other clock */
	world_forget(w);
	fake_agreement(&next, 2, 5, more);
	next.coordinator = OFFICE;
	install(w, &next);
	assert_int_equal(world_count(w, EFFECT_SUSPENSION_AGAIN, CORE_NO_CONN), 1);
	assert_int_equal(world_find(w, EFFECT_SUSPENSION_AGAIN, CORE_NO_CONN, 0)->over.node, ORDER);
	assert_true(state_again(w, ORDER));
	world_settle(w);
	assert_true(world_find(w, EFFECT_SUSPENSION, CORE_NO_CONN, 0)->suspension.stored && world_find(w, EFFECT_SUSPENSION, CORE_NO_CONN, 0)->suspension.again);
	assert_int_equal(until(w, ORDER), was);
	world_hello(w, 20, 4);
	world_settle(w);
	assert_int_equal(world_count(w, EFFECT_DELIVER, 20), KW_LANES + 1); /* the arrivals that brought it, and this */
	world_forget(w);
	world_pass(w, 2 * SECOND);
	assert_int_equal(world_count(w, EFFECT_SUSPENSION_AGAIN, CORE_NO_CONN), 0); /* once */
	w->agreement = next;
	world_restart(w);
	world_pass(w, 2 * SECOND);
	assert_int_equal(world_count(w, EFFECT_SUSPENSION_AGAIN, CORE_NO_CONN), 0); /* also behind a new start */
	w->now.wall_ms -= 30 * MINUTE;
	world_pass(w, 21 * MINUTE);
	assert_false(is_suspended(w, ORDER)); /* which goes by the wall clock: 1 h since it began */
}

/* By chance, or since an operator says the same twice: somebody waits for its answer. */
static void
a_wish_that_ends_when_the_one_before_it_does_is_none_that_is_stated_again(void **state)
{
	struct world *w = *state;

	suspend(w, ORDER, HOUR);
	world_pass(w, 10 * MINUTE);
	world_forget(w);
	suspend(w, ORDER, 50 * MINUTE);
	assert_false(world_find(w, EFFECT_SUSPENSION, CORE_NO_CONN, 0)->suspension.again);
	world_pass(w, 50 * MINUTE + SECOND);
	assert_false(is_suspended(w, ORDER));
}

static void
what_ends_while_it_is_stated_again_is_over(void **state)
{
	static const char *const more[] = {"a/police", "b/order", "c/night", "d/office", "e/new"};
	struct world *w = *state;
	struct agreement next;

	suspend(w, ORDER, HOUR);
	fake_agreement(&next, 2, 5, more);
	next.coordinator = OFFICE;
	install(w, &next);
	world_forget(w);
	assert_true(state_again(w, ORDER));
	w->now.wall_ms += HOUR;
	w->now.mono_ms += HOUR;
	core_tick(w->core, w->now); /* before the disk has it */
	assert_false(is_suspended(w, ORDER));
	world_settle(w);
	assert_false(is_suspended(w, ORDER));
	world_pass(w, 2 * SECOND);
	assert_int_equal(world_count(w, EFFECT_SUSPENSION_OVER, CORE_NO_CONN), 1);
	w->agreement = next;
}

static void
what_cannot_be_stated_now_is_tried_again(void **state)
{
	static const char *const more[] = {"a/police", "b/order", "c/night", "d/office", "e/new"};
	struct world *w = *state;
	struct agreement next;

	suspend(w, ORDER, HOUR);
	world_forget(w);
	fake_agreement(&next, 2, 5, more);
	next.coordinator = OFFICE;
	install(w, &next); /* and nobody had memory for an entry */
	world_forget(w);
	world_pass(w, 2 * SECOND);
	assert_true(world_count(w, EFFECT_SUSPENSION_AGAIN, CORE_NO_CONN) >= 1);
	w->stuffed = true;
	world_forget(w);
	assert_true(state_again(w, ORDER));
	assert_false(state_again(w, ORDER)); /* one at a time */
	world_commit(w);
	world_pass(w, SECOND);
	assert_false(world_find(w, EFFECT_SUSPENSION, CORE_NO_CONN, 0)->suspension.stored);
	assert_true(is_suspended(w, ORDER)); /* as it was */
	w->stuffed = false;
	world_forget(w);
	world_pass(w, MINUTE + SECOND);
	assert_true(world_count(w, EFFECT_SUSPENSION_AGAIN, CORE_NO_CONN) >= 1);
	assert_true(state_again(w, ORDER));
	world_settle(w);
	assert_true(world_find(w, EFFECT_SUSPENSION, CORE_NO_CONN, 0)->suspension.stored);
	resume(w, ORDER);
	assert_false(state_again(w, ORDER));
	w->agreement = next;
}

/* ---- what else goes on ---- */

static void
a_case_goes_on_to_the_next_of_the_line_when_the_turn_is_over(void **state)
{
	struct world *w = *state;
	uint8_t id[KW_ID_LEN];
	struct header h;

	w->agreement.topic.has_responsible = true;
	w->agreement.line[0] = ORDER;
	w->agreement.line[1] = NIGHT;
	w->agreement.line_count = 2;
	suspend(w, ORDER, HOUR);
	world_header(w, &h, POLICE);
	h.type = TYPE_REQUEST;
	h.lane = LANE_URGENT;
	h.expires_ms = w->now.wall_ms + 24 * HOUR;
	memcpy(id, h.id, KW_ID_LEN);
	world_offer(w, POLICE, &h, NODES - 1, 300);
	world_settle(w);
	world_pass(w, 10);
	assert_string_equal(world_stated(w, id)->of_case.owner, ids[ORDER]); /* its turn, as a silent node's */
	world_pass(w, MINUTE);
	assert_string_equal(world_stated(w, id)->of_case.owner, ids[NIGHT]);
	world_pass(w, MINUTE);
	assert_string_equal(world_stated(w, id)->of_case.owner, ids[OFFICE]);
}

static void
what_the_store_says_of_a_suspension_is_read_whole_or_refused(void **state)
{
	struct world *w = *state;
	uint8_t bytes[STORE_SUSPENSION_MAX];
	size_t len;

	suspend(w, ORDER, HOUR);
	len = w->suspended[ORDER].len;
	memcpy(bytes, w->suspended[ORDER].bytes, len);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(core_load_suspension(w->core, (node_no){NIGHT}, span_of(bytes, cut), NULL), KW_ECORRUPT);
	assert_int_equal(core_load_suspension(w->core, (node_no){NODES}, span_of(bytes, len), NULL), KW_ECORRUPT);
	bytes[len] = 0;
	assert_int_equal(core_load_suspension(w->core, (node_no){NIGHT}, span_of(bytes, len + 1), NULL), KW_ECORRUPT);
	bytes[0] = 3; /* a form to come */
	assert_int_equal(core_load_suspension(w->core, (node_no){NIGHT}, span_of(bytes, len), NULL), KW_ECORRUPT);
	bytes[0] = 1; /* the form of before had no version behind the times */
	memmove(bytes + 26, bytes + 30, len - 30);
	assert_int_equal(core_load_suspension(w->core, (node_no){NIGHT}, span_of(bytes, len - 4), NULL), KW_OK);
	memcpy(bytes, w->suspended[ORDER].bytes, len);
	bytes[10] = 0xFF; /* until: far beyond 72 hours */
	assert_int_equal(core_load_suspension(w->core, (node_no){NIGHT}, span_of(bytes, len), NULL), KW_ECORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_is_suspended_hears_so_and_is_out_before_the_log_has_it, begin, end),
		cmocka_unit_test_setup_teardown(everybody_else_gets_the_entry_and_the_suspended_one_later, begin, end),
		cmocka_unit_test_setup_teardown(what_it_says_of_the_log_stops_nobody, begin, end),
		cmocka_unit_test_setup_teardown(it_ends_by_itself_on_the_clock_that_nobody_sets, begin, end),
		cmocka_unit_test_setup_teardown(a_new_start_forgets_no_suspension, begin, end),
		cmocka_unit_test_setup_teardown(what_is_over_or_lifted_stays_so_after_a_new_start, begin, end),
		cmocka_unit_test_setup_teardown(a_store_without_room_suspends_nobody, begin, end),
		cmocka_unit_test_setup_teardown(a_wish_is_refused_in_one_sentence, begin, end),
		cmocka_unit_test_setup_teardown(a_suspension_is_replaced_but_never_beyond_72_hours_from_its_beginning, begin, end),
		cmocka_unit_test_setup_teardown(a_wish_at_the_moment_when_a_suspension_is_over_replaces_none, begin, end),
		cmocka_unit_test_setup_teardown(suspensions_count_together_until_the_node_was_in_for_72_hours, begin, end),
		cmocka_unit_test_setup_teardown(a_node_that_left_the_agreement_is_none_to_suspend, begin, end),
		cmocka_unit_test_setup_teardown(what_holds_is_stated_again_behind_another_agreement_and_nothing_else_changes, begin, end),
		cmocka_unit_test_setup_teardown(a_wish_that_ends_when_the_one_before_it_does_is_none_that_is_stated_again, begin, end),
		cmocka_unit_test_setup_teardown(what_ends_while_it_is_stated_again_is_over, begin, end),
		cmocka_unit_test_setup_teardown(what_cannot_be_stated_now_is_tried_again, begin, end),
		cmocka_unit_test_setup_teardown(a_case_goes_on_to_the_next_of_the_line_when_the_turn_is_over, begin, end),
		cmocka_unit_test_setup_teardown(what_the_store_says_of_a_suspension_is_read_whole_or_refused, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
