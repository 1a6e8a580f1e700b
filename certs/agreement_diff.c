/* agreement_diff: what a new version changes, in words: whom it names, the calendar; topics are agreement_diff_topics.c's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "certs/agreement_diff.h"

/* "~ who: what it is now" */
static void
say_text(struct diff *d, const char *english, const char *german, const char *text)
{
	buf_printf(d->out, "~ %s: %s\n", diff_words(d, english, german), text);
}

/* "+ name what has come" and "- name what is gone". */
static void
say_name(struct diff *d, char sign, const char *name, const char *english, const char *german)
{
	buf_printf(d->out, "%c %s %s\n", sign, name, diff_words(d, english, german));
}

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

static void
diff_holidays(struct diff *d, const struct agreement *all, const struct agreement *other, char sign, const char *english, const char *german)
{
	char text[TEXT_TIME_MAX];

	for (uint32_t i = 0; i < all->holiday_count; i++) {
		if (calendar_holiday(other, all->holidays[i]))
			continue;
		text_put_time_utc(text, (uint64_t)all->holidays[i] * DAY_MS);
		text[10] = '\0'; /* the day alone */
		say_name(d, sign, text, english, german);
	}
}

static void
diff_calendar(struct diff *d)
{
	char was[TEXT_TIME_MAX], is[TEXT_TIME_MAX], text[3 * TEXT_TIME_MAX];

	if (strcmp(d->old->time_zone, d->next->time_zone) != 0)
		say_text(d, "hours are now those of the time zone", "die Stunden sind jetzt die der Zeitzone", d->next->time_zone);
	diff_holidays(d, d->old, d->next, '-', "is no public holiday any more", "ist kein Feiertag mehr");
	diff_holidays(d, d->next, d->old, '+', "becomes a public holiday", "wird Feiertag");
	if (d->old->coordinator_within_ms == d->next->coordinator_within_ms)
		return;
	text_put_duration(was, d->old->coordinator_within_ms);
	text_put_duration(is, d->next->coordinator_within_ms);
	(void)snprintf(text, sizeof text, d->german ? "%s, vorher %s" : "%s, was %s", is, was);
	say_text(d, "the coordinator must take a matter on within", "die Koordination muss übernehmen binnen", text);
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
			buf_printf(d->out, "- %s %s: %s\n", old->id, diff_words(d, "is no longer committed to the purpose", "ist nicht mehr verpflichtet auf den Zweck"), old->purposes[i]);
	for (uint32_t i = 0; next != NULL && i < next->purpose_count; i++)
		if (!has_purpose(old, next->purposes[i]))
			buf_printf(d->out, "+ %s %s: %s\n", next->id, diff_words(d, "is now committed to the purpose", "ist jetzt verpflichtet auf den Zweck"), next->purposes[i]);
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
			buf_printf(d->out, "~ %s %s %s\n", next->id, diff_words(d, "is now of kind", "ist jetzt von der Art"), partner_kind_words[next->kind]);
		else if (strcmp(old->title, next->title) != 0)
			buf_printf(d->out, "~ %s %s: %s\n", next->id, diff_words(d, "has another title", "heißt jetzt"), next->title[0] != '\0' ? next->title : next->id);
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

enum kw_err
agreement_diff(struct buf *out, const struct agreement *old, const struct agreement *next, bool german)
{
	struct diff d = {.out = out, .old = old, .next = next, .german = german};
	enum kw_err err = diff_collect_places(&d);

	if (err == KW_OK) {
		diff_validity(&d);
		diff_calendar(&d);
		diff_committee(&d);
		diff_broker(&d);
		diff_partners(&d);
		diff_nodes(&d);
		diff_topics(&d);
		err = buf_ok(out) ? KW_OK : KW_ENOMEM;
	}
	free(d.places);
	return err;
}
