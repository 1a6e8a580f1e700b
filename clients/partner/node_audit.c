/* node_audit: see its header. */
#include "clients/partner/node_audit.h"

#include <stdio.h>

#include "base/clock.h"
#include "clients/partner/node_parts.h"

#define PAGE_MOST (512u * 1024u)

static void
failed(struct node *n, const struct kw_why *why)
{
	node_alarm(n, "audit", "what is done here is not recorded: %s; people cannot publish or read until it is", why->text);
}

/* Files that lie aside, a year that cannot be deleted: people go on working. */
static void
tell_trouble(struct node *n)
{
	const char *trouble = trail_trouble(n->trail);

	if (trouble != NULL)
		node_alarm(n, "audit_kept", "the audit trail: %s", trouble);
	else
		node_alarm_clear(n, "audit_kept");
}

static uint64_t
wake_ms(void *self)
{
	const struct node *n = self;

	return n->trail != NULL ? trail_wake_ms(n->trail) : UINT64_MAX;
}

static void
fire(void *self, uint64_t mono_ms)
{
	struct node *n = self;
	struct kw_why why;

	if (n->trail == NULL)
		return;
	if (trail_tick(n->trail, clock_wall_ms(), mono_ms, &why) != KW_OK)
		failed(n, &why);
	tell_trouble(n);
}

enum kw_err
node_audit_open(struct node *n, struct kw_why *why)
{
	const struct node_timer timer = {.wake_ms = wake_ms, .fire = fire, .self = n};
	char folder[4096];
	struct trail_config config = {
		.folder = folder, .partnership = agreement_partnership(node_agreement(n)), .keys = n->keys, .sealing = &audit_sealing, .keep_years = n->config->audit_keep_years,
	};
	enum kw_err err;

	if (snprintf(folder, sizeof folder, "%s/audit", n->config->state) >= (int)sizeof folder)
		return kw_refuse(why, KW_ELIMIT, "the path of the state folder is too long");
	if ((err = trail_open(&n->trail, &config, clock_wall_ms(), why)) != KW_OK)
		return err;
	if (node_add_timer(n, &timer) != KW_OK)
		return kw_refuse(why, KW_ELIMIT, "the node's loop has no place left for the audit trail");
	fire(n, clock_mono_ms()); /* what is wrong with it from the beginning is told */
	return KW_OK;
}

void
node_audit_close(struct node *n)
{
	if (n != NULL)
		trail_close(&n->trail, clock_wall_ms());
}

enum kw_err
node_audit(struct node *n, const struct audit_record *r, bool synced, struct kw_why *why)
{
	struct kw_why own;
	enum kw_err err;

	if (n->trail == NULL)
		return KW_OK;
	err = trail_add(n->trail, r, clock_wall_ms(), &own);
	if (err == KW_OK && synced)
		err = trail_sync(n->trail, &own);
	if (err == KW_OK) {
		node_alarm_clear(n, "audit");
		return KW_OK;
	}
	if (err == KW_EINVAL || err == KW_ELIMIT) { /* of a text that was given, and nothing is wrong here */
		if (why != NULL)
			*why = own;
		return err;
	}
	failed(n, &own);
	return kw_refuse(why, err, "it cannot be recorded, so it was not done: %s", own.text);
}

void
node_audit_note(struct node *n, const struct audit_record *r)
{
	(void)!node_audit(n, r, false, NULL);
}

enum kw_err
node_audit_page(struct buf *out, struct node *n, const struct page_ask *ask, const char *as, const char *reason, struct kw_why *why)
{
	struct audit_record r = {.event = "audit_read", .actor = "local", .object = ask->query.object, .detail = ask->query.event, .as = as, .reason = reason};
	enum kw_err err;

	if (n->trail == NULL)
		return kw_refuse(why, KW_ESTATE, "this node keeps no audit trail");
	if ((err = node_audit(n, &r, true, why)) != KW_OK)
		return err;
	if (ask->query.heads && (err = trail_head(n->trail, clock_wall_ms(), why)) != KW_OK)
		return err;
	return page_put(out, PAGE_MOST, n->trail, ask, agreement_partnership(node_agreement(n)), n->keys, why);
}
