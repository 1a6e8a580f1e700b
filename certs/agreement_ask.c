/* agreement_ask: who reads, and who may send what. Each check is a line, cheapest first; what no line allows is refused. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "certs/agreement_parts.h"

/* Who is meant, a bit a node: there is one for every notification. */
struct marks {
	uint64_t on[KW_NODES_MAX / 64];
};
static_assert(KW_NODES_MAX % 64 == 0, "whole words");

static void
mark(struct marks *m, uint32_t node)
{
	m->on[node / 64] |= 1ull << (node % 64);
}

static void
mark_partner(struct marks *m, const struct partner *p)
{
	for (uint32_t i = 0; i < p->node_count; i++)
		mark(m, p->first_node + i);
}

void
agreement_filters(char out[AGREEMENT_FILTERS_MAX], const struct agreement *a)
{
	size_t at = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < agreement_topic_count(a); i++) {
		const char *filter = agreement_topic_at(a, i)->filter;

		if (at + strlen(filter) + strlen(", , …") >= AGREEMENT_FILTERS_MAX) {
			(void)snprintf(out + at, AGREEMENT_FILTERS_MAX - at, "%s…", at > 0 ? ", " : "");
			return;
		}
		at += (size_t)snprintf(out + at, AGREEMENT_FILTERS_MAX - at, "%s%s", at > 0 ? ", " : "", filter);
	}
}

static enum kw_err
refuse_topic(const struct agreement *a, const char *topic, struct kw_why *why)
{
	char filters[AGREEMENT_FILTERS_MAX];

	agreement_filters(filters, a);
	return kw_refuse(why, KW_EDENIED, "no topic of the agreement takes in \"%.255s\"; there are %s", topic, filters);
}

static void
mark_readers(struct marks *m, const struct agreement *a, const struct topic_rule *t)
{
	for (uint32_t i = 0; i < a->partner_count; i++)
		if (t->read[i])
			mark_partner(m, &a->partners[i]);
}

/* The line of all hours and the coordinator have everything from the start. */
static void
mark_line(struct marks *m, const struct agreement *a, const struct topic_rule *t)
{
	for (uint32_t i = 0; i < t->line_count; i++) {
		mark(m, t->line[i].node);
		for (uint32_t k = 0; k < t->line[i].deputy_count; k++)
			mark(m, t->line[i].deputies[k]);
	}
	mark(m, a->coordinator);
}

static bool
is_concerned(const struct agreement *a, const struct topic_rule *t, uint32_t node)
{
	return rule_may_read(a, t, node) || rule_may_publish(a, t, node) || node == a->coordinator;
}

/* Who may be named in "to". */
enum named { NAMED_READERS, NAMED_CONCERNED, NAMED_CONCERNED_OR_ONWARD, NAMED_READERS_OR_ONWARD };

static bool
may_be_named(const struct agreement *a, const struct topic_rule *t, uint32_t node, enum named who)
{
	switch (who) {
	case NAMED_READERS:
		return rule_may_read(a, t, node);
	case NAMED_CONCERNED:
		return is_concerned(a, t, node);
	case NAMED_CONCERNED_OR_ONWARD:
		return is_concerned(a, t, node) || rule_onward(a, t, node);
	case NAMED_READERS_OR_ONWARD:
		return rule_may_read(a, t, node) || rule_onward(a, t, node);
	}
	return false;
}

static enum kw_err
refuse_node(const struct agreement *a, const char *id, struct kw_why *why)
{
	const char *ids[KW_NODES_MAX], *near;

	for (uint32_t i = 0; i < a->node_count; i++)
		ids[i] = a->nodes[i].id;
	near = text_nearest(id, ids, a->node_count);
	return kw_refuse(why, KW_EDENIED, "\"%.64s\" is no node of the agreement, version %u; leave it out, or write it as partner/node%s%s%s", id, a->version,
	                 near != NULL ? kw_translate(", did you mean \"") : "", near != NULL ? near : "", near != NULL ? kw_translate("\"?") : "");
}

static enum kw_err
mark_named(struct marks *m, const struct agreement *a, const struct topic_rule *t, uint32_t sender, const char to[][KW_NODE_MAX + 1],
           uint32_t to_count, enum named who, struct kw_why *why)
{
	for (uint32_t i = 0; i < to_count; i++) {
		uint32_t node = agreement_node(a, to[i]);

		if (node == AGREEMENT_NOBODY)
			return refuse_node(a, to[i], why);
		if (node == sender)
			return kw_refuse(why, KW_EDENIED, "\"%s\" is the sender itself; leave it out", to[i]);
		if (!may_be_named(a, t, node, who))
			return kw_refuse(why, KW_EDENIED, "\"%s\" may not read topics of %s; leave it out, or have the agreement changed", to[i], t->filter);
		mark(m, node);
	}
	return KW_OK;
}

static enum kw_err
answer(uint32_t *nodes, uint32_t *count, const struct agreement *a, const struct marks *m, uint32_t sender, const char *topic, struct kw_why *why)
{
	uint32_t n = 0;

	for (uint32_t word = 0; word * 64 < a->node_count; word++) {
		for (uint64_t left = m->on[word]; left != 0; left &= left - 1) {
			uint32_t node = word * 64 + (uint32_t)__builtin_ctzll(left);

			if (node == sender)
				continue;
			if (nodes != NULL)
				nodes[n] = node;
			n++;
		}
	}
	if (n == 0)
		return kw_refuse(why, KW_EDENIED, "nobody but the sender itself would read \"%.255s\"; choose another topic", topic);
	if (count != NULL)
		*count = n;
	return KW_OK;
}

/* must_take: somebody must take it on, whether or not the topic says who. */
static enum kw_err
readers(uint32_t *nodes, uint32_t *count, const struct agreement *a, const struct topic_rule *t, const char *topic, uint32_t sender,
        const char to[][KW_NODE_MAX + 1], uint32_t to_count, bool must_take, struct kw_why *why)
{
	struct marks m = {0};
	enum kw_err err;

	if (to_count == 0)
		mark_readers(&m, a, t);
	else if ((err = mark_named(&m, a, t, sender, to, to_count, NAMED_READERS, why)) != KW_OK)
		return err;
	if (must_take || t->view.has_responsible)
		mark_line(&m, a, t);
	return answer(nodes, count, a, &m, sender, topic, why);
}

enum kw_err
agreement_audience(uint32_t *nodes, uint32_t *count, const struct agreement *a, const char *topic, uint32_t sender,
                   const char to[][KW_NODE_MAX + 1], uint32_t to_count, struct kw_why *why)
{
	const struct topic_rule *t = agreement_rule(a, topic);

	if (t == NULL)
		return refuse_topic(a, topic, why);
	return readers(nodes, count, a, t, topic, sender, to, to_count, false, why);
}

bool
agreement_may_read(const struct agreement *a, const char *topic, uint32_t node)
{
	const struct topic_rule *t = agreement_rule(a, topic);

	return t != NULL && rule_may_read(a, t, node);
}

bool
agreement_is_concerned(const struct agreement *a, const char *topic, uint32_t node)
{
	const struct topic_rule *t = agreement_rule(a, topic);

	return t != NULL && node < a->node_count && (is_concerned(a, t, node) || rule_onward(a, t, node));
}

/* What a type of notification needs. Whatever is not in the table may not be sent. */
enum right { RIGHT_NONE, RIGHT_PUBLISH, RIGHT_ANSWER, RIGHT_VOID, RIGHT_CASE, RIGHT_PARTY, RIGHT_FORWARD, RIGHT_DRAFT, RIGHT_APPROVE };

static enum right
right_of(enum notice_type type)
{
	switch (type) {
	case TYPE_NOTICE:
	case TYPE_UPDATE:
	case TYPE_CANCEL:
	case TYPE_RECALL:
	case TYPE_REQUEST:
	case TYPE_RELEASED:
		return RIGHT_PUBLISH;
	case TYPE_DRAFT:
		return RIGHT_DRAFT;
	case TYPE_APPROVED:
	case TYPE_REFUSED:
		return RIGHT_APPROVE;
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
	case TYPE_REOPENED:
	case TYPE_NOTE:
		return RIGHT_PARTY;
	case TYPE_FORWARDED:
		return RIGHT_FORWARD;
	case TYPE_AGREEMENT:
		return RIGHT_NONE;
	}
	return RIGHT_NONE;
}

/* Does it name somebody whom "onward" lists? */
static bool
names_onward(const struct agreement *a, const struct topic_rule *t, const struct header *h)
{
	for (uint32_t i = 0; i < h->to_count; i++)
		if (rule_onward(a, t, agreement_node(a, h->to[i])))
			return true;
	return false;
}

/* Whoever forwarded can take back what it forwarded, from the same readers. */
static enum right
right_for(const struct agreement *a, const struct topic_rule *t, const struct header *h)
{
	return h->type == TYPE_RECALL && names_onward(a, t, h) ? RIGHT_FORWARD : right_of(h->type);
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

static enum payload_type
schema_of(const struct topic_rule *t, enum notice_type type)
{
	switch (right_of(type)) {
	case RIGHT_VOID:
		return PAYLOAD_VOID;
	case RIGHT_PUBLISH:
		return type == TYPE_RECALL ? PAYLOAD_RECEIPT : t->view.schema;
	case RIGHT_FORWARD:
	case RIGHT_DRAFT:
		return t->view.schema;
	case RIGHT_PARTY:
		return type == TYPE_NOTE ? PAYLOAD_NOTE : PAYLOAD_RECEIPT;
	default:
		return PAYLOAD_RECEIPT;
	}
}

static enum kw_err
check_schema(const struct topic_rule *t, const struct header *h, enum right right, struct kw_why *why)
{
	enum payload_type wanted = schema_of(t, h->type);

	if (h->payload_type == wanted)
		return KW_OK;
	if (h->payload_type == PAYLOAD_NONE && (h->type == TYPE_RECALL || h->type == TYPE_REOPENED || right == RIGHT_CASE))
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

/* What somebody must take on must live until all of its line had their turn. */
static enum kw_err
check_line_time(const struct agreement *a, const struct topic_rule *t, const struct header *h, struct kw_why *why)
{
	char asked[TEXT_TIME_MAX], least[TEXT_TIME_MAX];
	uint64_t least_ms;

	if ((h->type != TYPE_NOTICE && h->type != TYPE_REQUEST) || (h->take_within_s == 0 && !t->view.has_responsible))
		return KW_OK;
	least_ms = agreement_line_ms(a, h->topic, h->take_within_s, h->created_ms);
	if (h->expires_ms - h->created_ms >= least_ms)
		return KW_OK;
	text_put_duration(asked, h->expires_ms - h->created_ms);
	text_put_duration(least, least_ms);
	return kw_refuse(why, KW_ELIMIT, "it is to live %s, but those who must take it on have %s; let it expire later", asked, least);
}

/* The coordinator gets what nobody must be able to say it never saw; but a civil one not beyond what it has committed to. */
static enum kw_err
check_coordinator(const struct agreement *a, const struct topic_rule *t, const struct header *h, struct kw_why *why)
{
	if (h->take_within_s == 0 || rule_may_read(a, t, a->coordinator) || a->partners[a->nodes[a->coordinator].partner].kind != KIND_CIVIL)
		return KW_OK;
	return kw_refuse(why, KW_EDENIED, "it must be taken on, at last by the coordinator %s, which has not committed to the purpose of topics of %s; "
	                 "choose another topic, or have the agreement changed", agreement_coordinator(a), t->filter);
}

static enum kw_err
check_case(const struct agreement *a, const struct topic_rule *t, const struct header *h, uint32_t sender, struct kw_why *why)
{
	uint32_t next;

	if (!rule_may_take(a, t, sender) && !rule_may_read(a, t, sender))
		return kw_refuse(why, KW_EDENIED, "\"%s\" is not in the line that is responsible for %s and does not read it, so it may not send \"%s\"", h->sender,
		                 t->filter, notice_type_name(h->type));
	next = agreement_node(a, h->next_owner);
	if (h->type != TYPE_HANDED_OVER || rule_may_take(a, t, next) || rule_may_read(a, t, next))
		return KW_OK;
	return kw_refuse(why, KW_EDENIED, "\"%s\" may not read topics of %s, so nothing can be handed over to it; choose one of the readers", h->next_owner,
	                 t->filter);
}

/* What goes to others only once it was approved. A recall says nothing new. */
static bool
says_something(enum notice_type type, enum right right)
{
	return right == RIGHT_FORWARD || (right == RIGHT_PUBLISH && type != TYPE_RECALL && type != TYPE_RELEASED);
}

static enum kw_err
check_release(const struct topic_rule *t, const struct header *h, enum right right, struct kw_why *why)
{
	bool of_release = right == RIGHT_DRAFT || right == RIGHT_APPROVE || h->type == TYPE_RELEASED;

	if (of_release && !t->view.has_release)
		return kw_refuse(why, KW_EDENIED, "topics of %s need no release, so there is no \"%s\" on them", t->filter, notice_type_name(h->type));
	if (t->view.has_release && says_something(h->type, right))
		return kw_refuse(why, KW_ESTATE, "what is on topics of %s must be released by its approvers first; a \"%s\" goes to nobody there", t->filter,
		                 notice_type_name(h->type));
	if (of_release && right != RIGHT_APPROVE && h->to_count > 0)
		return kw_refuse(why, KW_EDENIED, "a \"%s\" names nobody in \"to\": a draft goes to all approvers, what they release to all readers", notice_type_name(h->type));
	if (of_release && h->take_within_s > 0)
		return kw_refuse(why, KW_EDENIED, "nobody takes on what is released; leave out within which time");
	if (h->type == TYPE_RELEASED && h->created_ms < h->not_before_ms)
		return kw_refuse(why, KW_EDENIED, "it was released %llu s before its embargo is over", (unsigned long long)((h->not_before_ms - h->created_ms + 999) / 1000));
	return KW_OK;
}

/* Whoever must approve, to the author alone, who is of another partner; the other approvers get it by themselves. */
static enum kw_err
check_approval(const struct agreement *a, const struct topic_rule *t, const struct header *h, uint32_t sender, struct kw_why *why)
{
	uint32_t author = h->to_count == 1 ? agreement_node(a, h->to[0]) : AGREEMENT_NOBODY;

	if (!rule_must_approve(a, t, sender))
		return kw_refuse(why, KW_EDENIED, "\"%s\" is not asked to release what is on topics of %s; only what the agreement lists under \"approve\" is", h->sender, t->filter);
	if (author == AGREEMENT_NOBODY || !rule_may_publish(a, t, author))
		return kw_refuse(why, KW_EDENIED, "a \"%s\" names in \"to\" the author alone", notice_type_name(h->type));
	if (a->nodes[author].partner == a->nodes[sender].partner)
		return kw_refuse(why, KW_EDENIED, "\"%s\" is of the author's own partner, and nobody releases what is its own", h->sender);
	return KW_OK;
}

static enum kw_err
check_right(const struct agreement *a, const struct topic_rule *t, const struct header *h, uint32_t sender, enum right right, struct kw_why *why)
{
	switch (right) {
	case RIGHT_DRAFT:
	case RIGHT_PUBLISH:
		if (rule_may_publish(a, t, sender))
			return check_coordinator(a, t, h, why);
		return kw_refuse(why, KW_EDENIED, "\"%s\" may not publish on topics of %s; only what the agreement lists under \"publish\" may", h->sender, t->filter);
	case RIGHT_ANSWER:
	case RIGHT_VOID:
		if (is_concerned(a, t, sender) || rule_onward(a, t, sender))
			return KW_OK;
		return kw_refuse(why, KW_EDENIED, "\"%s\" neither reads nor publishes on topics of %s and has nothing to answer there", h->sender, t->filter);
	case RIGHT_CASE:
		return check_case(a, t, h, sender, why);
	case RIGHT_APPROVE:
		return check_approval(a, t, h, sender, why);
	case RIGHT_PARTY:
		if (is_concerned(a, t, sender))
			return KW_OK;
		return kw_refuse(why, KW_EDENIED, "\"%s\" neither reads nor publishes on topics of %s, so it may not send \"%s\"", h->sender, t->filter,
		                 notice_type_name(h->type));
	case RIGHT_FORWARD:
		if (!t->view.has_onward)
			return kw_refuse(why, KW_EDENIED, "what is on topics of %s goes to nobody beyond its readers: the agreement names nobody under \"onward\" there", t->filter);
		if (rule_may_take(a, t, sender))
			return KW_OK;
		return kw_refuse(why, KW_EDENIED, "\"%s\" is not in the line that is responsible for %s, so it may not send \"%s\"", h->sender, t->filter,
		                 notice_type_name(h->type));
	case RIGHT_NONE:
		break;
	}
	return kw_refuse(why, KW_EDENIED, "a notification of type \"%s\" may not be sent by a node", notice_type_name(h->type));
}

static enum kw_err
check_rule(const struct agreement *a, const struct topic_rule *t, const struct header *h, uint32_t sender, uint64_t now_ms, struct kw_why *why)
{
	enum right right = right_for(a, t, h);
	bool publishes = right == RIGHT_PUBLISH || right == RIGHT_FORWARD || right == RIGHT_DRAFT;
	enum kw_err err;

	if ((err = check_right(a, t, h, sender, right, why)) != KW_OK)
		return err;
	if ((unsigned)h->lane >= KW_LANES || h->lane < t->view.lane)
		return kw_refuse(why, KW_EDENIED, "the lane %s is higher than topics of %s may use; publish as %s", lane_name(h->lane), t->filter, lane_name(t->view.lane));
	if ((err = check_schema(t, h, right, why)) != KW_OK)
		return err;
	if ((err = check_lifetime(t, h, why)) != KW_OK)
		return err;
	if ((err = check_line_time(a, t, h, why)) != KW_OK)
		return err;
	if ((err = check_release(t, h, right, why)) != KW_OK)
		return err;
	if (publishes && (err = check_age(a, now_ms, why)) != KW_OK)
		return err;
	return KW_OK;
}

/* Somebody whom "onward" names must be among them, or it would be no forward. */
static enum kw_err
check_onward(const struct agreement *a, const struct topic_rule *t, const struct header *h, struct kw_why *why)
{
	if (names_onward(a, t, h))
		return KW_OK;
	return kw_refuse(why, KW_EDENIED, "a \"%s\" on topics of %s must name in \"to\" somebody whom the agreement lists under \"onward\"", notice_type_name(h->type),
	                 t->filter);
}

/* Whoever must approve, but for the author's partner; the author hears what they say. */
static enum kw_err
approvers_audience(uint32_t *nodes, uint32_t *count, const struct agreement *a, const struct topic_rule *t, const struct header *h, uint32_t sender, struct kw_why *why)
{
	uint32_t author = h->type == TYPE_DRAFT ? sender : agreement_node(a, h->to[0]);
	struct marks m = {0};

	MUST(author < a->node_count);
	for (uint32_t i = 0; i < a->node_count; i++)
		if (rule_must_approve(a, t, i) && a->nodes[i].partner != a->nodes[author].partner)
			mark(&m, i);
	if (h->type != TYPE_DRAFT)
		mark(&m, author);
	return answer(nodes, count, a, &m, sender, h->topic, why);
}

/* A remark goes as far as the matter itself may: whoever may forward it may say something with it. */
static enum named
named_by(const struct agreement *a, const struct topic_rule *t, const struct header *h, uint32_t sender, enum right right)
{
	if (right == RIGHT_VOID || (h->type == TYPE_NOTE && rule_may_take(a, t, sender)))
		return NAMED_CONCERNED_OR_ONWARD;
	return right == RIGHT_FORWARD ? NAMED_READERS_OR_ONWARD : NAMED_CONCERNED;
}

/* Answers go to those they name; moves of a case to its line and the coordinator too; a void without names to all readers, as what it voids did. */
static enum kw_err
answer_audience(uint32_t *nodes, uint32_t *count, const struct agreement *a, const struct topic_rule *t, const struct header *h, uint32_t sender,
                struct kw_why *why)
{
	enum right right = right_for(a, t, h);
	enum named who = named_by(a, t, h, sender, right);
	struct marks m = {0};
	enum kw_err err;

	if (h->to_count == 0 && right == RIGHT_VOID)
		return readers(nodes, count, a, t, h->topic, sender, NULL, 0, h->take_within_s > 0, why);
	if (h->to_count == 0)
		return kw_refuse(why, KW_EDENIED, "a \"%s\" must name in \"to\" whom it answers", notice_type_name(h->type));
	if ((err = mark_named(&m, a, t, sender, h->to, h->to_count, who, why)) != KW_OK)
		return err;
	if (right == RIGHT_FORWARD && (err = check_onward(a, t, h, why)) != KW_OK)
		return err;
	if (right == RIGHT_CASE || right == RIGHT_FORWARD || h->type == TYPE_REOPENED)
		mark_line(&m, a, t);
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
		return refuse_topic(a, h->topic, why);
	if ((err = check_rule(a, t, h, sender, now_ms, why)) != KW_OK)
		return err;
	if (h->to_count > KW_TO_MAX)
		return kw_refuse(why, KW_EDENIED, "\"to\" names %u nodes, at most %d are allowed; leave it empty for all readers", h->to_count, KW_TO_MAX);
	if (right_of(h->type) == RIGHT_DRAFT || right_of(h->type) == RIGHT_APPROVE)
		return approvers_audience(nodes, count, a, t, h, sender, why);
	if (right_for(a, t, h) != RIGHT_PUBLISH)
		return answer_audience(nodes, count, a, t, h, sender, why);
	return readers(nodes, count, a, t, h->topic, sender, h->to, h->to_count, h->take_within_s > 0, why);
}
