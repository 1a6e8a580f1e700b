/* The agreement: what its text may not be, and what it answers. The answer that nobody wrote down is no. */
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
#include "certs/agreement_parts.h"
#include "certs/agreement_why.h"
#include "proto/seal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOUR_MS (3600ull * 1000)

static uint64_t
ms(const char *time)
{
	uint64_t out = 0;

	assert_int_equal(text_time_ms(&out, time, "time", NULL), KW_OK);
	return out;
}

static void
a_good_text_is_read_whole(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	const struct agreement_topic *t;
	struct buf text;
	uint8_t hash[KW_HASH_LEN];

	(void)state;
	fixture_expand(&text, fixture_text, NULL, NULL);
	assert_true(span_eq(agreement_text(a), buf_span(&text)));
	crypto_generichash(hash, sizeof hash, text.p, text.len, NULL, 0);
	assert_memory_equal(agreement_hash(a), hash, KW_HASH_LEN);
	buf_free(&text);
	assert_string_equal(agreement_partnership(a), "musterstadt");
	assert_int_equal(agreement_version(a), 1);
	assert_int_equal(agreement_mode(a), MODE_LIVE);
	assert_string_equal(agreement_coordinator(a), "city/crime-prevention");
	assert_int_equal(agreement_endpoint_count(a), 1);
	assert_string_equal(agreement_endpoint(a, 0), "tcp://broker.example.org:7411");
	assert_string_equal(agreement_broker(a)->name, "haus");
	assert_int_equal(agreement_node_count(a), 5);
	assert_string_equal(agreement_node_id(a, 0), "city/crime-prevention");
	assert_string_equal(agreement_node_id(a, 2), "police/control-room");
	assert_string_equal(agreement_node_title(a, 2), "Police headquarters");
	assert_string_equal(agreement_node_title(a, 0), "city");
	assert_string_equal(agreement_node_partner(a, 4), "youth-house");
	assert_memory_equal(agreement_node_key(a, 4)->seal_pk, secret_keys_public(fixture_key("youth-house/office"))->seal_pk, KW_KEY_LEN);
	assert_int_equal(agreement_topic_count(a), 5);
	t = agreement_topic_at(a, 1);
	assert_string_equal(t->filter, "alert/#");
	assert_int_equal(t->schema, PAYLOAD_ALERT);
	assert_int_equal(t->lane, LANE_FLASH);
	assert_int_equal(t->keep_content_ms, 14 * DAY_MS);
	assert_int_equal(t->keep_proof_ms, 730 * DAY_MS);
	assert_int_equal(t->deliver_within_ms, 3 * 60 * 1000);
	assert_int_equal(t->line, 18);
	assert_false(t->has_release || t->has_responsible);
	t = agreement_topic_at(a, 2);
	assert_true(t->has_responsible);
	assert_int_equal(t->lane, LANE_URGENT);
	assert_int_equal(t->deliver_within_ms, HOUR_MS);
	assert_true(agreement_topic_at(a, 3)->has_release);
	assert_int_equal(agreement_topic_at(a, 4)->keep_proof_ms, 730 * DAY_MS);
	agreement_free(&a);
	assert_null(a);
}

static const struct refusal {
	const char *find, *replace, *sentence;
} refusals[] = {
	/* head */
	{"partnership: musterstadt", "partnerschip: musterstadt", "line 1: unknown key \"partnerschip\" in the agreement, did you mean \"partnership\"?"},
	{"partnership: musterstadt", "partnership: Musterstadt", "line 1: partnership \"Musterstadt\" must begin with a small letter, a-z"},
	{"partnership: musterstadt\n", "", "the agreement lacks \"partnership\""},
	{"version: 1\n", "", "lacks \"version\""},
	{"version: 1\n", "version: 0\n", "line 2: version is 0, must be from 1"},
	{"version: 1\n", "version: one\n", "line 2: version is \"one\", must be a whole number"},
	{"version: 1\n", "version: 1\nversion: 1\n", "line 3: the key \"version\" stands here a second time"},
	{"version: 1\n", "version: &v 1\n", "line 2: the anchor &v"},
	{"version: 1\n", "version: 2\n", "version 2 lacks \"previous\", the hash of version 1's text"},
	{"version: 1\n", "version: 1\nprevious: \"b2:00\"\n", "line 3: version 1 has no \"previous\""},
	{"version: 1\n", "version: 2\nprevious: \"b2:00\"\n", "line 3: previous is \"b2:00\", must be \"b2:\" and the 64 hex digits of the hash of version 1"},
	{"version: 1\n", "version: 2\nprevious: \"0000000000000000000000000000000000000000000000000000000000000000\"\n", "line 3: previous is"},
	{"until: 2027-12-01", "until: 2026-11-30", "line 3: until is not later than from"},
	{"until: 2027-12-01T00:00:00+01:00", "until: 2026-12-01T00:00:00+01:00", "line 3: until is not later than from"},
	{"until: 2027-12-01T00:00:00+01:00", "until: tomorrow", "line 3: until is \"tomorrow\", must be a time as"},
	{"grace: 30d", "grace: 91d", "line 3: grace is 91d"},
	{"grace: 30d", "grace: thirty", "line 3: grace is \"thirty\""},
	{"grace: 30d", "grade: 30d", "line 3: unknown key \"grade\" in valid, did you mean \"grace\"?"},
	{"kind: live\n", "kind: life\n", "line 4: kind is \"life\", must be one of: live, exercise; did you mean \"live\"?"},
	{"kind: live\n", "kind: [live]\n", "line 4: \"kind\" of the agreement is a list, as [a, b], must be one value"},
	/* committee */
	{"threshold: 2", "threshold: 1", "line 6: threshold is 1, half of the 3 members or less; more than half must sign, write 2 at least"},
	{"threshold: 2", "threshold: 4", "line 6: threshold is 4, but the committee has only 3 members"},
	{"threshold: 2", "threshold: 0", "line 6: threshold is 0"},
	{", {name: prosecutor, key: \"%prosecutor\"}]", "]\n  x: 1", "line 8: unknown key \"x\" in steering"},
	{", {name: prosecutor, key: \"%prosecutor\"}]", ", {name: prosecutor, key: \"%prosecutor\"}, {name: treasurer, key: \"%treasurer\"}]",
	 "line 6: threshold is 2, half of the 4 members or less"},
	{"{name: president, key: \"%president\"}", "{name: mayor, key: \"%mayor\"}", "line 7: the member \"mayor\" stands here a second time"},
	{"{name: president, key: \"%president\"}", "{name: president, key: \"%mayor\"}", "line 7: the key is that of \"mayor\", but stands at \"president\""},
	{"{name: president, key: \"%president\"}", "{name: president, key: \"%haus\"}", "line 7: "},
	{"{name: president, key: \"%president\"}", "{name: president, key: \"kwsteer1:AAAA\"}", "line 7: "},
	{"{name: president, key: \"%president\"}", "{name: president}", "line 7: member lacks \"key\""},
	{"members: [", "members: [1, ", "line 7: member must be keys with values"},
	/* broker */
	{"tcp://broker", "udp://broker", "line 8: the endpoint \"udp://broker.example.org:7411\" must be tcp://host:port"},
	{":7411", "", "line 8: the endpoint \"tcp://broker.example.org\" must be tcp://host:port"},
	{":7411", ":0", "line 8: the endpoint"},
	{":7411", ":65536", "line 8: the endpoint"},
	{"broker.example.org", "*", "line 8: the endpoint \"tcp://*:7411\" must be"},
	{"broker.example.org", "[::1", "line 8: the endpoint \"tcp://[::1:7411\" must be"},
	{"broker.example.org", "[]", "line 8: the endpoint \"tcp://[]:7411\" must be"},
	{"broker.example.org", "a/b", "line 8: the endpoint \"tcp://a/b:7411\" must be"},
	{"broker.example.org", "", "line 8: the endpoint \"tcp://:7411\" must be"},
	{"[\"tcp://broker.example.org:7411\"]", "[\"tcp://a:1\", \"tcp://a:1\"]", "line 8: the endpoint tcp://a:1 stands here twice"},
	{"[\"tcp://broker.example.org:7411\"]", "[]", "line 8: \"endpoints\" of broker is empty"},
	{"[\"tcp://broker.example.org:7411\"]", "[[a]]", "line 8: the endpoint \"\" must be"},
	{"%haus", "%drill-haus", "line 8: the key of \"haus\" was made for exercise, but the agreement's kind is live"},
	{"{name: haus", "{name: house", "line 8: the key is that of \"haus\", but stands at \"house\""},
	/* coordinator, operators */
	{"coordinator: city/crime-prevention", "coordinator: city/crime-prevenion",
	 "line 9: the coordinator \"city/crime-prevenion\" is no node of this agreement; write one as partner/node, did you mean \"city/crime-prevention\"?"},
	{"coordinator: city/crime-prevention", "coordinator: city", "line 9: the coordinator \"city\" is no node"},
	{"%night-desk", "%drill-desk", "line 10: the key of \"night-desk\" was made for exercise"},
	{"{name: night-desk, key: \"%night-desk\"}", "{name: night-desk, key: \"%police/control-room\"}", "line 10: the key is that of \"police/control-room\""},
	/* partners */
	{"kind: police", "kind: polite", "line 12: kind is \"polite\", must be one of: police, city, civil, justice, health, fire, school, other; did you mean \"police\"?"},
	{"id: control-room", "id: control_room", "line 12: id \"control_room\" may hold only a-z, 0-9 and -"},
	{"id: police, kind", "id: city, kind", "line 12: the key is that of \"police/control-room\", but stands at \"city/control-room\""},
	{"id: city, kind: city", "id: police, kind: city", "line 13: the partner \"police\" stands here a second time, first in line 12"},
	{"{id: crime-prevention, key: \"%city/crime-prevention\"}", "{id: public-order, key: \"%city/public-order\"}",
	 "line 13: the node \"city/public-order\" stands here a second time, first in line 13"},
	{"kind: city, nodes", "kind: police, nodes", "line 12: the partner \"police\" is called as a kind of partners, and others would be meant"},
	{"kind: city, nodes", "kind: other, nodes", "line 13: the partner \"city\" is called as a kind"},
	{"%police/control-room", "%drill-police", "line 12: the key of \"police/control-room\" was made for exercise"},
	{"title: \"Police headquarters\"", "purposes: [care]", "line 12: partner police is of kind police and commits to no purposes"},
	{"Police headquarters", "1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890",
	 "line 12: the title of partner police has 130 bytes, at most 127 are allowed"},
	{"purposes: [care]", "purposes: [care, care]", "line 15: the purpose \"care\" stands here twice"},
	{"purposes: [care]", "purposes: [\"*\"]", "line 15: the purpose \"*\" must begin with a small letter"},
	{"nodes: [{id: desk, key: \"%shelter/desk\"}]", "nodes: []", "line 15: \"nodes\" of partner shelter is empty"},
	{", nodes: [{id: desk, key: \"%shelter/desk\"}]", "", "line 15: partner shelter lacks \"nodes\""},
	{"{id: desk, key: \"%shelter/desk\"}", "{id: desk, kay: \"%shelter/desk\"}", "line 15: unknown key \"kay\" in a node of shelter, did you mean \"key\"?"},
	{"{id: desk, key: \"%shelter/desk\"}", "{id: desk, key: \"kwnode1:\"}", "line 15: "},
	{"{id: desk, key: \"%shelter/desk\"}", "{id: desk, key: \"%mayor\"}", "line 15: "},
	/* topics */
	{"topics:\n", "topics: []\nx:\n", "line 17: unknown key \"x\""},
	{"filter: \"alert/flood/#\"", "filter: \"alert//#\"", "line 17: the filter \"alert//#\" has an empty level"},
	{"filter: \"alert/flood/#\"", "filter: \"alert/flood#\"", "line 17: the filter \"alert/flood#\": # must be the whole last level"},
	{"filter: \"alert/flood/#\"", "filter: \"#\"", "line 18: the topic alert/# is never reached, since # in line 17 stands before it"},
	{"filter: \"alert/flood/#\"", "filter: \"alert/#\"", "line 18: the topic alert/# is never reached, since alert/# in line 17"},
	{"filter: \"+/report\"", "filter: \"alert/+/report\"", "line 28: the topic alert/+/report is never reached, since alert/# in line 18"},
	{"schema: report", "schema: reports", "line 28: schema is \"reports\", must be one of: alert, request, report, statement, feedback, document, note; did you mean \"report\"?"},
	{"schema: report", "schema: void", "line 28: schema is \"void\""},
	{"schema: report", "schema: none", "line 28: schema is \"none\""},
	{"schema: report, ", "", "line 28: topic +/report lacks \"schema\""},
	{"receive: [police], lane", "recieve: [police], lane", "line 28: unknown key \"recieve\" in a topic, did you mean \"receive\"?"},
	{"receive: [police], lane", "receive: [polise], lane", "line 28: \"polise\" in \"receive\" of topic +/report is no partner's id and no kind of partners, did you mean \"police\"?"},
	{"receive: [police], lane", "receive: [police, police], lane", "line 28: \"police\" stands twice in \"receive\""},
	{"receive: [police], lane", "receive: [], lane", "line 28: \"receive\" of topic +/report is empty"},
	{"receive: [police], lane", "receive: police, lane", "line 28: \"receive\" of topic +/report is \"police\", must be a list"},
	{"receive: [police], lane", "receive: [justice], lane", "line 28: nobody reads topic +/report"},
	{"receive: [police], lane", "receive: [youth-house], purpose: danger-prevention, lane", "line 28: only youth-house/office reads topic +/report and only it publishes"},
	{"receive: [police], lane", "receive: [civil], lane", "line 28: topic +/report names civil partners as readers but no purpose"},
	{"receive: [police], lane", "receive: [shelter], lane", "line 28: topic +/report names civil partners as readers but no purpose"},
	{"receive: [police], lane", "receive: [police, shelter], purpose: danger-prevention, lane",
	 "line 28: shelter is to read topic +/report but has not committed to its purpose \"danger-prevention\""},
	{"receive: [police], lane", "receive: [civil], purpose: fun, lane", "line 28: nobody reads topic +/report"},
	{"publish: [youth-house], receive", "publish: [fire], receive", "line 28: nobody may publish on topic +/report"},
	{"publish: [youth-house], receive", "receive", "line 28: topic +/report lacks \"publish\""},
	{"publish: [youth-house], receive", "publish: [[a]], receive", "line 28: \"\" in \"publish\" of topic +/report is no partner's id"},
	{"lane: routine", "lane: slow", "line 28: lane is \"slow\", must be one of: flash, urgent, routine"},
	{"keep: {content: 2y}", "keep: {content: 2y, proof: 1y}", "line 28: proof of keep of topic +/report is kept shorter than content"},
	{"keep: {content: 2y}", "keep: {contents: 2y}", "line 28: unknown key \"contents\" in keep of topic +/report, did you mean \"content\"?"},
	{"keep: {content: 2y}", "keep: {content: 11y}", "line 28: keep.content is 11y"},
	{"keep: {content: 2y}", "keep: {content: 30s}", "line 28: keep.content is 30s"},
	{"keep: {content: 2y}", "confirm: true", "line 28: unknown key \"confirm\" in a topic"},
	{"deliver_within: 3m", "deliver_within: 3", "line 19: deliver_within is \"3\""},
	{"purpose: danger-prevention, publish: [police, city]", "purpose: \"Danger\", publish: [police, city]", "line 18: purpose \"Danger\" must begin"},
	/* responsible */
	{"who: city/public-order", "who: city/public-oder", "line 25: \"city/public-oder\" is to be responsible for topic request/noise/# but is no node of this agreement, did you mean \"city/public-order\"?"},
	{"who: city/public-order", "who: youth-house/office", "line 25: youth-house/office is to be responsible for topic request/noise/# but may not read it"},
	{"Mo-Su 06:00-22:00", "Mo-So 06:00-22:00", "line 25: hours is \"Mo-So 06:00-22:00\", must be days and times as"},
	{"Mo-Su 06:00-22:00", "Mo-Su 6:00-22:00", "line 25: hours is"},
	{"Mo-Su 06:00-22:00", "Mo-Su 06:00-24:01", "line 25: hours is"},
	{"Mo-Su 06:00-22:00", "Mo-Su 06.00-22:00", "line 25: hours is"},
	{"Mo-Su 06:00-22:00", "Mo-Su 06:0:-22:00", "line 25: hours is"},
	{"Mo-Su 06:00-22:00", "Mo-Su 06:00", "line 25: hours is"},
	{"Mo-Su 06:00-22:00", "Mo-Su 06:60-22:00", "line 25: hours is"},
	{"Mo-Su 06:00-22:00", "Mo-Su 06:00-06:00", "line 25: hours is"},
	{"Mo-Su 06:00-22:00", "Mo,Mo 06:00-22:00", "line 25: hours is"},
	{"Mo-Su 06:00-22:00", "Mo 06:00-22:00, Tu 06:00-22:00", "line 25: hours is \"Mo 06:00-22:00, Tu 06:00-22:00\", but behind a rule"},
	{"Mo-Su 06:00-22:00", "Mo 06:00-07:00; ", "line 25: hours is"},
	{", take_within: 5m", "", "line 26: a line of responsible lacks \"take_within\""},
	{", take_within: 5m", ", take_within: soon", "line 26: take_within is \"soon\""},
	{", take_within: 5m", ", take_within: 14d", "line 25: the line of topic request/noise/# takes longer to go through than keep.content lasts"},
	{", take_within: 5m", ", take_in: 5m", "line 26: unknown key \"take_in\" in a line of responsible"},
	{"    receive: [police, city]\n", "    receive: [police]\n", "line 25: city/public-order is to be responsible for topic request/noise/# but may not read it"},
	{"coordinator: city/crime-prevention", "coordinator: youth-house/office",
	 "line 25: the coordinator youth-house/office takes at last what is responsible for topic request/noise/#, but may not read it"},
	/* release */
	{"release: {approve: [police, city]}", "release: {approve: [police, citty]}", "line 27: \"citty\" in \"approve\" of topic statement/# is no partner's id"},
	{"release: {approve: [police, city]}", "release: {}", "line 27: \"release\" of topic statement/# is empty"},
	{"receive: [\"*\"], release: {approve: [police, city]}", "receive: [police], release: {approve: [police, city]}", "line 27: city is to approve on topic statement/# but may not read it"},
	{"release: {approve: [police, city]}", "release: {approve: [police]}", "line 27: nobody but police is to approve on topic statement/#, and nobody approves what is its own"},
	{"release: {approve: [police, city]}", "release: {approve: [police, city]}, responsible: [{who: city/public-order, take_within: 1h}]", "line 27: topic statement/# has \"release\", and nobody takes on what is released to all"},
	{"receive: [\"*\"], release", "receive: [\"*\"], release: {approve: [police]}, release", "line 27: the key \"release\" stands here a second time"},
};

static void
every_fault_of_the_text_has_its_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refusals); i++) {
		struct agreement *a = NULL;
		struct kw_why why = {{0}};
		struct buf text;
		enum kw_err err;

		fixture_expand(&text, fixture_text, refusals[i].find, refusals[i].replace);
		err = agreement_parse(&a, buf_span(&text), NULL, &why);
		buf_free(&text);
		if (err == KW_OK)
			fail_msg("accepted: %s", refusals[i].replace);
		assert_null(a);
		if (strncmp(why.text, "line ", 5) != 0 || strstr(why.text, refusals[i].sentence) == NULL)
			fail_msg("%s\n  gave \"%s\"\n  not  \"%s\"", refusals[i].replace, why.text, refusals[i].sentence);
	}
}

/* Lists one too long; what stands in them does not matter, since they are counted first. */
static void
every_list_has_its_limit(void **state)
{
	static const struct {
		const char *find;
		const char *key;
		unsigned n;
		const char *sentence;
	} lists[] = {
		{"members: [", "members: [", 33, "36 members, at most 32 are allowed"},
		{"operators: [", "operators: [", 65, "66 operators, at most 64 are allowed"},
		{"endpoints: [", "endpoints: [", 9, "10 endpoints, at most 8 are allowed"},
		{"purposes: [care", "purposes: [", 33, "34 purposes, at most 32 are allowed"},
		{"nodes: [{id: control-room", "nodes: [", 4096, "more than 4096 nodes in one agreement"},
		{"partners:\n", "partners:\n", 1025, "1029 partners, at most 1024 are allowed"},
		{"topics:\n", "topics:\n", 513, "518 topics, at most 512 are allowed"},
		{"responsible:\n", "responsible:\n", 63, "65 lines of responsible, at most 64 are allowed"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct buf longer = BUF_INIT(1u << 20), text;
		struct agreement *a = NULL;
		struct kw_why why = {{0}};
		const char *rest = lists[i].find + strlen(lists[i].key);
		bool block = strchr(lists[i].key, '\n') != NULL;

		buf_put_str(&longer, lists[i].key);
		for (unsigned k = 0; k < lists[i].n; k++)
			buf_put_str(&longer, !block ? "1, " : strcmp(lists[i].key, "responsible:\n") == 0 ? "      - 1\n" : "  - 1\n");
		buf_put_str(&longer, strlen(lists[i].find) > strlen(lists[i].key) ? rest : "");
		fixture_expand(&text, fixture_text, lists[i].find, buf_text(&longer));
		assert_int_equal(agreement_parse(&a, buf_span(&text), NULL, &why), KW_ELIMIT);
		if (strstr(why.text, lists[i].sentence) == NULL)
			fail_msg("gave \"%s\"\n not \"%s\"", why.text, lists[i].sentence);
		buf_free(&text);
		buf_free(&longer);
	}
}

/* Partners beside the police and the city, each with a node of its own. */
static void
put_partners(struct buf *out, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct secret_keys *keys = NULL;
		struct kw_why why = {{0}};
		char name[32];

		(void)snprintf(name, sizeof name, "p%u/desk", i);
		if (secret_keys_new(&keys, KEY_NODE, MODE_LIVE, name, &why) != KW_OK)
			fail_msg("%s", why.text);
		buf_printf(out, "  - {id: p%u, kind: justice, nodes: [{id: desk, key: \"%s\"}]}\n", i, secret_keys_line(keys));
		secret_keys_free(&keys);
	}
}

static void
at_most_64_partners_approve(void **state)
{
	(void)state;
	for (unsigned count = 64; count <= 65; count++) {
		struct buf partners = BUF_INIT(1u << 18), more, text = BUF_INIT(1u << 19);
		struct agreement *a = NULL;
		struct kw_why why = {{0}};
		const char *topics;

		put_partners(&partners, count - 1);
		buf_put_str(&partners, "topics:\n");
		fixture_expand(&more, fixture_text, "release: {approve: [police, city]}", "release: {approve: [police, justice]}");
		topics = strstr(buf_text(&more), "topics:\n");
		assert_non_null(topics);
		buf_put(&text, more.p, (size_t)(topics - buf_text(&more)));
		buf_put_span(&text, buf_span(&partners));
		buf_put_str(&text, topics + strlen("topics:\n"));
		assert_int_equal(agreement_parse(&a, buf_span(&text), NULL, &why), count == 64 ? KW_OK : KW_ELIMIT);
		assert_string_equal(why.text, count == 64 ? "" : "line 91: 65 partners are to approve on topic statement/#, at most 64 may be");
		agreement_free(&a);
		buf_free(&partners);
		buf_free(&more);
		buf_free(&text);
	}
}

static void
a_text_over_the_limit_is_refused(void **state)
{
	struct buf text;
	struct agreement *a = NULL;
	struct kw_why why;

	(void)state;
	fixture_expand(&text, fixture_text, NULL, NULL);
	buf_put_u8(&text, '#');
	while (text.len < KW_AGREEMENT_MAX)
		buf_put_u8(&text, 'x');
	assert_int_equal(agreement_parse(&a, buf_span(&text), NULL, &why), KW_OK);
	agreement_free(&a);
	buf_put_u8(&text, 'x');
	assert_int_equal(agreement_parse(&a, buf_span(&text), NULL, &why), KW_ELIMIT);
	buf_free(&text);
}

/* How many keys were looked at for what costs time. */
static unsigned checked;
int __real_crypto_core_ed25519_is_valid_point(const unsigned char *p);
int __wrap_crypto_core_ed25519_is_valid_point(const unsigned char *p);
int
__wrap_crypto_core_ed25519_is_valid_point(const unsigned char *p)
{
	checked++;
	return __real_crypto_core_ed25519_is_valid_point(p);
}

static enum kw_err
parse_after(struct agreement **out, const struct agreement *before, const char *find, const char *replace, struct kw_why *why)
{
	struct buf text;
	enum kw_err err;

	fixture_expand(&text, fixture_text, find, replace);
	checked = 0;
	err = agreement_parse_after(out, buf_span(&text), before, NULL, why);
	buf_free(&text);
	return err;
}

static void
keys_of_the_version_before_are_not_checked_once_more(void **state)
{
	struct agreement *before = fixture_agreement(fixture_text, NULL, NULL), *a = NULL;
	struct kw_why why;
	unsigned all;

	(void)state;
	assert_int_equal(parse_after(&a, NULL, NULL, NULL, &why), KW_OK);
	all = checked;
	agreement_free(&a);
	assert_int_equal(parse_after(&a, before, "lane: urgent", "lane: flash", &why), KW_OK);
	assert_int_equal(checked, all - 5); /* committee, broker and operator are few */
	for (uint32_t i = 0; i < 5; i++)
		assert_memory_equal(agreement_node_key(a, i), agreement_node_key(before, i), sizeof(struct public_key));
	agreement_free(&before);
	agreement_free(&a); /* holds nothing of the one before */
}

static void
a_key_that_is_not_the_one_before_is_checked_as_any(void **state)
{
	struct agreement *before = fixture_agreement(fixture_text, NULL, NULL), *a = NULL;
	char line[KEY_LINE_MAX];
	struct kw_why why;

	(void)state;
	assert_int_equal(parse_after(&a, before, "%police/control-room", "%new-police", &why), KW_OK);
	assert_memory_equal(agreement_node_key(a, 2)->sign_pk, secret_keys_public(fixture_key("new-police"))->sign_pk, KW_KEY_LEN);
	agreement_free(&a);
	(void)snprintf(line, sizeof line, "%s", secret_keys_line(fixture_key("police/control-room")));
	line[strlen(line) - 10] = line[strlen(line) - 10] == 'A' ? 'B' : 'A'; /* the same keys, and a signature that is none */
	assert_int_equal(parse_after(&a, before, "%police/control-room", line, &why), KW_ECRYPTO);
	assert_non_null(strstr(why.text, "line 12: the public key line of \"police/control-room\" is not signed by its own key"));
	assert_int_equal(parse_after(&a, before, "%police/control-room", "%city/public-order", &why), KW_EINVAL); /* good, but somebody else's */
	assert_non_null(strstr(why.text, "the key is that of \"city/public-order\", but stands at \"police/control-room\""));
	assert_int_equal(parse_after(&a, before, "kind: live", "kind: exercise", &why), KW_EINVAL);
	agreement_free(&before);
}

static void
proof_is_never_kept_shorter_than_content(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, "keep: {content: 2y}", "keep: {content: 3y}");

	(void)state;
	assert_int_equal(agreement_topic_at(a, 4)->keep_proof_ms, 3 * 365 * DAY_MS);
	agreement_free(&a);
}

/* A node's public line under any name and with any mixture of public keys, signed by signer: what a cheat could hand over. */
static void
forge_line(char out[KEY_LINE_MAX], const char *name, const struct secret_keys *signer, const uint8_t *seal_pk, const uint8_t *curve_pk)
{
	static const char prefix[] = "kwnode1:";
	struct buf line = BUF_INIT(1000);
	uint8_t sig[KW_SIG_LEN];

	buf_put_str(&line, prefix);
	buf_put_u8(&line, KEY_NODE);
	buf_put_u8(&line, MODE_LIVE);
	buf_put_u8(&line, (uint8_t)strlen(name));
	buf_put_str(&line, name);
	buf_put(&line, secret_keys_public(signer)->sign_pk, KW_KEY_LEN);
	buf_put(&line, seal_pk, KW_KEY_LEN);
	buf_put(&line, curve_pk, KW_KEY_LEN);
	assert_true(seal_sign(sig, LABEL_SIGN_KEY, buf_span(&line), secret_keys_sign(signer)));
	buf_put(&line, sig, sizeof sig);
	strcpy(out, prefix);
	assert_non_null(sodium_bin2base64(out + sizeof prefix - 1, KEY_LINE_MAX - sizeof prefix, line.p + sizeof prefix - 1, line.len - (sizeof prefix - 1),
	                                  sodium_base64_VARIANT_URLSAFE_NO_PADDING));
	buf_free(&line);
}

static void
a_key_that_stands_twice_is_refused_whatever_it_is_for(void **state)
{
	const struct secret_keys *fresh = fixture_key("police/second"), *taken = fixture_key("city/public-order"), *mayor = fixture_key("mayor");
	const struct public_key *mine = secret_keys_public(fresh), *theirs = secret_keys_public(taken);
	const uint8_t *const broker_curve = secret_keys_public(fixture_key("haus"))->curve_pk;
	const struct {
		const struct secret_keys *signer;
		const uint8_t *seal_pk, *curve_pk;
		const char *other; /* NULL: it is good */
	} lines[] = {
		{fresh, mine->seal_pk, mine->curve_pk, NULL},
		{taken, mine->seal_pk, mine->curve_pk, "city/public-order"},
		{fresh, theirs->seal_pk, mine->curve_pk, "city/public-order"},
		{fresh, mine->seal_pk, theirs->curve_pk, "city/public-order"},
		{fresh, theirs->curve_pk, mine->curve_pk, "city/public-order"},
		{fresh, mine->seal_pk, broker_curve, "haus"},
		{fresh, mine->seal_pk, secret_keys_public(fixture_key("night-desk"))->curve_pk, "night-desk"},
		{mayor, mine->seal_pk, mine->curve_pk, "mayor"},
		{fresh, mine->seal_pk, mine->seal_pk, "shelter/desk"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		char line[KEY_LINE_MAX], expected[100];
		struct agreement *a = NULL;
		struct kw_why why = {{0}};
		struct buf text;

		forge_line(line, "shelter/desk", lines[i].signer, lines[i].seal_pk, lines[i].curve_pk);
		fixture_expand(&text, fixture_text, "%shelter/desk", line);
		if (lines[i].other == NULL) {
			if (agreement_parse(&a, buf_span(&text), NULL, &why) != KW_OK)
				fail_msg("%s", why.text);
			agreement_free(&a);
		} else {
			assert_int_equal(agreement_parse(&a, buf_span(&text), NULL, &why), KW_EINVAL);
			snprintf(expected, sizeof expected, "holds the same public key as that of \"%s\" in line", lines[i].other);
			if (strstr(why.text, expected) == NULL)
				fail_msg("%zu: \"%s\"\n not \"%s\"", i, why.text, expected);
		}
		buf_free(&text);
	}
}

static void
nobody_stands_twice(void **state)
{
	static const char *const edits[][2] = {
		{"operators: [{name: night-desk, key: \"%night-desk\"}]", "operators: [{name: night-desk, key: \"%night-desk\"}, {name: night-desk, key: \"%night-desk\"}]"},
		{"{name: prosecutor, key: \"%prosecutor\"}]", "{name: prosecutor, key: \"%prosecutor\"}, {name: prosecutor, key: \"%prosecutor\"}]"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(edits); i++) {
		struct agreement *a = NULL;
		struct kw_why why;
		struct buf text;

		fixture_expand(&text, fixture_text, edits[i][0], edits[i][1]);
		assert_int_equal(agreement_parse(&a, buf_span(&text), NULL, &why), KW_EINVAL);
		assert_non_null(strstr(why.text, "a second time"));
		buf_free(&text);
	}
}

static void
warnings_tell_what_is_allowed_and_odd(void **state)
{
	struct buf text, warnings = BUF_INIT(1u << 16);
	struct agreement *a = NULL;
	struct kw_why why;

	(void)state;
	fixture_expand(&text, fixture_text, "\n      - {who: police/control-room, take_within: 5m}", "");
	assert_int_equal(agreement_parse(&a, buf_span(&text), &warnings, &why), KW_OK);
	agreement_free(&a);
	assert_non_null(strstr(buf_text(&warnings), "line 25: topic request/noise/#: a hole in the hours: Monday 00:00, request/noise: nobody, falls to city/crime-prevention (2 d 8 h a week)\n"));
	assert_non_null(strstr(buf_text(&warnings), "line 17: topic alert/flood/#: shelter does not read it, since it has not committed to its purpose\n"));
	assert_non_null(strstr(buf_text(&warnings), "line 26: topic statement/#: youth-house does not read it, since it has not committed to anything"));
	assert_null(strstr(buf_text(&warnings), "youth-house does not read it, since it has not committed to its purpose"));
	buf_free(&text);
	buf_reset(&warnings);
	fixture_expand(&text, fixture_text, "receive: [police], lane", "receive: [police, fire], lane");
	assert_int_equal(agreement_parse(&a, buf_span(&text), &warnings, &why), KW_OK);
	agreement_free(&a);
	assert_non_null(strstr(buf_text(&warnings), "line 28: topic +/report: no partner is of a kind that is named there"));
	assert_null(strstr(buf_text(&warnings), "hole in the hours"));
	buf_free(&text);
	buf_free(&warnings);
}

static void
a_line_whose_hours_join_has_no_hole(void **state)
{
	struct buf text, warnings = BUF_INIT(1u << 16);
	struct agreement *a = NULL;
	struct kw_why why;

	(void)state;
	fixture_expand(&text, fixture_text, "{who: police/control-room, take_within: 5m}", "{who: police/control-room, hours: \"Mo-Su 22:00-06:00\", take_within: 5m}");
	assert_int_equal(agreement_parse(&a, buf_span(&text), &warnings, &why), KW_OK);
	assert_null(strstr(buf_text(&warnings), "hole in the hours"));
	agreement_free(&a);
	buf_free(&text);
	fixture_expand(&text, fixture_text, "{who: police/control-room, take_within: 5m}",
	               "{who: police/control-room, hours: \"Mo-Fr 22:00-06:00; Sa 22:00-24:00; Su 00:00-05:59; Su,Mo 22:00-06:00\", take_within: 5m}");
	buf_reset(&warnings);
	assert_int_equal(agreement_parse(&a, buf_span(&text), &warnings, &why), KW_OK);
	assert_non_null(strstr(buf_text(&warnings), "a hole in the hours: Sunday 05:59, request/noise: nobody, falls to city/crime-prevention (1 min a week)\n"));
	agreement_free(&a);
	buf_free(&text);
	buf_free(&warnings);
}

static bool
on_at(const struct hours *h, uint32_t minute_of_week)
{
	return hours_at(h, &(struct hours_when){.weekday = (uint8_t)(minute_of_week / MINUTES_A_DAY), .minute = (uint16_t)(minute_of_week % MINUTES_A_DAY)});
}

static void
hours_begin_and_end_to_the_minute(void **state)
{
	enum { MO = 0, TU = 1440, FR = 4 * 1440, SA = 5 * 1440, SU = 6 * 1440 };
	static const struct {
		const char *hours;
		uint32_t minute;
		bool on;
	} cases[] = {
		{"Mo-Su 06:00-22:00", MO + 359, false}, {"Mo-Su 06:00-22:00", MO + 360, true}, {"Mo-Su 06:00-22:00", SU + 1319, true},
		{"Mo-Su 06:00-22:00", SU + 1320, false}, {"Mo 00:00-24:00", MO, true}, {"Mo 00:00-24:00", TU - 1, true}, {"Mo 00:00-24:00", TU, false},
		{"Su 22:00-06:00", SU + 1319, false}, {"Su 22:00-06:00", SU + 1320, true}, {"Su 22:00-06:00", MO + 359, true}, {"Su 22:00-06:00", MO + 360, false},
		{"Su 22:00-06:00", TU, false}, {"Su 22:00-06:00", SU, false}, {"Fr-Mo 10:00-11:00", SA + 600, true}, {"Fr-Mo 10:00-11:00", MO + 600, true},
		{"Fr-Mo 10:00-11:00", TU + 600, false}, {"Mo,Fr 10:00-11:00", FR + 600, true}, {"Mo,Fr 10:00-11:00", TU + 600, false},
		{"Mo 10:00-11:00; Tu 12:00-13:00", TU + 720, true}, {"Mo 10:00-11:00; Tu 12:00-13:00", TU + 600, false},
	};
	struct hours h;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(hours_parse(&h, cases[i].hours, NULL), KW_OK);
		if (on_at(&h, cases[i].minute) != cases[i].on)
			fail_msg("%s at minute %u", cases[i].hours, cases[i].minute);
	}
	assert_int_equal(hours_parse(&h, "Mo 01:00-02:00,03:00-04:00,05:00-06:00,07:00-08:00; Tu 01:00-02:00,03:00-04:00,05:00-06:00,07:00-08:00; "
	                                 "We 01:00-02:00,03:00-04:00,05:00-06:00,07:00-08:00; Th 01:00-02:00,03:00-04:00,05:00-06:00,07:00-08:00", NULL), KW_OK);
	assert_int_equal(hours_parse(&h, "Mo 01:00-02:00,03:00-04:00,05:00-06:00,07:00-08:00; Tu 01:00-02:00,03:00-04:00,05:00-06:00,07:00-08:00; "
	                                 "We 01:00-02:00,03:00-04:00,05:00-06:00,07:00-08:00; Th 01:00-02:00,03:00-04:00,05:00-06:00,07:00-08:00,09:00-10:00", NULL), KW_ELIMIT);
	memset(&h, 0, sizeof h);
	assert_true(on_at(&h, 0));
}

static void
a_peer_is_known_by_its_key_alone(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	uint8_t key[KW_KEY_LEN];
	struct peer p;

	(void)state;
	for (uint32_t i = 0; i < agreement_node_count(a); i++) {
		p = agreement_peer(a, agreement_node_key(a, i)->curve_pk);
		assert_int_equal(p.role, PEER_NODE);
		assert_int_equal(p.node, i);
		assert_string_equal(p.name, agreement_node_id(a, i));
	}
	p = agreement_peer(a, secret_keys_public(fixture_key("night-desk"))->curve_pk);
	assert_int_equal(p.role, PEER_OPERATOR);
	assert_int_equal(p.node, AGREEMENT_NOBODY);
	assert_string_equal(p.name, "night-desk");
	assert_int_equal(agreement_peer(a, secret_keys_public(fixture_key("new-police"))->curve_pk).role, PEER_UNKNOWN);
	assert_int_equal(agreement_peer(a, secret_keys_public(fixture_key("haus"))->curve_pk).role, PEER_UNKNOWN);
	assert_int_equal(agreement_peer(a, agreement_node_key(a, 0)->sign_pk).role, PEER_UNKNOWN);
	memset(key, 0, sizeof key);
	assert_int_equal(agreement_peer(a, key).role, PEER_UNKNOWN);
	memset(key, 0xFF, sizeof key);
	assert_int_equal(agreement_peer(a, key).role, PEER_UNKNOWN);
	assert_int_equal(agreement_node(a, "police/second"), AGREEMENT_NOBODY);
	assert_int_equal(agreement_node(a, "police"), AGREEMENT_NOBODY);
	assert_int_equal(agreement_node(a, ""), AGREEMENT_NOBODY);
	agreement_free(&a);
}

static void
age_changes_to_the_millisecond(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	uint64_t from = ms("2026-11-30T23:00:00Z"), until = ms("2027-11-30T23:00:00Z");

	(void)state;
	assert_int_equal(agreement_until_ms(a), until);
	assert_int_equal(agreement_grace_until_ms(a), until + 30 * DAY_MS);
	assert_int_equal(agreement_age(a, 0), AGREEMENT_NOT_YET);
	assert_int_equal(agreement_age(a, from - 1), AGREEMENT_NOT_YET);
	assert_int_equal(agreement_age(a, from), AGREEMENT_GOOD);
	assert_int_equal(agreement_age(a, until - 60 * DAY_MS - 1), AGREEMENT_GOOD);
	assert_int_equal(agreement_age(a, until - 60 * DAY_MS), AGREEMENT_ENDS_SOON);
	assert_int_equal(agreement_age(a, until - 1), AGREEMENT_ENDS_SOON);
	assert_int_equal(agreement_age(a, until), AGREEMENT_GRACE);
	assert_int_equal(agreement_age(a, until + 30 * DAY_MS - 1), AGREEMENT_GRACE);
	assert_int_equal(agreement_age(a, until + 30 * DAY_MS), AGREEMENT_OVER);
	assert_int_equal(agreement_age(a, UINT64_MAX), AGREEMENT_OVER);
	agreement_free(&a);
	a = fixture_agreement(fixture_text, "grace: 30d", "grace: 0d");
	assert_int_equal(agreement_age(a, until - 1), AGREEMENT_ENDS_SOON);
	assert_int_equal(agreement_age(a, until), AGREEMENT_OVER);
	agreement_free(&a);
}

/* "city/public-order police/control-room": the audience in its order; or the sentence of refusal. */
static const char *
audience(const struct agreement *a, const char *topic, const char *sender, const char *to)
{
	static char out[1024];
	static struct kw_why why;
	char names[8][KW_NODE_MAX + 1];
	uint32_t nodes[16], count = 99, n = 0;
	uint32_t number = sender != NULL ? agreement_node(a, sender) : AGREEMENT_NOBODY;
	char *at = out;

	if (to != NULL)
		snprintf(names[n++], sizeof names[0], "%s", to);
	if (agreement_audience(nodes, &count, a, topic, number, names, n, &why) != KW_OK) {
		assert_int_equal(count, 99);
		return why.text;
	}
	*at = '\0';
	for (uint32_t i = 0; i < count; i++)
		at += sprintf(at, "%s%s", i > 0 ? " " : "", agreement_node_id(a, nodes[i]));
	return out;
}

static void
the_audience_is_sorted_and_without_the_sender(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);

	(void)state;
	assert_string_equal(audience(a, "alert/fire", NULL, NULL), "city/crime-prevention city/public-order police/control-room youth-house/office");
	assert_string_equal(audience(a, "alert/fire", "police/control-room", NULL), "city/crime-prevention city/public-order youth-house/office");
	assert_string_equal(audience(a, "alert/fire", "city/public-order", "youth-house/office"), "youth-house/office");
	assert_string_equal(audience(a, "statement/x", NULL, NULL), "city/crime-prevention city/public-order police/control-room");
	assert_non_null(strstr(audience(a, "alert/fire", "city/public-order", "shelter/desk"), "\"shelter/desk\" may not read topics of alert/#"));
	assert_non_null(strstr(audience(a, "alert/fire", "city/public-order", "police/second"), "\"police/second\" is no node of the agreement"));
	assert_non_null(strstr(audience(a, "alert/fire", "city/public-order", "city/public-order"), "is the sender itself"));
	assert_non_null(strstr(audience(a, "nothing", NULL, NULL), "no topic of the agreement takes in \"nothing\""));
	assert_non_null(strstr(audience(a, "city/report", "police/control-room", NULL), "nobody but the sender itself would read \"city/report\""));
	agreement_free(&a);
}

static void
the_first_topic_that_matches_decides_alone(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);

	(void)state;
	assert_string_equal(agreement_topic(a, "alert/flood")->filter, "alert/flood/#");
	assert_string_equal(agreement_topic(a, "alert/flood/mitte")->filter, "alert/flood/#");
	assert_string_equal(agreement_topic(a, "alert/floods")->filter, "alert/#");
	assert_string_equal(agreement_topic(a, "alert/report")->filter, "alert/#");
	assert_string_equal(agreement_topic(a, "x/report")->filter, "+/report");
	assert_string_equal(audience(a, "alert/flood/mitte", NULL, NULL), "police/control-room youth-house/office");
	assert_false(agreement_may_read(a, "alert/flood/mitte", agreement_node(a, "city/public-order")));
	assert_true(agreement_may_read(a, "alert/x", agreement_node(a, "city/public-order")));
	agreement_free(&a);
}

static void
what_nobody_allowed_is_no(void **state)
{
	static const char *const topics[] = {"", "alert", "#", "+", "alert/#", "alert/+", "alert/", "/alert", "alert//x", "$SYS/x", "request", "request/noise/#", "statement\n"};
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(topics); i++) {
		if (strcmp(topics[i], "alert") == 0)
			continue; /* alert/# takes it in */
		assert_null(agreement_topic(a, topics[i]));
		for (uint32_t node = 0; node < agreement_node_count(a); node++)
			assert_false(agreement_may_read(a, topics[i], node));
		assert_non_null(strstr(audience(a, topics[i], NULL, NULL), "no topic of the agreement"));
	}
	assert_false(agreement_may_read(a, "alert/x", AGREEMENT_NOBODY));
	assert_false(agreement_may_read(a, "alert/x", agreement_node_count(a)));
	agreement_free(&a);
}

/* [A-7] */
static void
who_is_responsible_is_always_among_the_readers(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);

	(void)state;
	assert_string_equal(audience(a, "request/noise/west", "youth-house/office", NULL), "city/crime-prevention city/public-order police/control-room");
	assert_string_equal(audience(a, "request/noise/west", "youth-house/office", "police/control-room"), "city/crime-prevention city/public-order police/control-room");
	assert_string_equal(audience(a, "request/noise/west", "city/public-order", "police/control-room"), "city/crime-prevention police/control-room");
	assert_true(agreement_is_responsible(a, "request/noise/west", agreement_node(a, "city/public-order")));
	assert_true(agreement_is_responsible(a, "request/noise/west", agreement_node(a, "city/crime-prevention")));
	assert_false(agreement_is_responsible(a, "request/noise/west", agreement_node(a, "youth-house/office")));
	assert_false(agreement_is_responsible(a, "request/noise/west", AGREEMENT_NOBODY));
	assert_false(agreement_is_responsible(a, "alert/x", agreement_node(a, "city/crime-prevention")));
	assert_false(agreement_is_responsible(a, "nothing", agreement_node(a, "city/crime-prevention")));
	agreement_free(&a);
}

/* A header that may stand: an alert of the police on alert/fire. */
static struct header
good_header(const struct agreement *a)
{
	struct header h = {.partnership = "musterstadt", .mode = MODE_LIVE, .agreement_version = agreement_version(a), .sender = "police/control-room",
		.sender_epoch = 1, .topic = "alert/fire", .lane = LANE_FLASH, .type = TYPE_NOTICE, .payload_type = PAYLOAD_ALERT};

	memcpy(h.agreement_hash, agreement_hash(a), KW_HASH_LEN);
	h.created_ms = ms("2027-01-01T00:00:00Z");
	h.expires_ms = h.created_ms + DAY_MS;
	return h;
}

static enum kw_err
may_send(const struct agreement *a, const struct header *h, uint64_t now_ms, uint32_t *count, struct kw_why *why)
{
	uint32_t nodes[16];

	why->text[0] = '\0';
	return agreement_may_send(nodes, count, a, h, agreement_node(a, h->sender), now_ms, why);
}

static void
refused(const struct agreement *a, const struct header *h, enum kw_err err, const char *sentence)
{
	struct kw_why why;
	uint32_t count = 99;
	enum kw_err got = may_send(a, h, h->created_ms, &count, &why);

	if (got != err || strstr(why.text, sentence) == NULL)
		fail_msg("gave %s \"%s\"\n not %s \"%s\"", kw_err_name(got), why.text, kw_err_name(err), sentence);
	assert_int_equal(count, 99);
}

static void
allowed(const struct agreement *a, const struct header *h, uint32_t readers)
{
	struct kw_why why;
	uint32_t count = 99;

	if (may_send(a, h, h->created_ms, &count, &why) != KW_OK)
		fail_msg("%s", why.text);
	assert_int_equal(count, readers);
	assert_int_equal(agreement_may_send(NULL, NULL, a, h, agreement_node(a, h->sender), h->created_ms, NULL), KW_OK);
}

static void
a_notice_stands_or_is_refused_for_one_reason(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct header h = good_header(a), bad;
	struct kw_why why;

	(void)state;
	allowed(a, &h, 3);
	bad = h;
	strcpy(bad.partnership, "anderswo");
	refused(a, &bad, KW_EDENIED, "names the partnership \"anderswo\", but this is \"musterstadt\"");
	bad = h;
	bad.mode = MODE_EXERCISE;
	refused(a, &bad, KW_EDENIED, "says exercise, but the agreement is live");
	bad = h;
	bad.agreement_version = 2;
	refused(a, &bad, KW_ENOTFOUND, "names version 2 of the agreement, but version 1 is asked");
	bad = h;
	bad.agreement_hash[31] ^= 1;
	refused(a, &bad, KW_ENOTFOUND, "another text of version 1");
	bad = h;
	strcpy(bad.sender, "police/second");
	refused(a, &bad, KW_EDENIED, "\"police/second\" is no node of the agreement");
	assert_int_equal(agreement_may_send(NULL, NULL, a, &h, agreement_node(a, "city/public-order"), h.created_ms, &why), KW_EDENIED);
	assert_non_null(strstr(why.text, "names \"police/control-room\" as sender, but it comes from \"city/public-order\""));
	bad = h;
	strcpy(bad.topic, "alarm/fire");
	refused(a, &bad, KW_EDENIED, "no topic of the agreement takes in \"alarm/fire\"");
	bad = h;
	strcpy(bad.topic, "alert/#");
	refused(a, &bad, KW_EDENIED, "no topic of the agreement takes in \"alert/#\"");
	bad = h;
	strcpy(bad.topic, "alert/flood/x");
	bad.lane = LANE_URGENT;
	refused(a, &bad, KW_EDENIED, "\"police/control-room\" may not publish on topics of alert/flood/#");
	strcpy(bad.sender, "city/public-order");
	allowed(a, &bad, 2);
	bad.lane = LANE_FLASH;
	refused(a, &bad, KW_EDENIED, "the lane flash is higher than topics of alert/flood/# may use; publish as urgent");
	bad.lane = LANE_ROUTINE;
	allowed(a, &bad, 2);
	bad.lane = (enum lane)7;
	refused(a, &bad, KW_EDENIED, "the lane ");
	bad = h;
	bad.payload_type = PAYLOAD_NOTE;
	refused(a, &bad, KW_EDENIED, "a notice on topics of alert/# carries a payload of schema alert, not note");
	bad.payload_type = PAYLOAD_RECEIPT;
	refused(a, &bad, KW_EDENIED, "not receipt");
	bad.payload_type = PAYLOAD_NONE;
	refused(a, &bad, KW_EDENIED, "not none");
	bad = h;
	strcpy(bad.to[bad.to_count++], "youth-house/office");
	allowed(a, &bad, 1);
	strcpy(bad.to[bad.to_count++], "shelter/desk");
	refused(a, &bad, KW_EDENIED, "\"shelter/desk\" may not read");
	bad.to_count = KW_TO_MAX + 1;
	refused(a, &bad, KW_EDENIED, "\"to\" names 65 nodes");
	agreement_free(&a);
}

static void
lifetime_ends_with_what_the_topic_keeps(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct header h = good_header(a);

	(void)state;
	h.expires_ms = h.created_ms + 14 * DAY_MS;
	allowed(a, &h, 3);
	h.expires_ms++;
	refused(a, &h, KW_ELIMIT, "it is to live 14 d 0 h, but topics of alert/# keep content for 14 d 0 h at most");
	h.expires_ms = h.created_ms;
	refused(a, &h, KW_ELIMIT, "expires before it was made");
	h.expires_ms = h.created_ms - 1;
	refused(a, &h, KW_ELIMIT, "expires before it was made");
	agreement_free(&a);
}

static void
after_the_grace_only_answers_go_on(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct header h = good_header(a), receipt = h;
	uint64_t over = agreement_grace_until_ms(a), from = ms("2026-11-30T23:00:00Z");
	struct kw_why why;

	(void)state;
	assert_int_equal(may_send(a, &h, over - 1, NULL, &why), KW_OK);
	assert_int_equal(may_send(a, &h, over, NULL, &why), KW_ESTATE);
	assert_non_null(strstr(why.text, "ran out and its grace ended at 2027-12-30T23:00:00Z"));
	assert_int_equal(may_send(a, &h, from, NULL, &why), KW_OK);
	assert_int_equal(may_send(a, &h, from - 1, NULL, &why), KW_ESTATE);
	assert_non_null(strstr(why.text, "is valid only from 2026-11-30T23:00:00Z"));
	receipt.type = TYPE_DELIVERED;
	receipt.payload_type = PAYLOAD_RECEIPT;
	receipt.to_count = 1;
	strcpy(receipt.to[0], "city/public-order");
	assert_int_equal(may_send(a, &receipt, over, NULL, &why), KW_OK);
	h.type = TYPE_UPDATE;
	assert_int_equal(may_send(a, &h, over, NULL, &why), KW_ESTATE);
	receipt.type = TYPE_NOTE;
	receipt.payload_type = PAYLOAD_NOTE;
	assert_int_equal(may_send(a, &receipt, over, NULL, &why), KW_OK);
	receipt.type = TYPE_TAKEN;
	receipt.payload_type = PAYLOAD_NONE;
	assert_int_equal(may_send(a, &receipt, over, NULL, &why), KW_OK);
	h.type = TYPE_VOID;
	h.payload_type = PAYLOAD_VOID;
	assert_int_equal(may_send(a, &h, over, NULL, &why), KW_OK);
	agreement_free(&a);
}

/* [R-1] */
static void
on_a_topic_with_release_nothing_goes_out_that_was_not_released(void **state)
{
	static const enum notice_type types[] = {TYPE_NOTICE, TYPE_UPDATE, TYPE_CANCEL, TYPE_REQUEST};
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct header h = good_header(a);

	(void)state;
	strcpy(h.topic, "statement/x");
	h.lane = LANE_URGENT;
	h.payload_type = PAYLOAD_STATEMENT;
	for (size_t i = 0; i < COUNT(types); i++) {
		h.type = types[i];
		refused(a, &h, KW_ESTATE, "what is on topics of statement/# must be released by its approvers first");
	}
	h.type = TYPE_RELEASED;
	h.not_before_ms = h.created_ms + 1500;
	refused(a, &h, KW_EDENIED, "it was released 2 s before its embargo is over");
	h.not_before_ms = h.created_ms;
	h.take_within_s = 60;
	refused(a, &h, KW_EDENIED, "nobody takes on what is released");
	h.take_within_s = 0;
	h.to_count = 1;
	strcpy(h.to[0], "police/control-room");
	refused(a, &h, KW_EDENIED, "a \"released\" names nobody in \"to\"");
	agreement_free(&a);
}

/* Who gets it, as their ids in a row. */
static void
audience_is(const struct agreement *a, const struct header *h, const char *wanted)
{
	uint32_t nodes[16], count = 0;
	char got[512] = "";
	struct kw_why why;

	if (agreement_may_send(nodes, &count, a, h, agreement_node(a, h->sender), h->created_ms, &why) != KW_OK)
		fail_msg("%s", why.text);
	for (uint32_t i = 0; i < count; i++)
		(void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i > 0 ? " " : "", agreement_node_id(a, nodes[i]));
	assert_string_equal(got, wanted);
}

/* [R-2] */
static void
a_draft_goes_to_those_who_must_approve_it_and_to_nobody_else(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct header h = good_header(a);

	(void)state;
	strcpy(h.topic, "statement/x");
	h.lane = LANE_URGENT;
	h.payload_type = PAYLOAD_STATEMENT;
	h.type = TYPE_DRAFT;
	strcpy(h.sender, "police/control-room");
	audience_is(a, &h, "city/crime-prevention city/public-order");
	strcpy(h.sender, "city/public-order");
	audience_is(a, &h, "police/control-room"); /* no other node of its own partner */
	h.to_count = 1;
	strcpy(h.to[0], "youth-house/office");
	refused(a, &h, KW_EDENIED, "a \"draft\" names nobody in \"to\"");
	h.to_count = 0;
	h.type = TYPE_RELEASED;
	audience_is(a, &h, "city/crime-prevention police/control-room");
	strcpy(h.sender, "youth-house/office");
	h.type = TYPE_DRAFT;
	refused(a, &h, KW_EDENIED, "may not publish");
	strcpy(h.sender, "city/public-order");
	strcpy(h.topic, "alert/flood/x");
	h.payload_type = PAYLOAD_ALERT;
	refused(a, &h, KW_EDENIED, "topics of alert/flood/# need no release, so there is no \"draft\" on them");
	h.type = TYPE_RELEASED;
	refused(a, &h, KW_EDENIED, "need no release");
	agreement_free(&a);
}

/* [R-3] */
static void
answers_to_a_draft_come_from_those_who_are_asked(void **state)
{
	static const enum notice_type types[] = {TYPE_APPROVED, TYPE_REFUSED};
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++) {
		struct header h = good_header(a);

		strcpy(h.topic, "statement/x");
		h.lane = LANE_URGENT;
		h.payload_type = PAYLOAD_RECEIPT;
		h.type = types[i];
		strcpy(h.sender, "city/public-order");
		h.to_count = 1;
		strcpy(h.to[0], "police/control-room");
		audience_is(a, &h, "city/crime-prevention police/control-room");
		strcpy(h.to[0], "city/crime-prevention");
		refused(a, &h, KW_EDENIED, "is of the author's own partner");
		strcpy(h.to[0], "youth-house/office");
		refused(a, &h, KW_EDENIED, "the author alone");
		h.to_count = 0;
		refused(a, &h, KW_EDENIED, "the author alone");
		strcpy(h.sender, "youth-house/office");
		refused(a, &h, KW_EDENIED, "is not asked to release");
	}
	agreement_free(&a);
}

/* [A-9] */
static void
answers_come_from_readers_and_publishers_to_the_named(void **state)
{
	static const enum notice_type types[] = {TYPE_DELIVERED, TYPE_OPENED, TYPE_REJECTED};
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct header h = good_header(a);

	(void)state;
	h.payload_type = PAYLOAD_RECEIPT;
	strcpy(h.sender, "youth-house/office");
	strcpy(h.topic, "alert/flood/x");
	h.lane = LANE_URGENT;
	for (size_t i = 0; i < COUNT(types); i++) {
		h.type = types[i];
		h.to_count = 0;
		refused(a, &h, KW_EDENIED, "must name in \"to\" whom it answers");
		h.to_count = 1;
		strcpy(h.to[0], "city/public-order"); /* publishes there, reads not */
		allowed(a, &h, 1);
		strcpy(h.to[0], "shelter/desk");
		refused(a, &h, KW_EDENIED, "\"shelter/desk\" may not read");
		strcpy(h.to[0], "youth-house/office");
		refused(a, &h, KW_EDENIED, "is the sender itself");
	}
	strcpy(h.to[0], "city/public-order");
	h.payload_type = PAYLOAD_ALERT;
	refused(a, &h, KW_EDENIED, "carries a payload of schema receipt, not alert");
	h.payload_type = PAYLOAD_RECEIPT;
	strcpy(h.sender, "shelter/desk");
	refused(a, &h, KW_EDENIED, "\"shelter/desk\" neither reads nor publishes on topics of alert/flood/#");
	strcpy(h.sender, "city/public-order");
	strcpy(h.to[0], "police/control-room");
	allowed(a, &h, 1);
	agreement_free(&a);
}

static void
a_void_goes_to_all_readers_or_exactly_the_named(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct header h = good_header(a);

	(void)state;
	h.type = TYPE_VOID;
	h.payload_type = PAYLOAD_VOID;
	allowed(a, &h, 3);
	h.to_count = 1;
	strcpy(h.to[0], "youth-house/office");
	allowed(a, &h, 1);
	h.payload_type = PAYLOAD_ALERT;
	refused(a, &h, KW_EDENIED, "carries a payload of schema void, not alert");
	h.payload_type = PAYLOAD_VOID;
	strcpy(h.sender, "shelter/desk");
	refused(a, &h, KW_EDENIED, "neither reads nor publishes");
	agreement_free(&a);
}

static void
only_who_publishes_may_update_or_cancel(void **state)
{
	static const enum notice_type types[] = {TYPE_UPDATE, TYPE_CANCEL, TYPE_RECALL, TYPE_REQUEST};
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct header h = good_header(a);

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++) {
		h.type = types[i];
		h.payload_type = types[i] == TYPE_RECALL ? PAYLOAD_NONE : PAYLOAD_ALERT;
		strcpy(h.sender, "police/control-room");
		allowed(a, &h, 3);
		strcpy(h.sender, "youth-house/office");
		refused(a, &h, KW_EDENIED, "may not publish");
	}
	strcpy(h.sender, "police/control-room");
	h.type = TYPE_CANCEL;
	h.payload_type = PAYLOAD_NONE;
	refused(a, &h, KW_EDENIED, "carries a payload of schema alert");
	agreement_free(&a);
}

/* [A-8] */
static void
cases_are_moved_by_readers_the_line_and_the_coordinator(void **state)
{
	static const enum notice_type types[] = {TYPE_TAKEN, TYPE_DECLINED, TYPE_RETURNED, TYPE_DONE};
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct header h = good_header(a);

	(void)state;
	strcpy(h.topic, "request/noise/west");
	h.lane = LANE_URGENT;
	h.payload_type = PAYLOAD_RECEIPT;
	h.to_count = 1;
	strcpy(h.to[0], "youth-house/office");
	for (size_t i = 0; i < COUNT(types); i++) {
		h.type = types[i];
		strcpy(h.sender, "police/control-room");
		allowed(a, &h, 3); /* who is named, and the line and the coordinator without the sender */
		strcpy(h.sender, "city/crime-prevention");
		allowed(a, &h, 3);
		strcpy(h.sender, "shelter/desk");
		refused(a, &h, KW_EDENIED, "is not in the line that is responsible for request/noise/# and does not read it");
	}
	h.type = TYPE_HANDED_OVER;
	strcpy(h.sender, "city/public-order");
	refused(a, &h, KW_EDENIED, "\"\" may not read");
	strcpy(h.next_owner, "shelter/desk");
	refused(a, &h, KW_EDENIED, "\"shelter/desk\" may not read");
	strcpy(h.next_owner, "police/control-room");
	allowed(a, &h, 3);
	h.type = TYPE_AGREEMENT;
	refused(a, &h, KW_EDENIED, "of type \"agreement\" may not be sent by a node");
	h.type = (enum notice_type)0;
	refused(a, &h, KW_EDENIED, "may not be sent by a node");
	h.type = (enum notice_type)99;
	refused(a, &h, KW_EDENIED, "may not be sent by a node");
	agreement_free(&a);
}

static void
where_nobody_is_responsible_every_reader_and_the_coordinator_may_take(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct header h = good_header(a);

	(void)state;
	strcpy(h.topic, "alert/flood/mitte"); /* published by the city, read by police and youth-house; the coordinator is the city's */
	h.lane = LANE_URGENT;
	h.type = TYPE_TAKEN;
	h.payload_type = PAYLOAD_NONE;
	h.to_count = 1;
	strcpy(h.to[0], "city/public-order");
	strcpy(h.sender, "youth-house/office");
	allowed(a, &h, 2);
	strcpy(h.sender, "city/crime-prevention");
	allowed(a, &h, 1);
	strcpy(h.sender, "shelter/desk");
	refused(a, &h, KW_EDENIED, "does not read it");
	strcpy(h.sender, "city/public-order"); /* publishes there, reads not */
	strcpy(h.to[0], "police/control-room");
	refused(a, &h, KW_EDENIED, "does not read it");
	h.type = TYPE_REOPENED;
	allowed(a, &h, 2);
	agreement_free(&a);
}

static void
what_must_be_taken_on_reaches_the_coordinator(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct header h = good_header(a);
	uint32_t nodes[16], count;

	(void)state;
	strcpy(h.topic, "alert/flood/mitte");
	strcpy(h.sender, "city/public-order");
	h.lane = LANE_URGENT;
	allowed(a, &h, 2);
	h.take_within_s = 600;
	allowed(a, &h, 3);
	h.to_count = 1;
	strcpy(h.to[0], "youth-house/office");
	assert_int_equal(agreement_may_send(nodes, &count, a, &h, agreement_node(a, h.sender), h.created_ms, NULL), KW_OK);
	assert_int_equal(count, 2);
	assert_string_equal(agreement_node_id(a, nodes[0]), "city/crime-prevention");
	assert_string_equal(agreement_node_id(a, nodes[1]), "youth-house/office");
	h.type = TYPE_VOID; /* without names: to all whom the number may have gone to */
	h.payload_type = PAYLOAD_VOID;
	h.to_count = 0;
	allowed(a, &h, 3);
	h.take_within_s = 0;
	allowed(a, &h, 2);
	strcpy(h.sender, "city/crime-prevention"); /* confirms what it got as the coordinator */
	h.type = TYPE_DELIVERED;
	h.payload_type = PAYLOAD_RECEIPT;
	h.to_count = 1;
	strcpy(h.to[0], "city/public-order");
	allowed(a, &h, 1);
	assert_true(agreement_is_concerned(a, "alert/flood/mitte", agreement_node(a, "city/crime-prevention")));
	assert_false(agreement_is_concerned(a, "alert/flood/mitte", agreement_node(a, "shelter/desk")));
	agreement_free(&a);
}

static void
a_civil_coordinator_gets_nothing_beyond_its_purpose(void **state)
{
	struct agreement *a;
	struct header h;
	struct buf text = BUF_INIT(1u << 16);

	(void)state;
	for (const char *at = fixture_text; *at != '\0'; at++) { /* shelter coordinates, and nothing has responsible */
		if (strncmp(at, "    responsible:", 16) == 0)
			at = strstr(at, "5m}\n") + 4;
		buf_put_u8(&text, (uint8_t)*at);
	}
	a = fixture_agreement(buf_text(&text), "coordinator: city/crime-prevention", "coordinator: shelter/desk");
	h = good_header(a);
	allowed(a, &h, 3);
	h.take_within_s = 60;
	refused(a, &h, KW_EDENIED, "by the coordinator shelter/desk, which has not committed to the purpose of topics of alert/#");
	agreement_free(&a);
	buf_free(&text);
}

static void
what_must_be_taken_on_lives_until_its_line_is_through(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct header h = good_header(a);

	(void)state;
	h.take_within_s = 600;
	h.expires_ms = h.created_ms + 600 * 1000 - 1;
	refused(a, &h, KW_ELIMIT, "it is to live 9 min, but those who must take it on have 10 min");
	h.expires_ms++;
	allowed(a, &h, 3);
	strcpy(h.topic, "request/noise/west");
	h.lane = LANE_URGENT;
	h.payload_type = PAYLOAD_REQUEST;
	h.take_within_s = 0;
	h.created_ms = ms("2027-01-01T12:00:00+01:00"); /* by day both of the line, 10 min and 5 min, and the coordinator 15 */
	h.expires_ms = h.created_ms + 30 * 60 * 1000 - 1;
	refused(a, &h, KW_ELIMIT, "have 30 min");
	h.expires_ms++;
	allowed(a, &h, 2);
	h.created_ms = ms("2027-01-01T23:00:00+01:00"); /* by night the police and the coordinator */
	h.expires_ms = h.created_ms + 20 * 60 * 1000 - 1;
	refused(a, &h, KW_ELIMIT, "have 20 min");
	h.expires_ms++;
	allowed(a, &h, 2);
	h.take_within_s = 60; /* the police has what is asked for, the coordinator its own time */
	h.expires_ms = h.created_ms + 16 * 60 * 1000 - 1;
	refused(a, &h, KW_ELIMIT, "have 16 min");
	h.expires_ms++;
	allowed(a, &h, 2);
	h.type = TYPE_UPDATE; /* opens nothing */
	h.expires_ms = h.created_ms + 1;
	allowed(a, &h, 2);
	agreement_free(&a);
}

static void
notes_go_between_those_concerned_to_exactly_the_named(void **state)
{
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct header h = good_header(a);

	(void)state;
	strcpy(h.topic, "request/noise/west");
	strcpy(h.sender, "youth-house/office"); /* publishes there, reads not */
	h.lane = LANE_URGENT;
	h.type = TYPE_NOTE;
	h.payload_type = PAYLOAD_NOTE;
	refused(a, &h, KW_EDENIED, "a \"note\" must name in \"to\" whom it answers");
	h.to_count = 1;
	strcpy(h.to[0], "city/public-order");
	allowed(a, &h, 1);
	h.payload_type = PAYLOAD_RECEIPT;
	refused(a, &h, KW_EDENIED, "a note on topics of request/noise/# carries a payload of schema note, not receipt");
	h.payload_type = PAYLOAD_NONE;
	refused(a, &h, KW_EDENIED, "schema note, not none");
	h.payload_type = PAYLOAD_NOTE;
	strcpy(h.topic, "alert/flood/mitte");
	strcpy(h.sender, "shelter/desk");
	strcpy(h.to[0], "police/control-room");
	refused(a, &h, KW_EDENIED, "\"shelter/desk\" neither reads nor publishes on topics of alert/flood/#, so it may not send \"note\"");
	agreement_free(&a);
}

static void
a_matter_goes_onward_only_where_and_to_whom_the_agreement_allows(void **state)
{
	struct agreement *none = fixture_agreement(fixture_text, NULL, NULL);
	struct agreement *a = fixture_agreement(fixture_text, "receive: [police], lane: routine", "receive: [police], purpose: care, onward: [shelter], lane: routine");
	struct header h = good_header(a);

	(void)state;
	strcpy(h.topic, "west/report"); /* published by the youth house, read by the police; the city coordinates */
	h.type = TYPE_FORWARDED;
	h.lane = LANE_ROUTINE;
	h.payload_type = PAYLOAD_REPORT;
	refused(a, &h, KW_EDENIED, "a \"forwarded\" must name");
	h.to_count = 1;
	strcpy(h.to[0], "shelter/desk");
	allowed(a, &h, 2); /* and the coordinator sees it */
	h.payload_type = PAYLOAD_NOTE;
	refused(a, &h, KW_EDENIED, "carries a payload of schema report, not note");
	h.payload_type = PAYLOAD_REPORT;
	strcpy(h.to[0], "youth-house/office");
	refused(a, &h, KW_EDENIED, "\"youth-house/office\" may not read topics of +/report");
	strcpy(h.sender, "city/crime-prevention");
	strcpy(h.to[0], "police/control-room");
	refused(a, &h, KW_EDENIED, "must name in \"to\" somebody whom the agreement lists under \"onward\"");
	h.to_count = 2;
	strcpy(h.to[1], "shelter/desk");
	allowed(a, &h, 2);
	strcpy(h.sender, "youth-house/office");
	refused(a, &h, KW_EDENIED, "is not in the line that is responsible for +/report, so it may not send \"forwarded\"");
	strcpy(h.sender, "shelter/desk");
	h.to_count = 1;
	refused(a, &h, KW_EDENIED, "is not in the line");
	h.type = TYPE_DELIVERED; /* who got it confirms it */
	h.payload_type = PAYLOAD_RECEIPT;
	allowed(a, &h, 1);
	h.type = TYPE_TAKEN;
	refused(a, &h, KW_EDENIED, "does not read it");
	h.type = TYPE_VOID; /* and hears of a number that is void */
	h.payload_type = PAYLOAD_VOID;
	strcpy(h.sender, "police/control-room");
	strcpy(h.to[0], "shelter/desk");
	allowed(a, &h, 1);
	h.type = TYPE_RECALL; /* and takes it back, though he does not publish there */
	h.payload_type = PAYLOAD_RECEIPT;
	strcpy(h.sender, "city/crime-prevention");
	allowed(a, &h, 1);
	strcpy(h.to[0], "police/control-room");
	refused(a, &h, KW_EDENIED, "may not publish on topics of +/report");
	strcpy(h.to[0], "shelter/desk");
	strcpy(h.sender, "shelter/desk");
	refused(a, &h, KW_EDENIED, "is not in the line");
	h.type = TYPE_NOTE; /* who may pass it on may say something with it; nobody else may */
	h.payload_type = PAYLOAD_NOTE;
	strcpy(h.sender, "city/crime-prevention");
	allowed(a, &h, 1);
	strcpy(h.sender, "youth-house/office");
	refused(a, &h, KW_EDENIED, "\"shelter/desk\"");
	strcpy(h.sender, "police/control-room");
	h.type = TYPE_FORWARDED;
	h.payload_type = PAYLOAD_REPORT;
	assert_int_equal(agreement_may_send(NULL, NULL, a, &h, agreement_node(a, h.sender), agreement_grace_until_ms(a), NULL), KW_ESTATE);
	memcpy(h.agreement_hash, agreement_hash(none), KW_HASH_LEN);
	refused(none, &h, KW_EDENIED, "goes to nobody beyond its readers: the agreement names nobody under \"onward\" there");
	agreement_free(&a);
	agreement_free(&none);
}

static void
a_node_taken_out_of_the_agreement_is_nobody_at_once(void **state)
{
	struct agreement *old = fixture_agreement(fixture_text, "{id: control-room,", "{id: second, key: \"%police/second\"}, {id: control-room,");
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	struct header h = good_header(old);

	(void)state;
	strcpy(h.sender, "police/second");
	allowed(old, &h, 4);
	memcpy(h.agreement_hash, agreement_hash(a), KW_HASH_LEN);
	refused(a, &h, KW_EDENIED, "\"police/second\" is no node of the agreement");
	assert_int_equal(agreement_peer(old, secret_keys_public(fixture_key("police/second"))->curve_pk).role, PEER_NODE);
	assert_int_equal(agreement_peer(a, secret_keys_public(fixture_key("police/second"))->curve_pk).role, PEER_UNKNOWN);
	agreement_free(&old);
	agreement_free(&a);
}

/* Deterministic: the same damage at every run. */
static uint32_t
next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void
no_damage_of_the_text_crashes(void **state)
{
	struct agreement *a;
	struct buf text, warnings = BUF_INIT(1u << 16);
	struct kw_why why;
	uint32_t seed = 1;

	(void)state;
	fixture_expand(&text, fixture_text, NULL, NULL);
	for (size_t len = 0; len < text.len; len++) {
		a = NULL;
		if (agreement_parse(&a, span_of(text.p, len), NULL, &why) == KW_OK)
			agreement_free(&a);
		else
			assert_memory_equal(why.text, "line ", 5);
	}
	for (unsigned i = 0; i < 4000; i++) {
		size_t at = next_random(&seed) % text.len;
		uint8_t old = text.p[at];

		text.p[at] = i % 2 == 0 ? (uint8_t)next_random(&seed) : (uint8_t)"{}[]:,#&*!|>'\"%@`- \n?/+"[next_random(&seed) % 23];
		a = NULL;
		buf_reset(&warnings);
		if (agreement_parse(&a, buf_span(&text), &warnings, &why) == KW_OK)
			agreement_free(&a);
		else
			assert_memory_equal(why.text, "line ", 5);
		text.p[at] = old;
	}
	buf_free(&warnings);
	buf_free(&text);
}

/* A line's number is told by the text around it, so that the fixture may grow. */
static void
stands_in(const struct agreement *a, uint32_t line, const char *wanted)
{
	struct span text = agreement_line_text(a, line);

	assert_non_null(memmem(text.p, text.len, wanted, strlen(wanted)));
}

static void
every_answer_has_its_line(void **state)
{
	static const char *const topics[] = {"alert/flood/west", "alert/fire", "request/noise/west", "statement/mayor", "north/report", "weather"};
	struct agreement *a = fixture_agreement(fixture_text, NULL, NULL);
	uint64_t noon_ms = agreement_from_ms(a) + 11 * 3600000ull;
	struct agreement_why w;

	(void)state;
	for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++)
		for (uint32_t node = 0; node < agreement_node_count(a); node++) {
			agreement_why(&w, a, topics[i], node, noon_ms);
			assert_int_equal(w.reads, agreement_may_read(a, topics[i], node));
			assert_int_equal(w.takes, agreement_may_take(a, topics[i], node));
			assert_int_equal(w.approves, agreement_must_approve(a, topics[i], node));
			assert_ptr_equal(w.topic, agreement_topic(a, topics[i]));
			assert_true(w.topic == NULL || (w.topic->line > 0 && w.receive_line > 0 && w.publish_line > 0 && w.partner_line > 0));
		}
	agreement_why(&w, a, "alert/flood/west", agreement_node(a, "shelter/desk"), noon_ms);
	assert_true(w.barred && w.civil && !w.reads);
	assert_string_equal(w.purpose, "danger-prevention");
	stands_in(a, w.topic->line, "alert/flood/#");
	stands_in(a, w.purposes_line, "purposes: [care]");
	stands_in(a, w.lane_line, "lane: urgent");
	agreement_why(&w, a, "alert/fire", agreement_node(a, "shelter/desk"), noon_ms);
	assert_false(w.barred); /* not meant at all */
	stands_in(a, w.lane_line, "lane: flash"); /* on a line of its own, behind the filter's */
	assert_int_equal(w.lane_line, w.topic->line + 1);
	agreement_why(&w, a, "request/noise/west", agreement_node(a, "city/public-order"), noon_ms);
	assert_int_equal(w.entry_count, 1);
	assert_true(w.entries[0].hours && w.entries[0].area && w.entries[0].first && !w.entries[0].deputy);
	stands_in(a, w.entries[0].line, "who: city/public-order");
	stands_in(a, w.receive_line, "police, city");
	agreement_why(&w, a, "request/noise/west", agreement_node(a, "city/public-order"), noon_ms + 12 * 3600000ull);
	assert_true(!w.entries[0].hours && !w.entries[0].first);
	agreement_why(&w, a, "statement/mayor", agreement_node(a, "city/crime-prevention"), noon_ms);
	assert_true(w.approves && w.coordinator);
	stands_in(a, w.approve_line, "approve: [police, city]");
	stands_in(a, w.coordinator_line, "coordinator: city/crime-prevention");
	assert_int_equal(agreement_line_text(a, 0).len, 0);
	assert_int_equal(agreement_line_text(a, 100000).len, 0);
	agreement_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_text_is_read_whole),
		cmocka_unit_test(every_fault_of_the_text_has_its_sentence),
		cmocka_unit_test(a_key_that_stands_twice_is_refused_whatever_it_is_for),
		cmocka_unit_test(nobody_stands_twice),
		cmocka_unit_test(every_list_has_its_limit),
		cmocka_unit_test(at_most_64_partners_approve),
		cmocka_unit_test(a_text_over_the_limit_is_refused),
		cmocka_unit_test(keys_of_the_version_before_are_not_checked_once_more),
		cmocka_unit_test(a_key_that_is_not_the_one_before_is_checked_as_any),
		cmocka_unit_test(proof_is_never_kept_shorter_than_content),
		cmocka_unit_test(warnings_tell_what_is_allowed_and_odd),
		cmocka_unit_test(a_line_whose_hours_join_has_no_hole),
		cmocka_unit_test(hours_begin_and_end_to_the_minute),
		cmocka_unit_test(a_peer_is_known_by_its_key_alone),
		cmocka_unit_test(age_changes_to_the_millisecond),
		cmocka_unit_test(the_audience_is_sorted_and_without_the_sender),
		cmocka_unit_test(the_first_topic_that_matches_decides_alone),
		cmocka_unit_test(what_nobody_allowed_is_no),
		cmocka_unit_test(who_is_responsible_is_always_among_the_readers),
		cmocka_unit_test(a_notice_stands_or_is_refused_for_one_reason),
		cmocka_unit_test(lifetime_ends_with_what_the_topic_keeps),
		cmocka_unit_test(after_the_grace_only_answers_go_on),
		cmocka_unit_test(on_a_topic_with_release_nothing_goes_out_that_was_not_released),
		cmocka_unit_test(a_draft_goes_to_those_who_must_approve_it_and_to_nobody_else),
		cmocka_unit_test(answers_to_a_draft_come_from_those_who_are_asked),
		cmocka_unit_test(answers_come_from_readers_and_publishers_to_the_named),
		cmocka_unit_test(a_void_goes_to_all_readers_or_exactly_the_named),
		cmocka_unit_test(only_who_publishes_may_update_or_cancel),
		cmocka_unit_test(cases_are_moved_by_readers_the_line_and_the_coordinator),
		cmocka_unit_test(where_nobody_is_responsible_every_reader_and_the_coordinator_may_take),
		cmocka_unit_test(what_must_be_taken_on_reaches_the_coordinator),
		cmocka_unit_test(a_civil_coordinator_gets_nothing_beyond_its_purpose),
		cmocka_unit_test(what_must_be_taken_on_lives_until_its_line_is_through),
		cmocka_unit_test(notes_go_between_those_concerned_to_exactly_the_named),
		cmocka_unit_test(a_matter_goes_onward_only_where_and_to_whom_the_agreement_allows),
		cmocka_unit_test(a_node_taken_out_of_the_agreement_is_nobody_at_once),
		cmocka_unit_test(every_answer_has_its_line),
		cmocka_unit_test(no_damage_of_the_text_crashes),
	};

	return cmocka_run_group_tests(tests, fixture_make_keys, fixture_free_keys);
}
