/* store_lmdb_load: what the broker needs to know at its start; never walks the log. */
#include <string.h>

#include "broker/store/store_lmdb_parts.h"

enum kw_err
load_state(const struct lmdb *db, MDB_txn *txn, struct log_state *out, struct kw_why *why)
{
	struct key key = key_word("state");
	struct span value;
	enum kw_err err = record_get(db, txn, T_META, &key, &value, why);

	if (err == KW_ENOTFOUND || (err == KW_OK && !state_unpack(out, value)))
		return record_damaged(db, T_META, key.bytes, key.len, why);
	return err;
}

struct loading {
	const struct lmdb *db;
	const struct store_load *load;
	enum table table;
	struct kw_why *why;
	struct buf scratch;
};

typedef enum kw_err (*visit_fn)(struct loading *l, struct span key, struct span value);

static enum kw_err
walk(struct loading *l, MDB_txn *txn, enum table t, visit_fn visit)
{
	MDB_cursor *c;
	MDB_val k, data;
	enum kw_err err = KW_OK;
	int rc = mdb_cursor_open(txn, l->db->dbi[t], &c);

	if (rc != 0)
		return lmdb_failed(l->db, rc, table_name(t), l->why);
	l->table = t;
	while (err == KW_OK && (rc = mdb_cursor_get(c, &k, &data, MDB_NEXT)) == 0) {
		struct span value;

		if (record_is_format(t, &k))
			continue;
		err = record_check(l->db, t, &k, &data, &value, l->why);
		if (err == KW_OK)
			err = visit(l, span_of(k.mv_data, k.mv_size), value);
	}
	mdb_cursor_close(c);
	if (err == KW_OK && rc != MDB_NOTFOUND)
		return lmdb_failed(l->db, rc, table_name(t), l->why);
	return err;
}

static enum kw_err
damaged(const struct loading *l, struct span key)
{
	return record_damaged(l->db, l->table, key.p, key.len, l->why);
}

static enum kw_err
an_epoch(struct loading *l, struct span key, struct span value)
{
	uint64_t start[KW_LANES];

	if (value.len != 8 * KW_LANES)
		return damaged(l, key);
	for (unsigned i = 0; i < KW_LANES; i++)
		start[i] = be64_get(value.p + 8 * i);
	l->load->epoch(l->load->self, be32_get(key.p), start);
	return KW_OK;
}

static enum kw_err
an_agreement(struct loading *l, struct span key, struct span value)
{
	struct cursor c = cursor_over(value);
	uint64_t before[KW_LANES];
	const uint8_t *text;
	uint32_t len;

	for (unsigned i = 0; i < KW_LANES; i++)
		before[i] = cursor_u64(&c);
	len = cursor_u32(&c);
	text = cursor_take(&c, len);
	if (c.bad)
		return damaged(l, key);
	return l->load->agreement(l->load->self, be32_get(key.p), span_of(text, len), span_of(c.at, cursor_left(&c)), before, l->why);
}

static enum kw_err
a_node(struct loading *l, struct span key, struct span value)
{
	char id[KW_NODE_MAX + 1];
	uint32_t no = be32_get(key.p);
	enum kw_err err;

	if (value.len == 0 || value.len > KW_NODE_MAX || no >= STORE_NODES_MAX)
		return damaged(l, key);
	memcpy(id, value.p, value.len);
	id[value.len] = '\0';
	err = l->load->node(l->load->self, (node_no){no}, id);
	return err == KW_OK ? KW_OK : kw_refuse(l->why, err, "the store in %s: node %s cannot be taken up: %s", l->db->path, id, kw_err_text(err));
}

static enum kw_err
a_set(struct loading *l, struct span key, struct span value)
{
	uint32_t no = be32_get(key.p), count = (uint32_t)(value.len / 4);
	node_no *nodes;
	enum kw_err err;

	if (value.len % 4 != 0 || count > STORE_NODES_MAX || no >= STORE_SETS_MAX)
		return damaged(l, key);
	buf_reset(&l->scratch);
	nodes = (node_no *)(void *)buf_reserve(&l->scratch, (size_t)count * sizeof *nodes + 1);
	if (nodes == NULL)
		return kw_refuse(l->why, KW_ENOMEM, "out of memory at the store in %s", l->db->path);
	for (uint32_t i = 0; i < count; i++)
		nodes[i].v = be32_get(value.p + 4 * (size_t)i);
	err = l->load->set(l->load->self, (set_no){no}, nodes, count);
	return err == KW_OK ? KW_OK : kw_refuse(l->why, err, "the store in %s: audience %u cannot be taken up: %s", l->db->path, no, kw_err_text(err));
}

static enum kw_err
a_cursor(struct loading *l, struct span key, struct span value)
{
	if (value.len != 12 || key.p[4] >= KW_LANES)
		return damaged(l, key);
	l->load->cursor(l->load->self, (node_no){be32_get(key.p)}, (enum lane)key.p[4],
	                (struct lane_cursor){be32_get(value.p), be64_get(value.p + 4)});
	return KW_OK;
}

static enum kw_err
a_last(struct loading *l, struct span key, struct span value)
{
	node_no node;

	if (!key_is_last(key, &node))
		return KW_OK;
	if (value.len != KW_ID_LEN)
		return damaged(l, key);
	l->load->last_stored(l->load->self, node, value.p);
	return KW_OK;
}

static enum kw_err
a_suspension(struct loading *l, struct span key, struct span value)
{
	node_no node;

	if (l->load->suspension == NULL || !key_is_suspension(key, &node))
		return KW_OK;
	if (value.len == 0 || value.len > STORE_SUSPENSION_MAX)
		return damaged(l, key);
	return l->load->suspension(l->load->self, node, value, l->why);
}

static enum kw_err
a_subscription(struct loading *l, struct span key, struct span value)
{
	char text[WIRE_FILTERS_MAX][KW_TOPIC_MAX + 1];
	const char *filters[WIRE_FILTERS_MAX];
	struct cursor c = cursor_over(value);
	uint32_t n = 0;
	enum kw_err err;

	for (; cursor_left(&c) > 0; n++) {
		uint8_t len = cursor_u8(&c);
		const uint8_t *p = cursor_take(&c, len);

		if (c.bad || n == WIRE_FILTERS_MAX)
			return damaged(l, key);
		memcpy(text[n], p, len);
		text[n][len] = '\0';
		filters[n] = text[n];
	}
	err = l->load->subscribe(l->load->self, (node_no){be32_get(key.p)}, n, filters);
	return err == KW_OK ? KW_OK : kw_refuse(l->why, err, "the store in %s: filters of node %u cannot be taken up: %s", l->db->path, be32_get(key.p),
	                                        kw_err_text(err));
}

/* Among the words of meta; told before any case. */
static enum kw_err
a_folded(struct loading *l, struct span key, struct span value)
{
	uint64_t upto[KW_LANES];

	if (l->load->folded == NULL || !span_eq(key, span_str("folded")))
		return KW_OK;
	if (value.len != 8 * KW_LANES)
		return damaged(l, key);
	for (unsigned i = 0; i < KW_LANES; i++)
		upto[i] = be64_get(value.p + 8 * i);
	l->load->folded(l->load->self, upto);
	return KW_OK;
}

static enum kw_err
a_case(struct loading *l, struct span key, struct span value)
{
	if (value.len == 0 || value.len > STORE_CASE_MAX)
		return damaged(l, key);
	return l->load->one_case != NULL ? l->load->one_case(l->load->self, key.p, value, l->why) : KW_OK;
}

static enum kw_err
a_sweep(struct loading *l, struct span key, struct span value)
{
	if (value.len != 8 || key.p[0] >= KW_LANES)
		return damaged(l, key);
	l->load->swept(l->load->self, (enum lane)key.p[0], (set_no){be32_get(key.p + 1)}, be64_get(value.p));
	return KW_OK;
}

static enum kw_err
tell_state(struct loading *l, MDB_txn *txn)
{
	struct log_state st = {0};
	struct key key;
	struct span value;
	uint64_t start[KW_LANES];
	enum kw_err err = load_state(l->db, txn, &st, l->why);

	if (err != KW_OK)
		return err;
	key = key_of_u32(st.log_epoch);
	err = record_get(l->db, txn, T_EPOCHS, &key, &value, l->why);
	if (err == KW_ENOTFOUND || (err == KW_OK && value.len != 8 * KW_LANES))
		return record_damaged(l->db, T_EPOCHS, key.bytes, key.len, l->why);
	if (err != KW_OK)
		return err;
	for (unsigned i = 0; i < KW_LANES; i++)
		start[i] = be64_get(value.p + 8 * i);
	l->load->state(l->load->self, st.log_epoch, start, st.tail, st.commit_number > 0, st.commit);
	return KW_OK;
}

enum kw_err
load_all(const struct lmdb *db, MDB_txn *txn, const struct store_load *load, struct kw_why *why)
{
	static const struct { enum table table; visit_fn visit; } steps[] = {
		{T_EPOCHS, an_epoch}, {T_AGREEMENTS, an_agreement}, {T_NODES, a_node}, {T_SETS, a_set}, {T_CURSORS, a_cursor},
		{T_META, a_last}, {T_SUBS, a_subscription}, {T_SWEPT, a_sweep},
		{T_META, a_folded}, {T_CASES, a_case}, {T_META, a_suspension},
	};
	struct loading l = {.db = db, .load = load, .why = why, .scratch = BUF_INIT(STORE_NODES_MAX * sizeof(node_no) + 1)};
	enum kw_err err = tell_state(&l, txn);

	for (size_t i = 0; err == KW_OK && i < sizeof steps / sizeof steps[0]; i++)
		err = walk(&l, txn, steps[i].table, steps[i].visit);
	buf_free(&l.scratch);
	return err;
}
