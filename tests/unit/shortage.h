/* shortage: memory that runs out for Jansson where a test wants it: one call after so many others finds none, or all from then on. */
#ifndef KW_TESTS_SHORTAGE_H
#define KW_TESTS_SHORTAGE_H

#include <stdbool.h>
#include <stddef.h>

struct shortage { bool counts, for_good, fired; unsigned left; };
extern struct shortage shortage;
void *shortage_take(size_t size); /* for json_memory_watch */

#endif
