/* scenario_run: a scenario's sentences on the simulation's clock, and what is looked at until they hold. */
#ifndef KW_SIM_SCENARIO_RUN_H
#define KW_SIM_SCENARIO_RUN_H

#include "scenario.h"
#include "sim.h"

/* out->what names file and line of the sentence that did not hold. Behind the last one all faults end, and the oracle's promises must hold as ever. */
void scenario_run(struct sim_result *out, const struct sim_options *o, const struct scenario *scenario, const char *name);

#endif
