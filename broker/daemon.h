/* daemon: puts the broker's parts together, runs them until it is told to stop, and takes them apart. */
#ifndef KW_BROKER_DAEMON_H
#define KW_BROKER_DAEMON_H

#include "broker/config.h"

/* What a process ends with; sysexits(3) where they fit, so that systemd can tell them apart. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STORE_LOST = 74, EXIT_CONFIG = 78 };

/*
 * What --check-config asks beyond the file itself: key and agreement fit together, store and control socket can be made, the addresses are free, or this
 * broker's that runs already. One sentence on standard error for each thing that is not so; nothing is changed. Exit code.
 */
int daemon_check(struct broker_config *config);
/*
 * Runs; path is config's file, read again at SIGHUP; what is in force then stands in config. signals is a signalfd for SIGTERM, SIGINT and SIGHUP,
 * which are blocked. Exit code.
 */
int daemon_run(struct broker_config *config, const char *path, int signals);

#endif
