/* scenario_cases: what scenarios tell of cases. */
#ifndef KW_SIM_SCENARIO_CASES_H
#define KW_SIM_SCENARIO_CASES_H

#include "scenario.h"
#include "sim.h"

bool scenario_is_move(enum scenario_verb v);
/* l's node makes l's move of the case; the desk's answer. */
enum kw_err scenario_move(uint8_t receipt[KW_ID_LEN], struct sim *s, const struct scenario_line *l, const uint8_t id[KW_ID_LEN], struct kw_why *why);
bool scenario_stands(struct sim *s, const struct scenario_line *l, const uint8_t id[KW_ID_LEN]);            /* IS_STATE, IS_STATE_WITH, IS_SHOWN */
bool scenario_heard(struct sim *s, const struct scenario_line *l, const uint8_t receipt[KW_ID_LEN]);        /* IS_HEARD_… */

#endif
