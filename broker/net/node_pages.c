/* node_pages: see its header. */
#include "broker/net/node_pages.h"

#include <string.h>

#include "base/clock.h"
#include "base/json_ask.h"
#include "broker/net/suspending.h"

#define ASK_MAX 1024u
#define FIRST_SHOWN 400u /* in short, so that an answer always fits one message */

/* ---- the request ---- */

static enum kw_err
take_key(struct nodes_ask *a, const char *key, const json_t *v, struct kw_why *why)
{
	bool after = strcmp(key, "after") == 0;
	uint64_t n = 0;
	enum kw_err err;

	if (after || strcmp(key, "limit") == 0) {
		err = json_ask_number(&n, v, after ? UINT32_MAX : NODE_PAGE_MAX, key, why);
		*(after ? &a->after : &a->limit) = (uint32_t)n;
		return err;
	}
	if (strcmp(key, "node") != 0)
		return kw_refuse(why, KW_EINVAL, "the key \"%.32s\" is not known in a request for nodes", key);
	if (!json_is_string(v) || json_string_length(v) == 0 || json_string_length(v) > KW_NODE_MAX)
		return kw_refuse(why, KW_EINVAL, "node must be a text as police/control-room");
	memcpy(a->node, json_string_value(v), json_string_length(v));
	return KW_OK;
}

enum kw_err
nodes_ask_read(struct nodes_ask *out, struct span text, struct kw_why *why)
{
	const char *key;
	enum kw_err err;
	json_t *doc, *v;

	*out = (struct nodes_ask){.limit = NODE_PAGE};
	err = json_ask_load(&doc, text, ASK_MAX, why);
	if (err == KW_OK)
		json_object_foreach(doc, key, v)
			if ((err = take_key(out, key, v, why)) != KW_OK)
				break;
	json_decref(doc);
	return err;
}

/* ---- the answer ---- */

static json_t *
number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static uint64_t
since(uint64_t now, uint64_t ms)
{
	return now > ms ? now - ms : 0;
}

static json_t *
lane_json(const struct core_node_info *n, int lane, uint64_t now, bool whole)
{
	json_t *l = json_object();

	json_object_set_new(l, "cursor", number(n->cursor[lane]));
	json_object_set_new(l, "newest", number(n->newest[lane]));
	json_object_set_new(l, "waiting", number(n->waiting[lane]));
	json_object_set_new(l, "behind", json_boolean(n->conn != CORE_NO_CONN ? n->lagging[lane] : n->newest[lane] > n->cursor[lane]));
	json_object_set_new(l, "oldest_unread_ms", n->oldest_ms[lane] != 0 ? number(since(now, n->oldest_ms[lane])) : json_null());
	if (!whole || n->conn == CORE_NO_CONN)
		return l;
	json_object_set_new(l, "in_flight", number(n->in_flight[lane]));
	json_object_set_new(l, "in_flight_bytes", number(n->in_flight_bytes[lane]));
	json_object_set_new(l, "window", number(n->window[lane].messages));
	json_object_set_new(l, "window_bytes", number(n->window[lane].bytes));
	json_object_set_new(l, "taken", number(n->taken[lane]));
	json_object_set_new(l, "delivered", number(n->delivered[lane]));
	return l;
}

static json_t *
node_json(const struct relay *r, uint32_t i, uint64_t now, bool whole)
{
	const struct relay_parts *p = relay_parts_of(r);
	json_t *o = json_object(), *lanes = json_object();
	struct core_suspension s;
	struct core_node_info n;

	core_node_info(p->core, i, &n);
	json_object_set_new(o, "id", json_string(n.id));
	json_object_set_new(o, "in_agreement", json_boolean(n.in_agreement));
	json_object_set_new(o, "connected", json_boolean(n.conn != CORE_NO_CONN));
	if (n.conn != CORE_NO_CONN) {
		json_object_set_new(o, "since_ms", number(since(now, n.since_ms)));
		json_object_set_new(o, "address", json_string(p->gate != NULL ? gate_address(p->gate, n.conn) : ""));
		json_object_set_new(o, "software", json_string(n.software));
	} else {
		json_object_set_new(o, "away_ms", n.since_ms != 0 ? number(since(now, n.since_ms)) : json_null());
	}
	json_object_set_new(o, "suspended_until_ms", core_suspension(p->core, i, &s) ? number(s.until_ms) : json_null());
	json_object_set_new(o, "filters", number(n.filters));
	for (int lane = 0; lane < KW_LANES; lane++)
		json_object_set_new(lanes, lane_name((enum lane)lane), lane_json(&n, lane, now, whole));
	json_object_set_new(o, "lanes", lanes);
	return o;
}

enum kw_err
nodes_put(json_t *root, const struct relay *r, const struct nodes_ask *ask, struct kw_why *why)
{
	const struct core *c = relay_parts_of(r)->core;
	uint32_t total = core_node_total(c), at = ask->after < total ? ask->after : total, end = at + (ask->limit < total - at ? ask->limit : total - at);
	uint64_t now = clock_mono_ms();
	json_t *list;

	if (ask->node[0] != '\0') {
		if (!core_find_node(&at, c, ask->node))
			return kw_refuse(why, KW_ENOTFOUND, "no node \"%s\" is known here", ask->node);
		end = at + 1;
	}
	list = json_array();
	for (uint32_t i = at; i < end; i++)
		json_array_append_new(list, node_json(r, i, now, true));
	if (ask->node[0] != '\0')
		json_object_set_new(json_array_get(list, 0), "suspended", suspending_json(c, at));
	json_object_set_new(root, "nodes", list);
	json_object_set_new(root, "nodes_total", number(total));
	json_object_set_new(root, "after", number(end));
	json_object_set_new(root, "more", json_boolean(ask->node[0] == '\0' && end < total));
	return KW_OK;
}

void
nodes_put_first(json_t *root, const struct relay *r)
{
	json_t *list = json_array();
	uint32_t total = core_node_total(relay_parts_of(r)->core);
	uint64_t now = clock_mono_ms();

	for (uint32_t i = 0; i < total && i < FIRST_SHOWN; i++)
		json_array_append_new(list, node_json(r, i, now, false));
	json_object_set_new(root, "nodes", list);
	json_object_set_new(root, "nodes_left_off", number(total > FIRST_SHOWN ? total - FIRST_SHOWN : 0));
}
