/*
 * gate_owed: answers whose bytes are counted until ZeroMQ has handed them to the network, so that who asks for much and reads none of it is
 * told apart from who reads. Every answer is another one, so none can be shared as an agreement's parts are (texts.h).
 */
#ifndef KW_BROKER_GATE_OWED_H
#define KW_BROKER_GATE_OWED_H

#include <stddef.h>
#include <zmq.h>

#include "base/err.h"
#include "base/span.h"

struct owed; /* what one peer has not taken yet */

KW_MUST_USE struct owed *owed_new(void); /* NULL: out of memory */
void owed_free(struct owed **o);         /* accepts &NULL; messages that are under way may outlive it */
size_t owed_bytes(const struct owed *o); /* NULL: 0 */
/* *out holds a copy of bytes; they are given back by whichever thread closes the last reference. KW_ENOMEM. */
KW_MUST_USE enum kw_err owed_message(zmq_msg_t *out, struct owed *o, struct span bytes);

#endif
