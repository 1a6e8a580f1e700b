/*
 * suspensions: whom operators keep out (docs/protocol.md [O-9] to [O-12]), by what they asked, what came to stand in the log, and the broker's clocks; how the broker
 * does it is not asked.
 */
#ifndef KW_SIM_SUSPENSIONS_H
#define KW_SIM_SUSPENSIONS_H

#include "broker/store/store.h"
#include "proto/entry.h"
#include "proto/wire.h"
#include "sim.h"

struct suspensions;

struct suspensions *suspensions_new(struct sim *s);
void suspensions_free(struct suspensions **x);

struct suspensions_wish { int who; enum suspension_act act; uint64_t for_ms; };
/* What the broker answered at once. busy: another agreement is on its way. */
void suspensions_asked(struct suspensions *x, const struct suspensions_wish *w, bool busy, enum kw_err err, const struct kw_why *why);
void suspensions_answered(struct suspensions *x, enum kw_err err);
void suspensions_logged(struct suspensions *x, const struct store_op *op); /* an entry of the broker's */
void suspensions_restored(struct suspensions *x);       /* an old copy: what it holds is told again */
void suspensions_broker_gone(struct suspensions *x);
void suspensions_broker_started(struct suspensions *x); /* at the very moment at which its core was */

bool suspensions_keeps_out(const struct suspensions *x, int who);
uint32_t suspensions_held(const struct suspensions *x); /* bits: who is out */
/* The broker says so to who. */
void suspensions_hears(struct suspensions *x, int who, const struct wire_msg *m);
bool suspensions_settled(struct suspensions *x, char what[512]); /* nobody of the agreement is out, and every node tells of none */

#endif
