/* broker_ask: see its header. */
#include "clients/cli/broker_ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "certs/keys.h"
#include "clients/cli/agreement_file.h"
#include "clients/partner/net.h"
#include "proto/parts.h"

#define IPC "ipc://"
#define AGAIN_MS 250

struct broker_ask {
	char endpoint[256];
	uint64_t request;
	void *context, *socket; /* the control socket's */
	struct net *net;        /* the operator's connection */
	struct secret_keys *keys;
	bool up;
};

/* A plain connect tells at once what ZeroMQ would keep to itself: nobody there, or not for this user. */
static enum kw_err
knock(const char *endpoint, struct kw_why *why)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const char *path = endpoint + strlen(IPC);
	int fd, said = 0;

	if (strlen(path) >= sizeof at.sun_path)
		return kw_refuse(why, KW_EINVAL, "%.128s… is too long a path for a socket, at most %zu bytes are possible", path, sizeof at.sun_path - 1);
	memcpy(at.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return kw_refuse(why, KW_EIO, "no socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&at, sizeof at) != 0)
		said = errno;
	(void)close(fd);
	if (said == 0)
		return KW_OK;
	if (said == EACCES || said == EPERM)
		return kw_refuse(why, KW_EDENIED, "%s may not be opened by this user; become the one that the broker runs as", path);
	return kw_refuse(why, KW_ETIMEOUT, "no broker listens at %s (%s); start it, or name its control socket with --control", path, strerror(said));
}

enum kw_err
broker_ask_control(struct broker_ask **out, const char *endpoint, struct kw_why *why)
{
	struct broker_ask *b;
	int none = 0;
	enum kw_err err;

	if (strncmp(endpoint, IPC, strlen(IPC)) != 0 || endpoint[strlen(IPC)] == '\0')
		return kw_refuse(why, KW_EINVAL, "--control is \"%.128s\", must be an address as %s", endpoint, BROKER_CONTROL_DEFAULT);
	if ((err = knock(endpoint, why)) != KW_OK)
		return err;
	if ((b = calloc(1, sizeof *b)) == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	(void)snprintf(b->endpoint, sizeof b->endpoint, "%s", endpoint);
	b->context = zmq_ctx_new();
	b->socket = b->context != NULL ? zmq_socket(b->context, ZMQ_DEALER) : NULL;
	if (b->socket == NULL || zmq_setsockopt(b->socket, ZMQ_LINGER, &none, sizeof none) != 0 || zmq_connect(b->socket, endpoint) != 0) {
		err = kw_refuse(why, KW_EIO, "%s cannot be used: %s", endpoint, zmq_strerror(errno));
		broker_ask_free(&b);
		return err;
	}
	*out = b;
	return KW_OK;
}

enum kw_err
broker_ask_operator(struct broker_ask **out, const char *endpoint, const char *key, const char *agreement, struct kw_why *why)
{
	struct broker_ask *b = calloc(1, sizeof *b);
	struct agreement *a = NULL;
	enum kw_err err;

	if (b == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	if ((err = secret_keys_read(&b->keys, KEY_NODE, key, NULL, why)) != KW_OK)
		goto free_ask;
	if (!public_key_is_operator(secret_keys_public(b->keys))) {
		err = kw_refuse(why, KW_EDENIED, "%s is the key of the node %s; the broker's state is for operators, whose keys \"kurzweg key new NAME --operator\" makes", key,
		                secret_keys_public(b->keys)->name);
		goto free_ask;
	}
	if ((err = agreement_file_read(&a, agreement, NULL, why)) != KW_OK)
		goto free_ask;
	(void)snprintf(b->endpoint, sizeof b->endpoint, "%s", endpoint != NULL ? endpoint : agreement_endpoint(a, 0));
	if ((err = net_new(&b->net, why)) == KW_OK)
		err = net_open(b->net, b->endpoint, agreement_broker(a)->curve_pk, b->keys, why);
	if (err != KW_OK)
		goto free_ask;
	*out = b;
	b = NULL;
free_ask:
	agreement_free(&a);
	broker_ask_free(&b);
	return err;
}

void
broker_ask_free(struct broker_ask **ask)
{
	struct broker_ask *b = *ask;

	if (b == NULL)
		return;
	if (b->socket != NULL)
		(void)zmq_close(b->socket);
	if (b->context != NULL)
		(void)zmq_ctx_term(b->context);
	net_free(&b->net);
	secret_keys_free(&b->keys);
	free(b);
	*ask = NULL;
}

bool
broker_way_stands(const struct cli *c, const struct broker_way *w, enum cli_exit *code)
{
	if (w->broker != NULL && w->key == NULL)
		*code = cli_usage(c, _("--key FILE is missing: the operator's key to ask the broker at %s with"), w->broker);
	else if (w->key != NULL && w->control != NULL)
		*code = cli_usage(c, _("--control asks the broker on this machine, --key one over the network; give one"));
	else
		return true;
	return false;
}

enum kw_err
broker_way_open(struct broker_ask **out, const struct broker_way *w, struct kw_why *why)
{
	if (w->key != NULL)
		return broker_ask_operator(out, w->broker, w->key, w->agreement != NULL ? w->agreement : AGREEMENT_DEFAULT_PATH, why);
	return broker_ask_control(out, w->control != NULL ? w->control : BROKER_CONTROL_DEFAULT, why);
}

/* ---- the two ways ---- */

static enum kw_err
send_bytes(struct broker_ask *b, struct span bytes)
{
	if (b->net != NULL)
		return net_send(b->net, bytes, span_of(NULL, 0));
	return zmq_send(b->socket, bytes.p, bytes.len, ZMQ_DONTWAIT) < 0 ? KW_EAGAIN : KW_OK;
}

/* One message into out; KW_EAGAIN: none is there. */
static enum kw_err
receive_bytes(struct buf *out, struct broker_ask *b)
{
	struct net_message m;
	zmq_msg_t frame;
	enum kw_err err;

	buf_reset(out);
	if (b->net != NULL) {
		if ((err = net_receive(&m, b->net)) == KW_OK)
			buf_put_span(out, m.control);
		return err;
	}
	(void)zmq_msg_init(&frame);
	if (zmq_msg_recv(&frame, b->socket, ZMQ_DONTWAIT) < 0)
		return KW_EAGAIN;
	buf_put(out, zmq_msg_data(&frame), zmq_msg_size(&frame));
	(void)zmq_msg_close(&frame);
	return KW_OK;
}

/* What became of the connection. KW_EAGAIN: it is not there yet. */
static enum kw_err
follow_link(struct broker_ask *b, struct kw_why *why)
{
	enum net_event e;

	if (b->net == NULL)
		return KW_OK;
	while ((e = net_event(b->net)) != NET_NOTHING) {
		if (e == NET_TURNED_AWAY)
			return kw_refuse(why, KW_EDENIED, "the broker at %s does not know the key of \"%s\"; the agreement in force there must list it under operators", b->endpoint,
			                 secret_keys_public(b->keys)->name);
		if (e == NET_HANDSHAKE)
			return kw_refuse(why, KW_ECRYPTO, "what answers at %s does not hold the broker's key of the agreement, or does not know the key of \"%s\"", b->endpoint,
			                 secret_keys_public(b->keys)->name);
		if (e == NET_LOST)
			return kw_refuse(why, KW_ETIMEOUT, "nobody answers at %s; is the broker up, and is that its address?", b->endpoint);
		b->up = true;
	}
	return b->up ? KW_OK : KW_EAGAIN;
}

static void
wait_for_more(struct broker_ask *b, uint64_t left_ms)
{
	zmq_pollitem_t items[2] = {{.events = ZMQ_POLLIN}, {.events = ZMQ_POLLIN}};

	items[0].socket = b->net != NULL ? net_socket(b->net) : b->socket;
	items[1].socket = b->net != NULL ? net_monitor(b->net) : NULL;
	(void)zmq_poll(items, b->net != NULL ? 2 : 1, left_ms < 100 ? (long)left_ms : 100);
}

/* ---- a request ---- */

struct answer { /* a part of an agreement tells of the whole; of all else total is 0 */
	struct buf *text;
	uint32_t total, version;
};

/* Is it the answer to our request? KW_EAGAIN: something else. */
static enum kw_err
read_answer(struct answer *answer, const struct broker_ask *b, struct span bytes, uint32_t part, struct kw_why *why)
{
	struct wire_msg m;
	enum kw_err err;

	if ((err = wire_decode(&m, bytes, why)) != KW_OK)
		return err;
	if (m.kind == WIRE_REFUSED)
		err = kw_refuse(why, KW_EDENIED, "the broker refuses (%s): %s", wire_code_name(m.refused.code), m.refused.text);
	else if (m.kind != WIRE_ADMIN_REPLY || (m.admin_reply.request != b->request && (m.admin_reply.request != 0 || m.admin_reply.ok)))
		err = KW_EAGAIN; /* 0: it could not even read our request */
	else if (!m.admin_reply.ok)
		err = kw_refuse(why, KW_EDENIED, "the broker refuses: %.*s", (int)(m.admin_reply.text.len < KW_WHY_MAX ? m.admin_reply.text.len : KW_WHY_MAX),
		                (const char *)m.admin_reply.text.p);
	else if (m.admin_reply.total != 0 && m.admin_reply.part != part)
		err = kw_refuse(why, KW_EPROTO, "the broker answers with part %u of the agreement where part %u was asked for", m.admin_reply.part, part);
	else if (answer->total != 0 && (m.admin_reply.total != answer->total || m.admin_reply.version != answer->version))
		err = kw_refuse(why, KW_EPROTO, "the broker's parts of the agreement do not belong together: version %u of %u bytes, then version %u of %u", answer->version,
		                answer->total, m.admin_reply.version, m.admin_reply.total);
	if (err == KW_OK) {
		answer->total = m.admin_reply.total;
		answer->version = m.admin_reply.version;
		buf_put_span(answer->text, m.admin_reply.text);
	}
	wire_msg_clear(&m);
	return err == KW_OK && !buf_ok(answer->text) ? kw_refuse(why, KW_ENOMEM, "out of memory for the broker's answer") : err;
}

struct deadline { uint64_t end_ms, timeout_ms; };

static enum kw_err
exchange(struct answer *answer, struct broker_ask *b, struct span request, uint32_t part, const struct deadline *d, struct kw_why *why)
{
	struct buf bytes = BUF_INIT(KW_MESSAGE_MAX);
	bool sent = false;
	enum kw_err err;

	for (;;) {
		uint64_t now_ms = clock_mono_ms();

		err = follow_link(b, why);
		if (err == KW_OK && !sent)
			sent = (err = send_bytes(b, request)) == KW_OK;
		if (err == KW_OK)
			err = receive_bytes(&bytes, b);
		if (err == KW_OK)
			err = read_answer(answer, b, buf_span(&bytes), part, why);
		if (err != KW_EAGAIN)
			break;
		if (now_ms >= d->end_ms) {
			err = kw_refuse(why, KW_ETIMEOUT, "the broker at %s did not answer within %llu s; is it up?", b->endpoint, (unsigned long long)d->timeout_ms / 1000);
			break;
		}
		wait_for_more(b, d->end_ms - now_ms);
	}
	buf_free(&bytes);
	return err;
}

static enum kw_err
ask_once(struct answer *answer, struct broker_ask *b, const struct wire_admin *admin, const struct deadline *d, struct kw_why *why)
{
	struct wire_msg m = {.kind = WIRE_ADMIN, .admin = *admin};
	struct buf bytes = BUF_INIT(KW_CONTROL_MAX);
	enum kw_err err;

	m.admin.request = ++b->request;
	err = wire_encode(&bytes, &m);
	if (err == KW_OK)
		err = exchange(answer, b, buf_span(&bytes), admin->part, d, why);
	else
		err = kw_refuse(why, err, "out of memory for a request");
	buf_free(&bytes);
	return err;
}

/* It has given to looking what it can in this second. */
static bool
is_to_wait(enum kw_err err, const struct kw_why *why)
{
	return err == KW_EDENIED && strstr(why->text, "ask again in the next") != NULL;
}

static enum kw_err
ask_in_turn(struct answer *answer, struct broker_ask *b, const struct wire_admin *admin, const struct deadline *d, struct kw_why *why)
{
	enum kw_err err;

	while (is_to_wait(err = ask_once(answer, b, admin, d, why), why) && clock_mono_ms() + AGAIN_MS < d->end_ms)
		(void)poll(NULL, 0, AGAIN_MS);
	return err;
}

/* A part at a time; the last one's answer tells what became of it. */
static enum kw_err
install(struct answer *answer, struct broker_ask *b, struct span text, struct span sigs, const struct deadline *d, struct kw_why *why)
{
	struct wire_admin part = {.verb = ADMIN_INSTALL, .total = (uint32_t)text.len};
	enum kw_err err = KW_OK;

	MUST(text.len > 0 && text.len <= KW_AGREEMENT_MAX);
	for (; err == KW_OK && part.part < part_count(text.len); part.part++) {
		part.text = part_cut(text, part.part);
		part.sigs = part_is_last(part.part, text.len) ? sigs : span_of(NULL, 0);
		err = ask_once(answer, b, &part, d, why);
	}
	return err;
}

/* What more there is of the version whose first part is here. */
static enum kw_err
read_on(struct answer *answer, struct broker_ask *b, const struct deadline *d, struct kw_why *why)
{
	struct wire_admin part = {.verb = ADMIN_AGREEMENT, .part = 1};
	enum kw_err err = KW_OK;
	char number[16];

	(void)snprintf(number, sizeof number, "%u", answer->version);
	part.text = span_str(number);
	for (; err == KW_OK && part.part < part_count(answer->total); part.part++)
		err = ask_in_turn(answer, b, &part, d, why);
	return err;
}

/* What a broker says to a verb that came later than it. */
static bool
is_unknown(enum admin_verb verb, const char *sentence)
{
	char unknown[64];

	(void)snprintf(unknown, sizeof unknown, "request %d is unknown", (int)verb);
	return strstr(sentence, unknown) != NULL || strstr(sentence, "this is not known here") != NULL;
}

enum kw_err
broker_ask(struct buf *answer, struct broker_ask *b, enum admin_verb verb, struct span text, struct span sigs, uint64_t timeout_ms, struct kw_why *why)
{
	struct deadline d = {clock_mono_ms() + timeout_ms, timeout_ms};
	struct answer a = {.text = answer};
	enum kw_err err;

	if (verb == ADMIN_INSTALL)
		return install(&a, b, text, sigs, &d, why);
	err = ask_in_turn(&a, b, &(struct wire_admin){.verb = verb, .text = text, .sigs = sigs}, &d, why);
	if (err == KW_EDENIED && is_unknown(verb, why->text))
		return kw_refuse(why, KW_EDENIED, "the broker at %s is older than this program and does not know what is asked; have it upgraded", b->endpoint);
	return err == KW_OK ? read_on(&a, b, &d, why) : err;
}
