/* local: the socket, its requests, and those that wait. */
#include "clients/partner/local.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json_memory.h"
#include "base/language.h"
#include "base/log.h"
#include "clients/partner/local_serve.h"
#include "clients/partner/node.h"

#define PEER_MAX 255            /* ZeroMQ's longest routing id */
#define ANSWERS_MAX 16          /* that a client has not read; what goes beyond is dropped, so that it harms itself alone */
#define TURN_REQUESTS 16
#define TURN_LOOKS 16
#define WAITERS_MAX 256
#define ANSWER_MAX (128u * 1024u * 1024u) /* the largest single row, escaped */

struct peer {
	size_t len;
	uint8_t id[PEER_MAX];
};

struct waiter {
	bool used;
	bool look;                  /* something changed since the last look */
	struct peer peer;
	struct ask ask;
	uint64_t until_ms;          /* monotonic */
};

struct local {
	struct node *node;
	void *socket;
	const char *path;
	struct waiter *waiters;
	uint32_t waiting;
	uint32_t turn;              /* the waiter that is looked at first: each in its turn */
};

/* ---- answers ---- */

/* Asking for its events has libzmq hear how far a peer has read, which a send puts off for a millisecond: a quick one would count as one that does not read. */
static void
send_answer(struct local *l, const struct peer *to, struct span answer)
{
	size_t size = sizeof(int);
	int events;

	(void)zmq_getsockopt(l->socket, ZMQ_EVENTS, &events, &size);
	/* EHOSTUNREACH: it is gone; EAGAIN: it does not read. Either way the answer is dropped. */
	if (zmq_send(l->socket, to->id, to->len, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
		log_peer(LOG_INFO, "local.answer_dropped", NULL, "why=\"%s\"", zmq_strerror(errno));
		return;
	}
	(void)zmq_send(l->socket, answer.p, answer.len, ZMQ_DONTWAIT);
}

/* Without a byte that must be found first. */
static void
say_no_memory(struct local *l, const struct peer *to, uint64_t request)
{
	char text[128];
	int len = snprintf(text, sizeof text, "{\"request\":%llu,\"ok\":false,\"error\":\"%s\",\"text\":\"out of memory\"}", (unsigned long long)request,
	                   kw_err_name(KW_ENOMEM));

	send_answer(l, to, span_of(text, (size_t)len));
}

static void
refuse_as(struct local *l, const struct peer *to, uint64_t request, const char *error, const char *text)
{
	json_t *v = json_pack("{s:I, s:b, s:s, s:s}", "request", (json_int_t)request, "ok", 0, "error", error, "text", text);
	char *dump;

	json_memory_begin();
	dump = v != NULL ? json_dumps(v, JSON_COMPACT) : NULL;
	if (dump != NULL && !json_memory_was_short())
		send_answer(l, to, span_str(dump));
	else
		say_no_memory(l, to, request);
	free(dump);
	json_decref(v);
}

/* ---- one look at a request ---- */

/* False: it is to be looked at again, later. */
static bool
look(struct local *l, const struct peer *peer, struct ask *a, bool over, bool *again)
{
	struct buf answer = BUF_INIT(ANSWER_MAX);
	struct kw_why why = {{0}};
	enum kw_err err;

	answer.secret = true;
	buf_printf(&answer, "{\"request\":%llu,\"ok\":true,\"result\":", (unsigned long long)a->request);
	language_use(a->language);
	err = serve(&answer, l->node, a, over, again, &why);
	buf_put_str(&answer, "}");
	if (err == KW_OK && !buf_ok(&answer))
		err = kw_refuse(&why, KW_ENOMEM, "out of memory for an answer");
	language_use(NULL);
	if (err == KW_OK)
		send_answer(l, peer, buf_span(&answer));
	else if (err != KW_EAGAIN)
		refuse_as(l, peer, a->request, kw_err_name(err), why.text);
	buf_free(&answer);
	return err != KW_EAGAIN;
}

/* ---- those that wait ---- */

static void
drop_waiter(struct local *l, struct waiter *w)
{
	ask_free(&w->ask);
	w->used = false;
	l->waiting--;
}

/* Takes the ask, or refuses it. */
static void
keep_waiting(struct local *l, const struct peer *peer, struct ask *a, bool again)
{
	struct waiter *free_one = NULL;
	struct kw_why why;

	for (struct waiter *w = l->waiters; w < l->waiters + WAITERS_MAX; w++) {
		if (!w->used) {
			free_one = w;
			continue;
		}
		if (w->peer.len != peer->len || memcmp(w->peer.id, peer->id, peer->len) != 0)
			continue;
		language_use(a->language);
		(void)kw_refuse(&why, KW_ELIMIT, "this connection waits for an answer already, to its request %llu; one at a time", (unsigned long long)w->ask.request);
		language_use(NULL);
		refuse_as(l, peer, a->request, kw_err_name(KW_ELIMIT), why.text);
		ask_free(a);
		return;
	}
	if (free_one == NULL) {
		language_use(a->language);
		(void)kw_refuse(&why, KW_ELIMIT, "%d requests wait for this node already; try again in a minute, or ask without waiting", WAITERS_MAX);
		language_use(NULL);
		refuse_as(l, peer, a->request, kw_err_name(KW_ELIMIT), why.text);
		ask_free(a);
		return;
	}
	*free_one = (struct waiter){.used = true, .look = again, .peer = *peer, .ask = *a, .until_ms = node_mono_ms(l->node) + a->wait_ms};
	l->waiting++;
}

static void
on_committed(void *self, struct node_change change)
{
	struct local *l = self;

	for (struct waiter *w = l->waiters; l->waiting > 0 && w < l->waiters + WAITERS_MAX; w++)
		w->look = w->look || (w->used && ((change.inbox && w->ask.verb == ASK_INBOX) || (change.outbox && w->ask.verb == ASK_STATE) ||
		                                      ((change.cases || change.outbox) && w->ask.verb == ASK_FATE)));
}

static uint64_t
wake_ms(void *self)
{
	const struct local *l = self;
	uint64_t wake = UINT64_MAX;

	for (const struct waiter *w = l->waiters; l->waiting > 0 && w < l->waiters + WAITERS_MAX; w++) {
		if (w->used && w->look)
			return 0;
		if (w->used && w->until_ms < wake)
			wake = w->until_ms;
	}
	return wake;
}

/* So many a turn at most; the others come next turn. */
static void
fire(void *self, uint64_t mono_ms)
{
	struct local *l = self;
	uint32_t looks = 0;

	for (uint32_t i = 0; i < WAITERS_MAX && looks < TURN_LOOKS; i++) {
		struct waiter *w = &l->waiters[l->turn];

		l->turn = (l->turn + 1) % WAITERS_MAX;
		if (!w->used || (!w->look && w->until_ms > mono_ms))
			continue;
		looks++;
		w->look = false;
		if (look(l, &w->peer, &w->ask, w->until_ms <= mono_ms, &w->look))
			drop_waiter(l, w);
	}
}

/* ---- requests ---- */

static void
on_request(struct local *l, const struct peer *peer, struct span head, const struct span *content)
{
	struct ask a;
	struct kw_why why = {{0}};
	bool again = false;
	enum kw_err err = ask_open(&a, head, &why);

	if (err == KW_OK) {
		language_use(a.language);
		err = ask_read(&a, &why);
		if (err == KW_OK && a.verb == ASK_PUBLISH && content == NULL)
			err = kw_refuse(&why, KW_EINVAL, "the second frame, with the content, is missing");
		else if (err == KW_OK && a.verb != ASK_PUBLISH && content != NULL)
			err = kw_refuse(&why, KW_EINVAL, "a second frame is for publish alone");
		language_use(NULL);
	}
	if (err != KW_OK)
		refuse_as(l, peer, a.request, "EUSAGE", why.text);
	if (err == KW_OK && content != NULL)
		a.publish.content = *content;
	if (err != KW_OK || look(l, peer, &a, a.wait_ms == 0, &again))
		ask_free(&a);
	else
		keep_waiting(l, peer, &a, again);
}

static void
ready(void *self, short events)
{
	struct local *l = self;

	(void)events;
	for (int n = 0; n < TURN_REQUESTS; n++) {
		zmq_msg_t frames[2];
		struct peer peer;
		struct span content;
		int count = 0, more = 1, len = zmq_recv(l->socket, peer.id, sizeof peer.id, ZMQ_DONTWAIT);
		size_t size = sizeof more;

		if (len < 0)
			return;
		peer.len = (size_t)len;
		(void)zmq_msg_init(&frames[0]);
		(void)zmq_msg_init(&frames[1]);
		/* what stands behind the second is taken away, and the request refused */
		while (zmq_getsockopt(l->socket, ZMQ_RCVMORE, &more, &size) == 0 && more) {
			if (zmq_msg_recv(&frames[count == 0 ? 0 : 1], l->socket, ZMQ_DONTWAIT) < 0)
				break;
			count++;
		}
		content = span_of(zmq_msg_data(&frames[1]), zmq_msg_size(&frames[1]));
		if (count < 1 || count > 2)
			refuse_as(l, &peer, 0, "EUSAGE", "a request is one frame, or two");
		else
			on_request(l, &peer, span_of(zmq_msg_data(&frames[0]), zmq_msg_size(&frames[0])), count == 2 ? &content : NULL);
		(void)zmq_msg_close(&frames[0]);
		(void)zmq_msg_close(&frames[1]);
	}
}

/* ---- begin and end ---- */

static enum kw_err
listen_on(struct local *l, const char *endpoint, struct kw_why *why)
{
	int zero = 0, one = 1, answers = ANSWERS_MAX;
	int64_t largest = KW_OPENED_MAX + 4096;
	enum kw_err err = fs_socket_place(l->path, why);

	if (err != KW_OK)
		return err;
	srand(randombytes_random()); /* ZeroMQ makes the first routing id by rand() */
	l->socket = zmq_socket(node_zmq_context(l->node), ZMQ_ROUTER);
	/* No limit for what comes in: libzmq 4.3.4 aborts when a connection is reset while its pipe is full. */
	if (l->socket == NULL || zmq_setsockopt(l->socket, ZMQ_RCVHWM, &zero, sizeof zero) != 0 || zmq_setsockopt(l->socket, ZMQ_LINGER, &zero, sizeof zero) != 0 ||
	    zmq_setsockopt(l->socket, ZMQ_SNDHWM, &answers, sizeof answers) != 0 || zmq_setsockopt(l->socket, ZMQ_ROUTER_MANDATORY, &one, sizeof one) != 0 ||
	    zmq_setsockopt(l->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) != 0)
		return kw_refuse(why, KW_EIO, "the local socket cannot be set up: %s", zmq_strerror(errno));
	if (zmq_bind(l->socket, endpoint) != 0 && errno == EADDRINUSE)
		return kw_refuse(why, KW_EIO, "the local socket %s is there already and cannot be replaced: another node uses it, or another user left it behind; end that node, or remove the file",
		                 l->path);
	if (zmq_bind(l->socket, endpoint) != 0)
		return kw_refuse(why, KW_EIO, "the local socket %s cannot be opened: %s", l->path, zmq_strerror(errno));
	if (chmod(l->path, 0660) != 0)
		return kw_refuse(why, KW_EIO, "the permissions of %s cannot be set: %s", l->path, strerror(errno));
	return KW_OK;
}

static enum kw_err
hang_in(struct local *l, struct kw_why *why)
{
	const struct node_poller poller = {.socket = l->socket, .events = ZMQ_POLLIN, .ready = ready, .self = l};
	const struct node_timer timer = {.wake_ms = wake_ms, .fire = fire, .self = l};
	int handle;

	if (node_add_poller(&handle, l->node, &poller) != KW_OK || node_add_timer(l->node, &timer) != KW_OK || node_on_committed(l->node, on_committed, l) != KW_OK)
		return kw_refuse(why, KW_ELIMIT, "the node's loop has no place left for the local socket");
	return KW_OK;
}

enum kw_err
local_open(struct local **out, struct node *n, struct kw_why *why)
{
	const char *endpoint = node_config(n)->socket;
	struct local *l = calloc(1, sizeof *l);
	enum kw_err err;

	if (l == NULL || (l->waiters = calloc(WAITERS_MAX, sizeof *l->waiters)) == NULL) {
		free(l);
		return kw_refuse(why, KW_ENOMEM, "out of memory for the local socket");
	}
	l->node = n;
	l->path = endpoint + strlen("ipc://");
	if ((err = listen_on(l, endpoint, why)) == KW_OK)
		err = hang_in(l, why);
	if (err != KW_OK) {
		local_close(&l);
		return err;
	}
	*out = l;
	return KW_OK;
}

void
local_close(struct local **local)
{
	struct local *l = *local;

	if (l == NULL)
		return;
	for (struct waiter *w = l->waiters; w < l->waiters + WAITERS_MAX; w++)
		if (w->used)
			drop_waiter(l, w);
	if (l->socket != NULL)
		(void)zmq_close(l->socket);
	free(l->waiters);
	free(l);
	*local = NULL;
}
