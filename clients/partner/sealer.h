/*
 * sealer: from what somebody wants to send to a row in the outbox: rights and audience by the agreement in force, running
 * numbers, seal, and the payload kept sealed for a second sealing. Runs within the caller's transaction of the store; what
 * fails has changed nothing once that is rolled back. One thread.
 */
#ifndef KW_PARTNER_SEALER_H
#define KW_PARTNER_SEALER_H

#include "certs/agreement.h"
#include "clients/partner/pstore.h"

struct sealer;
KW_MUST_USE enum kw_err sealer_new(struct sealer **out, const struct secret_keys *keys); /* keys: borrowed */
void sealer_free(struct sealer **s);

struct sealing {
	/* topic, to, lane, created_ms, expires_ms, type, about, take_within_s, payload_type, confirm_at_once; the rest is filled in, the id too */
	struct header *header;
	struct span payload;
	const struct agreement *agreement;  /* in force */
	struct pstore *store;
	uint64_t sender_epoch;
	struct commit_seen seen;
	uint64_t now_ms;                    /* wall clock */
	uint64_t mono_ms;
	const uint8_t *cap_hash;            /* or NULL */
	bool own;                           /* receipts, voids */
	uint64_t content_max_ms;            /* the node keeps content no longer; 0: as the topic says */
};
/* KW_OK: the row stands in the outbox as seq, header is complete. */
KW_MUST_USE enum kw_err sealer_seal(uint64_t *seq, struct sealer *s, const struct sealing *in, struct kw_why *why);

/* The payload of an outbox row, opened; buf is marked secret by the caller. KW_ENOTFOUND: its content is gone. */
/* How long a content stays, of until_ms by the agreement: content_max_ms at most, where it is not 0; but a draft, which is needed whole for its release, as long as it holds. */
uint64_t sealer_content_until(uint64_t until_ms, const struct header *h, uint64_t now_ms, uint64_t content_max_ms);
KW_MUST_USE enum kw_err sealer_open(struct buf *payload, const struct sealer *s, const uint8_t id[KW_ID_LEN], struct span sealed, struct kw_why *why);
/* For the inbox. */
KW_MUST_USE enum kw_err sealer_close(struct buf *sealed, const struct sealer *s, const uint8_t id[KW_ID_LEN], struct span payload);
/* Under which a CAP identifier is found again, without telling it to who has the disk. */
void sealer_cap_hash(uint8_t out[KW_HASH_LEN], const struct sealer *s, const char *cap_id);

/* The same for every key that opens what this one closes, and tells nothing of it. */
void sealer_lock(uint8_t out[KW_HASH_LEN], const struct sealer *s);

/*
 * [P-9] Tells the readers of row, whose header is old, that its numbers will never come. in: as for sealer_seal, with a
 * header to be filled and no payload. KW_ENOTFOUND: nobody is left to be told.
 */
KW_MUST_USE enum kw_err sealer_void(uint64_t *seq, struct sealer *s, const struct sealing *in, uint64_t row, const struct header *old,
                                    const uint8_t frame_hash[KW_HASH_LEN], const char *reason, struct kw_why *why);

#endif
