/*
 * restored: what a restore left for the daemon's next start to find: that its store came back from a backup, and of when (restore.h). The daemon records
 * it, does what its own rules ask for then, and takes the mark away.
 */
#ifndef KW_BACKUP_RESTORED_H
#define KW_BACKUP_RESTORED_H

#include "backup/manifest.h"

struct restored {
	bool there;
	uint64_t made_ms;                        /* when the backup was begun, by the clock of then */
	char made[32];                           /* the same for people, UTC */
};

/* Before the store is opened. KW_ESTATE: a restore was not finished there, or it is another kind of daemon's backup. KW_ECORRUPT, KW_EIO, KW_ENOMEM. */
KW_MUST_USE enum kw_err restored_look(struct restored *out, const char *folder, enum backup_of we, struct kw_why *why);
/* It was told and acted upon: from now on the store is as any other. */
KW_MUST_USE enum kw_err restored_told(const char *folder, struct kw_why *why);

#endif
