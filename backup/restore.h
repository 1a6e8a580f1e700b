/*
 * restore: a backup put back into the folder of a daemon that does not run. Everything is checked against the manifest before anything is
 * placed, and once more while it is copied.
 *
 * In the folder stands "restoring" (the manifest) until all of it is on disk, and then "restored", which the daemon takes at its next start (restored.h):
 * what a power cut left in the middle serves nobody.
 */
#ifndef KW_BACKUP_RESTORE_H
#define KW_BACKUP_RESTORE_H

#include "backup/manifest.h"

#define RESTORE_UNDER_WAY "restoring"
#define RESTORE_DONE "restored"

struct restore_progress { void *self; void (*call)(void *self, uint64_t bytes, uint64_t of); }; /* call may be NULL */

/* Every file of m is in folder, as long as it is to be, and has its hash. KW_ECORRUPT names the first that is not; KW_EIO, KW_ENOMEM. */
KW_MUST_USE enum kw_err restore_check(const struct manifest *m, const char *folder, const struct restore_progress *p, struct kw_why *why);

/*
 * Copies it from folder into to, which is made (0700) or is empty but for a lock. Run by root, what is placed gets to's owner. KW_EEXISTS: a daemon runs
 * there, or to is not empty; KW_EFULL, KW_EIO, KW_EDENIED, KW_ECORRUPT: nothing of it was left there.
 */
KW_MUST_USE enum kw_err restore_place(const struct manifest *m, const char *folder, const char *to, const struct restore_progress *p, struct kw_why *why);

#endif
