/* room: the disk under a node's store, watched, and told in its status: how much is left, and until when if it goes on so. */
#ifndef KW_PARTNER_ROOM_H
#define KW_PARTNER_ROOM_H

#include "base/err.h"
#include "clients/partner/node.h"

struct room;

/* folder: the node's state; borrowed, as n. The status has "disk" from now on. Closed before n, which asks nothing any more then. KW_ENOMEM, KW_ELIMIT. */
KW_MUST_USE enum kw_err room_open(struct room **out, struct node *n, const char *folder, struct kw_why *why);
void room_close(struct room **r);

#endif
