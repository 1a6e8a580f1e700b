/* gate_owed: see its header. */
#include "broker/net/gate_owed.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct owed { atomic_size_t bytes; atomic_uint holders; };
struct piece {
	struct owed *owed;
	size_t len;
	atomic_bool whole; /* whoever sees it set sees all of the piece: ZeroMQ's pipes order that too, but nothing that checks our threads sees it there */
	uint8_t bytes[];
};

static void
let_go(struct owed *o)
{
	if (atomic_fetch_sub(&o->holders, 1) == 1)
		free(o);
}

struct owed *
owed_new(void)
{
	struct owed *o = calloc(1, sizeof *o);

	if (o != NULL)
		atomic_init(&o->holders, 1);
	return o;
}

void
owed_free(struct owed **o)
{
	if (*o != NULL)
		let_go(*o);
	*o = NULL;
}

size_t
owed_bytes(const struct owed *o)
{
	return o != NULL ? atomic_load(&o->bytes) : 0;
}

/* In one of ZeroMQ's threads, or here. */
static void
give_back(void *data, void *hint)
{
	struct piece *p = hint;
	struct owed *o;

	(void)data;
	MUST(atomic_load_explicit(&p->whole, memory_order_acquire));
	o = p->owed;
	(void)atomic_fetch_sub(&o->bytes, p->len);
	let_go(o);
	free(p);
}

enum kw_err
owed_message(zmq_msg_t *out, struct owed *o, struct span bytes)
{
	struct piece *p = malloc(sizeof *p + bytes.len);

	if (p == NULL)
		return KW_ENOMEM;
	p->owed = o;
	p->len = bytes.len;
	memcpy(p->bytes, bytes.p, bytes.len);
	atomic_store_explicit(&p->whole, true, memory_order_release);
	(void)atomic_fetch_add(&o->holders, 1);
	(void)atomic_fetch_add(&o->bytes, bytes.len);
	if (zmq_msg_init_data(out, p->bytes, bytes.len, give_back, p) == 0)
		return KW_OK;
	give_back(NULL, p);
	return KW_ENOMEM;
}
