/* test_broker_gate: who comes in, who the broker takes him for, and what strangers can do to the socket: nothing. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>
#include <zmq.h>

#include "base/clock.h"
#include "broker/net/gate.h"
#include "broker/net/zap.h"

#define PATIENCE_MS 10000
#define KEEP 64
#define OPEN 16

struct agreement { uint8_t node_key[KW_KEY_LEN]; uint8_t operator_key[KW_KEY_LEN]; }; /* stands in for certs' */

struct peer
agreement_peer(const struct agreement *a, const uint8_t curve_pk[KW_KEY_LEN])
{
	if (memcmp(curve_pk, a->node_key, KW_KEY_LEN) == 0)
		return (struct peer){PEER_NODE, 3, "city/desk"};
	if (memcmp(curve_pk, a->operator_key, KW_KEY_LEN) == 0)
		return (struct peer){PEER_OPERATOR, 0, "night-desk"};
	return (struct peer){.role = PEER_UNKNOWN};
}

/* ---- a libzmq that was told to authenticate and does not ---- */

#define ZMQ_ZAP_ENFORCE_DOMAIN_OPTION 93

static int denied_option; /* what the wrapped call answers wrongly, 0: nothing */

int __real_zmq_getsockopt(void *socket, int option, void *value, size_t *size);
int __wrap_zmq_getsockopt(void *socket, int option, void *value, size_t *size);

int
__wrap_zmq_getsockopt(void *socket, int option, void *value, size_t *size)
{
	int rc = __real_zmq_getsockopt(socket, option, value, size);

	if (rc == 0 && option == denied_option)
		memset(value, 0, *size); /* not enforced, the mechanism NULL, no domain */
	return rc;
}

struct got { uint32_t conn; enum peer_role role; enum gate_fault fault; size_t control_len; bool has_frame; size_t frame_len; };

struct box {
	void *context, *clients;
	void *open[OPEN]; /* the clients' sockets that are not closed yet */
	struct zap *zap;
	struct gate *gate;
	struct agreement agreement;
	uint8_t server_pk[KW_KEY_LEN], server_sk[KW_KEY_LEN];
	uint8_t node_sk[KW_KEY_LEN], operator_sk[KW_KEY_LEN];
	char endpoint[128];
	struct got got[KEEP];
	uint32_t count, drops;
	uint64_t now_ms; /* the gate's clock, for strikes */
};

static void
on(void *self, const struct gate_message *m)
{
	struct box *b = self;
	struct got *g = &b->got[b->count % KEEP];

	*g = (struct got){m->conn, m->peer->role, m->fault, m->control.len, m->frame != NULL, m->frame != NULL ? zmq_msg_size(m->frame) : 0};
	b->count++;
}

static void
dropped(void *self, uint32_t conn)
{
	(void)conn;
	((struct box *)self)->drops++;
}

static void
pump_once(struct box *b)
{
	struct gate_handler h = {b, on, dropped};
	zmq_pollitem_t item = {gate_socket(b->gate), 0, ZMQ_POLLIN, 0};

	(void)zmq_poll(&item, 1, 20);
	(void)gate_receive(b->gate, 100, b->now_ms, &h);
	gate_monitor_receive(b->gate);
}

/* Until n messages came in all, or patience is over. */
static void
pump(struct box *b, uint32_t n)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;

	while (b->count < n && clock_mono_ms() < end)
		pump_once(b);
	assert_int_equal(b->count, n);
}

static int
begin(void **state)
{
	static const char *const any[] = {"tcp://127.0.0.1:*"};
	struct box *b = calloc(1, sizeof *b);
	struct gate_config config = {.endpoints = any, .endpoint_count = 1, .conns_max = 8, .send_hwm = 100};
	size_t size;
	struct kw_why why = {{0}};

	assert_non_null(b);
	assert_true(sodium_init() >= 0);
	crypto_box_keypair(b->server_pk, b->server_sk);
	crypto_box_keypair(b->agreement.node_key, b->node_sk);
	crypto_box_keypair(b->agreement.operator_key, b->operator_sk);
	b->context = zmq_ctx_new();
	b->clients = zmq_ctx_new();
	b->now_ms = 1000000;
	assert_int_equal(zap_start(&b->zap, b->context, &why), KW_OK);
	zap_agreement(b->zap, &b->agreement);
	config.zmq_context = b->context;
	config.curve_secret = b->server_sk;
	assert_int_equal(gate_open(&b->gate, &config, &why), KW_OK);
	gate_agreement(b->gate, &b->agreement);
	size = sizeof b->endpoint;
	assert_int_equal(zmq_getsockopt(gate_socket(b->gate), ZMQ_LAST_ENDPOINT, b->endpoint, &size), 0);
	*state = b;
	return 0;
}

/* The place of a socket among the open ones; NULL: a free one. */
static void **
place_of(struct box *b, void *s)
{
	for (size_t i = 0; i < OPEN; i++)
		if (b->open[i] == s)
			return &b->open[i];
	fail_msg("no such socket among %d", OPEN);
	return NULL;
}

static void
leave(struct box *b, void *s)
{
	*place_of(b, s) = NULL;
	(void)zmq_close(s);
}

static int
end(void **state)
{
	struct box *b = *state;

	for (size_t i = 0; i < OPEN; i++) /* of a test that failed: the context would wait for them for ever */
		if (b->open[i] != NULL)
			leave(b, b->open[i]);
	(void)zmq_ctx_term(b->clients);
	gate_close(&b->gate);
	zap_stop(&b->zap);
	(void)zmq_ctx_term(b->context);
	free(b);
	return 0;
}

static void *
client(struct box *b, const uint8_t *pk, const uint8_t *sk, const char *routing_id)
{
	void *s = zmq_socket(b->clients, ZMQ_DEALER);
	int none = 0;

	assert_non_null(s);
	*place_of(b, NULL) = s;
	assert_int_equal(zmq_setsockopt(s, ZMQ_LINGER, &none, sizeof none), 0);
	if (routing_id != NULL)
		assert_int_equal(zmq_setsockopt(s, ZMQ_ROUTING_ID, routing_id, strlen(routing_id)), 0);
	if (pk != NULL) {
		assert_int_equal(zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, b->server_pk, KW_KEY_LEN), 0);
		assert_int_equal(zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, pk, KW_KEY_LEN), 0);
		assert_int_equal(zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, sk, KW_KEY_LEN), 0);
	}
	assert_int_equal(zmq_connect(s, b->endpoint), 0);
	return s;
}

static void *
node(struct box *b)
{
	return client(b, b->agreement.node_key, b->node_sk, NULL);
}

static void
say(void *socket, const char *text)
{
	assert_true(zmq_send(socket, text, strlen(text), 0) >= 0);
}

static void
c2_nodes_and_operators_come_in_under_their_role(void **state)
{
	struct box *b = *state;
	void *n = node(b), *o = client(b, b->agreement.operator_key, b->operator_sk, NULL);

	say(n, "one");
	pump(b, 1);
	assert_int_equal(b->got[0].role, PEER_NODE);
	assert_int_equal(b->got[0].control_len, 3);
	assert_string_equal(gate_name(b->gate, b->got[0].conn), "city/desk");
	say(o, "two");
	pump(b, 2);
	assert_int_equal(b->got[1].role, PEER_OPERATOR);
	leave(b, n);
	leave(b, o);
}

static void
c2_an_unknown_key_stays_outside_and_is_counted(void **state)
{
	struct box *b = *state;
	uint8_t pk[KW_KEY_LEN], sk[KW_KEY_LEN];
	uint64_t until = clock_mono_ms() + PATIENCE_MS;
	void *s;

	crypto_box_keypair(pk, sk);
	s = client(b, pk, sk, NULL);
	say(s, "let me in");
	while (zap_turned_away(b->zap) == 0 && clock_mono_ms() < until)
		pump_once(b);
	assert_true(zap_turned_away(b->zap) >= 1);
	leave(b, s);
	s = node(b);
	say(s, "mine");
	pump(b, 1);
	assert_int_equal(b->got[0].control_len, 4);
	leave(b, s);
}

static void
c2_without_an_agreement_nobody_comes_in(void **state)
{
	struct box *b = *state;
	uint64_t until = clock_mono_ms() + PATIENCE_MS;
	void *s;

	zap_agreement(b->zap, NULL);
	s = node(b);
	say(s, "one");
	while (zap_turned_away(b->zap) == 0 && clock_mono_ms() < until)
		pump_once(b);
	assert_true(zap_turned_away(b->zap) >= 1);
	assert_int_equal(b->count, 0);
	leave(b, s);
}

static void
c2_without_encryption_nobody_comes_in(void **state)
{
	struct box *b = *state;
	uint64_t until = clock_mono_ms() + PATIENCE_MS;
	void *s = client(b, NULL, NULL, NULL);

	say(s, "plain");
	while (gate_counters(b->gate)->handshakes_failed == 0 && clock_mono_ms() < until)
		pump_once(b);
	assert_true(gate_counters(b->gate)->handshakes_failed >= 1);
	assert_int_equal(b->count, 0);
	leave(b, s);
}

static void
a4_a_key_that_left_the_agreement_is_nobody_at_its_next_message(void **state)
{
	struct box *b = *state;
	struct agreement without = b->agreement;
	void *s = node(b);

	say(s, "one");
	pump(b, 1);
	memset(without.node_key, 7, KW_KEY_LEN);
	gate_agreement(b->gate, &without);
	say(s, "two");
	pump(b, 2);
	assert_int_equal(b->got[1].role, PEER_UNKNOWN);
	assert_int_equal(b->got[1].conn, b->got[0].conn);
	leave(b, s);
}

static void
c4_one_or_two_frames_and_none_of_them_empty(void **state)
{
	struct box *b = *state;
	void *s = node(b);

	(void)zmq_send(s, "c", 1, ZMQ_SNDMORE);
	say(s, "frame");
	pump(b, 1);
	assert_int_equal(b->got[0].fault, GATE_FINE);
	assert_true(b->got[0].has_frame);
	assert_int_equal(b->got[0].frame_len, 5);
	for (int i = 0; i < 2; i++)
		(void)zmq_send(s, "c", 1, ZMQ_SNDMORE);
	say(s, "third");
	pump(b, 2);
	assert_int_equal(b->got[1].fault, GATE_FRAMES);
	for (int i = 0; i < 999; i++)
		(void)zmq_send(s, "c", 1, ZMQ_SNDMORE);
	say(s, "last");
	pump(b, 3);
	assert_int_equal(b->got[2].fault, GATE_FRAMES);
	say(s, "");
	pump(b, 4);
	assert_int_equal(b->got[3].fault, GATE_EMPTY);
	(void)zmq_send(s, "c", 1, ZMQ_SNDMORE);
	say(s, "");
	pump(b, 5);
	assert_int_equal(b->got[4].fault, GATE_EMPTY);
	say(s, "fine again");
	pump(b, 6);
	assert_int_equal(b->got[5].fault, GATE_FINE);
	leave(b, s);
}

static void
c4_three_strikes_silence_a_peer_for_a_minute_on_all_its_connections(void **state)
{
	struct box *b = *state;
	void *s = node(b), *other = client(b, b->agreement.operator_key, b->operator_sk, NULL);

	say(s, "one");
	pump(b, 1);
	for (int i = 0; i < 3; i++)
		gate_strike(b->gate, b->got[0].conn, b->now_ms + (uint64_t)i);
	b->now_ms += 10;
	leave(b, s);
	s = node(b);
	say(s, "again");
	say(other, "somebody else");
	pump(b, 2);
	assert_int_equal(b->got[1].role, PEER_OPERATOR);
	while (gate_counters(b->gate)->dropped == 0)
		pump_once(b);
	assert_int_equal(b->count, 2);
	b->now_ms += 60001;
	say(s, "after a minute");
	pump(b, 3);
	leave(b, s);
	leave(b, other);
}

static void
c4_strikes_further_apart_than_a_minute_do_not_add_up(void **state)
{
	struct box *b = *state;
	void *s = node(b);

	say(s, "one");
	pump(b, 1);
	for (int i = 0; i < 6; i++)
		gate_strike(b->gate, b->got[0].conn, b->now_ms + (uint64_t)i * 40000);
	b->now_ms += 6 * 40000;
	say(s, "two");
	pump(b, 2);
	leave(b, s);
}

static void
c3_a_routing_id_of_its_own_choice_makes_nobody_another(void **state)
{
	struct box *b = *state;
	void *s = client(b, b->agreement.node_key, b->node_sk, "police/control");
	void *twin;

	say(s, "one");
	pump(b, 1);
	assert_string_equal(gate_name(b->gate, b->got[0].conn), "city/desk");
	assert_int_equal(gate_counters(b->gate)->odd_routing_ids, 1);
	twin = client(b, b->agreement.operator_key, b->operator_sk, "police/control");
	say(twin, "two"); /* libzmq leaves the second holder of an id mute */
	say(s, "three");
	pump(b, 2);
	assert_int_equal(b->got[1].control_len, 5);
	leave(b, s);
	leave(b, twin);
}

static void
answers_reach_the_peer_and_a_gone_one_is_told(void **state)
{
	struct box *b = *state;
	void *s = node(b);
	char in[16];
	zmq_msg_t frame;

	say(s, "one");
	pump(b, 1);
	(void)zmq_msg_init_size(&frame, 4);
	memcpy(zmq_msg_data(&frame), "body", 4);
	assert_int_equal(gate_send(b->gate, b->got[0].conn, span_str("ctl"), &frame), GATE_SENT);
	(void)zmq_msg_close(&frame);
	assert_int_equal(zmq_recv(s, in, sizeof in, 0), 3);
	assert_int_equal(zmq_recv(s, in, sizeof in, 0), 4);
	assert_memory_equal(in, "body", 4);
	(void)zmq_msg_init_size(&frame, 6);
	memcpy(zmq_msg_data(&frame), "shared", 6);
	assert_int_equal(gate_send(b->gate, b->got[0].conn, span_of(NULL, 0), &frame), GATE_SENT); /* one frame, not an empty one and another */
	(void)zmq_msg_close(&frame);
	assert_int_equal(zmq_recv(s, in, sizeof in, 0), 6);
	assert_memory_equal(in, "shared", 6);
	leave(b, s);
	for (uint64_t until = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < until;) {
		if (gate_send(b->gate, b->got[0].conn, span_str("ctl"), NULL) == GATE_GONE)
			break;
		pump_once(b);
	}
	assert_int_equal(gate_send(b->gate, b->got[0].conn, span_str("ctl"), NULL), GATE_GONE);
	assert_int_equal(gate_conn_count(b->gate), 0);
}

static void
a_peer_that_does_not_read_is_given_up_and_nobody_waits(void **state)
{
	struct box *b = *state;
	void *s = node(b);
	uint8_t large[60000] = {0};
	enum gate_sent sent = GATE_SENT;

	say(s, "one");
	pump(b, 1);
	for (int i = 0; i < 20000 && sent == GATE_SENT; i++)
		sent = gate_send(b->gate, b->got[0].conn, span_of(large, sizeof large), NULL);
	assert_int_equal(sent, GATE_FULL);
	leave(b, s);
}

/* Every answer to an operator is another one: what waits for one that reads none is bounded, and given back when it reads. */
static void
answers_that_an_operator_does_not_read_are_counted_and_given_back(void **state)
{
	struct box *b = *state;
	void *o = client(b, b->agreement.operator_key, b->operator_sk, NULL);
	uint8_t large[60000] = {0};
	uint64_t end_ms = clock_mono_ms() + PATIENCE_MS;
	uint32_t conn;
	int sent = 0, read = 0;

	say(o, "one");
	pump(b, 1);
	conn = b->got[0].conn;
	for (; sent < 90 && !gate_owes_enough(b->gate, conn); sent++)
		assert_int_equal(gate_answer(b->gate, conn, span_of(large, sizeof large)), GATE_SENT);
	assert_true(gate_owes_enough(b->gate, conn) || sent == 90); /* some of them are in the system's buffers */
	while (read < sent && clock_mono_ms() < end_ms) {
		pump_once(b);
		while (zmq_recv(o, large, sizeof large, ZMQ_DONTWAIT) >= 0)
			read++;
	}
	assert_int_equal(read, sent);
	while (gate_owes_enough(b->gate, conn) && clock_mono_ms() < end_ms)
		pump_once(b);
	assert_false(gate_owes_enough(b->gate, conn));
	assert_int_equal(gate_answer(b->gate, conn, span_of(large, sizeof large)), GATE_SENT); /* one is under way when all ends */
	leave(b, o);
}

static void
idle_connections_make_room_and_used_ones_do_not(void **state)
{
	struct box *b = *state;
	void *s[10];

	for (uint32_t i = 0; i < 8; i++) {
		s[i] = node(b);
		say(s[i], "one");
		pump(b, i + 1);
		if (i < 7)
			gate_in_use(b->gate, b->got[i].conn, true);
	}
	s[8] = node(b);
	say(s[8], "one");
	pump(b, 9);
	assert_int_equal(b->drops, 1);
	assert_int_equal(b->got[8].conn, b->got[7].conn); /* the one idle number is another's now */
	gate_in_use(b->gate, b->got[8].conn, true);
	s[9] = node(b);
	say(s[9], "one");
	while (gate_counters(b->gate)->dropped == 0)
		pump_once(b);
	assert_int_equal(b->count, 9);
	for (int i = 0; i < 10; i++)
		leave(b, s[i]);
}

static void
too_large_a_frame_ends_that_connection_alone(void **state)
{
	struct box *b = *state;
	size_t len = KW_MESSAGE_MAX + 100;
	uint8_t *large = calloc(1, len);
	void *s = node(b), *other = client(b, b->agreement.operator_key, b->operator_sk, NULL);

	assert_non_null(large);
	assert_true(zmq_send(s, large, len, 0) >= 0);
	say(other, "still here");
	pump(b, 1);
	assert_int_equal(b->got[0].role, PEER_OPERATOR);
	free(large);
	leave(b, s);
	leave(b, other);
}

static int
raw(const struct box *b)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_port = htons((uint16_t)atoi(strrchr(b->endpoint, ':') + 1));
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void
raw_bytes_and_silence_leave_the_gate_standing(void **state)
{
	struct box *b = *state;
	int silent[50], fd;
	uint8_t garbage[4096];
	static const uint8_t greeting_and_huge_frame[] = {0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 0, 'C', 'U', 'R', 'V', 'E'};
	void *s;

	for (int i = 0; i < 50; i++)
		silent[i] = raw(b);
	for (int i = 0; i < 20; i++) {
		randombytes_buf(garbage, sizeof garbage);
		fd = raw(b);
		(void)send(fd, garbage, sizeof garbage, MSG_NOSIGNAL);
		(void)close(fd);
	}
	fd = raw(b);
	(void)send(fd, greeting_and_huge_frame, sizeof greeting_and_huge_frame, MSG_NOSIGNAL);
	memset(garbage, 0xFF, sizeof garbage);
	(void)send(fd, garbage, sizeof garbage, MSG_NOSIGNAL);
	s = node(b);
	say(s, "one");
	pump(b, 1);
	for (int i = 0; i < 50; i++)
		(void)close(silent[i]);
	(void)close(fd);
	leave(b, s);
}

static void
a_silent_stranger_is_cut_off_after_five_seconds(void **state)
{
	struct box *b = *state;
	struct pollfd p = {.fd = raw(b), .events = POLLRDHUP};
	uint64_t began = clock_mono_ms();

	assert_int_equal(poll(&p, 1, 8000), 1);
	assert_in_range(clock_mono_ms() - began, 4000, 8000);
	(void)close(p.fd);
}

static void
a_taken_port_and_a_wrong_address_are_said(void **state)
{
	struct box *b = *state;
	const char *taken[1];
	struct gate_config config = {.zmq_context = b->context, .curve_secret = b->server_sk, .endpoints = taken, .endpoint_count = 1,
	                             .conns_max = 8, .send_hwm = 100};
	struct gate *other = NULL;
	struct kw_why why;
	void *context = zmq_ctx_new();

	config.zmq_context = context;
	taken[0] = b->endpoint;
	assert_int_equal(gate_open(&other, &config, &why), KW_EEXISTS);
	assert_non_null(strstr(why.text, "taken"));
	(void)zmq_ctx_term(context);
	context = config.zmq_context = zmq_ctx_new(); /* one gate to a context: the first one's socket goes in its own time */
	taken[0] = "tcp://nowhere";
	assert_int_equal(gate_open(&other, &config, &why), KW_EINVAL);
	assert_null(other);
	(void)zmq_ctx_term(context);
}

static void
a_user_id_is_a_role_and_a_key(void **state)
{
	uint8_t key[KW_KEY_LEN];
	char user[ZAP_USER_LEN + 2];

	(void)state;
	memset(user, 'a', sizeof user);
	user[ZAP_USER_LEN] = '\0';
	user[0] = 'n';
	assert_true(zap_user_key(key, user));
	assert_int_equal(key[31], 0xAA);
	user[0] = 'x';
	assert_false(zap_user_key(key, user));
	user[0] = 'o';
	user[5] = 'g';
	assert_false(zap_user_key(key, user));
	user[5] = 'a';
	user[ZAP_USER_LEN - 1] = '\0';
	assert_false(zap_user_key(key, user));
	assert_false(zap_user_key(key, ""));
}

static void
c2_a_libzmq_that_does_not_authenticate_opens_no_gate(void **state)
{
	static const int options[] = {ZMQ_ZAP_ENFORCE_DOMAIN_OPTION, ZMQ_ZAP_DOMAIN, ZMQ_MECHANISM};
	static const char *const any[] = {"tcp://127.0.0.1:*"};
	struct box *b = *state;
	struct gate_config config = {.zmq_context = b->context, .curve_secret = b->server_sk, .endpoints = any, .endpoint_count = 1, .conns_max = 8, .send_hwm = 100};

	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		struct gate *gate = NULL;
		struct kw_why why = {""};
		enum kw_err err;

		denied_option = options[i];
		err = gate_open(&gate, &config, &why);
		denied_option = 0;
		assert_int_equal(err, KW_EDENIED);
		assert_null(gate);
		assert_non_null(strstr(why.text, "does not enforce authentication"));
	}
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(c2_a_libzmq_that_does_not_authenticate_opens_no_gate),
		T(c2_nodes_and_operators_come_in_under_their_role),
		T(c2_an_unknown_key_stays_outside_and_is_counted),
		T(c2_without_an_agreement_nobody_comes_in),
		T(c2_without_encryption_nobody_comes_in),
		T(c3_a_routing_id_of_its_own_choice_makes_nobody_another),
		T(c4_one_or_two_frames_and_none_of_them_empty),
		T(c4_three_strikes_silence_a_peer_for_a_minute_on_all_its_connections),
		T(c4_strikes_further_apart_than_a_minute_do_not_add_up),
		T(a4_a_key_that_left_the_agreement_is_nobody_at_its_next_message),
		T(answers_reach_the_peer_and_a_gone_one_is_told),
		T(a_peer_that_does_not_read_is_given_up_and_nobody_waits),
		T(answers_that_an_operator_does_not_read_are_counted_and_given_back),
		T(idle_connections_make_room_and_used_ones_do_not),
		T(too_large_a_frame_ends_that_connection_alone),
		T(raw_bytes_and_silence_leave_the_gate_standing),
		T(a_silent_stranger_is_cut_off_after_five_seconds),
		T(a_taken_port_and_a_wrong_address_are_said),
		cmocka_unit_test(a_user_id_is_a_role_and_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
