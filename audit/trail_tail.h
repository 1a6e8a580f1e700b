/*
 * trail_tail: how one file of a trail begins and ends, and what of its end holds: what a start builds upon. Of a long file the last
 * TAIL_BYTES alone are read, so that a start takes no longer in December than in January; who wants all checked has check.h.
 */
#ifndef KW_AUDIT_TRAIL_TAIL_H
#define KW_AUDIT_TRAIL_TAIL_H

#include "audit/record.h"
#include "certs/keys.h"

#define TAIL_BYTES (8u * 1024u * 1024u) /* more than the records between two heads can have */

struct tail {
	uint64_t number;            /* of the last record that holds; where changed: of the last one that can be read; 0: none */
	uint8_t hash[KW_HASH_LEN];  /* of it */
	uint64_t signed_to;         /* the last head's */
	uint64_t whole, size;       /* it holds up to here; what there is */
	bool torn;                  /* behind whole stands the beginning of one line and nothing else */
	bool changed;               /* behind what does not hold stands a signed head, so it was whole on disk once and is not any more */
	bool newer;                 /* what does not hold has a key that is not known here, and its hash holds */
	char why[KW_WHY_MAX];       /* the first thing that does not hold, with file and byte; "": all of it holds */
};

/* mine: whose trail it must be. KW_EDENIED: it is another's. KW_ESTATE: the owner signed what a newer program wrote. KW_EIO, KW_ENOMEM. */
KW_MUST_USE enum kw_err tail_read(struct tail *out, const char *path, const char *partnership, const struct public_key *mine, struct kw_why *why);

/* The first record's number and what it has before it. KW_ENOTFOUND: the file begins with none that can be read. */
KW_MUST_USE enum kw_err tail_first(uint64_t *number, uint8_t before[KW_HASH_LEN], const char *path, struct kw_why *why);

#endif
