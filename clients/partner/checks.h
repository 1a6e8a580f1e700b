/*
 * checks: what a configuration names on this machine, looked at without a node and without changing anything: would a daemon that runs as we do find
 * it as it needs it? One sentence for each thing that is not so.
 */
#ifndef KW_PARTNER_CHECKS_H
#define KW_PARTNER_CHECKS_H

#include "base/err.h"
#include "clients/partner/config.h"

/* Calls say with one sentence for each handler that could not be started as things are; how many. */
uint32_t handlers_check(const struct partner_config *config, void (*say)(void *self, const char *sentence), void *self);

/* What is wrong with the spool's folder, or could not be made in it; KW_OK: nothing, or no spool. */
KW_MUST_USE enum kw_err spool_check(const struct partner_config *config, struct kw_why *why);

/* The folder of outbox and inbox, and the local socket's place; both may be missing where the daemon may make them. */
KW_MUST_USE enum kw_err state_check(const struct partner_config *config, struct kw_why *why);
KW_MUST_USE enum kw_err socket_check(const struct partner_config *config, struct kw_why *why);

/* All of these, and key and agreement; how many sentences were said. */
uint32_t checks_all(const struct partner_config *config, void (*say)(void *self, const char *sentence), void *self);

#endif
