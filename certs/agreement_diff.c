/*
 * agreement_diff: what a new version changes, in words: who gains and who loses what.
 *
 * Topics are compared by what is decided and not by how it is written: every filter of either version, and every overlap of
 * two of them, stands for the topics that it takes in, and both versions are asked about a topic that no narrower filter
 * catches. So a rule that moves, or one that cuts a piece out of another, shows as the rights that change by it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "certs/agreement_parts.h"

#define PLACES_MAX 8192u
#define ANY_LEVEL '\x01'   /* can stand in no filter, so only wildcards match it */

struct place { /* a filter, and the topic that is asked in its stead */
	char filter[KW_TOPIC_MAX + 1];
	const struct topic_rule *old, *next;
};

struct diff {
	struct buf *out;
	const struct agreement *old, *next;
	bool german;
	struct place *places;
	size_t place_count;
};

static const char *
words(const struct diff *d, const char *english, const char *german)
{
	return d->german ? german : english;
}

/* "~ who: what it is now" */
static void
say_text(struct diff *d, const char *english, const char *german, const char *text)
{
	buf_printf(d->out, "~ %s: %s\n", words(d, english, german), text);
}

/* "+ name what has come" and "- name what is gone". */
static void
say_name(struct diff *d, char sign, const char *name, const char *english, const char *german)
{
	buf_printf(d->out, "%c %s %s\n", sign, name, words(d, english, german));
}

static void
say_topic(struct diff *d, const char *filter, const char *english, const char *german, const char *text)
{
	buf_printf(d->out, "~ %s: %s %s\n", filter, words(d, english, german), text);
}

/* ---- whom it names ---- */

static const struct signer *
signer_called(const struct signer *all, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(all[i].key.name, name) == 0)
			return &all[i];
	return NULL;
}

static bool
same_key(const struct public_key *a, const struct public_key *b)
{
	if (memcmp(a->sign_pk, b->sign_pk, KW_KEY_LEN) != 0)
		return false;
	if (a->kind != KEY_STEERING && memcmp(a->curve_pk, b->curve_pk, KW_KEY_LEN) != 0)
		return false;
	return a->kind != KEY_NODE || memcmp(a->seal_pk, b->seal_pk, KW_KEY_LEN) == 0;
}

struct signer_words {
	const char *comes[2], *goes[2], *rekeyed[2]; /* English, German */
};

static void
diff_signers(struct diff *d, const struct signer *old, uint32_t old_n, const struct signer *next, uint32_t next_n, const struct signer_words *w)
{
	for (uint32_t i = 0; i < old_n; i++) {
		const struct signer *now = signer_called(next, next_n, old[i].key.name);

		if (now == NULL)
			say_name(d, '-', old[i].key.name, w->goes[0], w->goes[1]);
		else if (!same_key(&old[i].key, &now->key))
			say_name(d, '~', old[i].key.name, w->rekeyed[0], w->rekeyed[1]);
	}
	for (uint32_t i = 0; i < next_n; i++)
		if (signer_called(old, old_n, next[i].key.name) == NULL)
			say_name(d, '+', next[i].key.name, w->comes[0], w->comes[1]);
}

static void
diff_committee(struct diff *d)
{
	static const struct signer_words members = {{"joins the steering committee", "kommt in das Lenkungsgremium"},
		{"leaves the steering committee", "verlässt das Lenkungsgremium"}, {"of the steering committee has another key", "aus dem Lenkungsgremium hat einen anderen Schlüssel"}};
	static const struct signer_words operators = {{"becomes an operator", "wird Betreiber"}, {"is no operator any more", "ist kein Betreiber mehr"},
		{"(operator) has another key", "(Betreiber) hat einen anderen Schlüssel"}};
	char text[64];

	diff_signers(d, d->old->members, d->old->member_count, d->next->members, d->next->member_count, &members);
	if (d->old->threshold != d->next->threshold) {
		(void)snprintf(text, sizeof text, d->german ? "%u, vorher %u" : "%u, was %u", d->next->threshold, d->old->threshold);
		say_text(d, "members who must sign", "Mitglieder, die unterschreiben müssen", text);
	}
	diff_signers(d, d->old->operators, d->old->operator_count, d->next->operators, d->next->operator_count, &operators);
}

static bool
has_endpoint(const struct agreement *a, const char *endpoint)
{
	for (uint32_t i = 0; i < a->endpoint_count; i++)
		if (strcmp(a->endpoints[i], endpoint) == 0)
			return true;
	return false;
}

static void
diff_broker(struct diff *d)
{
	if (strcmp(d->old->broker.name, d->next->broker.name) != 0)
		say_text(d, "the broker is another", "der Vermittler ist ein anderer", d->next->broker.name);
	else if (!same_key(&d->old->broker, &d->next->broker))
		say_text(d, "the broker has another key", "der Vermittler hat einen anderen Schlüssel", d->next->broker.name);
	for (uint32_t i = 0; i < d->old->endpoint_count; i++)
		if (!has_endpoint(d->next, d->old->endpoints[i]))
			say_name(d, '-', d->old->endpoints[i], "is no endpoint of the broker any more", "ist keine Adresse des Vermittlers mehr");
	for (uint32_t i = 0; i < d->next->endpoint_count; i++)
		if (!has_endpoint(d->old, d->next->endpoints[i]))
			say_name(d, '+', d->next->endpoints[i], "becomes an endpoint of the broker", "wird eine Adresse des Vermittlers");
	if (strcmp(agreement_coordinator(d->old), agreement_coordinator(d->next)) != 0)
		say_text(d, "the coordinator is now", "die Koordination hat jetzt", agreement_coordinator(d->next));
}

static void
diff_validity(struct diff *d)
{
	char from[TEXT_TIME_MAX], until[TEXT_TIME_MAX], grace[TEXT_TIME_MAX], text[4 * TEXT_TIME_MAX];

	if (d->old->from_ms == d->next->from_ms && d->old->until_ms == d->next->until_ms && d->old->grace_ms == d->next->grace_ms)
		return;
	text_put_time_utc(from, d->next->from_ms);
	text_put_time_utc(until, d->next->until_ms);
	text_put_duration(grace, d->next->grace_ms);
	(void)snprintf(text, sizeof text, d->german ? "%s bis %s, Nachfrist %s" : "%s until %s, grace %s", from, until, grace);
	say_text(d, "valid", "gültig", text);
}

static const struct partner *
partner_called(const struct agreement *a, const char *id)
{
	for (uint32_t i = 0; i < a->partner_count; i++)
		if (strcmp(a->partners[i].id, id) == 0)
			return &a->partners[i];
	return NULL;
}

static bool
has_purpose(const struct partner *p, const char *purpose)
{
	for (uint32_t i = 0; p != NULL && i < p->purpose_count; i++)
		if (strcmp(p->purposes[i], purpose) == 0)
			return true;
	return false;
}

static void
diff_purposes(struct diff *d, const struct partner *old, const struct partner *next)
{
	for (uint32_t i = 0; old != NULL && i < old->purpose_count; i++)
		if (next != NULL && !has_purpose(next, old->purposes[i]))
			buf_printf(d->out, "- %s %s: %s\n", old->id, words(d, "is no longer committed to the purpose", "ist nicht mehr verpflichtet auf den Zweck"), old->purposes[i]);
	for (uint32_t i = 0; next != NULL && i < next->purpose_count; i++)
		if (!has_purpose(old, next->purposes[i]))
			buf_printf(d->out, "+ %s %s: %s\n", next->id, words(d, "is now committed to the purpose", "ist jetzt verpflichtet auf den Zweck"), next->purposes[i]);
}

static void
diff_partners(struct diff *d)
{
	for (uint32_t i = 0; i < d->old->partner_count; i++)
		if (partner_called(d->next, d->old->partners[i].id) == NULL)
			say_name(d, '-', d->old->partners[i].id, "is no partner any more", "ist kein Partner mehr");
	for (uint32_t i = 0; i < d->next->partner_count; i++) {
		const struct partner *next = &d->next->partners[i], *old = partner_called(d->old, next->id);

		if (old == NULL)
			say_name(d, '+', next->id, "becomes a partner", "wird Partner");
		else if (old->kind != next->kind)
			buf_printf(d->out, "~ %s %s %s\n", next->id, words(d, "is now of kind", "ist jetzt von der Art"), partner_kind_words[next->kind]);
		else if (strcmp(old->title, next->title) != 0)
			buf_printf(d->out, "~ %s %s: %s\n", next->id, words(d, "has another title", "heißt jetzt"), next->title[0] != '\0' ? next->title : next->id);
		diff_purposes(d, old, next);
	}
}

static void
diff_nodes(struct diff *d)
{
	for (uint32_t i = 0; i < d->old->node_count; i++) {
		const struct node *old = &d->old->nodes[i];
		uint32_t now = agreement_node(d->next, old->id);

		if (now == AGREEMENT_NOBODY)
			say_name(d, '-', old->id, "is no node any more", "ist kein Knoten mehr");
		else if (!same_key(&old->key, &d->next->nodes[now].key))
			say_name(d, '~', old->id, "has another key", "hat einen anderen Schlüssel");
	}
	for (uint32_t i = 0; i < d->next->node_count; i++)
		if (agreement_node(d->old, d->next->nodes[i].id) == AGREEMENT_NOBODY)
			say_name(d, '+', d->next->nodes[i].id, "becomes a node", "wird Knoten");
}

/* ---- topics ---- */

/* The filter of all topics that both take in. Only for filters that overlap; false: there is none, it would be too long. */
static bool
intersect(char out[KW_TOPIC_MAX + 1], const char *a, const char *b)
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

			if (filters_overlap(x, y) && !filter_covers(x, y) && !filter_covers(y, x) && intersect(both, x, y))
				err = add_place(d, both);
		}
	return err;
}

static enum kw_err
collect_places(struct diff *d)
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

/* "city/public-order Mo 06:00-22:00 (10 min), police/control-room (5 min)" */
static void
put_line(struct buf *out, const struct agreement *a, const struct topic_rule *t)
{
	static const char *const days[] = {"Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"};
	char within[TEXT_TIME_MAX];

	for (uint32_t i = 0; i < t->line_count; i++) {
		const struct responsible *r = &t->line[i];

		buf_printf(out, "%s%s", i > 0 ? ", " : "", a->nodes[r->node].id);
		for (uint32_t k = 0; k < r->hours.count; k++) {
			const struct hours_rule *h = &r->hours.rule[k];

			buf_put_str(out, k > 0 ? "; " : " ");
			for (unsigned day = 0; day < 7; day++)
				if ((h->days & 1u << day) != 0)
					buf_put_str(out, days[day]);
			buf_printf(out, " %02u:%02u-%02u:%02u", h->from / 60u, h->from % 60u, h->to / 60u, h->to % 60u);
		}
		text_put_duration(within, r->take_within_ms);
		buf_printf(out, " (%s)", within);
	}
}

static void
put_approvers(struct buf *out, const struct agreement *a, const struct topic_rule *t)
{
	for (uint32_t i = 0; t->view.has_release && i < a->partner_count; i++)
		if (t->approve[i])
			buf_printf(out, "%s%s", out->len > 0 ? ", " : "", a->partners[i].id);
}

/* What put says of both versions, when it is not the same. */
static void
diff_listed(struct diff *d, const struct place *p, void (*put)(struct buf *, const struct agreement *, const struct topic_rule *), const char *english,
            const char *german)
{
	struct buf was = BUF_INIT(1u << 16), is = BUF_INIT(1u << 16);
	const char *text;

	put(&was, d->old, p->old);
	put(&is, d->next, p->next);
	text = buf_text(&is);
	if (!buf_ok(&was) || text == NULL)
		d->out->failed = true;
	else if (!span_eq(buf_span(&was), buf_span(&is)))
		say_topic(d, p->filter, english, german, is.len > 0 ? text : "-");
	buf_free(&was);
	buf_free(&is);
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
	diff_listed(d, p, put_line, "responsible are now", "zuständig sind jetzt");
	diff_listed(d, p, put_approvers, "must be released by", "muss freigegeben werden von");
}

/* The rights of one node, which one of the versions may not know. */
static void
diff_node(struct diff *d, const struct place *p, const char *id)
{
	uint32_t was = agreement_node(d->old, id), is = agreement_node(d->next, id);
	bool read_old = p->old != NULL && rule_may_read(d->old, p->old, was), read_new = p->next != NULL && rule_may_read(d->next, p->next, is);
	bool publish_old = p->old != NULL && rule_may_publish(d->old, p->old, was), publish_new = p->next != NULL && rule_may_publish(d->next, p->next, is);

	if (!read_old && read_new)
		buf_printf(d->out, d->german ? "+ %s darf jetzt lesen: %s\n" : "+ %s may now read %s\n", id, p->filter);
	if (read_old && !read_new)
		buf_printf(d->out, d->german ? "- %s darf nicht mehr lesen: %s\n" : "- %s may no longer read %s\n", id, p->filter);
	if (!publish_old && publish_new)
		buf_printf(d->out, d->german ? "+ %s darf jetzt veröffentlichen auf: %s\n" : "+ %s may now publish on %s\n", id, p->filter);
	if (publish_old && !publish_new)
		buf_printf(d->out, d->german ? "- %s darf nicht mehr veröffentlichen auf: %s\n" : "- %s may no longer publish on %s\n", id, p->filter);
}

static void
diff_place(struct diff *d, const struct place *p)
{
	if (p->old == NULL)
		buf_printf(d->out, "+ %s %s %s, %s %s\n", p->filter, words(d, "is a new topic: schema", "ist ein neues Thema: Schema"),
		           payload_type_name(p->next->view.schema), words(d, "highest lane", "höchste Spur"), lane_name(p->next->view.lane));
	else if (p->next == NULL)
		say_name(d, '-', p->filter, "is no topic any more", "ist kein Thema mehr");
	else
		diff_rule(d, p);
	for (uint32_t i = 0; i < d->old->node_count; i++)
		diff_node(d, p, d->old->nodes[i].id);
	for (uint32_t i = 0; i < d->next->node_count; i++)
		if (agreement_node(d->old, d->next->nodes[i].id) == AGREEMENT_NOBODY)
			diff_node(d, p, d->next->nodes[i].id);
}

enum kw_err
agreement_diff(struct buf *out, const struct agreement *old, const struct agreement *next, bool german)
{
	struct diff d = {.out = out, .old = old, .next = next, .german = german};
	enum kw_err err = collect_places(&d);

	if (err == KW_OK) {
		diff_validity(&d);
		diff_committee(&d);
		diff_broker(&d);
		diff_partners(&d);
		diff_nodes(&d);
		for (size_t i = 0; i < d.place_count; i++)
			diff_place(&d, &d.places[i]);
		err = buf_ok(out) ? KW_OK : KW_ENOMEM;
	}
	free(d.places);
	return err;
}
