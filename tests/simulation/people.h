/* people: what is done at the nodes by those who sit there. */
#ifndef KW_SIM_PEOPLE_H
#define KW_SIM_PEOPLE_H

#include "sim.h"

/* take_within_s: 0 where nobody asks that somebody takes it on. */
struct people_says { int who; enum subject subject; uint32_t step, take_within_s; const uint8_t *cancels; /* id; NULL: it is a notice */ };
void people_publish(struct sim *s, struct dice *d, const struct people_says *says);
void people_act_on_cases(struct sim *s, struct dice *d, uint32_t step); /* people_cases.c */
void people_recall(struct sim *s, struct dice *d);                      /* people_recalls.c */
void people_cancel(struct sim *s, struct dice *d, uint32_t step);       /* people_recalls.c */
void people_act(struct sim *s, uint32_t step); /* the step's own dice decide what, so that leaving out another step changes nothing */

#endif
