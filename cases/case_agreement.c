/* case_agreement: terms, line and membership, from a version of the agreement. */
#include "cases/case_agreement.h"

#include <string.h>

#include "cases/case_parts.h"

static_assert(AGREEMENT_LINE_MAX <= CASE_PARTIES_MAX, "a line fits into a case");

static uint32_t
line_of(struct case_turn turns[CASE_PARTIES_MAX], const void *ctx, uint32_t version, uint64_t at_ms)
{
	const struct case_context *c = ctx;
	const struct agreement *a = c->version(c->self, version);
	struct agreement_turn line[AGREEMENT_LINE_MAX];
	const struct agreement_topic *topic;
	uint32_t n;

	MUST(a != NULL); /* it was known when the case came under it */
	topic = agreement_topic(a, c->topic);
	n = agreement_line(line, a, c->topic, at_ms);
	for (uint32_t i = 0; i < n; i++)
		turns[i] = (struct case_turn){c->actor(c->self, a, line[i].node), (uint16_t)line[i].rule, agreement_turn_ms(topic, &line[i], c->take_within_s)};
	return n;
}

static bool
terms_of(struct case_terms *out, const void *ctx, uint32_t version)
{
	const struct case_context *c = ctx;
	const struct agreement *a = c->version(c->self, version);
	const struct agreement_topic *t = a != NULL ? agreement_topic(a, c->topic) : NULL;
	uint32_t nodes[AGREEMENT_LINE_MAX];

	if (a == NULL)
		return false;
	memset(out, 0, sizeof *out);
	out->coordinator = c->actor(c->self, a, agreement_node(a, agreement_coordinator(a)));
	out->open_to_readers = t != NULL && !t->has_responsible;
	out->offer_anew = t != NULL && t->on_change == ON_CHANGE_MOVE;
	out->member_count = agreement_line_nodes(nodes, a, c->topic);
	for (uint32_t i = 0; i < out->member_count; i++)
		out->members[i] = c->actor(c->self, a, nodes[i]);
	out->take_within_ms = c->take_within_s != 0 ? (uint64_t)c->take_within_s * 1000 : agreement_coordinator_within_ms(a);
	return true;
}

static bool
is_node(const void *ctx, uint32_t version, uint32_t actor)
{
	const struct case_context *c = ctx;
	const struct agreement *a = c->version(c->self, version);

	return a != NULL && agreement_node(a, c->id(c->self, actor)) != AGREEMENT_NOBODY;
}

static bool
reads(const void *ctx, uint32_t actor)
{
	const struct case_context *c = ctx;

	return c->reads(c->self, actor);
}

/* A node id is "partner/node". */
static bool
may_recall(const void *ctx, uint32_t actor)
{
	const struct case_context *c = ctx;
	const char *one = c->id(c->self, actor), *other = c->id(c->self, c->sender);
	size_t len = strcspn(other, "/");

	return strncmp(one, other, len) == 0 && one[len] == '/';
}

struct case_rules
case_rules_of(const struct case_context *c)
{
	return (struct case_rules){.ctx = c, .terms = terms_of, .line = line_of, .is_node = is_node, .reads = reads, .may_recall = may_recall};
}

bool
case_opened_by(const struct header *h, const struct agreement_topic *topic)
{
	return (h->type == TYPE_NOTICE || h->type == TYPE_REQUEST) && (h->take_within_s > 0 || topic->has_responsible);
}

bool
case_move_of(enum case_move_kind *kind, enum notice_type type)
{
	switch (type) {
	case TYPE_TAKEN: *kind = MOVE_TAKE; return true;
	case TYPE_DECLINED: *kind = MOVE_DECLINE; return true;
	case TYPE_HANDED_OVER: *kind = MOVE_HAND_OVER; return true;
	case TYPE_RETURNED: *kind = MOVE_RETURN; return true;
	case TYPE_DONE: *kind = MOVE_DONE; return true;
	case TYPE_REOPENED: *kind = MOVE_REOPEN; return true;
	case TYPE_RECALL:
	case TYPE_CANCEL: *kind = MOVE_RECALL; return true;
	default: return false;
	}
}
