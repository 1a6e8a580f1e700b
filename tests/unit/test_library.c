/* libkurzweg against a node that the test plays: what it asks, what it makes of answers, and what of their absence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <unistd.h>
#include <zmq.h>

#include <kurzweg/kurzweg.h>

#include "base/clock.h"

#define QUICK_MS 300u
#define SOON_MS 5000u /* far below the library's own time-out */

/* ---- a node that is played ---- */

struct fake {
	char folder[64], endpoint[128];
	void *context, *router;     /* while it runs; the router is its thread's */
	pthread_t thread;
	bool running;
	atomic_bool stop;
	atomic_int asked;
	char *(*answer)(struct fake *f, const json_t *ask);  /* malloc'ed; NULL: no answer. On the fake's thread */
	const char *text;           /* what some of them answer */
	char last[4096];            /* the newest request */
	char content[64];
	size_t content_len;
	kurzweg *k;
};

static void
answer_one(struct fake *f, void *router)
{
	zmq_msg_t part;
	char id[256], *text;
	json_t *ask = NULL;
	int id_len = zmq_recv(router, id, sizeof id, ZMQ_DONTWAIT), frames = 0;

	if (id_len < 0)
		return;
	for (int more = 1; more;) {
		(void)zmq_msg_init(&part);
		(void)zmq_msg_recv(&part, router, 0);
		if (frames++ == 0) {
			ask = json_loadb(zmq_msg_data(&part), zmq_msg_size(&part), 0, NULL);
			(void)snprintf(f->last, sizeof f->last, "%.*s", (int)zmq_msg_size(&part), (const char *)zmq_msg_data(&part));
		} else {
			f->content_len = zmq_msg_size(&part) < sizeof f->content ? zmq_msg_size(&part) : sizeof f->content;
			memcpy(f->content, zmq_msg_data(&part), f->content_len);
		}
		more = zmq_msg_more(&part);
		(void)zmq_msg_close(&part);
	}
	text = f->answer(f, ask);
	json_decref(ask);
	atomic_fetch_add(&f->asked, 1);
	if (text != NULL) {
		(void)zmq_send(router, id, (size_t)id_len, ZMQ_SNDMORE);
		(void)zmq_send(router, text, strlen(text), 0);
	}
	free(text);
}

static void *
play(void *arg)
{
	struct fake *f = arg;

	while (!atomic_load(&f->stop)) {
		zmq_pollitem_t item = {.socket = f->router, .events = ZMQ_POLLIN};

		if (zmq_poll(&item, 1, 10) > 0)
			answer_one(f, f->router);
	}
	return NULL;
}

static void
start(struct fake *f, char *(*answer)(struct fake *f, const json_t *ask), const char *text)
{
	int zero = 0;

	f->answer = answer;
	f->text = text;
	f->context = zmq_ctx_new();
	f->router = zmq_socket(f->context, ZMQ_ROUTER);
	assert_int_equal(zmq_setsockopt(f->router, ZMQ_LINGER, &zero, sizeof zero), 0);
	assert_int_equal(zmq_bind(f->router, f->endpoint), 0);
	atomic_store(&f->stop, false);
	assert_int_equal(pthread_create(&f->thread, NULL, play, f), 0);
	f->running = true;
}

/* zmq_close alone leaves the listener to a thread of libzmq: until that came to it, a connection is still taken, and the file of
 * the endpoint unlinked under whoever binds it next. The context ends when all of it is gone. */
static void
stop(struct fake *f)
{
	if (!f->running)
		return;
	atomic_store(&f->stop, true);
	(void)pthread_join(f->thread, NULL);
	(void)zmq_close(f->router);
	(void)zmq_ctx_term(f->context);
	f->running = false;
}

static void
wait_asked(struct fake *f, int times)
{
	uint64_t end = clock_mono_ms() + 10000;

	while (atomic_load(&f->asked) < times) {
		assert_true(clock_mono_ms() < end);
		(void)usleep(2000);
	}
}

static int
set_up(void **state)
{
	struct fake *f = calloc(1, sizeof *f);

	(void)snprintf(f->folder, sizeof f->folder, "/tmp/kw-library-XXXXXX");
	if (mkdtemp(f->folder) == NULL)
		return -1;
	(void)snprintf(f->endpoint, sizeof f->endpoint, "ipc://%s/node.sock", f->folder);
	if (kurzweg_open(&f->k, f->endpoint) != KURZWEG_OK)
		return -1;
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fake *f = *state;

	kurzweg_close(&f->k);
	stop(f);
	(void)unlink(f->endpoint + strlen("ipc://"));
	if (rmdir(f->folder) != 0)
		return -1;
	free(f);
	return 0;
}

/* ---- its answers ---- */

static long long
number_of(const json_t *ask)
{
	return (long long)json_integer_value(json_object_get(ask, "request"));
}

static char *
result(const json_t *ask, const char *text)
{
	char *out = NULL;

	return asprintf(&out, "{\"request\":%lld,\"ok\":true,\"result\":%s}", number_of(ask), text) < 0 ? NULL : out;
}

static char *
gives_result(struct fake *f, const json_t *ask)
{
	return result(ask, f->text);
}

static char *
gives_error(struct fake *f, const json_t *ask)
{
	char *out = NULL;

	return asprintf(&out, "{\"request\":%lld,\"ok\":false,\"error\":\"%s\",\"text\":\"a sentence\"}", number_of(ask), f->text) < 0 ? NULL : out;
}

/* Where REQUEST stands in it, the number of the ask: one that is asked again has another. */
static char *
gives_text(struct fake *f, const json_t *ask)
{
	const char *at = strstr(f->text, "REQUEST");
	char *text = NULL;

	if (at == NULL)
		return strdup(f->text);
	assert_true(asprintf(&text, "%.*s%lld%s", (int)(at - f->text), f->text, (long long)json_integer_value(json_object_get(ask, "request")), at + strlen("REQUEST")) > 0);
	return text;
}

static char *
gives_nothing(struct fake *f, const json_t *ask)
{
	(void)f;
	(void)ask;
	return NULL;
}

/* Rows 1 to 5 behind after_seq, three at a time. */
static char *
gives_rows(struct fake *f, const json_t *ask)
{
	json_int_t after = json_integer_value(json_object_get(ask, "after_seq"));
	json_t *rows = json_array(), *v;
	char *text, *out;

	(void)f;
	for (int i = 0; i < 3 && after < 5; i++) {
		after++;
		(void)json_array_append_new(rows, json_pack("{s:I, s:s, s:s, s:b, s:o}", "seq", after, "headline", "Hochwasser", "content_form", "json", "cancelled",
		                            after == 2, "content", json_pack("{s:s}", "subject", "ä")));
	}
	if (after == 5)
		after = 9; /* what stands between is not for this asker */
	v = json_pack("{s:o, s:I, s:b}", "rows", rows, "after", after, "more", after < 9);
	text = json_dumps(v, JSON_COMPACT);
	out = result(ask, text);
	free(text);
	json_decref(v);
	return out;
}

/* ---- nobody, or nobody who knows how ---- */

static void
nobody_there_is_silent_within_the_time_and_says_so(void **state)
{
	struct fake *f = *state;
	uint64_t began = clock_mono_ms();
	char *json;

	kurzweg_set_timeout(f->k, QUICK_MS);
	assert_int_equal(kurzweg_status(f->k, &json), KURZWEG_SILENT);
	assert_in_range(clock_mono_ms() - began, QUICK_MS, SOON_MS);
	assert_null(json);
	assert_non_null(strstr(kurzweg_error(f->k), "does not answer; is kurzweg-partner running"));
	kurzweg_set_language(f->k, "de");
	assert_int_equal(kurzweg_status(f->k, &json), KURZWEG_SILENT);
	assert_non_null(strstr(kurzweg_error(f->k), "antwortet nicht; läuft kurzweg-partner"));
	kurzweg_set_timeout(f->k, 1);
	for (int i = 0; i < 200; i++) /* the same at once again */
		assert_int_equal(kurzweg_status(f->k, &json), KURZWEG_SILENT);
}

static void
a_node_that_comes_late_but_in_time_is_asked(void **state)
{
	struct fake *f = *state;
	struct kurzweg_query q = KURZWEG_QUERY_INIT;
	const struct kurzweg_notification *n;
	char *json;

	kurzweg_set_timeout(f->k, QUICK_MS);
	assert_int_equal(kurzweg_next(f->k, &q, 0, &n), KURZWEG_SILENT);
	start(f, gives_result, "{\"node\":\"a/b\"}");
	kurzweg_set_timeout(f->k, 10000);
	assert_int_equal(kurzweg_status(f->k, &json), KURZWEG_OK);
	assert_string_equal(json, "{\"node\":\"a/b\"}");
	free(json);
	assert_int_equal(atomic_load(&f->asked), 1); /* what was given up is not asked after all */
	assert_non_null(strstr(f->last, "\"verb\":\"status\""));
}

static void
garbage_is_named_and_stale_answers_are_passed_over(void **state)
{
	static const char *const garbage[] = {
		"",
		"hello",
		"[1]",
		"{\"request\":REQUEST}",
		"{\"request\":REQUEST,\"ok\":true}",
		"{\"request\":REQUEST,\"ok\":true,\"result\":[]}",
		"{\"request\":REQUEST,\"ok\":false,\"error\":7,\"text\":\"x\"}",
		"{\"request\":REQUEST,\"ok\":false}",
	};
	struct fake *f = *state;
	char *json;

	for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
		start(f, gives_text, garbage[i]);
		assert_int_equal(kurzweg_status(f->k, &json), KURZWEG_FAILED);
		assert_non_null(strstr(kurzweg_error(f->k), "is no Kurzweg node"));
		stop(f);
	}
	start(f, gives_text, "{\"request\":99,\"ok\":true,\"result\":{}}");
	kurzweg_set_timeout(f->k, QUICK_MS);
	if (kurzweg_status(f->k, &json) != KURZWEG_SILENT)
		fail_msg("%s", kurzweg_error(f->k));
}

static void
each_refusal_of_the_node_has_its_result_and_its_sentence(void **state)
{
	static const struct { const char *error; enum kurzweg_result result; } cases[] = {
		{"EUSAGE", KURZWEG_USAGE}, {"EDENIED", KURZWEG_REFUSED}, {"EINVAL", KURZWEG_REFUSED}, {"ELIMIT", KURZWEG_REFUSED}, {"EPROTO", KURZWEG_REFUSED},
		{"ENOTFOUND", KURZWEG_REFUSED}, {"ESTATE", KURZWEG_REFUSED}, {"EFULL", KURZWEG_FAILED}, {"EIO", KURZWEG_FAILED}, {"ENOMEM", KURZWEG_FAILED},
		{"ECORRUPT", KURZWEG_FAILED}, {"ETIMEOUT", KURZWEG_SILENT}, {"EWHATEVER_COMES_LATER", KURZWEG_REFUSED},
	};
	struct fake *f = *state;
	char *json;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		start(f, gives_error, cases[i].error);
		assert_int_equal(kurzweg_trace(f->k, "0193a1b2-0000-7000-8000-000000000000", &json), cases[i].result);
		assert_string_equal(kurzweg_error(f->k), "a sentence");
		stop(f);
	}
}

/* ---- calls that are wrong ---- */

static void
a_call_that_is_wrong_is_told_without_asking_the_node(void **state)
{
	struct fake *f = *state;
	struct kurzweg_publication p = KURZWEG_PUBLICATION_INIT, none;
	struct kurzweg_query q = KURZWEG_QUERY_INIT;
	const struct kurzweg_notification *n;
	char id[KURZWEG_ID_SIZE], *json;
	kurzweg *k = NULL;

	memset(&none, 0, sizeof none);
	start(f, gives_result, "{}");
	assert_int_equal(kurzweg_publish(f->k, &p, id), KURZWEG_USAGE);
	p.topic = "alert";
	p.content = "x";
	p.content_len = 8u * 1024 * 1024 + 1;
	assert_int_equal(kurzweg_publish(f->k, &p, id), KURZWEG_REFUSED);
	assert_non_null(strstr(kurzweg_error(f->k), "at most 8388608 are allowed"));
	p.content_len = 1;
	p.form = (enum kurzweg_form)7;
	assert_int_equal(kurzweg_publish(f->k, &p, id), KURZWEG_USAGE);
	p.form = KURZWEG_CAP;
	p.topic = "alert/\xff";
	assert_int_equal(kurzweg_publish(f->k, &p, id), KURZWEG_USAGE);
	assert_non_null(strstr(kurzweg_error(f->k), "UTF-8"));
	assert_int_equal(kurzweg_publish(f->k, &none, id), KURZWEG_USAGE); /* not begun with the INIT */
	q.content = "xml";
	assert_int_equal(kurzweg_next(f->k, &q, 0, &n), KURZWEG_USAGE);
	assert_int_equal(kurzweg_wait(f->k, NULL, KURZWEG_STORED, 0), KURZWEG_USAGE);
	assert_int_equal(kurzweg_trace(f->k, NULL, &json), KURZWEG_USAGE);
	assert_int_equal(kurzweg_status(NULL, &json), KURZWEG_USAGE);
	assert_int_equal(kurzweg_agreement(NULL, 1, &json), KURZWEG_USAGE);
	assert_int_equal(atomic_load(&f->asked), 0);
	assert_int_equal(kurzweg_open(&k, "tcp://127.0.0.1:7411"), KURZWEG_USAGE);
	assert_non_null(strstr(kurzweg_error(k), "must begin with ipc:///"));
	assert_int_equal(kurzweg_status(k, &json), KURZWEG_USAGE);
	kurzweg_close(&k);
	assert_null(k);
	kurzweg_close(&k);
	kurzweg_close(NULL);
	assert_string_equal(kurzweg_error(NULL), "out of memory");
	assert_string_equal(kurzweg_version(), KW_VERSION);
}

/* ---- publish and wait ---- */

static void
what_is_published_is_asked_as_the_protocol_says(void **state)
{
	struct fake *f = *state;
	struct kurzweg_publication p = KURZWEG_PUBLICATION_INIT;
	const char *to[] = {"city/public-order", "youth-house/office"};
	char id[KURZWEG_ID_SIZE];
	json_t *ask, *want;

	start(f, gives_result, "{\"id\":\"0193a1b2-0000-7000-8000-000000000000\",\"warnings\":\"line 7: mended\\n\"}");
	kurzweg_set_language(f->k, "de-DE");
	p.topic = "alert/flood";
	p.form = KURZWEG_CAP;
	p.content = "<a\0b>";
	p.content_len = 5;
	p.type = "update";
	p.about = "x,y,z";
	p.lane = "urgent";
	p.to = to;
	p.to_count = 2;
	p.expires_ms = 1234567890123;
	p.confirm_at_once = true;
	assert_int_equal(kurzweg_publish(f->k, &p, id), KURZWEG_OK);
	assert_string_equal(id, "0193a1b2-0000-7000-8000-000000000000");
	assert_string_equal(kurzweg_warnings(f->k), "line 7: mended\n");
	stop(f);
	ask = json_loads(f->last, 0, NULL);
	want = json_loads("{\"request\":1,\"verb\":\"publish\",\"language\":\"de-DE\",\"topic\":\"alert/flood\",\"form\":\"cap\",\"type\":\"update\",\"about\":\"x,y,z\","
	                  "\"lane\":\"urgent\",\"to\":[\"city/public-order\",\"youth-house/office\"],\"expires_ms\":1234567890123,\"confirm_at_once\":true}", 0, NULL);
	assert_true(json_equal(ask, want));
	assert_int_equal(f->content_len, 5);
	assert_memory_equal(f->content, "<a\0b>", 5);
	json_decref(ask);
	json_decref(want);
	kurzweg_close(&f->k); /* the played node went: a publication over the connection to it would be told unknown */
	start(f, gives_result, "{}");
	assert_int_equal(kurzweg_open(&f->k, f->endpoint), KURZWEG_OK);
	assert_int_equal(kurzweg_publish(f->k, &p, id), KURZWEG_FAILED); /* took it, and told no id */
	assert_string_equal(kurzweg_warnings(f->k), "");
}

static char *
stored_at_the_third_time(struct fake *f, const json_t *ask)
{
	f->text = atomic_load(&f->asked) < 2 ? "ETIMEOUT" : "{}";
	return atomic_load(&f->asked) < 2 ? gives_error(f, ask) : gives_result(f, ask);
}

static void
waiting_goes_on_until_it_is_so_or_the_time_is_over(void **state)
{
	struct fake *f = *state;

	start(f, stored_at_the_third_time, NULL);
	assert_int_equal(kurzweg_wait(f->k, "0193a1b2-0000-7000-8000-000000000000", KURZWEG_STORED, UINT64_MAX), KURZWEG_OK);
	assert_int_equal(atomic_load(&f->asked), 3);
	assert_non_null(strstr(f->last, "\"stage\":\"stored\""));
	stop(f);
	kurzweg_close(&f->k); /* the played node went: word of that may come after the next ask, which is then asked again */
	start(f, gives_error, "ETIMEOUT");
	assert_int_equal(kurzweg_open(&f->k, f->endpoint), KURZWEG_OK);
	assert_int_equal(kurzweg_wait(f->k, "0193a1b2-0000-7000-8000-000000000000", KURZWEG_DELIVERED, 0), KURZWEG_SILENT);
	assert_string_equal(kurzweg_error(f->k), "a sentence");
	assert_int_equal(atomic_load(&f->asked), 4);
}

static void
what_a_piece_means_is_asked_of_the_node(void **state)
{
	struct fake *f = *state;
	char *json = NULL;
	json_t *ask, *want;

	assert_int_equal(kurzweg_meant(f->k, NULL, true, &json), KURZWEG_USAGE);
	assert_null(json);
	start(f, gives_result, "{\"ids\":[],\"more\":false}");
	assert_int_equal(kurzweg_meant(f->k, "b880aa75", true, &json), KURZWEG_OK);
	assert_string_equal(json, "{\"ids\":[],\"more\":false}");
	free(json);
	stop(f);
	ask = json_loads(f->last, 0, NULL);
	want = json_loads("{\"request\":1,\"verb\":\"meant\",\"language\":\"en\",\"piece\":\"b880aa75\",\"sent\":true}", 0, NULL);
	assert_true(json_equal(ask, want));
	json_decref(ask);
	json_decref(want);
}

static char *
gives_pages(struct fake *f, const json_t *ask)
{
	json_int_t before = json_integer_value(json_object_get(ask, "before_seq"));

	f->text = before == 0 ? "{\"rows\":[{\"seq\":9}],\"before\":9,\"more\":true}" : before == 9 ? "{\"rows\":[],\"before\":5,\"more\":true}" : "{\"rows\":[{\"seq\":2}],\"before\":2,\"more\":false}";
	return gives_result(f, ask);
}

static void
what_was_sent_comes_page_by_page_until_there_is_nothing_further_back(void **state)
{
	static const char *const pages[] = {"{\"rows\":[{\"seq\":9}]}", "{\"rows\":[]}", "{\"rows\":[{\"seq\":2}]}"};
	struct fake *f = *state;
	struct kurzweg_sent_query q = KURZWEG_SENT_QUERY_INIT;
	json_t *ask, *want;
	char *json;

	start(f, gives_pages, NULL);
	q.topic = "alert/#";
	q.since_ms = 7;
	q.reason = "handover";
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(kurzweg_sent(f->k, &q, &json), KURZWEG_OK);
		assert_string_equal(json, pages[i]);
		free(json);
	}
	assert_int_equal(kurzweg_sent(f->k, &q, &json), KURZWEG_NOTHING);
	assert_null(json);
	assert_int_equal(atomic_load(&f->asked), 3);
	stop(f);
	ask = json_loads(f->last, 0, NULL);
	want = json_loads("{\"request\":3,\"verb\":\"sent\",\"language\":\"en\",\"before_seq\":5,\"since_ms\":7,\"limit\":256,\"topic\":\"alert/#\",\"reason\":\"handover\"}", 0, NULL);
	assert_true(json_equal(ask, want));
	json_decref(ask);
	json_decref(want);
}

/* It would be asked for ever. */
static void
pages_that_do_not_go_back_are_not_believed(void **state)
{
	struct fake *f = *state;
	struct kurzweg_sent_query q = KURZWEG_SENT_QUERY_INIT;
	char *json;

	q.size = 1;
	assert_int_equal(kurzweg_sent(f->k, &q, &json), KURZWEG_USAGE);
	q.size = sizeof q;
	q.limit = 257;
	assert_int_equal(kurzweg_sent(f->k, &q, &json), KURZWEG_USAGE);
	q.limit = 1;
	q.before_seq = 9;
	start(f, gives_result, "{\"rows\":[],\"before\":9,\"more\":true}");
	assert_int_equal(kurzweg_sent(f->k, &q, &json), KURZWEG_FAILED);
	assert_string_equal(kurzweg_error(f->k), "the node's answer has no rows, or does not go back");
	assert_null(json);
	assert_int_equal(q.before_seq, 9);
}

/* ---- the inbox ---- */

static void
the_inbox_comes_row_by_row_and_the_node_is_asked_seldom(void **state)
{
	struct fake *f = *state;
	struct kurzweg_query q = KURZWEG_QUERY_INIT;
	const struct kurzweg_notification *n;

	start(f, gives_rows, NULL);
	for (uint64_t seq = 1; seq <= 5; seq++) {
		assert_int_equal(kurzweg_next(f->k, &q, 0, &n), KURZWEG_OK);
		assert_int_equal(n->seq, seq);
		assert_int_equal(q.after_seq, seq == 5 ? 9 : seq);
		assert_string_equal(n->headline, "Hochwasser");
		assert_string_equal(n->content, "{\"subject\":\"ä\"}");
		assert_int_equal(n->content_len, strlen(n->content));
		assert_non_null(strstr(n->json, "\"content\":{\"subject\":\"ä\"}"));
		assert_int_equal(n->cancelled, seq == 2);
		assert_string_equal(n->area, "");
	}
	assert_int_equal(atomic_load(&f->asked), 2);
	assert_int_equal(kurzweg_next(f->k, &q, 0, &n), KURZWEG_NOTHING);
	assert_null(n);
	q.after_seq = 1; /* another place: rows that are here are not for it */
	assert_int_equal(kurzweg_next(f->k, &q, 0, &n), KURZWEG_OK);
	assert_int_equal(n->seq, 2);
	q.topic = "alert/#"; /* another question */
	assert_int_equal(kurzweg_next(f->k, &q, 0, &n), KURZWEG_OK);
	assert_int_equal(n->seq, 3);
	assert_int_equal(atomic_load(&f->asked), 5);
	assert_non_null(strstr(f->last, "\"topic\":\"alert/#\""));
}

static void
rows_that_go_backwards_are_not_believed(void **state)
{
	struct fake *f = *state;
	struct kurzweg_query q = KURZWEG_QUERY_INIT;
	const struct kurzweg_notification *n;

	start(f, gives_result, "{\"rows\":[{\"seq\":5}],\"after\":5,\"more\":false}");
	q.after_seq = 5;
	assert_int_equal(kurzweg_next(f->k, &q, 0, &n), KURZWEG_FAILED);
	assert_null(n);
	assert_non_null(strstr(kurzweg_error(f->k), "not in order"));
	stop(f);
	start(f, gives_result, "{\"after\":5}");
	assert_int_equal(kurzweg_next(f->k, &q, 0, &n), KURZWEG_FAILED);
	assert_non_null(strstr(kurzweg_error(f->k), "has no rows"));
}

/* ---- a node that goes, a signal ---- */

struct later { struct fake *f; char *(*answer)(struct fake *f, const json_t *ask); const char *text; };

/* Once the node was asked it goes away, and comes back with other answers. */
static void *
go_and_come_back(void *arg)
{
	struct later *l = arg;

	wait_asked(l->f, 1);
	stop(l->f);
	if (l->answer != NULL)
		start(l->f, l->answer, l->text);
	return NULL;
}

static void
who_follows_is_answered_by_the_node_that_was_started_anew(void **state)
{
	struct fake *f = *state;
	struct later later = {f, gives_rows, NULL};
	struct kurzweg_query q = KURZWEG_QUERY_INIT;
	const struct kurzweg_notification *n;
	uint64_t began = clock_mono_ms();
	pthread_t thread;

	start(f, gives_nothing, NULL);
	assert_int_equal(pthread_create(&thread, NULL, go_and_come_back, &later), 0);
	assert_int_equal(kurzweg_next(f->k, &q, 60000, &n), KURZWEG_OK);
	assert_int_equal(n->seq, 1);
	assert_in_range(clock_mono_ms() - began, 0, SOON_MS);
	(void)pthread_join(thread, NULL);
}

static void
a_publication_is_not_repeated_when_the_node_goes_but_told_unknown_at_once(void **state)
{
	struct fake *f = *state;
	struct later later = {f, gives_result, "{\"id\":\"0193a1b2-0000-7000-8000-000000000000\"}"};
	struct kurzweg_publication p = KURZWEG_PUBLICATION_INIT;
	uint64_t began = clock_mono_ms();
	char id[KURZWEG_ID_SIZE];
	pthread_t thread;

	p.topic = "alert";
	p.content = "{}";
	p.content_len = 2;
	start(f, gives_nothing, NULL);
	assert_int_equal(pthread_create(&thread, NULL, go_and_come_back, &later), 0);
	assert_int_equal(kurzweg_publish(f->k, &p, id), KURZWEG_SILENT);
	assert_in_range(clock_mono_ms() - began, 0, SOON_MS);
	assert_non_null(strstr(kurzweg_error(f->k), "went away before it answered"));
	(void)pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&f->asked), 1);
}

static void
do_nothing(int number)
{
	(void)number;
}

static void
a_signal_ends_waiting_for_the_next(void **state)
{
	struct fake *f = *state;
	struct kurzweg_query q = KURZWEG_QUERY_INIT;
	const struct kurzweg_notification *n;
	struct sigaction act = {.sa_handler = do_nothing}, before;
	struct itimerval every = {.it_interval = {.tv_usec = 50000}, .it_value = {.tv_usec = 50000}}, never = {0};
	sigset_t alarm_set;
	uint64_t began = clock_mono_ms();

	(void)sigemptyset(&alarm_set);
	(void)sigaddset(&alarm_set, SIGALRM);
	(void)pthread_sigmask(SIG_BLOCK, &alarm_set, NULL); /* the fake's thread takes none */
	start(f, gives_nothing, NULL);
	(void)pthread_sigmask(SIG_UNBLOCK, &alarm_set, NULL);
	(void)sigaction(SIGALRM, &act, &before);
	(void)setitimer(ITIMER_REAL, &every, NULL);
	assert_int_equal(kurzweg_next(f->k, &q, 60000, &n), KURZWEG_NOTHING);
	(void)setitimer(ITIMER_REAL, &never, NULL);
	(void)sigaction(SIGALRM, &before, NULL);
	assert_in_range(clock_mono_ms() - began, 0, SOON_MS);
	assert_null(n);
}

/* ---- threads ---- */

static void *
read_all(void *arg)
{
	struct fake *f = arg;
	struct kurzweg_query q = KURZWEG_QUERY_INIT;
	const struct kurzweg_notification *n;
	uintptr_t count = 0;
	kurzweg *k;

	if (kurzweg_open(&k, f->endpoint) == KURZWEG_OK)
		while (count < 1000 && kurzweg_next(k, &q, 0, &n) == KURZWEG_OK) {
			count++;
			if (q.after_seq == 9)
				q.after_seq = 0; /* from the start again */
		}
	kurzweg_close(&k);
	return (void *)count;
}

static void
two_threads_with_a_handle_each_do_not_disturb_each_other(void **state)
{
	struct fake *f = *state;
	pthread_t threads[2];
	void *count;

	start(f, gives_rows, NULL);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, f), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], &count), 0);
		assert_int_equal((uintptr_t)count, 1000);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(nobody_there_is_silent_within_the_time_and_says_so),
		T(a_node_that_comes_late_but_in_time_is_asked),
		T(garbage_is_named_and_stale_answers_are_passed_over),
		T(each_refusal_of_the_node_has_its_result_and_its_sentence),
		T(a_call_that_is_wrong_is_told_without_asking_the_node),
		T(what_is_published_is_asked_as_the_protocol_says),
		T(waiting_goes_on_until_it_is_so_or_the_time_is_over),
		T(what_a_piece_means_is_asked_of_the_node),
		T(what_was_sent_comes_page_by_page_until_there_is_nothing_further_back),
		T(pages_that_do_not_go_back_are_not_believed),
		T(the_inbox_comes_row_by_row_and_the_node_is_asked_seldom),
		T(rows_that_go_backwards_are_not_believed),
		T(who_follows_is_answered_by_the_node_that_was_started_anew),
		T(a_publication_is_not_repeated_when_the_node_goes_but_told_unknown_at_once),
		T(a_signal_ends_waiting_for_the_next),
		T(two_threads_with_a_handle_each_do_not_disturb_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
