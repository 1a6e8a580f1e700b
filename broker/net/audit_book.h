/*
 * audit_book: the broker's own audit trail: what does not stand in its log. Who was refused and why, which strangers knocked, what operators asked for
 * and did, when it started and stopped. Who sent, who could read, who confirmed, opened or took stands in the log and is not written twice
 * (docs/protocol.md section "Audit", docs/audit.md).
 */
#ifndef KW_BROKER_AUDIT_BOOK_H
#define KW_BROKER_AUDIT_BOOK_H

#include "audit/page.h"
#include "audit/trail_copy.h"
#include "proto/wire.h"

#define BOOK_PEERS 64u          /* whose refusals are counted apart in a minute; the others together */
#define BOOK_REFUSALS 10u       /* of one peer in a minute that stand one by one; the rest is a number */
#define BOOK_MINUTE_MS 60000u

struct audit_book;
struct book_config { const char *folder, *partnership; const struct secret_keys *keys; uint32_t keep_years; };

/* Errors as trail_open's. now_ms: wall clock. */
KW_MUST_USE enum kw_err audit_book_open(struct audit_book **out, const struct book_config *config, uint64_t now_ms, struct kw_why *why);
void audit_book_close(struct audit_book **b, uint64_t now_ms); /* accepts &NULL; tells that the broker stops, and signs */

/* All take NULL for b and do nothing then. */

/* A notification or move that was refused for good; id NULL: none. Never waits for the disk. */
void audit_book_refused(struct audit_book *b, const char *peer, enum wire_code code, const uint8_t *id, uint64_t now_ms);
/* What became so: the agreement in force, another log epoch, a configuration read again. object, detail: any text, or NULL. */
void audit_book_event(struct audit_book *b, const char *event, const char *object, const char *detail, uint64_t now_ms);
/* turned_away: keys that were not let in since the start. About once a second; what a minute held back is told at its end. */
void audit_book_tick(struct audit_book *b, uint64_t turned_away, uint64_t now_ms, uint64_t mono_ms);
/*
 * An operator asks for something: on disk when this returns KW_OK. What shows others' traffic is not shown when it fails; what an operator does in
 * need (stop, install) is done all the same, and the failure is in the log.
 */
KW_MUST_USE enum kw_err audit_book_operator(struct audit_book *b, const struct audit_record *r, uint64_t now_ms, struct kw_why *why);
/* How long nothing is to be done by audit_book_tick, ms; -1: for ever. */
long audit_book_wait_ms(const struct audit_book *b, uint64_t mono_ms);
/* What is wrong with it, one sentence, or NULL; *failing: what should stand there does not. */
const char *audit_book_trouble(const struct audit_book *b, bool *failing);
/* KW_ESTATE: there is no trail. Signs a head first where heads are asked for. */
KW_MUST_USE enum kw_err audit_book_page(struct buf *out, size_t most, struct audit_book *b, const struct page_ask *ask, uint64_t now_ms, struct kw_why *why);
/* Its files for a backup; none where b is NULL. Errors as trail_copy_begin's. */
KW_MUST_USE enum kw_err audit_book_copy(struct trail_copy *out, struct audit_book *b, uint64_t now_ms, struct kw_why *why);

#endif
