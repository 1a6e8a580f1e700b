/*
 * payload: what is sealed inside a notification, by schema (proto/kurzweg/notice.proto): checked bytes, and the two
 * forms people use, JSON (protobuf's own JSON mapping) and CAP 1.2. Generated types stay in payload*.c, json*.c and cap*.c.
 * Pure; any thread.
 */
#ifndef KW_PROTO_PAYLOAD_H
#define KW_PROTO_PAYLOAD_H

#include "base/err.h"
#include "base/span.h"
#include "proto/header.h"

/*
 * Scanned, parsed as type's schema with a capped allocator, complete, every text clean, every value in its range. The
 * sentence names the field's path (info[0].area[2].polygon). KW_EPROTO for bytes, KW_EINVAL for values.
 */
KW_MUST_USE enum kw_err payload_check(enum payload_type type, struct span in, struct kw_why *why);

/* JSON to bytes and back. Unknown keys, duplicate keys and wrong types are refused with their path. in: at most 8 MiB, depth 16. */
KW_MUST_USE enum kw_err payload_from_json(struct buf *out, enum payload_type type, struct span json, struct kw_why *why);
KW_MUST_USE enum kw_err payload_to_json(struct buf *out, enum payload_type type, struct span in, bool pretty, struct kw_why *why);

/* CAP 1.0, 1.1 and 1.2 to an alert; warnings (may be NULL) receives a line for each thing that was mended. */
KW_MUST_USE enum kw_err cap_import(struct buf *out, struct buf *warnings, struct span xml, struct kw_why *why);
/* Strict CAP 1.2, in schema order, UTF-8, valid against the OASIS schema. */
KW_MUST_USE enum kw_err cap_export(struct buf *out, struct span alert, struct kw_why *why);

/*
 * The alerts that an Update, Cancel, Ack or Error is about, as sender,identifier,sent, in the order of the file; each is
 * what payload_brief gives as the cap_id of the alert it means. One too long for that (over 255 bytes) or more than
 * CAP_REFERENCES_MAX: KW_ELIMIT, and *out holds nothing of use.
 */
#define CAP_REFERENCES_MAX 64
struct cap_references {
	size_t count;
	char ids[CAP_REFERENCES_MAX][256];
};
KW_MUST_USE enum kw_err cap_references(struct cap_references *out, struct span alert, struct kw_why *why);

/* What a list of notifications shows of any payload; spans into text, which the caller frees with buf_free. "" where the schema has none. */
struct payload_brief {
	char headline[256];
	char severity[32];   /* alerts: Extreme … Unknown */
	char area[256];      /* the areas' descriptions, cut with … */
	char what_to_do[512];/* instruction or what is asked */
	char cap_id[256];    /* alerts: sender,identifier,sent; "" when it is longer than this */
	char msg_type[16];   /* alerts: Alert, Update, Cancel … */
	char status[16];     /* alerts: Actual, Exercise, Test … */
	uint64_t delete_by_ms; /* handling.deleteBy; 0: it has none */
	uint64_t until_ms;   /* alerts: the latest expires of its infos; 0: none */
	uint64_t not_before_ms; /* statements: their embargo; 0: none */
};
/* language: preferred, as "de" or "en-US"; falls back to the first info. Checks as payload_check does. */
KW_MUST_USE enum kw_err payload_brief(struct payload_brief *out, enum payload_type type, struct span in, const char *language,
                                      struct kw_why *why);
/* The same of it alone, and cheap where the schema has none; 0 also for what is no payload of that type. */
uint64_t payload_delete_by_ms(enum payload_type type, struct span in);
/* Does it let itself be passed on? Not with handling.onward Forbidden, nor when it is no payload of that type. */
bool payload_may_go_on(enum payload_type type, struct span in);
/* The whole, for a person at a terminal, in labelled lines; language as above; german: the labels' language. */
KW_MUST_USE enum kw_err payload_to_text(struct buf *out, enum payload_type type, struct span in, const char *language,
                                        bool german, struct kw_why *why);

/*
 * An alert's polygons and circles as CAP 1.2 writes them ("lat,lon lat,lon …" and "lat,lon km"; section 3.2.4), of the infos that payload_to_text shows
 * for language, in their order. text is lent for the call. Other schemas have none: KW_OK.
 */
typedef void payload_shape_fn(void *self, bool circle, const char *text);
KW_MUST_USE enum kw_err payload_shapes(enum payload_type type, struct span in, const char *language, payload_shape_fn *tell, void *self,
                                       struct kw_why *why);

/* Receipts' and voids' payloads, which no person writes. */
struct receipt_item {
	uint8_t id[KW_ID_LEN];
	uint8_t frame_hash[KW_HASH_LEN];
	uint64_t at_ms;
};
struct receipt_payload {
	uint32_t count;
	struct receipt_item items[KW_RECEIPTS_MAX];
	char reason[512];    /* rejected: why */
	char as[128];        /* the person or role that the user claims to be; "" if none */
	bool has_text_hash;  /* approved, refused: of which text */
	uint8_t text_hash[KW_HASH_LEN];
};
KW_MUST_USE enum kw_err receipt_encode(struct buf *out, const struct receipt_payload *r);
KW_MUST_USE enum kw_err receipt_decode(struct receipt_payload *out, struct span in, struct kw_why *why);

/* What a released carries around its content. Spans into the bytes that were decoded, or are to be encoded. */
struct release_payload {
	struct span content;
	struct span draft;   /* the head of its draft's frame */
	uint32_t count;
	struct { struct span head, body; const uint8_t *key; } approvals[KW_APPROVALS_MAX]; /* key: 32 bytes */
};
/* KW_ELIMIT: an approval is larger than any may be, or the whole than out. */
KW_MUST_USE enum kw_err release_encode(struct buf *out, const struct release_payload *r);
KW_MUST_USE enum kw_err release_decode(struct release_payload *out, struct span in, struct kw_why *why);
/* Its content alone, of bytes that were checked before: of type's payload the part that is of the topic's schema. */
struct span release_content(enum notice_type type, struct span payload);

struct void_number { char node[KW_NODE_MAX + 1]; uint64_t number; };
/* numbers[n] name each reader's number that will never carry anything else. */
KW_MUST_USE enum kw_err void_encode(struct buf *out, const struct void_number *numbers, size_t n, const char *reason);
/* Finds node's number; KW_ENOTFOUND when it is not among them. */
KW_MUST_USE enum kw_err void_decode(uint64_t *number, struct span in, const char *node, struct kw_why *why);

#endif
