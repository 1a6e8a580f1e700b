/*
 * zone: the local time of a place, daylight saving and its changes over the years included.
 *
 * A zone is read from the system's tables (TZif, RFC 8536; package tzdata) once and immutable then: no environment variable,
 * no global state, any thread. Times after the last change in the table follow the rule at the table's end for ever.
 */
#ifndef KW_CERTS_ZONE_H
#define KW_CERTS_ZONE_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define ZONE_NAME_MAX 48

struct zone;

/*
 * The zone called name ("Europe/Berlin"). KW_EINVAL: no name of a zone; KW_ENOTFOUND: this machine has no such table, or no
 * tables at all; KW_EPROTO: its table is damaged.
 */
KW_MUST_USE enum kw_err zone_read(struct zone **out, const char *name, struct kw_why *why);
/* The same from a table's bytes. Version 2 or later, no leap seconds, at most 2,000 changes. */
KW_MUST_USE enum kw_err zone_parse(struct zone **out, struct span table, struct kw_why *why);
void zone_free(struct zone **z);

/* Seconds that local time is ahead of UTC at Unix time unix_s, which lies less than 2^55 before or behind 1970. */
int32_t zone_offset(const struct zone *z, int64_t unix_s);

struct local_time {
	int64_t day;        /* of the calendar: days since 1970-01-01 */
	uint8_t weekday;    /* 0: Monday */
	uint16_t minute;    /* of the day, 0..1439 */
};
struct local_time zone_local(const struct zone *z, uint64_t unix_ms);

/* The first millisecond of the next local minute: until then zone_local says the same. */
uint64_t zone_next_minute(const struct zone *z, uint64_t unix_ms);

#endif
