/* store_memory: the same contract in memory, for tests and the simulator; nothing survives close. */
#ifndef KW_BROKER_STORE_MEMORY_H
#define KW_BROKER_STORE_MEMORY_H

#include "broker/store/store.h"

/* fail_after: the n-th commit from now answers KW_EIO (0: never); tests set it by store_memory_fail. */
KW_MUST_USE enum kw_err store_memory_open(struct store **out, struct store_signer signer, uint64_t quota_bytes);
void store_memory_fail(struct store *s, uint32_t fail_after, enum kw_err with);

#endif
