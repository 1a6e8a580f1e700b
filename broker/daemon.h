/* daemon: puts the broker's parts together, runs them until it is told to stop, and takes them apart. */
#ifndef KW_BROKER_DAEMON_H
#define KW_BROKER_DAEMON_H

#include "broker/config.h"

/* What a process ends with; sysexits(3) where they fit, so that systemd can tell them apart. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STORE_LOST = 74, EXIT_CONFIG = 78 };

/* Key and agreement may be read and fit together: what --check-config asks beyond the file itself. Exit code. */
int daemon_check(const struct broker_config *config);
/* Runs; signals is a signalfd for SIGTERM and SIGINT, which are blocked. Exit code. */
int daemon_run(const struct broker_config *config, int signals);

#endif
