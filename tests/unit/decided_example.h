/* decided_example: a batch with every operation, as the journal carries it: for tests, and as a seed for any bytes. */
#ifndef KW_TESTS_DECIDED_EXAMPLE_H
#define KW_TESTS_DECIDED_EXAMPLE_H

#include "broker/store/decided.h"

/* Those from the first on, behind what b holds, with a commit or without one. Then buf_ok. */
void decided_example(struct buf *b, uint32_t first, bool commit);

#endif
