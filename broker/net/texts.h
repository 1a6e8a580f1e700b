/*
 * texts: agreements in parts as nodes get them (docs/protocol.md ), each part encoded once and shared by everyone whom it goes
 * to: who asks for many and reads none costs the broker a reference each, not 64 KiB. Holds at most what the chain's texts have. One thread.
 */
#ifndef KW_BROKER_TEXTS_H
#define KW_BROKER_TEXTS_H

#include <zmq.h>

#include "base/err.h"
#include "certs/agreement_chain.h"

struct texts { struct text_part *newest; }; /* {0}: none was asked for yet */

/* *out is a new reference to the encoded message, for the caller to send or to close. KW_ENOTFOUND: no such version; KW_EINVAL: no such part; KW_ENOMEM. */
KW_MUST_USE enum kw_err texts_message(struct texts *t, zmq_msg_t *out, const struct agreement_chain *chain, uint32_t version, uint32_t part);
void texts_free(struct texts *t);

#endif
