/* local_rows: a bounded look at the inbox, and what of it goes into one answer. */
#include "clients/partner/local_rows.h"

#include "base/clock.h"
#include "clients/partner/node_audit.h"
#include "proto/seal.h"

#define ANSWER_MAX (1024u * 1024u)  /* [N-4] */
#define LOOK_ROWS 4096u             /* of the inbox at a time */
#define LOOK_MS 50u

struct putting {
	struct buf *out;
	struct rows *rows;
	struct node *node;
	const struct ask *ask;
	struct kw_why *why;
	enum kw_err err;       /* of a row that may not be shown */
	uint64_t end_mono_ms;
	bool cut, failed;
	bool demanded;         /* a reason, for one of those that are shown */
};

/* Content that goes out is in the trail before: who took it, and why. */
static enum kw_err
record(const struct putting *p, const struct inbox_row *row)
{
	char id[37];
	struct audit_record r = {.event = "read", .actor = "local", .object = id, .topic = row->header.topic, .as = p->ask->as, .reason = p->ask->reason};

	if (p->ask->content == CONTENT_NONE || row->payload.len == 0)
		return KW_OK;
	kw_id_text(id, row->header.id);
	return node_audit(p->node, &r, desk_reason(p->node, row->header.topic, NULL, NULL) != KW_OK, p->why);
}

/* Where a reason is demanded and none was given, one that is asked for is refused; in a list it stands without anything that was sealed. */
static bool
hides(struct putting *p, const struct inbox_row *row)
{
	if (row->payload.len == 0 || desk_reason(p->node, row->header.topic, p->ask->reason, NULL) == KW_OK)
		return false;
	if (p->ask->query.has_id)
		p->err = desk_reason(p->node, row->header.topic, p->ask->reason, p->why);
	return true;
}

static bool
each_row(void *self, const struct inbox_row *row)
{
	struct putting *p = self;
	struct buf one = BUF_INIT(ROW_JSON_MAX);
	bool hidden = hides(p, row);

	one.secret = true;
	if (p->err == KW_OK && !hidden)
		p->err = record(p, row);
	if (p->err != KW_OK)
		return false;
	if (hidden) {
		struct inbox_row bare = *row;

		bare.whole = bare.payload = span_of(NULL, 0);
		bare.mark = DESK_REASON_NEEDED;
		row_json_put(&one, &bare, p->ask->content, p->ask->language);
	} else {
		p->demanded = p->demanded || (row->payload.len > 0 && desk_reason(p->node, row->header.topic, NULL, NULL) != KW_OK);
		row_json_put(&one, row, p->ask->content, p->ask->language);
	}
	p->failed = !buf_ok(&one);
	p->cut = p->rows->count > 0 && p->out->len + one.len > ANSWER_MAX;
	if (!p->failed && !p->cut) {
		buf_put_str(p->out, p->rows->count > 0 ? "," : "");
		buf_put_span(p->out, buf_span(&one));
		p->rows->count++;
		p->rows->after = row->seq;
		p->cut = p->rows->count == p->ask->query.limit || clock_mono_ms() >= p->end_mono_ms;
	}
	buf_free(&one);
	return !p->failed && !p->cut;
}

/* A list shows headlines: that it was shown is told once, with how many. */
static enum kw_err
record_list(const struct putting *p)
{
	const struct ask *a = p->ask;
	struct audit_record r = {.event = "listed", .actor = "local", .topic = a->query.filter, .count = p->rows->count, .as = a->as, .reason = a->reason};

	return node_audit(p->node, &r, p->demanded, p->why);
}

enum kw_err
rows_put(struct buf *out, struct rows *r, struct node *n, const struct ask *a, struct kw_why *why)
{
	struct putting p = {.out = out, .rows = r, .node = n, .ask = a, .why = why, .end_mono_ms = clock_mono_ms() + LOOK_MS};
	uint64_t newest = desk_newest_seq(n), shown = a->wait_ms > 0 ? desk_shown_seq(n) : newest; /* who waits follows */
	struct inbox_query q = a->query;
	enum kw_err err;

	if (q.after_seq > newest)
		return kw_refuse(why, KW_ESTATE, "after_seq is %llu, but the inbox of this node ends at %llu: its store is another, or an older copy; begin again at 0",
		                 (unsigned long long)q.after_seq, (unsigned long long)newest);
	q.with_payload = true;
	if (!q.has_id && newest - q.after_seq > LOOK_ROWS)
		q.until_seq = q.after_seq + LOOK_ROWS;
	if (shown < newest && (q.until_seq == 0 || q.until_seq > shown))
		q.until_seq = shown;
	*r = (struct rows){.after = q.after_seq};
	if (shown < newest && shown <= q.after_seq) {
		buf_printf(out, "{\"rows\":[],\"after\":%llu,\"more\":false}", (unsigned long long)q.after_seq);
		return KW_OK;
	}
	buf_put_str(out, "{\"rows\":[");
	if ((err = desk_inbox(n, &q, each_row, &p, why)) != KW_OK)
		return err;
	if (p.err != KW_OK)
		return p.err;
	if (p.failed)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the inbox");
	if (r->count > 0 && a->content == CONTENT_NONE && (err = record_list(&p)) != KW_OK)
		return err;
	if (!p.cut)
		r->after = q.until_seq != 0 ? q.until_seq : newest;
	r->more = r->after < shown;
	buf_printf(out, "],\"after\":%llu,\"more\":%s}", (unsigned long long)r->after, r->more ? "true" : "false");
	return KW_OK;
}
