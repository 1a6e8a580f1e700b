/* broker_look: see its header. */
#include "clients/cli/broker_look.h"

#include <stdlib.h>
#include <string.h>

#include "clients/cli/look.h"

#define PAGE 100 /* nodes: the broker is held up by one for about a millisecond */
#define PAGES_MAX 1000u

static enum kw_err
ask(json_t **out, struct broker_ask *b, enum admin_verb verb, json_t *request, uint64_t timeout_ms, struct kw_why *why)
{
	struct buf answer = BUF_INIT(KW_MESSAGE_MAX);
	char *text = json_dumps(request, JSON_COMPACT);
	enum kw_err err;

	json_decref(request);
	*out = NULL;
	if (text == NULL)
		return kw_refuse(why, KW_ENOMEM, "out of memory");
	err = broker_ask(&answer, b, verb, span_str(text), span_of(NULL, 0), timeout_ms, why);
	free(text);
	if (err == KW_OK)
		*out = json_loadb((const char *)answer.p, answer.len, 0, NULL);
	if (err == KW_OK && !json_is_object(*out)) {
		json_decref(*out);
		*out = NULL;
		err = kw_refuse(why, KW_EPROTO, "what the broker answered is no JSON");
	}
	buf_free(&answer);
	return err;
}

enum kw_err
broker_look_nodes(json_t **out, struct broker_ask *b, uint64_t timeout_ms, struct kw_why *why)
{
	json_t *all = json_array(), *page;
	uint64_t after = 0;
	bool more = true;
	enum kw_err err = KW_OK;

	for (uint32_t n = 0; more && n < PAGES_MAX; n++) {
		uint64_t next;

		err = ask(&page, b, ADMIN_NODES, json_pack("{s:I, s:i}", "after", (json_int_t)after, "limit", PAGE), timeout_ms, why);
		if (err != KW_OK)
			break;
		(void)json_array_extend(all, json_object_get(page, "nodes"));
		next = look_number(page, "after");
		more = look_flag(page, "more") && next > after; /* a broker before pages tells of neither */
		after = next;
		json_decref(page);
	}
	if (err != KW_OK) {
		json_decref(all);
		return err;
	}
	*out = all;
	return KW_OK;
}

enum kw_err
broker_look_node(json_t **out, struct broker_ask *b, const char *id, uint64_t timeout_ms, struct kw_why *why)
{
	json_t *page, *node;
	size_t i;
	enum kw_err err = ask(&page, b, ADMIN_NODES, json_pack("{s:s}", "node", id), timeout_ms, why);

	if (err != KW_OK)
		return err;
	*out = NULL;
	json_array_foreach(json_object_get(page, "nodes"), i, node)
		if (*out == NULL && strcmp(look_text(node, "id"), id) == 0)
			*out = json_incref(node);
	json_decref(page);
	return *out != NULL ? KW_OK : kw_refuse(why, KW_ENOTFOUND, "the broker does not tell of the node \"%.128s\"", id);
}

enum kw_err
broker_look_short(json_t **out, struct broker_ask *b, uint64_t timeout_ms, struct kw_why *why)
{
	return ask(out, b, ADMIN_STATUS, json_pack("{s:i}", "limit", 0), timeout_ms, why);
}

enum kw_err
broker_look_status(json_t **out, struct broker_ask *b, uint64_t timeout_ms, struct kw_why *why)
{
	json_t *status, *nodes;
	enum kw_err err = broker_look_short(&status, b, timeout_ms, why);

	if (err != KW_OK)
		return err;
	if (json_object_get(status, "nodes_total") != NULL) { /* else it is a broker before pages, which told of what it tells */
		if ((err = broker_look_nodes(&nodes, b, timeout_ms, why)) != KW_OK) {
			json_decref(status);
			return err;
		}
		(void)json_object_set_new(status, "nodes", nodes);
		(void)json_object_del(status, "after");
		(void)json_object_del(status, "more");
	}
	*out = status;
	return KW_OK;
}
