/*
 * rival_net: carries the bytes of rival's connections: TCP on loopback, TLS by OpenSSL, all of them in one thread and one epoll loop, so that no
 * client is slower than another for its own sake. What goes wrong ends the program with one sentence.
 */
#ifndef KW_BENCH_RIVAL_NET_H
#define KW_BENCH_RIVAL_NET_H

#include "rival.h"

struct rival_net;

/* Trusts the certificate in that file alone. */
struct rival_net *rival_net_new(const char *certificate);
void rival_net_free(struct rival_net **net); /* its connections are closed before */

/*
 * Begins to connect; TLS, the first words and handler calls come from rival_net_turn. It is the net's until it is closed.
 */
struct rival *rival_net_open(struct rival_net *net, const struct rival_protocol *p, uint16_t port, enum rival_role role, const char *run,
                             const char *name, struct rival_handler on);
/* Its connection ends, and all that was on its way; what the server keeps of it stays. rival_net_return connects again and goes on where it was. */
void rival_net_leave(struct rival_net *net, struct rival *r);
void rival_net_return(struct rival_net *net, struct rival *r, uint16_t port);
void rival_net_close(struct rival_net *net, struct rival **r);
void rival_net_send(struct rival_net *net, struct rival *r); /* what is in r->out, as far as it goes now; the rest when there is room */

/* Waits until something came or until_ns is over, and hands it on; a run that is not over by deadline_ns ends the program. */
void rival_net_turn(struct rival_net *net, uint64_t until_ns, uint64_t deadline_ns);

#endif
