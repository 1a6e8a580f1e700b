/*
 * agreement_chain: the versions of one agreement, each verified by the one before it; it only grows. Held in memory: who
 * owns the chain writes texts and signatures down and adds them again at the next start. One thread at a time; agreements
 * that were looked up live as long as the chain and may be read by any thread.
 */
#ifndef KW_CERTS_AGREEMENT_CHAIN_H
#define KW_CERTS_AGREEMENT_CHAIN_H

#include "certs/agreement.h"

struct agreement_chain;
KW_MUST_USE enum kw_err agreement_chain_new(struct agreement_chain **out);
void agreement_chain_free(struct agreement_chain **c);

/*
 * The first of the chain: its own members' threshold, and pinned, its fingerprint (blanks and case do not matter), where
 * that is not NULL. Without a pin it must be version 1. On KW_OK *a belongs to the chain and is NULL; else it is still the
 * caller's. KW_EDENIED: another fingerprint, too few signatures; KW_ECRYPTO, KW_EPROTO: a signature; KW_ESTATE: there is a first.
 */
KW_MUST_USE enum kw_err agreement_chain_add_first(struct agreement_chain *c, struct agreement **a, struct span sigs, const char *pinned,
                                                  struct kw_why *why);

/*
 * The next version, verified by the newest (agreement_verify_next). *a as above.
 *   KW_EEXISTS    this very text is in the chain already, newest or not
 *   KW_ENOTFOUND  versions between are missing; ask for agreement_chain_newest + 1 first
 *   KW_EDENIED    a lower version with another text, a wrong "previous", too few signatures; where the other text of a
 *                 version that is here has all its signatures it is kept as evidence, the first such one for good
 *   KW_ECRYPTO, KW_EPROTO  a signature;  KW_ESTATE  there is no first
 */
KW_MUST_USE enum kw_err agreement_chain_add_next(struct agreement_chain *c, struct agreement **a, struct span sigs, struct kw_why *why);

/* NULL: not there. The newest is the one in force. */
const struct agreement *agreement_chain_newest(const struct agreement_chain *c);
const struct agreement *agreement_chain_oldest(const struct agreement_chain *c);
const struct agreement *agreement_chain_get(const struct agreement_chain *c, uint32_t version);
struct span agreement_chain_signatures(const struct agreement_chain *c, uint32_t version); /* as they were added; empty: not there */

/* Two valid texts for one version: the committee, or its keys, did that. False: nothing of the kind was met. */
struct agreement_rival {
	uint32_t version;
	struct span text;   /* of the one that was refused; lives as long as the chain */
	struct span sigs;
};
bool agreement_chain_evidence(const struct agreement_chain *c, struct agreement_rival *out);

#endif
