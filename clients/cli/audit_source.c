/* audit_source: see its header. */
#include "clients/cli/audit_source.h"

#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"

#define WAIT_MS 30000u

bool
audit_source_open(struct audit_source *s, const struct cli *c, const char *socket, const struct broker_way *way, enum cli_exit *code)
{
	struct kw_why why;
	enum kw_err err;

	s->c = c;
	if (way->control == NULL && way->broker == NULL && way->key == NULL)
		return (s->node = local_open(c, socket, code)) != NULL;
	if (socket != NULL) {
		*code = cli_usage(c, _("--socket asks a node; --control, --broker and --key ask a broker: give one"));
		return false;
	}
	if (!broker_way_stands(c, way, code))
		return false;
	if ((err = broker_way_open(&s->broker, way, &why)) == KW_OK)
		return true;
	*code = cli_fail(c, err, &why);
	return false;
}

void
audit_source_close(struct audit_source *s)
{
	kurzweg_close(&s->node);
	broker_ask_free(&s->broker);
}

static bool
parse(json_t **page, const struct audit_source *s, const char *text, size_t len, enum cli_exit *code)
{
	if ((*page = json_loadb(text, len, 0, NULL)) != NULL)
		return true;
	cli_error(s->c, _("what was answered is no JSON"));
	*code = CLI_FAILED;
	return false;
}

static bool
ask_broker(json_t **page, struct audit_source *s, enum admin_verb verb, const char *query, enum cli_exit *code)
{
	struct buf answer = BUF_INIT(KW_MESSAGE_MAX);
	struct kw_why why;
	enum kw_err err = broker_ask(&answer, s->broker, verb, span_str(query), span_of(NULL, 0), WAIT_MS, &why);
	bool got = false;

	if (err == KW_OK)
		got = parse(page, s, (const char *)answer.p, answer.len, code);
	else
		*code = cli_fail(s->c, err, &why);
	buf_free(&answer);
	return got;
}

static bool
ask_node(json_t **page, struct audit_source *s, const char *query, enum cli_exit *code)
{
	char *text = NULL;
	enum kurzweg_result r = kurzweg_audit(s->node, query, s->as, s->reason, &text);
	bool got = false;

	if (r == KURZWEG_OK)
		got = parse(page, s, text, strlen(text), code);
	else
		*code = local_fail(s->c, s->node, r);
	free(text);
	return got;
}

bool
audit_source_page(json_t **page, struct audit_source *s, json_t *query, enum cli_exit *code)
{
	char *text;
	bool got;

	if (s->broker != NULL && s->as != NULL)
		(void)json_object_set_new(query, "as", json_string(s->as));
	if (s->broker != NULL && s->reason != NULL)
		(void)json_object_set_new(query, "reason", json_string(s->reason));
	text = json_dumps(query, JSON_COMPACT);
	json_decref(query);
	got = s->broker != NULL ? ask_broker(page, s, ADMIN_AUDIT, text, code) : ask_node(page, s, text, code);
	free(text);
	return got;
}

bool
audit_source_headers(json_t **page, struct audit_source *s, json_t *query, enum cli_exit *code)
{
	char *text = json_dumps(query, JSON_COMPACT);
	bool got;

	json_decref(query);
	got = ask_broker(page, s, ADMIN_HEADERS, text, code);
	free(text);
	return got;
}
