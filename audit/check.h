/*
 * check: whether lines of a trail are what their owner wrote: hashes, links, numbers without holes, heads signed and often enough, removed years
 * told of, and, against heads that others have seen, nothing cut off or replaced. Offline; knows public keys alone. Pure.
 */
#ifndef KW_AUDIT_CHECK_H
#define KW_AUDIT_CHECK_H

#include "audit/record.h"
#include "certs/keys.h"

struct audit_seen { uint64_t number; uint8_t hash[KW_HASH_LEN]; }; /* of a record, as a head told it to somebody */

struct audit_check { /* begin with audit_check_begin; all of it may be read */
	char partnership[256];
	struct public_key key;            /* by which heads are verified now */
	bool has_key, partial;
	uint64_t first, last;             /* numbers of records; 0: none yet */
	uint64_t records, heads, signed_to;
	uint8_t hash[KW_HASH_LEN];        /* of the last */
	uint8_t before_first[KW_HASH_LEN];
	uint64_t removed_to;              /* as a record of removal says; 0: none did */
	uint8_t removed_hash[KW_HASH_LEN];
	uint64_t first_ms, last_ms;
	uint64_t keys;                    /* how many keys signed, one after the other */
	uint64_t damaged;                 /* the last record that tells of a file that was set aside; 0: none */
	char damage[512];                 /* which, and what of it did not hold */
	const struct audit_seen *seen;    /* ascending; borrowed */
	size_t seen_count, seen_at;
	uint64_t seen_met;
};

/*
 * key: the owner's, when it is known from elsewhere (an agreement); NULL: the one that the trail names in its own first record, which the
 * caller shows. partial: a part of a trail, which may begin anywhere: what comes before is covered by the first head's hash and not looked at.
 */
void audit_check_begin(struct audit_check *c, const char *partnership, const struct public_key *key, bool partial, const struct audit_seen *seen, size_t seen_count);
/* KW_ECORRUPT or KW_ECRYPTO: the first thing that does not hold. l: as read, or NULL. */
KW_MUST_USE enum kw_err audit_check_line(struct audit_check *c, const struct audit_line *l, struct kw_why *why);
/* All lines were given: nothing is missing at either end, as far as can be known. */
KW_MUST_USE enum kw_err audit_check_end(const struct audit_check *c, struct kw_why *why);

#endif
