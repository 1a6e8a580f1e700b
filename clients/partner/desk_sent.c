/* desk_sent: see its header. */
#include "clients/partner/desk_sent.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "clients/partner/desk_parts.h"
#include "clients/partner/node_audit.h"
#include "proto/seal.h"
#include "proto/topic.h"

#define LOOK_ROWS 4096u /* of the outbox at a time, most of which may be receipts */
#define LOOK_MS 50u

struct looking { struct node *n; const struct sent_query *q; json_t *rows; struct payload_brief *brief; bool demanded; /* a reason, for one of those that are shown */ };

/* What was sealed stays so where the agreement demands a reason and there is none. */
static const char *
open_brief(struct looking *l, const struct out_row *row, const struct header *h)
{
	memset(l->brief, 0, sizeof *l->brief);
	if (row->payload.len > 0 && desk_reason(l->n, h->topic, l->q->reason, NULL) != KW_OK)
		return DESK_REASON_NEEDED;
	l->demanded = l->demanded || (row->payload.len > 0 && desk_reason(l->n, h->topic, NULL, NULL) != KW_OK);
	desk_brief(l->brief, l->n, row, h, l->q->language != NULL ? l->q->language : "");
	return "";
}

static bool
add_about(json_t *row, const struct header *h)
{
	char text[37];

	if (!h->about.set)
		return true;
	kw_id_text(text, h->about.id);
	return json_object_set_new(row, "about", json_string(text)) == 0;
}

static enum kw_err
add_row(struct looking *l, const struct out_row *row, const struct header *h, struct kw_why *why)
{
	static const char *const states[] = {"waiting", "stored", "refused", "expired"};
	const char *mark = open_brief(l, row, h);
	const struct payload_brief *b = l->brief;
	struct out_tally tally;
	char id[37];
	json_t *one;
	enum kw_err err = pstore_out_tally(&tally, l->n->store, row->seq, why);

	if (err != KW_OK)
		return err;
	kw_id_text(id, row->id);
	one = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I}", "seq", (json_int_t)row->seq, "id", id,
	                "topic", h->topic, "lane", lane_name(row->lane), "type", notice_type_name(h->type), "schema", h->payload_type == PAYLOAD_NONE ? "" : payload_type_name(h->payload_type),
	                "created_ms", (json_int_t)h->created_ms, "expires_ms", (json_int_t)h->expires_ms, "until_ms", (json_int_t)b->until_ms, "headline", b->headline, "status", b->status,
	                "msg_type", b->msg_type, "severity", b->severity, "mark", mark, "state", (unsigned)row->state < 4 ? states[row->state] : "?", "reason", row->reason, "recalled",
	                (row->late & LATE_ERASED) != 0, "bare", row->payload.len == 0, "readers", (json_int_t)tally.readers, "delivered", (json_int_t)tally.delivered, "rejected",
	                (json_int_t)tally.rejected, "opened", (json_int_t)tally.opened);
	if (one != NULL && add_about(one, h) && json_array_append(l->rows, one) == 0)
		err = KW_OK;
	else
		err = kw_refuse(why, KW_ENOMEM, "out of memory for a list of what was sent");
	json_decref(one);
	return err;
}

/* From *before down to from; *before: everything from there on was looked at. */
static enum kw_err
look(struct looking *l, uint64_t *before, uint64_t from, struct kw_why *why)
{
	const struct sent_query *q = l->q;
	uint64_t end_ms = clock_mono_ms() + LOOK_MS;
	uint32_t limit = q->limit < DESK_SENT_MOST ? q->limit : DESK_SENT_MOST;

	do { /* one row at least: who asks again goes on, however busy the machine is */
		struct out_row row;
		struct header h;
		struct frame f;
		enum kw_err err = pstore_out_before(&row, l->n->store, *before, from, q->since_ms, why);

		if (err == KW_ENOTFOUND) {
			*before = from;
			return KW_OK;
		}
		if (err != KW_OK)
			return err;
		if (frame_parse(&f, row.frame, FRAME_EITHER, why) != KW_OK || header_decode(&h, f.header, why) != KW_OK)
			return kw_refuse(why, KW_ECORRUPT, "a notification in the outbox cannot be read any more; restore the store from a copy");
		*before = row.seq;
		if ((q->filter == NULL || filter_matches(q->filter, h.topic)) && (err = add_row(l, &row, &h, why)) != KW_OK)
			return err;
	} while (json_array_size(l->rows) < limit && clock_mono_ms() < end_ms);
	return KW_OK;
}

/* As of the inbox: that headlines were shown, once with how many. */
static enum kw_err
record(const struct looking *l, struct kw_why *why)
{
	const struct sent_query *q = l->q;
	size_t count = json_array_size(l->rows);
	struct audit_record r = {.event = "listed", .actor = "local", .topic = q->filter, .count = (uint32_t)count, .detail = "sent", .as = q->as, .reason = q->reason};

	return count == 0 ? KW_OK : node_audit(l->n, &r, l->demanded, why);
}

enum kw_err
desk_sent(json_t **out, struct node *n, const struct sent_query *q, struct kw_why *why)
{
	struct looking l = {.n = n, .q = q};
	uint64_t newest, oldest, before;
	enum kw_err err;

	if (q->filter != NULL && (err = filter_check(q->filter, why)) != KW_OK)
		return err;
	if ((err = pstore_out_newest(&newest, n->store, why)) != KW_OK || (err = pstore_out_oldest(&oldest, n->store, why)) != KW_OK)
		return err;
	l.rows = json_array();
	if (l.rows == NULL || (l.brief = calloc(1, sizeof *l.brief)) == NULL) {
		json_decref(l.rows);
		return kw_refuse(why, KW_ENOMEM, "out of memory for a list of what was sent");
	}
	before = q->before_seq == 0 || q->before_seq > newest ? newest + 1 : q->before_seq;
	err = look(&l, &before, before > LOOK_ROWS ? before - LOOK_ROWS : 1, why);
	if (err == KW_OK)
		err = record(&l, why);
	if (err == KW_OK && (*out = json_pack("{s:O, s:I, s:b}", "rows", l.rows, "before", (json_int_t)before, "more", oldest != 0 && before > oldest)) == NULL)
		err = kw_refuse(why, KW_ENOMEM, "out of memory for a list of what was sent");
	json_decref(l.rows);
	free(l.brief);
	return err;
}
