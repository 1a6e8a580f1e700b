/* rival_body: what is published and compared: who it is from, the how-manyth it is, and bytes that do not compress. */
#ifndef KW_BENCH_RIVAL_BODY_H
#define KW_BENCH_RIVAL_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

#define RIVAL_BODY_LEAST 16u
#define RIVAL_BODY_MOST (256u * 1024u)

void rival_body_put(uint8_t *out, uint32_t len, uint32_t publisher, uint32_t number);
/* false: it is not what anybody published in this length; else who published it, and its number there. */
bool rival_body_is(struct span body, uint32_t len, uint32_t *publisher, uint32_t *number);

#endif
