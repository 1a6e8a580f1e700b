/* status: builds the operator's view. */
#include "broker/net/status.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_memory.h"
#include "base/text.h"
#include "broker/net/audit_book.h"
#include "broker/net/node_pages.h"
#include "broker/net/suspending.h"
#include "proto/commit.h"

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
put_commit(json_t *root, const struct relay *r)
{
	const struct core *c = relay_parts_of(r)->core;
	struct pace_look pace;
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
	pace_look(&pace, relay_pace(r), clock_mono_ms());
	json_object_set_new(o, "per_second", json_real(pace.over_ms > 0 ? (double)pace.count * 1000.0 / (double)pace.over_ms : 0));
	json_object_set_new(o, "took_us_median", number(pace.median_us));
	json_object_set_new(o, "took_us_max", number(pace.max_us));
	json_object_set_new(root, "commit", o);
}

static void
put_counters(json_t *root, const struct relay *r)
{
	const struct relay_parts *p = relay_parts_of(r);
	const struct core_counters *k = core_counters(p->core);
	json_t *o = json_object(), *refused = json_object();

	for (int code = CODE_MALFORMED; code <= CODE_LAST; code++)
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
	json_object_set_new(o, "open", number((uint64_t)n.by_state[CASE_WAITING] + n.by_state[CASE_OFFERED] + n.by_state[CASE_ESCALATED] + n.by_state[CASE_TAKEN]));
	json_object_set_new(o, "overdue", number(n.by_state[CASE_ESCALATED])); /* nobody took it in its turn */
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
put_store(json_t *root, const struct relay *r, const struct store_sizes *sizes)
{
	static const char *const whats[] = {"", "quota", "disk"};
	json_t *o = json_object(), *fills = json_null();
	struct filling_left left;

	filling_look(&left, relay_filling(r), sizes->quota_bytes);
	if (left.what != FILLING_NOTHING) {
		fills = json_object();
		json_object_set_new(fills, "what", json_string(whats[left.what]));
		json_object_set_new(fills, "left_ms", number(left.left_ms < INT64_MAX ? left.left_ms : INT64_MAX));
	}
	json_object_set_new(o, "used_bytes", number(sizes->used_bytes));
	json_object_set_new(o, "quota_bytes", number(sizes->quota_bytes));
	json_object_set_new(o, "disk_free_bytes", number(sizes->disk_free_bytes));
	json_object_set_new(o, "disk_bytes", number(sizes->disk_bytes));
	json_object_set_new(o, "disk_full", json_boolean(sizes->disk_full));
	json_object_set_new(o, "fills", fills);
	json_object_set_new(o, "entries", number(sizes->entries[0] + sizes->entries[1] + sizes->entries[2]));
	json_object_set_new(root, "store", o);
}

static void
put_fill(json_t *root, const char *name, const struct core_fill *f)
{
	json_t *o = json_object();

	json_object_set_new(o, "used", number(f->used));
	json_object_set_new(o, "limit", number(f->limit));
	json_object_set_new(root, name, o);
}

static void
put_queues(json_t *root, const struct core *c)
{
	struct core_fills f;
	json_t *o = json_object();

	core_fills(c, &f);
	put_fill(o, "publish_bytes", &f.pending_bytes);
	put_fill(o, "deliver_bytes", &f.queued_bytes);
	put_fill(o, "connections", &f.connections);
	put_fill(o, "cases", &f.cases);
	json_object_set_new(root, "queues", o);
}

static void
put_audit(json_t *root, const struct relay *r)
{
	bool failing;
	const char *trouble = audit_book_trouble(relay_parts_of(r)->book, &failing);

	json_object_set_new(root, "audit", json_pack("{s:b, s:s?}", "failing", failing, "trouble", trouble));
}

static void
put_all(json_t *root, const struct status *s, const struct relay *r)
{
	const struct relay_parts *p = relay_parts_of(r);
	struct store_sizes sizes;

	p->store->ops->sizes(p->store, &sizes);
	json_object_set_new(root, "software", json_string("kurzweg-broker " KW_VERSION));
	json_object_set_new(root, "now_ms", number(clock_wall_ms()));
	put_agreement(root, p->core);
	put_service(root, p->core, &sizes);
	json_object_set_new(root, "log_epoch", number(core_log_epoch(p->core)));
	json_object_set_new(root, "uptime_ms", number(clock_mono_ms() - relay_started_ms(r)));
	json_object_set_new(root, "restored_from_ms", s->restored_ms != 0 ? number(s->restored_ms) : json_null());
	json_object_set_new(root, "backup_ms", s->backup.made_ms != 0 ? number(s->backup.made_ms) : json_null());
	json_object_set_new(root, "backup_bytes", s->backup.made_ms != 0 ? number(s->backup.bytes) : json_null());
	json_object_set_new(root, "sessions", number(core_open_count(p->core)));
	json_object_set_new(root, "connections", number(p->gate != NULL ? gate_conn_count(p->gate) : 0));
	put_lanes(root, s, p->core, &sizes);
	put_store(root, r, &sizes);
	put_queues(root, p->core);
	if (s->config != NULL)
		json_object_set_new(root, "config", s->config(s->config_self));
	put_cases(root, p->core);
	suspending_put_all(root, r);
	put_commit(root, r);
	put_audit(root, r);
	put_counters(root, r);
}

enum kw_err
status_put(struct buf *out, const struct status *s, const struct relay *r, bool with_all, const struct nodes_ask *ask, struct kw_why *why)
{
	enum kw_err err = KW_OK;
	json_t *root;
	char *text = NULL;
	bool whole;

	json_memory_begin(); /* what finds none is left out of what it was for, without a word */
	root = json_object();
	if (with_all)
		put_all(root, s, r);
	if (ask == NULL)
		nodes_put_first(root, r);
	else
		err = nodes_put(root, r, ask, why);
	if (err == KW_OK)
		text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	whole = text != NULL && !json_memory_was_short();
	if (whole)
		buf_put_str(out, text);
	free(text);
	if (err != KW_OK)
		return err;
	return whole && buf_ok(out) ? KW_OK : KW_ENOMEM;
}
