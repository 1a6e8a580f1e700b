/*
 * bench_path: the whole way at Kurzweg itself: published by libkurzweg at one node, sealed, signed, stored by the broker, delivered, verified, opened, in
 * the inbox of another node, and there in the hands of libkurzweg and of a handler. tests/bench/run starts broker and nodes and calls it; README.md beside it tells
 * what each figure means.
 *
 *   bench_path measure --from SOCKET --to SOCKET --handled SOCKET --broker PID --sender PID --receiver PID [--rounds N] [--messages N] [--handle N]
 *                      [--senders N] [--pace N] [--bytes N]
 *   bench_path handled SOCKET        the handler: has read its notification, and says so to measure
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <kurzweg/kurzweg.h>

#include "load_figures.h"

#define MARK "kwpath "                  /* the notification's number stands behind it */
#define QUIET_TOPIC "path/flood/mitte"  /* no handler is run for it */
#define ALERT_TOPIC "alert/flood/mitte"
#define SENDERS_MAX 64u
#define BYTES_MAX 60000u
#define STALLED_MS 60000

struct wishes {
	const char *from, *to, *handled;
	uint32_t broker, sender, receiver; /* processes */
	uint32_t rounds, messages, handle, senders, pace, bytes;
};

struct path {
	const struct wishes *wish;
	const char *topic;
	uint32_t first, count;           /* their numbers, in this round */
	_Atomic uint32_t next;           /* to be published */
	_Atomic uint64_t taken_ns;       /* when the sending node had the last one on its disk, roughly */
	uint64_t *published_ns, *in_inbox_ns, *handled_ns; /* by number, from first on */
	uint32_t in_inbox, handled_count;
	int socket;                      /* where handlers report */
	bool handlers;                   /* are run for the topic */
	kurzweg *reader;
	struct kurzweg_query query;
};

/* ---- the handler ---- */

static _Noreturn void
report(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	char text[BYTES_MAX + 4096], line[64];
	size_t len = 0, n;
	const char *mark;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	while (len < sizeof text - 1 && (n = fread(text + len, 1, sizeof text - 1 - len, stdin)) > 0)
		len += n;
	text[len] = '\0';
	mark = strstr(text, MARK);
	if (mark == NULL || fd < 0 || strlen(path) >= sizeof to.sun_path)
		load_fail("the notification has no number, or %s is no socket", path);
	(void)snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
	(void)snprintf(line, sizeof line, "%lu %llu", strtoul(mark + strlen(MARK), NULL, 10), (unsigned long long)load_ns());
	if (sendto(fd, line, strlen(line), 0, (const struct sockaddr *)&to, sizeof to) < 0)
		load_fail("%s: %s", path, strerror(errno));
	exit(0);
}

static void
listen_for_handlers(struct path *p)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	(void)snprintf(at.sun_path, sizeof at.sun_path, "%s", p->wish->handled);
	(void)unlink(at.sun_path);
	p->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (p->socket < 0 || bind(p->socket, (const struct sockaddr *)&at, sizeof at) != 0)
		load_fail("%s: %s", p->wish->handled, strerror(errno));
}

/* ---- publishing ---- */

/* Text that does not compress well, and says which it is. */
static size_t
note(char *out, size_t room, uint32_t number, uint32_t bytes)
{
	int head = snprintf(out, room, "{\"text\":\"" MARK "%u ", number);
	size_t len = (size_t)head;
	uint64_t x = 88172645463325252ull + number;

	while (len < (size_t)head + bytes && len + 32 < room) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		out[len++] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[x >> 58];
	}
	return len + (size_t)snprintf(out + len, room - len, "\",\"language\":\"de\"}");
}

static kurzweg *
open_socket(const char *socket)
{
	kurzweg *k;

	if (kurzweg_open(&k, socket) != KURZWEG_OK)
		load_fail("%s: %s", socket, kurzweg_error(k));
	return k;
}

static void
publish(kurzweg *k, struct path *p, uint32_t i)
{
	struct kurzweg_publication what = KURZWEG_PUBLICATION_INIT;
	char content[BYTES_MAX + 128], id[KURZWEG_ID_SIZE];

	what.topic = p->topic;
	what.content = content;
	what.content_len = note(content, sizeof content, p->first + i, p->wish->bytes);
	p->published_ns[i] = load_ns();
	if (kurzweg_publish(k, &what, id) != KURZWEG_OK)
		load_fail("notification %u is not taken: %s", p->first + i, kurzweg_error(k));
}

/* One of several agency systems at the node: as fast as it answers. */
static void *
send_all(void *self)
{
	struct path *p = self;
	kurzweg *k = open_socket(p->wish->from);

	for (uint32_t i; (i = atomic_fetch_add(&p->next, 1)) < p->count;)
		publish(k, p, i);
	p->taken_ns = load_ns();
	kurzweg_close(&k);
	return NULL;
}

/* ---- arriving ---- */

static void
arrived(struct path *p, uint64_t *times, uint32_t *count, unsigned long number, uint64_t now, const char *where)
{
	unsigned long i = number - p->first;

	if (number < p->first || i >= p->count || times[i] != 0)
		load_fail("notification %lu came to the %s a second time, or at the wrong one", number, where);
	times[i] = now;
	++*count;
}

static void *
read_inbox(void *self)
{
	struct path *p = self;

	while (p->in_inbox < p->count) {
		const struct kurzweg_notification *n;
		const char *mark;

		if (kurzweg_next(p->reader, &p->query, STALLED_MS, &n) != KURZWEG_OK)
			load_fail("only %u of %u are in the inbox: %s", p->in_inbox, p->count, kurzweg_error(p->reader));
		mark = n->content != NULL ? strstr(n->content, MARK) : NULL;
		if (mark == NULL)
			load_fail("something else is in the inbox: %s", n->json);
		arrived(p, p->in_inbox_ns, &p->in_inbox, strtoul(mark + strlen(MARK), NULL, 10), load_ns(), "inbox");
	}
	return NULL;
}

static void
take_reports(struct path *p)
{
	while (p->handlers && p->handled_count < p->count) {
		struct pollfd ready = {.fd = p->socket, .events = POLLIN};
		unsigned long long at;
		unsigned long number;
		char line[64];
		ssize_t n;

		if (poll(&ready, 1, STALLED_MS) != 1 || (n = recv(p->socket, line, sizeof line - 1, 0)) <= 0)
			load_fail("only %u of %u were handled", p->handled_count, p->count);
		line[n] = '\0';
		if (sscanf(line, "%lu %llu", &number, &at) != 2)
			load_fail("a handler reported %s", line);
		arrived(p, p->handled_ns, &p->handled_count, number, at, "handler");
	}
}

/* ---- a round ---- */

static void
begin_round(struct path *p, const char *topic, bool handlers, uint32_t count)
{
	p->first += p->count;
	p->topic = topic;
	p->handlers = handlers;
	p->count = count;
	p->next = 0;
	p->in_inbox = p->handled_count = 0;
	p->published_ns = load_memory(count, sizeof *p->published_ns);
	p->in_inbox_ns = load_memory(count, sizeof *p->in_inbox_ns);
	p->handled_ns = load_memory(count, sizeof *p->handled_ns);
}

static void
end_round(struct path *p)
{
	free(p->published_ns);
	free(p->in_inbox_ns);
	free(p->handled_ns);
}

static pthread_t
begin_thread(void *(*run)(void *self), struct path *p)
{
	pthread_t t;

	if (pthread_create(&t, NULL, run, p) != 0)
		load_fail("no thread: %s", strerror(errno));
	return t;
}

static json_t *
each_us(uint32_t pid, struct usage before, uint32_t count)
{
	struct usage u = load_usage_since((int)pid, before);

	return json_real((double)(u.main_ns + u.io_ns + u.rest_ns) / 1e3 / count);
}

/* All publish as fast as the node takes it, until the last has arrived. */
static void
rate(struct path *p, const char *topic, bool handlers, uint32_t count)
{
	const struct wishes *w = p->wish;
	struct usage broker = load_usage((int)w->broker), sender = load_usage((int)w->sender), receiver = load_usage((int)w->receiver);
	pthread_t senders[SENDERS_MAX], inbox;
	uint64_t from = load_ns();
	double seconds;

	begin_round(p, topic, handlers, count);
	inbox = begin_thread(read_inbox, p);
	for (uint32_t i = 0; i < w->senders; i++)
		senders[i] = begin_thread(send_all, p);
	take_reports(p);
	for (uint32_t i = 0; i < w->senders; i++)
		(void)pthread_join(senders[i], NULL);
	(void)pthread_join(inbox, NULL);
	seconds = (double)(load_ns() - from) / 1e9;
	load_print(json_pack("{s:s,s:s,s:s,s:i,s:i,s:f,s:f,s:o,s:o,s:o}", "run", "path_rate", "target", "kurzweg", "to", handlers ? "handler" : "inbox", "bytes",
	                     (int)w->bytes, "messages", (int)count, "per_second", count / seconds, "taken_per_second", count / ((double)(p->taken_ns - from) / 1e9),
	                     "broker_us", each_us(w->broker, broker, count), "sender_us", each_us(w->sender, sender, count), "receiver_us",
	                     each_us(w->receiver, receiver, count)));
	end_round(p);
}

static json_t *
latency(const struct path *p, const uint64_t *times)
{
	uint64_t *late = load_memory(p->count, sizeof *late);
	json_t *out;

	for (uint32_t i = 0; i < p->count; i++)
		late[i] = times[i] - p->published_ns[i];
	out = load_latency(late, p->count);
	free(late);
	return out;
}

static void *
send_at_pace(void *self)
{
	struct path *p = self;
	kurzweg *k = open_socket(p->wish->from);
	uint64_t from = load_ns(), every = 1000000000u / p->wish->pace;

	for (uint32_t i = 0; i < p->count; i++) {
		uint64_t due = from + i * every, now = load_ns();
		struct timespec rest = {(time_t)((due - now) / 1000000000u), (long)((due - now) % 1000000000u)};

		if (due > now)
			(void)nanosleep(&rest, NULL);
		publish(k, p, i);
	}
	kurzweg_close(&k);
	return NULL;
}

/* So slowly that none meets another: from the call to the inbox's reader, and to the handler. */
static void
paced(struct path *p, uint32_t count)
{
	pthread_t sender, inbox;

	begin_round(p, ALERT_TOPIC, true, count);
	inbox = begin_thread(read_inbox, p);
	sender = begin_thread(send_at_pace, p);
	take_reports(p);
	(void)pthread_join(sender, NULL);
	(void)pthread_join(inbox, NULL);
	load_print(json_pack("{s:s,s:s,s:i,s:i,s:o,s:o}", "run", "path", "target", "kurzweg", "bytes", (int)p->wish->bytes, "pace", (int)p->wish->pace,
	                     "inbox_us", latency(p, p->in_inbox_ns), "handler_us", latency(p, p->handled_ns)));
	end_round(p);
}

static void
measure(const struct wishes *w)
{
	struct path p = {.wish = w, .first = 1, .query = KURZWEG_QUERY_INIT};

	load_sleep_sharply();
	listen_for_handlers(&p);
	p.reader = open_socket(w->to);
	p.query.content = "json";
	for (uint32_t round = 0; round < w->rounds; round++) {
		rate(&p, QUIET_TOPIC, false, w->messages);
		rate(&p, ALERT_TOPIC, true, w->handle);
		paced(&p, w->handle);
	}
	kurzweg_close(&p.reader);
	(void)close(p.socket);
	(void)unlink(w->handled);
}

static void
take_options(struct wishes *w, int argc, char **argv)
{
	static const struct option options[] = {
		{"from", 1, NULL, 'f'}, {"to", 1, NULL, 't'}, {"handled", 1, NULL, 'h'}, {"broker", 1, NULL, 'b'}, {"sender", 1, NULL, 's'}, {"receiver", 1, NULL, 'r'},
		{"rounds", 1, NULL, 'o'}, {"messages", 1, NULL, 'm'}, {"handle", 1, NULL, 'a'}, {"senders", 1, NULL, 'e'}, {"pace", 1, NULL, 'p'}, {"bytes", 1, NULL, 'y'}, {0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'f': w->from = optarg; break;
		case 't': w->to = optarg; break;
		case 'h': w->handled = optarg; break;
		case 'b': w->broker = load_number(optarg, "--broker"); break;
		case 's': w->sender = load_number(optarg, "--sender"); break;
		case 'r': w->receiver = load_number(optarg, "--receiver"); break;
		case 'o': w->rounds = load_number(optarg, "--rounds"); break;
		case 'm': w->messages = load_number(optarg, "--messages"); break;
		case 'a': w->handle = load_number(optarg, "--handle"); break;
		case 'e': w->senders = load_number(optarg, "--senders"); break;
		case 'p': w->pace = load_number(optarg, "--pace"); break;
		case 'y': w->bytes = load_number(optarg, "--bytes"); break;
		default: exit(2);
		}
	}
}

int
main(int argc, char **argv)
{
	struct wishes w = {.rounds = 1, .messages = 1000, .handle = 100, .senders = 8, .pace = 20, .bytes = 300};

	if (argc == 3 && strcmp(argv[1], "handled") == 0)
		report(argv[2]);
	take_options(&w, argc, argv);
	if (optind + 1 != argc || strcmp(argv[optind], "measure") != 0 || w.from == NULL || w.to == NULL || w.handled == NULL) {
		(void)fprintf(stderr, "usage: bench_path measure --from SOCKET --to SOCKET --handled SOCKET …; or bench_path handled SOCKET\n");
		return 2;
	}
	if (w.senders > SENDERS_MAX || w.bytes > BYTES_MAX || strlen(w.handled) >= sizeof ((struct sockaddr_un *)NULL)->sun_path)
		load_fail("at most %u senders and %u bytes, and a socket's path of a hundred", SENDERS_MAX, BYTES_MAX);
	measure(&w);
	return 0;
}
