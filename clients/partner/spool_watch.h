/*
 * spool_watch: tells at once when something happens in the spool's folders (inotify), and which files were renamed into them,
 * which means they are whole. It may miss things: whoever uses it looks around by itself now and then.
 */
#ifndef KW_PARTNER_SPOOL_WATCH_H
#define KW_PARTNER_SPOOL_WATCH_H

#include <stdbool.h>

#include "base/err.h"
#include "clients/partner/node.h"

struct spool_watch;

/* woken: something happened; whole: a file that can be taken now, or a folder that may hold some. KW_EIO, KW_ELIMIT, KW_ENOMEM: it does not work here. */
KW_MUST_USE enum kw_err spool_watch_open(struct spool_watch **out, struct node *n, void (*woken)(void *self, bool whole), void *self);
void spool_watch_close(struct spool_watch **w);

void spool_watch_folder(struct spool_watch *w, const char *folder, int fd); /* from now on; again for the same one is fine */
/* A look through all folders begins: what was renamed before this and the last such call is forgotten. */
void spool_watch_round(struct spool_watch *w);
bool spool_watch_renamed(const struct spool_watch *w, const char *folder, const char *name);

#endif
