/* A node's connection over ZeroMQ: what came before it was lost is read whole, and losing it in the middle of that ends nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>
#include <zmq.h>

#include "base/clock.h"
#include "clients/partner/net.h"

#define MESSAGES 150
#define POLL_MS 20000

struct peers { struct secret_keys *ours, *brokers; struct net *net; void *context, *router; char endpoint[64]; };

static int
set_up(void **state)
{
	static struct peers p;
	size_t len = sizeof p.endpoint;
	int yes = 1;

	memset(&p, 0, sizeof p);
	assert_true(sodium_init() >= 0);
	assert_int_equal(secret_keys_new(&p.ours, KEY_NODE, MODE_LIVE, "police/control-room", NULL), KW_OK);
	assert_int_equal(secret_keys_new(&p.brokers, KEY_BROKER, MODE_LIVE, "haus", NULL), KW_OK);
	assert_int_equal(net_new(&p.net, NULL), KW_OK);
	p.context = zmq_ctx_new();
	p.router = zmq_socket(p.context, ZMQ_ROUTER);
	assert_int_equal(zmq_setsockopt(p.router, ZMQ_CURVE_SERVER, &yes, sizeof yes), 0);
	assert_int_equal(zmq_setsockopt(p.router, ZMQ_CURVE_SECRETKEY, secret_keys_curve(p.brokers), KW_KEY_LEN), 0);
	assert_int_equal(zmq_bind(p.router, "tcp://127.0.0.1:*"), 0);
	assert_int_equal(zmq_getsockopt(p.router, ZMQ_LAST_ENDPOINT, p.endpoint, &len), 0);
	*state = &p;
	return 0;
}

static int
tear_down(void **state)
{
	struct peers *p = *state;
	int none = 0;

	net_free(&p->net);
	if (p->router != NULL) {
		assert_int_equal(zmq_setsockopt(p->router, ZMQ_LINGER, &none, sizeof none), 0);
		assert_int_equal(zmq_close(p->router), 0);
	}
	assert_int_equal(zmq_ctx_term(p->context), 0);
	secret_keys_free(&p->ours);
	secret_keys_free(&p->brokers);
	return 0;
}

static void
await(struct net *n, enum net_event wanted)
{
	enum net_event e;

	while ((e = net_event(n)) == NET_NOTHING) {
		zmq_pollitem_t item = {net_monitor(n), 0, ZMQ_POLLIN, 0};

		assert_int_equal(zmq_poll(&item, 1, POLL_MS), 1);
	}
	assert_int_equal(e, wanted);
}

/* Two frames, to the node that wrote first. */
static void
say(struct peers *p, const uint8_t *to)
{
	static const uint8_t content[500];

	assert_int_equal(zmq_send(p->router, to, 5, ZMQ_SNDMORE), 5);
	assert_int_equal(zmq_send(p->router, "control", 7, ZMQ_SNDMORE), 7);
	assert_int_equal(zmq_send(p->router, content, sizeof content, 0), sizeof content);
}

static void
greet(struct peers *p, uint8_t from[5])
{
	uint8_t hello[16];

	assert_int_equal(net_open(p->net, p->endpoint, secret_keys_public(p->brokers)->curve_pk, p->ours, NULL), KW_OK);
	await(p->net, NET_CONNECTED);
	assert_int_equal(net_send(p->net, span_str("hello"), span_of(NULL, 0)), KW_OK);
	assert_int_equal(zmq_recv(p->router, from, 5, 0), 5);
	assert_int_equal(zmq_recv(p->router, hello, sizeof hello, 0), 5);
}

/* From then on libzmq has the connection's messages at hand. */
static void
read_first(struct peers *p)
{
	struct net_message m;
	zmq_pollitem_t item = {net_socket(p->net), 0, ZMQ_POLLIN, 0};

	assert_int_equal(zmq_poll(&item, 1, POLL_MS), 1);
	assert_int_equal(net_receive(&m, p->net), KW_OK);
	assert_true(m.has_frame);
}

/*
 * libzmq looks for news of the connection once in a hundred frames, which may be between two frames of one message; with ZMQ_IMMEDIATE, or
 * without reconnection, it then takes away what was not read and ends the process.
 */
static void
a_connection_lost_while_its_messages_are_read_leaves_them_whole(void **state)
{
	struct peers *p = *state;
	struct net_message m;
	uint8_t from[5];
	int came = 1, none = POLL_MS;
	enum kw_err err;

	greet(p, from);
	say(p, from);
	for (int i = 0; i < MESSAGES; i++)
		say(p, from);
	read_first(p);
	assert_int_equal(zmq_setsockopt(p->router, ZMQ_LINGER, &none, sizeof none), 0);
	assert_int_equal(zmq_close(p->router), 0);
	p->router = NULL;
	await(p->net, NET_LOST);
	while ((err = net_receive(&m, p->net)) == KW_OK) {
		assert_true(m.has_frame);
		assert_false(m.malformed);
		came++;
	}
	assert_int_equal(err, KW_EAGAIN);
	assert_int_equal(came, MESSAGES + 1);
}

/* The listener before it is closed by a thread of libzmq, which may come to that after it has cut the connection. */
static void
bind_again(struct peers *p)
{
	uint64_t end = clock_mono_ms() + POLL_MS;

	while (zmq_bind(p->router, p->endpoint) != 0) {
		assert_int_equal(zmq_errno(), EADDRINUSE);
		assert_true(clock_mono_ms() < end);
		(void)usleep(2000);
	}
}

static void
a_connection_that_was_lost_does_not_come_back_by_itself(void **state)
{
	struct peers *p = *state;
	struct net_message m;
	uint8_t from[5];
	int yes = 1;

	greet(p, from);
	assert_int_equal(zmq_close(p->router), 0);
	await(p->net, NET_LOST);
	p->router = zmq_socket(p->context, ZMQ_ROUTER);
	assert_int_equal(zmq_setsockopt(p->router, ZMQ_CURVE_SERVER, &yes, sizeof yes), 0);
	assert_int_equal(zmq_setsockopt(p->router, ZMQ_CURVE_SECRETKEY, secret_keys_curve(p->brokers), KW_KEY_LEN), 0);
	bind_again(p);
	(void)!net_send(p->net, span_str("said to nobody"), span_of(NULL, 0));
	greet(p, from); /* what comes first is what the new connection says */
	assert_int_equal(net_receive(&m, p->net), KW_EAGAIN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_connection_lost_while_its_messages_are_read_leaves_them_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_connection_that_was_lost_does_not_come_back_by_itself, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
