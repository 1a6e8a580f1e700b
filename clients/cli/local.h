/* local: the node of this machine, as every command that talks to it reaches it. */
#ifndef KW_CLI_LOCAL_H
#define KW_CLI_LOCAL_H

#include <kurzweg/kurzweg.h>

#include "clients/cli/cli.h"

#define LOCAL_SOCKET_DEFAULT "ipc:///run/kurzweg/partner.sock"

/* A row for a table of options; member is a const char *, NULL: $KURZWEG_SOCKET or the default. */
#define CLI_SOCKET(type, member)                                                                             \
	{"socket", 0, CLI_TEXT, offsetof(type, member), N_("ENDPOINT"),                                      \
	 N_("the node's socket; $KURZWEG_SOCKET or ipc:///run/kurzweg/partner.sock if not given"), 0, 0}

/* Nobody said which (socket NULL): on the broker's machine there is a broker and no node. */
bool local_only_a_broker_is_here(const char *socket);
/* In the user's language; NULL: *code is how to end, and it was said why. */
kurzweg *local_open(const struct cli *c, const char *socket, enum cli_exit *code);
/* Says k's sentence and answers the exit code of r, which is not KURZWEG_OK. */
enum cli_exit local_fail(const struct cli *c, const kurzweg *k, enum kurzweg_result r);
/* The node's status; NULL: *code is how to end, and it was said why. */
json_t *local_status(const struct cli *c, kurzweg *k, enum cli_exit *code);

#endif
