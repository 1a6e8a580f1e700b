/*
 * decided: a batch as it was decided, in bytes: numbers are given, duplicates left out, the commit made. The journal carries it, LMDB is
 * written from it, now or at the next start. Numbers are big-endian. The layout:
 *
 *   time in ms (64), count of operations (32), the operations, and 0, or 1 and the commit: until when its proof is kept (64), its signed record,
 *   count of leaves (32), the leaves
 *
 * An operation is its kind (8) and what struct decided_op has of it, in that order, texts and bytes with a length of 32 bits before them.
 */
#ifndef KW_BROKER_DECIDED_H
#define KW_BROKER_DECIDED_H

#include "broker/store/store.h"

struct decided_append {
	enum lane lane;
	bool entry, receipt;
	set_no set;
	node_no sender;
	uint64_t number;
	uint64_t expires_ms, body_until_ms, proof_until_ms;
	const uint8_t *id, *frame_hash;
	struct span head, wraps, body;
};

struct decided_op {
	enum op_kind kind;
	union {
		struct decided_append append;
		struct { node_no node; struct span id; } node;
		struct { set_no set; struct span nodes; /* numbers of 32 bits */ } set;
		struct { node_no node; enum lane lane; struct lane_cursor cursor; } cursor;
		struct { node_no node; struct span filters; /* each with a length byte */ } subscribe;
		struct { uint32_t version; uint64_t before[KW_LANES]; struct span text, sigs; } agreement;
		struct { uint32_t epoch; uint64_t start[KW_LANES]; } log_epoch;
		struct { struct span bytes; } evidence;
		struct { uint32_t limit; } purge;
		struct { enum lane lane; set_no set; uint64_t upto; uint32_t limit; } sweep;
		struct { const uint8_t *id; struct span bytes; } one_case;
		struct { uint64_t upto[KW_LANES]; } folded;
		struct { enum lane lane; uint64_t number; } recall;
		struct { node_no node; struct span bytes; } suspension;
	};
};

struct decided_commit { bool there; uint64_t until_ms; const uint8_t *record; uint32_t leaf_count; const uint8_t *leaves; };

/* ---- writing, in this order ---- */

void decided_begin(struct buf *b, uint64_t now_ms);
void decided_put(struct buf *b, const struct decided_op *op);
void decided_end(struct buf *b, size_t begun, uint32_t ops, const struct decided_commit *c); /* begun: where decided_begin began. Then buf_ok */

/* ---- reading; spans point into what is read ---- */

struct decided_reader { struct cursor at; uint64_t now_ms; uint32_t left; };

KW_MUST_USE bool decided_open(struct decided_reader *r, struct span bytes);        /* false: not such bytes, as for the next two */
KW_MUST_USE bool decided_next(struct decided_reader *r, struct decided_op *out);  /* as long as left is not 0 */
KW_MUST_USE bool decided_close(struct decided_reader *r, struct decided_commit *out); /* behind the last one: and nothing is left over */

#endif
