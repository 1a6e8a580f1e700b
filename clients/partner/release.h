/*
 * release: what shows that a text was released (docs/protocol.md section 13): the approvals of all partners whom the agreement names,
 * over exactly this text. Pure: public keys, bytes and the time come in; author, readers and tests ask the same functions.
 */
#ifndef KW_PARTNER_RELEASE_H
#define KW_PARTNER_RELEASE_H

#include "certs/agreement.h"
#include "proto/payload.h"

/* What stands for the text; the same at author and approvers. */
void release_text_hash(uint8_t out[KW_HASH_LEN], enum payload_type type, struct span content);

/* KW_EDENIED: the text of the draft or of what was released, whose header is h, names a later embargo than h does. */
KW_MUST_USE enum kw_err release_embargo(const struct header *h, struct span content, struct kw_why *why);

struct release_draft { /* what an approval is about; borrowed */
	const struct header *header;
	const uint8_t *frame_hash;
	const uint8_t *text_hash;
};

struct release_word { /* one approval */
	char node[KW_NODE_MAX + 1];
	uint64_t at_ms;
	char as[128];
};

/* Does this approval count for the draft, under a? KW_EDENIED, KW_ECRYPTO, KW_EPROTO: no. */
KW_MUST_USE enum kw_err release_approval(struct release_word *out, const struct release_draft *d, const struct agreement *a, struct span head, struct span body,
                                         const uint8_t key[KW_KEY_LEN], struct kw_why *why);

struct release { /* large: not on the stack */
	struct span content;
	struct header draft;
	uint8_t text_hash[KW_HASH_LEN];
	uint32_t count;
	struct release_word words[KW_APPROVALS_MAX];
	struct release_payload payload;
};

/*
 * to The payload of a released whose header h stands and whose signature held, under a, the version that it names. KW_OK: it was released
 * by all who must. Else why says what is missing.
 */
KW_MUST_USE enum kw_err release_check(struct release *out, const struct header *h, struct span payload, const struct agreement *a, uint64_t now_ms,
                                      struct kw_why *why);

/* Who approved, of a payload that was checked before. */
KW_MUST_USE enum kw_err release_read(struct release *out, struct span payload, struct kw_why *why);

#endif
