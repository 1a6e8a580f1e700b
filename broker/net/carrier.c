/* carrier: blobs over ZeroMQ messages. */
#include "broker/net/carrier.h"

#include <stdlib.h>
#include <string.h>


struct carrier {
	struct blob blob;
	zmq_msg_t message;
	bool whole;                  /* the message has a body, or needs none */
	char topic[KW_TOPIC_MAX + 1];
	uint8_t wraps[];
};

static void
gone(struct blob *b)
{
	struct carrier *c = (struct carrier *)(void *)b; /* its first member */

	(void)zmq_msg_close(&c->message);
	free(c);
}

static struct carrier *
carrier_new(struct span wraps)
{
	struct carrier *c = malloc(sizeof *c + wraps.len);

	if (c == NULL)
		return NULL;
	memset(c, 0, sizeof *c);
	c->blob.refs = 1;
	c->blob.gone = gone;
	if (wraps.len > 0)
		memcpy(c->wraps, wraps.p, wraps.len);
	c->blob.wraps = c->wraps;
	c->blob.wraps_len = (uint32_t)wraps.len;
	(void)zmq_msg_init(&c->message);
	return c;
}

/* A void goes whole to all whom it names: they miss its numbers, whatever they subscribe to. */
static void
set_topic(struct carrier *c, const struct header *h)
{
	if (h->type == TYPE_VOID)
		return;
	memcpy(c->topic, h->topic, sizeof c->topic);
	c->blob.topic = c->topic;
}

struct blob *
carrier_of_publish(zmq_msg_t *frame, struct span wraps, const struct header *h, struct frame *f)
{
	struct carrier *c = carrier_new(wraps);

	if (c == NULL)
		return NULL;
	(void)zmq_msg_move(&c->message, frame); /* small messages lie inside zmq_msg_t itself: the bytes have moved */
	if (frame_parse(f, span_of(zmq_msg_data(&c->message), zmq_msg_size(&c->message)), FRAME_WHOLE, NULL) != KW_OK) {
		(void)zmq_msg_move(frame, &c->message);
		gone(&c->blob);
		return NULL;
	}
	c->whole = true;
	c->blob.head = f->head;
	c->blob.body = f->body;
	set_topic(c, h);
	return &c->blob;
}

/* The topic of a stored head; "" when it cannot be read, which delivers it whole. */
static void
read_topic(struct carrier *c)
{
	struct header *h = malloc(sizeof *h);
	struct frame f;

	if (h != NULL && frame_parse(&f, c->blob.head, FRAME_BARE, NULL) == KW_OK && header_decode(h, f.header, NULL) == KW_OK)
		set_topic(c, h);
	free(h);
}

struct blob *
carrier_of_stored(const struct store_entry *e, bool with_body, const uint8_t *wrap, bool want_topic)
{
	struct carrier *c = carrier_new(span_of(wrap, wrap != NULL ? KW_WRAP_LEN : 0));
	bool body = with_body && e->body.len > 0;
	uint8_t *p;

	if (c == NULL)
		return NULL;
	if (zmq_msg_init_size(&c->message, e->head.len + (body ? 4 + e->body.len : 0)) != 0) {
		free(c);
		return NULL;
	}
	p = zmq_msg_data(&c->message);
	memcpy(p, e->head.p, e->head.len);
	c->blob.head = span_of(p, e->head.len);
	if (body) {
		be32_put(p + e->head.len, (uint32_t)e->body.len);
		memcpy(p + e->head.len + 4, e->body.p, e->body.len);
		c->blob.body = span_of(p + e->head.len + 4, e->body.len);
	}
	c->whole = body || e->entry;
	c->blob.expires_ms = e->expires_ms;
	c->blob.receipt = e->receipt;
	c->blob.recalled = e->recalled;
	c->blob.entry = e->entry;
	if (want_topic && !e->entry)
		read_topic(c);
	return &c->blob;
}

struct blob *
carrier_of_entry(struct span bytes)
{
	struct store_entry e = {.entry = true, .head = bytes, .expires_ms = UINT64_MAX};

	return carrier_of_stored(&e, false, NULL, false);
}

bool
carrier_message(zmq_msg_t *out, struct blob *b, bool whole)
{
	struct carrier *c = (struct carrier *)(void *)b;

	if (!whole || !c->whole) {
		if (zmq_msg_init_size(out, b->head.len) != 0)
			return false;
		memcpy(zmq_msg_data(out), b->head.p, b->head.len);
		return true;
	}
	(void)zmq_msg_init(out);
	if (zmq_msg_copy(out, &c->message) == 0)
		return true;
	(void)zmq_msg_close(out);
	return false;
}
