/* gate_table: connections by routing id and by number; an idle one makes room when all numbers are taken. */
#include "broker/net/gate_table.h"

#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 16384u /* all nodes and operators of some versions; more is not remembered */

enum kw_err
gate_table_init(struct gate_table *t, uint32_t max)
{
	memset(t, 0, sizeof *t);
	link_init(&t->idle);
	t->max = max;
	t->at = calloc(max, sizeof *t->at);
	t->free_numbers = calloc(max, sizeof *t->free_numbers);
	if (t->at == NULL || t->free_numbers == NULL)
		return KW_ENOMEM;
	for (uint32_t i = 0; i < max; i++)
		t->free_numbers[t->free_count++] = max - 1 - i;
	return KW_OK;
}

void
gate_table_free(struct gate_table *t)
{
	struct gate_key *next;

	HASH_CLEAR(hh, t->by_id);
	for (uint32_t i = 0; t->at != NULL && i < t->max; i++)
		free(t->at[i]);
	next = t->keys;
	HASH_CLEAR(hh, t->keys);
	for (struct gate_key *k = next; k != NULL; k = next) {
		next = k->hh.next;
		owed_free(&k->owed);
		free(k);
	}
	free(t->at);
	free(t->free_numbers);
}

struct gate_conn *
gate_table_at(const struct gate_table *t, uint32_t number)
{
	return number < t->max ? t->at[number] : NULL;
}

struct gate_conn *
gate_table_find(const struct gate_table *t, struct span routing_id)
{
	struct gate_conn *c;

	HASH_FIND(hh, t->by_id, routing_id.p, routing_id.len, c);
	return c;
}

static struct gate_key *
key_state(struct gate_table *t, const uint8_t key[KW_KEY_LEN])
{
	struct gate_key *k;

	HASH_FIND(hh, t->keys, key, KW_KEY_LEN, k);
	if (k != NULL || HASH_COUNT(t->keys) >= KEYS_MAX)
		return k;
	k = calloc(1, sizeof *k);
	if (k == NULL)
		return NULL;
	memcpy(k->key, key, KW_KEY_LEN);
	HASH_ADD(hh, t->keys, key, KW_KEY_LEN, k);
	return k;
}

struct gate_conn *
gate_table_add(struct gate_table *t, struct span routing_id, const uint8_t key[KW_KEY_LEN], uint32_t *given_up)
{
	struct gate_key *state = key_state(t, key);
	struct gate_conn *c;

	if (state == NULL || routing_id.len > UINT8_MAX)
		return NULL;
	if (t->free_count == 0 && !link_alone(&t->idle)) {
		c = LINK_OF(t->idle.next, struct gate_conn, idle);
		*given_up = c->number;
		gate_table_remove(t, c);
	}
	if (t->free_count == 0)
		return NULL;
	c = calloc(1, sizeof *c + routing_id.len);
	if (c == NULL)
		return NULL;
	c->number = t->free_numbers[--t->free_count];
	c->key_state = state;
	memcpy(c->key, key, KW_KEY_LEN);
	memcpy(c->id, routing_id.p, routing_id.len);
	c->id_len = (uint8_t)routing_id.len;
	strcpy(c->name, "?");
	link_init(&c->idle);
	link_append(&t->idle, &c->idle);
	HASH_ADD(hh, t->by_id, id, c->id_len, c);
	t->at[c->number] = c;
	t->count++;
	return c;
}

void
gate_table_remove(struct gate_table *t, struct gate_conn *c)
{
	HASH_DEL(t->by_id, c);
	link_remove(&c->idle);
	t->at[c->number] = NULL;
	t->free_numbers[t->free_count++] = c->number;
	t->count--;
	free(c);
}

void
gate_table_touch(struct gate_table *t, struct gate_conn *c, uint64_t mono_ms)
{
	c->heard_ms = mono_ms;
	if (!c->in_use)
		link_append(&t->idle, &c->idle);
}

void
gate_table_in_use(struct gate_table *t, struct gate_conn *c, bool in_use)
{
	c->in_use = in_use;
	if (in_use)
		link_remove(&c->idle);
	else
		link_append(&t->idle, &c->idle);
}
