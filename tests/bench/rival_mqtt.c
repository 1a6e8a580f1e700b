/*
 * rival_mqtt: MQTT 3.1.1, as Mosquitto speaks it. Everything with QoS 1: PUBACK to the publisher, and from each reader for each single message, since
 * the protocol has no word for several. Readers ask for a session that the server keeps.
 */
#include <string.h>

#include "rival.h"

enum { CONNECT = 1, CONNACK, PUBLISH, PUBACK, SUBSCRIBE = 8, SUBACK };

#define QOS_1 2u                        /* in a packet's first byte */
#define SUBSCRIPTION 1u                 /* the number of the packet that subscribes */
#define CLEAN_SESSION 2u

struct mqtt {
	uint16_t sent, answered;        /* numbers of packets; 0 is none */
};

static uint16_t
after(uint16_t number)
{
	return number == UINT16_MAX ? 1 : (uint16_t)(number + 1);
}

static void
put_head(struct rival *r, uint8_t first, size_t len)
{
	buf_put_u8(&r->out, first);
	do {
		buf_put_u8(&r->out, (uint8_t)(len % 128u + (len > 127u ? 128u : 0u)));
		len /= 128u;
	} while (len > 0);
}

static void
put_text(struct rival *r, const char *text)
{
	buf_put_u16(&r->out, (uint16_t)strlen(text));
	buf_put_str(&r->out, text);
}

static void
begin(struct rival *r)
{
	size_t run = strlen(r->run), name = strlen(r->name);

	put_head(r, CONNECT << 4, 12 + run + 1 + name);
	put_text(r, "MQTT");
	buf_put_u8(&r->out, 4);
	buf_put_u8(&r->out, r->role == RIVAL_READER ? 0 : CLEAN_SESSION);
	buf_put_u16(&r->out, 0); /* no signs of life: nobody here goes away */
	buf_put_u16(&r->out, (uint16_t)(run + 1 + name));
	buf_printf(&r->out, "%s-%s", r->run, r->name);
}

/* A session that was kept still has its subscription; to say it once more is what clients do that cannot know. */
static void
again(struct rival *r)
{
	struct mqtt *s = r->state;

	s->sent = s->answered = 0;
	begin(r);
}

static void
publish(struct rival *r, struct span body)
{
	struct mqtt *s = r->state;

	s->sent = after(s->sent);
	put_head(r, PUBLISH << 4 | QOS_1, 2 + strlen(r->run) + 2 + body.len);
	put_text(r, r->run);
	buf_put_u16(&r->out, s->sent);
	buf_put_span(&r->out, body);
}

static void
acknowledge(struct rival *r)
{
	(void)r; /* each was when it came */
}

static void
forget(struct rival *r)
{
	r->removed = true; /* a session is its client's, and nothing comes to a topic that nobody uses again */
}

static enum kw_err
on_connack(struct rival *r, struct cursor c, struct kw_why *why)
{
	static const char *const refusals[] = {"", "it speaks another version of the protocol", "it does not like the client's name", "it is unavailable",
	                                       "wrong name or password", "not authorised"};
	uint8_t code;

	(void)cursor_u8(&c);
	code = cursor_u8(&c);
	if (!cursor_done(&c) || code >= sizeof refusals / sizeof refusals[0])
		return rival_odd(r, "a CONNACK that is none", why);
	if (code != 0)
		return rival_refused(r, span_str(refusals[code]), why);
	if (r->role != RIVAL_READER) {
		r->ready = true;
		return KW_OK;
	}
	put_head(r, SUBSCRIBE << 4 | 2u, 2 + 2 + strlen(r->run) + 1);
	buf_put_u16(&r->out, SUBSCRIPTION);
	put_text(r, r->run);
	buf_put_u8(&r->out, 1);
	return KW_OK;
}

static enum kw_err
on_suback(struct rival *r, struct cursor c, struct kw_why *why)
{
	uint16_t number = cursor_u16(&c);
	uint8_t granted = cursor_u8(&c);

	if (!cursor_done(&c) || number != SUBSCRIPTION)
		return rival_odd(r, "a SUBACK that is none", why);
	if (granted != 1)
		return rival_refused(r, span_str("it does not grant the subscription with QoS 1"), why);
	r->ready = true;
	return KW_OK;
}

static enum kw_err
on_puback(struct rival *r, struct cursor c, struct kw_why *why)
{
	struct mqtt *s = r->state;
	uint16_t number = cursor_u16(&c), oldest = after(s->answered);

	if (!cursor_done(&c) || s->answered == s->sent || number != oldest)
		return rival_odd(r, "a PUBACK for another message than the oldest", why);
	s->answered = oldest;
	rival_answered(r, 1);
	return KW_OK;
}

static enum kw_err
on_publish(struct rival *r, uint8_t flags, struct cursor c, struct kw_why *why)
{
	uint16_t number;

	(void)cursor_take(&c, cursor_u16(&c));
	number = cursor_u16(&c);
	if (c.bad || (flags & 6u) != QOS_1)
		return rival_odd(r, "a message without QoS 1", why);
	rival_delivered(r, span_of(c.at, cursor_left(&c)));
	put_head(r, PUBACK << 4, 2);
	buf_put_u16(&r->out, number);
	return KW_OK;
}

/* How long the packet is behind its first byte and length; false: not all of that is there.. */
static bool
packet(struct span in, size_t *head, size_t *len)
{
	*len = 0;
	for (*head = 1; *head < in.len && *head <= 4; ++*head) {
		*len |= (size_t)(in.p[*head] & 127u) << (7u * (*head - 1));
		if (in.p[*head] < 128u) {
			++*head;
			return true;
		}
	}
	return false;
}

static enum kw_err
take(struct rival *r, struct span in, size_t *used, struct kw_why *why)
{
	size_t head, len;
	struct cursor c;

	*used = 0;
	if (!packet(in, &head, &len))
		return in.len > 4 ? rival_odd(r, "a length that is none", why) : KW_OK;
	if (len > RIVAL_UNIT_MAX)
		return rival_odd(r, "a length that is none", why);
	if (in.len - head < len)
		return KW_OK;
	*used = head + len;
	c = cursor_over(span_of(in.p + head, len));
	switch (in.p[0] >> 4) {
	case CONNACK: return on_connack(r, c, why);
	case SUBACK: return on_suback(r, c, why);
	case PUBACK: return on_puback(r, c, why);
	case PUBLISH: return on_publish(r, in.p[0] & 15u, c, why);
	default: return rival_odd(r, "a packet of a kind that nobody asked for", why);
	}
}

const struct rival_protocol rival_mqtt = {
	.name = "mosquitto", .state_size = sizeof(struct mqtt), .begin = begin, .again = again, .take = take, .publish = publish, .acknowledge = acknowledge,
	.remove = forget,
};
