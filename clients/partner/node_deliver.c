/* node_deliver: what the broker delivers: duplicates, checks, numbers, marks, and the row in the inbox (docs/protocol.md section 5). */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "clients/partner/node_cases.h"
#include "clients/partner/node_forward.h"
#include "clients/partner/node_release.h"
#include "proto/entry.h"
#include "proto/payload.h"

#define DAY_MS (24ull * 3600 * 1000)
#define BROKEN_KEPT 4096u /* bytes of what could not even be parsed */

enum outcome { TAKEN, HOLD };

struct times { uint64_t content_until, proof_until; };

static struct times
keep_until(const struct node *n, const struct header *h)
{
	const struct agreement *a = h != NULL ? agreement_chain_get(n->chain, h->agreement_version) : NULL;
	const struct agreement_topic *t = a != NULL ? agreement_topic(a, h->topic) : NULL;
	uint64_t content = t != NULL ? t->keep_content_ms : 14 * DAY_MS, proof = t != NULL ? t->keep_proof_ms : 730 * DAY_MS;

	return (struct times){sealer_content_until(n->wall_ms + content, h, n->wall_ms, n->config->keep_content_ms), n->wall_ms + proof};
}

/* [D-7] Kept aside with its reason; the sender hears of it when it was the sender. */
static enum kw_err
put_aside(struct node *n, const struct wire_deliver *d, struct span bytes, const struct reading *r, const char *mark, struct kw_why *why)
{
	const struct header *h = r->has_header ? &r->header : NULL;
	struct times t = keep_until(n, h);
	struct in_new row = {
		.header = h, .frame_hash = h != NULL ? r->frame_hash : NULL, .head = h != NULL ? r->frame.head : bytes, .lane = d->at.lane,
		.number = r->has_number ? r->number : 0, .received_ms = n->wall_ms, .rejected = true, .bare = true, .mark = mark, .reason = r->why.text,
		.content_until_ms = t.content_until, .proof_until_ms = t.proof_until, .at = d->at,
	};
	char id[37] = "unknown";
	uint64_t seq;
	enum kw_err err;

	if (h == NULL && row.head.len > BROKEN_KEPT)
		row.head.len = BROKEN_KEPT;
	if (h != NULL)
		kw_id_text(id, h->id);
	log_peer(LOG_WARNING, "inbox.rejected", r->signature_held && h != NULL ? h->sender : "unknown", "id=%s step=\"%s\" signature_held=%d", id, reader_step_name(r->step), r->signature_held);
	n->rejected++;
	n->change.inbox = true;
	if ((err = pstore_in_add(&seq, n->store, &row, why)) != KW_OK)
		return err;
	if (!r->signature_held || h == NULL || notice_type_is_receipt(h->type))
		return KW_OK;
	return node_say_rejected(n, r, why);
}

struct counted { struct number_step step; bool refused; const char *mark; };

/* [D-8], [D-9] What the number says; kept at once, for a gap is a gap whatever the rest is. */
static enum kw_err
count_number(struct counted *out, struct node *n, struct reading *r, struct kw_why *why)
{
	const struct header *h = &r->header;
	struct numbers known;
	enum number_place place;
	enum kw_err err;

	memset(out, 0, sizeof *out);
	out->mark = "";
	if (!r->has_number)
		return KW_OK;
	if ((err = pstore_sender(&known, &place, n->store, h->sender, h->lane, h->sender_epoch, r->number, why)) != KW_OK)
		return err;
	out->step = numbers_judge(known, h->sender_epoch, r->number, place);
	switch (out->step.verdict) {
	case NUMBER_OLD_EPOCH:
		(void)kw_refuse(&r->why, KW_EDENIED, "epoch: it was sent in sender epoch %llu, %s has begun epoch %llu since", (unsigned long long)h->sender_epoch,
		                h->sender, (unsigned long long)known.epoch);
		out->refused = true;
		return KW_OK;
	case NUMBER_ABSURD:
		(void)kw_refuse(&r->why, KW_EDENIED, "number: %llu is no running number", (unsigned long long)r->number);
		out->refused = true;
		return KW_OK;
	case NUMBER_TWICE:
		out->mark = "equivocation";
		return KW_OK;
	case NUMBER_VOID:
		out->mark = "voided";
		return KW_OK;
	case NUMBER_AHEAD:
		log_peer(LOG_WARNING, "inbox.gap", h->sender, "lane=%s first=%llu last=%llu", lane_name(h->lane),
		          (unsigned long long)out->step.gap_first, (unsigned long long)out->step.gap_last);
		break;
	case NUMBER_NEXT:
	case NUMBER_FILLS:
		break;
	}
	return pstore_sender_step(n->store, h->sender, h->lane, h->sender_epoch, r->number, &out->step, n->wall_ms, why);
}

/*
 * A number that came twice is the sender's lie: both stay, both are marked. Where nothing is kept any more of what came with
 * it, it came so long ago that the broker alone can have brought it again: *replay, r->why says so, and nobody is accused.
 */
static enum kw_err
tell_equivocation(bool *replay, struct node *n, struct reading *r, struct kw_why *why)
{
	const struct header *h = &r->header;
	struct in_stored other;
	uint64_t seq;
	enum kw_err err;

	err = pstore_in_by_number(&seq, n->store, h->sender, h->lane, h->sender_epoch, r->number, why);
	if (err == KW_OK)
		err = pstore_in_get(&other, n->store, seq, why);
	*replay = err == KW_ENOTFOUND;
	if (*replay) {
		(void)kw_refuse(&r->why, KW_EDENIED, "replay: the running number %llu of %s came before, so long ago that nothing is kept of it", (unsigned long long)r->number,
		                h->sender);
		return KW_OK;
	}
	if (err != KW_OK)
		return err;
	node_alarm(n, "equivocation", "%s used the running number %llu in lane %s for two notifications; both are kept and marked", h->sender,
	           (unsigned long long)r->number, lane_name(h->lane));
	if ((err = pstore_evidence_add(n->store, "equivocation", h->sender, other.head, r->frame.head, n->wall_ms, why)) != KW_OK)
		return err;
	return pstore_in_set_mark(n->store, seq, "equivocation", why);
}

/* What is recalled is gone from the disk before anybody hears that it was. */
static enum kw_err
correct(struct node *n, uint64_t seq, enum notice_type type, struct kw_why *why)
{
	enum kw_err err;

	n->change.inbox = true;
	if (type == TYPE_RECALL) {
		recalls_came(&n->recalls, seq);
		err = pstore_in_erase(n->store, seq, "recalled", why);
		return err == KW_OK ? node_release_erase(n, seq, why) : err;
	}
	return pstore_in_mark(n->store, seq, type == TYPE_CANCEL, type == TYPE_UPDATE, why);
}

/* Corrections that were here before what they correct. */
static enum kw_err
correct_late(struct node *n, uint64_t seq, const struct header *h, const uint8_t frame_hash[KW_HASH_LEN], struct kw_why *why)
{
	struct in_stored row;
	struct header later;
	struct frame f;
	enum kw_err err;

	if (notice_type_is_receipt(h->type))
		return KW_OK;
	if ((err = node_release_corrected(n, seq, h, frame_hash, why)) != KW_OK)
		return err;
	for (uint64_t before = seq; (err = pstore_in_about(&row, n->store, h->id, before, why)) == KW_OK; before = row.seq) {
		if (frame_parse(&f, row.head, FRAME_EITHER, NULL) != KW_OK || header_decode(&later, f.header, NULL) != KW_OK ||
		    memcmp(later.about.frame_hash, frame_hash, KW_HASH_LEN) != 0 || !node_same_partner(later.sender, h->sender))
			continue;
		if ((err = correct(n, seq, later.type, why)) != KW_OK)
			return err;
		if (later.type == TYPE_RECALL && h->type == TYPE_DRAFT && (err = node_release_recalled(n, &later.about, later.sender, why)) != KW_OK)
			return err;
	}
	return err == KW_ENOTFOUND ? KW_OK : err;
}

/* Updates and cancels mark their original; somebody else's they may not touch. *refused: r->why says so. */
static enum kw_err
mark_original(bool *refused, struct node *n, struct reading *r, const struct about *about, enum notice_type type, struct kw_why *why)
{
	const struct header *h = &r->header;
	char partner[KW_NODE_MAX + 1];
	struct inbox_query q = {.has_id = true, .receipts = true};
	struct in_stored row;
	struct header original;
	struct frame f;
	enum kw_err err;

	*refused = false;
	memcpy(q.id, about->id, KW_ID_LEN);
	(void)memcpy(partner, h->sender, sizeof partner);
	partner[strcspn(partner, "/")] = '\0';
	for (uint64_t after = 0; (err = pstore_in_next(&row, n->store, &q, after, why)) == KW_OK; after = row.seq) {
		if (memcmp(row.frame_hash, about->frame_hash, KW_HASH_LEN) != 0 || frame_parse(&f, row.head, FRAME_EITHER, NULL) != KW_OK ||
		    header_decode(&original, f.header, NULL) != KW_OK)
			continue;
		if (node_same_partner(h->sender, original.sender))
			return correct(n, row.seq, type, why);
		*refused = true;
		r->step = STEP_SENDER;
		(void)kw_refuse(&r->why, KW_EDENIED, "%s may not %s what %s sent; only the first sender's partner may", h->sender, notice_type_name(type),
		                original.sender);
		return KW_OK;
	}
	return err == KW_ENOTFOUND ? KW_OK : err;
}

/* What a void says is about its sender's own numbers. */
static enum kw_err
take_void(struct node *n, const struct reading *r, struct kw_why *why)
{
	uint64_t number;
	enum kw_err err = void_decode(&number, buf_span(&r->payload), n->id, NULL);

	if (err != KW_OK)
		return err == KW_ENOMEM ? kw_refuse(why, err, "out of memory for a void") : KW_OK;
	return pstore_void(n->store, r->header.sender, r->header.lane, r->header.sender_epoch, number, n->wall_ms, why);
}

/* Before the row stands: what this type does. *refused: it is put aside with r->why. */
static enum kw_err
act(bool *refused, struct node *n, struct reading *r, struct kw_why *why)
{
	enum kw_err err = KW_OK;

	*refused = false;
	switch (r->header.type) {
	case TYPE_UPDATE:
	case TYPE_CANCEL:
		return mark_original(refused, n, r, &r->header.about, r->header.type, why);
	case TYPE_RECALL:
		if ((err = mark_original(refused, n, r, &r->header.about, TYPE_RECALL, why)) != KW_OK || *refused)
			return err;
		if ((err = node_release_recalled(n, &r->header.about, r->header.sender, why)) != KW_OK)
			return err;
		if (node_same_partner(r->header.sender, n->id) && (err = node_erase_own(n, &r->header.about, why)) != KW_OK)
			return err;
		return node_forward_recalled(n, &r->header.about, r->header.sender, why);
	case TYPE_RELEASED:
		if (r->corrects.set && (err = mark_original(refused, n, r, &r->corrects, TYPE_UPDATE, why)) != KW_OK)
			return err;
		return *refused ? KW_OK : node_release_came(refused, n, r, why);
	case TYPE_DRAFT:
	case TYPE_APPROVED:
	case TYPE_REFUSED:
		return node_release_came(refused, n, r, why);
	case TYPE_VOID:
		return r->whole ? take_void(n, r, why) : KW_OK;
	case TYPE_DELIVERED:
	case TYPE_OPENED:
	case TYPE_REJECTED:
		if (r->whole)
			err = node_receipt_came(n, r, why);
		if (err != KW_EDENIED)
			return err;
		*refused = true;
		r->why = *why;
		return KW_OK;
	default:
		return KW_OK;
	}
}

static bool
subscribed(const struct node *n, const char *topic)
{
	const struct agreement *a = node_agreement(n);

	if (n->config->filter_count == 0)
		return true;
	for (uint32_t i = 0; i < n->config->filter_count; i++)
		if (filter_matches(n->config->filters[i], topic))
			return true;
	return agreement_is_responsible(a, topic, agreement_node(a, n->id)) || agreement_must_approve(a, topic, agreement_node(a, n->id));
}

/* Why the broker may not have left this body out, as far as the node can judge it; "": it may. */
static const char *
no_reason_for_bare(const struct node *n, const struct header *h, enum wire_mark mark)
{
	switch (mark) {
	case MARK_EXPIRED:
		return !notice_type_is_receipt(h->type) && h->expires_ms <= n->wall_ms + KW_CLOCK_SKEW_MS ? "" : "expired, and it is not";
	case MARK_NOT_SUBSCRIBED:
		return !notice_type_is_receipt(h->type) && h->type != TYPE_VOID && !subscribed(n, h->topic) ? "" : "not subscribed to, and it is";
	case MARK_PURGED: /* what is from before a restore, behind which this epoch began, it had once */
		return h->expires_ms <= n->wall_ms || (n->restored.there && h->created_ms < n->sender_epoch) ? "" : "read by all its readers, which this node is one of; if its store is no old copy, that is not so";
	case MARK_RECALLED: /* the recall itself comes behind it, and is missed where it does not: node_recalls_look */
	case MARK_WHOLE:
	case MARK_ENTRY:
		break;
	}
	return "";
}

/* [D-10] The broker says why a body does not come; what can be held against it is. */
static const char *
bare_mark(struct node *n, const struct header *h, enum wire_mark mark)
{
	const char *lie = no_reason_for_bare(n, h, mark);
	bool was_here = n->up_since_ms != 0 && n->up_since_ms < h->created_ms, awaits = mark == MARK_RECALLED && !recalls_full(&n->recalls);

	if (mark != MARK_NOT_SUBSCRIBED && !awaits && !notice_type_is_receipt(h->type) && was_here) {
		node_alarm(n, "held_back", "a notification of %s came without its content (%s) although this node was connected all the while: it was held back", h->sender,
		           wire_mark_name(mark));
		return "held back";
	}
	if (lie[0] == '\0')
		return wire_mark_name(mark);
	node_alarm(n, "withheld", "the broker left out the content of a notification of %s on %.200s as %s", h->sender, h->topic, lie);
	return "withheld";
}

/* One whose recall never came, though the link was up long enough: where this node may read its topic still, the recall was for it too. */
static enum kw_err
recall_missed(struct node *n, uint64_t seq, struct kw_why *why)
{
	struct in_stored row;
	struct header h;
	struct frame f;
	enum kw_err err;

	if ((err = node_tx(n, why)) != KW_OK || (err = pstore_in_awaits_no_recall(n->store, seq, why)) != KW_OK)
		return err;
	if ((err = pstore_in_get(&row, n->store, seq, why)) != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	if (!row.bare || row.cancelled || frame_parse(&f, row.head, FRAME_EITHER, NULL) != KW_OK || header_decode(&h, f.header, NULL) != KW_OK ||
	    !agreement_may_read(node_agreement(n), h.topic, agreement_node(node_agreement(n), n->id)))
		return KW_OK;
	node_alarm(n, "held_back", "the broker left out the content of a notification of %s as recalled, and no recall came within %u minutes: it was held back", h.sender,
	           RECALLS_WAIT_MS / 60000);
	n->change.inbox = true;
	return pstore_in_set_mark(n->store, seq, "held back", why);
}

static void
await_one(void *self, uint64_t seq)
{
	struct node *n = self;

	recalls_await(&n->recalls, seq, n->mono_ms);
}

enum kw_err
node_recalls_load(struct node *n, struct kw_why *why)
{
	recalls_forget(&n->recalls);
	return pstore_in_awaiting_recall(n->store, RECALLS_MOST, await_one, n, why);
}

enum kw_err
node_recalls_look(struct node *n, struct kw_why *why)
{
	enum kw_err err = KW_OK;
	uint64_t seq;

	while (err == KW_OK && n->link.state == LINK_READY && (seq = recalls_missing(&n->recalls, n->mono_ms)) != 0)
		err = recall_missed(n, seq, why);
	return err;
}

/* What the row shows beside the text. */
static const char *
mark_of(struct node *n, const struct reading *r, const struct wire_deliver *d, const char *counted)
{
	const struct header *h = &r->header;

	if (counted[0] != '\0')
		return counted;
	if (d->mark != MARK_WHOLE)
		return bare_mark(n, h, d->mark);
	if (!notice_type_is_receipt(h->type) && h->expires_ms <= n->wall_ms)
		return "late";
	if (h->created_ms > n->wall_ms + KW_CLOCK_SKEW_MS)
		return "clock";
	return "";
}

static void
cap_hash_of(bool *has, uint8_t hash[KW_HASH_LEN], const struct node *n, const struct reading *r)
{
	struct payload_brief *brief = NULL;

	*has = false;
	if (!r->whole || r->header.payload_type != PAYLOAD_ALERT || (brief = calloc(1, sizeof *brief)) == NULL)
		return;
	if (payload_brief(brief, PAYLOAD_ALERT, release_content(r->header.type, buf_span(&r->payload)), "", NULL) == KW_OK && brief->cap_id[0] != '\0') {
		sealer_cap_hash(hash, n->sealer, brief->cap_id);
		*has = true;
	}
	free(brief);
}

/* What a receipt said can be shown to others, who have no key: its body as it was signed, and the content key. */
static enum kw_err
keep_proof(struct buf *out, const struct node *n, const struct reading *r)
{
	struct buf plain = BUF_INIT(KW_BODY_MAX + 64);
	enum kw_err err;

	plain.secret = true;
	buf_put(&plain, r->content_key, KW_KEY_LEN);
	buf_put_span(&plain, r->frame.body);
	err = buf_ok(&plain) ? sealer_close(out, n->sealer, r->header.id, buf_span(&plain)) : KW_ENOMEM;
	buf_free(&plain);
	return err;
}

static enum kw_err
put(struct node *n, const struct wire_deliver *d, const struct reading *r, const char *mark, struct kw_why *why)
{
	const struct header *h = &r->header;
	struct times t = keep_until(n, h);
	struct buf sealed = BUF_INIT(KW_OPENED_MAX + 128), proof = BUF_INIT(KW_BODY_MAX + 256);
	struct receipt_due due = {.lane = h->lane, .at_once = h->confirm_at_once};
	uint8_t cap_hash[KW_HASH_LEN];
	uint64_t delete_by_ms = r->whole ? payload_delete_by_ms(h->payload_type, release_content(h->type, buf_span(&r->payload))) : 0;
	bool has_cap;
	struct in_new row = {
		.header = h, .frame_hash = r->frame_hash, .head = r->frame.head, .lane = h->lane, .number = r->has_number ? r->number : 0,
		.received_ms = n->wall_ms, .bare = !r->whole, .outdated = r->outdated, .mark = mark, .at = d->at,
		.receipt = r->whole && confirmation_awaited(h->type) ? RECEIPT_DUE : RECEIPT_NONE, .receipt_at_once = h->confirm_at_once,
		.content_until_ms = t.content_until, .proof_until_ms = t.proof_until,
		.awaits_recall = d->mark == MARK_RECALLED && !recalls_full(&n->recalls),
	};
	enum kw_err err;

	if (delete_by_ms > 0 && delete_by_ms < row.content_until_ms)
		row.content_until_ms = delete_by_ms;
	if (r->whole && sealer_close(&sealed, n->sealer, h->id, buf_span(&r->payload)) != KW_OK) {
		err = kw_refuse(why, KW_ENOMEM, "out of memory for a content");
		goto free_sealed;
	}
	cap_hash_of(&has_cap, cap_hash, n, r);
	row.cap_hash = has_cap ? cap_hash : NULL;
	row.payload = buf_span(&sealed);
	if (r->whole && notice_type_is_receipt(h->type) && keep_proof(&proof, n, r) != KW_OK) {
		err = kw_refuse(why, KW_ENOMEM, "out of memory for a receipt");
		goto free_sealed;
	}
	row.proof = buf_span(&proof);
	if ((err = pstore_in_add(&due.seq, n->store, &row, why)) != KW_OK)
		goto free_sealed;
	n->delivered++;
	n->change.inbox = true;
	if (row.awaits_recall)
		recalls_await(&n->recalls, due.seq, n->mono_ms);
	if ((err = correct_late(n, due.seq, h, r->frame_hash, why)) != KW_OK || (err = node_case_heard(n, h, r->frame_hash, r->frame.head, &d->at, why)) != KW_OK)
		goto free_sealed;
	if (row.receipt == RECEIPT_DUE) {
		memcpy(due.sender, h->sender, sizeof due.sender);
		memcpy(due.topic, h->topic, sizeof due.topic);
		if (receipts_add(n->receipts, &due, n->mono_ms) != KW_OK)
			err = kw_refuse(why, KW_ENOMEM, "out of memory for a receipt");
	}
free_sealed:
	buf_free(&sealed);
	buf_free(&proof);
	return err;
}

static enum kw_err
take_fine(struct node *n, const struct wire_deliver *d, struct span bytes, struct reading *r, struct kw_why *why)
{
	struct counted c;
	bool refused = false;
	enum kw_err err;

	if ((err = count_number(&c, n, r, why)) != KW_OK)
		return err;
	if (c.refused)
		return put_aside(n, d, bytes, r, number_verdict_name(c.step.verdict), why);
	if (c.step.verdict == NUMBER_TWICE && r->has_number && (err = tell_equivocation(&refused, n, r, why)) != KW_OK)
		return err;
	if (refused)
		return put_aside(n, d, bytes, r, "replay", why);
	if ((err = act(&refused, n, r, why)) != KW_OK)
		return err;
	if (refused)
		return put_aside(n, d, bytes, r, "", why);
	return put(n, d, r, mark_of(n, r, d, c.mark), why);
}

/* [D-4] Known already: nothing of it is shown again. *fresh: it is not. */
static enum kw_err
is_fresh(bool *fresh, bool *conflict, struct node *n, const struct reading *r, struct kw_why *why)
{
	struct in_known known;
	enum kw_err err = pstore_in_known(&known, n->store, r->header.sender, r->header.id, r->frame_hash, why);

	*fresh = err == KW_ENOTFOUND;
	*conflict = err == KW_OK && !known.same_frame;
	if (err == KW_OK && known.same_frame)
		n->duplicates++;
	return err == KW_ENOTFOUND ? KW_OK : err;
}

static enum kw_err
take_rejected(struct node *n, const struct wire_deliver *d, struct span bytes, struct reading *r, struct kw_why *why)
{
	struct kw_why reason = r->why;
	struct counted c;
	enum kw_err err;

	if (r->signature_held && (err = count_number(&c, n, r, why)) != KW_OK)
		return err;
	if (r->signature_held && (err = node_case_heard(n, &r->header, r->frame_hash, r->frame.head, &d->at, why)) != KW_OK)
		return err; /* it counts for everybody else */
	r->why = reason; /* what was found first counts */
	return put_aside(n, d, bytes, r, "", why);
}

static enum kw_err
take_notification(enum outcome *out, struct node *n, const struct wire_deliver *d, struct span bytes, struct kw_why *why)
{
	struct reader reader = {n->id, n->chain, n->opener, n->opener_before, n->wall_ms};
	bool fresh = true, conflict = false;
	struct reading r;
	enum kw_err err = KW_OK;

	*out = TAKEN;
	if (reader_head(&r, bytes, d->mark) == KW_OK) {
		if ((err = is_fresh(&fresh, &conflict, n, &r, why)) != KW_OK)
			goto free_reading;
		if (!fresh && !conflict) { /* perhaps at a new place, in a new log epoch */
			err = node_case_heard(n, &r.header, r.frame_hash, r.frame.head, &d->at, why);
			goto free_reading;
		}
		reader_check(&r, &reader, d);
		if (r.signature_held && (err = node_commit_heard(n, &r.header, r.frame.head, why)) != KW_OK)
			goto free_reading;
	}
	if (conflict && r.verdict == READER_FINE) {
		r.verdict = READER_REJECTED;
		(void)kw_refuse(&r.why, KW_EDENIED, "conflict: %s signed another text under an id that came before", r.header.sender);
		node_alarm(n, "conflict", "%s", r.why.text);
	}
	switch (r.verdict) {
	case READER_FINE:
		err = take_fine(n, d, bytes, &r, why);
		break;
	case READER_HOLD:
		*out = HOLD;
		break;
	case READER_REJECTED:
		err = take_rejected(n, d, bytes, &r, why);
		break;
	case READER_FAILED:
		*why = r.why;
		err = KW_ENOMEM;
		break;
	}
free_reading:
	reading_free(&r);
	return err;
}

static bool
signed_by_broker(const struct node *n, struct span bytes)
{
	for (uint32_t v = agreement_version(node_agreement(n)); v >= agreement_version(agreement_chain_oldest(n->chain)); v--)
		if (entry_verify(bytes, agreement_broker(agreement_chain_get(n->chain, v))->sign_pk))
			return true;
	return false;
}

/* [L-6] The broker's own entry. */
static enum kw_err
take_entry(enum outcome *out, struct node *n, struct span bytes, const struct position *at, struct kw_why *why)
{
	const struct agreement *a;
	struct broker_entry e;
	enum kw_err err;

	*out = TAKEN;
	err = entry_decode(&e, bytes, why);
	if (err == KW_OK && (e.version > agreement_version(node_agreement(n)) || (e.kind == ENTRY_CASE && e.of_case.in_force > agreement_version(node_agreement(n))))) {
		/* which may name another key of the broker's, and other people */
		*out = HOLD;
		return KW_OK;
	}
	if (!signed_by_broker(n, bytes)) {
		node_alarm(n, "broker_lies", "what came as the broker's own entry is not signed by the broker; if it was a notification, its number is missing");
		return KW_OK;
	}
	if (err != KW_OK) {
		log_peer(LOG_WARNING, "inbox.unknown_entry", NULL, "why=\"%s\"", why->text);
		return KW_OK; /* of a kind to come: nothing is lost by passing it */
	}
	a = agreement_chain_get(n->chain, e.version);
	if (a == node_agreement(n))
		node_alarm_clear(n, "agreement_behind");
	if (a == NULL || memcmp(agreement_hash(a), e.agreement_hash, KW_HASH_LEN) == 0) {
		if (e.kind == ENTRY_SUSPENSION)
			return node_suspension_came(n, a != NULL ? a : node_agreement(n), &e.of_suspension, at->lane, bytes, why);
		return e.kind == ENTRY_CASE ? node_case_stated(n, &e, bytes, at, why) : KW_OK;
	}
	node_alarm(n, "agreement_refused", "the broker signed that another text of version %u of the agreement is in force than the one that stands here", e.version);
	return pstore_evidence_add(n->store, "agreement", "the broker's entry names another text", bytes, span_of(agreement_hash(a), KW_HASH_LEN), n->wall_ms, why);
}

static enum kw_err
take(enum outcome *out, struct node *n, const struct wire_deliver *d, struct span bytes, struct kw_why *why)
{
	struct lane_cursor to = {n->log_epoch, d->at.number}; /* numbers go on across epochs */
	enum kw_err err;

	if ((err = node_tx(n, why)) != KW_OK)
		return err;
	err = d->mark == MARK_ENTRY ? take_entry(out, n, bytes, &d->at, why) : take_notification(out, n, d, bytes, why);
	if (err != KW_OK || *out == HOLD)
		return err;
	if ((err = pstore_set_cursor(n->store, d->at.lane, to, why)) != KW_OK)
		return err;
	n->cursor[d->at.lane] = to;
	n->lanes[d->at.lane].ack_due = true;
	return KW_OK;
}

static enum kw_err
hold(struct node *n, const struct wire_deliver *d, struct span bytes, struct kw_why *why)
{
	struct lane_in *l = &n->lanes[d->at.lane];
	struct held *h;

	if (l->count >= NODE_HELD_MAX || l->bytes + bytes.len > NODE_HELD_BYTES_MAX)
		return kw_refuse(why, KW_ECRYPTO, "the broker sent more than this node's window allows while lane %s waits for an agreement", lane_name(d->at.lane));
	h = malloc(sizeof *h + bytes.len);
	if (h == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for what waits for an agreement");
	h->next = NULL;
	h->deliver = *d;
	h->len = bytes.len;
	if (bytes.len > 0)
		memcpy(h->bytes, bytes.p, bytes.len);
	if (l->first == NULL)
		l->end = &l->first;
	*l->end = h;
	l->end = &h->next;
	l->count++;
	l->bytes += bytes.len;
	return KW_OK;
}

enum kw_err
node_delivered(struct node *n, const struct wire_deliver *d, struct span bytes, struct kw_why *why)
{
	enum outcome out = HOLD;
	enum kw_err err;

	if (d->at.number == 0 || d->at.number > INT64_MAX || d->at.log_epoch > n->log_epoch)
		return kw_refuse(why, KW_ECRYPTO, "the broker delivered at a position (epoch %u, number %llu) that cannot be", d->at.log_epoch,
		                 (unsigned long long)d->at.number);
	if (n->lanes[d->at.lane].count > 0)
		return hold(n, d, bytes, why);
	if (d->at.number <= n->cursor[d->at.lane].number) { /* had already; said again */
		n->lanes[d->at.lane].ack_due = true;
		n->duplicates++;
		return KW_OK;
	}
	if ((err = take(&out, n, d, bytes, why)) != KW_OK || out == TAKEN)
		return err;
	n->version_wanted = true;
	node_agreement_ask(n);
	return hold(n, d, bytes, why);
}

enum kw_err
node_held_again(struct node *n, struct kw_why *why)
{
	for (int i = 0; i < KW_LANES; i++) {
		struct lane_in *l = &n->lanes[i];

		while (l->first != NULL) {
			struct held *h = l->first;
			enum outcome out;
			enum kw_err err = take(&out, n, &h->deliver, span_of(h->bytes, h->len), why);

			if (err != KW_OK)
				return err;
			if (out == HOLD)
				break;
			l->first = h->next;
			l->count--;
			l->bytes -= h->len;
			free(h);
		}
	}
	return KW_OK;
}

void
node_held_drop(struct node *n)
{
	for (int i = 0; i < KW_LANES; i++) {
		struct lane_in *l = &n->lanes[i];

		while (l->first != NULL) {
			struct held *h = l->first;

			l->first = h->next;
			free(h);
		}
		l->count = 0;
		l->bytes = 0;
	}
}
