/*
 * liar: a node of the agreement with real keys that keeps to no rule: it says what cannot be read, what only a broker says and what others signed,
 * acknowledges what it likes, and reads all that it is given. What it was given stands in no rule of the oracle; what it says must reach nobody.
 */
#ifndef KW_SIM_LIAR_H
#define KW_SIM_LIAR_H

#include "sim.h"

struct liar *liar_new(struct sim *s);
void liar_free(struct liar **l);
void liar_turn(struct liar *l); /* EVENT_LIAR; plans the next one */

#endif
