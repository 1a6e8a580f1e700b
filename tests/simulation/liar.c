/* liar: lies by dice. */
#include "liar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clocks.h"
#include "lines.h"
#include "proto/wire.h"
#include "trace.h"

#define EVERY_MS 1500u
#define FRAMES_KEPT 8u

struct liar {
	struct sim *sim;
	struct dice dice;
	struct line *line;
	bool said_hello;
	struct buf frames[FRAMES_KEPT];  /* that others signed, as they came */
	uint32_t frame_count;
};

struct liar *
liar_new(struct sim *s)
{
	struct liar *l = calloc(1, sizeof *l);

	MUST(l != NULL);
	l->sim = s;
	l->dice = dice_of(s->options.seed, 9000);
	return l;
}

static void
forget_frames(struct liar *l)
{
	for (uint32_t i = 0; i < FRAMES_KEPT; i++)
		buf_free(&l->frames[i]);
}

void
liar_free(struct liar **l)
{
	if (*l == NULL)
		return;
	forget_frames(*l);
	free(*l);
	*l = NULL;
}

static void
say(struct liar *l, const struct wire_msg *m, struct span frame)
{
	struct buf out = BUF_INIT(KW_CONTROL_MAX);

	MUST(wire_encode(&out, m) == KW_OK);
	lines_say(l->line, buf_span(&out), frame);
	buf_free(&out);
}

static void
keep_frame(struct liar *l, struct span frame)
{
	struct buf *b = &l->frames[l->frame_count++ % FRAMES_KEPT];

	buf_free(b);
	*b = BUF_INIT(SIZE_MAX);
	buf_put_span(b, frame);
}

static void
listen_to(struct liar *l)
{
	struct wire_msg m;
	struct span frame;

	while (lines_hear(l->line, &m, &frame)) {
		if (m.kind == WIRE_DELIVER && frame.len > 0)
			keep_frame(l, frame);
		wire_msg_clear(&m);
	}
}

static void
hello(struct liar *l)
{
	const struct paper *p = &l->sim->papers[dice_below(&l->dice, l->sim->paper_count)]; /* of any version */
	struct wire_msg m = {.kind = WIRE_HELLO};

	m.hello.protocol = 1;
	(void)snprintf(m.hello.software, sizeof m.hello.software, "a liar");
	m.hello.sender_epoch = 1 + dice_u64(&l->dice) / 4;
	m.hello.agreement_version = p->version;
	memcpy(m.hello.agreement_hash, agreement_hash(p->agreement), KW_HASH_LEN);
	for (int i = 0; i < KW_LANES; i++) {
		m.hello.cursor[i] = (struct lane_cursor){1, 0};
		m.hello.window[i] = (struct lane_window){1 + dice_below(&l->dice, 200), 1u << 20};
	}
	say(l, &m, span_of(NULL, 0));
	l->said_hello = true;
}

static void
say_rubbish(struct liar *l, bool with_frame)
{
	uint8_t bytes[300];
	uint32_t len = dice_between(&l->dice, 1, sizeof bytes);

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)dice_u64(&l->dice);
	lines_say(l->line, span_of(bytes, len), with_frame ? span_of(bytes, 1 + len / 2) : span_of(NULL, 0));
}

/* What another signed, under the liar's own connection; whole, cut short or with one bit turned. */
static void
say_again(struct liar *l)
{
	struct wire_msg m = {.kind = WIRE_PUBLISH};
	uint8_t wraps[6 * KW_WRAP_LEN] = {0};
	struct buf *b = &l->frames[dice_below(&l->dice, FRAMES_KEPT)], copy = BUF_INIT(SIZE_MAX);

	if (b->len == 0)
		return;
	buf_put_span(&copy, buf_span(b));
	MUST(buf_ok(&copy));
	if (dice_permille(&l->dice, 300))
		copy.p[dice_below(&l->dice, (uint32_t)copy.len)] ^= (uint8_t)(1u << dice_below(&l->dice, 8));
	m.publish.wraps = span_of(wraps, KW_WRAP_LEN * dice_between(&l->dice, 1, 6));
	say(l, &m, span_of(copy.p, dice_permille(&l->dice, 300) ? 1 + dice_below(&l->dice, (uint32_t)copy.len) : copy.len));
	buf_free(&copy);
}

static void
acknowledge(struct liar *l)
{
	struct wire_msg m = {.kind = WIRE_ACK};

	for (int i = 0; i < KW_LANES; i++)
		m.ack.cursor[i] = (struct lane_cursor){dice_below(&l->dice, 4), dice_permille(&l->dice, 500) ? dice_below(&l->dice, 300) : dice_u64(&l->dice) / 4};
	say(l, &m, span_of(NULL, 0));
}

static void
say_what_a_broker_says(struct liar *l)
{
	struct wire_msg m = {.kind = WIRE_BEAT};

	m.beat.has_commit = true;
	say(l, &m, span_of(NULL, 0));
	m = (struct wire_msg){.kind = WIRE_AGREEMENT_GET, .agreement_get = {dice_below(&l->dice, 20), dice_permille(&l->dice, 300) ? dice_below(&l->dice, 4) : 0}};
	say(l, &m, span_of(NULL, 0));
	m = (struct wire_msg){.kind = WIRE_REFUSED, .refused = {.code = CODE_BEHIND}};
	say(l, &m, span_of(NULL, 0));
}

void
liar_turn(struct liar *l)
{
	clocks_run_as(WHO_LIAR);
	if (l->line == NULL || !lines_is_up(l->line)) {
		if (l->line == NULL || dice_permille(&l->dice, 500))
			l->line = lines_open_liar(WHO_LIAR);
		l->said_hello = false;
	} else {
		l->sim->counts.applied[FAULT_LIAR]++;
		listen_to(l);
		switch (l->said_hello ? dice_below(&l->dice, 7) : dice_below(&l->dice, 3)) {
		case 0:
		case 1: hello(l); break;
		case 2: say_rubbish(l, dice_permille(&l->dice, 500)); break;
		case 3: acknowledge(l); break;
		case 4: say_what_a_broker_says(l); break;
		default: say_again(l); break;
		}
	}
	if (!l->sim->calm)
		sim_at(l->sim, clocks_true() + dice_between(&l->dice, 10, 2 * EVERY_MS), EVENT_LIAR, 0, 0);
}
