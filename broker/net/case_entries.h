/* case_entries: the broker's own entries about cases, signed; and what the log says of cases, read again at the start. */
#ifndef KW_BROKER_CASE_ENTRIES_H
#define KW_BROKER_CASE_ENTRIES_H

#include "broker/net/relay.h"

/* Answers EFFECT_STATE. */
void case_entries_state(const struct relay_parts *parts, const uint8_t id[KW_ID_LEN]);
/* Everything behind core_folded, before the gate opens. KW_EIO, KW_ECORRUPT, KW_ENOMEM. */
KW_MUST_USE enum kw_err case_entries_replay(const struct relay_parts *parts, struct kw_why *why);

#endif
