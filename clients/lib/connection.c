/* connection: a request to the node, and the answer to it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include "clients/lib/parts.h"

#define ANSWER_MAX (128ll * 1024 * 1024)

enum kurzweg_result
fail(kurzweg *k, enum kurzweg_result result, const char *english, const char *german, ...)
{
	va_list args;

	va_start(args, german);
	(void)vsnprintf(k->error, sizeof k->error, k->german ? german : english, args);
	va_end(args);
	return result;
}

uint64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void
hang_up(kurzweg *k)
{
	if (k->socket != NULL)
		(void)zmq_socket_monitor(k->socket, NULL, 0);
	if (k->monitor != NULL)
		(void)zmq_close(k->monitor);
	if (k->socket != NULL)
		(void)zmq_close(k->socket);
	k->monitor = k->socket = NULL;
}

/* Connected or on its way there: ZeroMQ tries again by itself until the socket is closed. */
static bool
dial(kurzweg *k)
{
	int zero = 0;
	int64_t largest = ANSWER_MAX;
	char monitor[64];

	if (k->socket != NULL)
		return true;
	if (k->context == NULL && (k->context = zmq_ctx_new()) == NULL)
		return false;
	k->socket = zmq_socket(k->context, ZMQ_DEALER);
	(void)snprintf(monitor, sizeof monitor, "inproc://kurzweg-%u", ++k->dialled); /* the one before may take its time to close */
	if (k->socket != NULL && zmq_setsockopt(k->socket, ZMQ_LINGER, &zero, sizeof zero) == 0 &&
	    zmq_setsockopt(k->socket, ZMQ_RCVHWM, &zero, sizeof zero) == 0 && zmq_setsockopt(k->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0 &&
	    zmq_socket_monitor(k->socket, monitor, ZMQ_EVENT_DISCONNECTED) == 0 && (k->monitor = zmq_socket(k->context, ZMQ_PAIR)) != NULL &&
	    zmq_connect(k->monitor, monitor) == 0 && zmq_connect(k->socket, k->endpoint) == 0)
		return true;
	hang_up(k);
	return false;
}

/* True: a connection that stood is gone. */
static bool
lost(kurzweg *k)
{
	bool gone = false;
	zmq_msg_t part;

	for (;;) {
		int got;

		(void)zmq_msg_init(&part);
		got = zmq_msg_recv(&part, k->monitor, ZMQ_DONTWAIT);
		gone = gone || got == 6; /* an event's number and value; its address follows */
		(void)zmq_msg_close(&part);
		if (got < 0)
			return gone;
	}
}

static bool
send_request(kurzweg *k, const struct asking *a)
{
	char *text;
	bool sent;

	(void)json_object_set_new(a->ask, "request", json_integer((json_int_t)++k->request));
	if ((text = json_dumps(a->ask, JSON_COMPACT)) == NULL)
		return false;
	sent = zmq_send(k->socket, text, strlen(text), ZMQ_DONTWAIT | (a->content != NULL ? ZMQ_SNDMORE : 0)) >= 0;
	if (sent && a->content != NULL)
		sent = zmq_send(k->socket, a->content, a->content_len, ZMQ_DONTWAIT) >= 0;
	free(text);
	return sent;
}

/* One answer of a single frame; NULL: none there, or no JSON object (*garbage). */
static json_t *
receive_answer(kurzweg *k, bool *garbage)
{
	json_t *answer = NULL;
	zmq_msg_t part;
	int frames = 0, more = 1;

	while (more) {
		(void)zmq_msg_init(&part);
		if (zmq_msg_recv(&part, k->socket, ZMQ_DONTWAIT) < 0) {
			(void)zmq_msg_close(&part);
			break;
		}
		if (frames++ == 0)
			answer = json_loadb(zmq_msg_data(&part), zmq_msg_size(&part), 0, NULL);
		more = zmq_msg_more(&part);
		(void)zmq_msg_close(&part);
	}
	*garbage = frames > 1 || (frames == 1 && !json_is_object(answer));
	if (*garbage) {
		json_decref(answer);
		answer = NULL;
	}
	return answer;
}

/* ---- what an answer means ---- */

static enum kurzweg_result
result_of(const char *code)
{
	static const char *const failures[] = {"EIO", "ENOMEM", "ECORRUPT", "EFULL"};

	if (strcmp(code, "EUSAGE") == 0)
		return KURZWEG_USAGE;
	if (strcmp(code, "ETIMEOUT") == 0)
		return KURZWEG_SILENT;
	for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
		if (strcmp(code, failures[i]) == 0)
			return KURZWEG_FAILED;
	return KURZWEG_REFUSED;
}

static enum kurzweg_result
not_a_node(kurzweg *k)
{
	hang_up(k);
	return fail(k, KURZWEG_FAILED, "what answers at %s is no Kurzweg node; look which program has this socket",
	            "was an %s antwortet, ist kein Kurzweg-Knoten; bitte nachsehen, welches Programm diesen Socket hat", k->endpoint);
}

/* Takes answer. */
static enum kurzweg_result
open_answer(kurzweg *k, json_t *answer, json_t **result, char code[16])
{
	json_t *ok = json_object_get(answer, "ok"), *value = json_object_get(answer, "result");
	const char *error = json_string_value(json_object_get(answer, "error")), *text = json_string_value(json_object_get(answer, "text"));
	enum kurzweg_result r;

	if (json_is_true(ok) && json_is_object(value)) {
		*result = json_incref(value);
		r = KURZWEG_OK;
	} else if (json_is_false(ok) && error != NULL && text != NULL) {
		(void)snprintf(code, 16, "%s", error);
		r = fail(k, result_of(error), "%s", "%s", text);
	} else {
		r = not_a_node(k);
	}
	json_decref(answer);
	return r;
}

/* ---- waiting for it ---- */

enum wait_end { CAME, GONE, SIGNAL, OVER, BROKEN };

static enum wait_end
wait_for_answer(kurzweg *k, uint64_t end_ms, bool ends_at_signal)
{
	for (;;) {
		zmq_pollitem_t items[] = {{.socket = k->socket, .events = ZMQ_POLLIN}, {.socket = k->monitor, .events = ZMQ_POLLIN}};
		uint64_t now = now_ms();
		int got = zmq_poll(items, 2, now < end_ms ? (long)(end_ms - now) : 0);

		if (got < 0 && errno != EINTR)
			return BROKEN;
		if (got < 0 && ends_at_signal)
			return SIGNAL;
		if (got > 0 && items[0].revents != 0)
			return CAME;
		if (got > 0 && lost(k))
			return GONE;
		if (now >= end_ms)
			return OVER;
	}
}

static enum kurzweg_result
silent(kurzweg *k, bool was_there)
{
	hang_up(k);
	if (was_there)
		return fail(k, KURZWEG_SILENT, "the node at %s went away before it answered; whether it did what was asked is not known",
		            "der Knoten an %s ging weg, bevor er antwortete; ob er getan hat, worum er gebeten war, ist nicht bekannt", k->endpoint);
	return fail(k, KURZWEG_SILENT, "the node at %s does not answer; is kurzweg-partner running, and may you open its socket?",
	            "der Knoten an %s antwortet nicht; läuft kurzweg-partner, und dürfen Sie seinen Socket öffnen?", k->endpoint);
}

static enum kurzweg_result
exchange(kurzweg *k, const struct asking *a, json_t **result, char code[16])
{
	uint64_t end = now_ms() + a->wait_ms + k->timeout_ms;
	bool garbage;

	for (;;) {
		json_t *answer;

		switch (wait_for_answer(k, end, a->ends_at_signal)) {
		case CAME:
			if ((answer = receive_answer(k, &garbage)) == NULL && garbage)
				return not_a_node(k);
			if (answer != NULL && json_integer_value(json_object_get(answer, "request")) == (json_int_t)k->request)
				return open_answer(k, answer, result, code);
			json_decref(answer); /* of an earlier request */
			break;
		case GONE:
			if (!a->repeat)
				return silent(k, true);
			if (!send_request(k, a))
				return silent(k, false);
			break;
		case SIGNAL:
			hang_up(k);
			return fail(k, KURZWEG_NOTHING, "a signal came while the node's answer was awaited", "während auf die Antwort des Knotens gewartet wurde, kam ein Signal");
		case OVER:
			return silent(k, false);
		case BROKEN:
			hang_up(k);
			return fail(k, KURZWEG_FAILED, "waiting for the node failed: %s", "das Warten auf den Knoten schlug fehl: %s", zmq_strerror(errno));
		}
	}
}

enum kurzweg_result
ask_node(kurzweg *k, const struct asking *a, json_t **result, char code[16])
{
	enum kurzweg_result r;

	code[0] = '\0';
	if (a->ask == NULL || json_object_set_new(a->ask, "language", json_string(k->language)) != 0)
		r = fail(k, KURZWEG_USAGE, "a text is not UTF-8, or memory is short", "ein Text ist nicht UTF-8, oder es fehlt an Arbeitsspeicher");
	else if (k->endpoint == NULL)
		r = fail(k, KURZWEG_USAGE, "the node's socket must begin with ipc:///", "der Socket des Knotens muss mit ipc:/// beginnen");
	else if (!dial(k))
		r = fail(k, KURZWEG_FAILED, "%s cannot be connected to: %s", "zu %s kann keine Verbindung aufgebaut werden: %s", k->endpoint, zmq_strerror(errno));
	else if (lost(k), !send_request(k, a))
		r = silent(k, false);
	else
		r = exchange(k, a, result, code);
	json_decref(a->ask);
	return r;
}

bool
set_text(json_t *ask, const char *key, const char *text)
{
	return text == NULL || json_object_set_new(ask, key, json_string(text)) == 0;
}

enum kurzweg_result
ask_for_receipt(kurzweg *k, json_t *ask, char receipt[KURZWEG_ID_SIZE])
{
	json_t *result = NULL;
	const char *got;
	char code[16];
	enum kurzweg_result r = ask_node(k, &(struct asking){.ask = ask}, &result, code);

	if (r != KURZWEG_OK)
		return r;
	got = json_string_value(json_object_get(result, "receipt"));
	if (got == NULL || (got[0] != '\0' && strlen(got) != KURZWEG_ID_SIZE - 1))
		r = fail(k, KURZWEG_FAILED, "the node took it, but its answer has no id", "der Knoten nahm es an, aber seiner Antwort fehlt die Kennung");
	else
		memcpy(receipt, got, strlen(got) + 1);
	json_decref(result);
	return r;
}
