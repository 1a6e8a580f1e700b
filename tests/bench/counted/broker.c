/*
 * broker: what a notification, and a case, costs the broker from what is published to its delivery and the acknowledgement, and what retention and
 * LMDB take of it later.
 */
#include <stdio.h>

#include "base/clock.h"
#include "counted.h"
#include "house.h"

#define FRAME_LEN 800u
#define AT_ONCE 64u              /* published in one turn, and one commit */
#define ROUNDS 32u               /* of one cycle, which ends with retention and all of it in LMDB */
#define APPLIES 4                /* transactions of LMDB, more than what is left over takes */
#define FAN_AT_ONCE 16u
#define CASES 64u                /* under way at once */

/* LMDB gets everything that the journal holds, in one transaction, and goes on a little with retention that is left over. */
static void
apply(struct house *h)
{
	struct store_op op = {.kind = OP_PURGE, .purge = {400}};
	struct store_batch b = {.ops = &op, .count = 1, .now_ms = clock_wall_ms(), .waits = true};
	struct kw_why why;
	enum kw_err err;

	counted_on();
	err = h->store->ops->commit(h->store, &b, &why);
	(void)counted_off();
	load_must(err, &why);
}

static void
pass(struct house *h, uint32_t ms)
{
	counted_pass(ms);
	house_settle(h);
}

/*
 * So long that retention is done with all that it had to do. Time stands still meanwhile: with something left over the store's thread would go on by
 * itself as soon as its time has come, at a moment that the scheduler chooses.
 */
static void
end_cycle(struct house *h)
{
	for (int s = 0; s < 2; s++) {
		pass(h, 1000);
		for (uint32_t i = 0; i < APPLIES; i++)
			apply(h);
	}
}

/* Every cycle is sealed anew, so each is sent once. */
static void
relay_cycle(struct house *h, const struct pool_wish *wish, uint32_t at_once, uint32_t first_reader, uint32_t readers)
{
	struct pool p;

	load_pool_make(&p, &h->load, wish);
	house_begin_pool(h, &p);
	for (uint32_t i = 0; i < p.count; i++) {
		house_say(h, POLICE, &p.at[i]);
		if ((i + 1) % at_once == 0)
			pass(h, at_once == 1 ? 1 : 3);
	}
	end_cycle(h);
	for (uint32_t i = first_reader; i < first_reader + readers; i++)
		if (h->nodes[i].delivered != p.count)
			load_fail("%s got %u of %u", h->nodes[i].id, h->nodes[i].delivered, p.count);
	if (h->nodes[POLICE].stored != p.count)
		load_fail("%u of %u were stored", h->nodes[POLICE].stored, p.count);
	load_pool_free(&p);
}

/* The second cycle: the first one warms up, and leaves what retention of the second has to do. */
static void
relayed(struct house *h)
{
	struct pool_wish wish = {.sender = "police/control-room", .topic = "alert/fire", .lane = LANE_ROUTINE, .count = ROUNDS * AT_ONCE, .frame_len = FRAME_LEN};

	relay_cycle(h, &wish, AT_ONCE, ORDER, 1);
	counted_forget();
	relay_cycle(h, &wish, AT_ONCE, ORDER, 1);
	counted_end("relay", wish.count);
}

static void
relayed_singly(struct house *h)
{
	struct pool_wish wish = {.sender = "police/control-room", .topic = "alert/fire", .lane = LANE_FLASH, .count = 240, .frame_len = FRAME_LEN};

	relay_cycle(h, &wish, 1, ORDER, 1);
	counted_end("relay.single", wish.count);
}

static void
fanned_out(struct house *h)
{
	struct pool_wish wish = {.sender = "police/control-room", .topic = "fan/fire", .lane = LANE_FLASH, .count = 4 * FAN_AT_ONCE, .payload_len = 300};

	relay_cycle(h, &wish, FAN_AT_ONCE, FAN, HOUSE_FAN);
	counted_forget();
	relay_cycle(h, &wish, FAN_AT_ONCE, FAN, HOUSE_FAN);
	counted_end("fan.100", wish.count);
}

/* ---- cases ---- */

static void
say_all(struct house *h, uint32_t node, const struct pool *p)
{
	for (uint32_t i = 0; i < p->count; i++)
		house_say(h, node, &p->at[i]);
	pass(h, 3);
}

/* Asked for, offered, taken, done: three publishes and what the broker states about each. */
static void
case_cycle(struct house *h)
{
	struct pool_wish wish = {.sender = "police/control-room", .topic = "case/noise", .lane = LANE_URGENT, .count = CASES, .payload_len = 300};
	struct pool opening, taking, closing;

	load_pool_make(&opening, &h->load, &wish);
	wish.sender = "city/public-order";
	wish.payload_len = LOAD_MOVE_BYTES;
	wish.about = &opening;
	wish.move = TYPE_TAKEN;
	load_pool_make(&taking, &h->load, &wish);
	wish.move = TYPE_DONE;
	load_pool_make(&closing, &h->load, &wish);
	house_begin_pool(h, NULL);
	say_all(h, POLICE, &opening);
	say_all(h, ORDER, &taking);
	say_all(h, ORDER, &closing);
	end_cycle(h);
	if (h->nodes[POLICE].stored != CASES || h->nodes[ORDER].stored != 2 * CASES || h->nodes[POLICE].entries != 3 * CASES || h->nodes[POLICE].delivered != 2 * CASES)
		load_fail("of %u cases %u were opened and %u moves stored, and their sender was told %u times and %u moves", CASES, h->nodes[POLICE].stored,
		          h->nodes[ORDER].stored, h->nodes[POLICE].entries, h->nodes[POLICE].delivered);
	load_pool_free(&opening);
	load_pool_free(&taking);
	load_pool_free(&closing);
}

static void
cases(struct house *h)
{
	case_cycle(h);
	counted_forget();
	case_cycle(h);
	counted_end("case", CASES);
}

void
count_broker(void)
{
	struct house *h = load_memory(1, sizeof *h);

	house_open(h, "broker", true);
	h->counts = COUNTS_BROKER;
	relayed(h);
	relayed_singly(h);
	fanned_out(h);
	cases(h);
	house_close(h);
	free(h);
}
