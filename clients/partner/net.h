/*
 * net: the node's one connection: a DEALER with CURVE, renewed for every attempt, and what its monitor tells. No decisions.
 * One ZeroMQ context for the process's whole life. One thread.
 */
#ifndef KW_PARTNER_NET_H
#define KW_PARTNER_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "certs/keys.h"

struct net;
KW_MUST_USE enum kw_err net_new(struct net **out, struct kw_why *why);
void net_free(struct net **n); /* lets what was sent go for half a second */

/* Begins an attempt; the connection before it is dropped. KW_EINVAL: the endpoint is none. */
KW_MUST_USE enum kw_err net_open(struct net *n, const char *endpoint, const uint8_t broker_curve_pk[KW_KEY_LEN], const struct secret_keys *keys,
                                 struct kw_why *why);
void net_close(struct net *n);

/* What to wait for; NULL while there is no connection. */
void *net_socket(struct net *n);
void *net_monitor(struct net *n);
void *net_context(struct net *n); /* for other sockets of the process */

enum net_event {
	NET_NOTHING,
	NET_CONNECTED,       /* TCP and CURVE hold */
	NET_TURNED_AWAY,     /* the broker does not know this node's key (ZAP 400) */
	NET_HANDSHAKE,       /* the handshake failed: most likely the other side does not hold the broker's key */
	NET_LOST,            /* refused, reset, closed */
};
enum net_event net_event(struct net *n); /* the next one; NET_NOTHING: none more for now */

/* One message of one or two frames. KW_EAGAIN: not now. */
KW_MUST_USE enum kw_err net_send(struct net *n, struct span control, struct span frame);

struct net_message { struct span control, frame; bool has_frame; bool malformed; };
/* The next message, borrowed until the next call; KW_EAGAIN: none. */
KW_MUST_USE enum kw_err net_receive(struct net_message *out, struct net *n);

#endif
