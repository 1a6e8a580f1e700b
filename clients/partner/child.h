/*
 * child: one program that runs beside the daemon: bytes on its standard input, what it complains about kept up to a limit,
 * its end told. In a process group of its own, with a clean signal state, the folder /, standard output to nowhere, and no
 * descriptor of ours; it is killed when the daemon dies. The loop never waits for it.
 */
#ifndef KW_PARTNER_CHILD_H
#define KW_PARTNER_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "clients/partner/node.h"

struct child;

#define CHILD_SAID_MAX 1024u /* bytes of standard error that are kept; the rest is read and dropped */

struct child_start {
	char *const *argv;         /* the first is the program's path; ends with NULL */
	char *const *envp;         /* all of its environment */
	struct buf *input;         /* moved into the child on KW_OK, wiped when written; it need not read it */
	void (*ended)(void *self); /* once, from the loop: child_end answers then */
	void *self;
};

/* KW_ENOTFOUND, KW_EDENIED, KW_EIO, KW_ENOMEM with a sentence: it did not start, *input is the caller's still. */
KW_MUST_USE enum kw_err child_start(struct child **out, struct node *n, const struct child_start *c, struct kw_why *why);
void child_signal(struct child *c, int signal); /* to its whole group; nothing once it has ended */
/*
 * True: it ended; *well: with exit code 0. how: "exit code 3", "killed by signal 9". wait_ms: how long to wait for that,
 * 0 from within the loop. What its group left running is killed unless it ended well.
 */
KW_MUST_USE bool child_end(bool *well, char how[64], struct child *c, uint32_t wait_ms);
int child_exit_code(const struct child *c);      /* after child_end; -1: a signal killed it */
struct span child_said(const struct child *c);  /* of standard error */
void child_free(struct child **c);              /* kills it first if it still runs */

#endif
