/*
 * header: what of a notification is signed and readable on the way. Plain data; generated types stay in header.c.
 */
#ifndef KW_PROTO_HEADER_H
#define KW_PROTO_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/limits.h"
#include "proto/topic.h"

enum notice_type { /* the numbers are wire format: kurzweg/header.proto */
	TYPE_NOTICE = 1,
	TYPE_UPDATE,
	TYPE_CANCEL,
	TYPE_RECALL,
	TYPE_REQUEST,
	TYPE_VOID,
	TYPE_AGREEMENT,
	TYPE_DELIVERED,
	TYPE_OPENED,
	TYPE_TAKEN,
	TYPE_DECLINED,
	TYPE_HANDED_OVER,
	TYPE_RETURNED,
	TYPE_DONE,
	TYPE_APPROVED,
	TYPE_REFUSED,
	TYPE_REJECTED,
	TYPE_REOPENED,  /* a case that was done is open again */
	TYPE_NOTE,      /* a remark to a case's parties */
	TYPE_FORWARDED, /* a case's notification, sealed anew for somebody who does not read its topic */
	TYPE_DRAFT,     /* what its approvers are asked to release */
	TYPE_RELEASED,  /* what they released, with their approvals, for all readers; about its draft */
};
const char *notice_type_name(enum notice_type type);
/* delivered .. rejected and reopened, which say what became of another: heads do not expire, no receipt for it. */
bool notice_type_is_receipt(enum notice_type type);

enum payload_type { /* wire format too */
	PAYLOAD_NONE = 0, /* no content: some receipts */
	PAYLOAD_ALERT = 1,
	PAYLOAD_REQUEST,
	PAYLOAD_REPORT,
	PAYLOAD_STATEMENT,
	PAYLOAD_FEEDBACK,
	PAYLOAD_DOCUMENT,
	PAYLOAD_NOTE,
	PAYLOAD_RECEIPT = 32, /* the list a delivered or opened receipt names; the reason of a rejected one */
	PAYLOAD_VOID,         /* whose numbers are void */
	PAYLOAD_RELEASE,      /* around the content of a released: its draft and the approvals; no header names it */
};
const char *payload_type_name(enum payload_type type); /* "alert", …: the word that stands as schema in the agreement */
bool payload_type_of(enum payload_type *out, const char *name);

enum kw_mode { MODE_LIVE = 1, MODE_EXERCISE = 2 };

struct about {
	bool set;
	uint8_t id[KW_ID_LEN];
	uint8_t frame_hash[KW_HASH_LEN];
};

struct commit_seen { /* the newest commit the sender knew; number 0: none yet */
	uint64_t number;
	uint8_t hash[KW_HASH_LEN];
};

struct header {
	uint8_t id[KW_ID_LEN];
	char partnership[KW_NAME_MAX + 1];
	enum kw_mode mode;
	uint32_t agreement_version;
	uint8_t agreement_hash[KW_HASH_LEN];
	char sender[KW_NODE_MAX + 1];
	uint64_t sender_epoch;
	char topic[KW_TOPIC_MAX + 1];
	uint32_t to_count;                          /* 0: everyone who may read the topic */
	char to[KW_TO_MAX][KW_NODE_MAX + 1];        /* sorted, distinct */
	enum lane lane;
	uint64_t created_ms;
	uint64_t expires_ms;
	enum notice_type type;
	char next_owner[KW_NODE_MAX + 1];           /* handed_over only; "" otherwise */
	struct about about;
	uint32_t take_within_s;                     /* 0: nobody must take it */
	enum payload_type payload_type;
	struct commit_seen seen;
	bool confirm_at_once;                       /* the sender waits for the delivered receipt */
	uint64_t not_before_ms;                     /* draft, released: nobody else gets it before; 0: no embargo */
};

/*
 * Appends the protobuf bytes to out: canonical, so that equal headers give equal bytes. The header is one of ours and
 * within the limits above (MUST). KW_ELIMIT when the bytes pass KW_HEADER_MAX (too many names in to).
 */
KW_MUST_USE enum kw_err header_encode(struct buf *out, const struct header *h, struct kw_why *why);

/*
 * Scans (unknown, duplicate, left-over, non-canonical: KW_EPROTO with the offset), parses and checks every field for
 * itself: lengths, enums, topic, node ids, to sorted and distinct, created 2020..2200, created < expires, about present
 * exactly for the types that need it. What it means under an agreement is not asked here. *out is whole or untouched.
 */
KW_MUST_USE enum kw_err header_decode(struct header *out, struct span in, struct kw_why *why);

#endif
