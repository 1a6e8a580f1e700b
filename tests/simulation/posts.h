/* posts: the nodes' machines: a real node each, what its folder holds, and an application that reads its inbox. */
#ifndef KW_SIM_POSTS_H
#define KW_SIM_POSTS_H

#include "sim.h"

void post_begin(struct sim *s, int who, const struct paper *first); /* its files; it is down */
void post_end(struct sim *s, int who);
void post_start(struct sim *s, int who);
void post_turn(struct sim *s, int who);
void post_crash(struct sim *s, int who, bool rude);
void post_subscribe(struct sim *s, int who, uint32_t subjects); /* bits of enum subject; all of them: no filter. It is down */
void posts_agreement(struct sim *s); /* another version is in force: who is new there gets a machine */
/* So that the node's own time is now's before people ask something of it; false: it is down, or fell over just now. */
bool post_ready(struct sim *s, int who);

#endif
