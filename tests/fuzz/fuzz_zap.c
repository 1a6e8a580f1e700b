/*
 * Bytes as what libzmq asks before anybody comes in, frame by frame, as anything in the process could ask it; and as what it says of a
 * connection later: User-Id, routing id. Only a known CURVE key of the broker's domain comes in, under its own role and key; everyone
 * else is told so; each question gets one whole answer; a connection is found under its routing id alone, and its number is one's only.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <zmq.h>

#include "base/log.h"
#include "base/text.h"
#include "broker/net/gate_table.h"
#include "broker/net/zap.h"
#include "fuzz.h"

enum { REQUEST_ID_MAX = 256 /* libzmq asks under "1" */, FRAME_MAX = 300, FRAMES_MAX = 9, CONNS = 3, IDS = 8, KNOWN_FRAMES = 10 };

struct agreement { uint8_t node[KW_KEY_LEN], operator[KW_KEY_LEN]; }; /* stands in for certs' */

struct peer
agreement_peer(const struct agreement *a, const uint8_t curve_pk[KW_KEY_LEN])
{
	if (memcmp(curve_pk, a->node, KW_KEY_LEN) == 0)
		return (struct peer){PEER_NODE, 3, "city/desk"};
	if (memcmp(curve_pk, a->operator, KW_KEY_LEN) == 0)
		return (struct peer){PEER_OPERATOR, 0, "night-desk"};
	return (struct peer){.role = PEER_UNKNOWN};
}

static const struct agreement keys = {{'n', 1}, {'o', 2}}, others = {{'N', 1}, {'O', 2}};

/* ---- questions ---- */

struct desk { void *context, *asks; struct zap *zap; const struct agreement *in_force; };

static struct desk *
the_desk(void)
{
	static struct desk d;
	struct kw_why why = {""};
	int none = 0, patience = 10000;

	if (d.context != NULL)
		return &d;
	log_set_level(LOG_ERROR);
	HOLDS((d.context = zmq_ctx_new()) != NULL, "no context");
	HOLDS(zap_start(&d.zap, d.context, &why) == KW_OK, why.text);
	HOLDS((d.asks = zmq_socket(d.context, ZMQ_REQ)) != NULL, "no socket");
	HOLDS(zmq_setsockopt(d.asks, ZMQ_LINGER, &none, sizeof none) == 0 && zmq_setsockopt(d.asks, ZMQ_RCVTIMEO, &patience, sizeof patience) == 0, "no option");
	HOLDS(zmq_connect(d.asks, "inproc://zeromq.zap.01") == 0, "nobody answers");
	return &d;
}

struct frames { uint8_t p[FRAMES_MAX][FRAME_MAX]; size_t len[FRAMES_MAX]; unsigned count; };

static struct span
known_frame(unsigned which)
{
	switch (which) {
	case 0: return span_str("1.0");
	case 1: return span_str(ZAP_DOMAIN);
	case 2: return span_str("CURVE");
	case 3: return span_of(keys.node, KW_KEY_LEN);
	case 4: return span_of(keys.operator, KW_KEY_LEN);
	case 5: return span_of(others.node, KW_KEY_LEN);
	case 6: return span_of(others.operator, KW_KEY_LEN);
	case 7: return span_str("NULL");
	case 8: return span_str("192.0.2.1");
	default: return span_str("1");
	}
}

/* A known one, some bytes, or one byte so often that it is longer than the broker has room for. */
static size_t
take_frame(uint8_t out[FRAME_MAX], struct cursor *in)
{
	uint8_t what = cursor_u8(in);
	struct span s = known_frame(what);

	if (what >= 250) {
		memset(out, cursor_u8(in), FRAME_MAX);
		return FRAME_MAX - (what - 250u);
	}
	if (what >= KNOWN_FRAMES) {
		s.len = (size_t)(what - KNOWN_FRAMES) < cursor_left(in) ? (size_t)(what - KNOWN_FRAMES) : cursor_left(in);
		s.p = cursor_take(in, s.len);
	}
	if (s.len > 0)
		memcpy(out, s.p, s.len);
	return s.len;
}

static struct frames
take_frames(struct cursor *in)
{
	struct frames f = {.count = 1 + cursor_u8(in) % FRAMES_MAX};

	for (unsigned i = 0; i < f.count; i++)
		f.len[i] = take_frame(f.p[i], in);
	return f;
}

static bool
frame_says(const struct frames *f, unsigned i, const char *text)
{
	return f->len[i] == strlen(text) && memcmp(f->p[i], text, f->len[i]) == 0;
}

/* As docs/protocol.md [C-2] and ZeroMQ RFC 27 have it, said once more: the role's letter, 0 for nobody. */
static char
should_be(const struct frames *f, const struct agreement *a)
{
	if (a == NULL || f->count != 7 || !frame_says(f, 0, "1.0") || !frame_says(f, 2, "kurzweg") || !frame_says(f, 5, "CURVE") || f->len[6] != 32)
		return 0;
	return memcmp(f->p[6], a->node, 32) == 0 ? 'n' : memcmp(f->p[6], a->operator, 32) == 0 ? 'o' : 0;
}

/* libFuzzer's clock interrupts what waits. */
static void
send_frame(struct desk *d, const struct frames *f, unsigned i)
{
	int n;

	do
		n = zmq_send(d->asks, f->p[i], f->len[i], i + 1 < f->count ? ZMQ_SNDMORE : 0);
	while (n < 0 && zmq_errno() == EINTR);
	HOLDS(n >= 0, zmq_strerror(zmq_errno()));
}

static struct frames
ask(struct desk *d, const struct frames *f)
{
	struct frames answer = {.count = 0};
	size_t size = sizeof(int);

	for (unsigned i = 0; i < f->count; i++)
		send_frame(d, f, i);
	for (int more = 1; more; answer.count++) {
		int n;

		HOLDS(answer.count < FRAMES_MAX, "an answer without an end");
		do
			n = zmq_recv(d->asks, answer.p[answer.count], FRAME_MAX, 0);
		while (n < 0 && zmq_errno() == EINTR);
		HOLDS(n >= 0 && n <= FRAME_MAX, "no answer");
		answer.len[answer.count] = (size_t)n;
		HOLDS(zmq_getsockopt(d->asks, ZMQ_RCVMORE, &more, &size) == 0, "no answer");
	}
	return answer;
}

static void
question(struct desk *d, struct cursor *in)
{
	struct frames f = take_frames(in), answer;
	char role = should_be(&f, d->in_force), user[ZAP_USER_LEN + 1];
	uint64_t turned_away = zap_turned_away(d->zap);
	uint8_t key[KW_KEY_LEN];

	answer = ask(d, &f);
	HOLDS(answer.count == 6 && frame_says(&answer, 0, "1.0") && answer.len[5] == 0, "no answer of RFC 27");
	if (f.count < 2 || f.len[1] > REQUEST_ID_MAX)
		HOLDS(answer.len[1] == 0, "an answer with bytes of others");
	else
		HOLDS(answer.len[1] == f.len[1] && memcmp(answer.p[1], f.p[1], f.len[1]) == 0, "an answer to another question");
	HOLDS(frame_says(&answer, 2, role != 0 ? "200" : "400"), role != 0 ? "who may come in does not" : "somebody came in");
	HOLDS(zap_turned_away(d->zap) == turned_away + (role == 0), "who was turned away is not counted");
	if (role == 0) {
		HOLDS(answer.len[4] == 0, "a name for somebody who is not let in");
		return;
	}
	HOLDS(answer.len[4] == ZAP_USER_LEN && answer.p[4][0] == (uint8_t)role, "another role");
	memcpy(user, answer.p[4], ZAP_USER_LEN);
	user[ZAP_USER_LEN] = '\0';
	HOLDS(zap_user_key(key, user) && memcmp(key, f.p[6], KW_KEY_LEN) == 0, "another's key");
}

/* ---- what it says of a connection later ---- */

static void
user_id(struct cursor *in)
{
	char text[100] = "", again[ZAP_USER_LEN + 1];
	size_t len = cursor_u8(in) % sizeof text;
	const uint8_t *p = len <= cursor_left(in) ? cursor_take(in, len) : NULL;
	uint8_t key[KW_KEY_LEN];

	if (p != NULL)
		memcpy(text, p, len);
	if (!zap_user_key(key, text))
		return;
	again[0] = text[0];
	text_put_hex(again + 1, span_of(key, sizeof key));
	HOLDS((text[0] == 'n' || text[0] == 'o') && strcasecmp(again, text) == 0, "a User-Id that means another key");
}

struct known { bool there, in_use; uint32_t number; uint8_t key; uint64_t heard; };
struct book { struct gate_table t; struct known of[IDS]; uint64_t clock; };

/* Ids that are easily taken for one another, and one that is too long for libzmq itself. */
static struct span
routing_id(unsigned which)
{
	static const uint8_t bytes[256] = {0, 1, 0, 1, 0, 0, 2};
	static const struct { uint16_t from, len; } ids[IDS] = {{0, 5}, {0, 6}, {1, 5}, {2, 5}, {0, 1}, {0, 255}, {6, 1}, {0, 256}};

	return span_of(bytes + ids[which].from, ids[which].len);
}

static uint32_t
longest_silent(const struct book *b)
{
	uint32_t found = IDS;

	for (uint32_t i = 0; i < IDS; i++)
		if (b->of[i].there && !b->of[i].in_use && (found == IDS || b->of[i].heard < b->of[found].heard))
			found = i;
	return found;
}

static uint32_t
connected(const struct book *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < IDS; i++)
		n += b->of[i].there;
	return n;
}

static void
come(struct book *b, unsigned id, uint8_t key)
{
	uint8_t bytes[KW_KEY_LEN] = {key};
	uint32_t given_up = UINT32_MAX, oldest = longest_silent(b);
	bool full = connected(b) == CONNS, fits = routing_id(id).len <= 255 && (!full || oldest != IDS);
	struct gate_conn *c = gate_table_add(&b->t, routing_id(id), bytes, &given_up);

	HOLDS((c != NULL) == fits, "room, or none, where there is the other");
	HOLDS((given_up != UINT32_MAX) == (fits && full), "somebody is given up for nothing, or nobody for room");
	if (c == NULL)
		return;
	if (full) {
		HOLDS(given_up == b->of[oldest].number, "not the one that was silent longest");
		b->of[oldest].there = false;
	}
	b->of[id] = (struct known){.there = true, .number = c->number, .key = key, .heard = ++b->clock};
}

static void
connection(struct book *b, struct cursor *in)
{
	uint8_t what = cursor_u8(in), id = what % IDS;
	struct gate_conn *c = gate_table_find(&b->t, routing_id(id));
	struct known *k = &b->of[id];

	HOLDS((c != NULL) == k->there, "found and not there, or there and not found");
	if (c == NULL) {
		come(b, id, cursor_u8(in) % 3);
		return;
	}
	HOLDS(c->number == k->number && c->number < CONNS && c->key[0] == k->key && gate_table_at(&b->t, c->number) == c, "another's connection");
	switch (what / IDS % 4) {
	case 0:
		gate_table_remove(&b->t, c);
		k->there = false;
		break;
	case 1:
		k->in_use = !k->in_use;
		gate_table_in_use(&b->t, c, k->in_use);
		if (!k->in_use)
			k->heard = ++b->clock;
		break;
	default:
		gate_table_touch(&b->t, c, b->clock);
		k->heard = ++b->clock;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static const struct agreement *const all[] = {&keys, &others, NULL};
	struct cursor in = cursor_over(span_of(p, len < 4000 ? len : 4000));
	struct desk *d = the_desk();
	struct book b = {.clock = 1};

	HOLDS(gate_table_init(&b.t, CONNS) == KW_OK, "memory");
	d->in_force = &keys;
	zap_agreement(d->zap, d->in_force);
	while (cursor_left(&in) > 0)
		switch (cursor_u8(&in) % 8) {
		case 0: case 1: question(d, &in); break;
		case 2: user_id(&in); break;
		case 3:
			d->in_force = all[cursor_u8(&in) % 3];
			zap_agreement(d->zap, d->in_force);
			break;
		default: connection(&b, &in);
		}
	HOLDS(b.t.count == connected(&b), "another number of connections");
	gate_table_free(&b.t);
	return 0;
}
