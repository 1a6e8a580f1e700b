/* main: kurzweg-exporter, what Prometheus may know of a broker or of a node, on this machine alone. */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "base/service.h"
#include "base/text.h"
#include "clients/cli/agreement_file.h"
#include "clients/exporter/source.h"

#define LISTEN_DEFAULT "127.0.0.1:9741"
#define CONNECTIONS 16u
#define IDLE_S 15u
#define TURN_MS 500
#define EXIT_USAGE 2
#define EXIT_CONFIG 78

struct options { struct source_way way; const char *listen; };
struct exporter { struct source *source; bool told; /* that nobody answers; once, until somebody does */ };

static volatile sig_atomic_t stopped; /* set by the signal's handler alone */

static const struct argp_option option_table[] = {
	{"control", 'c', N_("ENDPOINT"), 0, N_("the broker's control socket on this machine, ipc:///run/kurzweg/broker.sock"), 0},
	{"key", 'k', N_("FILE"), 0, N_("an operator's key, for a broker over the network"), 0},
	{"broker", 'b', N_("ENDPOINT"), 0, N_("where that broker is; the agreement's first endpoint where this is left out"), 0},
	{"agreement", 'a', N_("FILE"), 0, N_("where its key stands, /etc/kurzweg/agreement.yaml where this is left out"), 0},
	{"socket", 's', N_("ENDPOINT"), 0, N_("a node's socket on this machine, ipc:///run/kurzweg/partner.sock"), 0},
	{"listen", 'l', N_("ADDRESS:PORT"), 0, N_("of the loopback; 127.0.0.1:9741 where this is left out"), 0},
	{"no-nodes", 'n', NULL, 0, N_("no lines for single nodes, in large partnerships"), 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static error_t
take_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'c': o->way.control = arg; return 0;
	case 'k': o->way.key = arg; return 0;
	case 'b': o->way.broker = arg; return 0;
	case 'a': o->way.agreement = arg; return 0;
	case 's': o->way.socket = arg; return 0;
	case 'l': o->listen = arg; return 0;
	case 'n': o->way.nodes = false; return 0;
	case ARGP_KEY_ARG: argp_error(state, kw_translate("\"%s\" is not expected here; the exporter takes options alone"), arg); return 0;
	case ARGP_KEY_END:
		if ((o->way.control != NULL) + (o->way.key != NULL) + (o->way.socket != NULL) != 1)
			argp_error(state, "%s", kw_translate("give one of --control (the broker on this machine), --key (a broker over the network) and --socket (the node on this machine)"));
		if (o->way.key == NULL && (o->way.broker != NULL || o->way.agreement != NULL))
			argp_error(state, "%s", kw_translate("--broker and --agreement go with the operator's --key FILE"));
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

/* ---- where it listens ---- */

struct place { struct sockaddr_storage address; bool six; };

static bool
is_loopback(const struct place *p)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)&p->address;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&p->address;

	return p->six ? IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) : ntohl(four->sin_addr.s_addr) >> 24 == 127;
}

/* "127.0.0.1:9741", "[::1]:9741". Numbers alone: a name could mean another address tomorrow. */
static enum kw_err
read_place(struct place *out, const char *text, struct kw_why *why)
{
	const char *colon = strrchr(text, ':');
	char host[64];
	size_t len = colon != NULL ? (size_t)(colon - text) : 0;
	struct sockaddr_in *four = (struct sockaddr_in *)&out->address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&out->address;
	uint64_t port;
	enum kw_err err;

	memset(out, 0, sizeof *out);
	out->six = text[0] == '[';
	if (len == 0 || len >= sizeof host || (out->six && (len < 3 || text[len - 1] != ']')))
		return kw_refuse(why, KW_EINVAL, "--listen \"%s\": write ADDRESS:PORT, as 127.0.0.1:9741 or [::1]:9741", text);
	if ((err = text_u64(&port, colon + 1, 1, UINT16_MAX, "the port of --listen", why)) != KW_OK)
		return err;
	memcpy(host, text + out->six, len - 2u * out->six);
	host[len - 2u * out->six] = '\0';
	if (out->six) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
	} else {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
	}
	if (inet_pton(out->six ? AF_INET6 : AF_INET, host, out->six ? (void *)&six->sin6_addr : (void *)&four->sin_addr) != 1)
		return kw_refuse(why, KW_EINVAL, "--listen \"%s\": %s is no address in numbers", text, host);
	if (!is_loopback(out))
		return kw_refuse(why, KW_EDENIED, "--listen \"%s\": metrics go out without encryption and to whoever asks, so the exporter listens on the loopback alone; "
		                                  "put a proxy with TLS and a password before it", text);
	return KW_OK;
}

/* ---- answers ---- */

static enum MHD_Result
answer(struct MHD_Connection *connection, unsigned status, const char *type, struct span body)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.p, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result done;

	if (r == NULL)
		return MHD_NO;
	done = MHD_add_response_header(r, "Content-Type", type);
	if (done == MHD_YES && status == MHD_HTTP_METHOD_NOT_ALLOWED)
		done = MHD_add_response_header(r, "Allow", "GET, HEAD");
	if (done == MHD_YES)
		done = MHD_queue_response(connection, status, r);
	MHD_destroy_response(r);
	return done;
}

static void
tell_trouble(struct exporter *e)
{
	const char *trouble = source_trouble(e->source);

	if (trouble[0] != '\0' && !e->told)
		log_event(LOG_WARNING, "exporter.no_answer", "why=\"%s\"", trouble);
	if (trouble[0] == '\0' && e->told)
		log_event(LOG_NOTICE, "exporter.answered_again", "why=\"it answers again\"");
	e->told = trouble[0] != '\0';
}

static enum MHD_Result
on_request(void *self, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *upload, size_t *upload_size, void **request)
{
	static const char page[] = "<!doctype html><title>kurzweg-exporter</title><p><a href=\"/metrics\">Metrics</a> of Kurzweg for Prometheus.\n";
	static int begun;
	struct exporter *e = self;
	struct span text;

	(void)version;
	(void)upload;
	if (*request == NULL) { /* the headers are here; what follows them is looked at, and thrown away, at the next call */
		*request = &begun;
		return MHD_YES;
	}
	if (*upload_size > 0) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", span_str("only GET and HEAD are answered here\n"));
	if (strcmp(url, "/") == 0)
		return answer(connection, MHD_HTTP_OK, "text/html; charset=utf-8", span_str(page));
	if (strcmp(url, "/metrics") != 0)
		return answer(connection, MHD_HTTP_NOT_FOUND, "text/plain", span_str("nothing is here; metrics are at /metrics\n"));
	if (source_text(&text, e->source) != KW_OK)
		return answer(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "text/plain", span_str("the exporter is short of memory\n"));
	tell_trouble(e);
	return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", text);
}

/* ---- the process ---- */

static void
on_signal(int number)
{
	(void)number;
	stopped = 1;
}

/* No core file and no debugger: with --key the memory holds an operator's key. */
static bool
guard_process(void)
{
	struct rlimit none = {0, 0};
	struct sigaction end = {.sa_handler = on_signal};

	(void)umask(0077);
	return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0 && signal(SIGPIPE, SIG_IGN) != SIG_ERR &&
	       sigaction(SIGTERM, &end, NULL) == 0 && sigaction(SIGINT, &end, NULL) == 0;
}

static int
serve(const struct options *o, struct exporter *e)
{
	struct place place;
	struct MHD_Daemon *http;
	struct service_beat beat;
	struct kw_why why;

	if (read_place(&place, o->listen, &why) != KW_OK) {
		log_event(LOG_ERROR, "exporter.failed", "exit=%d why=\"%s\"", EXIT_CONFIG, why.text);
		return EXIT_CONFIG;
	}
	http = MHD_start_daemon(MHD_USE_EPOLL | (place.six ? MHD_USE_IPv6 : 0u), 0, NULL, NULL, on_request, e, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&place.address,
	                        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_END);
	if (http == NULL) {
		log_event(LOG_ERROR, "exporter.failed", "exit=1 why=\"it cannot listen at %s: %s\"", o->listen, strerror(errno));
		return EXIT_FAILURE;
	}
	log_event(LOG_NOTICE, "exporter.ready", "listen=%s", o->listen);
	service_ready("listening at %s", o->listen);
	service_beat_begin(&beat, clock_mono_ms());
	while (!stopped && MHD_run_wait(http, TURN_MS) == MHD_YES) {
		if (service_beat_is_due(&beat, clock_mono_ms()))
			service_beat(&beat, clock_mono_ms(), "listening at %s%s", o->listen, e->told ? "; nobody answers it" : "");
	}
	service_stopping();
	MHD_stop_daemon(http);
	return stopped ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
	static const struct options_program program = {
		.table = option_table, .take = take_option, .version = "kurzweg-exporter " KW_VERSION, .wrong = EXIT_USAGE,
		.above = N_("Tells Prometheus how a Kurzweg broker or node stands, on this machine alone."),
		.below = N_("Never content, topics or cases. Ends with 0 when stopped, 1 when it cannot listen, 2 for a wrong option, 78 for a wrong key, agreement or address."),
	};
	struct options o = {.way = {.agreement = NULL, .nodes = true}, .listen = LISTEN_DEFAULT};
	struct exporter e = {0};
	struct kw_why why;
	int code;

	if (options_read(&program, argc, argv, &o) != 0)
		return EXIT_FAILURE;
	if (o.way.key != NULL && o.way.agreement == NULL)
		o.way.agreement = AGREEMENT_DEFAULT_PATH;
	if (sodium_init() < 0 || !guard_process()) {
		(void)fprintf(stderr, "kurzweg-exporter: the process cannot be set up\n");
		return EXIT_FAILURE;
	}
	if (source_open(&e.source, &o.way, &why) != KW_OK) {
		(void)fprintf(stderr, "kurzweg-exporter: %s\n", why.text);
		return EXIT_CONFIG;
	}
	code = serve(&o, &e);
	source_close(&e.source);
	return code;
}
