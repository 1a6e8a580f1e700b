/*
 * wire: the Control messages between node and broker as plain data (docs/protocol.md sections 1, 2, 5, 6).
 * Generated types stay in wire.c. Decoding scans first (scan.h); a message is whole or refused.
 */
#ifndef KW_PROTO_WIRE_H
#define KW_PROTO_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/header.h"
#include "proto/limits.h"

enum wire_kind { /* wire format */
	WIRE_HELLO = 1,     /* node → broker */
	WIRE_WELCOME,       /* broker → node */
	WIRE_PUBLISH,       /* node → broker, with a sealed frame */
	WIRE_STORED,        /* broker → node */
	WIRE_REFUSED,       /* broker → node */
	WIRE_DELIVER,       /* broker → node, with a frame, a bare head, or a broker's entry */
	WIRE_ACK,           /* node → broker */
	WIRE_BEAT,          /* both ways */
	WIRE_AGREEMENT_GET, /* node → broker */
	WIRE_AGREEMENT,     /* broker → node */
	WIRE_SUBSCRIBE,     /* node → broker: replaces the filters */
	WIRE_ADMIN,         /* operator or control socket → broker */
	WIRE_ADMIN_REPLY,
};

enum wire_code { /* why something was refused; wire format */
	CODE_MALFORMED = 1, CODE_DENIED, CODE_AUDIENCE, CODE_EXPIRED, CODE_CONFLICT, CODE_CLOCK, CODE_RELEASE, CODE_TOO_LARGE,
	CODE_SLOW_DOWN, CODE_STORE_FULL, CODE_BEHIND, CODE_NO_HELLO, CODE_AGREEMENT_UNKNOWN, CODE_STOPPING,
	CODE_AGREEMENT_OLD, CODE_REPLACED, CODE_NOT_FOUND, CODE_LANE, CODE_SUSPENDED,
};
#define CODE_LAST CODE_SUSPENDED
const char *wire_code_name(enum wire_code code);       /* "slow_down", … */
bool wire_code_for_good(enum wire_code code);          /* [P-8]: the same bytes will never be taken */

enum wire_mark { MARK_WHOLE = 0, MARK_EXPIRED, MARK_RECALLED, MARK_NOT_SUBSCRIBED, MARK_PURGED, MARK_ENTRY /* broker's own */ };
const char *wire_mark_name(enum wire_mark mark);

struct position { uint32_t log_epoch; enum lane lane; uint64_t number; };
struct lane_cursor { uint32_t log_epoch; uint64_t number; };
struct lane_window { uint32_t messages; uint32_t bytes; };

#define WIRE_FILTERS_MAX 64
#define WIRE_COMMIT_LEN (4 + 8 + 8 + 32 + 4 + 32 + 64) /* record and signature: proto/commit.h */
#define WIRE_STORED_MAX 128                            /* items in one stored */

struct wire_hello {
	uint32_t protocol;                     /* 1 */
	char software[65];
	uint64_t sender_epoch;
	bool has_last_stored;
	uint8_t last_stored[KW_ID_LEN];
	uint32_t agreement_version;
	uint8_t agreement_hash[KW_HASH_LEN];
	struct commit_seen seen;
	struct lane_cursor cursor[KW_LANES];
	struct lane_window window[KW_LANES];
	uint32_t filter_count;                 /* 0: everything */
	char (*filters)[KW_TOPIC_MAX + 1];     /* array of the caller's or, decoded, of the wire_msg */
};

struct wire_welcome {
	uint32_t log_epoch;
	uint64_t epoch_start[KW_LANES];        /* first number of this log epoch */
	uint64_t tail[KW_LANES];               /* newest number, 0: none */
	struct lane_cursor cursor[KW_LANES];
	bool has_commit;
	uint8_t commit[WIRE_COMMIT_LEN];
	bool has_last_stored;
	uint8_t last_stored[KW_ID_LEN];
	uint32_t agreement_version;
	uint8_t agreement_hash[KW_HASH_LEN];
	struct lane_window window[KW_LANES];   /* how much may be unanswered */
	uint64_t now_ms;
};

struct wire_stored_item {
	uint8_t id[KW_ID_LEN];
	struct position at;
	uint32_t index;                        /* leaf in the commit */
	uint32_t path_len;
	uint8_t path[KW_PATH_MAX][KW_HASH_LEN];
};
struct wire_stored { /* items of one commit; items is an array of the caller's or, decoded, lives in the wire_msg */
	uint8_t commit[WIRE_COMMIT_LEN];
	uint32_t count;
	struct wire_stored_item *items;
};

struct wire_refused {
	enum wire_code code;
	bool has_id;                           /* about one publish; else about the connection or a request */
	uint8_t id[KW_ID_LEN];
	uint32_t wait_ms;                      /* slow_down; suspended: what is left of it */
	char text[512];
};

struct wire_deliver {
	struct position at;
	uint64_t commit;
	enum wire_mark mark;
	bool has_wrap;
	uint8_t wrap[KW_WRAP_LEN];
};

struct wire_ack { struct lane_cursor cursor[KW_LANES]; }; /* number 0: nothing new in that lane */

struct wire_beat { bool has_commit; uint8_t commit[WIRE_COMMIT_LEN]; };

struct wire_agreement { /* a part: proto/parts.h */
	uint32_t version;
	uint32_t part, total;                  /* from 0; bytes of the whole text */
	struct span text;
	struct span sigs;                      /* with the last part */
};

struct wire_subscribe { uint32_t filter_count; char (*filters)[KW_TOPIC_MAX + 1]; };

enum admin_verb {
	ADMIN_STATUS = 1, ADMIN_INSTALL, ADMIN_NEW_EPOCH, ADMIN_NODES, ADMIN_STOP,
	ADMIN_AGREEMENT, /* text: a version's number, or nothing for the newest; answered with a part of the agreement's own text */
	ADMIN_HEADERS,   /* text: JSON, docs/protocol.md [O-3] */
	ADMIN_EVENTS,    /* text: JSON, docs/protocol.md [O-5] */
	ADMIN_TRACE,     /* text: JSON, docs/protocol.md [O-6] */
	ADMIN_EXPLAIN,   /* text: JSON, docs/protocol.md [O-7] */
	ADMIN_SUSPEND = 11, /* text: JSON, docs/protocol.md [O-13], as the next */
	ADMIN_RESUME = 12,
	ADMIN_BACKUP = 13, /* text: JSON, docs/protocol.md [O-8]; over the control socket alone */
	ADMIN_AUDIT = 14, /* text: JSON, docs/protocol.md [U-9] */
};
struct wire_admin {
	uint64_t request;
	enum admin_verb verb;
	struct span text;
	struct span sigs;                      /* of ADMIN_INSTALL, with the last part */
	uint32_t part, total;                  /* of ADMIN_INSTALL as in a wire_agreement; of ADMIN_AGREEMENT the part asked for; else 0 */
};
struct wire_admin_reply {
	uint64_t request;
	bool ok;
	struct span text;                      /* JSON, an agreement's part, or the sentence of refusal */
	uint32_t part, total, version;         /* of an agreement; else 0 */
};

struct wire_msg {
	enum wire_kind kind;
	union {
		struct wire_hello hello;
		struct wire_welcome welcome;
		struct { struct span wraps; uint32_t round; } publish; /* [P-11] */
		struct wire_stored stored;
		struct wire_refused refused;
		struct wire_deliver deliver;
		struct wire_ack ack;
		struct wire_beat beat;
		struct { uint32_t version, part; } agreement_get;
		struct wire_agreement agreement;
		struct wire_subscribe subscribe;
		struct wire_admin admin;
		struct wire_admin_reply admin_reply;
	};
	void *memory; /* what decoding took; wire_msg_clear gives both back */
	void *arrays;
};

/* Appends the bytes. The message is ours and within limits (MUST); KW_ENOMEM when out failed. */
KW_MUST_USE enum kw_err wire_encode(struct buf *out, const struct wire_msg *m);

/*
 * Spans and arrays of the result live in the message's own memory until wire_msg_clear; in may go at once. One allocation,
 * a small multiple of in. On an error *out holds nothing to clear. KW_EPROTO, KW_ENOMEM.
 */
KW_MUST_USE enum kw_err wire_decode(struct wire_msg *out, struct span in, struct kw_why *why);
void wire_msg_clear(struct wire_msg *m);

#endif
