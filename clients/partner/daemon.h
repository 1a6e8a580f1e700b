/* daemon: a node with all that hangs in its loop, from start to end: local socket, handlers, spool, signals, what systemd hears. */
#ifndef KW_PARTNER_DAEMON_H
#define KW_PARTNER_DAEMON_H

#include <stdbool.h>

#include "clients/partner/config.h"

/* What a process ends with; sysexits(3) where they fit, so that systemd can tell them apart. */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_STORE = 74,  /* the store failed: started again, the daemon goes on from what is on disk */
	EXIT_CONFIG = 78, /* configuration, key or agreement: somebody has to mend them first */
};

/* Whether all that path and what it names say may stand; one sentence on standard error for each thing that may not. Exit code. */
int daemon_check(const struct partner_config *config, const char *path);
struct daemon_start {
	bool resume;  /* publish on after two histories of the broker were met */
	bool verbose; /* log at least LOG_INFO, also where the file says less */
};

/*
 * Runs; path is config's file, read again at SIGHUP; what is in force then stands in config. signals is a signalfd for SIGTERM, SIGINT and SIGHUP,
 * which are blocked. Exit code.
 */
int daemon_run(struct partner_config *config, const char *path, int signals, const struct daemon_start *how);

#endif
