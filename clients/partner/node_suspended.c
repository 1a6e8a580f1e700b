/* node_suspended: what the broker states of nodes that an operator keeps out ([O-9]): kept, recorded, told. It decides nothing here. */
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "clients/partner/node_audit.h"
#include "clients/partner/node_parts.h"

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

enum kw_err
node_suspension_came(struct node *n, const struct entry_suspension *e, struct span entry, struct kw_why *why)
{
	enum kw_err err = pstore_suspension_set(n->store, e, entry, why);
	char until[TEXT_TIME_MAX];

	if (err != KW_OK)
		return err;
	text_put_time_utc(until, e->until_ms);
	record(n, e, until);
	if (e->act == SUSPENSION_BEGUN)
		log_event(LOG_WARNING, "partner.node_suspended", "peer=%s operator=%s until=%s why=\"%s\"", e->node, e->by, until, e->reason);
	else
		log_event(LOG_NOTICE, "partner.node_resumed", "peer=%s operator=%s", e->node, e->by);
	return KW_OK;
}
