/*
 * handlers: the programs of partner.yaml, run for what comes into the inbox: each in the inbox's order, one notification at
 * a time, again until it ends with exit code 0 or is set aside. When one is run core/handling.h decides; what it is given
 * handler_input.h says. Here is what hangs it into the node's loop, brings its place to disk and tells how it went.
 *
 * A run is on disk as begun before it begins, and as done before the next one; what lies between may be seen twice, and the
 * program is told so.
 */
#ifndef KW_PARTNER_HANDLERS_H
#define KW_PARTNER_HANDLERS_H

#include "base/err.h"
#include "clients/partner/config.h"

struct node;
struct handlers;

/* n is borrowed and must outlive it. A handler that has no place yet begins with what comes from now on. */
KW_MUST_USE enum kw_err handlers_open(struct handlers **out, struct node *n, struct kw_why *why);
/* After the loop ended, before node_close: what runs is asked to end, after five seconds killed, and its place kept. */
void handlers_close(struct handlers **h);

/* Calls say with one sentence for each handler that could not be started as things are; how many. Needs no node. */
uint32_t handlers_check(const struct partner_config *config, void (*say)(void *self, const char *sentence), void *self);

#endif
