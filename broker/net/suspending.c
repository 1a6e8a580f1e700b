/* suspending: see its header. */
#include "broker/net/suspending.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_memory.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/net/carrier.h"
#include "broker/net/relay_inside.h"

#define ASK_MAX 4096u
#define SHOWN_MAX 64u    /* in the view of all; each node's own tells too */

/* ---- the request ---- */

static enum kw_err
take_text(char *out, size_t room, const json_t *v, const char *key, struct kw_why *why)
{
	if (!json_is_string(v))
		return kw_refuse(why, KW_EINVAL, "%s must be a text", key);
	if (json_string_length(v) >= room)
		return kw_refuse(why, KW_ELIMIT, "%s has %zu bytes, at most %zu are allowed", key, json_string_length(v), room - 1);
	memcpy(out, json_string_value(v), json_string_length(v));
	out[json_string_length(v)] = '\0';
	return KW_OK;
}

static enum kw_err
take_key(struct suspending_ask *a, enum suspension_act act, const char *key, const json_t *v, struct kw_why *why)
{
	if (strcmp(key, "node") == 0)
		return take_text(a->node, sizeof a->node, v, key, why);
	if (act == SUSPENSION_BEGUN && strcmp(key, "reason") == 0)
		return take_text(a->reason, sizeof a->reason, v, key, why);
	if (act != SUSPENSION_BEGUN || strcmp(key, "for_ms") != 0)
		return kw_refuse(why, KW_EINVAL, "the key \"%.32s\" is not known in a request about a suspension", key);
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return kw_refuse(why, KW_EINVAL, "%s must be a whole number", key);
	a->for_ms = (uint64_t)json_integer_value(v);
	return KW_OK;
}

enum kw_err
suspending_ask_read(struct suspending_ask *out, enum suspension_act act, struct span text, struct kw_why *why)
{
	const char *key;
	enum kw_err err;
	json_t *doc, *v;

	memset(out, 0, sizeof *out);
	if (text.len > ASK_MAX)
		return kw_refuse(why, KW_ELIMIT, "the request has %zu bytes, at most %u are allowed", text.len, ASK_MAX);
	doc = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
	err = json_is_object(doc) ? KW_OK : kw_refuse(why, KW_EPROTO, "the request is no JSON object");
	if (err == KW_OK)
		json_object_foreach(doc, key, v)
			if ((err = take_key(out, act, key, v, why)) != KW_OK)
				break;
	if (err == KW_OK && out->node[0] == '\0')
		err = kw_refuse(why, KW_EINVAL, "the key \"%s\" is missing", "node");
	json_decref(doc);
	return err;
}

/* ---- into the log ---- */

static enum kw_err
put_into_log(struct relay *r, const struct broker_entry *e, bool again, struct core_time now, struct kw_why *why)
{
	uint8_t bytes[ENTRY_SUSPENSION_MAX], hash[KW_HASH_LEN];
	struct span s = span_of(bytes, entry_suspension_encode(bytes, e, secret_keys_sign(r->parts.keys)));
	enum kw_err err;
	struct blob *b;

	b = carrier_of_entry(s);
	if (b == NULL)
		return kw_refuse(why, KW_ENOMEM, "the broker is short of memory");
	entry_hash(hash, s);
	err = core_suspended(r->parts.core, e, again, b, hash, now, why);
	blob_unref(&b);
	return err;
}

static enum kw_err
begin(struct relay *r, const struct core_suspend *ask, struct kw_why *why)
{
	struct core_time now = relay_now();
	struct broker_entry e;
	enum kw_err err = core_suspend(r->parts.core, ask, &e, now, why);

	return err == KW_OK ? put_into_log(r, &e, false, now, why) : err;
}

enum kw_err
relay_suspend(struct relay *r, enum suspension_act act, const struct suspending_ask *ask, const char *by, struct relay_done done, struct kw_why *why)
{
	struct core_suspend wish = {.act = act, .node = ask->node, .by = by, .reason = span_str(ask->reason), .for_ms = ask->for_ms};
	enum kw_err err = begin(r, &wish, why);

	if (err == KW_OK)
		r->suspend_done = done; /* the core takes one at a time */
	else
		log_event(LOG_NOTICE, "node.not_suspended", "peer=%s operator=%s why=\"%s\"", ask->node, by, why->text);
	return err;
}

/* What fails now is wanted again in a second. */
void
relay_suspension_again(struct relay *r, uint32_t node)
{
	struct core_time now = relay_now();
	struct broker_entry e;

	if (core_suspension_again(&e, r->parts.core, node, now))
		(void)!put_into_log(r, &e, true, now, NULL);
}

void
relay_suspension_stands(struct relay *r, bool stored, bool again)
{
	const struct broker_entry *b = core_suspension_entry(r->parts.core);
	const struct entry_suspension *e = &b->of_suspension;
	struct relay_done done = r->suspend_done;
	char until[TEXT_TIME_MAX];

	text_put_time_utc(until, e->until_ms);
	if (again && stored)
		log_event(LOG_NOTICE, "node.suspension_stated", "peer=%s version=%u", e->node, b->version);
	if (again)
		return;
	if (!stored)
		log_event(LOG_ERROR, "node.not_suspended", "peer=%s operator=%s why=\"the store has no room\"", e->node, e->by);
	else if (e->act == SUSPENSION_BEGUN)
		log_event(LOG_WARNING, "node.suspended", "peer=%s operator=%s until=%s why=\"%s\"", e->node, e->by, until, e->reason);
	else
		log_event(LOG_WARNING, "node.resumed", "peer=%s operator=%s", e->node, e->by);
	r->suspend_done = (struct relay_done){NULL, NULL};
	if (done.call != NULL)
		done.call(done.self, stored ? KW_OK : KW_EFULL, stored ? "" : "the store has no room for it: nothing was changed");
}

void
relay_suspension_over(struct relay *r, uint32_t node)
{
	const char *id = core_node_id(r->parts.core, node);

	log_event(LOG_NOTICE, "node.suspension_over", "peer=%s", id);
	audit_book_event(r->parts.book, "suspension_over", id, NULL, clock_wall_ms());
}

/* ---- what is said of it ---- */

static json_t *
number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static void
put_reach(json_t *o, const struct core *c, uint32_t i)
{
	json_object_set_new(o, "cases_taken", number(core_cases_taken(c, i)));
	json_object_set_new(o, "coordinator", json_boolean(strcmp(core_node_id(c, i), agreement_coordinator(core_agreement(c))) == 0));
}

/* Whom the operator is to tell. */
static json_t *
committee(const struct agreement *a)
{
	json_t *names = json_array();

	for (uint32_t i = 0; i < agreement_member_count(a); i++)
		json_array_append_new(names, json_string(agreement_member_name(a, i)));
	return names;
}

enum kw_err
suspending_put_answer(struct buf *out, const struct relay *r)
{
	const struct core *c = relay_parts_of(r)->core;
	const struct entry_suspension *e = &core_suspension_entry(c)->of_suspension;
	bool whole;
	json_t *o;
	char *text;
	uint32_t i;

	json_memory_begin();
	o = json_object();
	json_object_set_new(o, "node", json_string(e->node));
	json_object_set_new(o, "by", json_string(e->by));
	json_object_set_new(o, "from_ms", number(e->from_ms));
	json_object_set_new(o, "until_ms", number(e->until_ms));
	json_object_set_new(o, "reason", json_string(e->reason));
	if (core_find_node(&i, c, e->node))
		put_reach(o, c, i);
	json_object_set_new(o, "committee", committee(core_agreement(c)));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	whole = text != NULL && !json_memory_was_short();
	if (whole)
		buf_put_str(out, text);
	free(text);
	return whole && buf_ok(out) ? KW_OK : KW_ENOMEM;
}

json_t *
suspending_json(const struct core *c, uint32_t i)
{
	struct core_suspension s;
	json_t *o;

	if (!core_suspension(c, i, &s))
		return json_null();
	o = json_object();
	json_object_set_new(o, "by", json_string(s.by));
	json_object_set_new(o, "reason", json_string(s.reason));
	json_object_set_new(o, "from_ms", number(s.from_ms));
	json_object_set_new(o, "until_ms", number(s.until_ms));
	return o;
}

void
suspending_put_all(json_t *root, const struct relay *r)
{
	const struct core *c = relay_parts_of(r)->core;
	uint32_t total = core_node_total(c), held = core_suspension_count(c), shown = 0;
	json_t *list = json_array();

	for (uint32_t i = 0; i < total && shown < held && shown < SHOWN_MAX; i++) {
		json_t *o = suspending_json(c, i);

		if (json_is_object(o)) {
			json_object_set_new(o, "node", json_string(core_node_id(c, i)));
			put_reach(o, c, i);
			json_array_append(list, o);
			shown++;
		}
		json_decref(o);
	}
	json_object_set_new(root, "suspended", list);
	json_object_set_new(root, "suspended_total", number(held));
}
