/* loading: what a store tells at its start goes to the core, and its agreements into the chain, each verified by the one before it. */
#ifndef KW_BROKER_LOADING_H
#define KW_BROKER_LOADING_H

#include "broker/core/core.h"
#include "broker/store/store.h"
#include "certs/agreement_chain.h"

struct loading { /* all borrowed; the chain for as long as the core lives */
	struct core *core;
	struct agreement_chain *chain;
	const struct agreement *file; /* what was read already and has most of the same keys; NULL: nothing was */
};

/* For the store's open; l must live until that is over. core_start comes next. */
struct store_load loading_begin(struct loading *l);

#endif
