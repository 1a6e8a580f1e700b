/*
 * walk: through a tree of folders in small parts, so that thousands of files hold up nothing else. Symbolic links are shown
 * and never followed; what is deeper or longer than a topic can be is not entered. Order is the file system's.
 */
#ifndef KW_PARTNER_WALK_H
#define KW_PARTNER_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

#define WALK_DEPTH_MAX 16  /* folders below the one it begins in */
#define WALK_PATH_MAX 1024 /* bytes of a folder's path from there, with its zero */

struct walk;

struct walk_calls {
	/* A folder is about to be entered: path from the top ("" is the top itself), fd borrowed. False: not into this one. May be NULL. */
	bool (*enter)(void *self, const char *path, int fd);
	/* Something that is no folder. fd is the folder's, borrowed. */
	void (*entry)(void *self, const char *folder, int fd, const char *name, const struct stat *st);
	/* A folder was left; what was in it was shown. up is the folder above, name its name there. Not for the top. May be NULL. */
	void (*leave)(void *self, int up, const char *name);
	/* A folder that cannot be entered: why, as a few words. May be NULL. */
	void (*closed)(void *self, const char *path, const char *why);
	void *self;
};

/* Begins in the folder fd, which it duplicates. calls is copied. KW_ENOMEM, KW_EIO. */
KW_MUST_USE enum kw_err walk_open(struct walk **out, int fd, const struct walk_calls *calls);
/* Looks at so many entries at most. True: that was all. What is added meanwhile may be shown or not. */
bool walk_step(struct walk *w, uint32_t most);
void walk_close(struct walk **w);

#endif
