/* intake: from a file's content to a notification for the desk. */
#include "clients/partner/intake.h"

#include <string.h>

#include "base/text.h"
#include "clients/partner/node.h"
#include "proto/payload.h"

struct taken { /* what the content says */
	struct desk_topic topic;
	struct buf payload;
	struct payload_brief brief;
};

static enum kw_err
read_content(struct taken *t, const struct intake *in, struct buf *warnings, struct kw_why *why)
{
	enum kw_err err;

	if (in->content.len > KW_OPENED_MAX)
		return kw_refuse(why, KW_ELIMIT, "the content has %zu bytes, at most %u are allowed", in->content.len, KW_OPENED_MAX);
	if (in->form == INTAKE_JSON)
		err = payload_from_json(&t->payload, t->topic.schema, in->content, why);
	else if (t->topic.schema == PAYLOAD_ALERT)
		err = cap_import(&t->payload, warnings, in->content, why);
	else
		return kw_refuse(why, KW_EINVAL, "%s takes content of the schema \"%s\", and CAP is an alert; give JSON, or another topic", in->topic,
		                 payload_type_name(t->topic.schema));
	if (err != KW_OK)
		return err;
	return payload_brief(&t->brief, t->topic.schema, buf_span(&t->payload), "", why);
}

/* ---- whether it may stand for what it says it is ---- */

static enum kw_err
check_status(const struct taken *t, struct buf *warnings, struct kw_why *why)
{
	const char *status = t->brief.status;

	if (strcmp(status, "Draft") == 0)
		return kw_refuse(why, KW_EDENIED, "its status is Draft; finish it and give it the status that it is meant to have");
	if (t->topic.mode == MODE_EXERCISE && strcmp(status, "Actual") == 0)
		return kw_refuse(why, KW_EDENIED, "its status is Actual, but this partnership is an exercise, where nobody acts on it; publish it in the live one, or give "
		                 "it the status Exercise");
	if (t->topic.mode == MODE_LIVE && warnings != NULL && (strcmp(status, "Exercise") == 0 || strcmp(status, "Test") == 0))
		buf_printf(warnings, kw_translate("its status is %s, and this partnership is live: readers see the word, but their systems are started as for any other\n"),
		           status);
	return KW_OK;
}

/* ---- type ---- */

static bool
type_of(enum notice_type *out, const char *name)
{
	static const enum notice_type ours[] = {TYPE_NOTICE, TYPE_UPDATE, TYPE_CANCEL, TYPE_REQUEST};

	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
		if (strcmp(name, notice_type_name(ours[i])) != 0)
			continue;
		*out = ours[i];
		return true;
	}
	return false;
}

static enum kw_err
type_by_content(enum notice_type *out, const struct taken *t, struct kw_why *why)
{
	static const struct { const char *msg_type; enum notice_type type; } means[] = {
		{"Alert", TYPE_NOTICE},
		{"Update", TYPE_UPDATE},
		{"Cancel", TYPE_CANCEL},
	};

	*out = t->topic.schema == PAYLOAD_REQUEST ? TYPE_REQUEST : TYPE_NOTICE;
	if (t->topic.schema != PAYLOAD_ALERT)
		return KW_OK;
	for (size_t i = 0; i < sizeof means / sizeof means[0]; i++) {
		if (strcmp(t->brief.msg_type, means[i].msg_type) != 0)
			continue;
		*out = means[i].type;
		return KW_OK;
	}
	return kw_refuse(why, KW_EDENIED, "its msgType is %s, which answers somebody else's alert; only Alert, Update and Cancel are published, receipts are sent by the node itself",
	                 t->brief.msg_type);
}

static enum kw_err
choose_type(enum notice_type *out, const struct taken *t, const struct intake *in, struct kw_why *why)
{
	enum notice_type content, wanted;
	enum kw_err err = type_by_content(&content, t, why);

	if (err != KW_OK)
		return err;
	if (in->type == NULL) {
		*out = content;
		return KW_OK;
	}
	if (!type_of(&wanted, in->type))
		return kw_refuse(why, KW_EINVAL, "there is no type \"%.32s\" to publish; it is notice, update, cancel or request", in->type);
	if (t->topic.schema == PAYLOAD_ALERT && wanted != content && !(wanted == TYPE_NOTICE && (content == TYPE_UPDATE || content == TYPE_CANCEL)))
		return kw_refuse(why, KW_EDENIED, "its msgType is %s, which is published as %s and not as %s; leave the type out, or change the alert", t->brief.msg_type,
		                 notice_type_name(content), in->type);
	*out = wanted;
	return KW_OK;
}

/* ---- about ---- */

/* The third part of sender,identifier,sent; 0 when it is no time. */
static uint64_t
sent_ms(const char *reference)
{
	const char *comma = strrchr(reference, ',');
	uint64_t ms;

	return comma != NULL && text_time_ms(&ms, comma + 1, "sent", NULL) == KW_OK ? ms : 0;
}

/* The newest that this node knows; the later in the file where the times are equal. */
static enum kw_err
about_by_references(struct about *out, const struct cap_references *refs, struct node *n, struct buf *warnings, struct kw_why *why)
{
	const char *chosen = NULL;
	uint64_t newest = 0;

	for (size_t i = 0; i < refs->count; i++) {
		struct about found;
		enum kw_err err = desk_find(n, refs->ids[i], &found, NULL);

		if (err == KW_ENOTFOUND)
			continue;
		if (err != KW_OK)
			return desk_find(n, refs->ids[i], &found, why); /* once more, for the sentence */
		if (chosen != NULL && sent_ms(refs->ids[i]) < newest)
			continue;
		chosen = refs->ids[i];
		newest = sent_ms(chosen);
		*out = found;
	}
	if (chosen == NULL)
		return kw_refuse(why, KW_ENOTFOUND, "it refers to %s, which is neither in the inbox nor in the outbox of this node; name what it is about (--about), "
		                 "or have it published as a notice of its own (--type notice)", refs->ids[0]);
	if (refs->count > 1 && warnings != NULL)
		buf_printf(warnings, kw_translate("it refers to %zu alerts and is published about the newest that this node knows, %s; the others stay as they are\n"),
		           refs->count, chosen);
	return KW_OK;
}

/* An update or cancel that shall stand for itself, since what it refers to never came here: better than not to be said at all. */
static enum kw_err
check_alone(const struct taken *t, const struct cap_references *refs, struct node *n, struct buf *warnings, struct kw_why *why)
{
	for (size_t i = 0; i < refs->count; i++) {
		struct about found;
		enum kw_err err = desk_find(n, refs->ids[i], &found, NULL);

		if (err == KW_OK)
			return kw_refuse(why, KW_EDENIED, "its msgType is %s and it refers to %s, which this node knows; leave the type out", t->brief.msg_type, refs->ids[i]);
		if (err != KW_ENOTFOUND)
			return desk_find(n, refs->ids[i], &found, why); /* once more, for the sentence */
	}
	if (warnings != NULL)
		buf_printf(warnings, kw_translate("its msgType is %s, but it is published as a notice of its own: nothing is marked as updated or cancelled by it\n"), t->brief.msg_type);
	return KW_OK;
}

static enum kw_err
choose_about(struct about *out, const struct taken *t, const struct intake *in, enum notice_type type, struct node *n, struct buf *warnings, struct kw_why *why)
{
	struct cap_references refs;
	enum kw_err err;

	if (in->about != NULL)
		return desk_find(n, in->about, out, why);
	if (t->topic.schema != PAYLOAD_ALERT || (type == TYPE_NOTICE && strcmp(t->brief.msg_type, "Alert") == 0))
		return KW_OK; /* whether it needs one says the desk */
	if ((err = cap_references(&refs, buf_span(&t->payload), why)) != KW_OK)
		return err;
	if (type == TYPE_NOTICE)
		return check_alone(t, &refs, n, warnings, why);
	return refs.count == 0 ? KW_OK : about_by_references(out, &refs, n, warnings, why);
}

/* ---- the whole ---- */

static enum kw_err
fill(struct desk_publish *p, struct taken *t, const struct intake *in, struct node *n, struct buf *warnings, struct kw_why *why)
{
	enum kw_err err;

	p->topic = in->topic;
	p->to_count = in->to_count;
	p->to = in->to;
	p->expires_ms = in->expires_ms;
	p->confirm_at_once = in->confirm_at_once;
	p->take_within_s = in->take_within_s;
	p->not_before_ms = in->not_before_ms;
	p->actor = in->actor;
	p->as = in->as;
	p->reason = in->reason;
	p->has_lane = in->lane != NULL;
	if (p->has_lane && !lane_of(&p->lane, in->lane))
		return kw_refuse(why, KW_EINVAL, "there is no lane \"%.32s\"; it is flash, urgent or routine", in->lane);
	if ((err = desk_topic(&t->topic, n, in->topic, why)) != KW_OK || (err = read_content(t, in, warnings, why)) != KW_OK)
		return err;
	p->payload_type = t->topic.schema;
	p->payload = buf_span(&t->payload);
	if ((err = check_status(t, warnings, why)) != KW_OK || (err = choose_type(&p->type, t, in, why)) != KW_OK)
		return err;
	return choose_about(&p->about, t, in, p->type, n, warnings, why);
}

enum kw_err
intake_publish(struct node *n, const struct intake *in, uint8_t id[KW_ID_LEN], struct buf *warnings, struct kw_why *why)
{
	struct taken t = {.payload = BUF_INIT(KW_OPENED_MAX)};
	struct desk_publish p = {.topic = NULL};
	enum kw_err err;

	t.payload.secret = true;
	if ((err = fill(&p, &t, in, n, warnings, why)) == KW_OK)
		err = desk_publish(n, &p, id, why);
	if (err == KW_OK && t.topic.release && warnings != NULL)
		buf_put_str(warnings, kw_translate("it is a draft: its readers get it when those whom the agreement names have approved it; \"kurzweg release list\" tells who has not\n"));
	if (err == KW_OK && warnings != NULL && node_alarm_text(n, "suspended") != NULL)
		buf_put_str(warnings, kw_translate("this node is suspended by the broker's operator: it waits here until that is over, \"kurzweg status\" says until when; what is urgent tell people in another way\n"));
	buf_free(&t.payload);
	return err;
}
