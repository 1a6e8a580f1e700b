/*
 * receipts: when "delivered" is to be said, and for which notifications under one signature (docs/protocol.md [D-11]).
 * Pure. What is due lies in the store too, so that a start begins where the last run ended.
 */
#ifndef KW_PARTNER_RECEIPTS_H
#define KW_PARTNER_RECEIPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/header.h"

#define RECEIPTS_WAIT_MS 20000u  /* well under the minute that is promised */

struct receipt_due {
	uint64_t seq;                       /* in the inbox */
	char sender[KW_NODE_MAX + 1];
	char topic[KW_TOPIC_MAX + 1];
	enum lane lane;
	bool at_once;                       /* the header asked for it; flash is at once anyway */
};

struct receipts;
KW_MUST_USE enum kw_err receipts_new(struct receipts **out);
void receipts_free(struct receipts **r);
void receipts_forget(struct receipts *r);  /* all of it, to be told again from the store */

KW_MUST_USE enum kw_err receipts_add(struct receipts *r, const struct receipt_due *due, uint64_t now_ms);

/*
 * The next batch that is due: seqs of one sender, topic and lane, oldest first, at most KW_RECEIPTS_MAX; it is forgotten
 * here with the answer. 0: nothing is due yet. A batch goes when its oldest is due, or when it is full.
 */
uint32_t receipts_take(struct receipts *r, uint64_t seqs[KW_RECEIPTS_MAX], uint64_t now_ms);
uint64_t receipts_wake_ms(const struct receipts *r); /* UINT64_MAX: nothing waits */
uint64_t receipts_count(const struct receipts *r);

#endif
