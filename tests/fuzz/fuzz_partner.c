/*
 * Bytes as events for the pure parts of a node's core, each with a model beside it that knows the promises. The first byte says which:
 * the connection, what is offered to the broker, receipts, late confirmations, a handler's way, running numbers, catching up, names in
 * the spool.
 */
#include <stdlib.h>
#include <string.h>

#include "base/span.h"
#include "base/text.h"
#include "clients/partner/core/catchup.h"
#include "clients/partner/core/confirmations.h"
#include "clients/partner/core/handling.h"
#include "clients/partner/core/link.h"
#include "clients/partner/core/numbers.h"
#include "clients/partner/core/receipts.h"
#include "clients/partner/core/sending.h"
#include "clients/partner/core/spooling.h"
#include "fuzz.h"
#include "proto/limits.h"

#define BEGIN_MS 1000000u

static uint32_t
pick(struct cursor *in, uint32_t below)
{
	return cursor_u8(in) % below;
}

/* Time that passes: none, little, or much. */
static uint64_t
some_ms(struct cursor *in)
{
	static const uint64_t steps[] = {0, 1, 20, 250, 1000, 5000, 15000, 30000, 60000, 300000};

	return steps[pick(in, sizeof steps / sizeof steps[0])];
}

/* ---- the connection ---- */

struct line { bool open, said_hello; uint64_t closed_ms; };

static void
orders(struct link *l, struct line *x, uint64_t now)
{
	enum link_order o;
	unsigned n = 0;

	while ((o = link_next(l)) != LINK_NOTHING) {
		HOLDS(++n < 10, "orders without an end");
		switch (o) {
		case LINK_OPEN:
			HOLDS(!x->open, "opened twice");
			HOLDS(l->endpoint < l->endpoints, "an endpoint that is none");
			*x = (struct line){.open = true};
			break;
		case LINK_CLOSE:
			HOLDS(x->open, "closed what is not open");
			*x = (struct line){.closed_ms = now};
			HOLDS(l->until_ms >= now + LINK_WAIT_MIN_MS / 2, "it comes back in a fast circle");
			break;
		case LINK_SAY_HELLO:
			HOLDS(x->open && !x->said_hello, "hello twice, or to nobody");
			x->said_hello = true;
			break;
		case LINK_BEAT:
			HOLDS(x->open && x->said_hello, "a beat before hello");
			break;
		default:
			HOLDS(false, "an order that is none");
		}
	}
	HOLDS((l->state == LINK_WAITING) == !x->open, "it waits with a connection");
	HOLDS(l->state != LINK_READY || x->said_hello, "ready without a hello");
}

static void
of_link(struct cursor *in)
{
	struct link l;
	struct line x = {0};
	uint64_t now = BEGIN_MS;

	link_init(&l, 1 + pick(in, 4), cursor_u8(in), now);
	while (cursor_left(in) > 0) {
		uint8_t what = cursor_u8(in);
		uint64_t wake = link_wake_ms(&l);

		switch (what % 9) {
		case 0: now += some_ms(in); break;
		case 1: now = wake > now ? wake : now; break;
		case 2: link_connected(&l, now); break;
		case 3: link_failed(&l, now); break;
		case 4: link_heard(&l, now); break;
		case 5: link_sent(&l, now); break;
		case 6: link_welcomed(&l, now); break;
		case 7: (void)link_refused(&l, (enum wire_code)pick(in, CODE_LAST + 2), cursor_u8(in) * 100u, now); break;
		default: link_endpoints(&l, 1 + pick(in, 4));
		}
		orders(&l, &x, now);
		link_tick(&l, now);
		orders(&l, &x, now);
		HOLDS(link_wake_ms(&l) > now, "it wants to be asked again at once");
		HOLDS(l.state == LINK_READY || link_wake_ms(&l) <= now + KW_SILENT_MS + LINK_WAIT_MAX_MS, "it waits too long");
	}
}

/* ---- what is offered ---- */

enum { OUTBOX_MAX = 200, WAITS = 0, GONE = 1 };

struct outbox { uint8_t lane[OUTBOX_MAX], bytes[OUTBOX_MAX], state[OUTBOX_MAX]; bool asked[OUTBOX_MAX]; uint32_t count; struct lane_window window[KW_LANES]; };

static void
id_of(uint8_t id[KW_ID_LEN], uint64_t seq)
{
	memset(id, 0, KW_ID_LEN);
	be64_put(id + 8, seq);
}

static void
offer_all(struct sending *s, struct outbox *o, uint64_t now, unsigned most)
{
	uint32_t bytes_free;
	uint64_t after;
	enum lane lane;

	for (unsigned n = 0; n < most && sending_want(s, &lane, &after, &bytes_free, now); n++) {
		uint64_t seq = after + 1;
		uint8_t id[KW_ID_LEN];

		while (seq <= o->count && (o->lane[seq - 1] != lane || o->state[seq - 1] == GONE))
			seq++;
		if (seq > o->count) {
			sending_empty(s, lane);
		} else if (o->asked[seq - 1]) {
			HOLDS(sending_unanswered(s, lane, seq), "it forgot what is unanswered");
			sending_skip(s, lane, seq);
		} else if (o->bytes[seq - 1] > bytes_free) {
			sending_full(s, lane);
		} else {
			HOLDS(!sending_unanswered(s, lane, seq), "it remembers what was never offered");
			id_of(id, seq);
			sending_offered(s, lane, seq, id, o->bytes[seq - 1], now);
			o->asked[seq - 1] = true;
		}
	}
}

static void
window_kept(const struct sending *s, const struct outbox *o)
{
	for (int lane = 0; lane < KW_LANES; lane++) {
		uint32_t n = 0, bytes = 0, most = o->window[lane].messages > 1 ? o->window[lane].messages : 1;

		for (uint32_t i = 0; i < o->count; i++)
			if (o->asked[i] && o->lane[i] == lane) {
				n++;
				bytes += o->bytes[i];
			}
		HOLDS(n == sending_count(s, (enum lane)lane), "it counts otherwise");
		HOLDS(n <= most && (n <= 1 || bytes <= o->window[lane].bytes), "beyond the broker's window");
	}
}

static void
answer(struct sending *s, struct outbox *o, uint64_t seq, uint8_t how, uint32_t wait_ms, uint64_t now)
{
	static const enum wire_code codes[] = {CODE_SLOW_DOWN, CODE_STORE_FULL, CODE_DENIED, CODE_AGREEMENT_OLD, CODE_AGREEMENT_UNKNOWN, CODE_EXPIRED, CODE_CONFLICT, CODE_STOPPING};
	bool mine = seq >= 1 && seq <= o->count && o->asked[seq - 1];
	enum sending_fate fate;
	uint8_t id[KW_ID_LEN];

	id_of(id, seq);
	if (how % 2 == 0) {
		HOLDS(sending_stored(s, id) == mine, "an answer to what was not asked, or none");
		if (mine)
			o->state[seq - 1] = GONE;
	} else {
		fate = sending_refused(s, id, codes[how / 2 % 8], wait_ms, now);
		HOLDS((fate != SENDING_UNKNOWN) == mine, "an answer to what was not asked, or none");
		if (fate == SENDING_FOR_GOOD || fate == SENDING_ANEW)
			o->state[seq - 1] = GONE;
	}
	if (mine)
		o->asked[seq - 1] = false;
}

/* The connection is good from now on, and every answer comes: everything goes out. */
static void
all_goes_out(struct sending *s, struct outbox *o, uint64_t now)
{
	for (uint32_t left = OUTBOX_MAX + 1, turn = 0; left > 0; turn++) {
		HOLDS(turn < 3 * OUTBOX_MAX, "something is never offered");
		now += 1000;
		offer_all(s, o, now, UINT32_MAX);
		window_kept(s, o);
		left = 0;
		for (uint32_t i = 0; i < o->count; i++) {
			if (o->asked[i])
				answer(s, o, i + 1, 0, 0, now);
			left += o->state[i] == WAITS;
		}
	}
}

static void
of_sending(struct cursor *in)
{
	struct outbox *o = calloc(1, sizeof *o);
	struct sending *s = NULL;
	uint64_t now = BEGIN_MS;
	bool open = false;

	if (o == NULL || sending_new(&s) != KW_OK)
		abort();
	while (cursor_left(in) > 0) {
		switch (pick(in, 8)) {
		case 0: case 1:
			if (o->count < OUTBOX_MAX) {
				o->lane[o->count] = (uint8_t)pick(in, KW_LANES);
				o->bytes[o->count] = cursor_u8(in);
				sending_added(s, (enum lane)o->lane[o->count++]);
			}
			break;
		case 2: case 3: offer_all(s, o, now, 1 + pick(in, 16)); break;
		case 4: case 5:
			answer(s, o, cursor_u8(in), cursor_u8(in), cursor_u8(in), now);
			break;
		case 6: now += some_ms(in); break;
		default:
			open = !open;
			memset(o->asked, 0, sizeof o->asked);
			for (int lane = 0; lane < KW_LANES; lane++)
				o->window[lane] = (struct lane_window){pick(in, 6), cursor_u8(in) * 4u};
			if (open)
				sending_start(s, o->window);
			else
				sending_stop(s);
		}
		window_kept(s, o);
		(void)sending_stalled(s, now);
		(void)sending_wake_ms(s);
	}
	memset(o->asked, 0, sizeof o->asked);
	for (int lane = 0; lane < KW_LANES; lane++)
		o->window[lane] = (struct lane_window){4, 1000};
	sending_start(s, o->window);
	all_goes_out(s, o, now);
	sending_free(&s);
	free(o);
}

/* ---- receipts ---- */

enum { DUE_MAX = 300 };
struct due { struct receipt_due due; uint64_t added_ms; bool taken; };

static void
take_receipts(struct receipts *r, struct due *all, uint32_t count, uint64_t now)
{
	uint64_t seqs[KW_RECEIPTS_MAX];
	uint32_t n;

	while ((n = receipts_take(r, seqs, now)) > 0) {
		HOLDS(n <= KW_RECEIPTS_MAX, "more under one signature than may be");
		for (uint32_t i = 0; i < n; i++) {
			struct due *d = &all[(seqs[i] - 1) % DUE_MAX], *first = &all[(seqs[0] - 1) % DUE_MAX];

			HOLDS(seqs[i] >= 1 && seqs[i] <= count && !d->taken, "confirmed twice, or what never came");
			HOLDS(strcmp(d->due.sender, first->due.sender) == 0 && strcmp(d->due.topic, first->due.topic) == 0 && d->due.lane == first->due.lane, "not of one kind");
			HOLDS(i == 0 || seqs[i] > seqs[i - 1], "out of order");
			d->taken = true;
		}
	}
	for (uint32_t i = 0; i < count; i++)
		HOLDS(all[i].taken || (now < all[i].added_ms + RECEIPTS_WAIT_MS && all[i].due.lane != LANE_FLASH && !all[i].due.at_once), "it is late");
}

static void
of_receipts(struct cursor *in)
{
	static const char *const topics[] = {"alert/flood", "a", "b"}, *const senders[] = {"city/desk", "police/control"};
	struct due *all = calloc(DUE_MAX, sizeof *all);
	struct receipts *r = NULL;
	uint64_t now = BEGIN_MS, waiting;
	uint32_t count = 0, left;

	if (all == NULL || receipts_new(&r) != KW_OK)
		abort();
	while (cursor_left(in) > 0) {
		uint8_t how = cursor_u8(in);

		if (how >= 224)
			now += some_ms(in);
		for (uint32_t n = how >= 224 ? 0 : how < 8 ? 70 : 1; n > 0 && count < DUE_MAX; n--) {
			struct due *d = &all[count++];

			d->due = (struct receipt_due){.seq = count, .lane = (enum lane)(how % KW_LANES), .at_once = how / 3 % 8 == 7};
			(void)snprintf(d->due.topic, sizeof d->due.topic, "%s", topics[how / 24 % 3]);
			(void)snprintf(d->due.sender, sizeof d->due.sender, "%s", senders[how / 72 % 2]);
			d->added_ms = now;
			if (receipts_add(r, &d->due, now) != KW_OK)
				abort();
		}
		take_receipts(r, all, count, now);
		for (uint32_t i = left = 0; i < count; i++)
			left += !all[i].taken;
		waiting = receipts_count(r);
		HOLDS(waiting == left && (receipts_wake_ms(r) == UINT64_MAX) == (left == 0), "it counts otherwise");
		HOLDS(left == 0 || receipts_wake_ms(r) > now, "it wants to be asked again at once");
	}
	receipts_free(&r);
	free(all);
}

/* ---- what is late ---- */

static void
of_confirmations(struct cursor *in)
{
	struct confirmations *c = NULL;
	uint64_t due[DUE_MAX] = {0}, now = BEGIN_MS, late, last = 0;
	uint32_t count = 0;

	if (confirmations_new(&c) != KW_OK)
		abort();
	while (cursor_left(in) > 0) {
		uint64_t least = UINT64_MAX;

		if (count < DUE_MAX && pick(in, 3) > 0) {
			due[count] = now + cursor_u16(in) % 3000;
			count++;
			if (confirmations_add(c, count, due[count - 1]) != KW_OK)
				abort();
		} else {
			now += some_ms(in);
		}
		for (last = 0; (late = confirmations_late(c, now)) != 0; last = due[late - 1], due[late - 1] = 0) {
			HOLDS(late <= count && due[late - 1] != 0 && due[late - 1] <= now, "late twice, or not yet");
			HOLDS(due[late - 1] >= last, "the later one first");
		}
		for (uint32_t i = 0; i < count; i++)
			least = due[i] != 0 && due[i] < least ? due[i] : least;
		HOLDS(confirmations_wake_ms(c) == least && least > now, "another one is next");
	}
	confirmations_free(&c);
}

/* ---- a handler ---- */

static void
of_handling(struct cursor *in)
{
	struct handling h;
	uint64_t now = BEGIN_MS, newest = cursor_u8(in) % 8, done = 0;
	uint32_t attempts = 1 + pick(in, 4), begun = 0;

	handling_init(&h, attempts, 1000 + some_ms(in), 0, pick(in, 4), pick(in, 3));
	while (cursor_left(in) > 0) {
		uint8_t how = cursor_u8(in);
		enum handling_want want = handling_want(&h, now);
		enum handling_verdict v;

		switch (want) {
		case HANDLING_SEARCH:
			HOLDS(h.seq >= done, "it goes back");
			done = h.seq;
			if (h.seq >= newest)
				handling_reached(&h, newest > h.seq ? newest : h.seq);
			else if (how % 4 == 0)
				handling_passed(&h, h.seq + 1);
			else
				handling_found(&h, h.at > h.seq && h.at <= newest && how % 8 != 1 ? h.at : h.seq + 1);
			break;
		case HANDLING_RUN:
			HOLDS(h.at > done && h.at <= newest, "it runs what is behind it, or not there");
			HOLDS(h.failures < attempts || begun == 0, "it is tried too often");
			if (how % 8 == 0) {
				handling_gone(&h);
			} else if (how % 8 == 1) {
				(void)handling_ended(&h, false, true, now);
			} else {
				handling_started(&h, now);
				begun++;
			}
			break;
		case HANDLING_TERM:
		case HANDLING_KILL:
			HOLDS(handling_want(&h, now) == HANDLING_NOTHING, "said twice");
			break;
		default:
			if ((h.state == HANDLING_RUNNING || h.state == HANDLING_ENDING || h.state == HANDLING_KILLED) && how % 2 == 0) {
				v = handling_ended(&h, how % 4 == 0, how % 32 == 2, now);
				HOLDS(v != HANDLING_AGAIN || (h.state == HANDLING_RESTING && h.failures < attempts), "again, and it does not rest");
				HOLDS(v == HANDLING_AGAIN || h.seq > done, "done, and not past it");
				HOLDS(v == HANDLING_AGAIN || h.failures == 0, "it begins with failures");
			} else if (how % 8 == 1) {
				newest++;
				handling_news(&h);
			} else {
				now += some_ms(in);
			}
		}
		HOLDS(handling_wake_ms(&h) == 0 || handling_wake_ms(&h) <= now + HANDLING_REST_MAX_MS + 400000 || handling_wake_ms(&h) == UINT64_MAX, "it sleeps too long");
		HOLDS(h.at == 0 || h.at > h.seq, "it tries what is behind it");
	}
}

/* ---- running numbers ---- */

enum { NUMBERS = 32, EPOCHS = 4 };

static void
of_numbers(struct cursor *in)
{
	uint8_t seen[EPOCHS][NUMBERS] = {{0}}; /* 1 came, 2 missing, 3 voided */
	struct numbers known = {0};

	while (cursor_left(in) > 0) {
		uint64_t epoch = pick(in, EPOCHS), number = cursor_u8(in);
		struct number_step step;
		uint8_t *place;

		if (number >= 0xF0)
			number = number == 0xF0 ? NUMBERS_MAX + 1 : number == 0xF1 ? UINT64_MAX : 0;
		if (number >= NUMBERS && number < NUMBERS_MAX) { /* what is missing is said never to come */
			place = &seen[epoch][number % NUMBERS];
			*place = *place == 2 ? 3 : *place;
			continue;
		}
		place = number < NUMBERS ? &seen[epoch][number] : NULL;
		step = numbers_judge(known, epoch, number, place == NULL || *place < 2 ? PLACE_USED : *place == 2 ? PLACE_GAP : PLACE_VOIDED);
		switch (step.verdict) {
		case NUMBER_ABSURD: HOLDS(number == 0 || number > NUMBERS_MAX, "refused without a reason"); break;
		case NUMBER_OLD_EPOCH: HOLDS(epoch < known.epoch, "not an old epoch"); break;
		case NUMBER_TWICE: HOLDS(*place == 1, "it never came before"); break;
		case NUMBER_VOID: HOLDS(*place == 3, "it was not voided"); break;
		case NUMBER_FILLS: HOLDS(*place == 2, "it was not missing"); break;
		case NUMBER_AHEAD:
			HOLDS(step.gap_first >= 1 && step.gap_first <= step.gap_last && step.gap_last == number - 1, "another gap");
			for (uint64_t k = step.gap_first; k <= step.gap_last; k++) {
				HOLDS(seen[epoch][k] == 0, "missing, and it came");
				seen[epoch][k] = 2;
			}
			/* fall through */
		case NUMBER_NEXT: HOLDS(*place == 0 && step.after.epoch == epoch && step.after.next == number + 1, "the next is another"); break;
		}
		if (step.verdict == NUMBER_NEXT || step.verdict == NUMBER_AHEAD || step.verdict == NUMBER_FILLS)
			*place = 1;
		else
			HOLDS(memcmp(&step.after, &known, sizeof known) == 0, "refused, and something changed");
		HOLDS(number_verdict_name(step.verdict)[0] != '?', "a verdict without a name");
		HOLDS(step.after.epoch > known.epoch || step.after.next >= known.next, "it counts backwards");
		known = step.after;
	}
}

/* ---- catching up ---- */

static void
of_catchup(struct cursor *in)
{
	struct catchup c;
	uint64_t tail[KW_LANES], cursor[KW_LANES], now = BEGIN_MS;
	bool was = false, behind = false;

	for (int lane = 0; lane < KW_LANES; lane++) {
		tail[lane] = pick(in, 8);
		cursor[lane] = pick(in, 8);
		behind = behind || cursor[lane] < tail[lane];
	}
	catchup_begin(&c, tail, cursor, now);
	HOLDS(catchup_lasts(&c, now) == behind, "it lasts for nothing, or does not");
	while (cursor_left(in) > 0) {
		bool lasts = catchup_lasts(&c, now), over;

		HOLDS(!lasts || now < BEGIN_MS + CATCHUP_MOST_MS, "it lasts longer than it may");
		over = catchup_over(&c, now);
		HOLDS(!(over && lasts) && !(over && was), "it ends twice, or while it lasts");
		was = was || over;
		HOLDS(was || !behind || catchup_wake_ms(&c) > now, "it wants to be asked again at once");
		if (pick(in, 2) == 0)
			now += some_ms(in);
		else
			catchup_delivered(&c, (enum lane)pick(in, KW_LANES), cursor_u8(in), now);
	}
}

/* ---- the spool's names ---- */

static void
of_spooling(struct cursor *in)
{
	char name[SPOOL_NAME_MAX + 1], out[SPOOL_NAME_MAX + 1];
	uint64_t wall = cursor_u64(in) % 250000000000000;
	uint32_t n = cursor_u8(in) < 128 ? cursor_u8(in) % 4 : cursor_u32(in);
	size_t len = cursor_left(in) < SPOOL_NAME_MAX ? cursor_left(in) : SPOOL_NAME_MAX;
	const uint8_t *bytes = cursor_take(in, len);
	enum spool_kind kind;

	if (bytes == NULL || len == 0)
		return;
	memcpy(name, bytes, len);
	name[len] = '\0';
	if (strchr(name, '/') != NULL)
		return; /* no name of a file */
	kind = spool_kind_of(name);
	(void)spool_is_own(name);
	if (kind == SPOOL_IGNORED)
		return;
	spool_name(out, name, wall, n);
	HOLDS(strlen(out) + SPOOL_NOTE_MAX <= SPOOL_NAME_MAX, "its note's name does not fit beside it");
	HOLDS(out[0] != '\0' && strchr(out, '/') == NULL && out[0] != '.', out);
	HOLDS(spool_kind_of(out) == kind || kind == SPOOL_UNKNOWN, out);
	HOLDS(n > 0 || strlen(name) + SPOOL_NOTE_MAX > SPOOL_NAME_MAX || strcmp(out, name) == 0, out);
	if (text_unclean_at(span_str(name), TEXT_LINE) == SIZE_MAX)
		HOLDS(text_unclean_at(span_str(out), TEXT_LINE) == SIZE_MAX, "cut within a character");
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static void (*const parts[])(struct cursor *in) = {of_link, of_sending, of_receipts, of_confirmations, of_handling, of_numbers, of_catchup, of_spooling};
	struct cursor in = cursor_over(span_of(p, len < 1000 ? len : 1000));

	if (len > 0)
		parts[cursor_u8(&in) % (sizeof parts / sizeof parts[0])](&in);
	return 0;
}
