/* Signatures of an agreement, the chain of its versions, and what a new version changes in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "agreement_fixture.h"
#include "base/text.h"
#include "certs/agreement_chain.h"

/* One line each of the named, "mayor president". */
static struct buf
signed_by(const struct agreement *a, const struct agreement *previous, const char *names)
{
	struct buf out = BUF_INIT(KW_SIGNATURES_TEXT_MAX);
	struct kw_why why = {{0}};
	char list[200], *name, *rest = NULL;

	snprintf(list, sizeof list, "%s", names);
	for (name = strtok_r(list, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest))
		if (agreement_sign(&out, a, previous, fixture_key(name), &why) != KW_OK)
			fail_msg("%s: %s", name, why.text);
	return out;
}

/* The text of the version behind old: one edit, the version raised, previous set to old's hash (or to another's). */
static struct agreement *
successor(const struct agreement *old, const char *find, const char *replace)
{
	char hex[2 * KW_HASH_LEN + 1], head[160];
	struct buf edited = BUF_INIT(1u << 20);
	const char *at = find != NULL ? strstr(fixture_text, find) : NULL;
	struct agreement *a;

	text_put_hex(hex, span_of(agreement_hash(old), KW_HASH_LEN));
	snprintf(head, sizeof head, "version: %u\nprevious: \"b2:%s\"\n", agreement_version(old) + 1, hex);
	assert_true(find == NULL || at != NULL);
	buf_put(&edited, fixture_text, at != NULL ? (size_t)(at - fixture_text) : strlen(fixture_text));
	if (at != NULL) {
		buf_put_str(&edited, replace);
		buf_put_str(&edited, at + strlen(find));
	}
	a = fixture_agreement(buf_text(&edited), "version: 1\n", head);
	buf_free(&edited);
	return a;
}

static void
signatures_are_counted_by_member(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct agreement *wider = fixture_agreement(fixture_text, "threshold: 2\n  members: [", "threshold: 3\n  members: [{name: treasurer, key: \"%treasurer\"}, ");
	struct agreement_check check;
	struct kw_why why;
	struct buf sigs = signed_by(a, NULL, "mayor"), other;

	(void)state;
	assert_int_equal(agreement_count_signatures(&check, a, a, buf_span(&sigs), &why), KW_OK);
	assert_int_equal(check.valid, 1);
	assert_int_equal(check.threshold, 2);
	assert_int_equal(check.members, 3);
	assert_int_equal(agreement_verify_first(a, buf_span(&sigs), &why), KW_EDENIED);
	assert_string_equal(why.text, "version 1 of the agreement is signed by 1 of the 3 members that version 1 names, at least 2 must sign; missing: president, prosecutor");
	other = signed_by(a, NULL, "mayor mayor");
	buf_put_span(&sigs, buf_span(&other));
	buf_free(&other);
	assert_int_equal(agreement_count_signatures(&check, a, a, buf_span(&sigs), &why), KW_OK);
	assert_int_equal(check.valid, 1);
	assert_int_equal(check.repeated, 2);
	assert_int_equal(agreement_verify_first(a, buf_span(&sigs), &why), KW_EDENIED);
	/* the treasurer is a member of the other text alone */
	other = signed_by(wider, NULL, "treasurer");
	buf_put_span(&sigs, buf_span(&other));
	buf_free(&other);
	assert_int_equal(agreement_count_signatures(&check, a, a, buf_span(&sigs), &why), KW_OK);
	assert_int_equal(check.valid, 1);
	assert_int_equal(check.unknown, 1);
	assert_string_equal(check.unknown_name, "treasurer");
	assert_int_equal(agreement_verify_first(a, buf_span(&sigs), &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "; not counted, since no member: treasurer"));
	other = signed_by(a, NULL, "prosecutor");
	buf_put_str(&sigs, "\n\n");
	buf_put_span(&sigs, buf_span(&other));
	buf_free(&other);
	assert_int_equal(agreement_verify_first(a, buf_span(&sigs), &why), KW_OK);
	assert_int_equal(agreement_verify_first(a, span_of(sigs.p, sigs.len - 1), &why), KW_OK); /* without the last line end */
	assert_int_equal(agreement_verify_first(a, span_of(NULL, 0), &why), KW_EDENIED);
	buf_free(&sigs);
	agreement_free(&a);
	agreement_free(&wider);
}

static void
a_signature_under_another_text_is_told(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct agreement *b = fixture_agreement(fixture_text, "lane: routine", "lane: urgent ");
	struct buf sigs = signed_by(b, NULL, "mayor president");
	struct kw_why why;

	(void)state;
	assert_int_equal(agreement_verify_first(b, buf_span(&sigs), &why), KW_OK);
	assert_int_equal(agreement_verify_first(a, buf_span(&sigs), &why), KW_ECRYPTO);
	assert_non_null(strstr(why.text, "line 1 of the signatures: what \"mayor\" signed is not this text of version 1"));
	buf_free(&sigs);
	agreement_free(&a);
	agreement_free(&b);
}

static void
no_damaged_signature_counts(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct buf sigs = signed_by(a, NULL, "mayor president");
	struct agreement_check check;
	struct kw_why why;

	(void)state;
	for (size_t len = 0; len + 1 < sigs.len; len++)
		assert_int_not_equal(agreement_verify_first(a, span_of(sigs.p, len), &why), KW_OK);
	for (size_t at = 0; at < sigs.len; at++) {
		sigs.p[at] ^= 1;
		assert_int_not_equal(agreement_verify_first(a, buf_span(&sigs), &why), KW_OK);
		sigs.p[at] ^= 1;
	}
	assert_int_equal(agreement_verify_first(a, buf_span(&sigs), &why), KW_OK);
	buf_reset(&sigs);
	buf_put_str(&sigs, "mayor\n");
	assert_int_equal(agreement_count_signatures(&check, a, a, buf_span(&sigs), &why), KW_EPROTO);
	assert_non_null(strstr(why.text, "line 1 of the signatures is not"));
	buf_reset(&sigs);
	buf_put_str(&sigs, secret_keys_line(fixture_key("mayor")));
	buf_put_str(&sigs, " AAAA\n");
	assert_int_equal(agreement_count_signatures(&check, a, a, buf_span(&sigs), &why), KW_EPROTO);
	assert_non_null(strstr(why.text, "line 1 of the signatures ends in no signature"));
	buf_reset(&sigs);
	buf_put_str(&sigs, "\n\nkwnode1:AAAA AAAA\n");
	assert_int_not_equal(agreement_count_signatures(&check, a, a, buf_span(&sigs), &why), KW_OK);
	assert_memory_equal(why.text, "line 3 of the signatures: ", 26);
	buf_reset(&sigs);
	for (int i = 0; i < 5000; i++)
		buf_put_u8(&sigs, 'x');
	assert_int_equal(agreement_count_signatures(&check, a, a, buf_span(&sigs), &why), KW_EPROTO);
	assert_memory_equal(why.text, "line 1 of the signatures has 5000 bytes, at most ", 49);
	buf_free(&sigs);
	agreement_free(&a);
}

/* libsodium's decoder takes bytes beyond ASCII for the digit '_'; in UTF-8 "é" would be two of them. */
static void
a_signature_has_one_spelling(void **state)
{
	struct agreement *a = NULL;
	struct buf sigs = BUF_INIT(1000);
	struct agreement_check check;
	uint8_t *digit = NULL;
	char version[32];

	(void)state;
	for (unsigned days = 30; digit == NULL; days++) { /* until a signature has one */
		agreement_free(&a);
		buf_free(&sigs);
		(void)snprintf(version, sizeof version, "grace: %ud", days);
		a = fixture_agreement(fixture_text, "grace: 30d", version);
		sigs = signed_by(a, NULL, "mayor");
		digit = memchr(memchr(sigs.p, ' ', sigs.len), '_', (size_t)(sigs.p + sigs.len - (uint8_t *)memchr(sigs.p, ' ', sigs.len)));
	}
	assert_int_equal(agreement_count_signatures(&check, a, a, buf_span(&sigs), NULL), KW_OK);
	*digit = 0xC3;
	assert_int_equal(agreement_count_signatures(&check, a, a, buf_span(&sigs), NULL), KW_EPROTO);
	buf_free(&sigs);
	agreement_free(&a);
}

static void
too_many_signatures_are_refused(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct buf one = signed_by(a, NULL, "mayor"), many = BUF_INIT(1u << 20);
	struct agreement_check check;
	struct kw_why why;

	(void)state;
	for (unsigned i = 0; i < KW_SIGNATURES_MAX; i++)
		buf_put_span(&many, buf_span(&one));
	assert_int_equal(agreement_count_signatures(&check, a, a, buf_span(&many), &why), KW_OK);
	buf_put_span(&many, buf_span(&one));
	assert_int_equal(agreement_count_signatures(&check, a, a, buf_span(&many), &why), KW_ELIMIT);
	buf_reset(&many);
	for (unsigned i = 0; i <= KW_SIGNATURES_TEXT_MAX; i++)
		buf_put_u8(&many, '\n');
	assert_int_equal(agreement_count_signatures(&check, a, a, buf_span(&many), &why), KW_ELIMIT);
	buf_free(&many);
	buf_free(&one);
	agreement_free(&a);
}

static void
only_members_sign(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL), *b = successor(a, NULL, NULL);
	struct buf line = BUF_INIT(1000);
	struct kw_why why;

	(void)state;
	assert_int_equal(agreement_sign(&line, a, NULL, fixture_key("treasurer"), &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "\"treasurer\" with this key is no member of the steering committee, so"));
	assert_int_equal(agreement_sign(&line, b, a, fixture_key("treasurer"), &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "of this version or the one before"));
	assert_int_equal(agreement_sign(&line, a, NULL, fixture_key("police/control-room"), &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "is no steering key"));
	assert_int_equal(agreement_sign(&line, a, b, fixture_key("mayor"), &why), KW_EDENIED);
	assert_int_equal(line.len, 0);
	agreement_free(&a);
	agreement_free(&b);
}

/* */
static void
the_next_version_needs_both_committees(void **state)
{
	/* the president goes, the treasurer comes; two of three must sign in both */
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct agreement *b = successor(a, "{name: president, key: \"%president\"}", "{name: treasurer, key: \"%treasurer\"}");
	struct buf sigs;
	struct kw_why why;

	(void)state;
	sigs = signed_by(b, a, "mayor president");
	assert_int_equal(agreement_verify_next(a, b, buf_span(&sigs), &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "signed by 1 of the 3 members that version 2 names"));
	buf_free(&sigs);
	sigs = signed_by(b, a, "mayor treasurer");
	assert_int_equal(agreement_verify_next(a, b, buf_span(&sigs), &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "signed by 1 of the 3 members that version 1 names"));
	buf_free(&sigs);
	sigs = signed_by(b, a, "mayor treasurer president");
	assert_int_equal(agreement_verify_next(a, b, buf_span(&sigs), &why), KW_OK);
	buf_free(&sigs);
	sigs = signed_by(b, a, "mayor prosecutor");
	assert_int_equal(agreement_verify_next(a, b, buf_span(&sigs), &why), KW_OK);
	buf_free(&sigs);
	agreement_free(&a);
	agreement_free(&b);
}

/* */
static void
a_version_must_follow_the_one_before(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL), *b = successor(a, NULL, NULL), *c = successor(b, NULL, NULL);
	struct agreement *twin = fixture_agreement(fixture_text, "grace: 30d", "grace: 31d"), *renamed = successor(a, "partnership: musterstadt", "partnership: anderswo");
	struct agreement *wrong = successor(twin, NULL, NULL);
	struct kw_why why;
	struct span none = {NULL, 0};

	(void)state;
	assert_int_equal(agreement_verify_next(b, a, none, &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "version 2 is in force and versions only go up, so version 1 is refused; write version 3"));
	assert_int_equal(agreement_verify_next(a, twin, none, &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "versions only go up"));
	assert_int_equal(agreement_verify_next(a, c, none, &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "version 3 does not follow version 1"));
	assert_int_equal(agreement_verify_next(a, wrong, none, &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "\"previous\" of version 2 is not the hash of the text of version 1"));
	assert_int_equal(agreement_verify_next(a, renamed, none, &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "the partnership's name never changes: it is \"musterstadt\", but the new version says \"anderswo\""));
	agreement_free(&a);
	agreement_free(&b);
	agreement_free(&c);
	agreement_free(&twin);
	agreement_free(&renamed);
	agreement_free(&wrong);
}

static void
the_kind_never_changes_along_the_chain(void **state)
{
	static const char drill[] =
		"partnership: musterstadt\nversion: 2\nprevious: \"b2:%s\"\n"
		"valid: {from: 2026-12-01T00:00:00+01:00, until: 2027-12-01T00:00:00+01:00}\nkind: exercise\n"
		"steering: {threshold: 2, members: [{name: mayor, key: \"%%mayor\"}, {name: president, key: \"%%president\"}]}\n"
		"broker: {name: haus, endpoints: [\"tcp://[::1]:7411\"], key: \"%%drill-haus\"}\ncoordinator: police/control-room\n"
		"partners: [{id: police, kind: police, nodes: [{id: control-room, key: \"%%drill-police\"}]}, {id: a, kind: other, nodes: [{id: b, key: \"%%drill-a\"}]}]\n"
		"topics: [{filter: \"#\", schema: note, publish: [police], receive: [a]}]\n";
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL), *b;
	char hex[2 * KW_HASH_LEN + 1], text[2000];
	struct kw_why why;

	(void)state;
	text_put_hex(hex, span_of(agreement_hash(a), KW_HASH_LEN));
	snprintf(text, sizeof text, drill, hex);
	b = fixture_agreement(text, NULL, NULL);
	assert_int_equal(agreement_verify_next(a, b, span_of(NULL, 0), &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "the kind never changes: it is live, but the new version says exercise"));
	agreement_free(&a);
	agreement_free(&b);
}

static enum kw_err
add(struct agreement_chain *c, const struct agreement *a, const char *names, struct kw_why *why)
{
	struct agreement *again = NULL;
	struct buf sigs = signed_by(a, NULL, names);
	enum kw_err err;

	assert_int_equal(agreement_parse(&again, agreement_text(a), NULL, why), KW_OK);
	err = agreement_chain_newest(c) == NULL ? agreement_chain_add_first(c, &again, buf_span(&sigs), NULL, why)
	                                        : agreement_chain_add_next(c, &again, buf_span(&sigs), why);
	assert_true((again == NULL) == (err == KW_OK));
	agreement_free(&again);
	buf_free(&sigs);
	return err;
}

static void
the_chain_only_grows(void **state)
{
	struct agreement *v1 = fixture_agreement(fixture_text, NULL, NULL), *v2 = successor(v1, NULL, NULL), *v3 = successor(v2, NULL, NULL);
	struct agreement_chain *c = NULL;
	struct kw_why why;
	struct buf sigs = signed_by(v2, NULL, "mayor prosecutor");
	struct agreement *gone = v2;

	(void)state;
	assert_int_equal(agreement_chain_new(&c), KW_OK);
	assert_null(agreement_chain_newest(c));
	assert_int_equal(agreement_chain_add_next(c, &gone, buf_span(&sigs), &why), KW_ESTATE);
	assert_int_equal(add(c, v2, "mayor president", &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "version 2 cannot stand first without its fingerprint"));
	assert_int_equal(add(c, v1, "mayor", &why), KW_EDENIED);
	assert_int_equal(add(c, v1, "mayor president", &why), KW_OK);
	assert_int_equal(agreement_chain_add_first(c, &gone, buf_span(&sigs), NULL, &why), KW_ESTATE);
	assert_int_equal(add(c, v3, "mayor president", &why), KW_ENOTFOUND);
	assert_non_null(strstr(why.text, "version 3 cannot be checked before version 2 is here"));
	assert_int_equal(add(c, v2, "mayor", &why), KW_EDENIED);
	assert_int_equal(add(c, v2, "mayor prosecutor", &why), KW_OK);
	assert_int_equal(add(c, v2, "mayor president", &why), KW_EEXISTS);
	assert_int_equal(add(c, v3, "mayor president", &why), KW_OK);
	assert_int_equal(add(c, v1, "mayor president", &why), KW_EEXISTS);
	assert_string_equal(why.text, "version 1 is here already; in force is version 3");
	assert_int_equal(agreement_version(agreement_chain_newest(c)), 3);
	assert_int_equal(agreement_version(agreement_chain_oldest(c)), 1);
	assert_memory_equal(agreement_hash(agreement_chain_get(c, 2)), agreement_hash(v2), KW_HASH_LEN);
	assert_null(agreement_chain_get(c, 0));
	assert_null(agreement_chain_get(c, 4));
	assert_true(span_eq(agreement_chain_signatures(c, 2), buf_span(&sigs)));
	assert_int_equal(agreement_chain_signatures(c, 9).len, 0);
	agreement_chain_free(&c);
	buf_free(&sigs);
	agreement_free(&v1);
	agreement_free(&v2);
	agreement_free(&v3);
}

/* */
static void
a_second_successor_is_kept_as_evidence(void **state)
{
	struct agreement *v1 = fixture_agreement(fixture_text, NULL, NULL), *v2 = successor(v1, NULL, NULL), *v3 = successor(v2, NULL, NULL);
	struct agreement *other = successor(v1, "lane: routine", "lane: urgent"), *third = successor(v1, "lane: routine", "lane: flash");
	struct agreement *twin = fixture_agreement(fixture_text, "lane: routine", "lane: urgent"), *stray = successor(twin, NULL, NULL);
	struct agreement *elsewhere = fixture_agreement(fixture_text, "partnership: musterstadt", "partnership: anderswo");
	struct agreement_rival rival;
	struct agreement_chain *c = NULL;
	struct kw_why why;

	(void)state;
	assert_int_equal(agreement_chain_new(&c), KW_OK);
	assert_int_equal(add(c, v1, "mayor president", &why), KW_OK);
	assert_int_equal(add(c, v2, "mayor president", &why), KW_OK);
	assert_int_equal(add(c, v3, "mayor president", &why), KW_OK);
	assert_int_equal(add(c, other, "mayor", &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "version 2 is here already with another text, and version 3 is in force; versions only go up, write version 4"));
	assert_false(agreement_chain_evidence(c, &rival));
	assert_int_equal(add(c, other, "mayor prosecutor", &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "a second successor: version 2 is here already"));
	assert_true(agreement_chain_evidence(c, &rival));
	assert_int_equal(rival.version, 2);
	assert_true(span_eq(rival.text, agreement_text(other)));
	assert_true(rival.sigs.len > 0);
	assert_int_equal(add(c, third, "mayor prosecutor", &why), KW_EDENIED);
	assert_true(agreement_chain_evidence(c, &rival));
	assert_true(span_eq(rival.text, agreement_text(other)));
	assert_memory_equal(agreement_hash(agreement_chain_get(c, 2)), agreement_hash(v2), KW_HASH_LEN);
	agreement_chain_free(&c);
	/* signed by all, but it follows another version 1: nobody could have taken it for the next */
	assert_int_equal(agreement_chain_new(&c), KW_OK);
	assert_int_equal(add(c, v1, "mayor president", &why), KW_OK);
	assert_int_equal(add(c, v2, "mayor president", &why), KW_OK);
	assert_int_equal(add(c, stray, "mayor president prosecutor", &why), KW_EDENIED);
	assert_false(agreement_chain_evidence(c, &rival));
	assert_int_equal(add(c, elsewhere, "mayor president prosecutor", &why), KW_EDENIED);
	assert_false(agreement_chain_evidence(c, &rival));
	agreement_chain_free(&c);
	/* a second first, which no version before can judge */
	assert_int_equal(agreement_chain_new(&c), KW_OK);
	assert_int_equal(add(c, v1, "mayor president", &why), KW_OK);
	assert_int_equal(add(c, twin, "mayor", &why), KW_EDENIED);
	assert_false(agreement_chain_evidence(c, &rival));
	assert_int_equal(add(c, twin, "president prosecutor", &why), KW_EDENIED);
	assert_true(agreement_chain_evidence(c, &rival));
	agreement_chain_free(&c);
	agreement_free(&v1);
	agreement_free(&v2);
	agreement_free(&v3);
	agreement_free(&other);
	agreement_free(&third);
	agreement_free(&stray);
	agreement_free(&elsewhere);
	agreement_free(&twin);
}

static void
the_first_is_pinned_by_its_fingerprint(void **state)
{
	struct agreement *v1 = fixture_agreement(fixture_text, NULL, NULL), *v2 = successor(v1, NULL, NULL), *v3 = successor(v2, NULL, NULL);
	char is[KEY_FINGERPRINT_MAX], other[KEY_FINGERPRINT_MAX], lower[KEY_FINGERPRINT_MAX];
	struct agreement_chain *c = NULL;
	struct buf sigs = signed_by(v2, NULL, "mayor president");
	struct kw_why why;
	size_t n = 0;

	(void)state;
	agreement_fingerprint(is, v2);
	assert_int_equal(strlen(is), 39);
	agreement_fingerprint(other, v1);
	for (size_t i = 0; is[i] != '\0'; i++)
		if (is[i] != ' ')
			lower[n++] = (char)(is[i] >= 'A' && is[i] <= 'F' ? is[i] + 32 : is[i]);
	lower[n] = '\0';
	assert_int_equal(agreement_chain_new(&c), KW_OK);
	assert_int_equal(agreement_chain_add_first(c, &v2, buf_span(&sigs), other, &why), KW_EDENIED);
	assert_non_null(strstr(why.text, other));
	assert_int_equal(agreement_chain_add_first(c, &v2, buf_span(&sigs), "", &why), KW_EDENIED);
	lower[n - 1] = '\0';
	assert_int_equal(agreement_chain_add_first(c, &v2, buf_span(&sigs), lower, &why), KW_EDENIED);
	lower[n - 1] = (char)(is[38] >= 'A' && is[38] <= 'F' ? is[38] + 32 : is[38]);
	assert_non_null(v2);
	assert_int_equal(agreement_chain_add_first(c, &v2, buf_span(&sigs), lower, &why), KW_OK);
	assert_null(v2);
	assert_int_equal(add(c, v1, "mayor president", &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "versions only go up"));
	assert_int_equal(add(c, v3, "mayor president", &why), KW_OK);
	agreement_chain_free(&c);
	buf_free(&sigs);
	agreement_free(&v1);
	agreement_free(&v3);
}

/* Both must be lines of the diff from the fixture's text to the edited one; count: how many lines there are, 0: any. */
struct change {
	const char *find, *replace, *english, *german;
	unsigned lines;
};

static const struct change changes[] = {
	{NULL, NULL, "", "", 0},
	{"receive: [police, city, youth-house]", "receive: [police, city]", "- youth-house/office may no longer read alert/#\n", "- youth-house/office darf nicht mehr lesen: alert/#\n", 1},
	{"receive: [police, city, youth-house]", "receive: [police, city, civil]", "", "", 0},
	{"purposes: [care]", "purposes: [care, danger-prevention]", "+ shelter/desk may now read alert/flood/#\n", "+ shelter ist jetzt verpflichtet auf den Zweck: danger-prevention\n", 2},
	{"publish: [youth-house], receive", "publish: [youth-house, shelter], receive", "+ shelter/desk may now publish on +/report\n", "+ shelter/desk darf jetzt veröffentlichen auf: +/report\n", 1},
	{"publish: [youth-house], receive", "publish: [shelter], receive", "- youth-house/office may no longer publish on +/report\n", "- youth-house/office darf nicht mehr veröffentlichen auf: +/report\n", 2},
	{"lane: routine", "lane: flash", "~ +/report: the highest lane is flash, was routine\n", "~ +/report: die höchste Spur ist flash, vorher routine\n", 2},
	{"schema: report", "schema: note", "~ +/report: the schema is note, was report\n", "~ +/report: das Schema ist note, vorher report\n", 1},
	{"keep: {content: 14d, proof: 2y}", "keep: {content: 7d, proof: 3y}", "~ alert/#: content is kept for 7 d 0 h, was 14 d 0 h\n~ alert/#: proof is kept for 1095 d 0 h, was 730 d 0 h\n",
	 "~ alert/#: Inhalte werden aufbewahrt: 7 d 0 h, vorher 14 d 0 h\n", 2},
	{"take_within: 5m", "take_within: 6m", "~ request/noise/#: responsible are now city/public-order Mo-Su 06:00-22:00 (10 min); police/control-room (6 min)\n",
	 "~ request/noise/#: zuständig sind jetzt city/", 1},
	{"hours: \"Mo-Su 06:00-22:00\", take_within: 10m", "hours: \"Mo,Tu 06:00-12:00,13:00-22:00; Th-Su 06:00-22:00; PH off\", area: {level: 3, is: [mitte, west]}, deputies: [city/crime-prevention], take_within: 10m",
	 "~ request/noise/#: responsible are now city/public-order Mo,Tu 06:00-12:00,13:00-22:00; Th-Su 06:00-22:00; PH off, level 3: mitte west, deputies: city/crime-prevention (10 min); police/control-room (5 min)\n"
	 "+ city/crime-prevention is now responsible for request/noise/#\n",
	 "PH off, Ebene 3: mitte west, Vertretung: city/crime-prevention (10 min); police/control-room (5 min)\n+ city/crime-prevention ist jetzt zuständig für: request/noise/#\n", 2},
	{"      - {who: city/public-order, hours: \"Mo-Su 06:00-22:00\", take_within: 10m}\n", "",
	 "- city/public-order is no longer responsible for request/noise/#\n", "- city/public-order ist nicht mehr zuständig für: request/noise/#\n", 2},
	{"topics:\n", "time_zone: Europe/London\ntopics:\n", "~ hours are now those of the time zone: Europe/London\n", "~ die Stunden sind jetzt die der Zeitzone: Europe/London\n", 1},
	{"topics:\n", "time_zone: Europe/Berlin\ntopics:\n", "", "", 0},
	{"topics:\n", "holidays: [2027-05-01, 2026-12-25]\ntopics:\n", "+ 2026-12-25 becomes a public holiday\n+ 2027-05-01 becomes a public holiday\n", "+ 2027-05-01 wird Feiertag\n", 2},
	{"topics:\n", "coordinator_within: 30m\ntopics:\n", "~ the coordinator must take a matter on within: 30 min, was 15 min\n", "~ die Koordination muss übernehmen binnen: 30 min, vorher 15 min\n", 1},
	{"    responsible:\n", "    on_change: move\n    responsible:\n", "~ request/noise/#: open cases, when the agreement changes, are offered anew\n",
	 "~ request/noise/#: offene Vorgänge, wenn die Vereinbarung sich ändert, werden neu angeboten\n", 1},
	{"    responsible:\n", "    on_change: keep\n    responsible:\n", "", "", 0},
	{"lane: flash,", "lane: flash, acknowledge: {by: [police, youth-house], within: 30m},", "~ alert/#: must be acknowledged by police, youth-house, within 30 min\n",
	 "~ alert/#: muss zur Kenntnis genommen werden von police, youth-house, binnen 30 min\n", 1},
	{"lane: flash,", "lane: flash, reason: required,", "~ alert/#: whoever publishes or reads must say why: yes\n", "~ alert/#: wer veröffentlicht oder liest, muss sagen, warum: ja\n", 1},
	{"lane: flash,", "lane: flash, reason: optional,", "", "", 0},
	{"lane: flash,", "lane: flash, onward: [youth-house],", "+ youth-house/office may now get onward what is on alert/#\n", "+ youth-house/office darf jetzt weitergeleitet bekommen: alert/#\n", 1},
	{"topics:\n", "topics:\n  - {filter: \"new/#\", schema: note, publish: [police], receive: [city], responsible: [{who: city/public-order, take_within: 1h}]}\n",
	 "~ new/#: responsible are now city/public-order (1 h 00 min)\n", "+ city/public-order ist jetzt zuständig für: new/#\n", 0},
	{"publish: [police, city], receive: [\"*\"], release: {approve: [police, city]}", "publish: [city], receive: [\"*\"], release: {approve: [police]}",
	 "~ statement/#: must be released by police\n", "~ statement/#: muss freigegeben werden von police\n", 2},
	{"coordinator: city/crime-prevention", "coordinator: city/public-order", "~ the coordinator is now: city/public-order\n", "~ die Koordination hat jetzt: city/public-order\n", 1},
	{"[\"tcp://broker.example.org:7411\"]", "[\"tcp://192.0.2.1:7411\", \"tcp://broker.example.org:7411\"]", "+ tcp://192.0.2.1:7411 becomes an endpoint of the broker\n",
	 "+ tcp://192.0.2.1:7411 wird eine Adresse des Vermittlers\n", 1},
	{"key: \"%police/control-room\"", "key: \"%new-police\"", "~ police/control-room has another key\n", "~ police/control-room hat einen anderen Schlüssel\n", 1},
	{"{id: control-room,", "{id: second, key: \"%police/second\"}, {id: control-room,", "+ police/second becomes a node\n", "+ police/second darf jetzt lesen: alert/#\n", 9},
	{"operators: [{name: night-desk, key: \"%night-desk\"}]\n", "", "- night-desk is no operator any more\n", "- night-desk ist kein Betreiber mehr\n", 1},
	{"{name: president, key: \"%president\"}", "{name: treasurer, key: \"%treasurer\"}", "- president leaves the steering committee\n+ treasurer joins the steering committee\n",
	 "- president verlässt das Lenkungsgremium\n+ treasurer kommt in das Lenkungsgremium\n", 2},
	{"threshold: 2", "threshold: 3", "~ members who must sign: 3, was 2\n", "~ Mitglieder, die unterschreiben müssen: 3, vorher 2\n", 1},
	{"until: 2027-12-01", "until: 2028-12-01", "~ valid: 2026-11-30T23:00:00Z until 2028-11-30T23:00:00Z, grace 30 d 0 h\n", "~ gültig: 2026-11-30T23:00:00Z bis 2028", 1},
	{"  - {id: shelter, kind: civil, purposes: [care], nodes: [{id: desk, key: \"%shelter/desk\"}]}\n", "", "- shelter is no partner any more\n- shelter/desk is no node any more\n", "- shelter ist kein Partner mehr\n", 3},
	/* a rule put before another takes its topics away: that shows as the rights that change there */
	{"topics:\n", "topics:\n  - {filter: \"alert/+/inner\", schema: alert, publish: [police], receive: [city]}\n",
	 "- youth-house/office may no longer read alert/+/inner\n", "- city/public-order darf nicht mehr veröffentlichen auf: alert/+/inner\n", 0},
	{"topics:\n", "topics:\n  - {filter: \"new/#\", schema: note, lane: routine, publish: [police], receive: [city]}\n",
	 "+ new/# is a new topic: schema note, highest lane routine\n+ city/crime-prevention may now read new/#\n", "+ new/# ist ein neues Thema: Schema note, höchste Spur routine\n", 0},
	{"  - {filter: \"+/report\", schema: report, publish: [youth-house], receive: [police], lane: routine, keep: {content: 2y}}\n", "",
	 "- +/report is no topic any more\n- police/control-room may no longer read +/report\n- youth-house/office may no longer publish on +/report\n", "- +/report ist kein Thema mehr\n", 3},
};

static unsigned
lines_of(const char *text)
{
	unsigned n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static void
a_new_version_is_told_in_words(void **state)
{
	struct agreement *old = fixture_agreement(fixture_text, NULL, NULL), *next;
	struct buf out = BUF_INIT(1u << 16);

	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		const struct change *c = &changes[i];

		next = successor(old, c->find, c->replace);
		for (unsigned german = 0; german < 2; german++) {
			const char *wanted = german ? c->german : c->english, *text;

			buf_reset(&out);
			assert_int_equal(agreement_diff(&out, old, next, german != 0), KW_OK);
			text = buf_text(&out);
			if (wanted[0] == '\0' ? out.len != 0 : strstr(text, wanted) == NULL)
				fail_msg("%s\n  gave\n%s  not\n%s", c->replace, text, wanted);
			if (c->lines != 0 && lines_of(text) != c->lines)
				fail_msg("%s\n  gave %u lines, not %u\n%s", c->replace, lines_of(text), c->lines, text);
		}
		agreement_free(&next);
	}
	buf_free(&out);
	agreement_free(&old);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_are_counted_by_member),
		cmocka_unit_test(a_signature_under_another_text_is_told),
		cmocka_unit_test(no_damaged_signature_counts),
		cmocka_unit_test(a_signature_has_one_spelling),
		cmocka_unit_test(too_many_signatures_are_refused),
		cmocka_unit_test(only_members_sign),
		cmocka_unit_test(the_next_version_needs_both_committees),
		cmocka_unit_test(a_version_must_follow_the_one_before),
		cmocka_unit_test(the_kind_never_changes_along_the_chain),
		cmocka_unit_test(the_chain_only_grows),
		cmocka_unit_test(a_second_successor_is_kept_as_evidence),
		cmocka_unit_test(the_first_is_pinned_by_its_fingerprint),
		cmocka_unit_test(a_new_version_is_told_in_words),
	};

	return cmocka_run_group_tests(tests, fixture_make_keys, fixture_free_keys);
}
