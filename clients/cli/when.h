/* when: times as a person says them: "03:12", "tomorrow 06:00", "in 13 h 48 min". In the machine's zone; now is the caller's. */
#ifndef KW_CLI_WHEN_H
#define KW_CLI_WHEN_H

#include <stdint.h>

#include "base/err.h"

#define WHEN_MAX 96

void when_put(char out[WHEN_MAX], uint64_t ms, uint64_t now_ms);         /* "03:12:07" on the same day, "tomorrow 06:00", else with its date; ms 0: "-" */
void when_put_short(char out[WHEN_MAX], uint64_t ms, uint64_t now_ms);   /* the same without seconds */
void when_put_until(char out[WHEN_MAX], uint64_t ms, uint64_t now_ms);   /* the same and, within 60 days, how long until then, or since */
void when_put_date(char out[WHEN_MAX], uint64_t ms);                      /* always with date and seconds, as it is written in the reader's language */
uint64_t when_parse_utc(const char *text);                               /* what the daemons write; 0: nothing, or no time */

/* A time (RFC 3339, or "22:15" of the last or next 24 hours), or a duration before or after now. KW_EINVAL, KW_ELIMIT. */
KW_MUST_USE enum kw_err when_parse_before(uint64_t *out, const char *text, uint64_t now_ms, const char *what, struct kw_why *why);
KW_MUST_USE enum kw_err when_parse_after(uint64_t *out, const char *text, uint64_t now_ms, const char *what, struct kw_why *why);

#endif
