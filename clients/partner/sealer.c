/* sealer: rights, numbers, seal, outbox. */
#include "clients/partner/sealer.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cases/case_agreement.h"
#include "clients/partner/core/confirmations.h"
#include "proto/payload.h"
#include "proto/seal.h"

#define EPHEMERAL_MS 3600000u /* a sender's ephemeral key is used for an hour at most */
#define DAY_MS (24ull * 3600 * 1000)

struct sealer {
	const struct secret_keys *keys;
	struct seal_sender *ephemeral;
	uint64_t made_ms;      /* monotonic */
	uint64_t counter;
};

enum kw_err
sealer_new(struct sealer **out, const struct secret_keys *keys)
{
	*out = calloc(1, sizeof **out);
	if (*out == NULL)
		return KW_ENOMEM;
	(*out)->keys = keys;
	return KW_OK;
}

void
sealer_free(struct sealer **s)
{
	if (s == NULL || *s == NULL)
		return;
	seal_sender_free(&(*s)->ephemeral);
	free(*s);
	*s = NULL;
}

static enum kw_err
renew(struct sealer *s, uint64_t mono_ms, struct kw_why *why)
{
	uint8_t random[32];
	enum kw_err err;

	if (s->ephemeral != NULL && mono_ms - s->made_ms < EPHEMERAL_MS)
		return KW_OK;
	seal_sender_free(&s->ephemeral);
	randombytes_buf(random, sizeof random);
	err = seal_sender_new(&s->ephemeral, secret_keys_local(s->keys), random, clock_wall_ns(), ++s->counter);
	sodium_memzero(random, sizeof random);
	s->made_ms = mono_ms;
	return err == KW_OK ? KW_OK : kw_refuse(why, err, "the ephemeral key cannot be made: %s", kw_err_text(err));
}

static void
complete(const struct sealer *s, const struct sealing *in)
{
	struct header *h = in->header;
	uint8_t random[10];

	randombytes_buf(random, sizeof random);
	kw_id_make(h->id, in->now_ms, random);
	memcpy(h->partnership, agreement_partnership(in->agreement), strlen(agreement_partnership(in->agreement)) + 1);
	h->mode = agreement_mode(in->agreement);
	h->agreement_version = agreement_version(in->agreement);
	memcpy(h->agreement_hash, agreement_hash(in->agreement), KW_HASH_LEN);
	memcpy(h->sender, secret_keys_public(s->keys)->name, sizeof h->sender);
	h->sender_epoch = in->sender_epoch;
	h->seen = in->seen;
}

struct audience { /* parallel arrays of count */
	uint32_t *nodes;
	struct seal_reader *sealed_to;
	struct out_reader *kept;
	uint32_t count;
};

static void
audience_free(struct audience *a)
{
	free(a->nodes);
	free(a->sealed_to);
	free(a->kept);
}

static enum kw_err
audience_ask(struct audience *out, const struct sealing *in, struct kw_why *why)
{
	uint32_t all = agreement_node_count(in->agreement), me = agreement_node(in->agreement, in->header->sender);

	memset(out, 0, sizeof *out);
	if (me == AGREEMENT_NOBODY)
		return kw_refuse(why, KW_EDENIED, "this node, \"%s\", is not in the agreement, version %u; it can publish nothing", in->header->sender,
		                 agreement_version(in->agreement));
	out->nodes = calloc(all, sizeof *out->nodes);
	out->sealed_to = calloc(all, sizeof *out->sealed_to);
	out->kept = calloc(all, sizeof *out->kept);
	if (out->nodes == NULL || out->sealed_to == NULL || out->kept == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for an audience of %u", all);
	return agreement_may_send(out->nodes, &out->count, in->agreement, in->header, me, in->now_ms, why);
}

static enum kw_err
audience_number(struct audience *a, const struct sealing *in, struct kw_why *why)
{
	for (uint32_t i = 0; i < a->count; i++) {
		const char *id = agreement_node_id(in->agreement, a->nodes[i]);
		uint64_t number;
		enum kw_err err = pstore_take_number(&number, in->store, id, in->header->lane, why);

		if (err != KW_OK)
			return err;
		a->sealed_to[i] = (struct seal_reader){id, agreement_node_key(in->agreement, a->nodes[i])->seal_pk, number};
		a->kept[i] = (struct out_reader){id, number};
	}
	return KW_OK;
}

enum kw_err
sealer_close(struct buf *sealed, const struct sealer *s, const uint8_t id[KW_ID_LEN], struct span payload)
{
	uint8_t nonce[24];

	randombytes_buf(nonce, sizeof nonce);
	return seal_store(sealed, secret_keys_local(s->keys), nonce, span_of(id, KW_ID_LEN), payload);
}

enum kw_err
sealer_open(struct buf *payload, const struct sealer *s, const uint8_t id[KW_ID_LEN], struct span sealed, struct kw_why *why)
{
	if (sealed.len == 0)
		return kw_refuse(why, KW_ENOTFOUND, "its content was deleted when its time was over");
	return seal_unstore(payload, secret_keys_local(s->keys), span_of(id, KW_ID_LEN), sealed, why);
}

void
sealer_cap_hash(uint8_t out[KW_HASH_LEN], const struct sealer *s, const char *cap_id)
{
	struct span parts[2] = {span_str("cap"), span_str(cap_id)};

	seal_hash(out, secret_keys_local(s->keys), LABEL_STORE, parts, 2);
}

void
sealer_lock(uint8_t out[KW_HASH_LEN], const struct sealer *s)
{
	struct span part = span_str("lock");

	seal_hash(out, secret_keys_local(s->keys), LABEL_STORE, &part, 1);
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t
sealer_content_until(uint64_t until_ms, const struct header *h, uint64_t now_ms, uint64_t content_max_ms)
{
	uint64_t own_ms = now_ms + content_max_ms;

	if (content_max_ms == 0)
		return until_ms;
	if (h != NULL && h->type == TYPE_DRAFT && own_ms < h->expires_ms)
		own_ms = h->expires_ms;
	return least(until_ms, own_ms);
}

static enum kw_err
keep(uint64_t *seq, struct sealer *s, const struct sealing *in, const struct sealed *sealed, size_t head_len, const struct audience *a, struct kw_why *why)
{
	const struct agreement_topic *topic = agreement_topic(in->agreement, in->header->topic);
	uint64_t delete_by_ms = payload_delete_by_ms(in->header->payload_type, release_content(in->header->type, in->payload));
	struct buf payload = BUF_INIT(KW_OPENED_MAX + 64);
	struct out_new row = {
		.header = in->header, .frame_hash = sealed->frame_hash, .frame = buf_span(&sealed->frame), .wraps = buf_span(&sealed->wraps),
		.head_len = head_len, .cap_hash = in->cap_hash, .own = in->own,
		.content_until_ms = in->header->created_ms + topic->keep_content_ms, .proof_until_ms = in->now_ms + topic->keep_proof_ms,
	};
	enum case_move_kind move;
	enum kw_err err = sealer_close(&payload, s, in->header->id, in->payload);

	if (err != KW_OK) {
		err = kw_refuse(why, err, "out of memory for a payload of %zu bytes", in->payload.len);
		goto free_payload;
	}
	row.content_until_ms = sealer_content_until(row.content_until_ms, in->header, in->now_ms, in->content_max_ms);
	if (delete_by_ms > 0)
		row.content_until_ms = least(row.content_until_ms, delete_by_ms);
	if (confirmation_awaited(in->header->type))
		row.confirm_by_ms = in->header->created_ms + topic->deliver_within_ms;
	if (topic->acknowledge_within_ms > 0 && answer_awaited(in->header->type))
		row.answer_by_ms = in->header->created_ms + topic->acknowledge_within_ms;
	if (in->header->about.set && case_move_of(&move, in->header->type))
		row.moves = in->header->about.id;
	row.payload = buf_span(&payload);
	err = pstore_out_add(seq, in->store, &row, a->kept, a->count, why);
free_payload:
	buf_free(&payload);
	return err;
}

enum kw_err
sealer_seal(uint64_t *seq, struct sealer *s, const struct sealing *in, struct kw_why *why)
{
	struct buf header = BUF_INIT(KW_HEADER_MAX + 16);
	struct sealed sealed = {0};
	struct audience a = {0};
	uint8_t random[32];
	enum kw_err err;

	complete(s, in);
	if ((err = audience_ask(&a, in, why)) != KW_OK)
		goto free_audience;
	if ((err = header_encode(&header, in->header, why)) != KW_OK)
		goto free_header;
	if ((err = renew(s, in->mono_ms, why)) != KW_OK)
		goto free_header;
	if ((err = audience_number(&a, in, why)) != KW_OK)
		goto free_header;
	randombytes_buf(random, sizeof random);
	err = seal_notification(&sealed, s->ephemeral, secret_keys_local(s->keys), random, buf_span(&header), in->payload, true,
	                        secret_keys_sign(s->keys), a.sealed_to, a.count, why);
	sodium_memzero(random, sizeof random);
	if (err == KW_OK)
		err = keep(seq, s, in, &sealed, 8 + header.len + 3 * 32 + KW_SIG_LEN, &a, why);
	sealed_free(&sealed);
free_header:
	buf_free(&header);
free_audience:
	audience_free(&a);
	return err;
}

struct voids {
	struct void_number *numbers;
	size_t count, cap;
	bool failed;
};

static void
take_number(void *self, const struct out_confirm *c)
{
	struct voids *v = self;

	if (v->count == v->cap) {
		size_t cap = v->cap == 0 ? 64 : v->cap * 2;
		struct void_number *more = realloc(v->numbers, cap * sizeof *more);

		if (more == NULL) {
			v->failed = true;
			return;
		}
		v->numbers = more;
		v->cap = cap;
	}
	memset(&v->numbers[v->count], 0, sizeof v->numbers[0]);
	memcpy(v->numbers[v->count].node, c->node, strlen(c->node) + 1);
	v->numbers[v->count++].number = c->number;
}

/* To the same readers, as far as they may still be told under the agreement in force. */
static void
void_header(struct header *h, const struct sealing *in, const struct header *old, const struct voids *v)
{
	uint64_t life = agreement_topic(in->agreement, old->topic)->keep_content_ms;

	memset(h, 0, sizeof *h);
	memcpy(h->topic, old->topic, sizeof h->topic);
	h->lane = old->lane;
	h->type = TYPE_VOID;
	h->payload_type = PAYLOAD_VOID;
	h->created_ms = in->now_ms;
	h->expires_ms = in->now_ms + (life < 14 * DAY_MS ? life : 14 * DAY_MS);
	h->take_within_s = old->take_within_s; /* the coordinator is among the readers of such */
	h->about.set = true;
	for (size_t i = 0; i < v->count && v->count <= KW_TO_MAX; i++) {
		uint32_t node = agreement_node(in->agreement, v->numbers[i].node);

		if (agreement_is_concerned(in->agreement, old->topic, node))
			memcpy(h->to[h->to_count++], v->numbers[i].node, KW_NODE_MAX + 1);
	}
}

enum kw_err
sealer_void(uint64_t *seq, struct sealer *s, const struct sealing *in, uint64_t row, const struct header *old, const uint8_t frame_hash[KW_HASH_LEN],
            const char *reason, struct kw_why *why)
{
	struct sealing sealing = *in;
	struct voids v = {0};
	struct buf payload = BUF_INIT(KW_BODY_MAX);
	enum kw_err err;

	if (agreement_topic(in->agreement, old->topic) == NULL)
		return kw_refuse(why, KW_ENOTFOUND, "no topic of the agreement takes in \"%.255s\" any more", old->topic);
	if ((err = pstore_out_readers(in->store, row, take_number, &v, why)) != KW_OK)
		goto free_all;
	if (v.failed) {
		err = kw_refuse(why, KW_ENOMEM, "out of memory for a void");
		goto free_all;
	}
	void_header(in->header, in, old, &v);
	memcpy(in->header->about.id, old->id, KW_ID_LEN);
	memcpy(in->header->about.frame_hash, frame_hash, KW_HASH_LEN);
	err = v.count <= KW_TO_MAX && in->header->to_count == 0 ? KW_ENOTFOUND : void_encode(&payload, v.numbers, v.count, reason);
	if (err != KW_OK)
		goto free_all;
	sealing.payload = buf_span(&payload);
	sealing.own = true;
	sealing.cap_hash = NULL;
	err = sealer_seal(seq, s, &sealing, why);
	if (err == KW_EDENIED)
		err = KW_ENOTFOUND;
free_all:
	buf_free(&payload);
	free(v.numbers);
	return err;
}
