/*
 * gate: the broker's ROUTER. Who speaks follows from the CURVE key alone; a connection is a number that stands for one
 * routing id, which is shown to nobody. Everything that waits on the socket is taken off it, wanted or not. One thread.
 */
#ifndef KW_BROKER_GATE_H
#define KW_BROKER_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

#include "base/err.h"
#include "base/span.h"
#include "certs/agreement.h"

struct gate;

struct gate_config {
	void *zmq_context;
	const uint8_t *curve_secret;     /* 32, borrowed for the call */
	const char *const *endpoints;
	uint32_t endpoint_count;
	uint32_t conns_max;
	int send_hwm;                    /* messages that may wait for one peer */
};

enum gate_fault { GATE_FINE, GATE_FRAMES /* not one or two */, GATE_EMPTY };

struct gate_message {
	uint32_t conn;
	const struct peer *peer;         /* under the agreement in force; role PEER_UNKNOWN: its key is not in it any more */
	enum gate_fault fault;
	struct span control;             /* borrowed for the call, as the frame */
	zmq_msg_t *frame;                /* NULL: none; may be moved from */
};

struct gate_counters { uint64_t messages, no_user, malformed, dropped, odd_routing_ids, handshakes_failed; };

/*
 * Binds. KW_EDENIED: an option that keeps strangers out did not take (exit 78); KW_EEXISTS: an address is taken;
 * KW_EINVAL: it is none; KW_EIO.
 */
KW_MUST_USE enum kw_err gate_open(struct gate **out, const struct gate_config *config, struct kw_why *why);
void gate_close(struct gate **g);
void *gate_socket(struct gate *g);
void *gate_monitor(struct gate *g);
void gate_agreement(struct gate *g, const struct agreement *a); /* borrowed until the next one */

/*
 * Takes at most max messages; answers how many. drop(conn): the number stands for nobody any more, given up to make room;
 * on(...): a message. Neither may call gate_receive.
 */
struct gate_handler { void *self; void (*on)(void *self, const struct gate_message *m); void (*drop)(void *self, uint32_t conn); };
uint32_t gate_receive(struct gate *g, uint32_t max, uint64_t mono_ms, const struct gate_handler *h);
void gate_monitor_receive(struct gate *g); /* when gate_monitor has something, or gate_wait_ms went by */
long gate_wait_ms(const struct gate *g);   /* -1: for ever */

enum gate_sent { GATE_SENT, GATE_GONE /* no such peer any more; the connection is forgotten */, GATE_FULL /* likewise: it does not read */ };
/* frame NULL: none; else moved from on GATE_SENT. control empty: frame is the whole message, a control one that many get. */
enum gate_sent gate_send(struct gate *g, uint32_t conn, struct span control, zmq_msg_t *frame);

/*
 * An answer to an operator: bytes are copied, and counted until the network has them. Who has GATE_OWED_MAX of them waiting, over all connections of
 * its key, does not read: gate_owes_enough, and it is to be answered nothing before it does. GATE_FULL: there was no memory either.
 */
#define GATE_OWED_MAX (1024u * 1024u)
enum gate_sent gate_answer(struct gate *g, uint32_t conn, struct span control);
bool gate_owes_enough(const struct gate *g, uint32_t conn);

/* [C-4] Counts one; the third within a minute silences the peer for a minute. */
void gate_strike(struct gate *g, uint32_t conn, uint64_t mono_ms);
void gate_in_use(struct gate *g, uint32_t conn, bool in_use); /* a session stands on it: not given up for room */
void gate_forget(struct gate *g, uint32_t conn);
const char *gate_name(const struct gate *g, uint32_t conn);    /* for log lines: node id or operator, "?" */
const char *gate_address(const struct gate *g, uint32_t conn); /* "" when not known */
const struct gate_counters *gate_counters(const struct gate *g);
uint32_t gate_conn_count(const struct gate *g);

#endif
