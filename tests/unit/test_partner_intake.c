/* Files of people and agency systems become notifications, or are refused with a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agreement_fixture.h"
#include "base/clock.h"
#include "base/text.h"
#include "clients/partner/intake.h"
#include "partner_world.h"

#define HOUR_MS (3600ull * 1000)
#define FIRST "desk@police.example,flood-1,2026-01-01T10:00:00+01:00"
#define SECOND "desk@police.example,flood-2,2026-01-01T11:00:00+01:00"

struct cap { const char *identifier, *hour, *status, *msg_type, *references; };

/* A small alert that runs out in an hour. */
static struct span
xml(struct buf *out, const struct cap *c)
{
	char expires[TEXT_TIME_MAX];

	text_put_time_utc(expires, clock_wall_ms() + HOUR_MS);
	(void)snprintf(strchr(expires, 'Z'), 7, "-00:00");
	*out = BUF_INIT(1u << 16);
	buf_printf(out, "<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"><identifier>%s</identifier><sender>desk@police.example</sender>"
	           "<sent>2026-01-01T%s:00:00+01:00</sent><status>%s</status><msgType>%s</msgType><scope>Public</scope>", c->identifier, c->hour, c->status, c->msg_type);
	if (c->references != NULL)
		buf_printf(out, "<references>%s</references>", c->references);
	buf_printf(out, "<info><language>de-DE</language><category>Met</category><event>Flood</event><urgency>Immediate</urgency><severity>Severe</severity>"
	           "<certainty>Observed</certainty><expires>%s</expires><headline>Neckar</headline><area><areaDesc>Mitte</areaDesc></area></info></alert>", expires);
	assert_true(buf_ok(out));
	return buf_span(out);
}

static const struct cap first = {"flood-1", "10", "Actual", "Alert", NULL};
static const struct cap second = {"flood-2", "11", "Actual", "Update", FIRST};

struct answer { enum kw_err err; uint8_t id[KW_ID_LEN]; char warnings[2048]; struct kw_why why; };

static struct answer
publish(struct world *w, struct intake in)
{
	struct answer a = {.why = {{0}}};
	struct buf warnings = BUF_INIT(sizeof a.warnings - 1);

	a.err = intake_publish(w->node, &in, a.id, &warnings, &a.why);
	(void)snprintf(a.warnings, sizeof a.warnings, "%s", buf_text(&warnings));
	buf_free(&warnings);
	return a;
}

static struct answer
publish_cap(struct world *w, const struct cap *c)
{
	struct buf text;
	struct answer a = publish(w, (struct intake){.topic = "alert/flood", .form = INTAKE_CAP, .content = xml(&text, c)});

	buf_free(&text);
	return a;
}

static struct header
header_of(struct world *w)
{
	struct header h;
	struct frame f;
	struct kw_why why;

	(void)world_expect(w, WIRE_PUBLISH);
	assert_int_equal(frame_parse(&f, buf_span(&w->frame), FRAME_WHOLE, &why), KW_OK);
	assert_int_equal(header_decode(&h, f.header, &why), KW_OK);
	return h;
}

static void
assert_refused(struct answer a, enum kw_err err, const char *says)
{
	if (a.err != err || strstr(a.why.text, says) == NULL)
		fail_msg("%s \"%s\", where %s with \"%s\" was expected", kw_err_name(a.err), a.why.text, kw_err_name(err), says);
}

/* [N-5], [N-6] */
static void
a_cap_files_msg_type_says_the_type_and_its_references_what_it_is_about(void **state)
{
	struct world *w = *state;
	struct answer a, b;
	struct header h;

	world_up(w);
	a = publish_cap(w, &first);
	assert_int_equal(a.err, KW_OK);
	assert_string_equal(a.warnings, "");
	h = header_of(w);
	assert_int_equal(h.type, TYPE_NOTICE);
	assert_false(h.about.set);
	assert_in_range(h.expires_ms, clock_wall_ms() + HOUR_MS - 60000, clock_wall_ms() + HOUR_MS);
	b = publish_cap(w, &second);
	assert_int_equal(b.err, KW_OK);
	h = header_of(w);
	assert_int_equal(h.type, TYPE_UPDATE);
	assert_memory_equal(h.about.id, a.id, KW_ID_LEN);
}

static void
of_several_references_the_newest_that_is_known_is_meant_with_a_warning(void **state)
{
	struct world *w = *state;
	struct cap clear = {"flood-4", "13", "Actual", "Cancel", SECOND " " FIRST " desk@police.example,flood-3,2026-01-01T12:00:00+01:00"};
	struct answer b, c;
	struct header h;

	world_up(w);
	assert_int_equal(publish_cap(w, &first).err, KW_OK);
	(void)header_of(w);
	b = publish_cap(w, &second);
	(void)header_of(w);
	c = publish_cap(w, &clear);
	assert_int_equal(c.err, KW_OK);
	assert_non_null(strstr(c.warnings, "refers to 3 alerts"));
	assert_non_null(strstr(c.warnings, SECOND));
	h = header_of(w);
	assert_int_equal(h.type, TYPE_CANCEL);
	assert_memory_equal(h.about.id, b.id, KW_ID_LEN);
}

static void
a_cancel_of_something_unknown_is_refused_and_nothing_is_kept(void **state)
{
	struct world *w = *state;
	struct cap clear = {"flood-2", "13", "Actual", "Cancel", FIRST};

	world_up(w);
	assert_refused(publish_cap(w, &clear), KW_ENOTFOUND, "refers to " FIRST ", which is neither in the inbox nor in the outbox");
	assert_false(world_comes(w, WIRE_PUBLISH, 5));
}

/* [N-6] */
static void
what_refers_to_nothing_known_can_stand_for_itself_and_only_then(void **state)
{
	struct world *w = *state;
	struct cap clear = {"flood-2", "13", "Actual", "Cancel", FIRST};
	struct answer c;
	struct header h;
	struct buf text;

	world_up(w);
	c = publish(w, (struct intake){.topic = "alert/flood", .form = INTAKE_CAP, .content = xml(&text, &clear), .type = "notice"});
	buf_free(&text);
	assert_int_equal(c.err, KW_OK);
	assert_non_null(strstr(c.warnings, "its msgType is Cancel, but it is published as a notice of its own"));
	h = header_of(w);
	assert_int_equal(h.type, TYPE_NOTICE);
	assert_false(h.about.set);
	assert_int_equal(publish_cap(w, &first).err, KW_OK);
	(void)header_of(w);
	assert_refused(publish(w, (struct intake){.topic = "alert/flood", .form = INTAKE_CAP, .content = xml(&text, &clear), .type = "notice"}), KW_EDENIED,
	               "its msgType is Cancel and it refers to " FIRST ", which this node knows; leave the type out");
	buf_free(&text);
}

static void
what_was_sent_can_be_named_by_its_id_where_the_file_names_nothing_known(void **state)
{
	struct world *w = *state;
	struct cap clear = {"flood-2", "13", "Actual", "Cancel", "desk@other.example,x,2026-01-01T10:00:00+01:00"};
	struct answer a, c;
	struct header h;
	struct buf text;
	char id[37];

	world_up(w);
	a = publish_cap(w, &first);
	(void)header_of(w);
	kw_id_text(id, a.id);
	c = publish(w, (struct intake){.topic = "alert/flood", .form = INTAKE_CAP, .content = xml(&text, &clear), .about = id});
	buf_free(&text);
	assert_int_equal(c.err, KW_OK);
	h = header_of(w);
	assert_int_equal(h.type, TYPE_CANCEL);
	assert_memory_equal(h.about.id, a.id, KW_ID_LEN);
}

static void
answers_drafts_and_types_that_contradict_the_file_are_refused(void **state)
{
	struct world *w = *state;
	struct cap ack = {"a", "10", "Actual", "Ack", FIRST}, error = {"a", "10", "Actual", "Error", FIRST}, draft = {"a", "10", "Draft", "Alert", NULL};
	struct buf text;

	world_up(w);
	assert_refused(publish_cap(w, &ack), KW_EDENIED, "msgType is Ack");
	assert_refused(publish_cap(w, &error), KW_EDENIED, "msgType is Error");
	assert_refused(publish_cap(w, &draft), KW_EDENIED, "status is Draft");
	assert_refused(publish(w, (struct intake){.topic = "alert/flood", .form = INTAKE_CAP, .content = xml(&text, &first), .type = "cancel"}), KW_EDENIED,
	               "msgType is Alert, which is published as notice and not as cancel");
	buf_free(&text);
	assert_refused(publish(w, (struct intake){.topic = "alert/flood", .form = INTAKE_CAP, .content = xml(&text, &first), .type = "recall"}), KW_EINVAL,
	               "there is no type \"recall\" to publish");
	buf_free(&text);
	assert_refused(publish(w, (struct intake){.topic = "alert/flood", .form = INTAKE_CAP, .content = xml(&text, &first), .lane = "fast"}), KW_EINVAL,
	               "there is no lane \"fast\"");
	buf_free(&text);
	assert_false(world_comes(w, WIRE_PUBLISH, 5));
}

/* [N-7] */
static void
an_exercise_or_test_in_a_live_partnership_is_published_with_a_warning(void **state)
{
	struct world *w = *state;
	struct cap exercise = {"a", "10", "Exercise", "Alert", NULL}, test = {"b", "10", "Test", "Alert", NULL}, system = {"c", "10", "System", "Alert", NULL};
	struct answer a;

	world_up(w);
	a = publish_cap(w, &exercise);
	assert_int_equal(a.err, KW_OK);
	assert_non_null(strstr(a.warnings, "its status is Exercise, and this partnership is live"));
	a = publish_cap(w, &test);
	assert_int_equal(a.err, KW_OK);
	assert_non_null(strstr(a.warnings, "its status is Test"));
	a = publish_cap(w, &system);
	assert_int_equal(a.err, KW_OK);
	assert_string_equal(a.warnings, "");
}

static void
json_goes_by_the_topics_schema(void **state)
{
	static const char request[] = "{\"kind\": \"Presence\", \"subject\": \"Noise\", \"description\": \"Music since ten\", "
		"\"place\": {\"description\": \"Marktplatz\"}, "
		"\"handling\": {\"mark\": \"Internal\", \"purpose\": \"danger-prevention\", \"onward\": \"WithConsent\"}}";
	struct world *w = *state;
	struct answer a;
	struct header h;
	struct buf text;

	world_next_version(w, "topics:\n", "topics:\n  - {filter: \"request/#\", schema: request, publish: [\"*\"], receive: [police, city]}\n");
	world_up(w);
	world_send_agreement(w);
	for (int i = 0; i < 100 && publish(w, (struct intake){.topic = "request/noise"}).err == KW_EDENIED; i++)
		world_steps(w, 1);
	a = publish(w, (struct intake){.topic = "request/noise", .content = span_str(request)});
	if (a.err != KW_OK)
		fail_msg("%s", a.why.text);
	h = header_of(w);
	assert_int_equal(h.type, TYPE_REQUEST);
	assert_int_equal(h.payload_type, PAYLOAD_REQUEST);
	assert_refused(publish(w, (struct intake){.topic = "request/noise", .content = span_str("{\"subjekt\": 1}")}), KW_EINVAL, "subjekt");
	assert_refused(publish(w, (struct intake){.topic = "request/noise", .form = INTAKE_CAP, .content = xml(&text, &first)}), KW_EINVAL, "schema \"request\"");
	buf_free(&text);
	assert_refused(publish(w, (struct intake){.topic = "request/+", .content = span_str(request)}), KW_EINVAL, "request/+");
	assert_refused(publish(w, (struct intake){.topic = "unheard/of", .content = span_str(request)}), KW_EDENIED, "no topic of the agreement");
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_cap_files_msg_type_says_the_type_and_its_references_what_it_is_about),
		T(of_several_references_the_newest_that_is_known_is_meant_with_a_warning),
		T(a_cancel_of_something_unknown_is_refused_and_nothing_is_kept),
		T(what_refers_to_nothing_known_can_stand_for_itself_and_only_then),
		T(what_was_sent_can_be_named_by_its_id_where_the_file_names_nothing_known),
		T(answers_drafts_and_types_that_contradict_the_file_are_refused),
		T(an_exercise_or_test_in_a_live_partnership_is_published_with_a_warning),
		T(json_goes_by_the_topics_schema),
	};

	return cmocka_run_group_tests(tests, fixture_make_keys, fixture_free_keys);
}
