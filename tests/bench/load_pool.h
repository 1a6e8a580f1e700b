/* load_pool: notifications sealed before the clock runs, in the form in which they are sent, and what a reader must get of them. */
#ifndef KW_BENCH_LOAD_POOL_H
#define KW_BENCH_LOAD_POOL_H

#include "base/span.h"
#include "certs/keys.h"
#include "load.h"
#include "proto/header.h"

struct notice {
	uint8_t id[KW_ID_LEN];
	struct span control;             /* the publish, as it goes out */
	struct span frame;
	struct span wraps;               /* in the audience's order; lies inside control */
};
#define LOAD_MOVE_BYTES 60u          /* of a move's content: a receipt's item and who it is from. The broker cannot read it: any bytes do */

struct pool {
	struct notice *at;
	uint32_t count;
	uint32_t *audience;              /* nodes by their number in the agreement */
	uint32_t audience_count;
	uint32_t payload_len;
	uint8_t (*memory)[];             /* all controls and frames, one behind the other */
};

struct pool_wish {
	const char *sender;
	const char *topic;
	enum lane lane;
	uint32_t count;
	uint32_t payload_len;
	uint32_t frame_len;              /* not 0: the sealed frame shall have exactly so many bytes, whatever payload and topic that takes */
	uint32_t lifetime_ms;            /* 0: a day */
	uint32_t take_within_s;          /* 0: as the topic says */
	enum notice_type move;           /* each moves the case that the notice of the same number of about opened, and goes to its sender; 0: none */
	const struct pool *about;
};

/* Really sealed, by the sender's own key from its file, for the audience that the agreement gives; payloads do not compress. */
void load_pool_make(struct pool *out, const struct load *l, const struct pool_wish *wish);
void load_pool_free(struct pool *p);
uint32_t load_pool_place(const struct pool *p, const struct load *l, const char *node); /* of its wrap */

/* All that a reader's node would do with notice number i: signature, hashes, wrap, body. Ends the program when one of them does not hold. */
void load_pool_open(const struct pool *p, uint32_t i, const struct load *l, const char *reader, struct span frame, struct span wrap);

struct secret_keys *load_keys(const struct load *l, const char *node, enum key_kind kind); /* from its file in the folder */

#endif
