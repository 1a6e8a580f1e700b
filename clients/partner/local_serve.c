/* local_serve: one function a verb. */
#include "clients/partner/local_serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"
#include "base/text.h"
#include "clients/partner/desk_receipts.h"
#include "clients/partner/desk_sent.h"
#include "clients/partner/desk_subject.h"
#include "clients/partner/local_rows.h"
#include "clients/partner/node.h"
#include "clients/partner/node_audit.h"
#include "clients/partner/node_backup.h"
#include "proto/seal.h"
#include "proto/topic.h"

#define WARNINGS_MAX (64u * 1024u)
#define NAMES_MAX 4096 /* bytes of nodes and their reasons; what does not go into a sentence is cut there */

/* Takes v. Jansson leaves out keys for which json_dumps finds no memory, and says nothing. */
static enum kw_err
put_json(struct buf *out, json_t *v, struct kw_why *why)
{
	char *dump;

	json_memory_begin();
	dump = v != NULL ? json_dumps(v, JSON_COMPACT) : NULL;
	json_decref(v);
	if (dump != NULL && json_memory_was_short()) {
		free(dump);
		dump = NULL;
	}
	if (dump == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for an answer");
	buf_put_str(out, dump);
	free(dump);
	return KW_OK;
}

/* The same for what tells how things stand: whole, or not at all. What was done is told by put_json, however little memory was left on the way. */
static enum kw_err
put_whole(struct buf *out, json_t *v, struct kw_why *why)
{
	if (!json_memory_was_short())
		return put_json(out, v, why);
	json_decref(v);
	return put_json(out, NULL, why);
}

/* What was asked for and not done: its code, and of what; the sentence is the asker's. */
static enum kw_err
refused(struct node *n, const struct ask *a, const char *what, const char *object, const char *topic, enum kw_err err)
{
	char detail[96];
	struct audit_record r = {.event = "refused", .actor = "local", .object = object, .topic = topic, .detail = detail, .as = a->as, .reason = a->reason};

	(void)snprintf(detail, sizeof detail, "%s: %s", what, kw_err_name(err));
	node_audit_note(n, &r);
	return err;
}

/* What a person asked for, in the trail before it is done; a remark of any length and form is told as far as a line takes it. */
static enum kw_err
record(struct node *n, const struct ask *a, const char *what, const char *text, struct kw_why *why)
{
	char id[37], tidy[ASK_REASON_MAX + 1] = "";
	struct audit_record r = {.event = what, .actor = "local", .object = id, .to = a->move.to, .as = a->as, .reason = text != NULL ? tidy : a->reason};
	size_t len = text != NULL ? strlen(text) : 0, at;

	kw_id_text(id, a->id);
	if (len > ASK_REASON_MAX)
		len = ASK_REASON_MAX;
	if (len > 0)
		memcpy(tidy, text, len);
	tidy[len] = '\0';
	while ((at = text_unclean_at(span_str(tidy), TEXT_LINE)) != SIZE_MAX)
		tidy[at] = '?';
	return node_audit(n, &r, false, why);
}

static enum kw_err
refused_id(struct node *n, const struct ask *a, const char *what, enum kw_err err)
{
	char id[37];

	kw_id_text(id, a->id);
	return refused(n, a, what, id, NULL, err);
}

static bool
is_refusal(enum kw_err err)
{
	return err == KW_EDENIED || err == KW_ESTATE || err == KW_ECRYPTO;
}

static enum kw_err
serve_publish(struct buf *out, struct node *n, struct ask *a, struct kw_why *why)
{
	struct buf warnings = BUF_INIT(WARNINGS_MAX);
	uint8_t id[KW_ID_LEN];
	char text[37];
	enum kw_err err;

	a->publish.as = a->as;
	a->publish.reason = a->reason;
	err = intake_publish(n, &a->publish, id, &warnings, why);
	if (is_refusal(err))
		(void)refused(n, a, "publish", NULL, topic_check(a->publish.topic, NULL) == KW_OK ? a->publish.topic : NULL, err);
	if (err == KW_OK) {
		kw_id_text(text, id);
		err = put_json(out, json_pack("{s:s, s:s%}", "id", text, "warnings", warnings.len > 0 ? (const char *)warnings.p : "", warnings.len), why);
	}
	buf_free(&warnings);
	return err;
}

static enum kw_err
serve_inbox(struct buf *out, struct node *n, struct ask *a, bool over, bool *again, struct kw_why *why)
{
	size_t before = out->len;
	struct rows rows;
	enum kw_err err = rows_put(out, &rows, n, a, why);
	char id[37];

	if (err == KW_EDENIED && a->query.has_id) {
		kw_id_text(id, a->query.id);
		return refused(n, a, "read", id, NULL, err);
	}
	if (err != KW_OK || rows.count > 0)
		return err;
	a->query.after_seq = rows.after; /* what was looked at is not looked at again */
	if (rows.more || !over) {
		out->len = before;
		*again = rows.more;
		return KW_EAGAIN;
	}
	return KW_OK;
}

/* ---- state ---- */

/* "city/public-order, youth-house/office"; of rejected ones with their reason. */
static void
names_text(char out[NAMES_MAX], const json_t *list)
{
	struct buf b = BUF_INIT(NAMES_MAX - 1);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		const char *node = json_string_value(json_is_object(one) ? json_object_get(one, "node") : one), *reason = json_string_value(json_object_get(one, "reason"));

		if (b.len > KW_WHY_MAX) {
			buf_put_str(&b, ", …");
			break;
		}
		buf_printf(&b, "%s%s", i > 0 ? ", " : "", node);
		if (reason != NULL && reason[0] != '\0')
			buf_printf(&b, " (%s)", reason);
	}
	(void)snprintf(out, NAMES_MAX, "%s", buf_text(&b) != NULL ? buf_text(&b) : "?");
	buf_free(&b);
}

/* It is with the broker: who has it? KW_OK: everybody; KW_EAGAIN: not yet, and the sentence says who is missing. */
static enum kw_err
delivered(struct node *n, const struct ask *a, const char *id, struct kw_why *why)
{
	uint32_t confirmed = 0, readers = 0;
	const json_t *rejected;
	json_t *trace = NULL;
	char names[NAMES_MAX];
	enum kw_err err = desk_confirmations(&confirmed, &readers, n, a->id);

	if (err == KW_OK && confirmed == readers)
		return KW_OK;
	if ((err = desk_trace(&trace, n, a->id, a->language, why)) != KW_OK)
		return err;
	rejected = json_object_get(trace, "rejected");
	names_text(names, json_array_size(rejected) > 0 ? rejected : json_object_get(trace, "missing"));
	err = json_array_size(rejected) > 0 ? kw_refuse(why, KW_EDENIED, "%s was rejected by %s", id, names)
	                                    : kw_refuse(why, KW_EAGAIN, "%s is stored by the broker; not yet confirmed by %s", id, names);
	json_decref(trace);
	return err;
}

static enum kw_err
state_now(struct node *n, const struct ask *a, const char *id, struct kw_why *why)
{
	enum outbox_state state;
	char reason[512];
	enum kw_err err = desk_outbox_state(&state, reason, n, a->id);

	if (err == KW_ENOTFOUND)
		return kw_refuse(why, err, "%s was not sent by this node; ask the node that sent it", id);
	if (err != KW_OK)
		return kw_refuse(why, err, "the outbox cannot be read; look at the node's log");
	switch (state) {
	case OUTBOX_REFUSED:
		return kw_refuse(why, KW_EDENIED, "%s will not be stored, the broker refused it: %s", id, reason);
	case OUTBOX_EXPIRED:
		return kw_refuse(why, KW_EDENIED, "%s expired before the broker stored it", id);
	case OUTBOX_STORED:
		return a->stage == STAGE_STORED ? KW_OK : delivered(n, a, id, why);
	default:
		if (node_alarm_text(n, "broker_full") != NULL)
			return kw_refuse(why, KW_EAGAIN, "%s is not stored yet: the broker has no room; it waits in the outbox of this node and goes on by itself, call the operator if it lasts", id);
		return kw_refuse(why, KW_EAGAIN, "%s is not stored yet; it waits in the outbox of this node and goes on", id);
	}
}

static enum kw_err
serve_state(struct buf *out, struct node *n, const struct ask *a, bool over, struct kw_why *why)
{
	char id[37];
	enum kw_err err;

	kw_id_text(id, a->id);
	err = state_now(n, a, id, why);
	if (err == KW_OK)
		return put_json(out, json_pack("{s:s, s:s}", "id", id, "stage", a->stage == STAGE_STORED ? "stored" : "delivered"), why);
	return err == KW_EAGAIN && over ? KW_ETIMEOUT : err;
}

static enum kw_err
serve_trace(struct buf *out, struct node *n, const struct ask *a, struct kw_why *why)
{
	json_t *trace = NULL;
	enum kw_err err = desk_trace(&trace, n, a->id, a->language, why);

	return err == KW_OK ? put_whole(out, trace, why) : err;
}

static enum kw_err
serve_meant(struct buf *out, struct node *n, struct ask *a, bool *again, struct kw_why *why)
{
	json_t *found = NULL;
	enum kw_err err = desk_meant(&a->meant, n, why);

	*again = err == KW_EAGAIN;
	if (err == KW_OK)
		err = desk_meant_json(&found, &a->meant, n, why);
	return err == KW_OK ? put_whole(out, found, why) : err;
}

static enum kw_err
serve_sent(struct buf *out, struct node *n, const struct ask *a, struct kw_why *why)
{
	const struct sent_query q = {.before_seq = a->before_seq, .since_ms = a->query.since_ms, .filter = a->query.filter, .limit = a->query.limit, .language = a->language, .as = a->as,
	                             .reason = a->reason};
	json_t *list = NULL;
	enum kw_err err = desk_sent(&list, n, &q, why);

	return err == KW_OK ? put_whole(out, list, why) : err;
}

static enum kw_err
serve_agreement(struct buf *out, struct node *n, const struct ask *a, struct kw_why *why)
{
	json_t *agreement = NULL;
	enum kw_err err = desk_agreement(&agreement, n, a->version, why);

	return err == KW_OK ? put_whole(out, agreement, why) : err;
}

/* ---- cases ---- */

static enum kw_err
serve_cases(struct buf *out, struct node *n, const struct ask *a, struct kw_why *why)
{
	json_t *list = NULL;
	enum kw_err err = desk_cases(&list, n, !a->all, a->query.limit, a->language, why);

	return err == KW_OK ? put_whole(out, json_pack("{s:s, s:o}", "node", node_id(n), "cases", list), why) : err;
}

static enum kw_err
serve_case(struct buf *out, struct node *n, const struct ask *a, struct kw_why *why)
{
	json_t *one = NULL;
	enum kw_err err = record(n, a, "case_read", NULL, why);

	if (err == KW_OK)
		err = desk_case(&one, n, a->id, true, a->language, why);
	return err == KW_OK ? put_whole(out, one, why) : err;
}

static enum kw_err
serve_move(struct buf *out, struct node *n, struct ask *a, struct kw_why *why)
{
	uint8_t receipt[KW_ID_LEN];
	char text[37] = "";
	enum kw_err err;

	memcpy(a->move.id, a->id, KW_ID_LEN);
	if ((err = record(n, a, notice_type_name(a->move.type), a->move.text, why)) != KW_OK)
		return err;
	err = desk_move(n, &a->move, receipt, why);
	if (is_refusal(err))
		return refused_id(n, a, notice_type_name(a->move.type), err);
	if (err != KW_OK && err != KW_EEXISTS)
		return err;
	if (err == KW_OK)
		kw_id_text(text, receipt);
	return put_json(out, json_pack("{s:s, s:b}", "receipt", text, "already", err == KW_EEXISTS), why);
}

static enum kw_err
serve_fate(struct buf *out, struct node *n, const struct ask *a, bool over, struct kw_why *why)
{
	char id[37];
	enum kw_err err = desk_move_fate(n, a->id, why);

	if (err != KW_OK)
		return err == KW_EAGAIN && over ? KW_ETIMEOUT : err;
	kw_id_text(id, a->id);
	return put_json(out, json_pack("{s:s}", "receipt", id), why);
}

static enum kw_err
serve_recalls(struct buf *out, struct node *n, const struct ask *a, struct kw_why *why)
{
	json_t *list = NULL;
	enum kw_err err = desk_recalls(&list, n, a->id, why);

	return err == KW_OK ? put_whole(out, json_pack("{s:o}", "recalls", list), why) : err;
}

static enum kw_err
serve_opened(struct buf *out, struct node *n, const struct ask *a, struct kw_why *why)
{
	enum kw_err err = desk_opened(n, a->id, a->move.as, why);

	return err == KW_OK ? put_json(out, json_object(), why) : err;
}

static enum kw_err
serve_receipts(struct buf *out, struct node *n, const struct ask *a, struct kw_why *why)
{
	json_t *bundle = NULL;
	enum kw_err err = record(n, a, "receipts_exported", NULL, why);

	if (err == KW_OK)
		err = desk_bundle(&bundle, n, a->id, why);
	return err == KW_OK ? put_whole(out, bundle, why) : err;
}

/* ---- audit ---- */

static enum kw_err
serve_audit(struct buf *out, struct node *n, const struct ask *a, struct kw_why *why)
{
	return node_audit_page(out, n, &a->audit, a->as, a->reason, why);
}

static enum kw_err
serve_subject(struct buf *out, struct node *n, const struct ask *a, struct kw_why *why)
{
	json_t *found = NULL;
	enum kw_err err = desk_subject(&found, n, a->term, a->query.after_seq, a->as, a->reason, why);

	return err == KW_OK ? put_whole(out, found, why) : err;
}

static enum kw_err
serve_seen(struct buf *out, struct node *n, struct kw_why *why)
{
	json_t *seen = NULL;
	enum kw_err err = desk_seen(&seen, n, why);

	return err == KW_OK ? put_whole(out, seen, why) : err;
}

/* ---- release ---- */

static enum kw_err
serve_answer(struct buf *out, struct node *n, const struct ask *a, struct kw_why *why)
{
	struct desk_answer answer = {.approve = a->verb == ASK_APPROVE, .reason = a->move.text, .as = a->move.as, .text_hash = a->text_hash};
	uint8_t receipt[KW_ID_LEN];
	char text[37] = "";
	enum kw_err err;

	memcpy(answer.id, a->id, KW_ID_LEN);
	if ((err = record(n, a, answer.approve ? "approve" : "refuse", answer.reason, why)) != KW_OK)
		return err;
	err = desk_answer(n, &answer, receipt, why);
	if (is_refusal(err))
		return refused_id(n, a, answer.approve ? "approve" : "refuse", err);
	if (err != KW_OK && err != KW_EEXISTS)
		return err;
	if (err == KW_OK)
		kw_id_text(text, receipt);
	return put_json(out, json_pack("{s:s, s:b}", "receipt", text, "already", err == KW_EEXISTS), why);
}

static enum kw_err
serve_releases(struct buf *out, struct node *n, const struct ask *a, struct kw_why *why)
{
	json_t *list = NULL;
	enum kw_err err = desk_releases(&list, n, !a->all, a->query.limit, a->language, why);

	return err == KW_OK ? put_whole(out, json_pack("{s:s, s:o}", "node", node_id(n), "drafts", list), why) : err;
}

enum kw_err
serve(struct buf *out, struct node *n, struct ask *a, bool over, bool *again, struct kw_why *why)
{
	*again = false;
	json_memory_begin();
	switch (a->verb) {
	case ASK_PUBLISH:
		return serve_publish(out, n, a, why);
	case ASK_INBOX:
		return serve_inbox(out, n, a, over, again, why);
	case ASK_STATE:
		return serve_state(out, n, a, over, why);
	case ASK_STATUS:
		return put_whole(out, desk_status(n), why);
	case ASK_TRACE:
		return serve_trace(out, n, a, why);
	case ASK_MEANT:
		return serve_meant(out, n, a, again, why);
	case ASK_SENT:
		return serve_sent(out, n, a, why);
	case ASK_AGREEMENT:
		return serve_agreement(out, n, a, why);
	case ASK_CASES:
		return serve_cases(out, n, a, why);
	case ASK_CASE:
		return serve_case(out, n, a, why);
	case ASK_MOVE:
		return serve_move(out, n, a, why);
	case ASK_OPENED:
		return serve_opened(out, n, a, why);
	case ASK_RECEIPTS:
		return serve_receipts(out, n, a, why);
	case ASK_APPROVE:
	case ASK_REFUSE:
		return serve_answer(out, n, a, why);
	case ASK_RELEASES:
		return serve_releases(out, n, a, why);
	case ASK_RECALLS:
		return serve_recalls(out, n, a, why);
	case ASK_AUDIT:
		return serve_audit(out, n, a, why);
	case ASK_SUBJECT:
		return serve_subject(out, n, a, why);
	case ASK_SEEN:
		return serve_seen(out, n, why);
	case ASK_BACKUP:
		return node_backup_ask(out, n, &a->backup, a->as, a->reason, why);
	case ASK_FATE:
		return serve_fate(out, n, a, over, why);
	}
	return kw_refuse(why, KW_EINVAL, "the verb is not known");
}
