/* people: what is done at the nodes by those who sit there. */
#ifndef KW_SIM_PEOPLE_H
#define KW_SIM_PEOPLE_H

#include "sim.h"

void people_act(struct sim *s, uint32_t step); /* the step's own dice decide what, so that leaving out another step changes nothing */

#endif
