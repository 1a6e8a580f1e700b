/*
 * test_broker_random: the broker's core under random events from a seed, watched by an oracle that knows the promises: every
 * reader gets what is meant for it, in order, without a hole, nothing else, and never more than its window; what was said
 * to be stored is in the log; when the faults stop, everything drains. A failing seed is printed: KW_SEED=n runs it alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core_world.h"

#define NODES 7
#define CONNS 12
#define STEPS 600
#define IDS_MAX 4096

static const char *const all_ids[NODES] = {"aid/post", "city/desk", "city/order", "police/control", "police/second", "school/office", "youth/house"};

struct reader { bool open; uint32_t node; uint64_t last[KW_LANES]; uint32_t unacked[KW_LANES]; uint32_t window; uint64_t acked[KW_LANES]; };

struct run {
	struct world w;
	uint64_t random;
	struct reader conn[CONNS];             /* node: index into all_ids */
	uint32_t member_mask;                  /* of the agreement in force */
	uint32_t version;
	bool installing;
	struct agreement versions[64];
	uint8_t audience[IDS_MAX];             /* by id's number */
	bool stored[IDS_MAX];
	uint32_t checked;                      /* of what was said */
	uint64_t delivered;
	uint64_t kept[NODES][KW_LANES];        /* what each node's own inbox has */
};

static uint32_t
draw(struct run *r, uint32_t below)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return (uint32_t)(r->random >> 33) % below;
}

static uint32_t
mask_of(const struct run *r, const struct world_entry *e)
{
	uint32_t mask = 0;
	const struct agreement *a;

	if (!e->op.entry)
		return r->audience[be64_get(e->op.id + 8)];
	a = &r->versions[e->op.frame_hash[0]];
	for (uint32_t i = 0; i < a->count; i++)
		for (uint32_t k = 0; k < NODES; k++)
			mask |= strcmp(a->id[i], all_ids[k]) == 0 ? 1u << k : 0;
	return mask;
}

static void
check_delivery(struct run *r, const struct core_effect *e)
{
	struct reader *x = &r->conn[e->conn];
	enum lane lane = e->deliver.at.lane;
	bool found = false;

	assert_true(x->open);
	for (uint32_t i = 0; i < r->w.log_count; i++) {
		const struct world_entry *l = &r->w.log[i];

		if (l->at.lane != lane || l->at.number <= x->last[lane] || l->at.number > e->deliver.at.number)
			continue;
		if (l->at.number == e->deliver.at.number) {
			found = true;
			assert_true(mask_of(r, l) >> x->node & 1);
			assert_int_equal(e->deliver.commit, l->commit);
		} else {
			assert_false(mask_of(r, l) >> x->node & 1); /* a hole */
		}
	}
	assert_true(found);
	x->last[lane] = e->deliver.at.number;
	if (x->last[lane] > r->kept[x->node][lane])
		r->kept[x->node][lane] = x->last[lane];
	x->unacked[lane]++;
	assert_true(x->unacked[lane] <= x->window);
	r->delivered++;
}

/* [K-4] Who comes in with this version, anew or again, begins at its entries. */
static void
newcomers(struct run *r)
{
	const struct agreement *before = &r->versions[r->version], *now = &r->versions[r->version + 1];

	for (uint32_t i = 0; i < r->w.log_count; i++) {
		const struct world_entry *l = &r->w.log[i];

		if (!l->op.entry || l->op.frame_hash[0] != now->version)
			continue;
		for (uint32_t k = 0; k < NODES; k++)
			if (agreement_node(before, all_ids[k]) == AGREEMENT_NOBODY && agreement_node(now, all_ids[k]) != AGREEMENT_NOBODY &&
			    r->kept[k][l->at.lane] < l->at.number - 1)
				r->kept[k][l->at.lane] = l->at.number - 1;
	}
}

static void
look(struct run *r)
{
	for (; r->checked < r->w.said_count; r->checked++) {
		const struct core_effect *e = &r->w.said[r->checked];

		if (e->kind == EFFECT_DELIVER)
			check_delivery(r, e);
		else if (e->kind == EFFECT_DROP || (e->kind == EFFECT_REFUSED && e->refused.code == CODE_REPLACED))
			r->conn[e->conn].open = false;
		else if (e->kind == EFFECT_INSTALLED) {
			newcomers(r);
			r->version++;
		}
		if (e->kind == EFFECT_INSTALLED || e->kind == EFFECT_INSTALL_FAILED)
			r->installing = false;
	}
	world_forget(&r->w);
	r->checked = 0;
}

static void
close_members(struct run *r) /* who left is out when the version is in force */
{
	const struct agreement *a = core_agreement(r->w.core);

	r->member_mask = 0;
	for (uint32_t k = 0; k < NODES; k++)
		r->member_mask |= agreement_node(a, all_ids[k]) != AGREEMENT_NOBODY ? 1u << k : 0;
	for (uint32_t i = 0; i < CONNS; i++)
		if (r->conn[i].open && !(r->member_mask >> r->conn[i].node & 1))
			r->conn[i].open = false;
}

static void
do_hello(struct run *r, uint32_t conn, uint32_t node, uint32_t window)
{
	struct wire_hello h = world_plain_hello();
	struct reader *x = &r->conn[conn];

	look(r);
	if (!(r->member_mask >> node & 1))
		return;
	if (x->open && x->node != node)
		return; /* a connection is one node's for ever */
	if (!x->open)
		core_closed(r->w.core, conn); /* the number is given anew */
	for (int lane = 0; lane < KW_LANES; lane++) {
		h.window[lane].messages = window;
		h.cursor[lane] = (struct lane_cursor){1, r->kept[node][lane]};
	}
	for (uint32_t i = 0; i < CONNS; i++)
		if (r->conn[i].open && r->conn[i].node == node && i != conn)
			r->conn[i].open = false; /* replaced */
	*x = (struct reader){.open = true, .node = node, .window = window};
	memcpy(x->last, r->kept[node], sizeof x->last);
	world_hello_as(&r->w, conn, agreement_node(core_agreement(r->w.core), all_ids[node]), &h, SEEN_NONE);
	assert_int_equal(core_service(r->w.core), SERVICE_SERVING);
}

static void
do_publish(struct run *r, uint32_t conn)
{
	const struct agreement *a = core_agreement(r->w.core);
	struct reader *x = &r->conn[conn];
	struct header h;
	uint32_t mask = r->member_mask & ~(1u << x->node), wraps = 0;

	if (!x->open || r->w.next_id + 2 >= IDS_MAX)
		return;
	world_header(&r->w, &h, agreement_node(a, all_ids[x->node]));
	h.lane = (enum lane)draw(r, KW_LANES);
	if (draw(r, 2) == 0) {
		mask &= draw(r, 1u << NODES);
		for (uint32_t k = 0; k < NODES; k++)
			if (mask >> k & 1)
				strcpy(h.to[h.to_count++], all_ids[k]);
		if (h.to_count == 0)
			return;
	}
	for (uint32_t k = 0; k < NODES; k++)
		wraps += mask >> k & 1;
	if (wraps == 0)
		return;
	r->audience[r->w.next_id] = (uint8_t)mask;
	world_offer(&r->w, conn, &h, wraps, 1 + draw(r, 3000));
	if (draw(r, 10) == 0)
		world_offer(&r->w, conn, &h, wraps, 1 + draw(r, 2)); /* again, perhaps with other bytes */
}

static void
do_ack(struct run *r, uint32_t conn)
{
	struct reader *x = &r->conn[conn];
	enum lane lane = (enum lane)draw(r, KW_LANES);

	if (!x->open || x->unacked[lane] == 0)
		return;
	world_ack(&r->w, conn, lane, x->last[lane]);
	x->unacked[lane] = 0;
	x->acked[lane] = x->last[lane];
}

static void
do_install(struct run *r)
{
	struct agreement *next = &r->versions[r->version + 1];
	const char *ids[NODES];
	struct core_install i;
	uint32_t n = 0;

	if (r->installing || r->version + 2 >= 64)
		return;
	for (uint32_t k = 0; k < NODES; k++)
		if (draw(r, 5) > 0 || k < 2)
			ids[n++] = all_ids[k];
	fake_agreement(next, r->version + 1, n, ids);
	i = world_install(&r->w, next);
	for (int lane = 0; lane < KW_LANES; lane++)
		i.entry_hash[lane][0] = (uint8_t)next->version;
	r->installing = core_install(r->w.core, &i, r->w.now, NULL) == KW_OK;
	for (int lane = 0; lane < KW_LANES; lane++)
		blob_unref(&i.entries[lane]);
}

static void
step(struct run *r)
{
	uint32_t conn = draw(r, CONNS);

	switch (draw(r, 16)) {
	case 0: do_hello(r, conn, draw(r, NODES), 1 + draw(r, 40)); break;
	case 1:
		if (draw(r, 4) == 0) {
			core_closed(r->w.core, conn);
			r->conn[conn].open = false;
		}
		break;
	case 2: case 3: case 4: case 5: do_publish(r, conn); break;
	case 6: case 7: case 8: do_ack(r, conn); break;
	case 9: case 10:
		if (draw(r, 20) == 0)
			r->w.fail_next = KW_EFULL;
		(void)world_commit_then(&r->w, draw(r, 3) == 0 ? draw(r, 30) : 0);
		break;
	case 11: case 12: (void)world_deliver(&r->w, 1 + draw(r, 30)); break;
	case 13:
		for (uint32_t i = 0; i < CONNS; i++)
			(void)core_heard(r->w.core, i, r->w.now);
		r->w.now.mono_ms += draw(r, 3000);
		core_tick(r->w.core, r->w.now);
		world_drain(&r->w);
		break;
	case 14:
		if (draw(r, 8) == 0)
			do_install(r);
		break;
	default: do_ack(r, conn); do_publish(r, conn); break;
	}
	look(r);
	close_members(r);
}

/* Faults stop: every member comes, reads and acknowledges; in the end nothing is left for anybody. */
static void
drain(struct run *r)
{
	r->w.fail_next = KW_OK;
	world_settle(&r->w);
	look(r);
	close_members(r);
	for (uint32_t k = 0; k < NODES; k++) {
		r->conn[k].open = false;
		do_hello(r, k, k, 20);
	}
	for (int round = 0; round < 2000; round++) {
		uint64_t before = r->delivered;

		world_settle(&r->w);
		look(r);
		close_members(r);
		for (uint32_t k = 0; k < NODES; k++)
			for (int lane = 0; lane < KW_LANES; lane++)
				if (r->conn[k].open && r->conn[k].unacked[lane] > 0) {
					world_ack(&r->w, k, (enum lane)lane, r->conn[k].last[lane]);
					r->conn[k].unacked[lane] = 0;
				}
		if (r->delivered == before)
			break;
	}
	for (uint32_t i = 0; i < r->w.log_count; i++)
		for (uint32_t k = 0; k < NODES; k++)
			if (r->member_mask >> k & 1 & mask_of(r, &r->w.log[i]) >> k)
				assert_true(r->kept[k][r->w.log[i].at.lane] >= r->w.log[i].at.number);
}

static void
run_seed(uint64_t seed)
{
	struct core_limits limits = core_limits_default;
	struct run *r = calloc(1, sizeof *r);

	assert_non_null(r);
	printf("seed %llu\n", (unsigned long long)seed);
	limits.queue_messages = 5; /* small, so that every reader falls behind now and then */
	limits.queue_bytes = 20000;
	limits.batch_appends = 20;
	limits.page_entries = 7;
	world_begin_with(&r->w, NODES, all_ids, &limits);
	fake_agreement(&r->versions[0], 0, NODES, all_ids); /* the entries of version 1 carry no number: 0 */
	fake_agreement(&r->versions[1], 1, NODES, all_ids);
	r->version = 1;
	r->member_mask = (1u << NODES) - 1;
	r->random = seed * 0x9E3779B97F4A7C15ull + 1;
	for (int i = 0; i < STEPS; i++)
		step(r);
	drain(r);
	assert_true(r->delivered > 20); /* a run in which nothing happened proves nothing */
	world_end(&r->w);
	free(r);
}

static void
every_promise_holds_for_every_seed(void **state)
{
	const char *one = getenv("KW_SEED");

	(void)state;
	if (one != NULL) {
		run_seed(strtoull(one, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= 150; seed++)
		run_seed(seed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_promise_holds_for_every_seed)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
