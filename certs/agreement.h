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
#include "certs/keys.h"
#include "proto/header.h"
#include "proto/limits.h"

struct agreement;

/*
 * Parses and checks the text for itself (design section 5). Warnings (a hole in the hours, a civil partner that a "*" leaves
 * out for want of a purpose, a kind that nobody is of) go to warnings, a line each, when it is not NULL; that it ends soon is
 * agreement_age's to say. Errors: one sentence, "line N: …"; KW_EPROTO is no YAML, KW_ELIMIT too much of something.
 */
KW_MUST_USE enum kw_err agreement_parse(struct agreement **out, struct span text, struct buf *warnings, struct kw_why *why);
void agreement_free(struct agreement **a);

struct span agreement_text(const struct agreement *a);           /* exactly the bytes that were parsed */
const uint8_t *agreement_hash(const struct agreement *a);        /* 32: BLAKE2b-256 of the text; "b2:" + hex in previous */
const char *agreement_partnership(const struct agreement *a);
uint32_t agreement_version(const struct agreement *a);
enum kw_mode agreement_mode(const struct agreement *a);
const char *agreement_coordinator(const struct agreement *a);    /* node id */
void agreement_fingerprint(char out[KEY_FINGERPRINT_MAX], const struct agreement *a); /* of the hash, in groups */

/* Validity in time. */
enum agreement_age { AGREEMENT_NOT_YET, AGREEMENT_GOOD, AGREEMENT_ENDS_SOON, AGREEMENT_GRACE, AGREEMENT_OVER };
enum agreement_age agreement_age(const struct agreement *a, uint64_t now_ms);
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

/* Topics: the first whose filter matches decides alone. */
struct agreement_topic { /* plain view, borrowed */
	const char *filter;
	enum payload_type schema;
	enum lane lane;                /* the highest it may use */
	uint64_t keep_content_ms;      /* default 14 d */
	uint64_t keep_proof_ms;        /* default 2 y; never below keep_content */
	bool has_release;
	bool has_responsible;
	uint64_t deliver_within_ms;    /* when the sender's node calls a missing confirmation late; default 5 min flash, 1 h urgent, 24 h routine */
	uint32_t line;                 /* where it stands in the text */
};
/* NULL: no topic of the agreement matches. */
const struct agreement_topic *agreement_topic(const struct agreement *a, const char *topic);
uint32_t agreement_topic_count(const struct agreement *a);
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
 * May this header stand, sent by node sender (number under a), under a: partnership, mode, version and hash, topic known, lane
 * at or below the topic's, schema, right to publish (notices, updates, cancels, recalls) or to answer (receipts: a reader of the topic or its
 * publisher; taken, declined, handed_over, returned, done: the line and the coordinator; they go to exactly the nodes that "to" names, each
 * of which may publish on it or read it), to a part of the readers, lifetime at most keep.content, no release topic, agreement's age.
 * A void goes to exactly the nodes it names, or to all readers when it names none. After the grace receipts and voids still stand.
 * The audience is answered with it (as agreement_audience; nodes and count may be NULL). Same function at sender, broker and reader;
 * now_ms is the caller's clock at sender and broker, created_ms at a reader, who may open it long after the agreement ran out.
 * KW_ENOTFOUND: another version or another text of it. KW_ESTATE: release topic, or not yet or no longer valid. KW_ELIMIT: lifetime.
 * KW_EDENIED: everything else. agreement, approved and refused: always KW_EDENIED.
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
