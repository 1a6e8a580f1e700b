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
#include "proto/entry.h"
#include "proto/header.h"
#include "proto/wire.h"

struct pstore;

struct pstore_owner { /* compared at every start; another one is refused with KW_EDENIED */
	const char *partnership;
	const char *node;
	enum kw_mode mode;
};

bool pstore_is_there(const char *folder); /* whether a store was begun in it */
/*
 * Makes the folder and the file where they are missing, takes the lock (KW_EEXISTS names who has it), checks schema version,
 * owner and the file's integrity. What a killed node left is on disk before it is read. pages_max: the file's limit in pages of 4096 bytes, 0: none.
 */
KW_MUST_USE enum kw_err pstore_open(struct pstore **out, const char *folder, const struct pstore_owner *owner, uint32_t pages_max,
                                    struct kw_why *why);
/* Another limit from now on, as pages_max above; 0: none. What is larger already stays. */
KW_MUST_USE enum kw_err pstore_limit(struct pstore *s, uint32_t pages_max, struct kw_why *why);
void pstore_close(struct pstore **s);

/* Which key's secret the contents are sealed under, as the caller names it; *has false: that was never set. */
KW_MUST_USE enum kw_err pstore_lock(bool *has, uint8_t out[KW_HASH_LEN], struct pstore *s, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_set_lock(struct pstore *s, const uint8_t lock[KW_HASH_LEN], struct kw_why *why);
/* Some content that lies there sealed; KW_ENOTFOUND: none. */
KW_MUST_USE enum kw_err pstore_any_sealed(uint8_t id[KW_ID_LEN], struct span *sealed, struct pstore *s, struct kw_why *why);

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
	VALUE_IN_HIGHEST,       /* pstore's own: the highest number of a row that was deleted as the newest */
	VALUE_OUT_HIGHEST,
	VALUE_COUNT
};
KW_MUST_USE enum kw_err pstore_value(uint64_t *out, struct pstore *s, enum pstore_value v, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_set_value(struct pstore *s, enum pstore_value v, uint64_t to, struct kw_why *why);

/* ---- agreements, in the order of their versions ---- */
KW_MUST_USE enum kw_err pstore_agreement_add(struct pstore *s, uint32_t version, struct span text, struct span sigs, uint64_t now_ms,
                                             struct kw_why *why);
/* When this node got it. KW_ENOTFOUND. */
KW_MUST_USE enum kw_err pstore_agreement_came(uint64_t *ms, struct pstore *s, uint32_t version, struct kw_why *why);
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
/* All of that log epoch, ascending; record empty: heard of in a header alone. */
KW_MUST_USE enum kw_err pstore_commits(struct pstore *s, uint32_t log_epoch, void (*each)(void *self, uint64_t number, const uint8_t hash[KW_HASH_LEN], struct span record),
                                       void *self, struct kw_why *why);
/* The newest of the broker's own in that log epoch; number 0: none. */
KW_MUST_USE enum kw_err pstore_commit_newest(struct commit_seen *out, struct pstore *s, uint32_t log_epoch, struct kw_why *why);

/* ---- evidence: the first 10,000 pieces; what comes then is told in the log alone ---- */
KW_MUST_USE enum kw_err pstore_evidence_add(struct pstore *s, const char *kind, const char *text, struct span a, struct span b, uint64_t now_ms,
                                            struct kw_why *why);
struct pstore_evidence { uint64_t seq, at_ms; const char *kind, *text; };
KW_MUST_USE enum kw_err pstore_evidence(struct pstore *s, uint32_t newest, void (*each)(void *self, const struct pstore_evidence *e), void *self,
                                        struct kw_why *why);

/* ---- nodes that an operator suspended: the newest of each ---- */
/* Whether this very one stands there. */
KW_MUST_USE enum kw_err pstore_suspension_known(bool *known, struct pstore *s, const struct entry_suspension *e, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_suspension_set(struct pstore *s, const struct entry_suspension *e, struct span entry, struct kw_why *why);
struct pstore_suspension { const char *node, *by, *reason; uint64_t from_ms, until_ms; };
/* Those that hold at now_ms, by name. */
KW_MUST_USE enum kw_err pstore_suspensions(struct pstore *s, uint64_t now_ms, void (*each)(void *self, const struct pstore_suspension *x), void *self, struct kw_why *why);

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
	const uint8_t *moves;           /* id of the case that it moves, or NULL */
	uint64_t confirm_by_ms;         /* 0: no confirmation awaited */
	uint64_t answer_by_ms;          /* 0: nobody must answer */
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
	uint64_t created_ms, expires_ms, confirm_by_ms, answer_by_ms;
	uint32_t late;                  /* of enum out_late */
	struct span frame, wraps;       /* whole, or the bare head once the content went */
	struct span payload;            /* sealed; empty: gone */
	const char *reason;
	struct position at;             /* stored */
	uint64_t commit, stored_ms;
	struct span proof;              /* commit record, 4 bytes of index, path: where it is stored */
	bool has_replacement;
	uint8_t replacement[KW_ID_LEN]; /* sealed anew as */
	bool own;
};
enum out_late { /* what was looked at when its time was over; each once */
	LATE_CONFIRM = 1, /* who has not got it */
	LATE_ANSWER = 2,  /* who has not answered */
	LATE_SETTLED = 4, /* all have answered since */
	LATE_RECALLED = 8, /* a forward: taken back */
	LATE_ERASED = 16,  /* recalled or withdrawn, and what it said is gone; pstore_out_erase says so */
};
/* The first that waits in lane behind after_seq; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err pstore_out_next(struct out_row *out, struct pstore *s, enum lane lane, uint64_t after_seq, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_get(struct out_row *out, struct pstore *s, uint64_t seq, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_find(struct out_row *out, struct pstore *s, const uint8_t id[KW_ID_LEN], struct kw_why *why);
/* The ids behind after in their order, at most limit of them; each returns false to stop. The one of zeros is before all. */
KW_MUST_USE enum kw_err pstore_out_ids(struct pstore *s, const uint8_t after[KW_ID_LEN], uint32_t limit, bool (*each)(void *self, const uint8_t id[KW_ID_LEN]), void *self,
                                       struct kw_why *why);
/* The newest that people and programs here sent (desk_is_sent) with before_seq > seq >= from_seq, made at or after since_ms, and not sealed anew; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err pstore_out_before(struct out_row *out, struct pstore *s, uint64_t before_seq, uint64_t from_seq, uint64_t since_ms, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_newest(uint64_t *seq, struct pstore *s, struct kw_why *why); /* of all rows; 0: none */
KW_MUST_USE enum kw_err pstore_out_oldest(uint64_t *seq, struct pstore *s, struct kw_why *why);
/* Of its readers how many there are, have confirmed, have rejected it, and have opened it. */
struct out_tally { uint32_t readers, delivered, rejected, opened; };
KW_MUST_USE enum kw_err pstore_out_tally(struct out_tally *out, struct pstore *s, uint64_t seq, struct kw_why *why);
/* The first that waits in lane and is past its time, behind after_seq; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err pstore_out_expired(struct out_row *out, struct pstore *s, enum lane lane, uint64_t after_seq, uint64_t now_ms, struct kw_why *why);
/* Its first time and what first proved it stay. */
KW_MUST_USE enum kw_err pstore_out_stored(struct pstore *s, uint64_t seq, const struct position *at, uint64_t commit, struct span proof, uint64_t now_ms,
                                          struct kw_why *why);
/* Another than but that is stored at that place, and its commit; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err pstore_out_at(uint64_t *seq, uint64_t *commit, struct pstore *s, const struct position *at, uint64_t but, struct kw_why *why);
/* replacement may be NULL. */
KW_MUST_USE enum kw_err pstore_out_close(struct pstore *s, uint64_t seq, enum outbox_state state, const char *reason, const uint8_t *replacement,
                                         struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_reopen(struct pstore *s, uint64_t since_ms, struct kw_why *why); /* [C-11] stored since then: waiting again */
KW_MUST_USE enum kw_err pstore_out_leave(struct pstore *s, uint64_t seq, struct kw_why *why); /* and back: stored where it was before */

/* The id of the last own one that is known to be stored; *has false: none. */
KW_MUST_USE enum kw_err pstore_out_last_stored(bool *has, uint8_t id[KW_ID_LEN], struct pstore *s, struct kw_why *why);
/* *waits: a move of this node in that case is not answered yet. */
KW_MUST_USE enum kw_err pstore_out_moves(bool *waits, struct pstore *s, const uint8_t id[KW_ID_LEN], struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_waiting(uint64_t *count, struct pstore *s, struct kw_why *why);

/* The newest one that was forwarded, before before_seq; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err pstore_out_forwarded(struct out_row *out, struct pstore *s, uint64_t before_seq, struct kw_why *why);
/* The newest recall before before_seq; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err pstore_out_recall(struct out_row *out, struct pstore *s, uint64_t before_seq, struct kw_why *why);

struct out_confirm {
	const char *node;
	uint64_t number, at_ms;
	uint8_t receipt[KW_ID_LEN];
	uint64_t rejected_ms;
	const char *reason;
	uint64_t opened_ms;             /* somebody there read it, 0: not that we know */
	uint8_t opened_receipt[KW_ID_LEN];
};
KW_MUST_USE enum kw_err pstore_out_readers(struct pstore *s, uint64_t seq, void (*each)(void *self, const struct out_confirm *c), void *self,
                                           struct kw_why *why);
/* KW_ENOTFOUND: node is no reader of it. The first confirmation stays. */
KW_MUST_USE enum kw_err pstore_out_confirm(struct pstore *s, uint64_t seq, const char *node, uint64_t at_ms, const uint8_t receipt[KW_ID_LEN],
                                           struct kw_why *why);
/* The same for "opened". */
KW_MUST_USE enum kw_err pstore_out_opened(struct pstore *s, uint64_t seq, const char *node, uint64_t at_ms, const uint8_t receipt[KW_ID_LEN], struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_rejected(struct pstore *s, uint64_t seq, const char *node, uint64_t at_ms, const char *reason, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_missing(uint32_t *missing, uint32_t *readers, struct pstore *s, uint64_t seq, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_looked_at(struct pstore *s, uint64_t seq, uint32_t late, struct kw_why *why);
/* Those of whose limits one has not been looked at; what all have confirmed and nobody must answer is left out. */
KW_MUST_USE enum kw_err pstore_out_awaited(struct pstore *s, uint32_t limit, void (*each)(void *self, const struct out_row *row), void *self, struct kw_why *why);
/* The first behind after_seq whose answers are late and not settled, and that is not over at now_ms; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err pstore_out_unanswered(struct out_row *out, struct pstore *s, uint64_t after_seq, uint64_t now_ms, struct kw_why *why);
/* Is there one that is not over at now_ms, and somebody has not confirmed it in time? */
KW_MUST_USE enum kw_err pstore_out_any_unconfirmed(bool *out, struct pstore *s, uint64_t now_ms, struct kw_why *why);
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
	struct span proof;              /* of a receipt, sealed by L: its content key and its body, for who is to be shown what it said */
	const uint8_t *cap_hash;
	bool rejected, bare, outdated;
	bool awaits_recall;             /* left out as recalled, and the recall is not here yet */
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
/* The ids of what was not rejected, as pstore_out_ids; one that several senders used comes so many times. */
KW_MUST_USE enum kw_err pstore_in_ids(struct pstore *s, const uint8_t after[KW_ID_LEN], uint32_t limit, bool (*each)(void *self, const uint8_t id[KW_ID_LEN]), void *self,
                                      struct kw_why *why);
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
	const char *topic;              /* "" where there was no header */
	struct span proof;              /* sealed; of receipts */
	bool opened;                    /* the sender was told that somebody here read it */
	uint32_t type;                  /* enum notice_type, IN_TYPE_CASE or IN_TYPE_SUSPENSION */
};
#define IN_TYPE_CASE 64u       /* the row is a statement of the broker's about a case, which head holds */
#define IN_TYPE_SUSPENSION 65u /* it is one about a suspension */
/* The first behind after_seq that the query lets through, its filter excepted, which is the caller's to match; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err pstore_in_next(struct in_stored *out, struct pstore *s, const struct inbox_query *q, uint64_t after_seq, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_in_get(struct in_stored *out, struct pstore *s, uint64_t seq, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_in_due(struct pstore *s, void (*each)(void *self, const struct in_stored *row), void *self, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_in_receipt_said(struct pstore *s, uint64_t seq, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_in_opened(struct pstore *s, uint64_t seq, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_in_newest(uint64_t *seq, struct pstore *s, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_by_cap(struct about *out, struct pstore *s, const uint8_t cap_hash[KW_HASH_LEN], struct kw_why *why);

/* Somebody's word about it came before: rows of these types about id, newest first; KW_ENOTFOUND: none (behind before_seq). */
KW_MUST_USE enum kw_err pstore_in_about(struct in_stored *out, struct pstore *s, const uint8_t id[KW_ID_LEN], uint64_t before_seq, struct kw_why *why);
/* The oldest rows that await their recall, at most limit. */
KW_MUST_USE enum kw_err pstore_in_awaiting_recall(struct pstore *s, uint32_t limit, void (*each)(void *self, uint64_t seq), void *self, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_in_awaits_no_recall(struct pstore *s, uint64_t seq, struct kw_why *why);
/* Recalled: what it said is gone from the file, its head stays; it awaits no recall any more. */
KW_MUST_USE enum kw_err pstore_in_erase(struct pstore *s, uint64_t seq, const char *mark, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_out_erase(struct pstore *s, uint64_t seq, struct kw_why *why); /* not of one that waits */

/* ---- cases: the heads of what opened them, the entries that the log has about them, and how they stand by these ---- */
struct pstore_case {
	uint8_t id[KW_ID_LEN];
	uint8_t frame_hash[KW_HASH_LEN];
	struct position at;             /* of its notification */
	bool sent;                      /* by this node */
	struct span head;               /* of its notification's frame */
	uint64_t told;                  /* number of the newest statement that people were told of */
	bool parted;
	enum case_state state;
	const char *owner, *next;       /* next "": nobody */
	uint64_t until_ms;
	uint32_t alarms;
	uint64_t changed_ms;            /* on this node's clock */
};
/* id, frame_hash, at, sent, head, owner, state; the rest begins empty. KW_EEXISTS: a case of this id is here. */
KW_MUST_USE enum kw_err pstore_case_add(struct pstore *s, const struct pstore_case *c, uint64_t proof_until_ms, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_case_get(struct pstore_case *out, struct pstore *s, const uint8_t id[KW_ID_LEN], struct kw_why *why);
/* told, parted, state, owner, next, until_ms, alarms, changed_ms */
KW_MUST_USE enum kw_err pstore_case_set(struct pstore *s, const struct pstore_case *c, struct kw_why *why);
/* The ids of the newest, or of the open ones alone by their limits, the nearest first; at most limit. */
KW_MUST_USE enum kw_err pstore_cases(struct pstore *s, bool open, uint32_t limit, void (*each)(void *self, const uint8_t id[KW_ID_LEN]), void *self,
                                     struct kw_why *why);
/* open: all that are; mine: this node's turn, or taken by it; overdue: with alarms. */
struct case_counts { uint64_t open, mine, overdue; };
KW_MUST_USE enum kw_err pstore_case_counts(struct case_counts *out, struct pstore *s, const char *node, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_cases_overdue(bool *out, struct pstore *s, struct kw_why *why); /* whether any is: case_counts looks at every open case */

struct pstore_case_entry {
	uint8_t id[KW_ID_LEN];          /* of the case */
	struct position at;
	enum notice_type type;          /* of the move; 0: a statement of the broker's */
	const char *actor, *next;       /* "" for statements */
	uint32_t version;               /* of the agreement that the move names */
	uint64_t at_ms;                 /* by who made it */
	uint8_t receipt[KW_ID_LEN];     /* the move's id */
	struct span statement;
};
/* KW_EEXISTS: it is here; KW_EDENIED: another stands at that number. */
KW_MUST_USE enum kw_err pstore_case_entry_add(struct pstore *s, const struct pstore_case_entry *e, uint64_t proof_until_ms, struct kw_why *why);
/* In the log's order; each: KW_OK goes on. The store is not to be asked meanwhile. */
KW_MUST_USE enum kw_err pstore_case_entries(struct pstore *s, const uint8_t id[KW_ID_LEN], enum kw_err (*each)(void *self, const struct pstore_case_entry *e),
                                            void *self, struct kw_why *why);
/* What the broker stated at that number; empty: nothing, or a move stands there. */
KW_MUST_USE enum kw_err pstore_case_statement(struct span *out, struct pstore *s, const uint8_t id[KW_ID_LEN], uint64_t number, struct kw_why *why);
/* [C-11] Another log epoch began there: what stood at or behind it in an earlier one is gone from the log. */
KW_MUST_USE enum kw_err pstore_cases_cut(struct pstore *s, enum lane lane, uint32_t log_epoch, uint64_t from, struct kw_why *why);

/* ---- release: drafts of this node and those it is asked to approve, what was said about them, and what was released ---- */
enum draft_state { /* the numbers stand in the store */
	DRAFT_OPEN,
	DRAFT_RELEASED,
	DRAFT_REFUSED,
	DRAFT_REPLACED,   /* by another draft */
	DRAFT_EXPIRED,
	DRAFT_WITHDRAWN,  /* recalled by its author */
	DRAFT_FAILED,     /* the broker refused it, or its content is gone */
};
struct pstore_draft {
	uint8_t id[KW_ID_LEN];
	uint8_t frame_hash[KW_HASH_LEN];
	bool mine;
	const char *author, *topic;
	enum draft_state state;
	uint8_t text_hash[KW_HASH_LEN];
	uint64_t created_ms, expires_ms, not_before_ms;
	bool has_about;
	uint8_t about[KW_ID_LEN];       /* what it corrects, or the draft that it replaces */
	bool has_other;
	uint8_t other[KW_ID_LEN];       /* released as, replaced by */
	uint64_t changed_ms;
};
/* All but state, other and changed_ms. KW_EEXISTS. */
KW_MUST_USE enum kw_err pstore_draft_add(struct pstore *s, const struct pstore_draft *d, uint64_t now_ms, uint64_t proof_until_ms, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_draft_get(struct pstore_draft *out, struct pstore *s, const uint8_t id[KW_ID_LEN], struct kw_why *why);
/* other: NULL for none. */
KW_MUST_USE enum kw_err pstore_draft_set(struct pstore *s, const uint8_t id[KW_ID_LEN], enum draft_state state, const uint8_t *other, uint64_t now_ms, struct kw_why *why);
/* Sealed anew: another id and frame; what was said about the one before does not count. */
KW_MUST_USE enum kw_err pstore_draft_rename(struct pstore *s, const uint8_t id[KW_ID_LEN], const uint8_t to[KW_ID_LEN], const uint8_t frame_hash[KW_HASH_LEN],
                                            uint64_t created_ms, struct kw_why *why);
/* The ids of at most limit: the open ones, the nearest expiry first; or all, the newest change first. */
KW_MUST_USE enum kw_err pstore_drafts(struct pstore *s, bool open, uint32_t limit, void (*each)(void *self, const uint8_t id[KW_ID_LEN]), void *self, struct kw_why *why);
/* Of the open ones this node's own, and those whose time is over; the nearest expiry first. */
KW_MUST_USE enum kw_err pstore_drafts_due(struct pstore *s, uint64_t now_ms, uint32_t limit, void (*each)(void *self, const uint8_t id[KW_ID_LEN]), void *self,
                                          struct kw_why *why);
/* The open ones of that author's partner that are about this, or are it themselves. */
KW_MUST_USE enum kw_err pstore_drafts_about(struct pstore *s, const uint8_t about[KW_ID_LEN], const char *partner,
                                            void (*each)(void *self, const uint8_t id[KW_ID_LEN]), void *self, struct kw_why *why);
struct pstore_answer { const char *node; bool approved; uint8_t receipt[KW_ID_LEN]; uint64_t at_ms; };
/* One of each node, the last that came; but no approval takes the place of a refusal. */
KW_MUST_USE enum kw_err pstore_answer_add(struct pstore *s, const uint8_t draft[KW_ID_LEN], const struct pstore_answer *a, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_answers(struct pstore *s, const uint8_t draft[KW_ID_LEN], void (*each)(void *self, const struct pstore_answer *a), void *self,
                                       struct kw_why *why);
/* As a reader: of each draft one is taken. corrects: NULL for nothing. KW_EEXISTS: another was. */
KW_MUST_USE enum kw_err pstore_released_add(struct pstore *s, const uint8_t draft[KW_ID_LEN], const uint8_t id[KW_ID_LEN], const uint8_t *corrects,
                                            uint64_t proof_until_ms, struct kw_why *why);
/* The newest that corrects what has this id; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err pstore_released_correcting(uint8_t id[KW_ID_LEN], struct pstore *s, const uint8_t corrects[KW_ID_LEN], struct kw_why *why);

/* ---- handlers ---- */
/* KW_ENOTFOUND: it never had a place. */
KW_MUST_USE enum kw_err pstore_handler_get(struct desk_place *out, struct pstore *s, const char *handler, struct kw_why *why);
/* seq never goes back. */
KW_MUST_USE enum kw_err pstore_handler_put(struct pstore *s, const char *handler, const struct desk_place *place, struct kw_why *why);
KW_MUST_USE enum kw_err pstore_set_aside(struct pstore *s, const char *handler, uint64_t seq, const char *reason, uint64_t now_ms, struct kw_why *why);

/* ---- the spool: files that became notifications and do not lie in sent/ yet; place is the file's path in the spool ---- */
KW_MUST_USE enum kw_err pstore_spool_put(struct pstore *s, const char *place, const uint8_t id[KW_ID_LEN], struct kw_why *why);
KW_MUST_USE enum kw_err pstore_spool_get(uint8_t id[KW_ID_LEN], struct pstore *s, const char *place, struct kw_why *why); /* KW_ENOTFOUND */
KW_MUST_USE enum kw_err pstore_spool_forget(struct pstore *s, const char *place, struct kw_why *why); /* NULL: all */

/* ---- keeping, counting: content and proof when their time is over, rejected ones beyond the newest 10,000 ---- */
KW_MUST_USE enum kw_err pstore_sweep(uint32_t *done, struct pstore *s, uint64_t now_ms, uint32_t limit, struct kw_why *why);
/*
 * Outside a transaction, after sweeps: what they deleted goes from the files too. SQLite writes changed pages behind each other into
 * a second file, where the older ones stand until it happens to be written over; here all goes into the store and that file is
 * emptied. An error (KW_EFULL, KW_EIO, KW_ESTATE: another program reads the file) leaves everything right, and is to be tried again.
 */
KW_MUST_USE enum kw_err pstore_scour(struct pstore *s, struct kw_why *why);

/*
 * A copy of the file while the node goes on. begin empties SQLite's log into the file, outside a transaction; until end that log grows. KW_ESTATE: another
 * program has the store open; KW_EFULL, KW_EIO, KW_ENOMEM: nothing changed.
 */
struct pstore_copy;
KW_MUST_USE enum kw_err pstore_copy_begin(struct pstore_copy **out, struct pstore *s, struct kw_why *why);
uint64_t pstore_copy_bytes(const struct pstore_copy *c);
/* Appends what stands from place on, at most most bytes; nothing behind the end. */
KW_MUST_USE enum kw_err pstore_copy_read(struct buf *out, struct pstore_copy *c, uint64_t place, size_t most, struct kw_why *why);
void pstore_copy_end(struct pstore_copy **c); /* accepts &NULL */
uint32_t pstore_version(void);                /* of the schema that is known here */

struct pstore_counts {
	uint64_t out_waiting, out_stored, out_refused, out_expired, out_oldest_ms;
	uint64_t in_total, in_rejected, in_bare, in_newest;
	uint64_t gaps, evidence, handlers_set_aside, bytes;
};
KW_MUST_USE enum kw_err pstore_counts(struct pstore_counts *out, struct pstore *s, struct kw_why *why);

#endif
