/* ready: tells systemd, where it asked for it, how far the daemon is (sd_notify(3)'s protocol). */
#ifndef KW_BROKER_READY_H
#define KW_BROKER_READY_H

void ready_notify(const char *state); /* "READY=1", "STOPPING=1" */

#endif
