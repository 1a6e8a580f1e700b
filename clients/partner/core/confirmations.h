/*
 * confirmations: until when the readers of what this node sent are to have confirmed it, or answered (docs/protocol.md [D-12], [B-6]). Pure. The
 * store keeps who confirmed; here is only what may still become late, by time, so that it is told once, when it happens.
 */
#ifndef KW_PARTNER_CONFIRMATIONS_H
#define KW_PARTNER_CONFIRMATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/header.h"

bool confirmation_awaited(enum notice_type type); /* receipts and voids get none */
bool answer_awaited(enum notice_type type);       /* where the topic has "acknowledge" */

struct confirmations;
KW_MUST_USE enum kw_err confirmations_new(struct confirmations **out);
void confirmations_free(struct confirmations **c);

KW_MUST_USE enum kw_err confirmations_add(struct confirmations *c, uint64_t seq, uint64_t due_wall_ms);
/* The next one whose time is over, each once; 0: none. The caller asks the store whether somebody is still missing. */
uint64_t confirmations_late(struct confirmations *c, uint64_t now_wall_ms);
uint64_t confirmations_wake_ms(const struct confirmations *c); /* wall clock; UINT64_MAX: nothing awaited */

#endif
