/* config: broker.yaml as plain data. An unknown key, a wrong value, a missing file name: one sentence with its line. */
#ifndef KW_BROKER_CONFIG_H
#define KW_BROKER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "config/reload.h"

#define BROKER_LISTEN_MAX 16

struct broker_config {
	char *agreement;                  /* file; its signatures lie beside it, with ".sig" behind the name */
	char *key;
	char *listen[BROKER_LISTEN_MAX];
	uint32_t listen_count;
	char *control;                    /* ipc://… */
	char *store_path;
	uint32_t audit_keep_years;        /* a year's records of the audit trail stay for so many whole years after it */
	uint64_t store_quota;             /* 0: the store's own choice */
	bool store_force_filesystem;
	uint32_t connections;
	enum log_level log;
};

KW_MUST_USE enum kw_err broker_config_read(struct broker_config *out, const char *path, struct kw_why *why);
void broker_config_free(struct broker_config *c); /* of one that was zeroed or read */

/* What it says, key by key. */
void broker_config_settings(struct settings *out, const struct broker_config *c);
/* What may change while the broker runs goes from fresh into running, and what running had of it into fresh. */
void broker_config_exchange(struct broker_config *running, struct broker_config *fresh);

#endif
