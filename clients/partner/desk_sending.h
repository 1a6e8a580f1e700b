/* desk_sending: what the moves of desk_moves.c and desk_forward.c share: a header begun, those it goes to, its seal. Inside of the desk. */
#ifndef KW_PARTNER_DESK_SENDING_H
#define KW_PARTNER_DESK_SENDING_H

#include "clients/partner/desk_cases.h"
#include "clients/partner/desk_parts.h"
#include "clients/partner/node_cases.h"

struct sending_move {
	const struct desk_move *move;
	struct header header;
	struct buf payload;     /* secret */
};

/* What every move has: the place of what it is about, and a life as long as an answer's. */
void sending_begin(struct sending_move *s, const struct node *n, const struct header *about, enum lane lane, const uint8_t frame_hash[KW_HASH_LEN]);
/* Puts id among those it goes to, in order; nobody who is unknown, not concerned, or this node itself. */
void sending_name(struct header *h, const struct node *n, const char *id);
/* Everyone who takes part, as far as the agreement in force still knows them. */
void sending_name_parties(struct header *h, const struct node *n, const struct case_fold *f);
/* The payload of s->move, as its type has it. */
KW_MUST_USE enum kw_err sending_payload(struct sending_move *s, const struct node *n, struct kw_why *why);
/* Seals header and payload in the turn's transaction, which the caller ends. receipt: its id. */
KW_MUST_USE enum kw_err sending_seal_only(struct sending_move *s, struct node *n, bool own, uint8_t receipt[KW_ID_LEN], struct kw_why *why);
/* The payload, and all that as a transaction of its own, unless a batch does it. */
KW_MUST_USE enum kw_err sending_seal(struct sending_move *s, struct node *n, uint8_t receipt[KW_ID_LEN], struct kw_why *why);

/* desk_forward.c: the notification of an open case that this node owns, sealed anew for s->move->to (docs/protocol.md [N-17]). */
KW_MUST_USE enum kw_err desk_forward(struct sending_move *s, struct node *n, const struct case_fold *f, uint8_t receipt[KW_ID_LEN], struct kw_why *why);

#endif
