/* load_pool: seals what the runs send. */
#include "load_pool.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proto/seal.h"
#include "proto/wire.h"

#define PADDED_MORE 5u /* what sealing puts before a payload that it pads: a flag and a length */
#define LIFETIME_MS (24ull * 3600 * 1000)

struct sealing { /* what stays the same for one pool */
	const struct load *load;
	const struct pool_wish *wish;
	struct secret_keys *keys;
	struct seal_sender *ephemeral;
	struct seal_reader *readers;
	struct buf out;
};

struct secret_keys *
load_keys(const struct load *l, const char *node, enum key_kind kind)
{
	struct secret_keys *keys = NULL;
	char path[512], name[KW_NODE_MAX + 1];
	struct kw_why why;

	(void)snprintf(name, sizeof name, "%s", node);
	for (char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash, '/'))
		*slash = '-';
	(void)snprintf(path, sizeof path, "%s/%s.key", l->folder, name);
	load_must(secret_keys_read(&keys, kind, path, NULL, &why), &why);
	return keys;
}

/* The first sender of a case is told of every move. */
static void
fill_about(struct header *h, const struct notice *of)
{
	struct header opening;
	struct frame f;
	struct kw_why why;

	load_must(frame_parse(&f, of->frame, FRAME_WHOLE, &why), &why);
	load_must(header_decode(&opening, f.header, &why), &why);
	h->about.set = true;
	memcpy(h->about.id, of->id, KW_ID_LEN);
	seal_frame_hash(h->about.frame_hash, &f);
	h->to_count = 1;
	(void)snprintf(h->to[0], sizeof h->to[0], "%s", opening.sender);
}

static void
fill_header(struct header *h, const struct sealing *s, uint32_t i)
{
	const struct agreement *a = s->load->agreement;
	uint8_t random[10];

	memset(h, 0, sizeof *h);
	randombytes_buf(random, sizeof random);
	h->created_ms = clock_wall_ms();
	h->expires_ms = h->created_ms + (s->wish->lifetime_ms != 0 ? s->wish->lifetime_ms : LIFETIME_MS);
	kw_id_make(h->id, h->created_ms, random);
	(void)snprintf(h->partnership, sizeof h->partnership, "%s", agreement_partnership(a));
	(void)snprintf(h->sender, sizeof h->sender, "%s", s->wish->sender);
	(void)snprintf(h->topic, sizeof h->topic, "%s", s->wish->topic);
	h->mode = agreement_mode(a);
	h->agreement_version = agreement_version(a);
	memcpy(h->agreement_hash, agreement_hash(a), KW_HASH_LEN);
	h->sender_epoch = 1;
	h->lane = s->wish->lane;
	h->type = TYPE_NOTICE;
	h->payload_type = PAYLOAD_NOTE;
	h->take_within_s = s->wish->take_within_s;
	h->seen.number = 1; /* a real node names the newest commit it has seen: 40 bytes more */
	memcpy(h->seen.hash, agreement_hash(a), KW_HASH_LEN);
	if (s->wish->about != NULL) {
		h->type = s->wish->move;
		h->payload_type = PAYLOAD_RECEIPT;
		fill_about(h, &s->wish->about->at[i]);
	}
}

/* The same for both ends: what stands in notice number i. */
static void
fill_payload(uint8_t *payload, uint32_t len, uint32_t i)
{
	uint8_t seed[randombytes_SEEDBYTES] = "load";

	be32_put(seed + 8, i);
	randombytes_buf_deterministic(payload, len, seed);
}

static void
seal_one(struct pool *p, uint32_t i, struct sealing *s)
{
	struct buf header = BUF_INIT(KW_HEADER_MAX + 16), control = BUF_INIT(KW_CONTROL_MAX);
	uint8_t *payload = load_memory(1, p->payload_len), random[32];
	struct wire_msg m = {.kind = WIRE_PUBLISH};
	struct sealed sealed = {0};
	struct header h;
	struct kw_why why;

	fill_header(&h, s, i);
	fill_payload(payload, p->payload_len, i);
	randombytes_buf(random, sizeof random);
	for (uint32_t k = 0; k < p->audience_count; k++)
		s->readers[k].number = i + 1;
	load_must(header_encode(&header, &h, &why), &why);
	load_must(seal_notification(&sealed, s->ephemeral, secret_keys_local(s->keys), random, buf_span(&header), span_of(payload, p->payload_len),
	                            false, secret_keys_sign(s->keys), s->readers, p->audience_count, &why), &why);
	m.publish.wraps = buf_span(&sealed.wraps);
	if (wire_encode(&control, &m) != KW_OK)
		load_fail("out of memory");
	memcpy(p->at[i].id, h.id, KW_ID_LEN);
	/* Lengths now, places when all are there: the memory still grows. */
	p->at[i].control.len = control.len;
	p->at[i].frame.len = sealed.frame.len;
	p->at[i].wraps.len = sealed.wraps.len;
	buf_put_span(&s->out, buf_span(&control));
	buf_put_span(&s->out, buf_span(&sealed.frame));
	buf_free(&header);
	buf_free(&control);
	sealed_free(&sealed);
	free(payload);
}

static void
find_audience(struct pool *p, struct sealing *s)
{
	const struct agreement *a = s->load->agreement;
	uint32_t sender = agreement_node(a, s->wish->sender);
	struct header h;
	struct kw_why why;

	if (sender == AGREEMENT_NOBODY)
		load_fail("%s is not in the agreement", s->wish->sender);
	p->audience = load_memory(agreement_node_count(a), sizeof *p->audience);
	fill_header(&h, s, 0);
	load_must(agreement_may_send(p->audience, &p->audience_count, a, &h, sender, clock_wall_ms(), &why), &why);
	s->readers = load_memory(p->audience_count, sizeof *s->readers);
	for (uint32_t k = 0; k < p->audience_count; k++)
		s->readers[k] = (struct seal_reader){.node = agreement_node_id(a, p->audience[k]),
		                                     .seal_pk = agreement_node_key(a, p->audience[k])->seal_pk};
}

static void
place_all(struct pool *p, struct sealing *s)
{
	const uint8_t *at;

	if (!buf_ok(&s->out))
		load_fail("out of memory for %u notifications", p->count);
	p->memory = (void *)s->out.p;
	at = s->out.p;
	for (uint32_t i = 0; i < p->count; i++) {
		struct notice *n = &p->at[i];

		n->control.p = at;
		n->wraps.p = at + n->control.len - n->wraps.len; /* the message's one field, and its last bytes */
		n->frame.p = at + n->control.len;
		at += n->control.len + n->frame.len;
	}
}

/* Sealing pads, so the payload alone does not reach every length: the topic, which is not padded, makes up the rest. */
static void
fit(struct pool_wish *wish, const struct load *l, char topic[KW_TOPIC_MAX + 1])
{
	uint32_t frame_len = wish->frame_len;
	struct pool_wish one = *wish;
	size_t len = strlen(wish->topic);

	(void)snprintf(topic, KW_TOPIC_MAX + 1, "%s", wish->topic);
	one.topic = wish->topic = topic;
	one.count = one.payload_len = 1;
	one.frame_len = wish->frame_len = 0;
	for (; len < KW_TOPIC_MAX; topic[len++] = 'x', topic[len] = '\0') {
		struct pool p;
		size_t rest;

		load_pool_make(&p, l, &one);
		rest = p.at[0].frame.len - seal_padded_len(one.payload_len);
		load_pool_free(&p);
		if (frame_len <= rest + PADDED_MORE)
			break;
		wish->payload_len = (uint32_t)(frame_len - rest - PADDED_MORE);
		if (seal_padded_len(wish->payload_len) == frame_len - rest)
			return;
	}
	load_fail("no notification is sealed to exactly %u bytes", frame_len);
}

void
load_pool_make(struct pool *out, const struct load *l, const struct pool_wish *wished)
{
	struct pool_wish whole = *wished, *wish = &whole;
	char topic[KW_TOPIC_MAX + 1];
	struct sealing s = {.load = l, .wish = wish, .keys = load_keys(l, wish->sender, KEY_NODE), .out = BUF_INIT(SIZE_MAX)};
	uint8_t random[32];

	if (wish->frame_len > 0)
		fit(wish, l, topic);
	*out = (struct pool){.count = wish->count, .payload_len = wish->payload_len, .at = load_memory(wish->count, sizeof *out->at)};
	find_audience(out, &s);
	randombytes_buf(random, sizeof random);
	if (seal_sender_new(&s.ephemeral, secret_keys_local(s.keys), random, clock_wall_ns(), 1) != KW_OK)
		load_fail("the ephemeral key cannot be made");
	for (uint32_t i = 0; i < wish->count; i++)
		seal_one(out, i, &s);
	place_all(out, &s);
	seal_sender_free(&s.ephemeral);
	secret_keys_free(&s.keys);
	free(s.readers);
}

void
load_pool_free(struct pool *p)
{
	free(p->memory);
	free(p->at);
	free(p->audience);
	*p = (struct pool){0};
}

uint32_t
load_pool_place(const struct pool *p, const struct load *l, const char *node)
{
	for (uint32_t k = 0; k < p->audience_count; k++)
		if (strcmp(agreement_node_id(l->agreement, p->audience[k]), node) == 0)
			return k;
	load_fail("%s is not in the audience", node);
}

void
load_pool_open(const struct pool *p, uint32_t i, const struct load *l, const char *reader, struct span frame, struct span wrap)
{
	struct secret_keys *keys = load_keys(l, reader, KEY_NODE);
	uint8_t *expected = load_memory(1, p->payload_len), content_key[KW_KEY_LEN];
	struct buf payload = BUF_INIT(KW_OPENED_MAX);
	struct seal_opener *opener = NULL;
	struct header h;
	struct frame f;
	struct kw_why why;
	uint64_t number;

	load_must(seal_opener_new(&opener, reader, secret_keys_public(keys)->seal_pk, secret_keys_seal(keys), 1), &(struct kw_why){"out of memory"});
	load_must(frame_parse(&f, frame, FRAME_WHOLE, &why), &why);
	load_must(header_decode(&h, f.header, &why), &why);
	load_must(seal_check_signature(&f, agreement_node_key(l->agreement, agreement_node(l->agreement, h.sender))->sign_pk, &why), &why);
	load_must(seal_check_body_hash(&f, &why), &why);
	load_must(seal_open_wrap(&number, content_key, opener, &f, wrap, &why), &why);
	load_must(seal_open_body(&payload, content_key, &f, &why), &why);
	fill_payload(expected, p->payload_len, i);
	if (number != i + 1 || payload.len != p->payload_len || memcmp(payload.p, expected, payload.len) != 0)
		load_fail("%s opened something else than what was sealed", reader);
	sodium_memzero(content_key, sizeof content_key);
	buf_free(&payload);
	seal_opener_free(&opener);
	secret_keys_free(&keys);
	free(expected);
}
