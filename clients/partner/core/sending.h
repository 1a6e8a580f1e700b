/*
 * sending: what of the outbox is offered next, and what an answer means for it (docs/protocol.md [P-5], [P-8], [P-10], [P-11]).
 * Pure. The outbox itself lies in the store; here is only what is unanswered, one window a lane, and how far each lane was
 * offered. Outbox numbers (seq) go up in the order in which things were accepted.
 */
#ifndef KW_PARTNER_SENDING_H
#define KW_PARTNER_SENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/wire.h"

#define SENDING_MOST 1024u           /* unanswered in one lane, whatever the broker would allow */
#define SENDING_ANSWER_MS 60000u     /* an unanswered publish is a reason to look for another connection */

struct sending;
KW_MUST_USE enum kw_err sending_new(struct sending **out);
void sending_free(struct sending **s);

void sending_stop(struct sending *s);   /* the connection is gone: nothing is unanswered, everything is offered again */
void sending_start(struct sending *s, const struct lane_window window[KW_LANES]); /* welcome came */
void sending_added(struct sending *s, enum lane lane); /* something new waits in that lane */

/*
 * Which lane to take from, highest first, and behind which seq; bytes_free is what the window has left. False: nothing
 * can go now. The caller answers with sending_offered or sending_empty, and asks again.
 */
bool sending_want(struct sending *s, enum lane *lane, uint64_t *after_seq, uint32_t *bytes_free, uint64_t now_ms);
/* seq was sent, or is among the unanswered already (sending_unanswered). */
void sending_offered(struct sending *s, enum lane lane, uint64_t seq, const uint8_t id[KW_ID_LEN], uint32_t bytes, uint64_t now_ms);
void sending_skip(struct sending *s, enum lane lane, uint64_t seq);
void sending_empty(struct sending *s, enum lane lane);
void sending_full(struct sending *s, enum lane lane); /* the next one does not fit the bytes left */
bool sending_unanswered(const struct sending *s, enum lane lane, uint64_t seq);

/* True: it was unanswered, and is no longer. */
bool sending_stored(struct sending *s, const uint8_t id[KW_ID_LEN]);

enum sending_fate {
	SENDING_UNKNOWN,   /* nothing of ours waits for this answer */
	SENDING_AGAIN,     /* offered again by itself, after the wait and when all of that lane is answered, and with it what stands behind it */
	SENDING_FOR_GOOD,  /* never; the number is voided */
	SENDING_ANEW,      /* sealed anew under the agreement in force; sending_back_to, where that is not here yet */
};
enum sending_fate sending_refused(struct sending *s, const uint8_t id[KW_ID_LEN], enum wire_code code, uint32_t wait_ms, uint64_t now_ms);

/* It waits still and is offered again after the wait, and with it what stands behind it. */
void sending_back_to(struct sending *s, enum lane lane, uint64_t seq, uint32_t wait_ms, uint64_t now_ms);

/* [P-11] Goes into the publish of what is offered next in that lane. */
uint32_t sending_round(const struct sending *s, enum lane lane);

uint32_t sending_count(const struct sending *s, enum lane lane); /* unanswered */
bool sending_stalled(const struct sending *s, uint64_t now_ms);  /* something is unanswered for SENDING_ANSWER_MS */
uint64_t sending_wake_ms(const struct sending *s);               /* UINT64_MAX: no wait is running */

#endif
