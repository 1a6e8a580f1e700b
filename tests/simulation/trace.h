/* trace: what happens, a line each, for who replays a seed. Also takes the product's log lines in (base/log.h). */
#ifndef KW_SIM_TRACE_H
#define KW_SIM_TRACE_H

#include <stdbool.h>

#include "base/err.h"

void trace_to(bool on);
bool trace_on(void);
void trace_names(const char *(*name)(int who)); /* of actors */
/* "[   12.345] police/control-room  text". Nothing is done while it is off. */
void trace(const char *fmt, ...) KW_PRINTF(1, 2);

#endif
