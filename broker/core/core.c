/* core: its beginning and end, what the store tells at the start, time, and questions. */
#include "broker/core/core.h"

#include <stdlib.h>
#include <string.h>

#include "broker/core/case_rules.h"
#include "broker/core/parts.h"

#define MIB (1024u * 1024u)

const struct core_limits core_limits_default = {
	.conns_max = 8192,
	.publish = {{256, 4 * MIB}, {512, 8 * MIB}, {1024, 8 * MIB}},
	.deliver = {{256, 4 * MIB}, {512, 8 * MIB}, {1024, 8 * MIB}},
	.queue_messages = 1024,
	.queue_bytes = 128ull * MIB,
	.batch_appends = STORE_BATCH_MAX - KW_LANES,
	.batch_bytes = 8ull * MIB,
	.pending_bytes = 64ull * MIB,
	.page_entries = 64,
	.page_bytes = 256u * 1024u,
	.sets_max = STORE_SETS_MAX / 8 * 7,
	.members_max = 16ull * 1000 * 1000,
	.members_a_tick = 20000,
	.purge_records = 400,
	.cursors_a_batch = CONTROL_OPS_MAX / 2,
	.cases_open = 500000,
	.cases_closed = 200000,
};

enum kw_err
core_new(struct core **out, const struct core_limits *limits)
{
	struct core *c = calloc(1, sizeof *c);

	if (c == NULL)
		return KW_ENOMEM;
	MUST(limits->batch_appends >= 1 && limits->batch_appends + KW_LANES <= STORE_BATCH_MAX);
	MUST(limits->cursors_a_batch > KW_LANES && limits->cursors_a_batch <= CONTROL_OPS_MAX / 2);
	c->limits = *limits;
	c->suspend.wake_ms = c->suspend.again_ms = UINT64_MAX;
	link_init(&c->heard);
	link_init(&c->spoke);
	for (int lane = 0; lane < KW_LANES; lane++) {
		link_init(&c->ready[lane]);
		link_init(&c->behind[lane]);
	}
	c->sessions = calloc(limits->conns_max, sizeof *c->sessions);
	c->scratch_nodes = calloc(KW_NODES_MAX, sizeof *c->scratch_nodes);
	if (c->sessions == NULL || c->scratch_nodes == NULL || audience_init(&c->audience) != KW_OK || batch_init(c) != KW_OK ||
	    cases_init(c) != KW_OK) {
		core_free(&c);
		return KW_ENOMEM;
	}
	*out = c;
	return KW_OK;
}

void
core_free(struct core **core)
{
	struct core *c = *core;

	if (c == NULL)
		return;
	for (uint32_t i = 0; c->sessions != NULL && i < c->limits.conns_max; i++)
		core_closed(c, i);
	for (uint32_t i = c->effect_first; i < c->effect_count; i++)
		if (c->effects[i].kind == EFFECT_REFUSED)
			free((char *)(uintptr_t)c->effects[i].refused.text);
	change_free(c);
	free(c->suspend.next);
	batch_free(c);
	sweep_free(c);
	cases_free(c);
	audience_free(&c->audience);
	free(c->effects);
	free(c->last_text);
	free(c->epochs);
	free(c->comings);
	free(c->sessions);
	free(c->scratch_nodes);
	free(c);
	*core = NULL;
}

/* ---- start ---- */

void
core_load_state(struct core *c, uint32_t log_epoch, const uint64_t epoch_start[KW_LANES], const uint64_t tail[KW_LANES],
                bool has_commit, const uint8_t commit[WIRE_COMMIT_LEN])
{
	(void)epoch_start; /* comes again with core_load_epoch */
	c->log_epoch = log_epoch;
	memcpy(c->tail, tail, sizeof c->tail);
	c->has_commit = has_commit;
	if (has_commit)
		memcpy(c->commit, commit, sizeof c->commit);
}

enum kw_err
core_load_epoch(struct core *c, uint32_t log_epoch, const uint64_t start[KW_LANES])
{
	struct epoch *more = realloc(c->epochs, (c->epoch_count + 1) * sizeof *more);

	if (more == NULL)
		return KW_ENOMEM;
	c->epochs = more;
	more[c->epoch_count].number = log_epoch;
	memcpy(more[c->epoch_count].start, start, sizeof more->start);
	c->epoch_count++;
	c->log_epoch = log_epoch;
	return KW_OK;
}

enum kw_err
core_load_agreement(struct core *c, uint32_t version, const uint64_t before[KW_LANES])
{
	struct coming *more = realloc(c->comings, (c->coming_count + 1) * sizeof *more);

	if (more == NULL)
		return KW_ENOMEM;
	c->comings = more;
	more[c->coming_count].version = version;
	memcpy(more[c->coming_count++].before, before, sizeof more->before);
	return KW_OK;
}

enum kw_err
core_load_node(struct core *c, node_no node, const char *id)
{
	uint32_t given;
	enum kw_err err;

	if (node.v != c->audience.node_count)
		return KW_ECORRUPT;
	err = audience_add_node(&c->audience, id, &given);
	if (err == KW_OK)
		c->audience.first_new_node = c->audience.node_count;
	return err;
}

enum kw_err
core_load_set(struct core *c, set_no set, const node_no *nodes, uint32_t count)
{
	uint32_t given;
	enum kw_err err;

	if (set.v != c->audience.set_count)
		return KW_ECORRUPT;
	err = audience_add_set(&c->audience, nodes, count, &given);
	if (err == KW_OK)
		c->audience.first_new_set = c->audience.set_count;
	return err;
}

void
core_load_cursor(struct core *c, node_no node, enum lane lane, struct lane_cursor cursor)
{
	if (node.v < c->audience.node_count)
		c->audience.nodes[node.v]->cursor[lane] = cursor.number;
}

void
core_load_last_stored(struct core *c, node_no node, const uint8_t id[KW_ID_LEN])
{
	if (node.v >= c->audience.node_count)
		return;
	c->audience.nodes[node.v]->has_last_stored = true;
	memcpy(c->audience.nodes[node.v]->last_stored, id, KW_ID_LEN);
}

enum kw_err
core_load_subscribe(struct core *c, node_no node, uint32_t count, const char *const *filters)
{
	char (*copy)[KW_TOPIC_MAX + 1];
	enum kw_err err;

	if (node.v >= c->audience.node_count || count > WIRE_FILTERS_MAX)
		return KW_ECORRUPT;
	copy = calloc(count + 1, sizeof *copy);
	if (copy == NULL)
		return KW_ENOMEM;
	err = KW_OK;
	for (uint32_t i = 0; i < count && err == KW_OK; i++) {
		if (strlen(filters[i]) > KW_TOPIC_MAX)
			err = KW_ECORRUPT;
		else
			strcpy(copy[i], filters[i]);
	}
	if (err == KW_OK)
		err = session_filters(c->audience.nodes[node.v], count, copy);
	free(copy);
	return err;
}

void
core_load_swept(struct core *c, enum lane lane, set_no set, uint64_t upto)
{
	if (set.v < c->audience.set_count)
		c->audience.sets[set.v].swept[lane] = upto;
}

enum kw_err
core_start(struct core *c, const struct agreement *in_force, struct core_time now)
{
	static const uint64_t ones[KW_LANES] = {1, 1, 1};
	enum kw_err err = KW_OK;

	if (c->epoch_count == 0)
		err = core_load_epoch(c, c->log_epoch == 0 ? 1 : c->log_epoch, ones);
	c->agreement = in_force;
	if (err == KW_OK && in_force != NULL)
		err = audience_under(&c->audience, in_force);
	if (err == KW_OK && in_force != NULL)
		change_births(c, now);
	suspend_start(c, now);
	for (uint32_t i = 0; i < c->audience.set_count && err == KW_OK; i++)
		for (int lane = 0; lane < KW_LANES; lane++)
			if (c->tail[lane] > c->audience.sets[i].swept[lane])
				sweep_appended(c, i, (enum lane)lane, c->tail[lane]);
	free(c->comings);
	c->comings = NULL;
	c->coming_count = 0;
	c->next_sweep_ms = now.mono_ms + SWEEP_EVERY_MS;
	c->next_purge_ms = now.mono_ms + PURGE_EVERY_MS;
	return err;
}

/* ---- time ---- */

void
core_sizes(struct core *c, const struct store_sizes *sizes)
{
	c->sizes = *sizes;
}

void
core_tick(struct core *c, struct core_time now)
{
	session_tick(c, now);
	sweep_tick(c, now);
	cases_tick(c, now);
	suspend_tick(c, now);
}

uint64_t
core_wake_ms(const struct core *c)
{
	uint64_t wake = session_wake_ms(c), sweep = sweep_wake_ms(c), batch = batch_wake_ms(c), cases = cases_wake_ms(c), suspended = suspend_wake_ms(c);

	wake = sweep < wake ? sweep : wake;
	wake = cases < wake ? cases : wake;
	wake = suspended < wake ? suspended : wake;
	return batch < wake ? batch : wake;
}

/* ---- questions ---- */

const struct core_stored *
core_stored_item(const struct core *c, uint32_t i)
{
	MUST(i < c->stored_count);
	return &c->stored[i];
}

enum service core_service(const struct core *c) { return c->service; }
const char *core_service_why(const struct core *c) { return c->service_why; }
const struct agreement *core_agreement(const struct core *c) { return c->agreement; }
bool core_has_commit(const struct core *c) { return c->has_commit; }
const uint8_t *core_commit(const struct core *c) { return c->commit; }
uint64_t core_commit_number(const struct core *c) { return c->has_commit ? be64_get(c->commit + 4) : 0; }
uint32_t core_log_epoch(const struct core *c) { return c->log_epoch; }
uint64_t core_tail(const struct core *c, enum lane lane) { return c->tail[lane]; }
const struct core_counters *core_counters(const struct core *c) { return &c->counters; }
uint32_t core_open_count(const struct core *c) { return c->open_count; }
uint64_t core_pending(const struct core *c, enum lane lane) { return c->pending[lane].count; }
uint32_t core_node_total(const struct core *c) { return c->audience.node_count; }
const char *core_node_id(const struct core *c, uint32_t i) { return c->audience.nodes[i]->id; }

bool
core_find_node(uint32_t *out, const struct core *c, const char *id)
{
	*out = rules_node(c, id);
	return *out != CASE_NOBODY;
}

uint32_t
core_set_nodes(const struct core *c, set_no set, const node_no **nodes)
{
	if (set.v >= c->audience.set_count)
		return 0;
	*nodes = c->audience.sets[set.v].nodes;
	return c->audience.sets[set.v].count;
}

bool
core_node_wants(const struct core *c, uint32_t i, const char *topic)
{
	return delivery_wants(c, c->audience.nodes[i], topic);
}

void
core_node_info(const struct core *c, uint32_t i, struct core_node_info *out)
{
	const struct node_rec *n = c->audience.nodes[i];
	const struct session *s = session_open(c, n->conn);

	memset(out, 0, sizeof *out);
	out->id = n->id;
	out->in_agreement = n->under_agreement != AGREEMENT_NOBODY;
	out->conn = n->conn;
	out->filters = n->filters.filter_count;
	memcpy(out->cursor, n->cursor, sizeof out->cursor);
	for (uint32_t k = 0; k < n->set_count; k++)
		for (int lane = 0; lane < KW_LANES; lane++) {
			uint64_t newest = c->audience.sets[n->sets[k].v].newest[lane];

			if (newest > out->newest[lane])
				out->newest[lane] = newest;
		}
	out->since_ms = n->left_ms;
	if (s == NULL)
		return;
	out->since_ms = s->since_ms;
	out->software = s->software;
	for (int lane = 0; lane < KW_LANES; lane++) {
		const struct out_lane *o = &s->out[lane];

		out->waiting[lane] = o->count;
		out->lagging[lane] = !o->live;
		out->oldest_ms[lane] = o->count > 0 ? o->items[o->first].since_ms : 0;
		out->in_flight[lane] = o->sent;
		out->in_flight_bytes[lane] = o->unacked_bytes;
		out->window[lane] = o->window;
		out->taken[lane] = s->in[lane].taken;
		out->delivered[lane] = o->delivered;
	}
}

void
core_fills(const struct core *c, struct core_fills *out)
{
	out->pending_bytes = (struct core_fill){c->pending_bytes, c->limits.pending_bytes};
	out->queued_bytes = (struct core_fill){c->queued_bytes, c->limits.queue_bytes};
	out->connections = (struct core_fill){c->open_count, c->limits.conns_max};
	out->cases = (struct core_fill){c->book.open_count, c->limits.cases_open};
}
