/* store_lmdb_record: keys, layouts and the checksum on every record of the LMDB store. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/text.h"
#include "broker/store/store_lmdb_parts.h"

static_assert(crypto_generichash_BYTES_MIN <= SUM_LEN, "BLAKE2b gives 16 bytes");

static const struct {
	const char *name;
	uint32_t key_len;
	bool empty;              /* the key says it all */
} tables[T_COUNT] = {
	[T_META] = {"meta", 0, false},
	[T_EPOCHS] = {"epochs", 4, false},
	[T_HEADS] = {"heads.flash", 8, false},
	[T_HEADS_URGENT] = {"heads.urgent", 8, false},
	[T_HEADS_ROUTINE] = {"heads.routine", 8, false},
	[T_BODIES] = {"bodies.flash", 8, false},
	[T_BODIES_URGENT] = {"bodies.urgent", 8, false},
	[T_BODIES_ROUTINE] = {"bodies.routine", 8, false},
	[T_INDEX] = {"index", 13, true},
	[T_IDS] = {"ids", 4 + KW_ID_LEN, false},
	[T_DUE] = {"due", 18, true},
	[T_CURSORS] = {"cursors", 5, false},
	[T_SETS] = {"sets", 4, false},
	[T_NODES] = {"nodes", 4, false},
	[T_SUBS] = {"subs", 4, false},
	[T_COMMITS] = {"commits", 8, false},
	[T_AGREEMENTS] = {"agreements", 4, false},
	[T_EVIDENCE] = {"evidence", 8, false},
	[T_SWEPT] = {"swept", 5, false},
	[T_CASES] = {"cases", KW_ID_LEN, false},
};

const char *
table_name(enum table t)
{
	return tables[t].name;
}

uint32_t
table_key_len(enum table t)
{
	return tables[t].key_len;
}

/* ---- keys ---- */

struct key
key_of_u32(uint32_t v)
{
	struct key k = {.len = 4};

	be32_put(k.bytes, v);
	return k;
}

struct key
key_of_u64(uint64_t v)
{
	struct key k = {.len = 8};

	be64_put(k.bytes, v);
	return k;
}

struct key
key_index(enum lane lane, set_no set, uint64_t number)
{
	struct key k = {.len = 13};

	k.bytes[0] = (uint8_t)lane;
	be32_put(k.bytes + 1, set.v);
	be64_put(k.bytes + 5, number);
	return k;
}

struct key
key_id(node_no sender, const uint8_t id[KW_ID_LEN])
{
	struct key k = {.len = 4 + KW_ID_LEN};

	be32_put(k.bytes, sender.v);
	memcpy(k.bytes + 4, id, KW_ID_LEN);
	return k;
}

struct key
key_case(const uint8_t id[KW_ID_LEN])
{
	struct key k = {.len = KW_ID_LEN};

	memcpy(k.bytes, id, KW_ID_LEN);
	return k;
}

struct key
key_due(uint64_t ms, enum due_kind kind, enum lane lane, uint64_t number)
{
	struct key k = {.len = 18};

	be64_put(k.bytes, ms / 1000 + (ms % 1000 != 0));
	k.bytes[8] = (uint8_t)kind;
	k.bytes[9] = (uint8_t)lane;
	be64_put(k.bytes + 10, number);
	return k;
}

struct key
key_cursor(node_no node, enum lane lane)
{
	struct key k = {.len = 5};

	be32_put(k.bytes, node.v);
	k.bytes[4] = (uint8_t)lane;
	return k;
}

struct key
key_swept(enum lane lane, set_no set)
{
	struct key k = {.len = 5};

	k.bytes[0] = (uint8_t)lane;
	be32_put(k.bytes + 1, set.v);
	return k;
}

struct key
key_word(const char *word)
{
	struct key k = {.len = (uint32_t)strlen(word)};

	MUST(k.len <= sizeof k.bytes);
	memcpy(k.bytes, word, k.len);
	return k;
}

static struct key
key_word_of(const char *word, node_no node)
{
	struct key k = key_word(word);

	be32_put(k.bytes + k.len, node.v);
	k.len += 4;
	return k;
}

static bool
key_is_of(struct span key, const char *word, node_no *node)
{
	size_t len = strlen(word);

	if (key.len != len + 4 || memcmp(key.p, word, len) != 0)
		return false;
	node->v = be32_get(key.p + len);
	return true;
}

struct key key_last(node_no node) { return key_word_of("last", node); }
bool key_is_last(struct span key, node_no *node) { return key_is_of(key, "last", node); }
struct key key_suspension(node_no node) { return key_word_of("suspended", node); }
bool key_is_suspension(struct span key, node_no *node) { return key_is_of(key, "suspended", node); }

/* ---- failures ---- */

enum kw_err
record_damaged(const struct lmdb *db, enum table t, const void *key, size_t key_len, struct kw_why *why)
{
	char hex[2 * 24 + 1];

	text_put_hex(hex, span_of(key, key_len < 24 ? key_len : 24));
	return kw_refuse(why, KW_ECORRUPT, "the store in %s is damaged: the record %s of %s does not match its checksum; stop the broker and restore "
	                 "the folder from the last backup", db->path, hex, tables[t].name);
}

enum kw_err
lmdb_failed(const struct lmdb *db, int rc, const char *doing, struct kw_why *why)
{
	switch (rc) {
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case ENOSPC:
	case EDQUOT:
		return kw_refuse(why, KW_EFULL, "the store in %s has no room (%s: %s); free space on the disk or shorten keep", db->path, doing,
		                 mdb_strerror(rc));
	case ENOMEM:
		return kw_refuse(why, KW_ENOMEM, "out of memory at the store in %s (%s)", db->path, doing);
	case EACCES:
	case EPERM:
		return kw_refuse(why, KW_EDENIED, "the store in %s cannot be opened (%s): %s", db->path, doing, mdb_strerror(rc));
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_PANIC:
	case MDB_VERSION_MISMATCH:
	case MDB_INVALID:
	case MDB_CURSOR_FULL:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_TXN:
	case MDB_KEYEXIST:
	case MDB_NOTFOUND:
		return kw_refuse(why, KW_ECORRUPT, "the store in %s is damaged (%s: %s); stop the broker and restore the folder from the last backup",
		                 db->path, doing, mdb_strerror(rc));
	default:
		return kw_refuse(why, KW_EIO, "the store in %s cannot be read or written (%s: %s); look at the disk and the system's log", db->path,
		                 doing, mdb_strerror(rc));
	}
}

/* ---- records ---- */

static void
format_sum(uint8_t out[SUM_LEN], struct span key, struct span value)
{
	static const uint8_t zeros[32];
	crypto_generichash_state st;
	uint8_t tag[2] = {T_META, (uint8_t)key.len};

	(void)crypto_generichash_init(&st, zeros, sizeof zeros, SUM_LEN);
	(void)crypto_generichash_update(&st, tag, sizeof tag);
	(void)crypto_generichash_update(&st, key.p, key.len);
	(void)crypto_generichash_update(&st, value.p, value.len);
	(void)crypto_generichash_final(&st, out, SUM_LEN);
}

/* Table and key, under the seed. */
static uint64_t
place_sum(enum table t, struct span key, uint64_t seed)
{
	uint8_t in[32] = {(uint8_t)t, (uint8_t)key.len};

	MUST(key.len <= sizeof in - 2);
	memcpy(in + 2, key.p, key.len);
	return XXH3_64bits_withSeed(in, 2 + key.len, seed);
}

static void
sum(uint8_t out[SUM_LEN], const struct lmdb *db, enum table t, struct span key, struct span value)
{
	XXH128_canonical_t packed;

	if (t == T_META && span_eq(key, span_str("format"))) {
		format_sum(out, key, value);
		return;
	}
	XXH128_canonicalFromHash(&packed, XXH3_128bits_withSeed(value.p, value.len, place_sum(t, key, db->sum_seed)));
	memcpy(out, packed.digest, SUM_LEN);
}

static void
short_sum(uint8_t out[SHORT_SUM_LEN], const struct lmdb *db, enum table t, struct span key)
{
	be64_put(out, place_sum(t, key, db->short_seed));
}

/*
 * LMDB believes lengths that stand in a page. One that leads out of the file would end us with a signal, so it is looked
 * at before anything behind it is.
 */
static bool
within_file(const struct lmdb *db, const void *p, size_t len)
{
	MDB_envinfo info;
	MDB_stat st;
	uint64_t end, at;

	if ((const char *)p < db->map || (const char *)p >= db->map + db->map_bytes)
		return true; /* a page of this transaction, in memory of its own */
	(void)mdb_env_info(db->env, &info);
	(void)mdb_env_stat(db->env, &st);
	end = ((uint64_t)info.me_last_pgno + 1) * st.ms_psize;
	at = (uint64_t)((const char *)p - db->map);
	return at <= end && len <= end - at;
}

enum kw_err
record_check(const struct lmdb *db, enum table t, const MDB_val *key, const MDB_val *data, struct span *value, struct kw_why *why)
{
	uint32_t sum_len = tables[t].empty ? SHORT_SUM_LEN : SUM_LEN;
	struct span k = span_of(key->mv_data, key->mv_size);
	const uint8_t *d = data->mv_data;
	uint8_t want[SUM_LEN];

	if (key->mv_size > 24 || (tables[t].key_len != 0 && key->mv_size != tables[t].key_len))
		return record_damaged(db, t, key->mv_data, key->mv_size < 24 ? key->mv_size : 24, why);
	if (data->mv_size < sum_len || !within_file(db, d, data->mv_size))
		return record_damaged(db, t, k.p, k.len, why);
	*value = span_of(d + sum_len, data->mv_size - sum_len);
	if (tables[t].empty)
		short_sum(want, db, t, k);
	else
		sum(want, db, t, k, *value);
	if (memcmp(want, d, sum_len) != 0 || (tables[t].empty && value->len != 0))
		return record_damaged(db, t, k.p, k.len, why);
	return KW_OK;
}

bool
record_is_format(enum table t, const MDB_val *key)
{
	struct key format = key_word("format");

	return t == T_META && key->mv_size == format.len && memcmp(key->mv_data, format.bytes, format.len) == 0;
}

static MDB_val
val_of(const struct key *key)
{
	return (MDB_val){.mv_size = key->len, .mv_data = (void *)(uintptr_t)key->bytes};
}

enum kw_err
record_get(const struct lmdb *db, MDB_txn *txn, enum table t, const struct key *key, struct span *value, struct kw_why *why)
{
	MDB_val k = val_of(key), data;
	int rc = mdb_get(txn, db->dbi[t], &k, &data);

	if (rc == MDB_NOTFOUND)
		return KW_ENOTFOUND;
	if (rc != 0)
		return lmdb_failed(db, rc, tables[t].name, why);
	return record_check(db, t, &k, &data, value, why);
}

enum kw_err
record_put(const struct lmdb *db, MDB_txn *txn, enum table t, const struct key *key, const struct span *parts, unsigned count,
           enum put_how how, struct kw_why *why)
{
	size_t len = tables[t].empty ? SHORT_SUM_LEN : SUM_LEN;
	MDB_val k = val_of(key), data = {0};
	uint8_t *to;
	int rc;

	for (unsigned i = 0; i < count; i++)
		len += parts[i].len;
	data.mv_size = len;
	rc = mdb_put(txn, db->dbi[t], &k, &data, MDB_RESERVE | (how == PUT_LAST ? (unsigned)MDB_APPEND : 0u));
	if (rc != 0)
		return lmdb_failed(db, rc, tables[t].name, why);
	to = data.mv_data;
	if (tables[t].empty) {
		short_sum(to, db, t, span_of(key->bytes, key->len));
		return KW_OK;
	}
	to += SUM_LEN;
	for (unsigned i = 0; i < count; i++) {
		if (parts[i].len > 0)
			memcpy(to, parts[i].p, parts[i].len);
		to += parts[i].len;
	}
	sum(data.mv_data, db, t, span_of(key->bytes, key->len), span_of((const uint8_t *)data.mv_data + SUM_LEN, len - SUM_LEN));
	return KW_OK;
}

enum kw_err
record_delete(const struct lmdb *db, MDB_txn *txn, enum table t, const struct key *key, bool must_exist, struct kw_why *why)
{
	MDB_val k = val_of(key);
	int rc = mdb_del(txn, db->dbi[t], &k, NULL);

	if (rc == MDB_NOTFOUND)
		return must_exist ? record_damaged(db, t, key->bytes, key->len, why) : KW_OK;
	return rc == 0 ? KW_OK : lmdb_failed(db, rc, tables[t].name, why);
}

/* ---- layouts ---- */

void
state_pack(uint8_t out[STATE_LEN], const struct log_state *st)
{
	be32_put(out, st->log_epoch);
	for (unsigned i = 0; i < KW_LANES; i++) {
		be64_put(out + 4 + 8 * i, st->tail[i]);
		be64_put(out + 28 + 8 * i, st->entries[i]);
	}
	be64_put(out + 52, st->evidence);
	be64_put(out + 60, st->commit_number);
	memcpy(out + 68, st->commit, WIRE_COMMIT_LEN);
	out += 68 + WIRE_COMMIT_LEN;
	be64_put(out, st->journal.number);
	be64_put(out + 8, st->journal.at);
	memcpy(out + 16, st->journal.before, JOURNAL_SUM);
}

bool
state_unpack(struct log_state *st, struct span in)
{
	if (in.len != STATE_LEN)
		return false;
	st->log_epoch = be32_get(in.p);
	for (unsigned i = 0; i < KW_LANES; i++) {
		st->tail[i] = be64_get(in.p + 4 + 8 * i);
		st->entries[i] = be64_get(in.p + 28 + 8 * i);
	}
	st->evidence = be64_get(in.p + 52);
	st->commit_number = be64_get(in.p + 60);
	memcpy(st->commit, in.p + 68, WIRE_COMMIT_LEN);
	in.p += 68 + WIRE_COMMIT_LEN;
	st->journal.number = be64_get(in.p);
	st->journal.at = be64_get(in.p + 8);
	memcpy(st->journal.before, in.p + 16, JOURNAL_SUM);
	return true;
}

void
head_pack(uint8_t out[HEAD_FIXED_LEN], const struct head_record *h)
{
	be32_put(out, h->set.v);
	be32_put(out + 4, h->sender.v);
	be64_put(out + 8, h->commit);
	be32_put(out + 16, h->index);
	be32_put(out + 20, h->log_epoch);
	out[24] = (uint8_t)((h->entry ? 1u : 0u) | (h->receipt ? 2u : 0u) | (h->recalled ? 4u : 0u));
	memcpy(out + 25, h->id, KW_ID_LEN);
	be64_put(out + 41, h->expires_ms);
	be64_put(out + 49, h->body_until_ms);
	be64_put(out + 57, h->proof_until_ms);
}

bool
head_unpack(struct head_record *h, struct span in)
{
	if (in.len < HEAD_FIXED_LEN)
		return false;
	h->set.v = be32_get(in.p);
	h->sender.v = be32_get(in.p + 4);
	h->commit = be64_get(in.p + 8);
	h->index = be32_get(in.p + 16);
	h->log_epoch = be32_get(in.p + 20);
	h->entry = (in.p[24] & 1u) != 0;
	h->receipt = (in.p[24] & 2u) != 0;
	h->recalled = (in.p[24] & 4u) != 0;
	memcpy(h->id, in.p + 25, KW_ID_LEN);
	h->expires_ms = be64_get(in.p + 41);
	h->body_until_ms = be64_get(in.p + 49);
	h->proof_until_ms = be64_get(in.p + 57);
	h->head = span_of(in.p + HEAD_FIXED_LEN, in.len - HEAD_FIXED_LEN);
	return true;
}

bool
body_unpack(struct span in, struct span *wraps, struct span *body)
{
	struct cursor c = cursor_over(in);
	uint32_t len = cursor_u32(&c);
	const uint8_t *p = cursor_take(&c, len);

	if (c.bad)
		return false;
	*wraps = span_of(p, len);
	*body = span_of(p + len, cursor_left(&c));
	return true;
}

bool
commit_unpack(struct commit_record *r, struct span in)
{
	struct cursor c = cursor_over(in);

	r->until_ms = cursor_u64(&c);
	r->record = cursor_take(&c, WIRE_COMMIT_LEN);
	if (c.bad || cursor_left(&c) % KW_HASH_LEN != 0)
		return false;
	r->leaf_count = (uint32_t)(cursor_left(&c) / KW_HASH_LEN);
	r->leaves = c.at;
	return true;
}

void
id_pack(uint8_t out[ID_RECORD_LEN], const struct id_record *r)
{
	out[0] = (uint8_t)r->at.lane;
	be32_put(out + 1, r->at.log_epoch);
	be64_put(out + 5, r->at.number);
	be64_put(out + 13, r->commit);
	be32_put(out + 21, r->index);
	memcpy(out + 25, r->frame_hash, KW_HASH_LEN);
}

bool
id_unpack(struct id_record *r, struct span in)
{
	if (in.len != ID_RECORD_LEN || in.p[0] >= KW_LANES)
		return false;
	r->at.lane = (enum lane)in.p[0];
	r->at.log_epoch = be32_get(in.p + 1);
	r->at.number = be64_get(in.p + 5);
	r->commit = be64_get(in.p + 13);
	r->index = be32_get(in.p + 21);
	memcpy(r->frame_hash, in.p + 25, KW_HASH_LEN);
	return true;
}
