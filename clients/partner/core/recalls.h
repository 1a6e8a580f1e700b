/*
 * recalls: what the broker left out as recalled, until the recall itself is here (docs/protocol.md [D-10]). Pure. The recall stands behind it in
 * the same lane; where it does not come, the broker said so to hold something back.
 */
#ifndef KW_PARTNER_RECALLS_H
#define KW_PARTNER_RECALLS_H

#include <stdbool.h>
#include <stdint.h>

#define RECALLS_MOST 64u
#define RECALLS_WAIT_MS 300000u /* of one connection: a backlog of its lane may stand between the two */

struct recalls {
	struct { uint64_t seq, since_ms; } at[RECALLS_MOST];
	uint32_t count;
};

bool recalls_full(const struct recalls *r);
void recalls_forget(struct recalls *r);
void recalls_await(struct recalls *r, uint64_t seq, uint64_t now_ms); /* nothing where it is full */
void recalls_came(struct recalls *r, uint64_t seq);
void recalls_again(struct recalls *r, uint64_t now_ms);               /* another connection: the wait begins anew */
uint64_t recalls_missing(struct recalls *r, uint64_t now_ms);         /* the next one that waited too long, each once; 0: none */

#endif
