/* explained: why a notification that there is was refused, or went to whom it went: at the broker by headers, cursors and the agreement, at a node by what it has. */
#ifndef KW_CLI_EXPLAINED_H
#define KW_CLI_EXPLAINED_H

#include "clients/cli/broker_trace.h"

struct explained_ask {
	const char *id;          /* or 4 characters or more of its beginning or end */
	const char *node;        /* this reader alone; NULL: all */
	struct broker_way way;
	uint64_t further;        /* 0: TRACE_FURTHER */
	bool json;
};

enum cli_exit explained_at_broker(const struct cli *c, const struct explained_ask *ask);
enum cli_exit explained_at_node(const struct cli *c, const struct explained_ask *ask, const char *socket);

#endif
