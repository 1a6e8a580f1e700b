/* node_pages: what the broker tells its operator about the partners' nodes, in pages, docs/protocol.md [O-4]. Never content, never a topic. */
#ifndef KW_BROKER_NODE_PAGES_H
#define KW_BROKER_NODE_PAGES_H

#include <jansson.h>

#include "base/err.h"
#include "base/span.h"
#include "broker/net/relay.h"

#define NODE_PAGE_MAX 160u /* nodes of one page: with the longest names and numbers they fit an answer */
#define NODE_PAGE 100u     /* when none is said */

struct nodes_ask {
	uint32_t after;                 /* so many are passed over: where the page before ended */
	uint32_t limit;                 /* at most NODE_PAGE_MAX; 0: none are told, only how many there are */
	char node[KW_NODE_MAX + 1];     /* this one alone; "": all */
};

/* KW_EPROTO, KW_EINVAL, KW_ELIMIT: one sentence that names the key. */
KW_MUST_USE enum kw_err nodes_ask_read(struct nodes_ask *out, struct span text, struct kw_why *why);
/* Into root: "nodes", "nodes_total", "after", "more". KW_ENOTFOUND: there is no such node. Short memory shows at json_memory_was_short. */
KW_MUST_USE enum kw_err nodes_put(json_t *root, const struct relay *r, const struct nodes_ask *ask, struct kw_why *why);
/* The first 400 in short, for who says nothing of pages: "nodes", "nodes_left_off". */
void nodes_put_first(json_t *root, const struct relay *r);

#endif
