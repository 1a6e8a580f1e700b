/*
 * bench_peer: what a broker over CURVE could reach at most, as a measure on the same machine at the same time. A ROUTER that hands each
 * frame to all readers and answers the publisher with a count. No rights, no log, no order to keep, no memory of anything.
 *
 *   bench_peer relay [THREADS]  nothing is kept; so many I/O threads of libzmq's (1)
 *   bench_peer synced FILE      the least that can be called durable: what has come is appended to a file made beforehand and synced in one
 *                               go; only then is it handed on and answered
 *
 * Prints endpoint and CURVE key when it is ready, and ends when its standard input does. Words: "r" and "p" make a reader and a publisher
 * (answered "w"); two frames are a notification; anything else is dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "base/span.h"
#include "base/text.h"
#include "proto/limits.h"

#define BURST 1000u                     /* messages of one batch */
#define READERS_MAX 16384u
#define FILE_BYTES (256u << 20)
#define BATCH_BYTES (16u << 20)         /* more is not gathered for one sync */
#define CONTROL_BYTES 80u               /* as much as a delivery's control has */

struct id { uint8_t bytes[16]; uint8_t len; };
struct notice { struct id from; zmq_msg_t control, frame; };

struct peer {
	void *zmq, *socket;
	struct id *readers;
	uint32_t reader_count;
	struct notice *batch;
	uint32_t count;
	size_t bytes;                       /* of the batch */
	int fd;                             /* -1: nothing is kept */
	off_t at;
	uint8_t *gather;
};

static _Noreturn void
fail(const char *what)
{
	(void)fprintf(stderr, "bench_peer: %s: %s\n", what, zmq_strerror(errno));
	exit(1);
}

static void
must(bool fine, const char *what)
{
	if (!fine)
		fail(what);
}

static bool
set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static void
begin(struct peer *p, int io_threads)
{
	uint8_t pk[KW_KEY_LEN], sk[KW_KEY_LEN];
	char endpoint[128], hex[2 * KW_KEY_LEN + 1];
	size_t size = sizeof endpoint;
	int64_t largest = KW_MESSAGE_MAX;

	(void)crypto_box_keypair(pk, sk);
	must((p->zmq = zmq_ctx_new()) != NULL && zmq_ctx_set(p->zmq, ZMQ_MAX_SOCKETS, 32768) == 0 && zmq_ctx_set(p->zmq, ZMQ_IO_THREADS, io_threads) == 0, "context");
	must((p->socket = zmq_socket(p->zmq, ZMQ_ROUTER)) != NULL, "socket");
	must(set_int(p->socket, ZMQ_RCVHWM, 0) && set_int(p->socket, ZMQ_SNDHWM, 0) && set_int(p->socket, ZMQ_LINGER, 0) && set_int(p->socket, ZMQ_ROUTER_MANDATORY, 1) &&
	     set_int(p->socket, ZMQ_BACKLOG, 512) && set_int(p->socket, ZMQ_CURVE_SERVER, 1) &&
	     zmq_setsockopt(p->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0 &&
	     zmq_setsockopt(p->socket, ZMQ_CURVE_SECRETKEY, sk, sizeof sk) == 0, "options");
	must(zmq_bind(p->socket, "tcp://127.0.0.1:*") == 0 && zmq_getsockopt(p->socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0, "bind");
	p->readers = calloc(READERS_MAX, sizeof *p->readers);
	p->batch = calloc(BURST, sizeof *p->batch);
	must(p->readers != NULL && p->batch != NULL, "memory");
	for (uint32_t i = 0; i < BURST; i++) {
		(void)zmq_msg_init(&p->batch[i].control);
		(void)zmq_msg_init(&p->batch[i].frame);
	}
	text_put_hex(hex, span_of(pk, sizeof pk));
	(void)printf("%s %s\n", endpoint, hex);
	(void)fflush(stdout);
}

/* Written with bytes, so that syncing later never has to write what the file system knows of it. */
static void
make_file(struct peer *p, const char *path)
{
	static const uint8_t zeros[1 << 20];

	must((p->gather = malloc(BATCH_BYTES + 2 * KW_MESSAGE_MAX)) != NULL, "memory");
	must((p->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) >= 0, path);
	for (uint32_t i = 0; i < FILE_BYTES / sizeof zeros; i++)
		must(write(p->fd, zeros, sizeof zeros) == (ssize_t)sizeof zeros, path);
	must(fsync(p->fd) == 0, path);
}

/* false: it is not connected any more. */
static bool
send_to(struct peer *p, const struct id *to, const void *first, size_t len, zmq_msg_t *frame)
{
	if (zmq_send(p->socket, to->bytes, to->len, ZMQ_SNDMORE) < 0) {
		must(errno == EHOSTUNREACH, "sending");
		return false;
	}
	must(zmq_send(p->socket, first, len, frame != NULL ? ZMQ_SNDMORE : 0) >= 0 && (frame == NULL || zmq_msg_send(frame, p->socket, 0) >= 0), "sending");
	return true;
}

static void
on_word(struct peer *p, const struct id *from, const zmq_msg_t *word)
{
	const char *w = zmq_msg_data((zmq_msg_t *)(uintptr_t)word);

	if (zmq_msg_size(word) != 1 || (*w != 'r' && *w != 'p'))
		return;
	if (*w == 'r' && p->reader_count < READERS_MAX)
		p->readers[p->reader_count++] = *from;
	(void)send_to(p, from, "w", 1, NULL);
}

/* One message off the socket; a notification stays in the batch. false: none there. */
static bool
take(struct peer *p)
{
	struct notice *n = &p->batch[p->count];
	int len = zmq_recv(p->socket, n->from.bytes, sizeof n->from.bytes, ZMQ_DONTWAIT);

	if (len < 0)
		return false;
	n->from.len = (uint8_t)len;
	must(zmq_msg_recv(&n->control, p->socket, 0) >= 0, "receiving");
	if (!zmq_msg_more(&n->control)) {
		on_word(p, &n->from, &n->control);
		return true;
	}
	must(zmq_msg_recv(&n->frame, p->socket, 0) >= 0, "receiving");
	p->bytes += zmq_msg_size(&n->control) + zmq_msg_size(&n->frame);
	p->count++;
	return true;
}

static void
keep(struct peer *p)
{
	size_t len = 0;

	for (uint32_t i = 0; i < p->count; i++) {
		zmq_msg_t *parts[] = {&p->batch[i].control, &p->batch[i].frame};

		for (int k = 0; k < 2; k++) {
			memcpy(p->gather + len, zmq_msg_data(parts[k]), zmq_msg_size(parts[k]));
			len += zmq_msg_size(parts[k]);
		}
	}
	if (p->at + (off_t)len > (off_t)FILE_BYTES)
		p->at = 0;
	must(pwrite(p->fd, p->gather, len, p->at) == (ssize_t)len && fdatasync(p->fd) == 0, "keeping");
	p->at += (off_t)len;
}

static bool
same(const struct id *a, const struct id *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* A reader that went away is forgotten: else every run would be slower than the one before it. */
static void
deliver(struct peer *p, struct notice *n)
{
	size_t len = zmq_msg_size(&n->control);

	for (uint32_t r = 0; r < p->reader_count;) {
		zmq_msg_t copy;

		(void)zmq_msg_init(&copy);
		(void)zmq_msg_copy(&copy, &n->frame);
		if (send_to(p, &p->readers[r], zmq_msg_data(&n->control), len < CONTROL_BYTES ? len : CONTROL_BYTES, &copy)) {
			r++;
			continue;
		}
		(void)zmq_msg_close(&copy);
		p->readers[r] = p->readers[--p->reader_count];
	}
}

static void
hand_on(struct peer *p)
{
	uint32_t answered = 0;

	for (uint32_t i = 0; i < p->count; i++) {
		struct notice *n = &p->batch[i];

		deliver(p, n);
		answered++;
		if (i + 1 == p->count || !same(&n[1].from, &n->from)) {
			uint8_t count[4];

			be32_put(count, answered);
			(void)send_to(p, &n->from, count, sizeof count, NULL);
			answered = 0;
		}
	}
	p->count = 0;
	p->bytes = 0;
}

int
main(int argc, char **argv)
{
	struct peer p = {.fd = -1};
	bool synced = argc == 3 && strcmp(argv[1], "synced") == 0;
	bool relay = (argc == 2 || argc == 3) && strcmp(argv[1], "relay") == 0;
	uint64_t io_threads = 1;
	struct kw_why why;

	if (!synced && !relay) {
		(void)fprintf(stderr, "usage: bench_peer relay [THREADS] | bench_peer synced FILE\n");
		return 2;
	}
	if (relay && argc == 3 && text_u64(&io_threads, argv[2], 1, 16, "THREADS", &why) != KW_OK) {
		(void)fprintf(stderr, "bench_peer: %s\n", why.text);
		return 2;
	}
	if (sodium_init() < 0)
		return 1;
	if (synced)
		make_file(&p, argv[2]);
	begin(&p, (int)io_threads);
	for (;;) {
		zmq_pollitem_t items[] = {{p.socket, 0, ZMQ_POLLIN, 0}, {NULL, STDIN_FILENO, ZMQ_POLLIN, 0}};

		while (p.count < BURST && p.bytes < BATCH_BYTES && take(&p))
			continue;
		if (p.count > 0) {
			if (p.fd >= 0)
				keep(&p);
			hand_on(&p);
			continue;
		}
		must(zmq_poll(items, 2, -1) >= 0, "polling");
		if (items[1].revents != 0)
			return 0; /* the process ends; nothing of it is worth giving back */
	}
}
