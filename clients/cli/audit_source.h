/* audit_source: pages of an audit trail from the node of this machine, or from a broker, in the same form. */
#ifndef KW_CLI_AUDIT_SOURCE_H
#define KW_CLI_AUDIT_SOURCE_H

#include <jansson.h>

#include "clients/cli/broker_ask.h"
#include "clients/cli/local.h"

struct audit_source {
	const struct cli *c;
	kurzweg *node;             /* or: */
	struct broker_ask *broker;
	const char *as, *reason;   /* of who reads */
};

/* A broker where way says so, else the node. False: *code is how to end, and it was said why. Close it in any case. */
bool audit_source_open(struct audit_source *s, const struct cli *c, const char *socket, const struct broker_way *way, enum cli_exit *code);
void audit_source_close(struct audit_source *s);

/* query is taken; *page is new. False as above. */
bool audit_source_page(json_t **page, struct audit_source *s, json_t *query, enum cli_exit *code);
/* A page of a broker's headers (docs/protocol.md [O-3]); query is taken. */
bool audit_source_headers(json_t **page, struct audit_source *s, json_t *query, enum cli_exit *code);

#endif
