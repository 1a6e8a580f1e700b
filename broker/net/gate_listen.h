/*
 * gate_listen: the addresses at which the gate listens, and none while descriptors are short: libzmq spins in a TCP accept
 * without descriptors, and ends the process in an ipc accept, which is the operator's. Connections that stand are not touched.
 */
#ifndef KW_BROKER_GATE_LISTEN_H
#define KW_BROKER_GATE_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define GATE_LISTEN_MAX 16 /* addresses; the configuration allows fewer */

struct gate_listen {
	void *socket;
	char at[GATE_LISTEN_MAX][256]; /* as bound: a port that was left open is chosen once */
	bool bound[GATE_LISTEN_MAX];
	uint32_t count;
	bool open;
	int most;                      /* descriptors in use from which on no more connections are taken */
	int resume;
};

/* KW_EEXISTS: an address is taken; KW_EINVAL: it is none; KW_EIO. */
KW_MUST_USE enum kw_err gate_listen_open(struct gate_listen *l, void *socket, const char *const *endpoints, uint32_t count, struct kw_why *why);
/*
 * What would keep us from listening there, without listening: KW_EEXISTS: it is taken, maybe by the broker that runs already; KW_EINVAL; KW_EIO. An address
 * that says an interface, or leaves the port open, is let be.
 */
KW_MUST_USE enum kw_err gate_listen_check(const char *endpoint, struct kw_why *why);
/* To be called when connections came or went, and every GATE_LISTEN_AGAIN_MS while gate_listen_is_open says no. */
void gate_listen_look(struct gate_listen *l);
bool gate_listen_is_open(const struct gate_listen *l);
#define GATE_LISTEN_AGAIN_MS 100

#endif
