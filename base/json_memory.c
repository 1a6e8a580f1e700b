/* json_memory: see its header. */
#include "base/json_memory.h"

#include <jansson.h>
#include <stdlib.h>

static void *(*take_from)(size_t size) = malloc; /* Jansson's own is one for the whole process, too */
static _Thread_local bool was_short;

static void *
take(size_t size)
{
	void *p = take_from(size);

	if (p == NULL)
		was_short = true;
	return p;
}

void
json_memory_watch(void *(*from)(size_t size))
{
	take_from = from;
	json_set_alloc_funcs(take, free);
}

void
json_memory_begin(void)
{
	was_short = false;
}

void
json_memory_note(void)
{
	was_short = true;
}

bool
json_memory_was_short(void)
{
	return was_short;
}
