/*
 * case_books: who has a matter, by books of the simulation's own. They follow the broker's disk, entry by entry, and tell by the sentences of
 * docs/protocol.md section 10 (tests/unit/case_oracle.h, which shares no code with the machine) what each move and statement may do; then they look
 * at what the nodes show.
 */
#ifndef KW_SIM_CASE_BOOKS_H
#define KW_SIM_CASE_BOOKS_H

#include "broker/store/store.h"
#include "clients/partner/desk_cases.h"
#include "proto/wire.h"
#include "sim.h"

struct case_books *books_new(struct sim *s);
void books_free(struct case_books **c);

/* ---- what happened ---- */
void books_logged(struct case_books *c, const struct store_batch *b); /* it is on the broker's disk */
void books_restored(struct case_books *c, bool told); /* before the broker's log is told again, from an old copy of its store, and behind that (told) */
void books_offered(struct case_books *c, int who, const struct header *h); /* a move is on its way to the broker */
struct books_move { int who; enum notice_type type; const uint8_t *about, *id; }; /* id: of the move itself */
void books_moved(struct case_books *c, const struct books_move *m);   /* the desk took it */
void books_told(struct case_books *c, int who, struct span entry);    /* the broker delivers an entry of its own */
void books_row(struct case_books *c, int who, const struct inbox_row *row); /* an application reads one */
/* Whether the books know why the broker refuses this for good. */
bool books_explain(struct case_books *c, const uint8_t id[KW_ID_LEN], enum wire_code code);

/* ---- what is to be known ---- */
struct books_known { bool known; uint8_t id[KW_ID_LEN]; int sender, owner, next; /* -1: nobody */ enum case_state state; uint32_t readers; uint32_t alarms; };
uint32_t books_count(const struct case_books *c);
void books_at(struct books_known *out, const struct case_books *c, uint32_t i); /* in the order in which they came into the log */
void books_find(struct books_known *out, const struct case_books *c, const uint8_t id[KW_ID_LEN]);
/* What this node shows of the case is what the books say of the place in the log up to which it has come. */
void books_look(struct case_books *c, int who, const uint8_t id[KW_ID_LEN]);
void books_calm(struct case_books *c);  /* no more faults from now on */
void books_go_on(struct case_books *c); /* [O-11] and no case waits for who is out */
bool books_settled(struct case_books *c, char what[512]);

#endif
