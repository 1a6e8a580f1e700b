/* record_parts: what record.c and sealed.c share, and nobody else. */
#ifndef KW_AUDIT_RECORD_PARTS_H
#define KW_AUDIT_RECORD_PARTS_H

#include "audit/record.h"

#define PLAIN_MAX 8192u

/* {"as":"…","reason":"…"}, always both: the bytes that sealed_hash is over. */
void audit_put_shown(struct buf *out, const char *as, const char *reason);
void audit_shown_hash(uint8_t out[KW_HASH_LEN], const uint8_t salt[AUDIT_SALT_LEN], struct span texts);
/* ,"key":"text" where there is a text. */
KW_MUST_USE enum kw_err audit_put_text(struct buf *out, const char *key, const char *text, size_t most, struct kw_why *why);

#endif
