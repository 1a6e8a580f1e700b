/* oracle: promises and what became of them. */
#include "oracle.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "broker/core/core.h"
#include "clocks.h"
#include "house.h"
#include "case_books.h"
#include "proto/frame.h"
#include "proto/wire.h"
#include "rounds.h"
#include "suspensions.h"
#include "trace.h"

#define BIT(who) (1u << (who))
#define CLOCK_ERROR_MS 300000u /* more than any clock here is wrong by */
#define FLIGHT_MAX 1024u

struct note {
	uint8_t id[KW_ID_LEN];
	int sender;
	enum lane lane;
	bool by_people;             /* else the node made it: receipts, voids, and what is sealed anew */
	bool resealed;
	enum subject subject;
	uint32_t to;                /* bits of those named; 0: all readers */
	uint32_t audience;          /* bits; under the version that it was sealed under, known once it is offered */
	uint64_t order;             /* among its sender's in its lane, from 1; 0: sealed anew, behind all that was there */
	bool refused;               /* for good */
	bool anew;                  /* to be sealed under a newer version */
	bool followed;              /* it was, or could not be for a reason */
	uint32_t origin;            /* of what was sealed anew, once its content was seen: number + 1 */
	uint32_t version;           /* that it is sealed under */
	uint32_t hello;             /* of its sender's, behind which it was offered first */
	uint32_t heard_in;          /* start of the broker in which that read it last while its sender was not suspended */
	uint64_t payload_mark, frame_mark;
	uint64_t published, expires_ms;
	bool said_stored, on_way;   /* on_way: the broker was offered it */
	uint64_t stored_turn;       /* of the broker, in which it answered stored */
	uint32_t sent;              /* bits: the broker handed it over to them at least once */
	uint32_t delivered, read;   /* read: it, or what it was sealed anew as */
	uint32_t bare;              /* of delivered */
	uint64_t row[WHO_NODES];
	bool confirmed;
	struct buf wraps, header;   /* header: as it was offered first */
	uint32_t recalls;           /* a recall: of what; number + 1 */
	bool recalled;              /* somebody who may recalled it */
	bool lost;                  /* it was stored, and the copy that came back does not have it */
	uint64_t gone_turn;         /* of the broker, in which its content went from the disk for a recall */
	uint32_t recall_seen;       /* bits: whose application read a recall of it */
	uint32_t cancel_seen, struck; /* bits: whose application read a cancel of it; at whom of these its row says so */
	uint32_t shut;              /* of these, at whom the content was looked for and is gone */
};

/* What a reader has in flight in a lane, as the broker sees it. */
struct flight { uint32_t window, bytes_window, count; uint64_t bytes; struct { uint64_t number; size_t bytes; } at[FLIGHT_MAX]; };

struct oracle {
	struct sim *sim;
	struct rounds *rounds;
	struct note *notes;
	uint32_t count, room;
	uint32_t *index, index_room; /* by id: number + 1 */
	uint32_t *by_header;        /* as many, by the header's bytes, which so need not be read again for each reader */
	uint64_t broker_turn;
	uint32_t log_version;       /* of the agreement that the broker's log has come to */
	bool behind;                /* the broker said that it is, and no new log epoch has begun */
	uint32_t hellos[WHO_NODES];
	struct flight flights[WHO_NODES][KW_LANES];
	struct lane_window said[WHO_NODES][KW_LANES];
	const void *line[WHO_NODES];    /* on which it was welcomed last */
	uint64_t orders[WHO_COUNT][KW_LANES];
	uint64_t last[WHO_COUNT][WHO_COUNT][KW_LANES]; /* reader, sender: the order that was read last */
};

struct oracle *
oracle_new(struct sim *s)
{
	struct oracle *o = calloc(1, sizeof *o);

	MUST(o != NULL);
	o->sim = s;
	o->rounds = rounds_new(s);
	return o;
}

void
oracle_free(struct oracle **o)
{
	if (*o == NULL)
		return;
	for (uint32_t i = 0; i < (*o)->count; i++) {
		buf_free(&(*o)->notes[i].wraps);
		buf_free(&(*o)->notes[i].header);
	}
	rounds_free(&(*o)->rounds);
	free((*o)->notes);
	free((*o)->index);
	free((*o)->by_header);
	free(*o);
	*o = NULL;
}

/* ---- notes by id and by header ---- */

static uint64_t
mark_of(struct span s)
{
	uint64_t h = 0xcbf29ce484222325ull, eight;
	size_t i = 0;

	for (; s.len - i >= sizeof eight; i += sizeof eight) {
		memcpy(&eight, s.p + i, sizeof eight);
		h = (h ^ eight) * 0x100000001b3ull;
		h ^= h >> 32;
	}
	for (; i < s.len; i++)
		h = (h ^ s.p[i]) * 0x100000001b3ull;
	return h;
}

static uint32_t
header_place(const struct oracle *o, struct span header)
{
	uint32_t at = (uint32_t)(mark_of(header) % o->index_room);

	while (o->by_header[at] != 0 && !span_eq(buf_span(&o->notes[o->by_header[at] - 1].header), header))
		at = (at + 1) % o->index_room;
	return at;
}

static uint32_t
place_of(const struct oracle *o, const uint8_t id[KW_ID_LEN])
{
	uint32_t at = be32_get(id + KW_ID_LEN - 4) % o->index_room;

	while (o->index[at] != 0 && memcmp(o->notes[o->index[at] - 1].id, id, KW_ID_LEN) != 0)
		at = (at + 1) % o->index_room;
	return at;
}

static struct note *
note_of(struct oracle *o, const uint8_t id[KW_ID_LEN])
{
	uint32_t at;

	if (o->index_room == 0)
		return NULL;
	at = place_of(o, id);
	return o->index[at] != 0 ? &o->notes[o->index[at] - 1] : NULL;
}

/* NULL: nobody offered one with that header. */
static struct note *
note_with(struct oracle *o, struct span header)
{
	uint32_t number = o->index_room != 0 ? o->by_header[header_place(o, header)] : 0;

	return number != 0 ? &o->notes[number - 1] : NULL;
}

static void
keep_header(struct oracle *o, struct note *n, struct span header)
{
	n->header = BUF_INIT(SIZE_MAX);
	buf_put_span(&n->header, header);
	MUST(buf_ok(&n->header));
	o->by_header[header_place(o, header)] = (uint32_t)(n - o->notes) + 1;
}

static void
index_again(struct oracle *o)
{
	o->index_room = o->room * 2 + 1;
	free(o->index);
	free(o->by_header);
	o->index = calloc(o->index_room, sizeof *o->index);
	o->by_header = calloc(o->index_room, sizeof *o->by_header);
	MUST(o->index != NULL && o->by_header != NULL);
	for (uint32_t i = 0; i < o->count; i++) {
		o->index[place_of(o, o->notes[i].id)] = i + 1;
		if (o->notes[i].header.len > 0)
			o->by_header[header_place(o, buf_span(&o->notes[i].header))] = i + 1;
	}
}

static struct note *
note_new(struct oracle *o, const uint8_t id[KW_ID_LEN])
{
	struct note *n;

	if (o->count == o->room) {
		o->room = o->room * 2 + 256;
		o->notes = realloc(o->notes, o->room * sizeof *o->notes);
		MUST(o->notes != NULL);
		index_again(o);
	}
	n = &o->notes[o->count];
	*n = (struct note){.wraps = BUF_INIT(SIZE_MAX)};
	memcpy(n->id, id, KW_ID_LEN);
	o->index[place_of(o, id)] = ++o->count;
	return n;
}

static const char *
short_id(const uint8_t id[KW_ID_LEN])
{
	static char text[4][2 * KW_ID_LEN + 1];
	static unsigned turn;
	char *out = text[turn++ % 4];

	text_put_hex(out, span_of(id, KW_ID_LEN));
	return out + 2 * KW_ID_LEN - 12;
}

/* ---- what people did ---- */

void
oracle_published(struct oracle *o, const struct oracle_published *p)
{
	struct note *n = note_new(o, p->id);

	n->sender = p->sender;
	n->lane = papers_lane(p->subject);
	n->subject = p->subject;
	n->by_people = true;
	n->to = p->to;
	n->order = ++o->orders[p->sender][n->lane];
	n->payload_mark = mark_of(p->payload);
	n->published = clocks_true();
	n->expires_ms = p->expires_ms;
	trace("publishes %s, its %llu. in lane %s", short_id(n->id), (unsigned long long)n->order, lane_name(n->lane));
}

void
oracle_recalled(struct oracle *o, int sender, const uint8_t about[KW_ID_LEN], const uint8_t id[KW_ID_LEN])
{
	struct note *n = note_new(o, id), *of = note_of(o, about);

	MUST(of != NULL);
	of->recalled = true;
	n->recalls = (uint32_t)(of - o->notes) + 1;
	n->sender = sender;
	n->lane = of->lane;
	n->subject = of->subject;
	n->by_people = true;
	n->order = ++o->orders[sender][n->lane];
	n->published = clocks_true();
	n->expires_ms = UINT64_MAX;
	trace("recalls %s with %s, its %llu. in lane %s", short_id(of->id), short_id(n->id), (unsigned long long)n->order, lane_name(n->lane));
}

bool
oracle_recallable(const struct oracle *o, uint32_t nth, uint8_t id[KW_ID_LEN], int *sender)
{
	for (uint32_t i = o->count; i-- > 0;) {
		const struct note *n = &o->notes[i];

		if (!n->by_people || n->recalls != 0 || nth-- > 0)
			continue;
		memcpy(id, n->id, KW_ID_LEN);
		*sender = n->sender;
		return !n->recalled;
	}
	return false;
}

bool
oracle_cancellable(const struct oracle *o, uint32_t nth, uint8_t id[KW_ID_LEN], int *sender, enum subject *subject)
{
	for (uint32_t i = o->count; i-- > 0;) {
		const struct note *n = &o->notes[i];

		if (!n->by_people || n->recalls != 0 || nth-- > 0)
			continue;
		memcpy(id, n->id, KW_ID_LEN);
		*sender = n->sender;
		*subject = n->subject;
		return !n->recalled && !papers_opens_case(n->subject);
	}
	return false;
}

void
oracle_restoring(struct oracle *o)
{
	for (uint32_t i = 0; i < o->count; i++)
		o->notes[i].gone_turn = 0;
}

void
oracle_restored(struct oracle *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		struct note *n = &o->notes[i];

		if (!n->said_stored || vault_has(house_vault(o->sim->house), papers_name(n->sender), n->id))
			continue;
		n->lost = true;
		n->order = 0; /* [C-11] offered again, and then behind what came since */
	}
	o->behind = false;
}

/* [P-3] What was accepted under a version stands before the next one. */
static void
appended(struct oracle *o, const struct store_op *op)
{
	const struct note *n = op->result == APPEND_STORED && !op->append.entry ? note_of(o, op->append.id) : NULL;

	if (n != NULL && n->version != o->log_version)
		sim_broken(o->sim, "%s of %s, sealed under version %u, goes into the broker's log behind version %u", short_id(n->id), papers_name(n->sender), n->version,
		           o->log_version);
	if (n != NULL && house_is_up(o->sim->house) && n->heard_in != o->sim->counts.broker_starts) /* [O-11] */
		sim_broken(o->sim, "%s of %s, which is suspended, goes into the broker's log, and was not said before", short_id(n->id), papers_name(n->sender));
}

void
oracle_logged(struct oracle *o, const struct store_batch *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		const struct store_op *op = &b->ops[i];
		struct note *n = op->kind == OP_RECALL && op->done > 0 ? note_of(o, op->recall.id) : NULL;

		if (n != NULL && n->gone_turn == 0)
			n->gone_turn = o->broker_turn;
		if (op->kind == OP_AGREEMENT)
			o->log_version = op->agreement.version;
		else if (op->kind == OP_APPEND)
			appended(o, op);
	}
}

/* ---- what crossed the network ---- */

static bool
read_header(struct header *h, struct span bytes, struct frame *f)
{
	return frame_parse(f, bytes, FRAME_EITHER, NULL) == KW_OK && header_decode(h, f->header, NULL) == KW_OK;
}

/* Of whose frame these bytes are. NULL: of nobody's, and that was said. */
static struct note *
note_delivered(struct oracle *o, int who, struct span bytes)
{
	struct header h;
	struct frame f;
	struct note *n = frame_parse(&f, bytes, FRAME_EITHER, NULL) == KW_OK ? note_with(o, f.header) : NULL;

	if (n != NULL)
		return n;
	if (!read_header(&h, bytes, &f)) {
		sim_broken(o->sim, "the broker delivers to %s what is no notification", papers_name(who));
		return NULL;
	}
	if ((n = note_of(o, h.id)) == NULL)
		sim_broken(o->sim, "the broker delivers %s to %s, which nobody sent", short_id(h.id), papers_name(who));
	return n;
}

/* What opens, moves or changes a case goes to all who may have to take it, whomever it names. */
static bool
goes_to_the_line(enum notice_type type)
{
	switch (type) {
	case TYPE_NOTICE: case TYPE_REQUEST: case TYPE_UPDATE: case TYPE_CANCEL: case TYPE_RECALL:
	case TYPE_TAKEN: case TYPE_DECLINED: case TYPE_HANDED_OVER: case TYPE_RETURNED: case TYPE_DONE: case TYPE_REOPENED: return true;
	default: return false;
	}
}

static bool
set_audience(struct note *n, const struct policy *p, enum notice_type type)
{
	if (p == NULL)
		return false;
	n->audience = n->to != 0 ? n->to : n->subject < SUBJECT_COUNT ? papers_readers(p, n->subject, n->sender) : 0;
	if (n->subject < SUBJECT_COUNT && goes_to_the_line(type))
		n->audience |= papers_concerned(p, n->subject) & ~BIT(n->sender);
	return true;
}

static void
offered(struct oracle *o, int who, struct span wraps, uint32_t round, struct span bytes)
{
	struct header h;
	struct frame f;
	struct note *n;
	uint64_t mark = mark_of(bytes);

	if (!read_header(&h, bytes, &f)) {
		sim_broken(o->sim, "%s offers what is no notification", papers_name(who));
		return;
	}
	n = note_of(o, h.id);
	if (n == NULL) {
		n = note_new(o, h.id);
		n->sender = who;
		n->lane = h.lane;
		n->subject = papers_subject(h.topic);
		n->published = clocks_true();
		n->expires_ms = h.expires_ms;
		n->resealed = h.type == TYPE_NOTICE || h.type == TYPE_RECALL || h.type == TYPE_CANCEL;
		o->sim->counts.receipts++;
		books_offered(o->sim->books, who, &h);
	}
	for (uint32_t i = 0; i < h.to_count && !n->on_way; i++)
		n->to |= papers_who(h.to[i]) >= 0 ? BIT(papers_who(h.to[i])) : 0;
	if (!n->on_way && h.type == TYPE_RECALL) {
		struct note *of = note_of(o, h.about.id); /* what people published, or that sealed anew */

		if (of != NULL)
			of->recalled = true;
		if (of != NULL && n->recalls == 0)
			n->recalls = (uint32_t)(of - o->notes) + 1;
	}
	if (!n->on_way && !set_audience(n, sim_policy_of(o->sim, h.agreement_version), h.type))
		sim_broken(o->sim, "%s offers %s under version %u, which nobody signed", papers_name(who), short_id(h.id), h.agreement_version);
	if (n->sender != who)
		sim_broken(o->sim, "%s offers %s, which is of %s", papers_name(who), short_id(h.id), papers_name(n->sender));
	if (n->on_way && n->frame_mark != mark)
		sim_broken(o->sim, "%s offers %s again with other bytes", papers_name(who), short_id(h.id));
	rounds_offered(o->rounds, &(struct rounds_offer){who, n->lane, n->id, round, n->on_way && n->hello < o->hellos[who]});
	if (n->on_way)
		return;
	n->on_way = true;
	n->version = h.agreement_version;
	n->hello = o->hellos[who];
	n->frame_mark = mark;
	keep_header(o, n, f.header);
	buf_put_span(&n->wraps, wraps);
}

void oracle_broker_turn(struct oracle *o) { o->broker_turn++; }

/* Nothing is counted from here to the welcome: what comes in between is of the session before. */
static void
hello_said(struct oracle *o, int who, const struct wire_hello *h)
{
	rounds_hello(o->rounds, who);
	o->hellos[who]++;
	for (int i = 0; i < KW_LANES; i++) {
		o->said[who][i] = h->window[i];
		o->flights[who][i].window = 0;
	}
}

static uint32_t
least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void
welcomed(struct oracle *o, int who, const void *line)
{
	o->line[who] = line;
	for (int i = 0; i < KW_LANES; i++) {
		struct flight *f = &o->flights[who][i];

		f->window = least(o->said[who][i].messages, core_limits_default.deliver[i].messages); /* the broker has bounds of its own */
		f->bytes_window = least(o->said[who][i].bytes, core_limits_default.deliver[i].bytes);
		f->count = 0;
		f->bytes = 0;
	}
}

static void
acknowledged(struct oracle *o, int who, const struct wire_ack *a)
{
	for (int i = 0; i < KW_LANES; i++) {
		struct flight *f = &o->flights[who][i];
		uint32_t n = 0;

		for (; n < f->count && f->at[n].number <= a->cursor[i].number; n++)
			f->bytes -= f->at[n].bytes;
		f->count -= n;
		memmove(f->at, f->at + n, f->count * sizeof f->at[0]);
	}
}

/* [D-2] Never more than the reader's window; one may always go. */
static void
in_flight(struct oracle *o, int who, const struct wire_deliver *d, size_t bytes)
{
	struct flight *f = &o->flights[who][d->at.lane];

	if (f->window == 0)
		return;
	if (f->count >= f->window || f->count >= FLIGHT_MAX || (f->count > 0 && f->bytes > f->bytes_window)) {
		sim_broken(o->sim, "the broker has %u messages, %llu bytes in flight to %s in lane %s, whose window is %u messages, %u bytes", f->count + 1,
		           (unsigned long long)(f->bytes + bytes), papers_name(who), lane_name(d->at.lane), f->window, f->bytes_window);
		return;
	}
	f->at[f->count].number = d->at.number;
	f->at[f->count++].bytes = bytes;
	f->bytes += bytes;
}

/*
 * [D-2] Flash waits for nothing: what was answered stored in an earlier turn of the broker is on its way before anything of a lower lane is. But
 * for a broker that cannot read its store any more and ends in this turn. Receipts and voids of the lane are not looked at, nor a broker of
 * little windows, where flash waits for acknowledgements.
 */
static void
flash_waits(struct oracle *o, int who, const struct note *lower)
{
	const struct flight *f = &o->flights[who][LANE_FLASH];

	if (f->window == 0 || f->count >= f->window || f->bytes >= f->bytes_window || house_is_lost(o->sim->house) || house_is_narrow(o->sim->house))
		return;
	for (uint32_t i = 0; i < o->count; i++) {
		const struct note *n = &o->notes[i];

		if (n->lane == LANE_FLASH && n->by_people && (n->audience & ~n->sent & BIT(who)) != 0 && n->said_stored && !n->lost && n->stored_turn < o->broker_turn &&
		    sim_stayed(o->sim, who, n->version)) {
			sim_broken(o->sim, "the broker sends %s of lane %s to %s, and %s of lane flash, answered stored before, still waits", short_id(lower->id),
			           lane_name(lower->lane), papers_name(who), short_id(n->id));
			return;
		}
	}
}

void
oracle_up(struct oracle *o, int who, struct span control, struct span frame)
{
	struct wire_msg m;

	if (wire_decode(&m, control, NULL) != KW_OK)
		return;
	if (m.kind == WIRE_PUBLISH && who != WHO_LIAR)
		offered(o, who, m.publish.wraps, m.publish.round, frame);
	else if (m.kind == WIRE_HELLO && who < WHO_NODES)
		hello_said(o, who, &m.hello);
	wire_msg_clear(&m);
}

static void
heard(struct oracle *o, struct span bytes)
{
	struct frame f;
	struct note *n = frame_parse(&f, bytes, FRAME_WHOLE, NULL) == KW_OK ? note_with(o, f.header) : NULL;

	if (n != NULL)
		n->heard_in = o->sim->counts.broker_starts;
}

void
oracle_arrived(struct oracle *o, int who, const void *line, struct span control, struct span frame)
{
	struct wire_msg m;

	if (who >= WHO_NODES || wire_decode(&m, control, NULL) != KW_OK)
		return;
	if (m.kind == WIRE_ACK && line == o->line[who])
		acknowledged(o, who, &m.ack);
	else if (m.kind == WIRE_PUBLISH && !suspensions_keeps_out(o->sim->suspensions, who))
		heard(o, frame);
	wire_msg_clear(&m);
}

static uint32_t
rank_of(uint32_t audience, int who)
{
	uint32_t before = 0;

	for (int i = 0; i < WHO_COUNT; i++)
		before += (audience & BIT(i)) != 0 && strcmp(papers_name(i), papers_name(who)) < 0;
	return before;
}

static void
delivered(struct oracle *o, int who, const struct wire_deliver *d, struct span bytes)
{
	struct note *n;
	size_t at;

	if (who < WHO_NODES)
		in_flight(o, who, d, bytes.len);
	if ((sim_policy(o->sim)->members & BIT(who)) == 0) /* */
		sim_broken(o->sim, "the broker delivers to %s, who is not in version %u any more", papers_name(who), o->sim->paper_count);
	if (d->mark == MARK_ENTRY) {
		books_told(o->sim->books, who, bytes);
		return;
	}
	if ((n = note_delivered(o, who, bytes)) == NULL)
		return;
	if ((n->audience & BIT(who)) == 0) {
		sim_broken(o->sim, "the broker gives bytes of %s (of %s) to %s, who is not in its audience", short_id(n->id), papers_name(n->sender), papers_name(who));
		return;
	}
	if (who < WHO_NODES && !sim_stayed(o->sim, who, n->version)) /* [K-4] */
		sim_broken(o->sim, "the broker delivers %s, of version %u, to %s, who was taken out since", short_id(n->id), n->version, papers_name(who));
	if (d->mark == MARK_WHOLE && mark_of(bytes) != n->frame_mark)
		sim_broken(o->sim, "the broker gives %s other bytes of %s than its sender offered", papers_name(who), short_id(n->id));
	if (d->mark == MARK_WHOLE && n->gone_turn != 0 && o->broker_turn > n->gone_turn + 1)
		sim_broken(o->sim, "the broker gives %s the content of %s, whose recall is on its disk", papers_name(who), short_id(n->id));
	if (who < WHO_NODES && n->lane != LANE_FLASH)
		flash_waits(o, who, n);
	n->sent |= BIT(who);
	at = (size_t)rank_of(n->audience, who) * KW_WRAP_LEN;
	if (d->has_wrap && (at + KW_WRAP_LEN > n->wraps.len || memcmp(n->wraps.p + at, d->wrap, KW_WRAP_LEN) != 0))
		sim_broken(o->sim, "the broker gives %s another wrap of %s than its own", papers_name(who), short_id(n->id));
}

static void
stored(struct oracle *o, int who, const struct wire_stored *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		struct note *n = note_of(o, s->items[i].id);

		if (n == NULL || n->sender != who) {
			sim_broken(o->sim, "the broker answers stored to %s for %s, which it did not send", papers_name(who), short_id(s->items[i].id));
			return;
		}
		rounds_stored(o->rounds, who, n->id);
		if (!vault_has(house_vault(o->sim->house), papers_name(who), n->id))
			sim_broken(o->sim, "the broker answers stored for %s of %s, which is not on disk", short_id(n->id), papers_name(who));
		if (!n->said_stored && (n->by_people || n->resealed))
			o->sim->counts.stored++;
		if (!n->said_stored || n->lost)
			n->stored_turn = o->broker_turn;
		n->said_stored = true;
		n->lost = false;
	}
}

/* What may never be taken has a reason that the oracle knows of. */
static void
refused(struct oracle *o, int who, const struct wire_refused *r)
{
	struct note *n = r->has_id ? note_of(o, r->id) : NULL;

	trace("refuses %s%s%s: %s, %s", papers_name(who), r->has_id ? " " : "", r->has_id ? short_id(r->id) : "", wire_code_name(r->code), r->text);
	o->behind = o->behind || (r->code == CODE_BEHIND && o->sim->epoch_due);
	if (n == NULL || who == WHO_LIAR)
		return;
	rounds_refused(o->rounds, who, n->id, r->code);
	if (r->code == CODE_AGREEMENT_OLD) {
		n->anew = true;
	} else if (wire_code_for_good(r->code)) {
		n->refused = true;
		if (r->code == CODE_EXPIRED)
			n->order = 0; /* where that answer is lost and the broker's clock is set back, it is taken after all, behind what came since */
		if (r->code == CODE_EXPIRED ? clocks_true() + CLOCKS_START_MS + 300000 < n->expires_ms
		                            : (sim_policy(o->sim)->members & BIT(who)) != 0 && !books_explain(o->sim->books, n->id, r->code))
			sim_broken(o->sim, "the broker refuses %s of %s for good without a reason: %s, %s", short_id(n->id), papers_name(who), wire_code_name(r->code), r->text);
	}
}

void
oracle_down(struct oracle *o, int who, const void *line, struct span control, struct span frame)
{
	struct wire_msg m;

	if (wire_decode(&m, control, NULL) != KW_OK) {
		sim_broken(o->sim, "the broker says to %s what cannot be read", papers_name(who));
		return;
	}
	suspensions_hears(o->sim->suspensions, who, &m);
	o->behind = o->behind && o->sim->epoch_due;
	if (o->behind && (m.kind == WIRE_DELIVER || m.kind == WIRE_STORED))
		sim_broken(o->sim, "the broker said that it is behind, and serves %s", papers_name(who));
	if (m.kind == WIRE_DELIVER)
		delivered(o, who, &m.deliver, frame);
	else if (m.kind == WIRE_WELCOME && who < WHO_NODES)
		welcomed(o, who, line);
	else if (m.kind == WIRE_STORED)
		stored(o, who, &m.stored);
	else if (m.kind == WIRE_REFUSED)
		refused(o, who, &m.refused);
	wire_msg_clear(&m);
}

/* ---- what applications read ---- */

/* Whatever the clocks of broker and reader say just now. */
static bool
may_be_over(const struct note *n)
{
	return CLOCKS_START_MS + clocks_true() + CLOCK_ERROR_MS >= n->expires_ms;
}

/* Nobody lies here, so nobody is to be accused. */
static bool
accuses(const char *mark)
{
	return strcmp(mark, "equivocation") == 0 || strcmp(mark, "withheld") == 0 || strcmp(mark, "held back") == 0;
}

/*
 * Nobody reads it there. Whoever may have to take it on reads it in any case; but who that is a node asks its own version of the agreement, which may be older than
 * the broker's, and accuses it.
 */
static bool
is_not_subscribed(const struct sim *s, int who, const struct note *n, const char *mark)
{
	return n->subject < SUBJECT_COUNT && (s->posts[who].unread & BIT(n->subject)) != 0 &&
	       (strcmp(mark, "not subscribed") == 0 || (strcmp(mark, "withheld") == 0 && papers_has_line(n->subject) && s->paper_count > 1));
}

void
oracle_node_started(struct oracle *o, int who)
{
	(void)o;
	(void)who;
}

/* What people published with that content; number + 1, 0: nobody did. */
static uint32_t
origin_of(const struct oracle *o, const struct note *n, uint64_t payload_mark)
{
	for (uint32_t i = 0; i < o->count; i++)
		if (o->notes[i].by_people && o->notes[i].sender == n->sender && o->notes[i].payload_mark == payload_mark)
			return i + 1;
	return 0;
}

/* [K-6] Whoever has seen the recall sees no content any more, neither of what was recalled nor of what that was sealed anew as. */
static void
recall_read(struct oracle *o, int who, const struct note *recall)
{
	struct note *of = recall->recalls != 0 ? &o->notes[recall->recalls - 1] : NULL;

	if (of == NULL)
		return;
	of->recall_seen |= BIT(who);
	if (of->origin != 0)
		o->notes[of->origin - 1].recall_seen |= BIT(who);
}

/* The same recall, before it was sealed anew. */
static uint32_t
recall_before(const struct oracle *o, const struct note *n)
{
	for (uint32_t i = 0; i < o->count; i++) {
		const struct note *m = &o->notes[i];

		if (m != n && m->by_people && m->recalls != 0 && m->sender == n->sender && m->anew &&
		    (m->recalls == n->recalls || (n->recalls != 0 && o->notes[n->recalls - 1].origin == m->recalls)))
			return i + 1;
	}
	return 0;
}

void
oracle_row(struct oracle *o, int who, const struct inbox_row *row)
{
	struct note *n = row->of_case || row->of_suspension ? NULL : note_of(o, row->header.id);
	struct note *first;
	uint64_t *last;

	if (row->of_case)
		books_row(o->sim->books, who, row);
	if (row->of_case || row->of_suspension || row->header.type == TYPE_VOID)
		return;
	if (row->header.type == TYPE_NOTE && n != NULL && !n->by_people && (n->audience & BIT(who)) != 0)
		return; /* [B-5] a node's own, about what is not confirmed in time */
	trace("reads %s of %s, row %llu%s%s", short_id(row->header.id), row->header.sender, (unsigned long long)row->seq, row->mark[0] != '\0' ? ", " : "", row->mark);
	if (n == NULL || (!n->by_people && !n->resealed && row->header.type != TYPE_NOTE)) {
		sim_broken(o->sim, "the application of %s reads %s, which nobody published", papers_name(who), short_id(row->header.id));
		return;
	}
	if ((n->audience & BIT(who)) == 0) {
		sim_broken(o->sim, "the application of %s reads %s of %s and is not in its audience", papers_name(who), short_id(n->id), papers_name(n->sender));
		return;
	}
	if (n->resealed && n->origin == 0 && row->header.type == TYPE_RECALL)
		n->origin = recall_before(o, n);
	else if (n->resealed && n->origin == 0 && !row->bare)
		n->origin = origin_of(o, n, mark_of(row->payload));
	first = n->origin != 0 ? &o->notes[n->origin - 1] : n;
	if ((n->delivered & BIT(who)) != 0 || (first->read & BIT(who)) != 0) {
		sim_broken(o->sim, "the application of %s reads %s of %s twice", papers_name(who), short_id(first->id), papers_name(n->sender));
		return;
	}
	if (row->header.type == TYPE_CANCEL && note_of(o, row->header.about.id) != NULL)
		note_of(o, row->header.about.id)->cancel_seen |= BIT(who);
	if (row->header.type == TYPE_RECALL)
		recall_read(o, who, n);
	else if (!row->bare && (first->recall_seen & BIT(who)) != 0)
		sim_broken(o->sim, "the application of %s reads the content of %s behind its recall", papers_name(who), short_id(n->id));
	if (!row->bare && first->by_people && first->recalls == 0 && mark_of(row->payload) != first->payload_mark)
		sim_broken(o->sim, "the application of %s reads another content of %s than was published", papers_name(who), short_id(n->id));
	if (row->bare && !may_be_over(n) && !n->recalled && !first->recalled && !is_not_subscribed(o->sim, who, n, row->mark) && sim_stayed(o->sim, who, n->version))
		sim_broken(o->sim, "%s gets %s without its content (%s), and it is not over", papers_name(who), short_id(n->id), row->mark);
	if (accuses(row->mark) && !may_be_over(n) && !is_not_subscribed(o->sim, who, n, row->mark) && sim_stayed(o->sim, who, n->version)) /* [D-10] one that may be over may have been held up by a line that is up and slow */
		sim_broken(o->sim, "%s marks %s of %s as \"%s\"", papers_name(who), short_id(n->id), papers_name(n->sender), row->mark);
	last = &o->last[who][n->sender][n->lane];
	if (n->order != 0 && n->order <= *last)
		sim_broken(o->sim, "%s reads the %llu. of %s in lane %s behind its %llu.", papers_name(who), (unsigned long long)n->order, papers_name(n->sender),
		           lane_name(n->lane), (unsigned long long)*last);
	if (n->order > *last)
		*last = n->order;
	n->delivered |= BIT(who);
	n->bare |= row->bare ? BIT(who) : 0;
	n->row[who] = row->seq;
	first->read |= BIT(who);
	o->sim->counts.deliveries++;
}

/* ---- the end ---- */

void
oracle_look(struct oracle_known *out, const struct oracle *o, const uint8_t id[KW_ID_LEN])
{
	const struct note *n = o->index_room > 0 && o->index[place_of(o, id)] != 0 ? &o->notes[o->index[place_of(o, id)] - 1] : NULL;

	*out = (struct oracle_known){0};
	if (n == NULL)
		return;
	out->audience = n->audience & (BIT(WHO_NODES) - 1);
	out->delivered = n->delivered;
	out->bare = n->bare;
	out->stored = n->said_stored;
	memcpy(out->row, n->row, sizeof out->row);
}

/* Its sender knows of everyone who has it whole. */
static bool
is_confirmed(struct note *n, struct sim *s)
{
	uint32_t confirmed, readers;

	if (n->confirmed)
		return true;
	if (s->posts[n->sender].node == NULL)
		return false;
	clocks_run_as(n->sender);
	n->confirmed = desk_confirmations(&confirmed, &readers, s->posts[n->sender].node, n->id) == KW_OK &&
	               confirmed >= (uint32_t)__builtin_popcount(n->delivered & ~n->bare);
	return n->confirmed;
}

static bool
is_bare_row(void *self, const struct inbox_row *row)
{
	*(bool *)self = row->bare;
	return false;
}

/* [K-6] The content is gone from the disk of everyone who saw the recall. */
static bool
shut_everywhere(const struct oracle *o, struct note *n, char what[512])
{
	struct inbox_query q = {.limit = 1, .has_id = true, .with_payload = true};

	memcpy(q.id, n->id, KW_ID_LEN);
	for (int who = 0; who < WHO_NODES; who++) {
		struct node *node = o->sim->posts[who].node;
		struct kw_why why;
		bool bare = true;

		if ((n->recall_seen & n->delivered & ~n->shut & BIT(who)) == 0 || node == NULL)
			continue;
		clocks_run_as(who);
		if (desk_inbox(node, &q, is_bare_row, &bare, &why) == KW_OK && !bare) {
			(void)snprintf(what, 512, "%s has read the recall of %s and still shows its content", papers_name(who), short_id(n->id));
			return false;
		}
		n->shut |= BIT(who);
	}
	return true;
}

static bool
is_cancelled_row(void *self, const struct inbox_row *row)
{
	*(bool *)self = row->cancelled;
	return false;
}

/* [K-6] Whoever has a cancel and what it is about sees that it is cancelled, in whatever order the two came. */
static bool
struck_everywhere(const struct oracle *o, struct note *n, char what[512])
{
	struct inbox_query q = {.limit = 1, .has_id = true};

	memcpy(q.id, n->id, KW_ID_LEN);
	for (int who = 0; who < WHO_NODES; who++) {
		struct node *node = o->sim->posts[who].node;
		struct kw_why why;
		bool cancelled = true;

		if ((n->cancel_seen & n->delivered & ~n->struck & BIT(who)) == 0 || node == NULL)
			continue;
		clocks_run_as(who);
		if (desk_inbox(node, &q, is_cancelled_row, &cancelled, &why) == KW_OK && !cancelled) {
			(void)snprintf(what, 512, "%s has read the cancel of %s and does not show that it is cancelled", papers_name(who), short_id(n->id));
			return false;
		}
		n->struck |= BIT(who);
	}
	return true;
}

/* Whether what this is, or became, is stored and where it belongs. A reader who was taken out gets nothing any more, and nobody waits for a sender who was. */
static bool
note_settled(const struct oracle *o, struct note *n, char what[512])
{
	uint32_t members = sim_policy(o->sim)->members, missing = n->audience & ~n->delivered & members & (BIT(WHO_NODES) - 1);

	if (!n->said_stored && may_be_over(n) && !n->anew)
		return true; /* it ended in the outbox */
	if (!n->said_stored) {
		if ((members & BIT(n->sender)) == 0 || n->anew)
			return true;
		(void)snprintf(what, 512, "%s of %s in lane %s was published and is not stored", short_id(n->id), papers_name(n->sender), lane_name(n->lane));
		return false;
	}
	if (n->lost && missing != 0 && !n->recalled && (members & BIT(n->sender)) != 0 && !may_be_over(n) && !n->anew) {
		(void)snprintf(what, 512, "%s of %s in lane %s was lost with the store and is not stored again", short_id(n->id), papers_name(n->sender), lane_name(n->lane));
		return false;
	}
	if (n->lost) /* its sender has no content of what was recalled, and offers nothing of it again */
		return true;
	for (int who = 0; who < WHO_NODES; who++)
		if ((missing & BIT(who)) != 0 && sim_stayed(o->sim, who, n->version)) {
			(void)snprintf(what, 512, "%s of %s in lane %s was answered stored and is missing at %s", short_id(n->id), papers_name(n->sender),
			               lane_name(n->lane), papers_name(who));
			return false;
		}
	/* Under another agreement some may not answer any more. */
	if (n->recall_seen != 0 && !shut_everywhere(o, n, what))
		return false;
	if (n->cancel_seen != 0 && !struck_everywhere(o, n, what))
		return false;
	if (!n->by_people || n->recalls != 0 || o->sim->paper_count > 1 || is_confirmed(n, o->sim))
		return true;
	(void)snprintf(what, 512, "%s of %s in lane %s is at all its readers, and its sender does not know of all of them", short_id(n->id), papers_name(n->sender),
	               lane_name(n->lane));
	return false;
}

/* Those whom it names do not all read there any more, so under the newer version it cannot be said. */
static bool
lost_readers(const struct sim *s, const struct note *n)
{
	for (uint32_t v = 1; v <= s->paper_count; v++)
		if ((n->to & ~papers_readers(sim_policy_of(s, v), n->subject, n->sender)) != 0)
			return true;
	return false;
}

/* The node itself says what became of it, and what it says was on the way. */
static bool
anew_settled(struct oracle *o, struct note *n, char what[512])
{
	struct node *node = o->sim->posts[n->sender].node;
	const char *as, *state, *reason;
	struct note *next = NULL;
	uint8_t id[KW_ID_LEN];
	struct kw_why why;
	json_t *t = NULL;
	bool recalled;

	if (n->said_stored || n->followed || node == NULL || (sim_policy(o->sim)->members & BIT(n->sender)) == 0)
		return true;
	clocks_run_as(n->sender);
	if (desk_trace(&t, node, n->id, "en", &why) != KW_OK) {
		(void)snprintf(what, 512, "%s of %s is not known to its own node any more: %s", short_id(n->id), papers_name(n->sender), why.text);
		return false;
	}
	as = json_string_value(json_object_get(t, "sealed_anew_as"));
	state = json_string_value(json_object_get(t, "state"));
	reason = json_string_value(json_object_get(t, "reason"));
	if (as != NULL && sodium_hex2bin(id, sizeof id, as, strlen(as), "-", NULL, NULL) == 0)
		next = note_of(o, id);
	if (next != NULL && next->resealed && next->origin == 0)
		next->origin = n->origin != 0 ? n->origin : (uint32_t)(n - o->notes) + 1;
	recalled = n->recalled || (n->origin != 0 && o->notes[n->origin - 1].recalled);
	n->followed = next != NULL || recalled || may_be_over(n) || (state != NULL && strcmp(state, "refused") == 0 && n->to != 0 && lost_readers(o->sim, n));
	if (!n->followed)
		(void)snprintf(what, 512, "%s of %s in lane %s was to be sealed anew: %s, %s", short_id(n->id), papers_name(n->sender), lane_name(n->lane),
		               state != NULL ? state : "?", reason != NULL ? reason : "");
	json_decref(t);
	return n->followed;
}

/* Not under each version all that somebody else publishes in this lane is for this one: of what it may not read it is told nothing, and it can say nothing. */
static bool
lost_rights(const struct sim *s, int who, enum lane lane)
{
	for (uint32_t v = 1; v <= s->paper_count; v++)
		for (int subject = 0; subject < SUBJECT_COUNT && (sim_policy_of(s, v)->members & BIT(who)) != 0; subject++)
			if (papers_lane((enum subject)subject) == lane &&
			    ((papers_readers(sim_policy_of(s, v), (enum subject)subject, WHO_COUNT) ^ papers_readers(sim_policy(s), (enum subject)subject, WHO_COUNT)) & BIT(who)) != 0)
				return true;
	return false;
}

/* Whoever was taken out was told nothing, and told nothing. */
static bool
may_stay_open(const struct sim *s, int who, enum lane lane)
{
	return sim_was_taken_out(s, who) || lost_rights(s, who, lane);
}

static enum lane
lane_called(const char *name)
{
	int lane = 0;

	while (lane < KW_LANES && strcmp(lane_name((enum lane)lane), name) != 0)
		lane++;
	MUST(lane < KW_LANES);
	return (enum lane)lane;
}

/* A number that nobody used for anything is voided, so in the end none is missing. */
static bool
gaps_closed(struct sim *s, char what[512])
{
	bool closed = true;

	for (int who = 0; who < WHO_NODES && closed; who++) {
		json_t *gaps, *gap;
		size_t i;

		if (s->posts[who].node == NULL)
			continue;
		clocks_run_as(who);
		gaps = desk_gaps(s->posts[who].node);
		MUST(gaps != NULL);
		json_array_foreach(gaps, i, gap) {
			const char *sender = json_string_value(json_object_get(gap, "sender"));
			enum lane lane = lane_called(json_string_value(json_object_get(gap, "lane")));

			if (may_stay_open(s, papers_who(sender), lane) || may_stay_open(s, who, lane))
				continue;
			closed = false;
			(void)snprintf(what, 512, "%s still misses numbers %lld to %lld of %s in lane %s", papers_name(who), (long long)json_integer_value(json_object_get(gap, "first")),
			               (long long)json_integer_value(json_object_get(gap, "last")), sender, lane_name(lane));
		}
		json_decref(gaps);
	}
	return closed;
}

bool
oracle_settled(struct oracle *o, char what[512])
{
	for (uint32_t i = 0; i < o->count; i++) {
		struct note *n = &o->notes[i];

		if (!n->by_people && !n->resealed)
			continue;
		if (!note_settled(o, n, what) || (n->anew && !anew_settled(o, n, what)))
			return false;
	}
	return gaps_closed(o->sim, what);
}
