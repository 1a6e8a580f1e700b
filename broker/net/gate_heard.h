/*
 * gate_heard: which connections ended before anybody said anything on them: their handshake failed. Told from outside, since
 * libzmq's own event of it must not be watched: sending that event overwrites the errno by which libzmq knows that a connection with
 * one altered byte in it has to be closed, and the connection then stands for ever, unread.
 */
#ifndef KW_BROKER_GATE_HEARD_H
#define KW_BROKER_GATE_HEARD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct gate_heard { bool *of; size_t count; }; /* by descriptor */

/* As many descriptors as the process may have. KW_ENOMEM. Free with gate_heard_free, which takes an empty one too. */
KW_MUST_USE enum kw_err gate_heard_init(struct gate_heard *h);
void gate_heard_free(struct gate_heard *h);

/* Descriptors beyond the count are nobody's: what they do changes nothing. */
void gate_heard_accepted(struct gate_heard *h, int fd);
void gate_heard_message(struct gate_heard *h, int fd);
bool gate_heard_ended(struct gate_heard *h, int fd); /* true: and nothing was ever heard */

#endif
