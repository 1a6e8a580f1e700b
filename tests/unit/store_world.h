/* store_world: a store under test, on disk or in memory, with batches of a line and all that it said when it was opened. */
#ifndef KW_TESTS_STORE_WORLD_H
#define KW_TESTS_STORE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/store/store_lmdb.h"
#include "broker/store/store_memory.h"

#define WORLD_OPS 4096
#define WORLD_NOW 1800000000000ull
#define BROKERS UINT32_MAX

struct heard { /* what open told */
	uint32_t log_epoch, epochs, epoch[32];
	uint64_t start[32][KW_LANES], tail[KW_LANES];
	bool has_commit;
	uint8_t commit[WIRE_COMMIT_LEN];
	uint32_t agreements, version[64];
	uint64_t before[64][KW_LANES];    /* where each version's lanes stood */
	char text[64][64], sigs[64][64];
	uint32_t nodes, sets, subs;
	char node[64][KW_NODE_MAX + 1];
	uint32_t set_size[64], set_last[64];
	struct lane_cursor cursor[64][KW_LANES];
	bool has_last[64];
	uint8_t last[64][KW_ID_LEN];
	uint32_t filters[64];
	char filter[64][KW_TOPIC_MAX + 1];
	uint64_t swept[KW_LANES][64];
	uint64_t folded[KW_LANES];
	uint32_t suspensions;
	struct { uint32_t node; size_t len; uint8_t first; } suspension[8];
	uint32_t cases;
	uint8_t case_id[64][KW_ID_LEN];
	size_t case_len[64];
	uint8_t case_first[64];
	enum kw_err refuse_agreement;
};

struct world {
	bool on_disk;
	char path[64];
	const char *partnership;
	uint64_t quota;
	bool force_filesystem;
	uint64_t journal_bytes, apply_after_ms;
	bool hurry;                     /* batches do not wait for their retention */
	struct store *s;
	struct heard heard;
	struct kw_why why;
	struct store_batch b;
	struct store_op ops[WORLD_OPS];
	uint8_t bytes[WORLD_OPS][96];   /* heads, ids and hashes of the batch's appends */
	uint64_t now;
	uint32_t log_epoch;             /* the test's own note */
};

extern uint8_t world_pk[KW_KEY_LEN], world_sk[64];
struct store_signer world_signer(void);

struct world *world_make(bool on_disk);        /* a fresh folder, open */
enum kw_err world_open(struct world *w);       /* again */
void world_close(struct world *w);
void world_free(struct world *w);              /* and removes the folder */

/* Adds to the batch; the op may be changed until world_commit. Number n makes id, frame hash, head, body and wraps. */
struct store_op *world_append(struct world *w, enum lane lane, uint32_t set, uint32_t sender, uint32_t n);
struct store_op *world_op(struct world *w, enum op_kind kind);
enum kw_err world_commit(struct world *w);     /* waits for its retention, unless hurry is set; and empties the batch for the next; its ops stay readable */
void world_must_commit(struct world *w);
void world_settle(struct world *w);            /* commits what there is; what was committed is in LMDB then */

/* What stands in lane for the sets (0 terminated list of set numbers + 1): numbers of it into out. */
uint32_t world_read(struct world *w, enum lane lane, const uint32_t *sets, uint32_t set_count, uint64_t after, uint32_t max, uint64_t *out);
bool world_whole(const struct store_entry *e, uint32_t n); /* head, body and wraps are those of number n */
void world_file(const struct world *w, const char *name, char out[128]);

#endif
