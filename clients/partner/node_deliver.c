/* node_deliver: what the broker delivers: duplicates, checks, numbers, marks, and the row in the inbox (docs/protocol.md section 5). */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "clients/partner/node_parts.h"
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

	if (n->config->keep_content_ms > 0 && n->config->keep_content_ms < content)
		content = n->config->keep_content_ms;
	return (struct times){n->wall_ms + content, n->wall_ms + proof};
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
	uint64_t seq;
	enum kw_err err;

	if (h == NULL && row.head.len > BROKEN_KEPT)
		row.head.len = BROKEN_KEPT;
	log_peer(LOG_WARNING, "inbox.rejected", "step=\"%s\" signature_held=%d", reader_step_name(r->step), r->signature_held);
	n->rejected++;
	n->change.inbox = true;
	if ((err = pstore_in_add(&seq, n->store, &row, why)) != KW_OK)
		return err;
	if (!r->signature_held || notice_type_is_receipt(h->type))
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
		log_event(LOG_WARNING, "inbox.gap", "sender=%s lane=%s first=%llu last=%llu", h->sender, lane_name(h->lane),
		          (unsigned long long)out->step.gap_first, (unsigned long long)out->step.gap_last);
		break;
	case NUMBER_NEXT:
	case NUMBER_FILLS:
		break;
	}
	return pstore_sender_step(n->store, h->sender, h->lane, h->sender_epoch, r->number, &out->step, n->wall_ms, why);
}

/* A number that came twice is the sender's lie: both stay, both are marked. */
static enum kw_err
tell_equivocation(struct node *n, const struct reading *r, struct kw_why *why)
{
	const struct header *h = &r->header;
	struct in_stored other;
	uint64_t seq;
	enum kw_err err;

	node_alarm(n, "equivocation", "%s used the running number %llu in lane %s for two notifications; both are kept and marked", h->sender,
	           (unsigned long long)r->number, lane_name(h->lane));
	err = pstore_in_by_number(&seq, n->store, h->sender, h->lane, h->sender_epoch, r->number, why);
	if (err != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	if ((err = pstore_in_get(&other, n->store, seq, why)) != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	if ((err = pstore_evidence_add(n->store, "equivocation", h->sender, other.head, r->frame.head, n->wall_ms, why)) != KW_OK)
		return err;
	return pstore_in_set_mark(n->store, seq, "equivocation", why);
}

static bool
same_partner(const char *a, const char *b)
{
	size_t len = strcspn(a, "/");

	return strncmp(a, b, len + 1) == 0;
}

/* Updates and cancels mark their original; somebody else's they may not touch. *refused: r->why says so. */
static enum kw_err
mark_original(bool *refused, struct node *n, struct reading *r, struct kw_why *why)
{
	const struct header *h = &r->header;
	char partner[KW_NODE_MAX + 1];
	struct inbox_query q = {.has_id = true, .receipts = true};
	struct in_stored row;
	struct header original;
	struct frame f;
	enum kw_err err;

	*refused = false;
	memcpy(q.id, h->about.id, KW_ID_LEN);
	(void)memcpy(partner, h->sender, sizeof partner);
	partner[strcspn(partner, "/")] = '\0';
	for (uint64_t after = 0; (err = pstore_in_next(&row, n->store, &q, after, why)) == KW_OK; after = row.seq) {
		if (memcmp(row.frame_hash, h->about.frame_hash, KW_HASH_LEN) != 0 || frame_parse(&f, row.head, FRAME_EITHER, NULL) != KW_OK ||
		    header_decode(&original, f.header, NULL) != KW_OK)
			continue;
		if (same_partner(h->sender, original.sender))
			return pstore_in_mark(n->store, row.seq, h->type == TYPE_CANCEL, h->type == TYPE_UPDATE, why);
		*refused = true;
		r->step = STEP_SENDER;
		(void)kw_refuse(&r->why, KW_EDENIED, "%s may not %s what %s sent; only the first sender's partner may", h->sender, notice_type_name(h->type),
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
	case TYPE_RECALL:
		return mark_original(refused, n, r, why);
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

/* What the row shows beside the text. */
static const char *
mark_of(struct node *n, const struct reading *r, const struct wire_deliver *d, const char *counted)
{
	const struct header *h = &r->header;

	if (counted[0] != '\0')
		return counted;
	if (d->mark == MARK_EXPIRED && !notice_type_is_receipt(h->type) && n->up_since_ms != 0 && n->up_since_ms < h->created_ms) {
		node_alarm(n, "held_back", "a notification of %s expired at the broker although this node was connected all the while: it was held back", h->sender);
		return "held back";
	}
	if (d->mark != MARK_WHOLE)
		return wire_mark_name(d->mark);
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
	if (payload_brief(brief, PAYLOAD_ALERT, buf_span(&r->payload), "", NULL) == KW_OK && brief->cap_id[0] != '\0') {
		sealer_cap_hash(hash, n->sealer, brief->cap_id);
		*has = true;
	}
	free(brief);
}

static enum kw_err
put(struct node *n, const struct wire_deliver *d, const struct reading *r, const char *mark, struct kw_why *why)
{
	const struct header *h = &r->header;
	struct times t = keep_until(n, h);
	struct buf sealed = BUF_INIT(KW_OPENED_MAX + 128);
	struct receipt_due due = {.lane = h->lane, .at_once = h->confirm_at_once};
	uint8_t cap_hash[KW_HASH_LEN];
	bool has_cap;
	struct in_new row = {
		.header = h, .frame_hash = r->frame_hash, .head = r->frame.head, .lane = h->lane, .number = r->has_number ? r->number : 0,
		.received_ms = n->wall_ms, .bare = !r->whole, .outdated = r->outdated, .mark = mark, .at = d->at,
		.receipt = r->whole && confirmation_awaited(h->type) ? RECEIPT_DUE : RECEIPT_NONE, .receipt_at_once = h->confirm_at_once,
		.content_until_ms = t.content_until, .proof_until_ms = t.proof_until,
	};
	enum kw_err err;

	if (r->whole && sealer_close(&sealed, n->sealer, h->id, buf_span(&r->payload)) != KW_OK) {
		err = kw_refuse(why, KW_ENOMEM, "out of memory for a content");
		goto free_sealed;
	}
	cap_hash_of(&has_cap, cap_hash, n, r);
	row.cap_hash = has_cap ? cap_hash : NULL;
	row.payload = buf_span(&sealed);
	if ((err = pstore_in_add(&due.seq, n->store, &row, why)) != KW_OK)
		goto free_sealed;
	n->delivered++;
	n->change.inbox = true;
	if (row.receipt == RECEIPT_DUE) {
		memcpy(due.sender, h->sender, sizeof due.sender);
		memcpy(due.topic, h->topic, sizeof due.topic);
		if (receipts_add(n->receipts, &due, n->mono_ms) != KW_OK)
			err = kw_refuse(why, KW_ENOMEM, "out of memory for a receipt");
	}
free_sealed:
	buf_free(&sealed);
	return err;
}

static enum kw_err
take_fine(struct node *n, const struct wire_deliver *d, struct span bytes, struct reading *r, struct kw_why *why)
{
	struct counted c;
	bool refused;
	enum kw_err err;

	if ((err = count_number(&c, n, r, why)) != KW_OK)
		return err;
	if (c.refused)
		return put_aside(n, d, bytes, r, number_verdict_name(c.step.verdict), why);
	if (c.step.verdict == NUMBER_TWICE && r->has_number && (err = tell_equivocation(n, r, why)) != KW_OK)
		return err;
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
	r->why = reason; /* what was found first counts */
	return put_aside(n, d, bytes, r, "", why);
}

static enum kw_err
take_notification(enum outcome *out, struct node *n, const struct wire_deliver *d, struct span bytes, struct kw_why *why)
{
	struct reader reader = {n->id, n->chain, n->opener};
	bool fresh = true, conflict = false;
	struct reading r;
	enum kw_err err = KW_OK;

	*out = TAKEN;
	if (reader_head(&r, bytes, d->mark) == KW_OK) {
		if ((err = is_fresh(&fresh, &conflict, n, &r, why)) != KW_OK || (!fresh && !conflict))
			goto free_reading;
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
take_entry(enum outcome *out, struct node *n, struct span bytes, struct kw_why *why)
{
	const struct agreement *a;
	struct broker_entry e;
	enum kw_err err;

	*out = TAKEN;
	if ((err = entry_decode(&e, bytes, why)) != KW_OK) {
		log_peer(LOG_WARNING, "inbox.entry", "text=\"%s\"", why->text);
		return KW_OK; /* of a kind to come: nothing is lost by passing it */
	}
	if (e.version > agreement_version(node_agreement(n))) {
		*out = HOLD;
		return KW_OK;
	}
	if (!signed_by_broker(n, bytes)) {
		node_alarm(n, "broker_lies", "an entry about version %u of the agreement is not signed by the broker", e.version);
		return KW_OK;
	}
	a = agreement_chain_get(n->chain, e.version);
	if (a == NULL || memcmp(agreement_hash(a), e.agreement_hash, KW_HASH_LEN) == 0)
		return KW_OK;
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
	err = d->mark == MARK_ENTRY ? take_entry(out, n, bytes, why) : take_notification(out, n, d, bytes, why);
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

	if (l->count >= NODE_HELD_MAX)
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
	}
}
