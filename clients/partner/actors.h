/* actors: a number for each node id that was ever met, as the case machine wants them. They stay as long as the table. */
#ifndef KW_PARTNER_ACTORS_H
#define KW_PARTNER_ACTORS_H

#include <stdint.h>

#include "base/err.h"

struct actors;
KW_MUST_USE enum kw_err actors_new(struct actors **out);
void actors_free(struct actors **a);
/* CASE_NOBODY: id is "", or memory is short. */
uint32_t actors_number(struct actors *a, const char *id);
const char *actors_id(const struct actors *a, uint32_t number); /* "" for a number that is none */

#endif
