/* status: builds the operator's view. */
#include "broker/net/status.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_memory.h"
#include "base/text.h"
#include "proto/commit.h"

#define NODES_SHOWN 400u /* so that an answer always fits one message; nodes_left_off tells of the others */

void
status_tick(struct status *s, const struct relay *r, uint64_t mono_ms)
{
	uint32_t i;

	if (s->count > 0 && mono_ms / 1000 == s->second)
		return;
	s->second = mono_ms / 1000;
	if (s->count == STATUS_SECONDS + 1) {
		memmove(s->tail, s->tail + 1, STATUS_SECONDS * sizeof s->tail[0]);
		memmove(s->at_ms, s->at_ms + 1, STATUS_SECONDS * sizeof s->at_ms[0]);
		s->count--;
	}
	i = s->count++;
	s->at_ms[i] = mono_ms;
	for (int lane = 0; lane < KW_LANES; lane++)
		s->tail[i][lane] = core_tail(relay_parts_of(r)->core, (enum lane)lane);
}

static double
rate(const struct status *s, const struct core *c, int lane)
{
	uint64_t now = clock_mono_ms();

	if (s->count == 0 || now <= s->at_ms[0])
		return 0;
	return (double)(core_tail(c, (enum lane)lane) - s->tail[0][lane]) * 1000.0 / (double)(now - s->at_ms[0]);
}

static json_t *
number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *
node_json(const struct relay *r, uint32_t i, uint64_t now)
{
	const struct relay_parts *p = relay_parts_of(r);
	json_t *o = json_object(), *lanes = json_object();
	struct core_node_info n;

	core_node_info(p->core, i, &n);
	json_object_set_new(o, "id", json_string(n.id));
	json_object_set_new(o, "in_agreement", json_boolean(n.in_agreement));
	json_object_set_new(o, "connected", json_boolean(n.conn != CORE_NO_CONN));
	if (n.conn != CORE_NO_CONN) {
		json_object_set_new(o, "since_ms", number(now - n.since_ms));
		json_object_set_new(o, "address", json_string(p->gate != NULL ? gate_address(p->gate, n.conn) : ""));
		json_object_set_new(o, "software", json_string(n.software));
	}
	json_object_set_new(o, "filters", number(n.filters));
	for (int lane = 0; lane < KW_LANES; lane++) {
		json_t *l = json_object();

		json_object_set_new(l, "cursor", number(n.cursor[lane]));
		json_object_set_new(l, "newest", number(n.newest[lane]));
		json_object_set_new(l, "waiting", number(n.waiting[lane]));
		json_object_set_new(l, "behind", json_boolean(n.conn != CORE_NO_CONN ? n.lagging[lane] : n.newest[lane] > n.cursor[lane]));
		json_object_set_new(l, "oldest_unread_ms", n.oldest_ms[lane] != 0 ? number(now - n.oldest_ms[lane]) : json_null());
		json_object_set_new(lanes, lane_name((enum lane)lane), l);
	}
	json_object_set_new(o, "lanes", lanes);
	return o;
}

static void
put_nodes(json_t *root, const struct relay *r)
{
	json_t *list = json_array();
	uint32_t total = core_node_total(relay_parts_of(r)->core);
	uint64_t now = clock_mono_ms();

	for (uint32_t i = 0; i < total && i < NODES_SHOWN; i++)
		json_array_append_new(list, node_json(r, i, now));
	json_object_set_new(root, "nodes", list);
	json_object_set_new(root, "nodes_left_off", number(total > NODES_SHOWN ? total - NODES_SHOWN : 0));
}

static void
put_agreement(json_t *root, const struct core *c)
{
	static const char *const ages[] = {"not yet", "good", "ends soon", "grace", "over"};
	const struct agreement *a = core_agreement(c);
	char fingerprint[KEY_FINGERPRINT_MAX], until[TEXT_TIME_MAX];
	json_t *o;

	if (a == NULL) {
		json_object_set_new(root, "agreement", json_null());
		return;
	}
	o = json_object();
	agreement_fingerprint(fingerprint, a);
	text_put_time_utc(until, agreement_until_ms(a));
	json_object_set_new(root, "partnership", json_string(agreement_partnership(a)));
	json_object_set_new(root, "kind", json_string(agreement_mode(a) == MODE_LIVE ? "live" : "exercise"));
	json_object_set_new(o, "version", number(agreement_version(a)));
	json_object_set_new(o, "fingerprint", json_string(fingerprint));
	json_object_set_new(o, "until", json_string(until));
	json_object_set_new(o, "age", json_string(ages[agreement_age(a, clock_wall_ms())]));
	json_object_set_new(root, "agreement", o);
}

static void
put_lanes(json_t *root, const struct status *s, const struct core *c, const struct store_sizes *sizes)
{
	json_t *list = json_array();

	for (int i = 0; i < KW_LANES; i++) {
		json_t *o = json_object();

		json_object_set_new(o, "name", json_string(lane_name((enum lane)i)));
		json_object_set_new(o, "tail", number(core_tail(c, (enum lane)i)));
		json_object_set_new(o, "length", number(sizes->entries[i]));
		json_object_set_new(o, "waiting_for_commit", number(core_pending(c, (enum lane)i)));
		json_object_set_new(o, "rate", json_real(rate(s, c, i)));
		json_array_append_new(list, o);
	}
	json_object_set_new(root, "lanes", list);
}

static void
put_commit(json_t *root, const struct core *c)
{
	uint8_t hash[KW_HASH_LEN];
	char text[2 * KW_HASH_LEN + 1];
	json_t *o = json_object();

	json_object_set_new(o, "number", number(core_commit_number(c)));
	if (core_has_commit(c)) {
		commit_hash(hash, core_commit(c));
		text_put_hex(text, span_of(hash, sizeof hash));
		json_object_set_new(o, "time_ms", number(be64_get(core_commit(c) + 12)));
		json_object_set_new(o, "hash", json_string(text));
	}
	json_object_set_new(root, "commit", o);
}

static void
put_counters(json_t *root, const struct relay *r)
{
	const struct relay_parts *p = relay_parts_of(r);
	const struct core_counters *k = core_counters(p->core);
	json_t *o = json_object(), *refused = json_object();

	for (int code = CODE_MALFORMED; code <= CODE_LANE; code++)
		json_object_set_new(refused, wire_code_name((enum wire_code)code), number(k->refused[code]));
	json_object_set_new(o, "stored", number(k->stored));
	json_object_set_new(o, "duplicates", number(k->duplicates));
	json_object_set_new(o, "conflicts", number(k->conflicts));
	json_object_set_new(o, "delivered", number(k->delivered));
	json_object_set_new(o, "delivered_bare", number(k->delivered_bare));
	json_object_set_new(o, "commits", number(k->commits));
	json_object_set_new(o, "pages_read", number(k->reads));
	json_object_set_new(o, "refused", refused);
	json_object_set_new(o, "unknown_keys", number(zap_turned_away(p->zap)));
	if (p->gate != NULL) {
		const struct gate_counters *g = gate_counters(p->gate);

		json_object_set_new(o, "messages", number(g->messages));
		json_object_set_new(o, "malformed", number(g->malformed));
		json_object_set_new(o, "dropped", number(g->dropped));
		json_object_set_new(o, "without_user", number(g->no_user));
		json_object_set_new(o, "odd_routing_ids", number(g->odd_routing_ids));
		json_object_set_new(o, "handshakes_failed", number(g->handshakes_failed));
	}
	json_object_set_new(root, "counters", o);
}

static void
put_cases(json_t *root, const struct core *c)
{
	struct core_case_counts n;
	json_t *o = json_object();

	core_case_counts(c, &n);
	for (int s = CASE_WAITING; s <= CASE_LAPSED; s++)
		json_object_set_new(o, case_state_name((enum case_state)s), number(n.by_state[s]));
	json_object_set_new(o, "handing_over", number(n.handing_over));
	json_object_set_new(o, "unanswered", number(n.unanswered));
	json_object_set_new(root, "cases", o);
}

static void
put_service(json_t *root, const struct core *c, const struct store_sizes *sizes)
{
	bool full = core_service(c) == SERVICE_SERVING && sizes->quota_bytes > 0 && sizes->used_bytes >= sizes->quota_bytes - sizes->quota_bytes / 5;

	json_object_set_new(root, "state", json_string(full ? "store_full" : service_name(core_service(c))));
	json_object_set_new(root, "why", json_string(core_service_why(c)));
}

static void
put_all(json_t *root, const struct status *s, const struct relay *r)
{
	const struct relay_parts *p = relay_parts_of(r);
	struct store_sizes sizes;
	json_t *store = json_object();

	p->store->ops->sizes(p->store, &sizes);
	json_object_set_new(root, "software", json_string("kurzweg-broker " KW_VERSION));
	put_agreement(root, p->core);
	put_service(root, p->core, &sizes);
	json_object_set_new(root, "log_epoch", number(core_log_epoch(p->core)));
	json_object_set_new(root, "uptime_ms", number(clock_mono_ms() - relay_started_ms(r)));
	json_object_set_new(root, "sessions", number(core_open_count(p->core)));
	json_object_set_new(root, "connections", number(p->gate != NULL ? gate_conn_count(p->gate) : 0));
	put_lanes(root, s, p->core, &sizes);
	json_object_set_new(store, "used_bytes", number(sizes.used_bytes));
	json_object_set_new(store, "quota_bytes", number(sizes.quota_bytes));
	json_object_set_new(store, "disk_full", json_boolean(sizes.disk_full));
	json_object_set_new(store, "entries", number(sizes.entries[0] + sizes.entries[1] + sizes.entries[2]));
	json_object_set_new(root, "store", store);
	put_cases(root, p->core);
	put_commit(root, p->core);
	put_counters(root, r);
}

enum kw_err
status_put(struct buf *out, const struct status *s, const struct relay *r, bool with_all)
{
	json_t *root;
	char *text;
	bool whole;

	json_memory_begin(); /* what finds none is left out of what it was for, without a word */
	root = json_object();
	if (with_all)
		put_all(root, s, r);
	put_nodes(root, r);
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	whole = text != NULL && !json_memory_was_short();
	if (whole)
		buf_put_str(out, text);
	free(text);
	return whole && buf_ok(out) ? KW_OK : KW_ENOMEM;
}
