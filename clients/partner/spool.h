/*
 * spool: a folder where agency systems drop files to be published. The path of a file's folder below the spool is its topic:
 * SPOOL/alert/flood/mitte/x.cap.xml goes to alert/flood/mitte. *.cap.xml is a CAP alert, *.json the topic's schema as JSON; what a
 * file means says intake.h. Each ends in sent/ with its notification's id beside it (x.cap.xml.id), or in failed/ with the
 * reason (x.cap.xml.reason.txt), below the same folders.
 *
 * A file is taken when it was renamed into its folder or has not changed for two seconds, oldest first, and never before an
 * older one of its folder: an alert that has yet to prove itself whole is not overtaken by its update. It is published once,
 * however the daemon ends in between: it is moved to .taking first; its path and the notification come to disk together; the
 * path is forgotten when the file lies in sent/.
 */
#ifndef KW_PARTNER_SPOOL_H
#define KW_PARTNER_SPOOL_H

#include "base/err.h"
#include "clients/partner/config.h"

struct node;
struct spool;

/* Where the configuration names none it waits for one. A spool that cannot be used now is an alarm and looked at again. n is borrowed. */
KW_MUST_USE enum kw_err spool_open(struct spool **out, struct node *n, struct kw_why *why);
/* Another folder from now on, or none (NULL); path is borrowed. What was found and not taken yet in the one before stays there. */
void spool_move(struct spool *s, const char *path);
void spool_close(struct spool **s); /* after the loop ended, before node_close */

#endif
