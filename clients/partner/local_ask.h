/* local_ask: a request on the local socket, read strictly: docs/protocol.md [N-1], [N-2]. Pure. */
#ifndef KW_PARTNER_LOCAL_ASK_H
#define KW_PARTNER_LOCAL_ASK_H

#include <jansson.h>

#include "audit/page.h"
#include "backup/steps.h"
#include "clients/partner/desk_cases.h"
#include "clients/partner/desk_meant.h"
#include "clients/partner/desk_release.h"
#include "clients/partner/intake.h"
#include "clients/partner/row_json.h"

#define ASK_MAX (64u * 1024u)      /* bytes of a request without its content */
#define ASK_WAIT_MAX 60000u
#define ASK_REASON_MAX 1024u       /* bytes of a reason */
#define ASK_TERM_MIN 3u
#define ASK_TERM_MAX 256u
#define ASK_ROWS_MAX 1000u

enum ask_verb { ASK_PUBLISH, ASK_INBOX, ASK_STATE, ASK_STATUS, ASK_TRACE, ASK_AGREEMENT, ASK_CASES, ASK_CASE, ASK_MOVE, ASK_FATE, ASK_RECALLS, ASK_OPENED, ASK_RECEIPTS, ASK_APPROVE, ASK_REFUSE, ASK_RELEASES, ASK_AUDIT, ASK_SUBJECT, ASK_SEEN, ASK_BACKUP, ASK_MEANT, ASK_SENT };
enum ask_stage { STAGE_STORED, STAGE_DELIVERED };

struct ask {
	json_t *doc;                /* in which the texts below lie */
	uint64_t request;           /* the asker's number, which its answer bears */
	const char *language;
	enum ask_verb verb;
	uint64_t wait_ms;
	struct intake publish;      /* but for its content */
	struct inbox_query query;   /* inbox */
	enum row_content content;
	uint8_t id[KW_ID_LEN];      /* state, trace, case, move, fate */
	enum ask_stage stage;
	uint32_t version;           /* agreement; 0: the newest */
	struct desk_move move;      /* move */
	const char *text_hash;      /* approve */
	bool all;                   /* cases, releases: closed ones too */
	const char *as, *reason;    /* who reads, searches or publishes, and why */
	struct page_ask audit;      /* audit */
	struct backup_ask backup;   /* backup */
	const char *term;           /* subject */
	uint64_t before_seq;        /* sent */
	struct desk_meant meant;    /* meant; how far the look has come is kept here too */
};

/*
 * In two steps, so that the second refuses in the language that the first found. Both leave request and language set as far as
 * they were found; ask_free is due also after an error.
 */
KW_MUST_USE enum kw_err ask_open(struct ask *out, struct span bytes, struct kw_why *why);
KW_MUST_USE enum kw_err ask_read(struct ask *a, struct kw_why *why);
void ask_free(struct ask *a);

#endif
