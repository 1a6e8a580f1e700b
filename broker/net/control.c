/* control: the operator's socket and verbs. */
#include "broker/net/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/net/headers.h"
#include "proto/limits.h"
#include "proto/parts.h"

#define ID_MAX 255
#define REPLY_MAX (KW_CONTROL_MAX - 64u)
#define UPLOAD_QUIET_MS 10000u /* an asker that brings no more parts for so long is gone */

struct asker { bool waits; uint8_t id[ID_MAX]; size_t id_len; uint64_t request; };
struct upload { struct asker by; struct parts parts; uint64_t heard_ms; }; /* by.waits: there is one */

struct control {
	void *socket;
	char *path;
	struct relay *relay;
	struct status status;
	struct headers_budget headers;
	struct buf bytes;
	struct upload upload;
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
send_on_socket(struct control *c, const struct asker *a, const struct wire_admin_reply *reply)
{
	struct wire_msg m = {.kind = WIRE_ADMIN_REPLY, .admin_reply = *reply};
	struct buf bytes = BUF_INIT(KW_CONTROL_MAX);

	m.admin_reply.request = a->request;
	if (wire_encode(&bytes, &m) == KW_OK) {
		(void)zmq_send(c->socket, a->id, a->id_len, ZMQ_SNDMORE | ZMQ_DONTWAIT);
		(void)zmq_send(c->socket, bytes.p, bytes.len, ZMQ_DONTWAIT);
	}
	buf_free(&bytes);
}

static void
reply_on_socket(struct control *c, const struct asker *a, bool ok, struct span text)
{
	send_on_socket(c, a, &(struct wire_admin_reply){.ok = ok, .text = text});
}

static void
send_on_conn(struct control *c, uint32_t conn, uint64_t request, const struct wire_admin_reply *reply)
{
	struct wire_msg m = {.kind = WIRE_ADMIN_REPLY, .admin_reply = *reply};

	m.admin_reply.request = request;
	relay_send(c->relay, conn, &m);
}

/* "4", or nothing for the newest: the part that is asked for. */
static enum kw_err
show_agreement(struct wire_admin_reply *out, const struct control *c, struct span which, uint32_t part, struct kw_why *why)
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
	if (part >= part_count(agreement_text(a).len))
		return kw_refuse(why, KW_EINVAL, "version %u of the agreement has no part %u", agreement_version(a), part);
	out->version = agreement_version(a);
	out->part = part;
	out->total = (uint32_t)agreement_text(a).len;
	out->text = part_cut(agreement_text(a), part);
	return KW_OK;
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

/* What is only looked at, the same over both ways; its text is of c or why, until the next. */
static struct wire_admin_reply
show(struct control *c, const struct wire_admin *a, const char *who, struct kw_why *why)
{
	struct wire_admin_reply out = {.ok = true};
	enum kw_err err;

	buf_reset(&c->bytes);
	switch (a->verb) {
	case ADMIN_AGREEMENT: err = show_agreement(&out, c, a->text, a->part, why); break;
	case ADMIN_HEADERS: err = show_headers(c, a->text, who, why); break;
	default: err = status_put(&c->bytes, &c->status, c->relay, a->verb == ADMIN_STATUS); break;
	}
	if (err == KW_ENOMEM)
		err = kw_refuse(why, KW_ENOMEM, "the broker is short of memory");
	if (err != KW_OK)
		return (struct wire_admin_reply){.ok = false, .text = span_str(why->text)};
	if (a->verb != ADMIN_AGREEMENT)
		out.text = buf_span(&c->bytes);
	return out;
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
	struct wire_admin_reply reply = {.ok = false};
	struct kw_why why;

	MUST(operator);
	if (is_look(a->verb))
		reply = show(c, a, gate_name(relay_parts_of(c->relay)->gate, conn), &why);
	else
		reply.text = span_str("over the network an operator may ask for status, nodes, headers and agreements; the rest goes over the control socket on the broker's machine");
	send_on_conn(c, conn, a->request, &reply);
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

static bool
same_asker(const struct asker *a, const struct asker *b)
{
	return a->id_len == b->id_len && memcmp(a->id, b->id, a->id_len) == 0;
}

static void
drop_upload(struct upload *u)
{
	parts_drop(&u->parts);
	u->by.waits = false;
}

/* One text at a time is collected; each part is answered, the last when the version is in force or refused. */
static void
on_install(struct control *c, const struct asker *a, const struct wire_admin *admin)
{
	struct upload *u = &c->upload;
	struct kw_why why;
	enum kw_err err;

	if (u->by.waits && !same_asker(&u->by, a) && clock_mono_ms() - u->heard_ms < UPLOAD_QUIET_MS) {
		reply_on_socket(c, a, false, span_str("the same is under way just now: try again in a second"));
		return;
	}
	if (admin->part == 0 || !u->by.waits || !same_asker(&u->by, a))
		drop_upload(u);
	u->by = *a;
	u->by.waits = true;
	u->heard_ms = clock_mono_ms();
	err = parts_take(&u->parts, admin->part, admin->total, admin->text, admin->sigs, &why);
	if (err == KW_EAGAIN || err == KW_EEXISTS) {
		reply_on_socket(c, a, true, span_of(NULL, 0));
		return;
	}
	if (err != KW_OK)
		reply_on_socket(c, a, false, span_str(why.text));
	else if (takes_turn(c, &c->install, a))
		relay_install(c->relay, buf_span(&u->parts.text), buf_span(&u->parts.sigs), (struct relay_done){c, install_done});
	drop_upload(u);
}

static void
on_admin(struct control *c, const struct asker *a, const struct wire_admin *admin)
{
	struct wire_admin_reply reply;
	struct kw_why why;

	switch (admin->verb) {
	case ADMIN_STATUS:
	case ADMIN_NODES:
	case ADMIN_AGREEMENT:
	case ADMIN_HEADERS:
		reply = show(c, admin, "control", &why);
		send_on_socket(c, a, &reply);
		break;
	case ADMIN_INSTALL:
		on_install(c, a, admin);
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
	drop_upload(&c->upload);
	buf_free(&c->bytes);
	free(c);
	*control = NULL;
}

void *control_socket(struct control *c) { return c->socket; }
bool control_wants_stop(const struct control *c) { return c->stop; }

void
control_tick(struct control *c, uint64_t mono_ms)
{
	if (c->upload.by.waits && mono_ms - c->upload.heard_ms >= UPLOAD_QUIET_MS)
		drop_upload(&c->upload);
	status_tick(&c->status, c->relay, mono_ms);
}
