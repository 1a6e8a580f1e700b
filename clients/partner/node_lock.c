/* node_lock: whether the node's key opens what its store holds, asked before anything is taken from it or put into it. */
#include <string.h>

#include "clients/partner/node_parts.h"

/* A store from before the lock was kept: what lies in it says the same. */
static enum kw_err
try_some(bool *opens, struct node *n, struct kw_why *why)
{
	struct buf plain = BUF_INIT(KW_OPENED_MAX + KW_BODY_MAX);
	uint8_t id[KW_ID_LEN];
	struct span sealed;
	enum kw_err err = pstore_any_sealed(id, &sealed, n->store, why);

	*opens = true;
	if (err != KW_OK)
		return err == KW_ENOTFOUND ? KW_OK : err;
	plain.secret = true;
	err = sealer_open(&plain, n->sealer, id, sealed, why);
	buf_free(&plain);
	*opens = err != KW_ECORRUPT;
	return *opens ? err : KW_OK;
}

static enum kw_err
keep(struct node *n, const uint8_t lock[KW_HASH_LEN], struct kw_why *why)
{
	enum kw_err err;

	if ((err = pstore_begin(n->store, why)) != KW_OK)
		return err;
	if ((err = pstore_set_lock(n->store, lock, why)) != KW_OK || (err = pstore_commit(n->store, why)) != KW_OK)
		pstore_rollback(n->store);
	return err;
}

enum kw_err
node_lock_check(struct node *n, struct kw_why *why)
{
	uint8_t mine[KW_HASH_LEN], kept[KW_HASH_LEN];
	bool has, opens;
	enum kw_err err = pstore_lock(&has, kept, n->store, why);

	if (err != KW_OK)
		return err;
	sealer_lock(mine, n->sealer);
	if (has)
		opens = memcmp(mine, kept, sizeof mine) == 0;
	else if ((err = try_some(&opens, n, why)) != KW_OK)
		return err;
	if (!opens)
		return kw_refuse(why, KW_EDENIED, "%s: what lies there is sealed under another key of %s than %s; make the new key from the old one, \"kurzweg key new %s --replaces OLD.key\", "
		                 "or give a new state folder and leave behind what lies in this one", n->config->state, n->id, n->config->key, n->id);
	return has ? KW_OK : keep(n, mine, why);
}
