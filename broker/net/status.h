/* status: what the broker tells its operator about itself, as JSON. Never content; no keys, no topics of single notifications. */
#ifndef KW_BROKER_STATUS_H
#define KW_BROKER_STATUS_H

#include <jansson.h>

#include "base/err.h"
#include "base/span.h"
#include "broker/net/node_pages.h"
#include "backup/backup_last.h"
#include "broker/net/relay.h"

#define STATUS_SECONDS 60

struct status { /* the tails of the last minute, for rates */
	uint64_t second;
	uint32_t count;
	uint64_t tail[STATUS_SECONDS + 1][KW_LANES];
	uint64_t at_ms[STATUS_SECONDS + 1];
	json_t *(*config)(void *self);   /* what of the configuration is in force; NULL: nobody says */
	void *config_self;
	uint64_t restored_ms;            /* the store came back from a backup of then before this start; 0: it did not */
	struct backup_last backup;       /* the last one that was handed out whole */
};

void status_tick(struct status *s, const struct relay *r, uint64_t mono_ms); /* once a second or more */
/* Appends the JSON text, with_all: everything; else the nodes alone. ask NULL: the first of them, in short. KW_ENOMEM; KW_ENOTFOUND: no such node. */
KW_MUST_USE enum kw_err status_put(struct buf *out, const struct status *s, const struct relay *r, bool with_all, const struct nodes_ask *ask, struct kw_why *why);

#endif
