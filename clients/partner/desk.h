/*
 * desk: what people and agency systems at one partner may ask of its node; the local socket, the spool and the handlers
 * stand on it. All calls on the daemon's one thread. Rows and spans are borrowed for the call or callback.
 */
#ifndef KW_PARTNER_DESK_H
#define KW_PARTNER_DESK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/entry.h"
#include "proto/header.h"

struct node; /* the daemon's whole state: node.h */

struct desk_publish {
	const char *topic;
	enum payload_type payload_type;
	struct span payload;            /* protobuf; checked here again */
	uint32_t to_count;
	char (*to)[KW_NODE_MAX + 1];
	bool has_lane;                  /* else the topic's */
	enum lane lane;
	uint64_t expires_ms;            /* 0: the payload's own, else created plus keep.content */
	enum notice_type type;          /* notice, update, cancel, request */
	struct about about;             /* update, cancel */
	bool confirm_at_once;
	uint32_t take_within_s;
	uint64_t not_before_ms;         /* where it must be released: its embargo; 0: the payload's own, or none */
	const char *actor;              /* for the audit trail: "local" (NULL), "spool" */
	const char *as, *reason;        /* who on this machine asks for it, and why; NULL: not given. They do not leave it */
};

/*
 * KW_OK: sealed and on disk in the outbox; id says which. On a topic with release it is a draft, whose readers are its approvers: a
 * notice, or the update of a draft or of what was released. Everything the broker would refuse for good is refused here, by
 * the same function and with the same sentence: KW_EDENIED, KW_EINVAL, KW_ELIMIT; KW_EFULL: the disk or the outbox's limit.
 */
KW_MUST_USE enum kw_err desk_publish(struct node *n, const struct desk_publish *p, uint8_t id[KW_ID_LEN], struct kw_why *why);

/* The mark of what stands in an answer with its head alone, since the agreement demands a reason and none was given. */
#define DESK_REASON_NEEDED "reason needed"
/*
 * Whether content of this topic may be shown or published for this reason ("" or NULL: none): KW_EDENIED where the agreement demands one. The
 * same question for all ways in and out.
 */
KW_MUST_USE enum kw_err desk_reason(struct node *n, const char *topic, const char *reason, struct kw_why *why);

struct desk_topic { enum payload_type schema; enum kw_mode mode; bool release; };
/* What the agreement in force takes on this topic. KW_EINVAL: no topic's name; KW_EDENIED: the agreement has none for it. */
KW_MUST_USE enum kw_err desk_topic(struct desk_topic *out, struct node *n, const char *topic, struct kw_why *why);

/* Fills a cancel's or update's about from a CAP identifier triple or an id in the inbox or outbox; KW_ENOTFOUND. */
KW_MUST_USE enum kw_err desk_find(struct node *n, const char *id_or_cap, struct about *about, struct kw_why *why);

enum outbox_state { OUTBOX_WAITING, OUTBOX_STORED, OUTBOX_REFUSED, OUTBOX_EXPIRED };

struct inbox_row {
	uint64_t seq;                   /* in the order of arrival at this node, from 1, without gaps */
	struct header header;
	uint64_t received_ms;
	enum lane lane;
	bool of_case;                   /* no notification but what the broker states of a case: entry says it, header has id, topic, about */
	bool of_suspension;             /* or of a node that an operator keeps out, likewise, on no topic */
	struct broker_entry entry;
	bool rejected;
	bool bare;                      /* content gone: expired, recalled, purged, not subscribed */
	bool locked;                    /* bare since what lies there does not open; mark says it too */
	bool outdated;                  /* what the newest agreement would not allow: no handler */
	bool cancelled;                 /* a later cancel names it */
	bool superseded;                /* a later update names it */
	const char *mark;               /* "", "expired", "late", "not subscribed", "equivocation", "locked", … */
	const char *reason;             /* rejected: why */
	struct span whole;              /* released: payload with the approvals around it; else the same as payload */
	struct span payload;            /* opened; empty when bare or rejected, or when the query did not ask for it */
};

struct inbox_query {
	uint64_t after_seq;             /* rows with a higher seq */
	uint64_t until_seq;             /* and none with a higher one than this; 0: no end */
	uint64_t since_ms;              /* received at or after */
	const char *filter;             /* NULL: every topic */
	bool rejected;                  /* the rejected ones instead */
	bool receipts;                  /* receipts too; silent otherwise */
	bool has_id;
	uint8_t id[KW_ID_LEN];
	bool with_payload;
	uint32_t limit;                 /* 1..1000 */
};
/* each returns false to stop. */
KW_MUST_USE enum kw_err desk_inbox(struct node *n, const struct inbox_query *q, bool (*each)(void *self, const struct inbox_row *row),
                                   void *self, struct kw_why *why);
/* Up to where handlers and who follows the inbox are to look: the newest, but for what comes while the node still catches up ([D-13]). */
uint64_t desk_shown_seq(struct node *n);
uint64_t desk_newest_seq(struct node *n);  /* of the last committed row; rises only after the commit */

/* {"node":…,"partnership":…,"agreement":{…},"link":{…},"outbox":{…},"inbox":{…},"unconfirmed":[…],"gaps":[…],"alarms":[…]}; new reference or NULL. */
json_t *desk_status(struct node *n);
json_t *desk_gaps(struct node *n); /* its list of gaps alone, without counting what the store holds */
/* {"id":…,"topic":…,"stored":{position, commit, time},"delivered":[{"node","at","receipt"}…],"missing":[…],"rejected":[…]}; of what came here instead desk_arrival. KW_ENOTFOUND. */
KW_MUST_USE enum kw_err desk_trace(json_t **out, struct node *n, const uint8_t id[KW_ID_LEN], const char *language, struct kw_why *why);
/* {"version":…,"newest":…,"came_ms":…,"text":"…"}: a version that the node keeps, 0: the newest, and when it got it. KW_ENOTFOUND. */
KW_MUST_USE enum kw_err desk_agreement(json_t **out, struct node *n, uint32_t version, struct kw_why *why);
KW_MUST_USE enum kw_err desk_outbox_state(enum outbox_state *state, char reason[512], struct node *n, const uint8_t id[KW_ID_LEN]);
/* How many readers there are, and how many of them have confirmed delivery by a signed receipt. */
KW_MUST_USE enum kw_err desk_confirmations(uint32_t *confirmed, uint32_t *readers, struct node *n, const uint8_t id[KW_ID_LEN]);

/* A handler's place in the inbox, kept on disk under its name. */
struct desk_place {
	uint64_t seq;       /* through with everything up to it */
	uint64_t at;        /* a run for this one began and has not ended well; 0: none */
	uint32_t failures;  /* of at so far */
};
/* KW_ENOTFOUND: no handler of that name was ever here. */
KW_MUST_USE enum kw_err desk_place(struct desk_place *place, struct node *n, const char *handler);
/* seq never goes back. */
KW_MUST_USE enum kw_err desk_keep_place(struct node *n, const char *handler, const struct desk_place *place);
KW_MUST_USE enum kw_err desk_set_aside(struct node *n, const char *handler, uint64_t seq, const char *reason);
/*
 * What the spool published and has not put away yet, by the file's path in it: kept in the same batch as the desk_publish, so
 * that after a crash it is known whether a file was published. KW_ENOTFOUND: it was not. forget: NULL means all.
 */
KW_MUST_USE enum kw_err desk_spool_keep(struct node *n, const char *place, const uint8_t id[KW_ID_LEN], struct kw_why *why);
KW_MUST_USE enum kw_err desk_spool_find(uint8_t id[KW_ID_LEN], struct node *n, const char *place, struct kw_why *why);
KW_MUST_USE enum kw_err desk_spool_forget(struct node *n, const char *place, struct kw_why *why);

/* For how long content of this topic is kept on this machine. */
uint64_t desk_keep_ms(const struct node *n, const char *topic);

/*
 * Since when, on the wall clock, this node remembers all that it was sent. What was made before may have come and been
 * handled already, before a new start with an empty or an older store.
 */
uint64_t desk_remembers_since_ms(const struct node *n);

#endif
