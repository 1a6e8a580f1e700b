/* agreement_topics: the list of topics, each resolved to flags a partner and checked against those before it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "certs/agreement_parts.h"
#include "config/yaml_want.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WARNING_MAX 2048u      /* bytes of one warning, and a sentence more */
#define MINUTE_MS (60ull * 1000)
#define HOUR_MS (60 * MINUTE_MS)
#define YEAR_MS (365 * DAY_MS)
#define KEEP_CONTENT_MS (14 * DAY_MS)
#define KEEP_CONTENT_MAX_MS (10 * YEAR_MS)
#define KEEP_PROOF_MS (2 * YEAR_MS)
#define KEEP_PROOF_MAX_MS (30 * YEAR_MS)

static enum kw_err
no_memory(struct kw_why *why)
{
	return kw_refuse(why, KW_ENOMEM, "out of memory while reading the agreement's topics");
}

/* Where the room ends it is said once, instead of one more. */
void
reading_warn(struct reading *r, size_t line, const char *text)
{
	struct buf *out = r->warnings;

	if (out == NULL || out->max - out->len < WARNING_MAX)
		return;
	buf_printf(out, kw_translate("line %zu: %s: %s\n"), line, r->where, text);
	if (out->max - out->len < WARNING_MAX)
		buf_printf(out, kw_translate("line %zu: %s: what follows is left out, mend this first\n"), line, r->where);
}

static enum kw_err
parse_filter(struct reading *r)
{
	struct topic_rule *t = r->t;
	const char *filter;
	size_t line;
	enum kw_err err;

	if ((err = yaml_want_text(&filter, &line, r->map, "filter", "a topic", r->why)) != KW_OK)
		return err;
	if ((err = filter_check(filter, r->why)) != KW_OK) {
		kw_why_prefix(r->why, "line %zu", line);
		return err;
	}
	for (const struct topic_rule *before = r->a->topics; before < t; before++)
		if (filter_covers(before->filter, filter))
			return kw_refuse(r->why, KW_EINVAL, "line %zu: the topic %s is never reached, since %s in line %u stands before it and takes in all of it; "
			                 "move it up, or delete it", line, filter, before->filter, before->view.line);
	(void)snprintf(t->filter, sizeof t->filter, "%s", filter);
	(void)snprintf(r->where, sizeof r->where, kw_translate("topic %s"), filter);
	t->view.filter = t->filter;
	t->view.line = (uint32_t)line;
	return KW_OK;
}

static enum kw_err
parse_schema(struct reading *r)
{
	static const enum payload_type types[] = {PAYLOAD_ALERT, PAYLOAD_REQUEST, PAYLOAD_REPORT, PAYLOAD_STATEMENT, PAYLOAD_FEEDBACK, PAYLOAD_DOCUMENT,
	                                          PAYLOAD_NOTE};
	const char *words[COUNT(types)];
	const struct yaml_node *n;
	size_t which;
	enum kw_err err;

	for (size_t i = 0; i < COUNT(types); i++)
		words[i] = payload_type_name(types[i]);
	if ((err = yaml_want(&n, r->map, "schema", YAML_SCALAR, r->where, r->why)) != KW_OK)
		return err;
	if ((err = yaml_one_of(&which, n, words, COUNT(words), "schema", r->why)) != KW_OK)
		return err;
	r->t->view.schema = types[which];
	return KW_OK;
}

static enum kw_err
parse_lane(struct reading *r)
{
	static const uint64_t within_ms[KW_LANES] = {[LANE_FLASH] = 5 * MINUTE_MS, [LANE_URGENT] = HOUR_MS, [LANE_ROUTINE] = DAY_MS};
	const char *words[KW_LANES];
	const struct yaml_node *n;
	size_t which = LANE_URGENT;
	enum kw_err err;

	for (unsigned i = 0; i < KW_LANES; i++)
		words[i] = lane_name((enum lane)i);
	if ((err = yaml_may(&n, r->map, "lane", YAML_SCALAR, r->where, r->why)) != KW_OK)
		return err;
	if (n != NULL && (err = yaml_one_of(&which, n, words, KW_LANES, "lane", r->why)) != KW_OK)
		return err;
	r->t->at.lane = n != NULL ? (uint32_t)yaml_line(n) : 0;
	r->t->view.lane = (enum lane)which;
	r->t->view.deliver_within_ms = within_ms[which];
	return yaml_may_duration(&r->t->view.deliver_within_ms, r->map, "deliver_within", 1000, 30 * DAY_MS, r->where, r->why);
}

static enum kw_err
parse_keep(struct reading *r)
{
	static const char *const known[] = {"content", "proof"};
	struct agreement_topic *v = &r->t->view;
	const struct yaml_node *keep;
	char where[sizeof r->where + 16];
	enum kw_err err;

	v->keep_content_ms = KEEP_CONTENT_MS;
	v->keep_proof_ms = KEEP_PROOF_MS;
	if ((err = yaml_may(&keep, r->map, "keep", YAML_MAP, r->where, r->why)) != KW_OK || keep == NULL)
		return err;
	(void)snprintf(where, sizeof where, kw_translate("keep of %s"), r->where);
	if ((err = yaml_only_keys(keep, known, COUNT(known), where, r->why)) != KW_OK)
		return err;
	if ((err = yaml_may_duration(&v->keep_content_ms, keep, "keep.content", MINUTE_MS, KEEP_CONTENT_MAX_MS, where, r->why)) != KW_OK)
		return err;
	if (v->keep_proof_ms < v->keep_content_ms)
		v->keep_proof_ms = v->keep_content_ms;
	if ((err = yaml_may_duration(&v->keep_proof_ms, keep, "keep.proof", MINUTE_MS, KEEP_PROOF_MAX_MS, where, r->why)) != KW_OK)
		return err;
	if (v->keep_proof_ms < v->keep_content_ms)
		return kw_refuse(r->why, KW_EINVAL, "line %zu: proof of %s is kept shorter than content; write a proof at least as long as content",
		                 yaml_line(yaml_get(keep, "proof")), where);
	return KW_OK;
}

static enum kw_err
parse_purpose(struct reading *r)
{
	const char *purpose = NULL;
	size_t line = 0;
	enum kw_err err;

	if ((err = yaml_may_text(&purpose, &line, r->map, "purpose", r->where, r->why)) != KW_OK || purpose == NULL)
		return err;
	if ((err = name_check(purpose, "purpose", r->why)) != KW_OK) {
		kw_why_prefix(r->why, "line %zu", line);
		return err;
	}
	(void)snprintf(r->t->purpose, sizeof r->t->purpose, "%s", purpose);
	r->t->at.purpose = (uint32_t)line;
	return KW_OK;
}

static bool
committed(const struct partner *p, const char *purpose)
{
	for (uint32_t i = 0; i < p->purpose_count; i++)
		if (strcmp(p->purposes[i], purpose) == 0)
			return true;
	return false;
}

/* Sets the flags of the partners that word means: "*", a partner's id, or a kind. */
static enum kw_err
resolve_word(struct reading *r, uint8_t *flags, const struct yaml_node *item, const char *key)
{
	const char *word = yaml_kind(item) == YAML_SCALAR ? yaml_text(item) : "", *known[PARTNERS_MAX + KIND_COUNT], *near;
	size_t n = 0;
	bool met = strcmp(word, "*") == 0;

	for (uint32_t i = 0; i < r->a->partner_count; i++) {
		const struct partner *p = &r->a->partners[i];

		known[n++] = p->id;
		if (strcmp(word, "*") != 0 && strcmp(word, p->id) != 0 && strcmp(word, partner_kind_words[p->kind]) != 0)
			continue;
		flags[i] = 1;
		met = true;
	}
	for (unsigned kind = 0; kind < KIND_COUNT && !met; kind++) {
		known[n++] = partner_kind_words[kind];
		if (strcmp(word, partner_kind_words[kind]) != 0)
			continue;
		met = true;
		reading_warn(r, yaml_line(item), kw_translate("no partner is of a kind that is named there"));
	}
	if (met)
		return KW_OK;
	near = text_nearest(word, known, n);
	return kw_refuse(r->why, KW_EINVAL, "line %zu: \"%.80s\" in \"%s\" of %s is no partner's id and no kind of partners%s%s%s; write an id, a kind or \"*\"",
	                 yaml_line(item), word, key, r->where, near != NULL ? kw_translate(", did you mean \"") : "", near != NULL ? near : "", near != NULL ? kw_translate("\"?") : "");
}

enum kw_err
reading_words(struct reading *r, uint8_t *flags, const struct yaml_node *list, const char *key)
{
	enum kw_err err;

	for (size_t i = 0; i < yaml_count(list); i++) {
		const struct yaml_node *item = yaml_item(list, i);

		for (size_t k = 0; k < i; k++)
			if (yaml_kind(item) == YAML_SCALAR && strcmp(yaml_text(item), yaml_text(yaml_item(list, k))) == 0)
				return kw_refuse(r->why, KW_EINVAL, "line %zu: \"%.80s\" stands twice in \"%s\" of %s; keep one", yaml_line(item), yaml_text(item), key, r->where);
		if ((err = resolve_word(r, flags, item, key)) != KW_OK)
			return err;
	}
	return KW_OK;
}

/* Is p meant by its id or its kind, not only by "*"? */
static bool
named_itself(const struct yaml_node *list, const struct partner *p)
{
	for (size_t i = 0; i < yaml_count(list); i++) {
		const char *word = yaml_text(yaml_item(list, i));

		if (strcmp(word, p->id) == 0 || strcmp(word, partner_kind_words[p->kind]) == 0)
			return true;
	}
	return false;
}

/* Civil partners read only what they have committed to: the flags of the others go, and it is an error to name one by its id. */
enum kw_err
reading_bind_to_purpose(struct reading *r, uint8_t *flags, const struct yaml_node *list)
{
	char text[NAME_LEN + 200];

	for (uint32_t i = 0; i < r->a->partner_count; i++) {
		const struct partner *p = &r->a->partners[i];

		if (!flags[i] || p->kind != KIND_CIVIL)
			continue;
		if (r->t->purpose[0] == '\0' && named_itself(list, p))
			return kw_refuse(r->why, KW_EINVAL, "line %zu: %s names civil partners as readers but no purpose; add \"purpose\", one that they have committed to",
			                 yaml_line(list), r->where);
		if (r->t->purpose[0] != '\0' && committed(p, r->t->purpose))
			continue;
		flags[i] = 0;
		if (flags == r->t->read)
			r->t->barred[i] = 1;
		for (size_t k = 0; k < yaml_count(list); k++)
			if (strcmp(yaml_text(yaml_item(list, k)), p->id) == 0)
				return kw_refuse(r->why, KW_EINVAL, "line %zu: %s is to read %s but has not committed to its purpose \"%s\"; add the purpose to the partner, "
				                 "or take it out here", yaml_line(list), p->id, r->where, r->t->purpose);
		(void)snprintf(text, sizeof text, r->t->purpose[0] != '\0'
		               ? kw_translate("%s does not read it, since it has not committed to its purpose")
		               : kw_translate("%s does not read it, since it has not committed to anything: the topic names no purpose"), p->id);
		reading_warn(r, yaml_line(list), text);
	}
	return KW_OK;
}

static enum kw_err
parse_rights(struct reading *r)
{
	const struct yaml_node *publish, *receive;
	uint32_t n = r->a->partner_count;
	enum kw_err err;

	r->t->publish = calloc(6, n);
	if (r->t->publish == NULL)
		return no_memory(r->why);
	r->t->read = r->t->publish + n;
	r->t->approve = r->t->read + n;
	r->t->onward = r->t->approve + n;
	r->t->acknowledge = r->t->onward + n;
	r->t->barred = r->t->acknowledge + n;
	if ((err = yaml_want(&publish, r->map, "publish", YAML_LIST, r->where, r->why)) != KW_OK)
		return err;
	if ((err = yaml_want(&receive, r->map, "receive", YAML_LIST, r->where, r->why)) != KW_OK)
		return err;
	r->t->at.publish = (uint32_t)yaml_line(publish);
	r->t->at.receive = (uint32_t)yaml_line(receive);
	if ((err = reading_words(r, r->t->publish, publish, "publish")) != KW_OK)
		return err;
	if ((err = reading_words(r, r->t->read, receive, "receive")) != KW_OK)
		return err;
	return reading_bind_to_purpose(r, r->t->read, receive);
}

/* Somebody publishes, and somebody else reads it. */
static enum kw_err
check_somebody(struct reading *r)
{
	uint32_t publishers = 0, readers = 0, lone = AGREEMENT_NOBODY;

	for (uint32_t i = 0; i < r->a->node_count; i++) {
		publishers += rule_may_publish(r->a, r->t, i);
		readers += rule_may_read(r->a, r->t, i);
		if (rule_may_read(r->a, r->t, i))
			lone = i;
	}
	if (publishers == 0)
		return kw_refuse(r->why, KW_EINVAL, "line %u: nobody may publish on %s; name a partner that has nodes in \"publish\"", r->t->view.line, r->where);
	if (readers == 0)
		return kw_refuse(r->why, KW_EINVAL, "line %u: nobody reads %s; name a partner that has nodes, and a purpose that it has committed to if it is civil",
		                 r->t->view.line, r->where);
	if (readers == 1 && publishers == 1 && rule_may_publish(r->a, r->t, lone))
		return kw_refuse(r->why, KW_EINVAL, "line %u: only %s reads %s and only it publishes there; name another reader", r->t->view.line,
		                 agreement_node_id(r->a, lone), r->where);
	return KW_OK;
}

/* Whoever is asked can answer, and each possible author has somebody else to ask. */
static enum kw_err
check_approvers(struct reading *r, size_t line)
{
	uint32_t count = 0, lone = 0;

	for (uint32_t i = 0; i < r->a->partner_count; i++) {
		if (!r->t->approve[i])
			continue;
		if (!r->t->read[i])
			return kw_refuse(r->why, KW_EINVAL, "line %zu: %s is to approve on %s but may not read it; add it to \"receive\"", line, r->a->partners[i].id, r->where);
		if (r->a->partners[i].node_count == 0)
			return kw_refuse(r->why, KW_EINVAL, "line %zu: %s is to approve on %s but has no node that could; give it one, or leave it out", line,
			                 r->a->partners[i].id, r->where);
		lone = i;
		count++;
	}
	if (count > KW_APPROVALS_MAX)
		return kw_refuse(r->why, KW_ELIMIT, "line %zu: %u partners are to approve on %s, at most %d may be", line, count, r->where, KW_APPROVALS_MAX);
	if (count == 1 && r->t->publish[lone])
		return kw_refuse(r->why, KW_EINVAL, "line %zu: nobody but %s is to approve on %s, and nobody approves what is its own; name another partner, or take %s out of "
		                 "\"publish\"", line, r->a->partners[lone].id, r->where, r->a->partners[lone].id);
	return KW_OK;
}

static enum kw_err
parse_release(struct reading *r)
{
	static const char *const known[] = {"approve"};
	const struct yaml_node *release, *approve;
	enum kw_err err;

	if ((err = yaml_may(&release, r->map, "release", YAML_MAP, r->where, r->why)) != KW_OK || release == NULL)
		return err;
	if ((err = yaml_only_keys(release, known, COUNT(known), "release", r->why)) != KW_OK)
		return err;
	if ((err = yaml_want(&approve, release, "approve", YAML_LIST, "release", r->why)) != KW_OK)
		return err;
	if ((err = reading_words(r, r->t->approve, approve, "approve")) != KW_OK)
		return err;
	if ((err = check_approvers(r, yaml_line(approve))) != KW_OK)
		return err;
	r->t->at.approve = (uint32_t)yaml_line(approve);
	r->t->view.has_release = true;
	return KW_OK;
}

static enum kw_err
parse_reason(struct reading *r)
{
	static const char *const words[] = {"optional", "required"};
	const struct yaml_node *node;
	size_t word = 0;
	enum kw_err err;

	if ((err = yaml_may(&node, r->map, "reason", YAML_SCALAR, r->where, r->why)) != KW_OK || node == NULL)
		return err;
	err = yaml_one_of(&word, node, words, sizeof words / sizeof words[0], "reason", r->why);
	r->t->view.reason_required = word == 1;
	return err;
}

static enum kw_err
parse_topic(struct reading *r)
{
	static const char *const known[] = {"filter", "schema", "purpose", "publish", "receive", "lane", "keep", "deliver_within", "take_within",
	                                    "responsible", "on_change", "onward", "acknowledge", "release", "reason"};
	enum kw_err err;

	if ((err = yaml_only_keys(r->map, known, COUNT(known), "a topic", r->why)) != KW_OK)
		return err;
	if ((err = parse_filter(r)) != KW_OK)
		return err;
	if ((err = parse_schema(r)) != KW_OK)
		return err;
	if ((err = parse_purpose(r)) != KW_OK)
		return err;
	if ((err = parse_lane(r)) != KW_OK)
		return err;
	if ((err = parse_keep(r)) != KW_OK)
		return err;
	if ((err = parse_rights(r)) != KW_OK)
		return err;
	if ((err = check_somebody(r)) != KW_OK)
		return err;
	if ((err = parse_release(r)) != KW_OK || (err = parse_reason(r)) != KW_OK)
		return err;
	return reading_duty(r);
}

/* Days that no hours ask for. */
static void
check_holidays(struct reading *r, const struct yaml_node *root)
{
	for (uint32_t i = 0; i < r->a->topic_count; i++)
		for (uint32_t k = 0; k < r->a->topics[i].line_count; k++)
			if (r->a->topics[i].line[k].hours.names_holidays)
				return;
	(void)snprintf(r->where, sizeof r->where, "holidays");
	if (r->a->holiday_count > 0)
		reading_warn(r, yaml_line(yaml_get(root, "holidays")), kw_translate("they change nothing, since no \"hours\" name PH"));
}

enum kw_err
agreement_parse_topics(struct agreement *a, const struct yaml_node *root, struct buf *warnings, struct kw_why *why)
{
	const struct yaml_node *list;
	enum kw_err err;

	if ((err = yaml_want(&list, root, "topics", YAML_LIST, kw_translate("the agreement"), why)) != KW_OK)
		return err;
	if (yaml_count(list) > TOPICS_MAX)
		return kw_refuse(why, KW_ELIMIT, "line %zu: %zu topics, at most %u are allowed", yaml_line(list), yaml_count(list), TOPICS_MAX);
	a->topics = calloc(yaml_count(list), sizeof *a->topics);
	if (a->topics == NULL)
		return no_memory(why);
	for (size_t i = 0; i < yaml_count(list); i++) {
		struct reading r = {.a = a, .t = &a->topics[a->topic_count++], .map = yaml_item(list, i), .warnings = warnings, .why = why};

		(void)snprintf(r.where, sizeof r.where, kw_translate("a topic"));
		if ((err = parse_topic(&r)) != KW_OK)
			return err;
	}
	check_holidays(&(struct reading){.a = a, .warnings = warnings}, root);
	if (warnings != NULL && !buf_ok(warnings))
		return no_memory(why);
	return KW_OK;
}
