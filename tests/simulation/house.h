/* house: the broker's machine: the real core, relay and store contract, started and stopped as broker/daemon.c does it. */
#ifndef KW_SIM_HOUSE_H
#define KW_SIM_HOUSE_H

#include "sim.h"
#include "suspensions.h"

struct house *house_new(struct sim *s);
void house_free(struct house **h);
bool house_is_up(const struct house *h);
bool house_hears_of_commit(const struct house *h); /* the disk has the newest one, and the broker does not know yet */
struct vault *house_vault(struct house *h);
void house_start(struct house *h);
void house_turn(struct house *h);
void house_crash(struct house *h, bool rude);
void house_back_to(struct house *h, uint64_t batches); /* it is down: a copy of its store, as it was behind so many batches, takes its place */
void house_new_epoch(struct house *h);             /* what the operator does about it; tried again where the broker is down or at it */
void house_sync(struct house *h, uint64_t life);   /* EVENT_SYNC: the batch reaches the disk */
void house_answer(struct house *h, uint64_t life); /* EVENT_ANSWER: and the broker hears of it */
bool house_planned(struct house *h, uint64_t at);   /* the turn that was planned for then came; false: it is another one now */
void house_wake(struct house *h, uint64_t at);
void house_install(struct house *h);                /* what is to come into force; nothing where the broker is down or at it */
/* What an operator wishes, and what is answered at once; KW_EAGAIN too where the broker is down. */
enum kw_err house_suspend(struct house *h, const struct suspensions_wish *w);
void house_is_slow(struct house *h, uint64_t until); /* what is given to its disk before then is not there earlier */
bool house_is_lost(const struct house *h);          /* its store failed: it ends with this turn */
bool house_is_narrow(const struct house *h);        /* this seed's broker has little windows */
uint32_t house_version(const struct house *h);       /* of the agreement in force at the broker; 0: it is down, or there is none */
bool house_quiet(const struct house *h);

#endif
