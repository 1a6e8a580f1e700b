/* The node's local socket, asked as any program on the machine may ask it: docs/protocol.md section 9. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <zmq.h>

#include "agreement_fixture.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json_memory.h"
#include "base/language.h"
#include "clients/partner/local.h"
#include "clients/partner/local_serve.h"
#include "partner_world.h"
#include "proto/payload.h"
#include "proto/seal.h"
#include "shortage.h"

#define DEADLINE_MS 10000u
#define DAY_MS (24ull * 3600 * 1000)

#define DEALERS_MAX 300

struct desk { struct world *w; struct local *local; void *dealer; void *dealers[DEALERS_MAX]; int dialled; };

/* ---- the node, and a program that asks it ---- */

static int
set_up(void **state)
{
	struct desk *d = calloc(1, sizeof *d);
	char socket[128];
	struct kw_why why;

	language_start();
	if (world_set_up((void **)&d->w) != 0)
		return -1;
	(void)snprintf(socket, sizeof socket, "ipc://%s/run/partner.sock", d->w->folder);
	d->w->config.socket = strdup(socket);
	world_start(d->w);
	if (local_open(&d->local, d->w->node, &why) != KW_OK)
		fail_msg("%s", why.text);
	world_welcome(d->w);
	world_steps(d->w, 5);
	*state = d;
	return 0;
}

static int
tear_down(void **state)
{
	struct desk *d = *state;
	void *w = d->w;

	for (int i = 0; i < d->dialled; i++)
		if (d->dealers[i] != NULL)
			(void)zmq_close(d->dealers[i]);
	local_close(&d->local);
	if (world_tear_down(&w) != 0)
		return -1;
	free(d);
	return 0;
}

static void *
dial(struct desk *d)
{
	void *dealer = zmq_socket(d->w->context, ZMQ_DEALER);
	int zero = 0;

	assert_non_null(dealer);
	assert_true(d->dialled < DEALERS_MAX);
	d->dealers[d->dialled++] = dealer; /* closed in the end, also when the test fails before */
	assert_int_equal(zmq_setsockopt(dealer, ZMQ_LINGER, &zero, sizeof zero), 0);
	assert_int_equal(zmq_connect(dealer, d->w->config.socket), 0);
	return dealer;
}

static void
send_to(void *dealer, struct span request, const struct span *content)
{
	assert_int_not_equal(zmq_send(dealer, request.p, request.len, content != NULL ? ZMQ_SNDMORE : 0), -1);
	if (content != NULL)
		assert_int_not_equal(zmq_send(dealer, content->p, content->len, 0), -1);
}

/* The next answer within so many turns of the node, or NULL. */
static json_t *
comes(struct desk *d, void *dealer, uint32_t within_ms)
{
	uint64_t end = clock_mono_ms() + within_ms;
	json_t *answer = NULL;
	zmq_msg_t part;

	(void)zmq_msg_init(&part);
	while (zmq_msg_recv(&part, dealer, ZMQ_DONTWAIT) < 0) {
		if (clock_mono_ms() > end) {
			(void)zmq_msg_close(&part);
			return NULL;
		}
		world_steps(d->w, 1);
	}
	assert_false(zmq_msg_more(&part));
	answer = json_loadb(zmq_msg_data(&part), zmq_msg_size(&part), 0, NULL);
	(void)zmq_msg_close(&part);
	assert_true(json_is_object(answer));
	return answer;
}

static json_t *
answer(struct desk *d, void *dealer)
{
	json_t *v = comes(d, dealer, DEADLINE_MS);

	assert_non_null(v);
	return v;
}

static json_t *
ask_bytes(struct desk *d, struct span request, const struct span *content)
{
	if (d->dealer == NULL)
		d->dealer = dial(d);
	send_to(d->dealer, request, content);
	return answer(d, d->dealer);
}

static json_t *
ask(struct desk *d, const char *request)
{
	return ask_bytes(d, span_str(request), NULL);
}

static const char *
text_of(const json_t *v, const char *key)
{
	const char *text = json_string_value(json_object_get(v, key));

	return text != NULL ? text : "(none)";
}

/* Takes v. */
static void
assert_refused(json_t *v, const char *error, const char *says)
{
	if (!json_is_false(json_object_get(v, "ok")) || strcmp(text_of(v, "error"), error) != 0 || strstr(text_of(v, "text"), says) == NULL)
		fail_msg("%s \"%s\", where %s with \"%s\" was expected", text_of(v, "error"), text_of(v, "text"), error, says);
	json_decref(v);
}

/* Takes v; gives its result. */
static json_t *
result_of(json_t *v)
{
	json_t *result;

	if (!json_is_true(json_object_get(v, "ok")))
		fail_msg("refused: %s", text_of(v, "text"));
	result = json_incref(json_object_get(v, "result"));
	json_decref(v);
	return result;
}

/* The flood alert as JSON, to expire tomorrow; its id as text. */
static void
publish(struct desk *d, const char *more, char id[37])
{
	struct buf request = BUF_INIT(4096), content = BUF_INIT(1u << 20);
	struct span payload;
	json_t *result;
	struct kw_why why;

	assert_int_equal(payload_to_json(&content, PAYLOAD_ALERT, buf_span(&d->w->alert), false, &why), KW_OK);
	payload = buf_span(&content);
	buf_printf(&request, "{\"request\":1,\"verb\":\"publish\",\"topic\":\"alert/flood\",\"form\":\"json\",\"expires_ms\":%llu%s}",
	           (unsigned long long)(clock_wall_ms() + DAY_MS), more);
	result = result_of(ask_bytes(d, buf_span(&request), &payload));
	(void)snprintf(id, 37, "%s", text_of(result, "id"));
	assert_int_equal(strlen(id), 36);
	json_decref(result);
	buf_free(&request);
	buf_free(&content);
}

static void
deliver(struct desk *d, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct given g;

		world_seal(&g, d->w, LANE_FLASH, NULL);
		world_deliver(d->w, &g, MARK_WHOLE);
		(void)world_expect(d->w, WIRE_ACK);
		given_free(&g);
	}
}

/* ---- requests that are wrong ---- */

/* [N-2] */
static void
a_request_that_is_wrong_is_refused_by_name(void **state)
{
	static const struct { const char *request, *says; } cases[] = {
		{"", "no JSON object"},
		{"[1]", "no JSON object"},
		{"{\"request\":1,", "no JSON object"},
		{"{\"request\":1,\"request\":2,\"verb\":\"status\"}", "no JSON object"},
		{"{\"verb\":\"status\"}", "\"request\" is missing"},
		{"{\"request\":-1,\"verb\":\"status\"}", "request must be a whole number"},
		{"{\"request\":1}", "\"verb\" is missing"},
		{"{\"request\":1,\"verb\":\"delete\"}", "verb is \"delete\", must be one of: publish, inbox, state, status, trace, agreement"},
		{"{\"request\":1,\"verb\":7}", "verb is \"?\""},
		{"{\"request\":1,\"verb\":\"status\",\"language\":7}", "language must be a text"},
		{"{\"request\":1,\"verb\":\"status\",\"topic\":\"alert\"}", "\"topic\" is not known for the verb status"},
		{"{\"request\":1,\"verb\":\"inbox\",\"colour\":\"red\"}", "\"colour\" is not known for the verb inbox"},
		{"{\"request\":1,\"verb\":\"inbox\",\"limit\":0}", "limit is 0, must be 1 to 1000"},
		{"{\"request\":1,\"verb\":\"inbox\",\"limit\":1001}", "limit is 1001"},
		{"{\"request\":1,\"verb\":\"inbox\",\"wait_ms\":60001}", "wait_ms is 60001, must be 0 to 60000"},
		{"{\"request\":1,\"verb\":\"inbox\",\"after_seq\":1.5}", "after_seq must be a whole number"},
		{"{\"request\":1,\"verb\":\"inbox\",\"receipts\":1}", "receipts must be true or false"},
		{"{\"request\":1,\"verb\":\"inbox\",\"content\":\"xml\"}", "content is \"xml\", must be one of: none, json, cap, text"},
		{"{\"request\":1,\"verb\":\"inbox\",\"id\":\"7\"}", "id is \"7\", must be a notification's id"},
		{"{\"request\":1,\"verb\":\"trace\"}", "\"id\" is missing"},
		{"{\"request\":1,\"verb\":\"agreement\",\"version\":0}", "version is 0, must be 1 to 4294967295"},
		{"{\"request\":1,\"verb\":\"state\",\"id\":\"0193a1b2-0000-7000-8000-000000000000\"}", "\"stage\" is missing"},
		{"{\"request\":1,\"verb\":\"publish\",\"form\":\"cap\"}", "\"topic\" is missing"},
		{"{\"request\":1,\"verb\":\"publish\",\"topic\":\"alert\",\"form\":\"yaml\"}", "form is \"yaml\""},
		{"{\"request\":1,\"verb\":\"publish\",\"topic\":\"alert\",\"form\":\"cap\"}", "second frame, with the content, is missing"},
		{"{\"request\":1,\"verb\":\"publish\",\"topic\":\"alert\",\"form\":\"cap\",\"to\":\"police\"}", "to must be a list of nodes"},
		{"{\"request\":1,\"verb\":\"publish\",\"topic\":\"alert\",\"form\":\"cap\",\"to\":[7]}", "to[0] must be a node"},
		{"{\"request\":1,\"verb\":\"publish\",\"topic\":\"alert\",\"form\":\"cap\",\"type\":\"recall\"}", "type is \"recall\""},
		{"{\"request\":1,\"verb\":\"publish\",\"topic\":\"alert\",\"form\":\"cap\",\"lane\":\"fast\"}", "lane is \"fast\""},
		{"{\"request\":1,\"verb\":\"status\",\"a\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}", "nests more than 16 deep"},
	};
	struct desk *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_refused(ask(d, cases[i].request), "EUSAGE", cases[i].says);
	json_decref(result_of(ask(d, "{\"request\":1,\"verb\":\"status\"}")));
}

static void
a_request_that_is_too_large_or_has_too_many_frames_is_refused(void **state)
{
	struct desk *d = *state;
	struct buf large = BUF_INIT(1u << 20);
	struct span content = span_str("x");

	buf_put_str(&large, "{\"request\":1,\"verb\":\"status\"}");
	while (large.len <= 64 * 1024)
		buf_put_str(&large, " ");
	assert_refused(ask_bytes(d, buf_span(&large), NULL), "EUSAGE", "at most 65536 are allowed");
	assert_refused(ask_bytes(d, span_str("{\"request\":1,\"verb\":\"status\"}"), &content), "EUSAGE", "a second frame is for publish alone");
	(void)zmq_send(d->dealer, "{}", 2, ZMQ_SNDMORE);
	(void)zmq_send(d->dealer, "x", 1, ZMQ_SNDMORE);
	(void)zmq_send(d->dealer, "x", 1, 0);
	assert_refused(answer(d, d->dealer), "EUSAGE", "one frame, or two");
	buf_free(&large);
}

/* A word cut in the middle of a character, or that never was text, must not leave the asker without an answer. */
static void
what_is_no_text_gets_an_answer_all_the_same(void **state)
{
	struct desk *d = *state;

	assert_refused(ask(d, "{\"request\":1,\"verb\":\"1234567890123456789012345678901ü\"}"), "EUSAGE", "901?");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"\xff\"}"), "EUSAGE", "no JSON object");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"a\\u202Eb\\n\"}"), "EUSAGE", "a???b?");
}

/* [N-1] */
static void
a_sentence_comes_in_the_askers_language_and_the_next_one_in_the_next_askers(void **state)
{
	struct desk *d = *state;

	assert_refused(ask(d, "{\"request\":1,\"verb\":\"delete\",\"language\":\"de\"}"), "EUSAGE", "muss aber eines davon sein");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"delete\"}"), "EUSAGE", "must be one of");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"trace\",\"id\":\"0193a1b2-0000-7000-8000-000000000000\",\"language\":\"de-AT\"}"), "ENOTFOUND", "wurde nicht von diesem Knoten gesandt");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"trace\",\"id\":\"0193a1b2-0000-7000-8000-000000000000\",\"language\":\"fr\"}"), "ENOTFOUND", "was not sent by this node");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"delete\",\"language\":\"den\"}"), "EUSAGE", "must be one of");
}

/* ---- publish ---- */

static void
a_refused_publication_says_why_and_leaves_nothing(void **state)
{
	struct desk *d = *state;
	struct span content = span_str("<alert/>");
	json_t *status;

	assert_refused(ask_bytes(d, span_str("{\"request\":1,\"verb\":\"publish\",\"topic\":\"alert/flood\",\"form\":\"cap\"}"), &content), "EPROTO", "line 1: <alert> is not of CAP");
	assert_refused(ask_bytes(d, span_str("{\"request\":1,\"verb\":\"publish\",\"topic\":\"alert/+\",\"form\":\"cap\"}"), &content), "EINVAL", "alert/+");
	assert_refused(ask_bytes(d, span_str("{\"request\":1,\"verb\":\"publish\",\"topic\":\"unheard/of\",\"form\":\"cap\"}"), &content), "EDENIED", "no topic of the agreement");
	content = span_of(NULL, 0);
	assert_refused(ask_bytes(d, span_str("{\"request\":1,\"verb\":\"publish\",\"topic\":\"alert/flood\",\"form\":\"json\"}"), &content), "EPROTO", "JSON");
	status = result_of(ask(d, "{\"request\":1,\"verb\":\"status\"}"));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(status, "outbox"), "waiting")), 0);
	json_decref(status);
}

/* ---- inbox ---- */

/* [N-4] */
static void
the_inbox_is_read_in_order_with_brief_and_content(void **state)
{
	struct desk *d = *state;
	json_t *result, *row;

	deliver(d, 3);
	result = result_of(ask(d, "{\"request\":1,\"verb\":\"inbox\",\"limit\":2,\"content\":\"json\"}"));
	assert_int_equal(json_array_size(json_object_get(result, "rows")), 2);
	assert_true(json_is_true(json_object_get(result, "more")));
	assert_int_equal(json_integer_value(json_object_get(result, "after")), 2);
	row = json_array_get(json_object_get(result, "rows"), 0);
	assert_int_equal(json_integer_value(json_object_get(row, "seq")), 1);
	assert_string_equal(text_of(row, "sender"), "city/public-order");
	assert_string_equal(text_of(row, "topic"), "alert/storm");
	assert_string_equal(text_of(row, "type"), "notice");
	assert_string_equal(text_of(row, "schema"), "alert");
	assert_string_equal(text_of(row, "status"), "Actual");
	assert_non_null(strstr(text_of(row, "headline"), "Neckar"));
	assert_string_equal(text_of(row, "content_form"), "json");
	assert_string_equal(text_of(json_object_get(row, "content"), "msgType"), "Alert");
	json_decref(result);
	result = result_of(ask(d, "{\"request\":1,\"verb\":\"inbox\",\"after_seq\":2,\"content\":\"cap\"}"));
	row = json_array_get(json_object_get(result, "rows"), 0);
	assert_true(json_is_false(json_object_get(result, "more")));
	assert_non_null(strstr(text_of(row, "content"), "<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">"));
	json_decref(result);
	result = result_of(ask(d, "{\"request\":1,\"verb\":\"inbox\",\"after_seq\":2,\"content\":\"text\",\"language\":\"de\"}"));
	row = json_array_get(json_object_get(result, "rows"), 0);
	assert_string_equal(text_of(row, "content_form"), "text");
	assert_non_null(strstr(text_of(row, "content"), "Schwere"));
	json_decref(result);
	result = result_of(ask(d, "{\"request\":1,\"verb\":\"inbox\",\"after_seq\":2}"));
	assert_null(json_object_get(json_array_get(json_object_get(result, "rows"), 0), "content"));
	json_decref(result);
}

static void
a_filter_an_id_or_rejected_rows_narrow_it(void **state)
{
	struct desk *d = *state;
	char request[256];
	json_t *result;
	char id[37];

	deliver(d, 2);
	result = result_of(ask(d, "{\"request\":1,\"verb\":\"inbox\",\"topic\":\"alert/flood/#\"}"));
	assert_int_equal(json_array_size(json_object_get(result, "rows")), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "after")), 2); /* nobody need look at them again */
	json_decref(result);
	result = result_of(ask(d, "{\"request\":1,\"verb\":\"inbox\",\"topic\":\"+/storm\"}"));
	assert_int_equal(json_array_size(json_object_get(result, "rows")), 2);
	(void)snprintf(id, sizeof id, "%s", text_of(json_array_get(json_object_get(result, "rows"), 1), "id"));
	json_decref(result);
	(void)snprintf(request, sizeof request, "{\"request\":1,\"verb\":\"inbox\",\"id\":\"%s\"}", id);
	result = result_of(ask(d, request));
	assert_int_equal(json_array_size(json_object_get(result, "rows")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json_object_get(result, "rows"), 0), "seq")), 2);
	json_decref(result);
	result = result_of(ask(d, "{\"request\":1,\"verb\":\"inbox\",\"rejected\":true}"));
	assert_int_equal(json_array_size(json_object_get(result, "rows")), 0);
	json_decref(result);
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"inbox\",\"topic\":\"a//b\"}"), "EINVAL", "a//b");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"inbox\",\"after_seq\":3}"), "ESTATE", "after_seq is 3, but the inbox of this node ends at 2");
}

/* ---- pieces of ids ---- */

/* How many of them the node says are meant; first: the first of them. */
static size_t
meant(struct desk *d, const char *piece, bool sent, char first[37], bool *more)
{
	char request[256];
	json_t *result, *ids;
	size_t count;

	(void)snprintf(request, sizeof request, "{\"request\":1,\"verb\":\"meant\",\"piece\":\"%s\",\"sent\":%s}", piece, sent ? "true" : "false");
	result = result_of(ask(d, request));
	ids = json_object_get(result, "ids");
	count = json_array_size(ids);
	(void)snprintf(first, 37, "%s", count > 0 ? text_of(json_array_get(ids, 0), "id") : "");
	*more = json_is_true(json_object_get(result, "more"));
	json_decref(result);
	return count;
}

static uint8_t beginning[KW_ID_LEN]; /* of the ids that begin alike */

static void
begin_alike(struct header *h)
{
	memcpy(h->id, beginning, 3);
}

static void
deliver_alike(struct desk *d, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct given g;

		world_seal(&g, d->w, LANE_FLASH, begin_alike);
		world_deliver(d->w, &g, MARK_WHOLE);
		(void)world_expect(d->w, WIRE_ACK);
		given_free(&g);
	}
}

/* [N-21] What the node itself says, as receipts, is not meant; for what changes something neither is what came. */
static void
a_piece_of_an_id_means_what_was_sent_or_came(void **state)
{
	struct desk *d = *state;
	char sent[2][37], came[37], first[37], piece[37];
	json_t *result;
	bool more;

	publish(d, "", sent[0]);
	publish(d, "", sent[1]);
	assert_true(kw_id_parse(beginning, sent[0]));
	deliver_alike(d, 4); /* and receipts stand in the outbox, whose ids begin so too */
	result = result_of(ask(d, "{\"request\":1,\"verb\":\"inbox\",\"limit\":1}"));
	(void)snprintf(came, sizeof came, "%s", text_of(json_array_get(json_object_get(result, "rows"), 0), "id"));
	json_decref(result);

	assert_int_equal(meant(d, sent[1] + 28, true, first, &more), 1);
	assert_string_equal(first, sent[1]);
	assert_int_equal(meant(d, sent[0] + 24, false, first, &more), 1);
	assert_string_equal(first, sent[0]);
	(void)snprintf(piece, 8, "%s", sent[0] + 28); /* the beginning of what lists show */
	assert_int_equal(meant(d, piece, true, first, &more), 1);
	assert_string_equal(first, sent[0]);
	assert_int_equal(meant(d, sent[0], true, first, &more), 1);

	assert_int_equal(meant(d, came + 28, true, first, &more), 0);
	assert_int_equal(meant(d, came + 28, false, first, &more), 1);
	assert_string_equal(first, came);

	(void)snprintf(piece, 7, "%s", sent[0]); /* so all of these hours begin */
	assert_int_equal(meant(d, piece, true, first, &more), 2);
	assert_false(more);
	assert_int_equal(meant(d, piece, false, first, &more), 5);
	assert_true(more); /* than five */
	assert_int_equal(meant(d, "ffffffff", false, first, &more), 0);
	assert_false(more);
}

/* With what tells them apart. */
static void
what_is_meant_is_told_with_topic_and_time(void **state)
{
	struct desk *d = *state;
	char request[128], id[37];
	json_t *result, *one;

	publish(d, "", id);
	(void)snprintf(request, sizeof request, "{\"request\":1,\"verb\":\"meant\",\"piece\":\"%s\"}", id + 28);
	result = result_of(ask(d, request));
	one = json_array_get(json_object_get(result, "ids"), 0);
	assert_string_equal(text_of(one, "id"), id);
	assert_true(json_is_true(json_object_get(one, "sent")));
	assert_string_equal(text_of(one, "topic"), "alert/flood");
	assert_string_equal(text_of(one, "type"), "notice");
	assert_string_equal(text_of(one, "lane"), "flash");
	assert_in_range(json_integer_value(json_object_get(one, "at_ms")), clock_wall_ms() - 60000, clock_wall_ms());
	json_decref(result);
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"meant\",\"piece\":\"0a1\"}"), "EUSAGE", "piece is \"0a1\", must be 4 to 36 characters of an id");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"meant\",\"piece\":\"flood\"}"), "EUSAGE", "piece is \"flood\"");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"meant\",\"piece\":7}"), "EUSAGE", "piece is \"\"");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"meant\",\"piece\":\"0193a1b2-0000-7000-8000-0000000000000\"}"), "EUSAGE", "must be 4 to 36");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"meant\"}"), "EUSAGE", "the key \"piece\" is missing");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"trace\",\"id\":\"0a1b\"}"), "EUSAGE", "must be a notification's id of 36 characters");
}

/* ---- waiting ---- */

/* [N-3] */
static void
who_waits_is_answered_when_something_comes_or_the_time_is_over(void **state)
{
	struct desk *d = *state;
	void *other = dial(d);
	uint64_t began;
	json_t *result;

	d->dealer = dial(d);
	send_to(d->dealer, span_str("{\"request\":5,\"verb\":\"inbox\",\"wait_ms\":60000}"), NULL);
	send_to(other, span_str("{\"request\":6,\"verb\":\"inbox\",\"topic\":\"alert/flood\",\"wait_ms\":300}"), NULL);
	assert_null(comes(d, d->dealer, 100));
	began = clock_mono_ms();
	deliver(d, 1);
	result = answer(d, d->dealer);
	assert_int_equal(json_integer_value(json_object_get(result, "request")), 5);
	assert_in_range(clock_mono_ms() - began, 0, 5000);
	result = result_of(result);
	assert_int_equal(json_array_size(json_object_get(result, "rows")), 1);
	json_decref(result);
	result = result_of(answer(d, other));
	assert_int_equal(json_array_size(json_object_get(result, "rows")), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "after")), 1);
	json_decref(result);
}

static void
a_connection_waits_once_and_a_node_for_so_many(void **state)
{
	enum { WAITERS = 256 };
	struct desk *d = *state;
	void *dealers[WAITERS];
	json_t *v;

	for (int i = 0; i < WAITERS; i++) {
		dealers[i] = dial(d);
		send_to(dealers[i], span_str("{\"request\":5,\"verb\":\"inbox\",\"wait_ms\":60000}"), NULL);
		send_to(dealers[i], span_str("{\"request\":7,\"verb\":\"status\"}"), NULL);
	}
	for (int i = 0; i < WAITERS; i++) /* answered behind the other: that one waits now */
		json_decref(result_of(answer(d, dealers[i])));
	send_to(dealers[0], span_str("{\"request\":6,\"verb\":\"inbox\",\"wait_ms\":60000}"), NULL);
	v = answer(d, dealers[0]);
	assert_int_equal(json_integer_value(json_object_get(v, "request")), 6);
	assert_refused(v, "ELIMIT", "this connection waits for an answer already, to its request 5");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"inbox\",\"wait_ms\":60000}"), "ELIMIT", "256 requests wait for this node already");
	json_decref(result_of(ask(d, "{\"request\":2,\"verb\":\"inbox\"}"))); /* who does not wait needs no place */
	deliver(d, 1);
	for (int i = 0; i < WAITERS; i++)
		json_decref(result_of(answer(d, dealers[i])));
}

/* Who goes away or never reads harms nobody. */
static void
who_goes_away_or_does_not_read_is_no_harm(void **state)
{
	struct desk *d = *state;
	void *gone = dial(d), *deaf = dial(d);

	deliver(d, 2);
	send_to(gone, span_str("{\"request\":5,\"verb\":\"inbox\",\"after_seq\":2,\"wait_ms\":60000}"), NULL);
	for (int i = 0; i < 500; i++)
		send_to(deaf, span_str("{\"request\":5,\"verb\":\"inbox\",\"content\":\"json\"}"), NULL);
	world_steps(d->w, 50);
	d->dealers[0] = NULL;
	(void)zmq_close(gone);
	world_steps(d->w, 5);
	deliver(d, 1);
	json_decref(result_of(ask(d, "{\"request\":1,\"verb\":\"status\"}")));
}

/* ---- state ---- */

static struct about
about_of(struct desk *d, const char *id)
{
	struct about about;
	struct kw_why why;

	assert_int_equal(desk_find(d->w->node, id, &about, &why), KW_OK);
	return about;
}

/* A signed receipt of city/public-order about it. */
static void
receipt(struct desk *d, const char *id, enum notice_type type, const char *reason)
{
	struct receipt_payload *p = calloc(1, sizeof *p);
	struct buf payload = BUF_INIT(KW_BODY_MAX);
	struct about about = about_of(d, id);
	struct header h;
	struct given g;

	world_header(&h, d->w, LANE_FLASH);
	(void)snprintf(h.topic, sizeof h.topic, "alert/flood");
	(void)snprintf(h.to[0], sizeof h.to[0], "police/control-room");
	h.to_count = 1;
	h.type = type;
	h.payload_type = PAYLOAD_RECEIPT;
	h.about = about;
	p->count = 1;
	memcpy(p->items[0].id, about.id, KW_ID_LEN);
	memcpy(p->items[0].frame_hash, about.frame_hash, KW_HASH_LEN);
	p->items[0].at_ms = clock_wall_ms();
	(void)snprintf(p->reason, sizeof p->reason, "%s", reason);
	assert_int_equal(receipt_encode(&payload, p), KW_OK);
	world_seal_as(&g, d->w, "city/public-order", "city/public-order", ++d->w->numbers[LANE_FLASH], &h, buf_span(&payload));
	world_deliver(d->w, &g, MARK_WHOLE);
	(void)world_expect(d->w, WIRE_ACK);
	given_free(&g);
	buf_free(&payload);
	free(p);
}

static void
send_state(struct desk *d, const char *id, const char *stage, uint32_t wait_ms)
{
	char request[256];

	(void)snprintf(request, sizeof request, "{\"request\":9,\"verb\":\"state\",\"id\":\"%s\",\"stage\":\"%s\",\"wait_ms\":%u}", id, stage, wait_ms);
	send_to(d->dealer, span_str(request), NULL);
}

/* [N-8] */
static void
who_waits_for_stored_and_delivered_hears_it_when_it_is_so(void **state)
{
	struct desk *d = *state;
	json_t *result;
	char id[37];

	publish(d, ",\"to\":[\"city/public-order\"]", id);
	(void)world_expect(d->w, WIRE_PUBLISH);
	send_state(d, id, "stored", 50);
	assert_refused(answer(d, d->dealer), "ETIMEOUT", "is not stored yet");
	send_state(d, id, "stored", 60000);
	assert_null(comes(d, d->dealer, 50));
	world_store(d->w, NULL);
	result = result_of(answer(d, d->dealer));
	assert_string_equal(text_of(result, "stage"), "stored");
	json_decref(result);
	send_state(d, id, "delivered", 50);
	assert_refused(answer(d, d->dealer), "ETIMEOUT", "not yet confirmed by city/public-order");
	send_state(d, id, "delivered", 60000);
	assert_null(comes(d, d->dealer, 50));
	receipt(d, id, TYPE_DELIVERED, "");
	result = result_of(answer(d, d->dealer));
	assert_string_equal(text_of(result, "stage"), "delivered");
	assert_string_equal(text_of(result, "id"), id);
	json_decref(result);
}

static void
that_it_never_will_be_is_told_with_the_reason(void **state)
{
	struct desk *d = *state;
	struct wire_msg m = {.kind = WIRE_REFUSED};
	struct frame f;
	struct header h;
	struct kw_why why;
	char id[37];

	publish(d, ",\"to\":[\"city/public-order\"]", id);
	(void)world_expect(d->w, WIRE_PUBLISH);
	world_store(d->w, NULL);
	send_state(d, id, "delivered", 60000);
	assert_null(comes(d, d->dealer, 50));
	receipt(d, id, TYPE_REJECTED, "its seal does not hold");
	assert_refused(answer(d, d->dealer), "EDENIED", "was rejected by city/public-order (its seal does not hold)");

	publish(d, "", id);
	(void)world_expect(d->w, WIRE_PUBLISH);
	send_state(d, id, "stored", 60000);
	assert_null(comes(d, d->dealer, 50));
	assert_int_equal(frame_parse(&f, buf_span(&d->w->frame), FRAME_WHOLE, &why), KW_OK);
	assert_int_equal(header_decode(&h, f.header, &why), KW_OK);
	m.refused.code = CODE_DENIED;
	m.refused.has_id = true;
	memcpy(m.refused.id, h.id, KW_ID_LEN);
	(void)snprintf(m.refused.text, sizeof m.refused.text, "not today");
	world_send(d->w, &m, span_of(NULL, 0));
	assert_refused(answer(d, d->dealer), "EDENIED", "the broker refused it: ");
	send_state(d, "0193a1b2-0000-7000-8000-000000000000", "stored", 0);
	assert_refused(answer(d, d->dealer), "ENOTFOUND", "was not sent by this node");
}

/* ---- what was sent ---- */

/* A page of it. */
static json_t *
sent(struct desk *d, const char *more)
{
	char request[256];

	(void)snprintf(request, sizeof request, "{\"request\":1,\"verb\":\"sent\"%s}", more);
	return result_of(ask(d, request));
}

static const json_t *
sent_row(const json_t *page, size_t i)
{
	return json_array_get(json_object_get(page, "rows"), i);
}

static json_int_t
number_of(const json_t *v, const char *key)
{
	return json_integer_value(json_object_get(v, key));
}

/* [N-22] */
static void
what_was_sent_is_listed_newest_first_with_how_far_it_has_come(void **state)
{
	struct desk *d = *state;
	char ids[2][37];
	const json_t *row;
	json_t *page;

	page = sent(d, "");
	assert_int_equal(json_array_size(json_object_get(page, "rows")), 0);
	assert_true(json_is_false(json_object_get(page, "more")));
	json_decref(page);

	d->dealer = dial(d);
	publish(d, ",\"to\":[\"city/public-order\"]", ids[0]);
	(void)world_expect(d->w, WIRE_PUBLISH);
	world_store(d->w, NULL);
	receipt(d, ids[0], TYPE_DELIVERED, "");
	receipt(d, ids[0], TYPE_OPENED, "");
	deliver(d, 3); /* whose receipts are not in the list */
	publish(d, "", ids[1]);
	page = sent(d, "");
	assert_int_equal(json_array_size(json_object_get(page, "rows")), 2);
	row = sent_row(page, 0);
	assert_string_equal(text_of(row, "id"), ids[1]);
	assert_string_equal(text_of(row, "state"), "waiting");
	assert_int_equal(number_of(row, "delivered"), 0);
	assert_true(number_of(row, "readers") > 1);
	row = sent_row(page, 1);
	assert_string_equal(text_of(row, "id"), ids[0]);
	assert_string_equal(text_of(row, "topic"), "alert/flood");
	assert_string_equal(text_of(row, "lane"), "flash");
	assert_string_equal(text_of(row, "type"), "notice");
	assert_string_equal(text_of(row, "state"), "stored");
	assert_non_null(strstr(text_of(row, "headline"), "Neckar"));
	assert_int_equal(number_of(row, "readers"), 1);
	assert_int_equal(number_of(row, "delivered"), 1);
	assert_int_equal(number_of(row, "opened"), 1);
	assert_int_equal(number_of(row, "rejected"), 0);
	assert_true(json_is_false(json_object_get(row, "recalled")));
	assert_true(json_is_false(json_object_get(row, "bare")));
	json_decref(page);
}

static void
a_page_of_what_was_sent_goes_on_where_the_one_before_ended(void **state)
{
	struct desk *d = *state;
	char ids[3][37], more[64];
	json_t *page;
	json_int_t before = 0;

	for (int i = 0; i < 3; i++)
		publish(d, "", ids[i]);
	for (int i = 2; i >= 0; i--) {
		(void)snprintf(more, sizeof more, before > 0 ? ",\"limit\":1,\"before_seq\":%lld" : ",\"limit\":1", (long long)before);
		page = sent(d, more);
		assert_int_equal(json_array_size(json_object_get(page, "rows")), 1);
		assert_string_equal(text_of(sent_row(page, 0), "id"), ids[i]);
		assert_int_equal(json_is_true(json_object_get(page, "more")), i > 0);
		before = number_of(page, "before");
		json_decref(page);
	}
	page = sent(d, ",\"topic\":\"alert/storm\"");
	assert_int_equal(json_array_size(json_object_get(page, "rows")), 0);
	json_decref(page);
	page = sent(d, ",\"topic\":\"+/flood\"");
	assert_int_equal(json_array_size(json_object_get(page, "rows")), 3);
	json_decref(page);
	(void)snprintf(more, sizeof more, ",\"since_ms\":%llu", (unsigned long long)clock_wall_ms() + 60000);
	page = sent(d, more);
	assert_int_equal(json_array_size(json_object_get(page, "rows")), 0);
	assert_true(json_is_false(json_object_get(page, "more")));
	json_decref(page);
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"sent\",\"topic\":\"a//b\"}"), "EINVAL", "a//b");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"sent\",\"before_seq\":0}"), "EUSAGE", "before_seq is 0");
	assert_refused(ask(d, "{\"request\":1,\"verb\":\"sent\",\"after_seq\":1}"), "EUSAGE", "the key \"after_seq\" is not known for the verb sent");
}

/* The headline goes with the content, and the head stays as proof. */
static void
what_was_recalled_is_listed_as_that_and_says_nothing_any_more(void **state)
{
	struct desk *d = *state;
	char id[37], request[256];
	const json_t *row;
	json_t *page;
	uint64_t end;

	publish(d, ",\"to\":[\"city/public-order\"]", id);
	(void)world_expect(d->w, WIRE_PUBLISH);
	world_store(d->w, NULL);
	(void)snprintf(request, sizeof request, "{\"request\":1,\"verb\":\"move\",\"move\":\"recall\",\"id\":\"%s\",\"text\":\"wrong\"}", id);
	json_decref(result_of(ask(d, request)));
	(void)world_expect(d->w, WIRE_PUBLISH);
	page = sent(d, "");
	assert_true(json_is_false(json_object_get(sent_row(page, 0), "recalled"))); /* the log has not got it yet */
	json_decref(page);
	world_store(d->w, NULL);
	end = clock_mono_ms() + 10000; /* the node hears it when it comes to it */
	while (page = sent(d, ""), !json_is_true(json_object_get(sent_row(page, 0), "recalled")) && clock_mono_ms() < end)
		json_decref(page);
	assert_int_equal(json_array_size(json_object_get(page, "rows")), 1); /* and the recall is no row of its own */
	row = sent_row(page, 0);
	assert_string_equal(text_of(row, "id"), id);
	assert_true(json_is_true(json_object_get(row, "recalled")));
	assert_true(json_is_true(json_object_get(row, "bare")));
	assert_string_equal(text_of(row, "headline"), "");
	assert_string_equal(text_of(row, "topic"), "alert/flood");
	json_decref(page);
}

/* ---- the socket's file ---- */

static const char *
path_of(const struct desk *d)
{
	return d->w->config.socket + strlen("ipc://");
}

static void
the_file_is_for_user_and_group_and_its_folder_is_made(void **state)
{
	struct desk *d = *state;
	struct stat st;
	char folder[128];

	assert_int_equal(stat(path_of(d), &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
	(void)snprintf(folder, sizeof folder, "%s/run", d->w->folder);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void
a_path_that_another_daemon_has_or_that_is_no_socket_is_left_alone(void **state)
{
	struct desk *d = *state;
	struct local *second = NULL;
	struct buf text = BUF_INIT(64);
	struct kw_why why;

	assert_int_equal(local_open(&second, d->w->node, &why), KW_EEXISTS);
	assert_non_null(strstr(why.text, "another program listens on"));
	json_decref(result_of(ask(d, "{\"request\":1,\"verb\":\"status\"}")));
	local_close(&d->local);
	assert_int_equal(fs_write(path_of(d), span_str("precious"), 0600, &why), KW_OK);
	assert_int_equal(local_open(&second, d->w->node, &why), KW_EINVAL);
	assert_non_null(strstr(why.text, "is no socket and is left as it is"));
	assert_int_equal(fs_read(&text, path_of(d), &why), KW_OK);
	assert_true(span_eq(buf_span(&text), span_str("precious")));
	buf_free(&text);
}

/* ---- short of memory ---- */

static enum kw_err
answer_now(struct buf *out, struct desk *d, const char *request, struct kw_why *why)
{
	struct ask a;
	bool again, counts = shortage.counts;
	enum kw_err err;

	shortage.counts = false;
	assert_int_equal(ask_open(&a, span_str(request), why), KW_OK);
	assert_int_equal(ask_read(&a, why), KW_OK);
	shortage.counts = counts;
	err = serve(out, d->w->node, &a, true, &again, why);
	shortage.counts = false;
	ask_free(&a);
	return err;
}

/* The same keys, lengths and kinds all the way down; times and counters may differ. */
static bool
same_shape(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *v;

	if (json_typeof(a) != json_typeof(b) || json_object_size(a) != json_object_size(b) || json_array_size(a) != json_array_size(b))
		return false;
	json_object_foreach((json_t *)(uintptr_t)a, key, v)
		if (json_object_get(b, key) == NULL || !same_shape(v, json_object_get(b, key)))
			return false;
	for (size_t i = 0; i < json_array_size(a); i++)
		if (!same_shape(json_array_get(a, i), json_array_get(b, i)))
			return false;
	return true;
}

static void
whole_or_refused(struct desk *d, const char *request, bool for_good)
{
	struct buf out = BUF_INIT(1u << 20);
	struct kw_why why = {{0}};
	json_t *whole, *got;

	if (answer_now(&out, d, request, &why) != KW_OK)
		fail_msg("%s: %s", request, why.text);
	whole = json_loadb((const char *)out.p, out.len, 0, NULL);
	assert_non_null(whole);
	shortage.for_good = for_good;
	for (unsigned n = 0; n == 0 || shortage.fired; n++) {
		enum kw_err err;

		buf_reset(&out);
		shortage.fired = false;
		shortage.left = n;
		shortage.counts = true;
		err = answer_now(&out, d, request, &why);
		if (err == KW_ENOMEM)
			continue;
		if (err != KW_OK)
			fail_msg("allocation %u of %s: %s", n, request, why.text);
		got = json_loadb((const char *)out.p, out.len, 0, NULL);
		if (got == NULL || !same_shape(whole, got))
			fail_msg("allocation %u of %s: %.*s", n, request, (int)out.len, (const char *)out.p);
		json_decref(got);
	}
	json_decref(whole);
	buf_free(&out);
}

/* One that is sent and stored, two with one number, a number that is missing, and one that was put aside. */
static void
live_a_little(struct desk *d, char id[37])
{
	struct given a, b;
	struct header h;
	uint8_t sent[KW_ID_LEN];
	struct kw_why why;

	assert_int_equal(world_publish(d->w, "alert/flood/mitte", sent, &why), KW_OK);
	(void)world_expect(d->w, WIRE_PUBLISH);
	world_store(d->w, NULL);
	kw_id_text(id, sent);
	deliver(d, 2);
	d->w->numbers[LANE_FLASH] += 2;
	world_seal(&a, d->w, LANE_FLASH, NULL);
	world_header(&h, d->w, LANE_FLASH);
	world_seal_as(&b, d->w, "city/public-order", "city/public-order", d->w->numbers[LANE_FLASH], &h, buf_span(&d->w->alert));
	world_deliver(d->w, &a, MARK_WHOLE);
	world_deliver(d->w, &b, MARK_WHOLE);
	given_free(&a);
	given_free(&b);
	world_steps(d->w, 30);
	assert_true(world_alarm_comes(d->w, "equivocation"));
}

static void
an_answer_is_whole_or_says_that_memory_is_short(void **state)
{
	static const char *const requests[] = { /* one row at a time: of several, some may be left for the next answer when the machine is slow */
		"{\"request\":1,\"verb\":\"status\"}", "{\"request\":1,\"verb\":\"inbox\",\"limit\":1,\"receipts\":true,\"content\":\"json\"}",
		"{\"request\":1,\"verb\":\"inbox\",\"limit\":1,\"content\":\"text\"}", "{\"request\":1,\"verb\":\"inbox\",\"limit\":1,\"content\":\"cap\"}",
		"{\"request\":1,\"verb\":\"agreement\"}", "{\"request\":1,\"verb\":\"cases\",\"all\":true}", "{\"request\":1,\"verb\":\"releases\",\"all\":true}",
		"{\"request\":1,\"verb\":\"sent\",\"limit\":1}",
	};
	struct desk *d = *state;
	char id[37], request[128];

	live_a_little(d, id);
	for (int for_good = 0; for_good < 2; for_good++) {
		for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
			whole_or_refused(d, requests[i], for_good != 0);
		(void)snprintf(request, sizeof request, "{\"request\":1,\"verb\":\"trace\",\"id\":\"%s\"}", id);
		whole_or_refused(d, request, for_good != 0);
		(void)snprintf(request, sizeof request, "{\"request\":1,\"verb\":\"meant\",\"piece\":\"%s\",\"sent\":true}", id + 28);
		whole_or_refused(d, request, for_good != 0);
		(void)snprintf(request, sizeof request, "{\"request\":1,\"verb\":\"receipts\",\"id\":\"%s\"}", id);
		whole_or_refused(d, request, for_good != 0);
	}
}

static void
who_asks_hears_of_a_shortage_even_if_there_is_no_memory_to_say_so(void **state)
{
	struct desk *d = *state;
	json_t *v;

	d->dealer = dial(d);
	world_steps(d->w, 5);
	for (unsigned n = 30; n < 40; n++) { /* behind what it takes to read the request */
		send_to(d->dealer, span_str("{\"request\":7,\"verb\":\"status\"}"), NULL);
		shortage.for_good = true;
		shortage.left = n;
		shortage.counts = true;
		world_steps(d->w, 10);
		shortage.counts = false;
		v = answer(d, d->dealer);
		assert_int_equal(json_integer_value(json_object_get(v, "request")), 7);
		assert_refused(v, "ENOMEM", "out of memory");
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_request_that_is_wrong_is_refused_by_name),
		T(a_request_that_is_too_large_or_has_too_many_frames_is_refused),
		T(what_is_no_text_gets_an_answer_all_the_same),
		T(a_sentence_comes_in_the_askers_language_and_the_next_one_in_the_next_askers),
		T(a_refused_publication_says_why_and_leaves_nothing),
		T(the_inbox_is_read_in_order_with_brief_and_content),
		T(a_filter_an_id_or_rejected_rows_narrow_it),
		T(a_piece_of_an_id_means_what_was_sent_or_came),
		T(what_is_meant_is_told_with_topic_and_time),
		T(what_was_sent_is_listed_newest_first_with_how_far_it_has_come),
		T(a_page_of_what_was_sent_goes_on_where_the_one_before_ended),
		T(what_was_recalled_is_listed_as_that_and_says_nothing_any_more),
		T(who_waits_is_answered_when_something_comes_or_the_time_is_over),
		T(a_connection_waits_once_and_a_node_for_so_many),
		T(who_goes_away_or_does_not_read_is_no_harm),
		T(who_waits_for_stored_and_delivered_hears_it_when_it_is_so),
		T(that_it_never_will_be_is_told_with_the_reason),
		T(an_answer_is_whole_or_says_that_memory_is_short),
		T(who_asks_hears_of_a_shortage_even_if_there_is_no_memory_to_say_so),
		T(the_file_is_for_user_and_group_and_its_folder_is_made),
		T(a_path_that_another_daemon_has_or_that_is_no_socket_is_left_alone),
	};

	json_memory_watch(shortage_take);
	return cmocka_run_group_tests(tests, fixture_make_keys, fixture_free_keys);
}
