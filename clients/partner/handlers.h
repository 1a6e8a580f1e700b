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
/*
 * Other handlers from now on; names say which is which. What goes on, or is new, follows now, which must live as long as those of the configuration
 * do. What is gone begins nothing more; where its program still runs it takes what it needs out of before, the list until now (its entry there is
 * empty then). No run is ended. On an error nothing changed.
 */
KW_MUST_USE enum kw_err handlers_reload(struct handlers *h, const struct config_handler *now, uint32_t count, struct config_handler *before,
                                        uint32_t before_count, struct kw_why *why);
/* After the loop ended, before node_close: what runs is asked to end, after five seconds killed, and its place kept. */
void handlers_close(struct handlers **h);

#endif
