/* follow: each new notification of the inbox as it comes, and what would keep it from coming. */
#ifndef KW_CLI_FOLLOW_H
#define KW_CLI_FOLLOW_H

#include "clients/cli/local.h"

/* From now on, or from q->since_ms where it is set. Ends by a signal, or when the node was never there. */
enum cli_exit follow(const struct cli *c, kurzweg *k, struct kurzweg_query *q, bool json);

#endif
