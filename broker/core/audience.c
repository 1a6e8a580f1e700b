/* audience: the numbers of nodes, and audience sets kept once each, named by their own number. */
#include <stdlib.h>
#include <string.h>

#include "broker/core/parts.h"

#define BUCKETS_FIRST 1024u

enum kw_err
audience_init(struct audience *a)
{
	a->bucket_count = BUCKETS_FIRST;
	a->buckets = malloc(BUCKETS_FIRST * sizeof *a->buckets);
	if (a->buckets == NULL)
		return KW_ENOMEM;
	memset(a->buckets, 0xFF, BUCKETS_FIRST * sizeof *a->buckets);
	return KW_OK;
}

void
audience_free(struct audience *a)
{
	for (uint32_t i = 0; i < a->node_count; i++) {
		free(a->nodes[i]->sets);
		free(a->nodes[i]->filters.filters);
		suspend_free(a->nodes[i]);
		free(a->nodes[i]);
	}
	for (uint32_t i = 0; i < a->set_count; i++) {
		free(a->sets[i].nodes);
		free(a->sets[i].cases);
	}
	free(a->nodes);
	free(a->sets);
	free(a->buckets);
	free(a->by_agreement);
	memset(a, 0, sizeof *a);
}

static bool
grow(void **at, uint32_t *cap, uint32_t count, size_t size)
{
	uint32_t wanted;
	void *more;

	if (count < *cap)
		return true;
	wanted = *cap == 0 ? 8 : *cap * 2;
	more = realloc(*at, wanted * size);
	if (more == NULL)
		return false;
	*at = more;
	*cap = wanted;
	return true;
}

enum kw_err
audience_add_node(struct audience *a, const char *id, uint32_t *node)
{
	struct node_rec *n;
	void *at = a->nodes;

	MUST(strlen(id) <= KW_NODE_MAX);
	if (a->node_count == STORE_NODES_MAX)
		return KW_EFULL;
	if (!grow(&at, &a->node_cap, a->node_count, sizeof *a->nodes))
		return KW_ENOMEM;
	a->nodes = at;
	n = calloc(1, sizeof *n);
	if (n == NULL)
		return KW_ENOMEM;
	strcpy(n->id, id);
	n->under_agreement = AGREEMENT_NOBODY;
	n->conn = CORE_NO_CONN;
	*node = a->node_count;
	a->nodes[a->node_count++] = n;
	return KW_OK;
}

static int
by_id(const void *x, const void *y)
{
	return strcmp((*(struct node_rec *const *)x)->id, (*(struct node_rec *const *)y)->id);
}

/*
 * numbers[i]: the node_no of the agreement's i-th node, NO_NODE where it has none yet. Both sides are walked in the order of
 * their ids, so that an agreement of thousands costs one sort.
 */
static enum kw_err
match(const struct audience *a, const struct agreement *g, uint32_t *numbers)
{
	struct node_rec **sorted;
	uint32_t n = agreement_node_count(g), j = 0;

	sorted = malloc((a->node_count + 1) * sizeof *sorted);
	if (sorted == NULL)
		return KW_ENOMEM;
	if (a->node_count > 0)
		memcpy(sorted, a->nodes, a->node_count * sizeof *sorted);
	for (uint32_t i = 0; i < a->node_count; i++)
		a->nodes[i]->under_agreement = i; /* lent for the walk: its own number */
	qsort(sorted, a->node_count, sizeof *sorted, by_id);
	for (uint32_t i = 0; i < n; i++) {
		const char *id = agreement_node_id(g, i);

		while (j < a->node_count && strcmp(sorted[j]->id, id) < 0)
			j++;
		numbers[i] = j < a->node_count && strcmp(sorted[j]->id, id) == 0 ? sorted[j]->under_agreement : NO_NODE;
	}
	free(sorted);
	return KW_OK;
}

void
audience_settle(struct audience *a)
{
	for (uint32_t i = 0; i < a->node_count; i++)
		a->nodes[i]->under_agreement = AGREEMENT_NOBODY;
	for (uint32_t i = 0; i < a->by_agreement_count; i++)
		a->nodes[a->by_agreement[i]]->under_agreement = i;
}

enum kw_err
audience_know(struct audience *a, const struct agreement *g, uint32_t **numbers)
{
	uint32_t n = agreement_node_count(g);
	uint32_t *found = calloc(n + 1, sizeof *found);
	enum kw_err err = KW_ENOMEM;

	if (found != NULL)
		err = match(a, g, found);
	for (uint32_t i = 0; i < n && err == KW_OK; i++)
		if (found[i] == NO_NODE)
			err = audience_add_node(a, agreement_node_id(g, i), &found[i]);
	audience_settle(a);
	if (err == KW_OK)
		*numbers = found;
	else
		free(found);
	return err;
}

enum kw_err
audience_under(struct audience *a, const struct agreement *in_force)
{
	uint32_t *numbers;
	enum kw_err err = audience_know(a, in_force, &numbers);

	if (err != KW_OK)
		return err;
	free(a->by_agreement);
	a->by_agreement = numbers;
	a->by_agreement_count = agreement_node_count(in_force);
	audience_settle(a);
	return KW_OK;
}

static uint64_t
hash_of(const node_no *nodes, uint32_t count)
{
	uint64_t h = 0x9E3779B97F4A7C15ull ^ count;

	for (uint32_t i = 0; i < count; i++) {
		h ^= nodes[i].v;
		h *= 0xFF51AFD7ED558CCDull;
		h ^= h >> 32;
	}
	return h;
}

static uint32_t
set_find(const struct audience *a, const node_no *nodes, uint32_t count, uint64_t hash)
{
	for (uint32_t i = a->buckets[hash % a->bucket_count]; i != NO_SET; i = a->sets[i].next_hash) {
		const struct set_rec *s = &a->sets[i];

		if (s->hash == hash && s->count == count && memcmp(s->nodes, nodes, count * sizeof *nodes) == 0)
			return i;
	}
	return NO_SET;
}

static void
rehash(struct audience *a)
{
	uint32_t count = a->bucket_count * 4;
	uint32_t *more = malloc(count * sizeof *more);

	if (more == NULL)
		return; /* slower, not wrong */
	memset(more, 0xFF, count * sizeof *more);
	for (uint32_t i = 0; i < a->set_count; i++) {
		uint32_t *b = &more[a->sets[i].hash % count];

		a->sets[i].next_hash = *b;
		*b = i;
	}
	free(a->buckets);
	a->buckets = more;
	a->bucket_count = count;
}

/* Every member learns the set; sets are numbered upwards, so each list stays ascending. */
static enum kw_err
members_learn(struct audience *a, const node_no *nodes, uint32_t count, uint32_t set)
{
	for (uint32_t i = 0; i < count; i++) {
		struct node_rec *n = a->nodes[nodes[i].v];
		void *at = n->sets;

		if (!grow(&at, &n->set_cap, n->set_count, sizeof *n->sets))
			return KW_ENOMEM;
		n->sets = at;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct node_rec *n = a->nodes[nodes[i].v];

		n->sets[n->set_count++] = (set_no){set};
	}
	return KW_OK;
}

enum kw_err
audience_add_set(struct audience *a, const node_no *nodes, uint32_t count, uint32_t *set)
{
	void *at = a->sets;
	struct set_rec *s;
	node_no *copy;

	if (a->set_count == STORE_SETS_MAX)
		return KW_EFULL;
	if (!grow(&at, &a->set_cap, a->set_count, sizeof *a->sets))
		return KW_ENOMEM;
	a->sets = at;
	for (uint32_t i = 0; i < count; i++)
		if (nodes[i].v >= a->node_count || (i > 0 && nodes[i].v <= nodes[i - 1].v))
			return KW_ECORRUPT;
	copy = malloc((count + 1) * sizeof *copy);
	if (copy == NULL)
		return KW_ENOMEM;
	memcpy(copy, nodes, count * sizeof *copy);
	if (members_learn(a, nodes, count, a->set_count) != KW_OK) {
		free(copy);
		return KW_ENOMEM;
	}
	s = &a->sets[a->set_count];
	memset(s, 0, sizeof *s);
	s->count = count;
	s->nodes = copy;
	s->hash = hash_of(nodes, count);
	s->next_hash = a->buckets[s->hash % a->bucket_count];
	a->buckets[s->hash % a->bucket_count] = a->set_count;
	a->members += count;
	*set = a->set_count++;
	if (a->set_count > a->bucket_count)
		rehash(a);
	return KW_OK;
}

bool
audience_is_known(const struct audience *a, const node_no *nodes, uint32_t count)
{
	return set_find(a, nodes, count, hash_of(nodes, count)) != NO_SET;
}

enum kw_err
audience_intern(struct audience *a, const node_no *nodes, uint32_t count, uint32_t *set)
{
	uint32_t found = set_find(a, nodes, count, hash_of(nodes, count));

	if (found != NO_SET) {
		*set = found;
		return KW_OK;
	}
	return audience_add_set(a, nodes, count, set);
}

uint32_t
audience_place(const struct set_rec *set, uint32_t node)
{
	uint32_t lo = 0, hi = set->count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (set->nodes[mid].v < node)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < set->count && set->nodes[lo].v == node ? lo : NO_NODE;
}
