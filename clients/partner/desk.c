/* desk: publishing, finding, and reading the inbox, for whoever asks on this machine. */
#include "clients/partner/desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "clients/partner/node_parts.h"
#include "proto/payload.h"

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static enum kw_err
take_to(struct header *h, const struct desk_publish *p, struct kw_why *why)
{
	enum kw_err err;

	if (p->to_count > KW_TO_MAX)
		return kw_refuse(why, KW_ELIMIT, "it names %u nodes, at most %d are allowed; name none for all readers of the topic", p->to_count, KW_TO_MAX);
	for (uint32_t i = 0; i < p->to_count; i++) {
		if ((err = node_check(p->to[i], why)) != KW_OK)
			return err;
		memcpy(h->to[i], p->to[i], sizeof h->to[i]);
	}
	qsort(h->to, p->to_count, sizeof h->to[0], by_name);
	for (uint32_t i = 0; i < p->to_count; i++) /* a name that stands twice is meant once */
		if (h->to_count == 0 || strcmp(h->to[h->to_count - 1], h->to[i]) != 0)
			memmove(h->to[h->to_count++], h->to[i], sizeof h->to[i]);
	for (uint32_t i = h->to_count; i < p->to_count; i++)
		memset(h->to[i], 0, sizeof h->to[i]);
	return KW_OK;
}

static enum kw_err
take_times(struct header *h, const struct node *n, const struct desk_publish *p, const struct agreement_topic *t, struct payload_brief *brief,
           struct kw_why *why)
{
	char when[TEXT_TIME_MAX];

	h->created_ms = n->wall_ms;
	h->expires_ms = p->expires_ms;
	if (h->expires_ms == 0)
		h->expires_ms = brief->until_ms;
	if (h->expires_ms == 0 || (p->expires_ms == 0 && h->expires_ms > h->created_ms + t->keep_content_ms))
		h->expires_ms = h->created_ms + t->keep_content_ms;
	if (h->expires_ms > h->created_ms)
		return KW_OK;
	text_put_time_local(when, h->expires_ms);
	return kw_refuse(why, KW_EINVAL, "it expired already, at %s; set a later expiry", when);
}

/* Only what this partner sent can be updated or cancelled by it. */
static enum kw_err
take_about(struct header *h, struct node *n, const struct desk_publish *p, struct kw_why *why)
{
	bool wants = p->type == TYPE_UPDATE || p->type == TYPE_CANCEL;
	char partner[KW_NODE_MAX + 1], id[37];
	struct out_row row;
	uint64_t seq;
	enum kw_err err;

	if (wants != p->about.set)
		return kw_refuse(why, KW_EINVAL, wants ? "an update or cancel must name what it is about" : "only updates and cancels are about another notification");
	if (!wants)
		return KW_OK;
	h->about = p->about;
	err = pstore_out_find(&row, n->store, p->about.id, why);
	for (int hops = 0; err == KW_OK && row.has_replacement && hops < 16; hops++) {
		memcpy(h->about.id, row.replacement, KW_ID_LEN);
		err = pstore_out_find(&row, n->store, h->about.id, why);
	}
	if (err == KW_OK) {
		memcpy(h->about.frame_hash, row.frame_hash, KW_HASH_LEN);
		return KW_OK;
	}
	if (err != KW_ENOTFOUND)
		return err;
	memcpy(partner, n->id, sizeof partner);
	partner[strcspn(partner, "/")] = '\0';
	err = pstore_in_original(&seq, n->store, partner, &p->about, why);
	kw_id_text(id, p->about.id);
	return err == KW_ENOTFOUND ? kw_refuse(why, KW_EDENIED, "%s is not in this node's outbox, nor did another node of %s send it; only the first sender's partner may %s it", id,
	                                       partner, p->type == TYPE_CANCEL ? "cancel" : "update")
	                           : err;
}

static enum kw_err
may_now(const struct node *n, const struct desk_publish *p, struct kw_why *why)
{
	if (n->stopped)
		return kw_refuse(why, KW_ESTATE, "two histories of the broker were met, so this node publishes nothing; look at the evidence in \"kurzweg status\"");
	if (n->waiting >= n->config->outbox_max)
		return kw_refuse(why, KW_EFULL, "%llu notifications wait in the outbox, at most %u may; bring the link up, or raise limits.outbox", (unsigned long long)n->waiting,
		                 n->config->outbox_max);
	if (n->clock_ahead_ms > (int64_t)KW_CLOCK_SKEW_MS)
		return kw_refuse(why, KW_EINVAL, "this machine's clock is %lld s ahead of the broker's, at most %llu are allowed; set the clock",
		                 (long long)(n->clock_ahead_ms / 1000), (unsigned long long)(KW_CLOCK_SKEW_MS / 1000));
	if (p->type != TYPE_NOTICE && p->type != TYPE_UPDATE && p->type != TYPE_CANCEL && p->type != TYPE_REQUEST)
		return kw_refuse(why, KW_EINVAL, "a notification of type \"%s\" is not published by hand", notice_type_name(p->type));
	return KW_OK;
}

struct prepared { struct header header; struct payload_brief brief; uint8_t cap_hash[KW_HASH_LEN]; bool has_cap; };

static enum kw_err
prepare(struct prepared *out, struct node *n, const struct desk_publish *p, struct kw_why *why)
{
	const struct agreement_topic *t;
	struct header *h = &out->header;
	enum kw_err err;

	if ((err = topic_check(p->topic, why)) != KW_OK)
		return err;
	if ((err = may_now(n, p, why)) != KW_OK)
		return err;
	if ((t = agreement_topic(node_agreement(n), p->topic)) == NULL)
		return kw_refuse(why, KW_EDENIED, "no topic of the agreement takes in \"%s\"; choose one that \"kurzweg agreement who-reads\" knows", p->topic);
	if ((err = payload_check(p->payload_type, p->payload, why)) != KW_OK)
		return err;
	if ((err = payload_brief(&out->brief, p->payload_type, p->payload, "", why)) != KW_OK)
		return err;
	memcpy(h->topic, p->topic, strlen(p->topic) + 1);
	h->lane = p->has_lane ? p->lane : t->lane;
	h->type = p->type;
	h->payload_type = p->payload_type;
	h->confirm_at_once = p->confirm_at_once;
	h->take_within_s = p->take_within_s;
	if ((err = take_to(h, p, why)) != KW_OK || (err = take_times(h, n, p, t, &out->brief, why)) != KW_OK || (err = take_about(h, n, p, why)) != KW_OK)
		return err;
	out->has_cap = p->payload_type == PAYLOAD_ALERT && out->brief.cap_id[0] != '\0';
	if (out->has_cap)
		sealer_cap_hash(out->cap_hash, n->sealer, out->brief.cap_id);
	return KW_OK;
}

enum kw_err
desk_publish(struct node *n, const struct desk_publish *p, uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct prepared *prepared = calloc(1, sizeof *prepared);
	struct sealing in;
	uint64_t seq;
	enum kw_err err;

	if (prepared == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a notification");
	node_now(n);
	if ((err = prepare(prepared, n, p, why)) != KW_OK)
		goto free_prepared;
	if ((err = node_tx(n, why)) != KW_OK)
		goto free_prepared;
	in = node_sealing(n, &prepared->header);
	in.payload = p->payload;
	in.cap_hash = prepared->has_cap ? prepared->cap_hash : NULL;
	err = node_seal(&seq, n, &in, why);
	if (err == KW_OK)
		memcpy(id, prepared->header.id, KW_ID_LEN);
	if (n->batch) /* ends with the batch */
		goto free_prepared;
	if (err != KW_OK)
		node_tx_undo(n);
	else
		err = node_tx_end(n, why);
free_prepared:
	free(prepared);
	return err;
}

static enum kw_err
find_by_id(struct about *about, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	struct inbox_query q = {.has_id = true, .receipts = true};
	struct out_row out;
	struct in_stored in;
	enum kw_err err = pstore_out_find(&out, n->store, id, why);

	about->set = true;
	memcpy(about->id, id, KW_ID_LEN);
	if (err == KW_OK)
		memcpy(about->frame_hash, out.frame_hash, KW_HASH_LEN);
	if (err != KW_ENOTFOUND)
		return err;
	memcpy(q.id, id, KW_ID_LEN);
	if ((err = pstore_in_next(&in, n->store, &q, 0, why)) == KW_OK)
		memcpy(about->frame_hash, in.frame_hash, KW_HASH_LEN);
	return err;
}

enum kw_err
desk_find(struct node *n, const char *what, struct about *about, struct kw_why *why)
{
	uint8_t id[KW_ID_LEN], hash[KW_HASH_LEN];
	struct about found = {0};
	enum kw_err err;

	if (kw_id_parse(id, what)) {
		err = find_by_id(&found, n, id, why);
	} else {
		sealer_cap_hash(hash, n->sealer, what);
		err = pstore_by_cap(&found, n->store, hash, why);
	}
	if (err == KW_ENOTFOUND)
		return kw_refuse(why, err, "\"%.256s\" is neither in the inbox nor in the outbox of this node", what);
	if (err == KW_OK)
		*about = found;
	return err;
}

/* A row as the desk shows it; payload: opened into buf when it is asked for and there. */
static enum kw_err
show(struct inbox_row *out, struct buf *payload, struct node *n, const struct in_stored *row, bool with_payload, struct kw_why *why)
{
	struct frame f;
	enum kw_err err;

	memset(out, 0, sizeof *out);
	buf_reset(payload);
	out->seq = row->seq;
	out->received_ms = row->received_ms;
	out->lane = row->lane;
	out->rejected = row->rejected;
	out->bare = row->bare;
	out->outdated = row->outdated;
	out->cancelled = row->cancelled;
	out->superseded = row->superseded;
	out->mark = row->mark;
	out->reason = row->reason;
	if (frame_parse(&f, row->head, FRAME_EITHER, NULL) == KW_OK && header_decode(&out->header, f.header, NULL) != KW_OK)
		memset(&out->header, 0, sizeof out->header); /* one that was rejected may have none */
	if (!with_payload || row->payload.len == 0)
		return KW_OK;
	if ((err = sealer_open(payload, n->sealer, row->id, row->payload, why)) != KW_OK)
		return err;
	out->payload = buf_span(payload);
	return KW_OK;
}

enum kw_err
desk_inbox(struct node *n, const struct inbox_query *q, bool (*each)(void *self, const struct inbox_row *row), void *self, struct kw_why *why)
{
	struct inbox_row *row = calloc(1, sizeof *row);
	struct buf payload = BUF_INIT(KW_OPENED_MAX + 64);
	uint64_t after = q->after_seq;
	enum kw_err err = KW_OK;

	payload.secret = true;
	if (row == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the inbox");
	if (q->limit < 1 || q->limit > 1000) {
		err = kw_refuse(why, KW_EINVAL, "a limit of %u rows is asked for, 1 to 1000 are possible", q->limit);
		goto free_row;
	}
	if (q->filter != NULL && (err = filter_check(q->filter, why)) != KW_OK)
		goto free_row;
	for (uint32_t shown = 0; shown < q->limit;) {
		struct in_stored stored;

		if ((err = pstore_in_next(&stored, n->store, q, after, why)) != KW_OK)
			break;
		after = stored.seq;
		if ((err = show(row, &payload, n, &stored, q->with_payload, why)) != KW_OK)
			break;
		if (q->filter != NULL && (row->header.topic[0] == '\0' || !filter_matches(q->filter, row->header.topic)))
			continue;
		shown++;
		if (!each(self, row))
			break;
	}
	if (err == KW_ENOTFOUND)
		err = KW_OK;
free_row:
	buf_free(&payload);
	free(row);
	return err;
}

uint64_t
desk_newest_seq(struct node *n)
{
	return n->newest_seq;
}

/* The row that stands for id now: what was sealed anew is followed. */
static enum kw_err
out_now(struct out_row *row, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	uint8_t at[KW_ID_LEN];
	enum kw_err err = pstore_out_find(row, n->store, id, why);

	for (int hops = 0; err == KW_OK && row->has_replacement && hops < 16; hops++) {
		memcpy(at, row->replacement, KW_ID_LEN);
		err = pstore_out_find(row, n->store, at, why);
	}
	return err;
}

enum kw_err
desk_outbox_state(enum outbox_state *state, char reason[512], struct node *n, const uint8_t id[KW_ID_LEN])
{
	struct out_row row;
	enum kw_err err = out_now(&row, n, id, NULL);

	if (err != KW_OK)
		return err;
	*state = row.state;
	(void)snprintf(reason, 512, "%s", row.reason);
	return KW_OK;
}

enum kw_err
desk_confirmations(uint32_t *confirmed, uint32_t *readers, struct node *n, const uint8_t id[KW_ID_LEN])
{
	struct out_row row;
	uint32_t missing;
	enum kw_err err = out_now(&row, n, id, NULL);

	if (err == KW_OK)
		err = pstore_out_missing(&missing, readers, n->store, row.seq, NULL);
	if (err == KW_OK)
		*confirmed = *readers - missing;
	return err;
}

enum kw_err
desk_handler_seq(uint64_t *seq, struct node *n, const char *handler)
{
	return pstore_handler_seq(seq, n->store, handler, NULL);
}

enum kw_err
desk_handler_done(struct node *n, const char *handler, uint64_t seq, bool set_aside, const char *reason)
{
	struct kw_why why;
	enum kw_err err;

	node_now(n);
	if ((err = node_tx(n, &why)) != KW_OK)
		return err;
	err = pstore_handler_done(n->store, handler, seq, set_aside, reason != NULL ? reason : "", n->wall_ms, &why);
	if (n->batch)
		return err;
	if (err == KW_OK)
		return node_tx_end(n, &why);
	node_tx_undo(n);
	return err;
}
