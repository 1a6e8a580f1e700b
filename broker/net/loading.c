/* loading: from the store into core and chain. */
#include "broker/net/loading.h"

static void
on_state(void *self, uint32_t log_epoch, const uint64_t start[KW_LANES], const uint64_t tail[KW_LANES], bool has_commit,
         const uint8_t commit[WIRE_COMMIT_LEN])
{
	core_load_state(((struct loading *)self)->core, log_epoch, start, tail, has_commit, commit);
}

static void
on_epoch(void *self, uint32_t log_epoch, const uint64_t start[KW_LANES])
{
	MUST(core_load_epoch(((struct loading *)self)->core, log_epoch, start) == KW_OK); /* a few bytes at the start */
}

static enum kw_err
on_agreement(void *self, uint32_t version, struct span text, struct span sigs, const uint64_t before[KW_LANES], struct kw_why *why)
{
	struct loading *l = self;
	struct agreement *a = NULL;
	char fingerprint[KEY_FINGERPRINT_MAX];
	const struct agreement *newest = agreement_chain_newest(l->chain);
	enum kw_err err = agreement_parse_after(&a, text, newest != NULL ? newest : l->file, NULL, why);

	if (err == KW_OK) {
		agreement_fingerprint(fingerprint, a); /* pinned by its own first start */
		err = agreement_chain_newest(l->chain) == NULL ? agreement_chain_add_first(l->chain, &a, sigs, fingerprint, why)
		                                               : agreement_chain_add_next(l->chain, &a, sigs, why);
	}
	if (err == KW_OK && core_load_agreement(l->core, version, before) != KW_OK)
		err = kw_refuse(why, KW_ENOMEM, "out of memory");
	if (err != KW_OK)
		kw_why_prefix(why, "version %u of the agreement in the store", version);
	agreement_free(&a);
	return err;
}

static enum kw_err
on_node(void *self, node_no node, const char *id)
{
	return core_load_node(((struct loading *)self)->core, node, id);
}

static enum kw_err
on_set(void *self, set_no set, const node_no *nodes, uint32_t count)
{
	return core_load_set(((struct loading *)self)->core, set, nodes, count);
}

static void
on_cursor(void *self, node_no node, enum lane lane, struct lane_cursor cursor)
{
	core_load_cursor(((struct loading *)self)->core, node, lane, cursor);
}

static void
on_last_stored(void *self, node_no node, const uint8_t id[KW_ID_LEN])
{
	core_load_last_stored(((struct loading *)self)->core, node, id);
}

static enum kw_err
on_subscribe(void *self, node_no node, uint32_t count, const char *const *filters)
{
	return core_load_subscribe(((struct loading *)self)->core, node, count, filters);
}

static void
on_swept(void *self, enum lane lane, set_no set, uint64_t upto)
{
	core_load_swept(((struct loading *)self)->core, lane, set, upto);
}

static void
on_folded(void *self, const uint64_t upto[KW_LANES])
{
	core_load_folded(((struct loading *)self)->core, upto);
}

static enum kw_err
on_case(void *self, const uint8_t id[KW_ID_LEN], struct span bytes, struct kw_why *why)
{
	return core_load_case(((struct loading *)self)->core, id, bytes, why);
}

static enum kw_err
on_suspension(void *self, node_no node, struct span bytes, struct kw_why *why)
{
	return core_load_suspension(((struct loading *)self)->core, node, bytes, why);
}

static const struct agreement *
version_of(const void *self, uint32_t version)
{
	return agreement_chain_get(self, version);
}

struct store_load
loading_begin(struct loading *l)
{
	core_knows(l->core, (struct core_versions){l->chain, version_of});
	return (struct store_load){.self = l, .state = on_state, .epoch = on_epoch, .agreement = on_agreement, .node = on_node, .set = on_set,
	                           .cursor = on_cursor, .last_stored = on_last_stored, .subscribe = on_subscribe, .swept = on_swept,
	                           .folded = on_folded, .one_case = on_case, .suspension = on_suspension};
}
