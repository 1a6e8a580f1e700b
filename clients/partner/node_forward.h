/* node_forward: what this node forwarded is taken back when its original is. Inside of the node, as node_parts. */
#ifndef KW_PARTNER_NODE_FORWARD_H
#define KW_PARTNER_NODE_FORWARD_H

#include "clients/partner/node_parts.h"

/*
 * Within the turn: sender recalled about. When it is of the partner that sent that, every own forward of it is recalled from whom it
 * went to, or, when the broker has not got it yet, not sent at all (docs/protocol.md [N-17]).
 */
KW_MUST_USE enum kw_err node_forward_recalled(struct node *n, const struct about *about, const char *sender, struct kw_why *why);

#endif
