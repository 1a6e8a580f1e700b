/* sim_memory: a list of free pieces for each multiple of STEP; what is larger is malloc's. */
#include "sim_memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/err.h"

#define STEP 64u
#define SIZES 144u    /* a page of SQLite's cache, with what it keeps beside it, is the largest that comes often */
#define BLOCK 1048576u

#if defined(__SANITIZE_ADDRESS__)
#define MALLOC_IS_WATCHED true
#else
#define MALLOC_IS_WATCHED false
#endif

struct piece { size_t size; }; /* of what is behind it */
struct free_piece { struct piece head; struct free_piece *next; };

static struct { struct free_piece *free[SIZES]; uint8_t *block; size_t left; } all;

static size_t
rounded(size_t n)
{
	return (n + sizeof(struct piece) + STEP - 1) / STEP * STEP - sizeof(struct piece);
}

static struct piece *
piece_of(void *p)
{
	return (struct piece *)p - 1;
}

static struct free_piece **
list_of(size_t size)
{
	size_t i = (size + sizeof(struct piece)) / STEP - 1;

	return i < SIZES ? &all.free[i] : NULL;
}

static void *
cut_off(size_t size)
{
	size_t whole = size + sizeof(struct piece);
	struct piece *p;

	if (all.left < whole) {
		if ((all.block = malloc(BLOCK)) == NULL)
			return NULL;
		all.left = BLOCK; /* what was left of the one before is lost */
	}
	all.left -= whole;
	p = (struct piece *)(void *)(all.block + all.left);
	p->size = size;
	return p + 1;
}

static void *
take(int n)
{
	size_t size = rounded((size_t)n);
	struct free_piece **list = list_of(size), *first;
	struct piece *p;

	if (list == NULL) {
		if ((p = malloc(size + sizeof *p)) == NULL)
			return NULL;
		p->size = size;
		return p + 1;
	}
	if ((first = *list) == NULL)
		return cut_off(size);
	*list = first->next;
	return &first->head + 1;
}

static void
give_back(void *p)
{
	struct free_piece *f = (struct free_piece *)(void *)piece_of(p), **list = list_of(f->head.size);

	if (list == NULL) {
		free(f);
		return;
	}
	f->next = *list;
	*list = f;
}

static void *
resize(void *old, int n)
{
	size_t had = piece_of(old)->size;
	void *p;

	if (rounded((size_t)n) == had)
		return old;
	if ((p = take(n)) == NULL)
		return NULL;
	memcpy(p, old, had < (size_t)n ? had : (size_t)n);
	give_back(old);
	return p;
}

static int size_of(void *p) { return p != NULL ? (int)piece_of(p)->size : 0; }
static int round_up(int n) { return (int)rounded((size_t)n); }

static int
begin(void *self)
{
	(void)self;
	return SQLITE_OK;
}

static void end(void *self) { (void)self; }

void
sim_memory_begin(void)
{
	static const sqlite3_mem_methods methods = {take, give_back, resize, size_of, round_up, begin, end, NULL};

	if (!MALLOC_IS_WATCHED)
		MUST(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK);
}
