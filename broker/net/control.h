/*
 * control: what the operator may ask. Over the control socket on this machine everything, a backup too, guarded by the file's permissions;
 * over an operator's CURVE connection what is only looked at: STATUS, NODES, AGREEMENT, HEADERS, EVENTS, TRACE, EXPLAIN, AUDIT. What shows others' traffic, and
 * what changes something, stands in the audit trail before it is done.
 */
#ifndef KW_BROKER_CONTROL_H
#define KW_BROKER_CONTROL_H

#include "base/err.h"
#include "broker/net/relay.h"
#include "broker/net/status.h"

struct control;
struct events;

/* endpoint NULL: no socket, operators' connections alone. r and e are borrowed; answers r's ADMIN from now on. KW_EEXISTS, KW_EIO, KW_EDENIED. */
KW_MUST_USE enum kw_err control_open(struct control **out, void *zmq_context, const char *endpoint, struct relay *r, struct events *e, struct kw_why *why);
void control_close(struct control **c);
void *control_socket(struct control *c);
bool control_receive(struct control *c); /* true: there may be more */
void control_tick(struct control *c, uint64_t mono_ms);
/* What status shows under "config": a new reference, or NULL. */
void control_on_config(struct control *c, json_t *(*report)(void *self), void *self);
/* The store was restored from a backup of then before this start; 0: it was not. Shown by status. */
void control_restored(struct control *c, uint64_t made_ms);
/* The store's folder, where it is kept when the last backup was handed out whole. Borrowed. */
void control_backups(struct control *c, const char *folder);
bool control_wants_stop(const struct control *c); /* ADMIN_STOP was asked for */

#endif
