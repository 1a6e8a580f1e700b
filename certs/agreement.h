/*
 * agreement: the signed text that says who may do what, parsed, and the questions asked of it. Sender, broker and every
 * reader ask the same functions. No answer means no.
 *
 * An agreement is immutable once parsed and may be read by any thread. Nodes are numbered 0..node_count-1 in the order of
 * their sorted ids; a number means something under this version alone.
 */
#ifndef KW_CERTS_AGREEMENT_H
#define KW_CERTS_AGREEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "base/text.h"
#include "certs/keys.h"
#include "proto/header.h"
#include "proto/limits.h"

struct agreement;

/*
 * Parses and checks the text for itself. Warnings (a hole in the hours, a civil partner that a "*" leaves
 * out for want of a purpose, a kind that nobody is of) go to warnings, a line each, when it is not NULL; that it ends soon is
 * agreement_age's to say. Errors: one sentence, "line N: …"; KW_EPROTO is no YAML, KW_ELIMIT too much of something. The time
 * zone's table is read from this machine here and never again: machines whose tzdata differ answer times differently.
 */
KW_MUST_USE enum kw_err agreement_parse(struct agreement **out, struct span text, struct buf *warnings, struct kw_why *why);
/*
 * The same, and of nodes whose line of key stands in before too, letter by letter, the key is not checked once more: that is nearly all that a
 * large agreement costs. before: any other that was parsed, as the version before this one; NULL: none.
 */
KW_MUST_USE enum kw_err agreement_parse_after(struct agreement **out, struct span text, const struct agreement *before, struct buf *warnings,
                                              struct kw_why *why);
void agreement_free(struct agreement **a);

struct span agreement_text(const struct agreement *a);           /* exactly the bytes that were parsed */
const uint8_t *agreement_hash(const struct agreement *a);        /* 32: BLAKE2b-256 of the text; "b2:" + hex in previous */
const char *agreement_partnership(const struct agreement *a);
uint32_t agreement_version(const struct agreement *a);
enum kw_mode agreement_mode(const struct agreement *a);
const char *agreement_coordinator(const struct agreement *a);    /* node id */
uint32_t agreement_member_count(const struct agreement *a);      /* of the steering committee */
const char *agreement_member_name(const struct agreement *a, uint32_t i);
void agreement_fingerprint(char out[KEY_FINGERPRINT_MAX], const struct agreement *a); /* of the hash, in groups */

/* Validity in time. */
enum agreement_age { AGREEMENT_NOT_YET, AGREEMENT_GOOD, AGREEMENT_ENDS_SOON, AGREEMENT_GRACE, AGREEMENT_OVER };
enum agreement_age agreement_age(const struct agreement *a, uint64_t now_ms);
uint64_t agreement_from_ms(const struct agreement *a);
uint64_t agreement_until_ms(const struct agreement *a);
uint64_t agreement_grace_until_ms(const struct agreement *a);

/* Broker. */
const struct public_key *agreement_broker(const struct agreement *a);
uint32_t agreement_endpoint_count(const struct agreement *a);
const char *agreement_endpoint(const struct agreement *a, uint32_t i);

/* Nodes. */
#define AGREEMENT_NOBODY UINT32_MAX
uint32_t agreement_node_count(const struct agreement *a);
uint32_t agreement_node(const struct agreement *a, const char *id);          /* its number, or AGREEMENT_NOBODY */
const char *agreement_node_id(const struct agreement *a, uint32_t node);
const struct public_key *agreement_node_key(const struct agreement *a, uint32_t node);
const char *agreement_node_partner(const struct agreement *a, uint32_t node); /* partner id */
const char *agreement_node_title(const struct agreement *a, uint32_t node);  /* the partner's title, or its id */

/* Who comes in by a CURVE key: the gate's only question. */
enum peer_role { PEER_UNKNOWN, PEER_NODE, PEER_OPERATOR };
struct peer { enum peer_role role; uint32_t node; const char *name; };       /* name: node id or operator's name; borrowed from a */
struct peer agreement_peer(const struct agreement *a, const uint8_t curve_pk[KW_KEY_LEN]);

/* What happens to open cases when the next version comes into force. */
enum agreement_on_change {
	ON_CHANGE_KEEP, /* they go on under the version that they were opened with */
	ON_CHANGE_MOVE, /* they are offered anew under the next */
};

/* The kinds of partners in the text's words, "police", "city", … by number; NULL behind the last. */
const char *agreement_kind_word(unsigned i);

/* Topics: the first whose filter matches decides alone. */
struct agreement_topic { /* plain view, borrowed */
	const char *filter;
	enum payload_type schema;
	enum lane lane;                /* the highest it may use */
	uint64_t keep_content_ms;      /* default 14 d */
	uint64_t keep_proof_ms;        /* default 2 y; never below keep_content */
	bool has_release;
	bool has_responsible;
	bool has_onward;
	enum agreement_on_change on_change;
	uint64_t acknowledge_within_ms; /* 0: nobody must acknowledge */
	bool reason_required;           /* whoever publishes or reads there says why, to its own node */
	uint64_t deliver_within_ms;    /* when the sender's node calls a missing confirmation late; default 5 min flash, 1 h urgent, 24 h routine */
	uint32_t line;                 /* where it stands in the text */
};
/* NULL: no topic of the agreement matches. */
const struct agreement_topic *agreement_topic(const struct agreement *a, const char *topic);
uint32_t agreement_topic_count(const struct agreement *a);
/* "alert/#, request/#, …": the filters that there are, as many as a sentence holds. */
#define AGREEMENT_FILTERS_MAX 256
void agreement_filters(char out[AGREEMENT_FILTERS_MAX], const struct agreement *a);
const struct agreement_topic *agreement_topic_at(const struct agreement *a, uint32_t i);

/*
 * Who reads it: fills nodes (room for agreement_node_count) with the numbers of the audience in order, without sender.
 * to_count names narrow it; each must be a reader, else KW_EDENIED names the one that is not. On a topic with responsible,
 * the line and the coordinator are added always. KW_EDENIED: no topic, or nobody is left.
 */
KW_MUST_USE enum kw_err agreement_audience(uint32_t *nodes, uint32_t *count, const struct agreement *a, const char *topic,
                                           uint32_t sender, const char to[][KW_NODE_MAX + 1], uint32_t to_count, struct kw_why *why);
bool agreement_may_read(const struct agreement *a, const char *topic, uint32_t node);
/* In the topic's line, at whatever hour, or its coordinator: such a node gets it although it did not subscribe. */
bool agreement_is_responsible(const struct agreement *a, const char *topic, uint32_t node);

/*
 * Responsibility. The line at a time: the entries of "responsible" whose hours and area match, in the text's order, each
 * followed by its deputies, and at last the coordinator. Each node stands in it once, at its first place; so the coordinator is
 * not last where an entry names it. On a topic without responsible it is the coordinator alone. Pure: the same agreement,
 * topic and time give the same line on every machine with the same tzdata.
 */
#define AGREEMENT_LINE_MAX 24u /* the most nodes that the lines of one topic name at any hour, the coordinator among them */
struct agreement_turn {
	uint32_t node;
	uint32_t rule;            /* the entry of responsible, from 0; for the coordinator at the end the number of entries */
	uint64_t take_within_ms;  /* the coordinator's is coordinator_within, 15 min if the text is silent */
	bool deputy;              /* stands there for the entry's "who" */
	bool last_resort;         /* the coordinator at the end; not where an entry names it */
	uint32_t line;            /* of the text, where the entry stands; 0: last resort */
};
/* Fills turns and answers how many; 0: no topic takes it in. */
uint32_t agreement_line(struct agreement_turn turns[AGREEMENT_LINE_MAX], const struct agreement *a, const char *topic, uint64_t at_ms);
uint64_t agreement_coordinator_within_ms(const struct agreement *a);
/*
 * How long a turn lasts, and the line at at_ms with all its turns, where the notification asks for take_within_s: what is asked
 * for goes for everyone but the coordinator as the last resort of a topic with responsible. 0: it asks for nothing.
 */
uint64_t agreement_turn_ms(const struct agreement_topic *topic, const struct agreement_turn *turn, uint32_t take_within_s); /* NULL: no topic takes it in */
uint64_t agreement_line_ms(const struct agreement *a, const char *topic, uint32_t take_within_s, uint64_t at_ms);
/* Up to when, from at_ms on, the line stays the same: the first moment of another. UINT64_MAX: for 400 days at least. */
uint64_t agreement_line_until(const struct agreement *a, const char *topic, uint64_t at_ms);
/* All whom the line of any hour and area can name, with the coordinator, by number. */
uint32_t agreement_line_nodes(uint32_t nodes[AGREEMENT_LINE_MAX], const struct agreement *a, const char *topic);
/* May it take cases there: whom the line of any hour can name and the coordinator; on a topic without responsible its readers too. */
bool agreement_may_take(const struct agreement *a, const char *topic, uint32_t node);
/* May a case there be sealed anew for node, which need not be a reader: is it named under "onward"? */
bool agreement_onward(const struct agreement *a, const char *topic, uint32_t node);

/*
 * Several must answer: fills nodes (room for agreement_node_count) by number with the nodes of the partners that
 * "acknowledge" names. One node of each partner is enough: of n partners (agreement_node_partner), k have answered. The
 * sender's own partner is left out (AGREEMENT_NOBODY: none is). A notification to fewer readers asks only those of its audience.
 */
uint32_t agreement_acknowledgers(uint32_t *nodes, const struct agreement *a, const char *topic, uint32_t sender);
/*
 * The same for joint release: of each partner that "release" names one node must approve, and all its nodes are asked. The author's
 * own partner is left out (AGREEMENT_NOBODY: none is). 0: nothing can be released there.
 */
uint32_t agreement_approvers(uint32_t *nodes, const struct agreement *a, const char *topic, uint32_t author);
/* Its partner stands under "release": it gets drafts although it did not subscribe. */
bool agreement_must_approve(const struct agreement *a, const char *topic, uint32_t node);

/*
 * The partnership's calendar. A time in its own zone as people write it, "Su 2026-12-06 03:10", and back from "2026-12-06 03:10"
 * or an RFC 3339 time; one that stands twice, as the clocks go back, is the first; one that
 * they skip is as far behind the jump. KW_EINVAL: no such day or time.
 */
const char *agreement_time_zone(const struct agreement *a);
void agreement_put_time(char out[TEXT_TIME_MAX], const struct agreement *a, uint64_t ms, bool german);
KW_MUST_USE enum kw_err agreement_time(uint64_t *out, const struct agreement *a, const char *text, const char *what, struct kw_why *why);
bool agreement_is_holiday(const struct agreement *a, uint64_t at_ms);

/* Reads, publishes or takes what is on the topic, or may get it onward: who may be told of it at all. */
bool agreement_is_concerned(const struct agreement *a, const char *topic, uint32_t node);

/*
 * May this header stand, sent by node sender (number under a), under a: partnership, mode, version and hash, topic known, lane
 * at or below the topic's, schema, right, lifetime at most keep.content, release, agreement's age. The rights, by type:
 *   notice, request, update, cancel, recall   who publishes there, to a part of the readers; with take_within_s, or on a topic with
 *                                             responsible, the line of all hours and the coordinator are added, and a notice or
 *                                             request must live as long as its line at created_ms may take
 *   delivered, opened, rejected               readers, publishers, line, coordinator, onward; to exactly the nodes that "to" names
 *   void                                      the same; to exactly those named, or to all readers when it names none
 *   taken, declined, handed_over, returned,   readers, line, coordinator (to whom it was handed over, or is open at all, only the case
 *   done                                      tells); to the nodes named, the line of all hours and the coordinator
 *   reopened                                  the same and publishers; the same
 *   note                                      the same; to exactly the nodes named, by who may take also to those of "onward"
 *   forwarded, and a recall that names one    who may take; to nodes of which "onward" names at least one, the line and the coordinator
 *   of "onward"
 *   draft                                     who publishes there, on a topic with release; to the nodes of all who must approve but its own partner's
 *   approved, refused                         who must approve; to the author, whom "to" names, and to the others who must approve
 *   released                                  who publishes there, on a topic with release, not before its embargo; to all readers
 * Whoever is named must be concerned. After the grace all but the first and the last line stand on.
 * The audience is answered with it (as agreement_audience; nodes and count may be NULL). Same function at sender, broker and reader;
 * now_ms is the caller's clock at sender and broker, created_ms at a reader, who may open it long after the agreement ran out.
 * KW_ENOTFOUND: another version or another text of it. KW_ESTATE: it must be released first, or not yet or no longer valid. KW_ELIMIT: lifetime.
 * KW_EDENIED: everything else. agreement: always KW_EDENIED.
 */
KW_MUST_USE enum kw_err agreement_may_send(uint32_t *nodes, uint32_t *count, const struct agreement *a, const struct header *h,
                                           uint32_t sender, uint64_t now_ms, struct kw_why *why);

/*
 * Signatures: the text of agreement.yaml.sig, "kwsteer1:… SIGNATURE" a line each, unpadded URL-safe base64; empty lines do not
 * matter. A signature by somebody who is no member is not counted, but told; a member's that does not hold is KW_ECRYPTO, a
 * broken line KW_EPROTO.
 */
struct agreement_check {
	uint32_t valid;                     /* by distinct member key */
	uint32_t threshold;
	uint32_t members;
	uint32_t unknown;                   /* signatures of no members */
	uint32_t repeated;                  /* second signatures of one member */
	char unknown_name[KW_NODE_MAX + 1]; /* the first of the unknown, as its key says; "" when there is none */
};
KW_MUST_USE enum kw_err agreement_count_signatures(struct agreement_check *out, const struct agreement *signers, const struct agreement *a,
                                                   struct span sigs, struct kw_why *why);

/* Version 1, or one that was pinned by its fingerprint: threshold of its own members. */
KW_MUST_USE enum kw_err agreement_verify_first(const struct agreement *a, struct span sigs, struct kw_why *why);
/* next follows old: version + 1, previous = old's hash, name and mode the same, threshold of old and of next. */
KW_MUST_USE enum kw_err agreement_verify_next(const struct agreement *old, const struct agreement *next, struct span sigs, struct kw_why *why);

/*
 * Appends one line for the signature file, signed by member; the key must be one of a's (or of previous', when not NULL)
 * members, and a must follow previous where that is given. KW_EDENIED otherwise.
 */
KW_MUST_USE enum kw_err agreement_sign(struct buf *line, const struct agreement *a, const struct agreement *previous,
                                       const struct secret_keys *member, struct kw_why *why);

/* In words, who gains and who loses what: a line each, "+ youth-house/office may now read alert/#"; german: in German. Empty: nothing changes but version and previous. */
KW_MUST_USE enum kw_err agreement_diff(struct buf *out, const struct agreement *old, const struct agreement *next, bool german);

#endif
