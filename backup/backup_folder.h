/*
 * backup_folder: a backup being written: a new folder, whole under its name or not there. It grows as "NAME.part" beside it (0700, files 0600), is
 * synced, and gets its name with the manifest in it; what is given up is removed.
 */
#ifndef KW_BACKUP_FOLDER_H
#define KW_BACKUP_FOLDER_H

#include "backup/manifest.h"

struct backup_folder;

/* to: must not be there, its parent must. KW_EEXISTS: it is, or its .part is; KW_ENOTFOUND, KW_EIO, KW_EFULL, KW_ELIMIT, KW_ENOMEM. */
KW_MUST_USE enum kw_err backup_folder_begin(struct backup_folder **out, const char *to, struct kw_why *why);
/* One file after the other, by a name that stands. KW_EFULL tells how much would have been written. */
KW_MUST_USE enum kw_err backup_folder_file(struct backup_folder *f, const char *name, struct kw_why *why);
KW_MUST_USE enum kw_err backup_folder_put(struct backup_folder *f, struct span bytes, struct kw_why *why);
KW_MUST_USE enum kw_err backup_folder_file_end(struct backup_folder *f, struct kw_why *why);
uint64_t backup_folder_bytes(const struct backup_folder *f); /* written so far */
/*
 * Fills in m's files, writes the manifest, syncs all, gives the folder its name, and frees f. KW_EPROTO: there is no file in it. On an error nothing
 * is left, and f is freed too.
 */
KW_MUST_USE enum kw_err backup_folder_finish(struct backup_folder **f, struct manifest *m, struct kw_why *why);
void backup_folder_give_up(struct backup_folder **f); /* removes all of it; accepts &NULL */

#endif
