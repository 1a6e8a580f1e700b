/* log_entry: an entry as the store has it, read for the core's replay: a notification's header, or what the broker itself said there. */
#ifndef KW_BROKER_LOG_ENTRY_H
#define KW_BROKER_LOG_ENTRY_H

#include "broker/core/core.h"

struct log_entry {
	struct core_log_entry e;        /* points into the rest */
	struct broker_entry own;
	struct header header;
	uint8_t frame_hash[KW_HASH_LEN];
};

/* Borrows nothing of s, but out is not to be moved. KW_ECORRUPT: the store's bytes are no entry. */
KW_MUST_USE enum kw_err log_entry_read(struct log_entry *out, const struct store_entry *s, struct kw_why *why);

#endif
