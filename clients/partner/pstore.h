/*
 * pstore: a node's memory, one SQLite file: outbox, inbox, numbers and gaps, agreements, commits seen, cursors, handlers'
 * places, evidence. It keeps and finds; it decides nothing. One thread.
 *
 * Everything that changes happens between pstore_begin and pstore_commit, and is on disk, whole, when commit said KW_OK. Any
 * error of a change, KW_EFULL (disk or limit), KW_EIO, KW_ECORRUPT, KW_ENOMEM: nothing of the transaction happened once
 * pstore_rollback was called, which is due then. Rows' spans and texts live until the next call that gives a row of the same kind,
 * or any begin, commit or rollback. Bodies come and go as they were sealed by the caller.
 */
#ifndef KW_PARTNER_PSTORE_H
#define KW_PARTNER_PSTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "clients/partner/core/numbers.h"
#include "clients/partner/desk.h"
#include "proto/header.h"
#include "proto/wire.h"

struct pstore;

struct pstore_owner { /* compared at every start; another one is refused with KW_EDENIED */
	const char *partnership;
	const char *node;
	enum kw_mode mode;
};

/*
 * Makes the folder and the file where they are missing, takes the lock (KW_EEXISTS names who has it), checks schema version,
 * owner and the file's integrity. pages_max: the file's limit in pages of 4096 bytes, 0: none.
 */
KW_MUST_USE enum kw_err pstore_open(struct pstore **out, const char *folder, const struct pstore_owner *owner, uint32_t pages_max,
                                    struct kw_why *why);
void pstore_close(struct pstore **s);

KW_MUST_USE enum kw_err pstore_begin(struct pstore *s, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_commit(struct pstore *s, struct kw_why *why);
void pstore_rollback(struct pstore *s);
bool pstore_in_transaction(const struct pstore *s);
/* Within a transaction: what was done since the mark can be undone alone. Marks do not nest. */
KW_MUST_USE enum kw_err pstore_mark(struct pstore *s, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_mark_keep(struct pstore *s, struct kw_why *why);
void pstore_mark_undo(struct pstore *s);

/* ---- single values; 0 and "" where nothing was ever set ---- */
enum pstore_value {
	VALUE_SENDER_EPOCH,
	VALUE_LOG_EPOCH,
	VALUE_EPOCH_SINCE_MS,   /* when this log epoch was first heard of */
	VALUE_STOPPED,          /* 1: a fork was met, nothing is published */
	VALUE_COUNT
};
KW_MUST_USE enum kw_err pstore_value(uint64_t *out, struct pstore *s, enum pstore_value v, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_set_value(struct pstore *s, enum pstore_value v, uint64_t to, struct kw_why *why);

/* ---- agreements, in the order of their versions ---- */
KW_MUST_USE enum kw_err pstore_agreement_add(struct pstore *s, uint32_t version, struct span text, struct span sigs, uint64_t now_ms,
                                             struct kw_why *why);
KW_MUST_USE enum kw_err pstore_agreements(struct pstore *s, enum kw_err (*each)(void *self, struct span text, struct span sigs, struct kw_why *why),
                                          void *self, struct kw_why *why);

/* ---- commits seen ---- */
struct pstore_seen {
	bool known;
	struct commit_seen commit;   /* what is known under that number */
	bool heard;                  /* from a header alone, not from the broker */
	bool has_record;
	uint8_t record[WIRE_COMMIT_LEN];
};
KW_MUST_USE enum kw_err pstore_commit_get(struct pstore_seen *out, struct pstore *s, uint32_t log_epoch, uint64_t number, struct kw_why *why);
/* record NULL: heard of in a header. Keeps the newest 10,000. An entry that was heard is replaced by the broker's. */
KW_MUST_USE enum kw_err pstore_commit_add(struct pstore *s, uint32_t log_epoch, const struct commit_seen *c, const uint8_t *record,
                                          struct kw_why *why);
KW_MUST_USE enum kw_err pstore_commits_forget(struct pstore *s, struct kw_why *why);
/* The newest of the broker's own in that log epoch; number 0: none. */
KW_MUST_USE enum kw_err pstore_commit_newest(struct commit_seen *out, struct pstore *s, uint32_t log_epoch, struct kw_why *why);

/* ---- evidence: the first 10,000 pieces; what comes then is told in the log alone ---- */
KW_MUST_USE enum kw_err pstore_evidence_add(struct pstore *s, const char *kind, const char *text, struct span a, struct span b, uint64_t now_ms,
                                            struct kw_why *why);
struct pstore_evidence { uint64_t seq, at_ms; const char *kind, *text; };
KW_MUST_USE enum kw_err pstore_evidence(struct pstore *s, uint32_t newest, void (*each)(void *self, const struct pstore_evidence *e), void *self,
                                        struct kw_why *why);

/* ---- cursors ---- */
KW_MUST_USE enum kw_err pstore_cursors(struct lane_cursor out[KW_LANES], struct pstore *s, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_set_cursor(struct pstore *s, enum lane lane, struct lane_cursor to, struct kw_why *why);

/* ---- numbers: our own for each reader and lane, and those of senders ---- */
KW_MUST_USE enum kw_err pstore_take_number(uint64_t *out, struct pstore *s, const char *reader, enum lane lane, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_forget_numbers(struct pstore *s, struct kw_why *why); /* a new sender epoch counts from 1 */
KW_MUST_USE enum kw_err pstore_sender(struct numbers *known, enum number_place *place, struct pstore *s, const char *sender, enum lane lane,
                                      uint64_t epoch, uint64_t number, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_sender_step(struct pstore *s, const char *sender, enum lane lane, uint64_t epoch, uint64_t number,
                                           const struct number_step *step, uint64_t now_ms, struct kw_why *why);
/* The sender voids one of its numbers: a gap is closed by it, a number that is yet to come is known as void. */
KW_MUST_USE enum kw_err pstore_void(struct pstore *s, const char *sender, enum lane lane, uint64_t epoch, uint64_t number, uint64_t now_ms,
                                    struct kw_why *why);
struct pstore_gap { const char *sender; enum lane lane; uint64_t epoch, first, last, since_ms; };
KW_MUST_USE enum kw_err pstore_gaps(struct pstore *s, uint32_t limit, void (*each)(void *self, const struct pstore_gap *g), void *self,
                                    struct kw_why *why);

/* ---- outbox ---- */
struct out_new {
	const struct header *header;
	const uint8_t *frame_hash;      /* 32 */
	struct span frame, wraps;
	size_t head_len;
	struct span payload;            /* sealed by L */
	const uint8_t *cap_hash;        /* 32, or NULL */
	uint64_t confirm_by_ms;         /* 0: no confirmation awaited */
	uint64_t content_until_ms, proof_until_ms;
	bool own;                       /* made by this node itself: receipts and voids */
};
struct out_reader { const char *node; uint64_t number; };
KW_MUST_USE enum kw_err pstore_out_add(uint64_t *seq, struct pstore *s, const struct out_new *o, const struct out_reader *readers, uint32_t count,
                                       struct kw_why *why);

struct out_row {
	uint64_t seq;
	uint8_t id[KW_ID_LEN];
	uint8_t frame_hash[KW_HASH_LEN];
	enum lane lane;
	enum outbox_state state;
	enum notice_type type;
	uint64_t created_ms, expires_ms, confirm_by_ms;
	struct span frame, wraps;       /* whole, or the bare head once the content went */
	struct span payload;            /* sealed; empty: gone */
	const char *reason;
	struct position at;             /* stored */
	uint64_t commit, stored_ms;
	bool has_replacement;
	uint8_t replacement[KW_ID_LEN]; /* sealed anew as */
	bool own;
};
/* The first that waits in lane behind after_seq; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err pstore_out_next(struct out_row *out, struct pstore *s, enum lane lane, uint64_t after_seq, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_get(struct out_row *out, struct pstore *s, uint64_t seq, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_find(struct out_row *out, struct pstore *s, const uint8_t id[KW_ID_LEN], struct kw_why *why);
/* The first that waits and is past its time, behind after_seq. */
KW_MUST_USE enum kw_err pstore_out_expired(struct out_row *out, struct pstore *s, uint64_t after_seq, uint64_t now_ms, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_stored(struct pstore *s, uint64_t seq, const struct position *at, uint64_t commit, uint64_t now_ms,
                                          struct kw_why *why);
/* replacement may be NULL. */
KW_MUST_USE enum kw_err pstore_out_close(struct pstore *s, uint64_t seq, enum outbox_state state, const char *reason, const uint8_t *replacement,
                                         struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_reopen(struct pstore *s, uint64_t since_ms, struct kw_why *why); /* [C-11] stored since then: waiting again */

/* The id of the last own one that is known to be stored; *has false: none. */
KW_MUST_USE enum kw_err pstore_out_last_stored(bool *has, uint8_t id[KW_ID_LEN], struct pstore *s, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_waiting(uint64_t *count, struct pstore *s, struct kw_why *why);

struct out_confirm { const char *node; uint64_t number, at_ms; uint8_t receipt[KW_ID_LEN]; uint64_t rejected_ms; const char *reason; };
KW_MUST_USE enum kw_err pstore_out_readers(struct pstore *s, uint64_t seq, void (*each)(void *self, const struct out_confirm *c), void *self,
                                           struct kw_why *why);
/* KW_ENOTFOUND: node is no reader of it. The first confirmation stays. */
KW_MUST_USE enum kw_err pstore_out_confirm(struct pstore *s, uint64_t seq, const char *node, uint64_t at_ms, const uint8_t receipt[KW_ID_LEN],
                                           struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_rejected(struct pstore *s, uint64_t seq, const char *node, uint64_t at_ms, const char *reason, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_missing(uint32_t *missing, uint32_t *readers, struct pstore *s, uint64_t seq, struct kw_why *why);
/* Those with somebody missing and confirm_by before the time (UINT64_MAX: all), oldest first. */
KW_MUST_USE enum kw_err pstore_out_unconfirmed(struct pstore *s, uint64_t before_ms, uint32_t limit,
                                               void (*each)(void *self, const struct out_row *row), void *self, struct kw_why *why);

/* ---- inbox ---- */
enum receipt_state { RECEIPT_NONE, RECEIPT_DUE, RECEIPT_SAID };
struct in_new {
	const struct header *header;    /* NULL: not even that could be read */
	const uint8_t *frame_hash;      /* NULL likewise */
	struct span head;               /* as it came; of a broken one its first 4 KiB */
	enum lane lane;                 /* in which it came */
	uint64_t number;                /* the sender's; 0: not known */
	uint64_t received_ms;
	struct span payload;            /* sealed by L; empty: bare or rejected */
	const uint8_t *cap_hash;
	bool rejected, bare, outdated;
	const char *mark, *reason;
	enum receipt_state receipt;
	bool receipt_at_once;
	uint64_t content_until_ms, proof_until_ms;
	struct position at;
};
KW_MUST_USE enum kw_err pstore_in_add(uint64_t *seq, struct pstore *s, const struct in_new *i, struct kw_why *why);

struct in_known { uint64_t seq; bool same_frame; bool bare; };
/* By sender and id, of what was not rejected; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err pstore_in_known(struct in_known *out, struct pstore *s, const char *sender, const uint8_t id[KW_ID_LEN],
                                        const uint8_t frame_hash[KW_HASH_LEN], struct kw_why *why);
/* An original of the same partner: its seq, or KW_ENOTFOUND (another's, another text, or none). */
KW_MUST_USE enum kw_err pstore_in_original(uint64_t *seq, struct pstore *s, const char *partner, const struct about *about, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_in_mark(struct pstore *s, uint64_t seq, bool cancelled, bool superseded, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_in_set_mark(struct pstore *s, uint64_t seq, const char *mark, struct kw_why *why);
/* Who came with that number before; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err pstore_in_by_number(uint64_t *seq, struct pstore *s, const char *sender, enum lane lane, uint64_t epoch, uint64_t number,
                                            struct kw_why *why);

struct in_stored { /* a row as it lies there */
	uint64_t seq;
	uint8_t id[KW_ID_LEN];
	uint8_t frame_hash[KW_HASH_LEN];
	struct span head;
	struct span payload;
	enum lane lane;
	uint64_t received_ms;
	bool rejected, bare, outdated, cancelled, superseded;
	const char *mark, *reason;
	enum receipt_state receipt;
	bool receipt_at_once;
};
/* The first behind after_seq that the query lets through, its filter excepted, which is the caller's to match; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err pstore_in_next(struct in_stored *out, struct pstore *s, const struct inbox_query *q, uint64_t after_seq, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_in_get(struct in_stored *out, struct pstore *s, uint64_t seq, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_in_due(struct pstore *s, void (*each)(void *self, const struct in_stored *row), void *self, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_in_receipt_said(struct pstore *s, uint64_t seq, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_in_newest(uint64_t *seq, struct pstore *s, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_by_cap(struct about *out, struct pstore *s, const uint8_t cap_hash[KW_HASH_LEN], struct kw_why *why);

/* ---- handlers ---- */
KW_MUST_USE enum kw_err pstore_handler_seq(uint64_t *seq, struct pstore *s, const char *handler, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_handler_done(struct pstore *s, const char *handler, uint64_t seq, bool set_aside, const char *reason, uint64_t now_ms,
                                            struct kw_why *why);

/* ---- keeping, counting: content and proof when their time is over, rejected ones beyond the newest 10,000 ---- */
KW_MUST_USE enum kw_err pstore_sweep(uint32_t *done, struct pstore *s, uint64_t now_ms, uint32_t limit, struct kw_why *why);
struct pstore_counts {
	uint64_t out_waiting, out_stored, out_refused, out_expired, out_oldest_ms;
	uint64_t in_total, in_rejected, in_bare, in_newest;
	uint64_t gaps, evidence, handlers_set_aside, bytes;
};
KW_MUST_USE enum kw_err pstore_counts(struct pstore_counts *out, struct pstore *s, struct kw_why *why);

#endif
