/* progress: how far something is that takes more than a second, in one line of the terminal that is written over; nothing anywhere else. */
#ifndef KW_CLI_PROGRESS_H
#define KW_CLI_PROGRESS_H

#include "clients/cli/cli.h"

struct progress { const struct cli *c; uint64_t begun_ms, shown_ms; bool shown; };

struct progress progress_begin(const struct cli *c);
void progress_bytes(struct progress *p, uint64_t bytes, uint64_t of); /* of 0: not known; at most a few lines a second are shown */
void progress_end(struct progress *p); /* the line is empty again */

#endif
