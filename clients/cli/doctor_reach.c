/* doctor_reach: the way to the broker, step by step: its name, its port, its key and ours; and the clock. Nothing is said to the broker but the handshake. */
#include "clients/cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "clients/cli/look.h"
#include "clients/cli/standing.h"
#include "clients/partner/net.h"

#define NAME_S 5
#define PORT_MS 5000u
#define HANDSHAKE_MS 8000u
#define ENDPOINTS_MOST 8u /* as many as an agreement may name */

struct way {
	const char *endpoint;
	char host[256], port[16];
	bool connected;           /* the running daemon is, by it */
	bool is_number;           /* the host is an address */
	char unknown[256];        /* why the name leads nowhere; "": it does */
	struct addrinfo *found;
	int failed;               /* errno of opening the port; 0: it opens */
};

/* "tcp://broker.example.org:7411", "tcp://[2001:db8::1]:7411"; no more than fits was in the agreement. */
static bool
cut(struct way *w, const char *endpoint)
{
	const char *at = endpoint + strlen("tcp://"), *colon = strrchr(endpoint, ':');
	size_t len;

	w->endpoint = endpoint;
	if (strncmp(endpoint, "tcp://", 6) != 0 || colon == NULL || colon <= at)
		return false;
	len = (size_t)(colon - at);
	if (at[0] == '[' && at[len - 1] == ']' && len > 2) {
		at++;
		len -= 2;
	}
	return snprintf(w->host, sizeof w->host, "%.*s", (int)len, at) < (int)sizeof w->host && snprintf(w->port, sizeof w->port, "%s", colon + 1) < (int)sizeof w->port;
}

/* The resolver has no deadline of its own that fits; what is still asked when ours is over is left to it, with all that it needs. */
static void
resolve(struct way *w)
{
	const struct addrinfo want = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, number = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
	const struct timespec patience = {.tv_sec = NAME_S};
	struct question { struct gaicb ask; struct gaicb *list[1]; struct addrinfo want; char host[256], port[16]; } *q;
	int said;

	if (getaddrinfo(w->host, w->port, &number, &w->found) == 0) {
		w->is_number = true;
		return;
	}
	q = cli_memory(sizeof *q);
	memset(q, 0, sizeof *q);
	q->want = want;
	memcpy(q->host, w->host, sizeof q->host);
	memcpy(q->port, w->port, sizeof q->port);
	q->ask = (struct gaicb){.ar_name = q->host, .ar_service = q->port, .ar_request = &q->want};
	q->list[0] = &q->ask;
	if ((said = getaddrinfo_a(GAI_NOWAIT, q->list, 1, NULL)) == 0) {
		const struct gaicb *const asked[] = {&q->ask};

		(void)gai_suspend(asked, 1, &patience);
		said = gai_error(&q->ask);
	}
	if (said == EAI_INPROGRESS) {
		(void)snprintf(w->unknown, sizeof w->unknown, _("no answer within %d s"), NAME_S);
		return;
	}
	if (said == 0)
		w->found = q->ask.ar_result;
	else
		(void)snprintf(w->unknown, sizeof w->unknown, "%s", said == EAI_SYSTEM ? strerror(errno) : gai_strerror(said));
	free(q);
}

/* 0, or the errno that kept it from opening. */
static int
open_port(const struct addrinfo *to)
{
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), failed = 0;
	struct pollfd item = {fd, POLLOUT, 0};
	socklen_t size = sizeof failed;

	if (fd < 0)
		return errno;
	if (connect(fd, to->ai_addr, to->ai_addrlen) != 0) {
		failed = errno;
		if (failed == EINPROGRESS && poll(&item, 1, (int)PORT_MS) <= 0)
			failed = ETIMEDOUT;
		else if (failed == EINPROGRESS && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0)
			failed = errno;
	}
	(void)close(fd);
	return failed;
}

static void
walk(struct way *w, const struct doctor *d)
{
	w->connected = strcmp(look_text(d->status, "link.state"), "ready") == 0 && strcmp(look_text(d->status, "link.endpoint"), w->endpoint) == 0;
	resolve(w);
	w->failed = w->connected ? 0 : EHOSTUNREACH;
	for (const struct addrinfo *to = w->found; to != NULL && w->failed != 0; to = to->ai_next)
		w->failed = open_port(to);
}

/* ---- what was found ---- */

static void
find_name(struct doctor *d, const struct way *w, enum doctor_verdict bad)
{
	const char *label = _("name");
	char quoted[DOCTOR_QUOTED_MAX];

	if (w->is_number) {
		doctor_found(d, "name", label, DOCTOR_OK, _("%s is an address already"), w->host);
	} else if (w->unknown[0] == '\0') {
		doctor_found(d, "name", label, DOCTOR_OK, _("%s has an address"), w->host);
	} else {
		doctor_found(d, "name", label, bad, _("%s has no address: %s"), w->host, w->unknown);
		doctor_means(d, _("The broker is not found: nothing comes in, and what is published waits. Is the network up, does this machine know a name server, is the name in the agreement right?"));
		doctor_type(d, "getent ahosts %s", doctor_quoted(quoted, w->host));
		doctor_type(d, "cat /etc/resolv.conf");
	}
}

static void
find_port(struct doctor *d, const struct way *w, enum doctor_verdict bad)
{
	const char *label = _("port");
	char quoted[DOCTOR_QUOTED_MAX];

	if (w->connected) {
		doctor_found(d, "port", label, DOCTOR_OK, _("the daemon is connected by %s"), w->endpoint);
	} else if (w->unknown[0] != '\0') {
		doctor_found(d, "port", label, DOCTOR_UNKNOWN, "%s", _("could not be looked at: the name must have an address first"));
	} else if (w->failed == 0) {
		doctor_found(d, "port", label, DOCTOR_OK, _("TCP port %s of %s opens"), w->port, w->host);
	} else if (w->failed == ECONNREFUSED) {
		doctor_found(d, "port", label, bad, _("nobody listens on TCP port %s of %s"), w->port, w->host);
		doctor_means(d, _("The machine is there and the broker is not, or it uses another port. Call the operator, who types this on the broker's machine:"));
		doctor_type(d, "systemctl status kurzweg-broker");
	} else {
		doctor_found(d, "port", label, bad, _("TCP port %s of %s does not open: %s"), w->port, w->host, strerror(w->failed));
		doctor_means(d, _("Something in between keeps it shut: this machine's firewall, your network's, or the broker's. It must let this machine connect to that port."));
		doctor_type(d, "getent ahosts %s", doctor_quoted(quoted, w->host));
		doctor_type(d, "%snft list ruleset", d->sudo);
	}
}

static enum net_event
shake_hands(struct doctor *d, const struct way *w, struct kw_why *why)
{
	uint64_t end = clock_mono_ms() + HANDSHAKE_MS;
	enum net_event e = NET_NOTHING;
	struct net *n = NULL;

	if (net_new(&n, why) != KW_OK || net_open(n, w->endpoint, agreement_broker(d->agreement)->curve_pk, d->keys, why) != KW_OK) {
		net_free(&n);
		return NET_LOST;
	}
	(void)snprintf(why->text, sizeof why->text, _("no answer within %d s"), (int)(HANDSHAKE_MS / 1000));
	while ((e = net_event(n)) == NET_NOTHING) {
		zmq_pollitem_t item = {net_monitor(n), 0, ZMQ_POLLIN, 0};
		uint64_t now = clock_mono_ms();

		if (now >= end)
			break;
		(void)zmq_poll(&item, 1, (long)(end - now));
	}
	if (e == NET_LOST)
		(void)snprintf(why->text, sizeof why->text, "%s", _("the connection was closed"));
	net_free(&n);
	return e;
}

static void
find_handshake(struct doctor *d, const struct way *w)
{
	const char *label = _("handshake");
	char quoted[DOCTOR_QUOTED_MAX];
	struct kw_why why = {{0}};
	unsigned version;

	if (strcmp(look_text(d->status, "link.state"), "ready") == 0) {
		doctor_found(d, "handshake", label, DOCTOR_OK, _("the broker holds its key of the agreement and lets the daemon in"));
		return;
	}
	if (w == NULL || d->keys == NULL) {
		doctor_found(d, "handshake", label, DOCTOR_UNKNOWN, "%s",
		             w == NULL ? _("could not be looked at: a port must open first") : _("could not be looked at: the node's key must be readable first"));
		return;
	}
	version = agreement_version(d->agreement);
	switch (shake_hands(d, w, &why)) {
	case NET_CONNECTED:
		doctor_found(d, "handshake", label, DOCTOR_OK, _("%s holds the broker's key of the agreement and lets %s in"), w->endpoint, secret_keys_public(d->keys)->name);
		return;
	case NET_TURNED_AWAY:
		doctor_found(d, "handshake", label, DOCTOR_WRONG, _("the broker at %s does not know this node's key"), w->endpoint);
		doctor_means(d, _("The agreement in force there does not have it. Compare the fingerprint with the operator by phone."));
		doctor_type(d, "%skurzweg key fingerprint %s", d->sudo, doctor_quoted(quoted, d->config.key));
		return;
	case NET_HANDSHAKE:
		doctor_found(d, "handshake", label, DOCTOR_WRONG, _("what answers at %s does not hold the broker's key that version %u of the agreement has"), w->endpoint, version);
		doctor_means(d, _("It is another program, a broker with another key, or somebody in between. Call the operator and compare the agreement's fingerprint before anything else."));
		doctor_type(d, "kurzweg agreement fingerprint %s", doctor_quoted(quoted, d->config.agreement));
		return;
	default:
		doctor_found(d, "handshake", label, DOCTOR_WRONG, _("%s opens, but no handshake comes about: %s"), w->endpoint, why.text);
		doctor_means(d, _("Mostly a firewall that looks into connections, or something else than a broker at that port. Call the operator."));
		doctor_type(d, "kurzweg agreement fingerprint %s", doctor_quoted(quoted, d->config.agreement));
		return;
	}
}

static const char *
none_readable(void)
{
	return _("could not be looked at: the agreement, which names the broker, must be readable first");
}

void
doctor_reach(struct doctor *d)
{
	struct way ways[ENDPOINTS_MOST];
	const struct way *open = NULL;
	uint32_t count = d->agreement != NULL ? agreement_endpoint_count(d->agreement) : 0;
	bool any = strcmp(look_text(d->status, "link.state"), "ready") == 0;

	memset(ways, 0, sizeof ways);
	if (d->agreement == NULL) {
		doctor_found(d, "name", _("name"), DOCTOR_UNKNOWN, "%s", none_readable());
		doctor_found(d, "port", _("port"), DOCTOR_UNKNOWN, "%s", none_readable());
		find_handshake(d, NULL);
		return;
	}
	for (uint32_t i = 0; i < count && i < ENDPOINTS_MOST; i++) {
		if (!cut(&ways[i], agreement_endpoint(d->agreement, i)))
			continue;
		walk(&ways[i], d);
		if (open == NULL && ways[i].failed == 0 && ways[i].unknown[0] == '\0')
			open = &ways[i];
	}
	/* Where one way leads to the broker another that does not is to be looked at, and no more. */
	for (uint32_t i = 0; i < count && i < ENDPOINTS_MOST; i++) {
		if (ways[i].host[0] == '\0')
			continue;
		find_name(d, &ways[i], any || open != NULL ? DOCTOR_LOOK : DOCTOR_WRONG);
		find_port(d, &ways[i], any || open != NULL ? DOCTOR_LOOK : DOCTOR_WRONG);
	}
	find_handshake(d, open);
	for (uint32_t i = 0; i < ENDPOINTS_MOST; i++)
		if (ways[i].found != NULL)
			freeaddrinfo(ways[i].found);
}

/* ---- the clock ---- */

void
doctor_clock(struct doctor *d)
{
	const char *label = _("clock");
	bool up = strcmp(look_text(d->status, "link.state"), "ready") == 0;
	const json_t *ahead = look_at(d->status, "link.clock_ahead_s");
	long long apart = json_is_integer(ahead) ? llabs((long long)json_integer_value(ahead)) : 0, most = KW_CLOCK_SKEW_MS / 1000;

	if (up && apart > most) {
		doctor_found(d, "clock", label, DOCTOR_WRONG, _("this machine's clock and the broker's are %lld s apart, at most %lld are allowed"), apart, most);
		doctor_means(d, _("What this node publishes is refused, and what comes seems too old or too new. Have the time kept right:"));
	} else if (standing_clock_is_kept()) {
		doctor_found(d, "clock", label, DOCTOR_OK, _("the kernel's clock is kept right"));
		return;
	} else if (up) {
		doctor_found(d, "clock", label, DOCTOR_LOOK, _("the clock is %lld s from the broker's, but nobody keeps it right"), apart);
		doctor_means(d, _("It will drift, and from ten minutes on what this node publishes is refused. Have the time kept right:"));
	} else {
		doctor_found(d, "clock", label, DOCTOR_LOOK, _("nobody keeps the clock right, as far as the kernel knows"));
		doctor_means(d, _("It may be right all the same. Compare it with another clock, and have the time kept right:"));
	}
	doctor_type(d, "timedatectl");
	doctor_type(d, "%stimedatectl set-ntp true", d->sudo);
}
