/* node_suspended: what the broker states of nodes that an operator keeps out ([O-9]): kept, recorded, told. It decides nothing here. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "clients/partner/node_audit.h"
#include "clients/partner/node_parts.h"

#define PROOF_MS (730ull * 24 * 3600 * 1000)

static void
record(struct node *n, const struct entry_suspension *e, const char *until)
{
	char actor[AUDIT_TEXT_MAX], detail[AUDIT_TEXT_MAX] = "";
	struct audit_record r = {.event = e->act == SUSPENSION_BEGUN ? "suspended" : "resumed", .actor = actor, .object = e->node, .detail = detail};

	(void)snprintf(actor, sizeof actor, "operator/%s", e->by);
	if (e->act == SUSPENSION_BEGUN)
		(void)snprintf(detail, sizeof detail, "until %s: %s", until, e->reason);
	node_audit_note(n, &r);
}

/* A row of the inbox, for people and for handlers that want it. */
static enum kw_err
tell(struct node *n, enum lane lane, struct span entry, struct kw_why *why)
{
	struct header h = {.type = (enum notice_type)IN_TYPE_SUSPENSION, .lane = lane};
	uint8_t hash[KW_HASH_LEN];
	struct in_new row = {.header = &h, .frame_hash = hash, .head = entry, .lane = lane, .received_ms = n->wall_ms, .bare = true, .content_until_ms = INT64_MAX,
	                     .proof_until_ms = n->wall_ms + PROOF_MS};
	struct in_known known;
	uint64_t seq;
	enum kw_err err;

	entry_hash(hash, entry);
	memcpy(h.id, hash, KW_ID_LEN);
	memcpy(h.sender, agreement_broker(node_agreement(n))->name, sizeof h.sender);
	err = pstore_in_known(&known, n->store, h.sender, h.id, hash, why);
	if (err != KW_ENOTFOUND)
		return err;
	n->change.inbox = true;
	return pstore_in_add(&seq, n->store, &row, why);
}

enum kw_err
node_suspension_came(struct node *n, const struct agreement *under, const struct entry_suspension *e, enum lane lane, struct span entry, struct kw_why *why)
{
	char until[TEXT_TIME_MAX];
	bool known = false;
	enum kw_err err;

	if (agreement_node(under, e->node) == AGREEMENT_NOBODY) { /* else whoever has the broker's key could fill this store with names */
		log_peer(LOG_WARNING, "inbox.unknown_entry", NULL, "why=\"it is about %s, which is no node of version %u of the agreement\"", e->node, agreement_version(under));
		return KW_OK;
	}
	if ((err = pstore_suspension_known(&known, n->store, e, why)) != KW_OK || known) /* stated again, for who is new */
		return err;
	if ((err = pstore_suspension_set(n->store, e, entry, why)) != KW_OK || (err = tell(n, lane, entry, why)) != KW_OK)
		return err;
	text_put_time_utc(until, e->until_ms);
	record(n, e, until);
	if (e->act == SUSPENSION_BEGUN)
		log_event(LOG_WARNING, "partner.node_suspended", "peer=%s operator=%s until=%s why=\"%s\"", e->node, e->by, until, e->reason);
	else
		log_event(LOG_NOTICE, "partner.node_resumed", "peer=%s operator=%s", e->node, e->by);
	return KW_OK;
}
