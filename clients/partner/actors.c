/* actors: a hash table with open addressing over an array of ids. */
#include "clients/partner/actors.h"

#include <stdlib.h>
#include <string.h>

#include "cases/case.h"

struct actors {
	char (*ids)[KW_NODE_MAX + 1];
	uint32_t count, cap;
	uint32_t *slots;             /* number + 1; 0: free */
	uint32_t slot_count;         /* a power of two, more than twice count */
};

enum kw_err
actors_new(struct actors **out)
{
	*out = calloc(1, sizeof **out);
	return *out != NULL ? KW_OK : KW_ENOMEM;
}

void
actors_free(struct actors **at)
{
	struct actors *a = at != NULL ? *at : NULL;

	if (a == NULL)
		return;
	free(a->ids);
	free(a->slots);
	free(a);
	*at = NULL;
}

/* FNV-1a. The ids are those of a signed agreement: nobody chooses them to collide. */
static uint32_t
hash(const char *id)
{
	uint32_t h = 2166136261u;

	for (; *id != '\0'; id++)
		h = (h ^ (uint8_t)*id) * 16777619u;
	return h;
}

static uint32_t *
slot_of(const struct actors *a, const char *id)
{
	for (uint32_t i = hash(id);; i++) {
		uint32_t *slot = &a->slots[i & (a->slot_count - 1)];

		if (*slot == 0 || strcmp(a->ids[*slot - 1], id) == 0)
			return slot;
	}
}

static bool
grow(struct actors *a)
{
	uint32_t cap = a->cap == 0 ? 64 : a->cap * 2;
	char (*ids)[KW_NODE_MAX + 1] = realloc(a->ids, cap * sizeof *ids);
	uint32_t *slots;

	if (ids == NULL)
		return false;
	a->ids = ids;
	if ((slots = calloc((size_t)cap * 4, sizeof *slots)) == NULL)
		return false;
	free(a->slots);
	a->slots = slots;
	a->slot_count = cap * 4;
	a->cap = cap;
	for (uint32_t i = 0; i < a->count; i++)
		*slot_of(a, a->ids[i]) = i + 1;
	return true;
}

uint32_t
actors_number(struct actors *a, const char *id)
{
	size_t len = strlen(id);
	uint32_t *slot;

	if (len == 0 || len > KW_NODE_MAX || (a->count == a->cap && !grow(a)))
		return CASE_NOBODY;
	slot = slot_of(a, id);
	if (*slot != 0)
		return *slot - 1;
	memcpy(a->ids[a->count], id, len + 1);
	*slot = ++a->count;
	return a->count - 1;
}

const char *
actors_id(const struct actors *a, uint32_t number)
{
	return number < a->count ? a->ids[number] : "";
}
