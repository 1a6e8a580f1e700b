/* shortage: see its header. */
#include "shortage.h"

#include <stdlib.h>

struct shortage shortage;

void *
shortage_take(size_t size)
{
	if (shortage.counts && (shortage.left == 0 || shortage.left-- == 0) && (shortage.for_good || !shortage.fired)) {
		shortage.fired = true;
		return NULL;
	}
	return malloc(size);
}
