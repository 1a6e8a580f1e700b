/*
 * local: the node's socket on this machine, docs/protocol.md section 9. What is asked here is answered by desk.h; who may
 * open the socket's file may ask.
 */
#ifndef KW_PARTNER_LOCAL_H
#define KW_PARTNER_LOCAL_H

#include "base/err.h"

struct node;
struct local;

/*
 * Listens on the configuration's socket and hangs itself into n's loop; n is borrowed. The file's mode is 0660. KW_EEXISTS: another
 * program listens there; KW_EINVAL: what lies there is no socket; KW_EDENIED, KW_EIO.
 */
KW_MUST_USE enum kw_err local_open(struct local **out, struct node *n, struct kw_why *why);
/* After the loop ended, before node_close; who still waits for an answer gets none. */
void local_close(struct local **l);

#endif
