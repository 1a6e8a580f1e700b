/* node_parts: what the files of node share. Nothing outside of clients/partner/node*.c and desk*.c includes it. */
#ifndef KW_PARTNER_NODE_PARTS_H
#define KW_PARTNER_NODE_PARTS_H

#include "audit/trail.h"
#include "backup/backup_last.h"
#include "backup/restored.h"
#include "certs/agreement_chain.h"
#include "clients/partner/actors.h"
#include "clients/partner/core/catchup.h"
#include "clients/partner/core/confirmations.h"
#include "clients/partner/core/link.h"
#include "clients/partner/core/recalls.h"
#include "clients/partner/core/receipts.h"
#include "clients/partner/core/sending.h"
#include "clients/partner/net.h"
#include "clients/partner/node.h"
#include "clients/partner/pstore.h"
#include "clients/partner/reader.h"
#include "clients/partner/sealer.h"
#include "proto/parts.h"

#define NODE_WINDOW_MESSAGES 512u             /* of the largest window */
#define NODE_WINDOW_BYTES (8u * 1024u * 1024u)
#define NODE_HELD_MAX (2u * NODE_WINDOW_MESSAGES)
#define NODE_HELD_BYTES_MAX (2u * NODE_WINDOW_BYTES)
#define NODE_TURN_MESSAGES 256u
#define NODE_ALARMS_MAX 32

struct alarm {
	char code[32];        /* stable: "fork", "key_mismatch" … */
	char text[512];
	uint64_t since_ms;    /* wall clock */
	uint64_t times;
};

struct held { /* a delivery that waits for an agreement */
	struct held *next;
	struct wire_deliver deliver;
	size_t len;
	uint8_t bytes[];
};

struct lane_in {
	struct held *first;
	struct held **end;
	uint32_t count;
	uint64_t bytes;
	bool ack_due;
};

#define MOVES_WAITING_MAX 64u
struct moves_waiting { /* for their case; rest: the oldest of those beyond, 0: none */
	struct { uint64_t seq; uint8_t about[KW_ID_LEN]; } list[MOVES_WAITING_MAX];
	uint32_t count;
	uint64_t rest;
};

struct node {
	const struct partner_config *config;
	struct secret_keys *keys;
	char id[KW_NODE_MAX + 1];
	struct agreement_chain *chain;
	struct pstore *store;
	struct trail *trail;      /* NULL: nothing is recorded */
	struct node_backup *backup; /* one that is being made; NULL: none */
	struct backup_last backup_last; /* the last one that was handed out whole */
	struct restored restored; /* whether the store came back from one before this start */
	struct net *net;
	struct sealer *sealer;
	struct seal_opener *opener;
	struct seal_opener *opener_before; /* of the key before this one; NULL: none is kept */
	struct link link;
	struct sending *sending;
	struct receipts *receipts;
	struct confirmations *confirmations;
	struct actors *actors;

	/* as the store has it; read again after a rollback */
	struct lane_cursor cursor[KW_LANES];
	struct commit_seen seen;
	uint64_t sender_epoch;
	uint32_t log_epoch;
	uint64_t epoch_since_ms;   /* when this log epoch was first heard of */
	bool stopped;
	uint64_t newest_seq;
	uint64_t waiting;          /* in the outbox */
	struct moves_waiting moves_waiting[KW_LANES];

	struct lane_in lanes[KW_LANES];
	struct catchup catchup;
	struct recalls recalls;
	uint64_t shown_seq;        /* of the inbox, while catchup lasts */
	uint32_t broker_version;   /* of the agreement, as welcome said */
	uint64_t asked_ms;         /* when a part of a version was asked for; 0: none is awaited */
	uint32_t asked_in_vain;    /* how often that part was asked for, and none came */
	struct parts coming;       /* of the version that is on its way, on this connection */
	uint32_t coming_version;
	bool version_wanted;
	bool rival_kept;           /* a second text of one version stands in the evidence */
	int64_t clock_ahead_ms;    /* ours before the broker's, at the last welcome */
	uint64_t up_since_ms;      /* wall clock; 0: the link is down */
	uint64_t up_since_mono_ms;
	uint32_t malformed;        /* on this connection */
	uint64_t duplicates, delivered, rejected, published;
	char endpoint[256];

	uint64_t mono_ms, wall_ms; /* of this turn */
	uint64_t sweep_ms, expire_ms;
	bool release_due;          /* drafts are to be looked at */
	bool release_failed, release_warned; /* in this look */
	uint64_t release_warn_ms;  /* approvals that do not count are told of again then */
	bool swept;                /* something was deleted that may still stand in the store's files */
	uint64_t scour_ms;         /* when it is to go from there */
	uint64_t rest_until_ms;    /* the store was full: nothing is written by itself before */
	struct node_change change;
	bool batch;
	bool running;
	enum kw_err fatal;
	struct kw_why fatal_why;

	enum lane full_lane;       /* of what the broker last had no room for, while the alarm broker_full stands */
	struct alarm alarms[NODE_ALARMS_MAX];
	uint32_t alarm_count;

	struct { bool used; struct node_poller poller; } pollers[NODE_POLLERS_MAX];
	struct node_timer timers[NODE_TIMERS_MAX];
	uint32_t timer_count;
	struct { void (*call)(void *self, struct node_change change); void *self; } listeners[NODE_LISTENERS_MAX];
	uint32_t listener_count;
	struct { const char *key; json_t *(*report)(void *self); void *self; } reports[NODE_REPORTS_MAX];
	uint32_t report_count;
};

/* node.c */
const struct agreement *node_agreement(const struct node *n);
void node_now(struct node *n);
/* A transaction for what follows in this turn, if there is none yet. */
KW_MUST_USE enum kw_err node_tx(struct node *n, struct kw_why *why);
/* Ends it and does what waited for the disk. On an error everything is as before it, and the link is given up. */
KW_MUST_USE enum kw_err node_tx_end(struct node *n, struct kw_why *why);
void node_tx_undo(struct node *n);
/* An error of the store that a restart alone mends ends the loop; KW_EFULL is an alarm, the link waits. */
void node_store_failed(struct node *n, enum kw_err err, const struct kw_why *why);

/* node_lock.c */
/* Whether this key opens what the store holds. KW_EDENIED: it was sealed under another, and nothing was changed. */
KW_MUST_USE enum kw_err node_lock_check(struct node *n, struct kw_why *why);

/* node_agreement.c */
KW_MUST_USE enum kw_err node_agreement_start(struct node *n, struct kw_why *why);
void node_agreement_ask(struct node *n);
void node_agreement_drop(struct node *n); /* what came of a version that is not whole */
KW_MUST_USE enum kw_err node_agreement_came(struct node *n, const struct wire_agreement *a, struct kw_why *why);
void node_agreement_age(struct node *n);

/* node_link.c: the connection, hello, welcome, refusals that are about it */
void node_link_carry_out(struct node *n);
void node_link_events(struct node *n);
void node_link_lost(struct node *n);
KW_MUST_USE enum kw_err node_send(struct node *n, const struct wire_msg *m, struct span frame);
KW_MUST_USE enum kw_err node_take_message(struct node *n, struct span control, struct span frame, struct kw_why *why);
void node_send_acks(struct node *n);

/* node_commits.c */
/* A commit of the broker's own: verified, compared, kept. KW_ECRYPTO: it is none of the broker's. A fork stops publishing and is no error. */
KW_MUST_USE enum kw_err node_commit_came(struct node *n, uint32_t log_epoch, const uint8_t record[WIRE_COMMIT_LEN], struct kw_why *why);
KW_MUST_USE enum kw_err node_commit_heard(struct node *n, const struct header *h, struct span head, struct kw_why *why);
KW_MUST_USE bool node_commit_verify(const struct node *n, const uint8_t record[WIRE_COMMIT_LEN]);

/* node_deliver.c */
KW_MUST_USE enum kw_err node_delivered(struct node *n, const struct wire_deliver *d, struct span bytes, struct kw_why *why);
KW_MUST_USE enum kw_err node_held_again(struct node *n, struct kw_why *why); /* another agreement is here */
void node_held_drop(struct node *n);
/* [D-10] */
KW_MUST_USE enum kw_err node_recalls_load(struct node *n, struct kw_why *why); /* what the store says is awaited; the wait begins anew */
KW_MUST_USE enum kw_err node_recalls_look(struct node *n, struct kw_why *why);

/* node_suspended.c: verified, and of an agreement that is known */
KW_MUST_USE enum kw_err node_suspension_came(struct node *n, const struct agreement *under, const struct entry_suspension *e, enum lane lane, struct span entry,
                                            struct kw_why *why);

/* node_out.c */
void node_pump(struct node *n);
KW_MUST_USE enum kw_err node_stored(struct node *n, const struct wire_stored *s, struct kw_why *why);
KW_MUST_USE enum kw_err node_publish_refused(struct node *n, const struct wire_refused *r, struct kw_why *why);
/* Within the turn: a row that waits and was not offered is not sent; its numbers are void. row is not to be used afterwards. */
KW_MUST_USE enum kw_err node_out_withdraw(struct node *n, const struct out_row *row, const char *reason, struct kw_why *why);
KW_MUST_USE enum kw_err node_expire(struct node *n, struct kw_why *why);
/* A row of the outbox, or what stands for it now: what was sealed anew is followed. KW_ENOTFOUND. */
KW_MUST_USE enum kw_err node_out_now(struct out_row *row, struct node *n, const uint8_t id[KW_ID_LEN], struct kw_why *why);
/* May anything be published by hand now: no fork, room in the outbox, a clock that is right. */
KW_MUST_USE enum kw_err node_may_publish(const struct node *n, struct kw_why *why);
struct sealing node_sealing(struct node *n, struct header *h);
/* Seals within the turn's transaction; what is refused leaves nothing behind. */
KW_MUST_USE enum kw_err node_seal(uint64_t *seq, struct node *n, const struct sealing *in, struct kw_why *why);

/*
 * node_moves.c: [C-11] A move that was stored in a log epoch before, of a case that this one does not have (yet), would be refused for good. It is passed
 * over until whoever opened the case has offered that again, for a day at most; then the broker says what it thinks of it.
 */
/* Within offering; row was stored before. The outbox is asked, so its spans are gone. */
KW_MUST_USE enum kw_err node_move_waits(bool *waits, struct node *n, const struct out_row *row, struct kw_why *why);
void node_moves_case_came(struct node *n, enum lane lane, const uint8_t id[KW_ID_LEN]);
void node_moves_look(struct node *n);
bool node_move_is_waiting(const struct node *n, const struct out_row *row);

/* node_receipts.c */
/*
 * Clears h and begins it as a word about another: its topic, made now, about id and frame hash; lives long enough for a reader that is
 * off for a while, and no longer than the topic allows.
 */
void node_begin_about(struct header *h, const struct node *n, const struct header *about, enum lane lane, const uint8_t frame_hash[KW_HASH_LEN]);
KW_MUST_USE enum kw_err node_receipts_load(struct node *n, struct kw_why *why);
KW_MUST_USE enum kw_err node_receipts_say(struct node *n, struct kw_why *why);
KW_MUST_USE enum kw_err node_say_rejected(struct node *n, const struct reading *r, struct kw_why *why);
/* Within a transaction: tells the sender of row, a notification that is whole, that somebody here has read it. as: who, or NULL. */
KW_MUST_USE enum kw_err node_say_opened(struct node *n, const struct in_stored *row, const char *as, struct kw_why *why);
/* A receipt came. KW_EDENIED with a sentence: it is about nothing of ours. */
KW_MUST_USE enum kw_err node_receipt_came(struct node *n, const struct reading *r, struct kw_why *why);

#endif
