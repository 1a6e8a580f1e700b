/* desk_status: what a node says of itself, and of the way of one notification, as JSON. */
#include <string.h>

#include "base/text.h"
#include "clients/partner/desk_arrival.h"
#include "clients/partner/desk_cases.h"
#include "clients/partner/desk_parts.h"
#include "clients/partner/desk_release.h"
#include "clients/partner/node_late.h"

#define SHOWN_MOST 100u

static json_t *
time_json(uint64_t ms)
{
	char when[TEXT_TIME_MAX];

	if (ms == 0)
		return json_null();
	text_put_time_utc(when, ms);
	return json_string(when);
}

static json_t *
hex_json(const uint8_t *p, size_t len)
{
	char hex[2 * KW_HASH_LEN + 1];

	MUST(len <= KW_HASH_LEN);
	text_put_hex(hex, span_of(p, len));
	return json_string(hex);
}

static json_t *
id_json(const uint8_t id[KW_ID_LEN])
{
	char text[37];

	kw_id_text(text, id);
	return json_string(text);
}

static json_t *
agreement_json(const struct node *n)
{
	static const char *const ages[] = {"not yet valid", "valid", "ends soon", "in its grace", "over"};
	const struct agreement *a = node_agreement(n);
	char fingerprint[KEY_FINGERPRINT_MAX];

	agreement_fingerprint(fingerprint, a);
	return json_pack("{s:i, s:s, s:s, s:s, s:o}", "version", (int)agreement_version(a), "kind", agreement_mode(a) == MODE_LIVE ? "live" : "exercise",
	                 "fingerprint", fingerprint, "validity", ages[agreement_age(a, n->wall_ms)], "until", time_json(agreement_until_ms(a)));
}

static json_t *
link_json(const struct node *n)
{
	return json_pack("{s:s, s:s, s:o, s:I, s:i, s:I, s:o}", "state", link_state_name(n->link.state), "endpoint", n->endpoint, "up_since",
	                 time_json(n->up_since_ms), "failures", (json_int_t)n->link.failures, "log_epoch", (int)n->log_epoch, "clock_ahead_s",
	                 (json_int_t)(n->clock_ahead_ms / 1000), "commit", n->seen.number == 0 ? json_null() :
	                 json_pack("{s:I, s:o}", "number", (json_int_t)n->seen.number, "hash", hex_json(n->seen.hash, KW_HASH_LEN)));
}

static json_t *
lanes_json(const struct node *n)
{
	json_t *lanes = json_object();

	for (int i = 0; i < KW_LANES; i++)
		(void)json_object_set_new(lanes, lane_name((enum lane)i), json_pack("{s:I, s:i, s:i}", "cursor", (json_int_t)n->cursor[i].number, "unanswered",
		                          (int)sending_count(n->sending, (enum lane)i), "held", (int)n->lanes[i].count));
	return lanes;
}

struct list { struct node *n; json_t *array; uint64_t seqs[SHOWN_MOST]; uint32_t count; };

static void
add_gap(void *self, const struct pstore_gap *g)
{
	struct list *l = self;

	(void)json_array_append_new(l->array, json_pack("{s:s, s:s, s:I, s:I, s:I, s:o}", "sender", g->sender, "lane", lane_name(g->lane), "epoch",
	                            (json_int_t)g->epoch, "first", (json_int_t)g->first, "last", (json_int_t)g->last, "since", time_json(g->since_ms)));
}

static void
add_evidence(void *self, const struct pstore_evidence *e)
{
	struct list *l = self;

	(void)json_array_append_new(l->array, json_pack("{s:I, s:o, s:s, s:s}", "number", (json_int_t)e->seq, "at", time_json(e->at_ms), "kind", e->kind, "text",
	                            e->text));
}

static void
add_late(void *self, const struct out_row *row)
{
	struct list *l = self;

	if (l->count < SHOWN_MOST)
		l->seqs[l->count++] = row->seq;
}

static void
add_missing(void *self, const struct out_confirm *c)
{
	if (c->at_ms == 0)
		(void)json_array_append_new(self, json_string(c->node));
}

static json_t *
unconfirmed_json(struct node *n)
{
	struct list l = {.n = n};
	json_t *array = json_array();

	if (pstore_out_unconfirmed(n->store, n->wall_ms, SHOWN_MOST, add_late, &l, NULL) != KW_OK)
		return array;
	for (uint32_t i = 0; i < l.count; i++) {
		struct out_row row;
		struct header h;
		struct frame f;
		json_t *missing = json_array();

		if (pstore_out_readers(n->store, l.seqs[i], add_missing, missing, NULL) != KW_OK || pstore_out_get(&row, n->store, l.seqs[i], NULL) != KW_OK ||
		    frame_parse(&f, row.frame, FRAME_EITHER, NULL) != KW_OK || header_decode(&h, f.header, NULL) != KW_OK) {
			json_decref(missing);
			continue;
		}
		(void)json_array_append_new(array, json_pack("{s:o, s:s, s:b, s:o, s:o}", "id", id_json(row.id), "topic", h.topic, "stored",
		                            row.state == OUTBOX_STORED, "since", time_json(row.confirm_by_ms), "missing", missing));
	}
	return array;
}

static json_t *
alarms_json(const struct node *n)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < n->alarm_count; i++)
		(void)json_array_append_new(array, json_pack("{s:s, s:s?, s:o, s:I}", "code", n->alarms[i].code, "text", n->alarms[i].text, "since",
		                            time_json(n->alarms[i].since_ms), "times", (json_int_t)n->alarms[i].times));
	return array;
}

static void
add_suspended(void *self, const struct pstore_suspension *x)
{
	(void)json_array_append_new(self, json_pack("{s:s, s:s, s:s, s:o, s:o}", "node", x->node, "by", x->by, "reason", x->reason, "from", time_json(x->from_ms), "until",
	                            time_json(x->until_ms)));
}

/* [O-9] As the broker stated it, until it is over by the clock of this machine. */
static json_t *
suspended_json(struct node *n)
{
	json_t *array = json_array();

	if (array != NULL && pstore_suspensions(n->store, n->wall_ms, add_suspended, array, NULL) != KW_OK)
		(void)json_array_clear(array);
	return array;
}

json_t *
desk_gaps(struct node *n)
{
	struct list gaps = {.n = n, .array = json_array()};

	if (gaps.array == NULL || pstore_gaps(n->store, SHOWN_MOST, add_gap, &gaps, NULL) == KW_OK)
		return gaps.array;
	json_decref(gaps.array);
	return NULL;
}

json_t *
desk_status(struct node *n)
{
	struct list evidence = {.n = n};
	struct pstore_counts c;
	json_t *outbox, *inbox, *whole, *gaps;

	node_now(n);
	if (pstore_counts(&c, n->store, NULL) != KW_OK)
		return NULL;
	gaps = desk_gaps(n);
	evidence.array = json_array();
	if (gaps == NULL || pstore_evidence(n->store, SHOWN_MOST, add_evidence, &evidence, NULL) != KW_OK) {
		json_decref(gaps);
		json_decref(evidence.array);
		return NULL;
	}
	outbox = json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "waiting", (json_int_t)c.out_waiting, "limit", (json_int_t)n->config->outbox_max, "stored",
	                   (json_int_t)c.out_stored, "refused", (json_int_t)c.out_refused, "expired", (json_int_t)c.out_expired, "oldest", time_json(c.out_oldest_ms));
	inbox = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "newest", (json_int_t)c.in_newest, "rows", (json_int_t)c.in_total, "rejected",
	                  (json_int_t)c.in_rejected, "bare", (json_int_t)c.in_bare, "duplicates", (json_int_t)n->duplicates, "receipts_due",
	                  (json_int_t)receipts_count(n->receipts), "handlers_set_aside", (json_int_t)c.handlers_set_aside);
	whole = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:b, s:I, s:I}", "node", n->id, "partnership",
	                  agreement_partnership(node_agreement(n)), "software", "kurzweg-partner " KW_VERSION, "agreement", agreement_json(n), "link", link_json(n),
	                  "lanes", lanes_json(n), "outbox", outbox, "inbox", inbox, "unconfirmed", unconfirmed_json(n), "gaps", gaps, "missing_numbers",
	                  (json_int_t)c.gaps, "alarms", alarms_json(n), "evidence", evidence.array, "stopped", n->stopped, "sender_epoch",
	                  (json_int_t)n->sender_epoch, "store_bytes", (json_int_t)c.bytes);
	if (whole != NULL)
		(void)json_object_set_new(whole, "cases", desk_cases_status(n));
	if (whole != NULL)
		(void)json_object_set_new(whole, "backup", json_pack("{s:o, s:I}", "made", time_json(n->backup_last.made_ms), "bytes", (json_int_t)n->backup_last.bytes));
	if (whole != NULL)
		(void)json_object_set_new(whole, "suspended", suspended_json(n));
	for (uint32_t i = 0; whole != NULL && i < n->report_count; i++)
		(void)json_object_set_new(whole, n->reports[i].key, n->reports[i].report(n->reports[i].self));
	return whole;
}

struct trace { json_t *delivered, *missing, *rejected, *opened; };

static void
add_reader(void *self, const struct out_confirm *c)
{
	struct trace *t = self;

	if (c->opened_ms != 0)
		(void)json_array_append_new(t->opened, json_pack("{s:s, s:o, s:o}", "node", c->node, "at", time_json(c->opened_ms), "receipt", id_json(c->opened_receipt)));
	if (c->at_ms != 0)
		(void)json_array_append_new(t->delivered, json_pack("{s:s, s:o, s:o}", "node", c->node, "at", time_json(c->at_ms), "receipt", id_json(c->receipt)));
	else if (c->rejected_ms != 0)
		(void)json_array_append_new(t->rejected, json_pack("{s:s, s:o, s:s}", "node", c->node, "at", time_json(c->rejected_ms), "reason", c->reason));
	else
		(void)json_array_append_new(t->missing, json_string(c->node));
}

static json_t *
stored_json(const struct out_row *row)
{
	if (row->state != OUTBOX_STORED)
		return json_null();
	return json_pack("{s:{s:i, s:s, s:I}, s:I, s:o}", "position", "log_epoch", (int)row->at.log_epoch, "lane", lane_name(row->at.lane), "number",
	                 (json_int_t)row->at.number, "commit", (json_int_t)row->commit, "time", time_json(row->stored_ms));
}

void
desk_brief(struct payload_brief *out, const struct node *n, const struct out_row *row, const struct header *h, const char *language)
{
	struct buf payload = BUF_INIT(KW_OPENED_MAX + 64);

	payload.secret = true;
	if (row->payload.len == 0 || sealer_open(&payload, n->sealer, row->id, row->payload, NULL) != KW_OK ||
	    payload_brief(out, h->payload_type, release_content(h->type, buf_span(&payload)), language, NULL) != KW_OK)
		*out = (struct payload_brief){0};
	buf_free(&payload);
}

enum kw_err
desk_trace(json_t **out, struct node *n, const uint8_t id[KW_ID_LEN], const char *language, struct kw_why *why)
{
	static const char *const states[] = {"waiting", "stored", "refused", "expired"};
	struct payload_brief brief = {0};
	struct trace t = {0};
	bool hidden;
	struct out_row row;
	struct header h;
	struct frame f;
	char text[37];
	json_t *whole, *answers, *release = NULL;
	uint64_t seq;
	enum kw_err err = pstore_out_find(&row, n->store, id, why);

	kw_id_text(text, id);
	if (err == KW_ENOTFOUND) {
		err = desk_arrival(out, n, id, why);
		return err == KW_ENOTFOUND ? kw_refuse(why, err, "%s was not sent by this node and did not come here; ask the node that sent it", text) : err;
	}
	if (err != KW_OK)
		return err;
	if (frame_parse(&f, row.frame, FRAME_EITHER, why) != KW_OK || header_decode(&h, f.header, why) != KW_OK)
		return kw_refuse(why, KW_ECORRUPT, "%s cannot be read in the outbox; restore the node's store from a copy", text);
	seq = row.seq; /* the row's bytes go when the store is asked for others */
	hidden = row.payload.len > 0 && desk_reason(n, h.topic, NULL, NULL) != KW_OK;
	if (!hidden)
		desk_brief(&brief, n, &row, &h, language);
	t = (struct trace){json_array(), json_array(), json_array(), json_array()};
	whole = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "id", text, "direction", "sent",
	                  "agreement_version", (json_int_t)h.agreement_version, "mark", hidden ? DESK_REASON_NEEDED : "", "headline", brief.headline, "cap", brief.cap_id, "topic", h.topic, "type", notice_type_name(h.type), "lane",
	                  lane_name(h.lane), "created", time_json(h.created_ms), "expires", time_json(h.expires_ms), "state",
	                  (unsigned)row.state < 4 ? states[row.state] : "?", "reason", row.reason, "stored", stored_json(&row), "delivered", t.delivered, "missing",
	                  t.missing, "rejected", t.rejected, "opened", t.opened);
	if (whole == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for a trace");
	if (row.has_replacement)
		(void)json_object_set_new(whole, "sealed_anew_as", id_json(row.replacement));
	if (desk_release(&release, n, h.type == TYPE_RELEASED ? h.about.id : id, "", NULL) == KW_OK)
		(void)json_object_set_new(whole, "release", release);
	if ((err = pstore_out_readers(n->store, seq, add_reader, &t, why)) != KW_OK) {
		json_decref(whole);
		return err;
	}
	if ((err = node_answers(&answers, n, seq, &h, why)) != KW_OK) {
		json_decref(whole);
		return err;
	}
	if (answers != NULL)
		(void)json_object_set_new(whole, "acknowledge", answers);
	*out = whole;
	return KW_OK;
}

/* ---- agreements ---- */

enum kw_err
desk_agreement(json_t **out, struct node *n, uint32_t version, struct kw_why *why)
{
	const struct agreement *newest = node_agreement(n), *a = version == 0 ? newest : agreement_chain_get(n->chain, version);
	uint64_t came_ms = 0;
	struct span text;
	enum kw_err err;

	if (a == NULL)
		return kw_refuse(why, KW_ENOTFOUND, "version %u of the agreement is not known here", version);
	if ((err = pstore_agreement_came(&came_ms, n->store, agreement_version(a), why)) != KW_OK)
		return err;
	text = agreement_text(a);
	*out = json_pack("{s:I, s:I, s:I, s:s%}", "version", (json_int_t)agreement_version(a), "newest", (json_int_t)agreement_version(newest), "came_ms",
	                 (json_int_t)came_ms, "text", (const char *)text.p, text.len);
	return *out != NULL ? KW_OK : kw_refuse(why, KW_ENOMEM, "out of memory for an agreement");
}
