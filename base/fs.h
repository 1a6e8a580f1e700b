/* fs: files read whole within a limit, written whole or not at all, and locks that tell who holds them. */
#ifndef KW_BASE_FS_H
#define KW_BASE_FS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/span.h"

/*
 * Reads the whole regular file (no device, no directory, no FIFO) into out, at most out->max bytes. "-" is standard input.
 * KW_ENOTFOUND, KW_ELIMIT, KW_EIO; out then holds nothing.
 */
KW_MUST_USE enum kw_err fs_read(struct buf *out, const char *path, struct kw_why *why);

/*
 * The same for a secret: not a symbolic link, owned by us or root, no permission for group and others (root's credentials
 * directories may be group-readable by us alone), else KW_EDENIED with the chmod that mends it. out is marked secret.
 */
KW_MUST_USE enum kw_err fs_read_private(struct buf *out, const char *path, struct kw_why *why);

/* Whole or not at all: temporary file beside it, fsync, rename, fsync of the folder. mode 0600 or 0644. */
KW_MUST_USE enum kw_err fs_write(const char *path, struct span bytes, mode_t mode, struct kw_why *why);

/* The same, but refuses with KW_EEXISTS when path is there already (link(2) decides, so no race). */
KW_MUST_USE enum kw_err fs_write_new(const char *path, struct span bytes, mode_t mode, struct kw_why *why);

/*
 * What stands in the file or folder is on disk when this returns. A process that was killed leaves writes that its successor reads and a
 * power cut still takes away: whoever acts on what it reads calls this first. There is no such file: KW_OK.
 */
KW_MUST_USE enum kw_err fs_sync(const char *path, struct kw_why *why);
/* The same for what an earlier sync may have failed for, which the system then takes for written: all of it is written again, as it is. */
KW_MUST_USE enum kw_err fs_sync_again(const char *path, struct kw_why *why);

/* Makes the folder (0700) if missing, its name synced; KW_EDENIED when somebody else owns it. One level only. */
KW_MUST_USE enum kw_err fs_folder(const char *path, struct kw_why *why);

/*
 * What would keep us from working in the folder, or from making it where it is missing; nothing is changed. The sentence says what to type. Root looks for
 * a daemon that runs as somebody else: whose a folder is, and one that is missing below /var/lib, is left to systemd then, which sees to both.
 */
KW_MUST_USE enum kw_err fs_folder_check(const char *path, struct kw_why *why);

/*
 * Makes way for a socket at path (absolute): its folder is made (0700) if missing, and what a daemon that is gone left there may be
 * taken by the next bind. KW_EEXISTS: somebody listens there; KW_EINVAL: what lies there is no socket, and stays.
 */
KW_MUST_USE enum kw_err fs_socket_place(const char *path, struct kw_why *why);
/* What would keep us from making a socket there, but for somebody who listens there already: that may be the daemon itself. Nothing is changed. */
KW_MUST_USE enum kw_err fs_socket_check(const char *path, struct kw_why *why);
bool fs_socket_answers(const char *path); /* somebody listens there, and we may reach him */

/* Exclusive lock on path/lock, held until the returned descriptor is closed. KW_EEXISTS names the process that has held it for a second. */
KW_MUST_USE enum kw_err fs_lock(int *fd, const char *folder, struct kw_why *why);

#endif
