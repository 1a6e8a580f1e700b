/*
 * Bytes as the records of the broker's store: a table, a key, a value, each with the checksum that belongs to it, so that nothing but what
 * a record says stands between it and the start. The real loader tells it to the real core, the log is folded again, nodes come and
 * read. It is refused in a sentence, or the broker serves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/net/log_entry.h"
#include "broker/store/store_lmdb_parts.h"
#include "fuzz.h"
#include "tests/unit/core_world.h"

#define PAGE 16u
#define RECORDS_MAX 64u

static const char *const ids[] = {"a/police", "b/order", "c/night", "d/office"};
enum { NODES = 4, VERSIONS = 4 };

/* ---- the store: one for all inputs, in a folder that has no name any more ---- */

static void
sign(void *self, const struct commit *c, uint8_t out[WIRE_COMMIT_LEN])
{
	commit_encode(out, c, self);
}

static void said_state(void *self, uint32_t e, const uint64_t s[KW_LANES], const uint64_t t[KW_LANES], bool has, const uint8_t c[WIRE_COMMIT_LEN]) { (void)self, (void)e, (void)s, (void)t, (void)has, (void)c; }
static void said_epoch(void *self, uint32_t e, const uint64_t s[KW_LANES]) { (void)self, (void)e, (void)s; }

static struct store_lmdb *
the_store(void)
{
	static const struct store_load nothing = {.state = said_state, .epoch = said_epoch};
	static const char *const files[] = {"data.mdb", "lock.mdb", "lock", "mark"};
	static uint8_t secret[64];
	static struct store *store;
	char folder[] = "/tmp/kurzweg-fuzz-XXXXXX", path[64];
	struct store_lmdb_config config = {.path = folder, .partnership = "musterstadt", .quota_bytes = 1u << 30, .force_filesystem = true, .signer = {secret, sign}};
	struct kw_why why = {""};

	if (store != NULL)
		return lmdb_of(store);
	HOLDS(sodium_init() >= 0 && mkdtemp(folder) != NULL, "no folder");
	HOLDS(store_lmdb_open(&store, &config, &nothing, &why) == KW_OK, why.text);
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(folder);
	(void)mdb_env_set_flags(lmdb_of(store)->db.env, MDB_NOSYNC, 1);
	return lmdb_of(store);
}

static void
put(struct store_lmdb *s, MDB_txn *txn, enum table t, const struct key *key, struct span value)
{
	struct kw_why why = {""};

	HOLDS(record_put(&s->db, txn, t, key, &value, 1, PUT_ANYWHERE, &why) == KW_OK, why.text);
}

static void
clear(struct store_lmdb *s, MDB_txn *txn)
{
	MDB_cursor *c;
	MDB_val k, v;

	for (unsigned t = 0; t < T_COUNT; t++)
		if (t != T_META)
			HOLDS(mdb_drop(txn, s->db.dbi[t], 0) == 0, "drop");
	HOLDS(mdb_cursor_open(txn, s->db.dbi[T_META], &c) == 0, "meta");
	while (mdb_cursor_get(c, &k, &v, MDB_NEXT) == 0)
		if (!record_is_format(T_META, &k))
			HOLDS(mdb_cursor_del(c, 0) == 0, "meta");
	mdb_cursor_close(c);
}

/* What there must be for anything else to be read; the bytes may say it otherwise. */
static void
put_least(struct store_lmdb *s, MDB_txn *txn)
{
	struct log_state st = {.log_epoch = 1, .tail = {8, 8, 8}, .entries = {8, 8, 8}};
	struct key state = key_word("state"), epoch = key_of_u32(1);
	uint8_t packed[STATE_LEN], start[8 * KW_LANES] = {0};

	state_pack(packed, &st);
	put(s, txn, T_META, &state, span_of(packed, sizeof packed));
	for (unsigned i = 0; i < KW_LANES; i++)
		be64_put(start + 8 * i, 1);
	put(s, txn, T_EPOCHS, &epoch, span_of(start, sizeof start));
	for (uint32_t i = 0; i < NODES; i++) {
		struct key node = key_of_u32(i);

		put(s, txn, T_NODES, &node, span_str(ids[i]));
	}
}

static struct key
take_key(struct cursor *in, enum table t)
{
	static const char *const words[] = {"state", "folded", "last\0\0\0\1", "other"};
	uint32_t len = table_key_len(t), give = cursor_u8(in);
	struct key key = {.len = len};
	const uint8_t *bytes;

	if (t == T_META)
		return give % 4 == 2 ? key_last((node_no){give / 4}) : key_word(words[give % 4]);
	give = give < len ? give : len; /* so many of its last bytes; zeros before them */
	if ((bytes = cursor_take(in, give)) != NULL)
		memcpy(key.bytes + len - give, bytes, give);
	return key;
}

static void
put_all(struct store_lmdb *s, struct cursor *in)
{
	MDB_txn *txn;

	HOLDS(mdb_txn_begin(s->db.env, NULL, 0, &txn) == 0, "begin");
	clear(s, txn);
	put_least(s, txn);
	for (unsigned n = 0; n < RECORDS_MAX && cursor_left(in) > 0; n++) {
		enum table t = (enum table)(cursor_u8(in) % T_COUNT);
		struct key key = take_key(in, t);
		size_t len = cursor_u16(in);

		len = len < cursor_left(in) ? len : cursor_left(in);
		if (t == T_INDEX || t == T_DUE)
			len = 0; /* the key says it all */
		put(s, txn, t, &key, span_of(cursor_take(in, len), len));
	}
	HOLDS(mdb_txn_commit(txn) == 0, "commit");
}

/* ---- from the store into the core, as the broker does it ---- */

static void on_state(void *self, uint32_t e, const uint64_t s[KW_LANES], const uint64_t t[KW_LANES], bool has, const uint8_t c[WIRE_COMMIT_LEN]) { core_load_state(self, e, s, t, has, c); }
static void on_epoch(void *self, uint32_t e, const uint64_t s[KW_LANES]) { HOLDS(core_load_epoch(self, e, s) == KW_OK, "memory"); }
static enum kw_err on_agreement(void *self, uint32_t v, struct span text, struct span sigs, const uint64_t before[KW_LANES], struct kw_why *why) { (void)text, (void)sigs, (void)why; return core_load_agreement(self, v, before); }
static enum kw_err on_node(void *self, node_no node, const char *id) { return core_load_node(self, node, id); }
static enum kw_err on_set(void *self, set_no set, const node_no *nodes, uint32_t count) { return core_load_set(self, set, nodes, count); }
static void on_cursor(void *self, node_no node, enum lane lane, struct lane_cursor cursor) { core_load_cursor(self, node, lane, cursor); }
static void on_last(void *self, node_no node, const uint8_t id[KW_ID_LEN]) { core_load_last_stored(self, node, id); }
static enum kw_err on_subscribe(void *self, node_no node, uint32_t count, const char *const *filters) { return core_load_subscribe(self, node, count, filters); }
static void on_swept(void *self, enum lane lane, set_no set, uint64_t upto) { core_load_swept(self, lane, set, upto); }
static void on_folded(void *self, const uint64_t upto[KW_LANES]) { core_load_folded(self, upto); }
static enum kw_err on_case(void *self, const uint8_t id[KW_ID_LEN], struct span bytes, struct kw_why *why) { return core_load_case(self, id, bytes, why); }

static bool
load(struct store_lmdb *s, struct core *core)
{
	struct store_load to = {.self = core, .state = on_state, .epoch = on_epoch, .agreement = on_agreement, .node = on_node, .set = on_set, .cursor = on_cursor,
	                        .last_stored = on_last, .subscribe = on_subscribe, .swept = on_swept, .folded = on_folded, .one_case = on_case};
	struct kw_why why = {""};
	enum kw_err err;
	MDB_txn *txn;

	HOLDS(mdb_txn_begin(s->db.env, NULL, MDB_RDONLY, &txn) == 0, "begin");
	err = load_all(&s->db, txn, &to, &why);
	mdb_txn_abort(txn);
	HOLDS(err == KW_OK || why.text[0] != '\0', "refused without a sentence");
	return err == KW_OK;
}

static bool
fold_one(struct core *core, const struct store_entry *s, struct core_time now)
{
	struct log_entry read;
	struct kw_why why = {""};

	if (log_entry_read(&read, s, &why) != KW_OK) {
		HOLDS(why.text[0] != '\0', "refused without a sentence");
		return false;
	}
	core_replay(core, &read.e, now);
	return true;
}

static bool
fold(struct store_lmdb *s, struct core *core, struct core_time now)
{
	struct store_entry page[PAGE];
	bool fine = true;

	for (int lane = 0; lane < KW_LANES && fine; lane++) {
		uint32_t count = 0;

		if (store_lmdb_heads(&s->base, (enum lane)lane, core_folded(core, (enum lane)lane), page, PAGE, &count, NULL) != KW_OK)
			return false;
		for (uint32_t i = 0; i < count && fine; i++)
			fine = fold_one(core, &page[i], now);
		store_lmdb_read_done(&s->base);
	}
	if (fine && core_service(core) != SERVICE_LOST)
		core_replayed(core, now);
	return fine && core_service(core) != SERVICE_LOST;
}

/* ---- and then it serves ---- */

struct piece { struct blob b; uint8_t bytes[]; };

static void
gone(struct blob *b)
{
	free((struct piece *)(void *)b);
}

static struct blob *
a_blob(struct span head, struct span body, struct span wrap)
{
	struct piece *p = calloc(1, sizeof *p + head.len + body.len + wrap.len);

	if (p == NULL)
		abort();
	p->b = (struct blob){.refs = 1, .gone = gone, .head = span_of(p->bytes, head.len), .body = span_of(p->bytes + head.len, body.len),
	                     .wraps = p->bytes + head.len + body.len, .wraps_len = (uint32_t)wrap.len};
	return &p->b;
}

static void
answer_read(struct store_lmdb *s, struct core *core, const struct core_effect *e, struct core_time now)
{
	struct store_entry found[PAGE];
	struct core_read_entry page[PAGE];
	uint32_t count = 0, most = e->read.max_entries < PAGE ? e->read.max_entries : PAGE;
	uint64_t tail = 0;

	if (store_lmdb_read(&s->base, e->read.lane, e->read.sets, e->read.set_count, e->read.after, found, most, e->read.max_bytes, &count, &tail, NULL) != KW_OK) {
		core_store_lost(core);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t place = core_wrap_place(core, e->conn, found[i].set);
		bool own = place != CORE_NO_CONN && found[i].wraps.len >= ((size_t)place + 1) * KW_WRAP_LEN;

		page[i] = (struct core_read_entry){&found[i], a_blob(found[i].head, found[i].body, own ? span_of(found[i].wraps.p, KW_WRAP_LEN) : span_of(NULL, 0))};
		page[i].blob->expires_ms = found[i].expires_ms;
		page[i].blob->entry = found[i].entry;
		page[i].blob->receipt = found[i].receipt;
	}
	core_read(core, e->conn, e->read.generation, e->read.lane, page, count, count < most, tail, now);
	store_lmdb_read_done(&s->base);
}

static void
state(struct core *core, const uint8_t id[KW_ID_LEN], struct core_time now)
{
	static const uint8_t hash[KW_HASH_LEN], bytes[150];
	struct broker_entry e;
	struct blob *b;

	if (!core_statement(core, id, &e, now))
		return;
	b = a_blob(span_of(bytes, sizeof bytes), span_of(NULL, 0), span_of(NULL, 0));
	core_stated(core, &e, b, hash, now);
	blob_unref(&b);
}

static void
carry_out(struct store_lmdb *s, struct core *core, struct core_time now)
{
	struct core_effect e;

	for (unsigned n = 0; n < 200; n++) {
		while (core_next(core, &e))
			if (e.kind == EFFECT_STATE)
				state(core, e.state.id, now);
		if (core_service(core) == SERVICE_LOST || !core_deliver(core, &e, now))
			return;
		if (e.kind == EFFECT_READ)
			answer_read(s, core, &e, now);
		else
			blob_unref(&e.deliver.blob);
	}
}

static void
serve(struct store_lmdb *s, struct core *core, struct core_time now)
{
	struct wire_hello h = world_plain_hello();
	struct store_batch *b;

	for (uint32_t i = 0; i < NODES && core_service(core) == SERVICE_SERVING; i++) {
		for (int lane = 0; lane < KW_LANES; lane++)
			h.cursor[lane] = (struct lane_cursor){core_log_epoch(core), 0};
		(void)core_heard(core, i, now);
		core_hello(core, i, i, &h, SEEN_NONE, now);
		carry_out(s, core, now);
	}
	for (unsigned n = 0; n < 3; n++) {
		now.mono_ms += 61000;
		now.wall_ms += 61000;
		core_tick(core, now);
		carry_out(s, core, now);
		if ((b = core_batch(core, now)) != NULL)
			core_committed(core, b, KW_EFULL, now);
	}
}

static void
ask_store(struct store_lmdb *s, const uint8_t *p, size_t len)
{
	uint8_t record[WIRE_COMMIT_LEN], path[64][KW_HASH_LEN], id[KW_ID_LEN] = {0};
	struct store_found found;
	uint32_t path_len;
	uint64_t ms;

	memcpy(id, p, len < sizeof id ? len : sizeof id);
	for (uint64_t number = 0; number < 4; number++) {
		for (uint32_t index = 0; index < 4; index++)
			(void)!store_lmdb_proof(&s->base, number, index, record, path, &path_len, NULL);
		(void)!store_lmdb_commit_hash(&s->base, number, record);
		(void)!store_lmdb_commit_time(&s->base, number, &ms);
		(void)!store_lmdb_find(&s->base, (node_no){(uint32_t)number}, id, &found, NULL);
	}
	HOLDS(store_lmdb_scrub(&s->base, 1000, NULL) == KW_OK, "damage where every checksum is right");
}

static const struct agreement *
version_of(const void *self, uint32_t version)
{
	const struct agreement *versions = self;

	return version >= 1 && version <= VERSIONS ? &versions[version - 1] : NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static struct agreement versions[VERSIONS];
	struct core_time now = {1000000, 1800000000000ull};
	struct core_limits limits = core_limits_default;
	struct cursor in = cursor_over(span_of(p, len));
	struct store_lmdb *s = the_store();
	struct core *core = NULL;

	(void)setenv("CMOCKA_TEST_ABORT", "1", 0);
	limits.conns_max = 8;
	for (uint32_t v = 0; v < VERSIONS; v++) {
		fake_agreement(&versions[v], v + 1, NODES, ids);
		versions[v].topic.has_responsible = true;
		versions[v].line_count = 1;
		versions[v].coordinator = 3;
	}
	put_all(s, &in);
	if (core_new(&core, &limits) != KW_OK)
		abort();
	core_knows(core, (struct core_versions){versions, version_of});
	if (load(s, core) && core_start(core, &versions[VERSIONS - 1], now) == KW_OK && fold(s, core, now))
		serve(s, core, now);
	core_free(&core);
	ask_store(s, p, len);
	return 0;
}
