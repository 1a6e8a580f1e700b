/*
 * record: one line of an audit trail, written and read strictly: docs/protocol.md [U-1] to [U-4]. Pure.
 *
 *   <hash> {"n":17,"at_ms":1796150000000,"before":"<hash of 16>","event":"read","actor":"local","object":"0193…", …}
 *   head {"n":17,"at_ms":1796150060000,"hash":"<hash of 17>","sig":"…"}
 *
 * A record's hash is over its JSON as it stands there, and names the hash before it: nothing can be changed, inserted or put in another
 * order without every later hash being another. A head is the owner's signature over one hash. Who did it and why (as, reason) may name
 * persons: they stand sealed under the owner's local secret, with a hash that shows later, to others, that what was opened is what was sealed.
 */
#ifndef KW_AUDIT_RECORD_H
#define KW_AUDIT_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "proto/limits.h"

#define AUDIT_LINE_MAX 16384u   /* bytes with the line end */
#define AUDIT_WORD_MAX 64u      /* event */
#define AUDIT_TEXT_MAX 512u     /* actor, object, topic, detail, as */
#define AUDIT_REASON_MAX 2048u
#define AUDIT_TO_MAX 6144u      /* names with blanks between; more readers than that are a number */
#define AUDIT_SALT_LEN 32u

struct audit_record { /* texts "" or NULL where there is nothing; borrowed */
	uint64_t number;        /* from 1, without holes, across files */
	uint64_t time_ms;       /* wall clock of the owner's machine */
	const char *event;      /* "publish", "read", "refused" …: docs/audit.md lists them */
	const char *actor;      /* "local", "operator/night-desk", "handler/mail", "police/control-room" */
	const char *object;     /* a notification's id, a version … */
	const char *topic;
	const char *to;         /* who got it or may read it */
	uint32_t count;         /* how many; 0: not told */
	const char *detail;
	const char *as, *reason; /* sealed */
};

struct audit_head { uint64_t number, time_ms; uint8_t hash[KW_HASH_LEN], sig[KW_SIG_LEN]; };

enum audit_kind { AUDIT_RECORD, AUDIT_HEAD };
struct audit_line { /* as read; its texts live as long as doc */
	enum audit_kind kind;
	json_t *doc;
	struct audit_record record;      /* as and reason stay NULL */
	uint8_t hash[KW_HASH_LEN], before[KW_HASH_LEN];
	const char *sealed;              /* base64; NULL: nothing was sealed */
	uint8_t sealed_hash[KW_HASH_LEN];
	struct audit_head head;
};

/*
 * What was sealed, as record.h's head tells. seal appends its keys to a record; open: *out is a new object {"salt", "as", "reason"}; KW_ENOTFOUND:
 * nothing was sealed, KW_ECORRUPT: it does not open.
 */
struct audit_sealing {
	enum kw_err (*seal)(struct buf *out, const struct audit_record *r, const uint8_t local_secret[KW_KEY_LEN], struct kw_why *why);
	enum kw_err (*open)(json_t **out, const struct audit_line *l, const uint8_t local_secret[KW_KEY_LEN], struct kw_why *why);
};
extern const struct audit_sealing audit_sealing; /* sealed.c */

/* Appends the line with its end. sealing NULL: as and reason are left out. KW_ELIMIT, KW_EINVAL (what may not be shown), KW_ENOMEM. */
KW_MUST_USE enum kw_err audit_record_put(struct buf *out, uint8_t hash[KW_HASH_LEN], const struct audit_record *r, const uint8_t before[KW_HASH_LEN],
                                         const struct audit_sealing *sealing, const uint8_t *local_secret, struct kw_why *why);
KW_MUST_USE enum kw_err audit_head_put(struct buf *out, const struct audit_head *h, struct kw_why *why);

/* A text of whatever origin as a record takes it: what may not be shown is '?', what is too long is cut at a whole character. */
void audit_text_fit(char out[AUDIT_TEXT_MAX + 1], const char *text);

/*
 * line: without its end. KW_ECORRUPT: no such line, with the reason; its hash was compared. KW_ESTATE: its hash holds, and it has a key that is not known
 * here, as a newer program may write. Free with audit_line_free, also after an error.
 */
KW_MUST_USE enum kw_err audit_line_read(struct audit_line *out, struct span line, struct kw_why *why);
void audit_line_free(struct audit_line *l);

/* Such an object as opening gives, from whomever, is what the record's hash commits to. */
KW_MUST_USE bool audit_shown_holds(const struct audit_line *l, const json_t *shown);

/* Whose trail it is: what a head's signature covers beside number, time and hash. */
struct audit_owner { const char *partnership, *name; uint8_t mode; };
KW_MUST_USE bool audit_head_sign(struct audit_head *h, const struct audit_owner *owner, const uint8_t secret[64]);
KW_MUST_USE bool audit_head_verify(const struct audit_head *h, const struct audit_owner *owner, const uint8_t pk[KW_KEY_LEN]);

#endif
