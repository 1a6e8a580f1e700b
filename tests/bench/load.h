/* load: what the parts of bench_load share: whom it talks to, and waiting for all of them. */
#ifndef KW_BENCH_LOAD_H
#define KW_BENCH_LOAD_H

#include "certs/agreement.h"
#include "load_base.h"

/* Whom a run is measured against: a Kurzweg broker, or one of bench_peer's, which know no hello, no rights and no log. */
struct target {
	char name[32];
	char endpoint[160];
	bool bare;                       /* bench_peer's few words instead of the node protocol */
	uint8_t curve_pk[KW_KEY_LEN];
	int pid;                         /* of the process measured, 0: not known */
};

struct load_node;
struct load {
	void *zmq;
	int epoll;
	const char *folder;              /* agreement.yaml and the nodes' keys, "police/desk" in police-desk.key */
	struct agreement *agreement;
	struct load_node **nodes;        /* those that are open */
	uint32_t node_count;
	uint64_t looked_ns;              /* when signs of life were last looked after */
};

void load_begin(struct load *l, const char *folder);
void load_end(struct load *l);       /* its nodes are closed before */

/*
 * Waits until something came for a node or until_ns is over, and hands on all that is there to the nodes' handlers. deadline_ns: a run that is
 * not whole by then ends the program.
 */
void load_turn(struct load *l, uint64_t until_ns, uint64_t deadline_ns);

#endif
