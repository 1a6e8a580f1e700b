/* trail_aside: what of a trail is kept beside it because it does not hold: whole files as "2026.audit.damaged-1", ends as "2026.audit.torn-1". */
#ifndef KW_AUDIT_TRAIL_ASIDE_H
#define KW_AUDIT_TRAIL_ASIDE_H

#include <stdint.h>

#include "audit/trail_tail.h"
#include "base/err.h"

#define TRAIL_ASIDE_MAX 32u /* a name in the folder, with its zero */

/* The year's file gets such a name. KW_EIO, KW_ELIMIT. */
KW_MUST_USE enum kw_err trail_aside_rename(char name[TRAIL_ASIDE_MAX], const char *folder, uint32_t year, struct kw_why *why);
/* What stands in the year's file behind from is copied, and on disk. KW_EFULL: there is no room, and nothing is left of it. KW_EIO, KW_ENOMEM, KW_ELIMIT. */
KW_MUST_USE enum kw_err trail_aside_copy(char name[TRAIL_ASIDE_MAX], const char *folder, uint32_t year, uint64_t from, struct kw_why *why);
/* The furthest that a damaged file there goes, and that file's name: number 0 where there is none. Where the next file begins with no record yet, it goes on from there. */
void trail_aside_end(struct tail *out, char name[TRAIL_ASIDE_MAX], const char *folder, const char *partnership, const struct public_key *mine);
/* Which damaged files lie there and what to do, one sentence, or "". */
KW_MUST_USE enum kw_err trail_aside_tell(char out[KW_WHY_MAX], const char *folder, struct kw_why *why);
/* Deletes what is aside of years before this one. */
KW_MUST_USE enum kw_err trail_aside_remove(const char *folder, uint32_t before, struct kw_why *why);

#endif
