/* node_forward: see its header. */
#include "clients/partner/node_forward.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proto/payload.h"

static const char reason[] = "its original was recalled / das Original wurde zurückgerufen";

/* *sealed: it is on its way. What the agreement does not allow any more is an alarm. */
static enum kw_err
seal_recall(bool *sealed, struct node *n, const struct header *forward, const uint8_t frame_hash[KW_HASH_LEN], const struct receipt_payload *p, struct kw_why *why)
{
	struct header h = {.lane = forward->lane, .type = TYPE_RECALL, .payload_type = PAYLOAD_RECEIPT, .created_ms = n->wall_ms, .confirm_at_once = true};
	struct sealing in = node_sealing(n, &h);
	struct buf payload = BUF_INIT(KW_BODY_MAX);
	struct kw_why said;
	uint64_t seq;
	enum kw_err err = receipt_encode(&payload, p);

	if (err != KW_OK) {
		err = kw_refuse(why, err, "a recall cannot be written: %s", kw_err_text(err));
		goto free_payload;
	}
	memcpy(h.topic, forward->topic, sizeof h.topic);
	memcpy(h.to, forward->to, sizeof h.to);
	h.to_count = forward->to_count;
	h.expires_ms = n->wall_ms + (forward->expires_ms - forward->created_ms);
	h.about.set = true;
	memcpy(h.about.id, forward->id, KW_ID_LEN);
	memcpy(h.about.frame_hash, frame_hash, KW_HASH_LEN);
	in.payload = buf_span(&payload);
	err = node_seal(&seq, n, &in, &said);
	*sealed = err == KW_OK;
	if (err == KW_EFULL || err == KW_EIO || err == KW_ECORRUPT || err == KW_ENOMEM) {
		*why = said;
	} else if (err != KW_OK) {
		node_alarm(n, "forward_not_recalled", "what this node forwarded to %s cannot be recalled: %s", forward->to[0], said.text);
		err = KW_OK;
	}
free_payload:
	buf_free(&payload);
	return err;
}

/* Only the partner that sent it may recall it, and only then what was forwarded of it goes. */
static enum kw_err
may_recall(bool *may, struct node *n, const struct about *about, const char *sender, struct kw_why *why)
{
	struct inbox_query q = {.has_id = true};
	struct in_stored came;
	struct out_row sent;
	struct header *h;
	struct frame f;
	enum kw_err err = pstore_out_find(&sent, n->store, about->id, why);

	*may = err == KW_OK && memcmp(sent.frame_hash, about->frame_hash, KW_HASH_LEN) == 0 && node_same_partner(sender, n->id);
	if (err != KW_ENOTFOUND)
		return err;
	memcpy(q.id, about->id, KW_ID_LEN);
	if ((err = pstore_in_next(&came, n->store, &q, 0, why)) != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	if ((h = calloc(1, sizeof *h)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a recall");
	*may = memcmp(came.frame_hash, about->frame_hash, KW_HASH_LEN) == 0 && frame_parse(&f, came.head, FRAME_EITHER, NULL) == KW_OK &&
	       header_decode(h, f.header, NULL) == KW_OK && node_same_partner(sender, h->sender);
	free(h);
	return KW_OK;
}

static enum kw_err
take_back(struct node *n, uint64_t seq, const struct header *h, const uint8_t hash[KW_HASH_LEN], struct kw_why *why)
{
	struct receipt_payload *p = calloc(1, sizeof *p);
	bool sealed = false;
	enum kw_err err;

	if (p == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a recall");
	p->count = 1;
	memcpy(p->items[0].id, h->id, KW_ID_LEN);
	memcpy(p->items[0].frame_hash, hash, KW_HASH_LEN);
	p->items[0].at_ms = n->wall_ms;
	memcpy(p->reason, reason, sizeof reason);
	if ((err = seal_recall(&sealed, n, h, hash, p, why)) == KW_OK && sealed)
		err = pstore_out_looked_at(n->store, seq, LATE_RECALLED, why);
	free(p);
	return err == KW_OK ? pstore_out_erase(n->store, seq, why) : err; /* one that waits goes when it is stored */
}

static enum kw_err
recall_one(struct node *n, const struct out_row *row, const struct about *about, struct kw_why *why)
{
	struct header *h = calloc(1, sizeof *h);
	uint8_t hash[KW_HASH_LEN];
	struct frame f;
	enum kw_err err = KW_OK;

	if (h == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a recall");
	memcpy(hash, row->frame_hash, KW_HASH_LEN);
	if (frame_parse(&f, row->frame, FRAME_EITHER, NULL) == KW_OK && header_decode(h, f.header, NULL) == KW_OK &&
	    memcmp(h->about.id, about->id, KW_ID_LEN) == 0 && memcmp(h->about.frame_hash, about->frame_hash, KW_HASH_LEN) == 0) {
		if (row->state == OUTBOX_WAITING && !sending_unanswered(n->sending, row->lane, row->seq))
			err = node_out_withdraw(n, row, reason, why);
		else
			err = take_back(n, row->seq, h, hash, why);
	}
	free(h);
	return err;
}

enum kw_err
node_forward_recalled(struct node *n, const struct about *about, const char *sender, struct kw_why *why)
{
	struct out_row row;
	bool may;
	enum kw_err err = may_recall(&may, n, about, sender, why);

	if (err != KW_OK || !may)
		return err;
	for (uint64_t before = UINT64_MAX; (err = pstore_out_forwarded(&row, n->store, before, why)) == KW_OK;) {
		before = row.seq;
		if (row.state == OUTBOX_REFUSED || row.state == OUTBOX_EXPIRED || (row.late & LATE_RECALLED) != 0 || row.expires_ms <= n->wall_ms)
			continue;
		if ((err = recall_one(n, &row, about, why)) != KW_OK)
			return err;
	}
	return err == KW_ENOTFOUND ? KW_OK : err;
}
