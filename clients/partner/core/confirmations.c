/* confirmations: a heap of deadlines. */
#include "clients/partner/core/confirmations.h"

#include <stdlib.h>

struct deadline {
	uint64_t due_ms;
	uint64_t seq;
};

struct confirmations {
	struct deadline *heap;
	size_t count;
	size_t cap;
};

bool
confirmation_awaited(enum notice_type type)
{
	return !notice_type_is_receipt(type) && type != TYPE_VOID && type != TYPE_AGREEMENT;
}

bool
answer_awaited(enum notice_type type)
{
	return type == TYPE_NOTICE || type == TYPE_REQUEST || type == TYPE_UPDATE || type == TYPE_CANCEL || type == TYPE_RELEASED;
}

enum kw_err
confirmations_new(struct confirmations **out)
{
	*out = calloc(1, sizeof **out);
	return *out != NULL ? KW_OK : KW_ENOMEM;
}

void
confirmations_free(struct confirmations **c)
{
	if (c == NULL || *c == NULL)
		return;
	free((*c)->heap);
	free(*c);
	*c = NULL;
}

static void
swap(struct deadline *a, struct deadline *b)
{
	struct deadline t = *a;

	*a = *b;
	*b = t;
}

enum kw_err
confirmations_add(struct confirmations *c, uint64_t seq, uint64_t due_wall_ms)
{
	size_t i = c->count;

	MUST(seq > 0);
	if (c->count == c->cap) {
		size_t cap = c->cap == 0 ? 64 : c->cap * 2;
		struct deadline *heap = realloc(c->heap, cap * sizeof *heap);

		if (heap == NULL)
			return KW_ENOMEM;
		c->heap = heap;
		c->cap = cap;
	}
	c->heap[c->count++] = (struct deadline){due_wall_ms, seq};
	for (; i > 0 && c->heap[i].due_ms < c->heap[(i - 1) / 2].due_ms; i = (i - 1) / 2)
		swap(&c->heap[i], &c->heap[(i - 1) / 2]);
	return KW_OK;
}

static void
sift_down(struct confirmations *c)
{
	for (size_t i = 0;;) {
		size_t least = i, left = 2 * i + 1, right = 2 * i + 2;

		if (left < c->count && c->heap[left].due_ms < c->heap[least].due_ms)
			least = left;
		if (right < c->count && c->heap[right].due_ms < c->heap[least].due_ms)
			least = right;
		if (least == i)
			return;
		swap(&c->heap[i], &c->heap[least]);
		i = least;
	}
}

uint64_t
confirmations_late(struct confirmations *c, uint64_t now_wall_ms)
{
	uint64_t seq;

	if (c->count == 0 || c->heap[0].due_ms > now_wall_ms)
		return 0;
	seq = c->heap[0].seq;
	c->heap[0] = c->heap[--c->count];
	sift_down(c);
	return seq;
}

uint64_t
confirmations_wake_ms(const struct confirmations *c)
{
	return c->count > 0 ? c->heap[0].due_ms : UINT64_MAX;
}
