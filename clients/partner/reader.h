/*
 * reader: a reader's checks of what the broker delivered, in the order of docs/protocol.md [D-6], each with its own sentence. It
 * trusts nothing that came and asks no store: duplicates and running numbers are its caller's. One thread.
 */
#ifndef KW_PARTNER_READER_H
#define KW_PARTNER_READER_H

#include <stdbool.h>

#include "base/span.h"
#include "certs/agreement_chain.h"
#include "proto/frame.h"
#include "proto/header.h"
#include "proto/seal.h"
#include "proto/wire.h"

enum reader_verdict {
	READER_FINE,      /* all held; payload is opened where a body came */
	READER_HOLD,      /* the agreement version is not here yet: ask for it, keep the lane waiting [D-5] */
	READER_REJECTED,  /* why says what did not hold */
	READER_FAILED,    /* not the message's fault: out of memory */
};

enum reader_step { /* where it stopped */
	STEP_SIZES, STEP_HEADER, STEP_PLACE, STEP_AGREEMENT, STEP_SENDER, STEP_AUDIENCE, STEP_SIGNATURE, STEP_BODY_HASH, STEP_WRAP,
	STEP_BODY, STEP_PAYLOAD, STEP_RELEASE, STEP_ALL,
};
const char *reader_step_name(enum reader_step s);

struct reader { /* who reads, and with what; borrowed */
	const char *node;
	const struct agreement_chain *chain;
	struct seal_opener *opener;
	struct seal_opener *before;      /* of the key that this node had before its present one; NULL: none is kept */
	uint64_t now_ms;                 /* wall clock, for embargoes */
};

struct reading { /* free with reading_free */
	enum reader_verdict verdict;
	enum reader_step step;
	bool has_header;
	struct header header;
	struct frame frame;              /* spans into the bytes given */
	uint8_t frame_hash[KW_HASH_LEN]; /* with the header */
	bool signature_held;
	bool has_number;                 /* a bare head may come without its wrap, once that is gone */
	uint64_t number;                 /* the sender's, from the wrap */
	bool outdated;                   /* what the newest version would not allow */
	bool whole;                      /* a body came and is opened */
	uint8_t content_key[KW_KEY_LEN]; /* where whole; wiped by reading_free */
	struct buf payload;              /* marked secret */
	struct about corrects;           /* released: what its draft was about */
	struct kw_why why;
};

/*
 * The first two steps alone: sizes and header, so that a duplicate costs no more. KW_OK: reader_check may follow with the
 * same reading. Else verdict and why are set.
 */
KW_MUST_USE enum kw_err reader_head(struct reading *out, struct span bytes, enum wire_mark mark);
/* The rest. */
void reader_check(struct reading *r, const struct reader *reader, const struct wire_deliver *d);
void reading_free(struct reading *r);

#endif
