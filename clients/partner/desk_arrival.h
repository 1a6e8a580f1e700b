/* desk_arrival: how one notification came to this node and what became of it here. */
#ifndef KW_PARTNER_DESK_ARRIVAL_H
#define KW_PARTNER_DESK_ARRIVAL_H

#include <jansson.h>

#include "clients/partner/desk.h"

/*
 * {"id", "direction": "received", "sender", "topic", "type", "lane", "agreement_version", "created", "expires", "received", "rejected", "reason", "mark",
 * "bare", "outdated", "cancelled", "superseded", "receipt": "none"|"due"|"said", "opened", "handlers": [{"name", "state"}]}; of what was rejected what could
 * be read of it. No content. KW_ENOTFOUND: it never came here, or its row is gone.
 */
KW_MUST_USE enum kw_err desk_arrival(json_t **out, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why);

#endif
