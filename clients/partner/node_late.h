/*
 * node_late: what is late with what this node sent: nobody confirmed it within deliver_within, or somebody who must answer has not
 * within acknowledge.within (docs/protocol.md [D-12], [B-5], [B-6]). Inside of the node, as node_parts.
 */
#ifndef KW_PARTNER_NODE_LATE_H
#define KW_PARTNER_NODE_LATE_H

#include <jansson.h>

#include "clients/partner/node_parts.h"

/* Within the turn: looks at what is over now, each once also across restarts; tells by an alarm, and of flash ones the coordinator. */
KW_MUST_USE enum kw_err node_late_look(struct node *n, struct kw_why *why);
/* The alarms of it end when nothing is late any more. */
KW_MUST_USE enum kw_err node_late_over(struct node *n, struct kw_why *why);
/*
 * Who must answer what this node sent, and who has: {"within_ms", "until", "answered": [{"partner", "node", "how", "at"}],
 * "missing": ["partner", …]}; *out NULL: nobody must. seq and h: of its row in the outbox.
 */
KW_MUST_USE enum kw_err node_answers(json_t **out, struct node *n, uint64_t seq, const struct header *h, struct kw_why *why);

#endif
