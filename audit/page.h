/*
 * page: what is asked of a trail and what is answered, as JSON: the same at broker and node. docs/protocol.md [U-9].
 *
 *   ask     {"place":0,"since_ms":…,"until_ms":…,"actor":"…","event":"…","object":"…","heads":true,"opened":true}, every key optional
 *   answer  {"partnership":"…","owner":"…","key":"kwnode1:…","place":N,"more":true,"lines":["…"],"opened":{"17":{"salt","as","reason"}}}
 */
#ifndef KW_AUDIT_PAGE_H
#define KW_AUDIT_PAGE_H

#include "audit/trail.h"

struct page_ask { /* texts lie in doc */
	json_t *doc;
	uint64_t place;
	struct trail_query query;
	bool opened;               /* what was sealed is told too */
	const char *as, *reason;   /* who reads, and why; NULL: not said */
	bool has_commits;          /* at a broker: its commits behind this number instead */
	uint64_t commits_after;
};

/* doc is taken. KW_EINVAL: an unknown key, or a value of another kind. Free with page_ask_free, also after an error. */
KW_MUST_USE enum kw_err page_ask_read(struct page_ask *out, json_t *doc, struct kw_why *why);
void page_ask_free(struct page_ask *a);

/* Appends one object of at most most bytes. local_secret: for opened. */
KW_MUST_USE enum kw_err page_put(struct buf *out, size_t most, struct trail *t, const struct page_ask *ask, const char *partnership, const struct secret_keys *keys,
                                 struct kw_why *why);

/* "…" with what JSON wants escaped. */
void page_put_string(struct buf *out, struct span text);

#endif
