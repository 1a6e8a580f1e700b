/*
 * desk_meant: which notification somebody means by a piece of its id. The node looks, and neither library nor tool: it has the ids in an index, where they
 * would have to fetch every row, and each list that is fetched stands in the audit trail as read.
 */
#ifndef KW_PARTNER_DESK_MEANT_H
#define KW_PARTNER_DESK_MEANT_H

#include <jansson.h>

#include "clients/partner/desk.h"

#define DESK_MEANT_MOST 5u

struct desk_meant { /* a search, which goes on where it was */
	char piece[37];             /* kw_id_meant says what it means */
	bool sent;                  /* among what people here sent alone; else what came here too */
	bool in_inbox;              /* where it is, and behind which id */
	uint8_t after[KW_ID_LEN];
	struct { uint8_t id[KW_ID_LEN]; bool sent; } found[DESK_MEANT_MOST];
	uint32_t count;
	bool more;                  /* than found has room for */
};

/* What people here sent by a command, a file or a program, and no receipt, move, note, recall or void: what "sent" means wherever a piece of an id is. */
bool desk_is_sent(enum notice_type type);

/* piece and sent are given, the rest begins empty. A bounded part: KW_EAGAIN: it is to be called again. Receipts, voids and what was rejected are not meant. */
KW_MUST_USE enum kw_err desk_meant(struct desk_meant *m, struct node *n, struct kw_why *why);
/* {"ids":[{"id","sent","type","topic","lane","at_ms"}…],"more":B}, in the order of the ids; at_ms: published, or come here. */
KW_MUST_USE enum kw_err desk_meant_json(json_t **out, const struct desk_meant *m, struct node *n, struct kw_why *why);

#endif
