/*
 * Bytes as events for the broker's core: nodes that come, publish what they may and what they may not, acknowledge what they got or never
 * got, and go; commits that hold, find no room or lose the store; time, other agreements, new starts. After each event an oracle asks:
 * each publication gets one answer, nobody gets what is meant for others, each reader gets its own in order, without a hole and within
 * its window, and numbers only go up. When the bytes are out, the faults stop and everything must drain.
 *
 * The first bytes say what the topic wants (a line, a joint release) and how small the limits are. Then an event a byte, with a few more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cases/case_agreement.h"
#include "fuzz.h"
#include "tests/unit/core_world.h"

enum { NODES = 6, CONNS = 8, IDS_MAX = 128, OFFERS_MAX = 64, VERSIONS_MAX = 8, UNACKED_MAX = 64, WINDOW_MAX = 16 };

static const char *const all_ids[NODES] = {"a/police", "b/order", "c/night", "d/office", "e/fire", "f/hall"};

struct awaited { uint64_t id; enum lane lane; };

struct reader { /* a connection as the oracle knows it */
	bool open;
	uint32_t node;                            /* index into all_ids */
	uint32_t window[KW_LANES];
	uint64_t last[KW_LANES];
	uint64_t unacked[KW_LANES][UNACKED_MAX];
	uint32_t unacked_count[KW_LANES];
	struct awaited awaited[OFFERS_MAX];       /* publications without an answer */
	uint32_t awaited_count;
};

struct run {
	struct world w;
	struct cursor in;
	struct reader conn[CONNS];
	struct agreement *version[VERSIONS_MAX + 1]; /* by number */
	uint32_t newest;
	bool installing;
	uint32_t audience[IDS_MAX];               /* by id's number, a bit a node */
	struct header offered[OFFERS_MAX];
	uint32_t offered_wraps[OFFERS_MAX], offered_body[OFFERS_MAX];
	uint32_t offered_count;
	uint32_t looked;                          /* of what was said */
	uint32_t log_looked;                      /* of the log */
	uint64_t kept[NODES][KW_LANES];           /* what each node has in its own inbox */
	uint64_t birth[NODES][KW_LANES];
	uint64_t delivered;
};

static uint32_t
pick(struct run *r, uint32_t below)
{
	return cursor_u8(&r->in) % below;
}

static uint32_t
index_of(const char *id)
{
	for (uint32_t i = 0; i < NODES; i++)
		if (strcmp(all_ids[i], id) == 0)
			return i;
	HOLDS(false, id);
	return 0;
}

static uint32_t
in_force(const struct run *r, uint32_t node)
{
	return agreement_node(core_agreement(r->w.core), all_ids[node]);
}

static uint32_t
members(const struct agreement *a)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < agreement_node_count(a); i++)
		mask |= 1u << index_of(agreement_node_id(a, i));
	return mask;
}

/* Whom the store says that an entry is for. */
static uint32_t
meant_for(const struct run *r, const struct world_entry *e)
{
	uint32_t mask = 0;

	HOLDS(e->op.set.v < r->w.sets, "an audience that the store does not know");
	for (uint32_t i = 0; i < r->w.set[e->op.set.v].count; i++)
		mask |= 1u << index_of(r->w.node[r->w.set[e->op.set.v].nodes[i].v]);
	return mask;
}

/* ---- the oracle ---- */

static void
answered(struct run *r, uint32_t conn, uint64_t id)
{
	struct reader *x = &r->conn[conn % CONNS];

	HOLDS(conn < CONNS, "an answer to nobody");
	for (uint32_t i = 0; i < x->awaited_count; i++) {
		if (x->awaited[i].id != id)
			continue;
		x->awaited[i] = x->awaited[--x->awaited_count];
		return;
	}
	HOLDS(false, "an answer that nobody waits for");
}

static void
say_closed(struct run *r, uint32_t conn)
{
	if (conn >= CONNS)
		return;
	r->conn[conn].open = false;
	r->conn[conn].awaited_count = 0;
}

static void
stored(struct run *r, const struct core_effect *e)
{
	uint32_t n = 0;

	for (uint32_t i = e->stored.first; n < e->stored.count; n++) {
		const struct core_stored *s = core_stored_item(r->w.core, i);
		bool stands = false;

		for (uint32_t k = 0; k < r->w.log_count; k++)
			stands = stands || (memcmp(r->w.log[k].op.id, s->id, KW_ID_LEN) == 0 && !r->w.log[k].op.entry &&
			                    r->w.log[k].at.lane == s->at.lane && r->w.log[k].at.number == s->at.number);
		HOLDS(stands, "stored, and not in the log");
		answered(r, e->conn, be64_get(s->id + 8));
		i = s->next;
	}
}

static void
delivered(struct run *r, const struct core_effect *e)
{
	enum lane lane = e->deliver.at.lane;
	struct reader *x = &r->conn[e->conn % CONNS];
	bool found = false;

	HOLDS(e->conn < CONNS && x->open, "delivered to a connection that is not open");
	for (uint32_t i = 0; i < r->w.log_count; i++) {
		const struct world_entry *l = &r->w.log[i];

		if (l->at.lane != lane || l->at.number <= x->last[lane] || l->at.number > e->deliver.at.number)
			continue;
		if (l->at.number < e->deliver.at.number) {
			HOLDS(!(meant_for(r, l) >> x->node & 1), "a hole");
			continue;
		}
		found = true;
		HOLDS(meant_for(r, l) >> x->node & 1, "delivered to somebody who may not read it");
		HOLDS(l->commit == e->deliver.commit, "another commit than the log's");
	}
	HOLDS(found, "delivered twice, out of order, or from nowhere");
	x->last[lane] = e->deliver.at.number;
	if (x->last[lane] > r->kept[x->node][lane])
		r->kept[x->node][lane] = x->last[lane];
	HOLDS(x->unacked_count[lane] < x->window[lane], "beyond the reader's window");
	x->unacked[lane][x->unacked_count[lane]++] = e->deliver.at.number;
	r->delivered++;
}

/* [K-4] Who comes in with a version begins at its entries. */
static void
newcomers(struct run *r, uint32_t before, uint32_t now)
{
	for (uint32_t i = 0; i < r->w.log_count; i++) {
		const struct world_entry *l = &r->w.log[i];

		if (!l->op.entry || l->op.frame_hash[1] != 0xAA || l->op.frame_hash[0] != now)
			continue;
		for (uint32_t k = 0; k < NODES; k++) {
			if (members(r->version[before]) >> k & 1 || !(members(r->version[now]) >> k & 1))
				continue;
			r->birth[k][l->at.lane] = l->at.number - 1;
			if (r->kept[k][l->at.lane] < l->at.number - 1)
				r->kept[k][l->at.lane] = l->at.number - 1;
		}
	}
}

static void
installed(struct run *r)
{
	uint32_t before = r->w.agreement.version, now = core_agreement(r->w.core)->version;

	newcomers(r, before, now);
	r->w.agreement = *r->version[now];
	for (uint32_t i = 0; i < CONNS; i++)
		if (r->conn[i].open && !(members(r->version[now]) >> r->conn[i].node & 1))
			say_closed(r, i); /* [A-4] */
}

static void
refused(struct run *r, const struct core_effect *e)
{
	HOLDS(e->refused.text == NULL || e->refused.code != 0, "refused without a code");
	if (e->refused.has_id)
		answered(r, e->conn, be64_get(e->refused.id + 8));
	else if (e->refused.code == CODE_REPLACED || e->refused.code == CODE_NO_HELLO ||
	         (e->refused.code == CODE_BEHIND && core_service(r->w.core) != SERVICE_LOST))
		say_closed(r, e->conn);
}

static void
look(struct run *r)
{
	for (; r->looked < r->w.said_count; r->looked++) {
		const struct core_effect *e = &r->w.said[r->looked];

		switch (e->kind) {
		case EFFECT_STORED: stored(r, e); break;
		case EFFECT_STORED_AGAIN: answered(r, e->conn, be64_get(e->again.id + 8)); break;
		case EFFECT_REFUSED: refused(r, e); break;
		case EFFECT_DELIVER: delivered(r, e); break;
		case EFFECT_DROP: say_closed(r, e->conn); break;
		case EFFECT_INSTALLED: installed(r); r->installing = false; break;
		case EFFECT_INSTALL_FAILED: r->installing = false; break;
		default: break;
		}
	}
	world_forget(&r->w);
	r->looked = 0;
}

static void
new_entries(struct run *r)
{
	for (; r->log_looked < r->w.log_count; r->log_looked++) {
		const struct world_entry *l = &r->w.log[r->log_looked];
		uint64_t id = be64_get(l->op.id + 8);

		for (uint32_t i = 0; i < r->log_looked; i++)
			HOLDS(r->w.log[i].at.lane != l->at.lane || r->w.log[i].at.number < l->at.number, "numbers do not go up");
		if (!l->op.entry)
			HOLDS(id < IDS_MAX && meant_for(r, l) == r->audience[id], "in the log for others than it was sealed for");
	}
}

static void
bounds(struct run *r)
{
	const struct core_limits *max = &r->w.limits;

	for (int lane = 0; lane < KW_LANES; lane++)
		HOLDS(core_service(r->w.core) == SERVICE_LOST || core_tail(r->w.core, (enum lane)lane) == r->w.tail[lane], "another tail than the store's");
	HOLDS(core_service(r->w.core) == SERVICE_LOST || core_commit_number(r->w.core) == r->w.commits, "another commit than the store's");
	for (uint32_t i = 0; i < CONNS; i++)
		for (int lane = 0; lane < KW_LANES; lane++) {
			uint32_t n = 0;

			for (uint32_t k = 0; k < r->conn[i].awaited_count; k++)
				n += r->conn[i].awaited[k].lane == (enum lane)lane;
			HOLDS(n <= max->publish[lane].messages, "more without an answer than may be");
		}
	for (uint32_t i = 0; i < core_node_total(r->w.core); i++) {
		struct core_node_info n;

		core_node_info(r->w.core, i, &n);
		for (int lane = 0; lane < KW_LANES; lane++)
			HOLDS(n.waiting[lane] <= max->queue_messages + max->page_entries + WINDOW_MAX, "a queue beyond its limit");
	}
}

static void
oracle(struct run *r)
{
	look(r);
	new_entries(r);
	bounds(r);
}

/* ---- events ---- */

static void
drain(struct run *r)
{
	world_drain(&r->w);
	oracle(r);
}

static void
do_hello(struct run *r, uint32_t conn, uint32_t node, uint32_t window, uint8_t how)
{
	static char filters[2][KW_TOPIC_MAX + 1] = {"alert/#", "x"};
	struct wire_hello h = world_plain_hello();
	struct reader *x = &r->conn[conn];
	uint32_t at = in_force(r, node);
	uint64_t from[KW_LANES];

	if (at == AGREEMENT_NOBODY || (x->open && x->node != node))
		return; /* the gate knows nobody else, and a connection is one node's for ever */
	if (!x->open)
		core_closed(r->w.core, conn); /* the number is given anew */
	for (int lane = 0; lane < KW_LANES; lane++) {
		h.cursor[lane] = (struct lane_cursor){r->w.log_epoch, r->kept[node][lane]};
		if (how & 1) /* one that lost something */
			h.cursor[lane].number /= 2;
		h.window[lane].messages = window;
		h.window[lane].bytes = how & 2 ? 300 : 1u << 20;
		from[lane] = h.cursor[lane].number > r->birth[node][lane] ? h.cursor[lane].number : r->birth[node][lane];
	}
	if ((how & 0xF0) == 0x10)
		h.cursor[how % KW_LANES].number = r->w.tail[how % KW_LANES] + 1; /* it shows that something was lost here */
	if ((how & 0xF0) == 0x20)
		h.seen.number = r->w.commits + 1;
	if ((how & 0xF0) == 0x30)
		h.protocol = how;
	h.agreement_version = (how & 0xF0) == 0x40 ? how : 1;
	h.filter_count = how & 4 ? 1 : 0;
	h.filters = &filters[how >> 3 & 1];
	world_hello_as(&r->w, conn, at, &h, (how & 0xF0) == 0x50 ? SEEN_OTHER : SEEN_NONE);
	for (uint32_t i = 0; i < r->w.said_count; i++) {
		if (r->w.said[i].kind != EFFECT_WELCOME || r->w.said[i].conn != conn)
			continue;
		*x = (struct reader){.open = true, .node = node};
		for (int lane = 0; lane < KW_LANES; lane++) {
			x->window[lane] = window < r->w.limits.deliver[lane].messages ? window : r->w.limits.deliver[lane].messages;
			x->window[lane] = x->window[lane] == 0 ? 1 : x->window[lane];
			x->last[lane] = from[lane];
		}
	}
	oracle(r);
}

static void
offer(struct run *r, uint32_t conn, const struct header *h, uint32_t wraps, uint32_t body)
{
	struct reader *x = &r->conn[conn];

	HOLDS(x->awaited_count < OFFERS_MAX, "more without an answer than may be");
	x->awaited[x->awaited_count++] = (struct awaited){be64_get(h->id + 8), h->lane};
	world_offer(&r->w, conn, h, wraps, body);
	if (!x->open) /* it is told to say hello first, and that is all */
		look(r);
	oracle(r);
}

static void
spoil(struct run *r, struct header *h, uint8_t how)
{
	switch (how) {
	case 1: h->expires_ms = r->w.now.wall_ms - 1; break;
	case 2: h->created_ms = r->w.now.wall_ms + 1000ull * 3600 * (1 + pick(r, 8)); break;
	case 3: h->agreement_version += pick(r, 2) == 0 ? 1 : UINT32_MAX; break;
	case 4: h->agreement_hash[0] ^= 0x40; break;
	case 5: (void)snprintf(h->sender, sizeof h->sender, "%s", all_ids[pick(r, NODES)]); break;
	case 6: (void)snprintf(h->topic, sizeof h->topic, "%s", pick(r, 2) == 0 ? "denied" : "nowhere"); break;
	case 7: h->take_within_s = h->type == TYPE_NOTICE || h->type == TYPE_REQUEST ? 1 + pick(r, 200) : 0; break;
	case 8: h->expires_ms = r->w.now.wall_ms + 60000ull * pick(r, 60); break;
	case 9: h->expires_ms = UINT64_MAX; break;
	case 10: h->confirm_at_once = true; break;
	default: break;
	}
}

/* A move names what was offered before, or nothing that ever was. */
static void
about_some(struct run *r, struct header *h, uint8_t how)
{
	const struct header *about = r->offered_count > 0 ? &r->offered[r->offered_count - 1 - pick(r, r->offered_count)] : NULL;

	h->about.set = true;
	if (about == NULL)
		return;
	h->lane = how & 1 ? about->lane : h->lane;
	(void)snprintf(h->topic, sizeof h->topic, "%s", about->topic);
	memcpy(h->about.id, about->id, KW_ID_LEN);
	memcpy(h->about.frame_hash, about->id, KW_ID_LEN);
	h->about.frame_hash[KW_ID_LEN] = (uint8_t)(r->offered_body[about - r->offered] + (how & 2 ? 0 : how >> 7));
	if (h->type == TYPE_HANDED_OVER)
		(void)snprintf(h->next_owner, sizeof h->next_owner, "%s", how & 4 ? all_ids[pick(r, NODES)] : "nobody/at-all");
}

static bool
may_be_narrow(const struct run *r, const struct header *h)
{
	enum case_move_kind kind;

	return !case_move_of(&kind, h->type) && !case_opened_by(h, &r->w.agreement.topic);
}

static void
do_publish(struct run *r, uint32_t conn)
{
	static const char *const topics[] = {"alert/flood", "x"};
	const struct agreement *a = core_agreement(r->w.core);
	struct reader *x = &r->conn[conn];
	uint32_t node = x->open ? x->node : conn % NODES, at = in_force(r, node), mask, wraps = 0;
	uint8_t how = cursor_u8(&r->in), type = cursor_u8(&r->in);
	struct header h;

	if (at == AGREEMENT_NOBODY || r->w.next_id + 2 >= IDS_MAX || r->offered_count == OFFERS_MAX)
		return;
	world_header(&r->w, &h, at);
	h.type = type < 128 ? TYPE_NOTICE : (enum notice_type)(TYPE_NOTICE + type % (TYPE_RELEASED - TYPE_NOTICE + 1));
	if (h.type == TYPE_AGREEMENT)
		h.type = TYPE_REQUEST;
	h.lane = (enum lane)(how & 3) < KW_LANES ? (enum lane)(how & 3) : LANE_ROUTINE;
	(void)snprintf(h.topic, sizeof h.topic, "%s", topics[how >> 2 & 1]);
	if (h.type != TYPE_NOTICE && h.type != TYPE_REQUEST && h.type != TYPE_VOID)
		about_some(r, &h, cursor_u8(&r->in));
	spoil(r, &h, how >> 4);
	mask = members(a) & ~(1u << index_of(h.sender)); /* whoever it says it is may offer it again, and then it counts */
	if (how & 8 && may_be_narrow(r, &h)) {
		mask &= pick(r, 1u << NODES);
		for (uint32_t k = 0; k < NODES; k++)
			if (mask >> k & 1)
				(void)snprintf(h.to[h.to_count++], sizeof h.to[0], "%s", all_ids[k]);
		mask = h.to_count > 0 ? mask : members(a) & ~(1u << index_of(h.sender));
	}
	for (uint32_t k = 0; k < NODES; k++)
		wraps += mask >> k & 1;
	r->audience[be64_get(h.id + 8)] = mask;
	if (how >> 4 == 11)
		wraps = pick(r, NODES + 2);
	r->offered[r->offered_count] = h;
	r->offered_wraps[r->offered_count] = wraps;
	r->offered_body[r->offered_count++] = 1 + pick(r, 255) * (how >> 4 == 12 ? 100u : 4u);
	offer(r, conn, &h, wraps, r->offered_body[r->offered_count - 1]);
}

/* Once more what was offered before, perhaps by another, perhaps with other bytes. */
static void
do_offer_again(struct run *r, uint32_t conn)
{
	uint32_t which, other = pick(r, 4) == 0;

	if (r->offered_count == 0)
		return;
	which = r->offered_count - 1 - pick(r, r->offered_count);
	offer(r, conn, &r->offered[which], r->offered_wraps[which], r->offered_body[which] + other);
}

static void
do_ack(struct run *r, uint32_t conn, uint32_t how)
{
	struct reader *x = &r->conn[conn];
	enum lane lane = (enum lane)(how % KW_LANES);
	uint64_t number = x->last[lane];
	uint32_t kept = 0;
	bool taken = true;

	if (how >> 4 == 1)
		number += 1 + how % 5;
	else if (how >> 4 != 0 && x->unacked_count[lane] > 0)
		number = x->unacked[lane][how % x->unacked_count[lane]];
	world_ack(&r->w, conn, lane, number);
	for (uint32_t i = 0; i < r->w.said_count; i++)
		taken = taken && !(r->w.said[i].kind == EFFECT_REFUSED && r->w.said[i].conn == conn && r->w.said[i].refused.code == CODE_MALFORMED);
	for (uint32_t i = 0; taken && x->open && i < x->unacked_count[lane]; i++)
		if (x->unacked[lane][i] > number)
			x->unacked[lane][kept++] = x->unacked[lane][i];
	if (taken && x->open)
		x->unacked_count[lane] = kept;
	oracle(r);
}

static void
do_commit(struct run *r, uint32_t how)
{
	if (how < 4)
		r->w.fail_next = KW_EFULL;
	if (how == 255)
		r->w.fail_next = KW_EIO;
	(void)world_commit_then(&r->w, how & 16 ? how % 16 : 0);
	r->w.fail_next = KW_OK;
	oracle(r);
}

static void
do_time(struct run *r, uint32_t how)
{
	static const uint32_t steps[] = {1, 60, 1000, 5000, 15000, 50000, 61000, 700000};
	uint64_t ms = steps[how % 8];

	r->w.now.mono_ms += ms;
	r->w.now.wall_ms += how >= 0xF0 ? ms + 900000 : how >= 0xE0 ? ms - 900000 : ms;
	if (how & 8)
		for (uint32_t i = 0; i < CONNS; i++)
			(void)core_heard(r->w.core, i, r->w.now);
	core_tick(r->w.core, r->w.now);
	drain(r);
}

static void
do_install(struct run *r, uint32_t how)
{
	const char *ids[NODES];
	struct agreement *next;
	struct core_install i;
	uint32_t n = 0;

	if (r->installing || r->newest == VERSIONS_MAX - 1)
		return;
	for (uint32_t k = 0; k < NODES; k++)
		if (k == 0 || !(how >> k & 1))
			ids[n++] = all_ids[k];
	if (n < 2)
		ids[n++] = all_ids[1];
	next = r->version[r->newest + 1] = calloc(1, sizeof *next);
	if (next == NULL)
		abort();
	fake_agreement(next, r->newest + 1, n, ids);
	next->topic = r->version[1]->topic;
	next->coordinator = how % n;
	next->line_count = next->topic.has_responsible ? 1 : 0;
	next->line[0] = (how + 1) % n;
	i = world_install(&r->w, next);
	for (int lane = 0; lane < KW_LANES; lane++) {
		i.entry_hash[lane][0] = (uint8_t)next->version;
		i.entry_hash[lane][1] = 0xAA;
	}
	if (core_install(r->w.core, &i, r->w.now, NULL) == KW_OK) {
		r->installing = true;
		r->newest++;
		r->w.earlier[r->w.earlier_count++] = next; /* where it is looked for from now on, as the first one */
	} else {
		free(next);
		r->version[r->newest + 1] = NULL;
	}
	for (int lane = 0; lane < KW_LANES; lane++)
		blob_unref(&i.entries[lane]);
	drain(r);
}

static void
do_restart(struct run *r)
{
	oracle(r);
	world_restart(&r->w);
	r->installing = false;
	r->newest = r->w.agreement.version; /* one that was not in force yet is gone, and its number free */
	for (uint32_t v = r->newest + 1; v <= VERSIONS_MAX; v++) {
		free(r->version[v]);
		r->version[v] = NULL;
	}
	r->w.earlier_count = r->newest;
	for (uint32_t i = 0; i < CONNS; i++)
		say_closed(r, i);
	memset(r->birth, 0, sizeof r->birth);
	oracle(r);
}

static void
do_sizes(struct run *r, uint32_t how)
{
	struct store_sizes sizes = {.used_bytes = how * 100, .quota_bytes = how & 1 ? 25500 : 0};

	core_sizes(r->w.core, &sizes);
}

static void
step(struct run *r)
{
	uint32_t what = cursor_u8(&r->in), conn = what / 32, how;

	switch (what % 32) {
	case 0: case 1: case 2: case 3: case 4:
		how = cursor_u8(&r->in);
		do_hello(r, conn, how % NODES, how / NODES % WINDOW_MAX, cursor_u8(&r->in));
		break;
	case 5: case 6: case 7: case 8: case 9: case 10: case 11: do_publish(r, conn); break;
	case 12: case 13: do_offer_again(r, conn); break;
	case 14: case 15: case 16: case 17: do_ack(r, conn, cursor_u8(&r->in)); break;
	case 18: case 19: case 20: case 21: do_commit(r, cursor_u8(&r->in)); break;
	case 22: case 23: case 24:
		(void)world_deliver(&r->w, 1 + cursor_u8(&r->in) % 32);
		oracle(r);
		break;
	case 25: case 26: do_time(r, cursor_u8(&r->in)); break;
	case 27:
		core_closed(r->w.core, conn);
		say_closed(r, conn);
		drain(r);
		break;
	case 28: do_install(r, cursor_u8(&r->in)); break;
	case 29:
		(void)!core_new_epoch(r->w.core, NULL);
		drain(r);
		break;
	case 30: do_sizes(r, cursor_u8(&r->in)); break;
	default:
		if (conn == 0)
			do_restart(r);
		else if (conn == 1)
			r->w.full = !r->w.full;
		else if (conn == 2)
			core_stopping(r->w.core);
	}
}

/* ---- the end ---- */

static void
settle(struct run *r)
{
	for (unsigned turn = 0, more = 1; more; turn++) {
		more = world_commit(&r->w);
		oracle(r);
		more = world_deliver(&r->w, 64) > 0 || more;
		oracle(r);
		HOLDS(turn < 5000, "the core finds no end");
	}
}

static void
serve_again(struct run *r)
{
	r->w.full = false;
	do_sizes(r, 0);
	if (core_service(r->w.core) == SERVICE_LOST || core_service(r->w.core) == SERVICE_STOPPING)
		do_restart(r);
	r->w.now.mono_ms += 1000;
	settle(r);
	if (core_service(r->w.core) != SERVICE_SERVING)
		(void)!core_new_epoch(r->w.core, NULL);
	settle(r);
	HOLDS(core_service(r->w.core) == SERVICE_SERVING, core_service_why(r->w.core));
}

static void
everything_drains(struct run *r)
{
	serve_again(r);
	for (uint32_t i = 0; i < CONNS; i++)
		HOLDS(!r->conn[i].open || r->conn[i].awaited_count == 0, "a publication without an answer");
	for (uint32_t k = 0; k < NODES; k++) {
		core_closed(r->w.core, k);
		say_closed(r, k);
		do_hello(r, k, k, 10, 0);
	}
	for (uint64_t before = UINT64_MAX; before != r->delivered;) {
		before = r->delivered;
		settle(r);
		for (uint32_t k = 0; k < NODES; k++)
			for (uint32_t lane = 0; lane < KW_LANES; lane++)
				do_ack(r, k, lane);
	}
	for (uint32_t i = 0; i < r->w.log_count; i++)
		for (uint32_t k = 0; k < NODES; k++)
			if (r->conn[k].open && meant_for(r, &r->w.log[i]) >> k & 1)
				HOLDS(r->kept[k][r->w.log[i].at.lane] >= r->w.log[i].at.number, "somebody never got what was meant for it");
}

static void
begin(struct run *r)
{
	struct core_limits limits = core_limits_default;
	uint8_t how = cursor_u8(&r->in), small = cursor_u8(&r->in);

	limits.queue_messages = 1 + small % 5;
	limits.queue_bytes = 2000;
	limits.batch_appends = 1 + small / 5 % 8;
	limits.page_entries = 1 + small / 40;
	limits.cases_open = 6;
	limits.cases_closed = 2;
	limits.sets_max = 40;
	limits.pending_bytes = 20000;
	for (int lane = 0; lane < KW_LANES; lane++) {
		limits.publish[lane] = (struct lane_window){1 + how / 16 % 8, 4000};
		limits.deliver[lane] = (struct lane_window){WINDOW_MAX - 2, 4000};
	}
	world_begin_with(&r->w, NODES, all_ids, &limits);
	r->version[1] = calloc(1, sizeof *r->version[1]);
	if (r->version[1] == NULL)
		abort();
	r->w.agreement.topic.has_responsible = how & 1;
	r->w.agreement.topic.has_release = (how & 6) == 6;
	r->w.agreement.topic.on_change = how & 8 ? ON_CHANGE_MOVE : ON_CHANGE_KEEP;
	r->w.agreement.line_count = how & 1 ? 2 : 0;
	r->w.agreement.line[0] = 1;
	r->w.agreement.line[1] = 2;
	r->w.agreement.coordinator = 3;
	*r->version[1] = r->w.agreement;
	r->w.earlier[r->w.earlier_count++] = r->version[1];
	r->newest = 1;
	r->log_looked = r->w.log_count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static struct run run;
	struct run *r = &run;

	(void)setenv("CMOCKA_TEST_ABORT", "1", 0); /* what the world itself finds wrong ends the run too */
	memset(r->conn, 0, sizeof r->conn);
	memset(&r->version, 0, sizeof *r - offsetof(struct run, version));
	r->in = cursor_over(span_of(p, len < 2000 ? len : 2000));
	begin(r);
	while (cursor_left(&r->in) > 0)
		step(r);
	everything_drains(r);
	for (uint32_t i = 0; i < CONNS; i++)
		core_closed(r->w.core, i);
	world_end(&r->w);
	for (uint32_t v = 1; v <= VERSIONS_MAX; v++)
		free(r->version[v]);
	return 0;
}
