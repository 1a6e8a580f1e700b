/* faults: what goes wrong, planned from the seed before the run begins. */
#ifndef KW_SIM_FAULTS_H
#define KW_SIM_FAULTS_H

#include "sim.h"

struct fault_plan { enum fault kind; uint64_t at, lasts; uint32_t dice; int who; /* of FAULT_SUSPEND */ };

void faults_plan(struct sim *s, uint64_t until_ms); /* into s->plan, and as events */
void faults_begin(struct sim *s, uint32_t i);
void faults_over(struct sim *s, uint32_t i);
bool faults_agree(struct sim *s, const struct policy *next); /* a version that says so is signed and to be installed; false: one is on its way */
void faults_end(struct sim *s);                     /* everything is right from now on */

#endif
