/*
 * agreement_diff_topics: what a new version changes of topics and of the rights on them.
 *
 * Topics are compared by what is decided and not by how it is written: every filter of either version, and every overlap of
 * two of them, stands for the topics that it takes in, and both versions are asked about a topic that no narrower filter
 * catches. So a rule that moves, or one that cuts a piece out of another, shows as the rights that change by it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "certs/agreement_diff.h"

#define PLACES_MAX 8192u
#define ANY_LEVEL '\x01'   /* can stand in no filter, so only wildcards match it */

static void
say_topic(struct diff *d, const char *filter, const char *english, const char *german, const char *text)
{
	buf_printf(d->out, "~ %s: %s %s\n", filter, diff_words(d, english, german), text);
}

bool
agreement_intersect(char out[KW_TOPIC_MAX + 1], const char *a, const char *b)
{
	size_t n = 0;

	while (*a != '\0' || *b != '\0') {
		size_t a_len = strcspn(a, "/"), b_len = strcspn(b, "/");
		bool a_rest = a_len == 1 && *a == '#', b_rest = b_len == 1 && *b == '#';
		const char *level = a;
		size_t len = a_len;

		if (a_rest && *b == '\0')
			break;
		if (b_rest && *a == '\0')
			break;
		if (a_rest || (a_len == 1 && *a == '+' && !b_rest)) {
			level = b;
			len = b_len;
		}
		if (n + (n > 0) + len > KW_TOPIC_MAX)
			return false;
		if (n > 0)
			out[n++] = '/';
		memcpy(out + n, level, len);
		n += len;
		if (!a_rest) {
			a += a_len;
			a += *a == '/';
		}
		if (!b_rest) {
			b += b_len;
			b += *b == '/';
		}
		if (a_rest && b_rest)
			break;
	}
	out[n] = '\0';
	return true;
}

/* A topic that filter takes in and that only filters at least as wide take in too. */
static void
sample(char out[KW_TOPIC_MAX + 2 * KW_LEVELS_MAX + 1], const char *filter)
{
	unsigned levels = 1;
	size_t n = 0;

	for (const char *at = filter; *at != '\0'; at++) {
		levels += *at == '/';
		out[n++] = *at == '+' || *at == '#' ? ANY_LEVEL : *at;
	}
	if (n > 0 && filter[n - 1] == '#')
		for (; levels < KW_LEVELS_MAX; levels++) {
			out[n++] = '/';
			out[n++] = ANY_LEVEL;
		}
	out[n] = '\0';
}

static const struct topic_rule *
decide(const struct agreement *a, const char *topic)
{
	for (uint32_t i = 0; i < a->topic_count; i++)
		if (filter_matches(a->topics[i].filter, topic))
			return &a->topics[i];
	return NULL;
}

/* One place for each pair of rules that decide somewhere: the rest would say the same again. */
static enum kw_err
add_place(struct diff *d, const char *filter)
{
	char topic[KW_TOPIC_MAX + 2 * KW_LEVELS_MAX + 1];
	const struct topic_rule *old, *next;
	struct place *grown;

	sample(topic, filter);
	old = decide(d->old, topic);
	next = decide(d->next, topic);
	for (size_t i = 0; i < d->place_count; i++)
		if (d->places[i].old == old && d->places[i].next == next)
			return KW_OK;
	if (d->place_count == PLACES_MAX)
		return KW_ELIMIT;
	if (d->place_count % 64 == 0) {
		grown = realloc(d->places, (d->place_count + 64) * sizeof *grown);
		if (grown == NULL)
			return KW_ENOMEM;
		d->places = grown;
	}
	d->places[d->place_count] = (struct place){.old = old, .next = next};
	(void)snprintf(d->places[d->place_count++].filter, KW_TOPIC_MAX + 1, "%s", filter);
	return KW_OK;
}

static enum kw_err
add_overlaps(struct diff *d, const struct agreement *a, const struct agreement *b)
{
	char both[KW_TOPIC_MAX + 1];
	enum kw_err err = KW_OK;

	for (uint32_t i = 0; i < a->topic_count && err == KW_OK; i++)
		for (uint32_t k = 0; k < b->topic_count && err == KW_OK; k++) {
			const char *x = a->topics[i].filter, *y = b->topics[k].filter;

			if (filters_overlap(x, y) && !filter_covers(x, y) && !filter_covers(y, x) && agreement_intersect(both, x, y))
				err = add_place(d, both);
		}
	return err;
}

enum kw_err
diff_collect_places(struct diff *d)
{
	enum kw_err err = KW_OK;

	for (uint32_t i = 0; i < d->old->topic_count && err == KW_OK; i++)
		err = add_place(d, d->old->topics[i].filter);
	for (uint32_t i = 0; i < d->next->topic_count && err == KW_OK; i++)
		err = add_place(d, d->next->topics[i].filter);
	if (err == KW_OK)
		err = add_overlaps(d, d->old, d->old);
	if (err == KW_OK)
		err = add_overlaps(d, d->next, d->next);
	return err != KW_OK ? err : add_overlaps(d, d->old, d->next);
}

static void
diff_duration(struct diff *d, const char *filter, uint64_t old_ms, uint64_t next_ms, const char *english, const char *german)
{
	char was[TEXT_TIME_MAX], is[TEXT_TIME_MAX], text[3 * TEXT_TIME_MAX];

	if (old_ms == next_ms)
		return;
	text_put_duration(was, old_ms);
	text_put_duration(is, next_ms);
	(void)snprintf(text, sizeof text, d->german ? "%s, vorher %s" : "%s, was %s", is, was);
	say_topic(d, filter, english, german, text);
}

static void
diff_word(struct diff *d, const char *filter, const char *old, const char *next, const char *english, const char *german)
{
	char text[2 * KW_NODE_MAX + 32];

	if (strcmp(old, next) == 0)
		return;
	(void)snprintf(text, sizeof text, d->german ? "%s, vorher %s" : "%s, was %s", next[0] != '\0' ? next : "-", old[0] != '\0' ? old : "-");
	say_topic(d, filter, english, german, text);
}

/* "city/public-order Mo-Fr 06:00-22:00, level 3 mitte west, deputies city/crime-prevention (10 min)" */
static void
put_entry(struct buf *out, const struct agreement *a, const struct responsible *r, bool german)
{
	char within[TEXT_TIME_MAX];

	buf_put_str(out, a->nodes[r->node].id);
	if (r->hours.count > 0) {
		buf_put_u8(out, ' ');
		hours_put(out, &r->hours);
	}
	if (r->area.level > 0)
		buf_printf(out, german ? ", Ebene %u:" : ", level %u:", r->area.level);
	for (uint32_t i = 0; i < r->area.count; i++)
		buf_printf(out, " %s", r->area.names[i]);
	if (r->deputy_count > 0)
		buf_put_str(out, german ? ", Vertretung:" : ", deputies:");
	for (uint32_t i = 0; i < r->deputy_count; i++)
		buf_printf(out, " %s", a->nodes[r->deputies[i]].id);
	text_put_duration(within, r->take_within_ms);
	buf_printf(out, " (%s)", within);
}

static void
put_line(struct buf *out, const struct agreement *a, const struct topic_rule *t, bool german)
{
	for (uint32_t i = 0; i < t->line_count; i++) {
		buf_put_str(out, i > 0 ? "; " : "");
		put_entry(out, a, &t->line[i], german);
	}
}

static void
put_partners(struct buf *out, const struct agreement *a, const uint8_t *flags)
{
	for (uint32_t i = 0; i < a->partner_count; i++)
		if (flags[i])
			buf_printf(out, "%s%s", out->len > 0 ? ", " : "", a->partners[i].id);
}

static void
put_approvers(struct buf *out, const struct agreement *a, const struct topic_rule *t, bool german)
{
	(void)german;
	put_partners(out, a, t->approve);
}

static void
put_acknowledge(struct buf *out, const struct agreement *a, const struct topic_rule *t, bool german)
{
	char within[TEXT_TIME_MAX];

	if (t->view.acknowledge_within_ms == 0)
		return;
	put_partners(out, a, t->acknowledge);
	text_put_duration(within, t->view.acknowledge_within_ms);
	buf_printf(out, german ? ", binnen %s" : ", within %s", within);
}

typedef void put_fn(struct buf *out, const struct agreement *a, const struct topic_rule *t, bool german);

/* What put says of both versions, when it is not the same. */
static void
diff_listed(struct diff *d, const struct place *p, put_fn *put, const char *english, const char *german)
{
	struct buf was = BUF_INIT(1u << 18), is = BUF_INIT(1u << 18);
	const char *text;

	if (p->old != NULL)
		put(&was, d->old, p->old, d->german);
	put(&is, d->next, p->next, d->german);
	text = buf_text(&is);
	if (!buf_ok(&was) || text == NULL)
		d->out->failed = true;
	else if (!span_eq(buf_span(&was), buf_span(&is)))
		say_topic(d, p->filter, english, german, is.len > 0 ? text : "-");
	buf_free(&was);
	buf_free(&is);
}

/* Who takes what is there, and who must answer or approve; of a new topic too. */
static void
diff_duty(struct diff *d, const struct place *p)
{
	static const char *const words_of[2][2] = {[ON_CHANGE_KEEP] = {"go on as they are", "gehen weiter, wie sie sind"},
	                                           [ON_CHANGE_MOVE] = {"are offered anew", "werden neu angeboten"}};
	enum agreement_on_change was = p->old != NULL ? p->old->view.on_change : ON_CHANGE_KEEP;

	diff_listed(d, p, put_line, "responsible are now", "zuständig sind jetzt");
	if (was != p->next->view.on_change)
		say_topic(d, p->filter, "open cases, when the agreement changes,", "offene Vorgänge, wenn die Vereinbarung sich ändert,",
		          words_of[p->next->view.on_change][d->german]);
	diff_listed(d, p, put_acknowledge, "must be acknowledged by", "muss zur Kenntnis genommen werden von");
	diff_listed(d, p, put_approvers, "must be released by", "muss freigegeben werden von");
	if ((p->old != NULL && p->old->view.reason_required) != p->next->view.reason_required)
		say_topic(d, p->filter, "whoever publishes or reads must say why:", "wer veröffentlicht oder liest, muss sagen, warum:", diff_words(d, p->next->view.reason_required ? "yes" : "no", p->next->view.reason_required ? "ja" : "nein"));
}

static void
diff_rule(struct diff *d, const struct place *p)
{
	const struct agreement_topic *old = &p->old->view, *next = &p->next->view;

	diff_word(d, p->filter, payload_type_name(old->schema), payload_type_name(next->schema), "the schema is", "das Schema ist");
	diff_word(d, p->filter, lane_name(old->lane), lane_name(next->lane), "the highest lane is", "die höchste Spur ist");
	diff_word(d, p->filter, p->old->purpose, p->next->purpose, "the purpose is", "der Zweck ist");
	diff_duration(d, p->filter, old->keep_content_ms, next->keep_content_ms, "content is kept for", "Inhalte werden aufbewahrt:");
	diff_duration(d, p->filter, old->keep_proof_ms, next->keep_proof_ms, "proof is kept for", "Nachweise werden aufbewahrt:");
	diff_duration(d, p->filter, old->deliver_within_ms, next->deliver_within_ms, "late is what is not confirmed within", "verspätet ist, was nicht bestätigt ist nach");
	diff_duty(d, p);
}

/* A right of one node that it gains or loses. */
static void
diff_right(struct diff *d, const char *id, const char *filter, bool was, bool is, const char *const gains[2], const char *const loses[2])
{
	if (was != is)
		buf_printf(d->out, "%c %s %s %s\n", is ? '+' : '-', id, is ? gains[d->german] : loses[d->german], filter);
}

/* The rights of one node, which one of the versions may not know. */
static void
diff_node(struct diff *d, const struct place *p, const char *id)
{
	static const char *const reads[2] = {"may now read", "darf jetzt lesen:"}, *const reads_not[2] = {"may no longer read", "darf nicht mehr lesen:"};
	static const char *const publishes[2] = {"may now publish on", "darf jetzt veröffentlichen auf:"};
	static const char *const publishes_not[2] = {"may no longer publish on", "darf nicht mehr veröffentlichen auf:"};
	static const char *const takes[2] = {"is now responsible for", "ist jetzt zuständig für:"};
	static const char *const takes_not[2] = {"is no longer responsible for", "ist nicht mehr zuständig für:"};
	static const char *const onward[2] = {"may now get onward what is on", "darf jetzt weitergeleitet bekommen:"};
	static const char *const onward_not[2] = {"may no longer get onward what is on", "darf nicht mehr weitergeleitet bekommen:"};
	const struct agreement *a = d->old, *b = d->next;
	uint32_t was = agreement_node(a, id), is = agreement_node(b, id);
	const struct topic_rule *old = was != AGREEMENT_NOBODY ? p->old : NULL, *next = is != AGREEMENT_NOBODY ? p->next : NULL;

	diff_right(d, id, p->filter, old != NULL && rule_may_read(a, old, was), next != NULL && rule_may_read(b, next, is), reads, reads_not);
	diff_right(d, id, p->filter, old != NULL && rule_may_publish(a, old, was), next != NULL && rule_may_publish(b, next, is), publishes, publishes_not);
	diff_right(d, id, p->filter, old != NULL && rule_names(old, was), next != NULL && rule_names(next, is), takes, takes_not);
	diff_right(d, id, p->filter, old != NULL && rule_onward(a, old, was), next != NULL && rule_onward(b, next, is), onward, onward_not);
}

static void
diff_new(struct diff *d, const struct place *p)
{
	buf_printf(d->out, "+ %s %s %s, %s %s\n", p->filter, diff_words(d, "is a new topic: schema", "ist ein neues Thema: Schema"),
	           payload_type_name(p->next->view.schema), diff_words(d, "highest lane", "höchste Spur"), lane_name(p->next->view.lane));
	diff_duty(d, p);
}

static void
diff_place(struct diff *d, const struct place *p)
{
	if (p->old == NULL)
		diff_new(d, p);
	else if (p->next == NULL)
		buf_printf(d->out, "- %s %s\n", p->filter, diff_words(d, "is no topic any more", "ist kein Thema mehr"));
	else
		diff_rule(d, p);
	for (uint32_t i = 0; i < d->old->node_count; i++)
		diff_node(d, p, d->old->nodes[i].id);
	for (uint32_t i = 0; i < d->next->node_count; i++)
		if (agreement_node(d->old, d->next->nodes[i].id) == AGREEMENT_NOBODY)
			diff_node(d, p, d->next->nodes[i].id);
}

void
diff_topics(struct diff *d)
{
	for (size_t i = 0; i < d->place_count; i++)
		diff_place(d, &d->places[i]);
}
