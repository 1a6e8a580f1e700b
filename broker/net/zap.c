/* zap: a thread that answers libzmq's authentication protocol (ZeroMQ RFC 27) from the agreement in force. */
#include "broker/net/zap.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/log.h"
#include "base/text.h"

#define FRAMES 7          /* version, request, domain, address, identity, mechanism, key */
#define FRAME_ROOM 256

struct zap {
	void *requests;           /* the thread's alone once it runs */
	void *stop_far, *stop_near;
	pthread_t thread;
	pthread_mutex_t lock;
	const struct agreement *agreement; /* under lock */
	atomic_uint_fast64_t turned_away;
};

struct request {
	uint8_t frame[FRAMES][FRAME_ROOM];
	int len[FRAMES];
	int count;
};

/* All frames are taken off the socket, whatever their number. */
static bool
receive(void *socket, struct request *r)
{
	int more = 1;
	size_t size = sizeof more;

	r->count = 0;
	while (more) {
		uint8_t spill[FRAME_ROOM];
		bool kept = r->count < FRAMES;
		int n = zmq_recv(socket, kept ? r->frame[r->count] : spill, FRAME_ROOM, 0);

		if (n < 0)
			return false;
		if (kept)
			r->len[r->count] = n;
		r->count++;
		if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0)
			return false;
	}
	return true;
}

static bool
frame_is(const struct request *r, int i, const char *text)
{
	return r->len[i] == (int)strlen(text) && memcmp(r->frame[i], text, strlen(text)) == 0;
}

/* Fails closed: whatever is not exactly a known CURVE key of our domain stays outside. */
static bool
lets_in(struct zap *z, const struct request *r, char user[ZAP_USER_LEN + 1])
{
	struct peer peer;

	if (r->count != FRAMES || !frame_is(r, 0, "1.0") || !frame_is(r, 2, ZAP_DOMAIN) || !frame_is(r, 5, "CURVE") ||
	    r->len[6] != KW_KEY_LEN)
		return false;
	(void)pthread_mutex_lock(&z->lock);
	peer.role = PEER_UNKNOWN;
	if (z->agreement != NULL)
		peer = agreement_peer(z->agreement, r->frame[6]);
	(void)pthread_mutex_unlock(&z->lock);
	if (peer.role != PEER_NODE && peer.role != PEER_OPERATOR)
		return false;
	user[0] = peer.role == PEER_NODE ? 'n' : 'o';
	text_put_hex(user + 1, span_of(r->frame[6], KW_KEY_LEN));
	return true;
}

static void
say_turned_away(struct zap *z, const struct request *r)
{
	static const char mapped[] = "::ffff:";
	char key[17] = "none", address[FRAME_ROOM + 1] = "";
	const char *shown = address;

	atomic_fetch_add(&z->turned_away, 1);
	if (r->count == FRAMES && r->len[6] == KW_KEY_LEN)
		text_put_hex(key, span_of(r->frame[6], 8));
	if (r->count == FRAMES && r->len[3] < FRAME_ROOM)
		memcpy(address, r->frame[3], (size_t)r->len[3]);
	if (strncmp(address, mapped, strlen(mapped)) == 0) /* an IPv4 peer of an IPv6 socket is shown as what it is */
		shown += strlen(mapped);
	log_stranger(LOG_WARNING, "gate.unknown_key", shown, "key=%s", key);
}

static void
answer(void *socket, const struct request *r, const char *user)
{
	bool in = user[0] != '\0';
	int id_len = r->count > 1 && r->len[1] <= FRAME_ROOM ? r->len[1] : 0;

	(void)zmq_send(socket, "1.0", 3, ZMQ_SNDMORE);
	(void)zmq_send(socket, r->frame[1], (size_t)id_len, ZMQ_SNDMORE);
	(void)zmq_send(socket, in ? "200" : "400", 3, ZMQ_SNDMORE);
	(void)zmq_send(socket, in ? "OK" : "unknown key", in ? 2 : 11, ZMQ_SNDMORE);
	(void)zmq_send(socket, user, strlen(user), ZMQ_SNDMORE);
	(void)zmq_send(socket, "", 0, 0);
}

static void *
run(void *self)
{
	struct zap *z = self;
	zmq_pollitem_t items[] = {{z->requests, 0, ZMQ_POLLIN, 0}, {z->stop_far, 0, ZMQ_POLLIN, 0}};

	for (;;) {
		struct request r;
		char user[ZAP_USER_LEN + 1] = "";

		if (zmq_poll(items, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (items[1].revents != 0)
			break;
		if (items[0].revents == 0 || !receive(z->requests, &r))
			continue;
		if (!lets_in(z, &r, user)) {
			user[0] = '\0';
			say_turned_away(z, &r);
		}
		answer(z->requests, &r, user);
	}
	(void)zmq_close(z->requests);
	(void)zmq_close(z->stop_far);
	return NULL;
}

enum kw_err
zap_start(struct zap **out, void *zmq_context, struct kw_why *why)
{
	struct zap *z = calloc(1, sizeof *z);
	int none = 0;

	if (z == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the authentication thread");
	(void)pthread_mutex_init(&z->lock, NULL);
	z->requests = zmq_socket(zmq_context, ZMQ_REP);
	z->stop_far = zmq_socket(zmq_context, ZMQ_PAIR);
	z->stop_near = zmq_socket(zmq_context, ZMQ_PAIR);
	if (z->requests == NULL || z->stop_far == NULL || z->stop_near == NULL)
		goto close_sockets;
	if (zmq_setsockopt(z->requests, ZMQ_LINGER, &none, sizeof none) != 0 || zmq_setsockopt(z->requests, ZMQ_RCVHWM, &none, sizeof none) != 0 ||
	    zmq_setsockopt(z->stop_near, ZMQ_LINGER, &none, sizeof none) != 0 ||
	    zmq_bind(z->requests, "inproc://zeromq.zap.01") != 0 || zmq_bind(z->stop_far, "inproc://kurzweg.zap.stop") != 0 ||
	    zmq_connect(z->stop_near, "inproc://kurzweg.zap.stop") != 0)
		goto close_sockets;
	if (pthread_create(&z->thread, NULL, run, z) != 0)
		goto close_sockets;
	*out = z;
	return KW_OK;
close_sockets:
	(void)kw_refuse(why, KW_EIO, "the authentication thread did not start: %s", zmq_strerror(errno));
	if (z->requests != NULL)
		(void)zmq_close(z->requests);
	if (z->stop_far != NULL)
		(void)zmq_close(z->stop_far);
	if (z->stop_near != NULL)
		(void)zmq_close(z->stop_near);
	free(z);
	return KW_EIO;
}

void
zap_stop(struct zap **zap)
{
	struct zap *z = *zap;

	if (z == NULL)
		return;
	(void)zmq_send(z->stop_near, "", 0, 0);
	(void)pthread_join(z->thread, NULL);
	(void)zmq_close(z->stop_near);
	(void)pthread_mutex_destroy(&z->lock);
	free(z);
	*zap = NULL;
}

void
zap_agreement(struct zap *z, const struct agreement *a)
{
	(void)pthread_mutex_lock(&z->lock);
	z->agreement = a;
	(void)pthread_mutex_unlock(&z->lock);
}

uint64_t
zap_turned_away(const struct zap *z)
{
	return atomic_load(&z->turned_away);
}

bool
zap_user_key(uint8_t key[KW_KEY_LEN], const char *user)
{
	if (user[0] != 'n' && user[0] != 'o')
		return false;
	return strlen(user) == ZAP_USER_LEN && text_hex(key, KW_KEY_LEN, user + 1);
}
