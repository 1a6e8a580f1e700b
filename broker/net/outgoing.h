/* outgoing: buffers for what the core orders to be sent, read and committed. */
#ifndef KW_BROKER_OUTGOING_H
#define KW_BROKER_OUTGOING_H

#include "base/err.h"
#include "base/span.h"
#include "broker/store/store.h"
#include "proto/wire.h"

struct outgoing {
	struct buf control;
	struct buf delivery;                 /* the last one's control; readers of one entry differ in their wraps alone */
	struct wire_deliver delivered;
	size_t wrap_at;                      /* in delivery; 0: it is not to be used again */
	uint8_t (*tree)[KW_HASH_LEN];        /* of the commit being answered */
	size_t tree_room;                    /* hashes */
	uint32_t leaf_count;
	uint8_t commit[WIRE_COMMIT_LEN];
	struct wire_stored_item *items;      /* WIRE_STORED_MAX */
	struct store_entry *entries;         /* one page */
};

KW_MUST_USE enum kw_err outgoing_init(struct outgoing *o);
void outgoing_free(struct outgoing *o);

#endif
