/* broker_look: what a broker says of itself, with all its nodes: as many pages as they need. */
#ifndef KW_CLI_BROKER_LOOK_H
#define KW_CLI_BROKER_LOOK_H

#include <jansson.h>

#include "clients/cli/broker_ask.h"

/* *out is the caller's to json_decref. The refusals of broker_ask; KW_EPROTO: what was answered cannot be read. timeout_ms is of each request. */
KW_MUST_USE enum kw_err broker_look_status(json_t **out, struct broker_ask *b, uint64_t timeout_ms, struct kw_why *why); /* its "nodes" are all of them */
KW_MUST_USE enum kw_err broker_look_short(json_t **out, struct broker_ask *b, uint64_t timeout_ms, struct kw_why *why);  /* the same without them, in one request */
KW_MUST_USE enum kw_err broker_look_nodes(json_t **out, struct broker_ask *b, uint64_t timeout_ms, struct kw_why *why);  /* an array */
KW_MUST_USE enum kw_err broker_look_node(json_t **out, struct broker_ask *b, const char *id, uint64_t timeout_ms, struct kw_why *why);

#endif
