/* limits: every limit of the wire and the store, with the relations the compiler checks. */
#ifndef KW_PROTO_LIMITS_H
#define KW_PROTO_LIMITS_H

#include <assert.h>

#define KW_ID_LEN 16            /* a notification's id: UUIDv7, RFC 9562 section 5.7 */
#define KW_KEY_LEN 32           /* X25519, Ed25519 and CURVE public keys, all secrets */
#define KW_HASH_LEN 32          /* BLAKE2b-256 */
#define KW_SIG_LEN 64           /* Ed25519 */
#define KW_WRAP_LEN 56          /* XChaCha20-Poly1305 of a content key and a 64-bit number: 40 + 16 */

#define KW_TOPIC_MAX 255        /* bytes of a topic or filter */
#define KW_LEVELS_MAX 16        /* levels of a topic or filter */
#define KW_NODE_MAX 64          /* bytes of "partner/node" */
#define KW_NAME_MAX 64          /* bytes of a partnership's, broker's or operator's name */
#define KW_NODES_MAX 4096       /* nodes of one agreement, and so the largest audience */
#define KW_LANES 3

#define KW_HEADER_MAX 4096      /* bytes of the signed header */
#define KW_AUDIT_YEARS_MAX 30u  /* that a year's audit records may stay */
#define KW_TO_MAX 64            /* nodes a sender may name in to[]; more is the topic's whole audience */
#define KW_BODY_MAX (256u * 1024u)     /* bytes of the sealed body */
#define KW_OPENED_MAX (8u * 1024u * 1024u) /* bytes of a payload when decompressed */
#define KW_HEAD_MAX (8u + KW_HEADER_MAX + 3u * 32u + KW_SIG_LEN)
#define KW_FRAME_MAX (KW_HEAD_MAX + 4u + KW_BODY_MAX)
#define KW_CONTROL_MAX (256u * 1024u) /* bytes of a control frame */
static_assert(KW_NODES_MAX * KW_WRAP_LEN + 1024u <= KW_CONTROL_MAX, "all wraps of the largest audience fit");
#define KW_MESSAGE_MAX (320u * 1024u)  /* ZMQ_MAXMSGSIZE: one frame on the wire, CURVE's 33 bytes included */
static_assert(KW_FRAME_MAX + 64u <= KW_MESSAGE_MAX, "a full notification fits one frame");
static_assert(KW_CONTROL_MAX + 64u <= KW_MESSAGE_MAX, "a full control fits one frame");

#define KW_RECEIPTS_MAX 256     /* notifications one receipt names */
#define KW_APPROVALS_MAX 64     /* partners who must approve what is on one topic */
#define KW_APPROVAL_BODY_MAX 4096u /* bytes of an approval's sealed body: a receipt about one notification */
static_assert(KW_APPROVALS_MAX * (KW_APPROVAL_BODY_MAX + KW_HEADER_MAX + 512u) <= KW_OPENED_MAX, "all approvals fit into what a reader opens");

/*
 * An agreement's text holds KW_NODES_MAX nodes with the longest names: a node's line, `- {id: NAME, key: "kwnode1:..."}` with its indent, has
 * at most 368 bytes, of which a name takes 31 and a key 310. The rest is for partners with titles, topics and who is responsible.
 */
#define KW_AGREEMENT_MAX (2u * 1024u * 1024u) /* bytes of an agreement's text */
#define KW_NODE_LINE_MAX 368u   /* of it, for one node */
static_assert(KW_NODES_MAX * KW_NODE_LINE_MAX + 512u * 1024u <= KW_AGREEMENT_MAX, "a full agreement has 512 KiB for all but its nodes");
#define KW_SIGNATURES_MAX 64    /* lines of an agreement's signature file */
#define KW_SIGNATURES_TEXT_MAX (48u * 1024u) /* bytes of that file */
/*
 * What does not fit a control travels in parts of exactly this size, the last one apart, each asked for by who wants it. So no frame grows, and
 * before an alert on a slow line lies at most one: half a second at 1 Mbit/s.
 */
#define KW_PART_LEN (64u * 1024u)
static_assert(KW_PART_LEN + KW_SIGNATURES_TEXT_MAX + 1024u <= KW_CONTROL_MAX, "the last part fits with all signatures");
#define KW_PATH_MAX 24          /* hashes of a Merkle path: a commit holds at most 2^24 entries */

#define KW_CLOCK_SKEW_MS (10ull * 60 * 1000)  /* a publish further off than this is refused */
#define KW_ID_MEMORY_MS (10ull * 60 * 1000)   /* ids are remembered until expires and this */
#define KW_OUTBOX_KEEP_MS (7ull * 24 * 3600 * 1000) /* stored items are kept for a new log epoch */
#define KW_SUSPENDED_MAX_MS (72ull * 3600 * 1000) /* an operator keeps a node out for so long in all, until it was in again for as long */
#define KW_SUSPENSION_REASON_MAX 200u /* bytes of the reason that everybody is told */
#define KW_BEAT_MS 10000u       /* a sign of life when nothing else was sent */
#define KW_SILENT_MS 30000u     /* nothing heard for this long: the connection is given up */

#endif
