/* control: the operator's socket and verbs. */
#include "broker/net/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/net/headers.h"
#include "proto/limits.h"

#define ID_MAX 255
#define REPLY_MAX (KW_CONTROL_MAX - 64u)

struct asker { bool waits; uint8_t id[ID_MAX]; size_t id_len; uint64_t request; };

struct control {
	void *socket;
	char *path;
	struct relay *relay;
	struct status status;
	struct headers_budget headers;
	struct buf bytes;
	struct asker install, epoch;
	bool stop;
};

/* ---- the socket ---- */

static enum kw_err
bind_socket(struct control *c, void *context, const char *endpoint, struct kw_why *why)
{
	int none = 0;
	int64_t largest = KW_MESSAGE_MAX;
	enum kw_err err = fs_socket_place(c->path, why);

	if (err != KW_OK) {
		kw_why_prefix(why, "control");
		return err;
	}
	c->socket = zmq_socket(context, ZMQ_ROUTER);
	if (c->socket == NULL || zmq_setsockopt(c->socket, ZMQ_LINGER, &none, sizeof none) != 0 ||
	    zmq_setsockopt(c->socket, ZMQ_RCVHWM, &none, sizeof none) != 0 ||
	    zmq_setsockopt(c->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) != 0)
		return kw_refuse(why, KW_EIO, "control: the socket cannot be set up: %s", zmq_strerror(errno));
	if (zmq_bind(c->socket, endpoint) != 0)
		return kw_refuse(why, errno == EADDRINUSE ? KW_EEXISTS : KW_EIO, "control: %s: %s", endpoint, zmq_strerror(errno));
	if (chmod(c->path, 0600) != 0)
		return kw_refuse(why, KW_EIO, "control: the permissions of %s cannot be set: %s", c->path, strerror(errno));
	return KW_OK;
}

/* ---- answers ---- */

static void
reply_on_socket(struct control *c, const struct asker *a, bool ok, struct span text)
{
	struct wire_msg m = {.kind = WIRE_ADMIN_REPLY};
	struct buf bytes = BUF_INIT(KW_CONTROL_MAX);

	m.admin_reply.request = a->request;
	m.admin_reply.ok = ok;
	m.admin_reply.text = text;
	if (wire_encode(&bytes, &m) == KW_OK) {
		(void)zmq_send(c->socket, a->id, a->id_len, ZMQ_SNDMORE | ZMQ_DONTWAIT);
		(void)zmq_send(c->socket, bytes.p, bytes.len, ZMQ_DONTWAIT);
	}
	buf_free(&bytes);
}

static void
reply_on_conn(struct control *c, uint32_t conn, uint64_t request, bool ok, struct span text)
{
	struct wire_msg m = {.kind = WIRE_ADMIN_REPLY};

	m.admin_reply.request = request;
	m.admin_reply.ok = ok;
	m.admin_reply.text = text;
	relay_send(c->relay, conn, &m);
}

/* "4", or nothing for the newest. */
static enum kw_err
show_agreement(struct control *c, struct span which, struct kw_why *why)
{
	const struct agreement_chain *chain = relay_parts_of(c->relay)->chain;
	const struct agreement *a = agreement_chain_newest(chain);
	char text[16] = "";
	uint64_t version;
	enum kw_err err;

	if (which.len >= sizeof text)
		return kw_refuse(why, KW_EINVAL, "version must be a number");
	if (which.len > 0) {
		memcpy(text, which.p, which.len);
		if ((err = text_u64(&version, text, 1, UINT32_MAX, "version", why)) != KW_OK)
			return err;
		a = agreement_chain_get(chain, (uint32_t)version);
	}
	if (a == NULL && which.len == 0)
		return kw_refuse(why, KW_ENOTFOUND, "no agreement is in force");
	if (a == NULL)
		return kw_refuse(why, KW_ENOTFOUND, "version %s of the agreement is not known here", text);
	buf_put_span(&c->bytes, agreement_text(a));
	return buf_ok(&c->bytes) ? KW_OK : KW_ENOMEM;
}

/* Who asks for headers leaves a line in the log. */
static enum kw_err
show_headers(struct control *c, struct span text, const char *who, struct kw_why *why)
{
	struct headers_ask ask;
	enum kw_err err = headers_ask_read(&ask, text, why);

	if (err != KW_OK)
		return err;
	if (ask.after == 0)
		log_event(LOG_NOTICE, "headers.read", "by=%s lane=%s from_ms=%llu to_ms=%llu", who, lane_name(ask.lane), (unsigned long long)ask.from_ms,
		          (unsigned long long)ask.to_ms);
	return headers_put(&c->bytes, &c->headers, c->relay, &ask, why);
}

/* What is only looked at, the same over both ways: into c->bytes. */
static enum kw_err
show(struct control *c, const struct wire_admin *a, const char *who, struct kw_why *why)
{
	enum kw_err err;

	buf_reset(&c->bytes);
	switch (a->verb) {
	case ADMIN_AGREEMENT: err = show_agreement(c, a->text, why); break;
	case ADMIN_HEADERS: err = show_headers(c, a->text, who, why); break;
	default: err = status_put(&c->bytes, &c->status, c->relay, a->verb == ADMIN_STATUS); break;
	}
	return err == KW_ENOMEM ? kw_refuse(why, KW_ENOMEM, "the broker is short of memory") : err;
}

static bool
is_look(enum admin_verb verb)
{
	return verb == ADMIN_STATUS || verb == ADMIN_NODES || verb == ADMIN_AGREEMENT || verb == ADMIN_HEADERS;
}

static void
on_conn(void *self, uint32_t conn, const struct wire_admin *a, bool operator)
{
	struct control *c = self;
	struct kw_why why;

	MUST(operator);
	if (!is_look(a->verb))
		reply_on_conn(c, conn, a->request, false, span_str("over the network an operator may ask for status, nodes, headers and agreements; the rest goes over the control socket on the broker's machine"));
	else if (show(c, a, gate_name(relay_parts_of(c->relay)->gate, conn), &why) != KW_OK)
		reply_on_conn(c, conn, a->request, false, span_str(why.text));
	else
		reply_on_conn(c, conn, a->request, true, buf_span(&c->bytes));
}

static void
over(struct control *c, struct asker *a, enum kw_err err, const char *sentence)
{
	if (!a->waits)
		return;
	a->waits = false;
	reply_on_socket(c, a, err == KW_OK, span_str(sentence));
}

static void
install_done(void *self, enum kw_err err, const char *sentence)
{
	struct control *c = self;

	over(c, &c->install, err, sentence);
}

static void
epoch_done(void *self, enum kw_err err, const char *sentence)
{
	struct control *c = self;

	over(c, &c->epoch, err, sentence);
}

/* One at a time of each; a second asker hears so at once. */
static bool
takes_turn(struct control *c, struct asker *turn, const struct asker *a)
{
	if (turn->waits) {
		reply_on_socket(c, a, false, span_str("the same is under way just now: try again in a second"));
		return false;
	}
	*turn = *a;
	turn->waits = true;
	return true;
}

static void
on_admin(struct control *c, const struct asker *a, const struct wire_admin *admin)
{
	struct kw_why why;

	switch (admin->verb) {
	case ADMIN_STATUS:
	case ADMIN_NODES:
	case ADMIN_AGREEMENT:
	case ADMIN_HEADERS:
		if (show(c, admin, "control", &why) == KW_OK)
			reply_on_socket(c, a, true, buf_span(&c->bytes));
		else
			reply_on_socket(c, a, false, span_str(why.text));
		break;
	case ADMIN_INSTALL:
		if (takes_turn(c, &c->install, a))
			relay_install(c->relay, admin->text, admin->sigs, (struct relay_done){c, install_done});
		break;
	case ADMIN_NEW_EPOCH:
		if (takes_turn(c, &c->epoch, a))
			relay_new_epoch(c->relay, (struct relay_done){c, epoch_done});
		break;
	case ADMIN_STOP:
		log_event(LOG_NOTICE, "broker.stop_asked", "by=control");
		c->stop = true;
		reply_on_socket(c, a, true, span_str("stopping"));
		break;
	default:
		reply_on_socket(c, a, false, span_str("this is not known here"));
		break;
	}
}

static void
on_bytes(struct control *c, struct asker *a, struct span bytes)
{
	struct kw_why why;
	struct wire_msg m;

	if (wire_decode(&m, bytes, &why) != KW_OK) {
		reply_on_socket(c, a, false, span_str(why.text));
		return;
	}
	if (m.kind == WIRE_ADMIN) {
		a->request = m.admin.request;
		on_admin(c, a, &m.admin);
	} else {
		reply_on_socket(c, a, false, span_str("the control socket takes an operator's requests alone"));
	}
	wire_msg_clear(&m);
}

bool
control_receive(struct control *c)
{
	for (int n = 0; c->socket != NULL && n < 16; n++) {
		struct asker a = {.waits = false};
		zmq_msg_t frame;
		int len = zmq_recv(c->socket, a.id, sizeof a.id, ZMQ_DONTWAIT), frames = 0, more = 1;
		size_t size = sizeof more;

		if (len < 0)
			return false;
		a.id_len = (size_t)len;
		(void)zmq_msg_init(&frame);
		while (zmq_getsockopt(c->socket, ZMQ_RCVMORE, &more, &size) == 0 && more) {
			if (zmq_msg_recv(&frame, c->socket, 0) < 0)
				break;
			frames++;
		}
		if (frames == 1)
			on_bytes(c, &a, span_of(zmq_msg_data(&frame), zmq_msg_size(&frame)));
		else
			reply_on_socket(c, &a, false, span_str("a request is one frame"));
		(void)zmq_msg_close(&frame);
	}
	return c->socket != NULL;
}

/* ---- begin and end ---- */

enum kw_err
control_open(struct control **out, void *zmq_context, const char *endpoint, struct relay *r, struct kw_why *why)
{
	struct control *c = calloc(1, sizeof *c);
	enum kw_err err = KW_OK;

	if (c == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory for the control socket");
	c->relay = r;
	c->bytes = BUF_INIT(REPLY_MAX);
	if (endpoint != NULL) {
		c->path = strdup(endpoint + strlen("ipc://"));
		err = c->path != NULL ? bind_socket(c, zmq_context, endpoint, why) : kw_refuse(why, KW_ENOMEM, "out of memory");
	}
	if (err != KW_OK) {
		control_close(&c);
		return err;
	}
	relay_on_admin(r, c, on_conn);
	*out = c;
	return KW_OK;
}

void
control_close(struct control **control)
{
	struct control *c = *control;

	if (c == NULL)
		return;
	if (c->socket != NULL)
		(void)zmq_close(c->socket);
	free(c->path);
	buf_free(&c->bytes);
	free(c);
	*control = NULL;
}

void *control_socket(struct control *c) { return c->socket; }
bool control_wants_stop(const struct control *c) { return c->stop; }

void
control_tick(struct control *c, uint64_t mono_ms)
{
	status_tick(&c->status, c->relay, mono_ms);
}
