/*
 * control: what the operator may ask. Over the control socket on this machine everything, guarded by the file's permissions;
 * over an operator's CURVE connection what is only looked at: STATUS, NODES, AGREEMENT, HEADERS.
 */
#ifndef KW_BROKER_CONTROL_H
#define KW_BROKER_CONTROL_H

#include "base/err.h"
#include "broker/net/relay.h"
#include "broker/net/status.h"

struct control;

/* endpoint NULL: no socket, operators' connections alone. r is borrowed; answers its ADMIN from now on. KW_EEXISTS, KW_EIO, KW_EDENIED. */
KW_MUST_USE enum kw_err control_open(struct control **out, void *zmq_context, const char *endpoint, struct relay *r, struct kw_why *why);
void control_close(struct control **c);
void *control_socket(struct control *c);
bool control_receive(struct control *c); /* true: there may be more */
void control_tick(struct control *c, uint64_t mono_ms);
bool control_wants_stop(const struct control *c); /* ADMIN_STOP was asked for */

#endif
