/* gate_table: the gate's connections by routing id and by number, and the keys behind them. */
#ifndef KW_BROKER_GATE_TABLE_H
#define KW_BROKER_GATE_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "base/err.h"
#include "base/span.h"
#include "broker/core/list.h"
#include "broker/net/gate_owed.h"
#include "certs/agreement.h"

struct gate_key {                    /* one CURVE key that has come in: strikes outlive its connections */
	uint8_t key[KW_KEY_LEN];
	uint32_t strikes;
	uint64_t first_strike_ms, silent_until_ms;
	struct owed *owed;               /* answers that wait for any of its connections; NULL: there was none yet */
	UT_hash_handle hh;
};

struct gate_conn {
	uint32_t number;
	struct gate_key *key_state;
	uint8_t key[KW_KEY_LEN];
	struct peer peer;            /* under the agreement of `version` */
	uint64_t version;
	uint64_t heard_ms;
	bool in_use;
	struct link idle;
	char name[KW_NODE_MAX + 1];
	char address[48];
	UT_hash_handle hh;
	uint8_t id_len;
	uint8_t id[];
};

struct gate_table {
	struct gate_conn **at;       /* by number */
	uint32_t max, count;
	uint32_t *free_numbers;
	uint32_t free_count;
	struct link idle;            /* without a session, longest silent first */
	struct gate_conn *by_id;     /* uthash */
	struct gate_key *keys;       /* uthash */
};

KW_MUST_USE enum kw_err gate_table_init(struct gate_table *t, uint32_t max);
void gate_table_free(struct gate_table *t);
struct gate_conn *gate_table_at(const struct gate_table *t, uint32_t number); /* NULL: none */
struct gate_conn *gate_table_find(const struct gate_table *t, struct span routing_id);
/* *given_up: the number of an idle connection that had to make room. NULL: no room, or no memory. */
struct gate_conn *gate_table_add(struct gate_table *t, struct span routing_id, const uint8_t key[KW_KEY_LEN], uint32_t *given_up);
void gate_table_remove(struct gate_table *t, struct gate_conn *c);
void gate_table_touch(struct gate_table *t, struct gate_conn *c, uint64_t mono_ms);
void gate_table_in_use(struct gate_table *t, struct gate_conn *c, bool in_use);

#endif
