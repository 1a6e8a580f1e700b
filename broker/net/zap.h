/*
 * zap: who may come in at all (docs/protocol.md [C-2]). A thread answers libzmq's question for every CURVE key; the answer carries the
 * peer's role and key as User-Id: 'n' or 'o' and 64 hex digits. Up before the first socket binds.
 */
#ifndef KW_BROKER_ZAP_H
#define KW_BROKER_ZAP_H

#include <stdint.h>

#include "base/err.h"
#include "certs/agreement.h"

#define ZAP_DOMAIN "kurzweg"
#define ZAP_USER_LEN (1 + 2 * KW_KEY_LEN)

struct zap;

KW_MUST_USE enum kw_err zap_start(struct zap **out, void *zmq_context, struct kw_why *why);
void zap_stop(struct zap **z);
/* From now on this agreement decides; NULL: nobody comes in. Borrowed for as long as z lives. Any thread. */
void zap_agreement(struct zap *z, const struct agreement *a);
uint64_t zap_turned_away(const struct zap *z); /* unknown keys and other mechanisms since the start */

/* The key behind a User-Id; false: it is none of ours. */
KW_MUST_USE bool zap_user_key(uint8_t key[KW_KEY_LEN], const char *user);

#endif
