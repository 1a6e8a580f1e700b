/*
 * backup_last: when the last backup was handed out whole by the daemon of a folder, kept in that folder. It is no part of a backup: a store that was put
 * back knows of none.
 */
#ifndef KW_BACKUP_LAST_H
#define KW_BACKUP_LAST_H

#include <stdint.h>

#include "base/err.h"

#define BACKUP_LAST "backed-up"

struct backup_last { uint64_t made_ms, bytes; }; /* as the manifest has it; made_ms 0: none is known */

/* What cannot be read counts as none; there is nothing to be done about it. */
void backup_last_read(struct backup_last *out, const char *folder);
KW_MUST_USE enum kw_err backup_last_write(const struct backup_last *last, const char *folder, struct kw_why *why);

#endif
