/* desk: publishing, finding, and reading the inbox, for whoever asks on this machine. */
#include "clients/partner/desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "clients/partner/desk_parts.h"
#include "clients/partner/node_audit.h"
#include "clients/partner/node_release.h"
#include "proto/payload.h"

#define DAY_MS (24ull * 3600 * 1000)

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
refuse_deleted(uint64_t delete_by_ms, struct kw_why *why)
{
	char when[TEXT_TIME_MAX];

	text_put_time_local(when, delete_by_ms);
	return kw_refuse(why, KW_EINVAL, "its readers must have deleted it by %s already (handling.deleteBy); set a later time", when);
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
	if (brief->delete_by_ms > 0 && brief->delete_by_ms < h->expires_ms) { /* nobody is to have it longer, the broker neither */
		h->expires_ms = brief->delete_by_ms;
		if (h->expires_ms <= h->created_ms)
			return refuse_deleted(h->expires_ms, why);
	}
	if (h->expires_ms > h->created_ms)
		return KW_OK;
	text_put_time_local(when, h->expires_ms);
	return kw_refuse(why, KW_EINVAL, "it expired already, at %s; set a later expiry", when);
}

/* Only what this partner sent can be updated or cancelled by it. */
enum kw_err
take_about(struct header *h, struct node *n, const struct desk_publish *p, struct kw_why *why)
{
	bool wants = p->type == TYPE_UPDATE || p->type == TYPE_CANCEL;
	char partner[KW_NODE_MAX + 1], id[37];
	struct out_row row;
	uint64_t seq;
	enum kw_err err;

	if (wants && !p->about.set)
		return kw_refuse(why, KW_EINVAL, "an update or cancel must name what it is about");
	if (!wants && p->about.set)
		return kw_refuse(why, KW_EINVAL, "only updates and cancels are about another notification");
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

enum kw_err
node_may_publish(const struct node *n, struct kw_why *why)
{
	if (n->stopped)
		return kw_refuse(why, KW_ESTATE, "two histories of the broker were met, so this node publishes nothing; look at the evidence in \"kurzweg status\"");
	if (n->waiting >= n->config->outbox_max)
		return kw_refuse(why, KW_EFULL, "%llu notifications wait in the outbox, at most %u may; bring the link up, or raise limits.outbox", (unsigned long long)n->waiting,
		                 n->config->outbox_max);
	if (n->clock_ahead_ms > (int64_t)KW_CLOCK_SKEW_MS)
		return kw_refuse(why, KW_EINVAL, "this machine's clock is %lld s ahead of the broker's, at most %llu are allowed; set the clock",
		                 (long long)(n->clock_ahead_ms / 1000), (unsigned long long)(KW_CLOCK_SKEW_MS / 1000));
	return KW_OK;
}

static enum kw_err
may_now(const struct node *n, const struct desk_publish *p, struct kw_why *why)
{
	if (p->type != TYPE_NOTICE && p->type != TYPE_UPDATE && p->type != TYPE_CANCEL && p->type != TYPE_REQUEST)
		return kw_refuse(why, KW_EINVAL, "a notification of type \"%s\" is not published by hand", notice_type_name(p->type));
	return node_may_publish(n, why);
}

/* The topic's rules under the agreement in force. */
static enum kw_err
find_topic(const struct agreement_topic **out, const struct node *n, const char *topic, struct kw_why *why)
{
	enum kw_err err = topic_check(topic, why);
	char filters[AGREEMENT_FILTERS_MAX];

	if (err != KW_OK)
		return err;
	if ((*out = agreement_topic(node_agreement(n), topic)) != NULL)
		return KW_OK;
	agreement_filters(filters, node_agreement(n));
	return kw_refuse(why, KW_EDENIED, "no topic of the agreement takes in \"%.255s\"; there are %s", topic, filters);
}

enum kw_err
desk_topic(struct desk_topic *out, struct node *n, const char *topic, struct kw_why *why)
{
	const struct agreement_topic *t;
	enum kw_err err = find_topic(&t, n, topic, why);

	if (err != KW_OK)
		return err;
	out->schema = t->schema;
	out->mode = agreement_mode(node_agreement(n));
	out->release = t->has_release;
	return KW_OK;
}

enum kw_err
desk_reason(struct node *n, const char *topic, const char *reason, struct kw_why *why)
{
	const struct agreement_topic *t = topic_check(topic, NULL) == KW_OK ? agreement_topic(node_agreement(n), topic) : NULL;

	if (t == NULL || !t->reason_required || (reason != NULL && reason[0] != '\0'))
		return KW_OK;
	return kw_refuse(why, KW_EDENIED, "the agreement demands a reason for whatever is published or read on %s; give it with --reason, it is kept sealed in this node's audit trail", t->filter);
}

struct prepared { struct header header; struct payload_brief brief; uint8_t cap_hash[KW_HASH_LEN]; bool has_cap; };

static enum kw_err
prepare(struct prepared *out, struct node *n, const struct desk_publish *p, struct kw_why *why)
{
	const struct agreement_topic *t;
	struct header *h = &out->header;
	enum kw_err err;

	if ((err = may_now(n, p, why)) != KW_OK || (err = find_topic(&t, n, p->topic, why)) != KW_OK)
		return err;
	if ((err = desk_reason(n, p->topic, p->reason, why)) != KW_OK)
		return err;
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
	if ((err = take_to(h, p, why)) != KW_OK || (err = take_times(h, n, p, t, &out->brief, why)) != KW_OK)
		return err;
	if (!t->has_release && p->not_before_ms > 0)
		return kw_refuse(why, KW_EINVAL, "topics of %s need no release, so nothing waits there for an embargo; publish it when it is time", t->filter);
	err = t->has_release ? release_prepare(h, n, p, out->brief.not_before_ms, why) : take_about(h, n, p, why);
	if (err != KW_OK)
		return err;
	out->has_cap = p->payload_type == PAYLOAD_ALERT && out->brief.cap_id[0] != '\0';
	if (out->has_cap)
		sealer_cap_hash(out->cap_hash, n->sealer, out->brief.cap_id);
	return KW_OK;
}

/* Both or neither: what is refused must not go out with the batch that it stood in. */
static enum kw_err
seal_draft(struct node *n, const struct sealing *in, struct kw_why *why)
{
	uint64_t seq, waiting = n->waiting;
	enum kw_err err;

	if ((err = pstore_mark(n->store, why)) != KW_OK)
		return err;
	if ((err = node_seal(&seq, n, in, why)) == KW_OK && (err = node_release_begin(n, in->header, in->payload, why)) == KW_OK)
		return pstore_mark_keep(n->store, why);
	pstore_mark_undo(n->store);
	n->waiting = waiting;
	return err;
}

/* Who asked for what to whom: in the trail before it is on disk in the outbox. */
static enum kw_err
record(struct node *n, const struct desk_publish *p, const struct header *h, struct kw_why *why)
{
	struct buf to = BUF_INIT(AUDIT_TO_MAX);
	char id[37], detail[64];
	struct audit_record r = {.event = "publish", .actor = p->actor != NULL ? p->actor : "local", .object = id, .topic = h->topic, .detail = detail, .as = p->as, .reason = p->reason};
	enum kw_err err;

	kw_id_text(id, h->id);
	(void)snprintf(detail, sizeof detail, "%s, agreement version %u", notice_type_name(h->type), h->agreement_version);
	for (uint32_t i = 0; i < h->to_count; i++)
		buf_printf(&to, "%s%s", i > 0 ? " " : "", h->to[i]);
	r.to = to.len > 0 ? buf_text(&to) : NULL;
	r.count = h->to_count;
	err = node_audit(n, &r, desk_reason(n, h->topic, NULL, NULL) != KW_OK, why);
	buf_free(&to);
	return err;
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
	err = prepared->header.type == TYPE_DRAFT ? seal_draft(n, &in, why) : node_seal(&seq, n, &in, why);
	if (err == KW_OK)
		err = record(n, p, &prepared->header, why);
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

enum kw_err
desk_find_id(struct about *about, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
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
		err = desk_find_id(&found, n, id, why);
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

/* A statement of the broker's, with what of a header fits it. */
static void
show_statement(struct inbox_row *out, const struct node *n, const struct in_stored *row)
{
	struct header *h = &out->header;

	if (entry_decode(&out->entry, row->head, NULL) != KW_OK)
		return;
	out->of_case = out->entry.kind == ENTRY_CASE;
	out->of_suspension = out->entry.kind == ENTRY_SUSPENSION;
	out->bare = false;
	memcpy(h->id, row->id, KW_ID_LEN);
	(void)snprintf(h->topic, sizeof h->topic, "%s", row->topic);
	memcpy(h->sender, agreement_broker(node_agreement(n))->name, sizeof h->sender);
	h->lane = row->lane;
	h->created_ms = out->entry.time_ms;
	h->about.set = out->of_case;
	if (out->of_case)
		memcpy(h->about.id, out->entry.of_case.id, KW_ID_LEN);
}

/* It hides no other. */
static void
show_locked(struct inbox_row *out, struct node *n)
{
	char id[37];

	out->locked = true;
	out->bare = true;
	out->mark = "locked";
	kw_id_text(id, out->header.id);
	node_alarm(n, "locked", "the content of %s in the inbox does not open: the file was changed, or this key did not close it; look at it in a copy of the state folder", id);
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
	if (row->type == IN_TYPE_CASE || row->type == IN_TYPE_SUSPENSION)
		show_statement(out, n, row);
	else if (frame_parse(&f, row->head, FRAME_EITHER, NULL) == KW_OK && header_decode(&out->header, f.header, NULL) != KW_OK)
		memset(&out->header, 0, sizeof out->header); /* one that was rejected may have none */
	if (!with_payload || row->payload.len == 0)
		return KW_OK;
	err = sealer_open(payload, n->sealer, row->id, row->payload, why);
	if (err == KW_OK) {
		out->whole = buf_span(payload);
		out->payload = release_content(out->header.type, out->whole);
	} else if (err == KW_ECORRUPT) {
		show_locked(out, n);
	}
	return err == KW_ECORRUPT ? KW_OK : err;
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

uint64_t
desk_shown_seq(struct node *n)
{
	return n->catchup.on ? n->shown_seq : n->newest_seq;
}

enum kw_err
node_out_now(struct out_row *row, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why)
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
	enum kw_err err = node_out_now(&row, n, id, NULL);

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
	enum kw_err err = node_out_now(&row, n, id, NULL);

	if (err == KW_OK)
		err = pstore_out_missing(&missing, readers, n->store, row.seq, NULL);
	if (err == KW_OK)
		*confirmed = *readers - missing;
	return err;
}

enum kw_err
desk_place(struct desk_place *place, struct node *n, const char *handler)
{
	return pstore_handler_get(place, n->store, handler, NULL);
}

enum kw_err
desk_end(struct node *n, enum kw_err err, struct kw_why *why)
{
	if (n->batch)
		return err;
	if (err == KW_OK)
		return node_tx_end(n, why);
	node_tx_undo(n);
	return err;
}

enum kw_err
desk_keep_place(struct node *n, const char *handler, const struct desk_place *place)
{
	struct kw_why why;
	enum kw_err err;

	node_now(n);
	if ((err = node_tx(n, &why)) != KW_OK)
		return err;
	return desk_end(n, pstore_handler_put(n->store, handler, place, &why), &why);
}

enum kw_err
desk_set_aside(struct node *n, const char *handler, uint64_t seq, const char *reason)
{
	struct kw_why why;
	enum kw_err err;

	node_now(n);
	if ((err = node_tx(n, &why)) != KW_OK)
		return err;
	return desk_end(n, pstore_set_aside(n->store, handler, seq, reason, n->wall_ms, &why), &why);
}

uint64_t
desk_remembers_since_ms(const struct node *n)
{
	return n->sender_epoch; /* begun with the store, and anew when it turned out to be an old copy; at the time of then */
}

enum kw_err
desk_spool_keep(struct node *n, const char *place, const uint8_t id[KW_ID_LEN], struct kw_why *why)
{
	enum kw_err err;

	if ((err = node_tx(n, why)) != KW_OK)
		return err;
	return desk_end(n, pstore_spool_put(n->store, place, id, why), why);
}

enum kw_err
desk_spool_find(uint8_t id[KW_ID_LEN], struct node *n, const char *place, struct kw_why *why)
{
	return pstore_spool_get(id, n->store, place, why);
}

enum kw_err
desk_spool_forget(struct node *n, const char *place, struct kw_why *why)
{
	enum kw_err err;

	if ((err = node_tx(n, why)) != KW_OK)
		return err;
	return desk_end(n, pstore_spool_forget(n->store, place, why), why);
}

uint64_t
desk_keep_ms(const struct node *n, const char *topic)
{
	const struct agreement_topic *t = topic_check(topic, NULL) == KW_OK ? agreement_topic(node_agreement(n), topic) : NULL;
	uint64_t ms = t != NULL ? t->keep_content_ms : 14 * DAY_MS;

	return n->config->keep_content_ms > 0 && n->config->keep_content_ms < ms ? n->config->keep_content_ms : ms;
}
