/* agreement_ask: who reads, and who may send what. Each check is a line, cheapest first; what no line allows is refused. */
#include <string.h>

#include "base/text.h"
#include "certs/agreement_parts.h"

/* Who is meant, a mark a node; answered in the order of node numbers. */
struct marks {
	uint8_t on[KW_NODES_MAX];
};

static enum kw_err
refuse_topic(const char *topic, struct kw_why *why)
{
	return kw_refuse(why, KW_EDENIED, "no topic of the agreement takes in \"%.255s\"; choose one that \"kurzweg agreement who-reads\" knows", topic);
}

static void
mark_readers(struct marks *m, const struct agreement *a, const struct topic_rule *t)
{
	for (uint32_t i = 0; i < a->node_count; i++)
		m->on[i] = rule_may_read(a, t, i);
}

/* The line and the coordinator have everything from the start. */
static void
mark_line(struct marks *m, const struct agreement *a, const struct topic_rule *t)
{
	if (!t->view.has_responsible)
		return;
	for (uint32_t i = 0; i < t->line_count; i++)
		m->on[t->line[i].node] = 1;
	m->on[a->coordinator] = 1;
}

/* publishers_too: who answers may answer those who publish there and do not read. */
static enum kw_err
mark_named(struct marks *m, const struct agreement *a, const struct topic_rule *t, uint32_t sender, const char to[][KW_NODE_MAX + 1],
           uint32_t to_count, bool publishers_too, struct kw_why *why)
{
	for (uint32_t i = 0; i < to_count; i++) {
		uint32_t node = agreement_node(a, to[i]);

		if (node == AGREEMENT_NOBODY)
			return kw_refuse(why, KW_EDENIED, "\"%.64s\" is no node of the agreement, version %u; leave it out, or write it as partner/node", to[i], a->version);
		if (node == sender)
			return kw_refuse(why, KW_EDENIED, "\"%s\" is the sender itself; leave it out", to[i]);
		if (!rule_may_read(a, t, node) && !(publishers_too && rule_may_publish(a, t, node)))
			return kw_refuse(why, KW_EDENIED, "\"%s\" may not read topics of %s; leave it out, or have the agreement changed", to[i], t->filter);
		m->on[node] = 1;
	}
	return KW_OK;
}

static enum kw_err
answer(uint32_t *nodes, uint32_t *count, const struct agreement *a, const struct marks *m, uint32_t sender, const char *topic, struct kw_why *why)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < a->node_count; i++) {
		if (!m->on[i] || i == sender)
			continue;
		if (nodes != NULL)
			nodes[n] = i;
		n++;
	}
	if (n == 0)
		return kw_refuse(why, KW_EDENIED, "nobody but the sender itself would read \"%.255s\"; choose another topic", topic);
	if (count != NULL)
		*count = n;
	return KW_OK;
}

static enum kw_err
readers(uint32_t *nodes, uint32_t *count, const struct agreement *a, const struct topic_rule *t, const char *topic, uint32_t sender,
        const char to[][KW_NODE_MAX + 1], uint32_t to_count, struct kw_why *why)
{
	struct marks m = {0};
	enum kw_err err;

	if (to_count == 0)
		mark_readers(&m, a, t);
	else if ((err = mark_named(&m, a, t, sender, to, to_count, false, why)) != KW_OK)
		return err;
	mark_line(&m, a, t);
	return answer(nodes, count, a, &m, sender, topic, why);
}

enum kw_err
agreement_audience(uint32_t *nodes, uint32_t *count, const struct agreement *a, const char *topic, uint32_t sender,
                   const char to[][KW_NODE_MAX + 1], uint32_t to_count, struct kw_why *why)
{
	const struct topic_rule *t = agreement_rule(a, topic);

	if (t == NULL)
		return refuse_topic(topic, why);
	return readers(nodes, count, a, t, topic, sender, to, to_count, why);
}

bool
agreement_may_read(const struct agreement *a, const char *topic, uint32_t node)
{
	const struct topic_rule *t = agreement_rule(a, topic);

	return t != NULL && rule_may_read(a, t, node);
}

bool
agreement_is_responsible(const struct agreement *a, const char *topic, uint32_t node)
{
	const struct topic_rule *t = agreement_rule(a, topic);

	return t != NULL && node < a->node_count && rule_in_line(a, t, node);
}

/* What a type of notification needs. Whatever is not in the table may not be sent. */
enum right { RIGHT_NONE, RIGHT_PUBLISH, RIGHT_ANSWER, RIGHT_VOID, RIGHT_CASE };

static enum right
right_of(enum notice_type type)
{
	switch (type) {
	case TYPE_NOTICE:
	case TYPE_UPDATE:
	case TYPE_CANCEL:
	case TYPE_RECALL:
	case TYPE_REQUEST:
		return RIGHT_PUBLISH;
	case TYPE_DELIVERED:
	case TYPE_OPENED:
	case TYPE_REJECTED:
		return RIGHT_ANSWER;
	case TYPE_VOID:
		return RIGHT_VOID;
	case TYPE_TAKEN:
	case TYPE_DECLINED:
	case TYPE_HANDED_OVER:
	case TYPE_RETURNED:
	case TYPE_DONE:
		return RIGHT_CASE;
	case TYPE_AGREEMENT:
	case TYPE_APPROVED:
	case TYPE_REFUSED:
		return RIGHT_NONE;
	}
	return RIGHT_NONE;
}

static enum kw_err
check_place(const struct agreement *a, const struct header *h, uint32_t sender, struct kw_why *why)
{
	if (sender >= a->node_count)
		return kw_refuse(why, KW_EDENIED, "\"%s\" is no node of the agreement, version %u", h->sender, a->version);
	if (strcmp(h->sender, a->nodes[sender].id) != 0)
		return kw_refuse(why, KW_EDENIED, "the header names \"%s\" as sender, but it comes from \"%s\"", h->sender, a->nodes[sender].id);
	if (h->mode != a->mode)
		return kw_refuse(why, KW_EDENIED, "the header says %s, but the agreement is %s; the two never mix", h->mode == MODE_LIVE ? "live" : "exercise",
		                 a->mode == MODE_LIVE ? "live" : "exercise");
	if (strcmp(h->partnership, a->partnership) != 0)
		return kw_refuse(why, KW_EDENIED, "the header names the partnership \"%s\", but this is \"%s\"", h->partnership, a->partnership);
	if (h->agreement_version != a->version)
		return kw_refuse(why, KW_ENOTFOUND, "the header names version %u of the agreement, but version %u is asked; seal it anew under that one",
		                 h->agreement_version, a->version);
	if (memcmp(h->agreement_hash, a->hash, KW_HASH_LEN) != 0)
		return kw_refuse(why, KW_ENOTFOUND, "the header names another text of version %u of the agreement than the one that stands here", a->version);
	return KW_OK;
}

/* Time stops the publishing, never the answers: what was sent in time is still confirmed. */
static enum kw_err
check_age(const struct agreement *a, uint64_t now_ms, struct kw_why *why)
{
	char when[TEXT_TIME_MAX];

	switch (agreement_age(a, now_ms)) {
	case AGREEMENT_GOOD:
	case AGREEMENT_ENDS_SOON:
	case AGREEMENT_GRACE:
		return KW_OK;
	case AGREEMENT_NOT_YET:
		text_put_time_utc(when, a->from_ms);
		return kw_refuse(why, KW_ESTATE, "the agreement, version %u, is valid only from %s; wait, or install one that is valid now", a->version, when);
	case AGREEMENT_OVER:
		text_put_time_utc(when, agreement_grace_until_ms(a));
		return kw_refuse(why, KW_ESTATE, "the agreement, version %u, ran out and its grace ended at %s; the steering committee must sign a new version", a->version,
		                 when);
	}
	return kw_refuse(why, KW_ESTATE, "the agreement's age is unknown");
}

static enum kw_err
check_schema(const struct topic_rule *t, const struct header *h, enum right right, struct kw_why *why)
{
	enum payload_type wanted = PAYLOAD_RECEIPT;

	if (right == RIGHT_VOID)
		wanted = PAYLOAD_VOID;
	else if (right == RIGHT_PUBLISH && h->type != TYPE_RECALL)
		wanted = t->view.schema;
	if (h->payload_type == wanted)
		return KW_OK;
	if (h->payload_type == PAYLOAD_NONE && (h->type == TYPE_RECALL || right == RIGHT_CASE))
		return KW_OK;
	return kw_refuse(why, KW_EDENIED, "a %s on topics of %s carries a payload of schema %s, not %s", notice_type_name(h->type), t->filter,
	                 payload_type_name(wanted), payload_type_name(h->payload_type));
}

static enum kw_err
check_lifetime(const struct topic_rule *t, const struct header *h, struct kw_why *why)
{
	char asked[TEXT_TIME_MAX], most[TEXT_TIME_MAX];

	if (h->expires_ms <= h->created_ms)
		return kw_refuse(why, KW_ELIMIT, "it expires before it was made; set a later expiry");
	if (h->expires_ms - h->created_ms <= t->view.keep_content_ms)
		return KW_OK;
	text_put_duration(asked, h->expires_ms - h->created_ms);
	text_put_duration(most, t->view.keep_content_ms);
	return kw_refuse(why, KW_ELIMIT, "it is to live %s, but topics of %s keep content for %s at most; let it expire sooner", asked, t->filter, most);
}

static enum kw_err
check_right(const struct agreement *a, const struct topic_rule *t, const struct header *h, uint32_t sender, enum right right, struct kw_why *why)
{
	if (right == RIGHT_PUBLISH) {
		if (rule_may_publish(a, t, sender))
			return KW_OK;
		return kw_refuse(why, KW_EDENIED, "\"%s\" may not publish on topics of %s; only what the agreement lists under \"publish\" may", h->sender, t->filter);
	}
	if (right == RIGHT_ANSWER || right == RIGHT_VOID) {
		if (rule_may_read(a, t, sender) || rule_may_publish(a, t, sender))
			return KW_OK;
		return kw_refuse(why, KW_EDENIED, "\"%s\" neither reads nor publishes on topics of %s and has nothing to answer there", h->sender, t->filter);
	}
	if (right == RIGHT_CASE) {
		if (!rule_in_line(a, t, sender))
			return kw_refuse(why, KW_EDENIED, "\"%s\" is not in the line that is responsible for %s, so it may not send \"%s\"", h->sender, t->filter,
			                 notice_type_name(h->type));
		if (h->type == TYPE_HANDED_OVER && !rule_may_read(a, t, agreement_node(a, h->next_owner)))
			return kw_refuse(why, KW_EDENIED, "\"%s\" may not read topics of %s, so nothing can be handed over to it; choose one of the readers",
			                 h->next_owner, t->filter);
		return KW_OK;
	}
	return kw_refuse(why, KW_EDENIED, "a notification of type \"%s\" may not be sent by a node", notice_type_name(h->type));
}

static enum kw_err
check_rule(const struct agreement *a, const struct topic_rule *t, const struct header *h, uint32_t sender, uint64_t now_ms, struct kw_why *why)
{
	enum right right = right_of(h->type);
	enum kw_err err;

	if ((err = check_right(a, t, h, sender, right, why)) != KW_OK)
		return err;
	if ((unsigned)h->lane >= KW_LANES || h->lane < t->view.lane)
		return kw_refuse(why, KW_EDENIED, "the lane %s is higher than topics of %s may use; publish as %s", lane_name(h->lane), t->filter, lane_name(t->view.lane));
	if ((err = check_schema(t, h, right, why)) != KW_OK)
		return err;
	if ((err = check_lifetime(t, h, why)) != KW_OK)
		return err;
	if (right == RIGHT_PUBLISH && t->view.has_release)
		return kw_refuse(why, KW_ESTATE, "topics of %s need joint release, which this version of Kurzweg cannot carry out yet; publish on a topic without \"release\"",
		                 t->filter);
	if (right == RIGHT_PUBLISH && (err = check_age(a, now_ms, why)) != KW_OK)
		return err;
	return KW_OK;
}

/* Answers go to those they name and to nobody else; a void without names goes to all readers, as the number it voids did. */
static enum kw_err
answer_audience(uint32_t *nodes, uint32_t *count, const struct agreement *a, const struct topic_rule *t, const struct header *h, uint32_t sender,
                struct kw_why *why)
{
	struct marks m = {0};
	enum kw_err err;

	if (h->to_count == 0 && h->type != TYPE_VOID)
		return kw_refuse(why, KW_EDENIED, "a \"%s\" must name in \"to\" whom it answers", notice_type_name(h->type));
	if (h->to_count == 0)
		mark_readers(&m, a, t);
	else if ((err = mark_named(&m, a, t, sender, h->to, h->to_count, true, why)) != KW_OK)
		return err;
	return answer(nodes, count, a, &m, sender, h->topic, why);
}

enum kw_err
agreement_may_send(uint32_t *nodes, uint32_t *count, const struct agreement *a, const struct header *h, uint32_t sender, uint64_t now_ms,
                   struct kw_why *why)
{
	const struct topic_rule *t;
	enum kw_err err;

	if ((err = check_place(a, h, sender, why)) != KW_OK)
		return err;
	t = agreement_rule(a, h->topic);
	if (t == NULL)
		return refuse_topic(h->topic, why);
	if ((err = check_rule(a, t, h, sender, now_ms, why)) != KW_OK)
		return err;
	if (h->to_count > KW_TO_MAX)
		return kw_refuse(why, KW_EDENIED, "\"to\" names %u nodes, at most %d are allowed; leave it empty for all readers", h->to_count, KW_TO_MAX);
	if (right_of(h->type) != RIGHT_PUBLISH)
		return answer_audience(nodes, count, a, t, h, sender, why);
	return readers(nodes, count, a, t, h->topic, sender, h->to, h->to_count, why);
}
