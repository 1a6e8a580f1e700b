/*
 * json_memory: whether Jansson found memory for everything that it was asked to build. Its builders say so call by call, and leave out what
 * finds none; an answer is built of hundreds of calls, and is asked here once, when it is whole.
 */
#ifndef KW_JSON_MEMORY_H
#define KW_JSON_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Before Jansson's first call in the process. take: what it takes memory from, as malloc, which free gives back. */
void json_memory_watch(void *(*take)(size_t size));
void json_memory_begin(void);      /* what was refused before is forgotten; this thread's alone */
void json_memory_note(void);       /* what was to become JSON found no memory before Jansson was asked */
bool json_memory_was_short(void);  /* something was refused since; never, where nobody watches */

#endif
