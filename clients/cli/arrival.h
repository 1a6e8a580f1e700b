/* arrival: how a notification came to the node of this machine, from the JSON that it answers with. */
#ifndef KW_CLI_ARRIVAL_H
#define KW_CLI_ARRIVAL_H

#include "clients/cli/cli.h"

bool arrival_is(const json_t *trace); /* it came here; else it was sent from here */
/* One sentence: why it stands in the inbox, or among the rejected. */
void arrival_why(const struct cli *c, const json_t *trace);
void arrival_show(const struct cli *c, const json_t *trace, uint64_t now_ms);

#endif
