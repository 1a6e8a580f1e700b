/* node_receipts: "delivered" and "rejected", said and heard (docs/protocol.md [D-7], [D-11], [D-12]). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "clients/partner/node_parts.h"
#include "proto/payload.h"

#define SAY_MOST 64u /* receipts of one turn */
#define DAY_MS (24ull * 3600 * 1000)

static enum kw_err
head_of(struct header *out, const struct in_stored *row)
{
	struct frame f;
	enum kw_err err = frame_parse(&f, row->head, FRAME_EITHER, NULL);

	return err == KW_OK ? header_decode(out, f.header, NULL) : err;
}

static void
add_due(void *self, const struct in_stored *row)
{
	struct node *n = self;
	struct receipt_due due = {.seq = row->seq, .lane = row->lane, .at_once = row->receipt_at_once};
	struct header h;

	if (head_of(&h, row) != KW_OK)
		return;
	memcpy(due.sender, h.sender, sizeof due.sender);
	memcpy(due.topic, h.topic, sizeof due.topic);
	if (receipts_add(n->receipts, &due, n->mono_ms) != KW_OK)
		log_event(LOG_ERROR, "partner.no_memory", "for=receipt");
}

static void
add_deadline(void *self, const struct out_row *row)
{
	struct node *n = self;

	if ((row->confirm_by_ms > 0 && (row->late & LATE_CONFIRM) == 0 && confirmations_add(n->confirmations, row->seq, row->confirm_by_ms) != KW_OK) ||
	    (row->answer_by_ms > 0 && (row->late & LATE_ANSWER) == 0 && confirmations_add(n->confirmations, row->seq, row->answer_by_ms) != KW_OK))
		log_event(LOG_ERROR, "partner.no_memory", "for=deadline");
}

enum kw_err
node_receipts_load(struct node *n, struct kw_why *why)
{
	enum kw_err err;

	receipts_forget(n->receipts);
	confirmations_free(&n->confirmations);
	if ((err = confirmations_new(&n->confirmations)) != KW_OK)
		return kw_refuse(why, err, "out of memory for the confirmations");
	if ((err = pstore_in_due(n->store, add_due, n, why)) != KW_OK)
		return err;
	return pstore_out_awaited(n->store, 100000, add_deadline, n, why);
}

void
node_begin_about(struct header *h, const struct node *n, const struct header *about, enum lane lane, const uint8_t frame_hash[KW_HASH_LEN])
{
	const struct agreement_topic *t = agreement_topic(node_agreement(n), about->topic);
	uint64_t life = t != NULL && t->keep_content_ms < 30 * DAY_MS ? t->keep_content_ms : 30 * DAY_MS;

	memset(h, 0, sizeof *h);
	memcpy(h->topic, about->topic, sizeof h->topic);
	h->lane = lane;
	h->created_ms = n->wall_ms;
	h->expires_ms = n->wall_ms + life;
	h->about.set = true;
	memcpy(h->about.id, about->id, KW_ID_LEN);
	memcpy(h->about.frame_hash, frame_hash, KW_HASH_LEN);
}

/* To whoever sent about. */
static void
answer_header(struct header *h, const struct node *n, const struct header *about, enum notice_type type, const uint8_t frame_hash[KW_HASH_LEN])
{
	node_begin_about(h, n, about, about->lane, frame_hash);
	memcpy(h->to[0], about->sender, sizeof h->to[0]);
	h->to_count = 1;
	h->type = type;
	h->payload_type = PAYLOAD_RECEIPT;
}

/* What the agreement does not let us answer stays unanswered: nobody may be told then. */
static enum kw_err
seal_answer(struct node *n, struct header *h, const struct receipt_payload *p, struct kw_why *why)
{
	struct sealing in = node_sealing(n, h);
	struct buf payload = BUF_INIT(KW_BODY_MAX);
	struct kw_why said;
	uint64_t seq;
	enum kw_err err = receipt_encode(&payload, p);

	if (err != KW_OK) {
		err = kw_refuse(why, err, "a receipt cannot be written: %s", kw_err_text(err));
		goto free_payload;
	}
	in.payload = buf_span(&payload);
	in.own = true;
	err = node_seal(&seq, n, &in, &said);
	if (err == KW_EDENIED || err == KW_ESTATE || err == KW_ENOTFOUND || err == KW_ELIMIT) {
		log_peer(LOG_NOTICE, "receipt.not_allowed", h->to[0], "error=%s", kw_err_name(err));
		err = KW_OK;
	} else if (err != KW_OK) {
		*why = said;
	}
free_payload:
	buf_free(&payload);
	return err;
}

static enum kw_err
say_batch(struct node *n, const uint64_t *seqs, uint32_t count, struct kw_why *why)
{
	struct receipt_payload *p = calloc(1, sizeof *p);
	struct header about, h;
	enum kw_err err = KW_OK;

	if (p == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a receipt");
	for (uint32_t i = 0; i < count && err == KW_OK; i++) {
		struct in_stored row;
		struct receipt_item *item = &p->items[p->count];

		err = pstore_in_get(&row, n->store, seqs[i], why);
		if (err == KW_ENOTFOUND) {
			err = KW_OK;
			continue;
		}
		if (err != KW_OK || row.receipt != RECEIPT_DUE || (p->count == 0 && head_of(&about, &row) != KW_OK)) /* all are of one sender, topic and lane */
			continue;
		memcpy(item->id, row.id, KW_ID_LEN);
		memcpy(item->frame_hash, row.frame_hash, KW_HASH_LEN);
		item->at_ms = row.received_ms;
		p->count++;
		err = pstore_in_receipt_said(n->store, seqs[i], why);
	}
	if (err != KW_OK || p->count == 0)
		goto free_receipt;
	answer_header(&h, n, &about, TYPE_DELIVERED, p->items[0].frame_hash);
	err = seal_answer(n, &h, p, why);
free_receipt:
	free(p);
	return err;
}

enum kw_err
node_say_opened(struct node *n, const struct in_stored *row, const char *as, struct kw_why *why)
{
	struct receipt_payload *p = calloc(1, sizeof *p);
	struct header about, h;
	enum kw_err err;

	if (p == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a receipt");
	if (head_of(&about, row) != KW_OK) {
		free(p);
		return kw_refuse(why, KW_ECORRUPT, "a notification in the inbox cannot be read any more; restore the node's store from a copy");
	}
	answer_header(&h, n, &about, TYPE_OPENED, row->frame_hash);
	p->count = 1;
	memcpy(p->items[0].id, row->id, KW_ID_LEN);
	memcpy(p->items[0].frame_hash, row->frame_hash, KW_HASH_LEN);
	p->items[0].at_ms = n->wall_ms;
	(void)snprintf(p->as, sizeof p->as, "%s", as != NULL ? as : "");
	if ((err = pstore_in_opened(n->store, row->seq, why)) == KW_OK)
		err = seal_answer(n, &h, p, why);
	free(p);
	return err;
}

enum kw_err
node_receipts_say(struct node *n, struct kw_why *why)
{
	uint64_t seqs[KW_RECEIPTS_MAX];
	uint32_t count;
	enum kw_err err;

	if (n->stopped)
		return KW_OK;
	for (uint32_t i = 0; i < SAY_MOST && receipts_wake_ms(n->receipts) <= n->mono_ms; i++) {
		if ((err = node_tx(n, why)) != KW_OK)
			return err;
		if ((count = receipts_take(n->receipts, seqs, n->mono_ms)) == 0)
			return KW_OK;
		if ((err = say_batch(n, seqs, count, why)) != KW_OK)
			return err;
	}
	return KW_OK;
}

enum kw_err
node_say_rejected(struct node *n, const struct reading *r, struct kw_why *why)
{
	struct receipt_payload *p;
	struct header h;
	enum kw_err err;

	if (n->stopped)
		return KW_OK;
	if ((p = calloc(1, sizeof *p)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a receipt");
	answer_header(&h, n, &r->header, TYPE_REJECTED, r->frame_hash);
	p->count = 1;
	memcpy(p->items[0].id, r->header.id, KW_ID_LEN);
	memcpy(p->items[0].frame_hash, r->frame_hash, KW_HASH_LEN);
	p->items[0].at_ms = n->wall_ms;
	memcpy(p->reason, r->why.text, sizeof p->reason - 1);
	err = seal_answer(n, &h, p, why);
	free(p);
	return err;
}

/* Whoever was told that a notification is refused for good, and hears that somebody has it, was told a lie, or the answer before was lost. */
static void
compare_with_answer(struct node *n, const struct reading *r, const struct out_row *row)
{
	char id[37];

	if (row->state != OUTBOX_REFUSED || row->has_replacement)
		return;
	kw_id_text(id, row->id);
	node_alarm(n, "contradiction", "the broker refused %s for good (%.200s), yet %s confirms that it has it", id, row->reason, r->header.sender);
}

static enum kw_err
confirm_item(bool *held, struct node *n, const struct reading *r, const struct receipt_item *item, const char *reason, struct kw_why *why)
{
	struct out_row row;
	enum kw_err err = pstore_out_find(&row, n->store, item->id, why);

	*held = false;
	if (err == KW_ENOTFOUND)
		return KW_OK;
	if (err != KW_OK)
		return err;
	if (memcmp(row.frame_hash, item->frame_hash, KW_HASH_LEN) != 0)
		return KW_OK;
	compare_with_answer(n, r, &row);
	if (r->header.type == TYPE_REJECTED)
		err = pstore_out_rejected(n->store, row.seq, r->header.sender, n->wall_ms, reason, why);
	else if (r->header.type == TYPE_OPENED) /* "delivered" comes by itself, sooner or later */
		err = pstore_out_opened(n->store, row.seq, r->header.sender, item->at_ms > INT64_MAX ? n->wall_ms : item->at_ms, r->header.id, why);
	else
		err = pstore_out_confirm(n->store, row.seq, r->header.sender, item->at_ms > INT64_MAX ? n->wall_ms : item->at_ms, r->header.id, why);
	*held = err == KW_OK;
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
node_receipt_came(struct node *n, const struct reading *r, struct kw_why *why)
{
	struct receipt_payload *p = calloc(1, sizeof *p);
	uint32_t held = 0;
	enum kw_err err;

	if (p == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a receipt");
	if (receipt_decode(p, buf_span(&r->payload), why) != KW_OK) {
		err = KW_EDENIED;
		goto free_receipt;
	}
	err = KW_OK;
	for (uint32_t i = 0; i < p->count && err == KW_OK; i++) {
		bool one;

		err = confirm_item(&one, n, r, &p->items[i], p->reason, why);
		held += one;
	}
	if (err != KW_OK)
		goto free_receipt;
	if (held == 0)
		err = kw_refuse(why, KW_EDENIED, "receipt: %s confirms %u notifications, none of which this node sent to it", r->header.sender, p->count);
	else
		n->change.outbox = true;
	if (r->header.type == TYPE_REJECTED && held > 0)
		node_alarm(n, "rejected", "%s could not accept what this node sent: %s", r->header.sender, p->reason);
free_receipt:
	free(p);
	return err;
}
