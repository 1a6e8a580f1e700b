/*
 * rounds: the order of a sender's lane outlasts a refusal that is to be tried again [P-11], as it can be seen on the wire: from what a node offers on one
 * connection, and what the broker answers.
 */
#ifndef KW_SIM_ROUNDS_H
#define KW_SIM_ROUNDS_H

#include "sim.h"

struct rounds;

struct rounds *rounds_new(struct sim *s);
void rounds_free(struct rounds **r);
void rounds_hello(struct rounds *r, int who); /* a connection begins, in round 0 */
/* again: it was offered on an earlier connection, whose answer may still count. */
struct rounds_offer { int who; enum lane lane; const uint8_t *id; uint32_t round; bool again; };
void rounds_offered(struct rounds *r, const struct rounds_offer *o);
void rounds_stored(struct rounds *r, int who, const uint8_t id[KW_ID_LEN]);
void rounds_refused(struct rounds *r, int who, const uint8_t id[KW_ID_LEN], enum wire_code code);

#endif
