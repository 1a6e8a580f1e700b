/* suspending: an operator's wish to suspend a node, read, signed and put to the core (docs/protocol.md [O-9] to [O-13]); and what is said of it. */
#ifndef KW_BROKER_SUSPENDING_H
#define KW_BROKER_SUSPENDING_H

#include <jansson.h>

#include "broker/net/relay.h"

struct suspending_ask {
	char node[KW_NODE_MAX + 1];
	char reason[1024];              /* how long it may be says the core */
	uint64_t for_ms;
};
/* JSON; reason and for_ms belong to SUSPENSION_BEGUN alone. KW_EINVAL, KW_ELIMIT, KW_EPROTO with the sentence. */
KW_MUST_USE enum kw_err suspending_ask_read(struct suspending_ask *out, enum suspension_act act, struct span text, struct kw_why *why);

/* KW_OK: it is on its way; done is called once, from relay_carry, with KW_OK when the entry stands in the log, else with the sentence. Else refused by the core. */
KW_MUST_USE enum kw_err relay_suspend(struct relay *r, enum suspension_act act, const struct suspending_ask *ask, const char *by, struct relay_done done,
                                      struct kw_why *why);

/* What became of the newest one, for who asked for it. KW_ENOMEM. */
KW_MUST_USE enum kw_err suspending_put_answer(struct buf *out, const struct relay *r);
/* Who is suspended, into the operator's view of all. */
void suspending_put_all(json_t *root, const struct relay *r);
/* {"by", "reason", "from_ms", "until_ms"} of the node, or null; i below core_node_total. */
json_t *suspending_json(const struct core *c, uint32_t i);

#endif
