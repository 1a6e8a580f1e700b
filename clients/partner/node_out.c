/* node_out: the outbox on its way: offering, answers, sealing anew, voids, expiry (docs/protocol.md section 2). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "clients/partner/node_cases.h"
#include "clients/partner/node_forward.h"
#include "clients/partner/node_release.h"
#include "proto/commit.h"

#define ANEW_WAIT_MS 250u /* for the agreement that was asked for, before what it is needed for is offered again */
#define PUMP_MOST 512u /* publishes of one turn, so that the loop comes back to reading */
#define EXPIRED_MOST 100u /* likewise */

enum offered { OFFER_STOP, OFFER_HELD, OFFER_MADE }; /* nothing more can go in this turn; it waits for its case; sent, or nothing is to be */

static enum offered
offer_one(struct node *n, enum lane lane, uint64_t after, uint32_t bytes_free)
{
	struct wire_msg m = {.kind = WIRE_PUBLISH};
	struct out_row row;
	struct kw_why why;
	bool waits = false;
	enum kw_err err = pstore_out_next(&row, n->store, lane, after, &why);

	if (err == KW_OK && row.commit != 0 && (err = node_move_waits(&waits, n, &row, &why)) == KW_OK)
		err = pstore_out_next(&row, n->store, lane, after, &why); /* spans of a row live until the outbox is asked again */
	if (err == KW_ENOTFOUND) {
		sending_empty(n->sending, lane);
		return OFFER_MADE;
	}
	if (err != KW_OK) {
		node_store_failed(n, err, &why);
		return OFFER_STOP;
	}
	if (waits || sending_unanswered(n->sending, lane, row.seq)) {
		sending_skip(n->sending, lane, row.seq);
		return waits ? OFFER_HELD : OFFER_MADE;
	}
	if (row.frame.len + row.wraps.len > bytes_free) {
		sending_full(n->sending, lane);
		return OFFER_MADE;
	}
	m.publish.wraps = row.wraps;
	m.publish.round = sending_round(n->sending, lane);
	if (node_send(n, &m, row.frame) != KW_OK)
		return OFFER_STOP;
	sending_offered(n->sending, lane, row.seq, row.id, (uint32_t)(row.frame.len + row.wraps.len), n->mono_ms);
	return OFFER_MADE;
}

void
node_pump(struct node *n)
{
	enum offered one = OFFER_MADE;
	uint32_t bytes_free;
	uint64_t after;
	enum lane lane;

	if (n->stopped || n->link.state != LINK_READY)
		return;
	for (uint32_t i = 0; one != OFFER_STOP && i < PUMP_MOST && sending_want(n->sending, &lane, &after, &bytes_free, n->mono_ms); i += one == OFFER_MADE)
		one = offer_one(n, lane, after, bytes_free);
}

/* Two proofs that cannot both be true: whoever sees them knows that the broker's log is not one. */
static enum kw_err
order_denied(struct node *n, uint64_t other_commit, const uint8_t record[WIRE_COMMIT_LEN], const char *how, struct kw_why *why)
{
	struct pstore_seen known;
	enum kw_err err;

	if ((err = pstore_commit_get(&known, n->store, n->log_epoch, other_commit, why)) != KW_OK)
		return err;
	err = pstore_evidence_add(n->store, "order", how, known.has_record ? span_of(known.record, WIRE_COMMIT_LEN) : span_of(NULL, 0),
	                          span_of(record, WIRE_COMMIT_LEN), n->wall_ms, why);
	return err != KW_OK ? err : kw_refuse(why, KW_ECRYPTO, "%s: the broker denies its own order; look at the evidence", how);
}

/* [P-7] One place for one notification, and the first proof of it stays. */
static enum kw_err
check_order(struct node *n, const struct out_row *row, const struct wire_stored_item *item, const uint8_t record[WIRE_COMMIT_LEN], struct kw_why *why)
{
	uint64_t other, commit;
	enum kw_err err;

	if (row->state == OUTBOX_STORED && row->at.log_epoch == item->at.log_epoch && row->at.number != item->at.number)
		return order_denied(n, row->commit, record, "the broker proves two places for one notification of this node", why);
	err = pstore_out_at(&other, &commit, n->store, &item->at, row->seq, why);
	if (err != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	return order_denied(n, commit, record, "the broker proves one place for two notifications of this node", why);
}

static enum kw_err
check_positions(const struct node *n, const struct wire_stored *s, struct kw_why *why)
{
	for (uint32_t i = 0; i < s->count; i++) {
		const struct position *at = &s->items[i].at;

		if (at->number == 0 || at->number > INT64_MAX || at->log_epoch == 0 || at->log_epoch > n->log_epoch || at->log_epoch != s->items[0].at.log_epoch)
			return kw_refuse(why, KW_ECRYPTO, "the broker says it stored a notification at a position (epoch %u, number %llu) that cannot be", at->log_epoch,
			                 (unsigned long long)at->number);
	}
	return KW_OK;
}

/* What this node sent is not delivered to it: its place in the log comes with its proof. */
static enum kw_err
own_in_log(struct node *n, const struct out_row *row, const struct position *at, struct kw_why *why)
{
	bool taken_back = (row->late & LATE_RECALLED) != 0; /* a forward, on its way */
	uint64_t seq = row->seq;
	struct buf head = BUF_INIT(KW_HEAD_MAX);
	uint8_t hash[KW_HASH_LEN];
	struct header h;
	struct frame f;
	enum kw_err err;

	if (frame_parse(&f, row->frame, FRAME_EITHER, why) != KW_OK || header_decode(&h, f.header, why) != KW_OK)
		return kw_refuse(why, KW_ECORRUPT, "a notification in the outbox cannot be read any more; restore the store from a copy");
	memcpy(hash, row->frame_hash, KW_HASH_LEN);
	buf_put_span(&head, f.head); /* the row's bytes go when the store is asked for others */
	err = buf_ok(&head) ? node_case_heard(n, &h, hash, buf_span(&head), at, why) : kw_refuse(why, KW_ENOMEM, "out of memory for a case");
	if (err == KW_OK && h.type == TYPE_RECALL && (err = node_erase_own(n, &h.about, why)) == KW_OK)
		err = node_forward_recalled(n, &h.about, n->id, why);
	if (err == KW_OK && taken_back)
		err = pstore_out_erase(n->store, seq, why);
	buf_free(&head);
	return err;
}

/* With its proof, for whoever asks later, offline: the commit, and the way from this notification to its root. */
static enum kw_err
keep_stored(struct node *n, uint64_t seq, uint64_t commit, const uint8_t record[WIRE_COMMIT_LEN], const struct wire_stored_item *item, struct kw_why *why)
{
	struct buf proof = BUF_INIT(WIRE_COMMIT_LEN + 4 + KW_PATH_MAX * KW_HASH_LEN);
	enum kw_err err;

	buf_put(&proof, record, WIRE_COMMIT_LEN);
	buf_put_u32(&proof, item->index);
	buf_put(&proof, item->path, (size_t)item->path_len * KW_HASH_LEN);
	err = buf_ok(&proof) ? pstore_out_stored(n->store, seq, &item->at, commit, buf_span(&proof), n->wall_ms, why)
	                     : kw_refuse(why, KW_ENOMEM, "out of memory for a proof");
	buf_free(&proof);
	return err;
}

static enum kw_err
stored_one(struct node *n, const struct commit *c, const uint8_t record[WIRE_COMMIT_LEN], const struct wire_stored_item *item, struct kw_why *why)
{
	struct out_row row;
	struct leaf leaf;
	uint8_t hash[KW_HASH_LEN];
	enum kw_err err = pstore_out_find(&row, n->store, item->id, why);

	if (err == KW_ENOTFOUND)
		return kw_refuse(why, KW_ECRYPTO, "the broker says it stored a notification that this node never sent");
	if (err != KW_OK)
		return err;
	leaf = (struct leaf){item->at, n->id, item->id, row.frame_hash};
	commit_leaf(hash, &leaf);
	if (item->at.lane != row.lane || !commit_path_holds(c->root, c->count, item->index, hash, (const uint8_t (*)[KW_HASH_LEN])item->path, item->path_len))
		return kw_refuse(why, KW_ECRYPTO, "the broker's proof that it stored a notification in commit %llu does not hold", (unsigned long long)c->number);
	if ((err = check_order(n, &row, item, record, why)) != KW_OK)
		return err;
	if (row.state == OUTBOX_WAITING && n->waiting > 0)
		n->waiting--;
	if ((err = keep_stored(n, row.seq, c->number, record, item, why)) != KW_OK)
		return err;
	(void)sending_stored(n->sending, item->id);
	if (row.lane >= n->full_lane)
		node_alarm_clear(n, "broker_full");
	n->published++;
	n->change.outbox = true;
	return own_in_log(n, &row, &item->at, why);
}

/* [P-7] Believed only with commit, signature and path. */
enum kw_err
node_stored(struct node *n, const struct wire_stored *s, struct kw_why *why)
{
	struct commit c;
	enum kw_err err;

	if ((err = node_tx(n, why)) != KW_OK)
		return err;
	if (s->count == 0)
		return KW_OK;
	if ((err = check_positions(n, s, why)) != KW_OK)
		return err;
	if ((err = node_commit_came(n, s->items[0].at.log_epoch, s->commit, why)) != KW_OK)
		return err;
	if ((err = commit_decode(&c, s->commit, why)) != KW_OK)
		return err;
	for (uint32_t i = 0; i < s->count; i++)
		if ((err = stored_one(n, &c, s->commit, &s->items[i], why)) != KW_OK)
			return err;
	return KW_OK;
}

struct sealing
node_sealing(struct node *n, struct header *h)
{
	return (struct sealing){
		.header = h, .agreement = node_agreement(n), .store = n->store, .sender_epoch = n->sender_epoch, .seen = n->seen, .now_ms = n->wall_ms,
		.mono_ms = n->mono_ms, .content_max_ms = n->config->keep_content_ms,
	};
}

enum kw_err
node_seal(uint64_t *seq, struct node *n, const struct sealing *in, struct kw_why *why)
{
	const struct agreement_topic *topic;
	enum kw_err err;

	if ((err = pstore_mark(n->store, why)) != KW_OK)
		return err;
	if ((err = sealer_seal(seq, n->sealer, in, why)) != KW_OK) {
		pstore_mark_undo(n->store); /* the numbers it took are free again */
		return err;
	}
	if ((err = pstore_mark_keep(n->store, why)) != KW_OK)
		return err;
	n->waiting++;
	n->change.outbox = true;
	sending_added(n->sending, in->header->lane);
	topic = agreement_topic(in->agreement, in->header->topic);
	if (confirmation_awaited(in->header->type) && confirmations_add(n->confirmations, *seq, in->header->created_ms + topic->deliver_within_ms) != KW_OK)
		log_event(LOG_ERROR, "partner.no_memory", "for=deadline");
	if (topic->acknowledge_within_ms > 0 && answer_awaited(in->header->type) &&
	    confirmations_add(n->confirmations, *seq, in->header->created_ms + topic->acknowledge_within_ms) != KW_OK)
		log_event(LOG_ERROR, "partner.no_memory", "for=deadline");
	return KW_OK;
}

struct old { /* a row of the outbox, copied: sealing asks the store for others */
	uint64_t seq;
	bool stored;  /* in a log epoch before; offered again since */
	struct header header;
	uint8_t frame_hash[KW_HASH_LEN];
	struct buf payload;
};

static enum kw_err
old_take(struct old *out, struct node *n, const struct out_row *row, struct kw_why *why)
{
	struct frame f;
	enum kw_err err;

	out->seq = row->seq;
	out->stored = row->commit != 0;
	memcpy(out->frame_hash, row->frame_hash, KW_HASH_LEN);
	out->payload = BUF_INIT(KW_OPENED_MAX + 64);
	out->payload.secret = true;
	if (frame_parse(&f, row->frame, FRAME_EITHER, why) != KW_OK || header_decode(&out->header, f.header, why) != KW_OK)
		return kw_refuse(why, KW_ECORRUPT, "a notification in the outbox cannot be read any more; restore the store from a copy");
	err = sealer_open(&out->payload, n->sealer, row->id, row->payload, why);
	return err == KW_ENOTFOUND ? KW_OK : err;
}

/* [P-9] A void about a void is said where it was sealed anew or expired, never where it was refused: that would not end. */
static enum kw_err
say_void(struct node *n, const struct old *old, const char *reason, struct kw_why *why)
{
	struct header h;
	struct sealing in = node_sealing(n, &h);
	uint64_t seq;
	enum kw_err err;

	if (old->header.sender_epoch != n->sender_epoch)
		return KW_OK; /* a void is about numbers of its own epoch; in the one before nobody counts on */
	if ((err = pstore_mark(n->store, why)) != KW_OK)
		return err;
	err = sealer_void(&seq, n->sealer, &in, old->seq, &old->header, old->frame_hash, reason, why);
	if (err != KW_OK) {
		pstore_mark_undo(n->store);
		if (err == KW_EFULL || err == KW_EIO || err == KW_ECORRUPT || err == KW_ENOMEM)
			return err;
		log_event(LOG_WARNING, "outbox.not_voided", "error=%s", kw_err_name(err));
		return KW_OK;
	}
	if ((err = pstore_mark_keep(n->store, why)) != KW_OK)
		return err;
	n->waiting++;
	sending_added(n->sending, h.lane);
	return KW_OK;
}

/* [C-11] What was stored before a new log epoch stays so: its proof stands, and who confirmed it has it. The void is for those who do not. */
static enum kw_err
close_row(struct node *n, const struct old *old, enum outbox_state state, const char *reason, const uint8_t *replacement, bool voids, struct kw_why *why)
{
	bool leave = old->stored && replacement == NULL;
	enum kw_err err = leave ? pstore_out_leave(n->store, old->seq, why) : pstore_out_close(n->store, old->seq, state, reason, replacement, why);

	if (err != KW_OK)
		return err;
	if (n->waiting > 0)
		n->waiting--;
	n->change.outbox = true;
	if ((err = node_release_closed(n, &old->header, replacement, leave, why)) != KW_OK || (err = node_case_given_up(n, &old->header, why)) != KW_OK)
		return err;
	return voids ? say_void(n, old, reason, why) : KW_OK;
}

/* An update of something that was itself sealed anew is about the new one. */
static enum kw_err
follow_about(struct node *n, struct header *h, struct kw_why *why)
{
	struct out_row row;
	enum kw_err err;

	if (!h->about.set || notice_type_is_receipt(h->type))
		return KW_OK;
	for (int hops = 0; hops < 16; hops++) {
		err = pstore_out_find(&row, n->store, h->about.id, why);
		if (err != KW_OK)
			return err == KW_ENOTFOUND ? KW_OK : err;
		if (!row.has_replacement) {
			memcpy(h->about.frame_hash, row.frame_hash, KW_HASH_LEN);
			return KW_OK;
		}
		memcpy(h->about.id, row.replacement, KW_ID_LEN);
	}
	return KW_OK;
}

/* By a recall of this node's own, which waits or is stored: what it names would come behind it, under another id. */
static enum kw_err
is_recalled(bool *recalled, struct node *n, const struct old *old, struct kw_why *why)
{
	struct out_row row;
	struct header h;
	struct frame f;
	enum kw_err err;

	*recalled = false;
	for (uint64_t before = UINT64_MAX; (err = pstore_out_recall(&row, n->store, before, why)) == KW_OK && !*recalled; before = row.seq)
		*recalled = row.state != OUTBOX_REFUSED && row.state != OUTBOX_EXPIRED && frame_parse(&f, row.frame, FRAME_EITHER, NULL) == KW_OK &&
		            header_decode(&h, f.header, NULL) == KW_OK && memcmp(h.about.frame_hash, old->frame_hash, KW_HASH_LEN) == 0;
	return err == KW_ENOTFOUND ? KW_OK : err;
}

/* A void names all whose numbers it tells; one of them who may not read there any more must not keep it from the others. */
static void
leave_out_gone(struct header *h, const struct agreement *a)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < h->to_count; i++)
		if (agreement_is_concerned(a, h->topic, agreement_node(a, h->to[i])))
			memmove(h->to[kept++], h->to[i], sizeof h->to[i]);
	if (kept > 0)
		h->to_count = kept;
}

static enum kw_err
seal_anew(struct node *n, const struct old *old, bool own, struct kw_why *why)
{
	bool recalled;
	struct header h = old->header;
	struct sealing in = node_sealing(n, &h);
	struct kw_why said;
	uint64_t seq;
	enum kw_err err;

	if (agreement_version(in.agreement) <= old->header.agreement_version || agreement_version(in.agreement) < n->broker_version) {
		/* The one that counts is not here yet: it is asked for, this waits. One on the way to it may not know this node. */
		n->version_wanted = true;
		node_agreement_ask(n);
		sending_back_to(n->sending, h.lane, old->seq, ANEW_WAIT_MS, n->mono_ms);
		return KW_OK;
	}
	if (old->header.type == TYPE_RELEASED) /* whether the newer one still finds it released is asked from the beginning */
		return (err = node_release_again(n, &old->header, why)) != KW_OK ? err : close_row(n, old, OUTBOX_REFUSED, "to be released anew under a newer agreement", NULL, true, why);
	if (old->header.type == TYPE_DRAFT) {
		bool open;

		if ((err = node_release_is_open(&open, n, old->header.id, why)) != KW_OK)
			return err;
		if (!open)
			return close_row(n, old, OUTBOX_REFUSED, "this draft is over, so it is not sealed anew", NULL, true, why);
	}
	if ((err = is_recalled(&recalled, n, old, why)) != KW_OK)
		return err;
	if (recalled)
		return close_row(n, old, OUTBOX_REFUSED, "it was recalled, so it is not sealed anew", NULL, true, why);
	if ((err = follow_about(n, &h, why)) != KW_OK)
		return err;
	if (h.type == TYPE_VOID)
		leave_out_gone(&h, in.agreement);
	in.payload = buf_span(&old->payload);
	in.own = own;
	err = node_seal(&seq, n, &in, &said);
	if (err == KW_OK)
		return close_row(n, old, OUTBOX_REFUSED, "sealed anew under a newer agreement", h.id, true, why);
	if (err == KW_EFULL || err == KW_EIO || err == KW_ECORRUPT || err == KW_ENOMEM) {
		*why = said;
		return err;
	}
	kw_why_prefix(&said, "the newer agreement does not allow it any more");
	node_alarm(n, "publish_refused", "%s", said.text);
	return close_row(n, old, OUTBOX_REFUSED, said.text, NULL, true, why);
}

/* It waits and is offered again; but who published it should not have to guess why. */
static void
broker_is_full(struct node *n, const struct wire_refused *r)
{
	struct out_row row;

	if (pstore_out_find(&row, n->store, r->id, NULL) != KW_OK)
		return;
	n->full_lane = row.lane;
	node_alarm(n, "broker_full", "the broker has no room for what is published in lane %s, so it waits in the outbox and is offered again: %s", lane_name(row.lane), r->text);
}

enum kw_err
node_out_withdraw(struct node *n, const struct out_row *row, const char *reason, struct kw_why *why)
{
	struct old old;
	enum kw_err err = old_take(&old, n, row, why);

	if (err == KW_OK)
		err = close_row(n, &old, OUTBOX_REFUSED, reason, NULL, true, why);
	buf_free(&old.payload);
	return err == KW_OK ? pstore_out_erase(n->store, old.seq, why) : err;
}

/* [C-11] Somebody took something on, and what the log lost with that does not come back. */
static bool
was_a_move(const struct old *old)
{
	enum case_move_kind kind;

	return old->stored && case_move_of(&kind, old->header.type);
}

enum kw_err
node_publish_refused(struct node *n, const struct wire_refused *r, struct kw_why *why)
{
	enum sending_fate fate = sending_refused(n->sending, r->id, r->code, r->wait_ms, n->mono_ms);
	struct out_row row;
	struct old old;
	char text[640], id[37];
	enum kw_err err;

	kw_id_text(id, r->id);
	log_peer(LOG_INFO, "outbox.refused", NULL, "id=%s code=%s", id, wire_code_name(r->code));
	if (fate == SENDING_AGAIN && (r->code == CODE_NO_HELLO || r->code == CODE_BEHIND))
		(void)link_refused(&n->link, r->code, r->wait_ms, n->mono_ms);
	if (fate == SENDING_AGAIN && r->code == CODE_STORE_FULL)
		broker_is_full(n, r);
	if (fate == SENDING_UNKNOWN || fate == SENDING_AGAIN)
		return KW_OK;
	if ((err = node_tx(n, why)) != KW_OK)
		return err;
	err = pstore_out_find(&row, n->store, r->id, why);
	if (err != KW_OK || row.state != OUTBOX_WAITING)
		return err == KW_ENOTFOUND ? KW_OK : err;
	if ((err = old_take(&old, n, &row, why)) != KW_OK)
		goto free_payload;
	if (fate == SENDING_ANEW) {
		err = seal_anew(n, &old, row.own, why);
		goto free_payload;
	}
	(void)snprintf(text, sizeof text, "%s: %s", wire_code_name(r->code), r->text);
	if ((!row.own || was_a_move(&old)) && !(old.stored && r->code == CODE_EXPIRED))
		node_alarm(n, "publish_refused", "the broker refused a notification on %s: %s", old.header.topic, text);
	err = close_row(n, &old, r->code == CODE_EXPIRED ? OUTBOX_EXPIRED : OUTBOX_REFUSED, text, NULL,
	                old.header.type != TYPE_VOID || r->code == CODE_EXPIRED, why);
free_payload:
	buf_free(&old.payload);
	return err;
}

/* *left: how many more may be looked at in this turn. */
static enum kw_err
expire_lane(uint32_t *left, struct node *n, enum lane lane, struct kw_why *why)
{
	struct out_row row;
	enum kw_err err = KW_OK;

	for (uint64_t after = 0; *left > 0 && (err = pstore_out_expired(&row, n->store, lane, after, n->wall_ms, why)) == KW_OK; --*left) {
		struct old old;

		after = row.seq;
		if (sending_unanswered(n->sending, row.lane, row.seq))
			continue; /* the broker's answer decides */
		if ((err = node_tx(n, why)) != KW_OK)
			return err;
		if ((err = old_take(&old, n, &row, why)) == KW_OK)
			err = close_row(n, &old, OUTBOX_EXPIRED, "it expired before the broker had it", NULL, true, why);
		buf_free(&old.payload);
		if (err != KW_OK)
			return err;
	}
	return err == KW_ENOTFOUND ? KW_OK : err;
}

enum kw_err
node_expire(struct node *n, struct kw_why *why)
{
	uint32_t left = EXPIRED_MOST;
	enum kw_err err;

	if (n->waiting == 0)
		node_alarm_clear(n, "broker_full");
	node_moves_look(n);
	for (int lane = 0; lane < KW_LANES; lane++)
		if ((err = expire_lane(&left, n, (enum lane)lane, why)) != KW_OK)
			return err;
	return KW_OK;
}
