/*
 * commits_page: the broker's commits, for who checks its log offline: {"commits":[[number, "record or hash in hexadecimal"]…],"after":N,"more":B}. What is
 * kept without its entries any more is told by its hash, which the next one's record vouches for; what is not kept at all is left out.
 */
#ifndef KW_BROKER_COMMITS_PAGE_H
#define KW_BROKER_COMMITS_PAGE_H

#include "broker/net/relay.h"

#define COMMITS_PAGE 256u
#define COMMITS_LOOK 4096u /* numbers that are looked for at most for one page */

KW_MUST_USE enum kw_err commits_page_put(struct buf *out, const struct relay *r, uint64_t after, struct kw_why *why);

#endif
