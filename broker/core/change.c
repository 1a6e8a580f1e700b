/* change: what alters the broker as a whole: another agreement, a new log epoch, the end of service. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/parts.h"

const char *
service_name(enum service s)
{
	static const char *const names[] = {"serving", "behind", "fork", "lost", "stopping"};

	return s <= SERVICE_STOPPING ? names[s] : "?";
}

void
change_stop(struct core *c, enum service service, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(c->service_why, sizeof c->service_why, fmt, args);
	va_end(args);
	c->service = service;
	if (service == SERVICE_BEHIND || service == SERVICE_FORK)
		session_end_all(c, CODE_BEHIND, c->service_why);
	(void)effect_add(c, EFFECT_SERVICE, CORE_NO_CONN);
}

void
core_stopping(struct core *c)
{
	if (c->service == SERVICE_SERVING)
		change_stop(c, SERVICE_STOPPING, "the broker is stopping");
}

bool
change_wants_batch(const struct core *c)
{
	return c->install_state == CHANGE_WAITS || c->epoch_state == CHANGE_WAITS;
}

/* ---- agreement ---- */

enum kw_err
core_install(struct core *c, const struct core_install *i, struct core_time now, struct kw_why *why)
{
	uint32_t n = agreement_node_count(i->next);
	node_no *nodes = NULL;
	uint32_t *numbers = NULL;
	enum kw_err err;

	(void)now;
	if (c->install_state != CHANGE_NONE)
		return kw_refuse(why, KW_ESTATE, "version %u is coming into force just now: try again in a second",
		                 agreement_version(c->install.next));
	if (c->service != SERVICE_SERVING)
		return kw_refuse(why, KW_ESTATE, "the broker does not serve: %s", c->service_why);
	err = audience_know(&c->audience, i->next, &numbers);
	if (err != KW_OK)
		return kw_refuse(why, err, "no room for the nodes of version %u", agreement_version(i->next));
	nodes = malloc((n + 1) * sizeof *nodes);
	if (nodes == NULL) {
		err = kw_refuse(why, KW_ENOMEM, "out of memory");
		goto free_numbers;
	}
	for (uint32_t k = 0; k < n; k++) { /* an insertion for each that is out of order: new nodes alone are */
		uint32_t j = k;

		for (; j > 0 && nodes[j - 1].v > numbers[k]; j--)
			nodes[j] = nodes[j - 1];
		nodes[j] = (node_no){numbers[k]};
	}
	err = audience_intern(&c->audience, nodes, n, &c->install_set);
	if (err != KW_OK) {
		err = kw_refuse(why, err, "no room for the audience of version %u", agreement_version(i->next));
		goto free_nodes;
	}
	c->install = *i;
	for (int lane = 0; lane < KW_LANES; lane++)
		(void)blob_ref(i->entries[lane]);
	c->install_state = CHANGE_WAITS;
	c->install_numbers = numbers;
	numbers = NULL;
free_nodes:
	free(nodes);
free_numbers:
	free(numbers);
	return err;
}

/* Everything accepted under the old one is in this batch or in an earlier one. */
bool
change_install_fits(const struct core *c)
{
	if (c->install_state != CHANGE_WAITS || c->install_set >= c->audience.first_new_set)
		return false;
	for (int lane = 0; lane < KW_LANES; lane++)
		if (c->pending[lane].count > 0)
			return false;
	return c->context_count + KW_LANES <= STORE_BATCH_MAX;
}

uint32_t
change_install_ops(struct core *c, struct store_op *ops)
{
	const struct core_install *i = &c->install;
	uint32_t n = 0;

	ops[n++] = (struct store_op){.kind = OP_AGREEMENT, .agreement = {agreement_version(i->next), i->text, i->sigs}};
	for (int lane = 0; lane < KW_LANES; lane++) {
		struct op_append *a = &ops[n].append;

		ops[n] = (struct store_op){.kind = OP_APPEND, .tag = UINT64_MAX};
		a->lane = (enum lane)lane;
		a->set = (set_no){c->install_set};
		a->sender = (node_no){UINT32_MAX};
		a->sender_id = agreement_broker(i->next)->name;
		memcpy(a->frame_hash, i->entry_hash[lane], KW_HASH_LEN);
		a->entry = true;
		a->expires_ms = a->body_until_ms = a->proof_until_ms = UINT64_MAX;
		a->head = i->entries[lane]->head;
		n++;
	}
	c->install_state = CHANGE_UNDER_WAY;
	return n;
}

/* Who is not in it any more, or has another key there, is not served any more. */
static void
revoke_gone(struct core *c, const struct agreement *old)
{
	for (uint32_t i = 0; i < c->limits.conns_max; i++) {
		struct session *s = session_open(c, i);
		uint32_t was, is;

		if (s == NULL)
			continue;
		is = c->audience.nodes[s->node]->under_agreement;
		was = old != NULL ? agreement_node(old, c->audience.nodes[s->node]->id) : AGREEMENT_NOBODY;
		if (is == AGREEMENT_NOBODY || was == AGREEMENT_NOBODY ||
		    memcmp(agreement_node_key(old, was)->curve_pk, agreement_node_key(c->agreement, is)->curve_pk, KW_KEY_LEN) != 0)
			session_revoke(c, s);
	}
}

static void
install_end(struct core *c)
{
	for (int lane = 0; lane < KW_LANES; lane++)
		blob_unref(&c->install.entries[lane]);
	free(c->install_numbers);
	c->install_numbers = NULL;
	c->install_state = CHANGE_NONE;
}

/* [K-4] Who is new begins at the entries that brought it. */
static void
begins_behind(struct core *c, uint32_t no, const uint64_t before[KW_LANES], struct core_time now)
{
	struct node_rec *n = c->audience.nodes[no];

	for (int lane = 0; lane < KW_LANES; lane++) {
		n->birth[lane] = before[lane];
		if (n->cursor[lane] >= n->birth[lane])
			continue;
		n->cursor[lane] = n->birth[lane];
		n->cursor_dirty[lane] = true;
		batch_dirty(c, no, now);
	}
}

static void
births(struct core *c, const struct agreement *old, const uint64_t before[KW_LANES], struct core_time now)
{
	for (uint32_t i = 0; i < c->audience.by_agreement_count; i++) {
		uint32_t no = c->audience.by_agreement[i];

		if (old == NULL || agreement_node(old, c->audience.nodes[no]->id) == AGREEMENT_NOBODY)
			begins_behind(c, no, before, now);
	}
}

/* Who is in that version and was not in the one before it came by it; the newest such version counts. */
static bool
came_by(const struct core *c, const char *id, uint32_t i)
{
	const struct agreement *older = i > 0 && c->versions.get != NULL ? c->versions.get(c->versions.self, c->comings[i - 1].version) : NULL;

	return older == NULL || agreement_node(older, id) == AGREEMENT_NOBODY;
}

void
change_births(struct core *c, struct core_time now)
{
	for (uint32_t i = 0; i < c->audience.by_agreement_count; i++) {
		uint32_t no = c->audience.by_agreement[i], by = c->coming_count;

		while (by > 0 && !came_by(c, c->audience.nodes[no]->id, by - 1))
			by--;
		if (by > 0)
			begins_behind(c, no, c->comings[by - 1].before, now);
	}
}

static void
installed(struct core *c, struct store_batch *b, struct core_time now)
{
	const struct agreement *old = c->agreement;
	struct pending entry[KW_LANES];
	uint64_t first[KW_LANES] = {0}, before[KW_LANES];

	memset(entry, 0, sizeof entry);
	memcpy(before, c->tail, sizeof before);
	for (uint32_t i = 0; i < b->count; i++) {
		const struct store_op *op = &b->ops[i];

		if (op->kind != OP_APPEND || op->tag != UINT64_MAX)
			continue;
		MUST(op->at.number == c->tail[op->append.lane] + 1);
		first[op->append.lane] = c->tail[op->append.lane] = op->at.number;
		entry[op->append.lane].op = *op;
		entry[op->append.lane].blob = c->install.entries[op->append.lane];
	}
	free(c->audience.by_agreement);
	c->audience.by_agreement = c->install_numbers;
	c->audience.by_agreement_count = agreement_node_count(c->install.next);
	c->install_numbers = NULL;
	audience_settle(&c->audience);
	c->agreement = c->install.next;
	revoke_gone(c, old);
	cases_agreement(c, now);
	births(c, old, before, now);
	for (int lane = 0; lane < KW_LANES; lane++) {
		sweep_appended(c, c->install_set, (enum lane)lane, first[lane]);
		delivery_committed(c, &entry[lane], now);
	}
	suspend_installed(c);
	MUST(effect_add(c, EFFECT_INSTALLED, CORE_NO_CONN) != NULL); /* gate and ZAP must hear of it; a new start tells them too */
}

/* ---- log epoch ---- */

enum kw_err
core_new_epoch(struct core *c, struct kw_why *why)
{
	if (c->epoch_state != CHANGE_NONE)
		return kw_refuse(why, KW_ESTATE, "a new log epoch is being opened just now");
	if (c->service == SERVICE_LOST || c->service == SERVICE_STOPPING)
		return kw_refuse(why, KW_ESTATE, "the broker does not serve: %s", c->service_why);
	c->epoch_state = CHANGE_WAITS;
	return KW_OK;
}

uint32_t
change_ops_before(struct core *c, struct store_op *ops)
{
	if (c->epoch_state != CHANGE_WAITS)
		return 0;
	c->epoch_next = (c->epoch_heard > c->log_epoch ? c->epoch_heard : c->log_epoch) + 1;
	ops[0] = (struct store_op){.kind = OP_LOG_EPOCH, .log_epoch = {c->epoch_next}};
	for (int lane = 0; lane < KW_LANES; lane++)
		c->epoch_start[lane] = c->tail[lane] + 1; /* one batch at a time, so the tails are the store's */
	c->epoch_state = CHANGE_UNDER_WAY;
	return 1;
}

static void
epoch_begun(struct core *c)
{
	if (core_load_epoch(c, c->epoch_next, c->epoch_start) != KW_OK) {
		change_stop(c, SERVICE_LOST, "out of memory for a log epoch");
		return;
	}
	session_end_all(c, CODE_NO_HELLO, "a new log epoch has begun: say hello again");
	c->service = SERVICE_SERVING;
	c->service_why[0] = '\0';
	(void)effect_add(c, EFFECT_EPOCH, CORE_NO_CONN);
	(void)effect_add(c, EFFECT_SERVICE, CORE_NO_CONN);
}

void
change_committed(struct core *c, struct store_batch *b, enum kw_err err, struct core_time now)
{
	if (c->epoch_state == CHANGE_UNDER_WAY) {
		c->epoch_state = err == KW_OK ? CHANGE_NONE : CHANGE_WAITS;
		if (err == KW_OK)
			epoch_begun(c);
	}
	if (c->install_state == CHANGE_UNDER_WAY) {
		if (err == KW_OK)
			installed(c, b, now);
		else
			(void)effect_add(c, EFFECT_INSTALL_FAILED, CORE_NO_CONN);
		install_end(c);
	}
}

void
change_free(struct core *c)
{
	if (c->install_state != CHANGE_NONE)
		install_end(c);
}
